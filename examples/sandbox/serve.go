package sandbox

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxBody is the largest request body that is read.
const maxBody = 1 << 20

// serve takes in a request whole, notes it, and answers it, unless it shall fail.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		panic(http.ErrAbortHandler)
	}
	defer s.working.Done()

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeProblem(w, http.StatusRequestEntityTooLarge, "the body is larger than 1 MiB")
		return
	case err != nil:
		panic(http.ErrAbortHandler) // the client left; there is nobody to answer
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	noted := &answerStatus{ResponseWriter: w}
	number := s.journal.begin(r, body)
	defer func() { s.journal.end(number, noted.status) }()

	if f, ok := s.faults.of(r); ok {
		f.answer(noted, func(w http.ResponseWriter) { s.routes.ServeHTTP(w, r) })
		return
	}
	s.routes.ServeHTTP(noted, r)
}

// begin says whether a handler may begin: not after Close.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.working.Add(1)
	return true
}

// answerStatus remembers the status that was sent.
type answerStatus struct {
	http.ResponseWriter
	status int
}

func (a *answerStatus) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerStatus) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answerStatus) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// notHere answers what no route takes: 405 where another method would do, else 404.
func (s *Server) notHere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.routes.Handler(other); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		methods := strings.Join(allowed, ", ")
		w.Header().Set("Allow", methods)
		writeProblem(w, http.StatusMethodNotAllowed, r.URL.Path+" takes "+methods+", not "+r.Method)
		return
	}
	writeProblem(w, http.StatusNotFound, "the sandbox has no "+r.URL.Path)
}
