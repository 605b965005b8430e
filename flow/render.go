package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
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

// jsonString is s as JSON, with no more escapes than it needs.
func jsonString(s string) string { return datapoints.Text(s).Reveal() }

// input renders the fields of a call. It also gives the name of a field that
// holds something sensitive, and where such may go.
func (w *work) input(c *calling) (in Input, sensitive string, t *trust.Trust, err error) {
	t = &trust.Trust{}
	in = Input{Run: w.run.ID, Path: c.t.Path, Attempt: c.r.N + 1, Now: c.env.Now(), Place: c.n.Span,
		AllowErrors: c.spec.Expect.AllowErrors, Trusted: func(origin string) bool { return t.Check(origin) == nil }, Create: c.create, File: c.file,
		Args: make([]Arg, 0, len(c.spec.Fields))}
	for _, s := range c.spec.Expect.Status {
		in.Status = append(in.Status, StatusRange(s))
	}
	for i := range c.spec.Fields {
		f := &c.spec.Fields[i]
		if f.PerTry {
			if f.Class == plan.Sensitive {
				sensitive = f.Name
			}
			in.Args = append(in.Args, Arg{Name: f.Name, Late: true})
			continue
		}
		v, err := w.renderField(f, c.env)
		if err != nil {
			return in, "", nil, err
		}
		if v.Class() == datapoints.Sensitive {
			sensitive = f.Name
		}
		in.Args = append(in.Args, Arg{Name: f.Name, Value: v})
		if err := learnOrigins(t, f, v); err != nil {
			return in, "", nil, err
		}
	}
	in.Late = func(field string, r Request) (datapoints.Value, error) {
		i := slices.IndexFunc(c.spec.Fields, func(f plan.Field) bool { return f.Name == field })
		e := *c.env
		e.request = &r
		return w.renderField(&c.spec.Fields[i], &e)
	}
	return in, sensitive, t, nil
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
	var b strings.Builder
	class := f.Class
	err := f.Value.RenderSeeing(&b, e, func(json string) {
		if class != plan.Sensitive && hasSecret(json) {
			class = plan.Sensitive
		}
	})
	if err != nil {
		return datapoints.Value{}, placed(err)
	}
	v := marked(b.String(), class, f.Name)
	if class == plan.Sensitive {
		w.protectPair(v)
	}
	return v, nil
}

// hasSecret says whether a value has a sensitive member inside, also as JSON in
// text. What it was saved from does not tell: an object is not sensitive itself.
func hasSecret(json string) bool {
	if strings.HasPrefix(json, `"`) {
		if !strings.Contains(json, `\":`) {
			return false
		}
		json, _ = expression.FromJSON(json).Text()
	}
	return datapoints.HasSensitiveMember(json)
}

// file reads a file that the flow names, relative to the flow's own. What was
// read when the plan was made is part of it; of anything else the digest is
// recorded with the step, and a file that changed since is an error.
func (c *calling) file(name string) ([]byte, error) {
	at := path.Join(path.Dir(c.w.plan.compiled.File), name)
	for _, f := range c.w.plan.compiled.Files {
		if f.Name == at {
			return f.Data, nil
		}
	}
	if c.w.x.Files == nil {
		return nil, &Error{Kind: KindData, Message: "this program gives flows no files to read"}
	}
	data, err := readWhole(c.w.x.Files, at, maxUpload)
	if errors.Is(err, fs.ErrNotExist) && at != name {
		data, err = readWhole(c.w.x.Files, name, maxUpload) // what save_to wrote is named from the output folder
	}
	if err != nil {
		return nil, &Error{Kind: KindData, Message: "the file cannot be read: " + err.Error()}
	}
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	if before := c.uploads[name]; before != "" && before != digest {
		return nil, &Error{Kind: KindData, Message: "the file " + name + " has changed since the run recorded it",
			Hints: []string{"put the file back as it was, or start a new run"}}
	}
	if c.uploads == nil {
		c.uploads = map[string]string{}
	}
	c.uploads[name] = digest
	return data, nil
}

// maxUpload is the limit of a file that is sent.
const maxUpload = 256 << 20

// create makes the file of a step's save_to. One path belongs to one step's
// instance: a second would overwrite what the first has said.
func (c *calling) create(name string) (Sink, error) {
	if c.w.x.Output == nil {
		return nil, &Error{Kind: KindData, Message: "this program does not let flows write files"}
	}
	if by := c.w.state.Claim(path.Clean(name), c.t.Path); by != c.t.Path {
		return nil, &Error{Kind: KindData, Message: fmt.Sprintf("save_to: %s was written by step %s of this run already", name, by)}
	}
	return c.w.x.Output(name)
}

// learnOrigins takes over what a rendered field says about origins.
func learnOrigins(t *trust.Trust, f *plan.Field, v datapoints.Value) error {
	switch {
	case f.Options.Destination && f.Origin == plan.Trusted:
		if err := t.Trust(v.RevealText()); err != nil {
			return &Error{Kind: KindData, Message: f.Name + " is not a URL: " + err.Error()}
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
