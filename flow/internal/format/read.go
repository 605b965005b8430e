package format

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/stepwell/stepwell/flow/diag"
)

// A kind is how a value is written.
type kind uint8

const (
	nothing kind = iota // not even null; perhaps an anchor or a tag
	word                // a plain or quoted scalar, or an alias
	inline              // in brackets
	literal             // a block scalar, | or >
	mapping             // in lines of its own
	list                // in lines of its own
)

// A node is a value and the bytes of the source that it stands in.
type node struct {
	kind     kind
	from, to int // with anchor and tag; a block scalar's up to the end of its last line
	at       int // where the value begins after them
	column   int // of a mapping's keys, of a list's dashes
	indent   int // of a block scalar's text
	parts    []part
	anchors  map[string]bool // set in it
	aliases  map[string]bool // used in it
}

// A part is a pair of a mapping or an element of a list.
type part struct {
	from  int    // of the key or dash
	colon int    // behind the colon or dash; in brackets behind a key without one
	key   *node  // nil in a list
	name  string // the key decoded
	value *node
}

// A reader finds where everything stands.
type reader struct {
	file    string
	text    string // without carriage returns
	lines   []int  // where each line starts
	line    int    // the cursor: lines may be long
	column  int
	byteAt  int
	end     int // where what may be formatted ends
	anchors map[string]bool
	unended int  // a block scalar whose last line ends with the file, without a line end
	twice   bool // an anchor is set twice: then pieces cannot be moved
	problem *diag.Diagnostic
}

// read gives the tree of the document, which is valid YAML.
func (r *reader) read() *node {
	r.lines = []int{0}
	for i := range len(r.text) {
		if r.text[i] == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	r.anchors, r.end = map[string]bool{}, len(r.text)
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(r.text), &document); err != nil || len(document.Content) == 0 {
		d := r.unusual(0, "this file cannot be formatted")
		r.problem = &d
		return nil
	}
	return r.node(document.Content[0], -1)
}

// unusual is the answer to YAML that few people know.
func (r *reader) unusual(at int, message string) diag.Diagnostic {
	n := r.lineOf(at)
	text := strings.TrimRight(r.text[r.lines[n]:r.endOfLine(at)], " \t")
	column := utf8.RuneCountInString(r.text[r.lines[n]:at]) + 1
	return diag.Diagnostic{
		Span: diag.Span{File: r.file, Line: n + 1, Column: column, EndColumn: max(column+1, utf8.RuneCountInString(text)+1), Text: text},
		Code: diag.WrongShape, Message: message, Hint: "write it in a plainer way",
	}
}

// expect reports if something does not stand where it should.
func (r *reader) expect(holds bool, at int) {
	if !holds && r.problem == nil {
		d := r.unusual(min(at, len(r.text)), "YAML of this kind cannot be formatted")
		r.problem = &d
	}
}

