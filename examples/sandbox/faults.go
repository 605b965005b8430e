package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fault is one way to fail.
type fault struct {
	how        string // a status, or close, lost, truncate, html
	times      int    // how many calls fail; 0: all
	retryAfter string // "": no header
	key        string
	wrong      string // what is wrong with the request to fail
}

// faults counts how often each fault happened and holds those that Fail asked for.
type faults struct {
	mu     sync.Mutex
	calls  map[string]int       // by key
	queued map[[2]string]*fault // by method and path
}

func newFaults() *faults {
	return &faults{calls: make(map[string]int), queued: make(map[[2]string]*fault)}
}

// Fail makes the next calls of a path fail, in one of the ways that the package comment lists: "503", "lost", also with
// settings, as in "429?times=2&retry_after=0". An empty method is any. Without times it fails as /fail/HOW does: 429
// and 503 once, everything else until how is "", which ends it. It replaces what was asked for the same method and path
// before. An error means that how is not one of the ways.
func (s *Server) Fail(method, path, how string) error {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	if how == "" {
		delete(s.faults.queued, [2]string{method, path})
		return nil
	}
	f, err := parseFault(how)
	if err != nil {
		return err
	}
	if f.times == 0 {
		f.times = -1 // counted down to 0, where it ends
	}
	s.faults.queued[[2]string{method, path}] = &f
	return nil
}

// parseFault reads HOW with its settings, as it stands after /fail/.
func parseFault(text string) (fault, error) {
	how, settings, _ := strings.Cut(text, "?")
	query, err := url.ParseQuery(settings)
	if err != nil {
		return fault{}, fmt.Errorf("the settings %q cannot be read: write times=N&key=TEXT&retry_after=N", settings)
	}
	return newFault(how, query)
}

func newFault(how string, query url.Values) (fault, error) {
	f := fault{how: how, key: query.Get("key")}
	switch how {
	case "close", "lost", "truncate", "html":
	default:
		status, err := strconv.Atoi(how)
		if err != nil || status < 400 || status > 599 {
			return f, fmt.Errorf("%q is no way to fail: use a status from 400 to 599, close, lost, truncate or html", how)
		}
	}
	if how == "429" || how == "503" {
		f.times, f.retryAfter = 1, "1"
	}
	if text := query.Get("times"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return f, fmt.Errorf("times=%q must be a whole number from 0", text)
		}
		f.times = n
	}
	if query.Has("retry_after") {
		f.retryAfter = query.Get("retry_after")
	}
	return f, nil
}

// of says how a request shall fail, if it shall.
func (f *faults) of(r *http.Request) (fault, bool) {
	if queued, ok := f.next(r.Method, r.URL.Path); ok {
		return queued, true
	}
	text := r.Header.Get("Sandbox-Fail")
	if text == "" {
		text = r.URL.Query().Get("sandbox_fail")
	}
	if text == "" || strings.HasPrefix(r.URL.Path, "/fail/") {
		return fault{}, false
	}
	asked, err := parseFault(text)
	if err != nil {
		return fault{how: "400", wrong: err.Error()}, true
	}
	return asked, f.due(r.Method+" "+r.URL.Path, asked)
}

// next takes one call from what Fail asked for.
func (f *faults) next(method, path string) (fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range []string{method, ""} {
		queued := f.queued[[2]string{m, path}]
		if queued == nil || queued.times == 0 {
			continue
		}
		if queued.times > 0 {
			queued.times--
		}
		return *queued, true
	}
	return fault{}, false
}

// due counts a call and says whether it is one of those that fail.
func (f *faults) due(place string, asked fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := strings.Join([]string{place, asked.how, asked.key}, "\x00")
	f.calls[key]++
	return asked.times == 0 || f.calls[key] <= asked.times
}

// answer fails a request. What lost carries out is handle.
func (f fault) answer(w http.ResponseWriter, handle func(http.ResponseWriter)) {
	switch f.how {
	case "lost":
		handle(nowhere{})
		panic(http.ErrAbortHandler)
	case "close":
		panic(http.ErrAbortHandler)
	case "truncate":
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"ok": tr`))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html>\n<title>Sign in</title>\n<h1>Sign in</h1>\n"))
		return
	}
	status, _ := strconv.Atoi(f.how) // newFault has checked it
	words := "this answer fails because it was asked to"
	if f.wrong != "" {
		words = f.wrong
	}
	a := problemAnswer(status, words)
	if f.retryAfter != "" {
		a.header["Retry-After"] = f.retryAfter
	}
	if status == http.StatusUnauthorized {
		a.header["WWW-Authenticate"] = challenge("invalid_token", "the token is refused because it was asked to", "")
	}
	a.write(w)
}

// nowhere is where an answer goes that is lost.
type nowhere struct{}

func (nowhere) Header() http.Header         { return make(http.Header) }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// fail is the endpoint /fail/HOW.
func (s *Server) fail(w http.ResponseWriter, r *http.Request) {
	f, err := newFault(r.PathValue("how"), r.URL.Query())
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	ok := func(w http.ResponseWriter) {
		answer{status: http.StatusOK, body: map[string]bool{"ok": true}}.write(w)
	}
	if s.faults.due("/fail", f) {
		f.answer(w, ok)
		return
	}
	ok(w)
}

// slow is the endpoint /slow. It stops when the client leaves or the server is closed.
func (s *Server) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.URL.Query().Get("ms"))
	if err != nil || ms < 0 || ms > 60_000 {
		writeProblem(w, http.StatusBadRequest, "ms must be a whole number from 0 to 60000",
			fieldProblem{"ms", "must be a whole number from 0 to 60000"})
		return
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		answer{status: http.StatusOK, body: map[string]int{"ms": ms}}.write(w)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
