package servers_test

import (
	"strings"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
)

// TestWhatARefusalAdvises asks real servers in ways that they refuse.
func TestWhatARefusalAdvises(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	stranger := newKeys(t) // keys that no server knows
	list := authorizers(t, k)
	servers := map[string]authorizer{}
	for _, a := range list {
		servers[a.name] = a
	}
	for _, tt := range []struct {
		name, server string
		change       func(a authorizer, c *oauth2.Credential)
		want         string
	}{
		{"the other encoding where a server reads Basic as it is", "go-oauth2", func(_ authorizer, c *oauth2.Credential) { c.BasicEncoding = "form" }, "`basic_encoding: raw`"},
		{"the other encoding where a server decodes Basic", "fosite", func(_ authorizer, c *oauth2.Credential) { c.BasicEncoding = "raw" }, "`basic_encoding: form`"},
		{"the other encoding where the certified one decodes it", "oidc-provider", func(_ authorizer, c *oauth2.Credential) { c.BasicEncoding = "raw" }, "`basic_encoding: form`"},
		{"Basic where the body is refused", "fosite", func(_ authorizer, c *oauth2.Credential) { c.ClientAuth = "body" }, "`client_auth: basic`"},
		{"a form where JSON is refused", "fosite", func(_ authorizer, c *oauth2.Credential) { c.RequestEncoding = "json" }, "`request_encoding: form`"},
		{"a form where JSON is refused by the certified one", "oidc-provider", func(_ authorizer, c *oauth2.Credential) { c.RequestEncoding = "json" }, "`request_encoding: form`"},
		{"the scopes that were asked for", "fosite", func(_ authorizer, c *oauth2.Credential) { c.Scopes = []string{"moon.read"} }, "moon.read"},
		{"what was signed, and for whom", "fosite", func(a authorizer, c *oauth2.Credential) {
			as("private_key_jwt", signed("ES384", "https://elsewhere.test"))(a, k, c)
		}, "aud"},
		{"what was signed, and for whom, at the certified one", "oidc-provider", func(a authorizer, c *oauth2.Credential) {
			as("private_key_jwt", signed("ES384", "https://elsewhere.test"))(a, k, c)
		}, "aud"},
		{"the key that the server does not know", "oidc-provider", func(a authorizer, c *oauth2.Credential) {
			as("private_key_jwt", signed("ES384", ""))(a, stranger, c)
		}, "kid ES384"},
		{"that tokens are not bound there", "fosite", func(_ authorizer, c *oauth2.Credential) { c.DPoP = "ES256" }, "leave `dpop` out"},
		{"the grant that is not known", "oidc-provider", func(a authorizer, c *oauth2.Credential) {
			c.Grant, c.Username, c.Password = "password", a.user, "x"
		}, "grant_type password"},
		{"where the token endpoint is not", "oidc-provider", func(_ authorizer, c *oauth2.Credential) { c.TokenURL += "s" }, "no token endpoint"},
		{"how the issuer is written", "oidc-provider", func(a authorizer, c *oauth2.Credential) { c.TokenURL, c.Issuer = "", a.url+"/" }, "exactly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := servers[tt.server]
			c := a.credential()
			tt.change(a, &c)
			_, err := source(t, newSpy(t, actions.Security{}), c).Token(t.Context())
			if err == nil {
				t.Fatal("it is not refused")
			}
			e := flowError(err)
			if !strings.Contains(strings.Join(e.Hints, "\n"), tt.want) {
				t.Errorf("%v\n%q", err, e.Hints)
			}
			whole := err.Error() + strings.Join(e.Hints, "\n")
			for _, f := range e.Facts {
				whole += f.Text
			}
			if strings.Contains(whole, a.secret) {
				t.Errorf("the secret is told: %s", whole)
			}
		})
	}
}

func TestOddAnswersAreReadAsTheyAreMeant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		answers []map[string]any
		want    string // of the error; "": a token
		calls   int
	}{
		{"a lifetime as text", []map[string]any{{"expires_in": "3600"}}, "", 1},
		{"a lifetime that is not told", []map[string]any{{"expires_in": nil}}, "", 1},
		{"a lower-case type", []map[string]any{{"token_type": "bearer"}}, "", 1},
		{"an unknown type", []map[string]any{{"token_type": "mac"}}, "mac", 1},
		{"an empty token", []map[string]any{{"access_token": ""}}, "empty", 1},
		{"an error with 200", []map[string]any{{"error": "invalid_client"}}, "invalid_client", 1},
		{"a server that is down for a moment", []map[string]any{{"status": 503}, {"status": 502}}, "", 3},
		{"an OAuth error, which is final", []map[string]any{{"status": 400, "error": "invalid_scope"}}, "invalid_scope", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			at := node(t, "mock", map[string]any{"answers": tt.answers})
			s := newSpy(t, actions.Security{})
			token, err := source(t, s, oauth2.Credential{TokenURL: at + "/token", ClientID: clientID, ClientSecret: clientSecret}).Token(t.Context())
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("%v", err)
			case err == nil && !strings.HasPrefix(token.Authorization().RevealText(), "Bearer "):
				t.Errorf("%s", token.Authorization().RevealText()[:8])
			}
			if n := len(s.all("")); n != tt.calls {
				t.Errorf("%d requests", n)
			}
		})
	}
}
