package oauth2

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// accessTokenType is what a token is called in an exchange (RFC 8693 §3).
const accessTokenType = "urn:ietf:params:oauth:token-type:access_token"

// fields are the parameters of a token request, in their order.
type fields [][2]string

func (f *fields) add(name, value string) {
	if value != "" {
		*f = append(*f, [2]string{name, value})
	}
}

// set replaces what has the name.
func (f *fields) set(name, value string) {
	*f = append(slices.DeleteFunc(*f, func(p [2]string) bool { return p[0] == name }), [2]string{name, value})
}

func (f fields) form() string {
	var b strings.Builder
	for i, p := range f {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]))
	}
	return b.String()
}

// json writes the parameters as an object; what is there more than once as a list.
func (f fields) json() []byte {
	b := []byte{'{'}
	done := map[string]bool{}
	for _, p := range f {
		if done[p[0]] {
			continue
		}
		done[p[0]] = true
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(ordered.AppendQuoted(b, p[0]), ':')
		var values []string
		for _, q := range f {
			if q[0] == p[0] {
				values = append(values, q[1])
			}
		}
		if len(values) == 1 {
			b = ordered.AppendQuoted(b, values[0])
			continue
		}
		for i, v := range values {
			b = ordered.AppendQuoted(append(b, "[,"[min(i, 1)]), v)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// A grant is what a token request asks with.
type grant struct {
	kind   string // as the request names it
	fields fields
	single bool // it holds something that is good for one use
	signed bool // an assertion is the grant: made anew for each try
}

// grant gives the credential's own grant.
func (s *Source) grant() grant {
	c := &s.cred
	g := grant{kind: c.Grant}
	switch c.Grant {
	case "password":
		g.fields = fields{{"username", c.Username}, {"password", c.Password}}
	case "jwt_bearer":
		g.kind, g.signed = jwtBearer, true
	case "token_exchange":
		g.kind = tokenExchange
		access := accessTokenType
		subject, actor := c.SubjectTokenType, c.ActorTokenType
		preset(&subject, access)
		g.fields.add("subject_token", c.SubjectToken)
		g.fields.add("subject_token_type", subject)
		if c.ActorToken != "" {
			preset(&actor, access)
			g.fields.add("actor_token", c.ActorToken)
			g.fields.add("actor_token_type", actor)
		}
		g.fields.add("requested_token_type", c.RequestedTokenType)
	}
	g.fields = append(g.fields, s.wanted()...)
	return g
}

// wanted is what a token is asked for.
func (s *Source) wanted() fields {
	c := &s.cred
	var f fields
	f.add("scope", strings.Join(c.Scopes, " "))
	f.add("audience", c.Audience)
	for _, r := range c.Resource {
		f.add("resource", r)
	}
	return f
}

// refreshGrant asks with a refresh token (RFC 6749 §6). The scope is left out:
// what was granted is asked for then, and more cannot be.
func (s *Source) refreshGrant(token string) grant {
	var f fields
	f.add("refresh_token", token)
	if s.cred.Grant == "refresh_token" {
		f = append(f, s.wanted()...)
	} else {
		for _, r := range s.cred.Resource {
			f.add("resource", r)
		}
	}
	return grant{kind: "refresh_token", fields: f, single: true}
}

// request builds one try of a token request.
func (s *Source) request(ctx context.Context, g grant, m metadata, proof *proofKey) (*http.Request, *flow.Error) {
	c := &s.cred
	now := s.serverTime()
	f := fields{{"grant_type", g.kind}}
	if g.signed {
		subject := c.Assertion.Subject
		preset(&subject, c.ClientID)
		signed, err := s.assertion(subject, false, m, now)
		if err != nil {
			return nil, s.unsigned(err)
		}
		f.add("assertion", s.tell("assertion", signed))
	}
	f = append(f, g.fields...)
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		f.set(name, c.Params[name])
	}
	r, err := s.post(ctx, m.TokenEndpoint, m, f)
	if err != nil {
		return nil, err
	}
	if proof != nil {
		nonce, _ := recall(s.client, &s.client.nonces, nonceOf(m.TokenEndpoint))
		text, bad := proof.proof(http.MethodPost, m.TokenEndpoint, "", nonce, now)
		if bad != nil {
			return nil, s.unsigned(bad)
		}
		r.Header.Set("DPoP", text)
	}
	return r, nil
}

func (s *Source) unsigned(err error) *flow.Error {
	if known, ok := err.(*flow.Error); ok {
		return known
	}
	return s.cred.invalid("the assertion cannot be signed: %s", err)
}

// post builds a request in which the client names itself, in one way alone
// (RFC 6749 §2.3).
func (s *Source) post(ctx context.Context, to string, m metadata, f fields) (*http.Request, *flow.Error) {
	c := &s.cred
	basic := ""
	switch c.ClientAuth {
	case "basic":
		id, secret := c.ClientID, c.ClientSecret
		if c.BasicEncoding == "form" {
			id, secret = url.QueryEscape(id), url.QueryEscape(secret)
		}
		basic = "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	case "body":
		f.set("client_id", c.ClientID)
		f.set("client_secret", c.ClientSecret)
	case "private_key_jwt", "client_secret_jwt":
		signed, err := s.assertion(c.ClientID, true, m, s.serverTime())
		if err != nil {
			return nil, s.unsigned(err)
		}
		f.set("client_id", c.ClientID)
		f.set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		f.set("client_assertion", s.tell("assertion", signed))
	default:
		if c.ClientID != "" {
			f.set("client_id", c.ClientID)
		}
	}
	body, kind := []byte(f.form()), "application/x-www-form-urlencoded"
	if c.RequestEncoding == "json" {
		body, kind = f.json(), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, c.invalid("the token endpoint is not a URL")
	}
	r.ContentLength = int64(len(body)) // and no GetBody: net/http must not send it again
	r.Header.Set("Content-Type", kind)
	if basic != "" {
		r.Header.Set("Authorization", basic)
	}
	return r, nil
}

// tell makes a secret known before it is used.
func (s *Source) tell(label, secret string) string {
	if secret == "" {
		return ""
	}
	s.hidden.add(label, secret)
	if s.client.Secret != nil {
		s.client.Secret(label, secret)
	}
	return secret
}

// serverTime is the time at the token endpoint, as far as it is known.
func (s *Source) serverTime() time.Time {
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	return time.Now().Add(s.slot.skew)
}

// An Exchange is a request to a token endpoint, or to a place where one is
// discovered, and its answer, as people may see them. Secrets and tokens are masked;
// of texts that have no public name only the length is told.
type Exchange struct {
	Credential string
	Request    flow.Request // its URL is without the query
	Answer     flow.Result  // Status 0: there was none
	Failure    string       // why there is no complete answer; "": there is one
}

// public says whether what has a name in a token request or its answer may be seen.
func public(name string) bool {
	switch name {
	case "grant_type", "scope", "audience", "resource", "client_id", "client_assertion_type", "redirect_uri",
		"requested_token_type", "subject_token_type", "actor_token_type",
		"token_type", "expires_in", "issued_token_type", "interval", "verification_uri", "verification_url",
		"error", "error_description", "error_uri":
		return true
	}
	return false
}

// veil is a text as people may see it, by its name.
func (s *Source) veil(name, text string, all bool) string {
	switch text = s.masked(text); {
	case datapoints.SensitiveName(name), strings.Contains(name, "assertion") && !public(name):
		return "[secret " + name + "]"
	case all, public(name), strings.HasPrefix(text, "[secret ") && strings.IndexByte(text, ']') == len(text)-1:
		return text
	}
	return "[" + strconv.Itoa(utf8.RuneCountInString(text)) + " characters]"
}

// veilJSON is a JSON value as people may see it; all says that texts without a
// public name may be seen too.
func (s *Source) veilJSON(b []byte, name, raw string, all bool) []byte {
	if raw[0] != '{' && raw[0] != '[' {
		if text := ordered.Text(raw); text != raw || datapoints.SensitiveName(name) {
			return ordered.AppendQuoted(b, s.veil(name, text, all))
		}
		return append(b, raw...)
	}
	b = append(b, raw[0])
	r, first := ordered.Read(raw), true
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if !first {
			b = append(b, ',')
		}
		first = false
		if raw[0] == '{' {
			name = key
			b = append(ordered.AppendQuoted(b, s.masked(key)), ':')
		}
		b = s.veilJSON(b, name, value, all)
	}
	return append(b, raw[0]+2) // in ASCII the closing bracket
}

// shownRequest is a request as people may see it.
func (s *Source) shownRequest(r *http.Request, body []byte, begun time.Time) flow.Request {
	out := flow.Request{Method: r.Method, URL: s.clean(shown(r)), Time: begun}
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		value := r.Header.Get(name)
		switch scheme, _, _ := strings.Cut(value, " "); {
		case name == "Authorization":
			value = scheme + " [secret client_secret]"
		case name == "Dpop":
			value = "[secret proof]"
		}
		out.Headers = append(out.Headers, [2]string{name, s.masked(value)})
	}
	if len(body) > 0 && body[0] == '{' {
		out.Body = s.veilJSON(nil, "", string(body), false)
		return out
	}
	for pair := range strings.SplitSeq(string(body), "&") {
		name, value, found := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		if !found || err != nil {
			continue
		}
		if text := s.veil(name, plain, false); text != plain {
			value = text
		}
		out.Body = append(out.Body, "&"[:min(len(out.Body), 1)]+name+"="+value...)
	}
	return out
}

// shownAnswer is an answer as people may see it. What may hold a token and cannot be
// read is not shown.
func (s *Source) shownAnswer(r reply, took time.Duration) flow.Result {
	s.hide(r)
	out := flow.Result{Status: r.status, URL: s.clean(shown(r.request)), Took: took, Headers: map[string][]string{}}
	for name, values := range r.header {
		for _, v := range values {
			if datapoints.SensitiveName(name) {
				v = "[secret " + name + "]"
			}
			out.Headers[name] = append(out.Headers[name], s.masked(v))
		}
	}
	all := r.status/100 != 2 || r.request.Method == http.MethodGet
	switch text, _ := normal(r.body); {
	case len(r.body) == 0:
	case text != "":
		out.Body = s.veilJSON(nil, "", text, all)
	case all:
		out.Body = []byte(s.masked(string(r.body)))
	default:
		out.Notes = []string{"not shown: " + strconv.Itoa(len(r.body)) + " bytes that are no object and may hold a token"}
	}
	return out
}
