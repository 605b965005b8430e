package check

import (
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
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

	foreign bool // an input of a sub-flow: it is made of what came from an answer

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
