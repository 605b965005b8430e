package flow

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// prepare makes a recorded run ready for another walk, in one transaction.
// What is done, skipped or caught stays. A failed step gets a new series of
// attempts; the ends of what encloses it, and finally, are opened again.
func (w *work) prepare(decisions Assume) error {
	switch w.run.State {
	case datapoints.Succeeded, datapoints.Cancelled:
		return fmt.Errorf("%w: it has %s", ErrNotResumable, w.run.State)
	}
	again := &reopening{w: w, now: time.Now(), decisions: decisions}
	if err := again.decide(); err != nil {
		return err
	}
	if w.run.State == datapoints.Failed || w.run.State == datapoints.Unknown {
		again.node(w.plan.compiled.Root, "", time.Time{})
	} else {
		again.retime(w.plan.compiled.Root, "", time.Time{})
	}
	run := w.run
	run.State, run.Kind, run.At, run.Failure, run.Ended = datapoints.Running, "", "", datapoints.Value{}, time.Time{}
	again.records = append(again.records, datapoints.Record{Bare: true, End: &run, At: again.now})
	if err := w.rec.AddAll(again.records); err != nil {
		return storeError("the run cannot be recorded", err)
	}
	return nil
}

// A reopening collects what a resume changes.
type reopening struct {
	w         *work
	now       time.Time
	decisions Assume
	records   []datapoints.Record
}

func (o *reopening) put(path string, r datapoints.Row, points ...datapoints.Point) {
	rec := datapoints.Record{Path: path, Row: r, Points: points, At: o.now}
	o.w.state.Put(&rec)
	o.records = append(o.records, rec)
}

// decide takes the operator's word for each call that is unknown. A call of
// which no word is given keeps the run as it is: nothing is sent.
func (o *reopening) decide() error {
	open := o.w.state.Unknowns()
	for path := range o.decisions {
		if !slices.Contains(open, path) {
			return &Error{Kind: KindInput, Message: fmt.Sprintf("nothing is to be assumed of %s: it is not a step of this run whose call is unknown", path),
				Facts: []Fact{{"unknown", orNothing(open)}}}
		}
	}
	var undecided []string
	for _, path := range open {
		d, ok := o.decisions[path]
		switch {
		case !ok:
			undecided = append(undecided, path)
		case d.Sent:
			if err := o.assumeSent(path, d); err != nil {
				return err
			}
		default:
			o.assumeNotSent(path)
		}
	}
	if len(undecided) == 0 || goesOn(o.w.run.State) {
		return nil
	}
	e := &Error{Kind: KindUnknown, Step: undecided[0], Place: o.place(undecided[0]), Message: "it is not known whether the call of " + strings.Join(undecided, ", ") + " was processed; nothing was sent"}
	for _, path := range undecided {
		e.Hints = append(e.Hints, "look it up at the server, then add --assume "+path+"=sent or --assume "+path+"=not-sent")
	}
	return e
}

// goesOn says of an interrupted run that its open intents are looked at when they are met.
func goesOn(s datapoints.State) bool { return s != datapoints.Failed && s != datapoints.Unknown }

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func (o *reopening) assumeNotSent(path string) {
	r := o.w.state.Row(path)
	r.Assumed = "not-sent"
	o.put(path, newSeries(r))
}

// assumeSent records a step as done, with the values that the operator gives.
func (o *reopening) assumeSent(path string, d Assumption) error {
	n := o.w.plan.at(path)
	if n == nil || n.Work.Call == nil {
		return &Error{Kind: KindInput, Message: path + " is not a call of this flow"}
	}
	r := o.w.state.Row(path)
	r.N = max(r.N, r.Intent)
	r.Last, r.Assumed, r.Ended, r.Origin = Outcome{Status: datapoints.Done}, "sent", o.now, ""
	h := unseal(r.Hidden)
	h.Fault = nil
	r.Hidden = h.seal()
	points, err := o.w.given(n, path, r.N, d.Values)
	if err != nil {
		e := *asError(err)
		e.Step, e.Place = path, o.place(path)
		return &e
	}
	if err := o.w.admit(points); err != nil {
		return err
	}
	o.put(path, r, points...)
	return nil
}

// place is where a step stands in the author's file.
func (o *reopening) place(path string) diag.Span {
	if n := o.w.plan.at(path); n != nil {
		return n.Span
	}
	return diag.Span{}
}

// given makes the points of a step that is assumed to be done.
func (w *work) given(n *plan.Node, path string, attempt int, values map[string]any) ([]datapoints.Point, error) {
	var points []datapoints.Point
	saves := make([]string, len(n.Work.Call.Save))
	for i, s := range n.Work.Call.Save {
		saves[i] = s.Point.Name
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(saves, name) {
			return nil, &Error{Kind: KindInput, Message: fmt.Sprintf("step %s saves nothing that is called %s", path, name),
				Facts: []Fact{{"saves", orNothing(saves)}}}
		}
	}
	for i := range n.Work.Call.Save {
		s := &n.Work.Call.Save[i]
		v, ok := values[s.Point.Name]
		if !ok {
			if s.Optional {
				continue
			}
			if s.Default == nil {
				return nil, &Error{Kind: KindInput, Message: fmt.Sprintf("step %s saves %s: give its value with -d %s:%s=VALUE", path, s.Point.Name, path, s.Point.Name)}
			}
		}
		text, err := givenText(v, ok, s)
		if err != nil {
			return nil, &Error{Kind: KindInput, Message: s.Point.Name + " " + err.Error()}
		}
		p, err := newPoint(s.Point, s.Type, s.Class, text, &env{w: w, path: path}, path)
		if err != nil {
			return nil, err
		}
		p.Attempt, p.Source = attempt, "given by the operator"
		points = append(points, p)
	}
	return points, nil
}

