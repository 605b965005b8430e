package oauth2_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
)

func TestWhatAnAnswerSaysOfItsToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status    int
		challenge string
		list      []int
		verdict   oauth2.Verdict
		scope     string
	}{
		{200, "", nil, oauth2.Accepted, ""},
		{401, "", nil, oauth2.Rejected, ""},
		{401, `Bearer`, nil, oauth2.Rejected, ""},
		{401, `Bearer error="invalid_token"`, nil, oauth2.Rejected, ""},
		{401, `Basic realm="x"`, nil, oauth2.Rejected, ""},
		{403, "", nil, oauth2.Accepted, ""},
		{403, `Bearer error="invalid_token"`, nil, oauth2.Rejected, ""},
		{400, `Bearer realm="a", error=invalid_token`, nil, oauth2.Rejected, ""},
		{403, `Bearer error="insufficient_scope", scope="a b"`, nil, oauth2.Insufficient, "a b"},
		{401, `Bearer error="insufficient_scope", scope="a"`, nil, oauth2.Insufficient, "a"},
		{403, `Bearer error="insufficient_scope"`, []int{403}, oauth2.Insufficient, ""},
		{401, `DPoP error="invalid_token", algs="ES256"`, nil, oauth2.Rejected, ""},
		{401, `DPoP error="use_dpop_nonce"`, nil, oauth2.Accepted, ""},
		{401, `DPoP error="invalid_dpop_proof"`, nil, oauth2.Accepted, ""},
		{403, "", []int{403}, oauth2.Rejected, ""},
		{419, "", []int{403, 419}, oauth2.Rejected, ""},
		{401, "", []int{403}, oauth2.Rejected, ""},
		{200, `Bearer error="invalid_token"`, nil, oauth2.Accepted, ""},
		{500, `Bearer error="invalid_token"`, nil, oauth2.Accepted, ""},
		{404, "", nil, oauth2.Accepted, ""},
		{200, "", []int{200}, oauth2.Rejected, ""},
	} {
		header := http.Header{}
		if c.challenge != "" {
			header.Set("WWW-Authenticate", c.challenge)
		}
		verdict, scope := oauth2.Judge(c.status, header, c.list)
		if verdict != c.verdict || scope != c.scope {
			t.Errorf("%d %s %v: got %d %q", c.status, c.challenge, c.list, verdict, scope)
		}
	}
}

func TestARejectedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""), token("second", ""), token("third", ""))
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				src.Reject(t.Context(), first, "401 Unauthorized")
				want(t, "token", got(t, src), "second")
			})
		}
		all.Wait()
		src.Reject(t.Context(), first, "a late 401")
		want(t, "token after a late refusal of the old one", got(t, src), "second")
		want(t, "requests", s.count(), 2)
	})
}

func TestAServerThatGivesTheSameTokenAgainIsBelieved(t *testing.T) {
	t.Parallel()
	s := serving(token("same", ""))
	src := source(t, &oauth2.Client{Carrier: s}, basic())
	for n := 1; n <= 3; n++ {
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "requests", s.count(), n)
		src.Reject(t.Context(), token, "401")
	}
}

func TestARejectedTokenIsRenewedWithItsRefreshToken(t *testing.T) {
	t.Parallel()
	s, cred := refreshing(token("second", ""))
	src := source(t, &oauth2.Client{Carrier: s}, cred)
	first, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	src.Reject(t.Context(), first, "401")
	want(t, "token", got(t, src), "second")
	want(t, "sent", grants(s.requests()), "password r1")
}

// A shared gives each process a client of its own over one cache and one machine's locks.
type shared struct {
	server *server
	cache  datapoints.TokenCache
	locks  locks
	warned warnings
}

func (s *shared) process() *oauth2.Client {
	return &oauth2.Client{Carrier: s.server, Cache: s.cache, Locks: &s.locks, Warn: s.warned.add}
}

func sealed() datapoints.TokenCache {
	return datapoints.SealTokens(new(datapoints.MemoryTokens), datapoints.NewMasterKey())
}

