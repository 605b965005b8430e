package oauth2

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// obtain gets a new token: with the refresh token, if there is one; by a new
// grant if there is none or it is refused. base is what is known of the token
// before. What is obtained is kept before anybody uses it.
func (s *Source) obtain(ctx context.Context, base kept) (kept, *flow.Error) {
	if s.cred.Make != nil {
		return s.made(ctx, base)
	}
	proof := base.key
	if s.cred.DPoP == "" {
		proof = nil
	} else if proof == nil {
		var err error
		if proof, err = newProofKey(s.cred.DPoP); err != nil {
			return kept{}, s.cred.invalid("%s", err)
		}
	}
	base.key = proof
	refresh := base.Refresh
	seed := refresh == "" && s.cred.RefreshToken != "" && !base.Spent
	if seed {
		refresh = s.cred.RefreshToken
	}
	if refresh != "" {
		got, err, over := s.refresh(ctx, base, refresh, seed)
		if over {
			return got, err
		}
		base = got
	}
	if why := s.needsPerson(base); why != nil {
		return kept{}, why
	}
	a, begun, f := s.exchange(ctx, s.grant(), proof)
	if f != nil {
		s.remember(f)
		return kept{}, f.Error
	}
	return s.keep(ctx, base, a, begun), nil
}

// made gets a token from who makes it.
func (s *Source) made(ctx context.Context, base kept) (kept, *flow.Error) {
	begun := time.Now()
	m, err := s.cred.Make(ctx)
	if err == nil {
		if why := odd(m.Access); why != "" {
			err = s.cred.invalid("the token %s", why)
		}
	}
	if err != nil {
		f := &flow.Error{Kind: flow.KindAuth, Message: s.cred.called() + ": " + s.clean(err.Error())}
		errors.As(err, &f)
		s.remember(&failure{Error: f, refused: f.Kind == flow.KindAuth})
		return kept{}, f
	}
	return s.keep(ctx, base, answer{access: m.Access, kind: m.Type, lifetime: m.Lifetime}, begun), nil
}

// refresh uses a refresh token. Before it is sent it is taken out of what is
// kept: whoever comes after a crash must not send it again, since a server that
// sees one twice may withdraw everything (RFC 9700 §4.14.2). over is false if a
// new grant is to follow; what is known then comes back.
func (s *Source) refresh(ctx context.Context, base kept, token string, seed bool) (_ kept, _ *flow.Error, over bool) {
	s.tell("refresh_token", token)
	taken := base
	taken.Refresh, taken.Spent = "", base.Spent || seed
	if !s.alone() {
		taken.Lost = "the program ended before there was an answer"
	}
	s.store(ctx, &taken)
	a, begun, f := s.exchange(ctx, s.refreshGrant(token), base.key)
	if f == nil {
		if a.refresh == "" {
			a.refresh = token // it stays good
		}
		return s.keep(ctx, taken, a, begun), nil, true
	}
	known := f.code != "" && f.code != "invalid_grant" // it is not the token that is refused
	if f.untouched() || known && !s.alone() {
		taken.Refresh, taken.Lost = token, ""
		s.store(ctx, &taken)
		s.replaceMemory(taken)
		if !f.untouched() {
			s.remember(f)
		}
		return kept{}, f.Error, true
	}
	if s.alone() {
		s.replaceMemory(taken)
		return taken, nil, false
	}
	taken.Lost = strings.TrimPrefix(f.Error.Message, s.cred.called()+": ")
	s.store(ctx, &taken)
	s.replaceMemory(taken)
	if f.refused {
		s.hint(f, "%s", s.comeBack())
	} else {
		s.hint(f, "the refresh token may have been used, so it is not sent again: %s", s.comeBack())
	}
	s.remember(f)
	return kept{}, f.Error, true
}

// alone says whether a new grant needs nobody.
func (s *Source) alone() bool {
	switch s.cred.Grant {
	case "refresh_token", "device_code", "authorization_code":
		return false
	}
	return true
}

// comeBack says how a credential that needs a person gets its token.
func (s *Source) comeBack() string {
	if s.cred.Grant == "refresh_token" {
		return "put a new refresh token into the credential's `refresh_token`"
	}
	return "a person has to log in again: `stepwell token login FILE " + wordOr(s.cred.Name, "CREDENTIAL") + "`"
}

// needsPerson is the error of a grant that nobody can ask for alone.
func (s *Source) needsPerson(base kept) *flow.Error {
	if s.alone() {
		return nil
	}
	var e *flow.Error
	switch {
	case base.Lost != "":
		e = s.cred.invalid("its refresh token was used, and what it gave is lost: %s", base.Lost)
	case base.Access != "":
		e = s.cred.invalid("its token is over, and there is no refresh token to renew it")
	default:
		e = s.cred.invalid("there is no token yet, and the grant %s needs a person", s.cred.Grant)
	}
	e.Hints = []string{s.comeBack()}
	if s.cred.Grant == "refresh_token" {
		e.Hints = append(e.Hints, "if the server lets one be used often, `stepwell token purge` forgets that this one was")
	}
	return e
}

// keep makes a token of an answer and keeps it: in the cache, then in memory.
func (s *Source) keep(ctx context.Context, base kept, a answer, begun time.Time) kept {
	s.tell("access_token", a.access)
	s.tell("refresh_token", a.refresh)
	k := kept{generation: base.generation, key: base.key,
		contents: contents{Access: a.access, Type: a.kind, Scope: a.scope, Refresh: a.refresh, Spent: base.Spent}}
	life := a.lifetime
	preset(&life, s.cred.DefaultLifetime)
	k.life = lifeOf(begun, life, s.cred.Timeout, s.cred.RefreshEarly, rand.Float64())
	k.run, k.name = s.cred.Run, s.cred.Name
	s.store(ctx, &k)
	s.replaceMemory(k)
	s.slot.mu.Lock()
	s.slot.refused = nil
	s.slot.mu.Unlock()
	return k
}

// replaceMemory puts what is known into memory, unless nothing is to be kept.
func (s *Source) replaceMemory(k kept) {
	if s.cred.Keep == "none" {
		return
	}
	s.slot.mu.Lock()
	s.slot.kept = k
	s.slot.mu.Unlock()
}
