package walk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/walk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A clerk does the tasks of a journal: what is recorded it answers, what is
// not it does as told. Everything that is done is recorded.
type clerk struct {
	mu     sync.Mutex
	record map[string]walk.Outcome // "phase path"
	done   []string
	do     func(key string) (walk.Outcome, error) // nil, or no status: done
}

func key(t walk.Task) string { return strings.TrimSpace(phase(t.Phase) + " " + t.Path) }

func (c *clerk) recorded(t walk.Task) (walk.Outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out, ok := c.record[key(t)]
	return out, ok
}

func (c *clerk) work(_ context.Context, t walk.Task) (out walk.Outcome, err error) {
	if c.do != nil {
		out, err = c.do(key(t))
	}
	if err != nil {
		return out, err
	}
	if out.Status == 0 {
		if out.Status = datapoints.Done; t.Phase == walk.Enter {
			out.Status = datapoints.Open
		}
		if t.Phase == walk.Leave && t.Cause != "" {
			out = broke("passed")
		}
		if t.Phase == walk.Catch {
			out.Next = -1
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, key(t))
	if out.Status != datapoints.Again {
		if c.record == nil {
			c.record = map[string]walk.Outcome{}
		}
		c.record[key(t)] = out
	}
	return out, nil
}

func (c *clerk) walk(ctx context.Context, root *plan.Node, replaying bool) error {
	j := &walk.Journal{Recorded: c.recorded, Work: c.work, Hard: context.Background()}
	return j.Walk(ctx, compiled(root), "run", replaying)
}

// branches is a parallel of blocks.
func branches(id string, atOnce int, blocks ...*plan.Node) *plan.Node {
	return &plan.Node{ID: id, Kind: plan.Parallel, AtOnce: atOnce, Steps: blocks}
}

func TestTheGravestErrorOfSiblingsCounts(t *testing.T) {
	t.Parallel()
	http, data := &walk.Failure{Path: "b", Kind: "http"}, &walk.Failure{Path: "c", Kind: "data"}
	for _, tt := range []struct {
		name string
		errs []error
		want error
	}{
		{"none", []error{nil, nil, nil}, nil},
		{"the first failure in order", []error{nil, http, data}, http},
		{"a failure before a stop", []error{walk.ErrStopped, http, walk.ErrStopped}, http},
		{"a pause before a failure", []error{http, walk.ErrPaused, nil}, walk.ErrPaused},
		{"an interrupt before a pause", []error{walk.ErrPaused, walk.ErrInterrupted, http}, walk.ErrInterrupted},
		{"the engine before all", []error{walk.ErrInterrupted, http, errBroken}, errBroken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				var all sync.WaitGroup
				all.Add(len(tt.errs))
				got := each(t, len(tt.errs), len(tt.errs), func(_ context.Context, i int) error {
					all.Done()
					all.Wait() // so that all have begun before one ends
					return tt.errs[i]
				})
				if got != tt.want {
					t.Fatalf("%v, want %v", got, tt.want)
				}
			}
		})
	}
}

// each runs the journal's Each alone.
func each(t *testing.T, n, atOnce int, f func(context.Context, int) error) error {
	t.Helper()
	j := &walk.Journal{Recorded: func(walk.Task) (walk.Outcome, bool) { return walk.Outcome{}, false }, Hard: t.Context(),
		Work: func(_ context.Context, task walk.Task) (walk.Outcome, error) {
			if task.Phase == walk.Enter {
				return walk.Outcome{Status: datapoints.Open}, nil
			}
			return walk.Outcome{Status: datapoints.Done}, nil
		}}
	if err := j.Walk(t.Context(), compiled(flowOf()), "run", false); err != nil {
		t.Fatal(err)
	}
	return j.Each(t.Context(), n, atOnce, f)
}

