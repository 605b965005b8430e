package flow

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// An env answers what names stand for at one place of a run. It is made for
// one task and is not shared.
type env struct {
	w       *work
	ctx     context.Context
	path    string
	answer  *answer
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
		e.seed = randomSeed()
	}
	e.uuids++
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(e.seed), e.uuids))
	return formatUUID([16]byte(sum[:16]), 4)
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
	slot := datapoints.Slot{Scope: instance(p.Scope, e.path), Name: p.Name}
	c, err := e.w.state.get(e.ctx, slot)
	if err != nil {
		return expression.Value{}, storeError("a data point cannot be read", err)
	}
	if c == nil || c.value.IsNull() {
		if p.Default != nil {
			return *p.Default, nil
		}
		return expression.Of(nil), nil
	}
	return c.value, nil
}

// loop gives a loop variable or its index.
func (e *env) loop(h *plan.Ref) (expression.Value, error) {
	body := instance(h.Loop.Steps[0].Scope, e.path)
	i := iteration(body)
	if h.Index {
		return expression.Of(i), nil
	}
	items, err := e.w.loopItems(body[:strings.LastIndexByte(body, '[')])
	if err != nil {
		return expression.Value{}, err
	}
	return items[i], nil
}

func (e *env) step(n *plan.Node, member string) expression.Value {
	path := join(instance(n.Scope, e.path), e.w.plan.within[n.Index])
	r := e.w.state.row(path)
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
		return expression.Of(r.Ended.Sub(r.Started).Seconds())
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
	root := e.w.state.row("")
	if root.Last.Status != datapoints.Broke {
		if member == "status" {
			return expression.FromText(string(datapoints.Succeeded)), nil
		}
		return expression.Of(nil), nil
	}
	f := e.w.faultAt("")
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
		a = &answer{}
	}
	switch member {
	case "status":
		return expression.Of(a.result.Status), nil
	case "headers":
		return a.headers(), nil
	case "text":
		return expression.FromText(string(a.result.Body)), nil
	case "duration":
		return expression.Of(a.result.Took.Seconds()), nil
	case "url":
		return expression.FromText(a.result.URL), nil
	case "links":
		return a.links(), nil
	}
	return a.body()
}

// An answer is a result while expressions look at it.
type answer struct {
	result  Result
	checked bool
	err     error
	parsed  expression.Value
}

// body is the parsed body: null if it is empty, an error if it is not JSON.
func (a *answer) body() (expression.Value, error) {
	if !a.checked {
		a.checked = true
		if text := strings.TrimSpace(string(a.result.Body)); text == "" {
			a.parsed = expression.Of(nil)
		} else if a.err = expression.CheckJSON(a.result.Body); a.err == nil {
			a.parsed = expression.FromJSON(text)
		}
	}
	if a.err != nil {
		return expression.Value{}, &Error{Kind: KindExtract, Message: "the answer's body is not JSON: " + a.describe(), Status: a.result.Status, Err: a.err}
	}
	return a.parsed, nil
}

// describe says what a body that is not JSON is.
func (a *answer) describe() string {
	text := strings.TrimSpace(string(a.result.Body))
	what := "it is text"
	switch {
	case text == "":
		return "it is empty"
	case strings.HasPrefix(strings.ToLower(text), "<!doctype html"), strings.HasPrefix(strings.ToLower(text), "<html"):
		what = "it is an HTML page"
	case text[0] == '<':
		what = "it is XML"
	case text[0] == '{', text[0] == '[':
		return "it begins like JSON, but " + a.err.Error()
	}
	return fmt.Sprintf("%s that begins with %q", what, firstRunes(text, 40))
}

func (a *answer) headers() expression.Value {
	m := make(map[string]any, len(a.result.Headers))
	for name, values := range a.result.Headers {
		m[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	return expression.Of(m)
}

// links are the answer's links by relation, resolved against its URL (RFC 8288).
func (a *answer) links() expression.Value {
	base, err := url.Parse(a.result.URL)
	if err != nil {
		base = &url.URL{}
	}
	m := map[string]any{}
	for name, values := range a.result.Headers {
		if !strings.EqualFold(name, "Link") {
			continue
		}
		for _, v := range values {
			parseLinks(v, func(target, rel string) {
				ref, err := url.Parse(target)
				if _, taken := m[rel]; err == nil && !taken {
					m[rel] = base.ResolveReference(ref).String()
				}
			})
		}
	}
	return expression.Of(m)
}

// parseLinks calls found for each relation of a Link header's value.
func parseLinks(v string, found func(target, rel string)) {
	for {
		_, rest, ok := strings.Cut(v, "<")
		if !ok {
			return
		}
		target, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return
		}
		var params string
		params, v = cutLink(rest)
		for p := range strings.SplitSeq(params, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			if !strings.EqualFold(strings.TrimSpace(name), "rel") {
				continue
			}
			for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(value), `"`)) {
				found(strings.TrimSpace(target), strings.ToLower(rel))
			}
		}
	}
}

// cutLink splits the parameters of one link from the links after it, at a
// comma that is not quoted.
func cutLink(s string) (params, rest string) {
	quoted := false
	for i := range len(s) {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
