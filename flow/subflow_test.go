package flow_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// project makes a folder of files, each text beginning with its name.
func project(texts ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, text := range texts {
		name, text, _ := strings.Cut(text, "\n")
		if strings.HasSuffix(name, ".yaml") && strings.Contains(text, "steps:") {
			text = "stepwell: 1\nname: " + strings.NewReplacer("/", "-", ".yaml", "").Replace(name) + "\n" + text
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

// compileAll makes a plan of main.yaml and the files that it needs.
func compileAll(t testing.TB, w *world, texts ...string) *flow.Plan {
	t.Helper()
	p, err := flow.Compile(project(texts...), "main.yaml", w.kit())
	if err != nil {
		t.Fatalf("the flow does not check:\n%v", err)
	}
	return p
}

const adder = `lib/add.yaml
inputs: { a: integer, b: { type: integer, default: 10 } }
data: { x: { type: integer, default: 7 } }
steps:
  - { id: say, action: call, with: { say: "${{ inputs.a + inputs.b }}", safe: true }, save: { sum: say } }
  - { id: keep, set: { x: "${{ data.sum }}" } }
outputs: { sum: "${{ data.x }}", flow: "${{ run.flow }}", say: "${{ steps.say.outcome }}" }`

func TestASubFlowHasNamesOfItsOwnAndGivesItsOutputs(t *testing.T) {
	t.Parallel()
	w := &world{}
	p := compileAll(t, w, `main.yaml
steps:
  - { id: first, set: { x: 1, sum: 2 } }
  - { id: add, flow: lib/add.yaml, with: { a: "${{ data.x }}" }, save: { total: sum, name: "${{ response.body.flow }}" } }
  - { id: again, flow: ./lib/add.yaml, with: { a: "${{ data.total }}", b: null }, save: { more: sum } }
outputs:
  x: ${{ data.x }}
  sum: ${{ data.sum }}
  total: ${{ data.total + 0 }}
  more: ${{ data.more }}
  name: ${{ data.name }}
  flow: ${{ run.flow }}
  outcome: ${{ steps.add.outcome }}`, adder)
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"x":1,"sum":2,"total":11,"more":21,"name":"lib-add","flow":"main","outcome":"done"}`
	if got := run.Outputs.Reveal(); got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
	if diff := cmp.Diff([]string{"add.say", "again.say"}, w.order); diff != "" {
		t.Errorf("sent (-want +got)\n%s", diff)
	}
	if run.Steps != 7 || run.Done != 7 {
		t.Errorf("%d of %d steps are done, want 7: those of sub-flows count", run.Done, run.Steps)
	}
}

// An iteration and the sub-flow that it runs have the same path.
func TestASubFlowInALoopDoesNotTouchTheNamesOfItsIteration(t *testing.T) {
	t.Parallel()
	p := compileAll(t, &world{}, `main.yaml
steps:
  - id: all
    for_each: { in: "[1, 2, 3]", concurrency: 2 }
    flow: lib/add.yaml
    with: { a: "${{ item }}", b: "${{ index }}" }
    save: { x: say, sum: sum }
outputs: { x: "${{ data.x }}", sum: "${{ data.sum }}" }`, adder)
	store := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run.Outputs.Reveal(), `{"x":["done","done","done"],"sum":[1,3,5]}`; got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
	all := values(t, store, run.ID)
	if all["all[1]|x"] != `"done"` || all["all[1]/|x"] != "3" {
		t.Errorf("values %v: the iteration's x and the sub-flow's are two", all)
	}
}

func TestWhatASubFlowIsGivenIsEvaluatedOnceAlsoOverARestart(t *testing.T) {
	t.Parallel()
	files := []string{`main.yaml
steps:
  - { id: first, set: { x: 1 } }
  - { id: sub, flow: sub.yaml, with: { key: "${{ uuid() }}" }, save: { one: one, two: two } }
outputs: { same: "${{ data.one == data.two }}" }`, `sub.yaml
inputs: { key: string, given: { type: boolean, default: true } }
steps:
  - { id: one, action: call, with: { say: "${{ inputs.key }}", safe: true }, save: { one: say } }
  - { id: two, if: inputs.given, action: call, with: { say: "${{ inputs.key }}", safe: true }, save: { two: say } }
outputs: { one: "${{ data.one }}", two: "${{ need(data.two) }}" }`}
	for lives := range 9 {
		w := &world{}
		p := compileAll(t, w, files...)
		store := &mortal{Store: &datapoints.Memory{}, lives: lives}
		runs, err := (&flow.Executor{Store: store}).Create(t.Context(), p, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		run, err := (&flow.Executor{Store: store}).Start(t.Context(), p, runs[0].ID)
		if err != nil {
			store.revive()
			run, err = successor(store).Resume(t.Context(), p, runs[0].ID, nil)
		}
		if err != nil {
			t.Fatalf("%d commits: %v", lives, err)
		}
		if got := run.Outputs.Reveal(); got != `{"same":true}` {
			t.Errorf("%d commits: %s: the input was evaluated twice", lives, got)
		}
	}
}

func TestNullIsNoValueForAnInputOfASubFlow(t *testing.T) {
	t.Parallel()
	sub := `sub.yaml
inputs: { a: { type: string, default: there is none }, b: { type: string, required: false }, c: any }
steps: [ { id: s, set: { x: 1 } } ]
outputs: { a: "${{ inputs.a }}", b: "${{ inputs.b ?? 'nothing' }}", c: "${{ inputs.c }}" }`
	p := compileAll(t, &world{}, `main.yaml
steps:
  - { id: call, action: call, with: { say: { n: null } }, save: { said: say } }
  - { id: sub, flow: sub.yaml, with: { a: "${{ data.said.n }}", b: "${{ data.said.n }}", c: "${{ data.said.n }}" }, save: { all: "@this" } }
outputs: { all: "${{ data.all }}" }`, sub)
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run.Outputs.Reveal(), `{"all":{"a":"there is none","b":"nothing","c":null}}`; got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
}

func TestAValueThatAnInputOfASubFlowDoesNotTakeFailsTheStep(t *testing.T) {
	t.Parallel()
	for say, want := range map[string]string{
		`"5"`:  `the input n of sub.yaml must be an integer; it is "5"`,
		`12`:   `the input n of sub.yaml must be at most 10; it is 12`,
		`null`: `the input n of sub.yaml is null, and it has no default`,
	} {
		w := &world{}
		p := compileAll(t, w, `main.yaml
steps:
  - { id: call, action: call, with: { say: `+say+` }, save: { said: { path: "@this" } } }
  - id: sub
    flow: sub.yaml
    with: { n: "${{ data.said.say }}" }`, `sub.yaml
inputs: { n: { type: integer, max: 10 } }
steps: [ { id: never, action: call } ]`)
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		e := failureOf(t, err)
		if e.Kind != flow.KindData || e.Message != want || e.Step != "sub" {
			t.Errorf("%s: %s %q of %s, want %q", say, e.Kind, e.Message, e.Step, want)
		}
		if e.Place.File != "main.yaml" || e.Place.Line != 7 {
			t.Errorf("%s: it points to %s, not to what the step gives", say, e.Place)
		}
		if w.sent("sub.never") > 0 {
			t.Errorf("%s: the flow began", say)
		}
	}
}

func TestSecretsOfTheSameNameInTwoFlowsAreTwo(t *testing.T) {
	t.Parallel()
	var read []string
	x := &flow.Executor{Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
		read = append(read, s.Name+" "+s.Env)
		return "the secret of " + s.Env, nil
	}}
	p := compileAll(t, &world{}, `main.yaml
secrets: { key: { env: MINE } }
steps:
  - { id: a, flow: sub.yaml, save: { a: theirs } }
  - { id: b, flow: sub.yaml, save: { b: theirs } }
  - { id: c, set: { mine: "${{ secrets.key }}" } }
outputs: { mine: "${{ data.mine }}", a: "${{ data.a }}", b: "${{ data.b }}" }`, `sub.yaml
secrets: { key: { env: THEIRS } }
steps: [ { id: s, set: { x: "${{ secrets.key }}" } } ]
outputs: { theirs: "${{ data.x }}" }`)
	run, err := x.Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run.Outputs.Reveal(), `{"mine":"the secret of MINE","a":"the secret of THEIRS","b":"the secret of THEIRS"}`; got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
	if run.Outputs.Class() != datapoints.Sensitive {
		t.Error("a secret that a sub-flow returns is not sensitive any more")
	}
	if diff := cmp.Diff([]string{"key MINE", "key THEIRS"}, read); diff != "" {
		t.Errorf("each is read once, at the start (-want +got)\n%s", diff)
	}
	missing := &flow.Executor{Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
		if s.Env == "THEIRS" {
			return "", nil
		}
		return "there", nil
	}}
	_, err = missing.Run(t.Context(), p, nil)
	if e := failureOf(t, err); e.Kind != flow.KindSecret || !strings.Contains(e.Message, "THEIRS") {
		t.Errorf("%s %q, want the missing secret of the sub-flow, before anything is sent", e.Kind, e.Message)
	}
}

func TestWhatIsAboutAPersonStaysSoThroughASubFlow(t *testing.T) {
	t.Parallel()
	store := &datapoints.Memory{}
	p := compileAll(t, &world{}, `main.yaml
data: { who: { pii: true } }
steps:
  - { id: a, set: { who: somebody, password: hunter22hunter22 } }
  - { id: b, flow: sub.yaml, with: { who: "${{ data.who }}", what: "${{ data.password }}" }, save: { name: greeting, other: "${{ response.body.what }}", none: n } }`, `sub.yaml
inputs: { who: string, what: string }
steps: [ { id: s, set: { x: "Dear ${{ inputs.who }}", y: "${{ inputs.what }}" } } ]
outputs: { greeting: "${{ data.x }}", what: "${{ data.y }}", n: 1 }`)
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := store.Read(t.Context(), run.ID, datapoints.Query{History: true})
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]string{}
	for _, v := range got.Points {
		classes[v.Scope+v.Name] = v.Value.Class().String()
	}
	want := map[string]string{"who": "pii", "password": "sensitive", "b/x": "pii", "b/y": "sensitive", "name": "pii", "other": "sensitive", "none": "plain"}
	if diff := cmp.Diff(want, classes); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFailureInASubFlowPointsIntoItsFileAndSaysWhoCalledIt(t *testing.T) {
	t.Parallel()
	p := compileAll(t, &world{}, `main.yaml
steps:
  - id: outer
    for_each: { in: "[1]" }
    flow: lib/middle.yaml`, `lib/middle.yaml
steps:
  - id: inner
    flow: deep/last.yaml`, `lib/deep/last.yaml
steps:
  - { id: one, set: { x: 1 } }
  - { id: two, fail: "no ${{ data.x }}" }`)
	_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	e := failureOf(t, err)
	if e.Step != "outer[0].inner.two" || e.Message != "no 1" || e.Place.String() != "lib/deep/last.yaml:5:7" {
		t.Errorf("step %s, %q at %s", e.Step, e.Message, e.Place)
	}
	want := []flow.Fact{{Name: "called by", Text: "step outer[0].inner (lib/middle.yaml:4), step outer[0] (main.yaml:4)"}}
	if diff := cmp.Diff(want, e.Facts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatStandsBesideASubFlowIsNotCalledByIt(t *testing.T) {
	t.Parallel()
	for _, beside := range []string{
		"catch: [ { steps: [ { id: last, fail: after all } ] } ]",
		"if: inputs.no\n    else: [ { id: last, fail: after all } ]",
	} {
		p := compileAll(t, &world{}, `main.yaml
inputs: { no: { type: boolean, default: false } }
steps:
  - id: outer
    flow: sub.yaml
    `+beside, `sub.yaml
steps: [ { id: one, fail: first } ]`)
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if e := failureOf(t, err); e.Message != "after all" || e.Place.File != "main.yaml" || len(e.Facts) > 0 {
			t.Errorf("%s: %q at %s, with %v", beside, e.Message, e.Place, e.Facts)
		}
	}
}

func TestTheFinallyOfASubFlowRunsWhenItEnds(t *testing.T) {
	t.Parallel()
	sub := `sub.yaml
inputs: { bad: boolean }
steps:
  - { id: work, set: { x: 1 } }
  - { id: no, if: inputs.bad, fail: broken }
finally:
  - { id: tidy, action: call, with: { say: "${{ run.status }} ${{ run.error?.message ?? 'well' }} ${{ data.x ?? 0 }}" }, save: { said: say } }
outputs: { x: "${{ data.x }}" }`
	for _, c := range []struct{ bad, said, outcome string }{
		{"false", `"succeeded well 1"`, "done"},
		{"true", `"failed broken 1"`, "caught"},
	} {
		w := &world{}
		store := &datapoints.Memory{}
		p := compileAll(t, w, `main.yaml
steps:
  - { id: sub, flow: sub.yaml, with: { bad: `+c.bad+` }, on_error: continue }
  - { id: after, action: call }
outputs: { outcome: "${{ steps.sub.outcome }}" }`, sub)
		run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := values(t, store, run.ID)["sub/|said"]; got != c.said {
			t.Errorf("finally saw %s, want %s", got, c.said)
		}
		if got := run.Outputs.Reveal(); got != fmt.Sprintf(`{"outcome":%q}`, c.outcome) {
			t.Errorf("outputs %s, want %s", got, c.outcome)
		}
		if diff := cmp.Diff([]string{"sub.finally.tidy", "after"}, w.order); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

// outputs are computed before finally, also of a sub-flow; what fails there is
// known in finally.
func TestTheOutputsOfASubFlowAreComputedBeforeItsFinally(t *testing.T) {
	t.Parallel()
	store := &datapoints.Memory{}
	p := compileAll(t, &world{}, `main.yaml
steps:
  - { id: call, action: call, with: { say: "abc" }, save: { any: { path: "@this" } } }
  - { id: good, flow: sub.yaml, with: { n: 2 }, save: { x: x } }
  - { id: bad, flow: sub.yaml, with: { n: "${{ data.any.say }}" }, on_error: continue }
outputs: { x: "${{ data.x }}", bad: "${{ steps.bad.outcome }}" }`, `sub.yaml
inputs: { n: any }
steps: [ { id: one, set: { x: 1 } } ]
finally: [ { id: change, set: { x: 5, said: "${{ run.status }}: ${{ run.error?.kind ?? 'well' }}" } } ]
outputs: { x: "${{ data.x + inputs.n }}" }`)
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := run.Outputs.Reveal(), `{"x":3,"bad":"caught"}`; got != want {
		t.Errorf("outputs %s, want %s", got, want)
	}
	all := values(t, store, run.ID)
	if all["good/|said"] != `"succeeded: well"` || all["bad/|said"] != `"failed: expression"` {
		t.Errorf("finally saw %s and %s", all["good/|said"], all["bad/|said"])
	}
}

// The finally of a sub-flow is over before the step that calls it goes on; a
// failure there is the step's.
// What did not run has no finally to wait for.
func TestASubFlowWithAFinallyGivesItsOutputsWhateverItsLastStepBecame(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]string{
		"skipped block":              `{ id: last, if: 1 == 2, steps: [ { id: a, set: { y: 1 } } ], finally: [ { id: b, set: { z: 1 } } ] }`,
		"skipped sub-flow":           `{ id: last, if: 1 == 2, flow: inner.yaml, with: { n: 1 } }`,
		"skipped, else":              `{ id: last, if: 1 == 2, flow: inner.yaml, with: { n: 1 }, else: [ { id: a, set: { y: 1 } } ] }`,
		"not entered, and caught":    `{ id: last, flow: inner.yaml, with: { n: "${{ split(run.id, \"x\")[99] }}" }, catch: [ { steps: [ { id: a, set: { y: 1 } } ] } ] }`,
		"not entered, and goes on":   `{ id: last, flow: inner.yaml, with: { n: "${{ split(run.id, \"x\")[99] }}" }, on_error: continue }`,
		"entered, failed, caught":    `{ id: last, steps: [ { id: a, fail: no } ], catch: [ { steps: [ { id: c, set: { y: 1 } } ] } ], finally: [ { id: b, set: { z: 1 } } ] }`,
		"its finally failed, caught": `{ id: last, flow: ends.yaml, on_error: continue }`,
		"loop over nothing":          `{ id: last, for_each: { in: "1..0" }, flow: inner.yaml, with: { n: 1 } }`,
		"loop that goes on":          `{ id: last, for_each: { in: "1..3", on_error: continue }, steps: [ { id: a, fail: no } ], finally: [ { id: b, set: { z: 1 } } ] }`,
		"block with a skipped block": `{ id: last, steps: [ { id: a, if: 1 == 2, flow: inner.yaml, with: { n: 1 } } ], finally: [ { id: b, if: 1 == 2, flow: inner.yaml, with: { n: 1 } } ] }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := compileAll(t, &world{}, `main.yaml
steps: [ { id: sub, flow: sub.yaml, save: { x: x } } ]
outputs: { x: "${{ data.x }}" }`, `sub.yaml
steps:
  - { id: first, set: { x: 1 } }
  - `+last+`
finally: [ { id: end, set: { w: 1 } } ]
outputs: { x: "${{ data.x }}" }`, `inner.yaml
inputs: { n: any }
steps: [ { id: s, set: { x: "${{ inputs.n }}" } } ]
finally: [ { id: f, set: { y: 1 } } ]`, `ends.yaml
steps: [ { id: s, set: { x: 2 } } ]
finally: [ { id: f, fail: no, if: run.id != "" }, { id: g, set: { y: 1 } } ]`)
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := run.Outputs.Reveal(); got != `{"x":1}` {
				t.Errorf("outputs %s", got)
			}
		})
	}
}

