package flow_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatARunGives(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, flow, want string
		in               flow.Inputs
	}{
		{"a saved value is used by a later step", `
steps:
  - { id: a, action: call, with: { say: { key: k-17 } }, save: { code: say.key } }
  - { id: b, action: call, with: { say: "got ${{ data.code }}" }, save: { answer: say } }
outputs: { answer: "${{ data.answer }}" }`, `{"answer":"got k-17"}`, nil},
		{"digits are kept", `
inputs: { n: number }
steps:
  - { id: a, action: call, with: { say: "${{ inputs.n }}" }, save: { n: say } }
outputs: { n: "${{ data.n }}" }`, `{"n":13.0}`, flow.Inputs{"n": "13.0"}},
		{"a loop gives a list in the order of its items", `
steps:
  - id: each
    for_each: { in: "[3, 1, 2]", as: n, concurrency: 3 }
    action: call
    with: { say: "${{ n * 10 }}" }
    save: { tens: say }
outputs: { tens: "${{ data.tens }}" }`, `{"tens":[30,10,20]}`, nil},
		{"a loop over nothing gives an empty list", `
steps:
  - { id: each, for_each: { in: "[]" }, action: call, with: { say: 1 }, save: { got: say } }
outputs: { got: "${{ data.got }}" }`, `{"got":[]}`, nil},
		{"else runs when if is false", `
inputs: { go: boolean }
steps:
  - id: a
    if: inputs.go
    set: { way: left }
    else:
      - { id: b, set: { way: right } }
outputs: { way: "${{ data.way }}", a: "${{ steps.a.outcome }}" }`, `{"way":"right","a":"skipped"}`, flow.Inputs{"go": false}},
		{"a nested loop gives lists of lists", `
steps:
  - id: outer
    for_each: { in: "[1, 2]", as: x }
    steps:
      - id: inner
        for_each: { in: "[1, 2, 3]", as: y }
        action: call
        with: { say: "${{ x * y }}" }
        save: { product: say }
outputs: { product: "${{ data.product }}" }`, `{"product":[[1,2,3],[2,4,6]]}`, nil},
		{"a declared default is there before any step", `
data: { priority: { type: integer, default: 3 } }
steps:
  - { id: a, action: call, with: { say: "${{ data.priority }}" }, save: { said: say } }
outputs: { said: "${{ data.said }}" }`, `{"said":3}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, outputs(t, &world{}, tt.flow, tt.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAFailedStepStopsTheRunAndFinallyKnowsWhy(t *testing.T) {
	t.Parallel()
	w := &world{script: func(path string, _ int) error {
		if path == "b" {
			return refused(404)
		}
		return nil
	}}
	p := compile(t, w, `
steps:
  - { id: a, action: call, with: { safe: true } }
  - { id: b, action: call, with: { safe: true } }
  - { id: c, action: call }
finally:
  - { id: tell, action: call, with: { say: "${{ run.status }} ${{ run.error?.step ?? 0 }} ${{ run.error?.status ?? 0 }}" }, save: { told: say } }
`)
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if e := failureOf(t, err); e.Kind != flow.KindHTTP || e.Step != "b" || e.Place.Line != 6 {
		t.Errorf("have kind %s at %s, line %d", e.Kind, e.Step, e.Place.Line)
	}
	if run.State != datapoints.Failed || run.At != "b" || w.sent("c") != 0 {
		t.Errorf("state %s at %s, c was sent %d times", run.State, run.At, w.sent("c"))
	}
	if got := values(t, s, run.ID)["|told"]; got != `"failed b 404"` {
		t.Errorf("finally told %s", got)
	}
}

func TestACallThatWasSentAndNotAnsweredIsUnknownAndNeverRepeated(t *testing.T) {
	t.Parallel()
	w := &world{script: func(string, int) error { return lost() }}
	p := compile(t, w, "steps:\n  - { id: pay, action: call, save: { receipt: say } }\n")
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if e := failureOf(t, err); e.Kind != flow.KindUnknown || run.State != datapoints.Unknown {
		t.Fatalf("kind %s, state %s", e.Kind, run.State)
	}
	if _, err := successor(s).Resume(t.Context(), p, run.ID, nil); failureOf(t, err).Kind != flow.KindUnknown {
		t.Fatalf("resume without a decision: %v", err)
	}
	if w.sent("pay") != 1 {
		t.Fatalf("sent %d times", w.sent("pay"))
	}
	w.script = nil
	t.Run("assumed as sent it is done with the values given", func(t *testing.T) {
		_, err := successor(s).Resume(t.Context(), p, run.ID, flow.Assume{"pay": {Sent: true}})
		e := failureOf(t, err)
		if diff := cmp.Diff([]flow.Fact{{Name: "pay", Text: "saves receipt (any)"}}, e.Facts); e.Kind != flow.KindInput || diff != "" {
			t.Fatalf("without the value that it saves: %v (-want +got)\n%s", err, diff)
		}
		got, err := successor(s).Resume(t.Context(), p, run.ID, flow.Assume{"pay": {Sent: true, Values: map[string]any{"receipt": "r-1"}}})
		if err != nil || got.State != datapoints.Succeeded || w.sent("pay") != 1 || values(t, s, run.ID)["|receipt"] != `"r-1"` {
			t.Errorf("%v, state %s, sent %d times, %v", err, got.State, w.sent("pay"), values(t, s, run.ID))
		}
	})
}

func TestACallAssumedNotToBeSentIsSentOnce(t *testing.T) {
	t.Parallel()
	broken := true
	w := &world{script: func(string, int) error {
		if broken {
			return lost()
		}
		return nil
	}}
	p := compile(t, w, "steps:\n  - { id: pay, action: call }\n")
	s := &datapoints.Memory{}
	run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	broken = false
	got, err := successor(s).Resume(t.Context(), p, run.ID, flow.Assume{"pay": {}})
	if err != nil || got.State != datapoints.Succeeded || w.sent("pay") != 2 {
		t.Errorf("%v, state %s, sent %d times", err, got.State, w.sent("pay"))
	}
}

func TestResumeOfAFailedRunRepeatsOnlyWhatFailed(t *testing.T) {
	t.Parallel()
	broken := true
	w := &world{script: func(path string, _ int) error {
		if broken && path == "each[1].second" {
			return refused(500)
		}
		return nil
	}}
	p := compile(t, w, `
steps:
  - { id: before, action: call }
  - id: each
    for_each: { in: "[1, 2, 3]" }
    steps:
      - { id: first, action: call }
      - { id: second, action: call, with: { say: "${{ item }}" }, save: { seen: say } }
finally:
  - { id: after, action: call }
outputs: { seen: "${{ data.seen }}" }
`)
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if e := failureOf(t, err); e.Step != "each[1].second" {
		t.Fatal(e)
	}
	broken = false
	got, err := successor(s).Resume(t.Context(), p, run.ID, nil)
	if err != nil || got.Outputs.Reveal() != `{"seen":[1,2,3]}` {
		t.Fatalf("%v, outputs %s", err, got.Outputs.Reveal())
	}
	want := map[string]int{"before": 1, "each[0].first": 1, "each[0].second": 1, "each[1].first": 1, "each[1].second": 2,
		"each[2].first": 1, "each[2].second": 1, "finally.after": 2}
	if diff := cmp.Diff(want, w.sends); diff != "" {
		t.Error(diff)
	}
	if _, err := successor(s).Resume(t.Context(), p, run.ID, nil); err == nil {
		t.Error("a run that has succeeded was resumed")
	}
}

func TestAPanicFailsTheStepAndNotTheProcess(t *testing.T) {
	t.Parallel()
	w := &world{during: func(context.Context, string) { panic("no such thing") }}
	p := compile(t, w, "steps:\n  - { id: a, action: call, with: { safe: true } }\n")
	_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if e := failureOf(t, err); e.Kind != flow.KindInternal || e.Step != "a" {
		t.Errorf("%s at %s", e.Kind, e.Step)
	}
}

func TestOnErrorContinueGoesOnButNotAfterUnknown(t *testing.T) {
	t.Parallel()
	for _, unknown := range []bool{false, true} {
		w := &world{script: func(path string, _ int) error {
			if path != "a" {
				return nil
			}
			if unknown {
				return lost()
			}
			return refused(404)
		}}
		p := compile(t, w, `
steps:
  - { id: a, action: call, on_error: continue, save: { x: say } }
  - { id: b, action: call }
outputs: { a: "${{ steps.a.outcome }}", x: "${{ data.x ?? 'none' }}" }
`)
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if unknown {
			if run.State != datapoints.Unknown || w.sent("b") != 0 {
				t.Errorf("after unknown: %s, b sent %d times", run.State, w.sent("b"))
			}
		} else if err != nil || run.Outputs.Reveal() != `{"a":"caught","x":"none"}` {
			t.Errorf("%v, outputs %s", err, run.Outputs.Reveal())
		}
	}
}

func TestALoopThatGoesOnListsItsFailures(t *testing.T) {
	t.Parallel()
	w := &world{script: func(path string, _ int) error {
		if path == "each[1]" {
			return refused(404)
		}
		return nil
	}}
	got := outputs(t, w, `
steps:
  - { id: each, for_each: { in: "['a', 'b', 'c']", on_error: continue }, action: call, with: { say: "${{ item }}" }, save: { got: say } }
outputs:
  got: ${{ data.got }}
  failed: ${{ steps.each.failed }}
  first: ${{ steps.each.failures[0].status }}
`, nil)
	if want := `{"got":["a",null,"c"],"failed":1,"first":404}`; got != want {
		t.Errorf("have %s, want %s", got, want)
	}
}

func TestAtMostAsManyCallsAsAskedAreInFlight(t *testing.T) {
	t.Parallel()
	together := make(chan struct{})
	w := &world{}
	arrived := 0
	w.during = func(context.Context, string) {
		w.mu.Lock()
		if arrived++; arrived == 3 {
			close(together)
		}
		w.mu.Unlock()
		<-together // the first three wait for one another
	}
	outputs(t, w, `
steps:
  - { id: each, for_each: { in: "1..20", concurrency: 3 }, action: call, with: { say: "${{ item }}" } }
`, nil)
	if w.most != 3 {
		t.Errorf("%d calls were in flight at once, want 3", w.most)
	}
}

func TestCancellingTheContextInterruptsAndResumeGoesOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{}
	w.during = func(_ context.Context, path string) {
		if path == "b" {
			cancel() // the call in flight ends all the same
		}
	}
	p := compile(t, w, "steps:\n  - { id: a, action: call }\n  - { id: b, action: call }\n  - { id: c, action: call }\n")
	s := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: s}).Run(ctx, p, nil)
	if e := failureOf(t, err); e.Kind != flow.KindInterrupted || run.State != datapoints.Interrupted {
		t.Fatalf("%v, state %s", err, run.State)
	}
	got, err := successor(s).Resume(t.Context(), p, run.ID, nil)
	if err != nil || got.State != datapoints.Succeeded {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 1}, w.sends); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsSensitiveGoesOnlyToTrustedOrigins(t *testing.T) {
	t.Parallel()
	const text = `
steps:
  - { id: a, action: call, with: { say: { token: s3cr3t-value-1, next: "%NEXT%" } }, save: { token: say.token, next: say.next } }
  - { id: b, action: call, with: { to: "${{ data.next }}", say: "${{ data.token }}", allow_secrets_to: ["https://api.example.test"] } }
`
	for next, trusted := range map[string]bool{"https://api.example.test/x": true, "https://API.example.test:443/": true,
		"https://evil.example.test/": false, "http://api.example.test/": false} {
		w := &world{}
		p := compile(t, w, strings.ReplaceAll(text, "%NEXT%", next))
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		switch {
		case trusted && err != nil:
			t.Errorf("%s: %v", next, err)
		case !trusted && (failureOf(t, err).Kind != flow.KindData || w.sent("b") != 0):
			t.Errorf("%s: %v, sent %d times", next, err, w.sent("b"))
		case !trusted && !strings.Contains(err.Error(), "evil") && !strings.Contains(err.Error(), "http://api"):
			t.Errorf("%s: the origin is not named: %v", next, err)
		}
	}
}

func TestAPlanRunsFromManyGoroutines(t *testing.T) {
	t.Parallel()
	w := &world{}
	p := compile(t, w, `
inputs: { n: integer }
steps:
  - { id: a, action: call, with: { say: "${{ inputs.n }}" }, save: { n: say } }
outputs: { n: "${{ data.n + 1 }}" }
`)
	x := &flow.Executor{}
	done := make(chan error, 32)
	for i := range 32 {
		go func() {
			run, err := x.Run(t.Context(), p, flow.Inputs{"n": i})
			if want := `{"n":` + strconv.Itoa(i+1) + `}`; err == nil && run.Outputs.Reveal() != want {
				t.Errorf("have %s, want %s", run.Outputs.Reveal(), want)
			}
			done <- err
		}()
	}
	for range 32 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(soon):
			t.Fatal("runs do not end")
		}
	}
}

// TestWrongInputsAndMissingSecretsAreToldTogether: who forgot an input and two
// secrets needs one try to learn of all.
func TestWrongInputsAndMissingSecretsAreToldTogether(t *testing.T) {
	t.Parallel()
	p := compile(t, &world{}, `inputs: { n: integer, other: { default: x } }
secrets:
  variable: { env: VARIABLE }
  text: { file: text.txt }
  program: { command: [ask] }
  ring: { keyring: { service: a, user: b } }
  spare: { env: SPARE, optional: true }
  there: { env: THERE }
steps: [ { id: one, set: { x: "${{ [secrets.variable, secrets.text, secrets.program, secrets.ring, secrets.spare ?? 1, secrets.there] }}" } } ]`)
	var read []string
	store := &datapoints.Memory{}
	x := &flow.Executor{Store: store, Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
		read = append(read, s.Name)
		if s.Name == "there" {
			return "hunter22hunter22", nil
		}
		return "", nil
	}}
	begin := map[string]func(flow.Inputs) error{
		"run":    func(in flow.Inputs) error { _, err := x.Run(t.Context(), p, in); return err },
		"create": func(in flow.Inputs) error { _, err := x.Create(t.Context(), p, "", in); return err },
		"batch": func(in flow.Inputs) error {
			_, err := x.Create(t.Context(), p, "batch", flow.Inputs{"n": 1}, in)
			return err
		},
	}
	missing := []flow.Fact{
		{Name: "secret variable,", Text: "from the environment variable VARIABLE: it is not set"},
		{Name: "secret text,", Text: "from the file text.txt: it is not set"},
	}
	for name, begin := range begin {
		read = nil
		e := failureOf(t, begin(flow.Inputs{"n": "many"}))
		wrong := flow.Fact{Name: "n", Text: "must be an integer; it is many"}
		if name == "batch" {
			wrong.Name = "row 2, n"
		}
		if diff := cmp.Diff(append([]flow.Fact{wrong}, missing...), e.Facts); e.Kind != flow.KindInput || diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", name, e.Kind, diff)
		}
		if want := "1 input is wrong and 2 secrets cannot be read"; e.Message != want {
			t.Errorf("%s: %q, want %q", name, e.Message, want)
		}
		if diff := cmp.Diff([]string{"variable", "text", "spare", "there"}, read); diff != "" {
			t.Errorf("%s: a command or a keyring may ask a person (-want +got)\n%s", name, diff)
		}
	}
	if runs, err := store.List(t.Context(), datapoints.Filter{}); len(runs) > 0 || err != nil {
		t.Errorf("%d runs are recorded, %v", len(runs), err)
	}
	if e := failureOf(t, x.CheckSecrets(t.Context(), p)); e.Kind != flow.KindSecret || e.Message != "4 secrets cannot be read" {
		t.Errorf("%s %q", e.Kind, e.Message)
	}
	x = &flow.Executor{}
	_, err := x.Create(t.Context(), p, "", nil)
	if e := failureOf(t, err); e.Message != "input n is missing" {
		t.Errorf("%q: a process that is given no secrets may yet record runs for one that is", e.Message)
	}
}

// TestARunThatWasGivenIsTheCallersOwn: who changes it changes neither the plan nor
// what is recorded.
func TestARunThatWasGivenIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	w := &web{}
	p := compileWeb(t, w, "steps:\n  - { id: a, action: web }\n")
	x := &flow.Executor{Store: &datapoints.Memory{}}
	made, err := x.Create(t.Context(), p, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	run, err := x.Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []datapoints.Run{made[0], run} {
		r.Files[0] = datapoints.File{Name: "other.yaml"}
	}
	if name := p.Files()[0].Name; name != "test.yaml" {
		t.Errorf("the plan is made of %s", name)
	}
	next, err := x.Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{made[0].ID, run.ID, next.ID} {
		if _, _, err := flow.PlanOf(t.Context(), x.Store, id, w.kit()); err != nil {
			t.Errorf("run %s: %v", id, err)
		}
	}
}

// TestAProcessWorksOnARunOnce: its own lease would let it begin again, with a call
// under way, and do what comes next twice.
func TestAProcessWorksOnARunOnce(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	w := &web{}
	w.answer = func(h hit) (flow.Result, error) {
		if h.Path == "a" {
			asked <- struct{}{}
			<-answer
		}
		return ok(`{}`), nil
	}
	p := compileWeb(t, w, "steps:\n  - { id: a, action: web, with: { safe: true } }\n  - { id: b, action: web }\n")
	x := &flow.Executor{}
	made, err := x.Create(t.Context(), p, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	go func() {
		run, err := x.Start(t.Context(), p, made[0].ID)
		done <- end(run, err)
	}()
	<-asked
	for name, again := range map[string]func() (datapoints.Run, error){
		"start":  func() (datapoints.Run, error) { return x.Start(t.Context(), p, made[0].ID) },
		"resume": func() (datapoints.Run, error) { return x.Resume(t.Context(), p, made[0].ID, nil) },
	} {
		refused := make(chan error)
		go func() {
			_, err := again()
			refused <- err
		}()
		select {
		case <-asked:
			t.Fatalf("%s sends what is under way", name)
		case err := <-refused:
			if e := failureOf(t, err); e.Kind != flow.KindStore || e.Message != "this process is working on this run already" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	close(answer)
	if got := <-done; got != "succeeded {}" || w.counts()["b"] != 1 {
		t.Errorf("%s, %v", got, w.counts())
	}
}
