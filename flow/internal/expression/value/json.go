package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// MaxDepth is how deep lists and objects may be nested in JSON.
const MaxDepth = 200

// A LimitError says that a text is larger or deeper than is read.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

var errNotJSON = errors.New("it is not valid JSON")

// CheckJSON says whether text is one valid JSON value, at most MaxDepth deep. Too
// deep a text is a *LimitError; other errors say where the text stops being JSON.
// It uses no stack and no memory to speak of, whatever the text is.
func CheckJSON(text []byte) error {
	if err := CheckDepth(text); err != nil || json.Valid(text) {
		return err
	}
	return ExplainJSON(text)
}

// CheckDepth says whether a JSON text is at most MaxDepth deep, with a
// *LimitError. Of what is not JSON it says nothing.
func CheckDepth(text []byte) error {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i = stringEnd(text, i+1)
		case '[', '{':
			if depth++; depth > MaxDepth {
				return &LimitError{fmt.Sprintf("the JSON is nested deeper than %d levels", MaxDepth)}
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}

// stringEnd is the place of the quote that ends a string which begins at a place.
func stringEnd(text []byte, from int) int {
	for at := from; ; {
		quote := bytes.IndexByte(text[at:], '"')
		if quote < 0 {
			return len(text)
		}
		at += quote
		before := at
		for before > from && text[before-1] == '\\' {
			before--
		}
		if (at-before)%2 == 0 {
			return at
		}
		at++
	}
}

// ExplainJSON says where a text stops being JSON.
func ExplainJSON(text []byte) error {
	var raw json.RawMessage
	err := json.Unmarshal(text, &raw)
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return errNotJSON
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return errors.New("it is empty")
	}
	at := min(max(int(syntax.Offset)-1, 0), len(text))
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	column := 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:at], '\n')+1:at])
	return fmt.Errorf("it is not valid JSON: %s (line %d, column %d)", strings.TrimPrefix(syntax.Error(), "json: "), line, column)
}

// A document is a list or an object of JSON that is read one level at a time.
type document struct {
	raw    string      // begins with [ or {
	asked  atomic.Bool // one member was looked up
	once   sync.Once
	list   []any
	object map[string]any
	err    error
}

// Scan reads a scalar, or wraps a list or an object. What is no JSON is null.
func Scan(raw string) any {
	raw = strings.Trim(raw, " \t\r\n")
	if raw == "" {
		return nil
	}
	switch raw[0] {
	case '{', '[':
		return &document{raw: raw}
	case '"':
		return unquote(raw)
	case 't':
		return true
	case 'f':
		return false
	case 'n':
		return nil
	}
	return scanNumber(raw)
}

func unquote(raw string) string {
	if len(raw) >= 2 && strings.IndexByte(raw, '\\') < 0 {
		return strings.ToValidUTF8(raw[1:len(raw)-1], "\uFFFD")
	}
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

// read reads the document's first level, once.
func (d *document) read() {
	d.once.Do(func() {
		if d.raw[0] == '[' {
			d.list = []any{}
		} else {
			d.object = map[string]any{}
		}
		d.err = d.each(func(key string, raw string) bool {
			if d.object == nil {
				d.list = append(d.list, Scan(raw))
				return true
			}
			if _, twice := d.object[key]; !twice {
				d.object[key] = Scan(raw)
			}
			return true
		})
	})
}

// each calls found with each member or item until it says false.
func (d *document) each(found func(key, raw string) bool) error {
	s, i := d.raw, Blank(d.raw, 1)
	end := byte(']')
	if s[0] == '{' {
		end = '}'
	}
	for i < len(s) && s[i] != end {
		key := ""
		if end == '}' {
			after := skip(s, i)
			if after < 0 || s[i] != '"' {
				return errNotJSON
			}
			key = unquote(s[i:after])
			if i = Blank(s, after); i >= len(s) || s[i] != ':' {
				return errNotJSON
			}
			i = Blank(s, i+1)
		}
		after := skip(s, i)
		if after < 0 {
			return errNotJSON
		}
		if !found(key, s[i:after]) {
			return nil
		}
		if i = Blank(s, after); i < len(s) && s[i] == ',' {
			i = Blank(s, i+1)
		}
	}
	if i >= len(s) {
		return errNotJSON
	}
	return nil
}

// Members gives the members of a JSON object in their order, each with its
// JSON text. What is no object has none.
func Members(object string) iter.Seq2[string, string] {
	return func(yield func(key, text string) bool) {
		if d, ok := Scan(object).(*document); ok && d.raw[0] == '{' {
			_ = d.each(yield) // up to where it is no JSON
		}
	}
}

// member finds one member. The first is looked for without reading the others;
// looked is how many bytes were.
func (d *document) member(name string) (v any, looked int) {
	if d.asked.Swap(true) {
		d.read()
		return d.object[name], 0
	}
	d.each(func(key, raw string) bool {
		if key == name {
			v = Scan(raw)
			return false
		}
		return true
	})
	return v, len(d.raw)
}

// Blank gives the index after the white space at i.
func Blank(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r') {
		i++
	}
	return i
}

