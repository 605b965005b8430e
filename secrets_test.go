package stepwell_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

// A vault is a home with the command in it, secrets that nobody may see, and
// everything that was said.
type vault struct {
	t       *testing.T
	path    string // of the command
	home    string
	env     []string
	secrets []canary
	said    []utterance
}

type utterance struct{ args, text string }

// The secrets of the vault. evilKey is what the evil server calls a token.
const (
	hardPassword = `Pa$$wört-#?{}|^[]` + "`" + `&%41-Vb8Nt2Wq6Z`
	hardPin      = "PIN 4711/0815+Gh5Jk7Rt"
	evilToken    = "eyJ0b2tlbiI6/+Xy4Zz9Qw8==Ab3Cd5"
	evilRefresh  = "rt~refresh/Mm1Nn2Bb3Vv4Cc5=="
	evilKey      = "sess+key/Ll9Kk8Jj7Hh6Gg5Ff4"
	evilCookie   = "cookie.Uu7Yy6Tt5Rr4Ee3Ww2"
)

func newVault(t *testing.T) *vault {
	t.Helper()
	path, err := stepwell()
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{t: t, path: path, home: t.TempDir(), secrets: []canary{
		{"client_secret", hardSecret}, {"password", hardPassword}, {"pin", hardPin}, {"the evil token", evilToken},
		{"the evil refresh token", evilRefresh}, {"the evil key", evilKey}, {"the evil cookie", evilCookie},
	}}
	v.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + v.home, "NO_COLOR=1", "LANG=C.UTF-8",
		"EHR_CLIENT_ID=clinic-7", "EHR_CLIENT_SECRET=" + hardSecret, "EHR_PASSWORD=" + hardPassword, "CANARY_PIN=" + hardPin}
	return v
}

