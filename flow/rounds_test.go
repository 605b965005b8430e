package flow_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// servedBy answers each path with its statuses, one after the other, the last
// again and again; 200 where there are none. 0 is an answer that never came.
func servedBy(statuses map[string][]int) *web {
	return &web{answer: func(h hit) (flow.Result, error) {
		codes := statuses[h.Path]
		if len(codes) == 0 {
			return ok(`{"at":"` + h.Path + `"}`), nil
		}
		code := codes[min(h.Nth, len(codes))-1]
		if code == 0 {
			return flow.Result{}, lost()
		}
		return status(code, `{"at":"`+h.Path+`"}`), nil
	}}
}

// asked are the paths in the order in which they were asked.
func (w *web) asked() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	paths := make([]string, len(w.hits))
	for i, h := range w.hits {
		paths[i] = h.Path
	}
	return strings.Join(paths, " ")
}

func TestWhatRunsAfterAFailureAndInWhichOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, steps string
		statuses    map[string][]int
		want, asked string
	}{
		{"catch comes before finally", `
  - id: b
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
    finally: [ { id: f, action: web } ]
  - { id: after, action: web }
`, map[string][]int{"b.a": {404}}, "succeeded {}", "b.a b.catch[0].c b.finally.f after"},
		{"the first clause that holds", `
  - id: a
    action: web
    catch:
      - { when: error.status == 500, steps: [ { id: c1, action: web } ] }
      - { when: error.status == 404, steps: [ { id: c2, action: web } ] }
      - { steps: [ { id: c3, action: web } ] }
`, map[string][]int{"a": {404}}, "succeeded {}", "a a.catch[1].c2"},
		{"none holds: the failure stands", `
  - id: a
    action: web
    catch: [ { when: error.status == 500, steps: [ { id: c, action: web } ] } ]
`, map[string][]int{"a": {404}}, "failed http at a", "a"},
		{"a clause that fails is the failure", `
  - id: b
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
    finally: [ { id: f, action: web } ]
`, map[string][]int{"b.a": {404}, "b.catch[0].c": {410}}, "failed http at b.catch[0].c", "b.a b.catch[0].c b.finally.f"},
		{"finally's failure counts if there was none", `
  - id: b
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
    finally: [ { id: f, action: web } ]
`, map[string][]int{"b.finally.f": {500}}, "failed http at b.finally.f", "b.a b.finally.f"},
		{"and does not hide one", `
  - id: b
    steps: [ { id: a, action: web } ]
    finally: [ { id: f, action: web } ]
`, map[string][]int{"b.a": {404}, "b.finally.f": {500}}, "failed http at b.a", "b.a b.finally.f"},
		{"finally does not run if the block was not entered", `
  - id: b
    if: 1 == 2
    steps: [ { id: a, action: web } ]
    else: [ { id: e, action: web } ]
    finally: [ { id: f, action: web } ]
`, nil, "succeeded {}", "b.else.e"},
		{"catch does not cover else", `
  - id: b
    if: 1 == 2
    action: web
    else: [ { id: e, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
`, map[string][]int{"b.else.e": {404}}, "failed http at b.else.e", "b.else.e"},
		{"catch and finally are of the whole loop", `
  - id: b
    for_each: { in: "[1, 2, 3]" }
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
    finally: [ { id: f, action: web } ]
`, map[string][]int{"b[1].a": {404}}, "succeeded {}", "b[0].a b[1].a b.catch[0].c b.finally.f"},
		{"retry first, then catch", `
  - id: a
    action: web
    with: { safe: true }
    retry: { attempts: 2, backoff: { initial: 1ms } }
    catch: [ { steps: [ { id: c, action: web } ] } ]
`, map[string][]int{"a": {503}}, "succeeded {}", "a a a.catch[0].c"},
		{"an unknown call is not caught by a clause without when", `
  - id: a
    action: web
    catch: [ { steps: [ { id: c, action: web } ] } ]
`, map[string][]int{"a": {0}}, "unknown unknown at a", "a"},
		{"but by one that asks for it", `
  - id: a
    action: web
    catch: [ { when: error.kind == "unknown", steps: [ { id: c, action: web } ] } ]
  - { id: after, action: web }
`, map[string][]int{"a": {0}}, "succeeded {}", "a a.catch[0].c after"},
		{"what is caught is settled: a later failure is not unknown", `
  - id: a
    action: web
    catch: [ { when: error.kind == "unknown", steps: [ { id: c, action: web } ] } ]
  - { id: after, action: web }
`, map[string][]int{"a": {0}, "after": {404}}, "failed http at after", "a a.catch[0].c after"},
		{"an unknown call beside a failure is what the block says", `
  - id: b
    parallel:
      one: [ { id: x, action: web } ]
      two: [ { id: y, action: web } ]
    concurrency: 1
    on_error: continue
  - { id: after, action: web }
`, map[string][]int{"b.one.x": {0}}, "unknown unknown at b.one.x", "b.one.x"},
		{"on_error goes on, in a branch too", `
  - id: b
    concurrency: 1
    parallel:
      one: [ { id: x, action: web, on_error: continue }, { id: x2, action: web } ]
      two: [ { id: y, action: web } ]
`, map[string][]int{"b.one.x": {404}}, "succeeded {}", "b.one.x b.one.x2 b.two.y"},
		{"a failed branch stops those that have not begun", `
  - id: b
    concurrency: 1
    parallel:
      one: [ { id: x, action: web }, { id: x2, action: web } ]
      two: [ { id: y, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
`, map[string][]int{"b.one.x": {404}}, "succeeded {}", "b.one.x b.catch[0].c"},
		{"a loop of branches", `
  - id: b
    for_each: { in: "[1, 2]" }
    concurrency: 1
    parallel:
      one: [ { id: x, action: web } ]
      two: [ { id: y, action: web } ]
`, nil, "succeeded {}", "b[0].one.x b[0].two.y b[1].one.x b[1].two.y"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := servedBy(tt.statuses)
			run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, "steps:"+tt.steps), nil)
			if got := end(run, err); got != tt.want || w.asked() != tt.asked {
				t.Errorf("have %s after %s\nwant %s after %s\n%v", got, w.asked(), tt.want, tt.asked, err)
			}
		})
	}
}

