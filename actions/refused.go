package actions

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stepwell/stepwell/actions/internal/challenge"
	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
)

// refused says of an answer whose status was not expected what kind of failure
// it is, and what may be the reason. Hints never hold a part of a secret.
func (r *request) refused(answer flow.Result) (flow.Kind, []string) {
	n := refusal{request: r.asSent(), answer: answer, header: answer.Headers}
	status := answer.Status
	_, n.grant = r.member("grant_type")
	n.auth = status == 401 || n.grant && status/100 == 4 && status != 408 && status != 425 && status != 429
	kind := flow.KindHTTP
	switch {
	case status/100 == 2:
		return flow.KindExpect, nil
	case n.auth:
		kind = flow.KindAuth
	}
	n.said()
	if n.auth || status == 403 {
		n.credentials()
		n.clock()
	}
	if n.grant && status/100 == 4 {
		n.tokenRequest()
	}
	n.byStatus()
	n.page()
	return kind, n.hints
}

// A refusal collects hints on one answer.
type refusal struct {
	*request
	answer flow.Result
	header http.Header
	grant  bool // the request is for a token
	auth   bool
	code   string // of OAuth
	hints  []string
}

func (n *refusal) hint(format string, a ...any) {
	if h := fmt.Sprintf(format, a...); !slices.Contains(n.hints, h) {
		n.hints = append(n.hints, h)
	}
}

// quoted is a server's text on one line, not too long.
func quoted(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) && c != ' ' || c == unicode.ReplacementChar }), " ")
	const most = 300
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.TrimSpace(text)
}

// said passes on what the server itself gives as the reason.
func (n *refusal) said() {
	for _, c := range challenge.Parse(n.header["Www-Authenticate"]) {
		code := c.Param("error")
		if code == "" {
			continue
		}
		n.says(code, c.Param("error_description"))
		if scope := c.Param("scope"); scope != "" {
			n.hint("it wants the scope %s", quoted(scope))
			n.asked(code, scope)
		}
	}
	if n.graphql {
		for _, e := range readErrors(string(n.answer.Body)) {
			n.hint("the server says: %s", e.String())
		}
		return
	}
	if e := challenge.FromBody(string(n.answer.Body)); e != (challenge.Error{}) {
		n.says(e.Code, e.Description)
		return
	}
	if kind := n.header.Get("Content-Type"); strings.HasPrefix(strings.ToLower(kind), "text/plain") && len(n.answer.Body) <= maxSaid {
		if text := quoted(string(n.answer.Body)); text != http.StatusText(n.answer.Status) {
			n.says("", text)
		}
	}
}

// maxSaid is how long a plain text may be to be passed on as a reason.
const maxSaid = 300

func (n *refusal) says(code, description string) {
	code, description = quoted(code), quoted(description)
	if code != "" {
		n.code = code
	}
	switch {
	case description != "" && slices.ContainsFunc(n.hints, func(h string) bool { return strings.HasSuffix(h, description) }):
		return // the header said it too
	case code != "" && description != "" && code != description:
		n.hint("the server says: %s: %s", code, description)
	case code != "" || description != "":
		n.hint("the server says: %s", code+description)
	}
	if meaning := challenge.Explain(code); meaning != "" {
		n.hint("%s: %s", code, meaning)
	}
}

// credentials compares who asks with whom the server asks for.
func (n *refusal) credentials() {
	sent, has := n.headers.get("Authorization")
	asked := challenge.Parse(n.header["Www-Authenticate"])
	if !has {
		n.unnamed(asked)
		return
	}
	scheme, rest, found := strings.Cut(strings.TrimSpace(sent), " ")
	switch {
	case !found:
		n.hint("the header Authorization has no scheme, only a value: most servers want \"Bearer ${{ … }}\"")
	case strings.EqualFold(scheme, "Bearer"):
		n.bearerToken(rest)
	case strings.EqualFold(scheme, "Basic"):
		n.basicPair(rest)
	}
	if found && len(asked) > 0 && !slices.ContainsFunc(asked, func(c challenge.Challenge) bool { return strings.EqualFold(c.Scheme, scheme) }) {
		if !knownScheme(scheme) {
			scheme = "something else" // perhaps it is a part of a token
		}
		n.hint("the server asks for %s, and the request carries %s", schemes(asked), scheme)
	}
}

