// Package syntax reads a flow file into a tree that knows where everything
// stands. It holds what YAML and the tables of keys can say: shapes, names,
// limits, and the places where YAML would swallow an expression. What names
// mean is the checker's.
package syntax

import (
	"time"

	"github.com/stepwell/stepwell/flow/diag"
)

// A Kind is what a Node is.
type Kind uint8

// Null to String are scalars. Only JSON's scalars have a type; everything else,
// and everything quoted, is a String.
const (
	Null Kind = iota
	Boolean
	Number
	String
	List
	Mapping
)

// A Node is a value of the file, aliases and merges resolved: an alias is the
// very node that it names, with that node's places. Nodes are not changed once
// parsed, and may be read from many goroutines.
//
// Span is the value in the file: a scalar with its quotes, of several lines the
// first; of a block scalar the | or >; of a list or mapping in brackets the
// whole as far as it is on one line, of other mappings the first key and value.
// Nothing has an empty Span where its value would stand.
type Node struct {
	Kind  Kind
	Text  string // of a scalar, decoded: of a Number with its digits
	Items []*Node
	Pairs []Pair // in the order of the file; merged ones after
	Span  diag.Span
	marks marks // for At
}

// A Pair is a key of a mapping and its value.
type Pair struct {
	Key     string
	KeySpan diag.Span
	Value   *Node
}

// An ID is a name that the author gave.
type ID struct {
	Name string
	Span diag.Span
}

// A Flow is one file. Parts that are missing are nil or empty; a part that was
// wrong has its diagnostic and is left out or as complete as it can be, so that
// the checker can go on.
type Flow struct {
	File        string
	Span        diag.Span // the file's first line
	Name        ID
	Description string
	Include     []ID // files with further declarations
	Credentials []*Credential
	Callbacks   []*Message
	Inputs      []*Input
	Secrets     []*Secret
	Data        []*Data
	HTTP        *Node // defaults.http, without retry; nil if there is none
	HTTPRetry   *Retry
	Steps       []*Step
	Finally     []*Step
	Outputs     []Pair
	Spaces      Spaces
}

// Spaces says where `steps` and `finally` stand, for problems about them as a whole.
type Spaces struct{ Steps, Finally, Outputs diag.Span }

// A Rule is what inputs and data points share.
type Rule struct {
	Type                 string // "" if not given
	TypeSpan             diag.Span
	Items                string
	Default              *Node // constant
	OneOf                []*Node
	Pattern              string
	PatternSpan          diag.Span // of the key
	Min, Max             *Node
	MinLength, MaxLength *int
	Sensitive            *bool // nil: by the name rule
	PII                  bool
	Description          string
	Category, Unit       string
}

// An Input is what a caller gives.
type Input struct {
	ID
	Rule
	Required *bool
	Env      string
}

// A Secret says where a secret comes from: one of Env, File, Command, Keyring.
type Secret struct {
	ID
	Env         string
	Path        string
	Command     []string
	Keyring     *Keyring
	Optional    bool
	Description string
}

// A Keyring names an entry in the system's keyring.
type Keyring struct{ Service, User string }

// Data declares a data point.
type Data struct {
	ID
	Rule
}

// A Message is a declared callback: what somebody sends to a run.
type Message struct {
	ID
	Description string
	Schema      *Node // inline mapping, or a string: a file; nil: none
}

// A Credential says how requests are authorized.
type Credential struct {
	ID
	Type     ID
	Fields   *Node     // a mapping: what its kind describes
	Send     *Send     // nil: where its kind puts it
	SendSpan diag.Span // of the key; its line is 0 if there is none
	RejectOn *RejectOn
	Origins  *Node // nil: not given
	Login    *Login
	Span     diag.Span
}

// A Login is what a credential of type steps does to get its token.
type Login struct {
	Whole     *Node // the credential
	Data      []*Data
	Steps     []*Step
	Token     *Node
	ExpiresIn *Node // nil: not given
}

// A Send says where a token stands in a request: one of Header, Cookie, Query.
type Send struct {
	Header, Cookie, Query string
	Value                 *Node // of Header; nil: the token alone
	Span                  diag.Span
}

