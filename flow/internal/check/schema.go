package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
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
		compiled, problem := compileSchema([]byte(text))
		if problem != nil {
			at := pointed(n, problem.pointer)
			c.errorAt(at.Span, diag.BadSchema, problem.hint, "the schema is not valid: %s", problem.message)
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
	compiled, problem := compileSchema(text)
	if problem != nil {
		c.errorAt(n.Span, diag.BadSchema, problem.hint, "the schema in %s is not valid: %s", n.Text, problem.message)
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
func compileSchema(text []byte) (s *schema, problem *schemaProblem) {
	defer func() {
		if recover() != nil {
			s, problem = nil, &schemaProblem{message: "it cannot be compiled"}
		}
	}()
	if err := expression.CheckJSON(text); err != nil {
		return nil, &schemaProblem{message: "it is not JSON: " + err.Error()}
	}
	document, err := decodeJSON(string(text))
	if err != nil {
		return nil, &schemaProblem{message: err.Error()}
	}
	switch document.(type) {
	case map[string]any, bool:
	default:
		return nil, &schemaProblem{message: "a schema is an object"}
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	compiler.UseLoader(closed{})
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, problemOf(err)
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return nil, problemOf(err)
	}
	return &schema{compiled}, nil
}

var errElsewhere = errors.New("it lies elsewhere")

// closed is a loader that loads nothing: a schema holds all that it refers to.
type closed struct{}

// Load implements jsonschema.URLLoader.
func (closed) Load(string) (any, error) { return nil, errElsewhere }

// problemOf puts the library's errors into words for the author.
func problemOf(err error) *schemaProblem {
	var invalid *jsonschema.SchemaValidationError
	var elsewhere *jsonschema.LoadURLError
	var regex *jsonschema.InvalidRegexError
	var pointer *jsonschema.JSONPointerNotFoundError
	var anchor *jsonschema.AnchorNotFoundError
	var failed *jsonschema.ValidationError
	switch {
	case errors.As(err, &invalid) && errors.As(invalid.Err, &failed):
		leaf := deepest(failed)
		return &schemaProblem{pointer: jsonPointer(leaf.InstanceLocation), message: spot(leaf.InstanceLocation) + " " + requirement(leaf)}
	case errors.As(err, &elsewhere):
		return &schemaProblem{
			message: fmt.Sprintf("it refers to %s, which is not in it", strings.TrimPrefix(elsewhere.URL, "schema:///")),
			hint:    "put what it refers to under `$defs` and refer to `#/$defs/NAME`",
		}
	case errors.As(err, &regex):
		return &schemaProblem{pointer: fragment(regex.URL), message: fmt.Sprintf("%s: %q is not a regular expression in RE2's syntax", fragment(regex.URL), regex.Regex)}
	case errors.As(err, &pointer):
		return &schemaProblem{message: fmt.Sprintf("it refers to #%s, which it does not have", fragment(pointer.URL))}
	case errors.As(err, &anchor):
		return &schemaProblem{message: fmt.Sprintf("it refers to %s, which it does not have", fragmentOf(anchor.Reference))}
	}
	return &schemaProblem{message: strings.ReplaceAll(err.Error(), schemaURL, "schema")}
}

// deepest is the finding that says most: of alternatives, such as a type's one
// name or a list of them, the first.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		e = e.Causes[0]
	}
	return e
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
