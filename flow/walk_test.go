package flow_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestAnEngineSeesControlInformationOnly(t *testing.T) {
	t.Parallel()
	texts := []string{"Run", "Path", "Cause", "Kind"}
	for _, typ := range []reflect.Type{reflect.TypeFor[flow.Task](), reflect.TypeFor[flow.Outcome](), reflect.TypeFor[flow.Failure]()} {
		for i := range typ.NumField() {
			f := typ.Field(i)
			switch k := f.Type.Kind(); {
			case f.Type == reflect.TypeFor[time.Time](), k == reflect.Int, k == reflect.Uint8:
			case k == reflect.String && slices.Contains(texts, f.Name):
			default:
				t.Errorf("%s.%s is a %s", typ.Name(), f.Name, f.Type)
			}
		}
	}
}

// traced makes a run and gives the tasks of its walk, without their times.
func traced(t testing.TB, s datapoints.Store, p *flow.Plan) (tasks []flow.Task, run datapoints.Run, err error) {
	t.Helper()
	x := &flow.Executor{Store: s}
	runs, err := x.Create(t.Context(), p, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	tasks, _, run, err = flow.Traced(t.Context(), x, p, runs[0].ID, flow.First)
	if run.ID == "" {
		run = runs[0]
	}
	return timeless(tasks), run, err
}

func timeless(tasks []flow.Task) []flow.Task {
	for i := range tasks {
		tasks[i].Run, tasks[i].Deadline = "", time.Time{}
	}
	return tasks
}

func TestWithoutConcurrencyEveryWalkAsksForTheSameTasksInTheSameOrder(t *testing.T) {
	t.Parallel()
	madeUp(t, func(a *author) { a.alone, a.brisk = true, true }, func(t *testing.T, files map[string]string, _ int) string {
		tr := newTrial(t, files)
		var want []flow.Task
		for i := range 100 / stride() {
			tr.stage.clear()
			got, _, _ := traced(t, &datapoints.Memory{}, tr.plan)
			if i == 0 {
				want = got
			} else if !slices.Equal(want, got) {
				return fmt.Sprintf("walk %d differs:\n%s", i, cmp.Diff(want, got))
			}
		}
		return ""
	})
}

func TestWhatIsFinishedIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	madeUp(t, brisk, func(t *testing.T, files map[string]string, seed int) string {
		tr := newTrial(t, files)
		tr.stage.clear()
		s := &mortal{Store: &datapoints.Memory{}, lives: seed % 40}
		_, run, err := traced(t, s, tr.plan)
		if flowKind(err) != flow.KindStore {
			return ""
		}
		s.revive()
		got, err := s.Read(t.Context(), run.ID, datapoints.Query{Rows: true})
		if err != nil {
			return err.Error()
		}
		var left []string
		for _, e := range got.Rows {
			if l := e.Row.Last.Status; e.Row.Enter.Status != 0 && (l == datapoints.Done || l == datapoints.Broke) {
				left = append(left, e.Path)
			}
		}
		asked, done, _, _ := flow.Traced(t.Context(), successor(s), tr.plan, run.ID, flow.Resumed)
		for _, task := range asked {
			for _, path := range left {
				if path != "" && below(task.Path, path) {
					return fmt.Sprintf("%s was asked for, %s is over", task.Path, path)
				}
			}
		}
		seen := map[string]bool{}
		for _, task := range timeless(done) {
			key := fmt.Sprint(task)
			if seen[key] {
				return key + " was done twice"
			}
			seen[key] = true
		}
		return ""
	})
}

// below says whether a path is of something in the body at another: not of
// what comes after it.
func below(path, at string) bool {
	rest, ok := strings.CutPrefix(path, at)
	if !ok || rest == "" || !strings.ContainsAny(rest[:1], ".[#") {
		return false
	}
	for _, after := range []string{".else", ".catch[", ".finally"} {
		if strings.HasPrefix(rest, after) {
			return false
		}
	}
	return true
}

// inFinally says whether a path is of a step in some finally.
func inFinally(path string) bool {
	return strings.HasPrefix(path, "finally.") || strings.Contains(path, ".finally.")
}

func TestAResumedLoopAsksForItsUnfinishedItemsOnly(t *testing.T) {
	t.Parallel()
	s := &mortal{Store: &datapoints.Memory{}, lives: -1}
	w := &world{}
	w.during = func(_ context.Context, path string) {
		if path == "each[990]" {
			s.mu.Lock()
			s.lives = 0 // its intent is written
			s.mu.Unlock()
		}
	}
	p := compile(t, w, "steps:\n  - { id: each, for_each: { in: '1..1000' }, action: call }\n  - { id: next, action: call }\n")
	run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	s.revive()
	w.during = nil
	asked, _, run, err := flow.Traced(t.Context(), successor(s), p, run.ID, flow.Resumed)
	if got := end(run, err); got != "unknown unknown at each[990]" || len(asked) > 10 {
		t.Errorf("%d tasks were asked for; %s", len(asked), got)
	}
}

