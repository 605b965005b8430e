package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// knownScopes is everything that a token may be asked for.
const knownScopes = "patient.read orders.read appointments.read appointments.write"

// issuer makes tokens and knows them again.
type issuer struct {
	lifetime time.Duration

	labKey     string
	signingKey string           // of the client, PEM in one line
	knownKey   *ecdsa.PublicKey // with which it is verified

	mu       sync.Mutex
	sessions map[string]time.Time // their ends
	used     map[string]bool      // the jti of assertions
	access   map[string]grant
	refresh  map[string]grant
}

// grant is what a token stands for.
type grant struct {
	scope   string
	expires time.Time
	revoked bool
	user    string // empty: the client itself
}

func newIssuer(lifetime time.Duration) *issuer {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err) // never: crypto/rand ends the program instead
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err) // never: it is a key of a kind that is known
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &issuer{lifetime: lifetime, labKey: "lab-" + random(), signingKey: strings.ReplaceAll(string(text), "\n", `\n`), knownKey: &key.PublicKey,
		sessions: map[string]time.Time{}, used: map[string]bool{}, access: make(map[string]grant), refresh: make(map[string]grant)}
}

// Tokens returns every access and refresh token that was given out, also those that are used up or revoked: what a test
// looks for in places where no token may be. Access tokens are forgotten an hour after their end.
func (s *Server) Tokens() []string {
	s.issuer.mu.Lock()
	defer s.issuer.mu.Unlock()
	var tokens []string
	for token := range s.issuer.access {
		tokens = append(tokens, token)
	}
	for token := range s.issuer.refresh {
		tokens = append(tokens, token)
	}
	for key := range s.issuer.sessions {
		tokens = append(tokens, key)
	}
	return tokens
}

// Revoke makes every access token and session that was given out so far invalid, as if the authorization server had withdrawn it.
func (s *Server) Revoke() {
	s.issuer.mu.Lock()
	defer s.issuer.mu.Unlock()
	for token, g := range s.issuer.access {
		g.revoked = true
		s.issuer.access[token] = g
	}
	clear(s.issuer.sessions)
}

// newToken makes an access token for a scope, and a refresh token if it is for a user.
func (i *issuer) newToken(scope, user string) (access, refresh string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for token, g := range i.access {
		if now.Sub(g.expires) > time.Hour {
			delete(i.access, token)
		}
	}
	access = random()
	i.access[access] = grant{scope: scope, expires: now.Add(i.lifetime), user: user}
	if user != "" {
		refresh = random()
		i.refresh[refresh] = grant{scope: scope, user: user}
	}
	return access, refresh
}

// redeem takes a refresh token out of use and returns what it stood for.
func (i *issuer) redeem(refresh string) (grant, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := i.refresh[refresh]
	if !ok || g.revoked {
		return g, false
	}
	i.refresh[refresh] = grant{revoked: true}
	return g, true
}

// random is 256 bits in base64 with its padding: a token as many servers make it.
func random() string {
	var bytes [32]byte
	_, _ = rand.Read(bytes[:]) // never fails: crypto/rand ends the program instead
	return base64.StdEncoding.EncodeToString(bytes[:])
}

// check says what is wrong with a request's token for a scope: an OAuth error code (RFC 6750 §3.1) and words for it.
// A code of "" with words means that there is no token at all. No words: nothing is wrong.
func (i *issuer) check(headers []string, scope string) (code, words string) {
	token, code, words := bearer(headers)
	if words != "" {
		return code, words
	}
	i.mu.Lock()
	g, known := i.access[token]
	i.mu.Unlock()
	switch {
	case !known:
		return "invalid_token", "the token was not issued here"
	case g.revoked:
		return "invalid_token", "the token was revoked"
	case !time.Now().Before(g.expires):
		return "invalid_token", "the token has expired"
	case !strings.Contains(" "+g.scope+" ", " "+scope+" "):
		return "insufficient_scope", "the token lacks the scope " + scope
	}
	return "", ""
}

// bearer takes the token out of the Authorization headers. The scheme must be written as the RFC writes it: a client
// that does otherwise would fail at some real server.
func bearer(headers []string) (token, code, words string) {
	if len(headers) == 0 {
		return "", "", "there is no Authorization header"
	}
	if len(headers) > 1 {
		return "", "invalid_request", "there is more than one Authorization header"
	}
	scheme, token, blank := strings.Cut(headers[0], " ")
	switch {
	case scheme != "Bearer" && strings.EqualFold(scheme, "Bearer"):
		return "", "invalid_token", "the scheme is Bearer with a capital B and small letters"
	case strings.HasPrefix(scheme, "Bearer") && len(scheme) > len("Bearer"):
		return "", "invalid_token", "there is no blank between Bearer and the token"
	case scheme != "Bearer":
		return "", "invalid_token", "the scheme is Bearer, not another"
	case !blank || strings.TrimSpace(token) == "":
		return "", "invalid_token", "the token is empty"
	case strings.HasPrefix(token, " "):
		return "", "invalid_token", "there is more than one blank between Bearer and the token"
	case strings.HasPrefix(token, "Bearer "):
		return "", "invalid_token", "the word Bearer is there twice"
	case strings.ContainsAny(token, " \t"):
		return "", "invalid_token", "there is white space in the token"
	}
	return token, "", ""
}

