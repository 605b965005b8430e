package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// testKit has an action of each sort, with a field of each type.
func testKit() Kit {
	settings := []Field{
		{Name: "url", Type: URLField, Required: true, Own: true, Destination: true},
		{Name: "method", Type: TextField, Own: true},
		{Name: "base_url", Type: URLField, Destination: true},
		{Name: "headers", Type: PairsField, PerTry: true},
		{Name: "timeout", Type: DurationField},
		{Name: "max_response", Type: SizeField},
		{Name: "repeatable", Type: BooleanField, Own: true, Constant: true},
		{Name: "idempotency_key", Type: ChoiceField, Own: true, Fields: []Field{
			{Type: BooleanField, OneOf: []string{"true"}}, {Type: TextField},
			{Type: ObjectField, Fields: []Field{{Name: "header", Type: TextField, Constant: true}, {Name: "value", Type: TextField, Required: true}}},
		}},
		{Name: "basic", Type: ObjectField, Group: "auth", Fields: []Field{
			{Name: "username", Type: TextField, Required: true}, {Name: "password", Type: TextField, Required: true},
		}},
		{Name: "bearer", Type: TextField, Group: "auth"},
		{Name: "allow_secrets_to", Type: ListField, Allows: true, Fields: []Field{{Type: TextField}}},
	}
	web := append([]Field{
		{Name: "query", Type: PairsField},
		{Name: "json", Type: JSONField, Own: true, Group: "body"},
		{Name: "form", Type: PairsField, Own: true, Group: "body"},
		{Name: "text", Type: TextField, Own: true, Group: "body"},
		{Name: "follow_redirects", Type: ChoiceField, Fields: []Field{
			{Type: BooleanField, OneOf: []string{"false"}}, {Type: TextField, OneOf: []string{"same_origin"}}, {Type: IntegerField},
		}},
	}, settings...)
	graph := append([]Field{
		{Name: "query", Type: TextField, Own: true, Constant: true, Required: true},
		{Name: "variables", Type: JSONField, Own: true},
	}, settings...)
	check := func(with Static) Verdict {
		method, constant, there := with.Text("method")
		if !there {
			method, constant = "GET", true
		}
		path, _, _ := with.Text("url")
		v := Verdict{Title: method + " " + path, Repeatable: constant && method == "GET"}
		if text, _, _ := with.Text("headers", "AUTHORIZATION"); strings.HasPrefix(text, "Bearer$") {
			v.Complaints = append(v.Complaints, Complaint{Path: []string{"headers", "authorization"}, From: 0, To: 7, Code: diag.BadBearer, Message: "a blank is missing"})
		}
		return v
	}
	return Kit{Actions: map[string]Action{
		"http":    {Fields: web, Web: true, Check: check},
		"graphql": {Fields: graph, Web: true, GraphQL: true},
		"echo": {Fields: []Field{
			{Name: "number", Type: NumberField}, {Name: "integer", Type: IntegerField}, {Name: "on", Type: BooleanField},
			{Name: "words", Type: ListField, Fields: []Field{{Type: TextField}}},
			{Name: "parts", Type: MapField, Fields: []Field{{Type: IntegerField}}},
			{Name: "level", Type: TextField, OneOf: []string{"low", "high"}},
		}},
	}}
}

// files are what flows of the tests may read.
func files(name string) ([]byte, error) {
	switch name {
	case "good.json":
		return []byte(`{"type": "object", "required": ["id"]}`), nil
	case "bad.json":
		return []byte(`{"type": "object", "properties": {"a": {"type": "strin"}}}`), nil
	}
	return nil, errors.New("there is no such file")
}

// checked parses and checks a flow without its first two lines.
func checked(t *testing.T, text string) (*plan.Plan, diag.List) {
	t.Helper()
	tree, problems := syntax.Parse("flow.yaml", []byte("stepwell: 1\nname: x\n"+text))
	p, more := Flow(tree, testKit(), files)
	return p, append(problems, more...).Sort()
}

// found lists problems as line:column code, and warnings with a mark.
func found(list diag.List) []string {
	lines := []string{}
	for _, d := range list {
		line := fmt.Sprintf("%d:%d %s", d.Line, d.Column, d.Code)
		if d.Severity != diag.Error {
			line = d.Severity.String() + " " + line
		}
		lines = append(lines, line)
	}
	return lines
}

// A problem case: the flow from line 3 on, and what must be found.
type problemCase struct {
	name, text string
	want       []string
	says       string // part of the first problem
}

func testProblems(t *testing.T, cases []problemCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, list := checked(t, strings.TrimPrefix(tc.text, "\n"))
			if tc.want == nil {
				tc.want = []string{}
			}
			if d := cmp.Diff(tc.want, found(list)); d != "" {
				t.Errorf("(-want +got)\n%s\n%s", d, list.Error())
			}
			if tc.says != "" && (len(list) == 0 || !strings.Contains(list[0].Error()+strings.Join(list[0].Notes, "\n"), tc.says)) {
				t.Errorf("%q is not in:\n%s", tc.says, list.Error())
			}
		})
	}
}
