package oauth2

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A Credential says how to get a token: the fields of a credential of type
// oauth2 in the flow language, rendered. Zero values are what the language
// takes for fields that are not given.
type Credential struct {
	Name string // as the flow calls it; for errors and lists

	// Where: exactly one. TokenURL is the endpoint itself; Issuer and Smart (a
	// FHIR base URL) are asked for it (RFC 8414, OpenID Connect Discovery, SMART App Launch).
	TokenURL, Issuer, Smart string
	// EndpointOrigins are origins other than Issuer's or Smart's where endpoints
	// may be, and the only ones beside this machine that plain http: goes to.
	EndpointOrigins []string

	// Grant is client_credentials (""), refresh_token, password, jwt_bearer (RFC
	// 7523), token_exchange (RFC 8693), device_code (RFC 8628),
	// authorization_code (with PKCE, RFC 7636), or a URN.
	Grant                  string
	ClientID, ClientSecret string
	// ClientAuth is basic, body, private_key_jwt, client_secret_jwt, tls (RFC
	// 8705) or none. "": basic with a ClientSecret; else private_key_jwt with an
	// Assertion.Key that is not the grant's; else none.
	ClientAuth      string
	BasicEncoding   string // form (RFC 6749 §2.3.1, "") or raw
	RequestEncoding string // form ("") or json

	Scopes    []string
	Params    map[string]string // further parameters of the token request
	Audience  string
	Resource  []string // RFC 8707
	Assertion Assertion
	DPoP      string // the algorithm of RFC 9449 proofs, such as ES256; "": plain bearer tokens
	Token     Members

	Username, Password, RefreshToken string
	SubjectToken, SubjectTokenType   string
	ActorToken, ActorTokenType       string
	RequestedTokenType               string
	AuthorizationURL, RedirectURI    string
	AuthorizationParams              map[string]string
	DeviceURL                        string
	RefreshEarly, DefaultLifetime    time.Duration // 0: automatic; 5 minutes
	Timeout                          time.Duration // of one attempt; 0: a minute
	Keep                             string        // store (""), process, run or none: the field `cache`
	Run                              string        // the run that asks; part of what makes tokens different with Keep "run"
	Certificate                      string        // the client certificate (PEM) that Carrier presents, for it binds the token
	Carrier                          Carrier       // for a credential with `tls` or `proxy`; nil: the Client's

	// Make gets the token in another way than from a token endpoint: nothing of what
	// says how to ask one counts then. It is kept, renewed and rejected as any other.
	// Identity says what the token is made of. The error should be a *flow.Error.
	Make     func(ctx context.Context) (Made, error) `json:"-"`
	Identity string
}

// Made is a token that somebody else has got.
type Made struct {
	Access, Type string
	Lifetime     time.Duration // from the moment at which Make was called; 0: it is not known
}

// An Assertion is a signed JWT (RFC 7523): of the client with private_key_jwt
// and client_secret_jwt, and what is exchanged for a token with jwt_bearer.
type Assertion struct {
	Alg      string // RS256 … PS512, ES256 … ES512, EdDSA, HS256 …; "": what fits the key
	Kid      string
	Key      string        // PEM, also on one line; base64 of DER; a JWK or a set with one
	Audience string        // token_endpoint (""), issuer, or a text
	Lifetime time.Duration // at most 5 minutes; 0: 4 minutes
	Subject  string        // "": the client id
	JKU      string        // header jku
}

// Members are gjson paths into the answer; "" is the name of the field.
type Members struct{ AccessToken, ExpiresIn, RefreshToken, TokenType string }

// Names of grant types (RFC 7523 §2.1, RFC 8693 §2.1, RFC 8628 §3.4).
const (
	jwtBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	deviceCode    = "urn:ietf:params:oauth:grant-type:device_code"
)

const (
	attemptTimeout    = time.Minute
	defaultLifetime   = 5 * time.Minute
	assertionLifetime = 4 * time.Minute
	maxAssertion      = 5 * time.Minute
)

