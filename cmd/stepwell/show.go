package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// A showWriter writes what is recorded of a run for people.
type showWriter struct {
	look
	b      strings.Builder
	run    datapoints.Run
	steps  []flow.StepRecord
	points *points
	titles map[string]flow.OutlineStep // by path, iterations as [i], rounds as #n
	inputs json.RawMessage             // as they may be shown
	reveal bool

	reveals []reveal
}

func (w *showWriter) line(format string, args ...any) {
	w.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (w *showWriter) write(failure *flow.Error) {
	r := w.run
	right := "run " + r.ID
	name := w.cut(clean(r.Flow), max(8, w.width()-columns(right)-3))
	w.line("%s%s%s", w.paint(bold, name), blanks(max(2, min(w.width()-1, 79)-columns(name)-columns(right))), w.paint(dim, right))
	facts := []string{w.paint(stateTint(r.State), string(r.State)), ended(r) + " of " + count(r.Steps, "step")}
	if !r.Started.IsZero() && !r.Ended.IsZero() {
		facts = append(facts, short(r.Ended.Sub(r.Started)))
	}
	facts = append(facts, r.Created.Local().Format("Mon 2 Jan 2006 15:04:05"))
	w.line("  %s", strings.Join(facts, " "+w.text("·")+" "))
	if r.State == datapoints.Paused {
		until := "for a message"
		if !r.Wake.IsZero() {
			until = "until " + clock(r.Wake)
		}
		w.line("  waits %s", until)
	}
	if r.Batch != "" {
		w.line("  row %d of %s", r.Row+1, r.Batch)
	}
	if inputs := string(w.inputs); inputs != "" && inputs != "{}" {
		w.line("  inputs %s", w.cut(clean(inputs), w.width()-10))
	}
	if n := len(w.reveals); n > 1 {
		w.line("  %s; %d times in all", revealedLine(w.reveals[n-1]), n)
	} else if n == 1 {
		w.line("  %s", revealedLine(w.reveals[0]))
	}
	w.line("")
	w.waterfall()
	if failure != nil {
		d := diag.Diagnostic{Span: failure.Place, Code: diag.Code(failure.Kind), Message: clean(failure.Message), Notes: w.notes(failure)}
		w.line("")
		w.b.WriteString(d.Frame(diag.Style{Colour: w.colour, ASCII: !w.utf8, Width: w.width()}))
	}
	w.data()
}

// ended says how many steps of a run have ended. That is recorded when the run
// ends: of one that goes on, or whose process was killed, nobody knows it yet.
func ended(r datapoints.Run) string {
	if (r.State == datapoints.Running || r.State == datapoints.Interrupted) && !r.Started.IsZero() && r.Ended.IsZero() {
		return "?"
	}
	return strconv.Itoa(r.Done)
}

// data lists the data points with where they came from.
func (w *showWriter) data() {
	list := w.points.current()
	if len(list) == 0 {
		return
	}
	w.line("")
	t := table{head: []string{"DATA POINT", "VALUE", "STEP", "SOURCE", "AT"}, most: map[int]int{0: 24, 1: max(16, w.width()*2/5), 2: 20, 3: 28},
		tint: func(i int, _ string) string { return map[int]string{0: cyan, 2: dim, 3: dim, 4: dim}[i] }}
	for _, v := range list {
		t.rows = append(t.rows, []string{v.Name, w.cut(w.points.brief(v.Value, w.reveal), t.most[1]), v.Step, clean(v.Source), w.since(v.At)})
	}
	w.b.WriteString(w.look.write(t))
}

// since is a time from the run's begin on.
func (w *showWriter) since(t time.Time) string {
	if w.run.Started.IsZero() || t.Before(w.run.Started) {
		return ""
	}
	return "+" + short(t.Sub(w.run.Started))
}

// waterfall draws the steps over the run's time.
func (w *showWriter) waterfall() {
	shown, left := w.tree()
	if len(shown) == 0 {
		return
	}
	id, title, said := 0, 0, 0
	for _, s := range shown {
		said = max(said, columns(remark(s.StepRecord)))
		id = max(id, 2*s.depth+columns(s.name))
		title = max(title, columns(requestText(clean(w.title(s.Path)))))
	}
	id = min(id, max(10, w.width()/3))
	title = min(title, max(0, w.width()/4))
	if w.width() < 100 {
		title = 0
	}
	bar := min(60, w.width()-1-(4+id+2)-(title+2)-(4+8+2)-min(said, 26))
	if bar < 10 {
		bar = 10
	}
	axis := newAxis(w.steps, bar)
	for _, s := range shown {
		sign, colour := outcomeSign(s.Outcome)
		line := "  " + w.paint(colour, w.sign(sign)) + " " + w.paint(cyan, pad(w.label(s, id), id)) + "  "
		if title > 0 {
			line += pad(w.cutMiddle(requestText(clean(w.title(s.Path))), title), title) + "  "
		}
		if s.Outcome == "skipped" {
			why := "skipped"
			if t, ok := w.titles[pattern(s.Path)]; ok && t.If != "" {
				why += ": " + clean(t.If) + " is false"
			}
			w.line("%s%s", line, w.paint(dim, w.cut(why, bar+14)))
			continue
		}
		status := ""
		if s.Status != 0 {
			status = strconv.Itoa(s.Status)
		}
		took := ""
		if !s.Ended.IsZero() {
			took = short(s.Ended.Sub(s.Started))
		}
		line += w.bar(axis, s.StepRecord) + "  " + pad(status, 3) + padLeft(took, 8)
		if room := w.width() - 1 - columns(line); room > 8 {
			line += w.paint(dim, w.cut(remark(s.StepRecord), room))
		}
		w.line("%s", line)
	}
	if left > 0 {
		w.line("    %s", w.paint(dim, thousands(left)+" more of loops and rounds that went well"))
	}
}

// remark says what the bar cannot.
func remark(s flow.StepRecord) string {
	var parts []string
	if n := len(s.Attempts); n > 1 {
		parts = append(parts, count(n, "attempt"))
	}
	if s.Count > 0 {
		parts = append(parts, count(s.Count, "item"))
	}
	if s.Assumed != "" {
		parts = append(parts, "assumed "+s.Assumed)
	}
	if s.Outcome != "done" {
		word := s.Outcome
		if s.Error != nil {
			word += " (" + string(s.Error.Kind) + ")"
		}
		parts = append(parts, word)
	}
	if len(parts) == 0 {
		return ""
	}
	return "  " + strings.Join(parts, ", ")
}

func (w *showWriter) title(path string) string {
	if strings.HasSuffix(path, "]") {
		path = path[:strings.LastIndexByte(path, '[')]
	}
	return plannedTitle(w.titles[pattern(path)])
}

func outcomeSign(outcome string) (sign, colour string) {
	switch outcome {
	case "done":
		return "✓", green
	case "failed":
		return "✗", red
	case "unknown":
		return "?", red
	case "waiting":
		return "⏸", yellow
	}
	return "–", yellow
}
