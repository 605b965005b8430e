package credentials

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

func text(name, doc string) flow.Field { return flow.Field{Name: name, Type: flow.TextField, Doc: doc} }

// word is a constant text, one of a few.
func word(name, doc, preset string, may ...string) flow.Field {
	return flow.Field{Name: name, Type: flow.TextField, Constant: true, OneOf: may, Doc: doc, Default: preset}
}

func place(name, doc string) flow.Field {
	f := destination(name, doc)
	f.Group = "place"
	return f
}

// destination is a URL that secrets are sent to.
func destination(name, doc string) flow.Field {
	f := text(name, doc)
	f.Destination = true
	return f
}

func texts(name, doc string) flow.Field {
	return flow.Field{Name: name, Type: flow.ListField, Fields: []flow.Field{{Type: flow.TextField}}, Doc: doc}
}

func pairs(name, doc string) flow.Field {
	return flow.Field{Name: name, Type: flow.MapField, Fields: []flow.Field{{Type: flow.TextField}}, Doc: doc}
}

func duration(name, doc, preset string) flow.Field {
	return flow.Field{Name: name, Type: flow.DurationField, Doc: doc, Default: preset}
}

func oauthFields() []flow.Field {
	fields := []flow.Field{
		place("token_url", "The token endpoint."),
		place("issuer", "The authorization server, whose endpoints are discovered (OpenID Connect Discovery, RFC 8414)."),
		place("smart", "The base URL of a FHIR server, from whose SMART configuration the endpoints are read."),
		{Name: "grant", Type: flow.TextField, Constant: true, Default: "client_credentials",
			Doc: "How the token is obtained: client_credentials, refresh_token, password, jwt_bearer (RFC 7523), token_exchange (RFC 8693), device_code (RFC 8628), authorization_code, or a URN, whose parameters stand in params."},
		text("client_id", "The client's id."),
		text("client_secret", "The client's secret."),
		word("client_auth", "How the client says who it is. private_key_jwt and client_secret_jwt sign an assertion (RFC 7523), tls shows a certificate (RFC 8705).",
			"basic with a client_secret, private_key_jwt with an assertion's key, else none", clientAuths...),
		word("basic_encoding", "Whether id and secret are form-encoded before they are joined, as RFC 6749 §2.3.1 has it.", "form", "form", "raw"),
		word("request_encoding", "Whether the token request is a form or JSON.", "form", "form", "json"),
		texts("scopes", "The scopes to ask for."),
		pairs("params", "Further parameters of the token request."),
		text("audience", "The parameter audience."),
		texts("resource", "The resources that the token is for (RFC 8707)."),
		assertionField(),
		text("jku", "The header jku of assertions: where the client's keys are published."),
		{Name: "token", Type: flow.ObjectField, Fields: []flow.Field{
			word("access_token", "The token.", "access_token"),
			word("expires_in", "How long it is good, in seconds.", "expires_in"),
			word("refresh_token", "With what it is renewed.", "refresh_token"),
			word("token_type", "Of which type it is.", "token_type"),
		}, Doc: "Where the parts of the answer stand, each a gjson path."},
		text("username", "Of the grant password: the user."),
		text("password", "Of the grant password: the user's password."),
		text("refresh_token", "The refresh token to begin with. What replaces it is kept."),
		{Name: "subject_token", Type: flow.TextField, Data: true, Doc: "Of the grant token_exchange: the token to exchange. It may come from a data point."},
		text("subject_token_type", "Of the grant token_exchange: its type."),
		text("actor_token", "Of the grant token_exchange: the token of who acts."),
		text("actor_token_type", "Of the grant token_exchange: its type."),
		text("requested_token_type", "Of the grant token_exchange: the type to ask for."),
		destination("authorization_url", "Of the grant authorization_code: where a person logs in, if it is not discovered."),
		pairs("authorization_params", "Of the grant authorization_code: further parameters of that address."),
		text("redirect_uri", "Of the grant authorization_code: a loopback address that is registered with the server."),
		destination("device_url", "Of the grant device_code: the device authorization endpoint, if it is not discovered."),
		{Name: "dpop", Type: flow.ChoiceField, Default: "false", Fields: []flow.Field{
			{Type: flow.BooleanField, Constant: true},
			{Type: flow.ObjectField, Fields: []flow.Field{{Name: "alg", Type: flow.TextField, Required: true, Constant: true, Doc: "The algorithm of the proofs, such as ES256."}}},
		}, Doc: "Whether the token is bound to a key that is made for it (RFC 9449)."},
		duration("timeout", "How long one token request may take.", "60s"),
		{Name: "endpoint_origins", Type: flow.ListField, Allows: true, Fields: []flow.Field{{Type: flow.TextField}},
			Doc: "Further origins at which discovered endpoints may be, also over plain http. A URL stands for its origin."},
	}
	return slices.Concat(fields, keepingFields(), actions.SecurityFields())
}

