package walk

import (
	"context"
	"time"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// mail is what the journal knows of messages: how many were told of, and how
// many of them a task had seen when it looked into the store last.
type mail struct {
	came int
	seen map[string]int // by the task's path
	wake time.Time      // of a run that paused: when something is due; zero: with a message
}

// Await implements Engine. A message that came after the task looked for it,
// and before this, is not missed.
func (j *Journal) Await(ctx context.Context, t Task, until time.Time) error {
	j.mu.Lock()
	if seen, looked := j.seen[t.Path]; looked && seen < j.came || !until.IsZero() && !time.Now().Before(until) {
		j.mu.Unlock()
		return nil
	}
	return j.block(&waiter{scope: scopeOf(ctx), kind: awaiting, until: until})
}

// looked notes what had come when a task began to look for its message.
func (j *Journal) looked(path string, came int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.seen == nil {
		j.seen = map[string]int{}
	}
	j.seen[path] = came
}

// Deliver says that a message is in the store: whoever waits for one looks again.
func (j *Journal) Deliver() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.came++
	j.waken(func(w *waiter) bool { return w.kind == awaiting }, nil)
}

// Cancel stops the run softly: nothing new begins, sleepers wake, calls in
// flight end, and finally of everything that was entered runs. Before Walk it
// makes the walk one that is stopped from the start.
func (j *Journal) Cancel() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.root.stopped = true
	j.waken(func(w *waiter) bool { return w.scope.isStopped() }, ErrStopped)
}

// Wake is, of a run that has paused, when the next thing is due; the zero time
// if only a message can wake it.
func (j *Journal) Wake() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wake
}

// quiet pauses the run if nothing is due soon, with mu held: every branch
// waits. A message that is missing is never due; that its time is up is.
func (j *Journal) quiet() {
	if j.Stays || len(j.waiting) == 0 {
		return
	}
	soon := time.Now().Add(plan.Patience)
	j.wake = time.Time{}
	for _, w := range j.waiting {
		switch {
		case w.until.IsZero():
			continue
		case w.kind == sleeping && !w.until.After(soon):
			return
		case j.wake.IsZero() || w.until.Before(j.wake):
			j.wake = w.until
		}
	}
	j.waken(func(*waiter) bool { return true }, ErrPaused)
}
