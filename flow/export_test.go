package flow

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/walk"
)

// A Worker does the tasks of one run in one process, for engines of tests.
type Worker struct {
	Plan *Plan
	Run  string
	w    *work
}

// A Begin says how a process takes a run up.
type Begin uint8

const (
	First   Begin = iota // nothing is recorded yet
	GoOn                 // the engine's history goes on: nothing is opened again
	Resumed              // as Resume does
)

// Employ makes a worker for a run that Create recorded.
func Employ(ctx context.Context, x *Executor, p *Plan, run string, how Begin) (*Worker, error) {
	l, err := x.claim(ctx, start{run: run})
	if err != nil {
		return nil, err
	}
	w, err := x.open(ctx, p, l, start{}, &walk.Journal{})
	switch {
	case err != nil:
	case how == Resumed:
		err = w.prepare(Assume{})
	case how == First:
		err = w.begin(start{})
	default:
		err = w.begin(start{decisions: Assume{}})
	}
	return &Worker{Plan: p, Run: run, w: w}, err
}

// Recorded answers a task that is recorded.
func (k *Worker) Recorded(t Task) (Outcome, bool) { return k.w.recorded(t) }

// Do does a task.
func (k *Worker) Do(ctx context.Context, t Task) (Outcome, error) { return k.w.do(ctx, t) }

// Replays says whether something is recorded of the run.
func (k *Worker) Replays() bool { return !k.w.state.Complete }

// End records how a walk ended.
func (k *Worker) End(ctx context.Context, walked error) (datapoints.Run, error) {
	return k.w.end(ctx, walked)
}

// Traced drives a run as Start and Resume do, and gives the tasks that Walk
// asked for, in their order, and those of them that were not recorded before.
func Traced(ctx context.Context, x *Executor, p *Plan, run string, how Begin) (asked, done []Task, _ datapoints.Run, _ error) {
	k, err := Employ(ctx, x, p, run, how)
	if err != nil {
		return nil, nil, datapoints.Run{}, err
	}
	var mu sync.Mutex
	note := func(list *[]Task, t Task) {
		mu.Lock()
		defer mu.Unlock()
		*list = append(*list, t)
	}
	j := &walk.Journal{Hard: ctx, Recorded: func(t Task) (Outcome, bool) {
		note(&asked, t)
		return k.Recorded(t)
	}, Work: func(ctx context.Context, t Task) (Outcome, error) {
		note(&done, t)
		return k.Do(ctx, t)
	}}
	err = j.Walk(ctx, p.compiled, run, k.Replays())
	ended, err := k.End(ctx, err)
	return asked, done, ended, err
}

// Laden runs a flow in a run that has done so many steps and saved so many
// bytes already.
func Laden(ctx context.Context, x *Executor, p *Plan, steps, bytes int) error {
	runs, err := x.Create(ctx, p, "", nil)
	if err != nil {
		return err
	}
	l, err := x.claim(ctx, start{run: runs[0].ID})
	if err != nil {
		return err
	}
	w, err := x.open(ctx, p, l, start{}, &walk.Journal{})
	if err != nil {
		return err
	}
	for i := range steps {
		w.state.Put(&datapoints.Record{Path: fmt.Sprintf("before[%d]", i), Row: datapoints.Row{Last: Outcome{Status: datapoints.Done}}})
	}
	if bytes > 0 {
		slot := datapoints.Slot{Name: "before"}
		w.state.Put(&datapoints.Record{Bare: true, Points: []datapoints.Point{{Slot: slot, Value: datapoints.JSON(strings.Repeat("1", bytes))}}})
	}
	j := &walk.Journal{Hard: ctx, Recorded: w.recorded, Work: w.do}
	_, err = w.end(ctx, j.Walk(ctx, p.compiled, runs[0].ID, false))
	return err
}
