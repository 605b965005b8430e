package check

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
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
		v := &variable{ref: plan.Ref{Input: p, Flow: c.node}, rule: rule, kept: in.Sensitive, pii: in.PII}
		g := c.gifts[in.Name]
		if g == nil {
			g = &gift{}
		}
		v.stranger = g.stranger || c.outer == nil && c.kit.Untrusted != nil && len(declared.OneOf) == 0 && c.kit.Untrusted(in.Name)
		v.foreign, p.Class = g.foreign || v.stranger, v.class(in.Name, g.class)
		v.now = cell{typ: rule.Type, sensitive: p.Class == plan.Sensitive, pii: p.Class == plan.PII}
		if !p.Required && value == nil && g.pair.Value == nil {
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
			Name: s.Name, Env: s.Env, File: s.Path, Command: s.Command, Folder: path.Dir(s.Span.File),
			Optional: s.Optional, Description: s.Description, Span: s.Span,
		}
		if s.Keyring != nil {
			p.Keyring = [2]string{s.Keyring.Service, s.Keyring.User}
		}
		p = c.sameSecret(p)
		v := &variable{ref: plan.Ref{Secret: p}}
		v.now = cell{typ: expression.Type{Kind: expression.String}, sensitive: true}
		if s.Optional {
			v.now.state = expression.Maybe
		}
		c.secretNames[s.Name] = v
	}
}

// sameSecret is the secret of that name and source of a flow checked before, so
// that a run reads it once; else p.
func (p *project) sameSecret(s *plan.Secret) *plan.Secret {
	key := fmt.Sprintf("%q %q %q %q %q %t", s.Name, s.Env, s.File, s.Command, s.Keyring, s.Optional)
	if s.File != "" || len(s.Command) > 0 {
		key += s.Folder
	}
	if known := p.secrets[key]; known != nil {
		return known
	}
	p.secrets[key] = s
	p.ordered = append(p.ordered, s)
	return s
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
		c.errorAt(r.PatternSpan, diag.KeyNotAllowed, "", "the %s %q is of the type %s: a `pattern` is for text", what, id.Name, rule.Type)
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

const maxIncluded = 100 // files that one flow includes

// include adds the declarations of the files that the flow includes, and of
// those that they include, each file once.
func (c *checker) include() {
	files := c.included(c.file, []string{c.file.File}, map[string]bool{})
	if len(files) == 0 {
		return
	}
	m := &merging{c, files, map[string]diag.Span{}}
	f := c.file
	f.Inputs = merged(m, "input", f.Inputs, func(f *syntax.Flow) []*syntax.Input { return f.Inputs }, func(d *syntax.Input) syntax.ID { return d.ID })
	f.Secrets = merged(m, "secret", f.Secrets, func(f *syntax.Flow) []*syntax.Secret { return f.Secrets }, func(d *syntax.Secret) syntax.ID { return d.ID })
	f.Data = merged(m, "data point", f.Data, func(f *syntax.Flow) []*syntax.Data { return f.Data }, func(d *syntax.Data) syntax.ID { return d.ID })
	f.Callbacks = merged(m, "callback", f.Callbacks, func(f *syntax.Flow) []*syntax.Message { return f.Callbacks }, func(d *syntax.Message) syntax.ID { return d.ID })
	f.Credentials = merged(m, "credential", f.Credentials, func(f *syntax.Flow) []*syntax.Credential { return f.Credentials }, func(d *syntax.Credential) syntax.ID { return d.ID })
	m.defaults()
}

// included reads the files that a file includes, each followed by those that it
// includes itself. chain leads to the file, seen are the files that were read.
func (c *checker) included(f *syntax.Flow, chain []string, seen map[string]bool) []*syntax.Flow {
	var files []*syntax.Flow
	for _, id := range f.Include {
		at := path.Join(path.Dir(id.Span.File), id.Name)
		if i := slices.Index(chain, at); i >= 0 {
			c.cycle(id, append(slices.Clone(chain[i:]), at), "includes", "this file would include itself without end")
			continue
		}
		if seen[at] {
			continue
		}
		if seen[at] = true; len(seen) > maxIncluded {
			if len(seen) == maxIncluded+1 {
				c.errorAt(id.Span, diag.OverLimit, "put the declarations into fewer files", "more than %d files are included", maxIncluded)
			}
			continue
		}
		_, text, ok := c.open(id)
		if !ok {
			continue
		}
		more, problems := syntax.ParseIncluded(at, text)
		c.place(at)
		for _, d := range problems {
			c.report(d)
		}
		files = append(files, more)
		files = append(files, c.included(more, append(slices.Clone(chain), at), seen)...)
	}
	return files
}

// A merging puts the declarations of several files together.
type merging struct {
	*checker
	files []*syntax.Flow // that are included
	first map[string]diag.Span
}

// merged are the flow's own declarations of a kind and, after them, those of the
// files. A name may be defined once.
func merged[T any](m *merging, kind string, own []T, of func(*syntax.Flow) []T, id func(T) syntax.ID) []T {
	var more []T
	for _, f := range m.files {
		for _, d := range of(f) {
			if m.once(kind, id(d)) {
				more = append(more, d)
			}
		}
	}
	for _, d := range own {
		m.once(kind, id(d))
	}
	return append(own, more...)
}

// once reports a name that was defined in a file before.
func (m *merging) once(kind string, id syntax.ID) bool {
	key := kind + " " + id.Name
	before, twice := m.first[key]
	if !twice {
		m.first[key] = id.Span
		return true
	}
	m.twice(kind, id.Name, id.Span, before)
	return false
}

// twice reports a name that stands in two files.
func (m *merging) twice(kind, name string, at, before diag.Span) {
	if before.File == at.File { // a duplicate key, which was reported
		return
	}
	m.report(diag.Diagnostic{Span: at, Code: diag.DuplicateName, Message: fmt.Sprintf("the %s %q is defined twice", kind, name),
		Hint: "keep one of them", Notes: []string{fmt.Sprintf("%s defines it on line %d", before.File, before.Line)}})
}
