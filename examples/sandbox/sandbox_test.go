package sandbox_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

// fixed credentials: the secret breaks whoever forgets an encoding.
const (
	clientID     = "clinic"
	clientSecret = "p@ss:w/rd&=+% ~*'()"
	knownPatient = "9434765919"
)

// tester sends requests to a sandbox of its own.
type tester struct {
	*testing.T
	server *sandbox.Server
	token  string
}

func start(t *testing.T) *tester {
	t.Helper()
	return startWith(t, sandbox.Options{ClientID: clientID, ClientSecret: clientSecret, Username: "ward", Password: "p w"})
}

func startWith(t *testing.T, o sandbox.Options) *tester {
	t.Helper()
	server, err := sandbox.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &tester{T: t, server: server}
}

// signedIn has a token that may do everything.
func signedIn(t *testing.T) *tester {
	t.Helper()
	c := start(t)
	c.token = c.newToken(url.Values{})
	return c
}

// newToken asks for a token by client credentials.
func (c *tester) newToken(more url.Values) string {
	c.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {clientSecret}}
	for name, values := range more {
		form[name] = values
	}
	got := c.form("/oauth/token", form)
	c.status(got, 200)
	return got.text("access_token")
}

// reply is what came back.
type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (r reply) text(name string) string {
	text, _ := r.body[name].(string)
	return text
}

// fieldsWrong are the fields that a problem names.
func (r reply) fieldsWrong() string {
	var names []string
	list, _ := r.body["errors"].([]any)
	for _, item := range list {
		names = append(names, item.(map[string]any)["field"].(string))
	}
	return strings.Join(names, " ")
}

