package datapoints

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Seal gives a Store that encrypts every Value on its way to s, with
// AES-256-GCM and a random key for each run; key wraps the keys of the runs. A
// value is bound to its place: its run, and the slot, step and attempt of a
// point, the path and number of a row or attempt, the name of a message, or the
// field of a run. Class
// and label are sealed with it.
//
// A value that was sealed with another master key is ErrKey, one that was
// changed or moved is ErrCorrupt. List gives all runs also then, those that
// cannot be opened without their values, beside the error.
//
// A run that was created without Seal stays as it is: its values are read, and
// others are added unsealed, except sensitive and personal ones, which are refused.
//
// Keys.Seal does the same with older master keys beside, and with keys of which
// one half is kept apart.
func Seal(s Store, key KeyWrapper) Store { return Keys{Master: key}.Seal(s) }

type sealed struct {
	Store  // Traits is changed, Claim is passed on
	with   Keys
	mu     sync.Mutex
	keys   map[string]*runKey // of runs that are worked on
	recent []string           // the runs in keys, the oldest first
}

// maxRunKeys bounds the keys that are kept unwrapped.
const maxRunKeys = 1024

var errUnsealed = errors.New("the run was started without a key, so nothing sensitive or personal can be recorded in it")

func (s *sealed) Traits() Traits {
	t := s.Store.Traits()
	t.Sealed = true
	return t
}

func (s *sealed) Create(ctx context.Context, runs ...Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range runs {
		if err := CheckNew(r); err != nil {
			return err
		}
	}
	out := make([]Run, len(runs))
	keys, wrapped, err := s.with.newKeys(ctx, len(runs))
	if err != nil && len(runs) > 0 {
		return fmt.Errorf("run %s: %w", runs[0].ID, err)
	}
	for i, r := range runs {
		r.Key = wrapped[i]
		sealRun(keys[i], &r)
		out[i] = r
	}
	if err := s.Store.Create(ctx, out...); err != nil {
		return err
	}
	for i, r := range runs {
		if r.Lease.Owner != "" { // others are not worked on yet
			s.keep(r.ID, keys[i])
		}
	}
	return nil
}

func (s *sealed) Commit(ctx context.Context, l Lease, records ...Record) error {
	k, err := s.key(ctx, l.Run)
	if err != nil {
		return err
	}
	out := make([]Record, len(records))
	for i := range records {
		out[i] = records[i]
		if err := sealRecord(k, l.Run, &out[i]); err != nil {
			return err
		}
	}
	err = s.Store.Commit(ctx, l, out...)
	if err != nil {
		s.forget(l.Run)
	}
	return err
}

func (s *sealed) Claim(ctx context.Context, c Lease, now time.Time, dead func(owner string) bool) (Lease, error) {
	return s.Store.Claim(ctx, c, now, dead)
}

func (s *sealed) Load(ctx context.Context, run string) (Run, error) {
	r, err := s.Store.Load(ctx, run)
	if err != nil {
		return Run{}, err
	}
	k, err := s.unwrap(ctx, &r)
	if err == nil {
		err = openRun(k, &r)
	}
	if err != nil {
		return Run{}, err
	}
	return r, nil
}

func (s *sealed) Read(ctx context.Context, run string, q Query) (Contents, error) {
	c, err := s.Store.Read(ctx, run, q)
	opened := slices.ContainsFunc(c.Mail, func(m Message) bool { return !m.Body.IsZero() })
	if err != nil || len(c.Rows)+len(c.Attempts)+len(c.Points) == 0 && !opened {
		return c, err
	}
	k, err := s.key(ctx, run)
	if err == nil && k != nil {
		err = openContents(k, run, &c)
	}
	if err != nil {
		return Contents{}, err
	}
	return c, nil
}

func (s *sealed) List(ctx context.Context, f Filter) ([]Run, error) {
	list, err := s.Store.List(ctx, f)
	if err != nil {
		return nil, err
	}
	var first error
	for i := range list {
		r := &list[i]
		k, err := s.unwrap(ctx, r)
		if err == nil {
			err = openRun(k, r)
		}
		if err != nil {
			r.Inputs, r.Outputs, r.Failure = Value{}, Value{}, Value{}
			if first == nil {
				first = err
			}
		}
	}
	return list, first
}

// Delete destroys the half of the run's key first: what is left of a run, if
// the rest fails, cannot be opened.
func (s *sealed) Delete(ctx context.Context, run string) error {
	if s.with.Halves != nil {
		r, err := s.find(ctx, run)
		if err == nil {
			err = s.with.destroy(ctx, r.Key)
		}
		if err != nil && err != ErrNotFound {
			return err
		}
	}
	s.forget(run)
	return s.Store.Delete(ctx, run)
}

// key gives the key of a run, nil if it has none.
func (s *sealed) key(ctx context.Context, run string) (*runKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k, ok := s.kept(run); ok {
		return k, nil
	}
	r, err := s.find(ctx, run)
	if err != nil {
		return nil, err
	}
	k, err := s.unwrap(ctx, r)
	if err == nil && r.Lease.Owner != "" {
		s.keep(run, k)
	}
	return k, err
}

