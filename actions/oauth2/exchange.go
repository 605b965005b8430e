package oauth2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
)

const (
	maxTries  = 3
	firstWait = 200 * time.Millisecond
	mostWait  = 20 * time.Second
	maxAfter  = 300 * time.Second // a longer Retry-After is not waited for
	leastSkew = 10 * time.Second  // a smaller difference of clocks is the network's
)

// A failure is why one try got no token.
type failure struct {
	Error   *flow.Error
	code    string // of OAuth
	sent    bool   // a byte may have left
	final   bool   // another try cannot help
	waits   bool   // 429, or 503 with Retry-After: refused before it was looked at
	refused bool   // 4xx but 408, 425 and 429: the answer is no
	nonce   bool   // refused for the want of a DPoP nonce
}

// untouched says whether what is good for one use is certainly still good.
func (f *failure) untouched() bool { return !f.sent || f.waits }

// after says how many tries there were, if more than one.
func (f *failure) after(tries int) *failure {
	if tries > 1 {
		f.Error.Message += ", after " + strconv.Itoa(tries) + " tries"
	}
	return f
}

// again does a try up to three times: after what another try may mend, with full
// jitter between them or the server's Retry-After. What is good for one use is
// sent again only if it certainly was not looked at.
func (s *Source) again(ctx context.Context, single bool, try func() *failure) *failure {
	nonce := false
	for n := 1; ; n++ {
		f := try()
		switch {
		case f == nil:
			return nil
		case f.nonce && !nonce:
			nonce = true
			n--
			continue
		case f.final, single && !f.untouched(), n >= maxTries, ctx.Err() != nil:
			return f.after(n)
		}
		wait := rand.N(min(mostWait, firstWait<<(n-1)) + 1)
		if f.Error.After > 0 {
			wait = f.Error.After
		}
		if end, ok := ctx.Deadline(); f.Error.After > maxAfter || ok && time.Until(end) <= wait {
			return f.after(n)
		}
		select {
		case <-ctx.Done():
			return f.after(n)
		case <-s.client.alive().Done():
			return f.after(n)
		case <-time.After(wait):
		}
	}
}

// exchange asks for a token with a grant. The time is that of the request that
// was answered, so that a token's life is counted from then.
func (s *Source) exchange(ctx context.Context, g grant, proof *proofKey) (answer, time.Time, *failure) {
	m, bad := s.endpoints(ctx)
	if bad != nil {
		return answer{}, time.Time{}, &failure{Error: bad}
	}
	var got answer
	var begun time.Time
	f := s.again(ctx, g.single, func() *failure {
		r, bad := s.request(ctx, g, m, proof)
		if bad != nil {
			return &failure{Error: bad, final: true}
		}
		reply, f := s.carry(r)
		if f != nil {
			return f
		}
		begun = reply.begun
		got, f = s.receive(reply, m)
		return f
	})
	return got, begun, f
}

// A reply is an answer read to its end.
type reply struct {
	request *http.Request
	status  int
	header  http.Header
	body    []byte
	begun   time.Time
	nonce   string // of DPoP, for the next request
}

// carry sends one request, reads the answer, and tells who watches.
func (s *Source) carry(r *http.Request) (reply, *failure) {
	watch := s.client.Watch
	if watch == nil {
		return s.send(r)
	}
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body) // it is in memory
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	out, f := s.send(r)
	x := Exchange{Credential: s.cred.Name, Request: s.shownRequest(r, body, out.begun)}
	if f != nil {
		x.Failure = f.Error.Message
	}
	if out.status != 0 {
		x.Answer = s.shownAnswer(out, time.Since(out.begun))
	}
	watch(r.Context(), x)
	return out, f
}

// send sends one request and reads the answer.
func (s *Source) send(r *http.Request) (reply, *failure) {
	r.Header.Set("Accept", "application/json")
	agent := s.client.Agent
	preset(&agent, "stepwell")
	r.Header.Set("User-Agent", agent)
	ctx, cancel := context.WithTimeout(r.Context(), s.cred.Timeout)
	defer cancel()
	out := reply{request: r, begun: time.Now()}
	resp, sent, err := s.carrier().Carry(r.WithContext(ctx))
	if err != nil {
		return out, s.unreached(r, err, sent)
	}
	defer resp.Body.Close()
	out.status, out.header = resp.StatusCode, resp.Header
	s.compareClocks(resp.Header, out.begun)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return out, s.unreached(r, err, true)
	case len(body) > maxAnswer:
		f := &failure{sent: true, final: true, Error: &flow.Error{Kind: flow.KindAuth, Status: resp.StatusCode, Message: s.cred.called() + ": the answer of " + r.URL.Host + " is longer than 1 MiB"}}
		return out, f
	}
	out.body = body
	if nonce := resp.Header.Get("Dpop-Nonce"); nonce != "" {
		out.nonce = nonce
		remember(s.client, &s.client.nonces, nonceOf(r.URL.String()), nonce)
	}
	return out, nil
}

