package flow

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/files"
	"github.com/stepwell/stepwell/flow/internal/given"
	"github.com/stepwell/stepwell/flow/internal/inbox"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
	"github.com/stepwell/stepwell/flow/internal/trust"
)

// An Executor runs plans. Its zero value keeps runs in memory and works for
// flows without secrets. One Executor may run any number of plans and runs at
// the same time; its fields must not change once it is used.
type Executor struct {
	// Store keeps runs and their data points. nil: memory, for each Executor its own.
	Store datapoints.Store
	// Secrets reads a secret from its source. nil: a flow that declares
	// secrets cannot run.
	Secrets func(ctx context.Context, s SecretSource) (string, error)
	// Observer is told what runs do. nil: nobody is.
	Observer Observer
	// Redactor masks secrets in every text that leaves; the executor adds each
	// secret it reads or saves, and it forgets none. nil: each run has one of its
	// own, which ends with it.
	Redactor *datapoints.Redactor
	// Files is where steps read files at run time: the project root. nil: none.
	Files fs.FS
	// Output makes the files of `save_to`. nil: steps cannot write files.
	Output func(name string) (Sink, error)
	// Owner says how this process owns runs. The zero Process waits for the
	// leases of others to end, and pauses runs that wait for long.
	Owner Process
	// PublicURL is the base of the URLs under which others reach callbacks, such
	// as https://flows.example.test. "": flows that send such URLs cannot run.
	PublicURL string

	once sync.Once
	own  parts
}

// parts are what an Executor makes for itself where it was given nothing.
type parts struct {
	store    datapoints.Store
	name     string
	open     inbox.Ears
	callings sync.Pool // of *calling
	batches  record.Batches
	origins  trust.Memo
}

func (x *Executor) defaults() *parts {
	x.once.Do(func() {
		x.own.store, x.own.name = x.Store, x.Owner.Name
		if x.own.store == nil {
			x.own.store = &datapoints.Memory{}
		}
		if x.own.name == "" {
			x.own.name = record.Seed()
		}
	})
	return &x.own
}

func (x *Executor) store() datapoints.Store { return x.defaults().store }

// redactor gives that of a run.
func (x *Executor) redactor() *datapoints.Redactor {
	if x.Redactor != nil {
		return x.Redactor
	}
	return &datapoints.Redactor{}
}

func (x *Executor) owner() string { return x.defaults().name }

// A Process says who owns runs.
type Process struct {
	Name string                  // unique for the process; "" makes one
	Dead func(owner string) bool // nil: nobody is known to be dead
	TTL  time.Duration           // of a lease, renewed while the run goes on; zero is 30 s
	// Grace is how long calls in flight may go on when a run is interrupted;
	// zero is 10 s. Then they are cut, and what may not be repeated is unknown.
	Grace time.Duration
	// Stays says that the process waits with its runs, however long that is.
	// Without it a run pauses when all of it waits for a message, or for what is
	// due in more than a minute; in a store that does not last none ever does.
	Stays bool
}

// A SecretSource says where a secret comes from: one of Env, File, Command, Keyring.
type SecretSource struct {
	Name     string // the flow's name for it
	Env      string
	File     string
	Command  []string
	Keyring  [2]string // service, user
	Folder   string    // of the file that declares it, from the project root: where File lies and Command runs
	Optional bool
}

// Path is where File lies: from the project root, unless it is absolute.
func (s SecretSource) Path() string {
	if path.IsAbs(s.File) {
		return s.File
	}
	return path.Join(s.Folder, s.File)
}

// Inputs are what a run is started with, by name. A string is text from
// outside and is converted to the input's type; anything else is taken as its JSON.
type Inputs map[string]any

// An Assumption is what an operator decides of a call of which it is not known
// whether it was processed.
type Assumption struct {
	Sent   bool           // it was: the step counts as done
	Values map[string]any // of Sent: the values that it saves
}

// Assume decides for steps, by path.
type Assume map[string]Assumption

// reachable refuses a flow that sends the URL of a callback if there is no base
// for such URLs.
func (p *Plan) reachable(base string) error {
	switch {
	case inbox.IsBase(base):
		return nil
	case base != "":
		return &Error{Kind: KindInput, Message: fmt.Sprintf("the public URL %q is not the base of a URL", base), Hints: []string{"write it like https://flows.example.test"}}
	}
	for _, m := range p.compiled.Callbacks {
		if m.Used.Line > 0 {
			return &Error{Kind: KindInput, Place: m.Used, Message: fmt.Sprintf("the flow sends callbacks.%s.url, and it is not known under which URL others reach it", m.Name),
				Hints: []string{"give the base of such URLs: --public-url https://flows.example.test, or Executor.PublicURL"}}
		}
	}
	return nil
}

