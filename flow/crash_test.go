package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// crashing runs a flow in processes that die: each at a commit of its own, the
// last not. What was not written by then is lost.
func (tr *trial) crashing(mute bool, lives ...int) (course, error) {
	tr.stage.clear()
	store := &mortal{Store: &datapoints.Memory{}, lives: lives[0], mute: mute}
	x := &flow.Executor{Store: store}
	run, err := x.Run(tr.t.Context(), tr.plan, tr.in)
	run, err = tr.onward(x, run, err)
	for _, next := range append(slices.Clone(lives[1:]), -1) {
		if err == nil || flowKind(err) != flow.KindStore {
			break
		}
		store.mu.Lock()
		store.lives = next
		store.mu.Unlock()
		runs, failed := store.List(tr.t.Context(), datapoints.Filter{})
		if failed != nil || len(runs) != 1 {
			return course{}, fmt.Errorf("%d runs: %w", len(runs), failed)
		}
		if run = runs[0]; run.State != datapoints.Running && run.State != datapoints.Interrupted && run.State != datapoints.Paused { // it died with its last words
			if err = nil; run.Kind != "" {
				err = errDead
			}
			break
		}
		x := successor(store)
		run, err = x.Resume(tr.t.Context(), tr.plan, run.ID, nil)
		run, err = tr.onward(x, run, err)
	}
	if run.ID == "" {
		return course{}, err
	}
	return tr.course(store, run, err), nil
}

func TestACrashAnywhereChangesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	madeUp(t, tame, func(t *testing.T, files map[string]string, seed int) string {
		tr := newTrial(t, files)
		want, err := tr.crashing(false, -1)
		if err != nil {
			return err.Error()
		}
		for n := range 2 * len(want.Asked) {
			if n%stride() != seed%stride() {
				continue
			}
			for _, mute := range []bool{false, true} {
				got, err := tr.crashing(mute, n, (seed+n)%7)
				if err != nil {
					return fmt.Sprintf("dead after %d commits: %v", n, err)
				}
				if path := tr.stage.twice(); path != "" {
					return fmt.Sprintf("dead after %d commits: sent again: %s", n, path)
				}
				if inDoubt(got, want) {
					continue // the crash left a call in doubt, which is what must be said
				}
				got.Asked = want.Asked
				if diff := cmp.Diff(want, got); diff != "" {
					return fmt.Sprintf("dead after %d commits:\n%s", n, diff)
				}
			}
		}
		return ""
	})
}

// inDoubt says of a course that a call in it is unknown that was not when nothing crashed: also one that was caught, or
// another page of one that became unknown anyway.
func inDoubt(got, want course) bool {
	for path, outcome := range got.Steps {
		if strings.HasSuffix(outcome, "unknown") && (want.Steps[path] != outcome || got.pages(path) != want.pages(path)) {
			return true
		}
	}
	return false
}

// pages counts the pages of a step that were asked for.
func (c course) pages(path string) int {
	pages := map[int]bool{}
	for _, a := range c.Asked {
		if a.Path == path {
			pages[a.Page] = true
		}
	}
	return len(pages)
}

func flowKind(err error) flow.Kind {
	var e *flow.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Whatever a crash leaves open, a resumed run sends only what did not end well.
func TestAResumedRunSendsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	madeUp(t, brisk, func(t *testing.T, files map[string]string, seed int) string {
		tr := newTrial(t, files)
		tr.stage.clear()
		store := &datapoints.Memory{}
		run, _ := (&flow.Executor{Store: store, Owner: flow.Process{Stays: true}}).Run(t.Context(), tr.plan, nil)
		if run.State != datapoints.Failed {
			return ""
		}
		done := rows(t, store, run.ID)
		tr.stage.mu.Lock()
		before := len(tr.stage.asked)
		tr.stage.well = true
		tr.stage.mu.Unlock()
		again, err := successor(store).Resume(t.Context(), tr.plan, run.ID, nil)
		for _, a := range tr.stage.asked[before:] {
			if done[a.Path] == "done" && !inFinally(a.Path) {
				return fmt.Sprintf("%s was done, and was sent again: %s, then %s", a.Path, end(run, nil), end(again, err))
			}
		}
		if k := flowKind(err); err != nil && k != flow.KindFailed {
			return fmt.Sprintf("every call succeeds now, but: %s, %v", end(again, err), err)
		}
		return ""
	})
}
