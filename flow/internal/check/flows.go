package check

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// The limits of what a flow is made of.
const (
	maxFlows     = 10     // sub-flows in each other
	maxPlanSteps = 10_000 // of a flow with its sub-flows, for each step that calls them
)

// chain lists the files from the flow itself down to this sub-flow.
func (c *checker) chain() []string {
	if c.outer == nil {
		return []string{c.file.File}
	}
	return append(c.outer.chain(), c.file.File)
}

// callers says which steps lead to this sub-flow, the nearest first.
func (c *checker) callers() []string {
	if c.outer == nil {
		return nil
	}
	who := fmt.Sprintf("called by step %q in %s, line %d", c.caller.Name, c.outer.file.File, c.caller.Span.Line)
	return append([]string{who}, c.outer.callers()...)
}

// calls reads the flow that a step calls; nil after a complaint.
func (c *checker) calls(s *syntax.Step) *subFile {
	id := s.SubFlow
	if id.Name == "" {
		return nil
	}
	chain := c.chain()
	at := path.Join(path.Dir(id.Span.File), id.Name)
	if i := slices.Index(chain, at); i >= 0 {
		c.cycle(id, append(slices.Clone(chain[i:]), at), "calls", "this flow would call itself without end")
		return nil
	}
	if len(chain) > maxFlows {
		c.errorAt(id.Span, diag.OverLimit, "call it from a flow further up", "more than %d sub-flows lie in each other", maxFlows)
		return nil
	}
	sub := c.trees[at]
	if sub == nil {
		_, text, ok := c.open(id)
		if !ok {
			return nil
		}
		sub = c.parsed(at, text, s)
	}
	if c.steps+size(sub.tree.Steps)+size(sub.tree.Finally) > maxPlanSteps {
		if !c.full {
			c.full = true
			c.errorAt(id.Span, diag.OverLimit, "split it into flows that are run one after the other",
				"the flow has more than %d steps with its sub-flows, which count for each step that calls them", maxPlanSteps)
		}
		return nil
	}
	return sub
}

// parsed reads the file of a sub-flow, once for all steps that call it.
func (c *checker) parsed(at string, text []byte, s *syntax.Step) *subFile {
	tree, problems := syntax.Parse(at, text)
	c.place(at)
	inner := &checker{project: c.project, file: tree, outer: c, caller: s}
	for _, d := range problems {
		inner.report(d)
	}
	inner.include()
	sub := &subFile{tree: tree, broken: problems.HasErrors()}
	c.trees[at] = sub
	return sub
}

// cycle reports files that lead back to where they began.
func (c *checker) cycle(id syntax.ID, files []string, verb, message string) {
	d := diag.Diagnostic{Span: id.Span, Code: diag.FlowCycle, Message: message}
	for i := range len(files) - 1 {
		d.Notes = append(d.Notes, files[i]+" "+verb+" "+files[i+1])
	}
	c.report(d)
}

// size counts steps with all that are inside of them.
func size(steps []*syntax.Step) int {
	n := 0
	for _, s := range steps {
		n += 1 + size(s.Steps) + size(s.Else) + size(s.Finally)
		for _, b := range s.Branches {
			n += size(b.Steps)
		}
		for _, clause := range s.Catch {
			n += size(clause.Steps)
		}
	}
	return n
}

// A gift is what a step gives to an input of a sub-flow.
type gift struct {
	pair    syntax.Pair
	value   plan.Value
	typ     expression.Type
	class   plan.Class
	foreign bool

	stranger bool // it is made of an input that anybody may give
}

// A returned is what a sub-flow gives back, as `response` knows it.
type returned struct {
	file  string
	names map[string]expression.Name // nil: the flow could not be read, nothing is known
	class plan.Class                 // of all together
}

// subflow checks a step that runs another flow. The flow is compiled for this
// step alone: what is known of its inputs depends on what they are made of.
func (c *checker) subflow(s *syntax.Step, node *plan.Node) {
	spec := &plan.FlowSpec{File: s.SubFlow.Name}
	node.Kind, node.Work.Flow, node.Work.Title = plan.Flow, spec, "flow "+s.SubFlow.Name
	gifts := c.giving(s)
	around := c.round
	c.rounds(s, node)
	back := &returned{file: s.SubFlow.Name}
	if sub := c.calls(s); sub != nil {
		inner := newChecker(sub.tree, c.project)
		inner.outer, inner.caller, inner.node, inner.gifts = c, s, node, gifts
		inner.holes, spec.Name = sub.broken, sub.tree.Name.Name
		inner.compile(node)
		spec.Inputs = inner.plan.Inputs
		spec.With = c.give(s, inner, gifts)
		if !sub.broken {
			back.names, back.class = inner.gives()
		}
	}
	c.at.response, c.at.returns = true, back
	node.Work.Poll = c.poll(s.Poll)
	c.round = around
	c.answered(s, spec)
	c.at.response, c.at.returns = false, nil
}