// keepingFields say how long a token is kept and used.
func keepingFields() []flow.Field {
	return []flow.Field{
		{Name: "refresh_early", Type: flow.ChoiceField, Default: "auto", Fields: []flow.Field{{Type: flow.TextField, OneOf: []string{"auto"}, Constant: true}, {Type: flow.DurationField}},
			Doc: "How long before its end a token is not used any more."},
		duration("default_lifetime", "How long a token is good of which the server does not say it.", "5m"),
		word("cache", "How long the token is kept: store, as long as the store; process, as long as the program runs; run, for one run; none, for one call.", "store", "store", "process", "run", "none"),
	}
}

func assertionField() flow.Field {
	return flow.Field{Name: "assertion", Type: flow.ObjectField, Fields: []flow.Field{
		{Name: "alg", Type: flow.TextField, Constant: true, Default: "what fits the key", Doc: "The algorithm: RS256 to PS512, ES256 to ES512, EdDSA; HS256 to HS512 with client_secret_jwt."},
		text("kid", "The key's id."),
		text("key", "The private key: PEM, also on one line; base64 of DER; a JWK."),
		{Name: "audience", Type: flow.TextField, Default: "token_endpoint", Doc: "Whom it is for: token_endpoint, issuer, or a text."},
		duration("lifetime", "How long it is good, at most 5m.", "4m"),
		{Name: "subject", Type: flow.TextField, Data: true, Default: "client_id", Doc: "Of the grant jwt_bearer: whom the token is for. It may come from a data point."},
	}, Doc: "A signed statement (RFC 7523): who the client is, or with the grant jwt_bearer what is exchanged for a token. Each request has a new one."}
}

var clientAuths = []string{"basic", "body", "private_key_jwt", "client_secret_jwt", "tls", "none"}

// own are the fields that belong to one grant alone.
var own = map[string]string{
	"username": "password", "password": "password",
	"subject_token": "token_exchange", "subject_token_type": "token_exchange", "actor_token": "token_exchange",
	"actor_token_type": "token_exchange", "requested_token_type": "token_exchange",
	"authorization_url": "authorization_code", "authorization_params": "authorization_code", "redirect_uri": "authorization_code",
	"device_url": "device_code",
}

// needs are the fields that a grant cannot do without.
var needs = map[string][]string{
	"refresh_token": {"refresh_token"}, "password": {"username", "password"}, "jwt_bearer": {"assertion"}, "token_exchange": {"subject_token"},
	"client_credentials": nil, "authorization_code": nil, "device_code": nil,
}

// A finder collects what is wrong with a credential.
type finder struct {
	with  flow.Static
	keys  []string
	found []flow.Complaint
}

func checkOAuth(with flow.Static) []flow.Complaint {
	c := &finder{with: with, keys: with.Keys()}
	if !c.has("token_url") && !c.has("issuer") && !c.has("smart") {
		c.complain(diag.MissingKey, "", "`token_url` is the token endpoint; `issuer` and `smart` discover it", "the credential does not say where its token comes from")
	}
	grant := c.grant()
	for _, key := range c.keys {
		if of := own[key]; of != "" && of != grant && !strings.Contains(grant, ":") {
			c.complain(diag.KeyNotAllowed, key, "remove it, or write `grant: "+of+"`", "`%s` goes with the grant %s, and this one is %s", key, of, grant)
		}
	}
	for _, key := range needs[grant] {
		if !c.has(key) {
			c.complain(diag.MissingKey, "", "", "the grant %s needs `%s`", grant, key)
		}
	}
	for grantAt, place := range map[string]string{"authorization_code": "authorization_url", "device_code": "device_url"} {
		if grant == grantAt && c.has("token_url") && !c.has(place) {
			c.complain(diag.MissingKey, "", "with `issuer` it is discovered", "the grant %s needs `%s`", grant, place)
		}
	}
	if cache, _, _ := with.Text("cache"); cache == "none" && (grant == "refresh_token" || c.has("refresh_token")) {
		c.complain(diag.KeysExclude, "cache", "leave it away", "a refresh token may be good for one use, so what replaces it must be kept")
	}
	c.client(grant)
	c.assertion()
	c.places()
	return c.found
}

func (c *finder) has(key string) bool { return slices.Contains(c.keys, key) }

func (c *finder) complain(code diag.Code, key, hint, format string, a ...any) {
	p := flow.Complaint{Code: code, Hint: hint, Message: fmt.Sprintf(format, a...)}
	if key != "" {
		p.Path = strings.Split(key, ".")
	}
	c.found = append(c.found, p)
}

