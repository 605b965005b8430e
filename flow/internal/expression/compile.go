package expression

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// MaxNodes is how many nodes an expression may have.
const MaxNodes = 500

// A compiler compiles one expression: it resolves names, infers types and taint,
// follows which names are set, and builds the nodes, all in one pass.
type compiler struct {
	scope      Scope
	source     string
	off        int // characters of the text given before source
	rawAllowed bool
	raw        bool // the whole is raw(…)
	clock      bool
	refs       []*reference
	set        []string // names that are set where the compiler has come to: "data.x"
	items      []meta   // what is known of # in the enclosing predicates
	problems   []Problem
}

func (c *compiler) report(p Problem) {
	for _, q := range c.problems {
		if q.From == p.From && q.To == p.To && q.Code == p.Code && q.Message == p.Message {
			return // of a node that stands twice in the tree: a < b < c
		}
	}
	c.problems = append(c.problems, p)
}

// compile gives the root of the source, nil if there is none.
func (c *compiler) compile() node {
	if at, p := guard(c.source); p != nil {
		p.From = c.off + utf8.RuneCountInString(c.source[:at])
		p.To += p.From
		c.report(*p)
		return nil
	}
	if root, steps, ok := plain(c.source); ok {
		c.place(&root)
		for i := range steps {
			c.place(&steps[i])
		}
		return c.reference(root, steps, false)
	}
	if c.foreignSource() {
		return nil
	}
	tree, err := parse(c.source)
	if err != nil {
		c.syntaxProblem(err)
		return nil
	}
	return c.buildRoot(tree)
}

// parse is expr's parser. A panic of it is an error like others.
func parse(source string) (root ast.Node, err *file.Error) {
	defer func() {
		if recover() != nil {
			root, err = nil, &file.Error{Message: "the expression cannot be read"}
		}
	}()
	tree, failed := parser.ParseWithConfig(source, &conf.Config{MaxNodes: MaxNodes})
	if failed != nil {
		var ok bool
		if err, ok = failed.(*file.Error); !ok {
			err = &file.Error{Message: failed.Error()}
		}
		return nil, err
	}
	return tree.Node, nil
}

// place turns a step's bytes of the source into characters of the text.
func (c *compiler) place(s *step) {
	s.from, s.to = c.off+utf8.RuneCountInString(c.source[:s.from]), c.off+utf8.RuneCountInString(c.source[:s.to])
}

// slice is the source between two places.
func (c *compiler) slice(from, to int) string { return cut(c.source, from-c.off, to-c.off) }

// cut is the characters of s from one place up to another.
func cut(s string, from, to int) string {
	start, stop := bytesAt(s, from), bytesAt(s, to)
	if start > stop {
		return ""
	}
	return s[start:stop]
}

// bytesAt gives the index of the n-th character.
func bytesAt(s string, n int) int {
	for i := range s {
		if n <= 0 {
			return i
		}
		n--
	}
	return len(s)
}

// after gives the place after the bracket that closes the one at or, with only
// blanks between, after a place. Without one it gives the place itself.
func (c *compiler) after(place int) int {
	i := value.Blank(c.source, bytesAt(c.source, place-c.off))
	if i >= len(c.source) || strings.IndexByte("([{", c.source[i]) < 0 {
		return place
	}
	stop := closing(c.source, i)
	if stop < 0 {
		return place
	}
	return c.off + utf8.RuneCountInString(c.source[:stop+1])
}

// span is the meta of a node from one place to another, widened over the
// brackets that its ends stand in.
func (c *compiler) span(from, to int) meta {
	start, stop := bytesAt(c.source, from-c.off), bytesAt(c.source, to-c.off)
	left, right := unbalanced(c.source[start:max(start, stop)])
	for ; left > 0; left-- {
		i := strings.LastIndexByte(c.source[:start], '(')
		if i < 0 {
			break
		}
		start = i
	}
	for ; right > 0; right-- {
		i := strings.IndexByte(c.source[stop:], ')')
		if i < 0 {
			break
		}
		stop += i + 1
	}
	return meta{from: c.off + utf8.RuneCountInString(c.source[:start]), to: c.off + utf8.RuneCountInString(c.source[:stop])}
}

