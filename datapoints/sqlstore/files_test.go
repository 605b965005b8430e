package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

func TestAStoreThatCannotBeOpenedSaysWhy(t *testing.T) {
	t.Parallel()
	write := func(content string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte(content), 0o600)) }
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		says string
	}{
		"a folder":           {func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "is a folder: give the name of a file in it"},
		"text":               {write(strings.Repeat("stepwell: 1\n", 500)), "is not a SQLite database"},
		"a few bytes":        {write("hello"), "is not a SQLite database"},
		"a link to nowhere":  {func(t *testing.T, path string) { must(t, os.Symlink(path+"/x/y", path)) }, "cannot be"},
		"another program's":  {func(t *testing.T, path string) { run(t, path, "CREATE TABLE bookmarks (url TEXT)") }, "database of another program, with the table bookmarks"},
		"a damaged database": {damage, "the stored data is damaged"},
		"a read-only folder": {func(t *testing.T, path string) { readOnly(t, filepath.Dir(path)) }, "permission denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "runs.db")
			c.make(t, path)
			s, _, err := openFile(t, path)
			if err == nil { // some damage shows later
				_, err = s.List(context.Background(), datapoints.Filter{})
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if c.says == "the stored data is damaged" && !errors.Is(err, datapoints.ErrCorrupt) {
				t.Errorf("not ErrCorrupt: %v", err)
			}
		})
	}
	if err := sqlstore.PrepareSQLite(""); err == nil {
		t.Error("a store without a path was made")
	}
	if err := sqlstore.PrepareSQLite(filepath.Join(os.DevNull, "x", "runs.db")); err == nil {
		t.Error("a store below a file was made")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readOnly(t *testing.T, folder string) {
	if os.Geteuid() == 0 {
		t.Skip("the superuser may write everywhere")
	}
	must(t, os.Chmod(folder, 0o500))
	t.Cleanup(func() { must(t, os.Chmod(folder, 0o700)) })
}

// run executes SQL on a file without the Store.
func run(t *testing.T, path, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	must(t, err)
	_, err = db.Exec(text)
	must(t, errors.Join(err, db.Close()))
}

// damage makes a store and overwrites the pages after the first.
func damage(t *testing.T, path string) {
	t.Helper()
	s, db, err := openFile(t, path)
	must(t, err)
	must(t, s.Create(context.Background(), datapoints.Run{ID: "r"}))
	must(t, errors.Join(s.Close(), db.Close()))
	data, err := os.ReadFile(path)
	must(t, err)
	for i := 4096; i < len(data); i++ {
		data[i] = 0xa5
	}
	must(t, os.WriteFile(path, data, 0o600))
}

func TestADatabaseOfANewerVersionIsNotChanged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs.db")
	s, db, err := openFile(t, path)
	must(t, err)
	must(t, errors.Join(s.Close(), db.Close()))
	run(t, path, "UPDATE stepwell_schema SET version = 99; DROP TABLE stepwell_points; CREATE TABLE stepwell_news (a TEXT)")
	before, err := os.ReadFile(path)
	must(t, err)
	_, db, err = openFile(t, path)
	if !errors.Is(err, datapoints.ErrNewer) || !strings.Contains(err.Error(), "99") {
		t.Errorf("%v", err)
	}
	must(t, db.Close())
	after, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the database was changed")
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		t.Error("something was written into the log")
	}
}

func TestOnlyTheOwnerMayReadTheFiles(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "a", "b")
	s, _, err := openFile(t, filepath.Join(folder, "runs.db"))
	must(t, err)
	must(t, s.Create(context.Background(), datapoints.Run{ID: "r"}))
	for _, name := range []string{"runs.db", "runs.db-wal", "runs.db-shm"} {
		info, err := os.Stat(filepath.Join(folder, name))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %s", name, info.Mode())
		}
	}
	for _, f := range []string{folder, filepath.Dir(folder)} {
		info, err := os.Stat(f)
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has the mode %s", f, info.Mode())
		}
	}
	entries, err := os.ReadDir(folder)
	must(t, err)
	if len(entries) != 3 {
		t.Errorf("there are other files: %v", entries)
	}
}

