package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
)

// maxGroup is how many records are committed in one transaction, unless one
// caller brings more.
const maxGroup = 1024

// A request is what one caller wants written.
type request struct {
	do    func(t *session) error // in a transaction; a refusal comes before anything is written
	size  int                    // in records
	state atomic.Int32
	err   error
	done  chan struct{}
}

const (
	waiting int32 = iota
	taken         // by the writer: it will be answered
	dropped       // by its caller: it will not be looked at
)

// A refusal is an error for one caller, who has written nothing. The
// transaction goes on.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// submit has something written and waits until it is durable. With an error
// nothing of it is written.
func (s *Store) submit(ctx context.Context, size int, do func(t *session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{do: do, size: size, done: make(chan struct{})}
	if err := s.enqueue(ctx, r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, dropped) {
			return ctx.Err()
		}
		<-r.done
	}
	return r.err
}

func (s *Store) enqueue(ctx context.Context, r *request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.queue <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the writer: it takes what waits, writes it in one transaction, and
// answers. While that goes on, the next group gathers.
func (s *Store) write() {
	defer close(s.ended)
	w := &writer{db: s.db, d: s.d}
	defer w.close()
	for r := range s.queue {
		group := take(nil, r)
		for n := r.size; n < maxGroup; {
			more, ok := s.poll()
			if !ok {
				break
			}
			n += more.size
			group = take(group, more)
		}
		w.commit(group)
		for _, r := range group {
			close(r.done)
		}
	}
}

func (s *Store) poll() (*request, bool) {
	select {
	case r, ok := <-s.queue:
		return r, ok
	default:
		return nil, false
	}
}

func take(group []*request, r *request) []*request {
	if r.state.CompareAndSwap(waiting, taken) {
		return append(group, r)
	}
	return group
}

// A writer owns the connection that is written to.
type writer struct {
	db      *sql.DB
	d       Dialect
	session *session // nil before the first transaction and after an error
}

// commit writes a group and sets each request's error. If the transaction
// fails, each request gets one of its own, so that nobody fails for another.
func (w *writer) commit(group []*request) {
	err := w.transact(group)
	if err == nil {
		return
	}
	if len(group) == 1 {
		group[0].err = fmt.Errorf("the store cannot be written: %w", w.d.explain(err))
		return
	}
	for i := range group {
		w.commit(group[i : i+1])
	}
}

func (w *writer) transact(group []*request) (err error) {
	if len(group) == 0 {
		return nil
	}
	ctx := context.Background() // what a caller has handed over is written
	if w.session == nil {
		if w.session, err = newSession(ctx, w.db, w.d); err != nil {
			return err
		}
	}
	defer func() {
		if err != nil {
			_ = w.session.exec("ROLLBACK")
			w.close()
		}
	}()
	if err := w.session.begin(); err != nil {
		return err
	}
	for _, r := range group {
		r.err = nil
		var refused refusal
		if err := r.do(w.session); errors.As(err, &refused) {
			r.err = refused.error
		} else if err != nil {
			return err
		}
	}
	return w.session.exec("COMMIT")
}

func (w *writer) close() {
	if w.session != nil {
		w.session.close()
		w.session = nil
	}
}

// A session is the writer's connection and what is known of the database as
// long as nothing fails.
type session struct {
	ctx    context.Context
	conn   *sql.Conn
	d      Dialect
	stmts  map[string]*sql.Stmt
	leases map[string]held    // read or written in this transaction
	seqs   map[string]counter // of runs that are worked on
}

type held struct {
	owner string
	epoch int64
}

// A counter gives the seq of a run's next row or point. Only the holder of the
// lease adds some, so it is right as long as the epoch is.
type counter struct{ epoch, last int64 }

// maxCounters bounds what is kept of runs that were left.
const maxCounters = 10_000

func newSession(ctx context.Context, db *sql.DB, d Dialect) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &session{ctx: ctx, conn: conn, d: d, stmts: map[string]*sql.Stmt{}, leases: map[string]held{}, seqs: map[string]counter{}}, nil
}

func (t *session) begin() error {
	clear(t.leases)
	if len(t.seqs) > maxCounters {
		clear(t.seqs)
	}
	return t.exec(t.d.begin)
}

func (t *session) close() {
	for _, s := range t.stmts {
		_ = s.Close()
	}
	_ = t.conn.Close()
}

func (t *session) stmt(text string) (*sql.Stmt, error) {
	s := t.stmts[text]
	if s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(t.ctx, t.d.query(text))
	if err == nil {
		t.stmts[text] = s
	}
	return s, err
}

func (t *session) exec(text string, args ...any) error {
	s, err := t.stmt(text)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(t.ctx, args...)
	return err
}

// count is exec that gives how many rows were changed.
func (t *session) count(text string, args ...any) (int, error) {
	s, err := t.stmt(text)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// row reads one row into dest; there is false without one.
func (t *session) row(text string, args []any, dest ...any) (there bool, err error) {
	s, err := t.stmt(text)
	if err != nil {
		return false, err
	}
	err = s.QueryRowContext(t.ctx, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
