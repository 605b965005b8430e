package credentials_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A ward is a server with a token endpoint at /token and everything else behind
// it. It notes what it was asked, and the token requests by their grant.
type ward struct {
	*httptest.Server
	mu     sync.Mutex
	asked  []string
	grants []string
	good   string // the token that counts; "": each

	refuses func(http.ResponseWriter) // every token request; nil: none
}

// newWard answers with api, which is asked with the number of the request; a
// status of 0 from it means an answer by the token.
func newWard(t *testing.T, api func(nth int, w http.ResponseWriter, r *http.Request) bool) *ward {
	s := &ward{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Path == "/token" {
			form, _ := url.ParseQuery(string(body))
			s.grants = append(s.grants, form.Get("grant_type"))
			if s.refuses != nil {
				s.refuses(w)
				return
			}
			s.good = fmt.Sprintf("access-token-%d", len(s.grants))
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600,"scope":"read"}`, s.good)
			return
		}
		line := r.Method + " " + r.URL.RequestURI()
		for _, name := range []string{"Authorization", "X-Key", "Cookie"} {
			if v := r.Header.Get(name); v != "" {
				line += " " + name + "=" + v
			}
		}
		s.asked = append(s.asked, line)
		if api == nil || !api(len(s.asked), w, r) {
			if s.good != "" && r.Header.Get("Authorization") != "Bearer "+s.good {
				w.WriteHeader(http.StatusUnauthorized)
			}
			io.WriteString(w, `{"ok":true}`)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

const ours = `
  ehr: { type: oauth2, token_url: "${{ inputs.url }}/token", client_id: clinic, client_secret: "${{ secrets.key }}" MORE }
  partner: { type: basic, username: user, password: "${{ secrets.key }}" }
  fixed: { type: bearer, token: "${{ secrets.key }}" }
  lab: { type: api_key, value: "${{ secrets.key }}", send: { header: X-Key } }
  worded: { type: api_key, value: "${{ secrets.key }}", send: { header: X-Key, value: "Key ${{ token }}" } }
  cookie: { type: api_key, value: "${{ secrets.key }}", send: { cookie: session } }
  query: { type: api_key, value: "${{ secrets.key }}", send: { query: key } }`

const secret = "a secret+of/the=clinic"

// A course is what became of a run.
type course struct {
	run  datapoints.Run
	err  *flow.Error
	text string // all that people are shown of it
	path string // attempts of the step a: "1 401, 2 200"
}

// run runs steps with the credentials above; more are keys of ehr.
func (s *ward) run(t *testing.T, more, steps string) course {
	t.Helper()
	return s.runWith(t, strings.ReplaceAll(ours, " MORE", more)+"\n", steps)
}

func (s *ward) runWith(t *testing.T, declared, steps string) course {
	t.Helper()
	text := "stepwell: 1\nname: ward\ninputs: { url: string, other: { type: string, default: \"\" } }\nsecrets: { key: { env: KEY } }\ncredentials:" +
		declared + "steps:\n" + steps
	calls := new(actions.Client)
	t.Cleanup(calls.CloseIdle)
	kit := flow.Kit{Actions: calls.Actions(), Credentials: credentials.Of(calls, new(oauth2.Client))}
	p, err := flow.Compile(fstest.MapFS{"ward.yaml": {Data: []byte(text)}}, "ward.yaml", kit)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	store := new(datapoints.Memory)
	x := &flow.Executor{Store: store, Secrets: func(context.Context, flow.SecretSource) (string, error) { return secret, nil }}
	var c course
	c.run, err = x.Run(t.Context(), p, flow.Inputs{"url": s.URL, "other": strings.Replace(s.URL, "127.0.0.1", "localhost", 1)})
	if err != nil && !errors.As(err, &c.err) {
		t.Fatal(err)
	}
	history, err := flow.History(t.Context(), store, c.run.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range history {
		if h.Path != "a" {
			continue
		}
		for _, a := range h.Attempts {
			c.path += fmt.Sprintf("%d %d, ", a.N, a.Status)
		}
	}
	c.path = strings.TrimSuffix(c.path, ", ")
	if c.err != nil {
		c.text = fmt.Sprint(c.err.Message, c.err.Facts, c.err.Hints)
	}
	return c
}

func (s *ward) want(t *testing.T, c course, kind flow.Kind, attempts string, asked ...string) {
	t.Helper()
	got := flow.Kind("")
	if c.err != nil {
		got = c.err.Kind
	}
	if got != kind {
		t.Errorf("the run ended with %q: %s", got, c.text)
	}
	if c.path != attempts {
		t.Errorf("attempts %q, not %q", c.path, attempts)
	}
	if diff := cmp.Diff(asked, s.asked); diff != "" {
		t.Errorf("asked (-want +got)\n%s", diff)
	}
	if strings.Contains(c.text, secret) || strings.Contains(c.text, "access-token-") {
		t.Errorf("the error tells a secret: %s", c.text)
	}
}

const one, two = " Authorization=Bearer access-token-1", " Authorization=Bearer access-token-2"

func TestACredentialIsPutOnTheRequest(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ehr": "GET /a?x=1" + one, "partner": "GET /a?x=1 Authorization=Basic dXNlcjphIHNlY3JldCtvZi90aGU9Y2xpbmlj",
		"fixed": "GET /a?x=1 Authorization=Bearer " + secret, "lab": "GET /a?x=1 X-Key=" + secret, "worded": "GET /a?x=1 X-Key=Key " + secret,
		"query": "GET /a?x=1&key=a%20secret%2Bof%2Fthe%3Dclinic", "none": "GET /a?x=1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWard(t, nil)
			c := s.run(t, "", `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a?x=1", auth: `+name+` } }`)
			s.want(t, c, "", "1 200", want)
		})
	}
}