// doomed dies with the commit of a certain failure.
type doomed struct {
	datapoints.Store
	path string
	mu   sync.Mutex
	died chan struct{} // nil: it lives on
}

func (d *doomed) Traits() datapoints.Traits { return datapoints.Traits{Lasts: true, Sealed: true} }

func (d *doomed) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.died == nil {
		return d.Store.Commit(ctx, l, records...)
	}
	select {
	case <-d.died:
		return errDead
	default:
	}
	for i, r := range records {
		if r.Path == d.path && r.Row.Last.Status == datapoints.Broke {
			if err := d.Store.Commit(ctx, l, records[:i+1]...); err != nil {
				return err
			}
			close(d.died)
			return errDead
		}
	}
	return d.Store.Commit(ctx, l, records...)
}

func TestABranchThatWasStoppedSendsNothingMoreAlsoOnResume(t *testing.T) {
	t.Parallel()
	const steps = `
steps:
  - id: each
    for_each: { in: "1..8", concurrency: 8 }
    steps:
      - { id: first, if: item < 8, action: call, with: { safe: true } }
      - { id: held, if: item < 8, action: call, with: { safe: true } }
      - { id: fails, if: item == 8, action: call }
      - { id: last, action: call }
`
	tries := 1000
	if testing.Short() {
		tries = 50
	}
	for i := range tries {
		s := &doomed{Store: &datapoints.Memory{}, path: "each[7].fails", died: make(chan struct{})}
		var held sync.WaitGroup
		held.Add(7)
		w := &world{script: func(path string, _ int) error {
			if path == "each[7].fails" {
				return refused(404)
			}
			return nil
		}}
		w.during = func(_ context.Context, path string) {
			switch {
			case strings.HasSuffix(path, ".held"):
				held.Done()
				<-s.died // its record is lost
			case path == "each[7].fails":
				held.Wait()
			}
		}
		p := compile(t, w, steps)
		run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		s.died, w.during = nil, nil
		before := len(w.order)
		run, err := successor(s).Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != "failed http at each[7].fails" || before != 15 {
			t.Fatal(got, before)
		}
		if sent := w.order[before:]; len(sent) > 0 {
			t.Fatalf("try %d: %v were sent", i, sent)
		}
	}
}

func TestABranchIsStoppedWhenItsSiblingFailsAndFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{script: func(path string, _ int) error {
			if path == "each[1].a" {
				return refused(404)
			}
			return nil
		}}
		w.during = func(_ context.Context, path string) {
			if path == "each[0].a" {
				time.Sleep(time.Second)
			}
		}
		p := compile(t, w, "steps:\n  - id: each\n    for_each: { in: '1..9', concurrency: 2 }\n    steps:\n      - { id: a, action: call, with: { safe: true }, save: { p: path } }\n      - { id: b, action: call }\n")
		s := &datapoints.Memory{}
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		if got := end(run, err); got != "failed http at each[1].a" {
			t.Fatal(got)
		}
		if diff := cmp.Diff(map[string]int{"each[0].a": 1, "each[1].a": 1}, w.sends); diff != "" {
			t.Fatal(diff)
		}
		if values(t, s, run.ID)["each[0]|p"] != `"each[0].a"` {
			t.Fatal("what was in flight was not recorded")
		}
	})
}

func TestTheFirstFailureInSourceOrderIsTheRuns(t *testing.T) {
	t.Parallel()
	for range 50 {
		var all sync.WaitGroup
		all.Add(4)
		w := &world{script: func(string, int) error { return refused(404) }}
		w.during = func(context.Context, string) { all.Done(); all.Wait() }
		p := compile(t, w, "steps:\n  - { id: each, for_each: { in: '1..4', concurrency: 4 }, action: call }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != "failed http at each[0]" {
			t.Fatal(got)
		}
	}
}

func TestFinallyIsOpenedWholeWhenAFailedRunIsResumed(t *testing.T) {
	t.Parallel()
	broken := true
	w := &world{script: func(path string, _ int) error {
		if broken && path == "b" {
			return refused(404)
		}
		return nil
	}}
	p := compile(t, w, `
steps:
  - { id: a, if: 1 == 1, action: call }
  - { id: b, action: call }
finally:
  - { id: f, set: { status: "${{ run.status }}" } }
  - { id: each, for_each: { in: "1..2" }, action: call, with: { say: "${{ data.status }}" }, save: { said: say } }
  - { id: n, set: { n: "${{ steps.each.count }}" } }
`)
	s := &datapoints.Memory{}
	run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if got := values(t, s, run.ID)["|said"]; got != `["failed","failed"]` {
		t.Fatal(got)
	}
	broken = false
	run, err := successor(s).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != "succeeded {}" {
		t.Fatal(got, err)
	}
	if got := values(t, s, run.ID); got["|said"] != `["succeeded","succeeded"]` || got["|n"] != "2" {
		t.Error(got)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 2, "finally.each[0]": 2, "finally.each[1]": 2}, w.sends); diff != "" {
		t.Error(diff)
	}
}

