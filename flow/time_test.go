package flow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestWhenAFailedCallIsTriedAgain(t *testing.T) {
	t.Parallel()
	const steps = "steps:\n  - { id: a, action: web, with: { safe: %SAFE% }, retry: { attempts: 3, backoff: { initial: 1ms, max: 1ms } } }\n"
	fail := func(code int, headers ...string) flow.Result { return status(code, `{}`, headers...) }
	second := func(n int) time.Duration { return time.Duration(n) * time.Second }
	tests := []struct {
		name  string
		safe  bool
		first flow.Result
		after []time.Duration // the tries, without a blink; nil: one try
	}{
		{"408 of a safe call", true, fail(408), []time.Duration{0, 0}},
		{"429", true, fail(429), []time.Duration{0, 0}},
		{"500 is no reason", true, fail(500), nil},
		{"502", true, fail(502), []time.Duration{0, 0}},
		{"404 is no reason", true, fail(404), nil},
		{"Retry-After wins", true, fail(503, "Retry-After", "7"), []time.Duration{0, second(7)}},
		{"Retry-After: 0 is at once", true, fail(503, "Retry-After", "0"), []time.Duration{0, 0}},
		{"Retry-After of 300 s", true, fail(503, "Retry-After", "300"), []time.Duration{0, second(300)}},
		{"Retry-After of more", true, fail(503, "Retry-After", "301"), nil},
		{"Retry-After that no number holds", true, fail(503, "Retry-After", "99999999999999999999"), nil},
		{"Retry-After that overflows a duration", true, fail(503, "Retry-After", "9300000000"), nil},
		{"Retry-After as a date", true, fail(429, "Retry-After", "Sat, 01 Jan 2000 00:00:30 GMT"), []time.Duration{0, second(30)}},
		{"a date that has passed", true, fail(429, "Retry-After", "Fri, 31 Dec 1999 00:00:30 GMT"), []time.Duration{0, 0}},
		{"Retry-After that nobody can read", true, fail(503, "Retry-After", "soon"), []time.Duration{0, 0}},
		{"not safe: 425", false, fail(425), []time.Duration{0, 0}},
		{"not safe: 429", false, fail(429), []time.Duration{0, 0}},
		{"not safe: 503", false, fail(503), nil},
		{"not safe: 503 with Retry-After", false, fail(503, "Retry-After", "2"), []time.Duration{0, second(2)}},
		{"not safe: 503 with Retry-After: 0", false, fail(503, "Retry-After", "0"), []time.Duration{0, 0}},
		{"not safe: 502", false, fail(502, "Retry-After", "2"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: func(h hit) (flow.Result, error) {
					if h.Nth == 1 {
						return tt.first, nil
					}
					return ok(`{}`), nil
				}}
				safe := map[bool]string{true: "true", false: "false"}[tt.safe]
				_, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, strings.ReplaceAll(steps, "%SAFE%", safe)), nil)
				want := tt.after
				if want == nil {
					want = []time.Duration{0}
				}
				got := w.times("a")
				for i := range got {
					got[i] = got[i].Truncate(time.Second)
				}
				if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (tt.after != nil) {
					t.Errorf("tries %v, want %v; %v", got, want, err)
				}
				if err != nil && failureOf(t, err).Status != tt.first.Status {
					t.Errorf("the kind of the last answer is lost: %v", err)
				}
			})
		})
	}
}

func TestAnAuthorsBackoffMayBeLongerThanAServersWish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Nth < 8 {
				return status(503, ""), nil
			}
			return ok(`{}`), nil
		}}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, timeout: 30d, with: { safe: true }, retry: { attempts: 8, backoff: { initial: 10h, max: 10h } } }\n")
		if _, err := (&flow.Executor{}).Run(t.Context(), p, nil); err != nil {
			t.Error(err)
		}
	})
}

func TestARetryBeyondTheTimeLeftFailsAtOnceWithTheLastKind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(hit) (flow.Result, error) { return status(503, "", "Retry-After", "40"), nil }}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, timeout: 1m, with: { safe: true } }\n")
		began := time.Now()
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if e := failureOf(t, err); e.Kind != flow.KindHTTP || e.Status != 503 || time.Since(began) != 40*time.Second {
			t.Errorf("%s %d after %s", e.Kind, e.Status, time.Since(began))
		}
		if n := w.counts()["a"]; n != 2 {
			t.Errorf("asked %d times, want 2: after 0 and 40 s", n)
		}
	})
}

