package actions

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// do sends the request once and reads the answer to its end.
func (r *request) do(ctx context.Context) (flow.Result, error) {
	if r.barred != nil {
		return flow.Result{}, r.barred
	}
	t := try{request: r, parent: ctx, begun: time.Now(), host: r.url.Host}
	until := t.begun.Add(r.timeout)
	if !r.deadline.IsZero() && r.deadline.Before(until) {
		until, t.cutByStep = r.deadline, true
	}
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	t.limited = limited
	if r.saveTo != "" {
		sink, err := r.create(r.saveTo)
		if err != nil {
			return flow.Result{}, saveError(err, 0)
		}
		t.sink = sink
		defer t.drop()
	}
	result, err := t.follow()
	result.Took = time.Since(t.begun)
	if err != nil {
		err.Sent = t.sent && err.Status == 0 // with a status it is known what became of it
		return result, err
	}
	return result, nil
}

// A try is one attempt under way.
type try struct {
	*request
	parent  context.Context
	limited context.Context // parent, and the attempt's timeout or the step's deadline
	begun   time.Time
	host    string    // of the hop under way
	sink    flow.Sink // until it is kept
	sent    bool      // a byte may have left

	cutByStep bool // the step's deadline comes before the attempt's timeout
}

func (t *try) drop() {
	if t.sink != nil {
		_ = t.sink.Drop() // the failure that led here is the one to report
	}
}

// follow sends the request, and those that redirects ask for.
func (t *try) follow() (flow.Result, *flow.Error) {
	h := t.hop
	at := t.origin
	var notes []string
	var after *flow.Result
	for n := 0; ; n++ {
		out, err := t.signed(&h, at == t.origin, after)
		if err != nil {
			return flow.Result{}, err
		}
		resp, err := t.roundTrip(out)
		if err != nil {
			return flow.Result{}, err
		}
		next, why := t.redirected(resp, &h, n, at)
		if next == nil {
			if why != "" {
				notes = append(notes, why)
			}
			result, err := t.receive(resp)
			result.Notes, result.URL = notes, t.target
			if n > 0 {
				result.URL = h.url.String()
				result.Notes = append(result.Notes, "followed "+count(n, "redirect"))
			}
			return result, err
		}
		to, bad := origin(next)
		if bad != nil {
			return t.stop(resp, bad)
		}
		after = &flow.Result{Status: resp.StatusCode, Headers: resp.Header, URL: h.url.String()}
		if h, bad = t.onward(h, resp.StatusCode, next, at == to); bad != nil {
			return t.stop(resp, bad)
		}
		at = to
		finish(resp.Body)
	}
}

// signed is a hop as it goes on the wire: with the credential, which stays with the
// origin that it was chosen for, and with what the program adds.
func (t *try) signed(h *hop, home bool, after *flow.Result) (*hop, *flow.Error) {
	before := t.client.Before
	if t.sign == nil && before == nil {
		return h, nil
	}
	r := flow.Outgoing{Method: h.method, URL: h.url.String(), Headers: slices.Clone(h.headers), After: after}
	var err error
	if t.sign != nil && home {
		err = t.sign(t.limited, &r)
	}
	out := *h
	if err == nil && r.URL != h.url.String() {
		out.url, err = url.Parse(r.URL)
	}
	if err == nil && before != nil {
		err = before(t.limited, &r)
	}
	out.headers = make(headers, len(r.Headers))
	for i, line := range r.Headers {
		if out.headers[i] = [2]string{textproto.CanonicalMIMEHeaderKey(line[0]), line[1]}; err == nil && !token(line[0]) {
			err = dataError("a header's name cannot hold %s", notToken(line[0]))
		} else if err == nil {
			err = checkHeader("headers."+line[0], line[1])
		}
	}
	if err == nil {
		t.wired = out.headers
		return &out, nil
	}
	var known *flow.Error
	if !errors.As(err, &known) {
		known = &flow.Error{Kind: flow.KindAction, Message: err.Error(), Err: err}
	}
	return nil, known
}

// stop ends a call at a redirect that cannot be followed.
func (t *try) stop(resp *http.Response, why error) (flow.Result, *flow.Error) {
	finish(resp.Body)
	err := why.(*flow.Error)
	err.Message = "the server redirects (" + resp.Status + "), and " + err.Message
	err.Status = resp.StatusCode
	return flow.Result{Status: resp.StatusCode, Headers: resp.Header, URL: t.target}, err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// finish reads what little is left of a body that nobody wants, so that its
// connection can be used again.
func finish(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 16<<10)
	_ = body.Close()
}

// roundTrip sends one hop. A kept connection that turns out to be dead before
// a byte was written is replaced; what was written to is never sent again here.
func (t *try) roundTrip(h *hop) (*http.Response, *flow.Error) {
	t.host = h.url.Host
	for stale := 0; ; stale++ {
		watched, s := watch(t.limited, t.lane.counts)
		resp, err := t.lane.send(t.wire(watched, h))
		if err == nil {
			t.sent = true
			if resp.Body == nil {
				resp.Body = http.NoBody
			}
			return resp, nil
		}
		if s.sent() {
			t.sent = true
		} else if s.stale() && stale < staleConnections && t.limited.Err() == nil {
			continue
		}
		return nil, t.failed(err, "")
	}
}

