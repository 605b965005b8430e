// Package outline describes a plan to people and tools: what a run would send,
// and which answer feeds which field.
package outline

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/survey"
)

// An Outline describes a plan to people and tools: what it would send and
// which answer feeds which field. Nothing is sent to make it and no value of a
// secret is in it. Its JSON form is stable: members are only ever added.
type Outline struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	File        string   `json:"file"`
	Calls       Range    `json:"calls"`
	Inputs      []Input  `json:"inputs"`
	Secrets     []Secret `json:"secrets"`
	Steps       []Step   `json:"steps"`
	Finally     []Step   `json:"finally,omitempty"`
	Outputs     []Output `json:"outputs"`
}

// A Range is how many calls a run makes that succeeds: without retries, with
// loops of none up to the most items that they may have.
type Range struct {
	Least int `json:"least"`
	Most  int `json:"most"`
}

// An Input is a declared input.
type Input struct {
	Name     string           `json:"name"`
	Type     string           `json:"type"`
	Env      string           `json:"env,omitempty"`
	Required bool             `json:"required"`
	Default  datapoints.Value `json:"default,omitzero"`
	Class    string           `json:"class"` // plain, pii or sensitive
}

// A Secret is a declared secret and its source.
type Secret struct {
	Name     string `json:"name"`
	Source   string `json:"source"` // "env NAME", "file PATH", "command PROG", "keyring SERVICE"
	Optional bool   `json:"optional"`
}

// A Step is one step of the file. What it does stands in the members
// that its Kind has; the others are empty.
type Step struct {
	Number   int           `json:"number"` // from 1, in the order of the file; a sub-flow's steps where it is called
	ID       string        `json:"id"`
	Path     string        `json:"path"` // "notify[i].send": [i] is an iteration, #n a round
	Kind     string        `json:"kind"` // call, set, fail, wait, callback, block, parallel, flow
	Action   string        `json:"action,omitempty"`
	Request  string        `json:"request,omitempty"` // "GET {base_url}/patients/{patient_id}"
	Title    string        `json:"title"`             // what progress shows
	If       string        `json:"if,omitempty"`
	Loop     *Loop         `json:"for_each,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"` // in nanoseconds
	Retry    *Retry        `json:"retry,omitempty"`   // of what is not a call
	Poll     *Poll         `json:"poll,omitempty"`
	Pages    *Pages        `json:"pages,omitempty"`
	Wait     *Wait         `json:"wait,omitempty"`
	Callback string        `json:"callback,omitempty"`    // the declared name
	File     string        `json:"file,omitempty"`        // of a sub-flow
	AtOnce   int           `json:"concurrency,omitempty"` // of parallel: how many branches at a time
	Fields   []Field       `json:"fields,omitempty"`      // of `with` or `set`, defaults merged in
	Saves    []Save        `json:"saves,omitempty"`
	Steps    []Step        `json:"steps,omitempty"` // of a block or a sub-flow
	Branches []Branch      `json:"branches,omitempty"`
	Else     []Step        `json:"else,omitempty"`
	Catch    []Clause      `json:"catch,omitempty"`
	Finally  []Step        `json:"finally,omitempty"`
	Calls    Range         `json:"calls"`
	Line     int           `json:"line"`
}

// A Branch is one part of a parallel step.
type Branch struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// A Clause is one part of a step's catch; `on_error: continue` is one
// without a condition and without steps.
type Clause struct {
	When  string `json:"when,omitempty"` // "": every failure but unknown
	Steps []Step `json:"steps"`
}

// A Retry says how often a block or a sub-flow is tried.
type Retry struct {
	Attempts int      `json:"attempts"`
	On       []string `json:"on,omitempty"`
	When     string   `json:"when,omitempty"`
}

// A Poll says until when a step is repeated.
type Poll struct {
	Until   string        `json:"until"`
	Every   time.Duration `json:"every"`   // in nanoseconds
	Timeout time.Duration `json:"timeout"` // in nanoseconds
}

// A Pages says how a call's next page is found.
type Pages struct {
	Next  string `json:"next,omitempty"`
	While string `json:"while,omitempty"`
	Max   int    `json:"max"`
}

// A Wait is how long a step waits: one of both.
type Wait struct {
	For   string `json:"for,omitempty"`   // "30m", or the expression that gives it
	Until string `json:"until,omitempty"` // a time, or the expression that gives it
	Long  bool   `json:"long,omitempty"`  // the run may pause
}

// A Loop is a step's for_each.
type Loop struct {
	In       string `json:"in"`
	As       string `json:"as"`
	AtOnce   int    `json:"concurrency"`
	Max      int    `json:"max"`
	Continue bool   `json:"continue"` // on_error: continue
	Reads    []Read `json:"reads,omitempty"`
}

// A Field is a value that a step sends or sets.
type Field struct {
	Name  string `json:"name"` // "headers.Authorization"
	Text  string `json:"text"` // with {name} for what is not known yet
	Reads []Read `json:"reads,omitempty"`
}