func TestATimeoutCutsWhatIsInsideAndNothingIsSentAfterIt(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, flow, want string }{
		{"a call's", "steps:\n  - { id: a, action: web, timeout: 1m, with: { safe: true }, retry: false }\n  - { id: b, action: web }\n",
			"failed timeout at a after 1m0s: map[a:1]"},
		{"a call that is not safe", "steps:\n  - { id: a, action: web, timeout: 1m }\n  - { id: b, action: web }\n",
			"unknown unknown at a after 1m0s: map[a:1]"},
		{"a call's own, without one", "steps:\n  - { id: a, action: web, with: { safe: true } }\n  - { id: b, action: web }\n",
			"failed timeout at a after 10m0s: map[a:1]"},
		{"a block's", "steps:\n  - id: o\n    timeout: 90s\n    steps:\n      - { id: a, action: web, with: { say: short } }\n      - { id: b, action: web, with: { say: short } }\n      - { id: c, action: web, with: { say: short } }\n",
			"unknown unknown at o.b after 1m30s: map[o.a:1 o.b:1]"},
		{"a block's, with a handler", "steps:\n  - id: o\n    timeout: 90s\n    on_error: continue\n    steps:\n      - { id: a, action: web, with: { safe: true, say: short } }\n      - { id: b, action: web, retry: false, with: { safe: true } }\n  - { id: c, action: web, with: { say: short } }\n",
			`succeeded {} after 2m30s: map[c:1 o.a:1 o.b:1]`},
		{"a loop's", "steps:\n  - id: o\n    timeout: 90s\n    for_each: { in: '1..5' }\n    action: web\n    with: { say: short }\n",
			"unknown unknown at o[1] after 1m30s: map[o[0]:1 o[1]:1]"},
		{"a loop's that goes on after failures", "steps:\n  - id: o\n    timeout: 90s\n    for_each: { in: '1..5', on_error: continue }\n    action: web\n    with: { safe: true, say: short }\n",
			"failed timeout at o after 1m30s: map[o[0]:1 o[1]:1]"},
		{"a block that would begin after it", "steps:\n  - id: o\n    timeout: 90s\n    steps:\n      - { id: a, action: web, retry: false, on_error: continue, with: { safe: true } }\n      - { id: i, timeout: 1m, steps: [ { id: b, action: web } ] }\n",
			"failed timeout at o.i after 1m30s: map[o.a:1]"},
		{"the nearest counts", "steps:\n  - id: o\n    timeout: 90s\n    steps:\n      - id: i\n        timeout: 5m\n        steps:\n          - { id: a, action: web, timeout: 5m, with: { safe: true }, retry: false }\n",
			"failed timeout at o.i.a after 1m30s: map[o.i.a:1]"},
		{"finally has five minutes of its own", "steps:\n  - { id: a, action: web, timeout: 1m, with: { safe: true }, retry: false }\nfinally:\n  - { id: b, action: web, with: { safe: true }, retry: false }\n  - { id: c, action: web }\n",
			"failed timeout at a after 6m0s: map[a:1 finally.b:1]"},
		{"its failure counts if there was none", "steps:\n  - { id: a, action: web, with: { say: short } }\nfinally:\n  - { id: b, action: web, with: { safe: true }, retry: false }\n",
			"failed timeout at finally.b after 6m0s: map[a:1 finally.b:1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: func(h hit) (flow.Result, error) {
					if h.Say == `"short"` {
						return waits(h, time.Minute, true)
					}
					return waits(h, time.Hour, true)
				}}
				began := time.Now()
				run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, tt.flow), nil)
				if got := end(run, err) + " after " + time.Since(began).String() + ": " + pretty(w.counts()); got != tt.want {
					t.Errorf("have %s\nwant %s", got, tt.want)
				}
			})
		})
	}
}

func TestWhatTimedOutGetsItsFullTimeAgainOnResume(t *testing.T) {
	t.Parallel()
	for _, goesOn := range []string{"stop", "continue"} {
		synctest.Test(t, func(t *testing.T) {
			slow := true
			w := &web{answer: func(h hit) (flow.Result, error) {
				if slow && h.Path != "o[0].a" {
					return waits(h, time.Hour, true)
				}
				return ok(`{"n":1}`), nil
			}}
			p := compileWeb(t, w, "steps:\n  - id: o\n    timeout: 1m\n    for_each: { in: '1..3', on_error: "+goesOn+" }\n    steps:\n      - { id: a, action: web, retry: false, with: { safe: true }, save: { n: n } }\noutputs: { n: '${{ data.n }}' }\n")
			s := &datapoints.Memory{}
			run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
			if run.Kind != "timeout" {
				t.Fatal(end(run, err))
			}
			time.Sleep(time.Hour)
			slow = false
			run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
			if got := end(run, err); got != `succeeded {"n":[1,1,1]}` {
				t.Errorf("%s: %s, %v, %v", goesOn, got, err, w.counts())
			}
		})
	}
}

