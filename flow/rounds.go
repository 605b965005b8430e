package flow

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// leave ends a compound, or one of its rounds: gathers lists, counts failures,
// evaluates outputs, or passes on the failure of a part.
func (w *work) leave(ctx context.Context, n *plan.Node, before datapoints.Row, t Task) (Outcome, error) {
	rec := datapoints.Record{Path: t.Path, Row: before, At: time.Now()}
	r := &rec.Row
	r.N, r.Ended = t.N, rec.At
	if n.Kind == plan.Loop {
		r.N = r.Enter.Count
	}
	h := unseal(r.Hidden)
	r.Last = Outcome{Status: datapoints.Done}
	var back *env // of a sub-flow: with what it returned
	var err error
	switch {
	case t.Cause != "":
		err = w.passOn(ctx, n, r, &h, t)
	case n.Kind == plan.Loop:
		h.Failures, err = w.failures(t.Path, r.Enter.Count)
		if err == nil {
			err = w.outOfTime(n, t, r.Enter.Count)
		}
		if err == nil {
			rec.Points, err = w.lists(ctx, n, t.Path, r.Enter.Count)
		}
		w.state.SetItems(t.Path, nil)
	case n == w.plan.compiled.Root:
		if len(n.Work.Outputs) > 0 {
			h.Outputs, err = w.outputs(&env{w: w, ctx: ctx}, n)
			w.returns = h.Outputs
		}
	case n.Work.Flow != nil:
		if back, err = w.returned(ctx, n, t); err == nil && n.Work.Poll == nil {
			rec.Points, err = w.kept(n, t, back)
		}
	}
	if n.Rounds {
		of := rec // apart, so that without rounds the record needs no memory of its own
		err = w.round(ctx, n, t, &of, back, err)
		rec = of
	}
	if err != nil {
		w.state.SetInputs(t.Path, nil)
		return w.fail(ctx, n, *r, t, err, rec.Attempts...)
	}
	r.Hidden = h.seal()
	return r.Last, w.left(n, &rec)
}

// left records the end of a compound or of its round, and tells of it.
func (w *work) left(n *plan.Node, rec *datapoints.Record) error {
	r := &rec.Row
	err := w.add(*rec, len(rec.Slots) > 0) // what counts now is read back
	if r.Last.Status == datapoints.Again {
		return err
	}
	w.state.SetInputs(rec.Path, nil)
	if w.spans.watched() {
		end := End{Outcome: outcome(r), Saved: saved(rec.Points), Took: rec.At.Sub(r.Started)}
		if r.Last.Status == datapoints.Broke {
			end.Error = w.told(w.faultAt(rec.Path))
		}
		w.spans.ended(n, rec.Path, end)
	}
	return err
}

// passOn makes the failure of a part that of the whole. Whatever else failed,
// a call that may have been processed is what counts.
func (w *work) passOn(ctx context.Context, n *plan.Node, r *datapoints.Row, h *hidden, t Task) error {
	if err := w.doubts(ctx, t.Path); err != nil {
		return err
	}
	cause := t.Cause
	if unknown := w.state.FirstUnknown(t.Path); unknown != "" {
		cause = unknown
	}
	r.Last = Outcome{Status: datapoints.Broke, Kind: string(w.faultAt(cause).Kind)}
	r.Origin = w.origin(cause)
	if n.Kind != plan.Loop {
		return nil
	}
	var err error
	h.Failures, err = w.failures(t.Path, r.Enter.Count)
	return err
}

// A round is the body of a block or a flow, done once, of one that has retry
// or poll.
type round struct {
	w   *work
	n   *plan.Node
	r   *datapoints.Row
	t   Task
	rec *datapoints.Record // of leave; its time is the round's end
	env *env               // inside the round
	try datapoints.Attempt
}

// round decides what a round that has ended leads to: another one, the end of
// the step, or its failure. own is a failure of the step itself, such as an
// expectation; one of a part is in the task's cause. back is what a sub-flow
// returned.
func (w *work) round(ctx context.Context, n *plan.Node, t Task, rec *datapoints.Record, back *env, own error) error {
	r := &rec.Row
	o := &round{w: w, n: n, r: r, t: t, rec: rec, env: back}
	if back == nil {
		o.env = &env{w: w, ctx: ctx, path: plan.Round(t.Path, t.N), now: rec.At.UTC().Truncate(time.Millisecond)}
	}
	began := r.Started
	if before := w.state.Row(t.Path).Last; before.Status == datapoints.Again {
		began = before.Until
	}
	o.try = datapoints.Attempt{N: t.N, Started: began, Took: max(rec.At.Sub(began), 0), Sent: true}
	end := End{Outcome: "done", Took: o.try.Took}
	span := Span{Path: t.Path, Attempt: r.Tries + 1, Limit: n.Work.Retry.Attempts, Poll: r.Polls}
	var err error
	switch {
	case own != nil || t.Cause != "":
		var f *fault
		f, err = o.failed(own)
		end.Outcome, end.Status, end.Error, end.Asked = "failed", f.Status, w.told(f), f.After != nil
	case n.Work.Poll != nil:
		if err = o.polled(); err == nil && back != nil && r.Last.Status == datapoints.Done {
			rec.Points, err = w.kept(n, t, back)
		}
	}
	rec.Attempts = append(rec.Attempts, o.try)
	if r.Last.Status == datapoints.Again && err == nil {
		end.Again = r.Last.Until
	}
	if end.Error != nil { // that a poll waits is told when it does
		_, ended := w.spans.attempt(ctx, w, span)
		ended(end)
	}
	return err
}

