package oauth2_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
)

// watched collects what who watches a client is told.
type watched struct {
	mu   sync.Mutex
	list []oauth2.Exchange
}

func (w *watched) add(_ context.Context, x oauth2.Exchange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, x)
}

// text is all that was told.
func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for _, x := range w.list {
		fmt.Fprintf(&b, "%s: %s %s\n", x.Credential, x.Request.Method, x.Request.URL)
		for _, h := range x.Request.Headers {
			fmt.Fprintf(&b, "> %s: %s\n", h[0], h[1])
		}
		fmt.Fprintf(&b, "> %s\n< %d %v\n< %s\n%v %s\n", x.Request.Body, x.Answer.Status, x.Answer.Headers, x.Answer.Body, x.Answer.Notes, x.Failure)
	}
	return b.String()
}

func TestWhoWatchesSeesTheRequestAndNoSecret(t *testing.T) {
	t.Parallel()
	const tokens = `"token_type":"Bearer","expires_in":3600`
	for name, c := range map[string]struct {
		cred   func(c *oauth2.Credential)
		answer any
		says   []string
	}{
		"basic": {nil, token("canary-access-1", `,"refresh_token":"canary-refresh-1","scope":"a"`),
			[]string{"ehr: POST " + endpoint + "\n", "> Authorization: Basic [secret client_secret]\n", "> grant_type=client_credentials&scope=a+b\n",
				`< {"access_token":"[secret access_token]","token_type":"Bearer","expires_in":3600,"refresh_token":"[secret refresh_token]","scope":"a"}`}},
		"in the body": {func(c *oauth2.Credential) { c.ClientAuth = "body" }, token("canary-access-1", ""),
			[]string{"&client_id=client&client_secret=[secret client_secret]\n"}},
		"as JSON": {func(c *oauth2.Credential) { c.ClientAuth, c.RequestEncoding = "body", "json" }, token("canary-access-1", ""),
			[]string{`"grant_type":"client_credentials","scope":"a b","client_id":"client","client_secret":"[secret client_secret]"}`}},
		"short secrets": {func(c *oauth2.Credential) { c.ClientSecret, c.ClientAuth = "CANARY", "body" }, token("CANARY2", `,"detail":"of CANARY"`), nil},
		"a password":    {func(c *oauth2.Credential) { c.Grant, c.Username, c.Password = "password", "CANARY", "canary-p" }, token("canary-access-1", ""), nil},
		"a parameter without a public name": {func(c *oauth2.Credential) { c.Params = map[string]string{"pin": "CANARY", "tenant": "north"} }, token("canary-access-1", ""),
			[]string{"&pin=[6 characters]&tenant=[5 characters]"}},
		"an assertion": {func(c *oauth2.Credential) {
			c.ClientAuth, c.ClientSecret = "client_secret_jwt", strings.Repeat("canary-s", 4)
		}, token("canary-access-1", ""), []string{"client_assertion_type=urn%3Aietf", "&client_assertion=[secret client_assertion]"}},
		"another path":   {func(c *oauth2.Credential) { c.Token.AccessToken = "s.k" }, ok(`{"s":{"k":"CANARY"},` + tokens + `}`), []string{`{"s":{"k":"[6 characters]"},`}},
		"a wrong path":   {nil, ok(`{"session":["canary-session"],` + tokens + `}`), []string{`{"session":["[14 characters]"],`}},
		"a member twice": {nil, ok(`{"access_token":"canary-a1","access_token":"canary-a2",` + tokens + `}`), []string{`"access_token":"[secret access_token]","access_token":`}},
		"a form":         {nil, ok("access_token=canary-access-1&token_type=bearer"), []string{`"token_type":"bearer"`}},
		"a page":         {nil, ok("<html>canary-in-a-page"), []string{"not shown: 22 bytes"}},
		"a refusal that quotes": {nil, bad(400, `{"error":"invalid_client","error_description":"canary-secret is wrong","hint":"ask","pin":7}`, "X-Auth-Token", "canary-header"),
			[]string{"< 400 ", `"error":"invalid_client","error_description":"[secret client_secret] is wrong","hint":"ask","pin":7}`}},
		"no answer": {nil, broken{true, fmt.Errorf("cut canary-secret off")}, []string{"< 0 map[]", "id.example.test cannot be asked: cut [secret client_secret] off"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var w watched
				cred := basic()
				cred.Scopes = []string{"a", "b"}
				if c.cred != nil {
					c.cred(&cred)
				}
				_, _ = source(t, &oauth2.Client{Carrier: serving(c.answer), Watch: w.add}, cred).Token(t.Context())
				text := w.text()
				for _, say := range c.says {
					if !strings.Contains(text, say) {
						t.Errorf("it does not say %q:\n%s", say, text)
					}
				}
				if strings.Contains(strings.ToLower(text), "canary") || len(w.list) == 0 {
					t.Error("it tells a secret, or nothing:\n" + text)
				}
			})
		})
	}
}

func TestWhoWatchesChangesNothingThatIsSent(t *testing.T) {
	t.Parallel()
	var bodies [2]string
	for i, watch := range []func(context.Context, oauth2.Exchange){nil, new(watched).add} {
		s := serving(token("canary-access-1", ""))
		got(t, source(t, &oauth2.Client{Carrier: s, Watch: watch}, basic()))
		bodies[i] = s.last().body
	}
	want(t, "the body", bodies[1], bodies[0])
}

func TestAFailureSaysHowManyTriesThereWere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer any
		says   string
	}{
		"503":           {bad(503, ""), "503 Service Unavailable, after 3 tries"},
		"no connection": {broken{false, fmt.Errorf("refused")}, "cannot be asked: refused, after 3 tries"},
		"final":         {bad(400, `{"error":"invalid_scope"}`), "400 Bad Request: invalid_scope"},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := failed(t, source(t, &oauth2.Client{Carrier: serving(c.answer)}, basic()))
			if !strings.HasSuffix(e.Message, c.says) {
				t.Errorf("%s: %s", name, e.Message)
			}
		})
	}
}

func TestAnEndThatNobodyToldIsMarkedAsAssumed(t *testing.T) {
	t.Parallel()
	for life, assumed := range map[string]bool{"3600": false, `"3600"`: false, "0": true, "null": true, "-5": true, `"soon"`: true} {
		synctest.Test(t, func(t *testing.T) {
			cache := new(datapoints.MemoryTokens)
			for _, from := range []string{"the server", "the cache"} {
				c := &oauth2.Client{Carrier: serving(ok(`{"access_token":"canary-access-1","expires_in":` + life + `}`)), Cache: cache}
				token, err := source(t, c, basic()).Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want(t, life+" from "+from, token.Assumed, assumed)
				if assumed {
					want(t, "its life", time.Until(token.Expires), 5*time.Minute)
				}
			}
		})
	}
}

func TestADocumentThatIsDiscoveredIsShown(t *testing.T) {
	t.Parallel()
	doc, _ := json.Marshal(map[string]string{"issuer": "https://id.example.test", "token_endpoint": endpoint})
	var w watched
	c := &oauth2.Client{Carrier: serving(ok(string(doc)), token("canary-access-1", "")), Watch: w.add}
	cred := basic()
	cred.TokenURL, cred.Issuer = "", "https://id.example.test"
	got(t, source(t, c, cred))
	text := w.text()
	if !strings.Contains(text, "GET https://id.example.test/.well-known/openid-configuration") || !strings.Contains(text, `"token_endpoint":"`+endpoint+`"`) {
		t.Error(text)
	}
}
