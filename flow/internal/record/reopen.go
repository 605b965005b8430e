package record

import (
	"strconv"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A Reopening collects what a resume changes of what is recorded.
type Reopening struct {
	State   *State
	At      func(path string) *plan.Node
	Forget  func(hidden datapoints.Value) datapoints.Value // takes a failure out of a row's hidden part
	Now     time.Time
	Paused  bool // the run had paused: what is around its waiting steps keeps its time
	Records []datapoints.Record
}

// Put changes a row.
func (o *Reopening) Put(path string, r datapoints.Row, points ...datapoints.Point) {
	rec := datapoints.Record{Path: path, Row: r, Points: points, At: o.Now}
	o.State.Put(&rec)
	o.Records = append(o.Records, rec)
}

// Failed opens what must be done again of a run that failed.
func (o *Reopening) Failed(root *plan.Node) { o.node(root, "", time.Time{}) }

// Interrupted gives what is open in an interrupted run its full time again.
func (o *Reopening) Interrupted(root *plan.Node) { o.retime(root, "", time.Time{}) }

// Series opens a leaf for a new series of attempts; its numbers go on, and so
// do its pages.
func (o *Reopening) Series(r datapoints.Row) datapoints.Row {
	r.N = max(r.N, r.Intent)
	r.Last, r.Caught, r.Origin = datapoints.Outcome{}, datapoints.Outcome{}, ""
	r.Base, r.Tries, r.Polls, r.Waited, r.Intent, r.IntentSafe = r.N, 0, 0, false, 0, false
	r.Deadline = time.Time{}
	r.Hidden = o.Forget(r.Hidden)
	return r
}

// node opens what must be done again at and below a node, and says whether
// nothing must.
func (o *Reopening) node(n *plan.Node, path string, deadline time.Time) (ok bool) {
	r := o.State.Row(path)
	switch {
	case n.Bare:
		ok = o.parts(n, path, deadline, false)
	case r.Enter.Status == datapoints.Skipped || r.Last.Status == datapoints.Skipped:
		ok = n.Else == nil || o.node(n.Else, plan.Join(path, "else"), deadline)
	case r.Caught.Status == datapoints.Done && r.Caught.Next >= 0:
		ok = o.node(n.Catch[r.Caught.Next], plan.Join(path, "catch["+strconv.Itoa(r.Caught.Next)+"]"), deadline)
	case r.Last.Status == datapoints.Done:
		ok = true
	case n.Kind < plan.Block:
		if waits := n.Kind == plan.Wait || n.Kind == plan.Callback; r.Last.Status == datapoints.Broke ||
			waits && !r.Deadline.IsZero() && r.Deadline.Before(o.Now) {
			o.Put(path, o.Series(r))
		} else if waits {
			break // its times are points in time
		} else if r.Last.Status != 0 {
			r.Deadline = time.Time{}
			o.Put(path, r)
		}
	case r.Enter.Status != datapoints.Open:
		if r.Enter.Status != 0 {
			r.Enter, r.Caught, r.Origin = datapoints.Outcome{}, datapoints.Outcome{}, ""
			o.Put(path, r)
		}
	default:
		o.compound(n, path, r, deadline)
	}
	if n.Finally == nil {
		return ok
	}
	if ok {
		return o.node(n.Finally, Finally(n, path, &r), time.Time{})
	}
	if path == "" || n.Kind != plan.Flow || !n.Rounds || r.Last.Kind == plan.Unknown { // else a new round has its own
		o.reset(Finally(n, path, &r))
	}
	return false
}

func (o *Reopening) compound(n *plan.Node, path string, r datapoints.Row, deadline time.Time) {
	overdue := TimedOut(&r)
	r.Enter.Deadline = Nearer(deadline, o.Now, n.Work.Timeout)
	failed, kind := r.Last.Status == datapoints.Broke, r.Last.Kind
	if failed {
		r.Last = datapoints.Outcome{}
	}
	r.Caught, r.Origin = datapoints.Outcome{}, ""
	if failed && n.Rounds {
		o.Put(path, o.round(n, r, kind))
		if kind != plan.Unknown {
			return
		}
	} else {
		o.Put(path, r)
	}
	o.parts(n, path, r.Enter.Deadline, overdue)
}

// round opens a node whose round failed. What the round saved was taken back,
// so only a new one can have it again; but a round with a call that may have
// been sent goes on where it was.
func (o *Reopening) round(n *plan.Node, r datapoints.Row, kind string) datapoints.Row {
	if r.Hidden = o.Forget(r.Hidden); kind == plan.Unknown {
		r.N--
	} else {
		r.Base, r.Tries, r.Polls = r.N, 0, 0
	}
	r.Enter.Next = r.N + 1
	if n.Work.Poll != nil {
		r.Deadline = o.Now.Add(n.Work.Poll.Timeout)
	}
	return r
}

// parts opens what is inside. Items that a loop passed over stay, unless time
// was up for them because it was for the loop: overdue.
func (o *Reopening) parts(n *plan.Node, path string, deadline time.Time, overdue bool) bool {
	if n.Kind == plan.Loop {
		count := o.State.Row(path).Enter.Count
		for i := range count {
			at := path + "[" + strconv.Itoa(i) + "]"
			item := o.State.Row(at)
			if n.Go && item.Last.Status == datapoints.Broke && item.Last.Kind != plan.Unknown && !(overdue && TimedOut(&item)) {
				continue // passed over by the loop
			}
			o.node(n.Steps[0], at, deadline)
		}
		return false
	}
	ok, r := true, o.State.Row(path)
	path = Body(n, path, &r)
	for _, s := range n.Steps {
		ok = o.node(s, plan.Join(path, s.ID), deadline) && ok
	}
	return ok
}

// retime gives what is open in an interrupted run its full time again.
func (o *Reopening) retime(n *plan.Node, path string, deadline time.Time) {
	r := o.State.Row(path)
	goesOn, inner := n.Bare, deadline
	switch {
	case n.Bare || Final(&r):
	case n.Kind == plan.Wait, n.Kind == plan.Callback: // its times are points in time
	case n.Kind < plan.Block:
		if !r.Deadline.IsZero() {
			r.Deadline = time.Time{}
			o.Put(path, r)
		}
	case r.Enter.Status == datapoints.Open:
		goesOn, inner = true, Nearer(deadline, o.Now, n.Work.Timeout)
		if o.Paused {
			inner = r.Enter.Deadline
		}
		if !inner.Equal(r.Enter.Deadline) {
			r.Enter.Deadline = inner
			o.Put(path, r)
		}
	}
	if n.Else != nil {
		o.retime(n.Else, plan.Join(path, "else"), deadline)
	}
	for i, c := range n.Catch {
		o.retime(c, plan.Join(path, "catch["+strconv.Itoa(i)+"]"), deadline)
	}
	if n.Finally != nil {
		o.retime(n.Finally, Finally(n, path, &r), time.Time{})
	}
	for i := 0; goesOn && n.Kind == plan.Loop && i < r.Enter.Count; i++ {
		o.retime(n.Steps[0], path+"["+strconv.Itoa(i)+"]", inner)
	}
	for i := 0; goesOn && n.Kind != plan.Loop && i < len(n.Steps); i++ {
		o.retime(n.Steps[i], plan.Join(Body(n, path, &r), n.Steps[i].ID), inner)
	}
}

// reset opens everything at and below a path. Numbers go on growing.
func (o *Reopening) reset(path string) {
	for _, at := range o.State.Below(path) {
		r := datapoints.Row{}
		if n := o.At(at); n == nil || n.Kind != plan.Loop {
			r.N = o.State.Row(at).N
			r.Base = r.N
		}
		o.Put(at, r)
	}
}

const timeout = "timeout" // the kind

// TimedOut says of a row that time was up for it.
func TimedOut(r *datapoints.Row) bool {
	return r.Last.Status == datapoints.Broke && r.Last.Kind == timeout || r.Enter.Status == datapoints.Broke && r.Enter.Kind == timeout
}

// Nearer is the nearer of a deadline and now + d (0: no d).
func Nearer(deadline, now time.Time, d time.Duration) time.Time {
	if d == 0 {
		return deadline
	}
	if t := now.Add(d); deadline.IsZero() || t.Before(deadline) {
		return t
	}
	return deadline
}
