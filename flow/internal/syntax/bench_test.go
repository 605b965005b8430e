package syntax

import (
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// thousandSteps is a file of ordinary steps.
func thousandSteps() []byte {
	var b strings.Builder
	b.WriteString("stepwell: 1\nname: large\ninputs: { base_url: string }\nsteps:\n")
	for i := range 1000 {
		fmt.Fprintf(&b, `  - id: step_%d
    if: inputs.base_url != "x"
    action: http
    with:
      method: POST
      url: /patients/${{ inputs.base_url }}/%d
      headers: { Authorization: "Bearer ${{ data.token }}", Accept: application/json }
      json:
        a: ${{ data.a }}
        b: [1, 2, 3]
        c: a text of some length that goes nowhere
    save:
      a_%d: name.0.text
`, i, i, i)
	}
	return []byte(b.String())
}

func BenchmarkParse(b *testing.B) {
	text := thousandSteps()
	for b.Loop() {
		if _, l := Parse("f.yaml", text); l != nil {
			b.Fatal(l)
		}
	}
}

func BenchmarkNodeDecode(b *testing.B) {
	text := thousandSteps()
	for b.Loop() {
		if err := yaml.Unmarshal(text, new(yaml.Node)); err != nil {
			b.Fatal(err)
		}
	}
}
