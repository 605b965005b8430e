package actions_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestAnAnswerIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ wire, body string }{
		"with its length": {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello", "hello"},
		"in chunks":       {"HTTP/1.1 200 OK\r\nX-A: 1\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"},
		"after 103":       {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, c.wire)
			cl := client(t, nil)
			for range 3 {
				r := done(t, planned(t, cl, "http", flow.Input{Args: fields("url", text(w.URL+"/p?q=1"))}))
				if r.Status != 200 || string(r.Body) != c.body || len(r.Headers["X-A"]) != 2 || r.URL != w.URL+"/p?q=1" || r.Took <= 0 {
					t.Errorf("got %+v", r)
				}
			}
			if w.conns != 1 {
				t.Errorf("%d connections for 3 calls", w.conns)
			}
		})
	}
}

func TestAnAnswerWithoutLengthEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	w := listen(t, "HTTP/1.0 200 OK\r\n\r\nhello…")
	if r := done(t, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(w.URL))})); string(r.Body) != "hello" {
		t.Errorf("got %q", r.Body)
	}
}

// once is a call that may not be repeated.
func once(url string, more ...string) flow.Input {
	return flow.Input{Args: append(fields("url", text(url), "json", `{"a":1}`), fields(more...)...)}
}

func TestWhatBreaksOffSaysWhetherItWasSent(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("a", 70<<10)
	for _, c := range []struct {
		name   string
		answer string
		kind   flow.Kind
		say    string
		status int
	}{
		{"no answer", hangUp, flow.KindNetwork, "closed the connection without an answer", 0},
		{"a truncated body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello…", flow.KindNetwork, "(200 OK) broke off", 0},
		{"a truncated chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel…", flow.KindNetwork, "broke off", 0},
		{"a malformed chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel…", flow.KindNetwork, "broke off", 0},
		{"truncated headers", "HTTP/1.1 200 OK\r\nContent-Type: a\r\n…", flow.KindNetwork, "without an answer", 0},
		{"not HTTP", "220 mail.example.test ESMTP\r\n…", flow.KindNetwork, "not HTTP", 0},
		{"a broken gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", flow.KindNetwork, "broke off", 0},
		{"huge headers", "HTTP/1.1 200 OK\r\nX-A: " + big + "\r\n\r\n…", flow.KindLimit, "64 KiB", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, c.answer)
			e := failure(t, t.Context(), planned(t, client(t, nil), "http", once(w.URL)))
			if e.Kind != c.kind || !e.Sent || e.Status != c.status || !strings.Contains(e.Message, c.say) {
				t.Errorf("got %s, sent %v, status %d: %s", e.Kind, e.Sent, e.Status, e.Message)
			}
			if n := len(w.seen()); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

func TestWhatNeverLeftIsNotSent(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet()
	secure.StartTLS()
	defer secure.Close()
	for name, c := range map[string]struct{ url, say string }{
		"refused":               {"http://" + address, "nothing listens at " + address},
		"TLS to a plain server": {strings.Replace(plain.URL, "http:", "https:", 1), "does not speak TLS"},
		"an unknown authority":  {secure.URL, "authority that is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, t.Context(), planned(t, client(t, nil), "http", once(c.url)))
			if e.Kind != flow.KindNetwork || e.Sent || !strings.Contains(e.Message, c.say) {
				t.Errorf("got %s, sent %v: %s", e.Kind, e.Sent, e.Message)
			}
		})
	}
}

func TestPlainHTTPToATLSServerIsExplained(t *testing.T) {
	t.Parallel()
	w := listen(t, "\x15\x03\x01\x00\x02\x02\x16…")
	e := failure(t, t.Context(), planned(t, client(t, nil), "http", once(w.URL)))
	if len(e.Hints) != 1 || !strings.Contains(e.Hints[0], "https://") {
		t.Errorf("hints: %q (%s)", e.Hints, e.Message)
	}
}

// TestADyingConnectionNeverSendsTwice lets a kept connection die in each way
// that net/http would answer with a second request of its own.
func TestADyingConnectionNeverSendsTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
	}{
		{"POST with a body", []string{"json", `1`}},
		{"POST without a body", []string{"method", `"POST"`}},
		{"POST with a key in a header", []string{"json", `1`, "headers", `{"Idempotency-Key":"k"}`}},
		{"POST without a body and with a key", []string{"method", `"POST"`, "headers", `{"X-Idempotency-Key":"k"}`}},
		{"PATCH", []string{"method", `"PATCH"`, "json", `1`}},
		{"GET that may not be repeated", []string{"repeatable", `false`}},
		{"DELETE that may not be repeated", []string{"method", `"DELETE"`, "repeatable", `false`}},
		{"HEAD that may not be repeated", []string{"method", `"HEAD"`, "repeatable", `false`}},
		{"POST with a key that may not be repeated", []string{"json", `1`, "idempotency_key", `true`, "repeatable", `false`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, ok, hangUp, ok)
			cl := client(t, nil)
			done(t, planned(t, cl, "http", flow.Input{Args: fields("url", text(w.URL))}))
			e := failure(t, t.Context(), planned(t, cl, "http", flow.Input{Args: append(fields("url", text(w.URL)), fields(c.args...)...)}))
			if e.Kind != flow.KindNetwork || !e.Sent {
				t.Errorf("got %s, sent %v: %s", e.Kind, e.Sent, e.Message)
			}
			if n := len(w.seen()); n != 2 {
				t.Errorf("the server saw %d requests, want 2", n)
			}
		})
	}
}

