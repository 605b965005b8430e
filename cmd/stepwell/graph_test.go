package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow"
)

// hostile is an outline whose texts would break a picture that took them as they are.
func hostile() flow.Outline {
	texts := []string{`end`, `"quoted" 'and' <b>bold</b> & more`, "back`tick", "a # b; c | d [e] {f} (g) ~~x~~ *y*", "two\nlines\x00\x1b[31m", "%%{init: {}}%%", `C:\path\n`,
		strings.Repeat("wide病院", 20), "1. first", "${{ data.x }}", "]]>", "graph TD", "\u202Eright to left"}
	o := flow.Outline{Name: "end", Description: `<script>alert("x")</script>`}
	for i, text := range texts {
		s := flow.OutlineStep{Number: i + 1, ID: "end", Kind: "fail", Fields: []flow.OutlineField{{Name: "fail", Text: text}}, If: text}
		if i%2 == 0 {
			s.Kind, s.Title, s.Action, s.Request = "call", text, text, "GET "+text
		}
		s.Catch = []flow.OutlineClause{{When: text}}
		o.Steps = append(o.Steps, s)
	}
	return o
}

// long is an outline of so many steps, every fifth of them conditional.
func long(n int) flow.Outline {
	o := flow.Outline{Name: fmt.Sprintf("flow-of-%d", n)}
	for i := range n {
		s := flow.OutlineStep{Number: i + 1, ID: fmt.Sprintf("step_%d", i+1), Kind: "call", Action: "http", Title: "GET", Request: fmt.Sprintf("GET {base_url}/things/%d", i+1)}
		if i%5 == 4 {
			s.If = fmt.Sprintf("len(data.list) > %d", i)
		}
		o.Steps = append(o.Steps, s)
	}
	return o
}

// golden compares a text with a file, or writes it with UPDATE set.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		compare(t, got, string(want))
	}
}

func TestAGraphIsTheSameTextEveryTime(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]flow.Outline{"everything": everything(), "hostile": hostile(), "long": long(60)} {
		for range 2 {
			golden(t, "graph/"+name+".mmd", mermaid(o))
			golden(t, "graph/"+name+".svg", picture(o))
		}
	}
}

// mermaidLine is what a line of Mermaid may look like: no text of a flow stands
// outside quotes, and none within them can end them.
var mermaidLine = regexp.MustCompile(`^ *(flowchart TD|direction TB|begin\(\["[^"]*"\]\)|done\(\["end"\]\)|end|subgraph \w+\["[^"]*"\]` +
	`|\w+(\["[^"]*"\]|\[\["[^"]*"\]\]|\{\{"[^"]*"\}\}|\(\["[^"]*"\]\)|\(\(" "\)\))|\w+ (-->|-\.->)(\|"[^"]*"\|)? \w+|classDef \w+ [\w:#,-]+( \d+)?|class [\w,]+ \w+)$`)

func TestThePictureInTheDocumentationIsThatOfItsExample(t *testing.T) {
	t.Parallel()
	c := &Command{Dir: "../..", Stderr: io.Discard, Env: func(string) (string, bool) { return "", false }}
	plan, project, err := c.load("examples/discharge-follow-up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer project.close()
	golden(t, "graph/../../../../docs/discharge-follow-up.svg", picture(plan.Outline()))
}

func TestNoTextOfAFlowBreaksOutOfMermaid(t *testing.T) {
	t.Parallel()
	for _, o := range []flow.Outline{everything(), hostile(), long(60)} {
		for line := range strings.Lines(mermaid(o)) {
			line = strings.TrimSuffix(line, "\n")
			if !mermaidLine.MatchString(line) {
				t.Errorf("this is no line of Mermaid: %s", line)
			}
			for _, text := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(line, -1) {
				plain := strings.NewReplacer("<b>", "", "</b>", "", "<br>", "").Replace(text[1])
				plain = regexp.MustCompile(`#(\d+|[a-z]+);`).ReplaceAllString(plain, "")
				if strings.ContainsAny(plain, "#<>&`|[]{}*~\\;") || strings.Contains(plain, "%%") {
					t.Errorf("%q is not escaped in %s", plain, line)
				}
			}
		}
	}
}

func TestEveryWayOfAMermaidGraphLeadsSomewhere(t *testing.T) {
	t.Parallel()
	step := func(n int, kind, condition string) flow.OutlineStep {
		s := flow.OutlineStep{Number: n, ID: fmt.Sprintf("s%d", n), Kind: kind, If: condition}
		if kind == "fail" {
			s.Fields = []flow.OutlineField{{Name: "fail", Text: "no"}}
		}
		return s
	}
	set := func(n int, condition string) []flow.OutlineStep { return []flow.OutlineStep{step(n, "set", condition)} }
	fail := func(n int, condition string) []flow.OutlineStep {
		return []flow.OutlineStep{step(n, "fail", condition)}
	}
	block, caught, checked := step(1, "block", ""), step(20, "set", ""), step(30, "set", "true")
	block.Steps, block.Finally = append(fail(2, "a"), set(3, "b")...), set(4, "c")
	caught.Catch = []flow.OutlineClause{{Steps: set(21, "d")}, {Steps: fail(22, "")}}
	checked.Else = fail(31, "")
	branches := step(40, "parallel", "")
	branches.Branches = []flow.OutlineBranch{{Name: "one", Steps: set(41, "e")}, {Name: "two", Steps: fail(42, "f")}}
	loop := step(50, "block", "")
	loop.Loop, loop.Steps = &flow.OutlineLoop{As: "x", In: "y"}, set(51, "g")
	o := flow.Outline{Name: "ways", Steps: []flow.OutlineStep{block, caught, checked, branches, loop}, Finally: set(60, "h")}
	text := mermaid(o)
	for _, edge := range []string{
		`if3 -->|"no"| s1e`, "s3 --> s1e", // the end of a block
		`if4 -->|"no"| s1fe`, `if21 -->|"no"| s20c1e`, `if41 -->|"no"| s40b1e`, `if60 -->|"no"| laste`, // … finally, clause, branch
		`if42 -->|"no"| s40b2e`, `if51 -.->|"no"| s50r`, // a way that fails, and one that goes round
		"s2 -.-> s1f", "s22 -.-> last", "s31 -.-> last", "s42 -.-> last", // what fails leads to the nearest finally
	} {
		if !strings.Contains(text, "  "+edge+"\n") {
			t.Errorf("there is no %s", edge)
		}
	}
	for _, edge := range []string{"s2 -.-> last", "s2 --> ", "s31 --> "} {
		if strings.Contains(text, edge) {
			t.Errorf("there is %s", edge)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
	o.Finally = nil
	if text := mermaid(o); strings.Contains(text, "s31 -") {
		t.Errorf("without a finally what fails leads nowhere:\n%s", text)
	}
}

func TestAPictureIsWellFormed(t *testing.T) {
	t.Parallel()
	for _, o := range []flow.Outline{everything(), hostile(), long(60), {Name: "empty"}} {
		d := xml.NewDecoder(strings.NewReader(picture(o)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", o.Name, err)
			}
		}
	}
}

func TestManyStepsMakeAPageNotARibbon(t *testing.T) {
	t.Parallel()
	for _, n := range []int{10, 60, 200} {
		p := flowPart(long(n))
		if p.height > tallest*5/4 {
			t.Errorf("%d steps are %d pixels high", n, p.height)
		}
	}
}
