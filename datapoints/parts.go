package datapoints

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Learn is Add for what was made of a secret: nobody needs to be told, as Short
// does, that it is too short.
func (r *Redactor) Learn(label, secret string) {
	if utf8.RuneCountInString(secret) >= leastSecret {
		r.Add(label, secret)
	}
}

// knows says whether a secret was added already: a token is, at each of its calls.
func (r *Redactor) knows(secret string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(secret) < window {
		return false
	}
	for _, at := range windowsOf(len(secret)) {
		for _, f := range r.windows[windowAt(secret, at)] {
			if f.enc == raw && r.secrets[f.secret].text == secret {
				return true
			}
		}
	}
	return false
}

// windowsOf gives where the window of a text of n bytes may be.
func windowsOf(n int) [5]int {
	last := n - window
	return [...]int{last / 2, last / 4, last - last/4, last, 0}
}

// parts are the pieces of a secret that give it away by themselves, and that
// texts hold alone: the lines of a key in PEM (RFC 7468), also one whose line
// ends are written as \n, and the segments of a JWT (RFC 7519) or JWE (RFC 7516).
// The first segment of those is left out: it names algorithms, and is the same in
// most tokens of others.
func parts(secret string) []string {
	if strings.Contains(secret, "-----BEGIN ") {
		return pemLines(secret)
	}
	var all []string
	for _, word := range strings.Fields(secret) { // also of "Bearer …"
		all = append(all, segments(word)...)
	}
	return all
}

func pemLines(text string) (lines []string) {
	text = strings.NewReplacer(`\r`, "\n", `\n`, "\n", "\r", "\n").Replace(text)
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if len(line) >= leastSecret && !strings.HasPrefix(line, "-----") && !strings.Contains(line, ": ") {
			lines = append(lines, line)
		}
	}
	return lines
}

func segments(word string) (found []string) {
	all := strings.Split(word, ".")
	if len(all) != 3 && len(all) != 5 {
		return nil
	}
	for _, s := range all {
		if strings.Trim(s, alphanumeric+"-_") != "" {
			return nil
		}
	}
	head, err := base64.RawURLEncoding.DecodeString(all[0])
	if err != nil || len(head) == 0 || head[0] != '{' {
		return nil
	}
	for _, s := range all[1:] {
		if len(s) >= leastSecret {
			found = append(found, s)
		}
	}
	return found
}