// grant is the grant's short name.
func (c *finder) grant() string {
	name, _, there := c.with.Text("grant")
	switch name {
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return "jwt_bearer"
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		return "token_exchange"
	case "urn:ietf:params:oauth:grant-type:device_code":
		return "device_code"
	}
	if !there {
		return "client_credentials"
	}
	if _, known := needs[name]; !known && !strings.Contains(name, ":") {
		names := []string{"client_credentials", "refresh_token", "password", "jwt_bearer", "token_exchange", "device_code", "authorization_code"}
		hint := "it is one of " + strings.Join(names, ", ") + ", or a URN"
		if near := flow.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.complain(diag.WrongValue, "grant", hint, "there is no grant %q", name)
	}
	return name
}

// client checks that the client names itself in one way.
func (c *finder) client(grant string) {
	auth, _, given := c.with.Text("client_auth")
	secret, signs := c.has("client_secret"), slices.Contains(c.with.Keys("assertion"), "key")
	if !given {
		switch {
		case secret && signs && grant != "jwt_bearer":
			c.complain(diag.KeysExclude, "client_secret", "keep one of them, or say with `client_auth` which one counts", "`client_secret` and `assertion` both say who the client is")
		case secret:
			auth = "basic"
		case signs && grant != "jwt_bearer":
			auth = "private_key_jwt"
		default:
			auth = "none"
		}
	}
	switch auth {
	case "basic", "body", "client_secret_jwt":
		if !secret {
			c.complain(diag.MissingKey, "", "", "`client_auth: %s` needs `client_secret`", auth)
		}
		if signs && grant != "jwt_bearer" && given {
			c.complain(diag.KeyNotAllowed, "assertion.key", "remove it, or write `client_auth: private_key_jwt`", "a client names itself in one way, and `client_auth: %s` uses no key", auth)
		}
	case "private_key_jwt":
		if !signs {
			c.complain(diag.MissingKey, "", "`assertion: { key: \"${{ secrets.key }}\" }`", "`client_auth: private_key_jwt` needs `assertion.key`")
		}
	case "tls":
		if !slices.Contains(c.with.Keys("tls"), "cert") {
			c.complain(diag.MissingKey, "", "", "`client_auth: tls` needs `tls` with `cert` and `key`")
		}
	}
	if given && secret && (auth == "private_key_jwt" || auth == "tls" || auth == "none") {
		c.complain(diag.KeyNotAllowed, "client_secret", "remove it: a client names itself in one way", "`client_auth: %s` uses no `client_secret`", auth)
	}
	if auth != "none" && slices.Contains(clientAuths, auth) && !c.has("client_id") {
		c.complain(diag.MissingKey, "", "", "the credential lacks `client_id`")
	}
	if c.has("basic_encoding") && auth != "basic" {
		c.complain(diag.KeyNotAllowed, "basic_encoding", "remove it", "`basic_encoding` goes with `client_auth: basic`, and this one is %s", auth)
	}
}

// algorithms are those of RFC 7518 §3.1 and RFC 8037 that assertions are signed with.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"}

// assertion checks what is constant of it.
func (c *finder) assertion() {
	if alg, constant, there := c.with.Text("assertion", "alg"); there && constant && !slices.Contains(algorithms, alg) {
		hint := "it is one of " + strings.Join(algorithms, ", ")
		if near := flow.Nearest(alg, algorithms); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.complain(diag.WrongValue, "assertion.alg", hint, "there is no algorithm %q for assertions", alg)
	}
	text, constant, there := c.with.Text("assertion", "lifetime")
	if life, err := flow.ParseDuration(text); there && constant && err == nil && life > 5*time.Minute {
		c.complain(diag.WrongValue, "assertion.lifetime", "write 5m, or leave it away", "an assertion is good for 5 minutes at most: servers refuse those that live longer")
	}
}

// places checks the URLs that are constant.
func (c *finder) places() {
	for _, key := range []string{"token_url", "issuer", "smart", "authorization_url", "device_url"} {
		text, constant, there := c.with.Text(key)
		if !there || !constant {
			continue
		}
		u, err := url.Parse(text)
		origin, bad := flow.Origin(text)
		switch {
		case err != nil || bad != nil:
			c.complain(diag.BadURL, key, "write it like https://id.example.test/token", "`%s` is not a URL", key)
		case u.User != nil:
			c.complain(diag.BadURL, key, "", "the URL holds a user name or password")
		case u.Fragment != "":
			c.complain(diag.BadURL, key, "remove it", "the URL has a fragment (#…), which a token endpoint must not have (RFC 6749 §3.2)")
		case u.Scheme == "http" && !loopback(u.Hostname()) && !c.has("endpoint_origins"):
			c.complain(diag.UntrustedOrigin, key, "write https://, or list "+origin+" in `endpoint_origins`", "secrets would travel in the clear to %s", u.Host)
		}
	}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && a.IsLoopback()
}
