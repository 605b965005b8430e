package oauth2

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash"
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
	loose      bool  // the cache could not be written: this is newer than what is there
	unread     error // why what is in the cache cannot be read; nil: it was, or there is nothing
}

// contents are what is sealed in the cache.
type contents struct {
	Access  string          `json:"access_token,omitempty"`
	Type    string          `json:"token_type,omitempty"`
	Scope   string          `json:"scope,omitempty"`
	Refresh string          `json:"refresh_token,omitempty"`
	Spent   bool            `json:"spent,omitempty"`   // the credential's own refresh token was used
	Assumed bool            `json:"assumed,omitempty"` // no end was told
	Why     string          `json:"why,omitempty"`     // it is rejected
	Lost    string          `json:"lost,omitempty"`    // why its refresh token is lost
	Key     json.RawMessage `json:"key,omitempty"`     // of DPoP
	Client  string          `json:"client,omitempty"`
	Place   string          `json:"place,omitempty"` // the credential's URL
	Grant   string          `json:"grant,omitempty"`
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
func (s *Source) cached() bool { return s.shared && s.cred.Keep == "store" }

// load reads the cache. What cannot be read is a warning.
func (s *Source) load(ctx context.Context) kept {
	e, err := s.client.Cache.Token(ctx, s.id)
	if errors.Is(err, datapoints.ErrNoToken) {
		return kept{}
	}
	k := kept{generation: e.Generation}
	if err == nil && json.Unmarshal([]byte(e.Secret.Reveal()), &k.contents) != nil {
		err = datapoints.ErrCorrupt
	}
	if err != nil {
		s.warn("its token in the cache cannot be read: %s", err)
		return kept{generation: e.Generation, unread: err}
	}
	k.name, k.run, k.rejected = e.Name, e.Run, e.Rejected
	k.life = life{obtained: e.Obtained, soft: e.Soft, until: e.Until, expires: e.Expires}
	if k.key = readProofKey(k.Key); s.cred.DPoP != "" && k.key == nil {
		k.Access, k.Refresh = "", "" // nothing can be proved without the key
	}
	s.hideKey(k.key)
	k.Key = nil
	if k.obtained.After(time.Now().Add(maxMargin)) {
		k.until = time.Time{} // a clock was set back: nobody knows how long it is good
	}
	s.tell("access_token", k.Access)
	s.tell("refresh_token", k.Refresh)
	return k
}

// newest gives what counts of what the cache and memory know: the cache, unless
// nobody wrote there since this process could not, or what is there cannot be
// read. The cache may not yet know that the token was rejected.
func (s *Source) newest(ctx context.Context) kept {
	memory := s.memory()
	if !s.cached() {
		return memory
	}
	stored := s.load(ctx)
	switch {
	case stored.unread != nil && stored.generation <= memory.generation && memory.known(), memory.loose && stored.generation == memory.generation:
		return memory
	case stored.generation < memory.generation && stored.obtained.Before(memory.obtained): // it was purged; of the same token what is there is newer
		memory.generation = stored.generation
		return memory
	case memory.rejected && stored.Access == memory.Access:
		stored.rejected = true
	}
	return stored
}

// known says whether there is anything to go on with.
func (k *kept) known() bool { return k.Access != "" || k.Refresh != "" || k.Spent }

// memory gives what this process knows.
func (s *Source) memory() kept {
	s.slot.mu.Lock()
	defer s.slot.mu.Unlock()
	return s.slot.kept
}

// store puts what is known into the cache. It goes on when the caller is gone:
// a token that is not kept is lost. What cannot be written is a warning. With
// strict nothing is written if something else is there than k was made of; that
// is ErrTokenChanged, and the only error.
func (s *Source) store(ctx context.Context, k *kept, strict bool) error {
	if !s.cached() {
		return nil
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	e, err := s.entry(*k)
	if err == nil {
		err = s.put(ctx, e, k, strict)
	}
	if strict && errors.Is(err, datapoints.ErrTokenChanged) {
		return err
	}
	if k.loose = err != nil; k.loose {
		s.warn("its token cannot be written to the cache: %s; it is kept in memory", err)
	}
	return nil
}

// patient bounds what is to be done also when who asked for it is gone.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storePatience)
}

// put replaces an entry. One that changed meanwhile, which only happens without
// locks, is replaced as well unless strict: this token is the newer one.
func (s *Source) put(ctx context.Context, e datapoints.TokenEntry, k *kept, strict bool) error {
	var err error
	for range 3 {
		e.Generation = k.generation + 1
		if err = s.client.Cache.PutToken(ctx, e); err == nil {
			k.generation = e.Generation
			return nil
		}
		if strict || !errors.Is(err, datapoints.ErrTokenChanged) {
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
	add := func(texts ...string) { write(h, texts) }
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
	if c.Make != nil {
		add("made", c.Identity)
	}
	add(c.Keep)
	if c.Keep == "run" {
		add(c.Run)
	}
	return hexText(h.Sum(nil))[:40]
}

// clientPrint names who asks for tokens, and where.
func (s *Source) clientPrint(key []byte) string {
	c := &s.cred
	h := hmac.New(sha256.New, key)
	write(h, []string{"stepwell client 1", c.TokenURL, c.Issuer, c.Smart, c.ClientID, c.ClientSecret, c.ClientAuth, c.BasicEncoding,
		c.Assertion.Key, c.Assertion.Kid, c.Assertion.Alg, c.Assertion.Audience, c.Certificate, c.Identity})
	return hexText(h.Sum(nil))
}

// write writes texts so that no others give the same bytes.
func write(h hash.Hash, texts []string) {
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(texts))))
	for _, text := range texts {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(text))))
		_, _ = h.Write([]byte(text))
	}
}

