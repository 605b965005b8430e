package check

import (
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/diag"
)

// TestANameIsSetIfEveryWaySavesIt reads data.x after the steps, which stand
// four characters in, and looks at what the checker says of it.
func TestANameIsSetIfEveryWaySavesIt(t *testing.T) {
	t.Parallel()
	const set, maybe, unset = diag.Code(""), diag.MayBeUnset, diag.UsedBeforeSaved
	cases := []struct {
		name, steps string
		want        diag.Code
	}{
		{"nobody saves it", `
  - { id: a, set: { y: 1 } }`, diag.UnknownName},
		{"a set", `
  - { id: a, set: { x: 1 } }`, set},
		{"a call's save", `
  - { id: a, action: http, with: { url: /a }, save: { x: id } }`, set},
		{"an optional capture", `
  - { id: a, action: http, with: { url: /a }, save: { x: { path: id, optional: true } } }`, maybe},
		{"a capture with a default", `
  - { id: a, action: http, with: { url: /a }, save: { x: { path: id, default: 1 } } }`, set},
		{"an optional capture over a set name", `
  - { id: a, set: { x: 1 } }
  - { id: b, action: http, with: { url: /a }, save: { x: { path: id, optional: true } } }`, set},
		{"a capture limited to the statuses that pass", `
  - { id: a, action: http, with: { url: /a }, save: { x: { path: id, status: 2xx } } }`, set},
		{"a capture limited to some of the statuses", `
  - { id: a, action: http, with: { url: /a }, expect: { status: [200, 404] }, save: { x: { path: id, status: 2xx } } }`, maybe},
		{"a step with a condition", `
  - { id: a, if: inputs.b, set: { x: 1 } }`, maybe},
		{"both sides", `
  - id: a
    if: inputs.b
    set: { x: 1 }
    else: [ { id: e, set: { x: 2 } } ]`, set},
		{"only the else side", `
  - id: a
    if: inputs.b
    set: { y: 1 }
    else: [ { id: e, set: { x: 2 } } ]`, maybe},
		{"an else side that always fails", `
  - id: a
    if: inputs.b
    set: { x: 1 }
    else: [ { id: e, fail: no } ]`, set},
		{"a then side that always fails", `
  - id: a
    if: inputs.b
    fail: no
    else: [ { id: e, set: { x: 1 } } ]`, set},
		{"a block", `
  - id: a
    steps: [ { id: b, set: { x: 1 } } ]`, set},
		{"a block with a condition", `
  - id: a
    if: inputs.b
    steps: [ { id: b, set: { x: 1 } } ]`, maybe},
		{"a block in a block whose inner step is conditional on both sides", `
  - id: a
    steps:
      - id: b
        if: inputs.b
        set: { x: 1 }
        else: [ { id: c, set: { x: 2 } } ]`, set},
		{"on_error: continue", `
  - { id: a, on_error: continue, set: { x: 1 } }`, maybe},
		{"on_error: continue over a set name", `
  - { id: a, set: { x: 1 } }
  - { id: b, on_error: continue, set: { x: 2 } }`, set},
		{"a block that unsets and sets again under on_error: continue", `
  - { id: a, set: { x: 1 } }
  - id: b
    on_error: continue
    steps:
      - { id: c, set: { x: null } }
      - { id: d, set: { x: 2 } }`, maybe},
		{"a failing branch that unsets under on_error: continue", `
  - { id: a, set: { x: 1 } }
  - id: b
    on_error: continue
    steps:
      - id: c
        if: inputs.b
        steps:
          - { id: d, set: { x: null } }
          - { id: e, fail: no }`, maybe},
		{"on_error: continue does not cover else", `
  - { id: a, if: inputs.b, on_error: continue, set: { y: 1 }, else: [ { id: e, set: { x: 1 } } ] }`, maybe},
		{"on_error: continue with a save in else and before", `
  - { id: z, set: { x: 1 } }
  - { id: a, if: inputs.b, on_error: continue, set: { x: 1 }, else: [ { id: e, set: { x: 1 } } ] }`, set},
		{"a loop", `
  - { id: a, for_each: { in: inputs.list }, set: { x: 1 } }`, set},
		{"a loop whose items may fail", `
  - { id: a, for_each: { in: inputs.list, on_error: continue }, set: { x: 1 } }`, set},
		{"a loop that may fail", `
  - { id: a, on_error: continue, for_each: { in: inputs.list }, set: { x: 1 } }`, maybe},
		{"a loop with a condition", `
  - { id: a, if: inputs.b, for_each: { in: inputs.list }, set: { x: 1 } }`, maybe},
		{"a loop over a block that saves it sometimes", `
  - id: a
    for_each: { in: inputs.list }
    steps: [ { id: b, if: inputs.b, set: { x: 1 } } ]`, set},
		{"a loop in a loop", `
  - id: a
    for_each: { in: inputs.list }
    steps: [ { id: b, for_each: { in: inputs.list }, set: { x: 1 } } ]`, set},
		{"null unsets", `
  - { id: a, set: { x: 1 } }
  - { id: b, set: { x: null } }`, unset},
		{"null on one side", `
  - { id: a, set: { x: 1 } }
  - { id: b, if: inputs.b, set: { x: null } }`, maybe},
		{"null and a save after it", `
  - { id: a, set: { x: null } }
  - { id: b, set: { x: 1 } }`, set},
		{"a save if it is not there yet", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: data.x == nil, set: { x: 2 } }`, set},
		{"a save if it is not there yet, or on demand", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: inputs.b || data.x == nil, set: { x: 2 } }`, set},
		{"a save if it is not there yet and on demand", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: inputs.b && data.x == nil, set: { x: 2 } }`, maybe},
		{"an optional save if it is not there yet", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: data.x == nil, action: http, with: { url: /a }, save: { x: { path: id, optional: true } } }`, maybe},
		{"a failure if it is not there", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: data.x == nil, fail: no x }`, set},
		{"a failure that is caught", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: data.x == nil, on_error: continue, fail: no x }`, maybe},
		{"a condition inside a loop says nothing after it", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - id: b
    for_each: { in: inputs.list }
    steps: [ { id: c, if: data.x == nil, fail: no x } ]`, maybe},
		{"a condition that only asks", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: b, if: data.x != nil, set: { y: 1 } }`, maybe},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text := "inputs:\n  b: boolean\n  list: list\nsteps:" + tc.steps + "\noutputs:\n  out: ${{ data.x }}\n"
			_, list := checked(t, text)
			got := diag.Code("")
			for _, d := range list {
				if d.Severity != diag.Error {
					continue
				}
				got = d.Code
				if last := strings.Count(text, "\n") + 2; d.Line != last || d.Column != 12 && d.Column != 17 {
					t.Errorf("%s: not at the output, line %d", d, last)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q\n%s", got, tc.want, list.Error())
			}
		})
	}
}

