package check

import (
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// list checks steps that run one after the other.
func (c *checker) list(steps []*syntax.Step) []*plan.Node {
	nodes := make([]*plan.Node, 0, len(steps))
	dead, from := false, 0
	for i, s := range steps {
		if c.dead && !dead {
			dead, from = true, c.mark()
			c.apply(c.never)
			c.warnAt(s.Span, diag.Unreachable, "", "this step never runs: step %q before it always fails", steps[i-1].Name)
		}
		c.dead = false
		nodes = append(nodes, c.step(s))
	}
	if dead {
		c.dead, c.never = true, c.undo(from)
	}
	return nodes
}

// step checks a step with all that is around it: the condition, the loop, what
// happens after a failure, and else.
func (c *checker) step(s *syntax.Step) *plan.Node {
	node := &plan.Node{ID: s.Name, Span: s.Span, Scope: c.space.scope}
	stop := c.stops[s.Name]
	if stop != nil && stop.step == s {
		stop.begun, stop.ref.Step = true, node
		stop.member.Type.Kind = expression.Object
		if s.ForEach != nil { // tells expressions that it has count, failed, failures
			stop.member.Type.Kind = expression.List
		}
	} else {
		stop = nil
	}
	outer := c.at.step
	c.at.step = s
	start := c.mark()
	if s.If != nil {
		node.Work.If = c.condition(s.If)
		if node.Work.If != nil {
			c.narrow(node.Work.If.WhenTrue())
		}
	}
	if s.Timeout != nil {
		node.Work.Timeout = s.Timeout.D
	}
	if s.ForEach != nil {
		c.loop(s, node)
	} else {
		c.verb(s, node)
	}
	c.catch(s, node, start)
	c.finally(s, node, start)
	if s.If != nil {
		c.otherwise(s, node, start)
	}
	c.at.step = outer
	node.Bare = node.Kind == plan.Block && s.If == nil && s.Timeout == nil && len(node.Catch) == 0 && node.Finally == nil && !node.Rounds
	if stop != nil {
		stop.ended = true
	}
	return node
}

// otherwise checks the way past a step whose condition is false, and joins it
// with the way through the step.
func (c *checker) otherwise(s *syntax.Step, node *plan.Node, start int) {
	through, dead := c.take(start), c.dead
	c.dead = false
	start = c.mark()
	if node.Work.If != nil {
		c.narrow(node.Work.If.WhenFalse())
	}
	if s.HasElse {
		node.Else = &plan.Node{Kind: plan.Block, Bare: true, Scope: c.space.scope, Span: s.Span}
		if len(s.Else) > 0 {
			node.Else.Span = s.Else[0].Span
		}
		node.Else.Steps = c.list(s.Else)
	}
	past, pastDead := c.take(start), c.dead
	c.merge(through, dead, past, pastDead)
}

// verb checks what the step does. Of a loop it is what each iteration does.
func (c *checker) verb(s *syntax.Step, node *plan.Node) {
	switch s.Verb {
	case syntax.Action:
		node.Kind = plan.Call
		c.call(s, node)
	case syntax.Set:
		node.Kind = plan.Set
		c.assign(s, node)
	case syntax.Fail:
		node.Kind = plan.Fail
		node.Work.Title = "fail"
		node.Work.Fail = c.text(s.Fail)
		c.dead = true
	case syntax.SubFlow:
		c.subflow(s, node)
	case syntax.Parallel:
		node.Kind = plan.Parallel
		c.parallel(s, node)
	case syntax.Wait:
		node.Kind = plan.Wait
		c.wait(s, node)
	case syntax.Callback:
		node.Kind = plan.Callback
		c.callback(s, node)
	default: // a block, or a verb that is missing and was reported
		node.Kind = plan.Block
		c.block(s, node)
	}
}

// wait checks how long a step waits.
func (c *checker) wait(s *syntax.Step, node *plan.Node) {
	w := &plan.WaitSpec{Long: true}
	node.Work.Wait, node.Work.Title = w, "wait"
	switch {
	case s.Wait == nil: // it was wrong, and that was reported
	case s.Wait.Until != nil:
		n := s.Wait.Until
		if w.Until = c.text(n); w.Until == nil {
			return
		}
		node.Work.Title = "wait until " + plan.Placeholders(n.Text)
		if text, constant := w.Until.Constant(); constant {
			c.moment(n, text)
			return
		}
		if as := c.folded(n, w.Until); as != nil && as.Kind == syntax.String {
			c.moment(n, as.Text)
			return
		}
		switch kind := w.Until.Type().Kind; kind {
		case expression.Integer, expression.Number, expression.Boolean, expression.Date, expression.Telephone:
			c.errorAt(n.Span, diag.TypeMismatch, "a time is text such as 2026-11-30T09:00:00Z, or what date(…) and now() give", "`until` must be a date and time, the expression gives %s", typeName(w.Until.Type()))
		}
	case strings.Contains(s.Wait.For.Text, "${{"):
		n := s.Wait.For
		node.Work.Title = "wait " + plan.Placeholders(n.Text)
		if w.Text = c.text(n); w.Text == nil {
			return
		}
		if as := c.folded(n, w.Text); as != nil && as.Kind == syntax.String {
			c.pause(n, as.Text, w)
			return
		}
		switch kind := w.Text.Type().Kind; kind {
		case expression.Integer, expression.Number, expression.Boolean, expression.Time, expression.Date, expression.DateTime, expression.Telephone:
			c.errorAt(n.Span, diag.TypeMismatch, "write the unit, too: `wait: ${{ inputs.seconds }}s`, or `wait: { until: … }` for a time",
				"`wait` must be a duration as text such as 30m, the expression gives %s", typeName(w.Text.Type()))
		}
	default:
		node.Work.Title = "wait " + s.Wait.For.Text
		w.Text = c.text(s.Wait.For)
		w.For, _ = syntax.ParseDuration(s.Wait.For.Text)
		w.Long = w.For > plan.Patience
	}
}

// pause takes a constant duration that an expression gives.
func (c *checker) pause(n *syntax.Node, text string, w *plan.WaitSpec) {
	d, err := syntax.ParseDuration(text)
	if err != nil {
		c.errorAt(n.Span, diag.BadDuration, "write it like 200ms, 30s, 5m, 1h30m or 3d", "%s", err)
		return
	}
	if w.For = d; d == 0 {
		c.errorAt(n.Span, diag.BadDuration, "", "`wait` must be longer than nothing")
	}
	w.Long = d > plan.Patience
}

// moment checks a constant time.
func (c *checker) moment(n *syntax.Node, text string) {
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return
	}
	hint := "write it like 2026-11-30T09:00:00Z or 2026-11-30T09:00:00+01:00"
	if root, _, ok := strings.Cut(text, "."); ok {
		if _, known := c.Root(root); known {
			hint = fmt.Sprintf("write `until: ${{ %s }}`", text)
		}
	}
	c.errorAt(n.Span, diag.WrongValue, hint, "`until` is no date and time with an offset (RFC 3339)")
}