// unnamed is about a request without Authorization.
func (n *refusal) unnamed(asked []challenge.Challenge) {
	if n.grant || slices.ContainsFunc(n.headers, func(h [2]string) bool { return private(h[0]) }) {
		return
	}
	what := "`bearer: ${{ … }}`"
	if len(asked) > 0 {
		what = "the server asks for " + schemes(asked)
		if realm := quoted(asked[0].Param("realm")); realm != "" {
			what += " (realm \"" + realm + "\")"
		}
	}
	n.hint("the request carries no Authorization: %s", what)
}

func schemes(list []challenge.Challenge) string {
	var names []string
	for _, c := range list {
		if name := quoted(c.Scheme); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " or ")
}

// bearerToken looks at what stands after "Bearer ".
func (n *refusal) bearerToken(text string) {
	token := strings.TrimSpace(text)
	switch {
	case token != text:
		n.hint("between Bearer and the token stands more than one blank")
	case strings.ContainsFunc(token, unicode.IsSpace):
		n.hint("the token has white space in it")
	}
	switch {
	case token == "null" || token == "undefined" || token == "None" || token == "nil":
		n.hint("the token is the word %q", token)
	case hasScheme(token, "Bearer"):
		n.hint("the token itself begins with \"Bearer \"")
	case strings.HasPrefix(token, "{"):
		n.hint("the token is a whole JSON object: save its member, `access_token: access_token`")
	case strings.ContainsAny(token, `"'`):
		n.hint("the token has quotes in it")
	}
	n.jwt(token)
}

// jwt reads the times of a token that is one (RFC 7519 §4.1), which are no secret.
func (n *refusal) jwt(token string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return
	}
	claims, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return
	}
	now := time.Now()
	r := ordered.Read(string(claims))
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil || seconds > 1e12 {
			continue
		}
		switch away := now.Sub(time.Unix(int64(seconds), 0)); {
		case key == "exp" && away > 0:
			n.hint("the token's own exp says that it expired %s ago", rough(away))
		case key == "nbf" && away < 0:
			n.hint("the token's own nbf says that it is good only in %s", rough(-away))
		}
	}
}

// basicPair looks at user name and password, or client id and secret.
func (n *refusal) basicPair(encoded string) {
	pair, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	user, password, found := strings.Cut(string(pair), ":")
	if err != nil || !found {
		n.hint("after Basic comes base64 of user name, colon and password: `basic: {username, password}` makes it")
		return
	}
	names := [2]string{"user name", "password"}
	if n.grant {
		names = [2]string{"client id", "client secret"}
	}
	for i, text := range []string{user, password} {
		switch {
		case text == "":
			n.hint("the %s is empty", names[i])
		case strings.TrimSpace(text) != text:
			n.hint("the %s begins or ends with white space", names[i])
		}
	}
	if n.code != "invalid_client" {
		n.hint("check the %s and the %s: the server did not accept them as Basic credentials", names[0], names[1])
	}
	if !n.grant {
		return
	}
	switch {
	case looksEncoded(user) || looksEncoded(password):
		n.hint("id or secret look form-encoded; this server may want them raw before base64")
	case formEncoded(user) != user || formEncoded(password) != password:
		n.hint("id or secret hold characters that RFC 6749 §2.3.1 form-encodes before base64, and they went raw (RFC 7617): if this server follows it, write urlEncode(…) around both")
	}
}

func formEncoded(text string) string { return string(appendEscaped(nil, text, "+")) }

func looksEncoded(text string) bool {
	raw, err := url.QueryUnescape(text)
	return err == nil && raw != text && strings.Contains(text, "%")
}