func TestBranchesStartInOrderAndNeverMoreThanMayRun(t *testing.T) {
	t.Parallel()
	for _, atOnce := range []int{0, 1, 2, 7, 64, 500} {
		var open, most atomic.Int64
		var mu sync.Mutex
		var order []int
		err := each(t, 200, atOnce, func(_ context.Context, i int) error {
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			if n := open.Add(1); n > most.Load() {
				most.Store(n)
			}
			open.Add(-1)
			return nil
		})
		if err != nil || len(order) != 200 || most.Load() > int64(max(atOnce, 1)) {
			t.Errorf("%d at once: %v, %d branches, %d at once", atOnce, err, len(order), most.Load())
		}
		if atOnce <= 1 && !slices.IsSorted(order) {
			t.Errorf("%d at once: in the order %v", atOnce, order)
		}
	}
}

func TestAFailureStartsNothingMoreAndWakesWhoSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clerk{do: func(key string) (walk.Outcome, error) {
			switch key {
			case "try p.a.sleeps":
				return walk.Outcome{Status: datapoints.Again, Next: 2, Until: time.Now().Add(1000 * time.Hour)}, nil
			case "try p.b.fails":
				time.Sleep(time.Second)
				return broke("http"), nil
			}
			return walk.Outcome{}, nil
		}}
		began := time.Now()
		tidy := func(n *plan.Node) { n.Finally = block("", call("tidy")) }
		err := c.walk(t.Context(), flowOf(branches("p", 2,
			with(block("a", call("sleeps"), call("never")), tidy), with(block("b", call("fails")), tidy), block("c", call("late")))), false)
		if err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		for _, want := range []string{"try p.a.finally.tidy", "try p.b.finally.tidy"} {
			if !slices.Contains(c.done, want) {
				t.Errorf("%s is missing: %v", want, c.done)
			}
		}
		for _, not := range []string{"try p.a.never", "leave p.a", "enter p.c", "try p.c.late"} {
			if slices.Contains(c.done, not) {
				t.Errorf("%s was done: %v", not, c.done)
			}
		}
	})
}

// A branch has failed, for its siblings, when its own catch and finally have ended.
func TestSiblingsGoOnUntilTheFinallyOfAFailedBranchHasEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clerk{do: func(key string) (walk.Outcome, error) {
			switch key {
			case "try p.a.fails":
				return broke("http"), nil
			case "try p.a.finally.tidy":
				time.Sleep(time.Minute)
			case "try p.b.goes", "try p.b.on":
				time.Sleep(20 * time.Second)
			}
			return walk.Outcome{}, nil
		}}
		_ = c.walk(t.Context(), flowOf(branches("p", 2, with(block("a", call("fails")), func(n *plan.Node) { n.Finally = block("", call("tidy")) }),
			block("b", call("goes"), call("on")))), false)
		if !slices.Contains(c.done, "leave p.b") {
			t.Errorf("b was stopped before a was over: %v", c.done)
		}
	})
}

// The record says that b failed and not that a was stopped: the process died
// between the two. a2 must not go out, whoever is first.
func TestAStoppedBranchSendsNothingWhenTheFailureIsReplayed(t *testing.T) {
	t.Parallel()
	open := walk.Outcome{Status: datapoints.Open, Count: 2}
	for i := range 1000 {
		synctest.Test(t, func(t *testing.T) {
			wait := walk.Outcome{Status: datapoints.Again, Next: 1, Until: time.Now().Add(time.Duration(1+i%3) * time.Hour)}
			c := &clerk{record: map[string]walk.Outcome{"enter": open, "enter p": open, "enter p.a": open, "enter p.b": open,
				"try p.a.a1": {Status: datapoints.Done}, "try p.b.b1": broke("http")}}
			c.do = func(key string) (walk.Outcome, error) {
				switch {
				case key == "try p.a.w" && time.Now().Before(wait.Until):
					return wait, nil
				case !strings.HasPrefix(key, "try"):
					time.Sleep(time.Second) // who does not wait for it is first
				}
				return walk.Outcome{}, nil
			}
			a, b := block("a", call("a1"), call("a2")), block("b", call("b1"))
			switch i % 4 {
			case 1:
				a = block("a", call("a1"), call("w"), call("a2"))
				c.record["try p.a.w"] = wait
			case 2: // deeper, so that it waits behind a sibling that sleeps
				a = block("a", call("a1"), branches("q", 2, block("x", call("w")), block("y", call("a2"))))
				c.record["enter p.a.q"], c.record["enter p.a.q.x"], c.record["enter p.a.q.y"] = open, open, open
			case 3: // no clause takes the failure, but that was not recorded
				b.Catch = []*plan.Node{bare(call("clause"))}
			}
			err := c.walk(t.Context(), flowOf(branches("p", 2, a, b)), true)
			if err == nil {
				t.Fatal("the failure is lost")
			}
			for _, sent := range c.done {
				if strings.HasPrefix(sent, "try") {
					t.Fatalf("try %d: %s was sent after b had failed", i, sent)
				}
			}
		})
	}
}

