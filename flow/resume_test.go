package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// told notes the steps that an observer is told of, as they begin and end.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	if s.Kind != flow.StepSpan {
		return ctx, func(flow.End) {}
	}
	line := s.Path
	if s.Count > 0 {
		line += fmt.Sprintf(" %d of %d", s.Skip, s.Count)
	}
	l.note("begins " + line)
	return ctx, func(e flow.End) { l.note(s.Path + " " + e.Outcome) }
}

func (l *told) note(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// A loop and a block around what failed are open when the run is resumed:
// whoever watches must see them go on and end.
func TestAnObserverIsToldOfTheBlocksAndLoopsThatAResumeGoesOnWith(t *testing.T) {
	t.Parallel()
	w := &world{}
	fails := true
	w.script = func(path string, _ int) error {
		if fails && path == "all[1].send" {
			return errors.New("no")
		}
		return nil
	}
	p := compile(t, w, `
steps:
  - { id: first, action: call }
  - id: all
    for_each: { in: "[1, 2, 3]" }
    steps:
      - { id: send, action: call }
`)
	x := &flow.Executor{Store: &datapoints.Memory{}}
	run, err := x.Run(t.Context(), p, nil)
	if err == nil {
		t.Fatal("the run did not fail")
	}
	fails = false
	seen := &told{}
	x = &flow.Executor{Store: x.Store, Observer: seen}
	if _, err := x.Resume(t.Context(), p, run.ID, nil); err != nil {
		t.Fatal(err)
	}
	outer := slices.DeleteFunc(seen.lines, func(l string) bool { return l != "begins all 1 of 3" && l != "all done" && l != "begins first" })
	if diff := cmp.Diff([]string{"begins all 1 of 3", "all done"}, outer); diff != "" {
		t.Error(diff)
	}
}

// What is shown as "5 of 6 steps" counts what is over, whatever its kind: a
// run that succeeded has nothing left.
func TestARunThatSucceededHasDoneAllOfItsSteps(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a block": `
steps:
  - id: block
    steps: [ { id: one, action: call }, { id: two, set: { a: 1 } } ]
`,
		"a block that is skipped": `
inputs: { go: { type: boolean, default: false } }
steps:
  - id: block
    if: inputs.go
    steps: [ { id: one, action: call } ]
`,
		"a side not taken": `
inputs: { go: { type: boolean, default: true } }
steps:
  - id: step
    if: inputs.go
    set: { a: 1 }
    else: [ { id: other, action: call } ]
`,
		"a loop over nothing": `
steps:
  - id: loop
    for_each: { in: "[]" }
    steps: [ { id: one, action: call } ]
`,
		"a loop whose first item failed": `
steps:
  - id: loop
    for_each: { in: "[1, 2]", on_error: continue }
    steps: [ { id: one, fail: no } ]
`,
		"finally": `
steps: [ { id: one, action: call } ]
finally: [ { id: block, steps: [ { id: two, action: call } ] } ]
`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compile(t, &world{}, text)
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if run.Done != run.Steps || run.Steps != p.Steps() {
				t.Errorf("%d of %d steps are done, the plan has %d", run.Done, run.Steps, p.Steps())
			}
		})
	}
}

func TestAFailedRunCountsTheStepsThatEnded(t *testing.T) {
	t.Parallel()
	run, err := (&flow.Executor{}).Run(t.Context(), compile(t, &world{}, `
steps:
  - { id: one, action: call }
  - id: block
    steps: [ { id: two, action: call }, { id: three, fail: no }, { id: four, action: call } ]
finally: [ { id: five, action: call } ]
`), nil)
	if err == nil || run.Done != 3 || run.Steps != 6 {
		t.Errorf("%d of %d steps are done (%v), want 3 of 6", run.Done, run.Steps, err)
	}
}

func TestADecisionThatIsMissingOrWrongPointsAtItsStep(t *testing.T) {
	t.Parallel()
	w := &world{script: func(string, int) error { return lost() }}
	p := compile(t, w, `
steps:
  - id: all
    for_each: { in: "[1]" }
    action: call
    save: { a: path, b: { path: say, optional: true } }
`)
	x := &flow.Executor{Store: &datapoints.Memory{}}
	run, err := x.Run(t.Context(), p, nil)
	if failureOf(t, err).Kind != flow.KindUnknown {
		t.Fatal(err)
	}
	sent := func(values map[string]any) flow.Assume { return flow.Assume{"all[0]": {Sent: true, Values: values}} }
	for want, decisions := range map[string]flow.Assume{
		"it is not known whether the call of all[0] was processed; nothing was sent": nil,
		"a call is assumed to be sent, and values that it saves are not given":       sent(nil),
		"step all[0] saves nothing that is called c":                                 sent(map[string]any{"a": "1", "c": "2"}),
	} {
		_, err := x.Resume(t.Context(), p, run.ID, decisions)
		if e := failureOf(t, err); e.Message != want || e.Place.Line != 5 || e.Step != "all[0]" {
			t.Errorf("%s at line %d (%s), want: %s", e.Message, e.Place.Line, e.Step, want)
		}
	}
	if w.sent("all[0]") != 1 {
		t.Errorf("sent %d times", w.sent("all[0]"))
	}
}

// TestAllValuesOfCallsThatAreAssumedToBeSentAreAskedForAtOnce, each with its type
// and what to add.
func TestAllValuesOfCallsThatAreAssumedToBeSentAreAskedForAtOnce(t *testing.T) {
	t.Parallel()
	var sent sync.WaitGroup // none is stopped by the other before
	sent.Add(2)
	w := &world{script: func(string, int) error {
		sent.Done()
		sent.Wait()
		return lost()
	}}
	p := compile(t, w, `
data: { receipt: string, count: integer }
steps:
  - parallel:
      one:
        - { id: pay, action: call, save: { receipt: path, count: say, spare: { path: say, default: 1 }, may: { path: say, optional: true } } }
      two:
        - { id: post, action: call, save: { tags: { path: say, type: list } } }
    id: both
`)
	x := &flow.Executor{Store: &datapoints.Memory{}}
	run, err := x.Run(t.Context(), p, nil)
	if failureOf(t, err).Kind != flow.KindUnknown {
		t.Fatal(err)
	}
	pay, post := "both.one.pay", "both.two.post"
	decide := func(given map[string]any) flow.Assume {
		return flow.Assume{pay: {Sent: true, Values: given}, post: {Sent: true}}
	}
	for _, c := range []struct {
		given map[string]any
		facts []flow.Fact
		hint  string
	}{
		{nil, []flow.Fact{{pay, "saves receipt (string)"}, {pay, "saves count (integer)"}, {post, "saves tags (list)"}},
			"-d both.one.pay:receipt=VALUE -d both.one.pay:count=VALUE -d both.two.post:tags=VALUE"},
		{map[string]any{"receipt": "r-1"}, []flow.Fact{{pay, "saves count (integer)"}, {post, "saves tags (list)"}},
			"-d both.one.pay:count=VALUE -d both.two.post:tags=VALUE"},
	} {
		_, err := x.Resume(t.Context(), p, run.ID, decide(c.given))
		e := failureOf(t, err)
		if diff := cmp.Diff(c.facts, e.Facts); diff != "" || e.Kind != flow.KindInput {
			t.Errorf("%s (-want +got)\n%s", e.Kind, diff)
		}
		if want := []string{"look them up at the server, then add " + c.hint}; !slices.Equal(e.Hints, want) {
			t.Errorf("hints %q, want %q", e.Hints, want)
		}
	}
	if needed := p.Needed(pay); !slices.Equal(needed, []flow.Fact{{"receipt", "string"}, {"count", "integer"}}) || p.Needed("both") != nil || p.Needed("nothing") != nil {
		t.Errorf("needed are %v", needed)
	}
	if w.sent(pay) != 1 {
		t.Errorf("sent %d times", w.sent(pay))
	}
}

func TestTheRunsOfABatchSortByTheirRows(t *testing.T) {
	t.Parallel()
	x := &flow.Executor{}
	p := compile(t, &world{}, "inputs: { n: integer }\nsteps: [ { id: a, set: { b: 1 } } ]")
	runs, err := x.Create(t.Context(), p, "batch-1", slices.Repeat([]flow.Inputs{{"n": 1}}, 5000)...)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(runs, func(a, b datapoints.Run) int { return strings.Compare(a.ID, b.ID) }) {
		t.Error("the ids do not sort as the rows do")
	}
}

// The process died while a call was under way: that attempt is in the record,
// although nobody wrote down how it ended.
func TestTheAttemptOfAProcessThatDiedIsRecorded(t *testing.T) {
	t.Parallel()
	m := &mortal{Store: &datapoints.Memory{}, lives: -1}
	w := &world{}
	w.during = func(context.Context, string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.lives = 0
	}
	p := compile(t, w, "steps: [ { id: a, action: call } ]")
	run, err := (&flow.Executor{Store: m}).Run(t.Context(), p, nil)
	if !errors.Is(err, errDead) {
		t.Fatal(err)
	}
	m.revive()
	if _, err := successor(m).Resume(t.Context(), p, run.ID, nil); failureOf(t, err).Kind != flow.KindUnknown {
		t.Fatal(err)
	}
	steps, err := flow.History(t.Context(), m, run.ID)
	if err != nil || len(steps) != 1 || len(steps[0].Attempts) != 1 {
		t.Fatalf("%v, %v", steps, err)
	}
	if a := steps[0].Attempts[0]; a.N != 1 || !a.Sent || a.Kind != "unknown" || a.Started.IsZero() || a.Message.IsZero() {
		t.Errorf("the attempt is %+v", a)
	}
}
