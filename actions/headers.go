package actions

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// headers are lines in the order in which they were set, names in canonical form.
type headers [][2]string

func (h headers) get(name string) (string, bool) {
	for i := range h {
		if h[i][0] == name {
			return h[i][1], true
		}
	}
	return "", false
}

// add sets a line that is not there yet.
func (h *headers) add(name, value string) {
	if _, there := h.get(name); !there {
		*h = append(*h, [2]string{name, value})
	}
}

// makeHeaders puts the author's headers, then what other fields make, then the
// defaults; what is there already wins. made is the body's content type.
func (r *request) makeHeaders(in flow.Input, made string) error {
	r.headers = make(headers, 0, 4)
	written := r.lines
	if r.lateHeaders {
		v, err := in.Late("headers", r.shown())
		if err != nil {
			return err
		}
		if v.Class() == datapoints.Sensitive {
			r.mark("headers")
		}
		written = v.Reveal()
	}
	if written != "" && written != "null" {
		if err := pairs("headers", written, r.writeHeader); err != nil {
			return err
		}
	}
	if err := r.authorize(); err != nil {
		return err
	}
	if err := r.identify(in); err != nil {
		return err
	}
	if made != "" || r.contentType != "" {
		own := r.contentType
		if own == "" {
			own = made
		}
		if err := checkHeader("content_type", own); err != nil {
			return err
		}
		r.headers.add("Content-Type", own)
		for i := range r.headers {
			if r.headers[i][0] == "Content-Type" {
				r.headers[i][1] = withBoundary(r.headers[i][1], made)
			}
		}
	}
	r.headers.add("Accept", r.accepts())
	r.headers.add("User-Agent", r.client.agent)
	return nil
}

// writeHeader takes one of the author's headers.
func (r *request) writeHeader(name, value string) error {
	field := "headers." + name
	if !token(name) {
		return dataError("`%s`: a header's name cannot hold %s", field, notToken(name))
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	text, ok := ordered.Scalar(value)
	if value == "null" && canonical != "Authorization" {
		return nil
	}
	if !ok {
		return notText("`"+field+"`", value)
	}
	if err := checkHeader(field, text); err != nil {
		return err
	}
	if why := computed(canonical); why != "" {
		return dataError("`%s` is %s: leave it out", field, why)
	}
	if canonical == "Authorization" {
		if err := checkAuthorization(field, text); err != nil {
			return err
		}
	}
	if canonical == "Host" {
		if _, err := normalHost(strings.TrimSuffix(text, portOf(text))); err != nil {
			return dataError("`%s` is not a host", field)
		}
		r.host = text
	}
	r.headers = append(r.headers, [2]string{canonical, text})
	return nil
}

// portOf is ":8080" of "name:8080", "" if there is none.
func portOf(host string) string {
	i := strings.LastIndexByte(host, ':')
	if i < 0 {
		return ""
	}
	if _, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil {
		return ""
	}
	return host[i:]
}

// computed says of a header that it is not the author's to write, and why.
func computed(canonical string) string {
	switch canonical {
	case "Content-Length", "Transfer-Encoding":
		return "computed from the body"
	case "Trailer", "Upgrade", "Te":
		return "for what an http step cannot do"
	}
	return ""
}

// checkHeader refuses what no header can hold (RFC 9110 §5.5).
func checkHeader(field, text string) error {
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		err := dataError("`%s` holds %s, which no header can", field, control(c))
		if strings.Trim(text, "\r\n") == strings.ReplaceAll(strings.ReplaceAll(text, "\n", ""), "\r", "") {
			err.Hints = []string{"the value ends or begins with a line break, as one that was written by an editor or by echo: trim(…) cuts it off"}
		}
		return err
	}
	return nil
}

func control(c byte) string {
	switch c {
	case '\r', '\n':
		return "a line break"
	case 0:
		return "a NUL"
	}
	return fmt.Sprintf("the control character 0x%02X", c)
}

// checkAuthorization refuses credentials that are not there: a server's 401
// would say nothing of the reason.
func checkAuthorization(field, text string) error {
	trimmed := strings.TrimSpace(text)
	scheme, rest, found := strings.Cut(trimmed, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case trimmed == "":
		return emptyCredentials(field)
	case !found && (knownScheme(scheme) || strings.TrimRight(text, " \t") != text):
		return emptyCredentials(field)
	case strings.EqualFold(scheme, "Bearer") && hasScheme(rest, "Bearer"):
		err := dataError("`%s` holds the word Bearer twice", field)
		err.Hints = []string{"the token itself begins with \"Bearer \": write ${{ … }} alone"}
		return err
	}
	return nil
}

func emptyCredentials(field string) *flow.Error {
	err := dataError("`%s` would be sent without a token: the expression in it is empty", field)
	err.Hints = []string{"need(…) around the data point stops the step where the token is missing"}
	return err
}