// unbalanced counts the brackets that s closes without opening, and opens
// without closing.
func unbalanced(s string) (closed, opened int) {
	for i := 0; i < len(s); i++ {
		if after, ok := quoted(s, i); ok {
			if after < 0 {
				return closed, opened
			}
			i = after - 1
			continue
		}
		switch s[i] {
		case '(':
			opened++
		case ')':
			if opened > 0 {
				opened--
			} else {
				closed++
			}
		}
	}
	return closed, opened
}

// narrowed says whether a condition around this place has found the name set.
func (c *compiler) narrowed(r *Ref) bool { return slices.Contains(c.set, r.narrows()) }

// given builds a node for which some names are set.
func (c *compiler) given(refs []*reference, n ast.Node, safe bool) node {
	before := len(c.set)
	for _, r := range refs {
		c.set = append(c.set, r.ref.narrows())
	}
	built := c.build(n, safe)
	c.set = c.set[:before]
	return built
}

// itemBehindDot reports list.0, which is gjson's spelling of list[0].
func (c *compiler) itemBehindDot(p *Problem) bool {
	for i := 0; i < len(c.source); i++ {
		if after, ok := quoted(c.source, i); ok {
			i = after - 1 // guard has seen that it is closed
			continue
		}
		start := i
		if i = word(c.source, start); i == start && (c.source[i] != ']' || i+1 == len(c.source)) {
			continue
		} else if i == start {
			i++
		}
		stop := i + 1
		for stop < len(c.source) && '0' <= c.source[stop] && c.source[stop] <= '9' {
			stop++
		}
		if i < len(c.source) && c.source[i] == '.' && stop > i+1 {
			p.From, p.To = c.off+utf8.RuneCountInString(c.source[:i]), c.off+utf8.RuneCountInString(c.source[:stop])
			p.Message, p.Hint = "an item of a list stands in brackets", "write "+strings.TrimPrefix(c.source[start:i], "]")+"["+c.source[i+1:stop]+"]"
			return true
		}
		i--
	}
	return false
}

// strayPredicate reports a function that takes a predicate and does not exist,
// or stands behind a dot: expr stumbles over the predicate.
func (c *compiler) strayPredicate(token string, at int) bool {
	if token != "#" && token != "." {
		return false
	}
	sc, stop := scanner{s: c.source}, bytesAt(c.source, at)
	for sc.i < stop {
		if after, ok := quoted(c.source, sc.i); ok {
			sc.i = after
			continue
		}
		sc.bracket()
		sc.i++
	}
	if !sc.open('(') {
		return false
	}
	to := sc.at[len(sc.at)-1]
	from := len(strings.TrimRight(c.source[:to], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))
	name := c.source[from:to]
	first, last := c.off+utf8.RuneCountInString(c.source[:from]), c.off+utf8.RuneCountInString(c.source[:to])
	known := slices.Contains(functionNames(), name)
	switch {
	case name == "":
		return false
	case known && strings.HasSuffix(c.source[:from], "."):
		c.report(Problem{From: first, To: last, Code: diag.UnknownFunction, Message: "functions stand in front of what they are for", Hint: fmt.Sprintf("write %s(list, …)", name)})
	case known:
		return false
	default:
		c.unknownFunction(name, first, last)
	}
	return true
}

// wholeNumber widens a place in a number over the whole of it.
func (c *compiler) wholeNumber(p *Problem) {
	isPart := func(i int) bool {
		return i >= 0 && i < len(c.source) && (word("x"+c.source[i:i+1], 0) == 2 || c.source[i] == '.')
	}
	from := bytesAt(c.source, p.From-c.off)
	for from > 0 && !isPart(from) { // it says where the next one begins
		from--
	}
	to := from
	for isPart(from - 1) {
		from--
	}
	for isPart(to) {
		to++
	}
	p.From, p.To = c.off+utf8.RuneCountInString(c.source[:from]), c.off+utf8.RuneCountInString(c.source[:to])
}
