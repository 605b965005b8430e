package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
)

// The limits of a file. See also maxSteps and maxLoops.
const (
	maxBytes    = 1 << 20
	maxDepth    = 64      // lists and mappings in each other, the file's own mapping being the first
	maxNodes    = 50_000  // values as they are written; keys do not count
	maxKeys     = 1_000   // in one mapping, merged ones included
	maxAliases  = 100     // uses of an anchor
	maxExpanded = 100_000 // values with every alias written out
)

// Parse reads a flow file. The tree is never nil and as complete as the text
// allows; problems are all that could be found, in source order. A tree with
// errors is good for finding more of them, not for running.
//
// file is the name that problems show; nothing is read from the disk. Parse
// never panics and takes time in proportion to the text. It may be called
// from many goroutines.
func Parse(file string, text []byte) (*Flow, diag.List) {
	return parse(file, text, (*reader).file)
}

// ParseIncluded reads a file that flows include: declarations without a name
// and without steps. All else is as with Parse.
func ParseIncluded(file string, text []byte) (*Flow, diag.List) {
	return parse(file, text, (*reader).included)
}

// CheckProject says what is wrong with the file that marks a project's folder. It
// holds `stepwell: 1` and nothing else.
func CheckProject(file string, text []byte) diag.List {
	_, problems := parse(file, text, (*reader).project)
	return problems
}

func parse(file string, text []byte, read func(*reader, *Node)) (*Flow, diag.List) {
	f := &Flow{File: file, Span: diag.Span{File: file}}
	if len(text) > maxBytes {
		return f, diag.List{{
			Span: f.Span, Code: diag.OverLimit,
			Message: fmt.Sprintf("the file has %d bytes; a flow may have %d (1 MiB)", len(text), maxBytes),
			Hint:    "keep data in files of their own, or split the flow",
		}}
	}
	src, problems := newSource(file, text)
	if problems != nil {
		return f, problems
	}
	f.Span = src.firstLine()
	root, problems := decode(src)
	if root == nil {
		return f, problems.Sort()
	}
	r := reader{src: src, flow: f, problems: problems, ids: map[string]diag.Span{}}
	read(&r, root)
	return f, r.result()
}

// Read reads the YAML of a file without asking what it says: the tree of its
// values, as complete as it can be, and what is wrong; nil if there is none. The
// limits of a file hold.
func Read(file string, text []byte) (*Node, diag.List) {
	if len(text) > maxBytes {
		_, problems := Parse(file, text)
		return nil, problems
	}
	src, problems := newSource(file, text)
	if problems != nil {
		return nil, problems
	}
	root, problems := decode(src)
	return root, problems.Sort()
}

// firstLine is the first line that says something.
func (s *source) firstLine() diag.Span {
	for n, at := range s.lines {
		line := strings.TrimSpace(s.lineText(n))
		if line != "" && line[0] != '#' && line != "---" {
			from := at + strings.Index(s.text[at:], line)
			return s.span(from, from+len(line))
		}
	}
	return diag.Span{File: s.file}
}

// A source is the text of a file, without a byte order mark. Only what is
// remembered changes.
type source struct {
	file  string
	text  string
	lines []int // where each line starts
	ascii bool
	shown map[int]string // lines with a secret that is written out, as an excerpt may have them
	plain map[int]bool   // where such secrets begin

	mu       sync.Mutex // guards what placesOf and columnOf found last
	placed   *Node
	places   []int
	columnAt int
	column   int
}

const byteOrderMark = "\ufeff"

// newSource takes the text apart into lines. What a file must not hold is a
// problem: it is not UTF-8, or YAML refuses the character, or programs disagree
// whether the character ends a line.
func newSource(file string, text []byte) (*source, diag.List) {
	s := &source{file: file, text: strings.TrimPrefix(string(text), byteOrderMark), lines: []int{0}, ascii: true}
	var problems diag.List
	bad := -1
	for i := 0; i < len(s.text); {
		c := s.text[i]
		switch {
		case c == '\n' || c == '\r' && !strings.HasPrefix(s.text[i+1:], "\n"):
			s.lines = append(s.lines, i+1)
			i++
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s.text[i:])
			s.ascii = false
			if bad < 0 && (r == utf8.RuneError && n == 1 || !allowed(r)) {
				bad = i
			}
			i += n
		default:
			if bad < 0 && !allowed(rune(c)) {
				bad = i
			}
			i++
		}
	}
	if bad >= 0 {
		problems = append(problems, s.badCharacter(bad))
	}
	return s, problems
}

