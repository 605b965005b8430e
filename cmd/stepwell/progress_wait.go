package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// waits shows that a step waits, until its end is told.
func (p *progress) waits(s flow.Span) func(flow.End) {
	key := keyOf(s.Path)
	loop := loopOf(key)
	r := p.byPath[loop]
	switch {
	case r == nil || r.state == rowRetrying || r.loop && (loop == key || s.Until.IsZero()): // that it waits was told, with the reason
		return func(flow.End) {}
	case r.loop:
		return p.waitsIn(r, s)
	case loop != key:
		return func(flow.End) {}
	}
	r.state, r.until = rowWaiting, s.Until
	if s.Until.IsZero() || s.Until.Sub(p.now()) > time.Second {
		p.print(r)
	}
	p.changed()
	return p.locked(func(e flow.End) {
		if r.state == rowWaiting {
			r.state = rowRunning
		}
	})
}

// waitsIn notes that a step in a loop waits.
func (p *progress) waitsIn(loop *row, s flow.Span) func(flow.End) {
	if loop.waiting == nil {
		loop.waiting = map[string]time.Time{}
	}
	loop.waiting[s.Path] = s.Until
	p.changed()
	return p.locked(func(e flow.End) {
		if e.Outcome != "waiting" { // the run has paused: it waits all the same
			delete(loop.waiting, s.Path)
		}
	})
}

// soonest is when the first of the steps of a loop goes on that wait; zero if none waits.
func (r *row) soonest() (until time.Time) {
	for _, t := range r.waiting {
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	return until
}

// waiting says until when: "until Mon 30 Nov 09:00 (8d 3h)".
func (p *progress) waiting(r *row) string {
	text := "waits for a message"
	if r.state == rowPaused && r.loop {
		text = fmt.Sprintf("%d of %d, waits", r.done, r.count)
		if until := r.soonest(); !until.IsZero() {
			text += " until " + p.clock(until) + " (" + timeLeft(until.Sub(p.now())) + ")"
		}
		return text
	} else if r.holds && r.until.IsZero() {
		return "waits"
	}
	if !r.until.IsZero() {
		text = "until " + p.clock(r.until) + " (" + timeLeft(r.until.Sub(p.now())) + ")"
		if r.title == "" || strings.HasPrefix(r.title, "callback") {
			text = "waits for a message " + text
		}
	}
	if !r.holds {
		return text
	}
	if left := r.until.Sub(p.now()); left < time.Minute {
		return fmt.Sprintf("round %d in %s", r.round+2, soon(left))
	}
	return fmt.Sprintf("round %d %s", r.round+2, strings.TrimPrefix(text, "waits for a message "))
}

// clock is a time as people here say it: today's without the day.
func (p *progress) clock(t time.Time) string {
	now, t := p.now().Local(), t.Local()
	layout := "Mon 2 Jan 15:04"
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		layout = "15:04:05"
	case t.Year() != now.Year():
		layout = "Mon 2 Jan 2006 15:04"
	}
	return t.Format(layout)
}

// timeLeft is a duration in its two largest units. A second that has begun
// counts, so that a wait of three seconds begins with 3s.
func timeLeft(d time.Duration) string {
	d = (max(0, d) + time.Second - 1).Truncate(time.Second)
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.size {
			continue
		}
		text := fmt.Sprintf("%d%s", d/u.size, u.name)
		if i+1 < len(units) && d%u.size >= units[i+1].size {
			text += fmt.Sprintf(" %d%s", d%u.size/units[i+1].size, units[i+1].name)
		}
		return text
	}
	return "0s"
}
