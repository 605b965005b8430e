package syntax

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow/diag"
)

// overLimit says which limits a file passes.
func overLimit(text string) []string {
	_, problems := Parse("f.yaml", []byte(text))
	var over []string
	for _, d := range problems {
		if d.Code == diag.OverLimit {
			over = append(over, d.Message)
		}
	}
	return over
}

func TestEachLimitHoldsAtItsNumber(t *testing.T) {
	t.Parallel()
	head := "stepwell: 1\nname: x\nsteps: [ { id: a, set: { a: 1 } } ]\n"
	const headValues = 8 // the file's mapping, 1, x, the list, the step, a, the mapping, 1
	for name, c := range map[string]struct {
		limit int
		text  func(n int) string // a file with n of what is limited
		want  string
	}{
		"bytes": {maxBytes, func(n int) string { return head + "#" + strings.Repeat("x", n-len(head)-1) }, "the file has"},
		"depth, lists": {maxDepth, func(n int) string {
			return head + "outputs:\n  a: " + strings.Repeat("[", n-2) + strings.Repeat("]", n-2)
		}, "deep"},
		"depth, mappings": {maxDepth, func(n int) string {
			return head + "outputs:\n  a: " + strings.Repeat("{a: ", n-2) + strings.Repeat("}", n-2)
		}, "deep"},
		"depth, with an alias": {maxDepth, func(n int) string {
			return head + "x-a: &a [[[[[[1]]]]]]\noutputs:\n  a: " + strings.Repeat("[", n-8) + "*a" + strings.Repeat("]", n-8)
		}, "deep"},
		"values": {maxNodes, func(n int) string {
			return head + "x-a: [" + strings.Repeat("1,", n-headValues-1) + "]"
		}, "values"},
		"keys": {maxKeys, func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "  k%d: 1\n", i)
			}
			return head + "outputs:\n" + b.String()
		}, "keys"},
		"keys, merged": {maxKeys, func(n int) string {
			var b strings.Builder
			for i := range n - 1 {
				fmt.Fprintf(&b, "  k%d: 1\n", i)
			}
			return head + "x-a: &a\n" + b.String() + "outputs: { <<: *a, one: 1 }\n"
		}, "keys"},
		"aliases": {maxAliases, func(n int) string {
			return head + "x-a: &a 1\nx-b: [" + strings.Repeat("*a,", n) + "]"
		}, "aliases"},
		"values with aliases": {maxExpanded, func(n int) string {
			rest := n - headValues - 999 - 1 // x-a, and the list of x-b
			return head + "x-a: &a [" + strings.Repeat("1,", 998) + "]\nx-b: [" +
				strings.Repeat("*a,", rest/999) + strings.Repeat("1,", rest%999) + "]"
		}, "aliases written out"},
		"steps": {maxSteps, func(n int) string {
			var b strings.Builder
			b.WriteString("stepwell: 1\nname: x\nsteps:\n  - id: a\n    if: true\n    steps:\n")
			for i := range n - 3 {
				fmt.Fprintf(&b, "      - { id: s%d, action: x }\n", i)
			}
			b.WriteString("    else: [ { id: b, action: x } ]\nfinally: [ { id: c, action: x } ]\n")
			return b.String()
		}, "steps"},
		"loops": {maxLoops, func(n int) string {
			text := "{ id: s0, action: x }"
			for i := range n {
				text = fmt.Sprintf("{ id: s%d, for_each: { in: data.x }, steps: [ %s ] }", i+1, text)
			}
			return "stepwell: 1\nname: x\nsteps: [ " + text + " ]\n"
		}, "loops"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, n := range []int{c.limit - 1, c.limit} {
				if _, problems := Parse("f.yaml", []byte(c.text(n))); problems != nil {
					t.Errorf("%d: %.300s", n, problems.Error())
				}
			}
			over := overLimit(c.text(c.limit + 1))
			if len(over) != 1 || !strings.Contains(over[0], c.want) {
				t.Errorf("%d: got %q, want one problem about %s", c.limit+1, over, c.want)
			}
		})
	}
}

func TestElseIsOutsideOfItsStepsLoop(t *testing.T) {
	t.Parallel()
	text := "{ id: s0, action: x }"
	for i := range maxLoops {
		text = fmt.Sprintf("{ id: s%d, if: true, for_each: { in: data.x }, steps: [ %s ], else: [ { id: e%d, for_each: { in: data.x }, set: { a: 1 } } ] }", i+1, text, i+1)
	}
	if _, problems := Parse("f.yaml", []byte("stepwell: 1\nname: x\nsteps: [ "+text+" ]\n")); problems != nil {
		t.Error(problems)
	}
}