func TestACredentialThatCannotStandWhereItIsSentIsNotSent(t *testing.T) {
	t.Parallel()
	s := newWard(t, nil)
	c := s.run(t, "", `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: cookie } }`)
	s.want(t, c, flow.KindAuth, "1 0")
	if !strings.Contains(c.text, "cannot stand in a cookie") {
		t.Error(c.text)
	}
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	refuse := func(n int, status int, header string) func(int, http.ResponseWriter, *http.Request) bool {
		return func(nth int, w http.ResponseWriter, r *http.Request) bool {
			if nth > n {
				return false
			}
			if header != "" {
				w.Header().Set("WWW-Authenticate", header)
			}
			w.WriteHeader(status)
			io.WriteString(w, `{"code":"EXPIRED"}`)
			return true
		}
	}
	const reject = `, reject_on: { status: 419, when: 'response.body?.code == "EXPIRED"' }`
	for _, c := range []struct {
		name, more, with string
		api              func(int, http.ResponseWriter, *http.Request) bool
		kind             flow.Kind
		attempts         string
		asked            []string
		says             string
	}{
		{"by 401, of a call that may be repeated", "", "", refuse(1, 401, ""), "", "1 401, 2 200", []string{"GET /a" + one, "GET /a" + two}, ""},
		{"by 401, of one that may not", "", "method: POST, ", refuse(1, 401, ""), "", "1 401, 2 200", []string{"POST /a" + one, "POST /a" + two}, ""},
		{"by invalid_token with another status", "", "method: POST, ", refuse(1, 403, `Bearer error="invalid_token"`), "", "1 403, 2 200", []string{"POST /a" + one, "POST /a" + two}, ""},
		{"by a status of reject_on", reject, "method: POST, ", refuse(1, 419, ""), "", "1 419, 2 200", []string{"POST /a" + one, "POST /a" + two}, ""},
		{"by a status of reject_on, twice", reject, "", refuse(2, 419, ""), flow.KindAuth, "1 419, 2 419", []string{"GET /a" + one, "GET /a" + two}, "it answered 419; it was a new one"},
		{"by invalid_token with another status, twice", "", "", refuse(2, 403, `Bearer error="invalid_token"`), flow.KindAuth, "1 403, 2 403", []string{"GET /a" + one, "GET /a" + two}, "refused the token of credential ehr"},
		{"by a redirect to the login", `, reject_on: { status: 302 }`, "method: POST, ", refuse(1, 302, ""), "", "1 302, 2 200", []string{"POST /a" + one, "POST /a" + two}, ""},
		{"by a 5xx of reject_on", `, reject_on: { status: 500 }`, "", refuse(1, 500, ""), "", "1 500, 2 200", []string{"GET /a" + one, "GET /a" + two}, ""},
		{"by a 5xx of reject_on, of a call that may not be repeated", `, reject_on: { status: 500 }`, "method: POST, ", refuse(1, 500, ""), flow.KindAuth, "1 500", []string{"POST /a" + one}, "is not accepted"},
		{"by a 2xx of reject_on, of a call that may not be repeated", `, reject_on: { status: 202 }`, "method: POST, ", refuse(1, 202, ""), flow.KindAuth, "1 202", []string{"POST /a" + one}, "is not accepted"},
		{"by a condition", reject, "", refuse(1, 200, ""), "", "1 200, 2 200", []string{"GET /a" + one, "GET /a" + two}, ""},
		{"by a condition, of a call that may not be repeated", reject, "method: POST, ", refuse(1, 200, ""), flow.KindAuth, "1 200", []string{"POST /a" + one}, "is not accepted"},
		{"twice", "", "", refuse(2, 401, ""), flow.KindAuth, "1 401, 2 401", []string{"GET /a" + one, "GET /a" + two}, "it was a new one"},
		{"and what follows is the retry's", "", "", func(nth int, w http.ResponseWriter, r *http.Request) bool {
			if nth < 4 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader([]int{401, 503, 503}[nth-1])
			}
			return nth < 4
		}, "", "1 401, 2 503, 3 503, 4 200", []string{"GET /a" + one, "GET /a" + two, "GET /a" + two, "GET /a" + two}, ""},
		{"but not for the want of a scope", "", "", refuse(9, 403, `Bearer error="insufficient_scope", scope="orders.write"`), flow.KindHTTP, "1 403", []string{"GET /a" + one}, "orders.write"},
		{"but not if there is no other", "", "auth: fixed, ", refuse(9, 401, ""), flow.KindAuth, "1 401", []string{"GET /a Authorization=Bearer " + secret}, "the token of credential fixed"},
		{"although it is a status that is expected", "", "", refuse(2, 401, ""), flow.KindAuth, "1 401, 2 401", []string{"GET /a" + one, "GET /a" + two}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newWard(t, c.api)
			with := c.with
			if !strings.Contains(with, "auth") {
				with += "auth: ehr, "
			}
			got := s.run(t, c.more, `  - { id: a, action: http, with: { `+with+`url: "${{ inputs.url }}/a" } }`)
			s.want(t, got, c.kind, c.attempts, c.asked...)
			if !strings.Contains(got.text, c.says) {
				t.Errorf("%q is not in %s", c.says, got.text)
			}
		})
	}
}

