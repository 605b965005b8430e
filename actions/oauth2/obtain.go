package oauth2

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// obtain gets a new token: with the refresh token, if there is one; by a new
// grant if there is none or it is refused. base is what is known of the token
// before. What is obtained is kept before anybody uses it. raced says that
// another process uses the refresh token, and that nothing was sent; without
// strict that is not asked.
func (s *Source) obtain(ctx context.Context, base kept, strict bool) (_ kept, _ *flow.Error, raced bool) {
	if s.cred.Make != nil {
		got, failed := s.made(ctx, base)
		return got, failed, false
	}
	proof := base.key
	if s.cred.DPoP == "" {
		proof = nil
	} else if proof == nil {
		var err error
		if proof, err = s.newProofKey(); err != nil {
			return kept{}, s.cred.invalid("%s", err), false
		}
	}
	base.key = proof
	token, seed := s.refreshToken(base)
	if seed && base.unread != nil { // whether it was used stands where nobody can read it
		if !s.alone() {
			return kept{}, s.unsure(base.unread), false
		}
		token, base.Spent = "", true
	}
	if token != "" {
		taken, written := s.withdraw(ctx, base, seed, strict)
		switch {
		case !written:
			return kept{}, nil, true
		case taken.loose && !base.loose && s.alone():
			// The cache still has it, and whoever reads it there would send it again.
		default:
			got, err, over := s.refresh(ctx, taken, token)
			if over {
				return got, err, false
			}
			taken = got
		}
		base = taken
	}
	if why := s.needsPerson(base); why != nil {
		return kept{}, why, false
	}
	a, begun, f := s.exchange(ctx, s.grant(), proof)
	if f != nil {
		s.remember(f)
		return kept{}, f.Error, false
	}
	return s.keep(ctx, base, a, begun), nil, false
}

// refreshToken gives the refresh token to use, or "". seed says that it is the
// credential's own.
func (s *Source) refreshToken(k kept) (token string, seed bool) {
	if k.Refresh == "" && !k.Spent {
		return s.cred.RefreshToken, s.cred.RefreshToken != ""
	}
	return k.Refresh, false
}

// unsure is the error of a refresh token of the credential's own that may have been
// used before: a server that sees one twice may withdraw everything (RFC 9700 §4.14.2).
func (s *Source) unsure(why error) *flow.Error {
	return &flow.Error{Kind: flow.KindAuth, Err: why, Message: s.cred.called() + ": what is kept of its token cannot be read, so its refresh token may have been used already, and nothing was sent: " + s.clean(why.Error()),
		Hints: []string{"if the store was opened with another key before, give that one", "else " + s.comeBack(),
			"if the server lets one be used often, `stepwell token purge " + s.id + "` forgets what is kept"}}
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

// withdraw takes the refresh token out of what is kept, before it is sent: neither
// another process nor one that comes after a crash may send it again, since a
// server that sees one twice may withdraw everything (RFC 9700 §4.14.2). It is
// false if strict and something else was there.
func (s *Source) withdraw(ctx context.Context, base kept, seed, strict bool) (taken kept, written bool) {
	taken = base
	taken.Refresh, taken.Spent = "", base.Spent || seed
	if !s.alone() {
		taken.Lost = "the program ended before there was an answer"
	}
	if s.store(ctx, &taken, strict) != nil {
		return base, false
	}
	s.replaceMemory(taken)
	return taken, true
}

// notLookedAt lists the errors with which a server refuses the client or the form of
// the request: it had no reason to look at a refresh token then.
var notLookedAt = []string{"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request", "invalid_scope",
	"invalid_target", "use_dpop_nonce", "invalid_dpop_proof"}

// refresh uses a refresh token that was withdrawn. over is false if a new grant
// is to follow; what is known then comes back.
func (s *Source) refresh(ctx context.Context, taken kept, token string) (_ kept, _ *flow.Error, over bool) {
	s.tell("refresh_token", token)
	a, begun, f := s.exchange(ctx, s.refreshGrant(token), taken.key)
	if f == nil {
		if a.refresh == "" {
			a.refresh = token // it stays good
		}
		return s.keep(ctx, taken, a, begun), nil, true
	}
	if f.untouched() || f.refused && slices.Contains(notLookedAt, f.code) && !s.alone() {
		taken.Refresh, taken.Lost = token, ""
		_ = s.store(ctx, &taken, false)
		s.replaceMemory(taken)
		if !f.untouched() {
			s.remember(f)
		}
		return kept{}, f.Error, true
	}
	if s.alone() {
		return taken, nil, false
	}
	taken.Lost = strings.TrimPrefix(f.Error.Message, s.cred.called()+": ")
	_ = s.store(ctx, &taken, false)
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
	if base.Access == "" && base.Lost == "" {
		e.Hints[0] = strings.Replace(e.Hints[0], "log in again", "log in", 1)
	}
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
		contents: contents{Access: a.access, Type: a.kind, Scope: a.scope, Refresh: a.refresh, Spent: base.Spent, Assumed: a.lifetime == 0}}
	life := a.lifetime
	preset(&life, s.cred.DefaultLifetime)
	k.life = lifeOf(begun, life, s.cred.Timeout, s.cred.RefreshEarly, rand.Float64())
	k.run, k.name = s.cred.Run, s.cred.Name
	_ = s.store(ctx, &k, false)
	s.client.accepted(s.who)
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	s.slot.refused = refusal{}
	if s.cred.Keep != "none" {
		s.slot.kept = k // also one that was rejected: the server gave it again
	}
	return k
}

// replaceMemory puts what is known of a token into memory, unless nothing is to be
// kept. That it was rejected meanwhile stays.
func (s *Source) replaceMemory(k kept) {
	if s.cred.Keep == "none" {
		return
	}
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	k.rejected = k.rejected || s.slot.kept.rejected && s.slot.kept.Access == k.Access
	s.slot.kept = k
}
