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
	"github.com/stepwell/stepwell/flow"
)

func TestManyCallersSendOneRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = time.Second
		c := &oauth2.Client{Carrier: s}
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() { want(t, "token", got(t, source(t, c, basic())), "first") })
		}
		all.Wait()
		want(t, "requests", s.count(), 1)
	})
}

func TestACallerMayLeaveAndTheOthersGetTheToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = 10 * time.Second
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		leaving, leave := context.WithCancel(t.Context())
		hurried, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var all sync.WaitGroup
		for ctx, kind := range map[context.Context]flow.Kind{leaving: flow.KindCancelled, hurried: flow.KindTimeout} {
			all.Go(func() {
				_, err := src.Token(ctx)
				var e *flow.Error
				if !errors.As(err, &e) || e.Kind != kind || !errors.Is(err, ctx.Err()) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Go(func() {
			time.Sleep(time.Second)
			want(t, "token", got(t, src), "first")
		})
		time.Sleep(time.Second)
		leave()
		all.Wait()
		want(t, "requests", s.count(), 1)
	})
}

func TestARequestThatNobodyWaitsForIsFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = 10 * time.Second
		c := &oauth2.Client{Carrier: s}
		src := source(t, c, basic())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := src.Token(ctx); err == nil {
			t.Fatal("a token before the answer")
		}
		if err := c.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "token", got(t, src), "first")
		want(t, "requests", s.count(), 1)
	})
}

func TestCloseWaitsNoLongerThanItMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = 10 * time.Second
		c := &oauth2.Client{Carrier: s}
		src := source(t, c, basic())
		go func() { _, _ = src.Token(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		if err := c.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 3*time.Second {
			t.Errorf("closed after %s with %v", time.Since(begun), err)
		}
		other := basic()
		other.ClientID = "other"
		want(t, "kind", failed(t, source(t, c, other)).Kind, flow.KindInterrupted)
		time.Sleep(10 * time.Second)
		want(t, "requests", s.count(), 1)
	})
}

// TestWhatIsTriedAgain is the table of answers that another try may mend.
func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	reset := errors.New("connection reset by peer")
	for _, c := range []struct {
		name   string
		answer any
		tries  int
		kind   flow.Kind
	}{
		{"nothing sent", broken{false, reset}, 3, flow.KindNetwork},
		{"sent, no answer", broken{true, reset}, 3, flow.KindNetwork},
		{"time over", broken{true, context.DeadlineExceeded}, 3, flow.KindTimeout},
		{"500", bad(500, "oops"), 3, flow.KindHTTP},
		{"500 with an OAuth error", bad(500, `{"error":"server_error"}`), 3, flow.KindHTTP},
		{"502 page", bad(502, "<html>"), 3, flow.KindHTTP},
		{"503", bad(503, ""), 3, flow.KindHTTP},
		{"504", bad(504, ""), 3, flow.KindHTTP},
		{"408", bad(408, ""), 3, flow.KindHTTP},
		{"425", bad(425, ""), 3, flow.KindHTTP},
		{"429", bad(429, ""), 3, flow.KindHTTP},
		{"429 with an OAuth error", bad(429, `{"error":"rate_limited"}`), 3, flow.KindHTTP},
		{"401 empty", bad(401, ""), 3, flow.KindAuth},
		{"400 text", bad(400, "bad request"), 3, flow.KindAuth},
		{"403 page", bad(403, "<!doctype html>blocked"), 3, flow.KindAuth},
		{"404 json", bad(404, `{"message":"no such route"}`), 3, flow.KindAuth},
		{"200 page", ok("<html>"), 3, flow.KindAuth},
		{"400 invalid_client", bad(400, `{"error":"invalid_client"}`), 1, flow.KindAuth},
		{"401 invalid_client", bad(401, `{"error":"invalid_client"}`), 1, flow.KindAuth},
		{"400 invalid_grant", bad(400, `{"error":"invalid_grant"}`), 1, flow.KindAuth},
		{"400 error as a form", bad(400, `error=invalid_scope`), 1, flow.KindAuth},
		{"400 unknown error", bad(400, `{"error":"custom_thing"}`), 1, flow.KindAuth},
		{"403 access_denied", bad(403, `{"error":"access_denied"}`), 1, flow.KindAuth},
		{"302", bad(302, "", "Location", "https://login.example.test/"), 1, flow.KindAuth},
		{"200 empty", ok(""), 1, flow.KindAuth},
		{"204", reply{status: 204}, 1, flow.KindAuth},
		{"200 error", ok(`{"error":"invalid_client"}`), 1, flow.KindAuth},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serving(c.answer)
				begun := time.Now()
				e := failed(t, source(t, &oauth2.Client{Carrier: s}, basic()))
				want(t, "tries", s.count(), c.tries)
				want(t, "kind", e.Kind, c.kind)
				if waited := time.Since(begun); waited > 600*time.Millisecond {
					t.Errorf("waited %s between the tries", waited)
				}
				if c.tries == 3 {
					s = serving(c.answer, c.answer, token("third", ""))
					want(t, "token", got(t, source(t, &oauth2.Client{Carrier: s}, basic())), "third")
				}
			})
		})
	}
}

