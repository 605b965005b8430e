package syntax

import (
	"fmt"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/diag"
)

const (
	maxSteps = 2_000 // in a file
	maxLoops = 3     // for_each in each other
)

// list reads a list of steps.
func (r *reader) list(p Pair) []*Step {
	n := p.Value
	switch {
	case n.Kind == Mapping:
		r.report(n.Span, diag.WrongShape, "begin each step with `- id: NAME`", "%q is a list of steps, not a mapping", p.Key)
		return nil
	case n.Kind != List:
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q is a list of steps, not %s", p.Key, describe(n))
		return nil
	case len(n.Items) == 0:
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q has no step", p.Key)
		return nil
	}
	steps := make([]*Step, 0, len(n.Items))
	for _, item := range n.Items {
		if r.steps++; r.steps > maxSteps {
			if r.steps == maxSteps+1 {
				r.report(item.Span, diag.OverLimit, "split the flow", "the file has more than %d steps", maxSteps)
			}
			break
		}
		if s := r.step(item); s != nil {
			steps = append(steps, s)
		}
	}
	return steps
}

// step reads one step; nil if it is not a mapping.
func (r *reader) step(n *Node) *Step {
	f, ok := r.open(n, &stepKeys, "a step")
	if !ok {
		return nil
	}
	s := &Step{Span: n.Span}
	f.stepID(s)
	f.verb(s)
	s.Description = f.text("description")
	if p, has := f.get("if"); has {
		s.If = r.expression(p)
	}
	s.Timeout = f.duration("timeout")
	f.allowed(s)
	p, loop := f.get("for_each")
	if loop = loop && f.on("for_each", s); loop {
		s.ForEach = r.forEach(p)
		r.loops++
		if r.loops == maxLoops+1 {
			r.report(p.KeySpan, diag.OverLimit, "flatten the list before the loop", "more than %d loops lie in each other", maxLoops)
		}
	}
	f.readVerb(s)
	if loop { // what stands around the step is outside of it
		r.loops--
	}
	f.readAround(s)
	return s
}

// stepID reads the step's id, which is unique in the file.
func (f *fields) stepID(s *Step) {
	p, has := f.get("id")
	if !has {
		if !f.guessed("id") {
			f.missing("id", "the step", "a name of its own, for paths, reports and steps.ID")
		}
		return
	}
	s.Span = p.KeySpan
	if p.Value.Span.Line == p.KeySpan.Line {
		s.Span.EndColumn = max(s.Span.EndColumn, p.Value.Span.EndColumn)
	}
	id, ok := f.r.id(p, false)
	if !ok {
		return
	}
	s.ID = id
	f.r.notAPart(id, "a step")
	if first, twice := f.r.ids[id.Name]; twice {
		f.r.report(id.Span, diag.DuplicateName, "ids are unique in the file, in blocks and `else` too", "there is a step %q already", id.Name).
			Notes = []string{fmt.Sprintf("on line %d", first.Line)}
		return
	}
	f.r.ids[id.Name] = id.Span
}

// verb finds the one verb of a step.
func (f *fields) verb(s *Step) {
	var first *Key
	for _, p := range f.node.Pairs {
		key := stepKeys.Key(p.Key)
		if key == nil || key.Verb == NoVerb {
			continue
		}
		if first != nil {
			f.r.report(p.KeySpan, diag.OneVerb, "make two steps of it", "a step does one thing, this one has %q and %q", first.Name, key.Name)
			continue
		}
		first = key
		s.Verb, s.VerbSpan = key.Verb, p.KeySpan
	}
	if first != nil {
		return
	}
	for _, g := range f.guess {
		if key := stepKeys.Key(g); key != nil && key.Verb != NoVerb {
			return
		}
	}
	hint := "write `action: http` with its `with`, or one of set, steps, parallel, flow, wait, callback, fail"
	if hasKey(f, "with") {
		hint = "write `action: http`"
	}
	f.r.report(s.Span, diag.OneVerb, hint, "the step does nothing: it has no verb")
}

// verbName is the verb as the author wrote it.
func verbName(v Verb) string {
	for _, key := range stepKeys.Keys {
		if key.Verb == v && v != NoVerb {
			return key.Name
		}
	}
	return ""
}

// on says whether a key may stand at the step.
func (f *fields) on(key string, s *Step) bool {
	return s.Verb == NoVerb || stepKeys.Key(key).On.Has(s.Verb)
}

// allowed reports keys that do not go with the verb.
func (f *fields) allowed(s *Step) {
	for _, p := range f.node.Pairs {
		key := stepKeys.Key(p.Key)
		if key == nil || key.Verb != NoVerb {
			continue
		}
		if !f.on(key.Name, s) {
			d := f.r.report(p.KeySpan, diag.KeyNotAllowed, notAllowedHint(key, s.Verb), "%q does not go with %q", key.Name, verbName(s.Verb))
			if names := verbNames(key.On); names != "" {
				d.Message += "; it goes with " + names
			}
		}
	}
}

// verbNames lists the verbs that are in the set.
func verbNames(s Verbs) string {
	var names []string
	for _, key := range stepKeys.Keys {
		if key.Verb != NoVerb && s.Has(key.Verb) {
			names = append(names, key.Name)
		}
	}
	return strings.Join(names, ", ")
}

