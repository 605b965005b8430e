// Package schema compiles JSON Schemas and says in words for people where a
// text does not fit one, without a value of it.
package schema

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// A Problem is why a schema is not valid.
type Problem struct {
	Pointer       string // a JSON pointer into the schema, or ""
	Message, Hint string
}

const schemaURL = "schema:///schema"

// Compile compiles the JSON text of a schema. Nothing outside of it is read.
func Compile(text []byte) (s *Schema, problems []Problem) {
	defer func() {
		if recover() != nil {
			s, problems = nil, []Problem{{Message: "it cannot be compiled"}}
		}
	}()
	if err := expression.CheckJSON(text); err != nil {
		return nil, []Problem{{Message: "it is not JSON: " + err.Error()}}
	}
	document, err := decodeJSON(string(text))
	if err != nil {
		return nil, []Problem{{Message: err.Error()}}
	}
	switch document.(type) {
	case map[string]any, bool:
	default:
		return nil, []Problem{{Message: "a schema is an object"}}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(closed{})
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, problemsOf(err)
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return nil, problemsOf(err)
	}
	return &Schema{compiled}, nil
}

var errElsewhere = errors.New("it lies elsewhere")

// closed is a loader that loads nothing: a schema holds all that it refers to.
type closed struct{}

// Load implements jsonschema.URLLoader.
func (closed) Load(string) (any, error) { return nil, errElsewhere }

// problemsOf puts the library's errors into words for the author, in an order
// that is the same each time.
func problemsOf(err error) []Problem {
	var invalid *jsonschema.SchemaValidationError
	var failed *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &failed) {
		return []Problem{problemOf(err)}
	}
	var problems []Problem
	for _, leaf := range findings(failed) {
		problems = append(problems, Problem{Pointer: jsonPointer(leaf.InstanceLocation), Message: spot(leaf.InstanceLocation) + " " + requirement(leaf)})
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.Pointer, b.Pointer), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(problems)
}

// findings are the places of a schema that are wrong. Of alternatives, such as
// a type's one name or a list of them, the first is what was meant.
func findings(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		if len(e.Causes) > 0 {
			return findings(e.Causes[0])
		}
	}
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		all = append(all, findings(cause)...)
	}
	return all
}

// problemOf is one error of the library in words for the author.
func problemOf(err error) Problem {
	var elsewhere *jsonschema.LoadURLError
	var regex *jsonschema.InvalidRegexError
	var pointer *jsonschema.JSONPointerNotFoundError
	var anchor *jsonschema.AnchorNotFoundError
	switch {
	case errors.As(err, &elsewhere):
		return Problem{
			Message: fmt.Sprintf("it refers to %s, which is not in it", strings.TrimPrefix(elsewhere.URL, "schema:///")),
			Hint:    "put what it refers to under `$defs` and refer to `#/$defs/NAME`",
		}
	case errors.As(err, &regex):
		return Problem{Pointer: fragment(regex.URL), Message: fmt.Sprintf("%s: %q is not a regular expression in RE2's syntax", fragment(regex.URL), regex.Regex)}
	case errors.As(err, &pointer):
		return Problem{Message: fmt.Sprintf("it refers to #%s, which it does not have", fragment(pointer.URL))}
	case errors.As(err, &anchor):
		return Problem{Message: fmt.Sprintf("it refers to %s, which it does not have", fragmentOf(anchor.Reference))}
	}
	return Problem{Message: strings.ReplaceAll(err.Error(), schemaURL, "schema")}
}

func fragment(url string) string {
	_, pointer, _ := strings.Cut(url, "#")
	return pointer
}

func fragmentOf(reference string) string { return "#" + fragment(reference) }

func jsonPointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(t))
	}
	return b.String()
}

// decodeJSON decodes a text whose numbers keep their digits. One that is too
// large to compute with is refused: comparing it would take for ever.
func decodeJSON(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("it is not JSON")
	}
	return v, computable(v)
}

const maxExponent = 400 // of a float64 it is at most 308

func computable(v any) error {
	switch v := v.(type) {
	case json.Number:
		if len(v) > 1000 {
			return errors.New("a number in it has more than 1,000 digits")
		}
		if i := strings.IndexAny(string(v), "eE"); i >= 0 {
			if e, err := strconv.Atoi(string(v)[i+1:]); err != nil || e > maxExponent || e < -maxExponent {
				return errors.New("a number in it is out of range")
			}
		}
	case []any:
		for _, item := range v {
			if err := computable(item); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, item := range v {
			if err := computable(item); err != nil {
				return err
			}
		}
	}
	return nil
}
