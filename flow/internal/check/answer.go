package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// saves compiles what is kept of the answer. All of it is taken before any of
// it counts.
func (c *checker) saves(s *syntax.Step, spec *Action, call *plan.CallSpec) {
	cells := make([]cell, len(s.Save))
	for i, from := range s.Save {
		v := c.find(from.Name)
		if v == nil { // the name is wrong, and that was reported
			continue
		}
		save := plan.Save{
			Point: v.ref.Point, Source: plan.Source(from.Source), Optional: from.Optional,
			Status: ranges(from.Status), Span: from.Span,
		}
		if from.Type != "" {
			save.Type, _ = expression.ParseType(from.Type, "")
			c.savedType(v, from, save.Type)
		}
		found, taint := c.origin(s, spec, from, &save)
		if spec.Sensitive {
			taint = plan.Sensitive
		}
		if save.Type.Kind == expression.Any && v.rule != nil && found.Kind == expression.String && from.Source != syntax.FromExpression {
			save.Type = v.rule.Type // text from outside is converted
		}
		if save.Type.Kind != expression.Any {
			found = save.Type
		}
		c.saveDefault(v, from, &save)
		save.Class = c.saveClass(v, from, taint)
		now := c.savedCell(v, found, save.Class)
		if save.Optional && save.Default == nil || !covers(from.Status, call.Expect.Status) {
			now = v.now.join(now)
		}
		cells[i] = now
		call.Save = append(call.Save, save)
	}
	for i, from := range s.Save {
		if v := c.find(from.Name); v != nil {
			c.keep(v, cells[i])
		}
	}
}

// origin compiles where a value comes from. It gives the type of what is found
// there, as far as it is known, and its class.
func (c *checker) origin(s *syntax.Step, spec *Action, from *syntax.Save, save *plan.Save) (expression.Type, plan.Class) {
	text := expression.Type{Kind: expression.String}
	if from.Value != nil {
		save.Text = from.Value.Text
	}
	switch from.Source {
	case syntax.FromPath:
		class := c.fromPath(from, save)
		t, of := c.output(from, save)
		if v := c.find(from.Name); v != nil && v.rule != nil && save.Type.Kind == expression.Any {
			c.fitsType(from.Value, from.Name, v.rule.Type, t)
		}
		return t, max(class, of)
	case syntax.FromExpression:
		p := c.bare(from.Value)
		if p == nil {
			return expression.Type{}, plan.Plain
		}
		save.Expression = p
		if !save.Type.Accepts(p.Type()) {
			c.errorAt(from.Value.Span, diag.TypeMismatch, "", "%q is saved as %s, this is %s", from.Name, save.Type, typeName(p.Type()))
		} else if v := c.find(from.Name); v != nil && v.rule != nil {
			c.fitsType(from.Value, from.Name, v.rule.Type, p.Type())
		}
		return p.Type(), taint(p)
	case syntax.FromHeader, syntax.FromCookie:
		if !spec.Web {
			c.errorAt(from.Value.Span, diag.KeyNotAllowed, "", "answers of %s have no headers", answerer(s))
		}
		if from.Source == syntax.FromCookie || datapoints.SensitiveName(save.Text) {
			return text, plan.Sensitive
		}
		return text, plan.Plain
	case syntax.FromRegex:
		c.fromRegex(from, save)
		return text, plan.Plain
	case syntax.FromBody:
		save.Text = from.Body
		return text, plan.Plain
	}
	return expression.Type{}, plan.Plain
}

// noBody complains about what is saved from a body that went elsewhere.
func (c *checker) noBody(s *syntax.Step) {
	for _, from := range s.Save {
		switch from.Source {
		case syntax.FromPath, syntax.FromRegex, syntax.FromBody:
			c.errorAt(from.Span, diag.KeyNotAllowed, "save headers here, or leave `save_to` away",
				"the body goes into the file of `save_to`: %q cannot be saved from it", from.Name)
		}
	}
}

func (c *checker) fromPath(from *syntax.Save, save *plan.Save) plan.Class {
	path, problems := expression.CompilePath(from.Value.Text)
	c.expressionProblems(from.Value, problems)
	if failed(problems) || path == nil {
		return plan.Plain
	}
	save.Path = path
	if datapoints.SensitiveName(path.Last()) {
		return plan.Sensitive
	}
	return plan.Plain
}

// fromRegex compiles a regular expression; one that does not compile was reported.
func (c *checker) fromRegex(from *syntax.Save, save *plan.Save) {
	if re, err := regexp.Compile(from.Value.Text); err == nil {
		save.Regex = re
	}
}

