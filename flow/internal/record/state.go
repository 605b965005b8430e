// Package record is what one process knows of a run that it owns, and how that
// is written: rows and data points in memory, and a log that is durable as a prefix.
package record

import (
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
	free     []datapoints.Row // for newRow
	points   map[datapoints.Slot]*Cell
	items    map[string][]expression.Value // of open loops, by path
	given    map[string]Inputs             // of open sub-flows, by path
	Complete bool                          // nothing is in the store that is not here
	written  map[string]string             // files of save_to, with the path of the step
	unknown  bool                          // a call is recorded as unknown
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

func NewState(s datapoints.Store, run string) *State {
	return &State{store: s, run: run, rows: map[string]*datapoints.Row{}, points: map[datapoints.Slot]*Cell{},
		items: map[string][]expression.Value{}, given: map[string]Inputs{}, Complete: true}
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
		s.count(nil, &row)
	}
	return nil
}

// Row is what is recorded at a path; the zero row if nothing is.
func (s *State) Row(path string) datapoints.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[path]; r != nil {
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
		s.count(row, &rec.Row)
		if row == nil {
			row = s.newRow()
			s.rows[rec.Path] = row
		}
		*row = rec.Row
	}
	for i := range rec.Points {
		p := &rec.Points[i]
		s.bytes += len(p.Value.Reveal())
		s.points[p.Slot] = &Cell{expression.FromJSON(p.Value.Reveal()), p.Value.Class(), p.Step, p.At}
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

func (s *State) count(before, r *datapoints.Row) {
	if before == nil && r.Enter.Status == 0 {
		s.steps++
	}
	if r.Last.Status == datapoints.Broke && r.Last.Kind == plan.Unknown {
		s.unknown = true
	}
}

// Get is the version of a data point that counts, or nil.
func (s *State) Get(ctx context.Context, slot datapoints.Slot) (*Cell, error) {
	s.mu.Lock()
	c, known := s.points[slot]
	complete := s.Complete
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
	if newer := s.points[slot]; newer != nil {
		return newer, nil
	}
	s.points[slot] = c
	return c, nil
}

// Ended counts the steps below root that need no more doing: those that ended
// well, that were passed over, and that lie in a part of the flow not taken.
// Of a loop that goes on its first item counts.
func (s *State) Ended(root *plan.Node) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended(root, "")
}

func (s *State) ended(n *plan.Node, path string) int {
	var r datapoints.Row
	if row := s.rows[path]; row != nil {
		r = *row
	}
	over := 0
	switch {
	case r.Enter.Status == datapoints.Skipped || r.Last.Status == datapoints.Skipped:
		over = itself(n) + every(n.Steps) + every(n.Catch)
		if n.Else != nil {
			over += s.ended(n.Else, below(path, "else"))
		}
	case r.Caught.Status == datapoints.Done && r.Caught.Next >= 0:
		over = itself(n) + every(n.Steps) + size(n.Else)
		for i, c := range n.Catch {
			if i == r.Caught.Next {
				over += s.ended(c, below(path, "catch["+strconv.Itoa(i)+"]"))
			} else {
				over += size(c)
			}
		}
	case r.Last.Status == datapoints.Done:
		over = itself(n) + every(n.Steps) + size(n.Else) + every(n.Catch)
	case n.Kind == plan.Loop:
		over = s.ended(n.Steps[0], path+"[0]")
	default:
		for _, c := range n.Steps {
			over += s.ended(c, below(path, c.ID))
		}
		if n.Bare && over == every(n.Steps) { // it has no record of its own
			over += itself(n)
		}
	}
	if n.Finally != nil {
		over += s.ended(n.Finally, below(path, "finally"))
	}
	return over
}

// Over says whether the steps in a part of the plan need no more doing.
func (s *State) Over(n *plan.Node, path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := 0
	for _, c := range n.Steps {
		over += s.ended(c, below(path, c.ID))
	}
	return over == every(n.Steps)
}

// size is how many steps a part of the plan has.
func size(n *plan.Node) int {
	if n == nil {
		return 0
	}
	return itself(n) + every(n.Steps) + size(n.Else) + every(n.Catch) + size(n.Finally)
}

func every(nodes []*plan.Node) int {
	total := 0
	for _, n := range nodes {
		total += size(n)
	}
	return total
}

// itself is 1 if a node is a step, 0 if it is a part of one.
func itself(n *plan.Node) int {
	if n.ID == "" {
		return 0
	}
	return 1
}

func below(path, id string) string {
	if path == "" {
		return id
	}
	return path + "." + id
}

// FirstUnknown is the path of the call that became unknown first, or "".
func (s *State) FirstUnknown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := ""
	if !s.unknown {
		return first
	}
	for path, r := range s.rows {
		if r.Last.Status == datapoints.Broke && r.Last.Kind == plan.Unknown && r.Origin == path &&
			(first == "" || r.Started.Before(s.rows[first].Started)) {
			first = path
		}
	}
	return first
}

// Final says whether a row's verb has ended.
func Final(r *datapoints.Row) bool {
	return r.Last.Status == datapoints.Done || r.Last.Status == datapoints.Skipped || r.Last.Status == datapoints.Broke
}

func (s *State) SetItems(path string, items []expression.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if items == nil {
		delete(s.items, path)
		return
	}
	s.items[path] = items
}

func (s *State) OpenItems(path string) ([]expression.Value, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, ok := s.items[path]
	return items, ok
}

// SetInputs keeps what a sub-flow was given while it runs; nil forgets it.
func (s *State) SetInputs(path string, in Inputs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in == nil {
		delete(s.given, path)
		return
	}
	s.given[path] = in
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
	if s.written == nil {
		s.written = map[string]string{}
	}
	if s.written[file] == "" {
		s.written[file] = step
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

// Unknowns are the paths of calls that may have been processed, sorted.
func (s *State) Unknowns() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path, r := range s.rows {
		broke := r.Last.Status == datapoints.Broke && r.Last.Kind == plan.Unknown && r.Origin == path
		if broke || InDoubt(r) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// InDoubt says of a row that its call may have been sent and nothing is
// recorded of an answer.
func InDoubt(r *datapoints.Row) bool { return r.Intent == r.N+1 && !r.IntentSafe && !Final(r) }

// Doubts are the paths of rows that are in doubt, sorted.
func (s *State) Doubts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for path, r := range s.rows {
		if InDoubt(r) {
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
