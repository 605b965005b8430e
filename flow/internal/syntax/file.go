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
	if p, has := f.get("stepwell"); has {
		r.version(p)
	}
	if p, has := f.get("name"); has {
		r.flow.Name, _ = r.id(p, true)
	}
	r.flow.Description = f.text("description")
	r.inputs(f)
	r.secrets(f)
	r.data(f)
	if p, has := f.get("defaults"); has {
		r.defaults(p)
	}
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
			r.flow.HTTPRetry = r.retry(pair, false)
		case pair.Key == "auth":
			r.auth(pair)
		case !strings.HasPrefix(pair.Key, "x-"):
			settings.Pairs = append(settings.Pairs, pair)
		}
	}
	r.flow.HTTP = &settings
}

// auth answers `auth: NAME`, which needs credentials.
func (r *reader) auth(p Pair) {
	r.report(p.KeySpan, diag.NotInThisBuild,
		"fetch the token in a step, save it, and send it: `bearer: ${{ data.access_token }}`",
		`"auth" is not in this version; it will put a managed credential's token on the request`)
}

// with reads an action's fields. x- keys are for the author's own use.
func (r *reader) with(p Pair, action string) *Node {
	n := p.Value
	if n.Kind == Null {
		return nil
	}
	if n.Kind != Mapping {
		r.report(n.Span, diag.WrongShape, "", "`with` is a mapping of fields, not %s", describe(n))
		return n
	}
	fields := *n
	fields.Pairs = slices.DeleteFunc(slices.Clone(n.Pairs), func(pair Pair) bool {
		if pair.Key == "auth" && (action == "http" || action == "graphql") {
			r.auth(pair)
			return true
		}
		return strings.HasPrefix(pair.Key, "x-")
	})
	return &fields
}
