package datapoints

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

const awkward = "p@ss:w/rd&=+% ~*'()\"<>\\é\u2028𝄞"

// formsByHand are written without the code under test.
func formsByHand(s string) map[string]string {
	js, _ := json.Marshal(s)
	twice, _ := json.Marshal(string(js))
	python := asciiOnly(plainJSON(s))
	php := strings.ReplaceAll(python, "/", `\/`)
	return map[string]string{
		"raw":            s,
		"base64 0":       base64.StdEncoding.EncodeToString([]byte(s)),
		"base64 1":       base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")),
		"base64 2":       base64.StdEncoding.EncodeToString([]byte("xx" + s + "yz")),
		"base64url 0":    base64.URLEncoding.EncodeToString([]byte(s)),
		"base64url 1":    base64.RawURLEncoding.EncodeToString([]byte("x" + s + "yz")),
		"base64url 2":    base64.RawURLEncoding.EncodeToString([]byte("xx" + s + "yz")),
		"hex":            hex.EncodeToString([]byte(s)),
		"HEX":            fmt.Sprintf("%X", s),
		"query":          url.QueryEscape(s),
		"form":           url.Values{"a": {s}}.Encode(),
		"path segment":   url.PathEscape(s),
		"path":           (&url.URL{Path: "/a/" + s}).EscapedPath(),
		"user":           (&url.URL{Scheme: "http", Host: "h", User: url.UserPassword("me", s)}).String(),
		"%20 query":      strings.ReplaceAll(url.QueryEscape(s), "+", "%20"),
		"lower percent":  lowerPercents(url.QueryEscape(s)),
		"JSON":           string(js),
		"JSON in JSON":   string(twice),
		"Python's JSON":  python,
		"Python's twice": asciiOnly(plainJSON(python)),
		"PHP's JSON":     php,
		"PHP's twice":    strings.ReplaceAll(asciiOnly(plainJSON(php)), "/", `\/`),
		"Go":             strconv.Quote(s),
		"Go ASCII":       strconv.QuoteToASCII(s),
		"HTML":           html.EscapeString(s),
		"header":         "Basic " + base64.StdEncoding.EncodeToString([]byte("client:"+s)),
		"form in base64": "Basic " + base64.StdEncoding.EncodeToString([]byte("client:"+url.QueryEscape(s))),
	}
}

func plainJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029").Replace(strings.TrimSpace(b.String()))
}

