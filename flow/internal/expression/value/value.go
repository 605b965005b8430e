package value

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// A Value is a run-time value: what was read from JSON, with its digits and the
// order of its keys, or what was computed. It is immutable and may be shared
// between goroutines. The zero Value is null.
type Value struct {
	// One of nil, bool, string, int, float64, number, []byte, time.Time,
	// time.Duration, *time.Location, []any, map[string]any, *document; the items
	// of lists and maps too.
	v any
}

// FromJSON is the value of a valid JSON text (see CheckJSON). Numbers keep their
// digits, objects the order of their keys; of equal keys the first counts.
// Lists and objects are read when they are looked into, each level by itself.
func FromJSON(json string) Value { return Value{Scan(json)} }

// FromText is a string.
func FromText(s string) Value { return Value{s} }

// Of is the value of nil, a bool, string, int, int64, float64, time.Time,
// time.Duration, []byte, Value, []Value, []string, and of []any and
// map[string]any of such. Anything else is null. Lists and maps must not be
// changed afterwards.
func Of(v any) Value { return Value{adopt(v)} }

// Wrap makes a Value of one of the kinds of Go values that expressions compute
// with; Unwrap gives it back.
func Wrap(v any) Value { return Value{v} }

// Unwrap gives what the value is made of: nil, bool, string, int, float64, []byte,
// time.Time, time.Duration, or what KindOf, TextOf, AsList, AsObject, Compare and
// Arithmetic know about.
func (v Value) Unwrap() any { return v.v }

// adopt makes a value one of the kinds that Value holds.
func adopt(v any) any {
	switch v := v.(type) {
	case nil, bool, string, int, float64, []byte, time.Time, time.Duration:
		return v
	case int64:
		return int(v)
	case Value:
		return v.v
	case []Value:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i].v
		}
		return list
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = adopt(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for k, item := range v {
			object[k] = adopt(item)
		}
		return object
	}
	return nil
}

// IsNull says whether the value is null.
func (v Value) IsNull() bool { return v.v == nil }

// Bool is the value of a boolean; ok is false for everything else, null too.
func (v Value) Bool() (value, ok bool) {
	value, ok = v.v.(bool)
	return value, ok
}

// Kind is what sort of value it is. A number is an Integer if its digits have
// neither a point nor an exponent.
func (v Value) Kind() Kind { return KindOf(v.v) }

// KindOf is Value.Kind.
func KindOf(v any) Kind {
	switch v := v.(type) {
	case bool:
		return Boolean
	case string:
		return String
	case int:
		return Integer
	case float64:
		return Number
	case number:
		if v.isInteger() {
			return Integer
		}
		return Number
	case []byte:
		return Bytes
	case time.Time:
		return Time
	case time.Duration:
		return Duration
	case *time.Location:
		return Zone
	case []any:
		return List
	case map[string]any:
		return Object
	case *document:
		if v.raw[0] == '[' {
			return List
		}
		return Object
	}
	return Null
}

// Items are a list's items; ok is false for everything else.
func (v Value) Items() (items []Value, ok bool) {
	list, ok, err := AsList(v.v)
	if !ok || err != nil {
		return nil, false
	}
	items = make([]Value, len(list))
	for i := range list {
		items[i] = Value{list[i]}
	}
	return items, true
}

// Text is the value in mixed text: strings as they are, passed on numbers with
// their digits, computed ones shortest without an exponent, times as RFC 3339.
// Null, lists, objects, durations and bytes are errors that say what to do
// instead.
func (v Value) Text() (string, error) {
	s, err := TextOf(v.v)
	if err != nil {
		return "", err
	}
	return s, nil
}

// TextOf is Value.Text, with an error that begins with a verb.
func TextOf(v any) (string, *Error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case number:
		return string(v), nil
	case float64:
		return formatFloat(v), nil
	case time.Time:
		return formatTime(v)
	case time.Duration:
		return "", Failure("is a duration, which has no form as text", "write .Seconds(), .Milliseconds() or string(…)")
	case []byte:
		return "", Failure("is bytes, which have no form as text", "write hex(…) or base64(…)")
	case *time.Location:
		return "", Failure("is a time zone, which has no form as text", "use it in .In(…) of a time")
	case nil:
		return "", Failure("is null", "write need(…) if there must be a value, or … ?? other if there may be none")
	}
	if KindOf(v) == List {
		return "", Failure("is a list, which has no form as text", "write join(…, \", \") or toJSON(…)")
	}
	return "", Failure("is an object, which has no form as text", "name one of its members, or write toJSON(…)")
}

// Failure is an expression error without a place yet.
func Failure(message string, hints ...string) *Error {
	return &Error{Kind: KindExpression, Message: message, Hints: hints}
}

// formatTime is RFC 3339, with milliseconds only if they are not zero.
func formatTime(t time.Time) (string, *Error) {
	if y := t.Year(); y < 0 || y > 9999 {
		return "", Failure("is a time outside the years 0 to 9999")
	}
	layout := "2006-01-02T15:04:05Z07:00"
	if t.Nanosecond()/int(time.Millisecond) != 0 {
		layout = "2006-01-02T15:04:05.000Z07:00"
	}
	return t.Format(layout), nil
}

// JSON is the value as JSON text: as it came if it was passed on, else compact
// with sorted keys, times as RFC 3339 text. Durations and bytes are errors.
func (v Value) JSON() (string, error) {
	switch v := v.v.(type) {
	case nil:
		return "null", nil
	case number:
		return string(v), nil
	case *document:
		return v.raw, nil
	case string:
		if Plain(v) {
			return `"` + v + `"`, nil
		}
	}
	b, err := appendJSON(nil, v.v, false, 0)
	if err != nil {
		return "", err
	}
	return string(b), nil
}

// Plain says that a text stands in JSON as it is.
func Plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			if c < utf8.RuneSelf {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			} else {
				b = append(b, "\uFFFD"...)
			}
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
