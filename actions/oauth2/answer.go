package oauth2

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/actions/internal/challenge"
	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
)

const (
	maxAnswer = 1 << 20
	maxToken  = 16 << 10
)

// paths are Members, compiled.
type paths struct {
	names                          Members
	access, expires, refresh, kind *flow.Path
}

func compilePaths(m Members) (p paths, err error) {
	p.names = m
	for _, f := range []struct {
		name, text string
		to         **flow.Path
	}{
		{"access_token", m.AccessToken, &p.access}, {"expires_in", m.ExpiresIn, &p.expires},
		{"refresh_token", m.RefreshToken, &p.refresh}, {"token_type", m.TokenType, &p.kind},
	} {
		if *f.to, err = flow.CompilePath(f.text); err != nil {
			return p, errors.New("`token." + f.name + "` is not a path: " + err.Error())
		}
	}
	return p, nil
}

// An answer is what a token endpoint gave.
type answer struct {
	access, refresh, kind, scope string
	lifetime                     time.Duration // 0: not told
}

// A flaw is what is wrong with a body that should hold a token.
type flaw struct {
	message string
	hints   []string
	html    bool            // a page for people: another try may find the server
	said    challenge.Error // what the server itself says
}

// normal gives a body as one JSON text, whatever it calls itself: without a
// byte order mark, and a form as an object.
func normal(body []byte) (string, *flaw) {
	body = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("\xef\xbb\xbf")))
	start := bytes.ToLower(body[:min(len(body), 64)])
	switch {
	case len(body) == 0:
		return "", &flaw{message: "the answer is empty"}
	case bytes.HasPrefix(start, []byte("<!doctype html")), bytes.HasPrefix(start, []byte("<html")):
		return "", &flaw{message: "the answer is an HTML page", html: true, hints: []string{"often a login page, a proxy's, or a wrong address"}}
	case body[0] == '<':
		return "", &flaw{message: "the answer is XML, not JSON"}
	case body[0] == '{':
		if err := flow.CheckJSON(body); err != nil {
			return "", &flaw{message: "the answer is not valid JSON: " + err.Error()}
		}
		return string(body), duplicate(string(body))
	case body[0] == '[' || body[0] == '"':
		return "", &flaw{message: "the answer is JSON, but not an object"}
	}
	return formObject(string(body))
}

// duplicate refuses an object with a key that is there twice: readers differ in
// which one they take.
func duplicate(text string) *flaw {
	seen := map[string]bool{}
	r := ordered.Read(text)
	for key, _, ok := r.Next(); ok; key, _, ok = r.Next() {
		if seen[key] {
			return &flaw{message: "the answer has a member twice: " + strconv.Quote(cut(key, 40))}
		}
		seen[key] = true
	}
	return nil
}

// formObject reads a form-encoded answer.
func formObject(text string) (string, *flaw) {
	unread := &flaw{message: "the answer is neither JSON nor a form"}
	if !strings.Contains(text, "=") || strings.ContainsAny(text, " \t\n\r<>{}\"") {
		return "", unread
	}
	form, err := url.ParseQuery(text)
	if err != nil {
		return "", unread
	}
	names := make([]string, 0, len(form))
	for name, values := range form {
		if len(values) > 1 {
			return "", &flaw{message: "the answer has a member twice: " + strconv.Quote(cut(name, 40))}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	b := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(ordered.AppendQuoted(b, name), ':')
		b = ordered.AppendQuoted(b, form[name][0])
	}
	return string(append(b, '}')), nil
}

// read takes a token out of the body of an answer with status 2xx. now is the
// server's time, as far as it is known.
func (p paths) read(body []byte, now time.Time) (answer, *flaw) {
	text, bad := normal(body)
	if bad != nil {
		return answer{}, bad
	}
	if e := saysNo(text); e != nil {
		return answer{}, &flaw{message: "the answer is an error in spite of its status", said: *e}
	}
	raw, there := p.access.Find(text)
	if !there || raw == "null" {
		f := &flaw{message: "the answer has no " + p.names.AccessToken}
		if near := p.access.Nearest(text, 3); len(near) > 0 {
			f.hints = []string{"it has " + strings.Join(near, ", ") + ": `token: {access_token: PATH}` says where the token is"}
		}
		return answer{}, f
	}
	if raw[0] != '"' {
		return answer{}, &flaw{message: "the answer's " + p.names.AccessToken + " is not a text"}
	}
	a := answer{access: ordered.Text(raw)}
	if why := odd(a.access); why != "" {
		return answer{}, &flaw{message: "the answer's " + p.names.AccessToken + " " + why}
	}
	if raw, there := p.refresh.Find(text); there && raw[0] == '"' && len(raw) <= maxToken {
		a.refresh = ordered.Text(raw)
	}
	if raw, there := p.kind.Find(text); there && raw != "null" {
		if raw[0] != '"' {
			return answer{}, &flaw{message: "the answer's " + p.names.TokenType + " is not a text"}
		}
		a.kind = ordered.Text(raw)
	}
	if raw, there := p.expires.Find(text); there {
		if d, told := lifetime(raw, now); told {
			a.lifetime = d
		}
	}
	a.scope = scopeOf(text)
	return a, nil
}

// scopeOf reads the granted scope, also from a list.
func scopeOf(text string) string {
	r := ordered.Read(text)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if key != "scope" {
			continue
		}
		if value[0] == '"' {
			return printable(ordered.Text(value), 1000)
		}
		var list []string
		if json.Unmarshal([]byte(value), &list) == nil {
			return printable(strings.Join(list, " "), 1000)
		}
	}
	return ""
}

// saysNo finds the error of an answer; members that say nothing are none.
func saysNo(text string) *challenge.Error {
	r := ordered.Read(text)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if key != "error" || value == "null" || value == `""` || value == "false" || value == "0" || value == "{}" || value == "[]" {
			continue
		}
		e := challenge.FromBody(text)
		if e.Code == "" && value[0] != '{' {
			e.Code = ordered.Text(value)
		}
		return &e
	}
	return nil
}

// noToken tells the words that programs write where they have nothing.
func noToken(text string) bool {
	return text == "null" || text == "undefined" || text == "None" || text == "nil"
}

// odd says what keeps a token from being sent in a header (RFC 6749 appendix A.12).
func odd(token string) string {
	switch {
	case token == "":
		return "is empty"
	case len(token) > maxToken:
		return "is longer than 16 KiB"
	case noToken(token):
		return "is the word " + token
	case len(token) > 7 && strings.EqualFold(token[:7], "bearer "):
		return "begins with the word Bearer"
	}
	for i := 0; i < len(token); i++ {
		switch b := token[i]; {
		case b == ' ' || b >= '\t' && b <= '\r':
			return "has white space in it"
		case b < ' ' || b == 0x7f:
			return "has a control character in it"
		case b >= utf8.RuneSelf:
			return "has a character in it that is not ASCII"
		}
	}
	return ""
}

// isRange says whether a number was only too large or too small.
func isRange(err error) bool { return errors.Is(err, strconv.ErrRange) }

// cut shortens a text to n characters.
func cut(text string, n int) string {
	for i := range text {
		if n--; n < 0 {
			return text[:i] + "…"
		}
	}
	return text
}
