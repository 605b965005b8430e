// Package check turns the tree of a flow file into a plan, or into everything
// that is wrong with it. It knows what names mean and where they may stand,
// which data points are set at a place (definite assignment), of what type and
// how sensitive they are, what an action's fields take, and where a secret may
// go. Everything that a run needs is compiled here, once; nothing is parsed later.
//
// The checker walks the steps in the order in which they run. What it knows of
// the data points lives in one place and is changed as it goes; at a branch
// the changes are taken back and joined, nothing is copied, so that the time
// grows with the file and not with its square.
package check

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// Flow checks and compiles a file, with the files that it includes and the
// flows that its steps call. read gives the files that are named, by their path
// from what f.File is relative to: the project root. Its errors are shown to the
// author, so they should say what is wrong in a person's words.
//
// The list holds all problems in source order, file by file in the order in
// which they are read, warnings too; those alone are also in Plan.Warnings. The
// plan is only good for running if the list has no errors. Plan.Files are the
// files that were read, without the flow itself, whose bytes the caller has.
// Flow changes f, which is read with what it includes, and may be called from
// many goroutines on different trees.
func Flow(f *syntax.Flow, kit Kit, read func(name string) ([]byte, error)) (*plan.Plan, diag.List) {
	c := newChecker(f, &project{kit: kit, read: read, places: []string{f.File}, trees: map[string]*subFile{},
		secrets: map[string]*plan.Secret{}, reported: map[string]bool{}})
	c.include()
	node := &plan.Node{Kind: plan.Flow, Span: f.Span}
	c.compile(node)
	node.Scope = c.space.scope
	p := c.plan
	p.Root, p.Files, p.Secrets, p.Steps, p.Sensitive = node, c.files, c.ordered, c.steps, c.sensitive || len(c.ordered) > 0
	p.Callbacks, p.Credentials = c.received, c.authorizing
	c.number(node, 0)
	problems := c.inOrder()
	for _, d := range problems {
		if d.Severity != diag.Error {
			p.Warnings = append(p.Warnings, d)
		}
	}
	return p, problems
}

// A checker is one check of one file: of a sub-flow, for one step that calls it.
type checker struct {
	*project
	file *syntax.Flow
	plan *plan.Plan

	outer  *checker         // of a sub-flow: whose step calls it
	caller *syntax.Step     // that step
	node   *plan.Node       // its node
	gifts  map[string]*gift // what it gives to the inputs
	outs   []plan.Output

	state
	space       *space     // around the present place
	branch      *branch    // of a parallel, around the present place
	round       *plan.Node // around the present place: the block whose rounds have a number
	at          place
	inputNames  map[string]*variable
	secretNames map[string]*variable
	messages    map[string]*variable // callbacks
	authorities map[string]*plan.Credential
	opening     []string                // of a credential's steps: that credential, and those that led to it
	reads       map[string]*plan.Ref    // … the inputs and secrets that they are made of
	around      map[*syntax.Step]string // of steps that call sub-flows: in what they are repeated
	declared    map[string]*declaration
	points      map[*plan.Point]*variable
	loops       map[*syntax.Step]*space
	stops       map[string]*stop // steps by id
	schemas     map[string]plan.Schema
	shared      map[use]*expression.Template // of the defaults; nil where each step has its own
	inherited   int                          // values that steps took from the defaults
	suggested   int                          // unknown names for which a near one was looked for

	clashing map[string]bool // names that are saved inside a loop and outside it: reported

	holes bool // a step could not be read: names may be missing
}

func newChecker(f *syntax.Flow, p *project) *checker {
	return &checker{
		project: p, file: f,
		plan:    &plan.Plan{Name: f.Name.Name, Description: f.Description, File: f.File},
		loops:   map[*syntax.Step]*space{},
		stops:   map[string]*stop{},
		points:  map[*plan.Point]*variable{},
		schemas: map[string]plan.Schema{}, clashing: map[string]bool{},
	}
}

// A place says which roots beyond the usual have a meaning, and in which step
// the place is.
type place struct {
	step     *syntax.Step
	response bool      // expect, save, poll, pages, retry.when
	failure  bool      // retry.when, catch
	request  bool      // fields that are rendered in each attempt
	why      *variable // finally: `run.error`
	status   *variable // catch: `error.status`
	graphql  bool      // an answer of GraphQL: its body has a member data
	returns  *returned // a sub-flow's: what `response` is

	page bool             // pages
	next *expression.Name // pages.with

	credential bool // a credential
	subject    bool // … where it may be made of data points
	token      bool // send.value
}

