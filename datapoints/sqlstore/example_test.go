package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

func Example() {
	folder, err := os.MkdirTemp("", "example-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "runs.db")

	// The program imports the driver: _ "modernc.org/sqlite"
	if err := sqlstore.PrepareSQLite(path); err != nil {
		panic(err)
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		panic(err)
	}
	defer db.Close()
	store, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite())
	if err != nil {
		panic(err)
	}
	defer store.Close()

	_ = store.Create(context.Background(), datapoints.Run{ID: "r1", Flow: "discharge", State: datapoints.Running})
	runs, err := store.List(context.Background(), datapoints.Filter{})
	fmt.Println(len(runs), runs[0].Flow, store.Traits().Lasts, err)
	// Output:
	// 1 discharge true <nil>
}
