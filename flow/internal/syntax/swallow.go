package syntax

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// Places where YAML would take a part of what the author wrote for something
// of its own: the flow would run without it.

// comment reports a comment straight after a plain scalar that was probably
// meant as text.
func (c *converter) comment(n *Node) {
	rest := c.src.rest(n.marks.end)
	comment := strings.TrimLeft(rest, " \t")
	if len(comment) == len(rest) || !strings.HasPrefix(comment, "#") {
		return
	}
	at := n.marks.end + len(rest) - len(comment)
	span := c.src.span(at, n.marks.end+len(rest))
	whole := quoted(strings.TrimSpace(n.Text + rest))
	switch {
	case openExpression(n.Text):
		c.report(span, diag.SwallowedByYAML, "write "+whole, "YAML takes the rest of the expression for a comment")
	case strings.Contains(comment, "${{"):
		c.report(span, diag.SwallowedByYAML, "write "+whole, "YAML takes %q for a comment, and an expression is in it", strings.TrimRight(comment, " \t"))
	case !strings.HasPrefix(comment, "# ") && !strings.HasPrefix(comment, "#\t"):
		c.report(span, diag.SwallowedByYAML, fmt.Sprintf(`write %s, or begin the comment with "# "`, whole),
			"YAML takes %q for a comment", strings.TrimRight(comment, " \t"))
	}
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

// openExpression says whether a ${{ in the text has no end.
func openExpression(text string) bool {
	for {
		i := strings.Index(text, "${{")
		if i < 0 {
			return false
		}
		end, closed := scanExpression(text[i+3:], "}}")
		if !closed {
			return true
		}
		text = text[i+3+end:]
	}
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

// flowEnd is the length of what was meant as one value in a flow mapping or
// list: up to a separator outside of quotes and brackets.
func flowEnd(s string) int {
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

// expression takes a value that is a bare expression. What YAML has cut, or
// taken for something else, is reported and not given.
func (r *reader) expression(p Pair) *Node {
	n := p.Value
	switch {
	case n.marks.tag != "" && !standardTag(n.marks.tag):
		r.tagOnExpression(n)
		return nil
	case n.Kind == List || n.Kind == Mapping:
		hint := fmt.Sprintf("write %s", quoted(r.src.text[n.marks.start:max(n.marks.start, min(n.marks.end, n.marks.start+60))]))
		if n.marks.end <= n.marks.start+1 || n.Span.EndColumn-n.Span.Column < 2 {
			hint = ""
		}
		r.report(n.Span, diag.WrongShape, hint, "%q takes an expression, not %s", p.Key, describe(n))
		return nil
	case n.Kind == Null && n.Text == "":
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q is empty; it takes an expression", p.Key)
		return nil
	case n.marks.style == plain && r.cut(n):
		return nil
	}
	if n.Kind != String { // true, 5, null are expressions too
		m := *n
		m.Kind = String
		return &m
	}
	return n
}

// orKey is the place of a value, or of its key where the value is empty.
func orKey(value, key diag.Span) diag.Span {
	if value.EndColumn <= value.Column {
		return key
	}
	return value
}

// tagOnExpression answers `if: !data.done`.
func (r *reader) tagOnExpression(n *Node) {
	from, to := n.marks.tagAt, max(n.marks.end, n.marks.tagAt+len(n.marks.tag))
	written := r.src.text[from:to]
	hint := "write " + quoted(written)
	operand := strings.TrimSpace(strings.TrimPrefix(written, "!"))
	if operand != "" && !strings.ContainsAny(operand, " \t\r\n") {
		hint = "write: not " + operand
	}
	span := r.src.span(from, to)
	r.swallow(span, hint, "YAML takes %s for a tag", n.marks.tag)
}

// cut reports an expression of which a bracket or quote is still open where
// YAML ends it.
func (r *reader) cut(n *Node) bool {
	if _, closed := scanExpression(n.Text, ""); closed {
		return false
	}
	rest := r.src.rest(n.marks.end)
	blank := len(rest) - len(strings.TrimLeft(rest, " \t"))
	switch {
	case blank > 0 && strings.HasPrefix(rest[blank:], "#"):
		whole := strings.TrimSpace(n.Text + rest)
		r.swallow(r.src.span(n.marks.start, n.marks.end+len(rest)), "write "+quoted(whole), "YAML ends the expression at the #: the rest is a comment to it")
		return true
	case n.marks.flow && blank < len(rest):
		text := r.src.rest(n.marks.start)
		end := flowEnd(text)
		if end <= n.marks.end-n.marks.start {
			return false
		}
		whole := strings.TrimSpace(text[:end])
		r.swallow(r.src.span(n.marks.start, n.marks.start+end), "write "+quoted(whole), "YAML ends the expression at the %q", rest[blank:blank+1])
		return true
	}
	return false
}

// swallow reports a place and makes everything else found in it of no account.
func (r *reader) swallow(span diag.Span, hint, format string, a ...any) {
	r.swallowed = append(r.swallowed, span)
	r.report(span, diag.SwallowedByYAML, hint, format, a...)
}

// inSwallowed says whether a place lies in what was reported as a whole.
func (r *reader) inSwallowed(span diag.Span) bool {
	for _, s := range r.swallowed {
		if s.Line == span.Line && s.Column <= span.Column && span.Column < s.EndColumn {
			return true
		}
	}
	return false
}
