package datapoints_test

import (
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

func TestMaskURL(t *testing.T) {
	t.Parallel()
	secrets := []string{"1234", "a b", ""}
	for _, tt := range []struct{ url, want string }{
		{"https://a.example.test/x?pin=1234", "https://a.example.test/x?pin=[secret pin]"},
		{"https://a.example.test/x?page=1&pin=id-1234&q=a%20b&r=a+b&s", "https://a.example.test/x?page=1&pin=[secret pin]&q=[secret q]&r=[secret r]&s"},
		{"https://a.example.test/cards/1234/a%20b", "https://a.example.test/cards/[secret]/[secret]"},
		{"https://a.example.test/cards/12345?q=", "https://a.example.test/cards/12345?q="}, // a part of a segment would say that there is one
		{"https://1234/1234", "https://1234/[secret]"},
		{"https://a.example.test/?a%5Bb%5D=1234&%zz=%z1234", "https://a.example.test/?a[b]=[secret a[b]]&%zz=[secret %zz]"},
		{"", ""},
	} {
		if got := datapoints.MaskURL(tt.url, secrets); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.url, got, tt.want)
		}
	}
	if got := datapoints.MaskURL("https://a.example.test/x?pin=1234", nil); got != "https://a.example.test/x?pin=1234" {
		t.Error(got)
	}
}

func TestMaskForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ form, name, secret, want string }{
		{"pin=4711&page=4711", "pin", "4711", "pin=[secret pin]&page=4711"},
		{"pin=4711&page=4711", "", "4711", "pin=[secret pin]&page=[secret page]"},
		{"a+b=id-%34711&pin", "a b", "4711", "a b=[secret a b]&pin"},
		{"pin=4711", "pin", "", "pin=4711"},
		{"", "pin", "4711", ""},
	} {
		if got := datapoints.MaskForm(tt.form, tt.name, tt.secret); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.form, got, tt.want)
		}
	}
}