// skip gives the index after the JSON value that begins at i, or -1.
func skip(s string, i int) int {
	depth, from := 0, i
	for i < len(s) {
		switch s[i] {
		case '"':
			if i = SkipString(s, i); i < 0 {
				return -1
			}
			if depth == 0 {
				return i
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			} else if depth < 0 {
				return scalarEnd(from, i)
			}
		case ',', ':', ' ', '\n', '\t', '\r':
			if depth == 0 {
				return scalarEnd(from, i)
			}
		}
		i++
	}
	if depth != 0 {
		return -1
	}
	return scalarEnd(from, i)
}

func scalarEnd(from, i int) int {
	if i == from {
		return -1
	}
	return i
}

// SkipString gives the index after the quoted string that begins at i, or -1.
func SkipString(s string, i int) int {
	for i++; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// AsList is the items of a list, and false for what is none.
func AsList(v any) ([]any, bool, error) {
	switch v := v.(type) {
	case []any:
		return v, true, nil
	case *document:
		if v.raw[0] == '[' {
			v.read()
			return v.list, true, v.err
		}
	}
	return nil, false, nil
}

// AsObject is the members of an object, and false for what is none.
func AsObject(v any) (map[string]any, bool, error) {
	switch v := v.(type) {
	case map[string]any:
		return v, true, nil
	case *document:
		if v.raw[0] == '{' {
			v.read()
			return v.object, true, v.err
		}
	}
	return nil, false, nil
}

// appendJSON appends a value as JSON. Documents stand as they came, unless all
// is to be sorted and compact.
func appendJSON(b []byte, v any, sorted bool, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, Failure(fmt.Sprintf("the value is nested deeper than %d levels", MaxDepth))
	}
	if len(b) > MaxBytes { // a small value can be a large text: a list that holds one list many times
		return nil, Failure(fmt.Sprintf("the value makes more than %d MiB of JSON", MaxBytes>>20))
	}
	switch t := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendString(b, t), nil
	case time.Time:
		s, err := formatTime(t)
		if err != nil {
			return nil, err
		}
		return appendString(b, s), nil
	case *document:
		if !sorted {
			return append(b, t.raw...), nil
		}
	case time.Duration, []byte, *time.Location:
		_, err := TextOf(v)
		err.Message = "a value " + strings.Replace(err.Message, "text", "JSON", 1)
		return nil, err
	}
	if list, ok, err := AsList(v); ok {
		if err != nil {
			return nil, err
		}
		return appendList(b, list, sorted, depth)
	}
	if object, ok, err := AsObject(v); ok {
		if err != nil {
			return nil, err
		}
		return appendObject(b, object, sorted, depth)
	}
	s, err := TextOf(v) // booleans and numbers
	if err != nil {
		return nil, err
	}
	return append(b, s...), nil
}

func appendList(b []byte, list []any, sorted bool, depth int) (_ []byte, err error) {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSON(b, item, sorted, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object map[string]any, sorted bool, depth int) (_ []byte, err error) {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(object)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		if b, err = appendJSON(b, object[key], sorted, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
