package flow_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// working answers 202 until it was asked n times, then 200.
func working(n int, headers ...string) func(h hit) (flow.Result, error) {
	return func(h hit) (flow.Result, error) {
		if h.Nth < n {
			return status(202, `{"status":"working","n":1}`, headers...), nil
		}
		return ok(`{"status":"done","n":2}`), nil
	}
}

func seconds(n ...float64) (all []time.Duration) {
	for _, s := range n {
		all = append(all, time.Duration(s*float64(time.Second)))
	}
	return all
}

func TestWhenAPollAsksAgain(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, step string
		answer     func(hit) (flow.Result, error)
		asked      []time.Duration
		end        string
	}{
		{"every five seconds without a word", "poll: { until: response.status == 200 }", working(4), seconds(0, 5, 10, 15), `succeeded {"n":2}`},
		{"at once if it is true", "poll: { until: response.status == 200 }", working(1), seconds(0), `succeeded {"n":2}`},
		{"as it says", "poll: { until: response.status == 200, every: 30s }", working(3), seconds(0, 30, 60), `succeeded {"n":2}`},
		{"ever later", "poll: { until: response.status == 200, every: 1s, backoff: { factor: 3, max: 10s } }", working(6), seconds(0, 1, 4, 13, 23, 33), `succeeded {"n":2}`},
		{"Retry-After wins", "poll: { until: response.status == 200, every: 1s }", working(3, "Retry-After", "40"), seconds(0, 40, 80), `succeeded {"n":2}`},
		{"a Retry-After of more than a retry takes", "poll: { until: response.status == 200, timeout: 2h }", working(2, "Retry-After", "3600"), seconds(0, 3600), `succeeded {"n":2}`},
		{"Retry-After: 0 is at once", "poll: { until: response.status == 200 }", working(3, "Retry-After", "0"), seconds(0, 0, 0), `succeeded {"n":2}`},
		{"a Retry-After over the time left", "poll: { until: response.status == 200, timeout: 1m }", working(9, "Retry-After", "40"), seconds(0, 40), "failed timeout at a"},
		{"the time is over", "poll: { until: response.status == 200, timeout: 12s }", working(9), seconds(0, 5, 10), "failed timeout at a"},
		{"the step's time is over", "timeout: 12s\n    poll: { until: response.status == 200 }", working(9), seconds(0, 5, 10), "failed timeout at a"},
		{"ten minutes without a word", "poll: { until: response.status == 200, every: 4m }", working(9), seconds(0, 240, 480), "failed timeout at a"},
		{"longer than one call may take", "poll: { until: response.status == 200, every: 9m, timeout: 1h }", working(4), seconds(0, 540, 1080, 1620), `succeeded {"n":2}`},
		{"each has attempts of its own", "poll: { until: response.status == 200, every: 10s }\n    retry: { attempts: 2, backoff: { initial: 1ms, max: 1ms } }", func(h hit) (flow.Result, error) {
			switch {
			case h.Nth%2 == 1:
				return status(503, "", "Retry-After", "1"), nil
			case h.Nth < 6:
				return status(202, `{"n":1}`), nil
			}
			return ok(`{"n":2}`), nil
		}, seconds(0, 1, 11, 12, 22, 23), `succeeded {"n":2}`},
		{"its attempts may be used up", "poll: { until: response.status == 200 }\n    retry: false", func(h hit) (flow.Result, error) {
			if h.Nth == 1 {
				return status(202, `{"n":1}`), nil
			}
			return status(503, ""), nil
		}, seconds(0, 5), "failed http at a"},
		{"a status that is listed is an answer", "poll: { until: response.status != 404 }\n    expect: { status: [ 200, 404 ] }", func(h hit) (flow.Result, error) {
			if h.Nth < 3 {
				return status(404, `{"n":1}`), nil
			}
			return ok(`{"n":2}`), nil
		}, seconds(0, 5, 10), `succeeded {"n":2}`},
		{"one that is not is none", "poll: { until: response.status != 404 }", func(hit) (flow.Result, error) { return status(404, ""), nil }, seconds(0), "failed http at a"},
		{"the last one must be listed", "poll: { until: response.status == 202 }\n    expect: { status: 200 }", working(9), seconds(0), "failed expect at a"},
		{"what is expected is of the last one", "poll: { until: response.status == 200 }\n    expect: { that: [ response.body.n == 2 ] }", working(3), seconds(0, 5, 10), `succeeded {"n":2}`},
		{"what fails at the end is not tried again", "poll: { until: response.status == 200 }\n    expect: { that: [ response.body.n == 3 ] }\n    retry: { attempts: 3, when: 'error.kind == \"expect\"' }", working(2), seconds(0, 5), "failed expect at a"},
		{"a condition without a value", "poll: { until: response.body.none }", working(2), seconds(0), "failed expression at a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: tt.answer}
				p := compileWeb(t, w, "steps:\n  - id: a\n    action: web\n    with: { safe: true }\n    save: { n: n }\n    "+tt.step+"\noutputs: { n: '${{ data.n }}' }\n")
				run, err := (&flow.Executor{Owner: flow.Process{Stays: true}}).Run(t.Context(), p, nil)
				if got := end(run, err); got != tt.end {
					t.Errorf("%s, want %s: %v", got, tt.end, err)
				}
				got := w.times("a")
				for i := range got {
					got[i] = got[i].Truncate(time.Second)
				}
				if diff := cmp.Diff(tt.asked, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestAPollThatTimesOutSaysWhatItLastSaw(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: working(99)}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true }, poll: { until: 'response.body.status == \"done\"', timeout: 12s } }\n")
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		e := failureOf(t, err)
		if want := "`response.body.status == \"done\"` did not become true in 10s: the last of 3 answers was 202 Accepted, application/json, 26 bytes"; e.Message != want {
			t.Errorf("have %s\nwant %s", e.Message, want)
		}
		if !strings.Contains(pretty(e.Facts), `{response.body.status "working"}`) || !strings.Contains(strings.Join(e.Hints, "\n"), "`poll.timeout` is 12s") {
			t.Errorf("%v\n%v", e.Facts, e.Hints)
		}
	})
}

