package flow

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A StepRecord is what is recorded of one step of a run, for people and tools.
type StepRecord struct {
	Path     string
	Outcome  string // done, skipped, failed, caught, unknown, stopped
	Started  time.Time
	Ended    time.Time // zero: it has not ended
	Status   int       // of the last answer (HTTP), or 0
	Count    int       // of a loop: its items
	Attempts []datapoints.Attempt
	Error    *Error // why it failed, or nil
	Assumed  string // "sent" or "not-sent": what an operator decided
}

// History gives what is recorded of a run's steps, loops and their iterations
// with them, in the order in which they began. A run that has recorded nothing,
// or is not there, has none.
func History(ctx context.Context, s datapoints.Store, run string) ([]StepRecord, error) {
	got, err := s.Read(ctx, run, datapoints.Query{Rows: true, Attempts: true})
	if err != nil {
		return nil, storeError("the run cannot be read", err)
	}
	var records []StepRecord
	for _, e := range got.Rows {
		if !isStep(e.Path) {
			continue
		}
		r := e.Row
		hidden := unseal(r.Hidden)
		record := StepRecord{Path: e.Path, Outcome: outcome(&r), Started: r.Started, Ended: r.Ended, Status: r.Status,
			Count: r.Enter.Count, Attempts: got.Attempts[e.Path], Assumed: r.Assumed}
		if hidden.Fault != nil && record.Outcome != "done" && record.Outcome != "skipped" {
			record.Error = hidden.Fault.error()
		}
		records = append(records, record)
	}
	return records, nil
}

// FailureOf is why a recorded run did not succeed, or nil.
func FailureOf(r datapoints.Run) *Error {
	var f fault
	if r.Failure.IsZero() || json.Unmarshal([]byte(r.Failure.Reveal()), &f) != nil {
		return nil
	}
	return f.error()
}

// isStep says whether a path is that of a step or an iteration, and not of the
// run, a clause, or the part after else or finally.
func isStep(path string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	return last != "" && last != "else" && last != "finally" && !strings.HasPrefix(last, "catch[")
}