// giving compiles `with` of a sub-flow, in the names of the caller.
func (c *checker) giving(s *syntax.Step) map[string]*gift {
	gifts := map[string]*gift{}
	if s.With == nil || s.With.Kind != syntax.Mapping {
		return gifts
	}
	for _, p := range s.With.Pairs {
		r := rendering{checker: c}
		g := &gift{pair: p, value: r.json(p.Value)}
		g.typ, g.class = typeOf(g.value, p.Value), r.class
		g.value.References(func(ref *expression.Ref) {
			g.foreign = g.foreign || c.foreign(ref)
			g.stranger = g.stranger || c.stranger([]expression.Ref{*ref}) != ""
		})
		gifts[p.Key] = g
	}
	return gifts
}

// foreign says whether a reference leads to what came from an answer.
func (c *checker) foreign(ref *expression.Ref) bool {
	switch ref.Root {
	case "inputs":
		v := c.inputNames[ref.Name]
		return v != nil && v.foreign
	case "secrets", "run":
		return ref.Member == "error"
	case "":
		n, _ := c.loopVariable(ref.Name)
		return n.Foreign
	}
	return true
}

const ofAnybody = "list its values in `one_of` of the input"

// stranger finds an input that anybody may give.
func (c *checker) stranger(refs []expression.Ref) string {
	for _, ref := range refs {
		if v := c.inputNames[ref.Name]; ref.Root == "inputs" && v != nil && v.stranger {
			return ref.Name
		}
	}
	return ""
}

// sayer says who decides where a call goes, and what helps.
func (c *checker) sayer(v *plan.Value, or string) (who, hint string) {
	if name := c.stranger(v.Template.Refs()); name != "" {
		return fmt.Sprintf("inputs.%s, which whoever starts a run may give,", name), ofAnybody
	}
	if c.outer != nil {
		return "data", or + ", or give the URL from an input of the run"
	}
	return "data", or + ", or build the URL from an input"
}

// give compares what a step gives with the inputs that there are.
func (c *checker) give(s *syntax.Step, inner *checker, gifts map[string]*gift) []plan.Argument {
	var args []plan.Argument
	meant := map[string]bool{}
	names := make([]string, len(inner.plan.Inputs))
	for i, in := range inner.plan.Inputs {
		names[i] = in.Name
	}
	if s.With != nil && s.With.Kind != syntax.Mapping { // that was reported
		return nil
	}
	if s.With != nil && !inner.broken() {
		for _, p := range s.With.Pairs {
			if slices.Contains(names, p.Key) {
				continue
			}
			near := expression.Suggest(p.Key, names)
			meant[near] = true
			c.errorAt(p.KeySpan, diag.UnknownName, suggestion(near, names), "the flow %s has no input %q", s.SubFlow.Name, p.Key)
		}
	}
	for _, in := range inner.plan.Inputs {
		g := gifts[in.Name]
		if g == nil || g.value.Const == "null" && in.Rule.Type.Kind != expression.Any && g.pair.Value.Kind == syntax.Null {
			if in.Required && in.Default == nil && !meant[in.Name] {
				c.notGiven(s, in)
			}
			continue
		}
		c.fitsInput(s, in, g)
		args = append(args, plan.Argument{Input: in, Value: g.value, Span: g.pair.KeySpan})
	}
	return args
}

func suggestion(near string, names []string) string {
	switch {
	case near != "":
		return fmt.Sprintf("did you mean %q?", near)
	case len(names) > 0:
		return "it has " + strings.Join(names, ", ")
	}
	return "it has none"
}

// notGiven reports an input that the sub-flow needs.
func (c *checker) notGiven(s *syntax.Step, in *plan.Input) {
	at, hint := s.SubFlow.Span, fmt.Sprintf("add `with: { %s: … }`", in.Name)
	if s.With != nil {
		at, hint = s.With.Span, fmt.Sprintf("add `%s: …`", in.Name)
	}
	d := diag.Diagnostic{Span: at, Code: diag.MissingKey, Hint: hint, Message: fmt.Sprintf("the flow %s needs the input %q", s.SubFlow.Name, in.Name)}
	if in.Env != "" {
		d.Notes = []string{fmt.Sprintf("its variable %s counts only where the flow is run by itself", in.Env)}
	}
	c.report(d)
}