func TestAPollWhoseCallIsUnderWayWhenItsTimeEndsSaysSo(t *testing.T) {
	t.Parallel()
	const under = "; one more call was under way"
	for _, tt := range []struct {
		name, step string
		slow       int // the answer that does not come
		end, want  string
		hint       string
	}{
		{"the poll's time", "with: { safe: true }, poll: { until: response.status == 200, timeout: 12s }", 3, "failed timeout at a",
			"`response.status == 200` did not become true in 12s: the last of 2 answers was 202 Accepted, application/json, 26 bytes" + under, "`poll.timeout` is 12s"},
		{"the first call", "with: { safe: true }, poll: { until: response.status == 200, timeout: 12s }", 1, "failed timeout at a",
			"`response.status == 200` did not become true in 12s: there was no answer" + under, "`poll.timeout` is 12s"},
		{"the step's time", "with: { safe: true }, timeout: 8s, poll: { until: response.status == 200, timeout: 12s }", 2, "failed timeout at a",
			"`response.status == 200` did not become true in 8s: the only answer was 202 Accepted, application/json, 26 bytes" + under, "the `timeout` of the step"},
		{"one that may have been processed", "poll: { until: response.status == 200, timeout: 12s }", 3, "unknown unknown at a",
			"it is not known whether the call was processed: `response.status == 200` did not become true in 12s: the last of 2 answers was 202 Accepted, application/json, 26 bytes" + under, "--assume a=sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				answer := working(99)
				w := &web{answer: func(h hit) (flow.Result, error) {
					if h.Nth == tt.slow {
						return waits(h, time.Hour, true)
					}
					return answer(h)
				}}
				p := compileWeb(t, w, "steps:\n  - { id: a, action: web, "+tt.step+" }\n")
				run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
				e := failureOf(t, err)
				if got := end(run, err); got != tt.end || e.Message != tt.want {
					t.Errorf("%s\nhave %s\nwant %s", got, e.Message, tt.want)
				}
				if hints := strings.Join(e.Hints, "\n"); !strings.Contains(hints, tt.hint) || strings.Contains(hints, "not tried again") {
					t.Errorf("hints: %s", hints)
				}
				if !strings.Contains(pretty(e.Facts), "{under way one more call: cut off}") {
					t.Errorf("facts: %v", e.Facts)
				}
			})
		})
	}
}

