// Package sandbox is a server to try flows against: an OAuth 2.0 token endpoint, a small clinic with a REST and a
// GraphQL API that check the token and what they are sent, and answers that fail on request. It runs in the calling
// process on a loopback address and keeps everything in memory.
//
// # Tokens
//
//	POST /oauth/token         form body; client credentials, password, refresh token (RFC 6749)
//	POST /oauth/token-lower   the same, but token_type is "bearer", as some servers write it
//	POST /oauth/token-json    the same members as a JSON object
//	POST /graphql             mutation { login(clientId: …, clientSecret: …) { token tokenType expiresIn } }
//
//	GET  /fhir/.well-known/smart-configuration   where the token endpoint is, for SMART backend services
//
// A client names itself with Basic (its id and secret form-encoded first, RFC 6749 §2.3.1, or as they are), with
// client_id and client_secret in the body, or with a client_assertion that its private key has signed (RFC 7523, ES384),
// never with two of them. An access token is what base64 makes: it may hold "+", "/" and "=".
//
// # The clinic
//
//	GET  /patients            ?name= ?active= ?limit= ?cursor=
//	GET  /patients/{id}       has an ETag
//	GET  /orders              ?patient= ?urgent= ?limit= ?cursor=
//	POST /orders              {patient, code, urgent}, and notify: a URL for what becomes of it
//	GET  /orders/{id}
//	POST /notifications       {to, order, number, text}; wants an Idempotency-Key
//	POST /escalations         {orders, priority}
//	GET  /appointments        ?patient= ?limit= ?cursor=
//	POST /appointments        {patient, start, minutes, reason}
//	GET PUT DELETE /appointments/{id}   PUT wants If-Match
//	POST /graphql             query { patient(id: …) {…} orders(patient: …, urgent: …) {…} }
//	GET  /export              ?_type=Patient,Order ?seconds=1; wants Prefer: respond-async
//	GET DELETE /export/{id}   202 with Retry-After and X-Progress, then 200 with the files
//	GET  /export/{id}/{type}.ndjson
//
//	GET  /fhir/Patient/{id}   the same as /patients/{id}
//	POST /session             {username, password}: {session: {key}, expires_in}
//	GET  /rota                wants that key as X-Session
//	GET  /lab/results         ?patient= ; wants the lab's key as X-Api-Key
//
// Lists are answered in pages of limit items. Where the next one is stands in the body, as an address (next) and as a
// cursor, and in the header Link. An export is a bulk export of FHIR: it is answered with 202 and Content-Location, and
// takes as many seconds as it is asked to.
//
// All of it wants "Authorization: Bearer TOKEN", written exactly so. What is wrong with a request is said in an
// application/problem+json body (RFC 9457) whose errors name the fields. Every POST takes an Idempotency-Key: the same
// key with the same body gets the first answer again and does nothing, with another body it is refused with 422.
//
// Patient 9434765919 has three open orders, one of them urgent; 9434765870 has none and no active practice; 9000000009
// is not active, and the owner of the one order is withheld, which GraphQL answers with data and errors.
//
// # Answers that fail
//
//	ANY /fail/HOW             HOW is a status from 400 to 599, or one of the words below
//	ANY /slow?ms=500          answers 200 after that time, at most 60000
//
//	close      the connection is closed without an answer
//	lost       the request is carried out, then the connection is closed without an answer
//	truncate   200, and the body breaks off
//	html       200, and the body is a login page instead of JSON
//
// ?times=N ends it after N calls, ?key=TEXT counts apart from other keys, ?retry_after=N sets the header Retry-After.
// 429 and 503 have times=1 and retry_after=1 unless told otherwise: they succeed on the next call. times=0 is for ever.
//
// Any other path fails in the same way for a request with the header "Sandbox-Fail: HOW", or without a header by the
// query ?sandbox_fail=HOW; HOW may bring the settings, as in "503?times=2&retry_after=0". A program that holds the
// [Server] uses [Server.Fail], and the requests stay as they are.
package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// Options says how a sandbox is started. The zero value is a sandbox on a free port with random credentials.
type Options struct {
	// Addr is the address to listen on; empty is "127.0.0.1:0", a free port. Only loopback addresses are accepted.
	Addr string
	// ClientID and ClientSecret are what the token endpoint accepts; each is made at random if empty. A made secret
	// has the characters that break careless encoders. A ClientID with a colon cannot be sent by Basic as it is.
	ClientID, ClientSecret string
	// Username and Password are for the password grant; each is made at random if empty.
	Username, Password string
	// TokenLifetime is how long an access token is accepted; 0 is an hour.
	TokenLifetime time.Duration
}

