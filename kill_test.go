package stepwell_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// stepwell builds the command once.
var stepwell = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "stepwell-command")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "stepwell")
	out, err := exec.Command("go", "build", "-o", path, "./cmd/stepwell").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s", out)
	}
	builds.Store("stepwell", func() (string, error) { return path, nil })
	return path, nil
})

// A ledger is a server that books each POST it is sent, and can be asked.
type ledger struct {
	mu     sync.Mutex
	booked map[int]int
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var entry struct{ N int }
	body, _ := io.ReadAll(r.Body)
	if json.Unmarshal(body, &entry) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	l.booked[entry.N]++
	l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
}

func (l *ledger) has(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.booked[n] > 0
}

const killed = `stepwell: 1
name: killed
inputs: { url: string }
steps:
  - id: post
    for_each: { in: "1..60", as: n }
    action: http
    with: { method: POST, url: "${{ inputs.url }}/entries", json: { n: "${{ n }}" } }
    save: { entry: n }
outputs: { entries: "${{ len(data.entry) }}" }
`

// A process is the command over one store.
type process struct {
	t    *testing.T
	path string
	dir  string
}

// run runs the command and kills it after a while (0: lets it end).
func (p *process) run(kill time.Duration, args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(p.path, args...)
	cmd.Dir, cmd.Env = p.dir, p.env()
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	if kill > 0 {
		timer := time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	_ = cmd.Wait()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (p *process) env() []string {
	return append(os.Environ(), "HOME="+p.dir, "XDG_STATE_HOME="+p.dir, "XDG_CONFIG_HOME="+p.dir, "NO_COLOR=1")
}

var undecided = regexp.MustCompile(`--assume (post\[(\d+)\])=sent`)

func TestAHundredKillsLoseNoRecordedStepAndRepeatNone(t *testing.T) {
	if testing.Short() {
		t.Skip("kills a hundred processes")
	}
	path, err := stepwell()
	if err != nil {
		t.Fatal(err)
	}
	kills, doubts := 0, 0
	for kills < 100 {
		l := &ledger{booked: map[int]int{}}
		s := httptest.NewServer(l)
		p := &process{t: t, path: path, dir: t.TempDir()}
		if err := os.WriteFile(filepath.Join(p.dir, "flow.yaml"), []byte(killed), 0o600); err != nil {
			t.Fatal(err)
		}
		args := []string{"run", "flow.yaml", "-i", "url=" + s.URL}
		for {
			out, errs, code := p.run(time.Duration(20+rand.IntN(130))*time.Millisecond, args...)
			if code == 0 {
				var got struct{ Entries int }
				if err := json.Unmarshal([]byte(out), &got); err != nil || got.Entries != 60 {
					t.Fatalf("outputs %q", out)
				}
				break
			}
			if code == -1 {
				kills++
			}
			id, status := p.last()
			if status == "succeeded" {
				break // it was killed between its last record and its end
			}
			if id != "" {
				args = []string{"resume", id}
			}
			if code != 10 {
				if code != -1 {
					t.Fatalf("exit %d\n%s", code, errs)
				}
				continue
			}
			doubts++
			told := map[string]bool{}
			for _, m := range undecided.FindAllStringSubmatch(errs, -1) {
				if told[m[1]] {
					continue
				}
				told[m[1]] = true
				i, _ := strconv.Atoi(m[2])
				if l.has(i + 1) {
					args = append(args, "--assume", m[1]+"=sent", "-d", fmt.Sprintf("%s:entry=%d", m[1], i+1))
				} else {
					args = append(args, "--assume", m[1]+"=not-sent")
				}
			}
		}
		s.Close()
		for n, times := range l.booked {
			if times != 1 {
				t.Errorf("entry %d was booked %d times", n, times)
			}
		}
		if len(l.booked) != 60 {
			t.Errorf("%d entries were booked, want 60", len(l.booked))
		}
	}
	t.Logf("%d kills, of which %d left a call in doubt", kills, doubts)
}

// last is the id of the newest run, "" if none was recorded yet.
func (p *process) last() (id, status string) {
	out, errs, code := p.run(0, "runs", "list", "--json")
	if code != 0 {
		p.t.Fatalf("runs list: exit %d\n%s", code, errs)
	}
	var runs []struct {
		RunID  string `json:"run_id"`
		Status string `json:"status"`
	}
	if err := json.Unmarshal([]byte(out), &runs); err != nil {
		p.t.Fatal(err)
	}
	if len(runs) == 0 {
		return "", ""
	}
	return runs[0].RunID, runs[0].Status
}
