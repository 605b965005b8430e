package syntax

import (
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

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
