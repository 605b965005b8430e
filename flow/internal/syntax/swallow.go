package syntax

import (
	"fmt"
	"slices"
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
	whole := n.Text + rest
	if text := c.src.rest(n.marks.start); n.marks.flow && strings.HasSuffix(text, rest) {
		whole = text[:flowEnd(text)]
	}
	whole = quoted(strings.TrimSpace(whole))
	switch {
	case openExpression(n.Text):
		n.marks.cut = true
		c.report(span, diag.SwallowedByYAML, "write "+whole, "YAML takes the rest of the expression for a comment")
	case strings.Contains(comment, "${{"):
		c.report(span, diag.SwallowedByYAML, "write "+whole, "YAML takes %q for a comment, and an expression is in it", strings.TrimRight(comment, " \t"))
	case !strings.HasPrefix(comment, "# ") && !strings.HasPrefix(comment, "#\t"):
		c.report(span, diag.SwallowedByYAML, fmt.Sprintf(`write %s, or begin the comment with "# "`, whole),
			"YAML takes %q for a comment", strings.TrimRight(comment, " \t"))
	}
}

// Cut says whether YAML ends the scalar inside of an expression, which Parse
// has reported: what is left of the expression says nothing.
func (n *Node) Cut() bool { return n.marks.cut }

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
	case n.Kind == Null && n.Text == "", n.Kind == String && strings.TrimSpace(n.Text) == "":
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

// bareKeys are the keys whose values are expressions without ${{ }}.
var bareKeys = []string{"if", "in", "that", "when", "while", "until", "next", "expression"}

// valueStart is where the value of a line begins: behind dashes and a key. It
// is 0 where the line is neither.
func valueStart(line string) int {
	at := len(line) - len(strings.TrimLeft(line, " "))
	begin := at
	for strings.HasPrefix(line[at:], "- ") {
		at += 2
		at += len(line[at:]) - len(strings.TrimLeft(line[at:], " "))
	}
	rest := line[at:]
	key := len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"))
	if key > 0 && strings.HasPrefix(rest[key:], ":") && (len(rest) == key+1 || rest[key+1] == ' ') {
		at += key + 1
		at += len(line[at:]) - len(strings.TrimLeft(line[at:], " "))
	}
	if at == begin {
		return 0
	}
	return at
}

// swallowedOn looks for an unquoted expression on a line of a file that YAML
// cannot read. At the line where it stops any expression may be the cause;
// elsewhere only what YAML never takes.
func (s *source) swallowedOn(n int, x refusal) (diag.Diagnostic, bool) {
	line := s.lineText(n)
	value := valueStart(line)
	text := strings.TrimRight(line[value:], " \t")
	if text == "" || strings.HasPrefix(text, "#") {
		return diag.Diagnostic{}, false
	}
	here := n == x.line && x.at >= s.lines[n]+value
	place := func(from, to int) diag.Span { return s.span(s.lines[n]+from, s.lines[n]+to) }
	if i := bareBraces(line); i >= 0 {
		whole := line[i : i+flowEndOf(line, i)]
		return bracesProblem(place(i, i+len(whole)), strings.TrimSpace(whole)), true
	}
	if from, to, hint := endedByQuote(line, value); to > 0 {
		return diag.Diagnostic{Span: place(from, to), Code: diag.SwallowedByYAML,
			Message: "a quote of the expression ends the text around it", Hint: hint}, true
	}
	problem := func(from, to int, message string) (diag.Diagnostic, bool) {
		return diag.Diagnostic{
			Span: place(from, to), Code: diag.SwallowedByYAML, Message: message,
			Hint: "write " + quoted(strings.TrimSpace(line[from:to])),
		}, true
	}
	if i := unquotedIndex(line, " #", value); i >= 0 && strings.ContainsAny(text[:1], "{[") && !strings.HasPrefix(line[i:], " # ") {
		from, _ := flowStart(line, value, i)
		d, ok := problem(from, from+flowEndOf(line, from), "")
		d.Span, d.Message = place(i+1, len(line)), "YAML takes the rest of the line for a comment"
		return d, ok
	}
	if i := unquotedIndex(line, "${{", value); i >= 0 {
		from, inFlow := flowStart(line, value, i)
		switch {
		case inFlow:
			return problem(from, from+flowEndOf(line, from), "YAML takes the braces of an expression in [ ] or { } for its own")
		case here && strings.Contains(text, ": "):
			return problem(value, value+len(text), `YAML takes the ": " in the expression for a key's`)
		case here:
			return problem(value, value+len(text), "YAML cannot read this line, and an expression is on it")
		}
	}
	key, from, to := keyOf(line), value, value+len(text)
	if text[0] == '{' || text[0] == '[' && key != "that" {
		key, from, to = bareIn(line, value)
	}
	if n != x.line || from == value && !here || !slices.Contains(bareKeys, key) {
		return diag.Diagnostic{}, false
	}
	d, ok := problem(from, to, fmt.Sprintf("YAML cannot read the expression of %q as it stands", key))
	if text = line[from:to]; key == "that" && strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		d.Hint = "write [ " + quotedItems(text[1:len(text)-1]) + " ]"
	}
	return d, ok
}

