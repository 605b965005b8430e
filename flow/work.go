package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/inbox"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// work does tasks of one run: all data and all side effects are here. Tasks of
// different branches run at the same time.
type work struct {
	x        *Executor
	plan     *Plan
	run      *datapoints.Run
	state    *record.State
	rec      *record.Recorder
	inputs   []expression.Value // as the plan declares them
	secrets  map[*plan.Secret]expression.Value
	redactor *datapoints.Redactor
	spans    spans

	providers providers

	returns json.RawMessage // the outputs, if they were computed in this process
	hearing
}

// A hearing is what a run listens with, and how it is reached.
type hearing struct {
	inbox.Ear
	before  datapoints.State // of the run, when this process took it
	address inbox.Address    // for callbacks
}

// add records; wait returns only when that is durable.
func (w *work) add(r datapoints.Record, wait bool) error {
	if err := w.rec.Add(&r, wait); err != nil {
		return storeError("the run cannot be recorded", err)
	}
	return nil
}

// recorded answers a task from the record, without doing anything.
func (w *work) recorded(t Task) (Outcome, bool) {
	n, r := w.plan.compiled.Nodes[t.Node], w.state.Row(t.Path)
	switch t.Phase {
	case Enter:
		if record.Final(&r) {
			return Outcome{Status: datapoints.Left, Kind: r.Last.Kind}, true
		}
		out := r.Enter
		if out.Status == datapoints.Open && r.Last.Status == datapoints.Again {
			out.Next, out.Until = r.Last.Next, r.Last.Until
		}
		if out.Status == datapoints.Open {
			if n.Kind == plan.Loop {
				out.Next = w.state.Finished(n, t.Path, out.Count)
			}
			w.spans.again(w, n, t.Path, out)
		}
		return out, out.Status != 0
	case Catch:
		return r.Caught, r.Caught.Status != 0
	case Leave:
		return r.Last, record.Final(&r) || n.Rounds && r.Last.Status == datapoints.Again && r.N >= t.N
	}
	if r.Last.Status == datapoints.Awaits && t.N == 0 {
		return r.Last, false // the message may have come since: look again
	}
	if !record.Final(&r) && n.Kind == plan.Wait && r.Last.Status != 0 {
		w.spans.begin(w, n, t.Path)
		w.spans.waits(w, n, t, r.Last)
	}
	return r.Last, record.Final(&r) || r.Last.Status != 0 && (t.N == 0 || r.N >= t.N)
}

// do does one task. A panic is a failure of the step, never the process's.
func (w *work) do(ctx context.Context, t Task) (out Outcome, err error) {
	if err := w.rec.Err(); err != nil {
		return Outcome{}, storeError("the run cannot be recorded", err) // what would be sent now could not be
	}
	n, r := w.plan.compiled.Nodes[t.Node], w.state.Row(t.Path)
	w.spans.goesOn(t.Path)
	defer func() {
		if p := recover(); p != nil {
			out, err = w.panicked(ctx, n, t, p)
		}
		if err != nil && ctx.Err() != nil {
			err = ErrInterrupted // what was cut off says nothing of the store
		}
		if err == nil {
			w.spans.waits(w, n, t, out)
		}
	}()
	switch t.Phase {
	case Enter:
		return w.enter(ctx, n, r, t)
	case Catch:
		return w.caught(ctx, n, r, t)
	case Leave:
		return w.leave(ctx, n, r, t)
	}
	return w.try(ctx, n, r, t)
}

// panicked records that a task panicked. If its call may have been sent, that
// is what matters.
func (w *work) panicked(ctx context.Context, n *plan.Node, t Task, p any) (Outcome, error) {
	e := &Error{Kind: KindInternal, Message: fmt.Sprintf("a bug in Stepwell: %v", p),
		Facts: []Fact{{"stack", answer.Beginning(string(debug.Stack()), 2000)}}}
	if n.Work.Call != nil {
		e.Message = fmt.Sprintf("a bug in Stepwell or in the action %s: %v", n.Work.Call.Action, p)
	}
	r := w.state.Row(t.Path)
	if record.InDoubt(&r) {
		r.N = r.Intent
		e = unknownCall(e, t.Path)
	}
	return w.fail(ctx, n, r, t, e)
}

// unknownCall makes e say that it is not known whether a call was processed.
func unknownCall(e *Error, path string) *Error {
	e.Kind, e.Message = KindUnknown, "it is not known whether the call was processed: "+e.Message
	e.Hints = append(e.Hints, "look up at the server whether it was processed, then: resume with --assume "+path+"=sent or "+path+"=not-sent")
	return e
}

