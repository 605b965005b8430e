package oauth2_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/stepwell/stepwell/actions/oauth2"
)

// TestWhatEachGrantAndMannerOfTheClientSends is what stands in the body, with the
// assertions left out, and in Authorization.
func TestWhatEachGrantAndMannerOfTheClientSends(t *testing.T) {
	t.Parallel()
	pem := pkcs8(t, keys(t).p384)
	for _, c := range []struct {
		name   string
		change func(*oauth2.Credential)
		body   string
		auth   string // decoded
	}{
		{"client credentials", func(c *oauth2.Credential) { c.Scopes = []string{"a", "b"} }, "grant_type=client_credentials&scope=a+b", "client:canary-secret"},
		{"audience and resources", func(c *oauth2.Credential) {
			c.Audience, c.Resource = "api", []string{"https://a.example.test/", "https://b.example.test/"}
		}, "grant_type=client_credentials&audience=api&resource=https%3A%2F%2Fa.example.test%2F&resource=https%3A%2F%2Fb.example.test%2F", "client:canary-secret"},
		{"params in the order of their names", func(c *oauth2.Credential) { c.Params = map[string]string{"z": "1", "a": "ä&", "e": ""} },
			"grant_type=client_credentials&a=%C3%A4%26&e=&z=1", "client:canary-secret"},
		{"params in place of fields", func(c *oauth2.Credential) {
			c.Scopes, c.Params = []string{"a"}, map[string]string{"scope": "b"}
		}, "grant_type=client_credentials&scope=b", "client:canary-secret"},
		{"password", func(c *oauth2.Credential) { c.Grant, c.Username, c.Password = "password", "u", "p&=" }, "grant_type=password&username=u&password=p%26%3D", "client:canary-secret"},
		{"password that is empty", func(c *oauth2.Credential) { c.Grant, c.Username = "password", "u" }, "grant_type=password&username=u&password=", "client:canary-secret"},
		{"refresh token", func(c *oauth2.Credential) { c.Grant, c.RefreshToken, c.Scopes = "refresh_token", "r", []string{"a"} }, "grant_type=refresh_token&refresh_token=r&scope=a", "client:canary-secret"},
		{"token exchange", func(c *oauth2.Credential) { c.Grant, c.SubjectToken = "token_exchange", "s" },
			"grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=s&subject_token_type=urn:ietf:params:oauth:token-type:access_token", "client:canary-secret"},
		{"token exchange with all", func(c *oauth2.Credential) {
			c.Grant, c.SubjectToken, c.SubjectTokenType, c.ActorToken, c.ActorTokenType, c.RequestedTokenType = "urn:ietf:params:oauth:grant-type:token-exchange", "s", "st", "a", "at", "rt"
		}, "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=s&subject_token_type=st&actor_token=a&actor_token_type=at&requested_token_type=rt", "client:canary-secret"},
		{"a URN", func(c *oauth2.Credential) { c.Grant, c.Params = "urn:example:grant", map[string]string{"pin": "1"} }, "grant_type=urn:example:grant&pin=1", "client:canary-secret"},
		{"jwt bearer", func(c *oauth2.Credential) {
			c.Grant, c.ClientSecret, c.Assertion.Key, c.Scopes = "jwt_bearer", "", pem, []string{"a"}
		}, "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=…&scope=a&client_id=client", ""},
		{"jwt bearer without a client", func(c *oauth2.Credential) {
			c.Grant, c.ClientSecret, c.ClientID, c.Assertion.Key = "jwt_bearer", "", "", pem
		}, "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=…", ""},
		{"jwt bearer and basic", func(c *oauth2.Credential) { c.Grant, c.Assertion.Key = "jwt_bearer", pem },
			"grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=…", "client:canary-secret"},

		{"basic in form encoding", func(c *oauth2.Credential) { c.ClientID, c.ClientSecret = "a:b c", "s%+/ä" }, "grant_type=client_credentials", "a%3Ab+c:s%25%2B%2F%C3%A4"},
		{"basic raw", func(c *oauth2.Credential) { c.ClientSecret, c.BasicEncoding = "s%+:/ä", "raw" }, "grant_type=client_credentials", "client:s%+:/ä"},
		{"in the body", func(c *oauth2.Credential) { c.ClientSecret, c.ClientAuth = "s%+/ä", "body" }, "grant_type=client_credentials&client_id=client&client_secret=s%25%2B%2F%C3%A4", ""},
		{"none", func(c *oauth2.Credential) { c.ClientSecret = "" }, "grant_type=client_credentials&client_id=client", ""},
		{"none in spite of a secret", func(c *oauth2.Credential) { c.ClientAuth = "none" }, "grant_type=client_credentials&client_id=client", ""},
		{"tls", func(c *oauth2.Credential) { c.ClientSecret, c.ClientAuth = "", "tls" }, "grant_type=client_credentials&client_id=client", ""},
		{"private key", func(c *oauth2.Credential) { c.ClientSecret, c.Assertion.Key = "", pem },
			"grant_type=client_credentials&client_id=client&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…", ""},
		{"private key in spite of a secret", func(c *oauth2.Credential) { c.ClientAuth, c.Assertion.Key = "private_key_jwt", pem },
			"grant_type=client_credentials&client_id=client&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…", ""},
		{"signed with the secret", func(c *oauth2.Credential) {
			c.ClientAuth, c.ClientSecret = "client_secret_jwt", "canary-secret-of-32-characters-or-more"
		},
			"grant_type=client_credentials&client_id=client&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=…", ""},

		{"json", func(c *oauth2.Credential) { c.RequestEncoding, c.ClientAuth, c.Scopes = "json", "body", []string{"a"} },
			`{"grant_type":"client_credentials","scope":"a","client_id":"client","client_secret":"canary-secret"}`, ""},
		{"json with resources", func(c *oauth2.Credential) { c.RequestEncoding, c.Resource = "json", []string{"a", "b"} },
			`{"grant_type":"client_credentials","resource":["a","b"]}`, "client:canary-secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cred := basic()
			c.change(&cred)
			s := serving(token("first", ""))
			got(t, source(t, &oauth2.Client{Carrier: s, Agent: "agent/1"}, cred))
			r := s.last()
			auth, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.header.Get("Authorization"), "Basic "))
			body := r.body
			for _, name := range []string{"assertion", "client_assertion"} {
				if a := r.form.Get(name); a != "" {
					body = strings.Replace(body, "="+a, "=…", 1)
				}
			}
			body = strings.ReplaceAll(body, "urn%3A", "urn:")
			for strings.Contains(body, "urn:") && strings.Contains(body, "%3A") && !strings.Contains(body, "http") {
				body = strings.Replace(body, "%3A", ":", 1)
			}
			want(t, "body", body, c.body)
			want(t, "Authorization", string(auth), c.auth)
			want(t, "Accept", r.header.Get("Accept"), "application/json")
			want(t, "User-Agent", r.header.Get("User-Agent"), "agent/1")
			want(t, "method", r.method, "POST")
			kind := "application/x-www-form-urlencoded"
			if cred.RequestEncoding == "json" {
				kind = "application/json"
			}
			want(t, "Content-Type", r.header.Get("Content-Type"), kind)
		})
	}
}

func TestACredentialThatCannotWorkIsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	signs := func(key, alg string) func(*oauth2.Credential) {
		return func(c *oauth2.Credential) {
			c.ClientAuth, c.Assertion.Key, c.Assertion.Alg = "private_key_jwt", key, alg
		}
	}
	public, _ := x509.MarshalPKIXPublicKey(keys(t).rsa.Public())
	for _, c := range []struct {
		name   string
		change func(*oauth2.Credential)
		says   string
	}{
		{"no place", func(c *oauth2.Credential) { c.TokenURL = "" }, "exactly one of `token_url`, `issuer` and `smart`"},
		{"two places", func(c *oauth2.Credential) { c.Issuer = "https://id.example.test" }, "exactly one of `token_url`, `issuer` and `smart`"},
		{"no URL", func(c *oauth2.Credential) { c.TokenURL = "id.example.test/token" }, "`token_url` is not a URL"},
		{"ftp", func(c *oauth2.Credential) { c.TokenURL = "ftp://id.example.test/token" }, "`token_url` is not a URL"},
		{"plain http", func(c *oauth2.Credential) { c.TokenURL = "http://id.example.test/token" }, "secrets would travel in the clear to id.example.test"},
		{"a host that begins like loopback", func(c *oauth2.Credential) { c.TokenURL = "http://127.0.0.1.example.test/token" }, "in the clear"},
		{"password in the URL", func(c *oauth2.Credential) { c.TokenURL = "https://u:canary-url@id.example.test/token" }, "must not hold a user name"},
		{"fragment", func(c *oauth2.Credential) { c.TokenURL += "#x" }, "fragment"},
		{"unknown grant", func(c *oauth2.Credential) { c.Grant = "implicit" }, `no grant "implicit"`},
		{"refresh without a token", func(c *oauth2.Credential) { c.Grant = "refresh_token" }, "needs `refresh_token`"},
		{"refresh that is not kept", func(c *oauth2.Credential) { c.Grant, c.RefreshToken, c.Keep = "refresh_token", "r", "none" }, "`cache: none` cannot go with"},
		{"its own refresh token that is not kept", func(c *oauth2.Credential) { c.RefreshToken, c.Keep = "r", "none" }, "`cache: none` cannot go with"},
		{"password without a user", func(c *oauth2.Credential) { c.Grant = "password" }, "needs `username`"},
		{"jwt bearer without a key", func(c *oauth2.Credential) { c.Grant = "jwt_bearer" }, "needs `assertion.key`"},
		{"exchange without a token", func(c *oauth2.Credential) { c.Grant = "token_exchange" }, "needs `subject_token`"},
		{"unknown client_auth", func(c *oauth2.Credential) { c.ClientAuth = "magic" }, "`client_auth` is one of basic, body"},
		{"unknown basic_encoding", func(c *oauth2.Credential) { c.BasicEncoding = "utf-8" }, "`basic_encoding` is one of"},
		{"unknown request_encoding", func(c *oauth2.Credential) { c.RequestEncoding = "xml" }, "`request_encoding` is one of"},
		{"unknown cache", func(c *oauth2.Credential) { c.Keep = "disk" }, "`cache` is one of"},
		{"basic without a secret", func(c *oauth2.Credential) { c.ClientAuth, c.ClientSecret = "basic", "" }, "needs `client_secret`"},
		{"body without a secret", func(c *oauth2.Credential) { c.ClientAuth, c.ClientSecret = "body", "" }, "needs `client_secret`"},
		{"basic without an id", func(c *oauth2.Credential) { c.ClientID = "" }, "needs `client_id`"},
		{"raw with a colon in the id", func(c *oauth2.Credential) { c.ClientID, c.BasicEncoding = "a:b", "raw" }, "with a colon"},
		{"private key without a key", func(c *oauth2.Credential) { c.ClientAuth = "private_key_jwt" }, "needs `assertion.key`"},
		{"secret too short to sign", func(c *oauth2.Credential) {
			c.ClientAuth, c.ClientSecret = "client_secret_jwt", strings.Repeat("s", 31)
		}, "is 31 bytes long, and HS256 wants at least 32"},
		{"secret too short for HS512", func(c *oauth2.Credential) {
			c.ClientAuth, c.ClientSecret, c.Assertion.Alg = "client_secret_jwt", strings.Repeat("s", 63), "HS512"
		}, "HS512 wants at least 64"},
		{"secret with RS256", func(c *oauth2.Credential) { c.ClientAuth, c.Assertion.Alg = "client_secret_jwt", "RS256" }, "not with RS256"},
		{"an assertion that lives long", func(c *oauth2.Credential) { c.Assertion.Lifetime = 5*time.Minute + 1 }, "at most 5m"},
		{"negative time", func(c *oauth2.Credential) { c.Timeout = -1 }, "cannot be negative"},
		{"secret in params", func(c *oauth2.Credential) { c.Params = map[string]string{"client_secret": "x"} }, "must not have client_secret"},
		{"grant in params", func(c *oauth2.Credential) { c.Params = map[string]string{"grant_type": "x"} }, "must not have grant_type"},
		{"unknown dpop", func(c *oauth2.Credential) { c.DPoP = "HS256" }, "`dpop.alg` is one of"},
		{"key that is no key", signs("canary-key", ""), "neither PEM"},
		{"base64 that is no key", signs("Y2FuYXJ5", ""), "no private key in PKCS #8"},
		{"half a PEM", signs(pkcs8(t, keys(t).rsa)[:200], ""), "its PEM is not complete"},
		{"public key", signs(block("PUBLIC KEY", public), ""), "it is a public key"},
		{"certificate", signs(block("CERTIFICATE", public), ""), "it is a certificate"},
		{"encrypted key", signs(block("ENCRYPTED PRIVATE KEY", public), ""), "encrypted with a passphrase"},
		{"key of OpenSSH", signs(block("OPENSSH PRIVATE KEY", public), ""), "key of OpenSSH"},
		{"small RSA key", signs(pkcs8(t, small), ""), "RSA key of 1024 bits"},
		{"RSA key for ES256", signs(pkcs8(t, keys(t).rsa), "ES256"), "an RSA key, which signs with RS256"},
		{"P-256 key for ES384", signs(pkcs8(t, keys(t).p256), "ES384"), "on P-256, which signs with ES256, not with ES384"},
		{"key on P-224", signs(pkcs8(t, keys(t).p224), ""), "on P-224"},
		{"HS256 with a key", signs(pkcs8(t, keys(t).rsa), "HS256"), "not with HS256"},
		{"broken JWK", signs(`{"kty":"RSA"`, ""), "not valid JSON"},
		{"public JWK", signs(jwk(t, keys(t).p256.Public(), "", ""), ""), "a private one signs"},
		{"empty JWK", signs(`{"kty":"RSA"}`, ""), "not a complete JWK"},
		{"set with two keys", signs(`{"keys":[`+jwk(t, keys(t).p256, "a", "")+`,`+jwk(t, keys(t).p384, "b", "")+`]}`, ""), "`kid` says which one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cred := basic()
			c.change(&cred)
			_, err := new(oauth2.Client).Source(t.Context(), cred)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.HasPrefix(err.Error(), "credential ehr: ") {
				t.Errorf("got %v", err)
			} else if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
}

func TestPlainHTTPGoesToThisMachineAndWhereItIsListed(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"http://127.0.0.1:8080/token", "http://localhost/token", "http://LOCALHOST/token", "http://[::1]:1/token", "http://127.9.9.9/token", "http://inside.example.test:80/token"} {
		cred := basic()
		cred.TokenURL, cred.EndpointOrigins = place, []string{"http://Inside.example.test"}
		if _, err := new(oauth2.Client).Source(t.Context(), cred); err != nil {
			t.Errorf("%s: %v", place, err)
		}
	}
}

