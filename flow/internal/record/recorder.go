package record

import (
	"context"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A Recorder writes records in order. Those that somebody waits for take the
// earlier ones with them; the others go with the next, at most 5 ms later.
// Calls in flight may be cut, what became of them is written all the same.
type Recorder struct {
	ctx   context.Context // never ends
	store datapoints.Store
	lease datapoints.Lease
	state *State
	lasts bool

	batches *Batches

	mu       sync.Mutex
	ended    sync.Cond
	pending  []datapoints.Record
	spare    []datapoints.Record // to gather the next in: stores keep nothing of what they are given
	added    int                 // records ever added
	durable  int                 // of them, written
	flushing bool
	timer    *time.Timer
	err      error
}

// Batches are memory in which the records of one run after another wait. The
// zero Batches is ready and may be used by several goroutines.
type Batches struct{ free sync.Pool } // of *[]datapoints.Record, cleared

// NewRecorder makes a recorder for the run of a lease. Only the values of ctx count.
func NewRecorder(ctx context.Context, s datapoints.Store, l datapoints.Lease, st *State, from *Batches) *Recorder {
	r := &Recorder{ctx: context.WithoutCancel(ctx), store: s, lease: l, state: st, lasts: s.Traits().Lasts, batches: from}
	r.ended.L = &r.mu
	if b, _ := from.free.Get().(*[]datapoints.Record); b != nil {
		r.pending = *b
	}
	return r
}

// ride is how long a record may wait for company.
const ride = 5 * time.Millisecond

// Err is why nothing can be written any more, or nil.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Add records; wait returns only when it is durable. What was written is a
// prefix of what was added, always.
func (r *Recorder) Add(rec *datapoints.Record, wait bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.state.Put(rec)
	r.pending = append(r.pending, *rec)
	r.added++
	switch {
	case wait || !r.lasts:
		return r.flush(r.added)
	case r.timer == nil:
		r.timer = time.AfterFunc(ride, r.depart)
	}
	return nil
}

// AddAll records in one transaction, what the state knows already, and returns
// when that is durable.
func (r *Recorder) AddAll(records []datapoints.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, records...)
	r.added += len(records)
	return r.flush(r.added)
}

// End writes how the run ended. It is tried also if nothing else could be
// written: then it says less than happened, which resume makes up for.
func (r *Recorder) End(run *datapoints.Run) error {
	rec := datapoints.Record{Bare: true, End: run, At: run.Ended}
	err := r.Add(&rec, true)
	if err == nil {
		r.giveBack()
		return nil
	}
	_ = r.store.Commit(r.ctx, r.lease, rec) // of two errors the first says more
	return err
}

// giveBack gives the memory away that the last records were gathered in.
func (r *Recorder) giveBack() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b := r.pending; len(b) == 0 && cap(b) > 0 && cap(b) <= mostKept {
		r.pending = nil
		r.batches.free.Put(&b)
	}
}

// mostKept is how many records memory may be kept for.
const mostKept = 64

func (r *Recorder) depart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.flush(r.added)
}

// flush, with mu held, returns when upTo records are written. One caller
// writes for all that wait.
func (r *Recorder) flush(upTo int) error {
	for r.err == nil && r.durable < upTo {
		if r.flushing {
			r.ended.Wait()
			continue
		}
		batch, n := r.pending, len(r.pending)
		r.pending, r.spare, r.flushing = r.spare, nil, true
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
		r.mu.Unlock()
		err := r.store.Commit(r.ctx, r.lease, batch...)
		r.mu.Lock()
		r.flushing = false
		clear(batch)
		if r.pending == nil {
			r.pending = batch[:0]
		} else {
			r.spare = batch[:0]
		}
		if r.durable += n; err != nil {
			r.err = err
		}
		r.ended.Broadcast()
	}
	return r.err
}
