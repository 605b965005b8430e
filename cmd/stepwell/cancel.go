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

const cancelHelp = `Ends a run for good. Nothing new begins, calls in flight end and are recorded, and
the steps of finally run. If another process works on the run it stops within
about a second; a run that has paused, was interrupted or failed is ended here,
with its finally.`

func (c *Command) cancelVerb() *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use: "cancel RUN", Short: "End a run for good", Long: cancelHelp, Args: arguments(1, 1, "the id of one run"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.cancel(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	addStoreFlags(cmd, &o.storeFlags)
	f.BoolVar(&o.json, "json", false, "print the run and its status as JSON")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what finally sends and is answered, secrets masked")
	f.BoolVar(&o.wait, "wait", false, "stay if finally waits, instead of pausing")
	f.StringVar(&o.public, "public-url", "", "under which `URL` others reach callbacks, if that has changed")
	f.StringVar(&o.output, "output-dir", ".", "the `folder` for save_to")
	f.StringVar(&o.files, "files", "", "the project's folder, if it is not this `folder`")
	cmd.ValidArgsFunction = c.completeRuns(&o.storeFlags)
	return cmd
}

func (c *Command) cancel(ctx context.Context, id string, o runFlags) error {
	there, err := c.open(ctx, o.storeFlags, toRead)
	if err != nil {
		return noStore(err)
	}
	there.close()
	k, err := c.open(ctx, o.storeFlags, toWork)
	if err != nil {
		return err
	}
	defer k.close()
	s := &session{c: c, flags: o, keep: k}
	run, before, err := s.recorded(ctx, id)
	if err != nil {
		return err
	}
	p := s.watch(ctx, before, false)
	s.begin(p)
	began := time.Now()
	result, err := s.executor.Cancel(ctx, s.plan, run.ID)
	p.close()
	if errors.Is(err, datapoints.ErrOver) {
		return wrong(fmt.Sprintf("run %s cannot be cancelled: it has %s", run.ID, over(k.state(run))))
	}
	if result.ID == "" {
		result = run
	}
	return s.cancelled(ctx, s.resultOf(result, err, began))
}

// over is a state after "it has".
func over(s datapoints.State) string {
	if s == datapoints.Cancelled {
		return "been cancelled"
	}
	return string(s)
}

// cancelled says how a run was cancelled: that is what was asked for, and no failure.
func (s *session) cancelled(ctx context.Context, r *result) error {
	c, code := s.c, r.code()
	state := s.keep.state(r.run)
	switch {
	case r.err == nil && state == datapoints.Running:
		fmt.Fprintf(c.Stderr, "run %s is being worked on: it stops in a moment\n", r.run.ID)
	case r.err != nil && r.err.Kind == flow.KindCancelled:
		code = exitOK
		s.printSummary(r)
	default:
		if r.err != nil && r.err.Kind != flow.KindInterrupted && r.err.Kind != flow.KindPaused {
			c.printFailure(r.err)
		}
		s.printSummary(r)
	}
	if s.flags.json {
		if err := c.printJSON(delivered{r.run.ID, string(state)}, false); err != nil {
			return err
		}
	}
	return said(code)
}