func TestAResumedPollKeepsItsTimeAndAFailedOneGetsItAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: working(99)}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true }, poll: { until: response.status == 200, timeout: 1m } }\n")
		s := &datapoints.Memory{}
		interrupted := func(x *flow.Executor, run string, after time.Duration) (datapoints.Run, error) {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			if run == "" {
				return x.Run(ctx, p, nil)
			}
			return x.Resume(ctx, p, run, nil)
		}
		run, err := interrupted(&flow.Executor{Store: s}, "", 12*time.Second)
		if run.State != datapoints.Interrupted {
			t.Fatal(end(run, err))
		}
		time.Sleep(31 * time.Second) // 43 of 60
		run, err = interrupted(successor(s), run.ID, time.Hour)
		if got := end(run, err); got != "failed timeout at a" || !strings.Contains(err.Error(), "in 58s: the last of 7 answers was 202") {
			t.Errorf("%s, %v", got, err)
		}
		began := time.Now()
		run, err = interrupted(successor(s), run.ID, time.Hour)
		if got := end(run, err); got != "failed timeout at a" || time.Since(began) != 55*time.Second || !strings.Contains(err.Error(), "in 55s: the last of 12 answers") {
			t.Errorf("%s after %s, %v", got, time.Since(began), err)
		}
	})
}

func TestAPollThatSleptOverItsEndAsksNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		w := &web{answer: working(99)}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true }, poll: { until: response.status == 200, timeout: 1m } }\n")
		s := &datapoints.Memory{}
		run, _ := (&flow.Executor{Store: s}).Run(ctx, p, nil)
		time.Sleep(time.Hour)
		asked := len(w.hits)
		run, err := successor(s).Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != "failed timeout at a" || len(w.hits) != asked || !strings.Contains(err.Error(), "the last of 3 answers was 202 Accepted") {
			t.Errorf("%s, asked %d times more, %v", got, len(w.hits)-asked, err)
		}
	})
}

func TestAnUnknownCallIsNotPolledOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Nth == 3 {
				return flow.Result{}, lost()
			}
			return status(202, `{}`), nil
		}}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, poll: { until: response.status == 200 } }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != "unknown unknown at a" || len(w.hits) != 3 {
			t.Errorf("%s after %d calls, %v", got, len(w.hits), err)
		}
	})
}

func TestAPollSendsTheSameBytesEachTimeAndSavesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: working(3)}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true, say: '${{ uuid() }} ${{ now() }}' }, save: { n: n }, poll: { until: response.status == 200 } }\n")
		s := &datapoints.Memory{}
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.hits) != 3 || w.hits[0].Say != w.hits[2].Say {
			t.Errorf("said %v", w.hits)
		}
		got, err := s.Read(t.Context(), run.ID, datapoints.Query{History: true, Attempts: true})
		if err != nil || len(got.Points) != 1 || got.Points[0].Attempt != 3 || len(got.Attempts["a"]) != 3 {
			t.Errorf("%v %v, %v", got.Points, got.Attempts, err)
		}
	})
}

func TestAPollThatAsksSeldomPausesTheRunAndGoesOnInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: working(3)}
		p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true }, save: { n: n }, poll: { until: response.status == 200, every: 2h, timeout: 5h } }\noutputs: { n: '${{ data.n }}' }\n")
		s := &mortal{Store: &datapoints.Memory{}, lives: -1}
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		for range 2 {
			if run.State != datapoints.Paused {
				t.Fatal(end(run, err))
			}
			time.Sleep(2 * time.Hour)
			run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		}
		if got := end(run, err); got != `succeeded {"n":2}` {
			t.Error(got, err)
		}
		if diff := cmp.Diff(seconds(0, 7200, 14400), w.times("a")); diff != "" {
			t.Error(diff)
		}
	})
}

// attempts notes how the attempts of a run end.
type attempts struct{ lines []string }

func (l *attempts) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	return ctx, func(e flow.End) {
		if s.Kind == flow.AttemptSpan {
			l.lines = append(l.lines, fmt.Sprintf("%s %d", e.Outcome, e.Status))
		}
	}
}

func TestAnAttemptThatFailedAfterItsAnswerHasTheStatusOfIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ step, want string }{
		{"save: { x: nothing }", "failed 202"},
		{"poll: { until: response.status == 200, timeout: 12s }", "done 202, done 202, failed 202"},
		{"pages: { max: 2, while: true, with: { say: '${{ page }}' } }", "done 202, failed 202"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &web{answer: working(9)}
			l := &attempts{}
			_, err := (&flow.Executor{Observer: l}).Run(t.Context(), compileWeb(t, w, "steps:\n  - id: a\n    action: web\n    "+c.step+"\n"), nil)
			if got := strings.Join(l.lines, ", "); err == nil || got != c.want {
				t.Errorf("%s: %s, want %s; %v", c.step, got, c.want, err)
			}
		})
	}
}
