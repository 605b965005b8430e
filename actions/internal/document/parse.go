package document

import "fmt"

// maxDepth is how deep selections and values may be nested.
const maxDepth = 200

// A parser goes down the grammar (§2.2 to §2.12). After the first problem
// every step does nothing.
type parser struct {
	scanner
	current token
	depth   int
	problem *Problem
	in      *body // where uses are noted
}

func (p *parser) advance() token {
	t := p.current
	if p.problem == nil {
		p.current, p.problem = p.next()
	}
	if p.problem != nil {
		p.current = token{kind: end, from: len(p.source), to: len(p.source)}
	}
	return t
}

func (p *parser) fail(t token, format string, a ...any) {
	if p.problem == nil {
		p.problem = &Problem{From: t.from, To: t.to, Message: fmt.Sprintf(format, a...)}
		p.current = token{kind: end, from: len(p.source), to: len(p.source)}
	}
}

// accept steps over a punctuator if it stands here.
func (p *parser) accept(s string) bool {
	if !p.current.is(s) {
		return false
	}
	p.advance()
	return true
}

func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.fail(p.current, "`%s` is missing before %s", s, p.current)
	}
}

func (p *parser) name(what string) token {
	if p.current.kind != name {
		p.fail(p.current, "%s is missing before %s", what, p.current)
		return p.current
	}
	return p.advance()
}

// deeper guards what calls itself.
func (p *parser) deeper(f func()) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.current, "nested more than %d deep", maxDepth)
	}
	if p.problem == nil {
		f()
	}
	p.depth--
}

func (p *parser) document() *Document {
	d := &Document{source: p.source, fragments: map[string]*body{}}
	p.advance()
	for p.problem == nil && p.current.kind != end {
		p.definition(d)
	}
	if p.problem == nil && len(d.Operations) == 0 {
		p.fail(token{from: 0, to: len(p.source)}, "there is no query and no mutation in this document")
	}
	return d
}

func (p *parser) definition(d *Document) {
	t := p.current
	switch {
	case t.is("{"):
		o := &Operation{Kind: "query", from: t.from, to: t.to}
		p.in = &o.body
		p.selections()
		d.Operations = append(d.Operations, o)
	case t.is("query"), t.is("mutation"), t.is("subscription"):
		d.Operations = append(d.Operations, p.operation())
	case t.is("fragment"):
		p.fragment(d)
	case t.is("type"), t.is("schema"), t.is("input"), t.is("interface"), t.is("enum"), t.is("union"), t.is("scalar"), t.is("directive"), t.is("extend"), t.kind == text:
		p.fail(t, "this is a part of a schema; a request holds queries, mutations and fragments")
	default:
		p.fail(t, "%s where `query`, `mutation`, `fragment` or `{` must stand", t)
	}
}

func (p *parser) operation() *Operation {
	t := p.advance()
	o := &Operation{Kind: t.text, from: t.from, to: t.to}
	if p.current.kind == name {
		n := p.advance()
		o.Name, o.from, o.to = n.text, n.from, n.to
	}
	p.in = &o.body
	if p.accept("(") {
		for p.problem == nil && !p.current.is(")") {
			o.Variables = append(o.Variables, p.variable())
		}
		if len(o.Variables) == 0 {
			p.fail(p.current, "the brackets hold no variable")
		}
		p.expect(")")
	}
	p.directives()
	p.selections()
	return o
}

func (p *parser) variable() Variable {
	from := p.current.from
	p.expect("$")
	n := p.name("a variable's name")
	v := Variable{Name: n.text, from: from, to: n.to}
	p.expect(":")
	start := p.current.from
	last := p.typeOf()
	if p.problem != nil {
		return v
	}
	v.Type = p.source[start:last.to]
	v.Needed = last.is("!")
	if p.accept("=") {
		v.Needed = false
		p.value()
	}
	p.directives()
	return v
}

// typeOf reads a type reference and gives its last token.
func (p *parser) typeOf() (last token) {
	p.deeper(func() {
		if p.accept("[") {
			p.typeOf()
			last = p.current
			p.expect("]")
		} else {
			last = p.name("a type")
		}
	})
	if p.current.is("!") {
		last = p.advance()
	}
	return last
}

func (p *parser) fragment(d *Document) {
	p.advance()
	n := p.name("the fragment's name")
	if n.is("on") {
		p.fail(n, "the fragment's name is missing before `on`")
	}
	if d.fragments[n.text] != nil {
		p.fail(n, "two fragments are called %q", n.text)
	}
	p.in = &body{}
	p.condition()
	p.directives()
	p.selections()
	d.fragments[n.text] = p.in
}

func (p *parser) condition() {
	p.expect("on")
	p.name("a type")
}

func (p *parser) selections() {
	p.deeper(func() {
		open := p.current
		p.expect("{")
		if p.current.is("}") {
			p.fail(open, "the braces hold no field")
		}
		for p.problem == nil && !p.current.is("}") {
			if p.current.kind == end {
				p.fail(open, "the brace is not closed")
				return
			}
			p.selection()
		}
		p.expect("}")
	})
}

func (p *parser) selection() {
	if p.accept("...") {
		switch {
		case p.current.is("on"):
			p.condition()
		case p.current.kind == name:
			n := p.advance()
			p.in.spreads = append(p.in.spreads, use{n.text, n.from, n.to})
			p.directives()
			return
		}
		p.directives()
		p.selections()
		return
	}
	p.name("a field")
	if p.accept(":") {
		p.name("a field")
	}
	p.arguments()
	p.directives()
	if p.current.is("{") {
		p.selections()
	}
}

func (p *parser) arguments() {
	if !p.accept("(") {
		return
	}
	if p.current.is(")") {
		p.fail(p.current, "the brackets hold no argument")
	}
	for p.problem == nil && !p.current.is(")") {
		p.name("an argument")
		p.expect(":")
		p.value()
	}
	p.expect(")")
}

func (p *parser) directives() {
	for p.accept("@") {
		p.name("a directive")
		p.arguments()
	}
}

func (p *parser) value() {
	t := p.current
	switch {
	case t.is("$"):
		p.advance()
		n := p.name("a variable's name")
		p.in.uses = append(p.in.uses, use{n.text, t.from, n.to})
	case t.is("["):
		p.deeper(func() {
			p.advance()
			for p.problem == nil && !p.current.is("]") {
				p.value()
			}
			p.expect("]")
		})
	case t.is("{"):
		p.deeper(func() {
			p.advance()
			for p.problem == nil && !p.current.is("}") {
				p.name("a field")
				p.expect(":")
				p.value()
			}
			p.expect("}")
		})
	case t.kind == name, t.kind == number, t.kind == text:
		p.advance()
	default:
		p.fail(t, "a value is missing before %s", t)
	}
}
