package datapoints

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A TokenEntry is what a TokenCache keeps under one key. Times come back as the
// same instants, the zero time as the zero time. Everything but Secret is
// control information. One whose Key begins with # is a note of the token
// client's own, and no token.
type TokenEntry struct {
	Key        string // names the token without telling anything of it
	Generation int64  // 1 for the first entry under a key, one more with each that replaces it
	Name       string // the credential's name in the flow
	Run        string // the run that obtained it, or ""
	Rejected   bool   // whoever it was for refused it
	Obtained   time.Time
	Soft       time.Time // from then on it should be renewed
	Until      time.Time // from then on it must not be used
	Expires    time.Time
	Secret     Value  // the tokens and what belongs to them, JSON
	Wrapped    []byte // the key that seals Secret, wrapped by the master key; written and read by SealTokens alone
}

// IsNote says whether the entry is no token but a note of the token client's own.
func (e TokenEntry) IsNote() bool { return strings.HasPrefix(e.Key, "#") }

// A TokenCache keeps tokens for later runs and for other processes. All methods
// may be called concurrently. What a method without an error has written is
// durable, for a cache that lasts, and seen by every call that begins later, also
// by another process. A cache shares no memory with its callers. With a context
// that is done nothing is written or read. The contract is tested by
// storetest.RunTokens.
type TokenCache interface {
	// Token gives the entry under a key: ErrNoToken if there is none. One that
	// cannot be opened is ErrCorrupt or ErrKey, and comes with its Generation, so
	// that it can be replaced.
	Token(ctx context.Context, key string) (TokenEntry, error)
	// PutToken replaces the entry whose generation is e.Generation-1; 0 is none.
	// If something else is there nothing is written, and the error is ErrTokenChanged.
	PutToken(ctx context.Context, e TokenEntry) error
	// Tokens gives all entries in the order of their keys. Those that cannot be
	// opened come without Secret, beside the error.
	Tokens(ctx context.Context) ([]TokenEntry, error)
	// DeleteToken removes an entry. Removing one that is not there is no error.
	DeleteToken(ctx context.Context, key string) error
}

// What a TokenCache's methods fail with, beside ErrCorrupt and ErrKey; test with errors.Is.
var (
	ErrNoToken      = errors.New("there is no such token")
	ErrTokenChanged = errors.New("another process has replaced the token")
)

// MemoryTokens is a TokenCache that ends with the process. Its zero value is empty.
type MemoryTokens struct {
	mu      sync.Mutex
	entries map[string]TokenEntry
}

var _ TokenCache = (*MemoryTokens)(nil)

// Token gives the entry under a key.
func (m *MemoryTokens) Token(ctx context.Context, key string) (TokenEntry, error) {
	if err := ctx.Err(); err != nil {
		return TokenEntry{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.entries[key]
	if !ok {
		return TokenEntry{}, ErrNoToken
	}
	return copyToken(e), nil
}

// PutToken replaces an entry.
func (m *MemoryTokens) PutToken(ctx context.Context, e TokenEntry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[e.Key].Generation != e.Generation-1 {
		return ErrTokenChanged
	}
	if m.entries == nil {
		m.entries = map[string]TokenEntry{}
	}
	m.entries[e.Key] = copyToken(e)
	return nil
}

// Tokens gives all entries.
func (m *MemoryTokens) Tokens(ctx context.Context) ([]TokenEntry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]TokenEntry, 0, len(m.entries))
	for _, e := range m.entries {
		list = append(list, copyToken(e))
	}
	slices.SortFunc(list, func(a, b TokenEntry) int { return strings.Compare(a.Key, b.Key) })
	return list, nil
}

// DeleteToken removes an entry.
func (m *MemoryTokens) DeleteToken(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.entries, key)
	return nil
}

// copyToken also drops what of a time is only good in this process.
func copyToken(e TokenEntry) TokenEntry {
	for _, t := range []*time.Time{&e.Obtained, &e.Soft, &e.Until, &e.Expires} {
		*t = t.Round(0)
	}
	e.Wrapped = bytes.Clone(e.Wrapped)
	return e
}

// SealTokens gives a TokenCache that encrypts every Secret on its way to c, as
// Seal does the values of runs: with a random key for each entry, which key
// wraps, and bound to the entry's key and generation. An entry that was kept
// without it is ErrCorrupt: it is fetched anew, and sealed then.
func SealTokens(c TokenCache, key KeyWrapper) TokenCache { return Keys{Master: key}.SealTokens(c) }

type sealedTokens struct {
	TokenCache // DeleteToken is passed on
	with       Keys
}

func (s *sealedTokens) Token(ctx context.Context, key string) (TokenEntry, error) {
	e, err := s.TokenCache.Token(ctx, key)
	if err != nil {
		return e, err
	}
	return s.open(ctx, e)
}

func (s *sealedTokens) open(ctx context.Context, e TokenEntry) (TokenEntry, error) {
	secret, err := s.secret(ctx, e)
	e.Secret, e.Wrapped = secret, nil
	if err != nil && ctx.Err() == nil {
		what := "the token of " + e.Name
		if e.IsNote() {
			what = "what the tokens are found by"
		}
		err = fmt.Errorf("%s: %w", what, err)
	}
	return e, err
}

func (s *sealedTokens) secret(ctx context.Context, e TokenEntry) (Value, error) {
	w, err := openWrapped(e.Wrapped)
	if err != nil {
		return Value{}, err
	}
	key, err := s.with.unwrap(ctx, w)
	if err != nil {
		return Value{}, err
	}
	k, err := newRunKey(key)
	if err != nil {
		return Value{}, err
	}
	return k.open(e.Secret, tokenPlace(e)...)
}

func tokenPlace(e TokenEntry) []string {
	return []string{"token", e.Key, strconv.FormatInt(e.Generation, 10)}
}

func (s *sealedTokens) PutToken(ctx context.Context, e TokenEntry) error {
	key := randomKey()
	w, err := s.with.wrap(ctx, key)
	if err != nil {
		return fmt.Errorf("the token's key cannot be wrapped: %w", err)
	}
	k, err := newRunKey(key)
	if err != nil {
		return err
	}
	e.Secret, e.Wrapped = k.seal(e.Secret, tokenPlace(e)...), w.bytes()
	return s.TokenCache.PutToken(ctx, e)
}

func (s *sealedTokens) Tokens(ctx context.Context) ([]TokenEntry, error) {
	list, err := s.TokenCache.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	var first error
	for i, e := range list {
		if list[i], err = s.open(ctx, e); err != nil && first == nil {
			first = err
		}
	}
	return list, first
}