// assign checks `set`: all values are computed before any of them is kept.
func (c *checker) assign(s *syntax.Step, node *plan.Node) {
	node.Work.Title = "set " + setNames(s.Set)
	cells := make([]cell, len(s.Set))
	for i, p := range s.Set {
		v := c.find(p.Key)
		if v == nil { // the name is wrong, and that was reported
			continue
		}
		a := plan.Assign{Point: v.ref.Point, Span: p.KeySpan}
		if p.Value.Kind == syntax.Null {
			a.Unset = true
			a.Class = v.ref.Point.Class
			cells[i] = v.initial()
			if cells[i].state == expression.Unset {
				cells[i].cleared = &site{step: s, span: p.KeySpan}
			}
		} else {
			r := rendering{checker: c}
			a.Value = r.json(p.Value)
			a.Class = v.class(p.Key, r.class)
			c.fits(v, p.Value, a.Value)
			if a.Class == plan.Sensitive {
				c.shortValue(constantText(p.Value))
			}
			cells[i] = c.savedCell(v, typeOf(a.Value, p.Value), a.Class)
		}
		node.Work.Set = append(node.Work.Set, a)
	}
	for i, p := range s.Set {
		if v := c.find(p.Key); v != nil {
			c.keep(v, cells[i])
		}
	}
}

func setNames(pairs []syntax.Pair) string {
	names := make([]string, len(pairs))
	for i, p := range pairs {
		names[i] = p.Key
	}
	return strings.Join(names, ", ")
}

