package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/evaluate"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/given"
	"github.com/stepwell/stepwell/flow/internal/inbox"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// prepare makes a recorded run ready for another walk, in one transaction.
// What is done, skipped or caught stays. A failed step gets a new series of
// attempts; the ends of what encloses it, and finally, are opened again.
func (w *work) prepare(decisions Assume) error {
	switch w.run.State {
	case datapoints.Succeeded, datapoints.Cancelled:
		return fmt.Errorf("%w: it has %s", ErrNotResumable, w.run.State)
	}
	again := &reopening{w: w, decisions: decisions, Reopening: &record.Reopening{
		State: w.state, At: w.plan.at, Forget: forgetFault, Now: time.Now(), Paused: w.run.State == datapoints.Paused}}
	failed := w.run.State == datapoints.Failed || w.run.State == datapoints.Unknown
	switch {
	case failed && w.Cancelled() && len(decisions) == 0: // nothing is done again
	case failed:
		if err := again.decide(); err != nil {
			return err
		}
		again.Failed(w.plan.compiled.Root)
	default:
		if err := again.decide(); err != nil {
			return err
		}
		again.Interrupted(w.plan.compiled.Root)
	}
	run := *w.run
	run.State, run.Kind, run.At, run.Failure, run.Ended, run.Wake = datapoints.Running, "", "", datapoints.Value{}, time.Time{}, time.Time{}
	again.Records = append(again.Records, datapoints.Record{Bare: true, End: &run, At: again.Now})
	if err := w.rec.AddAll(again.Records); err != nil {
		return storeError("the run cannot be recorded", err)
	}
	return nil
}

// A reopening takes the operator's decisions, and collects what they change.
type reopening struct {
	*record.Reopening
	w         *work
	decisions Assume
}

// decide takes the operator's word for each call that is unknown. A call of
// which no word is given keeps the run as it is: nothing is sent.
func (o *reopening) decide() error {
	open := o.w.state.Unknowns()
	for path := range o.decisions {
		if !slices.Contains(open, path) {
			return &Error{Kind: KindInput, Message: fmt.Sprintf("nothing is to be assumed of %s: it is not a step of this run whose call is unknown", path),
				Facts: []Fact{{"unknown", orNothing(open)}}}
		}
	}
	if err := o.lacking(open); err != nil {
		return err
	}
	var undecided []string
	for _, path := range open {
		d, ok := o.decisions[path]
		switch {
		case !ok:
			undecided = append(undecided, path)
		case d.Sent:
			if err := o.assumeSent(path, d); err != nil {
				return err
			}
		default:
			o.assumeNotSent(path)
		}
	}
	if len(undecided) == 0 || goesOn(o.w.run.State) {
		return nil
	}
	e := &Error{Kind: KindUnknown, Step: undecided[0], Place: o.place(undecided[0]), Message: "it is not known whether the call of " + strings.Join(undecided, ", ") + " was processed; nothing was sent"}
	for _, path := range undecided {
		e.Hints = append(e.Hints, "look it up at the server, then add --assume "+path+"=sent or --assume "+path+"=not-sent")
	}
	return e
}

// goesOn says of an interrupted run that its open intents are looked at when they are met.
func goesOn(s datapoints.State) bool { return s != datapoints.Failed && s != datapoints.Unknown }

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func (o *reopening) assumeNotSent(path string) {
	r := o.w.state.Row(path)
	r.Assumed = "not-sent"
	o.Put(path, o.Series(r))
}

