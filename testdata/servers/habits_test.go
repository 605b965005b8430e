package servers_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
)

func flowError(err error) *flow.Error {
	var e *flow.Error
	if !errors.As(err, &e) {
		return &flow.Error{Message: err.Error()}
	}
	return e
}

// A habit is what a server does with its tokens.
type habit struct {
	name string
	see  func(t *testing.T, a authorizer) string
}

// habits are the last rows of the table.
var habits = []habit{
	{"`token_type`", func(t *testing.T, a authorizer) string { return member(t, a, "token_type") }},
	{"`expires_in`", func(t *testing.T, a authorizer) string {
		switch seconds := answerOf(t, a).answer["expires_in"].(type) {
		case float64:
			if seconds < 3590 || seconds > 3600 {
				t.Errorf("an hour is %v seconds", seconds)
			}
			return "a number"
		default:
			return fmt.Sprintf("%T", seconds)
		}
	}},
	{"`scope` in the answer", func(t *testing.T, a authorizer) string { return member(t, a, "scope") }},
	{"`Content-Type` of the answer", func(t *testing.T, a authorizer) string {
		return "`" + answerOf(t, a).headed.Get("Content-Type") + "`"
	}},
	{"introspection of a token that nobody gave", func(t *testing.T, a authorizer) string {
		if a.introspect == "" {
			return "–"
		}
		return fmt.Sprintf("`active: %v`", introspect(t, a, "nobody-gave-this")["active"])
	}},
	{"after renewal the refresh token is", renewed},
	{"an old refresh token", reused},
}

// answerOf is the answer to client credentials.
func answerOf(t *testing.T, a authorizer) call {
	t.Helper()
	s := newSpy(t, a.tls)
	if _, err := source(t, s, a.credential()).Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.last(t)
}

func member(t *testing.T, a authorizer, name string) string {
	value, ok := answerOf(t, a).answer[name]
	if !ok {
		return "missing"
	}
	return fmt.Sprintf("`%v`", value)
}

// renewed rejects a token and looks at what the client does: it must renew it with the refresh token alone.
func renewed(t *testing.T, a authorizer) string {
	s := newSpy(t, a.tls)
	c := source(t, s, a.renewable())
	first, err := obtain(t, c, a.refreshed)
	if err != nil {
		t.Fatal(err)
	}
	before := s.last(t)
	c.Reject(t.Context(), first, "401")
	second, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after := s.last(t)
	if after.sent.Get("grant_type") != "refresh_token" || len(s.all("refresh_token")) != 1 || second.Fingerprint() == first.Fingerprint() {
		t.Errorf("it was renewed with %v", after.sent)
	}
	if after.answer["refresh_token"] == nil {
		return "left out"
	}
	if after.answer["refresh_token"] == before.answer["refresh_token"] {
		return "the same"
	}
	return "another"
}

