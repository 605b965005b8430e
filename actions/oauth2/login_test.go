package oauth2_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

func device() oauth2.Credential {
	cred := basic()
	cred.Grant, cred.ClientSecret, cred.DeviceURL, cred.Scopes = "device_code", "", "https://id.example.test/device", []string{"a"}
	return cred
}

const begun = `{"device_code":"canary-device","user_code":"WDJB-MJHT","verification_uri":"https://id.example.test/on","verification_uri_complete":"https://id.example.test/on?c=WDJB-MJHT","expires_in":60,"interval":5}`

// TestADeviceLoginAsksUntilItIsConfirmed: every interval, five seconds later each time it is told to slow down.
func TestADeviceLoginAsksUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	pending, slow := bad(400, `{"error":"authorization_pending"}`), bad(400, `{"error":"slow_down"}`)
	for _, c := range []struct {
		name    string
		begins  string
		answers []any
		waits   time.Duration
		polls   int
		says    string
	}{
		{"at once", begun, []any{token("first", "")}, 5 * time.Second, 1, ""},
		{"after a while", begun, []any{pending, pending, token("first", "")}, 15 * time.Second, 3, ""},
		{"slowed down", begun, []any{slow, pending, slow, token("first", "")}, (5 + 10 + 10 + 15) * time.Second, 4, ""},
		{"without an interval", `{"device_code":"d","user_code":"u","verification_url":"https://id.example.test/on"}`, []any{pending, token("first", "")}, 10 * time.Second, 2, ""},
		{"an interval of 1s", `{"device_code":"d","user_code":"u","verification_uri":"https://id.example.test/on","interval":"1"}`, []any{pending, token("first", "")}, 2 * time.Second, 2, ""},
		{"never", begun, []any{pending}, 60 * time.Second, 12, "nobody confirmed the login in time"},
		{"denied", begun, []any{pending, bad(400, `{"error":"access_denied"}`)}, 10 * time.Second, 2, "access_denied"},
		{"expired", begun, []any{bad(400, `{"error":"expired_token"}`)}, 5 * time.Second, 1, "begin anew"},
		{"answer lost", begun, []any{broken{true, errors.New("reset")}, token("first", "")}, 5 * time.Second, 1, "cannot be asked"},
		{"server fails", begun, []any{bad(500, ""), token("first", "")}, 5 * time.Second, 1, "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serving(append([]any{ok(c.begins)}, c.answers...)...)
				src := source(t, &oauth2.Client{Carrier: s}, device())
				says(t, failed(t, src), true, "`stepwell token login FILE ehr`")
				d, err := src.Device(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want(t, "URL", d.URL, "https://id.example.test/on")
				want(t, "asked with", s.last().body, "scope=a&client_id=client")
				at := time.Now()
				got1, err := src.Await(t.Context(), d)
				if waited := time.Since(at); waited > c.waits || waited < c.waits-5*time.Second {
					t.Errorf("waited %s, not %s", waited, c.waits)
				}
				if c.says == "" && (err != nil || got1.Access.RevealText() != "first" || got(t, src) != "first") {
					t.Errorf("got %v", err)
				}
				if c.says != "" && (err == nil || !strings.Contains(written(asError(t, err)), c.says) || strings.Contains(err.Error(), "canary")) {
					t.Errorf("got %v", err)
				}
				polls := 0
				for _, r := range s.requests()[1:] {
					polls++
					want(t, "grant", r.form.Get("grant_type"), "urn:ietf:params:oauth:grant-type:device_code")
				}
				if c.says == "nobody confirmed the login in time" {
					polls++ // the one that would have been too late
				}
				want(t, "polls", polls, c.polls)
			})
		})
	}
}

func asError(t *testing.T, err error) *flow.Error {
	t.Helper()
	var e *flow.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	return e
}

func TestALoginOnADeviceIsLeftWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := source(t, &oauth2.Client{Carrier: serving(ok(begun), bad(400, `{"error":"authorization_pending"}`))}, device())
		d, err := src.Device(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "code", d.UserCode+" "+d.Complete, "WDJB-MJHT https://id.example.test/on?c=WDJB-MJHT")
		ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
		defer cancel()
		_, err = src.Await(ctx, d)
		want(t, "kind", asError(t, err).Kind, flow.KindTimeout)
	})
}

// browsers logs in at a server on loopback, as a person's browser would.
type browsers struct {
	*httptest.Server
	mu        sync.Mutex
	challenge string
	redirect  string
	forms     []url.Values
	say       func(q url.Values) // changes the way back
}

