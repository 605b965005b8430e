package flow_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// The table of the language: which keys may stand at a step beside which verb.
func TestWhichKeysGoWithWhichVerbs(t *testing.T) {
	t.Parallel()
	verbs := []struct{ name, text string }{
		{"action", `"action": "tell"`},
		{"set", `"set": {"a": 1}`},
		{"steps", `"steps": [{"id": "inner", "set": {"a": 1}}]`},
		{"parallel", `"parallel": {"one": [{"id": "inner", "set": {"a": 1}}]}`},
		{"flow", `"flow": "sub.yaml"`},
		{"wait", `"wait": "1s"`},
		{"callback", `"callback": "news"`},
		{"fail", `"fail": "no"`},
	}
	const all = "action set steps parallel flow wait callback fail"
	keys := []struct{ name, text, on string }{
		{"description", `"description": "words"`, all},
		{"if", `"if": "run.id != \"\""`, all},
		{"else", `"if": "run.id != \"\"", "else": [{"id": "other", "set": {"b": 1}}]`, all},
		{"timeout", `"timeout": "10s"`, all},
		{"catch", `"catch": [{"when": "error.status == 404", "steps": [{"id": "after", "set": {"b": 1}}]}]`, all},
		{"on_error", `"on_error": "continue"`, all},
		{"for_each", `"for_each": {"in": "[1, 2]", "concurrency": 2}`, "action set steps parallel flow"},
		{"with", `"with": {}`, "action flow"},
		{"expect", `"expect": {"that": ["response.body != nil"]}`, "action flow callback"},
		{"save", `"save": {"c": "x"}`, "action flow callback"},
		{"retry", `"retry": {"attempts": 2, "on": [425]}`, "action flow steps"},
		{"poll", `"poll": {"until": "run.id != \"\""}`, "action flow steps"},
		{"pages", `"pages": {"next": "response.body.next", "with": {"page": "${{ next }}"}}`, "action"},
		{"finally", `"finally": [{"id": "last", "set": {"b": 1}}]`, "steps"},
		{"concurrency", `"concurrency": 2`, "parallel"},
	}
	for _, v := range verbs {
		for _, k := range keys {
			t.Run(v.name+" and "+k.name, func(t *testing.T) {
				t.Parallel()
				with := ""
				if v.name == "action" && k.name != "with" {
					with = `, "with": {"safe": true}` // so that it may be tried again
				}
				err := compiles(fmt.Sprintf(`{"id": "x", %s, %s%s}`, v.text, k.text, with))
				var refused diag.List
				switch may := slices.Contains(strings.Fields(k.on), v.name); {
				case may && err != nil:
					t.Error(err)
				case !may && !errors.As(err, &refused):
					t.Errorf("it is not refused: %v", err)
				case !may && !slices.ContainsFunc(refused, func(d diag.Diagnostic) bool {
					return d.Code == diag.KeyNotAllowed && strings.Contains(d.Message, fmt.Sprintf("%q", k.name)) && strings.Contains(d.Message, fmt.Sprintf("%q", v.name))
				}):
					t.Error(err)
				}
			})
		}
	}
}

// A step has one verb.
func TestNoTwoVerbsGoTogether(t *testing.T) {
	t.Parallel()
	verbs := []string{`"action": "tell"`, `"set": {"a": 1}`, `"steps": [{"id": "i", "set": {"a": 1}}]`, `"parallel": {"one": [{"id": "j", "set": {"a": 1}}]}`,
		`"flow": "sub.yaml"`, `"wait": "1s"`, `"callback": "news"`, `"fail": "no"`}
	for i, a := range verbs {
		for _, b := range verbs[i+1:] {
			err := compiles(`{"id": "x", ` + a + `, ` + b + `}`)
			var refused diag.List
			if !errors.As(err, &refused) || refused[0].Code != diag.OneVerb {
				t.Errorf("%s and %s: %v", a, b, err)
			}
		}
	}
}

func compiles(step string) error {
	files := fstest.MapFS{
		"test.yaml": {Data: []byte(`{"stepwell": 1, "name": "test", "callbacks": {"news": {"description": "comes"}}, "steps": [` + step + `]}`)},
		"sub.yaml":  {Data: []byte(`{"stepwell": 1, "name": "sub", "steps": [{"id": "s", "set": {"a": 1}}], "outputs": {"x": "${{ data.a }}"}}`)},
	}
	_, err := flow.Compile(files, "test.yaml", (&stage{}).kit())
	return err
}
