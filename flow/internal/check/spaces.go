package check

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A space is where names live: the run's, or that of a loop's iteration.
type space struct {
	scope  *plan.Scope
	parent *space
	step   *syntax.Step // the loop's; nil for the run
	names  map[string]*variable
	order  []*variable
	item   loopName
	index  loopName
	open   bool // the place that is being checked lies inside
}

// A loopName is a loop variable as the place inside knows it.
type loopName struct {
	name string
	info expression.Name
}

// A site is where a step saves a name.
type site struct {
	step *syntax.Step
	span diag.Span
	loop *space  // the innermost loop around it, nil outside of loops
	in   *branch // the innermost branch of a parallel around it, or nil

	optional bool // the answer may not have it
}

// A stop is a step as `steps.ID` knows it.
type stop struct {
	step   *syntax.Step
	space  *space // around the step
	in     *branch
	begun  bool // the place that is being checked is in it or after it
	ended  bool // … after it
	member expression.Name
	ref    plan.Ref
}

// collect finds every name that steps save and where it lives, before anything
// else is checked: only so can a use too early name the step that comes later.
func (c *checker) collect(steps []*syntax.Step, sp *space) {
	for _, s := range steps {
		c.steps++
		c.holes = c.holes || s.Verb == syntax.NoVerb
		if _, ok := c.stops[s.Name]; !ok && s.Name != "" {
			c.stops[s.Name] = &stop{step: s, space: sp, in: c.branch}
		}
		inner := sp
		if s.ForEach != nil {
			inner = newSpace(sp, s)
			c.loops[s] = inner
		}
		for _, p := range s.Set {
			c.saved(inner, p.Key, site{step: s, span: p.KeySpan, loop: inner, in: c.branch})
		}
		for _, save := range s.Save {
			c.saved(inner, save.Name, site{s, save.Span, inner, c.branch, save.Optional && save.Default == nil})
		}
		c.collect(s.Steps, inner)
		for _, b := range s.Branches {
			c.branch = &branch{name: b.Name, of: s, around: c.branch}
			c.collect(b.Steps, inner)
			c.branch = c.branch.around
		}
		if inner != sp {
			for _, v := range inner.order {
				c.gathered(sp, inner, v)
			}
		}
		c.collect(s.Else, sp)
		for _, clause := range s.Catch {
			c.collect(clause.Steps, sp)
		}
		c.collect(s.Finally, sp)
	}
}

func newSpace(parent *space, s *syntax.Step) *space {
	sp := &space{parent: parent, step: s, names: map[string]*variable{}}
	sp.scope = &plan.Scope{Names: map[string]*plan.Point{}}
	if parent != nil {
		sp.scope.Parent = parent.scope
	}
	return sp
}

// saved notes that a step of the space itself saves a name.
func (c *checker) saved(sp *space, name string, at site) {
	if name == "" {
		return
	}
	v := c.variable(sp, name)
	if v.ref.Point.List {
		c.insideAndOutside(name, v.looped(sp), at)
	}
	v.sites = append(v.sites, at)
}

// looped is the first place where a loop inside of the space saves the name.
func (v *variable) looped(sp *space) site {
	for _, s := range v.sites {
		if s.loop != sp {
			return s
		}
	}
	return v.sites[0]
}

// gathered notes that a loop in the space makes a list of an inner name.
func (c *checker) gathered(sp, loop *space, inner *variable) {
	name := inner.ref.Point.Name
	v, known := sp.names[name]
	if known && len(v.sites) > 0 {
		if v.ref.Point.List {
			c.insideAndOutside(name, v.looped(sp), inner.sites[0])
		} else {
			c.insideAndOutside(name, inner.sites[0], v.sites[0])
		}
	}
	if !known {
		v = c.variable(sp, name)
	}
	v.ref.Point.List = true
	v.sites = append(v.sites, inner.sites...)
}

// insideAndOutside reports a name that is saved inside a loop and outside it,
// at whichever comes second.
func (c *checker) insideAndOutside(name string, inside, outside site) {
	c.clashing[name] = true
	loop := inside.step.Name
	if inside.loop != nil && inside.loop.step != nil {
		loop = inside.loop.step.Name
	}
	second, first := outside, inside
	if after(inside.span, outside.span) {
		second, first = inside, outside
	}
	c.report(diag.Diagnostic{Span: second.span, Code: diag.DuplicateName,
		Message: fmt.Sprintf("%q is saved inside the loop %q and also outside it", name, loop),
		Hint:    "give one of them another name: after a loop a name is the list of what the iterations saved",
		Notes:   []string{fmt.Sprintf("step %q saves it on line %d", first.step.Name, first.span.Line)}})
}

