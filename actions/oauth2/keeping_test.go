package oauth2_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// rotating answers with a new token and a new refresh token each time, and fails
// the test when a refresh token comes again.
func rotating(t *testing.T) *server {
	n := 0
	used := map[string]bool{}
	return serving(func(r seen) any {
		if given := r.form.Get("refresh_token"); given != "" {
			if used[given] {
				t.Errorf("%s was sent twice", given)
			}
			used[given] = true
		}
		n++
		return token(fmt.Sprint("t", n), fmt.Sprintf(`,"refresh_token":"r%d"`, n))
	})
}

// TestNoRefreshTokenIsSentTwiceWhereTheCacheCannotBeWritten any more: what is there
// still has the old one, which others would send, too.
func TestNoRefreshTokenIsSentTwiceWhereTheCacheCannotBeWritten(t *testing.T) {
	t.Parallel()
	password, person := basic(), basic()
	password.Grant, password.Username = "password", "user"
	person.Grant, person.RefreshToken = "refresh_token", "seed"
	for _, c := range []struct {
		cred oauth2.Credential
		sent string
	}{
		{password, "password password r2 r3"}, // not r1, which is in the cache
		{person, "seed r1 r2 r3"},             // there is no other way
	} {
		t.Run(c.cred.Grant, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cache := &failing{TokenCache: new(datapoints.MemoryTokens)}
				world := &shared{cache: cache, server: rotating(t)}
				src := source(t, world.process(), c.cred)
				want(t, "token", got(t, src), "t1")
				cache.write = errors.New("the disk is full")
				for n := 2; n <= 4; n++ {
					time.Sleep(time.Hour)
					want(t, "token", got(t, src), fmt.Sprint("t", n))
				}
				want(t, "sent", grants(world.server.requests()), c.sent)
				cache.write = nil
				time.Sleep(time.Hour)
				got(t, src)
				want(t, "token of the next process", got(t, source(t, world.process(), c.cred)), "t5")
			})
		})
	}
}

// TestARejectedTokenDoesNotComeBackFromACacheThatCannotBeWritten: what is there is
// older than what memory has.
func TestARejectedTokenDoesNotComeBackFromACacheThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := &failing{TokenCache: new(datapoints.MemoryTokens)}
		world := &shared{cache: cache, server: rotating(t)}
		src := source(t, world.process(), basic())
		cache.write = errors.New("the disk is full")
		reject := func() {
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			src.Reject(t.Context(), token, "401")
		}
		for n := range 4 {
			if n == 1 {
				cache.write = nil
			}
			reject()
			cache.write = errors.New("the disk is full")
		}
		want(t, "token", got(t, src), "t5")
	})
}

// meeting lets nobody read an entry before two have come to read it, once.
type meeting struct {
	datapoints.TokenCache
	key  string // "": not yet
	once sync.Mutex
	come int
	both chan struct{}
}

func (m *meeting) Token(ctx context.Context, key string) (datapoints.TokenEntry, error) {
	e, err := m.TokenCache.Token(ctx, key)
	m.once.Lock()
	wait := key == m.key && m.come < 2
	if wait {
		if m.come++; m.come == 2 {
			close(m.both)
		}
	}
	m.once.Unlock()
	if wait {
		<-m.both
	}
	return e, err
}

