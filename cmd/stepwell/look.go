package main

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A look says how text for people is written to one stream.
type look struct {
	colour bool
	utf8   bool
	live   bool       // lines can be redrawn in place
	width  func() int // in characters
	height func() int
}

// lookOf is how to write to w, given the environment.
func lookOf(w io.Writer, env func(string) (string, bool)) look {
	l := look{utf8: speaksUTF8(env), width: func() int { return 120 }, height: func() int { return 40 }}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return l
	}
	size := func() (int, int) {
		columns, rows, err := term.GetSize(int(f.Fd()))
		if err != nil || columns < 20 || rows < 4 {
			return 80, 24
		}
		return columns, rows
	}
	l.width = func() int { columns, _ := size(); return columns }
	l.height = func() int { _, rows := size(); return rows }
	name, _ := env("TERM")
	l.live = name != "dumb"
	none, _ := env("NO_COLOR")
	l.colour = l.live && none == ""
	return l
}

// speaksUTF8 follows the order in which POSIX locales are looked up. Without
// any, UTF-8 is assumed: a container rarely has a locale, and its logs are read elsewhere.
func speaksUTF8(env func(string) (string, bool)) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v, _ := env(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return true
}

// Colours, as parameters of SGR (ECMA-48).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// paint puts a text into a colour; an empty text stays empty.
func (l look) paint(colour, text string) string {
	if !l.colour || text == "" || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// sign gives the UTF-8 sign, or its ASCII stand-in where the locale has none.
func (l look) sign(sign string) string {
	if l.utf8 {
		return sign
	}
	switch sign {
	case "✓":
		return "+"
	case "✗":
		return "x"
	case "◐":
		return "*"
	case "·":
		return "."
	case "↻":
		return "~"
	case "⏸":
		return "="
	case "–":
		return "-"
	case "→":
		return "->"
	case "←":
		return "<-"
	case "…":
		return "..."
	}
	return sign
}

// ascii replaces every sign in a text where the locale has none.
func (l look) text(s string) string {
	if l.utf8 {
		return s
	}
	return strings.NewReplacer("✓", "+", "✗", "x", "◐", "*", "·", "-", "↻", "~", "⏸", "=", "–", "-", "→", "->", "←", "<-", "…", "...").Replace(s)
}

// clean makes control characters visible: what a server or an author wrote
// must not drive the terminal.
func clean(s string) string {
	if strings.IndexFunc(s, isControl) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(" ")
		case isControl(r):
			b.WriteRune('\uFFFD')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isControl includes the marks that turn the direction of text around.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError ||
		r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// columns is how many columns a text takes, escape sequences none.
func columns(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] == 0x1b {
			i += escape(s[i:])
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		n += runeColumns(r)
		i += size
	}
	return n
}

// escape is the length of the escape sequence that s begins with.
func escape(s string) int {
	if end := strings.IndexByte(s, 'm'); end >= 0 {
		return end + 1
	}
	return 1
}

func runeColumns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115F, r >= 0x2E80 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3,
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F, r >= 0xFF00 && r <= 0xFF60,
		r >= 0xFFE0 && r <= 0xFFE6, r >= 0x1F300 && r <= 0x1FAFF, r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}

// cut shortens a text without escapes to n columns; the end goes.
func (l look) cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	mark := l.sign("…")
	head, _ := split(s, max(0, n-columns(mark)))
	return head + mark
}

// cutMiddle shortens a text without escapes to n columns and keeps both ends,
// more of the second: what tells two URLs apart stands there.
func (l look) cutMiddle(s string, n int) string {
	width := columns(s)
	if width <= n {
		return s
	}
	mark := l.sign("…")
	keep := n - columns(mark)
	if keep < 8 {
		return l.cut(s, n)
	}
	head, _ := split(s, keep*2/5)
	_, tail := split(s, width-(keep-keep*2/5))
	return head + mark + tail
}

// split cuts a text behind its first n columns.
func split(s string, n int) (head, tail string) {
	at := 0
	for i, r := range s {
		if at += runeColumns(r); at > n {
			return s[:i], s[i:]
		}
	}
	return s, ""
}

// pad fills a text with blanks on the right.
func pad(s string, n int) string { return s + blanks(n-columns(s)) }

// padLeft fills a text with blanks on the left.
func padLeft(s string, n int) string { return blanks(n-columns(s)) + s }

func blanks(n int) string { return strings.Repeat(" ", max(0, n)) }
