package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A Repeat does something time and again until it is stopped. The zero Repeat
// does nothing yet.
type Repeat struct {
	mu      sync.Mutex
	stopped bool
	timer   *time.Timer // nil: nothing was begun
}

// Every does f after each d, as long as f says that there is more to do.
func (r *Repeat) Every(d time.Duration, f func() (more bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(d, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.stopped && f() {
			r.timer.Reset(d)
		}
	})
}

// Stop returns when nothing is being done any more.
func (r *Repeat) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// A Keeper renews a lease, three times in each of its lives, until it is stopped.
type Keeper struct {
	Repeat
	ctx   context.Context
	store datapoints.Store
	ttl   time.Duration
	lost  func()
	lease datapoints.Lease
}

// Keep makes a Keeper. lost is called when another process has taken the run over.
func Keep(ctx context.Context, s datapoints.Store, l datapoints.Lease, ttl time.Duration, lost func()) *Keeper {
	k := &Keeper{ctx: ctx, store: s, ttl: ttl, lost: lost, lease: l}
	k.Every(ttl/3, k.renew)
	return k
}

func (k *Keeper) renew() (more bool) {
	if errors.Is(k.store.Commit(k.ctx, k.lease), datapoints.ErrLeaseLost) {
		k.lost()
		return false
	}
	now := time.Now()
	k.lease.Until = now.Add(k.ttl)
	_, _ = k.store.Claim(k.ctx, k.lease, now, nil) // of other errors the next commit tells
	return true
}

// AfterGrace calls abort when ctx has been over for a while, unless the run is
// over before: then the function that it gives is called.
func AfterGrace(ctx context.Context, grace time.Duration, abort func()) (over func()) {
	if ctx.Done() == nil {
		return func() {} // it never ends
	}
	var mu sync.Mutex
	var timer *time.Timer
	ended := false
	unhook := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		if !ended {
			timer = time.AfterFunc(grace, abort)
		}
	})
	return func() {
		unhook()
		mu.Lock()
		defer mu.Unlock()
		if ended = true; timer != nil {
			timer.Stop()
		}
	}
}

// Under is a context that ends with one and has the values of another.
type Under struct {
	context.Context
	Values context.Context
}

// Value implements context.Context.
func (u Under) Value(key any) any { return u.Values.Value(key) }
