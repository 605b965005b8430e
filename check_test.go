package stepwell_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// The pairs of testdata/check: a flow, and beside it what `validate` says of it.
const (
	checkFolder = "testdata/check"
	checkWidth  = 100 // columns of the frames in the .out files
)

// checkFlows lists the flows of the golden suite.
func checkFlows(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(checkFolder, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no flows in ", checkFolder, err)
	}
	for i, file := range files {
		files[i] = filepath.Base(file)
	}
	return files
}

// compileFlow checks a flow of the suite. Nothing may be sent by that.
func compileFlow(t *testing.T, file string) (*flow.Plan, diag.List) {
	t.Helper()
	client := &actions.Client{Transport: silence{t}}
	plan, err := flow.Compile(os.DirFS(checkFolder), file, flow.Kit{Actions: client.Actions(), Credentials: credentials.Builtin()})
	var list diag.List
	switch {
	case err == nil:
		return plan, plan.Warnings()
	case !errors.As(err, &list):
		t.Fatalf("the error is no list of problems: %v", err)
	}
	return plan, list
}

// silence is a network on which nothing may be heard.
type silence struct{ t *testing.T }

// RoundTrip implements http.RoundTripper.
func (s silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.t.Errorf("%s %s was sent", r.Method, r.URL)
	return nil, errors.New("nothing may be sent")
}

// said is what stands in a .out: the frames and, of a valid flow, that it is.
func said(plan *flow.Plan, list diag.List) string {
	text := list.Text(diag.Style{Width: checkWidth})
	if plan == nil {
		return text
	}
	if text != "" {
		text += "\n"
	}
	return text + fmt.Sprintf("valid: steps %d\n", plan.Steps())
}

func TestEachFlowGetsExactlyTheProblemsBesideIt(t *testing.T) {
	t.Parallel()
	for _, file := range checkFlows(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			got := said(compileFlow(t, file))
			golden := filepath.Join(checkFolder, strings.TrimSuffix(file, ".yaml")+".out")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if valid := strings.HasPrefix(file, "valid-"); valid && got != said(compileFlow(t, file)) || valid && !strings.HasPrefix(got, "valid:") {
				t.Errorf("a flow that is right was complained of:\n%s", got)
			}
		})
	}
}

func TestEveryCodeHasAFlowThatShowsIt(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(checkFolder, "*.out"))
	if err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`(?m)^(?:error|warning|note)\[([a-z0-9-]+)\]: `)
	shown := map[diag.Code]bool{}
	for _, file := range files {
		if _, err := os.Stat(strings.TrimSuffix(file, ".out") + ".yaml"); err != nil {
			t.Errorf("%s stands beside no flow", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range head.FindAllSubmatch(text, -1) {
			code := diag.Code(found[1])
			shown[code] = true
			if !slices.Contains(diag.Codes(), code) {
				t.Errorf("%s shows the code %s, which nobody knows", file, code)
			}
		}
	}
	for _, code := range diag.Codes() {
		if !shown[code] {
			t.Errorf("no flow shows the code %s", code)
		}
	}
}

// TestProgramsGetTheSamePlacesAsPeople compares the JSON form with the text and
// both with the file; a flow that is not valid has no plan with which anything
// could be sent.
func TestProgramsGetTheSamePlacesAsPeople(t *testing.T) {
	t.Parallel()
	for _, file := range checkFlows(t) {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			plan, list := compileFlow(t, file)
			if (plan == nil) != list.HasErrors() {
				t.Errorf("a plan: %t, errors: %t", plan != nil, list.HasErrors())
			}
			samePlaces(t, list)
			insideTheFile(t, file, list)
			if !slices.IsSortedFunc(list, func(a, b diag.Diagnostic) int {
				if a.File != b.File { // file by file, as they are read
					return 0
				}
				if a.Line != b.Line {
					return a.Line - b.Line
				}
				return a.Column - b.Column
			}) {
				t.Errorf("the problems are not in the file's order:\n%v", list)
			}
		})
	}
}

// samePlaces compares the places of the JSON form with those of the frames.
func samePlaces(t *testing.T, list diag.List) {
	t.Helper()
	var records []struct {
		File                    string
		Line, Column, EndColumn int
		Code                    string
	}
	var raw []map[string]any
	if err := json.Unmarshal([]byte(list.JSON()), &raw); err != nil {
		t.Fatal(err)
	}
	for _, r := range raw {
		if _, ok := r["end_column"].(float64); !ok {
			t.Fatalf("no end_column: %v", r)
		}
	}
	text := strings.ReplaceAll(list.JSON(), `"end_column"`, `"EndColumn"`)
	if err := json.Unmarshal([]byte(text), &records); err != nil {
		t.Fatal(err)
	}
	frame := regexp.MustCompile(`(?m)^\w+\[([a-z0-9-]+)\]: .*\n +--> (.+)$`)
	frames := frame.FindAllStringSubmatch(list.Text(diag.Style{}), -1)
	if len(frames) != len(records) {
		t.Fatalf("%d frames, %d records", len(frames), len(records))
	}
	for i, r := range records {
		place := r.File
		if r.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column)
		}
		if frames[i][1] != r.Code || frames[i][2] != place {
			t.Errorf("text: %s at %s; JSON: %s at %s", frames[i][1], frames[i][2], r.Code, place)
		}
	}
}

// insideTheFile compares each place with the line of the file that it names:
// the flow, or a file in a folder below it that the flow names.
func insideTheFile(t *testing.T, file string, list diag.List) {
	t.Helper()
	files := map[string][]string{}
	for _, d := range list {
		lines := files[d.File]
		if lines == nil {
			if d.File != file && !strings.Contains(d.File, "/") {
				t.Errorf("a problem of %s, which is not the flow", d.File)
			}
			data, err := os.ReadFile(filepath.Join(checkFolder, d.File))
			if err != nil {
				t.Fatal(err)
			}
			text := strings.TrimPrefix(strings.ToValidUTF8(string(data), "\ufffd"), "\ufeff")
			lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
			files[d.File] = lines
		}
		switch {
		case d.Line == 0:
		case d.Line > len(lines):
			t.Errorf("%s: there are only %d lines", d.Span, len(lines))
		case !shows(d.Text, lines[d.Line-1]):
			t.Errorf("%s shows %q; the line is %q", d.Span, d.Text, lines[d.Line-1])
		case d.Column == d.EndColumn && d.Column == len([]rune(d.Text))+1: // the line's end
		case d.Column < 1 || d.EndColumn <= d.Column || d.EndColumn > len([]rune(d.Text))+1:
			t.Errorf("%s up to %d is not a place on a line of %d characters", d.Span, d.EndColumn, len([]rune(d.Text)))
		}
	}
}

// shows says whether an excerpt is a line, perhaps with stars in place of a
// secret that is written out in it.
func shows(excerpt, line string) bool {
	have, want := []rune(excerpt), []rune(line)
	if len(have) != len(want) {
		return false
	}
	for i, r := range have {
		if r != want[i] && r != '*' {
			return false
		}
	}
	return true
}
