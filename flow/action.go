package flow

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/bind"
	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/editor"
)

// An Action does one thing in the world, one attempt at a time: retries, loops
// and waits are the plan's. It is planned first and done after, so that the
// executor knows, before anything is sent, whether the call may be repeated
// and where it goes, and can write the intent down between the two.
//
// Plan and Call.Do may be called concurrently. A panic in either fails the
// step, never the process.
type Action interface {
	Spec() Spec
	Plan(in Input) (Call, error)
}

// Actions are what the flows of a program may use, by name. It is the
// embedder's own map; nothing registers itself.
type Actions map[string]Action

// A Spec says what an action is and which fields `with` may have. The checker,
// the documentation and the command line know an action by it alone.
type Spec struct {
	Doc       string // the first sentence stands in lists
	Fields    []Field
	Web       bool                      // answers have a status, headers, links: `expect.status`, `save: {header: …}`; defaults.http applies
	GraphQL   bool                      // `expect: {errors: allow}` is allowed
	Check     func(with Static) Verdict // more than fields can say; nil: nothing
	Sensitive bool                      // whatever is saved of its answers is
	Body      string                    // a line on what the answer's body is, for documentation
}

// A FieldType is what a field of `with` takes.
type FieldType uint8

// The types of fields. Where a type takes text, `${{ }}` may stand in it.
const (
	TextField       FieldType = iota // text; numbers and booleans are written as text
	IntegerField                     // an integer
	NumberField                      // a number
	BooleanField                     // true, false
	DurationField                    // 15s
	SizeField                        // 10MiB
	URLField                         // text with the escaping rules of URLs
	PairsField                       // a mapping with the author's keys to texts, lists of texts, or null: headers, query, form
	JSONField                        // any value
	ObjectField                      // a mapping with the keys of Fields
	MapField                         // a mapping with the author's keys to values of Fields[0]
	ListField                        // a list of values of Fields[0]
	ChoiceField                      // one of the shapes in Fields
	PathField                        // text with the name of a file: each `${{ }}` is one segment of the path
	CredentialField                  // the name of a credential; `none` too if it is not required. An action has one at most
)

// A Field is one key of `with`, or of a mapping below it.
type Field struct {
	Name        string
	Doc         string
	Type        FieldType
	Required    bool
	Constant    bool     // no `${{ }}`
	OneOf       []string // the constant texts that it may be
	Group       string   // at most one field of a group; a step's takes the place of the defaults'
	Fields      []Field  // see FieldType
	Default     string   // for documentation
	Own         bool     // may not stand in defaults
	PerTry      bool     // may read `request`
	Destination bool     // decides where the call goes, or a credential's secrets
	Allows      bool     // lists origins that may be told secrets
	Data        bool     // of a credential: may read data points
}

// Static is what is known of a step's `with` before anything runs, defaults merged in.
type Static interface {
	// Text is the source of a scalar, with its ${{ }}, and whether it is constant.
	// The path goes down mappings: Text("headers", "Authorization"). Keys of
	// PairsField are compared without regard to case.
	Text(path ...string) (text string, constant, there bool)
	// Keys lists the keys of a mapping in the order written.
	Keys(path ...string) []string
}

// A Verdict is what an action's Check finds.
type Verdict struct {
	Title      string // what progress shows: "POST /oauth/token"
	Repeatable bool   // as far as it can be told from the text
	NoBody     bool   // the answer's body goes elsewhere: `save` has the headers only
	Complaints []Complaint
}

// A Complaint is a problem in a step's `with`.
type Complaint struct {
	Path          []string // the value it is about
	From, To      int      // the characters of its text; both 0: all
	Code          diag.Code
	Severity      diag.Severity
	Message, Hint string
	Key           bool // it is about the key of the value, such as a header's name
}

// Input is what an action is planned with. Its functions are for this attempt: who
// keeps them does not call them when Do has returned.
type Input struct {
	Run, Path   string // of the run and the step, with iteration, round and page
	Attempt     int    // from 1, growing over a resume
	Page        int
	Round       int
	Args        []Arg         // the rendered fields in the order of Spec; what is not given is left out
	AllowErrors bool          // expect.errors: allow
	Status      []StatusRange // expect.status; empty: 2xx
	Now         time.Time     // the step's frozen time
	Deadline    time.Time     // when the call must be over; Do's context ends then, but for a Timed call
	Place       diag.Span
	// Trusted says whether a sensitive value may go to an origin
	// (scheme://host:port in lower case, default ports left out).
	Trusted func(origin string) bool
	// Late renders a PerTry field again, with what `request` is in this attempt.
	// nil if the step gives no such field.
	Late func(field string, r Request) (datapoints.Value, error)
	// File opens a file that the flow names, within the project's bounds.
	File func(name string) ([]byte, error)
	// Sign puts the credential of the step on a request. It is called right before each is sent, a
	// call's first and those that redirects lead to on the same origin. nil if the step has none.
	Sign func(ctx context.Context, r *Outgoing) error
	// Scopes are those that the step's credential asks for, for hints; ok is false if it is of a
	// kind without scopes. nil if the step has no credential.
	Scopes func() (asked []string, ok bool)
	// Token gives the token of the credential that the step names. nil if it names none.
	Token func(ctx context.Context) (Token, error)
	// Create makes the file of save_to; the action writes and closes it. Close(true) keeps it.
	Create func(name string) (Sink, error)
}

