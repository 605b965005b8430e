package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

const runHelp = `Runs a flow. The outputs are printed on stdout as JSON and nothing else is;
progress, problems and errors go to stderr.

An input comes from -i, else from --inputs, else from the variable that the flow
names, else it has its default. With --each there is a run for each row of a file.`

const runExamples = `  stepwell run flow.yaml -i patient_id=9434765919
  stepwell run flow.yaml --inputs inputs.json --json
  stepwell run flow.yaml --each patients.csv --jobs 4
  stepwell run --sandbox examples/discharge-follow-up.yaml`

// runOptions are the options of run alone.
type runOptions struct {
	runFlags
	inputs  []string
	file    string
	each    string
	sandbox bool
}

func (c *Command) runVerb() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use: "run FILE", Short: "Run a flow", Long: runHelp, Example: runExamples,
		Args: arguments(1, 1, "one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0], o) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.inputs, "input", "i", nil, "an input, as `name=value`; may be repeated")
	f.StringVar(&o.file, "inputs", "", "a JSON `file` with inputs; - is stdin")
	f.StringVar(&o.each, "each", "", "one run for each row of a `file`: CSV with a header, JSON lines, a JSON list")
	f.BoolVar(&o.sandbox, "sandbox", false, "run against a server of its own on this machine, which fills in inputs and secrets")
	addRunFlags(cmd, &o.runFlags)
	return cmd
}

// addRunFlags adds the options that run and resume share.
func addRunFlags(cmd *cobra.Command, o *runFlags) {
	f := cmd.Flags()
	addStoreFlags(cmd, &o.storeFlags)
	f.BoolVar(&o.json, "json", false, "print one JSON document with status, outputs, error and steps")
	f.BoolVar(&o.reveal, "reveal", false, "show sensitive outputs")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show what is sent and answered, secrets masked")
	f.BoolVar(&o.wait, "wait", false, "stay until a waiting run can go on, instead of pausing it")
	f.StringVar(&o.public, "public-url", "", "under which `URL` others reach callbacks: the base of callbacks.NAME.url")
	f.IntVar(&o.jobs, "jobs", 1, "how many runs of --each at a time")
	f.StringVar(&o.output, "output-dir", ".", "the `folder` for save_to")
	f.StringVar(&o.files, "files", "", "a further `folder` from which steps may read files; of resume: the project's folder, if it is not this one")
}

func addStoreFlags(cmd *cobra.Command, o *storeFlags) {
	cmd.Flags().StringVar(&o.store, "store", "", "where runs are kept, as a `URL`: sqlite:PATH, the path of a file, or memory")
	cmd.Flags().StringVar(&o.key.file, "key-file", "", "the `file` with the key that seals them")
	cmd.Flags().StringVar(&o.key.command, "key-command", "", "the `command` that prints the key; no shell")
	cmd.Flags().StringVar(&o.key.keyring, "key-keyring", "", "the entry `service/user` of the system's keyring with the key")
	cmd.Flags().StringVar(&o.key.old, "old-key-file", "", "the `file` with the key from before a rotation, to read with, too")
}

func (c *Command) run(ctx context.Context, file string, o runOptions) error {
	if o.jobs < 1 {
		return wrong(fmt.Sprintf("--jobs %d: at least 1 is needed", o.jobs))
	}
	if o.jobs > 1 && o.each == "" {
		return wrong("--jobs is for the runs of --each", "for the items of a loop write `concurrency` in its for_each")
	}
	plan, project, err := c.load(file)
	if err != nil {
		return c.refuse(err, "", o.json)
	}
	defer project.close()
	c.printWarnings(plan.Warnings(), project.dir)
	s := &session{c: c, flags: o.runFlags, plan: plan, outline: plan.Outline(), dir: project.dir}
	if o.sandbox {
		if s.sandbox, err = sandbox.Start(sandbox.Options{}); err != nil {
			return wrong(err.Error())
		}
		defer func() { _ = s.sandbox.Close() }()
		if s.flags.public == "" {
			s.flags.public = s.sandbox.URL()
		}
	}
	given, err := c.given(o.inputs, o.file)
	if err != nil {
		return err
	}
	rows := []flow.Inputs{given}
	if o.each != "" {
		if rows, err = c.rows(o.each, given); err != nil {
			return err
		}
	}
	for i, row := range rows {
		rows[i] = c.fill(row, plan, s.sandbox)
	}
	// What is wrong or missing is refused before a key, a store or a run is made.
	// In memory, which never pauses: whether the store lasts is asked below.
	trial := &flow.Executor{Secrets: s.secret, PublicURL: s.flags.public, Owner: flow.Process{Stays: true}}
	if _, err := trial.Create(ctx, plan, o.each, rows...); err != nil {
		return c.refuse(err, plan.Name(), o.json)
	}
	if err := trial.CheckSecrets(ctx, plan); err != nil {
		return c.refuse(err, plan.Name(), o.json)
	}
	if s.keep, err = c.open(ctx, o.storeFlags, toWork); err != nil {
		return c.refuse(err, plan.Name(), o.json)
	}
	defer s.keep.close()
	if err := s.reached(); err != nil {
		return c.refuse(err, plan.Name(), o.json)
	}
	if o.each != "" {
		return s.startBatch(ctx, rows)
	}
	return s.startOne(ctx, rows[0])
}

