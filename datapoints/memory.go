package datapoints

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// Memory keeps runs as long as the process lives. The zero Memory is ready;
// it must not be copied.
type Memory struct {
	mu   sync.RWMutex
	runs map[string]*memoryRun
}

// A memoryRun has its own lock, so that runs do not wait for each other.
type memoryRun struct {
	mu     sync.RWMutex
	run    Run
	rows   map[string]*memoryRow
	order  []*memoryRow
	points []*memoryPoint
	newest map[Slot]*memoryPoint // of a slot
	mail   []Message

	rowSlab     slab[memoryRow]
	pointSlab   slab[memoryPoint]
	attemptSlab slab[Attempt]
}

type memoryPoint struct {
	Point
	before *memoryPoint // the slot's point before this one
}

// A memoryRow is a row in a third of the memory: most have nothing in rest.
type memoryRow struct {
	path           string
	at             time.Time
	last           Outcome
	n, tries, code int
	started, ended time.Time
	hidden         Value
	rest           *Row
	attempts       []Attempt // in the order of their numbers
}

func (m *memoryRow) set(path string, at time.Time, r *Row) {
	spare := m.rest
	*m = memoryRow{path, at, r.Last, r.N, r.Tries, r.Status, r.Started, r.Ended, r.Hidden, nil, m.attempts}
	rest := *r
	rest.Last, rest.N, rest.Tries, rest.Status, rest.Started, rest.Ended, rest.Hidden = Outcome{}, 0, 0, 0, time.Time{}, time.Time{}, Value{}
	if rest == (Row{}) {
		return
	}
	if m.rest = spare; spare == nil {
		m.rest = new(Row)
	}
	*m.rest = *r
}

func (m *memoryRow) entry() Entry {
	if m.rest != nil {
		return Entry{m.path, m.at, *m.rest}
	}
	return Entry{m.path, m.at, Row{Last: m.last, N: m.n, Tries: m.tries, Status: m.code, Started: m.started, Ended: m.ended, Hidden: m.hidden}}
}

// A slab allocates many at once.
type slab[T any] struct{ free []T }

// next gives the next one, when there are n already.
func (s *slab[T]) next(n int) *T { return &s.one(n)[0] }

// one is next as a slice that cannot grow into others.
func (s *slab[T]) one(n int) []T {
	if len(s.free) == 0 {
		s.free = make([]T, min(max(2, n), 256))
	}
	t := s.free[:1:1]
	s.free = s.free[1:]
	return t
}

var _ Rekeyer = (*Memory)(nil)

// Traits says that Memory does not last.
func (m *Memory) Traits() Traits { return Traits{} }

// Create adds runs, all or none.
func (m *Memory) Create(ctx context.Context, runs ...Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range runs {
		if err := CheckNew(r); err != nil {
			return err
		}
		_, there := m.runs[r.ID]
		if there || slices.ContainsFunc(runs[:i], func(o Run) bool { return o.ID == r.ID }) {
			return ErrExists
		}
	}
	if m.runs == nil {
		m.runs = map[string]*memoryRun{}
	}
	for _, r := range runs {
		m.runs[r.ID] = &memoryRun{run: copyRun(NewLease(r))}
	}
	return nil
}