// hasScheme says whether text begins with an authentication scheme and a blank.
func hasScheme(text, scheme string) bool {
	return len(text) > len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) && (text[len(scheme)] == ' ' || text[len(scheme)] == '\t')
}

func knownScheme(s string) bool {
	switch strings.ToLower(s) {
	case "bearer", "basic", "token", "dpop", "digest", "negotiate", "apikey":
		return true
	}
	return false
}

// authorize writes Authorization for basic (RFC 7617) and bearer (RFC 6750 §2.1).
func (r *request) authorize() error {
	if r.basic == "" && !r.hasBearer {
		return nil
	}
	if _, there := r.headers.get("Authorization"); there {
		name := "bearer"
		if r.basic != "" {
			name = "basic"
		}
		err := dataError("`%s` and the header Authorization are both given", name)
		err.Hints = []string{"`headers: {Authorization: null}` removes the header that comes from the defaults"}
		return err
	}
	if r.basic != "" && r.hasBearer {
		return dataError("`basic` and `bearer` are both given, and a request has one")
	}
	if r.hasBearer {
		if err := checkHeader("bearer", r.bearer); err != nil {
			return err
		}
		if strings.TrimSpace(r.bearer) == "" {
			return emptyCredentials("bearer")
		}
		if hasScheme(strings.TrimSpace(r.bearer), "Bearer") {
			return dataError("`bearer` takes the token alone, and this one begins with \"Bearer \"")
		}
		r.headers = append(r.headers, [2]string{"Authorization", "Bearer " + r.bearer})
		return nil
	}
	user, password, err := r.readBasic()
	if err != nil {
		return err
	}
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	r.headers = append(r.headers, [2]string{"Authorization", "Basic " + pair})
	return nil
}

func (r *request) readBasic() (user, password string, err error) {
	if r.basic[0] != '{' {
		return "", "", dataError("`basic` must be a mapping with `username` and `password`")
	}
	o := ordered.Read(r.basic)
	for key, value, ok := o.Next(); ok; key, value, ok = o.Next() {
		text, err := scalar("basic."+key, value)
		if err != nil {
			return "", "", err
		}
		switch key {
		case "username":
			user = text
		case "password":
			password = text
		}
	}
	if strings.ContainsRune(user, ':') {
		err := dataError("`basic.username` holds a colon, which ends the user name (RFC 7617 §2)")
		err.Hints = []string{"an OAuth client id is form-encoded first (RFC 6749 §2.3.1): urlEncode(…)"}
		return "", "", err
	}
	if user == "" && password == "" {
		return "", "", dataError("`basic` has neither a user name nor a password: both are empty")
	}
	for i, text := range []string{user, password} {
		if err := checkHeader([]string{"basic.username", "basic.password"}[i], text); err != nil {
			return "", "", err
		}
	}
	return user, password, nil
}

// identify writes the idempotency key.
func (r *request) identify(in flow.Input) error {
	name, value := "Idempotency-Key", r.key
	if value == "" || value == "false" {
		return nil
	}
	if value[0] == '{' {
		o := ordered.Read(value)
		value = "true"
		for key, v, ok := o.Next(); ok; key, v, ok = o.Next() {
			switch key {
			case "header":
				name = ordered.Text(v)
			case "value":
				value = v
			}
		}
		if !token(name) {
			return dataError("`idempotency_key.header`: a header's name cannot hold %s", notToken(name))
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
	}
	text, ok := ordered.Scalar(value)
	switch {
	case !ok:
		return notText("`idempotency_key`", value)
	case value == "true":
		text = derivedKey(in)
	case strings.TrimSpace(text) == "":
		return dataError("`idempotency_key` is empty")
	}
	if err := checkHeader("idempotency_key", text); err != nil {
		return err
	}
	if _, there := r.headers.get(name); there {
		return dataError("`idempotency_key` and the header %s are both given", name)
	}
	r.headers = append(r.headers, [2]string{name, text})
	r.idempotent, r.keyHeader = true, name
	return nil
}

// derivedKey is the same for each attempt of one call of one run, and for no
// other: a UUID version 8 (RFC 9562 §5.8) of run, path, page and round.
func derivedKey(in flow.Input) string {
	b := make([]byte, 0, 128)
	b = append(b, in.Run...)
	b = append(b, 0)
	b = append(b, in.Path...)
	b = append(b, 0)
	b = strconv.AppendInt(b, int64(in.Page), 10)
	b = append(b, 0)
	b = strconv.AppendInt(b, int64(in.Round), 10)
	h := sha256.Sum256(b)
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// token says whether s is one of RFC 9110 §5.6.2: methods and names of headers.
func token(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// notToken shows the first character that a token cannot hold.
func notToken(s string) string {
	for _, c := range s {
		if c >= 0x80 || !tokenByte(byte(c)) {
			switch c {
			case ' ':
				return "a blank"
			case '\r', '\n':
				return "a line break"
			}
			return fmt.Sprintf("%q", c)
		}
	}
	return "nothing"
}
