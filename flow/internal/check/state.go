package check

import (
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A variable is a name whose being set depends on the way that leads to a
// place: a data point of a scope, or an input or secret that may be missing.
type variable struct {
	ref   plan.Ref // what expressions get as its handle
	now   cell     // at the place that is being checked
	rule  *plan.Rule
	kept  *bool // the declaration's `sensitive`
	pii   bool  // declared so
	typed bool  // a save has told the type

	foreign  bool // an input of a sub-flow: it is made of what came from an answer
	stranger bool // an input that anybody may give: as foreign, and no answer's

	sites []site // the steps that save it, in source order
	busy  *site  // a branch beside the present place saves it at the same time

	// Scratch of take, merge and failing: valid while gen is the current one.
	gen int
	tmp cell
}

// A cell is what is known of a variable at one place.
type cell struct {
	state     expression.State
	typ       expression.Type
	sensitive bool
	pii       bool
	cleared   *site // of Unset and Maybe: the `set: {x: null}` that did it
}

// A state is the live knowledge of all variables. Nothing is copied for a
// branch: every change is logged with what was before, and the log only ever
// grows, so that it also tells every state that a failure may leave behind.
type state struct {
	log  []change
	gen  int
	dead bool // the way that leads here always fails before

	// never is what steps that are never reached would have done: it counts only
	// for others like them, so that one failure makes no further noise.
	never []effect
}

type change struct {
	v   *variable
	old cell
}

// An effect is what a stretch of the way did to a variable.
type effect struct {
	v          *variable
	start, end cell
}

func (s *state) mark() int { return len(s.log) }

func (s *state) set(v *variable, now cell) {
	if v.now == now {
		return
	}
	s.log = append(s.log, change{v, v.now})
	v.now = now
}

// take gives what changed since a mark and goes back to how it was.
func (s *state) take(mark int) []effect {
	if mark == len(s.log) {
		return nil
	}
	s.gen++
	var effects []effect
	for i := mark; i < len(s.log); i++ {
		if ch := s.log[i]; ch.v.gen != s.gen {
			ch.v.gen = s.gen
			effects = append(effects, effect{ch.v, ch.old, ch.v.now})
		}
	}
	for _, e := range effects {
		s.set(e.v, e.start)
	}
	return effects
}

// undo takes back what happened since a mark as if it had never been.
func (s *state) undo(mark int) []effect {
	effects := s.take(mark)
	s.log = s.log[:mark]
	return effects
}

// apply does again what take took back.
func (s *state) apply(effects []effect) {
	for _, e := range effects {
		s.set(e.v, e.end)
	}
}

// merge joins two ways that began in the present state. One that is dead does
// not count; if both are, the first stands, so that what follows makes no noise.
func (s *state) merge(a []effect, aDead bool, b []effect, bDead bool) {
	if s.dead = aDead && bDead; !s.dead {
		s.never = nil
	}
	switch {
	case bDead:
		s.apply(a)
		return
	case aDead:
		s.apply(b)
		return
	}
	s.gen++
	for _, e := range a {
		e.v.gen, e.v.tmp = s.gen, e.end
	}
	for _, e := range b {
		other := e.start
		if e.v.gen == s.gen {
			other, e.v.gen = e.v.tmp, 0
		}
		s.set(e.v, other.join(e.end))
	}
	for _, e := range a {
		if e.v.gen == s.gen {
			s.set(e.v, e.start.join(e.end))
		}
	}
}

// failing turns the state into what is known if anything since the mark may
// have failed and the run goes on here: every state on the way counts, the
// present one too.
func (s *state) failing(mark int) {
	s.dead, s.never = false, nil
	s.gen++
	end := len(s.log)
	for _, ch := range s.log[mark:end] {
		if ch.v.gen != s.gen {
			ch.v.gen, ch.v.tmp = s.gen, ch.v.now
		}
		ch.v.tmp = ch.v.tmp.join(ch.old)
	}
	for i := mark; i < end; i++ {
		v := s.log[i].v
		s.set(v, v.tmp)
	}
}

// join is what is known where two ways meet.
func (c cell) join(o cell) cell {
	r := cell{state: expression.Maybe, sensitive: c.sensitive || o.sensitive, pii: c.pii || o.pii}
	switch {
	case c.state == o.state:
		r.state, r.typ = c.state, joinTypes(c.typ, o.typ)
	case c.state == expression.Unset:
		r.typ = o.typ
	case o.state == expression.Unset:
		r.typ = c.typ
	default:
		r.typ = joinTypes(c.typ, o.typ)
	}
	if r.state != expression.Set {
		if r.cleared = c.cleared; r.cleared == nil {
			r.cleared = o.cleared
		}
	}
	return r
}

// joinTypes is the narrowest type that takes values of both.
func joinTypes(a, b expression.Type) expression.Type {
	switch {
	case sameType(a, b):
		return a
	case a.Kind == expression.List && b.Kind == expression.List:
		return expression.Type{Kind: expression.List}
	case isNumber(a) && isNumber(b):
		return expression.Type{Kind: expression.Number}
	}
	return expression.Type{Kind: expression.Any}
}

func isNumber(t expression.Type) bool {
	return t.Kind == expression.Integer || t.Kind == expression.Number
}

func sameType(a, b expression.Type) bool {
	if a.Kind != b.Kind || (a.Items == nil) != (b.Items == nil) {
		return false
	}
	return a.Items == nil || a.Items == b.Items || sameType(*a.Items, *b.Items)
}

// choice compiles a field that takes one of several shapes, by what stands there.
func (r *rendering) choice(f *Field, n *syntax.Node) plan.Value {
	if isExpression(n) {
		return r.choiceExpression(f, n)
	}
	alt := alternative(f.Fields, n)
	if alt == nil {
		code := diag.WrongValue
		if n.Kind >= syntax.List {
			code = diag.WrongShape
		}
		hint := ""
		if near := expression.Suggest(n.Text, constants(f.Fields)); near != "" && n.Kind < syntax.List {
			hint = "did you mean `" + near + "`?"
		}
		r.errorAt(n.Span, code, hint, "%s must be %s, not %s", called(f), describe(f), article(shape(n)))
		return wrong(n)
	}
	part := *alt
	part.Name = f.Name
	return r.value(&part, n)
}

// choiceExpression takes an expression if one of the shapes can be what it gives.
func (r *rendering) choiceExpression(f *Field, n *syntax.Node) plan.Value {
	t := r.template(n)
	if t == nil {
		return wrong(n)
	}
	if as := r.folded(n, t); as != nil && !strings.Contains(as.Text, "{{") {
		return r.choice(f, as)
	}
	v := plan.Value{Template: t, Span: n.Span}
	for i := range f.Fields {
		alt := &f.Fields[i]
		if alt.Constant || alt.Type == ObjectField {
			continue
		}
		if takes(alt.Type).Accepts(t.Type()) || alt.Type == TextField && t.Type().Kind != expression.Object && t.Type().Kind != expression.List {
			v.Text = alt.Type == TextField
			return v
		}
	}
	r.errorAt(n.Span, diag.TypeMismatch, "", "%s must be %s, the expression gives %s", called(f), describe(f), typeName(t.Type()))
	return wrong(n)
}

// takes is the type of what a field's expression gives.
func takes(t FieldType) expression.Type {
	switch t {
	case JSONField:
		return expression.Type{}
	case PairsField, MapField, ObjectField:
		return expression.Type{Kind: expression.Object}
	case ListField:
		return expression.Type{Kind: expression.List}
	}
	return expression.Type{Kind: kindOf(t)}
}

// alternative is the shape that a constant value has, or nil. A constant that
// a shape names goes before one that it only allows.
func alternative(fields []Field, n *syntax.Node) *Field {
	for _, named := range []bool{true, false} {
		for i := range fields {
			if alt := &fields[i]; len(alt.OneOf) > 0 == named && suits(alt, n) {
				return alt
			}
		}
	}
	return nil
}

func suits(f *Field, n *syntax.Node) bool {
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, n.Text) {
		return false
	}
	switch f.Type {
	case JSONField:
		return true
	case ObjectField:
		return n.Kind == syntax.Mapping && !slices.ContainsFunc(f.Fields, func(g Field) bool {
			return g.Required && member(n, g.Name, false) == nil
		}) || n.Kind == syntax.Mapping && len(n.Pairs) == 0
	case PairsField, MapField:
		return n.Kind == syntax.Mapping
	case ListField:
		return n.Kind == syntax.List
	case BooleanField:
		return n.Kind == syntax.Boolean
	case IntegerField:
		return n.Kind == syntax.Number && typeOfNode(n).Kind == expression.Integer
	case NumberField:
		return n.Kind == syntax.Number
	}
	if len(f.OneOf) > 0 {
		return n.Kind < syntax.List
	}
	return n.Kind == syntax.String || n.Kind == syntax.Number
}

