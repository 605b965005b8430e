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
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions/internal/ordered"
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
