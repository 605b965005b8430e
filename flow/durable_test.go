package flow_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A durable is an engine as a durable one is: it keeps a history of what an
// engine sees and nothing else, and a walk that begins again is answered from
// it, compared with it task by task. Branches take turns, so that the same
// history makes the same walk; which of the tasks that wait is done next is
// the seed's choice, and a task may be begun long before its answer is seen.
type durable struct {
	worker  *flow.Worker
	seed    int
	history []json.RawMessage // of a walk that was stopped: what the next begins with
	most    int               // events, then it stops; negative: never
	fresh   bool              // without a history, over a run's records: answers what is recorded, behind the barrier

	events    []event
	at        int // of them, replayed
	replaying bool
	pending   []*command // waits for an event
	ready     []*command // goes on when it is its turn
	yield     chan struct{}
	over      bool
	err       error // of the walk
	dead      error // why nothing goes on
	asked     []flow.Task
}

// An event is one line of the history.
type event struct {
	Kind    string // began, ended: a task; slept; came: what was awaited
	Command string
	Task    *flow.Task    `json:",omitempty"`
	Until   *time.Time    `json:",omitempty"`
	Outcome *flow.Outcome `json:",omitempty"`
}

// A command is what a branch asked for, named by the branch and how many it asked for before.
type command struct {
	id      string
	task    *flow.Task // nil: sleeps
	until   time.Time
	awaits  bool
	scope   *stoppable
	begun   bool
	outcome *flow.Outcome
	err     error
	wake    chan struct{}
}

// A seat is where a branch stands: in which Each, below which stops.
type seat struct {
	branch *branch
	scope  *stoppable
}

type branch struct {
	id    string
	asked int
}

type stoppable struct {
	parent  *stoppable
	stopped bool
}

func (s *stoppable) isStopped() bool {
	for ; s != nil; s = s.parent {
		if s.stopped {
			return true
		}
	}
	return false
}

type seatKey struct{}

func seatOf(ctx context.Context) seat { return ctx.Value(seatKey{}).(seat) }

// errMachine is how a walk ends whose machine is stopped.
var errMachine = errors.New("the machine stopped")

// walk walks to the end, or until the machine stops, and records the end.
func (d *durable) walk(ctx context.Context) (datapoints.Run, error) {
	d.yield, d.replaying = make(chan struct{}), d.fresh && d.worker.Replays()
	for _, line := range d.history {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return datapoints.Run{}, err
		}
		d.events = append(d.events, e)
	}
	root := &command{wake: make(chan struct{})}
	d.ready = append(d.ready, root)
	go func() {
		<-root.wake
		at := context.WithValue(ctx, seatKey{}, seat{&branch{id: "0"}, &stoppable{}})
		d.err = flow.Walk(at, d.worker.Plan, d.worker.Run, d)
		d.over = true
		d.yield <- struct{}{}
	}()
	for {
		for len(d.ready) > 0 {
			c := d.ready[0]
			d.ready = d.ready[1:]
			close(c.wake)
			<-d.yield
		}
		if d.over {
			break
		}
		d.proceed(ctx)
	}
	if d.dead != nil {
		return datapoints.Run{}, d.dead
	}
	if d.at < len(d.events) {
		return datapoints.Run{}, fmt.Errorf("the walk is over, the history goes on with %s", line(d.events[d.at]))
	}
	return d.worker.End(ctx, d.err)
}

func line(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// proceed lets the next event happen.
func (d *durable) proceed(ctx context.Context) {
	if d.at < len(d.events) {
		d.repeat(d.events[d.at])
		return
	}
	if d.most >= 0 && len(d.events) >= d.most {
		d.die(errMachine)
		return
	}
	c, kind := d.choose()
	if c == nil {
		return
	}
	e := event{Kind: kind, Command: c.id, Task: c.task}
	switch kind {
	case "began":
		c.begun = true
		if d.do(ctx, c); d.dead != nil {
			return
		}
	case "ended":
		if c.outcome == nil { // another machine began it
			if d.do(ctx, c); d.dead != nil {
				return
			}
		}
		e.Outcome = c.outcome
	default:
		e.Until = &c.until
		time.Sleep(time.Until(c.until))
	}
	text := line(e)
	d.history = append(d.history, json.RawMessage(text))
	var kept event
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		d.die(err)
		return
	}
	d.events = append(d.events, kept)
	d.at++
	if kind != "began" {
		c.outcome = kept.Outcome
		d.goOn(c, nil)
	}
}

