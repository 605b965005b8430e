package check

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/schema"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// maskable is the length from which a sensitive text is masked wherever it
// turns up, not only where it is known to stand.
const maskable = 8

// A declaration is what `data` says of a name.
type declaration struct {
	rule      *plan.Rule
	value     *expression.Value // the default, or nil
	sensitive *bool
	pii       bool
	span      diag.Span
}

func (c *checker) inputs() {
	c.inputNames = make(map[string]*variable, len(c.file.Inputs))
	for _, in := range c.file.Inputs {
		declared := in.Rule
		if declared.Type == "" && declared.Items == "" {
			declared.Type = "string"
		}
		rule, value := c.rule("input", in.ID, &declared)
		p := &plan.Input{
			Name: in.Name, Rule: *rule, Default: value,
			Required: value == nil, Env: in.Env, Description: in.Description, Span: in.Span,
		}
		if in.Required != nil {
			p.Required = *in.Required
		}
		v := &variable{ref: plan.Ref{Input: p}, rule: rule, kept: in.Sensitive, pii: in.PII}
		p.Class = v.class(in.Name, plan.Plain)
		v.now = cell{typ: rule.Type, sensitive: p.Class == plan.Sensitive, pii: p.Class == plan.PII}
		if !p.Required && value == nil {
			v.now.state = expression.Maybe
		}
		if p.Class == plan.Sensitive {
			c.shortValues(&in.Rule)
		}
		c.inputNames[in.Name] = v
		c.plan.Inputs = append(c.plan.Inputs, p)
	}
}

func (c *checker) secrets() {
	c.secretNames = make(map[string]*variable, len(c.file.Secrets))
	for _, s := range c.file.Secrets {
		p := &plan.Secret{
			Name: s.Name, Env: s.Env, File: s.Path, Command: s.Command,
			Optional: s.Optional, Description: s.Description, Span: s.Span,
		}
		if s.Keyring != nil {
			p.Keyring = [2]string{s.Keyring.Service, s.Keyring.User}
		}
		v := &variable{ref: plan.Ref{Secret: p}}
		v.now = cell{typ: expression.Type{Kind: expression.String}, sensitive: true}
		if s.Optional {
			v.now.state = expression.Maybe
		}
		c.secretNames[s.Name] = v
		c.plan.Secrets = append(c.plan.Secrets, p)
	}
}

// data reads the declarations. They hold for the names that steps save; one
// that no step saves is a name of the run all the same.
func (c *checker) data() {
	c.declared = make(map[string]*declaration, len(c.file.Data))
	for _, d := range c.file.Data {
		rule, value := c.rule("data point", d.ID, &d.Rule)
		dec := &declaration{rule: rule, value: value, sensitive: d.Sensitive, pii: d.PII, span: d.Span}
		c.declared[d.Name] = dec
		v := c.variable(c.space, d.Name)
		v.kept, v.pii = d.Sensitive, d.PII
		if v.class(d.Name, plan.Plain) == plan.Sensitive {
			c.shortValues(&d.Rule)
		}
	}
}

// class is the class of a value of the variable that was made of something of
// the class taint.
func (v *variable) class(name string, taint plan.Class) plan.Class {
	switch {
	case v.kept != nil && !*v.kept:
		if v.pii || taint == plan.PII {
			return plan.PII
		}
		return plan.Plain
	case v.kept != nil || taint == plan.Sensitive || datapoints.SensitiveName(name):
		return plan.Sensitive
	case v.pii:
		return plan.PII
	}
	return taint
}

// rule compiles what values must fit, and checks the values that the
// declaration itself gives.
func (c *checker) rule(what string, id syntax.ID, r *syntax.Rule) (*plan.Rule, *expression.Value) {
	rule := &plan.Rule{Type: c.ruleType(r), MinLength: r.MinLength, MaxLength: r.MaxLength}
	if r.Pattern != "" {
		c.pattern(what, id, r, rule)
	}
	c.bounds(what, id, r, rule)
	var oneOf []string
	for _, n := range r.OneOf {
		text, ok := c.constant(n)
		if !ok {
			continue
		}
		if err := rule.Fits(text); err != nil {
			c.errorAt(n.Span, fitCode(rule, text), "", "a value of `one_of` of the %s %q %s", what, id.Name, err)
			continue
		}
		oneOf = append(oneOf, text)
	}
	rule.OneOf = oneOf
	if r.Default == nil || r.Default.Kind == syntax.Null {
		return rule, nil
	}
	text, ok := c.constant(r.Default)
	if !ok {
		return rule, nil
	}
	value := expression.FromJSON(text)
	if err := rule.Fits(text); err != nil {
		c.errorAt(r.Default.Span, fitCode(rule, text), "", "the default of the %s %q %s", what, id.Name, err)
	}
	return rule, &value
}

