package stepwell_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

// evilCode is what a server gives out to be exchanged for a token.
const evilCode = "code+of/a=device~Zz9Yy8Xx7Ww6Vv5"

// login runs the command, and does with the address that it prints first what a
// person would.
func (v *vault) login(browse func(address string), args ...string) (code int) {
	v.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(v.path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout = v.home, v.env, &out
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		v.t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		fmt.Fprintln(&errs, lines.Text())
		if _, address, is := strings.Cut(lines.Text(), "open in a browser:"); is {
			browse(strings.TrimSpace(address))
		}
	}
	_ = cmd.Wait()
	v.keep(strings.Join(args, " "), out.String()+"\n"+errs.String())
	return cmd.ProcessState.ExitCode()
}

// A gate is an authorization server that tells again whatever it was told, and
// what it gave out itself.
type gate struct {
	mu    sync.Mutex
	told  []canary
	calls int
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls++
	for _, name := range []string{"code_verifier", "code", "device_code"} {
		if text := r.PostForm.Get(name); text != "" {
			g.told = append(g.told, canary{name, text})
		}
	}
	told := r.Header.Get("Authorization")
	for name, list := range r.PostForm {
		told += " " + name + " " + strings.Join(list, " ")
	}
	w.Header().Set("Content-Type", "application/json")
	answer := map[string]any{"error": "access_denied", "error_description": told + " " + evilCode, "device_code": evilCode}
	switch how := r.PathValue("how"); how {
	case "device":
		answer = map[string]any{"device_code": evilCode, "user_code": "AB-CD", "verification_uri": "https://" + r.Host + "/enter", "expires_in": 600, "interval": 1}
	case "good":
		answer = map[string]any{"access_token": evilToken, "refresh_token": evilRefresh, "id_token": evilKey, "token_type": "Bearer", "scope": evilToken}
	case "spaces": // a token that cannot be used
		answer = map[string]any{"access_token": evilToken + " " + evilRefresh, "refresh_token": evilRefresh, "token_type": "Bearer"}
	case "page":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<html><title>%s %s</title>", told, evilCode)
		return
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

const loginFlow = `stepwell: 1
name: evil-login
inputs: { gate: string }
secrets: { client_secret: { env: EHR_CLIENT_SECRET } }
credentials:
  c: { type: oauth2, client_id: me, client_secret: "${{ secrets.client_secret }}", %s }
steps:
  - { id: a, action: http, with: { auth: c, url: "${{ inputs.gate }}/x" } }
`

// gated is a vault with a flow that logs in at a gate, with fields, and the gate's address.
func gated(t *testing.T, fields string) (*vault, *gate, string) {
	t.Helper()
	v, g := newVault(t), &gate{}
	m := http.NewServeMux()
	m.Handle("/{how}", g)
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	v.write("flow.yaml", fmt.Sprintf(loginFlow, fields))
	v.secrets = append(v.secrets, canary{"the evil code", evilCode})
	return v, g, s.URL
}

// searchWith searches everything, also for what the gate was told and gave out, and
// says how often the gate was asked.
func (v *vault) searchWith(g *gate) (calls int) {
	v.t.Helper()
	v.look()
	v.lookAtTokens()
	g.mu.Lock()
	defer g.mu.Unlock()
	v.secrets = append(v.secrets, g.told...)
	v.search()
	return g.calls
}

func TestLoginsThatFailTellNoSecret(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"a browser, refused":      `grant: authorization_code, authorization_url: "${{ inputs.gate }}/login", token_url: "${{ inputs.gate }}/no"`,
		"a browser, a page":       `grant: authorization_code, client_auth: body, authorization_url: "${{ inputs.gate }}/login", token_url: "${{ inputs.gate }}/page"`,
		"a browser, a bad token":  `grant: authorization_code, authorization_url: "${{ inputs.gate }}/login", token_url: "${{ inputs.gate }}/spaces"`,
		"a browser with DPoP":     `grant: authorization_code, dpop: true, authorization_url: "${{ inputs.gate }}/login", token_url: "${{ inputs.gate }}/no"`,
		"a device, refused":       `grant: device_code, device_url: "${{ inputs.gate }}/device", token_url: "${{ inputs.gate }}/no"`,
		"a device, a page":        `grant: device_code, client_auth: body, device_url: "${{ inputs.gate }}/device", token_url: "${{ inputs.gate }}/page"`,
		"a device, a bad token":   `grant: device_code, device_url: "${{ inputs.gate }}/device", token_url: "${{ inputs.gate }}/spaces"`,
		"a device without a code": `grant: device_code, device_url: "${{ inputs.gate }}/no", token_url: "${{ inputs.gate }}/no"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, g, address := gated(t, fields)
			refused := url.Values{"error": {"access_denied"}, "error_description": {evilCode}, "code": {evilCode}}
			for _, answer := range []url.Values{{"code": {evilCode}}, refused} {
				for _, more := range [][]string{nil, {"--json"}} {
					code := v.login(func(opened string) { comeBack(t, opened, answer) },
						append([]string{"token", "login", "flow.yaml", "c", "-i", "gate=" + address}, more...)...)
					if code != 6 {
						t.Errorf("token login %v: exit %d", more, code)
					}
				}
			}
			for _, args := range [][]string{{"run", "-v", "flow.yaml"}, {"run", "--json", "flow.yaml"}, {"token", "test", "flow.yaml", "c"}, {"token", "test", "--json", "flow.yaml", "c"}} {
				if _, errs, code := v.run(append(args, "-i", "gate="+address)...); code != 6 {
					t.Errorf("%v: exit %d\n%s", args, code, errs)
				}
			}
			if v.searchWith(g) == 0 {
				t.Error("nobody was asked: the test has no use")
			}
		})
	}
}

// TestALoginThatCannotBeKeptTellsNoToken has a store that takes no tokens.
func TestALoginThatCannotBeKeptTellsNoToken(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string]string{
		"a browser": `grant: authorization_code, authorization_url: "${{ inputs.gate }}/login", token_url: "${{ inputs.gate }}/good"`,
		"a device":  `grant: device_code, device_url: "${{ inputs.gate }}/device", token_url: "${{ inputs.gate }}/good"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, g, address := gated(t, fields)
			v.write("first.yaml", "stepwell: 1\nname: f\nsteps: [ { id: a, set: { x: 1 } } ]\n")
			if _, errs, code := v.run("run", "first.yaml"); code != 0 { // makes the store
				t.Fatal(errs)
			}
			v.fill("stepwell_tokens")
			for _, more := range [][]string{nil, {"--json"}} {
				code := v.login(func(opened string) { comeBack(t, opened, url.Values{"code": {evilCode}}) },
					append([]string{"token", "login", "flow.yaml", "c", "-i", "gate=" + address}, more...)...)
				if code != 7 {
					t.Errorf("token login %v: exit %d", more, code)
				}
			}
			v.searchWith(g)
		})
	}
}

