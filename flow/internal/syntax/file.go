package syntax

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// file reads the whole file.
func (r *reader) file(root *Node) {
	f, ok := r.open(root, &fileKeys, "a flow")
	if !ok {
		return
	}
	f.node.Span = r.flow.Span
	f.require("the flow")
	if n := len(r.problems); !hasKey(f, "name") && !hasKey(f, "steps") && len(f.guess) == 0 && f.declares() {
		r.problems[n-1].Notes = append(r.problems[n-1].Notes, "a file with declarations alone is checked with the flows that include it")
	}
	if p, has := f.get("stepwell"); has {
		r.version(p)
	}
	if p, has := f.get("name"); has {
		r.flow.Name, _ = r.id(p, true)
	}
	r.flow.Description = f.text("description")
	r.declarations(f)
	if p, has := f.get("steps"); has {
		r.flow.Spaces.Steps = p.KeySpan
		r.flow.Steps = r.list(p)
	}
	if p, has := f.get("finally"); has {
		r.flow.Spaces.Finally = p.KeySpan
		r.flow.Finally = r.list(p)
	}
	if p, has := f.get("outputs"); has {
		r.flow.Spaces.Outputs = p.KeySpan
		r.flow.Outputs = r.pairs(p)
	}
}

// declares says whether anything stands there that may stand in an included file.
func (f *fields) declares() bool {
	for _, key := range includedKeys.Keys {
		if key.Name != "stepwell" && hasKey(f, key.Name) {
			return true
		}
	}
	return false
}

// declarations reads what may also stand in an included file.
func (r *reader) declarations(f *fields) {
	r.includes(f)
	r.inputs(f)
	r.secrets(f)
	r.data(f)
	r.credentials(f)
	r.callbacks(f)
	if p, has := f.get("defaults"); has {
		r.defaults(p)
	}
}

// included reads a file with declarations for flows.
func (r *reader) included(root *Node) {
	if root.Kind == Mapping { // what only a flow has is no misspelling
		kept := *root
		kept.Pairs = nil
		for _, p := range root.Pairs {
			if fileKeys.Key(p.Key) == nil || includedKeys.Key(p.Key) != nil {
				kept.Pairs = append(kept.Pairs, p)
				continue
			}
			hint := "leave it away"
			if p.Key == "steps" {
				hint = "to run the steps of a file write a step with `flow: FILE`"
			}
			r.report(p.KeySpan, diag.KeyNotAllowed, hint, "%q does not stand in an included file, which holds declarations only", p.Key)
		}
		root = &kept
	}
	f, ok := r.open(root, &includedKeys, "an included file")
	if !ok {
		return
	}
	if p, has := f.get("stepwell"); has {
		r.version(p)
	}
	r.declarations(f)
}

// project reads the file that marks a project's folder.
func (r *reader) project(root *Node) {
	if root.Kind == Mapping {
		marks := *root
		marks.Pairs = nil
		for _, p := range root.Pairs {
			switch {
			case p.Key == "stepwell" || strings.HasPrefix(p.Key, "x-"):
				marks.Pairs = append(marks.Pairs, p)
			case fileKeys.Key(p.Key) != nil:
				r.report(p.KeySpan, diag.UnknownKey, "give a flow another name: this file marks the project's folder", "%q does not stand in stepwell.yaml, which holds `stepwell: 1` alone", p.Key)
			default:
				r.report(p.KeySpan, diag.UnknownKey, "remove it", "%q does not stand in stepwell.yaml, which holds `stepwell: 1` alone", p.Key)
			}
		}
		root = &marks
	}
	f, ok := r.open(root, &projectKeys, "stepwell.yaml")
	if !ok {
		return
	}
	f.node.Span = r.flow.Span
	f.require("stepwell.yaml")
	if p, has := f.get("stepwell"); has {
		r.version(p)
	}
}

