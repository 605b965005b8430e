package datapoints

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
)

// A Rekeyer is a Store in which the wrapped keys of runs can be replaced, which
// Rewrap needs. The contract is tested by storetest.Run.
type Rekeyer interface {
	Store
	// Rekey makes New the Key of each run whose Key is Old, all of them or none,
	// whoever works on the runs. Runs that are not there, and those with another
	// key, stay as they are. It gives how many were replaced.
	Rekey(ctx context.Context, changes ...KeyChange) (int, error)
}

// A KeyChange is what becomes of a run's Key.
type KeyChange struct {
	Run      string
	Old, New []byte
}

// Rewrapped says what Rewrap and RewrapTokens found. Notes among the tokens are
// wrapped anew as well, and are not counted.
type Rewrapped struct {
	Done     int     // were wrapped with another key and now are with Master
	Before   int     // were wrapped with Master already
	Unsealed int     // have no key
	Failed   []error // of those that could not be unwrapped; they stay as they are
}

const rewrapBatch = 100

// Rewrap wraps the keys of all runs in s, the store below a sealed one, with
// k.Master; those of k.Older open them. The runs' own keys, and so all values,
// stay as they are. It works in batches, each of which is replaced whole or not
// at all: after an error or a crash, whatever was done counts, and calling Rewrap
// again goes on. Runs may be created, worked on and deleted meanwhile; those that
// other processes add with an older key are found, too, if they are there before
// the end.
//
// An older key is no longer needed when nothing has failed and no process uses it.
func Rewrap(ctx context.Context, s Rekeyer, k Keys) (Rewrapped, error) {
	var all Rewrapped
	for first := true; ; first = false {
		var pass Rewrapped
		err := k.rewrapAll(ctx, s, &pass)
		if first {
			all.Before, all.Unsealed = pass.Before, pass.Unsealed
		}
		all.Done += pass.Done
		all.Failed = pass.Failed
		if err != nil || pass.Done == 0 {
			return all, err
		}
	}
}

// rewrapAll goes once through all runs, the newest first.
func (k Keys) rewrapAll(ctx context.Context, s Rekeyer, r *Rewrapped) error {
	f := Filter{Limit: rewrapBatch}
	for {
		list, err := s.List(ctx, f)
		if err != nil {
			return err
		}
		var changes []KeyChange
		for i := range list {
			if c, ok := k.change(ctx, &list[i], r); ok {
				changes = append(changes, c)
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(changes) > 0 {
			n, err := s.Rekey(ctx, changes...)
			if err != nil {
				return err
			}
			r.Done += n
		}
		if len(list) < f.Limit {
			return nil
		}
		f.Before = list[len(list)-1].ID
	}
}

// change is what is to become of a run's key, if anything.
func (k Keys) change(ctx context.Context, run *Run, r *Rewrapped) (KeyChange, bool) {
	if len(run.Key) == 0 {
		r.Unsealed++
		return KeyChange{}, false
	}
	w, err := openWrapped(run.Key)
	if err == nil && w.id == k.Master.ID() {
		r.Before++
		return KeyChange{}, false
	}
	var next wrapped
	if err == nil {
		next, err = k.rewrap(ctx, w)
	}
	if err != nil {
		r.Failed = append(r.Failed, damaged(run.ID, err, "its key"))
		return KeyChange{}, false
	}
	return KeyChange{run.ID, run.Key, next.bytes()}, true
}

// rewrap also undoes what it did, for what cannot be undone is lost.
func (k Keys) rewrap(ctx context.Context, w wrapped) (wrapped, error) {
	key, err := k.unwrap(ctx, w)
	if err != nil {
		return wrapped{}, err
	}
	next, err := k.wrap(ctx, key)
	if err != nil {
		return wrapped{}, err
	}
	again, err := k.unwrap(ctx, next)
	if err == nil && subtle.ConstantTimeCompare(key, again) != 1 {
		err = errors.New("the new key does not unwrap what it wraps")
	}
	next.mark = bytes.Clone(w.mark)
	return next, err
}

// RewrapTokens wraps the keys of all tokens in c, the cache below a sealed one,
// with k.Master. Each becomes the next generation of its entry, whose secret is
// sealed anew; one that another process replaces meanwhile is looked at again.
func RewrapTokens(ctx context.Context, c TokenCache, k Keys) (Rewrapped, error) {
	var r Rewrapped
	list, err := c.Tokens(ctx)
	if err != nil {
		return r, err
	}
	for _, e := range list {
		one := 1
		if e.IsNote() {
			one = 0
		}
		switch id, err := KeyID(e.Wrapped); {
		case err == nil && id == "":
			r.Unsealed += one
		case err == nil && id == k.Master.ID():
			r.Before += one
		default:
			if err := k.rewrapToken(ctx, c, e.Key); err == nil {
				r.Done += one
			} else if ctx.Err() != nil {
				return r, ctx.Err()
			} else if !errors.Is(err, ErrNoToken) {
				r.Failed = append(r.Failed, err)
			}
		}
	}
	return r, nil
}

func (k Keys) rewrapToken(ctx context.Context, c TokenCache, key string) (err error) {
	sealed := k.SealTokens(c)
	for range 10 {
		var e TokenEntry
		if e, err = sealed.Token(ctx, key); err != nil {
			return err
		}
		e.Generation++
		if err = sealed.PutToken(ctx, e); !errors.Is(err, ErrTokenChanged) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("the token cannot be sealed anew: %w", err)
	}
	return nil
}
