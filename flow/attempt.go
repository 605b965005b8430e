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

// calling is one attempt of one call.
type calling struct {
	w        *work
	n        *plan.Node
	r        datapoints.Row
	t        Task
	spec     *plan.CallSpec
	own      time.Time // the step's deadline: recorded once there is more to come
	deadline time.Time // the nearest
	ends     time.Time // of a poll: when it gives up
	env      *env      // here; kept as one, since expressions take it so
	here     env
	came     answer.Answer
	trust    trust.Trust
	uploads  map[string]string // digests of the files that it sends
	call     Call
	began    time.Time
	ended    func(End)
	over     map[string]string // of a later page: the fields that are other than the step's
	auth     *authorization    // nil: none
	tried    int               // of the same call before: with what else than the first time
	print    string            // of a page: what makes its request equal to another, short
	hints    []string          // for the failure, if it is one
	secrets  answer.Secrets    // in its fields: masked there, however short they are
	taken    bool              // the answer was taken: what fails now is no attempt's
	lent     lent
}

// lent is what an action may use while it is planned and done, made once for
// the memory of a calling.
type lent struct {
	trusted func(origin string) bool
	create  func(name string) (Sink, error)
	file    func(name string) ([]byte, error)
}

func (c *calling) attempt(ctx context.Context) (Outcome, error) {
	c.freeze(ctx)
	err := c.plan()
	if err != nil {
		c.r.N++
		return c.failed(ctx, err, nil)
	}
	if c.auth != nil && c.call.Origin != "" {
		ctx = c.begin(ctx)
		if err := c.auth.get(ctx); err != nil {
			if ctx.Err() != nil {
				c.ended(End{Outcome: "stopped"})
				return Outcome{}, ErrInterrupted
			}
			c.r.N++
			return c.failed(ctx, err, nil)
		}
	}
	if err := c.intend(ctx); err != nil {
		return Outcome{}, err
	}
	c.r.N++
	ctx = c.begin(ctx)
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
	if out, did, err := c.refuses(ctx, &result); did {
		return out, err
	}
	if err == nil {
		c.r.Status = result.Status
		err = c.accept(&result)
	}
	if err != nil {
		return c.failed(ctx, err, &result)
	}
	switch c.taken = c.repeats(); {
	case c.spec.Poll != nil:
		return c.polled(ctx, &result)
	case c.spec.Pages != nil:
		return c.paged(ctx, &result)
	}
	return c.last(ctx, &result)
}

// begin tells observers that the attempt has begun, once.
func (c *calling) begin(ctx context.Context) context.Context {
	if c.began.IsZero() {
		c.began = time.Now()
		ctx, c.ended = c.w.spans.attempt(ctx, c.w, Span{Path: c.t.Path, Attempt: c.r.Tries + 1, Limit: c.spec.Retry.Attempts, Poll: c.r.Polls, Page: c.r.Pages})
	}
	return ctx
}

// last takes what is saved out of the answer with which the step ends.
func (c *calling) last(ctx context.Context, result *Result) (Outcome, error) {
	var points []datapoints.Point
	var err error
	if c.spec.Poll != nil {
		err = c.fits(result)
	}
	switch {
	case err != nil:
	case c.r.Pages > 0:
		points, err = c.w.capture(c.spec.Save, c.env, c.t.Path, c.r.N, c.findJoined)
	default:
		points, err = c.w.capture(c.spec.Save, c.env, c.t.Path, c.r.N, c.env.find)
	}
	if err != nil {
		return c.failed(ctx, err, result)
	}
	if c.w.spans.verbose {
		c.w.learn(c.spec, c.env)
	}
	c.end(End{Outcome: "done", Status: result.Status}, result)
	c.r.Tries++
	return c.w.done(ctx, c.r, c.t, points, c.record(nil), !c.call.Repeatable)
}

