package survey

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

func call(id string) *plan.Node {
	return &plan.Node{ID: id, Kind: plan.Call, Work: plan.Work{Call: &plan.CallSpec{}}}
}

func block(id string, steps ...*plan.Node) *plan.Node {
	return &plan.Node{ID: id, Kind: plan.Block, Steps: steps}
}

func root(steps ...*plan.Node) *plan.Node { return &plan.Node{Kind: plan.Flow, Steps: steps} }

// loop puts a body into a loop of at most n items.
func loop(n int, id string, body *plan.Node) *plan.Node {
	body.ID = ""
	return &plan.Node{ID: id, Kind: plan.Loop, Steps: []*plan.Node{body}, Work: plan.Work{Loop: &plan.LoopSpec{Max: n}}}
}

func polled(n *plan.Node, p plan.Poll) *plan.Node {
	if n.Kind == plan.Call {
		n.Work.Call.Poll = &p
	} else {
		n.Rounds, n.Work.Poll = true, &p
	}
	return n
}

func tried(n *plan.Node, attempts int) *plan.Node {
	n.Rounds, n.Work.Retry.Attempts = true, attempts
	return n
}

func finished(n *plan.Node) *plan.Node {
	n.Finally = block("", call("z"))
	return n
}

// flowed is a sub-flow that makes one call, and another one at its end.
func flowed() *plan.Node {
	return &plan.Node{ID: "f", Kind: plan.Flow, Steps: []*plan.Node{call("a")}, Finally: block("", call("z")), Work: plan.Work{Flow: &plan.FlowSpec{}}}
}

func TestCallsAreCountedThroughEveryPartOfAStep(t *testing.T) {
	t.Parallel()
	condition := &expression.Program{}
	paged := call("a")
	paged.Work.Call.Pages = &plan.Pages{Max: 50}
	otherwise := call("a")
	otherwise.Work.If, otherwise.Else = condition, block("", call("b"), call("c"))
	caught := block("a", call("b"), call("c"))
	caught.Catch = []*plan.Node{block("", call("d")), block("")}
	cleaned := block("a", call("b"))
	cleaned.Finally = block("", call("c"), call("d"))
	cleanedEach := loop(10, "each", block("", call("b")))
	cleanedEach.Steps[0].Finally = block("", call("c"))
	bye := root(call("a"))
	bye.Finally = block("", call("z"))
	huge := call("a")
	huge.Work.Call.Pages = &plan.Pages{Max: 10_000}
	every5 := plan.Poll{Every: 5 * time.Second, Timeout: time.Minute}
	for name, c := range map[string]struct {
		root *plan.Node
		want Range
	}{
		"steps after each other":   {root(call("a"), block("b", call("c")), &plan.Node{Kind: plan.Set}), Range{2, 2}},
		"loop":                     {root(loop(7, "each", call(""))), Range{0, 7}},
		"pages":                    {root(paged), Range{1, 50}},
		"else":                     {root(otherwise), Range{1, 2}},
		"parallel":                 {root(&plan.Node{ID: "p", Kind: plan.Parallel, Steps: []*plan.Node{block("l", call("a")), block("r", call("b"), call("c"))}}), Range{3, 3}},
		"sub-flow":                 {root(&plan.Node{ID: "f", Kind: plan.Flow, Steps: []*plan.Node{call("a")}, Work: plan.Work{Flow: &plan.FlowSpec{}}}), Range{1, 1}},
		"caught, or not":           {root(caught), Range{0, 3}},
		"finally":                  {root(cleaned), Range{3, 3}},
		"finally of each item":     {root(cleanedEach), Range{0, 20}},
		"finally of the flow":      {bye, Range{2, 2}},
		"poll":                     {root(polled(call("a"), every5)), Range{1, 13}},
		"poll of a block":          {root(polled(block("a", call("b"), call("c")), every5)), Range{2, 26}},
		"rounds":                   {root(tried(block("a", call("b"), call("c")), 3)), Range{2, 6}},
		"rounds of each poll":      {root(polled(tried(block("a", call("b"), call("c")), 3), every5)), Range{2, 78}},
		"rounds in rounds":         {root(tried(block("a", tried(block("b", call("c")), 3)), 4)), Range{1, 12}},
		"rounds of each item":      {root(loop(10, "each", tried(block("", call("b")), 3))), Range{0, 30}},
		"finally after all rounds": {root(finished(tried(block("a", call("b")), 3))), Range{2, 4}},
		"a flow's in each round":   {root(tried(flowed(), 3)), Range{2, 6}},
		"a flow's for each item":   {root(loop(10, "each", flowed())), Range{0, 20}},
		"beyond the largest count": {root(loop(100_000, "x", block("", loop(100_000, "y", block("", loop(100_000, "z", block("", loop(100_000, "u", huge)))))))), Range{0, math.MaxInt}},
	} {
		if got := StepCalls(c.root); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

func TestPollsAreAsManyAsFitIntoTheTimeout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		poll plan.Poll
		want int
	}{
		{plan.Poll{Every: time.Second, Timeout: 10 * time.Second}, 11},
		{plan.Poll{Every: 3 * time.Second, Timeout: 10 * time.Second}, 4},
		{plan.Poll{Every: time.Minute, Timeout: time.Second}, 1},
		{plan.Poll{Every: time.Second, Factor: 2, Timeout: 10 * time.Second}, 4},                       // at 0, 1, 3, 7
		{plan.Poll{Every: time.Second, Factor: 2, Max: 2 * time.Second, Timeout: 10 * time.Second}, 6}, // at 0, 1, 3, 5, 7, 9
		{plan.Poll{Every: time.Millisecond, Factor: 1, Timeout: 1000 * time.Hour}, 3_600_000_001},
		{plan.Poll{}, 1},
	} {
		if got := Polls(&c.poll); got != c.want {
			t.Errorf("%+v: %d, not %d", c.poll, got, c.want)
		}
	}
}