// do does a command's task, as an activity would: what is recorded is not done again.
func (d *durable) do(ctx context.Context, c *command) {
	out, ok := d.worker.Recorded(*c.task)
	if !ok {
		var err error
		if out, err = d.worker.Do(ctx, *c.task); err != nil {
			d.die(err)
			return
		}
	}
	c.outcome = &out
}

// repeat lets happen what has happened before.
func (d *durable) repeat(e event) {
	at := slices.IndexFunc(d.pending, func(c *command) bool { return c.id == e.Command })
	if at < 0 {
		d.die(fmt.Errorf("the walk does not ask for what the history has: %s", line(e)))
		return
	}
	c := d.pending[at]
	var until *time.Time
	if c.task == nil {
		until = &c.until
	}
	if now := (event{Kind: e.Kind, Command: c.id, Task: c.task, Until: until, Outcome: e.Outcome}); line(now) != line(e) {
		d.die(fmt.Errorf("the walk asks for %s, the history has %s", line(now), line(e)))
		return
	}
	d.at++
	if e.Kind == "began" {
		c.begun = true
		return
	}
	c.outcome = e.Outcome
	d.goOn(c, nil)
}

// choose says what happens next of all that may.
func (d *durable) choose() (*command, string) {
	if len(d.pending) == 0 {
		d.die(errors.New("no branch waits for anything, and the walk is not over"))
		return nil, ""
	}
	may := slices.Clone(d.pending)
	if d.replaying { // every branch waits: bookkeeping goes first
		book := func(c *command) bool {
			return c.task == nil || c.task.Phase != flow.Leave && c.task.Phase != flow.Catch
		}
		if may = slices.DeleteFunc(may, book); len(may) == 0 {
			d.replaying = false
			may = slices.Clone(d.pending)
		}
	}
	slices.SortStableFunc(may, func(a, b *command) int {
		if (a.task == nil) != (b.task == nil) { // time passes when there is nothing else to do
			return cmp.Compare(fmt.Sprint(a.task != nil), fmt.Sprint(b.task != nil)) * -1
		}
		if a.task == nil {
			whole := func(c *command) time.Time { return c.until.Truncate(time.Second) } // less is the luck of a pause between attempts
			return cmp.Or(whole(a).Compare(whole(b)), cmp.Compare(a.id, b.id))
		}
		return cmp.Or(cmp.Compare(d.lot(a), d.lot(b)), cmp.Compare(a.id, b.id))
	})
	c := may[0]
	switch {
	case c.task != nil && c.begun:
		return c, "ended"
	case c.task != nil:
		return c, "began"
	case c.awaits:
		return c, "came"
	}
	return c, "slept"
}

func (d *durable) lot(c *command) uint32 {
	if d.seed == 0 {
		return 0
	}
	h := fnv.New32a()
	fmt.Fprint(h, d.seed, c.id, c.begun)
	return h.Sum32()
}

// goOn lets a branch go on, with an error or what it asked for.
func (d *durable) goOn(c *command, err error) {
	c.err = err
	d.pending = slices.DeleteFunc(d.pending, func(other *command) bool { return other == c })
	d.ready = append(d.ready, c)
}

// die ends everything: nothing more is asked for.
func (d *durable) die(err error) {
	d.dead = err
	for _, c := range slices.Clone(d.pending) {
		d.goOn(c, err)
	}
}

