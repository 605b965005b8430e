package diag

import (
	"strings"
	"testing"
)

func TestTextIsAFrameWithExcerptCaretAndHint(t *testing.T) {
	t.Parallel()
	line := `      headers: { Authorization: "Bearer ${{ data.acces_token }}" }`
	list := List{
		{
			Span: Span{File: "flows/follow-up.yaml", Line: 47, Column: 50, EndColumn: 61, Text: line},
			Code: UnknownName, Message: `no data point is called "acces_token"`,
			Hint: `did you mean "access_token"?`, Notes: []string{`step "token" saves access_token (line 36)`},
		},
		{Span: Span{File: "x.yaml"}, Severity: Warning, Code: EmptyFile, Message: "the file is empty", Hint: "write something"},
	}
	want := `error[unknown-name]: no data point is called "acces_token"
  --> flows/follow-up.yaml:47:50
   |
47 |       headers: { Authorization: "Bearer ${{ data.acces_token }}" }
   |                                                  ^^^^^^^^^^^ did you mean "access_token"?
   = step "token" saves access_token (line 36)

warning[empty-file]: the file is empty
  --> x.yaml
   = help: write something
`
	if got := list.Text(Style{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := (List)(nil).Text(Style{}); got != "" {
		t.Errorf("without problems: %q", got)
	}
}

func TestAProblemOfNoFileHasNoPlace(t *testing.T) {
	t.Parallel()
	d := Diagnostic{Code: "secret", Message: "a secret is missing", Notes: []string{"client_secret: it is not set"}}
	want := `error[secret]: a secret is missing
   = client_secret: it is not set
`
	if got := d.Frame(Style{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// caretLine gives excerpt and caret line of a problem at the first NAME of a line.
func caretLine(line, hint string, style Style) (excerpt, caret string) {
	before, _, _ := strings.Cut(line, "NAME")
	column := len([]rune(before)) + 1
	d := Diagnostic{Span: Span{File: "f", Line: 5, Column: column, EndColumn: column + 4, Text: line}, Hint: hint}
	lines := strings.Split(d.Frame(style), "\n")
	return lines[3], lines[4]
}

func TestTheCaretStandsBelowItsCharacters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ line, excerpt, caret string }{
		"plain":       {"a: NAME", " 5 | a: NAME", "   |    ^^^^"},
		"tab":         {"\ta:\tNAME", " 5 |     a:  NAME", "   |         ^^^^"},
		"wide":        {"日本: NAME", " 5 | 日本: NAME", "   |       ^^^^"},
		"combining":   {"cafe\u0301: NAME", " 5 | cafe\u0301: NAME", "   |       ^^^^"},
		"emoji":       {"😀\ufe0f: NAME", " 5 | 😀\ufe0f: NAME", "   |     ^^^^"},
		"half width":  {"ｱ: NAME", " 5 | ｱ: NAME", "   |    ^^^^"},
		"control":     {"a\x1b[31m: NAME", " 5 | a\ufffd[31m: NAME", "   |         ^^^^"},
		"end of line": {"a: NAME", " 5 | a: NAME", "   |    ^^^^"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			excerpt, caret := caretLine(c.line, "", Style{})
			if excerpt != c.excerpt || caret != c.caret {
				t.Errorf("got\n%s\n%s\nwant\n%s\n%s", excerpt, caret, c.excerpt, c.caret)
			}
		})
	}
}

func TestALongLineIsCutAroundTheCaret(t *testing.T) {
	t.Parallel()
	fill := strings.Repeat("0123456789", 20)
	for name, c := range map[string]struct{ line, excerpt, caret string }{
		"at the start":  {"a: NAME " + fill, " 5 | a: NAME 01234567890123456789012345…", "   |    ^^^^"},
		"in the middle": {fill + " NAME " + fill, " 5 | …4567890123456789 NAME 01234567890…", "   |                   ^^^^"},
		"at the end":    {fill + " NAME", " 5 | …4567890123456789 NAME", "   |                   ^^^^"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			excerpt, caret := caretLine(c.line, "", Style{Width: 40})
			if columns(excerpt) > 40 || columns(caret) > 40 {
				t.Errorf("too wide:\n%s\n%s", excerpt, caret)
			}
			at := strings.Index(caret, "^^^^")
			if at < 0 || string([]rune(excerpt)[at:at+4]) != "NAME" {
				t.Errorf("the caret is elsewhere:\n%s\n%s", excerpt, caret)
			}
			if excerpt != c.excerpt || caret != c.caret {
				t.Errorf("got\n%s\n%s\nwant\n%s\n%s", excerpt, caret, c.excerpt, c.caret)
			}
		})
	}
}

func TestEveryLineFitsTheWidth(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("words and words 日本語 ", 20)
	for _, width := range []int{30, 40, 80, 120} {
		for at := 1; at < 300; at += 7 {
			for _, size := range []int{0, 1, 10, 200} {
				d := Diagnostic{
					Span: Span{File: "flows/a.yaml", Line: 12345, Column: at, EndColumn: at + size, Text: long},
					Code: UnknownName, Message: long, Hint: long[:60], Notes: []string{long + strings.Repeat("x", 300), "sent  a\n      b " + long},
				}
				for _, ascii := range []bool{false, true} {
					for _, line := range strings.Split(d.Frame(Style{Width: width, ASCII: ascii}), "\n") {
						if columns(line) > width && !strings.Contains(line, "-->") {
							t.Fatalf("width %d: %d columns: %s", width, columns(line), line)
						}
						if ascii && strings.Contains(line, "…") {
							t.Fatalf("not ASCII: %s", line)
						}
					}
				}
			}
		}
	}
}

func TestAHintWithoutRoomStandsBelow(t *testing.T) {
	t.Parallel()
	d := Diagnostic{
		Span: Span{File: "f", Line: 5, Column: 4, EndColumn: 8, Text: "a: NAME"},
		Code: UnknownName, Message: "m", Hint: "a hint that has more words than the line has room for",
	}
	want := `error[unknown-name]: m
  --> f:5:4
   |
 5 | a: NAME
   |    ^^^^
   = help: a hint that has more
       words than the line has room
       for
`
	if got := d.Frame(Style{Width: 36}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColourMarksWithoutMovingAnything(t *testing.T) {
	t.Parallel()
	d := Diagnostic{
		Span: Span{File: "f", Line: 5, Column: 4, EndColumn: 8, Text: "a: NAME"},
		Code: UnknownName, Message: "m", Hint: "h", Notes: []string{"n"},
	}
	coloured := d.Frame(Style{Colour: true})
	if !strings.Contains(coloured, "\x1b[1;31merror[unknown-name]\x1b[0m") {
		t.Errorf("got %q", coloured)
	}
	var b strings.Builder
	for rest := coloured; rest != ""; {
		before, after, found := strings.Cut(rest, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, "m")
	}
	if b.String() != d.Frame(Style{}) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), d.Frame(Style{}))
	}
}

func TestNotesOfSeveralLinesAreIndented(t *testing.T) {
	t.Parallel()
	d := Diagnostic{Span: Span{File: "f"}, Code: "auth", Message: "m", Notes: []string{"sent  GET /\n      again\n"}}
	want := "error[auth]: m\n  --> f\n   = sent  GET /\n           again\n"
	if got := d.Frame(Style{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
