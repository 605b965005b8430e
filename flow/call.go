package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/given"
	"github.com/stepwell/stepwell/flow/internal/inbox"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// maxCall is how long one call may take with its retries, if its step has no timeout.
const maxCall = 10 * time.Minute

// maxSteps is how many steps a run may do, each iteration's counted.
const maxSteps = 100_000

// try does what a leaf does, once.
func (w *work) try(ctx context.Context, n *plan.Node, r datapoints.Row, t Task) (Outcome, error) {
	now := time.Now()
	if r.Started.IsZero() && w.state.Steps() >= maxSteps {
		return w.fail(ctx, n, r, t, &Error{Kind: KindLimit, Message: "the run has done 100,000 steps; more are not allowed"})
	}
	first := r.Started.IsZero() || r.N == 0 && r.Intent == 0 // `if` was not yet true
	if r.Started.IsZero() {
		r.Started = now
	}
	w.spans.begin(w, n, t.Path)
	if record.InDoubt(&r) {
		r.N++
		return w.fail(ctx, n, r, t, unknownCall(&Error{Sent: true, Message: processEnded}, t.Path))
	}
	if n.Kind == plan.Wait || n.Kind == plan.Callback {
		return w.attend(ctx, n, r, t, first)
	}
	own := r.Deadline
	if own.IsZero() {
		limit := n.Work.Timeout
		if limit == 0 && n.Kind == plan.Call {
			limit = maxCall
		}
		own = record.Nearer(time.Time{}, now, limit)
	}
	ends := pollEnds(n.Work.Call, &r, now)
	deadline := earlier(earlier(own, t.Deadline), ends)
	switch {
	case late(t.Deadline, now):
		return w.fail(ctx, n, r, t, overdue())
	case late(ends, now):
		c := &calling{n: n, r: r, t: t, spec: n.Work.Call, own: own, ends: ends}
		return w.fail(ctx, n, r, t, c.gaveUp(now, unseal(r.Hidden).Seen))
	case late(deadline, now):
		return w.fail(ctx, n, r, t, overdueItself())
	}
	if first {
		ok, err := w.condition(ctx, n, t.Path)
		switch {
		case err != nil:
			return w.fail(ctx, n, r, t, err)
		case !ok:
			return w.skip(ctx, n, r, t)
		}
	}
	switch n.Kind {
	case plan.Set:
		return w.set(ctx, n, r, t, now)
	case plan.Fail:
		r.N++
		return w.fail(ctx, n, r, t, w.inOwnWords(n, &env{w: w, ctx: ctx, path: t.Path}))
	}
	return w.call(ctx, &calling{w: w, n: n, r: r, t: t, spec: n.Work.Call, own: own, deadline: deadline, ends: ends})
}

// call makes an attempt, in memory that the attempts of an executor have in turn.
func (w *work) call(ctx context.Context, of *calling) (Outcome, error) {
	c, _ := w.x.own.callings.Get().(*calling)
	if c == nil {
		c = &calling{}
		c.lent = lent{trusted: func(origin string) bool { return c.trust.Check(origin) == nil }, create: c.create, file: c.file}
	}
	of.lent = c.lent
	*c = *of
	out, err := c.attempt(ctx)
	if c.auth == nil && c.uploads == nil { // what those leave behind may look at it
		c.call.release()
		*c = calling{lent: c.lent}
		w.x.own.callings.Put(c)
	}
	return out, err
}