func TestACodeOfGraphQLRefusesTheTokenToo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		document, attempts string
		kind               flow.Kind
		asked              int
	}{{"{ a }", "1 200, 2 200", "", 2}, {"mutation { a }", "1 200", flow.KindAuth, 1}} {
		s := newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
			if nth == 1 {
				io.WriteString(w, `{"errors":[{"message":"who are you?","extensions":{"code":"UNAUTHENTICATED"}}],"data":null}`)
			} else {
				io.WriteString(w, `{"data":{"a":1}}`)
			}
			return true
		})
		got := s.run(t, "", `  - { id: a, action: graphql, with: { url: "${{ inputs.url }}/g", auth: ehr, query: "`+c.document+`" } }`)
		if len(s.asked) != c.asked || got.path != c.attempts || (got.err == nil) != (c.kind == "") || got.err != nil && got.err.Kind != c.kind {
			t.Errorf("%s: asked %q, attempts %s, %v", c.document, s.asked, got.path, got.err)
		}
	}
}

func TestEachPageMayBeRefusedOnce(t *testing.T) {
	t.Parallel()
	s := newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
		if nth%2 == 1 {
			w.WriteHeader(401)
		} else if nth < 6 {
			fmt.Fprintf(w, `{"next":"/a?page=%d"}`, nth/2)
		} else {
			io.WriteString(w, `{"next":null}`)
		}
		return true
	})
	c := s.run(t, "", `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: ehr }, pages: { next: response.body.next } }`)
	if c.err != nil || len(s.asked) != 6 || len(s.grants) != 4 {
		t.Errorf("%v, asked %q, %d tokens", c.err, s.asked, len(s.grants))
	}
}

