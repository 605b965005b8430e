package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

const (
	selectRun      = "SELECT " + runColumns + " FROM stepwell_runs WHERE id = ?"
	selectFiles    = "SELECT f.name, c.data FROM stepwell_files f JOIN stepwell_contents c ON c.digest = f.digest WHERE f.run = ? ORDER BY f.n"
	selectRows     = "SELECT path, at, control, hidden FROM stepwell_steps WHERE run = ? ORDER BY seq"
	selectAttempts = "SELECT path, n, started, took, sent, status, kind, message FROM stepwell_attempts WHERE run = ? ORDER BY path, n"
	selectPoints   = "SELECT scope, name, type, step, attempt, source, at, value, undone FROM stepwell_points"
	selectHistory  = selectPoints + " WHERE run = ? ORDER BY seq"
	selectMail     = "SELECT name, at, CASE WHEN name = ? THEN body ELSE '' END FROM stepwell_messages WHERE run = ? ORDER BY seq"
	selectNewest   = selectPoints + " WHERE run = ? AND scope = ? AND name = ? AND undone = 0 ORDER BY seq DESC LIMIT 1"
)

// Load gives a run with its files.
func (s *Store) Load(ctx context.Context, run string) (datapoints.Run, error) {
	var r datapoints.Run
	err := s.snapshot(ctx, []string{selectRun, selectFiles}, func(q *reader) (err error) {
		if r, err = q.run(run); err != nil {
			return err
		}
		return q.each(selectFiles, []any{run}, func(scan scanner) error {
			var f datapoints.File
			err := scan(&f.Name, &f.Data)
			r.Files = append(r.Files, f)
			return err
		})
	})
	if err != nil {
		return datapoints.Run{}, err
	}
	return r, nil
}

func (s *Store) loadRun(ctx context.Context, run string) (r datapoints.Run, err error) {
	err = s.snapshot(ctx, []string{selectRun}, func(q *reader) error {
		r, err = q.run(run)
		return err
	})
	return r, err
}

