package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/datapoints/storetest"
	_ "modernc.org/sqlite"
)

func openFile(t testing.TB, path string) (*sqlstore.Store, *sql.DB, error) {
	t.Helper()
	if err := sqlstore.PrepareSQLite(path); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite())
	if err == nil {
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return s, db, err
}

func open(t testing.TB) *sqlstore.Store {
	t.Helper()
	s, _, err := openFile(t, filepath.Join(t.TempDir(), "state", "runs.db"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) datapoints.Store { return open(t) })
}

func TestSealedSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) datapoints.Store { return datapoints.Seal(open(t), datapoints.NewMasterKey()) })
}
