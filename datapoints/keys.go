package datapoints

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Keys are what values are sealed with. Without Master nothing can be opened or
// added, but runs can still be listed and deleted.
type Keys struct {
	Master KeyWrapper   // wraps the keys of runs and of tokens
	Older  []KeyWrapper // open what was wrapped before Master took their place
	Halves Halves       // nil: the store has each run's whole key
}

// Halves keep one half of each run's key apart from the store. Deleting a run
// destroys its half: then no copy of the store that was made before opens for
// that run, not even with the master key. A half by itself is worth nothing. All
// methods may be called concurrently; the contract is tested by
// storetest.RunHalves.
type Halves interface {
	// Keep keeps halves, durably, and gives for each a mark, of at most 255
	// bytes, by which it is found again. A mark is no secret.
	Keep(ctx context.Context, halves ...[]byte) (marks [][]byte, err error)
	// Half gives the half of a mark: ErrDestroyed if it was destroyed,
	// ErrCorrupt if there is none.
	Half(ctx context.Context, mark []byte) ([]byte, error)
	// Destroy makes halves unreadable for ever. Destroying what is not there is
	// no error.
	Destroy(ctx context.Context, marks ...[]byte) error
}

// Seal gives a Store that encrypts as the function Seal does, with these keys.
func (k Keys) Seal(s Store) Store {
	return &sealed{Store: s, with: k, keys: map[string]*runKey{}}
}

// SealTokens gives a TokenCache that encrypts as the function SealTokens does,
// with these keys. Halves do not count: a token ends by itself.
func (k Keys) SealTokens(c TokenCache) TokenCache { return &sealedTokens{c, k} }

// KeyID names the master key that a Run's Key or a TokenEntry's Wrapped was
// wrapped with, "" if there is none. What is damaged is ErrCorrupt.
func KeyID(wrapped []byte) (string, error) {
	if len(wrapped) == 0 {
		return "", nil
	}
	w, err := openWrapped(wrapped)
	return w.id, err
}

// unwrap undoes wrap, with whichever master key it was.
func (k Keys) unwrap(ctx context.Context, w wrapped) ([]byte, error) {
	for _, m := range append([]KeyWrapper{k.Master}, k.Older...) {
		if m != nil && m.ID() == w.id {
			return m.Unwrap(ctx, w.key)
		}
	}
	if k.Master == nil {
		return nil, fmt.Errorf("%w (it was sealed with key %q, and no key is given)", ErrKey, w.id)
	}
	return nil, fmt.Errorf("%w (it was sealed with key %q, this is key %q)", ErrKey, w.id, k.Master.ID())
}

func (k Keys) wrap(ctx context.Context, key []byte) (wrapped, error) {
	if k.Master == nil {
		return wrapped{}, errors.New("there is no master key")
	}
	w := wrapped{id: k.Master.ID()}
	if len(w.id) > 255 {
		return wrapped{}, errors.New("the name of the key is longer than 255 bytes")
	}
	var err error
	w.key, err = k.Master.Wrap(ctx, key)
	return w, err
}

// newKeys makes keys for n runs, and gives each as it is kept, too.
func (k Keys) newKeys(ctx context.Context, n int) ([]*runKey, [][]byte, error) {
	keys, kept := make([]*runKey, n), make([][]byte, n)
	var halves, marks [][]byte
	if k.Halves != nil {
		for range n {
			halves = append(halves, randomKey())
		}
		var err error
		if marks, err = k.Halves.Keep(ctx, halves...); err != nil {
			return nil, nil, fmt.Errorf("a half of its key cannot be kept: %w", err)
		}
	}
	for i := range n {
		key := randomKey()
		w, err := k.wrap(ctx, key)
		if err != nil {
			return nil, nil, fmt.Errorf("its key cannot be wrapped: %w", err)
		}
		if halves != nil {
			w.mark = marks[i]
			if key, err = join(key, halves[i]); err != nil {
				return nil, nil, err
			}
		}
		if keys[i], err = newRunKey(key); err != nil {
			return nil, nil, err
		}
		kept[i] = w.bytes()
	}
	return keys, kept, nil
}

// open gives the key that is kept as kept.
func (k Keys) open(ctx context.Context, kept []byte) (*runKey, error) {
	w, err := openWrapped(kept)
	if err != nil {
		return nil, err
	}
	key, err := k.unwrap(ctx, w)
	if err != nil {
		return nil, err
	}
	if w.mark != nil {
		if k.Halves == nil {
			return nil, fmt.Errorf("%w: one half of it is kept elsewhere, and is not given", ErrKey)
		}
		half, err := k.Halves.Half(ctx, w.mark)
		if err != nil {
			return nil, err
		}
		if key, err = join(key, half); err != nil {
			return nil, err
		}
	}
	return newRunKey(key)
}

// destroy destroys the half of a key that is kept as kept, if it has one.
func (k Keys) destroy(ctx context.Context, kept []byte) error {
	w, err := openWrapped(kept)
	if err != nil || w.mark == nil || k.Halves == nil {
		return nil // there is nothing that could be destroyed
	}
	return k.Halves.Destroy(ctx, w.mark)
}

// join makes a run's key of its halves (HKDF, RFC 5869).
func join(a, b []byte) ([]byte, error) {
	return hkdf.Key(sha256.New, append(append([]byte{}, a...), b...), nil, "stepwell run key of two halves", 32)
}

func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return key
}
