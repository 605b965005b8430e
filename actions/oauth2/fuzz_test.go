package oauth2_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
)

// FuzzAnAnswer gives whatever a server may answer to the client. What comes out
// is a token that fits into a header and a life that is not over, or an error.
func FuzzAnAnswer(f *testing.F) {
	for _, body := range []string{
		`{"access_token":"abc","token_type":"Bearer","expires_in":3600}`, `{"access_token":"a\u0062c","expires_in":"1e3"}`,
		"\xef\xbb\xbf{\"access_token\":\"abc\"}", `access_token=abc&expires_in=60`, `{"error":"invalid_client"}`, `<html>`, ``, `{"a":{"b":[{}]}}`,
		`{"access_token":"abc","access_token":"def"}`, `{"expires_in":1e999,"access_token":"x"}`, `{"expires_in":"2030-01-01T00:00:00Z","access_token":"x"}`,
	} {
		f.Add(200, body)
	}
	f.Add(401, `{"error":"invalid_client","error_description":"no"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		s := serving(bad(status, body, "Retry-After", "1000"))
		src, err := (&oauth2.Client{Carrier: s}).Source(context.Background(), basic())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		got, err := src.Token(context.Background())
		if err != nil {
			if e := asError(t, err); e.Kind == "" || e.Message == "" || strings.ContainsAny(e.Message, "\n\r\x00") {
				t.Errorf("an odd error: %q of kind %q", e.Message, e.Kind)
			}
			return
		}
		value := got.Authorization().RevealText()
		r := http.Header{"Authorization": {value}}
		if !strings.HasPrefix(value, "Bearer ") || strings.ContainsFunc(value[7:], func(c rune) bool { return c <= ' ' || c > '~' }) || len(value) <= 7 {
			t.Errorf("an odd token: %q", r)
		}
		if !got.Expires.After(begun) || got.Expires.After(begun.Add(11*365*24*time.Hour)) {
			t.Errorf("it expires %s", got.Expires)
		}
	})
}