// A StatusRange is one status or a class: {200, 200}, {200, 299}.
type StatusRange struct{ From, To int }

// An Arg is one rendered field.
type Arg struct {
	Name  string
	Value datapoints.Value // JSON; sensitive if any part of it is
	Late  bool             // reads `request`: Value is not rendered yet, call Input.Late
}

// A Sink takes a streamed body. Keep makes the file complete; Drop removes it.
type Sink interface {
	Write(p []byte) (int, error)
	Keep() error
	Drop() error
}

// A Request is one attempt's request: for `request` in headers, and for people.
type Request struct {
	Method  string
	URL     string
	Headers [][2]string
	Body    []byte
	Time    time.Time
}

// A Call is one attempt, planned.
type Call struct {
	Repeatable  bool                                       // doing it twice is harmless
	Idempotent  bool                                       // it carries an idempotency key: the request is recorded before it is sent
	Timed       bool                                       // Do ends at Input.Deadline by itself: its context does not, which saves a timer for each attempt
	Origin      string                                     // where it goes: scheme://host:port; "" for what goes nowhere
	Fingerprint func() string                              // the same for the same request, before Sign; asked for pages only. nil or "": it is not known
	Shown       func() Request                             // for people, before Sign; the executor redacts it
	Do          func(ctx context.Context) (Result, error)  // an error should be an *Error
	Refused     func(r Result) (kind Kind, hints []string) // the answer's status was not expected; nil: kind http
	Challenge   func(r Result) (code string, inBody bool)  // what an answer has against the token: an error code of RFC 6750 §3.1, RFC 9449 §7.1; nil: nothing is known
	Release     func()                                     // called when nothing more is asked of the call, so that its memory can serve another; never twice, and not always. nil: nothing to do
}

// release is Release. What became of the call is recorded by now: a panic changes
// nothing of that.
func (c *Call) release() {
	defer func() { _ = recover() }()
	if c.Release != nil {
		c.Release()
	}
}

// A Result is an answer.
type Result struct {
	Status  int                 // of HTTP; 0 where there is none
	Headers map[string][]string // names in canonical form (RFC 9110 §5.1 compares them without case)
	Body    []byte
	URL     string // that answered
	File    string // where the body was written instead
	Took    time.Duration
	Notes   []string // for people: "followed 1 redirect"
}

// A CredentialKind is a kind of credential: what stands behind `type` in
// `credentials`. Its methods may be called concurrently.
type CredentialKind interface {
	Spec() CredentialSpec
	// Open makes what gives the tokens of one credential. Nothing is sent for it. In
	// one run it is called once for equal fields; what must be shared between runs,
	// such as tokens, is the kind's to share.
	Open(ctx context.Context, in CredentialInput) (TokenProvider, error)
}

// Credentials are the kinds of credentials that the flows of a program may use,
// by name. It is the embedder's own map, as Actions is.
type Credentials map[string]CredentialKind

// A CredentialSpec says which fields a kind of credential has. The checker, the
// documentation and the command line know a kind by it alone.
type CredentialSpec struct {
	Doc    string  // the first sentence stands in lists
	Fields []Field // beside `type`, `send`, `origins` and `reject_on`, which are the executor's
	Send   SendRule
	Check  func(fields Static) []Complaint // more than fields can say; nil: nothing
}

// A SendRule says whether a credential has `send`. Without it a token stands in
// the header Authorization, behind its Type.
type SendRule uint8

// The rules.
const (
	SendMay SendRule = iota
	SendMust
	SendNever
)

// A CredentialInput is what a credential is made of.
type CredentialInput struct {
	Name string // in the flow
	Run  string
	Args []Arg // the rendered fields in the order of Spec; what is not given is left out
	// File opens a file that the flow names, within the project's bounds.
	File func(name string) ([]byte, error)
	// Make does the steps of a credential of type steps, which end in a token;
	// Identity is the same for credentials that end in the same. nil of other types.
	Make     func(ctx context.Context) (Token, error)
	Identity string
}

// A TokenProvider gives the tokens of one credential. Its methods may be called
// concurrently.
type TokenProvider interface {
	// Token gives a token that may be sent now. It is asked before each request, so
	// it is the provider that keeps tokens and renews them. The error should be an
	// *Error; any other is one of kind auth.
	Token(ctx context.Context) (Token, error)
	// Reject tells that a server refused a token; why is for people. It says whether
	// Token may give another one, with which the request is sent once more.
	Reject(ctx context.Context, t Token, why string) (another bool)
}

