package syntax

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// typeNames are the types of inputs and data points.
var typeNames = []string{"string", "integer", "number", "boolean", "date", "datetime", "telephone", "object", "list", "any"}

// otherTypes are other languages' names for them.
var otherTypes = map[string]string{
	"int": "integer", "int64": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
	"bool": "boolean", "str": "string", "text": "string", "uuid": "string", "url": "string", "uri": "string", "email": "string",
	"secret": "string", "password": "string", "id": "string", "array": "list", "map": "object", "dict": "object",
	"timestamp": "datetime", "time": "datetime", "date-time": "datetime", "phone": "telephone", "tel": "telephone", "json": "any",
}

// inputs reads the inputs.
func (r *reader) inputs(f *fields) {
	p, has := f.get("inputs")
	if !has {
		return
	}
	for _, pair := range r.names(p) {
		in := &Input{ID: ID{Name: pair.Key, Span: pair.KeySpan}}
		r.flow.Inputs = append(r.flow.Inputs, in)
		g, ok := r.declaration(pair, &inputKeys, &in.Rule)
		if !ok {
			continue
		}
		in.Required = g.boolean("required")
		in.Env = g.text("env")
		in.MinLength = g.integer("min_length", 0, math.MaxInt)
		in.MaxLength = g.integer("max_length", 0, math.MaxInt)
		if in.MinLength != nil && in.MaxLength != nil && *in.MinLength > *in.MaxLength {
			g.reversed("min_length", "max_length")
		}
		if in.Required != nil && *in.Required && in.Default != nil {
			p, _ := g.get("required")
			r.report(p.KeySpan, diag.KeysExclude, "remove one of them", "an input with a `default` is never required")
		}
	}
}

// data reads the declarations of data points.
func (r *reader) data(f *fields) {
	if p, has := f.get("data"); has {
		r.flow.Data = r.dataOf(p)
	}
}

func (r *reader) dataOf(p Pair) (all []*Data) {
	for _, pair := range r.names(p) {
		d := &Data{ID: ID{Name: pair.Key, Span: pair.KeySpan}}
		all = append(all, d)
		if g, ok := r.declaration(pair, &dataKeys, &d.Rule); ok {
			d.Category, d.Unit = g.text("category"), g.text("unit")
		}
	}
	return all
}

// declaration reads what inputs and data points share: a type's name alone, or
// a mapping, which it gives for more.
func (r *reader) declaration(p Pair, t *Table, rule *Rule) (*fields, bool) {
	if p.Value.Kind == String {
		rule.Type, rule.TypeSpan = r.typeName(p), p.Value.Span
		return nil, false
	}
	if p.Value.Kind == Null {
		r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongShape, fmt.Sprintf("write `%s: string`", p.Key), "%q has no type and no keys", p.Key)
		return nil, false
	}
	g, ok := r.open(p.Value, t, fmt.Sprintf("%q", p.Key))
	if !ok {
		return nil, false
	}
	if tp, has := g.get("type"); has {
		rule.Type, rule.TypeSpan = r.typeName(tp), tp.Value.Span
	}
	if ip, has := g.get("items"); has {
		rule.Items = r.typeName(ip)
		if rule.Type != "list" && !(rule.Type == "" && hasKey(g, "type")) {
			r.report(ip.KeySpan, diag.KeyNotAllowed, "write `type: list`", "`items` belongs to a list")
		}
	}
	rule.Description = g.text("description")
	if dp, has := g.get("default"); has && r.constants("default", dp.Value) {
		rule.Default = dp.Value
	}
	rule.OneOf = g.constantList("one_of")
	if pp, has := g.get("pattern"); has {
		rule.Pattern, rule.PatternSpan = g.pattern("pattern"), pp.KeySpan
	}
	rule.Min, rule.Max = g.bound("min", rule.Type), g.bound("max", rule.Type)
	if above(rule.Min, rule.Max) {
		g.reversed("min", "max")
	}
	rule.Sensitive = g.boolean("sensitive")
	rule.PII = g.isTrue("pii")
	return g, true
}

func hasKey(f *fields, key string) bool {
	_, has := f.get(key)
	return has
}

// above says whether one number is larger than the other.
func above(low, high *Node) bool {
	if low == nil || high == nil || low.Kind != Number || high.Kind != Number {
		return false
	}
	a, err := strconv.ParseFloat(low.Text, 64)
	b, err2 := strconv.ParseFloat(high.Text, 64)
	return err == nil && err2 == nil && a > b
}

func (f *fields) reversed(low, high string) {
	p, _ := f.get(low)
	f.r.report(p.Value.Span, diag.WrongValue, "", "%q is above %q", low, high)
}

