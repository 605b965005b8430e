package expression

import (
	"errors"
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A taint says what of a value's origin reaches the result.
type taint struct{ sensitive, pii, foreign bool }

func (t taint) and(u taint) taint {
	return taint{t.sensitive || u.sensitive, t.pii || u.pii, t.foreign || u.foreign}
}

// meta is what is known of every node.
type meta struct {
	from, to int
	typ      Type
	taint    taint
}

func (m *meta) about() *meta { return m }

// A node is a part of a compiled expression.
type node interface {
	about() *meta
	eval(m *machine) (any, *Error)
	kids() []node
}

// A step goes from a value to one of its members or items.
type step struct {
	name     string
	index    int
	byIndex  bool
	optional bool // ?.
	from, to int  // of the name or the bracket
}

// A reference is a value of the run, and what is looked up in it.
type reference struct {
	meta
	ref   *Ref
	head  int // end of the Ref itself in the text
	steps []step
	state State
	want  Kind // of the Ref itself: Time and Duration are made of what the Env gives
}

// A member is a fixed member of a root.
type member struct {
	name string
	typ  Type
}

// roots are the names with a meaning of their own, in the order of suggestions.
var roots = [...]string{"inputs", "secrets", "data", "steps", "callbacks", "run", "response", "error", "request"}

func isRoot(name string) bool {
	for _, r := range roots {
		if r == name {
			return true
		}
	}
	return false
}

// named says whether a root holds the author's names.
func named(root string) bool {
	switch root {
	case "inputs", "secrets", "data", "steps", "callbacks":
		return true
	}
	return false
}

// members lists what a root, or a name of steps and callbacks, has.
func members(root string) []member {
	text, integer := Type{Kind: String}, Type{Kind: Integer}
	switch root {
	case "steps":
		return []member{{"outcome", text}, {"ok", Type{Kind: Boolean}}, {"status", integer}, {"attempts", integer},
			{"duration", Type{Kind: Duration}}, {"count", integer}, {"failed", integer},
			{"failures", Type{Kind: List, Items: &Type{Kind: Object}}}}
	case "callbacks":
		return []member{{"url", text}}
	case "run":
		return []member{{"id", text}, {"flow", text}, {"started_at", Type{Kind: Time}}, {"status", text}, {"error", Type{Kind: Object}}}
	case "response":
		return []member{{"status", integer}, {"headers", Type{Kind: Object}}, {"body", Type{}}, {"text", text},
			{"duration", Type{Kind: Duration}}, {"url", text}, {"links", Type{Kind: Object}}}
	case "error":
		return []member{{"kind", text}, {"message", text}, {"status", integer}, {"step", text}, {"body", Type{}}}
	case "request":
		return []member{{"method", text}, {"url", text}, {"body", Type{}}, {"time", Type{Kind: Time}}}
	}
	return nil
}

// reference resolves a chain that begins with a name. It reports what is
// wrong with it; then the reference stands for a value of which nothing is known.
func (c *compiler) reference(root step, steps []step, safe bool) *reference {
	r := &reference{meta: meta{from: root.from, to: root.to}, ref: &Ref{}, steps: steps}
	if n := len(steps); n > 0 {
		r.to = steps[n-1].to
	}
	switch {
	case c.foreignRoot(root, steps):
	case isRoot(root.name):
		c.rooted(r, root, safe)
	default:
		c.local(r, root, safe)
	}
	r.ref.From, r.ref.To = r.from, r.to
	if r.ref.Root != "" || r.ref.Name != "" {
		c.refs = append(c.refs, r)
	}
	for _, s := range r.steps {
		if datapoints.SensitiveName(s.name) {
			r.taint.sensitive = true
		}
	}
	return r
}

// rooted resolves root.name and root.member.
func (c *compiler) rooted(r *reference, root step, safe bool) {
	if why, ok := c.scope.Root(root.name); !ok {
		c.report(Problem{From: root.from, To: root.to, Code: diag.NotHere, Message: fmt.Sprintf("there is no `%s` here", root.name), Hint: why})
		return
	}
	if len(r.steps) == 0 || r.steps[0].byIndex {
		c.wholeRoot(root)
		return
	}
	first := r.steps[0]
	r.head, r.steps = first.to, r.steps[1:]
	r.ref.Root = root.name
	info := Name{Foreign: true}
	if named(root.name) {
		var ok bool
		if info, ok = c.scope.Name(root.name, first.name); !ok {
			c.unknownName(root.name, first)
			return
		}
		r.ref.Name = first.name
		info.Sensitive = info.Sensitive || root.name == "secrets"
		if !c.available(r, first, info, safe) {
			return
		}
	} else {
		r.ref.Member = first.name
	}
	r.ref.Handle = info.Ref
	r.typ, r.state = info.Type, info.State
	if members(root.name) != nil && !c.fixedMember(r, root, first, &info) {
		return
	}
	c.look(r, info)
}

// fixedMember resolves the member of run, response, error, request, or of a step.
func (c *compiler) fixedMember(r *reference, root, at step, info *Name) bool {
	if named(root.name) {
		if len(r.steps) == 0 || r.steps[0].byIndex {
			c.report(Problem{From: r.from, To: r.head, Code: diag.WholeRoot,
				Message: fmt.Sprintf("`%s.%s` cannot be used as a whole", root.name, r.ref.Name), Hint: "write " + memberList(root.name+"."+r.ref.Name, root.name, info.Type.Kind == List)})
			return false
		}
		at, r.steps = r.steps[0], r.steps[1:]
		r.ref.Member, r.head = at.name, at.to
	}
	i := memberIndex(root.name, at.name)
	loopOnly := root.name == "steps" && i >= loopMembers
	if root.name == "response" && i >= 0 {
		n, ok := c.scope.Name("response", at.name)
		switch {
		case ok:
			*info = n
			r.typ = n.Type
			return true
		case n.Note != "":
			c.report(Problem{From: at.from, To: at.to, Code: diag.NotHere, Message: fmt.Sprintf("there is no `response.%s` here", at.name), Hint: n.Note})
			r.typ = Type{}
			return false
		}
	}
	if root.name == "run" && i >= 0 {
		n, ok := c.scope.Name("run", at.name)
		if !ok && i >= 3 {
			c.report(Problem{From: at.from, To: at.to, Code: diag.NotHere, Message: fmt.Sprintf("there is no `run.%s` here", at.name), Hint: "it exists in `finally`"})
			r.typ = Type{}
			return false
		}
		info.Foreign = n.Foreign
		c.known(r, n)
	}
	if n, ok := c.scope.Name(root.name, at.name); ok && root.name == "error" {
		c.known(r, n)
	}
	if i < 0 || loopOnly && info.Type.Kind != List && info.Type.Kind != Any {
		c.unknownMember(root.name, r.ref.Name, at, i >= 0)
		r.typ = Type{}
		return false
	}
	r.typ = members(root.name)[i].typ
	r.want = r.typ.Kind
	if root.name == "response" && at.name == "headers" && len(r.steps) > 0 {
		r.steps[0].name = strings.ToLower(r.steps[0].name)
	}
	return true
}

// loopMembers is where the members begin that a step has only with for_each.
const loopMembers = 5

func memberIndex(root, name string) int {
	for i, m := range members(root) {
		if m.name == name {
			return i
		}
	}
	return -1
}

// local resolves a loop variable, an index, or another plain name.
func (c *compiler) local(r *reference, root step, safe bool) {
	info, ok := c.scope.Name("", root.name)
	if !ok {
		c.unknownRoot(root, r.steps)
		return
	}
	r.head = root.to
	r.ref.Name, r.ref.Handle = root.name, info.Ref
	r.typ, r.state = info.Type, info.State
	if c.available(r, root, info, safe) {
		c.look(r, info)
	}
}

// look gives the type and the taint of what the steps lead to.
func (c *compiler) look(r *reference, info Name) {
	r.taint = taint{info.Sensitive, info.PII, info.Foreign}
	at, members := r.head, info.Members
	for _, s := range r.steps {
		if members != nil && !s.byIndex {
			m, ok := members[s.name]
			if !ok {
				c.report(strangeMember(s, c.slice(r.from, at), members))
				r.typ = Type{}
				return
			}
			r.typ, r.taint, members, at = m.Type, taint{m.Sensitive, m.PII, m.Foreign}, m.Members, s.to
			continue
		}
		members = nil
		switch {
		case r.typ.Kind == Any:
		case r.typ.Kind == Null && s.optional:
			return
		case r.typ.Kind == Object && !s.byIndex:
			r.typ = Type{}
		case r.typ.Kind == List && s.byIndex:
			r.typ = r.typ.Item()
		case r.typ.IsString() && s.byIndex:
			r.typ = Type{Kind: String}
		default:
			c.report(noMember(r.from, at, c.slice(r.from, at), r.typ, s))
			r.typ = Type{}
			return
		}
		at = s.to
	}
}

// available reports a name that has, or may have, no value here.
func (c *compiler) available(r *reference, at step, info Name, safe bool) bool {
	switch info.State {
	case Unset:
		note := info.Note
		if note == "" {
			note = "has no value here"
		}
		c.report(Problem{From: at.from, To: at.to, Code: diag.UsedBeforeSaved, Message: fmt.Sprintf("`%s` %s", at.name, note)})
		return false
	case Maybe:
		what := c.slice(r.from, at.to)
		if c.narrowed(r.ref) {
			return true
		}
		into := len(r.steps) > 0 && !r.steps[0].optional
		if safe && !into {
			return true
		}
		p := Problem{From: r.from, To: at.to, Code: diag.MayBeUnset, Message: fmt.Sprintf("`%s` may be unset here", what),
			Hint:  fmt.Sprintf("write need(%s) if there must be one", what),
			Notes: []string{fmt.Sprintf("or `%s ?? other` for another value, or `%s != nil` in an `if`", what, what)}}
		if safe {
			p.Hint = fmt.Sprintf("write need(%s) if there must be one, or %s?.%s", what, what, strings.TrimPrefix(c.slice(at.to, r.to), "."))
		}
		c.report(p)
	}
	return true
}

// eval gives the value, from the Env and down the steps. In one evaluation a
// reference is looked up once.
func (r *reference) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(r, err)
	}
	if v, known := m.known[r]; known {
		return v, nil
	}
	v, err := r.find(m)
	if err == nil && len(m.scopes) > 0 {
		if m.known == nil {
			m.known = map[*reference]any{}
		}
		m.known[r] = v
	}
	return v, err
}