func after(a, b diag.Span) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Column > b.Column
}

// variable is the space's variable of a name, made if need be.
func (c *checker) variable(sp *space, name string) *variable {
	if v, ok := sp.names[name]; ok {
		return v
	}
	v := &variable{ref: plan.Ref{Point: &plan.Point{Name: name, Scope: sp.scope}}}
	sp.names[name] = v
	sp.order = append(sp.order, v)
	sp.scope.Names[name] = v.ref.Point
	c.points[v.ref.Point] = v
	if sp.parent == nil {
		c.plan.Points = append(c.plan.Points, v.ref.Point)
	}
	return v
}

// find is the variable that a name means at the present place, or nil.
func (c *checker) find(name string) *variable {
	for sp := c.space; sp != nil; sp = sp.parent {
		if v, ok := sp.names[name]; ok {
			return v
		}
	}
	return nil
}

// declare makes the declarations hold for the names of a space. In a loop that
// is an iteration's value; the list outside has no default and no rule.
func (c *checker) declare(sp *space) {
	for _, v := range sp.order {
		p := v.ref.Point
		d, ok := c.declared[p.Name]
		if ok {
			v.kept, v.pii = d.sensitive, d.pii
		}
		p.Class = v.class(p.Name, plan.Plain)
		v.now = cell{state: expression.Unset}
		if !ok || p.List {
			continue
		}
		v.rule, p.Rule, p.Type, p.Default = d.rule, d.rule, d.rule.Type, d.value
		v.now = v.initial()
	}
}

// initial is what is known of a name before any step has saved it.
func (v *variable) initial() cell {
	p := v.ref.Point
	if p.Default == nil {
		return cell{state: expression.Unset, typ: p.Type}
	}
	class := v.class(p.Name, plan.Plain)
	return cell{typ: p.Type, sensitive: class == plan.Sensitive, pii: class == plan.PII}
}

// login compiles the steps that end in a token, as a flow of their own.
func (c *checker) login(s *syntax.Credential, p *plan.Credential) {
	l := s.Login
	tree := &syntax.Flow{File: c.file.File, Span: s.ID.Span, Name: s.ID, Inputs: c.file.Inputs, Secrets: c.file.Secrets, Data: l.Data,
		Credentials: c.file.Credentials, HTTPRetry: c.file.HTTPRetry, Steps: l.Steps}
	if c.file.HTTP != nil {
		http := *c.file.HTTP
		http.Pairs = slices.DeleteFunc(slices.Clone(http.Pairs), func(p syntax.Pair) bool { return p.Key == "auth" })
		tree.HTTP = &http
	}
	for _, out := range []struct {
		name string
		node *syntax.Node
	}{{"token", l.Token}, {"expires_in", l.ExpiresIn}} {
		if out.node != nil {
			tree.Outputs = append(tree.Outputs, syntax.Pair{Key: out.name, KeySpan: out.node.Span, Value: out.node})
		}
	}
	for _, step := range l.Steps {
		c.plainStep(step)
	}
	c.lifetime(l.ExpiresIn)
	steps := c.steps
	inner := newChecker(tree, c.project)
	inner.outer, inner.caller, inner.gifts = c.outer, c.caller, c.gifts
	inner.opening, inner.reads = append(slices.Clone(c.opening), s.Name), map[string]*plan.Ref{}
	node := &plan.Node{Kind: plan.Flow, Span: s.ID.Span}
	inner.compile(node)
	node.Scope = inner.space.scope
	inner.number(node, 0)
	inner.plan.Root, inner.plan.Steps = node, c.steps-steps
	for _, v := range inner.secretNames {
		inner.plan.Secrets = append(inner.plan.Secrets, v.ref.Secret)
	}
	c.steps = steps
	p.Login = &plan.Login{Flow: inner.plan, Digest: fingerprint(l.Whole, tree.HTTP)}
	p.Login.Hide()
	for _, name := range slices.Sorted(maps.Keys(inner.reads)) {
		p.Login.Reads = append(p.Login.Reads, inner.reads[name])
		if c.reads != nil {
			c.reads[name] = inner.reads[name]
		}
	}
}

