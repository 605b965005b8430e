package syntax

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// The bounds of a loop and of a retry.
const (
	defaultItems   = 1_000
	maxItems       = 100_000
	maxConcurrency = 1_000
	maxAttempts    = 1_000
	maxPages       = 10_000
)

// forEach reads a loop. A step whose loop is wrong still has one.
func (r *reader) forEach(p Pair) *ForEach {
	n := p.Value
	e := &ForEach{Span: p.KeySpan, Concurrency: 1, Max: defaultItems}
	switch n.Kind {
	case String:
		r.report(n.Span, diag.WrongShape, fmt.Sprintf("write `for_each: { in: %s }`", short(n.Text)), "`for_each` is a mapping with `in`, not %s", describe(n))
		return e
	case List:
		r.report(n.Span, diag.WrongShape, "write `for_each: { in: LIST }`", "`for_each` is a mapping with `in`, not a list")
		return e
	}
	f, ok := r.open(n, &forEachKeys, "`for_each`")
	if !ok {
		return e
	}
	f.node.Span = orKey(n.Span, p.KeySpan)
	f.require("`for_each`")
	if in, has := f.get("in"); has {
		e.In = r.expression(in)
	}
	e.As, e.IndexAs = f.variable("as"), f.variable("index_as")
	if e.As.Name != "" && e.As.Name == e.IndexAs.Name {
		r.report(e.IndexAs.Span, diag.DuplicateName, "", "item and index are both called %q", e.As.Name)
	}
	if v := f.integer("concurrency", 1, maxConcurrency); v != nil {
		e.Concurrency = *v
	}
	if v := f.integer("max", 1, maxItems); v != nil {
		e.Max = *v
	}
	e.Continue = f.choice("on_error", "stop", "continue") == "continue"
	return e
}

// reserved are the words that a loop variable cannot be called: roots,
// functions and keywords of expressions.
var reserved = strings.Fields(`
	inputs secrets data steps run callbacks response error request page round next credentials token
	not in and or if else let nil true false matches contains
	all none any one filter map find bitand bitor bitxor bitnand bitnot bitshl bitshr bitushr count sum reduce len abs ceil floor round mean median min max
	trim upper lower split replace repeat join type int float string bool now duration date timezone
	first last get take keys values sort concat reverse uniq flatten compact need uuid path hex base64 base64url
	unbase64 raw sha256 format env`)

// variable reads a loop variable's name.
func (f *fields) variable(key string) ID {
	p, has := f.get(key)
	if !has {
		return ID{}
	}
	id, ok := f.r.id(p, false)
	if !ok {
		return ID{}
	}
	if slices.Contains(reserved, id.Name) {
		f.r.report(id.Span, diag.BadName, "", "%q means something else in expressions; a loop variable needs another name", id.Name)
		return ID{}
	}
	return id
}

// expect reads what an answer must be.
func (r *reader) expect(p Pair) *Expect {
	if n := p.Value; n.Kind == Number || n.Kind == String {
		r.report(n.Span, diag.WrongShape, fmt.Sprintf("write `expect: { status: %s }`", short(n.Text)), "`expect` is a mapping with keys, not %s", describe(n))
		return nil
	}
	f, ok := r.open(p.Value, &expectKeys, "`expect`")
	if !ok {
		return nil
	}
	e := &Expect{Span: p.KeySpan, Status: f.status("status"), StatusSpan: f.place("status"), ErrorsSpan: f.place("errors")}
	if that, has := f.get("that"); has {
		for _, item := range each(that) {
			if r.inSwallowed(item.Value.Span) {
				continue
			}
			if t, ok := r.that(item); ok {
				e.That = append(e.That, t)
			}
		}
	}
	e.Schema = f.schema()
	e.AllowErrors = f.choice("errors", "allow") != ""
	return e
}

// each gives the items of a list, or the one value that is no list, as pairs of the key.
func each(p Pair) []Pair {
	if p.Value.Kind != List {
		return []Pair{p}
	}
	pairs := make([]Pair, len(p.Value.Items))
	for i, item := range p.Value.Items {
		pairs[i] = Pair{Key: p.Key, KeySpan: orKey(item.Span, p.KeySpan), Value: item}
	}
	return pairs
}

// that reads one expectation.
func (r *reader) that(p Pair) (That, bool) {
	if p.Value.Kind != Mapping {
		n := r.expression(p)
		return That{That: n}, n != nil
	}
	f, _ := r.open(p.Value, &thatKeys, "an expectation")
	f.require("the expectation")
	var t That
	if message, has := f.get("message"); has {
		if n := message.Value; n.Kind == List || n.Kind == Mapping || n.Kind == Null {
			r.report(orKey(n.Span, message.KeySpan), diag.WrongShape, "", "%q takes text, not %s", "message", describe(n))
		} else {
			t.Message = n
		}
	}
	if that, has := f.get("that"); has {
		t.That = r.expression(that)
	}
	return t, t.That != nil
}