// fitsInput complains of a value that an input can never take. A value in the
// flow is not text from outside: nothing is converted.
func (c *checker) fitsInput(s *syntax.Step, in *plan.Input, g *gift) {
	n, want := g.pair.Value, in.Rule.Type
	if g.value.Const != "" && g.typ.Kind != expression.Any {
		err := in.Rule.Fits(g.value.Const)
		if err == nil {
			return
		}
		if !isExpression(n) || want.Accepts(g.typ) {
			hint := ""
			if want.IsString() && (n.Kind == syntax.Number || n.Kind == syntax.Boolean) {
				hint = fmt.Sprintf("write it in quotes: %q", n.Text)
			}
			c.errorAt(n.Span, fitCode(&in.Rule, g.value.Const), hint, "the input %q of %s %s", in.Name, s.SubFlow.Name, err)
			return
		}
	}
	if want.Accepts(g.typ) {
		return
	}
	hint := ""
	switch {
	case want.IsString() && (g.typ.IsNumber() || g.typ.Kind == expression.Boolean):
		hint = "write string(…) of it"
	case want.Kind == expression.Integer && g.typ.IsString():
		hint = "write int(…) of it"
	}
	c.errorAt(n.Span, diag.TypeMismatch, hint, "the input %q of %s is declared as %s, this is %s", in.Name, s.SubFlow.Name, want, typeName(g.typ))
}

// broken says whether the file of a sub-flow could not be read as a whole.
func (c *checker) broken() bool { return c.trees[c.file.File].broken }

// gives is what the flow returns, as the step that calls it sees it.
func (c *checker) gives() (names map[string]expression.Name, all plan.Class) {
	names = make(map[string]expression.Name, len(c.file.Outputs))
	for i, o := range c.outs {
		names[o.Name] = expression.Name{Type: typeOf(o.Value, c.file.Outputs[i].Value), Foreign: true,
			Sensitive: o.Class == plan.Sensitive, PII: o.Class == plan.PII}
		all = max(all, o.Class)
	}
	return names, all
}

// answered checks what a step expects of a sub-flow's outputs and saves of them.
func (c *checker) answered(s *syntax.Step, spec *plan.FlowSpec) {
	if x := s.Expect; x != nil {
		if len(x.Status) > 0 {
			c.errorAt(x.StatusSpan, diag.KeyNotAllowed, "write a condition on its outputs: `that: [ response.body.NAME == … ]`", "a flow has no status to expect")
		}
		if x.AllowErrors {
			c.errorAt(x.ErrorsSpan, diag.KeyNotAllowed, "", "`expect.errors` is for graphql steps, not for flows")
		}
	}
	for _, from := range s.Save {
		if from.Source != syntax.FromPath && from.Source != syntax.FromExpression {
			c.errorAt(from.Span, diag.KeyNotAllowed, "write the name of an output", "%q: a flow gives outputs, no headers and no text", from.Name)
		} else if len(from.Status) > 0 {
			c.errorAt(from.Span, diag.KeyNotAllowed, "", "%q: a flow has no status", from.Name)
		}
	}
	web := &Action{Web: true, GraphQL: true} // of what does not go with flows nothing more is said
	spec.Expect = c.expect(s, web)
	var call plan.CallSpec
	c.saves(s, web, &call)
	spec.Save = call.Save
}

// output is the type and class of what a path finds in a sub-flow's outputs.
func (c *checker) output(from *syntax.Save, save *plan.Save) (expression.Type, plan.Class) {
	back := c.at.returns
	if back == nil || back.names == nil || save.Path == nil {
		return expression.Type{}, plan.Plain
	}
	name, further := save.Path.First()
	if name == "" {
		return expression.Type{}, back.class
	}
	out, ok := back.names[name]
	if !ok {
		names := slices.Sorted(maps.Keys(back.names))
		c.errorAt(from.Value.Span, diag.UnknownName, suggestion(expression.Suggest(name, names), names), "the flow %s has no output %q", back.file, name)
		return expression.Type{}, plan.Plain
	}
	class := plan.Plain
	switch {
	case out.Sensitive:
		class = plan.Sensitive
	case out.PII:
		class = plan.PII
	}
	if further {
		return expression.Type{}, class
	}
	return out.Type, class
}