// wire makes net/http's request. net/http sends some requests again by itself
// when a kept connection dies. It does so only with what has no body or can
// give it anew, so what may not be repeated always has a body that cannot;
// nor does it know an idempotency key by another spelling than its own.
func (t *try) wire(ctx context.Context, h *hop) *http.Request {
	header := make(http.Header, len(h.headers))
	values := make([]string, len(h.headers))
	for i, line := range h.headers {
		name := line[0]
		switch {
		case name == "Host":
			continue
		case !t.repeat && (name == "Idempotency-Key" || name == "X-Idempotency-Key"):
			name = strings.ToLower(name)
		}
		if there, ok := header[name]; ok {
			header[name] = append(there, line[1])
			continue
		}
		values[i] = line[1]
		header[name] = values[i : i+1 : i+1]
	}
	req := new(http.Request).WithContext(ctx) // it copies: as long as there is little
	to := h.url
	if !t.lane.counts { // a transport that may not know that it must change nothing
		to = new(*h.url)
	}
	req.Method, req.URL, req.Host, req.Header = h.method, to, h.host, header
	req.Proto, req.ProtoMajor, req.ProtoMinor, req.ContentLength = "HTTP/1.1", 1, 1, int64(len(h.body))
	switch {
	case len(h.body) > 0:
		req.Body = io.NopCloser(bytes.NewReader(h.body))
		if t.repeat {
			body := h.body
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		}
	case !t.repeat && (h.method == http.MethodGet || h.method == http.MethodHead || h.method == http.MethodOptions || h.method == http.MethodTrace):
		req.Body = emptyBody{}
	}
	return req
}

// emptyBody is a body without bytes that net/http does not know to be one.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// isRedirect lists the statuses that lead on (RFC 9110 §15.4).
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// redirected gives the URL to go on with, nil if the answer is to be taken as
// it is; why then says what was in the way.
func (t *try) redirected(resp *http.Response, h *hop, n int, at string) (next *url.URL, why string) {
	if t.redirects.most == 0 || !isRedirect(resp.StatusCode) || t.listed(resp.StatusCode) {
		return nil, ""
	}
	location := resp.Header.Get("Location")
	if location == "" {
		return nil, "the redirect names no Location"
	}
	if n == t.redirects.most {
		return nil, "stopped after " + count(n, "redirect")
	}
	to, err := h.url.Parse(location)
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return nil, "the redirect leads to no http URL"
	}
	to.User, to.Fragment, to.RawFragment = nil, "", ""
	to.RawQuery = cleanQuery(to.RawQuery)
	if o, err := origin(to); t.redirects.sameOrigin && (err != nil || o != at) {
		return nil, "the redirect leads to another origin"
	}
	return to, ""
}

// listed says whether expect.status names a status; 2xx if it names none.
func (r *request) listed(status int) bool {
	if len(r.status) == 0 {
		return status >= 200 && status <= 299
	}
	for _, s := range r.status {
		if status >= s.From && status <= s.To {
			return true
		}
	}
	return false
}

// onward makes the request that a redirect asks for: 303 goes on with GET, and
// so do 301 and 302 after POST; everything else keeps method and body (RFC 9110
// §15.4). To another origin nothing goes that could be a secret.
func (t *try) onward(h hop, status int, to *url.URL, same bool) (hop, error) {
	next := hop{method: h.method, url: to, headers: h.headers, body: h.body}
	if same {
		next.host = h.host
	}
	if status == http.StatusSeeOther && h.method != http.MethodHead ||
		h.method == http.MethodPost && (status == http.StatusMovedPermanently || status == http.StatusFound) {
		next.method, next.body = http.MethodGet, nil
	}
	if !same && t.sensitiveBody && len(next.body) > 0 {
		err := dataError("its new place is on another origin, to which the body's secrets may not go")
		err.Hints = []string{"call the new place in the first place"}
		return next, err
	}
	next.headers = make(headers, 0, len(h.headers))
	for _, line := range h.headers {
		switch line[0] {
		case "Content-Type", "Content-Encoding", "Content-Language":
			if len(next.body) == 0 {
				continue
			}
		case "Accept", "User-Agent", "Accept-Language":
		default:
			if !same && (t.sensitiveHead || private(line[0])) {
				continue
			}
		}
		next.headers = append(next.headers, line)
	}
	return next, nil
}

// private says of a header that it is for the origin that it was written for.
func private(name string) bool {
	switch name {
	case "Authorization", "Proxy-Authorization", "Cookie", "Host", "Idempotency-Key", "Origin", "Referer":
		return true
	}
	return datapoints.SensitiveName(name)
}
