// Package editor makes the JSON Schema of flow files, by which editors
// complete, explain and check them. It follows the tables of package syntax and
// the fields of the actions: what a reader takes and what an editor offers come
// from one place.
package editor

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// An object is a JSON object in the order written.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(m.name); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := e.Encode(m.value); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// A maker collects the definitions.
type maker struct {
	actions map[string]check.Action
	kinds   map[string]check.CredentialKind
	defs    object
}

const identity = "https://raw.githubusercontent.com/stepwell/stepwell/main/docs/flow.schema.json"

// Schema is the JSON Schema (draft 2020-12) of flow files and of the files that
// they include. Equal kits give equal bytes. What a schema cannot say, such as
// whether a name exists, is the checker's.
func Schema(kit check.Kit) ([]byte, error) {
	m := &maker{actions: kit.Actions, kinds: kit.Credentials}
	tables := syntax.Tables()
	var included *syntax.Table
	for _, t := range tables[1:] {
		if t.Name == "included file" {
			included = t
			continue
		}
		if t.Name == "credential" {
			m.define(t.Name, m.credentials())
			continue
		}
		m.define(t.Name, m.described(t))
	}
	for _, w := range words {
		m.define(w.name, w.schema)
	}
	m.fields()
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", identity},
		{"title", "Stepwell flow"},
		{"description", "A flow says which calls to make, in which order, and which named data points to keep from the answers."},
	}
	root = append(root, m.table(tables[0])...)
	root = append(root, inclusion(tables[0], included)...)
	slices.SortFunc(m.defs, func(a, b member) int { return strings.Compare(a.name, b.name) })
	root = append(root, member{"$defs", m.defs})
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (m *maker) define(name string, schema any) {
	m.defs = append(m.defs, member{name, schema})
}

// ref refers to a definition.
func ref(name string) object {
	pointer := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return object{{"$ref", "#/$defs/" + url.PathEscape(pointer)}}
}

func anyOf(schemas ...any) object {
	if one, ok := schemas[0].(object); ok && len(schemas) == 1 {
		return one
	}
	return object{{"anyOf", schemas}}
}

// described is a table's mapping, or the short ways to write it.
func (m *maker) described(t *syntax.Table) object {
	full := m.table(t)
	switch t.Name {
	case "input", "data":
		return anyOf(ref("type"), full)
	case "save":
		return anyOf(ref("source"), full)
	case "that":
		return anyOf(ref("expression"), full)
	case "retry":
		return anyOf(object{{"type", "integer"}, {"minimum", 1}, {"maximum", t.Key("attempts").Most}}, object{{"const", false}}, full)
	}
	return full
}

// table is a mapping with the language's keys.
func (m *maker) table(t *syntax.Table) object {
	var properties object
	var required, one []string
	needs := object{}
	var rules []any
	for i := range t.Keys {
		k := &t.Keys[i]
		properties = append(properties, member{k.Name, m.key(t, k)})
		if k.Required {
			required = append(required, k.Name)
		}
		if k.One {
			one = append(one, k.Name)
		}
		if k.Needs != "" {
			needs = append(needs, member{k.Name, []string{k.Needs}})
		}
		if k.Not != "" {
			rules = append(rules, object{{"not", object{{"required", []string{k.Name, k.Not}}}}})
		}
	}
	schema := object{
		{"type", "object"},
		{"properties", properties},
		{"patternProperties", object{{"^x-", true}}},
		{"additionalProperties", false},
	}
	if len(required) > 0 && t != syntax.Tables()[0] {
		schema = append(schema, member{"required", required})
	}
	if len(one) > 0 {
		schema = append(schema, member{"oneOf", each(one)})
	}
	if len(needs) > 0 {
		schema = append(schema, member{"dependentRequired", needs})
	}
	switch {
	case t.Key("action") != nil:
		verbs, more := m.step(t)
		schema, rules = append(schema, member{"oneOf", each(verbs)}), append(rules, more...)
	case t.Name == "pages": // there is an end, and a way to the next page
		rules = append(rules, anyOf(each([]string{"next", "while"})...), anyOf(each([]string{"next", "with"})...))
	}
	if len(rules) > 0 {
		schema = append(schema, member{"allOf", rules})
	}
	return schema
}

