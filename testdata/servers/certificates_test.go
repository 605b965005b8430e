package servers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// certificates are an authority's, a server's and a client's, as PEM.
type certificates struct{ authority, server, serverKey, client, clientKey string }

func newCertificates(t *testing.T) certificates {
	t.Helper()
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	make := func(template *x509.Certificate) (certificate, key string) {
		own := signer
		if template != authority {
			if own, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				t.Fatal(err)
			}
		}
		der, err := x509.CreateCertificate(rand.Reader, template, authority, own.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(own)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	}
	var c certificates
	c.authority, _ = make(authority)
	c.server, c.serverKey = make(&x509.Certificate{SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: authority.NotBefore,
		NotAfter: authority.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	c.client, c.clientKey = make(&x509.Certificate{SerialNumber: big.NewInt(3), DNSNames: []string{"clinic.example.test"}, NotBefore: authority.NotBefore,
		NotAfter: authority.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return c
}

// registered is the client's certificate as a server keeps it: a JWK set.
func (c certificates) registered(t *testing.T) jose.JSONWebKeySet {
	t.Helper()
	block, _ := pem.Decode([]byte(c.client))
	own, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: own.PublicKey, Certificates: []*x509.Certificate{own}, Use: "sig"}}}
}
