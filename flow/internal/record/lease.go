package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A Keeper renews a lease, three times in each of its lives, until it is stopped.
type Keeper struct {
	ctx   context.Context
	store datapoints.Store
	ttl   time.Duration
	lost  func()

	mu      sync.Mutex
	lease   datapoints.Lease
	stopped bool
	timer   *time.Timer
}

// Keep makes a Keeper. lost is called when another process has taken the run over.
func Keep(ctx context.Context, s datapoints.Store, l datapoints.Lease, ttl time.Duration, lost func()) *Keeper {
	k := &Keeper{ctx: ctx, store: s, ttl: ttl, lost: lost, lease: l}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(ttl/3, k.renew)
	return k
}

func (k *Keeper) renew() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stopped {
		return
	}
	if errors.Is(k.store.Commit(k.ctx, k.lease), datapoints.ErrLeaseLost) {
		k.lost()
		return
	}
	now := time.Now()
	k.lease.Until = now.Add(k.ttl)
	_, _ = k.store.Claim(k.ctx, k.lease, now, nil) // of other errors the next commit tells
	k.timer.Reset(k.ttl / 3)
}

// Stop returns when nothing is being renewed any more.
func (k *Keeper) Stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
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
