package walk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/walk"
)

// The order in which tasks are asked for is written down here, task by task:
// walks that are compared with each other do not see a rule that is wrong in both.

// compiled numbers the nodes of a plan that is written by hand.
func compiled(root *plan.Node) *plan.Plan {
	p := &plan.Plan{Root: root}
	var number func(n *plan.Node)
	number = func(n *plan.Node) {
		if n == nil {
			return
		}
		n.Index = len(p.Nodes)
		p.Nodes = append(p.Nodes, n)
		for _, s := range n.Steps {
			number(s)
		}
		number(n.Else)
		for _, c := range n.Catch {
			number(c)
		}
		number(n.Finally)
	}
	number(root)
	return p
}

func flowOf(steps ...*plan.Node) *plan.Node { return &plan.Node{Kind: plan.Flow, Steps: steps} }

func call(id string) *plan.Node { return &plan.Node{ID: id, Kind: plan.Call} }

func block(id string, steps ...*plan.Node) *plan.Node {
	return &plan.Node{ID: id, Kind: plan.Block, Steps: steps}
}

func bare(steps ...*plan.Node) *plan.Node {
	return &plan.Node{Kind: plan.Block, Bare: true, Steps: steps}
}

// with puts parts around a node.
func with(n *plan.Node, around func(n *plan.Node)) *plan.Node {
	around(n)
	return n
}

// at is a time that a table can print.
func at(second int64) time.Time { return time.Unix(second, 0).UTC() }

func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return fmt.Sprint(t.Unix())
}

// An engine answers as its script says, and notes what it is asked.
type engine struct {
	script map[string][]any // "phase path": outcomes or errors, one after the other, the last again and again
	noted  []string
}

func phase(p walk.Phase) string {
	return map[walk.Phase]string{walk.Enter: "enter", walk.Try: "try", walk.Catch: "catch", walk.Leave: "leave"}[p]
}

func (e *engine) Do(_ context.Context, t walk.Task) (walk.Outcome, error) {
	key := strings.TrimSpace(phase(t.Phase) + " " + t.Path)
	note := key
	if t.N != 0 {
		note += fmt.Sprintf(" N=%d", t.N)
	}
	if t.Cause != "" {
		note += " for " + t.Cause
	}
	if !t.Deadline.IsZero() {
		note += " by " + clock(t.Deadline)
	}
	e.noted = append(e.noted, note)
	if answers := e.script[key]; len(answers) > 0 {
		if len(answers) > 1 {
			e.script[key] = answers[1:]
		}
		if err, ok := answers[0].(error); ok {
			return walk.Outcome{}, err
		}
		return answers[0].(walk.Outcome), nil
	}
	switch {
	case t.Phase == walk.Enter:
		return walk.Outcome{Status: datapoints.Open, Deadline: t.Deadline}, nil
	case t.Phase == walk.Catch:
		return walk.Outcome{Status: datapoints.Done}, nil
	case t.Phase == walk.Leave && t.Cause != "":
		return walk.Outcome{Status: datapoints.Broke, Kind: "passed"}, nil
	}
	return walk.Outcome{Status: datapoints.Done}, nil
}

func (e *engine) SleepUntil(_ context.Context, t time.Time) error {
	e.noted = append(e.noted, "sleep until "+clock(t))
	return nil
}

func (e *engine) Await(_ context.Context, t walk.Task, until time.Time) error {
	e.noted = append(e.noted, "await "+t.Path+" until "+clock(until))
	return nil
}

func (e *engine) Shield(ctx context.Context) context.Context {
	e.noted = append(e.noted, "shield")
	return ctx
}

