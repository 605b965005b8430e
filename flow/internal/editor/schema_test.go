package editor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

func compiled(t testing.TB, kit flow.Kit) *jsonschema.Schema {
	t.Helper()
	text, err := flow.Schema(kit)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("flow.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("flow.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func builtin() flow.Kit {
	return flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
}

// valueOf is a value as a schema sees it: only JSON's scalars have a type.
func valueOf(n *syntax.Node) any {
	switch n.Kind {
	case syntax.Null:
		return nil
	case syntax.Boolean:
		return n.Text == "true"
	case syntax.Number:
		return json.Number(n.Text)
	case syntax.List:
		items := make([]any, len(n.Items))
		for i, item := range n.Items {
			items[i] = valueOf(item)
		}
		return items
	case syntax.Mapping:
		members := map[string]any{}
		for _, p := range n.Pairs {
			members[p.Key] = valueOf(p.Value)
		}
		return members
	}
	return n.Text
}

const golden = "../../../testdata/check"

// problemsOf is what the checker says of a golden flow, and its tree; nil if
// it is no YAML that a flow may be.
func problemsOf(t *testing.T, file string) (*syntax.Node, diag.List) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = flow.Compile(os.DirFS(filepath.Dir(file)), filepath.Base(file), builtin())
	var list diag.List
	if err != nil && !errors.As(err, &list) {
		t.Fatal(err)
	}
	root, _ := syntax.Read(file, text)
	return root, list
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) == 0 {
		t.Fatal("there is no ", pattern)
	}
	return all
}

func TestEveryValidFlowFitsTheSchema(t *testing.T) {
	t.Parallel()
	schema := compiled(t, builtin())
	n := 0
	for _, file := range append(files(t, golden+"/*.yaml"), files(t, "../../../examples/*.yaml")...) {
		root, list := problemsOf(t, file)
		if list.HasErrors() {
			continue
		}
		n++
		if err := schema.Validate(valueOf(root)); err != nil {
			t.Errorf("%s: %#v", file, err)
		}
	}
	if n < 25 {
		t.Errorf("only %d flows are valid", n)
	}
}

