package document

import (
	"strings"
	"testing"
)

func TestWhatTheGrammarAllowsIsRead(t *testing.T) {
	for _, text := range []string{
		"{ a }",
		"\uFEFF query { a, b,, c }",
		"query A($a: [Int!]! = [1, 2] @d(x: 1), $b: In = {a: \"x\", b: {c: ENUM}}) @x { a: b(c: $a, d: -1.5e+3, e: null, f: true) @skip(if: $b) { ... on T @y { z } ... { q } ...F } }\nfragment F on T @z { a }",
		"mutation { a(b: \"\"\"block \\\"\"\" \" } { \"\"\", c: \"\\u00e9 # no comment\") # comment }\n { b } }",
		"query query { on query fragment }",
		"subscription S { s }",
		"{ a(b: [], c: {}, d: 0, e: -0, f: 10.0) }",
	} {
		d, p := Parse(text)
		if p != nil {
			t.Errorf("%s\n%+v", text, *p)
			continue
		}
		for _, p := range d.Problems() {
			if !strings.Contains(p.Message, "$") {
				t.Errorf("%s\n%+v", text, p)
			}
		}
	}
}

func TestWhatTheGrammarForbidsHasAPlace(t *testing.T) {
	for text, want := range map[string]struct {
		from, to int
		say      string
	}{
		"":                        {0, 0, "no query and no mutation"},
		"# only a comment":        {0, 16, "no query and no mutation"},
		"fragment F on T { a }":   {0, 21, "no query and no mutation"},
		"é":                       {0, 1, "'é' has no meaning"},
		"{ a":                     {0, 1, "the brace is not closed"},
		"{ }":                     {0, 1, "the braces hold no field"},
		"{ a() }":                 {4, 5, "no argument"},
		"{ a(b) }":                {5, 6, "`:` is missing before `)`"},
		"{ a(b: ) }":              {7, 8, "a value is missing"},
		"{ a(b: 01) }":            {7, 9, "not a number"},
		"{ a(b: 1x) }":            {7, 9, "not a number"},
		"{ a(b: 1.) }":            {7, 9, "not a number"},
		"{ a(b: \"x) }":           {7, 12, "the string does not end"},
		"{ a(b: \"x\n\") }":       {7, 9, "does not end on its line"},
		"{ a(b: \"\\q\") }":       {8, 10, "no such escape"},
		"{ a(b: \"\"\"x) }":       {7, 10, "block string does not end"},
		"{ a .. b }":              {4, 5, "'.' has no meaning"},
		"query A() { a }":         {8, 9, "no variable"},
		"query A($a) { a }":       {10, 11, "`:` is missing before `)`"},
		"query A($a: [Int) { a }": {16, 17, "`]` is missing before `)`"},
		"{ a } b":                 {6, 7, "where `query`"},
		"type T { a: Int }":       {0, 4, "a part of a schema"},
		"{ a } fragment on T{b}":  {15, 17, "the fragment's name is missing"},
		"{a} fragment F on T{b} fragment F on T{b}": {32, 33, "two fragments"},
	} {
		_, p := Parse(text)
		if p == nil || p.From != want.from || p.To != want.to || !strings.Contains(p.Message, want.say) {
			t.Errorf("%q: got %+v, want %+v", text, p, want)
		}
	}
}

func TestDepthIsLimited(t *testing.T) {
	for n, fits := range map[int]bool{maxDepth - 1: true, maxDepth: true, maxDepth + 1: false, 1_000_000: false} {
		_, p := Parse(strings.Repeat("{a", n) + strings.Repeat("}", n))
		if (p == nil) != fits {
			t.Errorf("%d deep: %v", n, p)
		}
	}
	for _, text := range []string{"{a(b:" + strings.Repeat("[", 1_000_000), "{a(b:" + strings.Repeat("{a:", 1_000_000), "query($a:" + strings.Repeat("[", 1_000_000)} {
		if _, p := Parse(text); p == nil {
			t.Error("no problem")
		}
	}
}

func TestProblemsOfAWholeDocumentAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"query A { a } query A { b }":                   `two operations are called "A"`,
		"{ a } query A { b }":                           "must be the only one",
		"query A($a: Int, $a: Int) { b(a: $a) }":        "$a is declared twice",
		"query A { ...F } fragment F on T { ...G }":     `no fragment "G"`,
		"query A { ...F } fragment F on T { b(c: $x) }": "$x is not declared: query A($x: TYPE)",
		"{ b(c: [{d: $x}]) }":                           "$x is not declared: query Name($x: TYPE)",
	} {
		d, p := Parse(text)
		if p != nil {
			t.Fatal(p)
		}
		list := d.Problems()
		if len(list) != 1 || !strings.Contains(list[0].Message, want) {
			t.Errorf("%s: got %+v, want …%s…", text, list, want)
		}
	}
}

func TestThePlaceIsToldByLine(t *testing.T) {
	text := "query A {\n  é\n}"
	_, p := Parse(text)
	if line, column := p.Line(text); line != 2 || column != 3 {
		t.Errorf("got %d:%d", line, column)
	}
}

func FuzzParseEnds(f *testing.F) {
	for _, seed := range []string{"{ a }", "query A($a: [Int!]! = 1) { a(b: $a) ...F } fragment F on T { b }", `{ a(b: """x""") }`, "{a:", "\uFEFF#"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, p := Parse(text)
		if (d == nil) == (p == nil) {
			t.Fatal("neither or both")
		}
		if p != nil {
			if p.From < 0 || p.To < p.From || p.To > len([]rune(text)) && p.To > len(text) || p.Message == "" {
				t.Fatalf("%+v of %d", *p, len(text))
			}
			p.Line(text)
			return
		}
		for _, o := range d.Operations {
			d.Unused(o)
			d.Missing(o, func(string) bool { return false })
		}
		d.Problems()
	})
}
