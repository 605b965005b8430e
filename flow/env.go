package flow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/given"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// An env answers what names stand for at one place of a run. It is made for
// one task and is not shared.
type env struct {
	w       *work
	ctx     context.Context
	path    string
	answer  *answer.Answer
	fault   *fault
	request *Request
	page    int              // of pages: of the answer
	next    expression.Value // what pages.next gave
	token   string           // of a credential
	now     time.Time        // frozen; zero: the moment of evaluation
	seed    string           // of uuid(); "": random
	uuids   uint64
}

// Now implements expression.Env: UTC, in milliseconds.
func (e *env) Now() time.Time {
	if e.now.IsZero() {
		return time.Now().UTC().Truncate(time.Millisecond)
	}
	return e.now
}

// UUID implements expression.Env: the n-th of a seed is always the same, so
// that a repeated request has the same bytes.
func (e *env) UUID() string {
	if e.seed == "" {
		e.seed = record.Seed()
	}
	e.uuids++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(e.seed), e.uuids))
	return record.UUID([16]byte(sum[:16]), 4)
}

// Value implements expression.Env.
func (e *env) Value(r *expression.Ref) (expression.Value, error) {
	handle, _ := r.Handle.(*plan.Ref)
	switch r.Root {
	case "inputs":
		if handle.Flow != nil {
			return e.w.inputOf(handle, e.path)
		}
		return e.w.inputs[slices.IndexFunc(e.w.plan.compiled.Inputs, func(in *plan.Input) bool { return in.Name == r.Name })], nil
	case "secrets":
		return e.w.secrets[handle.Secret], nil
	case "data":
		return e.data(handle.Point)
	case "steps":
		return e.step(handle.Step, r.Member), nil
	case "callbacks":
		return expression.FromText(e.w.address.URL(e.w.run.ID, handle.Call.Name)), nil
	case "run":
		return e.run(handle, r.Member)
	case "response":
		return e.response(r.Member)
	case "error":
		return e.error(r.Member), nil
	case "request":
		return e.sent(r.Member), nil
	}
	switch {
	case handle != nil && handle.Page:
		return expression.Of(e.page), nil
	case handle != nil && handle.Token:
		return expression.FromText(e.token), nil
	case handle != nil && handle.Next:
		return e.next, nil
	case handle != nil && handle.Round != nil:
		round, _ := record.RoundAt(e.path, handle.Round.Depth)
		return expression.Of(round), nil
	case handle == nil || handle.Loop == nil:
		return expression.Value{}, fmt.Errorf("%s has no meaning here", r.Name)
	}
	return e.loop(handle)
}

// readInputs takes over the inputs as they are recorded. Those that are not there are null.
func (w *work) readInputs(inputs datapoints.Value) error {
	texts, err := given.Recorded(w.plan.compiled.Inputs, inputs.Reveal())
	if err == nil {
		w.takeInputs(texts)
	}
	return err
}

// takeInputs takes over the inputs, JSON texts in the order in which the plan declares them.
func (w *work) takeInputs(texts []string) {
	w.inputs = make([]expression.Value, len(texts))
	for i, in := range w.plan.compiled.Inputs {
		w.inputs[i] = expression.FromJSON(texts[i])
		w.mask(in.Name, texts[i], in.Class == plan.Sensitive)
	}
}

func (e *env) data(p *plan.Point) (expression.Value, error) {
	slot := datapoints.Slot{Scope: record.Instance(p.Scope, e.path), Name: p.Name}
	c, err := e.w.state.Get(e.ctx, slot)
	if err != nil {
		return expression.Value{}, storeError("a data point cannot be read", err)
	}
	if c == nil || c.Value.IsNull() {
		if p.Default != nil {
			return *p.Default, nil
		}
		return expression.Of(nil), nil
	}
	return c.Value, nil
}

// loop gives a loop variable or its index.
func (e *env) loop(h *plan.Ref) (expression.Value, error) {
	body := record.WithoutRound(record.Within(h.Loop, e.path))
	i := record.Iteration(body)
	if h.Index {
		return expression.Of(i), nil
	}
	items, err := e.w.loopItems(h.Loop, body[:strings.LastIndexByte(body, '[')])
	if err != nil {
		return expression.Value{}, err
	}
	return items[i], nil
}

