package flow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
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
	now     time.Time // frozen; zero: the moment of evaluation
	seed    string    // of uuid(); "": random
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
		return e.w.inputs[r.Name], nil
	case "secrets":
		return e.w.secrets[r.Name], nil
	case "data":
		return e.data(handle.Point)
	case "steps":
		return e.step(handle.Step, r.Member), nil
	case "run":
		return e.run(r.Member)
	case "response":
		return e.response(r.Member)
	case "error":
		return e.error(r.Member), nil
	case "request":
		return e.sent(r.Member), nil
	}
	if handle == nil || handle.Loop == nil {
		return expression.Value{}, fmt.Errorf("%s has no meaning here", r.Name)
	}
	return e.loop(handle)
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
	body := record.Instance(h.Loop.Steps[0].Scope, e.path)
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
	path := plan.Join(record.Instance(n.Scope, e.path), e.w.plan.within[n.Index])
	r := e.w.state.Row(path)
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

func (e *env) run(member string) (expression.Value, error) {
	switch member {
	case "id":
		return expression.FromText(e.w.run.ID), nil
	case "flow":
		return expression.FromText(e.w.run.Flow), nil
	case "started_at":
		return expression.FromText(e.w.run.Started.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)), nil
	}
	root := e.w.state.Row("")
	if root.Last.Status != datapoints.Broke {
		if member == "status" {
			return expression.FromText(string(datapoints.Succeeded)), nil
		}
		return expression.Of(nil), nil
	}
	f := e.w.verdict("")
	if member == "status" {
		return expression.FromText(string(stateOf(f.Kind))), nil
	}
	return f.value(), nil
}

func (e *env) error(member string) expression.Value {
	if e.fault == nil {
		return expression.Of(nil)
	}
	switch member {
	case "kind":
		return expression.FromText(string(e.fault.Kind))
	case "message":
		return expression.FromText(e.fault.Message)
	case "step":
		return expression.FromText(e.fault.Step)
	case "status":
		if e.fault.Status == 0 {
			return expression.Of(nil)
		}
		return expression.Of(e.fault.Status)
	}
	return bodyValue([]byte(e.fault.Body))
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