func TestTimeoutsCountAnewWhenAnInterruptedRunIsResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Path == "o.i[1].a" && h.Nth == 1 {
				cancel()
				return status(503, ""), nil
			}
			return waits(h, 20*time.Second, true)
		}}
		p := compileWeb(t, w, `
steps:
  - id: o
    timeout: 2m
    steps:
      - id: i
        timeout: 90s
        for_each: { in: "1..3" }
        steps:
          - { id: a, action: web, timeout: 1m, with: { safe: true } }
`)
		s := &datapoints.Memory{}
		run, err := (&flow.Executor{Store: s}).Run(ctx, p, nil)
		if run.State != datapoints.Interrupted {
			t.Fatal(end(run, err))
		}
		time.Sleep(24 * time.Hour)
		run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != "succeeded {}" {
			t.Errorf("%s, %v, %v", got, err, w.counts())
		}
	})
}

func TestAnInterruptLetsACallEndAndGraceCutsIt(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, with string
		takes      time.Duration
		sent       bool
		after      time.Duration
		first      map[string]string
		second     string
		calls      map[string]int
	}{
		{"it ends in time", "", 5 * time.Second, true, 5 * time.Second, map[string]string{"a": "done"}, "succeeded {}", map[string]int{"a": 1, "b": 1}},
		{"it is cut: not known", "", time.Hour, true, 10 * time.Second, map[string]string{"a": "unknown unknown"}, "unknown unknown at a", map[string]int{"a": 1}},
		{"it is cut before it was sent", "", time.Hour, false, 10 * time.Second, map[string]string{"a": "stopped"}, "succeeded {}", map[string]int{"a": 2, "b": 1}},
		{"it is cut and safe", "with: { safe: true }", time.Hour, true, 10 * time.Second, map[string]string{}, "succeeded {}", map[string]int{"a": 2, "b": 1}},
		{"it is cut and has a key", "with: { key: true }", time.Hour, true, 10 * time.Second, map[string]string{"a": "stopped"}, "succeeded {}", map[string]int{"a": 2, "b": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				w := &web{answer: func(h hit) (flow.Result, error) {
					if h.Path == "a" && h.Nth == 1 {
						cancel()
						return waits(h, tt.takes, tt.sent)
					}
					return ok(`{}`), nil
				}}
				p := compileWeb(t, w, "steps:\n  - id: a\n    action: web\n    "+tt.with+"\n  - { id: b, action: web }\nfinally:\n  - { id: c, set: { done: true } }\n")
				s := &mortal{Store: &datapoints.Memory{}, lives: -1}
				began := time.Now()
				run, err := (&flow.Executor{Store: s}).Run(ctx, p, nil)
				if e := failureOf(t, err); e.Kind != flow.KindInterrupted || run.State != datapoints.Interrupted || time.Since(began) != tt.after {
					t.Fatalf("%s, %v after %s", end(run, err), err, time.Since(began))
				}
				if kept, err := s.Load(t.Context(), run.ID); err != nil || kept.State != datapoints.Interrupted || kept.Lease.Owner != "" {
					t.Errorf("recorded as %s, owned by %q, %v", kept.State, kept.Lease.Owner, err)
				}
				if diff := cmp.Diff(tt.first, rows(t, s, run.ID)); diff != "" {
					t.Error(diff)
				}
				run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
				if got := end(run, err); got != tt.second {
					t.Errorf("resumed: %s, want %s; %v", got, tt.second, err)
				}
				if diff := cmp.Diff(tt.calls, w.counts()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestALeaseIsRenewedWhileTheRunGoesOnAndNotAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) { return waits(h, 5*time.Minute, true) }}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web }\n")
		s := &leases{Store: &datapoints.Memory{}}
		runs, err := (&flow.Executor{Store: s}).Create(t.Context(), p, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		other := make(chan error, 1)
		go func() {
			time.Sleep(4 * time.Minute)
			_, err := (&flow.Executor{Store: s}).Resume(t.Context(), p, runs[0].ID, nil)
			other <- err
		}()
		if _, err := (&flow.Executor{Store: s}).Start(t.Context(), p, runs[0].ID); err != nil {
			t.Fatal(err)
		}
		if e := failureOf(t, <-other); e.Kind != flow.KindStore || !strings.Contains(e.Message, "another process") {
			t.Errorf("the other got the run: %v", e)
		}
		n := s.count()
		time.Sleep(time.Hour)
		if s.count() != n || n < 20 {
			t.Errorf("the lease was claimed %d times, and %d after the end", n, s.count()-n)
		}
	})
}

func TestAProcessThatLostItsRunSendsNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Path == "wait" {
				return status(503, "", "Retry-After", "200"), nil
			}
			return waits(h, time.Hour, true)
		}}
		p := compileWeb(t, w, "steps:\n  - id: each\n    timeout: 3h\n    for_each: { in: '1..2', concurrency: 2 }\n    steps:\n      - { id: a, action: web, timeout: 2h, with: { safe: true } }\n      - { id: b, action: web, with: { safe: true } }\n")
		s := &leases{Store: &datapoints.Memory{}}
		runs, err := (&flow.Executor{Store: s}).Create(t.Context(), p, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			thief := datapoints.Lease{Run: runs[0].ID, Owner: "thief", Until: time.Now().Add(time.Hour)}
			if _, err := s.Store.Claim(t.Context(), thief, time.Now(), func(string) bool { return true }); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		_, err = (&flow.Executor{Store: s}).Start(t.Context(), p, runs[0].ID)
		if e := failureOf(t, err); e.Kind != flow.KindStore || !errors.Is(err, datapoints.ErrLeaseLost) || time.Since(began) > 75*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		if diff := cmp.Diff(map[string]int{"each[0].a": 1, "each[1].a": 1}, w.counts()); diff != "" {
			t.Error(diff)
		}
		if l, _ := s.Load(t.Context(), runs[0].ID); l.Lease.Owner != "thief" {
			t.Errorf("the run belongs to %q", l.Lease.Owner)
		}
	})
}

// leases counts claims.
type leases struct {
	datapoints.Store
	mu sync.Mutex
	n  int
}

func (l *leases) Claim(ctx context.Context, c datapoints.Lease, now time.Time, dead func(string) bool) (datapoints.Lease, error) {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
	return l.Store.Claim(ctx, c, now, dead)
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

func TestABrokenStoreEndsTheRunAtOnceAlsoForThoseWhoSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Path == "each[0].a" {
				return status(503, "", "Retry-After", "200"), nil
			}
			return waits(h, 10*time.Second, true)
		}}
		p := compileWeb(t, w, "steps:\n  - id: each\n    for_each: { in: '1..3', concurrency: 3 }\n    steps:\n      - { id: a, action: web, with: { safe: true } }\n      - { id: b, action: web }\n")
		s := &mortal{Store: &datapoints.Memory{}, lives: 5}
		began := time.Now()
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		if e := failureOf(t, err); e.Kind != flow.KindStore || time.Since(began) > 20*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		s.revive()
		run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		if run.State != datapoints.Unknown && run.State != datapoints.Succeeded {
			t.Error(end(run, err))
		}
		for path, n := range w.counts() {
			if strings.HasSuffix(path, "b") && n > 1 {
				t.Errorf("%s was sent %d times", path, n)
			}
		}
	})
}

func TestDurationsAreTimesToComputeWith(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) { return waits(h, 90*time.Second, true) }}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, save: { took: '${{ response.duration.Seconds() }}' } }\noutputs: { d: '${{ steps.a.duration.Seconds() }} ${{ data.took }} ${{ steps.a.duration > duration(\"1m\") }}' }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != `succeeded {"d":"90 90 true"}` {
			t.Error(got, err)
		}
	})
}

func TestAConditionIsAskedOnceForAllAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Nth == 1 {
				return status(503, "", "Retry-After", "60"), nil
			}
			return ok(`{}`), nil
		}}
		p := compileWeb(t, w, "steps:\n  - { id: a, if: 'now() < date(\"2000-01-01T00:00:30Z\")', action: web, with: { safe: true } }\noutputs: { a: '${{ steps.a.outcome }}' }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != `succeeded {"a":"done"}` || len(w.hits) != 2 {
			t.Error(got, err, len(w.hits))
		}
	})
}