func newBrowsers(t *testing.T) *browsers {
	b := &browsers{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		q := r.URL.Query()
		b.challenge, b.redirect = q.Get("code_challenge"), q.Get("redirect_uri")
		if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "client" || q.Get("scope") != "a" || q.Get("prompt") != "login" {
			http.Error(w, "wrong request", http.StatusBadRequest)
			return
		}
		back := url.Values{"state": {q.Get("state")}, "code": {"canary-code"}}
		if b.say != nil {
			b.say(back)
		}
		http.Redirect(w, r, b.redirect+"?"+back.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.forms = append(b.forms, r.PostForm)
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		w.Header().Set("Content-Type", "application/json")
		if r.PostForm.Get("code") != "canary-code" || r.PostForm.Get("redirect_uri") != b.redirect || base64.RawURLEncoding.EncodeToString(sum[:]) != b.challenge {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"first","token_type":"Bearer","expires_in":3600,"refresh_token":"r1"}`)
	})
	b.Server = httptest.NewServer(mux)
	t.Cleanup(b.Close)
	return b
}

func (b *browsers) credential() oauth2.Credential {
	return oauth2.Credential{Name: "ehr", Grant: "authorization_code", ClientID: "client", Scopes: []string{"a"},
		TokenURL: b.URL + "/token", AuthorizationURL: b.URL + "/authorize", AuthorizationParams: map[string]string{"prompt": "login"}}
}

// open follows the redirects like a browser and gives the page at their end.
func open(page *string) func(string) error {
	return func(address string) error {
		go func() {
			resp, err := http.Get(address)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			if page != nil {
				*page = string(text)
			}
		}()
		return nil
	}
}

func TestAPersonLogsInWithABrowser(t *testing.T) {
	t.Parallel()
	b := newBrowsers(t)
	world := &shared{cache: sealed()}
	c := world.process()
	c.Carrier = nil
	src := source(t, c, b.credential())
	says(t, failed(t, src), true, "needs a person")
	token, err := src.LoginHere(t.Context(), open(nil))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "token", token.Access.RevealText(), "first")
	next := world.process()
	next.Carrier = serving()
	want(t, "token of the next process", got(t, source(t, next, b.credential())), "first")
}

func TestALoginThatGoesWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		say  func(url.Values)
		says string
	}{
		"denied":     {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied"); q.Set("error_description", "No.") }, "the login was refused: access_denied: No."},
		"no code":    {func(q url.Values) { q.Del("code") }, "came back without a code"},
		"wrong code": {func(q url.Values) { q.Set("code", "canary-other") }, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBrowsers(t)
			b.say = c.say
			_, err := source(t, new(oauth2.Client), b.credential()).LoginHere(t.Context(), open(nil))
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnotherLoginsWayBackIsNotTaken(t *testing.T) {
	t.Parallel()
	b := newBrowsers(t)
	b.say = func(q url.Values) { q.Set("state", "forged") }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := source(t, new(oauth2.Client), b.credential()).LoginHere(ctx, open(nil))
	want(t, "kind", asError(t, err).Kind, flow.KindTimeout)
	want(t, "codes sent", len(b.forms), 0)
	l, err := source(t, new(oauth2.Client), b.credential()).Login(t.Context(), "https://app.example.test/back")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Finish(t.Context(), url.Values{"state": {"forged"}, "code": {"canary-code"}}); err == nil || !strings.Contains(err.Error(), "another login's state") {
		t.Errorf("got %v", err)
	}
}

func TestTheIssuerOfAWayBackIsCompared(t *testing.T) {
	t.Parallel()
	s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t","authorization_endpoint":"https://id.example.test/a?x=1","authorization_response_iss_parameter_supported":true}`})
	cred := basic()
	cred.TokenURL, cred.Issuer, cred.Grant = "", "https://id.example.test", "authorization_code"
	src := source(t, &oauth2.Client{Carrier: s}, cred)
	l, err := src.Login(t.Context(), "http://127.0.0.1:7/")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(l.URL)
	if err != nil || u.Query().Get("x") != "1" || len(u.Query().Get("state")) < 32 {
		t.Fatalf("%s, %v", l.URL, err)
	}
	back := url.Values{"state": {u.Query().Get("state")}, "code": {"c"}}
	for iss, fine := range map[string]bool{"": false, "https://evil.example.test": false, "https://id.example.test": true} {
		back.Set("iss", iss)
		if _, err := l.Finish(t.Context(), back); (err == nil) != fine {
			t.Errorf("%q: %v", iss, err)
		}
	}
}

// TestAnIssuerThatNeedNotBeNamedIsComparedWhereItIs (RFC 9207 §2.4).
func TestAnIssuerThatNeedNotBeNamedIsComparedWhereItIs(t *testing.T) {
	t.Parallel()
	s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t","authorization_endpoint":"https://id.example.test/a"}`})
	cred := basic()
	cred.TokenURL, cred.Issuer, cred.Grant = "", "https://id.example.test", "authorization_code"
	l, err := source(t, &oauth2.Client{Carrier: s}, cred).Login(t.Context(), "http://127.0.0.1:7/")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(l.URL)
	if err != nil {
		t.Fatal(err)
	}
	for iss, fine := range map[string]bool{"": true, "https://evil.example.test": false, "https://id.example.test": true} {
		back := url.Values{"state": {u.Query().Get("state")}, "code": {"c"}}
		if iss != "" {
			back.Set("iss", iss)
		}
		if _, err := l.Finish(t.Context(), back); (err == nil) != fine {
			t.Errorf("%q: %v", iss, err)
		}
	}
}

