package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/inbox"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// A Kind says what sort of failure ended a step or a run.
type Kind string

// The kinds of the flow language; see docs/language.md.
const (
	KindFlow        Kind = "flow" // the file is not valid; nothing was sent
	KindHTTP        Kind = "http"
	KindNetwork     Kind = "network"
	KindTimeout     Kind = "timeout"
	KindExtract     Kind = "extract"
	KindGraphQL     Kind = "graphql"
	KindData        Kind = "data"
	KindExpression  Kind = "expression"
	KindLimit       Kind = "limit"
	KindFailed      Kind = "failed" // a `fail` step
	KindAction      Kind = "action"
	KindExpect      Kind = "expect"
	KindInput       Kind = "input"
	KindSecret      Kind = "secret"
	KindAuth        Kind = "auth"
	KindStore       Kind = "store"
	KindInternal    Kind = "internal" // a bug
	KindPaused      Kind = "paused"
	KindUnknown     Kind = "unknown" // not known whether a call was processed
	KindCancelled   Kind = "cancelled"
	KindInterrupted Kind = "interrupted"
)

// An Error is why a step or a run failed. Actions return it, and a run that
// does not succeed ends with it. Its texts may hold what a server answered:
// the executor redacts them before anybody sees them.
type Error struct {
	Kind    Kind
	Message string        // what happened, in one line
	Hints   []string      // what to do
	Facts   []Fact        // what was sent, what came back, the parts of an expectation
	Step    string        // path; filled in by the executor
	Place   diag.Span     // in the author's file; filled in by the executor
	Status  int           // of the answer; 0: there was none
	Body    []byte        // of the answer, at most 64 KiB
	Sent    bool          // the request may have left, and no complete answer came
	Refused bool          // certain not to have been processed although it was sent (425, 429, 503 with Retry-After)
	After   time.Duration // Retry-After, or 0
	asked   bool          // After is an answer's, also if it is 0
	Err     error         // the cause, for errors.Is
}

// A Fact is one line below an error: "answered  401 Unauthorized".
type Fact struct{ Name, Text string }

func (e *Error) Error() string {
	if e.Step == "" {
		return e.Message
	}
	return "step " + e.Step + ": " + e.Message
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// A fault is a failure as it is recorded, sealed: what `error` is made of, and
// what people are shown. Its texts are redacted, but for Body, which
// expressions may read.
type fault struct {
	Kind    Kind           `json:"kind"`
	Message string         `json:"message"`
	Hints   []string       `json:"hints,omitempty"`
	Facts   []Fact         `json:"facts,omitempty"`
	Step    string         `json:"step"`
	Status  int            `json:"status,omitempty"`
	Body    string         `json:"body,omitempty"`
	Place   diag.Span      `json:"place"`
	After   *time.Duration `json:"after,omitempty"` // counted from the end of the step; nil: nobody asked to wait
}

// maxErrorBody is how much of a failed answer is recorded.
const maxErrorBody = 64 << 10

// fault makes the record of a step's failure.
func (w *work) fault(err error, path string, at diag.Span) *fault {
	e := asError(err)
	f := &fault{Kind: e.Kind, Message: w.redact(e.Message), Step: path, Status: e.Status, Place: at}
	if e.Place.Line > 0 {
		f.Place = e.Place
	}
	for _, h := range e.Hints {
		f.Hints = append(f.Hints, w.redact(h))
	}
	for _, fact := range e.Facts {
		f.Facts = append(f.Facts, Fact{fact.Name, w.redact(fact.Text)})
	}
	if who := w.callers(path); who != "" {
		f.Facts = append(f.Facts, Fact{"called by", who})
	}
	if e.asked || e.After > 0 {
		f.After = &e.After
	}
	f.Body = string(e.Body[:min(len(e.Body), maxErrorBody)])
	if w.open() {
		f.Body = datapoints.MaskMembers(w.redact(f.Body))
	}
	return f
}

// asError makes an *Error of whatever went wrong in a step.
func asError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var evaluation *expression.Error
	if errors.As(err, &evaluation) {
		return &Error{Kind: Kind(evaluation.Kind), Message: evaluation.Message, Hints: evaluation.Hints, Err: err}
	}
	var read *answer.Problem
	if errors.As(err, &read) {
		e := &Error{Kind: Kind(read.Kind), Message: read.Message, Hints: read.Hints, Err: err}
		for _, fact := range read.Facts {
			e.Facts = append(e.Facts, Fact(fact))
		}
		return e
	}
	var limit *expression.LimitError
	if errors.As(err, &limit) {
		return &Error{Kind: KindLimit, Message: err.Error(), Err: err}
	}
	return &Error{Kind: KindAction, Message: err.Error(), Err: err}
}

