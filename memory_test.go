package stepwell_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/flow"
)

// TestALoopKeepsNothingOfIterationsThatAreOver measures what is in memory when
// the last iterations run: with ten times as many before them it is the same,
// but for the list itself and what it says where it is recorded.
func TestALoopKeepsNothingOfIterationsThatAreOver(t *testing.T) {
	const few, many = 1_000, 10_000
	held := func(n int) uint64 {
		var calls atomic.Int64
		var heap uint64
		kit := flow.Kit{Actions: flow.Actions{"count": flow.Func("Counts.", func(context.Context, struct {
			N int `flow:"n"`
		}) (flow.Result, error) {
			if calls.Add(1) == int64(n)*2 {
				var m runtime.MemStats
				runtime.GC()
				runtime.GC()
				runtime.ReadMemStats(&m)
				heap = m.HeapAlloc
			}
			return flow.JSON(map[string]any{"ok": true})
		})}}
		text := fmt.Sprintf(`stepwell: 1
name: loop
steps:
  - id: each
    for_each: { in: "1..%d", concurrency: 32, max: %[1]d }
    steps:
      - { id: first, action: count, with: { n: "${{ item }}" } }
      - { id: again, if: item > 0, action: count, with: { n: "${{ index }}" } }
`, n)
		p, err := flow.Compile(fstest.MapFS{"loop.yaml": {Data: []byte(text)}}, "loop.yaml", kit)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "runs.db")
		if err := sqlstore.PrepareSQLite(path); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite())
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil); err != nil {
			t.Fatal(err)
		}
		return heap
	}
	held(few) // what the first run makes for the process
	a, b := held(few), held(many)
	grown := (float64(b) - float64(a)) / (many - few)
	t.Logf("%.0f bytes an iteration", grown)
	// An item is about 40 bytes: its value, and its digits in the record.
	if grown > 100 {
		t.Errorf("%.0f bytes an iteration are kept: %d bytes after %d, %d after %d", grown, a, few, b, many)
	}
}
