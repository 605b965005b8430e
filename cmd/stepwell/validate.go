package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

const validateHelp = `Checks flows and sends nothing. Every problem of every file is reported, in the
order of the files. With --format text they go to stderr; json prints a list on
stdout, github prints annotations for GitHub Actions on stdout.

In a folder, all flows in it and below are checked: files called *.yaml with a
key stepwell; what begins with a dot is left out. Files without name and steps,
which others include, are checked with the flows that include them.`

// stepsKey is a key at the top of a file that only a flow has.
var stepsKey = regexp.MustCompile(`(?m)^(\{|["']?(name|steps)["']?\s*:)`)

// runs says whether a file of a folder is a flow that may run, and not only
// what others include.
func runs(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && isFlow(path) && stepsKey.Match(text)
}

func (c *Command) validateVerb() *cobra.Command {
	var format string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate FILE...", Short: "Check flows, send nothing", Long: validateHelp,
		Args: arguments(1, -1, "one FILE or folder or more"),
		RunE: func(_ *cobra.Command, names []string) error {
			if asJSON {
				format = "json"
			}
			if !slices.Contains([]string{"text", "json", "github"}, format) {
				return wrong(fmt.Sprintf("--format %s: it must be text, json or github", clean(format)))
			}
			files, err := c.flowFiles(names, runs)
			if err != nil {
				return err
			}
			return c.validate(files, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "text, json or github")
	cmd.Flags().BoolVar(&asJSON, "json", false, "the same as --format json")
	return cmd
}

func (c *Command) validate(files []string, format string) error {
	var all diag.List
	l := c.errLook()
	broken := 0
	for i, file := range files {
		plan, list, err := c.check(file)
		if err != nil {
			return err
		}
		all = append(all, list...)
		if format != "text" {
			continue
		}
		if i > 0 && len(list) > 0 {
			fmt.Fprintln(c.Stderr)
		}
		c.printList(list)
		if plan != nil {
			c.printValid(file, plan)
			continue
		}
		broken++
	}
	switch format {
	case "json":
		text, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(c.Stdout, string(text))
	case "github":
		fmt.Fprint(c.Stdout, all.GitHub())
	default:
		if broken > 0 {
			fmt.Fprintf(c.Stderr, "\n%s\n", l.paint(red, l.sign("✗")+" "+problems(all)))
		}
	}
	if all.HasErrors() {
		return said(exitFlow)
	}
	return nil
}

// check compiles a file. The plan is nil if it is not valid.
func (c *Command) check(file string) (*flow.Plan, diag.List, error) {
	plan, project, err := c.load(file)
	var list diag.List
	switch {
	case errors.As(err, &list):
		return nil, list, nil
	case err != nil:
		return nil, nil, err
	}
	defer project.close()
	return plan, c.renamed(plan.Warnings(), project.dir), nil
}

func (c *Command) printValid(file string, plan *flow.Plan) {
	l := c.errLook()
	names := map[string]bool{}
	eachStep(plan.Outline(), func(s flow.OutlineStep, _ int) {
		for _, v := range s.Saves {
			names[v.Name] = true
		}
	})
	fmt.Fprintf(c.Stderr, "%s %s: %s, %s\n", l.paint(green, l.sign("✓")), c.shown(c.path(file)),
		count(plan.Steps(), "step"), count(len(names), "data point"))
}

// eachStep visits every step of an outline in the order of the file, with how
// many steps it is in.
func eachStep(o flow.Outline, visit func(s flow.OutlineStep, depth int)) {
	var walk func(steps []flow.OutlineStep, depth int)
	walk = func(steps []flow.OutlineStep, depth int) {
		for _, s := range steps {
			visit(s, depth)
			walk(s.Steps, depth+1)
			for _, b := range s.Branches {
				walk(b.Steps, depth+1)
			}
			walk(s.Else, depth+1)
			for _, c := range s.Catch {
				walk(c.Steps, depth+1)
			}
			walk(s.Finally, depth+1)
		}
	}
	walk(o.Steps, 0)
	walk(o.Finally, 0)
}
