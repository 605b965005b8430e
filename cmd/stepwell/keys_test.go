package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

// filledStore is a folder with a key file and a store in which each sort of value
// is sealed.
func filledStore(t *testing.T) (dir string, env map[string]string) {
	t.Helper()
	dir = t.TempDir()
	key := datapoints.NewMasterKey()
	env = map[string]string{"STEPWELL_STORE": "runs.db", "STEPWELL_KEY_FILE": "key"}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(key.Encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, _ := at(dir, env)
	k, err := c.open(t.Context(), storeFlags{}, toWork)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	v := datapoints.Text("hunter22hunter22").Mark(datapoints.Sensitive, "pin")
	for _, run := range []string{"r1", "r2"} {
		l := datapoints.Lease{Run: run, Owner: "me", Epoch: 1}
		err = errors.Join(err,
			k.Create(t.Context(), datapoints.Run{ID: run, Flow: "f", Inputs: datapoints.JSON("{}"), Lease: l, Files: []datapoints.File{{Name: "f.yaml", Data: []byte("stepwell: 1\nname: f\nsteps: [ { id: one, set: { pin: x } } ]\n")}}}),
			k.Commit(t.Context(), l, datapoints.Record{Message: &datapoints.Message{Name: "cb", Body: v}}),
			k.Commit(t.Context(), l, datapoints.Record{Path: "one", Row: datapoints.Row{Hidden: v}, Attempts: []datapoints.Attempt{{N: 1, Message: v}},
				Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "pin"}, Step: "one", Value: v}}, End: &datapoints.Run{State: datapoints.Succeeded, Outputs: v}}))
	}
	err = errors.Join(err, k.keys.SealTokens(k.plain).PutToken(t.Context(), datapoints.TokenEntry{Key: "t", Generation: 1, Name: "ehr", Secret: v}))
	if err != nil {
		t.Fatal(err)
	}
	return dir, env
}

// alter executes SQL on the database of a store.
func alter(t *testing.T, dir, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(dir, "runs.db")))
	if err == nil {
		_, err = db.Exec(text)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// verifies has a verb's verify find what says tells, and nothing with "", without showing a value.
func verifies(t *testing.T, dir string, env map[string]string, verb, says string) {
	t.Helper()
	c, stdout, stderr := at(dir, env, verb, "verify", "--json")
	if code := c.Main(t.Context()); (code == exitStore) != (says != "") || !strings.Contains(stdout.String(), says) {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if strings.Contains(stdout.String()+stderr.String(), "hunter2") {
		t.Error("a value is shown")
	}
}

func TestVerifyNamesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ change, says string }{
		"nothing":    {"SELECT 1", ""},
		"a key":      {"UPDATE stepwell_runs SET wrapped_key = x'01' WHERE id = 'r2'", "run r2, its key: the stored data is damaged"},
		"inputs":     {"UPDATE stepwell_runs SET inputs = '\"x\"' WHERE id = 'r2'", "run r2, its inputs: the stored data is damaged"},
		"a row":      {"UPDATE stepwell_steps SET hidden = (SELECT value FROM stepwell_points WHERE run = 'r2') WHERE run = 'r2'", "run r2, step one: the stored data is damaged"},
		"an attempt": {"UPDATE stepwell_attempts SET n = 2 WHERE run = 'r2'", "run r2, attempt 2 of step one: the stored data is damaged"},
		"a point":    {"UPDATE stepwell_points SET name = 'other' WHERE run = 'r2'", "run r2, data point other of step one: the stored data is damaged"},
		"a message":  {"UPDATE stepwell_messages SET name = 'other' WHERE run = 'r2'", "run r2, message other: the stored data is damaged"},
		"a token":    {"UPDATE stepwell_tokens SET generation = 7", "the token of ehr: the stored data is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, env := filledStore(t)
			alter(t, dir, test.change)
			verifies(t, dir, env, "keys", test.says)
		})
	}
}

