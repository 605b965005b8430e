package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const envHelp = `Lists each input and secret of a flow, where it comes from, and whether it is set
there. Secrets are looked up, commands run, and nothing of them is printed. Nothing is sent.`

func (c *Command) envVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "env FILE", Short: "Show where inputs and secrets come from, and what is missing", Long: envHelp,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.showEnv(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A need is an input or a secret and whether it is there.
type need struct {
	Kind        string `json:"kind"` // input or secret
	Name        string `json:"name"`
	Source      string `json:"source"`
	State       string `json:"state"` // set, default, optional, missing, error
	Problem     string `json:"problem,omitempty"`
	Description string `json:"description,omitempty"`
}

func (c *Command) showEnv(ctx context.Context, file string, asJSON bool) error {
	plan, project, err := c.load(file)
	if err != nil {
		return c.refuse(err, "", false)
	}
	defer project.close()
	needs := []need{}
	for _, in := range plan.Inputs() {
		needs = append(needs, c.inputNeed(in))
	}
	for _, s := range plan.Secrets() {
		needs = append(needs, c.secretNeed(ctx, s, project.dir))
	}
	if asJSON {
		return c.printJSON(needs, false)
	}
	if len(needs) == 0 {
		fmt.Fprintln(c.Stderr, "the flow has no inputs and no secrets")
		return nil
	}
	l := c.outLook()
	t := table{head: []string{"", "NAME", "FROM", "", ""}, most: map[int]int{2: 44}, tint: needTint}
	for _, n := range needs {
		say := n.Description
		if n.Problem != "" {
			say = n.Problem
		}
		t.rows = append(t.rows, []string{n.Kind, n.Name, n.Source, n.State, clean(say)})
	}
	_, err = fmt.Fprint(c.Stdout, l.write(t))
	return err
}

func needTint(column int, cell string) string {
	switch {
	case column == 1:
		return cyan
	case column != 3:
		return dim
	case cell == "set":
		return green
	case cell == "missing" || cell == "error":
		return red
	}
	return yellow
}

func (c *Command) inputNeed(in flow.InputSpec) need {
	n := need{Kind: "input", Name: in.Name, Source: "-i " + in.Name + "=…", State: "missing", Description: in.Description}
	if !c.errLook().utf8 {
		n.Source = "-i " + in.Name + "=..."
	}
	if in.Env != "" {
		n.Source = "$" + in.Env
	}
	switch {
	case in.Env != "" && c.env(in.Env) != "":
		n.State = "set"
	case !in.Default.IsZero():
		n.State = "default"
	case !in.Required:
		n.State = "optional"
	}
	return n
}

func (c *Command) secretNeed(ctx context.Context, s flow.SecretSource, dir string) need {
	n := need{Kind: "secret", Name: s.Name, Source: sourceOf(s), State: "set"}
	value, err := c.secret(ctx, s, dir)
	switch {
	case err != nil && !errors.Is(err, flow.ErrNoSecret):
		n.State, n.Problem = "error", err.Error()
	case value == "" && s.Optional:
		n.State = "optional"
	case value == "":
		n.State = "missing"
	}
	return n
}
