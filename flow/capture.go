package flow

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// maxValue is the limit of one saved value, maxRun that of all of a run.
const (
	maxValue = 1 << 20
	maxRun   = 256 << 20
)

// capture takes what a call saves out of its answer.
func (w *work) capture(spec *plan.CallSpec, e *env, path string, attempt int) ([]datapoints.Point, error) {
	var points []datapoints.Point
	for i := range spec.Save {
		s := &spec.Save[i]
		if len(s.Status) > 0 && !statusIn(s.Status, e.answer.result.Status) {
			continue
		}
		text, there, err := w.find(s, e)
		if err != nil {
			return nil, savedError(err, s)
		}
		source := sourceText(s)
		if !there || text == "null" {
			switch {
			case s.Default != nil:
				source = "default"
				if text, err = s.Default.JSON(); err != nil {
					return nil, savedError(err, s)
				}
			case s.Optional:
				continue
			default:
				return nil, savedError(w.missing(s, e), s)
			}
		}
		p, err := newPoint(s.Point, s.Type, s.Class, text, e, path)
		if err != nil {
			return nil, savedError(err, s)
		}
		p.Attempt, p.Source = attempt, source
		points = append(points, p)
	}
	return points, nil
}

func savedError(err error, s *plan.Save) error {
	e := *asError(err)
	if e.Place.Line == 0 {
		e.Place = s.Span
	}
	return &e
}

// find looks a saved value up. The text is JSON.
func (w *work) find(s *plan.Save, e *env) (text string, there bool, err error) {
	a := e.answer
	switch s.Source {
	case plan.FromPath:
		return findPath(s, a)
	case plan.FromExpression:
		v, err := s.Expression.Eval(e)
		if err != nil {
			return "", false, err
		}
		text, err = v.JSON()
		return text, true, err
	case plan.FromHeader:
		return textOf(strings.Join(headerValues(a.result.Headers, s.Text), ", "), len(headerValues(a.result.Headers, s.Text)) > 0, s)
	case plan.FromCookie:
		value, ok := cookie(a.result.Headers, s.Text)
		return textOf(value, ok, s)
	case plan.FromRegex:
		m := s.Regex.FindStringSubmatch(a.text())
		if m == nil {
			return "", false, nil
		}
		return textOf(m[min(1, len(m)-1)], true, s)
	}
	if s.Text == "base64" {
		return jsonString(base64.StdEncoding.EncodeToString(a.result.Body)), true, nil
	}
	return jsonString(a.text()), true, nil
}

// findPath reads a gjson path. Of a listed answer that is not 2xx, a body that
// is empty or not JSON counts as not there.
func findPath(s *plan.Save, a *answer) (text string, there bool, err error) {
	body := a.text()
	if strings.HasPrefix(s.Path.Source(), "..") {
		for line := range strings.Lines(body) {
			if line = strings.TrimSpace(line); line != "" && expression.CheckJSON([]byte(line)) != nil {
				if a.result.Status/100 != 2 && a.result.Status != 0 {
					return "", false, nil
				}
				return "", false, &Error{Kind: KindExtract, Message: "the answer's body is not JSON lines: " + (&answer{result: Result{Body: []byte(line)}}).describeSafely()}
			}
		}
	} else if v, err := a.body(); err != nil || v.IsNull() {
		switch {
		case a.result.Status/100 != 2 && a.result.Status != 0:
			return "", false, nil
		case err != nil:
			return "", false, err
		case strings.TrimSpace(body) == "" && s.Default == nil && !s.Optional:
			return "", false, &Error{Kind: KindExtract, Message: fmt.Sprintf("the answer has no %q: its body is empty", s.Path.Source())}
		}
	}
	text, there = s.Path.Get(body)
	return text, there, nil
}

func (a *answer) describeSafely() string {
	if a.err == nil {
		a.err = expression.CheckJSON(a.result.Body)
	}
	return a.describe()
}

