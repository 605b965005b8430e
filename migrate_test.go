package stepwell_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/flow"
)

// testdata/store/version1.sql is what a program with the first version of the
// tables wrote: a run that succeeded, and one that a fail step ended.
func TestRunsOfTheFirstVersionOfTheTablesAreReadAndGoOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "runs.db")
	dump, err := os.ReadFile("testdata/store/version1.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), string(dump)); err != nil {
		t.Fatal(err)
	}
	version := func() (n int) {
		if err := db.QueryRowContext(t.Context(), "SELECT version FROM stepwell_schema").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := version(); n != 1 {
		t.Fatalf("the dump is of version %d", n)
	}
	s, err := sqlstore.Open(t.Context(), db, sqlstore.SQLite())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if n := version(); n < 3 {
		t.Errorf("the tables are of version %d", n)
	}

	runs, err := s.List(t.Context(), datapoints.Filter{})
	if err != nil || len(runs) != 2 || runs[0].State != datapoints.Failed || runs[1].State != datapoints.Succeeded {
		t.Fatalf("%+v, %v", runs, err)
	}
	if got := runs[1].Outputs.Reveal(); got != `{"lines":["hello, Ada","hello, Bo"],"number":13}` {
		t.Errorf("outputs %s", got)
	}
	c, err := s.Read(t.Context(), runs[1].ID, datapoints.Query{Rows: true, Attempts: true, History: true, Mail: true})
	if err != nil || len(c.Rows) != 7 || len(c.Mail) != 0 || points(c.Points) != `all=["Ada","Bo"] each[0]/line="hello, Ada" each[1]/line="hello, Bo" greeting="hello" line=["hello, Ada","hello, Bo"] number=12.50 number=13` {
		t.Errorf("%d rows, %s, %v", len(c.Rows), points(c.Points), err)
	}

	// The failed one is done again where it failed, and can be cancelled: the
	// wish is in a table that it did not have.
	p, failed, err := flow.PlanOf(t.Context(), s, runs[0].ID, flow.Kit{})
	if err != nil {
		t.Fatal(err)
	}
	x := &flow.Executor{Store: s}
	again, err := x.Resume(t.Context(), p, failed.ID, nil)
	var e *flow.Error
	if again.State != datapoints.Failed || !errors.As(err, &e) || e.Message != "it is not ready" || e.Step != "check" {
		t.Errorf("%s %v", again.State, err)
	}
	steps, err := flow.History(t.Context(), s, failed.ID)
	if err != nil || len(steps) != 4 || steps[0].Path != "greet" || !steps[0].Ended.Before(again.Ended) {
		t.Errorf("%+v, %v", steps, err)
	}
	if again, err = x.Cancel(t.Context(), p, failed.ID); again.State != datapoints.Cancelled {
		t.Errorf("%s %v", again.State, err)
	}
}

// points are data points in one line, sorted by place and name.
func points(list []datapoints.Point) string {
	lines := make([]string, len(list))
	for i, p := range list {
		place := ""
		if p.Scope != "" {
			place = p.Scope + "/"
		}
		lines[i] = fmt.Sprintf("%s%s=%s", place, p.Name, p.Value.Reveal())
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}
