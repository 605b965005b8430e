package servers_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
)

// userinfo asks for what belongs to a token, with a proof if it is bound to a key.
func userinfo(t *testing.T, a authorizer, s *oauth2.Source, token oauth2.Token) (int, http.Header, string) {
	t.Helper()
	at := a.url + "/me"
	proof, err := s.Proof(token, http.MethodGet, at)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", token.Authorization().RevealText())
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode, answer.Header, proof
}

func TestATokenWithDPoPIsGoodForItsKeyAlone(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	for _, alg := range []string{"ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			bound(t, a, alg)
		})
	}
}

// bound logs in with DPoP, uses the token, and renews it.
func bound(t *testing.T, a authorizer, alg string) {
	s := newSpy(t, actions.Security{})
	c := a.renewable()
	c.DPoP, c.Scopes = alg, []string{"openid"}
	c.TokenURL, c.AuthorizationURL, c.Issuer = "", "", a.issuer
	client := source(t, s, c)
	token, err := obtain(t, client, a.refreshed)
	if err != nil {
		t.Fatal(err)
	}
	tries := s.all("authorization_code")
	if len(tries) != 2 || tries[0].answer["error"] != "use_dpop_nonce" || tries[0].header.Get("Dpop") == tries[1].header.Get("Dpop") {
		t.Fatalf("a nonce is asked for once, and the second try has a proof of its own: %d tries, %v", len(tries), tries[0].answer)
	}
	confirmation, _ := introspect(t, a, token.Access.RevealText())["cnf"].(map[string]any)
	if confirmation["jkt"] == nil {
		t.Errorf("the server does not know the key: %v", confirmation)
	}

	nonced := func(token oauth2.Token) (int, string) {
		t.Helper()
		status, header, proof := userinfo(t, a, client, token)
		if client.Challenged(a.url+"/me", status, header) {
			if verdict, _ := oauth2.Judge(status, header, nil); verdict == oauth2.Rejected && !strings.Contains(header.Get("Www-Authenticate"), "use_dpop_nonce") {
				t.Errorf("a nonce that is missing is not the token's fault: %v", header)
			}
			status, _, proof = userinfo(t, a, client, token)
		}
		return status, proof
	}
	if status, _ := nonced(token); status != 200 {
		t.Errorf("with a proof: %d", status)
	}
	if status, _, _ := userinfo(t, a, client, oauth2.Token{Access: token.Access, Type: "DPoP"}); status == 200 {
		t.Error("without a proof the token is good, too")
	}

	client.Reject(t.Context(), token, "401")
	renewed, err := client.Token(t.Context())
	if err != nil || renewed.Fingerprint() == token.Fingerprint() {
		t.Fatalf("%v", err)
	}
	if n := len(s.all("refresh_token")); n != 1 {
		t.Errorf("the nonce is known by then, and the refresh token was sent %d times", n)
	}
	if status, _ := nonced(renewed); status != 200 {
		t.Errorf("after a renewal: %d", status)
	}
}

// TestAnotherProcessRenewsATokenWithDPoP has the key from the cache, and a nonce from nobody.
func TestAnotherProcessRenewsATokenWithDPoP(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	u := tokenUser{Dir: t.TempDir(), Cred: a.renewable()}
	u.Cred.Name, u.Cred.DPoP = "ehr", "ES256"
	login(t, u, a)

	client, closing, err := shared(u.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closing() }()
	sent := newSpy(t, actions.Security{})
	client.Carrier = sent
	s, err := client.Source(t.Context(), u.Cred)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Token(t.Context())
	if err != nil || len(sent.all("")) > 0 {
		t.Fatalf("it is there already: %v", err)
	}
	s.Reject(t.Context(), first, "401")
	second, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tries := sent.all("refresh_token"); len(tries) != 2 || tries[0].answer["error"] != "use_dpop_nonce" {
		t.Errorf("%d tries: once without a nonce, once with", len(tries))
	}
	about := introspect(t, a, second.Access.RevealText())
	if before := introspect(t, a, first.Access.RevealText()); about["active"] != true || !maps.Equal(about["cnf"].(map[string]any), before["cnf"].(map[string]any)) {
		t.Errorf("the new token is bound to another key: %v, %v", before["cnf"], about["cnf"])
	}
	if counts := countsOf(t, a); counts["revoked"] != 0.0 {
		t.Errorf("the server counts %v", counts)
	}
}

