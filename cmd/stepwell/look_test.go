package main

import (
	"bytes"
	"testing"
	"time"
)

func plainLook(width int) look {
	return look{utf8: true, width: func() int { return width }, height: func() int { return 24 }}
}

func TestTextIsCutToColumnsAndKeepsWhatMatters(t *testing.T) {
	t.Parallel()
	ascii := plainLook(80)
	ascii.utf8 = false
	tests := []struct{ name, got, want string }{
		{"short text stays", plainLook(80).cut("abc", 3), "abc"},
		{"the end goes", plainLook(80).cut("abcdef", 4), "abc…"},
		{"without UTF-8 with dots", ascii.cut("abcdef", 5), "ab..."},
		{"both ends of a URL stay", plainLook(80).cutMiddle("/patients/9434765919/appointments", 20), "/patien…appointments"},
		{"too little room for both ends", plainLook(80).cutMiddle("/patients/9434765919", 6), "/pati…"},
		{"wide characters take two columns", plainLook(80).cut("病院の予約", 7), "病院の…"},
		{"combining marks take none", plainLook(80).cut("e\u0301e\u0301e\u0301", 3), "e\u0301e\u0301e\u0301"},
		{"no room at all", plainLook(80).cut("abc", 0), "…"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: %q, not %q", test.name, test.got, test.want)
		}
	}
}

func TestWhatServersWriteCannotDriveTheTerminal(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":                 "plain",
		"a\x1b[2Jb":             "a\uFFFD[2Jb",
		"two\nlines\tand a tab": `two\nlines and a tab`,
		"\r\x07\x00":            "\uFFFD\uFFFD\uFFFD",
		"turned \u202Eround":    "turned \uFFFDround",
		"not \xff UTF-8":        "not \uFFFD UTF-8",
	} {
		if got := clean(in); got != want {
			t.Errorf("%q is shown as %q, not %q", in, got, want)
		}
	}
}

func TestColumnsDoNotCountColours(t *testing.T) {
	t.Parallel()
	k := look{colour: true}
	if got := columns(k.paint(red+";"+bold, "abc") + k.paint(cyan, "é")); got != 4 {
		t.Errorf("%d columns, not 4", got)
	}
	if got := k.paint(red, ""); got != "" {
		t.Errorf("an empty text became %q", got)
	}
}

func TestTheLocaleSaysWhetherSignsAreASCII(t *testing.T) {
	t.Parallel()
	tests := []struct {
		env  map[string]string
		utf8 bool
	}{
		{nil, true},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "en_US.utf8"}, true},
		{map[string]string{"LANG": "C", "LC_ALL": ""}, false},
	}
	for _, test := range tests {
		env := func(name string) (string, bool) { v, ok := test.env[name]; return v, ok }
		if got := lookOf(&bytes.Buffer{}, env).utf8; got != test.utf8 {
			t.Errorf("%v: UTF-8 is %v", test.env, got)
		}
	}
}

func TestWhatIsNoTerminalGetsNoColourAndNoRedrawing(t *testing.T) {
	t.Parallel()
	l := lookOf(&bytes.Buffer{}, func(string) (string, bool) { return "", false })
	if l.colour || l.live {
		t.Errorf("a buffer is taken for a terminal: %+v", l)
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	long := "a value that is much too long for the table to show it as it is, since a terminal is narrow"
	for _, width := range []int{40, 80, 120} {
		k := plainLook(width)
		text := k.write(table{head: []string{"NAME", "VALUE", "AT"}, rows: [][]string{{"one", long, "12:00"}, {"another", long, "12:01"}}})
		for line := range bytes.Lines([]byte(text)) {
			if n := columns(string(bytes.TrimSpace(line))); n >= width {
				t.Errorf("at %d columns a line has %d: %s", width, n, line)
			}
		}
	}
}

func TestWrappedTextKeepsItsWordsAndItsMargin(t *testing.T) {
	t.Parallel()
	got := wrapped("the answer was not what was expected", 16, 4)
	want := "the answer\n    was not what\n    was expected"
	if got != want {
		t.Errorf("%q, not %q", got, want)
	}
	if got := wrapped("http://127.0.0.1/a/very/long/path", 16, 0); got != "http://127.0.0.1\n/a/very/long/pat\nh" {
		t.Errorf("a long word became %q", got)
	}
}

func TestTimesAreSeenFromNow(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration][2]string{
		time.Second:      {"just now", "just now"},
		45 * time.Second: {"45 seconds ago", "45s ago"},
		2 * time.Minute:  {"2 minutes ago", "2m ago"},
		time.Hour:        {"1 hour ago", "1h ago"},
		50 * time.Hour:   {"2 days ago", "2 days ago"},
	} {
		if got := plainLook(120).ago(noon.Add(-d), noon); got != want[0] {
			t.Errorf("%v: %q, not %q", d, got, want[0])
		}
		if got := plainLook(80).ago(noon.Add(-d), noon); got != want[1] {
			t.Errorf("%v on a narrow terminal: %q, not %q", d, got, want[1])
		}
	}
}
