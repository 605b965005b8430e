package expression

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A Program is a compiled expression. It is immutable and may be evaluated by
// many goroutines at once, each with its own Env.
type Program struct {
	source    string // of the expression, without ${{ }}
	off       int    // characters of the text given before it
	root      node
	condition bool
	refs      []Ref
	clock     bool
}

// Compile compiles a bare expression, or one that is wholly one `${{ }}`. With
// problems of severity diag.Error the program is nil.
func Compile(text string, s Scope) (*Program, []Problem) {
	return compileBare(text, s, false)
}

// CompileCondition compiles an expression whose value must be true or false.
// Anything else, null too, is an error: here if it is known, else when evaluated.
func CompileCondition(text string, s Scope) (*Program, []Problem) {
	return compileBare(text, s, true)
}

func compileBare(text string, s Scope, condition bool) (*Program, []Problem) {
	source, off, problem := bare(text)
	if problem != nil {
		return nil, []Problem{*problem}
	}
	c := &compiler{scope: s, source: source, off: off}
	return c.program(condition)
}

// program compiles the compiler's source.
func (c *compiler) program(condition bool) (*Program, []Problem) {
	root := c.compile()
	if root != nil && condition && len(c.problems) == 0 {
		c.mustBeBoolean(root)
	}
	for _, p := range c.problems {
		if p.Severity == diag.Error {
			return nil, c.problems
		}
	}
	p := &Program{source: c.source, off: c.off, root: root, condition: condition, clock: c.clock}
	p.refs = make([]Ref, len(c.refs))
	for i, r := range c.refs {
		p.refs[i] = *r.ref
	}
	return p, c.problems
}

// Type is the type of the result; Any if it is not known before running.
func (p *Program) Type() Type {
	if p.condition {
		return Type{Kind: Boolean}
	}
	return p.root.about().typ
}

// Refs are the references, in the order of the text.
func (p *Program) Refs() []Ref { return p.refs }

// Sensitive says whether something sensitive reaches the result. The boolean of
// a comparison and a length are clean.
func (p *Program) Sensitive() bool { return p.root.about().taint.sensitive }

// PII says whether something personal reaches the result.
func (p *Program) PII() bool { return p.root.about().taint.pii }

// Foreign says whether something from data or a response reaches the result.
func (p *Program) Foreign() bool { return p.root.about().taint.foreign }

// Plain says whether the program only refers to a value, which it then passes
// on as it is.
func (p *Program) Plain() bool {
	_, ok := p.root.(*reference)
	return ok
}

// UsesClock says whether now() or uuid() occur.
func (p *Program) UsesClock() bool { return p.clock }

// fold gives what the program always gives: ok if it refers to nothing that is
// only known while running, and has little to compute.
func (p *Program) fold() (v any, ok bool, failed *Error) {
	if len(p.refs) > 0 || p.clock {
		return nil, false, nil
	}
	m := &machine{Budget: value.Little(), source: p.source, off: p.off}
	v, failed = p.run(m)
	if m.Spent() {
		return nil, false, nil
	}
	return v, failed == nil, failed
}

// Source is the expression as the author wrote it, without `${{ }}`.
func (p *Program) Source() string { return strings.TrimSpace(p.source) }

// WhenTrue gives the handles of the names that are set if the program gives true.
func (p *Program) WhenTrue() []any { return handles(setIf(p.root, true)) }

// WhenFalse gives the handles of the names that are set if the program gives false.
func (p *Program) WhenFalse() []any { return handles(setIf(p.root, false)) }

func handles(refs []*reference) []any {
	var list []any
	for _, r := range refs {
		list = append(list, r.ref.Handle)
	}
	return list
}

// OnlyUnset says whether the whole program is `data.x == nil`, and gives the
// handle of x.
func (p *Program) OnlyUnset() (handle any, ok bool) {
	if r, equal := comparedWithNil(p.root); r != nil && equal && len(r.steps) == 0 {
		return r.ref.Handle, true
	}
	return nil, false
}

