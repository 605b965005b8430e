package record

import (
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Instance names the scope's instance that a path lies in: of the run "", of an
// iteration the loop's path with its index, of a sub-flow its step's path with
// its round and a "/", since a step in a loop may be both.
func Instance(sc *plan.Scope, path string) string {
	path = Within(sc.Node, path)
	switch {
	case sc.Node.Kind != plan.Flow:
		return WithoutRound(path)
	case path != "":
		path += "/"
	}
	return path
}

// Within is the path of the node's instance that a path lies in: its first
// segments, with iteration and round.
func Within(n *plan.Node, path string) string {
	if n.Depth == 0 {
		return ""
	}
	return Cut(path, n.Depth)
}

// Cut is the beginning of a path, of so many segments.
func Cut(path string, depth int) string {
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if depth--; depth == 0 {
			return path[:i]
		}
	}
	return path
}

// WithoutRound is the path of a step without the round that it ends with.
func WithoutRound(path string) string {
	if i := strings.LastIndexAny(path, ".#"); i >= 0 && path[i] == '#' {
		return path[:i]
	}
	return path
}

// Iteration is the index of the innermost loop of an instance's path: 3 of "a.notify[3]".
func Iteration(path string) int {
	open := strings.LastIndexByte(path, '[')
	i, _ := strconv.Atoi(path[open+1 : len(path)-1])
	return i
}

// Body is the path that a compound's parts lie below: with rounds that of the
// round that it is in, or was in last.
func Body(n *plan.Node, path string, r *datapoints.Row) string {
	if !n.Rounds {
		return path
	}
	switch {
	case Final(r):
		return plan.Round(path, r.N)
	case r.Last.Status == datapoints.Again:
		return plan.Round(path, r.Last.Next)
	}
	return plan.Round(path, max(r.Enter.Next, 1))
}

// Finally is the path of what runs after a node's parts: after each round of a
// sub-flow, whose finally belongs to what it is.
func Finally(n *plan.Node, path string, r *datapoints.Row) string {
	if n.Kind == plan.Flow && path != "" {
		path = Body(n, path, r)
	}
	return plan.Join(path, "finally")
}

// RoundAt is the number, from 0, of the round of the segment at a depth of a
// path: 2 of "a.update#2.get" at depth 2. ok is false if it has none.
func RoundAt(path string, depth int) (round int, ok bool) {
	at := Cut(path, depth)
	at = at[strings.LastIndexByte(at, '.')+1:]
	i := strings.IndexByte(at, '#')
	if i < 0 {
		return 0, false
	}
	round, err := strconv.Atoi(at[i+1:])
	return round, err == nil
}

// Slots are the names around a node that its parts save.
func Slots(n *plan.Node, path string) []datapoints.Slot {
	seen := map[*plan.Point]bool{}
	var slots []datapoints.Slot
	note := func(p *plan.Point) {
		if p.Scope == n.Scope && !seen[p] {
			seen[p] = true
			slots = append(slots, datapoints.Slot{Scope: Instance(p.Scope, path), Name: p.Name})
		}
	}
	for _, s := range n.Steps {
		eachSave(s, note)
	}
	return slots
}

// eachSave calls f for each name that a step and its parts save.
func eachSave(n *plan.Node, f func(*plan.Point)) {
	w := &n.Work
	for _, a := range w.Set {
		f(a.Point)
	}
	for _, l := range w.Lists {
		f(l.Outer)
	}
	var saves []plan.Save
	switch {
	case w.Call != nil:
		saves = w.Call.Save
	case w.Flow != nil:
		saves = w.Flow.Save
	case w.Message != nil:
		saves = w.Message.Save
	}
	for i := range saves {
		f(saves[i].Point)
	}
	parts := append(append([]*plan.Node{}, n.Steps...), n.Catch...)
	for _, p := range append(parts, n.Else, n.Finally) {
		if p != nil {
			eachSave(p, f)
		}
	}
}

// IsStep says whether a path is that of a step or an iteration, and not of the
// run, a clause, or the part after else or finally.
func IsStep(path string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	return last != "" && last != "else" && last != "finally" && !strings.HasPrefix(last, "catch[")
}
