// Package trust says where a call may carry something sensitive: to origins
// that the author, and not an answer, has named.
package trust

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// A Trust is where one call may carry something sensitive. The zero Trust
// trusts nobody.
type Trust struct {
	origins []string // of URLs that are made from the file, inputs and secrets
	allowed []string // allow_secrets_to: these also over plain http
}

// A Refusal says why something sensitive may not go to an origin.
type Refusal struct {
	why     string
	Trusted string // whom it could go to, or ""
	Hint    string
}

// Error is the origin and what is wrong with it: words that follow "would go to".
func (r *Refusal) Error() string { return r.why }

// Trust trusts the origin of a URL.
func (t *Trust) Trust(rawURL string, m *Memo) error {
	origin, err := m.origin(rawURL)
	if err == nil {
		t.origins = append(t.origins, origin)
	}
	return err
}

// Allow trusts the origin of a URL also in the clear.
func (t *Trust) Allow(rawURL string) error {
	origin, err := Origin(rawURL)
	if err == nil {
		t.allowed = append(t.allowed, origin)
	}
	return err
}

// A Memo remembers the origin of the last URL it was asked for: the steps of a
// flow mostly go by one base_url. The zero Memo is ready; it may be used by
// several goroutines.
type Memo struct{ last atomic.Pointer[memo] }

type memo struct{ url, origin string }

func (m *Memo) origin(rawURL string) (string, error) {
	if last := m.last.Load(); last != nil && last.url == rawURL {
		return last.origin, nil
	}
	origin, err := Origin(rawURL)
	if err == nil {
		m.last.Store(&memo{rawURL, origin})
	}
	return origin, err
}

// Check says why something sensitive may not go to an origin; nil: it may.
func (t *Trust) Check(origin string) *Refusal {
	switch {
	case slices.Contains(t.allowed, origin):
		return nil
	case !slices.Contains(t.origins, origin):
		return &Refusal{why: origin + ", which is not trusted", Trusted: orNone(append(slices.Clone(t.origins), t.allowed...)),
			Hint: "the address came from an answer: if it is right, add its origin to `allow_secrets_to`"}
	case strings.HasPrefix(origin, "http:") && !isLoopback(origin):
		return &Refusal{why: origin + " in the clear", Hint: "use https, or list this origin in `allow_secrets_to`"}
	}
	return nil
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "nothing: no address of this step comes from the file, its inputs or secrets"
	}
	return strings.Join(slices.Compact(list), ", ")
}

// Origin is the origin of a URL (RFC 6454): scheme://host:port in lower case,
// without the scheme's default port, a final dot or user information.
func Origin(rawURL string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(rawURL))
	if err != nil {
		return "", errors.New("it cannot be read as a URL")
	}
	scheme := strings.ToLower(u.Scheme)
	if scheme != "http" && scheme != "https" {
		return "", errors.New("it must begin with https:// or http://")
	}
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if host == "" {
		return "", errors.New("it names no host")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if host = addr.String(); addr.Is6() {
			host = "[" + host + "]"
		}
	}
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return scheme + "://" + host, nil
	}
	return scheme + "://" + host + ":" + port, nil
}

func isLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