func TestRotationTakesTheTokensAlong(t *testing.T) {
	t.Parallel()
	dir, env := filledStore(t)
	next := datapoints.NewMasterKey()
	env["STEPWELL_OLD_KEY_FILE"], env["STEPWELL_KEY_FILE"], env["STEPWELL_KEY"] = "key", "", next.Encode()
	c, _, stderr := at(dir, env, "keys", "rotate")
	if code := c.Main(t.Context()); code != exitOK || !strings.Contains(stderr.String(), "now seals 2 runs and 1 token more; 0 had it before") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	delete(env, "STEPWELL_OLD_KEY_FILE")
	c, _, stderr = at(dir, env, "keys", "verify")
	if code := c.Main(t.Context()); code != exitOK || !strings.Contains(stderr.String(), "2 runs and 1 token open") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	c, stdout, _ := at(dir, env, "keys", "list")
	if code := c.Main(t.Context()); code != exitOK || len(strings.Fields(stdout.String())) != 3+5 || !strings.Contains(stdout.String(), next.ID()) {
		t.Errorf("exit %d: %s", code, stdout)
	}
}

func TestWhatCannotBeRecordedIsNotRevealed(t *testing.T) {
	t.Parallel()
	dir, env := filledStore(t)
	alter(t, dir, "CREATE TRIGGER full BEFORE INSERT ON stepwell_messages BEGIN SELECT RAISE(ABORT, 'no room'); END")
	for _, args := range [][]string{{"data", "r1", "pin", "--reveal"}, {"data", "r1", "--reveal"}, {"data", "r1", "pin", "-v", "--json", "--reveal"}, {"runs", "show", "r1", "--reveal"}} {
		c, stdout, stderr := at(dir, env, args...)
		if code := c.Main(t.Context()); code != exitStore || stdout.Len() > 0 || strings.Contains(stderr.String(), "hunter22") {
			t.Errorf("%v: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	alter(t, dir, "DROP TRIGGER full")
	c, stdout, stderr := at(dir, env, "data", "r1", "pin", "--reveal")
	if code := c.Main(t.Context()); code != exitOK || stdout.String() != "hunter22hunter22\n" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

func TestTheKeysCommandIsTakenApartWithoutAShell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"cat key":               {"cat", "key"},
		"  pass\tshow  a ":      {"pass", "show", "a"},
		`["pass", "show a"]`:    {"pass", "show a"},
		"echo $HOME 'a b' ; ls": {"echo", "$HOME", "'a", "b'", ";", "ls"},
		" ":                     nil, "[]": nil, "[1]": nil, `[""]`: nil, "[cat": nil,
	} {
		got, err := commandWords(text)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestTheOldKeyIsLookedForAsTheKeyIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, text := datapoints.NewMasterKey(), datapoints.NewMasterKey()
	if err := os.WriteFile(filepath.Join(dir, "old"), []byte(file.Encode()), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		flags keyFlags
		env   map[string]string
		want  string
	}{
		"none":       {want: ""},
		"the option": {flags: keyFlags{old: "old"}, env: map[string]string{"STEPWELL_OLD_KEY": text.Encode()}, want: file.ID()},
		"the file":   {env: map[string]string{"STEPWELL_OLD_KEY_FILE": "old"}, want: file.ID()},
		"the text":   {env: map[string]string{"STEPWELL_OLD_KEY": text.Encode()}, want: text.ID()},
	} {
		c, _, _ := at(dir, test.env)
		got, err := c.oldKey(context.Background(), test.flags)
		if err != nil || (got == nil) != (test.want == "") || got != nil && got.ID() != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	c, _, _ := at(dir, nil)
	if _, err := c.sealingKeys(context.Background(), keyFlags{file: "old", old: "nowhere"}, false); codeOf(err) != exitUsage {
		t.Errorf("an old key that is not there: %v", err)
	}
}
