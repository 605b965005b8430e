package oauth2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

const (
	memoryOfRefusal = 30 * time.Second
	calmAfter       = 30 * time.Second // a failed renewal in the background
	longestFlight   = 10 * time.Minute
	storePatience   = 10 * time.Second
	lookAgain       = 50 * time.Millisecond // whether another process is done
)

// A Token is what a request carries. Who has a redactor of its own tells it Access.
type Token struct {
	Access  datapoints.Value // a sensitive text
	Type    string           // Bearer or DPoP: the word before it in Authorization
	Scope   string           // as granted; "" where the server does not say
	Expires time.Time        // by this machine's clock, estimated where the server does not say
	Assumed bool             // Expires is default_lifetime's: the server named no time that can be used
	key     *proofKey
}

// Authorization is the value of the header, "Bearer …"; sensitive.
func (t Token) Authorization() datapoints.Value {
	return datapoints.Text(t.Type+" "+t.Access.RevealText()).Mark(datapoints.Sensitive, t.Access.Label())
}

// Fingerprint names the token without telling it: 16 hexadecimal digits.
func (t Token) Fingerprint() string { return hexText(sum(t.Access.RevealText()))[:16] }

func sum(text string) []byte {
	s := sha256.Sum256([]byte(text))
	return s[:]
}

func hexText(b []byte) string { return hex.EncodeToString(b) }

// A Source gives the token of one credential, as long as it is good the same
// one. Its methods may be called concurrently. To make one reads a key and
// compiles paths: make it once for many calls.
type Source struct {
	client *Client
	cred   Credential
	paths  paths
	key    signingKey
	alg    jose.SignatureAlgorithm
	hidden hiding
	id     string // what the token is kept under
	who    string // names the client, whatever it asks for
	slot   *slot
	shared bool // other processes find what is in the cache under id
}

// Source checks a credential and gives its Source; nothing is sent. Sources of
// equal credentials share their token. The error is a *flow.Error of kind auth,
// or data for a place to which secrets must not go.
func (c *Client) Source(ctx context.Context, cred Credential) (*Source, error) {
	if err := cred.complete(); err != nil {
		return nil, err
	}
	s := &Source{client: c, cred: cred}
	var err error
	if s.paths, err = compilePaths(cred.Token); err != nil {
		return nil, cred.invalid("%s", err)
	}
	if err := s.readSigner(); err != nil {
		return nil, err
	}
	if cred.DPoP != "" {
		if _, err := newProofKey(cred.DPoP); err != nil {
			return nil, cred.invalid("%s", err)
		}
	}
	s.hidden.own = s.cred.hide
	s.hidden.turn()
	for _, secret := range cred.secrets() {
		s.tell(secret[0], secret[1])
	}
	key, shared := c.fingerprintKey(ctx)
	s.shared = shared
	s.id, s.who = s.fingerprint(key), s.clientPrint(key)
	s.slot = c.slot(s.id)
	return s, nil
}

// Token gives a token that may be sent now. It comes from memory, from the
// cache, by a refresh token or by a new grant; callers that wait for the same one
// wait for one request. When ctx is done a caller leaves, and the request goes
// on for the others. From some time before a token's end on it is renewed in the
// background. The error is a *flow.Error without any secret in it, of kind auth,
// network, timeout, http or data; cancelled if ctx was, interrupted after Close.
func (s *Source) Token(ctx context.Context) (Token, error) {
	if s.cred.Keep == "none" {
		return s.wait(ctx, s.id+"#"+strconv.FormatInt(s.client.lone.Add(1), 10), s.fetchAlone)
	}
	now := time.Now()
	s.slot.mu.Lock()
	k := s.slot.kept
	renew := k.usable(now) && !now.Before(k.soft) && !now.Before(s.slot.calm)
	s.slot.mu.Unlock()
	switch {
	case renew: // nobody waits for it; a flight that is under way does as well
		s.client.flights.DoChan(s.id, func() (any, error) { return s.fly(ctx, s.renew) })
		return s.token(k), nil
	case k.usable(now):
		return s.token(k), nil
	}
	fetch := func(ctx context.Context) (Token, *flow.Error) { return s.fetch(ctx, false) }
	t, err := s.wait(ctx, s.id, fetch)
	if err != nil {
		return t, err
	}
	// While the flight that gave it came to its end it may have been refused, and
	// another one may have got the next.
	switch k := s.memory(); {
	case k.usable(time.Now()):
		return s.token(k), nil
	case k.rejected: // be it that one or the next: what came before is no better
		return s.wait(ctx, s.id, fetch)
	}
	return t, nil
}

// renew gets a token before the one in memory is over. After a failure there is
// calm: that token is still good.
func (s *Source) renew(ctx context.Context) (Token, *flow.Error) {
	t, err := s.fetch(ctx, true)
	if err != nil {
		s.slot.mu.Lock()
		s.slot.calm = time.Now().Add(calmAfter)
		s.slot.mu.Unlock()
	}
	return t, err
}

// wait joins the flight of a key, or begins it.
func (s *Source) wait(ctx context.Context, key string, do func(context.Context) (Token, *flow.Error)) (Token, error) {
	if err := ctx.Err(); err != nil {
		return Token{}, s.left(err)
	}
	flight := s.client.flights.DoChan(key, func() (any, error) { return s.fly(ctx, do) })
	select {
	case r := <-flight:
		if r.Err != nil {
			return Token{}, copyError(r.Err)
		}
		t, _ := r.Val.(Token)
		return t, nil
	case <-ctx.Done():
		return Token{}, s.left(ctx.Err())
	}
}