// Claim makes c.Owner the owner of a run.
func (m *Memory) Claim(ctx context.Context, c Lease, now time.Time, dead func(owner string) bool) (Lease, error) {
	r, err := m.at(ctx, c.Run)
	if err != nil {
		return Lease{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	lease, err := r.run.Lease.Claimed(c, now, dead)
	if err == nil {
		r.run.Lease = lease
	}
	return lease, err
}

// Commit adds records in order, all or none.
func (m *Memory) Commit(ctx context.Context, l Lease, records ...Record) error {
	r, err := m.at(ctx, l.Run)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, err := MessageOf(records); m != nil || err != nil {
		return r.leave(m, err)
	}
	if !r.run.Lease.Holds(l) {
		return ErrLeaseLost
	}
	for i := range records {
		r.add(&records[i])
	}
	return nil
}

// Load gives a run with its files.
func (m *Memory) Load(ctx context.Context, run string) (Run, error) {
	r, err := m.at(ctx, run)
	if err != nil {
		return Run{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return copyRun(r.run), nil
}

// Read gives a part of what is recorded of a run.
func (m *Memory) Read(ctx context.Context, run string, q Query) (Contents, error) {
	r, err := m.at(ctx, run)
	if err == ErrNotFound {
		return Contents{}, nil
	}
	if err != nil {
		return Contents{}, err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.read(q), nil
}

// List gives runs without files, newest first.
func (m *Memory) List(ctx context.Context, f Filter) ([]Run, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []Run
	for _, r := range m.runs {
		r.mu.RLock()
		if f.Matches(&r.run) {
			run := r.run
			run.Files = nil
			run.Key = bytes.Clone(run.Key)
			list = append(list, run)
		}
		r.mu.RUnlock()
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID > list[j].ID })
	if f.Limit > 0 && len(list) > f.Limit {
		list = slices.Clip(list[:f.Limit])
	}
	return list, nil
}

// Delete removes a run.
func (m *Memory) Delete(ctx context.Context, run string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.runs, run)
	return nil
}

// Rekey replaces the wrapped keys of runs.
func (m *Memory) Rekey(ctx context.Context, changes ...KeyChange) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	m.mu.Lock() // so that nobody sees a part of it
	defer m.mu.Unlock()
	for _, c := range changes {
		r := m.runs[c.Run]
		if r == nil {
			continue
		}
		r.mu.Lock()
		if bytes.Equal(r.run.Key, c.Old) {
			r.run.Key = bytes.Clone(c.New)
			n++
		}
		r.mu.Unlock()
	}
	return n, nil
}

func (m *Memory) at(ctx context.Context, run string) (*memoryRun, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	r := m.runs[run]
	if r == nil {
		return nil, ErrNotFound
	}
	return r, nil
}

func (r *memoryRun) add(c *Record) {
	if c.End != nil {
		c.End.applyEnd(&r.run)
	}
	if c.Bare {
		return
	}
	if r.rows == nil {
		r.rows = map[string]*memoryRow{}
		r.newest = map[Slot]*memoryPoint{}
	}
	e := r.rows[c.Path]
	if e == nil {
		e = r.rowSlab.next(len(r.order))
		r.rows[c.Path] = e
		r.order = append(r.order, e)
	}
	e.set(c.Path, c.At, &c.Row)
	for _, a := range c.Attempts {
		r.addAttempt(e, a)
	}
	r.undo(c.Undo, c.Slots)
	for i := range c.Points {
		p := r.pointSlab.next(len(r.points))
		*p = memoryPoint{c.Points[i], r.newest[c.Points[i].Slot]}
		p.Undone = false
		r.points = append(r.points, p)
		r.newest[p.Slot] = p
	}
}

// leave keeps the first message of a name, while the run is not over.
func (r *memoryRun) leave(m *Message, err error) error {
	switch {
	case err != nil:
		return err
	case IsOver(r.run.State) && !m.IsNote():
		return ErrOver
	case slices.ContainsFunc(r.mail, func(o Message) bool { return o.Name == m.Name }):
		return ErrDelivered
	}
	r.mail = append(r.mail, *m)
	return nil
}

// addAttempt keeps the attempts of a row in the order of their numbers. Most
// rows have one.
func (r *memoryRun) addAttempt(e *memoryRow, a Attempt) {
	if len(e.attempts) == 0 {
		e.attempts = r.attemptSlab.one(len(r.order))
		e.attempts[0] = a
		return
	}
	at, there := slices.BinarySearchFunc(e.attempts, a.N, func(a Attempt, n int) int { return a.N - n })
	if there {
		e.attempts[at] = a
		return
	}
	e.attempts = slices.Insert(e.attempts, at, a)
}

func (r *memoryRun) undo(path string, slots []Slot) {
	for _, s := range slots {
		for p := r.newest[s]; p != nil; p = p.before {
			p.Undone = p.Undone || Below(p.Step, path)
		}
	}
}

func (r *memoryRun) read(q Query) Contents {
	var c Contents
	if q.Rows {
		c.Rows = make([]Entry, len(r.order))
		for i, e := range r.order {
			c.Rows[i] = e.entry()
		}
	}
	if q.Attempts {
		c.Attempts = make(map[string][]Attempt, len(r.order))
		for _, e := range r.order {
			if len(e.attempts) > 0 {
				c.Attempts[e.path] = slices.Clone(e.attempts)
			}
		}
	}
	if q.Mail {
		c.Mail = slices.Clone(r.mail)
		for i, m := range c.Mail {
			if m.Name == "" || m.Name != q.Open {
				c.Mail[i].Body = Value{}
			}
		}
	}
	if q.History {
		c.Points = make([]Point, len(r.points))
		for i := range r.points {
			c.Points[i] = r.points[i].Point
		}
		return c
	}
	for _, s := range q.Slots {
		p := r.newest[s]
		for p != nil && p.Undone {
			p = p.before
		}
		if p != nil {
			c.Points = append(c.Points, p.Point)
		}
	}
	return c
}

func copyRun(r Run) Run {
	r.Key = bytes.Clone(r.Key)
	files := make([]File, len(r.Files))
	for i, f := range r.Files {
		files[i] = File{f.Name, bytes.Clone(f.Data)}
	}
	r.Files = files
	if len(files) == 0 {
		r.Files = nil
	}
	return r
}

// Below says whether a step's path is, or lies in, another: "fetch.list[2].get"
// is below "fetch", "fetch.list", "fetch.list[2]" and "", not below "fet".
func Below(step, path string) bool {
	if path == "" {
		return true
	}
	rest, ok := strings.CutPrefix(step, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == '#')
}