// TestMachinesThatShareNoLockSendARefreshTokenOnce: whoever takes it out of the
// cache sends it, and the other waits for what it gives.
func TestMachinesThatShareNoLockSendARefreshTokenOnce(t *testing.T) {
	t.Parallel()
	password, person := basic(), basic()
	password.Grant, password.Username = "password", "user"
	person.Grant, person.RefreshToken = "refresh_token", "seed"
	for first, cred := range map[string]oauth2.Credential{"password": password, "seed": person} {
		t.Run(cred.Grant, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cache := &meeting{TokenCache: new(datapoints.MemoryTokens), both: make(chan struct{})}
				world := &shared{cache: cache, server: rotating(t)}
				world.server.delay = time.Second
				machine := func() *oauth2.Source {
					c := world.process()
					c.Locks = nil
					return source(t, c, cred)
				}
				one, two := machine(), machine()
				want(t, "token", got(t, one), "t1")
				want(t, "token", got(t, two), "t1")
				time.Sleep(time.Hour)
				cache.key = one.ID()
				var all sync.WaitGroup
				for _, src := range []*oauth2.Source{one, two} {
					all.Go(func() { want(t, "token", got(t, src), "t2") })
				}
				all.Wait()
				want(t, "sent", grants(world.server.requests()), first+" r1")
				want(t, "warnings", world.warned.text(), "")
			})
		})
	}
}

// TestAPurgeElsewhereTakesNothingFromMemory, and what is obtained then is kept again.
func TestAPurgeElsewhereTakesNothingFromMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world := &shared{cache: sealed(), server: rotating(t)}
		cred := basic()
		cred.Grant, cred.RefreshToken = "refresh_token", "seed"
		src := source(t, world.process(), cred)
		for range 3 {
			got(t, src)
			time.Sleep(time.Hour)
		}
		if err := world.cache.DeleteToken(t.Context(), src.ID()); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		want(t, "token", got(t, src), "t4")
		want(t, "waited", time.Since(begun), time.Duration(0))
		want(t, "sent", grants(world.server.requests()), "seed r1 r2 r3")
		want(t, "token of the next process", got(t, source(t, world.process(), cred)), "t4")
	})
}

// TestWhatIsTakenOutAfterAPurgeIsNotSentAgain: what another process wrote of the same
// token since is newer, though it counts from 1.
func TestWhatIsTakenOutAfterAPurgeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lost := false
		s := rotating(t)
		inner := s.answers[0].(func(seen) any)
		s.answers[0] = func(r seen) any {
			if a := inner(r); !lost {
				return a
			}
			return broken{sent: true, err: errors.New("connection reset")}
		}
		world := &shared{cache: sealed(), server: s}
		cred := basic()
		cred.Grant, cred.RefreshToken = "refresh_token", "seed"
		one, two := source(t, world.process(), cred), source(t, world.process(), cred)
		for range 2 {
			got(t, one)
			time.Sleep(time.Hour)
		}
		got(t, one)
		want(t, "token of the other", got(t, two), "t3")
		if err := world.cache.DeleteToken(t.Context(), one.ID()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		lost = true
		want(t, "kind", failed(t, one).Kind, flow.KindNetwork)
		lost = false
		says(t, failed(t, two), true, "its refresh token was used, and what it gave is lost")
		want(t, "sent", grants(s.requests()), "seed r1 r2 r3")
	})
}

// moving is a cache in which another process is always faster.
type moving struct {
	datapoints.TokenCache
	key string // "": not yet
}

func (m *moving) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	if e.Key == m.key {
		return datapoints.ErrTokenChanged
	}
	return m.TokenCache.PutToken(ctx, e)
}

// TestACacheThatNeverTakesATokenEndsNoCall: after the time of one request nobody can
// still be at it.
func TestACacheThatNeverTakesATokenEndsNoCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache := &moving{TokenCache: new(datapoints.MemoryTokens)}
		world := &shared{cache: cache, server: rotating(t)}
		cred := basic()
		cred.Grant, cred.RefreshToken, cred.Timeout = "refresh_token", "seed", 5*time.Second
		c := world.process()
		c.Locks = nil
		src := source(t, c, cred)
		got(t, src)
		time.Sleep(time.Hour)
		cache.key = src.ID()
		begun := time.Now()
		want(t, "token", got(t, src), "t2")
		if waited := time.Since(begun); waited < 5*time.Second || waited > 6*time.Second {
			t.Errorf("waited %s", waited)
		}
	})
}

// unreadable is a cache that was damaged, or sealed with another key.
type unreadable struct {
	datapoints.TokenCache
	why error // nil: it can be read
}

