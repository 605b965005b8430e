package check

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A rendering compiles the templates of one field, output or assignment, and
// gathers what they read.
type rendering struct {
	*checker
	class   plan.Class
	clock   bool // reads now() or uuid()
	request bool // reads `request`
	over    bool // goes over another value: null takes away, nothing is required
}

// taints is what programs and templates have in common.
type taints interface {
	Sensitive() bool
	PII() bool
}

// taint is the class of what a program or template gives.
func taint(t taints) plan.Class {
	switch {
	case t.Sensitive():
		return plan.Sensitive
	case t.PII():
		return plan.PII
	}
	return plan.Plain
}

// condition compiles what must be true or false; nil after a complaint.
func (c *checker) condition(n *syntax.Node) *expression.Program {
	text, ok := c.source(n)
	if !ok {
		return nil
	}
	p, problems := expression.CompileCondition(text, c)
	return c.program(n, p, problems)
}

// bare compiles a field that is an expression; nil after a complaint.
func (c *checker) bare(n *syntax.Node) *expression.Program {
	text, ok := c.source(n)
	if !ok {
		return nil
	}
	p, problems := expression.Compile(text, c)
	return c.program(n, p, problems)
}

// source is the text of an expression. A number or true without quotes is one, too.
func (c *checker) source(n *syntax.Node) (string, bool) {
	if n == nil {
		return "", false
	}
	if n.Kind >= syntax.List {
		c.errorAt(n.Span, diag.WrongShape, "", "this must be an expression, not a %s", shape(n))
		return "", false
	}
	return n.Text, true
}

func (c *checker) program(n *syntax.Node, p *expression.Program, problems []expression.Problem) *expression.Program {
	c.expressionProblems(n, problems)
	if failed(problems) {
		return nil
	}
	return p
}

func failed(problems []expression.Problem) bool {
	for _, p := range problems {
		if p.Severity == diag.Error {
			return true
		}
	}
	return false
}

// template compiles a text with ${{ }} in it; nil after a complaint.
func (r *rendering) template(n *syntax.Node) *expression.Template {
	return r.compile(use{n, false})
}

func (r *rendering) compile(u use) *expression.Template {
	t, shared := r.shared[u]
	if t == nil {
		compile := expression.CompileTemplate
		if u.url {
			compile = expression.CompileURL
		}
		var problems []expression.Problem
		t, problems = compile(u.node.Text, r.checker)
		r.expressionProblems(u.node, problems)
		if failed(problems) || t == nil {
			return nil
		}
		if shared && len(problems) == 0 && sameEverywhere(t) {
			r.shared[u] = t
		}
	}
	r.reads(t)
	return t
}

// sameEverywhere says whether a template means the same in every step: it reads
// nothing that may be unset at one place and set at another.
func sameEverywhere(t *expression.Template) bool {
	for _, ref := range t.Refs() {
		handle, _ := ref.Handle.(*plan.Ref)
		switch {
		case ref.Root == "inputs" && handle != nil && (handle.Input.Required || handle.Input.Default != nil):
		case ref.Root == "secrets" && handle != nil && !handle.Secret.Optional:
		case ref.Root == "run" && ref.Member != "status" && ref.Member != "error":
		default:
			return false
		}
	}
	return true
}

// reads notes what a template reads.
func (r *rendering) reads(t *expression.Template) {
	r.class = max(r.class, taint(t))
	r.clock = r.clock || t.UsesClock()
	r.request = r.request || t.Reads("request")
}

// text compiles a scalar that becomes text.
func (c *checker) text(n *syntax.Node) *expression.Template {
	if n == nil {
		return nil
	}
	if n.Kind >= syntax.List {
		c.errorAt(n.Span, diag.WrongShape, "", "this must be text, not a %s", shape(n))
		return nil
	}
	c.bareReference(n)
	r := rendering{checker: c}
	t := r.template(n)
	if t != nil {
		c.mustBeText(n, t)
	}
	return t
}

// json compiles any value.
func (r *rendering) json(n *syntax.Node) plan.Value {
	v := plan.Value{Span: n.Span}
	switch n.Kind {
	case syntax.List:
		r.list(n, &v)
	case syntax.Mapping:
		r.object(n, &v)
	case syntax.String:
		if !strings.Contains(n.Text, "{{") {
			r.bareReference(n)
			v.Const = quote(n.Text)
			break
		}
		t := r.template(n)
		if t == nil {
			v.Const = "null"
			break
		}
		if text, ok := t.Constant(); ok {
			v.Const = quote(text)
			break
		}
		if as := r.folded(n, t); as != nil {
			v.Const = scalar(as)
			break
		}
		r.mustBeValue(n, t)
		v.Template = t
	default:
		v.Const = scalar(n)
	}
	return v
}

func (r *rendering) list(n *syntax.Node, v *plan.Value) {
	v.IsList, v.Items = true, make([]plan.Value, len(n.Items))
	constant := true
	for i, item := range n.Items {
		v.Items[i] = r.json(item)
		constant = constant && v.Items[i].Const != ""
	}
	if constant {
		v.Const, v.Items = constantList(v.Items), nil
	}
}