// doubts makes each call unknown that was under way in a process that ended,
// and whose branch, at or below a path, is not walked any more.
func (w *work) doubts(ctx context.Context, below string) error {
	for _, path := range w.state.Doubts(below) {
		n, r := w.plan.at(path), w.state.Row(path)
		r.N = r.Intent
		t := Task{Run: w.run.ID, Path: path, Node: n.Index, Phase: Try}
		if _, err := w.fail(ctx, n, r, t, unknownCall(&Error{Sent: true, Message: processEnded}, path)); err != nil {
			return err
		}
	}
	return nil
}

const processEnded = "the process ended after the request may have been sent and before an answer was recorded"

// fail records that a task failed.
func (w *work) fail(ctx context.Context, n *plan.Node, r datapoints.Row, t Task, err error, tries ...datapoints.Attempt) (Outcome, error) {
	f := w.fault(err, t.Path, n.Span)
	if f.Kind == KindStore {
		return Outcome{}, err // not the step's: the engine cannot go on
	}
	h := unseal(r.Hidden)
	h.Fault = f
	r.Hidden, r.Origin, r.Ended = h.seal(), t.Path, time.Now()
	if f.Status != 0 {
		r.Status = f.Status
	}
	out := Outcome{Status: datapoints.Broke, Kind: string(f.Kind)}
	switch t.Phase {
	case Enter:
		r.Enter = out
	case Catch:
		r.Caught = out
	default:
		r.Last = out
	}
	if r.Started.IsZero() {
		r.Started = r.Ended
	}
	if f.Kind == KindUnknown && t.Phase == Try && len(tries) == 0 { // of a process that ended
		tries = []datapoints.Attempt{{N: r.N, Started: r.Started, Sent: true, Kind: string(f.Kind), Message: datapoints.Text(f.Message)}}
	}
	wait := f.Kind == KindUnknown || r.Intent == r.N && r.Intent > 0 && !r.IntentSafe
	err = w.add(datapoints.Record{Path: t.Path, Row: r, Attempts: tries, At: r.Ended}, wait)
	w.spans.ended(n, t.Path, End{Outcome: outcome(&r), Status: r.Status, Error: w.told(f), Took: r.Ended.Sub(r.Started)})
	return out, err
}

// condition evaluates a step's `if`.
func (w *work) condition(ctx context.Context, n *plan.Node, path string) (bool, error) {
	if n.Work.If == nil {
		return true, nil
	}
	return w.holds(n.Work.If, &env{w: w, ctx: ctx, path: path})
}

// holds evaluates a condition. Null is an error, there is no truthiness.
func (w *work) holds(p *expression.Program, e *env) (bool, error) {
	v, err := p.Eval(e)
	if err != nil {
		return false, err
	}
	is, ok := v.Bool()
	if !ok {
		return false, &Error{Kind: KindExpression, Message: fmt.Sprintf("the condition `%s` is %s, not true or false", p.Source(), v.Kind())}
	}
	return is, nil
}

// skip records that a step's `if` is false.
func (w *work) skip(ctx context.Context, n *plan.Node, r datapoints.Row, t Task) (Outcome, error) {
	out := Outcome{Status: datapoints.Skipped}
	now := time.Now()
	r.Started, r.Ended = now, now
	if t.Phase == Enter {
		r.Enter = out
	} else {
		r.Last = out
	}
	err := w.add(datapoints.Record{Path: t.Path, Row: r, At: now}, false)
	w.spans.end(t.Path, End{Outcome: "skipped", Why: n.Work.If.Source() + " is false"})
	return out, err
}

func (w *work) enter(ctx context.Context, n *plan.Node, r datapoints.Row, t Task) (Outcome, error) {
	now := time.Now()
	w.spans.begin(w, n, t.Path)
	r.Started = now
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
	root := n == w.plan.compiled.Root && len(w.plan.compiled.Callbacks) > 0
	if root {
		r.Hidden = w.moveIn(r.Hidden)
	}
	out := Outcome{Status: datapoints.Open, Next: r.N + 1, Deadline: record.Nearer(t.Deadline, now, n.Work.Timeout)}
	if n.Kind == plan.Loop {
		items, err := w.openLoop(ctx, n, t.Path)
		if err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		out.Next, out.Count = w.state.Finished(n, t.Path, len(items)), len(items)
		h := unseal(r.Hidden)
		if h.Items, err = record.JoinItems(items); err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		r.Hidden = h.seal()
		w.spans.count(w, t.Path, len(items), out.Next)
	}
	if n.Work.Flow != nil {
		h := unseal(r.Hidden)
		if h.Inputs, err = w.give(ctx, n, t.Path); err != nil {
			return w.fail(ctx, n, r, t, err)
		}
		r.Hidden = h.seal()
	}
	if n.Work.Poll != nil {
		r.Deadline = now.Add(n.Work.Poll.Timeout)
	}
	r.Origin = ""
	if t.Cause != "" { // of finally: what it runs after
		r.Origin = w.origin(t.Cause)
	} else if of := n.Scope.Node; of.Work.Flow != nil && of.Finally == n {
		w.conclude(ctx, of, t.Path, &r)
	}
	r.Enter = out
	return out, w.add(datapoints.Record{Path: t.Path, Row: r, At: now}, root) // an address that was told stays
}