// savedCell is what is known of a variable after it got a value of a type and class.
func (c *checker) savedCell(v *variable, t expression.Type, class plan.Class) cell {
	if v.rule != nil && v.rule.Type.Kind != expression.Any {
		t = v.rule.Type
	}
	return cell{typ: t, sensitive: class == plan.Sensitive, pii: class == plan.PII}
}

// keep makes a save count, and adds it to what the point can hold.
func (c *checker) keep(v *variable, now cell) {
	c.set(v, now)
	p := v.ref.Point
	switch {
	case now.sensitive:
		p.Class = plan.Sensitive
	case now.pii && p.Class == plan.Plain:
		p.Class = plan.PII
	}
	if now.state == expression.Unset || v.rule != nil && v.rule.Type.Kind != expression.Any {
		return
	}
	if v.typed {
		p.Type = joinTypes(p.Type, now.typ)
	} else {
		p.Type, v.typed = now.typ, true
	}
}

// loop checks a step with for_each. Names that it saves are the iteration's;
// after it each is a list, also if there was no item at all.
func (c *checker) loop(s *syntax.Step, node *plan.Node) {
	sp := c.loops[s]
	node.Kind, node.AtOnce, node.Go = plan.Loop, max(s.ForEach.Concurrency, 1), s.ForEach.Continue
	sp.scope.Node = node
	node.Work.Loop = c.loopSpec(s.ForEach, node, sp)
	start := c.mark()
	body := &plan.Node{Span: s.Span, Scope: sp.scope}
	c.space, sp.open = sp, true
	c.verb(s, body)
	c.space, sp.open = sp.parent, false
	body.Bare = body.Kind == plan.Block && !body.Rounds
	node.Steps = []*plan.Node{body}
	node.Work.Title = body.Work.Title
	// An iteration's conditions say nothing once it is over; a loop may have none.
	c.take(start)
	c.dead, c.never = false, nil
	for _, v := range sp.order {
		outer, inner := sp.parent.names[v.ref.Point.Name], v.ref.Point
		node.Work.Lists = append(node.Work.Lists, plan.List{Outer: outer.ref.Point, Inner: inner})
		c.keep(outer, cell{typ: listOf(inner.Type), sensitive: inner.Class == plan.Sensitive, pii: inner.Class == plan.PII})
	}
}

func listOf(t expression.Type) expression.Type {
	if t.Kind == expression.Any {
		return expression.Type{Kind: expression.List}
	}
	return expression.Type{Kind: expression.List, Items: &t}
}

const defaultItems = 1000 // of a loop without `max`

// loopSpec compiles what a loop goes over, and gives its space the variables.
func (c *checker) loopSpec(f *syntax.ForEach, node *plan.Node, sp *space) *plan.LoopSpec {
	l := &plan.LoopSpec{As: f.As.Name, IndexAs: f.IndexAs.Name, Max: f.Max}
	if l.As == "" {
		l.As = "item"
	}
	if l.IndexAs == "" {
		l.IndexAs = "index"
	}
	if l.Max == 0 {
		l.Max = defaultItems
	}
	if l.As == l.IndexAs && (f.As.Name == "" || f.IndexAs.Name == "") { // of two given names syntax complains
		span := f.As.Span
		if f.As.Name == "" {
			span = f.IndexAs.Span
		}
		c.errorAt(span, diag.DuplicateName, "give one of them another name", "item and index are both called %q", l.As)
	}
	item := expression.Name{Ref: &plan.Ref{Loop: node}}
	if l.In = c.bare(f.In); l.In != nil {
		t := l.In.Type()
		list := expression.Type{Kind: expression.List}
		if !list.Accepts(t) {
			c.errorAt(f.In.Span, diag.TypeMismatch, "", "`for_each.in` must be a list, this is %s", typeName(t))
		}
		if t.Items != nil {
			item.Type = *t.Items
		}
		item.Sensitive, item.PII, item.Foreign = l.In.Sensitive(), l.In.PII(), l.In.Foreign()
	}
	sp.item = loopName{l.As, item}
	sp.index = loopName{l.IndexAs, expression.Name{
		Type: expression.Type{Kind: expression.Integer}, Ref: &plan.Ref{Loop: node, Index: true},
	}}
	return l
}
