// Package survey goes over a compiled flow without running it: which steps
// there are, in the order of the file, where each would be recorded, who saves
// what, how many calls are made, and which may wait for long.
package survey

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A Saver is a step that saves a data point.
type Saver struct {
	Number int
	Path   string
}

// A Survey is what is known of a flow's steps as a whole.
type Survey struct {
	Numbers map[*plan.Node]int // from 1, in the order of the file
	Savers  map[*plan.Point][]Saver
}

// Of surveys a flow. A sub-flow's steps are numbered where it is called.
func Of(root *plan.Node) *Survey {
	s := &Survey{Numbers: map[*plan.Node]int{}, Savers: map[*plan.Point][]Saver{}}
	s.steps(root.Steps, "")
	if root.Finally != nil {
		s.steps(root.Finally.Steps, "finally")
	}
	return s
}

func (s *Survey) steps(nodes []*plan.Node, path string) {
	for _, n := range nodes {
		s.step(n, plan.Join(path, n.ID))
	}
}

// step numbers a step and what is in it, in the order in which a file has it:
// the verb's own steps, else, catch, finally.
func (s *Survey) step(n *plan.Node, at string) {
	s.Numbers[n] = len(s.Numbers) + 1
	body, inside := Body(n, at)
	if n.Kind == plan.Loop {
		for _, l := range n.Work.Lists {
			s.saves(l.Outer, s.Numbers[n], at)
		}
	}
	for _, p := range Saves(body) {
		s.saves(p, s.Numbers[n], recorded(n, at))
	}
	if body.Kind == plan.Parallel {
		for _, branch := range body.Steps {
			s.steps(branch.Steps, plan.Join(inside, branch.ID))
		}
	} else {
		s.steps(body.Steps, inside)
	}
	if n.Else != nil {
		s.steps(n.Else.Steps, plan.Join(at, "else"))
	}
	for i, c := range n.Catch {
		s.steps(c.Steps, Clause(at, i))
	}
	if last, path := Finally(n, at); last != nil {
		s.steps(last.Steps, path)
	}
}

func (s *Survey) saves(p *plan.Point, number int, path string) {
	s.Savers[p] = append(s.Savers[p], Saver{number, path})
}

// recorded is the path under which a step's verb is recorded.
func recorded(n *plan.Node, at string) string {
	if n.Kind == plan.Loop {
		return at + "[i]"
	}
	return at
}

// Body is the node with a step's verb, and the path that its inner steps are
// under: [i] stands for an iteration, #n for a round.
func Body(n *plan.Node, at string) (body *plan.Node, inside string) {
	body, inside = n, recorded(n, at)
	if n.Kind == plan.Loop {
		body = n.Steps[0]
	}
	if body.Rounds {
		inside += "#n"
	}
	return body, inside
}

// Clause is the path of a clause of a step's catch.
func Clause(at string, i int) string { return plan.Join(at, "catch["+strconv.Itoa(i)+"]") }

// Finally is what runs after a step or, if it is a loop, after each iteration;
// nil if there is nothing.
func Finally(n *plan.Node, at string) (*plan.Node, string) {
	if body, inside := Body(n, at); body.Kind == plan.Flow { // also after each round
		return body.Finally, plan.Join(inside, "finally")
	}
	if n.Finally == nil && n.Kind == plan.Loop && n.Steps[0].Finally != nil {
		return n.Steps[0].Finally, plan.Join(at+"[i]", "finally")
	}
	return n.Finally, plan.Join(at, "finally")
}

// Saves are the data points that a node's verb saves by itself.
func Saves(n *plan.Node) []*plan.Point {
	var points []*plan.Point
	for _, a := range n.Work.Set {
		points = append(points, a.Point)
	}
	for _, s := range Captures(n) {
		points = append(points, s.Point)
	}
	return points
}

// Captures is a node's `save`.
func Captures(n *plan.Node) []plan.Save {
	switch w := &n.Work; {
	case w.Call != nil:
		return w.Call.Save
	case w.Flow != nil:
		return w.Flow.Save
	case w.Message != nil:
		return w.Message.Save
	}
	return nil
}

// A Range is the fewest and the most of something.
type Range struct{ Least, Most int }

func (r Range) plus(o Range) Range { return Range{sum(r.Least, o.Least), sum(r.Most, o.Most)} }

// either is one or the other.
func (r Range) either(o Range) Range {
	return Range{min(r.Least, o.Least), max(r.Most, o.Most)}
}

