package flow

import (
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A Plan is a compiled flow: immutable, made once, and run as often and from
// as many goroutines as one likes.
type Plan struct {
	compiled *plan.Plan
	actions  Actions
	within   []string              // by node: its path below the node of its scope
	nodes    map[string]*plan.Node // by path, iterations as "[]"
}

// Name is the flow's name.
func (p *Plan) Name() string { return p.compiled.Name }

// Description is what the author says of the flow, or "".
func (p *Plan) Description() string { return p.compiled.Description }

// Warnings are the problems that do not stop the flow, in source order.
func (p *Plan) Warnings() diag.List { return p.compiled.Warnings }

// Steps is how many steps the flow's file has.
func (p *Plan) Steps() int { return p.compiled.Steps }

// Files are the files that were read to make the plan, the flow first.
func (p *Plan) Files() []datapoints.File {
	files := make([]datapoints.File, len(p.compiled.Files))
	for i, f := range p.compiled.Files {
		files[i] = datapoints.File{Name: f.Name, Data: f.Data}
	}
	return files
}

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

// Secrets are the flow's secrets, in the order of the file.
func (p *Plan) Secrets() []SecretSource {
	sources := make([]SecretSource, len(p.compiled.Secrets))
	for i, s := range p.compiled.Secrets {
		sources[i] = SecretSource{Name: s.Name, Env: s.Env, File: s.File, Command: s.Command, Keyring: s.Keyring, Optional: s.Optional}
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
	p.place(p.compiled.Root, "", "")
}

// place notes a node's path below its scope's node, and its whole path.
func (p *Plan) place(n *plan.Node, below, whole string) {
	p.within[n.Index], p.nodes[whole] = below, n
	if n.Kind == plan.Loop {
		p.place(n.Steps[0], "", whole+"[]")
	} else {
		for _, s := range n.Steps {
			p.place(s, join(below, s.ID), join(whole, s.ID))
		}
	}
	if n.Else != nil {
		p.place(n.Else, join(below, "else"), join(whole, "else"))
	}
	for i, c := range n.Catch {
		id := "catch[" + strconv.Itoa(i) + "]"
		p.place(c, join(below, id), join(whole, id))
	}
	if n.Finally != nil {
		p.place(n.Finally, join(below, "finally"), join(whole, "finally"))
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
