package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const planHelp = `Shows what a flow would do, in order: the request of each step with {name} for
what is not known before it runs, which answer feeds which field (<-), and what
is saved (->). Nothing is sent.

The number of calls is that of a run which succeeds: loops with none to the most
of their items, pages to their most, polls as often as their times allow, blocks
and flows with retry in up to all of their rounds. Retries of single calls, and
the calls that fetch a credential's token, come on top of it.`

func (c *Command) planVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "plan FILE", Short: "Show what a flow would send, and what feeds what", Long: planHelp,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			plan, project, err := c.load(args[0])
			if err != nil {
				return c.refuse(err, "", false)
			}
			defer project.close()
			c.printWarnings(plan.Warnings(), project.dir)
			if asJSON {
				return c.printJSON(plan.Outline(), false)
			}
			w := &planWriter{look: c.outLook(), c: c}
			w.outline(plan.Outline(), plan.Secrets())
			_, err = fmt.Fprint(c.Stdout, w.b.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A planWriter writes an outline for people.
type planWriter struct {
	look
	c  *Command
	b  strings.Builder
	id int // columns of the widest id with its number
}

func (w *planWriter) line(format string, args ...any) {
	w.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (w *planWriter) outline(o flow.Outline, sources []flow.SecretSource) {
	calls := thousands(o.Calls.Least)
	if o.Calls.Most != o.Calls.Least {
		calls += " to " + thousands(o.Calls.Most)
	}
	if calls == "1" {
		calls += " call"
	} else {
		calls += " calls"
	}
	steps := 0
	eachStep(o, func(s flow.OutlineStep, depth int) {
		steps++
		w.id = max(w.id, planIndent(depth)+columns(s.ID))
	})
	w.id = min(w.id, max(24, w.width()/3))
	w.line("%s %s %s, %s", w.paint(bold, clean(o.Name)), w.text("·"), count(steps, "step"), calls)
	if o.Description != "" {
		w.line("  %s", w.paint(dim, w.cut(clean(o.Description), w.width()-3)))
	}
	var inputs, secrets []string
	for _, in := range o.Inputs {
		text := in.Name
		switch {
		case !in.Default.IsZero():
			text += " = " + clean(in.Default.String())
		case in.Env != "":
			text += " ($" + in.Env + ")"
		case !in.Required:
			text += " (optional)"
		}
		inputs = append(inputs, text)
	}
	for _, s := range sources {
		from := sourceOf(s)
		if s.Env != "" && w.c.env(s.Env) == "" {
			from += ", missing"
		}
		secrets = append(secrets, s.Name+" ("+from+")")
	}
	w.names("inputs", inputs)
	w.names("secrets", secrets)
	w.names("auth", w.credentials(o.Credentials))
	w.line("")
	w.steps(o.Steps, 0)
	if len(o.Finally) > 0 {
		w.line("  %s", w.paint(dim, "finally"))
		w.steps(o.Finally, 0)
	}
	if len(o.Outputs) > 0 {
		w.line("")
		for i, out := range o.Outputs {
			label := ""
			if i == 0 {
				label = "outputs"
			}
			w.line("  %s %s", pad(label, 9), w.cut(clean(out.Name+" = "+out.Text), w.width()-13))
		}
	}
}

// credentials says of each what it is and who gives its token.
func (w *planWriter) credentials(list []flow.OutlineCredential) []string {
	texts := make([]string, len(list))
	for i, c := range list {
		grant, from := "", ""
		for _, f := range c.Fields {
			switch f.Name {
			case "grant":
				grant = " " + f.Text
			case "token_url", "issuer", "smart":
				from = " from " + f.Text
			}
		}
		texts[i] = w.cut(clean(c.Name+" ("+c.Type+grant+from+")"), w.width()-13)
	}
	return texts
}

// names writes names behind a label, over several lines if need be.
func (w *planWriter) names(label string, names []string) {
	if len(names) == 0 {
		return
	}
	dot := " " + w.text("·") + " "
	line := "  " + pad(label, 9) + " "
	for i, name := range names {
		switch {
		case i == 0:
		case columns(line+dot+name) > w.width()-1:
			w.line("%s", line)
			line = blanks(12)
		default:
			line += dot
		}
		line += name
	}
	w.line("%s", line)
}

func (w *planWriter) steps(steps []flow.OutlineStep, depth int) {
	for _, s := range steps {
		w.step(s, depth)
		w.inside(s, depth)
	}
}

// step writes one step: what it does, what it reads, what it saves.
func (w *planWriter) step(s flow.OutlineStep, depth int) {
	number := padLeft(fmt.Sprint(s.Number), 3)
	indent := planIndent(depth)
	id := pad(blanks(indent)+w.cutMiddle(s.ID, max(8, w.id-indent)), w.id)
	start := 3 + 1 + columns(id) + 2
	room := w.width() - 1 - start
	head := fmt.Sprintf("%s %s  ", w.paint(dim, number), w.paint(cyan, id))
	lines := w.around(s, room)
	if what := w.what(s, room); what != "" {
		lines = append(lines, what)
	}
	if len(lines) == 0 {
		lines = []string{""}
	}
	lines = append(lines, w.arrows(append(w.reads(s), w.saves(s)...), room)...)
	for i, line := range lines {
		if i > 0 {
			head = blanks(start)
		}
		w.line("%s%s", head, line)
	}
}

// quiet are fields that say nothing of what a step is about.
var quiet = []string{"method", "url", "base_url", "timeout", "headers", "max_response", "repeatable"}

// what is the step's request, or what it sets.
func (w *planWriter) what(s flow.OutlineStep, room int) string {
	switch s.Kind {
	case "block":
		return ""
	case "parallel":
		text := fmt.Sprintf("%d branches", len(s.Branches))
		if s.AtOnce > 0 && s.AtOnce < len(s.Branches) {
			text += fmt.Sprintf(" (%d at once)", s.AtOnce)
		}
		return "parallel: " + text
	case "flow":
		return "flow " + w.cutMiddle(clean(s.File), room-5)
	case "wait":
		text := "wait " + s.Wait.For
		if s.Wait.Until != "" {
			text = "wait until " + s.Wait.Until
		}
		if s.Wait.Long {
			return w.cut(clean(text), room-22) + "  " + w.paint(dim, "the run may pause")
		}
		return w.cut(clean(text), room)
	case "callback":
		return w.cut("callback "+s.Callback, room-22) + "  " + w.paint(dim, "the run may pause")
	case "fail":
		return "fail: " + w.cut(clean(s.Fields[0].Text), room-6)
	case "set":
		var names []string
		for _, f := range s.Fields {
			names = append(names, f.Name)
		}
		return w.cut("set "+strings.Join(names, ", "), room)
	}
	var with []string
	for _, f := range s.Fields {
		name, _, _ := strings.Cut(f.Name, ".")
		name = strings.ReplaceAll(name, "_", " ")
		if name == "auth" {
			name += " " + clean(f.Text)
		}
		if !slices.Contains(quiet, strings.ReplaceAll(name, " ", "_")) && !slices.Contains(with, name) {
			with = append(with, name)
		}
	}
	tail := strings.Join(with, ", ")
	request := requestText(clean(s.Request))
	if tail == "" {
		return w.cutMiddle(request, room)
	}
	request = w.cutMiddle(request, max(20, room-columns(tail)-2))
	gap := max(2, min(44, room-columns(tail))-columns(request))
	return request + blanks(gap) + w.paint(dim, w.cut(tail, max(8, room-columns(request)-gap)))
}

// An arrow is a line below a step: a field and what feeds it, or a name and
// where it is saved from, and a remark.
type arrow struct{ sign, colour, name, value, remark string }

// reads are the fields that data points feed.
func (w *planWriter) reads(s flow.OutlineStep) []arrow {
	var list []arrow
	add := func(field string, reads []flow.OutlineRead) {
		for _, r := range reads {
			from := origins([]flow.OutlineRead{r})
			if from == "" {
				from = "its default"
			}
			list = append(list, arrow{"←", yellow, clean(field), r.Name, from})
		}
	}
	if s.Loop != nil {
		add("for each", s.Loop.Reads)
	}
	for _, f := range s.Fields {
		if s.Kind == "flow" {
			list = append(list, arrow{"←", yellow, clean(f.Name), clean(f.Text), origins(f.Reads)})
			continue
		}
		add(strings.TrimPrefix(f.Name, "headers."), f.Reads)
	}
	return list
}

// origins are the steps that something read may come from: "from 1 or 3".
func origins(reads []flow.OutlineRead) string {
	var numbers []string
	for _, r := range reads {
		for _, n := range r.Steps {
			if text := fmt.Sprint(n); !slices.Contains(numbers, text) {
				numbers = append(numbers, text)
			}
		}
	}
	if len(numbers) == 0 {
		return ""
	}
	return "from " + strings.Join(numbers, " or ")
}

// saves are what the step saves.
func (w *planWriter) saves(s flow.OutlineStep) []arrow {
	if s.Kind == "set" {
		return nil
	}
	var list []arrow
	for _, v := range s.Saves {
		var more []string
		if v.List {
			more = append(more, "list")
		}
		if v.Optional {
			more = append(more, "optional")
		}
		if v.Class != "plain" {
			more = append(more, v.Class)
		}
		list = append(list, arrow{"→", green, v.Name, clean(v.From), strings.Join(more, ", ")})
	}
	return list
}

// arrows aligns them within a step.
func (w *planWriter) arrows(list []arrow, room int) []string {
	name, value, remark := 17, 30, 0
	for _, a := range list {
		name = max(name, columns(a.name))
		value = max(value, columns(a.value))
		remark = max(remark, columns(a.remark))
	}
	name = min(name, max(12, room/3))
	value = max(8, min(value, room-2-name-1-2-remark))
	lines := make([]string, len(list))
	for i, a := range list {
		lines[i] = w.paint(a.colour, w.sign(a.sign)) + " " + pad(w.cutMiddle(a.name, name), name) + " " +
			pad(w.cutMiddle(a.value, value), value) + "  " + w.paint(dim, a.remark)
	}
	return lines
}
