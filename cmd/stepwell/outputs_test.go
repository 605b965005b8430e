package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestOutputsAreMaskedByClassByNameAndByContent(t *testing.T) {
	t.Parallel()
	red := &datapoints.Redactor{}
	red.Add("key", "hunter22hunter22")
	run := datapoints.Run{Outputs: datapoints.JSON(`{"b":1.50,"a":"x hunter22hunter22","s":"abc","o":{"access_token":"t","n":[1]},"none":null,"p":"Ada"}`)}
	o := flow.Outline{Outputs: []flow.OutlineOutput{{Name: "b", Class: "plain"}, {Name: "a", Class: "plain"}, {Name: "s", Class: "sensitive"},
		{Name: "o", Class: "plain"}, {Name: "none", Class: "sensitive"}, {Name: "p", Class: "pii"}}}
	got, masked := shownOutputs(run, o, red, false)
	want := `{"b":1.50,"a":"x [secret key]","s":"[secret s]","o":{"access_token":"[secret access_token]","n":[1]},"none":null,"p":"Ada"}`
	if string(got) != want || masked != 3 {
		t.Errorf("%d masked:\n%s\nnot 3:\n%s", masked, got, want)
	}
	got, masked = shownOutputs(run, o, red, true)
	if string(got) != run.Outputs.Reveal() || masked != 0 {
		t.Errorf("revealed: %s, %d masked", got, masked)
	}
}

func TestASavedFileGetsItsNameWhenItIsComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := savedFiles{dir: filepath.Join(dir, "out")}
	f, err := s.create("a/report.pdf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("%PDF")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "out", "a", "report.pdf")
	if _, err := os.Stat(name); err == nil {
		t.Error("the file is there before it is complete")
	}
	if err := f.Keep(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name); string(text) != "%PDF" {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := s.create("a/./report.pdf"); err == nil {
		t.Error("the same path twice is no error")
	}
	dropped, err := s.create("b.txt")
	if err != nil {
		t.Fatal(err)
	}
	if err := dropped.Drop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.create("b.txt"); err != nil {
		t.Errorf("what was dropped cannot be written again: %v", err)
	}
	for _, outside := range []string{"../x", "/etc/x", "a/../../x", "", "."} {
		if _, err := s.create(outside); err == nil {
			t.Errorf("%q may be written", outside)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "out", "link")); err == nil {
		if _, err := s.create("link/x"); err == nil {
			t.Error("a link leads out of the folder")
		}
	}
}

func TestFilesAreReadFromTheFirstFolderThatHasThem(t *testing.T) {
	t.Parallel()
	one, two := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{filepath.Join(one, "a"): "1", filepath.Join(two, "a"): "2", filepath.Join(two, "b"): "2"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := overlay{folder(filepath.Join(one, "nowhere")), folder(one), folder(two)}
	for name, want := range map[string]string{"a": "1", "b": "2"} {
		if got, err := fs.ReadFile(o, name); string(got) != want {
			t.Errorf("%s is %q (%v), not %q", name, got, err, want)
		}
	}
	if _, err := fs.ReadFile(o, "../x"); err == nil {
		t.Error("a path leads out")
	}
}
