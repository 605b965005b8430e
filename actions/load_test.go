package actions_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// A turnstile counts the requests that are in flight at once. It answers none
// before the first wave is as large as it may be, so that the bound is reached.
type turnstile struct {
	mu     sync.Mutex
	bound  int
	flying int
	most   int
	all    int
	full   chan struct{}
}

func (s *turnstile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.all++
	s.flying++
	if s.most = max(s.most, s.flying); s.flying == s.bound && s.all == s.bound {
		close(s.full)
	}
	s.mu.Unlock()
	select {
	case <-s.full:
	case <-time.After(20 * time.Second): // the test fails: the bound was not reached
	case <-r.Context().Done():
	}
	s.mu.Lock()
	s.flying--
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"id":1}`))
}

func TestNeverMoreRequestsAreInFlightThanTheBoundsAllow(t *testing.T) {
	t.Parallel()
	const send = `action: http, with: { url: "${{ inputs.url }}", method: POST, json: { a: 1 } }`
	for name, tt := range map[string]struct {
		steps, lib string
		bound, all int
	}{
		"one loop":                      {`{ id: a, for_each: { in: "1..400", concurrency: 32 }, ` + send + ` }`, "", 32, 400},
		"a loop without concurrency":    {`{ id: a, for_each: { in: "1..20" }, ` + send + ` }`, "", 1, 20},
		"more at once than items":       {`{ id: a, for_each: { in: "1..5", concurrency: 64 }, ` + send + ` }`, "", 5, 5},
		"a loop in a loop: the product": {`{ id: a, for_each: { in: "1..9", concurrency: 3 }, steps: [ { id: b, for_each: { in: "1..12", concurrency: 4 }, ` + send + ` } ] }`, "", 12, 108},
		"three loops": {`{ id: a, for_each: { in: "1..4", concurrency: 2 }, steps: [ { id: b, for_each: { in: "1..4", concurrency: 2 }, steps: [ { id: c, for_each: { in: "1..9", concurrency: 3 }, ` + send +
			` } ] } ] }`, "", 12, 144},
		"branches":         {`{ id: a, parallel: { x: [ { id: b, ` + send + ` } ], y: [ { id: c, ` + send + ` } ], z: [ { id: d, ` + send + ` } ] } }`, "", 3, 3},
		"bounded branches": {`{ id: a, concurrency: 2, parallel: { x: [ { id: b, ` + send + ` } ], y: [ { id: c, ` + send + ` } ], z: [ { id: d, ` + send + ` } ] } }`, "", 2, 3},
		"loops in branches in a loop": {`{ id: a, for_each: { in: "1..3", concurrency: 2 }, parallel: { x: [ { id: b, for_each: { in: "1..9", concurrency: 3 }, ` + send +
			` } ], y: [ { id: c, for_each: { in: "1..9", concurrency: 3 }, ` + send + ` } ] } }`, "", 12, 54},
		"a loop over a flow with a loop": {`{ id: a, for_each: { in: "1..6", concurrency: 3 }, flow: lib.yaml, with: { url: "${{ inputs.url }}" } }`,
			`{ id: b, for_each: { in: "1..10", concurrency: 5 }, ` + send + ` }`, 15, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &turnstile{bound: tt.bound, full: make(chan struct{})}
			server := httptest.NewServer(s)
			defer server.Close()
			head := "stepwell: 1\nname: load\ninputs: { url: string }\nsteps:\n  - "
			files := fstest.MapFS{"load.yaml": {Data: []byte(head + tt.steps + "\n")}, "lib.yaml": {Data: []byte(head + tt.lib + "\n")}}
			p, err := flow.Compile(files, "load.yaml", flow.Kit{Actions: client(t, nil).Actions()})
			if err != nil {
				t.Fatal(err)
			}
			run, err := (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"url": server.URL})
			if err != nil {
				t.Fatal(run.State, err)
			}
			if s.most != tt.bound || s.all != tt.all {
				t.Errorf("at most %d at once of %d, want %d of %d", s.most, s.all, tt.bound, tt.all)
			}
		})
	}
}