// TestALostRefreshTokenIsNotTakenForARejection: that the token was rejected
// before is not why there is none.
func TestALostRefreshTokenIsNotTakenForARejection(t *testing.T) {
	t.Parallel()
	cred := basic()
	cred.Grant, cred.RefreshToken = "refresh_token", "seed"
	s := serving(token("first", `,"refresh_token":"r1"`), broken{true, errors.New("connection reset by peer")})
	world := &shared{cache: sealed(), server: s}
	src := source(t, world.process(), cred)
	first, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	src.Reject(t.Context(), first, "401 Unauthorized")
	says(t, failed(t, src), true, "may have been used")

	next := world.process()
	says(t, failed(t, source(t, next, cred)), true, "what it gave is lost: id.example.test cannot be asked")
	kept, err := next.Kept(t.Context())
	if err != nil || len(kept) != 1 || !strings.Contains(kept[0].Why, "cannot be asked") {
		t.Errorf("kept is %v, %v", kept, err)
	}
	want(t, "sent", grants(s.requests()), "seed r1")
}

func TestProcessesShareATokenAndItsRejection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		world := &shared{cache: sealed(), server: serving(func(seen) any { n++; return token(fmt.Sprint("t", n), "") })}
		world.server.delay = time.Second
		var sources []*oauth2.Source
		var all sync.WaitGroup
		for range 8 {
			src := source(t, world.process(), basic())
			for range 16 {
				sources = append(sources, src)
			}
		}
		for _, src := range sources {
			all.Go(func() { want(t, "token", got(t, src), "t1") })
		}
		all.Wait()
		want(t, "requests, cold", world.server.count(), 1)
		want(t, "token of a new process", got(t, source(t, world.process(), basic())), "t1")
		want(t, "requests, warm", world.server.count(), 1)
		old, _ := sources[0].Token(t.Context())
		for _, src := range sources {
			all.Go(func() {
				src.Reject(t.Context(), old, "401")
				want(t, "token", got(t, src), "t2")
			})
		}
		all.Wait()
		want(t, "requests, refused", world.server.count(), 2)
		for _, src := range sources {
			src.Reject(t.Context(), old, "a late 401")
			want(t, "token", got(t, src), "t2")
		}
		want(t, "requests, late", world.server.count(), 2)
		want(t, "warnings", world.warned.text(), "")
	})
}

func TestARejectionIsKeptForTheNextProcess(t *testing.T) {
	t.Parallel()
	world := &shared{cache: sealed(), server: serving(token("first", ""), token("second", ""))}
	src := source(t, world.process(), basic())
	first, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	src.Reject(t.Context(), first, "401 because of canary-secret")
	list, err := world.cache.Tokens(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for _, e := range list {
		if e.Name == "ehr" && (!e.Rejected || strings.Contains(e.Secret.Reveal(), "canary-secret") || !strings.Contains(e.Secret.Reveal(), "401 because of [secret client_secret]")) {
			t.Errorf("rejected %v: %s", e.Rejected, e.Secret.Reveal())
		}
	}
	want(t, "token of the next process", got(t, source(t, world.process(), basic())), "second")
}

func TestProcessesRotateARefreshTokenOnceAnExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		valid, n := "", 0
		world := &shared{cache: sealed(), server: serving(func(r seen) any {
			if given := r.form.Get("refresh_token"); given != valid && r.form.Get("grant_type") == "refresh_token" {
				t.Errorf("%q was sent, good is %q", given, valid)
				return bad(400, `{"error":"invalid_grant"}`)
			}
			n++
			valid = fmt.Sprint("r", n)
			return token(fmt.Sprint("t", n), `,"refresh_token":"`+valid+`"`)
		})}
		cred := basic()
		cred.Grant, cred.Username, cred.Password = "password", "user", "canary-password"
		var sources []*oauth2.Source
		for range 4 {
			sources = append(sources, source(t, world.process(), cred))
		}
		for expiry := range 200 {
			var all sync.WaitGroup
			for _, src := range sources {
				all.Go(func() { want(t, "token", got(t, src), fmt.Sprint("t", expiry+1)) })
			}
			all.Wait()
			time.Sleep(time.Hour)
		}
		want(t, "requests", world.server.count(), 200)
		want(t, "passwords sent", strings.Count(grants(world.server.requests()), "password"), 1)
	})
}

