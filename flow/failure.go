package flow

import (
	"time"

	"github.com/stepwell/stepwell/flow/diag"
)

// A Kind says what sort of failure ended a step or a run.
type Kind string

// The kinds of the flow language; see docs/language.md.
const (
	KindFlow        Kind = "flow" // the file is not valid; nothing was sent
	KindHTTP        Kind = "http"
	KindNetwork     Kind = "network"
	KindTimeout     Kind = "timeout"
	KindExtract     Kind = "extract"
	KindGraphQL     Kind = "graphql"
	KindData        Kind = "data"
	KindExpression  Kind = "expression"
	KindLimit       Kind = "limit"
	KindFailed      Kind = "failed" // a `fail` step
	KindAction      Kind = "action"
	KindExpect      Kind = "expect"
	KindInput       Kind = "input"
	KindSecret      Kind = "secret"
	KindAuth        Kind = "auth"
	KindStore       Kind = "store"
	KindInternal    Kind = "internal" // a bug
	KindPaused      Kind = "paused"
	KindUnknown     Kind = "unknown" // not known whether a call was processed
	KindCancelled   Kind = "cancelled"
	KindInterrupted Kind = "interrupted"
)

// An Error is why a step or a run failed. Actions return it, and a run that
// does not succeed ends with it. Its texts may hold what a server answered:
// the executor redacts them before anybody sees them.
type Error struct {
	Kind    Kind
	Message string        // what happened, in one line
	Hints   []string      // what to do
	Facts   []Fact        // what was sent, what came back, the parts of an expectation
	Step    string        // path; filled in by the executor
	Place   diag.Span     // in the author's file; filled in by the executor
	Status  int           // of the answer; 0: there was none
	Body    []byte        // of the answer, at most 64 KiB
	Sent    bool          // the request may have left, and no complete answer came
	Refused bool          // certain not to have been processed although it was sent (425, 429, 503 with Retry-After)
	After   time.Duration // Retry-After, or 0
	Err     error         // the cause, for errors.Is
}

// A Fact is one line below an error: "answered  401 Unauthorized".
type Fact struct{ Name, Text string }

func (e *Error) Error() string {
	if e.Step == "" {
		return e.Message
	}
	return "step " + e.Step + ": " + e.Message
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }
