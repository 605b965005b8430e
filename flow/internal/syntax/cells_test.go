package syntax

import (
	"slices"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/diag"
)

// TestWhichKeysStandBesideWhichVerb holds each cell of the table of steps: a
// mark says that the key may stand beside the verb.
func TestWhichKeysStandBesideWhichVerb(t *testing.T) {
	t.Parallel()
	verbs := map[string]string{
		"action": "action: http", "set": "set: { x: 1 }", "steps": "steps: [ { id: b, set: { y: 1 } } ]",
		"parallel": "parallel: { one: [ { id: b, set: { y: 1 } } ] }", "flow": "flow: other.yaml", "fail": "fail: no",
	}
	columns := []string{"action", "set", "steps", "parallel", "flow", "fail"}
	rows := []struct{ key, marks, text string }{
		{"description", "xxxxxx", "description: words"},
		{"if", "xxxxxx", "if: 1 == 1"},
		{"timeout", "xxxxxx", "timeout: 1m"},
		{"on_error", "xxxxxx", "on_error: continue"},
		{"catch", "xxxxxx", "catch: [ { when: error.status == 404, steps: [ { id: c, set: { z: 1 } } ] } ]"},
		{"for_each", "xxxxx-", "for_each: { in: '[1]' }"},
		{"with", "x---x-", "with: { url: /x }"},
		{"expect", "x---x-", "expect: { that: [ 1 == 1 ] }"},
		{"save", "x---x-", "save: { v: path }"},
		{"retry", "x-x-x-", "retry: 3"},
		{"poll", "x-x-x-", "poll: { until: 1 == 1 }"},
		{"pages", "x-----", "pages: { next: response.links.next }"},
		{"finally", "--x---", "finally: [ { id: f, set: { w: 1 } } ]"},
		{"concurrency", "---x--", "concurrency: 2"},
	}
	for _, row := range rows {
		for i, verb := range columns {
			text := "stepwell: 1\nname: test\nsteps:\n  - id: a\n    " + verbs[verb] + "\n    " + row.text + "\n"
			_, problems := Parse("test.yaml", []byte(text))
			refused := slices.ContainsFunc(problems, func(d diag.Diagnostic) bool {
				return d.Code == diag.KeyNotAllowed && strings.HasPrefix(d.Message, `"`+row.key+`"`)
			})
			if allowed := row.marks[i] == 'x'; allowed == refused || allowed && problems.HasErrors() {
				t.Errorf("%s beside %s: allowed %t, %v", row.key, verb, allowed, problems)
			}
		}
	}
}
