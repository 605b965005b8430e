package syntax

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads a constant duration: numbers with ms s m h d, also
// joined (1h30m, 3d, 1.5s). It is never negative. The error says what is wrong
// in words for the author.
func ParseDuration(text string) (time.Duration, error) {
	rest := text
	var sum time.Duration
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		value, ok := new(big.Rat).SetString(rest[:n])
		if n == 0 || n > 20 || !ok || rest[n-1] == '.' || rest[0] == '.' {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		rest = rest[n:]
		n = len(rest) - len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ"))
		if n == 0 && rest == "" {
			return 0, fmt.Errorf("%q has no unit", text)
		}
		if n == 0 {
			return 0, fmt.Errorf("%q is not a duration", text)
		}
		unit, known := durationUnits[rest[:n]]
		if !known {
			return 0, fmt.Errorf("%q is no unit of time", rest[:n])
		}
		rest = rest[n:]
		value.Mul(value, new(big.Rat).SetInt64(int64(unit)))
		whole := new(big.Int).Quo(value.Num(), value.Denom())
		if !whole.IsInt64() || whole.Int64() > math.MaxInt64-int64(sum) {
			return 0, fmt.Errorf("%q is too long", text)
		}
		sum += time.Duration(whole.Int64())
	}
	if text == "" {
		return 0, errors.New("a duration is empty")
	}
	return sum, nil
}

var durationUnits = map[string]time.Duration{
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// ParseSize reads a constant size: a number of bytes, or a number with KiB MiB
// GiB (powers of 1024) or KB MB GB (of 1000). The error says what is wrong in
// words for the author.
func ParseSize(text string) (int64, error) {
	n := len(text) - len(strings.TrimLeft(text, "0123456789."))
	value, ok := new(big.Rat).SetString(text[:n])
	if n == 0 || n > 20 || !ok || text[n-1] == '.' || text[0] == '.' {
		return 0, fmt.Errorf("%q is not a size", text)
	}
	unit := strings.TrimLeft(text[n:], " ")
	factor, known := sizeUnits[unit]
	if !known {
		return 0, fmt.Errorf("%q is no unit of size", unit)
	}
	value.Mul(value, new(big.Rat).SetInt64(factor))
	if !value.IsInt() {
		return 0, fmt.Errorf("%q is not a whole number of bytes", text)
	}
	if !value.Num().IsInt64() {
		return 0, fmt.Errorf("%q is too large", text)
	}
	return value.Num().Int64(), nil
}

var sizeUnits = map[string]int64{
	"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9,
}

// maxName is the longest name, in characters.
const maxName = 64

// validName says whether the name may be given to something.
func validName(name string, dash bool) bool {
	if name == "" || len(name) > maxName || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || dash && c == '-') {
			return false
		}
	}
	return true
}

// nameFrom makes a valid name of one that is not, or "".
func nameFrom(name string, dash bool) string {
	var b strings.Builder
	var before rune
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			if before >= 'a' && before <= 'z' || before >= '0' && before <= '9' {
				b.WriteByte('_')
			}
			b.WriteRune(c + 'a' - 'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || dash && c == '-':
			b.WriteRune(c)
		case c == '-' || c == ' ' || c == '.':
			b.WriteByte('_')
		}
		before = c
	}
	made := strings.Trim(strings.TrimLeft(b.String(), "_-"), "_-")
	if len(made) > maxName {
		made = made[:maxName]
	}
	if !validName(made, dash) {
		return ""
	}
	return made
}

// status reads 200 or 2xx.
func status(text string) (StatusRange, bool) {
	if len(text) != 3 || text[0] < '1' || text[0] > '5' {
		return StatusRange{}, false
	}
	if text[1:] == "xx" {
		from := int(text[0]-'0') * 100
		return StatusRange{from, from + 99}, true
	}
	n, err := strconv.Atoi(text)
	return StatusRange{n, n}, err == nil
}

// describe says what a value is, for an error about its shape.
func describe(n *Node) string {
	switch n.Kind {
	case Null:
		return "nothing"
	case Boolean:
		return n.Text
	case Number:
		return "the number " + short(n.Text)
	case List:
		return "a list"
	case Mapping:
		return "a mapping"
	}
	return fmt.Sprintf("the text %q", short(n.Text))
}

// short cuts a text for a message.
func short(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if r := []rune(text); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return text
}

// scanExpression goes over quotes and brackets. With an end it gives the place
// behind the end that is in no bracket; without, the length of s and whether
// everything in it is closed.
func scanExpression(s, end string) (at int, closed bool) {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			n := stringLength(s[i:])
			if n < 0 {
				return len(s), false
			}
			i += n - 1
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth <= 0 && end != "" && strings.HasPrefix(s[i:], end) {
				return i + len(end), true
			}
			depth--
		}
	}
	return len(s), end == "" && depth <= 0
}

// stringLength is the length of the quoted text at the beginning of s; -1 if
// it has no end.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == s[0]:
			return i + 1
		case s[i] == '\\' && s[0] != '`':
			i++
		}
	}
	return -1
}

// maxMeant bounds how far is looked for the end of what was meant.
const maxMeant = 4096

// flowEnd is the length of what was meant as one value in a flow mapping or
// list: up to a separator outside of quotes and brackets.
func flowEnd(s string) int {
	s = s[:min(len(s), maxMeant)]
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'', '`':
			if n := stringLength(s[i:]); n > 0 {
				i += n - 1
			}
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return len(s)
}

// quoted is text as a quoted scalar.
func quoted(text string) string {
	switch {
	case !strings.ContainsAny(text, `"\`):
		return `"` + text + `"`
	case !strings.Contains(text, "'"):
		return "'" + text + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
