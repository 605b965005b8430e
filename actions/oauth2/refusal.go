package oauth2

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/stepwell/stepwell/actions/internal/challenge"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// refusal makes a failure of an answer without a token. bad is what is wrong
// with the body of one with status 2xx, nil for others.
func (s *Source) refusal(r reply, bad *flaw) *failure {
	s.hide(r)
	e := &flow.Error{Kind: flow.KindAuth, Status: r.status, After: after(r.header, time.Now())}
	f := &failure{Error: e, sent: true, waits: r.status == 429 || r.status == 503 && r.header.Get("Retry-After") != ""}
	said := challenge.Error{}
	html := false
	if bad != nil {
		said, html = bad.said, bad.html
	}
	if said == (challenge.Error{}) {
		if text, flawed := normal(r.body); flawed != nil {
			html = html || flawed.html
		} else if no := saysNo(text); no != nil {
			said = *no
		} else if r.status/100 != 2 {
			said.Description = challenge.FromBody(text).Description
		}
	}
	f.code = s.clean(said.Code)
	switch {
	case r.status == 408 || r.status == 425 || r.status == 429 || r.status/100 == 5:
		e.Kind = flow.KindHTTP
	case r.status/100 == 4:
		f.refused, f.final = true, said.Code != ""
	default:
		f.refused, f.final = said.Code != "", !html
	}
	f.nonce = said.Code == "use_dpop_nonce" && r.nonce != "" && r.status/100 == 4
	e.Message = s.cred.called() + ": " + s.refusedAs(r, bad, said, html)
	e.Facts = []flow.Fact{{Name: "sent", Text: r.request.Method + " " + s.clean(shown(r.request))}, {Name: "answered", Text: answered(r)}}
	for _, v := range r.header.Values("Www-Authenticate") {
		e.Facts = append(e.Facts, flow.Fact{Text: "WWW-Authenticate: " + s.clean(v)})
	}
	if bad != nil {
		for _, h := range bad.hints {
			s.hint(f, "%s", h)
		}
	}
	return f
}

// refusedAs says in one line what came back.
func (s *Source) refusedAs(r reply, bad *flaw, said challenge.Error, html bool) string {
	text := r.request.URL.Host + " answered " + status(r.status)
	switch {
	case bad != nil && bad.message != "":
		text = s.clean(bad.message)
	case html:
		text += " with an HTML page"
	}
	for _, part := range []string{said.Code, said.Description} {
		if part = s.clean(part); part != "" && !strings.HasSuffix(text, part) {
			text += ": " + part
		}
	}
	return text
}

func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

func answered(r reply) string {
	text := status(r.status)
	if kind := printable(r.header.Get("Content-Type"), 100); kind != "" {
		text += ", " + kind
	}
	return text + ", " + strconv.Itoa(len(r.body)) + " bytes"
}

func (s *Source) hint(f *failure, format string, a ...any) {
	if text := s.clean(fmt.Sprintf(format, a...)); !slices.Contains(f.Error.Hints, text) {
		f.Error.Hints = append(f.Error.Hints, text)
	}
}

// advise says what may be the reason for a refused token request, and what to do.
func (s *Source) advise(f *failure, r reply, m metadata) {
	c := &s.cred
	switch {
	case !f.refused:
	case r.status == 401, f.code == "invalid_client", f.code == "unauthorized_client", f.code == "invalid_request",
		f.code == "" && (r.status == 400 || r.status == 403): // others are about the address or the body
		s.adviseClient(f, r, m)
	}
	switch f.code {
	case "invalid_client":
	case "invalid_scope":
		if len(c.Scopes) > 0 {
			s.hint(f, "`scopes` asks for %s: at least one of them is not known here, malformed, or more than this client may have", strings.Join(c.Scopes, " "))
		} else {
			s.hint(f, "the server wants `scopes`, and the credential lists none")
		}
	case "unsupported_grant_type":
		s.hint(f, "the request asked with grant_type %s: the server does not know it, or this client may not use it", s.grantName())
	case "invalid_target":
		s.hint(f, "the server does not know whom the token is for: %s", s.target())
	default:
		if meaning := challenge.Explain(f.code); meaning != "" {
			s.hint(f, "%s: %s", f.code, meaning)
		}
	}
	if c.signs() && (f.code == "invalid_client" || f.code == "invalid_grant") || c.ClientAuth == "client_secret_jwt" && f.code == "invalid_client" {
		s.adviseAssertion(f)
	}
	s.adviseGrant(f)
	s.adviseBody(f, r)
	s.adviseClock(f)
}