// Eval gives the program's value. Errors are *Error. It never panics and ends
// within MaxOperations.
func (p *Program) Eval(env Env) (Value, error) {
	v, err := p.eval(env)
	if err != nil {
		return Value{}, err
	}
	return value.Wrap(v), nil
}

func (p *Program) eval(env Env) (v any, failed *Error) {
	if r, ok := p.root.(*reference); ok && len(r.steps) == 0 && !p.condition {
		return r.lone(env)
	}
	return p.run(&machine{env: env, source: p.source, off: p.off})
}

func (p *Program) run(m *machine) (v any, failed *Error) {
	defer func() {
		if r := recover(); r != nil {
			v, failed = nil, value.Failure(fmt.Sprintf("`%s` cannot be evaluated", p.Source()))
		}
	}()
	v, failed = p.root.eval(m)
	if failed != nil || !p.condition {
		return v, failed
	}
	if _, ok := v.(bool); !ok {
		return nil, m.at(p.root, &Error{Kind: KindExpression,
			Message: fmt.Sprintf("the condition `%s` is %s, not true or false", p.Source(), value.KindOf(v).Phrase()),
			Hints:   conditionHints(p.Source(), value.KindOf(v))})
	}
	return v, nil
}

// conditionHints say how to make a condition of a value.
func conditionHints(source string, k Kind) []string {
	switch k {
	case Null:
		return []string{fmt.Sprintf("write `%s ?? false` if null means no, or compare it: `%s != nil`", source, source)}
	case List, Object:
		return []string{fmt.Sprintf("write `len(%s) > 0`", source)}
	case Integer, Number:
		return []string{fmt.Sprintf("write `%s != 0`", source)}
	case String, Date, DateTime, Telephone:
		return []string{fmt.Sprintf("write `%s != \"\"`", source)}
	}
	return []string{"compare it with something: nothing is true but true"}
}

// mustBeBoolean reports a condition that cannot be one.
func (c *compiler) mustBeBoolean(root node) {
	k := root.about().typ.Kind
	if k == Any || k == Boolean {
		return
	}
	source := strings.TrimSpace(c.source)
	from := c.off + utf8.RuneCountInString(c.source[:strings.Index(c.source, source)])
	c.report(Problem{From: from, To: from + utf8.RuneCountInString(source), Code: diag.NotACondition,
		Message: fmt.Sprintf("a condition must be true or false, `%s` is %s", source, k.Phrase()), Hint: conditionHints(source, k)[0]})
}

// setIf lists the references whose names are set if a condition has an outcome.
func setIf(n node, outcome bool) []*reference {
	switch n := n.(type) {
	case *logical:
		left, right := setIf(n.left, outcome), setIf(n.right, outcome)
		if (n.op == "&&") == outcome {
			return append(left, right...)
		}
		return inBoth(left, right)
	case *unary:
		if n.op == "not" {
			return setIf(n.of, !outcome)
		}
	case *conditional:
		yes := append(setIf(n.cond, true), setIf(n.yes, outcome)...)
		return inBoth(yes, append(setIf(n.cond, false), setIf(n.no, outcome)...))
	case *coalesce:
		other, isConstant := n.right.(*constant)
		r, isRef := n.left.(*reference)
		if value, ok := constantBool(other, isConstant); ok && isRef && value != outcome {
			return []*reference{r}
		}
	}
	if b, ok := n.(*binary); ok && b.setsIf(outcome) {
		r, _ := b.compared()
		return []*reference{r}
	}
	return nil
}

func constantBool(n *constant, ok bool) (value, isBool bool) {
	if !ok {
		return false, false
	}
	value, isBool = n.v.(bool)
	return value, isBool
}

func inBoth(a, b []*reference) (both []*reference) {
	for _, r := range a {
		if slices.ContainsFunc(b, func(s *reference) bool { return s.ref.narrows() == r.ref.narrows() }) {
			both = append(both, r)
		}
	}
	return both
}