func TestAPathMayHoldAnyCharacter(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with blank.db", "50%.db", "a?b#c&d=e.db", "größe.db", "a%20b.db", "+.db", "'\";.db"} {
		path := filepath.Join(t.TempDir(), name)
		s, _, err := openFile(t, path)
		must(t, err)
		must(t, s.Create(context.Background(), datapoints.Run{ID: "r"}))
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestWhatIsDeletedIsGoneFromTheDisk(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	s, _, err := openFile(t, path)
	must(t, err)
	const canary = "canary-5f0e8a"
	v := datapoints.Text(strings.Repeat(canary, 1000))
	l := datapoints.Lease{Run: "r1", Owner: "me", Epoch: 1}
	files := []datapoints.File{{Name: "a", Data: []byte(v.Reveal())}, {Name: "b", Data: []byte("in both")}}
	must(t, s.Create(ctx, datapoints.Run{ID: "r1", Inputs: v, Lease: l, Files: files}, datapoints.Run{ID: "r2", Files: files[1:]}))
	for _, text := range []datapoints.Value{v, datapoints.Text("short " + canary)} {
		must(t, s.Commit(ctx, l, datapoints.Record{Path: "s", Row: datapoints.Row{Hidden: text}, Attempts: []datapoints.Attempt{{N: 1, Message: text}},
			Points: []datapoints.Point{{Slot: datapoints.Slot{Name: canary}, Value: text}}, End: &datapoints.Run{State: datapoints.Running, Outputs: text}}))
	}
	if n := countInFiles(t, path, canary); n == 0 {
		t.Fatal("the test looks in the wrong place")
	}
	must(t, s.Delete(ctx, "r1"))
	if n := countInFiles(t, path, canary); n > 0 {
		t.Errorf("%d times in the files", n)
	}
	if r, err := s.Load(ctx, "r2"); err != nil || string(r.Files[0].Data) != "in both" {
		t.Errorf("%v, %v", r.Files, err)
	}
}

// SQLite leaves copies of rows behind when it spreads them over pages.
func TestNoRemainsOfManyDeletedRunsAreLeftAfterAScrub(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	s, _, err := openFile(t, path)
	must(t, err)
	const runs, deleted = 60, 45
	random := rand.New(rand.NewPCG(3, 2))
	name := func(n int) string { return fmt.Sprintf("run-%04d-canary", n) }
	for n := range runs {
		l := datapoints.Lease{Run: name(n), Owner: "me", Epoch: 1}
		v := func() datapoints.Value {
			return datapoints.Text(name(n) + strings.Repeat("x", random.IntN(1500)) + name(n))
		}
		must(t, s.Create(ctx, datapoints.Run{ID: l.Run, Inputs: v(), Lease: l, Files: []datapoints.File{{Name: "f", Data: []byte(v().Reveal())}}}))
		for k := range 8 {
			must(t, s.Commit(ctx, l, datapoints.Record{Path: fmt.Sprint("s", k), Row: datapoints.Row{Hidden: v()}, Attempts: []datapoints.Attempt{{N: 1, Message: v()}},
				Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "p"}, Value: v()}}}))
		}
	}
	order := random.Perm(runs)
	for _, n := range order[:deleted] {
		must(t, s.Delete(ctx, name(n)))
	}
	must(t, s.Scrub(ctx))
	for i, n := range order {
		if found := countInFiles(t, path, name(n)); (found > 0) != (i >= deleted) {
			t.Errorf("%s is %d times in the files", name(n), found)
		}
	}
}

