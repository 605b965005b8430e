package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/internal/trust"
)

// placed makes the error of a value that cannot be rendered.
func placed(err error) error {
	var at *plan.RenderError
	if !errors.As(err, &at) {
		return err
	}
	e := *asError(at.Err)
	if e.Place.Line == 0 {
		e.Place = at.Span
	}
	return &e
}

// input renders the fields of a call. It also gives the name of a field that
// holds something sensitive; where such may go is c.trust then.
func (w *work) input(c *calling) (in Input, sensitive string, err error) {
	in = Input{Run: w.run.ID, Path: c.t.Path, Page: c.r.Pages, Attempt: c.r.N + 1, Now: c.env.Now(), Deadline: c.deadline, Place: c.n.Span,
		AllowErrors: c.spec.Expect.AllowErrors, Trusted: c.lent.trusted, Create: c.lent.create, File: c.lent.file,
		Args: make([]Arg, 0, len(c.spec.Fields))}
	for _, s := range c.spec.Expect.Status {
		in.Status = append(in.Status, StatusRange(s))
	}
	for i := range c.spec.Fields {
		f := &c.spec.Fields[i]
		page, turned := c.over[f.Name]
		if f.PerTry && page != "null" {
			if f.Class == plan.Sensitive {
				sensitive = f.Name
			}
			in.Late = c.late
			in.Args = append(in.Args, Arg{Name: f.Name, Late: true})
			continue
		}
		v, err := w.renderField(f, c.env)
		if err != nil {
			return in, "", err
		}
		if err := w.learnOrigins(&c.trust, f, v); err != nil {
			return in, "", err
		}
		if turned {
			if v = c.turned(f, v); page == "null" {
				continue
			}
		}
		if c.mask(f, c.env, v) {
			sensitive = f.Name
		}
		in.Args = append(in.Args, Arg{Name: f.Name, Value: v})
	}
	if c.over == nil {
		return in, sensitive, nil
	}
	if more, err := c.further(&in); more != "" || err != nil {
		return in, more, err
	}
	return in, sensitive, nil
}

// late renders a field that reads `request`.
func (c *calling) late(field string, r Request) (datapoints.Value, error) {
	i := slices.IndexFunc(c.spec.Fields, func(f plan.Field) bool { return f.Name == field })
	e := *c.env
	e.request = &r
	v, err := c.w.renderField(&c.spec.Fields[i], &e)
	if _, turned := c.over[field]; turned && err == nil {
		v = c.turned(&c.spec.Fields[i], v)
	}
	c.mask(&c.spec.Fields[i], &e, v)
	return v, err
}

// protectPair masks what Basic makes of a user name and a password (RFC 7617).
func (w *work) protectPair(v datapoints.Value) {
	var pair struct{ Username, Password string }
	if json.Unmarshal([]byte(v.Reveal()), &pair) == nil && pair.Password != "" {
		w.redactor.AddPair("basic", pair.Username, pair.Password)
	}
}

func (w *work) renderField(f *plan.Field, e *env) (datapoints.Value, error) {
	if f.Value.Const != "" {
		return marked(f.Value.Const, f.Class, f.Name), nil
	}
	class := f.Class
	text, err := f.Value.Rendered(e, func(json string) {
		if class != plan.Sensitive && answer.HasSecret(json) {
			class = plan.Sensitive
		}
	})
	if err != nil {
		return datapoints.Value{}, placed(err)
	}
	v := marked(text, class, f.Name)
	if class == plan.Sensitive && f.Name == "basic" {
		w.protectPair(v)
	}
	return v, nil
}

// learnOrigins takes over what a rendered field says about origins.
func (w *work) learnOrigins(t *trust.Trust, f *plan.Field, v datapoints.Value) error {
	switch {
	case f.Options.Destination && f.Origin == plan.Trusted:
		memo := &w.x.own.origins
		if v.Class() != datapoints.Plain { // which an executor does not keep
			memo = &trust.Memo{}
		}
		if err := t.Trust(v.RevealText(), memo); err != nil {
			return notAURL(f.Name, v, err)
		}
	case f.Options.Allows:
		items, _ := expression.FromJSON(v.Reveal()).Items()
		for _, item := range items {
			text, err := item.Text()
			if err != nil {
				return err
			}
			if err := t.Allow(text); err != nil {
				return &Error{Kind: KindData, Message: f.Name + ": " + err.Error()}
			}
		}
	}
	return nil
}