// assumeSent records a step as done, with the values that the operator gives.
func (o *reopening) assumeSent(path string, d Assumption) error {
	n := o.w.plan.at(path)
	if n == nil || n.Work.Call == nil {
		return &Error{Kind: KindInput, Message: path + " is not a call of this flow"}
	}
	r := o.w.state.Row(path)
	r.N = max(r.N, r.Intent)
	r.Last, r.Assumed, r.Ended, r.Origin = Outcome{Status: datapoints.Done}, "sent", o.Now, ""
	h := unseal(r.Hidden)
	h.Fault = nil
	r.Hidden = h.seal()
	points, err := o.w.assumed(n, path, r.N, d.Values)
	if err != nil {
		e := *asError(err)
		e.Step, e.Place = path, o.place(path)
		return &e
	}
	if err := o.w.admit(points); err != nil {
		return err
	}
	o.Put(path, r, points...)
	return nil
}

// place is where a step stands in the author's file.
func (o *reopening) place(path string) diag.Span {
	if n := o.w.plan.at(path); n != nil {
		return n.Span
	}
	return diag.Span{}
}

// assumed makes the points of a step that is assumed to be done.
func (w *work) assumed(n *plan.Node, path string, attempt int, values map[string]any) ([]datapoints.Point, error) {
	var points []datapoints.Point
	saves := n.Work.Call.Save
	if name, names := given.Unsaved(saves, values); name != "" {
		return nil, &Error{Kind: KindInput, Message: fmt.Sprintf("step %s saves nothing that is called %s", path, name),
			Facts: []Fact{{"saves", orNothing(names)}}}
	}
	for i := range saves {
		s := &saves[i]
		text, there, err := given.Saved(s, values)
		if err != nil {
			return nil, &Error{Kind: KindInput, Message: s.Point.Name + " " + err.Error()}
		}
		if !there {
			continue
		}
		p, err := newPoint(s.Point, s.Type, s.Class, text, &env{w: w, path: path}, path)
		if err != nil {
			return nil, err
		}
		p.Attempt, p.Source = attempt, "given by the operator"
		points = append(points, p)
	}
	return points, nil
}

// Needed are the values that a resume must be given with the call at a path if it
// is assumed to be sent, each with its type: what the call saves without `optional`
// and `default`. Of what is no call of this flow there are none.
func (p *Plan) Needed(path string) []Fact {
	n := p.at(path)
	if n == nil || n.Work.Call == nil {
		return nil
	}
	var needed []Fact
	for _, w := range given.Unset(n.Work.Call.Save, nil) {
		needed = append(needed, Fact(w))
	}
	return needed
}

// lacking names all values that decisions do not give.
func (o *reopening) lacking(open []string) error {
	var e *Error
	var give string
	for _, path := range open {
		n, d := o.w.plan.at(path), o.decisions[path]
		if !d.Sent || n == nil || n.Work.Call == nil {
			continue
		}
		for _, w := range given.Unset(n.Work.Call.Save, d.Values) {
			if e == nil {
				e = &Error{Kind: KindInput, Step: path, Place: n.Span, Message: "a call is assumed to be sent, and values that it saves are not given"}
			}
			e.Facts = append(e.Facts, Fact{path, "saves " + w.Name + " (" + w.Text + ")"})
			give += " -d " + path + ":" + w.Name + "=VALUE"
		}
	}
	if e == nil {
		return nil
	}
	e.Hints = []string{"look them up at the server, then add" + give}
	return e
}

// forgetFault takes the failure out of the hidden part of a row, and what a
// poll saw before it. What pages came to stays: the next series goes on there.
func forgetFault(v datapoints.Value) datapoints.Value {
	h := unseal(v)
	h.Fault, h.Seen, h.Until, h.Tried = nil, nil, nil, 0
	return h.seal()
}

// A StepRecord is what is recorded of one step of a run, for people and tools.
type StepRecord struct {
	Path     string
	Outcome  string // done, skipped, failed, caught, unknown, stopped, waiting
	InDoubt  bool   // its call may have been processed: a resume wants a decision on it
	Started  time.Time
	Ended    time.Time // zero: it has not ended
	Until    time.Time // of one that waits: at most until then; zero: for a message, however long
	Status   int       // of the last answer (HTTP), or 0
	Count    int       // of a loop: its items
	Attempts []datapoints.Attempt
	Error    *Error // why it failed, or nil
	Assumed  string // "sent" or "not-sent": what an operator decided
}

