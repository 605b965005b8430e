package datapoints

import (
	"slices"
	"sync"
	"time"
)

// A memoryRun has its own lock, so that runs do not wait for each other.
type memoryRun struct {
	mu     sync.RWMutex
	run    Run
	order  []*memoryRow
	rows   map[string]*memoryRow // of a path; nil: so few that they are looked through
	points []*memoryPoint
	newest map[Slot]*memoryPoint // of a slot; nil: as of rows
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
	rest           *memoryRest
	attempts       []Attempt // in the order of their numbers
}

// A memoryRest is what compounds, calls under way and failures have beside.
type memoryRest struct {
	enter, caught              Outcome
	intent, base, polls, pages int
	intentSafe, waited         bool
	deadline                   time.Time
	origin, assumed            string
}

func (m *memoryRow) set(path string, at time.Time, r *Row) {
	spare := m.rest
	*m = memoryRow{path, at, r.Last, r.N, r.Tries, r.Status, r.Started, r.Ended, r.Hidden, nil, m.attempts}
	rest := memoryRest{r.Enter, r.Caught, r.Intent, r.Base, r.Polls, r.Pages, r.IntentSafe, r.Waited, r.Deadline, r.Origin, r.Assumed}
	if rest == (memoryRest{}) {
		return
	}
	if m.rest = spare; spare == nil {
		m.rest = new(memoryRest)
	}
	*m.rest = rest
}

func (m *memoryRow) entry() Entry {
	row := Row{Last: m.last, N: m.n, Tries: m.tries, Status: m.code, Started: m.started, Ended: m.ended, Hidden: m.hidden}
	if r := m.rest; r != nil {
		row.Enter, row.Caught, row.Intent, row.Base, row.Polls, row.Pages = r.enter, r.caught, r.intent, r.base, r.polls, r.pages
		row.IntentSafe, row.Waited, row.Deadline, row.Origin, row.Assumed = r.intentSafe, r.waited, r.deadline, r.origin, r.assumed
	}
	return Entry{m.path, m.at, row}
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

func (r *memoryRun) add(c *Record) {
	if c.End != nil {
		c.End.applyEnd(&r.run)
	}
	if c.Bare {
		return
	}
	if r.order == nil {
		most := min(r.run.Steps+1, few) // of most runs that is all
		r.order, r.rowSlab.free = make([]*memoryRow, 0, most), make([]memoryRow, most)
	}
	e := r.row(c.Path)
	if e == nil {
		e = r.rowSlab.next(len(r.order))
		r.order = append(r.order, e)
		if r.rows != nil {
			r.rows[c.Path] = e
		}
	}
	e.set(c.Path, c.At, &c.Row)
	for _, a := range c.Attempts {
		r.addAttempt(e, a)
	}
	r.undo(c.Undo, c.Slots)
	for i := range c.Points {
		p := r.pointSlab.next(len(r.points))
		*p = memoryPoint{c.Points[i], r.newestOf(c.Points[i].Slot)}
		p.Undone = false
		r.points = append(r.points, p)
		if r.newest != nil {
			r.newest[p.Slot] = p
		}
	}
	r.index()
}

// few is how many rows or points are looked through faster than a map is made.
const few = 8

// row is that of a path, or nil.
func (r *memoryRun) row(path string) *memoryRow {
	if r.rows != nil {
		return r.rows[path]
	}
	for _, e := range r.order {
		if e.path == path {
			return e
		}
	}
	return nil
}

// newestOf is the newest point of a slot, or nil.
func (r *memoryRun) newestOf(s Slot) *memoryPoint {
	if r.newest != nil {
		return r.newest[s]
	}
	for _, p := range slices.Backward(r.points) {
		if p.Slot == s {
			return p
		}
	}
	return nil
}

// index makes the maps once there is more than a few.
func (r *memoryRun) index() {
	if r.rows == nil && len(r.order) > few {
		r.rows = make(map[string]*memoryRow, 2*few)
		for _, e := range r.order {
			r.rows[e.path] = e
		}
	}
	if r.newest == nil && len(r.points) > few {
		r.newest = make(map[Slot]*memoryPoint, 2*few)
		for _, p := range r.points {
			r.newest[p.Slot] = p
		}
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
		for p := r.newestOf(s); p != nil; p = p.before {
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
		p := r.newestOf(s)
		for p != nil && p.Undone {
			p = p.before
		}
		if p != nil {
			c.Points = append(c.Points, p.Point)
		}
	}
	return c
}
