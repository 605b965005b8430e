package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A doorman is an authorization server that lets everybody in.
type doorman struct {
	*httptest.Server
	mu        sync.Mutex
	confirmed bool // the code of the device
	asked     int  // for a token
}

// The token is a JWT: {"alg":"none"} and {"sub":"ada","note":"canary-client-secret"}.
const doorToken = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJub3RlIjoiY2FuYXJ5LWNsaWVudC1zZWNyZXQifQ.Y2FuYXJ5"

func newDoorman(t *testing.T) *doorman {
	d := &doorman{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		http.Redirect(w, r, q.Get("redirect_uri")+"?code=canary-code&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
	})
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"device_code":"canary-device","user_code":"WDJB-MJHT","verification_uri":"%s/on","verification_uri_complete":"%s/on?c=WDJB-MJHT","expires_in":600,"interval":1}`, d.URL, d.URL)
	})
	mux.HandleFunc("POST /refuse", func(w http.ResponseWriter, r *http.Request) { // and quotes what it was sent
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, "no: "+r.Header.Get("Authorization")+r.FormValue("client_secret"))
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.asked++
		if strings.HasSuffix(r.FormValue("grant_type"), "device_code") && !d.confirmed {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"authorization_pending"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600,"refresh_token":"canary-refresh","scope":"read"}`, doorToken)
	})
	d.Server = httptest.NewServer(mux)
	t.Cleanup(d.Close)
	return d
}

func (d *doorman) confirm() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.confirmed = true
}

func (d *doorman) requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

const loginFlow = `stepwell: 1
name: login
inputs: { issuer: string }
secrets: { client_secret: { env: CLIENT_SECRET } }
credentials:
  browser: { type: oauth2, grant: authorization_code, token_url: "${{ inputs.issuer }}/token", authorization_url: "${{ inputs.issuer }}/authorize", client_id: me, client_secret: "${{ secrets.client_secret }}" }
  device: { type: oauth2, grant: device_code, token_url: "${{ inputs.issuer }}/token", device_url: "${{ inputs.issuer }}/device", client_id: me, client_secret: "${{ secrets.client_secret }}" }
  passing: { type: oauth2, grant: device_code, token_url: "${{ inputs.issuer }}/token", device_url: "${{ inputs.issuer }}/device", client_id: me, client_secret: "${{ secrets.client_secret }}", cache: process }
  refused: { type: oauth2, token_url: "${{ inputs.issuer }}/refuse", client_id: me, client_secret: "${{ secrets.client_secret }}", client_auth: body }
  wants: { type: oauth2, token_url: "${{ inputs.issuer }}/token", client_id: me, client_secret: "${{ secrets.client_secret }}", scopes: [ write, read, admin ] }
steps:
  - { id: one, set: { x: 1 } }
`

// heard is what a command prints, for another goroutine to wait for.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, err := h.text.Write(p)
	select {
	case h.more <- struct{}{}:
	default:
	}
	return n, err
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// find waits until a pattern's first group was printed.
func (h *heard) find(t *testing.T, pattern string) string {
	t.Helper()
	late := time.After(30 * time.Second)
	for {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(h.String()); m != nil {
			return m[1]
		}
		select {
		case <-h.more:
		case <-late:
			t.Fatalf("%q was not printed:\n%s", pattern, h)
		}
	}
}

// A desk is a folder with the flow, and a server that lets people in.
type desk struct {
	*doorman
	dir string
	all strings.Builder // what was printed
}

func newDesk(t *testing.T) *desk {
	d := &desk{doorman: newDoorman(t), dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(d.dir, "login.yaml"), []byte(loginFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, secret := range []string{"canary", doorToken, strings.Split(doorToken, ".")[1]} {
			if strings.Contains(d.all.String(), secret) {
				t.Errorf("%s was printed:\n%s", secret, d.all.String())
			}
		}
	})
	return d
}

// stepwell begins a command; end waits for its exit code.
func (d *desk) stepwell(t *testing.T, signals chan os.Signal, args ...string) (stderr *heard, end func() (code int, stdout string)) {
	env := map[string]string{"LC_ALL": "C.UTF-8", "XDG_STATE_HOME": d.dir, "XDG_CONFIG_HOME": d.dir, "CLIENT_SECRET": "canary-client-secret"}
	c, stdout, _ := at(d.dir, env, args...)
	stderr = &heard{more: make(chan struct{}, 1)}
	c.Stderr, c.Signals = stderr, signals
	done := make(chan int, 1)
	go func() { done <- c.Main(t.Context()) }()
	return stderr, func() (int, string) {
		code := <-done
		d.all.WriteString(stderr.String() + stdout.String())
		return code, stdout.String()
	}
}

func (d *desk) must(t *testing.T, args ...string) string {
	t.Helper()
	stderr, end := d.stepwell(t, nil, args...)
	code, stdout := end()
	if code != 0 {
		t.Fatalf("%v: exit code %d\n%s", args, code, stderr)
	}
	return stdout
}