// History gives what is recorded of a run's steps, loops and their iterations
// with them, in the order in which they began. A run that has recorded nothing,
// or is not there, has none.
func History(ctx context.Context, s datapoints.Store, run string) ([]StepRecord, error) {
	of, err := s.Load(ctx, run)
	if err != nil && !errors.Is(err, datapoints.ErrNotFound) {
		return nil, storeError("the run cannot be read", err)
	}
	got, err := s.Read(ctx, run, datapoints.Query{Rows: true, Attempts: true})
	if err != nil {
		return nil, storeError("the run cannot be read", err)
	}
	rows, open := record.ByPath(got.Rows), of.State == datapoints.Running || of.State == datapoints.Paused || of.State == datapoints.Interrupted
	var records []StepRecord
	for _, e := range got.Rows {
		if !record.IsStep(e.Path) {
			continue
		}
		r := e.Row
		hidden := unseal(r.Hidden)
		step := StepRecord{Path: e.Path, Outcome: outcome(&r), InDoubt: record.Unknown(e.Path, &r) && !record.Taken(rows, e.Path), Started: r.Started, Ended: r.Ended, Status: r.Status,
			Count: r.Enter.Count, Attempts: got.Attempts[e.Path], Assumed: r.Assumed}
		if step.Outcome == "stopped" && (r.Last.Status == datapoints.Awaits || hidden.Until != nil) && open && !record.Left(rows, e.Path) {
			step.Outcome, step.Until = "waiting", r.Last.Until
		}
		if hidden.Fault != nil && step.Outcome != "done" && step.Outcome != "skipped" {
			step.Error = hidden.Fault.error()
		}
		records = append(records, step)
	}
	return records, nil
}

// A Path is a compiled gjson path. It may be used by many goroutines.
type Path = evaluate.Path

// CompilePath reads a gjson path as `save` takes it: what gjson would take for
// a path without complaint but cannot find, and modifiers that may not be used,
// are errors. The error is a diag.List whose columns count within text.
func CompilePath(text string) (*Path, error) { return evaluate.CompilePath(text) }

// CheckJSON says whether a text is one JSON value that is not nested deeper
// than answers may be. The error says where it stops being one.
func CheckJSON(text []byte) error { return expression.CheckJSON(text) }

// Known are values that Eval may read. Nil maps hold nothing.
type Known = evaluate.Known

// Eval computes an expression of the flow language, or a text with ${{ }} in
// it, over given values, and gives the result as JSON. A problem that a check
// would find is a diag.List whose columns count within the source; one that
// only shows while computing is an *Error of kind expression or data.
func Eval(source string, known Known) (datapoints.Value, error) {
	text, err := evaluate.JSON(source, known)
	var list diag.List
	var failed *expression.Error
	switch {
	case err == nil:
		return datapoints.JSON(text), nil
	case errors.As(err, &list):
		return datapoints.Value{}, list
	case errors.As(err, &failed):
		return datapoints.Value{}, &Error{Kind: Kind(failed.Kind), Message: failed.Message, Hints: failed.Hints, Err: err}
	}
	return datapoints.Value{}, &Error{Kind: KindExpression, Message: err.Error(), Err: err}
}

// MaxMessage is how many bytes a callback's message may have.
const MaxMessage = inbox.MaxMessage