func TestWhereACredentialGoes(t *testing.T) {
	t.Parallel()
	steps := `  - { id: first, action: http, with: { url: "${{ inputs.url }}/first", auth: none }, save: { there: there } }
  - { id: a, action: http, with: { AUTH url: "URL" } }`
	for _, c := range []struct {
		name, more, auth, url string // HERE and THERE are the server by two names
		kind                  flow.Kind
		says                  string
		asked                 int
	}{
		{"where the file says", "", "auth: ehr,", "${{ inputs.url }}/a", "", "", 2},
		{"where data says, if the file says so too", "", "auth: ehr, base_url: \"${{ inputs.other }}\",", "${{ data.there }}/a", "", "", 2},
		{"not to another origin", "", "auth: ehr, base_url: \"${{ inputs.url }}\",", "${{ data.there }}/a", flow.KindData, "which is not trusted", 1},
		{"not where origins do not list it", `, origins: [ "https://api.example.test" ]`, "auth: ehr,", "${{ inputs.url }}/a", flow.KindData, "trusted https://api.example.test", 1},
		{"where origins list it", `, origins: [ "${{ inputs.other }}" ]`, "auth: ehr,", "${{ data.there }}/a", "", "", 2},
		{"to those alone", `, origins: [ "https://api.example.test" ]`, "auth: ehr, allow_secrets_to: [ \"${{ inputs.url }}\" ],", "${{ inputs.url }}/a", flow.KindData, "would go to", 1},
		{"where the step allows it", "", "auth: ehr, allow_secrets_to: [ \"${{ inputs.other }}\" ],", "${{ data.there }}/a", "", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var s *ward
			s = newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/first" {
					fmt.Fprintf(w, `{"there":%q}`, strings.Replace(s.URL, "127.0.0.1", "localhost", 1))
				}
				return r.URL.Path == "/first"
			})
			got := s.run(t, c.more, strings.NewReplacer("AUTH", c.auth, "URL", c.url).Replace(steps))
			kind := flow.Kind("")
			if got.err != nil {
				kind = got.err.Kind
			}
			if kind != c.kind || len(s.asked) != c.asked || !strings.Contains(got.text, c.says) {
				t.Errorf("%q, asked %q: %s", kind, s.asked, got.text)
			}
			if c.kind != "" && len(s.grants) > 0 {
				t.Error("a token was fetched for nobody")
			}
		})
	}
}

func TestARedirectTakesACredentialNoFurtherThanItsOrigin(t *testing.T) {
	t.Parallel()
	for _, auth := range []string{"ehr", "lab", "query"} {
		var s *ward
		s = newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/a":
				http.Redirect(w, r, "/b", http.StatusFound)
			case "/b":
				http.Redirect(w, r, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)+"/c", http.StatusFound)
			default:
				io.WriteString(w, "{}")
			}
			return true
		})
		c := s.run(t, "", `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", follow_redirects: 3, auth: `+auth+` } }`)
		if c.err != nil || len(s.asked) != 3 {
			t.Fatalf("%v, %q", c.err, s.asked)
		}
		if len(s.asked[0]) < 20 || strings.TrimPrefix(s.asked[1], "GET /b") != strings.TrimPrefix(s.asked[0], "GET /a") || s.asked[2] != "GET /c" {
			t.Errorf("%s: %q", auth, s.asked)
		}
	}
}

func TestAFailureToGetATokenIsTheStepsAndNamesTheCredential(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		kind   flow.Kind
		grants int // the token client tries three times what may pass
	}{{400, `{"error":"invalid_client"}`, flow.KindAuth, 1}, {500, `{}`, flow.KindHTTP, 3}} {
		s := newWard(t, nil)
		s.refuses = func(w http.ResponseWriter) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}
		got := s.run(t, "", `  - { id: a, action: http, retry: false, with: { method: POST, url: "${{ inputs.url }}/a", auth: ehr } }`)
		s.want(t, got, c.kind, "1 0") // the API was not asked
		if len(s.grants) != c.grants || !strings.Contains(got.text, "credential ehr") || got.err.Step != "a" || got.err.Place.Line != 6 {
			t.Errorf("%d: %d token requests, %+v", c.status, len(s.grants), got.err)
		}
	}
}

