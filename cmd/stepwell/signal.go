package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

const signalHelp = `Delivers the message of a callback to a run, as the one would do it who was given
callbacks.NAME.url. It is JSON and is checked against the callback's schema; the
first message counts. One that comes before the run waits for it is kept. If the
run has failed since the message was not what its step expects, another one
takes its place.

A run that waits (run --wait) goes on by itself; one that has paused is resumed.`

const signalExamples = `  stepwell signal 0199c0de decision --json '{"approved": true}'
  stepwell signal 0199c0de lab_result --file report.json`

// signalFlags are the options of signal.
type signalFlags struct {
	storeFlags
	body, file string
	asJSON     bool
}

func (c *Command) signalVerb() *cobra.Command {
	var o signalFlags
	cmd := &cobra.Command{
		Use: "signal RUN NAME", Short: "Deliver a callback's message to a run", Long: signalHelp, Example: signalExamples,
		Args: arguments(2, 2, "the id of one run and the name of a callback"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.signal(cmd.Context(), args[0], args[1], o) },
	}
	f := cmd.Flags()
	addStoreFlags(cmd, &o.storeFlags)
	f.StringVar(&o.body, "json", "", "the message, as `JSON`; null without it")
	f.StringVar(&o.file, "file", "", "the `file` that holds the message; - is stdin")
	f.BoolVar(&o.asJSON, "print-json", false, "print the run and its status as JSON")
	cmd.MarkFlagsMutuallyExclusive("json", "file")
	cmd.ValidArgsFunction = c.completeRuns(&o.storeFlags)
	return cmd
}

func (c *Command) signal(ctx context.Context, id, name string, o signalFlags) error {
	body := o.body
	if o.file != "" {
		var err error
		if body, err = c.message(o.file); err != nil {
			return err
		}
	}
	k, err := c.open(ctx, o.storeFlags, toRead)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	run, err := c.find(ctx, k, id)
	if err != nil {
		return err
	}
	plan, _, err := flow.PlanOf(ctx, k, run.ID, c.kit())
	if err != nil {
		return c.refuse(err, run.Flow, false)
	}
	result, err := (&flow.Executor{Store: k}).Signal(ctx, plan, run.ID, name, body)
	if err != nil {
		return c.refuse(err, run.Flow, false)
	}
	result.State = k.state(result)
	if o.asJSON {
		return c.printJSON(delivered{result.ID, string(result.State)}, false)
	}
	fmt.Fprintf(c.Stderr, "delivered %s to run %s, which is %s\n", clean(name), result.ID, result.State)
	if result.State != datapoints.Running {
		fmt.Fprintf(c.Stderr, "  go on with: stepwell resume %s\n", result.ID)
	}
	return nil
}

// delivered is what signal and cancel print as JSON.
type delivered struct {
	RunID  string `json:"run_id"`
	Status string `json:"status"`
}

// message reads what is to be delivered, and no more of it than may be.
func (c *Command) message(file string) (string, error) {
	in := c.Stdin
	if file != "-" {
		f, err := os.Open(c.path(file))
		if err != nil {
			return "", wrong("--file " + clean(file) + ": " + reason(err))
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, flow.MaxMessage+1))
	if err != nil {
		return "", wrong("--file: " + err.Error())
	}
	return string(text), nil
}
