package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxRequests is how many requests are remembered; older ones are forgotten, but still counted.
const maxRequests = 10_000

// Request is a request that the sandbox received.
type Request struct {
	Method string
	Path   string
	Query  string // as sent, without the question mark
	Header http.Header
	Body   []byte
	Time   time.Time
	Status int // of the answer; 0 while there is none, or if the connection was closed without one
}

// Requests returns the requests so far in the order of their arrival, of the last 10,000.
func (s *Server) Requests() []Request { return s.journal.all() }

// Count says how many requests with this method and path have arrived; an empty method is any.
func (s *Server) Count(method, path string) int { return s.journal.count(method, path) }

// Last returns the newest request with this method and path; an empty method is any. It reports whether there is one.
func (s *Server) Last(method, path string) (Request, bool) { return s.journal.last(method, path) }

// Wait returns when n requests with this method and path have arrived, be they answered or not, or when ctx is done,
// with its error. An empty method is any.
func (s *Server) Wait(ctx context.Context, method, path string, n int) error {
	for {
		changed := s.journal.change()
		if s.journal.count(method, path) >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// journal notes what arrived.
type journal struct {
	mu       sync.Mutex
	requests []Request
	dropped  int // how many were forgotten: the place of a number is number - dropped
	counts   map[[2]string]int
	changed  chan struct{} // closed at the next arrival
}

func newJournal() *journal {
	return &journal{counts: make(map[[2]string]int), changed: make(chan struct{})}
}

// begin notes a request that arrived and returns its number.
func (j *journal) begin(r *http.Request, body []byte) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.requests) == maxRequests {
		half := maxRequests / 2
		j.requests = slices.Clone(j.requests[half:])
		j.dropped += half
	}
	j.requests = append(j.requests, Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Body: body, Time: time.Now(),
	})
	j.counts[[2]string{r.Method, r.URL.Path}]++
	j.counts[[2]string{"", r.URL.Path}]++
	close(j.changed)
	j.changed = make(chan struct{})
	return j.dropped + len(j.requests) - 1
}

// end notes the status of the answer to the request with that number.
func (j *journal) end(number, status int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if place := number - j.dropped; place >= 0 {
		j.requests[place].Status = status
	}
}

func (j *journal) all() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.requests)
}

func (j *journal) count(method, path string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[[2]string{method, path}]
}

func (j *journal) last(method, path string) (Request, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range slices.Backward(j.requests) {
		if (method == "" || r.Method == method) && r.Path == path {
			return r, true
		}
	}
	return Request{}, false
}

func (j *journal) change() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}