// fitCode tells a wrong type from a wrong value of the right type.
func fitCode(r *plan.Rule, text string) diag.Code {
	if (&plan.Rule{Type: r.Type}).Fits(text) != nil {
		return diag.TypeMismatch
	}
	return diag.WrongValue
}

// ruleType is the declared type; of a data point without one, its default's. A
// name that is no type was reported, and is any.
func (c *checker) ruleType(r *syntax.Rule) expression.Type {
	name := r.Type
	switch {
	case name == "" && r.Items != "":
		name = "list"
	case name == "" && r.Default != nil && r.TypeSpan.Line == 0:
		return typeOfNode(r.Default)
	}
	t, ok := expression.ParseType(name, r.Items)
	if !ok {
		t, _ = expression.ParseType(name, "")
	}
	return t
}

// pattern compiles the pattern so that it matches a whole value. One that does
// not compile was reported.
func (c *checker) pattern(what string, id syntax.ID, r *syntax.Rule, rule *plan.Rule) {
	re, err := regexp.Compile(`\A(?:` + r.Pattern + `)\z`)
	if err != nil {
		return
	}
	switch rule.Type.Kind {
	case expression.Integer, expression.Number, expression.Boolean, expression.Object, expression.List:
		c.errorAt(id.Span, diag.KeyNotAllowed, "", "the %s %q is of the type %s: a `pattern` is for text", what, id.Name, rule.Type)
		return
	}
	rule.Pattern, rule.PatternText = re, r.Pattern
}

// bounds reads min and max.
func (c *checker) bounds(what string, id syntax.ID, r *syntax.Rule, rule *plan.Rule) {
	switch rule.Type.Kind {
	case expression.Integer, expression.Number, expression.Any, expression.Date, expression.DateTime:
		rule.Min, rule.MinText = c.bound("min", r.Min, rule.Type)
		rule.Max, rule.MaxText = c.bound("max", r.Max, rule.Type)
	default:
		for _, n := range []*syntax.Node{r.Min, r.Max} {
			if n != nil {
				c.errorAt(n.Span, diag.KeyNotAllowed, "", "the %s %q is of the type %s: `min` and `max` are for numbers and dates", what, id.Name, rule.Type)
			}
		}
	}
	if rule.Min == nil && rule.Max == nil && rule.MinText != "" && rule.MaxText != "" { // dates: numbers were compared when they were read
		low := &plan.Rule{Type: rule.Type, MinText: rule.MinText}
		if low.Fits(scalar(r.Max)) != nil {
			c.errorAt(r.Max.Span, diag.WrongValue, "", "no value fits: `max` is below `min` %s", rule.MinText)
		}
	}
}

func (c *checker) bound(key string, n *syntax.Node, t expression.Type) (*float64, string) {
	if n == nil {
		return nil, ""
	}
	if err := (&plan.Rule{Type: t}).Fits(scalar(n)); err != nil {
		if t.Kind != expression.Integer || n.Kind != syntax.Number {
			c.errorAt(n.Span, diag.TypeMismatch, "", "`%s` %s", key, err)
			return nil, ""
		}
	}
	if n.Kind == syntax.String { // a date
		return nil, n.Text
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	if err != nil {
		c.errorAt(n.Span, diag.WrongValue, "", "`%s` is out of range", key)
		return nil, ""
	}
	return &f, n.Text
}

// shortValues warns of sensitive texts that are too short to be masked in
// other texts.
func (c *checker) shortValues(r *syntax.Rule) {
	c.shortValue(r.Default)
	for _, n := range r.OneOf {
		c.shortValue(n)
	}
}

func (c *checker) shortValue(n *syntax.Node) {
	if n == nil || n.Kind != syntax.String || n.Text == "" || utf8.RuneCountInString(n.Text) >= maskable {
		return
	}
	c.warnAt(n.Span, diag.ShortSecret, "give it 8 characters or more",
		"this sensitive value is shorter than %d characters: it is hidden where it is shown as a value, but not masked inside of other text", maskable)
}

// schema compiles a JSON Schema that stands in the flow, or in a file that it
// names; nil after a complaint.
func (c *checker) schema(n *syntax.Node) plan.Schema {
	switch n.Kind {
	case syntax.Mapping:
		text, ok := c.constant(n)
		if !ok {
			return nil
		}
		compiled, problems := schema.Compile([]byte(text))
		for _, problem := range problems {
			at := pointed(n, problem.Pointer)
			c.errorAt(at.Span, diag.BadSchema, problem.Hint, "the schema is not valid: %s", problem.Message)
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
	compiled, problems := schema.Compile(text)
	for _, problem := range problems {
		c.errorAt(n.Span, diag.BadSchema, problem.Hint, "the schema in %s is not valid: %s", n.Text, problem.Message)
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
