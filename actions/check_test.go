package actions_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
)

// A with is a step's `with`: key, value, key, value …; a value is text or a with.
type with []any

func (w with) at(path []string) any {
	var v any = w
	for i, key := range path {
		m, ok := v.(with)
		if !ok {
			return nil
		}
		v = nil
		for j := 0; j < len(m); j += 2 {
			if m[j] == key || i == 1 && path[0] == "headers" && strings.EqualFold(m[j].(string), key) {
				v = m[j+1]
			}
		}
	}
	return v
}

func (w with) Text(path ...string) (string, bool, bool) {
	s, ok := w.at(path).(string)
	return s, !strings.Contains(s, "${{"), ok
}

func (w with) Keys(path ...string) []string {
	m, _ := w.at(path).(with)
	var keys []string
	for i := 0; i < len(m); i += 2 {
		keys = append(keys, m[i].(string))
	}
	return keys
}

func (w with) File(name string) ([]byte, error) {
	if name != "q.graphql" {
		return nil, errors.New("there is no file " + name)
	}
	return []byte("query Q($a: Int!) {\n  x(a: $a, b: $b)\n}"), nil
}

// checked gives the verdict, complaints as lines "code path from-to severity: message (hint)".
func checked(action string, w with) (flow.Verdict, []string) {
	v := actions.Builtin()[action].Spec().Check(w)
	var list []string
	for _, c := range v.Complaints {
		list = append(list, fmt.Sprintf("%s %s %d-%d %s: %s (%s)", c.Code, strings.Join(c.Path, "."), c.From, c.To, c.Severity, c.Message, c.Hint))
	}
	return v, list
}

func TestATitleShowsExpressionsAsNames(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]with{
		"POST /oauth/token":                  {"method", "POST", "url", "/oauth/token"},
		"GET /patients/{patient_id}":         {"url", "/patients/${{ inputs.patient_id }}"},
		"GET {base_url}/a?b={x}":             {"url", "${{inputs.base_url}}/a?b=${{ data.x }}"},
		"GET /a/{…}/{items[0]}":              {"url", `/a/${{ data.x ?? "}}" }}/${{ data.items[0] }}`},
		"GET /a/{…}":                         {"url", "/a/${{ {\"a\": {\"b\": `}}`}}[0] }}"},
		"{verb} https://h.test/":             {"method", "${{ data.verb }}", "url", "https://h.test/"},
		"POST /form":                         {"url", "/form", "form", with{"a", "b"}},
		"PATCH /a":                           {"url", "/a", "method", "patch"},
		"GET https://h.test/a${{ not closed": {"url", "https://h.test/a${{ not closed"},
	} {
		w = append(w, "base_url", "https://base.test")
		v, _ := checked("http", w)
		if strings.Contains(want, "not closed") {
			want = "GET https://h.test/a{…}"
		}
		if v.Title != want {
			t.Errorf("got %q, want %q", v.Title, want)
		}
	}
}

func TestTheTextAloneSaysWhetherACallIsRepeatable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		action string
		w      with
		want   bool
	}{
		{"http", with{}, true},
		{"http", with{"method", "DELETE"}, true},
		{"http", with{"method", "POST"}, false},
		{"http", with{"method", "${{ data.m }}"}, false},
		{"http", with{"json", with{"a", "b"}}, false},
		{"http", with{"json", with{}, "idempotency_key", "true"}, true},
		{"http", with{"json", with{}, "idempotency_key", "false"}, false},
		{"http", with{"json", with{}, "idempotency_key", with{"header", "X"}}, true},
		{"http", with{"json", with{}, "idempotency_key", "true", "repeatable", "false"}, false},
		{"http", with{"json", with{}, "repeatable", "true"}, true},
		{"http", with{"form", with{"grant_type", "client_credentials"}}, true},
		{"http", with{"json", with{"grant_type", "client_credentials"}}, true},
		{"http", with{"form", with{"grant_type", "${{ data.g }}"}}, false},
		{"http", with{"form", with{"grant_type", "password"}}, false},
		{"graphql", with{"query", "{ a }"}, true},
		{"graphql", with{"query", "mutation { a }"}, false},
		{"graphql", with{"query", "mutation { a }", "idempotency_key", "true"}, true},
		{"graphql", with{"query", "query A { a } mutation B { b }", "operation_name", "A"}, true},
		{"graphql", with{"query", "query A { a } mutation B { b }", "operation_name", "${{ data.o }}"}, false},
		{"graphql", with{"query", "query A { a } query B { b }", "operation_name", "${{ data.o }}"}, true},
		{"graphql", with{"query_file", "q.graphql", "variables", with{"a", "1"}}, true},
	} {
		if v, _ := checked(c.action, append(with{"url", "https://h.test/"}, c.w...)); v.Repeatable != c.want {
			t.Errorf("%s %v: %v", c.action, c.w, v.Repeatable)
		}
	}
}

