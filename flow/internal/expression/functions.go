package expression

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// specials are the functions that are not ordinary calls.
var specials = [...]string{"need", "get", "path", "raw", "now", "uuid"}

// functionNames lists all functions, sorted.
func functionNames() []string {
	names := append(value.Functions(), specials[:]...)
	for name := range predicates {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// called builds a call of what is no function of expr: ours, or a method.
func (c *compiler) called(n *ast.CallNode, safe bool) node {
	loc := n.Location()
	from, to := c.off+loc.From, c.off+loc.To
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		return c.call(callee.Value, n.Arguments, from, to, safe)
	case *ast.MemberNode:
		return c.method(callee, n.Arguments, safe)
	}
	c.report(Problem{From: from, To: to, Code: diag.BadExpression, Message: "this cannot be called"})
	return &constant{meta: meta{from: from, to: to}}
}

// call builds a call of a function by its name, which stands from one place to
// another.
func (c *compiler) call(name string, args []ast.Node, from, to int, safe bool) node {
	whole := meta{from: from, to: c.after(to)}
	if len(args) > 0 { // x | f()
		if first := args[0].Location().From + c.off; first < from {
			whole.from = first
		}
	}
	if p, ok := predicates[name]; ok {
		return c.predicate(name, p, args, whole)
	}
	if slices.Contains(specials[:], name) {
		return c.special(name, args, whole, from, to)
	}
	f := value.Lookup(name)
	if f == nil {
		c.unknownFunction(name, from, to)
		return &constant{meta: whole}
	}
	built := make([]node, len(args))
	for i := range args {
		built[i] = c.build(args[i], false)
	}
	for _, a := range built {
		whole.from = min(whole.from, a.about().from)
	}
	k := &call{meta: whole, name: name, f: f, args: built}
	if !c.counted(name, len(args), f.Least, f.Most, whole) {
		return k
	}
	types := make([]Type, len(args))
	for i, a := range built {
		types[i] = a.about().typ
		c.argument(name, a, f.Take(i))
		if !f.Clean {
			k.taint = k.taint.and(a.about().taint)
		}
	}
	k.typ = f.Gives
	if f.Infer != nil {
		k.typ = f.Infer(types)
	}
	return k
}

// counted reports a wrong number of arguments.
func (c *compiler) counted(name string, n, least, most int, at meta) bool {
	if n >= least && (most < 0 || n <= most) {
		return true
	}
	want := fmt.Sprintf("%d arguments", least)
	switch {
	case least == 1 && most == 1:
		want = "one argument"
	case most < 0:
		want = fmt.Sprintf("at least %d", least)
	case most == 0:
		want = "no arguments"
	case least != most:
		want = fmt.Sprintf("%d to %d arguments", least, most)
	}
	c.mismatch(at, "", "%s() takes %s, not %d", name, want, n)
	return false
}

// argument reports an argument whose type cannot fit.
func (c *compiler) argument(name string, a node, takes value.Kinds) {
	about := a.about()
	if about.typ.Kind == Any || takes.Has(about.typ.Kind) {
		return
	}
	hint := ""
	switch {
	case takes == value.Texts && about.typ.IsNumber():
		hint = "write string(…)"
	case takes == value.Numbers && about.typ.IsString():
		hint = "write int(…) or float(…)"
	case takes.Has(Duration) && about.typ.IsString():
		hint = "write duration(…): duration(\"1h\")"
	case takes.Has(Time) && about.typ.IsString():
		hint = "write date(…)"
	}
	c.mismatch(*about, hint, "%s() takes %s, this is %s", name, takes, about.typ.Kind.Phrase())
}

// special builds need, get, path, raw, now and uuid.
func (c *compiler) special(name string, args []ast.Node, whole meta, from, to int) node {
	least := map[string]int{"need": 1, "get": 2, "path": 2, "raw": 1}[name]
	if !c.counted(name, len(args), least, least, whole) {
		return &constant{meta: whole}
	}
	if name == "raw" {
		c.report(Problem{From: from, To: to, Code: diag.NotHere, Message: "raw() means something only as a whole expression in a URL", Hint: "leave it away"})
		return c.build(args[0], false)
	}
	if least == 0 {
		c.clock = true
		whole.typ = Type{Kind: Time}
		if name == "uuid" {
			whole.typ = Type{Kind: String}
		}
		return &ambient{whole, name}
	}
	of := c.build(args[0], name == "need")
	whole.from = min(whole.from, of.about().from)
	whole.taint = of.about().taint
	switch name {
	case "need":
		whole.typ = of.about().typ
		return &need{whole, of}
	case "get":
		return c.get(of, args[1], whole)
	}
	return c.path(of, args[1], whole)
}

// get builds get(x, "name") and get(x, 0): a lookup that finds nothing where
// there is nothing.
func (c *compiler) get(of node, key ast.Node, whole meta) node {
	g := &get{meta: whole, of: of}
	s, ok := c.stepOf(&ast.MemberNode{Property: key})
	if !ok {
		at := c.build(key, false).about()
		c.report(Problem{From: at.from, To: at.to, Code: diag.ConstantRequired, Message: "get() takes a literal name or number", Hint: "write x[…] for a computed one"})
		return g
	}
	g.step = s
	if isHeaders(of) {
		g.step.name = strings.ToLower(s.name)
	}
	g.taint.sensitive = g.taint.sensitive || datapoints.SensitiveName(s.name)
	if t := of.about().typ; t.Kind == List && s.byIndex {
		g.typ = t.Item()
	}
	return g
}

// path builds path(x, "a.b").
func (c *compiler) path(of node, arg ast.Node, whole meta) node {
	p := &find{meta: whole, of: of}
	text, ok := arg.(*ast.StringNode)
	if !ok {
		at := c.build(arg, false).about()
		c.report(Problem{From: at.from, To: at.to, Code: diag.ConstantRequired, Message: "path() takes its path as a literal text"})
		return p
	}
	path, problems := CompilePath(text.Value)
	for _, q := range problems {
		loc := text.Location()
		q.From, q.To = q.From+c.off+loc.From+1, q.To+c.off+loc.From+1
		if c.slice(c.off+loc.From+1, c.off+loc.To-1) != text.Value { // it has escapes
			q.From, q.To = c.off+loc.From, c.off+loc.To
		}
		c.report(q)
	}
	if t := of.about().typ; t.IsString() || t.IsNumber() {
		c.mismatch(*of.about(), "write fromJSON(…) for text that is JSON", "path() looks into lists and objects, this is %s", t.Kind.Phrase())
	}
	p.path = path
	if path != nil {
		p.taint.sensitive = p.taint.sensitive || datapoints.SensitiveName(path.Last())
	}
	return p
}

// call is a function with its arguments.
type call struct {
	meta
	name string
	f    *value.Function
	args []node
}

func (k *call) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(k, err)
	}
	args, err := m.arguments(k.name, k.args, k.f.Take)
	if err != nil {
		return nil, err
	}
	v, err := k.f.Do(&m.Budget, args)
	if err != nil {
		if err.From == 0 && err.To == 0 && !strings.HasPrefix(err.Message, k.name+"(): ") {
			err.Message = k.name + "(): " + err.Message
		}
		return nil, m.at(k, err)
	}
	return v, nil
}

