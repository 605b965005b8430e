package expression

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A Template is a compiled scalar: constant text, one expression with its type,
// or text with expressions in it. It is immutable and may be rendered by many
// goroutines at once, each with its own Env. Rendering happens once: what a
// value holds is never looked at again.
type Template struct {
	source   string
	segments []segment
	whole    bool // one expression and nothing else: its type is kept
	url      *urlParts
	path     bool // of a file: each expression is one segment
	filled   bool // no expression may be empty
	based    bool // what it begins with is the base of a URL
}

// A segment is constant text, or an expression.
type segment struct {
	text    string
	program *Program
	at      place // in a URL
	raw     bool
}

// CompileTemplate compiles a scalar with any number of `${{ }}`. With problems
// of severity diag.Error the template is nil.
func CompileTemplate(text string, s Scope) (*Template, []Problem) {
	t := &Template{source: text}
	if !strings.Contains(text, "{{") {
		t.segments = []segment{{text: text}}
		return t, nil
	}
	return t.checked(t.compile(s, false))
}

// checked leaves the template away if a problem is an error.
func (t *Template) checked(problems []Problem) (*Template, []Problem) {
	for _, p := range problems {
		if p.Severity == diag.Error {
			return nil, problems
		}
	}
	return t, problems
}

// compile splits the text and compiles its expressions.
func (t *Template) compile(s Scope, inURL bool) (problems []Problem) {
	text, off := t.source, 0 // off: characters before text
	for {
		at := strings.Index(text, "${{")
		if at < 0 {
			problems = append(problems, foreignBraces(text, off)...)
			t.literal(text)
			break
		}
		problems = append(problems, foreignBraces(text[:at], off)...)
		t.literal(text[:at])
		off += utf8.RuneCountInString(text[:at])
		stop, why := end(text, at+3)
		if why != "" {
			return append(problems, Problem{From: off, To: off + 3, Code: diag.UnclosedBraces, Message: "`${{` is not closed: " + why})
		}
		c := &compiler{scope: s, source: text[at+3 : stop], off: off + 3, rawAllowed: inURL}
		if strings.TrimSpace(c.source) == "" {
			return append(problems, Problem{From: off, To: off + utf8.RuneCountInString(text[at:stop+2]), Code: diag.BadExpression, Message: "an expression is missing"})
		}
		program, found := c.program(false)
		problems = append(problems, found...)
		t.segments = append(t.segments, segment{program: program, raw: c.raw})
		off += utf8.RuneCountInString(text[at : stop+2])
		text = text[stop+2:]
	}
	t.settle()
	if !t.whole || inURL {
		problems = append(problems, t.textProblems()...)
	}
	return problems
}

func (t *Template) literal(text string) {
	if text != "" {
		t.segments = append(t.segments, segment{text: text})
	}
}

// settle finds out whether the scalar is exactly one expression.
func (t *Template) settle() {
	var one []segment
	for _, s := range t.segments {
		if s.program != nil || strings.TrimSpace(s.text) != "" {
			one = append(one, s)
		}
	}
	if len(one) == 1 && one[0].program != nil {
		t.segments, t.whole = one, true
	}
}

// textProblems are the expressions in mixed text that can have no form as text.
func (t *Template) textProblems() (problems []Problem) {
	for _, s := range t.segments {
		if s.program == nil {
			continue
		}
		about := s.program.root.about()
		if r, ok := s.program.root.(*reference); ok && r.state == Maybe && r.ref.Root == "error" {
			problems = append(problems, Problem{From: about.from, To: about.to, Code: diag.MayBeUnset, Message: "`error.status` is null here if no answer came",
				Hint: "write `error.status ?? 0` for another value then", Notes: []string{"or ask in the clause's `when`, or in an `if`: `error.status != nil`"}})
		}
		var example any
		switch about.typ.Kind {
		case Null:
		case List:
			example = []any{}
		case Object:
			example = map[string]any{}
		case Duration:
			example = time.Duration(0)
		case Bytes:
			example = []byte{}
		case value.Zone:
			example = time.UTC
		default:
			continue
		}
		_, err := value.TextOf(example)
		problems = append(problems, Problem{From: about.from, To: about.to, Code: diag.TextOfObject,
			Message: fmt.Sprintf("`%s` %s", s.program.Source(), err.Message), Hint: err.Hints[0]})
	}
	return problems
}

