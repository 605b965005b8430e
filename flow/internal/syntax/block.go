package syntax

import (
	"strings"
	"unicode/utf8"
)

// block follows a literal or folded block scalar.
func (w *walk) block(fold bool) bool {
	header := w.src.rest(w.at)
	w.at += len(header)
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
	if text == "" && b.at >= len(b.src.text) {
		return b.end()
	}
	lead := len(text) - len(strings.TrimLeft(text, " "))
	if lead < b.indent {
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
