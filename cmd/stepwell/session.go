package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// A session is one call of run or resume: a plan, where its runs are kept, and
// how they are shown.
type session struct {
	c        *Command
	flags    runFlags
	plan     *flow.Plan
	outline  flow.Outline
	dir      string // the project's folder
	keep     *keeping
	sandbox  *sandbox.Server // nil: none
	executor *flow.Executor
	redactor *datapoints.Redactor

	mu      sync.Mutex
	secrets map[string]string // those that were read, by source
}

// runFlags are the options that run and resume share.
type runFlags struct {
	storeFlags
	json    bool
	reveal  bool
	verbose bool
	wait    bool
	public  string // base of the URLs of callbacks
	jobs    int
	output  string // the folder of save_to
	files   string // a further folder that steps may read
}

// begin makes the executor once plan and store are there.
func (s *session) begin(watch flow.Observer) {
	c := s.c
	s.redactor = &datapoints.Redactor{}
	out := savedFiles{dir: c.path(s.flags.output)}
	read := overlay{folder(s.dir), folder(out.dir)}
	if s.flags.files != "" {
		read = append(read, folder(c.path(s.flags.files)))
	}
	owner := s.keep.process()
	owner.Stays = s.flags.wait
	s.executor = &flow.Executor{Store: s.keep.Store, Redactor: s.redactor, Files: fs.FS(read), Output: out.create, Owner: owner, Observer: watch,
		Secrets: s.secret, PublicURL: s.flags.public}
	s.keep.settle = s.keepTokens()
	if p, ok := watch.(*progress); ok && p.verbose {
		s.watchTokens(p.tokenAsked)
	}
}

// secret reads a secret from the sandbox or from its source, once: each run of
// a batch has the same.
func (s *session) secret(ctx context.Context, src flow.SecretSource) (string, error) {
	if value, ok := setting(s.sandbox, src.Name, src.Env); ok {
		return value, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := src.Folder + " " + sourceOf(src)
	if value, ok := s.secrets[key]; ok {
		return value, nil
	}
	value, err := s.c.secret(ctx, src, s.dir)
	if err == nil {
		if s.secrets == nil {
			s.secrets = map[string]string{}
		}
		s.secrets[key] = value
	}
	return value, err
}

// A result is how one run ended.
type result struct {
	run     datapoints.Run
	err     *flow.Error // nil: it succeeded
	calls   int
	took    time.Duration
	outputs json.RawMessage // as they may be shown
	masked  int
}

// code is the exit code of the run.
func (r *result) code() int {
	if r.err == nil {
		return exitOK
	}
	return exitOf(r.err.Kind)
}

// resultOf gathers what there is to say of a run. The error is one of the
// executor's, or nil.
func (s *session) resultOf(run datapoints.Run, err error, began time.Time) *result {
	r := &result{run: run, took: time.Since(began)}
	if run.Ended.After(run.Started) && run.Started.After(began) {
		r.took = run.Ended.Sub(run.Started)
	}
	if err != nil && !errors.As(err, &r.err) {
		r.err = &flow.Error{Kind: flow.KindInternal, Message: err.Error(), Err: err}
	}
	if r.err != nil {
		shown := *r.err
		shown.Place.File = s.c.shownIn(s.dir, shown.Place.File)
		r.err = &shown
	}
	if run.State == datapoints.Succeeded {
		r.outputs, r.masked = shownOutputs(run, s.outline, s.redactor, s.flags.reveal)
	}
	return r
}

// document is the result as --json prints it.
func (s *session) document(ctx context.Context, r *result) (document, error) {
	steps, err := flow.History(ctx, s.keep, r.run.ID)
	if err != nil {
		return document{}, err
	}
	doc := documentOf(r.run, r.outputs, r.err, steps)
	if r.run.State == datapoints.Running || r.run.State == "" {
		doc.Status = string(datapoints.Interrupted)
	}
	return doc, nil
}

// refuse says why nothing was run, in the form that was asked for.
func (c *Command) refuse(err error, name string, asJSON bool) error {
	var list diag.List
	var e *flow.Error
	switch {
	case errors.As(err, &list):
		c.printList(list)
		e = &flow.Error{Kind: flow.KindFlow, Message: problems(list)}
	case errors.As(err, &e):
		c.complain(e.Message, factLines(e)...)
		for _, h := range e.Hints {
			c.help(h)
		}
	default:
		return err
	}
	if asJSON {
		if err := c.printJSON(refusal(name, e, list), false); err != nil {
			return err
		}
	}
	return said(exitOf(e.Kind))
}

func factLines(e *flow.Error) []string {
	lines := make([]string, len(e.Facts))
	for i, f := range e.Facts {
		lines[i] = f.Name + " " + f.Text
	}
	return lines
}

// sayShort warns of secrets that are too short to be found in texts.
func (s *session) sayShort() {
	if names := s.redactor.Short(); len(names) > 0 {
		s.c.note("warning", "too short to be masked in texts (fewer than 8 characters): %s", strings.Join(names, ", "))
	}
}