// reused sends a refresh token that was used, which the client never does, and then the one that took its place.
func reused(t *testing.T, a authorizer) string {
	send := func(token string) (string, string) {
		r := post(t, a.url+a.token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		a.basic(r)
		status, answer := send(t, r)
		next, _ := answer["refresh_token"].(string)
		if status == 200 {
			return "200", next
		}
		return fmt.Sprintf("%d `%v`", status, answer["error"]), next
	}
	old := firstRefresh(t, a)
	_, next := send(old)
	again, _ := send(old)
	if again == "200" {
		return "is taken again"
	}
	after, _ := send(next)
	if after == "200" {
		return again + ", and the new one works on"
	}
	return again + ", and the new one is dead too"
}

// authorizers starts every authorization server.
func authorizers(t *testing.T, k keys) []authorizer {
	t.Helper()
	list := []authorizer{
		{name: "go-oauth2", version: "4.5.4", url: run(t, "oauth", "-client-secret", clientSecret), token: "/oauth/token",
			clients: map[string]string{"": clientID}, secret: clientSecret, raw: true, user: "ward", password: "pass word+%41", refreshed: "password"},
		newFosite(t, k),
	}
	oidc := newOIDC(t, k, 3600)
	mock := node(t, "mock", struct{}{})
	return append(list, oidc, authorizer{name: "oauth2-mock-server", version: "8.2.3", url: mock, issuer: mock, token: "/token", authorize: "/authorize",
		introspect: "/introspect", clients: map[string]string{"": clientID}, secret: clientSecret, user: "ward", password: "pass word+%41", refreshed: "password"})
}

// newFosite starts fosite with a client for each way to name itself.
func newFosite(t *testing.T, k keys) authorizer {
	t.Helper()
	return authorizer{name: "fosite", version: "0.49.0", url: run(t, "fosite", "-client-secret", clientSecret, "-jwks", k.set(t)),
		token: "/token", authorize: "/authorize", introspect: "/introspect", revoke: "/revoke",
		secret: clientSecret, user: "ward", password: "pass word+%41", refreshed: "password", offline: "offline",
		clients: map[string]string{"": "client_secret_basic", "body": "client_secret_post", "none": "none", "RS384": "RS384", "ES384": "ES384"}}
}

// longSecret is one that client_secret_jwt may sign with, and that breaks careless encoders.
var longSecret = clientSecret + strings.Repeat("+", 32-len(clientSecret))

// newOIDC starts oidc-provider with a client for each way to name itself.
func newOIDC(t *testing.T, k keys, lifetime int) authorizer {
	t.Helper()
	a := authorizer{name: "oidc-provider", version: "9.13.3", token: "/token", authorize: "/auth", device: "/device/auth", introspect: "/token/introspection", revoke: "/token/revocation",
		secret: longSecret, user: "ward", refreshed: "authorization_code",
		clients: map[string]string{"": "client_secret_basic", "body": "client_secret_post", "client_secret_jwt": "client_secret_jwt",
			"private_key_jwt": "ES384", "none": "none", "RS384": "RS384", "ES384": "ES384"}}
	certs := newCertificates(t)
	var clients []map[string]any
	for _, id := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "RS384", "ES384", "tls_client_auth",
		"self_signed_tls_client_auth", "none"} {
		c := map[string]any{"client_id": id, "token_endpoint_auth_method": id, "application_type": "native",
			"redirect_uris": []string{"http://127.0.0.1/callback"}, "response_types": []string{"code"},
			"grant_types": []string{"authorization_code", "refresh_token", "client_credentials",
				"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"}}
		switch id {
		case "client_secret_basic", "client_secret_post", "client_secret_jwt":
			c["client_secret"] = longSecret
		case "RS384", "ES384":
			c["token_endpoint_auth_method"], c["token_endpoint_auth_signing_alg"], c["jwks"] = "private_key_jwt", id, k.public
		case "tls_client_auth":
			c["tls_client_auth_san_dns"], c["tls_client_certificate_bound_access_tokens"] = "clinic.example.test", true
		case "self_signed_tls_client_auth":
			c["jwks"], c["tls_client_certificate_bound_access_tokens"] = certs.registered(t), true
		case "none":
			c["grant_types"] = []string{"authorization_code", "refresh_token"}
		}
		clients = append(clients, c)
	}
	a.url = node(t, "oidc", map[string]any{"clients": clients, "ttl": lifetime,
		"tls": map[string]string{"key": certs.serverKey, "cert": certs.server, "ca": certs.authority}})
	a.issuer = a.url
	a.tls = actions.Security{CA: certs.authority, Cert: certs.client, Key: certs.clientKey}
	a.certificate = certs.client
	_, metadata := get(t, a.url+"/.well-known/openid-configuration", "")
	aliases, _ := metadata["mtls_endpoint_aliases"].(map[string]any)
	alias, _ := aliases["token_endpoint"].(string)
	a.secured = strings.TrimSuffix(alias, "/token")
	return a
}
