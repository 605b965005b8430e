package expression

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A place is where in a URL an expression stands; it decides the escaping.
type place uint8

const (
	atBase  place = iota // at the very beginning: raw, it may hold everything
	atHost               // in the authority, or straight after a base
	inPath               // one segment
	inQuery              // one component; in a fragment too
)

// urlParts is what is known of a template that is a URL.
type urlParts struct {
	relative bool
	origin   taint // of the expressions that decide scheme, host and port
}

// CompileURL compiles a URL: a scalar whose expressions are escaped for the place
// where they stand, unless they are raw(…). With problems of severity
// diag.Error the template is nil.
func CompileURL(text string, s Scope) (*Template, []Problem) {
	t := &Template{source: text, url: &urlParts{}}
	problems := t.compile(s, true)
	t.whole = false
	if len(problems) == 0 {
		problems = t.places()
	}
	return t.checked(problems)
}

// Relative says whether a URL begins with "/", so that it is appended to
// base_url.
func (t *Template) Relative() bool { return t.url != nil && t.url.relative }

// OriginForeign says whether the part of a URL that decides where it goes
// (scheme, host, port) reads data or a response.
func (t *Template) OriginForeign() bool { return t.url != nil && t.url.origin.foreign }

// OriginSensitive says whether something sensitive decides where a URL goes.
func (t *Template) OriginSensitive() bool { return t.url != nil && t.url.origin.sensitive }

// places finds out where in the URL each expression stands.
func (t *Template) places() (problems []Problem) {
	at, adjacent, off := atBase, false, 0
	for i := range t.segments {
		s := &t.segments[i]
		if s.program == nil {
			if i == 0 {
				if p := t.begin(s.text); p != nil {
					return append(problems, *p)
				}
				at = atHost
				if t.url.relative {
					at = inPath
				}
			}
			if name := strings.IndexByte(authority(s.text, at), '@'); name >= 0 {
				from := off + utf8.RuneCountInString(s.text[:name])
				problems = append(problems, Problem{From: from, To: from + 1, Code: diag.BadURL,
					Message: "a user name or password has no place in a URL", Hint: "write `basic: {username, password}` in `with`"})
			}
			at = follow(s.text, at)
			adjacent, off = false, off+utf8.RuneCountInString(s.text)
			continue
		}
		about := s.program.root.about()
		s.at = at
		if at <= atHost {
			t.url.origin = t.url.origin.and(about.taint)
		}
		if at == atHost && adjacent && !s.raw {
			problems = append(problems, Problem{From: about.from, To: about.to, Code: diag.BadURL,
				Message: "it cannot be told where in the URL this stands", Hint: "put a `/` between the two expressions, or write raw(" + s.program.Source() + ")"})
		}
		if at == atBase {
			at, adjacent = atHost, true
		}
	}
	return problems
}

// begin looks at constant text at the beginning of a URL.
func (t *Template) begin(text string) *Problem {
	whole := Problem{To: utf8.RuneCountInString(text), Code: diag.BadURL}
	if text[0] == '/' {
		t.url.relative = true
		return nil
	}
	scheme, _, ok := strings.Cut(text, "://")
	switch {
	case text[0] <= ' ':
		whole.Message, whole.Hint = "a URL cannot begin with a blank", "remove it"
	case !ok || word(scheme, 0) != len(scheme):
		whole.Message, whole.Hint = "a URL begins with https://, with http://, or with `/` to go to base_url", "write https:// in front of it, or `/`"
	case !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		whole.To = utf8.RuneCountInString(scheme)
		whole.Message, whole.Hint = fmt.Sprintf("a URL cannot have the scheme %q", scheme), "write https:// or http://"
	default:
		return nil
	}
	return &whole
}

// authority is the part of constant text that belongs to the host.
func authority(text string, at place) string {
	if at > atHost {
		return ""
	}
	from := 0
	if i := strings.Index(text, "://"); i >= 0 && strings.IndexAny(text, "/?#\\") == i+1 {
		from = i + 3
	}
	if i := strings.IndexAny(text[from:], "/?#\\"); i >= 0 {
		return text[:from+i]
	}
	return text
}

