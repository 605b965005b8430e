package value

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"
)

var text = Type{Kind: String}

// textFunctions are the functions of text and bytes.
var textFunctions = map[string]*Function{
	"trim": {1, 2, []Kinds{Texts}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		if len(a) == 1 {
			return strings.TrimSpace(a[0].(string)), nil
		}
		return strings.Trim(a[0].(string), a[1].(string)), nil
	}},
	"trimPrefix": {1, 2, []Kinds{Texts}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		return strings.TrimPrefix(a[0].(string), second(a, " ")), nil
	}},
	"trimSuffix": {1, 2, []Kinds{Texts}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		return strings.TrimSuffix(a[0].(string), second(a, " ")), nil
	}},
	"upper": {1, 1, []Kinds{Texts}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		return strings.ToUpper(a[0].(string)), m.Grow(2 * len(a[0].(string)))
	}},
	"lower": {1, 1, []Kinds{Texts}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		return strings.ToLower(a[0].(string)), m.Grow(2 * len(a[0].(string)))
	}},
	"split":      {2, 3, []Kinds{Texts, Texts, integer}, ListOf(text), nil, false, split(strings.SplitN)},
	"splitAfter": {2, 3, []Kinds{Texts, Texts, integer}, ListOf(text), nil, false, split(strings.SplitAfterN)},
	"replace":    {3, 4, []Kinds{Texts, Texts, Texts, integer}, text, nil, false, replace},
	"repeat":     {2, 2, []Kinds{Texts, integer}, text, nil, false, repeat},
	"indexOf": {2, 2, []Kinds{Texts}, Type{Kind: Integer}, nil, false, func(m *Budget, a []any) (any, *Error) {
		s := a[0].(string)
		return characters(s, strings.Index(s, a[1].(string))), nil
	}},
	"lastIndexOf": {2, 2, []Kinds{Texts}, Type{Kind: Integer}, nil, false, func(m *Budget, a []any) (any, *Error) {
		s := a[0].(string)
		return characters(s, strings.LastIndex(s, a[1].(string))), nil
	}},
	"hasPrefix": {2, 2, []Kinds{Texts}, Type{Kind: Boolean}, nil, true, func(m *Budget, a []any) (any, *Error) {
		return strings.HasPrefix(a[0].(string), a[1].(string)), nil
	}},
	"hasSuffix": {2, 2, []Kinds{Texts}, Type{Kind: Boolean}, nil, true, func(m *Budget, a []any) (any, *Error) {
		return strings.HasSuffix(a[0].(string), a[1].(string)), nil
	}},
	"toBase64":   {1, 1, []Kinds{rawBytes}, text, nil, false, encode(base64.StdEncoding.EncodeToString)},
	"base64":     {1, 1, []Kinds{rawBytes}, text, nil, false, encode(base64.StdEncoding.EncodeToString)},
	"base64url":  {1, 1, []Kinds{rawBytes}, text, nil, false, encode(base64.RawURLEncoding.EncodeToString)},
	"hex":        {1, 1, []Kinds{rawBytes}, text, nil, false, encode(hex.EncodeToString)},
	"urlEncode":  {1, 1, []Kinds{Texts}, text, nil, false, encode(func(b []byte) string { return EscapeURL(string(b)) })},
	"unbase64":   {1, 1, []Kinds{Texts}, Type{}, nil, false, unbase64},
	"fromBase64": {1, 1, []Kinds{Texts}, Type{}, nil, false, unbase64},
	"sha256": {1, 1, []Kinds{rawBytes}, Type{Kind: Bytes}, nil, false, func(m *Budget, a []any) (any, *Error) {
		b := bytesOf(a[0])
		sum := sha256.Sum256(b)
		return sum[:], m.Read(4 * len(b))
	}},
	"hmacSHA256": {2, 2, []Kinds{rawBytes}, Type{Kind: Bytes}, nil, false, func(m *Budget, a []any) (any, *Error) {
		b := bytesOf(a[1])
		mac := hmac.New(sha256.New, bytesOf(a[0]))
		mac.Write(b)
		return mac.Sum(nil), m.Read(4 * len(b))
	}},
	"jwtClaims": {1, 1, []Kinds{Texts}, Type{Kind: Object}, nil, false, jwtClaims},
}