func TestRetryAfterWins(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		after string
		waits time.Duration
		tries int
	}{
		{"7", 7 * time.Second, 2},
		{"300", 300 * time.Second, 2},
		{"301", 0, 1},
		{"86400", 0, 1},
		{"Sat, 01 Jan 2000 00:00:09 GMT", 9 * time.Second, 2},
		{"Sat, 01 Jan 2000 01:00:09 GMT", 9 * time.Second, 2}, // by a clock that is an hour ahead
	} {
		t.Run(c.after, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				late := bad(503, "", "Retry-After", c.after)
				if strings.Contains(c.after, "01:00") {
					late.header["Date"] = "Sat, 01 Jan 2000 01:00:00 GMT"
				}
				s := serving(late, token("first", ""))
				begun := time.Now()
				_, err := source(t, &oauth2.Client{Carrier: s}, basic()).Token(t.Context())
				want(t, "failed", err != nil, c.tries == 1)
				want(t, "waited", time.Since(begun), c.waits)
				want(t, "tries", s.count(), c.tries)
			})
		})
	}
}

// TestARefusedClientIsRememberedFor30Seconds: five hundred steps with a wrong
// secret send one request.
func TestARefusedClientIsRememberedFor30Seconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(bad(401, `{"error":"invalid_client"}`))
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		first := failed(t, src)
		for range 500 {
			if e := failed(t, src); e == first || e.Message != first.Message {
				t.Fatal("not a copy of the first refusal")
			}
		}
		time.Sleep(30*time.Second - 1)
		failed(t, src)
		want(t, "requests within 30s", s.count(), 1)
		time.Sleep(time.Nanosecond)
		failed(t, src)
		want(t, "requests after 30s", s.count(), 2)
	})
}

// TestARefusedClientIsRememberedWhateverItAsksFor: a loop over data may ask for
// another token each time. Only a refusal of the client itself counts for all.
func TestARefusedClientIsRememberedWhateverItAsksFor(t *testing.T) {
	t.Parallel()
	for code, requests := range map[string]int{"invalid_client": 2, "invalid_scope": 51} {
		synctest.Test(t, func(t *testing.T) {
			s := serving(bad(401, `{"error":"`+code+`"}`))
			c := &oauth2.Client{Carrier: s}
			for n := range 50 {
				cred := basic()
				cred.Scopes = []string{fmt.Sprint("scope-", n)}
				failed(t, source(t, c, cred))
			}
			other := basic()
			other.ClientSecret = "another-secret"
			failed(t, source(t, c, other))
			want(t, "requests", s.count(), requests)
			s.answers = []any{token("first", "")}
			time.Sleep(30 * time.Second)
			want(t, "token", got(t, source(t, c, basic())), "first")
		})
	}
}

func TestAServerThatCannotAnswerIsNotRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(bad(503, ""), bad(503, ""), bad(503, ""), token("first", ""))
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		failed(t, src)
		want(t, "token", got(t, src), "first")
	})
}

// refreshing is a password credential whose first answer has a refresh token.
func refreshing(answers ...any) (*server, oauth2.Credential) {
	cred := basic()
	cred.Grant, cred.Username, cred.Password = "password", "user", "canary-password"
	return serving(append([]any{token("first", `,"refresh_token":"r1"`)}, answers...)...), cred
}

// TestWhatBecomesOfARefreshToken: what is sent after the first token is over.
func TestWhatBecomesOfARefreshToken(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset by peer")
	for _, c := range []struct {
		name    string
		answers []any
		sent    string // each grant after the first; of refresh_token also which
		token   string // "" failed
	}{
		{"it is used", []any{token("second", "")}, "r1", "second"},
		{"it is refused", []any{bad(400, `{"error":"invalid_grant"}`), token("second", "")}, "r1 password", "second"},
		{"it is refused without a word", []any{bad(403, ""), token("second", "")}, "r1 password", "second"},
		{"it is refused with 200", []any{ok(`{"error":"bad_refresh_token"}`), token("second", "")}, "r1 password", "second"},
		{"the client is refused", []any{bad(401, `{"error":"invalid_client"}`), token("second", "")}, "r1 password", "second"},
		{"both are refused", []any{bad(400, `{"error":"invalid_grant"}`), bad(400, `{"error":"invalid_grant"}`)}, "r1 password", ""},
		{"its answer is lost", []any{broken{true, lost}, token("second", "")}, "r1 password", "second"},
		{"the server fails", []any{bad(500, ""), token("second", "")}, "r1 password", "second"},
		{"503 without Retry-After", []any{bad(503, ""), token("second", "")}, "r1 password", "second"},
		{"503 with Retry-After", []any{bad(503, "", "Retry-After", "1"), token("second", "")}, "r1 r1", "second"},
		{"429", []any{bad(429, "", "Retry-After", "1"), token("second", "")}, "r1 r1", "second"},
		{"408", []any{bad(408, ""), token("second", "")}, "r1 password", "second"},
		{"nothing was sent", []any{broken{false, lost}, token("second", "")}, "r1 r1", "second"},
		{"nothing was ever sent", []any{broken{false, lost}}, "r1 r1 r1", ""},
		{"an odd answer", []any{ok(`{"access_token":""}`), token("second", "")}, "r1 password", "second"},
		{"a page", []any{ok(`<html>`), token("second", "")}, "r1 password", "second"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, cred := refreshing(c.answers...)
				src := source(t, &oauth2.Client{Carrier: s}, cred)
				got(t, src)
				time.Sleep(time.Hour)
				if c.token == "" {
					failed(t, src)
				} else {
					want(t, "token", got(t, src), c.token)
				}
				want(t, "sent", grants(s.requests()[1:]), c.sent)
			})
		})
	}
}

func grants(requests []seen) string {
	var all []string
	for _, r := range requests {
		what := r.form.Get("refresh_token")
		if what == "" {
			what = r.form.Get("grant_type")
		}
		all = append(all, what)
	}
	return strings.Join(all, " ")
}

func TestARefreshTokenRotatesAndIsNeverUsedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 1
		next := func(seen) any {
			n++
			return token(fmt.Sprintf("t%d", n), fmt.Sprintf(`,"refresh_token":"r%d"`, n))
		}
		s, cred := refreshing(next)
		src := source(t, &oauth2.Client{Carrier: s}, cred)
		got(t, src)
		for i := 2; i <= 20; i++ {
			time.Sleep(time.Hour)
			want(t, "token", got(t, src), fmt.Sprintf("t%d", i))
		}
		used := map[string]bool{}
		for _, r := range s.requests()[1:] {
			if r := r.form.Get("refresh_token"); r == "" || used[r] {
				t.Errorf("%q is sent again", r)
			} else {
				used[r] = true
			}
		}
	})
}

