package check

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// schema compiles a JSON Schema that stands in the flow, or in a file that it
// names; nil after a complaint.
func (c *checker) schema(n *syntax.Node) plan.Schema {
	switch n.Kind {
	case syntax.Mapping:
		text, ok := c.constant(n)
		if !ok {
			return nil
		}
		compiled, problems := compileSchema([]byte(text))
		for _, problem := range problems {
			at := pointed(n, problem.pointer)
			c.errorAt(at.Span, diag.BadSchema, problem.hint, "the schema is not valid: %s", problem.message)
		}
		if len(problems) > 0 {
			return nil
		}
		return compiled
	case syntax.String:
		if _, ok := c.constant(n); ok {
			return c.schemaFile(n)
		}
	default:
		c.errorAt(n.Span, diag.WrongShape, "", "`schema` must be a JSON Schema or the name of a file with one, not a %s", shape(n))
	}
	return nil
}

func (c *checker) schemaFile(n *syntax.Node) plan.Schema {
	if s, ok := c.schemas[n.Text]; ok {
		return s
	}
	c.schemas[n.Text] = nil
	text, ok := c.readFile(n)
	if !ok {
		return nil
	}
	compiled, problems := compileSchema(text)
	for _, problem := range problems {
		c.errorAt(n.Span, diag.BadSchema, problem.hint, "the schema in %s is not valid: %s", n.Text, problem.message)
	}
	if len(problems) > 0 {
		return nil
	}
	c.schemas[n.Text] = compiled
	return compiled
}

// readFile reads a file that the flow names.
func (c *checker) readFile(n *syntax.Node) ([]byte, bool) {
	text, err := c.load(n.Text)
	if err == nil {
		return text, true
	}
	code := diag.UnreadableFile
	if outside(n.Text) {
		code = diag.OutsideProject
	}
	c.errorAt(n.Span, code, "", "the file cannot be read: %s", err)
	return nil, false
}

// load reads a file and makes it part of the plan.
func (c *checker) load(name string) ([]byte, error) {
	at := path.Join(path.Dir(c.file.File), name)
	for _, f := range c.plan.Files {
		if f.Name == at {
			return f.Data, nil
		}
	}
	if path.IsAbs(name) {
		return nil, fmt.Errorf("%s lies outside the project root: write a path relative to this file", name)
	}
	if c.read == nil {
		return nil, fmt.Errorf("%s: this program gives flows no files to read", name)
	}
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	c.plan.Files = append(c.plan.Files, plan.File{Name: at, Data: text})
	return text, nil
}

// outside says whether a path leads out of every folder below the flow's own
// place: whoever reads files refuses it.
func outside(name string) bool {
	return path.IsAbs(name) || strings.HasPrefix(path.Clean(name), "../") || strings.Contains(name, `\`)
}

// A schemaProblem is why a schema is not valid.
type schemaProblem struct {
	pointer       string // a JSON pointer into the schema, or ""
	message, hint string
}

const schemaURL = "schema:///schema"

// compileSchema compiles the JSON text of a schema. Nothing outside of it is read.
func compileSchema(text []byte) (s *schema, problems []schemaProblem) {
	defer func() {
		if recover() != nil {
			s, problems = nil, []schemaProblem{{message: "it cannot be compiled"}}
		}
	}()
	if err := expression.CheckJSON(text); err != nil {
		return nil, []schemaProblem{{message: "it is not JSON: " + err.Error()}}
	}
	document, err := decodeJSON(string(text))
	if err != nil {
		return nil, []schemaProblem{{message: err.Error()}}
	}
	switch document.(type) {
	case map[string]any, bool:
	default:
		return nil, []schemaProblem{{message: "a schema is an object"}}
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
	return &schema{compiled}, nil
}

var errElsewhere = errors.New("it lies elsewhere")

// closed is a loader that loads nothing: a schema holds all that it refers to.
type closed struct{}

// Load implements jsonschema.URLLoader.
func (closed) Load(string) (any, error) { return nil, errElsewhere }

// problemsOf puts the library's errors into words for the author, in an order
// that is the same each time.
func problemsOf(err error) []schemaProblem {
	var invalid *jsonschema.SchemaValidationError
	var failed *jsonschema.ValidationError
	if !errors.As(err, &invalid) || !errors.As(invalid.Err, &failed) {
		return []schemaProblem{problemOf(err)}
	}
	var problems []schemaProblem
	for _, leaf := range findings(failed) {
		problems = append(problems, schemaProblem{pointer: jsonPointer(leaf.InstanceLocation), message: spot(leaf.InstanceLocation) + " " + requirement(leaf)})
	}
	slices.SortFunc(problems, func(a, b schemaProblem) int {
		return cmp.Or(strings.Compare(a.pointer, b.pointer), strings.Compare(a.message, b.message))
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
func problemOf(err error) schemaProblem {
	var elsewhere *jsonschema.LoadURLError
	var regex *jsonschema.InvalidRegexError
	var pointer *jsonschema.JSONPointerNotFoundError
	var anchor *jsonschema.AnchorNotFoundError
	switch {
	case errors.As(err, &elsewhere):
		return schemaProblem{
			message: fmt.Sprintf("it refers to %s, which is not in it", strings.TrimPrefix(elsewhere.URL, "schema:///")),
			hint:    "put what it refers to under `$defs` and refer to `#/$defs/NAME`",
		}
	case errors.As(err, &regex):
		return schemaProblem{pointer: fragment(regex.URL), message: fmt.Sprintf("%s: %q is not a regular expression in RE2's syntax", fragment(regex.URL), regex.Regex)}
	case errors.As(err, &pointer):
		return schemaProblem{message: fmt.Sprintf("it refers to #%s, which it does not have", fragment(pointer.URL))}
	case errors.As(err, &anchor):
		return schemaProblem{message: fmt.Sprintf("it refers to %s, which it does not have", fragmentOf(anchor.Reference))}
	}
	return schemaProblem{message: strings.ReplaceAll(err.Error(), schemaURL, "schema")}
}

func fragment(url string) string {
	_, pointer, _ := strings.Cut(url, "#")
	return pointer
}

func fragmentOf(reference string) string { return "#" + fragment(reference) }

// pointed goes down a tree by a JSON pointer (RFC 6901), as far as it leads.
func pointed(n *syntax.Node, pointer string) *syntax.Node {
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		var next *syntax.Node
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(n.Items) {
			next = n.Items[i]
		} else {
			next = member(n, token, false)
		}
		if next == nil {
			break
		}
		n = next
	}
	return n
}

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
