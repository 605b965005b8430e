package check

import (
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/diag"
)

// TestANameIsSetThroughEveryConstructOfControlFlow goes on with what
// TestANameIsSetIfEveryWaySavesIt begins: data.x is read in the outputs.
func TestANameIsSetThroughEveryConstructOfControlFlow(t *testing.T) {
	t.Parallel()
	const set, maybe = diag.Code(""), diag.MayBeUnset
	cases := []struct {
		name, steps string
		want        diag.Code
	}{
		{"one branch of a parallel", `
  - id: p
    parallel:
      one: [ { id: a, set: { x: 1 } } ]
      two: [ { id: b, set: { y: 1 } } ]`, set},
		{"a branch that saves it sometimes", `
  - id: p
    parallel:
      one: [ { id: a, if: inputs.b, set: { x: 1 } } ]
      two: [ { id: b, set: { y: 1 } } ]`, maybe},
		{"a parallel with a condition", `
  - id: p
    if: inputs.b
    parallel: { one: [ { id: a, set: { x: 1 } } ] }`, maybe},
		{"a parallel that may fail", `
  - id: p
    on_error: continue
    parallel: { one: [ { id: a, set: { x: 1 } } ] }`, maybe},
		{"a loop in a branch", `
  - id: p
    parallel: { one: [ { id: a, for_each: { in: inputs.list }, set: { x: 1 } } ] }`, set},
		{"a loop over branches", `
  - id: p
    for_each: { in: inputs.list }
    parallel: { one: [ { id: a, set: { x: 1 } } ] }`, set},
		{"the step and its clause", `
  - id: a
    action: http
    with: { url: /a }
    save: { x: id }
    catch: [ { steps: [ { id: b, set: { x: 1 } } ] } ]`, set},
		{"the step and one of two clauses", `
  - id: a
    action: http
    with: { url: /a }
    save: { x: id }
    catch:
      - { when: error.status == 404, steps: [ { id: b, set: { x: 1 } } ] }
      - { steps: [ { id: c, set: { y: 1 } } ] }`, maybe},
		{"the step and clauses that all save it or fail", `
  - id: a
    action: http
    with: { url: /a }
    save: { x: id }
    catch:
      - { when: error.status == 404, steps: [ { id: b, set: { x: 1 } } ] }
      - { steps: [ { id: c, fail: no } ] }`, set},
		{"only the clause", `
  - id: a
    action: http
    with: { url: /a }
    catch: [ { steps: [ { id: b, set: { x: 1 } } ] } ]`, maybe},
		{"a clause of its own conditions: the failure stands if none takes it", `
  - id: a
    action: http
    with: { url: /a }
    save: { x: id }
    catch: [ { when: error.status == 404, steps: [ { id: b, set: { x: 1 } } ] } ]`, set},
		{"a clause does not cover else", `
  - id: a
    if: inputs.b
    set: { x: 1 }
    catch: [ { steps: [ { id: b, set: { x: 2 } } ] } ]
    else: [ { id: c, set: { y: 1 } } ]`, maybe},
		{"set before, and again in a step that may fail", `
  - { id: a, set: { x: 1 } }
  - { id: b, action: http, with: { url: /a }, save: { x: id }, on_error: continue }`, set},
		{"the finally of a block", `
  - id: a
    steps: [ { id: b, set: { y: 1 } } ]
    finally: [ { id: c, set: { x: 1 } } ]`, set},
		{"the finally of a block, sometimes", `
  - id: a
    steps: [ { id: b, set: { y: 1 } } ]
    finally: [ { id: c, if: inputs.b, set: { x: 1 } } ]`, maybe},
		{"a block that is tried again", `
  - id: a
    retry: 3
    steps: [ { id: b, set: { x: 1 } } ]`, set},
		{"a block that is polled", `
  - id: a
    poll: { until: data.x == 1 }
    steps: [ { id: b, action: http, with: { url: /a }, save: { x: { path: id, type: integer } } } ]`, set},
		{"a polled block that saves it sometimes", `
  - id: a
    poll: { until: "data.y == 1" }
    steps:
      - { id: b, set: { y: 1 } }
      - { id: c, if: inputs.b, set: { x: 1 } }`, maybe},
		{"a polled call", `
  - { id: a, action: http, with: { url: /a }, poll: { until: response.status == 200 }, save: { x: id } }`, set},
		{"the pages of a call", `
  - { id: a, action: http, with: { url: /a }, pages: { next: response.links.next }, save: { x: "items.#.id" } }`, set},
		{"an optional capture of pages", `
  - { id: a, action: http, with: { url: /a }, pages: { next: response.links.next }, save: { x: { path: "items.#.id", optional: true } } }`, maybe},
		{"a wait saves nothing", `
  - { id: a, if: inputs.b, set: { x: 1 } }
  - { id: w, wait: 1s }`, maybe},
		{"a message", `
  - { id: a, callback: result, save: { x: id } }`, set},
		{"a message that may not come", `
  - { id: a, callback: result, timeout: 1h, on_error: continue, save: { x: id } }`, maybe},
		{"a message, or what a clause makes of it", `
  - { id: a, callback: result, timeout: 1h, save: { x: id }, catch: [ { steps: [ { id: b, set: { x: 0 } } ] } ] }`, set},
		{"a block that unsets it in a branch that may be caught", `
  - { id: a, set: { x: 1 } }
  - id: p
    on_error: continue
    steps: [ { id: b, set: { x: null } }, { id: c, action: http, with: { url: /a } }, { id: d, set: { x: 1 } } ]`, maybe},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			text := "inputs:\n  b: boolean\n  list: list\ncallbacks: { result: }\nsteps:" + tc.steps + "\noutputs:\n  out: ${{ data.x }}\n"
			_, list := checked(t, text)
			got := diag.Code("")
			for _, d := range list {
				if d.Severity != diag.Error {
					continue
				}
				got = d.Code
				if last := strings.Count(text, "\n") + 2; d.Line != last {
					t.Errorf("%s: not at the output, line %d", d, last)
				}
			}
			if got != tc.want {
				t.Errorf("got %q, want %q\n%s", got, tc.want, list.Error())
			}
		})
	}
}
