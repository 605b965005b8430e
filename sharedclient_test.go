package stepwell_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
)

// A listener wants no secret of any run in what it is told, requests and answers too.
type listener struct {
	t    *testing.T
	told atomic.Int64
}

func (l *listener) Verbose() bool { return true }

func (l *listener) Begin(ctx context.Context, _ flow.Span) (context.Context, func(flow.End)) {
	return ctx, func(e flow.End) {
		text, err := json.Marshal(e)
		if err != nil {
			l.t.Error(err)
		}
		if e.Request != nil {
			text = append(text, e.Request.Body...)
		}
		if e.Answer != nil {
			text = append(text, e.Answer.Body...)
		}
		if l.told.Add(1); strings.Contains(string(text), "canary") {
			l.t.Errorf("told %s", text)
		}
	}
}

// TestRunsAtOnceOverOneClientShareNothing: the memory of calls serves others, of two
// executors, while some fail, are tried again, are cut or have a credential.
func TestRunsAtOnceOverOneClientShareNothing(t *testing.T) {
	t.Parallel()
	var tries sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, own, _ := strings.Cut(r.Header.Get("Authorization"), " canary-")
		if own == "" || r.URL.Query().Get("n") != own || strings.Count(string(body), "canary-"+own+"-") != 1 || strings.Count(string(body), "canary") != 1 {
			t.Errorf("%s was sent %q with %q", r.URL, body, r.Header.Get("Authorization"))
		}
		switch n, _ := tries.LoadOrStore(r.URL.String(), new(atomic.Int32)); {
		case r.URL.Path == "/flaky" && n.(*atomic.Int32).Add(1) == 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/slow":
			<-r.Context().Done()
			return
		case r.URL.Path == "/refused":
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprintf(w, `{"data":{"own":%q},"told":"canary-%s-"}`, own, own)
	}))
	t.Cleanup(s.Close)
	const text = `stepwell: 1
name: shared
inputs: { url: string, n: string, key: { type: string, sensitive: true } }
credentials:
  fixed: { type: bearer, token: "${{ inputs.key }}" }
defaults:
  http: { base_url: "${{ inputs.url }}", query: { n: "${{ inputs.n }}" } }
steps:
  - id: flaky
    action: http
    with: { method: PUT, url: /flaky, bearer: "${{ inputs.key }}", json: { secret: "${{ inputs.key }}-" } }
    save: { told: { path: told, sensitive: true } }
  - id: slow
    action: http
    with: { method: PUT, url: /slow, bearer: "${{ inputs.key }}", text: "${{ data.told }}", timeout: 20ms }
    retry: false
    on_error: continue
  - id: refused
    action: http
    with: { method: POST, url: /refused, auth: fixed, form: { secret: "${{ inputs.key }}-" } }
    on_error: continue
  - id: own
    action: graphql
    with: { url: "/own?n=${{ inputs.n }}", query: "query Q($secret: String) { own(x: $secret) }", bearer: "${{ inputs.key }}", variables: { secret: "${{ data.told }}" } }
    save: { own: data.own }
outputs: { own: "${{ data.own }}", failed: "${{ steps.slow.outcome }} ${{ steps.refused.outcome }} ${{ steps.flaky.attempts }}" }
`
	c := new(actions.Client)
	t.Cleanup(c.CloseIdle)
	plan, err := flow.Compile(fstest.MapFS{"f.yaml": {Data: []byte(text)}}, "f.yaml",
		flow.Kit{Actions: c.Actions(), Credentials: credentials.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t}
	two := []*flow.Executor{{Observer: l}, {Observer: l}}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 6 {
				n := fmt.Sprintf("%d-%d", i, j)
				ctx, cancel := context.WithCancel(t.Context())
				if j%3 == 2 {
					time.AfterFunc(time.Duration(i)*3*time.Millisecond, cancel)
				}
				run, err := two[i%2].Run(ctx, plan, flow.Inputs{"url": s.URL, "n": n, "key": "canary-" + n})
				if err != nil && ctx.Err() == nil || err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("run %s: %v", n, err)
				}
				cancel()
				if want := fmt.Sprintf(`{"own":%q,"failed":"caught caught 2"}`, n); err == nil && run.Outputs.Reveal() != want {
					t.Errorf("run %s gives %s", n, run.Outputs.Reveal())
				}
			}
		})
	}
	all.Wait()
	if l.told.Load() == 0 {
		t.Error("nobody was told anything")
	}
}