func (u *unreadable) Token(ctx context.Context, key string) (datapoints.TokenEntry, error) {
	e, err := u.TokenCache.Token(ctx, key)
	if err == nil && u.why != nil && !e.IsNote() {
		e.Secret, err = datapoints.Value{}, u.why
	}
	return e, err
}

// TestADamagedEntryTakesNothingFromMemory: nobody has replaced it, so what this
// process knows is still good.
func TestADamagedEntryTakesNothingFromMemory(t *testing.T) {
	t.Parallel()
	for _, why := range []error{datapoints.ErrCorrupt, datapoints.ErrKey} {
		synctest.Test(t, func(t *testing.T) {
			cache := &unreadable{TokenCache: new(datapoints.MemoryTokens)}
			world := &shared{cache: cache, server: rotating(t)}
			cred := basic()
			cred.Grant, cred.RefreshToken = "refresh_token", "seed"
			src := source(t, world.process(), cred)
			got(t, src)
			cache.why = why
			time.Sleep(time.Hour)
			want(t, "token", got(t, src), "t2")
			want(t, "sent", grants(world.server.requests()), "seed r1")
			if !strings.Contains(world.warned.text(), "credential ehr: its token in the cache cannot be read") {
				t.Errorf("warned of %q", world.warned.text())
			}
		})
	}
}

// TestARefreshTokenOfTheCredentialIsNotSentWhereNobodyKnowsWhetherItWas: the entry
// that says so cannot be read. A grant that needs nobody goes on without it.
func TestARefreshTokenOfTheCredentialIsNotSentWhereNobodyKnowsWhetherItWas(t *testing.T) {
	t.Parallel()
	for _, why := range []error{datapoints.ErrCorrupt, datapoints.ErrKey, errors.New("the disk is gone")} {
		for _, grant := range []string{"refresh_token", "device_code", "authorization_code", "client_credentials"} {
			synctest.Test(t, func(t *testing.T) {
				cache := &unreadable{TokenCache: new(datapoints.MemoryTokens)}
				world := &shared{cache: cache, server: rotating(t)}
				cred := basic()
				cred.Grant, cred.RefreshToken = grant, "seed"
				cred.AuthorizationURL, cred.DeviceURL, cred.RedirectURI = "https://auth.example.test/authorize", "https://auth.example.test/device", ""
				got(t, source(t, world.process(), cred))
				time.Sleep(time.Hour)
				cache.why = why
				fresh := source(t, world.process(), cred)
				if grant == "client_credentials" {
					want(t, "token", got(t, fresh), "t2")
					want(t, "sent", grants(world.server.requests()), "seed client_credentials")
					return
				}
				_, err := fresh.Token(t.Context())
				var e *flow.Error
				if !errors.As(err, &e) || e.Kind != flow.KindAuth || !errors.Is(err, why) || !strings.Contains(e.Message, "may have been used already, and nothing was sent") ||
					!strings.Contains(strings.Join(e.Hints, "; "), "stepwell token purge "+fresh.ID()) {
					t.Errorf("%s, %v: %v", grant, why, err)
				}
				want(t, "sent", grants(world.server.requests()), "seed")
			})
		}
	}
}

// TestARejectionIsNotForgottenByARenewalThatFails: the token stays out of use.
func TestARejectionIsNotForgottenByARenewalThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, cred := refreshing(bad(500, ""), bad(401, `{"error":"invalid_client"}`), token("second", ""))
		src := source(t, &oauth2.Client{Carrier: s}, cred)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(58 * time.Minute)
		s.delay = time.Second
		want(t, "token while it is renewed", got(t, src), "first")
		synctest.Wait()
		src.Reject(t.Context(), first, "401")
		time.Sleep(33 * time.Second)
		want(t, "token", got(t, src), "second")
		want(t, "sent", grants(s.requests()), "password r1 password password")
	})
}

// slowLocks take their time to let go.
type slowLocks struct{ free chan struct{} }