// reached refuses a flow that waits for messages in a store that nobody else
// can leave one in.
func (s *session) reached() error {
	if s.keep.file != "" {
		return nil
	}
	var waits *flow.Error
	eachStep(s.outline, func(step flow.OutlineStep, _ int) {
		if step.Kind == "callback" && waits == nil {
			waits = &flow.Error{Kind: flow.KindStore, Message: "step " + step.Path + " waits for a message, which nobody can leave in a store that is memory",
				Hints: []string{"give a store that lasts: --store sqlite:PATH, or none for the usual one"}}
		}
	})
	if waits == nil {
		return nil
	}
	return waits
}

// startOne makes one run and drives it to its end.
func (s *session) startOne(ctx context.Context, in flow.Inputs) error {
	p := s.watch(ctx, nil, false)
	s.begin(p)
	began := time.Now()
	run, err := s.executor.Run(ctx, s.plan, in)
	if run.ID == "" { // nothing is recorded
		return s.c.refuse(err, s.plan.Name(), s.flags.json)
	}
	return s.finish(ctx, p, s.resultOf(run, err, began))
}

// finish says how one run ended: the end of its progress, what failed, the
// outputs or the document.
func (s *session) finish(ctx context.Context, p *progress, r *result) error {
	ctx = context.WithoutCancel(ctx)
	p.close()
	r.calls = p.counts()
	c := s.c
	if r.err != nil && r.err.Kind != flow.KindInterrupted && r.err.Kind != flow.KindPaused && r.err.Kind != flow.KindCancelled {
		c.printFailure(r.err)
	}
	s.printSummary(r)
	s.sayShort()
	if s.flags.json {
		doc, err := s.document(ctx, r)
		if err != nil {
			return err
		}
		if err := c.printJSON(doc, false); err != nil {
			return err
		}
	} else if r.err == nil {
		c.sayMasked(r.masked)
		if err := c.printOutputs(r.outputs, false); err != nil {
			return err
		}
	}
	return said(r.code())
}

// stopping is what is said at the first signal.
const stopping = "stopping: calls in flight may end; once more stops at once"

// watch shows the run that begins now, until its progress is closed. before
// are the steps that are recorded already of a run that is resumed, failed or not.
func (s *session) watch(ctx context.Context, before []flow.StepRecord, failed bool) *progress {
	rows := plannedRows(s.outline, false)
	for _, b := range before {
		if b.Outcome != "done" && b.Outcome != "skipped" && b.Outcome != "caught" || failed && strings.HasPrefix(b.Path, "finally.") {
			continue // after a failure finally runs again
		}
		for i := range rows {
			if rows[i].path == keyOf(b.Path) && !b.Ended.IsZero() {
				rows[i].state = rowBefore
			}
		}
	}
	l := s.c.errLook()
	l.live = l.live && !s.flags.verbose // what is sent and answered stands between the lines
	p := newProgress(s.c.Stderr, l, widestOf(plannedRows(s.outline, true)), rows)
	p.verbose = s.flags.verbose
	context.AfterFunc(ctx, func() { p.notice(stopping) })
	s.abandoned(p.close, func() string {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.run
	})
	return p
}

// abandoned makes that a second signal closes the progress and says what it leaves
// of a run or a batch; "" as its id: nothing has begun.
func (s *session) abandoned(closing func(), id func() string) {
	if s.c.abrupt == nil {
		return
	}
	say := func() {
		closing()
		run, l := id(), s.c.errLook()
		if run == "" {
			return
		}
		fmt.Fprintf(s.c.Stderr, "\n%s%s\n", l.paint(red, l.sign("✗")+" stopped at once"), l.text(" · ")+"calls in flight may have been processed")
		if s.keep.file != "" && s.sandbox == nil {
			fmt.Fprintf(s.c.Stderr, "  go on with: %s\n", l.paint(bold, s.resumeCommand(datapoints.Run{ID: run})))
		}
	}
	s.c.abrupt.Store(&say)
}

// plannedRows are the lines that are known before a run begins, in the order of
// the file; with those of sides that may not be taken only if they are asked for.
func plannedRows(o flow.Outline, sides bool) []row {
	var rows []row
	var walk func(steps []flow.OutlineStep)
	walk = func(steps []flow.OutlineStep) {
		for _, s := range steps {
			at := strings.ReplaceAll(s.Path, "#n", "#0")
			r := row{path: keyOf(at), at: at, title: clean(plannedTitle(s)), loop: s.Loop != nil, paged: s.Pages != nil}
			switch s.Kind {
			case "parallel":
				r.title = fmt.Sprintf("%d branches", len(s.Branches))
			case "flow":
				r.title = "flow " + clean(s.File)
			}
			rows = append(rows, r)
			if !r.loop {
				walk(s.Steps)
				for _, b := range s.Branches {
					walk(b.Steps)
				}
			}
			if sides {
				walk(s.Else)
				for _, c := range s.Catch {
					walk(c.Steps)
				}
			}
			if !r.loop {
				walk(s.Finally)
			}
		}
	}
	walk(o.Steps)
	walk(o.Finally)
	return rows
}

// plannedTitle is a step's title with {name} for what is not known yet.
func plannedTitle(s flow.OutlineStep) string {
	if s.Kind != "call" || s.Request == "" {
		return s.Title
	}
	method, url, ok := strings.Cut(s.Request, " ")
	if !ok {
		return s.Title
	}
	for _, f := range s.Fields {
		if f.Name == "base_url" {
			url = strings.TrimPrefix(url, strings.TrimSuffix(f.Text, "/"))
		}
	}
	if end := strings.Index(url, "}/"); strings.HasPrefix(url, "{") && end > 0 {
		url = url[end+1:]
	}
	return method + " " + url
}