// savedType complains if the type of a save and that of the declaration exclude each other.
func (c *checker) savedType(v *variable, from *syntax.Save, t expression.Type) {
	if v.rule != nil && !v.rule.Type.Accepts(t) && !t.Accepts(v.rule.Type) {
		c.errorAt(from.Span, diag.TypeMismatch, "leave `type` away: the declaration's holds",
			"%q is declared as %s and saved here as %s", from.Name, v.rule.Type, t)
	}
}

// saveDefault checks the value that stands in for one that is not there.
func (c *checker) saveDefault(v *variable, from *syntax.Save, save *plan.Save) {
	if from.Default == nil {
		return
	}
	text, ok := c.constant(from.Default)
	if !ok {
		return
	}
	rule := &plan.Rule{Type: save.Type}
	if v.rule != nil {
		with := *v.rule
		if save.Type.Kind != expression.Any {
			with.Type = save.Type
		}
		rule = &with
	}
	if err := rule.Fits(text); err != nil {
		c.errorAt(from.Default.Span, fitCode(rule, text), "", "the default of %q %s", from.Name, err)
		return
	}
	value := expression.FromJSON(text)
	save.Default = &value
}

// saveClass is the class of what is saved. Only a declaration can say that
// something is not sensitive.
func (c *checker) saveClass(v *variable, from *syntax.Save, found plan.Class) plan.Class {
	if from.Sensitive != nil && *from.Sensitive {
		found = plan.Sensitive
	}
	class := v.class(from.Name, found)
	if from.Sensitive != nil && !*from.Sensitive && class == plan.Sensitive {
		c.errorAt(from.Span, diag.WrongValue, fmt.Sprintf("write `data: { %s: { sensitive: false } }`", from.Name),
			"%q is sensitive by its name or its source; only its declaration can say that it is not", from.Name)
	}
	if class == plan.Sensitive && from.Default != nil {
		c.shortValue(from.Default)
	}
	return class
}

// covers says whether every status that an answer may have is one of those
// that a save is limited to.
func covers(limit []syntax.StatusRange, expected []plan.StatusRange) bool {
	if len(limit) == 0 {
		return true
	}
	if len(expected) == 0 {
		expected = []plan.StatusRange{{From: 200, To: 299}}
	}
	for _, e := range expected {
		inside := false
		for _, l := range limit {
			inside = inside || l.From <= e.From && e.To <= l.To
		}
		if !inside {
			return false
		}
	}
	return true
}

// sameKey warns of a poll with an idempotency key. Each poll has the same, as
// it sends the same: so a server that knows such keys gives the first answer again.
func (c *checker) sameKey(args arguments) {
	c.warnAt(args.of("idempotency_key").node.Span, diag.PollRepeatsKey, "poll the status in a step of its own",
		"each poll has the same idempotency key: a server that knows such keys answers the first time's answer for ever")
}

const defaultPages = 100 // without `max`

// pages compiles how a call fetches the pages of an answer; nil if it does not.
func (c *checker) pages(s *syntax.Step, spec *Action, args arguments) *plan.Pages {
	from := s.Pages
	if from == nil {
		return nil
	}
	p := &plan.Pages{Max: defaultPages}
	if from.Max > 0 {
		p.Max = from.Max
	}
	c.at.page = true
	if from.While != nil {
		p.While = c.condition(from.While)
	}
	next := expression.Name{Foreign: true, Ref: &plan.Ref{Next: true}}
	if from.Next != nil {
		p.Next = c.bare(from.Next)
	}
	if p.Next != nil {
		next.Type, next.Sensitive, next.PII = p.Next.Type(), p.Next.Sensitive(), p.Next.PII()
		c.leads(from, p.Next.Type())
	}
	if from.With != nil {
		if from.Next != nil {
			c.at.next = &next
		}
		c.over(s, spec, args, p)
		c.at.next = nil
	} else if from.Next != nil {
		c.byURL(s, spec)
	}
	c.at.page = false
	c.eachFile(from, args)
	return p
}

// leads complains about a next that can lead nowhere.
func (c *checker) leads(from *syntax.Pages, t expression.Type) {
	text := expression.Type{Kind: expression.String}
	switch {
	case t.Kind == expression.Boolean:
		c.errorAt(from.Next.Span, diag.TypeMismatch, "write it as `while`", "`next` is what leads to the next page, this is true or false")
	case from.With == nil && !text.Accepts(t):
		c.errorAt(from.Next.Span, diag.TypeMismatch, "write `with` to say where it goes in the request", "without `with` `next` is the URL of the next page, this is %s", typeName(t))
	}
}

// byURL complains about pages without `with` of an action for which a URL
// alone is no next request.
func (c *checker) byURL(s *syntax.Step, spec *Action) {
	i := slices.IndexFunc(spec.Fields, func(f Field) bool { return f.Name == "url" && f.Type == URLField })
	switch {
	case spec.GraphQL:
		c.errorAt(s.Pages.Span, diag.MissingKey, "such as `with: { variables: { after: \"${{ next }}\" } }`", "the pages of a graphql step need `with`: they all have the same URL")
	case len(spec.Fields) > 0 && i < 0:
		c.errorAt(s.Pages.Span, diag.MissingKey, "", "the pages of the action %q need `with`: it has no URL", s.Action.Name)
	}
}