func (l slowLocks) Lock(context.Context, string) (func(), error) {
	return func() { <-l.free }, nil
}

// TestATokenThatWasRejectedIsNotGivenByTheRequestThatGotIt: a caller may have used
// it, and come back, before that request has come to its end.
func TestATokenThatWasRejectedIsNotGivenByTheRequestThatGotIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world := &shared{cache: sealed(), server: rotating(t)}
		c := world.process()
		slow := slowLocks{make(chan struct{})}
		c.Locks = slow
		src := source(t, c, basic())
		go func() { _, _ = src.Token(t.Context()) }()
		synctest.Wait() // the token is in memory, the lock is still held
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Reject(t.Context(), token, "401")
		done := make(chan string)
		const many = 50 // so that some look when others have gone on already
		for range many {
			go func() { done <- got(t, src) }()
		}
		synctest.Wait()
		close(slow.free)
		for range many {
			want(t, "token", <-done, "t2")
		}
	})
}

// TestACallerThatLeavesDoesNotSetTheNamesOfTokens: they would be others than those
// of the next process.
func TestACallerThatLeavesDoesNotSetTheNamesOfTokens(t *testing.T) {
	t.Parallel()
	world := &shared{cache: sealed(), server: serving(token("first", ""))}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	src, err := world.process().Source(gone, basic())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "name", src.ID(), source(t, world.process(), basic()).ID())
	want(t, "warnings", world.warned.text(), "")
}

// TestAProcessWithTheWrongKeyTakesNothingFromTheRightOne: it keeps tokens of its own.
func TestAProcessWithTheWrongKeyTakesNothingFromTheRightOne(t *testing.T) {
	t.Parallel()
	below := new(datapoints.MemoryTokens)
	right, wrong := datapoints.NewMasterKey(), datapoints.NewMasterKey()
	world := &shared{server: rotating(t)}
	for _, c := range []struct {
		key   datapoints.MasterKey
		token string
	}{{right, "t1"}, {wrong, "t2"}, {right, "t1"}, {wrong, "t2"}} {
		world.cache = datapoints.SealTokens(below, c.key)
		want(t, "token", got(t, source(t, world.process(), basic())), c.token)
	}
	list, err := (&oauth2.Client{Cache: datapoints.SealTokens(below, right)}).Kept(t.Context())
	if len(list) != 2 || !errors.Is(err, datapoints.ErrKey) {
		t.Errorf("kept is %+v, %v", list, err)
	}
}

// away is the key of a KMS that cannot be reached for a moment.
type away struct {
	datapoints.MasterKey
	gone bool
}

func (a *away) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if a.gone {
		return nil, errors.New("the KMS does not answer")
	}
	return a.MasterKey.Unwrap(ctx, wrapped)
}

// TestAKeyThatCannotBeAskedForChangesNoNames of the tokens that others find by them.
func TestAKeyThatCannotBeAskedForChangesNoNames(t *testing.T) {
	t.Parallel()
	key := &away{MasterKey: datapoints.NewMasterKey()}
	world := &shared{cache: datapoints.SealTokens(new(datapoints.MemoryTokens), key), server: rotating(t)}
	want(t, "token", got(t, source(t, world.process(), basic())), "t1")
	key.gone = true
	want(t, "token without the key", got(t, source(t, world.process(), basic())), "t2")
	if !strings.Contains(world.warned.text(), "the token cache cannot be read: what the tokens are found by: the KMS does not answer; tokens are kept in memory") {
		t.Errorf("warned of %q", world.warned.text())
	}
	key.gone = false
	if kept, err := world.process().Kept(t.Context()); len(kept) != 1 || err != nil {
		t.Errorf("kept is %+v, %v", kept, err)
	}
	want(t, "token of the next process", got(t, source(t, world.process(), basic())), "t1")
}

