package editor

import (
	"maps"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/check"
)

// actionNames are the actions that there are, each with what it does.
func (m *maker) actionNames() object {
	var names []any
	for _, name := range slices.Sorted(maps.Keys(m.actions)) {
		names = append(names, object{{"const", name}, {"description", m.actions[name].Doc}})
	}
	if len(names) == 0 {
		return ref("text")
	}
	return object{{"anyOf", names}}
}

// needsWith says whether a field must be given that no defaults can give.
func needsWith(a check.Action) bool {
	return slices.ContainsFunc(a.Fields, func(f check.Field) bool { return must(a, f) })
}

func must(a check.Action, f check.Field) bool { return f.Required && (f.Own || !a.Web) }

// fields defines what `with` takes, for each action, and what their defaults take.
func (m *maker) fields() {
	var shared object
	alternatives := map[string][]any{}
	for _, name := range slices.Sorted(maps.Keys(m.actions)) {
		a := m.actions[name]
		fields := slices.Clone(a.Fields)
		for i := range fields {
			fields[i].Required = must(a, fields[i])
		}
		with := m.members(fields)
		if needsWith(a) {
			m.define("with."+name, with)
		} else {
			m.define("with."+name, anyOf(object{{"type", "null"}}, with))
		}
		m.define("pages."+name, m.pages(a))
		for _, f := range a.Fields {
			if !a.Web || f.Own {
				continue
			}
			schema := m.field(f, true)
			if alternatives[f.Name] == nil {
				shared = append(shared, member{f.Name, nil})
			}
			if !slices.ContainsFunc(alternatives[f.Name], func(other any) bool { return equal(other, schema) }) {
				alternatives[f.Name] = append(alternatives[f.Name], schema)
			}
		}
	}
	for i := range shared {
		shared[i].value = anyOf(alternatives[shared[i].name]...)
	}
	shared = append(shared, member{"retry", append(object{{"description", "How often a failing call is tried again, and when."}}, ref("retry")...)})
	m.define("defaults.http", object{
		{"type", "object"}, {"properties", shared}, {"patternProperties", object{{"^x-", true}}}, {"additionalProperties", false},
	})
}

// pages is what the requests after the first may change: null takes a field
// away that is not required.
func (m *maker) pages(a check.Action) object {
	var properties object
	for _, f := range a.Fields {
		if !f.Allows { // an answer must not say whom to trust
			properties = append(properties, member{f.Name, m.field(f, !f.Required)})
		}
	}
	return object{
		{"type", "object"}, {"properties", properties}, {"patternProperties", object{{"^x-", true}}}, {"additionalProperties", false},
		{"minProperties", 1},
	}
}

func equal(a, b any) bool {
	x, errX := a.(object).MarshalJSON()
	y, errY := b.(object).MarshalJSON()
	return errX == nil && errY == nil && string(x) == string(y)
}

// members are a mapping with the fields as keys. Null takes one away.
func (m *maker) members(fields []check.Field) object {
	var properties object
	var required []string
	groups := map[string][]check.Field{}
	var order []string
	for _, f := range fields {
		properties = append(properties, member{f.Name, m.field(f, !f.Required)})
		if f.Required {
			required = append(required, f.Name)
		}
		if f.Group != "" {
			if groups[f.Group] == nil {
				order = append(order, f.Group)
			}
			groups[f.Group] = append(groups[f.Group], f)
		}
	}
	schema := object{
		{"type", "object"}, {"properties", properties}, {"patternProperties", object{{"^x-", true}}}, {"additionalProperties", false},
	}
	if required != nil {
		schema = append(schema, member{"required", required})
	}
	var rules []any
	for _, name := range order {
		group := groups[name]
		for i, f := range group {
			for _, g := range group[i+1:] {
				rules = append(rules, object{{"not", object{
					{"required", []string{f.Name, g.Name}},
					{"properties", object{{f.Name, given(f)}, {g.Name, given(g)}}},
				}}})
			}
		}
	}
	if rules != nil {
		schema = append(schema, member{"allOf", rules})
	}
	return schema
}

// given is a value that counts as there.
func given(f check.Field) any {
	if f.Type == check.JSONField {
		return true
	}
	return object{{"not", object{{"type", "null"}}}}
}

// field is one field, with what it means.
func (m *maker) field(f check.Field, null bool) object {
	doc := f.Doc
	if f.Default != "" {
		doc = strings.TrimSpace(doc + " Default: " + f.Default + ".")
	}
	var schema object
	if doc != "" {
		schema = object{{"description", doc}}
	}
	shape := m.shape(f)
	if null && f.Type != check.JSONField {
		shape = object{{"anyOf", append(alternatives(shape), object{{"type", "null"}})}}
	}
	return append(schema, shape...)
}

