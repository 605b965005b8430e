package syntax

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

// decode turns the text into a tree of Nodes. A nil tree means that there is
// nothing to go on with.
func decode(src *source) (*Node, diag.List) {
	document, problem := readYAML(src)
	if problem != nil {
		return nil, diag.List{*problem}
	}
	c := converter{src: src, at: cursor{src: src}, done: map[*yaml.Node]*Node{}}
	root := c.node(document.Content[0], 1)
	if c.stop {
		return nil, c.problems
	}
	return root, c.problems
}

// readYAML reads the one document of the text. Decoding into yaml.Node is in
// proportion to the text, whatever is in it; into anything else it is not.
func readYAML(src *source) (document *yaml.Node, problem *diag.Diagnostic) {
	feed := &reading{text: src.text}
	decoder := yaml.NewDecoder(feed)
	document = new(yaml.Node)
	err := decodeNode(decoder, document)
	if errors.Is(err, io.EOF) || err == nil && empty(document) {
		return nil, &diag.Diagnostic{
			Span: diag.Span{File: src.file}, Code: diag.EmptyFile,
			Message: "the file is empty",
			Hint:    "a flow begins with `stepwell: 1`",
		}
	}
	if err != nil {
		d := src.syntaxProblem(err)
		return nil, &d
	}
	var second yaml.Node
	switch err := decodeNode(decoder, &second); {
	case errors.Is(err, io.EOF):
		return document, nil
	case err == nil || src.hasSeparator():
		d := src.secondDocument(&second)
		return nil, &d
	default:
		d := src.syntaxProblem(err)
		return nil, &d
	}
}

// empty says whether a document holds nothing.
func empty(document *yaml.Node) bool {
	return len(document.Content) == 0 ||
		document.Content[0].Kind == yaml.ScalarNode && document.Content[0].Tag == "!!null"
}

// decodeNode is Decode with a panic of the library turned into an error: a
// file must never take the process down.
func decodeNode(d *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return d.Decode(n)
}

// reading gives the text to the decoder and knows how far it came. With slow
// it gives a byte at a time, so that the place of an error is known.
type reading struct {
	text string
	at   int
	slow bool
}

