package datapoints

import (
	"iter"
	"net/url"
	"slices"
	"strings"
)

// SensitiveName says whether what is kept under a name is sensitive for its
// name alone. Compared in lower case without "_" and "-", the name is or ends in
//
//	accesstoken refreshtoken idtoken token clientsecret password secret
//	apikey authorization cookie assertion
//
// but is not, and does not end in, nexttoken, pagetoken, synctoken or
// continuationtoken, which are places in a list. So access_token, myToken,
// x-api-key, Set-Cookie and db_password are sensitive; token_url, tokens,
// next_token and nextPageToken are not. The rule does not look for the
// beginning of a word, since camelCase, snake_case and runtogether names are all
// in use: "prior_authorization" counts, and a declaration says `sensitive: false`.
func SensitiveName(name string) bool {
	for i := range len(name) {
		if name[i] >= 0x80 {
			name = strings.ToLower(name) // U+212A, the Kelvin sign, is a k
			break
		}
	}
	var end [17]byte // as long as the longest word below
	n := len(end)
	for i := len(name) - 1; i >= 0 && n > 0; i-- {
		c := name[i]
		if c == '_' || c == '-' {
			continue
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		n--
		end[n] = c
	}
	return sensitiveEnd(string(end[n:]))
}

func sensitiveEnd(s string) bool {
	switch {
	case strings.HasSuffix(s, "token"): // accesstoken, refreshtoken, idtoken too
		return !strings.HasSuffix(s, "nexttoken") && !strings.HasSuffix(s, "pagetoken") &&
			!strings.HasSuffix(s, "synctoken") && !strings.HasSuffix(s, "continuationtoken")
	case strings.HasSuffix(s, "secret"): // clientsecret too
		return true
	}
	return strings.HasSuffix(s, "password") || strings.HasSuffix(s, "apikey") ||
		strings.HasSuffix(s, "authorization") || strings.HasSuffix(s, "cookie") ||
		strings.HasSuffix(s, "assertion")
}

// MaskMembers gives the JSON text with the value of every member whose name is
// sensitive (see SensitiveName) replaced by "[secret NAME]", at any depth. Order,
// digits and white space of the rest stay. null, true and false tell nothing
// and stay. Text that is not JSON comes back with whatever looks like such a
// member masked.
func MaskMembers(json string) string {
	var b strings.Builder
	last := 0
	for m := range members(json) {
		b.WriteString(json[last:m.start])
		b.WriteString(quote(masked("secret", m.name)))
		last = m.end
	}
	if last == 0 {
		return json
	}
	b.WriteString(json[last:])
	return b.String()
}

// HasSensitiveMember says whether MaskMembers would change the text.
func HasSensitiveMember(json string) bool {
	for range members(json) {
		return true
	}
	return false
}

// SensitiveMembers gives the secrets inside a JSON text, as name and text, so
// that they can be added to a Redactor: the content of each string and the
// digits of each number that is a sensitive member's value or lies inside one.
func SensitiveMembers(json string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for m := range members(json) {
			for s := range leaves(json[m.start:m.end]) {
				if !yield(m.name, s) {
					return
				}
			}
		}
	}
}

// Leaves gives the content of each string and the digits of each number in a
// JSON text, without the names of members.
func Leaves(json string) iter.Seq[string] { return leaves(json) }

type member struct {
	name       string
	start, end int // of its value
}

// members gives the sensitive members of a text from left to right, without
// what is inside of one. In JSON a string before a colon is a name, so neither
// a stack nor recursion is needed.
func members(text string) iter.Seq[member] {
	return func(yield func(member) bool) {
		for i := 0; i < len(text); {
			if text[i] != '"' {
				i++
				continue
			}
			end := stringEnd(text, i)
			colon := skipSpace(text, end)
			if colon >= len(text) || text[colon] != ':' {
				i = end
				continue
			}
			name, ok := unquote(text[i:end])
			start := skipSpace(text, colon+1)
			i = start
			if !ok || !SensitiveName(name) {
				continue
			}
			i = valueEnd(text, start)
			if !harmless(text[start:i]) && !yield(member{name, start, i}) {
				return
			}
		}
	}
}

func harmless(value string) bool {
	return value == "" || value == "null" || value == "true" || value == "false"
}

func leaves(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 0; i < len(text); {
			c := text[i]
			if c != '"' && c != '-' && (c < '0' || c > '9') {
				i++
				continue
			}
			start := i
			i = valueEnd(text, start)
			if next := skipSpace(text, i); c == '"' && next < len(text) && text[next] == ':' {
				continue
			}
			s := text[start:i]
			if c == '"' {
				s, _ = unquote(s)
			}
			if s != "" && !yield(s) {
				return
			}
		}
	}
}

func skipSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// stringEnd gives the place after the string that begins at i.
func stringEnd(text string, i int) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// valueEnd gives the place after the value that begins at i.
func valueEnd(text string, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = stringEnd(text, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
			i++
		default:
			if depth == 0 {
				return scalarEnd(text, i)
			}
			i++
			continue
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

func scalarEnd(text string, i int) int {
	for i < len(text) && strings.IndexByte(",:{}[]\" \t\r\n", text[i]) < 0 {
		i++
	}
	return i
}

// MaskURL gives the text of a URL with the segments of its path that are one of
// the secrets, and the values of its query that hold one, replaced by
// "[secret]", or by "[secret NAME]" with the name of the query's parameter. A
// secret may be short: only whole parts are replaced. A URL without any comes
// back as it is.
func MaskURL(text string, secrets []string) string {
	if len(secrets) == 0 {
		return text
	}
	head, query, asks := strings.Cut(text, "?")
	segments := strings.Split(head, "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); i > 2 && err == nil && plain != "" && slices.Contains(secrets, plain) {
			segments[i] = "[secret]"
		}
	}
	masked := strings.Join(segments, "/")
	if !asks {
		return masked
	}
	for _, secret := range secrets {
		query = MaskForm(query, "", secret)
	}
	return masked + "?" + query
}

// MaskForm gives a query or a form with the values of the parameter name that
// hold a secret replaced by "[secret NAME]"; "" is any parameter. Decoded values
// are compared, and only whole ones are replaced, so that a secret may be short.
func MaskForm(text, name, secret string) string {
	if secret == "" {
		return text
	}
	pairs := strings.Split(text, "&")
	for i, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(key); err == nil {
			key = plain
		}
		plain, err := url.QueryUnescape(value)
		if err != nil {
			plain = value
		}
		if (name == "" || name == key) && strings.Contains(plain, secret) {
			pairs[i] = key + "=[secret " + key + "]"
		}
	}
	return strings.Join(pairs, "&")
}
