package answer

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Find looks a saved value up. The text is JSON.
func (a *Answer) Find(s *plan.Save, e expression.Env) (text string, there bool, err error) {
	switch s.Source {
	case plan.FromPath:
		return a.findPath(s)
	case plan.FromExpression:
		v, err := s.Expression.Eval(e)
		if err != nil {
			return "", false, err
		}
		text, err = v.JSON()
		return text, true, err
	case plan.FromHeader:
		return textOf(strings.Join(headerValues(a.Headers, s.Text), ", "), len(headerValues(a.Headers, s.Text)) > 0, s)
	case plan.FromCookie:
		value, ok := cookie(a.Headers, s.Text)
		return textOf(value, ok, s)
	case plan.FromRegex:
		m := s.Regex.FindStringSubmatch(a.Text())
		if m == nil {
			return "", false, nil
		}
		return textOf(m[min(1, len(m)-1)], true, s)
	}
	if s.Text == "base64" {
		return Quote(base64.StdEncoding.EncodeToString(a.Body)), true, nil
	}
	return Quote(a.Text()), true, nil
}

// findPath reads a gjson path. Of a listed answer that is not 2xx, a body that
// is empty or not JSON counts as not there.
func (a *Answer) findPath(s *plan.Save) (text string, there bool, err error) {
	if strings.HasPrefix(s.Path.Source(), "..") {
		for line := range strings.Lines(a.Text()) {
			if line = strings.TrimSpace(line); line != "" && expression.CheckJSON([]byte(line)) != nil {
				if a.Status/100 != 2 && a.Status != 0 {
					return "", false, nil
				}
				return "", false, &Problem{Kind: "extract", Message: "the answer's body is not JSON lines: " + (&Answer{Body: []byte(line)}).describe()}
			}
		}
	} else if empty, err := a.valid(); err != nil || empty {
		var problem *Problem
		if errors.As(err, &problem) && len(problem.Hints) == 0 {
			problem.Hints = a.otherwise()
		}
		switch {
		case a.Status/100 != 2 && a.Status != 0:
			return "", false, nil
		case err != nil:
			return "", false, err
		case s.Default == nil && !s.Optional:
			return "", false, &Problem{Kind: "extract", Message: fmt.Sprintf("the answer has no %q: its body is empty", s.Path.Source())}
		}
	}
	text, there = s.Path.GetBytes(a.json())
	return text, there, nil
}

// textOf is a text that was found, converted to the type that is asked for.
func textOf(s string, there bool, to *plan.Save) (string, bool, error) {
	if !there {
		return "", false, nil
	}
	if to.Type.Kind == expression.Any {
		return Quote(s), true, nil
	}
	text, err := plan.FromText(s, to.Type)
	if err != nil {
		return "", false, &Problem{Kind: "data", Message: fmt.Sprintf("%s %v; it is %s", to.Point.Name, err, Shown(s, to.Class, to.Point.Name))}
	}
	return text, true, nil
}

func headerValues(h map[string][]string, name string) []string {
	if v, ok := h[name]; ok {
		return v
	}
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return nil
}

// cookie is the value that the answer sets for a cookie (RFC 6265 §4.1).
func cookie(h map[string][]string, name string) (string, bool) {
	for _, line := range headerValues(h, "Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		if k, v, ok := strings.Cut(pair, "="); ok && strings.TrimSpace(k) == name {
			return strings.Trim(strings.TrimSpace(v), `"`), true
		}
	}
	return "", false
}

// cookieNames are the names of the cookies that the answer sets.
func cookieNames(h map[string][]string) string {
	var names []string
	for _, line := range headerValues(h, "Set-Cookie") {
		if name, _, found := strings.Cut(line, "="); found {
			names = append(names, Beginning(strings.TrimSpace(name), 80))
		}
	}
	return strings.Join(names, ", ")
}