func TestAKeptConnectionThatIsDeadBeforeTheRequestIsReplaced(t *testing.T) {
	t.Parallel()
	w := listen(t, ok)
	dead := make(chan *cutConn, 4)
	over := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		cut := &cutConn{Conn: c}
		dead <- cut
		return cut, nil
	}}
	defer over.CloseIdleConnections()
	cl := client(t, &actions.Client{Transport: over})
	done(t, planned(t, cl, "http", flow.Input{Args: fields("url", text(w.URL))}))
	(<-dead).cut.Store(true) // writes fail now, and nobody has noticed
	e := failure(t, t.Context(), planned(t, cl, "http", once(w.URL)))
	if e.Kind != flow.KindNetwork || !e.Sent {
		t.Errorf("with a foreign transport it must be supposed that it was sent: %s, sent %v", e.Kind, e.Sent)
	}
	if n := len(w.seen()); n != 1 {
		t.Errorf("the server saw %d requests", n)
	}
}

type cutConn struct {
	net.Conn
	cut atomic.Bool
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.cut.Load() {
		return 0, errors.New("cut")
	}
	return c.Conn.Write(p)
}

// overdue is a context whose deadline passes when it is told to.
type overdue struct {
	context.Context
	passed chan struct{}
}

func (o overdue) Done() <-chan struct{} { return o.passed }
func (o overdue) Err() error {
	select {
	case <-o.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestATimeoutSaysWhetherItWasSent(t *testing.T) {
	t.Parallel()
	release, arrived := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/warm":
			return
		case "/step":
			arrived <- struct{}{}
		case "/body":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
		}
		<-release
	}))
	defer s.Close()
	defer close(release)
	c := client(t, nil)
	for path, say := range map[string]string{"/": "no answer from", "/body": "was not complete within 400ms"} {
		done(t, planned(t, c, "http", once(s.URL+"/warm")))
		e := failure(t, t.Context(), planned(t, c, "http", once(s.URL+path, "timeout", `"400ms"`)))
		if e.Kind != flow.KindTimeout || !e.Sent || e.Status != 0 || !strings.Contains(e.Message, say) {
			t.Errorf("%s: got %s, sent %v: %s", path, e.Kind, e.Sent, e.Message)
		}
	}
	ctx := overdue{t.Context(), make(chan struct{})}
	go func() { <-arrived; close(ctx.passed) }()
	if e := failure(t, ctx, planned(t, c, "http", once(s.URL+"/step"))); e.Kind != flow.KindTimeout || !e.Sent || !strings.Contains(e.Message, "the step's time") {
		t.Errorf("got %s, sent %v: %s", e.Kind, e.Sent, e.Message)
	}
	if e := failure(t, ctx, planned(t, c, "http", once(s.URL+"/step"))); e.Kind != flow.KindTimeout || e.Sent {
		t.Errorf("overdue before: got %s, sent %v", e.Kind, e.Sent)
	}
}

