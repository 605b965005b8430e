package actions_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// answer makes what a server answered: status, body, then header names and values.
func answer(status int, body string, header ...string) flow.Result {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return flow.Result{Status: status, Body: []byte(body), Headers: h}
}

func TestARefusalHasAKindAndHints(t *testing.T) {
	t.Parallel()
	const problem = "application/problem+json"
	token := []string{"form", `{"grant_type":"client_credentials"}`, "basic", `{"username":"id","password":"pass"}`}
	withBasic := func(id, secret string) []string {
		return []string{"form", `{"grant_type":"client_credentials"}`, "basic", `{"username":` + text(id) + `,"password":` + text(secret) + `}`}
	}
	jwt := func(claims string) string {
		return `"a.` + base64.RawURLEncoding.EncodeToString([]byte(claims)) + `.c"`
	}
	past, future := time.Now().Add(-3*time.Hour).Unix(), time.Now().Add(3*time.Hour).Unix()
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, c := range []struct {
		name string
		args []string
		flow.Result
		kind flow.Kind
		say  []string // each in some hint
		not  []string // in no hint
	}{
		{"a 401 that says why", []string{"bearer", `"t"`}, answer(401, "", "WWW-Authenticate", `Bearer realm="x", error="invalid_token", error_description="The token \"t\" expired"`, "Date", date(61*time.Minute)), flow.KindAuth,
			[]string{`the server says: invalid_token: The token "t" expired`, "invalid_token: the token is expired", "clock is 61m ahead"}, nil},
		{"an OperationOutcome", nil, answer(404, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found","details":{"text":"no patient 7"}}]}`), flow.KindHTTP, []string{"the server says: no patient 7"}, nil},
		{"an OperationOutcome with diagnostics", nil, answer(422, `{"issue":[{"code":"invalid","diagnostics":"birthDate is not a date"},{"code":"required"}]}`), flow.KindHTTP, []string{"the server says: birthDate is not a date; required"}, nil},
		{"a list of errors", nil, answer(400, `{"errors":[{"field":"patient","message":"is required"},"b","c","d","e"]}`), flow.KindHTTP, []string{"the server says: patient: is required; b; c; and 2 more"}, nil},
		{"errors by field", nil, answer(400, `{"title":"Not valid.","errors":{"start":["must be a date","twice"]}}`, "Content-Type", problem), flow.KindHTTP, []string{"the server says: Not valid: start: must be a date"}, nil},
		{"a plain text", nil, answer(400, "no such ward\n", "Content-Type", "text/plain; charset=utf-8"), flow.KindHTTP, []string{"the server says: no such ward"}, nil},
		{"a plain text that says nothing", nil, answer(500, "Internal Server Error\n", "Content-Type", "text/plain"), flow.KindHTTP, nil, []string{"says"}},
		{"a login that redirects", []string{"form", `{"user":"a"}`}, answer(302, "", "Location", "/home", "Set-Cookie", "sid=0123456789; Path=/", "Set-Cookie", "lang=de"), flow.KindHTTP,
			[]string{"and sets the cookies sid, lang: list the status (`expect: { status: 302 }`) and save it (`{ cookie: NAME }`)"}, []string{"0123456789", "follow_redirects"}},
		{"a clock that is behind", []string{"bearer", `"t"`}, answer(401, "", "Date", date(-3*time.Hour)), flow.KindAuth, []string{"clock is 3h behind"}, nil},
		{"a clock that is right", []string{"bearer", `"t"`}, answer(401, "", "Date", date(0)), flow.KindAuth, nil, []string{"clock"}},
		{"no credentials", nil, answer(401, "", "WWW-Authenticate", `Basic realm="clinic"`), flow.KindAuth, []string{"carries no Authorization: the server asks for Basic (realm \"clinic\")"}, nil},
		{"an API key is credentials", []string{"headers", `{"X-Api-Key":"k"}`}, answer(401, ""), flow.KindAuth, nil, []string{"no Authorization"}},
		{"another scheme", []string{"bearer", `"t"`}, answer(401, "", "WWW-Authenticate", `Digest nonce="a=,b", Basic`), flow.KindAuth, []string{"asks for Digest or Basic, and the request carries Bearer"}, nil},
		{"a bare token", []string{"headers", `{"Authorization":"abc"}`}, answer(401, ""), flow.KindAuth, []string{"has no scheme"}, nil},
		{"two blanks", []string{"headers", `{"Authorization":"Bearer  abc"}`}, answer(401, ""), flow.KindAuth, []string{"more than one blank"}, nil},
		{"white space", []string{"bearer", `"a b"`}, answer(401, ""), flow.KindAuth, []string{"white space in it"}, nil},
		{"quotes", []string{"bearer", `"\"abc\""`}, answer(403, ""), flow.KindHTTP, []string{"quotes in it"}, nil},
		{"an object", []string{"bearer", `"{\"access_token\":\"x\"}"`}, answer(401, ""), flow.KindAuth, []string{"a whole JSON object"}, nil},
		{"null", []string{"bearer", `"null"`}, answer(401, ""), flow.KindAuth, []string{`the word "null"`}, nil},
		{"an expired JWT", []string{"bearer", jwt(fmt.Sprintf(`{"exp":%d,"sub":"canary"}`, past))}, answer(401, ""), flow.KindAuth, []string{"expired 3h ago"}, []string{"canary"}},
		{"a JWT of tomorrow", []string{"bearer", jwt(fmt.Sprintf(`{"exp":%d,"nbf":%d}`, future, future))}, answer(401, ""), flow.KindAuth, []string{"good only in 3h"}, []string{"expired"}},
		{"Basic by hand", []string{"headers", `{"Authorization":"Basic id:pass"}`}, answer(401, ""), flow.KindAuth, []string{"base64 of user name"}, nil},
		{"Basic", []string{"basic", `{"username":"a","password":"p%w "}`}, answer(401, ""), flow.KindAuth, []string{"check the user name", "the password begins or ends with white space"}, []string{"2.3.1"}},
		{"scope", []string{"bearer", `"t"`}, answer(403, "", "WWW-Authenticate", `Bearer error="insufficient_scope", scope="orders.read"`), flow.KindHTTP, []string{"it wants the scope orders.read", "its scopes do not allow"}, nil},
		{"403 without a word", []string{"bearer", `"t"`}, answer(403, ""), flow.KindHTTP, []string{"knows who asks and does not allow it"}, nil},

		{"a wrong client", token, answer(400, `{"error":"invalid_client","error_description":"Unknown client"}`), flow.KindAuth, []string{"the server says: invalid_client: Unknown client", "the client was not accepted", "in the form only"}, []string{"2.3.1"}},
		{"a wrong client where Basic is asked for", token, answer(401, `{"error":"invalid_client"}`, "WWW-Authenticate", "Basic"), flow.KindAuth, []string{"invalid_client"}, []string{"in the form only"}},
		{"Basic without a word", token, answer(401, ""), flow.KindAuth, []string{"check the client id and the client secret"}, nil},
		{"said twice", []string{"bearer", `"t"`}, answer(401, `{"title":"Unauthorized","detail":"too old"}`, "WWW-Authenticate", `Bearer error="x", error_description="too old"`), flow.KindAuth, []string{"the server says: x: too old"}, []string{"says: too old"}},
		{"a secret that encodes differently", withBasic("id", secret), answer(401, `{"error":"invalid_client"}`), flow.KindAuth, []string{"RFC 6749 §2.3.1 form-encodes"}, []string{"p@ss", "look form-encoded"}},
		{"a secret that looks encoded", withBasic("id", "p%40ss"), answer(401, ""), flow.KindAuth, []string{"look form-encoded"}, []string{"p%40ss"}},
		{"a secret with a blank at its end", withBasic("id", "x "), answer(401, ""), flow.KindAuth, []string{"the client secret begins or ends with white space"}, nil},
		{"sent twice", []string{"form", `{"grant_type":"client_credentials","client_secret":"s"}`, "basic", `{"username":"id","password":"pass"}`}, answer(400, ""), flow.KindAuth, []string{"sent twice"}, nil},
		{"no client", []string{"form", `{"grant_type":"client_credentials"}`}, answer(400, ""), flow.KindAuth, []string{"names no client"}, []string{"no Authorization"}},
		{"JSON in place of a form", []string{"json", `{"grant_type":"client_credentials","client_id":"a","client_secret":"b"}`}, answer(400, `{"error":"invalid_request"}`), flow.KindAuth, []string{"wants a form", "a parameter is missing"}, nil},
		{"a form that says JSON", []string{"form", `{"grant_type":"client_credentials","client_id":"a"}`, "headers", `{"Content-Type":"application/json"}`}, answer(415, "", "Accept-Post", "application/x-www-form-urlencoded"), flow.KindAuth, []string{"Content-Type says application/json", "it takes application/x-www-form"}, nil},
		{"no token endpoint", token, answer(404, "<!DOCTYPE html><html>"), flow.KindAuth, []string{"no token endpoint", "HTML page"}, nil},
		{"a token endpoint that is busy", token, answer(429, "", "Retry-After", "7"), flow.KindHTTP, []string{"Retry-After: 7"}, nil},
		{"a token endpoint that fails", token, answer(503, ""), flow.KindHTTP, nil, nil},
		{"a token endpoint's 408", token, answer(408, ""), flow.KindHTTP, nil, nil},
		{"grants", token, answer(400, `{"error":"unsupported_grant_type"}`), flow.KindAuth, []string{"does not know this grant_type"}, nil},

		{"a redirect", nil, answer(302, "", "Location", "/login"), flow.KindHTTP, []string{"http://127.0.0.1:1/login", "`follow_redirects: same_origin`"}, nil},
		{"a redirect away", nil, answer(302, "", "Location", "https://u:p@other.test/x"), flow.KindHTTP, []string{"https://other.test/x, on another origin"}, []string{"u:p"}},
		{"a redirect to https", nil, answer(301, "", "Location", "https://127.0.0.1/a"), flow.KindHTTP, []string{"write https"}, nil},
		{"a redirect to nowhere", nil, answer(302, ""), flow.KindHTTP, []string{"names no place"}, nil},
		{"not modified", nil, answer(304, ""), flow.KindHTTP, []string{"`expect.status`"}, nil},
		{"a wrong method", nil, answer(405, "", "Allow", "POST, PUT"), flow.KindHTTP, []string{"takes POST, PUT, not GET"}, nil},
		{"a problem", []string{"json", "1"}, answer(422, `{"type":"about:blank","title":"Bad","detail":"number is missing"}`, "Content-Type", problem), flow.KindHTTP, []string{"the server says: number is missing"}, nil},
		{"an error in an object", nil, answer(400, `{"error":{"code":"E7","message":"no\nway\u0007"}}`), flow.KindHTTP, []string{"the server says: E7: no way"}, nil},
		{"JSON that says nothing", nil, answer(500, `[1,2`), flow.KindHTTP, nil, []string{"says"}},
		{"HTML", nil, answer(502, "<HTML>", "Content-Type", "text/html"), flow.KindHTTP, []string{"HTML page"}, nil},
		{"a 2xx", nil, answer(204, ""), flow.KindExpect, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			call := planned(t, client(t, nil), "http", flow.Input{Args: append(fields("url", `"http://127.0.0.1:1/a"`), fields(c.args...)...)})
			kind, hints := call.Refused(c.Result)
			if kind != c.kind {
				t.Errorf("kind %s, want %s", kind, c.kind)
			}
			all := strings.Join(hints, "\n")
			for _, say := range c.say {
				if !strings.Contains(all, say) {
					t.Errorf("no hint says %q:\n%s", say, all)
				}
			}
			for _, say := range c.not {
				if strings.Contains(all, say) {
					t.Errorf("a hint says %q:\n%s", say, all)
				}
			}
			if c.say == nil && c.not == nil && len(hints) > 0 {
				t.Errorf("hints where none belong:\n%s", all)
			}
		})
	}
}

func TestAScopeThatLacksIsComparedWithThoseThatAreAskedFor(t *testing.T) {
	t.Parallel()
	const says = "the credential's `scopes`"
	for _, c := range []struct {
		asked []string
		knows bool
		code  string
		want  string // "" is none
	}{
		{[]string{"patient.read", "orders.read", "orders.write"}, true, "insufficient_scope", says + " asks for it already"},
		{[]string{"orders.read"}, true, "insufficient_scope", says + " does not ask for orders.write: add it"},
		{nil, true, "insufficient_scope", says + " does not ask for orders.read orders.write: add it"},
		{nil, false, "insufficient_scope", ""},
		{nil, true, "invalid_token", ""},
	} {
		in := flow.Input{Args: fields("url", `"http://127.0.0.1:1/a"`, "bearer", `"t"`), Scopes: func() ([]string, bool) { return c.asked, c.knows }}
		_, hints := planned(t, client(t, nil), "http", in).Refused(answer(403, "", "WWW-Authenticate", `Bearer error="`+c.code+`", scope="orders.read orders.write"`))
		if all := strings.Join(hints, "\n"); !strings.Contains(all, c.want) || c.want == "" && strings.Contains(all, says) {
			t.Errorf("%q, %s:\n%s", c.asked, c.code, all)
		}
	}
}

func TestHintsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "c4n4ry-%20 x"
	for _, args := range [][]string{
		{"bearer", text(canary)},
		{"headers", `{"Authorization":` + text("Bearer  "+canary) + `}`},
		{"basic", `{"username":` + text(canary) + `,"password":` + text(canary) + `}`, "form", `{"grant_type":"password","password":` + text(canary) + `}`},
		{"json", `{"grant_type":"x","client_id":` + text(" "+canary) + `,"client_secret":` + text(canary) + `}`},
		{"headers", `{"Authorization":` + text(canary) + `,"X-Api-Key":` + text(canary) + `}`},
	} {
		call := planned(t, client(t, nil), "http", flow.Input{Args: append(fields("url", `"http://127.0.0.1:1/a"`), fields(args...)...)})
		for _, status := range []int{302, 400, 401, 403, 404, 405, 406, 415, 429, 500} {
			_, hints := call.Refused(answer(status, "{}", "WWW-Authenticate", "Digest", "Location", "/"))
			if all := strings.Join(hints, "\n"); strings.Contains(all, "c4n4ry") {
				t.Errorf("%d: %s", status, all)
			}
		}
	}
}
