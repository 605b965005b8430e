package editor

import (
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// loginKind is the type of credential whose steps are the language's own.
const loginKind = "steps"

var loginNeeds = []string{"steps", "token"}

// languageKeys are the keys of a type of credential that its kind does not
// describe, without `type`.
func languageKeys(name string, send check.SendRule) []string {
	var names []string
	if name == loginKind {
		names = append(names, "data", "steps", "token", "expires_in")
	}
	if send != check.SendNever {
		names = append(names, "send")
	}
	return append(names, "reject_on", "origins")
}

// CredentialKeys describes them as fields are, for people to read.
func CredentialKeys(name string, send check.SendRule) []check.Field {
	var fields []check.Field
	for _, key := range languageKeys(name, send) {
		f := fieldOf(tableOf("credential").Key(key))
		f.Required = key == "send" && send == check.SendMust || name == loginKind && slices.Contains(loginNeeds, key)
		fields = append(fields, f)
	}
	return fields
}

// fieldOf is a key of the language as a field.
func fieldOf(k *syntax.Key) check.Field {
	doc := strings.TrimPrefix(k.Doc, "of type steps: ")
	f := check.Field{Name: k.Name, Doc: strings.ToUpper(doc[:1]) + doc[1:] + ".", Required: k.Required, Type: check.TextField}
	switch k.Takes {
	case "send", "reject_on":
		f.Type = check.ObjectField
		for i := range tableOf(k.Takes).Keys {
			f.Fields = append(f.Fields, fieldOf(&tableOf(k.Takes).Keys[i]))
		}
	case "mapping of data":
		f.Type = check.MapField
	case "list of origins", "steps":
		f.Type = check.ListField
	case "status":
		f.Type, f.Fields = check.ChoiceField, []check.Field{{Type: check.IntegerField}, {Type: check.TextField}, {Type: check.ListField}}
	}
	return f
}

// tableOf is the table of keys with a name.
func tableOf(name string) *syntax.Table {
	return syntax.Tables()[slices.IndexFunc(syntax.Tables(), func(t *syntax.Table) bool { return t.Name == name })]
}
