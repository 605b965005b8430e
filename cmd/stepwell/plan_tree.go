package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// inside writes the parts of a step below it, each with what it is called.
func (w *planWriter) inside(s flow.OutlineStep, depth int) {
	part := func(colour, name, when string, steps []flow.OutlineStep) {
		lead := blanks(4 + planIndent(depth))
		text := w.paint(colour, name)
		if when != "" {
			text += " " + w.cut(clean(when), max(8, w.width()-2-columns(lead)-columns(name)))
		}
		w.line("%s%s", lead, text)
		w.steps(steps, depth+1)
	}
	w.steps(s.Steps, depth+1)
	for _, b := range s.Branches {
		part(cyan, b.Name, "", b.Steps)
	}
	if len(s.Else) > 0 {
		part(yellow, "else", "", s.Else)
	}
	for _, c := range s.Catch {
		switch {
		case len(c.Steps) == 0 && c.When == "":
			part(yellow, "catch", w.text("→")+" goes on", nil)
		case c.When != "":
			part(yellow, "catch if", c.When, c.Steps)
		default:
			part(yellow, "catch", "", c.Steps)
		}
	}
	if len(s.Finally) > 0 {
		part(dim, "finally", "", s.Finally)
	}
}

// planIndent is how far the ids of a depth stand to the right: not for ever.
func planIndent(depth int) int { return 2 * min(depth, 8) }

// around says under which condition, how often and how long a step is done,
// with as much on a line as fits.
func (w *planWriter) around(s flow.OutlineStep, room int) []string {
	var parts []string
	add := func(colour, word, text string) {
		parts = append(parts, w.paint(colour, word)+" "+w.cut(clean(text), room-columns(word)-1))
	}
	if s.Loop != nil {
		parts = append(parts, w.cut(w.loop(s), room))
	}
	if s.If != "" {
		add(yellow, "if", s.If)
	}
	if s.Timeout > 0 {
		add("", "within", span(s.Timeout))
	}
	if r := s.Retry; r != nil {
		text := fmt.Sprintf("%d times", r.Attempts)
		if why := strings.Join(r.On, ", "); why != "" {
			text += " on " + why
		}
		if r.When != "" {
			text += " when " + r.When
		}
		add("", "tried up to", text)
	}
	if p := s.Poll; p != nil {
		add("", "poll every "+span(p.Every)+", for "+span(p.Timeout)+", until", p.Until)
	}
	if p := s.Pages; p != nil {
		add("", "pages", "up to "+thousands(p.Max)+following(p))
	}
	var lines []string
	for _, part := range parts {
		if n := len(lines); n > 0 && columns(lines[n-1])+2+columns(part) <= room {
			lines[n-1] += "  " + part
			continue
		}
		lines = append(lines, part)
	}
	return lines
}

// span is a duration as a flow file has it: "72h", "1h30m".
func span(d time.Duration) string {
	if day := 24 * time.Hour; d >= 3*day && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return diag.Short(d)
}

// following says how the next page is asked for, and until when.
func following(p *flow.OutlinePages) string {
	text := ""
	if p.Next != "" {
		text += ", next " + p.Next
	}
	if p.While != "" {
		text += ", while " + p.While
	}
	return text
}

func (w *planWriter) loop(s flow.OutlineStep) string {
	text := "for each " + s.Loop.As + " in " + clean(s.Loop.In)
	if s.Loop.AtOnce > 1 {
		text += fmt.Sprintf(" (%d at once)", s.Loop.AtOnce)
	}
	return text
}