// next records an answer after which the step asks again, with a new series of
// attempts: not before until.
func (c *calling) next(until time.Time, asked bool, points []datapoints.Point, result *Result) (Outcome, error) {
	if c.w.spans.watched() {
		c.w.learn(c.spec, c.env)
	}
	c.end(End{Outcome: "done", Status: result.Status, Again: until, Asked: asked}, result)
	c.r.Tries, c.r.Deadline = 0, time.Time{}
	if c.tried != 0 { // the next one is another call
		h := unseal(c.r.Hidden)
		h.Tried = 0
		c.r.Hidden = h.seal()
	}
	if c.n.Work.Timeout > 0 { // else each call has its own time
		c.r.Deadline = c.own
	}
	c.r.Last = Outcome{Status: datapoints.Again, Next: c.r.N + 1, Until: until, Deadline: c.ends}
	rec := datapoints.Record{Path: c.t.Path, Row: c.r, Points: points, Attempts: c.record(nil), At: time.Now()}
	return c.r.Last, c.w.add(rec, !c.call.Repeatable)
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
	c.uploads, c.over, c.tried = h.Uploads, h.Page, h.Tried
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
	if err := c.authorize(&in); err != nil {
		return err
	}
	known := len(c.uploads)
	if c.call, err = planned(c.w.plan.actions[c.spec.Action], in); err != nil {
		return err
	}
	if shown := c.call.Shown; sensitive != "" && shown != nil {
		c.call.Shown = func() Request {
			r := shown()
			r.URL, r.Body, r.Headers = c.secrets.URL(r.URL), c.secrets.Body(r.Body, r.Headers), c.secrets.Headers(r.Headers)
			return r
		}
	}
	if len(c.uploads) > known {
		h := unseal(c.r.Hidden)
		h.Uploads = c.uploads
		c.r.Hidden = h.seal()
	}
	if sensitive != "" && c.call.Origin != "" {
		if err := mayTell(&c.trust, c.call.Origin, sensitive); err != nil {
			return err
		}
	}
	if c.auth != nil && c.call.Origin != "" {
		if err := c.auth.may(c.call.Origin); err != nil {
			return err
		}
		if shown := c.call.Shown; shown != nil {
			c.call.Shown = func() Request { return c.auth.onto(shown()) }
		}
	}
	return c.asksAnew()
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

// accept judges a complete answer: its status, then the author's expectations.
// With poll and pages any 2xx is an answer; what is expected is another matter
// then, and no attempt's.
func (c *calling) accept(result *Result) error {
	if !c.repeats() {
		return c.fits(result)
	}
	if result.Status/100 != 2 && !c.listed(result) {
		return c.refused(*result)
	}
	return nil
}

// fits says whether an answer is what the author expects.
func (c *calling) fits(result *Result) error {
	if !c.listed(result) {
		return c.refused(*result)
	}
	return c.w.expect(&c.spec.Expect, c.env)
}

func (c *calling) repeats() bool { return c.spec.Poll != nil || c.spec.Pages != nil }

func (c *calling) listed(result *Result) bool {
	return result.Status == 0 || answer.StatusIn(c.spec.Expect.Status, result.Status)
}

// refused makes the error of an answer whose status was not expected.
func (c *calling) refused(result Result) error {
	after, asked := c.env.answer.RetryAfter()
	e := &Error{Kind: KindHTTP, Status: result.Status, Body: result.Body, After: after, asked: asked}
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
		if c.auth != nil {
			what = "the token of credential " + c.auth.of.Name
		} else if len(c.tokens()) > 0 {
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
	if c.spec.Poll != nil && e.Kind == KindTimeout && !c.taken {
		c.cutWithPoll(&e)
	}
	if e.Sent && !e.Refused && !c.call.Repeatable {
		unknownCall(&e, c.t.Path)
	}
	if result != nil {
		c.w.learn(c.spec, c.env)
	}
	e.Facts = append(e.Facts, c.facts(&e, result)...)
	e.Hints = append(e.Hints, c.hints...)
	until, asked, again := c.again(&e)
	if c.auth != nil && c.auth.lacking && c.call.Origin != "" {
		e.Status = 0 // it is the token endpoint's: the call itself was not answered
	}
	c.r.Tries++
	if again {
		return c.once(&e, End{Again: until, Asked: asked}, result)
	}
	c.end(End{Outcome: "failed", Status: e.answered(result), Error: c.w.told(c.w.fault(&e, c.t.Path, c.n.Span))}, result)
	return c.w.fail(ctx, c.n, c.r, c.t, &e, c.record(&e)...)
}

// once records a failed attempt after which there is another one; next says when.
func (c *calling) once(e *Error, next End, result *Result) (Outcome, error) {
	until := next.Again
	next.Outcome, next.Status, next.Error = "failed", e.Status, c.w.told(c.w.fault(e, c.t.Path, c.n.Span))
	c.end(next, result)
	if e.Status != 0 {
		c.r.Status = e.Status
	}
	c.r.Last, c.r.Deadline = Outcome{Status: datapoints.Again, Next: c.r.N + 1, Until: until, Deadline: c.ends}, c.own
	rec := datapoints.Record{Path: c.t.Path, Row: c.r, Attempts: c.record(e), At: time.Now()}
	return c.r.Last, c.w.add(rec, !c.call.Repeatable)
}

// end ends the attempt's span, with what observers may see of both sides.
func (c *calling) end(end End, result *Result) {
	if c.ended == nil {
		return
	}
	end.Took = time.Since(c.began)
	if c.w.spans.watched() {
		if c.call.Shown != nil && (c.auth == nil || !c.auth.lacking) {
			r := c.w.shown(c.call.Shown())
			end.Request = &r
		}
		if result != nil {
			end.Answer = c.w.shownAnswer(*result)
			end.Answer.URL = c.secrets.URL(end.Answer.URL)
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

// facts says what is known of the token that was sent.
func (a *authorization) facts() []Fact {
	text := fmt.Sprintf("[secret %s]", a.of.Name)
	if !a.token.Expires.IsZero() {
		text += ", which is good until " + clock(a.token.Expires)
	}
	if a.token.Scope != "" {
		text += ", for the scope " + a.token.Scope
	}
	return []Fact{{"token", text}}
}
