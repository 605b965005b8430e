package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// immortal is a store that outlives its process, as far as runs can tell.
func immortal() *mortal { return &mortal{Store: &datapoints.Memory{}, lives: -1} }

// stays is an executor that waits with its runs.
func stays() *flow.Executor { return &flow.Executor{Owner: flow.Process{Stays: true}} }

func TestHowLongAWaitTakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wait string
		took time.Duration
		end  string
	}{
		{"wait: 30d", 30 * 24 * time.Hour, "succeeded"},
		{"wait: 200ms", 200 * time.Millisecond, "succeeded"},
		{`wait: "${{ inputs.n }}m"`, 7 * time.Minute, "succeeded"},
		{`wait: ${{ inputs.pause }}`, 90 * time.Minute, "succeeded"},
		{`wait: ${{ inputs.name }}`, 0, "failed data at a"},
		{`wait: { until: "2000-01-02T00:00:00Z" }`, 24 * time.Hour, "succeeded"},
		{`wait: { until: "2000-01-01T01:00:00+01:00" }`, 0, "succeeded"},
		{`wait: { until: "1999-12-31T00:00:00Z" }`, 0, "succeeded"},
		{`wait: { until: "${{ inputs.at }}" }`, time.Hour, "succeeded"},
		{`wait: { until: "${{ date(inputs.at).Add(duration('1h')) }}" }`, 2 * time.Hour, "succeeded"},
		{`wait: { until: "${{ inputs.name }}" }`, 0, "failed data at a"},
		{"wait: 3h\n    timeout: 2h", 2 * time.Hour, "failed timeout at a"},
		{"wait: 2h\n    timeout: 2h", 2 * time.Hour, "succeeded"},
		{"wait: 1h\n    timeout: 2h", time.Hour, "succeeded"},
		{"wait: 1h\n    if: inputs.n == 8", 0, "succeeded"},
	} {
		t.Run(tt.wait, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := compileWeb(t, &web{}, "inputs: { n: { type: integer, default: 7 }, pause: { default: 1h30m }, name: { default: soon }, at: { type: datetime, default: '2000-01-01T01:00:00Z' } }\nsteps:\n  - id: a\n    "+tt.wait+"\n")
				began := time.Now()
				run, err := stays().Run(t.Context(), p, nil)
				if got := end(run, err); strings.TrimSpace(got) != tt.end && !strings.HasPrefix(got, tt.end) {
					t.Errorf("%s, want %s: %v", got, tt.end, err)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

const approval = `callbacks:
  decision: { schema: { type: object, required: [approved] } }
steps:
  - { id: ask, action: web, with: { safe: true, say: "${{ callbacks.decision.url }}" } }
  - { id: answer, callback: decision, timeout: 72h, save: { approved: approved }, on_error: continue }
outputs: { approved: "${{ data.approved ?? 'nobody said' }}", outcome: "${{ steps.answer.outcome }}" }
`

func TestARunThatWaitsForAMessageGoesOnWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{}
		p := compileWeb(t, w, approval)
		x := &flow.Executor{Owner: flow.Process{Stays: true}, PublicURL: "https://flows.example.test/"}
		runs, err := x.Create(t.Context(), p, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		id := runs[0].ID
		go func() {
			time.Sleep(48 * time.Hour)
			if _, err := x.Signal(context.Background(), p, id, "decision", `{"approved":"yes"}`); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		run, err := x.Start(t.Context(), p, id)
		if err != nil || run.Outputs.Reveal() != `{"approved":"yes","outcome":"done"}` || time.Since(began) != 48*time.Hour {
			t.Errorf("%v %v after %s", run.Outputs.Reveal(), err, time.Since(began))
		}
		if url := w.hits[0].Say; !strings.HasPrefix(url, `"https://flows.example.test/callbacks/`+id+`/decision/`) {
			t.Errorf("the URL is %s", url)
		}
	})
}

func TestARunThatNobodyAnswersTimesOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := &flow.Executor{Owner: flow.Process{Stays: true}, PublicURL: "https://flows.example.test"}
		began := time.Now()
		run, err := x.Run(t.Context(), compileWeb(t, &web{}, approval), nil)
		if err != nil || run.Outputs.Reveal() != `{"approved":"nobody said","outcome":"caught"}` || time.Since(began) != 72*time.Hour {
			t.Errorf("%v %v after %s", run.Outputs.Reveal(), err, time.Since(began))
		}
	})
}

func TestAPausedRunGivesItsProcessBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store := &web{}, immortal()
		p := compileWeb(t, w, approval)
		x := &flow.Executor{Store: store, PublicURL: "https://flows.example.test"}
		began := time.Now()
		run, err := x.Run(t.Context(), p, nil)
		if run.State != datapoints.Paused || flowKind(err) != flow.KindPaused || !errors.Is(err, flow.ErrPaused) {
			t.Fatalf("%s: %v", run.State, err)
		}
		if run.At != "answer" || !run.Wake.Equal(began.Add(72*time.Hour)) || !run.Ended.IsZero() || time.Since(began) != 0 {
			t.Errorf("at %s until %s, ended %s", run.At, run.Wake, run.Ended)
		}
		if r, err := store.Load(t.Context(), run.ID); err != nil || r.Lease.Owner != "" || r.State != datapoints.Paused {
			t.Errorf("recorded: %s, %+v, %v", r.State, r.Lease, err)
		}
		url := w.hits[0].Say
		time.Sleep(time.Hour)
		again, err := successor(store).Resume(t.Context(), p, run.ID, nil)
		if again.State != datapoints.Paused || !again.Wake.Equal(run.Wake) {
			t.Errorf("resumed too early it is %s until %s, %v", again.State, again.Wake, err)
		}
		if _, err := successor(store).Signal(t.Context(), p, run.ID, "decision", `{"approved":true}`); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Hour) // it came in time, whenever somebody looks
		done, err := successor(store).Resume(t.Context(), p, run.ID, nil)
		if err != nil || done.Outputs.Reveal() != `{"approved":true,"outcome":"done"}` {
			t.Errorf("%s %v", done.Outputs.Reveal(), err)
		}
		if len(w.hits) != 1 || strings.Contains(fmt.Sprint(err, again), url) {
			t.Errorf("%d requests", len(w.hits))
		}
	})
}

func TestWhatARunSendsAndWhenItPauses(t *testing.T) {
	t.Parallel()
	wait := func(d string) string { return "steps: [ { id: a, wait: " + d + " } ]\n" }
	for _, tt := range []struct {
		name, steps string
		state       datapoints.State
		took, wake  time.Duration
	}{
		{"60 s are no reason", wait("60s"), datapoints.Succeeded, time.Minute, 0},
		{"a little less is none", wait("59999ms"), datapoints.Succeeded, 59999 * time.Millisecond, 0},
		{"a little more is one", wait("60001ms"), datapoints.Paused, 0, 60001 * time.Millisecond},
		{"a message is at once", "callbacks: { m: }\nsteps: [ { id: a, callback: m } ]\n", datapoints.Paused, 0, 0},
		{"a message with a time-out too", "callbacks: { m: }\nsteps: [ { id: a, callback: m, timeout: 30s } ]\n", datapoints.Paused, 0, 30 * time.Second},
		{"a long Retry-After", "steps: [ { id: a, action: web, with: { safe: true } } ]\n", datapoints.Paused, 0, 300 * time.Second},
		{"a loop waits when all of it does", "steps:\n  - id: l\n    for_each: { in: '[1, 3]', concurrency: 3 }\n    steps:\n      - { id: w, wait: \"${{ item }}m\" }\n", datapoints.Paused, time.Minute, 3 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: func(hit) (flow.Result, error) { return status(429, "", "Retry-After", "300"), nil }}
				began := time.Now()
				run, err := (&flow.Executor{Store: immortal()}).Run(t.Context(), compileWeb(t, w, tt.steps), nil)
				if run.State != tt.state || time.Since(began).Round(time.Millisecond) != tt.took {
					t.Errorf("%s after %s: %v", run.State, time.Since(began), err)
				}
				wake := time.Duration(0)
				if !run.Wake.IsZero() {
					wake = run.Wake.Sub(began).Round(time.Millisecond)
				}
				if wake != tt.wake {
					t.Errorf("it can go on in %s, want %s", wake, tt.wake)
				}
			})
		})
	}
}