// send sends a request; headers are pairs. The connection is not kept, so that no test sees a retry of net/http's.
func (c *tester) send(method, path, body string, headers ...string) (reply, error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.server.URL()+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	request.Close = true
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header[headers[i]] = append(request.Header[headers[i]], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	got := reply{status: response.StatusCode, header: response.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &got.body) // not every answer is an object
	return got, err
}

func (c *tester) do(method, path, body string, headers ...string) reply {
	c.Helper()
	got, err := c.send(method, path, body, headers...)
	if err != nil {
		c.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func (c *tester) get(path string, headers ...string) reply {
	c.Helper()
	return c.do("GET", path, "", headers...)
}

func (c *tester) json(method, path, body string, headers ...string) reply {
	c.Helper()
	return c.do(method, path, body, append(headers, "Content-Type", "application/json")...)
}

func (c *tester) form(path string, form url.Values, headers ...string) reply {
	c.Helper()
	return c.do("POST", path, form.Encode(), append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func (c *tester) status(got reply, want int) {
	c.Helper()
	if got.status != want {
		c.Fatalf("status %d, want %d: %s", got.status, want, got.raw)
	}
}

func TestStartListensOnAFreeLoopbackPort(t *testing.T) {
	t.Parallel()
	a, b := start(t), start(t)
	if a.server.URL() == b.server.URL() {
		t.Fatalf("both have %s", a.server.URL())
	}
	if !strings.HasPrefix(a.server.URL(), "http://127.0.0.1:") {
		t.Fatalf("URL is %s", a.server.URL())
	}
	localhost := startWith(t, sandbox.Options{Addr: "localhost:0"})
	if !strings.HasPrefix(localhost.server.URL(), "http://127.0.0.1:") {
		t.Fatalf("URL is %s", localhost.server.URL())
	}
}

func TestStartRefusesAddressesThatOthersCanReach(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.test:0", "8080", "127.0.0.1:http-none"} {
		server, err := sandbox.Start(sandbox.Options{Addr: addr})
		if err == nil {
			_ = server.Close()
			t.Errorf("%q was accepted", addr)
			continue
		}
		if !strings.Contains(err.Error(), addr) {
			t.Errorf("the error for %q does not name it: %v", addr, err)
		}
	}
}

func TestStartSaysWhichAddressIsTaken(t *testing.T) {
	t.Parallel()
	addr := strings.TrimPrefix(start(t).server.URL(), "http://")
	if _, err := sandbox.Start(sandbox.Options{Addr: addr}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Fatalf("error is %v", err)
	}
}

func TestCredentialsAreRandomUnlessGiven(t *testing.T) {
	t.Parallel()
	a, b := startWith(t, sandbox.Options{}).server.Inputs(), startWith(t, sandbox.Options{ClientID: "mine"}).server.Inputs()
	for _, name := range []string{"client_id", "client_secret", "username", "password"} {
		if len(a[name]) < 16 || a[name] == b[name] {
			t.Errorf("%s is %q and %q", name, a[name], b[name])
		}
	}
	if b["client_id"] != "mine" {
		t.Errorf("client_id is %q", b["client_id"])
	}
	for _, character := range `+%& =:/"\'` {
		if !strings.ContainsRune(a["client_secret"], character) {
			t.Errorf("the made secret has no %q", character)
		}
	}
}

func TestAMadeSecretIsAccepted(t *testing.T) {
	t.Parallel()
	c := startWith(t, sandbox.Options{})
	values := c.server.Secrets()
	got := c.form("/oauth/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {values["client_id"]}, "client_secret": {values["client_secret"]}})
	c.status(got, 200)
}

func TestSettingsFillInputsAndSecretsByName(t *testing.T) {
	t.Parallel()
	c := start(t)
	inputs, secrets := c.server.Inputs(), c.server.Secrets()
	want := map[string]string{
		"base_url": c.server.URL(), "token_url": c.server.URL() + "/oauth/token", "graphql_url": c.server.URL() + "/graphql",
		"client_id": clientID, "client_secret": clientSecret, "username": "ward", "password": "p w", "patient_id": knownPatient,
	}
	for name, value := range want {
		if inputs[name] != value || secrets[name] != value {
			t.Errorf("%s is %q and %q, want %q", name, inputs[name], secrets[name], value)
		}
	}
	seen := map[string]bool{}
	for _, setting := range c.server.Settings() {
		if seen[setting.Name] || setting.Env != "" && seen[setting.Env] {
			t.Errorf("%s is there twice", setting.Name)
		}
		seen[setting.Name], seen[setting.Env] = true, true
		if setting.Value == "" || setting.Description == "" {
			t.Errorf("%s has no value or no description", setting.Name)
		}
		if wantSecret := slices.Contains([]string{"client_secret", "password", "private_key", "lab_key"}, setting.Name); setting.Secret != wantSecret {
			t.Errorf("%s: secret is %v", setting.Name, setting.Secret)
		}
	}
	if len(inputs) != len(c.server.Settings()) {
		t.Errorf("%d settings, %d inputs", len(c.server.Settings()), len(inputs))
	}
}

func TestCloseEndsAnswersInProgressAndMayBeCalledTwice(t *testing.T) {
	t.Parallel()
	c := start(t)
	failed := make(chan error, 1)
	go func() {
		_, err := c.send("GET", "/slow?ms=60000", "")
		failed <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := c.server.Wait(ctx, "GET", "/slow", 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.server.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-failed; err == nil {
		t.Fatal("the slow request was answered")
	}
	if _, err := c.send("GET", "/slow?ms=0", ""); err == nil {
		t.Fatal("a closed server answered")
	}
}

func TestRequestsAreRememberedInOrder(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.get("/patients?name=x", "X-Mark", "one")
	c.do("POST", "/nowhere", "hello")
	c.get("/patients")

	all := c.server.Requests()
	if len(all) != 3 || all[0].Query != "name=x" || all[0].Header.Get("X-Mark") != "one" || all[0].Status != 401 {
		t.Fatalf("requests are %+v", all)
	}
	last, ok := c.server.Last("POST", "/nowhere")
	if !ok || string(last.Body) != "hello" || last.Status != 404 || last.Time.IsZero() {
		t.Errorf("last is %+v, %v", last, ok)
	}
	for _, count := range []struct {
		method, path string
		want         int
	}{{"GET", "/patients", 2}, {"", "/patients", 2}, {"POST", "/patients", 0}, {"", "/nowhere", 1}, {"GET", "/other", 0}} {
		if got := c.server.Count(count.method, count.path); got != count.want {
			t.Errorf("%s %s: %d, want %d", count.method, count.path, got, count.want)
		}
	}
	if _, ok := c.server.Last("", "/other"); ok {
		t.Error("there is a last request that never was")
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c := start(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.server.Wait(ctx, "GET", "/patients", 1); err != context.Canceled {
		t.Fatalf("error is %v", err)
	}
	c.get("/patients")
	if err := c.server.Wait(ctx, "", "/patients", 1); err != nil {
		t.Fatalf("what has happened needs no waiting: %v", err)
	}
}

func TestUnknownPathsMethodsAndHugeBodiesAreProblems(t *testing.T) {
	t.Parallel()
	c := start(t)
	for _, call := range []struct {
		method, path, body string
		status             int
		allow              string
	}{
		{"GET", "/", "", 404, ""},
		{"GET", "/patient/1", "", 404, ""},
		{"GET", "/oauth/token", "", 405, "POST"},
		{"PATCH", "/appointments/apt-1", "", 405, "GET, PUT, DELETE"},
		{"DELETE", "/orders", "", 405, "GET, POST"},
		{"POST", "/orders", strings.Repeat("x", 1<<20+1), 413, ""},
	} {
		got := c.do(call.method, call.path, call.body)
		if got.status != call.status || got.header.Get("Allow") != call.allow {
			t.Errorf("%s %s: %d, allow %q", call.method, call.path, got.status, got.header.Get("Allow"))
		}
		if got.header.Get("Content-Type") != "application/problem+json" || got.text("detail") == "" || got.body["status"] != float64(call.status) {
			t.Errorf("%s %s: no problem: %s", call.method, call.path, got.raw)
		}
	}
}
