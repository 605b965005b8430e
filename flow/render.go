package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
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
func (w *work) input(c *calling) (in Input, sensitive string, t *trust, err error) {
	t = &trust{}
	in = Input{Run: w.run.ID, Path: c.t.Path, Attempt: c.r.N + 1, Now: c.env.Now(), Place: c.n.Span,
		AllowErrors: c.spec.Expect.AllowErrors, Trusted: t.allows, Create: c.create, File: c.file,
		Args: make([]Arg, 0, len(c.spec.Fields))}
	for _, s := range c.spec.Expect.Status {
		in.Status = append(in.Status, StatusRange(s))
	}
	for i := range c.spec.Fields {
		f := &c.spec.Fields[i]
		if f.Class == plan.Sensitive {
			sensitive = f.Name
		}
		if f.PerTry {
			in.Args = append(in.Args, Arg{Name: f.Name, Late: true})
			continue
		}
		v, err := w.renderField(f, c.env)
		if err != nil {
			return in, "", nil, err
		}
		in.Args = append(in.Args, Arg{Name: f.Name, Value: v})
		if err := t.learn(f, v); err != nil {
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

func (w *work) renderField(f *plan.Field, e *env) (datapoints.Value, error) {
	if f.Value.Const != "" {
		return marked(f.Value.Const, f.Class, f.Name), nil
	}
	var b strings.Builder
	if err := f.Value.Render(&b, e); err != nil {
		return datapoints.Value{}, placed(err)
	}
	return marked(b.String(), f.Class, f.Name), nil
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

// A trust is where a call may carry something sensitive.
type trust struct {
	origins []string // of URLs that are made from the file, inputs and secrets
	allowed []string // allow_secrets_to: these also over plain http
}

// learn takes over what a rendered field says about origins.
func (t *trust) learn(f *plan.Field, v datapoints.Value) error {
	switch {
	case f.Options.Destination && f.Origin == plan.Trusted:
		origin, err := Origin(v.RevealText())
		if err != nil {
			return &Error{Kind: KindData, Message: f.Name + " is not a URL: " + err.Error()}
		}
		t.origins = append(t.origins, origin)
	case f.Options.Allows:
		items, _ := expression.FromJSON(v.Reveal()).Items()
		for _, item := range items {
			text, err := item.Text()
			if err != nil {
				return err
			}
			origin, err := Origin(text)
			if err != nil {
				return &Error{Kind: KindData, Message: f.Name + ": " + err.Error()}
			}
			t.allowed = append(t.allowed, origin)
		}
	}
	return nil
}

// allows says whether something sensitive may go to an origin.
func (t *trust) allows(origin string) bool { return t.check(origin, "") == nil }

func (t *trust) check(origin, what string) error {
	switch {
	case slices.Contains(t.allowed, origin):
		return nil
	case !slices.Contains(t.origins, origin):
		return &Error{Kind: KindData, Message: fmt.Sprintf("`%s` holds something sensitive and would go to %s, which is not trusted", what, origin),
			Facts: []Fact{{"trusted", orNone(append(slices.Clone(t.origins), t.allowed...))}},
			Hints: []string{"the address came from an answer: if it is right, add its origin to `allow_secrets_to`"}}
	case strings.HasPrefix(origin, "http:") && !isLoopback(origin):
		return &Error{Kind: KindData, Message: fmt.Sprintf("`%s` holds something sensitive and would go to %s in the clear", what, origin),
			Hints: []string{"use https, or list this origin in `allow_secrets_to`"}}
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "nothing: no address of this step comes from the file, its inputs or secrets"
	}
	return strings.Join(slices.Compact(list), ", ")
}

// Origin is the origin of a URL (RFC 6454): scheme://host:port in lower case,
// without the scheme's default port, a final dot or user information.
func Origin(rawURL string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil {
		return "", errors.New("it cannot be read as a URL")
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return "", errors.New("it must begin with https:// or http://")
	}
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if host == "" {
		return "", errors.New("it names no host")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if host = addr.String(); addr.Is6() {
			host = "[" + host + "]"
		}
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, nil
	}
	return scheme + "://" + host + ":" + port, nil
}

func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
