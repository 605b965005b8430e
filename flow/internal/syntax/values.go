package syntax

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

// ParseDuration reads a constant duration: numbers with ms s m h d, also
// joined (1h30m, 3d, 1.5s). It is never negative. The error says what is wrong
// in words for the author.
func ParseDuration(text string) (time.Duration, error) {
	rest := text
	var sum time.Duration
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		value, ok := new(big.Rat).SetString(rest[:n])
		if n == 0 || n > 20 || !ok || rest[n-1] == '.' || rest[0] == '.' {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		rest = rest[n:]
		n = len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ"))
		if n == 0 && rest == "" {
			return 0, fmt.Errorf("%q has no unit", text)
		}
		if n == 0 {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		unit, known := durationUnits[rest[:n]]
		if !known {
			return 0, fmt.Errorf("%q is no unit of time", rest[:n])
		}
		rest = rest[n:]
		value.Mul(value, new(big.Rat).SetInt64(int64(unit)))
		whole := new(big.Int).Quo(value.Num(), value.Denom())
		if !whole.IsInt64() || whole.Int64() > math.MaxInt64-int64(sum) {
			return 0, fmt.Errorf("%q is too long", text)
		}
		sum += time.Duration(whole.Int64())
	}
	if text == "" {
		return 0, errors.New("a duration is empty")
	}
	return sum, nil
}

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// ParseSize reads a constant size: a number of bytes, or a number with KiB MiB
// GiB (powers of 1024) or KB MB GB (of 1000). The error says what is wrong in
// words for the author.
func ParseSize(text string) (int64, error) {
	n := len(text) - len(strings.TrimLeft(text, "0123456789."))
	value, ok := new(big.Rat).SetString(text[:n])
	if n == 0 || n > 20 || !ok || text[n-1] == '.' || text[0] == '.' {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	unit := strings.TrimLeft(text[n:], " ")
	factor, known := sizeUnits[unit]
	if !known {
		return 0, fmt.Errorf("%q is no unit of size", unit)
	}
	value.Mul(value, new(big.Rat).SetInt64(factor))
	if !value.IsInt() {
		return 0, fmt.Errorf("%q is not a whole number of bytes", text)
	}
	if !value.Num().IsInt64() {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return value.Num().Int64(), nil
}

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9,
}

// status reads 200 or 2xx.
func status(text string) (StatusRange, bool) {
	if len(text) != 3 || text[0] < '1' || text[0] > '5' {
		return StatusRange{}, false
	}
	if text[1:] == "xx" {
		from := int(text[0]-'0') * 100
		return StatusRange{from, from + 99}, true
	}
	n, err := strconv.Atoi(text)
	return StatusRange{n, n}, err == nil
}

// describe says what a value is, for an error about its shape.
func describe(n *Node) string {
	switch n.Kind {
	case Null:
		return "nothing"
	case Boolean:
		return n.Text
	case Number:
		return "the number " + short(n.Text)
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	if n.marks.src != nil && n.marks.src.plain[n.marks.start] {
		return "a text"
	}
	return fmt.Sprintf("the text %q", short(n.Text))
}

// short cuts a text for a message.
func short(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if r := []rune(text); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return text
}

// scanExpression goes over quotes and brackets. With an end it gives the place
// behind the end that is in no bracket; without, the length of s and whether
// everything in it is closed.
func scanExpression(s, end string) (at int, closed bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			n := stringLength(s[i:])
			if n < 0 {
				return len(s), false
			}
			i += n - 1
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth <= 0 && end != "" && strings.HasPrefix(s[i:], end) {
				return i + len(end), true
			}
			depth--
		}
	}
	return len(s), end == "" && depth <= 0
}

// stringLength is the length of the quoted text at the beginning of s; -1 if
// it has no end.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] != '`':
			i++
		}
	}
	return -1
}

// maxMeant bounds how far is looked for the end of what was meant.
const maxMeant = 4096

