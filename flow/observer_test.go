package flow

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A listener notes what an observer is told.
type listener struct{ told []string }

func (l *listener) Begin(ctx context.Context, s Span) (context.Context, func(End)) {
	name := fmt.Sprintf("%d %s", s.Kind, s.Path)
	if s.Kind == WaitSpan {
		name = "wait " + s.Path
		if !s.Until.IsZero() {
			name += " with an end"
		}
	}
	l.told = append(l.told, name)
	return ctx, func(e End) { l.told = append(l.told, name+" "+e.Outcome) }
}

func TestAnObserverIsToldOfWaitsAndWhenTheyAreOver(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	wait := &plan.Node{ID: "pause", Kind: plan.Wait, Work: plan.Work{Wait: &plan.WaitSpec{}}}
	block := &plan.Node{ID: "update", Kind: plan.Block, Rounds: true}
	inner := &plan.Node{ID: "get", Kind: plan.Call}
	l := &listener{}
	w := &work{run: &datapoints.Run{}, spans: spans{observer: l, root: t.Context(), open: map[string]*openSpan{}}}
	s := &w.spans

	s.begin(w, wait, "pause")
	s.waits(w, wait, Task{Path: "pause"}, Outcome{Status: datapoints.Again, Until: later})
	s.waits(w, wait, Task{Path: "pause"}, Outcome{Status: datapoints.Again, Until: later}) // told once
	s.end("pause", End{Outcome: "done"})

	s.begin(w, block, "update")
	s.waits(w, block, Task{Path: "update"}, Outcome{Status: datapoints.Again}) // at once: no wait
	s.waits(w, block, Task{Path: "update"}, Outcome{Status: datapoints.Again, Until: later})
	s.begin(w, inner, "update#1.get")
	s.waits(w, inner, Task{Path: "update#1.get"}, Outcome{Status: datapoints.Again, Until: later}) // its attempts tell that
	s.end("update#1.get", End{Outcome: "done"})
	s.waits(w, block, Task{Path: "update"}, Outcome{Status: datapoints.Awaits})
	s.goesOn("update")
	s.end("update", End{Outcome: "failed"})

	want := []string{"2 pause", "wait pause with an end", "wait pause with an end done", "2 pause done",
		"2 update", "wait update with an end", "wait update with an end done", "2 update#1.get", "2 update#1.get done",
		"wait update", "wait update done", "2 update failed"}
	if !slices.Equal(l.told, want) {
		t.Errorf("it was told %q,\nnot %q", l.told, want)
	}
}

func TestWhatAFailureStopsIsOverBeforeTheStepAround(t *testing.T) {
	t.Parallel()
	l := &listener{}
	w := &work{run: &datapoints.Run{}, spans: spans{observer: l, root: t.Context(), open: map[string]*openSpan{}}}
	s := &w.spans
	for _, path := range []string{"p#0.both", "p#0.both.one.block", "p#0.both.one.block.call", "p#0.both2"} {
		s.begin(w, &plan.Node{ID: "step", Kind: plan.Block}, path)
	}
	s.end("p#0.both", End{Outcome: "failed", Error: &Error{Kind: KindFailed}})
	want := []string{"2 p#0.both.one.block.call stopped", "2 p#0.both.one.block stopped", "2 p#0.both failed"}
	if got := l.told[4:]; !slices.Equal(got, want) {
		t.Errorf("it was told %q,\nnot %q", got, want)
	}
}
