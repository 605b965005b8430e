// Package oauth2 is the token client: it gets access tokens as a credential of
// a flow asks for them, keeps them for every later call, run and process, renews
// them in time, and forgets those that are refused.
//
// A Client is made once for a program. It gives a Source for each Credential;
// Source.Token is called right before a request is sent, and Source.Reject when
// a server refused what it gave. Nothing here reads the environment, logs or
// prints; what must be said without failing is told to Client.Warn, and every
// secret that is used or obtained to Client.Secret.
package oauth2

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A Carrier carries requests to token endpoints and to the places where they
// are discovered.
type Carrier interface {
	// Carry sends a request once, follows no redirect and never repeats it. After an
	// error sent says whether a byte of the request may have left; who does not
	// know says true.
	Carry(r *http.Request) (answer *http.Response, sent bool, err error)
}

// Locks keep other processes from fetching a token that this one is fetching.
type Locks interface {
	// Lock waits until nobody else holds the lock of a key, which may be a file's
	// name, or until ctx is done, which it is when the Client is closed. Any other
	// error means that there is no lock to be had: the token is fetched without.
	Lock(ctx context.Context, key string) (unlock func(), err error)
}

// A Client gets and keeps tokens. Its zero value works, and keeps them in
// memory. The fields must not change after the first call; everything else may
// be used concurrently.
type Client struct {
	// Carrier carries the requests of credentials that bring none of their own.
	// nil: Over(nil).
	Carrier Carrier
	// Cache keeps tokens beyond the process. nil: memory only.
	Cache datapoints.TokenCache
	// Locks are asked for when Cache has no token that can be used. nil: none.
	Locks Locks
	// Secret is told every secret before it is used: those of credentials, and
	// tokens, codes and assertions. nil: nobody is.
	Secret func(label, secret string)
	// Warn is told, in one line without secrets, what went wrong without failing a
	// call. nil: nobody is.
	Warn func(text string)
	// Watch is told each request and its answer, as people may see them; ctx has the
	// values of the caller's that began it. nil: nobody is.
	Watch func(ctx context.Context, x Exchange)
	// Agent is the User-Agent. "": stepwell.
	Agent string

	once    sync.Once
	own     Carrier
	flights singleflight.Group
	lone    atomic.Int64
	running sync.WaitGroup // flights; added to under mu and never after closed

	mu       sync.Mutex
	closed   bool
	open     context.Context // until Close; made when it is first asked for
	shut     context.CancelFunc
	uses     uint64
	slots    map[string]*slot
	nonces   map[string]string // of DPoP, by origin
	known    map[string]metadata
	refusals map[string]refusal // of clients, whatever they asked for, and of discoveries
	key      []byte             // of the fingerprints that tokens are kept under
	shared   bool               // it is the one in Cache
}

// Limits of what a Client remembers.
const (
	maxSlots    = 1024
	maxRemember = 256
)

// A slot is what a process knows of one token. Sources that ask for the same
// token share it.
type slot struct {
	used uint64 // under Client.mu

	mu      sync.Mutex
	kept    kept
	refused refusal       // the last
	calm    time.Time     // before it no renewal begins in the background
	skew    time.Duration // what the server's clock is ahead of this one
}

// A refusal counts until a time, and the zero refusal never.
type refusal struct {
	error *flow.Error
	until time.Time
}

// refusalOf is one that counts for a while from now.
func refusalOf(e *flow.Error) refusal { return refusal{e, time.Now().Add(memoryOfRefusal)} }

// counts gives its error, nil if it counts no more.
func (r refusal) counts() *flow.Error {
	if time.Now().Before(r.until) {
		return r.error
	}
	return nil
}

// ended is what Token fails with after Close.
func ended() *flow.Error {
	return &flow.Error{Kind: flow.KindInterrupted, Message: "no token is fetched any more: the program is about to end"}
}

// Close keeps requests from beginning and waits for those that have begun, so
// that what they obtain is kept; what waits for a lock or for another try is
// given up. It gives up itself when ctx is done, with its error.
func (c *Client) Close(ctx context.Context) error {
	c.alive()
	c.mu.Lock()
	c.closed = true
	c.shut()
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		c.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// alive is done when the Client is closed.
func (c *Client) alive() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open, c.shut = context.WithCancel(context.Background())
	}
	return c.open
}

// begin counts a flight; false if the Client is closed.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.running.Add(1)
	}
	return !c.closed
}

// carrier gives what carries the requests.
func (c *Client) carrier() Carrier {
	if c.Carrier != nil {
		return c.Carrier
	}
	c.once.Do(func() { c.own = Over(nil) })
	return c.own
}

// slot gives the slot of a key.
func (c *Client) slot(key string) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	s := c.slots[key]
	if s == nil {
		if c.slots == nil {
			c.slots = map[string]*slot{}
		}
		if len(c.slots) >= maxSlots {
			c.dropOldest()
		}
		s = new(slot)
		c.slots[key] = s
	}
	s.used = c.uses
	return s
}