func TestMistakesAreFoundBeforeTheRun(t *testing.T) {
	t.Parallel()
	right := "write \"Bearer ${{ … }}\", or `bearer: ${{ … }}`"
	u := with{"url", "https://h.test/"}
	for _, c := range []struct {
		name string
		w    with
		want string // "" for none
	}{
		{"nothing", u, ""},
		{"a path and no base", with{"url", "/a"}, "bad-url url 0-0 error: this URL begins with \"/\", and there is no `base_url` to append it to (write the whole URL, or `defaults: {http: {base_url: …}}`)"},
		{"a path and a base", with{"url", "/a", "base_url", "${{ inputs.base }}"}, ""},
		{"no scheme", with{"url", "h.test/a"}, "bad-url url 0-0 error: the URL begins neither with https:// nor with \"/\" (write \"https://h.test/a\")"},
		{"a path without its slash", with{"url", "patients/1"}, "bad-url url 0-0 error: the URL begins neither with https:// nor with \"/\" (write \"/patients/1\" to append it to `base_url`)"},
		{"another scheme", with{"url", "ftp://h.test"}, "bad-url url 0-0 error: the URL begins with ftp://, and only http and https can be called ()"},
		{"a port that is none", with{"url", "https://x:99999/a"}, "bad-url url 0-0 error: the URL's port is not a number from 1 to 65535 ()"},
		{"no host", with{"url", "https:///a"}, "bad-url url 0-0 error: the URL has no host ()"},
		{"an expression as host", with{"url", "https://${{ inputs.h }}/a"}, ""},
		{"user information", with{"url", "https://u:p@h.test/"}, "bad-url url 0-0 error: the URL holds a user name or password (give them in `basic: {username, password}`)"},
		{"a broken host", with{"url", "https://h!.test/"}, "bad-url url 0-0 error: the URL's host has a character that no host has: '!' ()"},
		{"a host that is not ASCII", with{"url", "https://ü.test/"}, "bad-url url 0-0 error: the URL's host has characters that are not ASCII (write it in the form that begins with xn-- (IDNA))"},
		{"a placeholder of OpenAPI", with{"url", "https://h.test/é/{id}/x"}, "bad-url url 17-21 warning: `{id}` is sent as it stands here (an expression is written ${{ … }})"},
		{"a placeholder with a colon", with{"url", "https://h.test/a/:id"}, "bad-url url 17-20 warning: `:id` is sent as it stands here (an expression is written ${{ … }})"},
		{"a fragment", with{"url", "https://h.test/${{ data.é }}#5"}, "bad-url url 28-29 warning: what follows # is a fragment, which is never sent (a # in a path or a query is written %23)"},
		{"a base with a query", with{"url", "/a", "base_url", "https://h.test?a=1"}, "bad-url base_url 0-0 error: `base_url` must not have a query or a fragment (`query` adds to the URL's own query, also in `defaults`)"},
		{"a base that is a path", with{"url", "/a", "base_url", "/b"}, "bad-url base_url 0-0 error: `base_url` has no host (begin with https:// or http://)"},
		{"a method", with{"url", "https://h.test", "method", "GET it"}, "wrong-value method 0-0 error: `method` cannot hold a blank ()"},
		{"a GET with a body", append(with{"method", "GET", "json", with{}}, u...), "wrong-value method 0-0 warning: a GET with a body: many servers ignore it or refuse it (without `method` this is a POST)"},
		{"Bearer glued", append(with{"headers", with{"authorization", "Bearer${{ data.t }}"}}, u...), "bad-bearer headers.authorization 0-0 error: between Bearer and the token one blank is missing (" + right + ")"},
		{"Bearer twice", append(with{"headers", with{"Authorization", "Bearer Bearer ${{ data.t }}"}}, u...), "bad-bearer headers.Authorization 0-0 error: the word Bearer stands here twice (" + right + ")"},
		{"Bearer and two blanks", append(with{"headers", with{"Authorization", "Bearer  ${{ data.t }}"}}, u...), "bad-bearer headers.Authorization 0-0 error: between Bearer and the token stands exactly one blank (" + right + ")"},
		{"Bearer with a colon", append(with{"headers", with{"Authorization", "Bearer: ${{ data.t }}"}}, u...), "bad-bearer headers.Authorization 0-0 error: after Bearer comes a blank and then the token (" + right + ")"},
		{"Bearer in quotes", append(with{"headers", with{"Authorization", `Bearer "${{ data.t }}"`}}, u...), "bad-bearer headers.Authorization 0-0 error: the token would be sent with the quotes around it (" + right + ")"},
		{"Bearer alone", append(with{"headers", with{"Authorization", "Bearer "}}, u...), "bad-bearer headers.Authorization 0-0 error: there is no token after Bearer (" + right + ")"},
		{"Bearer as it should be", append(with{"headers", with{"Authorization", "Bearer ${{ data.t }}"}}, u...), ""},
		{"bearer with Bearer", append(with{"bearer", "Bearer ${{ data.t }}"}, u...), "bad-bearer bearer 0-0 error: `bearer` takes the token alone; the word Bearer is added (write `bearer: ${{ … }}`)"},
		{"bearer and Authorization", append(with{"bearer", "${{ data.t }}", "headers", with{"authorization", "a b"}}, u...), "keys-exclude bearer 0-0 error: `bearer` and the header Authorization both say who asks (take one away; in a step `null` removes what comes from `defaults`)"},
		{"Basic by hand", append(with{"headers", with{"Authorization", "Basic ${{ data.u }}:${{ data.p }}"}}, u...), "bad-header headers.Authorization 0-0 error: after Basic comes base64 of user name, colon and password (`basic: {username: …, password: …}` makes it)"},
		{"Basic with base64()", append(with{"headers", with{"Authorization", `Basic ${{ base64(data.u + ":" + data.p) }}`}}, u...), ""},
		{"a colon in the user name", append(with{"basic", with{"username", "a:b", "password", "x"}}, u...), "wrong-value basic.username 0-0 error: a user name cannot hold a colon (RFC 7617 §2) (an OAuth client id is form-encoded first (RFC 6749 §2.3.1): ${{ urlEncode(…) }})"},
		{"a header's name", append(with{"headers", with{"X A", "1"}}, u...), "bad-header headers.X A 0-0 error: a header's name cannot hold a blank ()"},
		{"a line break in a header", append(with{"headers", with{"X-A", "é${{ data.é }}\n"}}, u...), "bad-header headers.X-A 14-15 error: a header cannot hold a line break (in YAML `>-` joins lines, `|` keeps their ends)"},
		{"Content-Length", append(with{"headers", with{"content-length", "1"}}, u...), "bad-header headers.content-length 0-0 error: this header is computed from the body (leave it out)"},
		{"Idempotency-Key by hand", append(with{"headers", with{"Idempotency-Key", "1"}}, u...), "bad-header headers.Idempotency-Key 0-0 note: as a header alone this does not let the call be repeated (`idempotency_key: …` sends it and does)"},
		{"Idempotency-Key twice", append(with{"idempotency_key", "true", "headers", with{"Idempotency-Key", "1"}}, u...), "keys-exclude headers.Idempotency-Key 0-0 error: `idempotency_key` sends this header already (take one away)"},
		{"a form that says JSON", append(with{"form", with{}, "headers", with{"content-type", "application/JSON"}}, u...), "bad-header headers.Content-Type 0-0 warning: the body is a form, and this says JSON (`json` in place of `form`)"},
		{"follow_redirects: true", append(with{"follow_redirects", "true"}, u...), "wrong-value follow_redirects 0-0 error: `follow_redirects` is false, same_origin, or how many: a number from 0 to 50 (same_origin follows those that stay on the server)"},
		{"max_response", append(with{"max_response", "1GiB"}, u...), "over-limit max_response 0-0 error: `max_response` may be 256MiB at most ()"},
		{"max_response of nothing", append(with{"max_response", "0"}, u...), "wrong-value max_response 0-0 error: `max_response` must be greater than 0: no answer fits ()"},
		{"timeout of nothing", append(with{"timeout", "0s"}, u...), "bad-duration timeout 0-0 error: `timeout` must be longer than nothing ()"},
		{"a key without its certificate", append(with{"tls", with{"key", "x"}}, u...), "missing-key tls 0-0 error: `cert` and `key` belong together, and one of them is missing ()"},
		{"a file as curl names it", append(with{"multipart", with{"a", "@up.csv", "b", "@"}}, u...), "wrong-value multipart.a 0-0 warning: this text itself is sent, and no file (write { file: … }, without the @)"},
		{"a certificate's file as text", append(with{"tls", with{"ca", "ca.pem"}}, u...), "wrong-value tls.ca 0-0 error: this is no certificate in PEM form (-----BEGIN CERTIFICATE-----) (for the name of a file write { file: … })"},
		{"a certificate", append(with{"tls", with{"ca", "-----BEGIN CERTIFICATE-----\nx"}}, u...), ""},
		{"a certificate from elsewhere", append(with{"tls", with{"ca", "${{ inputs.ca }}"}}, u...), ""},
		{"a part without content", append(with{"multipart", with{"a", with{"filename", "x"}, "b", "text"}}, u...), "missing-key multipart.a 0-0 error: the part `a` has nothing in it (give it `text`, `json`, `base64` or `file`)"},
		{"a proxy", append(with{"proxy", "h:1"}, u...), "bad-url proxy 0-0 error: `proxy` is not a URL such as http://proxy.example.test:3128 ()"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got := checked("http", c.w)
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestMistakesInADocumentAreFoundBeforeTheRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		w    with
		want []string
	}{
		{"the example", with{"query", openOrders2, "variables", with{"patient", "${{ inputs.p }}"}}, nil},
		{"no document", with{}, []string{"missing-key query 0-0 error: there is neither `query` nor `query_file` (`query` holds the GraphQL document)"}},
		{"syntax", with{"query", "{ é(a: ) }"}, []string{"bad-graphql query 2-3 error: 'é' has no meaning here ()"}},
		{"a value is missing", with{"query", "# é\n{ e(a: ) }"}, []string{"bad-graphql query 11-12 error: a value is missing before `)` ()"}},
		{"not declared", with{"query", "query A { a(b: $b) }"}, []string{"bad-graphql query 15-17 error: $b is not declared: query A($b: TYPE) ()"}},
		{"nearly declared", with{"query", "query A($boy: Int) { a(b: $bay, c: $boy) }"}, []string{"bad-graphql query 26-30 error: $bay is not declared: query A($bay: TYPE) (did you mean \"$boy\"?)"}},
		{"not given", with{"query", "query A($b: Int!) { a(b: $b) }"}, []string{"bad-graphql query 8-10 error: `variables` has no b, and $b: Int! must have a value ()"}},
		{"not given and not needed", with{"query", "query A($b: Int, $c: Int! = 1) { a(b: $b, c: $c) }"}, nil},
		{"given by an expression", with{"query", "query A($b: Int!) { a(b: $b) }", "variables", "${{ data.v }}"}, nil},
		{"given and not declared", with{"query", "query A($b: Int) { a(b: $b) }", "variables", with{"c", "1"}}, []string{"bad-graphql variables.c 0-0 error: the document declares no variable $c (it declares $b)"}},
		{"not used", with{"query", "query A($b: Int) { a }"}, []string{"bad-graphql query 8-10 warning: $b is declared and not used ()"}},
		{"used in a fragment", with{"query", "query A($b: Int) { ...F } fragment F on T { a(b: $b) ...F }"}, nil},
		{"no such fragment", with{"query", "{ ...F }"}, []string{"bad-graphql query 5-6 error: there is no fragment \"F\" in this document ()"}},
		{"several operations", with{"query", "query A { a } query B { b }"}, []string{"bad-graphql query 0-0 error: the document has several operations: A, B (`operation_name` says which one to carry out)"}},
		{"an operation without a name", with{"query", "{ a }", "operation_name", "B"}, []string{"bad-graphql operation_name 0-0 error: the document has no operation \"B\" (its operation has no name: leave `operation_name` away)"}},
		{"no such operation", with{"query", "query A { a }", "operation_name", "B"}, []string{"bad-graphql operation_name 0-0 error: the document has no operation \"B\" (it has A)"}},
		{"a subscription", with{"query", "subscription S { a }"}, []string{"bad-graphql query 13-14 error: a subscription has many answers, and a graphql step takes one ()"}},
		{"in a file", with{"query_file", "q.graphql"}, []string{"bad-graphql query_file 0-0 error: line 2, column 15: $b is not declared: query Q($b: TYPE) (did you mean \"$a\"?)", "bad-graphql query_file 0-0 error: line 1, column 9: `variables` has no a, and $a: Int! must have a value ()"}},
		{"no such file", with{"query_file", "x"}, []string{"unreadable-file query_file 0-0 error: there is no file x ()"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, got := checked("graphql", append(with{"url", "https://h.test/graphql"}, c.w...))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if v.Title != "POST https://h.test/graphql" {
				t.Errorf("title %q", v.Title)
			}
		})
	}
}

const openOrders2 = "query Open($patient: ID!) { orders(patient: $patient) { id owner { email } urgent } }\n"

func TestEveryFieldIsDescribed(t *testing.T) {
	t.Parallel()
	var look func(path string, fields []flow.Field, named bool)
	look = func(path string, fields []flow.Field, named bool) {
		for _, f := range fields {
			at := path + "." + f.Name
			if named && (f.Name == "" || f.Doc == "" && f.Name != "value") {
				t.Errorf("%s has no name or no description", at)
			}
			if strings.Contains(f.Doc, "  ") || f.Doc != "" && !strings.HasSuffix(f.Doc, ".") {
				t.Errorf("%s: %q", at, f.Doc)
			}
			look(at, f.Fields, f.Type == flow.ObjectField)
		}
	}
	for name, a := range actions.Builtin() {
		spec := a.Spec()
		look(name, spec.Fields, true)
		if spec.Doc == "" || spec.Body == "" || spec.Web == (name == "oauth2") || spec.Check == nil {
			t.Errorf("%s: %+v", name, spec)
		}
	}
}
