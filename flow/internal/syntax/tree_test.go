package syntax

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/diag"
)

// TestEveryKeyIsRead compares the tree of a file that has every key with the
// golden one: its values and where they stand.
func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/tree/complete.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, problems := Parse("complete.yaml", text)
	if problems != nil {
		t.Fatal(problems)
	}
	var b strings.Builder
	write(&b, reflect.ValueOf(f), 0)
	const golden = "testdata/tree/complete.tree"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// write writes what is set in a tree, a line a field.
func write(b *strings.Builder, v reflect.Value, depth int) {
	indent := "\n" + strings.Repeat("  ", depth)
	switch x := v.Interface().(type) {
	case diag.Span:
		fmt.Fprintf(b, "%d:%d-%d", x.Line, x.Column, x.EndColumn)
		return
	case *Node:
		fmt.Fprintf(b, "%s @%d:%d-%d", value(x), x.Span.Line, x.Span.Column, x.Span.EndColumn)
		return
	case fmt.Stringer:
		b.WriteString(x.String())
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		write(b, v.Elem(), depth)
	case reflect.Slice:
		for i := range v.Len() {
			b.WriteString(indent + "- ")
			write(b, v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); !field.IsZero() {
				b.WriteString(indent + v.Type().Field(i).Name + ": ")
				write(b, field, depth+1)
			}
		}
	default:
		fmt.Fprintf(b, "%#v", v.Interface())
	}
}

// value writes a node with its kinds.
func value(n *Node) string {
	var parts []string
	switch n.Kind {
	case List:
		for _, item := range n.Items {
			parts = append(parts, value(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case Mapping:
		for _, p := range n.Pairs {
			parts = append(parts, p.Key+": "+value(p.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case String:
		return fmt.Sprintf("%q", n.Text)
	case Null:
		return "null"
	}
	return n.Text
}

func TestTheTablesNameEachKeyOnceAndDescribeIt(t *testing.T) {
	t.Parallel()
	for _, table := range Tables() {
		seen := map[string]bool{}
		for _, key := range table.Keys {
			if seen[key.Name] || key.Doc == "" || key.Takes == "" {
				t.Errorf("%s.%s stands twice, or has no description", table.Name, key.Name)
			}
			seen[key.Name] = true
		}
		for word := range foreignKeys[table.Name] {
			if seen[word] {
				t.Errorf("%s.%s is ours and another tool's", table.Name, word)
			}
			if ours := foreignKeys[table.Name][word].ours; ours != "" && !seen[ours] {
				t.Errorf("%s.%s stands for %q, which is no key", table.Name, word, ours)
			}
		}
	}
	for name := range foreignKeys {
		found := false
		for _, table := range Tables() {
			found = found || table.Name == name
		}
		if !found {
			t.Errorf("there is no table %q", name)
		}
	}
}