func TestRoundsOfABlock(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, flow string
		statuses   map[string][]int
		want       string
		asked      string
	}{
		{"an ETag that went stale", `
steps:
  - id: update
    retry: { attempts: 3, on: [412], backoff: { initial: 1ms } }
    steps:
      - { id: get, action: web, save: { seen: at } }
      - { id: put, action: web }
outputs: { seen: "${{ data.seen }}", n: "${{ steps.update.attempts }} ${{ steps.put.status ?? 0 }}" }
`, map[string][]int{"update#0.put": {412}}, `succeeded {"seen":"update#1.get","n":"2 200"}`, "update#0.get update#0.put update#1.get update#1.put"},
		{"a failure that is not listed", `
steps:
  - id: b
    retry: { on: [412] }
    steps: [ { id: a, action: web } ]
`, map[string][]int{"b#0.a": {409}}, "failed http at b#0.a", "b#0.a"},
		{"a class of statuses, and a kind", `
steps:
  - id: b
    retry: { attempts: 3, on: [4xx, expect], backoff: { initial: 1ms } }
    steps: [ { id: a, action: web, expect: { that: [ round == 2 ] } } ]
`, map[string][]int{"b#0.a": {409}}, "succeeded {}", "b#0.a b#1.a b#2.a"},
		{"when", `
steps:
  - id: b
    retry: { when: error.status == 409 and error.step == "b#0.a", backoff: { initial: 1ms } }
    steps: [ { id: a, action: web } ]
`, map[string][]int{"b#0.a": {409}, "b#1.a": {409}}, "failed http at b#1.a", "b#0.a b#1.a"},
		{"a plain number is for any failure", `
steps:
  - id: b
    retry: 2
    steps: [ { id: a, action: web }, { id: f, if: round == 0, fail: no } ]
`, nil, "succeeded {}", "b#0.a b#1.a"},
		{"but not after an unknown call", `
steps:
  - id: b
    retry: 5
    steps: [ { id: a, action: web } ]
`, map[string][]int{"b#0.a": {0}}, "unknown unknown at b#0.a", "b#0.a"},
		{"nor if one was unknown beside the failure", `
steps:
  - id: b
    retry: 5
    steps:
      - id: both
        concurrency: 1
        parallel:
          one: [ { id: x, steps: [ { id: u, action: web } ], finally: [ { id: f, action: web } ] } ]
          two: [ { id: y, action: web } ]
`, map[string][]int{"b#0.both.one.x.u": {404}, "b#0.both.one.x.finally.f": {0}}, "unknown unknown at b#0.both.one.x.finally.f", "b#0.both.one.x.u b#0.both.one.x.finally.f"},
		{"what failed rounds saved is taken back", `
data: { x: { type: string, default: none } }
steps:
  - { id: before, set: { y: old } }
  - id: b
    retry: { attempts: 2, on: [failed], backoff: { initial: 1ms } }
    steps:
      - { id: s, set: { x: "${{ data.x }} ${{ round }}", y: new, z: 1 } }
      - { id: f, fail: no }
    catch: [ { steps: [ { id: c, set: { got: "${{ data.x }} ${{ data.y }} ${{ data.z ?? 'no' }}" } } ] } ]
outputs: { got: "${{ data.got }}", s: "${{ steps.b.attempts }} ${{ steps.b.outcome }} ${{ steps.s.outcome }}" }
`, nil, `succeeded {"got":"none old no","s":"2 caught done"}`, ""},
		{"what a failed block saved stays", `
steps:
  - id: b
    steps:
      - { id: s, set: { x: 1 } }
      - { id: f, fail: no }
    catch: [ { steps: [ { id: c, set: { got: "${{ data.x ?? 0 }}" } } ] } ]
outputs: { got: "${{ data.got }}" }
`, nil, `succeeded {"got":1}`, ""},
		{"poll sees what the round saved, and the rounds before", `
steps:
  - id: b
    poll: { until: "data.n == 3", every: 1ms }
    steps: [ { id: s, set: { n: "${{ (data.n ?? 0) + 1 }}", r: "${{ round }}" } } ]
outputs: { n: "${{ data.n }} ${{ data.r }} ${{ steps.b.attempts }}" }
`, nil, `succeeded {"n":"3 2 3"}`, ""},
		{"a poll's failure ends it", `
steps:
  - id: b
    poll: { until: "1 == 2", every: 1ms }
    steps: [ { id: a, action: web } ]
`, map[string][]int{"b#1.a": {404}}, "failed http at b#1.a", "b#0.a b#1.a"},
		{"each poll has its own tries", `
steps:
  - id: b
    poll: { until: data.n == 2, every: 1ms }
    retry: { attempts: 2, on: [404], backoff: { initial: 1ms } }
    steps: [ { id: a, action: web }, { id: s, set: { n: "${{ (data.n ?? 0) + 1 }}" } } ]
outputs: { n: "${{ data.n }}" }
`, map[string][]int{"b#0.a": {404}, "b#2.a": {404}}, `succeeded {"n":2}`, "b#0.a b#1.a b#2.a b#3.a"},
		{"rounds in a loop", `
steps:
  - id: each
    for_each: { in: "[7, 8]" }
    retry: { attempts: 2, on: [404], backoff: { initial: 1ms } }
    steps: [ { id: a, action: web, save: { at: at } }, { id: s, set: { n: "${{ item }} ${{ index }} ${{ round }} ${{ steps.a.outcome }}" } } ]
outputs: { n: "${{ data.n }}", at: "${{ data.at }}" }
`, map[string][]int{"each[1]#0.a": {404}}, `succeeded {"n":["7 0 0 done","8 1 1 done"],"at":["each[0]#0.a","each[1]#1.a"]}`, "each[0]#0.a each[1]#0.a each[1]#1.a"},
		{"a loop in rounds", `
steps:
  - id: b
    retry: { attempts: 2, on: [404], backoff: { initial: 1ms } }
    steps: [ { id: l, for_each: { in: "[1, 2]" }, action: web, save: { at: at } } ]
outputs: { at: "${{ data.at }}" }
`, map[string][]int{"b#0.l[1]": {404}}, `succeeded {"at":["b#1.l[0]","b#1.l[1]"]}`, "b#0.l[0] b#0.l[1] b#1.l[0] b#1.l[1]"},
		{"rounds in rounds", `
steps:
  - id: o
    retry: { attempts: 2, on: [500], backoff: { initial: 1ms } }
    steps:
      - id: i
        retry: { attempts: 2, on: [404], backoff: { initial: 1ms } }
        steps: [ { id: a, action: web }, { id: s, set: { r: "${{ round }}" } } ]
      - { id: z, action: web, save: { at: at } }
outputs: { r: "${{ data.r }} ${{ data.at }} ${{ steps.i.attempts }} ${{ steps.a.status ?? 0 }}" }
`, map[string][]int{"o#0.i#0.a": {404}, "o#0.z": {500}}, `succeeded {"r":"0 o#1.z 1 200"}`, "o#0.i#0.a o#0.i#1.a o#0.z o#1.i#0.a o#1.z"},
		{"a condition that cannot be computed", `
steps:
  - id: b
    poll: { until: "data.x[9] == 1", every: 1ms }
    steps: [ { id: s, set: { x: "${{ [1] }}" } } ]
`, nil, "failed expression at b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := servedBy(tt.statuses)
			run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, tt.flow), nil)
			if got := end(run, err); got != tt.want || w.asked() != tt.asked {
				t.Errorf("have %s after %s\nwant %s after %s\n%v", got, w.asked(), tt.want, tt.asked, err)
			}
		})
	}
}