// status reads 200, 2xx, or a list of them.
func (f *fields) status(key string) []StatusRange {
	p, has := f.get(key)
	if !has {
		return nil
	}
	var all []StatusRange
	for _, item := range each(p) {
		n := item.Value
		s, ok := status(strings.ToLower(n.Text))
		switch {
		case n.Kind == String && !f.r.constant(key, n):
		case !ok || n.Kind != Number && n.Kind != String:
			hint := ""
			if digit, _, _ := strings.Cut(strings.TrimPrefix(n.Text, "HTTP "), "0"); len(digit) == 1 && strings.Contains(n.Text, "-") {
				hint = "write " + digit + "xx"
			}
			f.r.report(orKey(n.Span, p.KeySpan), diag.WrongValue, hint, "a status is like 200 or 2xx, not %s", describe(n))
		default:
			all = append(all, s)
		}
	}
	if p.Value.Kind == List && len(p.Value.Items) == 0 {
		f.r.report(p.Value.Span, diag.WrongValue, "remove it for any 2xx", "%q lists no status", key)
	}
	return all
}

// saves reads the data points to keep of an answer.
func (r *reader) saves(p Pair) []*Save {
	var all []*Save
	for _, pair := range r.names(p) {
		if s := r.save(pair); s != nil {
			all = append(all, s)
		}
	}
	return all
}

// save reads one: a path, an expression, or a mapping.
func (r *reader) save(p Pair) *Save {
	s := &Save{ID: ID{Name: p.Key, Span: p.KeySpan}, Source: FromPath, Value: p.Value}
	switch n := p.Value; n.Kind {
	case Mapping:
		return r.saveMapping(p, s)
	case String:
		if n.Text == "" {
			r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "@this is the whole body", "the path of %q is empty", p.Key)
			return nil
		}
		if strings.Contains(n.Text, "${{") {
			return r.saveExpression(s)
		}
		return s
	case Number: // an index
		m := *n
		m.Kind = String
		s.Value = &m
		return s
	default:
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "write a path into the body, like name.0.text", "%q takes a source, not %s", p.Key, describe(n))
		return nil
	}
}

// saveExpression is a source that is one ${{ }}.
func (r *reader) saveExpression(s *Save) *Save {
	text := strings.TrimSpace(s.Value.Text)
	s.Source = FromExpression
	if !strings.HasPrefix(text, "${{") {
		r.report(s.Value.Span, diag.ConstantRequired, "a source is a constant path, or one ${{ }} and nothing else", "the path of %q has an expression in it", s.Name)
		return nil
	}
	end, closed := scanExpression(text[3:], "}}")
	if closed && 3+end != len(text) {
		r.report(s.Value.Span, diag.WrongValue, "a source is a constant path, or one ${{ }} and nothing else", "there is text after the expression of %q", s.Name)
		return nil
	}
	return s
}

func (r *reader) saveMapping(p Pair, s *Save) *Save {
	f, _ := r.open(p.Value, &saveKeys, fmt.Sprintf("%q", p.Key))
	if d, has := f.get("default"); has && r.constants("default", d.Value) {
		if s.Default = d.Value; d.Value.Kind == Null {
			r.report(orKey(d.Value.Span, d.KeySpan), diag.WrongValue, "write `optional: true`", "a default of null is no value")
			s.Default = nil
		}
	}
	s.Optional, s.Sensitive = f.isTrue("optional"), f.boolean("sensitive")
	if t, has := f.get("type"); has {
		s.Type = r.typeName(t)
	}
	s.Status = f.status("status")
	source, ok := f.oneOf(fmt.Sprintf("%q", p.Key), "path", "header", "cookie", "expression", "regex", "body")
	if !ok {
		return nil
	}
	s.Value = source.Value
	switch source.Key {
	case "expression":
		s.Source = FromExpression
		s.Value = r.expression(source)
		ok = s.Value != nil
	case "body":
		s.Source = FromBody
		s.Body = f.choice("body", "base64", "text")
		ok = s.Body != ""
	default:
		s.Source = map[string]Source{"path": FromPath, "header": FromHeader, "cookie": FromCookie, "regex": FromRegex}[source.Key]
		ok = r.saveText(source, s)
	}
	if !ok {
		return nil
	}
	return s
}

// saveText reads a source that is constant text.
func (r *reader) saveText(source Pair, s *Save) bool {
	if source.Key == "path" && source.Value.Kind == Number {
		m := *source.Value
		m.Kind = String
		s.Value, source.Value = &m, &m
	}
	text, ok := r.text(source)
	if !ok {
		return false
	}
	switch source.Key {
	case "regex":
		return r.compiles(source.Value)
	case "header":
		if i := strings.IndexFunc(text, notHeader); i >= 0 {
			r.report(source.Value.Span, diag.BadHeader, "", "%q is not a header's name", short(text))
			return false
		}
	}
	return true
}

// notHeader says whether a character cannot stand in a header's name (RFC 9110 §5.1).
func notHeader(c rune) bool {
	return c > 0x7e || c <= 0x20 || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
}

// schema reads a JSON Schema, or the file that holds one; nil if there is none.
func (f *fields) schema() *Node {
	p, has := f.get("schema")
	if !has {
		return nil
	}
	if n := p.Value; n.Kind == String && n.Text != "" || n.Kind == Mapping {
		if !f.r.constants("schema", n) {
			return nil
		}
		return n
	}
	f.r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongShape, "", "\"schema\" is a file or a JSON Schema, not %s", describe(p.Value))
	return nil
}