func (r *rendering) object(n *syntax.Node, v *plan.Value) {
	v.Pairs = make([]plan.Pair, len(n.Pairs))
	constant := true
	for i, p := range n.Pairs {
		v.Pairs[i] = plan.Pair{Key: p.Key, Value: r.json(p.Value), Span: p.KeySpan}
		constant = constant && v.Pairs[i].Value.Const != ""
	}
	if constant {
		v.Const, v.Pairs = constantObject(v.Pairs), nil
	}
}

func constantList(items []plan.Value) string {
	var b strings.Builder
	b.WriteByte('[')
	for i := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(items[i].Const)
	}
	b.WriteByte(']')
	return b.String()
}

func constantObject(pairs []plan.Pair) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range pairs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(pairs[i].Key))
		b.WriteByte(':')
		b.WriteString(pairs[i].Value.Const)
	}
	b.WriteByte('}')
	return b.String()
}

// constant is the JSON of a value that must not have expressions in it.
func (c *checker) constant(n *syntax.Node) (string, bool) {
	if at := expressionIn(n); at != nil {
		c.errorAt(at.Span, diag.ConstantRequired, "", "an expression cannot stand here: this is read before anything runs")
		return "", false
	}
	r := rendering{checker: c}
	return r.json(n).Const, true
}

// expressionIn is the first scalar with an expression in it, or nil.
func expressionIn(n *syntax.Node) *syntax.Node {
	if n.Kind == syntax.String && strings.Contains(n.Text, "${{") {
		return n
	}
	for _, item := range n.Items {
		if at := expressionIn(item); at != nil {
			return at
		}
	}
	for _, p := range n.Pairs {
		if at := expressionIn(p.Value); at != nil {
			return at
		}
	}
	return nil
}

// scalar is the JSON of a scalar.
func scalar(n *syntax.Node) string {
	switch n.Kind {
	case syntax.Null:
		return "null"
	case syntax.String:
		return quote(n.Text)
	}
	return n.Text
}

// quote is the JSON of a text.
func quote(s string) string {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' || b >= 0x7f {
			text, _ := expression.FromText(s).JSON() // text always has JSON
			return text
		}
	}
	return `"` + s + `"`
}

// typeOf is the type of a compiled value.
func typeOf(v plan.Value, n *syntax.Node) expression.Type {
	if v.Template != nil {
		return v.Template.Type()
	}
	if isExpression(n) { // it is constant, or was wrong: then nothing is known
		return typeOfNode(&syntax.Node{Kind: kindOfJSON(v.Const), Text: v.Const})
	}
	return typeOfNode(n)
}

// typeOfNode is the type of a value as it is written.
func typeOfNode(n *syntax.Node) expression.Type {
	kind := expression.Any
	switch n.Kind {
	case syntax.Boolean:
		kind = expression.Boolean
	case syntax.Number:
		kind = expression.Number
		if strings.Trim(n.Text, "-0123456789") == "" {
			kind = expression.Integer
		}
	case syntax.String:
		kind = expression.String
	case syntax.List:
		kind = expression.List
	case syntax.Mapping:
		kind = expression.Object
	}
	return expression.Type{Kind: kind}
}

// constantText is the node if it is a text without expressions.
func constantText(n *syntax.Node) *syntax.Node {
	if n.Kind == syntax.String && !strings.Contains(n.Text, "${{") {
		return n
	}
	return nil
}

// fits complains if a value can never fit the declaration of a variable.
func (c *checker) fits(v *variable, n *syntax.Node, value plan.Value) {
	if v.rule == nil {
		return
	}
	name, typ := v.ref.Point.Name, typeOf(value, n)
	if value.Const != "" && typ.Kind != expression.Any {
		err := v.rule.Fits(value.Const)
		if err != nil && (!isExpression(n) || v.rule.Type.Accepts(typ)) {
			c.errorAt(n.Span, fitCode(v.rule, value.Const), "", "%q %s", name, err)
		}
		if err == nil || !isExpression(n) {
			return
		}
	}
	c.fitsType(n, name, v.rule.Type, typ)
}

// fitsType complains if a value of one type can never be of another.
func (c *checker) fitsType(n *syntax.Node, name string, want, have expression.Type) {
	if !want.Accepts(have) {
		c.errorAt(n.Span, diag.TypeMismatch, "", "%q is declared as %s, this is %s", name, want, typeName(have))
	}
}

// typeName is a type with its article.
func typeName(t expression.Type) string {
	switch t.Kind {
	case expression.Any:
		return "anything"
	case expression.String:
		return "text"
	case expression.Null:
		return "null"
	case expression.Bytes:
		return "bytes"
	}
	name := t.String()
	if strings.ContainsRune("aeiou", rune(name[0])) {
		return "an " + name
	}
	return "a " + name
}

// shape is a node's kind as authors say it.
func shape(n *syntax.Node) string {
	switch n.Kind {
	case syntax.Null:
		return "null"
	case syntax.Boolean:
		return n.Text
	case syntax.Number:
		return fmt.Sprintf("number %s", n.Text)
	case syntax.List:
		return "list"
	case syntax.Mapping:
		return "mapping"
	}
	return "text"
}
