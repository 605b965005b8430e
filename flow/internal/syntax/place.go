package syntax

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
)

// At is the place of the characters [from, to) of a scalar's Text in the
// author's file: through escapes, quotes, folded lines and indentation. A part
// of more than one line is cut at the end of its first. Of a list or mapping it
// is the whole.
func (n *Node) At(from, to int) diag.Span {
	if n.marks.style == collection || n.marks.src == nil {
		return n.Span
	}
	places := n.marks.src.placesOf(n)
	if places == nil {
		return n.nearest(from, to)
	}
	last := len(places) - 1
	from = min(max(from, 0), last)
	to = min(max(to, from), last)
	start, end := places[from], places[to]
	if to > from && to < last {
		// What lies between two characters (an escape's end, a fold) belongs to neither.
		end = n.marks.src.after(places[to-1], end)
	}
	return n.marks.src.span(start, end)
}

// after is the end of the part that makes one character and begins at a byte:
// at most next, and not beyond the line.
func (s *source) after(at, next int) int {
	if rest := s.rest(at); at+len(rest) < next {
		return at + len(strings.TrimRight(rest, " \t"))
	}
	return next
}

// nearest is At for a scalar that could not be followed: no ordinary escape
// makes `${{`, so the j-th of the text is the j-th of the source.
func (n *Node) nearest(from, to int) diag.Span {
	text := []rune(n.Text)
	from = min(max(from, 0), len(text))
	to = min(max(to, from), len(text))
	before := string(text[:min(from+3, len(text))])
	j := strings.Count(before, "${{")
	if j == 0 {
		return n.Span
	}
	begin := strings.LastIndex(before, "${{")
	behind := from - utf8.RuneCountInString(before[:begin])
	at, end := n.marks.start, n.marks.end
	if end <= at {
		end = len(n.marks.src.text)
	}
	for ; j > 0; j-- {
		i := strings.Index(n.marks.src.text[at:end], "${{")
		if i < 0 {
			return n.Span
		}
		at += i + 3
	}
	line := n.marks.src.rest(at - 3)
	start := skipRunes(line, behind)
	return n.marks.src.span(at-3+start, at-3+start+skipRunes(line[start:], to-from))
}

// skipRunes is the number of bytes of the first n characters.
func skipRunes(s string, n int) int {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

// placesOf gives the byte at which each character of a scalar begins and, last,
// where the scalar ends; nil if the text could not be followed. The last
// answer is kept: several problems often lie in one scalar.
func (s *source) placesOf(n *Node) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.placed != n {
		s.placed, s.places = n, nil
		w := walk{src: s, text: n.Text, at: n.marks.start}
		if w.scalar(n.marks.style) && w.next == len(w.text) {
			s.places = append(w.places, w.at)
		}
	}
	return s.places
}

// A walk goes through the source of a scalar and its decoded text at once.
type walk struct {
	src    *source
	text   string
	next   int // byte of the text that comes next
	at     int // byte of the source
	places []int
	lean   bool // only the end is wanted
}

func (w *walk) scalar(s style) bool {
	switch s {
	case plain:
		return w.inline("")
	case singleQuoted:
		w.at++
		return w.inline("'")
	case doubleQuoted:
		w.at++
		return w.inline(`"`)
	case literal, folded:
		return w.block(s == folded)
	}
	return false
}

// emit says that the character of the text stands at a byte of the source.
func (w *walk) emit(r rune, at int) bool {
	got, n := utf8.DecodeRuneInString(w.text[w.next:])
	if n == 0 || got != r {
		return false
	}
	w.next += n
	if !w.lean {
		w.places = append(w.places, at)
	}
	return true
}

