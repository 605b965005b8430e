package expression

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// Limits of paths, so that no answer can make one take long.
const (
	MaxPath      = 4 << 10 // bytes
	maxModifiers = 4       // each makes a copy of what it gets
	maxWildcard  = 64      // bytes of a part with * or ?
	maxStars     = 2
	maxNested    = 8 // queries in queries
)

// A Path is a compiled gjson path: names, numbers, `#`, `#(query)`, `#(query)#`,
// wildcards, `|`, and the modifiers @this @reverse @flatten @keys @values. It
// is immutable and may be used by many goroutines at once.
type Path struct {
	source string
	parts  []pathPart
	lines  bool
}

// A pathPart is one part between dots or pipes.
type pathPart struct {
	text string // as written
	name string // of a member, unescaped; else ""
	end  int    // in bytes of the source
}

// CompilePath compiles a gjson path. With a problem the path is nil.
func CompilePath(text string) (*Path, []Problem) {
	p := &pathParser{s: text}
	path := &Path{source: text}
	rest := 0
	if strings.HasPrefix(text, "..") && len(text) > 2 && strings.IndexByte("#0123456789@", text[2]) >= 0 {
		path.lines, rest = true, 2
	}
	switch {
	case len(text) > MaxPath:
		p.fail(0, len(text), diag.OverLimit, fmt.Sprintf("the path is longer than %d bytes", MaxPath), "")
	case strings.TrimSpace(text) == "":
		p.fail(0, len(text), diag.BadPath, "a path is missing", "@this is the whole body")
	default:
		if !p.foreign() {
			path.parts = p.path(rest, len(text), 0)
		}
	}
	if p.problem != nil {
		return nil, []Problem{*p.problem}
	}
	return path, nil
}

// Source is the path as the author wrote it.
func (p *Path) Source() string { return p.source }

// First is the name of the member that the path begins with and whether it
// leads further; "" if it begins with something else.
func (p *Path) First() (name string, further bool) {
	if len(p.parts) == 0 || p.lines {
		return "", false
	}
	return p.parts[0].name, len(p.parts) > 1
}

// Lines says whether the path reads a text of JSON lines (it begins with "..").
func (p *Path) Lines() bool { return p.lines }

// Check says whether a text is what the path can read: JSON as CheckJSON
// wants it, or lines of it.
func (p *Path) Check(text []byte) error {
	if !p.lines {
		return CheckJSON(text)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if strings.TrimSpace(line) == "" {
			continue
		}
		if err := CheckJSON([]byte(line)); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return nil
}

// Get finds the path's value in a checked JSON text and gives it with its digits. A
// null that stands there is "null" and ok.
func (p *Path) Get(json string) (raw string, ok bool) {
	defer func() {
		if recover() != nil {
			raw, ok = "", false
		}
	}()
	return found(gjson.Get(json, p.source))
}

// GetBytes is Get of bytes, of which it keeps nothing: what it gives is a copy.
func (p *Path) GetBytes(json []byte) (raw string, ok bool) {
	defer func() {
		if recover() != nil {
			raw, ok = "", false
		}
	}()
	return found(gjson.GetBytes(json, p.source))
}

func found(r gjson.Result) (raw string, ok bool) {
	if !r.Exists() {
		return "", false
	}
	if r.Raw == "" {
		return "null", true
	}
	return r.Raw, true
}

// Last is the last member's name in the path, "" if there is none.
func (p *Path) Last() string {
	for i := len(p.parts) - 1; i >= 0; i-- {
		if p.parts[i].name != "" {
			return p.parts[i].name
		}
	}
	return ""
}

// A pathParser checks what gjson would pass over in silence.
type pathParser struct {
	s         string
	modifiers int
	problem   *Problem
}

func (p *pathParser) fail(from, to int, code diag.Code, message, hint string) {
	if p.problem != nil {
		return
	}
	at := utf8.RuneCountInString(p.s[:from])
	p.problem = &Problem{From: at, To: at + utf8.RuneCountInString(p.s[from:to]), Code: code, Message: message, Hint: hint}
}

// foreign answers paths of other languages with gjson's spelling.
func (p *pathParser) foreign() bool {
	s := p.s
	switch {
	case s == "$":
		p.fail(0, 1, diag.BadPath, "`$` is JSONPath; paths here are gjson's", "write @this for the whole body")
	case strings.HasPrefix(s, "$.."):
		p.fail(0, len(s), diag.BadPath, "`$..` is JSONPath, and gjson's paths do not search all levels", "write where it stands, from the top: items.0.id")
	case strings.HasPrefix(s, "$.") || strings.HasPrefix(s, "$["):
		p.fail(0, len(s), diag.BadPath, "`$` is JSONPath; paths here are gjson's", "write "+fromJSONPath(s))
	case beginsWithIndex(s):
		p.index(0, 0, len(s))
	case strings.HasPrefix(s, "#/"), s[0] == '/':
		pointer := strings.Trim(strings.TrimPrefix(s, "#"), "/")
		p.fail(0, len(s), diag.BadPath, "this is a JSON pointer; paths here are gjson's", "write "+strings.ReplaceAll(pointer, "/", "."))
	case strings.HasPrefix(s, "$response.body#/"):
		p.fail(0, len(s), diag.BadPath, "this is Arazzo's spelling; paths here are gjson's", "write "+strings.ReplaceAll(s[16:], "/", "."))
	}
	return p.problem != nil
}

// beginsWithIndex says of a path that it begins as [0], [*] or ["name"] does.
func beginsWithIndex(s string) bool {
	inner, _, closed := strings.Cut(strings.TrimPrefix(s, "["), "]")
	quoted := len(inner) > 2 && !strings.Contains(inner, ",") && (inner[0] == '"' || inner[0] == '\'') && inner[0] == inner[len(inner)-1]
	return closed && s[0] == '[' && (inner == "*" || quoted || inner != "" && strings.Trim(inner, "0123456789") == "")
}

// fromJSONPath spells the simple parts of a JSONPath as gjson does.
func fromJSONPath(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "$"), ".")
	s = strings.NewReplacer("['", ".", "']", "", `["`, ".", `"]`, "", "[*]", ".#", "[", ".", "]", "").Replace(s)
	return strings.TrimPrefix(s, ".")
}

