package stepwell_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

// waiting is a flow that is interrupted in its second step.
const waiting = `stepwell: 1
name: waiting
inputs: { base_url: { type: string, env: EHR_BASE_URL }, ms: { type: integer, default: 60000 } }
secrets: { client_secret: { env: EHR_CLIENT_SECRET } }
defaults: { http: { base_url: "${{ inputs.base_url }}" } }
steps:
  - { id: token, action: http, with: { method: POST, url: /oauth/token, basic: { username: clinic-7, password: "${{ secrets.client_secret }}" }, form: { grant_type: client_credentials } }, save: { access_token: access_token } }
  - { id: slow, action: http, with: { method: METHOD, url: "/slow?ms=${{ inputs.ms }}", bearer: "${{ data.access_token }}" }, save: { waited: { path: ms, optional: true } } }
  - { id: last, action: http, with: { url: /patients/9434765919, bearer: "${{ data.access_token }}" }, save: { name: name.0.text } }
outputs: { name: "${{ data.name }}" }
`

// begin starts the command without waiting for it.
func (v *vault) begin(args ...string) (cmd *exec.Cmd, end func() (stdout, stderr string, code int)) {
	v.t.Helper()
	var out, errs bytes.Buffer
	cmd = exec.Command(v.path, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = v.home, v.env, &out, &errs
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd, func() (string, string, int) {
		timer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
		v.keep(strings.Join(args, " "), out.String()+"\n"+errs.String())
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
}

// arrived waits until a call of the flow is on its way.
func arrived(t *testing.T, s *sandbox.Server, path string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.Wait(ctx, "", path, n); err != nil {
		t.Fatalf("%s was not called: %v", path, err)
	}
}

func signal(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func needSignals(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
}

func TestASignalLetsTheCallEndAndTheRunGoOnLater(t *testing.T) {
	t.Parallel()
	needSignals(t)
	for name, tt := range map[string]struct {
		signal syscall.Signal
		code   int
	}{"SIGINT": {syscall.SIGINT, 130}, "SIGTERM": {syscall.SIGTERM, 143}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVault(t)
			s := v.clinic()
			v.write("flow.yaml", strings.Replace(waiting, "METHOD", "POST", 1))
			cmd, end := v.begin("run", "flow.yaml", "-v", "-i", "ms=700")
			arrived(t, s, "/slow", 1)
			signal(t, cmd, tt.signal)
			out, errs, code := end()
			if code != tt.code || out != "" || !strings.Contains(errs, "interrupted") || !strings.Contains(errs, "stepwell resume ") {
				t.Errorf("exit %d\n%s%s", code, out, errs)
			}
			v.look()
			out, errs, code = v.run("resume", v.newest())
			if code != 0 || !strings.Contains(out, "Sample") {
				t.Errorf("resume: exit %d\n%s%s", code, out, errs)
			}
			for _, path := range []string{"/oauth/token", "/slow", "/patients/9434765919"} {
				if n := s.Count("", path); n != 1 {
					t.Errorf("%s was called %d times", path, n)
				}
			}
			v.tokens(s)
			v.search()
		})
	}
}

func TestASecondSignalEndsAtOnceAndLosesNothing(t *testing.T) {
	t.Parallel()
	needSignals(t)
	v := newVault(t)
	s := v.clinic()
	v.write("flow.yaml", strings.Replace(waiting, "METHOD", "POST", 1))
	cmd, end := v.begin("run", "flow.yaml")
	arrived(t, s, "/slow", 1)
	began := time.Now()
	signal(t, cmd, syscall.SIGINT)
	time.AfterFunc(300*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGINT) })
	out, errs, code := end()
	if took := time.Since(began); code != 130 || out != "" || took > 5*time.Second {
		t.Errorf("exit %d after %s\n%s%s", code, took, out, errs)
	}
	if !strings.Contains(errs, "once more") {
		t.Errorf("nothing says what a second one does:\n%s", errs)
	}
	id := v.newest()
	list, _, _ := v.run("runs", "list")
	if !strings.Contains(list, "interrupted") {
		t.Errorf("the run is not listed as interrupted:\n%s", list)
	}
	out, errs, code = v.run("resume", id)
	if code != 10 || !strings.Contains(errs, "slow=sent") {
		t.Errorf("resume: exit %d\n%s%s", code, out, errs)
	}
	v.look()
	out, errs, code = v.run("resume", id, "--assume", "slow=sent")
	if code != 0 || !strings.Contains(out, "Sample") || s.Count("", "/slow") != 1 || s.Count("", "/oauth/token") != 1 {
		t.Errorf("resume: exit %d, %d and %d calls\n%s%s", code, s.Count("", "/slow"), s.Count("", "/oauth/token"), out, errs)
	}
	v.tokens(s)
	v.search()
}