func (x *Executor) ttl() time.Duration {
	if x.Owner.TTL > 0 {
		return x.Owner.TTL
	}
	return 30 * time.Second
}

func (x *Executor) grace() time.Duration {
	if x.Owner.Grace > 0 {
		return x.Owner.Grace
	}
	return 10 * time.Second
}

// lacks names all inputs that are wrong and all secrets that cannot be read;
// nil if there are none.
func lacks(inputs, secrets []given.Wrong) error {
	message, each := given.Told(inputs, secrets)
	if message == "" {
		return nil
	}
	e := &Error{Kind: KindInput, Message: message}
	if len(inputs) == 0 {
		e.Kind = KindSecret
	}
	for _, w := range each {
		e.Facts = append(e.Facts, Fact(w))
	}
	return e
}

// inputError names all inputs that are wrong, and with them the secrets that are
// missing; nil if no input is wrong. Only variables and files are looked into:
// a command or a keyring may ask a person, for a run that is not to be.
func (x *Executor) inputError(ctx context.Context, p *Plan, wrong []given.Wrong, needed map[*plan.Secret]bool) error {
	if len(wrong) == 0 {
		return nil
	}
	var missing []given.Wrong
	for i, s := range p.Secrets() {
		if x.Secrets == nil || s.Env == "" && s.File == "" || needed != nil && !needed[p.compiled.Secrets[i]] {
			continue
		}
		if _, err := x.secret(ctx, s); err != nil {
			missing = append(missing, given.Wrong{Name: s.Name, Text: err.Error()})
		}
	}
	return lacks(wrong, missing)
}

// secrets reads what the flow declares, before anything is sent. All that are
// missing are named at once; of those that are not needed, which is none with
// nil, none is missed.
func (x *Executor) secrets(ctx context.Context, p *Plan, r *datapoints.Redactor, needed map[*plan.Secret]bool) (map[*plan.Secret]expression.Value, error) {
	if len(p.compiled.Secrets) == 0 {
		return nil, nil
	}
	values := make(map[*plan.Secret]expression.Value, len(p.compiled.Secrets))
	var missing []given.Wrong
	for i, s := range p.Secrets() {
		key := p.compiled.Secrets[i]
		text, err := x.secret(ctx, s)
		switch {
		case err != nil && (needed == nil || needed[key]):
			missing = append(missing, given.Wrong{Name: s.Name, Text: err.Error()})
		case err != nil || text == "":
			values[key] = expression.Of(nil)
		default:
			r.Add(s.Name, text)
			values[key] = expression.FromText(text)
		}
	}
	return values, lacks(nil, missing)
}

// CheckSecrets reads the secrets of a plan as the start of a run does, and
// keeps none. If one is missing that is not optional the error is an *Error of
// kind secret that names all such: a run that began now would end before
// anything is sent.
func (x *Executor) CheckSecrets(ctx context.Context, p *Plan) error {
	_, err := x.secrets(ctx, p, &datapoints.Redactor{}, nil)
	return err
}

// ErrNoSecret is what Executor.Secrets returns, or wraps, when the source has
// no such secret: an optional one reads as null then.
var ErrNoSecret = errors.New("it is not set")

// secret reads one secret; of an optional one that is not there it gives "". The
// error says where it should have come from.
func (x *Executor) secret(ctx context.Context, s SecretSource) (text string, err error) {
	if err = errors.New("this program gives flows no secrets (Executor.Secrets)"); x.Secrets != nil {
		text, err = x.Secrets(ctx, s)
	}
	switch {
	case err == nil && text == "":
		err = ErrNoSecret
	case err == nil:
		return text, nil
	}
	if s.Optional && errors.Is(err, ErrNoSecret) {
		return "", nil
	}
	return "", fmt.Errorf("from %s: %w", s.source(), err)
}

// source names where a secret comes from.
func (s SecretSource) source() string {
	switch {
	case s.Env != "":
		return "the environment variable " + s.Env
	case s.File != "":
		return "the file " + s.Path()
	case len(s.Command) > 0:
		return "the command " + s.Command[0]
	}
	return "the keyring entry " + s.Keyring[0] + "/" + s.Keyring[1]
}

