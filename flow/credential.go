package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/trust"
)

// Which extra tries of a call there were.
const (
	triedToken = 1 << iota // with another token
	triedProof             // with another proof
)

// providers are those of a run, by what their credentials are made of.
type providers struct {
	mu   sync.Mutex
	open map[string]TokenProvider
}

// maxProviders bounds what is kept of credentials that differ from call to call.
const maxProviders = 256

// An authorization is a call's credential.
type authorization struct {
	c        *calling
	of       *plan.Credential
	provider TokenProvider
	token    Token
	trust    trust.Trust // where it may go
	proofs   [][2]string // headers that go with the token
	lacking  bool        // nothing was sent, for want of a token
}

// authorize finds the credential of a call, if it has one, and opens it.
func (c *calling) authorize(in *Input) error {
	a := c.spec.Auth
	if a == nil {
		return nil
	}
	of := a.Fixed
	if a.Choice != nil {
		name, err := a.Choice.Render(c.env)
		if err != nil {
			return err
		}
		text, err := name.Text()
		if err != nil {
			return err
		}
		of = a.Among[text]
	}
	if of == nil { // none
		return nil
	}
	c.auth = &authorization{c: c, of: of, trust: c.trust}
	if err := c.auth.open(); err != nil {
		return c.auth.blamed(err)
	}
	in.Sign, in.Scopes = c.auth.sign, c.auth.scopes
	in.Token = func(ctx context.Context) (Token, error) {
		err := c.auth.get(ctx)
		return c.auth.token, err
	}
	return nil
}

// open renders the credential's fields and has its kind make a provider of them,
// once for equal ones.
func (a *authorization) open() error {
	w, c := a.c.w, a.c
	in := CredentialInput{Name: a.of.Name, Run: w.run.ID, File: c.file}
	key := strconv.Itoa(a.of.Index)
	for i := range a.of.Fields {
		f := &a.of.Fields[i]
		v, err := w.renderField(f, c.env)
		if err != nil {
			return err
		}
		if v.Class() == datapoints.Sensitive {
			new(answer.Secrets).Note(f, c.env, v.Reveal(), func(label, text string) { w.redactor.Learn(a.of.Name+"."+label, text) })
		}
		key += "\x00" + f.Name + "\x00" + v.Reveal()
		in.Args = append(in.Args, Arg{Name: f.Name, Value: v})
	}
	if a.of.Origins != nil {
		if err := a.only(); err != nil {
			return err
		}
	}
	if a.of.Login != nil {
		inputs, err := a.inputs(&in)
		if err != nil {
			return err
		}
		in.Make = func(ctx context.Context) (Token, error) { return w.login(ctx, a.of, inputs) }
		key += "\x00" + in.Identity
	}
	w.providers.mu.Lock()
	defer w.providers.mu.Unlock()
	if a.provider = w.providers.open[key]; a.provider != nil {
		return nil
	}
	p, err := w.plan.kinds[a.of.Kind].Open(c.env.ctx, in)
	if err != nil {
		return err
	}
	if w.providers.open == nil || len(w.providers.open) >= maxProviders {
		w.providers.open = map[string]TokenProvider{}
	}
	w.providers.open[key], a.provider = p, p
	return nil
}

// inputs are those for the steps of a credential. What they and the secrets
// are that the steps read is part of the token's identity.
func (a *authorization) inputs(in *CredentialInput) (Inputs, error) {
	e := a.c.env
	inputs := Inputs{}
	for _, input := range a.of.Login.Flow.Inputs {
		v, err := e.Value(&expression.Ref{Root: "inputs", Name: input.Name, Handle: &plan.Ref{Input: input, Flow: a.of.Flow}})
		if err != nil {
			return nil, err
		}
		text, err := v.JSON()
		if err != nil {
			return nil, err
		}
		inputs[input.Name] = json.RawMessage(text)
	}
	in.Identity = a.of.Login.Digest
	for _, r := range a.of.Login.Reads {
		if r.Input != nil {
			in.Identity += fmt.Sprintf(" %q=%s", r.Input.Name, inputs[r.Input.Name])
			continue
		}
		secret, err := a.c.w.secrets[r.Secret].JSON()
		if err != nil {
			return nil, err
		}
		in.Identity += fmt.Sprintf(" %q=%s", r.Secret.Name, secret)
	}
	return inputs, nil
}

