package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// The poll of which the author says no more than `until`. A pause that grows
// stays at a minute, so that only who writes a longer one lets the run pause.
const (
	defaultEvery       = 5 * time.Second
	defaultPollTimeout = 10 * time.Minute
	defaultPollFactor  = 2
	defaultPollMax     = time.Minute
)

// poll compiles what a step is repeated for, with the names that are known
// at the present place; nil if there is none or its condition is wrong. What
// else `until` may read, such as `response`, is up to the caller.
func (c *checker) poll(from *syntax.Poll) *plan.Poll {
	if from == nil {
		return nil
	}
	p := &plan.Poll{Until: c.condition(from.Until), Every: defaultEvery, Timeout: defaultPollTimeout, Factor: 1, Span: from.Until.Span}
	if p.Until == nil {
		return nil
	}
	if from.Every != nil {
		p.Every = from.Every.D
	}
	if from.Timeout != nil {
		p.Timeout = from.Timeout.D
	}
	p.Max = max(p.Every, defaultPollMax)
	switch {
	case from.Factor != nil:
		p.Factor = *from.Factor
	case from.Max != nil:
		p.Factor = defaultPollFactor
	}
	if from.Max != nil {
		p.Max = from.Max.D
	}
	p.Every = min(p.Every, p.Max)
	return p
}

// block checks a block, with its rounds if it has `retry` or `poll`.
func (c *checker) block(s *syntax.Step, node *plan.Node) {
	around := c.round
	if c.rounds(s, node); s.Poll != nil {
		c.earlierRounds(s.Steps)
	}
	node.Steps = c.list(s.Steps)
	node.Work.Poll = c.poll(s.Poll)
	c.round = around
}

// rounds compiles the retry of a block or a flow, whose repetitions are
// rounds, and opens the place inside of them. Their poll is compiled after
// the body, whose names `until` reads; the caller restores c.round then.
func (c *checker) rounds(s *syntax.Step, node *plan.Node) {
	retry := s.Retry != nil && !s.Retry.Off
	if node.Rounds = retry || s.Poll != nil; !node.Rounds {
		return
	}
	c.round = node
	r := plan.Retry{Attempts: 1, Initial: defaultInitial, Factor: defaultFactor, Max: defaultMax}
	if retry {
		r.Attempts = defaultAttempts
		c.overRetry(&r, s.Retry, false)
		r.Any = s.Retry.Plain
	}
	node.Work.Retry = r
}

// earlierRounds makes what steps save readable before them: an earlier round
// may have saved it.
func (c *checker) earlierRounds(steps []*syntax.Step) {
	saving := map[*variable]earlier{}
	c.savedIn(steps, saving)
	for _, v := range c.space.order {
		e, ok := saving[v]
		if !ok {
			continue
		}
		typ := expression.Type{}
		if v.rule != nil {
			typ = v.rule.Type
		} else if v.ref.Point.List {
			typ.Kind = expression.List
		}
		class := v.class(v.ref.Point.Name, e.class)
		now := v.now.join(cell{typ: typ, sensitive: class == plan.Sensitive, pii: class == plan.PII})
		if e.cleared != nil {
			now = now.join(cell{state: expression.Unset, typ: typ, cleared: e.cleared})
		}
		c.set(v, now)
	}
}

// earlier is what is known of a name that an earlier round may have saved.
type earlier struct {
	class   plan.Class // by its sources
	cleared *site      // a `set: {x: null}`
}

// savedIn collects the variables of the present space that steps save.
func (c *checker) savedIn(steps []*syntax.Step, into map[*variable]earlier) {
	note := func(name string, sensitive bool, cleared *site) {
		v, ok := c.space.names[name]
		if !ok {
			return
		}
		e := into[v]
		if sensitive {
			e.class = plan.Sensitive
		}
		if cleared != nil {
			e.cleared = cleared
		}
		into[v] = e
	}
	for _, s := range steps {
		for _, p := range s.Set {
			var cleared *site
			if p.Value.Kind == syntax.Null {
				cleared = &site{step: s, span: p.KeySpan}
			}
			note(p.Key, strings.Contains(p.Value.Text, "secrets."), cleared)
		}
		for _, save := range s.Save {
			last := ""
			if save.Value != nil {
				last = save.Value.Text[strings.LastIndexByte(save.Value.Text, '.')+1:]
			}
			note(save.Name, save.Source == syntax.FromCookie || save.Sensitive != nil && *save.Sensitive || datapoints.SensitiveName(last), nil)
		}
		for _, b := range s.Branches {
			c.savedIn(b.Steps, into)
		}
		for _, clause := range s.Catch {
			c.savedIn(clause.Steps, into)
		}
		c.savedIn(s.Steps, into)
		c.savedIn(s.Else, into)
		c.savedIn(s.Finally, into)
	}
}

// A branch is one of a parallel's, as what is saved in it remembers.
type branch struct {
	name   string
	of     *syntax.Step
	around *branch
}

// beside is the branch around another place that runs at the same time as the
// present place, or nil.
func (c *checker) beside(in *branch) *branch {
	for ; in != nil; in = in.around {
		if b := c.branchOf(in.of); b != nil && b.name != in.name {
			return in
		}
	}
	return nil
}

// branchOf is the branch of a parallel in which the present place lies, or nil.
func (c *checker) branchOf(s *syntax.Step) *branch {
	for b := c.branch; b != nil; b = b.around {
		if b.of == s {
			return b
		}
	}
	return nil
}

