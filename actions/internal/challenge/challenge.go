// Package challenge reads how a server says no: the header WWW-Authenticate
// (RFC 9110 §11.6.1) and the error bodies of OAuth 2.0 (RFC 6749 §5.2, RFC 6750
// §3), of problem details (RFC 9457) and of FHIR (OperationOutcome).
package challenge

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/ordered"
)

// A Challenge is one of WWW-Authenticate.
type Challenge struct {
	Scheme string
	Token  string // token68
	params [][2]string
}

// Param gives a parameter's value; names are compared without regard to case.
func (c Challenge) Param(name string) string {
	for _, p := range c.params {
		if strings.EqualFold(p[0], name) {
			return p[1]
		}
	}
	return ""
}

// Parse reads the values of the header. What is not a challenge is passed over:
// this is for hints, and servers write all sorts of things there.
func Parse(values []string) []Challenge {
	var list []Challenge
	for _, v := range values {
		s := scanner{text: v}
		for {
			s.skip(" \t,=\"") // with stray signs
			name := s.token()
			if name == "" {
				break
			}
			s.skip(" \t")
			if s.peek() == '=' && len(list) > 0 && !s.isToken68() {
				s.at++
				last := &list[len(list)-1]
				last.params = append(last.params, [2]string{name, s.value()})
				continue
			}
			c := Challenge{Scheme: name}
			c.Token = s.token68()
			list = append(list, c)
		}
	}
	return list
}

type scanner struct {
	text string
	at   int
}

func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) skip(set string) {
	for s.at < len(s.text) && strings.IndexByte(set, s.text[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) token() string {
	from := s.at
	for s.at < len(s.text) && strings.IndexByte(" \t,=\"", s.text[s.at]) < 0 {
		s.at++
	}
	return s.text[from:s.at]
}

// isToken68 says whether the "=" that stands here only pads a token68.
func (s *scanner) isToken68() bool {
	rest := strings.TrimLeft(s.text[s.at:], "=")
	rest = strings.TrimLeft(rest, " \t")
	return rest == "" || rest[0] == ','
}

// token68 takes the one value that may follow a scheme; nothing if parameters do.
func (s *scanner) token68() string {
	from := s.at
	word := s.token()
	for s.peek() == '=' {
		s.at++
	}
	end := s.at
	s.skip(" \t")
	if word != "" && (s.at == len(s.text) || s.peek() == ',') {
		return s.text[from:end]
	}
	s.at = from
	return ""
}

func (s *scanner) value() string {
	s.skip(" \t")
	if s.peek() != '"' {
		return s.bare()
	}
	s.at++
	var b strings.Builder
	for s.at < len(s.text) && s.text[s.at] != '"' {
		if s.text[s.at] == '\\' && s.at+1 < len(s.text) {
			s.at++
		}
		b.WriteByte(s.text[s.at])
		s.at++
	}
	s.at = min(s.at+1, len(s.text))
	return b.String()
}

func (s *scanner) bare() string {
	from := s.at
	for s.at < len(s.text) && strings.IndexByte(" \t,", s.text[s.at]) < 0 {
		s.at++
	}
	return s.text[from:s.at]
}

// An Error is what a body says.
type Error struct {
	Code        string // of OAuth: invalid_client
	Description string
}

// FromBody reads a JSON body's error, in the forms of OAuth, of problem details
// (RFC 9457) and of FHIR's OperationOutcome, and what many others write. It is
// the zero Error where there is none.
func FromBody(body string) Error {
	var e Error
	var title, detail, message, all string
	r := ordered.Read(body)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		text, scalar := ordered.Scalar(value)
		switch {
		case key == "error" && scalar:
			e.Code = text
		case key == "error" && value[0] == '{':
			e = FromBody(value)
		case key == "code" && scalar && e.Code == "":
			e.Code = text
		case key == "error_description" && scalar:
			e.Description = text
		case key == "title" && scalar:
			title = text
		case key == "detail" && scalar:
			detail = text
		case key == "message" && scalar:
			message = text
		case key == "errors" || key == "issue":
			all = each(value)
		}
	}
	if r.Err() != nil {
		return Error{}
	}
	if e.Description == "" {
		for _, text := range []string{detail, message, title} {
			if text != "" {
				e.Description = text
				break
			}
		}
	}
	switch {
	case e.Description == "":
		e.Description = all
	case all != "" && !strings.Contains(all, e.Description):
		e.Description = strings.TrimSuffix(e.Description, ".") + ": " + all
	case all != "":
		e.Description = all
	}
	return e
}

// most is how many of an answer's errors are told.
const most = 3

// each joins a list of errors, or an object of them by field.
func each(errors string) string {
	var texts []string
	more := 0
	r := ordered.Read(errors)
	for field, value, ok := r.Next(); ok; field, value, ok = r.Next() {
		text := one(value, 2)
		if field != "" && text != "" {
			text = field + ": " + text
		}
		switch {
		case text == "":
		case len(texts) == most:
			more++
		default:
			texts = append(texts, text)
		}
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// one is the text of one error of several, or of the first of a field's. It
// looks so many levels deep.
func one(value string, levels int) string {
	if text, scalar := ordered.Scalar(value); scalar || levels == 0 {
		return text
	}
	member := map[string]string{}
	r := ordered.Read(value)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		switch {
		case key == "":
			return one(value, levels-1)
		case key == "details": // of FHIR, a CodeableConcept
			member[key] = one(value, levels-1)
		default:
			member[key], _ = ordered.Scalar(value)
		}
	}
	text := ""
	for _, key := range []string{"diagnostics", "details", "text", "detail", "message", "description", "msg", "title", "code"} {
		if text = member[key]; text != "" {
			break
		}
	}
	if field := member["field"]; field != "" && text != "" && !strings.Contains(text, field) {
		text = field + ": " + text
	}
	return text
}

// Explain says what an error code of OAuth means for whoever wrote the
// request; "" for a code that is not known here.
func Explain(code string) string {
	switch code {
	case "invalid_request":
		return "a parameter is missing, given twice or malformed: compare grant_type and its fields with the server's documentation"
	case "invalid_client":
		return "the client was not accepted: the id is not known, the secret is wrong, or the server expects them elsewhere (`basic`, or client_id and client_secret in the form)"
	case "invalid_grant":
		return "what was given as a grant (code, refresh token, password, assertion) is wrong, expired, used before or another client's"
	case "unauthorized_client":
		return "this client may not use this grant_type: the server's administrator has to allow it"
	case "unsupported_grant_type":
		return "the server does not know this grant_type, or did not find it: it must stand in the form"
	case "invalid_scope":
		return "a scope is not known, malformed or more than this client may have; several scopes are one text, joined by blanks"
	case "invalid_token":
		return "the token is expired, revoked, malformed, or for another server"
	case "insufficient_scope":
		return "the token is good and its scopes do not allow this: ask for the scope where the token is fetched"
	case "invalid_target":
		return "the resource or audience is not known to the server"
	case "invalid_dpop_proof":
		return "the server wants a token that is bound to a key (DPoP), and did not accept the proof of the key: it compares method, URL, time and token"
	case "use_dpop_nonce":
		return "the server wants a token that is bound to a key (DPoP), and a proof with the nonce that it gave last"
	case "temporarily_unavailable":
		return "the server is overloaded or in maintenance: try again later"
	case "access_denied":
		return "the user or the server denied it"
	case "authorization_pending", "slow_down":
		return "nobody has confirmed at the device yet"
	case "expired_token":
		return "the device code is expired: begin anew"
	}
	return ""
}
