package document

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The kinds of tokens (GraphQL, October 2021, §2.1.6).
const (
	end = iota
	punctuator
	name
	number
	text // a string or a block string
)

type token struct {
	kind     int
	from, to int // bytes
	text     string
}

// is says whether the token is this punctuator or name.
func (t token) is(s string) bool {
	return (t.kind == punctuator || t.kind == name) && t.text == s
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	if t.kind == text || len(t.text) > 40 {
		return "a string"
	}
	return "`" + t.text + "`"
}

// A scanner makes tokens of a document.
type scanner struct {
	source string
	at     int
}

// next gives the next token; what is no token is a *Problem.
func (s *scanner) next() (token, *Problem) {
	s.ignore()
	from := s.at
	if from == len(s.source) {
		return token{kind: end, from: from, to: from}, nil
	}
	c := s.source[from]
	switch {
	case strings.IndexByte("!$&()=:@[]{|}", c) >= 0:
		s.at++
		return s.token(punctuator, from), nil
	case c == '.':
		if strings.HasPrefix(s.source[from:], "...") {
			s.at += 3
			return s.token(punctuator, from), nil
		}
	case letter(c):
		for s.at < len(s.source) && (letter(s.source[s.at]) || digit(s.source[s.at])) {
			s.at++
		}
		return s.token(name, from), nil
	case digit(c) || c == '-':
		return s.number(from)
	case c == '"':
		if strings.HasPrefix(s.source[from:], `"""`) {
			return s.block(from)
		}
		return s.string(from)
	}
	r, size := utf8.DecodeRuneInString(s.source[from:])
	return token{}, &Problem{From: from, To: from + size, Message: fmt.Sprintf("%q has no meaning here", r)}
}

func (s *scanner) token(kind, from int) token {
	return token{kind: kind, from: from, to: s.at, text: s.source[from:s.at]}
}

// ignore skips what means nothing: blanks, line ends, commas, comments, a BOM.
func (s *scanner) ignore() {
	for s.at < len(s.source) {
		switch s.source[s.at] {
		case ' ', '\t', '\r', '\n', ',':
			s.at++
		case '#':
			n := strings.IndexAny(s.source[s.at:], "\r\n")
			if n < 0 {
				n = len(s.source) - s.at
			}
			s.at += n
		default:
			if !strings.HasPrefix(s.source[s.at:], "\uFEFF") {
				return
			}
			s.at += len("\uFEFF")
		}
	}
}

func (s *scanner) number(from int) (token, *Problem) {
	for s.at < len(s.source) {
		c := s.source[s.at]
		if !digit(c) && !letter(c) && c != '.' && c != '-' && c != '+' {
			break
		}
		s.at++
	}
	t := s.token(number, from)
	if !validNumber(t.text) {
		return t, &Problem{From: from, To: s.at, Message: fmt.Sprintf("`%s` is not a number", t.text)}
	}
	return t, nil
}

// validNumber follows the grammar of IntValue and FloatValue (§2.9.1, §2.9.2).
func validNumber(t string) bool {
	t = strings.TrimPrefix(t, "-")
	whole, rest := digits(t)
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if strings.HasPrefix(rest, ".") {
		var fraction string
		if fraction, rest = digits(rest[1:]); fraction == "" {
			return false
		}
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		var exponent string
		if exponent, rest = digits(rest); exponent == "" {
			return false
		}
	}
	return rest == ""
}

func digits(t string) (head, rest string) {
	n := 0
	for n < len(t) && digit(t[n]) {
		n++
	}
	return t[:n], t[n:]
}

func (s *scanner) string(from int) (token, *Problem) {
	for i := from + 1; i < len(s.source); i++ {
		switch s.source[i] {
		case '\\':
			if i+1 < len(s.source) && strings.IndexByte(`"\/bfnrtu`, s.source[i+1]) < 0 {
				return token{}, &Problem{From: i, To: i + 2, Message: "a string knows no such escape"}
			}
			i++
		case '"':
			s.at = i + 1
			return s.token(text, from), nil
		case '\n', '\r':
			return token{}, &Problem{From: from, To: i, Message: "the string does not end on its line; text of several lines stands between \"\"\""}
		}
	}
	return token{}, &Problem{From: from, To: len(s.source), Message: "the string does not end"}
}

func (s *scanner) block(from int) (token, *Problem) {
	for i := from + 3; i < len(s.source); i++ {
		switch {
		case strings.HasPrefix(s.source[i:], `\"""`):
			i += 3
		case strings.HasPrefix(s.source[i:], `"""`):
			s.at = i + 3
			return s.token(text, from), nil
		}
	}
	return token{}, &Problem{From: from, To: from + 3, Message: "the block string does not end"}
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