// park lets the branch wait for an event.
func (d *durable) park(ctx context.Context, c *command) error {
	at := seatOf(ctx)
	at.branch.asked++
	c.id, c.scope, c.wake = fmt.Sprintf("%s:%d", at.branch.id, at.branch.asked), at.scope, make(chan struct{})
	switch {
	case d.dead != nil:
		return d.dead
	case at.scope.isStopped():
		return flow.ErrStopped
	}
	d.pending = append(d.pending, c)
	d.yield <- struct{}{}
	<-c.wake
	return c.err
}

// Do implements flow.Engine.
func (d *durable) Do(ctx context.Context, t flow.Task) (flow.Outcome, error) {
	d.asked = append(d.asked, t)
	if d.fresh {
		if out, ok := d.worker.Recorded(t); ok {
			return out, nil
		}
	}
	c := &command{task: &t}
	if err := d.park(ctx, c); err != nil {
		return flow.Outcome{}, err
	}
	return *c.outcome, nil
}

// SleepUntil implements flow.Engine.
func (d *durable) SleepUntil(ctx context.Context, t time.Time) error {
	return d.park(ctx, &command{until: t.UTC().Round(0)})
}

// Await implements flow.Engine. The message is there, or comes at the end of its time.
func (d *durable) Await(ctx context.Context, _ flow.Task, until time.Time) error {
	return d.park(ctx, &command{until: until.UTC().Round(0), awaits: true})
}

// Shield implements flow.Engine.
func (d *durable) Shield(ctx context.Context) context.Context {
	return context.WithValue(ctx, seatKey{}, seat{seatOf(ctx).branch, &stoppable{}})
}

// Each implements flow.Engine.
func (d *durable) Each(ctx context.Context, n, atOnce int, f func(context.Context, int) error) error {
	at := seatOf(ctx)
	at.branch.asked++
	g := &family{durable: d, at: at, scope: &stoppable{parent: at.scope}, ctx: ctx, n: n, bestAt: n, f: f}
	g.caller = &command{wake: make(chan struct{})}
	g.id = fmt.Sprintf("%s:%d", at.branch.id, at.branch.asked)
	for range min(max(atOnce, 1), n) {
		g.start()
	}
	if g.open > 0 {
		d.yield <- struct{}{}
		<-g.caller.wake
	}
	switch {
	case d.dead != nil:
		return d.dead
	case g.best == nil && g.next < n:
		return flow.ErrStopped
	}
	return g.best
}

// A family is the branches of one Each.
type family struct {
	*durable
	id     string
	at     seat
	scope  *stoppable
	ctx    context.Context
	f      func(context.Context, int) error
	caller *command
	n      int
	next   int
	open   int
	best   error
	bestAt int
}

// start begins with the next branch, unless a stop forbids it. In a replay of
// records it does not: what was begun before the stop is to be found.
func (g *family) start() {
	if g.next >= g.n || g.dead != nil || g.scope.isStopped() && !g.replaying {
		return
	}
	i := g.next
	g.next++
	g.open++
	c := &command{wake: make(chan struct{})}
	g.ready = append(g.ready, c)
	ctx := context.WithValue(g.ctx, seatKey{}, seat{&branch{id: fmt.Sprintf("%s/%d", g.id, i)}, g.scope})
	go func() {
		<-c.wake
		g.ended(i, g.f(ctx, i))
		g.yield <- struct{}{}
	}()
}

func (g *family) ended(i int, err error) {
	g.open--
	rank := func(err error) int {
		var f *flow.Failure
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flow.ErrStopped):
			return 1
		case errors.As(err, &f):
			return 2
		}
		return 3
	}
	if r := cmp.Compare(rank(err), rank(g.best)); r > 0 || err != nil && r == 0 && i < g.bestAt {
		g.best, g.bestAt = err, i
	}
	if rank(err) == 2 {
		g.scope.stopped = true
		for _, c := range slices.Clone(g.pending) {
			if !c.begun && c.scope.isStopped() {
				g.goOn(c, flow.ErrStopped)
			}
		}
	}
	if g.start(); g.open == 0 {
		g.ready = append(g.ready, g.caller)
	}
}