// target is whom the token is asked for.
func (s *Source) target() string {
	var parts []string
	if s.cred.Audience != "" {
		parts = append(parts, "`audience` is "+s.cred.Audience)
	}
	if len(s.cred.Resource) > 0 {
		parts = append(parts, "`resource` is "+strings.Join(s.cred.Resource, " "))
	}
	if len(parts) == 0 {
		return "the credential names no `audience` and no `resource`"
	}
	return strings.Join(parts, ", ")
}

// adviseGrant is about what is exchanged for a token, and the key that it is bound to.
func (s *Source) adviseGrant(f *failure) {
	c := &s.cred
	switch name := c.Grant; {
	case name == "password" && f.code == "invalid_grant":
		s.hint(f, "the server does not know the user, or `password` is wrong")
	case name == "token_exchange" && (f.code == "invalid_grant" || f.code == "invalid_request"):
		kind := c.SubjectTokenType
		preset(&kind, accessTokenType)
		s.hint(f, "the subject token was sent as %s: `subject_token_type` says what it is", kind)
	case c.DPoP != "" && f.code == "invalid_dpop_proof":
		s.hint(f, "the proof was signed with %s: `dpop: {alg: …}` chooses another algorithm", c.DPoP)
	}
}

func (s *Source) grantName() string { return s.grant().kind }

// adviseClient is about who asks, and how.
func (s *Source) adviseClient(f *failure, r reply, m metadata) {
	c := &s.cred
	for _, part := range [][2]string{{"client_id", c.ClientID}, {"client_secret", c.ClientSecret}} {
		if strings.TrimSpace(part[1]) != part[1] {
			s.hint(f, "`%s` begins or ends with white space", part[0])
		}
	}
	asked := challenge.Parse(r.header.Values("Www-Authenticate"))
	wantsBasic := slices.ContainsFunc(asked, func(a challenge.Challenge) bool { return strings.EqualFold(a.Scheme, "Basic") })
	method := map[string]string{"basic": "client_secret_basic", "body": "client_secret_post", "private_key_jwt": "private_key_jwt",
		"client_secret_jwt": "client_secret_jwt", "tls": "tls_client_auth", "none": "none"}[c.ClientAuth]
	listed := slices.Contains(m.Methods, method) || method == "tls_client_auth" && slices.Contains(m.Methods, "self_signed_tls_client_auth")
	switch {
	case len(m.Methods) > 0 && !listed:
		s.hint(f, "the server says that clients name themselves by %s; `client_auth: %s` is none of them", printable(strings.Join(m.Methods, ", "), 300), c.ClientAuth)
	case wantsBasic && c.ClientAuth == "body":
		s.hint(f, "the server asks for Basic, and `client_auth: body` sends the secret in the body: `client_auth: basic`")
	case f.code == "invalid_request" && c.ClientAuth == "basic" && c.Grant == "client_credentials" && !wantsBasic:
		s.hint(f, "if it misses client_id or client_secret: some servers look for both in the body only: `client_auth: body`")
	case f.code != "" && f.code != "invalid_client":
	case f.code == "" && r.status == 400: // nobody says that it is the client
	case c.ClientAuth == "basic" && f.code == "invalid_client" && !wantsBasic:
		s.hint(f, "the server does not know the client, or its secret is wrong; some servers take both in the body only: `client_auth: body`")
	case c.ClientAuth == "body":
		s.hint(f, "the server does not know the client, or its secret is wrong; some servers take them as Basic only: `client_auth: basic`")
	case c.ClientAuth == "none":
		s.hint(f, "the credential names no secret and no key: this server wants the client to prove who it is")
	case c.ClientAuth == "tls" && c.Certificate == "":
		s.hint(f, "`client_auth: tls` needs a client certificate: `tls: {cert, key}`")
	case c.ClientAuth == "basic" || c.ClientAuth == "client_secret_jwt":
		s.hint(f, "the server does not know the client, or its secret is wrong")
	case c.ClientAuth == "private_key_jwt":
		s.hint(f, "the server does not know the client, or did not accept what it signed")
	default:
		s.hint(f, "the server does not know the client, or did not accept its certificate")
	}
	if c.ClientAuth == "basic" && (url.QueryEscape(c.ClientID) != c.ClientID || url.QueryEscape(c.ClientSecret) != c.ClientSecret) {
		other := map[string]string{"form": "raw", "raw": "form"}[c.BasicEncoding]
		s.hint(f, "`basic_encoding: %s` sends this id and secret differently, since they hold characters that form-encoding changes (RFC 6749 §2.3.1); servers disagree about it", other)
	}
}

