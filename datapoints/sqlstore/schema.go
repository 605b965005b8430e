package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// migrations gives for each version of the tables what makes it from the one
// before. Released ones never change: a new version is added.
//
// Times are nanoseconds since 1970 (see nanos). Values are JSON texts, see
// encodeValue. seq counts rows and points of a run in commit order.
func migrations(d Dialect) [][]string {
	texts := strings.NewReplacer(d.words...)
	versions := [][]string{{
		`CREATE TABLE stepwell_runs (
			id TEXT NOT NULL PRIMARY KEY,
			flow TEXT NOT NULL, batch TEXT NOT NULL, batch_row BIGINT NOT NULL, state TEXT NOT NULL, kind TEXT NOT NULL, at_path TEXT NOT NULL,
			language BIGINT NOT NULL, digest TEXT NOT NULL, steps BIGINT NOT NULL, done BIGINT NOT NULL,
			created BIGINT NOT NULL, started BIGINT NOT NULL, ended BIGINT NOT NULL, wake BIGINT NOT NULL,
			inputs TEXT NOT NULL, outputs TEXT NOT NULL, failure TEXT NOT NULL, wrapped_key BYTES NOT NULL,
			owner TEXT NOT NULL, epoch BIGINT NOT NULL, lease_until BIGINT NOT NULL)ORDERED`,
		`CREATE INDEX stepwell_runs_batch ON stepwell_runs (batch, id)`,
		`CREATE TABLE stepwell_contents (digest TEXT NOT NULL PRIMARY KEY, data BYTES NOT NULL)`,
		`CREATE TABLE stepwell_files (
			run TEXT NOT NULL, n BIGINT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
			PRIMARY KEY (run, n))ORDERED`,
		`CREATE INDEX stepwell_files_digest ON stepwell_files (digest)`,
		`CREATE TABLE stepwell_steps (
			run TEXT NOT NULL, path TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, control TEXT NOT NULL, hidden TEXT NOT NULL,
			PRIMARY KEY (run, path))ORDERED`,
		`CREATE TABLE stepwell_attempts (
			run TEXT NOT NULL, path TEXT NOT NULL, n BIGINT NOT NULL, started BIGINT NOT NULL, took BIGINT NOT NULL,
			sent BIGINT NOT NULL, status BIGINT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
			PRIMARY KEY (run, path, n))ORDERED`,
		`CREATE TABLE stepwell_points (
			run TEXT NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL, seq BIGINT NOT NULL,
			type TEXT NOT NULL, step TEXT NOT NULL, attempt BIGINT NOT NULL, source TEXT NOT NULL, at BIGINT NOT NULL,
			value TEXT NOT NULL, undone BIGINT NOT NULL,
			PRIMARY KEY (run, scope, name, seq))ORDERED`,
	}, {
		// seq counts the messages of a run in the order in which they came.
		`CREATE TABLE stepwell_messages (
			run TEXT NOT NULL, name TEXT NOT NULL, seq BIGINT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL,
			PRIMARY KEY (run, name))ORDERED`,
	}, {
		// run is the one that obtained the token, which may be gone.
		`CREATE TABLE stepwell_tokens (
			name TEXT NOT NULL PRIMARY KEY, generation BIGINT NOT NULL, credential TEXT NOT NULL, run TEXT NOT NULL, rejected BIGINT NOT NULL,
			obtained BIGINT NOT NULL, soft BIGINT NOT NULL, until BIGINT NOT NULL, expires BIGINT NOT NULL,
			secret TEXT NOT NULL, wrapped_key BYTES NOT NULL)ORDERED`,
	}}
	for _, v := range versions {
		for i := range v {
			v[i] = texts.Replace(v[i])
		}
	}
	return versions
}

const versionTable = "stepwell_schema"

// migrate brings the tables up to date. One that is up to date, or newer, is
// only read.
func migrate(ctx context.Context, db *sql.DB, d Dialect) error {
	versions := migrations(d)
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	version, err := readVersion(ctx, conn, d, len(versions))
	if err != nil || version == len(versions) {
		return err
	}
	if _, err := conn.ExecContext(ctx, d.begin); err != nil {
		return err
	}
	if err := upgrade(ctx, conn, d, versions); err != nil {
		_, rollback := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, rollback)
	}
	_, err = conn.ExecContext(ctx, "COMMIT")
	return err
}

func upgrade(ctx context.Context, conn *sql.Conn, d Dialect, versions [][]string) error {
	// Another process may have been faster.
	version, err := readVersion(ctx, conn, d, len(versions))
	if err != nil {
		return err
	}
	var statements []string
	if version == 0 {
		statements = append(statements, "CREATE TABLE "+versionTable+" (version BIGINT NOT NULL)", "INSERT INTO "+versionTable+" (version) VALUES (0)")
	}
	for _, v := range versions[version:] {
		statements = append(statements, v...)
	}
	for _, text := range append(statements, fmt.Sprintf("UPDATE %s SET version = %d", versionTable, len(versions))) {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// readVersion gives the version of the tables, 0 if there are none.
func readVersion(ctx context.Context, conn *sql.Conn, d Dialect, newest int) (int, error) {
	rows, err := conn.QueryContext(ctx, d.tables)
	if err != nil {
		return 0, err
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return 0, errors.Join(err, rows.Close())
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	if !slices.Contains(names, versionTable) {
		if len(names) > 0 {
			return 0, fmt.Errorf("it is a database of another program, with the table %s", names[0])
		}
		return 0, nil
	}
	var version int
	if err := conn.QueryRowContext(ctx, "SELECT version FROM "+versionTable).Scan(&version); err != nil {
		return 0, err
	}
	if version > newest {
		return 0, fmt.Errorf("%w: its format is %d, this program knows up to %d: use a newer Stepwell", datapoints.ErrNewer, version, newest)
	}
	return version, nil
}