func TestWhatAClauseAndFinallyAreTold(t *testing.T) {
	t.Parallel()
	w := servedBy(map[string][]int{"b.a": {404}, "n.in.a2": {410}})
	p := compileWeb(t, w, `
steps:
  - id: b
    steps: [ { id: a, action: web } ]
    catch:
      - steps:
          - { id: c, set: { told: "${{ error.kind }} ${{ error.status ?? 0 }} ${{ error.step }} ${{ error.body.at }}" } }
          - id: inner
            fail: again
            catch: [ { steps: [ { id: ci, set: { inner: "${{ error.message }}" } } ] } ]
          - { id: still, set: { still: "${{ error.status }}" } }
    finally: [ { id: f, set: { after: "${{ run.status }} ${{ run.error == nil }}" } } ]
  - id: n
    on_error: continue
    steps:
      - id: in
        steps: [ { id: a2, action: web } ]
        finally: [ { id: f2, if: run.status == "failed", set: { failed: "${{ run.status }} ${{ run.error.kind }} ${{ run.error.step }} ${{ steps.a2.outcome }}" } } ]
    finally: [ { id: f3, set: { outer: "${{ run.status }}" } } ]
outputs: { told: "${{ data.told ?? '' }}", inner: "${{ data.inner ?? '' }}", still: "${{ data.still ?? 0 }}", after: "${{ data.after }}", failed: "${{ data.failed ?? '' }}", outer: "${{ data.outer }}" }
`)
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	want := `succeeded {"told":"http 404 b.a b.a","inner":"again","still":404,"after":"succeeded true","failed":"failed http n.in.a2 failed","outer":"succeeded"}`
	if got := end(run, err); got != want {
		t.Errorf("have %s\nwant %s\n%v", got, want, err)
	}
}