// attend does what a step does that waits: the times are fixed once, and are
// points in time from then on.
func (w *work) attend(ctx context.Context, n *plan.Node, r datapoints.Row, t Task, first bool) (Outcome, error) {
	now := time.Now()
	if first {
		if late(t.Deadline, now) {
			return w.fail(ctx, n, r, t, overdue())
		}
		ok, err := w.condition(ctx, n, t.Path)
		switch {
		case err != nil:
			return w.fail(ctx, n, r, t, err)
		case !ok:
			return w.skip(ctx, n, r, t)
		}
	}
	if r.Last.Status == 0 { // a new series
		r.N++
		r.Deadline = record.Nearer(time.Time{}, now, n.Work.Timeout)
		if n.Kind == plan.Wait {
			until, err := inbox.Goal(n.Work.Wait, &env{w: w, ctx: ctx, path: t.Path}, now)
			if err != nil {
				return w.fail(ctx, n, r, t, err)
			}
			h := unseal(r.Hidden)
			h.Until = &until
			r.Hidden = h.seal()
		}
	}
	if n.Kind == plan.Callback {
		return w.receive(ctx, n, r, t, now)
	}
	r.N = max(r.N, t.N)
	until, deadline := *unseal(r.Hidden).Until, earlier(r.Deadline, t.Deadline)
	switch {
	case !until.After(now) && !late(deadline, until.Add(-1)):
		return w.done(ctx, r, t, nil, nil, false)
	case late(deadline, now):
		return w.fail(ctx, n, r, t, &Error{Kind: KindTimeout, Message: "the time was over before " + clock(until) + ", for which the step waits"})
	}
	r.Last = Outcome{Status: datapoints.Again, Next: r.N + 1, Until: earlier(until, deadline)}
	return r.Last, w.add(datapoints.Record{Path: t.Path, Row: r, At: now}, false)
}

// receive looks whether the message has come for which a step waits. It has
// come in time if that was before the deadline, whenever somebody looks.
func (w *work) receive(ctx context.Context, n *plan.Node, r datapoints.Row, t Task, now time.Time) (Outcome, error) {
	spec, deadline := n.Work.Message, earlier(r.Deadline, t.Deadline)
	m, came, err := inbox.Newest(ctx, w.x.store(), w.run.ID, spec.Name)
	switch {
	case err != nil:
		return Outcome{}, storeError("the message cannot be read", err)
	case came > 0 && !late(deadline, m.At):
		return w.take(ctx, n, r, t, m, came)
	case late(deadline, now):
		e := &Error{Kind: KindTimeout, Message: "no message of callback " + spec.Name + " came in time"}
		if came > 0 {
			e.Facts = []Fact{{"came", clock(m.At)}, {"in time", "before " + clock(deadline)}}
		}
		return w.fail(ctx, n, r, t, e)
	}
	if r.Last.Status == datapoints.Awaits && r.Last.Until.Equal(deadline) {
		return r.Last, nil // as it was recorded
	}
	r.Last = Outcome{Status: datapoints.Awaits, Next: r.N + 1, Until: deadline}
	return r.Last, w.add(datapoints.Record{Path: t.Path, Row: r, At: now}, false)
}

// take makes a message the step's answer. If it is not what the step expects,
// how many there were is recorded: the next one takes its place.
func (w *work) take(ctx context.Context, n *plan.Node, r datapoints.Row, t Task, m datapoints.Message, came int) (Outcome, error) {
	spec := n.Work.Message
	e := &env{w: w, ctx: ctx, path: t.Path, answer: &answer.Answer{Body: []byte(m.Body.Reveal())}, now: m.At.UTC().Truncate(time.Millisecond)}
	err := w.expect(&spec.Expect, e)
	var points []datapoints.Point
	if err == nil {
		points, err = w.capture(spec.Save, e, t.Path, r.N, e.find)
	}
	if err != nil {
		e.answer.Secrets(spec.Save, e, w.redactor.Add)
		h := unseal(r.Hidden)
		h.Heard = came
		r.Hidden = h.seal()
		failed := *asError(err)
		failed.Hints = append(slices.Clone(failed.Hints), "another message takes its place: stepwell signal "+w.run.ID+" "+spec.Name+" --json …, then resume")
		return w.fail(ctx, n, r, t, &failed)
	}
	return w.done(ctx, r, t, points, nil, false)
}

// inOwnWords is what a fail step says.
func (w *work) inOwnWords(n *plan.Node, e *env) error {
	message, err := n.Work.Fail.Render(e)
	if err != nil {
		return err
	}
	text, err := message.Text()
	if err != nil {
		return err
	}
	return &Error{Kind: KindFailed, Message: text}
}

