package outline

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/survey"
)

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
	for _, cred := range c.Credentials {
		if cred.Flow == nil {
			o.Credentials = append(o.Credentials, w.credential(cred, len(c.Nodes)))
		}
	}
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
	if a := c.Auth; a != nil {
		text := ""
		if a.Fixed != nil {
			text = a.Fixed.Name
		} else {
			text = plan.Placeholders(a.Choice.Source())
		}
		s.Fields = append(s.Fields, Field{Name: a.Field, Text: text})
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

// credential describes a credential. What is written out of it may be a secret
// under any name.
func (w *outliner) credential(c *plan.Credential, after int) Credential {
	s := Step{Number: after}
	for i := range c.Fields {
		w.field(&s, c.Fields[i].Name, c.Fields[i].Name, &c.Fields[i].Value)
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		if name := f.Name[strings.LastIndexByte(f.Name, '.')+1:]; (name == "key" || name == "value") && !strings.Contains(f.Text, "{") {
			f.Text = "[secret " + name + "]"
		}
	}
	if p := c.Send; p != nil {
		for _, f := range []Field{{Name: "send.header", Text: p.Header}, {Name: "send.cookie", Text: p.Cookie}, {Name: "send.query", Text: p.Query}} {
			if f.Text != "" {
				s.Fields = append(s.Fields, f)
			}
		}
		if p.Value != nil {
			s.Fields = append(s.Fields, Field{Name: "send.value", Text: plan.Placeholders(p.Value.Source())})
		}
	}
	return Credential{c.Name, c.Kind, s.Fields, c.Span.Line}
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
