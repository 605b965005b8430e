package sandbox

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// next goes to the next token, past blanks, commas and comments.
func (p *parser) next() {
	for p.text != "" {
		if p.text[0] == '#' {
			end := strings.IndexAny(p.text, "\r\n")
			if end < 0 {
				end = len(p.text)
			}
			p.skip(end)
		} else if strings.IndexByte(" \t\r\n,", p.text[0]) >= 0 {
			p.skip(1)
		} else {
			break
		}
	}
	p.at, p.value = location{p.line, p.column}, ""
	if p.text == "" {
		p.token = ""
		return
	}
	p.token = p.read()
	if p.failure == nil {
		p.skip(len(p.token))
	}
}

// read finds the token at the beginning of what is left.
func (p *parser) read() string {
	switch first := p.text[0]; {
	case strings.HasPrefix(p.text, "..."):
		return "..."
	case strings.IndexByte("!$():=@[]{}|&", first) >= 0:
		return p.text[:1]
	case first == '"':
		return p.quoted()
	case isWordByte(first) || first == '-':
		end := 1
		for end < len(p.text) && (isWordByte(p.text[end]) || isNumberByte(p.text[end], p.text[0])) {
			end++
		}
		return p.text[:end]
	}
	r, _ := utf8.DecodeRuneInString(p.text)
	p.fail("GRAPHQL_PARSE_FAILED", "syntax error: %q has no place here", r)
	return ""
}

// quoted reads a string; its token is the source text.
func (p *parser) quoted() string {
	if strings.HasPrefix(p.text, `"""`) {
		end := strings.Index(p.text[3:], `"""`)
		if end < 0 {
			p.fail("GRAPHQL_PARSE_FAILED", "syntax error: the block string does not end")
			return ""
		}
		p.value = strings.TrimSpace(p.text[3 : 3+end])
		return p.text[:end+6]
	}
	for i := 1; i < len(p.text) && p.text[i] != '\n'; i++ {
		switch p.text[i] {
		case '\\':
			i++
		case '"':
			token := p.text[:i+1]
			if err := json.Unmarshal([]byte(token), &p.value); err != nil {
				p.fail("GRAPHQL_PARSE_FAILED", "syntax error: the string has an escape that is not known")
				return ""
			}
			return token
		}
	}
	p.fail("GRAPHQL_PARSE_FAILED", "syntax error: the string does not end")
	return ""
}

// skip goes forward and keeps count of lines and columns.
func (p *parser) skip(n int) {
	for _, r := range p.text[:n] {
		p.column++
		if r == '\n' {
			p.line, p.column = p.line+1, 1
		}
	}
	p.text = p.text[n:]
}

func isWordByte(b byte) bool {
	return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// isNumberByte is what may also stand in a number.
func isNumberByte(b, first byte) bool {
	return (first == '-' || first >= '0' && first <= '9') && (b == '.' || b == '+' || b == '-')
}

func isName(token string) bool {
	return token != "" && isWordByte(token[0]) && (token[0] < '0' || token[0] > '9')
}

func isNumber(token string) bool {
	return token != "" && (token[0] == '-' || token[0] >= '0' && token[0] <= '9') && json.Valid([]byte(token))
}