// parallel checks branches: each begins with what is known before the step,
// and what all of them save is known after it.
func (c *checker) parallel(s *syntax.Step, node *plan.Node) {
	node.AtOnce = s.Concurrency
	if node.AtOnce == 0 {
		node.AtOnce = max(1, len(s.Branches))
	}
	c.savedTwice(s)
	var all []effect
	dead := false
	start := c.mark()
	for _, b := range s.Branches {
		c.branch = &branch{name: b.Name, of: s, around: c.branch}
		busy := c.busyBeside(s)
		inside := &plan.Node{ID: b.Name, Branch: true, Kind: plan.Block, Bare: true, Scope: c.space.scope, Span: b.Span}
		inside.Steps = c.list(b.Steps)
		node.Steps = append(node.Steps, inside)
		for v, before := range busy {
			v.busy = before
		}
		c.branch = c.branch.around
		all = append(all, c.take(start)...)
		dead = dead || c.dead
		c.dead, start = false, c.mark()
	}
	c.apply(all)
	c.dead = dead
}

// busyBeside marks the names that the branches beside the present one save:
// they cannot be read here. It gives what held of them before.
func (c *checker) busyBeside(s *syntax.Step) map[*variable]*site {
	before := map[*variable]*site{}
	for _, v := range c.space.order {
		for i := range v.sites {
			if b := v.sites[i].inside(s); b != nil && b.name != c.branch.name {
				before[v], v.busy = v.busy, &v.sites[i]
				break
			}
		}
	}
	return before
}

// inside is the branch of a parallel in which a site lies, or nil.
func (s *site) inside(parallel *syntax.Step) *branch {
	for b := s.in; b != nil; b = b.around {
		if b.of == parallel {
			return b
		}
	}
	return nil
}

// savedTwice reports names that two branches save.
func (c *checker) savedTwice(s *syntax.Step) {
	for _, v := range c.space.order {
		if c.clashing[v.ref.Point.Name] { // reported
			continue
		}
		var first *site
		for i := range v.sites {
			at := &v.sites[i]
			b := at.inside(s)
			switch {
			case b == nil:
			case first == nil:
				first = at
			case first.inside(s).name != b.name:
				c.report(diag.Diagnostic{Span: at.span, Code: diag.DuplicateName,
					Message: fmt.Sprintf("the branches %q and %q both save %q", first.inside(s).name, b.name, v.ref.Point.Name),
					Hint:    "give one of them another name: it is not known which branch ends last",
					Notes:   []string{fmt.Sprintf("step %q saves it on line %d", first.step.Name, first.span.Line)}})
				c.clashing[v.ref.Point.Name] = true
			}
			if c.clashing[v.ref.Point.Name] {
				break
			}
		}
	}
}

// catch checks what is done when a step has failed. Its clauses begin with
// what is known wherever the step may have failed; after it, every way counts.
func (c *checker) catch(s *syntax.Step, node *plan.Node, start int) {
	clauses := s.Catch
	if s.OnError {
		clauses = append(clauses[:len(clauses):len(clauses)], &syntax.Clause{Span: s.OnErrorSpan})
	}
	if len(clauses) == 0 {
		return
	}
	through, dead, never := c.take(start), c.dead, c.never
	from := c.mark()
	c.failing(start)
	failed := c.take(from)
	outer := c.at
	all := false
	for _, clause := range clauses {
		from := c.mark()
		c.apply(failed)
		c.dead = false
		c.at = place{step: s, failure: true, status: c.nullable(expression.Integer), why: outer.why}
		block := &plan.Node{Kind: plan.Block, Bare: true, Scope: c.space.scope, Span: clause.Span, Work: plan.Work{Clause: &plan.Clause{}}}
		if clause.When != nil {
			if block.Work.Clause.When = c.condition(clause.When); block.Work.Clause.When != nil {
				c.narrow(block.Work.Clause.When.WhenTrue())
			}
		}
		if all && (clause.When == nil || !strings.Contains(clause.When.Text, "unknown")) {
			c.warnAt(clause.Span, diag.Unreachable, "", "this never takes a failure: the clause without `when` before it takes them all")
		}
		all = all || clause.When == nil
		block.Steps = c.list(clause.Steps)
		node.Catch = append(node.Catch, block)
		way, wayDead := c.take(from), c.dead
		c.merge(through, dead, way, wayDead)
		through, dead = c.take(from), c.dead
	}
	c.at = outer
	c.apply(through)
	if c.dead = dead; dead {
		c.never = append(never, c.never...)
	}
}

// finally checks what runs after a block, whatever became of it. What it saves
// counts after it; what it reads may have been saved or not.
func (c *checker) finally(s *syntax.Step, node *plan.Node, start int) {
	if len(s.Finally) == 0 {
		return
	}
	dead, never := c.dead, c.never
	from := c.mark()
	c.failing(start)
	outer := c.at
	c.at = place{step: s, failure: outer.failure, status: outer.status, why: c.nullable(expression.Object)}
	node.Finally = &plan.Node{Kind: plan.Block, Scope: c.space.scope, Span: s.FinallySpan}
	begin := c.mark()
	node.Finally.Steps = c.list(s.Finally)
	saved := c.take(begin)
	c.take(from)
	c.at = outer
	for _, e := range saved {
		switch {
		case e.end.state == expression.Set, e.v.now.state != expression.Set:
			c.set(e.v, e.end)
		case e.end.cleared != nil:
			c.set(e.v, e.v.now.join(e.end))
		}
	}
	if c.dead = c.dead || dead; c.dead {
		c.never = append(never, c.never...)
	}
}