func TestAFailureInTheFinallyOfASubFlowIsTheStepsUnlessThereWasOne(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"set: { x: 1 }", "fail: the first"} {
		w := &world{}
		fails := true
		w.script = func(string, int) error {
			if fails {
				return errors.New("the last")
			}
			return nil
		}
		store := &datapoints.Memory{}
		p := compileAll(t, w, `main.yaml
steps: [ { id: sub, flow: sub.yaml, save: { one: one } } ]
outputs: { one: "${{ data.one }}" }`, `sub.yaml
steps: [ { id: s, `+first+` } ]
finally: [ { id: tidy, action: call, with: { safe: true } } ]
outputs: { one: 1 }`)
		run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
		e := failureOf(t, err)
		want := "the last"
		if strings.HasPrefix(first, "fail") {
			want = "the first"
		}
		if e.Message != want {
			t.Errorf("after %s: %q, want %q", first, e.Message, want)
		}
		fails = false
		before := w.sent("sub.finally.tidy")
		run, err = (&flow.Executor{Store: store}).Resume(t.Context(), p, run.ID, nil)
		if w.sent("sub.finally.tidy") != before+1 {
			t.Errorf("after %s: finally was run %d times by a resume, want once", first, w.sent("sub.finally.tidy")-before)
		}
		if want == "the last" && (err != nil || run.Outputs.Reveal() != `{"one":1}`) {
			t.Errorf("resumed: %v %s", err, run.Outputs.Reveal())
		}
	}
}

