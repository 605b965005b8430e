package servers_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
)

var update = flag.Bool("update", false, "write the table in docs/tokens.md")

const scope = "patient.read"

// An authorizer is a server under test, and who its clients are.
type authorizer struct {
	name, version string
	url, issuer   string
	secured       string // the origin of its endpoints with client certificates

	token, authorize, device, introspect, revoke string // paths; "" is none

	clients        map[string]string // by client_auth and by algorithm; the key "" is who else
	secret         string
	raw            bool // it reads Basic as it is
	user, password string
	offline        string // the scope that a refresh token wants
	refreshed      string // the grant that gives one
	tls            actions.Security
	certificate    string
}

// client gives the id of the client that names itself in a way.
func (a authorizer) client(auth string) string {
	if id, ok := a.clients[auth]; ok {
		return id
	}
	return a.clients[""]
}

// credential is one that gets a token with client credentials and Basic.
func (a authorizer) credential() oauth2.Credential {
	c := oauth2.Credential{TokenURL: a.url + a.token, ClientID: a.client("basic"), ClientSecret: a.secret, Scopes: []string{scope}}
	if a.raw {
		c.BasicEncoding = "raw"
	}
	return c
}

// A manner is a way to ask for a token.
type manner struct {
	name string
	cred func(a authorizer, k keys, c *oauth2.Credential)
	able func(a authorizer) bool // nil: every server can be asked
}

// as makes a credential's client name itself in a way.
func as(auth string, more func(c *oauth2.Credential, k keys)) func(authorizer, keys, *oauth2.Credential) {
	return func(a authorizer, k keys, c *oauth2.Credential) {
		c.ClientAuth, c.ClientID = auth, a.client(auth)
		if auth != "basic" && auth != "body" && auth != "client_secret_jwt" {
			c.ClientSecret = ""
		}
		if more != nil {
			more(c, k)
		}
		if id, ok := a.clients[c.Assertion.Alg]; ok && c.Assertion.Alg != "" {
			c.ClientID = id
		}
	}
}

func signed(alg, audience string) func(c *oauth2.Credential, k keys) {
	return func(c *oauth2.Credential, k keys) {
		c.Assertion = oauth2.Assertion{Alg: alg, Kid: alg, Key: k.private[alg], Audience: audience}
	}
}

// certified makes a credential's client name itself by its certificate.
func certified(id string) func(authorizer, keys, *oauth2.Credential) {
	return func(a authorizer, _ keys, c *oauth2.Credential) {
		c.ClientAuth, c.ClientID, c.ClientSecret = "tls", id, ""
		c.TokenURL, c.Issuer, c.EndpointOrigins, c.Certificate = "", a.issuer, []string{a.secured}, a.certificate
	}
}

// asking makes a credential of another grant.
func asking(grant string, more func(a authorizer, k keys, c *oauth2.Credential)) func(authorizer, keys, *oauth2.Credential) {
	return func(a authorizer, k keys, c *oauth2.Credential) {
		c.Grant = grant
		if more != nil {
			more(a, k, c)
		}
	}
}

