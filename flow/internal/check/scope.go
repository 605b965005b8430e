package check

import (
	"fmt"
	"slices"

	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// The checker is the expression.Scope of the place it has come to.
var _ expression.Scope = (*checker)(nil)

// Root says whether a root may stand at the present place.
func (c *checker) Root(root string) (why string, ok bool) {
	if c.at.credential {
		switch root {
		case "", "inputs", "secrets", "run":
			return "", true
		case "data":
			return "a credential is made of inputs and secrets; data points may stand in `subject_token` and `assertion.subject`", c.at.subject
		case "response":
			return "an answer exists in `reject_on.when`", c.at.response
		}
		return "a credential is made of inputs and secrets", false
	}
	if root == "run" && len(c.opening) > 0 {
		return "a credential's steps are made of inputs, secrets and their own data points", false
	}
	switch root {
	case "", "inputs", "secrets", "data", "steps", "run", "callbacks":
		return "", true
	case "response":
		if s := c.at.step; s != nil && s.Verb == syntax.Block {
			if c.at.failure {
				return "a block has no answer: `error.status` and `error.body` are of the call that failed", false
			}
			return "a block has no answer: save what is needed of one in a step, and write data.NAME", false
		} else if s != nil && s.Verb == syntax.SubFlow && c.at.failure {
			return "a flow that failed has no answer: `error.status` and `error.body` are of the call that failed", c.at.response
		}
		return "an answer exists in `expect`, `save`, `poll`, `pages` and `retry.when`", c.at.response
	case "error":
		return "a failure exists in `catch` and `retry.when`; in `finally` it is `run.error`", c.at.failure
	case "request":
		return "the request of an attempt exists in `headers`", c.at.request
	}
	return "", false
}

// Name looks up a name at the present place.
func (c *checker) Name(root, name string) (expression.Name, bool) {
	switch root {
	case "data":
		v := c.find(name)
		if v == nil {
			return expression.Name{}, false
		}
		n := v.info()
		n.Foreign = true
		if c.at.credential { // whether it is set depends on the step that uses the credential
			n.State = expression.Set
			return n, true
		}
		if v.busy != nil {
			n.State, n.Note = expression.Unset, fmt.Sprintf("is saved by step `%s` in the branch `%s` at the same time", v.busy.step.Name, v.busy.in.name)
		} else if v.now.state == expression.Unset {
			n.Note = c.whyUnset(v)
		}
		return n, true
	case "inputs":
		v, ok := c.inputNames[name]
		if !ok {
			return expression.Name{}, false
		}
		c.read("inputs."+name, v)
		return v.info(), true
	case "secrets":
		v, ok := c.secretNames[name]
		if !ok {
			return expression.Name{}, false
		}
		c.read("secrets."+name, v)
		return v.info(), true
	case "callbacks":
		v, ok := c.messages[name]
		if !ok {
			return expression.Name{}, false
		}
		if m := v.ref.Call; m.Used.Line == 0 {
			m.Used = m.Span
			if c.at.step != nil {
				m.Used = c.at.step.Span
			}
		}
		return v.info(), true
	case "steps":
		return c.stopped(name)
	case "run":
		return c.runMember(name)
	case "error":
		return c.errorMember(name)
	case "response":
		return c.back(name)
	case "":
		return c.loopVariable(name)
	}
	return expression.Name{}, false
}

// read notes what the steps of a credential are made of.
func (c *checker) read(name string, v *variable) {
	if c.reads != nil {
		c.reads[name] = &v.ref
	}
}

// maxSuggested is for how many unknown names a near one is looked for: each
// is compared with every name there is.
const maxSuggested = 200

// Names lists what could stand behind a root, sorted.
func (c *checker) Names(root string) []string {
	if c.suggested++; c.suggested > maxSuggested {
		return nil
	}
	seen := map[string]bool{}
	switch root {
	case "data":
		for sp := c.space; sp != nil; sp = sp.parent {
			for name := range sp.names {
				seen[name] = true
			}
		}
	case "inputs":
		for name := range c.inputNames {
			seen[name] = true
		}
	case "secrets":
		for name := range c.secretNames {
			seen[name] = true
		}
	case "callbacks":
		for name := range c.messages {
			seen[name] = true
		}
	case "steps":
		for id, s := range c.stops {
			seen[id] = s.ended && s.space.open
		}
	case "":
		seen["page"], seen["next"], seen["token"] = c.at.page, c.at.next != nil, c.at.token
		for sp := c.space; sp.step != nil; sp = sp.parent {
			seen[sp.item.name], seen[sp.index.name] = true, true
		}
	}
	names := make([]string, 0, len(seen))
	for name, ok := range seen {
		if ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// info is the variable as expressions see it now.
func (v *variable) info() expression.Name {
	return expression.Name{Type: v.now.typ, State: v.now.state, Sensitive: v.now.sensitive, PII: v.now.pii, Foreign: v.foreign, Ref: &v.ref}
}

// whyUnset says of a data point that no way to this place saves who does.
func (c *checker) whyUnset(v *variable) string {
	if at := v.now.cleared; at != nil {
		return fmt.Sprintf("is unset by step `%s` on line %d", at.step.Name, at.span.Line)
	}
	for _, s := range v.sites {
		if c.at.step != nil && s.step == c.at.step {
			return fmt.Sprintf("is saved by step `%s` itself on line %d, after this is computed", s.step.Name, s.span.Line)
		}
		if st := c.stops[s.step.Name]; st == nil || !st.begun {
			return fmt.Sprintf("is saved by step `%s` on line %d, which runs later", s.step.Name, s.step.Span.Line)
		}
	}
	if len(v.sites) > 0 {
		s := v.sites[0]
		return fmt.Sprintf("is saved by step `%s` on line %d, which does not run on the way that leads here", s.step.Name, s.step.Span.Line)
	}
	if d, ok := c.declared[v.ref.Point.Name]; ok {
		return fmt.Sprintf("is declared on line %d, but no step saves it", d.span.Line)
	}
	return ""
}

// stopped is steps.ID.
func (c *checker) stopped(id string) (expression.Name, bool) {
	s, ok := c.stops[id]
	if !ok {
		return expression.Name{}, false
	}
	n := s.member
	n.Foreign = true
	switch {
	case s.ended && c.beside(s.in) != nil:
		n.State = expression.Unset
		n.Note = fmt.Sprintf("runs in the branch `%s` at the same time", c.beside(s.in).name)
	case s.ended && s.space.open:
		n.Ref = &s.ref
		// What a block ended like is only recorded if it is a step of its own.
		s.ref.Step.Bare = false
	case s.ended:
		n.State = expression.Unset
		n.Note = fmt.Sprintf("runs inside the loop `%s`: its outcome can be read in the same iteration only", s.space.step.Name)
	case s.begun:
		n.State = expression.Unset
		n.Note = fmt.Sprintf("begins on line %d and has not ended here", s.step.Span.Line)
	default:
		n.State = expression.Unset
		n.Note = fmt.Sprintf("begins on line %d and runs later", s.step.Span.Line)
	}
	return n, true
}

func (c *checker) runMember(name string) (expression.Name, bool) {
	n := expression.Name{Ref: &plan.Ref{Flow: c.node}}
	switch name {
	case "id", "flow":
		n.Type.Kind = expression.String
		return n, true
	case "started_at":
		n.Type.Kind = expression.Time
		return n, true
	}
	if c.at.why == nil {
		return expression.Name{}, false
	}
	switch name {
	case "status": // its handle is that of the error, which it tells of
		n.Type.Kind, n.Ref = expression.String, &c.at.why.ref
		return n, true
	case "error":
		return c.at.why.info(), true
	}
	return expression.Name{}, false
}

// errorMember says more of error.status than is known anyway. The kind tells of
// the status, and has its handle.
func (c *checker) errorMember(name string) (expression.Name, bool) {
	if c.at.status == nil || name != "status" && name != "kind" {
		return expression.Name{}, false
	}
	n := c.at.status.info()
	if name == "kind" {
		n.State = expression.Set
	}
	return n, true
}

// nullable is what a failure tells that may not be there: `run.error` in finally,
// `error.status` in catch.
func (c *checker) nullable(kind expression.Kind) *variable {
	return &variable{ref: plan.Ref{Flow: c.node}, now: cell{state: expression.Maybe, typ: expression.Type{Kind: kind}}, foreign: true}
}

// back is a member of `response` after a sub-flow: its outputs are the body.
func (c *checker) back(member string) (expression.Name, bool) {
	back := c.at.returns
	switch {
	case back == nil:
		return expression.Name{}, false
	case member != "body":
		return expression.Name{Note: "a flow gives outputs, which are in response.body"}, false
	case back.names == nil:
		return expression.Name{}, false
	}
	return expression.Name{Type: expression.Type{Kind: expression.Object}, Sensitive: back.class == plan.Sensitive, PII: back.class == plan.PII,
		Foreign: true, Members: back.names}, true
}

// loopVariable is the item or index of the nearest loop that calls it so, or
// what pages have.
func (c *checker) loopVariable(name string) (expression.Name, bool) {
	switch {
	case name == "token" && c.at.token:
		return expression.Name{Type: expression.Type{Kind: expression.String}, Sensitive: true, Ref: &plan.Ref{Token: true}}, true
	case name == "page" && c.at.page:
		return expression.Name{Type: expression.Type{Kind: expression.Integer}, Ref: &plan.Ref{Page: true}}, true
	case name == "next" && c.at.next != nil:
		return *c.at.next, true
	case name == "round" && c.round != nil:
		return expression.Name{Type: expression.Type{Kind: expression.Integer}, Ref: &plan.Ref{Round: c.round}}, true
	}
	for sp := c.space; sp != nil && sp.step != nil; sp = sp.parent {
		switch name {
		case sp.item.name:
			return sp.item.info, true
		case sp.index.name:
			return sp.index.info, true
		}
	}
	return expression.Name{}, false
}

// narrow makes what a condition says of names hold from here on: set if the
// condition has decided so.
func (c *checker) narrow(handles []any) {
	for _, h := range handles {
		ref, ok := h.(*plan.Ref)
		if !ok {
			continue
		}
		v := c.variableOf(ref)
		if v == nil || v.now.state == expression.Set || v.busy != nil {
			continue
		}
		now := v.now
		now.state, now.cleared = expression.Set, nil
		c.set(v, now)
	}
}

func (c *checker) variableOf(ref *plan.Ref) *variable {
	switch {
	case c.at.why != nil && ref == &c.at.why.ref:
		return c.at.why
	case c.at.status != nil && ref == &c.at.status.ref:
		return c.at.status
	case ref.Point != nil:
		return c.points[ref.Point]
	case ref.Input != nil:
		return c.inputNames[ref.Input.Name]
	case ref.Secret != nil:
		return c.secretNames[ref.Secret.Name]
	}
	return nil
}
