package expression

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
)

type duration = time.Duration

var utc = time.UTC

// A compiler compiles one expression.
type compiler struct {
	scope      Scope
	source     string
	off        int // characters of the text given before source
	rawAllowed bool
	raw        bool
	clock      bool
	refs       []*reference
	set        []string // names that are set where the compiler has come to
	problems   []Problem
}

func (c *compiler) report(p Problem) { c.problems = append(c.problems, p) }

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
	c.report(Problem{From: c.off, To: c.off + utf8.RuneCountInString(c.source), Code: diag.BadExpression, Message: "computing comes soon"})
	return nil
}

// place turns a step's bytes of the source into characters of the text.
func (c *compiler) place(s *step) {
	s.from, s.to = c.off+utf8.RuneCountInString(c.source[:s.from]), c.off+utf8.RuneCountInString(c.source[:s.to])
}

// slice is the source between two places.
func (c *compiler) slice(from, to int) string { return cut(c.source, from-c.off, to-c.off) }

func (m *machine) slice(from, to int) string { return cut(m.source, from-m.off, to-m.off) }

// cut is the characters of s from one place to another.
func cut(s string, from, to int) string {
	start, stop, n := len(s), len(s), 0
	for i := range s {
		if n == from {
			start = i
		}
		if n == to {
			stop = i
			break
		}
		n++
	}
	if start > stop {
		return ""
	}
	return s[start:stop]
}

func (c *compiler) narrowed(root, name, what string) bool {
	return slices.Contains(c.set, root+"."+name)
}

func (c *compiler) foreignRoot(root step, steps []step) bool { return false }

func (c *compiler) wholeRoot(root step) {
	c.report(Problem{From: root.from, To: root.to, Code: diag.WholeRoot, Message: fmt.Sprintf("`%s` cannot be used as a whole", root.name),
		Hint: "name what you need: `" + root.name + ".NAME`"})
}

func (c *compiler) unknownName(root string, at step) {
	p := Problem{From: at.from, To: at.to, Code: diag.UnknownName, Message: fmt.Sprintf("there is no %s called %q", kindOfName(root), at.name)}
	if near := Suggest(at.name, c.scope.Names(root)); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.report(p)
}

func kindOfName(root string) string {
	switch root {
	case "inputs":
		return "input"
	case "secrets":
		return "secret"
	case "data":
		return "data point"
	case "steps":
		return "step"
	case "callbacks":
		return "callback"
	}
	return "name"
}

func (c *compiler) unknownMember(root, name string, at step, loopOnly bool) {
	p := Problem{From: at.from, To: at.to, Code: diag.UnknownName, Message: fmt.Sprintf("`%s` has no member %q", strings.Trim(root+"."+name, "."), at.name)}
	p.Hint = "it has " + c.memberList("", root)
	c.report(p)
}

// memberList names a root's members for a hint.
func (c *compiler) memberList(before, root string) string {
	var names []string
	for _, m := range members(root) {
		name := m.name
		if before != "" {
			name = before + "." + name
		}
		names = append(names, "`"+name+"`")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func (c *compiler) unknownRoot(root step, steps []step) {
	candidates := append(c.scope.Names(""), roots[:]...)
	p := Problem{From: root.from, To: root.to, Code: diag.UnknownName, Message: fmt.Sprintf("there is nothing called %q", root.name)}
	if near := Suggest(root.name, candidates); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	c.report(p)
}

func setIf(n node, outcome bool) []*reference { return nil }

func comparedWithNil(n node) (*reference, bool) { return nil, false }

func partsOf(n node, parts []node) []node { return append(parts, n) }

// Limits of one evaluation.
const (
	MaxOperations = 1_000_000
	MaxBytes      = 64 << 20 // of texts and lists made while computing
)

// A machine evaluates one program once.
type machine struct {
	env    Env
	source string
	off    int
	ops    int
	bytes  int
}

func (m *machine) tick(n int) *Error {
	if m.ops += n; m.ops > MaxOperations {
		return failure("the expression needs too many operations")
	}
	return nil
}

// at places an error that has no place yet.
func (m *machine) at(n node, err *Error) *Error {
	if err.From == 0 && err.To == 0 {
		err.From, err.To = n.about().from, n.about().to
	}
	return err
}