// withToken lets a request through if its token allows the scope.
func (s *Server) withToken(scope string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, words := s.issuer.check(r.Header.Values("Authorization"), scope)
		if words == "" {
			next(w, r)
			return
		}
		status := http.StatusUnauthorized
		switch code {
		case "insufficient_scope":
			status = http.StatusForbidden
		case "invalid_request":
			status = http.StatusBadRequest
		}
		a := problemAnswer(status, words)
		a.header["WWW-Authenticate"] = challenge(code, words, scope)
		a.write(w)
	}
}

// challenge is a WWW-Authenticate header. A request without a token is not told an error (RFC 6750 §3.1).
func challenge(code, words, scope string) string {
	text := `Bearer realm="sandbox"`
	if code != "" {
		text += `, error="` + code + `", error_description="` + words + `"`
	}
	if code == "insufficient_scope" {
		text += `, scope="` + scope + `"`
	}
	return text
}

// smart is the SMART configuration of the FHIR API (SMART App Launch 2.2).
func (s *Server) smart(w http.ResponseWriter, _ *http.Request) {
	answer{status: http.StatusOK, body: map[string]any{
		"token_endpoint":                                   s.url + "/oauth/token",
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"ES384"},
		"grant_types_supported":                            []string{"client_credentials"},
		"scopes_supported":                                 strings.Fields(knownScopes),
		"capabilities":                                     []string{"client-confidential-asymmetric"},
	}}.write(w)
}

// checkAssertion verifies a client assertion (RFC 7523 §3).
func (s *Server) checkAssertion(fields map[string]string) *tokenError {
	if fields["client_assertion_type"] != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return badRequest("invalid_request", "client_assertion_type is not that of a JWT")
	}
	parts := strings.Split(fields["client_assertion"], ".")
	if len(parts) != 3 {
		return badClient("the assertion is no signed JWT")
	}
	var head struct{ Alg string }
	var claims struct {
		Iss, Sub, Aud, Jti string
		Exp                int64
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !readPart(parts[0], &head) || !readPart(parts[1], &claims) {
		return badClient("the assertion cannot be read")
	}
	digest := sha512.Sum384([]byte(parts[0] + "." + parts[1]))
	left := time.Until(time.Unix(claims.Exp, 0))
	switch {
	case head.Alg != "ES384":
		return badClient("the assertion is signed with " + head.Alg + ", not ES384")
	case len(signature) != 96 || !ecdsa.Verify(s.issuer.knownKey, digest[:], new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:])):
		return badClient("the assertion was signed with another key")
	case claims.Iss != s.options.ClientID || claims.Sub != claims.Iss:
		return badClient("the assertion is another client's")
	case claims.Aud != s.url+"/oauth/token":
		return badClient("the assertion is for " + claims.Aud + ", this is " + s.url + "/oauth/token")
	case left <= 0 || left > 5*time.Minute:
		return badClient("the assertion has expired, or is good for more than five minutes")
	}
	s.issuer.mu.Lock()
	defer s.issuer.mu.Unlock()
	if claims.Jti == "" || s.issuer.used[claims.Jti] {
		return badClient("the assertion was used before")
	}
	s.issuer.used[claims.Jti] = true
	return nil
}

func readPart(text string, into any) bool {
	plain, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(plain, into) == nil
}

// logIn is POST /session: a login as programs have it that know nothing of OAuth.
func (s *Server) logIn(w http.ResponseWriter, r *http.Request) {
	var who struct{ Username, Password string }
	if json.NewDecoder(r.Body).Decode(&who) != nil || !same(who.Username, s.options.Username) || !same(who.Password, s.options.Password) {
		problemAnswer(http.StatusForbidden, "the user name or the password is wrong").write(w)
		return
	}
	var bytes [24]byte
	_, _ = rand.Read(bytes[:]) // never fails
	key := base64.RawURLEncoding.EncodeToString(bytes[:])
	s.issuer.mu.Lock()
	s.issuer.sessions[key] = time.Now().Add(s.issuer.lifetime)
	s.issuer.mu.Unlock()
	answer{status: http.StatusOK, body: map[string]any{"session": map[string]any{"key": key}, "expires_in": seconds(s.issuer.lifetime)}}.write(w)
}

func (i *issuer) inSession(key string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Now().Before(i.sessions[key])
}

func (s *Server) isLab(key string) bool { return same(key, s.issuer.labKey) }

// withKey lets a request through if a header holds a key that is good.
func (s *Server) withKey(header string, good func(string) bool, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !good(r.Header.Get(header)) {
			problemAnswer(http.StatusUnauthorized, header+" is missing or not known").write(w)
			return
		}
		next(w, r)
	}
}

// showRota is GET /rota.
func (s *Server) showRota(*http.Request) answer {
	return answer{status: http.StatusOK, body: map[string]any{"on_duty": []string{"Dr. Ada Example", "Dr. Bo Sample"}}}
}

// listResults is GET /lab/results.
func (s *Server) listResults(r *http.Request) answer {
	id := r.URL.Query().Get("patient")
	if !isPatientID(id) {
		return problemAnswer(http.StatusBadRequest, "the query is wrong", fieldProblem{"patient", "must be ten digits"})
	}
	return answer{status: http.StatusOK, body: map[string]any{"patient": id, "results": []map[string]any{
		{"code": "Haemoglobin", "value": 13.2, "unit": "g/dL"}, {"code": "Serum potassium", "value": 5.9, "unit": "mmol/L"}}}}
}
