package credentials_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// TestAnInputThatAnybodyGivesDecidesNotWhereSecretsGo: a program that lets others
// start runs says which inputs are theirs. Only what is in one_of may decide then.
func TestAnInputThatAnybodyGivesDecidesNotWhereSecretsGo(t *testing.T) {
	t.Parallel()
	const called = `stepwell: 1
name: called
inputs: { at: string }
secrets: { key: { env: KEY } }
credentials:
  deep: { type: oauth2, token_url: "https://id.example.test/${{ inputs.at }}", client_id: a, client_secret: "${{ secrets.key }}" }
steps: [ { id: inner, action: http, with: { url: "https://api.example.test/", auth: deep } } ]
`
	for _, c := range []struct{ name, credential, step, says string }{
		{"an address of theirs", "", `url: "${{ inputs.theirs }}/x", bearer: "${{ secrets.key }}"`, "only inputs.theirs, which whoever starts a run may give, says where to"},
		{"an address of a list", "", `url: "${{ inputs.listed }}/x", bearer: "${{ secrets.key }}"`, ""},
		{"an address of the operator's", "", `url: "${{ inputs.ours }}/x", bearer: "${{ secrets.key }}"`, ""},
		{"a path of theirs", "", `url: "${{ inputs.ours }}/x/${{ inputs.theirs }}", bearer: "${{ secrets.key }}"`, ""},
		{"no secret", "", `url: "${{ inputs.theirs }}/x"`, ""},
		{"whom they trust", "", `url: "${{ inputs.theirs }}/x", bearer: "${{ secrets.key }}", allow_secrets_to: [ "${{ inputs.theirs }}" ]`, "may give inputs.theirs"},
		{"a credential", `{ type: bearer, token: "${{ secrets.key }}" }`, `url: "${{ inputs.theirs }}/x", auth: it`, `sends the credential "it", and only inputs.theirs`},
		{"a credential with origins", `{ type: bearer, token: "${{ secrets.key }}", origins: [ "${{ inputs.ours }}" ] }`, `url: "${{ inputs.theirs }}/x", auth: it`, ""},
		{"a credential with origins of theirs", `{ type: bearer, token: "${{ secrets.key }}", origins: [ "${{ inputs.theirs }}" ] }`, `url: "${{ inputs.ours }}/x", auth: it`, "`origins` decides who gets secrets"},
		{"a token endpoint of theirs", `{ type: oauth2, token_url: "${{ inputs.theirs }}/token", client_id: a, client_secret: "${{ secrets.key }}" }`, `url: "${{ inputs.ours }}/x", auth: it`, "`token_url` decides who gets secrets"},
		{"a part of a token endpoint", `{ type: oauth2, token_url: "https://id.example.test/${{ inputs.theirs }}/token", client_id: a, client_secret: "${{ secrets.key }}" }`, `url: "${{ inputs.ours }}/x", auth: it`, "`token_url` decides who gets secrets"},
		{"a token endpoint of a list", `{ type: oauth2, token_url: "https://id.example.test/${{ inputs.listed }}/token", client_id: a, client_secret: "${{ secrets.key }}" }`, `url: "${{ inputs.ours }}/x", auth: it`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := "stepwell: 1\nname: opened\ninputs: { theirs: string, listed: { type: string, one_of: [ \"https://a.example.test\" ] }, ours: string }\nsecrets: { key: { env: KEY } }\n"
			if c.credential != "" {
				text += "credentials: { it: " + c.credential + " }\n"
			}
			refused(t, text+"steps: [ { id: a, action: http, with: { "+c.step+" } } ]\n", called, c.says)
		})
	}
	deep := "stepwell: 1\nname: opened\ninputs: { theirs: string, ours: string }\nsteps: [ { id: a, flow: called.yaml, with: { at: \"x${{ inputs.%s }}\" } } ]\n"
	refused(t, strings.Replace(deep, "%s", "theirs", 1), called, "may give inputs.at")
	refused(t, strings.Replace(deep, "%s", "ours", 1), called, "")
}

// refused compiles a flow whose inputs are anybody's but `ours`.
func refused(t *testing.T, text, called, says string) {
	t.Helper()
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin(), Untrusted: func(input string) bool { return input != "ours" }}
	_, err := flow.Compile(fstest.MapFS{"opened.yaml": {Data: []byte(text)}, "called.yaml": {Data: []byte(called)}}, "opened.yaml", kit)
	var list diag.List
	if err != nil && !errors.As(err, &list) {
		t.Fatal(err)
	}
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v\n%s", err, text)
	case says != "" && (len(list) == 0 || list[0].Code != diag.UntrustedOrigin || !strings.Contains(list[0].Message, says) || !strings.Contains(list[0].Hint, "one_of")):
		t.Errorf("%v\n%s", list, text)
	}
}
