package actions_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestARequestGoesOutAsItIsWritten(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secret))
	form := "grant_type=client_credentials&scope=a+b&secret=p%40ss%3Aw%2Frd%26%3D%2B%25+~%2A%27%28%29&many=1&many=2.50"
	for _, c := range []struct {
		name  string
		args  []string
		first string
		want  map[string]string // "" must not be there
		body  string
	}{
		{"a GET", []string{"url", `"/a"`}, "GET /base/a HTTP/1.1",
			map[string]string{"Accept": "application/json, */*;q=0.8", "User-Agent": "probe", "Content-Type": "", "Content-Length": "", "Authorization": ""}, ""},
		{"JSON keeps order, digits and blanks", []string{"url", `"/a"`, "json", `{"z": 13.0, "a":[1,  null],"n":123456789012345678901234567890}`}, "POST /base/a HTTP/1.1",
			map[string]string{"Content-Type": "application/json", "Content-Length": "62"}, `{"z": 13.0, "a":[1,  null],"n":123456789012345678901234567890}`},
		{"JSON null is a body", []string{"url", `"/a"`, "json", `null`}, "POST /base/a HTTP/1.1", map[string]string{"Content-Type": "application/json"}, "null"},
		{"a form", []string{"url", `"/token"`, "form", `{"grant_type":"client_credentials","scope":"a b","secret":` + text(secret) + `,"gone":null,"many":[1,null,2.50]}`}, "POST /base/token HTTP/1.1",
			map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form},
		{"text", []string{"url", `"/a"`, "text", `"ä\n"`}, "POST /base/a HTTP/1.1", map[string]string{"Content-Type": "text/plain; charset=utf-8"}, "ä\n"},
		{"text with a content type", []string{"url", `"/a"`, "text", `"<a/>"`, "content_type", `"application/xml"`, "method", `"put"`}, "PUT /base/a HTTP/1.1",
			map[string]string{"Content-Type": "application/xml"}, "<a/>"},
		{"the header wins over content_type", []string{"url", `"/a"`, "json", `1`, "content_type", `"text/a"`, "headers", `{"content-type":"text/b"}`}, "POST /base/a HTTP/1.1",
			map[string]string{"Content-Type": "text/b"}, "1"},
		{"a file", []string{"url", `"/a"`, "file", `"a.bin"`}, "POST /base/a HTTP/1.1", map[string]string{"Content-Type": "application/octet-stream"}, "file a.bin"},
		{"a query beside the URL's own", []string{"url", `"/a?x=1"`, "query", `{"q":` + text(secret) + `,"l":["a","b"],"no":null,"t":true,"big":1e21}`},
			"GET /base/a?x=1&q=p%40ss%3Aw%2Frd%26%3D%2B%25%20~%2A%27%28%29&l=a&l=b&t=true&big=1000000000000000000000 HTTP/1.1", nil, ""},
		{"what a URL cannot hold is escaped", []string{"url", `"/a b/ä?q=a b\"ä"`}, "GET /base/a%20b/%C3%A4?q=a%20b%22%C3%A4 HTTP/1.1", nil, ""},
		{"escapes stay as they are", []string{"url", `"/a%2Fb/%7e?q=%7e+%20"`}, "GET /base/a%2Fb/%7e?q=%7e+%20 HTTP/1.1", nil, ""},
		{"a fragment is not sent", []string{"url", `"/a#b"`}, "GET /base/a HTTP/1.1", nil, ""},
		{"basic", []string{"url", `"/a"`, "basic", `{"username":"me","password":` + text(secret) + `}`}, "GET /base/a HTTP/1.1", map[string]string{"Authorization": basic}, ""},
		{"bearer", []string{"url", `"/a"`, "bearer", text(secret)}, "GET /base/a HTTP/1.1", map[string]string{"Authorization": "Bearer " + secret}, ""},
		{"headers without regard to case", []string{"url", `"/a"`, "headers", `{"x-api-key":"k","ACCEPT":"text/csv","user-agent":"mine","X-N":13.0,"x-gone":null}`}, "GET /base/a HTTP/1.1",
			map[string]string{"X-Api-Key": "k", "Accept": "text/csv", "User-Agent": "mine", "X-N": "13.0", "X-Gone": ""}, ""},
		{"a host of its own", []string{"url", `"/a"`, "headers", `{"host":"other.example.test"}`}, "GET /base/a HTTP/1.1", map[string]string{"Host": "other.example.test"}, ""},
		{"an idempotency key", []string{"url", `"/a"`, "method", `"POST"`, "idempotency_key", `"k1"`}, "POST /base/a HTTP/1.1", map[string]string{"Idempotency-Key": "k1", "Content-Length": "0"}, ""},
		{"an idempotency key in another header", []string{"url", `"/a"`, "json", `1`, "idempotency_key", `{"header":"x-request-id","value":"k2"}`}, "POST /base/a HTTP/1.1", map[string]string{"X-Request-Id": "k2", "Idempotency-Key": ""}, "1"},
		{"no idempotency key", []string{"url", `"/a"`, "json", `1`, "idempotency_key", `false`}, "POST /base/a HTTP/1.1", map[string]string{"Idempotency-Key": ""}, "1"},
		{"a GET that may not be repeated", []string{"url", `"/a"`, "repeatable", `false`}, "GET /base/a HTTP/1.1", map[string]string{"Content-Length": "", "Transfer-Encoding": ""}, ""},
		{"a POST without a body that may not be repeated", []string{"url", `"/a"`, "method", `"POST"`, "headers", `{"Idempotency-Key":"k"}`}, "POST /base/a HTTP/1.1", map[string]string{"idempotency-key": "k", "Content-Length": "0"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := listen(t, ok)
			in := flow.Input{Args: append(fields("base_url", text(w.URL+"/base/")), fields(c.args...)...),
				File: func(name string) ([]byte, error) { return []byte("file " + name), nil }}
			done(t, planned(t, client(t, &actions.Client{Agent: "probe"}), "http", in))
			first, header, body := lines(w.seen()[0])
			if first != c.first {
				t.Errorf("got  %s\nwant %s", first, c.first)
			}
			for name, want := range c.want {
				if got := strings.Join(header[name], "|"); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if body != c.body {
				t.Errorf("body: got  %q\n      want %q", body, c.body)
			}
		})
	}
}

