package credentials

import (
	"context"
	"net/http"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// oauthKind gets tokens (RFC 6749 and what was built on it).
type oauthKind struct {
	calls  *actions.Client
	tokens *oauth2.Client
}

// Spec implements flow.CredentialKind.
func (k oauthKind) Spec() flow.CredentialSpec {
	return flow.CredentialSpec{
		Doc:    "A token that is fetched when it is needed first, kept, and renewed in time (OAuth 2.0).",
		Fields: oauthFields(),
		Check:  checkOAuth,
	}
}

// Open implements flow.CredentialKind.
func (k oauthKind) Open(ctx context.Context, in flow.CredentialInput) (flow.TokenProvider, error) {
	cred, err := k.credential(in)
	if err != nil {
		return nil, err
	}
	s, err := k.tokens.Source(ctx, cred)
	if err != nil {
		return nil, err
	}
	return source{s}, nil
}

// credential makes of the rendered fields what the token client takes.
func (k oauthKind) credential(in flow.CredentialInput) (oauth2.Credential, error) {
	f := fieldsOf(in.Args)
	a, m := f.members("assertion"), f.members("token")
	c := oauth2.Credential{
		Name: in.Name, Run: in.Run,
		TokenURL: f.text("token_url"), Issuer: f.text("issuer"), Smart: f.text("smart"), EndpointOrigins: f.list("endpoint_origins"),
		Grant: f.text("grant"), ClientID: f.text("client_id"), ClientSecret: f.text("client_secret"), ClientAuth: f.text("client_auth"),
		BasicEncoding: f.text("basic_encoding"), RequestEncoding: f.text("request_encoding"),
		Scopes: f.list("scopes"), Params: f.texts("params"), Audience: f.text("audience"), Resource: f.list("resource"),
		Assertion: oauth2.Assertion{Alg: a.text("alg"), Kid: a.text("kid"), Key: a.text("key"), Audience: a.text("audience"), Subject: a.text("subject"), JKU: f.text("jku")},
		Token:     oauth2.Members{AccessToken: m.text("access_token"), ExpiresIn: m.text("expires_in"), RefreshToken: m.text("refresh_token"), TokenType: m.text("token_type")},
		Username:  f.text("username"), Password: f.text("password"), RefreshToken: f.text("refresh_token"),
		SubjectToken: f.text("subject_token"), SubjectTokenType: f.text("subject_token_type"),
		ActorToken: f.text("actor_token"), ActorTokenType: f.text("actor_token_type"), RequestedTokenType: f.text("requested_token_type"),
		AuthorizationURL: f.text("authorization_url"), RedirectURI: f.text("redirect_uri"), AuthorizationParams: f.texts("authorization_params"),
		DeviceURL: f.text("device_url"), Keep: f.text("cache"),
	}
	switch f["dpop"] {
	case "", "false":
	case "true":
		c.DPoP = "ES256"
	default:
		c.DPoP = f.members("dpop").text("alg")
	}
	for _, d := range []struct {
		name, text string
		to         *time.Duration
	}{
		{"timeout", f.text("timeout"), &c.Timeout},
		{"assertion.lifetime", a.text("lifetime"), &c.Assertion.Lifetime},
	} {
		if d.text == "" || d.text == "auto" {
			continue
		}
		var err error
		if *d.to, err = flow.ParseDuration(d.text); err != nil {
			return c, authError("credential " + in.Name + ": `" + d.name + "` is not a duration such as 4m")
		}
	}
	if err := keeping(&c, f); err != nil {
		return c, err
	}
	return k.secured(c, f, in.File)
}

// secured chooses the connections of the credential.
func (k oauthKind) secured(c oauth2.Credential, f fields, file func(string) ([]byte, error)) (oauth2.Credential, error) {
	s, err := actions.ReadSecurity(f["tls"], f.text("proxy"), file)
	if err != nil {
		return c, err
	}
	carrier, err := k.calls.Carrier(s)
	if err != nil {
		return c, authError("credential " + c.Name + ": " + err.Error())
	}
	c.Carrier, c.Certificate = carrier, s.Cert
	return c, nil
}

// source is an oauth2.Source for flows.
type source struct{ *oauth2.Source }

var _ flow.Prover = source{}

// Token implements flow.TokenProvider.
func (s source) Token(ctx context.Context) (flow.Token, error) {
	t, err := s.Source.Token(ctx)
	if err != nil {
		return flow.Token{}, err
	}
	return flow.Token{Access: t.Access, Type: t.Type, Scope: t.Scope, Expires: t.Expires, Own: t}, nil
}

// Reject implements flow.TokenProvider.
func (s source) Reject(ctx context.Context, t flow.Token, why string) bool {
	own, ok := t.Own.(oauth2.Token)
	if ok {
		s.Source.Reject(ctx, own, why)
	}
	return ok
}

// Prove implements flow.Prover (RFC 9449).
func (s source) Prove(t flow.Token, r *flow.Outgoing) error {
	own, _ := t.Own.(oauth2.Token)
	proof, err := s.Source.Proof(own, r.Method, r.URL)
	if err == nil && proof != "" {
		r.SetHeader("Dpop", proof)
	}
	return err
}

// Challenged implements flow.Prover: it takes note of nonces (RFC 9449 §9).
func (s source) Challenged(t flow.Token, r flow.Result) bool {
	return t.Type == "DPoP" && s.Source.Challenged(r.URL, r.Status, http.Header(r.Headers))
}

// stepsKind keeps tokens in which steps end.
type stepsKind struct{ tokens *oauth2.Client }

// Spec implements flow.CredentialKind. What the steps are is the language's to say.
func (k stepsKind) Spec() flow.CredentialSpec {
	return flow.CredentialSpec{
		Doc:    "A token in which steps end, any login that there is, kept and renewed as those of oauth2 are.",
		Fields: keepingFields(),
	}
}

// Open implements flow.CredentialKind.
func (k stepsKind) Open(ctx context.Context, in flow.CredentialInput) (flow.TokenProvider, error) {
	f := fieldsOf(in.Args)
	c := oauth2.Credential{Name: in.Name, Run: in.Run, Identity: in.Identity, Keep: f.text("cache")}
	c.Make = func(ctx context.Context) (oauth2.Made, error) {
		began := time.Now()
		t, err := in.Make(ctx)
		m := oauth2.Made{Access: t.Access.RevealText(), Type: t.Type}
		if life := t.Expires.Sub(began); life >= time.Second { // less, such as an expires_in of 0, tells nothing
			m.Lifetime = life
		}
		return m, err
	}
	if err := keeping(&c, f); err != nil {
		return nil, err
	}
	s, err := k.tokens.Source(ctx, c)
	if err != nil {
		return nil, err
	}
	return source{s}, nil
}

// keeping reads how long a token is kept and used.
func keeping(c *oauth2.Credential, f fields) error {
	for name, to := range map[string]*time.Duration{"refresh_early": &c.RefreshEarly, "default_lifetime": &c.DefaultLifetime} {
		text := f.text(name)
		if text == "" || text == "auto" {
			continue
		}
		var err error
		if *to, err = flow.ParseDuration(text); err != nil {
			return authError("credential " + c.Name + ": `" + name + "` is not a duration such as 4m")
		}
	}
	return nil
}
