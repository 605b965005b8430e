package sandbox_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// ask sends a document with variables, given as JSON.
func (c *tester) ask(query, variables string) reply {
	c.Helper()
	if variables == "" {
		variables = "{}"
	}
	text, err := json.Marshal(query)
	if err != nil {
		c.Fatal(err)
	}
	return c.json("POST", "/graphql", `{"query":`+string(text)+`,"variables":`+variables+`}`)
}

// code is the first error's code.
func (r reply) code() string {
	list, _ := r.body["errors"].([]any)
	if len(list) == 0 {
		return ""
	}
	code, _ := list[0].(map[string]any)["extensions"].(map[string]any)["code"].(string)
	return code
}

func TestGraphQLAnswersWhatWasAskedForInThatOrder(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	for _, call := range []struct{ query, variables, want string }{
		{`query Open($patient: ID!) { orders(patient: $patient) { id owner { email } urgent } }`, `{"patient":"9434765919"}`,
			`{"data":{"orders":[{"id":"ord-1001","owner":{"email":"lab@clinic.example"},"urgent":false},` +
				`{"id":"ord-1002","owner":{"email":"lab@clinic.example"},"urgent":true},` +
				`{"id":"ord-1003","owner":{"email":"ward4@clinic.example"},"urgent":false}]}}`},
		{`{patient(id:"9434765919"){name active practice{id name}}}`, "",
			`{"data":{"patient":{"name":"Zoë Sample","active":true,"practice":{"id":"gp-417","name":"Riverside Practice"}}}}`},
		{`{ a: orders(patient: 9434765919, urgent: true) { number: id patient { birthDate id } } b: patient(id: "1111111111") { id } }`, "",
			`{"data":{"a":[{"number":"ord-1002","patient":{"birthDate":"1980-02-29","id":"9434765919"}}],"b":null}}`},
		{`{patient(id:"9434765870"){practice{id} orders{id}}}`, "", `{"data":{"patient":{"practice":null,"orders":[]}}}`},
		{`query($u: Boolean = true, $p: ID!) { orders(patient: $p, urgent: $u) { id __typename } __typename }`, `{"p":9434765919}`,
			`{"data":{"orders":[{"id":"ord-1002","__typename":"Order"}],"__typename":"Query"}}`},
		{`query($u: Boolean) { orders(patient: 9434765870, urgent: $u) { id } }`, `{"u":null,"unused":1}`, `{"data":{"orders":[]}}`},
		{"\ufeff# a comment\n{ patient(id: \"\\u0039434765919\", ) { id } } # the end", "", `{"data":{"patient":{"id":"9434765919"}}}`},
		{`{ patient(id: """ 9434765919 """) { id } }`, "", `{"data":{"patient":{"id":"9434765919"}}}`},
	} {
		got := c.ask(call.query, call.variables)
		if got.status != 200 || strings.TrimSpace(got.raw) != call.want {
			t.Errorf("%s\n got %s\nwant %s", call.query, got.raw, call.want)
		}
	}
}

func TestGraphQLRefusesWithAPlaceAPathAndACode(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	for _, call := range []struct{ query, variables, code, contains string }{
		{`{ orders(patient: 1) { colour } }`, "", "GRAPHQL_VALIDATION_FAILED", `"path":["orders","colour"]`},
		{"{\n  doctors { id }\n}", "", "GRAPHQL_VALIDATION_FAILED", `"locations":[{"line":2,"column":3}]`},
		{`{ orders(patient: 1) }`, "", "GRAPHQL_VALIDATION_FAILED", "say which"},
		{`{ orders(patient: 1) { id { x } } }`, "", "GRAPHQL_VALIDATION_FAILED", "scalar"},
		{`{ orders { id } }`, "", "GRAPHQL_VALIDATION_FAILED", "needs the argument"},
		{`{ orders(patient: 1, first: 2) { id } }`, "", "GRAPHQL_VALIDATION_FAILED", "no argument"},
		{`{ orders(patient: $p) { id } }`, `{"p":"1"}`, "GRAPHQL_VALIDATION_FAILED", "declares no variable $p"},
		{`query($p: String!) { orders(patient: $p) { id } }`, `{"p":"1"}`, "GRAPHQL_VALIDATION_FAILED", "wants ID!"},
		{`query($p: ID) { orders(patient: $p) { id } }`, `{"p":"1"}`, "GRAPHQL_VALIDATION_FAILED", "wants ID!"},
		{`query($p: ID!) { orders(patient: $p) { id } }`, `{}`, "BAD_USER_INPUT", "needs a value"},
		{`query($p: ID!) { orders(patient: $p) { id } }`, `{"p":{"x":1}}`, "BAD_USER_INPUT", "an object"},
		{`query($p: ID!) { orders(patient: $p) { id } }`, `{"p":1.5}`, "BAD_USER_INPUT", "must be ID!"},
		{`{ orders(patient: 1, urgent: "yes") { id } }`, "", "BAD_USER_INPUT", "must be Boolean"},
		{`{ orders(patient: [1, {a: RED}]) { id } }`, "", "BAD_USER_INPUT", "a list"},
		{`{ orders(patient: RED) { id } }`, "", "BAD_USER_INPUT", "a bare word"},
		{`{ orders(patient: 1111111111) { id } }`, "", "NOT_FOUND", `"path":["orders"]`},
		{`{ orders(patient: 1) { id }`, "", "GRAPHQL_PARSE_FAILED", "ends where"},
		{`{ }`, "", "GRAPHQL_PARSE_FAILED", "a field"},
		{`{ a(b: "x`, "", "GRAPHQL_PARSE_FAILED", "does not end"},
		{`{ a(b: """x`, "", "GRAPHQL_PARSE_FAILED", "does not end"},
		{`{ a(b: "\x") { c } }`, "", "GRAPHQL_PARSE_FAILED", "escape"},
		{`{ a ? }`, "", "GRAPHQL_PARSE_FAILED", "no place here"},
		{`hello`, "", "GRAPHQL_PARSE_FAILED", "query, mutation"},
		{`# only a comment`, "", "GRAPHQL_PARSE_FAILED", "no operation"},
		{strings.Repeat("{a", 100_000), "", "GRAPHQL_PARSE_FAILED", "deep"},
		{`{ a(b: ` + strings.Repeat("[", 100_000), "", "GRAPHQL_PARSE_FAILED", "deep"},
		{`query($a: ` + strings.Repeat("[", 100_000), "", "GRAPHQL_PARSE_FAILED", "deep"},
		{`{ ...all }`, "", "GRAPHQL_NOT_SUPPORTED", "fragments"},
		{`fragment all on Order { id }`, "", "GRAPHQL_NOT_SUPPORTED", "fragment"},
		{`{ orders(patient: 1) @skip(if: true) { id } }`, "", "GRAPHQL_NOT_SUPPORTED", "directives"},
		{`subscription { orders { id } }`, "", "GRAPHQL_NOT_SUPPORTED", "subscription"},
		{`query A { __typename } query B { __typename }`, "", "OPERATION_RESOLUTION_FAILURE", "2 operations"},
	} {
		got := c.ask(call.query, call.variables)
		if len(call.query) > 200 {
			call.query = call.query[:20] + "…"
		}
		if got.status != 200 || got.code() != call.code || !strings.Contains(got.raw, call.contains) {
			t.Errorf("%s\n%d %s", call.query, got.status, got.raw)
		}
	}
}

