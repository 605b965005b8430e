package record

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// Keep renews a lease until stop is called. lost is called when another
// process has taken the run over.
func Keep(ctx context.Context, s datapoints.Store, l datapoints.Lease, ttl time.Duration, lost func()) (stop func()) {
	var mu sync.Mutex
	stopped := false
	var timer *time.Timer
	again := func() {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		if errors.Is(s.Commit(ctx, l), datapoints.ErrLeaseLost) {
			lost()
			return
		}
		now := time.Now()
		l.Until = now.Add(ttl)
		_, _ = s.Claim(ctx, l, now, nil) // of other errors the next commit tells
		timer.Reset(ttl / 3)
	}
	mu.Lock()
	timer = time.AfterFunc(ttl/3, again)
	mu.Unlock()
	return func() {
		timer.Stop()
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		timer.Stop()
	}
}

// AfterGrace calls abort when ctx has been over for a while, unless the run is
// over before: then the function that it gives is called.
func AfterGrace(ctx context.Context, grace time.Duration, abort func()) (over func()) {
	if ctx.Done() == nil {
		return func() {}
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