func asciiOnly(s string) string {
	var b strings.Builder
	for _, c := range utf16.Encode([]rune(s)) {
		if c < 0x80 {
			b.WriteByte(byte(c))
		} else {
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.String()
}

const (
	pemSecret = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq98\nk3j2h1g0f9e8d7c6b5a4+/\nQ9=\n-----END PRIVATE KEY-----\n"
	jwtSecret = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.c2lnbmF0dXJl"
)

func TestTheLinesOfAKeyAndTheSegmentsOfATokenAreMasked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ secret, in, want string }{
		"a line":               {pemSecret, "got MIIEpAIBAAKCAQEA7bq98!", "got [secret k]!"},
		"a line in JSON":       {pemSecret, `k3j2h1g0f9e8d7c6b5a4+\/`, "[secret k]"},
		"a line in a query":    {pemSecret, `x=k3j2h1g0f9e8d7c6b5a4%2B%2F`, "x=[secret k]"},
		"one line":             {strings.ReplaceAll(pemSecret, "\n", `\n`), "MIIEpAIBAAKCAQEA7bq98 k3j2h1g0f9e8d7c6b5a4+/", "[secret k] [secret k]"},
		"windows lines":        {strings.ReplaceAll(pemSecret, "\n", "\r\n"), "MIIEpAIBAAKCAQEA7bq98", "[secret k]"},
		"the head of a key":    {pemSecret, "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"},
		"a PEM header":         {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEpAIB\n", "Proc-Type: 4,ENCRYPTED MIIEpAIB", "Proc-Type: 4,ENCRYPTED [secret k]"},
		"claims":               {jwtSecret, "eyJzdWIiOiIxMjM0NTYifQ", "[secret k]"},
		"a signature":          {"Bearer " + jwtSecret, ".c2lnbmF0dXJl", ".[secret k]"},
		"a token in a cookie":  {jwtSecret, "sid=" + jwtSecret + ";", "sid=[secret k];"},
		"another token's head": {jwtSecret, "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.abc", "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.abc"},
		"no token":             {"www.example-host.test", "example-host", "example-host"},
		"a JWE":                {"eyJhbGciOiJkaXIifQ..aXYtaXYtaXYt.Y2lwaGVydGV4dA.dGFnLXRhZw", "Y2lwaGVydGV4dA", "[secret k]"},
	} {
		var r Redactor
		r.Add("k", c.secret)
		if got := r.Text(c.in); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func lowerPercents(s string) string {
	parts := strings.Split(s, "%")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToLower(parts[i][:2]) + parts[i][2:]
	}
	return strings.Join(parts, "%")
}

func TestEveryCommonFormOfASecretIsMasked(t *testing.T) {
	for _, secret := range []string{awkward, "plain-secret_1234", "8letters", "ünïcödé!", "-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n"} {
		var r Redactor
		r.AddPair("pw", "client", secret)
		for name, form := range formsByHand(secret) {
			got := r.Text("before " + form + " after")
			if !strings.Contains(got, "[secret pw]") || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%s of %q: %s", name, secret, got)
			}
			if rest := len(got) - len("before  after[secret pw]"); rest > 24 {
				t.Errorf("%s of %q: %d characters are left: %s", name, secret, rest, got)
			}
		}
	}
}

func TestWholeBasicCredentialsAreMaskedAsOne(t *testing.T) {
	var r Redactor
	r.AddPair("client_secret", "me", "short")
	got := r.Text("Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("me:short")))
	if want := "Authorization: Basic [secret client_secret]"; got != want {
		t.Errorf("got %s", got)
	}
	if got := r.Text("short stays"); got != "short stays" {
		t.Errorf("got %s", got)
	}
	if got := r.Short(); !slices.Equal(got, []string{"client_secret"}) {
		t.Errorf("Short: %q", got)
	}
}

func TestWhatIsSecretInAValueIsMasked(t *testing.T) {
	var r Redactor
	r.AddValue(JSON(`{"a":["secret-one",{"b":1234567890,"c":true,"long-name-of-a-member":"short"}]}`).Mark(Sensitive, "answer"))
	r.AddValue(JSON(`{"id":"not-a-secret","access_token":"secret-two"}`))
	r.AddValue(Text("plain-text"))
	r.AddValue(Text("pii-text-x").Mark(PII, "name"))
	r.AddValue(Text("secret-three").Mark(Sensitive, ""))
	got := r.Text("secret-one 1234567890 long-name-of-a-member not-a-secret secret-two plain-text pii-text-x secret-three")
	want := "[secret answer] [secret answer] long-name-of-a-member not-a-secret [secret access_token] plain-text pii-text-x [secret]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := r.Short(); !slices.Equal(got, []string{"answer"}) {
		t.Errorf("Short: %q", got)
	}
}

func TestShortSecretsAreToldOnceAndSorted(t *testing.T) {
	var r Redactor
	for _, l := range []string{"b", "a", "c", "a", "empty"} {
		s := "1234567"
		if l == "empty" {
			s = ""
		}
		r.Add(l, s)
	}
	r.Add("characters", "ééééééé") // 14 bytes, 7 characters
	if got := r.Short(); !slices.Equal(got, []string{"a", "b", "c", "characters"}) {
		t.Errorf("Short: %q", got)
	}
}

func TestWhatOverlapsIsMaskedAsOneAndWhatTouchesIsNot(t *testing.T) {
	var r Redactor
	r.Add("one", "abcdefgh1234")
	r.Add("two", "1234ijklmnop")
	r.Add("three", "abcdefgh")
	for text, want := range map[string]string{
		"abcdefgh1234ijklmnop":     "[secret one]",
		"abcdefgh12341234ijklmnop": "[secret one][secret two]",
		"abcdefghx":                "[secret three]x",
		"abcdefgh1234":             "[secret one]",
		"abcdefg":                  "abcdefg",
		"":                         "",
	} {
		if got := r.Text(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestJSONStaysJSONWhenANumberIsASecret(t *testing.T) {
	var r Redactor
	r.Add("pin", "1234567890")
	r.Add("text", awkward)
	js, _ := json.Marshal(map[string]any{"a": awkward})
	got := r.JSON(`{ "n": 1234567890, "1234567890": [1.50, "x 1234567890"], "o": ` + string(js) + ` }`)
	want := `{ "n": "[secret pin]", "[secret pin]": [1.50, "x [secret pin]"], "o": {"a":"[secret text]"} }`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("not JSON")
	}
}

// A secretForms is what a redactor was given, in every form.
type secretForms []string

func (f *secretForms) add(secret string) {
	if utf8.RuneCountInString(secret) < leastSecret {
		return
	}
	for _, part := range append([]string{secret}, parts(secret)...) {
		for _, e := range encodingsFor(part) {
			*f = append(*f, e.apply(part))
		}
	}
}

func (f *secretForms) addPair(id, secret string) {
	f.add(secret)
	if secret == "" {
		return
	}
	for _, pair := range pairs(id, secret) {
		for _, e := range basicEncodings {
			if len(pair) >= leastSecret {
				*f = append(*f, e.apply(pair))
			}
		}
	}
}

// oracle marks what any form of any secret covers, the simplest way there is.
func (f secretForms) oracle(s string) string {
	var all []found
	for _, text := range f {
		for i := 0; len(text) >= window && i+len(text) <= len(s); i++ {
			if s[i:i+len(text)] == text {
				all = append(all, found{i, i + len(text), ""})
			}
		}
	}
	covered := make([]bool, len(s))
	joined := make([]bool, len(s)+1) // whether i and i-1 are in one occurrence
	for _, f := range all {
		for i := f.start; i < f.end; i++ {
			covered[i] = true
			joined[i] = joined[i] || i > f.start
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if !covered[i] {
			b.WriteByte(s[i])
		} else if !joined[i] {
			b.WriteString("[secret x]")
		}
	}
	return b.String()
}

func FuzzRedactor(f *testing.F) {
	f.Add("abcdefgh", "12345678", "xxabcdefgh12345678", 3)
	f.Add("aaaaaaaa", "aaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaab", 7)
	f.Add(awkward, "abcabcabcabc", awkward+awkward+"abcabcabcabcabc", 1)
	f.Add("line one\nline two\n", "two\nthree", "zero\nline one\nline two\nthree\nline one\nline", 5)
	f.Add("8letters", "lettersx", base64.StdEncoding.EncodeToString([]byte("8lettersx8letters")), 2)
	f.Add("p%2Fq%2Fr", "p/q/r/s/t", "p%2Fq%2Fr%2Fs%2Ft p%2fq%2fr%2fs%2ft", 4)
	f.Add(pemSecret, jwtSecret, "is MIIEpAIBAAKCAQEA7bq98 and c2lnbmF0dXJl, or eyJzdWIiOiIxMjM0NTYifQ\n"+pemSecret+jwtSecret, 6)
	f.Add(strings.ReplaceAll(pemSecret, "\n", `\n`), "Bearer "+jwtSecret, "MIIEpAIBAAKCAQEA7bq98\nk3j2h1g0f9e8d7c6b5a4+/", 2)
	f.Fuzz(func(t *testing.T, a, b, text string, piece int) {
		if len(a)+len(b)+len(text) > 2000 {
			return
		}
		var r Redactor
		var forms secretForms
		r.Add("x", a)
		r.AddPair("x", a, b)
		forms.add(a)
		forms.addPair(a, b)
		if got, want := r.Text(text), forms.oracle(text); got != want {
			t.Fatalf("Text(%q) with %q and %q\n got %q\nwant %q", text, a, b, got, want)
		}
		var out bytes.Buffer
		w := r.Writer(&out)
		for rest := []byte(text); len(rest) > 0; {
			n := min(len(rest), max(1, piece&15))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), r.Text(text); got != want {
			t.Fatalf("Writer(%q) with %q and %q\n got %q\nwant %q", text, a, b, got, want)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(r.JSON(text))) {
			t.Fatalf("%q with %q and %q is no longer JSON", text, a, b)
		}
	})
}

func TestTheWriterFindsASecretInPiecesOfALongLine(t *testing.T) {
	var r Redactor
	r.Add("x", "0123456789abcdef")
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for text.Len() < 1<<20 {
		text.WriteString(strings.Repeat("-", random.IntN(5000)))
		text.WriteString("0123456789abcdef")
	}
	var out bytes.Buffer
	w := r.Writer(&out)
	for rest := text.String(); rest != ""; {
		n := min(len(rest), random.IntN(3000)+1)
		fmt.Fprint(w, rest[:n])
		rest = rest[n:]
		if len(w.kept) > 4*longLine {
			t.Fatalf("%d bytes are kept", len(w.kept))
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if out.String() != r.Text(text.String()) {
		t.Error("the text differs from the one that was redacted in one piece")
	}
}

func TestTheWriterDoesNotCutALongLineInsideASecret(t *testing.T) {
	for cut := range 17 {
		var r Redactor
		r.Add("x", "0123456789abcdef")
		var out bytes.Buffer
		w := r.Writer(&out)
		fmt.Fprint(w, strings.Repeat("-", longLine)+"0123456789abcdef"[:cut])
		if out.Len() == 0 {
			t.Error("a long line is kept")
		}
		fmt.Fprint(w, "0123456789abcdef"[cut:])
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := strings.Repeat("-", longLine) + "[secret x]"; out.String() != want {
			t.Errorf("cut at %d: ends with %q", cut, out.String()[longLine:])
		}
	}
}

func TestTheWriterGivesOutWholeLinesAtOnce(t *testing.T) {
	var r Redactor
	r.Add("x", "0123456789abcdef")
	var out bytes.Buffer
	w := r.Writer(&out)
	fmt.Fprint(w, "one 0123456789abcdef\ntwo 0123")
	if want := "one [secret x]\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	fmt.Fprint(w, "456789abcdef\n")
	if want := "one [secret x]\ntwo [secret x]\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestARedactorMayBeUsedWhileSecretsAreAdded(t *testing.T) {
	var r Redactor
	var g sync.WaitGroup
	for i := range 4 {
		g.Go(func() {
			for k := range 200 {
				secret := fmt.Sprintf("secret-%d-%d-abc", i, k)
				r.Add("x", secret)
				if got := r.Text("<" + secret + ">"); got != "<[secret x]>" {
					t.Errorf("got %s", got)
					return
				}
			}
		})
	}
	g.Wait()
}

func BenchmarkRedactWithoutSecrets(b *testing.B) {
	var r Redactor
	text := strings.Repeat("x", 1<<20)
	for b.Loop() {
		r.Text(text)
	}
}

func BenchmarkAddASecret(b *testing.B) {
	var r Redactor
	for i := 0; b.Loop(); i++ {
		r.Add("x", "secret/number "+strconv.Itoa(i))
	}
}

func TestAnExcerptHidesTheBeginningOfASecretToo(t *testing.T) {
	t.Parallel()
	var r Redactor
	r.Add("key", "p@ss:w/rd&more")
	tests := []struct{ name, in, want string }{
		{"a whole one", "is p@ss:w/rd&more…", "is [secret key]…"},
		{"cut at its end", "is p@ss:w/rd&mor…", "is [secret key]…"},
		{"cut at its beginning", "is p@ss…", "is [secret key]…"},
		{"three characters are none", "is p@s…", "is p@s…"},
		{"cut inside quotes and escapes", `"body=p%40ss%3Aw…"`, `"body=[secret key]…"`},
		{"in base64", "Basic " + base64.StdEncoding.EncodeToString([]byte("p@ss:w/rd&more"))[:12] + "…", "Basic [secret key]…"},
		{"twice", "p@ss:… and p@ss:w/…", "[secret key]… and [secret key]…"},
		{"not at a mark", "is p@ss:w/rd", "is p@ss:w/rd"},
		{"encoded twice", "to /login?back=a%253Dp%2540ss%253Aw%252Frd%2526more&x=1 now", "to /login?back=a%3D[secret key]&x=1 now"},
		{"other percent signs stay", "100% of %zz and %2F%", "100% of %zz and %2F%"},
	}
	for _, tt := range tests {
		if got := r.Excerpt(tt.in); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestASecretThatIsAFormOfAnotherIsLookedForItself(t *testing.T) {
	t.Parallel()
	var r Redactor
	first := "hunter22hunter22"
	second := base64.StdEncoding.EncodeToString([]byte(first)) // without padding, at offset 0, it is known already
	second = strings.TrimRight(second, "=")
	r.Add("first", first)
	for range 2 {
		r.Add("second", second)
		if got := r.Text("x " + hex.EncodeToString([]byte(second))); got != "x [secret second]" {
			t.Error(got)
		}
	}
}

func TestWhatIsLearnedIsNotToldAsShort(t *testing.T) {
	t.Parallel()
	var r Redactor
	r.Learn("pin", "4711")
	r.Learn("sum", "de650d61f5bd")
	if short, got := r.Short(), r.Text("4711 de650d61f5bd"); len(short) > 0 || got != "4711 [secret sum]" {
		t.Errorf("%q, %s", short, got)
	}
}
