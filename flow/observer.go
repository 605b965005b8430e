package flow

import (
	"context"
	"time"
)

// An Observer is told what a run does: progress, logs, metrics and traces are
// observers. Begin is called when something begins and gives the function to
// call when it ends, and the context under which what is inside it runs.
// Both may be called from many goroutines. All texts are redacted before.
//
// What a resumed run finds recorded is not begun again.
type Observer interface {
	Begin(ctx context.Context, s Span) (context.Context, func(End))
}

// A SpanKind says what begins.
type SpanKind uint8

// A run holds steps; a step holds steps (blocks, iterations) or attempts.
const (
	RunSpan SpanKind = iota + 1
	StepSpan
	IterationSpan // one item of a loop, when its body is not a leaf of its own
	AttemptSpan
)

// A Span is what begins.
type Span struct {
	Kind    SpanKind
	Run     string
	Flow    string // the flow's name
	Path    string // of the step; "" of the run
	ID      string // of the step
	Title   string // "POST /oauth/token" as far as it is known before rendering
	Count   int    // loop: its items
	Skip    int    // loop: leading items that were finished before a resume
	Attempt int    // of an attempt, from 1
	Limit   int    // of an attempt: how many there may be
	Time    time.Time
}

// An End is how it ended.
type End struct {
	Outcome string    // of a step: done, skipped, failed, caught, unknown, stopped; of a run its state
	Status  int       // of the last answer, or 0
	Error   *Error    // redacted; nil if it did not fail
	Saved   []Saved   // what it saved
	Again   time.Time // attempt: when the next begins; zero: there is none
	Asked   bool      // attempt: the server asked for that time (Retry-After)
	Why     string    // skipped: the condition
	Request *Request  // attempt: what was sent, redacted; nil if nothing was
	Answer  *Result   // attempt: what came back, redacted; Body only if the observer is Verbose
	Took    time.Duration
}

// Saved is a data point that a step saved.
type Saved struct {
	Name  string
	Items int // of a list; -1 of anything else
}

// Verbose is implemented by observers that want headers and bodies.
type Verbose interface{ Verbose() bool }

// nobody observes nothing.
type nobody struct{}

func (nobody) Begin(ctx context.Context, _ Span) (context.Context, func(End)) {
	return ctx, func(End) {}
}