func TestAnInterruptedBatchGoesOnWithWhatIsLeft(t *testing.T) {
	t.Parallel()
	needSignals(t)
	v := newVault(t)
	s := v.clinic()
	v.write("flow.yaml", strings.Replace(waiting, "METHOD", "GET", 1))
	v.write("rows.csv", "ms\n1\n700\n1\n1\n")
	cmd, end := v.begin("run", "flow.yaml", "--each", "rows.csv")
	arrived(t, s, "/slow", 2)
	signal(t, cmd, syscall.SIGINT)
	out, errs, code := end()
	_, after, ok := strings.Cut(errs, "stepwell resume ")
	if code != 130 || !ok || strings.Count(out, "Sample") != 1 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	out, errs, code = v.run("resume", strings.Fields(after)[0])
	if code != 0 || strings.Count(out, "Sample") != 4 || s.Count("", "/slow") != 4 || s.Count("", "/oauth/token") != 4 {
		t.Errorf("resume: exit %d, %d calls\n%s%s", code, s.Count("", "/slow"), out, errs)
	}
	v.tokens(s)
	v.search()
}

func TestWhatCannotBeReadIsRefusedInWords(t *testing.T) {
	t.Parallel()
	needSignals(t) // nor does Windows have pipes and links
	v := newVault(t)
	s := v.clinic()
	v.write("flow.yaml", "stepwell: 1\nname: f\ninputs: { base_url: { type: string, env: EHR_BASE_URL } }\nsteps: [ { id: a, action: http, with: { url: \"${{ inputs.base_url }}/slow?ms=1\" } } ]\n")
	v.write("upload.yaml", "stepwell: 1\nname: f\ninputs: { base_url: { type: string, env: EHR_BASE_URL } }\nsteps: [ { id: a, action: http, timeout: 5s, with: { method: POST, file: pipe, url: \"${{ inputs.base_url }}/slow?ms=1\" } } ]\n")
	v.write("secret.yaml", "stepwell: 1\nname: f\nsecrets: { a: { file: folder } }\nsteps: [ { id: a, set: { x: \"${{ secrets.a }}\" } } ]\n")
	v.write("empty", "")
	v.write("text", "this is a letter, which is longer than sixteen bytes\n")
	v.write("bytes.csv", "a,b\n\xff\xfe,1\n")
	in := func(name string) string { return filepath.Join(v.home, name) }
	for _, err := range []error{os.Mkdir(in("folder"), 0o700), syscall.Mkfifo(in("pipe"), 0o600), os.Symlink("loop", in("loop")), os.Symlink("/etc/hosts", in("away")),
		os.WriteFile(in("huge.yaml"), bytes.Repeat([]byte("# long\n"), 200_000), 0o600), os.WriteFile(in("short.key"), []byte("c2hvcnQ="), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"no file", []string{"run", "nowhere.yaml"}, 2, []string{"nowhere.yaml", "no such file"}},
		{"no folder", []string{"run", "nowhere/flow.yaml"}, 1, []string{"there is no folder", "nowhere"}},
		{"a folder", []string{"run", "folder"}, 2, []string{"folder is a folder"}},
		{"a file as a folder", []string{"run", "flow.yaml/x.yaml"}, 1, []string{"a part of its path is a file"}},
		{"a pipe", []string{"run", "pipe"}, 2, []string{"pipe is a pipe or a device, not a file"}},
		{"a link in a circle", []string{"run", "loop"}, 2, []string{"loop", "symbolic links"}},
		{"a link that leads out", []string{"run", "away"}, 2, []string{"away", "leads out of the project's folder"}},
		{"an empty file", []string{"run", "empty"}, 2, []string{"the file is empty", "stepwell: 1"}},
		{"a huge file", []string{"run", "huge.yaml"}, 2, []string{"larger than 1 MiB"}},
		{"no flow", []string{"run", "text"}, 2, []string{"error["}},
		{"a pipe to upload", []string{"run", "upload.yaml"}, 3, []string{"a pipe or a device, not a file"}},
		{"a folder as a secret", []string{"run", "secret.yaml"}, 5, []string{"secret a", "it is a folder"}},
		{"inputs that are a folder", []string{"run", "flow.yaml", "--inputs", "folder"}, 1, []string{"it is a folder"}},
		{"rows that are not UTF-8", []string{"run", "flow.yaml", "--each", "bytes.csv"}, 1, []string{"bytes.csv", "not UTF-8"}},
		{"rows that are empty", []string{"run", "flow.yaml", "--each", "empty"}, 1, []string{"empty", "it is empty"}},
		{"a store that is a folder", []string{"run", "flow.yaml", "--store", "folder"}, 7, []string{"is a folder", "--store memory"}},
		{"a store that is a text", []string{"run", "flow.yaml", "--store", "text"}, 7, []string{"not a SQLite database", "another name"}},
		{"a store that is a pipe", []string{"run", "flow.yaml", "--store", "pipe"}, 7, []string{"is not a file"}},
		{"a store below a file", []string{"run", "flow.yaml", "--store", "text/runs.db"}, 7, []string{"a part of its path is a file"}},
		{"a store of another kind", []string{"run", "flow.yaml", "--store", "mysql://me:" + hardPin + "@h/db"}, 1, []string{"is no store", "sqlite:PATH"}},
		{"a key that is too short", []string{"run", "flow.yaml", "--key-file", "short.key"}, 1, []string{"short.key", "32 are needed"}},
		{"a key that is a folder", []string{"run", "flow.yaml", "--key-file", "folder"}, 1, []string{"folder", "it is a folder"}},
		{"runs of a store that is none", []string{"runs", "list", "--store", "text"}, 7, []string{"not a SQLite database"}},
	}
	for _, tt := range tests {
		cmd, end := v.begin(tt.args...)
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		out, errs, code := end()
		timer.Stop()
		v.said[len(v.said)-1].args = tt.name
		if code != tt.code || out != "" {
			t.Errorf("%s: exit %d, want %d\n%s%s", tt.name, code, tt.code, out, errs)
		}
		for _, words := range tt.says {
			if !strings.Contains(errs, words) {
				t.Errorf("%s: %q is not said:\n%s", tt.name, words, errs)
			}
		}
		for _, words := range []string{"fs.", "PathError", "goroutine", "runtime error", "(26)"} {
			if strings.Contains(errs, words) {
				t.Errorf("%s: a user is told %q:\n%s", tt.name, words, errs)
			}
		}
	}
	if n := s.Count("", "/slow"); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
	text, err := os.ReadFile(in("text"))
	if err != nil || !strings.HasPrefix(string(text), "this is a letter") {
		t.Errorf("a file that is no store was changed: %q, %v", text, err)
	}
	v.search()
}

