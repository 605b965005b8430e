package oauth2_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// TestARefusalSaysWhatToDo: what is found becomes a hint, and what is not found does not.
func TestARefusalSaysWhatToDo(t *testing.T) {
	t.Parallel()
	key := pkcs8(t, keys(t).p256)
	signs := func(audience string) func(*oauth2.Credential) {
		return func(c *oauth2.Credential) {
			c.ClientSecret, c.Assertion = "", oauth2.Assertion{Key: key, Kid: "k1", Audience: audience}
		}
	}
	plain := func(*oauth2.Credential) {}
	body := func(c *oauth2.Credential) { c.ClientAuth = "body" }
	invalid := bad(401, `{"error":"invalid_client"}`)
	for _, c := range []struct {
		name   string
		change func(*oauth2.Credential)
		answer reply
		says   string
		not    string
	}{
		{"what the server says", plain, bad(400, `{"error":"invalid_client","error_description":"Unknown client."}`), "id.example.test answered 400 Bad Request: invalid_client: Unknown client.", ""},
		{"what the server says in words", plain, bad(400, `{"message":"Tenant is locked"}`), "Tenant is locked", ""},
		{"what was sent", plain, invalid, "= sent POST https://id.example.test/token", ""},
		{"what was answered", plain, invalid, "= answered 401 Unauthorized, application/json, 26 bytes", ""},
		{"the challenge", plain, bad(401, "", "WWW-Authenticate", `Basic realm="x"`), `WWW-Authenticate: Basic realm="x"`, ""},
		{"basic refused", plain, invalid, "some servers take both in the body only: `client_auth: body`", "basic_encoding"},
		{"basic refused by who asks for basic", plain, bad(401, `{"error":"invalid_client"}`, "WWW-Authenticate", "Basic"), "does not know the client, or its secret is wrong", "client_auth: body"},
		{"basic whose encoding matters", func(c *oauth2.Credential) { c.ClientSecret = "canary+secret" }, invalid, "`basic_encoding: raw` sends this id and secret differently", ""},
		{"basic raw whose encoding matters", func(c *oauth2.Credential) { c.ClientSecret, c.BasicEncoding = "canary+secret", "raw" }, invalid, "`basic_encoding: form` sends", ""},
		{"body refused", body, invalid, "some servers take them as Basic only: `client_auth: basic`", ""},
		{"body where Basic is asked for", body, bad(401, `{"error":"invalid_client"}`, "WWW-Authenticate", `Basic realm="x"`), "the server asks for Basic, and `client_auth: body`", ""},
		{"no proof", func(c *oauth2.Credential) { c.ClientSecret = "" }, invalid, "names no secret and no key", ""},
		{"tls without a certificate", func(c *oauth2.Credential) { c.ClientSecret, c.ClientAuth = "", "tls" }, invalid, "needs a client certificate", ""},
		{"white space around the id", func(c *oauth2.Credential) { c.ClientID = "client " }, invalid, "`client_id` begins or ends with white space", ""},
		{"line end after the secret", func(c *oauth2.Credential) { c.ClientSecret = "canary-secret\n" }, invalid, "`client_secret` begins or ends with white space", ""},
		{"unauthorized_client", plain, bad(400, `{"error":"unauthorized_client"}`), "may not use this grant_type", "client_auth: body"},
		{"unsupported grant", plain, bad(400, `{"error":"unsupported_grant_type"}`), "asked with grant_type client_credentials", ""},
		{"invalid grant", func(c *oauth2.Credential) { c.Grant, c.Username = "password", "u" }, bad(400, `{"error":"invalid_grant"}`), "invalid_grant: what was given as a grant", "aud"},
		{"scope", func(c *oauth2.Credential) { c.Scopes = []string{"a", "b.read"} }, bad(400, `{"error":"invalid_scope"}`), "`scopes` asks for a b.read", ""},
		{"no scope", plain, bad(400, `{"error":"invalid_scope"}`), "the credential lists none", ""},
		{"target", plain, bad(400, `{"error":"invalid_target"}`), "names no `audience` and no `resource`", ""},
		{"targets", func(c *oauth2.Credential) { c.Audience, c.Resource = "api", []string{"https://a.example.test"} }, bad(400, `{"error":"invalid_target"}`), "`audience` is api, `resource` is https://a.example.test", ""},
		{"a password", func(c *oauth2.Credential) { c.Grant, c.Username, c.Password = "password", "ada", "canary-password" }, bad(400, `{"error":"invalid_grant"}`), "`password` is wrong", ""},
		{"a subject token", func(c *oauth2.Credential) { c.Grant, c.SubjectToken = "token_exchange", "canary-subject" }, bad(400, `{"error":"invalid_grant"}`), "was sent as urn:ietf:params:oauth:token-type:access_token: `subject_token_type`", ""},
		{"a proof", func(c *oauth2.Credential) { c.DPoP = "ES384" }, bad(400, `{"error":"invalid_dpop_proof"}`), "the proof was signed with ES384", ""},
		{"a key without an id", func(c *oauth2.Credential) { signs("")(c); c.Assertion.Kid = "" }, invalid, "signed with ES256 and names no kid", ""},
		{"aud token endpoint", signs(""), invalid, "`assertion: {audience: issuer}`", "secret is wrong"},
		{"aud issuer as text", signs("https://id.example.test"), invalid, "the text of `assertion.audience`", ""},
		{"alg and kid", signs(""), invalid, "signed with ES256 and has kid k1", ""},
		{"aud of a refused grant", func(c *oauth2.Credential) { c.Grant, c.Assertion.Key = "jwt_bearer", key }, bad(400, `{"error":"invalid_grant"}`), "aud was the token endpoint", ""},
		{"json refused", func(c *oauth2.Credential) { c.RequestEncoding = "json" }, bad(400, `{"error":"invalid_request"}`), "`request_encoding: form`", ""},
		{"json not supported", func(c *oauth2.Credential) { c.RequestEncoding = "json" }, bad(415, ""), "`request_encoding: form`", ""},
		{"form not supported", plain, bad(415, ""), "`request_encoding: json`", ""},
		{"not found", plain, bad(404, ""), "there is no token endpoint at this address", "client_id"},
		{"wrong method", plain, bad(405, ""), "takes no POST at this address", "client_id"},
		{"client missed in the body", plain, bad(400, `{"error":"invalid_request","error_description":"client_secret missing"}`), "look for both in the body only: `client_auth: body`", ""},
		{"a parameter missed by who has the client", body, bad(400, `{"error":"invalid_request"}`), "compare grant_type", "client_auth"},
		{"not the answer of an OAuth server", plain, bad(400, `{"message":"Unexpected token g in JSON at position 0"}`), "if it wants JSON: `request_encoding: json`", "client_id"},
		{"redirect", plain, bad(307, "", "Location", "https://new.example.test/token?x=1"), "redirects to https://new.example.test/token, and secrets are not sent on", "x=1"},
		{"redirect to nowhere", plain, bad(302, ""), "redirects and says not where", ""},
		{"a page", plain, bad(403, "<html>blocked"), "403 Forbidden with an HTML page", ""},
		{"server busy", plain, bad(503, `{"error":"temporarily_unavailable"}`), "overloaded or in maintenance", "client_auth"},
		{"dpop asked for", plain, bad(400, `{"error":"invalid_dpop_proof"}`), "bound to a key (DPoP)", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cred := basic()
				c.change(&cred)
				e := failed(t, source(t, &oauth2.Client{Carrier: serving(c.answer)}, cred))
				says(t, e, true, c.says)
				if c.not != "" {
					says(t, e, false, c.not)
				}
				says(t, e, false, "canary")
			})
		})
	}
}