// TestWhatIsMadeOfASecretForACredentialIsMasked, also where the name under which it
// stands tells nothing.
func TestWhatIsMadeOfASecretForACredentialIsMasked(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte(secret))
	made := hex.EncodeToString(sum[:])
	s := newWard(t, nil)
	s.refuses = func(w http.ResponseWriter) {
		w.WriteHeader(400)
		fmt.Fprintf(w, `{"error":"invalid_request","error_description":"sig %s is wrong"}`, made)
	}
	c := s.run(t, `, params: { tenant: north, sig: "${{ hex(sha256(secrets.key)) }}" }`, `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: ehr } }`)
	s.want(t, c, flow.KindAuth, "1 0")
	if strings.Contains(c.text, made) || !strings.Contains(c.text, "sig [secret ehr.sig] is wrong") {
		t.Errorf("told %s", c.text)
	}
}

func TestTheTokenOfACredentialIsDataToo(t *testing.T) {
	t.Parallel()
	s := newWard(t, nil)
	c := s.run(t, "", `  - { id: a, action: oauth2, with: { credential: ehr }, save: { token: access_token, kind: token_type, scope: scope, until: { path: expires_at, type: datetime } } }
  - { id: b, action: http, with: { method: POST, url: "${{ inputs.url }}/b", auth: ehr, json: { token: "${{ data.token }}" } } }
outputs: { kind: "${{ data.kind }}", scope: "${{ data.scope }}", until: "${{ date(data.until) > now() }}" }`)
	if c.err != nil || len(s.grants) != 1 {
		t.Fatal(c.text, s.grants)
	}
	if got := c.run.Outputs.Reveal(); got != `{"kind":"Bearer","scope":"read","until":true}` {
		t.Error(got)
	}
	if got := c.run.Outputs.String(); strings.Contains(got, "Bearer") {
		t.Error("what is saved of it is not sensitive:", got)
	}
}

func TestACredentialOfStepsLogsInOnceAndAgainWhenItsTokenIsRefused(t *testing.T) {
	t.Parallel()
	logins := 0
	s := newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/login" {
			logins++
			if logins == 1 {
				w.WriteHeader(503)
				return true
			}
			fmt.Fprintf(w, `{"session":{"key":"session-key-%d"},"life":600}`, logins)
			return true
		}
		if r.Header.Get("X-Session") != "session-key-3" && logins < 3 && r.URL.Path == "/b" {
			w.WriteHeader(401)
		}
		io.WriteString(w, "{}")
		return true
	})
	c := s.runWith(t, `
  legacy:
    type: steps
    steps:
      - id: login
        action: http
        retry: { attempts: 2, backoff: { initial: 1ms } }
        with: { method: PUT, url: "${{ inputs.url }}/login", json: { pin: "${{ secrets.key }}" } }
        save: { session: session.key, life: life }
      - id: name
        set: { whole: "${{ data.session }}" }
    token: ${{ data.whole }}
    expires_in: ${{ data.life }}
    send: { header: X-Session }
`, `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: legacy } }
  - { id: b, action: http, with: { method: POST, url: "${{ inputs.url }}/b", auth: legacy } }
  - { id: c, action: http, with: { url: "${{ inputs.url }}/c", auth: legacy } }`)
	s.want(t, c, "", "1 200", "PUT /login", "PUT /login", "GET /a", "POST /b", "PUT /login", "POST /b", "GET /c")
}

// TestALifeThatSaysNothingIsTheDefaultOne: servers write 0 for never and for not known.
func TestALifeThatSaysNothingIsTheDefaultOne(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, -time.Hour: 5 * time.Minute, time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p, err := credentials.Builtin()["steps"].Open(t.Context(), flow.CredentialInput{Name: "legacy", Make: func(context.Context) (flow.Token, error) {
				return flow.Token{Type: "Bearer", Access: datapoints.Text("session"), Expires: time.Now().Add(life)}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Token(t.Context())
			if err != nil || time.Until(got.Expires) != want {
				t.Errorf("%s: good for %s, %v", life, time.Until(got.Expires), err)
			}
		})
	}
}

