package oauth2

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/challenge"
	"github.com/stepwell/stepwell/datapoints"
)

// A Verdict is what an answer says of the token that the request carried.
type Verdict uint8

// Verdicts. The zero value says nothing against the token.
const (
	Accepted     Verdict = iota
	Rejected             // it is not good any more: another one may be
	Insufficient         // it is good and does not allow this: another one would not either
)

// Judge reads an answer's status and header (RFC 6750 §3). reject lists statuses
// that mean a rejected token, beside 401. scope is what the server wants, if it
// says so. A body that says no with a status of its own is for who knows it to read.
func Judge(status int, header http.Header, reject []int) (v Verdict, scope string) {
	for _, c := range challenge.Parse(header.Values("Www-Authenticate")) {
		switch code := c.Param("error"); {
		case code == "insufficient_scope":
			return Insufficient, printable(c.Param("scope"), 300)
		case code == "invalid_token" && status/100 == 4:
			v = Rejected
		case code == "use_dpop_nonce" || code == "invalid_dpop_proof": // that is no fault of the token (RFC 9449 §7.1)
			return Accepted, ""
		}
	}
	if status == http.StatusUnauthorized || slices.Contains(reject, status) {
		v = Rejected
	}
	return v, ""
}

// hasError says whether a challenge in the header has an error code.
func hasError(header http.Header, code string) bool {
	return slices.ContainsFunc(challenge.Parse(header.Values("Www-Authenticate")), func(c challenge.Challenge) bool {
		return strings.EqualFold(c.Param("error"), code)
	})
}

// Reject takes a token out of use that a server refused, here and for other
// processes; why is for people. It compares first: a late refusal of an older
// token changes nothing. The next call of Token gives another one.
func (s *Source) Reject(ctx context.Context, t Token, why string) {
	if s.cred.Keep == "none" {
		return
	}
	refused := s.tell("access_token", t.Access.RevealText())
	s.slot.mu.Lock()
	k := s.slot.kept
	mine := k.Access == refused && !k.rejected
	if mine {
		s.slot.kept.rejected = true
	}
	s.slot.mu.Unlock()
	if !mine || !s.cached() {
		return
	}
	ctx, cancel := patient(ctx) // the step may be over, the next process is not
	defer cancel()
	stored := s.load(ctx)
	if stored.Access != refused || stored.rejected {
		return
	}
	stored.rejected, stored.Why = true, s.clean(why)
	e, err := s.entry(stored)
	if err == nil {
		e.Generation++
		err = s.client.Cache.PutToken(ctx, e) // if another process was faster it knows better
	}
	if err != nil {
		return // memory knows; the others will be told by their own servers
	}
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	if s.slot.kept.generation == stored.generation {
		s.slot.kept.generation = e.Generation
	}
}

// entry is what the cache keeps of a token, under its present generation.
func (s *Source) entry(k kept) (datapoints.TokenEntry, error) {
	c := k.contents
	c.Key = k.key.text()
	c.Client, c.Grant, c.Place = s.cred.ClientID, s.cred.Grant, s.cred.TokenURL+s.cred.Issuer+s.cred.Smart // one of the three
	text, err := datapoints.Of(c)
	return datapoints.TokenEntry{Key: s.id, Generation: k.generation, Name: k.name, Run: k.run, Rejected: k.rejected,
		Obtained: k.obtained, Soft: k.soft, Until: k.until, Expires: k.expires, Secret: text.Mark(datapoints.Sensitive, "token")}, err
}
