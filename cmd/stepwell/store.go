package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/flow"
)

// A keeping is an open store and this process as the owner of runs in it.
type keeping struct {
	datapoints.Store
	plain  *sqlstore.Store // what is below Store; nil: memory
	keys   datapoints.Keys // that Store was sealed with
	file   string          // of the database; "" if nothing is kept
	owner  *owner          // nil: read only, or memory
	shut   func()          // nil: nothing to close
	settle func()          // waits for tokens that are under way; nil: there are none
}

// storeFlags are the options that say where runs are.
type storeFlags struct {
	store string
	key   keyFlags
}

// A purpose says what a store is opened for.
type purpose uint8

const (
	toRead   purpose = iota // runs that are there
	toWork                  // new runs, or going on with old ones
	toList                  // runs that are there, without looking into them: no key is needed
	toRemove                // the same, and to remove them
)

// errNoRuns says that there is no store yet, so there is nothing to read.
var errNoRuns = errors.New("there are no runs yet")

// open opens the store. For reading it must be there: errNoRuns if it is not.
func (c *Command) open(ctx context.Context, f storeFlags, p purpose) (*keeping, error) {
	file, err := c.storeFile(f.store)
	if err != nil {
		return nil, err
	}
	if file == "" {
		if p != toWork {
			return nil, errNoRuns
		}
		return &keeping{Store: &datapoints.Memory{}}, nil
	}
	if _, err := os.Stat(file); p != toWork && errors.Is(err, fs.ErrNotExist) {
		return nil, errNoRuns
	}
	if p == toWork {
		if err := c.lacksKey(ctx, f.key, file); err != nil {
			return nil, err
		}
	}
	var keys datapoints.Keys
	if p == toRead || p == toWork {
		if keys, err = c.sealingKeys(ctx, f.key, p == toWork); err != nil {
			return nil, err
		}
	}
	keys.Halves = halves{file}
	k, err := openFile(ctx, file, p == toRead || p == toList)
	if err != nil {
		return nil, c.storeTrouble(file, err)
	}
	k.keys, k.Store = keys, keys.Seal(k.plain)
	if p == toWork {
		if err := k.lacksHalves(ctx); err != nil {
			k.close()
			return nil, err
		}
	}
	if p == toWork || p == toRemove {
		if k.owner, err = newOwner(file); err != nil {
			k.close()
			return nil, c.storeTrouble(file, err)
		}
	}
	return k, nil
}

// lacksKey refuses to make a key for a store whose runs are sealed with one that is
// not there any more: whoever put that one back in its place would lose what was
// sealed since.
func (c *Command) lacksKey(ctx context.Context, f keyFlags, file string) error {
	s, err := c.keySource(f)
	if err != nil || s.from != "" {
		return nil // no key is made then
	}
	if _, err := os.Stat(s.file); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if _, err := os.Stat(file); err != nil {
		return nil
	}
	k, err := openFile(ctx, file, true)
	if err != nil {
		return nil // who works with it will say so
	}
	defer k.close()
	if !k.hasSealed(ctx) {
		return nil
	}
	return &stop{exitStore, "the key that seals the runs is not there: " + c.shown(s.file), []string{
		"put it back, or name it with --key-file, --key-command, --key-keyring or STEPWELL_KEY: nothing was begun, since new runs would be sealed with another one",
		"if it is lost, nothing opens these runs any more: stepwell runs purge --older-than 0s removes them, stepwell keys init makes a new key"}}
}

// hasSealed says whether runs are sealed.
func (k *keeping) hasSealed(ctx context.Context) bool {
	runs, _ := k.plain.List(ctx, datapoints.Filter{Limit: 100}) // what cannot be read is said by who reads it
	return slices.ContainsFunc(runs, func(r datapoints.Run) bool { return len(r.Key) > 0 })
}

// lacksHalves refuses to work with a store whose sealed runs have lost the file with
// the other half of their keys: a new run would begin another one, and whoever put
// the first back in its place would lose what was sealed since.
func (k *keeping) lacksHalves(ctx context.Context) error {
	h := halves{k.file}
	if _, err := os.Stat(h.file()); !errors.Is(err, fs.ErrNotExist) || !k.hasSealed(ctx) {
		return nil
	}
	name := filepath.Base(h.file())
	return &stop{exitStore, "one half of the runs' keys is in " + name + ", which is not there", []string{
		"put it back beside the database " + filepath.Base(k.file) + ": nothing was begun, since new runs would need another one",
		"if it is lost, nothing opens these runs any more: stepwell runs purge --older-than 0s removes them"}}
}

// close gives everything back.
func (k *keeping) close() {
	if k.settle != nil {
		k.settle()
	}
	if k.owner != nil {
		k.owner.close()
	}
	if k.shut != nil {
		k.shut()
	}
}

// process is this process as the executor needs it.
func (k *keeping) process() flow.Process {
	if k.owner == nil {
		return flow.Process{}
	}
	return flow.Process{Name: k.owner.name, Dead: k.owner.dead}
}