// Constant gives the text of a template without expressions.
func (t *Template) Constant() (text string, ok bool) {
	if len(t.segments) == 0 {
		return "", true
	}
	if len(t.segments) == 1 && t.segments[0].program == nil {
		return t.segments[0].text, true
	}
	return "", false
}

// Fold gives what a template with expressions always gives: ok if they refer to
// nothing that is only known while running, and have little to compute. A problem
// says that it can only fail. URLs are not folded, their parts are escaped.
func (t *Template) Fold() (v Value, ok bool, problem *Problem) {
	if _, constant := t.Constant(); constant || t.url != nil {
		return Value{}, false, nil
	}
	var b strings.Builder
	for _, s := range t.segments {
		if s.program == nil {
			b.WriteString(s.text)
			continue
		}
		v, ok, err := s.program.fold()
		var text string
		if ok && !t.whole {
			if text, err = value.TextOf(v); err != nil {
				err = s.program.fail(err.Kind, err.Message, err.Hints...)
			}
		}
		switch {
		case err != nil:
			return Value{}, false, &Problem{From: err.From, To: err.To, Code: diag.AlwaysFails, Message: "this always fails: " + err.Message, Hint: strings.Join(err.Hints, "; ")}
		case !ok:
			return Value{}, false, nil
		case t.whole:
			return value.Wrap(v), true, nil
		}
		b.WriteString(text)
	}
	return FromText(b.String()), true, nil
}

// Program is the expression of a template that is exactly one; else nil.
func (t *Template) Program() *Program {
	if t.whole {
		return t.segments[0].program
	}
	return nil
}

// Type is String, or the type of the one expression that the template is.
func (t *Template) Type() Type {
	if t.whole && t.url == nil {
		return t.segments[0].program.Type()
	}
	return Type{Kind: String}
}

// Refs are the references of all its expressions, in the order of the text.
func (t *Template) Refs() []Ref {
	var refs []Ref
	for _, s := range t.segments {
		if s.program != nil {
			refs = append(refs, s.program.refs...)
		}
	}
	return refs
}

func (t *Template) any(holds func(*Program) bool) bool {
	for _, s := range t.segments {
		if s.program != nil && holds(s.program) {
			return true
		}
	}
	return false
}

// Sensitive says whether something sensitive reaches the text.
func (t *Template) Sensitive() bool { return t.any((*Program).Sensitive) }

// PII says whether something personal reaches the text.
func (t *Template) PII() bool { return t.any((*Program).PII) }

// Foreign says whether something from data or a response reaches the text.
func (t *Template) Foreign() bool { return t.any((*Program).Foreign) }

// UsesClock says whether now() or uuid() occur.
func (t *Template) UsesClock() bool { return t.any((*Program).UsesClock) }

// Reads says whether an expression refers to a root such as "response", or with
// "" to a loop variable.
func (t *Template) Reads(root string) bool {
	return t.any(func(p *Program) bool {
		for i := range p.refs {
			if p.refs[i].Root == root {
				return true
			}
		}
		return false
	})
}

// Source is the scalar as the author wrote it.
func (t *Template) Source() string { return t.source }

// Render gives the template's value: text, or what its one expression gives.
// Of a URL it is the text with everything escaped. Errors are *Error.
func (t *Template) Render(env Env) (Value, error) {
	if !t.isText() {
		return t.segments[0].program.Eval(env)
	}
	if text, ok := t.Constant(); ok {
		return FromText(text), nil
	}
	var b strings.Builder
	err := t.write(&b, env)
	return FromText(b.String()), err
}

// isText says that the template gives text, whatever its expressions give.
func (t *Template) isText() bool { return t.url != nil || !t.whole || t.path || t.filled }

