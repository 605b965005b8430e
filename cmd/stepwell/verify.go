package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

const runsVerifyHelp = `Reads everything that is recorded of runs, or of all of them, and says what is damaged:
values that do not open, a flow that is not the one that the run was started with or
does not check any more, records of steps that the flow does not have. Without a RUN the
database itself is checked, too. Nothing is changed.`

// A verifiedRun is what runs verify --json prints of a run that is not whole.
type verifiedRun struct {
	RunID    string   `json:"run_id"`
	Flow     string   `json:"flow"`
	Problems []string `json:"problems"`
}

// verifiedRuns is what runs verify --json prints.
type verifiedRuns struct {
	Runs     int           `json:"runs"` // that were looked at
	Database []string      `json:"database"`
	Failed   []verifiedRun `json:"failed"`

	keyed, destroyed, damaged bool // whether something wants another key, was removed, is not as it was
}

func (c *Command) runsVerifyVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify [RUN...]", Short: "Check that what is recorded of runs is whole", Long: runsVerifyHelp, Args: arguments(0, -1, "the ids of runs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.verifyRuns(cmd.Context(), f, args, asJSON)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.ValidArgsFunction = c.completeRuns(&f)
	return cmd
}

func (c *Command) verifyRuns(ctx context.Context, f storeFlags, names []string, asJSON bool) error {
	k, err := c.open(ctx, f, toRead)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	v := verifiedRuns{Database: []string{}, Failed: []verifiedRun{}}
	look := func(r datapoints.Run) error {
		v.Runs++
		if problems := c.verifyRun(ctx, k, r, &v); len(problems) > 0 {
			v.Failed = append(v.Failed, verifiedRun{r.ID, r.Flow, problems})
		}
		return ctx.Err()
	}
	var runs []datapoints.Run
	for _, name := range names {
		r, err := c.match(ctx, k, name)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	for _, r := range runs {
		if err := look(r); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		if v.Database, err = k.plain.Check(ctx); err == nil {
			err = k.eachRun(ctx, look)
		}
		if err != nil {
			return c.storeTrouble(k.file, err)
		}
	}
	if asJSON {
		if err := c.printJSON(v, false); err != nil {
			return err
		}
	}
	return c.sayVerified(v, asJSON)
}

// verifyRun gives what is wrong with a run. Without its key no more is looked at.
func (c *Command) verifyRun(ctx context.Context, k *keeping, r datapoints.Run, v *verifiedRuns) (problems []string) {
	add := func(text string) {
		if text = strings.TrimPrefix(text, "run "+r.ID+", "); !slices.Contains(problems, text) {
			problems = append(problems, text)
		}
	}
	for _, err := range k.openAll(ctx, r.ID) {
		add(strings.TrimPrefix(err.Error(), "run "+r.ID+": "))
		switch {
		case errors.Is(err, datapoints.ErrKey):
			v.keyed = true
			return problems
		case errors.Is(err, datapoints.ErrDestroyed):
			v.destroyed = true
			return problems
		}
	}
	defer func() { v.damaged = v.damaged || len(problems) > 0 }()
	plan, _, err := flow.PlanOf(ctx, k.plain, r.ID, c.kit())
	var list diag.List
	switch {
	case errors.As(err, &list):
		for _, d := range list {
			if d.Severity == diag.Error {
				add(fmt.Sprintf("its flow does not check with this stepwell: %s:%d:%d: %s", d.Span.File, d.Span.Line, d.Span.Column, d.Message))
			}
		}
		return problems
	case err != nil:
		add(reason(err))
		return problems
	}
	got, err := k.plain.Read(ctx, r.ID, datapoints.Query{Rows: true, Attempts: true, History: true})
	if err != nil {
		add(reason(err))
	}
	for _, text := range strayRecords(plan, got) {
		add(text)
	}
	return problems
}

// strayRecords says what is recorded of steps that the plan does not have, or
// of which it is not recorded that they began.
func strayRecords(plan *flow.Plan, got datapoints.Contents) (problems []string) {
	rows := map[string]bool{}
	for _, e := range got.Rows {
		rows[e.Path] = true
		if !plan.Has(e.Path) {
			problems = append(problems, "step "+e.Path+" is recorded, and the flow has no such step")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got.Attempts)) {
		if !rows[path] {
			problems = append(problems, "attempts of step "+path+" are recorded, and the step itself is not")
		}
	}
	for _, p := range got.Points {
		if !rows[p.Step] {
			problems = append(problems, "data point "+p.Name+" is recorded, and step "+p.Step+", which saved it, is not")
		}
	}
	return problems
}

// sayVerified prints what is wrong for people, unless it was printed as JSON,
// and gives the error with which the command ends.
func (c *Command) sayVerified(v verifiedRuns, quiet bool) error {
	if len(v.Database)+len(v.Failed) == 0 {
		if !quiet {
			fmt.Fprintf(c.Stderr, "%s verified: everything that is recorded is whole\n", count(v.Runs, "run"))
		}
		return nil
	}
	if !quiet {
		for _, text := range v.Database {
			fmt.Fprintf(c.Stderr, "  the database: %s\n", clean(text))
		}
		for _, r := range v.Failed {
			for _, text := range r.Problems {
				fmt.Fprintf(c.Stderr, "  run %s, %s: %s\n", r.RunID, clean(r.Flow), clean(text))
			}
		}
	}
	help := []string{}
	if v.keyed {
		help = append(help, "give the key that they were sealed with: --old-key-file FILE or STEPWELL_OLD_KEY", "stepwell keys list shows which keys are needed")
	}
	if v.destroyed {
		help = append(help, "runs whose key was destroyed were removed, and this is an older copy of the database: stepwell runs rm removes them from it, too")
	}
	if v.damaged || len(v.Database) > 0 {
		help = append(help, "what is damaged can be had back from a backup only; stepwell runs rm removes a run")
	}
	text := "the database is damaged"
	switch n := len(v.Failed); {
	case n == 1:
		text = "1 of " + count(v.Runs, "run") + " is not whole"
	case n > 1:
		text = thousands(n) + " of " + count(v.Runs, "run") + " are not whole"
	}
	return &stop{exitStore, text, help}
}
