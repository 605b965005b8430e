// Package record is what one process knows of a run that it owns, and how that
// is written: rows and data points in memory, and a log that is durable as a prefix.
package record

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A State is what one process knows of a run that it owns: the rows and the
// data points that count. What is not in it is read from the store by slot.
type State struct {
	store datapoints.Store
	run   string

	mu       sync.Mutex
	rows     map[string]*datapoints.Row
	free     []datapoints.Row    // for newRow
	inside   map[string][]string // what was recorded in an iteration that is under way, by its path
	over     map[string][]uint64 // of a loop: which iterations were let go
	points   cells
	items    map[string][]expression.Value // of open loops, by path
	given    map[string]Inputs             // of open sub-flows, by path
	asked    map[string]map[string]bool    // what the pages of open calls were asked with, by path
	Complete bool                          // nothing is in the store that is not here
	written  map[string]string             // files of save_to, with the path of the step
	unknown  map[string]bool               // paths of calls that are recorded as unknown
	doubts   map[string]bool               // … of calls that may have been sent, with nothing recorded of an answer
	undone   map[datapoints.Slot]bool      // a failed round took the newest back: the store knows what counts
	steps    int                           // leaves that were begun
	bytes    int                           // of all values

	// Seen is told of each data point that is read back from the store, once
	// or more often. nil: nobody is.
	Seen func(p *datapoints.Point)
}

// A Cell is a data point's newest version, with its decoded form.
type Cell struct {
	Value expression.Value
	Class datapoints.Class
	Step  string // that saved it
	At    time.Time
}

// Inputs are what a sub-flow was given, by name.
type Inputs map[string]expression.Value

// NewState makes the state of a run of which nothing is known yet. nodes is how
// many parts its plan has.
func NewState(s datapoints.Store, run string, nodes int) *State {
	return &State{store: s, run: run, rows: map[string]*datapoints.Row{}, free: make([]datapoints.Row, min(nodes, 8)), Complete: true}
}

// Load takes over what is recorded of the run.
func (s *State) Load(ctx context.Context) error {
	got, err := s.store.Read(ctx, s.run, datapoints.Query{Rows: true})
	if err != nil {
		return err
	}
	s.Complete = len(got.Rows) == 0
	for _, e := range got.Rows {
		row := e.Row
		s.rows[e.Path] = &row
		s.enter(e.Path)
		s.count(e.Path, nil, &row)
	}
	return nil
}

// Row is what is recorded at a path; the zero row if nothing is.
func (s *State) Row(path string) datapoints.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.row(path); r != nil {
		return *r
	}
	return datapoints.Row{}
}

// Put takes a record over. It is called once its order in the log is fixed.
func (s *State) Put(rec *datapoints.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !rec.Bare {
		row := s.rows[rec.Path]
		s.count(rec.Path, row, &rec.Row)
		if row == nil {
			row = s.newRow()
			s.rows[rec.Path] = row
			s.enter(rec.Path)
		}
		*row = rec.Row
		if Final(row) {
			delete(s.asked, rec.Path)
		}
		if row.Last.Status == datapoints.Done {
			s.forget(rec.Path)
		}
	}
	for _, slot := range rec.Slots {
		s.points.forget(slot)
		set(&s.undone, slot, true)
	}
	for i := range rec.Points {
		p := &rec.Points[i]
		if p.Name == Asked {
			s.ask(rec.Path, p)
			continue
		}
		s.bytes += len(p.Value.Reveal())
		s.points.set(p.Slot, &Cell{expression.FromJSON(p.Value.Reveal()), p.Value.Class(), p.Step, p.At})
		delete(s.undone, p.Slot)
	}
}

// newRow allocates many rows at once, more the more there are.
func (s *State) newRow() *datapoints.Row {
	if len(s.free) == 0 {
		s.free = make([]datapoints.Row, min(max(2, len(s.rows)), 64))
	}
	row := &s.free[0]
	s.free = s.free[1:]
	return row
}

func (s *State) count(path string, before, r *datapoints.Row) {
	if before == nil && r.Enter.Status == 0 {
		s.steps++
	}
	note(&s.unknown, path, r.Last.Status == datapoints.Broke && r.Last.Kind == plan.Unknown && r.Origin == path)
	note(&s.doubts, path, InDoubt(r))
}

func note(in *map[string]bool, path string, is bool) {
	if is {
		set(in, path, true)
	} else {
		delete(*in, path)
	}
}

// set makes the map when it is first needed: most runs need few of them.
func set[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = v
}

