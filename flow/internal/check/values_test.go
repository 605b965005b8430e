package check

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

func TestDeclarationsAreCheckedWhenTheyAreLoaded(t *testing.T) {
	t.Parallel()
	const steps = "\nsteps: [ { id: a, set: { z: 1 } } ]"
	testProblems(t, []problemCase{
		{"a default of the wrong type", "inputs: { n: { type: integer, default: x } }" + steps, []string{"3:40 type-mismatch"}, `"n" must be an integer`},
		{"a default that is not allowed", "inputs: { n: { one_of: [aa, bb], default: cc } }" + steps, []string{"3:43 wrong-value"}, "must be one of"},
		{"a default that does not match", "inputs: { n: { pattern: \"[0-9]+\", default: 12x } }" + steps, []string{"3:44 wrong-value"}, "pattern"},
		{"a pattern holds for the whole value", "inputs: { n: { pattern: \"a|b\", default: ab } }" + steps, []string{"3:41 wrong-value"}, ""},
		{"a default below min", "data: { n: { type: integer, min: 3, default: 2 } }" + steps, []string{"3:46 wrong-value"}, "at least 3"},
		{"too long", "inputs: { n: { max_length: 2, default: abc } }" + steps, []string{"3:40 wrong-value"}, ""},
		{"too few elements", "inputs: { l: { type: list, min_length: 2, default: [1] } }" + steps, []string{"3:52 wrong-value"}, "at least 2 elements"},
		{"min above max", "data: { n: { type: integer, min: 3, max: 2 } }" + steps, []string{"3:34 wrong-value"}, ""},
		{"min of text", "data: { n: { type: string, min: 3 } }" + steps, []string{"3:33 key-not-allowed"}, ""},
		{"a pattern for numbers", "data: { n: { type: integer, pattern: a } }" + steps, []string{"3:29 key-not-allowed"}, ""},
		{"one_of of the wrong type", "data: { n: { type: integer, one_of: [1, two] } }" + steps, []string{"3:41 type-mismatch"}, ""},
		{"dates", "data: { n: { type: date, min: 2026-01-01, max: 2025-01-01 }, m: { type: date, min: 3 } }" + steps, []string{"3:48 wrong-value", "3:84 type-mismatch"}, ""},
		{"a default before a date's min", "data: { n: { type: date, min: 2026-01-01, default: 2025-06-01 } }" + steps, []string{"3:52 wrong-value"}, "before 2026-01-01"},
		{"all is well", "inputs: { a: string, b: { type: list, items: integer, default: [1, 2] }, c: { type: telephone, default: \"+49 30 901820\" } }" + steps, nil, ""},
		{"an element of a default", "inputs: { b: { type: list, items: integer, default: [1, x] } }" + steps, []string{"3:53 type-mismatch"}, ""},
	})
}

