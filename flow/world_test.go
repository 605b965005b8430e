package flow_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A world answers the calls of test flows and counts what was sent to it.
type world struct {
	mu     sync.Mutex
	sends  map[string]int // by path
	order  []string
	flying int
	most   int // calls in flight at once
	script func(path string, attempt int) error
	during func(ctx context.Context, path string) // while a call is in flight
}

// kit has one action, call: `say` is what it answers with, `safe` whether it may be repeated.
func (w *world) kit() flow.Kit { return flow.Kit{Actions: flow.Actions{"call": worldAction{w}}} }

type worldAction struct{ w *world }

func (worldAction) Spec() flow.Spec {
	return flow.Spec{Doc: "Says something to the world.", Fields: []flow.Field{
		{Name: "say", Type: flow.JSONField}, {Name: "safe", Type: flow.BooleanField},
		{Name: "to", Type: flow.URLField, Destination: true}, {Name: "allow_secrets_to", Type: flow.ListField, Fields: []flow.Field{{Type: flow.URLField}}, Allows: true},
	}, Check: func(with flow.Static) flow.Verdict {
		text, _, _ := with.Text("safe")
		return flow.Verdict{Repeatable: text == "true"}
	}}
}

func (a worldAction) Plan(in flow.Input) (flow.Call, error) {
	say, safe, origin := "null", false, ""
	for _, arg := range in.Args {
		switch arg.Name {
		case "say":
			say = arg.Value.Reveal()
		case "safe":
			safe = arg.Value.Reveal() == "true"
		case "to":
			origin, _ = flow.Origin(arg.Value.RevealText())
		}
	}
	return flow.Call{Repeatable: safe, Origin: origin, Do: func(ctx context.Context) (flow.Result, error) {
		return a.w.send(ctx, in.Path, in.Attempt, say)
	}}, nil
}

func (w *world) send(ctx context.Context, path string, attempt int, say string) (flow.Result, error) {
	w.mu.Lock()
	if w.sends == nil {
		w.sends = map[string]int{}
	}
	w.sends[path]++
	w.order = append(w.order, path)
	w.flying++
	w.most = max(w.most, w.flying)
	script, during := w.script, w.during
	w.mu.Unlock()
	if during != nil {
		during(ctx, path)
	}
	w.mu.Lock()
	w.flying--
	w.mu.Unlock()
	if script != nil {
		if err := script(path, attempt); err != nil {
			return flow.Result{}, err
		}
	}
	return flow.Result{Body: []byte(`{"say":` + say + `,"path":"` + path + `"}`)}, nil
}

func (w *world) sent(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sends[path]
}

// lost is an answer that never came although the request was sent.
func lost() error {
	return &flow.Error{Kind: flow.KindNetwork, Message: "the connection broke", Sent: true}
}

func refused(status int) error {
	return &flow.Error{Kind: flow.KindHTTP, Message: "the server answered " + strconv.Itoa(status), Status: status, Refused: status == 429}
}

// compile makes a plan of a flow's steps and what follows them.
func compile(t testing.TB, w *world, text string) *flow.Plan {
	t.Helper()
	if !strings.HasPrefix(text, "stepwell:") {
		text = "stepwell: 1\nname: test\n" + text
	}
	p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte(text)}}, "test.yaml", w.kit())
	if err != nil {
		t.Fatalf("the flow does not check:\n%v\n%s", err, text)
	}
	return p
}

// outputs runs a flow that must succeed and gives its outputs.
func outputs(t *testing.T, w *world, text string, in flow.Inputs) string {
	t.Helper()
	run, err := (&flow.Executor{}).Run(t.Context(), compile(t, w, text), in)
	if err != nil {
		t.Fatalf("the run failed: %v", err)
	}
	return run.Outputs.Reveal()
}

// mortal is a store that dies: after its n-th commit nothing more is written.
// It says that it lasts, so that the executor groups records as it would.
type mortal struct {
	datapoints.Store
	mu    sync.Mutex
	lives int  // commits left; negative: immortal
	mute  bool // the commit at which it dies is written, and nobody hears of it
}

var errDead = errors.New("the machine has lost power")

func (m *mortal) Traits() datapoints.Traits { return datapoints.Traits{Lasts: true, Sealed: true} }

func (m *mortal) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lives == 0 {
		if m.mute {
			m.mute = false
			if err := m.Store.Commit(ctx, l, records...); err != nil {
				return err
			}
		}
		return errDead
	}
	if m.lives--; m.lives < -1 {
		m.lives = -1
	}
	return m.Store.Commit(ctx, l, records...)
}

func (m *mortal) revive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lives = -1
}

// successor is another process over the same store: the first is dead.
func successor(s datapoints.Store) *flow.Executor {
	return &flow.Executor{Store: s, Owner: flow.Process{Dead: func(string) bool { return true }}}
}

func failureOf(t *testing.T, err error) *flow.Error {
	t.Helper()
	var e *flow.Error
	if !errors.As(err, &e) {
		t.Fatalf("want a step's failure, have %v", err)
	}
	return e
}

// values gives every data point of the flow that counts, by scope and name.
func values(t *testing.T, s datapoints.Store, run string) map[string]string {
	t.Helper()
	got, err := s.Read(context.Background(), run, datapoints.Query{History: true})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range got.Points {
		if !p.Undone && !strings.HasPrefix(p.Name, "#") {
			all[p.Scope+"|"+p.Name] = p.Value.Reveal()
		}
	}
	return all
}

const soon = 5 * time.Second // how long a test waits for what should come at once
