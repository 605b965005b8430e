package flow

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// field adds the leaves of a field, each under its own name.
func (w *outliner) field(s *OutlineStep, name, key string, v *plan.Value) {
	switch {
	case v.Const == "" && v.Template == nil && !v.IsList:
		for i := range v.Pairs {
			w.field(s, name+"."+v.Pairs[i].Key, v.Pairs[i].Key, &v.Pairs[i].Value)
		}
	case v.Const == "" && v.Template == nil:
		for i := range v.Items {
			w.field(s, name+"."+strconv.Itoa(i), key, &v.Items[i])
		}
	default:
		text, reads := w.value(v, s.Number)
		if datapoints.SensitiveName(key) {
			text = withoutConstant(text, key, v)
		}
		s.Fields = append(s.Fields, OutlineField{name, text, reads})
	}
}

// withoutConstant is the text of a sensitive value: masked, if the secret
// itself stands in the file.
func withoutConstant(text, name string, v *plan.Value) string {
	constant := v.Const != ""
	if v.Template != nil {
		_, constant = v.Template.Constant()
	}
	if constant {
		return "[secret " + name + "]"
	}
	return text
}

// value writes a value with {name} for what is not known, and says which data
// points it reads, as seen from the step with that number.
func (w *outliner) value(v *plan.Value, number int) (string, []OutlineRead) {
	var b strings.Builder
	var refs []expression.Ref
	outlineValue(&b, v, &refs, true)
	return b.String(), w.reads(refs, number)
}

func outlineValue(b *strings.Builder, v *plan.Value, refs *[]expression.Ref, top bool) {
	switch {
	case v.Const != "":
		text := datapoints.MaskMembers(v.Const)
		if top {
			text = datapoints.JSON(text).RevealText()
		}
		b.WriteString(text)
	case v.Template != nil:
		*refs = append(*refs, v.Template.Refs()...)
		text, constant := v.Template.Constant()
		if !constant {
			text = placeholders(v.Template.Source())
		}
		if !top {
			text = jsonString(text)
		}
		b.WriteString(text)
	case v.IsList:
		b.WriteByte('[')
		for i := range v.Items {
			if i > 0 {
				b.WriteString(", ")
			}
			outlineValue(b, &v.Items[i], refs, false)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i := range v.Pairs {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(jsonString(v.Pairs[i].Key) + ": ")
			outlineValue(b, &v.Pairs[i].Value, refs, false)
		}
		b.WriteByte('}')
	}
}

// reads are the data points among references, each once, and who may have
// saved them before the step with that number.
func (w *outliner) reads(refs []expression.Ref, number int) []OutlineRead {
	var reads []OutlineRead
	for _, r := range refs {
		handle, ok := r.Handle.(*plan.Ref)
		if !ok || handle.Point == nil {
			continue
		}
		if slices.ContainsFunc(reads, func(o OutlineRead) bool { return o.Name == r.Name }) {
			continue
		}
		read := OutlineRead{Name: r.Name, From: []string{}, Steps: []int{}, Class: className(handle.Point.Class)}
		for _, s := range w.savers[handle.Point] {
			if s.number < number {
				read.From = append(read.From, s.path)
				read.Steps = append(read.Steps, s.number)
			}
		}
		reads = append(reads, read)
	}
	return reads
}

// placeholders writes {name} for each ${{ }} of a text.
func placeholders(source string) string {
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