// comparedWithNil gives the reference of x == nil and x != nil.
func comparedWithNil(n node) (r *reference, equal bool) {
	b, ok := n.(*binary)
	if !ok {
		return nil, false
	}
	r, with := b.compared()
	if r == nil || with.v != nil {
		return nil, false
	}
	return r, b.op == "=="
}

// A Part is a part of an expression and its value, for people.
type Part struct{ Source, Value string }

// maxPart is how many characters of a part's value are shown.
const maxPart = 200

// Parts gives the value of each side of the program's comparisons, or of each
// reference where it compares nothing. Sensitive and personal ones are masked.
// What cannot be evaluated shows its error.
func (p *Program) Parts(env Env) []Part {
	var parts []Part
	seen := map[string]bool{}
	m := &machine{env: env, source: p.source, off: p.off}
	for _, n := range partsOf(p.root, nil) {
		about := n.about()
		source := m.slice(about.from, about.to)
		if !seen[source] {
			seen[source] = true
			parts = append(parts, Part{source, m.show(n)})
		}
	}
	return parts
}

func (m *machine) show(n node) (text string) {
	defer func() {
		if recover() != nil {
			text = "(cannot be evaluated)"
		}
	}()
	t := n.about().taint
	switch {
	case t.sensitive:
		return "[secret " + m.slice(n.about().from, n.about().to) + "]"
	case t.pii:
		return "[pii " + m.slice(n.about().from, n.about().to) + "]"
	}
	v, err := n.eval(m)
	if err != nil {
		return "(" + err.Message + ")"
	}
	if d, ok := v.(time.Duration); ok {
		return d.String()
	}
	text, bad := value.Wrap(v).JSON()
	if bad != nil {
		return "(" + value.KindOf(v).Phrase() + ")"
	}
	characters := 0
	for i := range text {
		if characters++; characters > maxPart {
			return text[:i] + "…"
		}
	}
	return text
}

// partsOf lists what Parts shows of a node: the sides of its comparisons, else
// its references.
func partsOf(n node, parts []node) []node {
	switch n := n.(type) {
	case *constant, *pointer:
		return parts
	case *reference:
		return append(parts, n)
	case *each:
		return partsOf(n.list, parts) // the rest has no value of its own
	case *binary:
		if n.typ.Kind == Boolean {
			for _, side := range []node{n.left, n.right} {
				if _, ok := side.(*constant); !ok {
					parts = append(parts, side)
				}
			}
			return parts
		}
	}
	for _, k := range n.kids() {
		parts = partsOf(k, parts)
	}
	return parts
}

func (*constant) kids() []node      { return nil }
func (*pointer) kids() []node       { return nil }
func (*reference) kids() []node     { return nil }
func (b *binary) kids() []node      { return []node{b.left, b.right} }
func (l *logical) kids() []node     { return []node{l.left, l.right} }
func (k *coalesce) kids() []node    { return []node{k.left, k.right} }
func (k *conditional) kids() []node { return []node{k.cond, k.yes, k.no} }
func (u *unary) kids() []node       { return []node{u.of} }
func (s *shortcut) kids() []node    { return []node{s.of} }
func (a *array) kids() []node       { return a.items }
func (o *object) kids() []node      { return append(append([]node{}, o.keys...), o.values...) }
func (l *lookup) kids() []node      { return present(l.of, l.key) }
func (s *slice) kids() []node       { return present(s.of, s.first, s.last) }
func (k *call) kids() []node        { return k.args }
func (*ambient) kids() []node       { return nil }
func (n *need) kids() []node        { return []node{n.of} }
func (g *get) kids() []node         { return []node{g.of} }
func (f *find) kids() []node        { return []node{f.of} }
func (k *method) kids() []node      { return append([]node{k.of}, k.args...) }
func (e *each) kids() []node        { return present(e.list, e.body, e.extra) }

// present leaves the missing nodes away.
func present(nodes ...node) (there []node) {
	for _, n := range nodes {
		if n != nil {
			there = append(there, n)
		}
	}
	return there
}