func TestOfTwoBranchesThatFailTheFirstInTheFileCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			time.Sleep(time.Millisecond) // until all have begun
			if h.Path == "b.one.x" {     // ends later, and is in flight when the other fails
				time.Sleep(time.Second)
			}
			return status(404, "{}"), nil
		}}
		run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, `
steps:
  - id: b
    parallel:
      one: [ { id: x, action: web }, { id: x2, action: web } ]
      two: [ { id: y, action: web } ]
      three: [ { id: z, action: web, with: { safe: true } } ]
`), nil)
		if got := end(run, err); got != "failed http at b.one.x" {
			t.Error(got, err)
		}
		if w.counts()["b.one.x2"] != 0 {
			t.Error("a stopped branch began something")
		}
	})
}

func TestABranchThatIsStoppedRunsItsFinally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &web{answer: func(h hit) (flow.Result, error) {
			switch h.Path {
			case "b.one.slow.x":
				time.Sleep(time.Second)
			case "b.two.y":
				time.Sleep(time.Millisecond) // until the other branch has begun
				return status(404, "{}"), nil
			}
			return ok("{}"), nil
		}}
		run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, `
steps:
  - id: b
    parallel:
      one:
        - id: slow
          steps: [ { id: x, action: web }, { id: x2, action: web } ]
          catch: [ { steps: [ { id: c, action: web } ] } ]
          finally: [ { id: f, action: web, with: { say: "${{ run.status }} ${{ run.error?.kind ?? 0 }} ${{ run.error?.step ?? 0 }} ${{ steps.x.outcome }} ${{ steps.x2.outcome }}" } } ]
      two: [ { id: y, action: web } ]
`), nil)
		if got := end(run, err); got != "failed http at b.two.y" {
			t.Error(got, err)
		}
		last := w.hits[len(w.hits)-1]
		if last.Path != "b.one.slow.finally.f" || last.Say != `"cancelled cancelled b.one.slow done skipped"` || len(w.hits) != 3 {
			t.Errorf("last asked %s with %s, of %s", last.Path, last.Say, w.asked())
		}
	})
}

