package syntax

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

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
	holes      bool   // a key was wrong, and that was reported
	cut        bool   // a comment begins inside of an expression; that is reported
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
		c.tooDeep(c.src.span(n.marks.start, n.marks.start+1))
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
		if n.Kind == List { // its first dash
			n.Span = c.src.upTo(n.Span, n.marks.start, n.marks.start+1)
		}
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

// mapping converts a mapping: keys are text and stand once, `<<` is resolved.
func (c *converter) mapping(y *yaml.Node, n *Node, depth int) {
	n.Kind = Mapping
	if depth > maxDepth {
		c.tooDeep(c.src.span(n.marks.start, n.marks.start+1))
		return
	}
	if c.braces(y, n) {
		return
	}
	c.enter(y)
	seen := make(map[string]int, len(y.Content)/2)
	n.Pairs = make([]Pair, 0, len(y.Content)/2)
	var merges []*Node
	for i := 0; i+1 < len(y.Content) && !c.stop; i += 2 {
		key, span, ok := c.key(y.Content[i])
		if i/2 == maxKeys {
			c.over(span, "", "a mapping has more than %d keys", maxKeys)
		}
		value := c.node(y.Content[i+1], depth+1)
		n.holds(value)
		if !ok {
			n.marks.holes = true
			continue
		}
		if line, twice := seen[key]; twice {
			c.report(span, diag.DuplicateKey, "", "the key %q stands twice", key).Notes = []string{fmt.Sprintf("first on line %d", line)}
			continue
		}
		seen[key] = span.Line
		if y.Content[i].Tag == "!!merge" {
			merges = append(merges, c.merged(value, span)...)
			continue
		}
		n.Pairs = append(n.Pairs, Pair{Key: key, KeySpan: span, Value: value})
	}
	for _, m := range merges {
		c.merge(n, m, seen)
	}
	c.leave(y, n)
	if y.Style&yaml.FlowStyle == 0 {
		c.blockSpan(n)
	}
}

// blockSpan makes the place of a block mapping its first key and value.
func (c *converter) blockSpan(n *Node) {
	if len(n.Pairs) == 0 {
		return
	}
	first := n.Pairs[0]
	n.Span = first.KeySpan
	if v := first.Value; v.Kind < List && v.Span.Line == n.Span.Line && v.Span.EndColumn > n.Span.EndColumn {
		n.Span.EndColumn = v.Span.EndColumn
	}
}

// key gives a key's text. What is not text is reported.
func (c *converter) key(y *yaml.Node) (string, diag.Span, bool) {
	at := c.at.offset(y.Line, y.Column)
	span := c.at.span(at)
	if y.Kind == yaml.AliasNode {
		span = c.src.upTo(span, at, at+1+len(y.Value))
		if c.aliases++; c.aliases > maxAliases {
			c.over(span, "", "the file has more than %d aliases", maxAliases)
		}
		y = y.Alias
	} else {
		span = c.src.upTo(span, at, at+c.keyLength(y, at))
		if y.Anchor != "" {
			c.done[y] = &Node{Kind: String, Text: y.Value, Span: span, marks: marks{src: c.src, start: at, end: at, total: 1}}
		}
	}
	switch {
	case y.Kind != yaml.ScalarNode:
		c.report(span, diag.WrongShape, "a key is a name, or text in quotes", "a key must be text, not a list or a mapping")
		return "", span, false
	case strings.Contains(y.Value, "${{"):
		c.report(span, diag.ExpressionInKey, "an expression may stand in a value only", "a key cannot hold an expression")
		return y.Value, span, true
	case y.Value == "":
		c.report(span, diag.WrongShape, "", "a key is empty")
		return "", span, false
	}
	if tag := c.tagAt(at); tag != "" && tag != "!!str" {
		c.report(c.src.upTo(span, at, at+len(tag)), diag.CustomTag, "remove it", "the tag %s on a key", tag)
	}
	return y.Value, span, true
}

// keyLength is the length of a key in the source.
func (c *converter) keyLength(y *yaml.Node, at int) int {
	w := walk{src: c.src, text: y.Value, at: at, lean: true}
	s := styleOf(y)
	if y.Kind != yaml.ScalarNode || !w.scalar(s) {
		line := c.src.rest(at)
		if y.Kind != yaml.ScalarNode && y.Style&yaml.FlowStyle != 0 {
			end, _ := scanExpression(line[1:], map[byte]string{'[': "]", '{': "}"}[line[0]])
			return end + 1
		}
		return 1
	}
	end := w.at
	if s == singleQuoted || s == doubleQuoted {
		end++
	}
	return end - at
}

// merged lists the mappings that a `<<` names.
func (c *converter) merged(value *Node, span diag.Span) []*Node {
	switch value.Kind {
	case Mapping:
		return []*Node{value}
	case List:
		for _, m := range value.Items {
			if m.Kind != Mapping {
				c.report(span, diag.WrongShape, "", "`<<` takes mappings; one of these is %s", describe(m))
				return nil
			}
		}
		return value.Items
	}
	c.report(span, diag.WrongShape, "write `<<: *name`", "`<<` takes a mapping or a list of mappings, not %s", describe(value))
	return nil
}

// merge adds the pairs of m that n does not have.
func (c *converter) merge(n, m *Node, seen map[string]int) {
	for _, p := range m.Pairs {
		if _, has := seen[p.Key]; has {
			continue
		}
		seen[p.Key] = p.KeySpan.Line
		if len(n.Pairs) == maxKeys {
			c.over(n.Span, "", "a mapping has more than %d keys", maxKeys)
			return
		}
		n.Pairs = append(n.Pairs, p)
	}
}

// braces reports an unquoted {{ x }}: to YAML a mapping whose key is a mapping.
// It takes the place of n.
func (c *converter) braces(y *yaml.Node, n *Node) bool {
	if y.Style&yaml.FlowStyle == 0 || len(y.Content) == 0 {
		return false
	}
	inner := y.Content[0]
	if inner.Kind != yaml.MappingNode || inner.Style&yaml.FlowStyle == 0 {
		return false
	}
	start := n.marks.start
	line := c.src.rest(start)
	if !strings.HasPrefix(line, "{{") { // a key that is a mapping
		return false
	}
	length := strings.Index(line, "}}") + 2
	if length < 2 {
		length = len(line)
	}
	written := line[:length]
	n.Kind, n.Text = String, "$"+written // what was meant
	n.marks.end = start + length
	n.Span = c.src.upTo(n.Span, start, start+length)
	c.problems = append(c.problems, bracesProblem(n.Span, written))
	return true
}

// bracesProblem is the answer to {{ x }}.
func bracesProblem(span diag.Span, written string) diag.Diagnostic {
	return diag.Diagnostic{
		Span: span, Code: diag.SwallowedByYAML,
		Message: fmt.Sprintf("YAML takes %s for a mapping", written),
		Hint:    fmt.Sprintf("write %s", quoted("$"+written)),
	}
}
