package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// An argument is what is given for a field of an action; node is nil if nothing is.
type argument struct {
	field     *Field
	node      *syntax.Node
	inherited bool // from defaults
	meant     bool // a key that is nearly its name was reported
}

// arguments are a step's, one for each field of its action, in that order.
type arguments []argument

// A static is what an action's Check looks at. Beyond Static it gives the files
// that the flow names, which become part of the plan.
type static struct {
	arguments
	checker *checker
}

var _ Static = static{}

// File reads a file by the name that stands in the flow; the error is for the author.
func (s static) File(name string) ([]byte, error) {
	_, text, err := s.checker.load(s.checker.file.File, name)
	return text, err
}

// defaults checks the keys of defaults.http, once; what stands behind them is
// checked in each step that takes it.
func (c *checker) defaults() {
	d := c.file.HTTP
	if d == nil {
		return
	}
	if d.Kind != syntax.Mapping {
		c.errorAt(d.Span, diag.WrongShape, "", "`defaults.http` must be a mapping")
		return
	}
	c.shared = map[use]*expression.Template{}
	c.share(d)
	var known []string
	own := map[string]bool{}
	for _, a := range c.kit.Actions {
		if !a.Web {
			continue
		}
		for i := range a.Fields {
			f := &a.Fields[i]
			if !f.Own {
				known = append(known, f.Name)
			} else {
				own[f.Name] = true
			}
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, p := range d.Pairs {
		switch {
		case strings.HasPrefix(p.Key, "x-") || slices.Contains(known, p.Key):
		case own[p.Key]:
			c.errorAt(p.KeySpan, diag.KeyNotAllowed, "write it in the step's `with`", "%q cannot stand in `defaults.http`: it belongs to one step", p.Key)
		default:
			c.unknownKey(p, known, "`defaults.http`")
		}
	}
}

// arguments merges a step's `with` over the defaults.
func (c *checker) arguments(s *syntax.Step, spec *Action) arguments {
	args := make(arguments, len(spec.Fields))
	for i := range args {
		args[i].field = &spec.Fields[i]
	}
	if spec.Web && c.file.HTTP != nil {
		c.inherit(args)
	}
	if s.With == nil {
		return args
	}
	if s.With.Kind != syntax.Mapping { // that was reported
		return args
	}
	for _, p := range s.With.Pairs {
		a := args.of(p.Key)
		switch {
		case a != nil:
			c.argument(args, a, p)
		case !strings.HasPrefix(p.Key, "x-"):
			near := c.unknownKey(p, fieldNames(spec.Fields), fmt.Sprintf("`with` of the action %q", s.Action.Name))
			if a := args.of(near); a != nil {
				a.meant = true
			}
		}
	}
	return args
}

// maxInherited is how many values the steps of a file may take from its
// defaults, all together: each step has its own copy of them.
const maxInherited = 100_000

// inherit takes over the defaults.
func (c *checker) inherit(args arguments) {
	if c.inherited > maxInherited {
		return
	}
	for _, p := range c.file.HTTP.Pairs {
		if a := args.of(p.Key); a != nil && !a.field.Own && p.Value.Kind != syntax.Null {
			a.node, a.inherited = p.Value, true
			c.inherited += 1 + len(p.Value.Pairs) + len(p.Value.Items)
		}
	}
	if c.inherited > maxInherited {
		c.errorAt(c.file.HTTP.Span, diag.OverLimit, "split the flow, or write what few steps need into those steps",
			"the steps take more than %d values from the defaults", maxInherited)
	}
}

// A use is a text of the defaults as a field takes it: a URL or not.
type use struct {
	node *syntax.Node
	url  bool
}

// share marks the expressions of the defaults: those that mean the same in
// every step are compiled once.
func (c *checker) share(n *syntax.Node) {
	if isExpression(n) {
		c.shared[use{n, false}], c.shared[use{n, true}] = nil, nil
	}
	for _, item := range n.Items {
		c.share(item)
	}
	for _, p := range n.Pairs {
		c.share(p.Value)
	}
}

// argument takes one key of a step's `with`.
func (c *checker) argument(args arguments, a *argument, p syntax.Pair) {
	f := a.field
	if f.Group != "" {
		for i := range args {
			b := &args[i]
			if b == a || b.node == nil || b.field.Group != f.Group {
				continue
			}
			if b.inherited {
				*b = argument{field: b.field}
			} else if p.Value.Kind != syntax.Null {
				c.errorAt(p.KeySpan, diag.KeysExclude, "keep one of them", "%q and %q cannot stand together", b.field.Name, f.Name)
			}
		}
	}
	switch {
	case p.Value.Kind == syntax.Null && f.Type != JSONField: // takes the setting away
		*a = argument{field: f}
	case f.Type == PairsField && a.node != nil && a.node.Kind == syntax.Mapping && p.Value.Kind == syntax.Mapping:
		*a = argument{field: f, node: mergePairs(f, a.node, p.Value)}
	default:
		*a = argument{field: f, node: p.Value}
	}
}

// mergePairs puts a step's pairs over the defaults', whose order comes first.
func mergePairs(f *Field, under, over *syntax.Node) *syntax.Node {
	merged := &syntax.Node{Kind: syntax.Mapping, Span: over.Span, Pairs: slices.Clone(under.Pairs)}
	for _, p := range over.Pairs {
		if i := pairAt(f, merged.Pairs[:len(under.Pairs)], p.Key); i >= 0 {
			merged.Pairs[i] = p
		} else {
			merged.Pairs = append(merged.Pairs, p)
		}
	}
	return merged
}

// pairAt finds a key; those of headers without regard to case (RFC 9110 §5.1).
func pairAt(f *Field, pairs []syntax.Pair, key string) int {
	for i := range pairs {
		if pairs[i].Key == key || f.Name == "headers" && strings.EqualFold(pairs[i].Key, key) {
			return i
		}
	}
	return -1
}

func (args arguments) of(name string) *argument {
	for i := range args {
		if args[i].field.Name == name {
			return &args[i]
		}
	}
	return nil
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i := range fields {
		names[i] = fields[i].Name
	}
	return names
}

// find goes down mappings. What is not there gives the last node that is.
func (args arguments) find(path []string) (n *syntax.Node, there bool) {
	if len(path) == 0 {
		return nil, false
	}
	a := args.of(path[0])
	if a == nil || a.node == nil {
		return nil, false
	}
	n = a.node
	for _, key := range path[1:] {
		next := member(n, key, a.field.Type == PairsField)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, n.Kind != syntax.Null
}

// keySpan is where the last key of a path stands; that of a field itself is not known.
func (args arguments) keySpan(path []string) (diag.Span, bool) {
	if len(path) < 2 {
		return diag.Span{}, false
	}
	n, there := args.find(path[:len(path)-1])
	if !there {
		return diag.Span{}, false
	}
	for _, p := range n.Pairs {
		if p.Key == path[len(path)-1] {
			return p.KeySpan, true
		}
	}
	return diag.Span{}, false
}

func member(n *syntax.Node, key string, anyCase bool) *syntax.Node {
	for i := range n.Pairs {
		if n.Pairs[i].Key == key || anyCase && strings.EqualFold(n.Pairs[i].Key, key) {
			return n.Pairs[i].Value
		}
	}
	return nil
}

// Text implements Static.
func (args arguments) Text(path ...string) (text string, constant, there bool) {
	n, there := args.find(path)
	if !there || n.Kind >= syntax.List {
		return "", false, false
	}
	return n.Text, !strings.Contains(n.Text, "${{"), true
}

// Keys implements Static.
func (args arguments) Keys(path ...string) []string {
	var keys []string
	if len(path) == 0 {
		for i := range args {
			if args[i].node != nil {
				keys = append(keys, args[i].field.Name)
			}
		}
		return keys
	}
	n, there := args.find(path)
	if !there {
		return nil
	}
	for _, p := range n.Pairs {
		if p.Value.Kind != syntax.Null {
			keys = append(keys, p.Key)
		}
	}
	return keys
}

// fields compiles the arguments, in the order of the action's Spec.
func (c *checker) fields(s *syntax.Step, spec *Action, args arguments, call *plan.CallSpec) {
	for i := range args {
		a := &args[i]
		if a.node == nil {
			if a.field.Required && !a.meant && (s.With == nil || s.With.Kind == syntax.Mapping) {
				c.missing(a.field, fmt.Sprintf("`with` of the action %q", s.Action.Name), whereWith(s))
			}
			continue
		}
		if a.field.Type == CredentialField {
			c.auth(a, call)
			continue
		}
		r := rendering{checker: c}
		c.at.request = a.field.PerTry
		v := r.value(a.field, a.node)
		c.at.request = false
		f := plan.Field{
			Name: a.field.Name, Rank: i, Value: v, Class: r.class, PerTry: r.request,
			Options: options(a.field),
		}
		if t := v.Template; f.Options.URL && t != nil {
			f.Origin = origin(t)
		}
		if f.Options.Allows {
			c.decided(a.field.Name, a.node, false)
		}
		call.Now = call.Now || r.clock
		call.Fields = append(call.Fields, f)
		if a.field.Name == "repeatable" && a.node.Kind == syntax.Boolean {
			yes := a.node.Text == "true"
			call.Repeatable = &yes
		}
	}
	c.trust(args, call)
}

func options(f *Field) plan.FieldOptions {
	return plan.FieldOptions{URL: f.Type == URLField, Destination: f.Destination, Allows: f.Allows, JSON: f.Type == JSONField}
}

func (c *checker) missing(f *Field, where string, at diag.Span) {
	hint, _, _ := strings.Cut(f.Doc, ".")
	if hint != "" {
		hint = fmt.Sprintf("`%s`: %s", f.Name, strings.ToLower(hint[:1])+hint[1:])
	}
	c.errorAt(at, diag.MissingKey, hint, "%s lacks %q: %s", where, f.Name, describe(f))
}

// whereWith is where a key of `with` is missing.
func whereWith(s *syntax.Step) diag.Span {
	if s.With != nil {
		return s.With.Span
	}
	return s.Action.Span
}

func origin(t *expression.Template) plan.Trust {
	switch {
	case t.Relative():
		return plan.NoOrigin
	case t.OriginForeign():
		return plan.Foreign
	}
	return plan.Trusted
}

// trust refuses a step that sends something sensitive to where only data or an
// answer says. One with any trusted origin is compared when it runs.
func (c *checker) trust(args arguments, call *plan.CallSpec) {
	var foreign, sent *plan.Field
	trusted := false
	for i := range call.Fields {
		f := &call.Fields[i]
		switch {
		case f.Options.Allows, f.Options.Destination && f.Origin == plan.Trusted:
			trusted = true
		case f.Options.Destination && f.Origin == plan.Foreign:
			foreign = f
		}
		if f.Class == plan.Sensitive {
			sent = f
		}
	}
	c.authorized(args, call, foreign, trusted)
	if foreign == nil || sent == nil || trusted {
		return
	}
	who, hint := c.sayer(&foreign.Value, "name the origin in `allow_secrets_to`")
	c.errorAt(args.of(foreign.Name).node.Span, diag.UntrustedOrigin, hint,
		"this step sends something sensitive in `%s`, and only %s says where to", sent.Name, who)
}

func article(s string) string {
	switch s {
	case "list", "mapping":
		return "a " + s
	}
	if strings.HasPrefix(s, "number ") {
		return "the " + s
	}
	return s
}
