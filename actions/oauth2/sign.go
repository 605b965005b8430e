package oauth2

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// signs says whether a credential's requests carry an assertion of a private key.
func (c *Credential) signs() bool {
	return c.ClientAuth == "private_key_jwt" || c.Grant == "jwt_bearer"
}

// secretAlgorithm is what the client's secret signs with; the assertion's own
// algorithm belongs to its key where the grant has one.
func (c *Credential) secretAlgorithm() string {
	if c.Assertion.Alg == "" || c.signs() {
		return "HS256"
	}
	return c.Assertion.Alg
}

// claims of an assertion (RFC 7523 §3) and of a proof (RFC 9449 §4.2).
type claims struct {
	Issuer   string `json:"iss,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Scope    string `json:"scope,omitempty"`
	ID       string `json:"jti"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp,omitempty"`
	Method   string `json:"htm,omitempty"`
	URL      string `json:"htu,omitempty"`
	Hash     string `json:"ath,omitempty"`
	Nonce    string `json:"nonce,omitempty"`
}

// assertion signs a new one: no two have the same jti. now is the server's time
// as far as it is known.
func (s *Source) assertion(subject string, client bool, at metadata, now time.Time) (string, error) {
	a := &s.cred.Assertion
	c := claims{Issuer: s.cred.ClientID, Subject: subject, ID: randomText(16), Issued: now.Unix(), Expires: now.Add(a.Lifetime).Unix()}
	switch a.Audience {
	case "token_endpoint":
		c.Audience = at.TokenEndpoint
	case "issuer":
		if c.Audience = at.Issuer; c.Audience == "" {
			return "", s.cred.invalid("`assertion.audience: issuer` needs an issuer, and nobody names one: write it out, or `issuer` in place of `token_url`")
		}
	default:
		c.Audience = a.Audience
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if a.JKU != "" {
		options.WithHeader("jku", a.JKU)
	}
	if client && s.cred.ClientAuth == "client_secret_jwt" {
		return signText(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.cred.secretAlgorithm()), Key: []byte(s.cred.ClientSecret)}, options, c)
	}
	if !client {
		c.Scope = strings.Join(s.cred.Scopes, " ")
	}
	kid := a.Kid
	if kid == "" {
		kid = s.key.kid
	}
	return signText(jose.SigningKey{Algorithm: s.alg, Key: jose.JSONWebKey{Key: s.key.key, KeyID: kid}}, options, c)
}

func signText(key jose.SigningKey, options *jose.SignerOptions, c claims) (string, error) {
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// readSigner reads the assertion's key. Its errors are for the author.
func (s *Source) readSigner() error {
	if s.cred.ClientAuth == "client_secret_jwt" {
		alg := s.cred.secretAlgorithm()
		least, ok := map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[alg]
		switch {
		case !ok:
			return s.cred.invalid("`client_auth: client_secret_jwt` signs with HS256, HS384 or HS512, not with %s", alg)
		case len(s.cred.ClientSecret) < least:
			return s.cred.invalid("`client_secret` is %d bytes long, and %s wants at least %d (RFC 7518 §3.2)", len(s.cred.ClientSecret), alg, least)
		}
	}
	if !s.cred.signs() {
		return nil
	}
	key, err := readKey(s.cred.Assertion.Key, s.cred.Assertion.Kid)
	if err == nil {
		s.key = key
		s.alg, err = key.algorithm(s.cred.Assertion.Alg)
	}
	if err != nil {
		return s.cred.invalid("`assertion.key` cannot be used: %s", err)
	}
	return nil
}

// A proofKey binds tokens (RFC 9449). It is kept with them.
type proofKey struct {
	key crypto.Signer
	alg jose.SignatureAlgorithm
}

// newProofKey makes a key for an algorithm.
func newProofKey(alg string) (*proofKey, error) {
	k := &proofKey{alg: jose.SignatureAlgorithm(alg)}
	var err error
	switch alg {
	case "ES256":
		k.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		k.key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		k.key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA":
		_, k.key, err = ed25519.GenerateKey(rand.Reader)
	case "RS256", "PS256":
		k.key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		return nil, errors.New("`dpop.alg` is one of ES256, ES384, ES512, EdDSA, RS256, PS256")
	}
	return k, err
}

// newProofKey makes the key of a token to come.
func (s *Source) newProofKey() (*proofKey, error) {
	k, err := newProofKey(s.cred.DPoP)
	if err == nil {
		s.hideKey(k)
	}
	return k, err
}

// hideKey makes what is secret in a key known.
func (s *Source) hideKey(k *proofKey) {
	var in struct {
		D string `json:"d"`
	}
	if json.Unmarshal(k.text(), &in) == nil {
		s.tell("dpop_key", in.D)
	}
}

// text writes the key for the cache; readProofKey reads it.
func (k *proofKey) text() json.RawMessage {
	if k == nil {
		return nil
	}
	text, err := json.Marshal(jose.JSONWebKey{Key: k.key, Algorithm: string(k.alg)})
	if err != nil {
		return nil
	}
	return text
}

func readProofKey(text json.RawMessage) *proofKey {
	var k jose.JSONWebKey
	if len(text) == 0 || json.Unmarshal(text, &k) != nil {
		return nil
	}
	signer, ok := k.Key.(crypto.Signer)
	if !ok {
		return nil
	}
	return &proofKey{signer, jose.SignatureAlgorithm(k.Algorithm)}
}

// proof makes the header DPoP of one request.
func (k *proofKey) proof(method, to, token, nonce string, now time.Time) (string, error) {
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery, u.User = "", "", "", false, nil
	c := claims{ID: randomText(16), Issued: now.Unix(), Method: method, URL: u.String(), Nonce: nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		c.Hash = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return signText(jose.SigningKey{Algorithm: k.alg, Key: k.key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), c)
}

// Proof makes the header DPoP of one request that carries a token: a new one
// for each try. It is "" for a token that is not bound to a key.
func (s *Source) Proof(t Token, method, to string) (string, error) {
	if t.key == nil {
		return "", nil
	}
	nonce, _ := recall(s.client, &s.client.nonces, origin(to))
	return t.key.proof(method, to, t.Access.RevealText(), nonce, s.serverTime())
}

// Challenged takes note of the nonce in an answer to a request that carried a
// proof, and says whether the request was refused for the want of it: it is sent
// once more then, with a new Proof (RFC 9449 §9). The token is not to blame.
func (s *Source) Challenged(to string, status int, header http.Header) bool {
	nonce := header.Get("Dpop-Nonce")
	if nonce == "" {
		return false
	}
	remember(s.client, &s.client.nonces, origin(to), nonce)
	return status == http.StatusUnauthorized && hasError(header, "use_dpop_nonce")
}

// randomText gives n random bytes in base64 without padding.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}
