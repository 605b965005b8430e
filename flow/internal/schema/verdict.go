package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/stepwell/stepwell/flow/diag"
)

// A Schema is a compiled JSON Schema. It may be used by many goroutines.
type Schema struct{ compiled *jsonschema.Schema }

// maxFindings is how many places of a text that does not fit are told.
const maxFindings = 5

// Validate says why a JSON text does not fit; nil if it does. The error lists where the text does not fit
// and what is wanted there, never a value.
func (s *Schema) Validate(text string) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("it cannot be compared with the schema")
		}
	}()
	v, err := decodeJSON(text)
	if err != nil {
		return err
	}
	err = s.compiled.Validate(v)
	if err == nil {
		return nil
	}
	var failed *jsonschema.ValidationError
	if !errors.As(err, &failed) {
		return errors.New("it cannot be compared with the schema")
	}
	found := leaves(failed)
	var lines []string
	for i, leaf := range found {
		if i == maxFindings {
			lines = append(lines, fmt.Sprintf("and %d more", len(found)-i))
			break
		}
		lines = append(lines, spot(leaf.InstanceLocation)+" "+requirement(leaf))
	}
	return errors.New(strings.Join(lines, "; "))
}

// spot is where in the text, as a path into it.
func spot(tokens []string) string {
	if len(tokens) == 0 {
		return "it"
	}
	return "`" + strings.Join(tokens, ".") + "`"
}

// leaves are the findings that say something themselves. Of alternatives the
// choice itself is the finding: what each lacks would only confuse.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not, *kind.Contains, *kind.PropertyNames:
		return []*jsonschema.ValidationError{e}
	}
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		all = append(all, leaves(cause)...)
	}
	return all
}

// requirement says what a place must be, so that it can follow its name.
func requirement(e *jsonschema.ValidationError) string {
	if words := sizeRequirement(e.ErrorKind); words != "" {
		return words
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return fmt.Sprintf("must be %s, not %s", eachArticle(k.Want), kindArticle(k.Got))
	case *kind.Enum:
		return "must be one of " + jsonList(k.Want)
	case *kind.Const:
		return "must be " + jsonText(k.Want)
	case *kind.Format:
		return "must be " + formatName(k.Want)
	case *kind.Pattern:
		return "must match the pattern " + k.Want
	case *kind.Required:
		return "lacks " + quoted(k.Missing)
	case *kind.DependentRequired:
		return fmt.Sprintf("lacks %s, which must be there beside `%s`", quoted(k.Missing), k.Prop)
	case *kind.Dependency:
		return fmt.Sprintf("lacks %s, which must be there beside `%s`", quoted(k.Missing), k.Prop)
	case *kind.AdditionalProperties:
		return "must not have " + quoted(k.Properties)
	case *kind.PropertyNames:
		return fmt.Sprintf("must not have a member called `%s`", k.Property)
	case *kind.FalseSchema:
		return "must not be there"
	case *kind.AnyOf:
		return "fits none of the alternatives that the schema allows"
	case *kind.OneOf:
		if len(k.Subschemas) > 0 {
			return "fits several of the alternatives of which the schema wants exactly one"
		}
		return "fits none of the alternatives of which the schema wants one"
	case *kind.Not:
		return "is what the schema forbids"
	}
	return "does not fit the schema at `" + strings.Join(e.ErrorKind.KeywordPath(), "/") + "`"
}

// sizeRequirement is requirement for numbers, lengths and counts; else "".
func sizeRequirement(of jsonschema.ErrorKind) string {
	switch k := of.(type) {
	case *kind.Minimum:
		return "must be at least " + number(k.Want)
	case *kind.Maximum:
		return "must be at most " + number(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + number(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + number(k.Want)
	case *kind.MultipleOf:
		return "must be a multiple of " + number(k.Want)
	case *kind.MinLength:
		return fmt.Sprintf("must have at least %d characters, not %d", k.Want, k.Got)
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters, not %d", k.Want, k.Got)
	case *kind.MinItems:
		return fmt.Sprintf("must have at least %d items, not %d", k.Want, k.Got)
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items, not %d", k.Want, k.Got)
	case *kind.AdditionalItems:
		return fmt.Sprintf("has %d items more than the schema allows", k.Count)
	case *kind.UniqueItems:
		return fmt.Sprintf("has the same item twice, at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		return "lacks an item that the schema wants"
	case *kind.MinContains:
		return fmt.Sprintf("must have at least %d items of the sort that the schema wants, not %d", k.Want, len(k.Got))
	case *kind.MaxContains:
		return fmt.Sprintf("must have at most %d items of the sort that the schema allows, not %d", k.Want, len(k.Got))
	case *kind.MinProperties:
		return fmt.Sprintf("must have at least %d members, not %d", k.Want, k.Got)
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d members, not %d", k.Want, k.Got)
	}
	return ""
}

func number(r *big.Rat) string {
	f, _ := r.Float64()
	return strings.TrimSuffix(fmt.Sprintf("%v", f), ".0")
}

func kindArticle(name string) string {
	switch name {
	case "null", "":
		return "null"
	case "boolean":
		return "true or false"
	case "integer", "array", "object":
		return map[string]string{"integer": "an integer", "array": "a list", "object": "an object"}[name]
	case "string":
		return "text"
	}
	return "a " + name
}

func eachArticle(names []string) string {
	words := make([]string, len(names))
	for i, n := range names {
		words[i] = kindArticle(n)
	}
	return diag.Either(words)
}

func formatName(format string) string {
	switch format {
	case "date":
		return "a date such as 2026-11-21"
	case "date-time":
		return "a date and time such as 2026-11-21T09:00:00Z"
	case "time":
		return "a time such as 09:00:00Z"
	case "email":
		return "an e-mail address"
	case "uuid":
		return "a UUID"
	case "uri":
		return "a URI"
	case "regex":
		return "a regular expression in RE2's syntax"
	}
	return "of the format " + format
}

func quoted(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

func jsonList(values []any) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = jsonText(v)
	}
	return strings.Join(texts, ", ")
}

// jsonText is a value of the schema as it was written there.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "a value"
	}
	return string(text)
}
