package stepwell_test

import (
	"context"
	"os"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

// Each example of credentials, twice by programs of their own over the same
// token cache: the second asks for no token. Then the server forgets the tokens,
// and a third gets another one without failing.
func TestTheExamplesOfCredentialsFetchOneToken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, endpoint string }{
		{"managed-token", "/oauth/token"}, {"reuse", "/oauth/token"}, {"backend-services", "/oauth/token"},
		{"api-key", "/oauth/token"}, {"session-login", "/session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := sandbox.Start(sandbox.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			cache := new(datapoints.MemoryTokens)
			runOnce := func(fetched int) {
				t.Helper()
				calls, tokens := new(actions.Client), &oauth2.Client{Cache: cache}
				defer calls.CloseIdle()
				p, err := flow.Compile(os.DirFS("examples"), c.name+".yaml", flow.Kit{Actions: calls.Actions(), Credentials: credentials.Of(calls, tokens)})
				if err != nil {
					t.Fatal(err)
				}
				x := &flow.Executor{Secrets: func(_ context.Context, src flow.SecretSource) (string, error) { return s.Secrets()[src.Name], nil }}
				in := flow.Inputs{}
				for _, input := range p.Inputs() {
					in[input.Name] = s.Inputs()[input.Name]
				}
				run, err := x.Run(t.Context(), p, in)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.Count("POST", c.endpoint); got != fetched {
					t.Errorf("%d requests for a token, not %d", got, fetched)
				}
				if outputs := run.Outputs.Reveal(); len(outputs) < 20 {
					t.Error(outputs)
				}
				if err := tokens.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
			runOnce(1)
			runOnce(1)
			s.Revoke()
			runOnce(2)
		})
	}
}
