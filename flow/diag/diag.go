// Package diag holds positions in an author's files and what is wrong there:
// diagnostics with a stable code, an excerpt with a caret, and help.
//
// It knows nothing of flows: the loader, the checker and the command line all
// speak in its terms. Everything in it is plain data and safe to share once made.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Span is a place in a file: the characters from Column up to, not
// including, EndColumn on Line. All count from 1, columns in characters
// (Unicode code points), a tab being one. Line 0 means the file as a whole.
type Span struct {
	File      string
	Line      int
	Column    int
	EndColumn int
	Text      string // the line as it stands in the file, for the excerpt
}

// String is file:line:column, or the file alone where there is no line.
func (s Span) String() string {
	if s.Line == 0 {
		return s.File
	}
	return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column)
}

// A Severity says whether a diagnostic stops a flow from running.
type Severity uint8

// Only an Error stops a flow. The zero value is Error.
const (
	Error Severity = iota
	Warning
	Note
)

// String is the word that stands before the code.
func (s Severity) String() string { return [...]string{"error", "warning", "note"}[s] }

// A Code names one kind of problem for good: it has a page for explain and a
// golden test. See codes.go for all of them.
type Code string

// A Diagnostic is one problem in a file.
type Diagnostic struct {
	Span
	Severity Severity
	Code     Code
	Message  string   // what is wrong, in one line, no final stop
	Hint     string   // what to do; stands behind the caret
	Notes    []string // more facts, one line each
}

// Error is the problem in one line: place, message, code, hint.
func (d Diagnostic) Error() string {
	text := fmt.Sprintf("%s: %s[%s]: %s", d.Span, d.Severity, d.Code, d.Message)
	if d.Hint != "" {
		text += " (" + d.Hint + ")"
	}
	return text
}

// A List is all problems of a load, in source order: file by file in the order
// in which they were read, then by line and column. It is an error.
type List []Diagnostic

// Error is a line for each problem.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, d := range l {
		lines[i] = d.Error()
	}
	return strings.Join(lines, "\n")
}

// HasErrors says whether one of the problems stops the flow.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Sort puts the problems into source order and drops exact repetitions.
// Problems of one place keep the order in which they were found.
func (l List) Sort() List {
	order := map[string]int{}
	for _, d := range l {
		if _, ok := order[d.File]; !ok {
			order[d.File] = len(order)
		}
	}
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(l, func(a, b Diagnostic) bool {
		return a.Span == b.Span && a.Code == b.Code && a.Message == b.Message
	})
}
