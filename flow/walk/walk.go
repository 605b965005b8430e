// Package walk interprets a compiled flow over an engine, and holds the engine
// of one process. It sees control information only.
package walk

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Walk interprets a plan over an engine. It uses no clock, no randomness, no
// goroutine, no expression and no data, and derives no context: it sees control
// information only. Walking again over the same records gives the same tasks in
// the same order, which is what resume and durable engines rest on.
//
// It returns nil, a *Failure, ErrStopped, ErrPaused, ErrInterrupted, or the
// engine's own error.
func Walk(ctx context.Context, p *plan.Plan, run string, e Engine) error {
	return walk{e, run}.node(ctx, p.Root, place{})
}

type walk struct {
	Engine
	run string
}

// A place is where a node stands in this run.
type place struct {
	path     string
	cause    string
	deadline time.Time
}

// node walks one step with everything around it: its verb, else catch, then finally.
func (w walk) node(ctx context.Context, n *plan.Node, at place) error {
	entered, err := w.verb(ctx, n, at)
	if entered == datapoints.Skipped && n.Else != nil {
		return w.node(ctx, n.Else, place{path: plan.Join(at.path, "else"), deadline: at.deadline})
	}
	if f := AsFailure(err); f != nil && len(n.Catch) > 0 {
		err = w.catch(ctx, n, at, f)
	}
	if entered != datapoints.Open || inside(n, at.path) {
		return err
	}
	return w.finally(ctx, n, at.path, err)
}

// inside says of a sub-flow that its finally belongs to what it is, and not to
// the step that calls it: it runs in each round, before the outputs are looked at.
func inside(n *plan.Node, path string) bool { return n.Kind == plan.Flow && path != "" }

// finally walks what runs after steps that ended with err, however that was.
func (w walk) finally(ctx context.Context, n *plan.Node, path string, err error) error {
	if n.Finally == nil || !(err == nil || err == ErrStopped || AsFailure(err) != nil) {
		return err
	}
	inner := place{path: plan.Join(path, "finally")}
	if f := AsFailure(err); f != nil {
		inner.cause = f.Path
	}
	ended := w.node(w.Shield(ctx), n.Finally, inner)
	if ended != nil && (err == nil || AsFailure(ended) == nil) {
		return ended
	}
	return err
}

func (w walk) catch(ctx context.Context, n *plan.Node, at place, f *Failure) error {
	out, err := w.Do(ctx, Task{Run: w.run, Path: at.path, Node: n.Index, Phase: Catch, Cause: f.Path, Deadline: at.deadline})
	switch {
	case err != nil:
		return err
	case out.Status == datapoints.Broke:
		return &Failure{at.path, out.Kind}
	case out.Next < 0:
		return f
	}
	clause := plan.Join(at.path, "catch["+strconv.Itoa(out.Next)+"]")
	return w.node(ctx, n.Catch[out.Next], place{path: clause, cause: f.Path, deadline: at.deadline})
}

// verb does what the step is: its tries, or enter, body and leave of each
// round. It answers Open if the body was entered: then finally must run.
func (w walk) verb(ctx context.Context, n *plan.Node, at place) (datapoints.OutcomeStatus, error) {
	t := Task{Run: w.run, Path: at.path, Node: n.Index, Phase: Try, Cause: at.cause, Deadline: at.deadline}
	if n.Kind < plan.Block {
		return w.try(ctx, t)
	}
	if n.Bare {
		return datapoints.Open, w.steps(ctx, n.Steps, at.path, at.deadline)
	}
	t.Phase = Enter
	in, err := w.Do(ctx, t)
	if err != nil {
		return 0, err
	}
	switch in.Status {
	case datapoints.Skipped:
		return datapoints.Skipped, nil
	case datapoints.Broke:
		return 0, &Failure{at.path, in.Kind}
	case datapoints.Left:
		if in.Kind != "" {
			return datapoints.Open, &Failure{at.path, in.Kind}
		}
		return datapoints.Open, nil
	}
	return datapoints.Open, w.rounds(ctx, n, at.path, in)
}

// rounds walks the body and leaves it, as often as leave asks for.
func (w walk) rounds(ctx context.Context, n *plan.Node, path string, in Outcome) error {
	for next, until := in.Next, in.Until; ; {
		if !until.IsZero() {
			if err := w.SleepUntil(ctx, until); err != nil {
				return err
			}
		}
		t := Task{Run: w.run, Path: path, Node: n.Index, Phase: Leave, N: next, Deadline: in.Deadline}
		if err := w.body(ctx, n, path, next, in); err != nil {
			f := AsFailure(err)
			if f == nil {
				return err
			}
			t.Cause = f.Path
		}
		out, err := w.Do(ctx, t)
		switch {
		case err != nil:
			return err
		case out.Status == datapoints.Broke:
			return &Failure{path, out.Kind}
		case out.Status == datapoints.Done:
			return nil
		}
		next, until = out.Next, out.Until
	}
}