// TestAProcessThatDiesWithARefreshTokenOnItsWayLeavesIt: the next one must not
// send it again.
func TestAProcessThatDiesWithARefreshTokenOnItsWayLeavesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, cred := refreshing(token("second", ""), token("third", ""))
		world := &shared{cache: sealed(), server: s}
		got(t, source(t, world.process(), cred))
		time.Sleep(time.Hour)
		s.delay = time.Second
		dying := world.process()
		dying.Locks = nil // a dead process holds no lock
		go func() { _, _ = source(t, dying, cred).Token(t.Context()) }()
		synctest.Wait() // its request is on its way
		want(t, "token of the next process", got(t, source(t, world.process(), cred)), "third")
		want(t, "sent", grants(s.requests()), "password r1 password")
		synctest.Wait()
	})
}

// A failing cache has some method that fails.
type failing struct {
	datapoints.TokenCache
	read, write error
}

func (f *failing) Token(ctx context.Context, key string) (datapoints.TokenEntry, error) {
	if f.read != nil {
		return datapoints.TokenEntry{}, f.read
	}
	return f.TokenCache.Token(ctx, key)
}

func (f *failing) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	if f.write != nil {
		return f.write
	}
	return f.TokenCache.PutToken(ctx, e)
}

func TestACacheThatFailsMeansMemoryAndAWarning(t *testing.T) {
	t.Parallel()
	for name, cache := range map[string]*failing{
		"cannot be read":    {new(datapoints.MemoryTokens), errors.New("the disk is gone"), nil},
		"cannot be written": {new(datapoints.MemoryTokens), nil, errors.New("the disk is full")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, cred := refreshing(token("second", ""))
				world := &shared{cache: cache, server: s}
				src := source(t, world.process(), cred)
				want(t, "token", got(t, src), "first")
				want(t, "token", got(t, src), "first")
				time.Sleep(time.Hour)
				want(t, "token", got(t, src), "second")
				want(t, "sent", grants(s.requests()), "password r1")
				if text := world.warned.text(); !strings.Contains(text, name) || strings.Contains(text, "canary") {
					t.Errorf("warned of %q", text)
				}
			})
		})
	}
}

