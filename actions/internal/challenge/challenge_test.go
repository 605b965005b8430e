package challenge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func show(list []Challenge) string {
	var all []string
	for _, c := range list {
		s := c.Scheme
		if c.Token != "" {
			s += " " + c.Token
		}
		for _, p := range c.params {
			s += fmt.Sprintf(" %s=<%s>", p[0], p[1])
		}
		all = append(all, s)
	}
	return strings.Join(all, "; ")
}

func TestChallengesAreRead(t *testing.T) {
	for header, want := range map[string]string{
		`Bearer`: "Bearer",
		`Bearer realm="a, \"b\"", error="invalid_token",error_description="x"`: `Bearer realm=<a, "b"> error=<invalid_token> error_description=<x>`,
		`Basic realm="a", Bearer error = invalid_token , scope="a b"`:          "Basic realm=<a>; Bearer error=<invalid_token> scope=<a b>",
		`Negotiate, Basic realm=x`: "Negotiate; Basic realm=<x>",
		`Negotiate YWJj==, NTLM`:   "Negotiate YWJj==; NTLM",
		`Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple"`: `Newauth realm=<apps> type=<1> title=<Login to "apps">; Basic realm=<simple>`,
		``:                         "",
		`, ,`:                      "",
		`=`:                        "",
		`Bearer error="not closed`: "Bearer error=<not closed>",
		`Bearer error="ends in \`:  `Bearer error=<ends in \>`,
		`"quoted"`:                 "quoted",
		"Bearer\terror=\"a\"":      "Bearer error=<a>",
	} {
		if got := show(Parse([]string{header})); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", header, got, want)
		}
	}
	if got := show(Parse([]string{"Basic", "Bearer a=1"})); got != "Basic; Bearer a=<1>" {
		t.Errorf("got %s", got)
	}
	if c := Parse([]string{`Bearer Error="x"`}); c[0].Param("error") != "x" || c[0].Param("none") != "" {
		t.Errorf("got %+v", c)
	}
}

func TestErrorsInBodiesAreRead(t *testing.T) {
	for body, want := range map[string]Error{
		`{"error":"invalid_client","error_description":"no"}`:       {"invalid_client", "no"},
		`{"title":"t","detail":"d"}`:                                {"", "d"},
		`{"title":"t"}`:                                             {"", "t"},
		`{"message":"m","code":7}`:                                  {"7", "m"},
		`{"error":{"code":"E","message":"m"}}`:                      {"E", "m"},
		`{"error":"a","error":{"code":"E"}}`:                        {"E", ""},
		`{"error":"e","detail":"d","error_description":"x","a":[]}`: {"e", "x"},
		`{"error":"e"`:                                              {},
		`[]`:                                                        {},
		``:                                                          {},
		`<html>`:                                                    {},
	} {
		if diff := cmp.Diff(want, FromBody(body)); diff != "" {
			t.Errorf("%s\n%s", body, diff)
		}
	}
}

func FuzzParseEnds(f *testing.F) {
	f.Add(`Bearer error="invalid_token", Basic realm=x`)
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range Parse([]string{header}) {
			if c.Scheme == "" {
				t.Fatalf("%q: a challenge without a scheme", header)
			}
		}
	})
}