// constants are the texts that the shapes name.
func constants(fields []Field) []string {
	var texts []string
	for i := range fields {
		texts = append(texts, fields[i].OneOf...)
	}
	return texts
}

// describe says what a field takes, so that it can follow "must be".
func describe(f *Field) string {
	if len(f.OneOf) > 0 {
		return diag.Either(f.OneOf)
	}
	switch f.Type {
	case IntegerField:
		return "an integer"
	case NumberField:
		return "a number"
	case BooleanField:
		return "true or false"
	case DurationField:
		return "a duration such as 15s"
	case SizeField:
		return "a size such as 10MiB"
	case URLField:
		return "a URL"
	case PairsField:
		return "a mapping of names to texts"
	case JSONField:
		return "a value"
	case ObjectField:
		return "a mapping with " + strings.Join(fieldNames(f.Fields), ", ")
	case MapField:
		return "a mapping of names"
	case ListField:
		part := element(f)
		return "a list, each element " + describe(&part)
	case ChoiceField:
		parts := make([]string, len(f.Fields))
		for i := range f.Fields {
			parts[i] = describe(&f.Fields[i])
		}
		return diag.Either(parts)
	}
	return "text"
}

// mustBeText refuses what has no text: a template that is one expression may
// be of any type. Mixed text was checked when it was compiled.
func (c *checker) mustBeText(n *syntax.Node, t *expression.Template) {
	switch kind := t.Type().Kind; kind {
	case expression.Object, expression.List:
		c.errorAt(n.Span, diag.TextOfObject, "write toJSON(…) for its JSON", "this must be text, and the expression gives %s", typeName(t.Type()))
	case expression.Null:
		c.errorAt(n.Span, diag.TextOfObject, "", "this must be text, and the expression gives null")
	case expression.Duration, expression.Bytes:
		hint := "write string(…) of it"
		if kind == expression.Bytes {
			hint = "write hex(…) or base64(…) of it"
		}
		c.errorAt(n.Span, diag.TypeMismatch, hint, "this must be text, and the expression gives %s", typeName(t.Type()))
	}
}

// mustBeValue refuses what has no JSON.
func (c *checker) mustBeValue(n *syntax.Node, t *expression.Template) {
	hint := "write hex(…) or base64(…) of it"
	switch t.Type().Kind {
	case expression.Duration:
		hint = "write .Seconds() or .Milliseconds() of it for a number, string(…) for text"
	case expression.Bytes:
	default:
		return
	}
	c.errorAt(n.Span, diag.TypeMismatch, hint, "%s has no form as JSON", typeName(t.Type()))
}