// TestARefusalIsKeptAlsoWhenItsStepIsOver for the next process, and without a
// warning of a cache that is well.
func TestARefusalIsKeptAlsoWhenItsStepIsOver(t *testing.T) {
	t.Parallel()
	world := &shared{cache: sealed(), server: rotating(t)}
	src := source(t, world.process(), basic())
	first, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	src.Reject(over, first, "401")
	want(t, "token of the next process", got(t, source(t, world.process(), basic())), "t2")
	want(t, "warnings", world.warned.text(), "")
}

// quoting is a cache that says what it was to keep. It keeps nothing, or notes alone.
type quoting struct {
	datapoints.TokenCache
	notes bool
}

func (q quoting) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	if q.notes && e.IsNote() {
		return q.TokenCache.PutToken(ctx, e)
	}
	return fmt.Errorf("INSERT %q\nfailed", e.Secret.Reveal())
}

// quotingLocks say what they please.
type quotingLocks struct{}

func (quotingLocks) Lock(context.Context, string) (func(), error) {
	return nil, errors.New("no lock for canary-secret")
}

// TestAWarningTellsNoSecret, whatever the cache and the locks say.
func TestAWarningTellsNoSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		notes bool
		lines int // warned of
		says  string
	}{{true, 2, "[secret dpop_key]"}, {false, 1, `"\"[secret token]\""`}} {
		cache := quoting{new(datapoints.MemoryTokens), c.notes}
		world := &shared{cache: cache, server: serving(dpop("canary-token", `,"refresh_token":"canary-refresh"`))}
		client := world.process()
		client.Locks = quotingLocks{}
		var told datapoints.Redactor
		client.Secret = told.Add
		got(t, source(t, client, bound("ES256")))
		text := world.warned.text()
		if n := strings.Count(text, "\n") + 1; n != c.lines || strings.Contains(text, "canary") || !strings.Contains(text, c.says) {
			t.Errorf("warned of %s", text)
		}
		if strings.Contains(told.Text(`"d":"x"`), "[secret") {
			t.Error("everything is a secret")
		}
	}
}

// TestAClientThatIsClosedWaitsForNothing but requests that are under way: who waits
// for a lock or for another try has nothing to lose.
func TestAClientThatIsClosedWaitsForNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		locks oauth2.Locks
		kind  flow.Kind
	}{
		"another try": {nil, flow.KindHTTP},
		"a lock":      {stuckLocks{}, flow.KindInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				world := &shared{cache: sealed(), server: serving(bad(503, "", "Retry-After", "200"))}
				client := world.process()
				client.Locks = c.locks
				src := source(t, client, basic())
				done := make(chan flow.Kind)
				go func() { done <- failed(t, src).Kind }()
				synctest.Wait()
				begun := time.Now()
				if err := client.Close(t.Context()); err != nil {
					t.Error(err)
				}
				want(t, "kind", <-done, c.kind)
				want(t, "waited", time.Since(begun), time.Duration(0))
				want(t, "warnings", world.warned.text(), "")
			})
		})
	}
}

// stuckLocks are held by another process for ever.
type stuckLocks struct{}

func (stuckLocks) Lock(ctx context.Context, _ string) (func(), error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestASourceForgetsTokensOfLongAgo, and neither the last ones nor its own secrets.
func TestASourceForgetsTokensOfLongAgo(t *testing.T) {
	t.Parallel()
	n := 0
	s := serving(func(seen) any {
		if n++; n <= 600 {
			return token(fmt.Sprintf("canary-token-%03d", n), "")
		}
		return bad(400, `{"error":"invalid_request","error_description":"canary-token-001 canary-token-350 canary-token-600 canary-secret Y2xpZW50OmNhbmFyeS1zZWNyZXQ="}`)
	})
	cred := basic()
	cred.Keep = "none"
	src := source(t, &oauth2.Client{Carrier: s}, cred)
	for range 600 {
		got(t, src)
	}
	says(t, failed(t, src), true, "canary-token-001 [secret access_token] [secret access_token] [secret client_secret] [secret client_secret]")
}
