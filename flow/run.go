package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/files"
	"github.com/stepwell/stepwell/flow/internal/given"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/internal/survey"
	"github.com/stepwell/stepwell/flow/walk"
)

// Run starts a flow with its inputs and returns when it is over. A run that
// did not succeed is returned with an *Error that says why. When ctx ends,
// calls in flight may end within Grace, nothing new begins, and the run is
// recorded as interrupted: Resume goes on. If an input is wrong nothing is
// recorded, and the error also names secrets that variables and files lack.
func (x *Executor) Run(ctx context.Context, p *Plan, in Inputs) (datapoints.Run, error) {
	if err := x.mayRun(p); err != nil {
		return datapoints.Run{}, err
	}
	now := time.Now()
	run, texts, wrong, err := x.newRun(p, now, in)
	if err == nil {
		err = x.inputError(ctx, p, wrong, nil)
	}
	if err != nil {
		return datapoints.Run{}, err
	}
	run.Started, run.Lease = now, datapoints.Lease{Run: run.ID, Owner: x.owner(), Epoch: 1, Until: now.Add(x.ttl())}
	runs := []datapoints.Run{run}
	if err := x.recordNew(ctx, runs...); err != nil {
		return datapoints.Run{}, err
	}
	return x.goOn(ctx, p, start{run: run.ID, made: &runs[0], inputs: texts})
}

// Create checks the inputs of one or more runs and records them, so that
// Start can begin with each. If any input is wrong nothing is recorded and the
// error names all that are wrong, and missing secrets as that of Run does. A batch is named by the caller, or "".
func (x *Executor) Create(ctx context.Context, p *Plan, batch string, in ...Inputs) ([]datapoints.Run, error) {
	if err := x.mayRun(p); err != nil {
		return nil, err
	}
	var wrong []given.Wrong
	runs := make([]datapoints.Run, len(in))
	now := time.Now()
	for i, inputs := range in {
		run, _, bad, err := x.newRun(p, now.Add(time.Duration(i)*record.Tick), inputs)
		if err != nil {
			return nil, err
		}
		for _, b := range bad {
			if batch != "" {
				b.Name = fmt.Sprintf("row %d, %s", i+1, b.Name)
			}
			wrong = append(wrong, b)
		}
		run.Batch, run.Row, run.Created = batch, i, now
		runs[i] = run
	}
	if err := x.inputError(ctx, p, wrong, nil); err != nil {
		return nil, err
	}
	if err := x.recordNew(ctx, runs...); err != nil {
		return nil, err
	}
	return runs, nil
}

// newRun is a run with these inputs, which it gives also one by one, as JSON,
// and what is wrong with them.
func (x *Executor) newRun(p *Plan, at time.Time, in Inputs) (datapoints.Run, []string, []given.Wrong, error) {
	values, inside, wrong := given.Take(p.compiled.Inputs, in)
	if t := x.store().Traits(); inside && t.Lasts && !t.Sealed {
		return datapoints.Run{}, nil, nil, &Error{Kind: KindStore, Message: "the inputs hold something sensitive and the store is not encrypted", Hints: []string{keyHelp}}
	}
	id, err := record.NewID(at)
	return datapoints.Run{ID: id, Flow: p.Name(), State: datapoints.Running, Language: 1, Digest: p.digest, Files: p.Files(),
		Steps: p.Steps(), Created: at, Inputs: values.Object}, values.Texts, wrong, err
}

// recordNew records runs that did not begin yet.
func (x *Executor) recordNew(ctx context.Context, runs ...datapoints.Run) error {
	err := x.store().Create(ctx, runs...)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &Error{Kind: KindInterrupted, Message: "interrupted before the run was recorded", Err: err}
	}
	return storeError("the run cannot be recorded", err)
}

