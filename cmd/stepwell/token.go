package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

const tokenHelp = `Tokens that credentials of type oauth2 and steps have fetched are kept in the store,
sealed, and used by later runs. These verbs show and remove them, try a credential of
a flow, and log a person in. None of them prints a token.`

func (c *Command) tokenVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Short: "Show and remove kept tokens, try a credential, log in", Long: tokenHelp, Args: verbs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.tokenListVerb(), c.tokenShowVerb(), c.tokenPurgeVerb(), c.tokenTestVerb(), c.tokenLoginVerb())
	return cmd
}

// tokenFlags are the options of token test and token login.
type tokenFlags struct {
	storeFlags
	inputs  []string
	file    string
	json    bool
	fresh   bool
	verbose bool
	sandbox bool
}

func (c *Command) credentialVerb(use, short, long, example string, do func(context.Context, string, string, tokenFlags) error) (*cobra.Command, *tokenFlags) {
	var o tokenFlags
	cmd := &cobra.Command{
		Use: use + " FILE CREDENTIAL", Short: short, Long: long, Example: example, Args: arguments(2, 2, "a FILE and a CREDENTIAL of it"),
		RunE: func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), args[0], args[1], o) },
	}
	f := cmd.Flags()
	addStoreFlags(cmd, &o.storeFlags)
	f.StringArrayVarP(&o.inputs, "input", "i", nil, "an input, as `name=value`; may be repeated")
	f.StringVar(&o.file, "inputs", "", "a JSON `file` with inputs; - is stdin")
	f.BoolVar(&o.json, "json", false, "print one JSON document")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show the token requests and their answers, secrets masked")
	return cmd, &o
}

const tokenTestHelp = `Gets the token that a run of the flow would get, and says what it is: type, end, scope,
a fingerprint, the claims of a JWT, where it came from and how long that took. The
token itself is not printed. A kept token that is good is not fetched anew; --fresh
takes it out of use first. Only the inputs and secrets that the credential is made of
are needed.`

func (c *Command) tokenTestVerb() *cobra.Command {
	cmd, o := c.credentialVerb("test", "Get a token and say what it is", tokenTestHelp,
		"  stepwell token test flow.yaml ehr -i client_id=clinic\n  stepwell token test --sandbox examples/managed-token.yaml ehr", c.testToken)
	cmd.Flags().BoolVar(&o.fresh, "fresh", false, "do not use the kept token: it is thrown away")
	cmd.Flags().BoolVar(&o.sandbox, "sandbox", false, "ask a server of its own on this machine, which fills in inputs and secrets")
	return cmd
}

const tokenLoginHelp = `Logs a person in, and keeps the token for later runs. A credential with the grant
authorization_code prints the address to open in a browser on this machine, which comes
back by itself; device_code prints an address and a code for any device. Ctrl-C gives up.`

func (c *Command) tokenLoginVerb() *cobra.Command {
	cmd, _ := c.credentialVerb("login", "Log a person in and keep the token", tokenLoginHelp, "  stepwell token login flow.yaml ehr", c.login)
	return cmd
}

// A trial is a credential of a flow outside of any run.
type trial struct {
	*session
	name string
	cred *flow.OpenCredential // nil: it could not be opened
}

