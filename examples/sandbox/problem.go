package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// problem is an application/problem+json body (RFC 9457); Errors names the fields.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Errors []fieldProblem `json:"errors,omitempty"`
}

type fieldProblem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// answer is a response before it is written, so that it can be given again.
type answer struct {
	status int
	header map[string]string
	body   any // nil: no body
}

func problemAnswer(status int, detail string, errors ...fieldProblem) answer {
	return answer{
		status: status,
		header: map[string]string{"Content-Type": "application/problem+json"},
		body:   problem{"about:blank", http.StatusText(status), status, detail, errors},
	}
}

func (a answer) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if a.body == nil {
		setAll(header, a.header)
		w.WriteHeader(a.status)
		return
	}
	text, err := json.Marshal(a.body)
	if err != nil {
		http.Error(w, "the sandbox could not write its answer", http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "application/json")
	setAll(header, a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(append(text, '\n')) // a client that left needs no answer
}

func setAll(header http.Header, values map[string]string) {
	for name, value := range values {
		header.Set(name, value)
	}
}

func writeProblem(w http.ResponseWriter, status int, detail string, errors ...fieldProblem) {
	problemAnswer(status, detail, errors...).write(w)
}

// fields takes a JSON object apart and gathers everything that is wrong with it.
type fields struct {
	values   map[string]any
	known    []string
	problems []fieldProblem
}

// readFields reads a JSON object from the body. The answer is what to say if it is none.
func readFields(r *http.Request) (*fields, *answer) {
	if kind, given := mediaType(r); kind != "application/json" {
		a := problemAnswer(http.StatusUnsupportedMediaType, "the body must be application/json, this one is "+given)
		return nil, &a
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a := problemAnswer(http.StatusBadRequest, "the body could not be read")
		return nil, &a
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil || values == nil {
		a := problemAnswer(http.StatusBadRequest, "the body must be a JSON object")
		return nil, &a
	}
	if _, err := decoder.Token(); err != io.EOF {
		a := problemAnswer(http.StatusBadRequest, "there is more in the body after the JSON object")
		return nil, &a
	}
	return &fields{values: values}, nil
}

// mediaType is the body's type without parameters, and what to call it in a message.
func mediaType(r *http.Request) (kind, given string) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return "", "without a Content-Type"
	}
	kind, _, err := mime.ParseMediaType(header)
	if err != nil {
		return "", strconv.Quote(header)
	}
	return kind, kind
}

// refuse is the answer to everything that was found wrong, or nil. Call it after the last field.
func (f *fields) refuse() *answer {
	for _, name := range sortedKeys(f.values) {
		if !slices.Contains(f.known, name) {
			f.wrong(name, "is not a field of this call; it takes %s", strings.Join(f.known, ", "))
		}
	}
	if len(f.problems) == 0 {
		return nil
	}
	a := problemAnswer(http.StatusUnprocessableEntity,
		f.problems[0].Field+" "+f.problems[0].Message, f.problems...)
	return &a
}

func (f *fields) wrong(field, format string, args ...any) {
	f.problems = append(f.problems, fieldProblem{field, fmt.Sprintf(format, args...)})
}

// take returns a field's value and whether it is there; a null is not.
func (f *fields) take(name string) (any, bool) {
	f.known = append(f.known, name)
	value := f.values[name]
	return value, value != nil
}

// text is a field that must be there and hold text.
func (f *fields) text(name string) string {
	value, ok := f.take(name)
	if !ok {
		f.wrong(name, "is missing")
		return ""
	}
	text, ok := value.(string)
	switch {
	case !ok:
		f.wrong(name, "must be text, this is %s", kindOf(value))
	case strings.TrimSpace(text) == "":
		f.wrong(name, "must not be empty")
	}
	return text
}

// integer is a field that must hold a whole number from low to high; without it, it is otherwise.
func (f *fields) integer(name string, low, high, otherwise int) int {
	value, ok := f.take(name)
	if !ok {
		if otherwise < low {
			f.wrong(name, "is missing")
		}
		return otherwise
	}
	number, ok := value.(json.Number)
	if !ok {
		f.wrong(name, "must be a whole number, this is %s", kindOf(value))
		return otherwise
	}
	n, err := strconv.Atoi(number.String())
	if err != nil || n < low || n > high {
		f.wrong(name, "must be a whole number from %d to %d, this is %s", low, high, number)
	}
	return n
}

// boolean is a field that may be left out: then it is false.
func (f *fields) boolean(name string) bool {
	value, ok := f.take(name)
	if !ok {
		return false
	}
	b, ok := value.(bool)
	if !ok {
		f.wrong(name, "must be true or false, this is %s", kindOf(value))
	}
	return b
}

// texts is a field that must hold a list of at least one text.
func (f *fields) texts(name string) []string {
	value, ok := f.take(name)
	if !ok {
		f.wrong(name, "is missing")
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		f.wrong(name, "must be a list, this is %s", kindOf(value))
		return nil
	}
	if len(list) == 0 {
		f.wrong(name, "must not be empty")
	}
	var texts []string
	for i, item := range list {
		text, ok := item.(string)
		if !ok {
			f.wrong(fmt.Sprintf("%s[%d]", name, i), "must be text, this is %s", kindOf(item))
		}
		texts = append(texts, text)
	}
	return texts
}

// time is a field that must hold a time as RFC 3339 writes it.
func (f *fields) time(name string) time.Time {
	text := f.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		f.wrong(name, "must be a time such as 2026-11-21T09:30:00Z")
	}
	return t
}

// kindOf names a JSON value's kind.
func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "text"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case enum:
		return "a bare word"
	default:
		return "an object"
	}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
