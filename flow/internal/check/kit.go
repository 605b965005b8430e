package check

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A Kit is what a flow may use. The zero Kit has no actions. Flow only reads it.
type Kit struct {
	Actions     map[string]Action         // by the name that stands behind `action:`
	Credentials map[string]CredentialKind // by the name that stands behind `type:`
	Untrusted   func(input string) bool   // whether anybody may give an input of the run; nil: none
}

// An Action is an action's specification as the checker needs it; package flow
// makes it from an action's Spec. The documentation of the fields is there.
type Action struct {
	Doc       string
	Fields    []Field
	Web       bool                      // answers have a status, headers, links; defaults.http applies
	Sensitive bool                      // whatever is saved of its answers is
	GraphQL   bool                      // `expect: {errors: allow}` is allowed
	Check     func(with Static) Verdict // more than fields can say; nil: nothing
}

// A FieldType is what a field of `with` takes.
type FieldType uint8

// The types of fields, in the order of package flow's.
const (
	TextField       FieldType = iota // text; numbers and booleans are written as text
	IntegerField                     // an integer
	NumberField                      // a number
	BooleanField                     // true, false
	DurationField                    // 15s
	SizeField                        // 10MiB
	URLField                         // text with the escaping rules of URLs
	PairsField                       // a mapping with the author's keys to texts, lists of texts, or null
	JSONField                        // any value
	ObjectField                      // a mapping with the keys of Fields
	MapField                         // a mapping with the author's keys to values of Fields[0]
	ListField                        // a list of values of Fields[0]
	ChoiceField                      // one of the shapes in Fields
	PathField                        // text with the name of a file: each `${{ }}` is one segment of the path
	CredentialField                  // the name of a credential
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
	Destination bool // decides where the call goes, or a credential's secrets
	Allows      bool // lists origins that may be told secrets
	Data        bool // of a credential: may read data points
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

// complaint puts what a Check found at its place, or at span. Of a value with
// which something was wrong already, from the problem before on, it says nothing.
func (c *checker) complaint(span diag.Span, args arguments, p Complaint, before int) {
	if len(p.Path) > 0 && p.Code == diag.MissingKey {
		if a := args.of(p.Path[0]); a != nil && a.meant {
			return
		}
	}
	if n, there := args.find(p.Path); n != nil {
		if p.Code == diag.UnreadableFile && outside(n.Span.File, n.Text) {
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

// maxFiles is how large the files are together that one flow names: a run keeps
// them all.
const maxFiles = 64 << 20

// A project is what the checks of a flow and of all its sub-flows share.
type project struct {
	kit      Kit
	read     func(name string) ([]byte, error)
	files    []plan.File // that were read, in that order
	bytes    int         // of all of them
	places   []string    // the files that have diagnostics, in the order in which they are told
	trees    map[string]*subFile
	secrets  map[string]*plan.Secret
	ordered  []*plan.Secret
	received []*plan.Message // callbacks, of sub-flows too

	authorizing []*plan.Credential // of sub-flows too
	steps       int
	full        bool // there are too many steps: reported
	sensitive   bool

	problems diag.List
	reported map[string]bool
}

// A subFile is the file of a sub-flow.
type subFile struct {
	tree   *syntax.Flow
	broken bool // it could not be read as a whole: names may be missing
}

// inOrder gives all problems, file by file in the order in which they were read.
func (p *project) inOrder() diag.List {
	var list diag.List
	for _, file := range p.places {
		for _, d := range p.problems {
			if d.File == file {
				list = append(list, d)
			}
		}
	}
	return list.Sort()
}

// place notes that what is wrong in a file is told after what is wrong in those before.
func (p *project) place(file string) {
	if !slices.Contains(p.places, file) {
		p.places = append(p.places, file)
	}
}

// load reads a file by the name that stands in the file base, and makes it part
// of the plan.
func (p *project) load(base, name string) (at string, text []byte, err error) {
	at = path.Join(path.Dir(base), name)
	for _, f := range p.files {
		if f.Name == at {
			return at, f.Data, nil
		}
	}
	switch {
	case path.IsAbs(name):
		return at, nil, fmt.Errorf("%s lies outside the project root: write a path relative to this file", name)
	case p.read == nil:
		return at, nil, fmt.Errorf("%s: this program gives flows no files to read", name)
	}
	if text, err = p.read(at); err != nil {
		return at, nil, err
	}
	if p.bytes+len(text) > maxFiles {
		return at, nil, fmt.Errorf("%s: the files that the flow names are larger than %d MiB together", name, maxFiles>>20)
	}
	p.bytes += len(text)
	p.files = append(p.files, plan.File{Name: at, Data: text})
	return at, text, nil
}

// open reads a file that holds more of the flow.
func (c *checker) open(id syntax.ID) (at string, text []byte, ok bool) {
	at, text, err := c.load(id.Span.File, id.Name)
	if err != nil {
		c.unreadable(id.Span, id.Name, err)
	}
	return at, text, err == nil
}

// ErrOutside is what a file cannot be read for that a link leads to.
var ErrOutside = errors.New("it leads out of the project's folder")

// unreadable reports a file that cannot be read.
func (c *checker) unreadable(span diag.Span, name string, err error) {
	code := diag.UnreadableFile
	if outside(span.File, name) || errors.Is(err, ErrOutside) {
		code = diag.OutsideProject
	}
	c.errorAt(span, code, "", "the file cannot be read: %s", err)
}

// outside says whether a path that stands in a file leads out of the project.
func outside(base, name string) bool {
	at := path.Join(path.Dir(base), name)
	return path.IsAbs(name) || at == ".." || strings.HasPrefix(at, "../") || strings.Contains(name, `\`)
}

// defaults merges defaults.http by key; headers, query and the like by theirs.
func (m *merging) defaults() {
	var all *syntax.Node
	var retry *syntax.Retry
	for _, f := range append(slices.Clone(m.files), m.file) {
		switch {
		case f.HTTPRetry != nil && retry != nil:
			m.twice("default", "retry", f.HTTPRetry.Span, retry.Span)
		case f.HTTPRetry != nil:
			retry = f.HTTPRetry
		}
		if f.HTTP == nil {
			continue
		}
		if all == nil {
			all = &syntax.Node{Kind: syntax.Mapping, Span: f.HTTP.Span}
		}
		for _, p := range f.HTTP.Pairs {
			field := m.field(p.Key)
			if path.Dir(f.File) != path.Dir(m.file.File) {
				p.Value = m.moved(field, p.Value)
			}
			m.add(all, field, p)
		}
	}
	m.file.HTTP, m.file.HTTPRetry = all, retry
}

func (m *merging) add(all *syntax.Node, field Field, p syntax.Pair) {
	i := slices.IndexFunc(all.Pairs, func(q syntax.Pair) bool { return q.Key == p.Key })
	if i < 0 {
		all.Pairs = append(all.Pairs, p)
		return
	}
	known := all.Pairs[i]
	if field.Type != PairsField || p.Value.Kind != syntax.Mapping || known.Value.Kind != syntax.Mapping {
		m.twice("default", p.Key, p.KeySpan, known.KeySpan)
		return
	}
	both := *known.Value
	both.Pairs = slices.Clone(both.Pairs)
	for _, q := range p.Value.Pairs {
		if j := pairAt(&field, known.Value.Pairs, q.Key); j >= 0 {
			m.twice("default", p.Key+"."+q.Key, q.KeySpan, known.Value.Pairs[j].KeySpan)
			continue
		}
		both.Pairs = append(both.Pairs, q)
	}
	all.Pairs[i].Value = &both
}

// field is what an action that takes the defaults says of one of them.
func (m *merging) field(name string) Field {
	for _, a := range m.kit.Actions {
		for i := range a.Fields {
			if a.Web && a.Fields[i].Name == name {
				return a.Fields[i]
			}
		}
	}
	return Field{}
}

// moved is a value of an included file as it stands in the flow's folder: names
// of files are relative to the file that names them.
func (m *merging) moved(f Field, n *syntax.Node) *syntax.Node {
	switch {
	case f.Type == ChoiceField:
		for _, shape := range f.Fields {
			if shape.Type == ObjectField && n.Kind == syntax.Mapping {
				return m.moved(shape, n)
			}
		}
	case f.Type == ObjectField && n.Kind == syntax.Mapping:
		moved := *n
		moved.Pairs = slices.Clone(n.Pairs)
		for i, p := range moved.Pairs {
			if j := slices.IndexFunc(f.Fields, func(g Field) bool { return g.Name == p.Key }); j >= 0 {
				moved.Pairs[i].Value = m.moved(f.Fields[j], p.Value)
			}
		}
		return &moved
	case f.Name == "file" && n.Kind == syntax.String:
		if isExpression(n) {
			m.errorAt(n.Span, diag.ConstantRequired, "write it in the flow's own defaults", "the name of a file has no expression in an included file")
			return n
		}
		moved := *n
		moved.Text = path.Join(path.Dir(n.Span.File), n.Text)
		if dir := path.Dir(m.file.File); dir != "." {
			moved.Text = strings.Repeat("../", 1+strings.Count(dir, "/")) + moved.Text
		}
		return &moved
	}
	return n
}

// unknownKey gives the key that was probably meant, or "": it is not missing too.
func (c *checker) unknownKey(p syntax.Pair, known []string, where string) (near string) {
	hint := ""
	foreign, is := foreignFields[p.Key]
	switch {
	case is && slices.Contains(known, foreign.ours):
		near, hint = foreign.ours, foreign.hint
		if hint == "" {
			hint = fmt.Sprintf("write `%s`", near)
		}
	case slices.Contains(besideWith, p.Key) && slices.Contains(known, "url"):
		hint = fmt.Sprintf("`%s` stands at the step, in the column of `with`", p.Key)
	default:
		if near = expression.Suggest(p.Key, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		} else if len(known) > 0 {
			hint = "the keys are " + strings.Join(known, ", ")
		}
	}
	c.errorAt(p.KeySpan, diag.UnknownKey, hint, "there is no key %q in %s", p.Key, where)
	return near
}

// besideWith are keys of a step that are taken for its action's.
var besideWith = []string{"expect", "save", "retry", "poll", "pages", "if", "for_each", "catch", "on_error"}

// foreignFields are the words of other tools for fields of requests, and ours.
// A hint of its own replaces the name. Read only.
var foreignFields = map[string]struct{ ours, hint string }{
	"body": {"json", anyBody}, "data": {"json", anyBody}, "payload": {"json", anyBody}, "raw": {"text", anyBody},
	"params": {"query", ""}, "parameters": {"query", ""}, "query_params": {"query", ""}, "queryParams": {"query", ""}, "qs": {"query", ""},
	"uri": {"url", ""}, "endpoint": {"url", ""}, "href": {"url", ""},
	"get": {"url", "write `url`"}, "post": {"url", "write `method: POST` and `url`"}, "put": {"url", "write `method: PUT` and `url`"},
	"patch": {"url", "write `method: PATCH` and `url`"}, "delete": {"url", "write `method: DELETE` and `url`"},
	"token": {"bearer", ""}, "cookies": {"headers", "write `headers: { Cookie: \"name=value\" }`"},
	"user": {"username", ""}, "login": {"username", ""}, "pass": {"password", ""}, "pwd": {"password", ""},
	"path": {"file", ""}, "filepath": {"file", ""},
	"insecure": {"ca", alwaysVerified}, "verify": {"ca", alwaysVerified}, "skip_verify": {"ca", alwaysVerified},
	"insecure_skip_verify": {"ca", alwaysVerified}, "reject_unauthorized": {"ca", alwaysVerified}, "rejectUnauthorized": {"ca", alwaysVerified},
}

const (
	anyBody        = "a body is one of `json`, `form`, `multipart`, `text` and `file`"
	alwaysVerified = "certificates are always verified: `ca: { file: PEM }` says whom to trust as well"
)
