package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// openLoop evaluates what a loop goes over.
func (w *work) openLoop(ctx context.Context, n *plan.Node, path string) ([]expression.Value, error) {
	v, err := n.Work.Loop.In.Eval(&env{w: w, ctx: ctx, path: path})
	if err != nil {
		return nil, err
	}
	items, ok := v.Items()
	if !ok {
		return nil, &Error{Kind: KindExpression, Message: fmt.Sprintf("`%s` is %s, not a list: for_each cannot go over it", n.Work.Loop.In.Source(), v.Kind())}
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

func joinItems(items []expression.Value) (json.RawMessage, error) {
	var b strings.Builder
	b.WriteByte('[')
	for i, item := range items {
		text, err := item.JSON()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(text)
	}
	b.WriteByte(']')
	return json.RawMessage(b.String()), nil
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