// manners are the rows of the table.
var manners = []manner{
	{name: "`client_auth: basic`, `basic_encoding: form`", cred: as("basic", func(c *oauth2.Credential, _ keys) { c.BasicEncoding = "form" })},
	{name: "`client_auth: basic`, `basic_encoding: raw`", cred: as("basic", func(c *oauth2.Credential, _ keys) { c.BasicEncoding = "raw" })},
	{name: "`client_auth: body`", cred: as("body", nil)},
	{name: "`client_auth: private_key_jwt`, RS384", cred: as("private_key_jwt", signed("RS384", ""))},
	{name: "`client_auth: private_key_jwt`, ES384", cred: as("private_key_jwt", signed("ES384", ""))},
	{name: "the same, `audience: issuer`", cred: func(a authorizer, k keys, c *oauth2.Credential) {
		as("private_key_jwt", signed("ES384", "issuer"))(a, k, c)
		c.TokenURL, c.Issuer = "", a.issuer
	}, able: func(a authorizer) bool { return a.issuer != "" }},
	{name: "`client_auth: client_secret_jwt`", cred: as("client_secret_jwt", func(c *oauth2.Credential, _ keys) {
		c.ClientSecret += strings.Repeat("+", max(32-len(c.ClientSecret), 0)) // shorter ones are not sent
	})},
	{name: "`client_auth: tls`", cred: certified("tls_client_auth"), able: func(a authorizer) bool { return a.certificate != "" }},
	{name: "the same, certificate registered by itself", cred: certified("self_signed_tls_client_auth"), able: func(a authorizer) bool { return a.certificate != "" }},
	{name: "`client_auth: none`", cred: func(a authorizer, k keys, c *oauth2.Credential) {
		as("none", nil)(a, k, c)
		if a.authorize != "" { // that is what clients without a secret are for
			c.Grant, c.AuthorizationURL = "authorization_code", a.url+a.authorize
		}
	}},
	{name: "`request_encoding: json`", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.RequestEncoding = "json" }},
	{name: "`grant: client_credentials`", cred: asking("client_credentials", nil)},
	{name: "`grant: password`", cred: asking("password", func(a authorizer, _ keys, c *oauth2.Credential) {
		c.Username, c.Password = a.user, a.password
	})},
	{name: "`grant: refresh_token`", cred: asking("refresh_token", nil)},
	{name: "`grant: jwt_bearer`", cred: asking("jwt_bearer", func(a authorizer, k keys, c *oauth2.Credential) {
		as("private_key_jwt", signed("ES384", ""))(a, k, c)
		c.Assertion.Subject = a.user
	})},
	{name: "the same, `client_auth: none`", cred: asking("jwt_bearer", func(a authorizer, k keys, c *oauth2.Credential) {
		as("none", signed("ES384", ""))(a, k, c)
		c.Assertion.Subject = a.user
	})},
	{name: "`grant: token_exchange`", cred: asking("token_exchange", func(_ authorizer, _ keys, c *oauth2.Credential) { c.SubjectToken = "?" })},
	{name: "`grant: device_code`", cred: asking("device_code", func(a authorizer, _ keys, c *oauth2.Credential) { c.DeviceURL = a.url + a.device }),
		able: func(a authorizer) bool { return a.device != "" }},
	{name: "`grant: authorization_code`, PKCE", cred: asking("authorization_code", func(a authorizer, _ keys, c *oauth2.Credential) {
		c.AuthorizationURL = a.url + a.authorize
	}), able: func(a authorizer) bool { return a.authorize != "" }},
	{name: "a client that is not known", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.ClientID = "nobody" }},
	{name: "a secret that is wrong", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.ClientSecret = "wrong" }},
	{name: "a scope that is not known", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.Scopes = []string{"moon.read"} }},
	{name: "`audience`", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.Audience = "https://api.example.test" }},
	{name: "`resource` (RFC 8707)", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.Resource = []string{"https://api.example.test"} }},
	{name: "`dpop` with nonces", cred: func(_ authorizer, _ keys, c *oauth2.Credential) { c.DPoP = "ES256" }},
	{name: "`issuer`", cred: func(a authorizer, _ keys, c *oauth2.Credential) { c.TokenURL, c.Issuer = "", a.url }},
}

// TestTheTableInTheDocsIsWhatServersAnswer asks every server in every manner. A cell is what it answered.
func TestTheTableInTheDocsIsWhatServersAnswer(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	servers := authorizers(t, k)
	rows := make([][]string, len(manners)+len(habits))
	for i := range rows {
		rows[i] = make([]string, len(servers))
	}
	t.Run("asked", func(t *testing.T) {
		for i, m := range manners {
			for j, a := range servers {
				t.Run(m.name+" of "+a.name, func(t *testing.T) {
					t.Parallel()
					rows[i][j] = ask(t, m, a, k)
				})
			}
		}
		for i, h := range habits {
			for j, a := range servers {
				t.Run(h.name+" at "+a.name, func(t *testing.T) {
					t.Parallel()
					rows[len(manners)+i][j] = h.see(t, a)
				})
			}
		}
	})
	var table strings.Builder
	table.WriteString("| |")
	for _, a := range servers {
		fmt.Fprintf(&table, " %s %s |", a.name, a.version)
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(servers)) + "\n")
	names := []string{}
	for _, m := range manners {
		names = append(names, m.name)
	}
	for _, h := range habits {
		names = append(names, h.name)
	}
	for i, cells := range rows {
		table.WriteString("| " + names[i] + " | " + strings.Join(cells, " | ") + " |\n")
	}
	compare(t, table.String())
}