// compile checks the whole file in the order in which it runs. The node becomes
// the flow, or what is inside of a step that calls it.
func (c *checker) compile(node *plan.Node) {
	root := newSpace(nil, nil)
	root.open = true
	c.space = root
	c.inputs()
	c.secrets()
	c.data()
	c.callbacks()
	c.collect(c.file.Steps, root)
	c.collect(c.file.Finally, root)
	c.declare(root)
	for _, sp := range c.loops {
		c.declare(sp)
	}
	c.defaults()
	c.credentials()

	root.scope.Node = node
	node.Steps = c.list(c.file.Steps)
	c.apply(c.never)
	c.outs = c.outputs()
	node.Work.Outputs = c.outs
	if len(c.file.Finally) > 0 {
		c.failing(0)
		c.at = place{why: c.nullable(expression.Object)}
		node.Finally = &plan.Node{Kind: plan.Block, Scope: root.scope, Span: c.file.Spaces.Finally}
		node.Finally.Steps = c.list(c.file.Finally)
	}
	c.finish()
}

// outputs compiles what the flow returns. It is evaluated after the steps.
func (c *checker) outputs() []plan.Output {
	c.at = place{}
	outputs := make([]plan.Output, 0, len(c.file.Outputs))
	for _, p := range c.file.Outputs {
		r := rendering{checker: c}
		v := r.json(p.Value)
		outputs = append(outputs, plan.Output{Name: p.Key, Value: v, Class: r.class, Span: p.KeySpan})
	}
	return outputs
}

// number gives the nodes their places in the plan: each before its parts.
func (c *checker) number(n *plan.Node, depth int) {
	n.Index, n.Depth = len(c.plan.Nodes), depth
	c.plan.Nodes = append(c.plan.Nodes, n)
	below := depth + 1
	if n.Kind == plan.Loop { // its body's path is the loop's with [i]
		below = depth
	}
	for _, s := range n.Steps {
		c.number(s, below)
	}
	if n.Else != nil {
		c.number(n.Else, depth+1)
	}
	for _, clause := range n.Catch {
		c.number(clause, depth+1)
	}
	if n.Finally != nil {
		c.number(n.Finally, depth+1)
	}
}

// finish notes whether anything sensitive or personal can be recorded.
func (c *checker) finish() {
	for _, in := range c.plan.Inputs {
		c.sensitive = c.sensitive || in.Class != plan.Plain
	}
	c.sensitive = c.sensitive || len(c.received) > 0 // a callback's URL is as good as a secret
	for p := range c.points {
		c.sensitive = c.sensitive || p.Class != plan.Plain
	}
	for _, o := range c.outs {
		c.sensitive = c.sensitive || o.Class != plan.Plain
	}
}

// report notes a problem once: a part of the defaults is checked in each step,
// a sub-flow for each step that calls it.
func (c *checker) report(d diag.Diagnostic) {
	key := fmt.Sprint(d.Span, " ", d.Code, " ", d.Message)
	if d.Code == diag.UsedBeforeSaved || d.Code == diag.MayBeUnset { // says in each step something else
		key = fmt.Sprint(d.Span, " unset")
	}
	if c.reported[key] {
		return
	}
	c.reported[key] = true
	d.Notes = append(d.Notes, c.callers()...)
	c.problems = append(c.problems, d)
}