func TestMaxOfALoopMayBe100000(t *testing.T) {
	t.Parallel()
	for n, fits := range map[int]bool{maxItems - 1: true, maxItems: true, maxItems + 1: false} {
		text := fmt.Sprintf("stepwell: 1\nname: x\nsteps: [ { id: a, for_each: { in: data.x, max: %d }, set: { a: 1 } } ]\n", n)
		if _, problems := Parse("f.yaml", []byte(text)); (len(problems) == 0) != fits {
			t.Errorf("max: %d: %v", n, problems)
		}
	}
}

func TestANameMayHave64Characters(t *testing.T) {
	t.Parallel()
	for n, fits := range map[int]bool{maxName - 1: true, maxName: true, maxName + 1: false} {
		text := fmt.Sprintf("stepwell: 1\nname: x\nsteps: [ { id: %s, set: { a: 1 } } ]\n", strings.Repeat("a", n))
		if _, problems := Parse("f.yaml", []byte(text)); (len(problems) == 0) != fits {
			t.Errorf("%d characters: %v", n, problems)
		}
	}
}

func TestAliasesThatMultiplyAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("x-a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "x-a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 10))
	}
	if over := overLimit(b.String()); len(over) != 1 {
		t.Errorf("got %q", over)
	}
}

// TestHostileFilesTakeNoTime holds files for which a step too many per
// character takes minutes; all are done in about a second.
func TestHostileFilesTakeNoTime(t *testing.T) {
	t.Parallel()
	if raced {
		t.Skip("it is about time, and nothing here runs at the same time")
	}
	const size = maxBytes - 1000
	rep := func(s string) string { return strings.Repeat(s, size/len(s)) }
	var keys strings.Builder
	for i := 0; keys.Len() < size-100; i++ {
		fmt.Fprintf(&keys, "k%d: 1\n", i)
	}
	for name, text := range map[string]string{
		"keys":             keys.String(),
		"brackets":         rep("["),
		"braces":           rep("{a: "),
		"dashes":           rep("- "),
		"items":            rep("-\n"),
		"one line":         "é: [" + rep("[é],") + "]",
		"one line of text": "é: [" + rep("'é',") + "]",
		"comments":         rep("#\n"),
		"comments in flow": "[" + rep("a,#\n") + "]",
		"swallowed":        rep("- a #b\n"),
		"open quote":       "a: \"" + rep("x\n "),
		"open quote later": rep("a\n") + "\"",
		"open bracket":     "a: [" + rep("x,\n"),
		"bad indentation":  "a:\n  b: 1\n" + rep(" c: 1\n"),
		"no colon":         rep("a\n") + "b: 1",
		"late error":       "a:\n" + rep("  - b: 1\n") + " c\n",
		"late line error":  "a:\n" + rep("  - b: 1\n") + "c: " + strings.Repeat("x", 500) + ": y",
		"tags":             rep("- !a b\n"),
		"expressions":      "a: " + rep("${{ "),
		"cut expressions":  "steps: [ { id: a, expect: { that: [" + strings.Repeat("a(,", maxNodes-20) + "] }, action: x } ]",
		"cut in é":         "é: 1\nsteps: [ { id: a, expect: { that: [" + strings.Repeat("é(,", maxNodes-20) + "] }, action: x } ]",
		"constants in é":   "é: 1\nsteps: [ { id: a, expect: { status: [" + strings.Repeat("'${{x}}',", maxNodes-20) + "] }, action: x } ]",
		"one text in é":    "é: 1\nname: 'é" + rep("${{") + "'\nsteps: [ { id: a, expect: { status: [" + strings.Repeat("'${{x}}',", 1) + "] }, action: x } ]",
		"wrong in é":       "é: 1\nsteps: [ { id: é, expect: { status: [" + strings.Repeat("é,", maxNodes-20) + "] }, action: x } ]",
		"merges":           "a: &a {}\nb: {" + rep("<<: *a,") + "}",
		"documents":        rep("---\n"),
		"folded":           "a: >\n" + rep("  x\n"),
		"quoted folds":     "a: '" + rep("x\n ") + "'",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			Parse("f.yaml", []byte(text))
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}