// mayTell says whether a sensitive field may go to an origin.
func mayTell(t *trust.Trust, origin, field string) error {
	refused := t.Check(origin)
	if refused == nil {
		return nil
	}
	e := &Error{Kind: KindData, Message: "`" + field + "` holds something sensitive and would go to " + refused.Error(), Hints: []string{refused.Hint}}
	if refused.Trusted != "" {
		e.Facts = []Fact{{"trusted", refused.Trusted}}
	}
	return e
}

// Origin is the origin of a URL (RFC 6454): scheme://host:port in lower case,
// without the scheme's default port, a final dot or user information.
func Origin(rawURL string) (string, error) { return trust.Origin(rawURL) }

// maxValue is the limit of one saved value, maxRun that of all of a run.
const (
	maxValue = 1 << 20
	maxRun   = 256 << 20
)

// expect checks the author's expectations of an answer. All that do not hold
// are told, with the value of each part.
func (w *work) expect(x *plan.Expect, e *env) error {
	var broken *Error
	for i := range x.That {
		that := &x.That[i]
		ok, err := w.holds(that.Program, e)
		if err != nil {
			bad := *asError(err)
			bad.Place = that.Span
			return &bad
		}
		if ok {
			continue
		}
		words := ownWords(that.Message, e)
		if broken == nil {
			broken = &Error{Kind: KindExpect, Message: "an expectation does not hold", Place: that.Span, Status: e.answer.Status, Body: e.answer.Body}
			if words != "" {
				broken.Message = words
			}
		} else if words != "" {
			broken.Facts = append(broken.Facts, Fact{"and", words})
		}
		broken.Facts = append(broken.Facts, Fact{"expected", that.Source})
		for _, part := range that.Program.Parts(e) {
			broken.Facts = append(broken.Facts, Fact{part.Source, part.Value})
		}
	}
	if broken != nil {
		return broken
	}
	if x.Schema == nil {
		return nil
	}
	body, err := e.answer.JSON()
	if err != nil {
		return err
	}
	text, err := body.JSON()
	if err == nil {
		err = x.Schema.Validate(text)
	}
	if err != nil {
		return &Error{Kind: KindExpect, Message: "the answer does not fit the schema: " + err.Error(), Status: e.answer.Status, Body: e.answer.Body}
	}
	return nil
}

// ownWords are the author's words for an expectation that does not hold. What
// they speak of may be missing, just because it does not hold: then there are none.
func ownWords(t *expression.Template, e *env) string {
	if t == nil {
		return ""
	}
	v, err := t.Render(e)
	if err != nil {
		return ""
	}
	text, _ := v.Text()
	return text
}

// capture takes what a step saves out of its answer, or out of its pages: find
// looks a value up.
func (w *work) capture(saves []plan.Save, e *env, path string, attempt int, find func(*plan.Save) (text string, there bool, err error)) ([]datapoints.Point, error) {
	var points []datapoints.Point
	for i := range saves {
		s := &saves[i]
		text, there, err := find(s)
		if !there && len(s.Status) > 0 && !answer.StatusIn(s.Status, e.answer.Status) {
			continue
		}
		if err != nil {
			return nil, savedError(err, s, e)
		}
		source := answer.Source(s)
		if !there || text == "null" {
			switch {
			case s.Default != nil:
				source = "default"
				if text, err = s.Default.JSON(); err != nil {
					return nil, savedError(err, s, e)
				}
			case s.Optional:
				continue
			default:
				return nil, savedError(e.answer.Missing(s), s, e)
			}
		}
		p, err := newPoint(s.Point, s.Type, s.Class, text, e, path)
		if err != nil {
			return nil, savedError(err, s, e)
		}
		p.Attempt, p.Source = attempt, source
		points = append(points, p)
	}
	return points, nil
}

// find looks up what the answer has for a name.
func (e *env) find(s *plan.Save) (text string, there bool, err error) {
	if len(s.Status) > 0 && !answer.StatusIn(s.Status, e.answer.Status) {
		return "", false, nil
	}
	return e.answer.Find(s, e)
}

// savedError is why a value could not be saved.
func savedError(err error, s *plan.Save, at *env) error {
	e := *asError(err)
	if e.Place.Line == 0 {
		e.Place = s.Span
	}
	if e.Kind == KindExtract {
		e.Status, e.Body = at.answer.Status, at.answer.Body
	}
	return &e
}