// invalid is what is wrong with a credential before anything is sent.
func (c *Credential) invalid(format string, a ...any) *flow.Error {
	return &flow.Error{Kind: flow.KindAuth, Message: c.called() + ": " + fmt.Sprintf(format, a...)}
}

func (c *Credential) called() string {
	if c.Name == "" {
		return "the credential"
	}
	return "credential " + c.Name
}

// complete checks a credential and fills in what is not given.
func (c *Credential) complete() *flow.Error {
	c.Params, c.AuthorizationParams = maps.Clone(c.Params), maps.Clone(c.AuthorizationParams)
	c.Scopes, c.Resource, c.EndpointOrigins = slices.Clone(c.Scopes), slices.Clone(c.Resource), slices.Clone(c.EndpointOrigins)
	preset(&c.Timeout, attemptTimeout)
	preset(&c.DefaultLifetime, defaultLifetime)
	preset(&c.Assertion.Lifetime, assertionLifetime)
	preset(&c.Assertion.Audience, "token_endpoint")
	preset(&c.BasicEncoding, "form")
	preset(&c.RequestEncoding, "form")
	preset(&c.Keep, "store")
	preset(&c.Token.AccessToken, "access_token")
	preset(&c.Token.ExpiresIn, "expires_in")
	preset(&c.Token.RefreshToken, "refresh_token")
	preset(&c.Token.TokenType, "token_type")
	preset(&c.Grant, "client_credentials")
	switch c.Grant {
	case jwtBearer:
		c.Grant = "jwt_bearer"
	case tokenExchange:
		c.Grant = "token_exchange"
	case deviceCode:
		c.Grant = "device_code"
	}
	if c.ClientAuth == "" {
		switch {
		case c.ClientSecret != "":
			c.ClientAuth = "basic"
		case c.Assertion.Key != "" && c.Grant != "jwt_bearer":
			c.ClientAuth = "private_key_jwt"
		default:
			c.ClientAuth = "none"
		}
	}
	checks := []func() *flow.Error{c.checkWords, c.checkPlace, c.checkGrant, c.checkClient}
	if c.Make != nil {
		checks = checks[:1]
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func preset[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Credential) checkWords() *flow.Error {
	for _, f := range []struct {
		name, value string
		may         []string
	}{
		{"client_auth", c.ClientAuth, []string{"basic", "body", "private_key_jwt", "client_secret_jwt", "tls", "none"}},
		{"basic_encoding", c.BasicEncoding, []string{"form", "raw"}},
		{"request_encoding", c.RequestEncoding, []string{"form", "json"}},
		{"cache", c.Keep, []string{"store", "process", "run", "none"}},
	} {
		if !slices.Contains(f.may, f.value) {
			return c.invalid("`%s` is one of %s", f.name, strings.Join(f.may, ", "))
		}
	}
	if c.Timeout < 0 || c.DefaultLifetime < 0 || c.RefreshEarly < 0 || c.Assertion.Lifetime < 0 {
		return c.invalid("`timeout`, `default_lifetime`, `refresh_early` and `assertion.lifetime` cannot be negative")
	}
	if c.Assertion.Lifetime > maxAssertion {
		return c.invalid("`assertion.lifetime` is at most 5m: servers refuse assertions that live longer")
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if _, ok := c.Params[name]; ok {
			return c.invalid("`params` must not have %s: the credential's own fields say it", name)
		}
	}
	return nil
}

func (c *Credential) checkPlace() *flow.Error {
	given := 0
	for _, place := range []struct{ name, text string }{{"token_url", c.TokenURL}, {"issuer", c.Issuer}, {"smart", c.Smart}} {
		if place.text == "" {
			continue
		}
		given++
		if err := c.checkURL(place.name, place.text); err != nil {
			return err
		}
	}
	if given != 1 {
		return c.invalid("exactly one of `token_url`, `issuer` and `smart` says where tokens come from")
	}
	for _, place := range []struct{ name, text string }{{"authorization_url", c.AuthorizationURL}, {"device_url", c.DeviceURL}} {
		if place.text == "" {
			continue
		}
		if err := c.checkURL(place.name, place.text); err != nil {
			return err
		}
	}
	return nil
}

// checkURL refuses what secrets must not be sent to.
func (c *Credential) checkURL(name, text string) *flow.Error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return c.invalid("`%s` is not a URL such as https://id.example.test/token", name)
	case u.User != nil:
		return c.invalid("`%s` must not hold a user name or a password", name)
	case u.Fragment != "":
		return c.invalid("`%s` must not have a fragment (#…): RFC 6749 §3.2", name)
	case u.Scheme == "http" && !loopback(u.Hostname()) && !c.lists(text):
		e := c.invalid("`%s` begins with http://: secrets would travel in the clear to %s", name, u.Host)
		e.Kind, e.Hints = flow.KindData, []string{"write https://, or list " + u.Scheme + "://" + u.Host + " in `endpoint_origins`"}
		return e
	}
	return nil
}

