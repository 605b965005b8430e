package datapoints

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"
)

// chance makes secrets and logs, the same ones in every run.
type chance struct{ *rand.Rand }

func chanceOf(seed uint64) chance { return chance{rand.New(rand.NewPCG(seed, 20))} }

func (c chance) of(alphabet string, n int) string {
	all := []rune(alphabet)
	b := make([]rune, n)
	for i := range b {
		b[i] = all[c.IntN(len(all))]
	}
	return string(b)
}

func (c chance) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(c.Uint32())
	}
	return b
}

// secret makes one as services give them out: some with every character that an
// encoder may escape, keys in PEM, tokens of segments.
func (c chance) secret() string {
	n := 8 + c.IntN(40)
	switch c.IntN(20) {
	case 0:
		body := base64.StdEncoding.EncodeToString(c.bytes(100 + c.IntN(100)))
		var b strings.Builder
		for len(body) > 64 {
			b.WriteString(body[:64] + "\n")
			body = body[64:]
		}
		return "-----BEGIN PRIVATE KEY-----\n" + b.String() + body + "\n-----END PRIVATE KEY-----\n"
	case 1, 2:
		claims := fmt.Sprintf(`{"sub":"%s","exp":%d}`, c.of(alphanumeric, 12), c.IntN(1e9))
		e := base64.RawURLEncoding
		return e.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + e.EncodeToString([]byte(claims)) + "." + e.EncodeToString(c.bytes(64))
	case 3, 4:
		return hex.EncodeToString(c.bytes((n + 1) / 2))
	case 5, 6, 7:
		return base64.StdEncoding.EncodeToString(c.bytes(n))
	case 8, 9, 10:
		return base64.RawURLEncoding.EncodeToString(c.bytes(n))
	case 11:
		return c.of("äöüßéèøłπЖ你好𝄞🙂 ", n)
	}
	return c.of(alphanumeric+alphanumeric+` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~`+"\t\u00a0é\u2028", n)
}

// alone are the parts of a secret that must not stand in a text by themselves.
func alone(secret string) (all []string) {
	if strings.HasPrefix(secret, "-----BEGIN") {
		for _, line := range strings.Split(secret, "\n") {
			if len(line) >= 8 && line[0] != '-' {
				all = append(all, line)
			}
		}
	}
	if strings.HasPrefix(secret, "eyJ") {
		all = append(all, strings.Split(secret, ".")[1:]...)
	}
	return all
}

func TestRandomSecretsAreFoundInEveryForm(t *testing.T) {
	t.Parallel()
	secrets := 20_000
	if testing.Short() {
		secrets = 1000
	}
	random := chanceOf(1)
	const together = 50
	forms := 0
	for range secrets / together {
		var r Redactor
		list := make([]string, together)
		for i := range list {
			list[i] = random.secret()
			r.AddPair("pw", "client", list[i])
		}
		for _, secret := range list {
			shown := formsByHand(secret)
			for i, part := range alone(secret) {
				shown[fmt.Sprint("part ", i)] = part
				shown[fmt.Sprint("part in a query ", i)] = url.QueryEscape(part)
			}
			for name, form := range shown {
				forms++
				got := r.Text("before " + form + " after")
				left := strings.ReplaceAll(got, "[secret pw]", "")
				if left == got || !strings.HasPrefix(left, "before ") || !strings.HasSuffix(left, " after") || len(left) > len("before  after")+24 {
					t.Fatalf("%s of %q: %s", name, secret, got)
				}
			}
		}
	}
	t.Logf("%d secrets, %d forms", secrets, forms)
}

