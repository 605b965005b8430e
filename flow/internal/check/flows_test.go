package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// checkedFiles checks main.yaml of a project, whose flows lack their first two lines.
func checkedFiles(t *testing.T, project map[string]string) (*plan.Plan, diag.List) {
	t.Helper()
	read := func(name string) ([]byte, error) {
		text, ok := project[name]
		if !ok {
			return nil, errors.New("there is no such file")
		}
		if strings.Contains(text, "steps:") {
			text = "stepwell: 1\nname: x\n" + text
		}
		return []byte(text), nil
	}
	text, _ := read("main.yaml")
	tree, problems := syntax.Parse("main.yaml", text)
	p, more := Flow(tree, testKit(), read)
	return p, append(problems, more...).Sort()
}

// places lists problems as file:line:column code.
func places(list diag.List) []string {
	lines := []string{}
	for _, d := range list {
		lines = append(lines, fmt.Sprintf("%s %s", d.Span, d.Code))
	}
	return lines
}

func TestSubFlowsLieInEachOtherAtMostTenDeep(t *testing.T) {
	t.Parallel()
	for deep, want := range map[int][]string{
		maxFlows - 1: {},
		maxFlows:     {},
		maxFlows + 1: {"f10.yaml:3:25 over-limit"},
	} {
		project := map[string]string{"main.yaml": "steps: [ { id: a, flow: f1.yaml } ]"}
		for i := 1; i < deep; i++ {
			project[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("steps: [ { id: a, flow: f%d.yaml } ]", i+1)
		}
		project[fmt.Sprintf("f%d.yaml", deep)] = "steps: [ { id: a, set: { x: 1 } } ]"
		_, list := checkedFiles(t, project)
		if d := cmp.Diff(want, places(list)); d != "" {
			t.Errorf("%d deep: (-want +got)\n%s\n%v", deep, d, list)
		}
	}
}

func TestAFlowHasAtMostTenThousandStepsWithItsSubFlows(t *testing.T) {
	t.Parallel()
	steps := func(n int) string {
		var b strings.Builder
		b.WriteString("steps:\n")
		for i := range n {
			fmt.Fprintf(&b, "  - { id: s%d, set: { x: 1 } }\n", i)
		}
		return b.String()
	}
	for more, want := range map[int][]string{-1: {}, 0: {}, 1: {"main.yaml:13:24 over-limit"}} {
		var main strings.Builder
		main.WriteString("steps:\n")
		for i := range maxPlanSteps / 1000 {
			file := "sub.yaml"
			if i == maxPlanSteps/1000-1 {
				file = "last.yaml"
			}
			fmt.Fprintf(&main, "  - { id: call%d, flow: %s }\n", i, file)
		}
		p, list := checkedFiles(t, map[string]string{"main.yaml": main.String(), "sub.yaml": steps(999), "last.yaml": steps(999 + more)})
		if d := cmp.Diff(want, places(list)); d != "" {
			t.Errorf("%d steps more: (-want +got)\n%s\n%v", more, d, list)
		}
		if len(want) == 0 && p.Steps != maxPlanSteps+more {
			t.Errorf("%d steps, want %d", p.Steps, maxPlanSteps+more)
		}
	}
}

// Ten files that each call the next one ten times would be 10^10 flows.
func TestSubFlowsThatMultiplyAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	project := map[string]string{"f9.yaml": "steps: [ { id: a, set: { x: 1 } } ]"}
	for i := range 9 {
		name := fmt.Sprintf("f%d.yaml", i)
		if i == 0 {
			name = "main.yaml"
		}
		text := "steps:\n"
		for j := range 10 {
			text += fmt.Sprintf("  - { id: s%d, flow: f%d.yaml }\n", j, i+1)
		}
		project[name] = text
	}
	began := time.Now()
	_, list := checkedFiles(t, project)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	if len(list) != 1 || list[0].Code != diag.OverLimit {
		t.Errorf("want the limit, once: %v", list)
	}
}

func TestAFlowIncludesAtMostAHundredFiles(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]string{
		maxIncluded - 1: {},
		maxIncluded:     {},
		maxIncluded + 1: {"f100.yaml:1:12 over-limit"},
	} {
		project := map[string]string{"main.yaml": "include: [ f1.yaml ]\nsteps: [ { id: a, set: { x: \"${{ inputs.last }}\" } } ]"}
		for i := 1; i < n; i++ {
			project[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("include: [ f%d.yaml ]", i+1)
		}
		project["f99.yaml"] += "\ninputs: { last: string }"
		project[fmt.Sprintf("f%d.yaml", n)] += "\ndata: { x: any }"
		_, list := checkedFiles(t, project)
		if d := cmp.Diff(want, places(list)); d != "" {
			t.Errorf("%d files: (-want +got)\n%s\n%v", n, d, list)
		}
	}
}