// includes reads the list of files with further declarations.
func (r *reader) includes(f *fields) {
	p, has := f.get("include")
	if !has {
		return
	}
	if p.Value.Kind != List {
		hint := ""
		if p.Value.Kind == String && p.Value.Text != "" {
			hint = fmt.Sprintf("write [ %s ]", short(p.Value.Text))
		}
		r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongShape, hint, "%q is a list of files, not %s", p.Key, describe(p.Value))
		return
	}
	for _, item := range each(p) {
		if text, ok := r.text(item); ok {
			r.flow.Include = append(r.flow.Include, ID{Name: text, Span: item.Value.Span})
		}
	}
}

// version reads `stepwell: 1`.
func (r *reader) version(p Pair) {
	n := p.Value
	if n.Kind == Number && n.Text == "1" {
		return
	}
	d := r.report(orKey(n.Span, p.KeySpan), diag.LanguageVersion, "write `stepwell: 1`", "the language's version is 1, not %s", describe(n))
	if n.Kind == Number && strings.Trim(n.Text, "0123456789") == "" && n.Text != "0" {
		d.Message = fmt.Sprintf("this stepwell knows version 1 of the language, the file is in version %s", short(n.Text))
		d.Hint = "a newer stepwell may know it"
	}
}

// pairs reads a mapping whose keys are the author's.
func (r *reader) pairs(p Pair) []Pair {
	n := p.Value
	if n.Kind != Mapping {
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q is a mapping of names, not %s", p.Key, describe(n))
		return nil
	}
	return n.Pairs
}

// names reads a mapping from names to something.
func (r *reader) names(p Pair) []Pair {
	var good []Pair
	for _, pair := range r.pairs(p) {
		if r.name(pair.Key, pair.KeySpan, false) {
			good = append(good, pair)
		}
	}
	return good
}

// id reads a value that is a name.
func (r *reader) id(p Pair, dash bool) (ID, bool) {
	text, ok := r.text(p)
	if !ok {
		return ID{}, false
	}
	id := ID{Name: text, Span: p.Value.Span}
	return id, r.name(text, id.Span, dash)
}

// name says whether a name may be given; if not it is reported.
func (r *reader) name(name string, span diag.Span, dash bool) bool {
	if strings.Contains(name, "${{") { // reported as a key or value with an expression
		return false
	}
	if validName(name, dash) {
		return true
	}
	hint, rule := "", "small letters, digits and _, a letter first"
	if dash {
		rule = "small letters, digits, _ and -, a letter first"
	}
	if better := nameFrom(name, dash); better != "" {
		hint = fmt.Sprintf("write %s", better)
	}
	if len(name) > maxName {
		hint, rule = "", fmt.Sprintf("at most %d characters", maxName)
	}
	r.report(span, diag.BadName, hint, "%q is not a name: %s", short(name), rule)
	return false
}

// defaults reads defaults.http.
func (r *reader) defaults(p Pair) {
	f, ok := r.open(p.Value, &defaultsKeys, "`defaults`")
	if !ok {
		return
	}
	http, has := f.get("http")
	if !has {
		return
	}
	n := http.Value
	if n.Kind != Mapping {
		r.report(orKey(n.Span, http.KeySpan), diag.WrongShape, "", "`defaults.http` is a mapping of fields, not %s", describe(n))
		return
	}
	settings := *n
	settings.Pairs = nil
	for _, pair := range n.Pairs {
		switch {
		case pair.Key == "retry":
			r.flow.HTTPRetry = r.retry(pair, Action)
		case !strings.HasPrefix(pair.Key, "x-"):
			settings.Pairs = append(settings.Pairs, pair)
		}
	}
	r.flow.HTTP = &settings
}

// with reads an action's fields, where x- keys are for the author's own use, or
// what a sub-flow is given, where every key is an input.
func (r *reader) with(p Pair, s *Step) *Node {
	n := p.Value
	if n.Kind == Null {
		return nil
	}
	if n.Kind != Mapping {
		what := "fields"
		if s.Verb == SubFlow {
			what = "inputs"
		}
		r.report(n.Span, diag.WrongShape, "", "`with` is a mapping of %s, not %s", what, describe(n))
		return n
	}
	if s.Verb == SubFlow {
		return n
	}
	fields := *n
	fields.Pairs = slices.DeleteFunc(slices.Clone(n.Pairs), func(pair Pair) bool { return strings.HasPrefix(pair.Key, "x-") })
	return &fields
}