func TestAScrubSaysWhenOthersUseTheDatabase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	db, err := sql.Open("sqlite", strings.Replace(sqlstore.SQLiteDSN(path), "10000", "20", 1)) // does not wait for long
	must(t, err)
	must(t, sqlstore.PrepareSQLite(path))
	s, err := sqlstore.Open(ctx, db, sqlstore.SQLite())
	must(t, err)
	t.Cleanup(func() { must(t, errors.Join(s.Close(), db.Close())) })
	must(t, s.Create(ctx, datapoints.Run{ID: "r1"}))
	for _, use := range []string{"BEGIN IMMEDIATE", "BEGIN; SELECT * FROM stepwell_runs"} {
		other, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
		must(t, err)
		conn, err := other.Conn(ctx)
		must(t, err)
		must(t, s.Create(ctx, datapoints.Run{ID: use})) // something for the log
		rows, err := conn.QueryContext(ctx, use)
		must(t, err)
		for rows.Next() {
		}
		must(t, rows.Err())
		if err := s.Scrub(ctx); !errors.Is(err, sqlstore.ErrInUse) {
			t.Errorf("while another holds %s: %v", use, err)
		}
		must(t, errors.Join(rows.Close(), conn.Close(), other.Close()))
	}
	must(t, s.Scrub(ctx))
}

func countInFiles(t *testing.T, path, text string) (n int) {
	t.Helper()
	matches, err := filepath.Glob(path + "*")
	must(t, err)
	for _, m := range matches {
		data, err := os.ReadFile(m)
		must(t, err)
		n += bytes.Count(data, []byte(text))
	}
	return n
}

func TestASealedStoreWritesNoSecret(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	below, _, err := openFile(t, path)
	must(t, err)
	s := datapoints.Seal(below, datapoints.NewMasterKey())
	const canary = "canary-5f0e8a"
	v := datapoints.Text(canary).Mark(datapoints.Sensitive, "token")
	l := datapoints.Lease{Run: "r1", Owner: "me", Epoch: 1}
	must(t, s.Create(ctx, datapoints.Run{ID: "r1", Inputs: v, Lease: l}))
	must(t, s.Commit(ctx, l, datapoints.Record{Path: "s", Row: datapoints.Row{Hidden: v}, Attempts: []datapoints.Attempt{{N: 1, Message: v}},
		Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "token"}, Value: v}}, End: &datapoints.Run{State: datapoints.Failed, Outputs: v, Failure: v}}))
	for _, form := range []string{canary, "Y2FuYXJ5LTVmMGU4Y", "63616e6172792d"} {
		if n := countInFiles(t, path, form); n > 0 {
			t.Errorf("%s: %d times in the files", form, n)
		}
	}
}

func TestAStoreIsReadWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "runs.db")
	s, db, err := openFile(t, path)
	must(t, err)
	must(t, s.Create(ctx, datapoints.Run{ID: "r", Flow: "flow"}))
	read := func(id string) {
		t.Helper()
		db, err := sql.Open("sqlite", sqlstore.SQLiteReadDSN(path))
		must(t, err)
		reader, err := sqlstore.Open(ctx, db, sqlstore.SQLite())
		must(t, err)
		if r, err := reader.Load(ctx, id); err != nil || r.Flow != "flow" {
			t.Errorf("%+v %v", r, err)
		}
		if err := reader.Create(ctx, datapoints.Run{ID: "other"}); err == nil {
			t.Error("a store that is only read was written")
		}
		must(t, errors.Join(reader.Close(), db.Close()))
	}
	must(t, s.Create(ctx, datapoints.Run{ID: "s", Flow: "flow"}))
	read("s") // which is in the log only
	must(t, errors.Join(s.Close(), db.Close()))
	before, err := filepath.Glob(path + "*")
	must(t, err)
	read("r")
	after, err := filepath.Glob(path + "*")
	must(t, err)
	if len(before) != 1 || len(after) != 1 {
		t.Errorf("files before %v, after %v", before, after)
	}
}
