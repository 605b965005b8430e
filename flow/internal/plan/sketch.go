package plan

import (
	"strings"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// Sketch writes a value with {name} for what is not known, and adds what it
// refers to. mask masks what is secret in a constant.
func (v *Value) Sketch(b *strings.Builder, refs *[]expression.Ref, mask func(json string) string) {
	v.sketch(b, refs, mask, true)
}

func (v *Value) sketch(b *strings.Builder, refs *[]expression.Ref, mask func(string) string, top bool) {
	switch {
	case v.Const != "":
		text := mask(v.Const)
		if top && strings.HasPrefix(text, `"`) {
			text = decode(text)
		}
		b.WriteString(text)
	case v.Template != nil:
		*refs = append(*refs, v.Template.Refs()...)
		text, constant := v.Template.Constant()
		if !constant {
			text = Placeholders(v.Template.Source())
		}
		if !top {
			text = quote(text)
		}
		b.WriteString(text)
	case v.IsList:
		b.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			v.Items[i].sketch(b, refs, mask, false)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i := range v.Pairs {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(quote(v.Pairs[i].Key) + ": ")
			v.Pairs[i].Value.sketch(b, refs, mask, false)
		}
		b.WriteByte('}')
	}
}

// Placeholders writes {name} for each ${{ }} of a text.
func Placeholders(source string) string {
	var b strings.Builder
	for {
		at := strings.Index(source, "${{")
		if at < 0 {
			break
		}
		end := closing(source[at+3:])
		if end < 0 {
			break
		}
		b.WriteString(source[:at])
		b.WriteString("{" + briefly(strings.TrimSpace(source[at+3:at+3+end])) + "}")
		source = source[at+3+end+2:]
	}
	b.WriteString(source)
	return b.String()
}

// closing finds the }} that ends an expression, over quotes and brackets.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && c != '`' {
					i++
				}
			}
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			if depth == 0 && strings.HasPrefix(s[i:], "}}") {
				return i
			}
			depth--
		}
	}
	return -1
}

// briefly is an expression in few words: of a plain reference the name alone.
func briefly(expr string) string {
	for _, root := range []string{"inputs.", "secrets.", "data."} {
		if name, ok := strings.CutPrefix(expr, root); ok && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_0123456789") == "" {
			return name
		}
	}
	return expr
}

// From says in words where a saved value comes from.
func (v *Save) From() string {
	switch v.Source {
	case FromPath:
		return v.Path.Source()
	case FromExpression:
		return v.Expression.Source()
	case FromHeader:
		return "header " + v.Text
	case FromCookie:
		return "cookie " + v.Text
	case FromRegex:
		return "regex " + v.Text
	}
	return "body " + v.Text
}
