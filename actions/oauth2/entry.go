package oauth2

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// kept is a token with all that belongs to it. The zero kept is none.
type kept struct {
	contents
	life
	generation int64
	name, run  string
	rejected   bool
	key        *proofKey
}

// contents are what is sealed in the cache.
type contents struct {
	Access  string          `json:"access_token,omitempty"`
	Type    string          `json:"token_type,omitempty"`
	Scope   string          `json:"scope,omitempty"`
	Refresh string          `json:"refresh_token,omitempty"`
	Spent   bool            `json:"spent,omitempty"` // the credential's own refresh token was used
	Why     string          `json:"why,omitempty"`   // it is rejected
	Key     json.RawMessage `json:"key,omitempty"`   // of DPoP
}

// usable says whether the token may be sent.
func (k *kept) usable(now time.Time) bool {
	return k.Access != "" && !k.rejected && now.Before(k.until)
}

// fits says whether the token needs no other in its place; of a renewal, also
// not soon.
func (k *kept) fits(now time.Time, renew bool) bool {
	return k.usable(now) && (!renew || now.Before(k.soft))
}

// cached says whether the token outlives the process.
func (s *Source) cached() bool { return s.client.Cache != nil && s.cred.Keep == "store" }

// load reads the cache. What cannot be read is none, and a warning.
func (s *Source) load(ctx context.Context) kept {
	if !s.cached() {
		return kept{}
	}
	e, err := s.client.Cache.Token(ctx, s.id)
	if errors.Is(err, datapoints.ErrNoToken) {
		return kept{}
	}
	k := kept{generation: e.Generation}
	if err == nil && json.Unmarshal([]byte(e.Secret.Reveal()), &k.contents) != nil {
		err = datapoints.ErrCorrupt
	}
	if err != nil {
		s.client.warn(s.cred.called() + ": its token in the cache cannot be read: " + err.Error() + "; a new one is fetched")
		return kept{generation: e.Generation}
	}
	k.name, k.run, k.rejected = e.Name, e.Run, e.Rejected
	k.life = life{obtained: e.Obtained, soft: e.Soft, until: e.Until, expires: e.Expires}
	if k.key = readProofKey(k.Key); s.cred.DPoP != "" && k.key == nil {
		k.Access, k.Refresh = "", "" // nothing can be proved without the key
	}
	k.Key = nil
	s.tell("access_token", k.Access)
	s.tell("refresh_token", k.Refresh)
	return k
}

// loadBeside is load, which may not yet know that the token in memory was rejected.
func (s *Source) loadBeside(ctx context.Context, memory kept) kept {
	k := s.load(ctx)
	if memory.rejected && k.Access == memory.Access {
		k.rejected = true
	}
	return k
}

// store puts what is known into the cache. It goes on when the caller is gone:
// a token that is not kept is lost. What cannot be written is a warning.
func (s *Source) store(ctx context.Context, k *kept) {
	if !s.cached() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storePatience)
	defer cancel()
	e, err := s.entry(*k)
	if err == nil {
		err = s.put(ctx, e, k)
	}
	if err != nil {
		s.client.warn(s.cred.called() + ": its token cannot be written to the cache: " + err.Error() + "; it is kept in memory")
	}
}

// put replaces an entry. One that changed meanwhile, which only happens without
// locks, is replaced as well: this token is the newer one.
func (s *Source) put(ctx context.Context, e datapoints.TokenEntry, k *kept) error {
	var err error
	for range 3 {
		e.Generation = k.generation + 1
		if err = s.client.Cache.PutToken(ctx, e); err == nil {
			k.generation = e.Generation
			return nil
		}
		if !errors.Is(err, datapoints.ErrTokenChanged) {
			return err
		}
		there, bad := s.client.Cache.Token(ctx, s.id)
		if bad != nil && there.Generation == 0 && !errors.Is(bad, datapoints.ErrNoToken) {
			return bad
		}
		k.generation = there.Generation
	}
	return err
}

// fingerprint names a credential's token: all that makes it another one is in
// it, and without the key it tells nothing.
func (s *Source) fingerprint(key []byte) string {
	c := &s.cred
	h := hmac.New(sha256.New, key)
	add := func(texts ...string) {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(texts))))
		for _, text := range texts {
			_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(text))))
			_, _ = h.Write([]byte(text))
		}
	}
	pairs := func(m map[string]string) {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			list = append(list, name, m[name])
		}
		add(list...)
	}
	add("stepwell token 1", c.TokenURL, c.Issuer, c.Smart, c.Grant, c.ClientID, c.ClientSecret, c.ClientAuth)
	scopes := slices.Clone(c.Scopes)
	slices.Sort(scopes)
	add(slices.Compact(scopes)...)
	pairs(c.Params)
	add(c.Audience, c.Username, c.Password, c.RefreshToken, c.DPoP, c.Certificate)
	resource := slices.Clone(c.Resource)
	slices.Sort(resource)
	add(resource...)
	add(c.SubjectToken, c.SubjectTokenType, c.ActorToken, c.ActorTokenType, c.RequestedTokenType)
	add(c.Assertion.Key, c.Assertion.Kid, c.Assertion.Subject, c.Assertion.Audience)
	add(c.Token.AccessToken, c.AuthorizationURL, c.DeviceURL)
	pairs(c.AuthorizationParams)
	add(c.Keep)
	if c.Keep == "run" {
		add(c.Run)
	}
	return hexText(h.Sum(nil))[:40]
}
