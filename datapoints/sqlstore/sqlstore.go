// Package sqlstore keeps runs in a SQL database. It imports no driver: whoever
// opens the *sql.DB does.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// A Store is a datapoints.Store in a SQL database. All writing is done by one
// goroutine on one connection, which commits what several callers want in one
// transaction; reading is done on the others. Several processes may have a Store
// on the same database.
type Store struct {
	db    *sql.DB
	d     Dialect
	queue chan *request
	ended chan struct{} // closed when the writer has ended

	mu     sync.RWMutex // held for reading while something is put into queue
	closed bool

	deletions atomic.Int64
	logMu     sync.Mutex
	emptied   int64 // so many deletions are gone from the log

	stmtMu sync.Mutex
	stmts  map[string]*sql.Stmt // for reading
}

var _ datapoints.Store = (*Store)(nil)

// ErrClosed is what methods fail with after Close.
var ErrClosed = errors.New("the store is closed")

// Open gives the Store in a database, whose tables are made or brought up to
// date if need be. A database that a newer version has written is
// datapoints.ErrNewer; nothing was changed then. The Store does not close db,
// which must allow at least two connections.
func Open(ctx context.Context, db *sql.DB, d Dialect) (*Store, error) {
	if db.Stats().MaxOpenConnections == 1 {
		return nil, errors.New("the store needs at least two connections to its database")
	}
	if err := patiently(ctx, d, func() error { return migrate(ctx, db, d) }); err != nil {
		return nil, fmt.Errorf("the store cannot be opened: %w", d.explain(err))
	}
	s := &Store{db: db, d: d, queue: make(chan *request, maxGroup), ended: make(chan struct{}), stmts: map[string]*sql.Stmt{}}
	go s.write()
	return s, nil
}

// patience is how long Open waits for another process that makes the database.
const patience = 5 * time.Second

// patiently does something again while the database is busy. SQLite itself
// does not wait for the switch of a new database to the write-ahead log, which
// two processes that start together both want.
func patiently(ctx context.Context, d Dialect, do func() error) error {
	for wait, began := time.Millisecond, time.Now(); ; wait *= 2 {
		err := do()
		if err == nil || d.busy == nil || !d.busy(err) || time.Since(began) > patience {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(min(wait, 100*time.Millisecond)):
		}
	}
}

// Close ends the writer, after everything that it was given is committed.
// Methods that are called later fail with ErrClosed. Closing again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.queue)
	}
	s.mu.Unlock()
	<-s.ended
	s.stmtMu.Lock()
	defer s.stmtMu.Unlock()
	var err error
	for _, stmt := range s.stmts {
		err = errors.Join(err, stmt.Close())
	}
	s.stmts = nil
	return err
}

// Traits says that a Store lasts.
func (s *Store) Traits() datapoints.Traits { return datapoints.Traits{Lasts: true} }

// Create adds runs, all or none.
func (s *Store) Create(ctx context.Context, runs ...datapoints.Run) error {
	if err := ctx.Err(); err != nil || len(runs) == 0 {
		return err
	}
	seen := map[string]bool{}
	for _, r := range runs {
		if err := datapoints.CheckNew(r); err != nil {
			return err
		}
		if seen[r.ID] {
			return datapoints.ErrExists
		}
		seen[r.ID] = true
	}
	c := newCreation(runs)
	return s.submit(ctx, len(runs), c.do)
}

// Claim makes c.Owner the owner of a run. dead is called without a lock on the
// database.
func (s *Store) Claim(ctx context.Context, c datapoints.Lease, now time.Time, dead func(owner string) bool) (datapoints.Lease, error) {
	for {
		r, err := s.loadRun(ctx, c.Run)
		if err != nil {
			return datapoints.Lease{}, err
		}
		lease, err := r.Lease.Claimed(c, now, dead)
		if err != nil {
			return datapoints.Lease{}, err
		}
		claimed := false
		err = s.submit(ctx, 1, func(t *session) error {
			claimed, err = t.claim(r.Lease, lease)
			return err
		})
		if err != nil {
			return datapoints.Lease{}, err
		}
		if claimed { // else somebody was faster: look again
			return lease, nil
		}
	}
}

// Commit adds records in order, all or none.
func (s *Store) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m, err := datapoints.MessageOf(records); m != nil || err != nil {
		if err != nil {
			return err
		}
		return s.submit(ctx, 1, func(t *session) error { return t.leave(l.Run, *m) })
	}
	c, err := newCommit(l, records)
	if err != nil {
		return err
	}
	return s.submit(ctx, len(records), c.do)
}

// Delete removes a run and everything recorded of it. Scrub, afterwards, also
// removes what may be left of it in the files.
func (s *Store) Delete(ctx context.Context, run string) error {
	if err := s.submit(ctx, 1, func(t *session) error { return t.remove(run) }); err != nil {
		return err
	}
	s.emptyLog(ctx)
	return nil
}

// emptyLog makes that what was deleted is gone from the log, if nobody reads.
// Who deletes at the same time shares one.
func (s *Store) emptyLog(ctx context.Context) {
	if s.d.afterDelete == "" {
		return
	}
	mine := s.deletions.Add(1)
	s.logMu.Lock()
	defer s.logMu.Unlock()
	if s.emptied >= mine {
		return
	}
	all := s.deletions.Load()
	if _, err := s.db.ExecContext(ctx, s.d.afterDelete); err == nil {
		s.emptied = all
	}
}
