// Package actions has the actions that a flow finds without anybody adding
// them: http, graphql and oauth2.
//
// An action does one attempt. It is planned first — the request is built to
// its last byte — and done after, so that the executor knows before anything
// is sent where the call goes, whether it may be repeated, and can write its
// intent down. Retries, waits and loops are not here.
//
// Nothing in this package is global: the connections belong to a Client, and
// Builtin makes one.
package actions

import (
	"context"
	"net/http"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// Builtin gives the actions http, graphql and oauth2 over connections of their own.
// Each call gives new ones. Programs that bring a transport, a proxy or a name
// for User-Agent use a Client.
func Builtin() flow.Actions { return new(Client).Actions() }

// A Client holds the connections that http and graphql share. Its zero value
// works. The fields must not change after the first call; everything else may
// be used concurrently.
type Client struct {
	// Transport carries the requests. nil: a transport of the Client's own,
	// which knows for certain whether a byte of a request has left. With
	// another one it is supposed that it has as soon as there was a connection.
	// The fields `tls` and `proxy` need the Client's own or an *http.Transport.
	Transport http.RoundTripper
	// Proxy chooses the proxy of requests whose step names none; nil: no proxy.
	// A program that wants the environment's gives http.ProxyFromEnvironment.
	// It is not asked when Transport is given.
	Proxy func(*http.Request) (*url.URL, error)
	// Agent is the User-Agent of requests that do not set one; "" is
	// stepwell/VERSION.
	Agent string
	// Before is called with each request right before it is sent, credential
	// included, and may add and replace headers; Method and URL are for it to read.
	// With an error, which should be a *flow.Error, nothing is sent. nil: nobody is.
	Before func(ctx context.Context, r *flow.Outgoing) error

	once     sync.Once
	plain    lane
	agent    string
	targets  targets
	requests sync.Pool // of *request, released
	mu       sync.Mutex
	lanes    map[string]*lane
	uses     uint64
}

// Actions gives http and graphql over the Client's connections, and oauth2, which
// has none. An embedder adds to the map, or takes out of it, what it likes.
func (c *Client) Actions() flow.Actions {
	return flow.Actions{"http": httpAction{c}, "graphql": graphqlAction{c}, "oauth2": tokenAction{}}
}

// CloseIdle closes the connections that are kept for later requests. The
// Client can be used on.
func (c *Client) CloseIdle() {
	c.start()
	c.plain.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lanes {
		l.close()
	}
}

// start makes what the first call needs.
func (c *Client) start() {
	c.once.Do(func() {
		c.agent = c.Agent
		if c.agent == "" {
			c.agent = "stepwell/" + version()
		}
		c.plain = lane{over: c.Transport}
		if c.Transport == nil {
			c.plain = lane{over: newTransport(c.Proxy), counts: true}
		}
	})
}

// version is the one that this module was built as.
func version() string {
	const module = "github.com/stepwell/stepwell"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	v := ""
	if info.Main.Path == module {
		v = info.Main.Version
	}
	for _, d := range info.Deps {
		if d.Path == module {
			v = d.Version
		}
	}
	if v == "" || v == "(devel)" {
		return "devel"
	}
	return v
}

// tokenAction gives the token of a credential as data.
type tokenAction struct{}

// Spec describes the action; it is the reference of its fields.
func (tokenAction) Spec() flow.Spec {
	return flow.Spec{
		Doc: "Gives the token of a credential, which is kept and renewed as it is for requests.",
		Fields: []flow.Field{
			{Name: "credential", Type: flow.CredentialField, Required: true, Doc: "The name of the credential."},
		},
		Sensitive: true,
		Check: func(with flow.Static) flow.Verdict {
			name, _, _ := with.Text("credential")
			return flow.Verdict{Title: "token of " + name, Repeatable: true}
		},
		Body: "access_token, token_type, scope and expires_at (a date and time); what is not known is null.",
	}
}

// Plan implements flow.Action.
func (tokenAction) Plan(in flow.Input) (flow.Call, error) {
	if in.Token == nil {
		return flow.Call{}, dataError("`credential` names none")
	}
	return flow.Call{Repeatable: true, Do: func(ctx context.Context) (flow.Result, error) {
		began := time.Now()
		t, err := in.Token(ctx)
		if err != nil {
			return flow.Result{}, err
		}
		body := map[string]any{"access_token": t.Access.RevealText(), "token_type": t.Type, "scope": nil, "expires_at": nil}
		if t.Scope != "" {
			body["scope"] = t.Scope
		}
		if !t.Expires.IsZero() {
			body["expires_at"] = t.Expires.UTC().Truncate(time.Second).Format(time.RFC3339)
		}
		text, err := datapoints.Of(body)
		return flow.Result{Body: []byte(text.Reveal()), Took: time.Since(began)}, err
	}}, nil
}
