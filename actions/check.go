package actions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// A checker looks at one step's `with` before anything runs.
type checker struct {
	with  flow.Static
	keys  []string
	found []flow.Complaint
}

func checkHTTP(with flow.Static) flow.Verdict {
	c := &checker{with: with, keys: with.Keys()}
	method := c.method()
	title := c.travel()
	c.body(method)
	return flow.Verdict{Title: method + " " + title, Repeatable: c.repeatable(method), NoBody: c.has("save_to"), Complaints: c.found}
}

// travel checks what http and graphql share and gives the URL's part of the title.
func (c *checker) travel() string {
	title := c.url()
	c.baseURL()
	c.headers()
	c.credentials()
	c.limits()
	c.authority()
	return title
}

func (c *checker) has(key string) bool { return slices.Contains(c.keys, key) }

func (c *checker) complain(code diag.Code, path []string, message, hint string) {
	c.found = append(c.found, flow.Complaint{Path: path, Code: code, Message: message, Hint: hint})
}

// complainKey complains about the key of a value.
func (c *checker) complainKey(code diag.Code, path []string, message, hint string) {
	c.found = append(c.found, flow.Complaint{Path: path, Key: true, Code: code, Message: message, Hint: hint})
}

func (c *checker) warn(code diag.Code, path []string, from, to int, message, hint string) {
	c.found = append(c.found, flow.Complaint{Path: path, From: from, To: to, Severity: diag.Warning, Code: code, Message: message, Hint: hint})
}

// bodies are the fields of which a request has one.
var bodies = [...]string{"json", "form", "multipart", "text", "file"}

func (c *checker) bodyField() string {
	for _, b := range bodies {
		if c.has(b) {
			return b
		}
	}
	return ""
}

// method gives the method as the title shows it.
func (c *checker) method() string {
	text, constant, there := c.with.Text("method")
	if !there {
		m, _ := normalMethod("", c.bodyField() != "")
		return m
	}
	if !constant {
		return titled(text)
	}
	m, err := normalMethod(text, false)
	if err != nil {
		c.complain(diag.WrongValue, []string{"method"}, err.Error(), "")
		return text
	}
	return m
}

// A piece is a part of a scalar: constant text, or one expression.
type piece struct {
	text       string // of an expression without ${{ }}
	expression bool
	from       int // characters
}

// pieces cuts a scalar. An expression that is not closed is the rest.
func pieces(text string) []piece {
	var list []piece
	at := 0
	for text != "" {
		i := strings.Index(text, "${{")
		if i < 0 {
			return append(list, piece{text: text, from: at})
		}
		if i > 0 {
			list = append(list, piece{text: text[:i], from: at})
			at += utf8.RuneCountInString(text[:i])
		}
		n := closing(text[i+3:])
		inner := text[i+3 : i+3+n]
		list = append(list, piece{text: strings.TrimSpace(inner), expression: true, from: at})
		end := min(i+3+n+2, len(text))
		at += utf8.RuneCountInString(text[i:end])
		text = text[end:]
	}
	return list
}

// closing finds the }} of an expression over its quotes and braces.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			for i++; i < len(text) && text[i] != c; i++ {
				if text[i] == '\\' && c != '`' {
					i++
				}
			}
		case '{':
			depth++
		case '}':
			if depth == 0 && strings.HasPrefix(text[i:], "}}") {
				return i
			}
			depth--
		}
	}
	return len(text)
}

