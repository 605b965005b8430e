package actions_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow"
)

func jsonAnswer(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body + "…"
}

func TestADocumentAndItsVariablesAreOneJSON(t *testing.T) {
	t.Parallel()
	w := listen(t, jsonAnswer(`{"data":{"a":1}}`))
	const doc = "query Open($patient: ID!) { # \"é\" \\ \t\n orders(patient: $patient) { id } }\nmutation B { b }"
	in := flow.Input{Args: fields("url", text(w.URL+"/graphql"), "query", text(doc), "variables", `{"patient": 13.0, "x":null}`, "operation_name", `"Open"`, "bearer", `"t"`)}
	call := planned(t, client(t, nil), "graphql", in)
	if !call.Repeatable || call.Origin != w.URL {
		t.Errorf("got %+v", call)
	}
	r := done(t, call)
	if string(r.Body) != `{"data":{"a":1}}` {
		t.Errorf("got %s", r.Body)
	}
	first, header, body := lines(w.seen()[0])
	want := `{"query":"query Open($patient: ID!) { # \"é\" \\ \t\n orders(patient: $patient) { id } }\nmutation B { b }","variables":{"patient": 13.0, "x":null},"operationName":"Open"}`
	if first != "POST /graphql HTTP/1.1" || body != want {
		t.Errorf("%s\ngot  %s\nwant %s", first, body, want)
	}
	if header.Get("Accept") != "application/graphql-response+json, application/json" || header.Get("Content-Type") != "application/json" || header.Get("Authorization") != "Bearer t" {
		t.Errorf("headers %v", header)
	}
}

func TestOnlyQueriesAreRepeatable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"query", `"{ a }"`}, true},
		{[]string{"query", `"query { a }"`}, true},
		{[]string{"query", `"mutation { a }"`}, false},
		{[]string{"query", `"mutation { a }"`, "idempotency_key", "true"}, true},
		{[]string{"query", `"mutation { a }"`, "repeatable", "true"}, true},
		{[]string{"query", `"{ a }"`, "repeatable", "false"}, false},
		{[]string{"query", `"query A { a } mutation B { a }"`, "operation_name", `"A"`}, true},
		{[]string{"query", `"query A { a } mutation B { a }"`, "operation_name", `"B"`}, false},
		{[]string{"query_file", `"q.graphql"`}, true},
	} {
		in := flow.Input{Args: append(fields("url", `"http://h"`), fields(c.args...)...), File: func(string) ([]byte, error) { return []byte("{ a }"), nil }}
		if got := planned(t, client(t, nil), "graphql", in).Repeatable; got != c.want {
			t.Errorf("%v: %v", c.args, got)
		}
	}
}

func TestADocumentThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for say, args := range map[string][]string{
		"neither `query` nor":                nil,
		"query:1:1: the brace is not closed": {"query", `"{\n a"`},
		"several operations":                 {"query", `"query A { a } query B { a }"`},
		"no operation \"C\"":                 {"query", `"query A { a } query B { a }"`, "operation_name", `"C"`},
		"a subscription":                     {"query", `"subscription { a }"`},
		"must be a mapping":                  {"query", `"{ a }"`, "variables", `[1]`},
		"q.graphql:1:1: the brace":           {"query_file", `"q.graphql"`},
		"both given":                         {"query_file", `"q.graphql"`, "query", `"{ a }"`},
	} {
		in := flow.Input{Args: append(fields("url", `"http://h"`), fields(args...)...), File: func(string) ([]byte, error) { return []byte("{ a "), nil }}
		e := refusedPlan(t, "graphql", in)
		if e.Kind != flow.KindData {
			t.Errorf("kind %s", e.Kind)
		}
		if !strings.Contains(e.Message, say) {
			t.Errorf("got %q, want …%s…", e.Message, say)
		}
	}
}