// typeName reads the name of a type; "" if it is none.
func (r *reader) typeName(p Pair) string {
	text, ok := r.text(p)
	if !ok || slices.Contains(typeNames, text) {
		return text
	}
	hint := didYouMean(text, typeNames)
	if ours := otherTypes[strings.ToLower(text)]; ours != "" {
		hint = "write " + ours
	}
	if hint == "" && strings.Contains(text, "://") && p.Key != "type" && p.Key != "items" {
		hint = fmt.Sprintf("write `%s: { default: %q }` if that is the value", p.Key, short(text))
	}
	d := r.report(p.Value.Span, diag.WrongValue, hint, "there is no type %q", short(text))
	d.Notes = []string{"the types are " + strings.Join(typeNames, ", ")}
	return ""
}

// constantList reads a list of constants with something in it.
func (f *fields) constantList(key string) []*Node {
	p, has := f.get(key)
	if !has {
		return nil
	}
	if p.Value.Kind != List || len(p.Value.Items) == 0 {
		what := describe(p.Value)
		if p.Value.Kind == List {
			what = "an empty one"
		}
		f.r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongShape, "", "%q takes a list of values, not %s", key, what)
		return nil
	}
	if !f.r.constants(key, p.Value) {
		return nil
	}
	return p.Value.Items
}

// bound reads min or max: a number, or text where the type is a date.
func (f *fields) bound(key, typ string) *Node {
	p, has := f.get(key)
	if !has || !f.r.constant(key, p.Value) {
		return nil
	}
	n := p.Value
	if n.Kind == Number || n.Kind == String && (typ == "date" || typ == "datetime") {
		return n
	}
	f.r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q takes a number, not %s", key, describe(n))
	return nil
}

// secrets reads where secret values come from.
func (r *reader) secrets(f *fields) {
	p, has := f.get("secrets")
	if !has {
		return
	}
	for _, pair := range r.names(p) {
		s := &Secret{ID: ID{Name: pair.Key, Span: pair.KeySpan}}
		r.flow.Secrets = append(r.flow.Secrets, s)
		if pair.Value.Kind < List {
			r.report(orKey(pair.Value.Span, pair.KeySpan), diag.WrongShape,
				fmt.Sprintf("write `%s: { env: %s }`", pair.Key, strings.ToUpper(pair.Key)),
				"a secret says where its value comes from, not the value")
			continue
		}
		g, ok := r.open(pair.Value, &secretKeys, "a secret")
		if !ok {
			continue
		}
		s.Description, s.Optional = g.text("description"), g.isTrue("optional")
		s.Env, s.Path = g.text("env"), g.text("file")
		s.Command = g.command()
		s.Keyring = g.keyring()
		g.oneOf("the secret "+pair.Key, "env", "file", "command", "keyring")
	}
}

// oneOf reports if not exactly one of the keys is there. It gives the one.
func (f *fields) oneOf(what string, keys ...string) (Pair, bool) {
	var found []Pair
	for _, p := range f.node.Pairs {
		if slices.Contains(keys, p.Key) {
			found = append(found, p)
		}
	}
	for i, p := range found {
		if i > 0 {
			f.r.report(p.KeySpan, diag.KeysExclude, "remove one of them", "%q and %q exclude each other", found[0].Key, p.Key)
		}
	}
	if len(found) == 0 {
		if !slices.ContainsFunc(f.guess, func(g string) bool { return slices.Contains(keys, g) }) {
			f.r.report(f.node.Span, diag.MissingKey, "", "%s has none of %s", what, strings.Join(keys, ", "))
		}
		return Pair{}, false
	}
	return found[0], true
}

// command reads a program and its arguments.
func (f *fields) command() []string {
	p, has := f.get("command")
	if !has {
		return nil
	}
	if p.Value.Kind != List || len(p.Value.Items) == 0 {
		f.r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongShape, "write `command: [prog, arg]`", "\"command\" takes a list of program and arguments, not %s", describe(p.Value))
		return nil
	}
	var words []string
	for _, item := range p.Value.Items {
		word, ok := f.r.text(Pair{Key: "command", KeySpan: p.KeySpan, Value: item})
		if !ok {
			return nil
		}
		words = append(words, word)
	}
	return words
}

// keyring reads an entry of the system's keyring.
func (f *fields) keyring() *Keyring {
	p, has := f.get("keyring")
	if !has {
		return nil
	}
	g, ok := f.r.open(p.Value, &keyringKeys, "`keyring`")
	if !ok {
		return nil
	}
	g.require("the keyring")
	return &Keyring{Service: g.text("service"), User: g.text("user")}
}