// someKeys are made once: RSA takes its time.
type someKeys struct {
	rsa                    *rsa.PrivateKey
	p224, p256, p384, p521 *ecdsa.PrivateKey
	ed                     ed25519.PrivateKey
}

var keysOnce = sync.OnceValue(func() someKeys {
	var k someKeys
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.p224, _ = ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	k.p256, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, _ = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, _ = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

func keys(*testing.T) someKeys { return keysOnce() }

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func jwk(t *testing.T, key any, kid, alg string) string {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: alg})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestKeysAreReadInEveryFormAndSign verifies what was signed with the public key.
func TestKeysAreReadInEveryFormAndSign(t *testing.T) {
	t.Parallel()
	k := keys(t)
	sec1, _ := x509.MarshalECPrivateKey(k.p384)
	der, _ := x509.MarshalPKCS8PrivateKey(k.p384)
	multi := pkcs8(t, k.rsa)
	for _, c := range []struct {
		name, key, alg, kid string
		public              any
		signed, as          string // alg, kid
	}{
		{"RSA", multi, "", "", k.rsa.Public(), "RS256", ""},
		{"RSA with kid", multi, "", "k1", k.rsa.Public(), "RS256", "k1"},
		{"RS384", multi, "RS384", "", k.rsa.Public(), "RS384", ""},
		{"RS512", multi, "RS512", "", k.rsa.Public(), "RS512", ""},
		{"PS256", multi, "PS256", "", k.rsa.Public(), "PS256", ""},
		{"PS384", multi, "PS384", "", k.rsa.Public(), "PS384", ""},
		{"PS512", multi, "PS512", "", k.rsa.Public(), "PS512", ""},
		{"P-256", pkcs8(t, k.p256), "", "", k.p256.Public(), "ES256", ""},
		{"P-384", pkcs8(t, k.p384), "ES384", "", k.p384.Public(), "ES384", ""},
		{"P-521", pkcs8(t, k.p521), "", "", k.p521.Public(), "ES512", ""},
		{"Ed25519", pkcs8(t, k.ed), "", "", k.ed.Public(), "EdDSA", ""},
		{"PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa)), "", "", k.rsa.Public(), "RS256", ""},
		{"SEC 1", block("EC PRIVATE KEY", sec1), "", "", k.p384.Public(), "ES384", ""},
		{"SEC 1 after its parameters", block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}) + block("EC PRIVATE KEY", sec1), "", "", k.p384.Public(), "ES384", ""},
		{"one line with \\n", strings.ReplaceAll(multi, "\n", `\n`), "", "", k.rsa.Public(), "RS256", ""},
		{"one line with \\r\\n", strings.ReplaceAll(multi, "\n", `\r\n`), "", "", k.rsa.Public(), "RS256", ""},
		{"one line with blanks", strings.ReplaceAll(multi, "\n", " "), "", "", k.rsa.Public(), "RS256", ""},
		{"CR LF", strings.ReplaceAll(multi, "\n", "\r\n"), "", "", k.rsa.Public(), "RS256", ""},
		{"white space around", "\n  " + multi + "\n\n", "", "", k.rsa.Public(), "RS256", ""},
		{"DER in base64", base64.StdEncoding.EncodeToString(der), "", "", k.p384.Public(), "ES384", ""},
		{"DER in base64 on lines", base64.StdEncoding.EncodeToString(der[:60]) + "\n" + base64.StdEncoding.EncodeToString(der[60:]), "", "", k.p384.Public(), "ES384", ""},
		{"JWK", jwk(t, k.p384, "own", ""), "", "", k.p384.Public(), "ES384", "own"},
		{"JWK with alg", jwk(t, k.rsa, "own", "PS384"), "", "", k.rsa.Public(), "PS384", "own"},
		{"JWK with another kid", jwk(t, k.p384, "own", ""), "", "asked", k.p384.Public(), "ES384", "asked"},
		{"set", `{"keys":[` + jwk(t, k.p256, "a", "") + `,` + jwk(t, k.p384, "b", "") + `]}`, "", "b", k.p384.Public(), "ES384", "b"},
		{"set of one", `{"keys":[` + jwk(t, k.p256, "a", "") + `]}`, "", "", k.p256.Public(), "ES256", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cred := basic()
			cred.ClientSecret, cred.Assertion = "", oauth2.Assertion{Key: c.key, Alg: c.alg, Kid: c.kid, JKU: "https://id.example.test/jwks"}
			s := serving(bad(500, ""), token("first", ""))
			got(t, source(t, &oauth2.Client{Carrier: s}, cred))
			seen := map[string]bool{}
			for _, r := range s.requests() {
				claims, header := verify(t, r.form.Get("client_assertion"), c.public)
				want(t, "alg", header.Algorithm, c.signed)
				want(t, "kid", header.KeyID, c.as)
				want(t, "typ", header.ExtraHeaders["typ"], any("JWT"))
				want(t, "jku", header.ExtraHeaders["jku"], any("https://id.example.test/jwks"))
				want(t, "iss", claims["iss"], any("client"))
				want(t, "sub", claims["sub"], any("client"))
				want(t, "aud", claims["aud"], any(endpoint))
				want(t, "lifetime", claims["exp"].(float64)-claims["iat"].(float64), 240.0)
				seen[claims["jti"].(string)] = true
			}
			want(t, "different jti", len(seen), 2)
		})
	}
}