func TestAFailedLoginNamesItsStep(t *testing.T) {
	t.Parallel()
	s := newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
		w.WriteHeader(403)
		return true
	})
	c := s.runWith(t, `
  legacy:
    type: steps
    steps: [ { id: login, action: http, with: { method: POST, url: "${{ inputs.url }}/login", json: { pin: "${{ secrets.key }}" } }, save: { session: key } } ]
    token: ${{ data.session }}
`, `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: legacy } }
  - { id: b, on_error: continue, action: http, with: { url: "${{ inputs.url }}/b", auth: legacy } }`)
	s.want(t, c, flow.KindAuth, "1 0", "POST /login")
	if !strings.Contains(c.text, "credential legacy, step login: the server answered 403") {
		t.Error(c.text)
	}
}

// own is a kind of a program's own.
type own struct {
	rejected *[]string
	n        *int
}

func (own) Spec() flow.CredentialSpec {
	return flow.CredentialSpec{Doc: "Ours.", Fields: []flow.Field{{Name: "who", Type: flow.TextField, Required: true}}}
}

func (o own) Open(_ context.Context, in flow.CredentialInput) (flow.TokenProvider, error) {
	*o.rejected = append(*o.rejected, "opened for "+in.Args[0].Value.RevealText())
	return o, nil
}

func (o own) Token(context.Context) (flow.Token, error) {
	*o.n++
	if *o.n == 4 {
		return flow.Token{}, errors.New("the vault is closed")
	}
	return flow.Token{Type: "Ours", Access: datapoints.Text(fmt.Sprintf("access-token-%d", *o.n))}, nil
}

func (o own) Reject(_ context.Context, t flow.Token, why string) bool {
	*o.rejected = append(*o.rejected, t.Access.RevealText()+" "+why)
	return true
}

func TestAProgramBringsTokensAndHeadersOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
		if nth == 1 {
			w.WriteHeader(401)
		}
		io.WriteString(w, "{}")
		return true
	})
	var told []string
	calls := &actions.Client{Before: func(_ context.Context, r *flow.Outgoing) error {
		authorization, _ := r.Header("authorization")
		r.SetHeader("x-key", "signed "+r.Method+" "+authorization)
		if strings.HasSuffix(r.URL, "/forbidden") {
			return errors.New("not from here")
		}
		return nil
	}}
	t.Cleanup(calls.CloseIdle)
	n := 0
	kit := flow.Kit{Actions: calls.Actions(), Credentials: flow.Credentials{"ours": own{&told, &n}}}
	run := func(steps string) error {
		text := "stepwell: 1\nname: own\ninputs: { url: string }\ncredentials:\n  vault: { type: ours, who: me }\nsteps:\n" + steps
		p, err := flow.Compile(fstest.MapFS{"own.yaml": {Data: []byte(text)}}, "own.yaml", kit)
		if err != nil {
			t.Fatal(err)
		}
		_, err = new(flow.Executor).Run(t.Context(), p, flow.Inputs{"url": s.URL})
		return err
	}
	if err := run(`  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: vault } }
  - { id: b, action: http, with: { url: "${{ inputs.url }}/b", auth: vault } }`); err != nil {
		t.Fatal(err)
	}
	const one, two, three = "Authorization=Ours access-token-1", "Authorization=Ours access-token-2", "Authorization=Ours access-token-3"
	want := []string{"GET /a " + one + " X-Key=signed GET Ours access-token-1", "GET /a " + two + " X-Key=signed GET Ours access-token-2", "GET /b " + three + " X-Key=signed GET Ours access-token-3"}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"opened for me", "access-token-1 401 Unauthorized"}, told); diff != "" {
		t.Error(diff)
	}
	var failed *flow.Error
	err := run(`  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: vault } }`)
	if !errors.As(err, &failed) || failed.Kind != flow.KindAuth || failed.Message != "credential vault: the vault is closed" || failed.Place.Line != 5 {
		t.Errorf("%+v", failed)
	}
	err = run(`  - { id: a, action: http, with: { method: POST, url: "${{ inputs.url }}/forbidden" } }`)
	if !errors.As(err, &failed) || failed.Kind != flow.KindAction || failed.Message != "not from here" || len(s.asked) != 3 {
		t.Errorf("%+v, asked %q", failed, s.asked)
	}
}

// plain is a kind of credential, and its provider, that says no more than it must.
type plain struct{ token flow.Token }

func (p plain) Spec() flow.CredentialSpec { return flow.CredentialSpec{Doc: "Ours."} }
func (p plain) Open(context.Context, flow.CredentialInput) (flow.TokenProvider, error) {
	return p, nil
}
func (p plain) Token(context.Context) (flow.Token, error)       { return p.token, nil }
func (p plain) Reject(context.Context, flow.Token, string) bool { return false }