// bareIn finds an expression without quotes, in the { } of a line, that YAML
// cannot take: its key and where it stands.
func bareIn(line string, value int) (key string, from, to int) {
	for i := value; i < len(line); i++ {
		if strings.IndexByte("{, ", line[i]) < 0 {
			continue
		}
		key, _, found := strings.Cut(line[i+1:], ": ")
		if !found || !slices.Contains(bareKeys, key) {
			continue
		}
		from = i + 1 + len(key) + 2
		from += len(line[from:]) - len(strings.TrimLeft(line[from:], " "))
		to = from + flowEndOf(line, from)
		text := line[from:to]
		if key == "that" && strings.HasPrefix(text, "[") {
			text = strings.TrimSuffix(text[1:], "]")
		}
		if strings.ContainsAny(text, "[{") || strings.Contains(text, ": ") || strings.HasPrefix(text, "!") || strings.Contains(text, `" `) {
			return key, from, to
		}
	}
	return "", 0, 0
}

// quotedItems quotes each of the expressions between commas that is not.
func quotedItems(text string) string {
	var items []string
	for {
		n := flowEnd(text)
		item := strings.TrimSpace(text[:n])
		if item != "" && (item[0] != '"' && item[0] != '\'' || stringLength(item) < len(item)) { // else it has its quotes
			item = quoted(item)
		}
		items = append(items, item)
		if n == len(text) {
			return strings.Join(items, ", ")
		}
		text = text[n+1:]
	}
}

// keyOf is the key at the beginning of a line, or "".
func keyOf(line string) string {
	key, _, found := strings.Cut(strings.TrimLeft(line, " -"), ":")
	if !found {
		return ""
	}
	return key
}

// flowEndOf is the length of the value that begins at a byte of a line.
func flowEndOf(line string, from int) int {
	return len(strings.TrimRight(line[from:from+flowEnd(line[from:])], " \t"))
}

// indentingTab finds the tab before the text of a line, counted from 0, or of
// one of the two below, of which YAML complains; else it is where the line stops.
func (s *source) indentingTab(line, stop int) int {
	for n := line; n < min(line+3, len(s.lines)); n++ {
		text := s.lineText(n)
		if i := strings.IndexByte(text[:len(text)-len(strings.TrimLeft(text, " \t"))], '\t'); i >= 0 {
			return s.lines[n] + i
		}
	}
	return stop
}

// valueEnd is where the value that begins at a byte ends, on its line.
func (s *source) valueEnd(at int) int {
	n := s.line(at)
	line, from := s.lineText(n), at-s.lines[n]
	if _, inFlow := flowStart(line, valueStart(line), from); inFlow {
		return at + flowEndOf(line, from)
	}
	return at + len(strings.TrimRight(line[from:], " \t"))
}

// unquotedIndex finds what is not inside quotes that begin a value.
func unquotedIndex(line, what string, from int) int {
	for i := from; i < len(line); i++ {
		if (line[i] == '"' || line[i] == '\'') && (i == 0 || strings.IndexByte(" [{,", line[i-1]) >= 0) {
			if n := stringLength(line[i:]); n > 0 {
				i += n - 1
				continue
			}
		}
		if strings.HasPrefix(line[i:], what) {
			return i
		}
	}
	return -1
}

// questionMark finds the unquoted value in brackets that a ? ends, from the
// bracket to the end of a line, counted from 0: where it begins and ends, or
// nothing.
func (s *source) questionMark(line, open, last int) (from, to int) {
	for n := line; n <= min(last, len(s.lines)-1); n++ {
		text, value := s.lineText(n), open
		if n > line {
			value = valueStart(s.lineText(n))
		}
		for i := unquotedIndex(text, "?", value); i >= 0; i = unquotedIndex(text, "?", i+1) {
			if from, _ := flowStart(text, value, i); from < i {
				return s.lines[n] + from, s.lines[n] + from + flowEndOf(text, from)
			}
		}
	}
	return 0, 0
}

func (s *source) endedByQuestionMark(from, to int) diag.Diagnostic {
	return diag.Diagnostic{Span: s.span(from, to), Code: diag.YAMLSyntax,
		Message: "a ? ends an unquoted text in [ ] or { }", Hint: "write " + quoted(s.text[from:to])}
}

// bareBraces finds {{ x }} where a value begins.
func bareBraces(line string) int {
	for i := unquotedIndex(line, "{{", 0); i >= 0; i = unquotedIndex(line, "{{", i+2) {
		before := strings.TrimRight(line[:i], " ")
		if before == "" || before != line[:i] && strings.ContainsAny(before[len(before)-1:], ":-,[{") || strings.ContainsAny(before[len(before)-1:], ",[") {
			return i
		}
	}
	return -1
}

// flowStart finds where the value with the expression at i begins, and whether
// it stands in brackets of YAML's.
func flowStart(line string, value, i int) (int, bool) {
	if value >= len(line) || line[value] != '{' && line[value] != '[' {
		return value, false
	}
	from := value
	for j := value; j < i; j++ {
		switch line[j] {
		case '"', '\'':
			if n := stringLength(line[j:]); n > 0 {
				j += n - 1
			}
		case '{', '[', ',':
			from = j + 1
		case ':':
			if j+1 < len(line) && line[j+1] == ' ' {
				from = j + 1
			}
		}
	}
	return from + len(line[from:]) - len(strings.TrimLeft(line[from:], " ")), true
}
