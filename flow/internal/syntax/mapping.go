package syntax

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
)

// mapping converts a mapping: keys are text and stand once, `<<` is resolved.
func (c *converter) mapping(y *yaml.Node, n *Node, depth int) {
	n.Kind = Mapping
	if depth > maxDepth {
		c.tooDeep(n.Span)
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
		c.report(span, diag.WrongShape, "", "a key must be text, not a list or a mapping")
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
