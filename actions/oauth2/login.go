package oauth2

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Device is a login that a person confirms on another device (RFC 8628).
type Device struct {
	UserCode string    // what the person types in
	URL      string    // where
	Complete string    // the same with the code in it, or ""
	Expires  time.Time // the code's end

	code     string
	interval time.Duration
}

// Device begins a login: the person is shown what it gives, and Await waits.
func (s *Source) Device(ctx context.Context) (*Device, error) {
	if s.cred.Grant != "device_code" {
		return nil, s.cred.invalid("its grant is %s, not device_code", s.cred.Grant)
	}
	m, bad := s.endpoints(ctx)
	if bad != nil {
		return nil, bad
	}
	if m.DeviceEndpoint == "" {
		return nil, s.cred.invalid("nobody says where a device login begins: write `device_url`")
	}
	var d *Device
	f := s.again(ctx, false, func() *failure {
		params := s.wanted()
		for _, name := range slices.Sorted(maps.Keys(s.cred.Params)) {
			params.set(name, s.cred.Params[name])
		}
		r, bad := s.post(ctx, m.DeviceEndpoint, m, params)
		if bad != nil {
			return &failure{Error: bad, final: true}
		}
		reply, f := s.carry(r)
		if f != nil {
			return f
		}
		if reply.status/100 != 2 {
			f := s.refusal(reply, nil)
			s.advise(f, reply, m)
			return f
		}
		var flawed *flaw
		if d, flawed = readDevice(reply); flawed != nil {
			return s.refusal(reply, flawed)
		}
		return nil
	})
	if f != nil {
		return nil, f.Error
	}
	s.tell("device_code", d.code)
	return d, nil
}

func readDevice(r reply) (*Device, *flaw) {
	text, bad := normal(r.body)
	if bad != nil {
		return nil, bad
	}
	if no := saysNo(text); no != nil {
		return nil, &flaw{message: "the answer is an error in spite of its status", said: *no}
	}
	var a struct {
		Code     string          `json:"device_code"`
		User     string          `json:"user_code"`
		URI      string          `json:"verification_uri"`
		URL      string          `json:"verification_url"` // before the RFC
		Complete string          `json:"verification_uri_complete"`
		Expires  json.RawMessage `json:"expires_in"`
		Interval json.RawMessage `json:"interval"`
	}
	if json.Unmarshal([]byte(text), &a) != nil || a.Code == "" || a.User == "" || a.URI+a.URL == "" {
		return nil, &flaw{message: "the answer lacks device_code, user_code or verification_uri"}
	}
	d := &Device{UserCode: printable(a.User, 100), URL: printable(a.URI, 500), Complete: printable(a.Complete, 500), code: a.Code, interval: 5 * time.Second}
	preset(&d.URL, printable(a.URL, 500))
	life := 15 * time.Minute
	if told, ok := lifetime(string(a.Expires), r.begun); ok {
		life = told
	}
	if told, ok := lifetime(string(a.Interval), r.begun); ok {
		d.interval = max(told, time.Second)
	}
	d.Expires = r.begun.Add(life)
	return d, nil
}

// Await waits until the person has confirmed, keeps the token and gives it. It
// ends with the code or with ctx.
func (s *Source) Await(ctx context.Context, d *Device) (Token, error) {
	interval := d.interval
	for {
		if !time.Now().Add(interval).Before(d.Expires) {
			return Token{}, s.cred.invalid("nobody confirmed the login in time: begin anew")
		}
		select {
		case <-ctx.Done():
			return Token{}, s.left(ctx.Err())
		case <-time.After(interval):
		}
		t, f := s.redeem(ctx, grant{kind: deviceCode, fields: fields{{"device_code", d.code}}, single: true})
		switch {
		case f == nil:
			return t, nil
		case f.code == "slow_down": // RFC 8628 §3.5
			interval += 5 * time.Second
		case f.code != "authorization_pending":
			return Token{}, f.Error
		}
	}
}

// redeem exchanges what a login gave, and keeps the token.
func (s *Source) redeem(ctx context.Context, g grant) (Token, *failure) {
	if !s.client.begin() {
		return Token{}, &failure{Error: ended()}
	}
	defer s.client.running.Done()
	var base kept
	if s.cached() {
		base.generation = s.load(ctx).generation
	}
	if s.cred.DPoP != "" {
		key, err := s.newProofKey()
		if err != nil {
			return Token{}, &failure{Error: s.cred.invalid("%s", err)}
		}
		base.key = key
	}
	a, begun, f := s.exchange(ctx, g, base.key)
	if f != nil {
		return Token{}, f
	}
	return s.token(s.keep(ctx, base, a, begun)), nil
}

// A Login is a login in a browser (authorization code with PKCE, RFC 7636).
type Login struct {
	URL string // what the person opens

	source                    *Source
	redirect, state, verifier string
	issuer                    string // whom the answer may name (RFC 9207); "": it is not known
	named                     bool   // it must
}

