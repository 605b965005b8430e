package check

import (
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// choice compiles a field that takes one of several shapes, by what stands there.
func (r *rendering) choice(f *Field, n *syntax.Node) plan.Value {
	if isExpression(n) {
		return r.choiceExpression(f, n)
	}
	alt := alternative(f.Fields, n)
	if alt == nil {
		code := diag.WrongValue
		if n.Kind >= syntax.List {
			code = diag.WrongShape
		}
		hint := ""
		if near := expression.Suggest(n.Text, constants(f.Fields)); near != "" && n.Kind < syntax.List {
			hint = "did you mean `" + near + "`?"
		}
		r.errorAt(n.Span, code, hint, "%s must be %s, not %s", called(f), describe(f), article(shape(n)))
		return wrong(n)
	}
	part := *alt
	part.Name = f.Name
	return r.value(&part, n)
}

// choiceExpression takes an expression if one of the shapes can be what it gives.
func (r *rendering) choiceExpression(f *Field, n *syntax.Node) plan.Value {
	t := r.template(n)
	if t == nil {
		return wrong(n)
	}
	v := plan.Value{Template: t, Span: n.Span}
	for i := range f.Fields {
		alt := &f.Fields[i]
		if alt.Constant || alt.Type == ObjectField {
			continue
		}
		if takes(alt.Type).Accepts(t.Type()) || alt.Type == TextField && t.Type().Kind != expression.Object && t.Type().Kind != expression.List {
			v.Text = alt.Type == TextField
			return v
		}
	}
	r.errorAt(n.Span, diag.TypeMismatch, "", "%s must be %s, the expression gives %s", called(f), describe(f), typeName(t.Type()))
	return wrong(n)
}

// takes is the type of what a field's expression gives.
func takes(t FieldType) expression.Type {
	switch t {
	case JSONField:
		return expression.Type{}
	case PairsField, MapField, ObjectField:
		return expression.Type{Kind: expression.Object}
	case ListField:
		return expression.Type{Kind: expression.List}
	}
	return expression.Type{Kind: kindOf(t)}
}

// alternative is the shape that a constant value has, or nil. A constant that
// a shape names goes before one that it only allows.
func alternative(fields []Field, n *syntax.Node) *Field {
	for _, named := range []bool{true, false} {
		for i := range fields {
			if alt := &fields[i]; len(alt.OneOf) > 0 == named && suits(alt, n) {
				return alt
			}
		}
	}
	return nil
}

func suits(f *Field, n *syntax.Node) bool {
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, n.Text) {
		return false
	}
	switch f.Type {
	case JSONField:
		return true
	case ObjectField:
		return n.Kind == syntax.Mapping && !slices.ContainsFunc(f.Fields, func(g Field) bool {
			return g.Required && member(n, g.Name, false) == nil
		}) || n.Kind == syntax.Mapping && len(n.Pairs) == 0
	case PairsField, MapField:
		return n.Kind == syntax.Mapping
	case ListField:
		return n.Kind == syntax.List
	case BooleanField:
		return n.Kind == syntax.Boolean
	case IntegerField:
		return n.Kind == syntax.Number && typeOfNode(n).Kind == expression.Integer
	case NumberField:
		return n.Kind == syntax.Number
	}
	if len(f.OneOf) > 0 {
		return n.Kind < syntax.List
	}
	return n.Kind == syntax.String || n.Kind == syntax.Number
}

// constants are the texts that the shapes name.
func constants(fields []Field) []string {
	var texts []string
	for i := range fields {
		texts = append(texts, fields[i].OneOf...)
	}
	return texts
}

// describe says what a field takes, so that it can follow "must be".
func describe(f *Field) string {
	if len(f.OneOf) > 0 {
		return diag.Either(f.OneOf)
	}
	switch f.Type {
	case IntegerField:
		return "an integer"
	case NumberField:
		return "a number"
	case BooleanField:
		return "true or false"
	case DurationField:
		return "a duration such as 15s"
	case SizeField:
		return "a size such as 10MiB"
	case URLField:
		return "a URL"
	case PairsField:
		return "a mapping of names to texts"
	case JSONField:
		return "a value"
	case ObjectField:
		return "a mapping with " + strings.Join(fieldNames(f.Fields), ", ")
	case MapField:
		return "a mapping of names"
	case ListField:
		part := element(f)
		return "a list, each element " + describe(&part)
	case ChoiceField:
		parts := make([]string, len(f.Fields))
		for i := range f.Fields {
			parts[i] = describe(&f.Fields[i])
		}
		return diag.Either(parts)
	}
	return "text"
}

// mustBeText refuses what has no text: a template that is one expression may
// be of any type. Mixed text was checked when it was compiled.
func (c *checker) mustBeText(n *syntax.Node, t *expression.Template) {
	switch kind := t.Type().Kind; kind {
	case expression.Object, expression.List:
		c.errorAt(n.Span, diag.TextOfObject, "write toJSON(…) for its JSON", "this must be text, and the expression gives %s", typeName(t.Type()))
	case expression.Null:
		c.errorAt(n.Span, diag.TextOfObject, "", "this must be text, and the expression gives null")
	case expression.Duration, expression.Bytes:
		hint := "write string(…) of it"
		if kind == expression.Bytes {
			hint = "write hex(…) or base64(…) of it"
		}
		c.errorAt(n.Span, diag.TypeMismatch, hint, "this must be text, and the expression gives %s", typeName(t.Type()))
	}
}

// mustBeValue refuses what has no JSON.
func (c *checker) mustBeValue(n *syntax.Node, t *expression.Template) {
	hint := "write hex(…) or base64(…) of it"
	switch t.Type().Kind {
	case expression.Duration:
		hint = "write .Seconds() or .Milliseconds() of it for a number, string(…) for text"
	case expression.Bytes:
	default:
		return
	}
	c.errorAt(n.Span, diag.TypeMismatch, hint, "%s has no form as JSON", typeName(t.Type()))
}
