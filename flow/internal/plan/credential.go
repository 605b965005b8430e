package plan

import (
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
)

// A Credential says how requests are authorized.
type Credential struct {
	Name    string
	Kind    string
	Index   int // in Plan.Credentials
	Fields  []Field
	Send    *Send // nil: where its kind puts it
	Reject  Reject
	Origins *Value // a list: where it may go, and nowhere else; nil: not given
	Login   *Login
	Flow    *Node // the sub-flow whose file declares it; nil: the root
	Span    diag.Span
}

// A Login is how a credential of type steps gets its token: by a flow of its
// own, with the inputs and secrets of the file, whose outputs are token and expires_in.
type Login struct {
	Flow   *Plan
	Digest string // of everything in the file that it is made from
	Reads  []*Ref // inputs and secrets
}

// Hide makes everything sensitive that the token is made of.
func (l *Login) Hide() {
	hidden := map[*Point]bool{}
	for again := true; again; {
		again = false
		see := func(r *expression.Ref) {
			if handle, _ := r.Handle.(*Ref); handle != nil && handle.Point != nil && !hidden[handle.Point] {
				hidden[handle.Point], again = true, true
			}
		}
		for i := range l.Flow.Root.Work.Outputs {
			if o := &l.Flow.Root.Work.Outputs[i]; o.Name == "token" {
				o.Value.References(see)
			}
		}
		for _, n := range l.Flow.Nodes {
			for i := range n.Work.Set {
				if a := &n.Work.Set[i]; hidden[a.Point] {
					a.Class = Sensitive
					a.Value.References(see)
				}
			}
		}
	}
	for _, n := range l.Flow.Nodes {
		if n.Work.Call == nil {
			continue
		}
		for i := range n.Work.Call.Save {
			if s := &n.Work.Call.Save[i]; hidden[s.Point] {
				s.Class = Sensitive
			}
		}
	}
}

// A Send says where a token stands in a request: one of Header, Cookie, Query.
type Send struct {
	Header, Cookie, Query string
	Value                 *expression.Template // of Header; nil: the token alone
}

// A Reject says which answers refuse a token, beside 401.
type Reject struct {
	Status []StatusRange
	When   *expression.Program
}

// An Auth is the credential of a call.
type Auth struct {
	Field  string                 // that names it
	Fixed  *Credential            // nil with Choice
	Choice *expression.Template   // gives a name of Among
	Among  map[string]*Credential // none is nil
	Span   diag.Span
}

// All are the credentials that a call may use.
func (a *Auth) All() []*Credential {
	if a.Fixed != nil {
		return []*Credential{a.Fixed}
	}
	var all []*Credential
	for _, c := range a.Among {
		if c != nil {
			all = append(all, c)
		}
	}
	return all
}

// References calls see for each reference in what the credential is made of.
func (c *Credential) References(see func(*expression.Ref)) {
	for i := range c.Fields {
		c.Fields[i].Value.References(see)
	}
}

// Needs are the inputs, by name, and the secrets without which the credential
// cannot be made. beyond is the first thing that only a run has, or "".
func (c *Credential) Needs() (inputs map[string]bool, secrets map[*Secret]bool, beyond string) {
	inputs, secrets = map[string]bool{}, map[*Secret]bool{}
	c.References(func(r *expression.Ref) {
		handle, _ := r.Handle.(*Ref)
		switch {
		case r.Root == "inputs":
			inputs[r.Name] = true
		case r.Root == "secrets" && handle != nil:
			secrets[handle.Secret] = true
		case beyond != "" || r.Root == "run" && r.Member == "flow":
		case r.Root == "run":
			beyond = "run." + r.Member
		case r.Root == "data":
			beyond = "data." + r.Name
		}
	})
	if c.Login != nil {
		for _, r := range c.Login.Reads {
			if r.Input != nil {
				inputs[r.Input.Name] = true
			} else {
				secrets[r.Secret] = true
			}
		}
	}
	return inputs, secrets, beyond
}
