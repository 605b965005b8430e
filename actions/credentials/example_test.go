package credentials_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A vault is a type of credential of one's own: its tokens lie somewhere else.
type vault struct{}

func (vault) Spec() flow.CredentialSpec {
	return flow.CredentialSpec{Doc: "A token of the vault.", Fields: []flow.Field{
		{Name: "path", Type: flow.TextField, Required: true, Doc: "where it lies"}}}
}

func (vault) Open(_ context.Context, in flow.CredentialInput) (flow.TokenProvider, error) {
	path := ""
	for _, arg := range in.Args {
		if arg.Name == "path" {
			path = arg.Value.RevealText()
		}
	}
	return lent{path}, nil
}

// lent gives the token of a path.
type lent struct{ path string }

func (l lent) Token(context.Context) (flow.Token, error) {
	return flow.Token{Access: datapoints.Text("token-of-" + l.path)}, nil
}

// Reject says that there is no other token.
func (lent) Reject(context.Context, flow.Token, string) bool { return false }

// A program brings a type of credential of its own.
func Example_ownType() {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-of-ehr" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"free":3}`)
	}))
	defer api.Close()

	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
	kit.Credentials["vault"] = vault{}
	plan, err := flow.Compile(fstest.MapFS{"beds.yaml": {Data: []byte(`
stepwell: 1
name: beds
inputs: { api: string }
credentials:
  ehr: { type: vault, path: ehr, origins: [ "${{ inputs.api }}" ] }
steps:
  - { id: beds, action: http, with: { url: "${{ inputs.api }}/beds", auth: ehr }, save: { free: free } }
outputs: { free: "${{ data.free }}" }
`)}}, "beds.yaml", kit)
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := new(flow.Executor).Run(context.Background(), plan, flow.Inputs{"api": api.URL})
	fmt.Println(run.State, run.Outputs, err)
	// Output: succeeded {"free":3} <nil>
}