func TestAStoppedSubFlowRunsItsFinally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		w.during = func(_ context.Context, path string) {
			if path == "all[0].first" {
				time.Sleep(time.Second) // until then its sibling has failed and everybody knows
			}
		}
		w.script = func(path string, _ int) error {
			if path == "all[1].first" {
				return errors.New("no")
			}
			return nil
		}
		store := &datapoints.Memory{}
		p := compileAll(t, w, `main.yaml
steps:
  - id: all
    for_each: { in: "[1, 2]", concurrency: 2 }
    flow: sub.yaml`, `sub.yaml
steps:
  - { id: first, action: call }
  - { id: more, action: call }
finally: [ { id: tidy, set: { said: "${{ run.status }}" } } ]`)
		run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
		if got := end(run, err); got != "failed action at all[1].first" {
			t.Fatal(got, err)
		}
		all := values(t, store, run.ID)
		if all["all[1]/|said"] != `"failed"` || all["all[0]/|said"] != `"cancelled"` {
			t.Errorf("the failed one's finally saw %s, the stopped one's %s", all["all[1]/|said"], all["all[0]/|said"])
		}
		if w.sent("all[0].first") != 1 || w.sent("all[0].more") != 0 {
			t.Errorf("sent: %v", w.order)
		}
	})
}

