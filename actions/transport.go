package actions

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of the language (§14) that the transport keeps.
const (
	connectTimeout   = 5 * time.Second
	tlsTimeout       = 5 * time.Second
	maxHeaderBytes   = 64 << 10
	maxLanes         = 64 // transports with settings of their own that are kept
	idleConnections  = 512
	idlePerHost      = 128
	idleTimeout      = 60 * time.Second
	staleConnections = 4 // kept connections that may turn out dead before one request
)

// A lane is a transport with one setting of tls and proxy.
type lane struct {
	over   http.RoundTripper
	counts bool // its connections are *conn
	used   uint64
}

// gzipped is what a request accepts of which nothing else is said.
var gzipped = []string{"gzip"}

// send sends a request whose headers are its own. It asks for gzip just when
// net/http would, which needs more memory for it; see unzipped.
func (l *lane) send(req *http.Request) (*http.Response, error) {
	if l.counts && req.Header != nil && req.Method != http.MethodHead && req.Header["Accept-Encoding"] == nil && req.Header["Range"] == nil {
		req.Header["Accept-Encoding"] = gzipped
	}
	return l.over.RoundTrip(req)
}

func (l *lane) close() {
	if c, ok := l.over.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// newTransport makes a transport that keeps connections for later calls.
func newTransport(proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	d := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c}, nil
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    tlsTimeout,
		MaxIdleConns:           idleConnections,
		MaxIdleConnsPerHost:    idlePerHost,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // a lane asks for it
		ExpectContinueTimeout:  time.Second,
		ForceAttemptHTTP2:      true,
	}
}

// A conn counts the writes that may have put bytes on the wire.
type conn struct {
	net.Conn
	writes atomic.Int64
	closed atomic.Bool
}

// Write counts before it writes, and takes the count back only when certainly
// nothing has left: whoever reads the count after Close sees no less than the truth.
func (c *conn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	if c.closed.Load() {
		c.writes.Add(-1)
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Write(p)
	if n == 0 {
		c.writes.Add(-1)
	}
	return n, err
}

func (c *conn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// A sending watches one request on its way out.
type sending struct {
	trace  httptrace.ClientTrace
	counts bool
	mu     sync.Mutex
	got    bool // a connection
	before bool // a connection before this one was written to
	reused bool
	conn   net.Conn
	at     int64
}

func watch(ctx context.Context, counts bool) (context.Context, *sending) {
	s := &sending{counts: counts}
	s.trace.GotConn = s.gotConn
	return httptrace.WithClientTrace(ctx, &s.trace), s
}

func (s *sending) gotConn(info httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = s.before || s.wrote()
	s.got, s.reused, s.conn = true, info.Reused, info.Conn
	if c := counted(info.Conn); c != nil {
		s.at = c.writes.Load()
	}
}

// sent says whether a byte of the request may have left. It is asked after
// the round trip has failed.
func (s *sending) sent() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.counts && !s.got {
		return true // a transport that tells nothing
	}
	return s.before || s.wrote()
}

// stale says whether a kept connection turned out to be dead before a byte
// was written to it.
func (s *sending) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got && s.reused && !s.before && !s.wrote()
}

func (s *sending) wrote() bool {
	if !s.got {
		return false
	}
	if t, ok := s.conn.(*tls.Conn); ok && t.ConnectionState().NegotiatedProtocol == "h2" {
		return true // other requests write to the same connection
	}
	c := counted(s.conn)
	return c == nil || c.writes.Load() != s.at
}

// counted finds the connection that counts below TLS.
func counted(c net.Conn) *conn {
	for {
		switch t := c.(type) {
		case *conn:
			return t
		case *tls.Conn:
			c = t.NetConn()
		default:
			return nil
		}
	}
}

// A Security is what `tls` and `proxy` say, files read: an authority of one's
// own, a client certificate and its key in PEM form, the name to expect of the
// server, the proxy's URL. The zero Security asks for nothing of its own.
type Security struct{ CA, Cert, Key, ServerName, Proxy string }

// A Carrier carries requests over a Client's connections, one at a time and to
// their end: it follows no redirect and sends nothing twice. It is what a token
// client asks for (actions/oauth2).
type Carrier struct{ lane *lane }