func TestGraphQLChoosesTheOperationByName(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	const document = `"query":"query A { a: __typename } query B { b: __typename }"`
	if got := c.json("POST", "/graphql", `{`+document+`,"operationName":"B"}`); strings.TrimSpace(got.raw) != `{"data":{"b":"Query"}}` {
		t.Errorf("B: %s", got.raw)
	}
	if got := c.json("POST", "/graphql", `{`+document+`,"operationName":"C"}`); got.code() != "OPERATION_RESOLUTION_FAILURE" {
		t.Errorf("C: %s", got.raw)
	}
}

func TestGraphQLAnswersDataAndErrorsTogether(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	got := c.ask(`{ orders(patient: 9000000009) { id owner { email } } }`, "")
	if got.code() != "FORBIDDEN" || !strings.Contains(got.raw, `"path":["orders",0,"owner"]`) ||
		!strings.Contains(got.raw, `"data":{"orders":[{"id":"ord-2001","owner":null}]}`) {
		t.Errorf("got %s", got.raw)
	}
}

func TestGraphQLWantsAJSONRequest(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	c.status(c.do("POST", "/graphql", `{ orders }`, "Content-Type", "application/graphql"), 415)
	for _, body := range []string{``, `{`, `[]`, `{}`, `{"query":" "}`, `{"query":1}`, `{"query":"{a}","variables":[]}`} {
		if got := c.json("POST", "/graphql", body); got.status != 400 || got.text("detail") == "" {
			t.Errorf("%s: %d %s", body, got.status, got.raw)
		}
	}
}

func TestALoginByGraphQLGivesATokenThatWorks(t *testing.T) {
	t.Parallel()
	c := start(t)
	const login = `mutation Login($id: String!, $secret: String!) {
		login(clientId: $id, clientSecret: $secret) { token tokenType expiresIn } }`
	variables := func(secret string) string {
		text, err := json.Marshal(map[string]string{"id": clientID, "secret": secret})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, query := range []string{`{ orders(patient: 9434765919) { id } }`, `{ patient(id: 9434765919) { id } }`} {
		if got := c.ask(query, ""); got.status != 200 || got.code() != "UNAUTHENTICATED" {
			t.Errorf("without a token: %d %s", got.status, got.raw)
		}
	}
	if got := c.ask(login, variables("no")); got.code() != "UNAUTHENTICATED" || !strings.Contains(got.raw, `"login":null`) {
		t.Errorf("wrong secret: %s", got.raw)
	}
	got := c.ask(login, variables(clientSecret))
	member := got.body["data"].(map[string]any)["login"].(map[string]any)
	if member["tokenType"] != "Bearer" || member["expiresIn"] != 3600.0 {
		t.Errorf("login: %s", got.raw)
	}
	c.token = member["token"].(string)
	if got := c.ask(`{ orders(patient: 9434765919) { id } }`, ""); got.code() != "" {
		t.Errorf("with the token: %s", got.raw)
	}
	c.status(c.get("/patients"), 200)

	c.token = ""
	c.token = c.newToken(url.Values{"scope": {"patient.read"}})
	if got := c.ask(`{ orders(patient: 9434765919) { id } }`, ""); got.code() != "FORBIDDEN" {
		t.Errorf("without the scope: %s", got.raw)
	}
}