// What was entered and stopped has half-run its finally when the process died.
func TestTheFinallyOfAStoppedBranchIsFoundOnResume(t *testing.T) {
	t.Parallel()
	open := walk.Outcome{Status: datapoints.Open, Count: 2}
	for range 100 {
		c := &clerk{record: map[string]walk.Outcome{"enter": open, "enter p": open, "enter p.a": open, "enter p.b": open,
			"try p.a.a1": broke("http"), "leave p.a": broke("http"), "enter p.b.finally": open, "try p.b.finally.one": {Status: datapoints.Done}}}
		tidy := func(n *plan.Node) { n.Finally = block("", call("one"), call("two")) }
		_ = c.walk(t.Context(), flowOf(branches("p", 2, block("a", call("a1")), with(block("b", call("b1")), tidy))), true)
		if fmt.Sprint(c.done) != "[try p.b.finally.two leave p.b.finally leave p leave]" {
			t.Fatal(c.done)
		}
	}
}

func TestAnInterruptStartsNothingMoreAndLetsWhatRunsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		c := &clerk{do: func(key string) (walk.Outcome, error) {
			switch key {
			case "try p.a.runs":
				time.Sleep(time.Minute)
				cancel()
				synctest.Wait()
			case "try p.b.sleeps":
				return walk.Outcome{Status: datapoints.Again, Next: 2, Until: time.Now().Add(time.Hour)}, nil
			}
			return walk.Outcome{}, nil
		}}
		tidy := func(n *plan.Node) { n.Finally = block("", call("tidy")) }
		err := c.walk(ctx, flowOf(branches("p", 2, with(block("a", call("runs"), call("next")), tidy), with(block("b", call("sleeps")), tidy))), false)
		if !errors.Is(err, walk.ErrInterrupted) {
			t.Error(err)
		}
		if !slices.Contains(c.done, "try p.a.runs") || slices.ContainsFunc(c.done, func(s string) bool { return strings.Contains(s, "next") || strings.Contains(s, "tidy") }) {
			t.Error(c.done)
		}
	})
}

func TestACancelStartsNothingNewAndRunsFinallyOfWhatWasEntered(t *testing.T) {
	t.Parallel()
	var j *walk.Journal
	c := &clerk{do: func(key string) (walk.Outcome, error) {
		if key == "try o.a" {
			j.Cancel()
		}
		return walk.Outcome{}, nil
	}}
	tidy := func(n *plan.Node) { n.Finally = block("", call("tidy")) }
	j = &walk.Journal{Recorded: c.recorded, Work: c.work, Hard: t.Context()}
	err := j.Walk(t.Context(), compiled(with(flowOf(with(block("o", call("a"), call("b")), tidy), call("c")), tidy)), "run", false)
	if !errors.Is(err, walk.ErrStopped) {
		t.Error(err)
	}
	want := "[enter enter o try o.a enter o.finally try o.finally.tidy leave o.finally enter finally try finally.tidy leave finally]"
	if fmt.Sprint(c.done) != want {
		t.Errorf("%v, want %s", c.done, want)
	}
}
