package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

// at is a command in a folder with an environment.
func at(dir string, env map[string]string, args ...string) (c *Command, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &Command{Args: args, Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Dir: dir}, stdout, stderr
}

func TestAKeyIsMadeOnceHoweverManyProcessesWantIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			c, _, _ := at(dir, map[string]string{"XDG_CONFIG_HOME": dir})
			k, err := c.key(t.Context(), keyFlags{}, true)
			if err != nil {
				t.Error(err)
			}
			ids[i] = k.ID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two keys were made: %s and %s", ids[0], id)
		}
	}
	file := filepath.Join(dir, "stepwell", "key")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has mode %v", info.Mode())
	}
	if rest, _ := filepath.Glob(filepath.Join(dir, "stepwell", ".key-*")); len(rest) > 0 {
		t.Errorf("%v are left over", rest)
	}
}

func TestTheKeyIsLookedForInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := map[string]datapoints.MasterKey{}
	for _, name := range []string{"flag", "variable-file", "variable"} {
		keys[name] = datapoints.NewMasterKey()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(keys[name].Encode()+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"STEPWELL_KEY_FILE": "variable-file", "STEPWELL_KEY": keys["variable"].Encode(), "XDG_CONFIG_HOME": dir}
	for _, test := range []struct{ flag, unset, want string }{
		{"flag", "", "flag"}, {"", "", "variable-file"}, {"", "STEPWELL_KEY_FILE", "variable"},
	} {
		delete(env, test.unset)
		c, _, _ := at(dir, env)
		k, err := c.key(t.Context(), keyFlags{file: test.flag}, false)
		if err != nil || k.ID() != keys[test.want].ID() {
			t.Errorf("flag %q: got %v (%v), not %s", test.flag, k, err, test.want)
		}
	}
	delete(env, "STEPWELL_KEY")
	c, _, _ := at(dir, env)
	if _, err := c.key(t.Context(), keyFlags{}, false); codeOf(err) != exitStore {
		t.Errorf("without a key to read with: %v", err)
	}
}

func TestStoresAreNamedByURLOrPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "here")
	env := map[string]string{"XDG_STATE_HOME": filepath.Join(dir, "state"), "HOME": dir}
	c, _, _ := at(dir, env)
	for flag, want := range map[string]string{
		"":                     filepath.Join(dir, "state", "stepwell", "runs.db"),
		"memory":               "",
		"runs.db":              filepath.Join(dir, "runs.db"),
		"sqlite:runs.db":       filepath.Join(dir, "runs.db"),
		"sqlite:///tmp/x/r.db": "/tmp/x/r.db",
		"file:a/b.db":          filepath.Join(dir, "a", "b.db"),
	} {
		got, err := c.storeFile(flag)
		if err != nil || got != want {
			t.Errorf("%q is %q (%v), not %q", flag, got, err, want)
		}
	}
	for _, flag := range []string{"postgres://h/d", "mysql:x", "sqlite:", "sqlite:a?mode=ro"} {
		if got, err := c.storeFile(flag); err == nil || codeOf(err) != exitUsage {
			t.Errorf("%q is %q (%v)", flag, got, err)
		}
	}
	env["STEPWELL_STORE"] = "memory"
	if got, err := c.storeFile(""); err != nil || got != "" {
		t.Errorf("STEPWELL_STORE=memory is %q (%v)", got, err)
	}
	delete(env, "XDG_STATE_HOME")
	delete(env, "STEPWELL_STORE")
	delete(env, "HOME")
	if _, err := c.storeFile(""); err == nil {
		t.Error("without a home there is a default store")
	}
}

func TestAProcessIsDeadWhenNobodyHoldsItsLock(t *testing.T) {
	t.Parallel()
	database := filepath.Join(t.TempDir(), "runs.db")
	one, err := newOwner(database)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newOwner(database)
	if err != nil {
		t.Fatal(err)
	}
	defer two.close()
	if two.dead(one.name) || one.dead(two.name) {
		t.Error("a living process is taken for dead")
	}
	if one.dead(one.name) {
		t.Error("a process takes itself for dead")
	}
	_ = one.lock.Unlock() // as the system does when a process is killed: its file stays
	if !two.dead(one.name) {
		t.Error("a killed process is taken for living")
	}
	if !two.dead(one.name) {
		t.Error("a killed process lives again")
	}
	for _, name := range []string{"", "../runs", "a/b", ".."} {
		if two.dead(name) {
			t.Errorf("%q is taken for a dead process", name)
		}
	}
}
