package diag

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// kinds are those of a failure, in the language's table.
var kinds = []string{
	"flow", "http", "network", "timeout", "extract", "graphql", "data", "expression", "limit", "failed", "action", "expect",
	"input", "secret", "auth", "store", "internal", "paused", "unknown", "cancelled", "interrupted",
}

// declaredCodes reads the codes from the source.
func declaredCodes(t *testing.T) []Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, Code(text))
		}
		return true
	})
	return codes
}

func TestCodesListsEveryCodeOnce(t *testing.T) {
	t.Parallel()
	if want := declaredCodes(t); !slices.Equal(Codes(), want) {
		t.Errorf("got %v\nwant %v", Codes(), want)
	}
	sorted := slices.Sorted(slices.Values(Codes()))
	if len(slices.Compact(sorted)) != len(Codes()) {
		t.Error("a code stands twice")
	}
}

func TestEveryCodeAndKindHasAPageAndNoPageIsWithoutOne(t *testing.T) {
	t.Parallel()
	var want []string
	for _, code := range Codes() {
		want = append(want, string(code))
	}
	want = append(want, kinds...)
	slices.Sort(want)
	if got := Pages(); !slices.Equal(got, want) {
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s has no page", name)
			}
		}
		for _, name := range got {
			if !slices.Contains(want, name) {
				t.Errorf("the page %s is of no code or kind", name)
			}
		}
	}
}

func TestAPageIsShortAndBeginsWithItsName(t *testing.T) {
	t.Parallel()
	for _, name := range Pages() {
		page, ok := Page(name)
		lines := strings.Split(strings.TrimRight(page, "\n"), "\n")
		if !ok || lines[0] != "# "+name || len(lines) < 6 || len(lines) > 24 {
			t.Errorf("%s: %d lines, the first is %q", name, len(lines), lines[0])
		}
		if strings.Count(page, "```")%2 != 0 {
			t.Errorf("%s: an example is not closed", name)
		}
		for _, line := range lines {
			if columns(line) > 130 {
				t.Errorf("%s: a long line: %s", name, line)
			}
		}
	}
}

func TestThereIsNoPageOfSomethingElse(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "x", "../pages/http", "http.md", "pages/http"} {
		if _, ok := Page(name); ok {
			t.Errorf("%q has a page", name)
		}
	}
}
