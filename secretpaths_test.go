package stepwell_test

import "testing"

// evilFlow is what the flows against the evil server have in common: a token
// that is known, then steps that fail.
const evilFlow = `stepwell: 1
name: evil
inputs:
  url: { type: string, env: EVIL_URL }
  pin: { type: string, sensitive: true, env: CANARY_PIN }
secrets:
  client_secret: { env: EHR_CLIENT_SECRET }
  password: { env: EHR_PASSWORD }
defaults: { http: { base_url: "${{ inputs.url }}", timeout: 2s, retry: false } }
steps:
  - { id: token, action: http, with: { method: POST, url: /token, form: { grant_type: client_credentials } }, save: { access_token: access_token } }
`

// withAll sends every secret in every place that a request has.
const (
	withHead = `bearer: "${{ data.access_token }}", headers: { X-Pin: "${{ inputs.pin }}" }, `
	withAll  = withHead + `query: { s: "${{ secrets.client_secret }}" }, `
)

func TestFailingPathsTellNoSecret(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, steps string
		code        int
	}{
		{"401 with everything echoed", `  - { id: a, action: http, with: { method: POST, url: /echo/401/0/json, ` + withAll + `form: { p: "${{ secrets.password }}" } } }`, 6},
		{"401 to Basic, echoed", `  - { id: a, action: http, with: { method: POST, url: /echo/401/0/json, basic: { username: me, password: "${{ secrets.client_secret }}" }, json: { p: "${{ secrets.password }}" } } }`, 6},
		{"401 to Basic that was form-encoded before", `  - { id: a, action: http, with: { method: POST, url: /echo/401/0/text, basic: { username: "${{ urlEncode('a b') }}", password: "${{ urlEncode(secrets.client_secret) }}" }, form: { grant_type: client_credentials } } }`, 6},
		{"400 to a token request, echoed", `  - { id: a, action: http, with: { method: POST, url: /echo/400/0/json, form: { grant_type: client_credentials, client_id: x, client_secret: "${{ secrets.client_secret }}" } } }`, 6},
		{"403 as text", `  - { id: a, action: http, with: { method: POST, url: /echo/403/0/text, ` + withAll + `json: { p: "${{ secrets.password }}" } } }`, 3},
		{"404", `  - { id: a, action: http, with: { url: "/echo/404/0/text?x=${{ secrets.password }}", ` + withAll + `timeout: 1s } }`, 3},
		{"a secret in the path", `  - { id: a, action: http, with: { url: "/none/${{ secrets.password }}/${{ secrets.client_secret }}" } }`, 3},
		{"429", `  - { id: a, action: http, with: { method: POST, url: /echo/429/0/text, ` + withAll + `multipart: { p: "${{ secrets.password }}" } } }`, 3},
		{"500 with a retry", `  - { id: a, action: http, retry: 2, with: { method: PUT, url: /echo/500/0/json, ` + withAll + `text: "${{ secrets.password }}" } }`, 3},
		{"302", `  - { id: a, action: http, with: { method: POST, url: /echo/302/0/json, ` + withAll + `form: { p: "${{ secrets.password }}" } } }`, 3},
		{"302 with a token in the Location", `  - { id: a, action: http, with: { url: /token/redirect } }`, 3},
		{"a description that is cut in a secret", `  - { id: a, action: http, with: { method: POST, url: /echo/401/270/json, ` + withAll + `form: { p: "${{ secrets.password }}" } } }`, 6},
		{"another one", `  - { id: a, action: http, with: { method: POST, url: /echo/400/280/json, form: { grant_type: x, p: "${{ secrets.password }}" } } }`, 6},
		{"a body that is no JSON and is cut in a secret", `  - { id: a, action: http, with: { method: POST, url: /echo/200/10/text, ` + withAll + `text: "${{ secrets.password }}" }, save: { x: a.b } }`, 3},
		{"an expectation with parts", `  - { id: a, action: http, with: { method: POST, url: /echo/200/0/json, ` + withAll + `json: { p: "${{ secrets.password }}" } }, expect: { that: [ "response.body.message == 'x'", "response.text == secrets.password", "len(response.body) == 0 || response.headers.location == data.access_token" ] } }`, 4},
		{"an expectation on parts that are cut", `  - { id: a, action: http, with: { method: POST, url: /echo/200/100/json, ` + withAll + `json: { p: "${{ secrets.password }}" } }, expect: { that: [ "response.body.message == 'x'", "response.text == ''" ] } }`, 4},
		{"an expectation of the answer with the token", `  - { id: a, action: http, with: { url: /token }, expect: { that: [ "response.body.token_type == 'Mac'", "response.text == ''", "response.body == {}", "response.body.access_token == 'x'" ] } }`, 4},
		{"an expectation of a token under another name", `  - { id: a, action: http, with: { url: /session }, expect: { that: [ "response.body.session.key == 'x'", "response.text == ''" ] }, save: { session_token: session.key } }`, 4},
		{"a schema", `  - { id: a, action: http, with: { method: POST, url: /echo/200/0/json, ` + withAll + `json: { p: "${{ secrets.password }}" } }, expect: { schema: { type: object, properties: { message: { type: string, maxLength: 3, pattern: "^x$" }, authorization: { const: 1 }, error_description: { enum: [ a ] } } } } }`, 4},
		{"a schema for the answer with the token", `  - { id: a, action: http, with: { url: /session }, expect: { schema: { properties: { session: { properties: { key: { enum: [ a ] } } } }, additionalProperties: false } }, save: { session_token: session.key } }`, 4},
		{"a capture that is missing", `  - { id: a, action: http, with: { url: /session }, save: { session_token: session.key, x: session.keys } }`, 3},
		{"a capture of another type", `  - { id: a, action: http, with: { url: /token }, save: { n: { path: access_token, type: integer } } }`, 3},
		{"a capture of another type from an echo", `  - { id: a, action: http, with: { method: POST, url: /echo/200/0/json, ` + withAll + `json: { p: "${{ secrets.password }}" } }, save: { n: { path: message, type: integer } } }`, 3},
		{"a capture of another type that is cut", `  - { id: a, action: http, with: { method: POST, url: /echo/200/65/json, bearer: "${{ data.access_token }}", json: { } }, save: { n: { path: message, type: integer } } }`, 3},
		{"a header of another type", `  - { id: a, action: http, with: { url: /cookie }, save: { n: { header: Set-Cookie, type: integer } } }`, 3},
		{"a cookie of another type", `  - { id: a, action: http, with: { url: /cookie }, save: { n: { cookie: session, type: integer } } }`, 3},
		{"a cookie that is saved", `  - { id: a, action: http, with: { url: /cookie }, save: { session: { cookie: session }, x: nope } }`, 3},
		{"a token answer that is a form", `  - { id: a, action: http, with: { url: /token/form }, save: { token2: access_token } }`, 3},
		{"a token answer that is text", `  - { id: a, action: http, with: { url: /token/text }, save: { token2: { regex: "token: (.*)" }, x: y } }`, 3},
		{"a token answer that is JSON lines and breaks", `  - { id: a, action: http, with: { url: /token/lines }, save: { token2: "..#.access_token" } }`, 3},
		{"a token answer that breaks off", `  - { id: a, action: http, with: { url: /token/truncated }, save: { token2: access_token } }`, 3},
		{"GraphQL errors", `  - { id: a, action: graphql, with: { url: /echo/200/0/graphql, ` + withHead + `query: "query Q($p: String) { a(p: $p) }", variables: { p: "${{ secrets.password }}" } } }`, 3},
		{"GraphQL errors with 400", `  - { id: a, action: graphql, with: { url: /echo/400/250/graphql, ` + withHead + `query: "query Q($p: String) { a(p: $p) }", variables: { p: "${{ secrets.password }}" } } }`, 3},
		{"unknown", `  - { id: a, action: http, with: { method: POST, url: /slow, timeout: 100ms, ` + withAll + `json: { p: "${{ secrets.password }}" } } }`, 10},
		{"a header that stands twice", `  - { id: a, action: http, with: { url: /slow, timeout: 100ms, ` + withAll + `headers: { X-Other: "${{ secrets.password }}" } } }`, 2},
		{"a timeout of a GET", `  - { id: a, action: http, with: { url: /slow, timeout: 100ms, ` + withAll + `max_response: 1KiB } }`, 3},
		{"a host that is not there", `  - { id: a, action: http, with: { url: "http://127.0.0.1:1/${{ secrets.password }}", ` + withAll + `timeout: 1s } }`, 3},
		{"an origin from an answer", `  - { id: s, set: { to: "http://example.test/${{ secrets.password }}" } }
  - { id: a, action: http, with: { url: "${{ data.to }}", base_url: null, bearer: "${{ data.access_token }}", allow_secrets_to: [ "${{ inputs.url }}" ] } }`, 3},
		{"an origin that is not a URL", `  - { id: a, action: http, with: { url: "${{ secrets.password }}", bearer: "${{ data.access_token }}" } }`, 3},
		{"a URL with a password", `  - { id: a, action: http, with: { url: "${{ 'http://me:' + secrets.password + '@127.0.0.1:1/' }}" } }`, 3},
		{"a host of a secret", `  - { id: a, action: http, with: { url: "http://${{ secrets.password }}.example.test/" } }`, 3},
		{"a raw URL", `  - { id: a, action: http, with: { url: "/${{ raw(secrets.password) }}?${{ raw(secrets.client_secret) }}" } }`, 3},
		{"a line break in a header", `  - { id: a, action: http, with: { url: /x, headers: { X-A: "${{ secrets.password + string(fromJSON('\u0022\\u000a\u0022')) + inputs.pin }}" } } }`, 3},
		{"a line break in a method", `  - { id: a, action: http, with: { url: /x, method: "GET ${{ secrets.password }}" } }`, 3},
		{"a bad segment", `  - { id: a, action: http, with: { url: "/x/${{ true ? '' : secrets.password }}/y" } }`, 3},
		{"an allowed origin that is no URL", `  - { id: a, action: http, with: { url: /x, bearer: "${{ secrets.password }}", allow_secrets_to: [ "${{ secrets.password }}" ] } }`, 3},
		{"a proxy that is no URL", `  - { id: a, action: http, with: { url: /x, proxy: "http://me:${{ secrets.password }}@127.0.0.1:1" } }`, 3},
		{"a proxy that is not there", `  - { id: a, action: http, with: { url: /x, proxy: "http://me:${{ urlEncode(secrets.password) }}@127.0.0.1:1" } }`, 3},
		{"a certificate that is none", `  - { id: a, action: http, with: { url: /x, tls: { ca: "${{ secrets.password }}", cert: "${{ secrets.client_secret }}", key: "${{ secrets.password }}" } } }`, 3},
		{"a file that is called like a secret", `  - { id: a, action: http, with: { url: /x, method: POST, file: "${{ secrets.password }}" } }`, 3},
		{"save_to a file that is called like a secret", `  - { id: a, action: http, with: { url: /token, save_to: "../${{ secrets.password }}/x" } }`, 3},
		{"fail with a secret", `  - { id: a, fail: "no: ${{ secrets.password }} ${{ inputs.pin }} ${{ base64(secrets.client_secret) }} ${{ hex(secrets.client_secret) }} ${{ urlEncode(secrets.password) }} ${{ toJSON(secrets.client_secret) }} ${{ toJSON({a: {b: secrets.password}}) }} ${{ base64url('xx' + secrets.password) }}" }`, 3},
		{"int of a secret", `  - { id: a, set: { n: "${{ int(secrets.password) }}" } }`, 3},
		{"float of a sensitive input", `  - { id: a, set: { n: "${{ float(inputs.pin) }}" } }`, 3},
		{"a date of a secret", `  - { id: a, set: { n: "${{ date(secrets.client_secret) }}" } }`, 3},
		{"fromJSON of a secret", `  - { id: a, set: { n: "${{ fromJSON(secrets.client_secret) }}" } }`, 3},
		{"unbase64 of a secret", `  - { id: a, set: { n: "${{ unbase64(secrets.password) }}" } }`, 3},
		{"jwtClaims of a secret", `  - { id: a, set: { n: "${{ jwtClaims(data.access_token).sub }}" } }`, 3},
		{"a pattern of a secret", `  - { id: a, set: { n: "${{ 'x' matches secrets.client_secret }}" } }`, 0},
		{"a pattern of a secret that is none", `  - { id: a, set: { n: "${{ 'x' matches '(' + secrets.client_secret }}" } }`, 3},
		{"a path of a secret", `  - { id: a, set: { n: "${{ path('{}', secrets.client_secret) }}" } }`, 2},
		{"a member called like a secret", `  - { id: a, set: { n: "${{ {'a': 1}[secrets.client_secret] + 1 }}" } }`, 3},
		{"a value that is no number", `  - { id: a, set: { n: "${{ secrets.password + 1 }}" } }`, 2},
		{"a loop of sensitive items", `  - { id: a, for_each: { in: "[secrets.password, data.access_token]", as: each, on_error: continue }, action: http, with: { method: POST, url: /echo/500/0/json, bearer: "${{ each }}" }, save: { x: message } }
  - { id: b, fail: "${{ toJSON(steps.a.failures) }}" }`, 3},
		{"finally with the error", `  - { id: a, action: http, with: { method: POST, url: /echo/401/0/json, ` + withAll + `form: { p: "${{ secrets.password }}" } } }
finally:
  - { id: say, set: { why: "${{ toJSON(run.error) }}" } }`, 6},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if i%2 == 0 {
				t.Parallel()
			}
			v := newVault(t)
			v.env = append(v.env, "EVIL_URL="+evil(t))
			v.write("flow.yaml", evilFlow+tt.steps+"\n")
			out, errs, code := v.run("run", "-v", "flow.yaml")
			if code != tt.code {
				t.Errorf("exit %d, want %d\n%s%s", code, tt.code, out, errs)
			}
			v.run("run", "--json", "flow.yaml")
			if code != 2 && code != 5 {
				v.look()
			}
			v.search()
		})
	}
}
