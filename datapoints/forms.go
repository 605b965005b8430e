package datapoints

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An encoding is a form in which a secret may appear.
type encoding uint8

const (
	raw encoding = iota
	base64Std0
	base64Std1
	base64Std2
	base64URL0
	base64URL1
	base64URL2
	base64Padded
	base64URLPadded
	hexLower
	hexUpper
	percentAll       // each byte
	percentQuery     // a blank is +
	percentStrict    // RFC 3986: all but unreserved characters
	percentSegment   // net/url's PathEscape
	percentPath      // net/url's path
	percentUser      // net/url's user information
	percentForm      // WHATWG's application/x-www-form-urlencoded
	percentComponent // JavaScript's encodeURIComponent
	percentURI       // JavaScript's encodeURI
	jsonText         // only what must be escaped
	jsonGo           // as encoding/json without HTML escapes
	jsonHTML         // as encoding/json: <, > and & escaped
	jsonSlash        // with \/
	jsonASCII        // all but ASCII escaped
	jsonASCIIUpper
	jsonSlashASCII // both, as PHP
	jsonTwice      // JSON inside a JSON string
	jsonHTMLTwice
	jsonASCIITwice
	jsonSlashASCIITwice
	goQuoted
	goQuotedASCII
	htmlText
	htmlNamed // with &quot; and &apos;
	lowerHex  // added to a percent encoding: %2f
)

var (
	// of a secret with nothing but letters, digits, "-", "." and "_" all other
	// forms are the secret itself
	simpleEncodings = [...]encoding{raw, base64Std0, base64Std1, base64Std2, base64URL0, base64URL1, base64URL2,
		hexLower, hexUpper, percentAll, percentAll + lowerHex}
	longEncodings = [...]encoding{raw, base64Std0, base64Std1, base64Std2, base64URL0, base64URL1, base64URL2, jsonText, jsonHTML}
	allEncodings  = everyEncoding()
	// of the credentials of HTTP's Basic scheme
	basicEncodings = [...]encoding{base64Padded, base64URLPadded, base64Std0, base64Std1, base64Std2, base64URL0, base64URL1, base64URL2}
)

func everyEncoding() (all []encoding) {
	for e := raw; e < lowerHex; e++ {
		if e == base64Padded || e == base64URLPadded {
			continue
		}
		all = append(all, e)
		if percentAll <= e && e <= percentURI {
			all = append(all, e+lowerHex)
		}
	}
	return all
}

func encodingsFor(secret string) []encoding {
	switch {
	case len(secret) > longSecret:
		return longEncodings[:]
	case strings.Trim(secret, unreserved) == "":
		return simpleEncodings[:]
	}
	return allEncodings
}

// pairs gives id:secret as it is and with both form-encoded.
func pairs(id, secret string) [2]string {
	return [2]string{id + ":" + secret, url.QueryEscape(id) + ":" + url.QueryEscape(secret)}
}

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	unreserved   = alphanumeric + "-._"
)

// apply gives the form of a secret.
func (e encoding) apply(s string) string {
	if e >= lowerHex {
		return lowerPercent((e - lowerHex).apply(s))
	}
	switch {
	case e == raw:
		return s
	case e <= base64Std2:
		return base64Core(base64.RawStdEncoding, s, int(e-base64Std0))
	case e <= base64URL2:
		return base64Core(base64.RawURLEncoding, s, int(e-base64URL0))
	case percentAll <= e && e <= percentURI:
		return e.percent(s)
	case jsonText <= e && e <= jsonSlashASCIITwice:
		return e.json(s)
	}
	switch e {
	case base64Padded:
		return base64.StdEncoding.EncodeToString([]byte(s))
	case base64URLPadded:
		return base64.URLEncoding.EncodeToString([]byte(s))
	case hexLower:
		return hex.EncodeToString([]byte(s))
	case hexUpper:
		return strings.ToUpper(hex.EncodeToString([]byte(s)))
	case goQuoted:
		return inside(strconv.Quote(s))
	case goQuotedASCII:
		return inside(strconv.QuoteToASCII(s))
	case htmlNamed:
		return strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;").Replace(html.EscapeString(s))
	}
	return html.EscapeString(s)
}

// base64Core gives the characters that s alone decides when it begins offset
// bytes after the beginning of a group of three.
func base64Core(enc *base64.Encoding, s string, offset int) string {
	bits := 8 * (offset + len(s))
	text := enc.EncodeToString([]byte("\x00\x00"[:offset] + s))
	return text[(8*offset+5)/6 : bits/6]
}

func (e encoding) percent(s string) string {
	switch e {
	case percentQuery:
		return url.QueryEscape(s)
	case percentStrict:
		return percent(s, unreserved+"~")
	case percentSegment:
		return url.PathEscape(s)
	case percentPath:
		return (&url.URL{Path: s}).EscapedPath()
	case percentUser:
		return url.User(s).String()
	case percentForm:
		return strings.ReplaceAll(percent(s, unreserved+"* "), " ", "+")
	case percentComponent:
		return percent(s, unreserved+"~!*'()")
	case percentURI:
		return percent(s, unreserved+"~!*'();,/?:@&=+$#")
	}
	return percent(s, "")
}

func percent(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// lowerPercent writes the digits of each %XX in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] != '%' {
			continue
		}
		for _, j := range [2]int{i + 1, i + 2} {
			if 'A' <= b[j] && b[j] <= 'F' {
				b[j] += 'a' - 'A'
			}
		}
		i += 2
	}
	return string(b)
}

// unescape undoes percent-encoding where there is any.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b = append(b, c...)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func (e encoding) json(s string) string {
	switch e {
	case jsonGo:
		return jsonEscape(s, `\u%04x`, func(c rune) bool { return c == 0x2028 || c == 0x2029 })
	case jsonHTML:
		return jsonEscape(s, `\u%04x`, func(c rune) bool { return strings.ContainsRune("<>&\u2028\u2029", c) })
	case jsonSlash:
		return strings.ReplaceAll(jsonText.json(s), "/", `\/`)
	case jsonASCII:
		return jsonEscape(s, `\u%04x`, func(c rune) bool { return c >= utf8.RuneSelf })
	case jsonASCIIUpper:
		return jsonEscape(s, `\u%04X`, func(c rune) bool { return c >= utf8.RuneSelf })
	case jsonSlashASCII:
		return strings.ReplaceAll(jsonASCII.json(s), "/", `\/`)
	case jsonASCIITwice:
		return jsonASCII.json(jsonASCII.json(s))
	case jsonSlashASCIITwice:
		return jsonSlashASCII.json(jsonSlashASCII.json(s))
	case jsonTwice:
		return jsonGo.json(jsonGo.json(s))
	case jsonHTMLTwice:
		return jsonHTML.json(jsonHTML.json(s))
	}
	return jsonEscape(s, `\u%04x`, func(rune) bool { return false })
}

// jsonEscape gives the content of a JSON string, with the characters that
// JSON lets stand and also escapes for those that more picks.
func jsonEscape(s, format string, more func(rune) bool) string {
	short := strings.NewReplacer(`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)
	var b strings.Builder
	for _, c := range short.Replace(s) {
		switch {
		case c >= ' ' && !more(c):
			b.WriteRune(c)
		case c <= 0xFFFF:
			fmt.Fprintf(&b, format, c)
		default:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, format+format, high, low)
		}
	}
	return b.String()
}

// inside cuts the quotes.
func inside(quoted string) string { return quoted[1 : len(quoted)-1] }
