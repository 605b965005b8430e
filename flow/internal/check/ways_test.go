package check

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A way is what data.x may be: a set of unset and there.
type way uint8

const (
	unset way = 1 << iota
	there
)

// A part is a step of a random flow.
type part struct {
	verb    string // set, unset, optional, call, fail, block
	steps   []part
	cond    string // "": none; b: unknown; nil: data.x == nil; not: data.x != nil
	els     []part
	onError bool
}

// run gives what x may be after the steps, and where one of them failed.
func run(steps []part, in way) (out, failed way) {
	for i := range steps {
		var f way
		in, f = steps[i].run(in)
		failed |= f
	}
	return in, failed
}

func (p *part) run(in way) (out, failed way) {
	through, past := in, way(0)
	switch p.cond {
	case "b":
		past = in
	case "nil":
		through, past = in&unset, in&there
	case "not":
		through, past = in&there, in&unset
	}
	out, failed = p.do(through)
	if p.onError {
		out, failed = out|failed|through, 0
	}
	if p.cond == "" {
		return out, failed
	}
	after, f := run(p.els, past)
	return out | after, failed | f
}

// do is what the verb does. Anything may fail before it has an effect.
func (p *part) do(in way) (out, failed way) {
	if in == 0 {
		return 0, 0
	}
	switch p.verb {
	case "set":
		return there, in
	case "unset":
		return unset, in
	case "optional":
		return in | there, in
	case "call":
		return in, in
	case "fail":
		return 0, in
	}
	return run(p.steps, in)
}

func randomSteps(r *rand.Rand, depth int, conds []string) []part {
	steps := make([]part, 1+r.IntN(3))
	for i := range steps {
		p := &steps[i]
		p.verb = []string{"set", "unset", "optional", "call", "call", "fail", "block", "block", "block"}[r.IntN(9)]
		if depth == 0 && p.verb == "block" {
			p.verb = "set"
		}
		if p.verb == "block" {
			p.steps = randomSteps(r, depth-1, conds)
		}
		p.onError = r.IntN(4) == 0
		if p.cond = conds[r.IntN(len(conds))]; p.cond != "" && r.IntN(2) == 0 && depth > 0 {
			p.els = randomSteps(r, depth-1, conds)
		}
	}
	return steps
}

func write(b *strings.Builder, steps []part, indent string, n *int) {
	for i := range steps {
		p := &steps[i]
		*n++
		fmt.Fprintf(b, "%s- id: s%d\n", indent, *n)
		switch p.verb {
		case "set":
			fmt.Fprintf(b, "%s  set: { x: 1 }\n", indent)
		case "unset":
			fmt.Fprintf(b, "%s  set: { x: null }\n", indent)
		case "optional":
			fmt.Fprintf(b, "%s  action: echo\n%s  save: { x: { path: id, optional: true } }\n", indent, indent)
		case "call":
			fmt.Fprintf(b, "%s  action: echo\n", indent)
		case "fail":
			fmt.Fprintf(b, "%s  fail: no\n", indent)
		case "block":
			fmt.Fprintf(b, "%s  steps:\n", indent)
			write(b, p.steps, indent+"    ", n)
		}
		switch p.cond {
		case "b":
			fmt.Fprintf(b, "%s  if: inputs.b\n", indent)
		case "nil":
			fmt.Fprintf(b, "%s  if: data.x == nil\n", indent)
		case "not":
			fmt.Fprintf(b, "%s  if: data.x != nil\n", indent)
		}
		if p.onError {
			fmt.Fprintf(b, "%s  on_error: continue\n", indent)
		}
		if p.els != nil {
			fmt.Fprintf(b, "%s  else:\n", indent)
			write(b, p.els, indent+"    ", n)
		}
	}
}

// verdict is what the checker says of data.x on a line.
func verdict(list diag.List, line int) way {
	for _, d := range list {
		if d.Line != line {
			continue
		}
		switch d.Code {
		case diag.MayBeUnset:
			return unset | there
		case diag.UsedBeforeSaved:
			return unset
		}
	}
	return there
}