// adviseAssertion is about what was signed.
func (s *Source) adviseAssertion(f *failure) {
	a := &s.cred.Assertion
	switch a.Audience {
	case "token_endpoint":
		s.hint(f, "the assertion's aud was the token endpoint; some servers want their issuer: `assertion: {audience: issuer}`, or its text")
	case "issuer":
		s.hint(f, "the assertion's aud was the issuer; some servers want their token endpoint: `assertion: {audience: token_endpoint}`")
	default:
		s.hint(f, "the assertion's aud was the text of `assertion.audience`; most servers want their token endpoint or their issuer, exactly as they write it")
	}
	if s.key.key != nil {
		kid := a.Kid
		preset(&kid, s.key.kid)
		named := "names no kid"
		if kid != "" {
			named = "has kid " + kid
		}
		s.hint(f, "the assertion was signed with %s and %s: compare that with the key that the server knows of this client", s.alg, named)
	}
}

// adviseBody is about the form of the request and where it went.
func (s *Source) adviseBody(f *failure, r reply) {
	switch code := r.status; {
	case code/100 == 3:
		to, err := r.request.URL.Parse(r.header.Get("Location"))
		if err != nil || r.header.Get("Location") == "" {
			s.hint(f, "the server redirects and says not where")
			break
		}
		to.User, to.RawQuery = nil, ""
		s.hint(f, "the server redirects to %s, and secrets are not sent on: write that address", to)
	case code == http.StatusNotFound:
		s.hint(f, "there is no token endpoint at this address: compare it with the server's documentation")
	case code == http.StatusMethodNotAllowed:
		s.hint(f, "the server takes no POST at this address: it is probably not the token endpoint")
	case code == http.StatusUnsupportedMediaType && s.cred.RequestEncoding == "json", f.code == "invalid_request" && s.cred.RequestEncoding == "json":
		s.hint(f, "the request was JSON, which RFC 6749 does not know: `request_encoding: form`")
	case code == http.StatusUnsupportedMediaType:
		s.hint(f, "the server does not take a form: `request_encoding: json`")
	case code == http.StatusBadRequest && f.code == "" && s.cred.RequestEncoding == "form":
		s.hint(f, "the answer is not one of an OAuth server; if it wants JSON: `request_encoding: json`")
	}
}

// adviseClock is about clocks that differ (an assertion lives for minutes).
func (s *Source) adviseClock(f *failure) {
	s.slot.mu.Lock()
	skew := s.slot.skew
	s.slot.mu.Unlock()
	where := "ahead of"
	if skew < 0 {
		where, skew = "behind", -skew
	}
	if skew < leastSkew {
		return
	}
	text := "the server's clock is " + skew.Truncate(time.Second).String() + " " + where + " this machine's"
	if s.cred.signs() || s.cred.ClientAuth == "client_secret_jwt" || s.cred.DPoP != "" {
		text += ", and what was signed here may be good at another time there: correct the clock that is wrong"
	}
	s.hint(f, "%s", text)
}

// clean makes a text of others fit for a message: one line, not too long,
// without secrets.
func (s *Source) clean(text string) string { return printable(s.masked(text), 500) }

// masked is a text without secrets.
func (s *Source) masked(text string) string {
	text = s.hidden.text(text)
	for _, secret := range s.cred.secrets() { // the redactor does not look for short ones
		if n := len(secret[1]); n >= 3 && n < 8 {
			text = strings.ReplaceAll(text, secret[1], "[secret "+secret[0]+"]")
		}
	}
	return text
}

// printable is a text on one line, cut to n characters.
func printable(text string, n int) string {
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) || c == unicode.ReplacementChar }), " ")
	return cut(strings.TrimSpace(text), n)
}

// hiding is what a Source keeps out of its messages: its credential's own secrets,
// and of the tokens and assertions that came and went the last ones, since a
// Source may live for years.
type hiding struct {
	own func(*datapoints.Redactor) // adds the credential's secrets

	mu         sync.Mutex
	told       int // to late
	late, past *datapoints.Redactor
}

// maxTold is how many secrets late is told before it becomes past.
const maxTold = 256

// turn begins a new late.
func (h *hiding) turn() {
	h.past, h.late, h.told = h.late, new(datapoints.Redactor), 0
	h.own(h.late)
}

func (h *hiding) add(label, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told == maxTold {
		h.turn()
	}
	h.late.Add(label, secret)
	h.told++
}

func (h *hiding) text(s string) string {
	h.mu.Lock()
	late, past := h.late, h.past
	h.mu.Unlock()
	if past != nil {
		s = past.Text(s)
	}
	return late.Text(s)
}