// callbacks reads the messages that others may send to a run.
func (r *reader) callbacks(f *fields) {
	p, has := f.get("callbacks")
	if !has {
		return
	}
	for _, pair := range r.names(p) {
		m := &Message{ID: ID{Name: pair.Key, Span: pair.KeySpan}}
		r.flow.Callbacks = append(r.flow.Callbacks, m)
		if pair.Value.Kind == Null { // `result:` alone declares it
			continue
		}
		if g, ok := r.open(pair.Value, &callbackKeys, "a callback"); ok {
			m.Description, m.Schema = g.text("description"), g.schema()
		}
	}
}

// credentials reads how requests are authorized. What is a kind's own is left
// for the checker, which knows the kinds.
func (r *reader) credentials(f *fields) {
	p, has := f.get("credentials")
	if !has {
		return
	}
	for _, pair := range r.names(p) {
		if pair.Key == "none" {
			r.report(pair.KeySpan, diag.BadName, "give it another name", "a credential cannot be called none: `auth: none` sends no credential")
			continue
		}
		c := &Credential{ID: ID{Name: pair.Key, Span: pair.KeySpan}, Span: pair.Value.Span}
		r.flow.Credentials = append(r.flow.Credentials, c)
		if pair.Value.Kind != Mapping {
			r.report(orKey(pair.Value.Span, pair.KeySpan), diag.WrongShape, "write it like `{ type: bearer, token: \"${{ secrets.token }}\" }`",
				"a credential is a mapping with keys, not %s", describe(pair.Value))
			continue
		}
		c.read(r, pair.Value)
	}
}

// read takes the keys that every credential may have, and leaves the others.
func (c *Credential) read(r *reader, n *Node) {
	f := &fields{r: r, node: n, table: &credentialKeys}
	f.require(fmt.Sprintf("the credential %q", c.Name))
	if p, has := f.get("type"); has {
		if text, ok := r.text(p); ok {
			c.Type = ID{Name: text, Span: p.Value.Span}
		}
	}
	taken := credentialKeysOfAll
	if c.Type.Name == "steps" {
		c.Login = f.login()
		taken = append(loginKeys, taken...)
	}
	own := *n
	own.Pairs = slices.DeleteFunc(slices.Clone(n.Pairs), func(p Pair) bool {
		return strings.HasPrefix(p.Key, "x-") || slices.Contains(taken, p.Key)
	})
	c.Fields = &own
	if p, has := f.get("origins"); has {
		c.Origins = p.Value
	}
	if p, has := f.get("send"); has {
		c.Send, c.SendSpan = r.send(p), p.KeySpan
	}
	if p, has := f.get("reject_on"); has {
		if g, ok := r.open(p.Value, &rejectKeys, "`reject_on`"); ok {
			c.RejectOn = &RejectOn{Status: g.status("status")}
			if when, has := g.get("when"); has {
				c.RejectOn.When = r.expression(when)
			}
		}
	}
}

// credentialKeysOfAll are the keys that no kind describes, loginKeys those of the type steps.
var (
	credentialKeysOfAll = []string{"type", "send", "reject_on", "origins"}
	loginKeys           = []string{"data", "steps", "token", "expires_in"}
)

// login reads the steps that end in a token.
func (f *fields) login() *Login {
	l := &Login{Whole: f.node}
	if p, has := f.get("data"); has {
		l.Data = f.r.dataOf(p)
	}
	if p, has := f.get("steps"); has {
		l.Steps = f.r.list(p)
	} else {
		f.missing("steps", "the credential", "what is done to get the token")
	}
	if p, has := f.get("token"); has {
		l.Token = p.Value
	} else {
		f.missing("token", "the credential", "such as ${{ data.session }}")
	}
	if p, has := f.get("expires_in"); has {
		l.ExpiresIn = p.Value
	}
	return l
}

// send reads where a token stands; nil if that was wrong.
func (r *reader) send(p Pair) *Send {
	if p.Value.Kind == String {
		r.report(p.Value.Span, diag.WrongShape, "write { header: NAME }", "`send` is a mapping that says where the token stands")
		return nil
	}
	g, ok := r.open(p.Value, &sendKeys, "`send`")
	if !ok {
		return nil
	}
	one, ok := g.oneOf("`send`", "header", "cookie", "query")
	if !ok {
		return nil
	}
	s := &Send{Header: g.text("header"), Cookie: g.text("cookie"), Query: g.text("query"), Span: p.KeySpan}
	if v, has := g.get("value"); has {
		switch {
		case one.Key != "header":
			r.report(v.KeySpan, diag.KeyNotAllowed, "leave it away", "`value` goes with `header`: a %s holds the token alone", one.Key)
		case v.Value.Kind != String || v.Value.Text == "":
			r.report(orKey(v.Value.Span, v.KeySpan), diag.WrongShape, "write it like \"Token ${{ token }}\"", "\"value\" takes text, not %s", describe(v.Value))
		default:
			s.Value = v.Value
		}
	}
	return s
}