func TestConcurrencyBoundsBranches(t *testing.T) {
	t.Parallel()
	for concurrency, want := range map[string]int{"": 4, "concurrency: 2": 2, "concurrency: 1": 1} {
		t.Run(concurrency, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &world{during: func(context.Context, string) { time.Sleep(time.Second) }}
				outputs(t, w, `
steps:
  - id: b
    `+concurrency+`
    parallel:
      one: [ { id: s1, action: call } ]
      two: [ { id: s2, action: call } ]
      three: [ { id: s3, action: call } ]
      four: [ { id: s4, action: call } ]
`, nil)
				if w.most != want {
					t.Errorf("%d at once, want %d", w.most, want)
				}
			})
		})
	}
}

func TestAPollOfABlockAsksAtItsTimesAndSaysWhatItLastSaw(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, around, message string
		at                    []time.Duration
	}{
		{"every", "poll: { until: data.state == 9, every: 20s, timeout: 1m }", "did not become true in 40s, in 3 rounds", []time.Duration{0, 20 * time.Second, 40 * time.Second}},
		{"without more", "poll: { until: data.state == 9, timeout: 12s }", "did not become true in 10s, in 3 rounds", []time.Duration{0, 5 * time.Second, 10 * time.Second}},
		{"backoff", "poll: { until: data.state == 9, every: 1s, timeout: 8s, backoff: { max: 3s } }", "did not become true in 6s, in 4 rounds", []time.Duration{0, time.Second, 3 * time.Second, 6 * time.Second}},
		{"the step's timeout covers all rounds", "timeout: 30s\n    poll: { until: data.state == 9, every: 20s, timeout: 1h }", "did not become true in 20s, in 2 rounds", []time.Duration{0, 20 * time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: func(h hit) (flow.Result, error) { return ok(`{"state":5}`), nil }}
				run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, "steps:\n  - id: b\n    "+tt.around+"\n    steps: [ { id: a, action: web, save: { state: state } } ]\n"), nil)
				e := failureOf(t, err)
				var at []time.Duration
				for _, h := range w.hits {
					at = append(at, h.At.Sub(w.hits[0].At))
				}
				if end(run, err) != "failed timeout at b" || !strings.Contains(e.Message, tt.message) || !slices.Contains(e.Facts, flow.Fact{Name: "data.state", Text: "5"}) {
					t.Errorf("%s: %v %v", end(run, err), e, e.Facts)
				}
				if diff := cmp.Diff(tt.at, at); diff != "" {
					t.Errorf("asked at (-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestARoundBeginsWhenTheServerAskedForIt(t *testing.T) {
	t.Parallel()
	const block = `steps:
  - id: b
    %AROUND%
    retry: { attempts: 3, on: [503], backoff: { initial: 1ms, max: 1ms } }
    steps: [ { id: before, action: web }, { id: a, action: web, retry: false } ]
`
	tests := []struct {
		name, around, after string
		at                  []time.Duration // of the rounds, to the second
		hint                string
	}{
		{"it takes the place of a backoff", "", "7", []time.Duration{0, 7 * time.Second, 14 * time.Second}, ""},
		{"at once", "", "0", []time.Duration{0, 0, 0}, ""},
		{"300 s", "", "300", []time.Duration{0, 5 * time.Minute, 10 * time.Minute}, ""},
		{"more", "", "301", []time.Duration{0}, "the server asks to wait 5m1s; a run waits at most 5m0s: resume it then"},
		{"beyond the step's time", "timeout: 10s", "7", []time.Duration{0, 7 * time.Second}, "there was no further round: the step's time would be over before"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &web{answer: func(h hit) (flow.Result, error) {
					if strings.HasSuffix(h.Path, ".a") {
						return status(503, "{}", "Retry-After", tt.after), nil
					}
					return ok(`{}`), nil
				}}
				_, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, strings.ReplaceAll(block, "%AROUND%", tt.around)), nil)
				e := failureOf(t, err)
				var at []time.Duration
				for _, h := range w.hits {
					if strings.HasSuffix(h.Path, ".before") {
						at = append(at, h.At.Sub(w.hits[0].At).Truncate(time.Second))
					}
				}
				if diff := cmp.Diff(tt.at, at); diff != "" {
					t.Errorf("rounds began at (-want +got)\n%s", diff)
				}
				if e.Status != 503 || tt.hint != "" && !slices.Contains(e.Hints, tt.hint) {
					t.Errorf("%d %q, want the hint %q", e.Status, e.Hints, tt.hint)
				}
			})
		})
	}
}