func TestValuesMustFitWhatIsDeclared(t *testing.T) {
	t.Parallel()
	const head = "inputs: { s: string, n: integer, l: list, any: any }\ndata: { i: integer, d: date, st: string, o: { one_of: [a, b] }, li: { type: list, items: integer } }\nsteps:\n"
	testProblems(t, []problemCase{
		{"constants", head + "  - { id: a, set: { i: x } }\n  - { id: b, set: { o: c } }\n  - { id: c, set: { d: 2026-13-01, li: [1, x] } }",
			[]string{"6:24 type-mismatch", "7:24 wrong-value", "8:24 type-mismatch", "8:40 type-mismatch"}, ""},
		{"expressions", head + "  - { id: a, set: { i: \"${{ inputs.s }}\" } }\n  - { id: b, set: { st: \"${{ inputs.n }}\" } }\n  - { id: c, set: { li: \"${{ inputs.l }}\", d: \"${{ inputs.s }}\", i: \"${{ inputs.any }}\" } }",
			[]string{"6:24 type-mismatch", "7:25 type-mismatch"}, `"i" is declared as integer, this is text`},
		{"mixed text is text", head + "  - { id: a, set: { i: \"${{ inputs.n }}1\" } }", []string{"6:24 type-mismatch"}, ""},
		{"saves", head + `
  - id: a
    action: http
    with: { url: /a }
    save:
      i: { path: id, type: string }
      d: { header: Date }
      li: "${{ response.status }}"
      st: { expression: response.status, type: string }`,
			[]string{"11:7 type-mismatch", "13:11 type-mismatch", "14:25 type-mismatch"}, ""},
		{"a save's default", head + "  - { id: a, action: http, with: { url: /a }, save: { i: { path: id, default: x }, q: { path: id, type: number, default: y } } }",
			[]string{"6:79 type-mismatch", "6:122 type-mismatch"}, ""},
		{"what is inferred", head + "  - { id: a, set: { p: 1, q: x } }\n  - { id: b, set: { r: \"${{ data.p + 1 }}\", s: \"${{ data.q * 2 }}\" } }", []string{"7:53 type-mismatch"}, ""},
		{"of two ways", head + "  - { id: a, if: inputs.n > 1, set: { p: 1 }, else: [ { id: b, set: { p: x } } ] }\n  - { id: c, set: { r: \"${{ data.p + 1 }}\" } }", nil, ""},
		{"the last save counts", head + "  - { id: a, set: { p: x } }\n  - { id: b, set: { p: 1 } }\n  - { id: c, set: { r: \"${{ data.p + 1 }}\" } }", nil, ""},
	})
}

// classes gives the class of every point of the run by name.
func classes(p *plan.Plan) map[string]plan.Class {
	m := map[string]plan.Class{}
	for _, point := range p.Points {
		m[point.Name] = point.Class
	}
	return m
}

func TestWhatIsSensitive(t *testing.T) {
	t.Parallel()
	p, list := checked(t, strings.TrimPrefix(`
inputs: { list: list, pin: { sensitive: true }, api_key: string, person: { pii: true } }
secrets: { key: { env: KEY } }
data:
  next_token: string
  token: { sensitive: false }
  patient: { type: string, pii: true }
  hidden: { type: any, sensitive: true }
steps:
  - id: a
    action: http
    with: { url: /a }
    save:
      session: data.access_token
      access_token: tok
      plain: id
      cookie_value: { cookie: sid }
      etag: { header: ETag }
      auth: { header: X-Authorization }
      marked: { path: id, sensitive: true }
      token: access_token
      patient: name
      member: "${{ response.body.password }}"
      hidden: id
  - id: b
    set:
      next_token: x
      copy: "${{ data.session }}"
      mixed: "id ${{ data.session }}"
      compared: "${{ data.session == 'x' }}"
      length: "${{ len(data.session) }}"
      secret_key: "${{ secrets.key }}"
      from_input: "${{ inputs.pin }}"
      from_named: "${{ inputs.api_key }}"
      about: "${{ data.patient }} is ill"
      named: "${{ inputs.person }}"
      outspoken: "${{ data.token }}"
      nested: { a: [ 1, "${{ data.session }}" ] }
  - id: c
    for_each: { in: "${{ [data.session] }}" }
    set: { collected: "${{ item }}", count: "${{ index }}" }
outputs: { a: "${{ data.copy }}", b: "${{ data.about }}", c: "${{ data.plain }}" }
`, "\n"))
	if list.HasErrors() {
		t.Fatal(list)
	}
	const plain, pii, sensitive = plan.Plain, plan.PII, plan.Sensitive
	want := map[string]plan.Class{
		"next_token": plain, "token": plain, "patient": pii, "hidden": sensitive,
		"session": sensitive, "access_token": sensitive, "plain": plain, "cookie_value": sensitive, "etag": plain, "auth": sensitive,
		"marked": sensitive, "member": sensitive,
		"copy": sensitive, "mixed": sensitive, "compared": plain, "length": plain, "secret_key": sensitive,
		"from_input": sensitive, "from_named": sensitive, "about": pii, "named": pii, "outspoken": plain, "nested": sensitive,
		"collected": sensitive, "count": plain,
	}
	if d := cmp.Diff(want, classes(p)); d != "" {
		t.Error(d)
	}
	if o := p.Root.Work.Outputs; o[0].Class != sensitive || o[1].Class != pii || o[2].Class != plain {
		t.Errorf("outputs %v %v %v", o[0].Class, o[1].Class, o[2].Class)
	}
	if !p.Sensitive {
		t.Error("the plan is sensitive")
	}
}

