package plan

import (
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
)

// A RenderError says which value of the file could not be rendered.
type RenderError struct {
	Span diag.Span
	Err  error
}

func (e *RenderError) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *RenderError) Unwrap() error { return e.Err }

// Render writes a value as JSON, in the order the author wrote it. The error
// is a *RenderError.
func (v *Value) Render(b *strings.Builder, e expression.Env) error {
	return v.RenderSeeing(b, e, func(string) {})
}

// RenderSeeing is Render that shows the JSON of each expression's value, which
// is what the author did not write.
func (v *Value) RenderSeeing(b *strings.Builder, e expression.Env, see func(json string)) error {
	switch {
	case v.Const != "":
		b.WriteString(v.Const)
	case v.Template != nil:
		return v.scalar(b, e, see)
	case v.IsList:
		b.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := v.Items[i].RenderSeeing(b, e, see); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i := range v.Pairs {
			if i > 0 {
				b.WriteByte(',')
			}
			writeKey(b, v.Pairs[i].Key)
			b.WriteByte(':')
			if err := v.Pairs[i].Value.RenderSeeing(b, e, see); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	}
	return nil
}

// Rendered is what RenderSeeing writes.
func (v *Value) Rendered(e expression.Env, see func(json string)) (string, error) {
	if v.Template != nil {
		return v.scalarText(e, see)
	}
	var b strings.Builder
	b.Grow(64)
	err := v.RenderSeeing(&b, e, see)
	return b.String(), err
}

func (v *Value) scalar(b *strings.Builder, e expression.Env, see func(json string)) error {
	text, err := v.scalarText(e, see)
	b.WriteString(text)
	return err
}

func (v *Value) scalarText(e expression.Env, see func(json string)) (string, error) {
	text, err := v.Template.JSON(e)
	if err != nil {
		return "", &RenderError{v.Span, err}
	}
	see(text)
	return text, nil
}

// writeKey writes a key of an object. Most need no escapes.
func writeKey(b *strings.Builder, key string) {
	for i := range len(key) {
		if c := key[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b.WriteString(quote(key))
			return
		}
	}
	b.WriteByte('"')
	b.WriteString(key)
	b.WriteByte('"')
}

// References calls see for each reference in a value, in order.
func (v *Value) References(see func(*expression.Ref)) {
	if v.Template != nil {
		refs := v.Template.Refs()
		for i := range refs {
			see(&refs[i])
		}
	}
	for i := range v.Items {
		v.Items[i].References(see)
	}
	for i := range v.Pairs {
		v.Pairs[i].Value.References(see)
	}
}

// Over merges a rendered field of pages.with over the step's own, "" if it has
// none: mappings by key, anything else takes the place of what was there. Null
// takes a key away; inside a field of any JSON it is a value.
func (f *Field) Over(own, page string) string {
	if own == "" {
		own = "{}"
	}
	return over(own, page, f.Options.JSON, f.Name == "headers")
}

func over(own, page string, keepNull, anyCase bool) string {
	if !strings.HasPrefix(own, "{") || !strings.HasPrefix(page, "{") {
		return page
	}
	type member struct{ key, text string }
	var merged []member
	at := func(key string) int {
		return slices.IndexFunc(merged, func(m member) bool { return m.key == key || anyCase && strings.EqualFold(m.key, key) })
	}
	for key, text := range expression.Members(own) {
		merged = append(merged, member{key, text})
	}
	for key, text := range expression.Members(page) {
		i := at(key)
		switch {
		case text == "null" && !keepNull && i >= 0:
			merged = slices.Delete(merged, i, i+1)
		case text == "null" && !keepNull:
		case i >= 0:
			merged[i].text = over(merged[i].text, text, keepNull, false)
		default:
			merged = append(merged, member{key, over("{}", text, keepNull, false)})
		}
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range merged {
		if i > 0 {
			b.WriteByte(',')
		}
		writeKey(&b, m.key)
		b.WriteByte(':')
		b.WriteString(m.text)
	}
	b.WriteByte('}')
	return b.String()
}