// TestNoErrorHoldsASecret: servers, proxies and libraries quote what they got.
func TestNoErrorHoldsASecret(t *testing.T) {
	t.Parallel()
	secrets := []string{"canary-secret", "pin42", "canary-password", "canary-refresh", "canary-subject", "canary-param"}
	cred := basic()
	cred.Grant, cred.Username, cred.Password = "password", "u", "pin42"
	quoting := func(r seen) any {
		return bad(400, `{"error":"invalid_request","error_description":"got `+strings.NewReplacer(`"`, `'`, `\`, ``).Replace(r.body+" "+r.header.Get("Authorization"))+`"}`,
			"WWW-Authenticate", `Basic realm="`+r.body+`"`)
	}
	for name, change := range map[string]func(*oauth2.Credential){
		"basic":    func(*oauth2.Credential) {},
		"body":     func(c *oauth2.Credential) { c.ClientAuth = "body" },
		"json":     func(c *oauth2.Credential) { c.ClientAuth, c.RequestEncoding = "body", "json" },
		"long":     func(c *oauth2.Credential) { c.Password = "canary-password" },
		"refresh":  func(c *oauth2.Credential) { c.Grant, c.RefreshToken = "refresh_token", "canary-refresh" },
		"params":   func(c *oauth2.Credential) { c.Params = map[string]string{"api_key": "canary-param", "tenant": "x"} },
		"exchange": func(c *oauth2.Credential) { c.Grant, c.SubjectToken = "token_exchange", "canary-subject" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := cred
			change(&mine)
			for _, answer := range []any{quoting, broken{true, errors.New("cannot write canary-secret pin42 canary-password canary-refresh canary-subject")}} {
				synctest.Test(t, func(t *testing.T) {
					e := failed(t, source(t, &oauth2.Client{Carrier: serving(answer)}, mine))
					for _, secret := range secrets {
						if secret != mine.ClientSecret && secret != mine.Password && secret != mine.RefreshToken && secret != mine.SubjectToken && secret != mine.Params["api_key"] {
							continue
						}
						says(t, e, false, secret)
					}
					want(t, "body", len(e.Body), 0)
				})
			}
		})
	}
}

func TestAnErrorKeepsWhatErrorsIsAsksFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = time.Hour
		e := failed(t, source(t, &oauth2.Client{Carrier: s}, basic()))
		want(t, "kind", e.Kind, flow.KindTimeout)
		want(t, "tries", s.count(), 3)
		says(t, e, true, "no answer from id.example.test in time")
		want(t, "status of a refusal", failed(t, source(t, &oauth2.Client{Carrier: serving(bad(401, ""))}, basic())).Status, http.StatusUnauthorized)
	})
}
