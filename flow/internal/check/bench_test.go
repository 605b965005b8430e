package check

import (
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// manySteps is a flow of n steps as people write them: calls that use each
// other's data points, a block and a condition now and then.
func manySteps(n int) []byte {
	var b strings.Builder
	b.WriteString(`stepwell: 1
name: many
inputs: { base: string, on: boolean, list: list }
secrets: { key: { env: KEY } }
defaults:
  http:
    base_url: ${{ inputs.base }}
    timeout: 15s
    headers: { Accept: application/json, X-Trace: "${{ run.id }}" }
steps:
  - { id: first, set: { id_0: x, name_0: x } }
`)
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `  - id: step_%d
    action: http
    with:
      method: POST
      url: /things/${{ data.id_%d }}
      headers: { Authorization: "Bearer ${{ secrets.key }}" }
      idempotency_key: true
      json:
        name: ${{ data.name_%d }}
        number: %d
        text: thing ${{ data.id_0 }} of many
    expect: { status: 200 }
    save:
      id_%d: id
      name_%d: { path: name.0.text, optional: false }
`, i, i-1, i-1, i, i, i)
		if i%10 == 0 {
			fmt.Fprintf(&b, "    if: inputs.on\n    else: [ { id: other_%d, set: { id_%d: a, name_%d: b } } ]\n", i, i, i)
		}
	}
	return []byte(b.String())
}

func BenchmarkFlow(b *testing.B) {
	for _, n := range []int{200, 1000, 1800} {
		text := manySteps(n)
		kit := testKit()
		tree, problems := syntax.Parse("flow.yaml", text)
		if problems != nil {
			b.Fatal(problems)
		}
		b.Run(fmt.Sprintf("check/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := Flow(tree, kit, nil); problems != nil {
					b.Fatal(problems)
				}
			}
		})
		b.Run(fmt.Sprintf("parse/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				syntax.Parse("flow.yaml", text)
			}
		})
		b.Run(fmt.Sprintf("yaml/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var node yaml.Node
				if err := yaml.Unmarshal(text, &node); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
