// Package format brings a flow file into one form without touching what a
// person wrote: whole pieces of the source are moved, each with its comments,
// and only their indentation is changed. Nothing is written anew from values, so
// quotes, digits, block scalars and line breaks stay as they are.
package format

import (
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// Text formats a flow file, or one that flows include. A file with errors is
// refused with all of them; so is one that uses YAML in a way that cannot be
// moved safely. What comes out reads as the same flow, and formatting it again
// changes nothing. A byte order mark and the kind of line ends stay.
func Text(file string, text []byte) ([]byte, diag.List) {
	before, _ := syntax.Read(file, text)
	parse := syntax.Parse
	if before != nil && before.Kind == syntax.Mapping && !slices.ContainsFunc(before.Pairs, ofFlow) {
		parse = syntax.ParseIncluded
	}
	if _, problems := parse(file, text); problems.HasErrors() {
		return nil, problems
	}
	source, bom := strings.CutPrefix(string(text), byteOrderMark)
	crlf := strings.Contains(source, "\r\n")
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	r := &reader{file: file, text: source}
	root := r.read()
	if at := r.unended; at > 0 {
		source = strip(source, at)
		r = &reader{file: file, text: source}
		root = r.read()
	}
	if r.problem != nil {
		return nil, diag.List{*r.problem}
	}
	w := &writer{reader: r, sorted: !r.twice}
	w.document(root)
	formatted := w.out.String()
	after, problems := syntax.Read(file, []byte(formatted))
	if problems.HasErrors() || !same(before, after, whole()) || signs(source) != signs(formatted) {
		return nil, diag.List{r.unusual(root.from, "this file holds YAML that cannot be formatted without changing what it means")}
	}
	if crlf {
		formatted = strings.ReplaceAll(formatted, "\n", "\r\n")
	}
	if bom {
		formatted = byteOrderMark + formatted
	}
	return []byte(formatted), nil
}

// ofFlow says whether a key is one that no included file has.
func ofFlow(p syntax.Pair) bool { return p.Key == "name" || p.Key == "steps" }

const byteOrderMark = "\ufeff"

// strip gives a block scalar that ends with the file, which has no line end
// there, the sign for that: now a line end follows.
func strip(source string, at int) string {
	head := at + strings.IndexByte(source[at:], '\n')
	mark, rest, _ := strings.Cut(source[at:head], " ")
	mark = strings.ReplaceAll(mark, "+", "") + "-"
	return source[:at] + strings.TrimRight(mark+" "+rest, " ") + source[head:] + "\n"
}

// signs counts the bytes of a text that are no blanks: pieces are moved, and
// none is lost.
func signs(text string) (count [256]int) {
	for i := range len(text) {
		count[text[i]]++
	}
	count[' '], count['\t'], count['\n'] = 0, 0, 0
	return count
}

// whole is the shape of a file.
func whole() []syntax.Shape { return []syntax.Shape{{Table: syntax.Tables()[0]}} }

// same says whether two trees mean the same: only the keys that the language
// defines may stand in another order.
func same(a, b *syntax.Node, shapes []syntax.Shape) bool {
	if a.Kind != b.Kind || a.Text != b.Text || len(a.Items) != len(b.Items) || len(a.Pairs) != len(b.Pairs) {
		return false
	}
	for i, item := range a.Items {
		if !same(item, b.Items[i], items(shapes)) {
			return false
		}
	}
	if len(a.Pairs) == 0 {
		return true
	}
	table, values := keys(shapes)
	byKey := make(map[string]*syntax.Node, len(b.Pairs))
	for _, p := range b.Pairs {
		byKey[p.Key] = p.Value
	}
	for i, p := range a.Pairs {
		other, there := byKey[p.Key]
		if !there || table == nil && b.Pairs[i].Key != p.Key || !same(p.Value, other, below(table, values, p.Key)) {
			return false
		}
	}
	return true
}

// items are the shapes of a list's elements.
func items(shapes []syntax.Shape) []syntax.Shape {
	for _, s := range shapes {
		if s.Items != nil {
			return s.Items
		}
	}
	return nil
}

// keys gives the table of a mapping, or the shapes of values with the author's
// keys. One value may stand for a list of it.
func keys(shapes []syntax.Shape) (table *syntax.Table, values []syntax.Shape) {
	for _, s := range shapes {
		switch {
		case s.Table != nil:
			return s.Table, nil
		case s.Values != nil:
			return nil, s.Values
		case s.Items != nil:
			return keys(s.Items)
		}
	}
	return nil, nil
}

// below are the shapes of what stands behind a key.
func below(table *syntax.Table, values []syntax.Shape, key string) []syntax.Shape {
	if table == nil {
		return values
	}
	if k := table.Key(key); k != nil {
		return syntax.Shapes(k.Takes)
	}
	return nil
}
