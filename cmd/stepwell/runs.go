package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func (c *Command) runsVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "runs", Short: "List, show, verify and remove runs", Args: verbs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.runsListVerb(), c.runsShowVerb(), c.runsRemoveVerb(), c.runsPurgeVerb(), c.runsVerifyVerb())
	return cmd
}

func (c *Command) runsListVerb() *cobra.Command {
	var f storeFlags
	var filter datapoints.Filter
	var state string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List runs, the newest first", Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.listRuns(cmd.Context(), f, filter, datapoints.State(state), asJSON)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().StringVar(&filter.Flow, "flow", "", "only runs of the flow with this `name`")
	cmd.Flags().StringVar(&filter.Batch, "batch", "", "only runs of this `batch`")
	cmd.Flags().StringVar(&state, "status", "", "only runs with this `status`: succeeded, failed, unknown, interrupted, …")
	cmd.Flags().IntVarP(&filter.Limit, "limit", "n", 50, "at most so many; 0: all")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A runSummary is a run as `runs list --json` prints it.
type runSummary struct {
	RunID   string     `json:"run_id"`
	Flow    string     `json:"flow"`
	Batch   string     `json:"batch,omitempty"`
	Status  string     `json:"status"`
	Kind    string     `json:"kind,omitempty"`
	Step    string     `json:"step,omitempty"`
	Created time.Time  `json:"created"`
	Started *time.Time `json:"started"`
	Ended   *time.Time `json:"ended"`
	Wake    *time.Time `json:"wake,omitempty"` // of a paused run: when it can go on without a message
	Steps   int        `json:"steps"`
	Done    int        `json:"done"`
}

func summaryOf(r datapoints.Run, state datapoints.State) runSummary {
	s := runSummary{RunID: r.ID, Flow: r.Flow, Batch: r.Batch, Status: string(state), Kind: r.Kind, Step: r.At,
		Created: millis(r.Created), Steps: r.Steps, Done: r.Done}
	s.Started, s.Ended, s.Wake = moment(r.Started), moment(r.Ended), moment(r.Wake)
	return s
}

// moment is a time for JSON: nil if there is none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = millis(t)
	return &t
}

// clock is a time to the second for people, where they are.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

// millis is a time as JSON shows it.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func (c *Command) listRuns(ctx context.Context, f storeFlags, filter datapoints.Filter, state datapoints.State, asJSON bool) error {
	k, err := c.open(ctx, f, toRead)
	if errors.Is(err, errNoRuns) {
		if asJSON {
			return c.printJSON([]runSummary{}, false)
		}
		fmt.Fprintln(c.Stderr, "there are no runs yet: stepwell run FILE makes one")
		return nil
	}
	if err != nil {
		return err
	}
	defer k.close()
	runs, trouble := c.matching(ctx, k, filter, state)
	if trouble != nil && len(runs) == 0 {
		return c.storeTrouble(k.file, trouble)
	}
	if trouble != nil {
		c.note("warning", "not everything can be read: %v", trouble)
	}
	if asJSON {
		list := make([]runSummary, len(runs))
		for i, r := range runs {
			list[i] = summaryOf(r, r.State)
		}
		return c.printJSON(list, false)
	}
	l := c.outLook()
	t := table{head: []string{"RUN", "FLOW", "STATUS", "STARTED", "TOOK", "STEPS", ""}, most: map[int]int{1: 30, 6: 60}, keep: []int{0, 2, 5}, tint: listTint}
	ids := distinct(runs)
	for i, r := range runs {
		row := []string{ids[i], clean(r.Flow), string(r.State), l.ago(r.Created, time.Now()), "", fmt.Sprintf("%s of %d", ended(r), r.Steps), ""}
		if !r.Ended.IsZero() && !r.Started.IsZero() {
			row[4] = short(r.Ended.Sub(r.Started))
		}
		switch {
		case r.State == datapoints.Paused && !r.Wake.IsZero():
			row[6] = "at " + r.At + " until " + clock(r.Wake)
		case r.State == datapoints.Paused:
			row[6] = "at " + r.At + " for a message"
		case r.Kind != "" && r.At != "":
			row[6] = r.Kind + " at " + r.At
		}
		t.rows = append(t.rows, row)
	}
	if len(runs) == 0 {
		fmt.Fprintln(c.Stderr, "no run is like that")
		return nil
	}
	_, err = fmt.Fprint(c.Stdout, l.write(t))
	return err
}

