package check

import (
	"fmt"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A space is where names live: the run's, or that of a loop's iteration.
type space struct {
	scope  *plan.Scope
	parent *space
	step   *syntax.Step // the loop's; nil for the run
	names  map[string]*variable
	order  []*variable
	item   loopName
	index  loopName
	open   bool // the place that is being checked lies inside
}

// A loopName is a loop variable as the place inside knows it.
type loopName struct {
	name string
	info expression.Name
}

// A site is where a step saves a name.
type site struct {
	step *syntax.Step
	span diag.Span
	loop *space  // the innermost loop around it, nil outside of loops
	in   *branch // the innermost branch of a parallel around it, or nil

	optional bool // the answer may not have it
}

// A stop is a step as `steps.ID` knows it.
type stop struct {
	step   *syntax.Step
	space  *space // around the step
	in     *branch
	begun  bool // the place that is being checked is in it or after it
	ended  bool // … after it
	member expression.Name
	ref    plan.Ref
}

// collect finds every name that steps save and where it lives, before anything
// else is checked: only so can a use too early name the step that comes later.
func (c *checker) collect(steps []*syntax.Step, sp *space) {
	for _, s := range steps {
		c.steps++
		c.holes = c.holes || s.Verb == syntax.NoVerb
		if _, ok := c.stops[s.Name]; !ok && s.Name != "" {
			c.stops[s.Name] = &stop{step: s, space: sp, in: c.branch}
		}
		inner := sp
		if s.ForEach != nil {
			inner = newSpace(sp, s)
			c.loops[s] = inner
		}
		for _, p := range s.Set {
			c.saved(inner, p.Key, site{step: s, span: p.KeySpan, loop: inner, in: c.branch})
		}
		for _, save := range s.Save {
			c.saved(inner, save.Name, site{s, save.Span, inner, c.branch, save.Optional && save.Default == nil})
		}
		c.collect(s.Steps, inner)
		for _, b := range s.Branches {
			c.branch = &branch{name: b.Name, of: s, around: c.branch}
			c.collect(b.Steps, inner)
			c.branch = c.branch.around
		}
		if inner != sp {
			for _, v := range inner.order {
				c.gathered(sp, inner, v)
			}
		}
		c.collect(s.Else, sp)
		for _, clause := range s.Catch {
			c.collect(clause.Steps, sp)
		}
		c.collect(s.Finally, sp)
	}
}

func newSpace(parent *space, s *syntax.Step) *space {
	sp := &space{parent: parent, step: s, names: map[string]*variable{}}
	sp.scope = &plan.Scope{Names: map[string]*plan.Point{}}
	if parent != nil {
		sp.scope.Parent = parent.scope
	}
	return sp
}

// saved notes that a step of the space itself saves a name.
func (c *checker) saved(sp *space, name string, at site) {
	if name == "" {
		return
	}
	v := c.variable(sp, name)
	if v.ref.Point.List {
		c.insideAndOutside(name, v.looped(sp), at)
	}
	v.sites = append(v.sites, at)
}

// looped is the first place where a loop inside of the space saves the name.
func (v *variable) looped(sp *space) site {
	for _, s := range v.sites {
		if s.loop != sp {
			return s
		}
	}
	return v.sites[0]
}

// gathered notes that a loop in the space makes a list of an inner name.
func (c *checker) gathered(sp, loop *space, inner *variable) {
	name := inner.ref.Point.Name
	v, known := sp.names[name]
	if known && len(v.sites) > 0 {
		if v.ref.Point.List {
			c.insideAndOutside(name, v.looped(sp), inner.sites[0])
		} else {
			c.insideAndOutside(name, inner.sites[0], v.sites[0])
		}
	}
	if !known {
		v = c.variable(sp, name)
	}
	v.ref.Point.List = true
	v.sites = append(v.sites, inner.sites...)
}

// insideAndOutside reports a name that is saved inside a loop and outside it,
// at whichever comes second.
func (c *checker) insideAndOutside(name string, inside, outside site) {
	c.clashing[name] = true
	loop := inside.step.Name
	if inside.loop != nil && inside.loop.step != nil {
		loop = inside.loop.step.Name
	}
	second, first := outside, inside
	if after(inside.span, outside.span) {
		second, first = inside, outside
	}
	c.report(diag.Diagnostic{Span: second.span, Code: diag.DuplicateName,
		Message: fmt.Sprintf("%q is saved inside the loop %q and also outside it", name, loop),
		Hint:    "give one of them another name: after a loop a name is the list of what the iterations saved",
		Notes:   []string{fmt.Sprintf("step %q saves it on line %d", first.step.Name, first.span.Line)}})
}

func after(a, b diag.Span) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Column > b.Column
}

// variable is the space's variable of a name, made if need be.
func (c *checker) variable(sp *space, name string) *variable {
	if v, ok := sp.names[name]; ok {
		return v
	}
	v := &variable{ref: plan.Ref{Point: &plan.Point{Name: name, Scope: sp.scope}}}
	sp.names[name] = v
	sp.order = append(sp.order, v)
	sp.scope.Names[name] = v.ref.Point
	c.points[v.ref.Point] = v
	if sp.parent == nil {
		c.plan.Points = append(c.plan.Points, v.ref.Point)
	}
	return v
}

// find is the variable that a name means at the present place, or nil.
func (c *checker) find(name string) *variable {
	for sp := c.space; sp != nil; sp = sp.parent {
		if v, ok := sp.names[name]; ok {
			return v
		}
	}
	return nil
}

// declare makes the declarations hold for the names of a space. In a loop that
// is an iteration's value; the list outside has no default and no rule.
func (c *checker) declare(sp *space) {
	for _, v := range sp.order {
		p := v.ref.Point
		d, ok := c.declared[p.Name]
		if ok {
			v.kept, v.pii = d.sensitive, d.pii
		}
		p.Class = v.class(p.Name, plan.Plain)
		v.now = cell{state: expression.Unset}
		if !ok || p.List {
			continue
		}
		v.rule, p.Rule, p.Type, p.Default = d.rule, d.rule, d.rule.Type, d.value
		v.now = v.initial()
	}
}

// initial is what is known of a name before any step has saved it.
func (v *variable) initial() cell {
	p := v.ref.Point
	if p.Default == nil {
		return cell{state: expression.Unset, typ: p.Type}
	}
	class := v.class(p.Name, plan.Plain)
	return cell{typ: p.Type, sensitive: class == plan.Sensitive, pii: class == plan.PII}
}