// compare compares a table with the one in docs/tokens.md, between its two marks.
func compare(t *testing.T, table string) {
	t.Helper()
	path := filepath.Join("..", "..", "docs", "tokens.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "<!-- servers -->\n")
	old, after, there := strings.Cut(rest, "<!-- end -->")
	switch {
	case !ok || !there:
		t.Fatalf("%s has no table between its marks", path)
	case old == table:
	case *update:
		if err := os.WriteFile(path, []byte(before+"<!-- servers -->\n"+table+"<!-- end -->"+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		was := strings.Split(old, "\n")
		for _, line := range strings.Split(table, "\n") {
			if !slices.Contains(was, line) {
				t.Errorf("%s does not have the line (go test -update writes it)\n%s", path, line)
			}
		}
	}
}

// ask asks a server in a manner and says what came of it.
func ask(t *testing.T, m manner, a authorizer, k keys) string {
	if m.able != nil && !m.able(a) {
		return "–"
	}
	c := a.credential()
	m.cred(a, k, &c)
	s := newSpy(t, a.tls)
	if c.Grant == "token_exchange" {
		c.SubjectToken = plainToken(t, a)
	}
	if c.Grant == "refresh_token" {
		c.RefreshToken = firstRefresh(t, a)
		c.Scopes = nil
	}
	got, err := obtain(t, source(t, s, c), c.Grant)
	if err != nil {
		return answered(err)
	}
	text := "token"
	if got.Type != "Bearer" {
		text = got.Type + " token"
	}
	if a.introspect != "" {
		about := introspect(t, a, got.Access.RevealText())
		if about["active"] != true {
			t.Errorf("introspection says of a new token: %v", about)
		}
	}
	return text
}

var oauthCode = regexp.MustCompile(`\b(invalid|unauthorized|unsupported|use|access|server)_[a-z_]+\b`)

// answered is a refusal in short: its status and code, or what was wrong.
func answered(err error) string {
	e := flowError(err)
	switch code := oauthCode.FindString(e.Message); {
	case e.Status == 0:
		return "not sent"
	case code != "":
		return fmt.Sprintf("%d `%s`", e.Status, code)
	case e.Status/100 == 2:
		_, why, _ := strings.Cut(e.Message, ": ")
		return fmt.Sprintf("%d, %s", e.Status, strings.TrimPrefix(why, "the server gave "))
	}
	return fmt.Sprint(e.Status)
}

// plainToken gets a token with client credentials.
func plainToken(t *testing.T, a authorizer) string {
	t.Helper()
	got, err := source(t, newSpy(t, a.tls), a.credential()).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return got.Access.RevealText()
}

// firstRefresh gets a refresh token as the server gives one.
func firstRefresh(t *testing.T, a authorizer) string {
	t.Helper()
	s := newSpy(t, a.tls)
	if _, err := obtain(t, source(t, s, a.renewable()), a.refreshed); err != nil {
		t.Fatal(err)
	}
	token, _ := s.last(t).answer["refresh_token"].(string)
	if token == "" {
		t.Fatalf("there is no refresh token in %v", s.last(t).answer)
	}
	return token
}

// renewable is a credential whose token comes with a refresh token.
func (a authorizer) renewable() oauth2.Credential {
	c := a.credential()
	c.Grant, c.Username, c.Password, c.AuthorizationURL = a.refreshed, a.user, a.password, a.url+a.authorize
	if a.offline != "" {
		c.Scopes = append(c.Scopes, a.offline)
	}
	return c
}

// basic puts the client's id and secret on a request as the server reads them.
func (a authorizer) basic(r *http.Request) {
	if a.raw {
		r.SetBasicAuth(a.client("basic"), a.secret)
	} else {
		r.SetBasicAuth(url.QueryEscape(a.client("basic")), url.QueryEscape(a.secret))
	}
}

// introspect asks what a token is (RFC 7662).
func introspect(t *testing.T, a authorizer, token string) map[string]any {
	t.Helper()
	r := post(t, a.url+a.introspect, url.Values{"token": {token}})
	a.basic(r)
	status, about := send(t, r)
	if status != http.StatusOK {
		t.Fatalf("introspection answered %d %v", status, about)
	}
	return about
}
