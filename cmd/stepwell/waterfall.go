package main

import (
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// An axis puts times onto columns. Time in which nothing went on, such as that
// between a failure and its resume, is shortened.
type axis struct {
	width int
	spans []interval // in order, apart from each other
	at    []float64  // where each begins, in 0 to 1
	scale float64    // of a nanosecond
}

type interval struct{ from, to time.Time }

// longestWait is how long a server may ask to wait between two attempts: what
// is longer is the time until somebody resumed the run.
const longestWait = 300 * time.Second

// newAxis makes an axis for the steps, so many columns wide.
func newAxis(steps []flow.StepRecord, width int) *axis {
	var all []interval
	for _, s := range steps {
		if s.Started.IsZero() {
			continue
		}
		list := intervalsOf(s)
		all = append(all, list...)
		for i := 1; i < len(list); i++ {
			if wait := list[i].from.Sub(list[i-1].to); wait <= longestWait {
				all = append(all, interval{list[i-1].to, list[i].from})
			}
		}
	}
	slices.SortFunc(all, func(a, b interval) int { return a.from.Compare(b.from) })
	x := &axis{width: width}
	for _, i := range all {
		if n := len(x.spans); n > 0 && !i.from.After(x.spans[n-1].to) {
			if i.to.After(x.spans[n-1].to) {
				x.spans[n-1].to = i.to
			}
			continue
		}
		x.spans = append(x.spans, i)
	}
	var active time.Duration
	for _, s := range x.spans {
		active += s.to.Sub(s.from)
	}
	most := max(active/8, time.Millisecond)
	var total time.Duration
	starts := make([]time.Duration, len(x.spans))
	for i, s := range x.spans {
		if i > 0 {
			total += min(most, s.from.Sub(x.spans[i-1].to))
		}
		starts[i] = total
		total += s.to.Sub(s.from)
	}
	x.scale = 1 / float64(max(total, 1))
	for _, s := range starts {
		x.at = append(x.at, float64(s)*x.scale)
	}
	return x
}

// intervalsOf are the times in which a step was at work: its attempts, or all of it.
func intervalsOf(s flow.StepRecord) []interval {
	if len(s.Attempts) == 0 {
		return []interval{{s.Started, later(s.Started, s.Ended)}}
	}
	list := make([]interval, len(s.Attempts))
	for i, a := range s.Attempts {
		list[i] = interval{a.Started, a.Started.Add(a.Took)}
	}
	return list
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// eighths gives a time's place in eighths of a column.
func (x *axis) eighths(t time.Time) int {
	for i := len(x.spans) - 1; i >= 0; i-- {
		s := x.spans[i]
		if t.Before(s.from) {
			continue
		}
		if t.After(s.to) {
			t = s.to
		}
		return int((x.at[i] + float64(t.Sub(s.from))*x.scale) * float64(8*x.width))
	}
	return 0
}

// bar draws a step: each attempt a bar, attempts that failed in red, what lies
// between them as dots. Ends have the exactness of an eighth of a column.
func (l look) bar(x *axis, s flow.StepRecord) string {
	partial := []string{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"}
	full, dot := "█", "·"
	if !l.utf8 {
		partial, full, dot = []string{"", "#", "#", "#", "#", "#", "#", "#"}, "#", "."
	}
	var b strings.Builder
	at := 0
	list := intervalsOf(s)
	for i, span := range list {
		from, to := x.eighths(span.from)/8, x.eighths(span.to)
		from = min(max(from, at), x.width-1)
		to = min(max(to, 8*from+1), 8*x.width)
		between := strings.Repeat(" ", from-at)
		if i > 0 {
			between = l.paint(dim, strings.Repeat(dot, from-at))
		}
		colour := green
		switch {
		case i < len(s.Attempts) && s.Attempts[i].Kind != "", len(s.Attempts) == 0 && s.Outcome == "failed":
			colour = red
		case s.Outcome != "done" && len(s.Attempts) == 0:
			colour = yellow
		}
		drawn := strings.Repeat(full, (to-8*from)/8) + partial[(to-8*from)%8]
		b.WriteString(between + l.paint(colour, drawn))
		at = from + columns(drawn)
		if at >= x.width {
			break
		}
	}
	b.WriteString(blanks(x.width - at))
	return b.String()
}