// mayRun refuses a flow with sensitive data in a store that lasts and is not
// encrypted, one that may pause in a store that does not last, and one that
// sends URLs that nobody can reach.
func (x *Executor) mayRun(p *Plan) error {
	t := x.store().Traits()
	if n := survey.Pauses(p.compiled); n != nil && !t.Lasts && !x.Owner.Stays {
		return &Error{Kind: KindStore, Place: n.Span, Message: fmt.Sprintf("step %s may wait for long, and the store does not outlive this process", n.ID),
			Hints: []string{"use a store that lasts, or let the process stay until then (--wait)"}}
	}
	if err := p.reachable(x.PublicURL); err != nil {
		return err
	}
	if !p.compiled.Sensitive || !t.Lasts || t.Sealed {
		return nil
	}
	return &Error{Kind: KindStore, Message: "the flow handles sensitive or personal data and the store is not encrypted", Hints: []string{keyHelp}}
}

// Start begins with a run that Create recorded and returns as Run does.
func (x *Executor) Start(ctx context.Context, p *Plan, run string) (datapoints.Run, error) {
	return x.goOn(ctx, p, start{run: run})
}

// A start is how a process comes to a run.
type start struct {
	run       string
	made      *datapoints.Run // by this process just now, with the lease; nil: it is in the store
	inputs    []string        // of made, one by one
	decisions Assume          // nil: nothing has been done in it
}

// goOn drives a run, and goes on with one that paused just as a message came.
func (x *Executor) goOn(ctx context.Context, p *Plan, s start) (datapoints.Run, error) {
	for {
		r, news, err := x.drive(ctx, p, s)
		if !news || ctx.Err() != nil {
			return r, err
		}
		s.made, s.decisions = nil, Assume{}
	}
}

// Resume goes on with a run that was paused, interrupted or killed, that failed, or of
// which a call is unknown: then decisions must say for each such step whether
// it was sent. What is recorded as done is not done again. The plan must be
// the run's own, see PlanOf.
func (x *Executor) Resume(ctx context.Context, p *Plan, run string, decisions Assume) (datapoints.Run, error) {
	if decisions == nil {
		decisions = Assume{}
	}
	return x.goOn(ctx, p, start{run: run, decisions: decisions})
}

// PlanOf compiles the plan of a recorded run, from the files as they were. Files
// that the run was not started with are an *Error of kind store, which wraps
// datapoints.ErrCorrupt: what they say would be sent in the run's name.
func PlanOf(ctx context.Context, s datapoints.Store, run string, kit Kit) (*Plan, datapoints.Run, error) {
	r, err := s.Load(ctx, run)
	if err != nil {
		return nil, r, storeError("the run cannot be read", err)
	}
	if len(r.Files) == 0 {
		return nil, r, storeError("the run cannot be read", datapoints.ErrCorrupt)
	}
	if files.Digest(r.Files) != r.Digest {
		return nil, r, storeError("the flow that is recorded is not the one that the run was started with", datapoints.ErrCorrupt)
	}
	p, err := Compile(files.Recorded(r.Files), r.Files[0].Name, kit)
	return p, r, err
}

// drive owns a run until it is over, stopped or paused: then news says that a
// message came just now.
func (x *Executor) drive(ctx context.Context, p *Plan, s start) (_ datapoints.Run, news bool, _ error) {
	hard, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	ears := &x.defaults().open
	if !ears.Enter(s.run) {
		return datapoints.Run{}, false, &Error{Kind: KindStore, Message: "this process is working on this run already"}
	}
	defer ears.Leave(s.run)
	lease, err := x.claim(hard, s)
	if err != nil {
		return datapoints.Run{}, false, err
	}
	journal := &walk.Journal{Stays: x.Owner.Stays || !x.store().Traits().Lasts}
	defer record.Keep(hard, x.store(), lease, x.ttl(), func() { journal.Interrupt(); abort() }).Stop()
	w, err := x.open(hard, p, lease, s, journal)
	if w != nil {
		ears.Listen(hard, x.store(), s.run, &w.Ear)
		defer w.Deafen()
	}
	switch {
	case err != nil:
	case s.decisions != nil:
		err = w.prepare(s.decisions)
	case datapoints.IsOver(w.run.State), w.run.State == datapoints.Failed, w.run.State == datapoints.Unknown: // there is nothing to begin with
		err = fmt.Errorf("%w as if it were new: it has %s", ErrNotResumable, w.run.State)
	}
	if err != nil {
		kept, err := x.giveUp(hard, w, lease, err)
		return kept, false, err
	}
	if err := w.begin(s); err != nil {
		return *w.run, false, err
	}
	hard, ended := w.watch(hard, x.Observer)
	defer record.AfterGrace(ctx, x.grace(), abort)()
	w.Journal.Hard = hard
	err = w.Journal.Walk(ctx, p.compiled, s.run, !w.state.Complete)
	w.spans.close("", left(err))
	result, err := w.end(context.WithoutCancel(hard), err)
	var seen *Error
	if err != nil {
		told := *asError(err)
		told.Body = []byte(w.redact(string(told.Body)))
		seen = &told
	}
	ended(End{Outcome: string(result.State), Error: seen, Took: result.Ended.Sub(w.run.Started)})
	return result, result.State == datapoints.Paused && w.Missed(ctx, x.store(), s.run), err
}

