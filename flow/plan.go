package flow

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/editor"
	"github.com/stepwell/stepwell/flow/internal/files"
	"github.com/stepwell/stepwell/flow/internal/format"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
	"github.com/stepwell/stepwell/flow/outline"
	"github.com/stepwell/stepwell/flow/walk"
)

// A Plan is a compiled flow: immutable, made once, and run as often and from
// as many goroutines as one likes.
type Plan struct {
	compiled *plan.Plan
	actions  Actions
	kinds    Credentials
	logins   map[*plan.Credential]*Plan // of type steps
	files    []datapoints.File          // that it was made from, the flow first
	digest   string                     // of them
	within   []string                   // by node: its path below the node of its scope
	rounds   [][]*plan.Node             // by node: what has rounds around it in its scope, the outermost first
	nodes    map[string]*plan.Node      // by path, iterations as "[]"
}

// Name is the flow's name.
func (p *Plan) Name() string { return p.compiled.Name }

// Description is what the author says of the flow, or "".
func (p *Plan) Description() string { return p.compiled.Description }

// Warnings are the problems that do not stop the flow, in source order.
func (p *Plan) Warnings() diag.List { return p.compiled.Warnings }

// Steps is how many steps the flow has, with those of the flows that its steps
// call, for each step that calls them.
func (p *Plan) Steps() int { return p.compiled.Steps }

// Files are the files that were read to make the plan, the flow first.
func (p *Plan) Files() []datapoints.File { return slices.Clone(p.files) }

// An InputSpec is a declared input.
type InputSpec struct {
	Name        string
	Type        string
	Description string
	Env         string // the variable that the command line reads, or ""
	Required    bool
	Default     datapoints.Value // zero: none
	Sensitive   bool
	PII         bool
	Place       diag.Span
}

// Inputs are the flow's inputs, in the order of the file.
func (p *Plan) Inputs() []InputSpec {
	specs := make([]InputSpec, len(p.compiled.Inputs))
	for i, in := range p.compiled.Inputs {
		specs[i] = InputSpec{Name: in.Name, Type: in.Rule.Type.String(), Description: in.Description, Env: in.Env,
			Required: in.Required, Sensitive: in.Class == plan.Sensitive, PII: in.Class == plan.PII, Place: in.Span}
		if in.Default != nil {
			if text, err := in.Default.JSON(); err == nil {
				specs[i].Default = marked(text, in.Class, in.Name)
			}
		}
	}
	return specs
}

// Secrets are the flow's secrets in the order of the file and, after them, those
// of the flows that its steps call. What has the same name and source is one.
func (p *Plan) Secrets() []SecretSource {
	sources := make([]SecretSource, len(p.compiled.Secrets))
	for i, s := range p.compiled.Secrets {
		sources[i] = SecretSource{Name: s.Name, Env: s.Env, File: s.File, Command: s.Command, Keyring: s.Keyring, Folder: s.Folder, Optional: s.Optional}
	}
	return sources
}

// marked makes a value of the class that the checker found.
func marked(json string, c plan.Class, label string) datapoints.Value {
	v := datapoints.JSON(json)
	switch c {
	case plan.Sensitive:
		return v.Mark(datapoints.Sensitive, label)
	case plan.PII:
		return v.Mark(datapoints.PII, label)
	}
	return v
}

// index fills in where nodes stand.
func (p *Plan) index() {
	p.within, p.nodes = make([]string, len(p.compiled.Nodes)), map[string]*plan.Node{}
	p.rounds = make([][]*plan.Node, len(p.compiled.Nodes))
	p.place(p.compiled.Root, "", "", nil)
}

// place notes a node's path below its scope's node, its whole path, and what
// has rounds around it.
func (p *Plan) place(n *plan.Node, below, whole string, rounds []*plan.Node) {
	p.within[n.Index], p.nodes[whole], p.rounds[n.Index] = below, n, rounds
	around := rounds
	if n.Rounds {
		around = append(rounds[:len(rounds):len(rounds)], n)
	}
	inside := below
	if n.Kind == plan.Flow { // has a scope of its own
		inside, around = "", nil
	}
	if n.Kind == plan.Loop {
		p.place(n.Steps[0], "", whole+"[]", nil)
	} else {
		for _, s := range n.Steps {
			p.place(s, plan.Join(inside, s.ID), plan.Join(whole, s.ID), around)
		}
	}
	if n.Else != nil {
		p.place(n.Else, plan.Join(below, "else"), plan.Join(whole, "else"), rounds)
	}
	for i, c := range n.Catch {
		id := "catch[" + strconv.Itoa(i) + "]"
		p.place(c, plan.Join(below, id), plan.Join(whole, id), rounds)
	}
	if n.Finally != nil {
		in := rounds
		if n.Kind == plan.Flow { // it belongs to the flow, not to the step that calls it
			in = nil
		}
		p.place(n.Finally, plan.Join(inside, "finally"), plan.Join(whole, "finally"), in)
	}
}

// at is the node of a step's path in a run, or nil.
func (p *Plan) at(path string) *plan.Node {
	if !strings.ContainsAny(path, "[#") {
		return p.nodes[path]
	}
	var b strings.Builder
	for i, segment := range strings.Split(path, ".") {
		if i > 0 {
			b.WriteByte('.')
		}
		segment, _, _ = strings.Cut(segment, "#")
		if id, _, ok := strings.Cut(segment, "["); ok && id != "catch" {
			segment = id + "[]"
		}
		b.WriteString(segment)
	}
	return p.nodes[b.String()]
}

// A Kit is what flows may use. Untrusted says which inputs of a run are given by
// people who must not get its secrets: one without `one_of` decides nothing of
// where they go, as if it came from an answer. nil: none, as on the command line.
type Kit struct {
	Actions     Actions
	Credentials Credentials
	Untrusted   func(input string) bool
}

// Compile reads a flow and everything it names and makes a plan of it. fsys is
// the project root: no file outside is read. If the flow is not valid the error
// is a diag.List of all its problems in source order. A plan may have warnings.
func Compile(fsys fs.FS, file string, kit Kit) (*Plan, error) {
	text, err := files.Read(fsys, file, files.Most)
	if err != nil {
		return nil, diag.List{{Span: diag.Span{File: file}, Code: diag.UnreadableFile, Message: "the file cannot be read: " + err.Error()}}
	}
	tree, problems := syntax.Parse(file, text)
	if tree == nil {
		return nil, problems.Sort()
	}
	compiled, more := check.Flow(tree, checkKit(kit), func(name string) ([]byte, error) { return files.Read(fsys, name, files.Most) })
	problems = append(problems, more...).Sort()
	if problems.HasErrors() {
		return nil, problems
	}
	compiled.Warnings = problems
	compiled.Files = withFlow(compiled.Files, file, text)
	for _, n := range compiled.Nodes {
		if n.Kind == plan.Loop {
			n.Steps[0].Bare = false // an iteration has a record, which says that it is over
		}
		if f := n.Finally; f != nil {
			f.Bare, f.Work.Timeout = false, finallyTime
		}
	}
	p := &Plan{compiled: compiled, actions: kit.Actions, kinds: kit.Credentials, logins: map[*plan.Credential]*Plan{}}
	for _, f := range compiled.Files {
		p.files = append(p.files, datapoints.File{Name: f.Name, Data: f.Data})
	}
	p.digest = files.Digest(p.files)
	p.index()
	for _, c := range compiled.Credentials {
		if c.Login != nil {
			c.Login.Flow.Files = compiled.Files
			login := &Plan{compiled: c.Login.Flow, actions: kit.Actions, kinds: kit.Credentials, files: p.files, digest: p.digest, logins: p.logins}
			login.index()
			p.logins[c] = login
		}
	}
	return p, nil
}

// Format brings a flow file into one form: keys in the order of the language,
// two blanks of indentation, at most one empty line. What the author wrote is
// moved, never written anew: comments, quotes, digits and block scalars stay.
// The flow means the same, and formatting again changes nothing. file is the
// name that problems show. A file that is not valid by itself is refused; the
// error is a diag.List of all its problems.
func Format(file string, text []byte) ([]byte, error) {
	formatted, problems := format.Text(file, text)
	if problems.HasErrors() {
		return nil, problems
	}
	return formatted, nil
}

// ProjectFile marks a project's folder: flows below it may name each other's files.
const ProjectFile = "stepwell.yaml"

// CheckProject says what is wrong with a ProjectFile, in source order: it holds
// `stepwell: 1` and nothing else.
func CheckProject(name string, text []byte) diag.List { return syntax.CheckProject(name, text) }

// Schema is a JSON Schema (draft 2020-12) of flow files, with which editors
// complete, explain and check them: the language's keys and the fields of the
// kit's actions, each with its documentation. The same kit gives the same bytes.
// It says less than Compile: no schema knows which names there are.
func Schema(kit Kit) ([]byte, error) { return editor.Schema(checkKit(kit)) }

// finallyTime is how long the steps of finally may take.
const finallyTime = 5 * time.Minute

// withFlow puts the flow itself before the files that it names.
func withFlow(files []plan.File, name string, text []byte) []plan.File {
	if len(files) > 0 && files[0].Name == name {
		return files
	}
	return append([]plan.File{{Name: name, Data: text}}, files...)
}

// checkKit tells the checker what the actions are.
func checkKit(kit Kit) check.Kit {
	k := check.Kit{Actions: make(map[string]check.Action, len(kit.Actions)), Credentials: checkCredentials(kit.Credentials), Untrusted: kit.Untrusted}
	for name, a := range kit.Actions {
		s := a.Spec()
		action := check.Action{Doc: s.Doc, Fields: checkFields(s.Fields), Web: s.Web, GraphQL: s.GraphQL, Sensitive: s.Sensitive}
		if s.Check != nil {
			action.Check = func(with check.Static) check.Verdict {
				v := s.Check(with)
				return check.Verdict{Title: v.Title, Repeatable: v.Repeatable, NoBody: v.NoBody, Complaints: checkComplaints(v.Complaints)}
			}
		}
		k.Actions[name] = action
	}
	return k
}

