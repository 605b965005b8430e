package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/flow"
)

const removeHelp = `Removes runs and everything recorded of them, also from the files of the store.
Each run's key is destroyed first: an older copy of the database does not open for
it any more. The key that seals the runs is not needed.`

func (c *Command) runsRemoveVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "rm RUN...", Short: "Remove runs and everything recorded of them", Long: removeHelp, Args: arguments(1, -1, "the id of one run or more"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.removeRuns(cmd.Context(), f, args, asJSON)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the ids as JSON")
	cmd.ValidArgsFunction = c.completeRuns(&f)
	return cmd
}

// removeRuns removes all runs that are named, or none if one of them cannot be.
func (c *Command) removeRuns(ctx context.Context, f storeFlags, names []string, asJSON bool) error {
	k, err := c.open(ctx, f, toRemove)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	var runs []datapoints.Run
	for _, name := range names {
		r, err := c.match(ctx, k, name)
		if err != nil {
			return err
		}
		if k.state(r) == datapoints.Running {
			return goesOn(r)
		}
		runs = append(runs, r)
	}
	removed := []string{}
	for _, r := range runs {
		err := k.remove(ctx, r)
		var claimed *datapoints.ClaimedError
		if errors.As(err, &claimed) {
			return goesOn(r)
		}
		if err != nil {
			return c.storeTrouble(k.file, err)
		}
		removed = append(removed, r.ID)
		if !asJSON {
			fmt.Fprintln(c.Stderr, "removed "+r.ID)
		}
	}
	if err := c.scrub(ctx, k); err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(map[string]any{"removed": removed}, false)
	}
	return nil
}

func goesOn(r datapoints.Run) error {
	return wrong("run " + r.ID + " is going on: it cannot be removed")
}

// remove removes a run that nobody works on: it claims it first.
func (k *keeping) remove(ctx context.Context, r datapoints.Run) error {
	now := time.Now()
	_, err := k.Claim(ctx, datapoints.Lease{Run: r.ID, Owner: k.owner.name, Until: now.Add(time.Minute)}, now, k.owner.dead)
	if errors.Is(err, datapoints.ErrNotFound) { // somebody else has removed it
		return nil
	}
	if err != nil {
		return err
	}
	return k.Delete(ctx, r.ID)
}

// scrub makes that nothing of what was removed or replaced is left in the
// store's files, and says if that is not so yet.
func (c *Command) scrub(ctx context.Context, k *keeping) error {
	err := k.plain.Scrub(ctx)
	if errors.Is(err, sqlstore.ErrInUse) {
		c.note("warning", "another process is using the store: remains that nothing can open any more are in its files until the next stepwell runs purge")
		return nil
	}
	if err != nil {
		return c.storeTrouble(k.file, err)
	}
	return nil
}

const purgeHelp = `Removes runs whose last sign of life is older than an age, as runs rm does, without
asking. Runs that are going on stay, and so do paused ones, unless --status paused
asks for them. --dry-run shows which it would be.`

const purgeExamples = `  stepwell runs purge --older-than 30d
  stepwell runs purge --older-than 12h --flow discharge-follow-up --status succeeded --dry-run`

// purgeFlags are the options of runs purge.
type purgeFlags struct {
	storeFlags
	older, flow, status string
	dry, json           bool
}

func (c *Command) runsPurgeVerb() *cobra.Command {
	var o purgeFlags
	cmd := &cobra.Command{
		Use: "purge --older-than AGE", Short: "Remove old runs and everything recorded of them", Long: purgeHelp, Example: purgeExamples,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.purge(cmd.Context(), o) },
	}
	f := cmd.Flags()
	addStoreFlags(cmd, &o.storeFlags)
	f.StringVar(&o.older, "older-than", "", "the `age`: 30d, 12h, 1d12h")
	f.StringVar(&o.flow, "flow", "", "only runs of the flow with this `name`")
	f.StringVar(&o.status, "status", "", "only runs with this `status`: succeeded, failed, unknown, interrupted, …")
	f.StringVar(&o.status, "state", "", "the same as --status")
	f.BoolVar(&o.dry, "dry-run", false, "remove nothing, show what would be removed")
	f.BoolVar(&o.json, "json", false, "print JSON")
	_ = f.MarkHidden("state")
	return cmd
}

// purged is what runs purge --json prints.
type purged struct {
	Removed []string  `json:"removed"`
	Left    []leftRun `json:"left"` // old enough, and left alone
	DryRun  bool      `json:"dry_run"`
}

type leftRun struct {
	RunID string `json:"run_id"`
	Why   string `json:"why"`
}

