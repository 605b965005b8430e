package expression

import (
	"fmt"
	"regexp"

	"github.com/expr-lang/expr/ast"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// buildRoot builds the whole, whose raw(…) counts in URLs.
func (c *compiler) buildRoot(n ast.Node) node {
	if call, ok := n.(*ast.CallNode); ok && c.rawAllowed && len(call.Arguments) == 1 {
		if name, ok := call.Callee.(*ast.IdentifierNode); ok && name.Value == "raw" {
			c.raw = true
			return c.build(call.Arguments[0], false)
		}
	}
	return c.build(n, false)
}

// build builds a node. Safe says that a null there is handled, so that a name
// may be unset.
func (c *compiler) build(n ast.Node, safe bool) node {
	loc := n.Location()
	from, to := c.off+loc.From, c.off+loc.To
	literal := func(k Kind, v any) node { return &constant{meta{from: from, to: to, typ: Type{Kind: k}}, v} }
	switch n := n.(type) {
	case *ast.NilNode:
		return literal(Null, nil)
	case *ast.BoolNode:
		return literal(Boolean, n.Value)
	case *ast.IntegerNode:
		return literal(Integer, n.Value)
	case *ast.FloatNode:
		return literal(Number, n.Value)
	case *ast.StringNode:
		return literal(String, n.Value)
	case *ast.BytesNode:
		return literal(Bytes, n.Value)
	case *ast.IdentifierNode:
		return c.reference(step{name: n.Value, from: from, to: to}, nil, safe)
	case *ast.MemberNode:
		return c.member(n, safe)
	case *ast.ChainNode:
		return c.shortened(n, safe)
	case *ast.UnaryNode:
		return c.unary(n, from)
	case *ast.BinaryNode:
		return c.binary(n, safe)
	case *ast.ConditionalNode:
		return c.conditional(n, safe)
	case *ast.SliceNode:
		return c.sliced(n)
	case *ast.ArrayNode:
		return c.array(n, from)
	case *ast.MapNode:
		return c.mapping(n, from)
	case *ast.PointerNode:
		return c.pointer(n, from, to)
	case *ast.CallNode:
		return c.called(n, safe)
	case *ast.BuiltinNode:
		return c.call(n.Name, n.Arguments, from, to, safe)
	}
	c.report(Problem{From: from, To: to, Code: diag.BadExpression, Message: "this has no place in an expression"})
	return literal(Any, nil)
}

// mismatch reports a type that cannot fit.
func (c *compiler) mismatch(m meta, hint, format string, args ...any) {
	c.report(Problem{From: m.from, To: m.to, Code: diag.TypeMismatch, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// member builds a.b, a["b"] and a[i]: a reference if it leads down from a name by
// constants only.
func (c *compiler) member(n *ast.MemberNode, safe bool) node {
	if root, steps, ok := c.chain(n, nil); ok {
		return c.reference(root, steps, safe)
	}
	s, constantStep := c.stepOf(n)
	of := c.build(unchained(n.Node), safe && n.Optional)
	about := of.about()
	built := &lookup{meta: meta{from: about.from, to: s.to, taint: about.taint}, of: of, step: s}
	if !constantStep {
		built.key = c.build(n.Property, false)
		built.taint = built.taint.and(built.key.about().taint)
		if k := built.key.about().typ; !k.IsNumber() && !k.IsString() && k.Kind != Any {
			c.mismatch(*built.key.about(), "", "a member has a name, an item a number; this is %s", k.Kind.Phrase())
		}
	}
	built.fold = isHeaders(of)
	built.typ = c.memberType(of, built)
	if constantStep && datapoints.SensitiveName(s.name) {
		built.taint.sensitive = true
	}
	if _, ends := n.Node.(*ast.ChainNode); ends {
		return &shortcut{built.meta, built}
	}
	return built
}

func isHeaders(n node) bool {
	r, ok := n.(*reference)
	return ok && r.ref.Root == "response" && r.ref.Member == "headers" && len(r.steps) == 0
}

// memberType is the type of what a lookup leads to.
func (c *compiler) memberType(of node, l *lookup) Type {
	about := of.about()
	byIndex := l.step.byIndex
	if l.key != nil {
		byIndex = l.key.about().typ.Kind == Integer
		if l.key.about().typ.Kind == Any && about.typ.Kind != List {
			return Type{}
		}
		byIndex = byIndex || l.key.about().typ.Kind == Any
	}
	switch {
	case about.typ.Kind == Any || about.typ.Kind == Object:
		return Type{}
	case about.typ.Kind == List && byIndex:
		return about.typ.Item()
	case about.typ.IsString() && byIndex:
		return Type{Kind: String}
	}
	c.report(noMember(about.from, about.to, c.slice(about.from, about.to), about.typ, l.step))
	return Type{}
}

// chain collects the steps of a member that leads down from a name by constants.
func (c *compiler) chain(n ast.Node, after []step) (root step, steps []step, ok bool) {
	switch n := unchained(n).(type) {
	case *ast.IdentifierNode:
		loc := n.Location()
		return step{name: n.Value, from: c.off + loc.From, to: c.off + loc.To}, after, true
	case *ast.MemberNode:
		s, constant := c.stepOf(n)
		if !constant {
			return root, nil, false
		}
		return c.chain(n.Node, append([]step{s}, after...))
	}
	return root, nil, false
}

// unchained takes the mark of ?. off: a whole chain ends at the first null.
func unchained(n ast.Node) ast.Node {
	if chain, ok := n.(*ast.ChainNode); ok {
		return chain.Node
	}
	return n
}

// stepOf is a member as a step, and whether it is a constant one.
func (c *compiler) stepOf(n *ast.MemberNode) (s step, ok bool) {
	loc := n.Location()
	s = step{optional: n.Optional, from: c.off + loc.From, to: c.off + loc.To}
	if c.slice(s.from, s.from+1) == "[" {
		s.to = c.after(s.from)
	}
	switch p := n.Property.(type) {
	case *ast.StringNode:
		s.name = p.Value
		return s, true
	case *ast.IntegerNode:
		s.index, s.byIndex = p.Value, true
		return s, true
	case *ast.UnaryNode:
		if i, isInteger := p.Node.(*ast.IntegerNode); isInteger && p.Operator == "-" {
			s.index, s.byIndex = -i.Value, true
			return s, true
		}
	}
	return s, false
}

// shortened builds a chain with ?. that is not a reference.
func (c *compiler) shortened(n *ast.ChainNode, safe bool) node {
	if root, steps, ok := c.chain(n.Node, nil); ok {
		return c.reference(root, steps, safe)
	}
	of := c.build(n.Node, safe)
	return &shortcut{*of.about(), of}
}

func (c *compiler) unary(n *ast.UnaryNode, from int) node {
	of := c.build(n.Node, false)
	u := &unary{meta: c.span(from, of.about().to), op: n.Operator, of: of}
	u.taint = of.about().taint
	t := of.about().typ
	switch n.Operator {
	case "!", "not":
		u.op, u.typ = "not", Type{Kind: Boolean}
		c.boolean(of)
		return u
	}
	u.typ = t
	if t.Kind != Any && !t.IsNumber() && t.Kind != Duration {
		c.mismatch(*of.about(), "", "`%s` is for numbers, this is %s", n.Operator, t.Kind.Phrase())
	}
	return u
}

// boolean reports what cannot be true or false.
func (c *compiler) boolean(n node) {
	about := n.about()
	if k := about.typ.Kind; k != Any && k != Boolean {
		source := c.slice(about.from, about.to)
		c.report(Problem{From: about.from, To: about.to, Code: diag.NotACondition,
			Message: fmt.Sprintf("`%s` must be true or false, it is %s", source, k.Phrase()), Hint: conditionHints(source, k)[0]})
	}
}

func (c *compiler) conditional(n *ast.ConditionalNode, safe bool) node {
	elvis := n.Exp1 == n.Cond // a ?: b
	cond := c.build(n.Cond, false)
	if k := cond.about().typ.Kind; elvis && k != Any && k != Boolean {
		c.report(Problem{From: cond.about().from, To: cond.about().to, Code: diag.NotACondition, Message: fmt.Sprintf("`?:` is for conditions, this is %s", k.Phrase()),
			Hint: "write ?? for another value where there is none"})
	} else {
		c.boolean(cond)
	}
	yes := cond
	if !elvis {
		yes = c.given(setIf(cond, true), n.Exp1, safe)
	}
	no := c.given(setIf(cond, false), n.Exp2, safe)
	k := &conditional{meta: c.span(cond.about().from, no.about().to), cond: cond, yes: yes, no: no}
	k.typ, k.taint = yes.about().typ.Join(no.about().typ), yes.about().taint.and(no.about().taint)
	return k
}

func (c *compiler) sliced(n *ast.SliceNode) node {
	of := c.build(n.Node, false)
	about := of.about()
	s := &slice{meta: meta{from: about.from, to: c.after(c.off + n.Location().From), typ: about.typ, taint: about.taint}, of: of}
	if t := about.typ; t.Kind != Any && t.Kind != List && !t.IsString() {
		c.mismatch(*about, "", "only text and lists have parts, this is %s", t.Kind.Phrase())
	} else if t.IsString() {
		s.typ = Type{Kind: String}
	}
	for _, end := range []struct {
		n  ast.Node
		to *node
	}{{n.From, &s.first}, {n.To, &s.last}} {
		if end.n != nil {
			*end.to = c.build(end.n, false)
			if t := (*end.to).about().typ.Kind; t != Any && t != Integer {
				c.mismatch(*(*end.to).about(), "", "a place in a list is an integer, this is %s", t.Phrase())
			}
		}
	}
	return s
}

func (c *compiler) array(n *ast.ArrayNode, from int) node {
	a := &array{meta: meta{from: from, to: c.after(from)}, items: make([]node, len(n.Nodes))}
	item := Type{Kind: Null}
	for i := range n.Nodes {
		a.items[i] = c.build(n.Nodes[i], false)
		item = item.Join(a.items[i].about().typ)
		a.taint = a.taint.and(a.items[i].about().taint)
	}
	a.typ = value.ListOf(item)
	return a
}

func (c *compiler) mapping(n *ast.MapNode, from int) node {
	o := &object{meta: meta{from: from, to: c.after(from), typ: Type{Kind: Object}}}
	for _, p := range n.Pairs {
		pair, ok := p.(*ast.PairNode)
		if !ok {
			continue
		}
		key, value := c.build(pair.Key, false), c.build(pair.Value, false)
		if t := key.about().typ; t.Kind != Any && !t.IsString() {
			c.mismatch(*key.about(), "write string(…)", "a member's name is text, this is %s", t.Kind.Phrase())
		}
		o.keys, o.values = append(o.keys, key), append(o.values, value)
		o.taint = o.taint.and(key.about().taint).and(value.about().taint)
	}
	return o
}

// pointer builds #, #index and #acc, and the # of .x in a predicate.
func (c *compiler) pointer(n *ast.PointerNode, from, to int) node {
	p := &pointer{meta: meta{from: from, to: to + len(n.Name)}, name: n.Name}
	if c.slice(from, to) == "." {
		p.to = from // of .x only the x is a part of its own
	}
	switch n.Name {
	case "":
		if len(c.items) > 0 {
			item := c.items[len(c.items)-1]
			p.typ, p.taint = item.typ, item.taint
		}
	case "index":
		p.typ = Type{Kind: Integer}
	case "acc":
	default:
		c.report(Problem{From: from, To: p.to, Code: diag.UnknownName, Message: fmt.Sprintf("there is no `#%s`", n.Name), Hint: "`#` is the item, `#index` its place, `#acc` in reduce() what was gathered"})
	}
	return p
}

// pattern compiles a constant regular expression.
func (c *compiler) pattern(n node) *regexp.Regexp {
	k, ok := n.(*constant)
	if !ok {
		return nil
	}
	text, ok := k.v.(string)
	if !ok {
		return nil
	}
	re, err := regexp.Compile(text)
	if err != nil {
		c.report(Problem{From: k.from, To: k.to, Code: diag.BadPattern, Message: "the regular expression cannot be read: " + patternError(err)})
		return nil
	}
	return re
}
