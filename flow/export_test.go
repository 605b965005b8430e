package flow

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/walk"
)

// Traced drives a run as Start and Resume do, and gives the tasks that Walk
// asked for, in their order, and those of them that were not recorded before.
func Traced(ctx context.Context, x *Executor, p *Plan, run string, resume bool) (asked, done []Task, _ datapoints.Run, _ error) {
	l, err := x.claim(ctx, run)
	if err != nil {
		return nil, nil, datapoints.Run{}, err
	}
	w, err := x.open(ctx, p, l)
	switch {
	case err == nil && resume:
		err = w.prepare(Assume{})
	case err == nil:
		err = w.begin(true)
	}
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
		return w.recorded(t)
	}, Work: func(ctx context.Context, t Task) (Outcome, error) {
		note(&done, t)
		return w.do(ctx, t)
	}}
	err = j.Walk(ctx, p.compiled, run, !w.state.Complete)
	ended, err := w.end(ctx, err)
	return asked, done, ended, err
}

// Laden runs a flow in a run that has done so many steps and saved so many
// bytes already.
func Laden(ctx context.Context, x *Executor, p *Plan, steps, bytes int) error {
	runs, err := x.Create(ctx, p, "", nil)
	if err != nil {
		return err
	}
	l, err := x.claim(ctx, runs[0].ID)
	if err != nil {
		return err
	}
	w, err := x.open(ctx, p, l)
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
