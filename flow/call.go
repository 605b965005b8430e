package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/internal/trust"
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
	own := r.Deadline
	if own.IsZero() {
		limit := n.Work.Timeout
		if limit == 0 && n.Kind == plan.Call {
			limit = maxCall
		}
		own = record.Nearer(time.Time{}, now, limit)
	}
	deadline := earlier(own, t.Deadline)
	switch {
	case late(t.Deadline, now):
		return w.fail(ctx, n, r, t, overdue())
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
		message, err := n.Work.Fail.Render(&env{w: w, ctx: ctx, path: t.Path})
		if err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		text, err := message.Text()
		if err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		return w.fail(ctx, n, r, t, &Error{Kind: KindFailed, Message: text})
	}
	c := &calling{w: w, n: n, r: r, t: t, spec: n.Work.Call, own: own, deadline: deadline}
	return c.attempt(ctx)
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

// calling is one attempt of one call.
type calling struct {
	w        *work
	n        *plan.Node
	r        datapoints.Row
	t        Task
	spec     *plan.CallSpec
	own      time.Time // the step's deadline: recorded once there is more to come
	deadline time.Time // the nearest
	env      *env      // here; kept as one, since expressions take it so
	here     env
	came     answer.Answer
	trust    trust.Trust
	uploads  map[string]string // digests of the files that it sends
	call     Call
	began    time.Time
	ended    func(End)
	asked    bool // the answer has Retry-After
}

func (c *calling) attempt(ctx context.Context) (Outcome, error) {
	c.freeze(ctx)
	err := c.plan()
	if err != nil {
		c.r.N++
		return c.failed(ctx, err, nil)
	}
	if err := c.intend(ctx); err != nil {
		return Outcome{}, err
	}
	c.r.N++
	c.began = time.Now()
	ctx, c.ended = c.w.spans.attempt(ctx, c.w, c.t.Path, c.r.Tries+1, c.spec.Retry.Attempts)
	result, err := c.send(ctx)
	if result.Took == 0 {
		result.Took = time.Since(c.began)
	}
	c.env.answer = &c.came
	c.came = answer.Answer{Status: result.Status, Headers: result.Headers, Body: result.Body, URL: result.URL, Took: result.Took}
	c.env.now = time.Now().UTC().Truncate(time.Millisecond) // the recorded time of the answer
	if err != nil && ctx.Err() != nil {
		if e := asError(err); !e.Sent || c.call.Repeatable {
			c.ended(End{Outcome: "stopped"})
			return Outcome{}, c.cutOff()
		}
	}
	if err == nil {
		c.r.Status = result.Status
		err = c.accept(result)
	}
	if err != nil {
		return c.failed(ctx, err, &result)
	}
	points, err := c.w.capture(c.spec, c.env, c.t.Path, c.r.N)
	if err != nil {
		return c.failed(ctx, err, &result)
	}
	if c.w.spans.verbose {
		c.w.learn(c.spec, c.env)
	}
	c.end(End{Outcome: "done", Status: result.Status}, &result)
	c.r.Tries++
	return c.w.done(ctx, c.r, c.t, points, c.record(nil), !c.call.Repeatable)
}

// send does the call, at most until the step's deadline.
func (c *calling) send(ctx context.Context) (Result, error) {
	if c.call.Timed {
		return guarded(ctx, c.call.Do)
	}
	within, cancel := context.WithDeadline(ctx, c.deadline)
	defer cancel()
	return guarded(within, c.call.Do)
}

// freeze fixes what now() and uuid() give, for all attempts of the step.
func (c *calling) freeze(ctx context.Context) {
	c.here = env{w: c.w, ctx: ctx, path: c.t.Path}
	c.env = &c.here
	if c.r.Hidden.IsZero() && !c.spec.Now {
		return
	}
	h := unseal(c.r.Hidden)
	c.uploads = h.Uploads
	if !c.spec.Now {
		return
	}
	if h.Now == nil {
		now := c.env.Now()
		h.Now, h.Seed = &now, record.Seed()
		c.r.Hidden = h.seal()
	}
	c.env.now, c.env.seed = *h.Now, h.Seed
}

// plan renders the step's fields and asks the action what it would do.
func (c *calling) plan() error {
	in, sensitive, err := c.w.input(c)
	if err != nil {
		return err
	}
	known := len(c.uploads)
	c.call, err = planned(c.w.plan.actions[c.spec.Action], in)
	if err != nil {
		return err
	}
	if len(c.uploads) > known {
		h := unseal(c.r.Hidden)
		h.Uploads = c.uploads
		c.r.Hidden = h.seal()
	}
	if sensitive != "" && c.call.Origin != "" {
		return mayTell(&c.trust, c.call.Origin, sensitive)
	}
	return nil
}

// intend makes durable that the call may be sent, before it is: if the process
// dies now, it is known that the answer is not.
func (c *calling) intend(ctx context.Context) error {
	if c.call.Repeatable && !c.call.Idempotent {
		return nil
	}
	c.r.Intent, c.r.IntentSafe, c.r.Deadline = c.r.N+1, c.call.Repeatable, c.own
	return c.w.add(datapoints.Record{Path: c.t.Path, Row: c.r, At: time.Now()}, true)
}