// allowed says whether YAML takes the character as it is. U+0085, U+2028 and
// U+2029 end a line in YAML 1.1 and do not in 1.2 and in editors.
func allowed(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0x7f:
		return true
	case r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
		return false
	}
	return r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000
}

func (s *source) badCharacter(at int) diag.Diagnostic {
	r, n := utf8.DecodeRuneInString(s.text[at:])
	d := diag.Diagnostic{Span: s.span(at, at+n)}
	d.Text = strings.ToValidUTF8(d.Text, "\ufffd")
	if r == utf8.RuneError && n == 1 {
		d.Code = diag.NotUTF8
		d.Message = fmt.Sprintf("the file is not UTF-8: byte 0x%02x", s.text[at])
		d.Hint = "save it as UTF-8"
		return d
	}
	d.Code = diag.YAMLSyntax
	d.Message = fmt.Sprintf("the invisible character U+%04X", r)
	escape := fmt.Sprintf(`\u%04x`, r)
	d.Hint = fmt.Sprintf(`remove it, or write "%s" in double quotes`, escape)
	return d
}

// line is the number, from 0, of the line that holds the byte.
func (s *source) line(at int) int {
	n, found := slices.BinarySearch(s.lines, at)
	if !found {
		n--
	}
	return n
}

// lineText is a line, counted from 0, without its end; "" behind the last.
func (s *source) lineText(n int) string {
	if n < 0 || n >= len(s.lines) {
		return ""
	}
	end := len(s.text)
	if n+1 < len(s.lines) {
		end = s.lines[n+1]
	}
	return strings.TrimRight(s.text[s.lines[n]:end], "\r\n")
}

// span is the place of the bytes [from, to), cut at the end of the first line.
func (s *source) span(from, to int) diag.Span {
	from = min(max(from, 0), len(s.text))
	n := s.line(from)
	text := s.lineText(n)
	start := s.lines[n]
	from = min(from-start, len(text))
	to = min(max(to-start, from), len(text))
	column := s.columnOf(start, start+from)
	return diag.Span{
		File: s.file, Line: n + 1, Column: column,
		EndColumn: column + s.count(start+from, start+to), Text: s.excerpt(n),
	}
}