// run runs the command and keeps what it said.
func (v *vault) run(args ...string) (stdout, stderr string, code int) {
	v.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(v.path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = v.home, v.env, &out, &errs
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	_ = cmd.Wait()
	v.keep(strings.Join(args, " "), out.String()+"\n"+errs.String())
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (v *vault) keep(args, text string) { v.said = append(v.said, utterance{args, text}) }

// write makes a file in the home, which is searched too.
func (v *vault) write(name, text string) {
	v.t.Helper()
	if err := os.WriteFile(filepath.Join(v.home, name), []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

// newest is the id of the newest run.
func (v *vault) newest() string {
	v.t.Helper()
	out, errs, code := v.run("runs", "list", "--json", "-n", "1")
	var runs []struct {
		RunID string `json:"run_id"`
	}
	if err := json.Unmarshal([]byte(out), &runs); err != nil || code != 0 || len(runs) != 1 {
		v.t.Fatalf("runs list: exit %d, %q\n%s", code, out, errs)
	}
	return runs[0].RunID
}

// look lets everything that shows a run show the newest.
func (v *vault) look() {
	v.t.Helper()
	id := v.newest()
	v.run("runs", "show", id)
	v.run("runs", "show", "--json", id)
	v.run("data", id)
	v.run("data", "-v", id)
	v.run("data", "-v", "--json", id)
	v.run("keys", "list")
	v.run("keys", "verify", "--json")
	v.run("runs", "purge", "--older-than", "0s", "--dry-run", "--json")
}

// search looks for the secrets in everything that was said and written.
func (v *vault) search() {
	v.t.Helper()
	for _, s := range v.said {
		if found := leaks(s.text, v.secrets); len(found) > 0 {
			v.t.Errorf("stepwell %s tells %s:\n%s", s.args, strings.Join(found, "\n  and "), s.text)
		}
	}
	files := 0
	err := filepath.WalkDir(v.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if found := leaks(string(text), v.secrets); len(found) > 0 {
			v.t.Errorf("the file %s holds %s", path, strings.Join(found, "\n  and "))
		}
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
	if files < 1 || len(v.said) == 0 {
		v.t.Fatalf("only %d files were searched, and %d commands", files, len(v.said))
	}
}

// clinic starts a sandbox with the vault's secrets and points the flows to it.
func (v *vault) clinic() *sandbox.Server {
	v.t.Helper()
	s, err := sandbox.Start(sandbox.Options{ClientID: "clinic-7", ClientSecret: hardSecret, Username: "ada@clinic.example", Password: hardPassword})
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = s.Close() })
	v.env = append(v.env, "EHR_BASE_URL="+s.URL(), "EHR_GRAPHQL_URL="+s.URL()+"/graphql", "EHR_FHIR_URL="+s.URL()+"/fhir", "EHR_USERNAME=ada@clinic.example")
	for _, name := range []string{"lab_key", "private_key"} { // which are made by the sandbox
		v.env = append(v.env, "EHR_"+strings.ToUpper(name)+"="+s.Secrets()[name])
		v.secrets = append(v.secrets, canary{name, s.Secrets()[name]})
	}
	return s
}

// tokens makes those that the sandbox gave out secrets of the vault.
func (v *vault) tokens(s *sandbox.Server) {
	v.t.Helper()
	given := s.Tokens()
	if len(given) == 0 {
		v.t.Fatal("no token was given out")
	}
	for i, token := range given {
		v.secrets = append(v.secrets, canary{fmt.Sprintf("token %d", i), token})
	}
}

func TestExamplesTellNoSecret(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	s := v.clinic()
	examples, err := filepath.Glob("examples/*.yaml")
	if err != nil || len(examples) < 5 {
		t.Fatalf("%v, %v", examples, err)
	}
	for _, example := range examples {
		file, err := filepath.Abs(example)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"run", file, "-i", "patient_id=9434765919"}, {"run", "--json", file, "-i", "patient_id=9434765919"},
			{"run", "-v", file, "-i", "patient_id=9434765919"}} {
			want := 0
			if filepath.Base(example) == "approval.yaml" {
				args, want = append(args, "--public-url", "https://flows.example.test"), 9 // nobody has decided yet
			}
			if filepath.Base(example) == "session-login.yaml" { // is about nobody
				args = args[:len(args)-2]
			}
			if _, errs, code := v.run(args...); code != want {
				t.Errorf("%s: exit %d\n%s", example, code, errs)
			}
		}
		v.look()
		for _, verb := range []string{"plan", "env", "validate"} {
			if _, errs, code := v.run(verb, file); code != 0 {
				t.Errorf("%s %s: exit %d\n%s", verb, example, code, errs)
			}
			v.run(verb, file, "--json")
		}
	}
	v.tokens(s)
	v.search()
}

func TestExamplesThatFailTellNoSecret(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	s := v.clinic()
	file, err := filepath.Abs("examples/discharge-follow-up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := []string{"run", file, "-i", "patient_id=9434765919"}
	for _, path := range []string{"/oauth/token", "/patients/9434765919", "/graphql", "/notifications"} {
		for _, how := range []string{"401", "403", "404", "429?times=0&retry_after=0", "500", "truncate", "html", "close", "lost"} {
			if err := s.Fail("", path, how); err != nil {
				t.Fatal(err)
			}
			if out, errs, code := v.run(append(run, "-v")...); code == 0 {
				t.Errorf("%s with %s: exit %d\n%s%s", path, how, code, out, errs)
			}
			if err := s.Fail("", path, ""); err != nil {
				t.Fatal(err)
			}
		}
		v.look()
	}
	v.run("run", file, "-i", "patient_id=9000000009")
	v.run("run", "--json", file, "-i", "patient_id=9000000009")
	v.run("run", file, "-i", "patient_id=nobody")
	for _, wrong := range []string{"EHR_CLIENT_SECRET=" + hardPassword, "EHR_CLIENT_SECRET=", "EHR_CLIENT_SECRET= " + hardSecret + " "} {
		v.env = append(v.env, wrong)
		if _, errs, code := v.run(run...); code != 6 && code != 5 {
			t.Errorf("with a wrong secret: exit %d\n%s", code, errs)
		}
	}
	v.tokens(s)
	v.search()
}

// evil is a server that tells whatever it was told, in every way that an
// answer has, and hands out tokens in unusual places.
func evil(t *testing.T) string {
	t.Helper()
	m := http.NewServeMux()
	m.HandleFunc("/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"refresh_token":%q,"token_type":"Bearer","expires_in":"soon"}`, evilToken, evilRefresh)
	})
	m.HandleFunc("/session", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"session":{"key":%q},"expires_in":"soon"}`, evilKey)
	})
	m.HandleFunc("/token/form", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
		fmt.Fprint(w, "access_token="+url.QueryEscape(evilToken)+"&token_type=bearer")
	})
	m.HandleFunc("/token/text", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "token: "+evilToken) })
	m.HandleFunc("/token/lines", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "{\"access_token\":%q}\n{\"access_token\": %q oops\n", evilToken, evilRefresh)
	})
	m.HandleFunc("/token/truncated", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4000")
		fmt.Fprintf(w, `{"access_token":%q,`, evilToken)
	})
	m.HandleFunc("/token/redirect", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/callback?code=1#access_token="+url.QueryEscape(evilToken))
		w.WriteHeader(http.StatusFound)
	})
	m.HandleFunc("/cookie", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "session="+evilCookie+"; HttpOnly")
		fmt.Fprint(w, `{"ok": true}`)
	})
	m.HandleFunc("/slow", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client left
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	})
	m.HandleFunc("/echo/{status}/{pad}/{how}", parrot)
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return s.URL
}

// parrot answers with the credentials of the request, behind pad characters, so
// that what is cut is cut inside of them.
func parrot(w http.ResponseWriter, r *http.Request) {
	status, pad := 0, 0
	_, _ = fmt.Sscan(r.PathValue("status"), &status)
	_, _ = fmt.Sscan(r.PathValue("pad"), &pad)
	body := new(bytes.Buffer)
	_, _ = body.ReadFrom(r.Body)
	told := strings.Repeat("x", pad) + r.Header.Get("Authorization") + " " + r.Header.Get("X-Pin") + " " + body.String() + " " + r.URL.RawQuery
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(told)+`"`)
	w.Header().Set("Location", "/login?back="+url.QueryEscape(told))
	switch r.PathValue("how") {
	case "json":
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_client", "error_description": told, "message": told, "form": r.PostForm, "authorization": r.Header.Get("Authorization")})
	case "graphql":
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"data": nil, "errors": []any{map[string]any{"message": told, "path": []string{told}, "extensions": map[string]any{"code": told}}}})
	default:
		w.WriteHeader(status)
		fmt.Fprint(w, told)
	}
}
