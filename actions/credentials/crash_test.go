package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A disk dies after so many writes; negative: never. Of the write at which it
// dies nobody hears, but with mute it is there.
type disk struct {
	mu    sync.Mutex
	lives int
	mute  bool
	dead  bool
	lost  bool // a token was not written
}

var errDead = errors.New("the machine has lost power")

func (d *disk) write(do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.lives > 0:
		d.lives--
		return do()
	case d.lives < 0:
		return do()
	case d.mute && !d.dead:
		_ = do()
	}
	d.dead = true
	return errDead
}

// A mortal store is on the disk, and so are its tokens.
type mortal struct {
	datapoints.Store
	tokens datapoints.TokenCache
	*disk
}

func (m mortal) Traits() datapoints.Traits { return datapoints.Traits{Lasts: true, Sealed: true} }

func (m mortal) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	return m.write(func() error { return m.Store.Commit(ctx, l, records...) })
}

func (m mortal) Token(ctx context.Context, key string) (datapoints.TokenEntry, error) {
	return m.tokens.Token(ctx, key)
}

func (m mortal) Tokens(ctx context.Context) ([]datapoints.TokenEntry, error) {
	return m.tokens.Tokens(ctx)
}

func (m mortal) DeleteToken(ctx context.Context, key string) error {
	return m.tokens.DeleteToken(ctx, key)
}

func (m mortal) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	err := m.write(func() error { return m.tokens.PutToken(ctx, e) })
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil && !m.mute && !e.Rejected {
		m.lost = true
	}
	return err
}

// A clerk is a process that runs a flow over a store: a new one knows nothing
// but what is there.
type clerk struct {
	plan *flow.Plan
	x    *flow.Executor
	end  func()
}

func newClerk(t *testing.T, m mortal, text string) clerk {
	t.Helper()
	calls, tokens := new(actions.Client), &oauth2.Client{Cache: m}
	p, err := flow.Compile(fstest.MapFS{"order.yaml": {Data: []byte(text)}}, "order.yaml", flow.Kit{Actions: calls.Actions(), Credentials: credentials.Of(calls, tokens)})
	if err != nil {
		t.Fatal(err)
	}
	x := &flow.Executor{Store: m, Secrets: func(context.Context, flow.SecretSource) (string, error) { return secret, nil },
		Owner: flow.Process{Dead: func(string) bool { return true }}}
	return clerk{p, x, func() {
		calls.CloseIdle()
		_ = tokens.Close(context.Background())
	}}
}

const orderFlow = `stepwell: 1
name: order
inputs: { url: string }
secrets: { key: { env: KEY } }
credentials:
  ehr: { type: oauth2, token_url: "${{ inputs.url }}/token", client_id: clinic, client_secret: "${{ secrets.key }}" }
defaults: { http: { base_url: "${{ inputs.url }}", auth: ehr } }
steps:
  - { id: order, action: http, with: { method: POST, url: /order, json: {} }, save: { ok: ok } }
  - { id: look, action: http, with: { url: /look } }
`

// TestACrashAroundARefusalSendsNothingTwice has a token that was revoked: the
// order is refused, and made once more with another one. The machine dies at
// each write on the way: of the run's records, and of its tokens.
func TestACrashAroundARefusalSendsNothingTwice(t *testing.T) {
	t.Parallel()
	for _, mute := range []bool{false, true} {
		for n := 0; ; n++ {
			wrong, died := crashAroundARefusal(t, n, mute)
			if wrong != "" {
				t.Errorf("dead after %d writes (%v): %s", n, mute, wrong)
			}
			if !died {
				if n < 6 {
					t.Errorf("there were %d writes: the test looks in the wrong place", n)
				}
				break
			}
		}
	}
}

func crashAroundARefusal(t *testing.T, n int, mute bool) (wrong string, died bool) {
	s := newWard(t, nil)
	in := flow.Inputs{"url": s.URL}
	d := &disk{lives: -1}
	m := mortal{new(datapoints.Memory), new(datapoints.MemoryTokens), d}
	first := newClerk(t, m, orderFlow)
	if _, err := first.x.Run(t.Context(), first.plan, in); err != nil {
		t.Fatal(err)
	}
	first.end()
	s.mu.Lock()
	s.good, s.asked = "another one", nil
	s.mu.Unlock()

	d.lives, d.mute = n, mute
	second := newClerk(t, m, orderFlow)
	run, err := second.x.Run(t.Context(), second.plan, in)
	second.end()
	died, d.lives = d.dead, -1
	if !died && err != nil {
		return "nothing was lost, and " + err.Error(), died
	}
	third := newClerk(t, m, orderFlow)
	defer third.end()
	if runs, err := m.List(t.Context(), datapoints.Filter{}); err != nil {
		t.Fatal(err)
	} else if run.ID == "" {
		run = runs[len(runs)-1]
	}
	if died {
		run, err = third.x.Resume(t.Context(), third.plan, run.ID, nil)
	}
	var failed *flow.Error
	doubt := errors.As(err, &failed) && failed.Kind == flow.KindUnknown
	made, refused := s.orders()
	switch {
	case err != nil && !doubt && run.State != datapoints.Succeeded:
		return fmt.Sprintf("resumed: %v", err), died
	case made > 1 || refused > 1:
		return fmt.Sprintf("the order was sent too often: %q", s.asked), died
	case !doubt && made != 1:
		return fmt.Sprintf("the order was not made, and nobody knows: %q", s.asked), died
	}
	if doubt {
		decision := flow.Assumption{Sent: made == 1}
		if decision.Sent {
			decision.Values = map[string]any{"ok": true}
		}
		if _, err := third.x.Resume(t.Context(), third.plan, run.ID, flow.Assume{"order": decision}); err != nil {
			return fmt.Sprintf("decided: %v %q", err, s.asked), died
		}
		if made, _ := s.orders(); made != 1 {
			return fmt.Sprintf("the order was made %d times: %q", made, s.asked), died
		}
	}
	most := 2 // and one more if it was lost before it could be kept
	if d.lost {
		most++
	}
	if len(s.grants) > most {
		return fmt.Sprintf("%d tokens were asked for: %q", len(s.grants), s.asked), died
	}
	return "", died
}

// orders counts those that were made, and those that were refused.
func (s *ward) orders() (made, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.asked {
		switch {
		case !strings.HasPrefix(line, "POST /order"):
		case strings.HasSuffix(line, " Authorization=Bearer access-token-1"):
			refused++
		default:
			made++
		}
	}
	return made, refused
}
