package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// value compiles what is given for a field, or for a part of one.
func (r *rendering) value(f *Field, n *syntax.Node) plan.Value {
	if f.Constant {
		if at := expressionIn(n); at != nil {
			hint := ""
			if i := strings.Index(f.Doc, "It is constant; "); i >= 0 {
				hint = strings.TrimSuffix(f.Doc[i+len("It is constant; "):], ".")
			}
			r.errorAt(at.Span, diag.ConstantRequired, hint, "%s must be constant: an expression cannot stand here", called(f))
			return wrong(n)
		}
	}
	if f.Data && !r.at.subject {
		r.at.subject = true
		defer func() { r.at.subject = false }()
	}
	switch f.Type {
	case JSONField:
		return r.json(n)
	case PairsField:
		return r.pairs(f, n)
	case ObjectField:
		return r.fieldObject(f, n)
	case MapField:
		return r.fieldMap(f, n)
	case ListField:
		return r.fieldList(f, n)
	case ChoiceField:
		return r.choice(f, n)
	}
	return r.scalar(f, n)
}

// wrong stands for a value that has its complaint.
func wrong(n *syntax.Node) plan.Value { return plan.Value{Const: "null", Span: n.Span} }

// called is a field as complaints name it.
func called(f *Field) string {
	if f.Name == "" {
		return "a value here"
	}
	return "`" + f.Name + "`"
}

func (r *rendering) mismatch(f *Field, n *syntax.Node) plan.Value {
	code := diag.TypeMismatch
	if n.Kind >= syntax.List || f.Type >= PairsField {
		code = diag.WrongShape
	}
	r.errorAt(n.Span, code, unquoted(f, n), "%s must be %s, not %s", called(f), describe(f), article(shape(n)))
	return wrong(n)
}

// unquoted is the hint for a quoted number, for other languages' booleans and
// for one value where a list belongs.
func unquoted(f *Field, n *syntax.Node) string {
	switch {
	case f.Type == ListField && n.Kind < syntax.List && n.Text != "":
		return fmt.Sprintf("write [ %s ]", n.Text)
	case f.Type == PairsField:
		return "write { name: value, … }"
	case n.Kind != syntax.String:
	case f.Type == IntegerField || f.Type == NumberField:
		if n.Text != "" && strings.Trim(n.Text, "-.0123456789") == "" {
			return "write it without quotes"
		}
	case f.Type == BooleanField:
		switch strings.ToLower(n.Text) {
		case "true", "yes", "on":
			return "write true, without quotes"
		case "false", "no", "off":
			return "write false, without quotes"
		}
	}
	return ""
}

// scalar compiles a field that takes no list and no mapping.
func (r *rendering) scalar(f *Field, n *syntax.Node) plan.Value {
	if n.Kind >= syntax.List || n.Kind == syntax.Null {
		return r.mismatch(f, n)
	}
	v := plan.Value{Span: n.Span, Text: f.Type == TextField || f.Type == URLField || f.Type == PathField}
	if f.Type == URLField {
		return r.url(n, v)
	}
	if strings.Contains(n.Text, "{{") {
		t := r.template(n)
		if t == nil {
			return wrong(n)
		}
		if as := r.folded(n, t); as != nil {
			return r.fixed(f, as, v)
		}
		if _, constant := t.Constant(); !constant {
			r.fieldType(f, n, t)
			if f.Type == PathField {
				t = t.OfPath()
			} else if f.Destination {
				t = t.OfBase()
			}
			v.Template = t
			return v
		}
	}
	r.bareReference(n)
	return r.fixed(f, n, v)
}

func (r *rendering) url(n *syntax.Node, v plan.Value) plan.Value {
	r.typographic(n)
	t := r.compile(use{n, true})
	if t == nil {
		return wrong(n)
	}
	v.Template = t
	if text, ok := t.Constant(); ok {
		v.Const = quote(text)
	}
	return v
}

// fieldType complains about an expression that can never give what the field takes.
func (r *rendering) fieldType(f *Field, n *syntax.Node, t *expression.Template) {
	if f.Type == TextField || f.Type == PathField {
		r.mustBeText(n, t)
		return
	}
	want := expression.Type{Kind: kindOf(f.Type)}
	if have := t.Type(); !want.Accepts(have) && !(f.Type == SizeField && have.Kind == expression.Integer) {
		r.errorAt(n.Span, diag.TypeMismatch, "", "%s must be %s, the expression gives %s", called(f), describe(f), typeName(have))
	}
}