// TestAnAddressThatIsWrittenOutNeedsNoDiscovery: where the metadata's own one is
// does not matter then.
func TestAnAddressThatIsWrittenOutNeedsNoDiscovery(t *testing.T) {
	t.Parallel()
	s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t","authorization_endpoint":"https://other.example.test/a"}`})
	cred := basic()
	cred.TokenURL, cred.Issuer, cred.Grant, cred.AuthorizationURL = "", "https://id.example.test", "authorization_code", "https://login.example.test/a"
	l, err := source(t, &oauth2.Client{Carrier: s}, cred).Login(t.Context(), "http://127.0.0.1:7/")
	if err != nil || !strings.HasPrefix(l.URL, "https://login.example.test/a?") {
		t.Errorf("got %v, %v", l, err)
	}
	cred.AuthorizationURL = ""
	if _, err := source(t, &oauth2.Client{Carrier: s}, cred).Login(t.Context(), "http://127.0.0.1:7/"); err == nil || !strings.Contains(err.Error(), "on another origin") {
		t.Errorf("got %v", err)
	}
}

// TestTheBrowserIsToldThatALoginWasRefused.
func TestTheBrowserIsToldThatALoginWasRefused(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string]string{"code": "Done", "error": "The login was refused"} {
		b := newBrowsers(t)
		b.say = func(q url.Values) {
			if answer == "error" {
				q.Del("code")
				q.Set("error", "access_denied")
			}
		}
		page := make(chan string, 1)
		_, _ = source(t, new(oauth2.Client), b.credential()).LoginHere(t.Context(), func(address string) error {
			go func() {
				resp, err := http.Get(address)
				if err != nil {
					page <- err.Error()
					return
				}
				defer resp.Body.Close()
				text, _ := io.ReadAll(resp.Body)
				page <- string(text)
			}()
			return nil
		})
		if text := <-page; !strings.Contains(text, says) {
			t.Errorf("the page says %q", text)
		}
	}
}

func TestTheWayBackIsOnThisMachine(t *testing.T) {
	t.Parallel()
	b := newBrowsers(t)
	for redirect, fine := range map[string]bool{"http://127.0.0.1/cb": true, "http://localhost": true, "https://app.example.test/cb": false, "http://app.example.test/cb": false, "custom:/cb": false} {
		cred := b.credential()
		cred.RedirectURI, cred.Keep = redirect, "process"
		_, err := source(t, new(oauth2.Client), cred).LoginHere(t.Context(), open(nil))
		if (err == nil) != fine {
			t.Errorf("%s: %v", redirect, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cred := b.credential()
	cred.RedirectURI = "http://" + l.Addr().String() + "/cb"
	if _, err := source(t, new(oauth2.Client), cred).LoginHere(t.Context(), open(nil)); err == nil || !strings.Contains(err.Error(), "cannot be listened at") {
		t.Errorf("got %v", err)
	}
}

// TestTheTransportTellsWhetherAByteWasSent decides what becomes of a refresh token.
func TestTheTransportTellsWhetherAByteWasSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/token", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, sent, err := oauth2.Over(nil).Carry(r)
	want(t, "sent where nobody listens", sent, false)
	want(t, "failed", err != nil, true)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer silent.Close()
	r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, silent.URL, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, sent, err = oauth2.Over(nil).Carry(r)
	want(t, "sent where nobody answers", sent, true)
	want(t, "failed", err != nil, true)
	_, sent, _ = oauth2.Over(tripper{}).Carry(r)
	want(t, "sent by a transport that tells nothing", sent, true)
}

type tripper struct{}

func (tripper) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no") }

func TestADeviceLoginThatCannotBegin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*oauth2.Credential)
		answer any
		says   string
	}{
		"another grant": {func(c *oauth2.Credential) { c.Grant = "client_credentials" }, ok(begun), "its grant is client_credentials"},
		"no place":      {func(c *oauth2.Credential) { c.DeviceURL = "" }, ok(begun), "write `device_url`"},
		"refused":       {func(*oauth2.Credential) {}, bad(401, `{"error":"invalid_client"}`), "names no secret and no key"},
		"an error":      {func(*oauth2.Credential) {}, ok(`{"error":"invalid_scope"}`), "invalid_scope"},
		"a page":        {func(*oauth2.Credential) {}, ok("<html>"), "HTML page"},
		"half":          {func(*oauth2.Credential) {}, ok(`{"device_code":"canary"}`), "lacks device_code, user_code or verification_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cred := device()
				c.change(&cred)
				_, err := source(t, &oauth2.Client{Carrier: serving(c.answer)}, cred).Device(t.Context())
				if err == nil {
					t.Fatal("it began")
				}
				says(t, asError(t, err), true, c.says)
				says(t, asError(t, err), false, "canary")
			})
		})
	}
}
