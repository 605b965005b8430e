package oauth2_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// A seen is a request as the server in memory got it.
type seen struct {
	method, url string
	header      http.Header
	form        url.Values
	body        string
	at          time.Time
}

// A server is a token endpoint in memory: its answers in their order, the last
// one again and again. It has no sockets, so it can live in a bubble.
type server struct {
	mu      sync.Mutex
	answers []any // reply, broken, or func(seen) any that gives one
	seen    []seen
	delay   time.Duration
}

// A reply is an answer to come.
type reply struct {
	status int
	body   string
	header map[string]string
}

// A broken is a request that fails.
type broken struct {
	sent bool
	err  error
}

func ok(body string) reply { return reply{status: 200, body: body} }

func bad(status int, body string, header ...string) reply {
	r := reply{status: status, body: body, header: map[string]string{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.header[header[i]] = header[i+1]
	}
	return r
}

func token(access, more string) reply {
	return ok(`{"access_token":"` + access + `","token_type":"Bearer","expires_in":3600` + more + `}`)
}

func serving(answers ...any) *server { return &server{answers: answers} }

func (s *server) Carry(r *http.Request) (*http.Response, bool, error) {
	got := seen{method: r.Method, url: r.URL.String(), header: r.Header.Clone(), at: time.Now()}
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		got.body = string(b)
		got.form, _ = url.ParseQuery(got.body)
	}
	s.mu.Lock()
	s.seen = append(s.seen, got)
	answer := s.answers[min(len(s.seen), len(s.answers))-1]
	delay := s.delay
	s.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, true, r.Context().Err()
		}
	}
	if f, isFunc := answer.(func(seen) any); isFunc {
		answer = f(got)
	}
	switch a := answer.(type) {
	case reply:
		header := http.Header{}
		for name, value := range a.header {
			header.Set(name, value)
		}
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
		return &http.Response{StatusCode: a.status, Header: header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, true, nil
	case broken:
		return nil, a.sent, a.err
	}
	panic("the server in memory has no such answer")
}

func (s *server) requests() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *server) count() int { return len(s.requests()) }

func (s *server) last() seen { all := s.requests(); return all[len(all)-1] }

const endpoint = "https://id.example.test/token"

// basic is a credential as most are.
func basic() oauth2.Credential {
	return oauth2.Credential{Name: "ehr", TokenURL: endpoint, ClientID: "client", ClientSecret: "canary-secret"}
}

func source(t *testing.T, c *oauth2.Client, cred oauth2.Credential) *oauth2.Source {
	t.Helper()
	s, err := c.Source(t.Context(), cred)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func got(t *testing.T, s *oauth2.Source) string {
	t.Helper()
	token, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.Access.RevealText()
}

func failed(t *testing.T, s *oauth2.Source) *flow.Error {
	t.Helper()
	token, err := s.Token(t.Context())
	var e *flow.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %q and %v", token.Access.RevealText(), err)
	}
	return e
}

// written is all that an error says.
func written(e *flow.Error) string {
	text := string(e.Kind) + ": " + e.Message
	for _, h := range e.Hints {
		text += "\n  " + h
	}
	for _, f := range e.Facts {
		text += "\n  = " + f.Name + " " + f.Text
	}
	if e.Err != nil {
		text += "\n  ! " + e.Err.Error()
	}
	return text
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// warnings collects what a client warns of.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, text)
}

func (w *warnings) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.list, "\n")
}

// locks are those of one machine.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

func (l *locks) Lock(ctx context.Context, key string) (func(), error) {
	for {
		l.mu.Lock()
		if l.held == nil {
			l.held = map[string]chan struct{}{}
		}
		free, taken := l.held[key]
		if !taken {
			mine := make(chan struct{})
			l.held[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, key)
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// says checks whether an error says something.
func says(t *testing.T, e *flow.Error, should bool, text string) {
	t.Helper()
	if strings.Contains(written(e), text) != should {
		t.Errorf("%q is %s\n%s", text, map[bool]string{true: "missing in", false: "in"}[should], written(e))
	}
}