// nonceOf names the nonces of a token endpoint: those of an API at the same origin
// are others (RFC 9449 §8, §9).
func nonceOf(endpoint string) string { return "token " + origin(endpoint) }

func (s *Source) carrier() Carrier {
	if s.cred.Carrier != nil {
		return s.cred.Carrier
	}
	return s.client.carrier()
}

// compareClocks takes the server's time from its answer (RFC 9110 §6.6.1).
func (s *Source) compareClocks(header http.Header, begun time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	now := time.Now()
	skew := date.Add(time.Second / 2).Sub(begun.Add(now.Sub(begun) / 2)) // Date has whole seconds
	if skew.Abs() < leastSkew {
		skew = 0
	}
	s.slot.mu.Lock()
	s.slot.skew = skew
	s.slot.mu.Unlock()
}

// receive takes the token out of an answer.
func (s *Source) receive(r reply, m metadata) (answer, *failure) {
	if r.status/100 != 2 {
		f := s.refusal(r, nil)
		s.advise(f, r, m)
		return answer{}, f
	}
	got, bad := s.paths.read(r.body, s.serverTime())
	if bad == nil {
		got.kind, bad = s.scheme(got.kind)
	}
	if bad == nil {
		return got, nil
	}
	f := s.refusal(r, bad)
	s.advise(f, r, m)
	return answer{}, f
}

// hide makes the tokens of an answer that is not taken known: what it says
// beside them may tell them again.
func (s *Source) hide(r reply) {
	text, bad := normal(r.body)
	if bad != nil {
		return
	}
	for label, path := range map[string]*flow.Path{"access_token": s.paths.access, "refresh_token": s.paths.refresh} {
		raw, _ := path.Find(text)
		s.hideText(label, raw)
	}
	members := ordered.Read(text)
	for name, raw, more := members.Next(); more; name, raw, more = members.Next() {
		if name == "device_code" || name == "id_token" {
			s.hideText(name, raw)
		}
	}
}

func (s *Source) hideText(label, raw string) {
	if text := ordered.Text(raw); text != raw && !noToken(text) {
		s.tell(label, text)
	}
}

// scheme gives the word before the token in Authorization.
func (s *Source) scheme(kind string) (string, *flaw) {
	bound := s.cred.DPoP != ""
	switch lower := strings.ToLower(kind); {
	case lower == "dpop" && bound:
		return "DPoP", nil
	case lower == "dpop":
		return "", &flaw{message: "the server gave a token that is bound to a key (token_type DPoP)", hints: []string{"write `dpop: true`"}}
	case (lower == "" || lower == "bearer") && bound:
		return "", &flaw{message: "the server gave a token that is not bound to the key (token_type " + wordOr(kind, "missing") + ")",
			hints: []string{"it does not know DPoP for this client: leave `dpop` out, or have the server's administrator turn it on"}}
	case lower == "" || lower == "bearer" || lower == "n_a" && s.cred.Grant == "token_exchange":
		return "Bearer", nil
	}
	return "", &flaw{message: "the token's type is " + strconv.Quote(printable(kind, 40)) + ", which nobody here knows how to send",
		hints: []string{"known are Bearer and DPoP; `token: {token_type: PATH}` says where the type is"}}
}

func wordOr(word, other string) string {
	if word == "" {
		return other
	}
	return printable(word, 40)
}

// after reads Retry-After (RFC 9110 §10.2.3). A point in time is one by the clock
// that wrote Date beside it.
func after(header http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	text := header.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < 1e9 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// unreached says why there is no complete answer.
func (s *Source) unreached(r *http.Request, err error, sent bool) *failure {
	e := &flow.Error{Kind: flow.KindNetwork, Err: plain(err), Sent: sent}
	host := r.URL.Host
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		e.Kind, e.Message = flow.KindCancelled, "the request to "+host+" was stopped"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Message = flow.KindTimeout, "no answer from "+host+" in time"
	default:
		e.Message = host + " cannot be asked: " + s.clean(innermost(err))
	}
	e.Message = s.cred.called() + ": " + e.Message
	e.Facts = append(e.Facts, flow.Fact{Name: "sent", Text: r.Method + " " + s.clean(shown(r))})
	return &failure{Error: e, sent: sent}
}

// plain keeps of an error what errors.Is asks for, and not its text.
func plain(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

func innermost(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return strings.TrimPrefix(err.Error(), "net/http: ")
		}
		err = inner
	}
}

// shown is a request's URL without what may be secret.
func shown(r *http.Request) string {
	u := *r.URL
	u.User, u.RawQuery, u.ForceQuery = nil, "", false
	return u.String()
}
