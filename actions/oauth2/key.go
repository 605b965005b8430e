package oauth2

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// A signingKey is a private key with what it brings along.
type signingKey struct {
	key crypto.Signer
	kid string
	alg string // the JWK's own, or ""
}

// readKey reads a private key: PEM, also on one line with \n or blanks for the
// line ends; base64 of DER; a JWK, or a set in which kid or being alone points at
// one. Its errors never show the text.
func readKey(text, kid string) (signingKey, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return signingKey{}, errors.New("it is empty")
	case strings.HasPrefix(text, "{"):
		return readJWK(text, kid)
	case strings.Contains(text, "-----BEGIN"):
		return readPEM(text)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return signingKey{}, errors.New("it is neither PEM (-----BEGIN PRIVATE KEY-----) nor base64 of DER nor a JWK")
	}
	return readDER(der)
}

func readPEM(text string) (signingKey, error) {
	text = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n", "\r\n", "\n").Replace(text)
	for rest := []byte(unfold(text)); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return signingKey{}, errors.New("its PEM is not complete: lines are missing or run together")
		}
		switch {
		case block.Type == "EC PARAMETERS" || block.Type == "CERTIFICATE" && len(rest) > 0:
			continue
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return signingKey{}, errors.New("it is encrypted with a passphrase: write it out without one (openssl pkey -in key.pem -out plain.pem)")
		case strings.Contains(block.Type, "PUBLIC KEY"):
			return signingKey{}, errors.New("it is a public key; the private one signs")
		case block.Type == "CERTIFICATE":
			return signingKey{}, errors.New("it is a certificate; its private key signs")
		case block.Type == "OPENSSH PRIVATE KEY":
			return signingKey{}, errors.New("it is a key of OpenSSH: convert it (ssh-keygen -p -m PKCS8 -f key)")
		}
		return readDER(block.Bytes)
	}
}

// unfold gives a PEM text that lost its line ends new ones.
func unfold(text string) string {
	if strings.Contains(text, "\n") {
		return text
	}
	head, rest, _ := strings.Cut(strings.TrimPrefix(text, "-----BEGIN "), "-----")
	body, _, ok := strings.Cut(rest, "-----END ")
	if !ok {
		return text
	}
	return "-----BEGIN " + head + "-----\n" + strings.Join(strings.Fields(body), "\n") + "\n-----END " + head + "-----\n"
}

func readDER(der []byte) (signingKey, error) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(der); err != nil {
			if key, err = x509.ParseECPrivateKey(der); err != nil {
				return signingKey{}, errors.New("it is no private key in PKCS #8, PKCS #1 or SEC 1 form")
			}
		}
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return signingKey{}, errors.New("it is a key that cannot sign")
	}
	return signingKey{key: signer}, nil
}

func readJWK(text, kid string) (signingKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return signingKey{}, errors.New("it begins like a JWK and is not valid JSON")
	}
	if set.Keys == nil {
		set.Keys = []json.RawMessage{json.RawMessage(text)}
	}
	var fit []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && (len(set.Keys) == 1 || kid == "" || k.KeyID == kid) {
			fit = append(fit, k)
		}
	}
	switch {
	case len(fit) == 0 && len(set.Keys) > 1:
		return signingKey{}, errors.New("its set holds no key that can be read with the `kid` of the assertion")
	case len(fit) == 0:
		return signingKey{}, errors.New("it is not a complete JWK")
	case len(fit) > 1:
		return signingKey{}, errors.New("its set holds several keys: `kid` says which one")
	}
	signer, ok := fit[0].Key.(crypto.Signer)
	if !ok || fit[0].IsPublic() {
		return signingKey{}, errors.New("its JWK is a public or a symmetric key; a private one signs")
	}
	return signingKey{key: signer, kid: fit[0].KeyID, alg: fit[0].Algorithm}, nil
}

// algorithm says how a key signs, and why it cannot.
func (k signingKey) algorithm(asked string) (jose.SignatureAlgorithm, error) {
	if asked == "" {
		asked = k.alg
	}
	var may []string
	what := ""
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		may, what = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, "an RSA key"
		if key.N.BitLen() < 2048 {
			return "", fmt.Errorf("it is an RSA key of %d bits; at least 2048 are needed (RFC 7518 §3.3)", key.N.BitLen())
		}
	case *ecdsa.PrivateKey:
		curve := key.Curve.Params().Name
		alg, ok := map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[curve]
		if !ok {
			return "", fmt.Errorf("it is an elliptic key on %s, with which nobody signs JWTs: P-256, P-384 or P-521 are needed", curve)
		}
		may, what = []string{alg}, "an elliptic key on "+curve
	case ed25519.PrivateKey:
		may, what = []string{"EdDSA"}, "an Ed25519 key"
	default:
		return "", errors.New("it is a key of a kind that is not known here")
	}
	if asked == "" {
		asked = may[0]
	}
	if !slices.Contains(may, asked) {
		return "", fmt.Errorf("it is %s, which signs with %s, not with %s", what, strings.Join(may, ", "), asked)
	}
	return jose.SignatureAlgorithm(asked), nil
}
