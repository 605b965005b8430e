package servers_test

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/stepwell/stepwell/flow"
)

// A guarded API takes only tokens that are bound to a key (RFC 9449 §7), with a proof that has its nonce. Whose a token is it
// asks the authorization server.
type guarded struct {
	*httptest.Server
	of    authorizer
	t     *testing.T
	lasts int // so many requests a nonce is good for; with 0 none ever is

	mu     sync.Mutex
	nonces int // that were handed out; the last one counts
	uses   int
	seen   map[string]bool // jti
	asked  []string        // each request, and how it was answered
}

func newGuarded(t *testing.T, a authorizer, lasts int) *guarded {
	t.Helper()
	g := &guarded{of: a, t: t, lasts: lasts, nonces: 1, seen: map[string]bool{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := g.judge(r)
	if g.uses >= g.lasts {
		g.nonces, g.uses = g.nonces+1, 0
	}
	w.Header().Set("DPoP-Nonce", fmt.Sprint("nonce-", g.nonces))
	w.Header().Set("Content-Type", "application/json")
	line := r.Method + " " + r.URL.RequestURI() + " "
	switch {
	case code != "":
		g.asked = append(g.asked, line+code)
		w.Header().Set("WWW-Authenticate", `DPoP error="`+code+`", algs="ES256"`)
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path == "/moved":
		g.asked = append(g.asked, line+"moved")
		w.Header().Set("Location", "/orders/9")
		w.WriteHeader(http.StatusFound)
	default:
		g.asked = append(g.asked, line+"ok")
		fmt.Fprintf(w, `{"id":%q}`, r.URL.Path)
	}
}

// judge gives the error code of a request that is refused. What no client may get wrong fails the test.
func (g *guarded) judge(r *http.Request) (code string) {
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "DPoP ")
	proofs := r.Header.Values("Dpop")
	if !is || len(proofs) != 1 {
		g.t.Errorf("%s %s: Authorization %.7s with %d proofs", r.Method, r.URL, r.Header.Get("Authorization"), len(proofs))
		return "invalid_token"
	}
	signed, err := jose.ParseSigned(proofs[0], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		g.t.Errorf("the proof: %v", err)
		return "invalid_dpop_proof"
	}
	header := signed.Signatures[0].Protected
	payload, err := signed.Verify(header.JSONWebKey)
	if err != nil || header.ExtraHeaders[jose.HeaderType] != "dpop+jwt" || !header.JSONWebKey.IsPublic() {
		g.t.Errorf("the proof: %v, %v", err, header)
		return "invalid_dpop_proof"
	}
	var proof struct {
		Method string `json:"htm"`
		URL    string `json:"htu"`
		ID     string `json:"jti"`
		Hash   string `json:"ath"`
		Nonce  string `json:"nonce"`
	}
	if err := json.Unmarshal(payload, &proof); err != nil {
		g.t.Error(err)
	}
	hash := sha256.Sum256([]byte(token))
	if proof.Method != r.Method || proof.URL != g.URL+r.URL.Path || proof.Hash != base64.RawURLEncoding.EncodeToString(hash[:]) || proof.ID == "" || g.seen[proof.ID] {
		g.t.Errorf("the proof for %s %s says %s", r.Method, r.URL, payload)
		return "invalid_dpop_proof"
	}
	g.seen[proof.ID] = true
	if proof.Nonce != fmt.Sprint("nonce-", g.nonces) || g.lasts == 0 {
		return "use_dpop_nonce"
	}
	g.uses++
	about := introspect(g.t, g.of, token)
	if about["active"] != true {
		return "invalid_token"
	}
	print, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	confirmation, _ := about["cnf"].(map[string]any)
	if err != nil || confirmation["jkt"] != base64.RawURLEncoding.EncodeToString(print) {
		g.t.Errorf("the token is bound to %v, not to the key of the proof: %v", confirmation, err)
	}
	return ""
}

// heard gives the requests since the last time.
func (g *guarded) heard() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	said := strings.Join(g.asked, "\n")
	g.asked = nil
	return said
}

const guardedFlow = `inputs: { issuer: string, api: string }
secrets: { secret: { env: SECRET } }
credentials:
  ehr:
    type: oauth2
    issuer: ${{ inputs.issuer }}
    client_id: client_secret_basic
    client_secret: ${{ secrets.secret }}
    scopes: [patient.read]
    dpop: true
    origins: ["${{ inputs.api }}"]
defaults: { http: { base_url: "${{ inputs.api }}", auth: ehr, retry: false } }
steps:
  - { id: order, action: http, with: { method: POST, url: "/orders?urgent=true", json: { n: 1 } }, save: { id: id } }
  - { id: read, for_each: { in: "1..3", as: n }, action: http, with: { url: "/orders/${{ n }}", query: { full: true } } }
  - { id: moved, action: http, with: { url: /moved, follow_redirects: same_origin } }
outputs: { id: "${{ data.id }}" }
`