func TestATokenOfAClientWithACertificateIsBoundToIt(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	c := oauth2.Credential{Issuer: a.issuer, EndpointOrigins: []string{a.secured}, ClientID: "tls_client_auth", ClientAuth: "tls",
		Certificate: a.certificate, Scopes: []string{scope}}
	s := newSpy(t, a.tls)
	token, err := source(t, s, c).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sent := s.last(t).sent; sent.Get("client_id") != "tls_client_auth" || sent.Has("client_secret") || s.last(t).header.Get("Authorization") != "" {
		t.Errorf("sent %v", sent)
	}
	confirmation, _ := introspect(t, a, token.Access.RevealText())["cnf"].(map[string]any)
	if confirmation["x5t#S256"] == nil {
		t.Errorf("the server does not know the certificate: %v", confirmation)
	}

	c.EndpointOrigins = nil
	if _, err := source(t, newSpy(t, a.tls), c).Token(t.Context()); err == nil || !strings.Contains(err.Error(), a.secured) {
		t.Errorf("an endpoint on another origin is not asked unless it is listed: %v", err)
	}
	c.EndpointOrigins, c.Certificate = []string{a.secured}, ""
	_, err = source(t, newSpy(t, actions.Security{CA: a.tls.CA}), c).Token(t.Context())
	if e := flowError(err); e.Status != 401 || !strings.Contains(strings.Join(e.Hints, "\n"), "needs a client certificate") {
		t.Errorf("without a certificate: %v %q", err, e.Hints)
	}
}

func TestATokenForAResourceNamesIt(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	for _, resource := range []string{"https://api.example.test", "https://jwt.example.test"} {
		c := a.credential()
		c.Resource = []string{resource}
		token, err := source(t, newSpy(t, actions.Security{}), c).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(resource, "jwt") {
			if claims := claimsOf(t, token.Access.RevealText()); claims["aud"] != resource {
				t.Errorf("the token is for %v", claims["aud"])
			}
			continue
		}
		if about := introspect(t, a, token.Access.RevealText()); about["aud"] != resource {
			t.Errorf("introspection says %v", about)
		}
	}
	c := a.credential()
	c.Resource = []string{"https://api.elsewhere.test"}
	_, err := source(t, newSpy(t, actions.Security{}), c).Token(t.Context())
	if e := flowError(err); e.Status != 400 || !strings.Contains(err.Error(), "invalid_target") || len(e.Hints) == 0 {
		t.Errorf("a resource that the server does not know: %v %q", err, e.Hints)
	}
}

func TestADeviceLoginWaitsForThePerson(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	s := newSpy(t, actions.Security{})
	c := a.credential()
	c.Grant, c.TokenURL, c.Issuer = "device_code", "", a.issuer
	client := source(t, s, c)
	d, err := client.Device(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d.UserCode == "" || !strings.HasPrefix(d.URL, a.url) || !strings.Contains(d.Complete, d.UserCode) || time.Until(d.Expires) < 9*time.Minute {
		t.Errorf("%+v", d)
	}
	asked := make(chan struct{})
	s.answered = func(c call) {
		if c.answer["error"] == "authorization_pending" {
			close(asked)
		}
	}
	said := make(chan error, 1)
	go func() {
		<-asked // the person takes their time
		said <- confirm(d, "")
	}()
	token, err := client.Await(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	if about := introspect(t, a, token.Access.RevealText()); about["active"] != true || about["sub"] != a.user {
		t.Errorf("introspection says %v", about)
	}
	client.Reject(t.Context(), token, "401")
	if _, err := client.Token(t.Context()); err != nil || len(s.all("refresh_token")) != 1 {
		t.Errorf("it is renewed without the person: %v", err)
	}
}

func TestADeviceLoginThatThePersonRefusesEnds(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	s := newSpy(t, actions.Security{})
	c := a.credential()
	c.Grant, c.TokenURL, c.Issuer = "device_code", "", a.issuer
	client := source(t, s, c)
	d, err := client.Device(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := confirm(d, "abort"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Await(t.Context(), d); err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("%v", err)
	}
}

func TestARevokedTokenIsInactiveAndReplaced(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	for _, a := range []authorizer{newOIDC(t, k, 3600), newFosite(t, k)} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			client := source(t, newSpy(t, actions.Security{}), a.credential())
			token, err := client.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if about := introspect(t, a, token.Access.RevealText()); about["active"] != true || about["client_id"] != a.client("basic") || about["scope"] != scope {
				t.Errorf("introspection says %v", about)
			}
			revoke(t, a, token.Access.RevealText())
			if about := introspect(t, a, token.Access.RevealText()); about["active"] != false {
				t.Errorf("a token that was revoked: %v", about)
			}
			client.Reject(t.Context(), token, "401")
			next, err := client.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if about := introspect(t, a, next.Access.RevealText()); about["active"] != true {
				t.Errorf("its successor: %v", about)
			}
		})
	}
}

// revoke takes a token out of use (RFC 7009).
func revoke(t *testing.T, a authorizer, token string) {
	t.Helper()
	r := post(t, a.url+a.revoke, url.Values{"token": {token}})
	a.basic(r)
	if status, answer := send(t, r); status != http.StatusOK {
		t.Fatalf("revocation answered %d %v", status, answer)
	}
}
