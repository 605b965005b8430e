package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestADiffShowsTheLinesThatDifferWithThreeAround(t *testing.T) {
	t.Parallel()
	before := "1\n2\n3\n4\n5\nx\n6\n7\n8\n9\n10\n11\n12\n13\n"
	after := "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\ny\n"
	want := []string{"--- f", "+++ f",
		"@@ -3,7 +3,6 @@", " 3", " 4", " 5", "-x", " 6", " 7", " 8",
		"@@ -12,3 +11,4 @@", " 11", " 12", " 13", "+y"}
	if diff := cmp.Diff(want, unified("f", before, after)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestADiffAppliedGivesBothTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", ""}), 0, 12)
		a, b := lines.Draw(t, "a"), lines.Draw(t, "b")
		var before, after []string
		for _, c := range differences(nil, a, b) {
			if c.sign != '+' {
				before = append(before, c.text)
			}
			if c.sign != '-' {
				after = append(after, c.text)
			}
		}
		if strings.Join(before, "\n") != strings.Join(a, "\n") || strings.Join(after, "\n") != strings.Join(b, "\n") {
			t.Fatalf("%q and %q became %q and %q", a, b, before, after)
		}
	})
}