// TestTheCredentialsOwnRefreshToken is about the grant that has nothing else.
func TestTheCredentialsOwnRefreshToken(t *testing.T) {
	t.Parallel()
	lost := errors.New("connection reset by peer")
	for _, c := range []struct {
		name    string
		answers []any
		sent    string // over two lives
		second  string // "" failed
		says    string
	}{
		{"it stays good", []any{token("first", ""), token("second", "")}, "seed seed", "second", ""},
		{"it rotates", []any{token("first", `,"refresh_token":"r1"`), token("second", "")}, "seed r1", "second", ""},
		{"the next one is refused", []any{token("first", `,"refresh_token":"r1"`), bad(400, `{"error":"invalid_grant"}`)}, "seed r1", "", "put a new refresh token into"},
		{"the next answer is lost", []any{token("first", `,"refresh_token":"r1"`), broken{true, lost}}, "seed r1", "", "may have been used"},
		{"the server fails, and names an error", []any{token("first", `,"refresh_token":"r1"`), bad(500, `{"error":"server_error"}`)}, "seed r1", "", "may have been used"},
		{"it is refused in other words", []any{token("first", `,"refresh_token":"r1"`), bad(400, `{"error":"token_expired"}`)}, "seed r1", "", "put a new refresh token into"},
		{"the client is refused for a while", []any{token("first", `,"refresh_token":"r1"`), bad(401, `{"error":"invalid_client"}`)}, "seed r1", "", "does not know the client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cred := basic()
				cred.Grant, cred.RefreshToken = "refresh_token", "seed"
				s := serving(c.answers...)
				src := source(t, &oauth2.Client{Carrier: s}, cred)
				want(t, "token", got(t, src), "first")
				time.Sleep(time.Hour)
				if c.second != "" {
					want(t, "token", got(t, src), c.second)
				} else {
					says(t, failed(t, src), true, c.says)
				}
				want(t, "sent", grants(s.requests()), c.sent)
				if c.second == "" && c.says != "does not know the client" {
					time.Sleep(time.Minute)
					says(t, failed(t, src), true, "what it gave is lost")
					want(t, "sent", grants(s.requests()), c.sent)
				}
			})
		})
	}
}

func TestARefusedClientKeepsTheRefreshTokenThatNobodyCanReplace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cred := basic()
		cred.Grant, cred.RefreshToken = "refresh_token", "seed"
		s := serving(token("first", `,"refresh_token":"r1"`), bad(401, `{"error":"invalid_client"}`), token("second", ""))
		src := source(t, &oauth2.Client{Carrier: s}, cred)
		got(t, src)
		time.Sleep(time.Hour)
		failed(t, src)
		time.Sleep(30 * time.Second)
		want(t, "token", got(t, src), "second")
		want(t, "sent", grants(s.requests()), "seed r1 r1")
	})
}

func TestEachOfTheSettingsOfCache(t *testing.T) {
	t.Parallel()
	for keep, requests := range map[string]int{"store": 1, "process": 1, "run": 2, "none": 4} {
		s := serving(token("first", ""))
		c := &oauth2.Client{Carrier: s}
		for _, run := range []string{"one", "one", "two", "two"} {
			cred := basic()
			cred.Keep, cred.Run = keep, run
			got(t, source(t, c, cred))
		}
		want(t, "requests with cache: "+keep, s.count(), requests)
	}
}

// TestAProcessForgetsTheTokensThatNobodyAsksFor: subject tokens that come from
// data make as many tokens as there are data.
func TestAProcessForgetsTheTokensThatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	s := serving(token("first", ""))
	c := &oauth2.Client{Carrier: s}
	ask := func(n int) {
		cred := basic()
		cred.Grant, cred.SubjectToken = "token_exchange", fmt.Sprint("subject ", n)
		got(t, source(t, c, cred))
	}
	for n := range 1025 {
		ask(n)
	}
	ask(1024)
	ask(1)
	want(t, "requests", s.count(), 1025)
	ask(0)
	want(t, "requests", s.count(), 1026)
}
