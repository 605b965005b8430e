package sandbox_test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

func credentials() url.Values { return url.Values{"grant_type": {"client_credentials"}} }

func with(form url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

func TestTheTokenEndpointTakesEveryWayToNameAClient(t *testing.T) {
	t.Parallel()
	c := start(t)
	inBody := with(credentials(), "client_id", clientID, "client_secret", clientSecret)
	encoded := basic(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
	for name, got := range map[string]reply{
		"basic, as it is":           c.form("/oauth/token", credentials(), "Authorization", basic(clientID, clientSecret)),
		"basic, form-encoded":       c.form("/oauth/token", credentials(), "Authorization", encoded),
		"basic, lower-case scheme":  c.form("/oauth/token", credentials(), "Authorization", "basic"+encoded[5:]),
		"basic, client_id in body":  c.form("/oauth/token", with(credentials(), "client_id", clientID), "Authorization", encoded),
		"in the body":               c.form("/oauth/token", inBody),
		"charset in content type":   c.do("POST", "/oauth/token", inBody.Encode(), "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
		"json":                      c.json("POST", "/oauth/token-json", `{"grant_type":"client_credentials","client_id":"clinic","client_secret":"p@ss:w/rd&=+% ~*'()"}`),
		"json with basic":           c.json("POST", "/oauth/token-json", `{"grant_type":"client_credentials"}`, "Authorization", encoded),
		"lower-case type, by basic": c.form("/oauth/token-lower", credentials(), "Authorization", encoded),
	} {
		if got.status != 200 {
			t.Errorf("%s: %d %s", name, got.status, got.raw)
			continue
		}
		wantType := "Bearer"
		if strings.HasPrefix(name, "lower") {
			wantType = "bearer"
		}
		if got.text("token_type") != wantType || got.body["expires_in"] != 3600.0 || len(got.text("access_token")) < 32 {
			t.Errorf("%s: %s", name, got.raw)
		}
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: headers are %v", name, got.header)
		}
		if _, ok := got.body["refresh_token"]; ok {
			t.Errorf("%s: client credentials give no refresh token", name)
		}
		c.token = got.text("access_token")
		c.status(c.get("/patients"), 200)
		c.token = ""
	}
}

func TestTheTokenEndpointRefuses(t *testing.T) {
	t.Parallel()
	c := start(t)
	const formType, jsonType = "application/x-www-form-urlencoded", "application/json"
	good := with(credentials(), "client_id", clientID, "client_secret", clientSecret)
	for _, call := range []struct {
		name, path, kind, body, authorization string
		status                                int
		code, words                           string
	}{
		{"json in place of a form", "/oauth/token", jsonType, `{}`, "", 400, "invalid_request", "application/json"},
		{"no content type", "/oauth/token", "", good.Encode(), "", 400, "invalid_request", "without a Content-Type"},
		{"form in place of json", "/oauth/token-json", formType, good.Encode(), "", 400, "invalid_request", formType},
		{"json that is no object", "/oauth/token-json", jsonType, `[1]`, "", 400, "invalid_request", "JSON object"},
		{"broken form", "/oauth/token", formType, "grant_type=100%", "", 400, "invalid_request", "%25"},
		{"parameter twice", "/oauth/token", formType, good.Encode() + "&grant_type=password", "", 400, "invalid_request", "more than once"},
		{"credentials in the URL", "/oauth/token?client_secret=x", formType, good.Encode(), "", 400, "invalid_request", "client_secret"},
		{"no grant", "/oauth/token", formType, "", "", 400, "invalid_request", "grant_type"},
		{"unknown grant", "/oauth/token", formType, with(url.Values{}, "grant_type", "magic", "client_id", clientID, "client_secret", clientSecret).Encode(), "", 400, "unsupported_grant_type", "client_credentials"},
		{"two ways at once", "/oauth/token", formType, good.Encode(), basic(clientID, clientSecret), 400, "invalid_request", "twice"},
		{"another client in the body", "/oauth/token", formType, with(credentials(), "client_id", "other").Encode(), basic(clientID, clientSecret), 400, "invalid_request", "client_id"},
		{"no client", "/oauth/token", formType, credentials().Encode(), "", 401, "invalid_client", "did not name itself"},
		{"wrong secret", "/oauth/token", formType, credentials().Encode(), basic(clientID, "no"), 401, "invalid_client", "its secret is another"},
		{"wrong secret in the body", "/oauth/token", formType, with(credentials(), "client_id", clientID, "client_secret", "no").Encode(), "", 401, "invalid_client", "its secret is another"},
		{"secret encoded twice", "/oauth/token", formType, credentials().Encode(), basic(clientID, url.QueryEscape(url.QueryEscape(clientSecret))), 401, "invalid_client", "its secret is another"},
		{"unknown client", "/oauth/token", formType, credentials().Encode(), basic("x", clientSecret), 401, "invalid_client", "not known"},
		{"no base64", "/oauth/token", formType, credentials().Encode(), "Basic !", 401, "invalid_client", "base64"},
		{"no colon", "/oauth/token", formType, credentials().Encode(), "Basic eA==", 401, "invalid_client", "colon"},
		{"bearer", "/oauth/token", formType, credentials().Encode(), "Bearer x", 401, "invalid_client", "Basic"},
		{"unknown scope", "/oauth/token", formType, with(credentials(), "client_id", clientID, "client_secret", clientSecret, "scope", "patient.read all").Encode(), "", 400, "invalid_scope", "patient.read"},
		{"wrong password", "/oauth/token", formType, with(url.Values{}, "grant_type", "password", "username", "ward", "password", "x").Encode(), basic(clientID, clientSecret), 400, "invalid_grant", "password"},
		{"unknown refresh token", "/oauth/token", formType, with(url.Values{}, "grant_type", "refresh_token", "refresh_token", "x").Encode(), basic(clientID, clientSecret), 400, "invalid_grant", "not known"},
	} {
		t.Run(call.name, func(t *testing.T) {
			var headers []string
			if call.kind != "" {
				headers = append(headers, "Content-Type", call.kind)
			}
			if call.authorization != "" {
				headers = append(headers, "Authorization", call.authorization)
			}
			got := c.do("POST", call.path, call.body, headers...)
			if got.status != call.status || got.text("error") != call.code || !strings.Contains(got.text("error_description"), call.words) {
				t.Errorf("%d %s", got.status, got.raw)
			}
			if challenge := got.header.Get("WWW-Authenticate"); (challenge == `Basic realm="sandbox"`) != (call.status == 401) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if strings.Contains(got.raw, clientSecret) {
				t.Errorf("the answer shows the secret: %s", got.raw)
			}
		})
	}
	if tokens := c.server.Tokens(); len(tokens) != 0 {
		t.Errorf("%d tokens were given out", len(tokens))
	}
}

func TestAPasswordGivesARefreshTokenThatWorksOnce(t *testing.T) {
	t.Parallel()
	c := start(t)
	client := []string{"Authorization", basic(clientID, clientSecret)}
	first := c.form("/oauth/token", with(url.Values{}, "grant_type", "password", "username", "ward", "password", "p w", "scope", "patient.read"), client...)
	c.status(first, 200)
	refresh := with(url.Values{}, "grant_type", "refresh_token", "refresh_token", first.text("refresh_token"))
	second := c.form("/oauth/token", refresh, client...)
	c.status(second, 200)
	if second.text("access_token") == first.text("access_token") || second.text("refresh_token") == first.text("refresh_token") {
		t.Fatal("nothing is new")
	}
	if second.text("scope") != "patient.read" {
		t.Errorf("scope is %q", second.text("scope"))
	}
	c.status(c.form("/oauth/token", refresh, client...), 400)
	wider := with(url.Values{}, "grant_type", "refresh_token", "refresh_token", second.text("refresh_token"), "scope", "orders.read")
	if got := c.form("/oauth/token", wider, client...); got.text("error") != "invalid_scope" {
		t.Errorf("a refresh gave more than there was: %s", got.raw)
	}
	if !slices.Contains(c.server.Tokens(), first.text("access_token")) || !slices.Contains(c.server.Tokens(), second.text("refresh_token")) {
		t.Error("Tokens lacks one that was given out")
	}
}

func TestABearerTokenIsCheckedToTheLetter(t *testing.T) {
	t.Parallel()
	c := start(t)
	token := c.newToken(url.Values{})
	narrow := c.newToken(url.Values{"scope": {"patient.read"}})
	for _, call := range []struct {
		name, path, authorization string
		status                    int
		code, words               string
	}{
		{"as it should be", "/patients", "Bearer " + token, 200, "", ""},
		{"none", "/patients", "", 401, "", "no Authorization"},
		{"empty", "/patients", "Bearer ", 401, "invalid_token", "empty"},
		{"lower case", "/patients", "bearer " + token, 401, "invalid_token", "capital B"},
		{"no blank", "/patients", "Bearer" + token, 401, "invalid_token", "no blank"},
		{"two blanks", "/patients", "Bearer  " + token, 401, "invalid_token", "more than one blank"},
		{"twice the word", "/patients", "Bearer Bearer " + token, 401, "invalid_token", "twice"},
		{"white space in it", "/patients", "Bearer a b", 401, "invalid_token", "white space"},
		{"another scheme", "/patients", "Basic " + token, 401, "invalid_token", "not another"},
		{"the bare token", "/patients", token, 401, "invalid_token", "not another"},
		{"an unknown token", "/patients", "Bearer " + token + "x", 401, "invalid_token", "not issued here"},
		{"a scope that lacks", "/orders", "Bearer " + narrow, 403, "insufficient_scope", "orders.read"},
		{"the scope that suffices", "/patients", "Bearer " + narrow, 200, "", ""},
	} {
		t.Run(call.name, func(t *testing.T) {
			var headers []string
			if call.authorization != "" {
				headers = []string{"Authorization", call.authorization}
			}
			got := c.get(call.path, headers...)
			if got.status != call.status || !strings.Contains(got.text("detail"), call.words) {
				t.Fatalf("%d %s", got.status, got.raw)
			}
			challenge := got.header.Get("WWW-Authenticate")
			if hasChallenge := strings.HasPrefix(challenge, `Bearer realm="sandbox"`); hasChallenge != (call.status >= 400) {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
			if got := strings.Contains(challenge, `error="`+call.code+`"`); got != (call.code != "") {
				t.Errorf("WWW-Authenticate is %q", challenge)
			}
		})
	}
	if got := c.get("/patients", "Authorization", "Bearer "+token, "Authorization", "Bearer "+token); got.status != 400 {
		t.Errorf("two headers: %d %s", got.status, got.raw)
	}
}

func TestTokensExpireAndAreRevoked(t *testing.T) {
	t.Parallel()
	brief := startWith(t, sandbox.Options{ClientID: clientID, ClientSecret: clientSecret, TokenLifetime: time.Nanosecond})
	brief.token = brief.newToken(url.Values{})
	if got := brief.get("/patients"); got.status != 401 || !strings.Contains(got.text("detail"), "expired") {
		t.Errorf("expired: %d %s", got.status, got.raw)
	}

	c := signedIn(t)
	c.server.Revoke()
	if got := c.get("/patients"); got.status != 401 || !strings.Contains(got.text("detail"), "revoked") {
		t.Errorf("revoked: %d %s", got.status, got.raw)
	}
	c.token = ""
	c.token = c.newToken(url.Values{})
	c.status(c.get("/patients"), 200)
}