// left is the outcome of steps that had begun when a walk ended.
func left(err error) string {
	if errors.Is(err, ErrPaused) {
		return "waiting"
	}
	return "stopped"
}

// giveUp leaves a run that was claimed but cannot be begun as it was.
func (x *Executor) giveUp(ctx context.Context, w *work, l datapoints.Lease, cause error) (datapoints.Run, error) {
	if w == nil {
		return datapoints.Run{ID: l.Run}, cause
	}
	end := *w.run
	if end.State == datapoints.Running {
		end.State = datapoints.Interrupted
	}
	if err := x.store().Commit(ctx, l, datapoints.Record{Bare: true, End: &end, At: time.Now()}); err != nil {
		return *w.run, errors.Join(cause, err)
	}
	return end, cause
}

// open reads what a run needs in this process: inputs, secrets, its state. Of
// one that was made just now nothing is to be read back.
func (x *Executor) open(ctx context.Context, p *Plan, l datapoints.Lease, s start, j *walk.Journal) (w *work, err error) {
	run := s.made
	if run == nil {
		kept, err := x.store().Load(ctx, l.Run)
		if err != nil {
			return nil, storeError("the run cannot be read", err)
		}
		run = &kept
	}
	w = &work{x: x, plan: p, run: run, hearing: hearing{before: run.State}, state: record.NewState(x.store(), run.ID, len(p.compiled.Nodes)), redactor: x.redactor()}
	w.rec = record.NewRecorder(ctx, x.store(), l, w.state, &x.own.batches)
	w.Journal, j.Recorded, j.Work = j, w.recorded, w.do
	w.state.Seen = func(p *datapoints.Point) { w.mask(p.Name, p.Value.Reveal(), p.Value.Class() == datapoints.Sensitive) }
	if s.made == nil {
		if err := w.state.Load(ctx); err != nil {
			return w, storeError("the run cannot be read", err)
		}
	}
	if err := w.door(); err != nil {
		return w, err
	}
	if s.made != nil {
		w.takeInputs(s.inputs)
	} else if err := w.readInputs(run.Inputs); err != nil {
		return w, storeError("the run's inputs cannot be read", err)
	}
	w.secrets, err = x.secrets(ctx, p, w.redactor, nil)
	if err == nil && w.run.Started.IsZero() {
		w.run.Started = time.Now()
	}
	return w, err
}

// begin records that the run has begun, unless that is recorded already.
func (w *work) begin(s start) error {
	w.run.State = datapoints.Running
	if s.decisions != nil || s.made != nil {
		return nil
	}
	return w.add(datapoints.Record{Bare: true, End: new(*w.run), At: w.run.Started}, false)
}

// watch begins the run's span.
func (w *work) watch(ctx context.Context, o Observer) (context.Context, func(End)) {
	if o == nil {
		return ctx, func(End) {}
	}
	v, ok := o.(Verbose)
	o = &careful{Observer: o}
	seen, end := o.Begin(ctx, Span{Kind: RunSpan, Run: w.run.ID, Flow: w.run.Flow, Time: time.Now()})
	w.spans = spans{observer: o, verbose: ok && v.Verbose(), root: seen, open: map[string]*openSpan{}}
	return record.Under{Context: ctx, Values: seen}, end
}