func TestAFlowThatMayPauseNeedsAStoreThatLasts(t *testing.T) {
	t.Parallel()
	for steps, may := range map[string]bool{
		"steps: [ { id: a, wait: 1m } ]":                                                              false,
		"steps: [ { id: a, wait: 61s } ]":                                                             true,
		"steps: [ { id: a, wait: { until: '1999-01-01T00:00:00Z' } } ]":                               true,
		"inputs: { p: 'string' }\nsteps: [ { id: a, wait: '${{ inputs.p }}' } ]":                      true,
		"callbacks: { m: }\nsteps: [ { id: a, callback: m } ]":                                        true,
		"steps: [ { id: a, action: web, poll: { until: 'true', every: 60s } } ]":                      false,
		"steps: [ { id: a, action: web, poll: { until: 'true', every: 61s } } ]":                      true,
		"steps: [ { id: a, action: web, poll: { until: 'true', backoff: { factor: 2, max: 2m } } } ]": true,
		"steps: [ { id: b, steps: [ { id: a, wait: 1h } ], if: 'false' } ]":                           true,
	} {
		w := &web{}
		p := compileWeb(t, w, steps+"\n")
		_, err := new(flow.Executor).Create(t.Context(), p, "", flow.Inputs{})
		if refused := flowKind(err) == flow.KindStore; refused != may {
			t.Errorf("%s: refused %v, %v", steps, refused, err)
		}
		if _, err := stays().Create(t.Context(), p, "", flow.Inputs{}); flowKind(err) == flow.KindStore {
			t.Errorf("%s: a process that stays: %v", steps, err)
		}
		if len(w.hits) > 0 {
			t.Error("something was sent")
		}
	}
}

func TestAURLThatNobodyKnowsIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	w := &web{}
	p := compileWeb(t, w, approval)
	for base, want := range map[string]string{
		"":                    "callbacks.decision.url",
		"flows.example.test":  "is not the base of a URL",
		"https://x.test/?a=b": "is not the base of a URL",
		"ftp://x.test":        "is not the base of a URL",
	} {
		_, err := (&flow.Executor{Owner: flow.Process{Stays: true}, PublicURL: base}).Run(t.Context(), p, nil)
		if flowKind(err) != flow.KindInput || !strings.Contains(err.Error(), want) || len(w.hits) > 0 {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestWhatIsAMessage(t *testing.T) {
	t.Parallel()
	x := &flow.Executor{Store: immortal(), PublicURL: "https://flows.example.test"}
	p := compileWeb(t, &web{}, strings.Replace(approval, "{ schema: { type: object, required: [approved] } }", "", 1))
	paused := func() string {
		run, _ := x.Run(t.Context(), p, nil)
		return run.ID
	}
	text := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for _, tt := range []struct {
		name, body string
		kind       flow.Kind
	}{
		{"decision", "", ""}, {"decision", "12.0", ""}, {"decision", "{", flow.KindInput}, {"decision", "nope", flow.KindInput}, {"decsion", "1", flow.KindInput},
		{"decision", text(flow.MaxMessage - 1), ""}, {"decision", text(flow.MaxMessage), ""}, {"decision", text(flow.MaxMessage + 1), flow.KindLimit},
	} {
		_, err := x.Signal(t.Context(), p, paused(), tt.name, tt.body)
		if flowKind(err) != tt.kind {
			t.Errorf("%s with %d bytes: %v, want kind %q", tt.name, len(tt.body), err, tt.kind)
		}
	}
	id := paused()
	if _, err := x.Signal(t.Context(), p, id, "decision", `{"approved":1}`); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Signal(t.Context(), p, id, "decision", `{"approved":2}`); !errors.Is(err, datapoints.ErrDelivered) {
		t.Errorf("a second message: %v", err)
	}
	run, err := x.Resume(t.Context(), p, id, nil)
	if err != nil || !strings.Contains(run.Outputs.Reveal(), `"approved":1`) {
		t.Errorf("%s %v", run.Outputs.Reveal(), err)
	}
	if _, err := x.Signal(t.Context(), p, id, "decision", `3`); !errors.Is(err, datapoints.ErrOver) {
		t.Errorf("a message for a run that is over: %v", err)
	}
}

func TestWhatTimedOutGetsItsFullTimeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := immortal()
		x := &flow.Executor{Store: store, Owner: flow.Process{Stays: true}}
		p := compileWeb(t, &web{}, "callbacks: { m: }\nsteps: [ { id: a, callback: m, timeout: 1h } ]\n")
		run, err := x.Run(t.Context(), p, nil)
		if run.State != datapoints.Failed || flowKind(err) != flow.KindTimeout {
			t.Fatalf("%s %v", run.State, err)
		}
		began := time.Now()
		run, err = x.Resume(t.Context(), p, run.ID, nil)
		if run.State != datapoints.Failed || time.Since(began) != time.Hour {
			t.Errorf("%s after %s: %v", run.State, time.Since(began), err)
		}
		if _, err := x.Signal(t.Context(), p, run.ID, "m", ""); err != nil { // too late for the run as it was
			t.Fatal(err)
		}
		if run, err = x.Resume(t.Context(), p, run.ID, nil); err != nil {
			t.Errorf("%s %v", run.State, err)
		}
	})
}

func TestAnInterruptedWaitKeepsItsPointInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := immortal()
		x := &flow.Executor{Store: store, Owner: flow.Process{Stays: true}}
		p := compileWeb(t, &web{}, "steps: [ { id: a, wait: 2h, timeout: 3h } ]\n")
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		run, err := x.Run(ctx, p, nil)
		if run.State != datapoints.Interrupted {
			t.Fatalf("%s %v", run.State, err)
		}
		if run, err = x.Resume(t.Context(), p, run.ID, nil); err != nil || time.Since(began) != 2*time.Hour {
			t.Errorf("%s after %s: %v", run.State, time.Since(began), err)
		}
	})
}

const undone = `callbacks: { m: }
steps:
  - { id: one, action: web, with: { safe: true } }
  - id: around
    steps: [ { id: m, callback: m, timeout: 9d } ]
  - { id: never, action: web, with: { safe: true } }
finally:
  - { id: bye, action: web, with: { safe: true, say: "${{ run.status }}" } }
`

func TestACancelledRunDoesItsFinallyAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before func(ctx context.Context, x *flow.Executor, p *flow.Plan, w *web) datapoints.Run
		bye    int
	}{
		{"paused", func(ctx context.Context, x *flow.Executor, p *flow.Plan, _ *web) datapoints.Run {
			run, _ := x.Run(ctx, p, nil)
			return run
		}, 1},
		{"failed, with its finally done", func(ctx context.Context, x *flow.Executor, p *flow.Plan, w *web) datapoints.Run {
			w.answer = func(h hit) (flow.Result, error) {
				if h.Path == "one" {
					return status(404, ""), nil
				}
				return ok("{}"), nil
			}
			run, _ := x.Run(ctx, p, nil)
			return run
		}, 1},
		{"recorded, and never begun", func(ctx context.Context, x *flow.Executor, p *flow.Plan, _ *web) datapoints.Run {
			runs, _ := x.Create(ctx, p, "", nil)
			return runs[0]
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, store := &web{}, immortal()
				p := compileWeb(t, w, undone)
				run := tt.before(t.Context(), &flow.Executor{Store: store}, p, w)
				x := successor(store)
				run, err := x.Cancel(t.Context(), p, run.ID)
				if run.State != datapoints.Cancelled || flowKind(err) != flow.KindCancelled {
					t.Errorf("%s %v", run.State, err)
				}
				if n := w.counts(); n["never"] > 0 || n["finally.bye"] != tt.bye {
					t.Errorf("sent %v", n)
				}
				if _, err := x.Cancel(t.Context(), p, run.ID); !errors.Is(err, datapoints.ErrOver) {
					t.Errorf("a second cancel: %v", err)
				}
				if _, err := x.Resume(t.Context(), p, run.ID, nil); !errors.Is(err, flow.ErrNotResumable) {
					t.Errorf("a resume: %v", err)
				}
			})
		})
	}
}

