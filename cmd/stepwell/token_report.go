package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// A tokenReport is what token test and token login say, and print with --json.
// Nothing in it tells the token.
type tokenReport struct {
	Credential  string          `json:"credential"`
	Type        string          `json:"type"`                      // of the credential
	TokenType   string          `json:"token_type"`                // "" if it stands alone
	Sent        string          `json:"sent,omitempty"`            // "header X-Session"; "": in Authorization, behind its type
	Scopes      []string        `json:"scopes"`                    // as granted; empty if the server does not say
	NotGranted  []string        `json:"not_granted,omitempty"`     // scopes that were asked for, where the server says which it granted
	Expires     *time.Time      `json:"expires"`                   // null: it is not known
	Assumed     bool            `json:"expires_assumed,omitempty"` // it is default_lifetime's
	Fingerprint string          `json:"fingerprint,omitempty"`
	From        string          `json:"from,omitempty"` // store, fetched or login
	TookMS      float64         `json:"took_ms,omitempty"`
	Obtained    *time.Time      `json:"obtained,omitempty"`
	Run         string          `json:"run_id,omitempty"` // that obtained it
	Format      string          `json:"format,omitempty"` // opaque, jwt or jwe
	Header      json.RawMessage `json:"header,omitempty"` // of a JWT
	Claims      json.RawMessage `json:"claims,omitempty"`
	Error       *documentError  `json:"error"`
}

// report says what a token is.
func (t *trial) report(token flow.Token) *tokenReport {
	r := &tokenReport{Credential: t.name, Type: t.cred.Type, TokenType: token.Type, Scopes: scopesOf(t.redactor.Text(token.Scope)), Expires: moment(token.Expires)}
	if own, ok := token.Own.(oauth2.Token); ok {
		r.Assumed = own.Assumed
	}
	r.NotGranted = t.notGranted(r.Scopes)
	if r.Sent = t.sent(); r.Sent != "" {
		r.TokenType = ""
	}
	if t.cred.Type == "basic" || t.cred.Type == "api_key" {
		return r // what people choose could be guessed from a fingerprint
	}
	r.Fingerprint = fingerprintOf(token)
	var header, claims []byte
	r.Format, header, claims = takeApart(token.Access.RevealText())
	if header != nil {
		r.Header = json.RawMessage(t.redactor.JSON(string(header)))
		r.Claims = json.RawMessage(t.redactor.JSON(string(claims)))
	}
	return r
}

// notGranted are the scopes that the flow asks for in so many words and that the
// server left out of those that it granted.
func (t *trial) notGranted(granted []string) (missing []string) {
	if len(granted) == 0 { // the server does not say
		return nil
	}
	for _, c := range t.plan.Outline().Credentials {
		for _, f := range c.Fields {
			var asked []string
			if c.Name != t.name || f.Name != "scopes" || json.Unmarshal([]byte(f.Text), &asked) != nil {
				continue
			}
			missing = slices.DeleteFunc(asked, func(s string) bool { return slices.Contains(granted, s) })
		}
	}
	return missing
}

// sent says where the flow puts the token, if not where its type has it.
func (t *trial) sent() string {
	var text string
	for _, c := range t.plan.Outline().Credentials {
		for _, f := range c.Fields {
			place, found := strings.CutPrefix(f.Name, "send.")
			switch {
			case c.Name != t.name || !found:
			case place == "value":
				text += ": " + f.Text
			default:
				text = place + " " + f.Text
			}
		}
	}
	return text
}

// fingerprintOf names a token without telling it.
func fingerprintOf(t flow.Token) string { return oauth2.Token{Access: t.Access}.Fingerprint() }

// takeApart reads a JWT (RFC 7519), which is not verified: that is for the API.
func takeApart(token string) (format string, header, claims []byte) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 && len(parts) != 5 {
		return "opaque", nil, nil
	}
	header = object(parts[0])
	if header == nil {
		return "opaque", nil, nil
	}
	if len(parts) == 5 {
		return "jwe", nil, nil
	}
	if claims = object(parts[1]); claims == nil {
		return "opaque", nil, nil
	}
	return "jwt", header, claims
}

