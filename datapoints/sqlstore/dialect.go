package sqlstore

import (
	"strconv"
	"strings"
)

// A Dialect is what one database says differently from another. The statements
// are the same for all.
type Dialect struct {
	begin       string            // begins a transaction that writes
	lock        string            // after a SELECT: nobody else writes the row until the end of the transaction
	words       []string          // in the definitions of tables: TEXT (compared by bytes), BYTES, ORDERED (kept in the order of the key), each with what it becomes
	tables      string            // query for the names of tables in the database
	numbered    bool              // placeholders are $1, $2 instead of ?
	afterDelete string            // makes that what was deleted is gone from the disk
	rewrite     string            // writes the database anew, without what was deleted
	check       string            // query for texts that say what of the database is damaged, or "ok"; "": it does not tell
	explain     func(error) error // says what an error of the driver means
	busy        func(error) bool  // says whether to try again is all that is needed; nil: never
}

// SQLite is the dialect of SQLite 3.24 and newer. Open the database with
// SQLiteDSN.
func SQLite() Dialect {
	return Dialect{
		begin:       "BEGIN IMMEDIATE",
		words:       []string{"BYTES", "BLOB", "ORDERED", " WITHOUT ROWID"},
		tables:      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
		rewrite:     "VACUUM",
		check:       "PRAGMA integrity_check(20)",
		afterDelete: "PRAGMA wal_checkpoint(TRUNCATE)",
		explain:     explainSQLite,
		busy:        func(err error) bool { code := sqliteCode(err); return code == 5 || code == 6 },
	}
}

// query writes a statement as the database wants it. No statement has a
// question mark that is not a placeholder.
func (d Dialect) query(text string) string {
	if !d.numbered {
		return text
	}
	var b strings.Builder
	for i, part := range strings.Split(text, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}
