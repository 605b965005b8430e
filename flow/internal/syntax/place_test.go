package syntax

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// valueOf parses a file of which only `x-v` and its value matter.
func valueOf(t *testing.T, text string) *Node {
	t.Helper()
	src, problems := newSource("f.yaml", []byte(text))
	if problems != nil {
		t.Fatal(problems)
	}
	root, problems := decode(src)
	if root == nil || problems != nil {
		t.Fatalf("%q: %v", text, problems)
	}
	n := root
	for n.Kind == Mapping || n.Kind == List {
		if n.Kind == Mapping {
			n = n.Pairs[len(n.Pairs)-1].Value
		} else {
			n = n.Items[len(n.Items)-1]
		}
	}
	return n
}

func TestAtFindsThePlaceInEveryStyle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, want string // the needle is NAME; want is line:column-end
	}{
		"plain":                        {"v: a NAME b", "1:6-10"},
		"plain after wide characters":  {"v: 日本 é NAME", "1:9-13"},
		"plain after a tab":            {"v: \ta\tNAME", "1:7-11"},
		"plain in a flow mapping":      {"v: { a: 1, 'b': x NAME }", "1:19-23"},
		"plain in a flow list":         {"v: [ é, x NAME, ]", "1:11-15"},
		"plain folded":                 {"v: a\n   b\n  c NAME\n", "3:5-9"},
		"plain folded with empty line": {"v: a  \n\n\n  b NAME\n", "4:5-9"},
		"plain with an anchor":         {"v: &x  a NAME", "1:10-14"},
		"plain with a tag":             {"v: !!str\n  NAME", "2:3-7"},
		"plain with tag and comment":   {"v: !!str # x\n  # y\n  NAME", "3:3-7"},
		"plain with CRLF":              {"a: 1\r\nv: a\r\n   b NAME\r\n", "3:6-10"},
		"a key before":                 {"é: ü\nv: NAME", "2:4-8"},
		"byte order mark":              {"\ufeffv: NAME", "1:4-8"},
		"single":                       {"v: 'it''s é NAME'", "1:13-17"},
		"single folded":                {"v: 'a  \n\n  b ''NAME'''", "3:7-11"},
		"double":                       {`v: "a NAME"`, "1:7-11"},
		"double with escapes":          {`v: "\t\x41\u00e9\U0001F600\" \\ NAME"`, "1:33-37"},
		"double folded":                {"v: \"a \n  b NAME\"", "2:5-9"},
		"double folded, empty lines":   {"v: \"a\n\n\n  b NAME\"", "4:5-9"},
		"double with escaped break":    {"v: \"a \\\n  b\\\n   NAME\"", "3:4-8"},
		"double, escaped break, empty": {"v: \"a\\\n\n  NAME\"", "3:3-7"},
		"double in a flow list":        {`v: [ "é\"", "\u65e5NAME" ]`, "1:20-24"},
		"literal":                      {"v: |\n  a\n  b NAME\n", "3:5-9"},
		"literal at once":              {"v: |\n  NAME\n", "2:3-7"},
		"literal deeper":               {"w:\n  v: |-  # comment NAME\n\n      a\n        NAME\n", "5:9-13"},
		"literal with indicator":       {"v: |2-\n    a\n  NAME\n", "3:3-7"},
		"literal with tabs":            {"v: |\n  a\n  \té\tNAME\n", "3:6-10"},
		"literal with keep":            {"v: |+\n  a\n\n  NAME\n\n\n", "4:3-7"},
		"literal with CRLF":            {"v: |\r\n  a\r\n\r\n  NAME\r\n", "4:3-7"},
		"literal without end":          {"v: |\n  é NAME", "2:5-9"},
		"folded":                       {"v: >\n  a\n  b NAME\n", "3:5-9"},
		"folded with empty lines":      {"v: >\n  a\n\n\n  b NAME\n", "5:5-9"},
		"folded with deeper lines":     {"v: >-\n  a\n    b\n    c\n\n  d NAME\n", "6:5-9"},
		"folded, deeper at first":      {"v: >2\n     a\n  b\n  é NAME\n", "4:5-9"},
		"folded in a list":             {"v:\n  - >\n    é\n    NAME\n", "4:5-9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := valueOf(t, c.text)
			before, _, found := strings.Cut(n.Text, "NAME")
			if !found {
				t.Fatalf("the value is %q", n.Text)
			}
			at := len([]rune(before))
			s := n.At(at, at+4)
			if got := fmt.Sprintf("%d:%d-%d", s.Line, s.Column, s.EndColumn); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got := string([]rune(s.Text)[s.Column-1 : s.EndColumn-1]); got != "NAME" {
				t.Errorf("the excerpt is %q", got)
			}
		})
	}
}

func TestAtOfRandomTextIsExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	alphabet := []rune("ab é日\t'\"\\#:-,{}[]&*!|>%@$\n")
	for i := range 20_000 {
		text := make([]rune, random.IntN(24))
		for j := range text {
			text[j] = alphabet[random.IntN(len(alphabet))]
		}
		at := random.IntN(len(text) + 1)
		value := string(text[:at]) + "${{n}}" + string(text[at:])
		for name, source := range encodings(value) {
			n := valueOf(t, "k: é\nv:\n - "+source)
			if n.Text != value {
				t.Fatalf("%s: %q is read as %q", name, source, n.Text)
			}
			s := n.At(at, at+6)
			if got := string([]rune(s.Text)[s.Column-1 : s.EndColumn-1]); got != "${{n}}" {
				t.Fatalf("case %d, %s: %q: the place holds %q", i, name, source, got)
			}
			if len(n.marks.src.placesOf(n)) != len([]rune(value))+1 {
				t.Fatalf("case %d, %s: %q could not be followed", i, name, source)
			}
		}
	}
}

