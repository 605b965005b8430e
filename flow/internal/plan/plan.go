// Package plan is the compiled flow: an immutable tree of a closed set of
// nodes, made once by the checker and only read afterwards, from as many
// goroutines as there are runs. Walk looks at the shape; only Work looks at the rest.
package plan

import (
	"time"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
)

// A Kind is what a node does. Kinds before Block are leaves.
type Kind uint8

// Flow is the root, and each sub-flow. A Parallel's Steps are blocks, one a branch.
const (
	Call Kind = iota + 1
	Set
	Fail
	Wait
	Callback
	Block
	Loop
	Parallel
	Flow
)

// A Node is a step, or a part of one that has a record of its own.
//
// A step with for_each is a Loop whose Steps[0] is the step's verb: the `if`,
// `else`, `timeout` and `catch` of the step are the Loop's, everything else is
// the body's. Else, the clauses of Catch, and Finally are Blocks.
type Node struct {
	Index   int    // in Plan.Nodes
	ID      string // "" for a Loop's body, else, finally and clauses
	Branch  bool   // of a Parallel: ID is the branch's name, it is no step
	Kind    Kind
	Steps   []*Node // block, flow: in order; parallel: a block a branch; loop: one, the body of an iteration
	Else    *Node
	Catch   []*Node
	Finally *Node
	AtOnce  int
	Go      bool // loop: on_error: continue, for each item
	Rounds  bool // retry or poll on a compound
	Bare    bool // a block with nothing of its own (no if, timeout, else, catch, finally): neither enter nor leave is asked
	Depth   int  // segments of its path: 0 for the root
	Scope   *Scope
	Span    diag.Span
	Work    Work
}

// Work is what only Work reads.
type Work struct {
	Title   string // what progress calls it: "POST /oauth/token" as far as it is constant, set's names, …
	If      *expression.Program
	Timeout time.Duration // 0: none
	Call    *CallSpec     // of Call
	Set     []Assign      // of Set
	Fail    *expression.Template
	Loop    *LoopSpec
	Lists   []List    // of Loop: what each name saved inside becomes after it
	Clause  *Clause   // of a clause of Catch
	Outputs []Output  // of a Flow
	Flow    *FlowSpec // of a Flow below the root
	Wait    *WaitSpec
	Message *MessageSpec // of Callback
	Retry   Retry        // of what has Rounds: after which failures a new round begins
	Poll    *Poll        // of what has Rounds
}

// A FlowSpec is a sub-flow as its step calls it. The node's Scope is that of the
// step; the scope of what is inside has the node as its own.
type FlowSpec struct {
	Name   string     // of the flow; "" if its file could not be read
	File   string     // as the step writes it
	With   []Argument // in the order of Inputs: what the step gives
	Inputs []*Input
	Expect Expect
	Save   []Save // into the scope around the step
}

// An Argument is what a step gives to an input of a sub-flow.
type Argument struct {
	Input *Input
	Value Value
	Span  diag.Span
}

// A MessageSpec is a message that a step waits for.
type MessageSpec struct {
	Name   string
	Expect Expect
	Save   []Save
}

// A Poll says until when something is repeated; defaults are filled in.
type Poll struct {
	Until          *expression.Program
	Every, Timeout time.Duration
	Factor         float64
	Max            time.Duration // of a pause that grows
	Span           diag.Span     // of Until
}

// Pages says how the next page is asked for and when there is none.
type Pages struct {
	Next, While *expression.Program // nil: not given
	With        []Field             // over the step's own fields; null takes one away; nil: next is the URL
	Max         int
}

// A Message is a declared callback.
type Message struct {
	Name, Description string
	Schema            Schema
	Used              diag.Span // where an expression asks for its URL first; line 0: nowhere
	Span              diag.Span
}

// A Clause says which failures a clause of catch takes.
type Clause struct{ When *expression.Program } // nil: all but unknown; none takes store, internal, cancelled

// A LoopSpec says over what a loop goes.
type LoopSpec struct {
	In          *expression.Program
	As, IndexAs string
	Max         int
}

// A Scope is where data points live: the run's, or one iteration's.
type Scope struct {
	Parent *Scope
	Node   *Node // the Loop, or the root
	Names  map[string]*Point
}

// A Point is a data point of a scope, as the checker knows it.
type Point struct {
	Name    string
	Scope   *Scope
	Type    expression.Type
	Rule    *Rule // declared: what values must fit; nil: undeclared
	Default *expression.Value
	Class   Class
	List    bool // collected by a loop: each element is a T or null
}

// A Class says where a value may be shown.
type Class uint8

// As datapoints.Class.
const (
	Plain Class = iota
	PII
	Sensitive
)

// A Rule is what a value must fit.
type Rule struct {
	Type                 expression.Type
	OneOf                []string // JSON texts
	Pattern              Pattern
	PatternText          string
	Min, Max             *float64
	MinText, MaxText     string // as the author wrote them
	MinLength, MaxLength *int
}

// A Pattern matches a whole value; nil if there is none.
type Pattern interface{ MatchString(s string) bool }

// Input is a declared input.
type Input struct {
	Name        string
	Rule        Rule
	Default     *expression.Value
	Required    bool
	Env         string
	Class       Class
	Description string
	Span        diag.Span
}

// Secret is a declared secret.
type Secret struct {
	Name        string
	Env, File   string
	Command     []string
	Folder      string    // of the file that declares it: where File lies and Command runs
	Keyring     [2]string // service, user
	Optional    bool
	Description string
	Span        diag.Span
}