func (r *reading) Read(p []byte) (int, error) {
	if r.at >= len(r.text) {
		return 0, io.EOF
	}
	if r.slow && len(p) > 1 {
		p = p[:1]
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

// hasSeparator says whether a line of the text begins a further document.
func (s *source) hasSeparator() bool {
	return strings.Contains(s.text, "\n---") || strings.Contains(s.text, "\n...")
}

func (s *source) secondDocument(second *yaml.Node) diag.Diagnostic {
	at := s.lines[min(max(second.Line-1, 0), len(s.lines)-1)]
	if second.Line == 0 {
		at = strings.LastIndex(s.text, "\n---") + 1
	}
	return diag.Diagnostic{
		Span: s.span(at, at+3), Code: diag.SecondDocument,
		Message: "a second document begins here",
		Hint:    "a flow is one document: put the other into a file of its own",
	}
}

// A style is how a scalar was written.
type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	literal
	folded
	collection // not a scalar
)

// marks is where a Node stands in the text, for At, and how large it is.
type marks struct {
	src        *source
	start, end int // bytes of the value, without anchor and tag; end is start for a block scalar
	style      style
	flow       bool   // inside { } or [ ]
	tag        string // as written, or ""
	tagAt      int
	height     int // lists and mappings in each other
	total      int // values in it, aliases written out
}

// A converter makes Nodes of YAML's.
type converter struct {
	src      *source
	at       cursor
	problems diag.List
	done     map[*yaml.Node]*Node // of nodes with an anchor; nil while in the making
	nodes    int
	aliases  int
	inFlow   int
	stop     bool // a limit is passed: the rest would only take time
}

func (c *converter) report(span diag.Span, code diag.Code, hint, format string, a ...any) *diag.Diagnostic {
	c.problems = append(c.problems, diag.Diagnostic{Span: span, Code: code, Message: fmt.Sprintf(format, a...), Hint: hint})
	return &c.problems[len(c.problems)-1]
}

// over reports a limit that is passed, and stops.
func (c *converter) over(span diag.Span, hint, format string, a ...any) {
	if !c.stop {
		c.report(span, diag.OverLimit, hint, format, a...)
		c.stop = true
	}
}

// node converts a value at a depth.
func (c *converter) node(y *yaml.Node, depth int) *Node {
	if c.stop {
		return &Node{}
	}
	at := c.at.offset(y.Line, y.Column)
	if c.nodes++; c.nodes > maxNodes {
		c.over(c.src.span(at, at+1), "split the flow", "the file has more than %d values", maxNodes)
		return &Node{}
	}
	if y.Kind == yaml.AliasNode {
		return c.alias(y, at, depth)
	}
	if y.Anchor != "" {
		c.done[y] = nil
	}
	n := &Node{marks: marks{src: c.src, start: at, end: at, style: collection, flow: c.inFlow > 0, total: 1}}
	tag := c.properties(y, n)
	n.Span = c.at.span(n.marks.start)
	switch y.Kind {
	case yaml.ScalarNode:
		c.scalar(y, n, tag)
	case yaml.SequenceNode:
		c.list(y, n, depth)
	case yaml.MappingNode:
		c.mapping(y, n, depth)
	}
	if y.Anchor != "" {
		c.done[y] = n
	}
	if n.marks.total > maxExpanded {
		c.over(n.Span, "write the parts out where they are used, or split the flow",
			"with its aliases written out the file has more than %d values", maxExpanded)
	}
	return n
}

// alias gives the node that the alias stands for: its places are those of the
// original.
func (c *converter) alias(y *yaml.Node, at, depth int) *Node {
	span := c.src.span(at, at+1+len(y.Value))
	if c.aliases++; c.aliases > maxAliases {
		c.over(span, "", "the file has more than %d aliases", maxAliases)
		return &Node{}
	}
	target, known := c.done[y.Alias]
	if !known || target == nil {
		c.report(span, diag.AliasCycle, "", "the alias *%s stands inside of what it names", y.Value)
		return &Node{Span: span, marks: marks{src: c.src, start: at, end: at, total: 1}}
	}
	if depth+target.marks.height-1 > maxDepth {
		c.tooDeep(span)
	}
	return target
}

func (c *converter) tooDeep(span diag.Span) {
	c.over(span, "", "lists and mappings lie more than %d deep in each other", maxDepth)
}

// list converts a sequence.
func (c *converter) list(y *yaml.Node, n *Node, depth int) {
	n.Kind = List
	if depth > maxDepth {
		c.tooDeep(n.Span)
		return
	}
	c.enter(y)
	n.Items = make([]*Node, 0, len(y.Content))
	for _, item := range y.Content {
		m := c.node(item, depth+1)
		n.Items = append(n.Items, m)
		n.holds(m)
	}
	c.leave(y, n)
}

// holds adds a part to what is known of the size.
func (n *Node) holds(m *Node) {
	n.marks.total += m.marks.total
	n.marks.height = max(n.marks.height, m.marks.height)
}

func (c *converter) enter(y *yaml.Node) {
	if y.Style&yaml.FlowStyle != 0 {
		c.inFlow++
	}
}

// leave finds the end of a list or mapping.
func (c *converter) leave(y *yaml.Node, n *Node) {
	n.marks.height++
	if y.Style&yaml.FlowStyle == 0 {
		return
	}
	c.inFlow--
	end := n.marks.start + 1
	if k := len(n.Items); k > 0 {
		end = max(end, n.Items[k-1].marks.end)
	}
	if k := len(n.Pairs); k > 0 {
		end = max(end, n.Pairs[k-1].Value.marks.end)
	}
	for end < len(c.src.text) && strings.IndexByte(" \t,", c.src.text[end]) >= 0 {
		end++
	}
	if end < len(c.src.text) && (c.src.text[end] == ']' || c.src.text[end] == '}') {
		end++
	}
	n.marks.end = end
	n.Span = c.src.upTo(n.Span, n.marks.start, end)
}
