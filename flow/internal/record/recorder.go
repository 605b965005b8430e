package record

import (
	"context"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A Recorder writes records in order. Those that somebody waits for take the
// earlier ones with them; the others go with the next, at most 5 ms later.
type Recorder struct {
	store datapoints.Store
	lease datapoints.Lease
	state *State
	lasts bool

	mu       sync.Mutex
	ended    *sync.Cond
	pending  []datapoints.Record
	added    int // records ever added
	durable  int // of them, written
	flushing bool
	timer    *time.Timer
	err      error
}

func NewRecorder(s datapoints.Store, l datapoints.Lease, st *State) *Recorder {
	r := &Recorder{store: s, lease: l, state: st, lasts: s.Traits().Lasts}
	r.ended = sync.NewCond(&r.mu)
	return r
}

// ride is how long a record may wait for company.
const ride = 5 * time.Millisecond

// Add records; wait returns only when it is durable. What was written is a
// prefix of what was added, always.
func (r *Recorder) Add(ctx context.Context, rec datapoints.Record, wait bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.state.Put(&rec)
	r.pending = append(r.pending, rec)
	r.added++
	switch {
	case wait || !r.lasts:
		return r.flush(ctx, r.added)
	case r.timer == nil:
		r.timer = time.AfterFunc(ride, func() { _ = r.Close(context.WithoutCancel(ctx)) })
	}
	return nil
}

// AddAll records in one transaction and returns when that is durable.
func (r *Recorder) AddAll(ctx context.Context, records []datapoints.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, records...)
	r.added += len(records)
	return r.flush(ctx, r.added)
}

// Close writes all that is pending.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flush(ctx, r.added)
}

// flush, with mu held, returns when upTo records are written. One caller
// writes for all that wait.
func (r *Recorder) flush(ctx context.Context, upTo int) error {
	for r.err == nil && r.durable < upTo {
		if r.flushing {
			r.ended.Wait()
			continue
		}
		batch := r.pending
		r.pending, r.flushing = nil, true
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
		r.mu.Unlock()
		err := r.store.Commit(ctx, r.lease, batch...)
		r.mu.Lock()
		r.flushing = false
		if r.durable += len(batch); err != nil {
			r.err = err
		}
		r.ended.Broadcast()
	}
	return r.err
}
