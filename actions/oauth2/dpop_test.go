package oauth2_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/stepwell/stepwell/actions/oauth2"
)

func bound(alg string) oauth2.Credential {
	cred := basic()
	cred.DPoP = alg
	return cred
}

func dpop(access, more string) reply {
	return ok(`{"access_token":"` + access + `","token_type":"dpop","expires_in":3600` + more + `}`)
}

// thumbprint verifies a proof with the key in it, and names that key.
func thumbprint(t *testing.T, proof string) (claims map[string]any, key string) {
	t.Helper()
	signed, err := jose.ParseSignedCompact(proof, []jose.SignatureAlgorithm{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"})
	if err != nil {
		t.Fatalf("%q: %v", proof, err)
	}
	header := signed.Signatures[0].Header
	if header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() {
		t.Fatal("the proof has no public key in it")
	}
	claims, header = verify(t, proof, header.JSONWebKey)
	want(t, "typ", header.ExtraHeaders["typ"], any("dpop+jwt"))
	sum, err := header.JSONWebKey.Thumbprint(5) // SHA-256
	if err != nil {
		t.Fatal(err)
	}
	return claims, base64.RawURLEncoding.EncodeToString(sum)
}

func TestATokenIsBoundToAKey(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"ES256", "ES384", "ES512", "EdDSA", "RS256", "PS256"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			s := serving(dpop("first", ""))
			src := source(t, &oauth2.Client{Carrier: s}, bound(alg))
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want(t, "Authorization", token.Authorization().RevealText(), "DPoP first")
			claims, key := thumbprint(t, s.last().header.Get("DPoP"))
			want(t, "htm", claims["htm"], any("POST"))
			want(t, "htu", claims["htu"], any(endpoint))
			want(t, "ath", claims["ath"], nil)
			proof, err := src.Proof(token, "GET", "https://API.example.test/a%20b?q=1#x")
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256([]byte("first"))
			called, same := thumbprint(t, proof)
			want(t, "key", same, key)
			want(t, "htm", called["htm"], any("GET"))
			want(t, "htu", called["htu"], any("https://API.example.test/a%20b"))
			want(t, "ath", called["ath"], any(base64.RawURLEncoding.EncodeToString(sum[:])))
			if called["jti"] == claims["jti"] {
				t.Error("two proofs have the same jti")
			}
		})
	}
}

func TestATokenWithoutAKeyNeedsNoProof(t *testing.T) {
	t.Parallel()
	s := serving(token("first", ""))
	src := source(t, &oauth2.Client{Carrier: s}, basic())
	plain, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := src.Proof(plain, "GET", "https://api.example.test/")
	if proof != "" || err != nil || s.last().header.Get("DPoP") != "" {
		t.Errorf("a proof %q, %v", proof, err)
	}
}

func TestAServerThatIgnoresTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{`,"token_type":"Bearer"`, ``} {
		e := failed(t, source(t, &oauth2.Client{Carrier: serving(ok(`{"access_token":"abc"` + kind + `}`))}, bound("ES256")))
		says(t, e, true, "not bound to the key")
		says(t, e, true, "leave `dpop` out")
	}
}

// TestANonceIsUsedInOneExtraTry at the token endpoint, also of a refresh token,
// which the server has not looked at then.
func TestANonceIsUsedInOneExtraTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asks := func(nonce string) reply { return bad(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", nonce) }
		s := serving(asks("n1"), dpop("first", `,"refresh_token":"r1"`), asks("n2"), dpop("second", ""))
		cred := bound("ES256")
		cred.Grant, cred.Username = "password", "u"
		src := source(t, &oauth2.Client{Carrier: s}, cred)
		begun := time.Now()
		want(t, "token", got(t, src), "first")
		want(t, "waited", time.Since(begun), time.Duration(0))
		time.Sleep(time.Hour)
		want(t, "token", got(t, src), "second")
		want(t, "sent", grants(s.requests()), "password password r1 r1")
		var nonces []any
		keys := map[string]bool{}
		for _, r := range s.requests() {
			claims, key := thumbprint(t, r.header.Get("DPoP"))
			nonces = append(nonces, claims["nonce"])
			keys[key] = true
		}
		want(t, "nonces", [4]any(nonces), [4]any{nil, "n1", "n1", "n2"})
		want(t, "keys", len(keys), 1)
	})
}

