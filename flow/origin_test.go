package flow_test

import (
	"testing"

	"github.com/stepwell/stepwell/flow"
)

func TestWhichURLsHaveOneOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct{ url, origin string }{
		{"https://API.Example.test/x?y#z", "https://api.example.test"},
		{"https://api.example.test:443", "https://api.example.test"},
		{"https://api.example.test:8443/", "https://api.example.test:8443"},
		{"http://api.example.test:80/", "http://api.example.test"},
		{"http://api.example.test:443/", "http://api.example.test:443"},
		{"HTTPS://api.example.test./", "https://api.example.test"},
		{"https://user:pass@api.example.test/", "https://api.example.test"},
		{"https://[0:0:0:0:0:0:0:1]:8080/", "https://[::1]:8080"},
		{"http://127.0.0.1:9/", "http://127.0.0.1:9"},
		{"https://api.example.test@evil.example.test/", "https://evil.example.test"},
	}
	for _, tt := range tests {
		if got, err := flow.Origin(tt.url); err != nil || got != tt.origin {
			t.Errorf("%s: have %q, %v, want %q", tt.url, got, err, tt.origin)
		}
	}
	for _, url := range []string{"", "/patients", "api.example.test", "ftp://api.example.test", "https://", "https:///x", "mailto:a@example.test"} {
		if got, err := flow.Origin(url); err == nil {
			t.Errorf("%q has the origin %q", url, got)
		}
	}
}