// sum and times stop at the largest number: limits that are multiplied with
// each other can be beyond it.
func sum(a, b int) int {
	if a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

func times(a, b int) int {
	if a > 0 && b > math.MaxInt/a {
		return math.MaxInt
	}
	return a * b
}

// Calls is how many calls steps make if the run succeeds: rounds counted, but
// not the retries of single calls, with loops of none up to the most items that
// they may have.
func Calls(nodes []*plan.Node) Range {
	var r Range
	for _, n := range nodes {
		r = r.plus(StepCalls(n))
	}
	return r
}

// StepCalls is how many calls one step makes, with everything around it.
func StepCalls(n *plan.Node) Range {
	body, _ := Body(n, "")
	r := verbCalls(body)
	last, _ := Finally(n, "")
	if last != nil && last != n.Finally && body.Kind != plan.Flow {
		r = r.plus(Calls(last.Steps))
	}
	if n.Kind == plan.Loop {
		r = Range{0, times(r.Most, n.Work.Loop.Max)}
	}
	if len(n.Catch) > 0 {
		r = caught(r, n.Catch)
	}
	if n.Finally != nil && n.Kind != plan.Flow {
		r = r.plus(Calls(n.Finally.Steps))
	}
	if n.Work.If != nil {
		var other Range
		if n.Else != nil {
			other = Calls(n.Else.Steps)
		}
		r = r.either(other)
	}
	return r
}

// caught is what a step makes that may fail anywhere, and then goes on in a clause.
func caught(r Range, clauses []*plan.Node) Range {
	all := r
	for _, c := range clauses {
		in := Calls(c.Steps)
		all = all.either(Range{in.Least, sum(r.Most, in.Most)})
	}
	return all
}

func verbCalls(n *plan.Node) Range {
	var r Range
	switch n.Kind {
	case plan.Call:
		r = Range{1, 1}
		if p := n.Work.Call.Poll; p != nil {
			r.Most = Polls(p)
		}
		if p := n.Work.Call.Pages; p != nil {
			r.Most = max(1, p.Max)
		}
	case plan.Block, plan.Flow:
		r = Calls(n.Steps)
		if n.Kind == plan.Flow && n.Finally != nil { // it runs in each round
			r = r.plus(Calls(n.Finally.Steps))
		}
	case plan.Parallel:
		for _, branch := range n.Steps {
			r = r.plus(Calls(branch.Steps))
		}
	}
	if n.Rounds { // with both, each poll has all of its attempts
		r.Most = times(r.Most, max(1, n.Work.Retry.Attempts))
	}
	if n.Work.Poll != nil {
		r.Most = times(r.Most, Polls(n.Work.Poll))
	}
	return r
}

// Polls is how often something is asked at the most, if asking takes no time
// and the server does not say when to come back.
func Polls(p *plan.Poll) int {
	pause, at, n := p.Every, time.Duration(0), 1
	if pause <= 0 {
		return n
	}
	for ; at+pause <= p.Timeout && n < math.MaxInt32; n++ {
		at += pause
		if p.Factor <= 1 {
			return n + 1 + int((p.Timeout-at)/pause)
		}
		pause = time.Duration(float64(pause) * p.Factor)
		if p.Max > 0 && pause >= p.Max {
			pause = p.Max
			return n + 1 + int(max(0, p.Timeout-at)/pause)
		}
	}
	return n
}

// Before says who may have saved a point before a step: their paths and numbers.
func (s *Survey) Before(p *plan.Point, number int) (paths []string, numbers []int) {
	paths, numbers = []string{}, []int{}
	for _, v := range s.Savers[p] {
		if v.Number < number {
			paths = append(paths, v.Path)
			numbers = append(numbers, v.Number)
		}
	}
	return paths, numbers
}

// Request is method and URL, with base in front where the URL is only a path.
// The title has the method: "GET /patients".
func Request(title, base, url string) string {
	if url == "" {
		return title
	}
	if strings.HasPrefix(url, "/") {
		url = strings.TrimSuffix(base, "/") + url
	}
	method, _, ok := strings.Cut(title, " ")
	if !ok {
		return url
	}
	return method + " " + url
}

// Masked is the text of a sensitive value: masked, if the secret itself stands
// in the file.
func Masked(text, name string, v *plan.Value) string {
	constant := v.Const != ""
	if v.Template != nil {
		_, constant = v.Template.Constant()
	}
	if constant {
		return "[secret " + name + "]"
	}
	return text
}

// Pauses is the first step that may wait for longer than a run stays, or nil.
func Pauses(p *plan.Plan) *plan.Node {
	for _, n := range p.Nodes {
		long := n.Kind == plan.Callback || n.Kind == plan.Wait && n.Work.Wait.Long
		for _, poll := range []*plan.Poll{n.Work.Poll, pollOfCall(n)} {
			long = long || poll != nil && (poll.Every > plan.Patience || poll.Max > plan.Patience)
		}
		if long {
			return n
		}
	}
	return nil
}

func pollOfCall(n *plan.Node) *plan.Poll {
	if n.Work.Call == nil {
		return nil
	}
	return n.Work.Call.Poll
}