func TestAListSendsSeveralHeaderLines(t *testing.T) {
	t.Parallel()
	w := listen(t, ok)
	done(t, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(w.URL), "headers", `{"x-a":["1","2"],"X-B":"3"}`)}))
	_, header, _ := lines(w.seen()[0])
	if diff := cmp.Diff([]string{"1", "2"}, header["X-A"]); diff != "" {
		t.Error(diff)
	}
}

func TestMultipartIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	var requests []string
	var parts []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil {
			t.Error(err)
		}
		raw, _ := io.ReadAll(r.Body)
		requests = append(requests, string(raw))
		parts = nil
		m := multipart.NewReader(strings.NewReader(string(raw)), params["boundary"])
		for {
			p, err := m.NextRawPart()
			if err != nil {
				break
			}
			content, _ := io.ReadAll(p)
			parts = append(parts, fmt.Sprintf("%s|%s|%s|%s", p.FormName(), p.FileName(), p.Header.Get("Content-Type"), content))
		}
	}))
	defer s.Close()
	c := client(t, nil)
	body := `{"note":` + text(secret) + `,"n":2.50,"gone":null,"doc":{"json":{"b":1,"a":2}},"img":{"base64":"AAEC","filename":"a\"b.png","content_type":"image/png"},
		"up":[{"file":"dir/x.csv"},{"text":"two","filename":"y"}]}`
	in := flow.Input{Args: fields("url", text(s.URL), "multipart", body), File: func(name string) ([]byte, error) { return []byte("<" + name + ">"), nil }}
	done(t, planned(t, c, "http", in))
	want := []string{"note|||" + secret, "n|||2.50", `doc||application/json|{"b":1,"a":2}`, "img|a%22b.png|image/png|\x00\x01\x02",
		"up|x.csv|application/octet-stream|<dir/x.csv>", "up|y||two"}
	if diff := cmp.Diff(want, parts); diff != "" {
		t.Error(diff)
	}
	done(t, planned(t, c, "http", in))
	if requests[0] != requests[1] {
		t.Error("the same fields gave different bytes")
	}
	in.Args = append(in.Args, fields("headers", `{"Content-Type":"multipart/mixed"}`)...)
	call := planned(t, c, "http", in)
	done(t, call)
	if len(parts) != len(want) {
		t.Errorf("with a multipart type of the author's the boundary is missing: %v", call.Shown().Headers)
	}
}

