package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow"
)

// mermaid writes a flow as a Mermaid flowchart. Ids are made from the steps'
// numbers, so that no name can be one of Mermaid's words.
func mermaid(o flow.Outline) string {
	w := &mermaidWriter{}
	w.line("flowchart TD")
	w.depth++
	w.line(`begin(["<b>%s</b>"])`, mermaidText(o.Name))
	ends := w.steps(o.Steps, []loose{{from: "begin"}})
	if len(o.Finally) > 0 {
		ends = w.lastly("last", "<b>finally</b>", o.Finally, ends)
	}
	w.line(`done(["end"])`)
	w.join(ends, "done", false)
	for _, e := range w.edges {
		w.line("%s", e)
	}
	for _, c := range []struct{ kind, style string }{
		{"fail", "stroke:#d1242f,stroke-width:2px"}, {"wait", "stroke:#bf8700,stroke-width:2px"},
		{"condition", "stroke-dasharray:3 2"},
	} {
		if ids := w.classes[c.kind]; len(ids) > 0 {
			w.line("classDef %s %s", c.kind, c.style)
			w.line("class %s %s", strings.Join(ids, ","), c.kind)
		}
	}
	return w.b.String()
}

// A loose end is where the flow goes on from.
type loose struct {
	from, label string
	dashed      bool
}

type mermaidWriter struct {
	b       strings.Builder
	depth   int
	edges   []string // after all nodes: an edge would make what it names where it stands
	classes map[string][]string
	fails   []string // fail steps that nothing around has taken so far
}

func (w *mermaidWriter) line(format string, args ...any) {
	w.b.WriteString(blanks(2*w.depth) + fmt.Sprintf(format, args...) + "\n")
}

// join leads loose ends to a node.
func (w *mermaidWriter) join(ends []loose, to string, dashed bool) {
	for _, e := range ends {
		arrow := "-->"
		if dashed || e.dashed {
			arrow = "-.->"
		}
		if e.label != "" {
			arrow += `|"` + e.label + `"|`
		}
		w.edges = append(w.edges, e.from+" "+arrow+" "+to)
	}
}

func (w *mermaidWriter) class(kind, id string) {
	if w.classes == nil {
		w.classes = map[string][]string{}
	}
	w.classes[kind] = append(w.classes[kind], id)
}

// box writes what is inside a frame with a heading.
func (w *mermaidWriter) box(id, heading string, inside func()) {
	w.line(`subgraph %s["%s"]`, id, heading)
	w.depth++
	w.line("direction TB")
	inside()
	w.depth--
	w.line("end")
}

// inner writes the steps in a frame. The ways past a condition end in a dot of
// their own: a frame has no bottom to which they could lead.
func (w *mermaidWriter) inner(id string, steps []flow.OutlineStep, from []loose) {
	ends := w.steps(steps, from)
	if !slices.ContainsFunc(ends, func(e loose) bool { return e.label == "no" }) {
		return
	}
	dot := id + "e"
	w.line(`%s((" "))`, dot)
	w.join(ends, dot, false)
}

// lastly writes what follows in any case, also after the fail steps before it.
func (w *mermaidWriter) lastly(id, heading string, steps []flow.OutlineStep, ends []loose) []loose {
	failed := w.fails
	w.box(id, heading, func() { w.inner(id, steps, nil) })
	w.join(ends, id, true)
	for _, f := range failed {
		w.join([]loose{{from: f}}, id, true)
	}
	w.fails = nil // what fails in it leads to nothing
	return []loose{{from: id}}
}

// steps writes steps that follow each other, and gives the ends behind the last.
func (w *mermaidWriter) steps(steps []flow.OutlineStep, ends []loose) []loose {
	for _, s := range steps {
		ends = w.step(s, ends)
	}
	return ends
}