// flowEnd is the length of what was meant as one value in a flow mapping or
// list: up to a separator outside of quotes and brackets.
func flowEnd(s string) int {
	s = s[:min(len(s), maxMeant)]
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			if n := stringLength(s[i:]); n > 0 {
				i += n - 1
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// quoted is text as a quoted scalar.
func quoted(text string) string {
	switch {
	case !strings.ContainsAny(text, `"\`):
		return `"` + text + `"`
	case !strings.Contains(text, "'"):
		return "'" + text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func styleOf(y *yaml.Node) style {
	switch {
	case y.Style&yaml.DoubleQuotedStyle != 0:
		return doubleQuoted
	case y.Style&yaml.SingleQuotedStyle != 0:
		return singleQuoted
	case y.Style&yaml.LiteralStyle != 0:
		return literal
	case y.Style&yaml.FoldedStyle != 0:
		return folded
	}
	return plain
}

// scalar converts a scalar: only JSON's scalars have a type.
func (c *converter) scalar(y *yaml.Node, n *Node, tag string) {
	n.Text = y.Value
	n.marks.style = styleOf(y)
	n.Kind = String
	if n.marks.style == plain && tag != "!!str" && tag != "!" || valueTag(tag) {
		n.Kind = kindOf(n.Text)
	}
	want, given := map[string]Kind{"!!null": Null, "!!bool": Boolean, "!!int": Number, "!!float": Number}[tag]
	if given && want != n.Kind {
		c.report(n.Span, diag.WrongValue, "remove the tag", "%s is not what the tag %s says", describe(n), tag)
	}
	w := walk{src: c.src, text: n.Text, at: n.marks.start, lean: true}
	switch s := n.marks.style; s {
	case literal, folded:
		n.Span = c.src.upTo(n.Span, n.marks.start, n.marks.start+1)
		return
	case plain:
		if rest := c.src.text[n.marks.start:]; strings.HasPrefix(rest, n.Text) {
			w.at += len(n.Text)
		} else {
			w.scalar(s)
		}
		n.marks.end = w.at
	default:
		w.scalar(s)
		n.marks.end = min(w.at+1, len(c.src.text))
	}
	n.Span = c.src.upTo(n.Span, n.marks.start, n.marks.end)
	if n.marks.style == plain {
		c.comment(n)
	}
}

// valueTag says whether the tag names one of JSON's scalars.
func valueTag(tag string) bool {
	return tag == "!!null" || tag == "!!bool" || tag == "!!int" || tag == "!!float"
}

// kindOf is the kind of an unquoted scalar.
func kindOf(text string) Kind {
	switch text {
	case "", "~", "null":
		return Null
	case "true", "false":
		return Boolean
	}
	if isNumber(text) {
		return Number
	}
	return String
}

// isNumber says whether text is a number as JSON writes it (RFC 8259 §6).
func isNumber(text string) bool {
	text = strings.TrimPrefix(text, "-")
	whole := digits(text)
	if whole == 0 || whole > 1 && text[0] == '0' {
		return false
	}
	text = text[whole:]
	if strings.HasPrefix(text, ".") {
		n := digits(text[1:])
		if n == 0 {
			return false
		}
		text = text[1+n:]
	}
	if text != "" && (text[0] == 'e' || text[0] == 'E') {
		text = text[1:]
		if text != "" && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		n := digits(text)
		return n > 0 && n == len(text)
	}
	return text == ""
}

func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

// properties skips anchor and tag before a value and reports a tag that is not
// one of JSON's. It gives the tag.
func (c *converter) properties(y *yaml.Node, n *Node) string {
	at, tag := n.marks.start, ""
	nothing := y.Kind == yaml.ScalarNode && y.Value == "" && styleOf(y) == plain
	for at < len(c.src.text) && (c.src.text[at] == '&' || c.src.text[at] == '!') {
		word := propertyAt(c.src.text[at:])
		if word[0] == '!' {
			tag = word
			n.marks.tag, n.marks.tagAt = tag, at
			if !standardTag(tag) {
				c.reportTag(at, tag)
			}
		}
		at += len(word)
		if !nothing {
			at = c.src.skipBlank(at)
		} else if next := c.src.skipBlank(at); next < len(c.src.text) && (c.src.text[next] == '!' || c.src.text[next] == '&') && c.src.line(next) == c.src.line(at) {
			at = next
		}
	}
	n.marks.start, n.marks.end = at, at
	return tag
}

func (c *converter) reportTag(at int, tag string) {
	span := c.src.span(at, at+len(tag))
	if tag == "!!binary" {
		c.report(span, diag.CustomTag, "keep the base64 text and use unbase64()", "!!binary is not allowed in a flow")
		return
	}
	c.report(span, diag.CustomTag, "remove it, or quote the text if the ! belongs to it", "%s is a tag to YAML, and a flow has none", tag)
}

func standardTag(tag string) bool {
	return valueTag(tag) || tag == "!!str" || tag == "!!map" || tag == "!!seq"
}

// tagAt is the tag that begins at a byte, or "".
func (c *converter) tagAt(at int) string {
	if at < len(c.src.text) && c.src.text[at] == '!' {
		return propertyAt(c.src.text[at:])
	}
	return ""
}

// propertyAt is the anchor or tag at the beginning of s. An anchor's name is
// letters, digits, _ and -, whatever follows; a tag goes up to a blank.
func propertyAt(s string) string {
	if s[0] == '&' {
		name := strings.TrimLeft(s[1:], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-")
		return s[:len(s)-len(name)]
	}
	end := strings.IndexAny(s, " \t\r\n")
	if end < 0 {
		end = len(s)
	}
	return s[:max(end, 1)]
}

// skipBlank passes blanks, line breaks and comments.
func (s *source) skipBlank(at int) int {
	for at < len(s.text) {
		switch s.text[at] {
		case ' ', '\t', '\n', '\r':
			at++
		case '#':
			at += len(s.rest(at))
		default:
			return at
		}
	}
	return at
}

// isWord says whether a byte is of a letter or digit.
func isWord(c byte) bool {
	return c >= utf8.RuneSelf || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
