// Package expression compiles what stands in `${{ }}`: expressions, templates,
// URLs, and gjson paths. Everything is compiled once, against the names and
// types known at its place; nothing is parsed while a flow runs.
//
// The language is that of github.com/expr-lang/expr, whose parser reads it, less
// comments and `;`. Checking and evaluating are this package's own: values
// keep the digits they came with, integers do not overflow silently, nothing is
// true but true, and every operation is counted, so that no expression, path
// or JSON text can crash, hang or exhaust the process.
//
// Positions are counted in characters (code points) of the text that was given
// to Compile…, from 0; a To is the first character after.
package expression

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A State says whether a data point has a value at a place.
type State uint8

// The zero value is Set, which is also the state of everything that is no data point.
const (
	Set   State = iota
	Maybe       // some way to this place does not save it
	Unset       // no way to this place saves it
)

// A Name is what the checker knows of a name at a place.
type Name struct {
	Type      Type // of steps: a List type marks a step with for_each, which has count, failed, failures
	State     State
	Sensitive bool
	PII       bool
	Foreign   bool   // comes from data or a response: no trusted origin
	Note      string // of an Unset name: "is saved by step `place` on line 60, which runs later"
	Ref       any    // handed back in Ref.Handle

	// Members are those of an object of which all are known: of response.body, if
	// it is what a sub-flow gives. nil: anything may be inside.
	Members map[string]Name
}

// A Scope says which names mean something at a place. It is used while
// compiling only, by one goroutine.
type Scope interface {
	// Root says whether a root may stand here: inputs, secrets, data, steps,
	// callbacks, run, response, error, request. Why completes "there is no
	// `response` here": "an answer exists in expect, save, …".
	Root(root string) (why string, ok bool)
	// Name looks up inputs.x, secrets.x, data.x, steps.x, callbacks.x, and with
	// root "" a loop variable, an index, or another plain name of this place. Of
	// run and response it may say more than is known anyway; a Note on a member
	// that it does not have says why.
	Name(root, name string) (Name, bool)
	// Names lists what could stand behind a root, sorted, for suggestions.
	Names(root string) []string
}

// A Ref is one reference of an expression to a value of the run.
type Ref struct {
	Root     string // "" for a loop variable or index
	Name     string // of inputs, secrets, data, steps, callbacks and ""
	Member   string // the fixed member of steps.ID, callbacks.NAME, run, response, error, request: "status", "body", …
	Handle   any    // the Name.Ref of the scope
	From, To int
}

// An Env gives the values while running. One is made for one task; it is not
// used concurrently.
type Env interface {
	// Value gives a reference's value: an unset data point is null, response.headers
	// is an object with lower-case names. An error ends the evaluation and is
	// handed on as it is, wrapped.
	Value(r *Ref) (Value, error)
	// Now is what now() gives.
	Now() time.Time
	// UUID is what uuid() gives; each call another one.
	UUID() string
}

// A Problem is something wrong in a text, found while compiling.
type Problem struct {
	From, To int // characters of the text given
	Code     diag.Code
	Severity diag.Severity
	Message  string
	Hint     string
	Notes    []string
}

// What expressions compute with is package value's.
type (
	Kind       = value.Kind
	Type       = value.Type
	Value      = value.Value
	Error      = value.Error
	LimitError = value.LimitError
)

// The kinds of values; see package value.
const (
	Any       = value.Any
	String    = value.String
	Integer   = value.Integer
	Number    = value.Number
	Boolean   = value.Boolean
	Date      = value.Date
	DateTime  = value.DateTime
	Telephone = value.Telephone
	Object    = value.Object
	List      = value.List
	Null      = value.Null
	Time      = value.Time
	Duration  = value.Duration
	Bytes     = value.Bytes
)

// The kinds of Error, as the flow language names them.
const (
	KindExpression = value.KindExpression
	KindData       = value.KindData
)

// MaxDepth is how deep lists and objects may be nested in JSON.
const MaxDepth = value.MaxDepth

// FromJSON is the value of a valid JSON text; see value.FromJSON.
func FromJSON(json string) Value { return value.FromJSON(json) }

// FromText is a string.
func FromText(s string) Value { return value.FromText(s) }

// Members gives the members of a JSON object in their order; see value.Members.
func Members(object string) iter.Seq2[string, string] { return value.Members(object) }

// Of is the value of a Go value; see value.Of.
func Of(v any) Value { return value.Of(v) }

// ParseType reads a type as a flow declares it; see value.ParseType.
func ParseType(name, items string) (Type, bool) { return value.ParseType(name, items) }

// CheckJSON says whether a text is one valid JSON value within MaxDepth, as
// value.CheckJSON does. gjson is faster than the standard library, and safe once
// the depth is known; that both mean the same is fuzzed.
func CheckJSON(text []byte) error {
	if err := value.CheckDepth(text); err != nil || gjson.ValidBytes(text) {
		return err
	}
	return value.ExplainJSON(text)
}

// words are what a member can say, where that is known.
func words(r *Ref) []string {
	switch {
	case r.Root == "error" && r.Member == "kind":
		return []string{"http", "network", "timeout", "extract", "graphql", "data", "expression", "limit", "failed", "action", "expect",
			"auth", "unknown", "input", "secret"}
	case r.Root == "steps" && r.Member == "outcome":
		return []string{"done", "skipped", "failed", "caught", "unknown", "stopped"}
	case r.Root == "run" && r.Member == "status":
		return []string{"succeeded", "failed", "unknown", "cancelled"}
	}
	return nil
}