func TestAFileThatIsIncludedOnTwoWaysIsIncludedOnce(t *testing.T) {
	t.Parallel()
	p, list := checkedFiles(t, map[string]string{
		"main.yaml":     "include: [ lib/a.yaml, lib/b.yaml ]\ninputs: { own: string }\nsteps: [ { id: a, set: { x: \"${{ inputs.shared }}\" } } ]",
		"lib/a.yaml":    "include: [ base.yaml ]",
		"lib/b.yaml":    "include: [ ../lib/base.yaml ]\ninputs: { b: string }",
		"lib/base.yaml": "inputs: { shared: string }",
	})
	if len(list) > 0 {
		t.Fatal(list)
	}
	var names []string
	for _, in := range p.Inputs {
		names = append(names, in.Name)
	}
	if d := cmp.Diff([]string{"own", "shared", "b"}, names); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestProblemsAreToldOnceAndFileByFileInTheOrderInWhichTheyAreRead(t *testing.T) {
	t.Parallel()
	project := map[string]string{
		"main.yaml":   "include: [ common.yaml ]\nsteps:\n  - { id: a, flow: z.yaml }\n  - { id: b, flow: b.yaml }\n  - { id: c, flow: z.yaml }\n  - { id: d, set: { x: \"${{ data.y }}\" } }",
		"common.yaml": "data: { n: integr }",
		"z.yaml":      "steps:\n  - { id: a, set: { x: \"${{ data.y }}\" } }\n  - { id: b, flow: b.yaml }",
		"b.yaml":      "steps:\n  - { id: a, set: { x: \"${{ data.y }}\" } }",
	}
	want := []string{"main.yaml:8:34 unknown-name", "common.yaml:1:12 wrong-value", "z.yaml:4:34 unknown-name", "b.yaml:4:34 unknown-name"}
	for range 5 {
		_, list := checkedFiles(t, project)
		if d := cmp.Diff(want, places(list)); d != "" {
			t.Fatalf("(-want +got)\n%s\n%v", d, list)
		}
	}
}

// What a sub-flow returns depends on what it is made of: each step that calls
// it has a compilation of its own.
func TestAFlowIsCompiledForEachStepThatCallsIt(t *testing.T) {
	t.Parallel()
	p, list := checkedFiles(t, map[string]string{
		"main.yaml": `secrets: { key: { env: KEY } }
data: { who: { pii: true, default: somebody } }
steps:
  - { id: a, flow: sub.yaml, with: { x: plain }, save: { a: x } }
  - { id: b, flow: sub.yaml, with: { x: "${{ secrets.key }}" }, save: { b: x } }
  - { id: c, flow: sub.yaml, with: { x: "${{ data.who }}" }, save: { c: x } }
  - { id: d, flow: sub.yaml, with: { x: "${{ secrets.key }}" }, save: { d: size } }`,
		"sub.yaml": "inputs: { x: string }\nsteps: [ { id: s, set: { y: \"${{ inputs.x }}!\" } } ]\noutputs: { x: \"${{ data.y }}\", size: \"${{ len(data.y) }}\" }",
	})
	if len(list) > 0 {
		t.Fatal(list)
	}
	got := map[string]plan.Class{}
	for _, point := range p.Points {
		got[point.Name] = point.Class
	}
	want := map[string]plan.Class{"who": plan.PII, "a": plan.Plain, "b": plan.Sensitive, "c": plan.PII, "d": plan.Plain}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestNamesOfFilesInAnIncludedFileAreRelativeToIt(t *testing.T) {
	t.Parallel()
	files := Field{Name: "tls", Type: ObjectField, Fields: []Field{
		{Name: "ca", Type: ChoiceField, Fields: []Field{{Type: ObjectField, Fields: []Field{{Name: "file", Type: TextField, Required: true}}}, {Type: TextField}}}}}
	kit := Kit{Actions: map[string]Action{"http": {Web: true, Fields: []Field{{Name: "url", Type: URLField, Own: true}, files}}}}
	read := func(name string) ([]byte, error) {
		if name == "lib/tls/common.yaml" {
			return []byte("defaults: { http: { tls: { ca: { file: ../ca.pem } } } }"), nil
		}
		return nil, errors.New("there is no such file")
	}
	tree, problems := syntax.Parse("flows/main.yaml", []byte("stepwell: 1\nname: x\ninclude: [ ../lib/tls/common.yaml ]\nsteps: [ { id: a, action: http, with: { url: \"https://api.example.test\" } } ]"))
	p, more := Flow(tree, kit, read)
	if list := append(problems, more...); len(list) > 0 {
		t.Fatal(list)
	}
	fields := p.Root.Steps[0].Work.Call.Fields
	if got := fields[1].Value.Const; got != `{"ca":{"file":"../lib/ca.pem"}}` {
		t.Errorf("from the flow's folder it is %s", got)
	}
}

func TestTheFilesOfAFlowAreAtMost64MiBTogether(t *testing.T) {
	t.Parallel()
	text := make([]byte, 1<<20)
	for more, fits := range map[int]bool{-1: true, 0: true, 1: false} {
		last := 1<<20 + more
		p := &project{read: func(name string) ([]byte, error) {
			if name == "last" {
				return make([]byte, last), nil
			}
			return text, nil
		}}
		for i := range maxFiles>>20 - 1 {
			if _, _, err := p.load("main.yaml", fmt.Sprint("file", i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := p.load("main.yaml", "last"); (err == nil) != fits {
			t.Errorf("%d bytes more than 64 MiB: %v", more, err)
		}
		if _, _, err := p.load("main.yaml", "file0"); err != nil {
			t.Errorf("a file that was read already: %v", err)
		}
	}
}
