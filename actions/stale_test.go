package actions

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A failing connection refuses to write from some point on, as one does whose
// other end is gone, without anybody having noticed.
type failing struct {
	net.Conn
	now     *atomic.Bool
	partial bool
}

func (f *failing) Write(p []byte) (int, error) {
	if !f.now.Load() {
		return f.Conn.Write(p)
	}
	if f.partial {
		n, _ := f.Conn.Write(p[:1])
		return n, errors.New("broken pipe")
	}
	return 0, errors.New("broken pipe")
}

func TestOnlyWhatCertainlyDidNotLeaveGoesToAnotherConnection(t *testing.T) {
	for _, partial := range []bool{false, true} {
		var requests atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
		}))
		var broken []*atomic.Bool
		c := new(Client)
		c.start()
		c.plain.over.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			d, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			broken = append(broken, new(atomic.Bool))
			return &conn{Conn: &failing{d, broken[len(broken)-1], partial}}, nil
		}
		in := flow.Input{Args: []flow.Arg{{Name: "url", Value: datapoints.Text(s.URL)}, {Name: "json", Value: datapoints.JSON("1")}}}
		call, err := httpAction{c}.Plan(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := call.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
		broken[0].Store(true)
		_, err = call.Do(t.Context())
		var e *flow.Error
		switch {
		case !partial && (err != nil || requests.Load() != 2 || len(broken) != 2):
			t.Errorf("nothing was written, so another connection should have been taken: %v, %d requests, %d connections", err, requests.Load(), len(broken))
		case partial && (!errors.As(err, &e) || !e.Sent || requests.Load() != 1 || len(broken) != 1):
			t.Errorf("a byte was written, so nothing may be sent again: %v, %d requests, %d connections", err, requests.Load(), len(broken))
		}
		c.CloseIdle()
		s.Close()
	}
}

func TestAClosedConnectionCountsNoWrite(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := &conn{Conn: near}
	c.Close()
	if _, err := c.Write([]byte("a")); err == nil || c.writes.Load() != 0 {
		t.Errorf("got %v, %d writes", err, c.writes.Load())
	}
}

func TestFewTransportsAreKept(t *testing.T) {
	c := new(Client)
	c.start()
	first, err := c.lane(Security{Proxy: "http://p0.test"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxLanes {
		if again, _ := c.lane(Security{Proxy: "http://p0.test"}); again != first {
			t.Fatal("what is in use was dropped")
		}
		if _, err := c.lane(Security{Proxy: "http://p" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ".test"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.lanes) != maxLanes {
		t.Errorf("%d transports are kept", len(c.lanes))
	}
	if plain, _ := c.lane(Security{}); plain != &c.plain {
		t.Error("a call without settings has a transport of its own")
	}
}

func TestDurationsAndSizesAreRead(t *testing.T) {
	for text, want := range map[string]string{"15s": "15s", "1h30m": "1h30m0s", "3d": "72h0m0s", "250ms": "250ms", "1.5s": "1.5s", "1m30s500ms": "1m30.5s"} {
		if d, ok := parseDuration(text); !ok || d.String() != want {
			t.Errorf("%s: %v %v", text, d, ok)
		}
	}
	for _, text := range []string{"", "15", "s", "15x", "-1s", "1s 2s", "1..5s", "99999999999999d"} {
		if d, ok := parseDuration(text); ok {
			t.Errorf("%s is %v", text, d)
		}
	}
	for text, want := range map[string]int64{`1024`: 1024, `"10MiB"`: 10 << 20, `"1KB"`: 1000, `"2 GiB"`: 2 << 30, `"1.5KiB"`: 1536, `"7"`: 7} {
		if n, ok := parseSize(text); !ok || n != want {
			t.Errorf("%s: %v %v", text, n, ok)
		}
	}
	for _, text := range []string{`""`, `"MiB"`, `-1`, `"1 apple"`, `null`, `"99999999999GiB"`} {
		if n, ok := parseSize(text); ok {
			t.Errorf("%s is %v", text, n)
		}
	}
}

func TestAConnectTimeoutIsNotTheAttempts(t *testing.T) {
	c := new(Client)
	c.start()
	c.plain.over.(*http.Transport).DialContext = (&net.Dialer{Timeout: 1}).DialContext
	defer c.CloseIdle()
	call, err := httpAction{c}.Plan(flow.Input{Args: []flow.Arg{{Name: "url", Value: datapoints.Text("http://127.0.0.1:1/")}, {Name: "json", Value: datapoints.JSON("1")}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = call.Do(t.Context())
	var e *flow.Error
	if !errors.As(err, &e) || e.Kind != flow.KindTimeout || e.Sent || e.Message != "127.0.0.1:1 did not accept the connection within 5s" {
		t.Errorf("got %v", err)
	}
}