// encodings writes a value in the styles that can hold it.
func encodings(value string) map[string]string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "é", `\u00e9`)
	all := map[string]string{
		"double": `"` + escape.Replace(value) + `"`,
		"single": "'" + foldBreaks(strings.ReplaceAll(value, "'", "''")) + "'",
	}
	if hasBlankEnds(value) {
		delete(all, "single")
	}
	all["literal"] = "|2-\n   " + strings.ReplaceAll(value, "\n", "\n   ") + "\n"
	if strings.HasSuffix(value, "\n") || onlyBlankLine(value) {
		delete(all, "literal")
	}
	return all
}

// foldBreaks writes a line end as an empty line.
func foldBreaks(value string) string { return strings.ReplaceAll(value, "\n", "\n\n  ") }

// hasBlankEnds says whether folding would lose a blank beside a line end.
func hasBlankEnds(value string) bool {
	for _, s := range []string{" \n", "\n ", "\t\n", "\n\t", "\n\n"} {
		if strings.Contains(value, s) {
			return true
		}
	}
	return strings.HasPrefix(value, "\n") || strings.HasSuffix(value, "\n")
}

// onlyBlankLine says whether a line has nothing but blanks: its place is unsure.
func onlyBlankLine(value string) bool {
	for _, line := range strings.Split(value, "\n") {
		if line != "" && strings.TrimSpace(line) == "" || strings.HasPrefix(line, "\t") {
			return true
		}
	}
	return false
}

func TestAtIsCutAtTheEndOfItsFirstLine(t *testing.T) {
	t.Parallel()
	n := valueOf(t, "v: |\n  abc\n  def\n")
	if s := n.At(1, 6); s.Line != 2 || s.Column != 4 || s.EndColumn != 6 {
		t.Errorf("got %+v", s)
	}
	n = valueOf(t, "v: abc  \n  def\n")
	if s := n.At(0, 4); s.Line != 1 || s.Column != 4 || s.EndColumn != 7 {
		t.Errorf("the fold: got %+v", s)
	}
}

func TestAtOfAnAliasIsThePlaceOfTheOriginal(t *testing.T) {
	t.Parallel()
	n := valueOf(t, "a: &x \"é ${{n}}\"\nv: *x\n")
	if s := n.At(2, 8); s.Line != 1 || s.Column != 10 || s.EndColumn != 16 {
		t.Errorf("got %+v", s)
	}
}

func TestAtOfListsAndMappingsIsTheWhole(t *testing.T) {
	t.Parallel()
	src, _ := newSource("f", []byte("v: { a: [1, é] , b: 2 } # x\n"))
	root, _ := decode(src)
	if s := root.Pairs[0].Value.At(0, 1); s.Column != 4 || s.EndColumn != 24 {
		t.Errorf("got %+v", s)
	}
	if s := root.Pairs[0].Value.Pairs[0].Value.Span; s.Column != 9 || s.EndColumn != 15 {
		t.Errorf("got %+v", s)
	}
}

func TestAtFallsBackOnTheNthExpression(t *testing.T) {
	t.Parallel()
	n := valueOf(t, "v: a ${{ x }} ${{ é.NAME }}\n")
	n.Text = "b ${{ x }} ${{ é.NAME }}" // as if an escape had not been understood
	before, _, _ := strings.Cut(n.Text, "NAME")
	at := len([]rune(before))
	if s := n.At(at, at+4); s.Column != 21 || s.EndColumn != 25 {
		t.Errorf("got %+v", s)
	}
}

func TestAtOfRandomLinesIsExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	followed := map[string]int{}
	for i := range 10_000 {
		lines := make([]string, 1+random.IntN(6))
		for j := range lines {
			for range random.IntN(5) {
				lines[j] += []string{"a", " ", "é", "\t", "b", "\\\\", "''", "日"}[random.IntN(8)]
			}
		}
		j := random.IntN(len(lines))
		lines[j] += "${{n}}"
		ending := []string{"\n", "\r\n"}[random.IntN(2)]
		body := strings.Join(lines, ending+"   ")
		for name, source := range map[string]string{
			"folded":  "v: >2-" + ending + "   " + body,
			"literal": "v: |2+" + ending + "   " + body,
			"auto":    "v: >" + ending + "   x" + ending + "   " + body,
			"double":  `v: "` + strings.ReplaceAll(body, "b"+ending, `\`+ending) + `"`,
			"single":  "v: 'x" + body + "'",
			"plain":   "v: x" + body,
		} {
			src, _ := newSource("f.yaml", []byte(source))
			root, problems := decode(src)
			if problems != nil {
				continue // a tab where YAML takes none
			}
			n := root.Pairs[0].Value
			before, _, found := strings.Cut(n.Text, "${{n}}")
			if !found {
				t.Fatalf("%s: %q is read as %q", name, source, n.Text)
			}
			at := len([]rune(before))
			s := n.At(at, at+6)
			if got := string([]rune(s.Text)[s.Column-1 : s.EndColumn-1]); got != "${{n}}" {
				t.Fatalf("case %d, %s: %q: the place holds %q", i, name, source, got)
			}
			if src.placesOf(n) != nil {
				followed[name]++
			} else {
				t.Errorf("case %d, %s: %q could not be followed", i, name, source)
			}
		}
		if t.Failed() {
			return
		}
	}
	for name, count := range followed {
		if count < 2_000 {
			t.Errorf("%s: only %d texts were tried", name, count)
		}
	}
}
