// Package ordered reads JSON texts member by member, in the order written,
// without building maps and without losing digits. It never recurses: depth
// costs nothing.
package ordered

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// errSyntax is what Err gives for a text that is not JSON as far as it was read.
var errSyntax = errors.New("not valid JSON")

// A Reader goes through the members of one object or the items of one list.
// It sees the braces, commas and quotes of the level it reads; what lies
// deeper is skipped by its brackets, not checked.
type Reader struct {
	text  string
	at    int
	first bool
	shut  byte // the closing bracket; 0: nothing to read
	err   error
}

// Read starts on an object or a list. Anything else has no members: Next gives
// false at once and Err says nothing, unless the text is empty or broken.
func Read(text string) Reader {
	r := Reader{text: text, first: true}
	r.space()
	if r.at == len(text) {
		r.err = errSyntax
		return r
	}
	switch text[r.at] {
	case '{':
		r.shut = '}'
		r.at++
	case '[':
		r.shut = ']'
		r.at++
	}
	return r
}

// Err is not nil if the text turned out to be no JSON. It is known for certain
// when Next has given false.
func (r *Reader) Err() error { return r.err }

// Next gives the next member: its key ("" in a list) and its value as it is written.
func (r *Reader) Next() (key, value string, ok bool) {
	if r.err != nil || r.shut == 0 {
		return "", "", false
	}
	r.space()
	if r.at < len(r.text) && r.text[r.at] == r.shut && r.first {
		return r.end()
	}
	if !r.first {
		switch r.take() {
		case ',':
		case r.shut:
			r.at--
			return r.end()
		default:
			return r.fail()
		}
	}
	r.first = false
	if r.shut == '}' {
		r.space()
		from := r.at
		if r.at == len(r.text) || r.text[r.at] != '"' || !r.string() {
			return r.fail()
		}
		key = Text(r.text[from:r.at])
		r.space()
		if r.take() != ':' {
			return r.fail()
		}
	}
	r.space()
	from := r.at
	if !r.skip() {
		return r.fail()
	}
	value = r.text[from:r.at]
	r.space()
	return key, value, true
}

func (r *Reader) end() (string, string, bool) {
	r.at++
	r.shut = 0
	r.space()
	if r.at != len(r.text) {
		r.err = errSyntax
	}
	return "", "", false
}

func (r *Reader) fail() (string, string, bool) {
	r.err = errSyntax
	return "", "", false
}

func (r *Reader) take() byte {
	if r.at == len(r.text) {
		return 0
	}
	r.at++
	return r.text[r.at-1]
}

func (r *Reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// string steps over a string; at stands on its first quote.
func (r *Reader) string() bool {
	for i := r.at + 1; i < len(r.text); i++ {
		switch r.text[i] {
		case '\\':
			i++
		case '"':
			r.at = i + 1
			return true
		}
	}
	return false
}

// skip steps over one value.
func (r *Reader) skip() bool {
	depth := 0
	for r.at < len(r.text) {
		switch c := r.text[r.at]; c {
		case '"':
			if !r.string() {
				return false
			}
		case '{', '[':
			depth++
			r.at++
		case '}', ']':
			if depth == 0 {
				return false
			}
			depth--
			r.at++
		case ' ', '\t', '\r', '\n', ',', ':':
			if depth == 0 {
				return false
			}
			r.at++
		default:
			for r.at < len(r.text) && plain(r.text[r.at]) {
				r.at++
			}
			if c < '!' || c > '~' {
				return false
			}
		}
		if depth == 0 {
			return true
		}
	}
	return false
}

// plain says whether c may be inside a number, true, false or null.
func plain(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ',', ':', '}', ']', '{', '[', '"':
		return false
	}
	return true
}

// Text gives the content of a JSON string, and anything else as it is written.
func Text(value string) string {
	if len(value) < 2 || value[0] != '"' {
		return value
	}
	inner := value[1 : len(value)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	if json.Unmarshal([]byte(value), &s) != nil {
		return inner
	}
	return s
}

// Scalar gives the text of a string, number or boolean as the flow language
// writes it: numbers with their digits and without an exponent. It is false for
// null, objects and lists.
func Scalar(value string) (string, bool) {
	if value == "" {
		return "", false
	}
	switch value[0] {
	case '"':
		return Text(value), true
	case 't', 'f':
		return value, true
	case 'n', '{', '[':
		return "", false
	}
	if strings.ContainsAny(value, "eE") {
		if f, err := strconv.ParseFloat(value, 64); err == nil {
			return strconv.FormatFloat(f, 'f', -1, 64), true
		}
	}
	return value, true
}

// AppendQuoted appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, since JSON has no form for them.
func AppendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = strings.ToValidUTF8(s, "\uFFFD")
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	b = append(b, s[from:]...)
	return append(b, '"')
}