// tryCredential opens a credential of a flow, calls do with it, and says what went wrong.
func (c *Command) tryCredential(ctx context.Context, file, name string, o tokenFlags, do func(*trial) (*tokenReport, error)) error {
	p, project, err := c.load(file)
	if err != nil {
		return c.refuse(err, "", o.json)
	}
	defer project.close()
	s := &session{c: c, plan: p, dir: project.dir, redactor: &datapoints.Redactor{}}
	if o.sandbox {
		if s.sandbox, err = sandbox.Start(sandbox.Options{}); err != nil {
			return wrong(err.Error())
		}
		defer func() { _ = s.sandbox.Close() }()
	}
	in, err := c.given(o.inputs, o.file)
	if err != nil {
		return err
	}
	in = c.fill(in, p, s.sandbox)
	t := &trial{session: s, name: name}
	x := &flow.Executor{Redactor: s.redactor, Secrets: s.secret, Files: fs.FS(overlay{folder(s.dir)})}
	show := func(x oauth2.Exchange) { writeTokenExchange(c.Stderr, c.errLook(), x, "") }
	if o.verbose {
		x.Observer = loginWatch{show}
	}
	// What is wrong or missing is refused before a key or a store is made.
	if _, err := x.Credential(ctx, p, name, in); err != nil {
		return t.failed(ctx, err, o)
	}
	if s.keep, err = c.open(ctx, o.storeFlags, toWork); err != nil {
		return c.refuse(err, p.Name(), o.json)
	}
	defer s.keep.close()
	c.tokens = nil // that one was asked already, without the store
	if s.plan, project, err = c.load(file); err != nil {
		return err
	}
	defer project.close()
	s.keep.settle = s.keepTokens()
	if o.verbose {
		s.watchTokens(func(_ context.Context, x oauth2.Exchange) { show(x) })
	}
	var r *tokenReport
	if t.cred, err = x.Credential(ctx, s.plan, name, in); err == nil {
		r, err = do(t)
	}
	if err != nil {
		return t.failed(ctx, err, o)
	}
	s.sayShort()
	if o.json {
		return c.printJSON(r, false)
	}
	_, err = fmt.Fprint(c.Stdout, c.outLook().tokenReport(r))
	return err
}

// failed says why there is no token.
func (t *trial) failed(ctx context.Context, err error, o tokenFlags) error {
	var e *flow.Error
	if !errors.As(err, &e) {
		return err
	}
	if ctx.Err() != nil {
		e = &flow.Error{Kind: flow.KindInterrupted, Message: "stopped before there was a token; nothing was kept"}
	}
	shown := *e
	if shown.Place.Line == 0 && t.cred != nil && e.Kind != flow.KindInterrupted {
		shown.Place = t.cred.Place
	}
	shown.Place.File = t.c.shownIn(t.dir, shown.Place.File)
	shown.Message, shown.Hints, shown.Facts = t.redactor.Text(e.Message), nil, nil
	for _, h := range e.Hints {
		shown.Hints = append(shown.Hints, t.redactor.Text(h))
	}
	for _, f := range e.Facts {
		shown.Facts = append(shown.Facts, flow.Fact{Name: f.Name, Text: t.redactor.Text(f.Text)})
	}
	switch {
	case e.Kind == flow.KindInterrupted:
		t.c.note("stopped", "%s", shown.Message)
	case shown.Place.Line > 0:
		t.c.printFrame(&shown)
	default:
		t.c.complain(shown.Message, factLines(&shown)...)
		for _, h := range shown.Hints {
			t.c.help(h)
		}
	}
	if o.json {
		r := &tokenReport{Credential: t.name, Scopes: []string{}, Error: errorOf(&shown)}
		if t.cred != nil {
			r.Type = t.cred.Type
		}
		if err := t.c.printJSON(r, false); err != nil {
			return err
		}
	}
	return said(exitOf(e.Kind))
}

// testToken gets a token.
func (c *Command) testToken(ctx context.Context, file, name string, o tokenFlags) error {
	return c.tryCredential(ctx, file, name, o, func(t *trial) (*tokenReport, error) {
		before := t.kept(ctx)
		began := time.Now()
		token, err := t.cred.Token(ctx)
		if err == nil && o.fresh && before != nil && before.Fingerprint == fingerprintOf(token) {
			if t.needsPerson() && !before.Refreshable {
				return nil, &flow.Error{Kind: flow.KindAuth, Message: "the kept token is the only one: without a person there is no other",
					Hints: []string{"log in again: stepwell token login " + quoted(file) + " " + quoted(name)}}
			}
			began = time.Now()
			t.cred.Reject(ctx, token, "stepwell token test --fresh took it out of use")
			token, err = t.cred.Token(ctx)
		}
		if err != nil {
			return nil, err
		}
		t.redactor.Add("access_token", token.Access.RevealText())
		r := t.report(token)
		// Some servers give the same token again: only the generation tells that it was fetched.
		if after := t.kept(ctx); before != nil && after != nil && before.Generation == after.Generation && before.Fingerprint == r.Fingerprint {
			r.From, r.Obtained, r.Run = "store", moment(before.Obtained), before.Run
		} else if t.fetched() {
			r.From, r.TookMS = "fetched", float64(time.Since(began).Microseconds())/1000
		}
		return r, nil
	})
}

