package expression_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

func BenchmarkCompile(b *testing.B) {
	p := clinic()
	for i := range 2000 {
		p.names[fmt.Sprintf("data.name_%d", i)] = expression.Name{}
	}
	for _, bench := range []struct {
		name, text string
		compile    func(string, expression.Scope)
	}{
		{"constant", "application/json", func(s string, p expression.Scope) { expression.CompileTemplate(s, p) }},
		{"reference", "${{ data.access_token }}", func(s string, p expression.Scope) { expression.CompileTemplate(s, p) }},
		{"text", "Bearer ${{ data.access_token }}", func(s string, p expression.Scope) { expression.CompileTemplate(s, p) }},
		{"url", "/patients/${{ inputs.nhs }}/orders", func(s string, p expression.Scope) { expression.CompileURL(s, p) }},
		{"condition", `inputs.notify && len(data.orders) > 0`, func(s string, p expression.Scope) { expression.CompileCondition(s, p) }},
		{"predicate", `filter(data.orders, .urgent) | map(.id)`, func(s string, p expression.Scope) { expression.Compile(s, p) }},
		{"path", `generalPractitioner.#(active==true).id`, func(s string, _ expression.Scope) { expression.CompilePath(s) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.compile(bench.text, p)
			}
		})
	}
}

func BenchmarkEvaluate(b *testing.B) {
	p := clinic()
	p.values["response.body"] = expression.FromJSON(`{"a":` + `[` + strings.TrimSuffix(strings.Repeat(`{"id":1,"urgent":true},`, 1000), ",") + `],"b":1}`)
	for _, bench := range []struct{ name, text string }{
		{"reference", `data.access_token`},
		{"path", `data.any.b.c[1]`},
		{"condition", `inputs.notify && len(data.orders) > 0`},
		{"predicate of 1000", `len(filter(response.body.a, .urgent))`},
		{"sum to 1000", `sum(1..1000, # * 2)`},
	} {
		program, problems := expression.Compile(bench.text, p)
		if len(problems) > 0 {
			b.Fatal(problems)
		}
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := program.Eval(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	tpl, _ := expression.CompileTemplate(`Bearer ${{ data.access_token }}`, p)
	b.Run("text", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			tpl.Render(p)
		}
	})
}
