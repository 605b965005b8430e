package oauth2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

func TestATokenIsReadFromWhateverServersAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, access, kind, scope string }{
		{"plain", `{"access_token":"abc","token_type":"Bearer","expires_in":3600}`, "abc", "Bearer", ""},
		{"type in small letters", `{"access_token":"abc","token_type":"bearer"}`, "abc", "Bearer", ""},
		{"type in capitals", `{"access_token":"abc","token_type":"BEARER"}`, "abc", "Bearer", ""},
		{"no type", `{"access_token":"abc"}`, "abc", "Bearer", ""},
		{"null type", `{"access_token":"abc","token_type":null}`, "abc", "Bearer", ""},
		{"empty type", `{"access_token":"abc","token_type":""}`, "abc", "Bearer", ""},
		{"white space around", " \r\n {\"access_token\":\"abc\"}\n\n", "abc", "Bearer", ""},
		{"byte order mark", "\xef\xbb\xbf{\"access_token\":\"abc\"}", "abc", "Bearer", ""},
		{"byte order mark after a line", "\n\xef\xbb\xbf {\"access_token\":\"abc\"}", "abc", "Bearer", ""},
		{"a form", "access_token=abc&token_type=bearer&expires_in=60", "abc", "Bearer", ""},
		{"a form with escapes", "scope=a+b&access_token=a%2Bb%3D%3D", "a+b==", "Bearer", "a b"},
		{"a form without more", "access_token=abc", "abc", "Bearer", ""},
		{"all signs a token may have", `{"access_token":"AZaz09-._~+/=!#$%&'()*,:;<>?@[]^{|}` + "`" + `"}`, "AZaz09-._~+/=!#$%&'()*,:;<>?@[]^{|}`", "Bearer", ""},
		{"escaped JSON", `{"access_token":"a\u0062c\/d"}`, "abc/d", "Bearer", ""},
		{"scope", `{"access_token":"abc","scope":"a b"}`, "abc", "Bearer", "a b"},
		{"scope as a list", `{"access_token":"abc","scope":["a","b"]}`, "abc", "Bearer", "a b"},
		{"scope as a number", `{"access_token":"abc","scope":7}`, "abc", "Bearer", ""},
		{"null scope", `{"access_token":"abc","scope":null}`, "abc", "Bearer", ""},
		{"null error", `{"access_token":"abc","error":null}`, "abc", "Bearer", ""},
		{"empty error", `{"access_token":"abc","error":""}`, "abc", "Bearer", ""},
		{"error that is false", `{"access_token":"abc","error":false}`, "abc", "Bearer", ""},
		{"error 0", `{"access_token":"abc","error":0}`, "abc", "Bearer", ""},
		{"refresh token null", `{"access_token":"abc","refresh_token":null}`, "abc", "Bearer", ""},
		{"refresh token a number", `{"access_token":"abc","refresh_token":7}`, "abc", "Bearer", ""},
		{"unknown members", `{"access_token":"abc","patient":"p1","need_patient_banner":true,"x":{"y":[1,2]}}`, "abc", "Bearer", ""},
		{"16 KiB", `{"access_token":"` + strings.Repeat("a", 16<<10) + `"}`, strings.Repeat("a", 16<<10), "Bearer", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, content := range []string{"application/json", "text/html", "application/x-www-form-urlencoded", ""} {
				r := ok(c.body)
				r.header = map[string]string{"Content-Type": content}
				got, err := source(t, &oauth2.Client{Carrier: serving(r)}, basic()).Token(t.Context())
				if err != nil {
					t.Fatalf("%s: %v", content, err)
				}
				want(t, "token", got.Access.RevealText(), c.access)
				want(t, "type", got.Type, c.kind)
				want(t, "scope", got.Scope, c.scope)
				want(t, "Authorization", got.Authorization().RevealText(), "Bearer "+c.access)
			}
		})
	}
}

func TestAnAnswerWithoutAGoodTokenIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body, says string
		tries            int
	}{
		{"empty", "", "is empty", 1},
		{"blank", " \n ", "is empty", 1},
		{"a page", "<!DOCTYPE html><p>Log in", "HTML page", 3},
		{"a page without doctype", "  <html><p>Log in", "HTML page", 3},
		{"xml", `<?xml version="1.0"?><token/>`, "XML", 1},
		{"half an object", `{"access_token":"abc"`, "not valid JSON", 1},
		{"two objects", `{"access_token":"abc"}{"access_token":"def"}`, "not valid JSON", 1},
		{"a list", `[{"access_token":"abc"}]`, "not an object", 1},
		{"a text", `"abc"`, "not an object", 1},
		{"a word", `abc`, "neither JSON nor a form", 1},
		{"a sentence with =", `the token = abc`, "neither JSON nor a form", 1},
		{"a broken form", `access_token=%zz`, "neither JSON nor a form", 1},
		{"too deep", `{"access_token":"abc","x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}`, "not valid JSON", 1},
		{"no token", `{"token_type":"Bearer"}`, "has no access_token", 1},
		{"another member", `{"accessToken":"abc"}`, "`token: {access_token: PATH}`", 1},
		{"an error", `{"error":"invalid_client","error_description":"unknown"}`, "invalid_client: unknown", 1},
		{"an error beside a token", `{"error":"invalid_scope","access_token":"abc"}`, "in spite of its status: invalid_scope", 1},
		{"an error that is an object", `{"error":{"code":"bad","message":"no such client"}}`, "bad: no such client", 1},
		{"an error that is true", `{"error":true,"message":"no such client"}`, "no such client", 1},
		{"a form with an error", `error=bad_verification_code&error_description=wrong`, "bad_verification_code: wrong", 1},
		{"null token", `{"access_token":null}`, "has no access_token", 1},
		{"empty token", `{"access_token":""}`, "is empty", 1},
		{"number token", `{"access_token":123}`, "is not a text", 1},
		{"object token", `{"access_token":{"value":"abc"}}`, "is not a text", 1},
		{"true token", `{"access_token":true}`, "is not a text", 1},
		{"token of blanks", `{"access_token":"  "}`, "white space", 1},
		{"token with a blank", `{"access_token":"abc def"}`, "white space", 1},
		{"token with a line end", `{"access_token":"abc\n"}`, "white space", 1},
		{"token with CR LF", `{"access_token":"abc\r\nX-Other: 1"}`, "white space", 1},
		{"token with a tab", `{"access_token":"\tabc"}`, "white space", 1},
		{"token with NUL", `{"access_token":"abc\u0000"}`, "control character", 1},
		{"token with DEL", `{"access_token":"abc\u007f"}`, "control character", 1},
		{"token with an umlaut", `{"access_token":"äbc"}`, "not ASCII", 1},
		{"token with Bearer before", `{"access_token":"Bearer abc"}`, "begins with the word Bearer", 1},
		{"token that is the word null", `{"access_token":"null"}`, "is the word null", 1},
		{"token that is the word undefined", `{"access_token":"undefined"}`, "is the word undefined", 1},
		{"token over 16 KiB", `{"access_token":"` + strings.Repeat("a", 16<<10+1) + `"}`, "longer than 16 KiB", 1},
		{"two tokens", `{"access_token":"abc","access_token":"def"}`, `twice: "access_token"`, 1},
		{"two types", `{"access_token":"abc","token_type":"Bearer","token_type":"mac"}`, `twice: "token_type"`, 1},
		{"the same key escaped", `{"access_token":"abc","access_to\u006ben":"def"}`, `twice: "access_token"`, 1},
		{"two tokens in a form", `access_token=abc&access_token=def`, `twice: "access_token"`, 1},
		{"type mac", `{"access_token":"abc","token_type":"mac"}`, `type is "mac"`, 1},
		{"type N_A without an exchange", `{"access_token":"abc","token_type":"N_A"}`, `type is "N_A"`, 1},
		{"type DPoP unasked", `{"access_token":"abc","token_type":"DPoP"}`, "write `dpop: true`", 1},
		{"type a number", `{"access_token":"abc","token_type":7}`, "is not a text", 1},
		{"over 1 MiB", `{"access_token":"abc","x":"` + strings.Repeat("a", 1<<20) + `"}`, "longer than 1 MiB", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := ok(c.body)
			r.header = map[string]string{"Retry-After": "0"}
			s := serving(r)
			e := failed(t, source(t, &oauth2.Client{Carrier: s}, basic()))
			want(t, "kind", e.Kind, flow.KindAuth)
			want(t, "tries", s.count(), c.tries)
			if !strings.Contains(written(e), c.says) {
				t.Errorf("%q is missing in\n%s", c.says, written(e))
			}
			if strings.Contains(written(e), "abc") || strings.Contains(written(e), "canary") {
				t.Errorf("a secret is in\n%s", written(e))
			}
		})
	}
}

func TestMembersAreFoundByTheirPaths(t *testing.T) {
	t.Parallel()
	cred := basic()
	cred.Token = oauth2.Members{AccessToken: "data.token.value", ExpiresIn: "data.token.ttl", RefreshToken: "data.again", TokenType: "data.kind"}
	s := serving(ok(`{"data":{"token":{"value":"abc","ttl":"120"},"again":"r1","kind":"bearer"}}`))
	begun := time.Now()
	token, err := source(t, &oauth2.Client{Carrier: s}, cred).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "token", token.Access.RevealText(), "abc")
	if left := token.Expires.Sub(begun); left < 119*time.Second || left > 121*time.Second {
		t.Errorf("expires in %s", left)
	}
	cred.Token.AccessToken = "$.data.token"
	if _, err := new(oauth2.Client).Source(t.Context(), cred); err == nil || !strings.Contains(err.Error(), "`token.access_token` is not a path") {
		t.Errorf("a bad path: %v", err)
	}
}