func verify(t *testing.T, text string, public any) (map[string]any, jose.Header) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	payload, err := signed.Verify(public)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims, signed.Signatures[0].Header
}

func TestWhatAnAssertionSays(t *testing.T) {
	t.Parallel()
	k := keys(t)
	secret := "canary-secret-of-32-characters-or-more"
	for _, c := range []struct {
		name   string
		change func(*oauth2.Credential)
		member string
		public any
		says   map[string]any
	}{
		{"aud as text", func(c *oauth2.Credential) { c.Assertion.Audience = "https://aud.example.test" }, "client_assertion", k.p256.Public(), map[string]any{"aud": "https://aud.example.test"}},
		{"lifetime", func(c *oauth2.Credential) { c.Assertion.Lifetime = time.Minute }, "client_assertion", k.p256.Public(), map[string]any{"aud": endpoint}},
		{"the client's never has another subject", func(c *oauth2.Credential) { c.Assertion.Subject = "other" }, "client_assertion", k.p256.Public(), map[string]any{"sub": "client"}},
		{"grant", func(c *oauth2.Credential) {
			c.Grant, c.Assertion.Subject, c.Scopes = "jwt_bearer", "user", []string{"a", "b"}
		}, "assertion", k.p256.Public(), map[string]any{"iss": "client", "sub": "user", "scope": "a b"}},
		{"grant and client", func(c *oauth2.Credential) {
			c.Grant, c.Assertion.Subject, c.ClientAuth = "jwt_bearer", "user", "private_key_jwt"
		}, "client_assertion", k.p256.Public(), map[string]any{"iss": "client", "sub": "client"}},
		{"secret", func(c *oauth2.Credential) { c.ClientAuth, c.ClientSecret = "client_secret_jwt", secret }, "client_assertion", []byte(secret), map[string]any{"iss": "client"}},
		{"secret with HS512", func(c *oauth2.Credential) {
			c.ClientAuth, c.ClientSecret, c.Assertion.Alg = "client_secret_jwt", secret+secret, "HS512"
		}, "client_assertion", []byte(secret + secret), map[string]any{"iss": "client"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cred := basic()
			cred.ClientSecret, cred.Assertion.Key = "", pkcs8(t, k.p256)
			c.change(&cred)
			s := serving(token("first", ""))
			got(t, source(t, &oauth2.Client{Carrier: s}, cred))
			claims, _ := verify(t, s.last().form.Get(c.member), c.public)
			for name, value := range c.says {
				want(t, name, claims[name], value)
			}
		})
	}
	cred := basic()
	cred.ClientSecret, cred.Assertion = "", oauth2.Assertion{Key: pkcs8(t, k.p256), Audience: "issuer"}
	says(t, failed(t, source(t, &oauth2.Client{Carrier: serving(token("x", ""))}, cred)), true, "nobody names one")
}