func TestALoginInABrowserIsKeptForLaterRuns(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	issuer := "issuer=" + d.URL
	stderr, end := d.stepwell(t, nil, "token", "login", "login.yaml", "browser", "-i", issuer)
	answer, err := http.Get(stderr.find(t, `open in a browser: +(\S+)\n`))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	code, stdout := end()
	if code != 0 || !strings.Contains(stdout, "from         a login, kept for later runs") || !strings.Contains(stdout, "claim sub    ada") {
		t.Fatalf("exit code %d\n%s%s", code, stderr, stdout)
	}
	if got := d.must(t, "token", "test", "login.yaml", "browser", "-i", issuer); !strings.Contains(got, "from         the store") {
		t.Errorf("got\n%s", got)
	}
	if got := d.must(t, "token", "list"); !strings.Contains(got, "has a refresh token") || !strings.Contains(got, " good ") {
		t.Errorf("got\n%s", got)
	}
	if got := d.must(t, "token", "test", "login.yaml", "browser", "-i", issuer, "--fresh"); !strings.Contains(got, "from         the token endpoint") {
		t.Errorf("with --fresh got\n%s", got)
	}
	if got := d.requests(); got != 2 {
		t.Errorf("a token was asked for %d times, not 2", got)
	}
	d.must(t, "token", "purge", "--all")
	if got := d.must(t, "token", "list", "--json"); got != "[]\n" {
		t.Errorf("after purge there is\n%s", got)
	}
}

func TestALoginOnADeviceWaitsUntilItIsConfirmed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	stderr, end := d.stepwell(t, nil, "token", "login", "login.yaml", "device", "-i", "issuer="+d.URL, "--json")
	if got := stderr.find(t, `open on any device: +(\S+)\n`); got != d.URL+"/on" {
		t.Errorf("the address is %s", got)
	}
	if got := stderr.find(t, `enter the code: +(\S+)\n`); got != "WDJB-MJHT" {
		t.Errorf("the code is %s", got)
	}
	d.confirm()
	code, stdout := end()
	var r tokenReport
	if err := json.Unmarshal([]byte(stdout), &r); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stderr, stdout)
	}
	if r.From != "login" || r.Format != "jwt" || r.Fingerprint == "" || len(r.Scopes) != 1 || r.Expires == nil || !strings.Contains(string(r.Claims), "[secret ") {
		t.Errorf("got %s", stdout)
	}
}

func TestASignalEndsALogin(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"browser", "device"} {
		d := newDesk(t)
		signals := make(chan os.Signal)
		stderr, end := d.stepwell(t, signals, "token", "login", "login.yaml", name, "-i", "issuer="+d.URL)
		stderr.find(t, `(waiting )`)
		signals <- os.Interrupt
		code, _ := end()
		if code != exitInterrupted || !strings.Contains(stderr.String(), "nothing was kept") {
			t.Errorf("%s: exit code %d\n%s", name, code, stderr)
		}
		if got := d.must(t, "token", "list", "--json"); got != "[]\n" {
			t.Errorf("%s: there is a token\n%s", name, got)
		}
	}
}

func TestALoginThatCouldNotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	stderr, end := d.stepwell(t, nil, "token", "login", "login.yaml", "passing", "-i", "issuer="+d.URL)
	if code, _ := end(); code != exitUsage || !strings.Contains(stderr.String(), "the credential's `cache` forbids that") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestARefusalIsToldWithoutTheSecret(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, more := range [][]string{nil, {"--json"}} {
		stderr, end := d.stepwell(t, nil, append([]string{"token", "test", "login.yaml", "refused", "-i", "issuer=" + d.URL}, more...)...)
		code, stdout := end()
		if code != exitAuth || !strings.Contains(stderr.String(), "invalid_client") || !strings.Contains(stderr.String(), "help ") {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
		if more != nil && !strings.Contains(stdout, `"kind": "auth"`) {
			t.Errorf("got %s", stdout)
		}
	}
}

func TestScopesThatWereLeftOutAreNamed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, end := d.stepwell(t, nil, "token", "test", "login.yaml", "wants", "-i", "issuer="+d.URL)
	if code, stdout := end(); code != exitOK || !strings.Contains(words(stdout), "scope read not granted write admin") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// words are those of a text, a blank between them.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestATokenIsTakenApartIfItIsAJWT(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		doorToken:                         "jwt",
		"abc":                             "opaque",
		"a.b.c":                           "opaque",
		"eyJhbGciOiJub25lIn0.bm8.c":       "opaque", // the claims are no JSON
		"eyJhbGciOiJub25lIn0.WzFd.c":      "opaque", // no object
		"eyJhbGciOiJub25lIn0.b.c.d.e":     "jwe",
		"eyJhbGciOiJub25lIn0.e30":         "opaque",
		"eyJhbGciOiJub25lIn0.e30.":        "jwt", // not signed
		"eyJhbGciOiJub25lIn0.e30.x.y.z.w": "opaque",
	} {
		if format, _, _ := takeApart(token); format != want {
			t.Errorf("%s: %s, not %s", token, format, want)
		}
	}
}

func TestEveryKindOfCredentialCanBeTried(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for credential, says := range map[[2]string]string{
		{"managed-token.yaml", "ehr"}:        "from the token endpoint, in ",
		{"backend-services.yaml", "backend"}: "from the token endpoint, in ",
		{"session-login.yaml", "legacy"}:     "sent in header X-Session expires",
		{"api-key.yaml", "lab"}:              "sent in header X-Api-Key from the flow: nobody was asked for it",
	} {
		c, stdout, stderr := at(dir, map[string]string{"LC_ALL": "C.UTF-8"}, "token", "test", "--sandbox", "--store", "memory", credential[0], credential[1])
		if code := c.Main(t.Context()); code != 0 || !strings.Contains(words(stdout.String()), says) {
			t.Errorf("%v: exit code %d\n%s%s", credential, code, stdout, stderr)
		}
	}
}
