package sandbox

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenRequest is a request to the token endpoint, in whatever form it came.
type tokenRequest struct {
	fields        map[string]string
	authorization []string // the headers
}

// tokenError is an error answer of the token endpoint (RFC 6749 §5.2).
type tokenError struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func badRequest(code, description string) *tokenError {
	return &tokenError{http.StatusBadRequest, code, description}
}

func badClient(description string) *tokenError {
	return &tokenError{http.StatusUnauthorized, "invalid_client", description}
}

func (e *tokenError) answer() answer {
	a := answer{status: e.status, header: map[string]string{"Pragma": "no-cache"}, body: e}
	if e.status == http.StatusUnauthorized {
		a.header["WWW-Authenticate"] = `Basic realm="sandbox"`
	}
	return a
}

// tokenAnswer is a successful answer of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// tokenByForm is the token endpoint as RFC 6749 has it.
func (s *Server) tokenByForm(tokenType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		request, refused := readTokenForm(r)
		s.giveToken(w, request, refused, tokenType)
	}
}

// tokenByJSON is a token endpoint for those who would rather have JSON.
func (s *Server) tokenByJSON(w http.ResponseWriter, r *http.Request) {
	request, refused := readTokenJSON(r)
	s.giveToken(w, request, refused, "Bearer")
}

func (s *Server) giveToken(w http.ResponseWriter, request tokenRequest, refused *tokenError, tokenType string) {
	var given tokenAnswer
	if refused == nil {
		given, refused = s.grant(request, tokenType)
	}
	if refused != nil {
		refused.answer().write(w)
		return
	}
	answer{status: http.StatusOK, header: map[string]string{"Pragma": "no-cache"}, body: given}.write(w)
}

