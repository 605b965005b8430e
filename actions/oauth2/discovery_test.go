package oauth2_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// discovered serves documents by their URL, and a token everywhere else.
func discovered(documents map[string]string) *server {
	return serving(func(r seen) any {
		text, ok := documents[r.url]
		switch {
		case r.method == "POST":
			return token("first", "")
		case !ok:
			return bad(404, "not found")
		}
		return reply{status: 200, body: text}
	})
}

func TestTheTokenEndpointIsDiscovered(t *testing.T) {
	t.Parallel()
	const at = "https://id.example.test"
	doc := func(issuer, more string) string {
		return `{"issuer":"` + issuer + `","token_endpoint":"` + at + `/t"` + more + `}`
	}
	for _, c := range []struct {
		name, issuer, smart string
		documents           map[string]string
		origins             []string
		sent                string // where the token request goes
		says                string // or why not
	}{
		{"OpenID", at, "", map[string]string{at + "/.well-known/openid-configuration": doc(at, "")}, nil, at + "/t", ""},
		{"RFC 8414", at, "", map[string]string{at + "/.well-known/oauth-authorization-server": doc(at, "")}, nil, at + "/t", ""},
		{"OpenID with a path", at + "/a/b", "", map[string]string{at + "/a/b/.well-known/openid-configuration": doc(at+"/a/b", "")}, nil, at + "/t", ""},
		{"RFC 8414 with a path", at + "/a/b", "", map[string]string{at + "/.well-known/oauth-authorization-server/a/b": doc(at+"/a/b", "")}, nil, at + "/t", ""},
		{"OpenID before the path", at + "/a", "", map[string]string{at + "/.well-known/openid-configuration/a": doc(at+"/a", "")}, nil, at + "/t", ""},
		{"slash at the end", at + "/", "", map[string]string{at + "/.well-known/openid-configuration": doc(at+"/", "")}, nil, at + "/t", ""},
		{"another slash", at, "", map[string]string{at + "/.well-known/openid-configuration": doc(at+"/", "")}, nil, "", "those of another issuer, https://id.example.test/"},
		{"another issuer", at, "", map[string]string{at + "/.well-known/openid-configuration": doc("https://evil.example.test", "")}, nil, "", "those of another issuer, https://evil.example.test"},
		{"no issuer", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"token_endpoint":"https://id.example.test/t"}`}, nil, "", "those of another issuer"},
		{"nothing there", at, "", nil, nil, "", "does not say where its endpoints are: credential ehr: id.example.test answered 404"},
		{"no endpoint", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `"}`}, nil, "", "name no token_endpoint"},
		{"a page", at, "", map[string]string{at + "/.well-known/openid-configuration": "<html>"}, nil, "", "HTML page"},
		{"another origin", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"https://tokens.example.test/t"}`}, nil, "", "write `endpoint_origins: [https://tokens.example.test]`"},
		{"another origin that is listed", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"https://tokens.example.test/t"}`}, []string{"https://tokens.example.test"}, "https://tokens.example.test/t", ""},
		{"another port", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"https://id.example.test:8443/t"}`}, nil, "", "is on another origin"},
		{"the same with its port", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"https://ID.example.test:443/t"}`}, nil, "https://ID.example.test:443/t", ""},
		{"plain http", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"http://id.example.test/t"}`}, nil, "", "in the clear"},
		{"userinfo", at, "", map[string]string{at + "/.well-known/openid-configuration": `{"issuer":"` + at + `","token_endpoint":"https://u:p@id.example.test/t"}`}, nil, "", "must not hold a user name"},
		{"other endpoints elsewhere do not matter", at, "", map[string]string{at + "/.well-known/openid-configuration": doc(at, `,"authorization_endpoint":"https://login.example.test/"`)}, nil, at + "/t", ""},
		{"SMART", "", at + "/fhir", map[string]string{at + "/fhir/.well-known/smart-configuration": `{"token_endpoint":"` + at + `/t"}`}, nil, at + "/t", ""},
		{"SMART with a slash", "", at + "/fhir/", map[string]string{at + "/fhir/.well-known/smart-configuration": `{"issuer":"https://x.example.test","token_endpoint":"` + at + `/t"}`}, nil, at + "/t", ""},
		{"SMART with an endpoint elsewhere", "", "https://fhir.example.test/r4", map[string]string{"https://fhir.example.test/r4/.well-known/smart-configuration": `{"token_endpoint":"` + at + `/t"}`}, nil, "", "write `endpoint_origins: [https://id.example.test]`"},
		{"SMART with an endpoint that is listed", "", "https://fhir.example.test/r4", map[string]string{"https://fhir.example.test/r4/.well-known/smart-configuration": `{"token_endpoint":"` + at + `/t"}`}, []string{at}, at + "/t", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cred := basic()
			cred.TokenURL, cred.Issuer, cred.Smart, cred.EndpointOrigins = "", c.issuer, c.smart, c.origins
			s := discovered(c.documents)
			src := source(t, &oauth2.Client{Carrier: s}, cred)
			if c.says != "" {
				says(t, failed(t, src), true, c.says)
				want(t, "last request", s.last().method, "GET")
				return
			}
			want(t, "token", got(t, src), "first")
			want(t, "sent to", s.last().url, c.sent)
			for _, r := range s.requests()[:s.count()-1] {
				want(t, "secret in discovery", r.header.Get("Authorization")+r.body, "")
			}
		})
	}
}

func TestDiscoveryIsRememberedForAnHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t"}`})
		c := &oauth2.Client{Carrier: s}
		cred := basic()
		cred.TokenURL, cred.Issuer, cred.Keep = "", "https://id.example.test", "none"
		ask := func() { got(t, source(t, c, cred)) }
		ask()
		time.Sleep(time.Hour)
		ask()
		want(t, "requests", s.count(), 3)
		time.Sleep(time.Nanosecond)
		ask()
		want(t, "requests", s.count(), 5)
	})
}

