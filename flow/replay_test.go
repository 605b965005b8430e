package flow_test

import (
	order "cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// What a run was, as far as two runs can be compared.
type course struct {
	End    string
	Asked  []asked
	Values map[string]string
	Steps  map[string]string
}

// A trial walks one flow again and again, each time with a new store.
type trial struct {
	t     *testing.T
	stage *stage
	plan  *flow.Plan
	in    flow.Inputs
	seed  int

	messages map[string]any // that the flow waits for
	secrets  func(context.Context, flow.SecretSource) (string, error)
}

// newTrial makes a trial of a flow that checks.
func newTrial(t *testing.T, files map[string]string) *trial {
	t.Helper()
	s := &stage{}
	p, err := stagePlan(s, files)
	if err != nil {
		t.Fatalf("%v\n%s", err, shown(files))
	}
	tr := &trial{t: t, stage: s, plan: p}
	var root struct{ Callbacks map[string]any }
	if err := json.Unmarshal([]byte(files["test.yaml"]), &root); err != nil {
		t.Fatal(err)
	}
	tr.messages = root.Callbacks
	return tr
}

// walk walks on the durable engine. With stops the machine stops after so many
// events of the history, one time for each, and another goes on.
func (tr *trial) walk(stops ...int) (course, *durable, error) {
	tr.stage.clear()
	store := &datapoints.Memory{}
	x := &flow.Executor{Store: store, Owner: flow.Process{Stays: true}}
	runs, err := x.Create(tr.t.Context(), tr.plan, "", tr.in)
	if err == nil {
		err = tr.send(x, runs[0].ID)
	}
	if err != nil {
		return course{}, nil, err
	}
	var history []json.RawMessage
	how := flow.First
	for _, most := range append(slices.Clone(stops), -1) {
		x.Secrets = tr.secrets
		k, err := flow.Employ(tr.t.Context(), x, tr.plan, runs[0].ID, how)
		if err != nil {
			return course{}, nil, err
		}
		d := &durable{worker: k, seed: tr.seed, history: history, most: most}
		run, err := d.walk(tr.t.Context())
		var failed *flow.Error
		switch {
		case errors.Is(err, errMachine):
			history, how, x = d.history, flow.GoOn, successor(store)
			x.Owner.Stays = true
			continue
		case err != nil && !errors.As(err, &failed):
			return course{}, d, err
		}
		return tr.course(store, run, err), d, nil
	}
	return course{}, nil, errors.New("the last machine stopped, too")
}

// send sends a run the messages that come.
func (tr *trial) send(x *flow.Executor, run string) error {
	for name := range tr.messages {
		if strings.HasPrefix(name, "late_") {
			continue
		}
		if _, err := x.Signal(tr.t.Context(), tr.plan, run, name, `{"say":"`+name+`"}`); err != nil && !errors.Is(err, datapoints.ErrDelivered) {
			return err
		}
	}
	return nil
}

// onward goes on with a run that has paused: its messages come, time passes.
func (tr *trial) onward(x *flow.Executor, run datapoints.Run, err error) (datapoints.Run, error) {
	for run.State == datapoints.Paused && flowKind(err) != flow.KindStore {
		if failed := tr.send(x, run.ID); failed != nil {
			return run, failed
		}
		if !run.Wake.IsZero() {
			time.Sleep(time.Until(run.Wake))
		}
		run, err = x.Resume(tr.t.Context(), tr.plan, run.ID, nil)
	}
	return run, err
}

func (tr *trial) course(store datapoints.Store, run datapoints.Run, err error) course {
	c := course{End: end(run, err), Asked: tr.stage.asked, Values: values(tr.t, store, run.ID), Steps: rows(tr.t, store, run.ID)}
	return c
}

// inBubble runs f in a bubble where time passes at once, and gives what it says.
func inBubble(t *testing.T, f func(t *testing.T) string) (said string) {
	synctest.Test(t, func(t *testing.T) { said = f(t) })
	return said
}

// stride is which part of what could be stopped a test stops: all of it with
// WALK=all in the environment, as .ci/run walk has it.
func stride() int {
	switch {
	case os.Getenv("WALK") == "all":
		return 1
	case testing.Short():
		return 10
	}
	return 7
}

// madeUp makes up flows and gives them to f, in a bubble. What f says is wrong.
func madeUp(t *testing.T, set func(a *author), f func(t *testing.T, files map[string]string, seed int) string) {
	t.Helper()
	rapid.Check(t, func(rt *rapid.T) {
		a := &author{t: rt, once: rapid.Bool().Draw(rt, "once")}
		set(a)
		files := a.flow()
		seed := rapid.IntRange(0, 1000).Draw(rt, "seed")
		if wrong := inBubble(t, func(t *testing.T) string { return f(t, files, seed) }); wrong != "" {
			rt.Fatalf("%s\n%s", wrong, shown(files))
		}
	})
}

// tame: what siblings still do when one fails is a matter of time, so either
// nothing runs beside anything, or nothing fails there.
func tame(a *author) {
	a.alone = rapid.Bool().Draw(a.t, "alone")
	a.calm = !a.alone
}

func brisk(a *author) { a.brisk = true }

func TestAWalkThatIsStoppedAnywhereAndWalkedAgainIsAsIfItWereNotStopped(t *testing.T) {
	t.Parallel()
	madeUp(t, func(a *author) { a.slow = rapid.Bool().Draw(a.t, "slow") }, replayed)
}

// replayed stops a flow's walk after each event, and compares.
func replayed(t *testing.T, files map[string]string, seed int) string {
	tr := newTrial(t, files)
	tr.seed = seed
	want, d, err := tr.walk()
	if err != nil {
		return err.Error()
	}
	if path := tr.stage.twice(); path != "" {
		return "sent again: " + path
	}
	for n := seed % stride(); n < len(d.history); n += stride() {
		stops := []int{n}
		if n%4 == 0 {
			stops = append(stops, n+2)
		}
		got, again, err := tr.walk(stops...)
		if err != nil {
			return fmt.Sprintf("stopped after %v of %d events: %v", stops, len(d.history), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Sprintf("stopped after %v of %d events:\n%s", stops, len(d.history), diff)
		}
		if len(again.history) != len(d.history) {
			return fmt.Sprintf("stopped after %v of %d events: there are %d now", stops, len(d.history), len(again.history))
		}
	}
	return ""
}

// The history is gone, the run's records are there: another engine, or the
// same one after it has cut its history.
func TestAnotherEngineGoesOnWithTheRecordsAlone(t *testing.T) {
	t.Parallel()
	madeUp(t, tame, func(t *testing.T, files map[string]string, seed int) string {
		tr := newTrial(t, files)
		want, d, err := tr.walk()
		if err != nil {
			return err.Error()
		}
		for n := seed % stride(); n < len(d.history); n += stride() {
			got, err := tr.change(n)
			if err != nil {
				return fmt.Sprintf("stopped after %d of %d events: %v", n, len(d.history), err)
			}
			slices.SortFunc(want.Asked, byPath)
			slices.SortFunc(got.Asked, byPath)
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Sprintf("stopped after %d of %d events:\n%s", n, len(d.history), diff)
			}
		}
		return ""
	})
}

func byPath(a, b asked) int {
	return order.Or(strings.Compare(a.Path, b.Path), order.Compare(a.Page, b.Page), order.Compare(a.Attempt, b.Attempt))
}

// change stops the durable engine after n events; the engine of this process goes on.
func (tr *trial) change(n int) (course, error) {
	tr.stage.clear()
	store := &datapoints.Memory{}
	x := &flow.Executor{Store: store, Owner: flow.Process{Stays: true}}
	runs, err := x.Create(tr.t.Context(), tr.plan, "", tr.in)
	if err == nil {
		err = tr.send(x, runs[0].ID)
	}
	if err != nil {
		return course{}, err
	}
	k, err := flow.Employ(tr.t.Context(), x, tr.plan, runs[0].ID, flow.First)
	if err != nil {
		return course{}, err
	}
	if _, err := (&durable{worker: k, seed: tr.seed, most: n}).walk(tr.t.Context()); !errors.Is(err, errMachine) {
		return course{}, fmt.Errorf("the machine did not stop: %w", err)
	}
	x = successor(store)
	x.Owner.Stays = true
	run, err := x.Resume(tr.t.Context(), tr.plan, runs[0].ID, nil)
	if run.ID == "" {
		return course{}, err
	}
	return tr.course(store, run, err), nil
}
