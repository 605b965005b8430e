// Package inbox is how others reach a run: the address under which they do,
// what they may leave, and how a process that works on the run hears of it.
package inbox

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/walk"
)

// An Ear is what one run in this process listens with.
type Ear struct {
	Journal   *walk.Journal
	known     atomic.Int32 // messages that were told of
	cancelled atomic.Bool
	again     record.Repeat // of looking into the store
}

// Cancelled says whether somebody wishes the run to be cancelled.
func (e *Ear) Cancelled() bool { return e.cancelled.Load() }

// Cancel makes the run stop.
func (e *Ear) Cancel() {
	e.cancelled.Store(true)
	e.Journal.Cancel()
}

// hear is told of all messages that were left.
func (e *Ear) hear(mail []datapoints.Message) {
	if slices.ContainsFunc(mail, func(m datapoints.Message) bool { return m.Name == "" }) {
		e.Cancel()
	}
	if n := int32(len(mail)); e.known.Swap(n) != n {
		e.Journal.Deliver()
	}
}

// Missed says of a run that has just paused that somebody has left a message
// since it last heard of one.
func (e *Ear) Missed(ctx context.Context, s datapoints.Store, run string) bool {
	got, err := s.Read(ctx, run, datapoints.Query{Mail: true})
	return err == nil && len(got.Mail) > int(e.known.Load())
}

// Ears are those of all runs that this process works on. The zero Ears is ready.
type Ears struct {
	mu   sync.Mutex
	runs map[string]*Ear
}

// Of is the ear of a run, nil if this process does not work on it.
func (s *Ears) Of(run string) *Ear {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.runs[run]
}

// Enter says that this process begins to work on a run, until Leave is called; it
// is false if it does so already: an owner that claims its own run gets it.
func (s *Ears) Enter(run string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.runs[run]; there {
		return false
	}
	if s.runs == nil {
		s.runs = map[string]*Ear{}
	}
	s.runs[run] = nil
	return true
}

// Leave ends Enter.
func (s *Ears) Leave(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, run)
}

// Listen makes that messages reach a run that was entered, until Deafen is called:
// those that are there, those that this process leaves at once, and those of others
// when the store is looked at. In a store that does not last nobody else can leave
// any. Of errors of the store its next commit tells.
func (s *Ears) Listen(ctx context.Context, from datapoints.Store, run string, e *Ear) {
	s.mu.Lock()
	s.runs[run] = e
	s.mu.Unlock()
	e.listen(ctx, from, run)
	if from.Traits().Lasts {
		e.again.Every(look, func() bool { e.listen(ctx, from, run); return true })
	}
}

// Deafen ends Listen.
func (e *Ear) Deafen() { e.again.Stop() }

// look is how often a store is looked into for what others have left there.
const look = time.Second

// listen hears of the messages that were left for a run, of all each time.
func (e *Ear) listen(ctx context.Context, from datapoints.Store, run string) {
	if got, err := from.Read(ctx, run, datapoints.Query{Mail: true}); err == nil && len(got.Mail) > 0 {
		e.hear(got.Mail)
	}
}