// Server is a running sandbox. Its methods may be called from many goroutines at the same time.
type Server struct {
	options Options
	url     string
	http    *http.Server
	stop    context.CancelFunc
	served  chan struct{}

	mu      sync.Mutex
	closed  bool           // no handler may begin
	working sync.WaitGroup // begun under mu

	routes  *http.ServeMux
	issuer  *issuer
	clinic  *clinic
	faults  *faults
	journal *journal
}

// Start starts a sandbox and returns when it accepts connections. The error says what is wrong with the address.
func Start(o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	listener, err := listen(o.Addr)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{
		options: o,
		url:     "http://" + listener.Addr().String(),
		stop:    stop,
		served:  make(chan struct{}),
		issuer:  newIssuer(o.TokenLifetime),
		clinic:  newClinic(),
		faults:  newFaults(),
		journal: newJournal(),
	}
	s.routes = s.mux()
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // a broken connection is the client's to report
	}
	go func() {
		defer close(s.served)
		_ = s.http.Serve(listener) // ends with Close
	}()
	return s, nil
}

// URL is the server's base URL, without a slash at the end.
func (s *Server) URL() string { return s.url }

// Close stops the server: it breaks off answers in progress and returns when no handler runs any more. A second Close
// does nothing.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	<-s.served
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.working.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the sandbox: %w", err)
	}
	return nil
}

// complete fills in what was left out.
func (o Options) complete() (Options, error) {
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	for _, made := range []struct {
		value  *string
		prefix string
		suffix string
	}{
		{&o.ClientID, "clinic-", ""},
		{&o.ClientSecret, "", awkward},
		{&o.Username, "user-", "@clinic.example"},
		{&o.Password, "", awkward},
	} {
		if *made.value != "" {
			continue
		}
		var random [12]byte
		if _, err := rand.Read(random[:]); err != nil {
			return o, fmt.Errorf("make the sandbox's credentials: %w", err)
		}
		*made.value = made.prefix + hex.EncodeToString(random[:]) + made.suffix
	}
	return o, nil
}

// awkward ends each secret that is made here: what is right for these characters is right for a real secret.
const awkward = `+%2F &=:/?#"\~*'()$`

// listen accepts loopback addresses only: whoever reaches the sandbox may change what it holds.
func listen(addr string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("the sandbox cannot listen on %q: write HOST:PORT, such as 127.0.0.1:8080, or port 0 for a free one", addr)
	}
	ip := net.ParseIP(host)
	if host == "localhost" {
		ip, host = net.IPv4(127, 0, 0, 1), "127.0.0.1"
	}
	if ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("the sandbox cannot listen on %q: only loopback addresses are accepted, such as 127.0.0.1:8080", addr)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("the sandbox cannot listen on %q: %w", addr, err)
	}
	return listener, nil
}

