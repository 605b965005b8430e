package stepwell_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// A counter takes orders, with the last token that it gave. One request it may
// answer never: it tells that the request has come.
type counter struct {
	mu     sync.Mutex
	tokens int    // that were asked for
	made   int    // orders
	refuse bool   // the next order, whatever its token
	hold   string // the path that is not answered, once
	came   chan struct{}
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client left
	c.mu.Lock()
	defer c.mu.Unlock()
	code, body := http.StatusOK, `{"id":7}`
	switch {
	case r.URL.Path == "/token":
		c.tokens++
		body = fmt.Sprintf(`{"access_token":"token-of-the-counter-%d","token_type":"Bearer","expires_in":3600}`, c.tokens)
	case c.refuse:
		c.refuse = false
		code, body = http.StatusUnauthorized, `{}`
	default:
		c.made++
	}
	if code == http.StatusOK && r.URL.Path == c.hold {
		c.hold = ""
		close(c.came)
		c.mu.Unlock()
		<-r.Context().Done()
		c.mu.Lock()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, body)
}

func (c *counter) counts() [2]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return [2]int{c.tokens, c.made}
}

const refusedOrder = `stepwell: 1
name: refused-order
inputs: { url: string }
credentials:
  ehr: { type: oauth2, token_url: "${{ inputs.url }}/token", client_id: clinic, client_auth: none }
steps:
  - { id: order, action: http, with: { method: POST, url: "${{ inputs.url }}/order", auth: ehr, json: {} }, save: { id: id } }
outputs: { id: "${{ data.id }}" }
`

// TestAProcessThatIsKilledAfterARefusalRepeatsNothing has its token refused, and
// dies while it asks for another one, or while it makes the order once more.
func TestAProcessThatIsKilledAfterARefusalRepeatsNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("needs SIGKILL")
	}
	path, err := stepwell()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		hold   string
		code   int      // of resume
		decide []string // what is said to the next one
		counts [2]int   // tokens and orders in the end
	}{
		"while it asks for a token":        {"/token", 0, nil, [2]int{3, 2}},
		"while it orders again":            {"/order", 10, []string{"--assume", "order=sent", "-d", "order:id=7"}, [2]int{2, 2}},
		"and the second order was not one": {"/order", 10, []string{"--assume", "order=not-sent"}, [2]int{2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &counter{came: make(chan struct{})}
			s := httptest.NewServer(n)
			defer s.Close()
			p := &process{t: t, path: path, dir: t.TempDir()}
			if err := os.WriteFile(filepath.Join(p.dir, "flow.yaml"), []byte(refusedOrder), 0o600); err != nil {
				t.Fatal(err)
			}
			run := []string{"run", "flow.yaml", "-i", "url=" + s.URL}
			if _, errs, code := p.run(0, run...); code != 0 {
				t.Fatalf("exit %d\n%s", code, errs)
			}
			n.mu.Lock()
			n.refuse, n.hold = true, c.hold
			n.mu.Unlock()
			p.dieAt(n.came, run...)

			before := n.counts()
			id, status := p.last()
			if status != "interrupted" {
				t.Fatalf("the run is %s", status)
			}
			out, errs, code := p.run(0, "resume", id)
			if code != c.code {
				t.Errorf("resume: exit %d\n%s", code, errs)
			}
			if c.decide != nil {
				if now := n.counts(); now != before || !strings.Contains(errs, "--assume order=") {
					t.Errorf("before anybody decided: %v, then %v\n%s", before, now, errs)
				}
				if out, errs, code = p.run(0, append([]string{"resume", id}, c.decide...)...); code != 0 {
					t.Errorf("decided: exit %d\n%s", code, errs)
				}
			}
			if !strings.Contains(out, `"id": `) || n.counts() != c.counts {
				t.Errorf("%v, %s", n.counts(), out)
			}
		})
	}
}

// dieAt runs the command and kills it when something has come.
func (p *process) dieAt(came <-chan struct{}, args ...string) {
	p.t.Helper()
	cmd := exec.Command(p.path, args...)
	cmd.Dir, cmd.Env = p.dir, p.env()
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	select {
	case <-came:
	case <-ended:
		p.t.Fatal("it ended before it could be killed")
	}
	_ = cmd.Process.Kill()
	<-ended
}