// only takes over the origins that the credential lists: it goes to those alone.
func (a *authorization) only() error {
	text, err := a.of.Origins.Rendered(a.c.env, func(string) {})
	if err != nil {
		return placed(err)
	}
	a.trust = trust.Trust{}
	items, _ := expression.FromJSON(text).Items()
	for _, item := range items {
		url, err := item.Text()
		if err != nil {
			return err
		}
		if err := a.trust.Allow(url); err != nil {
			return &Error{Kind: KindData, Message: "`origins`: " + err.Error()}
		}
	}
	return nil
}

// get gets the token.
func (a *authorization) get(ctx context.Context) error {
	within, cancel := context.WithDeadline(ctx, a.c.deadline)
	defer cancel()
	t, err := a.provider.Token(within)
	if err == nil && t.Access.RevealText() == "" {
		err = errors.New("its token is empty")
	}
	if err != nil {
		return a.blamed(err)
	}
	a.token = t
	a.c.w.protect(a.of.Name, t.Access.Reveal())
	return nil
}

// blamed is why there is no token: a failure of the step, told at the credential.
func (a *authorization) blamed(err error) error {
	e := *asError(err)
	if e.Kind == KindAction {
		e.Kind, e.Message = KindAuth, "credential "+a.of.Name+": "+e.Message
	}
	if e.Place.Line == 0 {
		e.Place = a.of.Span
	}
	e.Sent, a.lacking = false, true // of the call itself nothing was
	return &e
}

// scopes are what the credential asks for; ok is false if its kind knows no scopes.
func (a *authorization) scopes() (asked []string, ok bool) {
	for _, f := range a.c.w.plan.kinds[a.of.Kind].Spec().Fields {
		ok = ok || f.Name == "scopes"
	}
	for i := range a.of.Fields {
		if f := &a.of.Fields[i]; ok && f.Name == "scopes" {
			if v, err := a.c.w.renderField(f, a.c.env); err != nil || json.Unmarshal([]byte(v.Reveal()), &asked) != nil {
				return nil, false
			}
		}
	}
	return asked, ok
}

// may refuses an origin to which the credential must not go.
func (a *authorization) may(origin string) error {
	refused := a.trust.Check(origin)
	if refused == nil {
		return nil
	}
	e := &Error{Kind: KindData, Message: "the credential " + a.of.Name + " would go to " + refused.Error(), Hints: []string{refused.Hint}}
	if a.of.Origins != nil {
		e.Hints = []string{"if it is right, add it to the credential's `origins`"}
	} else if refused.Trusted != "" {
		e.Hints = []string{"the address came from an answer: if it is right, list its origin in the credential's `origins`"}
	}
	if refused.Trusted != "" {
		e.Facts = []Fact{{"trusted", refused.Trusted}}
	}
	return e
}

// sign puts the token on a request.
func (a *authorization) sign(ctx context.Context, r *Outgoing) error {
	origin, err := Origin(r.URL)
	if err != nil {
		return &Error{Kind: KindData, Message: "the URL " + err.Error()}
	}
	if err := a.may(origin); err != nil {
		return err
	}
	if a.token.Access.IsZero() {
		if err := a.get(ctx); err != nil {
			return err
		}
	}
	if err := a.put(r, a.token.Access.RevealText()); err != nil {
		return a.blamed(err)
	}
	if p, ok := a.provider.(Prover); ok {
		if r.After != nil {
			p.Challenged(a.token, *r.After) // for what it says beside
		}
		bare := *r
		if err := p.Prove(a.token, r); err != nil {
			return a.blamed(err)
		}
		a.proofs = slices.DeleteFunc(slices.Clone(r.Headers), func(h [2]string) bool { _, there := bare.Header(h[0]); return there })
	}
	return nil
}

