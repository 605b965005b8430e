package check

import (
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A Kit is what a flow may use. The zero Kit has no actions. Flow only reads it.
type Kit struct {
	Actions map[string]Action // by the name that stands behind `action:`
}

// An Action is an action's specification as the checker needs it; package flow
// makes it from an action's Spec. The documentation of the fields is there.
type Action struct {
	Doc     string
	Fields  []Field
	Web     bool                      // answers have a status, headers, links; defaults.http applies
	GraphQL bool                      // `expect: {errors: allow}` is allowed
	Check   func(with Static) Verdict // more than fields can say; nil: nothing
}

// A FieldType is what a field of `with` takes.
type FieldType uint8

// The types of fields, in the order of package flow's.
const (
	TextField     FieldType = iota // text; numbers and booleans are written as text
	IntegerField                   // an integer
	NumberField                    // a number
	BooleanField                   // true, false
	DurationField                  // 15s
	SizeField                      // 10MiB
	URLField                       // text with the escaping rules of URLs
	PairsField                     // a mapping with the author's keys to texts, lists of texts, or null
	JSONField                      // any value
	ObjectField                    // a mapping with the keys of Fields
	MapField                       // a mapping with the author's keys to values of Fields[0]
	ListField                      // a list of values of Fields[0]
	ChoiceField                    // one of the shapes in Fields
	PathField                      // text with the name of a file: each `${{ }}` is one segment of the path
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
	Default     string
	Own         bool // may not stand in defaults
	PerTry      bool // may read `request`
	Destination bool // decides where the call goes
	Allows      bool // lists origins that may be told secrets
}

// Static is what is known of a step's `with` before anything runs, defaults
// merged in. It holds only while Check runs. What the checker gives also has
// File(name string) ([]byte, error), for files that the flow names.
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
	Path          []string // the value it is about; what is not there stands for the mapping that lacks it
	From, To      int      // the characters of its text; both 0: all
	Code          diag.Code
	Severity      diag.Severity
	Message, Hint string
	Key           bool // it is about the key of the value, such as a header's name
}

// complaint puts what an action's Check found at its place. Of a value with
// which something was wrong already, from the problem before on, it says nothing.
func (c *checker) complaint(s *syntax.Step, args arguments, p Complaint, before int) {
	span := whereWith(s)
	if s.With != nil && s.With.Kind != syntax.Mapping {
		return
	}
	if len(p.Path) > 0 && p.Code == diag.MissingKey {
		if a := args.of(p.Path[0]); a != nil && a.meant {
			return
		}
	}
	if n, there := args.find(p.Path); n != nil {
		if p.Code == diag.UnreadableFile && outside(n.Text) {
			p.Code = diag.OutsideProject
		}
		span = n.Span
		for _, d := range c.problems[before:] {
			if d.Severity == diag.Error && d.Line == span.Line && d.Column >= span.Column && d.Column < max(span.EndColumn, span.Column+1) {
				return
			}
		}
		if there && p.To > p.From {
			span = n.At(p.From, p.To)
		}
		if key, ok := args.keySpan(p.Path); ok && p.Key {
			span = key
		}
	}
	d := diag.Diagnostic{Span: span, Severity: p.Severity, Code: p.Code, Message: p.Message, Hint: p.Hint}
	if n, _ := args.find(p.Path); n != nil && p.Code == diag.KeysExclude {
		if _, shared := c.shared[use{n, false}]; shared {
			d.Notes = append(d.Notes, c.takenBy())
		}
	}
	c.report(d)
}
