package actions

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// failed says why no complete answer came. status is that of an answer that
// had begun, "" before. Such an answer's status is not the Error's: nobody
// knows what the rest would have been.
func (t *try) failed(err error, status string) *flow.Error {
	e := &flow.Error{Kind: flow.KindNetwork, Err: err}
	host := t.host
	began := ""
	if status != "" {
		began = " (" + status + ")"
	}
	switch {
	case errors.Is(t.parent.Err(), context.DeadlineExceeded), t.cutByStep && t.parent.Err() == nil && t.limited.Err() != nil:
		e.Kind, e.Err = flow.KindTimeout, context.DeadlineExceeded
		e.Message = "the step's time was over before the answer" + began + " was complete"
		return e
	case t.parent.Err() != nil:
		e.Kind, e.Err = flow.KindCancelled, t.parent.Err()
		e.Message = "the call was stopped before the answer" + began + " was complete"
		return e
	case t.limited.Err() != nil:
		e.Kind = flow.KindTimeout
		e.Message = "no answer from " + host + " within " + diag.Short(t.timeout)
		if status != "" {
			e.Message = "the answer" + began + " from " + host + " was not complete within " + diag.Short(t.timeout)
		}
		e.Hints = []string{"`timeout` in `with` gives one attempt more time"}
		return e
	case strings.Contains(err.Error(), "response headers exceeded") || strings.Contains(err.Error(), "header list larger than"):
		e.Kind, e.Message = flow.KindLimit, "the answer's headers are longer than 64 KiB"
		return e
	}
	if status != "" {
		e.Message = "the answer" + began + " broke off: " + broken(err)
		return e
	}
	t.unreached(e, err, host)
	return e
}

// broken says what happened to an answer under way.
func broken(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection before its end"
	case errors.Is(err, syscall.ECONNRESET):
		return "the server reset the connection"
	}
	return err.Error()
}

// unreached fills in why no answer began.
func (t *try) unreached(e *flow.Error, err error, host string) {
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &op) && op.Op == "proxyconnect":
		e.Message = "the proxy cannot be reached: " + cause(op.Err)
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Message = "there is no host called " + dns.Name
	case errors.As(err, &dns):
		e.Message = "the address of " + dns.Name + " cannot be found: " + dns.Err
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = flow.KindTimeout
		e.Message = host + " did not accept the connection within " + diag.Short(connectTimeout)
		if strings.Contains(err.Error(), "TLS handshake") {
			e.Message = host + " did not finish the TLS handshake within " + diag.Short(tlsTimeout)
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = "nothing listens at " + host + ": the connection was refused"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Message = host + " does not speak TLS"
		e.Hints = []string{"if that is right, write http:// instead of https://"}
	case t.untrusted(e, err, host):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		strings.Contains(err.Error(), "server closed idle connection"):
		e.Message = host + " closed the connection without an answer"
	case strings.Contains(err.Error(), "malformed"):
		e.Message = host + " answered with something that is not HTTP"
		if t.url.Scheme == "http" && strings.Contains(err.Error(), `\x15\x03`) {
			e.Hints = []string{"it seems to speak TLS: write https:// instead of http://"}
		}
	default:
		e.Message = "the call to " + host + " failed: " + cause(err)
	}
}

// cause is the innermost error's text, which names no address twice.
func cause(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return strings.TrimPrefix(err.Error(), "net/http: ")
		}
		err = inner
	}
}

// untrusted explains failures of TLS.
func (t *try) untrusted(e *flow.Error, err error, host string) bool {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var alert tls.AlertError
	switch {
	case errors.As(err, &authority):
		e.Message = "the certificate of " + host + " comes from an authority that is not known here"
		e.Hints = []string{"`tls: {ca: {file: ca.pem}}` trusts an authority of one's own"}
	case errors.As(err, &name):
		e.Message = "the certificate of " + host + " is for another name: " + strings.Join(name.Certificate.DNSNames, ", ")
		e.Hints = []string{"`tls: {server_name: NAME}` says which name to expect"}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		e.Message = "the certificate of " + host + " is expired or not yet valid (" + invalid.Cert.NotBefore.Format(time.DateOnly) + " to " + invalid.Cert.NotAfter.Format(time.DateOnly) + ")"
	case errors.As(err, &invalid):
		e.Message = "the certificate of " + host + " is not valid: " + invalid.Error()
	case errors.As(err, &alert):
		e.Message = host + " refused the TLS handshake: " + alert.Error()
		if strings.Contains(alert.Error(), "certificate") {
			e.Hints = []string{"the server may want a client certificate: `tls: {cert, key}`"}
		}
	default:
		return false
	}
	return true
}

// asked says whether the credential asks for the scopes already that the server
// wants (RFC 6750 §3.1).
func (n *refusal) asked(code, wanted string) {
	if code != "insufficient_scope" || n.scopes == nil {
		return
	}
	asked, ok := n.scopes()
	missing := slices.DeleteFunc(strings.Fields(wanted), func(s string) bool { return slices.Contains(asked, s) })
	switch {
	case !ok:
	case len(missing) == 0:
		n.hint("the credential's `scopes` asks for it already: the server did not grant it, or not to this client")
	default:
		n.hint("the credential's `scopes` does not ask for %s: add it", quoted(strings.Join(missing, " ")))
	}
}

// redirect says where an answer that was not followed leads.
func (n *refusal) redirect() {
	location := n.header.Get("Location")
	to, err := n.url.Parse(location)
	if location == "" || err != nil {
		n.hint("the server redirects and names no place to go to")
		return
	}
	to.User = nil
	shown := quoted(to.Redacted())
	if n.redirects.most > 0 {
		for _, note := range n.answer.Notes {
			n.hint("%s: %s", note, shown)
		}
		return
	}
	o, err := origin(to)
	switch {
	case err != nil:
		n.hint("the server redirects to %s", shown)
	case o == n.origin && len(n.header["Set-Cookie"]) > 0: // a login: what follows it no longer sets the cookie
		n.hint("the server redirects to %s and sets %s: list the status (`expect: { status: %d }`) and save it (`{ cookie: NAME }`)",
			shown, cookieNames(n.header), n.answer.Status)
	case o == n.origin:
		n.hint("the server redirects to %s: write that as `url`, or `follow_redirects: same_origin`", shown)
	case to.Scheme == "https" && n.url.Scheme == "http" && to.Hostname() == n.url.Hostname():
		n.hint("the server redirects to %s: write https in `url` or `base_url`", shown)
	default:
		n.hint("the server redirects to %s, on another origin: write that as `url`, or `follow_redirects: 1` (credentials do not go along)", shown)
	}
}

// cookieNames says which cookies an answer sets, without their values.
func cookieNames(h http.Header) string {
	var names []string
	for _, line := range h["Set-Cookie"] {
		name, _, found := strings.Cut(line, "=")
		if name = quoted(name); found && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return "the cookie " + names[0]
	}
	return "the cookies " + strings.Join(names, ", ")
}