func TestAPlanWithoutAnythingSensitiveSaysSo(t *testing.T) {
	t.Parallel()
	p, list := checked(t, "steps: [ { id: a, action: http, with: { url: /a }, save: { x: id } } ]")
	if list != nil || p.Sensitive {
		t.Error(list, p.Sensitive)
	}
}

func TestSensitiveAndShort(t *testing.T) {
	t.Parallel()
	testProblems(t, []problemCase{
		{"a save cannot say that it is not", "steps: [ { id: a, action: http, with: { url: /a }, save: { token: { path: id, sensitive: false } } } ]",
			[]string{"3:60 wrong-value"}, "data: { token: { sensitive: false } }"},
		{"where nothing says that it is, it may", "steps: [ { id: a, action: http, with: { url: /a }, save: { x: { path: id, sensitive: false } } } ]", nil, ""},
		{"short values", "inputs: { password: { default: abc } }\nsteps:\n  - { id: a, set: { token: abcdefg } }\n  - { id: b, set: { secret: abcdefgh } }",
			[]string{"warning 3:32 short-secret", "warning 5:28 short-secret"}, ""},
	})
}

func TestWhereASecretMayGo(t *testing.T) {
	t.Parallel()
	const head = "inputs: { base: string, list: list }\nsecrets: { k: { env: K } }\nsteps:\n  - { id: a, action: http, with: { url: \"https://a.test\" }, save: { u: url, n: id } }\n"
	secret := `headers: { Authorization: "Bearer ${{ secrets.k }}" }`
	testProblems(t, []problemCase{
		{"a URL from data", head + "  - { id: b, action: http, with: { url: \"${{ data.u }}\", " + secret + " } }", []string{"7:41 untrusted-origin"}, "`headers`"},
		{"without a secret", head + "  - { id: b, action: http, with: { url: \"${{ data.u }}\" } }", nil, ""},
		{"a host from data", head + "  - { id: b, action: http, with: { url: \"https://${{ data.u }}/x\", " + secret + " } }", []string{"7:41 untrusted-origin"}, ""},
		{"a path from data", head + "  - { id: b, action: http, with: { url: \"https://a.test/${{ data.u }}\", " + secret + " } }", nil, ""},
		{"from an input", head + "  - { id: b, action: http, with: { url: \"${{ inputs.base }}/x\", " + secret + " } }", nil, ""},
		{"with a base_url it is compared later", head + "  - { id: b, action: http, with: { url: \"${{ data.u }}\", base_url: \"https://a.test\", " + secret + " } }", nil, ""},
		{"with origins it is compared later", head + "  - { id: b, action: http, with: { url: \"${{ data.u }}\", allow_secrets_to: [\"https://a.test\"], " + secret + " } }", nil, ""},
		{"a base_url from data", head + "  - { id: b, action: http, with: { url: /x, base_url: \"${{ data.u }}\", " + secret + " } }", []string{"7:55 untrusted-origin"}, ""},
		{"a loop variable is what it was made from", head + "  - { id: b, for_each: { in: data.u }, action: http, with: { url: \"${{ item }}\", " + secret + " } }\n  - { id: c, for_each: { in: inputs.list }, action: http, with: { url: \"${{ item }}\", " + secret + " } }",
			[]string{"7:67 untrusted-origin"}, ""},
		{"a secret in the URL itself", head + "  - { id: b, action: http, with: { url: \"${{ data.u }}?k=${{ secrets.k }}\" } }", []string{"7:41 untrusted-origin"}, ""},
	})
	p, list := checked(t, "inputs: { b: string }\nsteps:\n  - { id: a, action: http, with: { url: /a, base_url: \"${{ inputs.b }}\" }, save: { u: u } }\n  - { id: b, action: http, with: { url: \"${{ data.u }}\" } }")
	if list != nil {
		t.Fatal(list)
	}
	a, b := p.Root.Steps[0].Work.Call.Fields, p.Root.Steps[1].Work.Call.Fields
	if a[0].Name != "url" || a[0].Origin != plan.NoOrigin || a[1].Origin != plan.Trusted || b[0].Origin != plan.Foreign {
		t.Errorf("origins %v %v %v", a[0].Origin, a[1].Origin, b[0].Origin)
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	const post = "steps:\n  - { id: a, action: http, with: { url: /a, method: POST"
	testProblems(t, []problemCase{
		{"reasons for a call that may not be repeated", post + " }, retry: { on: [500] } }", []string{"4:61 retry-not-safe"}, "idempotency_key: true"},
		{"a condition", post + " }, retry: { when: error.status == 500 } }", []string{"4:61 retry-not-safe"}, ""},
		{"with a key", post + ", idempotency_key: true }, retry: { on: [500] } }", nil, ""},
		{"with a key of one's own", post + ", idempotency_key: { value: x } }, retry: { on: [500] } }", nil, ""},
		{"repeatable", post + ", repeatable: true }, retry: { on: [500] } }", nil, ""},
		{"a GET that is not", "steps:\n  - { id: a, action: http, with: { url: /a, repeatable: false }, retry: { on: [500] } }", []string{"4:66 retry-not-safe"}, ""},
		{"a number is no reason", post + " }, retry: 5 }", nil, ""},
		{"the defaults' reasons are for others", "defaults: { http: { retry: { on: [500] } } }\n" + post + " } }", nil, ""},
		{"a condition must be one", "steps:\n  - { id: a, action: http, with: { url: /a }, retry: { when: error.status } }", []string{"4:62 not-a-condition"}, ""},
	})
	p, list := checked(t, strings.TrimPrefix(`
defaults: { http: { retry: { attempts: 7, on: [500], backoff: { initial: 1s } } } }
steps:
  - { id: a, action: http, with: { url: /a } }
  - { id: b, action: http, with: { url: /a }, retry: false }
  - { id: c, action: http, with: { url: /a }, retry: { attempts: 2, on: [409], only: true, backoff: { max: 500ms } } }
  - { id: d, action: echo }
`, "\n"))
	if list != nil {
		t.Fatal(list)
	}
	var got []plan.Retry
	for _, n := range p.Root.Steps {
		got = append(got, n.Work.Call.Retry)
	}
	const ms = 1_000_000
	want := []plan.Retry{
		{Attempts: 7, Default: true, On: []string{"500"}, Initial: 1000 * ms, Max: 20_000 * ms, Factor: 2, Given: true},
		{Attempts: 1, Default: true, On: []string{"500"}, Initial: 1000 * ms, Max: 20_000 * ms, Factor: 2},
		{Attempts: 2, On: []string{"409"}, Initial: 500 * ms, Max: 500 * ms, Factor: 2, Given: true},
		{Attempts: 3, Default: true, Initial: 200 * ms, Max: 20_000 * ms, Factor: 2},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b plan.Retry) bool {
		a.When, b.When = nil, nil
		return cmp.Equal(a.On, b.On) && a.Attempts == b.Attempts && a.Default == b.Default && a.Initial == b.Initial && a.Max == b.Max && a.Factor == b.Factor && a.Given == b.Given
	})); d != "" {
		t.Error(d)
	}
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	const call = "steps:\n  - id: a\n    action: http\n    with: { url: /a }\n    expect: { schema: "
	testProblems(t, []problemCase{
		{"a file", call + "good.json }", nil, ""},
		{"a file that is not there", call + "nope.json }", []string{"7:23 unreadable-file"}, "there is no such file"},
		{"a file outside", call + "../nope.json }", []string{"7:23 outside-project"}, ""},
		{"a file that is not valid", call + "bad.json }", []string{"7:23 bad-schema"}, "`properties.a.type` must be one of"},
		{"written here", call + "{ type: object, required: [id] } }", nil, ""},
		{"wrong where it stands", call + "{ type: object, properties: { a: { type: strin } } } }", []string{"7:64 bad-schema"}, ""},
		{"a reference to elsewhere", call + "{ $ref: \"https://a.test/s.json\" } }", []string{"7:23 bad-schema"}, "which is not in it"},
		{"a reference to nothing", call + "{ $ref: \"#/$defs/a\" } }", []string{"7:23 bad-schema"}, "#/$defs/a"},
		{"a pattern that RE2 does not have", call + "{ pattern: \"(?=a)\" } }", []string{"7:34 bad-schema"}, "RE2"},
	})
}

