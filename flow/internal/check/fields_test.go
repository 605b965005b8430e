package check

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

func TestFieldsTakeWhatTheirActionSays(t *testing.T) {
	t.Parallel()
	const head = "inputs: { s: string, n: integer, o: object, l: list, b: boolean }\nsteps:\n  - { id: a, action: "
	testProblems(t, []problemCase{
		{"an unknown key", head + "http, with: { url: /a, header: {} } }", []string{"5:45 unknown-key"}, `did you mean "headers"?`},
		{"one that is ignored", head + "http, with: { url: /a, x-note: 1 } }", nil, ""},
		{"a missing key", head + "http, with: { method: GET } }", []string{"5:34 missing-key"}, `lacks "url"`},
		{"no with at all", head + "http }", []string{"5:22 missing-key"}, ""},
		{"a duration", head + "http, with: { url: /a, timeout: 5 } }", []string{"5:54 bad-duration"}, "15s"},
		{"a size", head + "http, with: { url: /a, max_response: 5XB } }", []string{"5:59 bad-size"}, ""},
		{"a duration from an expression", head + "http, with: { url: /a, timeout: \"${{ inputs.s }}\", max_response: \"${{ inputs.n }}\" } }", nil, ""},
		{"not from a list", head + "http, with: { url: /a, timeout: \"${{ inputs.l }}\" } }", []string{"5:54 type-mismatch"}, ""},
		{"a constant", head + "http, with: { url: /a, repeatable: \"${{ inputs.b }}\" } }", []string{"5:57 constant-required"}, ""},
		{"two of a group", head + "http, with: { url: /a, json: {}, form: {} } }", []string{"5:55 keys-exclude"}, `"json" and "form" cannot stand together`},
		{"an integer", head + "echo, with: { integer: 1.5 } }", []string{"5:45 type-mismatch"}, "must be an integer, not the number 1.5"},
		{"a quoted integer", head + "echo, with: { integer: \"1\" } }", []string{"5:45 type-mismatch"}, "without quotes"},
		{"a boolean", head + "echo, with: { on: yes } }", []string{"5:40 type-mismatch"}, "true or false"},
		{"expressions of the right types", head + "echo, with: { integer: \"${{ inputs.n }}\", number: \"${{ inputs.n }}\", on: \"${{ inputs.b }}\", words: \"${{ inputs.l }}\", parts: \"${{ inputs.o }}\" } }", nil, ""},
		{"of wrong ones", head + "echo, with: { integer: \"${{ inputs.s }}\", on: \"${{ inputs.n }}\", words: \"${{ inputs.o }}\" } }", []string{"5:45 type-mismatch", "5:68 type-mismatch", "5:94 type-mismatch"}, ""},
		{"one of some words", head + "echo, with: { level: hihg } }", []string{"5:43 wrong-value"}, `did you mean "high"?`},
		{"elements", head + "echo, with: { words: [a, [b]], parts: { a: x } } }", []string{"5:47 wrong-shape", "5:65 type-mismatch"}, ""},
		{"text from an object", head + "http, with: { url: /a, text: \"${{ inputs.o }}\" } }", []string{"5:51 text-of-object"}, "toJSON"},
		{"headers that are one", head + "http, with: { url: /a, headers: { Accept: a, accept: b } } }", []string{"5:67 duplicate-key"}, ""},
		{"a header that is a mapping", head + "http, with: { url: /a, headers: { A: { b: 1 } } } }", []string{"5:59 wrong-shape"}, ""},
		{"a part of an object", head + "http, with: { url: /a, basic: { username: a, pasword: b } } }", []string{"5:67 unknown-key"}, ""},
		{"a choice", head + "http, with: { url: /a, follow_redirects: same_orign } }", []string{"5:63 wrong-value"}, "did you mean `same_origin`?"},
		{"the other choices", head + "http, with: { url: /a, follow_redirects: 3, idempotency_key: { value: x } } }", nil, ""},
		{"auth", head + "http, with: { url: /a, auth: ehr } }", []string{"5:45 unknown-key"}, ""},
		{"what the action itself finds", head + "http, with: { url: /a, headers: { Authorization: \"Bearer${{ inputs.s }}\" } } }", []string{"5:72 bad-bearer"}, ""},
		{"what does not fit the action", head + "echo, expect: { status: 200 } }\n  - { id: b, action: http, with: { url: /a }, expect: { errors: allow } }\n  - { id: c, action: echo, save: { x: { header: A } } }",
			[]string{"5:38 key-not-allowed", "6:57 key-not-allowed", "7:49 key-not-allowed"}, ""},
	})
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	const steps = "\nsteps: [ { id: a, action: http, with: { url: /a } } ]"
	testProblems(t, []problemCase{
		{"an unknown setting", "defaults: { http: { timeot: 1s } }" + steps, []string{"3:21 unknown-key"}, `did you mean "timeout"?`},
		{"what belongs to a step", "defaults: { http: { url: /b, json: {} } }" + steps, []string{"3:21 key-not-allowed", "3:30 key-not-allowed"}, ""},
		{"a wrong value is told once", "defaults: { http: { timeout: 1x } }\nsteps: [ { id: a, action: http, with: { url: /a } }, { id: b, action: http, with: { url: /a } } ]", []string{"3:30 bad-duration"}, ""},
	})
}

