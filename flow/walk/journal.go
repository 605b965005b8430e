package walk

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A Journal is the engine of this process: it answers recorded tasks from the
// record and does the others. While a walk replays, a barrier holds back what
// is new until every branch waits, so that a branch that was stopped before
// learns so before it sends anything.
type Journal struct {
	Recorded func(Task) (Outcome, bool)                   // answers a task that is recorded
	Work     func(context.Context, Task) (Outcome, error) // does one that is not
	Hard     context.Context                              // ends when calls in flight must be cut
	Stays    bool                                         // waits for whatever it takes, and never pauses
	soft     context.Context                              // ends when nothing new may begin

	mu          sync.Mutex
	root        stopScope
	live        int // branches that run
	replaying   bool
	interrupted bool
	waiting     []*waiter
	mail
}

type waiter struct {
	scope *stopScope
	kind  waitKind
	until time.Time // zero: never
	woken chan error
}

type waitKind uint8

const (
	replayBook waitKind = iota // leave and catch: they send nothing, so they go first
	replayNew
	sleeping
	awaiting // a message
)

// A stopScope is what can be stopped: the run, one Each, one Shield.
type stopScope struct {
	parent  *stopScope
	stopped bool
}

type scopeKey struct{}

func scopeOf(ctx context.Context) *stopScope {
	s, _ := ctx.Value(scopeKey{}).(*stopScope)
	return s
}

func (s *stopScope) isStopped() bool {
	for ; s != nil; s = s.parent {
		if s.stopped {
			return true
		}
	}
	return false
}

// Walk walks p. When ctx ends, waiters wake and nothing new starts; tasks that
// are being done go on until hard ends.
func (j *Journal) Walk(ctx context.Context, p *plan.Plan, run string, replaying bool) error {
	j.soft, j.live, j.replaying = ctx, 1, replaying
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, j.Interrupt)()
	}
	root := context.WithValue(context.WithoutCancel(ctx), scopeKey{}, &j.root)
	if ctx.Err() != nil {
		j.Interrupt()
	}
	return Walk(root, p, run, j)
}

// Interrupt makes everything but tasks in flight return ErrInterrupted. Before
// Walk it makes the walk one that is interrupted from the start.
func (j *Journal) Interrupt() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.interrupted = true
	j.waken(func(*waiter) bool { return true }, ErrInterrupted)
}

// waken makes waiters live again in the same breath, with mu held: a branch
// that was woken counts as running before it has a processor.
func (j *Journal) waken(which func(*waiter) bool, err error) (n int) {
	keep := j.waiting[:0]
	for _, w := range j.waiting {
		if !which(w) {
			keep = append(keep, w)
			continue
		}
		n++
		j.live++
		w.woken <- err
	}
	clear(j.waiting[len(keep):])
	j.waiting = keep
	return n
}

// block makes the branch wait, until a time if it has one. It is called with
// mu held and returns without it.
func (j *Journal) block(w *waiter) error {
	switch {
	case w.scope.isStopped():
		j.mu.Unlock()
		return ErrStopped
	case j.interrupted:
		j.mu.Unlock()
		return ErrInterrupted
	}
	w.woken = make(chan error, 1)
	j.waiting = append(j.waiting, w)
	if !w.until.IsZero() {
		timer := time.AfterFunc(time.Until(w.until), func() {
			j.mu.Lock()
			defer j.mu.Unlock()
			j.waken(func(other *waiter) bool { return other == w }, nil)
		})
		defer timer.Stop()
	}
	j.rest()
	j.mu.Unlock()
	return <-w.woken
}

// rest takes one branch off. While replaying, when none is left, the
// bookkeeping that waits goes on; when there is none, the replay is over. When
// nothing new waits then either, the run may pause.
func (j *Journal) rest() {
	if j.live--; j.live > 0 {
		return
	}
	if j.replaying {
		if j.waken(func(w *waiter) bool { return w.kind == replayBook }, nil) > 0 {
			return
		}
		j.replaying = false
		if j.waken(func(w *waiter) bool { return w.kind == replayNew }, nil) > 0 {
			return
		}
	}
	j.quiet()
}