// Login begins a login that comes back to redirect.
func (s *Source) Login(ctx context.Context, redirect string) (*Login, error) {
	c := &s.cred
	if c.Grant != "authorization_code" {
		return nil, c.invalid("its grant is %s, not authorization_code", c.Grant)
	}
	m, bad := s.endpoints(ctx)
	if bad != nil {
		return nil, bad
	}
	u, err := url.Parse(m.AuthorizationEndpoint)
	if err != nil || u.Host == "" {
		return nil, c.invalid("nobody says where a person logs in: write `authorization_url`")
	}
	l := &Login{source: s, redirect: redirect, state: randomText(24), verifier: s.tell("code_verifier", randomText(48))}
	l.issuer, l.named = m.Issuer, m.ISS
	challenge := sha256.Sum256([]byte(l.verifier))
	q := u.Query()
	for _, p := range s.wanted() {
		q.Add(p[0], p[1])
	}
	for name, value := range c.AuthorizationParams {
		q.Set(name, value)
	}
	if c.Smart != "" && q.Get("aud") == "" {
		q.Set("aud", c.Smart)
	}
	for name, value := range map[string]string{"response_type": "code", "client_id": c.ClientID, "redirect_uri": redirect, "state": l.state,
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256"} {
		q.Set(name, value)
	}
	u.RawQuery = q.Encode()
	l.URL = u.String()
	return l, nil
}

// Finish takes the query that the browser came back with, exchanges the code,
// keeps the token and gives it.
func (l *Login) Finish(ctx context.Context, query url.Values) (Token, error) {
	s := l.source
	for _, name := range []string{"code", "access_token", "id_token", "refresh_token"} { // an error may quote them, too
		s.tell(name, query.Get(name))
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(l.state)) != 1:
		return Token{}, s.cred.invalid("the browser came back with another login's state")
	case l.issuer != "" && (l.named || query.Has("iss")) && query.Get("iss") != l.issuer:
		return Token{}, s.cred.invalid("the browser came back from another issuer than %s (RFC 9207)", l.issuer)
	case query.Get("error") != "":
		e := s.cred.invalid("the login was refused: %s", s.clean(strings.TrimSuffix(query.Get("error")+": "+query.Get("error_description"), ": ")))
		return Token{}, e
	case query.Get("code") == "":
		return Token{}, s.cred.invalid("the browser came back without a code")
	}
	t, f := s.redeem(ctx, grant{kind: "authorization_code", single: true,
		fields: fields{{"code", query.Get("code")}, {"redirect_uri", l.redirect}, {"code_verifier", l.verifier}}})
	if f != nil {
		return Token{}, f.Error
	}
	return t, nil
}

// LoginHere does a whole login on this machine: it listens on a loopback
// address (RFC 8252 §7.3), as `redirect_uri` says or on any free port, gives open
// the address for the browser, and waits until the browser comes back.
func (s *Source) LoginHere(ctx context.Context, open func(address string) error) (Token, error) {
	listener, redirect, err := s.listen()
	if err != nil {
		return Token{}, err
	}
	defer listener.Close()
	l, err := s.Login(ctx, redirect.String())
	if err != nil {
		return Token{}, err
	}
	back := make(chan url.Values, 1)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: l.comingBack(redirect.Path, back)}
	defer server.Close()
	go func() { _ = server.Serve(listener) }()
	if err := open(l.URL); err != nil {
		return Token{}, err
	}
	select {
	case q := <-back:
		t, err := l.Finish(ctx, q)
		ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ended) // the page may still be on its way
		return t, err
	case <-ctx.Done():
		return Token{}, s.left(ctx.Err())
	}
}

// listen waits for the browser's way back.
func (s *Source) listen() (net.Listener, *url.URL, error) {
	redirect := &url.URL{Scheme: "http", Host: "127.0.0.1:0", Path: "/callback"}
	if s.cred.RedirectURI != "" {
		u, err := url.Parse(s.cred.RedirectURI)
		if err != nil || u.Scheme != "http" || !loopback(u.Hostname()) {
			return nil, nil, s.cred.invalid("`redirect_uri` is not on this machine: it must begin with http://127.0.0.1 or http://localhost")
		}
		if redirect = u; u.Port() == "" {
			redirect.Host = net.JoinHostPort(u.Hostname(), "0")
		}
	}
	listener, err := net.Listen("tcp", redirect.Host)
	if err != nil {
		return nil, nil, s.cred.invalid("the browser's way back, %s, cannot be listened at: %s", redirect.Host, innermost(err))
	}
	if redirect.Port() == "0" {
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		redirect.Host = net.JoinHostPort(redirect.Hostname(), port)
	}
	return listener, redirect, nil
}

// comingBack answers the browser, and nobody who does not know the state.
func (l *Login) comingBack(path string, back chan<- url.Values) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if strings.Trim(r.URL.Path, "/") != strings.Trim(path, "/") || q.Get("state") != l.state {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		text := "Done. You can close this page and go back to the terminal.\n"
		if q.Get("code") == "" {
			text = "The login was refused. You can close this page: the terminal says why.\n"
		}
		_, _ = io.WriteString(w, text)
		select {
		case back <- q:
		default: // the browser came twice
		}
	}
}