var (
	reference   = regexp.MustCompile(`^[a-z][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*$`)
	lastName    = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_]*(?:\[[0-9]+\])?$`)
	placeholder = regexp.MustCompile(`\{[A-Za-z_][A-Za-z0-9_.-]*\}|/:[A-Za-z_][A-Za-z0-9_]*`)
)

// titled is a text with its expressions as {name}.
func titled(text string) string {
	var b strings.Builder
	for _, p := range pieces(text) {
		switch {
		case !p.expression:
			b.WriteString(p.text)
		case reference.MatchString(p.text):
			b.WriteString("{" + lastName.FindString(p.text) + "}")
		default:
			b.WriteString("{…}")
		}
	}
	return b.String()
}

func (c *checker) url() string {
	path := []string{"url"}
	text, _, there := c.with.Text("url")
	if !there {
		return ""
	}
	parts := pieces(text)
	switch {
	case len(parts) == 0:
		c.complain(diag.BadURL, path, "the URL is empty", "")
		return ""
	case parts[0].expression:
	case strings.HasPrefix(text, "/"):
		if !c.has("base_url") {
			c.complain(diag.BadURL, path, "this URL begins with \"/\", and there is no `base_url` to append it to",
				"write the whole URL, or `defaults: {http: {base_url: …}}`")
		}
	default:
		c.absolute(path, text, parts)
	}
	for _, p := range parts {
		if p.expression {
			continue
		}
		if at := placeholder.FindStringIndex(p.text); at != nil {
			mark := strings.TrimPrefix(p.text[at[0]:at[1]], "/")
			from := p.from + utf8.RuneCountInString(p.text[:at[1]]) - utf8.RuneCountInString(mark)
			c.warn(diag.BadURL, path, from, from+utf8.RuneCountInString(mark), "`"+mark+"` is sent as it stands here", "an expression is written ${{ … }}")
		}
		if i := strings.IndexByte(p.text, '#'); i >= 0 {
			from := p.from + utf8.RuneCountInString(p.text[:i])
			c.warn(diag.BadURL, path, from, from+1, "what follows # is a fragment, which is never sent", "a # in a path or a query is written %23")
			break
		}
	}
	return titled(text)
}

// absolute checks the beginning of a URL that has to name its host.
func (c *checker) absolute(path []string, text string, parts []piece) {
	scheme, rest, found := strings.Cut(parts[0].text, "://")
	scheme = strings.ToLower(scheme)
	host, _, _ := strings.Cut(rest, "/")
	switch {
	case found && scheme != "http" && scheme != "https":
		c.complain(diag.BadURL, path, fmt.Sprintf("the URL begins with %s://, and only http and https can be called", scheme), "")
	case !found:
		hint := "write \"/" + strings.TrimLeft(text, "./") + "\" to append it to `base_url`"
		if strings.Contains(strings.SplitN(parts[0].text, "/", 2)[0], ".") || strings.HasPrefix(text, "localhost") {
			hint = "write \"https://" + text + "\""
		}
		if strings.Contains(text, "${{") {
			hint = "begin with https:// or http://, or with \"/\" to append it to `base_url`"
		}
		c.complain(diag.BadURL, path, "the URL begins neither with https:// nor with \"/\"", hint)
	case rest == "" && len(parts) == 1, strings.HasPrefix(rest, "/"), strings.HasPrefix(rest, "?"):
		c.complain(diag.BadURL, path, "the URL has no host", "")
	case strings.Contains(host, "@"):
		c.complain(diag.BadURL, path, "the URL holds a user name or password", "give them in `basic: {username, password}`")
	case len(parts) == 1:
		if u, err := parseURL(text); err != nil {
			c.complain(diag.BadURL, path, err.Error(), "")
		} else if _, err := origin(u); err != nil {
			c.complain(diag.BadURL, path, err.Error(), strings.Join(err.(*flow.Error).Hints, ", "))
		}
	}
}

func (c *checker) baseURL() {
	path := []string{"base_url"}
	text, _, there := c.with.Text("base_url")
	if !there {
		return
	}
	parts := pieces(text)
	if len(parts) == 0 {
		c.complain(diag.BadURL, path, "`base_url` is empty", "")
		return
	}
	for _, p := range parts {
		if !p.expression && strings.ContainsAny(p.text, "?#") {
			c.complain(diag.BadURL, path, "`base_url` must not have a query or a fragment", "`query` adds to the URL's own query, also in `defaults`")
			return
		}
	}
	if !parts[0].expression {
		if strings.HasPrefix(text, "/") {
			c.complain(diag.BadURL, path, "`base_url` has no host", "begin with https:// or http://")
			return
		}
		c.absolute(path, text, parts)
	}
}

// limits checks the settings whose text is constant.
func (c *checker) limits() {
	if text, constant, there := c.with.Text("follow_redirects"); there && constant {
		if _, err := parseRedirects(text); err != nil {
			hint := ""
			if text == "true" {
				hint = "same_origin follows those that stay on the server"
			}
			c.complain(diag.WrongValue, []string{"follow_redirects"}, errRedirects.Error(), hint)
		}
	}
	if text, constant, there := c.with.Text("max_response"); there && constant {
		if n, ok := parseSize(text); ok && n > maxResponseMost {
			c.complain(diag.OverLimit, []string{"max_response"}, "`max_response` may be 256MiB at most", "")
		} else if ok && n == 0 {
			c.complain(diag.WrongValue, []string{"max_response"}, "`max_response` must be greater than 0: no answer fits", "")
		}
	}
	if text, constant, there := c.with.Text("timeout"); there && constant {
		if d, ok := parseDuration(text); ok && d == 0 {
			c.complain(diag.BadDuration, []string{"timeout"}, "`timeout` must be longer than nothing", "")
		}
	}
	if text, constant, there := c.with.Text("proxy"); there && constant {
		if _, err := parseProxy(text); err != nil {
			c.complain(diag.BadURL, []string{"proxy"}, err.Error(), "")
		}
	}
	tls := c.with.Keys("tls")
	if slices.Contains(tls, "cert") != slices.Contains(tls, "key") {
		c.complain(diag.MissingKey, []string{"tls"}, "`cert` and `key` belong together, and one of them is missing", "")
	}
}

// body checks how the body goes with the method and its content type.
func (c *checker) body(method string) {
	field := c.bodyField()
	if field == "" {
		return
	}
	if field == "multipart" {
		c.parts()
	}
	if _, _, there := c.with.Text("method"); there && (method == "GET" || method == "HEAD") {
		c.warn(diag.WrongValue, []string{"method"}, 0, 0, "a "+method+" with a body: many servers ignore it or refuse it", "without `method` this is a POST")
	}
	for _, path := range [][]string{{"headers", "Content-Type"}, {"content_type"}} {
		text, constant, there := c.with.Text(path...)
		if !there || !constant {
			continue
		}
		text = strings.ToLower(text)
		switch {
		case field == "form" && strings.Contains(text, "json"):
			c.warn(diag.BadHeader, path, 0, 0, "the body is a form, and this says JSON", "`json` in place of `form`")
		case field == "json" && strings.Contains(text, "x-www-form-urlencoded"):
			c.warn(diag.BadHeader, path, 0, 0, "the body is JSON, and this says form", "`form` in place of `json`")
		}
	}
}

// authority checks the certificates of `tls.ca`, where they stand in the file.
func (c *checker) authority() {
	text, constant, _ := c.with.Text("tls", "ca")
	if constant && text != "" && !strings.Contains(text, "-----BEGIN") {
		c.complain(diag.WrongValue, []string{"tls", "ca"}, "this is no certificate in PEM form (-----BEGIN CERTIFICATE-----)", "for the name of a file write { file: … }")
	}
}

// parts checks that each part of a multipart body has something in it.
func (c *checker) parts() {
	for _, name := range c.with.Keys("multipart") {
		if text, constant, _ := c.with.Text("multipart", name); constant && len(text) > 1 && text[0] == '@' {
			c.warn(diag.WrongValue, []string{"multipart", name}, 0, 0, "this text itself is sent, and no file", "write { file: … }, without the @")
		}
		keys := c.with.Keys("multipart", name)
		holds := func(key string) bool { return slices.Contains(keys, key) }
		if len(keys) > 0 && !holds("text") && !holds("json") && !holds("base64") && !holds("file") {
			c.complain(diag.MissingKey, []string{"multipart", name}, "the part `"+name+"` has nothing in it", "give it `text`, `json`, `base64` or `file`")
		}
	}
}

// repeatable says what is known from the text alone.
func (c *checker) repeatable(method string) bool {
	if text, constant, there := c.with.Text("repeatable"); there && constant {
		return text == "true"
	}
	if c.idempotent() {
		return true
	}
	if method == "POST" {
		for _, field := range []string{"form", "json"} {
			if text, constant, there := c.with.Text(field, "grant_type"); there && constant && text == "client_credentials" {
				return true
			}
		}
	}
	return safeMethod(method)
}

func (c *checker) idempotent() bool {
	text, constant, there := c.with.Text("idempotency_key")
	if there && constant && text == "false" {
		return false
	}
	return c.has("idempotency_key")
}