func TestARunningRunHearsThatItIsCancelled(t *testing.T) {
	t.Parallel()
	for _, another := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w, store := &web{}, immortal()
			w.answer = func(h hit) (flow.Result, error) {
				if h.Path == "one" {
					return waits(h, 5*time.Second, true) // in flight when the wish comes
				}
				return ok("{}"), nil
			}
			p := compileWeb(t, w, undone)
			x := &flow.Executor{Store: store}
			from := x
			if another {
				from = &flow.Executor{Store: store}
			}
			runs, err := x.Create(t.Context(), p, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				time.Sleep(time.Second / 2)
				if run, err := from.Cancel(context.Background(), p, runs[0].ID); err != nil || run.State != datapoints.Running {
					t.Errorf("%s %v", run.State, err)
				}
			}()
			run, err := x.Start(t.Context(), p, runs[0].ID)
			if run.State != datapoints.Cancelled || flowKind(err) != flow.KindCancelled {
				t.Errorf("%s %v", run.State, err)
			}
			n := w.counts()
			if n["one"] != 1 || n["never"] != 0 || n["finally.bye"] != 1 {
				t.Errorf("sent %v", n)
			}
			if says := w.hits[len(w.hits)-1].Say; says != `"cancelled"` {
				t.Errorf("run.status in finally is %s", says)
			}
			steps, err := flow.History(t.Context(), store, run.ID)
			if err != nil || steps[0].Path != "one" || steps[0].Outcome != "done" {
				t.Errorf("what was in flight is not recorded: %+v, %v", steps, err)
			}
		})
	}
}

// A call of which nothing is known outranks the wish to cancel; whoever wishes
// it once more takes that as it is.
func TestACancelDoesNotHideAnUnknownCall(t *testing.T) {
	t.Parallel()
	w, store := &world{script: func(string, int) error { return lost() }}, immortal()
	p := compile(t, w, "steps: [ { id: a, action: call } ]\n")
	x := &flow.Executor{Store: store}
	run, _ := x.Run(t.Context(), p, nil)
	if run.State != datapoints.Unknown {
		t.Fatal(run.State)
	}
	run, err := x.Cancel(t.Context(), p, run.ID)
	if run.State != datapoints.Cancelled || w.sent("a") != 1 {
		t.Errorf("%s %v, sent %d times", run.State, err, w.sent("a"))
	}
}

func TestAnUnknownCallOutranksACancel(t *testing.T) {
	t.Parallel()
	const steps = "steps: [ { id: a, action: web }, { id: b, action: web } ]\nfinally: [ { id: bye, action: web, with: { safe: true, say: '${{ run.status }}' } } ]\n"
	for _, tt := range []struct {
		name   string
		before func(ctx context.Context, store *mortal, p *flow.Plan, w *web) (datapoints.Run, error) // … and cancelled
	}{
		{"whose answer is lost while it is cancelled", func(ctx context.Context, store *mortal, p *flow.Plan, w *web) (datapoints.Run, error) {
			x := &flow.Executor{Store: store}
			w.answer = func(h hit) (flow.Result, error) {
				if h.Path != "a" {
					return ok("{}"), nil
				}
				if _, err := x.Cancel(ctx, p, store.only(ctx)); err != nil {
					return flow.Result{}, err
				}
				return flow.Result{}, lost()
			}
			return x.Run(ctx, p, nil)
		}},
		{"of a process that ended", func(ctx context.Context, store *mortal, p *flow.Plan, w *web) (datapoints.Run, error) {
			w.answer = func(h hit) (flow.Result, error) {
				store.mu.Lock()
				defer store.mu.Unlock()
				store.lives = 0 // its answer is not recorded
				return ok("{}"), nil
			}
			_, _ = (&flow.Executor{Store: store}).Run(ctx, p, nil)
			store.revive()
			w.answer = nil
			return successor(store).Cancel(ctx, p, store.only(ctx))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, store := &web{}, immortal()
				p := compileWeb(t, w, steps)
				run, err := tt.before(t.Context(), store, p, w)
				if got := end(run, err); got != "unknown unknown at a" || flowKind(err) != flow.KindUnknown {
					t.Fatal(got, err)
				}
				if n := w.counts(); n["a"] != 1 || n["b"] != 0 || n["finally.bye"] != 1 {
					t.Errorf("sent %v", n)
				}
				run, err = successor(store).Cancel(t.Context(), p, run.ID)
				if run.State != datapoints.Cancelled || flowKind(err) != flow.KindCancelled {
					t.Errorf("cancelled once more: %s %v", run.State, err)
				}
				if n := w.counts(); n["a"] != 1 || n["b"] != 0 {
					t.Errorf("sent %v after it was given up", n)
				}
			})
		})
	}
}

