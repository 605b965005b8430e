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