// List gives runs without files, newest first.
func (s *Store) List(ctx context.Context, f datapoints.Filter) ([]datapoints.Run, error) {
	text, args := listQuery(f)
	var list []datapoints.Run
	err := s.snapshot(ctx, []string{text}, func(q *reader) error {
		return q.each(text, args, func(scan scanner) error {
			r, err := scanRun(scan)
			list = append(list, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func listQuery(f datapoints.Filter) (string, []any) {
	var where []string
	var args []any
	add := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	if f.Flow != "" {
		add("flow = ?", f.Flow)
	}
	if f.Batch != "" {
		add("batch = ?", f.Batch)
	}
	if f.State != "" {
		add("state = ?", string(f.State))
	}
	if f.Prefix != "" {
		// The first condition is for the index.
		add("id >= ? AND substr(id, 1, ?) = ?", f.Prefix, len([]rune(f.Prefix)), f.Prefix)
		if end := after(f.Prefix); end != "" {
			add("id < ?", end)
		}
	}
	if f.Before != "" {
		add("id < ?", f.Before)
	}
	text := "SELECT " + runColumns + " FROM stepwell_runs"
	if len(where) > 0 {
		text += " WHERE " + strings.Join(where, " AND ")
	}
	text += " ORDER BY id DESC"
	if f.Limit > 0 {
		text += " LIMIT ?"
		args = append(args, f.Limit)
	}
	return text, args
}

// after gives the text that comes after all that begin with an ASCII prefix.
func after(prefix string) string {
	last := len(prefix) - 1
	if prefix[last] >= 0x7e {
		return ""
	}
	return prefix[:last] + string(rune(prefix[last]+1))
}

// Read gives a part of what is recorded of a run, as it is at one moment.
func (s *Store) Read(ctx context.Context, run string, q datapoints.Query) (datapoints.Contents, error) {
	var c datapoints.Contents
	var texts []string
	for _, part := range []struct {
		wanted bool
		text   string
	}{{q.Rows, selectRows}, {q.Attempts, selectAttempts}, {q.History, selectHistory}, {len(q.Slots) > 0, selectNewest}, {q.Mail, selectMail}} {
		if part.wanted {
			texts = append(texts, part.text)
		}
	}
	err := s.snapshot(ctx, texts, func(r *reader) error { return r.contents(run, q, &c) })
	if err != nil {
		return datapoints.Contents{}, err
	}
	return c, nil
}

func (r *reader) contents(run string, q datapoints.Query, c *datapoints.Contents) error {
	if q.Rows {
		if err := r.rows(run, c); err != nil {
			return err
		}
	}
	if q.Attempts {
		if err := r.attempts(run, c); err != nil {
			return err
		}
	}
	if q.Mail {
		if err := r.mail(run, q.Open, c); err != nil {
			return err
		}
	}
	add := func(scan scanner) error {
		p, err := scanPoint(scan)
		c.Points = append(c.Points, p)
		return err
	}
	if q.History {
		return r.each(selectHistory, []any{run}, add)
	}
	for _, slot := range q.Slots {
		if err := r.each(selectNewest, []any{run, slot.Scope, slot.Name}, add); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) rows(run string, c *datapoints.Contents) error {
	return r.each(selectRows, []any{run}, func(scan scanner) error {
		var e datapoints.Entry
		var at int64
		var control, hidden string
		if err := scan(&e.Path, &at, &control, &hidden); err != nil {
			return err
		}
		e.At = instant(at)
		var err error
		e.Row, err = decodeRow(control, hidden)
		c.Rows = append(c.Rows, e)
		return err
	})
}

func (r *reader) attempts(run string, c *datapoints.Contents) error {
	c.Attempts = map[string][]datapoints.Attempt{}
	return r.each(selectAttempts, []any{run}, func(scan scanner) error {
		var path, message string
		var started, took, sent int64
		var a datapoints.Attempt
		if err := scan(&path, &a.N, &started, &took, &sent, &a.Status, &a.Kind, &message); err != nil {
			return err
		}
		a.Started, a.Took, a.Sent = instant(started), time.Duration(took), sent != 0
		var err error
		a.Message, err = decodeValue(message)
		c.Attempts[path] = append(c.Attempts[path], a)
		return err
	})
}

func (r *reader) mail(run, open string, c *datapoints.Contents) error {
	return r.each(selectMail, []any{open, run}, func(scan scanner) error {
		var m datapoints.Message
		var at int64
		var body string
		if err := scan(&m.Name, &at, &body); err != nil {
			return err
		}
		m.At = instant(at)
		var err error
		m.Body, err = decodeValue(body)
		c.Mail = append(c.Mail, m)
		return err
	})
}

func scanPoint(scan scanner) (datapoints.Point, error) {
	var p datapoints.Point
	var at, undone int64
	var value string
	if err := scan(&p.Scope, &p.Name, &p.Type, &p.Step, &p.Attempt, &p.Source, &at, &value, &undone); err != nil {
		return p, err
	}
	p.At, p.Undone = instant(at), undone != 0
	var err error
	p.Value, err = decodeValue(value)
	return p, err
}

func scanRun(scan scanner) (datapoints.Run, error) {
	var r datapoints.Run
	var created, started, ended, wake, until int64
	var inputs, outputs, failure, state string
	err := scan(&r.ID, &r.Flow, &r.Batch, &r.Row, &state, &r.Kind, &r.At, &r.Language, &r.Digest, &r.Steps, &r.Done,
		&created, &started, &ended, &wake, &inputs, &outputs, &failure, &r.Key, &r.Lease.Owner, &r.Lease.Epoch, &until)
	if err != nil {
		return r, err
	}
	r.State = datapoints.State(state)
	r.Created, r.Started, r.Ended, r.Wake = instant(created), instant(started), instant(ended), instant(wake)
	if r.Lease.Epoch != 0 {
		r.Lease.Run, r.Lease.Until = r.ID, instant(until)
	}
	for _, v := range []struct {
		to   *datapoints.Value
		from string
	}{{&r.Inputs, inputs}, {&r.Outputs, outputs}, {&r.Failure, failure}} {
		if *v.to, err = decodeValue(v.from); err != nil {
			return r, err
		}
	}
	return r, nil
}

// A reader reads in one transaction.
type reader struct {
	ctx   context.Context
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
}

type scanner func(dest ...any) error

// snapshot reads what is there at one moment, while others may write. texts
// are the statements that read needs.
func (s *Store) snapshot(ctx context.Context, texts []string, read func(*reader) error) error {
	err := s.readOnce(ctx, texts, read)
	switch {
	case err == nil || err == datapoints.ErrNotFound || err == ErrClosed:
		return err
	case ctx.Err() != nil:
		return ctx.Err() // drivers have errors of their own for that
	}
	return fmt.Errorf("the store cannot be read: %w", s.d.explain(err))
}

func (s *Store) readOnce(ctx context.Context, texts []string, read func(*reader) error) error {
	stmts, err := s.prepared(ctx, texts)
	if err != nil {
		return err
	}
	options := sql.TxOptions{ReadOnly: true}
	if s.d.numbered { // SQLite has no levels, and always reads one moment
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.db.BeginTx(ctx, &options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return read(&reader{ctx, tx, stmts})
}

// prepared gives statements, each prepared once for each connection. It is
// called before a transaction has a connection: preparing may need another.
func (s *Store) prepared(ctx context.Context, texts []string) (map[string]*sql.Stmt, error) {
	s.stmtMu.Lock()
	defer s.stmtMu.Unlock()
	if s.stmts == nil {
		return nil, ErrClosed
	}
	some := make(map[string]*sql.Stmt, len(texts))
	for _, text := range texts {
		stmt := s.stmts[text]
		if stmt == nil {
			var err error
			if stmt, err = s.db.PrepareContext(ctx, s.d.query(text)); err != nil {
				return nil, err
			}
			s.stmts[text] = stmt
		}
		some[text] = stmt
	}
	return some, nil
}

func (r *reader) run(id string) (run datapoints.Run, err error) {
	there := false
	err = r.each(selectRun, []any{id}, func(scan scanner) (err error) {
		there = true
		run, err = scanRun(scan)
		return err
	})
	if err == nil && !there {
		err = datapoints.ErrNotFound
	}
	return run, err
}

func (r *reader) each(text string, args []any, f func(scanner) error) error {
	rows, err := r.tx.StmtContext(r.ctx, r.stmts[text]).QueryContext(r.ctx, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