// comeBack goes where a login leads to after it, as a browser would.
func comeBack(t *testing.T, address string, answer url.Values) {
	u, err := url.Parse(address)
	if err != nil {
		t.Error(err)
		return
	}
	asked := u.Query()
	answer = url.Values(http.Header(answer).Clone())
	answer.Set("state", asked.Get("state"))
	r, err := http.Get(asked.Get("redirect_uri") + "?" + answer.Encode())
	if err != nil {
		t.Error(err)
		return
	}
	_ = r.Body.Close()
}

// TestTheKeyOfATokenIsSealed looks for the private part of the key that a token
// with DPoP is bound to.
func TestTheKeyOfATokenIsSealed(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/token" {
			fmt.Fprintf(w, `{"access_token":%q,"token_type":"DPoP","expires_in":3600}`, evilToken)
			return
		}
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token", error_description="`+r.Header.Get("Dpop")+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, r.Header)
	}))
	t.Cleanup(api.Close)
	v.write("flow.yaml", strings.Replace(fmt.Sprintf(loginFlow, `dpop: true, token_url: "${{ inputs.gate }}/token"`), "http, with", "http, retry: false, with", 1))
	for _, args := range [][]string{{"token", "test", "flow.yaml", "c"}, {"run", "-v", "flow.yaml"}, {"run", "--json", "flow.yaml"}, {"token", "test", "--json", "flow.yaml", "c"}} {
		v.run(append(args, "-i", "gate="+api.URL)...)
	}
	v.look()
	v.lookAtTokens()

	text, err := os.ReadFile(filepath.Join(v.home, ".config", "stepwell", "key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := datapoints.ParseMasterKey(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	s, shut := openRuns(t, v.store())
	defer shut()
	entries, err := datapoints.SealTokens(s, key).Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		var kept struct{ Key struct{ D string } }
		if json.Unmarshal([]byte(e.Secret.Reveal()), &kept) == nil && kept.Key.D != "" {
			v.secrets = append(v.secrets, canary{"the private key of " + e.Name, kept.Key.D})
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d keys are kept", found)
	}
	v.search()
}