func (e *env) step(n *plan.Node, member string) expression.Value {
	r := e.w.state.Row(e.where(n))
	switch member {
	case "outcome":
		return expression.FromText(outcome(&r))
	case "ok":
		return expression.Of(r.Last.Status == datapoints.Done)
	case "status":
		if r.Status == 0 {
			return expression.Of(nil)
		}
		return expression.Of(r.Status)
	case "attempts":
		return expression.Of(r.N - r.Base)
	case "duration":
		return expression.Of(max(r.Ended.Sub(r.Started), 0).Seconds()) // 0 in finally, of what was stopped
	case "count":
		return expression.Of(r.Enter.Count)
	}
	failures := unseal(r.Hidden).Failures
	if failures == nil {
		failures = []byte("[]")
	}
	list := expression.FromJSON(string(failures))
	if member == "failures" {
		return list
	}
	items, _ := list.Items()
	return expression.Of(len(items)) // failed
}

// outcome is a step's outcome in the words of the language.
func outcome(r *datapoints.Row) string {
	switch {
	case r.Caught.Status == datapoints.Done && r.Caught.Next >= 0:
		return "caught"
	case r.Last.Status == datapoints.Done:
		return "done"
	case r.Last.Status == datapoints.Broke && r.Last.Kind == string(KindUnknown):
		return "unknown"
	case r.Last.Status == datapoints.Broke, r.Enter.Status == datapoints.Broke:
		return "failed"
	case r.Started.IsZero(), r.Last.Status == datapoints.Skipped, r.Enter.Status == datapoints.Skipped:
		return "skipped"
	}
	return "stopped"
}

// run gives what is known of the run; run.flow, status and error of the flow in
// whose file they stand.
func (e *env) run(h *plan.Ref, member string) (expression.Value, error) {
	inside := h != nil && h.Flow != nil
	switch member {
	case "id":
		return expression.FromText(e.w.run.ID), nil
	case "flow":
		if inside {
			return expression.FromText(h.Flow.Work.Flow.Name), nil
		}
		return expression.FromText(e.w.run.Flow), nil
	case "started_at":
		return expression.FromText(e.w.run.Started.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)), nil
	}
	state, f := e.w.became(e.path)
	if member == "status" {
		return expression.FromText(string(state)), nil
	}
	if f == nil {
		return expression.Of(nil), nil
	}
	return f.value(), nil
}

func (e *env) error(member string) expression.Value {
	f := e.fault
	if i := strings.LastIndex(e.path, ".catch["); f == nil && i >= 0 { // what the clause has taken
		f = e.w.faultAt(e.path[:i])
	}
	if f == nil {
		return expression.Of(nil)
	}
	switch member {
	case "kind":
		return expression.FromText(string(f.Kind))
	case "message":
		return expression.FromText(f.Message)
	case "step":
		return expression.FromText(f.Step)
	case "status":
		if f.Status == 0 {
			return expression.Of(nil)
		}
		return expression.Of(f.Status)
	}
	return bodyValue([]byte(f.Body))
}

func (e *env) sent(member string) expression.Value {
	switch member {
	case "method":
		return expression.FromText(e.request.Method)
	case "url":
		return expression.FromText(e.request.URL)
	case "time":
		return expression.Of(e.request.Time.UTC())
	}
	return expression.Of(textOrBytes(e.request.Body))
}

func (e *env) response(member string) (expression.Value, error) {
	a := e.answer
	if a == nil {
		a = &answer.Answer{}
	}
	return a.Member(member)
}

// openLoop evaluates what a loop goes over.
func (w *work) openLoop(ctx context.Context, n *plan.Node, path string) ([]expression.Value, error) {
	v, err := n.Work.Loop.In.Eval(&env{w: w, ctx: ctx, path: path})
	if err != nil {
		return nil, err
	}
	items, ok := v.Items()
	if !ok {
		return nil, &Error{Kind: KindExpression, Message: fmt.Sprintf("`%s` is %s, not a list: for_each cannot go over it", n.Work.Loop.In.Source(), v.Kind().Phrase())}
	}
	if len(items) > n.Work.Loop.Max {
		return nil, &Error{Kind: KindLimit, Message: fmt.Sprintf("for_each has %d items, more than its max of %d", len(items), n.Work.Loop.Max),
			Hints: []string{"raise `max` (up to 100000) if that many calls are meant"}}
	}
	w.state.SetItems(path, items)
	return items, nil
}