func TestWhatAStepExpectsOfASubFlowFailsThatStepAndNothingIsSentAgain(t *testing.T) {
	t.Parallel()
	w := &world{}
	store := &datapoints.Memory{}
	p := compileAll(t, w, `main.yaml
steps:
  - id: sub
    flow: sub.yaml
    expect:
      that: [ { that: response.body.n > 5, message: "only ${{ response.body.n }}" } ]
    save: { n: n }`, `sub.yaml
steps: [ { id: send, action: call, save: { x: path } } ]
outputs: { n: 3, path: "${{ data.x }}" }`)
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	e := failureOf(t, err)
	if e.Kind != flow.KindExpect || e.Message != "only 3" || e.Step != "sub" || e.Place.String() != "main.yaml:7:23" {
		t.Errorf("%s %q of %s at %s", e.Kind, e.Message, e.Step, e.Place)
	}
	_, err = (&flow.Executor{Store: store}).Resume(t.Context(), p, run.ID, nil)
	if e := failureOf(t, err); e.Kind != flow.KindExpect {
		t.Errorf("resumed: %s %q", e.Kind, e.Message)
	}
	if n := w.sent("sub.send"); n != 1 {
		t.Errorf("sent %d times: what is recorded as done is not done again", n)
	}
}

func TestASubFlowsInputIsTrustedAsWhatItIsMadeFrom(t *testing.T) {
	t.Parallel()
	sub := `sub.yaml
inputs: { to: string }
secrets: { key: { env: KEY } }
steps: [ { id: send, action: call, with: { to: "${{ inputs.to }}/x", say: "${{ secrets.key }}" } } ]`
	main := `main.yaml
inputs: { base: string }
steps:
  - { id: call, action: call, with: { say: "https://api.example.test" }, save: { url: say } }
  - { id: sub, flow: sub.yaml, with: { to: "${{ %s }}" } }`
	x := &flow.Executor{Secrets: func(context.Context, flow.SecretSource) (string, error) { return "hunter22hunter22", nil }}
	if _, err := x.Run(t.Context(), compileAll(t, &world{}, fmt.Sprintf(main, "inputs.base"), sub), flow.Inputs{"base": "https://api.example.test"}); err != nil {
		t.Errorf("a URL from an input of the run: %v", err)
	}
	_, err := flow.Compile(project(fmt.Sprintf(main, "data.url"), sub), "main.yaml", (&world{}).kit())
	var list diag.List
	if !errors.As(err, &list) || len(list) != 1 || list[0].Code != diag.UntrustedOrigin || list[0].File != "sub.yaml" {
		t.Errorf("a URL from an answer: %v", err)
	}
}