func TestWhatCannotBeSentIsRefusedBeforeSending(t *testing.T) {
	t.Parallel()
	long := `"http://h/` + strings.Repeat("a", 9000) + `"`
	for _, c := range []struct {
		name string
		args []string
		kind flow.Kind
		say  string
	}{
		{"no base", []string{"url", `"/a"`}, flow.KindData, "no `base_url`"},
		{"no scheme", []string{"url", `"h/a"`}, flow.KindData, "must begin with http"},
		{"another scheme", []string{"url", `"ftp://h/a"`}, flow.KindData, "must begin with http"},
		{"no host", []string{"url", `"http:///a"`}, flow.KindData, "no host"},
		{"empty", []string{"url", `""`}, flow.KindData, "empty"},
		{"null", []string{"url", `null`}, flow.KindData, "empty"},
		{"user information", []string{"url", `"http://u:p@h/a"`}, flow.KindData, "user name or password"},
		{"a host that is not ASCII", []string{"url", `"http://bücher.example/a"`}, flow.KindData, "not ASCII"},
		{"a line break in the URL", []string{"url", `"http://h/a\nb"`}, flow.KindData, "control character"},
		{"a broken escape", []string{"url", `"http://h/%zz"`}, flow.KindData, "invalid URL escape"},
		{"a base with a query", []string{"url", `"/a"`, "base_url", `"http://h?x=1"`}, flow.KindData, "must not have a query"},
		{"too long", []string{"url", long}, flow.KindLimit, "8 KiB"},
		{"too long with its query", []string{"url", `"http://h"`, "query", `{"a":` + text(strings.Repeat(" ", 3000)) + `}`}, flow.KindLimit, "8 KiB"},
		{"a method with a blank", []string{"url", `"http://h"`, "method", `"GET /x HTTP/1.1\r\n"`}, flow.KindData, "a blank"},
		{"CONNECT", []string{"url", `"http://h"`, "method", `"CONNECT"`}, flow.KindData, "CONNECT"},
		{"a line break in a header", []string{"url", `"http://h"`, "headers", `{"X-A":"a\r\nX-B: c"}`}, flow.KindData, "a line break"},
		{"NUL in a header", []string{"url", `"http://h"`, "headers", `{"X-A":"a\u0000"}`}, flow.KindData, "a NUL"},
		{"a blank in a header's name", []string{"url", `"http://h"`, "headers", `{"X A":"a"}`}, flow.KindData, "a blank"},
		{"an object in a header", []string{"url", `"http://h"`, "headers", `{"X-A":{"a":1}}`}, flow.KindData, "`headers.X-A` is an object"},
		{"an object in the query", []string{"url", `"http://h"`, "query", `{"a":{}}`}, flow.KindData, "`query.a` is an object"},
		{"a list in a list in a form", []string{"url", `"http://h"`, "form", `{"a":[[1]]}`}, flow.KindData, "`form.a` is a list"},
		{"Content-Length", []string{"url", `"http://h"`, "headers", `{"content-length":"3"}`}, flow.KindData, "computed from the body"},
		{"an empty Authorization", []string{"url", `"http://h"`, "headers", `{"authorization":" "}`}, flow.KindData, "without a token"},
		{"Bearer and nothing", []string{"url", `"http://h"`, "headers", `{"Authorization":"Bearer "}`}, flow.KindData, "without a token"},
		{"Token and nothing", []string{"url", `"http://h"`, "headers", `{"Authorization":"Token"}`}, flow.KindData, "without a token"},
		{"an unknown scheme and nothing", []string{"url", `"http://h"`, "headers", `{"Authorization":"Session "}`}, flow.KindData, "without a token"},
		{"null as Authorization", []string{"url", `"http://h"`, "headers", `{"Authorization":null}`}, flow.KindData, "is null"},
		{"Bearer twice", []string{"url", `"http://h"`, "headers", `{"Authorization":"Bearer bearer x"}`}, flow.KindData, "twice"},
		{"bearer with Bearer", []string{"url", `"http://h"`, "bearer", `"Bearer x"`}, flow.KindData, "the token alone"},
		{"an empty bearer", []string{"url", `"http://h"`, "bearer", `""`}, flow.KindData, "without a token"},
		{"null as bearer", []string{"url", `"http://h"`, "bearer", `null`}, flow.KindData, "is null"},
		{"a bearer with a line end", []string{"url", `"http://h"`, "bearer", `"x\n"`}, flow.KindData, "a line break"},
		{"bearer and the header", []string{"url", `"http://h"`, "bearer", `"x"`, "headers", `{"Authorization":"a b"}`}, flow.KindData, "both given"},
		{"a colon in the user name", []string{"url", `"http://h"`, "basic", `{"username":"a:b","password":"c"}`}, flow.KindData, "a colon"},
		{"an empty basic", []string{"url", `"http://h"`, "basic", `{"username":"","password":""}`}, flow.KindData, "both are empty"},
		{"an empty idempotency key", []string{"url", `"http://h"`, "idempotency_key", `""`}, flow.KindData, "is empty"},
		{"two bodies", []string{"url", `"http://h"`, "json", `1`, "text", `"a"`}, flow.KindData, "`json` and `text`"},
		{"a file and no files", []string{"url", `"http://h"`, "file", `"a"`}, flow.KindData, "no files"},
		{"a part with two contents", []string{"url", `"http://h"`, "multipart", `{"a":{"text":"a","json":1}}`}, flow.KindData, "one content"},
		{"a part that is not base64", []string{"url", `"http://h"`, "multipart", `{"a":{"base64":"?"}}`}, flow.KindData, "not base64"},
		{"save_to and no files", []string{"url", `"http://h"`, "save_to", `"a"`}, flow.KindData, "write no files"},
		{"a timeout that is none", []string{"url", `"http://h"`, "timeout", `"soon"`}, flow.KindData, "`timeout`"},
		{"a size that is none", []string{"url", `"http://h"`, "max_response", `"big"`}, flow.KindData, "`max_response`"},
		{"a size that is too great", []string{"url", `"http://h"`, "max_response", `"257MiB"`}, flow.KindLimit, "256MiB"},
		{"redirects: true", []string{"url", `"http://h"`, "follow_redirects", `true`}, flow.KindData, "same_origin"},
		{"a key without its certificate", []string{"url", `"https://h"`, "tls", `{"key":"x"}`}, flow.KindData, "belong together"},
		{"a CA that is none", []string{"url", `"https://h"`, "tls", `{"ca":"x"}`}, flow.KindData, "PEM"},
		{"a proxy that is none", []string{"url", `"https://h"`, "proxy", `"x"`}, flow.KindData, "`proxy`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := refusedPlan(t, "http", flow.Input{Args: fields(c.args...)})
			if e.Kind != c.kind || !strings.Contains(e.Message, c.say) || e.Sent {
				t.Errorf("got kind %s, sent %v: %s\nwant kind %s: …%s…", e.Kind, e.Sent, e.Message, c.kind, c.say)
			}
		})
	}
}