// file reads a file that a step names, relative to the step's own. What was
// read when the plan was made is part of it; of anything else the digest is
// recorded with the step, and a file that changed since is an error.
func (c *calling) file(name string) ([]byte, error) {
	at := path.Join(path.Dir(c.n.Span.File), name)
	for _, f := range c.w.plan.compiled.Files {
		if f.Name == at {
			return f.Data, nil
		}
	}
	if c.w.x.Files == nil {
		return nil, &Error{Kind: KindData, Message: "this program gives flows no files to read"}
	}
	data, err := files.Read(c.w.x.Files, at, maxUpload)
	if errors.Is(err, fs.ErrNotExist) && at != name {
		data, err = files.Read(c.w.x.Files, name, maxUpload) // what save_to wrote is named from the output folder
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
// instance, or to one page of it: a second would overwrite what the first has said.
func (c *calling) create(name string) (Sink, error) {
	if c.w.x.Output == nil {
		return nil, &Error{Kind: KindData, Message: "this program does not let flows write files"}
	}
	own := c.t.Path
	if c.spec.Pages != nil {
		own += "#" + strconv.Itoa(c.r.Pages)
	}
	if by := c.w.state.Claim(path.Clean(name), own); by != own {
		return nil, &Error{Kind: KindData, Message: fmt.Sprintf("save_to: %s was written by step %s of this run already", name, by)}
	}
	return c.w.x.Output(name)
}

// Credential opens a credential of the flow's own file outside of any run, to
// try it or to log a person in; nothing is sent. Only the inputs and secrets that
// it is made of must be there. The error is an *Error.
func (x *Executor) Credential(ctx context.Context, p *Plan, name string, in Inputs) (*OpenCredential, error) {
	of, err := p.credential(name)
	if err != nil {
		return nil, err
	}
	inputs, secrets, beyond := of.Needs()
	if beyond != "" {
		return nil, &Error{Kind: KindInput, Place: of.Span, Message: "credential " + name + " is made of " + beyond + ", which only a run has"}
	}
	taken, _, wrong := given.Take(p.compiled.Inputs, in)
	wrong = slices.DeleteFunc(wrong, func(f given.Wrong) bool { _, there := in[f.Name]; return !there && !inputs[f.Name] })
	if err := x.inputError(ctx, p, wrong, secrets); err != nil {
		return nil, err
	}
	w := &work{x: x, plan: p, redactor: x.redactor(), run: &datapoints.Run{Flow: p.Name()}}
	if err := w.readInputs(taken.Object); err != nil {
		return nil, asError(err)
	}
	if w.secrets, err = x.secrets(ctx, p, w.redactor, secrets); err != nil {
		return nil, err
	}
	a := authorization{c: &calling{w: w, n: &plan.Node{Span: of.Span}, env: &env{w: w, ctx: ctx}}, of: of}
	if err := a.open(); err != nil {
		return nil, a.blamed(err)
	}
	return &OpenCredential{a.provider, of.Name, of.Kind, of.Span}, nil
}

// login does the steps of a credential, as a run of their own that nothing is
// recorded of, and gives the token in which they end.
func (w *work) login(ctx context.Context, of *plan.Credential, in Inputs) (Token, error) {
	secrets := func(_ context.Context, s SecretSource) (string, error) {
		for i, known := range w.plan.Secrets() {
			if reflect.DeepEqual(known, s) {
				return w.secrets[w.plan.compiled.Secrets[i]].Text()
			}
		}
		return "", ErrNoSecret
	}
	x := &Executor{Secrets: secrets, Redactor: w.redactor, Files: w.x.Files, Owner: Process{Stays: true}}
	if w.x.Observer != nil {
		x.Observer = &logins{w.x.Observer, w, of.Name}
	}
	began := time.Now()
	run, err := x.Run(ctx, w.plan.logins[of], in)
	if err != nil {
		return Token{}, loginError(of, asError(err))
	}
	var out struct {
		Token     *string         `json:"token"`
		ExpiresIn json.RawMessage `json:"expires_in"`
	}
	if json.Unmarshal([]byte(run.Outputs.Reveal()), &out) != nil || out.Token == nil {
		return Token{}, &Error{Kind: KindAuth, Message: "credential " + of.Name + ": `token` is not a text", Place: of.Span}
	}
	t := Token{Type: "Bearer", Access: datapoints.Text(*out.Token).Mark(datapoints.Sensitive, of.Name)}
	if text := strings.Trim(string(out.ExpiresIn), `"`); text != "" && text != "null" {
		life, err := ParseDuration(text)
		if seconds, bad := strconv.ParseFloat(text, 64); bad == nil {
			life, err = time.Duration(min(seconds, 1e9)*float64(time.Second)), nil
		}
		if err != nil {
			return Token{}, &Error{Kind: KindAuth, Message: "credential " + of.Name + ": `expires_in` is neither a duration nor a number of seconds", Place: of.Span}
		}
		t.Expires = began.Add(life)
	}
	return t, nil
}
