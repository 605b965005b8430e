package stepwell_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
)

// outside makes a file that is not searched: it holds what the user gives.
func outside(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRefusedInputsTellNoSecret(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.write("inputs.yaml", `stepwell: 1
name: inputs
inputs:
  whole: { type: integer, sensitive: true, required: false }
  list: { type: list, sensitive: true, required: false, items: integer }
  object: { type: object, sensitive: true, required: false }
  short: { type: string, sensitive: true, required: false, max_length: 3 }
  form: { type: string, sensitive: true, required: false, pattern: "[0-9]+" }
  one: { type: string, sensitive: true, required: false, one_of: [a, b] }
  day: { type: date, sensitive: true, required: false }
  my_password: { type: string, required: false, pattern: "[0-9]+" }
  api_key: { type: integer, required: false }
  config: { type: string, required: false, max_length: 3 }
  settings: { type: object, required: false }
steps: [ { id: a, set: { x: 1 } } ]
`)
	member, err := json.Marshal(map[string]string{"password": hardPassword})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"whole", "list", "object", "short", "form", "one", "day", "my_password", "api_key", "nobody"} {
		for _, value := range []string{hardPassword, "[" + hardPassword, string(member), `["` + hardPin + `"]`} {
			if name == "object" && value == string(member) {
				continue // that is one
			}
			if out, errs, code := v.run("run", "inputs.yaml", "-i", name+"="+value); code != 5 {
				t.Errorf("%s: exit %d\n%s%s", name, code, out, errs)
			}
			v.said[len(v.said)-1].args = "run -i " + name
		}
	}
	file := outside(t, "inputs.json", `{"whole": "`+hardPin+`", "my_password": `+strings.ReplaceAll(string(member), "{", "{ ")+`, "config": `+string(member)+`, "nobody": "`+hardPin+`"}`)
	rows := outside(t, "rows.csv", "my_password,api_key,whole\n"+hardPin+","+hardPin+",1\n1,"+hardPin+","+hardPin+"\n")
	broken := outside(t, "broken.json", `{"my_password": "`+hardPin+`", `+hardPin)
	for _, args := range [][]string{{"--inputs", file}, {"--inputs", file, "--json"}, {"--each", rows}, {"--each", rows, "--json"}, {"--inputs", broken}, {"--each", broken}} {
		if out, errs, code := v.run(append([]string{"run", "inputs.yaml"}, args...)...); code == 0 {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	for _, pair := range []string{"my_password:" + hardPin, "=" + hardPin} {
		if _, _, code := v.run("run", "inputs.yaml", "-i", pair); code != 1 {
			t.Errorf("-i without =: exit %d", code)
		}
		v.said[len(v.said)-1].args = "run -i PAIR"
	}
	if _, errs, code := v.run("run", "inputs.yaml", "-i", "settings="+string(member)); code != 0 {
		t.Errorf("exit %d\n%s", code, errs)
	}
	v.said[len(v.said)-1].args = "run -i settings"
	v.look()
	v.search()
}

func TestSecretsThatCannotBeReadAreNotTold(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	secret := outside(t, "secret", hardSecret)
	v.write("sources.yaml", `stepwell: 1
name: sources
inputs: { my_password: { type: string, default: "letters-of-a-default", sensitive: true } }
secrets:
  a: { command: [sh, -c, 'cat "$0"; cat "$0" >&2; exit 3', `+secret+`] }
  b: { command: [sh, -c, 'cat "$0"; sleep 0', `+secret+`] }
  c: { file: `+filepath.Dir(secret)+` }
  d: { file: `+secret+`, optional: true }
  e: { env: NOT_SET }
steps: [ { id: a, set: { x: "${{ secrets.b }}${{ secrets.d ?? '' }}" } } ]
`)
	v.secrets = append(v.secrets, canary{"a default", "letters-of-a-default"})
	v.env = append(v.env, "STEPWELL_STORE=memory") // what a flow's file says is recorded with the run
	for _, args := range [][]string{{"run"}, {"run", "--json"}, {"env"}, {"env", "--json"}, {"plan"}, {"plan", "--json"}, {"validate"}} {
		v.run(append(args, "sources.yaml")...)
	}
	if _, errs, code := v.run("run", "sources.yaml"); code != 5 || !strings.Contains(errs, "exit code 3") {
		t.Errorf("exit %d\n%s", code, errs)
	}
	if err := os.Remove(filepath.Join(v.home, "sources.yaml")); err != nil { // the author's own default
		t.Fatal(err)
	}
	v.write("empty.txt", "")
	v.search()
}

// told is a flow whose server tells it every secret again, and that saves
// and returns what it was told.
const told = evilFlow + `  - { id: a, action: http, with: { method: POST, url: /echo/200/0/json, ` + withAll + `json: { p: "${{ secrets.password }}" } }, save: { message: message, all: { expression: response.body }, text: { body: text }, link: { header: Location } } }
  - { id: b, set: { part: "${{ split(data.message, ' ')[1] }}", copy: { deep: [ "${{ data.message }}" ] }, mine: "${{ secrets.password }}", small: "${{ inputs.pin }}!" } }
  - { id: c, for_each: { in: "[1, 2]", as: n }, set: { heard: "${{ n }} ${{ data.message }}" } }
outputs:
  message: ${{ data.message }}
  all: ${{ data.all }}
  part: ${{ data.part }}
  heard: ${{ data.heard }}
  mine: ${{ secrets.password }}
  coded: ${{ base64(secrets.client_secret) }} ${{ hex(secrets.client_secret) }} ${{ urlEncode(secrets.password) }}
  token: ${{ data.access_token }}
  count: ${{ len(data.access_token) }}
`

func TestWhatAServerTellsAgainIsMaskedInOutputsAndData(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.env = append(v.env, "EVIL_URL="+evil(t))
	v.write("told.yaml", told)
	for _, args := range [][]string{{"run"}, {"run", "-v"}, {"run", "--json"}, {"plan"}, {"plan", "--json"}, {"env"}, {"env", "--json"}} {
		if out, errs, code := v.run(append(args, "told.yaml")...); code != 0 || args[0] == "run" && !strings.Contains(out, "[secret mine]") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	v.look()
	id := v.newest()
	for _, name := range []string{"access_token", "message", "part", "copy", "mine", "small", "heard", "heard[0]", "c[1].heard", "link", "text", "all"} {
		v.run("data", id, name)
		v.run("data", "--json", id, name)
	}
	v.search()

	// whoever asks for them gets them
	for _, args := range [][]string{{"run", "--reveal", "told.yaml"}, {"runs", "show", "--json", "--reveal", id}, {"data", "--reveal", "--json", id}, {"data", "--reveal", id, "mine"}} {
		out, errs, code := v.run(args...)
		if code != 0 || len(leaks(out, []canary{{"password", hardPassword}})) == 0 {
			t.Errorf("%v: exit %d: --reveal shows nothing\n%s%s", args, code, out, errs)
		}
		if found := leaks(errs, v.secrets); len(found) > 0 {
			t.Errorf("%v: stderr tells %v", args, found)
		}
	}
}

func TestABatchTellsNoSecret(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.env = append(v.env, "EVIL_URL="+evil(t))
	v.write("batch.yaml", strings.Replace(evilFlow, "pin: {", "status: integer\n  pin: {", 1)+
		`  - { id: a, action: http, with: { method: POST, url: "/echo/${{ inputs.status }}/0/json", `+withAll+`json: { p: "${{ secrets.password }}" } }, save: { message: message } }
outputs: { message: "${{ data.message }}" }
`)
	rows := outside(t, "rows.json", fmt.Sprintf(`[{"status": 200, "pin": %q}, {"status": 401, "pin": %[1]q}, {"status": 500, "pin": %[1]q}]`, hardPin))
	for _, args := range [][]string{{"--jobs", "3"}, {"--json"}, {"-v"}} {
		if out, errs, code := v.run(append([]string{"run", "batch.yaml", "--each", rows}, args...)...); code != 6 {
			t.Errorf("exit %d\n%s%s", code, out, errs)
		}
	}
	v.run("runs", "list")
	v.look()
	v.search()
}

func TestResumeAndAssumeTellNoSecret(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.env = append(v.env, "EVIL_URL="+evil(t))
	v.write("flow.yaml", evilFlow+`  - { id: a, action: http, with: { method: POST, url: /slow, timeout: 100ms, `+withAll+`json: { } }, save: { session_token: { path: key, type: integer } } }
`)
	if _, errs, code := v.run("run", "flow.yaml"); code != 10 {
		t.Fatalf("exit %d\n%s", code, errs)
	}
	id := v.newest()
	for _, args := range [][]string{{"--assume", "a=sent", "-d", "a:session_token=" + hardPin}, {"--assume", "a=" + hardPin}, {"--assume", "a=sent", "-d", "b:session_token=" + hardPin}} {
		if _, errs, code := v.run(append([]string{"resume", id}, args...)...); code == 0 {
			t.Errorf("exit %d\n%s", code, errs)
		}
		v.said[len(v.said)-1].args = "resume"
	}
	v.look()
	v.search()
}

func TestTheFilesOfAHomeAreTheUsersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no modes")
	}
	v := newVault(t)
	v.write("flow.yaml", "stepwell: 1\nname: f\nsteps: [ { id: a, set: { x: 1 } } ]\n")
	if _, errs, code := v.run("run", "flow.yaml"); code != 0 {
		t.Fatal(errs)
	}
	files := map[string]fs.FileMode{".config/stepwell": 0o700, ".config/stepwell/key": 0o600, ".local/state/stepwell": 0o700,
		".local/state/stepwell/runs.db": 0o600, ".local/state/stepwell/runs.db.owners": 0o700}
	for name, want := range files {
		info, err := os.Stat(filepath.Join(v.home, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	_, errs, code := v.run("run", "flow.yaml")
	if code != 0 || strings.Contains(errs, "key") {
		t.Errorf("the second run: exit %d\n%s", code, errs)
	}
	if err := os.Chmod(filepath.Join(v.home, ".config/stepwell/key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, _ := v.run("run", "flow.yaml"); !strings.Contains(errs, "chmod 600") {
		t.Errorf("a key that others may read is not told:\n%s", errs)
	}
}

// A watcher keeps everything that an observer is told.
type watcher struct {
	mu   sync.Mutex
	text strings.Builder
}

func (*watcher) Verbose() bool { return true }

func (w *watcher) note(v any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fmt.Fprintf(&w.text, "%+v\n", v)
}

func (w *watcher) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	w.note(s)
	return ctx, func(e flow.End) {
		w.note(e)
		for _, v := range []any{e.Request, e.Answer, e.Error} {
			text, _ := json.Marshal(v)
			w.note(string(text))
			w.note(v)
		}
		if e.Request != nil {
			w.note(string(e.Request.Body))
		}
		if e.Answer != nil {
			w.note(string(e.Answer.Body))
		}
	}
}

type hearing struct{ Say string }

func TestALibraryTellsItsObserverNoSecret(t *testing.T) {
	t.Parallel()
	secrets := []canary{{"client_secret", hardSecret}, {"password", hardPassword}, {"pin", hardPin}, {"token", evilToken}, {"refresh", evilRefresh}, {"key", evilKey}}
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
	kit.Actions["panic"] = flow.Func("Panics with what it is told.", func(_ context.Context, in hearing) (flow.Result, error) { panic("told " + in.Say) })
	kit.Actions["error"] = flow.Func("Fails with what it is told.", func(_ context.Context, in hearing) (flow.Result, error) {
		return flow.Result{}, fmt.Errorf("told %q", in.Say)
	})
	for name, steps := range map[string]string{
		"all is well": `  - { id: a, action: http, with: { url: /session }, save: { session_token: session.key } }`,
		"a panic":     `  - { id: a, action: panic, with: { say: "${{ secrets.password }} ${{ data.access_token }}" } }`,
		"an error":    `  - { id: a, action: error, with: { say: "${{ secrets.password }} ${{ data.access_token }} ${{ inputs.pin }}" } }`,
		"an answer":   `  - { id: a, action: http, with: { method: POST, url: /echo/401/0/json, ` + withAll + `json: { p: "${{ secrets.password }}" } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte(evilFlow + steps + "\n")}}, "test.yaml", kit)
			if err != nil {
				t.Fatal(err)
			}
			w := &watcher{}
			x := &flow.Executor{Observer: w, Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
				return map[string]string{"client_secret": hardSecret, "password": hardPassword}[s.Name], nil
			}}
			run, err := x.Run(t.Context(), p, flow.Inputs{"url": evil(t), "pin": hardPin})
			if (err == nil) != (name == "all is well") {
				t.Errorf("%v", err)
			}
			w.note(err)
			w.note(run)
			var e *flow.Error
			if errors.As(err, &e) {
				shown := *e
				shown.Body = nil // for programs
				w.note(fmt.Sprintf("%+v", shown))
			}
			if text := w.text.String(); len(leaks(text, secrets)) > 0 {
				t.Errorf("the observer is told %v:\n%s", leaks(text, secrets), text)
			}
		})
	}
}