// log makes lines as programs write them: none holds a secret.
func (c chance) log(size int) string {
	var b strings.Builder
	at := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	uuid := func() string {
		h := hex.EncodeToString(c.bytes(16))
		return h[:8] + "-" + h[8:12] + "-7" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
	}
	for b.Len() < size {
		at = at.Add(time.Duration(c.IntN(1e9)))
		fmt.Fprintf(&b, "%s INFO  run=%s step=%s ", at.Format(time.RFC3339Nano), uuid(), []string{"token", "patient", "orders", "notify"}[c.IntN(4)])
		switch c.IntN(7) {
		case 0:
			body, _ := json.Marshal(map[string]any{"resourceType": "Patient", "id": fmt.Sprint(c.IntN(1e10)), "name": []any{map[string]string{"text": c.of("abcdefg ", 20)}}, "active": true, "html": "<p>&amp;</p>"})
			fmt.Fprintf(&b, "answered 200 %s\n", body)
		case 1:
			fmt.Fprintf(&b, "GET https://api.example.test/Patient?_id=%d&name=%s&_since=2026-11-21T08%%3A00%%3A00Z 200 %dms\n", c.IntN(1e9), url.QueryEscape(c.of("äbc d&e=", 12)), c.IntN(900))
		case 2:
			fmt.Fprintf(&b, "ETag W/\"%s\" Content-MD5 %s\n", hex.EncodeToString(c.bytes(20)), base64.StdEncoding.EncodeToString(c.bytes(16)))
		case 3:
			e := base64.RawURLEncoding
			fmt.Fprintf(&b, "their token %s.%s.%s\n", e.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)), e.EncodeToString([]byte(fmt.Sprintf(`{"sub":"%s"}`, uuid()))), e.EncodeToString(c.bytes(64)))
		case 4:
			fmt.Fprintf(&b, "-----BEGIN CERTIFICATE-----\\n%s\\n-----END CERTIFICATE-----\n", base64.StdEncoding.EncodeToString(c.bytes(48)))
		case 5:
			fmt.Fprintf(&b, "goroutine %d [running]: main.(*server).serve(0x%x, {0x%x, 0x%x}) /src/server.go:%d +0x%x\n", c.IntN(999), c.Uint64(), c.Uint64(), c.Uint64(), c.IntN(999), c.IntN(999))
		default:
			fmt.Fprintf(&b, "kept %d data points of %d KiB; client_secret is masked; Authorization: Bearer [secret token]\n", c.IntN(100), c.IntN(1000))
		}
	}
	return b.String()
}

// fifty knows fifty secrets, and gives them.
func fifty(random chance) (*Redactor, []string) {
	r := new(Redactor)
	var list []string
	for range 50 {
		list = append(list, random.secret())
		r.AddPair("pw", "client", list[len(list)-1])
	}
	return r, list
}

func TestAnOrdinaryLogStaysAsItIs(t *testing.T) {
	t.Parallel()
	size := 10 << 20
	if testing.Short() {
		size = 1 << 20
	}
	r, secrets := fifty(chanceOf(2))
	text := chanceOf(3).log(size)
	if got := r.Text(text); got != text {
		at := strings.Index(got, "[secret pw]")
		t.Errorf("a false hit: %s", got[max(0, at-200):at+50])
	}
	// That there is something to find is found in the same log.
	if got := r.Text(text + secrets[7] + text[:1000]); len(got) == len(text)+len(secrets[7])+1000 {
		t.Error("a secret in the log is not found")
	}
}

// What a fast machine does in a second says little on another: so it is
// compared with the simplest loop that also looks at each byte.
func TestMaskingIsNotMuchSlowerThanCopying(t *testing.T) {
	if testing.Short() {
		t.Skip("takes the time")
	}
	r, _ := fifty(chanceOf(4))
	text := chanceOf(5).log(256 << 10) // short enough to be done once without anybody between
	out := make([]byte, len(text))
	fastest := func(do func()) time.Duration {
		least := time.Hour
		for range 100 {
			began := time.Now()
			do()
			least = min(least, time.Since(began))
		}
		return least
	}
	masking := fastest(func() { _ = r.Text(text) })
	copying := fastest(func() {
		for i := range len(text) {
			out[i] = text[i]
		}
	})
	ratio := float64(masking) / float64(copying)
	t.Logf("%.0f MB/s, %.1f times as long as copying byte by byte", float64(len(text))/1e6/masking.Seconds(), ratio)
	if ratio > 20 {
		t.Errorf("masking takes %.1f times as long as copying byte by byte", ratio)
	}
}

func BenchmarkRedactOneMegabyteWithFiftySecrets(b *testing.B) {
	r, secrets := fifty(chanceOf(4))
	text := chanceOf(5).log(1<<20) + secrets[3]
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r.Text(text)
	}
}