// Do implements Engine.
func (j *Journal) Do(ctx context.Context, t Task) (Outcome, error) {
	if out, ok := j.Recorded(t); ok {
		return out, nil // also in a stopped context
	}
	scope := scopeOf(ctx)
	j.mu.Lock()
	if j.replaying {
		kind := replayNew
		if t.Phase == Leave || t.Phase == Catch {
			kind = replayBook
		}
		if err := j.block(&waiter{scope: scope, kind: kind}); err != nil {
			return Outcome{}, err
		}
		j.mu.Lock()
	}
	stopped, interrupted, came := scope.isStopped(), j.interrupted, j.came
	j.mu.Unlock()
	switch {
	case interrupted, j.soft.Err() != nil:
		return Outcome{}, ErrInterrupted
	case stopped:
		return Outcome{}, ErrStopped
	}
	out, err := j.Work(j.Hard, t)
	if err != nil {
		j.Interrupt() // the engine is broken, or cut off: nobody waits for anything any more
	}
	if out.Status == datapoints.Awaits {
		j.looked(t.Path, came)
	}
	return out, err
}

// SleepUntil implements Engine.
func (j *Journal) SleepUntil(ctx context.Context, t time.Time) error {
	if !time.Now().Before(t) {
		return nil
	}
	j.mu.Lock()
	return j.block(&waiter{scope: scopeOf(ctx), kind: sleeping, until: t})
}

// Shield implements Engine.
func (j *Journal) Shield(ctx context.Context) context.Context {
	return context.WithValue(ctx, scopeKey{}, &stopScope{})
}

// Each implements Engine.
func (j *Journal) Each(ctx context.Context, n, atOnce int, f func(context.Context, int) error) error {
	s := &siblings{journal: j, scope: &stopScope{parent: scopeOf(ctx)}, n: n, bestAt: n, atOnce: min(max(atOnce, 1), n)}
	s.ctx = context.WithValue(ctx, scopeKey{}, s.scope)
	s.run(f)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case s.best != nil || s.next == n:
		return s.best
	case j.interrupted:
		return ErrInterrupted
	}
	return ErrStopped
}

// siblings are the branches of one Each. Its fields are the journal's mu's.
type siblings struct {
	journal   *Journal
	ctx       context.Context
	scope     *stopScope
	n, atOnce int
	next      int
	best      error // the gravest so far, of branch bestAt
	bestAt    int
}

func (s *siblings) run(f func(context.Context, int) error) {
	if s.atOnce <= 1 {
		for i, ok := s.take(); ok; i, ok = s.take() {
			s.ended(i, f(s.ctx, i))
		}
		return
	}
	j, done := s.journal, make(chan struct{})
	workers := s.atOnce
	j.mu.Lock()
	j.live += workers - 1 // the caller waits
	j.mu.Unlock()
	for range workers {
		go func() {
			for i, ok := s.take(); ok; i, ok = s.take() {
				s.ended(i, f(s.ctx, i))
			}
			j.mu.Lock()
			defer j.mu.Unlock()
			if workers--; workers == 0 {
				close(done) // the caller takes over
			} else {
				j.rest()
			}
		}()
	}
	<-done
}

// take gives the next branch to start. While replaying, a stop starts what was
// started before, so that its finally is found.
func (s *siblings) take() (int, bool) {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	switch {
	case s.next >= s.n, s.best != nil && s.atOnce == 1,
		s.best != nil && s.best != ErrStopped && AsFailure(s.best) == nil:
		return 0, false
	case !s.journal.replaying && (s.scope.isStopped() || s.journal.interrupted):
		return 0, false
	}
	s.next++
	return s.next - 1, true
}

func (s *siblings) ended(i int, err error) {
	j := s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		if c := cmp.Compare(gravity(err), gravity(s.best)); c > 0 || c == 0 && i < s.bestAt {
			s.best, s.bestAt = err, i
		}
	}
	if AsFailure(err) != nil {
		s.scope.stopped = true
		j.waken(func(w *waiter) bool { return w.scope.isStopped() }, ErrStopped)
	}
}

// gravity orders the errors of siblings. A failure need not beat a pause: it
// has stopped what waited before, but a stopped branch may wait in its finally.
func gravity(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrStopped):
		return 1
	case AsFailure(err) != nil:
		return 2
	case errors.Is(err, ErrPaused):
		return 3
	case errors.Is(err, ErrInterrupted):
		return 4
	}
	return 5
}
