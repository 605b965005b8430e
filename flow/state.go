package flow

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A state is what one process knows of a run that it owns: the rows and the
// data points that count. What is not in it is read from the store by slot.
type state struct {
	store datapoints.Store
	run   string

	mu       sync.Mutex
	rows     map[string]*datapoints.Row
	points   map[datapoints.Slot]*cell
	items    map[string][]expression.Value // of open loops, by path
	complete bool                          // nothing is in the store that is not here
	unknown  bool                          // a call is recorded as unknown
	done     int                           // steps that ended well or were skipped
	bytes    int                           // of all values
}

// A cell is a data point's newest version, with its decoded form.
type cell struct {
	value expression.Value
	class datapoints.Class
}

func newState(s datapoints.Store, run string) *state {
	return &state{store: s, run: run, rows: map[string]*datapoints.Row{}, points: map[datapoints.Slot]*cell{},
		items: map[string][]expression.Value{}, complete: true}
}

// load takes over what is recorded of the run.
func (s *state) load(ctx context.Context) error {
	got, err := s.store.Read(ctx, s.run, datapoints.Query{Rows: true})
	if err != nil {
		return err
	}
	s.complete = len(got.Rows) == 0
	for _, e := range got.Rows {
		row := e.Row
		s.rows[e.Path] = &row
		s.count(&row)
	}
	return nil
}

// row is what is recorded at a path; the zero row if nothing is.
func (s *state) row(path string) datapoints.Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[path]; r != nil {
		return *r
	}
	return datapoints.Row{}
}

// put takes a record over. It is called once its order in the log is fixed.
func (s *state) put(rec *datapoints.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !rec.Bare {
		row := rec.Row
		s.rows[rec.Path] = &row
		s.count(&row)
	}
	for i := range rec.Points {
		p := &rec.Points[i]
		s.bytes += len(p.Value.Reveal())
		s.points[p.Slot] = &cell{expression.FromJSON(p.Value.Reveal()), p.Value.Class()}
	}
}

func (s *state) count(r *datapoints.Row) {
	if r.Last.Status == datapoints.Broke && r.Last.Kind == string(KindUnknown) {
		s.unknown = true
	}
}

// get is the version of a data point that counts, or nil.
func (s *state) get(ctx context.Context, slot datapoints.Slot) (*cell, error) {
	s.mu.Lock()
	c, known := s.points[slot]
	complete := s.complete
	s.mu.Unlock()
	if known || complete {
		return c, nil
	}
	got, err := s.store.Read(ctx, s.run, datapoints.Query{Slots: []datapoints.Slot{slot}})
	if err != nil {
		return nil, err
	}
	if len(got.Points) > 0 {
		v := got.Points[len(got.Points)-1].Value
		c = &cell{expression.FromJSON(v.Reveal()), v.Class()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if newer := s.points[slot]; newer != nil {
		return newer, nil
	}
	s.points[slot] = c
	return c, nil
}

// ended counts the steps that ended well or were skipped, in any iteration.
func (s *state) ended(p *Plan) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := map[int]bool{}
	for path, r := range s.rows {
		well := r.Last.Status == datapoints.Done || r.Last.Status == datapoints.Skipped || r.Enter.Status == datapoints.Skipped ||
			r.Caught.Status == datapoints.Done && r.Caught.Next >= 0
		if !well || strings.Contains(path, "[") && !strings.Contains(path, "[0]") {
			continue
		}
		if n := p.at(path); n != nil && n.ID != "" {
			over[n.Index] = true
		}
	}
	return len(over)
}

// firstUnknown is the path of the call that became unknown first, or "".
func (s *state) firstUnknown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := ""
	if !s.unknown {
		return first
	}
	for path, r := range s.rows {
		if r.Last.Status == datapoints.Broke && r.Last.Kind == string(KindUnknown) && r.Origin == path &&
			(first == "" || r.Started.Before(s.rows[first].Started)) {
			first = path
		}
	}
	return first
}