// textOf is a text that was found, converted to the type that is asked for.
func textOf(s string, there bool, to *plan.Save) (string, bool, error) {
	if !there {
		return "", false, nil
	}
	if to.Type.Kind == expression.Any {
		return jsonString(s), true, nil
	}
	text, err := plan.FromText(s, to.Type)
	if err != nil {
		return "", false, &Error{Kind: KindData, Message: fmt.Sprintf("%s %v; it is %s", to.Point.Name, err, shownOf(s, to.Class, to.Point.Name))}
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

// missing is the error for a value that the answer does not have.
func (w *work) missing(s *plan.Save, e *env) error {
	a := e.answer
	err := &Error{Kind: KindExtract, Status: a.result.Status, Body: a.result.Body}
	hint := "if it may be missing, write `optional: true` or a `default`"
	switch s.Source {
	case plan.FromPath:
		err.Message = fmt.Sprintf("the answer has no %q", s.Path.Source())
		if text, ok := s.Path.Get(a.text()); ok && text == "null" {
			err.Message = fmt.Sprintf("%q is null in the answer", s.Path.Source())
		} else if near := s.Path.Nearest(a.text(), 3); len(near) > 0 {
			err.Facts = []Fact{{"nearest", strings.Join(near, ", ")}}
		}
	case plan.FromHeader:
		err.Message = fmt.Sprintf("the answer has no header %s", s.Text)
		if names := headerNames(a.result.Headers); names != "" {
			err.Facts = []Fact{{"headers", names}}
		}
	case plan.FromCookie:
		err.Message = fmt.Sprintf("the answer sets no cookie %s", s.Text)
	case plan.FromRegex:
		err.Message = fmt.Sprintf("the answer's text does not match %s", s.Text)
	default:
		err.Message = fmt.Sprintf("`%s` is null", s.Text)
	}
	err.Hints = []string{hint}
	return err
}

func headerNames(h map[string][]string) string {
	names := make([]string, 0, len(h))
	for n := range h {
		names = append(names, n)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

func sourceText(s *plan.Save) string {
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

// assign evaluates one name of `set`.
func (w *work) assign(a *plan.Assign, e *env, path string, attempt int) (datapoints.Point, error) {
	text := "null"
	if !a.Unset {
		var b strings.Builder
		if err := a.Value.Render(&b, e); err != nil {
			return datapoints.Point{}, placed(err)
		}
		if text = b.String(); text == "null" {
			return datapoints.Point{}, &Error{Kind: KindData, Place: a.Span, Message: fmt.Sprintf("the expression for %s gives null", a.Point.Name),
				Hints: []string{"write a value for that case with `??`, or `null` alone to unset the name"}}
		}
	}
	p, err := newPoint(a.Point, expression.Type{}, a.Class, text, e, path)
	if err != nil {
		bad := *asError(err)
		bad.Place = a.Span
		return p, &bad
	}
	p.Attempt, p.Source = attempt, "set"
	return p, nil
}

// shownOf is a value as a failure may show it.
func shownOf(text string, c plan.Class, name string) string {
	switch c {
	case plan.Sensitive:
		return "[secret " + name + "]"
	case plan.PII:
		return "[pii " + name + "]"
	}
	return firstRunes(text, 80)
}

// newPoint makes a version of a data point of a value that fits.
func newPoint(p *plan.Point, t expression.Type, c plan.Class, text string, e *env, path string) (datapoints.Point, error) {
	rule := plan.Rule{Type: t}
	if p.Rule != nil {
		rule = *p.Rule
		if t.Kind != expression.Any {
			rule.Type = t
		}
	}
	if text != "null" {
		if err := rule.Fits(text); err != nil {
			return datapoints.Point{}, &Error{Kind: KindData, Message: fmt.Sprintf("%s %v; it is %s", p.Name, err, shownOf(text, c, p.Name))}
		}
	}
	if len(text) > maxValue {
		return datapoints.Point{}, &Error{Kind: KindLimit, Message: fmt.Sprintf("%s has %d bytes; a data point may have 1 MiB", p.Name, len(text)),
			Hints: []string{"save the parts that later steps need, or write the body to a file with `save_to`"}}
	}
	kind := rule.Type.String()
	return datapoints.Point{Slot: datapoints.Slot{Scope: record.Instance(p.Scope, e.path), Name: p.Name}, Type: kind, Step: path,
		At: time.Now(), Value: marked(text, c, p.Name)}, nil
}

// admit makes sensitive values known to the redactor, and refuses what may not
// be stored as things are.
func (w *work) admit(points []datapoints.Point) error {
	size := w.state.Size()
	for i := range points {
		v := points[i].Value
		size += len(v.Reveal())
		inside := w.mask(points[i].Name, v.Reveal(), v.Class() == datapoints.Sensitive)
		if text := datapoints.MaskMembers(v.Reveal()); v.Class() != datapoints.Sensitive && w.redactor.Text(text) != text {
			inside = true // a server told it a secret
			points[i].Value = v.Mark(datapoints.Sensitive, points[i].Name)
		}
		if inside && w.open() {
			return &Error{Kind: KindStore, Message: fmt.Sprintf("%s holds something sensitive and the store is not encrypted", points[i].Name), Hints: []string{keyHelp}}
		}
	}
	if size > maxRun {
		return &Error{Kind: KindLimit, Message: "the data points of this run are larger than 256 MiB"}
	}
	return nil
}

// mask makes what is sensitive in a JSON text known to the redactor, and says
// whether anything is.
func (w *work) mask(name, text string, sensitive bool) bool {
	if sensitive {
		w.protect(name, text)
	}
	for name, secret := range datapoints.SensitiveMembers(text) {
		sensitive = true
		w.redactor.Add(name, secret)
	}
	return sensitive
}

// open says that what is recorded could be read by others: the store lasts and
// is not encrypted.
func (w *work) open() bool {
	t := w.x.store().Traits()
	return t.Lasts && !t.Sealed
}

// keyHelp says how to give a key.
const keyHelp = "wrap the store: datapoints.Seal(store, key); on the command line give --key-file or STEPWELL_KEY"

// protect masks a value, and every text in it, wherever it would be shown.
func (w *work) protect(label, value string) {
	for text := range datapoints.Leaves(value) {
		w.redactor.Add(label, text)
	}
}

func (w *work) redact(s string) string { return w.redactor.Excerpt(s) }

func saved(points []datapoints.Point) []Saved {
	list := make([]Saved, len(points))
	for i := range points {
		list[i] = Saved{points[i].Name, -1}
		if text := points[i].Value.Reveal(); strings.HasPrefix(text, "[") {
			var items []json.RawMessage
			if json.Unmarshal([]byte(text), &items) == nil {
				list[i].Items = len(items)
			}
		}
	}
	return list
}

// statusText is a status with its usual words (RFC 9110 §15).
func statusText(status int) string {
	words := map[int]string{200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found", 303: "See Other",
		304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
		404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 412: "Precondition Failed",
		413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content", 425: "Too Early", 428: "Precondition Required",
		429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}[status]
	if words == "" {
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + words
}

// displayName is a header's name as people write it.
func displayName(name string) string {
	if name == "Www-Authenticate" {
		return "WWW-Authenticate"
	}
	return name
}
