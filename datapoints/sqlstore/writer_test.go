package sqlstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

// The environment variable that makes this program commit until it is killed.
const victimVariable = "STEPWELL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimVariable); path != "" {
		victim(path)
	}
	os.Exit(m.Run())
}

// victim commits from several goroutines and tells each commit that is done.
func victim(path string) {
	s, _, err := openFile(quiet{}, path)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var tell sync.Mutex
	for g := range 4 {
		go func() {
			run := fmt.Sprintf("%d-%d", os.Getpid(), g)
			l := datapoints.Lease{Run: run, Owner: "victim", Epoch: 1}
			err := s.Create(context.Background(), datapoints.Run{ID: run, Lease: l})
			for i := 0; err == nil; i++ {
				err = s.Commit(context.Background(), l, record(i), datapoints.Record{Path: "last", Row: datapoints.Row{N: i}})
				tell.Lock()
				fmt.Println(run, i)
				tell.Unlock()
			}
			fmt.Println("error", err)
			os.Exit(1)
		}()
	}
	select {}
}

func record(i int) datapoints.Record {
	path := fmt.Sprintf("loop[%d].send", i)
	return datapoints.Record{Path: path, At: time.Unix(1, 0), Row: datapoints.Row{N: i, Last: datapoints.Outcome{Status: datapoints.Done}},
		Points: []datapoints.Point{{Slot: datapoints.Slot{Scope: path, Name: "x"}, Step: path, Value: datapoints.JSON(strconv.Itoa(i))}}}
}

// quiet is a testing.TB for a process without a test.
type quiet struct{ testing.TB }

func (quiet) Helper()        {}
func (quiet) Cleanup(func()) {}

func TestAKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs.db")
	acknowledged := map[string]int{}
	for range 20 {
		killOne(t, path, acknowledged)
	}
	s, _, err := openFile(t, path)
	must(t, err)
	total := 0
	for run, last := range acknowledged {
		c, err := s.Read(context.Background(), run, datapoints.Query{Rows: true, History: true})
		must(t, err)
		// The last commit may have been made without being told; half a commit never.
		n := len(c.Points)
		if n <= last || len(c.Rows) != n+1 {
			t.Fatalf("run %s: %d points and %d rows, %d was acknowledged", run, n, len(c.Rows), last)
		}
		for i, p := range c.Points {
			if p.Value.Reveal() != strconv.Itoa(i) {
				t.Fatalf("run %s: point %d is %s", run, i, p.Value)
			}
		}
		for _, r := range c.Rows {
			if r.Path == "last" && r.Row.N != n-1 {
				t.Fatalf("run %s: %d points, but the row says %d", run, n, r.Row.N)
			}
		}
		total += n
	}
	t.Logf("%d runs, %d commits", len(acknowledged), total)
}