func TestSaversHaveTheNumbersOfTheFileAndThePathsOfTheRecord(t *testing.T) {
	t.Parallel()
	p := &plan.Point{Name: "p"}
	set := func(id string) *plan.Node {
		return &plan.Node{ID: id, Kind: plan.Set, Work: plan.Work{Set: []plan.Assign{{Point: p}}}}
	}
	sub := &plan.Node{ID: "sub", Kind: plan.Flow, Steps: []*plan.Node{set("in")}, Work: plan.Work{Flow: &plan.FlowSpec{Save: []plan.Save{{Point: p}}}}}
	rounds := polled(block("rounds", set("again")), plan.Poll{})
	step := block("step", set("body"))
	step.Else, step.Catch, step.Finally = block("", set("other")), []*plan.Node{block("", set("first")), block("", set("second"))}, block("", set("last"))
	answer := &plan.Node{ID: "answer", Kind: plan.Callback, Work: plan.Work{Message: &plan.MessageSpec{Save: []plan.Save{{Point: p}}}}}
	all := &plan.Node{ID: "all", Kind: plan.Parallel, Steps: []*plan.Node{block("left", set("a")), block("right", set("b"))}}
	s := Of(root(step, loop(3, "each", block("", set("item"))), all, sub, rounds, answer))
	want := []Saver{{2, "step.body"}, {3, "step.else.other"}, {4, "step.catch[0].first"}, {5, "step.catch[1].second"}, {6, "step.finally.last"},
		{8, "each[i].item"}, {10, "all.left.a"}, {11, "all.right.b"}, {12, "sub"}, {13, "sub.in"}, {15, "rounds#n.again"}, {16, "answer"}}
	if diff := cmp.Diff(want, s.Savers[p]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if paths, numbers := s.Before(p, 4); len(paths) != 2 || numbers[1] != 3 {
		t.Errorf("before step 4 it is saved by %v %v", paths, numbers)
	}
}
