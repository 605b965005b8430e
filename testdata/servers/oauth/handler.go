package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/errors"
	"github.com/go-oauth2/oauth2/v4/manage"
	"github.com/go-oauth2/oauth2/v4/models"
	"github.com/go-oauth2/oauth2/v4/server"
	"github.com/go-oauth2/oauth2/v4/store"
)

// config is who is let in.
type config struct {
	clientID, clientSecret string
	username, password     string
	basic                  string // raw or form
	lifetime               time.Duration
}

// newHandler makes the authorization server.
func newHandler(c config) (http.Handler, error) {
	if c.basic != "raw" && c.basic != "form" {
		return nil, fmt.Errorf("-basic is %q: use raw or form", c.basic)
	}
	clients := store.NewClientStore()
	if err := clients.Set(c.clientID, &models.Client{ID: c.clientID, Secret: c.clientSecret}); err != nil {
		return nil, fmt.Errorf("keep the client: %w", err)
	}
	manager := manage.NewDefaultManager()
	manager.MustTokenStorage(store.NewMemoryTokenStore())
	manager.MapClientStorage(clients)
	manager.SetClientTokenCfg(&manage.Config{AccessTokenExp: c.lifetime})
	manager.SetPasswordTokenCfg(&manage.Config{AccessTokenExp: c.lifetime, RefreshTokenExp: 24 * time.Hour, IsGenerateRefresh: true})

	authorizer := server.NewDefaultServer(manager)
	authorizer.Config.AllowedGrantTypes = []oauth2.GrantType{oauth2.ClientCredentials, oauth2.PasswordCredentials, oauth2.Refreshing}
	authorizer.ClientInfoHandler = c.client
	authorizer.PasswordAuthorizationHandler = c.user

	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth/token", func(w http.ResponseWriter, r *http.Request) {
		_ = authorizer.HandleTokenRequest(w, r) // an error means that the client left
	})
	mux.HandleFunc("GET /check", check(authorizer))
	return mux, nil
}

// client reads a client's id and secret from a Basic header or the form.
func (c config) client(r *http.Request) (id, secret string, err error) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		return server.ClientFormHandler(r)
	}
	if c.basic == "raw" {
		return id, secret, nil
	}
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	if errID != nil || errSecret != nil {
		return "", "", errors.ErrInvalidClient
	}
	return id, secret, nil
}

// user knows one user.
func (c config) user(_ context.Context, _, username, password string) (string, error) {
	if username != c.username || password != c.password {
		return "", errors.ErrInvalidGrant
	}
	return username, nil
}

// check answers what a token stands for.
func check(authorizer *server.Server) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, err := authorizer.ValidationBearerToken(r)
		if err != nil {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"client_id": token.GetClientID(), "user_id": token.GetUserID(), "scope": token.GetScope(),
		})
	}
}