// dropOldest forgets the slot that nobody has asked for the longest. Sources
// that have it keep it.
func (c *Client) dropOldest() {
	oldest := ""
	for key, s := range c.slots {
		if oldest == "" || s.used < c.slots[oldest].used {
			oldest = key
		}
	}
	delete(c.slots, oldest)
}

func (c *Client) warn(text string) {
	if c.Warn != nil {
		c.Warn(printable(text, 1000))
	}
}

// warn tells what went wrong beside a token, without secrets: who keeps or locks
// tokens may quote them.
func (s *Source) warn(format string, err error) {
	s.client.warn(s.cred.called() + ": " + fmt.Sprintf(format, s.clean(err.Error())))
}

// remember puts something into one of the Client's small maps.
func remember[V any](c *Client, m *map[string]V, key string, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if *m == nil || len(*m) >= maxRemember {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

func recall[V any](c *Client, m *map[string]V, key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := (*m)[key]
	return v, ok
}

// accepted forgets that a client was refused.
func (c *Client) accepted(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.refusals, who)
}

// fingerprintKey gives the key that makes the names of cached tokens, so that
// they tell nothing of a weak secret. It is kept in the cache itself, since
// every process must have the same. If it is not shared nothing is put there:
// nobody would find it again.
func (c *Client) fingerprintKey(ctx context.Context) (key []byte, shared bool) {
	c.mu.Lock()
	key, shared = c.key, c.shared
	c.mu.Unlock()
	if key != nil {
		return key, shared
	}
	ctx, cancel := patient(ctx) // it counts for all who ask later, too
	defer cancel()
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails
	if c.Cache != nil {
		fresh, shared = c.sharedKey(ctx, fresh)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == nil {
		c.key, c.shared = fresh, shared
	}
	return c.key, c.shared
}

// keyOfKeys is where the cache keeps the fingerprints' key. Where another master
// key sealed that one, the next of maxKeys places has it: a program that was
// started with the wrong key must not make the tokens of the right one unfindable.
const (
	keyOfKeys = "#fingerprints"
	maxKeys   = 8
)

// sharedKey gives the key that is in the cache, after putting it there if need be,
// or fresh, unshared.
func (c *Client) sharedKey(ctx context.Context, fresh []byte) (key []byte, shared bool) {
	text := hexText(fresh)
	place := keyOfKeys
	for tries, n := 0, 1; tries < 3 && n <= maxKeys; {
		e, err := c.Cache.Token(ctx, place)
		switch key := []byte(e.Secret.RevealText()); {
		case err == nil && len(key) == len(text):
			return key, true
		case errors.Is(err, datapoints.ErrKey):
			n++
			place = keyOfKeys + "." + strconv.Itoa(n)
			continue
		case err != nil && !errors.Is(err, datapoints.ErrNoToken) && (e.Generation == 0 || !errors.Is(err, datapoints.ErrCorrupt)):
			c.warn("the token cache cannot be read: " + err.Error() + "; tokens are kept in memory")
			return fresh, false
		case e.Generation > 0:
			c.warn("what tokens are found by is damaged in the token cache: those that it has are not found any more")
		}
		err = c.Cache.PutToken(ctx, datapoints.TokenEntry{Key: place, Generation: e.Generation + 1, Obtained: time.Now(),
			Secret: datapoints.Text(text).Mark(datapoints.Sensitive, "token")})
		if err == nil {
			return []byte(text), true
		}
		if !errors.Is(err, datapoints.ErrTokenChanged) {
			var hidden datapoints.Redactor
			hidden.Add("token", text)
			c.warn("the token cache cannot be written: " + hidden.Text(err.Error()) + "; tokens are kept in memory")
			return fresh, false
		}
		tries++
	}
	c.warn("no name for tokens is to be had in the token cache; tokens are kept in memory")
	return fresh, false
}

// Over makes a Carrier of a transport; nil is a new one with net/http's
// defaults, no proxy, and a limit on the length of headers. Of an
// *http.Transport it is known that nothing was sent as long as there was no
// connection; of any other it is supposed that everything was.
func Over(t http.RoundTripper) Carrier {
	if t == nil {
		t = &http.Transport{ForceAttemptHTTP2: true, TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10}
	}
	return over{t}
}

type over struct{ transport http.RoundTripper }

func (o over) Carry(r *http.Request) (*http.Response, bool, error) {
	_, tells := o.transport.(*http.Transport)
	var connected atomic.Bool
	connected.Store(!tells)
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	answer, err := o.transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	return answer, connected.Load(), err
}

// CloseIdle closes connections that are kept for later requests.
func (o over) CloseIdle() {
	if t, ok := o.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