func TestARunIsResumedWithTheFilesAsTheyWere(t *testing.T) {
	t.Parallel()
	w := &world{}
	fails := true
	w.script = func(string, int) error {
		if fails {
			return errors.New("no")
		}
		return nil
	}
	files := project(`main.yaml
include: [ common.yaml ]
steps: [ { id: sub, flow: lib/sub.yaml, with: { n: "${{ inputs.n }}" }, save: { n: n } } ]
outputs: { n: "${{ data.n }}" }`, `lib/sub.yaml
inputs: { n: integer }
steps: [ { id: send, action: call, with: { say: "${{ inputs.n }}" }, save: { n: say } } ]
outputs: { n: "${{ data.n }}" }`, `common.yaml
inputs: { n: { type: integer, default: 4 } }`)
	p, err := flow.Compile(files, "main.yaml", w.kit())
	if err != nil {
		t.Fatal(err)
	}
	store := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	failureOf(t, err)
	fails = false
	again, _, err := flow.PlanOf(t.Context(), store, run.ID, w.kit())
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest() != p.Digest() || len(again.Files()) != 3 {
		t.Errorf("%d files were recorded, want 3 that give the same plan", len(again.Files()))
	}
	run, err = (&flow.Executor{Store: store}).Resume(t.Context(), again, run.ID, nil)
	if err != nil || run.Outputs.Reveal() != `{"n":4}` {
		t.Errorf("%v %s", err, run.Outputs.Reveal())
	}
}