// put writes a text where the token stands.
func (a *authorization) put(r *Outgoing, token string) error {
	s := a.of.Send
	if s == nil {
		s = &plan.Send{Header: "Authorization"}
	}
	where, value := s.Header, token
	switch {
	case s.Query != "":
		u, err := url.Parse(r.URL)
		if err != nil {
			return &Error{Kind: KindData, Message: "the URL cannot be read"}
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += url.QueryEscape(s.Query) + "=" + strings.ReplaceAll(url.QueryEscape(token), "+", "%20")
		r.URL = u.String()
		return nil
	case s.Cookie != "":
		if strings.ContainsAny(token, " ;,\"\\") {
			return &Error{Kind: KindAuth, Message: "the token cannot stand in a cookie: it holds a blank, a quote, a comma or a semicolon"}
		}
		where, value = "Cookie", s.Cookie+"="+token
		if others, there := r.Header("Cookie"); there {
			value = others + "; " + value
		}
	case a.of.Send == nil:
		value = cmp.Or(a.token.Type, "Bearer") + " " + token
	case s.Value != nil:
		e := *a.c.env
		e.token = token
		v, err := s.Value.Render(&e)
		if err != nil {
			return err
		}
		if value, err = v.Text(); err != nil {
			return err
		}
	}
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return &Error{Kind: KindAuth, Message: "the token holds a control character, which cannot stand in a header"}
	}
	if _, there := r.Header(where); there && where != "Cookie" {
		return &Error{Kind: KindData, Message: "the header " + where + " is given by the step and by the credential"}
	}
	r.SetHeader(where, value)
	return nil
}

// rejected says whether an answer refuses the credential, and how: what is
// another try's to mend, and whether the call was not looked at.
func (c *calling) rejected(result *Result) (mends int, untouched bool, hints []string) {
	if c.auth == nil || result.Status == 0 || c.auth.token.Access.IsZero() {
		return 0, false, nil
	}
	if p, ok := c.auth.provider.(Prover); ok && p.Challenged(c.auth.token, *result) {
		return triedProof, true, nil
	}
	code, inBody := "", false
	if c.call.Challenge != nil {
		code, inBody = c.call.Challenge(*result)
	}
	of := &c.auth.of.Reject
	switch {
	case code == "insufficient_scope", code == "invalid_dpop_proof", code == "use_dpop_nonce": // another token would not help
		return 0, false, nil
	case result.Status == 401, len(of.Status) > 0 && answer.StatusIn(of.Status, result.Status), code == "invalid_token" && !inBody:
		class := result.Status / 100
		return triedToken, class == 4 || class == 3, nil // 2xx and 5xx may come after the work
	case code != "" && inBody:
		return triedToken, false, nil
	case of.When == nil:
		return 0, false, nil
	}
	yes, hints := c.w.grants("reject_on.when", of.When, c.env)
	if yes {
		mends = triedToken
	}
	return mends, false, hints
}

// refuses looks whether an answer refuses the credential. If so the token is taken
// out of use, and the call is done once more with another one; that is no retry.
func (c *calling) refuses(ctx context.Context, result *Result) (out Outcome, did bool, err error) {
	mends, untouched, hints := c.rejected(result)
	c.hints = hints
	if mends == 0 {
		return Outcome{}, false, nil
	}
	e := c.refused(*result).(*Error)
	e.Kind, e.Refused = KindAuth, untouched
	e.Message = "the answer says that the token of credential " + c.auth.of.Name + " is not accepted"
	another, anew := true, "token"
	if mends == triedProof {
		anew = "proof"
	} else {
		another = c.auth.provider.Reject(ctx, c.auth.token, answer.StatusText(result.Status))
	}
	if untouched {
		what := map[int]string{triedToken: "the token of credential ", triedProof: "the proof for the token of credential "}[mends]
		e.Message = "the server refused " + what + c.auth.of.Name + ": it answered " + answer.StatusText(result.Status)
	}
	tried := c.tried&mends != 0
	if tried {
		e.Message += "; it was a new one"
	}
	if tried || !another || !untouched && !c.call.Repeatable {
		out, err = c.failed(ctx, e, result)
		return out, true, err
	}
	h := unseal(c.r.Hidden)
	h.Tried = c.tried | mends
	c.r.Hidden = h.seal()
	out, err = c.once(e, End{Again: time.Now(), Anew: anew}, result)
	return out, true, err
}

// onto is the request with the credential, as people see it.
func (a *authorization) onto(r Request) Request {
	out := Outgoing{Method: r.Method, URL: r.URL, Headers: r.Headers}
	if a.put(&out, "[secret "+a.of.Name+"]") == nil {
		for _, h := range a.proofs {
			out.SetHeader(h[0], "[secret "+a.of.Name+"]")
		}
		r.URL, r.Headers = out.URL, out.Headers
	}
	return r
}