// A Read is a data point that a value is made from.
type Read struct {
	Name  string   `json:"name"`
	From  []string `json:"from"` // the paths of the steps that may have saved it; none: its default
	Steps []int    `json:"steps"`
	Class string   `json:"class"`
}

// A Save is a data point that a step saves.
type Save struct {
	Name     string `json:"name"`
	From     string `json:"from"` // "name.0.text", "header ETag"
	Type     string `json:"type"`
	Class    string `json:"class"`
	Optional bool   `json:"optional,omitempty"`
	List     bool   `json:"list,omitempty"` // of a loop: one element for each item
}

// An Output is one of the values that a run returns.
type Output struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Class string `json:"class"`
	Reads []Read `json:"reads,omitempty"`
}

// Of describes a plan.
func Of(c *plan.Plan) Outline {
	o := Outline{Name: c.Name, Description: c.Description, File: c.File,
		Inputs: []Input{}, Secrets: []Secret{}, Outputs: []Output{}}
	for _, in := range c.Inputs {
		o.Inputs = append(o.Inputs, Input{in.Name, in.Rule.Type.String(), in.Env, in.Required, defaultOf(in), className(in.Class)})
	}
	for _, s := range c.Secrets {
		o.Secrets = append(o.Secrets, Secret{s.Name, sourceOf(s), s.Optional})
	}
	w := &outliner{*survey.Of(c.Root)}
	o.Steps = w.steps(c.Root.Steps, "")
	o.Calls = Range(survey.StepCalls(c.Root))
	if c.Root.Finally != nil {
		o.Finally = w.steps(c.Root.Finally.Steps, "finally")
	}
	for _, out := range c.Root.Work.Outputs {
		text, reads := w.value(&out.Value, len(c.Nodes))
		if out.Class == plan.Sensitive || datapoints.SensitiveName(out.Name) {
			text = survey.Masked(text, out.Name, &out.Value)
		}
		o.Outputs = append(o.Outputs, Output{out.Name, text, className(out.Class), reads})
	}
	return o
}

// defaultOf is the default of an input as it may be shown; the zero Value is none.
func defaultOf(in *plan.Input) datapoints.Value {
	if in.Default == nil {
		return datapoints.Value{}
	}
	text, err := in.Default.JSON()
	if err != nil {
		return datapoints.Value{}
	}
	return datapoints.JSON(text).Mark(datapoints.Class(in.Class), in.Name)
}

func sourceOf(s *plan.Secret) string {
	switch {
	case s.Env != "":
		return "env " + s.Env
	case path.IsAbs(s.File):
		return "file " + s.File
	case s.File != "":
		return "file " + path.Join(s.Folder, s.File)
	case len(s.Command) > 0:
		return "command " + s.Command[0]
	}
	return "keyring " + s.Keyring[0]
}

func className(c plan.Class) string { return datapoints.Class(c).String() }

// An outliner writes an outline.
type outliner struct{ survey.Survey }

func (w *outliner) steps(nodes []*plan.Node, path string) []Step {
	steps := make([]Step, len(nodes))
	for i, n := range nodes {
		steps[i] = w.step(n, path)
	}
	return steps
}

func (w *outliner) step(n *plan.Node, path string) Step {
	at := plan.Join(path, n.ID)
	body, inside := survey.Body(n, at)
	s := Step{Number: w.Numbers[n], ID: n.ID, Path: at, Title: n.Work.Title, Timeout: max(n.Work.Timeout, body.Work.Timeout),
		Calls: Range(survey.StepCalls(n)), Line: n.Span.Line, If: source(n.Work.If)}
	if n.Kind == plan.Loop {
		l := n.Work.Loop
		s.Loop = &Loop{In: l.In.Source(), As: l.As, AtOnce: max(1, n.AtOnce), Max: l.Max, Continue: n.Go,
			Reads: w.reads(l.In.Refs(), s.Number)}
	}
	if s.Title == "" {
		s.Title = body.Work.Title
	}
	w.body(&s, body, inside)
	for _, v := range survey.Captures(body) {
		s.Saves = append(s.Saves, Save{Name: v.Point.Name, From: v.From(), Type: v.Point.Type.String(),
			Class: className(max(v.Class, v.Point.Class)), Optional: v.Optional, List: s.Loop != nil})
	}
	if n.Else != nil {
		s.Else = w.steps(n.Else.Steps, plan.Join(at, "else"))
	}
	for i, c := range n.Catch {
		s.Catch = append(s.Catch, Clause{source(c.Work.Clause.When), w.steps(c.Steps, survey.Clause(at, i))})
	}
	if last, path := survey.Finally(n, at); last != nil {
		s.Finally = w.steps(last.Steps, path)
	}
	return s
}

func source(p *expression.Program) string {
	if p == nil {
		return ""
	}
	return p.Source()
}

// body fills in what the step's verb says.
func (w *outliner) body(s *Step, n *plan.Node, path string) {
	s.Poll = pollOf(n.Work.Poll)
	if r := n.Work.Retry; n.Rounds && r.Attempts > 1 {
		s.Retry = &Retry{r.Attempts, r.On, source(r.When)}
	}
	switch n.Kind {
	case plan.Call:
		s.Kind = "call"
		w.call(s, n.Work.Call)
	case plan.Set:
		s.Kind = "set"
		for i := range n.Work.Set {
			w.assign(s, &n.Work.Set[i])
		}
	case plan.Fail:
		s.Kind = "fail"
		text := plan.Placeholders(n.Work.Fail.Source())
		s.Fields = []Field{{"fail", text, w.reads(n.Work.Fail.Refs(), s.Number)}}
	case plan.Wait:
		s.Kind, s.Wait = "wait", waitOf(n.Work.Wait)
	case plan.Callback:
		s.Kind, s.Callback = "callback", n.Work.Message.Name
	case plan.Parallel:
		s.Kind, s.AtOnce = "parallel", n.AtOnce
		for _, b := range n.Steps {
			s.Branches = append(s.Branches, Branch{b.ID, w.steps(b.Steps, plan.Join(path, b.ID))})
		}
	case plan.Flow:
		s.Kind, s.File = "flow", n.Work.Flow.File
		for i := range n.Work.Flow.With {
			a := &n.Work.Flow.With[i]
			text, reads := w.value(&a.Value, s.Number)
			if a.Input.Class == plan.Sensitive {
				text = survey.Masked(text, a.Input.Name, &a.Value)
			}
			s.Fields = append(s.Fields, Field{a.Input.Name, text, reads})
		}
		s.Steps = w.steps(n.Steps, path)
	default:
		s.Kind = "block"
		s.Steps = w.steps(n.Steps, path)
	}
}

func (w *outliner) call(s *Step, c *plan.CallSpec) {
	s.Action = c.Action
	var base, url string
	for i := range c.Fields {
		f := &c.Fields[i]
		w.field(s, f.Name, f.Name, &f.Value)
		if last := len(s.Fields) - 1; f.Name == "base_url" {
			base = s.Fields[last].Text
		} else if f.Name == "url" {
			url = s.Fields[last].Text
		}
	}
	s.Request = survey.Request(s.Title, base, url)
	s.Poll = pollOf(c.Poll)
	if p := c.Pages; p != nil {
		s.Pages = &Pages{source(p.Next), source(p.While), p.Max}
	}
}

func pollOf(p *plan.Poll) *Poll {
	if p == nil {
		return nil
	}
	return &Poll{source(p.Until), p.Every, p.Timeout}
}

func (w *outliner) assign(s *Step, a *plan.Assign) {
	name := a.Point.Name
	if a.Unset {
		s.Fields = append(s.Fields, Field{Name: name, Text: "null"})
		return
	}
	text, reads := w.value(&a.Value, s.Number)
	if a.Class == plan.Sensitive || a.Point.Class == plan.Sensitive {
		text = survey.Masked(text, name, &a.Value)
	}
	s.Fields = append(s.Fields, Field{name, text, reads})
	s.Saves = append(s.Saves, Save{Name: name, From: text, Type: a.Point.Type.String(),
		Class: className(max(a.Class, a.Point.Class)), List: s.Loop != nil})
}

// field adds the leaves of a field, each under its own name.
func (w *outliner) field(s *Step, name, key string, v *plan.Value) {
	switch {
	case v.Const == "" && v.Template == nil && !v.IsList:
		for i := range v.Pairs {
			w.field(s, name+"."+v.Pairs[i].Key, v.Pairs[i].Key, &v.Pairs[i].Value)
		}
	case v.Const == "" && v.Template == nil:
		for i := range v.Items {
			w.field(s, name+"."+strconv.Itoa(i), key, &v.Items[i])
		}
	default:
		text, reads := w.value(v, s.Number)
		if datapoints.SensitiveName(key) {
			text = survey.Masked(text, key, v)
		}
		s.Fields = append(s.Fields, Field{name, text, reads})
	}
}

// value writes a value with {name} for what is not known, and says which data
// points it reads, as seen from the step with that number.
func (w *outliner) value(v *plan.Value, number int) (string, []Read) {
	var b strings.Builder
	var refs []expression.Ref
	v.Sketch(&b, &refs, datapoints.MaskMembers)
	return b.String(), w.reads(refs, number)
}

// reads are the data points among references, each once, and who may have
// saved them before the step with that number.
func (w *outliner) reads(refs []expression.Ref, number int) []Read {
	var reads []Read
	for _, r := range refs {
		handle, ok := r.Handle.(*plan.Ref)
		if !ok || handle.Point == nil {
			continue
		}
		if slices.ContainsFunc(reads, func(o Read) bool { return o.Name == r.Name }) {
			continue
		}
		from, steps := w.Before(handle.Point, number)
		reads = append(reads, Read{r.Name, from, steps, className(handle.Point.Class)})
	}
	return reads
}

// waitOf is a wait for people.
func waitOf(s *plan.WaitSpec) *Wait {
	if s.Until != nil {
		return &Wait{Until: plan.Placeholders(s.Until.Source()), Long: s.Long}
	}
	return &Wait{For: plan.Placeholders(s.Text.Source()), Long: s.Long}
}