// assign evaluates one name of `set`.
func (w *work) assign(a *plan.Assign, e *env, path string, attempt int) (datapoints.Point, error) {
	text := "null"
	if !a.Unset {
		var b strings.Builder
		if err := a.Value.Render(&b, e); err != nil {
			return datapoints.Point{}, placed(err)
		}
		if text = b.String(); text == "null" {
			return datapoints.Point{}, &Error{Kind: KindData, Place: a.Span, Message: fmt.Sprintf("the expression for %s gives null", a.Point.Name),
				Hints: []string{"write a value for that case with `??`, or `null` alone to unset the name"}}
		}
	}
	p, err := newPoint(a.Point, expression.Type{}, a.Class, text, e, path)
	if err != nil {
		bad := *asError(err)
		bad.Place = a.Span
		return p, &bad
	}
	p.Attempt, p.Source = attempt, "set"
	return p, nil
}

// newPoint makes a version of a data point of a value that fits.
func newPoint(p *plan.Point, t expression.Type, c plan.Class, text string, e *env, path string) (datapoints.Point, error) {
	rule := plan.Rule{Type: t}
	if p.Rule != nil {
		rule = *p.Rule
		if t.Kind != expression.Any {
			rule.Type = t
		}
	}
	if text != "null" {
		if err := rule.Fits(text); err != nil {
			return datapoints.Point{}, &Error{Kind: KindData, Message: fmt.Sprintf("%s %v; it is %s", p.Name, err, answer.Shown(text, c, p.Name))}
		}
	}
	if len(text) > maxValue && !(e.page > 0 && strings.HasPrefix(text, "[")) { // of pages it was looked at when they were joined
		return datapoints.Point{}, &Error{Kind: KindLimit, Message: fmt.Sprintf("%s has %d bytes; a data point may have 1 MiB", p.Name, len(text)),
			Hints: []string{"save the parts that later steps need, or write the body to a file with `save_to`"}}
	}
	kind := rule.Type
	if kind.Kind == expression.Any {
		kind = p.Type // what the checker infers
	}
	return datapoints.Point{Slot: datapoints.Slot{Scope: record.Instance(p.Scope, e.path), Name: p.Name}, Type: kind.String(), Step: path,
		At: time.Now(), Value: marked(text, c, p.Name)}, nil
}

// admit makes sensitive values known to the redactor, and refuses what may not
// be stored as things are.
func (w *work) admit(points []datapoints.Point) error {
	size := w.state.Size()
	for i := range points {
		v := points[i].Value
		size += len(v.Reveal())
		inside := w.mask(points[i].Name, v.Reveal(), v.Class() == datapoints.Sensitive)
		if text := datapoints.MaskMembers(v.Reveal()); v.Class() != datapoints.Sensitive && w.redactor.Text(text) != text {
			inside = true // a server told it a secret
			points[i].Value = v.Mark(datapoints.Sensitive, points[i].Name)
		}
		if inside && w.open() {
			return &Error{Kind: KindStore, Message: fmt.Sprintf("%s holds something sensitive and the store is not encrypted", points[i].Name), Hints: []string{keyHelp}}
		}
	}
	if size > maxRun {
		return &Error{Kind: KindLimit, Message: "the data points of this run are larger than 256 MiB"}
	}
	return nil
}

// mask makes what is sensitive in a JSON text known to the redactor, and says
// whether anything is.
func (w *work) mask(name, text string, sensitive bool) bool {
	if sensitive {
		w.protect(name, text)
	}
	for name, secret := range datapoints.SensitiveMembers(text) {
		sensitive = true
		w.redactor.Add(name, secret)
	}
	return sensitive
}

// learn makes known to the redactor what an answer holds that is sensitive:
// people are about to see parts of it.
func (w *work) learn(spec *plan.CallSpec, e *env) {
	e.answer.Secrets(spec.Save, e, w.redactor.Add)
}

// open says that what is recorded could be read by others: the store lasts and
// is not encrypted.
func (w *work) open() bool {
	t := w.x.store().Traits()
	return t.Lasts && !t.Sealed
}

// keyHelp says how to give a key.
const keyHelp = "wrap the store: datapoints.Seal(store, key); on the command line give --key-file or STEPWELL_KEY"

// protect masks a value, and every text in it, wherever it would be shown.
func (w *work) protect(label, value string) {
	for text := range datapoints.Leaves(value) {
		w.redactor.Add(label, text)
	}
}

func (w *work) redact(s string) string { return w.redactor.Excerpt(s) }
