package syntax

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"gopkg.in/yaml.v3"
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
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, asNames(p), "%q is a mapping of names, not %s", p.Key, describe(n))
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

// A hider finds the secrets that an author has written out, where names tell that
// they are.
type hider struct {
	src *source
	at  cursor
}

// hideSecrets takes the secrets that are written out in a document out of excerpts.
func (s *source) hideSecrets(document *yaml.Node) {
	h := hider{src: s, at: cursor{src: s}}
	h.value(document, false, ofFile, 0)
}

// A region says what names mean in a part of a file.
type region uint8

const (
	ofValues      region = iota
	ofFile               // its own keys
	ofDeclared           // names with a type or a declaration
	ofSources            // names of secrets
	ofCredentials        // names of credentials
	ofCredential
)

// mapping looks at the members of a mapping, and of those below.
func (h *hider) mapping(y *yaml.Node, in region, depth int) {
	if depth > maxDepth {
		return
	}
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := y.Content[i].Value, y.Content[i+1]
		secret, below := datapoints.SensitiveName(key) || key == "bearer" || key == "basic", ofValues
		switch in {
		case ofFile:
			below = map[string]region{"inputs": ofDeclared, "data": ofDeclared, "secrets": ofSources, "credentials": ofCredentials}[key]
		case ofDeclared:
			h.members(value, secret || isSet(value, "sensitive"), "default", "one_of")
			continue
		case ofSources:
			if secret = true; value.Kind == yaml.MappingNode {
				h.members(value, true, "value")
				continue
			}
		case ofCredentials:
			below = ofCredential
		case ofCredential:
			if key == "send" || key == "token" && value.Kind == yaml.MappingNode { // names and paths
				continue
			}
			secret = secret || key == "value" || key == "key"
			if below = ofCredential; key == "steps" {
				below = ofValues
			}
		case ofValues:
			if key == "save" { // paths
				continue
			}
		}
		h.value(value, secret, below, depth)
	}
}

func (h *hider) value(y *yaml.Node, secret bool, in region, depth int) {
	switch {
	case y.Kind == yaml.MappingNode:
		h.mapping(y, in, depth+1)
	case y.Kind == yaml.SequenceNode && depth <= maxDepth:
		for _, item := range y.Content {
			h.value(item, secret, in, depth+1)
		}
	case secret:
		h.scalar(y)
	}
}

// members hides some members of a mapping.
func (h *hider) members(y *yaml.Node, secret bool, names ...string) {
	for i := 0; y.Kind == yaml.MappingNode && i+1 < len(y.Content); i += 2 {
		if slices.Contains(names, y.Content[i].Value) {
			h.value(y.Content[i+1], secret, ofValues, 0)
		}
	}
}

// isSet says whether a member of a mapping is true.
func isSet(y *yaml.Node, name string) bool {
	for i := 0; y.Kind == yaml.MappingNode && i+1 < len(y.Content); i += 2 {
		if y.Content[i].Value == name && y.Content[i+1].Value == "true" {
			return true
		}
	}
	return false
}

// notSecret are texts that say where a value comes from, perhaps in a wrong way.
var notSecret = regexp.MustCompile(`\$?\{\{|^(\$|data|inputs|secrets|steps|response|run|env|vars|current)[.\[]`)

// scalar hides a text or a number.
func (h *hider) scalar(y *yaml.Node) {
	if y.Kind != yaml.ScalarNode || y.Value == "" || y.Tag == "!!null" || y.Tag == "!!bool" || notSecret.MatchString(y.Value) {
		return
	}
	from := h.at.offset(y.Line, y.Column)
	for rest := h.src.rest(from); strings.HasPrefix(rest, "&") || strings.HasPrefix(rest, "!"); rest = h.src.rest(from) {
		_, after, _ := strings.Cut(rest, " ")
		from += len(rest) - len(strings.TrimLeft(after, " "))
	}
	h.src.mark(from)
	w := walk{src: h.src, text: y.Value, at: from, lean: true}
	if !w.scalar(styleOf(y)) {
		w.at = from + len(h.src.rest(from))
	}
	if s := styleOf(y); s == singleQuoted || s == doubleQuoted {
		from++
	}
	for _, scheme := range []string{"Bearer ", "Basic "} {
		if strings.HasPrefix(h.src.rest(from), scheme) {
			from += len(scheme)
		}
	}
	h.src.hide(from, w.at)
}
