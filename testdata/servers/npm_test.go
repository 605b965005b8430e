package servers_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// scratch is for what the tests build. TestMain makes it and takes it away.
var scratch string

// errNoNpm is why servers of npm are left out.
var errNoNpm = errors.New("npm is missing, so servers of npm are left out: install Node.js with npm")

// node runs a server of folder npm with its options.
func node(t *testing.T, name string, options any) string {
	t.Helper()
	dir, err := installed()
	if errors.Is(err, errNoNpm) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, exec.Command(program(dir), filepath.Join(dir, name+".mjs"), string(text)))
}

// installed gives a folder with the servers of folder npm beside their node_modules.
var installed = sync.OnceValues(func() (string, error) {
	modules, err := modules()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(scratch, "npm")
	if err := copyAll(dir, filepath.Join("npm", "*.mjs")); err != nil {
		return "", err
	}
	return dir, os.Symlink(modules, filepath.Join(dir, "node_modules"))
})

// modules gives the folder with what package-lock.json lists. It is installed once for each lock, in the user's cache: the
// Node.js in it alone has 180 MB.
func modules() (string, error) {
	lock, err := os.ReadFile(filepath.Join("npm", "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(cache, "stepwell-test-servers", hex.EncodeToString(sum[:8]))
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errNoNpm
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "new")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := copyAll(fresh, filepath.Join("npm", "package*.json")); err != nil {
		return "", err
	}
	command := exec.Command(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--engine-strict=false")
	command.Dir = fresh
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil {
		if _, other := os.Stat(modules); other != nil { // nobody else was faster
			return "", err
		}
	}
	return modules, nil
}

// program is Node.js from npm where there is one for this machine, else the machine's own.
func program(dir string) string {
	if found, _ := filepath.Glob(filepath.Join(dir, "node_modules", "node-*", "bin", "node*")); len(found) > 0 {
		return found[0]
	}
	return "node"
}

// copyAll copies the files that a pattern names into a folder, which is made if need be.
func copyAll(dir, pattern string) error {
	names, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