// failed takes back what a failed round saved, and begins another one if the
// author lists the failure. After a call of which it is not known whether it
// was processed nothing is repeated: that round keeps what it has.
func (o *round) failed(own error) (*fault, error) {
	f := o.w.faultAt(o.r.Origin)
	if own != nil {
		f = o.w.fault(own, o.t.Path, o.n.Span)
	}
	o.try.Kind, o.try.Status, o.try.Message = string(f.Kind), f.Status, datapoints.Text(f.Message)
	if f.Kind == KindUnknown {
		return f, own
	}
	if o.rec.Slots = record.Slots(o.n, o.t.Path); len(o.rec.Slots) > 0 {
		o.rec.Undo = plan.Round(o.t.Path, o.t.N)
	}
	o.r.Tries++
	var hints []string
	rt := &o.n.Work.Retry
	if o.r.Tries < rt.Attempts {
		var listed bool
		if listed, hints = o.listed(f); listed {
			if hints = o.repeat(f); hints == nil {
				return f, nil
			}
		}
	}
	if len(hints) == 0 {
		return f, own
	}
	f.Hints = append(f.Hints, hints...)
	if own != nil {
		return f, f.error()
	}
	return f, o.w.amend(o.r.Origin, f)
}

// repeat begins another round after a failure, or says why there is none. A
// part of the round that failed by an answer with Retry-After says when.
func (o *round) repeat(f *fault) (hints []string) {
	until := time.Now().Add(o.n.Work.Retry.Wait(o.r.Tries - 1))
	if f.After != nil {
		if *f.After > maxRetryAfter {
			return []string{asksTooMuch(*f.After)}
		}
		until = o.w.state.Row(o.r.Origin).Ended.Add(*f.After)
	}
	if late(o.limit(), until) {
		return []string{"there was no further round: the step's time would be over before"}
	}
	o.again(until)
	return nil
}

// listed says whether the author lists a failure. An error in `when` counts as
// false and becomes a hint.
func (o *round) listed(f *fault) (bool, []string) {
	rt := &o.n.Work.Retry
	if rt.Any && f.Kind != KindLimit || rt.Lists(string(f.Kind), f.Status) {
		return true, nil
	}
	if rt.When == nil {
		return false, nil
	}
	o.env.fault = f
	return o.w.grants("retry.when", rt.When, o.env)
}

// polled ends the step if its condition holds, and begins another round if not.
func (o *round) polled() error {
	p := o.n.Work.Poll
	over, err := o.w.holds(p.Until, o.env)
	if err != nil {
		e := *asError(err)
		if e.Place.Line == 0 {
			e.Place = p.Span
		}
		return &e
	}
	if over {
		return nil
	}
	until := o.rec.At.Add(p.Wait(o.r.Polls))
	o.r.Polls, o.r.Tries = o.r.Polls+1, 0
	if late(o.limit(), until) {
		return o.gaveUp()
	}
	o.again(until)
	return nil
}

// gaveUp is the error of a poll whose time would be over before the next round.
func (o *round) gaveUp() *Error {
	p := o.n.Work.Poll
	rounds := "1 round"
	if o.r.Polls > 1 {
		rounds = fmt.Sprintf("%d rounds", o.r.Polls)
	}
	spent := brief(p.Timeout - o.r.Deadline.Sub(o.rec.At))
	e := &Error{Kind: KindTimeout, Place: p.Span, Message: fmt.Sprintf("`%s` did not become true in %s, in %s", p.Until.Source(), spent, rounds)}
	for _, part := range p.Until.Parts(o.env) {
		e.Facts = append(e.Facts, Fact{part.Source, o.w.redact(part.Value)})
	}
	e.Hints = timeUp(p, o.limit().Before(o.r.Deadline), "round")
	return e
}

// timeUp says which time of a poll is over, its own or that of a step, and what
// to do. next is what there is no time for.
func timeUp(p *plan.Poll, ofStep bool, next string) []string {
	why := fmt.Sprintf("`poll.timeout` is %s: raise it if this takes longer", p.Timeout)
	if ofStep {
		why = "the `timeout` of the step, or of one around it, is over before the next " + next
	}
	return []string{why, "resume gives it its whole time again"}
}

func (o *round) again(until time.Time) {
	o.r.Last, o.r.Origin = Outcome{Status: datapoints.Again, Next: o.t.N + 1, Until: until}, ""
}

