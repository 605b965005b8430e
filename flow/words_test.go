package flow_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stepwell/stepwell/flow"
)

func TestAnExpectationIsToldInTheAuthorsWords(t *testing.T) {
	t.Parallel()
	w := &web{answer: func(hit) (flow.Result, error) { return ok(`{"n":3,"list":[1]}`), nil }}
	for _, c := range []struct{ name, that, message, facts string }{
		{"none", `response.body.n == 4`,
			"an expectation does not hold", "[{expected response.body.n == 4} {response.body.n 3}]"},
		{"words with a value", `{ that: response.body.n == 4, message: "n is ${{ response.body.n }}" }`,
			"n is 3", "[{expected response.body.n == 4} {response.body.n 3}]"},
		{"words about what is missing", `{ that: response.body.n == 4, message: "m is ${{ response.body.m }}" }`,
			"an expectation does not hold", "[{expected response.body.n == 4} {response.body.n 3}]"},
		{"two", `{ that: response.body.n == 4, message: not four }, { that: len(response.body.list) > 1, message: too few }`,
			"not four", "[{expected response.body.n == 4} {response.body.n 3} {and too few} {expected len(response.body.list) > 1} {len(response.body.list) 1}]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := compileWeb(t, w, fmt.Sprintf("steps:\n  - { id: a, action: web, expect: { that: [ %s ] } }\n", c.that))
			_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			e := failureOf(t, err)
			if facts := fmt.Sprint(e.Facts[:len(e.Facts)-1]); e.Kind != flow.KindExpect || e.Message != c.message || facts != c.facts {
				t.Errorf("kind %s, message %q, facts %s; want %q, %s", e.Kind, e.Message, facts, c.message, c.facts)
			}
		})
	}
}

func TestALoopThatFailedCountsItsFailures(t *testing.T) {
	t.Parallel()
	w := &world{script: func(path string, _ int) error {
		if path == "each[1]" {
			return refused(404)
		}
		return nil
	}}
	got := outputs(t, w, `
steps:
  - { id: each, on_error: continue, for_each: { in: "['a', 'b', 'c']" }, action: call, with: { say: "${{ item }}" } }
outputs:
  outcome: ${{ steps.each.outcome }}
  failed: ${{ steps.each.failed }}
  index: ${{ steps.each.failures[0].index }}
`, nil)
	if want := `{"outcome":"caught","failed":1,"index":1}`; got != want {
		t.Errorf("have %s, want %s", got, want)
	}
}

func TestAWrongInputIsShownAsItWasGiven(t *testing.T) {
	t.Parallel()
	p := compile(t, &world{}, `
inputs: { name: { type: string, required: false }, count: { type: integer, default: 7 }, api_key: { type: integer, required: false } }
steps: [ { id: a, set: { x: 1 } } ]
outputs: { count: "${{ inputs.count }}" }
`)
	for _, c := range []struct {
		in   flow.Inputs
		want string
	}{
		{flow.Inputs{"name": json.RawMessage("53")}, "input name must be a string: write it in quotes; it is 53"},
		{flow.Inputs{"name": []string{"a"}}, `input name must be a string; it is ["a"]`},
		{flow.Inputs{"count": " 5"}, "input count must be an integer; it is  5"},
		{flow.Inputs{"api_key": json.RawMessage(`"hidden"`)}, "input api_key must be an integer"},
	} {
		_, err := (&flow.Executor{}).Run(t.Context(), p, c.in)
		if e := failureOf(t, err); e.Kind != flow.KindInput || e.Message != c.want {
			t.Errorf("%v: %s %q, want %q", c.in, e.Kind, e.Message, c.want)
		}
	}
	null := flow.Inputs{"name": json.RawMessage("null"), "count": json.RawMessage("null")}
	run, err := (&flow.Executor{}).Run(t.Context(), p, null)
	if err != nil || run.Outputs.Reveal() != `{"count":7}` {
		t.Errorf("a null is as if not given: %v, %s", err, run.Outputs.Reveal())
	}
}

func TestTextThatDoesNotConvertIsShown(t *testing.T) {
	t.Parallel()
	w := &web{answer: func(hit) (flow.Result, error) {
		return status(200, "{}", "X-Total", "many", "X-Api-Key", "hidden value"), nil
	}}
	for header, want := range map[string]string{
		"X-Total":   "n must be an integer; it is many",
		"X-Api-Key": "n must be an integer; it is [secret n]",
	} {
		p := compileWeb(t, w, fmt.Sprintf("steps:\n  - { id: a, action: web, save: { n: { header: %s, type: integer } } }\n", header))
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if e := failureOf(t, err); e.Kind != flow.KindData || e.Message != want {
			t.Errorf("%s: %s %q, want %q", header, e.Kind, e.Message, want)
		}
	}
}

func TestASecretInsideOfAnObjectGoesOnlyToTrustedOrigins(t *testing.T) {
	t.Parallel()
	const steps = `
steps:
  - { id: a, action: call, with: { say: { session: { access_token: s3cr3t-value-1, id: 7 }, next: "https://evil.example.test/" } }, save: { session: say.session, next: say.next } }
  - { id: b, action: call, with: { to: "${{ data.next }}", say: %s, allow_secrets_to: ["https://api.example.test"] } }
`
	for say, goes := range map[string]bool{
		`"${{ data.session }}"`:                              false,
		`{ all: [ "${{ data.session }}" ] }`:                 false,
		`"${{ toJSON(data.session) }}"`:                      false,
		`"got ${{ toJSON(data.session) }}"`:                  false,
		`"${{ data.session.id }}"`:                           true,
		`{ password: of-the-author, id: "${{ run.flow }}" }`: true,
	} {
		w := &world{}
		_, err := (&flow.Executor{}).Run(t.Context(), compile(t, w, fmt.Sprintf(steps, say)), nil)
		switch {
		case goes && err != nil:
			t.Errorf("%s: %v", say, err)
		case !goes && (err == nil || failureOf(t, err).Kind != flow.KindData || w.sent("b") != 0):
			t.Errorf("%s: %v, sent %d times", say, err, w.sent("b"))
		}
	}
}
