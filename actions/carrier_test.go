package actions_test

import (
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

func carrier(t *testing.T, s actions.Security) *actions.Carrier {
	t.Helper()
	c, err := client(t, nil).Carrier(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestATokenRequestGoesOverTheClientsConnections, and what is known of a lost
// one decides about its refresh token: one that certainly did not leave is sent
// again, one that may have left is not.
func TestATokenRequestGoesOverTheClientsConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers []string
		sent    string
	}{
		{"answered", []string{tokenAnswer("second")}, "r1"},
		{"the connection closes without an answer", []string{hangUp}, "r1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, c.answers...)
			tokens := &oauth2.Client{Carrier: carrier(t, actions.Security{})}
			src, err := tokens.Source(t.Context(), oauth2.Credential{TokenURL: w.URL + "/token", Grant: "refresh_token", RefreshToken: "r1", ClientID: "c", ClientSecret: "canary"})
			if err != nil {
				t.Fatal(err)
			}
			token, err := src.Token(t.Context())
			var e *flow.Error
			if c.answers[0] == hangUp && (!errors.As(err, &e) || e.Kind != flow.KindNetwork || !e.Sent) || c.answers[0] != hangUp && (err != nil || token.Access.RevealText() != "second") {
				t.Errorf("got %v", err)
			}
			if n := len(w.seen()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func tokenAnswer(token string) string {
	body := `{"access_token":"` + token + `","token_type":"Bearer","expires_in":3600}`
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

func TestACarrierRepeatsAndFollowsNothing(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/cut" {
			panic(http.ErrAbortHandler)
		}
		http.Redirect(w, r, "/cut", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	c := carrier(t, actions.Security{})
	for path, status := range map[string]int{"/cut": 0, "/": http.StatusTemporaryRedirect} {
		requests.Store(0)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader("x=1"))
		if err != nil {
			t.Fatal(err)
		}
		answer, sent, err := c.Carry(r)
		if !sent || (err == nil) != (status != 0) || err == nil && answer.StatusCode != status || requests.Load() != 1 {
			t.Errorf("%s: sent %v, %v, %d requests", path, sent, err, requests.Load())
		}
		if err == nil {
			answer.Body.Close()
		}
	}
}

func TestATokenIsFetchedWithAClientCertificate(t *testing.T) {
	t.Parallel()
	serverCert, serverKey := certificate(t, "id.example.test")
	clientCert, clientKey := certificate(t, "client")
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(clientCert))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		w.Header().Set("Content-Type", "application/json")
		if r.PostForm.Get("client_id") != "c" || r.TLS.PeerCertificates[0].Subject.CommonName != "client" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, `{"access_token":"bound","token_type":"Bearer"}`)
	}))
	s.Config.ErrorLog = quiet()
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	cred := oauth2.Credential{Name: "ehr", TokenURL: s.URL, ClientAuth: "tls", ClientID: "c", Certificate: clientCert, Timeout: 10 * time.Second,
		Carrier: carrier(t, actions.Security{CA: serverCert, ServerName: "id.example.test", Cert: clientCert, Key: clientKey})}
	src, err := new(oauth2.Client).Source(t.Context(), cred)
	if err != nil {
		t.Fatal(err)
	}
	token, err := src.Token(t.Context())
	if err != nil || token.Access.RevealText() != "bound" {
		t.Errorf("got %v", err)
	}
	if _, err := new(actions.Client).Carrier(actions.Security{Cert: "canary", Key: "canary"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a broken certificate: %v", err)
	}
}

// TestGzipIsAskedForAndUndone also where nothing came, and not where net/http
// would not ask either.
func TestGzipIsAskedForAndUndone(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Accepted", r.Header.Get("Accept-Encoding"))
		if r.Header.Get("Accept-Encoding") != "gzip" {
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.(http.Flusher).Flush() // the length is not told
		if r.URL.Path == "/empty" {
			return
		}
		z := gzip.NewWriter(w)
		defer z.Close()
		_, _ = io.WriteString(z, `{"access_token":"t-1","token_type":"Bearer"}`)
	}))
	t.Cleanup(s.Close)
	for _, c := range []struct{ path, method, headers, accepted, body string }{
		{"/", "GET", "{}", "gzip", `{"access_token":"t-1","token_type":"Bearer"}`},
		{"/empty", "GET", "{}", "gzip", ""},
		{"/", "HEAD", "{}", "", ""},
		{"/", "GET", `{"Range":"bytes=0-1"}`, "", ""},
		{"/", "GET", `{"Accept-Encoding":"br"}`, "br", ""},
	} {
		call := planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL+c.path), "method", text(c.method), "headers", c.headers)})
		r, err := call.Do(t.Context())
		if err != nil || string(r.Body) != c.body || http.Header(r.Headers).Get("Accepted") != c.accepted || c.body != "" && r.Headers["Content-Encoding"] != nil {
			t.Errorf("%s %s with %s: %v, %q, %v", c.method, c.path, c.headers, err, r.Body, r.Headers)
		}
	}
	tokens := &oauth2.Client{Carrier: carrier(t, actions.Security{})}
	src, err := tokens.Source(t.Context(), oauth2.Credential{TokenURL: s.URL + "/token", Grant: "client_credentials", ClientID: "c", ClientSecret: "canary"})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := src.Token(t.Context()); err != nil || token.Access.RevealText() != "t-1" {
		t.Errorf("a token: %v, %v", token.Access.RevealText(), err)
	}
}

// TestAnAnswerWithoutABodyKeepsWhatItSaysOfOne over HTTP/2, where net/http tells
// otherwise that there is none.
func TestAnAnswerWithoutABodyKeepsWhatItSaysOfOne(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "api.example.test")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Proto", r.Proto)
		w.Header().Set("Content-Encoding", "gzip")
		switch r.URL.Path {
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/empty":
			w.Header().Set("Content-Length", "0")
		default:
			w.Header().Set("Content-Length", "1234")
		}
	}))
	s.Config.ErrorLog = quiet()
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	c := client(t, nil)
	security := `{"ca":` + text(cert) + `,"server_name":"api.example.test"}`
	for _, path := range []string{"/head", "/304", "/204", "/empty"} {
		method := "GET"
		if path == "/head" {
			method = "HEAD"
		}
		call := planned(t, c, "http", flow.Input{Args: fields("url", text(s.URL+path), "method", text(method), "tls", security), Status: []flow.StatusRange{{From: 200, To: 399}}})
		r, err := call.Do(t.Context())
		h := http.Header(r.Headers)
		if err != nil || len(r.Body) != 0 || h.Get("Proto") != "HTTP/2.0" || h.Get("Content-Encoding") != "gzip" || path == "/head" && h.Get("Content-Length") != "1234" {
			t.Errorf("%s %s: %v, %q, %v", method, path, err, r.Body, r.Headers)
		}
	}
}