// end records how the walk ended and gives the run as it is now.
func (w *work) end(ctx context.Context, walked error) (datapoints.Run, error) {
	cancelled := w.Cancelled() && (walk.AsFailure(walked) != nil || errors.Is(walked, ErrStopped))
	if walk.AsFailure(walked) != nil || cancelled {
		if err := w.doubts(ctx, ""); err != nil {
			walked = err
		}
	}
	run := w.run
	run.Ended, run.Kind, run.At, run.Wake = time.Now(), "", "", time.Time{}
	run.Failure, run.Outputs = datapoints.Value{}, datapoints.Value{}
	run.Done = w.state.Ended(w.plan.compiled.Root)
	var result error
	switch f := walk.AsFailure(walked); {
	case walked == nil:
		run.State, run.Done = datapoints.Succeeded, run.Steps // also what a caught failure left out
		outputs := w.returns
		if outputs == nil {
			outputs = unseal(w.state.Row("").Hidden).Outputs
		}
		run.Outputs = w.markOutputs(outputs)
	case cancelled && (w.before == datapoints.Unknown || w.state.FirstUnknown("") == ""):
		fault := wasCancelled()
		run.State, run.Kind, run.Failure = datapoints.Cancelled, string(fault.Kind), fault.shown()
		result = fault.error()
	case cancelled:
		fault := w.verdict("")
		run.State, run.Kind, run.At, run.Failure = stateOf(fault.Kind), string(fault.Kind), fault.Step, fault.shown()
		result = fault.error()
	case f != nil:
		fault := w.verdict(f.Path)
		run.State, run.Kind, run.At, run.Failure = stateOf(fault.Kind), string(fault.Kind), fault.Step, fault.shown()
		result = fault.error()
	case errors.Is(walked, ErrPaused):
		run.State, run.Kind, run.Wake, run.Ended = datapoints.Paused, string(KindPaused), w.Journal.Wake(), time.Time{}
		paused := w.waits(run.Wake)
		run.At, result = paused.Step, paused
	case errors.Is(walked, ErrInterrupted):
		run.State, run.Kind = datapoints.Interrupted, string(KindInterrupted)
		result = &Error{Kind: KindInterrupted, Message: "the run was interrupted", Err: walked}
	default:
		run.State, run.Kind = datapoints.Interrupted, string(KindStore)
		result = asError(walked)
	}
	if err := w.rec.End(run); err != nil {
		return *run, storeError("the run cannot be recorded", err)
	}
	return *run, result
}

// verdict is why the run failed, if a failure at a path ended it: whatever
// else failed, a call that is unknown.
func (w *work) verdict(path string) *fault {
	if unknown := w.state.FirstUnknown(""); unknown != "" {
		path = unknown
	}
	return w.faultAt(path)
}

// markOutputs is the run's outputs as a value that does not show what is sensitive.
func (w *work) markOutputs(raw json.RawMessage) datapoints.Value {
	if raw == nil { // the flow declares none
		raw = json.RawMessage("{}")
	}
	v := datapoints.JSON(string(raw))
	for _, o := range w.plan.compiled.Root.Work.Outputs {
		if o.Class == plan.Sensitive {
			return v.Mark(datapoints.Sensitive, "outputs")
		}
	}
	return v
}

// claim makes this process the run's owner.
func (x *Executor) claim(ctx context.Context, s start) (datapoints.Lease, error) {
	if s.made != nil {
		return s.made.Lease, nil
	}
	now := time.Now()
	want := datapoints.Lease{Run: s.run, Owner: x.owner(), Until: now.Add(x.ttl())}
	l, err := x.store().Claim(ctx, want, now, x.Owner.Dead)
	if err == nil {
		return l, nil
	}
	var claimed *datapoints.ClaimedError
	if errors.As(err, &claimed) {
		return l, &Error{Kind: KindStore, Message: "another process is working on this run", Err: err,
			Hints: []string{"if that process is gone, its hold ends " + claimed.Until.Format(time.RFC3339)}}
	}
	return l, storeError("the run cannot be claimed", err)
}

// Has says whether a path that is recorded is one of this flow's: that of a
// step, an iteration, a round, a clause or the run itself.
func (p *Plan) Has(path string) bool { return p.at(path) != nil }

// Digest is a fingerprint of every file that the plan was made from.
func (p *Plan) Digest() string { return p.digest }