// checkCredentials tells the checker what the kinds of credentials are.
func checkCredentials(kinds Credentials) map[string]check.CredentialKind {
	known := make(map[string]check.CredentialKind, len(kinds))
	for name, k := range kinds {
		s := k.Spec()
		kind := check.CredentialKind{Doc: s.Doc, Fields: checkFields(s.Fields), Send: check.SendRule(s.Send)}
		if s.Check != nil {
			kind.Check = func(with check.Static) []check.Complaint { return checkComplaints(s.Check(with)) }
		}
		known[name] = kind
	}
	return known
}

func checkComplaints(found []Complaint) []check.Complaint {
	complaints := make([]check.Complaint, len(found))
	for i, c := range found {
		complaints[i] = check.Complaint(c)
	}
	return complaints
}

func checkFields(fields []Field) []check.Field {
	out := make([]check.Field, len(fields))
	for i, f := range fields {
		out[i] = check.Field{Name: f.Name, Doc: f.Doc, Type: check.FieldType(f.Type), Required: f.Required, Constant: f.Constant,
			OneOf: f.OneOf, Group: f.Group, Fields: checkFields(f.Fields), Default: f.Default, Own: f.Own, PerTry: f.PerTry,
			Destination: f.Destination, Allows: f.Allows, Data: f.Data}
	}
	return out
}

// An OpenCredential is a credential outside of any run.
type OpenCredential struct {
	TokenProvider
	Name, Type string
	Place      diag.Span // where the flow's file has it
}

// credential finds one of the flow's own file.
func (p *Plan) credential(name string) (*plan.Credential, error) {
	var names []string
	for _, c := range p.compiled.Credentials {
		switch {
		case c.Flow != nil: // a sub-flow's
		case c.Name == name:
			return c, nil
		default:
			names = append(names, c.Name)
		}
	}
	e := &Error{Kind: KindInput, Message: fmt.Sprintf("the flow has no credential %q", name), Hints: []string{"it has none"}}
	if len(names) > 0 {
		e.Hints[0] = "it has " + strings.Join(names, ", ")
	}
	return nil, e
}

// Outline describes the plan. Nothing is sent to make it, and no value of a secret is in it.
func (p *Plan) Outline() Outline { return outline.Of(p.compiled) }

// An Outline describes a plan to people and tools.
type Outline = outline.Outline

// The parts of an Outline; package outline says what is in each.
type (
	Range             = outline.Range
	OutlineInput      = outline.Input
	OutlineSecret     = outline.Secret
	OutlineStep       = outline.Step
	OutlineCredential = outline.Credential
	OutlineBranch     = outline.Branch
	OutlineClause     = outline.Clause
	OutlineRetry      = outline.Retry
	OutlinePoll       = outline.Poll
	OutlinePages      = outline.Pages
	OutlineWait       = outline.Wait
	OutlineLoop       = outline.Loop
	OutlineField      = outline.Field
	OutlineRead       = outline.Read
	OutlineSave       = outline.Save
	OutlineOutput     = outline.Output
)

// An Engine drives a walk. It sees control information only, so that a durable
// engine can keep and replay it without holding anything that a user or a
// server said. The contract stands at each of its methods.
type Engine = walk.Engine

// A Task is one phase of one node: names and numbers only.
type Task = walk.Task

// A Phase is a part of a node that is done as one task. A leaf is one Try,
// again and again. What has parts is Enter, the parts, Leave; then Catch if it
// failed.
type Phase = walk.Phase

// The phases.
const (
	Enter = walk.Enter
	Try   = walk.Try
	Catch = walk.Catch
	Leave = walk.Leave
)

// An Outcome is the answer to a Task: control information only.
type Outcome = walk.Outcome

// A Failure is a step's failure as Walk sees it. Its text stays in the store.
type Failure = walk.Failure

// What an Engine's methods return when a walk does not go on.
var (
	ErrStopped     = walk.ErrStopped     // by a sibling's failure or a cancel: no catch, no leave, but finally
	ErrPaused      = walk.ErrPaused      // every branch waits; nothing at all runs
	ErrInterrupted = walk.ErrInterrupted // nothing at all runs
)

// Walk interprets a plan over an engine. It uses no clock, no randomness, no
// goroutine, no expression and no data, and derives no context: walking again
// over the same records gives the same tasks in the same order, which is what
// resume and durable engines rest on.
//
// It returns nil, a *Failure, one of the errors above, or the engine's own.
func Walk(ctx context.Context, p *Plan, run string, e Engine) error {
	return walk.Walk(ctx, p.compiled, run, e)
}