func TestEverySecretIsMadeKnownBeforeItIsSent(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	known := map[string]string{}
	tell := func(label, secret string) {
		mu.Lock()
		defer mu.Unlock()
		known[secret] = label
	}
	cred := basic()
	cred.Grant, cred.Username, cred.Password, cred.ClientAuth, cred.Assertion.Key = "password", "u", "canary-password", "private_key_jwt", pkcs8(t, keys(t).p256)

	s := serving(func(r seen) any {
		mu.Lock()
		defer mu.Unlock()
		for _, secret := range []string{cred.Password, cred.Assertion.Key, r.form.Get("client_assertion")} {
			if known[secret] == "" {
				t.Errorf("%q is sent before it is known", secret)
			}
		}
		return token("first-token", `,"refresh_token":"first-refresh"`)
	})
	got(t, source(t, &oauth2.Client{Carrier: s, Secret: tell}, cred))
	want(t, "access token", known["first-token"], "access_token")
	want(t, "refresh token", known["first-refresh"], "refresh_token")
	world := &shared{cache: sealed(), server: serving(token("first-token", `,"refresh_token":"first-refresh"`))}
	got(t, source(t, world.process(), cred))
	clear(known)
	next := world.process()
	next.Secret = tell
	got(t, source(t, next, cred))
	want(t, "access token from the cache", known["first-token"], "access_token")
	want(t, "refresh token from the cache", known["first-refresh"], "refresh_token")
}