// killOne starts a victim, waits for a random number of commits and kills it.
func killOne(t *testing.T, path string, acknowledged map[string]int) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), victimVariable+"="+path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	left := 20 + rand.IntN(200)
	for lines.Scan() {
		run, n, ok := strings.Cut(lines.Text(), " ")
		i, err := strconv.Atoi(n)
		if !ok || err != nil {
			if left <= 0 {
				continue // cut by the kill
			}
			_ = cmd.Process.Kill()
			t.Fatalf("the process said %q", lines.Text())
		}
		acknowledged[run] = max(acknowledged[run], i)
		if left--; left == 0 {
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || left > 0 {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

func TestCloseCommitsWhatWaitsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	l := datapoints.Lease{Run: "r", Owner: "me", Epoch: 1}
	must(t, s.Create(ctx, datapoints.Run{ID: "r", Lease: l}))
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() {
			for i := range 100 {
				if err := s.Commit(ctx, l, record(i)); err != nil {
					if !errors.Is(err, sqlstore.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	must(t, s.Close())
	must(t, s.Close())
	g.Wait()
	_, load := s.Load(ctx, "r")
	_, list := s.List(ctx, datapoints.Filter{})
	_, read := s.Read(ctx, "r", datapoints.Query{Rows: true})
	for name, err := range map[string]error{"Load": load, "List": list, "Read": read, "Commit": s.Commit(ctx, l), "Delete": s.Delete(ctx, "r")} {
		if !errors.Is(err, sqlstore.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACommitWhoseContextEndsIsEitherWrittenOrFails(t *testing.T) {
	t.Parallel()
	s := open(t)
	l := datapoints.Lease{Run: "r", Owner: "me", Epoch: 1}
	must(t, s.Create(context.Background(), datapoints.Run{ID: "r", Lease: l}))
	var mu sync.Mutex
	written := map[string]bool{}
	var g sync.WaitGroup
	for i := range 200 {
		g.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			go cancel()
			err := s.Commit(ctx, l, record(i))
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			mu.Lock()
			written[record(i).Path] = err == nil
			mu.Unlock()
		})
	}
	g.Wait()
	c, err := s.Read(context.Background(), "r", datapoints.Query{Rows: true})
	must(t, err)
	for _, r := range c.Rows {
		if !written[r.Path] {
			t.Errorf("%s was written although Commit failed", r.Path)
		}
		delete(written, r.Path)
	}
	for path, was := range written {
		if was {
			t.Errorf("%s was not written", path)
		}
	}
}

func TestACommitThatTheDatabaseRefusesFailsNobodyElse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	s, db, err := openFile(t, path)
	must(t, err)
	_, err = db.Exec("CREATE TRIGGER refuse BEFORE INSERT ON stepwell_points WHEN NEW.name = 'bad' BEGIN SELECT RAISE(ABORT, 'refused'); END")
	must(t, err)
	var g sync.WaitGroup
	for i := range 60 {
		l := datapoints.Lease{Run: fmt.Sprint(i), Owner: "me", Epoch: 1}
		must(t, s.Create(ctx, datapoints.Run{ID: l.Run, Lease: l}))
		g.Go(func() {
			r := record(1)
			if i%5 == 0 {
				r.Points[0].Name = "bad"
			}
			err := s.Commit(ctx, l, record(0), r)
			if (i%5 == 0) != (err != nil) {
				t.Errorf("%d: %v", i, err)
			}
			c, err := s.Read(ctx, l.Run, datapoints.Query{Rows: true, History: true})
			want := 2
			if i%5 == 0 {
				want = 0
			}
			if err != nil || len(c.Rows) != want || len(c.Points) != want {
				t.Errorf("%d: %d rows, %d points, %v", i, len(c.Rows), len(c.Points), err)
			}
		})
	}
	g.Wait()
}

func TestTwoStoresOnOneDatabaseSeeEachOther(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	a, _, err := openFile(t, path)
	must(t, err)
	b, _, err := openFile(t, path)
	must(t, err)
	now := time.Unix(1_800_000_000, 0)
	must(t, a.Create(ctx, datapoints.Run{ID: "r", Lease: datapoints.Lease{Owner: "a", Until: now}}))
	la := datapoints.Lease{Run: "r", Owner: "a", Epoch: 1}
	must(t, a.Commit(ctx, la, record(0), record(1)))
	lb, err := b.Claim(ctx, datapoints.Lease{Run: "r", Owner: "b", Until: now}, now, nil)
	must(t, err)
	must(t, b.Commit(ctx, lb, record(2), record(1)))
	if err := a.Commit(ctx, la, record(3)); !errors.Is(err, datapoints.ErrLeaseLost) {
		t.Errorf("%v", err)
	}
	la, err = a.Claim(ctx, datapoints.Lease{Run: "r", Owner: "a", Until: now}, now, nil)
	must(t, err)
	must(t, a.Commit(ctx, la, record(4)))
	for _, s := range []*sqlstore.Store{a, b} {
		c, err := s.Read(ctx, "r", datapoints.Query{Rows: true, History: true})
		must(t, err)
		var order []string
		for _, r := range c.Rows {
			order = append(order, strconv.Itoa(r.Row.N))
		}
		for _, p := range c.Points {
			order = append(order, p.Value.Reveal())
		}
		if got := strings.Join(order, " "); got != "0 1 2 4 0 1 2 1 4" {
			t.Errorf("rows and points: %s", got)
		}
	}
}

func TestTwoProcessesMayMakeTheTablesAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "runs.db")
	var g sync.WaitGroup
	for i := range 6 {
		g.Go(func() {
			s, _, err := openFile(t, path)
			if err == nil {
				err = s.Create(context.Background(), datapoints.Run{ID: fmt.Sprint(i)})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
}

func TestOneConnectionIsNotEnough(t *testing.T) {
	t.Parallel()
	_, db, err := openFile(t, filepath.Join(t.TempDir(), "runs.db"))
	must(t, err)
	db.SetMaxOpenConns(1)
	if _, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite()); err == nil {
		t.Error("no error")
	}
}

func TestTwoConnectionsAreEnough(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, db, err := openFile(t, filepath.Join(t.TempDir(), "runs.db"))
	must(t, err)
	db.SetMaxOpenConns(2)
	l := datapoints.Lease{Run: "r", Owner: "me", Epoch: 1}
	must(t, s.Create(ctx, datapoints.Run{ID: "r", Lease: l}))
	var g sync.WaitGroup
	for i := range 8 {
		g.Go(func() {
			err := s.Commit(ctx, l, record(i))
			_, read := s.Read(ctx, "r", datapoints.Query{Rows: true, History: true, Attempts: true, Slots: []datapoints.Slot{{Name: "x"}}})
			_, list := s.List(ctx, datapoints.Filter{Flow: fmt.Sprint(i)})
			if err := errors.Join(err, read, list); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
}
