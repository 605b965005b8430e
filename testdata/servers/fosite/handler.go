package main

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"golang.org/x/crypto/bcrypt"
)

// config is who is let in.
type config struct {
	clientSecret string
	jwks         string
	lifetime     time.Duration
}

const user = "ward"

// grants are what every client may ask with.
var grants = []string{"client_credentials", "password", "refresh_token", "authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"}

// clients makes one for each manner of client authentication.
func (c config) clients() (map[string]fosite.Client, *jose.JSONWebKeySet, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(c.jwks), &keys); err != nil {
		return nil, nil, fmt.Errorf("-jwks is not a JWK set: %w", err)
	}
	secret, err := bcrypt.GenerateFromPassword([]byte(c.clientSecret), bcrypt.MinCost)
	if err != nil {
		return nil, nil, fmt.Errorf("hash the clients' secret: %w", err)
	}
	clients := map[string]fosite.Client{}
	for _, id := range []string{"client_secret_basic", "client_secret_post", "RS384", "ES384", "none"} {
		method := id
		if strings.HasSuffix(id, "384") {
			method = "private_key_jwt"
		}
		clients[id] = &fosite.DefaultOpenIDConnectClient{
			DefaultClient: &fosite.DefaultClient{ID: id, Secret: secret, Public: method == "none", GrantTypes: grants,
				RedirectURIs: []string{"http://127.0.0.1/callback"}, Scopes: []string{"patient.read", "offline"}, Audience: []string{"https://api.example.test"}},
			JSONWebKeys: &keys, TokenEndpointAuthMethod: method, TokenEndpointAuthSigningAlgorithm: id,
		}
	}
	return clients, &keys, nil
}

// newHandler makes the authorization server.
func newHandler(c config) (http.Handler, error) {
	clients, keys, err := c.clients()
	if err != nil {
		return nil, err
	}
	store := storage.NewMemoryStore()
	store.Clients = clients
	store.Users[user] = storage.MemoryUserRelation{Username: user, Password: `pass word+%41`}
	byKid := map[string]storage.PublicKeyScopes{}
	for i := range keys.Keys {
		byKid[keys.Keys[i].KeyID] = storage.PublicKeyScopes{Key: &keys.Keys[i], Scopes: []string{"patient.read"}}
	}
	for _, issuer := range []string{"RS384", "ES384"} {
		store.IssuerPublicKeys[issuer] = storage.IssuerPublicKeys{Issuer: issuer,
			KeysBySub: map[string]storage.SubjectPublicKeys{user: {Subject: user, Keys: byKid}}}
	}

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the server's key: %w", err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	settings := &fosite.Config{GlobalSecret: secret, AccessTokenLifespan: c.lifetime, EnforcePKCE: true, GrantTypeJWTBearerCanSkipClientAuth: true}
	a := &authorizer{config: settings, provider: compose.ComposeAllEnabled(settings, store, key)}

	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", a.token)
	mux.HandleFunc("GET /authorize", a.authorize)
	mux.HandleFunc("POST /introspect", a.introspect)
	mux.HandleFunc("POST /revoke", a.revoke)
	return a.addressed(mux), nil
}

// An authorizer speaks HTTP for fosite.
type authorizer struct {
	config   *fosite.Config
	provider fosite.OAuth2Provider
	once     sync.Once
}

// addressed tells fosite its own address, which is known from the first request on.
func (a *authorizer) addressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.once.Do(func() { a.config.TokenURL = "http://" + r.Host + "/token" })
		next.ServeHTTP(w, r)
	})
}

func (a *authorizer) token(w http.ResponseWriter, r *http.Request) {
	session := openid.NewDefaultSession()
	request, err := a.provider.NewAccessRequest(r.Context(), r, session)
	if err != nil {
		a.provider.WriteAccessError(r.Context(), w, request, err)
		return
	}
	if grant := request.GetGrantTypes(); !grant.ExactOne("refresh_token") && !grant.ExactOne("authorization_code") {
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		for _, audience := range request.GetRequestedAudience() {
			request.GrantAudience(audience)
		}
	}
	response, err := a.provider.NewAccessResponse(r.Context(), request)
	if err != nil {
		a.provider.WriteAccessError(r.Context(), w, request, err)
		return
	}
	a.provider.WriteAccessResponse(r.Context(), w, request, response)
}

func (a *authorizer) authorize(w http.ResponseWriter, r *http.Request) {
	request, err := a.provider.NewAuthorizeRequest(r.Context(), r)
	if err != nil {
		a.provider.WriteAuthorizeError(r.Context(), w, request, err)
		return
	}
	for _, scope := range request.GetRequestedScopes() {
		request.GrantScope(scope)
	}
	session := openid.NewDefaultSession()
	session.Subject, session.Claims.Subject = user, user
	response, err := a.provider.NewAuthorizeResponse(r.Context(), request, session)
	if err != nil {
		a.provider.WriteAuthorizeError(r.Context(), w, request, err)
		return
	}
	a.provider.WriteAuthorizeResponse(r.Context(), w, request, response)
}

func (a *authorizer) introspect(w http.ResponseWriter, r *http.Request) {
	response, err := a.provider.NewIntrospectionRequest(r.Context(), r, openid.NewDefaultSession())
	if err != nil {
		a.provider.WriteIntrospectionError(r.Context(), w, err)
		return
	}
	a.provider.WriteIntrospectionResponse(r.Context(), w, response)
}

func (a *authorizer) revoke(w http.ResponseWriter, r *http.Request) {
	a.provider.WriteRevocationResponse(r.Context(), w, a.provider.NewRevocationRequest(r.Context(), r))
}