// neverSaid warns of a comparison of a member with a text that it never is. An
// embedder's action may have kinds of failure of its own: so it is no error.
func (c *compiler) neverSaid(b *binary) {
	if b.op != "==" && b.op != "!=" && b.op != "in" {
		return
	}
	r, isRef := b.left.(*reference)
	texts := []node{b.right}
	if list, ok := b.right.(*array); ok && b.op == "in" {
		texts = list.items
	} else if _, ok := b.right.(*reference); ok && !isRef {
		r, isRef, texts = b.right.(*reference), true, []node{b.left}
	}
	if !isRef || len(r.steps) > 0 {
		return
	}
	known := words(r.ref)
	for _, n := range texts {
		k, ok := n.(*constant)
		if !ok || known == nil {
			continue
		}
		text, ok := k.v.(string)
		if !ok || slices.Contains(known, text) {
			continue
		}
		hint := "it is one of " + strings.Join(known, ", ")
		if near := Suggest(text, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.report(Problem{From: k.from, To: k.to, Code: diag.WrongValue, Severity: diag.Warning, Message: fmt.Sprintf("`%s` is never %q", c.slice(r.from, r.to), text), Hint: hint})
	}
}

// noMember is the problem of a step into something that has no such members.
func noMember(from, at int, what string, t Type, s step) Problem {
	p := Problem{From: s.from, To: s.to, Code: diag.TypeMismatch, Message: fmt.Sprintf("`%s` is %s, which has no members", what, t.Kind.Phrase())}
	switch {
	case t.Kind == List && (s.name == "length" || s.name == "size"), t.IsString() && s.name == "length":
		p.Code, p.Hint = diag.ForeignSpelling, fmt.Sprintf("write len(%s)", what)
	case t.Kind == List:
		p.Message = fmt.Sprintf("`%s` is a list, whose items have numbers", what)
		if s.name != "" && word(s.name, 0) == len(s.name) {
			p.Hint = fmt.Sprintf("write %s[0].%s for the first, or map(%s, .%s) for all", what, s.name, what, s.name)
		}
	case t.Kind == Object:
		p.Message = fmt.Sprintf("`%s` is an object, whose members have names", what)
	}
	return p
}

// compared gives the sides of x == constant and x != constant, or nil.
func (b *binary) compared() (*reference, *constant) {
	if b.op != "==" && b.op != "!=" {
		return nil, nil
	}
	of, other := b.left, b.right
	with, ok := other.(*constant)
	if !ok {
		of = other
		with, ok = b.left.(*constant)
	}
	r, is := of.(*reference)
	if !ok || !is {
		return nil, nil
	}
	return r, with
}

// setsIf says whether what a comparison compares is set if it has an outcome.
// What became of the run says whether there is a run.error, and a failure of
// the kind http has a status.
func (b *binary) setsIf(outcome bool) bool {
	r, with := b.compared()
	if r == nil {
		return false
	}
	equal := (b.op == "==") == outcome
	switch {
	case r.ref.Root == "run" && r.ref.Member == "status":
		return equal != (with.v == "succeeded")
	case r.ref.Root == "error" && r.ref.Member == "kind":
		return equal && with.v == "http"
	}
	return equal != (with.v == nil)
}

// narrows is what a condition about a reference tells something of.
func (r *Ref) narrows() string {
	switch {
	case r.Root == "error" && r.Member == "kind":
		return "error.status"
	case r.Root == "run" && r.Member == "status":
		return "run.error"
	case named(r.Root) || r.Root == "":
		return r.Root + "." + r.Name
	}
	return r.Root + "." + r.Member
}

// known takes over what the scope knows of a member of run or error. A look into
// run.error where it may be null is reported; of error.status, which may be
// null, too, it is when it becomes text.
func (c *compiler) known(r *reference, n Name) {
	if r.ref.Handle = n.Ref; n.State != Maybe {
		return
	}
	if r.ref.Root == "error" {
		if !c.narrowed(r.ref) {
			r.state = Maybe
		}
		return
	}
	into := len(r.steps) > 0 && !r.steps[0].optional
	if !into || r.ref.Member != "error" || c.narrowed(r.ref) {
		return
	}
	c.report(Problem{From: r.from, To: r.head, Code: diag.MayBeUnset, Message: "`run.error` is null here if nothing failed",
		Hint:  fmt.Sprintf("write `run.error?.%s ?? other` for another value then", strings.TrimPrefix(c.slice(r.head, r.to), ".")),
		Notes: []string{"or `run.error != nil`, or `run.status != \"succeeded\"`, in an `if`"}})
}

// strangeMember is the problem of a member that an object is known not to have.
func strangeMember(s step, what string, members map[string]Name) Problem {
	p := Problem{From: s.from, To: s.to, Code: diag.UnknownName, Message: fmt.Sprintf("`%s` has no member %q", what, s.name)}
	names := slices.Sorted(maps.Keys(members))
	if near := Suggest(s.name, names); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) > 0 {
		p.Hint = "it has " + strings.Join(names, ", ")
	}
	return p
}
