package expression

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
var textFunctions = map[string]*function{
	"trim": {1, 2, []kinds{texts}, text, nil, false, func(m *machine, a []any) (any, *Error) {
		if len(a) == 1 {
			return strings.TrimSpace(a[0].(string)), m.reading(a)
		}
		return strings.Trim(a[0].(string), a[1].(string)), m.reading(a)
	}},
	"trimPrefix": {1, 2, []kinds{texts}, text, nil, false, func(m *machine, a []any) (any, *Error) {
		return strings.TrimPrefix(a[0].(string), second(a, " ")), m.reading(a)
	}},
	"trimSuffix": {1, 2, []kinds{texts}, text, nil, false, func(m *machine, a []any) (any, *Error) {
		return strings.TrimSuffix(a[0].(string), second(a, " ")), m.reading(a)
	}},
	"upper": {1, 1, []kinds{texts}, text, nil, false, func(m *machine, a []any) (any, *Error) {
		return strings.ToUpper(a[0].(string)), m.grow(2 * len(a[0].(string)))
	}},
	"lower": {1, 1, []kinds{texts}, text, nil, false, func(m *machine, a []any) (any, *Error) {
		return strings.ToLower(a[0].(string)), m.grow(2 * len(a[0].(string)))
	}},
	"split":      {2, 3, []kinds{texts, texts, integer}, listOf(text), nil, false, split(strings.SplitN)},
	"splitAfter": {2, 3, []kinds{texts, texts, integer}, listOf(text), nil, false, split(strings.SplitAfterN)},
	"replace":    {3, 4, []kinds{texts, texts, texts, integer}, text, nil, false, replace},
	"repeat":     {2, 2, []kinds{texts, integer}, text, nil, false, repeat},
	"indexOf": {2, 2, []kinds{texts}, Type{Kind: Integer}, nil, false, func(m *machine, a []any) (any, *Error) {
		s := a[0].(string)
		return characters(s, strings.Index(s, a[1].(string))), m.reading(a)
	}},
	"lastIndexOf": {2, 2, []kinds{texts}, Type{Kind: Integer}, nil, false, func(m *machine, a []any) (any, *Error) {
		s := a[0].(string)
		return characters(s, strings.LastIndex(s, a[1].(string))), m.reading(a)
	}},
	"hasPrefix": {2, 2, []kinds{texts}, Type{Kind: Boolean}, nil, true, func(m *machine, a []any) (any, *Error) {
		return strings.HasPrefix(a[0].(string), a[1].(string)), m.reading(a)
	}},
	"hasSuffix": {2, 2, []kinds{texts}, Type{Kind: Boolean}, nil, true, func(m *machine, a []any) (any, *Error) {
		return strings.HasSuffix(a[0].(string), a[1].(string)), m.reading(a)
	}},
	"toBase64":   {1, 1, []kinds{rawBytes}, text, nil, false, encode(base64.StdEncoding.EncodeToString)},
	"base64":     {1, 1, []kinds{rawBytes}, text, nil, false, encode(base64.StdEncoding.EncodeToString)},
	"base64url":  {1, 1, []kinds{rawBytes}, text, nil, false, encode(base64.RawURLEncoding.EncodeToString)},
	"hex":        {1, 1, []kinds{rawBytes}, text, nil, false, encode(hex.EncodeToString)},
	"urlEncode":  {1, 1, []kinds{texts}, text, nil, false, encode(func(b []byte) string { return escapeURL(string(b)) })},
	"unbase64":   {1, 1, []kinds{texts}, Type{}, nil, false, unbase64},
	"fromBase64": {1, 1, []kinds{texts}, Type{}, nil, false, unbase64},
	"sha256": {1, 1, []kinds{rawBytes}, Type{Kind: Bytes}, nil, false, func(m *machine, a []any) (any, *Error) {
		b := bytesOf(a[0])
		sum := sha256.Sum256(b)
		return sum[:], m.read(4 * len(b))
	}},
	"hmacSHA256": {2, 2, []kinds{rawBytes}, Type{Kind: Bytes}, nil, false, func(m *machine, a []any) (any, *Error) {
		b := bytesOf(a[1])
		mac := hmac.New(sha256.New, bytesOf(a[0]))
		mac.Write(b)
		return mac.Sum(nil), m.read(4 * len(b))
	}},
	"jwtClaims": {1, 1, []kinds{texts}, Type{Kind: Object}, nil, false, jwtClaims},
}

// reading counts the reading of all texts among the arguments.
func (m *machine) reading(args []any) *Error {
	n := 0
	for _, a := range args {
		if s, ok := a.(string); ok {
			n += len(s)
		}
	}
	return m.read(n)
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

func encode(by func([]byte) string) func(*machine, []any) (any, *Error) {
	return func(m *machine, a []any) (any, *Error) {
		b := bytesOf(a[0])
		if err := m.grow(3 * len(b)); err != nil {
			return nil, err
		}
		return by(b), nil
	}
}

func split(by func(s, sep string, n int) []string) func(*machine, []any) (any, *Error) {
	return func(m *machine, a []any) (any, *Error) {
		s, sep, n := a[0].(string), a[1].(string), -1
		if len(a) > 2 {
			n = a[2].(int)
		}
		most := strings.Count(s, sep) + 1
		if n >= 0 {
			most = min(most, n)
		}
		if err := m.list(most); err != nil {
			return nil, err
		}
		return adopt(by(s, sep, n)), m.grow(len(s))
	}
}

func replace(m *machine, a []any) (any, *Error) {
	s, from, to, n := a[0].(string), a[1].(string), a[2].(string), -1
	if len(a) > 3 {
		n = a[3].(int)
	}
	times := strings.Count(s, from)
	if n >= 0 {
		times = min(times, n)
	}
	if err := m.grow(len(s)); err != nil {
		return nil, err
	}
	if len(to) > 0 && times > MaxBytes/len(to) {
		return nil, m.grow(MaxBytes + 1)
	}
	if err := m.grow(times * len(to)); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

func repeat(m *machine, a []any) (any, *Error) {
	s, n := a[0].(string), a[1].(int)
	if n < 0 {
		return nil, failure("a text cannot be repeated less than 0 times")
	}
	if len(s) > 0 && n > MaxBytes/len(s) {
		return nil, m.grow(MaxBytes + 1)
	}
	if err := m.grow(len(s) * n); err != nil {
		return nil, err
	}
	return strings.Repeat(s, n), nil
}

// unbase64 reads both alphabets, with or without padding. What is UTF-8 is text,
// anything else bytes.
func unbase64(m *machine, a []any) (any, *Error) {
	s := a[0].(string)
	if err := m.grow(2 * len(s)); err != nil {
		return nil, err
	}
	b, ok := decodeBase64(s)
	switch {
	case !ok:
		return nil, failure("the text is not base64")
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
func jwtClaims(m *machine, a []any) (any, *Error) {
	s := a[0].(string)
	if err := m.grow(2 * len(s)); err != nil {
		return nil, err
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, failure(fmt.Sprintf("a JWT has three parts between dots, the text has %d", len(parts)))
	}
	b, ok := decodeBase64(parts[1])
	if !ok || CheckJSON(b) != nil {
		return nil, failure("the token's claims are not base64url of JSON")
	}
	claims := scan(string(b))
	if kindOf(claims) != Object {
		return nil, failure("the token's claims are no JSON object")
	}
	return claims, nil
}