func TestALineBreakAtTheEndOfASecretIsExplained(t *testing.T) {
	t.Parallel()
	e := refusedPlan(t, "http", flow.Input{Args: fields("url", `"http://h"`, "bearer", `"abc\n"`)})
	if len(e.Hints) != 1 || !strings.Contains(e.Hints[0], "trim") {
		t.Errorf("hints: %q", e.Hints)
	}
	if strings.Contains(fmt.Sprint(e.Message, e.Hints), "abc") {
		t.Error("the token is in the error")
	}
}

func TestTheURLMayBe8KiBLong(t *testing.T) {
	t.Parallel()
	c := client(t, nil)
	for n, fits := range map[int]bool{8191: true, 8192: true, 8193: false} {
		u := "http://h/" + strings.Repeat("a", n-len("http://h/"))
		_, err := c.Actions()["http"].Plan(flow.Input{Args: fields("url", text(u))})
		if (err == nil) != fits {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestTheOriginIsNormalised(t *testing.T) {
	t.Parallel()
	c := client(t, nil)
	for u, want := range map[string]string{
		"http://EXAMPLE.test:80/a":       "http://example.test",
		"HTTPS://example.test:443":       "https://example.test",
		"https://example.test.:8443/":    "https://example.test:8443",
		"http://example.test:443":        "http://example.test:443",
		"http://[0:0:0:0:0:0:0:1]:80/":   "http://[::1]",
		"http://[2001:DB8::1]:8080/":     "http://[2001:db8::1]:8080",
		"http://127.0.0.1:8080/?q=http:": "http://127.0.0.1:8080",
	} {
		if got := planned(t, c, "http", flow.Input{Args: fields("url", text(u))}).Origin; got != want {
			t.Errorf("%s: got %s, want %s", u, got, want)
		}
	}
}

func TestARepeatableCallIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args       []string
		repeatable bool
		idempotent bool
	}{
		{nil, true, false},
		{[]string{"method", `"HEAD"`}, true, false},
		{[]string{"method", `"OPTIONS"`}, true, false},
		{[]string{"method", `"PUT"`, "text", `"a"`}, true, false},
		{[]string{"method", `"DELETE"`}, true, false},
		{[]string{"method", `"POST"`}, false, false},
		{[]string{"method", `"PATCH"`}, false, false},
		{[]string{"method", `"PURGE"`}, false, false},
		{[]string{"json", `1`}, false, false},
		{[]string{"json", `1`, "idempotency_key", `true`}, true, true},
		{[]string{"json", `1`, "idempotency_key", `"k"`}, true, true},
		{[]string{"json", `1`, "idempotency_key", `false`}, false, false},
		{[]string{"json", `1`, "idempotency_key", `true`, "repeatable", `false`}, false, true},
		{[]string{"json", `1`, "repeatable", `true`}, true, false},
		{[]string{"repeatable", `false`}, false, false},
		{[]string{"form", `{"grant_type":"client_credentials"}`}, true, false},
		{[]string{"json", `{"grant_type":"client_credentials"}`}, true, false},
		{[]string{"form", `{"grant_type":"authorization_code"}`}, false, false},
		{[]string{"json", `{"a":{"grant_type":"client_credentials"}}`}, false, false},
	} {
		call := planned(t, client(t, nil), "http", flow.Input{Args: append(fields("url", `"http://h/"`), fields(c.args...)...)})
		if call.Repeatable != c.repeatable || call.Idempotent != c.idempotent {
			t.Errorf("%v: got %v, %v", c.args, call.Repeatable, call.Idempotent)
		}
	}
}

func TestTheDerivedKeyBelongsToOneCall(t *testing.T) {
	t.Parallel()
	key := func(in flow.Input) string {
		in.Args = fields("url", `"http://h/"`, "json", `1`, "idempotency_key", `true`)
		for _, h := range planned(t, client(t, nil), "http", in).Shown().Headers {
			if h[0] == "Idempotency-Key" {
				return h[1]
			}
		}
		return ""
	}
	first := flow.Input{Run: "r", Path: "a[1].b", Attempt: 1}
	again := first
	again.Attempt = 5
	if key(first) != key(again) {
		t.Error("another attempt has another key")
	}
	seen := map[string]bool{}
	for _, in := range []flow.Input{first, {Run: "s", Path: "a[1].b"}, {Run: "r", Path: "a[2].b"}, {Run: "r", Path: "a[1].b", Page: 1}, {Run: "r", Path: "a[1].b", Round: 1}, {Run: "ra", Path: "[1].b"}} {
		seen[key(in)] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d keys for 6 calls", len(seen))
	}
}

func TestTheFingerprintIsTheRequest(t *testing.T) {
	t.Parallel()
	print := func(pairs ...string) string {
		return planned(t, client(t, nil), "http", flow.Input{Args: append(fields("url", `"http://h/"`), fields(pairs...)...)}).Fingerprint()
	}
	same := print("headers", `{"X-A":"1"}`, "text", `"b"`, "bearer", `"t1"`)
	if same != print("headers", `{"X-A":"1"}`, "text", `"b"`, "bearer", `"t2"`) {
		t.Error("a renewed token makes another request")
	}
	for _, other := range []string{print("headers", `{"X-A":"2"}`, "text", `"b"`), print("headers", `{"X-A":"1"}`, "text", `"c"`), print("headers", `{"X-A":"1"}`, "text", `"b"`, "query", `{"a":1}`), print("headers", `{"X-A":"1"}`, "text", `"b"`, "method", `"PUT"`)} {
		if other == same {
			t.Error("different requests have one fingerprint")
		}
	}
}

func TestHeadersMayReadTheRequest(t *testing.T) {
	t.Parallel()
	w := listen(t, ok)
	var read flow.Request
	in := flow.Input{
		Args: append(fields("url", text(w.URL+"/a"), "query", `{"q":1}`, "json", `{"a":1}`), flow.Arg{Name: "headers", Late: true}),
		Late: func(field string, r flow.Request) (datapoints.Value, error) {
			read = r
			return datapoints.JSON(`{"X-Signature":"` + field + `"}`), nil
		},
	}
	done(t, planned(t, client(t, nil), "http", in))
	if read.Method != "POST" || read.URL != w.URL+"/a?q=1" || string(read.Body) != `{"a":1}` || read.Time.IsZero() {
		t.Errorf("read %+v", read)
	}
	_, header, _ := lines(w.seen()[0])
	if header.Get("X-Signature") != "headers" {
		t.Error("the header is missing")
	}
}

func TestSecretsGoOnlyWhereTheyMay(t *testing.T) {
	t.Parallel()
	var sensitive = func(name, json string) flow.Arg {
		return flow.Arg{Name: name, Value: datapoints.JSON(json).Mark(datapoints.Sensitive, "token")}
	}
	for _, c := range []struct {
		name  string
		args  []flow.Arg
		trust []string
		say   string
	}{
		{"https", append(fields("url", `"https://h/"`), sensitive("bearer", `"t"`)), []string{"https://h"}, ""},
		{"nothing sensitive", fields("url", `"http://h/"`, "bearer", `"t"`), nil, ""},
		{"nobody trusts the origin", append(fields("url", `"https://h/"`), sensitive("bearer", `"t"`)), []string{"https://g"}, "https://h, which is not among"},
		{"plain http", append(fields("url", `"http://h/"`), sensitive("bearer", `"t"`)), []string{"http://h"}, "in the clear"},
		{"plain http, listed", append(fields("url", `"http://h/"`, "allow_secrets_to", `["http://H:80/path"]`), sensitive("form", `{"a":"t"}`)), nil, ""},
		{"a sensitive query", append(fields("url", `"http://h/"`), sensitive("query", `{"a":"t"}`)), []string{"http://h"}, "in the clear"},
		{"the client's key is not sent", append(fields("url", `"http://h/"`), sensitive("proxy", `"http://u:p@proxy.test"`)), nil, ""},
		{"loopback", append(fields("url", `"http://127.0.0.9:1/"`), sensitive("bearer", `"t"`)), []string{"http://127.0.0.9:1"}, ""},
		{"loopback of IPv6", append(fields("url", `"http://[::1]:1/"`), sensitive("bearer", `"t"`)), []string{"http://[::1]:1"}, ""},
		{"localhost", append(fields("url", `"http://localhost:1/"`), sensitive("bearer", `"t"`)), []string{"http://localhost:1"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			over := &actions.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 204, Header: http.Header{}}, nil
			})}
			in := flow.Input{Args: c.args, Trusted: func(o string) bool {
				for _, t := range c.trust {
					if t == o {
						return true
					}
				}
				return false
			}}
			if strings.HasPrefix(c.name, "the client's key") {
				over.Transport = nil
				planned(t, client(t, over), "http", in)
				return
			}
			call := planned(t, client(t, over), "http", in)
			if c.say == "" {
				done(t, call)
				return
			}
			e := failure(t, t.Context(), call)
			if e.Kind != flow.KindData || e.Sent || !strings.Contains(e.Message, c.say) {
				t.Errorf("got %s, sent %v: %s", e.Kind, e.Sent, e.Message)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFormsAreReadBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	want := url.Values{"a b": {secret}, "ü": {"\u0000\n"}, "empty": {""}}
	var got url.Values
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r.PostForm
		for name, v := range r.URL.Query() {
			if diff := cmp.Diff(want[name], v); diff != "" {
				t.Error(diff)
			}
		}
	}))
	defer s.Close()
	pairs := `{"a b":` + text(secret) + `,"ü":"\u0000\n","empty":""}`
	done(t, planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL), "form", pairs, "query", pairs)}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