func kindOf(t FieldType) expression.Kind {
	switch t {
	case IntegerField:
		return expression.Integer
	case NumberField:
		return expression.Number
	case BooleanField:
		return expression.Boolean
	}
	return expression.String
}

// fixed checks a constant scalar.
func (r *rendering) fixed(f *Field, n *syntax.Node, v plan.Value) plan.Value {
	switch f.Type {
	case TextField, PathField:
		v.Const = quote(n.Text)
	case IntegerField:
		if n.Kind != syntax.Number || typeOfNode(n).Kind != expression.Integer {
			return r.mismatch(f, n)
		}
		v.Const = n.Text
	case NumberField:
		if n.Kind != syntax.Number {
			return r.mismatch(f, n)
		}
		v.Const = n.Text
	case BooleanField:
		if n.Kind != syntax.Boolean {
			return r.mismatch(f, n)
		}
		v.Const = n.Text
	case DurationField:
		if _, err := syntax.ParseDuration(n.Text); err != nil {
			r.errorAt(n.Span, diag.BadDuration, "write a number and a unit: 500ms, 15s, 1h30m, 3d", "%s must be a duration, not %q", called(f), n.Text)
			return wrong(n)
		}
		v.Const = quote(n.Text)
	case SizeField:
		if _, err := syntax.ParseSize(n.Text); err != nil {
			r.errorAt(n.Span, diag.BadSize, "write a number and a unit: 500KB, 10MiB", "%s must be a size, not %q", called(f), n.Text)
			return wrong(n)
		}
		v.Const = quote(n.Text)
	}
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, n.Text) {
		hint := ""
		if near := expression.Suggest(n.Text, f.OneOf); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.errorAt(n.Span, diag.WrongValue, hint, "%s must be %s, not %q", called(f), describe(f), n.Text)
		return wrong(n)
	}
	return v
}

// whole compiles a field of several values that is one expression.
func (r *rendering) whole(f *Field, n *syntax.Node, kind expression.Kind) plan.Value {
	t := r.template(n)
	if t == nil {
		return wrong(n)
	}
	if have := t.Type(); !(expression.Type{Kind: kind}).Accepts(have) {
		r.errorAt(n.Span, diag.TypeMismatch, "", "%s must be %s, the expression gives %s", called(f), describe(f), typeName(have))
	}
	return plan.Value{Template: t, Span: n.Span}
}

func isExpression(n *syntax.Node) bool {
	return n.Kind == syntax.String && strings.Contains(n.Text, "${{")
}

// pairs compiles a mapping of the author's keys to texts, lists of texts or
// null. Null leaves a key out.
func (r *rendering) pairs(f *Field, n *syntax.Node) plan.Value {
	if isExpression(n) {
		return r.whole(f, n, expression.Object)
	}
	if n.Kind != syntax.Mapping {
		return r.mismatch(f, n)
	}
	v := plan.Value{Span: n.Span, Pairs: make([]plan.Pair, 0, len(n.Pairs))}
	for i, p := range n.Pairs {
		if j := pairAt(f, n.Pairs[:i], p.Key); j >= 0 {
			r.errorAt(p.KeySpan, diag.DuplicateKey, "a list of values sends the header several times", "%q and %q are the same header", n.Pairs[j].Key, p.Key)
		}
		if p.Value.Kind == syntax.Null {
			v.Pairs = r.without(v.Pairs, p)
			continue
		}
		v.Pairs = append(v.Pairs, plan.Pair{Key: p.Key, Value: r.pairValue(f, p), Span: p.KeySpan})
	}
	return folded(v)
}

// without leaves a key out; what goes over another value keeps its null, which
// takes the key away there.
func (r *rendering) without(pairs []plan.Pair, p syntax.Pair) []plan.Pair {
	if r.over {
		pairs = append(pairs, plan.Pair{Key: p.Key, Value: wrong(p.Value), Span: p.KeySpan})
	}
	return pairs
}

// folded makes one constant of an object whose parts all are.
func folded(v plan.Value) plan.Value {
	for i := range v.Pairs {
		if v.Pairs[i].Value.Const == "" {
			return v
		}
	}
	v.Const, v.Pairs = constantObject(v.Pairs), nil
	return v
}

func foldedList(v plan.Value) plan.Value {
	for i := range v.Items {
		if v.Items[i].Const == "" {
			return v
		}
	}
	v.Const, v.Items = constantList(v.Items), nil
	return v
}