func TestADamagedStoreIsSaidToBeOneAndLeftAlone(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	v.write("flow.yaml", "stepwell: 1\nname: f\nsteps: [ { id: a, set: { x: 1 } } ]\n")
	if _, errs, code := v.run("run", "flow.yaml", "--store", "runs.db"); code != 0 {
		t.Fatal(errs)
	}
	whole, err := os.ReadFile(filepath.Join(v.home, "runs.db"))
	if err != nil || len(whole) < 8192 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	torn := bytes.Clone(whole[:len(whole)/2])
	for i := 4096; i < len(torn); i++ {
		torn[i] ^= 0x5a
	}
	v.write("torn.db", string(torn))
	for _, args := range [][]string{{"runs", "list"}, {"run", "flow.yaml"}} {
		out, errs, code := v.run(append(args, "--store", "torn.db")...)
		if code != 7 || out != "" || !strings.Contains(errs, "damaged") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	after, err := os.ReadFile(filepath.Join(v.home, "torn.db"))
	if err != nil || !bytes.Equal(after, torn) {
		t.Errorf("the damaged store was changed: %v", err)
	}
}

func TestAFolderThatCannotBeWrittenIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	v := newVault(t)
	v.write("flow.yaml", "stepwell: 1\nname: f\nsteps: [ { id: a, set: { x: 1 } } ]\n")
	for _, name := range []string{"config", "state"} {
		if err := os.Mkdir(filepath.Join(v.home, name), 0o500); err != nil {
			t.Fatal(err)
		}
	}
	v.env = append(v.env, "XDG_CONFIG_HOME="+filepath.Join(v.home, "config"))
	if _, errs, code := v.run("run", "flow.yaml"); code != 1 || !strings.Contains(errs, "permission denied") || !strings.Contains(errs, "--key-file") {
		t.Errorf("a folder for the key: exit %d\n%s", code, errs)
	}
	v.env = append(v.env, "XDG_CONFIG_HOME=", "XDG_STATE_HOME="+filepath.Join(v.home, "state"))
	if _, errs, code := v.run("run", "flow.yaml"); code != 7 || !strings.Contains(errs, "permission denied") || !strings.Contains(errs, "--store") {
		t.Errorf("a folder for the store: exit %d\n%s", code, errs)
	}
	v.write("locked.yaml", "stepwell: 1\n")
	if err := os.Chmod(filepath.Join(v.home, "locked.yaml"), 0); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := v.run("run", "locked.yaml"); code != 2 || !strings.Contains(errs, "permission denied") {
		t.Errorf("a flow: exit %d\n%s", code, errs)
	}
}