func (c *checker) errorAt(span diag.Span, code diag.Code, hint, format string, args ...any) {
	c.report(diag.Diagnostic{Span: span, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) warnAt(span diag.Span, code diag.Code, hint, format string, args ...any) {
	c.report(diag.Diagnostic{Span: span, Severity: diag.Warning, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// expressionProblems turns the problems of a text into the file's.
func (c *checker) expressionProblems(n *syntax.Node, problems []expression.Problem) {
	for _, p := range problems {
		if p.Code == diag.UnclosedBraces && n.Cut() {
			continue
		}
		span := n.Span
		if p.To > p.From {
			span = n.At(p.From, p.To)
		}
		d := diag.Diagnostic{Span: span, Severity: p.Severity, Code: p.Code, Message: p.Message, Hint: p.Hint, Notes: p.Notes}
		if c.explain(&d, n.Text, p) {
			if _, shared := c.shared[use{n, false}]; shared && (p.Code == diag.UsedBeforeSaved || p.Code == diag.MayBeUnset) {
				d.Notes = append(d.Notes, c.takenBy())
			}
			c.report(d)
		}
	}
}

// folded is a node as if the author had written what its template always gives;
// nil if that is not known before running, or is no text, number or boolean.
func (c *checker) folded(n *syntax.Node, t *expression.Template) *syntax.Node {
	v, ok, problem := t.Fold()
	if problem != nil {
		c.expressionProblems(n, []expression.Problem{*problem})
	}
	if !ok {
		return nil
	}
	text, err := v.Text()
	if err != nil {
		return nil
	}
	as := *n
	as.Text = text
	switch v.Kind() {
	case expression.Boolean:
		as.Kind = syntax.Boolean
	case expression.Integer, expression.Number:
		as.Kind = syntax.Number
	}
	return &as
}

// kindOfJSON is the kind of a scalar's JSON.
func kindOfJSON(text string) syntax.Kind {
	switch text[0] {
	case '"':
		return syntax.String
	case 't', 'f':
		return syntax.Boolean
	case 'n':
		return syntax.Null
	}
	return syntax.Number
}

// takenBy says which step takes a part of the defaults.
func (c *checker) takenBy() string {
	if c.at.step == nil {
		return "it stands in the defaults"
	}
	return fmt.Sprintf("step %q takes this from the defaults (line %d)", c.at.step.Name, c.at.step.Span.Line)
}

// explain adds what only the checker knows: another way that the name is
// reached, or which step saves what was probably meant. It says false of a
// name that is only unknown because the step that has it could not be read.
func (c *checker) explain(d *diag.Diagnostic, text string, p expression.Problem) bool {
	runes := []rune(text)
	if p.From < 0 || p.To > len(runes) || p.From >= p.To {
		return true
	}
	before, whole := string(runes[:p.From]), string(runes[p.From:p.To])
	name := strings.TrimPrefix(whole, "data.")
	inData := strings.HasSuffix(before, "data.") || whole != name
	if p.Code == diag.UnknownName && c.holes && (inData || strings.HasSuffix(before, "steps.")) {
		return false
	}
	if !inData {
		return true
	}
	if v := c.find(name); v != nil && p.Code == diag.UsedBeforeSaved && len(v.sites) > 0 {
		if savedByHole(v) || c.clashing[name] {
			return false
		}
		if loop := v.sites[0].loop; loop != nil && loop.step != nil && loop.open {
			d.Notes = append(d.Notes, "an iteration does not see what the one before it saved")
		}
	}
	switch p.Code {
	case diag.UnknownName, diag.UsedBeforeSaved:
		if c.at.graphql && c.at.response {
			d.Hint = fmt.Sprintf("did you mean `response.body.data.%s`?", name)
		} else if v := c.find(expression.Suggest(name, c.Names("data"))); p.Code == diag.UnknownName && v != nil && len(v.sites) > 0 {
			d.Notes = append(d.Notes, savedBy(v))
		}
	case diag.MayBeUnset:
		switch v := c.find(name); {
		case v == nil || len(v.sites) == 0:
		case v.now.cleared != nil:
			d.Notes = append(d.Notes, fmt.Sprintf("step %q may have unset it (line %d)", v.now.cleared.step.Name, v.now.cleared.span.Line))
		case v.sites[0].optional:
			d.Notes = append(d.Notes, savedBy(v)+" if the answer has one")
		default:
			d.Notes = append(d.Notes, savedBy(v)+", but not on every way that leads here")
		}
	case diag.TextOfObject, diag.TypeMismatch:
		if v := c.find(name); v != nil && v.ref.Point.List && len(v.sites) > 0 {
			d.Notes = append(d.Notes, savedBy(v)+" in a loop: after it there is a list with one element for each item")
		}
	}
	return true
}

// savedByHole says whether a step that could not be read saves the name.
func savedByHole(v *variable) bool {
	for _, s := range v.sites {
		if s.step.Verb == syntax.NoVerb {
			return true
		}
	}
	return false
}

func savedBy(v *variable) string {
	s := v.sites[0]
	return fmt.Sprintf("step %q saves %s (line %d)", s.step.Name, v.ref.Point.Name, s.span.Line)
}