func (w *mermaidWriter) step(s flow.OutlineStep, ends []loose) []loose {
	id := fmt.Sprintf("s%d", s.Number)
	var past []loose
	if s.If != "" {
		condition := fmt.Sprintf("if%d", s.Number)
		w.line(`%s{{"%s"}}`, condition, mermaidLines(pictureLook.broken(s.If, 3)))
		w.class("condition", condition)
		w.join(ends, condition, false)
		ends = []loose{{from: condition, label: "yes"}}
		past = w.steps(s.Else, []loose{{from: condition, label: "no"}})
	}
	around := w.fails
	w.fails = nil
	w.verb(s, id)
	w.join(ends, id, false)
	out := []loose{{from: id}}
	if s.Kind == "fail" {
		out, w.fails = nil, []string{id}
	}
	if len(s.Catch) > 0 { // whose edges say what becomes of them
		w.fails = nil
	}
	for i, c := range s.Catch {
		name := mermaidLines(pictureLook.broken(clauseName(c), 3))
		if len(c.Steps) == 0 {
			out = append(out, loose{from: id, label: name + ": goes on", dashed: true})
			continue
		}
		clause := fmt.Sprintf("%sc%d", id, i+1)
		w.join([]loose{{from: id, label: name, dashed: true}}, clause, true)
		w.box(clause, "catch", func() { w.inner(clause, c.Steps, nil) })
		if goesOnAfter(c.Steps) {
			out = append(out, loose{from: clause})
		}
	}
	if len(s.Finally) > 0 {
		out = w.lastly(id+"f", "finally", s.Finally, out)
	}
	w.fails = append(around, w.fails...)
	return append(out, past...)
}

// verb writes the shape of what a step does.
func (w *mermaidWriter) verb(s flow.OutlineStep, id string) {
	c := captionOf(s)
	name := "<b>" + mermaidText(c.name) + "</b>"
	if c.kind != "call" && c.kind != "block" {
		name += " · " + c.tag
	}
	if len(s.Steps)+len(s.Branches) > 0 {
		w.compound(s, id, name, c)
		return
	}
	for _, line := range append(c.what, c.how...) {
		name += "<br>" + mermaidText(line)
	}
	switch {
	case s.Loop != nil || s.Poll != nil || s.Pages != nil:
		w.line(`%s[["%s"]]`, id, name)
	case c.kind == "wait" || c.kind == "callback":
		w.line(`%s(["%s"])`, id, name)
		w.class("wait", id)
	case c.kind == "fail":
		w.line(`%s["%s"]`, id, name)
		w.class("fail", id)
	default:
		w.line(`%s["%s"]`, id, name)
	}
}

// compound writes a step with steps of its own as a frame. What makes it go
// round, or its branches at the same time, is a shape in it: of a frame's
// heading Mermaid shows one line.
func (w *mermaidWriter) compound(s flow.OutlineStep, id, name string, c caption) {
	again := s.Loop != nil || s.Poll != nil || s.Retry != nil
	for _, line := range c.what {
		name += " " + mermaidText(line)
	}
	if len(s.Branches) > 0 && len(c.how) == 0 {
		c.how = []string{"all branches at once"}
	}
	w.box(id, name, func() {
		var from []loose
		if len(c.how) > 0 {
			round := id + "r"
			w.line(`%s{{"%s"}}`, round, mermaidLines(c.how))
			w.class("condition", round)
			from = []loose{{from: round}}
		}
		if len(s.Branches) > 0 {
			w.branches(s, id, from)
			return
		}
		if !again {
			w.inner(id, s.Steps, from)
			return
		}
		w.join(w.steps(s.Steps, from), id+"r", true)
	})
}

func (w *mermaidWriter) branches(s flow.OutlineStep, id string, from []loose) {
	for i, b := range s.Branches {
		branch := fmt.Sprintf("%sb%d", id, i+1)
		if len(b.Steps) == 0 {
			w.line(`%s["%s"]`, branch, mermaidText(b.Name))
		} else {
			w.box(branch, mermaidText(b.Name), func() { w.inner(branch, b.Steps, nil) })
		}
		w.join(from, branch, false)
	}
}

// goesOnAfter says whether steps may end well.
func goesOnAfter(steps []flow.OutlineStep) bool {
	for _, s := range steps {
		if s.Kind == "fail" && s.If == "" && len(s.Catch) == 0 {
			return false
		}
	}
	return true
}

// mermaidText writes a text so that it stays one within quotes, whatever is in
// it: #name; are Mermaid's entities. Two percent signs begin a comment, and \n
// breaks a line unless something without width is between.
func mermaidText(s string) string { return mermaidEscapes.Replace(clean(s)) }

var mermaidEscapes = strings.NewReplacer("#", "#35;", "&", "#amp;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "`", "#96;", "|", "#124;",
	`\n`, "#92;#8203;n", `\`, "#92;", "%%", "%#37;", ";", "#59;", "[", "#91;", "]", "#93;", "{", "#123;", "}", "#125;", "*", "#42;", "~", "#126;")

func mermaidLines(lines []string) string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = mermaidText(line)
	}
	return strings.Join(out, "<br>")
}