// show is a value as JSON, with templates as they are written.
func show(v plan.Value) string {
	switch {
	case v.Const != "":
		return v.Const
	case v.Template != nil:
		return v.Template.Source()
	}
	var parts []string
	for _, item := range v.Items {
		parts = append(parts, show(item))
	}
	for _, p := range v.Pairs {
		parts = append(parts, p.Key+": "+show(p.Value))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func TestAStepsWithIsPutOverTheDefaults(t *testing.T) {
	t.Parallel()
	p, list := checked(t, strings.TrimPrefix(`
defaults:
  http:
    base_url: https://a.test
    timeout: 5s
    headers: { Accept: a, X-Trace: "${{ run.id }}" }
    query: { lang: de }
    bearer: b
steps:
  - { id: a, action: http, with: { url: /a } }
  - id: b
    action: http
    with:
      url: /a
      timeout: null
      query: { lang: null, page: 2 }
      headers: { accept: x, Y: [1, "${{ run.id }}"] }
      basic: { username: u, password: p }
      json: { z: 1, a: [ "${{ run.id }}", null ] }
  - { id: c, action: graphql, with: { url: /g, query: "{a}", headers: null, bearer: null } }
  - { id: d, action: echo, with: { integer: 3 } }
`, "\n"))
	if list != nil {
		t.Fatal(list)
	}
	var got []string
	for _, n := range p.Root.Steps {
		for _, f := range n.Work.Call.Fields {
			got = append(got, n.ID+" "+f.Name+" "+show(f.Value))
		}
	}
	want := []string{
		`a query {"lang":"de"}`, `a url "/a"`, `a base_url "https://a.test"`, "a headers (Accept: \"a\", X-Trace: ${{ run.id }})", `a timeout "5s"`, `a bearer "b"`,
		`b query {"page":"2"}`, "b json (z: 1, a: (${{ run.id }}, null))", `b url "/a"`, `b base_url "https://a.test"`,
		"b headers (accept: \"x\", X-Trace: ${{ run.id }}, Y: (\"1\", ${{ run.id }}))", `b basic {"username":"u","password":"p"}`,
		`c query "{a}"`, `c url "/g"`, `c base_url "https://a.test"`, `c timeout "5s"`,
		`d integer 3`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if title := p.Root.Steps[0].Work.Title; title != "GET /a" {
		t.Errorf("title %q", title)
	}
}

func TestACallKnowsWhetherItReadsTheClockAndTheRequest(t *testing.T) {
	t.Parallel()
	p, list := checked(t, strings.TrimPrefix(`
steps:
  - { id: a, action: http, with: { url: /a, json: { id: "${{ uuid() }}" } } }
  - { id: b, action: http, with: { url: /a, headers: { D: "${{ request.time.Unix() }}" }, repeatable: true } }
`, "\n"))
	if list != nil {
		t.Fatal(list)
	}
	a, b := p.Root.Steps[0].Work.Call, p.Root.Steps[1].Work.Call
	if !a.Now || b.Now || a.Repeatable != nil || b.Repeatable == nil || !*b.Repeatable {
		t.Errorf("%+v\n%+v", a, b)
	}
	for _, f := range b.Fields {
		if f.PerTry != (f.Name == "headers") {
			t.Errorf("%s: per try %v", f.Name, f.PerTry)
		}
	}
}