func TestACancelledCallStops(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	e := failure(t, ctx, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL))}))
	if e.Kind != flow.KindCancelled || !e.Sent || !errors.Is(e, context.Canceled) {
		t.Errorf("got %s, sent %v: %v", e.Kind, e.Sent, e.Err)
	}
	e = failure(t, ctx, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL))}))
	if e.Kind != flow.KindCancelled || e.Sent {
		t.Errorf("cancelled before: got %s, sent %v", e.Kind, e.Sent)
	}
}

func TestTheAnswersLengthIsLimitedDecompressed(t *testing.T) {
	t.Parallel()
	const limit = 64 << 10
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		body := bytes.Repeat([]byte("a"), n)
		switch r.URL.Path {
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(body)
			_ = z.Close()
		case "/chunks":
			w.(http.Flusher).Flush()
			_, _ = w.Write(body)
		default:
			w.Header().Set("Content-Length", strconv.Itoa(n))
			_, _ = w.Write(body)
		}
	}))
	defer s.Close()
	for _, path := range []string{"/", "/chunks", "/gzip", "/gzip?own"} {
		for _, n := range []int{0, limit - 1, limit, limit + 1, 4 << 20} {
			args := fields("url", text(s.URL+strings.TrimSuffix(path, "?own")), "query", `{"n":`+strconv.Itoa(n)+`}`, "max_response", `"64KiB"`, "method", `"POST"`)
			if strings.HasSuffix(path, "own") {
				args = append(args, fields("headers", `{"Accept-Encoding":"gzip"}`)...)
			}
			call := planned(t, client(t, nil), "http", flow.Input{Args: args})
			r, err := call.Do(t.Context())
			if n <= limit {
				if err != nil || len(r.Body) != n {
					t.Errorf("%s of %d: %v, %d bytes", path, n, err, len(r.Body))
				}
				continue
			}
			var e *flow.Error
			if !errors.As(err, &e) || e.Kind != flow.KindLimit || e.Status != 200 || e.Sent || !strings.Contains(e.Message, "64KiB") {
				t.Errorf("%s of %d: %v", path, n, err)
			}
		}
	}
}

func TestTheAnswersHeadersAreLimited(t *testing.T) {
	t.Parallel()
	head := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: \r\n\r\n"
	for n, fits := range map[int]bool{64<<10 - 1: true, 64 << 10: true, 64<<10 + 1: false} {
		w := listen(t, strings.Replace(head, "X-A: ", "X-A: "+strings.Repeat("a", n-len(head)), 1))
		_, err := planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(w.URL))}).Do(t.Context())
		var e *flow.Error
		if fits && err != nil || !fits && (!errors.As(err, &e) || e.Kind != flow.KindLimit) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestABombOfGzipStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer s.Close()
	e := failure(t, t.Context(), planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL))}))
	if e.Kind != flow.KindLimit || !strings.Contains(e.Message, "10MiB") {
		t.Errorf("got %s: %s", e.Kind, e.Message)
	}
}

func TestAHeadAnswerHasNoBody(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", "1000")
	}))
	defer s.Close()
	if r := done(t, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL), "method", `"HEAD"`)})); r.Status != 200 || len(r.Body) != 0 {
		t.Errorf("got %+v", r)
	}
}

