package actions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
)

type httpAction struct{ client *Client }

// Spec describes the action; it is the reference of its fields.
func (a httpAction) Spec() flow.Spec { return httpSpec() }

// Plan builds the request. What is wrong with it is a *flow.Error, and nothing
// has been sent then.
func (a httpAction) Plan(in flow.Input) (flow.Call, error) {
	r := a.client.request()
	if err := r.plan(in); err != nil {
		return flow.Call{}, err
	}
	return r.call(), nil
}

// A hop is one request on the wire: the first, and one for each redirect.
type hop struct {
	method  string
	url     *url.URL
	host    string // of the header Host, if it is not the URL's
	headers headers
	body    []byte
}

// A request is a planned call.
type request struct {
	settings
	hop
	client      *Client
	calls       flow.Call // its own functions, made once for its memory
	turns       *turns    // who may use that
	lane        *lane
	target      string // the URL as text
	origin      string
	keyHeader   string // of the idempotency key
	status      []flow.StatusRange
	create      func(string) (flow.Sink, error)
	begun       time.Time
	deadline    time.Time                                   // of the step
	sign        func(context.Context, *flow.Outgoing) error // nil: no credential
	scopes      func() ([]string, bool)                     // that the credential asks for; nil: no credential
	wired       headers                                     // of the last request that was sent, if they are others
	repeat      bool
	idempotent  bool
	allowErrors bool
	barred      error // why Do would refuse: the executor finds out before, and says it better
}

func (r *request) plan(in flow.Input) error {
	if err := r.take(in.Args); err != nil {
		return err
	}
	return r.build(in)
}

// build makes the request of the fields.
func (r *request) build(in flow.Input) (err error) {
	r.client.start()
	r.sign, r.scopes = in.Sign, in.Scopes
	r.allowErrors, r.status, r.create, r.begun, r.deadline = in.AllowErrors, in.Status, in.Create, time.Now(), in.Deadline
	if r.method, err = normalMethod(r.verb, r.bodyKind != ""); err != nil {
		return err
	}
	address, err := r.address()
	if err != nil {
		return err
	}
	to, err := r.client.targets.read(address, !r.sensitiveURL)
	if err != nil {
		return err
	}
	r.url, r.target, r.origin = to.url, to.text, to.origin
	var made string
	if r.body, made, err = r.makeBody(in.File); err != nil {
		return err
	}
	if err = r.makeHeaders(in, made); err != nil {
		return err
	}
	r.repeat = r.harmless()
	if r.saveTo != "" && r.create == nil {
		return dataError("`save_to`: this program lets flows write no files")
	}
	s, err := ReadSecurity(r.tls, r.proxy, in.File)
	if err != nil {
		return err
	}
	if r.barred, err = r.guard(in); err != nil {
		return err
	}
	if r.lane, err = r.client.lane(s); err != nil {
		return dataError("%s", err.Error())
	}
	return nil
}

// accepts is what is asked for if the author does not say.
func (r *request) accepts() string {
	if r.graphql {
		return "application/graphql-response+json, application/json"
	}
	return "application/json, */*;q=0.8"
}

// normalMethod gives the method; the usual ones may be written in lower case.
func normalMethod(method string, body bool) (string, error) {
	if method == "" {
		if body {
			return http.MethodPost, nil
		}
		return http.MethodGet, nil
	}
	if !token(method) {
		return "", dataError("`method` cannot hold %s", notToken(method))
	}
	switch upper := strings.ToUpper(method); upper {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH":
		return upper, nil
	case "CONNECT":
		return "", dataError("`method` cannot be CONNECT: it opens a tunnel, and has no answer")
	}
	return method, nil
}

// harmless says whether doing the call twice is.
func (r *request) harmless() bool {
	switch {
	case r.repeatable != nil:
		return *r.repeatable
	case r.idempotent:
		return true
	case r.method == http.MethodPost && !r.graphql:
		grant, _ := r.member("grant_type")
		return grant == "client_credentials"
	}
	return safeMethod(r.method)
}