// A person is the token of one who logs in: what oauth2.Source can do beside giving tokens.
type person interface {
	Grant() string
	Lasts() bool
	LoginHere(ctx context.Context, open func(address string) error) (oauth2.Token, error)
	Device(ctx context.Context) (*oauth2.Device, error)
	Await(ctx context.Context, d *oauth2.Device) (oauth2.Token, error)
}

// fetched says whether the credential's tokens come from somewhere.
func (t *trial) fetched() bool {
	switch t.cred.Type {
	case "basic", "bearer", "api_key":
		return false
	}
	return true
}

// needsPerson says whether a new token wants somebody to log in.
func (t *trial) needsPerson() bool {
	p, ok := t.cred.TokenProvider.(person)
	return ok && (p.Grant() == "authorization_code" || p.Grant() == "device_code")
}

// kept is what the store has of the credential's token, nil if nothing.
func (t *trial) kept(ctx context.Context) *oauth2.Kept {
	p, ok := t.cred.TokenProvider.(interface{ ID() string })
	if !ok {
		return nil
	}
	list, _ := t.c.tokens.Kept(ctx) // of one that cannot be read the client warns
	for i := range list {
		if list[i].ID == p.ID() {
			return &list[i]
		}
	}
	return nil
}

// login logs a person in.
func (c *Command) login(ctx context.Context, file, name string, o tokenFlags) error {
	return c.tryCredential(ctx, file, name, o, func(t *trial) (*tokenReport, error) {
		p, ok := t.cred.TokenProvider.(person)
		try := "try it: stepwell token test " + quoted(file) + " " + quoted(name)
		switch {
		case !ok || t.cred.Type != "oauth2":
			return nil, wrong(fmt.Sprintf("credential %s is of type %s: nobody has to log in", name, t.cred.Type), try)
		case !t.needsPerson():
			return nil, wrong(fmt.Sprintf("credential %s has the grant %s: nobody has to log in", name, clean(p.Grant())), try)
		case t.keep.file == "":
			return nil, wrong("a login keeps its token in the store, and this one keeps nothing", "give another one with --store, or none for the usual one")
		case !p.Lasts():
			return nil, wrong("a login keeps its token in the store, and the credential's `cache` forbids that", "write `cache: store`, or leave it out")
		}
		began := time.Now()
		token, err := t.ask(ctx, p)
		if err != nil {
			return nil, err
		}
		k := t.kept(context.WithoutCancel(ctx))
		if k == nil || k.Fingerprint != token.Fingerprint() {
			return nil, &flow.Error{Kind: flow.KindStore, Message: "the login succeeded, and its token could not be kept"}
		}
		r := t.report(flow.Token{Access: token.Access, Type: token.Type, Scope: token.Scope, Expires: token.Expires, Own: token})
		r.From, r.TookMS, r.Obtained = "login", float64(time.Since(began).Microseconds())/1000, moment(k.Obtained)
		return r, nil
	})
}

// ask tells the person where to log in, and waits.
func (t *trial) ask(ctx context.Context, p person) (oauth2.Token, error) {
	w, l := t.c.Stderr, t.c.errLook()
	say := func(what, text string) { fmt.Fprintf(w, "%s %s\n", pad(what, 20), l.paint(bold, clean(text))) }
	if p.Grant() == "authorization_code" {
		return p.LoginHere(ctx, func(address string) error {
			say("open in a browser:", address)
			fmt.Fprintln(w, l.paint(dim, l.text("waiting for it to come back …  Ctrl-C gives up")))
			return nil
		})
	}
	d, err := p.Device(ctx)
	if err != nil {
		return oauth2.Token{}, err
	}
	say("open on any device:", d.URL)
	say("and enter the code:", d.UserCode)
	if d.Complete != "" && d.Complete != d.URL {
		say("or open both as one:", d.Complete)
	}
	fmt.Fprintln(w, l.paint(dim, l.text("waiting until somebody confirms …  the code ends "+until(d.Expires, time.Now())+", Ctrl-C gives up")))
	return p.Await(ctx, d)
}

// scopesOf are the scopes in a token's scope.
func scopesOf(scope string) []string { return append([]string{}, strings.Fields(scope)...) }