// plainStep complains of what a credential's step cannot have.
func (c *checker) plainStep(s *syntax.Step) {
	if s.Verb != syntax.Action && s.Verb != syntax.Set && s.Verb != syntax.NoVerb {
		c.errorAt(s.VerbSpan, diag.KeyNotAllowed, "", "a credential's steps are `action` and `set`")
	}
	for _, key := range []struct {
		name string
		is   bool
		span diag.Span
	}{
		{"for_each", s.ForEach != nil, s.Span}, {"poll", s.Poll != nil, s.Span}, {"pages", s.Pages != nil, s.Span}, {"timeout", s.Timeout != nil, s.Span},
		{"else", s.HasElse, s.Span}, {"catch", len(s.Catch) > 0, s.CatchSpan}, {"on_error", s.OnError, s.OnErrorSpan},
	} {
		if key.is {
			c.errorAt(key.span, diag.KeyNotAllowed, "it may have `if`, `expect`, `save` and `retry`", "`%s` does not stand at a credential's step", key.name)
		}
	}
}

// lifetime complains of a constant that says no time.
func (c *checker) lifetime(n *syntax.Node) {
	if n == nil || isExpression(n) || n.Kind == syntax.Number {
		return
	}
	if _, err := syntax.ParseDuration(n.Text); err != nil || n.Kind != syntax.String {
		c.errorAt(n.Span, diag.BadDuration, "write a duration such as 20m, or an expression that gives seconds", "`expires_in` must be a duration, not %s", article(shape(n)))
	}
}

// fingerprint is the same for the same text, wherever it stands.
func fingerprint(nodes ...*syntax.Node) string {
	h := sha256.New()
	var write func(n *syntax.Node)
	write = func(n *syntax.Node) {
		if n == nil {
			return
		}
		fmt.Fprintf(h, "%d %q %d %d ", n.Kind, n.Text, len(n.Items), len(n.Pairs))
		for _, item := range n.Items {
			write(item)
		}
		for _, p := range n.Pairs {
			fmt.Fprintf(h, "%q ", p.Key)
			write(p.Value)
		}
	}
	for _, n := range nodes {
		write(n)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// bareReference warns of text that is all that an expression would be, but for
// the ${{ }}: `data.token`, where there is such a data point, also behind
// "Bearer ", and of `${data.token}` anywhere. It would be sent as these letters.
func (c *checker) bareReference(n *syntax.Node) {
	if n.Kind != syntax.String {
		return
	}
	text := strings.TrimSpace(n.Text)
	if len(text) <= maxReference && c.reference(n, text, strings.TrimPrefix(text, "Bearer ")) {
		return
	}
	for rest := text; ; {
		from := strings.Index(rest, "${")
		if from < 0 {
			return
		}
		rest = rest[from:]
		to := strings.IndexByte(rest[:min(len(rest), maxReference)], '}') + 1
		if to > 0 && c.reference(n, text, rest[:to]) {
			return
		}
		rest = rest[2:]
	}
}

// reference warns of a part of a text if it names something.
func (c *checker) reference(n *syntax.Node, text, part string) bool {
	inside := strings.TrimPrefix(part, "$")
	if inner, braces := strings.CutPrefix(inside, "{"); braces {
		inside = strings.TrimSpace(strings.TrimSuffix(inner, "}"))
	}
	root, rest, dotted := strings.Cut(inside, ".")
	if !dotted || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789_.[]") != "" {
		return false
	}
	name := rest
	if end := strings.IndexAny(rest, ".["); end >= 0 {
		name = rest[:end]
	}
	var known bool
	switch root {
	case "inputs":
		_, known = c.inputNames[name]
	case "secrets":
		_, known = c.secretNames[name]
	case "data":
		known = c.find(name) != nil
	}
	if known {
		hint := "write ${{ " + inside + " }}" // what stands around it may be for nobody's eyes
		if around := strings.TrimSuffix(text, part); around == "" || around == "Bearer " {
			hint = fmt.Sprintf("write \"%s${{ %s }}\"", around, inside)
		}
		c.warnAt(n.Span, diag.ForeignSpelling, hint, "`%s` is text: an expression begins with `${{`", part)
	}
	return known
}

// maxReference is the longest text that is taken for a reference without braces.
const maxReference = 200

// typographic warns of quotes that a word processor has made: they are none of
// YAML's, and would be sent.
func (c *checker) typographic(n *syntax.Node) {
	if n.Kind == syntax.String && (strings.HasPrefix(n.Text, "“") || strings.HasPrefix(n.Text, "„")) && strings.HasSuffix(n.Text, "”") {
		c.warnAt(n.Span, diag.WrongValue, "write \" or '", "“ and ” are letters of the text, and no quotes around it")
	}
}