// Each is one branch after the other; a failure stops those after it.
func (e *engine) Each(ctx context.Context, n, atOnce int, f func(context.Context, int) error) error {
	e.noted = append(e.noted, fmt.Sprintf("each %d, %d at once", n, atOnce))
	for i := range n {
		if err := f(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func broke(kind string) walk.Outcome { return walk.Outcome{Status: datapoints.Broke, Kind: kind} }

var errBroken = errors.New("the engine is broken")

func TestTheOrderOfTasksIsAsWrittenDown(t *testing.T) {
	t.Parallel()
	type script = map[string][]any
	open := func(next, count int, deadline int64) walk.Outcome {
		o := walk.Outcome{Status: datapoints.Open, Next: next, Count: count}
		if deadline != 0 {
			o.Deadline = at(deadline)
		}
		return o
	}
	skipped, again := walk.Outcome{Status: datapoints.Skipped}, func(next int, until int64) walk.Outcome {
		o := walk.Outcome{Status: datapoints.Again, Next: next}
		if until != 0 {
			o.Until = at(until)
		}
		return o
	}
	caught := func(n *plan.Node) {
		n.Catch = []*plan.Node{bare(call("one")), bare(call("two"))}
		n.Finally = block("", call("tidy"))
	}
	for _, tt := range []struct {
		name   string
		root   *plan.Node
		script script
		want   string
		err    string
	}{
		{"a leaf that is tried again", flowOf(call("a")),
			script{"try a": {again(2, 7), again(3, 0), walk.Outcome{Status: datapoints.Done}}},
			"enter; try a; sleep until 7; try a N=2; try a N=3; leave", ""},
		{"a leaf that awaits a message", flowOf(call("a")),
			script{"try a": {walk.Outcome{Status: datapoints.Awaits, Next: 4, Until: at(9)}, walk.Outcome{Status: datapoints.Done}}},
			"enter; try a; await a until 9; try a N=4; leave", ""},
		{"a leaf that fails ends its list", flowOf(call("a"), call("b")), script{"try a": {broke("http")}},
			"enter; try a; leave for a", "step  failed: passed"},
		{"a skipped leaf", flowOf(call("a"), call("b")), script{"try a": {skipped}}, "enter; try a; try b; leave", ""},
		{"else of a leaf", flowOf(with(call("a"), func(n *plan.Node) { n.Else = bare(call("b")) })), script{"try a": {skipped}},
			"enter; try a; try a.else.b; leave", ""},
		{"else is not taken after success or failure", flowOf(with(call("a"), func(n *plan.Node) { n.Else = bare(call("b")) })), script{"try a": {broke("http")}},
			"enter; try a; leave for a", "step  failed: passed"},
		{"a step's catch does not cover its else", flowOf(with(call("a"), func(n *plan.Node) { n.Else = bare(call("b")); n.Catch = []*plan.Node{bare(call("c"))} })),
			script{"try a": {skipped}, "try a.else.b": {broke("http")}},
			"enter; try a; try a.else.b; leave for a.else.b", "step  failed: passed"},
		{"catch of a leaf", flowOf(with(call("a"), func(n *plan.Node) { n.Catch = []*plan.Node{bare(call("c"))} }), call("b")),
			script{"try a": {broke("http")}},
			"enter; try a; catch a for a; try a.catch[0].c; try b; leave", ""},
		{"body, leave, catch, finally; the second clause", flowOf(with(block("o", call("a"), call("b")), caught), call("d")),
			script{"try o.a": {broke("http")}, "catch o": {walk.Outcome{Status: datapoints.Done, Next: 1}}},
			"enter; enter o; try o.a; leave o for o.a; catch o for o; try o.catch[1].two; shield; enter o.finally; try o.finally.tidy; leave o.finally; try d; leave", ""},
		{"no clause: the failure stands, and finally knows it", flowOf(with(block("o", call("a")), caught), call("d")),
			script{"try o.a": {broke("http")}, "catch o": {walk.Outcome{Status: datapoints.Done, Next: -1}}},
			"enter; enter o; try o.a; leave o for o.a; catch o for o; shield; enter o.finally for o; try o.finally.tidy; leave o.finally; leave for o", "step  failed: passed"},
		{"a clause that fails is the failure", flowOf(with(block("o", call("a")), caught)),
			script{"try o.a": {broke("http")}, "try o.catch[0].one": {broke("data")}},
			"enter; enter o; try o.a; leave o for o.a; catch o for o; try o.catch[0].one; shield; enter o.finally for o.catch[0].one; try o.finally.tidy; leave o.finally; leave for o.catch[0].one", "step  failed: passed"},
		{"catch has the enclosing time, finally none", flowOf(block("x", with(block("o", call("a")), caught))),
			script{"enter x": {open(0, 0, 90)}, "enter x.o": {open(0, 0, 50)}, "try x.o.a": {broke("http")}},
			"enter; enter x; enter x.o by 90; try x.o.a by 50; leave x.o for x.o.a by 50; catch x.o for x.o by 90; try x.o.catch[0].one by 90; shield; enter x.o.finally; try x.o.finally.tidy; leave x.o.finally; leave x by 90; leave", ""},
		{"finally after success", flowOf(with(block("o", call("a")), caught)), nil,
			"enter; enter o; try o.a; leave o; shield; enter o.finally; try o.finally.tidy; leave o.finally; leave", ""},
		{"finally that fails is the failure if there was none", flowOf(with(block("o", call("a")), caught)), script{"try o.finally.tidy": {broke("data")}},
			"enter; enter o; try o.a; leave o; shield; enter o.finally; try o.finally.tidy; leave o.finally for o.finally.tidy; leave for o.finally", "step  failed: passed"},
		{"finally that fails does not hide the failure", flowOf(with(block("o", call("a")), func(n *plan.Node) { n.Finally = block("", call("tidy")) })),
			script{"try o.a": {broke("http")}, "try o.finally.tidy": {broke("data")}, "leave o": {broke("http")}, "leave": {broke("http")}},
			"enter; enter o; try o.a; leave o for o.a; shield; enter o.finally for o; try o.finally.tidy; leave o.finally for o.finally.tidy; leave for o", "step  failed: http"},
		{"what is not entered has no finally, but catch", flowOf(with(block("o", call("a")), caught)), script{"enter o": {broke("expression")}},
			"enter; enter o; catch o for o; try o.catch[0].one; leave", ""},
		{"what is skipped has neither", flowOf(with(block("o", call("a")), caught)), script{"enter o": {skipped}}, "enter; enter o; leave", ""},
		{"what was left well is not walked, its finally is", flowOf(with(block("o", call("a")), caught)), script{"enter o": {walk.Outcome{Status: datapoints.Left}}},
			"enter; enter o; shield; enter o.finally; try o.finally.tidy; leave o.finally; leave", ""},
		{"what was left as failed is caught", flowOf(with(block("o", call("a")), caught)), script{"enter o": {walk.Outcome{Status: datapoints.Left, Kind: "http"}}},
			"enter; enter o; catch o for o; try o.catch[0].one; shield; enter o.finally; try o.finally.tidy; leave o.finally; leave", ""},
		{"a bare block is neither entered nor left", flowOf(with(bare(call("a")), func(n *plan.Node) { n.ID = "o" })), nil, "enter; try o.a; leave", ""},
		{"rounds", flowOf(with(block("o", call("a"), call("b")), func(n *plan.Node) { n.Rounds = true })),
			script{"enter o": {open(1, 0, 0)}, "leave o": {again(2, 30), again(3, 0), walk.Outcome{Status: datapoints.Done}}},
			"enter; enter o; try o#0.a; try o#0.b; leave o N=1; sleep until 30; try o#1.a; try o#1.b; leave o N=2; try o#2.a; try o#2.b; leave o N=3; leave", ""},
		{"a round that failed and is repeated", flowOf(with(block("o", call("a"), call("b")), func(n *plan.Node) { n.Rounds = true })),
			script{"enter o": {open(1, 0, 0)}, "try o#0.a": {broke("http")}, "leave o": {again(2, 30), walk.Outcome{Status: datapoints.Done}}},
			"enter; enter o; try o#0.a; leave o N=1 for o#0.a; sleep until 30; try o#1.a; try o#1.b; leave o N=2; leave", ""},
		{"the finally of a flow in a flow runs in each of its rounds", flowOf(with(flowOf(call("a")), func(n *plan.Node) { n.ID = "sub"; n.Rounds = true; n.Finally = block("", call("tidy")) })),
			script{"enter sub": {open(1, 0, 0)}, "leave sub": {again(2, 0), walk.Outcome{Status: datapoints.Done}}},
			"enter; enter sub; try sub#0.a; shield; enter sub#0.finally; try sub#0.finally.tidy; leave sub#0.finally; leave sub N=1; try sub#1.a; shield; enter sub#1.finally; try sub#1.finally.tidy; leave sub#1.finally; leave sub N=2; leave", ""},
		{"rounds that go on after an interrupt", flowOf(with(block("o", call("a")), func(n *plan.Node) { n.Rounds = true })),
			script{"enter o": {walk.Outcome{Status: datapoints.Open, Next: 3, Until: at(8)}}},
			"enter; enter o; sleep until 8; try o#2.a; leave o N=3; leave", ""},
		{"a loop", flowOf(&plan.Node{ID: "l", Kind: plan.Loop, AtOnce: 2, Steps: []*plan.Node{call("")}}), script{"enter l": {open(0, 2, 0)}},
			"enter; enter l; each 2, 2 at once; try l[0]; try l[1]; leave l; leave", ""},
		{"a loop goes on at its first unfinished item", flowOf(&plan.Node{ID: "l", Kind: plan.Loop, AtOnce: 1, Steps: []*plan.Node{block("", call("a"))}}), script{"enter l": {open(3, 5, 60)}},
			"enter; enter l; each 2, 1 at once; enter l[3] by 60; try l[3].a by 60; leave l[3] by 60; enter l[4] by 60; try l[4].a by 60; leave l[4] by 60; leave l N=3 by 60; leave", ""},
		{"a loop that goes on passes over a failed item", flowOf(&plan.Node{ID: "l", Kind: plan.Loop, AtOnce: 1, Go: true, Steps: []*plan.Node{call("")}}),
			script{"enter l": {open(0, 2, 0)}, "try l[0]": {broke("http")}},
			"enter; enter l; each 2, 1 at once; try l[0]; try l[1]; leave l; leave", ""},
		{"but not over an unknown one", flowOf(&plan.Node{ID: "l", Kind: plan.Loop, AtOnce: 1, Go: true, Steps: []*plan.Node{call("")}}),
			script{"enter l": {open(0, 2, 0)}, "try l[0]": {broke("unknown")}},
			"enter; enter l; each 2, 1 at once; try l[0]; leave l for l[0]; leave for l", "step  failed: passed"},
		{"branches", flowOf(&plan.Node{ID: "p", Kind: plan.Parallel, AtOnce: 2, Steps: []*plan.Node{block("x", call("a")), with(bare(call("b")), func(n *plan.Node) { n.ID = "y" })}}),
			script{"enter p": {open(0, 2, 40)}},
			"enter; enter p; each 2, 2 at once; enter p.x by 40; try p.x.a by 40; leave p.x by 40; try p.y.b by 40; leave p by 40; leave", ""},
		{"a flow in a flow", flowOf(with(flowOf(call("a")), func(n *plan.Node) { n.ID = "sub" })), nil, "enter; enter sub; try sub.a; leave sub; leave", ""},
		{"the run's finally", with(flowOf(call("a")), func(n *plan.Node) { n.Finally = block("", call("tidy")) }), script{"try a": {broke("http")}},
			"enter; try a; leave for a; shield; enter finally; try finally.tidy; leave finally", "step  failed: passed"},
		{"a stop: no catch, no leave, finally of all that was entered", with(flowOf(with(block("o", call("a")), caught)), func(n *plan.Node) { n.Finally = block("", call("last")) }),
			script{"try o.a": {walk.ErrStopped}},
			"enter; enter o; try o.a; shield; enter o.finally; try o.finally.tidy; leave o.finally; shield; enter finally; try finally.last; leave finally", "stopped"},
		{"a stop before the body is entered", flowOf(with(block("o", call("a")), caught)), script{"enter o": {walk.ErrStopped}}, "enter; enter o", "stopped"},
		{"a pause: nothing at all", flowOf(with(block("o", call("a")), caught)), script{"try o.a": {walk.ErrPaused}}, "enter; enter o; try o.a", "paused"},
		{"an interrupt: nothing at all", flowOf(with(block("o", call("a")), caught)), script{"try o.a": {walk.ErrInterrupted}}, "enter; enter o; try o.a", "interrupted"},
		{"a broken engine: nothing at all", flowOf(with(block("o", call("a")), caught)), script{"try o.a": {errBroken}}, "enter; enter o; try o.a", "the engine is broken"},
		{"a pause in finally counts more than the failure", flowOf(with(block("o", call("a")), func(n *plan.Node) { n.Finally = block("", call("tidy")) })),
			script{"try o.a": {broke("http")}, "try o.finally.tidy": {walk.ErrPaused}},
			"enter; enter o; try o.a; leave o for o.a; shield; enter o.finally for o; try o.finally.tidy", "paused"},
		{"catch that breaks is the failure of its step", flowOf(with(call("a"), func(n *plan.Node) { n.Catch = []*plan.Node{bare()} })),
			script{"try a": {broke("http")}, "catch a": {broke("internal")}},
			"enter; try a; catch a for a; leave for a", "step  failed: passed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := &engine{script: tt.script}
			if e.script == nil {
				e.script = script{}
			}
			err := walk.Walk(t.Context(), compiled(tt.root), "run", e)
			if diff := cmp.Diff(strings.Split(tt.want, "; "), e.noted); diff != "" {
				t.Error(diff)
			}
			if got := said(err); got != tt.err {
				t.Errorf("%s, want %s", got, tt.err)
			}
		})
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