// A RejectOn says which answers refuse a token, beside 401.
type RejectOn struct {
	Status []StatusRange
	When   *Node
}

// A Verb is what a step does.
type Verb uint8

// The verbs.
const (
	NoVerb Verb = iota // wrong or missing; reported
	Action
	Set
	Fail
	Block
	Parallel
	SubFlow
	Wait
	Callback
)

// A Step is one step with everything around it.
type Step struct {
	ID
	Verb        Verb
	VerbSpan    diag.Span // the verb's key
	Span        diag.Span // `id: NAME`, or the step's first key
	Description string
	Action      ID
	With        *Node // a mapping, or nil
	Set         []Pair
	Fail        *Node
	Steps       []*Step
	Branches    []*Branch // of parallel
	Concurrency int       // of parallel; 0: all at once
	SubFlow     ID        // of flow: the file
	Wait        *Pause
	Callback    ID
	If          *Node // a string: a bare expression or one ${{ }}; also in the fields below that are expressions
	Else        []*Step
	HasElse     bool
	Timeout     *Duration
	ForEach     *ForEach
	Expect      *Expect
	Save        []*Save
	Retry       *Retry
	OnError     bool // on_error: continue
	OnErrorSpan diag.Span
	Catch       []*Clause
	CatchSpan   diag.Span // of the key
	Finally     []*Step   // of a block
	FinallySpan diag.Span // of the key; its line is 0 if there is none
	Poll        *Poll
	Pages       *Pages
}

// A Branch is one part of a parallel step.
type Branch struct {
	ID
	Steps []*Step
}

// A Clause is one part of a step's catch.
type Clause struct {
	When  *Node // nil: every failure but unknown
	Steps []*Step
	Span  diag.Span
}

// A Pause is how long a step waits: one of both.
type Pause struct {
	For   *Node // a duration, constant or one ${{ }}
	Until *Node // a time, or text that is one
	Span  diag.Span
}

// A Poll repeats a call, a block or a flow until a condition holds. Nil
// pointers are the language's defaults.
type Poll struct {
	Until          *Node
	Every, Timeout *Duration
	Factor         *float64
	Max            *Duration
	Span           diag.Span
}

// Pages fetches what comes in several answers.
type Pages struct {
	Next, While *Node // nil: not given
	With        *Node // a mapping, or nil
	Max         int   // 0: not given
	Span        diag.Span
}

// A Duration is a constant duration and where it stands.
type Duration struct {
	D    time.Duration
	Span diag.Span
}

// A ForEach is a step's loop.
type ForEach struct {
	In          *Node
	As, IndexAs ID // Name "": item, index
	Concurrency int
	Max         int
	Continue    bool // on_error: continue
	Span        diag.Span
}

// An Expect is what an answer must be.
type Expect struct {
	Status      []StatusRange // empty: 2xx
	That        []That
	Schema      *Node // inline mapping, or a string: a file
	AllowErrors bool  // errors: allow
	Span        diag.Span
	StatusSpan  diag.Span // of the key `status`, where it stands
	ErrorsSpan  diag.Span // of the key `errors`
}

// A StatusRange is one status (From = To) or a class such as 2xx.
type StatusRange struct{ From, To int }

// A That is one expectation, with words of the author's or nil.
type That struct {
	That    *Node
	Message *Node
}

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
	ID
	Source    Source
	Value     *Node  // path, expression (bare or one ${{ }}), header name, cookie name, regular expression
	Body      string // base64 or text
	Default   *Node  // constant; nil: none
	Optional  bool
	Sensitive *bool
	Type      string
	Status    []StatusRange // limits it to such answers
}

// A Retry is a step's or the defaults' retry. Nil pointers are the language's defaults.
type Retry struct {
	Off      bool     // retry: false
	Attempts int      // 0: not given
	Plain    bool     // a plain number
	On       []string // "429", "5xx", network, timeout
	Only     bool
	When     *Node
	Initial  *Duration
	Factor   *float64
	Max      *Duration
	Span     diag.Span
}
