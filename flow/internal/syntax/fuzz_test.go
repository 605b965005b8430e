package syntax

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
)

// FuzzParse holds that no file stops the process, that the same file gives the
// same answer, and that every place lies in the file and holds what it says.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/tree/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 64<<10 {
			return
		}
		flow, problems := Parse("f.yaml", text)
		_, again := Parse("f.yaml", text)
		if !reflect.DeepEqual(problems, again) {
			t.Fatalf("twice not the same:\n%v\n%v", problems, again)
		}
		problems.Text(diag.Style{Width: 80, Colour: true})
		problems.JSON()
		problems.GitHub()
		lines := splitLines(strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"))
		for _, d := range problems {
			checkSpan(t, lines, d.Span)
			if d.Message == "" || d.Code == "" ||
				!bytes.Contains(text, []byte("%!")) && strings.Contains(d.Message+d.Hint, "%!") {
				t.Fatalf("a poor diagnostic: %+v", d)
			}
		}
		visit(reflect.ValueOf(flow), func(n *Node) { checkNode(t, lines, n) })
		if src, bad := newSource("f.yaml", text); bad == nil {
			if root, _ := decode(src); root != nil {
				visitNode(root, func(n *Node) { checkNode(t, lines, n) })
			}
		}
	})
}

func splitLines(text string) []string {
	return strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
}

func checkSpan(t *testing.T, lines []string, s diag.Span) {
	t.Helper()
	if s.Line == 0 {
		return
	}
	length := utf8.RuneCountInString(s.Text)
	if s.Line > len(lines) || utf8.ValidString(lines[s.Line-1]) && !isExcerpt(s.Text, lines[s.Line-1]) ||
		s.Column < 1 || s.Column > length+1 || s.EndColumn < s.Column || s.EndColumn > length+1 {
		t.Fatalf("no such place: %+v", s)
	}
}

// isExcerpt says whether a text is a line, in which secrets may be hidden.
func isExcerpt(text, line string) bool {
	got, want := []rune(text), []rune(line)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] && got[i] != '*' {
			return false
		}
	}
	return len(got) == len(want)
}

// checkNode looks for each ${{ of a text at its place.
func checkNode(t *testing.T, lines []string, n *Node) {
	checkSpan(t, lines, n.Span)
	if n.Kind != String || n.marks.style == collection {
		return
	}
	places := n.marks.src.placesOf(n)
	if places == nil && strings.TrimSpace(n.Text) != "" {
		t.Fatalf("%q could not be followed", n.Text)
	}
	if n.marks.style == doubleQuoted {
		return // an escape may make a brace
	}
	for from := 0; ; {
		i := strings.Index(n.Text[from:], "${{")
		if i < 0 {
			return
		}
		at := utf8.RuneCountInString(n.Text[:from+i])
		s := n.At(at, at+3)
		if got := string([]rune(s.Text)[s.Column-1 : s.EndColumn-1]); got != "${{" {
			t.Fatalf("%q: the place of ${{ holds %q", n.Text, got)
		}
		from += i + 3
	}
}

// visit finds the nodes of a tree.
func visit(v reflect.Value, each func(*Node)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if n, is := v.Interface().(*Node); is {
			visitNode(n, each)
			return
		}
		visit(v.Elem(), each)
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), each)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				visit(v.Field(i), each)
			}
		}
	}
}

func visitNode(n *Node, each func(*Node)) {
	each(n)
	for _, item := range n.Items {
		visitNode(item, each)
	}
	for _, p := range n.Pairs {
		visitNode(p.Value, each)
	}
}