// What is tried again has cleaned up: a second try finds things as the first did.
func TestASubFlowThatIsTriedAgainHasRunItsFinallyBefore(t *testing.T) {
	t.Parallel()
	w := &world{}
	w.script = func(path string, _ int) error {
		if path == "sub#0.use" || path == "sub#1.use" {
			return refused(409)
		}
		return nil
	}
	store := &datapoints.Memory{}
	p := compileAll(t, w, `main.yaml
steps:
  - id: sub
    flow: sub.yaml
    with: { key: "${{ uuid() }}" }
    retry: { attempts: 3, on: [409], backoff: { initial: 1ms } }
    save: { n: n, key: key }
outputs: { n: "${{ data.n }}", once: "${{ len(data.key) }}" }`, `sub.yaml
inputs: { key: string }
steps:
  - { id: lock, action: call, with: { say: "${{ inputs.key }}" }, save: { lock: say } }
  - { id: use, action: call, with: { say: 7 }, save: { n: say } }
finally: [ { id: unlock, action: call, with: { say: "${{ run.status }} ${{ data.lock ?? 'none' }}" } } ]
outputs: { n: "${{ data.n }}", key: "${{ data.lock }}" }`)
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := run.Outputs.Reveal(); got != `{"n":7,"once":36}` {
		t.Errorf("outputs %s", got)
	}
	want := []string{"sub#0.lock", "sub#0.use", "sub#0.finally.unlock", "sub#1.lock", "sub#1.use", "sub#1.finally.unlock",
		"sub#2.lock", "sub#2.use", "sub#2.finally.unlock"}
	if diff := cmp.Diff(want, w.order); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	all := values(t, store, run.ID)
	if all["sub#0/|lock"] != all["sub#2/|lock"] {
		t.Errorf("values %v: the inputs are the same in each round", all)
	}
	if run.Done != run.Steps {
		t.Errorf("%d of %d steps are done", run.Done, run.Steps)
	}
}

