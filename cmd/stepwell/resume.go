package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

const resumeHelp = `Goes on with a run that has paused, that was interrupted or killed, that failed,
or of which it is not known whether a call was processed. What is recorded as done is not done
again. The flow is the one that the run was started with, whatever its file says
now; secrets are read anew.

Of an unknown call you decide: --assume STEP=sent takes it as done (give what it
would have saved with -d STEP:name=value), --assume STEP=not-sent repeats it.

With the id of a batch, every run of it that has not succeeded goes on.`

func (c *Command) resumeVerb() *cobra.Command {
	var o runFlags
	var assume, values []string
	cmd := &cobra.Command{
		Use: "resume RUN|BATCH", Short: "Go on with a run that did not succeed", Long: resumeHelp,
		Args: arguments(1, 1, "the id of one run or batch"),
		RunE: func(cmd *cobra.Command, args []string) error {
			decisions, err := decisionsOf(assume, values)
			if err != nil {
				return err
			}
			return c.resume(cmd.Context(), args[0], decisions, o)
		},
	}
	cmd.Flags().StringArrayVar(&assume, "assume", nil, "`STEP=sent` or STEP=not-sent for an unknown call; may be repeated")
	cmd.Flags().StringArrayVarP(&values, "data", "d", nil, "`STEP:name=value`: what a step that is assumed to be sent saves; may be repeated")
	addRunFlags(cmd, &o)
	cmd.ValidArgsFunction = c.completeRuns(&o.storeFlags)
	return cmd
}

// decisionsOf reads --assume and -d.
func decisionsOf(assume, values []string) (flow.Assume, error) {
	decisions := flow.Assume{}
	for _, text := range assume {
		at := strings.LastIndexByte(text, '=')
		if at <= 0 || text[at+1:] != "sent" && text[at+1:] != "not-sent" {
			return nil, wrong(fmt.Sprintf("--assume %s: write --assume STEP=sent or --assume STEP=not-sent", beginning(text)))
		}
		path := text[:at]
		if _, twice := decisions[path]; twice {
			return nil, wrong(fmt.Sprintf("--assume %s is there twice", clean(path)))
		}
		decisions[path] = flow.Assumption{Sent: text[at+1:] == "sent", Values: map[string]any{}}
	}
	for _, text := range values {
		path, pair, ok := strings.Cut(text, ":")
		name, value, named := strings.Cut(pair, "=")
		if !ok || !named || name == "" {
			return nil, wrong(fmt.Sprintf("-d %s: write -d STEP:name=value", beginning(text)))
		}
		d, there := decisions[path]
		if !there || !d.Sent {
			return nil, wrong(fmt.Sprintf("-d %s:%s: only a step with --assume %[1]s=sent is given values", clean(path), clean(name)))
		}
		d.Values[name] = value
	}
	return decisions, nil
}

func (c *Command) resume(ctx context.Context, id string, decisions flow.Assume, o runFlags) error {
	if o.jobs < 1 {
		return wrong(fmt.Sprintf("--jobs %d: at least 1 is needed", o.jobs))
	}
	k, err := c.open(ctx, o.storeFlags, toWork)
	if err != nil {
		return err
	}
	defer k.close()
	s := &session{c: c, flags: o, keep: k}
	if strings.HasPrefix(id, batchPrefix) {
		return s.resumeBatch(ctx, id, decisions)
	}
	run, before, err := s.recorded(ctx, id)
	if err != nil {
		return err
	}
	if n := len(decisions); n > 0 {
		for _, path := range slices.Sorted(maps.Keys(decisions)) {
			if !slices.ContainsFunc(before, func(b flow.StepRecord) bool { return b.Path == path }) {
				return &stop{exitInput, fmt.Sprintf("run %s has no step %s", shortID(run.ID), clean(path)), []string{"see: stepwell runs show " + run.ID}}
			}
		}
	}
	p := s.watch(ctx, before, run.State == datapoints.Failed || run.State == datapoints.Unknown)
	s.begin(p)
	began := time.Now()
	result, err := s.executor.Resume(ctx, s.plan, run.ID, decisions)
	if errors.Is(err, flow.ErrNotResumable) {
		return wrong(fmt.Sprintf("run %s cannot be resumed: it has %s", run.ID, over(run.State)))
	}
	if result.ID == "" {
		result = run
	}
	return s.finish(ctx, p, s.resultOf(result, err, began))
}

// recall makes the plan of a recorded run, from the files as they were.
func (s *session) recall(ctx context.Context, run string) error {
	dir := s.c.Dir
	if s.flags.files != "" {
		dir = s.c.path(s.flags.files)
	}
	p, err := projectOf(dir)
	if err != nil {
		return s.c.refuse(err, "", s.flags.json)
	}
	p.close()
	s.dir = p.dir
	plan, _, err := flow.PlanOf(ctx, s.keep, run, s.c.kit())
	if err != nil {
		return s.c.refuse(err, "", s.flags.json)
	}
	s.plan, s.outline = plan, plan.Outline()
	return nil
}

// resumeBatch goes on with each run of a batch that has not succeeded.
func (s *session) resumeBatch(ctx context.Context, batch string, decisions flow.Assume) error {
	if len(decisions) > 0 {
		return wrong("--assume is for one run: resume the run itself first")
	}
	runs, err := s.keep.List(ctx, datapoints.Filter{Batch: batch})
	switch {
	case err != nil:
		return s.c.storeTrouble(s.keep.file, err)
	case len(runs) == 0:
		return wrong(fmt.Sprintf("there is no batch %q", clean(batch)), "see: stepwell runs list")
	}
	slices.SortFunc(runs, func(a, b datapoints.Run) int { return a.Row - b.Row })
	if err := s.recall(ctx, runs[0].ID); err != nil {
		return err
	}
	p := newBatchProgress(s.c.Stderr, s.c.errLook(), s.plan.Name(), batch, len(runs))
	s.begin(p)
	return s.driveBatch(ctx, p, runs, func(ctx context.Context, r datapoints.Run) (datapoints.Run, error) {
		if r.State == datapoints.Succeeded || r.State == datapoints.Cancelled {
			return r, nil
		}
		return s.executor.Resume(ctx, s.plan, r.ID, nil)
	})
}

// recorded finds a run, makes its plan the session's, and gives what its steps
// have done before.
func (s *session) recorded(ctx context.Context, id string) (datapoints.Run, []flow.StepRecord, error) {
	run, err := s.c.find(ctx, s.keep, id)
	if err != nil {
		return run, nil, err
	}
	if err := s.recall(ctx, run.ID); err != nil {
		return run, nil, err
	}
	before, err := flow.History(ctx, s.keep, run.ID)
	if err != nil {
		return run, nil, s.c.storeTrouble(s.keep.file, err)
	}
	return run, before, nil
}