// left is the error of a caller that did not wait.
func (s *Source) left(err error) *flow.Error {
	e := &flow.Error{Kind: flow.KindCancelled, Message: s.cred.called() + ": stopped while waiting for the token", Err: err}
	if errors.Is(err, context.DeadlineExceeded) {
		e.Kind, e.Message = flow.KindTimeout, s.cred.called()+": the time was over before there was a token"
	}
	return e
}

// copyError gives each caller an error of its own, which it may fill in.
func copyError(err error) error {
	var e *flow.Error
	if !errors.As(err, &e) {
		return err
	}
	return copied(e)
}

func copied(e *flow.Error) *flow.Error {
	mine := *e
	mine.Hints, mine.Facts = slices.Clone(e.Hints), slices.Clone(e.Facts)
	return &mine
}

// fly does what a caller leaving must not stop.
func (s *Source) fly(ctx context.Context, do func(context.Context) (Token, *flow.Error)) (t Token, err error) {
	if !s.client.begin() {
		return Token{}, ended()
	}
	defer s.client.running.Done()
	defer func() {
		if p := recover(); p != nil { // singleflight would end the process
			err = &flow.Error{Kind: flow.KindInternal, Message: s.clean(fmt.Sprintf("getting a token panicked: %v", p))}
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longestFlight)
	defer cancel()
	if t, failed := do(ctx); failed != nil {
		return t, failed
	} else {
		return t, nil
	}
}

// fetch gives a token that is not in memory: one that another process has
// obtained, or a new one. renew asks for one that is not near its end.
func (s *Source) fetch(ctx context.Context, renew bool) (Token, *flow.Error) {
	if k := s.memory(); k.fits(time.Now(), renew) {
		return s.token(k), nil
	}
	known := s.newest(ctx)
	if known.fits(time.Now(), renew) {
		return s.take(known), nil
	}
	if refused := s.refused(); refused != nil {
		return Token{}, refused
	}
	if s.cached() && s.client.Locks != nil {
		unlock, err := s.lock(ctx)
		switch {
		case err == nil:
			defer unlock()
			if known = s.newest(ctx); known.fits(time.Now(), renew) {
				return s.take(known), nil
			}
		case s.client.alive().Err() != nil:
			return Token{}, ended()
		default:
			s.warn("there is no lock for its token: %s; other processes may fetch it too", err)
		}
	}
	until := time.Now().Add(s.cred.Timeout)
	got, failed, raced := s.obtain(ctx, known, true)
	for raced {
		if known, failed = s.others(ctx, renew, until); failed != nil {
			return Token{}, failed
		}
		if known.fits(time.Now(), renew) {
			return s.take(known), nil
		}
		got, failed, raced = s.obtain(ctx, known, time.Now().Before(until))
	}
	if failed != nil {
		return Token{}, failed
	}
	return s.token(got), nil
}

// lock waits for the lock, and no longer than the Client is open: who only waits
// has begun nothing.
func (s *Source) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.client.alive(), cancel)()
	return s.client.Locks.Lock(ctx, s.id)
}

// others waits for a process that uses the refresh token right now, which only
// happens without locks: until there is a token, the refresh token is free, or
// nobody can be at it any more.
func (s *Source) others(ctx context.Context, renew bool, until time.Time) (kept, *flow.Error) {
	for {
		select {
		case <-s.client.alive().Done():
			return kept{}, ended()
		case <-ctx.Done():
			return kept{}, s.left(ctx.Err())
		case <-time.After(lookAgain):
		}
		k := s.newest(ctx)
		if free, _ := s.refreshToken(k); free != "" || k.fits(time.Now(), renew) || !time.Now().Before(until) {
			return k, nil
		}
	}
}

// fetchAlone gets a token that is kept nowhere.
func (s *Source) fetchAlone(ctx context.Context) (Token, *flow.Error) {
	if refused := s.refused(); refused != nil {
		return Token{}, refused
	}
	k, failed, _ := s.obtain(ctx, kept{}, true)
	return s.token(k), failed
}

// take puts a token into memory.
func (s *Source) take(k kept) Token {
	s.replaceMemory(k)
	return s.token(k)
}

// refused is what the server said last of this token or of the client, as long as
// it counts.
func (s *Source) refused() *flow.Error {
	if r, _ := recall(s.client, &s.client.refusals, s.who); r.counts() != nil {
		return r.error
	}
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	return s.slot.refused.counts()
}

// token is what a caller gets.
func (s *Source) token(k kept) Token {
	return Token{Access: datapoints.Text(k.Access).Mark(datapoints.Sensitive, "access_token"), Type: k.Type, Scope: k.Scope, Expires: k.expires, Assumed: k.Assumed, key: k.key}
}

// remember keeps a refusal, so that what is refused is not asked for by every step.
func (s *Source) remember(f *failure) {
	if !f.refused || f.code == "temporarily_unavailable" || f.code == "use_dpop_nonce" {
		return
	}
	refused := refusalOf(f.Error)
	if f.code == "invalid_client" {
		remember(s.client, &s.client.refusals, s.who, refused)
	}
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	s.slot.refused = refused
}
