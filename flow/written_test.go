package flow_test

import (
	order "cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// Made-up flows are compared with themselves and do not see a rule that is
// wrong both times. Here stands what must come out, rule by rule: each case
// fails if its rule is broken on purpose.

// A turn is one start or resume of a run, and what must come of it.
type turn struct {
	answers map[string]string // by the path without rounds: how it is answered now; the rest is ok
	end     string
	sent    string // "path=what it said", in order
	after   time.Duration
}

func TestRulesOfFailureAndResumeAsTheyAreWrittenDown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		steps string
		turns []turn
	}{
		"what a failed round saved is taken back, so a resume begins a new round": {`
  - id: update
    retry: { attempts: 2, on: [ http ], backoff: { initial: 1ms } }
    steps:
      - { id: get, action: web, with: { safe: true }, save: { etag: at } }
      - { id: patch, action: web, with: { say: "${{ data.etag ?? 'none' }}" } }
  - { id: next, action: web }`, []turn{
			{map[string]string{"update.patch": "404"}, "failed http at update#1.patch", "update#0.get, update#0.patch=update#0.get, update#1.get, update#1.patch=update#1.get", 0},
			{nil, "succeeded {}", "update#2.get, update#2.patch=update#2.get, next", 0},
		}},
		"a clause reads what a failed block saved, and not what a failed round saved": {`
  - id: block
    steps:
      - { id: get, action: web, save: { a: at } }
      - { id: bad, action: web }
    catch: [ { steps: [ { id: c1, action: web, with: { say: "${{ data.a ?? 'none' }}" } } ] } ]
  - id: round
    retry: { attempts: 1, on: [ http ] }
    steps:
      - { id: get2, action: web, save: { b: at } }
      - { id: bad2, action: web }
    catch: [ { steps: [ { id: c2, action: web, with: { say: "${{ data.b ?? 'none' }}" } } ] } ]`, []turn{
			{map[string]string{"block.bad": "404", "round.bad2": "404"}, "succeeded {}",
				"block.get, block.bad, block.catch[0].c1=block.get, round#0.get2, round#0.bad2, round.catch[0].c2=none", 0},
		}},
		"a clause has the time around the step, not the step's": {`
  - id: outer
    timeout: 100s
    steps:
      - id: o
        timeout: 10s
        steps: [ { id: a, action: web, with: { safe: true }, retry: false } ]
        catch: [ { steps: [ { id: c, action: web }, { id: d, action: web, with: { safe: true }, retry: false } ] } ]`, []turn{
			{map[string]string{"outer.o.a": "slow", "outer.o.catch[0].c": "40s", "outer.o.catch[0].d": "slow"}, "failed timeout at outer.o.catch[0].d",
				"outer.o.a, outer.o.catch[0].c, outer.o.catch[0].d", 100 * time.Second},
		}},
		"finally has a time of its own, though all around it is over": {`
  - id: outer
    timeout: 10s
    steps:
      - id: o
        steps: [ { id: a, action: web, with: { safe: true }, retry: false } ]
        finally: [ { id: f, action: web }, { id: g, action: web, with: { safe: true }, retry: false }, { id: h, action: web } ]`, []turn{
			{map[string]string{"outer.o.a": "slow", "outer.o.finally.f": "200s", "outer.o.finally.g": "slow"}, "failed timeout at outer.o.a",
				"outer.o.a, outer.o.finally.f, outer.o.finally.g", 310 * time.Second},
		}},
		"a resume of a failed run gives its timeouts anew": {`
  - id: o
    timeout: 30s
    steps:
      - { id: a, action: web, with: { safe: true } }
      - { id: b, action: web, timeout: 20s, retry: false, with: { safe: true } }
      - { id: c, action: web, with: { safe: true } }`, []turn{
			{map[string]string{"o.a": "9s", "o.b": "slow"}, "failed timeout at o.b", "o.a, o.b", 29 * time.Second},
			{map[string]string{"o.b": "15s", "o.c": "10s"}, "succeeded {}", "o.b, o.c", 25 * time.Second},
		}},
		"of siblings that failed the first in the file counts": {`
  - id: p
    parallel:
      one: [ { id: a, action: web }, { id: never, action: web } ]
      two: [ { id: b, action: web } ]`, []turn{
			{map[string]string{"p.one.a": "10s 404", "p.two.b": "5s 500"}, "failed http at p.one.a", "p.one.a, p.two.b", 10 * time.Second},
			{nil, "succeeded {}", "p.one.a, p.one.never, p.two.b", 0},
		}},
		"a failure that was caught stays so, whatever fails later": {`
  - id: o
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]
    finally: [ { id: f, action: web } ]
  - { id: b, action: web }`, []turn{
			{map[string]string{"o.a": "404", "b": "404"}, "failed http at b", "o.a, o.catch[0].c, o.finally.f, b", 0},
			{nil, "succeeded {}", "b", 0},
		}},
		"a clause that failed goes on where it was": {`
  - id: o
    steps: [ { id: a, action: web } ]
    catch: [ { steps: [ { id: c, action: web }, { id: d, action: web, with: { say: "${{ error.status }}" } } ] } ]
    finally: [ { id: f, action: web } ]`, []turn{
			{map[string]string{"o.a": "404", "o.catch[0].d": "500"}, "failed http at o.catch[0].d", "o.a, o.catch[0].c, o.catch[0].d=404, o.finally.f", 0},
			{nil, "succeeded {}", "o.catch[0].d=404, o.finally.f", 0},
		}},
		"that no clause took a failure does not count on resume": {`
  - id: o
    steps: [ { id: a, action: web } ]
    catch: [ { when: error.status == 500, steps: [ { id: c, action: web } ] } ]`, []turn{
			{map[string]string{"o.a": "404"}, "failed http at o.a", "o.a", 0},
			{map[string]string{"o.a": "500"}, "succeeded {}", "o.a, o.catch[0].c", 0},
		}},
		"of a leaf too": {`
  - { id: a, action: web, catch: [ { when: error.status == 500, steps: [ { id: c, action: web } ] } ] }`, []turn{
			{map[string]string{"a": "404"}, "failed http at a", "a", 0},
			{map[string]string{"a": "500"}, "succeeded {}", "a, a.catch[0].c", 0},
		}},
		"finally that ran because of the failure runs again": {`
  - id: o
    steps: [ { id: a, action: web }, { id: b, action: web } ]
    finally: [ { id: f, action: web, with: { say: "${{ steps.b.outcome }}" } } ]`, []turn{
			{map[string]string{"o.b": "404"}, "failed http at o.b", "o.a, o.b, o.finally.f=failed", 0},
			{nil, "succeeded {}", "o.b, o.finally.f=done", 0},
		}},
		"finally that failed itself goes on like any block": {`
  - id: o
    steps: [ { id: a, action: web } ]
    finally: [ { id: f, action: web }, { id: g, action: web } ]
  - { id: b, action: web }`, []turn{
			{map[string]string{"o.finally.g": "404"}, "failed http at o.finally.g", "o.a, o.finally.f, o.finally.g", 0},
			{nil, "succeeded {}", "o.finally.g, b", 0},
		}},
		"the failure of finally does not hide that of its steps": {`
  - id: o
    steps: [ { id: a, action: web } ]
    finally: [ { id: f, action: web } ]`, []turn{
			{map[string]string{"o.a": "404", "o.finally.f": "500"}, "failed http at o.a", "o.a, o.finally.f", 0},
		}},
		"catch comes before finally": {`
  - id: o
    steps: [ { id: a, action: web } ]
    finally: [ { id: f, action: web } ]
    catch: [ { steps: [ { id: c, action: web } ] } ]`, []turn{
			{map[string]string{"o.a": "404"}, "succeeded {}", "o.a, o.catch[0].c, o.finally.f", 0},
		}},
		"a bare clause takes no unknown call, one that asks for it does": {`
  - { id: a, action: web, on_error: continue }`, []turn{
			{map[string]string{"a": "lost"}, "unknown unknown at a", "a", 0},
		}},
		"a clause for unknown calls": {`
  - { id: a, action: web, catch: [ { steps: [ { id: c, action: web } ] }, { when: error.kind == "unknown", steps: [ { id: d, action: web } ] } ] }`, []turn{
			{map[string]string{"a": "lost"}, "succeeded {}", "a, a.catch[1].d", 0},
		}},
		"an unknown call counts more than what failed first": {`
  - id: p
    parallel:
      one: [ { id: a, action: web } ]
      two: [ { id: b, action: web } ]`, []turn{
			{map[string]string{"p.one.a": "5s 404", "p.two.b": "10s lost"}, "unknown unknown at p.two.b", "p.one.a, p.two.b", 10 * time.Second},
		}},
		"a loop that passes over failed items does not do them again": {`
  - { id: each, for_each: { in: "1..3", on_error: continue }, action: web, with: { say: "${{ item }}" } }
  - { id: b, action: web }`, []turn{
			{map[string]string{"each[1]": "404", "b": "404"}, "failed http at b", "each[0]=1, each[1]=2, each[2]=3, b", 0},
			{nil, "succeeded {}", "b", 0},
		}},
		"a loop that stops goes on with what failed and what was not begun": {`
  - { id: each, for_each: { in: "1..4" }, action: web, with: { say: "${{ item }}" } }`, []turn{
			{map[string]string{"each[1]": "404"}, "failed http at each[1]", "each[0]=1, each[1]=2", 0},
			{nil, "succeeded {}", "each[1]=2, each[2]=3, each[3]=4", 0},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var answers map[string]string
				w := &web{answer: func(h hit) (flow.Result, error) { return answerAs(h, answers[rounds.ReplaceAllString(h.Path, "")]) }}
				p := compileWeb(t, w, "steps:"+tt.steps+"\n")
				s := &datapoints.Memory{}
				var run datapoints.Run
				var err error
				for i, turn := range tt.turns {
					answers = turn.answers
					before, began := len(w.hits), time.Now()
					if i == 0 {
						run, err = (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
					} else {
						run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
					}
					if got := end(run, err); got != turn.end {
						t.Errorf("turn %d: %s, want %s", i, got, turn.end)
					}
					if diff := cmp.Diff(strings.Split(turn.sent, ", "), sentences(w.hits[before:])); diff != "" {
						t.Errorf("turn %d:\n%s", i, diff)
					}
					if took := time.Since(began).Truncate(time.Second); took != turn.after {
						t.Errorf("turn %d took %s, want %s", i, took, turn.after)
					}
				}
			})
		})
	}
}

