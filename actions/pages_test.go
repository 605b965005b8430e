package actions_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
)

// A library answers each request with what the test says, and notes it.
type library struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // "POST /list?x=1 {body}"
	keys  []string // Idempotency-Key
	token []string // Authorization
}

func newLibrary(t *testing.T, answer func(nth int, w http.ResponseWriter, r *http.Request)) *library {
	l := &library{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		l.asked = append(l.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
		l.keys = append(l.keys, r.Header.Get("Idempotency-Key"))
		l.token = append(l.token, r.Header.Get("Authorization"))
		n := len(l.asked)
		l.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		answer(n, w, r)
	}))
	t.Cleanup(l.Close)
	return l
}

// run runs one step against the library.
func (l *library) run(t *testing.T, step string) (string, error) {
	t.Helper()
	text := "stepwell: 1\nname: pages\ninputs: { url: string }\nsteps:\n  - id: list\n    " + strings.ReplaceAll(strings.TrimSpace(step), "\n", "\n    ") +
		"\noutputs: { all: \"${{ data.all }}\" }\n"
	p, err := flow.Compile(fstest.MapFS{"pages.yaml": {Data: []byte(text)}}, "pages.yaml", flow.Kit{Actions: client(t, new(actions.Client)).Actions()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	run, err := new(flow.Executor).Run(t.Context(), p, flow.Inputs{"url": l.URL})
	return run.Outputs.Reveal(), err
}

func TestPagesSendOnlyWhatIsOther(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, func(nth int, w http.ResponseWriter, r *http.Request) {
		if nth < 3 {
			fmt.Fprintf(w, `{"items":[%d],"from":%d.0}`, nth, nth)
			return
		}
		io.WriteString(w, `{"items":[3],"from":null}`)
	})
	out, err := l.run(t, `
action: http
with:
  url: ${{ inputs.url }}/search
  idempotency_key: true
  bearer: a-token
  json: { find: { name: x, exact: null }, size: 1.50, from: 0 }
pages: { next: response.body.from, with: { json: { find: { after: null }, from: "${{ next }}" } } }
save: { all: items }`)
	if err != nil || out != `{"all":[1,2,3]}` {
		t.Errorf("%s, %v", out, err)
	}
	want := []string{`POST /search {"find":{"name":"x","exact":null},"size":1.50,"from":0}`,
		`POST /search {"find":{"name":"x","exact":null,"after":null},"size":1.50,"from":1.0}`,
		`POST /search {"find":{"name":"x","exact":null,"after":null},"size":1.50,"from":2.0}`}
	if diff := cmp.Diff(want, l.asked); diff != "" {
		t.Error(diff)
	}
	if l.keys[0] == l.keys[1] || l.keys[1] == l.keys[2] || l.keys[0] == "" {
		t.Errorf("each page has a key of its own: %v", l.keys)
	}
	if l.token[2] != "Bearer a-token" {
		t.Errorf("the last page was asked for with %q", l.token[2])
	}
}

func TestAPageThatIsTriedAgainHasTheSameKey(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, func(nth int, w http.ResponseWriter, r *http.Request) {
		if nth == 2 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(503)
			return
		}
		fmt.Fprintf(w, `{"items":[%d]}`, nth)
	})
	out, err := l.run(t, `
action: http
with: { method: POST, url: "${{ inputs.url }}/take", idempotency_key: true }
pages: { while: page < 1, with: { query: { page: "${{ page }}" } } }
save: { all: items }`)
	if err != nil || out != `{"all":[1,3]}` || l.keys[1] != l.keys[2] || l.keys[0] == l.keys[1] {
		t.Errorf("%s, %v, %v", out, err, l.keys)
	}
}

func TestAnIdempotencyKeyHidesNoCircle(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, func(nth int, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<?page=%d>; rel="next"`, nth%2))
		io.WriteString(w, `{"items":[]}`)
	})
	_, err := l.run(t, `
action: http
with: { url: "${{ inputs.url }}/list?page=0", idempotency_key: true }
pages: { next: response.links.next }
save: { all: items }`)
	if err == nil || !strings.Contains(err.Error(), "page 3 would be asked for with the very request") || len(l.asked) != 2 {
		t.Errorf("asked %v, %v", l.asked, err)
	}
}

func TestPagesOfGraphQLGoByTheirVariables(t *testing.T) {
	t.Parallel()
	l := newLibrary(t, func(nth int, w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":{"orders":{"nodes":[{"id":%d}],"pageInfo":{"hasNextPage":%t,"endCursor":"c%d"}}}}`, nth, nth < 3, nth)
	})
	out, err := l.run(t, `
action: graphql
with:
  url: ${{ inputs.url }}/graphql
  query: "query Orders($first: Int!, $after: String) { orders(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }"
  variables: { first: 1, after: null }
pages:
  while: response.body.data.orders.pageInfo.hasNextPage
  next: response.body.data.orders.pageInfo.endCursor
  with: { variables: { after: "${{ next }}" } }
save: { all: "data.orders.nodes.#.id" }`)
	if err != nil || out != `{"all":[1,2,3]}` || len(l.asked) != 3 {
		t.Fatalf("%s, %v, %v", out, err, l.asked)
	}
	for i, want := range []string{`"variables":{"first":1,"after":null}`, `"variables":{"first":1,"after":"c1"}`, `"variables":{"first":1,"after":"c2"}`} {
		if !strings.Contains(l.asked[i], want) {
			t.Errorf("page %d: %s has no %s", i, l.asked[i], want)
		}
	}
}

func TestHeadersOfALaterPageAreTheSamePairsInAnyCase(t *testing.T) {
	t.Parallel()
	var seen []string
	l := newLibrary(t, func(nth int, w http.ResponseWriter, r *http.Request) {
		seen = append(seen, fmt.Sprint(r.Header.Values("X-Page"), r.Header.Values("X-Signed"), r.Header.Values("X-Once")))
		io.WriteString(w, `{"items":[]}`)
	})
	_, err := l.run(t, `
action: http
with: { url: "${{ inputs.url }}/list", headers: { x-page: first, X-Once: a, X-Signed: "${{ request.method }}" } }
pages: { while: page < 1, with: { headers: { X-Page: second, x-once: null } } }
save: { all: items }`)
	if diff := cmp.Diff([]string{"[first] [GET] [a]", "[second] [GET] []"}, seen); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