// eachFile complains about pages that would all be written to one file.
func (c *checker) eachFile(from *syntax.Pages, args arguments) {
	for i := range args {
		a := &args[i]
		if a.node == nil || a.field.Type != PathField || from.With != nil && member(from.With, a.field.Name, false) != nil {
			continue
		}
		c.errorAt(from.Span, diag.MissingKey, fmt.Sprintf("such as `with: { %s: \"page-${{ page + 2 }}.json\" }`", a.field.Name),
			"all pages would be written to the one file of `%s`", a.field.Name)
	}
}

// over compiles the fields that the next request has other than the step's.
func (c *checker) over(s *syntax.Step, spec *Action, args arguments, p *plan.Pages) {
	with := s.Pages.With
	if with.Kind != syntax.Mapping { // that was reported
		return
	}
	if len(spec.Fields) == 0 { // an action that nobody knows
		r := rendering{checker: c}
		r.json(with)
		return
	}
	merged := slices.Clone(args)
	for _, pair := range with.Pairs {
		i := slices.IndexFunc(spec.Fields, func(f Field) bool { return f.Name == pair.Key })
		if i < 0 {
			if !strings.HasPrefix(pair.Key, "x-") {
				c.unknownKey(pair, fieldNames(spec.Fields), fmt.Sprintf("`pages.with` of the action %q", s.Action.Name))
			}
			continue
		}
		f := &spec.Fields[i]
		if f.Allows {
			c.errorAt(pair.KeySpan, diag.KeyNotAllowed, "write it in the step's `with`", "%q cannot stand in `pages.with`: an answer must not say whom to trust", f.Name)
			continue
		}
		field := plan.Field{Name: f.Name, Rank: i, Options: options(f)}
		if pair.Value.Kind == syntax.Null {
			field.Value = wrong(pair.Value)
			merged[i] = argument{field: f}
			if f.Required {
				c.errorAt(pair.Value.Span, diag.MissingKey, "", "`%s` cannot be taken away: the action %q needs it", f.Name, s.Action.Name)
			}
		} else {
			c.excluded(with, args, f, pair)
			r := rendering{checker: c, over: true}
			field.Value = r.value(f, pair.Value)
			field.Class = r.class
			if t := field.Value.Template; field.Options.URL && t != nil {
				field.Origin = origin(t)
			}
			merged[i] = argument{field: f, node: mergeNodes(f, args[i].node, pair.Value)}
		}
		p.With = append(p.With, field)
	}
	slices.SortFunc(p.With, func(a, b plan.Field) int { return a.Rank - b.Rank })
	if spec.Check == nil {
		return
	}
	before := len(c.problems)
	c.complaints(s, merged, spec.Check(static{merged, c}), before)
}

// excluded complains about a field that cannot stand beside one of the step's.
func (c *checker) excluded(with *syntax.Node, args arguments, f *Field, pair syntax.Pair) {
	for i := range args {
		b := &args[i]
		if f.Group == "" || b.field.Group != f.Group || b.field == f {
			continue
		}
		other := member(with, b.field.Name, false)
		if other != nil && after(other.Span, pair.Value.Span) { // it is said there
			continue
		}
		if other == nil && b.node != nil || other != nil && other.Kind != syntax.Null {
			c.errorAt(pair.KeySpan, diag.KeysExclude, fmt.Sprintf("take the other one away: `%s: null`", b.field.Name),
				"the next page would have %q and %q, and they cannot stand together", b.field.Name, f.Name)
		}
	}
}

// mergeNodes puts what stands in pages.with over what stands in the step, as
// is done with what both are rendered to.
func mergeNodes(f *Field, under, over *syntax.Node) *syntax.Node {
	if under == nil || under.Kind != syntax.Mapping || over.Kind != syntax.Mapping {
		return over
	}
	merged := &syntax.Node{Kind: syntax.Mapping, Span: over.Span, Pairs: slices.Clone(under.Pairs)}
	for _, p := range over.Pairs {
		switch i := pairAt(f, merged.Pairs, p.Key); {
		case p.Value.Kind == syntax.Null && f.Type != JSONField:
			if i >= 0 {
				merged.Pairs = slices.Delete(merged.Pairs, i, i+1)
			}
		case i < 0:
			merged.Pairs = append(merged.Pairs, p)
		default:
			p.Value = mergeNodes(f, merged.Pairs[i].Value, p.Value)
			merged.Pairs[i] = p
		}
	}
	return merged
}