// only is the id of the one run in the store.
func (m *mortal) only(ctx context.Context) string {
	runs, err := m.List(ctx, datapoints.Filter{})
	if err != nil || len(runs) != 1 {
		panic(fmt.Sprint(len(runs), " runs, ", err))
	}
	return runs[0].ID
}

func TestAMessageTakesThePlaceOfOneThatFailedTheRun(t *testing.T) {
	t.Parallel()
	const waits = `callbacks: { m: , other: }
steps:
  - id: a
    callback: m
    timeout: 1h
    expect: { that: [ response.body.n != 1 ] }
    save: { n: n }
    %MORE%
  - { id: b, callback: other, on_error: continue, expect: { that: [ false ] } }
  - { id: c, callback: m, save: { again: n } }
outputs: { n: "${{ data.n ?? 0 }} ${{ data.again }}" }
`
	for _, tt := range []struct {
		name, wrong, more string
		kind              flow.Kind // of the first end; "": the message may not be replaced
	}{
		{"not as expected", `{"n":1}`, "", flow.KindExpect},
		{"without what is saved", `{"m":1}`, "", flow.KindExtract},
		{"caught", `{"n":1}`, "on_error: continue", ""},
		{"right", `{"n":2}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				x := &flow.Executor{Store: immortal()}
				p := compileWeb(t, &web{}, strings.ReplaceAll(waits, "%MORE%", tt.more))
				run, _ := x.Run(t.Context(), p, nil)
				signal := func(body string) error {
					_, err := x.Signal(t.Context(), p, run.ID, "m", body)
					return err
				}
				if err := signal(tt.wrong); err != nil {
					t.Fatal(err)
				}
				if err := signal(`{"n":2}`); !errors.Is(err, datapoints.ErrDelivered) {
					t.Errorf("another message before anybody looked: %v", err)
				}
				run, err := x.Resume(t.Context(), p, run.ID, nil)
				if tt.kind == "" {
					if err := signal(`{"n":2}`); run.State != datapoints.Paused || !errors.Is(err, datapoints.ErrDelivered) {
						t.Errorf("%s; another message: %v", run.State, err)
					}
					return
				}
				if e := failureOf(t, err); e.Kind != tt.kind || !strings.Contains(strings.Join(e.Hints, " "), "another message takes its place: stepwell signal "+run.ID+" m ") {
					t.Fatalf("%s %v", e.Kind, e.Hints)
				}
				time.Sleep(2 * time.Hour) // its time counts anew
				for i, body := range []string{`{"n":1}`, `{"n":3}`} {
					if err := signal(body); err != nil {
						t.Fatal(err)
					}
					if err := signal(`{"n":4}`); !errors.Is(err, datapoints.ErrDelivered) {
						t.Errorf("one that nobody has looked at yet is replaced: %v", err)
					}
					if run, err = x.Resume(t.Context(), p, run.ID, nil); i == 0 && flowKind(err) != flow.KindExpect {
						t.Fatalf("%s %v", run.State, err)
					}
				}
				if _, err := x.Signal(t.Context(), p, run.ID, "other", "1"); err != nil {
					t.Fatal(err)
				}
				if run, err = x.Resume(t.Context(), p, run.ID, nil); run.Outputs.Reveal() != `{"n":"3 3"}` {
					t.Errorf("%s %s %v", run.State, run.Outputs.Reveal(), err)
				}
			})
		})
	}
}
