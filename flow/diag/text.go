package diag

import (
	"fmt"
	"strconv"
	"strings"
)

// A Style is how diagnostics are written for people. The zero value writes
// lines of any length, without colour.
type Style struct {
	Colour bool
	ASCII  bool // … is written as ...
	Width  int  // the widest line, in columns; 0: any
}

// Text writes the problems as frames with an excerpt and a caret, a blank line
// between them. Without problems it is empty.
func (l List) Text(style Style) string {
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.Frame(style))
	}
	return b.String()
}

// Frame writes one problem: code and message, place, excerpt with caret and
// hint, notes. It ends with a line end. A note of several lines is indented.
func (d Diagnostic) Frame(style Style) string {
	f := frame{style: style, gutter: max(2, len(strconv.Itoa(d.Line)))}
	head := d.Severity.String() + "[" + string(d.Code) + "]"
	f.head(d.Severity, head, style.plain(d.Message))
	if d.File != "" {
		// A place is for terminals and editors to open: it is never cut.
		f.line(f.blank(0) + f.paint(dim, "-->") + " " + f.paint(cyan, visible(d.Span.String())))
	}
	behind := false
	if d.Line > 0 {
		behind = f.excerpt(d)
	}
	if d.Hint != "" && !behind {
		f.note("help: " + style.plain(d.Hint))
	}
	for _, note := range d.Notes {
		f.note(style.plain(note))
	}
	return f.b.String()
}

// Parameters of SGR (ECMA-48).
const (
	bold      = "1"
	dim       = "2"
	cyan      = "36"
	boldError = "1;31"
	boldWarn  = "1;33"
	boldNote  = "1;36"
)

func (s Severity) colour() string { return [...]string{boldError, boldWarn, boldNote}[s] }

// plain is the text as the style can show it.
func (s Style) plain(text string) string {
	text = visible(text)
	if s.ASCII {
		text = strings.ReplaceAll(text, "…", "...")
	}
	return text
}

// A frame is one problem on its way to text.
type frame struct {
	b      strings.Builder
	style  Style
	gutter int // columns of the line's number
}

func (f *frame) line(text string) {
	f.b.WriteString(strings.TrimRight(text, " "))
	f.b.WriteByte('\n')
}

func (f *frame) blank(more int) string { return strings.Repeat(" ", f.gutter+more) }

func (f *frame) paint(colour, text string) string {
	if !f.style.Colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// head writes code and message.
func (f *frame) head(s Severity, code, message string) {
	lines := wrap(code+": "+message, f.style.Width, 2)
	for i, text := range lines {
		if rest, found := strings.CutPrefix(text, code); found && i == 0 {
			text = f.paint(s.colour(), code) + f.paint(bold, rest)
		} else {
			text = f.paint(bold, text)
		}
		if i > 0 {
			text = "  " + text
		}
		f.line(text)
	}
}

// note writes a fact below the excerpt.
func (f *frame) note(text string) {
	first := true
	for _, part := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		lead := len(part) - len(strings.TrimLeft(part, " "))
		width := f.style.Width
		if width > 0 {
			width = max(width-f.gutter-3, 20)
		}
		for i, line := range wrap(part, width, lead+2) {
			if i > 0 {
				line = strings.Repeat(" ", lead+2) + line
			}
			if first {
				f.line(f.blank(1) + f.paint(dim, "=") + " " + line)
			} else {
				f.line(f.blank(3) + line)
			}
			first = false
		}
	}
}

// excerpt writes the line with the caret below, and the hint behind the caret
// if there is room for it.
func (f *frame) excerpt(d Diagnostic) (hintWritten bool) {
	bar := f.blank(1) + f.paint(dim, "|")
	room := 0
	if f.style.Width > 0 {
		room = max(f.style.Width-f.gutter-3, 20)
	}
	view := look(d.Text, d.Column-1, d.EndColumn-1, room, f.style.ASCII)
	f.line(bar)
	number := fmt.Sprintf("%*d", f.gutter, d.Line)
	f.line(f.paint(dim, number+" |") + " " + view.text)
	caret := f.paint(d.Severity.colour(), strings.Repeat("^", view.width))
	hint := f.style.plain(d.Hint)
	fits := hint != "" && !strings.Contains(hint, "\n") &&
		(room == 0 || view.before+view.width+1+columns(hint) <= room)
	if fits {
		caret += " " + f.paint(d.Severity.colour(), hint)
	}
	f.line(bar + " " + strings.Repeat(" ", view.before) + caret)
	return fits
}

// wrap breaks text into lines of at most width columns; lines after the first
// have indent columns less. Width 0 is any.
func wrap(text string, width, indent int) []string {
	if width <= 0 || columns(text) <= width {
		return []string{text}
	}
	var lines []string
	lead := text[:len(text)-len(strings.TrimLeft(text, " "))]
	line := lead
	for _, word := range strings.SplitAfter(text[len(lead):], " ") {
		room := width
		if len(lines) > 0 {
			room = max(width-indent, 10)
		}
		if columns(line)+columns(strings.TrimRight(word, " ")) > room && strings.TrimSpace(line) != "" {
			lines = append(lines, strings.TrimRight(line, " "))
			line, room = "", max(width-indent, 10)
		}
		for columns(word) > room && columns(strings.TrimRight(word, " ")) > room {
			var head string
			head, word = split(word, max(room-columns(line), 1))
			lines = append(lines, line+head)
			line, room = "", max(width-indent, 10)
		}
		line += word
	}
	return append(lines, strings.TrimRight(line, " "))
}