func TestATransportOfTheProgramsOwnIsUsed(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	over := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Method == "POST" {
			return nil, broken
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader("hello")), ContentLength: -1}, nil
	})
	c := client(t, &actions.Client{Transport: over})
	if r := done(t, planned(t, c, "http", flow.Input{Args: fields("url", `"https://h"`)})); string(r.Body) != "hello" {
		t.Errorf("got %q", r.Body)
	}
	e := failure(t, t.Context(), planned(t, c, "http", once("https://h")))
	if !errors.Is(e, broken) || !e.Sent {
		t.Errorf("sent %v: %v; a transport that tells nothing may have sent it", e.Sent, e)
	}
	_, err := c.Actions()["http"].Plan(flow.Input{Args: fields("url", `"https://h"`, "proxy", `"http://p.test"`)})
	if err == nil || !strings.Contains(err.Error(), "a transport of its own") {
		t.Errorf("got %v", err)
	}
}

// A sink keeps what save_to writes.
type sink struct {
	bytes.Buffer
	kept, dropped int
	fail          error
}

func (s *sink) Write(p []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	return s.Buffer.Write(p)
}
func (s *sink) Keep() error { s.kept++; return nil }
func (s *sink) Drop() error { s.dropped++; return nil }

func TestTheBodyGoesToTheFile(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	for _, c := range []struct {
		name    string
		answer  string
		fail    error
		kept    int
		content string
		kind    flow.Kind
		body    string
	}{
		{"a good answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", nil, 1, "hello", "", ""},
		{"an empty one", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", nil, 1, "", "", ""},
		{"an error", "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello", nil, 0, "", "", "hello"},
		{"a truncated one", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello…", nil, 0, "hello", flow.KindNetwork, ""},
		{"too long a one", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello hello", nil, 0, "", flow.KindLimit, ""},
		{"a full disk", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", full, 0, "", flow.KindData, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, c.answer)
			s := &sink{fail: c.fail}
			in := flow.Input{Args: fields("url", text(w.URL), "save_to", `"out/a"`, "max_response", `10`), Create: func(name string) (flow.Sink, error) {
				if name != "out/a" {
					t.Errorf("name %q", name)
				}
				return s, nil
			}}
			r, err := planned(t, client(t, nil), "http", in).Do(t.Context())
			kind := flow.Kind("")
			if e := (*flow.Error)(nil); errors.As(err, &e) {
				kind = e.Kind
			}
			if kind != c.kind || s.kept != c.kept || s.dropped != 1-c.kept || string(r.Body) != c.body || c.kind != flow.KindLimit && s.String() != c.content {
				t.Errorf("got %q, kept %d, dropped %d, file %q, body %q: %v", kind, s.kept, s.dropped, s.String(), r.Body, err)
			}
			if c.kept == 1 && r.File != "out/a" {
				t.Errorf("File is %q", r.File)
			}
		})
	}
	in := flow.Input{Args: fields("url", `"http://127.0.0.1:1"`, "save_to", `"a"`), Create: func(string) (flow.Sink, error) { return nil, errors.New("twice") }}
	if e := failure(t, t.Context(), planned(t, client(t, nil), "http", in)); e.Kind != flow.KindData || e.Sent || !errors.Is(e, e.Err) {
		t.Errorf("got %s, sent %v", e.Kind, e.Sent)
	}
}

func TestThePlannedCallMayBeDoneAgain(t *testing.T) {
	t.Parallel()
	w := listen(t, ok)
	call := planned(t, client(t, nil), "http", once(w.URL, "idempotency_key", "true"))
	done(t, call)
	done(t, call)
	if seen := w.seen(); len(seen) != 2 || seen[0] != seen[1] {
		t.Errorf("seen %q", seen)
	}
}

func TestSensitiveFieldsDoNotShowInErrors(t *testing.T) {
	t.Parallel()
	v := datapoints.JSON(`"http://user:`+"canary"+`@/"`).Mark(datapoints.Sensitive, "url")
	e := refusedPlan(t, "http", flow.Input{Args: []flow.Arg{{Name: "url", Value: v}}})
	if strings.Contains(e.Message, "canary") {
		t.Error(e.Message)
	}
	e = refusedPlan(t, "http", flow.Input{Args: fields("url", `"https://h"`, "proxy", `"htp://user:canary@p"`)})
	if strings.Contains(e.Message, "canary") {
		t.Error(e.Message)
	}
}