func second(a []any, other string) string {
	if len(a) > 1 {
		return a[1].(string)
	}
	return other
}

// characters turns an index in bytes into one in characters.
func characters(s string, i int) int {
	if i < 0 {
		return -1
	}
	return utf8.RuneCountInString(s[:i])
}

func bytesOf(v any) []byte {
	if b, ok := v.([]byte); ok {
		return b
	}
	return []byte(v.(string))
}

func encode(by func([]byte) string) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (any, *Error) {
		b := bytesOf(a[0])
		if err := m.Grow(3 * len(b)); err != nil {
			return nil, err
		}
		return by(b), nil
	}
}

func split(by func(s, sep string, n int) []string) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (any, *Error) {
		s, sep, n := a[0].(string), a[1].(string), -1
		if len(a) > 2 {
			n = a[2].(int)
		}
		most := strings.Count(s, sep) + 1
		if n >= 0 {
			most = min(most, n)
		}
		if err := m.List(most); err != nil {
			return nil, err
		}
		return adopt(by(s, sep, n)), m.Grow(len(s))
	}
}

func replace(m *Budget, a []any) (any, *Error) {
	s, from, to, n := a[0].(string), a[1].(string), a[2].(string), -1
	if len(a) > 3 {
		n = a[3].(int)
	}
	times := strings.Count(s, from)
	if n >= 0 {
		times = min(times, n)
	}
	if err := m.Grow(len(s)); err != nil {
		return nil, err
	}
	if len(to) > 0 && times > MaxBytes/len(to) {
		return nil, m.Grow(MaxBytes + 1)
	}
	if err := m.Grow(times * len(to)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func repeat(m *Budget, a []any) (any, *Error) {
	s, n := a[0].(string), a[1].(int)
	if n < 0 {
		return nil, Failure("a text cannot be repeated less than 0 times")
	}
	if len(s) > 0 && n > MaxBytes/len(s) {
		return nil, m.Grow(MaxBytes + 1)
	}
	if err := m.Grow(len(s) * n); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

// unbase64 reads both alphabets, with or without padding. What is UTF-8 is text,
// anything else bytes.
func unbase64(m *Budget, a []any) (any, *Error) {
	s := a[0].(string)
	if err := m.Grow(2 * len(s)); err != nil {
		return nil, err
	}
	b, ok := decodeBase64(s)
	switch {
	case !ok:
		return nil, Failure("the text is not base64")
	case utf8.Valid(b):
		return string(b), nil
	}
	return b, nil
}

func decodeBase64(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return b, err == nil
}

// jwtClaims decodes the claims of a token. It verifies nothing.
func jwtClaims(m *Budget, a []any) (any, *Error) {
	s := a[0].(string)
	if err := m.Grow(2 * len(s)); err != nil {
		return nil, err
	}
	if n := strings.Count(s, "."); n != 2 {
		return nil, Failure(fmt.Sprintf("a JWT has three parts between dots, the text has %d", n+1))
	}
	_, middle, _ := strings.Cut(s, ".")
	middle, _, _ = strings.Cut(middle, ".")
	b, ok := decodeBase64(middle)
	if !ok || CheckJSON(b) != nil {
		return nil, Failure("the token's claims are not base64url of JSON")
	}
	claims := Scan(string(b))
	if KindOf(claims) != Object {
		return nil, Failure("the token's claims are no JSON object")
	}
	return claims, nil
}

// Unreserved characters stand for themselves everywhere in a URL (RFC 3986 §2.3).
func Unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// EscapeURL percent-encodes everything that is not unreserved.
func EscapeURL(s string) string {
	const hexDigits = "0123456789ABCDEF"
	from := 0
	for from < len(s) && Unreserved(s[from]) {
		from++
	}
	if from == len(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	b.WriteString(s[:from])
	for i := from; i < len(s); i++ {
		if c := s[i]; Unreserved(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