// readTokenForm reads a form and is strict about it: a parameter once, nothing in the URL.
func readTokenForm(r *http.Request) (tokenRequest, *tokenError) {
	if kind, given := mediaType(r); kind != "application/x-www-form-urlencoded" {
		return tokenRequest{}, badRequest("invalid_request",
			"the body must be application/x-www-form-urlencoded, this one is "+given)
	}
	query := r.URL.Query()
	for _, name := range []string{"grant_type", "client_id", "client_secret", "username", "password", "refresh_token"} {
		if query.Has(name) {
			return tokenRequest{}, badRequest("invalid_request", name+" belongs in the body, not in the URL")
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return tokenRequest{}, badRequest("invalid_request", "the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return tokenRequest{}, badRequest("invalid_request", "the body is no form: a percent sign must be written %25")
	}
	fields := make(map[string]string, len(form))
	for name, values := range form {
		if len(values) > 1 {
			return tokenRequest{}, badRequest("invalid_request", "a parameter is there more than once")
		}
		fields[name] = values[0]
	}
	return tokenRequest{fields, r.Header.Values("Authorization")}, nil
}

// readTokenJSON reads an object of texts.
func readTokenJSON(r *http.Request) (tokenRequest, *tokenError) {
	if kind, given := mediaType(r); kind != "application/json" {
		return tokenRequest{}, badRequest("invalid_request", "the body must be application/json, this one is "+given)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return tokenRequest{}, badRequest("invalid_request", "the body could not be read")
	}
	var fields map[string]string
	if err := json.Unmarshal(body, &fields); err != nil {
		return tokenRequest{}, badRequest("invalid_request", "the body must be a JSON object whose values are texts")
	}
	return tokenRequest{fields, r.Header.Values("Authorization")}, nil
}

// grant answers a token request that could be read.
func (s *Server) grant(request tokenRequest, tokenType string) (tokenAnswer, *tokenError) {
	if request.fields["grant_type"] == "" {
		return tokenAnswer{}, badRequest("invalid_request", "grant_type is missing")
	}
	if refused := s.checkClient(request); refused != nil {
		return tokenAnswer{}, refused
	}
	scope, refused := scopeOf(request.fields["scope"], knownScopes)
	if refused != nil {
		return tokenAnswer{}, refused
	}
	user := ""
	switch request.fields["grant_type"] {
	case "client_credentials":
	case "password":
		user = request.fields["username"]
		if !same(user, s.options.Username) || !same(request.fields["password"], s.options.Password) {
			return tokenAnswer{}, badRequest("invalid_grant", "the username or the password is wrong")
		}
	case "refresh_token":
		old, ok := s.issuer.redeem(request.fields["refresh_token"])
		if !ok {
			return tokenAnswer{}, badRequest("invalid_grant", "the refresh token is not known or was used before")
		}
		if scope, refused = scopeOf(request.fields["scope"], old.scope); refused != nil {
			return tokenAnswer{}, refused
		}
		user = old.user
	default:
		return tokenAnswer{}, badRequest("unsupported_grant_type",
			"the grants are client_credentials, password and refresh_token")
	}
	access, refresh := s.issuer.newToken(scope, user)
	return tokenAnswer{access, tokenType, seconds(s.options.TokenLifetime), refresh, scope}, nil
}

// checkClient accepts one way for a client to name itself, not two (RFC 6749 §2.3).
func (s *Server) checkClient(request tokenRequest) *tokenError {
	id, secret := request.fields["client_id"], request.fields["client_secret"]
	_, inBody := request.fields["client_secret"]
	switch {
	case request.fields["client_assertion"] != "" && (len(request.authorization) > 0 || inBody):
		return badRequest("invalid_request", "the client named itself twice: client_assertion goes alone")
	case request.fields["client_assertion"] != "":
		return s.checkAssertion(request.fields)
	case len(request.authorization) > 1:
		return badRequest("invalid_request", "there is more than one Authorization header")
	case len(request.authorization) == 1 && inBody:
		return badRequest("invalid_request",
			"the client named itself twice: use either Basic or client_secret in the body")
	case len(request.authorization) == 0 && !inBody:
		return badClient("the client did not name itself: use Basic, or client_id and client_secret in the body")
	case len(request.authorization) == 0:
		return s.checkSecret([2]string{id, secret})
	}
	pairs, refused := basicPairs(request.authorization[0])
	if refused != nil {
		return refused
	}
	if id != "" && !same(id, s.options.ClientID) {
		return badRequest("invalid_request", "client_id in the body is not the one in the Authorization header")
	}
	return s.checkSecret(pairs...)
}

// checkSecret accepts any of several readings of an id and a secret.
func (s *Server) checkSecret(pairs ...[2]string) *tokenError {
	known := false
	for _, pair := range pairs {
		if !same(pair[0], s.options.ClientID) {
			continue
		}
		known = true
		if same(pair[1], s.options.ClientSecret) {
			return nil
		}
	}
	if known {
		return badClient("the client is known, its secret is another")
	}
	return badClient("the client is not known")
}

// basicPairs reads an Authorization header of the scheme Basic. RFC 6749 §2.3.1 has id and secret form-encoded before
// they are joined, which many clients leave out: both readings are returned.
func basicPairs(header string) ([][2]string, *tokenError) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil, badClient("the token endpoint takes the scheme Basic")
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, badClient("what follows Basic is not base64")
	}
	id, secret, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return nil, badClient("what follows Basic has no colon between id and secret")
	}
	pairs := [][2]string{{id, secret}}
	plainID, errID := url.QueryUnescape(id)
	plainSecret, errSecret := url.QueryUnescape(secret)
	if errID == nil && errSecret == nil {
		pairs = append(pairs, [2]string{plainID, plainSecret})
	}
	return pairs, nil
}

// scopeOf is the scope that a token gets: all that is allowed, or what was asked for of it.
func scopeOf(asked, allowed string) (string, *tokenError) {
	if strings.TrimSpace(asked) == "" {
		return allowed, nil
	}
	for _, scope := range strings.Fields(asked) {
		if !strings.Contains(" "+allowed+" ", " "+scope+" ") {
			return "", badRequest("invalid_scope", "the scopes are "+allowed)
		}
	}
	return strings.Join(strings.Fields(asked), " "), nil
}

// same compares without telling by its time how much is right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// seconds rounds down, so that a client never believes in a token that has expired.
func seconds(d time.Duration) int { return int(d / time.Second) }