// find gives a run as the store below has it; Load would read the files.
func (s *sealed) find(ctx context.Context, run string) (*Run, error) {
	list, err := s.Store.List(ctx, Filter{Prefix: run})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID == run {
			return &list[i], nil
		}
	}
	return nil, ErrNotFound
}

func (s *sealed) unwrap(ctx context.Context, r *Run) (*runKey, error) {
	if len(r.Key) == 0 {
		return nil, nil
	}
	k, err := s.with.open(ctx, r.Key)
	if err == nil {
		return k, nil
	}
	// Another process may have wrapped it with a key that this one does not know.
	if k, ok := s.kept(r.ID); ok && errors.Is(err, ErrKey) {
		return k, nil
	}
	if errors.Is(err, ErrKey) {
		return nil, fmt.Errorf("run %s: %w", r.ID, err)
	}
	return nil, damaged(r.ID, err, "its key")
}

func (s *sealed) kept(run string) (*runKey, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[run]
	return k, ok
}

func (s *sealed) keep(run string, k *runKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.keys[run]; ok {
		return
	}
	// Deleted runs are still in recent: clear it only from time to time.
	for len(s.keys) >= maxRunKeys || len(s.recent) >= 2*maxRunKeys {
		delete(s.keys, s.recent[0])
		s.recent = s.recent[1:]
	}
	s.keys[run] = k
	s.recent = append(s.recent, run)
}

func (s *sealed) forget(run string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, run)
}

// A place begins with the run and the kind of the value.
func sealRun(k *runKey, r *Run) {
	r.Inputs = k.seal(r.Inputs, r.ID, "inputs")
	r.Outputs = k.seal(r.Outputs, r.ID, "outputs")
	r.Failure = k.seal(r.Failure, r.ID, "failure")
}

func openRun(k *runKey, r *Run) error {
	if k == nil {
		return nil
	}
	for _, f := range []struct {
		v    *Value
		name string
	}{{&r.Inputs, "inputs"}, {&r.Outputs, "outputs"}, {&r.Failure, "failure"}} {
		v, err := k.open(*f.v, r.ID, f.name)
		if err != nil {
			return damaged(r.ID, err, "its "+f.name)
		}
		*f.v = v
	}
	return nil
}

// sealRecord seals a copy of a record in place; what it points to is copied.
func sealRecord(k *runKey, run string, c *Record) error {
	if k == nil {
		return checkUnsealed(c)
	}
	if c.End != nil {
		end := *c.End
		end.ID = run
		sealRun(k, &end)
		c.End = &end
	}
	c.Row.Hidden = k.seal(c.Row.Hidden, run, "row", c.Path, strconv.Itoa(c.Row.N))
	attempts := make([]Attempt, len(c.Attempts))
	for i, a := range c.Attempts {
		a.Message = k.seal(a.Message, run, "attempt", c.Path, strconv.Itoa(a.N))
		attempts[i] = a
	}
	points := make([]Point, len(c.Points))
	for i, p := range c.Points {
		p.Value = k.seal(p.Value, run, "point", p.Scope, p.Name, p.Step, strconv.Itoa(p.Attempt))
		points[i] = p
	}
	c.Attempts, c.Points = attempts, points
	if c.Message != nil {
		m := *c.Message
		m.Body = k.seal(m.Body, run, "message", m.Name)
		c.Message = &m
	}
	return nil
}

func checkUnsealed(c *Record) error {
	highest := c.Row.Hidden.Class()
	if c.End != nil {
		highest = max(highest, c.End.Outputs.Class(), c.End.Failure.Class())
	}
	if c.Message != nil {
		highest = max(highest, c.Message.Body.Class())
	}
	for _, a := range c.Attempts {
		highest = max(highest, a.Message.Class())
	}
	for _, p := range c.Points {
		highest = max(highest, p.Value.Class())
	}
	if highest != Plain {
		return errUnsealed
	}
	return nil
}

func openContents(k *runKey, run string, c *Contents) (err error) {
	for i := range c.Rows {
		e := &c.Rows[i]
		if e.Row.Hidden, err = k.open(e.Row.Hidden, run, "row", e.Path, strconv.Itoa(e.Row.N)); err != nil {
			return damaged(run, err, "step", e.Path)
		}
	}
	for path, list := range c.Attempts {
		for i := range list {
			a := &list[i]
			if a.Message, err = k.open(a.Message, run, "attempt", path, strconv.Itoa(a.N)); err != nil {
				return damaged(run, err, "attempt", strconv.Itoa(a.N), "of step", path)
			}
		}
	}
	for i := range c.Mail {
		m := &c.Mail[i]
		if m.Body, err = k.open(m.Body, run, "message", m.Name); err != nil {
			return damaged(run, err, "message", m.Name)
		}
	}
	for i := range c.Points {
		p := &c.Points[i]
		if p.Value, err = k.open(p.Value, run, "point", p.Scope, p.Name, p.Step, strconv.Itoa(p.Attempt)); err != nil {
			return damaged(run, err, "data point", p.Name, "of step", p.Step)
		}
	}
	return nil
}