func givenText(v any, ok bool, s *plan.Save) (string, error) {
	if !ok {
		return s.Default.JSON()
	}
	if text, isText := v.(string); isText {
		t := s.Type
		if t.Kind == expression.Any {
			t = s.Point.Type
		}
		return plan.FromText(text, t)
	}
	raw, err := json.Marshal(v)
	return string(raw), err
}

// newSeries opens a leaf for a new series of attempts; its numbers go on.
func newSeries(r datapoints.Row) datapoints.Row {
	r.N = max(r.N, r.Intent)
	r.Last, r.Caught, r.Origin = Outcome{}, Outcome{}, ""
	r.Base, r.Tries, r.Polls, r.Pages, r.Waited, r.Intent, r.IntentSafe = r.N, 0, 0, 0, false, 0, false
	r.Deadline = time.Time{}
	h := unseal(r.Hidden)
	h.Fault = nil
	r.Hidden = h.seal()
	return r
}

// node opens what must be done again at and below a node, and says whether
// nothing must.
func (o *reopening) node(n *plan.Node, path string, deadline time.Time) (ok bool) {
	r := o.w.state.Row(path)
	switch {
	case n.Bare:
		ok = o.parts(n, path, deadline, false)
	case r.Enter.Status == datapoints.Skipped || r.Last.Status == datapoints.Skipped:
		ok = n.Else == nil || o.node(n.Else, join(path, "else"), deadline)
	case r.Caught.Status == datapoints.Done && r.Caught.Next >= 0:
		ok = o.node(n.Catch[r.Caught.Next], join(path, "catch["+strconv.Itoa(r.Caught.Next)+"]"), deadline)
	case r.Last.Status == datapoints.Done:
		ok = true
	case n.Kind < plan.Block:
		if r.Last.Status == datapoints.Broke {
			o.put(path, newSeries(r))
		} else if r.Last.Status != 0 {
			r.Deadline = time.Time{}
			o.put(path, r)
		}
	case r.Enter.Status != datapoints.Open:
		if r.Enter.Status != 0 {
			r.Enter, r.Caught, r.Origin = Outcome{}, Outcome{}, ""
			o.put(path, r)
		}
	default:
		o.compound(n, path, r, deadline)
	}
	if n.Finally == nil {
		return ok
	}
	if ok {
		return o.node(n.Finally, join(path, "finally"), time.Time{})
	}
	o.reset(join(path, "finally"))
	return false
}

func (o *reopening) compound(n *plan.Node, path string, r datapoints.Row, deadline time.Time) {
	overdue := timedOut(&r)
	r.Enter.Deadline = nearer(deadline, o.now, n.Work.Timeout)
	if r.Last.Status == datapoints.Broke {
		r.Last = Outcome{}
	}
	r.Caught, r.Origin = Outcome{}, ""
	o.put(path, r)
	o.parts(n, path, r.Enter.Deadline, overdue)
}

// parts opens what is inside. Items that a loop passed over stay, unless time
// was up for them because it was for the loop: overdue.
func (o *reopening) parts(n *plan.Node, path string, deadline time.Time, overdue bool) bool {
	if n.Kind == plan.Loop {
		count := o.w.state.Row(path).Enter.Count
		for i := range count {
			at := path + "[" + strconv.Itoa(i) + "]"
			item := o.w.state.Row(at)
			if n.Go && item.Last.Status == datapoints.Broke && item.Last.Kind != string(KindUnknown) && !(overdue && timedOut(&item)) {
				continue // passed over by the loop
			}
			o.node(n.Steps[0], at, deadline)
		}
		return false
	}
	ok := true
	for _, s := range n.Steps {
		ok = o.node(s, join(path, s.ID), deadline) && ok
	}
	return ok
}

// retime gives what is open in an interrupted run its full time again.
func (o *reopening) retime(n *plan.Node, path string, deadline time.Time) {
	r := o.w.state.Row(path)
	goesOn, inner := n.Bare, deadline
	switch {
	case n.Bare || record.Final(&r):
	case n.Kind < plan.Block:
		if !r.Deadline.IsZero() {
			r.Deadline = time.Time{}
			o.put(path, r)
		}
	case r.Enter.Status == datapoints.Open:
		goesOn, inner = true, nearer(deadline, o.now, n.Work.Timeout)
		if !inner.Equal(r.Enter.Deadline) {
			r.Enter.Deadline = inner
			o.put(path, r)
		}
	}
	if n.Else != nil {
		o.retime(n.Else, join(path, "else"), deadline)
	}
	for i, c := range n.Catch {
		o.retime(c, join(path, "catch["+strconv.Itoa(i)+"]"), deadline)
	}
	if n.Finally != nil {
		o.retime(n.Finally, join(path, "finally"), time.Time{})
	}
	for i := 0; goesOn && n.Kind == plan.Loop && i < r.Enter.Count; i++ {
		o.retime(n.Steps[0], path+"["+strconv.Itoa(i)+"]", inner)
	}
	for i := 0; goesOn && n.Kind != plan.Loop && i < len(n.Steps); i++ {
		o.retime(n.Steps[i], join(path, n.Steps[i].ID), inner)
	}
}

// reset opens everything at and below a path. Numbers go on growing.
func (o *reopening) reset(path string) {
	for _, at := range o.w.state.Below(path) {
		r := datapoints.Row{}
		if n := o.w.plan.at(at); n == nil || n.Kind != plan.Loop {
			r.N = o.w.state.Row(at).N
			r.Base = r.N
		}
		o.put(at, r)
	}
}