// alternatives takes an anyOf apart.
func alternatives(shape object) []any {
	if len(shape) == 1 && shape[0].name == "anyOf" {
		return slices.Clone(shape[0].value.([]any))
	}
	return []any{shape}
}

// mixed is text that holds an expression.
func mixed() object { return object{{"type", "string"}, {"pattern", expressionIn}} }

// shape is what a field takes.
func (m *maker) shape(f check.Field) object {
	if f.Type != check.ChoiceField && f.Type < check.PairsField && len(f.OneOf) > 0 || f.Type == check.PathField && len(f.OneOf) > 0 {
		return choose(f, object{{"enum", f.OneOf}})
	}
	var element any = ref("value")
	if len(f.Fields) > 0 && (f.Type == check.MapField || f.Type == check.ListField) {
		element = m.field(f.Fields[0], false)
	}
	switch f.Type {
	case check.IntegerField, check.NumberField, check.BooleanField:
		return choose(f, object{{"type", map[check.FieldType]string{check.IntegerField: "integer", check.NumberField: "number", check.BooleanField: "boolean"}[f.Type]}})
	case check.DurationField:
		return choose(f, object{{"type", "string"}, {"pattern", durations}})
	case check.SizeField:
		return choose(f, ref("size"))
	case check.CredentialField:
		if f.Required {
			return ref("name")
		}
		return object{{"anyOf", []any{ref("name"), ref("whole expression")}}}
	case check.PairsField:
		text := []string{"string", "number", "boolean", "null"}
		return choose(f, object{{"type", "object"}, {"propertyNames", object{without(expressionIn)}}, {"additionalProperties", object{{"anyOf", []any{
			object{{"type", text}},
			object{{"type", "array"}, {"items", object{{"type", text[:3]}}}},
		}}}}})
	case check.JSONField:
		return ref("value")
	case check.ObjectField:
		return m.members(f.Fields)
	case check.MapField:
		return choose(f, object{{"type", "object"}, {"propertyNames", object{without(expressionIn)}}, {"additionalProperties", element}})
	case check.ListField:
		return choose(f, object{{"type", "array"}, {"items", element}})
	case check.ChoiceField:
		var all []any
		for _, g := range f.Fields {
			all = append(all, alternatives(m.field(g, false))...)
		}
		return object{{"anyOf", append(all, ref("whole expression"))}}
	}
	if f.Constant {
		return object{{"type", []string{"string", "number", "boolean"}}, without(expressionIn)}
	}
	return object{{"type", []string{"string", "number", "boolean"}}}
}

// choose is a constant, or an expression where there may be one.
func choose(f check.Field, constant object) object {
	if f.Constant {
		return constant
	}
	if f.Type >= check.PairsField {
		return object{{"anyOf", []any{constant, ref("whole expression")}}}
	}
	return object{{"anyOf", []any{constant, mixed()}}}
}

// credentials is a credential: what it takes depends on its type.
func (m *maker) credentials() object {
	var names, rules []any
	for _, name := range slices.Sorted(maps.Keys(m.kinds)) {
		names = append(names, object{{"const", name}, {"description", m.kinds[name].Doc}})
		rules = append(rules, object{
			{"if", object{{"properties", object{{"type", object{{"const", name}}}}}, {"required", []string{"type"}}}},
			{"then", ref("credential." + name)},
		})
		m.define("credential."+name, m.credential(name, m.kinds[name]))
	}
	kind := ref("text")
	if names != nil {
		kind = object{{"anyOf", names}}
	}
	schema := object{{"type", "object"}, {"properties", object{{"type", kind}}}, {"required", []string{"type"}}}
	if rules != nil {
		schema = append(schema, member{"allOf", rules})
	}
	return schema
}

// credential is what one kind takes, beside what all do.
func (m *maker) credential(name string, kind check.CredentialKind) object {
	schema := m.members(kind.Fields)
	required := []string{"type"}
	table := tableOf("credential")
	for i := range schema {
		switch properties := schema[i].value.(type) {
		case object:
			if schema[i].name != "properties" {
				continue
			}
			properties = append(object{{"type", true}}, properties...)
			for _, key := range languageKeys(name, kind.Send) {
				properties = append(properties, member{key, m.key(table, table.Key(key))})
			}
			if name == loginKind {
				required = append(required, loginNeeds...)
			}
			schema[i].value = properties
		case []string:
			required = append(required, properties...)
		}
	}
	schema = slices.DeleteFunc(schema, func(s member) bool { return s.name == "required" })
	if kind.Send == check.SendMust {
		required = append(required, "send")
	}
	return append(schema, member{"required", required})
}
