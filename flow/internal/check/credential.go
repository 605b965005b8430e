package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
	"github.com/stepwell/stepwell/flow/internal/trust"
)

// A CredentialKind is a kind of credential as the checker needs it; package
// flow makes it from a kind's specification, where the documentation is.
type CredentialKind struct {
	Doc    string
	Fields []Field
	Send   SendRule
	Check  func(Static) []Complaint // more than fields can say; nil: nothing
}

// A SendRule says whether a credential has `send`, in the order of package flow's.
type SendRule uint8

// The rules.
const (
	SendMay SendRule = iota
	SendMust
	SendNever
)

// credentials compiles what says how requests are authorized.
func (c *checker) credentials() {
	c.authorities = make(map[string]*plan.Credential, len(c.file.Credentials))
	if len(c.opening) > 0 { // a credential's steps: those that they use are compiled there
		return
	}
	for _, s := range c.file.Credentials {
		if c.authorities[s.Name] == nil {
			c.authorities[s.Name] = c.credential(s)
		}
	}
}

func (c *checker) credential(s *syntax.Credential) *plan.Credential {
	before, space := c.at, c.space
	c.at = place{credential: true}
	defer func() { c.at, c.space = before, space }()
	for c.space.parent != nil { // it is made of what is outside of loops
		c.space = c.space.parent
	}
	p := &plan.Credential{Name: s.Name, Kind: s.Type.Name, Index: len(c.authorizing), Flow: c.node, Span: s.ID.Span}
	c.authorizing = append(c.authorizing, p)
	if s.Fields == nil { // that was reported
		return p
	}
	kind, known := c.kit.Credentials[s.Type.Name]
	if known {
		c.ownFields(s, &kind, p)
	} else {
		c.unknownKind(s)
		r := rendering{checker: c}
		c.at.subject = true
		r.json(s.Fields)
		c.at.subject = false
	}
	if s.Login != nil && known {
		c.login(s, p)
	}
	c.placing(s, known, kind.Send, p)
	if s.RejectOn != nil {
		p.Reject.Status = ranges(s.RejectOn.Status)
		if s.RejectOn.When != nil {
			c.at.response = true
			p.Reject.When = c.condition(s.RejectOn.When)
			c.at.response = false
		}
	}
	c.ownOrigins(s, p)
	return p
}

func (c *checker) unknownKind(s *syntax.Credential) {
	if s.Type.Name == "" {
		return
	}
	hint := oneOf(s.Type.Name, slices.Sorted(maps.Keys(c.kit.Credentials)), "the types are ")
	c.errorAt(s.Type.Span, diag.UnknownCredentialType, hint, "there is no type of credential %q", s.Type.Name)
}

// ownFields compiles what the kind describes.
func (c *checker) ownFields(s *syntax.Credential, kind *CredentialKind, p *plan.Credential) {
	args := make(arguments, len(kind.Fields))
	for i := range args {
		args[i].field = &kind.Fields[i]
	}
	before := len(c.problems)
	where := fmt.Sprintf("a credential of type %s", s.Type.Name)
	keys := append(fieldNames(kind.Fields), "origins", "reject_on")
	if kind.Send != SendNever {
		keys = append(keys, "send")
	}
	for _, pair := range s.Fields.Pairs {
		if a := args.of(pair.Key); a != nil {
			c.argument(args, a, pair)
		} else if a := args.of(c.unknownKey(pair, keys, where)); a != nil {
			a.meant = true
		}
	}
	for i := range args {
		a := &args[i]
		if a.node == nil {
			if a.field.Required && !a.meant {
				c.missing(a.field, fmt.Sprintf("the credential %q", s.Name), s.ID.Span)
			}
			continue
		}
		r := rendering{checker: c}
		v := r.value(a.field, a.node)
		if a.field.Destination || a.field.Allows {
			c.decided(a.field.Name, a.node, a.field.Destination)
		}
		p.Fields = append(p.Fields, plan.Field{Name: a.field.Name, Rank: i, Value: v, Class: r.class, Options: options(a.field)})
	}
	if kind.Check == nil {
		return
	}
	for _, complaint := range kind.Check(static{args, c}) {
		c.complaint(s.ID.Span, args, complaint, before)
	}
}

// placing compiles where the token stands in a request.
func (c *checker) placing(s *syntax.Credential, known bool, rule SendRule, p *plan.Credential) {
	switch {
	case s.Send == nil && s.SendSpan.Line > 0: // it was wrong, and that was reported
	case s.Send == nil && known && rule == SendMust:
		c.errorAt(s.ID.Span, diag.MissingKey, "such as `send: { header: X-Api-Key }`", "the credential %q lacks `send`: where it stands in a request", s.Name)
	case s.Send == nil:
	case known && rule == SendNever:
		c.errorAt(s.Send.Span, diag.KeyNotAllowed, "leave it away", "a credential of type %s always stands in the header Authorization", s.Type.Name)
	default:
		p.Send = c.send(s.Send)
	}
}