// cutOff takes an intent back: nothing is known to have happened, or it does
// no harm to do it again.
func (c *calling) cutOff() error {
	if c.r.Intent == 0 || c.r.IntentSafe {
		return ErrInterrupted
	}
	r := c.r
	r.N, r.Intent = r.N-1, 0
	if err := c.w.add(datapoints.Record{Path: c.t.Path, Row: r, At: time.Now()}, true); err != nil {
		return err
	}
	return ErrInterrupted
}

// accept judges a complete answer: its status, then the action's and the author's expectations.
func (c *calling) accept(result Result) error {
	if result.Status != 0 && !answer.StatusIn(c.spec.Expect.Status, result.Status) {
		return c.refused(result)
	}
	return c.w.expect(&c.spec.Expect, c.env)
}

// refused makes the error of an answer whose status was not expected.
func (c *calling) refused(result Result) error {
	after, asked := c.env.answer.RetryAfter()
	c.asked = asked
	e := &Error{Kind: KindHTTP, Status: result.Status, Body: result.Body, After: after}
	e.Message = "the server answered " + answer.StatusText(result.Status)
	if result.Status/100 == 2 {
		e.Kind = KindExpect
		e.Message += ", which expect.status does not list"
		return e
	}
	if c.call.Refused != nil {
		e.Kind, e.Hints = c.call.Refused(result)
	}
	if e.Kind == KindAuth {
		what := "the credentials"
		if len(c.tokens()) > 0 {
			what = "the token"
		}
		e.Message = "the server refused " + what + ": it answered " + answer.StatusText(result.Status)
	}
	e.Refused = result.Status == 425 || result.Status == 429 || result.Status == 503 && asked
	return e
}

// failed decides what a failed attempt leads to, and records it.
func (c *calling) failed(ctx context.Context, cause error, result *Result) (Outcome, error) {
	e := *asError(cause)
	if e.Kind == KindStore {
		return Outcome{}, &e
	}
	if e.Sent && !e.Refused && !c.call.Repeatable {
		unknownCall(&e, c.t.Path)
	}
	if result != nil {
		c.w.learn(c.spec, c.env)
	}
	e.Facts = append(e.Facts, c.facts(&e, result)...)
	until, asked, again := c.again(&e)
	c.r.Tries++
	end := End{Outcome: "failed", Status: e.Status, Error: c.w.told(c.w.fault(&e, c.t.Path, c.n.Span)), Again: until, Asked: asked}
	c.end(end, result)
	if !again {
		return c.w.fail(ctx, c.n, c.r, c.t, &e, c.record(&e)...)
	}
	if e.Status != 0 {
		c.r.Status = e.Status
	}
	c.r.Last, c.r.Deadline = Outcome{Status: datapoints.Again, Next: c.r.N + 1, Until: until}, c.own
	rec := datapoints.Record{Path: c.t.Path, Row: c.r, Attempts: c.record(&e), At: time.Now()}
	return c.r.Last, c.w.add(rec, !c.call.Repeatable)
}

// end ends the attempt's span, with what observers may see of both sides.
func (c *calling) end(end End, result *Result) {
	if c.ended == nil {
		return
	}
	end.Took = time.Since(c.began)
	if c.w.spans.watched() {
		if c.call.Shown != nil {
			r := c.w.shown(c.call.Shown())
			end.Request = &r
		}
		if result != nil {
			end.Answer = c.w.shownAnswer(*result)
		}
	}
	c.ended(end)
}

// record is the attempt for people to read.
func (c *calling) record(e *Error) []datapoints.Attempt {
	if c.began.IsZero() {
		return nil
	}
	a := datapoints.Attempt{N: c.r.N, Started: c.began, Took: time.Since(c.began), Sent: true, Status: c.r.Status}
	if e != nil {
		a.Kind, a.Status, a.Sent = string(e.Kind), e.Status, e.Sent || e.Status > 0
		a.Message = datapoints.Text(c.w.redact(e.Message))
	}
	return []datapoints.Attempt{a}
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// maxRetryAfter is the longest wait that a server may ask for.
const maxRetryAfter = 300 * time.Second

// again says whether and when a failed attempt is repeated.
func (c *calling) again(e *Error) (until time.Time, asked, ok bool) {
	rt := &c.spec.Retry
	if c.r.Tries+1 >= rt.Attempts || e.Kind == KindUnknown || c.call.Do == nil && rt.When == nil {
		return time.Time{}, false, false
	}
	if c.call.Do != nil && !c.call.Repeatable && !certain(e) {
		return time.Time{}, false, false
	}
	if !c.reason(e) {
		return time.Time{}, false, false
	}
	wait := rt.Wait(c.r.Tries)
	if c.asked || e.After > 0 {
		wait, asked = e.After, true
	}
	if asked && wait > maxRetryAfter {
		e.Hints = append(e.Hints, fmt.Sprintf("the server asks to wait %s; a run waits at most %s: resume it then", wait.Round(time.Second), maxRetryAfter))
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
	ok, err := c.w.holds(rt.When, c.env)
	if err != nil {
		e.Hints = append(e.Hints, "retry.when could not be evaluated and counted as false: "+err.Error())
	}
	return ok && err == nil
}