func TestASchemaSaysWhatIsWantedAndNeverAValue(t *testing.T) {
	t.Parallel()
	p, list := checked(t, strings.TrimPrefix(`
steps:
  - id: a
    action: http
    with: { url: /a }
    expect:
      schema:
        type: object
        required: [id]
        properties:
          orders: { type: array, items: { type: object, properties: { n: { type: integer, minimum: 1 }, day: { format: date } }, additionalProperties: false } }
          kind: { enum: [a, b] }
          one: { oneOf: [ { type: string }, { type: integer } ] }
`, "\n"))
	if list != nil {
		t.Fatal(list)
	}
	s := p.Root.Steps[0].Work.Call.Expect.Schema
	cases := []struct{ text, want string }{
		{`{"id": 1, "orders": [{"n": 2, "day": "2026-11-21"}]}`, ""},
		{`{}`, "it lacks `id`"},
		{`[]`, "it must be an object, not a list"},
		{`{"id":1,"orders":[{"n":1},{"n":"hunter2"}]}`, "`orders.1.n` must be an integer, not text"},
		{`{"id":1,"orders":[{"n":0}]}`, "`orders.0.n` must be at least 1"},
		{`{"id":1,"orders":[{"day":"hunter2"}]}`, "`orders.0.day` must be a date such as 2026-11-21"},
		{`{"id":1,"orders":[{"x":"hunter2"}]}`, "`orders.0` must not have `x`"},
		{`{"id":1,"kind":"hunter2"}`, "`kind` must be one of \"a\", \"b\""},
		{`{"id":1,"one":true}`, "`one` fits none of the alternatives of which the schema wants one"},
		{`{"id":1e999999999}`, "a number in it is out of range"},
	}
	for _, tc := range cases {
		got := ""
		if err := s.Validate(tc.text); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s\n got %s\nwant %s", tc.text, got, tc.want)
		}
	}
}

func TestTheSecondListOfProblemsIsInSourceOrder(t *testing.T) {
	t.Parallel()
	_, list := checked(t, "steps:\n  - { id: a, action: htp, save: { x: \"$.b\" } }\n  - { id: b, set: { y: \"${{ data.z }}\" } }\noutputs: { o: \"${{ data.q }}\" }\nfinally:\n  - { id: c, set: { y: \"${{ data.r }}\" } }\n")
	lines := -1
	for _, d := range list {
		if d.Line < lines {
			t.Error(list)
		}
		lines = d.Line
	}
	if len(list) != 5 || list[0].Code != diag.UnknownAction {
		t.Error(list)
	}
}