func (r *rendering) pairValue(f *Field, p syntax.Pair) plan.Value {
	n := p.Value
	inside := Field{Name: p.Key}
	if f.Name == "headers" {
		r.typographic(n)
	}
	switch n.Kind {
	case syntax.Mapping:
		r.errorAt(n.Span, diag.WrongShape, "write toJSON(…) for its JSON", "%q in %s must be text or a list of texts, not a mapping", p.Key, called(f))
		return wrong(n)
	case syntax.List:
		v := plan.Value{Span: n.Span, IsList: true, Items: make([]plan.Value, len(n.Items))}
		for i, item := range n.Items {
			v.Items[i] = r.scalar(&inside, item)
		}
		return foldedList(v)
	}
	if !strings.Contains(n.Text, "{{") {
		r.bareReference(n)
		return plan.Value{Span: n.Span, Const: quote(n.Text)}
	}
	t := r.template(n)
	if t == nil {
		return wrong(n)
	}
	if text, ok := t.Constant(); ok {
		return plan.Value{Span: n.Span, Const: quote(text)}
	}
	if as := r.folded(n, t); as != nil {
		return plan.Value{Span: n.Span, Const: quote(as.Text)}
	}
	switch kind := t.Type().Kind; kind {
	case expression.Object, expression.Duration, expression.Bytes: // a list repeats the key, null leaves it out
		r.mustBeText(n, t)
	}
	if strings.EqualFold(p.Key, "Authorization") && t.Program() == nil {
		t = t.Filled() // a credential with a hole in it is sent to nobody
	}
	return plan.Value{Span: n.Span, Template: t}
}

// fieldObject compiles a mapping with keys of the action's.
func (r *rendering) fieldObject(f *Field, n *syntax.Node) plan.Value {
	if n.Kind != syntax.Mapping {
		return r.mismatch(f, n)
	}
	v := plan.Value{Span: n.Span}
	given := make([]bool, len(f.Fields))
	groups := map[string]string{}
	for _, p := range n.Pairs {
		i := slices.IndexFunc(f.Fields, func(g Field) bool { return g.Name == p.Key })
		if i < 0 {
			if !strings.HasPrefix(p.Key, "x-") {
				near := r.unknownKey(p, fieldNames(f.Fields), called(f))
				if j := slices.IndexFunc(f.Fields, func(g Field) bool { return g.Name == near }); j >= 0 {
					given[j] = true
				}
			}
			continue
		}
		g := &f.Fields[i]
		if p.Value.Kind == syntax.Null && g.Type != JSONField {
			v.Pairs = r.without(v.Pairs, p)
			continue
		}
		given[i] = true
		if g.Group != "" {
			if other, ok := groups[g.Group]; ok {
				r.errorAt(p.KeySpan, diag.KeysExclude, "keep one of them", "%q and %q cannot stand together", other, g.Name)
			}
			groups[g.Group] = g.Name
		}
		v.Pairs = append(v.Pairs, plan.Pair{Key: p.Key, Value: r.value(g, p.Value), Span: p.KeySpan})
	}
	for i := range f.Fields {
		if g := &f.Fields[i]; g.Required && !given[i] && !r.over {
			r.errorAt(n.Span, diag.MissingKey, "", "%s lacks %q: %s", called(f), g.Name, describe(g))
		}
	}
	return folded(v)
}

// element is what a list or a map holds: anything, if the action does not say.
func element(f *Field) Field {
	if len(f.Fields) == 0 {
		return Field{Type: JSONField}
	}
	return f.Fields[0]
}

func (r *rendering) fieldMap(f *Field, n *syntax.Node) plan.Value {
	if isExpression(n) {
		return r.whole(f, n, expression.Object)
	}
	if n.Kind != syntax.Mapping {
		return r.mismatch(f, n)
	}
	v := plan.Value{Span: n.Span, Pairs: make([]plan.Pair, 0, len(n.Pairs))}
	for _, p := range n.Pairs {
		part := element(f)
		part.Name = p.Key
		if p.Value.Kind == syntax.Null && r.over {
			v.Pairs = r.without(v.Pairs, p)
			continue
		}
		v.Pairs = append(v.Pairs, plan.Pair{Key: p.Key, Value: r.value(&part, p.Value), Span: p.KeySpan})
	}
	return folded(v)
}

func (r *rendering) fieldList(f *Field, n *syntax.Node) plan.Value {
	if isExpression(n) {
		return r.whole(f, n, expression.List)
	}
	if n.Kind != syntax.List {
		return r.mismatch(f, n)
	}
	v := plan.Value{Span: n.Span, IsList: true, Items: make([]plan.Value, len(n.Items))}
	part := element(f)
	for i, item := range n.Items {
		part.Name = fmt.Sprintf("%s[%d]", f.Name, i)
		v.Items[i] = r.value(&part, item)
	}
	return foldedList(v)
}
