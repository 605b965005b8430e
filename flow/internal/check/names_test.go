package check

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

func TestNamesInsideAndOutsideOfLoops(t *testing.T) {
	t.Parallel()
	const head = "inputs: { list: list, b: boolean }\nsteps:\n"
	testProblems(t, []problemCase{
		{"saved outside and then inside", head + "  - { id: a, set: { x: 1 } }\n  - { id: b, for_each: { in: inputs.list }, set: { x: 1 } }",
			[]string{"6:52 duplicate-name"}, `"x" is saved inside the loop "b" and also outside it`},
		{"inside and then outside", head + "  - { id: b, for_each: { in: inputs.list }, set: { x: 1 } }\n  - { id: a, set: { x: 1 } }",
			[]string{"6:21 duplicate-name"}, "step \"b\" saves it on line 5"},
		{"in two loops", head + "  - { id: a, for_each: { in: inputs.list }, set: { x: 1 } }\n  - { id: b, for_each: { in: inputs.list }, set: { x: 1 } }",
			[]string{"6:52 duplicate-name"}, ""},
		{"in a loop and the loop inside it", head + `
  - id: a
    for_each: { in: inputs.list }
    steps:
      - { id: b, for_each: { in: inputs.list }, set: { x: 1 } }
      - { id: c, set: { x: 1 } }`, []string{"10:25 duplicate-name"}, ""},
		{"twice in one loop", head + `
  - id: a
    for_each: { in: inputs.list }
    steps:
      - { id: b, set: { x: 1 } }
      - { id: c, set: { x: 1 } }`, nil, ""},
		{"the item and its index", head + "  - { id: a, for_each: { in: inputs.list }, set: { x: \"${{ item }}\", n: \"${{ index + 1 }}\" } }", nil, ""},
		{"named ones", head + "  - { id: a, for_each: { in: inputs.list, as: order, index_as: n }, set: { x: \"${{ order.id }}\", y: \"${{ n }}\" } }", nil, ""},
		{"an item called index", head + "  - { id: a, for_each: { in: inputs.list, as: index }, set: { x: 1 } }", []string{"5:47 duplicate-name"}, ""},
		{"the item is not known outside", head + "  - { id: a, for_each: { in: inputs.list }, set: { x: 1 } }\n  - { id: b, set: { y: \"${{ item }}\" } }", []string{"6:29 unknown-name"}, ""},
		{"an inner loop hides the outer one's item", head + `
  - id: a
    for_each: { in: inputs.list, as: row }
    steps:
      - { id: b, for_each: { in: row.cells }, set: { x: "${{ row.n + item.n + index }}" } }`, nil, ""},
		{"what a loop goes over must be a list", head + "  - { id: a, for_each: { in: inputs.b }, set: { x: 1 } }", []string{"5:30 type-mismatch"}, "a boolean"},
		{"a name that is near", head + "  - { id: token, set: { access_tokn: 1 } }\n  - { id: b, set: { y: \"${{ data.access_token }}\" } }", []string{"6:34 unknown-name"}, `step "token" saves access_tokn (line 5)`},
	})
}

func TestStepsAreVisibleAfterThem(t *testing.T) {
	t.Parallel()
	const head = "inputs: { list: list, b: boolean }\nsteps:\n"
	testProblems(t, []problemCase{
		{"after", head + "  - { id: a, set: { x: 1 } }\n  - { id: b, set: { y: \"${{ steps.a.outcome }}\" } }", nil, ""},
		{"before", head + "  - { id: b, set: { y: \"${{ steps.a.ok }}\" } }\n  - { id: a, set: { x: 1 } }", []string{"5:35 used-before-saved"}, "`a` begins on line 6 and runs later"},
		{"in itself", head + "  - { id: b, set: { y: \"${{ steps.b.ok }}\" } }", []string{"5:35 used-before-saved"}, "has not ended here"},
		{"in its own else", head + "  - { id: b, if: inputs.b, set: { y: 1 }, else: [ { id: c, set: { z: \"${{ steps.b.ok }}\" } } ] }", []string{"5:81 used-before-saved"}, ""},
		{"of the other side", head + "  - { id: a, if: inputs.b, steps: [ { id: b, set: { y: 1 } } ], else: [ { id: c, set: { z: \"${{ steps.b.ok }}\" } } ] }", nil, ""},
		{"one that there is not", head + "  - { id: place, set: { x: 1 } }\n  - { id: b, set: { y: \"${{ steps.plac.ok }}\" } }", []string{"6:35 unknown-name"}, "place"},
		{"in the same iteration", head + `
  - id: l
    for_each: { in: inputs.list }
    steps:
      - { id: a, set: { x: 1 } }
      - { id: b, set: { y: "${{ steps.a.ok }}" } }`, nil, ""},
		{"of a loop's inside after it", head + `
  - id: l
    for_each: { in: inputs.list }
    steps: [ { id: a, set: { x: 1 } } ]
  - { id: b, set: { y: "${{ steps.a.ok }}" } }`, []string{"9:35 used-before-saved"}, "the same iteration only"},
		{"a loop has more members", head + "  - { id: l, for_each: { in: inputs.list }, set: { x: 1 } }\n  - { id: b, set: { y: \"${{ steps.l.failed + steps.l.count }}\" } }", nil, ""},
		{"a step has not", head + "  - { id: l, set: { x: 1 } }\n  - { id: b, set: { y: \"${{ steps.l.count }}\" } }", []string{"6:37 not-here"}, ""},
	})
}