// arguments evaluates arguments and makes them fit.
func (m *machine) arguments(name string, nodes []node, take func(i int) value.Kinds) ([]any, *Error) {
	args := make([]any, len(nodes))
	for i, n := range nodes {
		v, err := n.eval(m)
		if err != nil {
			return nil, err
		}
		takes := take(i)
		if !takes.Has(value.KindOf(v)) {
			return nil, m.misfit(name, n, v, takes)
		}
		if args[i], err = value.Fit(v, takes); err == nil {
			err = m.argument(v)
		}
		if err != nil {
			return nil, m.at(n, err)
		}
	}
	return args, nil
}

// argument counts the reading of a text or of bytes.
func (m *machine) argument(v any) *Error {
	switch v := v.(type) {
	case string:
		return m.Read(len(v))
	case []byte:
		return m.Read(len(v))
	}
	return nil
}

// misfit is the error of an argument that does not fit.
func (m *machine) misfit(name string, n node, v any, takes value.Kinds) *Error {
	if v == nil {
		return m.isNull(n, fmt.Sprintf("%s() takes %s", name, takes))
	}
	return m.at(n, value.Failure(fmt.Sprintf("`%s` is %s, but %s() takes %s", m.name(n), value.KindOf(v).Phrase(), name, takes)))
}

// ambient is now() and uuid().
type ambient struct {
	meta
	name string
}

func (a *ambient) eval(m *machine) (any, *Error) {
	if a.name == "now" {
		return m.env.Now(), nil
	}
	return m.env.UUID(), nil
}

// need is need(x).
type need struct {
	meta
	of node
}

func (n *need) eval(m *machine) (any, *Error) {
	v, err := n.of.eval(m)
	if err == nil && v == nil {
		return nil, m.at(n.of, &Error{Kind: KindData, Message: fmt.Sprintf("there is no `%s`, and need() asks for it", m.name(n.of))})
	}
	return v, err
}

type get struct {
	meta
	of   node
	step step
}

func (g *get) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(g, err)
	}
	v, err := g.of.eval(m)
	if err != nil || v == nil {
		return nil, err
	}
	if v, err = g.step.take(m, v); err != nil {
		return nil, nil
	}
	return v, nil
}

// find is path(x, "a.b").
type find struct {
	meta
	of   node
	path *Path
}

func (f *find) eval(m *machine) (any, *Error) {
	v, err := f.of.eval(m)
	if err != nil {
		return nil, err
	}
	if k := value.KindOf(v); k != List && k != Object {
		return nil, m.misfit("path", f.of, v, value.Lists|value.Objects)
	}
	json, bad := value.Wrap(v).JSON()
	if bad != nil {
		return nil, m.at(f, value.Failure(fmt.Sprintf("`%s` cannot be written as JSON", m.name(f.of))))
	}
	if err := m.Read(4 * len(json)); err != nil {
		return nil, m.at(f, err)
	}
	raw, ok := f.path.Get(json)
	if !ok {
		return nil, nil
	}
	if err := m.Grow(len(raw)); err != nil {
		return nil, m.at(f, err)
	}
	return value.Scan(raw), nil
}