// TestWhatIsKnownOfANameAtEachPlace reads names in the middle of flows.
func TestWhatIsKnownOfANameAtEachPlace(t *testing.T) {
	t.Parallel()
	const head = "inputs: { b: boolean, list: list, may: { required: false } }\nsteps:\n  - { id: a, action: http, with: { url: /a }, save: { x: { path: id, optional: true }, n: { path: n, type: integer } } }\n"
	testProblems(t, []problemCase{
		{"narrowed in the step and its block", head + `
  - { id: b, if: data.x != nil, set: { y: "${{ data.x }}" } }
  - id: c
    if: inputs.b && data.x != nil
    steps: [ { id: d, set: { z: "${{ data.x }}" } } ]`, nil, ""},
		{"not narrowed by an or", head + `  - { id: b, if: inputs.b || data.x != nil, set: { y: "${{ data.x }}" } }`,
			[]string{"6:60 may-be-unset"}, "need(data.x)"},
		{"narrowed in else", head + `  - { id: b, if: data.x == nil || inputs.b, set: { y: 1 }, else: [ { id: c, set: { z: "${{ data.x }}" } } ] }`, nil, ""},
		{"narrowed in a loop's items", head + `  - { id: b, if: data.x != nil, for_each: { in: inputs.list }, set: { y: "${{ data.x }}" } }`, nil, ""},
		{"narrowed in a call's fields, expectations and saves", head + `
  - id: b
    if: data.x != nil
    action: http
    with: { url: "/${{ data.x }}" }
    expect: { that: response.body.id == data.x }
    save: { y: "${{ data.x }}" }`, nil, ""},
		{"the else side cannot read what the step would save", head + `  - { id: b, if: inputs.b, set: { y: 1 }, else: [ { id: c, set: { z: "${{ data.y }}" } } ] }`,
			[]string{"6:80 used-before-saved"}, "does not run on the way"},
		{"a save is not known in its own step", head + `  - { id: b, action: http, with: { url: "/${{ data.y }}" }, save: { y: id } }`,
			[]string{"6:52 used-before-saved"}, ""},
		{"two values of one set do not see each other", head + `  - { id: b, set: { y: 1, z: "${{ data.y }}" } }`,
			[]string{"6:40 used-before-saved"}, ""},
		{"a later step", head + "  - { id: b, set: { z: \"${{ data.y }}\" } }\n  - { id: place, set: { y: 1 } }",
			[]string{"6:34 used-before-saved"}, "`y` is saved by step `place` on line 7, which runs later"},
		{"unset by null", head + "  - { id: b, set: { n: null } }\n  - { id: c, set: { y: \"${{ data.n }}\" } }",
			[]string{"7:34 used-before-saved"}, "is unset by step `b` on line 6"},
		{"an input that may be missing", head + "  - { id: b, set: { y: \"${{ inputs.may }}\" } }\n  - { id: c, if: inputs.may != nil, set: { z: \"${{ inputs.may }}\" } }",
			[]string{"6:29 may-be-unset"}, ""},
		{"handled", head + `  - { id: b, set: { y: "${{ data.x ?? 1 }}", z: "${{ need(data.x) }}", w: "${{ data.x == nil }}" } }`, nil, ""},
		{"a retry sees what was before", head + `  - { id: b, action: http, with: { url: /a }, retry: { when: data.y == 1 }, save: { y: id } }`,
			[]string{"6:67 used-before-saved"}, ""},
		{"after a loop a list, inside the item's", head + `
  - id: l
    for_each: { in: inputs.list }
    steps:
      - { id: m, set: { v: 1 } }
      - { id: o, set: { w: "${{ data.v + 1 }}" } }
  - { id: p, set: { q: "${{ len(data.v) }}", r: "${{ data.v + 1 }}" } }`,
			[]string{"12:54 type-mismatch"}, ""},
		{"before the loop", head + "  - { id: b, set: { y: \"${{ data.v }}\" } }\n  - { id: l, for_each: { in: inputs.list }, set: { v: 1 } }",
			[]string{"6:34 used-before-saved"}, "line 7, which runs later"},
		{"an iteration does not see another's", head + `
  - id: l
    for_each: { in: inputs.list }
    steps:
      - { id: m, if: index > 0, set: { w: "${{ data.v }}" } }
      - { id: o, set: { v: 1 } }`,
			[]string{"10:53 used-before-saved"}, ""},
	})
}