func (c *checker) send(s *syntax.Send) *plan.Send {
	p := &plan.Send{Header: s.Header, Cookie: s.Cookie, Query: s.Query}
	for _, name := range []string{s.Header, s.Cookie} {
		if i := strings.IndexFunc(name, notInToken); i >= 0 {
			c.errorAt(s.Span, diag.BadHeader, "", "the name %q cannot hold %q", name, []rune(name[i:])[0])
		}
	}
	if s.Value == nil {
		return p
	}
	c.at.token = true
	p.Value = c.text(s.Value)
	c.at.token = false
	if p.Value != nil && !slices.ContainsFunc(p.Value.Refs(), func(r expression.Ref) bool { return r.Root == "" && r.Name == "token" }) {
		c.errorAt(s.Value.Span, diag.WrongValue, "such as \"Token ${{ token }}\"", "the token does not stand in `value`")
	}
	return p
}

// notInToken says of a character that no name of a header or cookie has it (RFC 9110 §5.6.2).
func notInToken(r rune) bool {
	return !(r|0x20 >= 'a' && r|0x20 <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
}

// ownOrigins compiles where a credential may go.
func (c *checker) ownOrigins(s *syntax.Credential, p *plan.Credential) {
	if s.Origins == nil {
		return
	}
	if s.Origins.Kind != syntax.List || len(s.Origins.Items) == 0 {
		c.errorAt(s.Origins.Span, diag.WrongShape, "write [ https://api.example.test ]", "`origins` is a list of URLs with something in it")
		return
	}
	r := rendering{checker: c}
	v := r.value(&Field{Name: "origins", Type: ListField, Fields: []Field{{Type: TextField}}}, s.Origins)
	p.Origins = &v
	c.decided("origins", s.Origins, false)
	for _, item := range s.Origins.Items {
		if item.Kind >= syntax.List || strings.Contains(item.Text, "${{") {
			continue
		}
		if _, err := trust.Origin(item.Text); err != nil {
			c.errorAt(item.Span, diag.BadURL, "", "this is not the URL of an origin: %s", err)
		}
	}
}

// auth compiles the name of the credential that a step uses.
func (c *checker) auth(arg *argument, call *plan.CallSpec) {
	f, n := arg.field, arg.node
	a := &plan.Auth{Field: f.Name, Span: n.Span}
	if n.Kind != syntax.String {
		c.errorAt(n.Span, diag.WrongShape, "", "`%s` must be the name of a credential, not %s", f.Name, article(shape(n)))
		return
	}
	if !isExpression(n) {
		if n.Text == "none" && !f.Required {
			return
		}
		if a.Fixed = c.authority(n, n.Text, f.Required); a.Fixed == nil {
			return
		}
	} else {
		r := rendering{checker: c}
		t := r.template(n)
		if t == nil {
			return
		}
		names, literal := t.Choices()
		if !literal || f.Required {
			hint := "write ${{ condition ? \"NAME\" : \"none\" }}, with names in quotes"
			if f.Required {
				hint = "write the name itself"
			}
			c.errorAt(n.Span, diag.ConstantRequired, hint, "which credential a step may use is known before it runs")
			return
		}
		a.Choice, a.Among = t, map[string]*plan.Credential{}
		for _, name := range names {
			a.Among[name] = nil
			if name != "none" {
				a.Among[name] = c.authority(n, name, false)
			}
		}
		call.Now = call.Now || r.clock
	}
	for _, p := range a.All() {
		c.readable(n, p)
	}
	call.Auth = a
}

// authority is the credential of a name; nil after a complaint.
func (c *checker) authority(n *syntax.Node, name string, must bool) *plan.Credential {
	if p := c.authorities[name]; p != nil {
		return p
	}
	names := make([]string, 0, len(c.file.Credentials))
	for _, s := range c.file.Credentials {
		switch {
		case s.Name != name:
			names = append(names, s.Name)
		case slices.Contains(c.opening, name):
			c.errorAt(n.Span, diag.FlowCycle, "", "the steps of the credential %q lead back to it: it would never have a token", name)
			return nil
		default:
			c.authorities[name] = c.credential(s)
			return c.authorities[name]
		}
	}
	slices.Sort(names)
	hint := "declare it: `credentials: { " + name + ": { type: … } }`"
	if near := expression.Suggest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if must && name == "none" {
		hint = "name a credential"
	} else if c.outer != nil && len(names) == 0 {
		hint = "a flow has credentials of its own: declare it in this file, or in one that it includes"
	}
	c.errorAt(n.Span, diag.UnknownName, hint, "no credential is called %q", name)
	return nil
}

// readable complains of a data point that a credential is made of and that may
// not be there where a step uses it.
func (c *checker) readable(n *syntax.Node, p *plan.Credential) {
	told := map[string]bool{}
	p.References(func(ref *expression.Ref) {
		h, ok := ref.Handle.(*plan.Ref)
		if !ok || h.Point == nil || told[ref.Name] {
			return
		}
		told[ref.Name] = true
		v := c.points[h.Point]
		if v == nil || v.now.state == expression.Set && v.busy == nil {
			return
		}
		code, what := diag.MayBeUnset, "may not be set here"
		if v.now.state == expression.Unset {
			code, what = diag.UsedBeforeSaved, "is not set here"
			if why := c.whyUnset(v); why != "" {
				what = why
			}
		}
		c.errorAt(n.Span, code, "", "the credential %q is made of data.%s, which %s", p.Name, ref.Name, what)
	})
}

// authorized says where the token of a step may go, as far as it is known:
// foreign is the field by which an answer decides it, trusted says that there is
// an origin that none decides.
func (c *checker) authorized(args arguments, call *plan.CallSpec, foreign *plan.Field, trusted bool) {
	if call.Auth == nil {
		return
	}
	for _, p := range call.Auth.All() {
		c.sentTwice(args, p)
		switch {
		case p.Origins != nil:
			c.sameOrigin(args, p)
		case foreign == nil:
		case !trusted:
			who, hint := c.sayer(&foreign.Value, fmt.Sprintf("list its origin in `origins` of the credential %q", p.Name))
			c.errorAt(args.of(foreign.Name).node.Span, diag.UntrustedOrigin, hint, "this step sends the credential %q, and only %s says where to", p.Name, who)
		default:
			c.report(diag.Diagnostic{Span: args.of(foreign.Name).node.Span, Severity: diag.Note, Code: diag.UntrustedOrigin,
				Message: fmt.Sprintf("data says where the credential %q goes: the step fails if that is not a trusted origin", p.Name),
				Hint:    fmt.Sprintf("list the origins in `origins` of the credential %q", p.Name)})
		}
	}
}

// decided complains of a place that decides who gets secrets and is made of what an
// answer says, or an input that anybody gives: of its origin, or of all of it.
func (c *checker) decided(what string, n *syntax.Node, whole bool) {
	for _, item := range n.Items {
		c.decided(what, item, whole)
	}
	if n.Kind != syntax.String || !strings.Contains(n.Text, "${{") {
		return
	}
	foreign := (*expression.Template).OriginForeign
	t, _ := expression.CompileURL(n.Text, c)
	if t == nil {
		foreign = (*expression.Template).Foreign
		if t, _ = expression.CompileTemplate(n.Text, c); t == nil { // that was reported
			return
		}
	}
	stranger := c.stranger(t.Refs())
	switch {
	case stranger != "" && (whole || foreign(t)):
		c.errorAt(n.Span, diag.UntrustedOrigin, ofAnybody, "`%s` decides who gets secrets, and whoever starts a run may give inputs.%s", what, stranger)
	case foreign(t):
		c.errorAt(n.Span, diag.UntrustedOrigin, "write the origin out, or make it of an input of the run", "`%s` decides who gets secrets, and an answer must not", what)
	}
}

// sentTwice complains of a header that a step writes and that its credential puts there.
func (c *checker) sentTwice(args arguments, p *plan.Credential) {
	name := "Authorization"
	if p.Send != nil {
		name = p.Send.Header
	}
	headers, there := args.find([]string{"headers"})
	if !there {
		return
	}
	for _, h := range headers.Pairs {
		if strings.EqualFold(h.Key, name) && h.Value.Kind != syntax.Null {
			c.errorAt(h.KeySpan, diag.KeysExclude, "take one away; in a step `null` removes what comes from `defaults`",
				"this header is what the credential %q is sent in", p.Name)
		}
	}
}

// sameOrigin compares a URL that is constant with the origins of a credential
// that are.
func (c *checker) sameOrigin(args arguments, p *plan.Credential) {
	if p.Origins.Const == "" {
		return
	}
	at := args.of("url")
	if at == nil || at.node == nil || strings.HasPrefix(at.node.Text, "/") {
		at = args.of("base_url")
	}
	if at == nil || at.node == nil || at.node.Kind != syntax.String || strings.Contains(at.node.Text, "${{") {
		return
	}
	to, err := trust.Origin(at.node.Text)
	if err != nil {
		return
	}
	items, _ := expression.FromJSON(p.Origins.Const).Items()
	var listed []string
	for _, item := range items {
		text, _ := item.Text()
		origin, err := trust.Origin(text)
		if err != nil || origin == to {
			return
		}
		listed = append(listed, origin)
	}
	c.errorAt(at.node.Span, diag.UntrustedOrigin, "", "the credential %q goes to %s alone, not to %s", p.Name, strings.Join(listed, ", "), to)
}