func TestRootsStandWhereTheyMeanSomething(t *testing.T) {
	t.Parallel()
	const head = "inputs: { list: list }\nsteps:\n"
	testProblems(t, []problemCase{
		{"response in expect, save and retry", head + `
  - id: a
    action: http
    with: { url: /a }
    retry: { when: error.kind == "http" && response.status == 500 }
    expect: { that: response.status == 200 }
    save: { x: "${{ response.body.id }}" }`, nil, ""},
		{"not in with", head + `  - { id: a, action: http, with: { url: "/${{ response.url }}" } }`, []string{"5:47 not-here"}, ""},
		{"not in set", head + `  - { id: a, set: { x: "${{ response.body }}" } }`, []string{"5:29 not-here"}, ""},
		{"error only in retry", head + `  - { id: a, action: http, with: { url: /a }, expect: { that: error.kind == "x" } }`, []string{"5:63 not-here"}, ""},
		{"request in headers", head + `  - { id: a, action: http, with: { url: /a, headers: { X: "${{ sha256(request.body) | hex() }}" } } }`, nil, ""},
		{"not in query", head + `  - { id: a, action: http, with: { url: /a, query: { x: "${{ request.method }}" } } }`, []string{"5:62 not-here"}, ""},
		{"callbacks", head + `  - { id: a, set: { x: "${{ callbacks.a.url }}" } }`, []string{"5:39 unknown-name"}, "callback"},
		{"a GraphQL answer's data", head + `
  - id: a
    action: graphql
    with: { url: /g, query: "{ products { id } }" }
    expect: { that: len(data.products) > 0 }
    save: { products: "${{ data.products }}", again: data.products }`,
			[]string{"9:30 used-before-saved", "10:33 used-before-saved"}, "did you mean `response.body.data.products`?"},
	})
}

func TestProblemsDoNotMakeOthers(t *testing.T) {
	t.Parallel()
	const head = "inputs: { list: list }\nsteps:\n"
	testProblems(t, []problemCase{
		{"a name with a broken path is known", head + "  - { id: a, action: http, with: { url: /a }, save: { x: $.id } }\n  - { id: b, set: { y: \"${{ data.x }}\" } }", []string{"5:58 bad-path"}, ""},
		{"and one of an unknown action", head + "  - { id: a, action: htp, with: { url: \"/${{ data.z }}\" }, save: { x: id } }\n  - { id: b, set: { y: \"${{ data.x }}\" } }", []string{"5:22 unknown-action", "5:51 unknown-name"}, `did you mean "http"?`},
		{"and one with a broken expression", head + "  - { id: a, set: { x: \"${{ 1 + }}\" } }\n  - { id: b, set: { y: \"${{ data.x + 1 }}\" } }", []string{"5:32 bad-expression"}, ""},
		{"and what an undeclared callback would save", head + "  - id: a\n    callback: d\n    save: { u: u }\n  - { id: b, set: { y: \"${{ data.u }}\" } }", []string{"6:15 unknown-name"}, "no callback is called"},
		{"what comes after a failure is checked as usual", head + "  - { id: a, fail: no }\n  - { id: b, set: { y: \"${{ data.nope }}\" } }\n  - { id: c, set: { z: \"${{ data.y }}\" } }", []string{"warning 6:7 unreachable", "6:34 unknown-name"}, `step "a" before it always fails`},
		{"a problem in the defaults is told once", "defaults: { http: { headers: { A: \"${{ data.nope }}\" } } }\nsteps:\n  - { id: a, action: http, with: { url: /a } }\n  - { id: b, action: http, with: { url: /a } }", []string{"3:45 unknown-name"}, ""},
	})
}

