// Package datapoints holds what a run keeps: typed values that know whether
// they may be shown, their history, and the stores that keep them.
//
// It is the lowest floor: the standard library only.
package datapoints

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Class says where a value may be shown.
type Class uint8

// A Sensitive value is shown nowhere and stored only encrypted; a PII value is
// shown in outputs and to who asks for it, not in progress, diagnostics and logs.
const (
	Plain Class = iota
	PII
	Sensitive
)

// String gives "plain", "pii" or "sensitive".
func (c Class) String() string {
	switch c {
	case Plain:
		return "plain"
	case PII:
		return "pii"
	}
	return "sensitive"
}

// A Value is a JSON text with the digits and the order of keys it came with.
// However it is printed, logged or marshalled, a sensitive one shows as
// "[secret NAME]", a personal one as "[pii NAME]", and members of a plain one
// whose name is sensitive as "[secret NAME]": Reveal is the one way in.
// The zero Value holds nothing (Reveal gives ""). Values are immutable.
type Value struct {
	text   string
	marked *marked // nil: plain
}

// A marked text is behind pointers, because package fmt prints the unexported
// fields of a struct that a value lies in, and follows one pointer to a struct.
type marked struct {
	text  *string
	label string
	class Class
}

// JSON makes a value of a JSON text. The caller vouches that it is valid;
// nothing looks at it. An empty text makes the zero Value.
func JSON(text string) Value { return Value{text: text} }

// Text makes a value that is a JSON string. Bytes that are not UTF-8 become
// U+FFFD, since JSON has no form for them.
func Text(s string) Value { return Value{text: quote(s)} }

// Of makes a value of anything that encoding/json can marshal, without
// escaping <, > and &. It fails as json.Marshal does. A Value is passed through
// as it is, a json.RawMessage or json.Number keeps its digits.
func Of(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return JSON("null"), nil
	case Value:
		return v, nil
	case string:
		return Text(v), nil
	case bool:
		return JSON(strconv.FormatBool(v)), nil
	case int:
		return JSON(strconv.Itoa(v)), nil
	case int64:
		return JSON(strconv.FormatInt(v, 10)), nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return Value{}, err
	}
	return JSON(strings.TrimSuffix(b.String(), "\n")), nil
}

// Mark raises the class of a value and names it; it never lowers the class.
// Marked again with the same class it gets the new label, unless that is "".
// The zero Value stays the zero Value, and a plain one has no label.
func (v Value) Mark(class Class, label string) Value {
	if v.IsZero() || class == Plain || class < v.Class() {
		return v
	}
	if label == "" {
		label = v.Label()
	}
	text := v.Reveal()
	return Value{marked: &marked{text: &text, label: label, class: class}}
}

// Class says where the value may be shown.
func (v Value) Class() Class {
	if v.marked == nil {
		return Plain
	}
	return v.marked.class
}

// Label is the name that a masked value shows, "" for a plain one.
func (v Value) Label() string {
	if v.marked == nil {
		return ""
	}
	return v.marked.label
}

// IsZero says whether there is nothing here, not even null.
func (v Value) IsZero() bool { return v.text == "" && v.marked == nil }

// IsNull says whether the value is the zero Value or JSON's null.
func (v Value) IsNull() bool {
	t := v.Reveal()
	return t == "" || t == "null"
}

// IsText says whether the value is a JSON string.
func (v Value) IsText() bool {
	t := v.Reveal()
	return t != "" && t[0] == '"'
}

// Reveal gives the JSON text, whatever its class.
func (v Value) Reveal() string {
	if v.marked != nil {
		return *v.marked.text
	}
	return v.text
}

// RevealText gives the content of a JSON string, and the JSON text of anything
// else, whatever its class.
func (v Value) RevealText() string {
	t := v.Reveal()
	if s, ok := unquote(t); ok {
		return s
	}
	return t
}

// Equal says whether both hold the same JSON text, class and label.
func (v Value) Equal(w Value) bool {
	return v.Reveal() == w.Reveal() && v.Class() == w.Class() && v.Label() == w.Label()
}

// Shown gives the JSON text that outputs and whoever asks for the value may
// see: personal values as they are, sensitive ones and sensitive members masked.
// The zero Value shows as null.
func (v Value) Shown() string {
	if v.IsZero() {
		return "null"
	}
	if v.Class() == Sensitive {
		return quote(v.mask())
	}
	return MaskMembers(v.Reveal())
}

// String gives the content of a JSON string or the JSON text, masked.
func (v Value) String() string {
	if v.Class() != Plain {
		return v.mask()
	}
	if s, ok := unquote(v.text); ok {
		return s
	}
	return MaskMembers(v.text)
}

// GoString gives the masked value as a Go string.
func (v Value) GoString() string { return "datapoints.Value(" + strconv.Quote(v.String()) + ")" }

// Format prints the masked value for every verb: no verb shows more.
func (v Value) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'q':
		fmt.Fprint(f, strconv.Quote(v.String()))
	case verb == 'v' && f.Flag('#'):
		fmt.Fprint(f, v.GoString())
	default:
		fmt.Fprintf(f, fmt.FormatString(plainState{f}, 's'), v.String())
	}
}

// plainState keeps width and precision of a verb, and drops flags that would
// make fmt ask the value again.
type plainState struct{ fmt.State }

func (p plainState) Flag(c int) bool { return c == '-' && p.State.Flag(c) }

// MarshalJSON gives the JSON text, masked; the zero Value is null.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.Class() != Plain {
		return []byte(quote(v.mask())), nil
	}
	return []byte(v.Shown()), nil
}

// MarshalText gives what String gives.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// LogValue gives what String gives.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

func (v Value) mask() string {
	if v.Class() == PII {
		return masked("pii", v.Label())
	}
	return masked("secret", v.Label())
}

func masked(kind, label string) string {
	if label == "" {
		return "[" + kind + "]"
	}
	return "[" + kind + " " + label + "]"
}

// quote writes s as a JSON string without escaping <, > and &.
func quote(s string) string {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == '"' || c == '\\' {
			return quoteSlow(s)
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.ValidString(s) {
		return quoteSlow(s)
	}
	return `"` + s + `"`
}

func quoteSlow(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string and a buffer: cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

// unquote gives the content of a JSON string; ok is false for anything else.
func unquote(text string) (s string, ok bool) {
	text = strings.Trim(text, " \t\r\n")
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", false
	}
	inner := text[1 : len(text)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner, true
	}
	return unquoteSlow(text)
}

func unquoteSlow(text string) (string, bool) {
	var s string
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil
}
