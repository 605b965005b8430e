package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// startBatch makes a run for each row, all or none, and drives them, so many
// at a time. One that fails does not stop the others.
func (s *session) startBatch(ctx context.Context, rows []flow.Inputs) error {
	batch := newBatch(time.Now())
	p := newBatchProgress(s.c.Stderr, s.c.errLook(), s.plan.Name(), batch, len(rows))
	s.begin(p)
	runs, err := s.executor.Create(ctx, s.plan, batch, rows...)
	if err != nil {
		return s.c.refuse(err, s.plan.Name(), s.flags.json)
	}
	return s.driveBatch(ctx, p, runs, func(ctx context.Context, r datapoints.Run) (datapoints.Run, error) {
		return s.executor.Start(ctx, s.plan, r.ID)
	})
}

// batchPrefix begins the ids of batches, so that none is taken for a run's.
const batchPrefix = "batch-"

// newBatch is the id of a batch: when it was made, and something random.
func newBatch(now time.Time) string {
	return batchPrefix + now.UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
}

// driveBatch drives runs, at most flags.jobs at a time, and prints one line on
// stdout for each, in their order, as soon as all before it are over.
func (s *session) driveBatch(ctx context.Context, p *batchProgress, runs []datapoints.Run, drive func(context.Context, datapoints.Run) (datapoints.Run, error)) error {
	p.start()
	stop := context.AfterFunc(ctx, func() { p.notice(stopping) })
	defer stop()
	s.abandoned(p.close, func() string { return p.batch })
	began := time.Now()
	line := &orderly{print: func(r *result) error { return p.aside(func() error { return s.printRow(r) }) }, waiting: map[int]*result{}}
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(s.flags.jobs, len(runs)) {
		workers.Go(func() {
			for i := range next {
				at := time.Now()
				run, err := drive(ctx, runs[i])
				if run.ID == "" {
					run = runs[i]
				}
				r := s.resultOf(run, err, at)
				p.ended(i, r)
				line.add(i, r)
			}
		})
	}
	started := 0
	for ; started < len(runs) && ctx.Err() == nil; started++ {
		select {
		case next <- started:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	workers.Wait()
	p.close()
	code, masked := line.code, line.masked
	if ctx.Err() != nil && started < len(runs) {
		code = gravest(code, exitInterrupted)
	}
	s.printBatchSummary(p, time.Since(began), code, line.unknown)
	if !s.flags.json {
		s.c.sayMasked(masked)
	}
	s.sayShort()
	return said(code)
}

// An orderly prints results in the order of their numbers, however they come.
type orderly struct {
	print   func(*result) error
	mu      sync.Mutex
	next    int
	waiting map[int]*result
	code    int
	masked  int
	unknown []datapoints.Run // runs that want a decision
}

func (o *orderly) add(i int, r *result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting[i] = r
	o.code = gravest(o.code, r.code())
	o.masked += r.masked
	if r.run.State == datapoints.Unknown {
		o.unknown = append(o.unknown, r.run)
	}
	for r := o.waiting[o.next]; r != nil; r = o.waiting[o.next] {
		delete(o.waiting, o.next)
		o.next++
		if err := o.print(r); err != nil {
			o.code = gravest(o.code, exitUsage)
		}
	}
}

// printRow prints one run of a batch on one line: its outputs, null if it did
// not succeed, or the document.
func (s *session) printRow(r *result) error {
	if !s.flags.json {
		return s.c.printOutputs(r.outputs, true)
	}
	doc, err := s.document(context.Background(), r)
	if err != nil {
		return err
	}
	return s.c.printJSON(doc, true)
}

func (s *session) printBatchSummary(p *batchProgress, took time.Duration, code int, unknown []datapoints.Run) {
	c := s.c
	l := c.errLook()
	dot := " " + l.text("·") + " "
	runs := count(p.total, "run")
	if code == exitOK {
		fmt.Fprintf(c.Stderr, "\n%s%s%s\n", l.paint(green, l.sign("✓")+" succeeded"), dot+runs, dot+short(took))
		return
	}
	word, colour, sign := fmt.Sprintf("%d of %s did not succeed", p.total-p.succeeded-p.paused, runs), red, "✗"
	switch {
	case code == exitInterrupted || code == exitTerminated:
		word, colour, sign = fmt.Sprintf("interrupted: %d of %s succeeded", p.succeeded, runs), yellow, "⏸"
	case code == exitPaused:
		word, colour, sign = fmt.Sprintf("%d of %s paused", p.paused, runs), yellow, "⏸"
	case p.paused > 0:
		word += fmt.Sprintf(", %d paused", p.paused)
	}
	fmt.Fprintf(c.Stderr, "\n%s%s\n", l.paint(colour, l.sign(sign)+" "+word), dot+short(took))
	if s.sandbox != nil || s.keep.file == "" {
		return
	}
	// A batch does not go on past a call that is unknown: its run comes first.
	const shown = 3
	for i, run := range unknown {
		if i == shown {
			fmt.Fprintf(c.Stderr, "  and %d more of status unknown\n", len(unknown)-shown)
			break
		}
		fmt.Fprintf(c.Stderr, "  decide of row %d: %s\n", run.Row+1, l.paint(bold, s.resumeCommand(run)))
	}
	if len(unknown) < p.total-p.succeeded {
		fmt.Fprintf(c.Stderr, "  go on with: %s\n", l.paint(bold, s.resumeCommand(datapoints.Run{ID: p.batch})))
	}
}