// follow gives the place after constant text that begins at a place.
func follow(text string, at place) place {
	if at <= atHost {
		host := authority(text, at)
		if len(host) == len(text) {
			return atHost
		}
		text, at = text[len(host):], inPath
	}
	if strings.ContainsAny(text, "?#") {
		at = inQuery
	}
	return at
}

// writeURL appends a URL, everything escaped for its place.
func (t *Template) writeURL(b *strings.Builder, env Env) error {
	b.Grow(len(t.source) + 16*len(t.segments))
	segment := b.Len() // where the path's present segment begins in b
	var in *Program
	for i := range t.segments {
		s := &t.segments[i]
		text := s.text
		if s.program != nil {
			var err *Error
			if text, err = s.escaped(env); err != nil {
				return err
			}
			switch {
			case s.raw:
			case s.at == inPath:
				in = s.program
			case s.at == atBase && i+1 < len(t.segments) && strings.HasPrefix(t.segments[i+1].text, "/"):
				text = withoutSlash(text)
			}
			b.WriteString(text)
			continue
		}
		if in != nil {
			if end := strings.IndexAny(text, "/?#"); end >= 0 {
				if err := dots(b.String()[segment:]+text[:end], in); err != nil {
					return err
				}
				in = nil
			}
		}
		if slash := strings.LastIndexByte(text, '/'); slash >= 0 {
			segment = b.Len() + slash + 1
		}
		b.WriteString(text)
	}
	if in != nil {
		if err := dots(b.String()[segment:], in); err != nil {
			return err
		}
	}
	return nil
}

// withoutSlash is a base that a "/" follows, which takes the place of its own,
// as it does at base_url.
func withoutSlash(base string) string {
	if cut := strings.TrimRight(base, "/"); cut != "" && !strings.HasSuffix(cut, ":") && !strings.ContainsAny(cut, "?#") {
		return cut
	}
	return base
}

// dots refuses a path segment that an expression has made `.` or `..`.
func dots(segment string, p *Program) error {
	if segment == "." || segment == ".." {
		return p.fail(KindData, fmt.Sprintf("makes a segment `%s` of the URL's path", segment), "raw(…) writes it as it is")
	}
	return nil
}

// escaped evaluates an expression for its place in the URL.
func (s *segment) escaped(env Env) (string, *Error) {
	text, err := s.program.text(env)
	if err != nil {
		err.Kind = KindData
		return "", err
	}
	switch {
	case s.raw || s.at == atBase:
		if i := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }); i >= 0 {
			return "", s.program.fail(KindData, "holds a blank or a control character, which a URL cannot")
		}
		if text == "" && s.at == atBase {
			return "", s.program.fail(KindData, "is empty, so the URL has no beginning")
		}
		return text, nil
	case s.at == atHost:
		return text, s.hostError(text)
	case s.at == inPath:
		switch text {
		case "":
			return "", s.program.fail(KindData, "is empty, so the URL would be another one", "write need(…), or raw(…) if it may be empty")
		case ".", "..":
			return "", s.program.fail(KindData, fmt.Sprintf("is `%s`, which means another folder in a URL", text))
		}
	}
	return value.EscapeURL(text), nil
}

func (s *segment) hostError(text string) *Error {
	if text == "" {
		return s.program.fail(KindData, "is empty, so the URL's host would be another one")
	}
	for i := range len(text) {
		if c := text[i]; !value.Unreserved(c) || c == '_' || c == '~' {
			return s.program.fail(KindData, "holds a character that a host cannot: only letters, digits, `-` and `.` may stand there",
				"raw(…) writes it as it is")
		}
	}
	return nil
}

// Secrets gives the texts of the sensitive expressions in a text or a URL, as
// they are before they are escaped.
func (t *Template) Secrets(env Env) (texts []string) {
	for _, s := range t.segments {
		if s.program == nil || !s.program.Sensitive() {
			continue
		}
		if text, err := s.program.text(env); err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

// OfBase is the template as a URL whose values are not escaped: a "/" behind
// the base that it begins with takes the place of the base's own.
func (t *Template) OfBase() *Template {
	of := *t
	of.based = true
	return &of
}