// wasCancelled is why a cancelled run did not succeed.
func wasCancelled() *fault { return &fault{Kind: KindCancelled, Message: "the run was cancelled"} }

// error gives a fault back as what a caller sees.
func (f *fault) error() *Error {
	return &Error{Kind: f.Kind, Message: f.Message, Hints: f.Hints, Facts: f.Facts, Step: f.Step, Place: f.Place,
		Status: f.Status, Body: []byte(f.Body)}
}

// shown is the fault as a run keeps it: for people, so without the body.
func (f *fault) shown() datapoints.Value {
	short := *f
	short.Body = ""
	v, err := datapoints.Of(short)
	if err != nil {
		return datapoints.Value{}
	}
	return v
}

// value is the fault as `run.error`.
func (f *fault) value() expression.Value {
	var status any
	if f.Status != 0 {
		status = f.Status
	}
	m := map[string]any{"kind": string(f.Kind), "message": f.Message, "step": f.Step, "status": status, "body": f.Body}
	if raw, err := bodyValue([]byte(f.Body)).JSON(); err == nil {
		m["body"] = json.RawMessage(raw)
	}
	text, err := json.Marshal(m)
	if err != nil {
		return expression.Of(nil)
	}
	return expression.FromJSON(string(text))
}

// bodyValue is a body for expressions: parsed if it is JSON, else its text, null if empty.
func bodyValue(body []byte) expression.Value {
	switch {
	case len(body) == 0:
		return expression.Of(nil)
	case expression.CheckJSON(body) == nil:
		return expression.FromJSON(string(body))
	}
	return expression.FromText(string(body))
}

// textOrBytes is a body as `request.body`.
func textOrBytes(body []byte) any {
	if utf8.Valid(body) {
		return string(body)
	}
	return body
}

// stateOf is the state of a run that failed with a kind.
func stateOf(k Kind) datapoints.State {
	switch k {
	case KindUnknown:
		return datapoints.Unknown
	case KindInterrupted:
		return datapoints.Interrupted
	case KindCancelled:
		return datapoints.Cancelled
	}
	return datapoints.Failed
}

// ErrNotResumable is what Resume returns, wrapped, for a run that is over.
var ErrNotResumable = errors.New("the run cannot be resumed")

// storeError says that the store failed, for whom it failed.
func storeError(what string, err error) error {
	return &Error{Kind: KindStore, Message: fmt.Sprintf("%s: %v", what, err), Err: err}
}

// hidden is the sealed part of a row: what Walk must not see.
type hidden struct {
	Items    json.RawMessage   `json:"items,omitempty"`    // of a loop
	Now      *time.Time        `json:"now,omitempty"`      // frozen for the step
	Seed     string            `json:"seed,omitempty"`     // of its uuid()
	Uploads  map[string]string `json:"uploads,omitempty"`  // digests of the files that it sends, by name
	Page     map[string]string `json:"page,omitempty"`     // the next page's fields, as JSON
	Seen     []Fact            `json:"seen,omitempty"`     // of a poll: what the last answer was
	Tried    int               `json:"tried,omitempty"`    // of a call with a credential: with what else it was done again
	Fault    *fault            `json:"fault,omitempty"`    // why it failed
	Failures json.RawMessage   `json:"failures,omitempty"` // of a loop that went on
	Outputs  json.RawMessage   `json:"outputs,omitempty"`  // of the run
	Inputs   json.RawMessage   `json:"inputs,omitempty"`   // of a sub-flow
	Until    *time.Time        `json:"until,omitempty"`    // to which a step waits
	Heard    int               `json:"heard,omitempty"`    // messages that had come when the last was not as expected
	Address  *inbox.Address    `json:"address,omitempty"`  // of the run, for callbacks
}

// seal makes the value that a row keeps.
func (h *hidden) seal() datapoints.Value {
	if h.Items == nil && h.Now == nil && h.Uploads == nil && h.Page == nil && h.Seen == nil && h.Tried == 0 && h.Fault == nil && h.Failures == nil && h.Outputs == nil && h.Inputs == nil && h.Until == nil && h.Heard == 0 && h.Address == nil {
		return datapoints.Value{}
	}
	v, err := datapoints.Of(new(*h)) // most are empty, and need no memory
	if err != nil || v.Reveal() == "{}" {
		return datapoints.Value{}
	}
	return v.Mark(datapoints.Sensitive, "record")
}

func unseal(v datapoints.Value) hidden {
	if v.IsZero() {
		return hidden{}
	}
	var h hidden
	_ = json.Unmarshal([]byte(v.Reveal()), &h)
	return h
}

