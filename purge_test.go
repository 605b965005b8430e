package stepwell_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

// openRuns opens the database of a store as it is, without keys.
func openRuns(t *testing.T, file string) (s *sqlstore.Store, shut func()) {
	t.Helper()
	if err := sqlstore.PrepareSQLite(file); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(file))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = sqlstore.Open(t.Context(), db, sqlstore.SQLite()); err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := errors.Join(s.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	}
}

// holding names the files below a folder that hold any of some texts.
func holding(t *testing.T, dir string, texts map[string][]byte) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for name, text := range texts {
			if len(text) > 0 && bytes.Contains(content, text) {
				found = append(found, filepath.Base(path)+" holds "+name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// traces are what the store keeps of a run, as its files have it.
func traces(t *testing.T, s *sqlstore.Store, run, keys string) map[string][]byte {
	t.Helper()
	r, err := s.Load(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Read(t.Context(), run, datapoints.Query{Rows: true, Attempts: true, History: true, Mail: true})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"the wrapped key": r.Key, "its id": []byte(r.ID)}
	add := func(name string, v datapoints.Value) {
		if text := v.Reveal(); len(text) > 20 {
			all[name] = []byte(text[1:min(len(text)-1, 100)]) // longer ones lie in pieces
		}
	}
	add("the inputs", r.Inputs)
	add("the outputs", r.Outputs)
	add("the failure", r.Failure)
	for _, row := range c.Rows {
		add("what is hidden of "+row.Path, row.Row.Hidden)
	}
	for path, list := range c.Attempts {
		for _, a := range list {
			add("an attempt of "+path, a.Message)
		}
	}
	for _, p := range c.Points {
		add("the data point "+p.Name, p.Value)
		all["the name "+p.Name] = []byte(p.Name)
	}
	for _, m := range c.Mail {
		opened, err := s.Read(t.Context(), run, datapoints.Query{Mail: true, Open: m.Name})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range opened.Mail {
			add("the message "+m.Name, m.Body)
		}
	}
	content, err := os.ReadFile(keys)
	if err != nil {
		t.Fatal(err)
	}
	all["a half of a key"] = content[32:64] // of the first run
	return all
}

const purgedFlow = `stepwell: 1
name: purged
description: canary-of-the-file-4411
inputs: { url: string, canary_pin: { type: string, sensitive: true } }
callbacks: { canary_report: {} }
steps:
  - { id: canary_set, set: { canary_token: "${{ inputs.canary_pin }}-and-more", canary_plain: "plain-${{ inputs.canary_pin }}" } }
  - { id: canary_loop, for_each: { in: "1..30", as: n }, set: { canary_list: "canary-${{ n }}-6150" } }
  - { id: canary_call, action: http, with: { url: "${{ inputs.url }}" }, on_error: continue }
  - { id: canary_wait, callback: canary_report, timeout: 72h, save: { canary_word: word } }
outputs: { canary_out: "${{ data.canary_plain }}" }
`

func TestNothingOfAPurgedRunIsInAnyFile(t *testing.T) {
	t.Parallel()
	path, err := stepwell()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, "canary-of-the-answer-7031 "+strings.Repeat("long ", 3000))
	}))
	defer server.Close()
	p := &process{t: t, path: path, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(p.dir, "flow.yaml"), []byte(purgedFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(want int, args ...string) string {
		t.Helper()
		out, errs, code := p.run(0, args...)
		if code != want {
			t.Fatalf("%v: exit %d\n%s", args, code, errs)
		}
		return out
	}
	const pin = "canary-pin-of-the-input-2290"
	do(9, "run", "flow.yaml", "-i", "url="+server.URL, "-i", "canary_pin="+pin)
	id, _ := p.last()
	do(0, "signal", id, "canary_report", "--json", `{"word": "canary-of-the-message-1907"}`)
	do(0, "resume", id)
	do(0, "data", id, "--reveal")
	do(9, "run", "flow.yaml", "-i", "url="+server.URL, "-i", "canary_pin=another") // this one stays
	kept, _ := p.last()
	if err := os.Remove(filepath.Join(p.dir, "flow.yaml")); err != nil { // what is looked for is in it
		t.Fatal(err)
	}

	file := filepath.Join(p.dir, "stepwell", "runs.db")
	s, shut := openRuns(t, file) // somebody else has the store open: its log stays
	defer shut()
	want := traces(t, s, id, file+".keys")
	before := strings.Join(holding(t, p.dir, want), "\n")
	for name := range want {
		if !strings.Contains(before, " holds "+name) {
			t.Errorf("%s is not found before: the test looks in the wrong place", name)
		}
	}
	for _, c := range []canary{{"pin", pin}, {"answer", "canary-of-the-answer-7031"}, {"message", "canary-of-the-message-1907"}, {"plain", "plain-" + pin}} {
		for form, text := range c.needles() {
			if !strings.HasPrefix(form, "piece") {
				want[c.label+" as "+form] = []byte(text)
			}
		}
	}
	copied := filepath.Join(t.TempDir(), "runs.db")
	content, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	if _, errs, code := p.run(0, "runs", "purge", "--older-than", "0s", "--status", "succeeded"); code != 0 || strings.Contains(errs, "warning") {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for name := range want { // names are those of the other run, too
		if strings.HasPrefix(name, "the name ") {
			delete(want, name)
		}
	}
	if found := holding(t, p.dir, want); len(found) > 0 {
		t.Errorf("after the purge: %v", found)
	}
	if out := do(0, "runs", "list", "--json"); !strings.Contains(out, kept) || strings.Contains(out, id) {
		t.Errorf("the wrong run is left: %s", out)
	}
	do(0, "keys", "verify")

	// A copy from before, in the place of the database: it opens for the run that stayed.
	shut()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	do(0, "data", kept, "canary_plain")
	if _, errs, code := p.run(0, "data", id, "canary_plain"); code != 7 || !strings.Contains(errs, "the key was destroyed") {
		t.Errorf("an older copy: exit %d: %s", code, errs)
	}
	do(0, "runs", "rm", id, kept)
	clear(want)
	want["the text of the flow"] = []byte("canary-of-the-file-4411")
	want["a name"] = []byte("canary_")
	if found := holding(t, p.dir, want); len(found) > 0 {
		t.Errorf("with the last run gone: %v", found)
	}
}

// sealMany makes a store with n runs, each with a value.
func sealMany(t *testing.T, file string, keys datapoints.Keys, n int) {
	t.Helper()
	below, shut := openRuns(t, file)
	defer shut()
	runs := make([]datapoints.Run, n)
	for i := range runs {
		id := fmt.Sprintf("01a1ff18-0000-7000-8000-%012d", i)
		runs[i] = datapoints.Run{ID: id, Flow: "many", State: datapoints.Succeeded, Created: time.Now(), Inputs: datapoints.JSON(`{"id":"` + id + `"}`)}
	}
	if err := keys.Seal(below).Create(t.Context(), runs...); err != nil {
		t.Fatal(err)
	}
}

// countOpen opens all runs and counts those whose key is wrapped by one master key.
func countOpen(t *testing.T, file string, keys datapoints.Keys, by string) (n int) {
	t.Helper()
	below, shut := openRuns(t, file)
	defer shut()
	list, err := keys.Seal(below).List(context.WithoutCancel(t.Context()), datapoints.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Inputs.Reveal() != `{"id":"`+r.ID+`"}` {
			t.Fatalf("run %s holds %s", r.ID, r.Inputs.Reveal())
		}
		if id, err := datapoints.KeyID(r.Key); err == nil && id == by {
			n++
		}
	}
	return n
}

func TestARotationMayBeKilledAtAnyMoment(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	path, err := stepwell()
	if err != nil {
		t.Fatal(err)
	}
	const runs = 6000
	p := &process{t: t, path: path, dir: t.TempDir()}
	file := filepath.Join(p.dir, "runs.db")
	before, after := datapoints.NewMasterKey(), datapoints.NewMasterKey()
	for name, key := range map[string]datapoints.MasterKey{"old.key": before, "new.key": after} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(key.Encode()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sealMany(t, file, datapoints.Keys{Master: before}, runs)
	both := datapoints.Keys{Master: after, Older: []datapoints.KeyWrapper{before}}
	kills, middle, last := 0, 0, 0
	for wait := 10 * time.Millisecond; ; wait += 5 * time.Millisecond {
		_, errs, code := p.run(wait, "keys", "rotate", "--store", "runs.db", "--key-file", "new.key", "--old-key-file", "old.key")
		if code != -1 && code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
		n := countOpen(t, file, both, after.ID())
		if n < last {
			t.Errorf("%d runs had the new key, now %d", last, n)
		}
		last = n
		if code == 0 {
			break
		}
		kills++
		if 0 < n && n < runs {
			middle++
		}
	}
	t.Logf("%d kills, %d of them in the middle", kills, middle)
	if middle == 0 {
		t.Error("no kill met the middle of the rotation")
	}
	if n := countOpen(t, file, datapoints.Keys{Master: after}, after.ID()); n != runs {
		t.Errorf("%d of %d runs have the new key", n, runs)
	}
}
