package servers_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// A managed is a flow with a credential, whose tokens the test can see.
type managed struct {
	plan     *flow.Plan
	executor flow.Executor

	mu     sync.Mutex
	tokens []string
}

func newManaged(t *testing.T, text string, secrets map[string]string) *managed {
	t.Helper()
	m := new(managed)
	tokens := &oauth2.Client{Secret: func(label, secret string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if label == "access_token" {
			m.tokens = append(m.tokens, secret)
		}
	}}
	calls := new(actions.Client)
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Of(calls, tokens)}
	p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte("stepwell: 1\nname: test\n" + text)}}, "test.yaml", kit)
	if err != nil {
		t.Fatal(err)
	}
	m.plan = p
	m.executor.Secrets = func(_ context.Context, s flow.SecretSource) (string, error) { return secrets[s.Name], nil }
	return m
}

func (m *managed) run(t *testing.T, in flow.Inputs) string {
	t.Helper()
	run, err := m.executor.Run(t.Context(), m.plan, in)
	if err != nil {
		t.Fatalf("%v %q", err, flowError(err).Hints)
	}
	return run.Outputs.Reveal()
}

// revoked takes the last token out of use at its server.
func (m *managed) revoked(t *testing.T, a authorizer) {
	t.Helper()
	m.mu.Lock()
	last := m.tokens[len(m.tokens)-1]
	m.mu.Unlock()
	revoke(t, a, last)
}

// again runs a flow three times, and has its token revoked before the last: the second run has the first one's token, the
// third gets another one and does what it was about to.
func (m *managed) again(t *testing.T, a authorizer, in flow.Inputs, want string) {
	t.Helper()
	for n := range 3 {
		if n == 2 {
			m.revoked(t, a)
		}
		if got := m.run(t, in); !strings.Contains(got, want) {
			t.Errorf("run %d: %s", n+1, got)
		}
		if have := countsOf(t, a)["client_credentials ok"]; have != float64(1+n/2) {
			t.Errorf("after run %d the server counts %v tokens", n+1, have)
		}
	}
}

func TestAFlowsTokenIsReplacedWhenAGraphQLServerRefusesItWith200(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	yoga := behind(t, a, "yoga")
	m := newManaged(t, `
inputs: { issuer: string, api: string }
secrets: { secret: { env: X } }
credentials:
  ehr:
    type: oauth2
    issuer: ${{ inputs.issuer }}
    client_id: client_secret_basic
    client_secret: ${{ secrets.secret }}
    scopes: [patient.read]
    origins: ["${{ inputs.api }}"]
    reject_on: { when: 'path(response.body, "errors.0.extensions.code") == "UNAUTHENTICATED"' }
steps:
  - id: read
    action: graphql
    with: { auth: ehr, url: "${{ inputs.api }}", query: "query($id: ID!) { patient(id: $id) { name } }", variables: { id: "7" } }
    save: { name: data.patient.name }
outputs: { name: "${{ data.name }}" }
`, map[string]string{"secret": longSecret})
	m.again(t, a, flow.Inputs{"issuer": a.url, "api": yoga.url}, "read by client_secret_basic")
}

func TestAFlowsTokenOfBackendServicesIsReplacedWhenAFHIRServerRefusesIt(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	a := newOIDC(t, k, 3600)
	fhir := behind(t, a, "fhir")
	m := newManaged(t, `
inputs: { fhir: string, issuer: string }
secrets: { key: { env: X } }
credentials:
  ehr:
    type: oauth2
    smart: ${{ inputs.fhir }}
    endpoint_origins: ["${{ inputs.issuer }}"]
    client_id: ES384
    client_auth: private_key_jwt
    assertion: { alg: ES384, kid: ES384, key: "${{ secrets.key }}" }
    scopes: [system/Patient.crus]
defaults: { http: { base_url: "${{ inputs.fhir }}", auth: ehr } }
steps:
  - { id: admit, action: http, with: { method: POST, url: /Patient, json: { resourceType: Patient, name: [{ family: Bell }] } }, save: { id: id } }
  - { id: read, action: http, with: { url: "/Patient/${{ data.id }}" }, save: { family: name.0.family } }
outputs: { family: "${{ data.family }}" }
`, map[string]string{"key": k.private["ES384"]})
	m.again(t, a, flow.Inputs{"fhir": fhir.url, "issuer": a.url}, "Bell")
}