func (r *reader) lineOf(at int) int {
	low, high := 0, len(r.lines)
	for high-low > 1 {
		if mid := (low + high) / 2; r.lines[mid] <= at {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// columnOf is how many bytes stand before a place on its line.
func (r *reader) columnOf(at int) int { return at - r.lines[r.lineOf(at)] }

func (r *reader) endOfLine(at int) int {
	if n := strings.IndexByte(r.text[at:], '\n'); n >= 0 {
		return at + n
	}
	return len(r.text)
}

// place turns YAML's line and column into a byte.
func (r *reader) place(y *yaml.Node) int {
	if y.Line < 1 || y.Line > len(r.lines) {
		return len(r.text)
	}
	if y.Line != r.line || y.Column < r.column {
		r.line, r.column, r.byteAt = y.Line, 1, r.lines[y.Line-1]
	}
	for ; r.column < y.Column && r.byteAt < len(r.text); r.column++ {
		_, n := utf8.DecodeRuneInString(r.text[r.byteAt:])
		r.byteAt += n
	}
	return r.byteAt
}

// next passes blanks, line ends and comments.
func (r *reader) next(at int) int {
	for at < len(r.text) {
		switch c := r.text[at]; {
		case c == ' ' || c == '\t' || c == '\n':
			at++
		case c == '#' && (at == 0 || strings.IndexByte(" \t\n", r.text[at-1]) >= 0):
			at = r.endOfLine(at)
		default:
			return at
		}
	}
	return at
}

// node reads a value; indent is the column of the block around it.
func (r *reader) node(y *yaml.Node, indent int) *node {
	n := &node{from: r.place(y)}
	n.at, n.to = n.from, n.from
	empty := y.Kind == yaml.ScalarNode && y.Value == "" && y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	r.properties(y, n, empty)
	switch {
	case empty:
		n.kind, n.to = nothing, n.at
	case y.Kind == yaml.AliasNode:
		n.kind, n.to = word, n.at+1+len(y.Value)
		n.aliases = map[string]bool{y.Value: true}
	case y.Kind == yaml.ScalarNode:
		r.scalar(y, n, indent)
	case y.Style&yaml.FlowStyle != 0:
		r.brackets(y, n)
	case y.Kind == yaml.MappingNode:
		r.mapping(y, n)
	default:
		r.list(y, n)
	}
	if y.Anchor != "" {
		r.twice = r.twice || r.anchors[y.Anchor]
		r.anchors[y.Anchor] = true
		add(&n.anchors, map[string]bool{y.Anchor: true})
	}
	return n
}

func add(to *map[string]bool, names map[string]bool) {
	if *to == nil && len(names) > 0 {
		*to = map[string]bool{}
	}
	for name := range names {
		(*to)[name] = true
	}
}

// properties passes the anchor and the tag before a value. Those before the
// first key of a mapping are the key's.
func (r *reader) properties(y *yaml.Node, n *node, empty bool) {
	collection := (y.Kind == yaml.MappingNode || y.Kind == yaml.SequenceNode) && y.Style&yaml.FlowStyle == 0
	want := 2
	if collection {
		want = 0
		if y.Anchor != "" {
			want++
		}
		if y.Style&yaml.TaggedStyle != 0 {
			want++
		}
	} else if empty && y.Anchor == "" && y.Style&yaml.TaggedStyle == 0 {
		want = 0
	}
	end := n.at
	for ; want > 0 && n.at < len(r.text) && (r.text[n.at] == '&' || r.text[n.at] == '!'); want-- {
		for end = n.at; end < len(r.text) && strings.IndexByte(" \t\n", r.text[end]) < 0; end++ {
			if c := r.text[end]; r.text[n.at] == '&' && end > n.at && strings.IndexByte(",[]{}:", c) >= 0 {
				break
			}
		}
		n.at = r.next(end)
		r.expect(!strings.Contains(r.text[end:n.at], "#") || collection, end)
	}
	if empty || collection {
		n.at = end
	}
}

// scalar finds a scalar's end.
func (r *reader) scalar(y *yaml.Node, n *node, indent int) {
	n.kind = word
	at := n.at
	switch {
	case y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		n.kind = literal
		r.block(n, indent)
		return
	case y.Style&yaml.DoubleQuotedStyle != 0:
		for at++; at < len(r.text) && r.text[at] != '"'; at++ {
			if r.text[at] == '\\' {
				at++
			}
		}
		at++
	case y.Style&yaml.SingleQuotedStyle != 0:
		for at++; at < len(r.text); at++ {
			if r.text[at] == '\'' {
				if !strings.HasPrefix(r.text[at:], "''") {
					break
				}
				at++
			}
		}
		at++
	default: // its characters stand there as they are, with other blanks
		for i := 0; i < len(y.Value); i++ {
			if strings.IndexByte(" \t\n", y.Value[i]) >= 0 {
				continue
			}
			for at < len(r.text) && strings.IndexByte(" \t\n", r.text[at]) >= 0 {
				at++
			}
			r.expect(at < len(r.text) && r.text[at] == y.Value[i], min(at, len(r.text)))
			at++
		}
	}
	r.expect(at <= len(r.text), n.at)
	n.to = min(at, len(r.text))
}

// block finds the lines of a block scalar.
func (r *reader) block(n *node, indent int) {
	head := r.endOfLine(n.at)
	mark, _, _ := strings.Cut(r.text[n.at:head], " ")
	if explicit := strings.Trim(mark, "|>+-"); explicit != "" {
		n.indent = max(indent, 0) + int(explicit[0]-'0')
	} else {
		n.indent = r.detect(head, indent)
	}
	n.to = r.lastLine(head, n.indent, strings.Contains(mark, "+"))
	if n.to == len(r.text) && n.to > head && !strings.Contains(mark, "-") {
		r.unended = n.at
	}
}

// lastLine is the end of the last line of a block scalar; keep says that empty
// lines at its end belong to it.
func (r *reader) lastLine(head, indent int, keep bool) int {
	last := head
	for at := head; at < len(r.text)-1; {
		start := at + 1
		at = r.endOfLine(start)
		line := r.text[start:at]
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case blanks < len(line) && blanks < indent:
			return last
		case keep, blanks < len(line), blanks > indent:
			last = at
		}
	}
	return last
}

// detect gives the indentation of a block scalar that does not say it.
func (r *reader) detect(head, indent int) int {
	found := indent + 1
	for at := head; at < len(r.text)-1; {
		start := at + 1
		at = r.endOfLine(start)
		line := r.text[start:at]
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		found = max(found, blanks)
		if blanks < len(line) {
			break
		}
	}
	return found
}