func TestADamagedEntryIsAMissAndAWarning(t *testing.T) {
	t.Parallel()
	below := new(datapoints.MemoryTokens)
	world := &shared{cache: datapoints.SealTokens(below, datapoints.NewMasterKey()), server: serving(token("first", ""), token("second", ""))}
	got(t, source(t, world.process(), basic()))
	list, _ := below.Tokens(t.Context())
	for _, e := range list {
		if e.Name == "ehr" {
			e.Generation++
			e.Secret = datapoints.Text("damaged")
			if err := below.PutToken(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	want(t, "token", got(t, source(t, world.process(), basic())), "second")
	if text := world.warned.text(); !strings.Contains(text, "credential ehr: its token in the cache cannot be read") {
		t.Errorf("warned of %q", text)
	}
	want(t, "token of the next process", got(t, source(t, world.process(), basic())), "second")
}

// Locks that are not to be had.
type noLocks struct{}

func (noLocks) Lock(context.Context, string) (func(), error) {
	return nil, errors.New("read-only file system")
}

func TestWithoutALockTheTokenIsFetchedWithAWarning(t *testing.T) {
	t.Parallel()
	world := &shared{cache: sealed(), server: serving(token("first", ""))}
	c := world.process()
	c.Locks = noLocks{}
	want(t, "token", got(t, source(t, c, basic())), "first")
	if text := world.warned.text(); !strings.Contains(text, "there is no lock for its token: read-only file system") {
		t.Errorf("warned of %q", text)
	}
}

// TestWhatMakesATokenAnother changes one field at a time.
func TestWhatMakesATokenAnother(t *testing.T) {
	t.Parallel()
	s := serving(token("first", ""))
	c := &oauth2.Client{Carrier: s}
	got(t, source(t, c, basic()))
	same := basic()
	same.Name, same.Timeout = "another name", time.Second
	got(t, source(t, c, same))
	want(t, "requests for the same", s.count(), 1)
	for i, change := range []func(*oauth2.Credential){
		func(c *oauth2.Credential) { c.TokenURL += "/2" },
		func(c *oauth2.Credential) { c.ClientID += "2" },
		func(c *oauth2.Credential) { c.ClientSecret += "2" },
		func(c *oauth2.Credential) { c.ClientAuth = "body" },
		func(c *oauth2.Credential) { c.Scopes = []string{"a"} },
		func(c *oauth2.Credential) { c.Scopes = []string{"a", "b"} },
		func(c *oauth2.Credential) { c.Scopes = []string{"a b"} },
		func(c *oauth2.Credential) { c.Params = map[string]string{"tenant": "x"} },
		func(c *oauth2.Credential) { c.Params = map[string]string{"tenant": "y"} },
		func(c *oauth2.Credential) { c.Audience = "x" },
		func(c *oauth2.Credential) { c.Resource = []string{"https://a.example.test"} },
		func(c *oauth2.Credential) { c.Grant, c.Username = "password", "u" },
		func(c *oauth2.Credential) { c.Grant, c.Username, c.Password = "password", "u", "p" },
		func(c *oauth2.Credential) { c.Grant, c.SubjectToken = "token_exchange", "s1" },
		func(c *oauth2.Credential) { c.Grant, c.SubjectToken = "token_exchange", "s2" },
		func(c *oauth2.Credential) { c.Certificate = "c" },
		func(c *oauth2.Credential) { c.Keep = "process" },
	} {
		cred := basic()
		change(&cred)
		got(t, source(t, c, cred))
		want(t, fmt.Sprintf("requests after change %d", i), s.count(), i+2)
	}
	ordered := basic()
	ordered.Scopes = []string{"b", "a", "b"}
	got(t, source(t, c, ordered))
	want(t, "requests for the same scopes in another order", s.count(), 18)
}

func TestWhatIsKeptIsListedAndPurged(t *testing.T) {
	t.Parallel()
	below := new(datapoints.MemoryTokens)
	world := &shared{cache: datapoints.SealTokens(below, datapoints.NewMasterKey()), server: serving(token("first", `,"refresh_token":"r1","scope":"a b"`))}
	c := world.process()
	cred := basic()
	cred.Run = "run-1"
	src := source(t, c, cred)
	first, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Kept(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	k := list[0]
	want(t, "what is kept", fmt.Sprint(k.ID == src.ID(), k.Name, k.Run, k.Type, k.Scope, k.Refreshable, k.Rejected, k.Generation, k.Fingerprint == first.Fingerprint(), k.Expires.Equal(first.Expires)),
		fmt.Sprint(true, "ehr", "run-1", "Bearer", "a b", true, false, 1, true, true))
	if text := fmt.Sprintf("%+v", list); strings.Contains(text, "first") || strings.Contains(text, "r1") {
		t.Errorf("a token is in the list: %s", text)
	}
	for range 2 {
		if err := c.Purge(t.Context(), src.ID()); err != nil {
			t.Fatal(err)
		}
	}
	list, err = c.Kept(t.Context())
	want(t, "tokens after the purge", fmt.Sprint(len(list), err), "0 <nil>")
	got(t, src)
	want(t, "requests", world.server.count(), 2)
	other := &oauth2.Client{Cache: datapoints.SealTokens(below, datapoints.NewMasterKey())}
	list, err = other.Kept(t.Context())
	if len(list) != 1 || !list[0].Unreadable || !errors.Is(err, datapoints.ErrKey) {
		t.Errorf("with another key: %+v, %v", list, err)
	}
	none, err := new(oauth2.Client).Kept(t.Context())
	want(t, "without a cache", fmt.Sprint(len(none), err), "0 <nil>")
}

func TestATokenThatIsNotKeptIsNotAskedForWhileItIsRefused(t *testing.T) {
	t.Parallel()
	s := serving(bad(401, `{"error":"invalid_client"}`))
	c := &oauth2.Client{Carrier: s}
	cred := basic()
	cred.Keep = "none"
	for range 50 {
		failed(t, source(t, c, cred))
	}
	want(t, "requests", s.count(), 1)
}

func TestATokenFromTheFutureIsNotTrusted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world := &shared{cache: new(datapoints.MemoryTokens), server: serving(token("first", ""), token("second", ""))}
		src := source(t, world.process(), basic())
		got(t, src)
		e, err := world.cache.Token(t.Context(), src.ID())
		if err != nil {
			t.Fatal(err)
		}
		e.Generation++
		e.Obtained, e.Soft, e.Until = e.Obtained.Add(61*time.Second), e.Soft.Add(24*time.Hour), e.Until.Add(24*time.Hour)
		if err := world.cache.PutToken(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		want(t, "token", got(t, source(t, world.process(), basic())), "second")
	})
}
