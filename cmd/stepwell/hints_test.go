package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A refuser is an authorization server that lets nobody in. The last part of
// the path says how.
func refuser(t *testing.T) string {
	m := http.NewServeMux()
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.HandleFunc("/{error}", func(w http.ResponseWriter, r *http.Request) {
		code, how := r.PathValue("error"), http.StatusBadRequest
		w.Header().Set("Content-Type", "application/json")
		switch code {
		case "basic":
			code = "invalid_client"
			w.Header().Set("WWW-Authenticate", `Basic realm="clinic"`)
			how = http.StatusUnauthorized
		case "invalid_client":
			how = http.StatusUnauthorized
		case "ahead":
			code = "invalid_client"
			w.Header().Set("Date", time.Now().Add(10*time.Minute+30*time.Second).UTC().Format(http.TimeFormat))
		case "behind":
			code = "invalid_client"
			w.Header().Set("Date", time.Now().Add(-10*time.Minute-30*time.Second).UTC().Format(http.TimeFormat))
		}
		w.WriteHeader(how)
		fmt.Fprintf(w, `{"error":%q}`, code)
	})
	m.HandleFunc("/named/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": s.URL + "/named", "token_endpoint": s.URL + "/invalid_client",
			"token_endpoint_auth_methods_supported": []string{"private_key_jwt", "client_secret_basic"}})
	})
	return s.URL
}

// hintedFlow has a credential of each kind that is refused.
const hintedFlow = `stepwell: 1
name: hints
inputs: { url: string, how: string }
secrets: { secret: { env: CLIENT_SECRET }, odd: { env: ODD_SECRET }, key: { env: PRIVATE_KEY } }
credentials:
  basic: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", scopes: [patient.read, orders.read] }
  odd_secret: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.odd }}" }
  odd_secret_raw: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.odd }}", basic_encoding: raw }
  body: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", client_auth: body, audience: "https://api.example.test" }
  json: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", client_auth: body, request_encoding: json }
  discovered: { type: oauth2, issuer: "${{ inputs.url }}/named", client_id: me, client_secret: "${{ secrets.secret }}", client_auth: body }
  signed: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, assertion: { alg: ES256, kid: k1, key: "${{ secrets.key }}" } }
  signed_for_text: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, assertion: { alg: ES256, key: "${{ secrets.key }}", audience: "https://id.example.test" } }
  shared_key: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", client_auth: client_secret_jwt }
  nobody: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me }
  bound: { type: oauth2, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", dpop: true }
  refreshed: { type: oauth2, grant: refresh_token, refresh_token: "${{ secrets.odd }}", token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}" }
  user: { type: oauth2, grant: password, username: ada, password: "${{ secrets.odd }}", token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}" }
  asserted: { type: oauth2, grant: jwt_bearer, client_auth: none, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, assertion: { alg: ES256, kid: k1, key: "${{ secrets.key }}", subject: ada } }
  exchanged: { type: oauth2, grant: token_exchange, subject_token: "${{ secrets.odd }}", token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}", audience: "https://api.example.test" }
  named: { type: oauth2, grant: "urn:example:grant", params: { ticket: "7" }, token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}" }
  device: { type: oauth2, grant: device_code, device_url: "${{ inputs.url }}/${{ inputs.how }}", token_url: "${{ inputs.url }}/${{ inputs.how }}", client_id: me, client_secret: "${{ secrets.secret }}" }
steps:
  - { id: one, set: { x: 1 } }
`

// TestEachRefusalIsToldWithWhatMayMendIt writes down what token test says of
// each kind of credential that is refused in each way that concerns it. Read
// the file when it changes: UPDATE=1 writes it.
func TestEachRefusalIsToldWithWhatMayMendIt(t *testing.T) {
	t.Parallel()
	url, dir := refuser(t), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "flow.yaml"), []byte(hintedFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"LC_ALL": "C.UTF-8", "XDG_STATE_HOME": dir, "XDG_CONFIG_HOME": dir, "CLIENT_SECRET": "canaryClientSecretOfThirtyTwoBytes", "ODD_SECRET": "canary+odd/secret",
		"PRIVATE_KEY": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	var got bytes.Buffer
	for _, c := range []struct{ credential, hows string }{
		{"basic", "basic invalid_client unauthorized_client invalid_scope unsupported_grant_type ahead behind"},
		{"odd_secret", "invalid_client"}, {"odd_secret_raw", "invalid_client"},
		{"body", "basic invalid_client invalid_scope invalid_target"}, {"json", "invalid_request"}, {"discovered", "invalid_client"},
		{"signed", "invalid_client ahead"}, {"signed_for_text", "invalid_client"}, {"shared_key", "invalid_client"},
		{"nobody", "invalid_client"}, {"bound", "invalid_dpop_proof"},
		{"refreshed", "invalid_grant invalid_client"}, {"user", "invalid_grant unsupported_grant_type"}, {"asserted", "invalid_grant invalid_client behind"},
		{"exchanged", "invalid_grant invalid_request invalid_target"}, {"named", "unsupported_grant_type"}, {"device", "invalid_client unauthorized_client"},
	} {
		for how := range strings.FieldsSeq(c.hows) {
			args := []string{"token", "test", "flow.yaml", c.credential, "--store", "memory", "--json", "-i", "url=" + url, "-i", "how=" + how}
			if c.credential == "device" {
				args = append([]string{"token", "login"}, args[2:]...)
				args[4], args[5] = "--store", filepath.Join(dir, "runs.db")
			}
			m, stdout, stderr := at(dir, env, args...)
			code := m.Main(t.Context())
			var r tokenReport
			if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || r.Error == nil {
				t.Fatalf("%s, %s: exit code %d, %s\n%s", c.credential, how, code, stdout, stderr)
			}
			if strings.Contains(stdout.String()+stderr.String(), "canary") {
				t.Errorf("%s, %s: a secret is told\n%s%s", c.credential, how, stdout, stderr)
			}
			fmt.Fprintf(&got, "%s, %s: exit %d, %s\n  %s\n", c.credential, how, code, r.Error.Kind, r.Error.Message)
			for _, h := range r.Error.Hints {
				fmt.Fprintf(&got, "  · %s\n", h)
				if first, _, _ := strings.Cut(h, " "); !strings.Contains(stderr.String(), first) {
					t.Errorf("%s, %s: people are not told %q\n%s", c.credential, how, h, stderr)
				}
			}
		}
	}
	text := strings.NewReplacer(url, "https://id.example.test", strings.TrimPrefix(url, "http://"), "id.example.test").Replace(got.String())
	golden(t, "hints.txt", regexp.MustCompile(`10m\d+s`).ReplaceAllString(text, "10m30s"))
}
