package datapoints

import (
	"errors"
	"strings"
	"time"
)

// What follows are rules of the contract that every Store needs.

// CheckNew says what is wrong with a run that is to be created.
func CheckNew(r Run) error {
	if r.ID == "" {
		return errors.New("a run needs an id")
	}
	return nil
}

// NewLease gives the run with the lease that Create records: with an owner its
// epoch is at least 1 and its Run the id; without one it is empty.
func NewLease(r Run) Run {
	if r.Lease.Owner == "" {
		r.Lease = Lease{}
		return r
	}
	r.Lease.Run = r.ID
	r.Lease.Epoch = max(r.Lease.Epoch, 1)
	return r
}

// Claimed gives the lease that a claim makes of l, the one that is recorded.
func (l Lease) Claimed(c Lease, now time.Time, dead func(owner string) bool) (Lease, error) {
	if c.Owner == "" {
		return Lease{}, errors.New("a claim needs an owner")
	}
	if l.Owner == c.Owner {
		c.Epoch = l.Epoch
		return c, nil
	}
	if l.Owner != "" && l.Until.After(now) && (dead == nil || !dead(l.Owner)) {
		return Lease{}, &ClaimedError{l}
	}
	c.Epoch = l.Epoch + 1
	return c, nil
}

// Holds says whether l, the lease that is recorded, is the one of a writer.
// A lease whose time is over holds until somebody else claims the run.
func (l Lease) Holds(writer Lease) bool {
	return l.Owner != "" && l.Epoch == writer.Epoch
}

// Matches says whether List gives the run, but for Limit.
func (f Filter) Matches(r *Run) bool {
	return (f.Flow == "" || r.Flow == f.Flow) &&
		(f.Batch == "" || r.Batch == f.Batch) &&
		(f.State == "" || r.State == f.State) &&
		strings.HasPrefix(r.ID, f.Prefix) &&
		(f.Before == "" || r.ID < f.Before)
}

// applyEnd makes what a record's End says part of the run.
func (e *Run) applyEnd(r *Run) {
	r.State, r.Kind, r.At, r.Done = e.State, e.Kind, e.At, e.Done
	r.Started, r.Ended, r.Wake = e.Started, e.Ended, e.Wake
	r.Outputs, r.Failure = e.Outputs, e.Failure
	if e.State != Running {
		r.Lease = Lease{Run: r.ID, Epoch: r.Lease.Epoch}
	}
}

// MessageOf is the Message that a commit leaves, nil if it leaves none. One that
// comes with other records is an error. It is for those who write a Store.
func MessageOf(records []Record) (*Message, error) {
	for i := range records {
		if records[i].Message == nil {
			continue
		}
		if len(records) > 1 {
			return nil, errors.New("a message is committed alone")
		}
		return records[0].Message, nil
	}
	return nil, nil
}

// IsOver says of a state that nothing more becomes of the run: it has
// succeeded, or was cancelled. Every other run may go on.
func IsOver(s State) bool { return s == Succeeded || s == Cancelled }
