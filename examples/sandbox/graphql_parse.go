package sandbox

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxSelections is how deep selections and values may be nested.
const maxSelections = 16

// operation is one operation of a document.
type operation struct {
	kind      string // query, mutation
	name      string
	variables []declared
	selection []selection
}

// declared is a variable's declaration.
type declared struct {
	name, kind   string
	hasDefault   bool
	defaultValue any
	at           location
}

// selection is one field that is asked for.
type selection struct {
	alias, name string
	arguments   map[string]any
	selection   []selection
	at          location
}

// key is the member of the answer.
func (s selection) key() string {
	if s.alias != "" {
		return s.alias
	}
	return s.name
}

// variable is a value that is sent apart from the document.
type variable struct {
	name string
	kind string // as declared, not null if it has a default; "" if it is not declared
}

// enum is a bare word as a value; no argument of the schema takes one.
type enum string

// parseGraphQL reads a document and returns the operation of that name, or the only one. It reads operations with
// fields, aliases, arguments and variables; fragments, directives and subscriptions it refuses by name.
func parseGraphQL(text, name string) (*operation, *graphqlError) {
	p := &parser{text: strings.TrimPrefix(text, "\ufeff"), line: 1, column: 1}
	p.next()
	var operations []*operation
	for p.token != "" && p.failure == nil {
		operations = append(operations, p.operation())
	}
	if p.failure != nil {
		return nil, p.failure
	}
	if name == "" && len(operations) == 1 {
		return operations[0], nil
	}
	for _, o := range operations {
		if name != "" && o.name == name {
			return o, nil
		}
	}
	switch {
	case len(operations) == 0:
		return nil, graphqlFailure("GRAPHQL_PARSE_FAILED", location{}, "the document has no operation")
	case name == "":
		return nil, graphqlFailure("OPERATION_RESOLUTION_FAILURE", location{},
			"the document has %d operations: say which in operationName", len(operations))
	}
	return nil, graphqlFailure("OPERATION_RESOLUTION_FAILURE", location{}, "the document has no operation %q", name)
}

// parser reads a document token by token. After a failure every token is the end.
type parser struct {
	text         string // what is left
	line, column int
	token        string // "" at the end; a string's token begins with a quote
	value        string // of a string, without quotes and escapes
	at           location
	depth        int
	failure      *graphqlError
}

func (p *parser) fail(code, format string, args ...any) {
	if p.failure == nil {
		p.failure = graphqlFailure(code, p.at, format, args...)
	}
	p.token, p.text = "", ""
}

func (p *parser) unexpected(wanted string) {
	if p.token == "" {
		p.fail("GRAPHQL_PARSE_FAILED", "syntax error: the document ends where %s should be", wanted)
		return
	}
	p.fail("GRAPHQL_PARSE_FAILED", "syntax error: %s should be here, not %s", wanted, p.token)
}

// take goes past a token if it is there.
func (p *parser) take(token string) bool {
	if p.token != token {
		return false
	}
	p.next()
	return true
}

func (p *parser) want(token string) {
	if !p.take(token) {
		p.unexpected(strconv.Quote(token))
	}
}

func (p *parser) name(what string) string {
	name := p.token
	if !isName(name) {
		p.unexpected(what)
		return ""
	}
	p.next()
	return name
}

func (p *parser) operation() *operation {
	o := &operation{kind: "query"}
	if p.token == "{" {
		o.selection = p.selections(o)
		return o
	}
	switch p.token {
	case "query", "mutation":
		o.kind = p.name("an operation")
	case "fragment", "subscription":
		p.fail("GRAPHQL_NOT_SUPPORTED", "the sandbox reads no %s", p.token)
		return o
	default:
		p.unexpected("query, mutation or {")
		return o
	}
	if isName(p.token) {
		o.name = p.name("a name")
	}
	if p.take("(") {
		for p.failure == nil && !p.take(")") {
			o.variables = append(o.variables, p.declaration())
		}
	}
	p.noDirective()
	o.selection = p.selections(o)
	return o
}

func (p *parser) declaration() declared {
	d := declared{at: p.at}
	p.want("$")
	d.name = p.name("a variable's name")
	p.want(":")
	d.kind = p.kind()
	if p.take("=") {
		d.hasDefault, d.defaultValue = true, p.constant(&operation{})
	}
	p.noDirective()
	return d
}

// kind reads a type, such as [ID!]!.
func (p *parser) kind() string {
	kind := ""
	if p.deeper() {
		defer p.shallower()
	}
	if p.take("[") {
		kind = "[" + p.kind() + "]"
		p.want("]")
	} else {
		kind = p.name("a type")
	}
	if p.take("!") {
		kind += "!"
	}
	return kind
}

func (p *parser) noDirective() {
	if p.token == "@" {
		p.fail("GRAPHQL_NOT_SUPPORTED", "the sandbox reads no directives")
	}
}

func (p *parser) selections(o *operation) []selection {
	p.want("{")
	if !p.deeper() {
		return nil
	}
	defer p.shallower()
	var chosen []selection
	for p.failure == nil && p.token != "}" {
		if p.token == "..." {
			p.fail("GRAPHQL_NOT_SUPPORTED", "the sandbox reads no fragments")
			return nil
		}
		chosen = append(chosen, p.selection(o))
	}
	if len(chosen) == 0 {
		p.unexpected("a field")
	}
	p.want("}")
	return chosen
}

func (p *parser) selection(o *operation) selection {
	s := selection{at: p.at, arguments: make(map[string]any)}
	s.name = p.name("a field")
	if p.take(":") {
		s.alias, s.name = s.name, p.name("a field")
	}
	if p.take("(") {
		for p.failure == nil && !p.take(")") {
			name := p.name("an argument")
			p.want(":")
			s.arguments[name] = p.constant(o)
		}
	}
	p.noDirective()
	if p.token == "{" {
		s.selection = p.selections(o)
	}
	return s
}

// constant reads a value; a variable is looked up among those that the operation declares.
func (p *parser) constant(o *operation) any {
	if !p.deeper() {
		return nil
	}
	defer p.shallower()
	token, text := p.token, p.value
	switch {
	case token == "$":
		p.next()
		v := variable{name: p.name("a variable's name")}
		for _, d := range o.variables {
			if d.name != v.name {
				continue
			}
			v.kind = d.kind
			if d.hasDefault {
				v.kind = strings.TrimSuffix(d.kind, "!") + "!"
			}
		}
		return v
	case token == "[":
		return p.listOf(o)
	case token == "{":
		return p.objectOf(o)
	case strings.HasPrefix(token, `"`):
		p.next()
		return text
	case isNumber(token):
		p.next()
		return json.Number(token)
	}
	word := p.name("a value")
	switch word {
	case "true", "false":
		return word == "true"
	case "null":
		return nil
	}
	return enum(word)
}

func (p *parser) listOf(o *operation) any {
	p.want("[")
	list := []any{}
	for p.failure == nil && !p.take("]") {
		list = append(list, p.constant(o))
	}
	return list
}

func (p *parser) objectOf(o *operation) any {
	p.want("{")
	members := map[string]any{}
	for p.failure == nil && !p.take("}") {
		name := p.name("a member")
		p.want(":")
		members[name] = p.constant(o)
	}
	return members
}

func (p *parser) deeper() bool {
	if p.depth++; p.depth > maxSelections {
		p.fail("GRAPHQL_PARSE_FAILED", "the document is nested more than %d deep", maxSelections)
	}
	return p.failure == nil
}

func (p *parser) shallower() { p.depth-- }
