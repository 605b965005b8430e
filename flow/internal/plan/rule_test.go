package plan

import (
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

func TestIntegersFromOutsideAreDigitsPerhapsWithASign(t *testing.T) {
	t.Parallel()
	integer, _ := expression.ParseType("integer", "")
	for _, c := range []struct{ text, want string }{
		{"7", "7"},
		{"-7", "-7"},
		{"007", "7"},
		{"-007", "-7"},
		{"0", "0"},
		{"-0", "0"},
		{"000", "0"},
		{"123456789012345678901234567890", "123456789012345678901234567890"},
	} {
		got, err := FromText(c.text, integer)
		if err != nil || got != c.want {
			t.Errorf("FromText(%q) = %q, %v, want %q", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "-", "+7", "7.0", "1e3", " 7", "7 ", "0x7", "--7", "٧"} {
		if got, err := FromText(text, integer); err == nil {
			t.Errorf("FromText(%q) = %q, want an error", text, got)
		}
	}
}