// Signal delivers the message of a callback to a run; "" is null. p is the
// run's own plan, see PlanOf. The first message counts, a later one is refused
// with an *Error that wraps datapoints.ErrDelivered, unless the run has failed
// because the step found the last one to be not as it expects; one for a run that has
// succeeded or was cancelled wraps datapoints.ErrOver. What is not JSON, is
// larger than MaxMessage, or does not fit the callback's schema is an *Error of
// kind input or limit. A run that waits in this process, or in another one,
// goes on; one that has paused is returned as such and is to be resumed.
func (x *Executor) Signal(ctx context.Context, p *Plan, run, name, body string) (datapoints.Run, error) {
	m, err := inbox.Accept(p.compiled.Callbacks, name, body)
	if err != nil {
		return datapoints.Run{}, asError(err)
	}
	if err = x.leave(ctx, run, m); errors.Is(err, datapoints.ErrDelivered) {
		err = x.leaveInstead(ctx, p, run, m)
	}
	switch {
	case errors.Is(err, datapoints.ErrDelivered):
		return datapoints.Run{}, &Error{Kind: KindInput, Message: "callback " + name + " of this run has its message already: the first one counts", Err: err}
	case err != nil:
		return datapoints.Run{}, err
	}
	if ear := x.defaults().open.Of(run); ear != nil {
		ear.Journal.Deliver()
	}
	return x.load(ctx, run)
}

// leaveInstead leaves a message in the place of one that has failed the run.
func (x *Executor) leaveInstead(ctx context.Context, p *Plan, run string, m datapoints.Message) error {
	r, err := x.load(ctx, run)
	if err == nil {
		m.Name, err = inbox.Instead(ctx, x.store(), p.at(r.At), r, m.Name, func(row datapoints.Row) int { return unseal(row.Hidden).Heard })
	}
	if err != nil {
		return err
	}
	return x.leave(ctx, run, m)
}

// Cancel ends a run for good: nothing new begins, calls in flight end and are
// recorded, and `finally` of everything that was entered runs. The wish is in
// the store first. If this process or another works on the run, it stops
// within about a second, and Cancel returns the run as it is; else this process
// takes it over, and returns it as Resume does, cancelled with an error of kind
// cancelled. A run that has succeeded or was cancelled is an *Error that wraps
// datapoints.ErrOver. If a call may have been processed the run is unknown;
// cancelled once more it is given up as it is.
func (x *Executor) Cancel(ctx context.Context, p *Plan, run string) (datapoints.Run, error) {
	err := x.leave(ctx, run, datapoints.Message{At: time.Now()})
	if err != nil && !errors.Is(err, datapoints.ErrDelivered) {
		return datapoints.Run{}, err
	}
	if ear := x.defaults().open.Of(run); ear != nil {
		ear.Cancel()
		return x.load(ctx, run)
	}
	r, err := x.goOn(ctx, p, start{run: run, decisions: Assume{}})
	var claimed *datapoints.ClaimedError
	switch {
	case errors.As(err, &claimed):
		return x.load(ctx, run)
	case errors.Is(err, ErrNotResumable): // it ended meanwhile
		return r, x.over(ctx, run, datapoints.ErrOver)
	}
	return r, err
}

// leave leaves a message for a run.
func (x *Executor) leave(ctx context.Context, run string, m datapoints.Message) error {
	err := x.store().Commit(ctx, datapoints.Lease{Run: run}, datapoints.Record{Bare: true, Message: &m, At: m.At})
	switch {
	case err == nil, errors.Is(err, datapoints.ErrDelivered):
		return err
	case errors.Is(err, datapoints.ErrOver):
		return x.over(ctx, run, err)
	}
	return storeError("the message cannot be recorded", err)
}

// over says how a run ended that takes no messages any more.
func (x *Executor) over(ctx context.Context, run string, err error) error {
	r, _ := x.load(ctx, run) // or it is said without
	return &Error{Kind: KindInput, Message: inbox.Over(r), Err: err, Hints: []string{"look at it with stepwell runs show " + run + ", or start another run of the flow"}}
}

func (x *Executor) load(ctx context.Context, run string) (datapoints.Run, error) {
	r, err := x.store().Load(ctx, run)
	if err != nil {
		return r, storeError("the run cannot be read", err)
	}
	return r, nil
}