// lone is eval of a reference that is the whole program and looks into nothing:
// most are, and they need no machine.
func (r *reference) lone(env Env) (v any, failed *Error) {
	given, err := env.Value(r.ref)
	if err != nil {
		failed = outside(err)
	} else if v, failed = value.Convert(given.Unwrap(), r.want); failed == nil {
		return v, nil
	}
	if failed.From == 0 && failed.To == 0 {
		failed.From, failed.To = r.from, r.to
	}
	return nil, failed
}

func (r *reference) find(m *machine) (any, *Error) {
	given, err := m.env.Value(r.ref)
	if err != nil {
		return nil, m.at(r, outside(err))
	}
	v, bad := value.Convert(given.Unwrap(), r.want)
	if bad != nil {
		return nil, m.at(r, bad)
	}
	at := r.head
	for _, s := range r.steps {
		if v == nil && s.optional {
			return nil, nil
		}
		if v, bad = s.take(m, v); bad != nil {
			bad.Message = fmt.Sprintf("`%s` %s", m.slice(r.from, at), bad.Message)
			bad.From, bad.To = s.from, s.to
			return nil, bad
		}
		at = s.to
	}
	return v, nil
}

// outside is an error of the Env, with its own kind where it has one.
func outside(err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return &Error{Kind: own.Kind, Message: err.Error(), Hints: own.Hints, Err: err}
	}
	return &Error{Kind: KindExpression, Message: err.Error(), Err: err}
}

// take looks one step into a value. Its error begins with a verb; the caller
// puts the name of the value before it.
func (s *step) take(m *machine, v any) (any, *Error) {
	if s.byIndex {
		return m.Item(v, s.index)
	}
	return m.Member(v, s.name)
}