// safeMethod says whether the method alone makes a call repeatable (RFC 9110 §9.2.2).
func safeMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// ReadSecurity makes a Security of the fields tls, an object in JSON or "", and
// proxy. file reads what a flow names.
func ReadSecurity(tls, proxy string, file func(string) ([]byte, error)) (Security, error) {
	s := Security{Proxy: proxy}
	if tls == "" {
		return s, nil
	}
	if tls[0] != '{' {
		return s, dataError("`tls` must be a mapping with `ca`, `cert`, `key`, `server_name`")
	}
	o := ordered.Read(tls)
	for key, value, ok := o.Next(); ok; key, value, ok = o.Next() {
		if value == "null" {
			continue
		}
		text, err := pem("tls."+key, value, file)
		if err != nil {
			return s, err
		}
		switch key {
		case "ca":
			s.CA = text
		case "cert":
			s.Cert = text
		case "key":
			s.Key = text
		case "server_name":
			s.ServerName = text
		}
	}
	if (s.Cert == "") != (s.Key == "") {
		return s, dataError("`tls.cert` and `tls.key` belong together, and one of them is missing")
	}
	return s, nil
}

// pem is text, or what stands in {file: PATH}.
func pem(field, value string, file func(string) ([]byte, error)) (string, error) {
	if value[0] != '{' {
		return scalar(field, value)
	}
	o := ordered.Read(value)
	for key, v, ok := o.Next(); ok; key, v, ok = o.Next() {
		if key != "file" {
			continue
		}
		content, err := open(file, field+".file", ordered.Text(v))
		return string(content), err
	}
	return "", dataError("`%s` is PEM text or {file: PATH}", field)
}

// turns say which call has the memory of a request. Who wraps an action may leave
// a call under way when it gives an answer, or release it twice.
type turns struct {
	mu    sync.Mutex
	call  int // calls are counted
	doing int // how often it is being done
}

// begin says whether a call may be done: if the memory is still its own. Then
// done is called after it.
func (t *turns) begin(call int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.call != call {
		return false
	}
	t.doing++
	return true
}

func (t *turns) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.doing--
}

// end says whether the memory is free for the next call.
func (t *turns) end(call int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.call != call || t.doing > 0 {
		return false
	}
	t.call++
	return true
}

// request gives memory for a request: that of one that was released, if there is.
func (c *Client) request() *request {
	r, _ := c.requests.Get().(*request)
	if r == nil {
		r = &request{client: c, turns: &turns{}}
		r.calls = flow.Call{Timed: true, Fingerprint: r.fingerprint, Shown: r.shown, Refused: r.refused, Challenge: r.challenge}
	}
	return r
}

// call is what the executor gets.
func (r *request) call() flow.Call {
	call, turns := r.calls, r.turns
	mine := turns.call
	call.Repeatable, call.Idempotent, call.Origin = r.repeat, r.idempotent, r.origin
	call.Do = func(ctx context.Context) (flow.Result, error) {
		if !turns.begin(mine) {
			return flow.Result{}, &flow.Error{Kind: flow.KindInternal, Message: "the call was released before it was done"}
		}
		defer turns.done()
		if r.graphql {
			return r.doGraphQL(ctx)
		}
		return r.do(ctx)
	}
	call.Release = func() {
		if turns.end(mine) {
			*r = request{client: r.client, calls: r.calls, turns: turns}
			r.client.requests.Put(r)
		}
	}
	return call
}

// shown is the request for people, and for `request` in headers.
func (r *request) shown() flow.Request {
	return flow.Request{Method: r.method, URL: r.target, Headers: r.headers, Body: r.body, Time: r.begun.UTC().Truncate(time.Millisecond)}
}

// fingerprint is the same for the same request: method, URL, body, and the
// headers but for credentials and signatures, which may be renewed, and for the
// idempotency key, which each page has of its own.
func (r *request) fingerprint() string {
	head := make([]byte, 0, 512)
	head = append(head, r.method...)
	head = append(head, 0)
	head = append(head, r.target...)
	if !r.lateHeaders {
		for _, h := range r.headers {
			if h[0] == "Authorization" || h[0] == "User-Agent" || h[0] == r.keyHeader {
				continue
			}
			head = append(head, 0)
			head = append(head, h[0]...)
			head = append(head, ':')
			head = append(head, h[1]...)
		}
	}
	head = append(head, 0, 0)
	sum := sha256.New()
	sum.Write(head)
	sum.Write(r.body)
	return hex.EncodeToString(sum.Sum(head[:0]))
}
