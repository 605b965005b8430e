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
	file := filepath.Join("testdata", "graph", name)
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
			golden(t, name+".mmd", mermaid(o))
			golden(t, name+".svg", picture(o))
		}
	}
}

// mermaidLine is what a line of Mermaid may look like: no text of a flow stands
// outside quotes, and none within them can end them.
var mermaidLine = regexp.MustCompile(`^ *(flowchart TD|direction TB|begin\(\["[^"]*"\]\)|done\(\["end"\]\)|end|subgraph \w+\["[^"]*"\]` +
	`|\w+(\["[^"]*"\]|\[\["[^"]*"\]\]|\{\{"[^"]*"\}\}|\(\["[^"]*"\]\))|\w+ (-->|-\.->)(\|"[^"]*"\|)? \w+|classDef \w+ [\w:#,-]+( \d+)?|class [\w,]+ \w+)$`)

func TestThePictureInTheDocumentationIsThatOfItsExample(t *testing.T) {
	t.Parallel()
	c := &Command{Dir: "../..", Stderr: io.Discard, Env: func(string) (string, bool) { return "", false }}
	plan, project, err := c.load("examples/discharge-follow-up.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer project.close()
	golden(t, "../../../../docs/discharge-follow-up.svg", picture(plan.Outline()))
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