// matching lists runs with the state that they are in now, which the store
// alone does not know.
func (c *Command) matching(ctx context.Context, k *keeping, filter datapoints.Filter, state datapoints.State) ([]datapoints.Run, error) {
	limit := filter.Limit
	if state != "" {
		filter.Limit = 0
	}
	runs, err := k.List(ctx, filter)
	kept := runs[:0]
	for _, r := range runs {
		r.State = k.state(r)
		if state == "" || r.State == state {
			kept = append(kept, r)
		}
	}
	if limit > 0 && len(kept) > limit {
		kept = kept[:limit]
	}
	return kept, err
}

// distinct shortens ids as far as they stay apart: the runs of one batch were
// made in the same millisecond and begin alike.
func distinct(runs []datapoints.Run) []string {
	ids := make([]string, len(runs))
	for _, size := range []int{13, 18, 23, 36} {
		n := map[string]int{}
		for _, r := range runs {
			n[r.ID[:min(size, len(r.ID))]]++
		}
		for i, r := range runs {
			if id := r.ID[:min(size, len(r.ID))]; ids[i] == "" && n[id] == 1 {
				ids[i] = id
			}
		}
	}
	return ids
}

func listTint(column int, cell string) string {
	if column != 2 {
		return map[int]string{0: cyan, 3: dim, 6: dim}[column]
	}
	return stateTint(datapoints.State(cell))
}

func stateTint(s datapoints.State) string {
	switch s {
	case datapoints.Succeeded:
		return green
	case datapoints.Failed, datapoints.Unknown:
		return red
	}
	return yellow
}

func (c *Command) runsShowVerb() *cobra.Command {
	var f storeFlags
	var o showFlags
	cmd := &cobra.Command{
		Use: "show RUN", Short: "Show a run: its steps over time, what failed, its data points", Args: arguments(1, 1, "the id of one run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, err := c.open(cmd.Context(), f, toRead)
			if err != nil {
				return noStore(err)
			}
			defer k.close()
			r, err := c.find(cmd.Context(), k, args[0])
			if err != nil {
				return err
			}
			r.State = k.state(r)
			return c.showRun(cmd.Context(), k, r, o)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&o.json, "json", false, "print the JSON document of run --json, with the inputs and the times of each attempt")
	cmd.Flags().BoolVar(&o.reveal, "reveal", false, "show sensitive values, which is recorded in the run")
	cmd.ValidArgsFunction = c.completeRuns(&f)
	return cmd
}

type showFlags struct{ json, reveal bool }

func (c *Command) showRun(ctx context.Context, k *keeping, r datapoints.Run, o showFlags) error {
	steps, err := flow.History(ctx, k, r.ID)
	if err != nil {
		return c.storeTrouble(k.file, err)
	}
	plan, _, err := flow.PlanOf(ctx, k, r.ID, c.kit())
	if err != nil {
		return c.refuse(err, r.Flow, false)
	}
	points, err := c.points(ctx, k, r.ID)
	if err != nil {
		return err
	}
	outline := plan.Outline()
	failure := flow.FailureOf(r)
	if o.reveal {
		if err := c.recordReveal(ctx, k, r.ID, "runs show", revealedByShow(r, outline, points, o.json)...); err != nil {
			return err
		}
	}
	revealed, err := c.reveals(ctx, k, r.ID)
	if err != nil {
		return err
	}
	if o.json {
		outputs, _ := shownOutputs(r, outline, points.redactor, o.reveal)
		doc := documentOf(r, outputs, failure, steps)
		doc.inFull(shownInputs(r, outline, o.reveal), steps, points.redactor)
		doc.Reveals = revealed
		return c.printJSON(doc, false)
	}
	w := &showWriter{look: c.outLook(), run: r, steps: steps, points: points, inputs: shownInputs(r, outline, o.reveal), reveal: o.reveal, reveals: revealed, titles: map[string]flow.OutlineStep{}}
	eachStep(outline, func(s flow.OutlineStep, _ int) { w.titles[s.Path] = s })
	w.write(failure)
	_, err = fmt.Fprint(c.Stdout, w.b.String())
	return err
}