// object decodes a segment that is a JSON object, else nil.
func object(segment string) []byte {
	text, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil || flow.CheckJSON(text) != nil || !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil
	}
	return text
}

// until says how far away a time is: "in 59m", "3m ago".
func until(t, now time.Time) string {
	d := t.Sub(now)
	form, past := "in %d%s", d < 0
	if past {
		form, d = "%d%s ago", -d
	}
	switch d = d.Round(time.Second); {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf(form, int(d.Seconds()), "s")
	case d < time.Hour:
		return fmt.Sprintf(form, int(d.Minutes()), "m")
	case d < 48*time.Hour:
		return fmt.Sprintf(form, int(d.Hours()), "h")
	}
	return fmt.Sprintf(form, int(d.Hours()/24), "d")
}

// tokenReport writes the report for people.
func (l look) tokenReport(r *tokenReport) string {
	var f facts
	kind := r.TokenType
	if kind == "" && r.Sent == "" {
		kind = "sent by itself"
	}
	f.add("type", kind)
	f.add("sent in", r.Sent)
	if r.Expires != nil {
		text := clock(*r.Expires) + ", " + until(*r.Expires, time.Now())
		if r.Assumed {
			text += ": assumed (default_lifetime), nobody said how long it is good"
		}
		f.add("expires", text)
	}
	f.add("scope", strings.Join(r.Scopes, " "))
	f.add("not granted", strings.Join(r.NotGranted, " "))
	f.add("fingerprint", r.Fingerprint)
	switch r.From {
	case "store":
		text := "the store"
		if r.Obtained != nil {
			text += ", obtained " + l.ago(*r.Obtained, time.Now())
		}
		if r.Run != "" {
			text += " by run " + r.Run
		}
		f.add("from", text)
	case "fetched":
		place := "the token endpoint"
		if r.Type == "steps" {
			place = "the credential's steps"
		}
		f.add("from", place+", in "+short(time.Duration(r.TookMS*1000)*time.Microsecond))
	case "login":
		f.add("from", "a login, kept for later runs")
	default:
		f.add("from", "the flow: nobody was asked for it")
	}
	switch r.Format {
	case "opaque":
		f.add("format", "opaque: only the server can read it")
	case "jwe":
		f.add("format", "a JWT that is encrypted")
	case "jwt":
		f.add("format", "a JWT; its signature was not checked")
		f.members("header", r.Header)
		f.members("claim", r.Claims)
	}
	title := l.paint(green, l.sign("✓")) + " " + l.paint(bold, clean(r.Credential)) + "  " + l.paint(dim, clean(r.Type)) + " has a token"
	return title + "\n" + l.facts(f)
}

// facts are names and texts for people.
type facts []flow.Fact

// add leaves out what is empty.
func (f *facts) add(name, text string) {
	if text != "" {
		*f = append(*f, flow.Fact{Name: name, Text: text})
	}
}

// members adds those of a JSON object; points in time are also told as such.
func (f *facts) members(kind string, object json.RawMessage) {
	var m map[string]json.RawMessage
	if json.Unmarshal(object, &m) != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		text := string(m[name])
		var s string
		var seconds float64
		switch {
		case json.Unmarshal(m[name], &s) == nil:
			text = s
		case slices.Contains([]string{"exp", "iat", "nbf", "auth_time"}, name) && json.Unmarshal(m[name], &seconds) == nil && seconds > 0 && seconds < 1e11:
			text += " (" + clock(time.Unix(int64(seconds), 0)) + ")"
		}
		f.add(kind+" "+name, text)
	}
}

// facts writes one line for each, aligned, longer ones wrapped.
func (l look) facts(list facts) string {
	width := 0
	for _, f := range list {
		width = max(width, columns(clean(f.Name)))
	}
	width = min(width, l.width()/3)
	var b strings.Builder
	for _, f := range list {
		b.WriteString("  " + l.paint(dim, pad(l.cutMiddle(clean(f.Name), width), width)) + "  " + wrapped(clean(f.Text), l.width()-1, width+4) + "\n")
	}
	return b.String()
}
