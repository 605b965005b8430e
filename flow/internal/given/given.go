// Package given checks what a flow, or a sub-flow, is given as its inputs.
package given

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// A Wrong is an input that cannot be taken, and why.
type Wrong struct{ Name, Text string }

// A Taken is what a run is started with: one JSON object, and the JSON of each
// input in the order in which they are declared.
type Taken struct {
	Object datapoints.Value
	Texts  []string
}

// Told says in one line what is wrong with inputs and with secrets that cannot
// be read, "" if nothing is. If there is more than one thing each gets a line of its own.
func Told(inputs, secrets []Wrong) (message string, each []Wrong) {
	switch {
	case len(inputs) == 0 && len(secrets) == 0:
		return "", nil
	case len(inputs) == 1 && len(secrets) == 0:
		return "input " + inputs[0].Name + " " + inputs[0].Text, nil
	case len(inputs) == 0 && len(secrets) == 1:
		return "secret " + secrets[0].Name + ", " + secrets[0].Text, nil
	case len(secrets) == 0:
		return counted(inputs, "input is wrong", "inputs are wrong"), inputs
	case len(inputs) == 0:
		return counted(secrets, "secret cannot be read", "secrets cannot be read"), secrets
	}
	each = slices.Clone(inputs)
	for _, s := range secrets {
		each = append(each, Wrong{"secret " + s.Name + ",", s.Text})
	}
	return counted(inputs, "input is wrong", "inputs are wrong") + " and " +
		counted(secrets, "secret cannot be read", "secrets cannot be read"), each
}

// counted is how many things are wrong, in words.
func counted(list []Wrong, one, many string) string {
	if len(list) == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", len(list), many)
}

// Take converts and checks what a run is started with: texts as the input's
// type says, everything else as its JSON. It also says whether anything
// sensitive is inside, and what is wrong, all of it: then Texts is not whole.
func Take(inputs []*plan.Input, given map[string]any) (taken Taken, inside bool, wrong []Wrong) {
	var b strings.Builder
	class := datapoints.Plain
	b.Grow(64 * len(inputs))
	taken.Texts = make([]string, 0, len(inputs))
	b.WriteByte('{')
	for _, in := range inputs {
		text, err := take(in, given)
		if err != nil {
			wrong = append(wrong, Wrong{in.Name, err.Error()})
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(answer.Quote(in.Name) + ":" + text)
		taken.Texts = append(taken.Texts, text)
		class = max(class, datapoints.Class(in.Class))
		inside = inside || in.Class == plan.Sensitive || datapoints.HasSensitiveMember(text)
	}
	b.WriteByte('}')
	taken.Object = datapoints.JSON(b.String()).Mark(class, "inputs")
	return taken, inside, append(wrong, strangers(inputs, given)...)
}

// take is the JSON of one input: given, or its default, or null.
func take(in *plan.Input, given map[string]any) (string, error) {
	v, ok := given[in.Name]
	if raw, isJSON := v.(json.RawMessage); isJSON && string(raw) == "null" && in.Rule.Type.Kind != expression.Any {
		ok = false
	}
	if !ok || v == nil {
		switch {
		case in.Default != nil:
			return in.Default.JSON()
		case in.Required && in.Env != "":
			return "", errors.New("is missing: give it, or set " + in.Env)
		case in.Required:
			return "", errors.New("is missing")
		}
		return "null", nil
	}
	var text string
	var err error
	if s, isText := v.(string); isText {
		text, err = plan.FromText(s, in.Rule.Type)
	} else {
		var whole datapoints.Value
		whole, err = datapoints.Of(v)
		text = whole.Reveal()
	}
	if err == nil {
		err = in.Rule.Fits(text)
	}
	if err == nil {
		return text, nil
	}
	if in.Class == plan.Sensitive {
		return "", err
	}
	s, isText := v.(string) // as it was given
	if !isText {
		s = datapoints.MaskMembers(text)
		if in.Rule.Type.Kind == expression.String && text != "" && text[0] != '{' && text[0] != '[' {
			err = fmt.Errorf("%w: write it in quotes", err)
		}
	}
	return "", fmt.Errorf("%w; it is %s", err, answer.Shown(s, in.Class, in.Name))
}

// strangers are the given names that the flow does not have.
func strangers(inputs []*plan.Input, given map[string]any) []Wrong {
	var names []string
	var wrong []Wrong
	for name := range given {
		if slices.ContainsFunc(inputs, func(in *plan.Input) bool { return in.Name == name }) {
			continue
		}
		if names == nil {
			for _, in := range inputs {
				names = append(names, in.Name)
			}
		}
		text := "is not an input of this flow"
		if near := expression.Suggest(name, names); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		} else if len(names) > 0 {
			text += "; it has " + strings.Join(names, ", ")
		}
		wrong = append(wrong, Wrong{name, text})
	}
	slices.SortFunc(wrong, func(a, b Wrong) int { return strings.Compare(a.Name, b.Name) })
	return wrong
}

// Recorded gives the texts of the object that Take made, null for what is not
// there.
func Recorded(inputs []*plan.Input, object string) ([]string, error) {
	root := gjson.Parse(object)
	if !root.IsObject() || !gjson.Valid(object) {
		return nil, datapoints.ErrCorrupt
	}
	texts := make(map[string]string, len(inputs))
	root.ForEach(func(name, value gjson.Result) bool {
		texts[name.String()] = value.Raw
		return true
	})
	list := make([]string, len(inputs))
	for i, in := range inputs {
		list[i] = cmp.Or(texts[in.Name], "null")
	}
	return list, nil
}

// Fitting is the JSON of a sub-flow's input. A value in a flow is not text from
// outside: it is not converted. Null counts as not given.
func Fitting(in *plan.Input, text string) (string, error) {
	if text == "null" {
		switch {
		case in.Default != nil:
			return in.Default.JSON()
		case in.Required && in.Rule.Type.Kind != expression.Any:
			return "", errors.New("is null, and it has no default")
		}
		return text, nil
	}
	if err := in.Rule.Fits(text); err != nil {
		return "", fmt.Errorf("%w; it is %s", err, answer.Shown(datapoints.MaskMembers(text), in.Class, in.Name))
	}
	return text, nil
}