func TestDeclaredDefaultsAreThereBeforeAnyStep(t *testing.T) {
	t.Parallel()
	const head = "inputs: { list: list }\ndata: { x: { type: integer, default: 3 }, y: string }\n"
	testProblems(t, []problemCase{
		{"without a step that saves it", head + "steps: [ { id: a, set: { z: \"${{ data.x }}\" } } ]", nil, ""},
		{"without a default", head + "steps: [ { id: a, set: { z: \"${{ data.y }}\" } } ]", []string{"5:39 used-before-saved"}, "no step saves it"},
		{"null gives it back", head + "steps:\n  - { id: a, set: { x: null } }\n  - { id: b, set: { z: \"${{ data.x }}\" } }", nil, ""},
		{"in each iteration", head + "steps:\n  - id: a\n    for_each: { in: inputs.list }\n    steps:\n      - { id: b, set: { z: \"${{ data.x + 1 }}\" } }\n      - { id: c, set: { x: 4 } }", nil, ""},
		{"of the elements, so not before the loop", head + "steps:\n  - { id: o, set: { q: \"${{ data.x }}\" } }\n  - { id: a, for_each: { in: inputs.list }, set: { x: 4 } }",
			[]string{"6:34 used-before-saved"}, ""},
	})
}

func TestFinallyReadsWhatWasSetBefore(t *testing.T) {
	t.Parallel()
	const head = "inputs: { b: boolean }\ndata: { d: { default: 1 } }\nsteps:\n  - { id: a, set: { x: 1 } }\n"
	testProblems(t, []problemCase{
		{"as possibly unset", head + "finally:\n  - { id: f, set: { y: \"${{ data.x }}\" } }", []string{"8:29 may-be-unset"}, ""},
		{"handled, with a default, and its own", head + "finally:\n  - { id: f, set: { y: \"${{ data.x ?? data.d }}\" } }\n  - { id: g, set: { z: \"${{ data.y }}\" } }", nil, ""},
		{"the run's status and error", head + "finally:\n  - { id: f, if: 'run.status == \"failed\" && run.error != nil', set: { y: \"${{ run.error.message }}\" } }", nil, ""},
		{"which are nowhere else", head + "  - { id: b, set: { y: \"${{ run.status }}\" } }", []string{"7:33 not-here"}, ""},
		{"and steps", head + "finally:\n  - { id: f, set: { y: \"${{ steps.a.outcome }}\" } }", nil, ""},
		{"outputs do not read its names", head + "finally:\n  - { id: f, set: { y: 1 } }\noutputs: { o: \"${{ data.y }}\" }", []string{"9:25 used-before-saved"}, ""},
	})
}