// caught decides which clause takes a failure.
func (w *work) caught(ctx context.Context, n *plan.Node, r datapoints.Row, t Task) (Outcome, error) {
	cause := w.faultAt(t.Cause)
	known := len(cause.Hints)
	r.Caught = Outcome{Status: datapoints.Done, Next: -1}
	for i, c := range n.Catch {
		if w.takes(ctx, c.Work.Clause, cause, t.Path) {
			r.Caught.Next = i
			break
		}
	}
	if len(cause.Hints) > known {
		if err := w.amend(w.origin(t.Cause), cause); err != nil {
			return Outcome{}, err
		}
		r.Hidden = w.state.Row(t.Path).Hidden
	}
	w.spans.decided(t.Path, r.Caught.Next >= 0)
	return r.Caught, w.add(datapoints.Record{Path: t.Path, Row: r, At: time.Now()}, false)
}

// takes says whether a clause takes a failure. An error in `when` counts as
// false and becomes a hint.
func (w *work) takes(ctx context.Context, c *plan.Clause, f *fault, path string) bool {
	switch f.Kind {
	case KindStore, KindInternal, KindCancelled:
		return false
	case KindUnknown:
		if c.When == nil {
			return false
		}
	}
	if c.When == nil {
		return true
	}
	ok, hints := w.grants("catch.when", c.When, &env{w: w, ctx: ctx, path: path, fault: f})
	f.Hints = append(f.Hints, hints...)
	return ok
}

// grants evaluates a condition over a failure or an answer, which has a name
// in the file. An error counts as false and becomes a hint.
func (w *work) grants(name string, p *expression.Program, e *env) (ok bool, hints []string) {
	ok, err := w.holds(p, e)
	if err != nil {
		return false, []string{name + " could not be evaluated and counted as false: " + w.redact(err.Error())}
	}
	return ok, nil
}

// origin is the path whose record holds the text of a failure.
func (w *work) origin(cause string) string {
	if r := w.state.Row(cause); r.Origin != "" {
		return r.Origin
	}
	return cause
}

// faultAt is the failure that a path recorded or passed on.
func (w *work) faultAt(path string) *fault {
	r := w.state.Row(w.origin(path))
	if f := unseal(r.Hidden).Fault; f != nil {
		return f
	}
	return &fault{Kind: KindInternal, Message: "the record of the failure is missing", Step: path}
}

// outputs evaluates what the run or a sub-flow returns.
func (w *work) outputs(e *env, n *plan.Node) (json.RawMessage, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, o := range n.Work.Outputs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(answer.Quote(o.Name))
		b.WriteByte(':')
		if err := o.Value.Render(&b, e); err != nil {
			err := asError(placed(err))
			err.Place = o.Span
			err.Message = "output " + o.Name + ": " + err.Message
			return nil, err
		}
	}
	b.WriteByte('}')
	return json.RawMessage(b.String()), nil
}

func overdue() error {
	return &Error{Kind: KindTimeout, Message: "the time of an enclosing step was over before this one began"}
}

func overdueItself() error {
	return &Error{Kind: KindTimeout, Message: "the step's time was over before it could be tried again"}
}

func late(deadline, now time.Time) bool { return !deadline.IsZero() && !now.Before(deadline) }

// waits says for what a paused run waits.
func (w *work) waits(wake time.Time) *Error {
	e := &Error{Kind: KindPaused, Message: "the run waits", Err: ErrPaused}
	for _, path := range w.state.Waiting() {
		n := w.plan.at(path)
		if n == nil {
			continue
		}
		if e.Step == "" {
			e.Step, e.Place = path, n.Span
		}
		if n.Kind == plan.Callback {
			name := n.Work.Message.Name
			e.Facts = append(e.Facts, Fact{"waits for", "callback " + name})
			e.Hints = append(e.Hints, "deliver the message: stepwell signal "+w.run.ID+" "+name+" --json …")
		}
	}
	if !wake.IsZero() {
		e.Facts = append(e.Facts, Fact{"until", clock(wake)})
	}
	return e
}

// clock is a time for people to read.
func clock(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }
