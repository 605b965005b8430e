package flow

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// An Outline describes a plan to people and tools: what it would send and
// which answer feeds which field. Nothing is sent to make it and no value of a
// secret is in it. Its JSON form is stable: members are only ever added.
type Outline struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	File        string          `json:"file"`
	Calls       Range           `json:"calls"`
	Inputs      []OutlineInput  `json:"inputs"`
	Secrets     []OutlineSecret `json:"secrets"`
	Steps       []OutlineStep   `json:"steps"`
	Finally     []OutlineStep   `json:"finally,omitempty"`
	Outputs     []OutlineOutput `json:"outputs"`
}

// A Range is how many calls a run makes that succeeds: without retries, with
// loops of none up to the most items that they may have.
type Range struct {
	Least int `json:"least"`
	Most  int `json:"most"`
}

// An OutlineInput is a declared input.
type OutlineInput struct {
	Name     string           `json:"name"`
	Type     string           `json:"type"`
	Env      string           `json:"env,omitempty"`
	Required bool             `json:"required"`
	Default  datapoints.Value `json:"default,omitzero"`
	Class    string           `json:"class"` // plain, pii or sensitive
}

// An OutlineSecret is a declared secret and its source.
type OutlineSecret struct {
	Name     string `json:"name"`
	Source   string `json:"source"` // "env NAME", "file PATH", "command PROG", "keyring SERVICE"
	Optional bool   `json:"optional"`
}

// An OutlineStep is one step of the file.
type OutlineStep struct {
	Number  int            `json:"number"` // from 1, in the order of the file
	ID      string         `json:"id"`
	Path    string         `json:"path"` // "notify[i].send": [i] is an iteration
	Kind    string         `json:"kind"` // call, set, fail, block
	Action  string         `json:"action,omitempty"`
	Request string         `json:"request,omitempty"` // "GET {base_url}/patients/{patient_id}"
	Title   string         `json:"title"`             // what progress shows
	If      string         `json:"if,omitempty"`
	Loop    *OutlineLoop   `json:"for_each,omitempty"`
	Timeout time.Duration  `json:"timeout,omitempty"` // in nanoseconds
	Fields  []OutlineField `json:"fields,omitempty"`  // of `with` or `set`, defaults merged in
	Saves   []OutlineSave  `json:"saves,omitempty"`
	Steps   []OutlineStep  `json:"steps,omitempty"`
	Else    []OutlineStep  `json:"else,omitempty"`
	Calls   Range          `json:"calls"`
	Line    int            `json:"line"`
}

// An OutlineLoop is a step's for_each.
type OutlineLoop struct {
	In       string        `json:"in"`
	As       string        `json:"as"`
	AtOnce   int           `json:"concurrency"`
	Max      int           `json:"max"`
	Continue bool          `json:"continue"` // on_error: continue
	Reads    []OutlineRead `json:"reads,omitempty"`
}

// An OutlineField is a value that a step sends or sets.
type OutlineField struct {
	Name  string        `json:"name"` // "headers.Authorization"
	Text  string        `json:"text"` // with {name} for what is not known yet
	Reads []OutlineRead `json:"reads,omitempty"`
}

// An OutlineRead is a data point that a value is made from.
type OutlineRead struct {
	Name  string   `json:"name"`
	From  []string `json:"from"` // the paths of the steps that may have saved it; none: its default
	Steps []int    `json:"steps"`
	Class string   `json:"class"`
}

// An OutlineSave is a data point that a step saves.
type OutlineSave struct {
	Name     string `json:"name"`
	From     string `json:"from"` // "name.0.text", "header ETag"
	Type     string `json:"type"`
	Class    string `json:"class"`
	Optional bool   `json:"optional,omitempty"`
	List     bool   `json:"list,omitempty"` // of a loop: one element for each item
}

// An OutlineOutput is one of the values that a run returns.
type OutlineOutput struct {
	Name  string        `json:"name"`
	Text  string        `json:"text"`
	Class string        `json:"class"`
	Reads []OutlineRead `json:"reads,omitempty"`
}

// Outline describes the plan.
func (p *Plan) Outline() Outline {
	c := p.compiled
	o := Outline{Name: c.Name, Description: c.Description, File: c.File,
		Inputs: []OutlineInput{}, Secrets: []OutlineSecret{}, Outputs: []OutlineOutput{}}
	for _, in := range p.Inputs() {
		class := plan.Plain
		switch {
		case in.Sensitive:
			class = plan.Sensitive
		case in.PII:
			class = plan.PII
		}
		o.Inputs = append(o.Inputs, OutlineInput{in.Name, in.Type, in.Env, in.Required, in.Default, className(class)})
	}
	for _, s := range c.Secrets {
		o.Secrets = append(o.Secrets, OutlineSecret{s.Name, outlineSource(s), s.Optional})
	}
	w := &outliner{savers: map[*plan.Point][]saver{}, numbers: map[*plan.Node]int{}}
	w.number(c.Root.Steps, "")
	if c.Root.Finally != nil {
		w.number(c.Root.Finally.Steps, "finally")
	}
	o.Steps = w.steps(c.Root.Steps, "")
	o.Calls = rangeOf(o.Steps)
	if c.Root.Finally != nil {
		o.Finally = w.steps(c.Root.Finally.Steps, "finally")
		o.Calls = o.Calls.plus(rangeOf(o.Finally))
	}
	for _, out := range c.Root.Work.Outputs {
		text, reads := w.value(&out.Value, len(c.Nodes))
		if out.Class == plan.Sensitive || datapoints.SensitiveName(out.Name) {
			text = withoutConstant(text, out.Name, &out.Value)
		}
		o.Outputs = append(o.Outputs, OutlineOutput{out.Name, text, className(out.Class), reads})
	}
	return o
}

func outlineSource(s *plan.Secret) string {
	switch {
	case s.Env != "":
		return "env " + s.Env
	case s.File != "":
		return "file " + s.File
	case len(s.Command) > 0:
		return "command " + s.Command[0]
	}
	return "keyring " + s.Keyring[0]
}

func className(c plan.Class) string { return datapoints.Class(c).String() }

func (r Range) plus(s Range) Range { return Range{r.Least + s.Least, r.Most + s.Most} }

func rangeOf(steps []OutlineStep) Range {
	var r Range
	for _, s := range steps {
		r = r.plus(s.Calls)
	}
	return r
}

// A saver is a step that saves a data point.
type saver struct {
	number int
	path   string
}

// An outliner writes an outline.
type outliner struct {
	savers  map[*plan.Point][]saver
	numbers map[*plan.Node]int
}

// number numbers the steps and notes what each saves.
func (w *outliner) number(nodes []*plan.Node, path string) {
	for _, n := range nodes {
		at := plan.Join(path, n.ID)
		w.numbers[n] = len(w.numbers) + 1
		s := saver{w.numbers[n], at}
		body := n
		if n.Kind == plan.Loop {
			body = n.Steps[0]
			for _, l := range n.Work.Lists {
				w.savers[l.Outer] = append(w.savers[l.Outer], s)
			}
			at += "[i]"
			s.path = at
		}
		for _, a := range body.Work.Set {
			w.savers[a.Point] = append(w.savers[a.Point], s)
		}
		if body.Work.Call != nil {
			for _, v := range body.Work.Call.Save {
				w.savers[v.Point] = append(w.savers[v.Point], s)
			}
		}
		w.number(body.Steps, at)
		if n.Else != nil {
			w.number(n.Else.Steps, plan.Join(plan.Join(path, n.ID), "else"))
		}
	}
}

func (w *outliner) steps(nodes []*plan.Node, path string) []OutlineStep {
	steps := make([]OutlineStep, len(nodes))
	for i, n := range nodes {
		steps[i] = w.step(n, path)
	}
	return steps
}

func (w *outliner) step(n *plan.Node, path string) OutlineStep {
	at := plan.Join(path, n.ID)
	s := OutlineStep{Number: w.numbers[n], ID: n.ID, Path: at, Title: n.Work.Title, Timeout: n.Work.Timeout, Line: n.Span.Line}
	if n.Work.If != nil {
		s.If = n.Work.If.Source()
	}
	if n.Else != nil {
		s.Else = w.steps(n.Else.Steps, plan.Join(at, "else"))
	}
	body := n
	if n.Kind == plan.Loop {
		body = n.Steps[0]
		l := n.Work.Loop
		s.Loop = &OutlineLoop{In: l.In.Source(), As: l.As, AtOnce: max(1, n.AtOnce), Max: l.Max, Continue: n.Go,
			Reads: w.reads(l.In.Refs(), s.Number)}
		at += "[i]"
	}
	if s.Title == "" {
		s.Title = body.Work.Title
	}
	w.body(&s, body, at)
	if s.Loop != nil {
		s.Calls = Range{0, s.Calls.Most * s.Loop.Max}
	}
	if s.If != "" {
		other := rangeOf(s.Else)
		s.Calls = Range{min(s.Calls.Least, other.Least), max(s.Calls.Most, other.Most)}
	}
	return s
}

// body fills in what the step's verb says.
func (w *outliner) body(s *OutlineStep, n *plan.Node, path string) {
	switch n.Kind {
	case plan.Call:
		s.Kind, s.Action, s.Calls = "call", n.Work.Call.Action, Range{1, 1}
		for i := range n.Work.Call.Fields {
			f := &n.Work.Call.Fields[i]
			w.field(s, f.Name, f.Name, &f.Value)
		}
		s.Request = request(s)
		for _, v := range n.Work.Call.Save {
			s.Saves = append(s.Saves, OutlineSave{Name: v.Point.Name, From: v.From(), Type: v.Point.Type.String(),
				Class: className(max(v.Class, v.Point.Class)), Optional: v.Optional, List: s.Loop != nil})
		}
	case plan.Set:
		s.Kind = "set"
		for i := range n.Work.Set {
			a := &n.Work.Set[i]
			name := a.Point.Name
			if a.Unset {
				s.Fields = append(s.Fields, OutlineField{Name: name, Text: "null"})
				continue
			}
			text, reads := w.value(&a.Value, s.Number)
			if a.Class == plan.Sensitive || a.Point.Class == plan.Sensitive {
				text = withoutConstant(text, name, &a.Value)
			}
			s.Fields = append(s.Fields, OutlineField{name, text, reads})
			s.Saves = append(s.Saves, OutlineSave{Name: name, From: text, Type: a.Point.Type.String(),
				Class: className(max(a.Class, a.Point.Class)), List: s.Loop != nil})
		}
	case plan.Fail:
		s.Kind = "fail"
		text := plan.Placeholders(n.Work.Fail.Source())
		s.Fields = []OutlineField{{"fail", text, w.reads(n.Work.Fail.Refs(), s.Number)}}
	default:
		s.Kind = "block"
		s.Steps = w.steps(n.Steps, path)
		s.Calls = rangeOf(s.Steps)
	}
}

// request is method and URL, with base_url in front where the URL is only a path.
func request(s *OutlineStep) string {
	var base, url string
	for _, f := range s.Fields {
		switch f.Name {
		case "base_url":
			base = f.Text
		case "url":
			url = f.Text
		}
	}
	if url == "" {
		return s.Title
	}
	if strings.HasPrefix(url, "/") {
		url = strings.TrimSuffix(base, "/") + url
	}
	method, _, ok := strings.Cut(s.Title, " ")
	if !ok {
		return url
	}
	return method + " " + url
}

// field adds the leaves of a field, each under its own name.
func (w *outliner) field(s *OutlineStep, name, key string, v *plan.Value) {
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
			text = withoutConstant(text, key, v)
		}
		s.Fields = append(s.Fields, OutlineField{name, text, reads})
	}
}

// withoutConstant is the text of a sensitive value: masked, if the secret
// itself stands in the file.
func withoutConstant(text, name string, v *plan.Value) string {
	constant := v.Const != ""
	if v.Template != nil {
		_, constant = v.Template.Constant()
	}
	if constant {
		return "[secret " + name + "]"
	}
	return text
}

// value writes a value with {name} for what is not known, and says which data
// points it reads, as seen from the step with that number.
func (w *outliner) value(v *plan.Value, number int) (string, []OutlineRead) {
	var b strings.Builder
	var refs []expression.Ref
	v.Sketch(&b, &refs, datapoints.MaskMembers)
	return b.String(), w.reads(refs, number)
}

// reads are the data points among references, each once, and who may have
// saved them before the step with that number.
func (w *outliner) reads(refs []expression.Ref, number int) []OutlineRead {
	var reads []OutlineRead
	for _, r := range refs {
		handle, ok := r.Handle.(*plan.Ref)
		if !ok || handle.Point == nil {
			continue
		}
		if slices.ContainsFunc(reads, func(o OutlineRead) bool { return o.Name == r.Name }) {
			continue
		}
		read := OutlineRead{Name: r.Name, From: []string{}, Steps: []int{}, Class: className(handle.Point.Class)}
		for _, s := range w.savers[handle.Point] {
			if s.number < number {
				read.From = append(read.From, s.path)
				read.Steps = append(read.Steps, s.number)
			}
		}
		reads = append(reads, read)
	}
	return reads
}