// TestThePlanOfALoop pins the shape that Walk and Work rely on.
func TestThePlanOfALoop(t *testing.T) {
	t.Parallel()
	p, list := checked(t, `
inputs: { list: list, b: boolean }
data: { x: { type: integer, default: 1 } }
steps:
  - id: l
    if: inputs.b
    on_error: continue
    timeout: 1m
    for_each: { in: inputs.list, concurrency: 4, max: 7, on_error: continue, as: row }
    steps:
      - { id: a, set: { x: 2, y: "${{ row.id }}" } }
    else:
      - { id: b, fail: no }
  - { id: c, steps: [ { id: d, set: { z: 1 } } ] }
finally:
  - { id: f, set: { w: 1 } }
outputs: { y: "${{ data.y ?? [] }}" }
`[1:])
	if list != nil {
		t.Fatal(list)
	}
	type shape struct {
		ID           string
		Kind         plan.Kind
		Depth        int
		Bare         bool
		Root         bool
		AtOnce, Next int
	}
	var got []shape
	for i, n := range p.Nodes {
		if n.Index != i {
			t.Errorf("node %d has index %d", i, n.Index)
		}
		got = append(got, shape{n.ID, n.Kind, n.Depth, n.Bare, n.Scope == p.Root.Scope, n.AtOnce, len(n.Steps)})
	}
	want := []shape{
		{"", plan.Flow, 0, false, true, 0, 2},
		{"l", plan.Loop, 1, false, true, 4, 1},
		{"", plan.Block, 1, true, false, 0, 1},
		{"a", plan.Set, 2, false, false, 0, 0},
		{"", plan.Block, 2, true, true, 0, 1},
		{"b", plan.Fail, 3, false, true, 0, 0},
		{"", plan.Block, 2, true, true, 0, 0},
		{"c", plan.Block, 1, true, true, 0, 1},
		{"d", plan.Set, 2, false, true, 0, 0},
		{"", plan.Block, 1, false, true, 0, 1},
		{"f", plan.Set, 2, false, true, 0, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	loop := p.Root.Steps[0]
	if !loop.Go || loop.Work.Loop.Max != 7 || loop.Work.Loop.As != "row" || loop.Work.Loop.IndexAs != "index" || loop.Work.If == nil || loop.Work.Timeout == 0 {
		t.Errorf("loop %+v, work %+v", loop, loop.Work)
	}
	if len(loop.Catch) != 1 || loop.Catch[0].Work.Clause == nil || loop.Catch[0].Work.Clause.When != nil {
		t.Error("on_error: continue is a clause for everything")
	}
	inner := loop.Steps[0].Scope
	if inner.Parent != p.Root.Scope || inner.Node != loop {
		t.Error("an iteration's scope is the loop's, inside the run's")
	}
	for _, l := range loop.Work.Lists {
		if !l.Outer.List || l.Inner.List || l.Outer.Scope != p.Root.Scope || l.Inner.Scope != inner || l.Outer.Default != nil {
			t.Errorf("%s: outer %+v, inner %+v", l.Inner.Name, l.Outer, l.Inner)
		}
	}
	if x := inner.Names["x"]; x.Rule == nil || x.Default == nil || x.Type.String() != "integer" {
		t.Errorf("the declaration is the element's: %+v", x)
	}
	if x := p.Root.Scope.Names["x"]; x.Type.String() != "list of integer" {
		t.Errorf("outside it is %s", x.Type)
	}
	if p.Steps != 6 {
		t.Errorf("%d steps", p.Steps)
	}
	var names []string
	for _, point := range p.Points {
		names = append(names, point.Name)
	}
	if d := cmp.Diff([]string{"x", "y", "z", "w"}, names); d != "" {
		t.Error(d)
	}
}

func TestABlockWhoseOutcomeIsReadHasARecord(t *testing.T) {
	t.Parallel()
	p, list := checked(t, "steps:\n  - { id: a, steps: [ { id: b, set: { x: 1 } } ] }\n  - { id: c, steps: [ { id: d, set: { y: \"${{ steps.a.ok }}\" } } ] }")
	if list != nil || p.Root.Steps[0].Bare || !p.Root.Steps[1].Bare {
		t.Error(list, p.Root.Steps[0].Bare, p.Root.Steps[1].Bare)
	}
}

func TestEachPlaceThatClashesWithALoopNamesTheLoop(t *testing.T) {
	t.Parallel()
	for _, third := range []string{"set: { x: 1 }", "for_each: { in: inputs.list }, set: { x: 1 }"} {
		_, list := checked(t, "inputs: { list: list }\nsteps:\n  - { id: a, set: { x: 1 } }\n"+
			"  - { id: b, for_each: { in: inputs.list }, set: { x: 1 } }\n  - { id: c, "+third+" }\n")
		if len(list) != 2 {
			t.Fatalf("%s: want two problems, have\n%v", third, list)
		}
		for _, d := range list {
			if want := `"x" is saved inside the loop "b" and also outside it`; d.Message != want {
				t.Errorf("%s: have %q, want %q", third, d.Message, want)
			}
		}
	}
}