// inline follows plain and quoted text, up to the end of the decoded text.
func (w *walk) inline(quote string) bool {
	for w.next < len(w.text) {
		rest := w.src.text[w.at:]
		if rest == "" {
			return false
		}
		blanks := len(rest) - len(strings.TrimLeft(rest, " \t"))
		var ok bool
		switch {
		case breakLen(rest[blanks:]) > 0:
			ok = w.fold(false)
		case quote == `"` && rest[0] == '\\':
			ok = w.escape()
		case quote == "'" && strings.HasPrefix(rest, "''"):
			ok = w.emit('\'', w.at)
			w.at += 2
		case quote != "" && rest[0] == quote[0]:
			return false
		default:
			r, n := utf8.DecodeRuneInString(rest)
			ok = w.emit(r, w.at)
			w.at += n
		}
		if !ok {
			return false
		}
	}
	if quote == `"` { // line continuations make no character
		for strings.HasPrefix(w.src.text[w.at:], `\`) && breakLen(w.src.text[w.at+1:]) > 0 {
			w.escape()
		}
	}
	return true
}

// breakLen is the length of a line break at the beginning of s, or 0.
func breakLen(s string) int {
	switch {
	case strings.HasPrefix(s, "\r\n"):
		return 2
	case s != "" && (s[0] == '\n' || s[0] == '\r'):
		return 1
	}
	return 0
}

// fold follows line breaks with the blanks around them: one is a blank, each
// further one a line end. Behind an escaped break all are line ends.
func (w *walk) fold(escaped bool) bool {
	var breaks []int
	first := w.at
	for w.at < len(w.src.text) {
		if n := breakLen(w.src.text[w.at:]); n > 0 {
			breaks = append(breaks, w.at)
			w.at += n
		} else if c := w.src.text[w.at]; c == ' ' || c == '\t' {
			w.at++
		} else {
			break
		}
	}
	if !escaped && len(breaks) == 1 {
		return w.emit(' ', first)
	}
	if !escaped {
		breaks = breaks[1:]
	}
	for _, at := range breaks {
		if !w.emit('\n', at) {
			return false
		}
	}
	return true
}

// escape follows a backslash in double quotes.
func (w *walk) escape() bool {
	at := w.at
	rest := w.src.text[at+1:]
	if n := breakLen(rest); n > 0 {
		w.at += 1 + n
		return w.fold(true)
	}
	if rest == "" {
		return false
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[rest[0]]
	if digits > 0 {
		if len(rest) <= digits {
			return false
		}
		v, err := strconv.ParseUint(rest[1:1+digits], 16, 32)
		w.at += 2 + digits
		return err == nil && w.emit(rune(v), at)
	}
	i := strings.IndexByte("0abt\tnvfre \"'/\\N_LP", rest[0])
	if i < 0 {
		return false
	}
	r := []rune("\x00\a\b\t\t\n\v\f\r\x1b \"'/\\\u0085\u00a0\u2028\u2029")[i]
	w.at += 2
	return w.emit(r, at)
}

// block follows a literal or folded block scalar.
func (w *walk) block(fold bool) bool {
	header := w.src.rest(w.at)
	w.at += len(header)
	if strings.Trim(w.text, "\n") == "" {
		return w.emptyLines()
	}
	w.at += breakLen(w.src.text[w.at:])
	indent := w.blockIndent()
	if indent < 0 {
		return false
	}
	b := blockWalk{walk: w, fold: fold, indent: indent}
	b.blankLines()
	for w.next < len(w.text) && b.line() {
	}
	return w.next == len(w.text)
}

// emptyLines follows a block scalar with nothing but line ends.
func (w *walk) emptyLines() bool {
	for n := w.src.line(w.at) + 1; w.next < len(w.text) && n < len(w.src.lines); n++ {
		if !w.emit('\n', w.src.lines[n]) {
			return false
		}
	}
	return w.next == len(w.text)
}

// blockIndent is how many blanks each line has before its text: what the first
// line with something on it has more than that line of the decoded text.
func (w *walk) blockIndent() int {
	body := strings.TrimLeft(w.text, " \n")
	if body == "" {
		return -1
	}
	kept := len(w.text) - len(body)
	kept -= strings.LastIndex(w.text[:kept], "\n") + 1
	for n := w.src.line(w.at); n < len(w.src.lines); n++ {
		line := w.src.lineText(n)
		if text := strings.TrimLeft(line, " "); text != "" {
			return len(line) - len(text) - kept
		}
	}
	return -1
}

// A blockWalk is a walk through the lines of a block scalar. A line's break is
// held back until it is known what follows it.
type blockWalk struct {
	*walk
	fold     bool
	indent   int
	broken   bool // a line came before
	brokenAt int
	indented bool  // that line began with a blank
	blank    []int // breaks of the empty lines since
}

// line follows one line with text on it and the empty ones behind it.
func (b *blockWalk) line() bool {
	text := b.src.rest(b.at)
	lead := len(text) - len(strings.TrimLeft(text, " "))
	if lead < b.indent || len(text) == b.indent { // the latter: the end of the file
		return b.end()
	}
	text = text[b.indent:]
	b.at += b.indent
	indented := text != "" && (text[0] == ' ' || text[0] == '\t')
	if b.broken && b.fold && !b.indented && !indented {
		if len(b.blank) == 0 && !b.emit(' ', b.brokenAt) {
			return false
		}
	} else if b.broken && !b.emit('\n', b.brokenAt) {
		return false
	}
	if !b.breaks() {
		return false
	}
	b.indented = indented
	for text != "" && b.next < len(b.walk.text) {
		r, n := utf8.DecodeRuneInString(text)
		if !b.emit(r, b.at) {
			return false
		}
		b.at += n
		text = text[n:]
	}
	b.brokenAt, b.broken = b.at, breakLen(b.src.text[b.at:]) > 0
	if b.next == len(b.walk.text) {
		return true
	}
	b.at += breakLen(b.src.text[b.at:])
	b.blankLines()
	return true
}

// breaks emits what was held back of empty lines.
func (b *blockWalk) breaks() bool {
	for _, at := range b.blank {
		if !b.emit('\n', at) {
			return false
		}
	}
	b.blank = b.blank[:0]
	return true
}

// blankLines passes lines that have no more than the indentation.
func (b *blockWalk) blankLines() {
	for b.at < len(b.src.text) {
		text := b.src.rest(b.at)
		lead := len(text) - len(strings.TrimLeft(text, " "))
		if lead < len(text) || lead > b.indent {
			return
		}
		n := breakLen(b.src.text[b.at+lead:])
		if n == 0 {
			return
		}
		b.blank = append(b.blank, b.at+lead)
		b.at += lead + n
	}
}

// end emits what the block keeps of the breaks at its end.
func (b *blockWalk) end() bool {
	if b.broken {
		b.broken = false
		if !b.emit('\n', b.brokenAt) {
			return false
		}
	}
	if b.next < len(b.walk.text) {
		b.breaks()
	}
	return false // there is no further line
}

// lastOpen is where the innermost bracket of a line stands that the line does
// not close, or else its last one; -1 if there is none.
func lastOpen(line string) int {
	var open []int
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"', '\'':
			i += max(stringLength(line[i:]), 1) - 1
		case '[', '{':
			open = append(open, i)
		case ']', '}':
			open = open[:max(len(open)-1, 0)]
		}
	}
	if len(open) == 0 {
		return strings.LastIndexAny(line, "[{")
	}
	return open[len(open)-1]
}