func TestConditionsItemsAndInputsAreKeptOnResume(t *testing.T) {
	t.Parallel()
	broken := true
	w := &world{script: func(path string, _ int) error {
		if broken && (path == "each[1].x" || path == "b") {
			return refused(404)
		}
		return nil
	}}
	p := compile(t, w, `
inputs: { go: boolean }
steps:
  - { id: s, set: { list: [1, 2] } }
  - id: each
    if: len(data.list) == 2
    for_each: { in: data.list }
    steps:
      - { id: c, set: { count: "${{ item }}" } }
      - { id: x, if: inputs.go, action: call, with: { say: "${{ item }}" }, save: { said: say } }
outputs: { said: "${{ need(data.said) }}" }
`)
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, flow.Inputs{"go": true})
	if end(run, err) != "failed http at each[1].x" {
		t.Fatal(end(run, err))
	}
	broken = false
	run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != `succeeded {"said":[1,2]}` {
		t.Error(got, err)
	}
	if diff := cmp.Diff(map[string]int{"each[0].x": 1, "each[1].x": 2}, w.sends); diff != "" {
		t.Error(diff)
	}
}

func TestARepeatedCallHasTheSameBytes(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"safe: true", "key: true"} {
		s := &mortal{Store: &datapoints.Memory{}, lives: -1}
		dead := false
		w := &web{answer: func(h hit) (flow.Result, error) {
			switch h.Nth {
			case 1:
				return status(503, "", "Retry-After", "0"), nil
			case 2:
				if strings.HasPrefix(with, "key") && !dead {
					s.mu.Lock()
					s.lives, dead = 0, true
					s.mu.Unlock()
				}
			}
			return ok(`{}`), nil
		}}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { "+with+", say: '${{ uuid() }} ${{ now() }} ${{ uuid() }}' } }\n")
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		if dead {
			s.revive()
			run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		}
		if got := end(run, err); got != "succeeded {}" || len(w.hits) < 2 {
			t.Fatal(got, err, len(w.hits))
		}
		for _, h := range w.hits[1:] {
			if h.Say != w.hits[0].Say {
				t.Errorf("%s: %s, before %s", with, h.Say, w.hits[0].Say)
			}
		}
	}
}

func TestAnItemThatWasPassedOverStaysSoOnResume(t *testing.T) {
	t.Parallel()
	first := true
	w := &world{script: func(path string, _ int) error {
		switch {
		case path == "each[0]":
			return refused(404)
		case path == "each[1]" && first:
			return lost()
		}
		return nil
	}}
	p := compile(t, w, "steps:\n  - { id: each, for_each: { in: '1..3', on_error: continue }, action: call }\noutputs: { failed: '${{ steps.each.failures[0].index }} ${{ steps.each.failed }}' }\n")
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if got := end(run, err); got != "unknown unknown at each[1]" {
		t.Fatal(got)
	}
	first = false
	run, err = successor(s).Resume(t.Context(), p, run.ID, flow.Assume{"each[1]": {}})
	if got := end(run, err); got != `succeeded {"failed":"0 1"}` {
		t.Error(got, err)
	}
	if diff := cmp.Diff(map[string]int{"each[0]": 1, "each[1]": 2, "each[2]": 1}, w.sends); diff != "" {
		t.Error(diff)
	}
}

func TestAResumedStepHasAllItsAttemptsAgainAndItsNumbersGoOn(t *testing.T) {
	t.Parallel()
	w := &web{answer: func(h hit) (flow.Result, error) {
		if h.Nth < 6 {
			return status(503, "", "Retry-After", "0"), nil
		}
		return ok(`{}`), nil
	}}
	p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true } }\noutputs: { n: '${{ steps.a.attempts }}' }\n")
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if got := end(run, err); got != "failed http at a" || len(w.hits) != 3 {
		t.Fatal(got, len(w.hits))
	}
	run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != `succeeded {"n":3}` || len(w.hits) != 6 {
		t.Error(got, len(w.hits))
	}
	got, err := s.Read(t.Context(), run.ID, datapoints.Query{Attempts: true})
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, a := range got.Attempts["a"] {
		numbers = append(numbers, a.N)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5, 6}, numbers); diff != "" {
		t.Error(diff)
	}
}

// A scripted engine answers tasks by path and phase, and stops at one.
type scripted struct {
	stopAt string
	stop   error
	asked  []string
}

