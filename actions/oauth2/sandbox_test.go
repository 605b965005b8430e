package oauth2_test

import (
	"net/http"
	"testing"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/examples/sandbox"
)

// TestAWholeLifeAtAServer fetches, calls, is refused, renews and calls again,
// in each manner that the sandbox knows.
func TestAWholeLifeAtAServer(t *testing.T) {
	t.Parallel()
	secret := `:/?#[]@!$&'()*+,;=% "\ä`
	server, err := sandbox.Start(sandbox.Options{ClientID: "client:1", ClientSecret: secret, Username: "user", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for name, change := range map[string]func(*oauth2.Credential){
		"basic":    func(*oauth2.Credential) {},
		"body":     func(c *oauth2.Credential) { c.ClientAuth = "body" },
		"lower":    func(c *oauth2.Credential) { c.TokenURL += "-lower" },
		"json":     func(c *oauth2.Credential) { c.TokenURL += "-json"; c.RequestEncoding, c.ClientAuth = "json", "body" },
		"password": func(c *oauth2.Credential) { c.Grant, c.Username, c.Password = "password", "user", secret },
		"scopes":   func(c *oauth2.Credential) { c.Scopes = []string{"orders.read", "patient.read"} },
	} {
		cred := oauth2.Credential{Name: name, TokenURL: server.URL() + "/oauth/token", ClientID: "client:1", ClientSecret: secret}
		change(&cred)
		src := source(t, new(oauth2.Client), cred)
		var before oauth2.Token
		for round := range 3 {
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want(t, name+": another token", token.Fingerprint() != before.Fingerprint(), true)
			status := func() (int, http.Header) {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL()+"/patients", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Authorization", token.Authorization().RevealText())
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				return answer.StatusCode, answer.Header
			}
			code, _ := status()
			want(t, name+": status", code, 200)
			if before, round = token, round+1; round == 3 {
				break
			}
			if name != "password" { // there the refresh token would go as well
				server.Revoke()
				code, header := status()
				verdict, _ := oauth2.Judge(code, header, nil)
				want(t, name+": verdict", verdict, oauth2.Rejected)
			}
			src.Reject(t.Context(), token, "401")
		}
	}
	wrong := oauth2.Credential{Name: "wrong", TokenURL: server.URL() + "/oauth/token", ClientID: "client:1", ClientSecret: "canary+secret"}
	e := failed(t, source(t, new(oauth2.Client), wrong))
	says(t, e, true, "the client is known, its secret is another")
	says(t, e, true, "`basic_encoding: raw`")
	says(t, e, false, "canary")
	wrong.ClientSecret, wrong.Scopes = secret, []string{"everything"}
	says(t, failed(t, source(t, new(oauth2.Client), wrong)), true, "`scopes` asks for everything")
}
