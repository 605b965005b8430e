package flow

import (
	"context"

	"github.com/stepwell/stepwell/flow/walk"
)

// An Engine drives a walk. It sees control information only, so that a durable
// engine can keep and replay it without holding anything that a user or a
// server said. The contract stands at each of its methods.
type Engine = walk.Engine

// A Task is one phase of one node: names and numbers only.
type Task = walk.Task

// A Phase is a part of a node that is done as one task. A leaf is one Try,
// again and again. What has parts is Enter, the parts, Leave; then Catch if it
// failed.
type Phase = walk.Phase

// The phases.
const (
	Enter = walk.Enter
	Try   = walk.Try
	Catch = walk.Catch
	Leave = walk.Leave
)

// An Outcome is the answer to a Task: control information only.
type Outcome = walk.Outcome

// A Failure is a step's failure as Walk sees it. Its text stays in the store.
type Failure = walk.Failure

// What an Engine's methods return when a walk does not go on.
var (
	ErrStopped     = walk.ErrStopped     // by a sibling's failure or a cancel: no catch, no leave, but finally
	ErrPaused      = walk.ErrPaused      // every branch waits; nothing at all runs
	ErrInterrupted = walk.ErrInterrupted // nothing at all runs
)

// Walk interprets a plan over an engine. It uses no clock, no randomness, no
// goroutine, no expression and no data, and derives no context: walking again
// over the same records gives the same tasks in the same order, which is what
// resume and durable engines rest on.
//
// It returns nil, a *Failure, ErrStopped, ErrPaused, ErrInterrupted, or the
// engine's own error.
func Walk(ctx context.Context, p *Plan, run string, e Engine) error {
	return walk.Walk(ctx, p.compiled, run, e)
}