// set saves what its expressions give. All see what was there before the step.
func (w *work) set(ctx context.Context, n *plan.Node, r datapoints.Row, t Task, now time.Time) (Outcome, error) {
	e := &env{w: w, ctx: ctx, path: t.Path, now: now.UTC().Truncate(time.Millisecond)}
	r.N++
	var points []datapoints.Point
	for i := range n.Work.Set {
		p, err := w.assign(&n.Work.Set[i], e, t.Path, r.N)
		if err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		points = append(points, p)
	}
	return w.done(ctx, r, t, points, nil, false)
}

// done records that a leaf went well, with what it saved.
func (w *work) done(ctx context.Context, r datapoints.Row, t Task, points []datapoints.Point, tries []datapoints.Attempt, wait bool) (Outcome, error) {
	if err := w.admit(points); err != nil {
		return w.fail(ctx, w.plan.compiled.Nodes[t.Node], r, t, err, tries...)
	}
	r.Ended = time.Now()
	r.Last = Outcome{Status: datapoints.Done}
	err := w.add(datapoints.Record{Path: t.Path, Row: r, Points: points, Attempts: tries, At: r.Ended}, wait)
	if w.spans.watched() {
		w.spans.end(t.Path, End{Outcome: "done", Status: r.Status, Saved: saved(points), Took: r.Ended.Sub(r.Started)})
	}
	return r.Last, err
}

// give evaluates what a sub-flow is given, once: what is recorded of it counts
// from then on.
func (w *work) give(ctx context.Context, n *plan.Node, path string) (json.RawMessage, error) {
	spec := n.Work.Flow
	e := &env{w: w, ctx: ctx, path: path, now: time.Now().UTC().Truncate(time.Millisecond)}
	args := make(map[*plan.Input]*plan.Argument, len(spec.With))
	for i := range spec.With {
		args[spec.With[i].Input] = &spec.With[i]
	}
	in := make(record.Inputs, len(spec.Inputs))
	raw := make(map[string]json.RawMessage, len(spec.Inputs))
	for _, input := range spec.Inputs {
		text := "null"
		arg := args[input]
		if arg != nil {
			var b strings.Builder
			if err := arg.Value.Render(&b, e); err != nil {
				return nil, placed(err)
			}
			text = b.String()
		}
		text, err := given.Fitting(input, text)
		if err != nil {
			bad := &Error{Kind: KindData, Message: fmt.Sprintf("the input %s of %s %v", input.Name, spec.File, err)}
			if arg != nil {
				bad.Place = arg.Span
			}
			return nil, bad
		}
		if w.mask(input.Name, text, input.Class == plan.Sensitive) && w.open() {
			return nil, &Error{Kind: KindStore, Message: fmt.Sprintf("the input %s of %s holds something sensitive and the store is not encrypted", input.Name, spec.File), Hints: []string{keyHelp}}
		}
		in[input.Name], raw[input.Name] = expression.FromJSON(text), json.RawMessage(text)
	}
	w.state.SetInputs(path, in)
	return json.Marshal(raw)
}

// inputOf is an input of the sub-flow around a path, read back if this process
// did not begin it.
func (w *work) inputOf(h *plan.Ref, at string) (expression.Value, error) {
	path := record.WithoutRound(record.Within(h.Flow, at))
	if in, ok := w.state.OpenInputs(path); ok {
		return in[h.Input.Name], nil
	}
	r := w.state.Row(path)
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(unseal(r.Hidden).Inputs, &raw); err != nil {
		return expression.Value{}, storeError("the inputs of the sub-flow "+path+" cannot be read back", datapoints.ErrCorrupt)
	}
	in := make(record.Inputs, len(raw))
	for _, input := range h.Flow.Work.Flow.Inputs {
		text := string(raw[input.Name])
		w.mask(input.Name, text, input.Class == plan.Sensitive)
		in[input.Name] = expression.FromJSON(text)
	}
	w.state.SetInputs(path, in)
	return in[h.Input.Name], nil
}