func TestAnIncludedFileFitsTheSchema(t *testing.T) {
	t.Parallel()
	schema := compiled(t, builtin())
	n := 0
	for _, file := range files(t, golden+"/include/*.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		root, _ := syntax.Read(file, text)
		if _, problems := syntax.ParseIncluded(file, text); problems.HasErrors() {
			continue
		}
		n++
		if err := schema.Validate(valueOf(root)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	if n == 0 {
		t.Error("no included file is valid")
	}
}

// A reach says how far a schema can express a code.
type reach uint8

const (
	never  reach = iota // it needs names, types of expressions, other files or the text itself
	always              // a flow with such a problem does not fit
	partly              // shapes can be expressed, what they mean cannot: see exceptions
)

var expressed = map[diag.Code]reach{
	diag.WrongShape: always, diag.UnknownKey: always, diag.MissingKey: always, diag.OneVerb: always,
	diag.KeyNotAllowed: always, diag.BadName: always, diag.BadDuration: always, diag.BadSize: always,
	diag.KeysExclude: always, diag.WrongValue: always, diag.LanguageVersion: always, diag.ConstantRequired: always,
	diag.ExpressionInKey: always, diag.UnknownAction: always, diag.UnknownCredentialType: always,
	diag.TypeMismatch: partly, diag.ForeignSpelling: partly,
}

// exceptions are the golden flows for which that is not so.
var exceptions = map[string]string{
	"defaults-and-the-step-exclude-each-other": "the two keys stand in different mappings",
	"flow-outputs":                    "which keys of expect go with a flow depends on the verb, not on expect",
	"saved-from-a-body-in-a-file":     "that there is no body follows from another key's value",
	"types-of-declared-data":          "a default fits its type only if the type is known",
	"pages-bodies-exclude-each-other": "the two keys stand in different mappings",
	"credential-clients":              "which keys go together depends on what others say",
	"credential-grants":               "which keys go together depends on what others say",
	"pages-into-one-file":             "it follows from a key in another mapping",
	"swallowed-tag-on-condition":      "what YAML makes of it is nothing",
	"yaml-merge-of-a-text":            "merges are resolved before",
	"limits-of-nothing":               "a size and a duration of nothing have the form of others",
	"rules-of-another-type":           "which rules a declaration may have depends on its type",
	"constant-expressions":            "what an expression gives is not known to a schema",
	"swallowed-comma-in-flow-mapping": "what YAML makes of it is a key that does not exist",
}

func TestFlowsThatASchemaCanRefuseDoNotFit(t *testing.T) {
	t.Parallel()
	schema := compiled(t, builtin())
	refused := map[diag.Code]int{}
	for _, file := range files(t, golden+"/*.yaml") {
		root, list := problemsOf(t, file)
		if !list.HasErrors() || root == nil {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		must, may := false, false
		var codes []string
		for _, d := range list {
			if d.Severity != diag.Error || d.File != filepath.Base(file) {
				continue
			}
			must = must || expressed[d.Code] == always
			may = may || expressed[d.Code] != never
			codes = append(codes, string(d.Code))
		}
		slices.Sort(codes)
		codes = slices.Compact(codes)
		err := schema.Validate(valueOf(root))
		if why, exceptional := exceptions[name]; exceptional {
			if err == nil != must {
				t.Errorf("%s is no exception: %s", name, why)
			}
			continue
		}
		switch {
		case err == nil && must:
			t.Errorf("%s fits, although it has %s", name, strings.Join(codes, ", "))
		case err != nil && !may:
			t.Errorf("%s does not fit, although it has only %s: %v", name, strings.Join(codes, ", "), err)
		}
		for _, d := range list {
			if err != nil {
				refused[d.Code]++
			}
		}
	}
	for code, r := range expressed {
		if r != never && refused[code] == 0 {
			t.Errorf("no golden flow shows that %s is refused", code)
		}
	}
}

func TestTheSchemaKnowsEverythingThatTheTablesName(t *testing.T) {
	t.Parallel()
	text, err := flow.Schema(builtin())
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	defs := document["$defs"].(map[string]any)
	for _, table := range syntax.Tables() {
		for _, k := range table.Keys {
			known(t, defs, table.Name+"."+k.Name, syntax.Shapes(k.Takes))
		}
	}
}

// known reports what a key takes and the schema has no definition for: then it
// would let everything pass.
func known(t *testing.T, defs map[string]any, key string, shapes []syntax.Shape) {
	t.Helper()
	for _, s := range shapes {
		switch {
		case s.Table != nil && defs[s.Table.Name] != nil, defs[s.Word] != nil:
		case s.Items != nil:
			known(t, defs, key, s.Items)
		case s.Values != nil:
			known(t, defs, key, s.Values)
		case slices.Contains([]string{"integer", "name of an action", "text"}, s.Word):
		case s.Word == "base64": // stands with text
		default:
			t.Errorf("%s takes %q, which flow/internal/editor does not define", key, s.Word)
		}
	}
}

// TestEveryKeyAndFieldIsExplained: an editor shows what a key is for.
func TestEveryKeyAndFieldIsExplained(t *testing.T) {
	t.Parallel()
	text, err := flow.Schema(builtin())
	if err != nil {
		t.Fatal(err)
	}
	var document any
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	n := 0
	var explained func(at string, v any)
	explained = func(at string, v any) {
		members, _ := v.(map[string]any)
		properties, _ := members["properties"].(map[string]any)
		for name, p := range properties {
			schema, ok := p.(map[string]any)
			if !ok || members["additionalProperties"] != false {
				continue // a rule, not a description
			}
			n++
			if schema["description"] == nil {
				t.Errorf("%s.%s has no description", at, name)
			}
		}
		for name, m := range members {
			explained(at+"."+name, m)
		}
		items, _ := v.([]any)
		for _, item := range items {
			explained(at+"[]", item)
		}
	}
	explained("", document)
	if n < 100 {
		t.Errorf("only %d keys were found", n)
	}
}

func TestAnActionOfOnesOwnIsCompletedAndChecked(t *testing.T) {
	t.Parallel()
	type visit struct {
		Patient string                  `flow:"patient,required" doc:"NHS number"`
		Within  string                  `flow:"within"`
		Address struct{ Street string } `flow:"address"`
		Count   int                     `flow:"count"`
	}
	kit := flow.Kit{Actions: flow.Actions{"a/b c": flow.Func("Plans a visit.", func(context.Context, visit) (flow.Result, error) { return flow.Result{}, nil })}}
	schema := compiled(t, kit)
	for with, fits := range map[string]bool{
		`{ patient: p }`: true, `{ patient: "${{ inputs.p }}", count: 3, address: { street: s }, x-note: n }`: true,
		`{ }`: false, `{ patient: p, count: three }`: false, `{ patient: p, address: { city: s } }`: false, `{ patient: p, patients: p }`: false,
	} {
		root, problems := syntax.Read("", []byte("stepwell: 1\nname: x\nsteps: [ { id: a, action: a/b c, with: "+with+" } ]\n"))
		if problems != nil {
			t.Fatal(problems)
		}
		if err := schema.Validate(valueOf(root)); (err == nil) != fits {
			t.Errorf("%s: %v", with, err)
		}
	}
}
