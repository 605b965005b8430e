package flow_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A web answers as servers do, without one: by path and how often it was asked
// there before.
type web struct {
	answer func(c hit) (flow.Result, error)

	mu   sync.Mutex
	hits []hit
}

// A hit is one request as it was sent.
type hit struct {
	Path string
	Nth  int // at this path, from 1
	Say  string
	At   time.Time
	ctx  context.Context
}

// kit has one action, web: `say` is what is sent, `safe` whether it may be
// repeated, `key` whether it has an idempotency key.
func (w *web) kit() flow.Kit { return flow.Kit{Actions: flow.Actions{"web": webAction{w}}} }

type webAction struct{ w *web }

func (webAction) Spec() flow.Spec {
	return flow.Spec{Doc: "Asks the web.", Web: true, Fields: []flow.Field{
		{Name: "say", Type: flow.JSONField, Own: true}, {Name: "safe", Type: flow.BooleanField, Own: true}, {Name: "key", Type: flow.BooleanField, Own: true},
		{Name: "headers", Type: flow.PairsField, PerTry: true},
	}, Check: func(with flow.Static) flow.Verdict {
		safe, _, _ := with.Text("safe")
		key, _, _ := with.Text("key")
		return flow.Verdict{Repeatable: safe == "true" || key == "true"}
	}}
}

func (a webAction) Plan(in flow.Input) (flow.Call, error) {
	say, call := "null", flow.Call{}
	for _, arg := range in.Args {
		switch arg.Name {
		case "say":
			say = arg.Value.Reveal()
		case "safe":
			call.Repeatable = arg.Value.Reveal() == "true"
		case "key":
			call.Repeatable, call.Idempotent = true, true
		}
	}
	call.Do = func(ctx context.Context) (flow.Result, error) { return a.w.ask(ctx, in.Path, say) }
	return call, nil
}

func (w *web) ask(ctx context.Context, path, say string) (flow.Result, error) {
	w.mu.Lock()
	h := hit{Path: path, Nth: 1, Say: say, At: time.Now(), ctx: ctx}
	for _, other := range w.hits {
		if other.Path == path {
			h.Nth++
		}
	}
	w.hits = append(w.hits, h)
	w.mu.Unlock()
	if w.answer == nil {
		return ok(`{}`), nil
	}
	return w.answer(h)
}

// counts is how often each path was asked.
func (w *web) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[string]int{}
	for _, h := range w.hits {
		n[h.Path]++
	}
	return n
}

// times are when a path was asked, since the first request of all.
func (w *web) times(path string) (since []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hits {
		if h.Path == path {
			since = append(since, h.At.Sub(w.hits[0].At))
		}
	}
	return since
}

func ok(body string) flow.Result { return status(200, body) }

func status(code int, body string, headers ...string) flow.Result {
	r := flow.Result{Status: code, Body: []byte(body), Headers: map[string][]string{"Content-Type": {"application/json"}}, URL: "https://api.example.test/x"}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Headers[headers[i]] = append(r.Headers[headers[i]], headers[i+1])
	}
	return r
}

// waits answers after a while, or is cut off: sent says whether the request
// had left by then.
func waits(h hit, d time.Duration, sent bool) (flow.Result, error) {
	select {
	case <-time.After(d):
		return ok(`{}`), nil
	case <-h.ctx.Done():
		return flow.Result{}, &flow.Error{Kind: flow.KindTimeout, Message: "cut off", Sent: sent, Err: h.ctx.Err()}
	}
}

// compileWeb makes a plan of a flow's steps and what stands around them.
func compileWeb(t testing.TB, w *web, text string) *flow.Plan {
	t.Helper()
	p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte("stepwell: 1\nname: test\n" + text)}}, "test.yaml", w.kit())
	if err != nil {
		t.Fatalf("the flow does not check:\n%v\n%s", err, text)
	}
	return p
}

// end is how a run ended, in one line.
func end(run datapoints.Run, err error) string {
	s := string(run.State)
	if run.Kind != "" {
		s += " " + run.Kind
	}
	if run.At != "" {
		s += " at " + run.At
	}
	if err == nil {
		s += " " + run.Outputs.Reveal()
	}
	return s
}

// rows are the outcomes of a run's steps, by path.
func rows(t testing.TB, s datapoints.Store, run string) map[string]string {
	t.Helper()
	records, err := flow.History(t.Context(), s, run)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, r := range records {
		all[r.Path] = r.Outcome
		if r.Error != nil {
			all[r.Path] += " " + string(r.Error.Kind)
		}
	}
	return all
}

// pretty names a subtest by a number of anything.
func pretty(v any) string { return fmt.Sprint(v) }