// lists says whether the origin of a URL is in endpoint_origins.
func (c *Credential) lists(text string) bool {
	at := origin(text)
	return at != "" && slices.ContainsFunc(c.EndpointOrigins, func(o string) bool { return origin(o) == at })
}

// loopback says whether a host is this machine (RFC 8252 §8.3).
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// origin is the origin of a URL, or "" for what is none.
func origin(text string) string {
	at, _ := flow.Origin(text)
	return at
}

func (c *Credential) checkGrant() *flow.Error {
	need := func(name, value string) *flow.Error {
		if value == "" {
			return c.invalid("the grant %s needs `%s`, which is missing or empty", c.Grant, name)
		}
		return nil
	}
	if c.Keep == "none" && (c.Grant == "refresh_token" || c.RefreshToken != "") {
		return c.invalid("`cache: none` cannot go with a refresh token: it may be good for one use, so what replaces it must be kept")
	}
	switch c.Grant {
	case "client_credentials", "authorization_code", "device_code":
		return nil
	case "refresh_token":
		return need("refresh_token", c.RefreshToken)
	case "password":
		return need("username", c.Username)
	case "jwt_bearer":
		return need("assertion.key", c.Assertion.Key)
	case "token_exchange":
		return need("subject_token", c.SubjectToken)
	}
	if !strings.Contains(c.Grant, ":") {
		return c.invalid("there is no grant %q: it is one of client_credentials, refresh_token, password, jwt_bearer, token_exchange, device_code, authorization_code, or a URN", c.Grant)
	}
	return nil
}

func (c *Credential) checkClient() *flow.Error {
	switch c.ClientAuth {
	case "basic", "body", "client_secret_jwt":
		if c.ClientSecret == "" {
			return c.invalid("`client_auth: %s` needs `client_secret`, which is missing or empty", c.ClientAuth)
		}
	case "private_key_jwt":
		if c.Assertion.Key == "" {
			return c.invalid("`client_auth: private_key_jwt` needs `assertion.key`, which is missing or empty")
		}
	}
	if c.ClientID == "" && c.ClientAuth != "none" {
		return c.invalid("`client_auth: %s` needs `client_id`, which is missing or empty", c.ClientAuth)
	}
	if c.BasicEncoding == "raw" && c.ClientAuth == "basic" && strings.Contains(c.ClientID, ":") {
		return c.invalid("a `client_id` with a colon cannot be sent with `basic_encoding: raw`: the server would cut it there")
	}
	return nil
}

// secrets are all that must not be seen, with what each is called.
func (c *Credential) secrets() [][2]string {
	list := [][2]string{
		{"client_secret", c.ClientSecret}, {"password", c.Password}, {"refresh_token", c.RefreshToken},
		{"subject_token", c.SubjectToken}, {"actor_token", c.ActorToken}, {"assertion_key", c.Assertion.Key},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		if datapoints.SensitiveName(name) {
			list = append(list, [2]string{name, c.Params[name]})
		}
	}
	return list
}

// hide makes a redactor of the credential's secrets.
func (c *Credential) hide(r *datapoints.Redactor) {
	for _, s := range c.secrets() {
		r.Add(s[0], s[1])
	}
	r.AddPair("client_secret", c.ClientID, c.ClientSecret)
}
