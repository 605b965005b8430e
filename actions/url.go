package actions

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
)

// address makes the text of the request's URL of base_url, url and query.
// Expressions in both were escaped when they were rendered.
func (s *settings) address() (string, error) {
	text, err := join(s.base, s.place)
	if err != nil {
		return "", err
	}
	if s.query != "" {
		if text, err = addQuery(text, s.query); err != nil {
			return "", err
		}
	}
	if len(text) > maxURL {
		return "", tooLong(len(text))
	}
	return text, nil
}

// A target is a URL that was read. Nobody changes it: requests share it.
type target struct {
	from   string // what it was read from
	url    *url.URL
	text   string
	origin string
}

// targets remember URLs that were read lately: loops, polls and most steps of
// many runs go to the same ones again. The zero targets are ready.
type targets struct {
	last [64]atomic.Pointer[target] // by hash
}

// read reads a URL; one that holds something sensitive is not kept.
func (t *targets) read(text string, keep bool) (*target, error) {
	at := &t.last[maphash.String(targetSeed, text)%uint64(len(t.last))]
	if known := at.Load(); known != nil && known.from == text {
		return known, nil
	}
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	o, err := origin(u)
	if err != nil {
		return nil, err
	}
	read := &target{from: text, url: u, text: u.String(), origin: o}
	if len(read.text) > maxURL {
		return nil, tooLong(len(read.text))
	}
	if keep {
		at.Store(read)
	}
	return read, nil
}

var targetSeed = maphash.MakeSeed()

func tooLong(n int) *flow.Error {
	return &flow.Error{Kind: flow.KindLimit, Message: "the URL is longer than 8 KiB",
		Hints: []string{"send long values in the body of a POST"}}
}

// join puts url below base_url. A url that begins with "/" is appended to the
// base, which keeps its path; an absolute one stands for itself.
func join(base, u string) (string, error) {
	switch {
	case u == "":
		return "", dataError("`url` is empty")
	case u[0] != '/':
		return u, nil
	case base == "":
		err := dataError("`url` begins with \"/\" and there is no `base_url`")
		err.Hints = []string{"write the whole URL, or `defaults: {http: {base_url: …}}`"}
		return "", err
	case strings.ContainsAny(base, "?#"):
		return "", dataError("`base_url` must not have a query or a fragment: `query` adds to the URL's own")
	}
	return strings.TrimRight(base, "/") + u, nil
}

// addQuery appends the pairs of an object to the query of a URL.
func addQuery(text, object string) (string, error) {
	text, _, _ = strings.Cut(text, "#")
	b := make([]byte, 0, len(text)+len(object)+16)
	b = append(b, text...)
	sep := byte('?')
	if strings.IndexByte(text, '?') >= 0 {
		sep = '&'
		if strings.HasSuffix(text, "?") || strings.HasSuffix(text, "&") {
			sep = 0
		}
	}
	b, err := appendPairs(b, "query", object, sep, "%20")
	return string(b), err
}

// appendPairs writes an object of scalars and lists as key=value joined by
// "&"; a list repeats its key, null leaves it out. sep stands before the first pair.
func appendPairs(b []byte, field, object string, sep byte, blank string) ([]byte, error) {
	pair := func(key, value string) error {
		if value == "null" {
			return nil
		}
		text, ok := ordered.Scalar(value)
		if !ok {
			return notText("`"+field+"."+key+"`", value)
		}
		if sep != 0 {
			b = append(b, sep)
		}
		sep = '&'
		b = appendEscaped(b, key, blank)
		b = append(b, '=')
		b = appendEscaped(b, text, blank)
		return nil
	}
	err := pairs(field, object, pair)
	return b, err
}

// pairs calls f for each pair of an object, for each item where it is a list.
func pairs(field, object string, f func(key, value string) error) error {
	if object[0] != '{' {
		return dataError("`%s` must be a mapping", field)
	}
	r := ordered.Read(object)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if value[0] != '[' {
			if err := f(key, value); err != nil {
				return err
			}
			continue
		}
		items := ordered.Read(value)
		for _, item, ok := items.Next(); ok; _, item, ok = items.Next() {
			if err := f(key, item); err != nil {
				return err
			}
		}
	}
	return r.Err()
}

// appendEscaped writes everything but the unreserved characters of RFC 3986
// §2.3 as %XX, and a blank as it is told.
func appendEscaped(b []byte, s, blank string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case unreserved(c):
			b = append(b, c)
		case c == ' ':
			b = append(b, blank...)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

func unreserved(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// parseURL takes an absolute http or https URL, the fragment dropped and what
// may not stand in a query escaped. Its errors do not hold the URL.
func parseURL(text string) (*url.URL, error) {
	text, _, _ = strings.Cut(text, "#")
	u, err := url.Parse(text)
	if err != nil {
		cause := err
		if e := (*url.Error)(nil); errors.As(err, &e) {
			cause = e.Err
		}
		return nil, dataError("the URL cannot be read: %s", strings.TrimPrefix(cause.Error(), "net/url: "))
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		err := dataError("the URL must begin with http:// or https://")
		err.Hints = []string{"a `url` that begins with \"/\" is appended to `base_url`"}
		return nil, err
	case u.Host == "":
		return nil, dataError("the URL has no host")
	case u.User != nil:
		err := dataError("the URL holds a user name or password")
		err.Hints = []string{"give them in `basic: {username, password}`"}
		return nil, err
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, dataError("the URL's port is not a number from 1 to 65535")
		}
	}
	u.RawQuery = cleanQuery(u.RawQuery)
	return u, nil
}

// cleanQuery escapes what a query may not hold (RFC 3986 §3.4).
func cleanQuery(q string) string {
	bad := func(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 }
	for i := range len(q) {
		if !bad(q[i]) {
			continue
		}
		const hex = "0123456789ABCDEF"
		b := append(make([]byte, 0, len(q)+16), q[:i]...)
		for ; i < len(q); i++ {
			if c := q[i]; bad(c) {
				b = append(b, '%', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
		return string(b)
	}
	return q
}

// origin gives scheme://host:port in lower case, without a default port and
// without a dot at the host's end (RFC 6454 §6.1).
func origin(u *url.URL) (string, error) {
	host, err := normalHost(u.Hostname())
	if err != nil {
		return "", err
	}
	port := u.Port()
	if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
		port = ""
	}
	if port == "" {
		return u.Scheme + "://" + host, nil
	}
	return u.Scheme + "://" + host + ":" + port, nil
}

// originOf gives the origin of a URL's text.
func originOf(text string) (string, error) {
	u, err := parseURL(text)
	if err != nil {
		return "", err
	}
	return origin(u)
}

func normalHost(host string) (string, error) {
	if strings.IndexByte(host, ':') >= 0 {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return "", dataError("the URL's host is not an IPv6 address")
		}
		return "[" + a.String() + "]", nil
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" {
		return "", dataError("the URL has no host")
	}
	for i := range len(host) {
		c := host[i]
		if c >= 0x80 {
			err := dataError("the URL's host has characters that are not ASCII")
			err.Hints = []string{"write it in the form that begins with xn-- (IDNA)"}
			return "", err
		}
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", dataError("the URL's host has a character that no host has: %q", rune(c))
		}
	}
	return host, nil
}

// loopback says whether an origin is this machine itself.
func loopback(u *url.URL) bool {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// guard refuses to tell secrets to where they may not go: an origin that
// nobody trusts, and plain http to another machine.
func (r *request) guard(in flow.Input) (barred, err error) {
	if !r.sensitive {
		return nil, nil
	}
	listed, err := r.lists(r.origin)
	if err != nil || listed {
		return nil, err
	}
	hint := "if it may go there: `allow_secrets_to: [" + r.origin + "]`"
	if in.Trusted != nil && !in.Trusted(r.origin) {
		e := dataError("a secret would go to %s, which is not among the trusted origins of this step", r.origin)
		e.Hints = []string{hint}
		return e, nil
	}
	if r.url.Scheme == "http" && !loopback(r.url) {
		e := dataError("a secret would travel to %s in the clear", r.origin)
		e.Hints = []string{"use https", hint}
		return e, nil
	}
	return nil, nil
}

// lists says whether allow_secrets_to has an origin.
func (s *settings) lists(want string) (bool, error) {
	if s.allowed == "" {
		return false, nil
	}
	r := ordered.Read(s.allowed)
	for _, item, ok := r.Next(); ok; _, item, ok = r.Next() {
		o, err := originOf(ordered.Text(item))
		if err != nil {
			return false, dataError("`allow_secrets_to` holds something that is not a URL: %s", ordered.Text(item))
		}
		if o == want {
			return true, nil
		}
	}
	return false, nil
}