// loopItems gives the items of an open loop, read back if this process did not open it.
func (w *work) loopItems(loop *plan.Node, path string) ([]expression.Value, error) {
	if items, ok := w.state.OpenItems(path); ok {
		return items, nil
	}
	r := w.state.Row(path)
	items, ok := expression.FromJSON(string(unseal(r.Hidden).Items)).Items()
	if !ok {
		return nil, storeError("the items of the loop "+path+" cannot be read back", datapoints.ErrCorrupt)
	}
	for _, item := range items { // in this process nobody has seen yet what they were made of
		if text, err := item.JSON(); err == nil {
			w.mask(loop.Work.Loop.As, text, loop.Work.Loop.In.Sensitive())
		}
	}
	w.state.SetItems(path, items)
	return items, nil
}

// lists gathers what each iteration saved.
func (w *work) lists(ctx context.Context, n *plan.Node, path string, count int) ([]datapoints.Point, error) {
	points := make([]datapoints.Point, 0, len(n.Work.Lists))
	for _, l := range n.Work.Lists {
		var b strings.Builder
		class := l.Inner.Class
		b.WriteByte('[')
		for i := range count {
			if i > 0 {
				b.WriteByte(',')
			}
			slot := datapoints.Slot{Scope: path + "[" + strconv.Itoa(i) + "]", Name: l.Inner.Name}
			c, err := w.state.Get(ctx, slot)
			if err != nil {
				return nil, storeError("a data point cannot be read", err)
			}
			text, err := elementText(c, l.Inner)
			if err != nil {
				return nil, err
			}
			b.WriteString(text)
			if b.Len()+1 > maxList {
				return nil, &Error{Kind: KindLimit, Message: fmt.Sprintf("the list %s is larger than %d MiB", l.Outer.Name, maxList>>20)}
			}
		}
		b.WriteByte(']')
		points = append(points, datapoints.Point{
			Slot: datapoints.Slot{Scope: record.Instance(l.Outer.Scope, path), Name: l.Outer.Name}, Type: "list",
			Step: path, Attempt: 1, Source: "list of " + strconv.Itoa(count), At: time.Now(),
			Value: marked(b.String(), class, l.Outer.Name),
		})
	}
	return points, nil
}

// maxList is the limit of a loop's list.
const maxList = 32 << 20

func elementText(c *record.Cell, p *plan.Point) (string, error) {
	switch {
	case c != nil && !c.Value.IsNull():
		return c.Value.JSON()
	case p.Default != nil:
		return p.Default.JSON()
	}
	return "null", nil
}

// outOfTime says of a loop that goes on after failures that its own time was
// over: then it has failed, whatever became of the items.
func (w *work) outOfTime(n *plan.Node, t Task, count int) error {
	if !n.Go || !late(t.Deadline, time.Now()) {
		return nil
	}
	over := 0
	for i := range count {
		r := w.state.Row(t.Path + "[" + strconv.Itoa(i) + "]")
		if record.TimedOut(&r) {
			over++
		}
	}
	if over == 0 {
		return nil
	}
	return &Error{Kind: KindTimeout, Message: fmt.Sprintf("the step's time was over: %d of %d items were not finished", over, count)}
}

// failures lists the items of a loop that failed.
func (w *work) failures(path string, count int) (json.RawMessage, error) {
	type entry struct {
		Index   int    `json:"index"`
		Step    string `json:"step"`
		Kind    Kind   `json:"kind"`
		Status  *int   `json:"status"`
		Message string `json:"message"`
	}
	list := []entry{}
	for i := range count {
		at := path + "[" + strconv.Itoa(i) + "]"
		r := w.state.Row(at)
		if r.Last.Status != datapoints.Broke && r.Enter.Status != datapoints.Broke {
			continue
		}
		f := w.faultAt(at)
		e := entry{Index: i, Step: f.Step, Kind: f.Kind, Message: f.Message}
		if f.Status != 0 {
			e.Status = &f.Status
		}
		list = append(list, e)
	}
	return json.Marshal(list)
}

// Nearest gives the candidate that is most like a name that is not there, or "".
func Nearest(name string, candidates []string) string { return expression.Suggest(name, candidates) }