// A Kept is what people may know of a token in the cache.
type Kept struct {
	ID, Name, Run         string // Run obtained it
	Type, Scope           string
	Client, Grant, Place  string // of the credential; Place is its token URL, issuer or FHIR base
	Fingerprint           string // of the token, as Token.Fingerprint
	Generation            int64
	Obtained, Soft        time.Time
	Until, Expires        time.Time
	Refreshable, Rejected bool
	Why                   string // it is rejected, or its refresh token is lost
	Unreadable            bool   // it was sealed with another key, or is damaged
}

// Kept lists the tokens in the cache by ID. The error is the cache's; it may
// come beside a list in which some are Unreadable.
func (c *Client) Kept(ctx context.Context) ([]Kept, error) {
	if c.Cache == nil {
		return nil, nil
	}
	entries, err := c.Cache.Tokens(ctx)
	var list []Kept
	for _, e := range entries {
		if e.IsNote() {
			continue
		}
		var in contents
		k := Kept{ID: e.Key, Name: e.Name, Run: e.Run, Generation: e.Generation, Obtained: e.Obtained, Soft: e.Soft, Until: e.Until, Expires: e.Expires, Rejected: e.Rejected}
		if k.Unreadable = json.Unmarshal([]byte(e.Secret.Reveal()), &in) != nil; !k.Unreadable {
			k.Client, k.Grant, k.Place = in.Client, in.Grant, in.Place
			k.Type, k.Scope, k.Refreshable, k.Why = in.Type, in.Scope, in.Refresh != "", in.Why
			preferred(&k.Why, in.Lost)
			if in.Access != "" {
				k.Fingerprint = hexText(sum(in.Access))[:16]
			}
		}
		list = append(list, k)
	}
	return list, err
}

// Purge forgets a token by its ID, in the cache and in this process. Purging
// one that is not there is no error.
func (c *Client) Purge(ctx context.Context, id string) error {
	c.mu.Lock()
	s := c.slots[id]
	c.mu.Unlock()
	if s != nil {
		s.mu.Lock()
		s.kept, s.refused = kept{}, refusal{}
		s.mu.Unlock()
	}
	if c.Cache == nil {
		return nil
	}
	return c.Cache.DeleteToken(ctx, id)
}

// ID names the source's token in the cache.
func (s *Source) ID() string { return s.id }

// Grant is the credential's grant: authorization_code and device_code want a login.
func (s *Source) Grant() string { return s.cred.Grant }

// Lasts says whether the token is to be kept beyond the process: there is a cache, and
// the credential does not forbid it. A cache that takes nothing is another matter.
func (s *Source) Lasts() bool { return s.client.Cache != nil && s.cred.Keep == "store" }