// state is where a run stands: one that is recorded as running while its
// owner is gone was interrupted.
func (k *keeping) state(r datapoints.Run) datapoints.State {
	if r.State != datapoints.Running {
		return r.State
	}
	if k.file == "" || r.Lease.Owner != "" && !deadOwner(k.file+".owners", r.Lease.Owner) {
		return datapoints.Running
	}
	return datapoints.Interrupted
}

// storeFile is the database file that --store, STEPWELL_STORE or the default
// name, "" for memory.
func (c *Command) storeFile(flag string) (string, error) {
	from := "--store"
	if flag == "" {
		flag, from = c.env("STEPWELL_STORE"), "STEPWELL_STORE"
	}
	help := "write sqlite:PATH, the path of a file, or memory, which keeps nothing"
	switch {
	case flag == "":
		dir, err := c.home("XDG_STATE_HOME", ".local/state")
		return filepath.Join(dir, "runs.db"), err
	case flag == "memory":
		return "", nil
	}
	scheme, rest, ok := strings.Cut(flag, ":")
	switch {
	case !ok || len(scheme) == 1: // a path, or C:\runs.db
		return c.path(flag), nil
	case scheme == "postgres" || scheme == "postgresql":
		return "", wrong(from+": PostgreSQL is not in this version", help)
	case scheme != "sqlite" && scheme != "file":
		return "", wrong(fmt.Sprintf("%s: %q is no store", from, clean(withoutPassword(flag))), help)
	}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		rest = after
	}
	if rest == "" || strings.ContainsAny(rest, "?#") {
		return "", wrong(fmt.Sprintf("%s: %q does not name a file", from, clean(flag)), help)
	}
	return c.path(rest), nil
}

func withoutPassword(text string) string {
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return "this"
}

// openFile opens a database, and makes it if it is not there. To be read it may
// lie where nothing can be written.
func openFile(ctx context.Context, file string, reads bool) (*keeping, error) {
	dsn := sqlstore.SQLiteDSN(file)
	if err := sqlstore.PrepareSQLite(file); reads && errors.Is(err, sqlstore.ErrNotWritable) {
		dsn = sqlstore.SQLiteReadDSN(file)
	} else if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	s, err := sqlstore.Open(ctx, db, sqlstore.SQLite())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &keeping{Store: s, plain: s, file: file, shut: func() { _ = errors.Join(s.Close(), db.Close()) }}, nil
}

// storeTrouble says what is wrong with a store and what to do.
func (c *Command) storeTrouble(file string, err error) error {
	s := &stop{code: exitStore, text: "the store " + c.shown(file) + " cannot be used: " + strings.TrimPrefix(reason(err), "the store cannot be opened: ")}
	switch {
	case errors.Is(err, datapoints.ErrKey):
		s.help = []string{"give the key that it was made with: --key-file, STEPWELL_KEY_FILE or STEPWELL_KEY", "stepwell keys list shows which keys are needed; --old-key-file FILE reads with an older one, too"}
	case errors.Is(err, datapoints.ErrDestroyed):
		s.help = []string{"the run was removed; this is an old copy of it: stepwell runs rm removes that, too"}
	case errors.Is(err, sqlstore.ErrNotWritable):
		s.text = "the store " + c.shown(file) + " can only be read: nothing can be written beside it, which its log needs (" + reason(err) + ")"
		s.help = []string{"runs list, runs show, data and the like read it there; give another with --store"}
	case errors.Is(err, datapoints.ErrNewer):
		s.help = []string{"use a stepwell that is at least as new as the one that wrote it"}
	default:
		s.help = []string{"give another with --store, or --store memory to keep nothing"}
	}
	return s
}

// find is the run that an id, or the beginning of one, names.
func (c *Command) find(ctx context.Context, k *keeping, id string) (datapoints.Run, error) {
	r, err := c.match(ctx, k, id)
	if err != nil {
		return r, err
	}
	if r, err = k.Load(ctx, r.ID); err != nil {
		return r, c.storeTrouble(k.file, err)
	}
	return r, nil
}

// match is find without looking into the run, which may need a key.
func (c *Command) match(ctx context.Context, k *keeping, id string) (datapoints.Run, error) {
	runs, err := k.List(ctx, datapoints.Filter{Prefix: strings.ToLower(id), Limit: 3})
	switch {
	case len(runs) == 0 && err != nil:
		return datapoints.Run{}, c.storeTrouble(k.file, err)
	case len(runs) == 0 || id == "":
		return datapoints.Run{}, wrong(fmt.Sprintf("there is no run %q", clean(id)), "see: stepwell runs list")
	case len(runs) > 1:
		help := []string{"it may be any of:"}
		for _, r := range runs {
			help = append(help, "  "+r.ID+"  "+r.Flow)
		}
		return datapoints.Run{}, wrong(fmt.Sprintf("more than one run begins with %q", clean(id)), help...)
	}
	return runs[0], nil
}

// noStore is the answer to a question about runs where there are none.
func noStore(err error) error {
	if errors.Is(err, errNoRuns) {
		return wrong("there are no runs yet", "stepwell run FILE makes one")
	}
	return err
}
