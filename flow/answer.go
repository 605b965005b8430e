package flow

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// An answer is a result while expressions look at it.
type answer struct {
	result  Result
	copied  string // of result.Body, once: bodies may be large
	checked bool
	err     error
	parsed  expression.Value
}

// text is the body as text.
func (a *answer) text() string {
	if a.copied == "" {
		a.copied = string(a.result.Body)
	}
	return a.copied
}

// body is the parsed body: null if it is empty, an error if it is not JSON.
func (a *answer) body() (expression.Value, error) {
	if !a.checked {
		a.checked = true
		if text := strings.TrimSpace(a.text()); text == "" {
			a.parsed = expression.Of(nil)
		} else if a.err = expression.CheckJSON(a.result.Body); a.err == nil {
			a.parsed = expression.FromJSON(text)
		}
	}
	if a.err != nil {
		return expression.Value{}, &Error{Kind: KindExtract, Message: "the answer's body is not JSON: " + a.describe(), Status: a.result.Status, Err: a.err}
	}
	return a.parsed, nil
}

// describe says what a body that is not JSON is.
func (a *answer) describe() string {
	text := strings.TrimSpace(a.text())
	what := "it is text"
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		what = "it is an HTML page"
	case text[0] == '<':
		what = "it is XML"
	case text[0] == '{', text[0] == '[':
		return "it begins like JSON, but " + a.err.Error()
	}
	return fmt.Sprintf("%s that begins with %q", what, firstRunes(text, 40))
}

func (a *answer) headers() expression.Value {
	m := make(map[string]any, len(a.result.Headers))
	for name, values := range a.result.Headers {
		m[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return expression.Of(m)
}

// links are the answer's links by relation, resolved against its URL (RFC 8288).
func (a *answer) links() expression.Value {
	base, err := url.Parse(a.result.URL)
	if err != nil {
		base = &url.URL{}
	}
	m := map[string]any{}
	for name, values := range a.result.Headers {
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

// expect checks the author's expectations of an answer. All that do not hold
// are told, with the value of each part.
func (w *work) expect(x *plan.Expect, e *env) error {
	var broken *Error
	for i := range x.That {
		that := &x.That[i]
		ok, err := w.holds(that.Program, e)
		if err != nil {
			bad := *asError(err)
			bad.Place = that.Span
			return &bad
		}
		if ok {
			continue
		}
		words := ownWords(that.Message, e)
		if broken == nil {
			broken = &Error{Kind: KindExpect, Message: "an expectation does not hold", Place: that.Span, Status: e.answer.result.Status, Body: e.answer.result.Body}
			if words != "" {
				broken.Message = words
			}
		} else if words != "" {
			broken.Facts = append(broken.Facts, Fact{"and", words})
		}
		broken.Facts = append(broken.Facts, Fact{"expected", that.Source})
		for _, part := range that.Program.Parts(e) {
			broken.Facts = append(broken.Facts, Fact{part.Source, part.Value})
		}
	}
	if broken != nil {
		return broken
	}
	if x.Schema == nil {
		return nil
	}
	body, err := e.answer.body()
	if err != nil {
		return err
	}
	text, err := body.JSON()
	if err == nil {
		err = x.Schema.Validate(text)
	}
	if err != nil {
		return &Error{Kind: KindExpect, Message: "the answer does not fit the schema: " + err.Error(), Status: e.answer.result.Status, Body: e.answer.result.Body}
	}
	return nil
}

// ownWords are the author's words for an expectation that does not hold. What
// they speak of may be missing, just because it does not hold: then there are none.
func ownWords(t *expression.Template, e *env) string {
	if t == nil {
		return ""
	}
	v, err := t.Render(e)
	if err != nil {
		return ""
	}
	text, _ := v.Text()
	return text
}