// each requires one of the keys each.
func each(keys []string) []any {
	var all []any
	for _, key := range keys {
		all = append(all, object{{"required", []string{key}}})
	}
	return all
}

// inclusion requires what a flow must have. A file that has nothing but
// declarations is one that flows include.
func inclusion(flow, included *syntax.Table) object {
	var required, declares, own []string
	for _, k := range flow.Keys {
		if k.Required {
			required = append(required, k.Name)
		}
		switch {
		case k.Name == "stepwell":
		case included.Key(k.Name) != nil:
			declares = append(declares, k.Name)
		default:
			own = append(own, k.Name)
		}
	}
	return object{
		{"if", object{{"anyOf", append(each(own), object{{"not", object{{"anyOf", each(declares)}}}})}}},
		{"then", object{{"required", required}}},
	}
}

// key is what stands behind a key, with what it means.
func (m *maker) key(t *syntax.Table, k *syntax.Key) object {
	doc := strings.ToUpper(k.Doc[:1]) + k.Doc[1:] + "."
	return append(object{{"description", doc}}, m.takes(t, k)...)
}

func (m *maker) takes(t *syntax.Table, k *syntax.Key) object {
	switch {
	case k.Name == "action" && k.Verb != syntax.NoVerb:
		return m.actionNames()
	case t.Name == "defaults" && k.Takes == "fields":
		return ref("defaults.http")
	case k.Takes == "integer" || k.Takes == "number":
		schema := object{{"type", k.Takes}, {"minimum", k.Least}}
		if k.Most > 0 {
			schema = append(schema, member{"maximum", k.Most})
		}
		return schema
	case k.Verb == syntax.Wait: // its duration may be computed, also in part
		return anyOf(append(alternatives(m.shapes(syntax.Shapes(k.Takes))), object{{"type", "string"}, {"pattern", expressionIn}})...)
	case k.Name == "callbacks": // the name alone declares one
		return object{{"type", "object"}, {"propertyNames", ref("name")},
			{"additionalProperties", anyOf(ref("callback"), object{{"type", "null"}})}}
	case defined(k.Takes):
		return ref(k.Takes)
	}
	return m.shapes(syntax.Shapes(k.Takes))
}

// shapes are what may stand at a place.
func (m *maker) shapes(shapes []syntax.Shape) object {
	var all []any
	for _, s := range shapes {
		switch {
		case s.Table != nil:
			all = append(all, ref(s.Table.Name))
		case defined(s.Word):
			all = append(all, ref(s.Word))
		case s.Items != nil:
			all = append(all, object{{"type", "array"}, {"items", m.shapes(s.Items)}, {"minItems", 1}})
		case s.Values != nil:
			all = append(all, object{{"type", "object"}, {"propertyNames", ref("name")}, {"additionalProperties", m.shapes(s.Values)}})
		default:
			all = append(all, ref("value"))
		}
	}
	return anyOf(all...)
}

// step lists the verbs, of which a step has one, and what goes with each.
func (m *maker) step(t *syntax.Table) (verbs []string, rules []any) {
	for _, verb := range t.Keys {
		if verb.Verb == syntax.NoVerb {
			continue
		}
		verbs = append(verbs, verb.Name)
		var not object
		for _, k := range t.Keys {
			if k.Verb == syntax.NoVerb && !k.On.Has(verb.Verb) {
				not = append(not, member{k.Name, false})
			}
		}
		if len(not) > 0 {
			rules = append(rules, object{
				{"if", object{{"required", []string{verb.Name}}}},
				{"then", object{{"properties", not}}},
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.actions)) {
		pages := object{{"properties", object{{"with", ref("pages." + name)}}}}
		if m.actions[name].GraphQL { // all pages have the same URL
			pages = append(pages, member{"required", []string{"with"}})
		}
		then := object{{"properties", object{{"with", ref("with." + name)}, {"pages", pages}}}}
		if needsWith(m.actions[name]) {
			then = append(then, member{"required", []string{"with"}})
		}
		rules = append(rules, object{
			{"if", object{{"properties", object{{"action", object{{"const", name}}}}}, {"required", []string{"action"}}}},
			{"then", then},
		})
	}
	return verbs, rules
}