// Missing is the problem of a value that the answer does not have.
func (a *Answer) Missing(s *plan.Save) *Problem {
	err := &Problem{Kind: "extract"}
	hint := "if it may be missing, write `optional: true` or a `default`"
	switch s.Source {
	case plan.FromPath:
		err.Message = fmt.Sprintf("the answer has no %q", s.Path.Source())
		text := string(a.json())
		if found, ok := s.Path.Get(text); ok && found == "null" {
			err.Message = fmt.Sprintf("%q is null in the answer", s.Path.Source())
		} else if dead := s.Path.DeadEnd(text); dead != "" {
			err.Message += ": " + dead
		} else if near := s.Path.Nearest(text, 3); len(near) > 0 {
			err.Facts = []Fact{{"nearest", strings.Join(near, ", ")}}
		}
		if inside := a.inside(s.Path); inside != "" {
			hint = "a path begins inside of the body: write " + inside
		}
	case plan.FromHeader:
		err.Message = fmt.Sprintf("the answer has no header %s", s.Text)
		if names := headerNames(a.Headers); names != "" {
			err.Facts = []Fact{{"headers", names}}
		}
	case plan.FromCookie:
		err.Message = fmt.Sprintf("the answer sets no cookie %s", s.Text)
		if names := cookieNames(a.Headers); names != "" {
			err.Facts = []Fact{{"cookies", names}}
		}
	case plan.FromRegex:
		err.Message = fmt.Sprintf("the answer's text does not match %s", s.Text)
	default:
		err.Message = fmt.Sprintf("`%s` is null", s.Text)
	}
	err.Hints = []string{hint}
	return err
}

// otherwise says how a body that is no JSON can be saved.
func (a *Answer) otherwise() []string {
	switch text := strings.TrimSpace(a.Text()); {
	case text == "" || text[0] == '{' || text[0] == '[':
		return nil
	case text[0] == '<' && !strings.HasPrefix(text, "<?xml"):
		return []string{"compare the URL with the server's documentation, or ask for JSON: `headers: { Accept: application/json }`"}
	}
	return []string{"`body: text` saves the whole of it, `regex: \"…(…)…\"` a part"}
}

// inside is a path without the `response.body.` that expressions begin with, if
// the answer has something there; else "".
func (a *Answer) inside(p *expression.Path) string {
	rest, ok := strings.CutPrefix(p.Source(), "response.")
	rest, body := strings.CutPrefix(rest, "body.")
	if !ok && !body {
		return ""
	}
	inner, problems := expression.CompilePath(rest)
	if len(problems) > 0 {
		return ""
	}
	if _, there := inner.GetBytes(a.json()); !there {
		return ""
	}
	return rest
}

func headerNames(h map[string][]string) string {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// Source is where a value came from, for its history.
func Source(s *plan.Save) string {
	switch s.Source {
	case plan.FromPath:
		return "path " + s.Path.Source()
	case plan.FromExpression:
		return "expression " + s.Expression.Source()
	case plan.FromHeader:
		return "header " + s.Text
	case plan.FromCookie:
		return "cookie " + s.Text
	case plan.FromRegex:
		return "regex " + s.Text
	}
	return "body " + s.Text
}

// Shown is a value as a failure may show it.
func Shown(text string, c plan.Class, name string) string {
	switch c {
	case plan.Sensitive:
		return "[secret " + name + "]"
	case plan.PII:
		return "[pii " + name + "]"
	}
	return Beginning(text, 80)
}

// maxForm is how large a body may be to be read as a form.
const maxForm = 64 << 10

// Secrets calls found for everything sensitive that the answer holds, also if
// nothing of it is saved.
func (a *Answer) Secrets(saves []plan.Save, e expression.Env, found func(name, secret string)) {
	for _, s := range saves {
		s.Type = expression.Type{}
		if s.Class != plan.Sensitive {
			continue
		}
		if text, there, err := a.Find(&s, e); err == nil && there {
			for secret := range datapoints.Leaves(text) {
				found(s.Point.Name, secret)
			}
		}
	}
	for name, secret := range datapoints.SensitiveMembers(a.Text()) {
		found(name, secret)
	}
	pairs := func(text string) {
		values, _ := url.ParseQuery(text) // what cannot be read is left out
		for name, list := range values {
			for _, v := range list {
				if datapoints.SensitiveName(name) {
					found(name, v)
				}
			}
		}
	}
	if text := a.Text(); len(text) <= maxForm {
		pairs(text)
	}
	for name, values := range a.Headers {
		for _, v := range values {
			if strings.EqualFold(name, "Set-Cookie") {
				pair, _, _ := strings.Cut(v, ";")
				_, v, _ = strings.Cut(pair, "=")
				v = strings.Trim(v, ` "`)
			}
			if datapoints.SensitiveName(name) {
				found(name, v)
			} else if u, err := url.Parse(v); err == nil && name == "Location" {
				pairs(u.RawQuery)
				pairs(u.EscapedFragment())
			}
		}
	}
}