// columnOf is the column, from 1, of a byte on the line that begins at start.
// Problems often come in order on a line that may be long, so it goes on from
// where it was.
func (s *source) columnOf(start, at int) int {
	if s.ascii {
		return at - start + 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.columnAt < start || s.columnAt > at || s.column == 0 {
		s.columnAt, s.column = start, 1
	}
	s.column += s.count(s.columnAt, at)
	s.columnAt = at
	return s.column
}

// count is the number of characters in the bytes [from, to).
func (s *source) count(from, to int) int {
	if s.ascii {
		return to - from
	}
	return utf8.RuneCountInString(s.text[from:to])
}

// upTo gives a span that begins at a byte another end, on the same line.
func (s *source) upTo(span diag.Span, from, to int) diag.Span {
	if span.Line == 0 {
		return span
	}
	end := s.lines[span.Line-1] + len(s.lineText(span.Line-1))
	span.EndColumn = span.Column + s.count(from, max(from, min(to, end)))
	return span
}

// rest is the text from a byte to the end of its line.
func (s *source) rest(at int) string {
	if at >= len(s.text) {
		return ""
	}
	n := s.line(at)
	text := s.lineText(n)
	return text[min(at-s.lines[n], len(text)):]
}

// A cursor turns YAML's lines and columns into bytes. Nodes come in order and
// a line may be long, so it goes on from where it was.
type cursor struct {
	src          *source
	line, column int // both from 1
	at           int
}

func (c *cursor) offset(line, column int) int {
	if line < 1 || line > len(c.src.lines) {
		return len(c.src.text)
	}
	start := c.src.lines[line-1]
	if c.src.ascii {
		return min(start+column-1, len(c.src.text))
	}
	if line != c.line || column < c.column {
		c.line, c.column, c.at = line, 1, start
	}
	for ; c.column < column && c.at < len(c.src.text); c.column++ {
		_, n := utf8.DecodeRuneInString(c.src.text[c.at:])
		c.at += n
	}
	return c.at
}

// span is an empty span at a byte that is not before the last offset.
func (c *cursor) span(at int) diag.Span {
	s := c.src
	if s.ascii || c.line == 0 || at < c.at || c.line < len(s.lines) && at >= s.lines[c.line] {
		return s.span(at, at)
	}
	column := c.column + s.count(c.at, at)
	return diag.Span{File: s.file, Line: c.line, Column: column, EndColumn: column, Text: s.excerpt(c.line - 1)}
}

// excerpt is a line, counted from 0, as it may be shown.
func (s *source) excerpt(n int) string {
	if text, ok := s.shown[n]; ok {
		return text
	}
	return s.lineText(n)
}

// discreet is a problem whose words do not have what excerpts do not show.
func (s *source) discreet(d diag.Diagnostic) diag.List {
	for n, shown := range s.shown {
		line, stars := []rune(s.lineText(n)), []rune(shown)
		for i := 0; i < len(line); i++ {
			from := i
			for i < len(line) && stars[i] == '*' {
				i++
			}
			if hidden := string(line[from:i]); i-from > 3 {
				d.Message, d.Hint = strings.ReplaceAll(d.Message, hidden, "…"), strings.ReplaceAll(d.Hint, hidden, "…")
			}
		}
	}
	return diag.List{d}
}

// mark notes where a secret that is written out begins.
func (s *source) mark(at int) {
	if s.plain == nil {
		s.plain = map[int]bool{}
	}
	s.plain[at] = true
}

// hide takes the bytes [from, to) out of excerpts, which keep their columns.
func (s *source) hide(from, to int) {
	if s.shown == nil {
		s.shown = map[int]string{}
	}
	for n := s.line(from); n < len(s.lines) && s.lines[n] < to; n++ {
		at := s.lines[n]
		line, stars := s.lineText(n), []rune(nil)
		margin := len(line) - len(strings.TrimLeft(line, " "))
		for i, r := range line {
			if i >= margin && at+i >= from && at+i < to {
				r = '*'
			}
			stars = append(stars, r)
		}
		before := []rune(s.excerpt(n)) // may hide another part
		for i := range before {
			if before[i] == '*' {
				stars[i] = '*'
			}
		}
		s.shown[n] = string(stars)
	}
}

// writtenOut is a line that looks as if it had a secret: of a file that YAML cannot read.
var writtenOut = regexp.MustCompile(`([A-Za-z0-9_-]+)["']?:[ \t]+([^\s#{\[].*)`)

// hideByLooks hides what looks like a secret in a file without a tree.
func (s *source) hideByLooks() {
	for n, at := range s.lines {
		m := writtenOut.FindStringSubmatchIndex(s.lineText(n))
		if m == nil {
			continue
		}
		line := s.lineText(n)
		if name := line[m[2]:m[3]]; (datapoints.SensitiveName(name) || name == "bearer") && !notSecret.MatchString(line[m[4]:]) {
			s.hide(at+m[4], at+m[5])
		}
	}
}

// nothingBefore is the place of the first comma of a line that stands behind
// another one or a bracket, outside of quotes; -1 if there is none.
func (s *source) nothingBefore(n int) int {
	line := s.rest(s.lines[n])
	before := byte(' ')
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t':
			continue
		case '"', '\'':
			if length := stringLength(line[i:]); length > 0 && strings.IndexByte(",:[{ ", before) >= 0 {
				i += length - 1
			}
		case ',':
			if before == ',' || before == '[' || before == '{' {
				return s.lines[n] + i
			}
		}
		before = line[i]
	}
	return -1
}
