package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const graphHelp = `Draws a flow: its steps, conditions, branches, loops, and what happens after a
failure. Mermaid is text that GitHub, GitLab and many editors show as a picture;
an SVG is a picture for a document. Nothing is sent.`

const graphExamples = `  stepwell graph flow.yaml
  stepwell graph flow.yaml --format svg -o flow.svg`

func (c *Command) graphVerb() *cobra.Command {
	var format, out string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "graph FILE", Short: "Draw a flow, as Mermaid or SVG", Long: graphHelp, Example: graphExamples,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if asJSON {
				format = "json"
			}
			return c.graph(args[0], format, out)
		},
	}
	cmd.Flags().StringVar(&format, "format", "mermaid", "mermaid, svg or json")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this `file` instead of stdout")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json: the outline that plan --json prints")
	return cmd
}

func (c *Command) graph(file, format, out string) error {
	switch format {
	case "mermaid", "svg", "json":
	default:
		return wrong(fmt.Sprintf("--format %s: it must be mermaid, svg or json", clean(format)))
	}
	plan, project, err := c.load(file)
	if err != nil {
		return c.refuse(err, "", false)
	}
	defer project.close()
	c.printWarnings(plan.Warnings(), project.dir)
	if format == "json" && out == "" {
		return c.printJSON(plan.Outline(), false)
	}
	var text string
	switch format {
	case "mermaid":
		text = mermaid(plan.Outline())
	case "svg":
		text = picture(plan.Outline())
	default:
		return wrong("-o is for a picture: with --json the outline goes to stdout")
	}
	if out == "" {
		_, err = fmt.Fprint(c.Stdout, text)
		return err
	}
	if err := os.WriteFile(c.path(out), []byte(text), 0o644); err != nil {
		return wrong(fmt.Sprintf("%s cannot be written: %v", clean(out), reason(err)))
	}
	return nil
}

// A caption is what a graph says of a step: all that is not its shape.
type caption struct {
	name string
	kind string   // call, set, fail, wait, callback, block, parallel, flow
	tag  string   // the kind in a word, of a call its action
	what []string // the request, what is set, …
	how  []string // how often, how long, until when
}

// graphColumns is how wide the texts of a graph get.
const graphColumns = 44

// captionOf describes a step without its `if`, which has a shape of its own.
func captionOf(s flow.OutlineStep) caption {
	k := pictureLook
	c := caption{name: s.ID, kind: s.Kind, tag: s.Kind}
	var text string
	switch s.Kind {
	case "call":
		c.tag = s.Action
		if text = plannedTitle(s); text == s.Action {
			text = ""
		}
		text = k.cutMiddle(clean(text), graphColumns)
	case "set":
		var names []string
		for _, f := range s.Fields {
			names = append(names, f.Name)
		}
		text = strings.Join(names, ", ")
	case "fail":
		text = s.Fields[0].Text
	case "wait":
		if text = s.Wait.For; s.Wait.Until != "" {
			text = "until " + s.Wait.Until
		}
	case "callback":
		text = s.Callback
	case "flow":
		text = k.cutMiddle(clean(s.File), graphColumns)
	case "parallel":
		if s.AtOnce > 0 && s.AtOnce < len(s.Branches) {
			c.how = append(c.how, fmt.Sprintf("%d branches at once", s.AtOnce))
		}
	}
	c.what = k.broken(text, 3)
	c.how = append(c.how, howOf(s)...)
	return c
}

// howOf says how often and how long a step is done, a phrase a line.
func howOf(s flow.OutlineStep) []string {
	k := pictureLook
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, k.broken(fmt.Sprintf(format, args...), 3)...)
	}
	if l := s.Loop; l != nil {
		text := fmt.Sprintf("for each %s in %s", l.As, l.In)
		if l.AtOnce > 1 {
			text += fmt.Sprintf(", %d at once", l.AtOnce)
		}
		if l.Continue {
			text += ", also after failures"
		}
		add("%s", text)
	}
	if p := s.Poll; p != nil {
		add("every %s for %s until %s", span(p.Every), span(p.Timeout), p.Until)
	}
	if p := s.Pages; p != nil {
		add("up to %s pages%s", thousands(p.Max), following(p))
	}
	if r := s.Retry; r != nil {
		add("up to %d times", r.Attempts)
	}
	if s.Timeout > time.Duration(0) {
		add("within %s", span(s.Timeout))
	}
	return lines
}

// pictureLook writes text for pictures: no terminal is there.
var pictureLook = look{utf8: true, width: func() int { return graphColumns }, height: func() int { return 40 }}

// broken breaks a text into at most so many lines.
func (k look) broken(text string, most int) []string {
	if text = clean(text); text == "" {
		return nil
	}
	lines := strings.Split(wrapped(text, graphColumns, 0), "\n")
	if len(lines) > most {
		lines[most-1] = k.cut(lines[most-1]+" "+lines[most], graphColumns)
		lines = lines[:most]
	}
	return lines
}

// clauseName says which failures a clause of catch takes.
func clauseName(c flow.OutlineClause) string {
	if c.When == "" {
		return "catch"
	}
	return "catch if " + c.When
}