func TestAPollOfASubFlowLooksAtWhatItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{}
		p := compileAll(t, w, `main.yaml
steps:
  - id: sub
    flow: sub.yaml
    poll: { until: response.body.path == "sub#2.ask", every: 30s }
    expect: { that: [ response.body.path != "sub#0.ask" ] }
    save: { path: path }
outputs: { path: "${{ data.path }}", attempts: "${{ steps.sub.outcome }}" }`, `sub.yaml
steps: [ { id: ask, action: call, with: { safe: true }, save: { path: path } } ]
outputs: { path: "${{ data.path }}" }`)
		began := time.Now()
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := run.Outputs.Reveal(), `{"path":"sub#2.ask","attempts":"done"}`; got != want {
			t.Errorf("outputs %s, want %s", got, want)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v, want two pauses of 30s", took)
		}
	})
}

// A failed run that is resumed begins a new round of a sub-flow that has them;
// what the rounds before have cleaned up stays so.
func TestAResumedRunBeginsANewRoundOfASubFlow(t *testing.T) {
	t.Parallel()
	w := &world{}
	fails := true
	w.script = func(path string, _ int) error {
		if fails && strings.HasSuffix(path, ".use") {
			return refused(409)
		}
		return nil
	}
	store := &datapoints.Memory{}
	p := compileAll(t, w, `main.yaml
steps: [ { id: sub, flow: sub.yaml, retry: { attempts: 2, on: [409], backoff: { initial: 1ms } } } ]`, `sub.yaml
steps: [ { id: lock, action: call }, { id: use, action: call } ]
finally: [ { id: unlock, action: call } ]`)
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	failureOf(t, err)
	fails = false
	if _, err = (&flow.Executor{Store: store}).Resume(t.Context(), p, run.ID, nil); err != nil {
		t.Fatal(err)
	}
	want := []string{"sub#0.lock", "sub#0.use", "sub#0.finally.unlock", "sub#1.lock", "sub#1.use", "sub#1.finally.unlock",
		"sub#2.lock", "sub#2.use", "sub#2.finally.unlock"}
	if diff := cmp.Diff(want, w.order); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
