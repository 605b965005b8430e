package sandbox

import (
	"crypto/rand"
	"encoding/base64"
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

	mu      sync.Mutex
	access  map[string]grant
	refresh map[string]grant
}

// grant is what a token stands for.
type grant struct {
	scope   string
	expires time.Time
	revoked bool
	user    string // empty: the client itself
}

func newIssuer(lifetime time.Duration) *issuer {
	return &issuer{lifetime: lifetime, access: make(map[string]grant), refresh: make(map[string]grant)}
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
	return tokens
}

// Revoke makes every access token that was given out so far invalid, as if the authorization server had withdrawn it.
func (s *Server) Revoke() {
	s.issuer.mu.Lock()
	defer s.issuer.mu.Unlock()
	for token, g := range s.issuer.access {
		g.revoked = true
		s.issuer.access[token] = g
	}
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