func TestATokenOfAProgramIsABearerTokenAndNotEmpty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		token flow.Token
		asked string
	}{
		{flow.Token{Access: datapoints.Text("abc")}, "GET /a Authorization=Bearer abc"},
		{flow.Token{}, ""},
		{flow.Token{Access: datapoints.Text("")}, ""},
	} {
		s := newWard(t, nil)
		calls := new(actions.Client)
		t.Cleanup(calls.CloseIdle)
		text := "stepwell: 1\nname: plain\ninputs: { url: string }\ncredentials: { vault: { type: ours } }\nsteps: [ { id: a, action: http, with: { url: \"${{ inputs.url }}/a\", auth: vault } } ]\n"
		p, err := flow.Compile(fstest.MapFS{"plain.yaml": {Data: []byte(text)}}, "plain.yaml", flow.Kit{Actions: calls.Actions(), Credentials: flow.Credentials{"ours": plain{c.token}}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = new(flow.Executor).Run(t.Context(), p, flow.Inputs{"url": s.URL})
		var failed *flow.Error
		errors.As(err, &failed)
		if strings.Join(s.asked, " ") != c.asked || (failed == nil) != (c.asked != "") || failed != nil && (failed.Kind != flow.KindAuth || !strings.Contains(failed.Message, "credential vault: ")) {
			t.Errorf("asked %q, %v", s.asked, err)
		}
	}
}

func TestASubFlowHasCredentialsOfItsOwnMadeOfItsOwnInputs(t *testing.T) {
	t.Parallel()
	s := newWard(t, func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		io.WriteString(w, "{}")
		return true
	})
	calls := new(actions.Client)
	t.Cleanup(calls.CloseIdle)
	p, err := flow.Compile(fstest.MapFS{
		"outer.yaml": {Data: []byte("stepwell: 1\nname: outer\ninputs: { url: string }\ncredentials: { who: { type: bearer, token: outer-token } }\nsteps:\n" +
			"  - { id: each, for_each: { in: \"[1, 2]\" }, flow: inner.yaml, with: { url: \"${{ inputs.url }}\", user: \"user-${{ item }}\" } }\n" +
			"  - { id: own, action: http, with: { url: \"${{ inputs.url }}/outer\", auth: who } }\n")},
		"inner.yaml": {Data: []byte("stepwell: 1\nname: inner\ninputs: { url: string, user: string }\ncredentials:\n  who:\n    type: steps\n" +
			"    steps: [ { id: log_in, set: { key: \"key-of-${{ inputs.user }}\" } } ]\n    token: \"${{ data.key }}\"\n" +
			"steps:\n  - { id: a, action: http, with: { url: \"${{ inputs.url }}/inner\", auth: who } }\n")},
	}, "outer.yaml", flow.Kit{Actions: calls.Actions(), Credentials: credentials.Of(calls, new(oauth2.Client))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(flow.Executor).Run(t.Context(), p, flow.Inputs{"url": s.URL}); err != nil {
		t.Fatal(err)
	}
	want := []string{"GET /inner Authorization=Bearer key-of-user-1", "GET /inner Authorization=Bearer key-of-user-2", "GET /outer Authorization=Bearer outer-token"}
	if diff := cmp.Diff(want, s.asked); diff != "" {
		t.Error(diff)
	}
}

func TestATokenMayBeMadeOfADataPoint(t *testing.T) {
	t.Parallel()
	s := newWard(t, nil)
	s.refuses = func(w http.ResponseWriter) {
		fmt.Fprintf(w, `{"access_token":"access-token-%d","token_type":"Bearer","expires_in":60}`, len(s.grants))
	}
	c := s.runWith(t, `
  user:
    type: oauth2
    token_url: ${{ inputs.url }}/token
    grant: token_exchange
    client_id: clinic
    client_secret: ${{ secrets.key }}
    subject_token: ${{ data.who }}
`, `  - { id: who, set: { who: "token-of-ada" } }
  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: user } }
  - { id: other, set: { who: "token-of-bo" } }
  - { id: b, action: http, with: { url: "${{ inputs.url }}/b", auth: user } }
  - { id: back, set: { who: "token-of-ada" } }
  - { id: c, action: http, with: { url: "${{ inputs.url }}/c", auth: user } }`)
	if c.err != nil || len(s.grants) != 2 {
		t.Fatalf("%s, %q", c.text, s.grants)
	}
	if diff := cmp.Diff([]string{"GET /a" + one, "GET /b" + two, "GET /c" + one}, s.asked); diff != "" {
		t.Error(diff)
	}
}

// bound is a ward whose tokens are bound to a key, and which wants one of its
// nonces in each proof: nonce-0, and after answer n nonce-n. asked has the URL
// and the nonce of each proof. With an error code it is content with none.
func bound(t *testing.T, code string) *ward {
	t.Helper()
	var s *ward
	s = newWard(t, func(nth int, w http.ResponseWriter, r *http.Request) bool {
		_, payload, _ := strings.Cut(r.Header.Get("Dpop"), ".")
		payload, _, _ = strings.Cut(payload, ".")
		text, err := base64.RawURLEncoding.DecodeString(payload)
		var proof struct{ HTM, HTU, Nonce string }
		if err == nil {
			err = json.Unmarshal(text, &proof)
		}
		if err != nil {
			t.Errorf("the proof %q: %v", text, err)
		}
		s.asked[nth-1] = fmt.Sprintf("%s %s proves %s %s with %s", r.Method, r.URL.RequestURI(), proof.HTM, strings.TrimPrefix(proof.HTU, s.URL), proof.Nonce)
		w.Header().Set("DPoP-Nonce", fmt.Sprintf("nonce-%d", nth))
		switch {
		case code != "":
			w.Header().Set("WWW-Authenticate", `DPoP error="`+code+`"`)
			w.WriteHeader(http.StatusUnauthorized)
		case proof.Nonce != fmt.Sprintf("nonce-%d", nth-1):
			w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/moved":
			w.Header().Set("Location", "/there?y=2")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			io.WriteString(w, "{}")
		}
		return true
	})
	s.refuses = func(w http.ResponseWriter) {
		io.WriteString(w, `{"access_token":"access-token-1","token_type":"DPoP","expires_in":3600}`)
	}
	return s
}

func TestEachRequestProvesItsKeyWithTheNonceThatTheServerGaveLast(t *testing.T) {
	t.Parallel()
	s := bound(t, "")
	c := s.run(t, `, dpop: true`, `  - { id: a, action: http, with: { method: POST, url: "${{ inputs.url }}/moved?x=1", auth: ehr, follow_redirects: same_origin } }`)
	s.want(t, c, "", "1 401, 2 200",
		"POST /moved?x=1 proves POST /moved with ",
		"POST /moved?x=1 proves POST /moved with nonce-1",
		"POST /there?y=2 proves POST /there with nonce-2") // which came with the redirect
	if len(s.grants) != 1 {
		t.Errorf("the token is not to blame for a nonce, and was asked for by %q", s.grants)
	}
}

func TestAProofThatIsNeverAcceptedIsSentTwice(t *testing.T) {
	t.Parallel()
	s := bound(t, "use_dpop_nonce")
	c := s.run(t, `, dpop: true`, `  - { id: a, action: http, with: { method: POST, url: "${{ inputs.url }}/a", auth: ehr } }`)
	s.want(t, c, flow.KindAuth, "1 401, 2 401", "POST /a proves POST /a with ", "POST /a proves POST /a with nonce-1")
	if !strings.Contains(c.text, "refused the proof for the token of credential ehr") || !strings.Contains(c.text, "the nonce that it gave last") || len(s.grants) != 1 {
		t.Errorf("%s, %q", c.text, s.grants)
	}
}

func TestAProofThatIsRefusedThrowsNoTokenAway(t *testing.T) {
	t.Parallel()
	s := bound(t, "invalid_dpop_proof")
	c := s.run(t, `, dpop: true`, `  - { id: a, action: http, with: { url: "${{ inputs.url }}/a", auth: ehr } }`)
	s.want(t, c, flow.KindAuth, "1 401", "GET /a proves GET /a with ")
	if !strings.Contains(c.text, "did not accept the proof") || len(s.grants) != 1 {
		t.Errorf("%s, %q", c.text, s.grants)
	}
}
