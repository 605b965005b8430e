package datapoints

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"
	"time"
)

// Memory keeps runs as long as the process lives. The zero Memory is ready;
// it must not be copied.
type Memory struct {
	mu    sync.RWMutex
	runs  map[string]*memoryRun
	files []File // of the run that was created last
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
		r.Key, r.Files = bytes.Clone(r.Key), m.keep(r.Files)
		m.runs[r.ID] = &memoryRun{run: NewLease(r)}
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
	if len(m.runs) == 0 {
		m.files = nil
	}
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

// keep gives files that nobody else has, once for all runs in a row that begin
// with the same.
func (m *Memory) keep(files []File) []File {
	same := func(a, b File) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) }
	if !slices.EqualFunc(m.files, files, same) {
		m.files = copyFiles(files)
	}
	return m.files
}

func copyFiles(files []File) []File {
	if len(files) == 0 {
		return nil
	}
	own := make([]File, len(files))
	for i, f := range files {
		own[i] = File{f.Name, bytes.Clone(f.Data)}
	}
	return own
}

func copyRun(r Run) Run {
	r.Key, r.Files = bytes.Clone(r.Key), copyFiles(r.Files)
	return r
}
