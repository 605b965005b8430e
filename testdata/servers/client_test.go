package servers_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
)

// A spy carries requests as the product does, and keeps what went through it.
type spy struct {
	through  oauth2.Carrier
	answered func(call) // is told each call; set before the first

	mu    sync.Mutex
	calls []call
}

// A call is a request and its answer.
type call struct {
	path   string
	sent   url.Values
	header http.Header
	status int
	answer map[string]any
	headed http.Header
}

func newSpy(t *testing.T, s actions.Security) *spy {
	t.Helper()
	through, err := new(actions.Client).Carrier(s)
	if err != nil {
		t.Fatal(err)
	}
	return &spy{through: through}
}

func (s *spy) Carry(r *http.Request) (*http.Response, bool, error) {
	c := call{path: r.URL.Path, header: r.Header.Clone()}
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, false, err
		}
		c.sent, _ = url.ParseQuery(string(raw))
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	answer, sent, err := s.through.Carry(r)
	if err == nil {
		raw, failed := io.ReadAll(answer.Body)
		if failed != nil {
			return nil, true, failed
		}
		_ = answer.Body.Close()
		answer.Body = io.NopCloser(bytes.NewReader(raw))
		_ = json.Unmarshal(raw, &c.answer) // not every answer is an object
		c.status, c.headed = answer.StatusCode, answer.Header
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	if s.answered != nil {
		s.answered(c)
	}
	return answer, sent, err
}

// all gives the token requests of a grant type; "" gives all.
func (s *spy) all(grant string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []call
	for _, c := range s.calls {
		if grant == "" && c.sent.Has("grant_type") || grant != "" && c.sent.Get("grant_type") == grant {
			found = append(found, c)
		}
	}
	return found
}

// last gives the last token request.
func (s *spy) last(t *testing.T) call {
	t.Helper()
	all := s.all("")
	if len(all) == 0 {
		t.Fatal("no token was asked for")
	}
	return all[len(all)-1]
}

// source gives a new client's source over a spy.
func source(t *testing.T, s *spy, cred oauth2.Credential) *oauth2.Source {
	t.Helper()
	client := &oauth2.Client{Carrier: s}
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	cred.Name = "ehr"
	got, err := client.Source(t.Context(), cred)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// obtain gets a token in whatever way its grant wants, as the person where there must be one.
func obtain(t *testing.T, s *oauth2.Source, grant string) (oauth2.Token, error) {
	t.Helper()
	switch grant {
	case "authorization_code":
		return s.LoginHere(t.Context(), func(address string) error { return browse(address) })
	case "device_code":
		d, err := s.Device(t.Context())
		if err != nil {
			return oauth2.Token{}, err
		}
		if err := confirm(d, ""); err != nil {
			return oauth2.Token{}, err
		}
		return s.Await(t.Context(), d)
	}
	return s.Token(t.Context())
}

// browser is a browser with cookies.
func browser() *http.Client {
	jar, _ := cookiejar.New(nil) // fails never
	return &http.Client{Jar: jar}
}

// browse opens an address and goes where it leads.
func browse(address string) error {
	_, err := page(browser().Get(address))
	return err
}

// page reads a page that must be there.
func page(answer *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", answer.Request.URL, answer.Status, text)
	}
	return string(text), err
}

var (
	formAction = regexp.MustCompile(`action="([^"]+)"`)
	formHidden = regexp.MustCompile(`type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// confirm types in a device's code and answers the question that follows: yes, or "abort".
func confirm(d *oauth2.Device, choice string) error {
	b := browser()
	text, err := page(b.Get(d.URL))
	for n := 0; err == nil && n < 2; n++ { // the code's page, then the question
		action := formAction.FindStringSubmatch(text)
		if action == nil {
			return fmt.Errorf("there is no form: %s", text)
		}
		form := url.Values{"user_code": {d.UserCode}}
		for _, hidden := range formHidden.FindAllStringSubmatch(text, -1) {
			form.Set(hidden[1], hidden[2])
		}
		if n == 1 && choice != "" {
			form.Set(choice, "yes")
		}
		text, err = page(b.PostForm(action[1], form))
	}
	if end := map[string]string{"": "Success", "abort": "interrupted"}[choice]; err == nil && !strings.Contains(text, end) {
		return fmt.Errorf("the login did not end as it should: %s", text)
	}
	return err
}

// claimsOf reads a JWT without checking it.
func claimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatal("the token is not a JWT")
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// keys are a client's private keys, as PEM, by algorithm, and the public ones as a JWK set.
type keys struct {
	private map[string]string
	public  jose.JSONWebKeySet
}

func (k keys) set(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(k.public)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// newKeys makes a key for RS384 and one for ES384, each with its algorithm as kid.
func newKeys(t *testing.T) keys {
	t.Helper()
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	es, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := keys{private: map[string]string{}}
	for alg, key := range map[string]crypto.Signer{"RS384": rs, "ES384": es} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		k.private[alg] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		k.public.Keys = append(k.public.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: alg, Algorithm: alg, Use: "sig"})
	}
	return k
}
