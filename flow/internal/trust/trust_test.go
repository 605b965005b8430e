package trust

import "testing"

func TestWhereSomethingSensitiveMayGo(t *testing.T) {
	t.Parallel()
	var trusted Trust
	for _, url := range []string{"https://api.example.test/v1", "http://plain.example.test", "http://localhost:8080", "http://127.0.0.1:9", "http://[::1]:9"} {
		if err := trusted.Trust(url, &Memo{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := trusted.Allow("http://listed.example.test"); err != nil {
		t.Fatal(err)
	}
	for url, may := range map[string]bool{
		"https://API.example.test:443/x": true, "http://api.example.test/": false, "https://api.example.test:8443/": false,
		"https://api.example.test.evil.test/": false, "https://api.example.test@evil.test/": false,
		"http://plain.example.test/": false, "http://listed.example.test/": true, "https://listed.example.test/": false,
		"http://localhost:8080/": true, "http://localhost:8081/": false, "http://127.0.0.1:9/": true, "http://[::1]:9/": true,
	} {
		origin, err := Origin(url)
		if err != nil {
			t.Fatal(err)
		}
		if r := trusted.Check(origin); (r == nil) != may {
			t.Errorf("%s: %v, want %v", url, r, may)
		}
	}
	if err := trusted.Trust("/relative", &Memo{}); err == nil {
		t.Error("a path has an origin")
	}
	if r := (&Trust{}).Check("https://api.example.test"); r == nil || r.Trusted == "" || r.Hint == "" {
		t.Error("who trusts nobody does not say so")
	}
}

// TestWhichURLsHaveOneOrigin: each pair is compared both ways.
func TestWhichURLsHaveOneOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://api.example.test/a", "https://api.example.test/b?c#d", true},
		{"https://api.example.test", "HTTPS://API.Example.TEST", true},
		{"https://api.example.test", "http://api.example.test", false},
		{"https://api.example.test", "https://api.example.test:443", true},
		{"https://api.example.test", "https://api.example.test:", true},
		{"https://api.example.test", "https://api.example.test:80", false},
		{"http://api.example.test", "http://api.example.test:80", true},
		{"http://api.example.test:443", "https://api.example.test", false},
		{"https://api.example.test:8443", "https://api.example.test:8443/x", true},
		{"https://api.example.test:8443", "https://api.example.test:8444", false},
		{"https://api.example.test", "https://api.example.test.", true},
		{"https://api.example.test", "https://api.example.test..", false},
		{"https://api.example.test", "https://api.example.test.evil.test", false},
		{"https://api.example.test", "https://evil-api.example.test", false},
		{"https://api.example.test", "https://example.test", false},
		{"https://api.example.test", "https://user:pass@api.example.test", true},
		{"https://api.example.test", "https://api.example.test@evil.test", false},
		{"https://api.example.test", "https://api.example.test:443@evil.test", false},
		{"https://api.example.test", `https://evil.test/\@api.example.test`, false},
		{"https://api.example.test", "https://evil.test/https://api.example.test", false},
		{"https://api.example.test", "https://evil.test?@api.example.test", false},
		{"https://api.example.test", "https://evil.test#@api.example.test", false},
		{"https://api.example.test", "  https://api.example.test  ", true},
		{"https://münchen.example.test", "https://MÜNCHEN.example.test", true},
		{"https://münchen.example.test", "https://xn--mnchen-3ya.example.test", false}, // one host, but nobody says so here: refusing is safe
		{"https://api.example.test", "https://аpi.example.test", false},                // a Cyrillic letter
		{"https://127.0.0.1", "https://localhost", false},
		{"https://127.0.0.1", "https://127.1", false},
		{"https://[::1]", "https://[0:0:0:0:0:0:0:1]", true},
		{"https://[::1]", "https://[::1]:443", true},
		{"https://[::1]", "https://[::2]", false},
		{"https://[2001:DB8::1]:8443", "https://[2001:db8:0::1]:8443", true},
		{"https://[::ffff:127.0.0.1]", "https://127.0.0.1", false},
		{"https://[fe80::1%25eth0]", "https://[fe80::1%25eth1]", false},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			var trusted Trust
			if err := trusted.Allow(pair[0]); err != nil {
				t.Errorf("%s: %v", pair[0], err)
				continue
			}
			origin, err := Origin(pair[1])
			if err != nil {
				t.Errorf("%s: %v", pair[1], err)
				continue
			}
			if got := trusted.Check(origin) == nil; got != c.same {
				t.Errorf("what is for %s may go to %s: %t", pair[0], pair[1], got)
			}
		}
	}
	for _, none := range []string{"", "api.example.test", "//api.example.test", "/a", "ftp://api.example.test", "https://", "https://:443", "https:api.example.test", "javascript:alert(1)", "https://api.example.test:port"} {
		if origin, err := Origin(none); err == nil {
			t.Errorf("%q has the origin %s", none, origin)
		}
	}
}
