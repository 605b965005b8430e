package expression

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// modifier reads @this, @reverse, @flatten, @keys or @values, without arguments.
func (p *pathParser) modifier(i *int, end int) {
	start := *i
	for *i < end && p.s[*i] != '.' && p.s[*i] != '|' && p.s[*i] != ':' {
		*i++
	}
	switch p.s[start:*i] {
	case "@this", "@reverse", "@flatten", "@keys", "@values":
	default:
		p.fail(start, *i, diag.BadPath, fmt.Sprintf("there is no modifier `%s` here", p.s[start:*i]),
			"@this @reverse @flatten @keys @values exist; write `expression:` for more, or \\@ if the name begins with it")
		return
	}
	if *i < end && p.s[*i] == ':' {
		p.fail(*i, end, diag.BadPath, "modifiers take no arguments here", "write `expression:` for more")
		return
	}
	if p.modifiers++; p.modifiers > maxModifiers {
		p.fail(start, *i, diag.BadPath, fmt.Sprintf("a path may have %d modifiers", maxModifiers), "")
	}
}

// query checks what stands in `#(…)`: a path, and maybe an operator and a value.
func (p *pathParser) query(from, to, depth int) {
	if depth > maxNested {
		p.fail(from, to, diag.BadPath, fmt.Sprintf("queries may be nested %d deep", maxNested), "")
		return
	}
	op := p.operator(from, to)
	left, right := trimmed(p.s, from, op)
	if left < right {
		p.path(left, right, depth)
	} else if op == to {
		p.fail(from-1, to+1, diag.BadPath, "the query is empty", "write for example #(active==true)")
	}
	if p.problem == nil && op < to {
		p.comparison(op, to)
	}
}

// operator gives the index where the operator of a query begins, or to.
func (p *pathParser) operator(from, to int) int {
	depth := 0
	for i := from; i < to; i++ {
		switch p.s[i] {
		case '!', '=', '<', '>', '%':
			if depth == 0 && i > from {
				return i
			}
			if depth == 0 && i == from {
				return i
			}
		case '\\':
			i++
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '"':
			if after := value.SkipString(p.s[:to], i); after > 0 {
				i = after - 1
			}
		}
	}
	return to
}

func trimmed(s string, from, to int) (int, int) {
	for from < to && s[from] <= ' ' {
		from++
	}
	for from < to && s[to-1] <= ' ' {
		to--
	}
	return from, to
}

// comparison checks the operator and the value of a query.
func (p *pathParser) comparison(from, to int) {
	op := ""
	for _, o := range []string{"==", "!=", "<=", ">=", "!%", "=", "<", ">", "%"} {
		if strings.HasPrefix(p.s[from:to], o) {
			op = o
			break
		}
	}
	start, stop := trimmed(p.s, from+len(op), to)
	operand := p.s[start:stop]
	switch {
	case op == "" || strings.HasPrefix(operand, "="):
		p.fail(from, to, diag.BadPath, "this is no comparison", "the operators are == != < <= > >= % !%")
	case operand == "":
		p.fail(from, to, diag.BadPath, "the comparison has no value", "write for example #(active==true)")
	case operand == "null":
		p.fail(start, stop, diag.BadPath, "nothing is equal to null in a query", "write ~null")
	case operand[0] == '\'':
		p.fail(start, stop, diag.BadPath, "text in a query stands in double quotes", "")
	case operand[0] == '"':
		if value.SkipString(operand, 0) != len(operand) {
			p.fail(start, stop, diag.BadPath, "the text in the query is not closed, or something stands after it", "a query compares one thing; write `expression:` with filter(…) for more")
		}
	case strings.Contains(operand, "&&") || strings.Contains(operand, "||"):
		p.fail(start, stop, diag.BadPath, "a query compares one thing", "write `expression:` with filter(…) for more")
	}
	if p.problem == nil && strings.HasSuffix(op, "%") && (strings.Count(operand, "*") > maxStars || len(operand) > maxWildcard) {
		p.fail(start, stop, diag.BadPath, fmt.Sprintf("a pattern may have %d stars and %d characters", maxStars, maxWildcard), "")
	}
}

// Nearest gives up to n paths that a JSON text has and that were probably meant
// by one that it has not: near names where the path leads nowhere, and the name
// at other places; if there are none, the names where the path leads nowhere.
func (p *Path) Nearest(json string, n int) []string {
	if p.lines || CheckJSON([]byte(json)) != nil {
		return nil
	}
	at, before, rest, ok := p.lost(json)
	if !ok {
		return nil
	}
	want := rest[0].name
	if list, isList, _ := value.AsList(at); isList && len(list) > 0 {
		at, before = list[0], before+"#."
	}
	s := &search{want: want, visits: 2000}
	whole := make([]string, len(rest))
	for i, part := range rest {
		whole[i] = part.name
	}
	s.level(at, before, strings.Join(whole, "."))
	if !s.near(near) {
		s.deep(value.Scan(json), "", 0)
	}
	return s.best(n)
}