func TestOfTwoUnknownCallsThatBeganTogetherTheSameOneIsTold(t *testing.T) {
	t.Parallel()
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			w := &web{answer: func(h hit) (flow.Result, error) { return answerAs(h, "5s lost") }}
			p := compileWeb(t, w, "steps: [ { id: p, parallel: { one: [ { id: a, action: web } ], two: [ { id: b, action: web } ] } } ]\n")
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if got := end(run, err); got != "unknown unknown at p.one.a" {
				t.Fatal(got)
			}
		})
	}
}

// answerAs answers a request as a word says: a status, lost, slow (an hour), or
// a time before one of these.
func answerAs(h hit, how string) (flow.Result, error) {
	if first, rest, _ := strings.Cut(how, " "); strings.HasSuffix(first, "s") {
		d, err := time.ParseDuration(first)
		if err != nil {
			return flow.Result{}, err
		}
		if r, err := waits(h, d, true); err != nil {
			return r, err
		}
		how = rest
	}
	body := fmt.Sprintf(`{"at":%q}`, h.Path)
	switch how {
	case "":
		return ok(body), nil
	case "slow":
		return waits(h, time.Hour, true)
	case "lost":
		return flow.Result{}, lost()
	}
	var code int
	if _, err := fmt.Sscan(how, &code); err != nil {
		return flow.Result{}, err
	}
	return status(code, body), nil
}

// sentences are requests in words; those that the branches of p make at the
// same time by their paths.
func sentences(hits []hit) []string {
	var all []string
	hits = slices.Clone(hits)
	slices.SortStableFunc(hits, func(a, b hit) int {
		if !strings.HasPrefix(a.Path, "p.") {
			return 0
		}
		return order.Or(a.At.Compare(b.At), strings.Compare(a.Path, b.Path))
	})
	for _, h := range hits {
		text := h.Path
		if h.Say != "null" {
			text += "=" + strings.Trim(h.Say, `"`)
		}
		all = append(all, text)
	}
	return all
}