// final says whether a row's verb has ended.
func final(r *datapoints.Row) bool {
	return r.Last.Status == datapoints.Done || r.Last.Status == datapoints.Skipped || r.Last.Status == datapoints.Broke
}

func (s *state) setItems(path string, items []expression.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if items == nil {
		delete(s.items, path)
		return
	}
	s.items[path] = items
}

func (s *state) openItems(path string) ([]expression.Value, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items, ok := s.items[path]
	return items, ok
}

func (s *state) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}

// finished counts the leading iterations of a loop that are over, from a known number on.
func (s *state) finished(n *plan.Node, path string, from, count int) int {
	for from < count {
		r := s.row(path + "[" + strconv.Itoa(from) + "]")
		over := final(&r) || r.Enter.Status == datapoints.Skipped
		broke := r.Last.Status == datapoints.Broke
		if !over || broke && (!n.Go || r.Last.Kind == string(KindUnknown)) {
			break
		}
		from++
	}
	return from
}

// instance is the path of the scope's instance that a path lies in: of the
// run "", of an iteration the loop's path with its index.
func instance(sc *plan.Scope, path string) string {
	depth := sc.Node.Depth
	if depth == 0 {
		return ""
	}
	end, last := len(path), 0
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if depth--; depth == 0 {
			end = i
			break
		}
		last = i + 1
	}
	path = path[:end]
	if i := strings.IndexByte(path[last:], '#'); i >= 0 {
		path = path[:last+i] // an iteration, not its round
	}
	return path
}

// iteration is the index of the innermost loop of an instance's path: 3 of "a.notify[3]".
func iteration(path string) int {
	open := strings.LastIndexByte(path, '[')
	i, _ := strconv.Atoi(path[open+1 : len(path)-1])
	return i
}

// A recorder writes records in order. Those that somebody waits for take the
// earlier ones with them; the others go with the next, at most 5 ms later.
type recorder struct {
	store datapoints.Store
	lease datapoints.Lease
	state *state
	lasts bool

	mu       sync.Mutex
	ended    *sync.Cond
	pending  []datapoints.Record
	added    int // records ever added
	durable  int // of them, written
	flushing bool
	timer    *time.Timer
	err      error
}

func newRecorder(s datapoints.Store, l datapoints.Lease, st *state) *recorder {
	r := &recorder{store: s, lease: l, state: st, lasts: s.Traits().Lasts}
	r.ended = sync.NewCond(&r.mu)
	return r
}

// ride is how long a record may wait for company.
const ride = 5 * time.Millisecond

// add records; wait returns only when it is durable. What was written is a
// prefix of what was added, always.
func (r *recorder) add(ctx context.Context, rec datapoints.Record, wait bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	r.state.put(&rec)
	r.pending = append(r.pending, rec)
	r.added++
	switch {
	case wait || !r.lasts:
		return r.flush(ctx, r.added)
	case r.timer == nil:
		r.timer = time.AfterFunc(ride, func() { _ = r.close(context.WithoutCancel(ctx)) })
	}
	return nil
}

// addAll records in one transaction and returns when that is durable.
func (r *recorder) addAll(ctx context.Context, records []datapoints.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending = append(r.pending, records...)
	r.added += len(records)
	return r.flush(ctx, r.added)
}

// close writes all that is pending.
func (r *recorder) close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flush(ctx, r.added)
}

// flush, with mu held, returns when upTo records are written. One caller
// writes for all that wait.
func (r *recorder) flush(ctx context.Context, upTo int) error {
	for r.err == nil && r.durable < upTo {
		if r.flushing {
			r.ended.Wait()
			continue
		}
		batch := r.pending
		r.pending, r.flushing = nil, true
		if r.timer != nil {
			r.timer.Stop()
			r.timer = nil
		}
		r.mu.Unlock()
		err := r.store.Commit(ctx, r.lease, batch...)
		r.mu.Lock()
		r.flushing = false
		if r.durable += len(batch); err != nil {
			r.err = storeError("the run cannot be recorded", err)
		}
		r.ended.Broadcast()
	}
	return r.err
}
