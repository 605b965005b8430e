// Package evaluate computes a single expression over given values, outside of
// any run.
package evaluate

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// Known are values that an expression may read. Nil maps hold nothing.
type Known struct {
	Inputs, Data map[string]json.RawMessage
	// Body is `response.body`; nil: there is no response.
	Body json.RawMessage
}

// JSON computes an expression, or a text with ${{ }} in it, and gives the
// result as JSON. A problem that a check would find is a diag.List whose
// columns count within the source; what goes wrong while computing is mostly an
// *expression.Error.
func JSON(source string, known Known) (string, error) {
	for name, group := range map[string]map[string]json.RawMessage{"inputs": known.Inputs, "data": known.Data} {
		for key, raw := range group {
			if err := expression.CheckJSON(raw); err != nil {
				return "", fmt.Errorf("%s.%s: %w", name, key, err)
			}
		}
	}
	e := &evaluation{known: known}
	var run func() (expression.Value, error)
	var problems []expression.Problem
	if at := strings.Index(source, "${{"); at > 0 {
		t, found := expression.CompileTemplate(source, e)
		run, problems = func() (expression.Value, error) { return t.Render(e) }, found
	} else {
		p, found := expression.Compile(source, e)
		run, problems = func() (expression.Value, error) { return p.Eval(e) }, found
	}
	if list := Problems("expression", source, problems); list.HasErrors() {
		return "", list
	}
	v, err := run()
	if err != nil {
		return "", err
	}
	return v.JSON()
}

// Problems makes diagnostics of problems in a text that is no file.
func Problems(file, text string, problems []expression.Problem) diag.List {
	list := make(diag.List, 0, len(problems))
	for _, p := range problems {
		span := diag.Span{File: file, Line: 1, Column: p.From + 1, EndColumn: p.To + 1, Text: text}
		if runes := []rune(text); strings.ContainsRune(text, '\n') && p.From <= len(runes) {
			before := string(runes[:p.From])
			span.Line += strings.Count(before, "\n")
			start := strings.LastIndexByte(before, '\n') + 1
			span.Column = len([]rune(before[start:])) + 1
			span.EndColumn = span.Column + max(1, p.To-p.From)
			span.Text, _, _ = strings.Cut(text[start:], "\n")
		}
		list = append(list, diag.Diagnostic{Span: span, Severity: p.Severity, Code: p.Code, Message: p.Message, Hint: p.Hint, Notes: p.Notes})
	}
	return list
}

// An evaluation is what one Eval may read: the scope of the check and the
// values of the computation.
type evaluation struct{ known Known }

func (e *evaluation) group(root string) map[string]json.RawMessage {
	switch root {
	case "inputs":
		return e.known.Inputs
	case "data":
		return e.known.Data
	}
	return nil
}

// Root implements expression.Scope.
func (e *evaluation) Root(root string) (why string, ok bool) {
	switch root {
	case "inputs", "data":
		return "", true
	case "response":
		if e.known.Body != nil {
			return "", true
		}
		return "there is no response here: give its body on standard input", false
	}
	return "there is no run here: only inputs, data and response.body can be read", false
}

// Name implements expression.Scope.
func (e *evaluation) Name(root, name string) (expression.Name, bool) {
	raw, ok := e.group(root)[name]
	if !ok {
		return expression.Name{}, false
	}
	return expression.Name{Type: expression.Type{Kind: expression.FromJSON(string(raw)).Kind()}}, true
}

// Names implements expression.Scope.
func (e *evaluation) Names(root string) []string { return slices.Sorted(maps.Keys(e.group(root))) }

// Value implements expression.Env.
func (e *evaluation) Value(r *expression.Ref) (expression.Value, error) {
	if r.Root == "response" {
		if r.Member == "body" {
			return expression.FromJSON(string(e.known.Body)), nil
		}
		return expression.Of(nil), nil
	}
	if raw, ok := e.group(r.Root)[r.Name]; ok {
		return expression.FromJSON(string(raw)), nil
	}
	return expression.Of(nil), nil
}

// Now implements expression.Env.
func (e *evaluation) Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// UUID implements expression.Env.
func (e *evaluation) UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return record.UUID(b, 4)
}

// A Path is a compiled gjson path. It may be used by many goroutines.
type Path struct{ compiled *expression.Path }

// CompilePath reads a gjson path. The error is a diag.List whose columns count
// within text.
func CompilePath(text string) (*Path, error) {
	p, problems := expression.CompilePath(text)
	if list := Problems("path", text, problems); list.HasErrors() {
		return nil, list
	}
	return &Path{p}, nil
}

// Find gives the JSON of the value at the path, with the digits it came with.
// null is there. The text must be valid JSON; nothing looks at it.
func (p *Path) Find(json string) (value string, there bool) { return p.compiled.Get(json) }

// Nearest gives at most n paths that the JSON text has and that are most like
// this one, for whoever mistyped it.
func (p *Path) Nearest(json string, n int) []string { return p.compiled.Nearest(json, n) }