// limit is until when another round may begin.
func (o *round) limit() time.Time { return earlier(o.t.Deadline, o.r.Deadline) }

// where is the path of a step as a place in the run means it: of a step in
// rounds that of the same round, or else of the last one.
func (e *env) where(n *plan.Node) string {
	base := record.Within(n.Scope.Node, e.path)
	if n.Scope.Node.Kind == plan.Loop {
		base = record.WithoutRound(base)
	}
	path := plan.Join(base, e.w.plan.within[n.Index])
	for _, a := range e.w.plan.rounds[n.Index] {
		at := record.Cut(path, a.Depth)
		body := record.Cut(e.path, a.Depth)
		if !strings.HasPrefix(body, at+"#") {
			body = e.w.lastRound(a, at)
		}
		path = body + path[len(at):]
	}
	return path
}

// lastRound is the path of the last round of a node that has begun.
func (w *work) lastRound(n *plan.Node, path string) string {
	r := w.state.Row(path)
	body := record.Body(n, path, &r)
	if r.Last.Status != datapoints.Again {
		return body
	}
	first, at := n, body
	for (first == n || first.Bare) && len(first.Steps) > 0 {
		first = first.Steps[0]
		at = plan.Join(at, first.ID)
	}
	if begun := w.state.Row(at); begun.Started.IsZero() { // it waits before its next round
		return plan.Round(path, r.N)
	}
	return body
}

// became says what became of the part of the run whose finally a path lies in,
// and why if it failed.
func (w *work) became(path string) (datapoints.State, *fault) {
	i := max(strings.LastIndex("."+path, ".finally"), 0)
	at := strings.TrimSuffix(path[:i], ".")
	cause, r := w.state.Row(path[:i]+"finally").Origin, w.state.Row(at)
	over, broke := r.Last.Status == datapoints.Done, r.Last.Status == datapoints.Broke
	switch n := w.plan.at(at); {
	case n != nil && n.Work.Flow != nil: // it has not been left yet
		over, broke = w.state.Over(n, at), false
	case n != nil && r.Caught.Status == datapoints.Done && r.Caught.Next >= 0: // the clause may have been stopped
		clause := plan.Join(at, "catch["+strconv.Itoa(r.Caught.Next)+"]")
		over, broke = w.state.Over(n.Catch[r.Caught.Next], clause), false
	}
	switch {
	case cause != "":
	case over:
		return datapoints.Succeeded, nil
	case !broke:
		return datapoints.Cancelled, &fault{Kind: KindCancelled, Message: "it was stopped before its end", Step: at}
	}
	f := w.faultAt(cause) // of the run, whose path is empty, too
	return stateOf(f.Kind), f
}

// amend records a failure again, with more hints.
func (w *work) amend(path string, f *fault) error {
	r := w.state.Row(path)
	h := unseal(r.Hidden)
	h.Fault = f
	r.Hidden = h.seal()
	return w.add(datapoints.Record{Path: path, Row: r, At: time.Now()}, false)
}

// maxRetryAfter is the longest wait that a server may ask for.
const maxRetryAfter = 300 * time.Second

func asksTooMuch(wait time.Duration) string {
	return fmt.Sprintf("the server asks to wait %s; a run waits at most %s: resume it then", wait.Round(time.Second), maxRetryAfter)
}

// again says whether and when a failed attempt is repeated.
func (c *calling) again(e *Error) (until time.Time, asked, ok bool) {
	rt := &c.spec.Retry
	if c.taken || c.r.Tries+1 >= rt.Attempts || e.Kind == KindUnknown || c.call.Do == nil && rt.When == nil {
		return time.Time{}, false, false
	}
	if c.call.Do != nil && !c.call.Repeatable && !certain(e) {
		return time.Time{}, false, false
	}
	if !c.reason(e) {
		return time.Time{}, false, false
	}
	wait := rt.Wait(c.r.Tries)
	if e.asked || e.After > 0 {
		wait, asked = e.After, true
	}
	if asked && wait > maxRetryAfter {
		e.Hints = append(e.Hints, asksTooMuch(wait))
		return time.Time{}, false, false
	}
	until = time.Now().Add(wait)
	if late(c.deadline, until) {
		e.Hints = append(e.Hints, "it was not tried again: the step's time would be over before")
		return time.Time{}, false, false
	}
	return until, asked, true
}

// certain says that a call was not processed: nothing was sent, or the server said so.
func certain(e *Error) bool {
	return e.Refused || !e.Sent && (e.Kind == KindNetwork || e.Kind == KindTimeout)
}

// reason says whether the author, or the language, lists this failure.
func (c *calling) reason(e *Error) bool {
	rt := &c.spec.Retry
	if rt.Lists(string(e.Kind), e.Status) {
		return true
	}
	if rt.When == nil {
		return false
	}
	c.env.fault = c.w.fault(e, c.t.Path, c.n.Span)
	ok, hints := c.w.grants("retry.when", rt.When, c.env)
	e.Hints = append(e.Hints, hints...)
	return ok
}