func TestAResumedRunBeginsANewRoundWithWhatItNeeds(t *testing.T) {
	t.Parallel()
	text := `
steps:
  - id: update
    retry: { attempts: 2, on: [412], backoff: { initial: 1ms } }
    steps:
      - { id: get, action: web, save: { etag: at } }
      - { id: put, action: web, with: { say: "${{ data.etag }} ${{ round }}" } }
    finally: [ { id: f, action: web, with: { safe: true } } ]
outputs: { etag: "${{ data.etag }}" }
`
	broken := true
	w := &web{}
	w.answer = func(h hit) (flow.Result, error) {
		if broken && strings.HasSuffix(h.Path, ".put") {
			return status(412, "{}"), nil
		}
		return ok(`{"at":"` + h.Path + `"}`), nil
	}
	x := &flow.Executor{Store: &datapoints.Memory{}}
	p := compileWeb(t, w, text)
	run, err := x.Run(t.Context(), p, nil)
	if got := end(run, err); got != "failed http at update#1.put" {
		t.Fatal(got, err)
	}
	broken = false
	run, err = x.Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != `succeeded {"etag":"update#2.get"}` {
		t.Fatal(got, err)
	}
	want := "update#0.get update#0.put update#1.get update#1.put update.finally.f update#2.get update#2.put update.finally.f"
	if got := w.asked(); got != want {
		t.Errorf("asked %s\nwant  %s", got, want)
	}
	if say := w.hits[6].Say; say != `"update#2.get 2"` {
		t.Errorf("the new round sent %s", say)
	}
}

func TestARoundWithACallThatMayHaveBeenSentGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	for _, sent := range []bool{true, false} {
		gone := true
		w := &web{}
		w.answer = func(h hit) (flow.Result, error) {
			if gone && strings.HasSuffix(h.Path, ".post") {
				return flow.Result{}, lost()
			}
			return ok(`{"at":"` + h.Path + `"}`), nil
		}
		x := &flow.Executor{Store: &datapoints.Memory{}}
		p := compileWeb(t, w, `
steps:
  - id: b
    retry: 3
    steps:
      - { id: get, action: web, save: { seen: at } }
      - { id: post, action: web, with: { say: "${{ data.seen }}" } }
      - { id: last, action: web, with: { say: "${{ data.seen }}" } }
`)
		run, err := x.Run(t.Context(), p, nil)
		if got := end(run, err); got != "unknown unknown at b#0.post" {
			t.Fatal(got, err)
		}
		gone = false
		run, err = x.Resume(t.Context(), p, run.ID, flow.Assume{"b#0.post": {Sent: sent}})
		want := "b#0.get b#0.post b#0.post b#0.last"
		if sent {
			want = "b#0.get b#0.post b#0.last"
		}
		if got := end(run, err); got != "succeeded {}" || w.asked() != want {
			t.Errorf("sent %t: %s after %s, want %s; %v", sent, got, w.asked(), want, err)
		}
	}
}

