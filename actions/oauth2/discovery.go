package oauth2

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// metadata is what a server says of itself (RFC 8414 §2, RFC 8628 §4, RFC 8705
// §3.3 and §5), or a credential of it.
type metadata struct {
	Issuer                string   `json:"issuer"`
	TokenEndpoint         string   `json:"token_endpoint"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`
	Methods               []string `json:"token_endpoint_auth_methods_supported"`
	Aliases               struct {
		TokenEndpoint  string `json:"token_endpoint"`
		DeviceEndpoint string `json:"device_authorization_endpoint"`
	} `json:"mtls_endpoint_aliases"`
	Bound any  `json:"tls_client_certificate_bound_access_tokens"`     // true, or of no use
	ISS   bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207

	read time.Time
}

// maxKnown is how long what was discovered counts.
const maxKnown = time.Hour

// endpoints gives the server's endpoints, discovered if need be.
func (s *Source) endpoints(ctx context.Context) (metadata, *flow.Error) {
	c := &s.cred
	base := c.Issuer + c.Smart
	if base == "" {
		return metadata{TokenEndpoint: c.TokenURL, AuthorizationEndpoint: c.AuthorizationURL, DeviceEndpoint: c.DeviceURL}, nil
	}
	m, ok := recall(s.client, &s.client.known, s.place())
	if !ok || time.Since(m.read) > maxKnown {
		var err *flow.Error
		if m, err = s.discoverOnce(ctx); err != nil {
			return m, err
		}
	}
	// Who presents a certificate to get a token that is bound to it goes there, too.
	if c.ClientAuth == "tls" || c.Certificate != "" && m.Bound == true {
		preferred(&m.TokenEndpoint, m.Aliases.TokenEndpoint)
		preferred(&m.DeviceEndpoint, m.Aliases.DeviceEndpoint)
	}
	for _, e := range []struct {
		name, text string
		used       bool
	}{
		{"token_endpoint", m.TokenEndpoint, true},
		{"authorization_endpoint", m.AuthorizationEndpoint, c.Grant == "authorization_code" && c.AuthorizationURL == ""},
		{"device_authorization_endpoint", m.DeviceEndpoint, c.Grant == "device_code" && c.DeviceURL == ""},
	} {
		if !e.used || e.text == "" {
			continue
		}
		if err := c.checkURL(e.name, e.text); err != nil {
			return m, err
		}
		if at := origin(e.text); at != origin(base) && !c.lists(e.text) {
			return m, &flow.Error{Kind: flow.KindData,
				Message: c.called() + ": the " + e.name + " that was discovered is on another origin, " + at + ", than " + origin(base),
				Hints:   []string{"if that is right, write `endpoint_origins: [" + at + "]`"}}
		}
	}
	preferred(&m.AuthorizationEndpoint, c.AuthorizationURL)
	preferred(&m.DeviceEndpoint, c.DeviceURL)
	return m, nil
}

func preferred(field *string, value string) {
	if value != "" {
		*field = value
	}
}

// place names what is discovered.
func (s *Source) place() string { return s.cred.Issuer + "\x00" + s.cred.Smart }

// wellKnown lists where the server may speak of itself: RFC 8414 §3, OpenID
// Connect Discovery §4, SMART App Launch.
func (c *Credential) wellKnown() ([]string, error) {
	if c.Smart != "" {
		u, err := url.Parse(c.Smart)
		if err != nil {
			return nil, err
		}
		return []string{u.JoinPath(".well-known", "smart-configuration").String()}, nil
	}
	u, err := url.Parse(c.Issuer)
	if err != nil {
		return nil, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	root := u.Scheme + "://" + u.Host
	list := []string{root + path + "/.well-known/openid-configuration", root + "/.well-known/oauth-authorization-server" + path}
	if path != "" {
		list = append(list, root+"/.well-known/openid-configuration"+path)
	}
	return list, nil
}

// discoverOnce asks for the server's metadata and remembers them, or for a while that
// what is there is of no use. A server that did not answer is asked again.
func (s *Source) discoverOnce(ctx context.Context) (metadata, *flow.Error) {
	who := "discovery " + s.cred.called() + "\x00" + s.place()
	if r, _ := recall(s.client, &s.client.refusals, who); r.counts() != nil {
		return metadata{}, copied(r.error)
	}
	m, err := s.discover(ctx)
	switch {
	case err == nil:
		m.read = time.Now()
		remember(s.client, &s.client.known, s.place(), m)
	case err.Kind == flow.KindAuth:
		remember(s.client, &s.client.refusals, who, refusalOf(copied(err)))
	}
	return m, err
}

// discover asks for the server's metadata.
func (s *Source) discover(ctx context.Context) (metadata, *flow.Error) {
	places, bad := s.cred.wellKnown()
	if bad != nil {
		return metadata{}, s.cred.invalid("the issuer is not a URL")
	}
	var first *flow.Error
	for _, place := range places {
		m, err := s.discoverAt(ctx, place)
		if err == nil {
			return m, nil
		}
		if first == nil {
			first = err
		}
		if err.Status == 0 || err.Status/100 == 5 || err.Status/100 == 2 {
			return metadata{}, err // the server is not there, or what it says is wrong
		}
	}
	return metadata{}, first
}

// discoverAt asks at one place, again if the server cannot answer.
func (s *Source) discoverAt(ctx context.Context, place string) (metadata, *flow.Error) {
	var m metadata
	err := s.again(ctx, false, func() *failure {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
		if err != nil {
			return &failure{Error: s.cred.invalid("%s is not a URL", place), final: true}
		}
		reply, f := s.carry(r)
		if f != nil {
			return f
		}
		if reply.status != http.StatusOK {
			f := s.refusal(reply, &flaw{})
			f.final = f.Error.Kind == flow.KindAuth
			if reply.status/100 == 3 {
				s.adviseBody(f, reply)
			}
			f.Error.Message = "the server does not say where its endpoints are: " + f.Error.Message
			return f
		}
		m = metadata{}
		text, bad := normal(reply.body)
		if bad == nil && json.Unmarshal([]byte(text), &m) != nil {
			bad = &flaw{message: "the answer is not a server's metadata"}
		}
		if bad == nil && m.TokenEndpoint == "" {
			bad = &flaw{message: "the metadata name no token_endpoint"}
		}
		if bad == nil && s.cred.Issuer != "" && m.Issuer != s.cred.Issuer {
			bad = &flaw{message: "the metadata are those of another issuer, " + printable(m.Issuer, 200),
				hints: []string{"`issuer` must be written exactly as the server does, with or without a slash at its end (RFC 8414 §3.3)"}}
		}
		if bad != nil {
			f := s.refusal(reply, bad)
			f.final = true
			return f
		}
		return nil
	})
	if err != nil {
		return metadata{}, err.Error
	}
	return m, nil
}