// A Prover is a TokenProvider whose requests carry more than the token, such as a
// proof that its holder has a key (RFC 9449).
type Prover interface {
	TokenProvider
	// Prove adds to a request that carries the token already.
	Prove(t Token, r *Outgoing) error
	// Challenged looks at each answer, to the request that URL was asked with. It
	// says whether the request should be sent once more with the same token.
	Challenged(t Token, r Result) (again bool)
}

// A Token is what a credential puts on a request.
type Token struct {
	Access  datapoints.Value // a text that is not empty; taken as sensitive
	Type    string           // the word before it in Authorization; "": Bearer
	Scope   string           // as granted, or ""
	Expires time.Time        // zero: it is not known
	Own     any              // the provider's own
}

// An Outgoing is a request right before it is sent.
type Outgoing struct {
	Method, URL string
	Headers     [][2]string // in their order, names in canonical form
	After       *Result     // the redirect that leads to it, without its body; nil for a call's first
}

// Header gives the first value of a header; names are compared without case.
func (o *Outgoing) Header(name string) (value string, there bool) {
	for _, h := range o.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1], true
		}
	}
	return "", false
}

// SetHeader puts a header in the place of all that have its name.
func (o *Outgoing) SetHeader(name, value string) {
	o.Headers = slices.DeleteFunc(slices.Clone(o.Headers), func(h [2]string) bool { return strings.EqualFold(h[0], name) })
	o.Headers = append(o.Headers, [2]string{name, value})
}

// Func makes an action of a function. The exported fields of In, a struct, are
// the keys of `with`:
//
//	type visit struct {
//		Patient string        `flow:"patient,required" doc:"NHS number"`
//		Within  time.Duration `flow:"within" doc:"how soon"`
//		Notes   []string      `flow:"notes"`
//	}
//
// A key is the tag's name or the field's name in snake_case; "-" leaves a field
// out. Text, numbers, booleans, durations, lists, maps, structs and
// json.RawMessage may be used. What do returns in Result.Body is the answer:
// use JSON to make one. A plain error fails the step with kind `action`;
// return an *Error to say more. Calls made by Func are taken as not
// repeatable: one that fails with Sent is unknown.
//
// Func panics if In is not a struct: that is a mistake in the program.
func Func[In any](doc string, do func(context.Context, In) (Result, error)) Action {
	t := reflect.TypeFor[In]()
	if t.Kind() != reflect.Struct {
		panic("flow.Func: the input of an action must be a struct, not " + t.String())
	}
	return function[In]{spec: Spec{Doc: doc, Fields: ownFields(bind.Fields(t))}, do: do}
}

// JSON is a Result whose body is v.
func JSON(v any) (Result, error) {
	text, err := datapoints.Of(v)
	if err != nil {
		return Result{}, err
	}
	return Result{Body: []byte(text.Reveal())}, nil
}

type function[In any] struct {
	spec Spec
	do   func(context.Context, In) (Result, error)
}

// Spec implements Action.
func (f function[In]) Spec() Spec { return f.spec }

// Plan implements Action.
func (f function[In]) Plan(in Input) (Call, error) {
	var arg In
	v := reflect.ValueOf(&arg).Elem()
	for _, a := range in.Args {
		if err := bind.Assign(v, a.Name, a.Value.Reveal()); err != nil {
			return Call{}, &Error{Kind: KindData, Message: a.Name + " " + err.Error()}
		}
	}
	return Call{Do: func(ctx context.Context) (Result, error) {
		began := time.Now()
		r, err := f.do(ctx, arg)
		r.Took = time.Since(began)
		return r, err
	}}, nil
}

// CredentialKeys are the keys that the language gives to credentials of a type,
// beside `type` and the Fields of the type's own Spec.
func CredentialKeys(name string, s CredentialSpec) []Field {
	return ownFields(editor.CredentialKeys(name, check.SendRule(s.Send)))
}

// ownFields are fields as the checker knows them.
func ownFields(fields []check.Field) []Field {
	own := make([]Field, len(fields))
	for i, f := range fields {
		own[i] = Field{Name: f.Name, Doc: f.Doc, Required: f.Required, Type: FieldType(f.Type), Fields: ownFields(f.Fields)}
	}
	return own
}

// notAURL is the failure of an address that cannot be read. What was given is
// shown unless it is sensitive: the author knows the expression, not its value.
func notAURL(name string, v datapoints.Value, err error) *Error {
	e := &Error{Kind: KindData, Message: fmt.Sprintf("`%s` is not a URL: %v", name, err)}
	if v.Class() != datapoints.Plain {
		return e
	}
	text := v.RevealText()
	e.Facts = []Fact{{Name: name, Text: answer.Beginning(text, 200)}}
	if !strings.Contains(text, "://") {
		e.Hints = []string{"write the whole of it, with https:// or http:// in front"}
	}
	return e
}