func TestAnInterruptedRunGoesOnInItsRound(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var once sync.Once
	w := &web{}
	w.answer = func(h hit) (flow.Result, error) {
		if h.Path == "b#1.one" {
			once.Do(stop)
		}
		return ok(`{"at":"` + h.Path + `"}`), nil
	}
	x := &flow.Executor{Store: &datapoints.Memory{}}
	p := compileWeb(t, w, `
steps:
  - id: b
    poll: { until: round == 2, every: 1ms }
    steps:
      - { id: one, action: web, save: { at: at } }
      - { id: two, action: web, with: { say: "${{ data.at }}" } }
`)
	run, err := x.Run(ctx, p, nil)
	if got := end(run, err); got != "interrupted interrupted" {
		t.Fatal(got, err)
	}
	run, err = x.Resume(t.Context(), p, run.ID, nil)
	want := "b#0.one b#0.two b#1.one b#1.two b#2.one b#2.two"
	if got := end(run, err); got != "succeeded {}" || w.asked() != want {
		t.Errorf("%s after %s, want %s; %v", got, w.asked(), want, err)
	}
}

func TestAFlowIsPolledAndTriedAgainAsABlockIs(t *testing.T) {
	t.Parallel()
	w := &web{}
	w.answer = func(h hit) (flow.Result, error) {
		if h.Path == "job#1.ask" {
			return status(503, "{}"), nil
		}
		return ok(`{"state":"` + h.Path + `"}`), nil
	}
	files := fstest.MapFS{
		"test.yaml": {Data: []byte(`
stepwell: 1
name: test
steps:
  - id: job
    flow: job.yaml
    poll: { until: response.body.state == "job#2.ask" && round == 2, every: 1ms }
    retry: { attempts: 2, on: [503], backoff: { initial: 1ms } }
    expect: { that: [ response.body.before == "none" ] }
    save: { state: state }
outputs: { state: "${{ data.state }} ${{ steps.job.attempts }}" }
`)},
		"job.yaml": {Data: []byte(`
stepwell: 1
name: job
data: { seen: { type: string, default: none } }
steps:
  - { id: keep, set: { before: "${{ data.seen }}" } }
  - { id: ask, action: web, with: { safe: true }, retry: false, save: { seen: state } }
outputs: { state: "${{ data.seen }}", before: "${{ data.before }}" }
`)}}
	p, err := flow.Compile(files, "test.yaml", w.kit())
	if err != nil {
		t.Fatal(err)
	}
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if got := end(run, err); got != `succeeded {"state":"job#2.ask 3"}` {
		t.Errorf("%s after %s; %v", got, w.asked(), err)
	}
}

func TestAStoppedClauseOfCatchIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ clause, said string }{
		{"- { id: slow, action: web }\n                - { id: more, action: web }", `"cancelled"`}, // stopped within
		{"- { id: slow, action: web }", `"succeeded"`},                                              // what it does has ended
		{"- id: inner\n                  timeout: 1h\n                  steps: [ { id: slow, action: web }, { id: more, action: web } ]", `"cancelled"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &web{answer: func(h hit) (flow.Result, error) {
				switch {
				case strings.HasSuffix(h.Path, "slow"):
					time.Sleep(2 * time.Second)
				case h.Path == "b.two.fails":
					time.Sleep(time.Second) // one is in its clause by then
					return status(500, ""), nil
				case h.Path == "b.one.x.y":
					return status(500, ""), nil
				}
				return ok(`{}`), nil
			}}
			p := compileWeb(t, w, `steps:
  - id: b
    parallel:
      one:
        - id: x
          steps: [ { id: y, action: web } ]
          catch:
            - steps:
                `+tt.clause+`
          finally: [ { id: f, action: web, with: { say: "${{ run.status }}" } } ]
        - { id: after, action: web }
      two: [ { id: fails, action: web } ]
`)
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if got := end(run, err); got != "failed http at b.two.fails" {
				t.Fatal(got, err)
			}
			last := w.hits[len(w.hits)-1]
			if last.Path != "b.one.x.finally.f" || last.Say != tt.said || w.counts()["b.one.after"] != 0 {
				t.Errorf("%s said %s, want %s: %v", last.Path, last.Say, tt.said, w.counts())
			}
		})
	}
}
