package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
)

func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){"stepwell": main})
}

// tidy are tests that leave no goroutine behind.
type tidy struct{ *testing.M }

// Run implements testscript.TestingM.
func (m tidy) Run() int {
	code := m.M.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestScripts runs testdata/script: each file is a session at a shell, with
// the sandbox up and its settings in the environment. Beyond testscript's own
// commands there are
//
//	code N COMMAND…            run a command that must end with exit code N
//	steady stdout|stderr       write what the last command printed to stdout.txt or stderr.txt, with
//	                           ids, times and addresses replaced, to be compared with cmp
//	arrived METHOD PATH N      wait until the sandbox has received N such requests
//	received METHOD PATH N     exactly N such requests have arrived so far
//	unquote-bytes FILE KEY TEXT [N]  write "KEY TEXT", TEXT with Go escapes and N times
//	newer FILE                 make a database one of a newer version
//	lastrun NAME [FLAGS…]      put the id of the newest run into a variable
//	tokenid NAME               put the id of the only kept token into a variable
//	batch NAME                 put the id of the newest run's batch into a variable
//
// UPDATE=1 in the environment rewrites what cmp compares with.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "../../testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Setup: settle,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": runForCode, "steady": steady, "arrived": arrived, "received": received, "unquote-bytes": writeBytes, "newer": makeNewer, "lastrun": lastRun, "batch": lastBatch, "tokenid": tokenID,
		},
	})
}

type serverKey struct{}

// settle gives a script a home of its own and a sandbox.
func settle(e *testscript.Env) error {
	s, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		return err
	}
	e.Values[serverKey{}] = s
	e.Defer(func() { _ = s.Close() })
	home := filepath.Join(e.WorkDir, "home")
	for name, value := range map[string]string{
		"HOME": home, "XDG_STATE_HOME": filepath.Join(home, "state"), "XDG_CONFIG_HOME": filepath.Join(home, "config"),
		"LC_ALL": "C.UTF-8", "SANDBOX": s.URL(), "TZ": "UTC",
	} {
		e.Setenv(name, value)
	}
	secret := ""
	for _, v := range s.Settings() {
		if v.Env != "" {
			e.Setenv(v.Env, v.Value)
		}
		if v.Name == "client_secret" {
			secret = v.Value
		}
	}
	e.Defer(func() {
		if found := leaks(e.WorkDir, secret); found != "" {
			e.T().Fatal("the client's secret is in " + found)
		}
	})
	e.Defer(func() {
		if broken := damage(home); broken != "" {
			e.T().Fatal("what the script recorded is not whole: " + broken)
		}
	})
	return os.Mkdir(home, 0o700)
}

// damage says what of the store in a home is damaged. What a script has sealed
// with a key that lies elsewhere, or removed, is not looked at.
func damage(home string) (found string) {
	c, stdout, _ := at(home, map[string]string{"HOME": home, "XDG_STATE_HOME": filepath.Join(home, "state"), "XDG_CONFIG_HOME": filepath.Join(home, "config")}, "runs", "verify", "--json")
	c.Main(context.Background())
	var v verifiedRuns
	if json.Unmarshal(stdout.Bytes(), &v) != nil { // there are no runs
		return ""
	}
	for _, r := range v.Failed {
		for _, text := range r.Problems {
			if !strings.Contains(text, datapoints.ErrKey.Error()) && !strings.Contains(text, datapoints.ErrDestroyed.Error()) {
				found += "\n" + r.Flow + ": " + text
			}
		}
	}
	return found + strings.Join(v.Database, "\n")
}

// leaks names a file below dir that holds the secret.
func leaks(dir, secret string) (found string) {
	forms := [][]byte{[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(secret)))}
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, form := range forms {
			if err == nil && bytes.Contains(text, form) {
				found = path
			}
		}
		return nil
	})
	return found
}

func runForCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	got := 0
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	ts.Logf("[stdout]\n%s[stderr]\n%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	if got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// changing is what differs from run to run, and what it stands as.
var changing = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`), "RUN"},
	{regexp.MustCompile(`\b0[0-9a-f]{7}-[0-9a-f]{4}\b`), "SHORT-RUN-ID."},
	{regexp.MustCompile(`batch-\d{8}-\d{6}-[a-z2-7]{6}`), "BATCH"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`\b[A-Z][a-z]{2},? \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d( GMT)?`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\.\d{3}\b`), "CLOCK"},
	{regexp.MustCompile(` *[▏▎▍▌▋▊▉█][ ▏▎▍▌▋▊▉█]*(·+[ ▏▎▍▌▋▊▉█]+)*`), " BAR "},
	{regexp.MustCompile(` *([+ ])\d+(\.\d+)?(ms|s)\b *`), " ${1}TIME "},
	{regexp.MustCompile(`TOOK +`), "TOOK  "},
	{regexp.MustCompile(`(?m) +$`), ""},
	{regexp.MustCompile(`"duration_ms": [0-9.]+`), `"duration_ms": 0`},
	{regexp.MustCompile(`stepwell/[^ ,\n]*(development|v[0-9])[^ ,\n]*`), "stepwell/VERSION"},
	{regexp.MustCompile(`clinic-[0-9a-f]{24}`), "CLIENT"},
}

func steady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: steady stdout|stderr")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[0]), ts.Getenv("WORK"), "WORK")
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.as)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".txt"), []byte(text), 0o600))
}

func requests(ts *testscript.TestScript, args []string) (s *sandbox.Server, method, path string, n int) {
	if len(args) != 3 {
		ts.Fatalf("usage: METHOD PATH N")
	}
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	return ts.Value(serverKey{}).(*sandbox.Server), args[0], args[1], n
}

func arrived(ts *testscript.TestScript, _ bool, args []string) {
	s, method, path, n := requests(ts, args)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ts.Check(s.Wait(ctx, method, path, n))
}

func received(ts *testscript.TestScript, _ bool, args []string) {
	s, method, path, n := requests(ts, args)
	if got := s.Count(method, path); got != n {
		ts.Fatalf("%s %s was received %d times, not %d", method, path, got, n)
	}
}

func lastRun(ts *testscript.TestScript, neg bool, args []string) { newest(ts, neg, args, "run_id") }

func lastBatch(ts *testscript.TestScript, neg bool, args []string) { newest(ts, neg, args, "batch") }

func newest(ts *testscript.TestScript, neg bool, args []string, member string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: NAME [FLAGS…]")
	}
	ts.Check(ts.Exec("stepwell", append([]string{"runs", "list", "--json", "-n", "1"}, args[1:]...)...))
	id := regexp.MustCompile(`"` + member + `": "([^"]+)"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if id == nil {
		ts.Fatalf("there are no runs")
	}
	ts.Setenv(args[0], id[1])
}

func tokenID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: NAME")
	}
	ts.Check(ts.Exec("stepwell", "token", "list", "--json"))
	ids := regexp.MustCompile(`"id": "([0-9a-f]{40})"`).FindAllStringSubmatch(ts.ReadFile("stdout"), -1)
	if len(ids) != 1 {
		ts.Fatalf("there are %d tokens, not one", len(ids))
	}
	ts.Setenv(args[0], ids[0][1])
}

func writeBytes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: unquote-bytes FILE KEY TEXT [N]")
	}
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	if len(args) == 4 {
		n, err := strconv.Atoi(args[3])
		ts.Check(err)
		text = strings.Repeat(text, n)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(args[1]+" "+text+"\n"), 0o600))
}

// makeNewer raises the version that the store has noted in the database.
func makeNewer(ts *testscript.TestScript, neg bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer func() { _ = db.Close() }()
	_, err = db.Exec("UPDATE stepwell_schema SET version = 999")
	ts.Check(err)
}
