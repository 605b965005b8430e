package main

import (
	"strconv"
	"strings"
)

// loopOf is the path of the outermost loop that a path lies in, or the path
// itself. The clauses of catch have brackets, too, but are no iterations.
func loopOf(path string) string {
	from := 0
	for {
		i := strings.IndexByte(path[from:], '[')
		if i < 0 {
			return path
		}
		i += from
		segment := path[strings.LastIndexByte(path[:i], '.')+1 : i]
		if segment != "catch" {
			return path[:i]
		}
		from = i + 1
	}
}

// isIteration says whether a path is an iteration of a loop and not a step in one.
func isIteration(path, loop string) bool {
	rest := path[len(loop):]
	return strings.IndexByte(rest, ']') == len(rest)-1
}

// A roundOf is a block and the round of it that a path lies in, from 0.
type roundOf struct {
	path  string
	round int
}

// roundsOf are the rounds that a path lies in, outside of loops: "update#2.get"
// is in the third of update.
func roundsOf(path string) []roundOf { return roundsIn(loopOf(path)) }

// roundsIn are all rounds that a path lies in; those in a loop belong to the
// iteration, which stays in their path.
func roundsIn(path string) []roundOf {
	var list []roundOf
	for i := 0; i < len(path); i++ {
		if path[i] != '#' {
			continue
		}
		end := i + 1
		for end < len(path) && path[end] >= '0' && path[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(path[i+1 : end])
		list = append(list, roundOf{keyOf(path[:i]), n})
	}
	return list
}

// keyOf is a path without its rounds: what stands for it in all of them.
func keyOf(path string) string {
	if strings.IndexByte(path, '#') < 0 {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '#' {
			b.WriteByte(path[i])
			continue
		}
		for i+1 < len(path) && path[i+1] >= '0' && path[i+1] <= '9' {
			i++
		}
	}
	return b.String()
}

// around are the rows that a row is in, the nearest first.
func (p *progress) around(r *row) []*row {
	var list []*row
	for path := r.path; ; {
		dot := strings.LastIndexByte(path, '.')
		if dot < 0 {
			return list
		}
		path = path[:dot]
		if o := p.byPath[path]; o != nil {
			list = append(list, o)
		}
	}
}

// begunIn begins the blocks around a row of which nothing is told.
func (p *progress) begunIn(r *row) {
	for _, o := range p.around(r) {
		switch {
		case o.state == rowPending && !o.aside(r):
			o.state, o.begun, o.bare = rowRunning, p.now(), true
		case o.bare && o.state == rowDone: // the other side of what was skipped last
			o.state = rowRunning
		}
	}
}

// endedIn ends the blocks around a row of which nothing is told: with what is
// in them, or with a failure.
func (p *progress) endedIn(r *row) {
	for _, o := range p.around(r) {
		switch {
		case o.state.over():
			continue // a step whose else, clause or finally this was
		case !o.bare:
			return
		case r.state == rowFailed || r.state == rowUnknown:
			o.state = r.state
			p.stopBelow(o)
		case p.overIn(o):
			o.state = rowDone
		default:
			return
		}
		o.took = p.now().Sub(o.begun)
	}
}

func (p *progress) overIn(o *row) bool {
	for _, r := range p.rows {
		if strings.HasPrefix(r.path, o.path+".") && !r.state.over() {
			return false
		}
	}
	return true
}