// Carrier gives what carries requests with a Security, over the same connections
// as calls with it. Its errors are for the author, and hold no secret.
func (c *Client) Carrier(s Security) (*Carrier, error) {
	c.start()
	l, err := c.lane(s)
	if err != nil {
		return nil, err
	}
	return &Carrier{l}, nil
}

// Carry sends a request once. After an error sent says whether a byte of it may
// have left; it is false only if certainly none has. A kept connection that turns
// out to be dead before a byte was written is replaced.
func (c *Carrier) Carry(r *http.Request) (answer *http.Response, sent bool, err error) {
	var body []byte
	if r.Body != nil {
		body, err = io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			return nil, false, err
		}
	}
	for stale := 0; ; stale++ {
		watched, s := watch(r.Context(), c.lane.counts)
		once := r.WithContext(watched)
		once.GetBody, once.ContentLength, once.Header = nil, int64(len(body)), r.Header.Clone()
		if r.Body != nil {
			once.Body = io.NopCloser(bytes.NewReader(body))
		}
		if answer, err = c.lane.send(once); err == nil {
			plain, err := unzipped(answer)
			if err != nil {
				return nil, true, errors.Join(err, answer.Body.Close())
			}
			answer.Body = unzippedBody{plain, answer.Body}
			return answer, true, nil
		}
		if sent = s.sent(); sent || !s.stale() || stale == staleConnections || r.Context().Err() != nil {
			return nil, sent, err
		}
	}
}

// An unzippedBody is read in the clear, and closed as it came.
type unzippedBody struct {
	io.Reader
	io.Closer
}

// lane gives the transport for a request, the common one for the zero
// Security. The Client has been started.
func (c *Client) lane(s Security) (*lane, error) {
	if s == (Security{}) {
		return &c.plain, nil
	}
	h := sha256.New()
	for _, part := range []string{s.CA, s.Cert, s.Key, s.ServerName, s.Proxy} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	id := string(h.Sum(nil))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uses++
	if l := c.lanes[id]; l != nil {
		l.used = c.uses
		return l, nil
	}
	l, err := c.newLane(s)
	if err != nil {
		return nil, err
	}
	l.used = c.uses
	if c.lanes == nil {
		c.lanes = map[string]*lane{}
	}
	if len(c.lanes) >= maxLanes {
		c.dropOldest()
	}
	c.lanes[id] = l
	return l, nil
}

func (c *Client) dropOldest() {
	oldest := ""
	for id, l := range c.lanes {
		if oldest == "" || l.used < c.lanes[oldest].used {
			oldest = id
		}
	}
	c.lanes[oldest].close()
	delete(c.lanes, oldest)
}

// newLane makes a transport with settings of its own. Its errors are for the author.
func (c *Client) newLane(s Security) (*lane, error) {
	t, ok := c.Transport.(*http.Transport)
	switch {
	case ok:
		t = t.Clone()
	case c.Transport != nil:
		return nil, errors.New("this program brings a transport of its own, which knows neither `tls` nor `proxy`")
	default:
		t = newTransport(c.Proxy)
	}
	if s.Proxy != "" {
		u, err := parseProxy(s.Proxy)
		if err != nil {
			return nil, err
		}
		t.Proxy = http.ProxyURL(u)
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := s.configure(t.TLSClientConfig); err != nil {
		return nil, err
	}
	return &lane{over: t, counts: !ok}, nil
}

func (s Security) configure(config *tls.Config) error {
	if s.ServerName != "" {
		config.ServerName = s.ServerName
	}
	if s.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
			return errors.New("`tls.ca` holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
		}
	}
	if s.Cert == "" && s.Key == "" {
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(s.Cert), []byte(s.Key))
	if err != nil {
		return errors.New("`tls.cert` and `tls.key` are not a certificate and its key in PEM form")
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}

// parseProxy never puts the proxy's text into an error: it may hold a password.
func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return nil, errors.New("`proxy` is not a URL such as http://proxy.example.test:3128")
	}
	switch u.Scheme {
	case "http", "https", "socks5", "socks5h":
		return u, nil
	}
	return nil, errors.New("`proxy` must begin with http://, https:// or socks5://")
}
