package expression

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// MaxSource is how long an expression may be, in bytes.
const MaxSource = 4 << 10

// A scanner goes through an expression, over quotes, backticks and brackets.
type scanner struct {
	s        string
	i        int
	brackets []byte // open ones
	at       []int  // where they are
}

// quoted says whether a quoted string begins at i, and gives the index after
// it, or -1 if it is not closed.
func quoted(s string, i int) (after int, ok bool) {
	switch q := s[i]; q {
	case '"', '\'':
		for i++; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case q:
				return i + 1, true
			case '\n':
				return -1, true
			}
		}
		return -1, true
	case '`':
		for i++; i < len(s); i++ {
			if s[i] == '`' {
				if i+1 < len(s) && s[i+1] == '`' {
					i++
					continue
				}
				return i + 1, true
			}
		}
		return -1, true
	}
	return i, false
}

// end finds the `}}` that closes an expression that begins at i. Why is "" if
// it is found.
func end(s string, i int) (at int, why string) {
	sc := scanner{s: s, i: i}
	for sc.i < len(s) {
		if after, ok := quoted(s, sc.i); ok {
			if after < 0 {
				return -1, fmt.Sprintf("the quote %c is not closed", s[sc.i])
			}
			sc.i = after
			continue
		}
		if s[sc.i] == '}' && !sc.open('{') && strings.HasPrefix(s[sc.i:], "}}") {
			return sc.i, ""
		}
		sc.bracket()
		sc.i++
	}
	return -1, "there is no `}}`"
}

// open says whether the innermost open bracket is b.
func (sc *scanner) open(b byte) bool {
	return len(sc.brackets) > 0 && sc.brackets[len(sc.brackets)-1] == b
}

// bracket keeps count of the brackets. Those that fit nothing are the parser's to report.
func (sc *scanner) bracket() {
	switch c := sc.s[sc.i]; c {
	case '(', '[', '{':
		sc.brackets = append(sc.brackets, c)
		sc.at = append(sc.at, sc.i)
	case ')', ']', '}':
		opening := map[byte]byte{')': '(', ']': '[', '}': '{'}[c]
		if sc.open(opening) {
			sc.brackets = sc.brackets[:len(sc.brackets)-1]
			sc.at = sc.at[:len(sc.at)-1]
		}
	}
}

// closing gives the index of the bracket that closes the one at i, or -1.
func closing(s string, i int) int {
	depth := 0
	for i < len(s) {
		if after, ok := quoted(s, i); ok {
			if after < 0 {
				return -1
			}
			i = after
			continue
		}
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i
			}
		}
		i++
	}
	return -1
}

// guard refuses what the language leaves out: comments, `;`, and sources
// that are too long. What is quoted does not count.
func guard(source string) (at int, p *Problem) {
	if len(source) > MaxSource {
		return 0, &Problem{Code: diag.OverLimit, To: utf8.RuneCountInString(source),
			Message: fmt.Sprintf("the expression is longer than %d bytes", MaxSource), Hint: "compute parts of it in a `set` step"}
	}
	for i := 0; i < len(source); i++ {
		if after, ok := quoted(source, i); ok {
			if after < 0 {
				return i, &Problem{Code: diag.BadExpression, To: 1, Message: fmt.Sprintf("the quote %c is not closed", source[i])}
			}
			i = after - 1
			continue
		}
		switch two := source[i:min(i+2, len(source))]; {
		case two == "//", two == "/*":
			return i, &Problem{Code: diag.BadExpression, To: 2, Message: fmt.Sprintf("comments (`%s`) have no place in an expression", two), Hint: "write a YAML comment above the line"}
		case source[i] == ';':
			return i, &Problem{Code: diag.BadExpression, To: 1, Message: "`;` has no place in an expression", Hint: "name what you need in a `set` step"}
		}
	}
	return 0, nil
}

// bare takes the `${{ }}` off a field that is wholly one, and refuses a field
// that holds one among other things.
func bare(text string) (source string, off int, p *Problem) {
	all := utf8.RuneCountInString(text)
	trimmed := strings.TrimLeft(text, " \t\r\n")
	off = len(text) - len(trimmed)
	switch {
	case strings.TrimSpace(text) == "":
		return "", 0, &Problem{To: all, Code: diag.BadExpression, Message: "an expression is missing"}
	case strings.HasPrefix(trimmed, "${{"):
		at, why := end(trimmed, 3)
		if why != "" {
			return "", 0, &Problem{From: off, To: off + 3, Code: diag.UnclosedBraces, Message: "`${{` is not closed: " + why}
		}
		if strings.TrimSpace(trimmed[at+2:]) == "" {
			return trimmed[3:at], off + 3, nil
		}
		return "", 0, mixed(0, all)
	case strings.HasPrefix(trimmed, "{{"):
		return "", 0, &Problem{From: off, To: off + 2, Code: diag.ForeignSpelling, Message: "`{{ }}` is no expression", Hint: "leave the braces away, or write ${{ }}"}
	}
	if at := outsideQuotes(text, "${{"); at >= 0 {
		from := utf8.RuneCountInString(text[:at])
		return "", 0, mixed(from, from+3)
	}
	return text, 0, nil
}