func (w walk) try(ctx context.Context, t Task) (datapoints.OutcomeStatus, error) {
	for {
		out, err := w.Do(ctx, t)
		if err != nil {
			return 0, err
		}
		switch out.Status {
		case datapoints.Done, datapoints.Skipped:
			return out.Status, nil
		case datapoints.Broke:
			return 0, &Failure{t.Path, out.Kind}
		case datapoints.Awaits:
			err = w.Await(ctx, t, out.Until)
		case datapoints.Again:
			if !out.Until.IsZero() {
				err = w.SleepUntil(ctx, out.Until)
			}
		}
		if err != nil {
			return 0, err
		}
		t.N = out.Next
	}
}

func (w walk) body(ctx context.Context, n *plan.Node, path string, next int, in Outcome) error {
	switch n.Kind {
	case plan.Loop:
		return w.Each(ctx, in.Count-next, n.AtOnce, func(ctx context.Context, i int) error {
			at := place{path: path + "[" + strconv.Itoa(next+i) + "]", deadline: in.Deadline}
			err := w.node(ctx, n.Steps[0], at)
			if f := AsFailure(err); f != nil && n.Go && f.Kind != plan.Unknown {
				return nil
			}
			return err
		})
	case plan.Parallel:
		return w.Each(ctx, len(n.Steps), n.AtOnce, func(ctx context.Context, i int) error {
			return w.node(ctx, n.Steps[i], place{path: plan.Join(path, n.Steps[i].ID), deadline: in.Deadline})
		})
	}
	below := path
	if n.Rounds {
		below = plan.Round(path, next)
	}
	err := w.steps(ctx, n.Steps, below, in.Deadline)
	if inside(n, path) {
		return w.finally(ctx, n, below, err)
	}
	return err
}

func (w walk) steps(ctx context.Context, steps []*plan.Node, path string, deadline time.Time) error {
	for _, s := range steps {
		if err := w.node(ctx, s, place{path: plan.Join(path, s.ID), deadline: deadline}); err != nil {
			return err
		}
	}
	return nil
}

// AsFailure is err as a step's failure, or nil. Engines return it as it is.
func AsFailure(err error) *Failure {
	f, _ := err.(*Failure)
	return f
}

// An Engine drives a walk: it does tasks, sleeps, waits for messages, and runs
// branches. It sees control information only, so that a durable engine can
// keep and replay it without holding anything a user or a server said.
//
// A task that is recorded is answered from the record at once, also in a
// context that was stopped.
type Engine interface {
	// Do does one task. An error means that the engine failed or was stopped
	// (ErrStopped, ErrPaused, ErrInterrupted), not that the step failed.
	Do(ctx context.Context, t Task) (Outcome, error)
	// SleepUntil returns at t, or earlier with ErrStopped, ErrPaused or ErrInterrupted.
	SleepUntil(ctx context.Context, t time.Time) error
	// Await returns when a message for the task may be in the store, or at
	// until (zero: never). The next Do reads the message.
	Await(ctx context.Context, t Task, until time.Time) error
	// Each calls f for 0 to n-1, started in order, at most atOnce at a time.
	// When one returns a *Failure the others are stopped: they start nothing
	// more. The error is the gravest: the engine's own, interrupted, paused,
	// the failure that is first in order, stopped.
	Each(ctx context.Context, n, atOnce int, f func(ctx context.Context, i int) error) error
	// Shield gives a context that a stop of ctx does not reach, for finally.
	Shield(ctx context.Context) context.Context
}

// A Phase is a part of a node that is done as one task.
type Phase uint8

// A leaf is one Try, again and again. What has parts is Enter, the parts,
// Leave; then Catch if it failed.
const (
	Enter Phase = iota + 1
	Try
	Catch
	Leave
)

// A Task is one phase of one node: names and numbers only.
type Task struct {
	Run, Path string
	Node      int // index in the plan, so that nobody parses a path
	Phase     Phase
	N         int       // 0: begin or go on; else the Next of the last answer
	Cause     string    // catch, leave, enter of finally: the path whose record holds the failure
	Deadline  time.Time // the nearest of the enclosing timeouts; zero: none
}

// An Outcome is the answer to a Task: control information only. Until and
// Deadline are already cut to the task's deadline.
type Outcome = datapoints.Outcome

// A Failure is a step's failure as Walk sees it: the only error that is a
// step's. The text stays in the store.
type Failure struct {
	Path string // whose record holds it
	Kind string // http, network, timeout, …
}

func (f *Failure) Error() string { return "step " + f.Path + " failed: " + string(f.Kind) }

// What an Engine's methods return when a walk does not go on. Every other
// error that is not a *Failure means that the engine is broken.
var (
	ErrStopped     = errors.New("stopped")     // by a sibling's failure or a cancel: no catch, no leave, but finally
	ErrPaused      = errors.New("paused")      // every branch waits; nothing at all runs
	ErrInterrupted = errors.New("interrupted") // nothing at all runs
)
