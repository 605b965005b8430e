package check

import (
	"fmt"
	"regexp"

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
			c.errorAt(from.Value.Span, diag.KeyNotAllowed, "", "answers of the action %q have no headers", s.Action.Name)
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
