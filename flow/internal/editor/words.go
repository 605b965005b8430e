package editor

import "github.com/stepwell/stepwell/flow/internal/syntax"

// A word is what the tables' Takes call a sort of value.
type word struct {
	name   string
	schema any
}

// defined says whether there is a definition for a word.
func defined(name string) bool {
	for _, w := range words {
		if w.name == name {
			return true
		}
	}
	return false
}

// An expression in text. A whole value is nothing else.
const (
	expressionIn = `\$\{\{`
	wholeValue   = `^\s*\$\{\{[\s\S]*\}\}\s*$`
	namePattern  = `^[a-z][a-z0-9_]*$`
	durations    = `^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$`
	sizes        = `^[0-9]+(\.[0-9]+)? *(B|KiB|MiB|GiB|KB|MB|GB)?$`
	statuses     = `^[1-5]([0-9][0-9]|[xX][xX])$`
)

// The words are read only. Expressions that stand bare may also be one ${{ }}.
var words = []word{
	{"1", object{{"const", 1}}},
	{"name", object{{"type", "string"}, {"pattern", namePattern}, {"maxLength", 64}}},
	{"id", object{{"$ref", "#/$defs/name"}, {"not", object{{"enum", []string{"else", "catch", "finally"}}}}}},
	{"loop variable", object{{"$ref", "#/$defs/name"}, {"not", object{{"enum", syntax.Reserved()}}}}},
	{"flow name", object{{"type", "string"}, {"pattern", `^[a-z][a-z0-9_-]*$`}, {"maxLength", 64}}},
	{"text", object{{"type", "string"}, {"minLength", 1}, without(expressionIn)}},
	{"text with expressions", object{{"type", []string{"string", "number", "boolean"}}}},
	{"name of a variable", ref("text")},
	{"origin", object{{"type", "string"}, {"minLength", 1}}},
	{"file", ref("text")},
	{"pattern", ref("text")},
	{"date", ref("text")},
	{"time", object{{"type", "string"}, {"minLength", 1}}},
	{"number", object{{"type", "number"}}},
	{"boolean", object{{"type", "boolean"}}},
	{"allow", object{{"const", "allow"}}},
	{"stop", object{{"const", "stop"}}},
	{"continue", object{{"const", "continue"}}},
	{"base64 or text", object{{"enum", []string{"base64", "text"}}}},
	{"fields", object{{"type", []string{"object", "null"}}, {"additionalProperties", ref("value")}}},
	{"value", object{{"propertyNames", object{without(expressionIn)}}, {"additionalProperties", ref("value")}, {"items", ref("value")}}},
	{"values", object{{"type", "object"}, {"additionalProperties", ref("value")}, {"propertyNames", object{without(expressionIn)}}}},
	{"mapping of value", object{{"type", "object"}, {"minProperties", 1}, {"propertyNames", ref("name")}, {"additionalProperties", ref("value")}}},
	{"constant", object{{"anyOf", []any{
		object{{"type", []string{"null", "boolean", "number"}}},
		object{{"type", "string"}, without(expressionIn)},
		object{{"type", "array"}, {"items", ref("constant")}},
		object{{"type", "object"}, {"additionalProperties", ref("constant")}},
	}}}},
	{"constant but null", object{{"$ref", "#/$defs/constant"}, {"not", object{{"type", "null"}}}}},
	{"expression", object{
		{"description", "An expression, bare or as one ${{ }}."},
		{"type", []string{"string", "boolean", "number"}}, {"pattern", `\S`},
	}},
	{"whole expression", object{{"type", "string"}, {"pattern", wholeValue}}},
	{"type", object{{"enum", syntax.TypeNames()}}},
	{"duration", object{
		{"description", "A number with ms, s, m, h or d, also joined: 15s, 1h30m, 3d."},
		{"type", "string"}, {"pattern", durations}, {"not", object{{"pattern", `^[0.a-z]*$`}}},
	}},
	{"status", anyOf(ref("one status"), object{{"type", "array"}, {"items", ref("one status")}, {"minItems", 1}})},
	{"one status", object{
		{"description", "A status such as 200, or a class such as 2xx."},
		{"anyOf", []any{
			object{{"type", "integer"}, {"minimum", 100}, {"maximum", 599}},
			object{{"type", "string"}, {"pattern", statuses}},
		}},
	}},
	{"reason", object{
		{"description", "A status, network or timeout; of a block or a flow any kind of failure but unknown."},
		{"anyOf", []any{ref("one status"), object{{"enum", syntax.RoundKinds()}}}},
	}},
	{"list of reasons", anyOf(ref("reason"), object{{"type", "array"}, {"items", ref("reason")}, {"minItems", 1}})},
	{"list of that", anyOf(ref("that"), object{{"type", "array"}, {"items", ref("that")}})},
	{"schema", object{
		{"description", "A JSON Schema: a file, or the schema itself."},
		{"anyOf", []any{ref("text"), object{{"type", "object"}, {"additionalProperties", ref("constant")}}}},
	}},
	{"path", anyOf(ref("text"), object{{"type", "number"}})},
	{"source", object{
		{"description", "A path into the answer's body, or one ${{ }}."},
		{"anyOf", []any{
			object{{"type", "string"}, {"minLength", 1}, without(expressionIn)},
			ref("whole expression"),
			object{{"type", "number"}},
		}},
	}},
	{"size", object{
		{"description", "Bytes, or a number with KB, MB, GB, KiB, MiB or GiB."},
		{"anyOf", []any{object{{"type", "integer"}, {"minimum", 0}}, object{{"type", "string"}, {"pattern", sizes}}}},
	}},
}

// without refuses text that holds something.
func without(pattern string) member {
	return member{"not", object{{"type", "string"}, {"pattern", pattern}}}
}
