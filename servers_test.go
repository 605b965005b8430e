package stepwell_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// awkward is a secret that breaks careless encoders.
const awkward = `p@ss:w/rd&=+% ~*'()`

// builds makes each server of testdata/servers once for all tests.
var builds sync.Map // name to func() (path string, err error)

// server starts one of the servers that others wrote and gives its URL.
func server(t *testing.T, name string, args ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a server that others wrote")
	}
	build, _ := builds.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "stepwell-servers")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-o", path, "./"+name)
		cmd.Dir = filepath.Join("testdata", "servers")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatalf("%s cannot be built: %v", name, err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // its end
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	})
	return strings.TrimSpace(line)
}

func TestMain(m *testing.M) {
	code := m.Run()
	builds.Range(func(_, build any) bool {
		if path, err := build.(func() (string, error))(); err == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		return true
	})
	os.Exit(code)
}

// runFlow runs a flow's text with one secret.
func runFlow(t *testing.T, text string, in flow.Inputs) (map[string]any, error) {
	t.Helper()
	fsys := fstest.MapFS{"test.yaml": {Data: []byte("stepwell: 1\nname: test\n" + text)}}
	p, err := flow.Compile(fsys, "test.yaml", flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	x := &flow.Executor{Secrets: func(context.Context, flow.SecretSource) (string, error) { return awkward, nil }}
	run, err := x.Run(t.Context(), p, in)
	if err != nil {
		return nil, err
	}
	var outputs map[string]any
	if err := json.Unmarshal([]byte(run.Outputs.Reveal()), &outputs); err != nil {
		t.Fatal(err)
	}
	return outputs, nil
}

func TestATokenFromAnOAuthServerOfOthersIsUsed(t *testing.T) {
	t.Parallel()
	url := server(t, "oauth")
	for name, request := range map[string]string{
		"Basic":    `basic: { username: clinic, password: "${{ secrets.password }}" }, form: { grant_type: client_credentials }`,
		"the body": `form: { grant_type: client_credentials, client_id: clinic, client_secret: "${{ secrets.password }}" }`,
	} {
		t.Run("by the client in "+name, func(t *testing.T) {
			t.Parallel()
			got, err := runFlow(t, `
inputs: { url: string }
secrets: { password: { env: X } }
defaults: { http: { base_url: "${{ inputs.url }}" } }
steps:
  - { id: token, action: http, with: { method: POST, url: /oauth/token, `+request+` }, save: { access_token: access_token } }
  - id: check
    action: http
    with: { url: /check, headers: { Authorization: "Bearer ${{ data.access_token }}" } }
    save: { client: { expression: "toJSON(response.body)" } }
outputs: { client: "${{ data.client }}", status: "${{ steps.check.status }}" }
`, flow.Inputs{"url": url})
			if err != nil || got["status"] != float64(200) || !strings.Contains(got["client"].(string), "clinic") {
				t.Errorf("%v, %v", err, got)
			}
		})
	}
	t.Run("a wrong secret is refused with help and kind auth", func(t *testing.T) {
		t.Parallel()
		_, err := runFlow(t, `
inputs: { url: string }
steps:
  - { id: token, action: http, with: { method: POST, url: "${{ inputs.url }}/oauth/token", form: { grant_type: client_credentials, client_id: clinic, client_secret: wrong } }, save: { access_token: access_token } }
`, flow.Inputs{"url": url})
		var e *flow.Error
		if !errors.As(err, &e) || e.Kind != flow.KindAuth || len(e.Hints) == 0 {
			t.Errorf("%v", err)
		}
	})
}

// httpbin runs one call of httpbin and gives what it saved.
func httpbin(t *testing.T, url, with, save string) (any, error) {
	t.Helper()
	got, err := runFlow(t, `
inputs: { url: string }
secrets: { password: { env: X } }
steps:
  - { id: call, action: http, retry: false, with: { base_url: "${{ inputs.url }}", `+with+` }, save: { got: `+save+` } }
outputs: { got: "${{ data.got }}" }
`, flow.Inputs{"url": url})
	if err != nil {
		return nil, err
	}
	return got["got"], nil
}

func TestWhatAServerOfOthersSees(t *testing.T) {
	t.Parallel()
	url := server(t, "httpbin")
	tests := []struct{ name, with, save, want string }{
		{"a secret in a form is escaped as forms are", `method: POST, url: /post, form: { grant_type: client_credentials, client_secret: "${{ secrets.password }}" }`, `data`,
			`grant_type=client_credentials&client_secret=p%40ss%3Aw%2Frd%26%3D%2B%25+~%2A%27%28%29`},
		{"a form has its content type", `method: POST, url: /post, form: { a: b }`, `headers.Content-Type.0`, `application/x-www-form-urlencoded`},
		{"and is read as what was meant", `method: POST, url: /post, form: { s: "${{ secrets.password }}" }`, `form.s.0`, awkward},
		{"Bearer has one space", `url: /bearer, bearer: tok-123`, `token`, `tok-123`},
		{"gzip is read", `url: /gzip`, `gzipped`, `true`},
		{"a query is escaped", `url: "/get?a=1", query: { q: "${{ secrets.password }}" }`, `args.q.0`, awkward},
		{"a slow answer is waited for", `url: /delay/0.05`, `method`, `GET`},
		{"redirects are followed when that is asked for", `url: /redirect/2, follow_redirects: same_origin`, `method`, `GET`},
		{"a stream of JSON lines is read", `url: /stream/3`, `..2.id`, `2`},
		{"json has its content type", `method: POST, url: /post, json: { b: 1, a: 13.0 }`, `data`, `{"b":1,"a":13.0}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := httpbin(t, url, tt.with, tt.save)
			if err != nil {
				t.Fatal(err)
			}
			text, err := datapoints.Of(got)
			if err != nil {
				t.Fatal(err)
			}
			if have := text.RevealText(); have != tt.want {
				t.Errorf("have %s\nwant %s", have, tt.want)
			}
		})
	}
}

func TestHowAServerOfOthersFails(t *testing.T) {
	t.Parallel()
	url := server(t, "httpbin")
	tests := []struct {
		name, with string
		kind       flow.Kind
		status     int
	}{
		{"404 is http", `url: /status/404`, flow.KindHTTP, 404},
		{"503 is http", `url: /status/503`, flow.KindHTTP, 503},
		{"401 is auth", `url: /bearer`, flow.KindAuth, 401},
		{"a redirect is not followed by itself", `url: /redirect/1`, flow.KindHTTP, 302},
		{"an answer that takes too long is a timeout", `url: /delay/5, timeout: 50ms`, flow.KindTimeout, 0},
		{"a POST that takes too long is unknown", `method: POST, url: /delay/5, timeout: 50ms, form: { a: b }`, flow.KindUnknown, 0},
		{"more bytes than allowed are a limit", `url: /bytes/5000, max_response: 1KiB`, flow.KindLimit, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := httpbin(t, url, tt.with, `{ body: text }`)
			var e *flow.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || tt.status != 0 && e.Status != tt.status {
				t.Errorf("have %v", err)
			}
		})
	}
}

func TestAnAuthorizationWithAHoleIsSentToNobody(t *testing.T) {
	t.Parallel()
	sent := 0
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
	defer s.Close()
	for _, header := range []string{"ApiKey id=${{ inputs.id }},key=k", "Bearer ${{ inputs.id }}", "${{ inputs.id }}"} {
		_, err := runFlow(t, `
inputs: { url: string, id: string }
steps:
  - { id: call, action: http, with: { url: "${{ inputs.url }}", headers: { Authorization: "`+header+`" } } }
`, flow.Inputs{"url": s.URL, "id": ""})
		var e *flow.Error
		if !errors.As(err, &e) || e.Kind != flow.KindData || sent > 0 {
			t.Errorf("%s: %v, sent %d times", header, err, sent)
		}
	}
}

func TestAStepsTimeoutCutsItsCallAndSaysSo(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
	}))
	defer s.Close()
	_, err := runFlow(t, `
inputs: { url: string }
steps:
  - { id: call, timeout: 300ms, retry: false, action: http, with: { url: "${{ inputs.url }}", timeout: 30s } }
`, flow.Inputs{"url": s.URL})
	<-began
	var e *flow.Error
	if !errors.As(err, &e) || e.Kind != flow.KindTimeout || !strings.Contains(e.Message, "the step's time was over") {
		t.Errorf("have %v", err)
	}
}