func (c *Command) purge(ctx context.Context, o purgeFlags) error {
	if o.older == "" {
		return wrong("runs purge wants --older-than AGE", "usage: stepwell runs purge --older-than 30d", "an age of 0s is every run")
	}
	states := []datapoints.State{datapoints.Succeeded, datapoints.Failed, datapoints.Unknown, datapoints.Interrupted, datapoints.Paused, datapoints.Cancelled}
	if o.status != "" && !slices.Contains(states, datapoints.State(o.status)) {
		return wrong(fmt.Sprintf("--status: no run that could be removed has the status %q", clean(o.status)), "it is one of "+strings.Trim(fmt.Sprint(states), "[]"))
	}
	age, err := flow.ParseDuration(o.older)
	if err != nil {
		return wrong("--older-than: "+err.Error(), "write 30d, 12h, 1d12h")
	}
	k, err := c.open(ctx, o.storeFlags, toRemove)
	if errors.Is(err, errNoRuns) {
		return c.sayPurged(purged{Removed: []string{}, Left: []leftRun{}, DryRun: o.dry}, o)
	}
	if err != nil {
		return err
	}
	defer k.close()
	runs, err := k.plain.List(ctx, datapoints.Filter{Flow: o.flow})
	if err != nil {
		return c.storeTrouble(k.file, err)
	}
	p, err := c.purgeRuns(ctx, k, old(runs, time.Now().Add(-age)), o)
	if err != nil {
		return err
	}
	if len(p.Removed) > 0 && !o.dry {
		if err := c.scrub(ctx, k); err != nil {
			return err
		}
	}
	return c.sayPurged(p, o)
}

// old are the runs of which the last that is known was not after a time, the
// oldest first.
func old(runs []datapoints.Run, limit time.Time) []datapoints.Run {
	var list []datapoints.Run
	for _, r := range runs {
		last := r.Created
		for _, t := range []time.Time{r.Started, r.Ended} {
			if t.After(last) {
				last = t
			}
		}
		if !last.After(limit) {
			list = append(list, r)
		}
	}
	slices.Reverse(list)
	return list
}

// removeAtOnce is how many runs are removed at the same time: they share what
// takes the time, waiting for the disk.
const removeAtOnce = 64

func (c *Command) purgeRuns(ctx context.Context, k *keeping, runs []datapoints.Run, o purgeFlags) (purged, error) {
	p := purged{Removed: []string{}, Left: []leftRun{}, DryRun: o.dry}
	for group := range slices.Chunk(runs, removeAtOnce) {
		why := make([]string, len(group)) // why a run is left
		errs := make([]error, len(group))
		var all sync.WaitGroup
		for i, r := range group {
			state := k.state(r)
			switch {
			case o.status != "" && o.status != string(state):
				why[i] = notMeant
			case state == datapoints.Running:
				why[i] = "it is going on"
			case state == datapoints.Paused && o.status == "":
				why[i] = "it is paused"
			case !o.dry:
				all.Go(func() { errs[i] = k.remove(ctx, r) })
			}
		}
		all.Wait()
		for i, r := range group {
			var claimed *datapoints.ClaimedError
			if errors.As(errs[i], &claimed) {
				why[i] = "it is going on"
			} else if errs[i] != nil {
				return p, c.storeTrouble(k.file, errs[i])
			}
			if why[i] == "" {
				p.Removed = append(p.Removed, r.ID)
			} else if why[i] != notMeant {
				p.Left = append(p.Left, leftRun{r.ID, why[i]})
			}
		}
	}
	return p, nil
}

// sayFirst says the first of many things.
func (c *Command) sayFirst(lines []string) {
	const most = 20
	for i, text := range lines {
		if i == most {
			fmt.Fprintf(c.Stderr, "  and %s more: --json lists all\n", thousands(len(lines)-most))
			return
		}
		fmt.Fprintln(c.Stderr, clean(text))
	}
}

// notMeant is of a run that purge was not asked for.
const notMeant = "-"

func (c *Command) sayPurged(p purged, o purgeFlags) error {
	if o.json {
		return c.printJSON(p, false)
	}
	word := "removed"
	if o.dry {
		word = "would remove"
	}
	lines := make([]string, len(p.Removed))
	for i, id := range p.Removed {
		lines[i] = word + " " + id
	}
	c.sayFirst(lines)
	lines = nil
	for _, l := range p.Left {
		lines = append(lines, "left "+l.RunID+": "+l.Why)
	}
	c.sayFirst(lines)
	fmt.Fprintf(c.Stderr, "%s %s\n", word, count(len(p.Removed), "run"))
	return nil
}
