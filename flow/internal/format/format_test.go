package format

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow/internal/syntax"
)

var update = flag.Bool("update", false, "rewrite what the examples become")

// flows are the valid flows of the project.
func flows(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../../../testdata/check/*.yaml", "../../../examples/*.yaml", "../../../examples/*/*.yaml", "../syntax/testdata/*.yaml", "testdata/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		all = append(all, files...)
	}
	return all
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// formatted formats and holds the result to what is true of every flow.
func formatted(t testing.TB, file, text string) string {
	t.Helper()
	first, problems := Text(file, []byte(text))
	if problems != nil {
		t.Fatalf("%s is refused:\n%v\n%s", file, problems, text)
	}
	second, problems := Text(file, first)
	if problems != nil {
		t.Fatalf("%s: what was made is refused:\n%v\n%s", file, problems, first)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Fatalf("%s: formatting again changes it (-first +second)\n%s", file, diff)
	}
	if before, _ := syntax.Read(file, []byte(text)); before != nil {
		if after, problems := syntax.Read(file, first); problems.HasErrors() || !same(before, after, whole()) {
			t.Fatalf("%s means something else:\n%s\n--- before\n%s", file, first, text)
		}
	}
	return string(first)
}

func TestEveryFlowKeepsItsMeaningAndFormattingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	n := 0
	for _, file := range flows(t) {
		text := read(t, file)
		_, problems := syntax.Parse(file, []byte(text))
		if _, other := syntax.ParseIncluded(file, []byte(text)); problems.HasErrors() && other.HasErrors() {
			if got, problems := Text(file, []byte(text)); got != nil || problems == nil {
				t.Errorf("%s has errors and was formatted", file)
			}
			continue
		}
		n++
		formatted(t, file, text)
	}
	if n < 60 {
		t.Errorf("only %d flows are valid", n)
	}
}

func TestFlowsBecomeWhatStandsBesideThem(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		got := formatted(t, file, read(t, file))
		golden := strings.TrimSuffix(file, ".yaml") + ".out"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(read(t, golden), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", file, diff)
		}
	}
}

func TestLineEndsAndAByteOrderMarkStay(t *testing.T) {
	t.Parallel()
	got := formatted(t, "windows.yaml", "\ufeffname: x\r\nstepwell: 1\r\n\r\n\r\nsteps:\r\n- {set: {b: 'x\r\n  y'}, id: a}\r\n- id: b\r\n  set: {t: !!str 1}\r\n  description: |\r\n     text\r\n")
	want := "\ufeffstepwell: 1\r\nname: x\r\n\r\nsteps:\r\n  - {id: a, set: {b: 'x\r\n    y'}}\r\n  - id: b\r\n    description: |\r\n      text\r\n    set: {t: !!str 1}\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnIncludedFileIsFormatted(t *testing.T) {
	t.Parallel()
	got := formatted(t, "common.yaml", "data:\n    a: {pii: true, type: string}\ninputs:\n    b: string\n")
	if diff := cmp.Diff("inputs:\n  b: string\ndata:\n  a: {type: string, pii: true}\n", got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAFileWithoutALineEndGetsOneAndKeepsItsText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"name: x\nstepwell: 1\nsteps: [{id: a, set: {b: c}}] # end", "stepwell: 1\nname: x\nsteps: [{id: a, set: {b: c}}] # end\n"},
		{"stepwell: 1\nname: x\nsteps:\n  - set: {b: c}\n    id: a\n    description: |\n      text", "stepwell: 1\nname: x\nsteps:\n  - id: a\n    description: |-\n      text\n    set: {b: c}\n"},
		{"stepwell: 1\nname: x\nsteps:\n  - id: a\n    set:\n      b: |+ # kept\n        text\n\n", "stepwell: 1\nname: x\nsteps:\n  - id: a\n    set:\n      b: |+ # kept\n        text\n\n"},
	} {
		if diff := cmp.Diff(c.want, formatted(t, "x.yaml", c.text)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}

func TestAnAliasStaysBehindItsAnchor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"an anchor in a later section is moved before its use", "x-a: &a {env: A}\nsteps: [{set: {b: c}, id: a}]\nname: x\nstepwell: 1\nsecrets: {s: *a}\n",
			"stepwell: 1\nname: x\nx-a: &a {env: A}\nsecrets: {s: *a}\nsteps: [{id: a, set: {b: c}}]\n"},
		{"an anchor that is set twice keeps everything where it is", "steps: [{set: {b: &a 1}, id: a}, {id: b, set: {c: *a, d: &a 2, e: *a}}]\nname: x\nstepwell:   1\n",
			"steps: [{set: {b: &a 1}, id: a}, {id: b, set: {c: *a, d: &a 2, e: *a}}]\nname: x\nstepwell:   1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, formatted(t, "x.yaml", c.text)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestYAMLThatCannotBeMovedIsRefusedAtItsPlace(t *testing.T) {
	t.Parallel()
	_, problems := Text("x.yaml", []byte("stepwell: 1\nname: x\nsteps:\n  - id: a\n    set:\n      ? b\n      : c\n"))
	if len(problems) != 1 || problems[0].Line != 6 || problems[0].Column != 7 {
		t.Errorf("%v", problems)
	}
}

func BenchmarkAFlowOfAThousandSteps(b *testing.B) {
	var text strings.Builder
	text.WriteString("name: long\nstepwell: 1\nsteps:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "\n    # step %d\n    - action: http\n      id: s%d\n      with: { method: POST, url: \"http://x.test/%d\", json: { b: [1, 2, 3], a: é } }\n      expect:\n          status: 201\n", i, i, i)
	}
	for b.Loop() {
		if _, problems := Text("long.yaml", []byte(text.String())); problems != nil {
			b.Fatal(problems)
		}
	}
}

// TestTheExamplesAreFormatted: they show what flows look like.
func TestTheExamplesAreFormatted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	lib, err := filepath.Glob("../../../examples/lib/*.yaml") // also what has declarations only
	if err != nil || len(lib) < 3 {
		t.Fatal(err, lib)
	}
	for _, file := range append(files, lib...) {
		text := read(t, file)
		if diff := cmp.Diff(text, formatted(t, file, text)); diff != "" {
			t.Errorf("stepwell fmt brings %s up to date (-there +formatted)\n%s", filepath.Base(file), diff)
		}
	}
}
