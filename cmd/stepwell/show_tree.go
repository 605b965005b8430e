package main

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// mostIterations is how many iterations of a loop, and how many of the last
// rounds of a block, the waterfall shows by themselves.
const mostIterations = 20

// A showLine is a step with where it stands in the tree.
type showLine struct {
	flow.StepRecord
	name  string // its path below the line that it is in
	depth int
}

// tree puts the steps into the order of the file, each below what it is in. Of
// a loop's many iterations, and of many rounds, only some that went well get a line.
func (w *showWriter) tree() (lines []showLine, left int) {
	steps := slices.Clone(w.steps)
	orders := map[string][]int{}
	last := map[string]int{} // the newest round of a block
	for _, s := range steps {
		orders[s.Path] = w.order(s.Path)
		for _, r := range roundsIn(s.Path) {
			last[r.path] = max(last[r.path], r.round)
		}
	}
	slices.SortStableFunc(steps, func(a, b flow.StepRecord) int { return slices.Compare(orders[a.Path], orders[b.Path]) })
	shown := map[string]int{} // the depth of lines by path
	seen := map[string]int{}
	for _, s := range steps {
		loop := loopOf(s.Path)
		whole := isIteration(s.Path, loop) && loop != s.Path
		if whole {
			seen[loop]++
		}
		early := slices.ContainsFunc(roundsIn(s.Path), func(r roundOf) bool { return r.round <= last[r.path]-mostIterations })
		if s.Outcome == "done" && (early || loop != s.Path && seen[loop] > mostIterations) {
			if whole || early {
				left++
			}
			continue
		}
		if w.run.State == datapoints.Paused && s.Outcome == "stopped" && slices.ContainsFunc(steps, func(in flow.StepRecord) bool {
			return in.Outcome == "waiting" && datapoints.Below(in.Path, s.Path)
		}) {
			s.Outcome = "waiting"
		}
		line := showLine{StepRecord: s, name: s.Path}
		for cut := len(s.Path); ; {
			if cut = strings.LastIndexAny(s.Path[:cut], ".[#"); cut < 0 {
				break
			}
			if depth, there := shown[s.Path[:cut]]; there {
				line.name, line.depth = strings.TrimPrefix(s.Path[cut:], "."), depth+1
				break
			}
		}
		shown[s.Path] = line.depth
		lines = append(lines, line)
	}
	return lines, left
}

// order is where a path stands in the file, part by part: the number of each
// step in it, of iterations and rounds 0 and which they are, so that they come
// before else, catch and finally.
func (w *showWriter) order(path string) []int {
	var key []int
	for i := 0; i <= len(path); i++ {
		if i < len(path) && strings.IndexByte(".[#]", path[i]) < 0 {
			continue
		}
		from := strings.LastIndexAny(path[:i], ".[#]")
		switch part := path[from+1 : i]; {
		case part == "":
		case from >= 0 && (path[from] == '[' || path[from] == '#'):
			if n, _ := strconv.Atoi(part); !strings.HasSuffix(path[:from], "catch") {
				key = append(key, 0, n)
			}
		default:
			if s, ok := w.titles[pattern(path[:i])]; ok {
				key = append(key, s.Number)
			}
		}
	}
	return key
}

// label is what a line is called, indented below what it is in.
func (w *showWriter) label(s showLine, width int) string {
	indent := min(2*min(s.depth, deepest), max(0, width-min(columns(s.name), 8)))
	return blanks(indent) + w.cutMiddle(s.name, width-indent)
}

// pattern is a path with [i] for each iteration, and #n for each round.
func pattern(path string) string {
	var b strings.Builder
	skip := func(i int) int {
		for i+1 < len(path) && path[i+1] >= '0' && path[i+1] <= '9' {
			i++
		}
		return i
	}
	for i := 0; i < len(path); i++ {
		b.WriteByte(path[i])
		switch {
		case path[i] == '#':
			b.WriteByte('n')
			i = skip(i)
		case path[i] == '[' && !strings.HasSuffix(path[:i], "catch"):
			b.WriteByte('i')
			i = skip(i)
		}
	}
	return b.String()
}

// shownInputs are a run's inputs as they may be shown, in the order of the file.
func shownInputs(r datapoints.Run, o flow.Outline, reveal bool) json.RawMessage {
	var given map[string]json.RawMessage
	if r.Inputs.IsZero() || json.Unmarshal([]byte(r.Inputs.Reveal()), &given) != nil {
		return nil
	}
	var b strings.Builder
	for _, in := range o.Inputs {
		value, there := given[in.Name]
		if !there {
			continue
		}
		switch {
		case reveal:
		case in.Class == "plain":
			value = json.RawMessage(datapoints.MaskMembers(string(value)))
		default:
			word := "secret"
			if in.Class == "pii" {
				word = "pii"
			}
			value = json.RawMessage(`"[` + word + " " + in.Name + `]"`)
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + in.Name + `":` + string(value))
	}
	return json.RawMessage("{" + b.String() + "}")
}