// DeadEnd says what stands in a JSON text where the path leads no further,
// where that is nothing to look into; "" elsewhere.
func (p *Path) DeadEnd(json string) string {
	if p.lines || CheckJSON([]byte(json)) != nil {
		return ""
	}
	at, what, next := value.Scan(json), "its body", ""
	for _, part := range p.parts {
		prefix := &Path{source: p.source[:part.end]}
		raw, found := prefix.Get(json)
		if !found {
			next = part.text
			break
		}
		at, what = value.Scan(raw), strconv.Quote(prefix.source)
	}
	list, isList, _ := value.AsList(at)
	object, isObject, _ := value.AsObject(at)
	switch {
	case next == "":
		return ""
	case at == nil:
		return what + " is null"
	case isList && len(list) == 0:
		return what + " is an empty list"
	case isObject && len(object) == 0:
		return what + " is an empty object"
	case !isList && !isObject:
		return what + " is neither an object nor a list"
	case isList && strings.Trim(next, "0123456789") == "":
		return fmt.Sprintf("%s is a list of %d, counted from 0", what, len(list))
	}
	return ""
}

// lost gives the value up to which the path leads, the path to it, and the parts
// that lead nowhere, of which the first is a name.
func (p *Path) lost(json string) (at any, before string, rest []pathPart, ok bool) {
	at = value.Scan(json)
	for i, part := range p.parts {
		prefix := &Path{source: p.source[:part.end]}
		raw, found := prefix.Get(json)
		if !found || part.name != "" && raw == "[]" {
			return at, before, p.parts[i:], part.name != ""
		}
		at, before = value.Scan(raw), p.source[:part.end]+"."
		if list, isList, _ := value.AsList(at); isList && len(list) > 0 && part.text != "#" && part.name == "" {
			at = list[0] // of a query for all: what follows goes on in each item
		}
	}
	return nil, "", nil, false
}

// A search collects paths to the keys of a JSON text that are like a name.
type search struct {
	want   string
	visits int
	found  []candidate
}

type candidate struct {
	path string
	far  int
}

// How far a candidate is: nearer than near it is probably meant.
const (
	same    = 0
	similar = 1
	deeper  = 2 // plus the depth
	near    = 20
)

// level takes all keys of the object where the path leads nowhere.
func (s *search) level(v any, before, whole string) {
	object, _, _ := value.AsObject(v)
	for key := range object {
		if !spellable(key) {
			continue
		}
		far := near + edits(strings.ToLower(key), strings.ToLower(s.want), 8)
		switch {
		case key == whole || strings.HasPrefix(whole, key+".") && strings.Contains(key, "."):
			far = same
		case Suggest(s.want, []string{key}) != "":
			far = similar
		}
		s.add(before+escapeKey(key), far)
	}
}

// deep takes the keys below that are the name, or very like it.
func (s *search) deep(v any, before string, depth int) {
	if s.visits--; s.visits < 0 || depth > 4 {
		return
	}
	if list, ok, _ := value.AsList(v); ok && len(list) > 0 {
		s.deep(list[0], before+"#.", depth+1)
	}
	object, _, _ := value.AsObject(v)
	if len(object) > 1000 {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		switch {
		case !spellable(key):
			continue
		case key == s.want:
			s.add(before+escapeKey(key), deeper+depth)
		case Suggest(s.want, []string{key}) != "":
			s.add(before+escapeKey(key), deeper+5+depth)
		}
		s.deep(object[key], before+escapeKey(key)+".", depth+1)
	}
}

func (s *search) add(path string, far int) {
	if len(path) > MaxPath {
		return // escaped it is longer than a path may be
	}
	if len(s.found) < 500 {
		s.found = append(s.found, candidate{path, far})
	}
}

// near says whether something nearer than that was found.
func (s *search) near(than int) bool {
	return slices.ContainsFunc(s.found, func(c candidate) bool { return c.far < than })
}

func (s *search) best(n int) []string {
	meant := s.near(near)
	slices.SortFunc(s.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), strings.Compare(a.path, b.path))
	})
	var paths []string
	for _, c := range s.found {
		if len(paths) < n && (c.far < near || !meant) && !slices.Contains(paths, c.path) {
			paths = append(paths, c.path)
		}
	}
	return paths
}

// spellable says whether a key can be written in a path.
func spellable(key string) bool {
	return strings.TrimSpace(key) != "" && strings.IndexFunc(key, func(r rune) bool { return r < ' ' }) < 0
}

// escapeKey writes a key as a part of a path.
func escapeKey(key string) string {
	var b strings.Builder
	for i := range len(key) {
		if strings.IndexByte(`.|*?[\`, key[i]) >= 0 || i == 0 && strings.IndexByte(`#@!{$/`, key[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(key[i])
	}
	return b.String()
}

// Suggest gives the candidate that was probably meant by a name, or "". Names
// that differ only in case, `_` and `-` come first, so that patientId finds
// patient_id.
func Suggest(name string, candidates []string) string {
	best, distance := "", max(1, len([]rune(name))/3)+1
	bare := strings.NewReplacer("_", "", "-", "")
	folded := strings.ToLower(bare.Replace(name))
	for _, c := range candidates {
		if c == "" || c == name {
			continue
		}
		if strings.ToLower(bare.Replace(c)) == folded {
			return c
		}
		if d := edits(strings.ToLower(name), strings.ToLower(c), distance); d < distance && d < len(name) {
			best, distance = c, d
		}
	}
	return best
}

// edits counts the insertions, deletions, changes and swaps of neighbours
// between two names, up to most+1.
func edits(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > most || len(y)-len(x) > most || len(x) > 64 || len(y) > 64 {
		return most + 1
	}
	var before [66]int
	row, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		copy(before[:], last)
		row, last = last, row
	}
	return last[len(y)]
}