// path reads parts from i to end.
func (p *pathParser) path(i, end, depth int) (parts []pathPart) {
	for p.problem == nil {
		start := i
		part := p.part(&i, end, depth)
		if p.problem != nil {
			return nil
		}
		if i == start {
			p.empty(i, end)
			return nil
		}
		part.text, part.end = p.s[start:i], i
		parts = append(parts, part)
		if i == end {
			return parts
		}
		if p.s[i] != '.' && p.s[i] != '|' {
			p.fail(i, i+1, diag.BadPath, fmt.Sprintf("`%c` cannot stand here in a path", p.s[i]), "put a `.` between the parts")
			return nil
		}
		i++
	}
	return nil
}

func (p *pathParser) empty(i, end int) {
	switch {
	case strings.HasPrefix(p.s, ".") && i == 0:
		p.fail(0, 1, diag.BadPath, "a path does not begin with a dot", "write "+strings.TrimLeft(p.s, "."))
	case i >= end:
		p.fail(max(i-1, 0), end, diag.BadPath, "the path ends in the middle", "leave the last dot away")
	default:
		p.fail(max(i-1, 0), i+1, diag.BadPath, "a name is missing between two dots", "")
	}
}

// part reads one part; i is after it then.
func (p *pathParser) part(i *int, end, depth int) pathPart {
	if *i >= end {
		return pathPart{}
	}
	switch c := p.s[*i]; {
	case c == '#':
		return p.hash(i, end, depth)
	case c == '@':
		p.modifier(i, end)
		return pathPart{}
	case c == '!':
		p.fail(*i, *i+1, diag.BadPath, "a path finds values, it does not hold them", "write `expression:` for a constant")
	case c == '{' || c == '[':
		p.fail(*i, *i+1, diag.BadPath, "a path finds one value, it does not build new ones", "write `expression:` to build a list or an object")
	default:
		return p.name(i, end)
	}
	return pathPart{}
}

// name reads a member's name, with escapes and wildcards, or an item's number.
func (p *pathParser) name(i *int, end int) pathPart {
	start, stars, wild := *i, 0, false
	var b strings.Builder
	for *i < end && p.s[*i] != '.' && p.s[*i] != '|' {
		c := p.s[*i]
		switch c {
		case '\\':
			if *i++; *i >= end {
				p.fail(*i-1, end, diag.BadPath, "`\\` at the end escapes nothing", "")
				return pathPart{}
			}
			c = p.s[*i]
		case '*':
			stars, wild = stars+1, true
		case '?':
			wild = true
		case '[':
			p.index(start, *i, end)
			return pathPart{}
		}
		if c < 0x20 {
			p.fail(*i, *i+1, diag.BadPath, "a path cannot hold control characters", "")
			return pathPart{}
		}
		b.WriteByte(c)
		*i++
	}
	if wild && (stars > maxStars || *i-start > maxWildcard) {
		p.fail(start, *i, diag.BadPath, fmt.Sprintf("a part with wildcards may have %d stars and %d characters", maxStars, maxWildcard), "")
	}
	return pathPart{name: memberName(b.String())}
}

// memberName leaves numbers away: they are items.
func memberName(s string) string {
	if strings.Trim(s, "0123456789") == "" {
		return ""
	}
	return s
}

// index answers name[0] and name[*].
func (p *pathParser) index(start, i, end int) {
	spelled := fromJSONPath(p.s[start:end])
	p.fail(start, end, diag.BadPath, "brackets are JSONPath; paths here are gjson's", "write "+p.s[:start]+spelled)
}

// hash reads `#`, `#(query)` or `#(query)#`.
func (p *pathParser) hash(i *int, end, depth int) pathPart {
	start := *i
	*i++
	if *i >= end || p.s[*i] == '.' || p.s[*i] == '|' {
		return pathPart{}
	}
	if p.s[*i] != '(' {
		p.fail(start, *i+1, diag.BadPath, "after `#` comes a `.` or a (query)", "write \\# if the name begins with it")
		return pathPart{}
	}
	stop := queryEnd(p.s[:end], *i)
	if stop < 0 {
		p.fail(start, end, diag.BadPath, "the query's `(` is not closed", "")
		return pathPart{}
	}
	p.query(*i+1, stop, depth+1)
	*i = stop + 1
	if *i < end && p.s[*i] == '#' {
		*i++
	}
	return pathPart{}
}

// queryEnd finds the bracket that closes the query, as gjson does.
func queryEnd(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(', '[':
			depth++
		case ')', ']':
			if depth--; depth == 0 {
				return i
			}
		case '"':
			if i = value.SkipString(s, i); i < 0 {
				return -1
			}
			i--
		}
	}
	return -1
}
