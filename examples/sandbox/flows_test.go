package sandbox_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// declaration is a line such as "  base_url: { type: string, env: EHR_BASE_URL }".
var declaration = regexp.MustCompile(`^  ([a-z_]+): +\{(.*)\}`)

var envName = regexp.MustCompile(`env: ([A-Z_]+)`)

func TestTheSandboxFillsEveryInputAndSecretOfTheExamples(t *testing.T) {
	t.Parallel()
	settings := map[string]string{}
	for _, setting := range start(t).server.Settings() {
		settings[setting.Name] = setting.Env
	}
	files, err := filepath.Glob("../*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		declared, inside := 0, false
		for _, line := range strings.Split(string(text), "\n") {
			if line != "" && line[0] != ' ' {
				inside = line == "inputs:" || line == "secrets:"
			}
			found := declaration.FindStringSubmatch(line)
			if !inside || found == nil {
				continue
			}
			declared++
			env, known := settings[found[1]]
			if !known && !strings.Contains(found[2], "default:") {
				t.Errorf("%s: the sandbox has no %s", file, found[1])
			}
			if name := envName.FindStringSubmatch(found[2]); name != nil && name[1] != env {
				t.Errorf("%s: %s is taken from %s, the sandbox says %s", file, found[1], name[1], env)
			}
		}
		if declared < 2 {
			t.Errorf("%s: only %d declarations were found", file, declared)
		}
	}
}