// tokenRequest looks at a request for a token that was refused (RFC 6749 §2.3, §4).
func (n *refusal) tokenRequest() {
	_, id := n.member("client_id")
	_, secret := n.member("client_secret")
	_, assertion := n.member("client_assertion")
	auth, header := n.headers.get("Authorization")
	basic := hasScheme(auth, "Basic")
	switch {
	case basic && secret:
		n.hint("id and secret are sent twice, in `basic` and in the body: RFC 6749 §2.3 allows one place")
	case !header && !id && !assertion:
		n.hint("the request names no client: `basic: {username, password}`, or client_id and client_secret in the form")
	case !basic && secret && n.code == "invalid_client":
		n.hint("id and secret are in the body; some servers take them in `basic` only")
	case basic && n.code == "invalid_client" && len(n.header["Www-Authenticate"]) == 0:
		n.hint("id and secret are in `basic`; some servers take them in the form only")
	}
	for _, name := range []string{"client_id", "client_secret"} {
		if text, ok := n.member(name); ok && (text == "" || strings.TrimSpace(text) != text) {
			n.hint("%s is empty, or begins or ends with white space", name)
		}
	}
	if n.bodyKind == "json" && n.answer.Status != 401 {
		n.hint("the body is JSON; RFC 6749 wants a form: `form` in place of `json`")
	}
	if contentType, _ := n.headers.get("Content-Type"); n.bodyKind == "form" && !strings.HasPrefix(strings.ToLower(contentType), "application/x-www-form-urlencoded") {
		n.hint("the body is a form, and Content-Type says %s", quoted(contentType))
	}
}

// clock compares the server's clock with this machine's (RFC 9110 §6.6.1).
func (n *refusal) clock() {
	date, err := http.ParseTime(n.header.Get("Date"))
	if err != nil {
		return
	}
	const most = time.Minute
	switch away := time.Until(date); {
	case away > most:
		n.hint("the server's clock is %s ahead of this machine's", rough(away))
	case away < -most:
		n.hint("the server's clock is %s behind this machine's", rough(-away))
	}
}

// rough is a duration in one unit, as people say it.
func rough(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Round(time.Second)/time.Second)) + "s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Round(time.Minute)/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Round(time.Hour)/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

func (n *refusal) byStatus() {
	switch status := n.answer.Status; {
	case isRedirect(status):
		n.redirect()
	case status == http.StatusNotModified:
		n.hint("304 answers If-None-Match and If-Modified-Since: list it in `expect.status`")
	case status == http.StatusForbidden && n.code == "" && len(n.hints) == 0:
		n.hint("the server knows who asks and does not allow it: compare the token's scopes or the user's rights with what this call needs")
	case status == http.StatusNotFound && n.grant:
		n.hint("there is no token endpoint at this address: compare `url` and `base_url` with the server's documentation")
	case status == http.StatusMethodNotAllowed:
		if allow := quoted(n.header.Get("Allow")); allow != "" {
			n.hint("here the server takes %s, not %s", allow, n.method)
		}
	case status == http.StatusNotAcceptable:
		accept, _ := n.headers.get("Accept")
		n.hint("the server has no answer in a form that Accept lists: %s", quoted(accept))
	case status == http.StatusProxyAuthRequired:
		n.hint("the proxy wants a user name and a password: they stand in `proxy`")
	case status == http.StatusUnsupportedMediaType:
		contentType, has := n.headers.get("Content-Type")
		if !has {
			contentType = "nothing"
		}
		n.hint("the server does not take this kind of body: Content-Type says %s", quoted(contentType))
		if accept := quoted(n.header.Get("Accept") + n.header.Get("Accept-Post")); accept != "" {
			n.hint("it takes %s", accept)
		}
	}
	if wait := quoted(n.header.Get("Retry-After")); wait != "" {
		n.hint("the server asks to come again later (Retry-After: %s)", wait)
	}
}

// page notes an answer that is a page for people.
func (n *refusal) page() {
	if isHTML(n.answer) {
		n.hint("the answer is an HTML page: often a login page, a proxy's, or a wrong address")
	}
}

func isHTML(answer flow.Result) bool {
	if strings.Contains(strings.ToLower(http.Header(answer.Headers).Get("Content-Type")), "html") {
		return true
	}
	start := bytes.ToLower(bytes.TrimSpace(answer.Body[:min(len(answer.Body), 256)]))
	return bytes.HasPrefix(start, []byte("<!doctype html")) || bytes.HasPrefix(start, []byte("<html"))
}