func TestAServerThatAsksForNoncesForEverIsRefused(t *testing.T) {
	t.Parallel()
	n := "n"
	s := serving(func(seen) any { n += "+"; return bad(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", n) })
	says(t, failed(t, source(t, &oauth2.Client{Carrier: s}, bound("ES256"))), true, "use_dpop_nonce")
	want(t, "requests", s.count(), 2)
	s = serving(bad(400, `{"error":"use_dpop_nonce"}`))
	failed(t, source(t, &oauth2.Client{Carrier: s}, bound("ES256")))
	want(t, "requests without a nonce", s.count(), 1)
}

func TestANonceOfTheAPIIsUsed(t *testing.T) {
	t.Parallel()
	src := source(t, &oauth2.Client{Carrier: serving(dpop("first", ""))}, bound("ES256"))
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const api = "https://api.example.test/Patient"
	header := func(nonce, challenge string) http.Header {
		h := http.Header{}
		if nonce != "" {
			h.Set("DPoP-Nonce", nonce)
		}
		h.Set("WWW-Authenticate", challenge)
		return h
	}
	nonce := func(place string) any {
		proof, err := src.Proof(token, "GET", place)
		if err != nil {
			t.Fatal(err)
		}
		claims, _ := thumbprint(t, proof)
		return claims["nonce"]
	}
	want(t, "first", nonce(api), nil)
	want(t, "asked for", src.Challenged(api, 401, header("a1", `DPoP error="use_dpop_nonce"`)), true)
	want(t, "nonce", nonce(api), any("a1"))
	want(t, "nonce elsewhere", nonce("https://other.example.test/"), nil)
	want(t, "nonce on the same origin", nonce("https://API.example.test:443/x"), any("a1"))
	want(t, "a new one with an answer", src.Challenged(api, 200, header("a2", "")), false)
	want(t, "nonce", nonce(api), any("a2"))
	want(t, "another refusal", src.Challenged(api, 401, header("a3", `DPoP error="invalid_token"`)), false)
	want(t, "no nonce", src.Challenged(api, 401, header("", `DPoP error="use_dpop_nonce"`)), false)
}

// TestANonceOfTheAPIIsNotOneOfTheTokenEndpoint, also where both have one origin.
func TestANonceOfTheAPIIsNotOneOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	const api = "https://id.example.test/api"
	given := dpop("first", "")
	given.header = map[string]string{"DPoP-Nonce": "n1"}
	s := serving(given, dpop("second", ""))
	src := source(t, &oauth2.Client{Carrier: s}, bound("ES256"))
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	proof, err := src.Proof(token, "GET", api)
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := thumbprint(t, proof)
	want(t, "nonce at the API", claims["nonce"], nil)
	src.Challenged(api, 200, http.Header{"Dpop-Nonce": {"a1"}})
	src.Reject(t.Context(), token, "401")
	got(t, src)
	claims, _ = thumbprint(t, s.last().header.Get("DPoP"))
	want(t, "nonce at the token endpoint", claims["nonce"], any("n1"))
}

// TestANonceThatAnotherRequestGotFirstIsUsedAsWell: what counts is that this
// request was refused for the want of it.
func TestANonceThatAnotherRequestGotFirstIsUsedAsWell(t *testing.T) {
	t.Parallel()
	asks := bad(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1")
	client := &oauth2.Client{}
	other := bound("ES256")
	other.ClientID = "other"
	client.Carrier = serving(
		func(seen) any { got(t, source(t, client, other)); return asks }, // while this one is under way
		asks, dpop("of-the-other", ""), dpop("first", ""))
	want(t, "token", got(t, source(t, client, bound("ES256"))), "first")
}

func TestTheKeyIsKeptWithItsToken(t *testing.T) {
	t.Parallel()
	world := &shared{cache: sealed(), server: serving(dpop("first", ""))}
	src := source(t, world.process(), bound("ES384"))
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := source(t, world.process(), bound("ES384"))
	again, err := next.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, err := src.Proof(token, "GET", "https://api.example.test/")
	if err != nil {
		t.Fatal(err)
	}
	b, err := next.Proof(again, "GET", "https://api.example.test/")
	if err != nil {
		t.Fatal(err)
	}
	_, one := thumbprint(t, a)
	_, other := thumbprint(t, b)
	want(t, "key", other, one)
	want(t, "requests", world.server.count(), 1)
}

func TestTheExtraTryOfANonceCountsBesideTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(bad(400, `{"error":"use_dpop_nonce"}`, "DPoP-Nonce", "n1"), bad(500, ""), bad(500, ""), dpop("first", ""))
		want(t, "token", got(t, source(t, &oauth2.Client{Carrier: s}, bound("ES256"))), "first")
	})
}