func (e *scripted) Do(_ context.Context, t flow.Task) (flow.Outcome, error) {
	phase := map[flow.Phase]string{flow.Enter: "enter", flow.Try: "try", flow.Catch: "catch", flow.Leave: "leave"}[t.Phase]
	name := strings.TrimSpace(phase + " " + t.Path)
	e.asked = append(e.asked, name)
	if name == e.stopAt {
		return flow.Outcome{}, e.stop
	}
	switch t.Phase {
	case flow.Enter:
		return flow.Outcome{Status: datapoints.Open, Next: 1}, nil
	case flow.Try:
		if t.Path == "o.b" {
			return flow.Outcome{Status: datapoints.Broke, Kind: "http"}, nil
		}
	case flow.Leave:
		if t.Cause != "" {
			return flow.Outcome{Status: datapoints.Broke, Kind: "http"}, nil
		}
	}
	return flow.Outcome{Status: datapoints.Done}, nil
}

func (*scripted) SleepUntil(context.Context, time.Time) error       { return nil }
func (*scripted) Await(context.Context, flow.Task, time.Time) error { return nil }
func (*scripted) Shield(ctx context.Context) context.Context        { return ctx }
func (*scripted) Each(context.Context, int, int, func(context.Context, int) error) error {
	return nil
}

func TestTheOrderOfTasksIsBodyLeaveCatchFinally(t *testing.T) {
	t.Parallel()
	p := compile(t, &world{}, `
steps:
  - { id: a, action: call }
  - id: o
    timeout: 1m
    on_error: continue
    steps:
      - { id: b, action: call }
      - { id: c, action: call }
  - { id: d, action: call }
finally:
  - { id: e, action: call }
`)
	all := []string{"enter", "try a", "enter o", "try o.b", "leave o", "catch o", "try d", "leave", "enter finally", "try finally.e", "leave finally"}
	broken := errors.New("broken")
	for _, tt := range []struct {
		at   string
		with error
		want int // of all
	}{
		{"", nil, len(all)},
		{"try a", flow.ErrInterrupted, 2}, {"try a", flow.ErrPaused, 2}, {"try a", broken, 2},
		{"catch o", flow.ErrInterrupted, 6}, {"leave o", broken, 5}, {"try finally.e", flow.ErrInterrupted, 10},
	} {
		e := &scripted{stopAt: tt.at, stop: tt.with}
		err := flow.Walk(t.Context(), p, "run", e)
		if diff := cmp.Diff(all[:tt.want], e.asked); diff != "" || !errors.Is(err, tt.with) {
			t.Errorf("%v at %q: %v %s", tt.with, tt.at, err, diff)
		}
	}
	// A stop runs finally, and nothing else.
	e := &scripted{stopAt: "try a", stop: flow.ErrStopped}
	if err := flow.Walk(t.Context(), p, "run", e); !errors.Is(err, flow.ErrStopped) {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"enter", "try a", "enter finally", "try finally.e", "leave finally"}, e.asked); diff != "" {
		t.Error(diff)
	}
}

// A branch that a stop has woken counts as running at once: else the replay
// would be taken for over, and what waits behind it would go out.
func TestABranchThatAStopHasWokenHoldsBackWhatIsNewOnResume(t *testing.T) {
	t.Parallel()
	const steps = `
steps:
  - id: each
    for_each: { in: "1..2", concurrency: 2 }
    steps:
      - id: inner
        if: item == 1
        for_each: { in: "1..2", as: n, concurrency: 2 }
        steps:
          - { id: waits, if: n == 1, action: call, with: { safe: true } }
          - { id: fails, if: n == 2, action: call }
      - { id: held, if: item == 2, action: call, with: { safe: true } }
`
	for i := range 200 {
		synctest.Test(t, func(t *testing.T) {
			s := &doomed{Store: &datapoints.Memory{}, path: "each[0].inner[1].fails", died: make(chan struct{})}
			w := &world{script: func(path string, _ int) error {
				switch path {
				case "each[0].inner[0].waits":
					return &flow.Error{Kind: flow.KindHTTP, Status: 429, Refused: true, After: 200 * time.Second}
				case "each[0].inner[1].fails":
					return refused(404)
				}
				return nil
			}}
			w.during = func(_ context.Context, path string) {
				switch path {
				case "each[1].held":
					<-s.died
				case "each[0].inner[1].fails":
					time.Sleep(time.Second) // everybody else waits
				}
			}
			p := compile(t, w, steps)
			run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
			s.died, w.during = nil, nil
			before := len(w.order)
			run, err := successor(s).Resume(t.Context(), p, run.ID, nil)
			if got := end(run, err); got != "failed http at each[0].inner[1].fails" || before != 3 {
				t.Fatal(got, before)
			}
			if sent := w.order[before:]; len(sent) > 0 {
				t.Fatalf("try %d: %v were sent", i, sent)
			}
		})
	}
}
