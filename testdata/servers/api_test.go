package servers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// An api is a server that asks another one what tokens stand for.
type api struct{ url string }

// behind starts a script of folder npm whose tokens are another server's.
func behind(t *testing.T, a authorizer, name string) api {
	t.Helper()
	return api{node(t, name, map[string]string{"introspection": a.url + a.introspect, "token_endpoint": a.url + a.token,
		"client": url.QueryEscape(a.client("basic")) + ":" + url.QueryEscape(a.secret)})}
}

// call sends a request with a token and gives status, header and body.
func (a api) call(t *testing.T, method, path, body, authorization string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, text
}

// TestBackendServicesWorkAgainstAFHIRServer goes the way of SMART Backend Services: discovery at the FHIR server, a signed
// assertion, a token, a resource.
func TestBackendServicesWorkAgainstAFHIRServer(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	a := newOIDC(t, k, 3600)
	fhir := behind(t, a, "fhir")
	s := newSpy(t, actions.Security{})
	c := oauth2.Credential{Smart: fhir.url, EndpointOrigins: []string{a.url}, ClientID: "ES384", ClientAuth: "private_key_jwt",
		Assertion: oauth2.Assertion{Alg: "ES384", Kid: "ES384", Key: k.private["ES384"]}, Scopes: []string{"system/Patient.crus"}}
	client := source(t, s, c)
	token, err := client.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, _, made := fhir.call(t, "POST", "/Patient", `{"resourceType":"Patient","name":[{"family":"Bell"}]}`, token.Authorization().RevealText())
	var patient struct{ ID string }
	if err := json.Unmarshal(made, &patient); err != nil || status != 201 || patient.ID == "" {
		t.Fatalf("%d %s", status, made)
	}

	revoke(t, a, token.Access.RevealText())
	status, header, text := fhir.call(t, "GET", "/Patient/"+patient.ID, "", token.Authorization().RevealText())
	if verdict, _ := oauth2.Judge(status, header, nil); verdict != oauth2.Rejected || !bytes.Contains(text, []byte("OperationOutcome")) {
		t.Fatalf("a token that was revoked: %d %s", status, text)
	}
	client.Reject(t.Context(), token, "401")
	if token, err = client.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status, _, text = fhir.call(t, "GET", "/Patient?family=Bell", "", token.Authorization().RevealText()); status != 200 || !bytes.Contains(text, []byte(patient.ID)) {
		t.Errorf("with the next token: %d %s", status, text)
	}
	first, second := s.all("client_credentials")[0].sent.Get("client_assertion"), s.last(t).sent.Get("client_assertion")
	if first == "" || claimsOf(t, first)["jti"] == claimsOf(t, second)["jti"] {
		t.Error("both requests carry the same assertion")
	}

	c.Scopes = []string{scope}
	less, err := source(t, s, c).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, header, _ = fhir.call(t, "GET", "/Patient", "", less.Authorization().RevealText())
	if verdict, wants := oauth2.Judge(status, header, []int{403}); verdict != oauth2.Insufficient || wants != "system/Patient.crus" {
		t.Errorf("a scope that does not do: %v %q", verdict, wants)
	}
}

// runFlow runs a flow's text.
func runFlow(t *testing.T, text string, in flow.Inputs) (string, error) {
	t.Helper()
	fsys := fstest.MapFS{"test.yaml": {Data: []byte("stepwell: 1\nname: test\n" + text)}}
	p, err := flow.Compile(fsys, "test.yaml", flow.Kit{Actions: actions.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	x := &flow.Executor{Secrets: func(context.Context, flow.SecretSource) (string, error) { return longSecret, nil }}
	run, err := x.Run(t.Context(), p, in)
	if err != nil {
		return "", err
	}
	return run.Outputs.Reveal(), nil
}

// TestARefusalWith200IsSeen asks a GraphQL server that refuses tokens as most do: with status 200.
func TestARefusalWith200IsSeen(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	yoga := behind(t, a, "yoga")
	const steps = `
inputs: { issuer: string, api: string, client: string, token: { type: string, default: "" } }
secrets: { secret: { env: X } }
steps:
  - id: token
    if: inputs.token == ""
    action: http
    with: { method: POST, url: "${{ inputs.issuer }}/token", form: { grant_type: client_credentials, client_id: "${{ inputs.client }}", client_secret: "${{ secrets.secret }}" } }
    save: { token: access_token }
    else:
      - { id: given, set: { token: "${{ inputs.token }}" } }
  - id: read
    action: graphql
    with: { url: "${{ inputs.api }}", bearer: "${{ data.token }}", query: "query($id: ID!) { patient(id: $id) { name } }", variables: { id: "7" }, allow_secrets_to: ["${{ inputs.api }}"] }
    save: { name: data.patient.name }
outputs: { name: "${{ data.name }}" }
`
	inputs := flow.Inputs{"issuer": a.url, "api": yoga.url, "client": "client_secret_post"}
	if got, err := runFlow(t, steps, inputs); err != nil || got != `{"name":"read by client_secret_post"}` {
		t.Fatalf("%s, %v", got, err)
	}
	gone := plainToken(t, a)
	revoke(t, a, gone)
	inputs["token"] = gone
	_, err := runFlow(t, steps, inputs)
	if e := flowError(err); err == nil || e.Status != 200 || !strings.Contains(err.Error(), "UNAUTHENTICATED") || !strings.Contains(strings.Join(e.Hints, "\n"), "does not know who asks") {
		t.Errorf("%v %q", err, flowError(err).Hints)
	}

	body := `{"query":"{ patient(id: \"7\") { name } }"}`
	status, header, text := yoga.call(t, "POST", "", body, "Bearer "+gone)
	if verdict, _ := oauth2.Judge(status, header, nil); status != 200 || verdict != oauth2.Accepted || !bytes.Contains(text, []byte(`"UNAUTHENTICATED"`)) {
		t.Errorf("status and header say nothing against the token, only the body does: %d %v %s", status, verdict, text)
	}
}
