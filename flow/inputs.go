package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// inputs converts and checks what a run is started with. It gives them as one
// JSON object, whether anything sensitive is inside, and what is wrong, all of it.
func (p *Plan) inputs(given Inputs) (_ datapoints.Value, inside bool, _ []Fact) {
	var b strings.Builder
	var wrong []Fact
	class := datapoints.Plain
	b.WriteByte('{')
	for _, in := range p.compiled.Inputs {
		text, err := takeInput(in, given)
		if err != nil {
			wrong = append(wrong, Fact{in.Name, err.Error()})
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(jsonString(in.Name) + ":" + text)
		class = max(class, datapoints.Class(in.Class))
		inside = inside || in.Class == plan.Sensitive || datapoints.HasSensitiveMember(text)
	}
	b.WriteByte('}')
	return datapoints.JSON(b.String()).Mark(class, "inputs"), inside, append(wrong, p.strangers(given)...)
}

// takeInput is the JSON of one input: given, or its default, or null.
func takeInput(in *plan.Input, given Inputs) (string, error) {
	v, ok := given[in.Name]
	if raw, isJSON := v.(json.RawMessage); isJSON && string(raw) == "null" && in.Rule.Type.Kind != expression.Any {
		ok = false
	}
	if !ok || v == nil {
		switch {
		case in.Default != nil:
			return in.Default.JSON()
		case in.Required:
			return "", errors.New("is missing" + sourceHint(in))
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
	switch in.Class {
	case plan.Sensitive:
		return "", err
	case plan.PII:
		return "", fmt.Errorf("%w; it is [pii %s]", err, in.Name)
	}
	if s, isText := v.(string); isText {
		text = s // as it was given
	}
	return "", fmt.Errorf("%w; it is %s", err, firstRunes(datapoints.MaskMembers(text), 80))
}

func sourceHint(in *plan.Input) string {
	if in.Env != "" {
		return ": give it, or set " + in.Env
	}
	return ""
}

// strangers are the given names that the flow does not have.
func (p *Plan) strangers(given Inputs) []Fact {
	known := map[string]bool{}
	var names []string
	for _, in := range p.compiled.Inputs {
		known[in.Name] = true
		names = append(names, in.Name)
	}
	var wrong []Fact
	for name := range given {
		if known[name] {
			continue
		}
		text := "is not an input of this flow"
		if near := expression.Suggest(name, names); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		} else if len(names) > 0 {
			text += "; it has " + strings.Join(names, ", ")
		}
		wrong = append(wrong, Fact{name, text})
	}
	sort.Slice(wrong, func(i, j int) bool { return wrong[i].Name < wrong[j].Name })
	return wrong
}

func inputError(wrong []Fact) error {
	e := &Error{Kind: KindInput, Facts: wrong}
	if len(wrong) == 1 {
		e.Message = "input " + wrong[0].Name + " " + wrong[0].Text
		e.Facts = nil
		return e
	}
	e.Message = fmt.Sprintf("%d inputs are wrong", len(wrong))
	return e
}

// secrets reads what the flow declares, before anything is sent. All that are
// missing are named at once.
func (x *Executor) secrets(ctx context.Context, p *Plan, r *datapoints.Redactor) (map[string]expression.Value, error) {
	values := map[string]expression.Value{}
	var missing []Fact
	for _, s := range p.Secrets() {
		text, err := x.secret(ctx, s)
		switch {
		case err != nil && !(s.Optional && errors.Is(err, ErrNoSecret)):
			missing = append(missing, Fact{s.Name, "from " + s.source() + ": " + err.Error()})
		case err != nil || text == "":
			values[s.Name] = expression.Of(nil)
		default:
			r.Add(s.Name, text)
			values[s.Name] = expression.FromText(text)
		}
	}
	if len(missing) == 0 {
		return values, nil
	}
	e := &Error{Kind: KindSecret, Message: "secret " + missing[0].Name + ", " + missing[0].Text}
	if len(missing) > 1 {
		e.Message, e.Facts = fmt.Sprintf("%d secrets cannot be read", len(missing)), missing
	}
	return nil, e
}

// CheckSecrets reads the secrets of a plan as the start of a run does, and
// keeps none. If one is missing that is not optional the error is an *Error of
// kind secret that names all such: a run that began now would end before
// anything is sent.
func (x *Executor) CheckSecrets(ctx context.Context, p *Plan) error {
	_, err := x.secrets(ctx, p, &datapoints.Redactor{})
	return err
}

// ErrNoSecret is what Executor.Secrets returns, or wraps, when the source has
// no such secret: an optional one reads as null then.
var ErrNoSecret = errors.New("it is not set")

func (x *Executor) secret(ctx context.Context, s SecretSource) (string, error) {
	if x.Secrets == nil {
		return "", errors.New("this program gives flows no secrets (Executor.Secrets)")
	}
	text, err := x.Secrets(ctx, s)
	if err == nil && text == "" {
		err = ErrNoSecret
	}
	return text, err
}

// source names where a secret comes from.
func (s SecretSource) source() string {
	switch {
	case s.Env != "":
		return "the environment variable " + s.Env
	case s.File != "":
		return "the file " + s.File
	case len(s.Command) > 0:
		return "the command " + s.Command[0]
	}
	return "the keyring entry " + s.Keyring[0] + "/" + s.Keyring[1]
}
