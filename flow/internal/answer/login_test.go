package answer

import "testing"

func TestOfALoginsAnswerPeopleSeeNamesAndWhatIsMasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, want string }{
		{`{"session":{"key":"abc"},"expires_in":"soon"}`, `{"expires_in":"…","session":{"key":"…"}}`},
		{`{"token":"[secret it]","list":["a",1,true,null]}`, `{"list":["…",1,true,null],"token":"[secret it]"}`},
		{`{"expires_in":3600,"pin":12345678}`, `{"expires_in":3600,"pin":"…"}`},
		{`"abc"`, `"…"`},
		{`abc`, `(3 bytes)`},
		{`{"a":1} {"b":2}`, `(15 bytes)`},
		{``, ``},
	} {
		headers, got := Login(map[string][]string{"Set-Cookie": {"sid=abc"}, "Content-Type": {"text/plain"}}, []byte(c.body))
		if string(got) != c.want || headers["Set-Cookie"][0] != "…" || headers["Content-Type"][0] != "text/plain" {
			t.Errorf("%s: %s, %v", c.body, got, headers)
		}
	}
}