// TestDefiniteAssignmentAgreesWithEveryWay compares the checker with a walk over
// every way through random flows. Where conditions tell nothing of x it must
// be exact; where they do, it may know less, but never say what is not so.
func TestDefiniteAssignmentAgreesWithEveryWay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 1))
		conds, exact := []string{"", "", "b"}, true
		if seed%3 == 0 {
			conds, exact = []string{"", "", "b", "nil", "not"}, false
		}
		steps := randomSteps(r, 3, conds)
		var b strings.Builder
		b.WriteString("stepwell: 1\nname: x\ninputs: { b: boolean }\ndata: { x: any }\nsteps:\n")
		n := 0
		write(&b, steps, "  ", &n)
		line := strings.Count(b.String(), "\n") + 1
		b.WriteString("outputs: { o: \"${{ data.x }}\" }\nfinally: [ { id: f, set: { z: \"${{ data.x }}\" } } ]\n")

		tree, problems := syntax.Parse("flow.yaml", []byte(b.String()))
		if problems != nil {
			t.Fatalf("seed %d: %v\n%s", seed, problems, b.String())
		}
		_, list := Flow(tree, testKit(), nil)
		out, failed := run(steps, unset)
		for _, at := range []struct {
			what string
			line int
			ways way
		}{{"outputs", line, out}, {"finally", line + 1, out | failed}} {
			got := verdict(list, at.line)
			if at.ways == 0 { // it is never reached
				continue
			}
			// Behind steps that all fail finally may read the names of those never reached.
			if exact && out != 0 && got != at.ways || at.ways&^got != 0 {
				t.Fatalf("seed %d: in %s the checker says %b, the ways are %b\n%s\n%s", seed, at.what, got, at.ways, b.String(), list.Error())
			}
		}
	}
}

// TestNothingPanicsOnBrokenFiles checks files with a line or a character left
// out: what is left of the tree may have holes anywhere.
func TestNothingPanicsOnBrokenFiles(t *testing.T) {
	t.Parallel()
	text := `stepwell: 1
name: x
inputs: { a: { type: integer, default: 1, one_of: [1, 2] }, l: { type: list, items: string }, b: boolean }
secrets: { s: { env: S, optional: true } }
data: { d: { type: date, min: 2026-01-01, default: 2026-02-01 }, t: { type: string, pattern: "[a-z]+" } }
defaults:
  http:
    base_url: "https://a.test/${{ inputs.a }}"
    headers: { A: "${{ run.id }}", B: [a, b] }
    retry: { attempts: 2, on: [500, 5xx], when: error.status == 500, backoff: { initial: 1s } }
steps:
  - id: one
    if: inputs.b && data.d != nil
    action: http
    with:
      url: /a/${{ inputs.a }}
      query: { q: "${{ inputs.l }}" }
      json: { a: [ 1, "${{ data.d }}" ] }
      idempotency_key: { value: x }
    expect:
      status: [200, 4xx]
      that: [ response.status == 200, { that: len(response.text) > 0, message: no } ]
      schema: { type: object, properties: { a: { type: string } } }
    save:
      p: id
      q: { header: ETag, optional: true }
      r: { regex: "(a)", default: x }
      s: "${{ response.body.a }}"
      t: { body: text, status: 2xx }
    else:
      - { id: two, set: { p: null, u: "${{ secrets.s ?? 'none' }}" } }
  - id: loop
    for_each: { in: inputs.l, as: row, index_as: n, concurrency: 2, max: 5, on_error: continue }
    on_error: continue
    timeout: 3m
    steps:
      - { id: in_loop, set: { v: "${{ row }}", w: "${{ n + 1 }}" } }
      - { id: out, if: n > 3, fail: "too many: ${{ n }}" }
outputs: { v: "${{ data.v ?? [] }}", o: "${{ steps.one.outcome }}" }
finally:
  - { id: last, if: run.status == "failed", action: graphql, with: { url: /g, query: "{ a }", variables: { e: "${{ run.error.message }}" } } }
`
	kit := testKit()
	check := func(broken string) {
		tree, _ := syntax.Parse("flow.yaml", []byte(broken))
		Flow(tree, kit, files)
	}
	if _, list := Flow(first(syntax.Parse("flow.yaml", []byte(text))), kit, files); list.HasErrors() {
		t.Fatal(list)
	}
	lines := strings.SplitAfter(text, "\n")
	for i := range lines {
		check(strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), ""))
	}
	for i := 0; i < len(text); i += 3 {
		check(text[:i] + text[i+1:])
	}
}

func first[A, B any](a A, _ B) A { return a }
