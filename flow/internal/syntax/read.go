package syntax

import (
	"fmt"
	"math"
	"regexp"
	resyntax "regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
)

// A reader makes the flow of the nodes and collects what is wrong.
type reader struct {
	src       *source
	flow      *Flow
	problems  diag.List
	swallowed []diag.Span
	ids       map[string]diag.Span
	steps     int
	loops     int
}

func (r *reader) report(span diag.Span, code diag.Code, hint, format string, a ...any) *diag.Diagnostic {
	r.problems = append(r.problems, diag.Diagnostic{Span: span, Code: code, Message: fmt.Sprintf(format, a...), Hint: hint})
	return &r.problems[len(r.problems)-1]
}

// result is all problems but those that only follow from a swallowed place.
func (r *reader) result() diag.List {
	kept := r.problems[:0]
	for _, d := range r.problems {
		whole := false
		for _, s := range r.swallowed {
			whole = whole || d.Span == s && d.Code == diag.SwallowedByYAML
		}
		if whole || !r.inSwallowed(d.Span) {
			kept = append(kept, d)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept.Sort()
}

// fields are the pairs of a mapping whose keys the language defines.
type fields struct {
	r     *reader
	node  *Node
	table *Table
	guess []string // keys that an unknown one was probably meant to be
}

// open takes a mapping apart: keys that the table does not have are reported,
// those that begin with x- are left out. What is no mapping has no fields.
func (r *reader) open(n *Node, t *Table, what string) (*fields, bool) {
	f := &fields{r: r, node: n, table: t}
	if n.Kind != Mapping {
		r.report(n.Span, diag.WrongShape, "", "%s is a mapping with keys, not %s", what, describe(n))
		f.node = &Node{Kind: Mapping, Span: n.Span}
		return f, false
	}
	for _, p := range n.Pairs {
		if strings.HasPrefix(p.Key, "x-") || strings.Contains(p.Key, "${{") {
			continue
		}
		if t.Key(p.Key) == nil {
			f.unknown(p)
		}
	}
	return f, true
}

// get is the pair of a key of the table.
func (f *fields) get(key string) (Pair, bool) {
	for _, p := range f.node.Pairs {
		if p.Key == key {
			return p, true
		}
	}
	return Pair{}, false
}

// place is where a key stands.
func (f *fields) place(key string) diag.Span {
	p, _ := f.get(key)
	return p.KeySpan
}

// require reports the keys that the table requires and that are not there.
func (f *fields) require(what string) {
	for _, key := range f.table.Keys {
		if _, has := f.get(key.Name); has || !key.Required || f.guessed(key.Name) {
			continue
		}
		f.missing(key.Name, what, key.Doc)
	}
}

func (f *fields) missing(key, what, doc string) {
	hint := fmt.Sprintf("`%s`: %s", key, doc)
	if key == "stepwell" { // there is one value
		hint = "write `stepwell: 1`: " + doc
	}
	f.r.report(f.node.Span, diag.MissingKey, hint, "%s has no %q", what, key)
}

func (f *fields) guessed(key string) bool {
	for _, g := range f.guess {
		if g == key {
			return true
		}
	}
	return false
}

// text reads constant text; "" if the key is not there or was wrong.
func (f *fields) text(key string) string {
	p, has := f.get(key)
	if !has {
		return ""
	}
	text, _ := f.r.text(p)
	return text
}

// text reads a value that is constant text and not empty.
func (r *reader) text(p Pair) (string, bool) {
	n := p.Value
	switch {
	case n.Kind == Null && n.marks.style == plain && n.Text == "" || n.Kind == String && n.Text == "":
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q is empty", p.Key)
	case n.Kind == List || n.Kind == Mapping:
		r.report(n.Span, diag.WrongShape, "", "%q takes text, not %s", p.Key, describe(n))
	case n.Kind != String:
		r.report(n.Span, diag.WrongShape, fmt.Sprintf(`write "%s"`, n.Text), "%q takes text, and YAML takes this for %s", p.Key, describe(n))
	case !r.constant(p.Key, n):
	default:
		return n.Text, true
	}
	return "", false
}

// constant reports an expression where the value must be constant.
func (r *reader) constant(key string, n *Node) bool {
	i := strings.Index(n.Text, "${{")
	if n.Kind != String || i < 0 {
		return true
	}
	at := utf8.RuneCountInString(n.Text[:i])
	to := utf8.RuneCountInString(n.Text)
	if end, closed := scanExpression(n.Text[i+3:], "}}"); closed {
		to = at + utf8.RuneCountInString(n.Text[i:i+3+end])
	}
	r.report(n.At(at, to), diag.ConstantRequired, "write the value itself", "%q takes no expression: it is fixed before anything runs", key)
	return false
}

// constants reports expressions anywhere in a value.
func (r *reader) constants(key string, n *Node) bool {
	ok := r.constant(key, n)
	for _, item := range n.Items {
		ok = r.constants(key, item) && ok
	}
	for _, p := range n.Pairs {
		ok = r.constants(key, p.Value) && ok
	}
	return ok
}

// boolean reads true or false; nil if it is not there or was wrong.
func (f *fields) boolean(key string) *bool {
	p, has := f.get(key)
	if !has {
		return nil
	}
	n := p.Value
	if n.Kind != Boolean {
		hint := ""
		switch strings.ToLower(n.Text) {
		case "yes", "on", "true", "y", "1":
			hint = "write true"
		case "no", "off", "false", "n", "0":
			hint = "write false"
		}
		if f.r.constant(key, n) {
			f.r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, hint, "%q is true or false, not %s", key, describe(n))
		}
		return nil
	}
	v := n.Text == "true"
	return &v
}

// isTrue reads a boolean that is false where it is not given.
func (f *fields) isTrue(key string) bool {
	b := f.boolean(key)
	return b != nil && *b
}

// integer reads a whole number in [low, high]; nil if it is not there or was wrong.
func (f *fields) integer(key string, low, high int) *int {
	p, has := f.get(key)
	if !has {
		return nil
	}
	n := p.Value
	if !f.r.constant(key, n) {
		return nil
	}
	v, err := strconv.Atoi(n.Text)
	if n.Kind != Number || err != nil && !isRange(err) {
		f.r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "%q takes a whole number, not %s", key, describe(n))
		return nil
	}
	if err != nil || v < low || v > high {
		most := fmt.Sprintf("from %d to %d", low, high)
		if high == math.MaxInt {
			most = fmt.Sprintf("of at least %d", low)
		}
		f.r.report(n.Span, diag.WrongValue, "", "%q takes a whole number %s, not %s", key, most, short(n.Text))
		return nil
	}
	return &v
}

