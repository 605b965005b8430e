package flow

import (
	"context"
	"errors"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// An Engine drives a walk: it does tasks, sleeps, waits for messages, and runs
// branches. It sees control information only, so that a durable engine can
// keep and replay it without holding anything a user or a server said.
//
// A task that is recorded is answered from the record at once, also in a
// context that was stopped.
type Engine interface {
	// Do does one task. An error means that the engine failed or was stopped
	// (ErrStopped, ErrPaused, ErrInterrupted), not that the step failed.
	Do(ctx context.Context, t Task) (Outcome, error)
	// SleepUntil returns at t, or earlier with ErrStopped, ErrPaused or ErrInterrupted.
	SleepUntil(ctx context.Context, t time.Time) error
	// Await returns when a message for the task may be in the store, or at
	// until (zero: never). The next Do reads the message.
	Await(ctx context.Context, t Task, until time.Time) error
	// Each calls f for 0 to n-1, started in order, at most atOnce at a time.
	// When one returns a *Failure the others are stopped: they start nothing
	// more. The error is the gravest: the engine's own, interrupted, paused,
	// the failure that is first in order, stopped.
	Each(ctx context.Context, n, atOnce int, f func(ctx context.Context, i int) error) error
	// Shield gives a context that a stop of ctx does not reach, for finally.
	Shield(ctx context.Context) context.Context
}

// A Phase is a part of a node that is done as one task.
type Phase uint8

// A leaf is one Try, again and again. What has parts is Enter, the parts,
// Leave; then Catch if it failed.
const (
	Enter Phase = iota + 1
	Try
	Catch
	Leave
)

// A Task is one phase of one node: names and numbers only.
type Task struct {
	Run, Path string
	Node      int // index in the plan, so that nobody parses a path
	Phase     Phase
	N         int       // 0: begin or go on; else the Next of the last answer
	Cause     string    // catch, leave, enter of finally: the path whose record holds the failure
	Deadline  time.Time // the nearest of the enclosing timeouts; zero: none
}

// An Outcome is the answer to a Task: control information only. Until and
// Deadline are already cut to the task's deadline.
type Outcome = datapoints.Outcome

// A Failure is a step's failure as Walk sees it: the only error that is a
// step's. The text stays in the store.
type Failure struct {
	Path string // whose record holds it
	Kind Kind
}

func (f *Failure) Error() string { return "step " + f.Path + " failed: " + string(f.Kind) }

// What an Engine's methods return when a walk does not go on. Every other
// error that is not a *Failure means that the engine is broken.
var (
	ErrStopped     = errors.New("stopped")     // by a sibling's failure or a cancel: no catch, no leave, but finally
	ErrPaused      = errors.New("paused")      // every branch waits; nothing at all runs
	ErrInterrupted = errors.New("interrupted") // nothing at all runs
)
