package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ranOnce is a folder with a store in which one run has succeeded, and its settings.
func ranOnce(t *testing.T) (dir string, env map[string]string) {
	t.Helper()
	dir = t.TempDir()
	env = map[string]string{"STEPWELL_STORE": "runs.db", "STEPWELL_KEY_FILE": "key"}
	flow := "stepwell: 1\nname: two\nsteps:\n  - { id: one, set: { pin: hunter22hunter22 } }\n  - { id: two, set: { code: 7 } }\n"
	if err := os.WriteFile(filepath.Join(dir, "two.yaml"), []byte(flow), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"keys", "init"}, {"run", "two.yaml"}} {
		c, _, stderr := at(dir, env, args...)
		if code := c.Main(t.Context()); code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, stderr)
		}
	}
	return dir, env
}

func TestRunsVerifyNamesWhatIsNotAsItWasRecorded(t *testing.T) {
	t.Parallel()
	newer := "stepwell: 1\nname: two\nsteps:\n  - { id: one, sett: { pin: x } }\n"
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprintf("8 two.yaml %d %s", len(newer), newer))))
	for name, test := range map[string]struct{ change, says string }{
		"nothing":            {"SELECT 1", ""},
		"the flow":           {"UPDATE stepwell_contents SET data = CAST(replace(data, 'hunter22', 'hunter23') AS BLOB)", "the flow that is recorded is not the one that the run was started with"},
		"a file":             {"DELETE FROM stepwell_contents", "the stored data is damaged"},
		"another version":    {"UPDATE stepwell_contents SET data = CAST('" + newer + "' AS BLOB); UPDATE stepwell_runs SET digest = '" + digest + "'", "its flow does not check with this stepwell: two.yaml:4:16: "},
		"a step":             {"DELETE FROM stepwell_steps WHERE path = 'one'", "data point pin is recorded, and step one, which saved it, is not"},
		"a step of another":  {"INSERT INTO stepwell_steps SELECT run, 'three', 99, at, control, hidden FROM stepwell_steps WHERE path = 'two'", "step three"},
		"an attempt":         {"INSERT INTO stepwell_attempts SELECT id, 'four', 1, 0, 0, 0, 0, '', '' FROM stepwell_runs", "attempts of step four are recorded, and the step itself is not"},
		"a value":            {"UPDATE stepwell_points SET name = 'other' WHERE name = 'pin'", "data point other of step one: the stored data is damaged"},
		"the database":       {"PRAGMA writable_schema = 1; DELETE FROM sqlite_schema WHERE name = 'stepwell_runs_batch'", "never used"},
		"a run's inputs":     {"UPDATE stepwell_runs SET inputs = '\"x\"'", "its inputs: the stored data is damaged"},
		"what can be opened": {"UPDATE stepwell_runs SET wrapped_key = x'01'", "its key: the stored data is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, env := ranOnce(t)
			alter(t, dir, test.change)
			verifies(t, dir, env, "runs", test.says)
		})
	}
}

func TestARunWhoseFlowWasChangedInTheStoreIsNotGoneOnWith(t *testing.T) {
	t.Parallel()
	dir, env := ranOnce(t)
	alter(t, dir, "UPDATE stepwell_contents SET data = CAST(replace(data, 'code: 7', 'code: 8') AS BLOB); UPDATE stepwell_runs SET state = 'failed'")
	c, stdout, _ := at(dir, env, "runs", "list", "--json")
	c.Main(t.Context())
	_, id, _ := strings.Cut(stdout.String(), `"run_id": "`)
	for _, verb := range [][]string{{"resume", id[:36]}, {"runs", "show", id[:36]}} {
		c, _, stderr := at(dir, env, verb...)
		if code := c.Main(t.Context()); code != exitStore || !strings.Contains(stderr.String(), "is not the one that the run was started with") {
			t.Errorf("%v: exit %d: %s", verb, code, stderr)
		}
	}
}
