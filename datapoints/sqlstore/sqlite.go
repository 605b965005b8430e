package sqlstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// SQLiteDSN gives the data source name of a file for modernc.org/sqlite, with
// the settings that the Store relies on: a write-ahead log that survives a power
// cut, no shared transactions, and deleted content overwritten (see Scrub). The file should
// have gone through PrepareSQLite.
func SQLiteDSN(path string) string {
	return dsn(path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "secure_delete(ON)", "trusted_schema(OFF)"},
	})
}

// SQLiteReadDSN is SQLiteDSN for a file that is only read, where nothing can be
// written beside it (ErrNotWritable): every writing method of the Store fails.
// What another process is writing is seen if the files of its log can be read.
func SQLiteReadDSN(path string) string {
	settings := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(ON)", "trusted_schema(OFF)"}}
	if _, err := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) { // else the log would be overlooked
		settings.Set("immutable", "1")
	}
	return dsn(path, settings)
}

func dsn(path string, settings url.Values) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + strings.ReplaceAll(url.PathEscape(path), "%2F", "/") + "?" + settings.Encode()
}

// ErrNotWritable is what PrepareSQLite fails with, wrapped, if a database is
// there, but nothing can be written beside it.
var ErrNotWritable = errors.New("the folder of the store cannot be written, which its log needs")

// PrepareSQLite makes sure that there is a file for a store at path: a new one
// can be read and written by its owner alone (mode 0600), and so can a folder
// that has to be made (0700). The modes of what is there stay. It fails if path
// is a folder, or if nothing can be written beside it (ErrNotWritable).
func PrepareSQLite(path string) error {
	if path == "" {
		return errors.New("the store has no path")
	}
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("the folder of the store cannot be made: %w", err)
	}
	// A file that is there is not opened: closing it would end the locks that
	// SQLite holds on it, if this process has it open already.
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) { // another process was faster
			return nil
		}
		if err != nil {
			return fmt.Errorf("the store cannot be made: %w", err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("the store cannot be made: %w", err)
		}
	case err != nil:
		return fmt.Errorf("the store cannot be opened: %w", err)
	case info.IsDir():
		return fmt.Errorf("the store %s is a folder: give the name of a file in it, for example %s", path, filepath.Join(path, "runs.db"))
	case !info.Mode().IsRegular():
		return fmt.Errorf("the store %s is not a file", path)
	}
	return writableFolder(folder)
}

// writableFolder says whether files can be made beside the database: SQLite
// keeps its log there, and names another reason if it cannot.
func writableFolder(folder string) error {
	f, err := os.CreateTemp(folder, ".stepwell-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// sqliteCode is the result code of an error of SQLite, or 0. The drivers'
// errors tell theirs by a method.
func sqliteCode(err error) int {
	var coded interface{ Code() int }
	if !errors.As(err, &coded) {
		return 0
	}
	return coded.Code() & 0xff
}

// explainSQLite says what the result codes of SQLite mean here.
func explainSQLite(err error) error {
	switch sqliteCode(err) {
	case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
		return fmt.Errorf("another process has been writing to the database for too long: %w", err)
	case 8: // SQLITE_READONLY
		return fmt.Errorf("the database or its folder cannot be written: %w", err)
	case 10: // SQLITE_IOERR
		return fmt.Errorf("the disk failed: %w", err)
	case 11: // SQLITE_CORRUPT
		return fmt.Errorf("%w: %w", datapoints.ErrCorrupt, err)
	case 13: // SQLITE_FULL
		return fmt.Errorf("the disk is full: %w", err)
	case 14: // SQLITE_CANTOPEN
		return fmt.Errorf("the file and its folder must be readable and writable: %w", err)
	case 26: // SQLITE_NOTADB
		return errors.New("the file is not a SQLite database: choose another name for the store")
	}
	return err
}
