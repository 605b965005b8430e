package stepwell_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

// lookAtTokens lets every verb that shows kept tokens show them all.
func (v *vault) lookAtTokens() (kept int) {
	v.t.Helper()
	v.run("token", "list")
	out, errs, code := v.run("token", "list", "--json")
	var tokens []struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(out), &tokens); err != nil || code != 0 {
		v.t.Fatalf("token list: exit %d, %q\n%s", code, out, errs)
	}
	for _, k := range tokens {
		v.run("token", "show", k.ID)
		if _, errs, code := v.run("token", "show", "--json", k.ID); code != 0 {
			v.t.Errorf("token show: exit %d\n%s", code, errs)
		}
	}
	return len(tokens)
}

// store is the database of the vault.
func (v *vault) store() string {
	return filepath.Join(v.home, ".local", "state", "stepwell", "runs.db")
}

// sealedTokens are what the files hold of kept tokens: none of it is a token, and
// after a purge none of it is there.
func (v *vault) sealedTokens() map[string][]byte {
	v.t.Helper()
	s, shut := openRuns(v.t, v.store())
	defer shut()
	entries, err := s.Tokens(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	sealed := map[string][]byte{}
	for i, e := range entries {
		if e.Name == "" {
			continue // what keys are made with: it is nobody's token, and stays
		}
		sealed[fmt.Sprintf("the name of token %d", i)] = []byte(e.Key)
		sealed[fmt.Sprintf("the key of token %d", i)] = e.Wrapped
		text := e.Secret.Reveal()
		sealed[fmt.Sprintf("token %d, sealed", i)] = []byte(text[1:min(len(text)-1, 100)])
	}
	return sealed
}

func TestTheVerbsOfTokensTellNoneAndAPurgeLeavesNone(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	s := v.clinic()
	for _, c := range []struct{ example, credential string }{{"managed-token", "ehr"}, {"reuse", "ehr"}, {"session-login", "legacy"},
		{"api-key", "ehr"}, {"api-key", "lab"}, {"backend-services", "backend"}} {
		file, err := filepath.Abs("examples/" + c.example + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		run := []string{"run", "-v", file}
		if c.example != "session-login" {
			run = append(run, "-i", "patient_id=9434765919")
		}
		for _, args := range [][]string{run, {"token", "test", file, c.credential}, {"token", "test", "--json", file, c.credential},
			{"token", "test", "--fresh", file, c.credential}, run} {
			if _, errs, code := v.run(args...); code != 0 {
				t.Errorf("%v: exit %d\n%s", args, code, errs)
			}
		}
		v.tokens(s) // before the server forgets its sessions
		s.Revoke()  // the kept one is refused, and another one takes its place
		if _, errs, code := v.run(run...); code != 0 {
			t.Errorf("%s with a revoked token: exit %d\n%s", c.example, code, errs)
		}
		v.run("token", "login", file, c.credential) // is for people
		v.look()
		v.lookAtTokens()
		for _, path := range []string{"/oauth/token", "/session", "/patients/9434765919", "/fhir/Patient/9434765919", "/rota", "/lab/results", "/orders"} {
			for _, how := range []string{"401?times=0", "500?times=0", "html?times=0"} {
				if err := s.Fail("", path, how); err != nil {
					t.Fatal(err)
				}
			}
		}
		v.run(append(run, "--json")...)
		v.run("token", "test", "--fresh", file, c.credential)
		v.run("token", "test", "--fresh", "--json", file, c.credential)
		for _, path := range []string{"/oauth/token", "/session", "/patients/9434765919", "/fhir/Patient/9434765919", "/rota", "/lab/results", "/orders"} {
			if err := s.Fail("", path, ""); err != nil {
				t.Fatal(err)
			}
		}
		v.run(run...)
	}
	v.tokens(s)
	if n := v.lookAtTokens(); n < 4 {
		t.Errorf("%d tokens are kept: too few to look at", n)
	}
	v.search()

	sealed := v.sealedTokens()
	if before := strings.Join(holding(t, v.home, sealed), "\n"); strings.Count(before, "sealed") < 4 {
		t.Errorf("the test looks in the wrong place: %s", before)
	}
	for _, args := range [][]string{{"token", "purge", "--all"}, {"runs", "purge", "--older-than", "0s"}, {"keys", "verify"}} {
		if out, errs, code := v.run(args...); code != 0 || strings.Contains(errs, "warning") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	if n := v.lookAtTokens(); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
	if found := holding(t, v.home, sealed); len(found) > 0 {
		t.Errorf("after the purge: %v", found)
	}
	v.search()
}

// An issuer that tells again whatever a token request told it, and notes the
// assertions, which are made anew for each.
type teller struct {
	mu   sync.Mutex
	told []string
}

func (e *teller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	e.mu.Lock()
	for _, name := range []string{"client_assertion", "assertion"} {
		if text := r.PostForm.Get(name); text != "" {
			e.told = append(e.told, text)
		}
	}
	e.mu.Unlock()
	told := r.Header.Get("Authorization") + " " + r.PostForm.Encode()
	for _, list := range r.PostForm {
		told += " " + strings.Join(list, " ")
	}
	how := r.PathValue("how")
	status := map[string]int{"invalid_client": 401, "invalid_grant": 400, "page": 200, "gateway": 502, "words": 403}[how]
	w.Header().Set("WWW-Authenticate", `Basic realm="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", "").Replace(told)+`"`)
	switch how {
	case "page", "gateway":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><title>%s</title><p>%s", told, told)
	case "words":
		w.WriteHeader(status)
		fmt.Fprint(w, told)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": how, "error_description": told, "error_uri": "https://" + told})
	}
}

// answering makes a server whose token endpoint answers as a test says.
func answering(t *testing.T, e *teller) string {
	t.Helper()
	m := http.NewServeMux()
	m.Handle("/tell/{how}", e)
	for name, text := range map[string]string{
		"error":   `{"error":"invalid_scope","error_description":"no: %[1]s %[2]s","access_token":"%[1]s","refresh_token":"%[2]s"}`,
		"no":      `{"error":{"message":"%[1]s"},"message":"%[2]s","access_token":"%[1]s","refresh_token":"%[2]s"}`,
		"twice":   `{"access_token":"%s","access_token":"%s","token_type":"Bearer"}`,
		"mac":     `{"access_token":"%s","refresh_token":"%s","token_type":"mac"}`,
		"spaces":  `{"access_token":"%s %s","token_type":"Bearer"}`,
		"break":   `{"access_token":"%s","refresh_token":"%s`,
		"other":   `{"token":"%s","session":{"key":"%s"}}`,
		"wrapped": `[{"access_token":"%s"},"%s"]`,
	} {
		m.HandleFunc("/answer/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, text, evilToken, evilRefresh)
		})
	}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	return s.URL
}

// certify makes a certificate for a private key in PEM. It is no secret.
func certify(t *testing.T, key string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(strings.ReplaceAll(key, `\n`, "\n"))) // it may stand on one line
	if block == nil {
		t.Fatal("the key is not in PEM")
	}
	read, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signer := read.(crypto.Signer)
	about := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, about, about, signer.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

const credentialFlow = `stepwell: 1
name: evil-credential
inputs:
  url: { type: string, env: EVIL_URL }
  id: { type: string, env: ISSUER_URL }
  pin: { type: string, sensitive: true, env: CANARY_PIN }
secrets:
  client_secret: { env: EHR_CLIENT_SECRET }
  password: { env: EHR_PASSWORD }
  private_key: { env: EHR_PRIVATE_KEY }
  certificate: { env: EHR_CERTIFICATE }
defaults: { http: { base_url: "${{ inputs.url }}", timeout: 5s, retry: false } }
credentials:
  c: { %s }
steps:
  - { id: s, set: { subject: "${{ inputs.pin }}" } }
  - { id: a, action: http, with: { auth: c, %s } }
`

func TestCredentialsThatFailTellNoSecret(t *testing.T) {
	t.Parallel()
	const (
		client = `type: oauth2, client_id: me, client_secret: "${{ secrets.client_secret }}", `
		echo   = `method: POST, url: /echo/401/0/json, headers: { X-Other: x }, form: { p: "${{ secrets.password }}" }`
	)
	asked := map[string]string{ // what is sent to the token endpoint
		"basic":    client + `client_auth: basic, `,
		"raw":      client + `client_auth: basic, basic_encoding: raw, `,
		"body":     client + `client_auth: body, `,
		"json":     client + `client_auth: body, request_encoding: json, `,
		"signed":   `type: oauth2, client_id: me, client_auth: private_key_jwt, assertion: { alg: ES384, key: "${{ secrets.private_key }}" }, `,
		"shared":   client + `client_auth: client_secret_jwt, `,
		"password": client + `grant: password, username: ada, password: "${{ secrets.password }}", `,
		"refresh":  client + `grant: refresh_token, refresh_token: "${{ secrets.password }}", `,
		"exchange": client + `grant: token_exchange, subject_token: "${{ secrets.password }}", actor_token: "${{ inputs.pin }}", `,
		"asserted": `type: oauth2, grant: jwt_bearer, client_id: me, client_auth: none, assertion: { alg: ES384, key: "${{ secrets.private_key }}", subject: ada }, `,
		"twofold":  client + `grant: jwt_bearer, client_auth: body, assertion: { alg: ES384, key: "${{ secrets.private_key }}", subject: "${{ data.subject }}" }, `,
		"bound":    client + `dpop: true, `,
		"tls":      `type: oauth2, client_id: me, client_auth: tls, tls: { cert: "${{ secrets.certificate }}", key: "${{ secrets.private_key }}" }, `,
		"urn":      client + `grant: "urn:example:grant", params: { pin: "${{ inputs.pin }}", other: "${{ secrets.password }}" }, `,
	}
	tests := map[string][2]string{}
	for name, fields := range asked {
		for _, how := range []string{"invalid_client", "invalid_grant", "page", "gateway", "words"} {
			if (how == "gateway" || how == "words") && name != "body" && name != "signed" {
				continue // these are tried again, which takes its time
			}
			tests[name+" with "+how] = [2]string{fields + `token_url: "${{ inputs.id }}/tell/` + how + `"`, "url: /x"}
		}
	}
	for _, how := range []string{"error", "no", "twice", "mac", "spaces", "break", "other", "wrapped"} {
		tests["the answer "+how] = [2]string{client + `token_url: "${{ inputs.id }}/answer/` + how + `"`, "url: /x"}
	}
	for name, tls := range map[string]string{ // that cannot be used
		"a certificate that is none":   `cert: "${{ secrets.password }}", key: "${{ secrets.private_key }}"`,
		"a key that is none":           `cert: "${{ secrets.certificate }}", key: "${{ secrets.client_secret }}"`,
		"a key that is no other's":     `cert: "${{ secrets.private_key }}", key: "${{ secrets.certificate }}"`,
		"a certificate in place of ca": `ca: "${{ secrets.private_key }}", cert: "${{ secrets.certificate }}", key: "${{ secrets.private_key }}"`,
	} {
		tests[name] = [2]string{`type: oauth2, client_id: me, client_auth: tls, tls: { ` + tls + ` }, token_url: "${{ inputs.url }}/token"`, "url: /x"}
	}
	for name, key := range map[string]string{"a password": "${{ secrets.password }}", "a certificate": "${{ secrets.certificate }}"} {
		tests["signed with "+name] = [2]string{`type: oauth2, client_id: me, client_auth: private_key_jwt, assertion: { alg: ES384, key: "` + key + `" }, token_url: "${{ inputs.url }}/token"`, "url: /x"}
	}
	tests["an exchange of a data point"] = [2]string{client + `grant: token_exchange, subject_token: "${{ data.subject }}", token_url: "${{ inputs.id }}/tell/invalid_grant"`, "url: /x"}
	tests["a token that is not bound"] = [2]string{client + `dpop: true, token_url: "${{ inputs.url }}/token"`, "url: /x"}
	fetched := client + `token_url: "${{ inputs.url }}/token"`
	for name, with := range map[string]string{
		"401": echo, "403": strings.Replace(echo, "401", "403", 1), "500": strings.Replace(echo, "401", "500", 1), "text": strings.Replace(echo, "json", "text", 1),
		"a cut": strings.Replace(echo, "401/0", "401/270", 1), "GraphQL": strings.Replace(echo, "401/0/json", "401/0/graphql", 1),
		"another origin": `url: "${{ inputs.id }}/x", base_url: null`, "a redirect": strings.Replace(echo, "401", "302", 1),
	} {
		tests["a token and "+name] = [2]string{fetched, with}
	}
	session := func(url, body string) string {
		return `type: steps, token: "${{ data.session }}", send: { header: X-Pin }, steps: [ { id: login, action: http, with: { method: POST, url: ` + url + `, json: { u: ada, p: "${{ secrets.password }}" } }, save: { session: ` + body + ` } } ]`
	}
	for name, c := range map[string][2]string{
		"a session that is refused":     {session("/echo/401/0/json", "session.key"), "url: /x"},
		"a session that is a page":      {session("/echo/200/0/text", "session.key"), "url: /x"},
		"a session that is not there":   {session("/session", "session.nokey"), "url: /x"},
		"a session that is an object":   {session("/session", "session"), "url: /x"},
		"a session with 500":            {session("/echo/500/0/json", "session.key"), "url: /x"},
		"a session that is not known":   {session("/session", "session.key"), echo},
		"a key that is refused":         {`type: api_key, value: "${{ secrets.client_secret }}", send: { query: key }, origins: [ "${{ inputs.url }}" ]`, echo},
		"a key in a header":             {`type: api_key, value: "${{ secrets.password }}", send: { header: X-Pin }, origins: [ "${{ inputs.url }}" ]`, `url: /echo/401/0/json`},
		"a password that is refused":    {`type: basic, username: ada, password: "${{ secrets.password }}", origins: [ "${{ inputs.url }}" ]`, echo},
		"a fixed token that is refused": {`type: bearer, token: "${{ secrets.password }}", origins: [ "${{ inputs.url }}" ]`, echo},
	} {
		tests[name] = c
	}
	given, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	key := given.Secrets()["private_key"]
	if err := given.Close(); err != nil {
		t.Fatal(err)
	}
	certificate := certify(t, key)
	_, unframed, _ := strings.Cut(key, "PRIVATE KEY-----") // messages may tell the frame
	unframed, _, _ = strings.Cut(unframed, "-----END")
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, e := newVault(t), &teller{}
			v.secrets = append(v.secrets, canary{"private_key", unframed})
			v.env = append(v.env, "EVIL_URL="+evil(t), "ISSUER_URL="+answering(t, e), "EHR_PRIVATE_KEY="+key, "EHR_CERTIFICATE="+certificate)
			v.write("flow.yaml", fmt.Sprintf(credentialFlow, c[0], c[1]))
			out, errs, code := v.run("run", "-v", "flow.yaml")
			if code == 0 || code == 1 || code == 2 || code == 5 {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			v.run("run", "--json", "flow.yaml")
			v.run("token", "test", "flow.yaml", "c")
			v.run("token", "test", "--json", "--fresh", "flow.yaml", "c")
			v.look()
			v.lookAtTokens()
			e.mu.Lock()
			defer e.mu.Unlock()
			for i, text := range e.told {
				// its header and most of its claims are no secret
				v.secrets = append(v.secrets, canary{fmt.Sprintf("the signature of assertion %d", i), text[strings.LastIndexByte(text, '.')+1:]})
			}
			v.search()
		})
	}
}

// fill leaves no place in a table of the store.
func (v *vault) fill(table string) {
	v.t.Helper()
	db, err := sql.Open("sqlite", v.store())
	if err == nil {
		for _, when := range []string{"INSERT", "UPDATE"} {
			_, e := db.Exec("CREATE TRIGGER full_" + when + " BEFORE " + when + " ON " + table + " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
			err = errors.Join(err, e)
		}
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// A store in which no token can be kept.
func TestAStoreThatFailsToKeepATokenTellsNone(t *testing.T) {
	t.Parallel()
	for _, table := range []string{"stepwell_tokens", "stepwell_points"} {
		t.Run(table, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			s := v.clinic()
			v.write("first.yaml", "stepwell: 1\nname: f\nsteps: [ { id: a, set: { x: 1 } } ]\n")
			if _, errs, code := v.run("run", "first.yaml"); code != 0 { // makes the store
				t.Fatal(errs)
			}
			v.fill(table)
			warned := false
			for _, example := range []string{"managed-token", "session-login", "backend-services", "reuse", "pre-request"} {
				file, err := filepath.Abs("examples/" + example + ".yaml")
				if err != nil {
					t.Fatal(err)
				}
				args := []string{"run", "-v", file, "-i", "patient_id=9434765919"}
				if example == "session-login" {
					args = args[:3]
				}
				_, errs, _ := v.run(args...)
				warned = warned || strings.Contains(errs, "the disk is full")
				v.run(append(args, "--json")...)
				for _, name := range []string{"ehr", "legacy", "backend"} {
					v.run("token", "test", "--fresh", file, name)
				}
				v.look()
				v.lookAtTokens()
			}
			if !warned {
				t.Error("nothing failed: the test has no use")
			}
			v.tokens(s)
			v.search()
		})
	}
}

// A full cache tells what it was to keep, as a careless one might.
type full struct{ datapoints.MemoryTokens }

func (*full) PutToken(_ context.Context, e datapoints.TokenEntry) error {
	return fmt.Errorf("no place for %+v (%#v)", e, e)
}

func TestALibraryThatHoldsATokenTellsNone(t *testing.T) {
	t.Parallel()
	secrets := []canary{{"client_secret", hardSecret}, {"password", hardPassword}, {"pin", hardPin}, {"token", evilToken}, {"refresh", evilRefresh}}
	const held = `  - { id: t, action: oauth2, with: { credential: c }, save: { token: access_token } }
`
	for name, c := range map[string]struct {
		cache datapoints.TokenCache
		steps string
		bad   bool
	}{
		"a panic":                       {new(datapoints.MemoryTokens), held + `  - { id: b, action: panic, with: { say: "${{ data.token }} ${{ secrets.password }}" } }`, true},
		"an error":                      {new(datapoints.MemoryTokens), held + `  - { id: b, action: error, with: { say: "Bearer ${{ data.token }}" } }`, true},
		"a cache that fails":            {datapoints.SealTokens(new(full), datapoints.NewMasterKey()), held, false},
		"a cache that fails, unsealed":  {new(full), held, false},
		"a cache that fails, and a 401": {new(full), `  - { id: b, action: http, with: { auth: c, url: /echo/401/0/json } }`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, calls := &watcher{}, new(actions.Client)
			defer calls.CloseIdle()
			warned := false
			tokens := &oauth2.Client{Cache: c.cache, Warn: func(text string) { warned = true; w.note(text) }}
			kit := flow.Kit{Actions: calls.Actions(), Credentials: credentials.Of(calls, tokens)}
			kit.Actions["panic"] = flow.Func("Panics with what it is told.", func(_ context.Context, in hearing) (flow.Result, error) { panic("told " + in.Say) })
			kit.Actions["error"] = flow.Func("Fails with what it is told.", func(_ context.Context, in hearing) (flow.Result, error) {
				return flow.Result{}, fmt.Errorf("told %q", in.Say)
			})
			text := strings.Replace(fmt.Sprintf(credentialFlow, `type: oauth2, client_id: me, client_secret: "${{ secrets.client_secret }}", token_url: "${{ inputs.url }}/token"`, "url: /echo/200/0/json"),
				"  private_key: { env: EHR_PRIVATE_KEY }\n  certificate: { env: EHR_CERTIFICATE }\n", "", 1) + c.steps + "\n"
			p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte(text)}}, "test.yaml", kit)
			if err != nil {
				t.Fatal(err)
			}
			x := &flow.Executor{Observer: w, Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
				return map[string]string{"client_secret": hardSecret, "password": hardPassword}[s.Name], nil
			}}
			run, err := x.Run(t.Context(), p, flow.Inputs{"url": evil(t), "id": "http://127.0.0.1:1", "pin": hardPin})
			w.note(err)
			w.note(run)
			if c.bad && err == nil {
				t.Error("nothing failed")
			}
			if strings.HasPrefix(name, "a cache") && !warned {
				t.Error("nobody was warned")
			}
			if err := tokens.Close(t.Context()); err != nil {
				w.note(err)
			}
			if text := w.text.String(); len(leaks(text, secrets)) > 0 {
				t.Errorf("somebody is told %v:\n%s", leaks(text, secrets), text)
			}
		})
	}
}