func mixed(from, to int) *Problem {
	return &Problem{From: from, To: to, Code: diag.BadExpression, Message: "this field is an expression: `${{ }}` may not stand inside it",
		Hint: "write the whole of it as one expression, without ${{ }}"}
}

// outsideQuotes finds what in s where it is not in quotes, or gives -1.
func outsideQuotes(s, what string) int {
	for i := 0; i < len(s); i++ {
		if after, ok := quoted(s, i); ok {
			if after < 0 {
				return -1
			}
			i = after - 1
			continue
		}
		if strings.HasPrefix(s[i:], what) {
			return i
		}
	}
	return -1
}

// plain reads an expression that only refers to a value: names, .x, ?.x, [0],
// ["x"]. Positions are bytes of the source.
func plain(s string) (root step, steps []step, ok bool) {
	i, n := value.Blank(s, 0), len(strings.TrimRight(s, " \t\r\n"))
	end := word(s, i)
	if end == i || reserved(s[i:end]) {
		return root, nil, false
	}
	root = step{name: s[i:end], from: i, to: end}
	for i = end; i < n; {
		next := step{optional: strings.HasPrefix(s[i:], "?.")}
		if next.optional {
			i++
		}
		switch {
		case s[i] == '.' && i+1 < n && s[i+1] == '[' && next.optional:
			i++
			fallthrough
		case s[i] == '[':
			if i, ok = next.bracket(s, i); !ok {
				return root, nil, false
			}
		case s[i] == '.':
			end := word(s, i+1)
			if end == i+1 {
				return root, nil, false
			}
			next.name, next.from, next.to = s[i+1:end], i+1, end
			i = end
		default:
			return root, nil, false
		}
		steps = append(steps, next)
	}
	return root, steps, true
}

// bracket reads [0] or ["x"].
func (st *step) bracket(s string, i int) (after int, ok bool) {
	st.from = i
	i++
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		end, _ := quoted(s, i)
		if end < 0 || end >= len(s) || s[end] != ']' || strings.IndexByte(s[i:end], '\\') >= 0 {
			return i, false
		}
		st.name, st.to = s[i+1:end-1], end+1
		return end + 1, true
	}
	digits := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9' && digits < 9; digits++ {
		st.index = st.index*10 + int(s[i]-'0')
		i++
	}
	if digits == 0 || i >= len(s) || s[i] != ']' {
		return i, false
	}
	st.byIndex, st.to = true, i+1
	return i + 1, true
}

// word gives the index after the name that begins at i.
func word(s string, i int) int {
	start := i
	for i < len(s) && (s[i] == '_' || 'a' <= s[i] && s[i] <= 'z' || 'A' <= s[i] && s[i] <= 'Z' || i > start && '0' <= s[i] && s[i] <= '9') {
		i++
	}
	return i
}

// reserved words are no names.
func reserved(name string) bool {
	switch name {
	case "true", "false", "nil", "not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else":
		return true
	}
	return false
}

// foreignBraces finds `{{ data.x }}` in constant text: other tools' expressions
// with one of our roots.
func foreignBraces(text string, off int) (problems []Problem) {
	for at := 0; ; {
		next := strings.Index(text[at:], "{{")
		if next < 0 {
			return problems
		}
		at += next
		inner := value.Blank(text, at+2)
		after := word(text, inner)
		if isRoot(text[inner:after]) && after < len(text) && (text[after] == '.' || text[after] == '[') {
			to := at + 2
			if stop := strings.Index(text[at:], "}}"); stop >= 0 {
				to = at + stop + 2
			}
			from := off + utf8.RuneCountInString(text[:at])
			problems = append(problems, Problem{From: from, To: from + utf8.RuneCountInString(text[at:to]), Code: diag.ForeignSpelling,
				Message: fmt.Sprintf("`%s` is text: an expression begins with `${{`", text[at:to]), Hint: "write $" + text[at:to]})
		}
		at = inner
	}
}