// TestAFlowProvesItsKeyOnEachCall asks an API that hands out nonces and changes them: each refusal for the want of one costs
// one more try, with a proof of its own, of a POST as well, and neither a retry nor a token.
func TestAFlowProvesItsKeyOnEachCall(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	g := newGuarded(t, a, 100)
	m := newManaged(t, guardedFlow, map[string]string{"secret": longSecret})
	in := flow.Inputs{"issuer": a.url, "api": g.URL}

	const rest = `GET /orders/1?full=true ok
GET /orders/2?full=true ok
GET /orders/3?full=true ok
GET /moved moved
GET /orders/9 ok`
	m.run(t, in)
	if got, want := g.heard(), "POST /orders?urgent=true use_dpop_nonce\nPOST /orders?urgent=true ok\n"+rest; got != want {
		t.Errorf("the first run:\n%s\nwant\n%s", got, want)
	}
	m.run(t, in) // which knows the nonce
	if got, want := g.heard(), "POST /orders?urgent=true ok\n"+rest; got != want {
		t.Errorf("the second run:\n%s\nwant\n%s", got, want)
	}
	g.mu.Lock()
	g.nonces++ // nobody is told
	g.mu.Unlock()
	m.revoked(t, a)
	m.run(t, in) // wants another nonce, and then another token
	if got, want := g.heard(), "POST /orders?urgent=true use_dpop_nonce\nPOST /orders?urgent=true invalid_token\nPOST /orders?urgent=true ok\n"+rest; got != want {
		t.Errorf("the third run:\n%s\nwant\n%s", got, want)
	}
	if n := countsOf(t, a)["client_credentials ok"]; n != 2.0 {
		t.Errorf("the server gave %v tokens", n)
	}
	g.mu.Lock()
	g.lasts, g.nonces = 1, g.nonces+1 // from now on each answer brings another
	g.mu.Unlock()
	m.run(t, in)
	if got, want := g.heard(), "POST /orders?urgent=true use_dpop_nonce\nPOST /orders?urgent=true ok\n"+rest; got != want {
		t.Errorf("the fourth run:\n%s\nwant\n%s", got, want)
	}
}

// TestAnAPIThatIsNeverContentWithANonceIsAskedTwice ends where more tries would not help.
func TestAnAPIThatIsNeverContentWithANonceIsAskedTwice(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	g := newGuarded(t, a, 0)
	m := newManaged(t, guardedFlow, map[string]string{"secret": longSecret})
	_, err := m.executor.Run(t.Context(), m.plan, flow.Inputs{"issuer": a.url, "api": g.URL})
	if got := g.heard(); got != "POST /orders?urgent=true use_dpop_nonce\nPOST /orders?urgent=true use_dpop_nonce" {
		t.Errorf("asked\n%s", got)
	}
	if e := flowError(err); e.Kind != flow.KindAuth || e.Status != 401 ||
		!strings.Contains(err.Error(), "refused the proof for the token of credential ehr: it answered 401 Unauthorized; it was a new one") ||
		!strings.Contains(strings.Join(e.Hints, "\n"), "the nonce that it gave last") {
		t.Errorf("%v %q", err, e.Hints)
	}
	if n := countsOf(t, a)["client_credentials ok"]; n != 1.0 {
		t.Errorf("the token is not to blame, and there were %v", n)
	}
}

// A home is a folder in which the command works.
type home struct {
	t    *testing.T
	path string
	dir  string
	env  []string
}

// newHome builds the command.
func newHome(t *testing.T, env ...string) *home {
	t.Helper()
	build, _ := builds.LoadOrStore("stepwell", sync.OnceValues(func() (string, error) {
		path := filepath.Join(scratch, "stepwell")
		cmd := exec.Command("go", "build", "-o", path, "./cmd/stepwell")
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build stepwell: %w\n%s", err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	h := &home{t: t, path: path, dir: t.TempDir()}
	h.env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "NO_COLOR=1", "LANG=C.UTF-8"}, env...)
	return h
}

// run runs the command, which must succeed.
func (h *home) run(args ...string) (stdout, stderr string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(h.path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.dir, h.env, &out, &errs
	if err := cmd.Run(); err != nil {
		h.t.Fatalf("stepwell %v: %v\n%s%s", args, err, out.String(), errs.String())
	}
	return out.String(), errs.String()
}

// TestTheCommandUsesATokenThatIsBoundToAKey plans, tries, and runs twice: the key is kept with its token, so one is enough for
// all processes; the API's nonce is not, and each process asks for it with its first call.
func TestTheCommandUsesATokenThatIsBoundToAKey(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	g := newGuarded(t, a, 100)
	h := newHome(t, "SECRET="+longSecret)
	if err := os.WriteFile(filepath.Join(h.dir, "flow.yaml"), []byte("stepwell: 1\nname: guarded\n"+guardedFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	inputs := []string{"-i", "issuer=" + a.url, "-i", "api=" + g.URL}

	if out, _ := h.run("plan", "flow.yaml"); strings.Count(out, "auth ehr") != 3 {
		t.Errorf("the plan is\n%s", out)
	}
	if heard := g.heard(); heard != "" {
		t.Errorf("a plan asks: %s", heard)
	}
	out, _ := h.run(append([]string{"token", "test", "flow.yaml", "ehr"}, inputs...)...)
	if !strings.Contains(out, "type         DPoP\n") || !strings.Contains(out, "from         the token endpoint") {
		t.Errorf("token test says\n%s", out)
	}
	for n := range 2 {
		_, errs := h.run(append([]string{"run", "-v", "flow.yaml"}, inputs...)...)
		for _, line := range []string{"> Authorization: DPoP [secret ehr]\n", "> Dpop: [secret ehr]\n", "order     401, once more with another proof\n"} {
			if !strings.Contains(errs, line) {
				t.Errorf("run %d does not say %q:\n%s", n, line, errs)
			}
		}
		if heard := g.heard(); strings.Count(heard, "use_dpop_nonce") != 1 || strings.Count(heard, "ok") != 5 {
			t.Errorf("run %d asked\n%s", n, heard)
		}
	}
	if counts := countsOf(t, a); counts["client_credentials ok"] != 1.0 {
		t.Errorf("the server counts %v", counts)
	}
}