func notAllowedHint(key *Key, v Verb) string {
	switch {
	case key.Name == "concurrency":
		return "in a loop it belongs into `for_each`"
	case key.Name == "save" && v == Set:
		return "`set` saves by itself"
	case key.Name == "for_each" && v == Fail:
		return "put the `fail` into a block: `steps: […]` with the `for_each`"
	case key.Name == "finally", (key.Name == "retry" || key.Name == "poll") && v == Parallel:
		return fmt.Sprintf("put the step into a block: `steps: […]` with the `%s`", key.Name)
	case v == Parallel && (key.Name == "save" || key.Name == "expect"):
		return "write it at the step in the branch that gets the answer"
	case key.Name == "for_each" && v == Wait:
		return "put the `wait` into a block: `steps: […]` with the `for_each`"
	case key.Name == "for_each" && v == Callback:
		return "a run gets one message of a callback: wait for it once, outside of loops"
	case v == Block && (key.Name == "save" || key.Name == "expect"):
		return "write it at the step in the block that gets the answer"
	}
	return ""
}

// readVerb reads what the verb takes.
func (f *fields) readVerb(s *Step) {
	switch s.Verb {
	case Action:
		p, _ := f.get("action")
		if text, ok := f.r.text(p); ok {
			s.Action = ID{Name: text, Span: p.Value.Span}
		}
	case Set:
		p, _ := f.get("set")
		s.Set = f.r.names(p)
		if p.Value.Kind == Mapping && len(p.Value.Pairs) == 0 && !p.Value.marks.holes {
			f.r.report(p.Value.Span, diag.WrongShape, "write `set: { NAME: value }`", "`set` sets nothing")
		}
	case Fail:
		p, _ := f.get("fail")
		if n := p.Value; n.Kind == List || n.Kind == Mapping || n.Kind == Null {
			f.r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "say why: `fail: the patient is not registered`", "`fail` takes text, not %s", describe(n))
		} else {
			s.Fail = n
		}
	case Block:
		p, _ := f.get("steps")
		s.Steps = f.r.list(p)
	case SubFlow:
		p, _ := f.get("flow")
		if text, ok := f.r.text(p); ok {
			s.SubFlow = ID{Name: text, Span: p.Value.Span}
		}
	case Parallel:
		p, _ := f.get("parallel")
		s.Branches = f.r.branches(p)
		if v := f.integer("concurrency", 1, maxConcurrency); v != nil {
			s.Concurrency = *v
		}
	case Wait:
		s.Wait = f.pause()
	case Callback:
		p, _ := f.get("callback")
		s.Callback, _ = f.r.id(p, false)
	}
	if p, has := f.get("with"); has && f.on("with", s) {
		s.With = f.r.with(p, s)
	}
}

// pause reads how long a step waits: a duration, or the time at which it ends.
// It is nil if that was wrong.
func (f *fields) pause() *Pause {
	p, _ := f.get("wait")
	w := &Pause{Span: p.KeySpan}
	if p.Value.Kind != Mapping {
		if w.For = p.Value; strings.Contains(p.Value.Text, "${{") {
			return w
		}
		if _, err := time.Parse(time.RFC3339, w.For.Text); err == nil && w.For.Kind == String {
			f.r.report(w.For.Span, diag.BadDuration, fmt.Sprintf("write `wait: { until: %q }`", w.For.Text), "%s is a time, and a wait by itself takes a duration", w.For.Text)
			return nil
		}
		if d := f.duration("wait"); d == nil {
			return nil
		}
		return w
	}
	g, _ := f.r.open(p.Value, &waitKeys, "`wait`")
	g.require("`wait`")
	until, has := g.get("until")
	if !has {
		return nil
	}
	if w.Until = until.Value; w.Until.Kind == String && w.Until.Text != "" {
		return w
	}
	f.r.report(orKey(until.Value.Span, until.KeySpan), diag.WrongShape, "write it like 2026-11-30T09:00:00Z, or ${{ data.due }}", "\"until\" takes a time, not %s", describe(until.Value))
	return nil
}

// readAround reads the keys around the verb.
func (f *fields) readAround(s *Step) {
	if p, has := f.get("expect"); has && f.on("expect", s) {
		s.Expect = f.r.expect(p)
	}
	if p, has := f.get("save"); has && f.on("save", s) {
		s.Save = f.r.saves(p)
	}
	if p, has := f.get("retry"); has && f.on("retry", s) {
		s.Retry = f.r.retry(p, s.Verb)
	}
	if p, has := f.get("poll"); has && f.on("poll", s) {
		s.Poll = f.r.poll(p)
	}
	if p, has := f.get("pages"); has && f.on("pages", s) {
		if hasKey(f, "poll") {
			f.r.report(p.KeySpan, diag.KeysExclude, "wait in one step and fetch the pages in the next", "\"poll\" and \"pages\" cannot stand together")
		}
		s.Pages = f.r.pages(p, s)
	}
	if p, has := f.get("on_error"); has {
		s.OnErrorSpan = p.KeySpan
		s.OnError = f.choice("on_error", "continue") == "continue"
	}
	if p, has := f.get("catch"); has {
		s.CatchSpan = p.KeySpan
		s.Catch = f.r.clauses(p)
	}
	if p, has := f.get("finally"); has && f.on("finally", s) {
		s.FinallySpan = p.KeySpan
		s.Finally = f.r.list(p)
	}
	if p, has := f.get("else"); has {
		s.HasElse = true
		if !hasKey(f, "if") && !f.guessed("if") {
			f.r.report(p.KeySpan, diag.MissingKey, "write `if`, or put the steps after this one", "`else` without `if` never runs")
		}
		s.Else = f.r.list(p)
	}
}