// guarded calls an action; its panic is an error of the step.
func guarded(ctx context.Context, do func(context.Context) (Result, error)) (r Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Kind: KindInternal, Message: fmt.Sprintf("the action panicked: %v", p), Sent: true}
		}
	}()
	r, err = do(ctx)
	if err == nil {
		return r, nil
	}
	var known *Error
	switch {
	case errors.As(err, &known):
		return r, proper(known)
	case errors.Is(ctx.Err(), context.Canceled):
		err = &Error{Kind: KindInterrupted, Message: "the action was cut off", Sent: true, Err: err}
	case ctx.Err() != nil:
		err = &Error{Kind: KindTimeout, Message: "the action did not end in time", Sent: true, Err: err}
	}
	return r, err
}

// planned asks an action what it would do; its panic is an error of the step.
func planned(a Action, in Input) (c Call, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Kind: KindInternal, Message: fmt.Sprintf("the action panicked: %v", p)}
		}
	}()
	if c, err = a.Plan(in); err != nil {
		var known *Error
		if errors.As(err, &known) {
			err = proper(known)
		}
	}
	return c, err
}

// loginError is why the steps of a credential ended without a token.
func loginError(of *plan.Credential, e *Error) error {
	failed := *e
	switch {
	case e.Kind == KindUnknown: // of the login, which is begun anew
		failed.Kind = KindNetwork
	case e.Kind == KindNetwork, e.Kind == KindTimeout, e.Kind == KindInterrupted:
	case e.Kind == KindHTTP && (e.Status == 0 || e.Status >= 500 || e.Status == 408 || e.Status == 425 || e.Status == 429):
	default:
		failed.Kind = KindAuth
	}
	failed.Message, failed.Step, failed.Place = "credential "+of.Name+", step "+e.Step+": "+e.Message, "", of.Span
	failed.Hints = slices.DeleteFunc(slices.Clone(e.Hints), func(h string) bool { return strings.Contains(h, "--assume") })
	return &failed
}

// proper is an action's error, but not of a kind that says something of the
// run or its store: that an action cannot know.
func proper(e *Error) *Error {
	switch e.Kind {
	case "", KindStore, KindFlow, KindInput, KindSecret, KindPaused, KindInterrupted:
		fixed := *e
		fixed.Kind = KindAction
		return &fixed
	}
	return e
}

// facts are the lines below an error: what was sent, and what came back.
func (c *calling) facts(e *Error, result *Result) []Fact {
	var facts []Fact
	if c.call.Shown != nil {
		r, name := c.call.Shown(), map[bool]string{true: "not sent", false: "sent"}[result == nil || c.auth != nil && c.auth.lacking]
		facts = append(facts, Fact{name, r.Method + " " + r.URL})
	}
	if result == nil || result.Status == 0 {
		return facts
	}
	facts = append(facts, Fact{"answered", c.came.Describe()})
	for _, name := range []string{"Www-Authenticate", "Location", "Retry-After"} {
		for _, v := range result.Headers[name] {
			facts = append(facts, Fact{"", answer.HeaderName(name) + ": " + v})
		}
	}
	if e.Kind == KindAuth || result.Status == 403 {
		facts = append(facts, c.tokens()...)
		if c.auth != nil {
			facts = append(facts, c.auth.facts()...)
		}
	}
	return facts
}

// tokens says where the sensitive data points of the request's headers come from.
func (c *calling) tokens() []Fact {
	var facts []Fact
	told := map[*plan.Point]bool{}
	for i := range c.spec.Fields {
		f := &c.spec.Fields[i]
		if f.Name != "headers" && f.Name != "bearer" {
			continue
		}
		f.Value.References(func(r *expression.Ref) {
			h, ok := r.Handle.(*plan.Ref)
			if !ok || h.Point == nil || h.Point.Class != plan.Sensitive || told[h.Point] {
				return
			}
			told[h.Point] = true
			slot := datapoints.Slot{Scope: record.Instance(h.Point.Scope, c.t.Path), Name: h.Point.Name}
			if cell, err := c.w.state.Get(c.env.ctx, slot); err == nil && cell != nil {
				ago := time.Since(cell.At).Round(time.Second)
				facts = append(facts, Fact{"token", fmt.Sprintf("[secret %s], saved by step %s %s ago", h.Point.Name, cell.Step, ago)})
			}
		})
	}
	return facts
}

// FailureOf is why a recorded run did not succeed, or nil.
func FailureOf(r datapoints.Run) *Error {
	var f fault
	if r.Failure.IsZero() || json.Unmarshal([]byte(r.Failure.Reveal()), &f) != nil {
		return nil
	}
	return f.error()
}

// answered is the status of the answer to a failed attempt, also if it was good and what came after was not.
func (e *Error) answered(result *Result) int {
	if e.Status == 0 && result != nil {
		return result.Status
	}
	return e.Status
}