// An Assign is one name of `set`.
type Assign struct {
	Point *Point
	Value Value
	Class Class // computed, with the name rule
	Unset bool  // the constant null
	Span  diag.Span
}

// A List is a name that a loop collects.
type List struct {
	Outer *Point // a list, in the scope around the loop
	Inner *Point // in the iteration
}

// An Output is one of the run's outputs.
type Output struct {
	Name  string
	Value Value
	Class Class
	Span  diag.Span
}

// A Value is a tree of constants and templates, rendered in the order written.
type Value struct {
	Template *expression.Template // a scalar
	Const    string               // JSON of a whole constant subtree; "" if it is not constant
	Items    []Value
	Pairs    []Pair
	IsList   bool // with Items; else with Pairs an object
	Text     bool // what Template gives is written as text, whatever its type
	Span     diag.Span
}

// A Pair is a member of an object Value.
type Pair struct {
	Key   string
	Value Value
	Span  diag.Span
}

// A CallSpec is an action with what surrounds one call of it.
type CallSpec struct {
	Action     string
	Fields     []Field // merged with defaults.http, in the order of the action's Spec
	Retry      Retry
	Expect     Expect
	Save       []Save
	Poll       *Poll
	Pages      *Pages
	Auth       *Auth
	Repeatable *bool // the constant `repeatable`, if there is one
	Now        bool  // some field reads now() or uuid(): freeze and record them
}

// A Field is one rendered argument of an action.
type Field struct {
	Name    string
	Rank    int // its place in the action's Spec
	Value   Value
	Class   Class
	PerTry  bool // reads `request`: rendered by the action, in each attempt, after the body
	Origin  Trust
	Options FieldOptions
}

// FieldOptions mirrors what the action said of the field.
type FieldOptions struct {
	URL         bool // Value.Template is a URL template
	Destination bool // decides where the call goes: url, base_url
	Allows      bool // lists trusted origins: allow_secrets_to
	JSON        bool // any value: null inside is one
}

// Trust says from what the origin part of a URL was made.
type Trust uint8

const (
	NoOrigin Trust = iota // not a URL, or a path below base_url
	Trusted               // file, inputs, defaults, secrets, run
	Foreign               // data or a response: compared before sending
)

// A Retry is what a call's failures lead to; defaults are filled in.
type Retry struct {
	Attempts     int  // 1: no retry
	Default      bool // the default reasons count too
	On           []string
	Any          bool // a plain number on a block: any failure but unknown and limit
	When         *expression.Program
	Initial, Max time.Duration
	Factor       float64
	Given        bool // the author wrote it: also for calls that are not repeatable, where certain
}

// Expect is what an answer must be.
type Expect struct {
	Status      []StatusRange // empty: 2xx
	That        []That
	Schema      Schema
	AllowErrors bool
}

// A StatusRange is one status or a class.
type StatusRange struct{ From, To int }

// A That is one expectation.
type That struct {
	Program *expression.Program
	Source  string
	Message *expression.Template // nil: none
	Span    diag.Span
}

// A Schema validates a JSON text; nil if there is none. The error is for people.
type Schema interface{ Validate(json string) error }

// A Source says where a saved value comes from.
type Source uint8

// The sources of `save`.
const (
	FromPath Source = iota + 1
	FromExpression
	FromHeader
	FromCookie
	FromRegex
	FromBody
)

// A Save keeps one named value of an answer.
type Save struct {
	Point      *Point
	Source     Source
	Path       *expression.Path
	Expression *expression.Program
	Text       string // header, cookie, regular expression, body form; and what history shows
	Regex      Regex
	Default    *expression.Value
	Optional   bool
	Type       expression.Type
	Class      Class
	Status     []StatusRange
	Span       diag.Span
}

// Gives is the type of what is saved, Any if nobody knows.
func (s *Save) Gives() expression.Type {
	if s.Type.Kind != expression.Any {
		return s.Type
	}
	return s.Point.Type
}

// A Regex finds its first group in a text.
type Regex interface{ FindStringSubmatch(s string) []string }

// A Plan is a compiled flow.
type Plan struct {
	Name, Description string
	File              string
	Files             []File // every file read, the flow first
	Root              *Node  // Flow, with path ""
	Nodes             []*Node
	Inputs            []*Input
	Secrets           []*Secret     // the flow's own, and after them those of its sub-flows
	Credentials       []*Credential // those of sub-flows too
	Callbacks         []*Message
	Points            []*Point // of the root scope, in order of first mention
	Sensitive         bool     // something sensitive or personal can be recorded
	Warnings          diag.List
	Steps             int // in the file, and in those of sub-flows for each step that calls them
}

// A File is a file as it was read.
type File struct {
	Name string
	Data []byte
}

// A Ref is what the checker hands the expression compiler for a name, and Work
// gets back when the name is evaluated.
type Ref struct {
	Point  *Point  // data.x
	Input  *Input  // inputs.x
	Secret *Secret // secrets.x
	Loop   *Node   // a loop variable or index: the Loop
	Index  bool
	Page   bool     // page: how many there were before
	Token  bool     // token: of a credential, in send.value
	Next   bool     // next: what pages.next gave
	Round  *Node    // round: the node that has Rounds
	Call   *Message // callbacks.x
	Flow   *Node    // of Input and of run: the Flow node that it belongs to; nil: the root
	Step   *Node    // steps.x; of a step with for_each the Loop
}

// Unknown is the kind of failure of a call of which it is not known whether it
// was processed: the one kind that Walk tells from others.
const Unknown = "unknown"