// conclude computes the outputs of a sub-flow whose steps went well before its
// finally begins. r is the row of the finally, which keeps them, or why there
// are none.
func (w *work) conclude(ctx context.Context, n *plan.Node, path string, r *datapoints.Row) {
	inside := strings.TrimSuffix(path, ".finally")
	if !w.state.Over(n, inside) {
		return // it was stopped
	}
	h := unseal(r.Hidden)
	var err error
	if h.Outputs, err = w.outputs(&env{w: w, ctx: ctx, path: inside}, n); err != nil {
		h.Fault, r.Origin = w.fault(err, record.WithoutRound(inside), n.Span), path
	}
	r.Hidden = h.seal()
}

// concluded gives the outputs of a sub-flow whose steps and finally went well.
func (w *work) concluded(ctx context.Context, n *plan.Node, inside string) (json.RawMessage, error) {
	if n.Finally == nil {
		return w.outputs(&env{w: w, ctx: ctx, path: inside}, n)
	}
	last := w.state.Row(plan.Join(inside, "finally"))
	h := unseal(last.Hidden)
	if h.Fault != nil {
		return nil, h.Fault.error()
	}
	return h.Outputs, nil
}

// returned is the place after a sub-flow: its outputs are the answer that the step
// expects something of and saves from.
func (w *work) returned(ctx context.Context, n *plan.Node, t Task) (*env, error) {
	inside := t.Path
	if n.Rounds {
		inside = plan.Round(inside, t.N)
	}
	outputs, err := w.concluded(ctx, n, inside)
	if err != nil {
		return nil, err
	}
	return &env{w: w, ctx: ctx, path: inside, answer: &answer.Answer{Body: outputs}, now: time.Now().UTC().Truncate(time.Millisecond)}, nil
}

// kept is what a step saves of what its sub-flow returned, if that is as expected.
func (w *work) kept(n *plan.Node, t Task, e *env) ([]datapoints.Point, error) {
	spec := n.Work.Flow
	if err := w.expect(&spec.Expect, e); err != nil {
		return nil, err
	}
	points, err := w.capture(spec.Save, e, t.Path, max(t.N, 1), e.find)
	if err != nil {
		return nil, err
	}
	return points, w.admit(points)
}

// callers says which steps lead to a step of a sub-flow, the nearest first.
func (w *work) callers(path string) string {
	var who []string
	for i := len(path) - 1; i > 0; i-- {
		if path[i] != '.' || strings.HasPrefix(path[i:], ".catch[") || strings.HasPrefix(path[i:], ".else.") { // these stand beside the step
			continue
		}
		if n := w.plan.at(path[:i]); n != nil && n.Work.Flow != nil {
			who = append(who, fmt.Sprintf("step %s (%s:%d)", path[:i], n.Span.File, n.Span.Line))
		}
	}
	return strings.Join(who, ", ")
}

// moveIn gives the run its address, unless it has one.
func (w *work) moveIn(v datapoints.Value) datapoints.Value {
	h := unseal(v)
	if h.Address == nil {
		a := inbox.NewAddress(w.x.PublicURL)
		h.Address = &a
		w.answersAt(a)
	}
	return h.seal()
}

// door finds the address that the run was given when it began.
func (w *work) door() error {
	root := w.state.Row("")
	a := unseal(root.Hidden).Address
	if a == nil {
		return w.plan.reachable(w.x.PublicURL)
	}
	if w.x.PublicURL != "" { // it may have moved since
		a.Base = w.x.PublicURL
	}
	w.answersAt(*a)
	return w.plan.reachable(a.Base)
}

// answersAt takes an address over. Its URLs are masked as secrets are.
func (w *work) answersAt(a inbox.Address) {
	w.address = a
	for _, m := range w.plan.compiled.Callbacks {
		label := "callbacks." + m.Name + ".url"
		w.redactor.Add(label, a.URL(w.run.ID, m.Name))
		w.redactor.Add(label, a.Token(m.Name))
	}
}
