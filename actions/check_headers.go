package actions

import (
	"net/textproto"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

func (c *checker) headers() {
	for _, name := range c.with.Keys("headers") {
		path := []string{"headers", name}
		if !token(name) {
			c.complainKey(diag.BadHeader, path, "a header's name cannot hold "+notToken(name), "")
			continue
		}
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		text, constant, there := c.with.Text(path...)
		if !there {
			continue
		}
		if why := computed(canonical); why != "" && text != "" {
			c.complainKey(diag.BadHeader, path, "this header is "+why, "leave it out")
			continue
		}
		c.headerText(path, text)
		switch canonical {
		case "Authorization":
			c.authorization(path, text, constant)
		case "Idempotency-Key":
			if c.has("idempotency_key") {
				c.complainKey(diag.KeysExclude, path, "`idempotency_key` sends this header already", "take one away")
				continue
			}
			c.found = append(c.found, flow.Complaint{Path: path, Key: true, Severity: diag.Note, Code: diag.BadHeader,
				Message: "as a header alone this does not let the call be repeated", Hint: "`idempotency_key: …` sends it and does"})
		}
	}
}

// headerText finds what no header can hold in the constant parts.
func (c *checker) headerText(path []string, text string) {
	for _, p := range pieces(text) {
		if p.expression {
			continue
		}
		for i := range len(p.text) {
			b := p.text[i]
			if b >= ' ' && b != 0x7f || b == '\t' {
				continue
			}
			from := p.from + utf8.RuneCountInString(p.text[:i])
			hint := ""
			if b == '\n' {
				hint = "in YAML `>-` joins lines, `|` keeps their ends"
			}
			c.found = append(c.found, flow.Complaint{Path: path, From: from, To: from + 1, Code: diag.BadHeader,
				Message: "a header cannot hold " + control(b), Hint: hint})
			return
		}
	}
}

var (
	bearerGlued  = regexp.MustCompile(`(?i)^\s*bearer\$\{\{`)
	bearerTwice  = regexp.MustCompile(`(?i)^\s*bearer\s+bearer\b`)
	bearerBlanks = regexp.MustCompile(`(?i)^\s*bearer(?:[ \t]{2,}|\t)\S`)
	bearerSign   = regexp.MustCompile(`(?i)^\s*bearer\s*[:=]`)
	bearerAlone  = regexp.MustCompile(`(?i)^\s*bearer\s*$`)
	bearerQuoted = regexp.MustCompile(`(?i)^\s*bearer\s+["']`)
	basicRaw     = regexp.MustCompile(`(?i)^\s*basic\s`)
	bearerPrefix = regexp.MustCompile(`(?i)^\s*bearer\b`)
)

// authorization finds the ways to write a token that end in a 401.
func (c *checker) authorization(path []string, text string, constant bool) {
	right := "write \"Bearer ${{ … }}\", or `bearer: ${{ … }}`"
	switch {
	case bearerGlued.MatchString(text):
		c.complain(diag.BadBearer, path, "between Bearer and the token one blank is missing", right)
	case bearerTwice.MatchString(text):
		c.complain(diag.BadBearer, path, "the word Bearer stands here twice", right)
	case bearerSign.MatchString(text):
		c.complain(diag.BadBearer, path, "after Bearer comes a blank and then the token", right)
	case bearerBlanks.MatchString(text):
		c.complain(diag.BadBearer, path, "between Bearer and the token stands exactly one blank", right)
	case bearerQuoted.MatchString(text):
		c.complain(diag.BadBearer, path, "the token would be sent with the quotes around it", right)
	case constant && bearerAlone.MatchString(text):
		c.complain(diag.BadBearer, path, "there is no token after Bearer", right)
	case constant && strings.TrimSpace(text) == "":
		c.complain(diag.BadHeader, path, "Authorization is empty", "`null` leaves a header out")
	case basicRaw.MatchString(text) && plainPair(text):
		c.complain(diag.BadHeader, path, "after Basic comes base64 of user name, colon and password", "`basic: {username: …, password: …}` makes it")
	}
}

// plainPair says whether a constant part of a text holds a colon.
func plainPair(text string) bool {
	for _, p := range pieces(text) {
		if !p.expression && strings.Contains(p.text, ":") {
			return true
		}
	}
	return false
}

// credentials checks basic and bearer, and that nothing else says who asks.
func (c *checker) credentials() {
	field := ""
	switch {
	case c.has("bearer"):
		field = "bearer"
		text, constant, _ := c.with.Text("bearer")
		c.headerText([]string{"bearer"}, text)
		switch {
		case bearerPrefix.MatchString(text) && !constant || bearerTwice.MatchString("bearer "+text):
			c.complain(diag.BadBearer, []string{"bearer"}, "`bearer` takes the token alone; the word Bearer is added", "write `bearer: ${{ … }}`")
		case constant && strings.TrimSpace(text) == "":
			c.complain(diag.BadBearer, []string{"bearer"}, "the token is empty", "")
		}
	case c.has("basic"):
		field = "basic"
		if text, constant, there := c.with.Text("basic", "username"); there && constant && strings.Contains(text, ":") {
			c.complain(diag.WrongValue, []string{"basic", "username"}, "a user name cannot hold a colon (RFC 7617 §2)",
				"an OAuth client id is form-encoded first (RFC 6749 §2.3.1): ${{ urlEncode(…) }}")
		}
	}
	if field == "" {
		return
	}
	if _, _, there := c.with.Text("headers", "Authorization"); there {
		c.complain(diag.KeysExclude, []string{field}, "`"+field+"` and the header Authorization both say who asks",
			"take one away; in a step `null` removes what comes from `defaults`")
	}
}