// JSON is Render and the JSON text of what it gives, with less memory between.
func (t *Template) JSON(env Env) (string, error) {
	if !t.isText() {
		v, err := t.Render(env)
		if err != nil {
			return "", err
		}
		return v.JSON()
	}
	var b strings.Builder
	b.Grow(len(t.source) + 16*len(t.segments) + 2)
	b.WriteByte('"')
	if err := t.write(&b, env); err != nil {
		return "", err
	}
	if text := b.String()[1:]; !value.Plain(text) {
		return FromText(text).JSON()
	}
	b.WriteByte('"')
	return b.String(), nil
}

// write appends the text that the template gives.
func (t *Template) write(b *strings.Builder, env Env) error {
	if t.url != nil {
		return t.writeURL(b, env)
	}
	return t.writeText(b, env)
}

// Filled is the template as a text in which no expression may be empty, as in
// an Authorization header: one that is fails with kind data.
func (t *Template) Filled() *Template {
	of := *t
	of.filled = true
	return &of
}

func (t *Template) writeText(b *strings.Builder, env Env) error {
	b.Grow(len(t.source) + 16*len(t.segments))
	from := b.Len()
	for i := range t.segments {
		s := &t.segments[i]
		if s.program == nil {
			b.WriteString(s.text)
			continue
		}
		text, err := s.program.text(env)
		if err != nil {
			return err
		}
		if t.filled && text == "" {
			return s.program.fail(KindData, "is empty")
		}
		if t.based && i == 0 && len(t.segments) > 1 && strings.HasPrefix(t.segments[1].text, "/") {
			text = withoutSlash(text)
		}
		if err := s.program.segmentError(text); t.path && err != nil {
			return err
		}
		if b.Len()-from+len(text) > value.MaxBytes {
			return s.program.fail(KindExpression, fmt.Sprintf("makes the text longer than %d MiB", value.MaxBytes>>20))
		}
		b.WriteString(text)
	}
	return nil
}

// Choices are the texts that a template may give, if it is one expression that
// chooses between literals: c ? "a" : "b". ok is false for every other one.
func (t *Template) Choices() (texts []string, ok bool) {
	if p := t.Program(); p != nil {
		return choices(p.root)
	}
	return nil, false
}

func choices(n node) ([]string, bool) {
	switch n := n.(type) {
	case *constant:
		text, ok := n.v.(string)
		return []string{text}, ok
	case *conditional:
		yes, ok := choices(n.yes)
		no, too := choices(n.no)
		return append(yes, no...), ok && too
	}
	return nil, false
}

// OfPath is the template as the path of a file: what an expression gives is
// one segment, or a part of one, and fails with kind data if it would lead
// elsewhere.
func (t *Template) OfPath() *Template {
	of := *t
	of.path = true
	return &of
}

// segmentError says why a text cannot be a segment of a file's path.
func (p *Program) segmentError(text string) *Error {
	switch {
	case text == "":
		return p.fail(KindData, "is empty, so the path would be another one")
	case text == "." || text == "..":
		return p.fail(KindData, fmt.Sprintf("is `%s`, which means another folder in a path", text))
	case strings.ContainsAny(text, "/\\\x00"):
		return p.fail(KindData, "holds a character that would lead to another folder: an expression is one segment of the path",
			"write folders outside of the expression: `save_to: reports/${{ … }}.pdf`")
	}
	return nil
}

// text evaluates the program for mixed text.
func (p *Program) text(env Env) (string, *Error) {
	v, err := p.eval(env)
	if err != nil {
		return "", err
	}
	s, err := value.TextOf(v)
	if err != nil {
		err.Message = fmt.Sprintf("`%s` %s", p.Source(), err.Message)
		about := p.root.about()
		err.From, err.To = about.from, about.to
	}
	return s, err
}

// fail is an error about the program's value; the message begins with a verb.
func (p *Program) fail(kind, message string, hints ...string) *Error {
	about := p.root.about()
	return &Error{Kind: kind, Message: fmt.Sprintf("`%s` %s", p.Source(), message), From: about.from, To: about.to, Hints: hints}
}
