package actions_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is what every escaping must survive.
const secret = `p@ss:w/rd&=+% ~*'()`

// client gives the actions over connections that end with the test.
func client(t testing.TB, c *actions.Client) *actions.Client {
	if c == nil {
		c = new(actions.Client)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// fields makes arguments of name, JSON text, name, JSON text …
func fields(pairs ...string) []flow.Arg {
	var args []flow.Arg
	for i := 0; i < len(pairs); i += 2 {
		args = append(args, flow.Arg{Name: pairs[i], Value: datapoints.JSON(pairs[i+1])})
	}
	return args
}

func text(s string) string { return datapoints.Text(s).Reveal() }

// planned plans a call that must be in order.
func planned(t testing.TB, c *actions.Client, action string, in flow.Input) flow.Call {
	t.Helper()
	call, err := c.Actions()[action].Plan(in)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return call
}

// refusedPlan plans a call that must not be in order.
func refusedPlan(t testing.TB, action string, in flow.Input) *flow.Error {
	t.Helper()
	_, err := client(t, nil).Actions()[action].Plan(in)
	var e *flow.Error
	if !errors.As(err, &e) {
		t.Fatalf("plan: got %v, want a *flow.Error", err)
	}
	return e
}

// done sends a call whose answer must come.
func done(t testing.TB, call flow.Call) flow.Result {
	t.Helper()
	result, err := call.Do(context.Background())
	if err != nil {
		t.Fatalf("do: %v", err)
	}
	return result
}

// failure sends a call that must fail.
func failure(t testing.TB, ctx context.Context, call flow.Call) *flow.Error {
	t.Helper()
	result, err := call.Do(ctx)
	var e *flow.Error
	if !errors.As(err, &e) {
		t.Fatalf("do: got %v and status %d, want a *flow.Error", err, result.Status)
	}
	return e
}

// A wire is a server that shows each request as it came, byte by byte.
type wire struct {
	URL      string
	mu       sync.Mutex
	requests []string
	conns    int
}

func (w *wire) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.requests...)
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: application/json\r\n\r\n{}"

// hangUp as an answer closes the connection instead.
const hangUp = ""

// listen answers the nth request of all with answers[n], the last one for
// more. After an answer that ends in "…", which is not sent, it hangs up.
func listen(t testing.TB, answers ...string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{URL: "http://" + l.Addr().String()}
	var serving sync.WaitGroup
	var open sync.Map
	serving.Add(1)
	go func() {
		defer serving.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			w.mu.Lock()
			w.conns++
			w.mu.Unlock()
			serving.Add(1)
			go func() {
				defer serving.Done()
				defer c.Close()
				w.serve(c, answers)
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		serving.Wait()
	})
	return w
}

func (w *wire) serve(c net.Conn, answers []string) {
	r := bufio.NewReader(c)
	for {
		request, err := readRequest(r)
		if err != nil {
			return
		}
		w.mu.Lock()
		n := len(w.requests)
		w.requests = append(w.requests, request)
		w.mu.Unlock()
		answer := answers[min(n, len(answers)-1)]
		answer, last := strings.CutSuffix(answer, "…")
		if _, err := io.WriteString(c, answer); err != nil || answer == hangUp || last {
			return
		}
	}
}

// readRequest takes one request as its bytes.
func readRequest(r *bufio.Reader) (string, error) {
	var b strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		b.WriteString(line)
		if v, ok := strings.CutPrefix(strings.ToLower(line), "content-length:"); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(v))
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return "", err
	}
	return b.String() + string(body), nil
}

// lines gives the header lines of a request without order, and its body.
func lines(request string) (first string, header http.Header, body string) {
	head, body, _ := strings.Cut(request, "\r\n\r\n")
	first, rest, _ := strings.Cut(head, "\r\n")
	header = http.Header{}
	for line := range strings.SplitSeq(rest, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		header[name] = append(header[name], value)
	}
	return first, header, body
}