// Get is the version of a data point that counts, or nil.
func (s *State) Get(ctx context.Context, slot datapoints.Slot) (*Cell, error) {
	s.mu.Lock()
	c, known := s.points.get(slot)
	complete := s.Complete && !s.undone[slot]
	s.mu.Unlock()
	if known || complete {
		return c, nil
	}
	got, err := s.store.Read(ctx, s.run, datapoints.Query{Slots: []datapoints.Slot{slot}})
	if err != nil {
		return nil, err
	}
	if len(got.Points) > 0 {
		p := &got.Points[len(got.Points)-1]
		if s.Seen != nil {
			s.Seen(p)
		}
		c = &Cell{expression.FromJSON(p.Value.Reveal()), p.Value.Class(), p.Step, p.At}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if newer, _ := s.points.get(slot); newer != nil {
		return newer, nil
	}
	s.points.set(slot, c)
	delete(s.undone, slot)
	return c, nil
}

// FirstUnknown is the path at or below another of the call that began first, of
// those that became unknown and that no clause of catch took, or "".
func (s *State) FirstUnknown(below string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := ""
	for path := range s.unknown {
		if !datapoints.Below(path, below) || Taken(s.rows, path) {
			continue
		}
		if first == "" || s.begun(path, first) < 0 {
			first = path
		}
	}
	return first
}

// begun orders two paths by when they began; a map's order decides nothing.
func (s *State) begun(a, b string) int {
	return cmp.Or(s.rows[a].Started.Compare(s.rows[b].Started), strings.Compare(a, b))
}

// Final says whether a row's verb has ended.
func Final(r *datapoints.Row) bool {
	return r.Last.Status == datapoints.Done || r.Last.Status == datapoints.Skipped || r.Last.Status == datapoints.Broke
}

// SetInputs keeps what a sub-flow was given while it runs; nil forgets it.
func (s *State) SetInputs(path string, in Inputs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in == nil {
		delete(s.given, path)
		return
	}
	set(&s.given, path, in)
}

// OpenInputs are what a sub-flow was given, if that is known in this process.
func (s *State) OpenInputs(path string) (Inputs, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.given[path]
	return in, ok
}

func (s *State) Size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// Claim says which step of the run a file belongs to: the first that asks.
func (s *State) Claim(file, step string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written[file] == "" {
		set(&s.written, file, step)
	}
	return s.written[file]
}

// Steps is how many steps were begun: iterations count, blocks and loops do not.
func (s *State) Steps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.steps
}

// Finished counts the leading iterations of a loop that are over.
func (s *State) Finished(n *plan.Node, path string, count int) int {
	done := 0
	for done < count {
		r := s.Row(path + "[" + strconv.Itoa(done) + "]")
		over := Final(&r) || r.Enter.Status == datapoints.Skipped
		broke := r.Last.Status == datapoints.Broke
		if !over || broke && (!n.Go || r.Last.Kind == plan.Unknown) {
			break
		}
		done++
	}
	return done
}

// Unknowns are the paths of calls that may have been processed and that no
// clause of catch has taken, sorted.
func (s *State) Unknowns() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path := range s.unknown {
		if !Taken(s.rows, path) {
			paths = append(paths, path)
		}
	}
	for path := range s.doubts {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Unknown says of a row that it is a call that may have been processed.
func Unknown(path string, r *datapoints.Row) bool {
	return r.Last.Status == datapoints.Broke && r.Last.Kind == plan.Unknown && r.Origin == path || InDoubt(r)
}

// InDoubt says of a row that its call may have been sent and nothing is
// recorded of an answer.
func InDoubt(r *datapoints.Row) bool { return r.Intent == r.N+1 && !r.IntentSafe && !Final(r) }

// Waiting are the paths of leaves that wait for a message or a time, sorted;
// not those that were stopped while they waited.
func (s *State) Waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path, r := range s.rows {
		if (r.Last.Status == datapoints.Awaits || r.Last.Status == datapoints.Again && !r.Last.Until.IsZero()) && !Left(s.rows, path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Doubts are the paths at or below another of rows that are in doubt, sorted.
func (s *State) Doubts(below string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path := range s.doubts {
		if datapoints.Below(path, below) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Below lists the recorded paths at and below a path, sorted.
func (s *State) Below(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for p := range s.rows {
		if p == path || strings.HasPrefix(p, path+".") {
			paths = append(paths, p)
		}
	}
	slices.Sort(paths)
	return paths
}