// mux is the table of everything that the sandbox answers.
func (s *Server) mux() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("POST /oauth/token", s.tokenByForm("Bearer"))
	m.HandleFunc("POST /oauth/token-lower", s.tokenByForm("bearer"))
	m.HandleFunc("POST /oauth/token-json", s.tokenByJSON)
	m.HandleFunc("POST /graphql", s.graphql)
	m.HandleFunc("GET /fhir/.well-known/smart-configuration", s.smart)
	m.HandleFunc("POST /session", s.logIn)
	m.HandleFunc("GET /rota", s.withKey("X-Session", s.issuer.inSession, s.locked(s.showRota)))
	m.HandleFunc("GET /lab/results", s.withKey("X-Api-Key", s.isLab, s.locked(s.listResults)))

	m.HandleFunc("GET /fhir/Patient/{id}", s.withToken("patient.read", s.locked(s.showPatient)))
	m.HandleFunc("GET /patients", s.withToken("patient.read", s.locked(s.listPatients)))
	m.HandleFunc("GET /patients/{id}", s.withToken("patient.read", s.locked(s.showPatient)))
	m.HandleFunc("GET /orders", s.withToken("orders.read", s.locked(s.listOrders)))
	m.HandleFunc("POST /orders", s.withToken("orders.read", s.once(s.createOrder)))
	m.HandleFunc("GET /orders/{id}", s.withToken("orders.read", s.locked(s.showOrder)))
	m.HandleFunc("POST /notifications", s.withToken("orders.read", s.onceByKey(s.createNotification)))
	m.HandleFunc("POST /escalations", s.withToken("orders.read", s.once(s.createEscalation)))
	m.HandleFunc("GET /appointments", s.withToken("appointments.read", s.locked(s.listAppointments)))
	m.HandleFunc("POST /appointments", s.withToken("appointments.write", s.once(s.createAppointment)))
	m.HandleFunc("GET /appointments/{id}", s.withToken("appointments.read", s.locked(s.showAppointment)))
	m.HandleFunc("PUT /appointments/{id}", s.withToken("appointments.write", s.locked(s.replaceAppointment)))
	m.HandleFunc("DELETE /appointments/{id}", s.withToken("appointments.write", s.locked(s.deleteAppointment)))

	m.HandleFunc("GET /export", s.withToken("patient.read", s.locked(s.startExport)))
	m.HandleFunc("GET /export/{id}", s.withToken("patient.read", s.locked(s.showExport)))
	m.HandleFunc("DELETE /export/{id}", s.withToken("patient.read", s.locked(s.deleteExport)))
	m.HandleFunc("GET /export/{id}/{file}", s.withToken("patient.read", s.downloadExport))

	m.HandleFunc("/fail/{how}", s.fail)
	m.HandleFunc("/slow", s.slow)
	m.HandleFunc("/", s.notHere)
	return m
}

// Setting is one value that a flow needs to talk to the sandbox.
type Setting struct {
	Name        string // of a flow's input or secret, such as "client_id"
	Env         string // the environment variable from which the examples take it; empty if none does
	Value       string
	Secret      bool
	Description string
}

// Settings lists what a flow may need, in the order in which a person wants to read it.
func (s *Server) Settings() []Setting {
	o := s.options
	return []Setting{
		{"base_url", "EHR_BASE_URL", s.url, false, "where the clinic's API is"},
		{"api_url", "", s.url, false, "another name for base_url"},
		{"token_url", "EHR_TOKEN_URL", s.url + "/oauth/token", false, "the token endpoint"},
		{"graphql_url", "EHR_GRAPHQL_URL", s.url + "/graphql", false, "the GraphQL endpoint"},
		{"client_id", "EHR_CLIENT_ID", o.ClientID, false, "the client that may ask for tokens"},
		{"client_secret", "EHR_CLIENT_SECRET", o.ClientSecret, true, "the client's secret"},
		{"private_key", "EHR_PRIVATE_KEY", s.issuer.signingKey, true, "the client's key, for client assertions"},
		{"fhir_url", "EHR_FHIR_URL", s.url + "/fhir", false, "the base of the FHIR API"},
		{"lab_key", "EHR_LAB_KEY", s.issuer.labKey, true, "the lab's API key"},
		{"username", "EHR_USERNAME", o.Username, false, "for the password grant and for /session"},
		{"password", "EHR_PASSWORD", o.Password, true, "for the password grant and for /session"},
		{"scope", "", knownScopes, false, "everything that a token may be asked for"},
		{"patient_id", "", "9434765919", false, "a patient with three open orders, one of them urgent"},
		{"practice_id", "", "gp-417", false, "that patient's practice"},
		{"order_id", "", "ord-1002", false, "that patient's urgent order"},
	}
}

// Inputs returns each setting's value by its name, for the inputs of a flow that nobody has given. It holds the secret
// ones too, for an input that is declared sensitive. The map is the caller's.
func (s *Server) Inputs() map[string]string { return s.byName() }

// Secrets returns each setting's value by its name, for the secrets of a flow. It holds those that are no secret here
// too: an author may keep a client id secret. The map is the caller's.
func (s *Server) Secrets() map[string]string { return s.byName() }

func (s *Server) byName() map[string]string {
	values := make(map[string]string)
	for _, setting := range s.Settings() {
		values[setting.Name] = setting.Value
	}
	return values
}
