package answer

import (
	"slices"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// SecretTexts gives the texts in a rendered field that are sensitive: those of
// the expressions and members that are, or all of them if it is not known which.
// e is where it was rendered.
func SecretTexts(v *plan.Value, e expression.Env, rendered string) []string {
	if v.Template != nil {
		if texts := v.Template.Secrets(e); len(texts) > 0 {
			return texts
		}
	}
	var some []string
	for key, text := range expression.Members(rendered) {
		if i := slices.IndexFunc(v.Pairs, func(p plan.Pair) bool { return p.Key == key }); i >= 0 && sensitive(&v.Pairs[i].Value, key) {
			some = append(some, scalars(text)...)
		}
	}
	if len(some) > 0 {
		return some
	}
	return scalars(rendered)
}

func sensitive(v *plan.Value, key string) bool {
	return v.Template != nil && v.Template.Sensitive() || v.Template == nil && datapoints.SensitiveName(key) ||
		slices.ContainsFunc(v.Items, func(item plan.Value) bool { return sensitive(&item, key) })
}

// scalars are the texts of all scalars in a JSON text but true, false and null.
func scalars(text string) []string {
	v := expression.FromJSON(text)
	if items, ok := v.Items(); ok {
		var all []string
		for _, item := range items {
			if t, err := item.JSON(); err == nil {
				all = append(all, scalars(t)...)
			}
		}
		return all
	}
	switch v.Kind() {
	case expression.Object:
		var all []string
		for _, member := range expression.Members(text) {
			all = append(all, scalars(member)...)
		}
		return all
	case expression.Boolean, expression.Null:
		return nil
	}
	t, _ := v.Text() // scalars have one
	return []string{t}
}
