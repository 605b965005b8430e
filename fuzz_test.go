package stepwell_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// FuzzLoad loads files as they may come: whatever they hold, they become a
// plan or a list of problems that stand in the file, within a moment.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"examples/*.yaml", "testdata/check/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
	f.Fuzz(func(t *testing.T, text []byte) {
		began := time.Now()
		p, err := flow.Compile(fstest.MapFS{"fuzz.yaml": {Data: text}}, "fuzz.yaml", kit)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("loading %d bytes took %v", len(text), took)
		}
		var problems diag.List
		switch {
		case err == nil && p == nil, err != nil && p != nil:
			t.Fatalf("a plan and an error, or neither: %v", err)
		case err != nil && !errors.As(err, &problems):
			t.Fatalf("not a list of problems: %v", err)
		case err != nil && !problems.HasErrors():
			t.Fatal("refused without an error")
		}
		lines := strings.Count(string(text), "\n") + strings.Count(string(text), "\r") + 1
		for _, d := range problems {
			if d.Line < 0 || d.Line > lines || d.Line > 0 && (d.Column < 1 || d.EndColumn < d.Column) {
				t.Errorf("%s ends at column %d; the file has %d lines", d, d.EndColumn, lines)
			}
		}
		_ = problems.Text(diag.Style{Width: 80})
	})
}
