// Package answer reads what a call was answered: its body, headers and links,
// for expressions, for what is saved, and for people.
package answer

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
)

// An Answer is what came back while expressions look at it.
type Answer struct {
	Status  int                 // of HTTP; 0 where there is none
	Headers map[string][]string // names in canonical form
	Body    []byte
	URL     string // that answered
	Took    time.Duration

	copied  string // of Body, once: bodies may be large
	checked bool   // empty and err say something
	empty   bool
	err     error
	parsed  bool // value is the body
	value   expression.Value
}

// Text is the body as text.
func (a *Answer) Text() string {
	if a.copied == "" {
		a.copied = string(a.Body)
	}
	return a.copied
}

// JSON is the parsed body: null if it is empty, an error if it is not JSON.
func (a *Answer) JSON() (expression.Value, error) {
	empty, err := a.valid()
	switch {
	case err != nil:
		return expression.Value{}, err
	case empty:
		return expression.Of(nil), nil
	case !a.parsed:
		a.parsed, a.value = true, expression.FromJSON(strings.TrimSpace(strings.TrimPrefix(a.Text(), byteOrderMark)))
	}
	return a.value, nil
}

// valid says whether the body is empty, or why it is not JSON. It makes no
// copy: most bodies are only looked into by paths.
func (a *Answer) valid() (empty bool, err error) {
	if !a.checked {
		a.checked = true
		if a.empty = len(bytes.TrimSpace(a.json())) == 0; !a.empty {
			if a.err = expression.CheckJSON(a.json()); a.err == nil && !utf8.Valid(a.Body) {
				a.err = errNotUTF8
			}
		}
	}
	if a.err == errNotUTF8 {
		return false, a.notUTF8()
	}
	if a.err != nil {
		return false, &Problem{Kind: "extract", Message: "the answer's body is not JSON: " + a.describe(), Err: a.err}
	}
	return a.empty, nil
}

// errNotUTF8 is the error of JSON in another encoding: its letters would be lost.
var errNotUTF8 = errors.New("not UTF-8")

// notUTF8 says so (RFC 8259 §8.1), and in what the server says that it writes.
func (a *Answer) notUTF8() *Problem {
	p := &Problem{Kind: "extract", Message: "the answer's body is not JSON: it is not UTF-8", Err: errNotUTF8,
		Hints: []string{"ask the server for UTF-8; `body: base64` saves the bytes as they are"}}
	if _, charset, found := strings.Cut(strings.ToLower(strings.Join(headerValues(a.Headers, "Content-Type"), "")), "charset="); found {
		p.Message += fmt.Sprintf(" (the server says %s)", Beginning(strings.Trim(charset, `" `), 40))
	}
	return p
}

// byteOrderMark may stand before JSON, and is none of it (RFC 8259 §8.1).
const byteOrderMark = "\ufeff"

// json is the body as its readers take it.
func (a *Answer) json() []byte { return bytes.TrimPrefix(a.Body, []byte(byteOrderMark)) }

// describe says what a body that is not JSON is.
func (a *Answer) describe() string {
	text := strings.TrimSpace(string(a.json()))
	what := "it is text"
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		what = "it is an HTML page"
	case text[0] == '<':
		what = "it is XML"
	case text[0] == '{', text[0] == '[':
		if err := expression.CheckJSON(a.json()); err != nil {
			return "it begins like JSON, but " + err.Error()
		}
	}
	return fmt.Sprintf("%s that begins with %q", what, Beginning(text, 40))
}

// A Problem is why something cannot be had from an answer. Its kind is one of
// the flow language.
type Problem struct {
	Kind, Message string
	Facts         []Fact
	Hints         []string
	Err           error
}

// A Fact is one line below a problem.
type Fact struct{ Name, Text string }

func (p *Problem) Error() string { return p.Message }

// Unwrap is the cause.
func (p *Problem) Unwrap() error { return p.Err }

// Member is a member of `response`. Without an answer, of the zero Answer,
// the status is 0 and the body null.
func (a *Answer) Member(name string) (expression.Value, error) {
	switch name {
	case "status":
		return expression.Of(a.Status), nil
	case "headers":
		return a.headers(), nil
	case "text":
		return expression.FromText(a.Text()), nil
	case "duration":
		return expression.Of(a.Took.Seconds()), nil
	case "url":
		return expression.FromText(a.URL), nil
	case "links":
		return a.links(), nil
	}
	return a.JSON()
}

// Resolve makes a reference of the answer's an address (RFC 3986 §5.2).
func (a *Answer) Resolve(ref string) (string, error) {
	to, err := url.Parse(strings.TrimSpace(ref))
	if err != nil {
		return "", &Problem{Kind: "data", Message: "what leads to the next page cannot be read as a URL", Err: err}
	}
	base, err := url.Parse(a.URL)
	if err != nil {
		return ref, nil // of an action that says no URL
	}
	return base.ResolveReference(to).String(), nil
}

// Join puts the lists of several pages one after the other; of anything else
// the last counts. Lists and other values for one name are a Problem, and so
// is a list of more than limit bytes. The name is what they are saved as.
func Join(name string, texts []string, limit int) (string, error) {
	lists, size := 0, 2
	for _, text := range texts {
		if size += len(text); strings.HasPrefix(text, "[") {
			lists++
		}
	}
	switch {
	case lists == 0:
		return texts[len(texts)-1], nil
	case lists < len(texts):
		return "", &Problem{Kind: "data", Message: name + " is a list on one page and something else on another: they cannot be joined"}
	case size > limit:
		return "", &Problem{Kind: "limit", Message: fmt.Sprintf("the list %s is larger than %d MiB", name, limit>>20)}
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteByte('[')
	for _, text := range texts {
		text = strings.TrimSpace(text[1 : len(text)-1])
		if text != "" && b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	b.WriteByte(']')
	return b.String(), nil
}

func (a *Answer) headers() expression.Value {
	m := make(map[string]any, len(a.Headers))
	for name, values := range a.Headers {
		m[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return expression.Of(m)
}

// links are the answer's links by relation, resolved against its URL (RFC 8288).
func (a *Answer) links() expression.Value {
	base, err := url.Parse(a.URL)
	if err != nil {
		base = &url.URL{}
	}
	m := map[string]any{}
	for name, values := range a.Headers {
		if !strings.EqualFold(name, "Link") {
			continue
		}
		for _, v := range values {
			parseLinks(v, func(target, rel string) {
				ref, err := url.Parse(target)
				if _, taken := m[rel]; err == nil && !taken {
					m[rel] = base.ResolveReference(ref).String()
				}
			})
		}
	}
	return expression.Of(m)
}

// parseLinks calls found for each relation of a Link header's value.
func parseLinks(v string, found func(target, rel string)) {
	for {
		_, rest, ok := strings.Cut(v, "<")
		if !ok {
			return
		}
		target, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return
		}
		var params string
		params, v = cutLink(rest)
		for p := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "rel") {
				continue
			}
			for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
				found(strings.TrimSpace(target), strings.ToLower(rel))
			}
		}
	}
}

// cutLink splits the parameters of one link from the links after it, at a
// comma that is not quoted.
func cutLink(s string) (params, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// Quote is s as JSON, with no more escapes than it needs.
func Quote(s string) string { return datapoints.Text(s).Reveal() }

// Beginning is the beginning of a text, at most n characters.
func Beginning(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}