func TestDiscoveryIsTriedAgainWhenTheServerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(bad(503, ""), bad(500, ""), ok(`{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t"}`), token("first", ""))
		cred := basic()
		cred.TokenURL, cred.Issuer = "", "https://id.example.test"
		want(t, "token", got(t, source(t, &oauth2.Client{Carrier: s}, cred)), "first")
		s = serving(bad(503, ""))
		e := failed(t, source(t, &oauth2.Client{Carrier: s}, cred))
		want(t, "kind", e.Kind, flow.KindHTTP)
		want(t, "requests", s.count(), 3)
	})
}

// TestADiscoveryThatFailsIsRememberedFor30Seconds, and one that got no answer is not.
func TestADiscoveryThatFailsIsRememberedFor30Seconds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer      any
		once, later int // requests
	}{
		"nothing there":  {bad(404, ""), 2, 4},
		"another issuer": {ok(`{"issuer":"https://evil.example.test","token_endpoint":"https://id.example.test/t"}`), 1, 2},
		"server error":   {bad(500, ""), 3, 12},
		"no connection":  {broken{err: errors.New("connection refused")}, 3, 12},
		"no metadata":    {ok(`[]`), 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serving(c.answer)
				client := &oauth2.Client{Carrier: s}
				cred := basic()
				cred.TokenURL, cred.Issuer = "", "https://id.example.test"
				first := failed(t, source(t, client, cred))
				want(t, "requests", s.count(), c.once)
				at := time.Now()
				cred.Scopes = []string{"another"}
				for range 2 {
					again := failed(t, source(t, client, cred))
					want(t, "error", written(again), written(first))
				}
				if c.once < 3 {
					want(t, "requests at once", s.count(), c.once)
					time.Sleep(30*time.Second - time.Since(at))
				}
				failed(t, source(t, client, cred))
				want(t, "requests later", s.count(), c.later)
			})
		})
	}
}

func TestWhatTheServerSaysOfItsClientsBecomesAHint(t *testing.T) {
	t.Parallel()
	documents := map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t","token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"]}`}
	s := discovered(documents)
	inner := s.answers[0].(func(seen) any)
	s.answers[0] = func(r seen) any {
		if r.method == "POST" && !strings.Contains(r.body, "client_secret") {
			return bad(401, `{"error":"invalid_client"}`)
		}
		return inner(r)
	}
	cred := basic()
	cred.TokenURL, cred.Issuer = "", "https://id.example.test"
	says(t, failed(t, source(t, &oauth2.Client{Carrier: s}, cred)), true, "clients name themselves by private_key_jwt, client_secret_post; `client_auth: basic` is none of them")
	cred.ClientAuth = "body"
	want(t, "token", got(t, source(t, &oauth2.Client{Carrier: s}, cred)), "first")
}

// TestAClientWithACertificateGoesToItsOwnEndpoint, whether the certificate names the
// client or only binds its tokens (RFC 8705 §5).
func TestAClientWithACertificateGoesToItsOwnEndpoint(t *testing.T) {
	t.Parallel()
	const mutual = "https://mtls.example.test/t"
	for _, c := range []struct {
		auth, certificate, more string
		at, body                string
	}{
		{"tls", "certificate", "", mutual, "grant_type=client_credentials&client_id=client"},
		{"body", "certificate", `,"tls_client_certificate_bound_access_tokens":true`, mutual, "grant_type=client_credentials&client_id=client&client_secret=secret"},
		{"basic", "certificate", `,"tls_client_certificate_bound_access_tokens":true`, mutual, "grant_type=client_credentials"},
		{"basic", "certificate", `,"tls_client_certificate_bound_access_tokens":false`, "https://id.example.test/t", "grant_type=client_credentials"},
		{"basic", "certificate", `,"tls_client_certificate_bound_access_tokens":"true"`, "https://id.example.test/t", "grant_type=client_credentials"},
		{"basic", "certificate", "", "https://id.example.test/t", "grant_type=client_credentials"},
		{"basic", "", `,"tls_client_certificate_bound_access_tokens":true`, "https://id.example.test/t", "grant_type=client_credentials"},
	} {
		s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t","mtls_endpoint_aliases":{"token_endpoint":"` + mutual + `"}` + c.more + `}`})
		cred := basic()
		cred.TokenURL, cred.Issuer, cred.ClientAuth, cred.Certificate = "", "https://id.example.test", c.auth, c.certificate
		if cred.ClientSecret = "secret"; c.auth == "tls" {
			cred.ClientSecret = ""
		}
		cred.EndpointOrigins = []string{"https://mtls.example.test"}
		got(t, source(t, &oauth2.Client{Carrier: s}, cred))
		want(t, "sent to", s.last().url, c.at)
		want(t, "body", s.last().body, c.body)
	}
}

func TestTheAudienceOfAnAssertionMayBeTheIssuer(t *testing.T) {
	t.Parallel()
	s := discovered(map[string]string{"https://id.example.test/.well-known/openid-configuration": `{"issuer":"https://id.example.test","token_endpoint":"https://id.example.test/t"}`})
	cred := basic()
	cred.TokenURL, cred.Issuer, cred.ClientSecret = "", "https://id.example.test", ""
	cred.Assertion = oauth2.Assertion{Key: pkcs8(t, keys(t).p256), Audience: "issuer"}
	got(t, source(t, &oauth2.Client{Carrier: s}, cred))
	claims, _ := verify(t, s.last().form.Get("client_assertion"), keys(t).p256.Public())
	want(t, "aud", claims["aud"], any("https://id.example.test"))
}