func isRange(err error) bool { return strings.Contains(err.Error(), strconv.ErrRange.Error()) }

// duration reads a constant duration above zero.
func (f *fields) duration(key string) *Duration {
	p, has := f.get(key)
	if !has {
		return nil
	}
	n := p.Value
	if !f.r.constant(key, n) {
		return nil
	}
	if n.Kind == Number {
		f.r.report(n.Span, diag.BadDuration, fmt.Sprintf("write %ss for seconds", n.Text), "the duration %s has no unit", n.Text)
		return nil
	}
	if n.Kind != String {
		f.r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "write it like 30s, 5m or 1h30m", "%q takes a duration, not %s", key, describe(n))
		return nil
	}
	d, err := ParseDuration(n.Text)
	switch {
	case err != nil:
		f.r.report(n.Span, diag.BadDuration, "write it like 200ms, 30s, 5m, 1h30m or 3d", "%s", err)
	case d == 0:
		f.r.report(n.Span, diag.BadDuration, "", "%q must be longer than nothing", key)
	default:
		return &Duration{D: d, Span: n.Span}
	}
	return nil
}

// choice reads one of a few words; "" if it is not there or was wrong.
func (f *fields) choice(key string, words ...string) string {
	p, has := f.get(key)
	if !has {
		return ""
	}
	if p.Value.Kind != String { // `true` or a number is no word either
		f.r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongValue, "", "%q is %s, not %s", key, strings.Join(words, " or "), describe(p.Value))
		return ""
	}
	text, ok := f.r.text(p)
	if !ok {
		return ""
	}
	for _, w := range words {
		if w == text {
			return text
		}
	}
	f.r.report(p.Value.Span, diag.WrongValue, didYouMean(text, words), "%q is %s, not %s", key, strings.Join(words, " or "), describe(p.Value))
	return ""
}

// pattern reads a regular expression that compiles.
func (f *fields) pattern(key string) string {
	p, has := f.get(key)
	if !has {
		return ""
	}
	text, ok := f.r.text(p)
	if !ok {
		return ""
	}
	f.r.compiles(p.Value)
	return text
}

// compiles reports a regular expression that does not compile.
func (r *reader) compiles(n *Node) bool {
	_, err := regexp.Compile(n.Text)
	if err == nil {
		return true
	}
	span, what := n.Span, err.Error()
	if e, is := err.(*resyntax.Error); is {
		what = e.Code.String()
		if i := strings.Index(n.Text, e.Expr); i >= 0 && e.Expr != "" {
			from := utf8.RuneCountInString(n.Text[:i])
			span = n.At(from, from+utf8.RuneCountInString(e.Expr))
		}
	}
	hint := ""
	if strings.Contains(what, "Perl") || strings.Contains(what, "escape") {
		hint = "patterns are RE2's: no look-around, no back references"
	}
	r.report(span, diag.BadPattern, hint, "the pattern does not compile: %s", what)
	return false
}

// nestingCost is how many bytes a bracket that is open costs: yaml's parser
// does far more for one than for a byte of text.
const nestingCost = 64

// openBrackets is how many brackets more are opened than closed before a place.
func (s *source) openBrackets(end int) int {
	open := 0
	for i := range end {
		switch s.text[i] {
		case '[', '{':
			open++
		case ']', '}':
			open--
		}
	}
	return max(open, 0)
}
