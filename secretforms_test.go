package stepwell_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A canary is a secret that must be found nowhere.
type canary struct{ label, text string }

// pieceLength is how much of a secret counts as a leak by itself.
const pieceLength = 10

// needles are the texts that give a secret away, by the name of their form.
// They are made with nothing of Stepwell's.
func (c canary) needles() map[string]string {
	s := c.text
	n := map[string]string{"raw": s, "hex": hex.EncodeToString([]byte(s)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for offset := range 3 {
		for name, e := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			// what stands before and after decides the characters at both ends
			text := e.EncodeToString([]byte("\x00\x00"[:offset] + s + "\x00\x00\x00"))
			from := (8*offset + 5) / 6
			n[fmt.Sprintf("%s at offset %d", name, offset)] = text[from : 8*(offset+len(s))/6]
		}
	}
	everyByte := ""
	for _, b := range []byte(s) {
		everyByte += fmt.Sprintf("%%%02X", b)
	}
	percents := map[string]string{"query": url.QueryEscape(s), "path": url.PathEscape(s), "url path": (&url.URL{Path: s}).EscapedPath(),
		"form": strings.ReplaceAll(url.QueryEscape(s), "~", "%7E"), "strict": strings.ReplaceAll(url.QueryEscape(s), "+", "%20"),
		"user": url.User(s).String(), "every byte": everyByte}
	for name, text := range percents {
		n["percent "+name] = text
		n["percent lower "+name] = lowerEscapes(text)
	}
	marshalled, _ := json.Marshal(s)
	var plain strings.Builder
	e := json.NewEncoder(&plain)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	n["json"] = inner(strings.TrimSpace(plain.String()))
	n["json html"] = inner(string(marshalled))
	n["json ascii"] = inner(asciiJSON(strings.TrimSpace(plain.String()), `\u%04x`))
	n["json html ascii"] = inner(asciiJSON(string(marshalled), `\u%04x`))
	n["json ascii upper"] = inner(asciiJSON(strings.TrimSpace(plain.String()), `\u%04X`))
	n["json slash"] = strings.ReplaceAll(n["json"], "/", `\/`)
	n["go"] = inner(strconv.Quote(s))
	n["go ascii"] = inner(strconv.QuoteToASCII(s))
	n["html"] = html.EscapeString(s)
	for i := 0; i+pieceLength <= len(s); i++ {
		n[fmt.Sprintf("piece at %d", i)] = s[i : i+pieceLength]
	}
	return n
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

func asciiJSON(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

func lowerEscapes(s string) string {
	b := []byte(s)
	for i := range b {
		if i >= 1 && b[i-1] == '%' || i >= 2 && b[i-2] == '%' {
			b[i] |= 0x20 // digits have the bit already
		}
	}
	return string(b)
}

// leaks lists which secrets a text gives away, and in which form.
func leaks(text string, secrets []canary) []string {
	var found []string
	for _, c := range secrets {
		var forms []string
		for name, needle := range c.needles() {
			if strings.Contains(text, needle) {
				forms = append(forms, name)
			}
		}
		if len(forms) > 0 {
			slices.Sort(forms)
			found = append(found, c.label+" as "+strings.Join(forms, ", "))
		}
	}
	return found
}

// hardSecret has every character that some encoder escapes, and no two pieces alike.
const hardSecret = "p@ss:w/rd&=+% ~*'()\"\\<>ü-7Qf3xKm9Ld2"

func TestTheSearchForSecretsFindsEachForm(t *testing.T) {
	t.Parallel()
	secret := canary{"secret", hardSecret}
	quoted, _ := json.Marshal(hardSecret)
	planted := map[string]string{
		"raw":                      "say " + hardSecret + "!",
		"base64 at offset 0":       base64.StdEncoding.EncodeToString([]byte(hardSecret)),
		"base64 at offset 1":       base64.StdEncoding.EncodeToString([]byte("user12:" + hardSecret)),
		"base64 at offset 2":       base64.StdEncoding.EncodeToString([]byte("user123:" + hardSecret + "\n")),
		"base64url at offset 0":    base64.RawURLEncoding.EncodeToString([]byte(hardSecret)),
		"base64url at offset 1":    base64.URLEncoding.EncodeToString([]byte("user12:" + hardSecret)),
		"base64url at offset 2":    base64.RawURLEncoding.EncodeToString([]byte("id" + hardSecret + "more")),
		"percent query":            "/?a=" + url.QueryEscape(hardSecret) + "&b",
		"percent path":             "/a/" + url.PathEscape(hardSecret) + "/b",
		"percent lower query":      "/?a=" + strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(hardSecret), "%3A", "%3a"), "%2F", "%2f"),
		"percent form":             url.Values{"secret": {hardSecret}}.Encode(),
		"json html":                `{"a":` + string(quoted) + `}`,
		"json html ascii":          asciiJSON(string(quoted), `\u%04x`),
		"json":                     `"p@ss:w/rd&=+% ~*'()\"\\<>ü-7Qf3xKm9Ld2"`,
		"hex":                      fmt.Sprintf("%x", hardSecret),
		"HEX":                      fmt.Sprintf("%X", hardSecret),
		"go":                       fmt.Sprintf("%q", hardSecret),
		"html":                     "<p>" + html.EscapeString(hardSecret) + "</p>",
		"piece at 0":               "cut here: " + hardSecret[:pieceLength],
		"piece at the end":         hardSecret[len(hardSecret)-pieceLength:],
		"percent lower every byte": strings.ToLower(percentEveryByte(hardSecret)),
	}
	for form, text := range planted {
		if found := leaks(text, []canary{secret}); len(found) == 0 {
			t.Errorf("%s was not found in %q", form, text)
		}
	}
	// the exact forms, without the help of pieces
	for _, form := range []string{"base64 at offset 1", "percent path", "json html", "hex"} {
		if found := leaks(planted[form], []canary{secret}); !strings.Contains(strings.Join(found, " "), form) {
			t.Errorf("%s was found as %v", form, found)
		}
	}
	for _, clean := range []string{"", "[secret client_secret]", "p@ss", hardSecret[:pieceLength-1], base64.StdEncoding.EncodeToString([]byte("something else"))} {
		if found := leaks(clean, []canary{secret}); len(found) > 0 {
			t.Errorf("%q holds nothing, and was said to hold %v", clean, found)
		}
	}
}

func percentEveryByte(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}