func TestAnAnswerWithErrorsFails(t *testing.T) {
	t.Parallel()
	const one = `{"errors":[{"message":"no \"such\"\npatient","path":["orders",0,"id"],"extensions":{"x":[1],"code":"NOT_FOUND"}}],"data":null}`
	for _, c := range []struct {
		name  string
		body  string
		say   string
		facts []flow.Fact
		hint  string
	}{
		{"one", one, `the server answered with an error: no "such" patient (at orders.0.id) [NOT_FOUND]`, nil, ""},
		{"two", `{"data":{"a":1},"errors":[{"message":"a"},{"locations":[]}]}`, "the server answered with 2 errors", []flow.Fact{{Name: "error", Text: "a"}, {Name: "error", Text: "an error without a message"}}, ""},
		{"a token", `{"errors":[{"message":"a","extensions":{"code":"UNAUTHENTICATED"}}]}`, "the server answered with an error: a [UNAUTHENTICATED]", nil, "does not know who asks"},
		{"HTML", "<html>", "the answer is not a GraphQL response, which is a JSON object: it is an HTML page", nil, "compare `url`"},
		{"nothing", "", "the answer is not a GraphQL response, which is a JSON object: it is empty", nil, ""},
		{"a list", "[1]", "the answer is not a GraphQL response, which is a JSON object", nil, ""},
		{"nothing that is known", "{}", "the answer is not a GraphQL response, which is a JSON object: it has neither `data` nor `errors`", nil, ""},
		{"half of it", `{"data":{"a":[1,2`, "the answer is not a GraphQL response, which is a JSON object", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, jsonAnswer(c.body))
			args := fields("url", text(w.URL), "query", `"mutation { a }"`, "bearer", `"t"`)
			e := failure(t, t.Context(), planned(t, client(t, nil), "graphql", flow.Input{Args: args}))
			if e.Kind != flow.KindGraphQL || e.Status != 200 || e.Sent || e.Message != c.say || string(e.Body) != c.body {
				t.Errorf("got %s, status %d, sent %v: %s", e.Kind, e.Status, e.Sent, e.Message)
			}
			if diff := cmp.Diff(c.facts, e.Facts); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(strings.Join(e.Hints, "\n"), c.hint) {
				t.Errorf("hints %q", e.Hints)
			}
		})
	}
	w := listen(t, jsonAnswer(one))
	done(t, planned(t, client(t, nil), "graphql", flow.Input{AllowErrors: true, Args: fields("url", text(w.URL), "query", `"{ a }"`)}))
}

func TestNoErrorsAreNoFailure(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"data":{}}`, `{"data":null,"errors":[]}`, `{"errors":null,"data":{"errors":[{"message":"a"}]}}`, ` {"data":"\"errors\":[{}]"} `} {
		w := listen(t, jsonAnswer(body))
		if r := done(t, planned(t, client(t, nil), "graphql", flow.Input{Args: fields("url", text(w.URL), "query", `"{ a }"`)})); string(r.Body) != body {
			t.Errorf("got %s", r.Body)
		}
	}
}

func TestAnotherStatusIsNotLookedInto(t *testing.T) {
	t.Parallel()
	w := listen(t, "HTTP/1.1 400 Bad Request\r\n\r\n"+`{"errors":[{"message":"Unknown field x"}]}`+"…")
	call := planned(t, client(t, nil), "graphql", flow.Input{Args: fields("url", text(w.URL), "query", `"{ a }"`)})
	r := done(t, call)
	kind, hints := call.Refused(r)
	if r.Status != 400 || kind != flow.KindHTTP || !strings.Contains(strings.Join(hints, "\n"), "the server says: Unknown field x") {
		t.Errorf("got %d, %s, %q", r.Status, kind, hints)
	}
	w = listen(t, hangUp)
	e := failure(t, t.Context(), planned(t, client(t, nil), "graphql", flow.Input{Args: fields("url", text(w.URL), "query", `"mutation { a }"`)}))
	if e.Kind != flow.KindNetwork || !e.Sent || errors.Is(e, nil) {
		t.Errorf("got %s, sent %v", e.Kind, e.Sent)
	}
}
