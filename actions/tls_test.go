package actions_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
)

// certificate makes one that signs itself, as PEM.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

func TestTLSIsSetUpAsAsked(t *testing.T) {
	t.Parallel()
	serverCert, serverKey := certificate(t, "inside.example.test")
	clientCert, clientKey := certificate(t, "client")
	pair, err := tls.X509KeyPair([]byte(serverCert), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(clientCert))
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, " "+r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	s.Config.ErrorLog = quiet()
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	c := client(t, nil)
	file := func(name string) ([]byte, error) { return []byte(map[string]string{"ca.pem": serverCert}[name]), nil }
	do := func(tls string) flow.Call {
		return planned(t, c, "http", flow.Input{Args: fields("url", text(s.URL), "tls", tls), File: file})
	}
	if r := done(t, do(`{"ca":{"file":"ca.pem"},"server_name":"inside.example.test"}`)); string(r.Body) != "HTTP/2.0" {
		t.Errorf("got %s", r.Body)
	}
	if r := done(t, do(`{"ca":`+text(serverCert)+`,"cert":`+text(clientCert)+`,"key":`+text(clientKey)+`,"server_name":"inside.example.test"}`)); string(r.Body) != "HTTP/2.0 client" {
		t.Errorf("got %s", r.Body)
	}
	if e := failure(t, t.Context(), do(`{"ca":{"file":"ca.pem"},"server_name":"outside.example.test"}`)); e.Sent || !strings.Contains(e.Message, "for another name: inside.example.test") {
		t.Errorf("sent %v: %s", e.Sent, e.Message)
	}
	if e := failure(t, t.Context(), do(`{"server_name":"inside.example.test"}`)); e.Sent || !strings.Contains(e.Message, "not known here") {
		t.Errorf("sent %v: %s", e.Sent, e.Message)
	}
}

func TestTheProxyIsAsked(t *testing.T) {
	t.Parallel()
	var asked string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String() + " " + r.Header.Get("Proxy-Authorization")
		_, _ = io.WriteString(w, "proxied")
	}))
	defer proxy.Close()
	address := strings.Replace(proxy.URL, "http://", "http://u:p@", 1)
	r := done(t, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", `"http://far.example.test/a"`, "proxy", text(address))}))
	if string(r.Body) != "proxied" || asked != "http://far.example.test/a Basic dTpw" {
		t.Errorf("got %q, asked %q", r.Body, asked)
	}
	u, _ := url.Parse(proxy.URL)
	own := client(t, &actions.Client{Proxy: http.ProxyURL(u)})
	if r := done(t, planned(t, own, "http", flow.Input{Args: fields("url", `"http://far.example.test/b"`)})); string(r.Body) != "proxied" || asked != "http://far.example.test/b " {
		t.Errorf("got %q, asked %q", r.Body, asked)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	e := failure(t, t.Context(), planned(t, client(t, nil), "http", flow.Input{Args: fields("url", `"http://far.example.test/a"`, "proxy", text("http://u:canary@"+l.Addr().String()))}))
	if e.Sent || e.Kind != flow.KindNetwork || !strings.Contains(e.Message, "the proxy cannot be reached") || strings.Contains(e.Message, "canary") {
		t.Errorf("sent %v: %s", e.Sent, e.Message)
	}
}
