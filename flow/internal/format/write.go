package format

import (
	"strings"

	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A remark is a line between two parts: a comment, or "" for an empty line.
type remark struct {
	text   string
	column int
}

// A writer writes the pieces of the source in their order.
type writer struct {
	*reader
	out    strings.Builder
	dashes int  // of list elements that begin on the line to come
	sorted bool // keys may be put into order
	keeps  bool // what was written last is a block scalar that keeps empty lines after it
}

// A piece is a part with what belongs to it.
type piece struct {
	part
	blank    bool     // an empty line before it
	lead     []remark // comments before it
	detached bool     // an empty line between them and it
	deep     []remark // comments behind it, further in than it
	foot     []remark // comments straight behind it
	tail     []remark // what belongs to the end of its value
}

// document writes everything.
func (w *writer) document(root *node) {
	before := w.between(-1, root.from)
	after := w.between(root.to, len(w.text))
	opening := strings.TrimSpace(w.text[w.lines[w.lineOf(root.from)]:root.from]) // --- perhaps
	if root.kind != mapping && root.kind != list {
		if opening != "" {
			opening += " "
		}
		w.remarks(before, 0, true)
		w.line(0, opening+w.inline(root, whole())+w.restOf(root.to, len(w.text)))
		w.remarks(after, 0, false)
		return
	}
	if first := root.parts[0].from; root.at > root.from { // an anchor or a tag of the whole
		w.remarks(before, 0, true)
		w.line(0, strings.TrimSpace(opening+w.properties(root))+w.restOf(root.at, first))
		before = trimmed(w.between(root.at, first))
	}
	w.collection(root, 0, before, after, whole())
}

// collection writes a mapping or a list in lines of their own. lead is what
// stands before its first part, tail behind its last.
func (w *writer) collection(n *node, indent int, lead, tail []remark, shapes []syntax.Shape) {
	table, values := keys(shapes)
	inner := items(shapes)
	pieces, rest := w.pieces(n, lead, tail)
	first := 0
	if n.kind == mapping && table != nil && w.sorted {
		places := order(n, table)
		if first = places[0]; first != 0 {
			pieces[0].blank = pieces[first].blank
			w.heading(&pieces[0], indent)
		}
		sorted := make([]piece, len(pieces))
		for i, at := range places {
			sorted[i] = pieces[at]
		}
		pieces = sorted
	}
	for i := range pieces {
		p := &pieces[i]
		if i > 0 && p.blank {
			w.blank()
		}
		w.remarks(p.lead, indent, true)
		if p.detached {
			w.blank()
		}
		if n.kind == list {
			w.dashes++
			w.element(p, indent, inner)
		} else {
			w.pair(p, indent, below(table, values, p.name))
		}
		w.remarks(p.deep, indent+2, false)
		w.remarks(p.foot, indent, false)
	}
	w.remarks(rest, indent, false)
}

// heading writes the comments before what was the first part that stay at the
// top: those that stand apart from it, and at the top of the file also those
// right above it if there are no others.
func (w *writer) heading(p *piece, indent int) {
	own := len(p.lead)
	for i := len(p.lead) - 1; i >= 0 && !p.detached && !strings.HasPrefix(p.lead[i].text, "---"); i-- {
		if p.lead[i].text == "" {
			break
		}
		own = i
	}
	if indent == 0 && w.dashes == 0 && len(trimmed(p.lead[:own])) == 0 {
		own = len(p.lead)
	}
	w.remarks(p.lead[:own], indent, true)
	if own > 0 && (p.detached || own < len(p.lead)) {
		w.blank()
	}
	p.lead, p.detached = p.lead[own:], false
}

// pieces gives each part the comments that belong to it, and what is left for
// the end.
func (w *writer) pieces(n *node, lead, tail []remark) (pieces []piece, rest []remark) {
	pieces = make([]piece, len(n.parts))
	for i := range n.parts {
		p := &pieces[i]
		p.part = n.parts[i]
		p.lead, p.blank, p.detached = split(lead)
		between := tail
		if i+1 < len(n.parts) {
			between = w.between(p.value.to, n.parts[i+1].from)
		}
		var inside []remark
		inside, lead = deeper(between, n.column)
		switch p.value.kind {
		case mapping, list:
			p.tail = inside
		case literal: // further in it would become a part of the text
			lead = append(inside, lead...)
		default:
			p.deep = inside
		}
		if i+1 < len(n.parts) && len(inside) == 0 {
			p.foot, lead = foot(lead)
		}
	}
	return pieces, lead
}

// split takes the comments before a part apart: whether an empty line comes
// before them, and whether one comes after them.
func split(remarks []remark) (lead []remark, blank, detached bool) {
	blank = len(remarks) > 0 && remarks[0].text == ""
	lead = trimmed(remarks)
	return lead, blank, len(lead) > 0 && remarks[len(remarks)-1].text == ""
}

// trimmed is without the empty lines around.
func trimmed(remarks []remark) []remark {
	for len(remarks) > 0 && remarks[0].text == "" {
		remarks = remarks[1:]
	}
	for len(remarks) > 0 && remarks[len(remarks)-1].text == "" {
		remarks = remarks[:len(remarks)-1]
	}
	return remarks
}

// deeper parts the comments that stand further in than a column from those
// that follow.
func deeper(remarks []remark, column int) (inside, rest []remark) {
	end := 0
	for i, r := range remarks {
		if r.text != "" && r.column <= column {
			break
		}
		if r.text != "" {
			end = i + 1
		}
	}
	return remarks[:end:end], remarks[end:]
}

// foot parts comments straight behind a part, with an empty line after them,
// from those that follow.
func foot(remarks []remark) (foot, rest []remark) {
	for i, r := range remarks {
		if r.text == "" {
			return remarks[:i:i], remarks[i:]
		}
	}
	return nil, remarks
}

// pair writes a key and its value.
func (w *writer) pair(p *piece, indent int, shapes []syntax.Shape) {
	key := w.text[p.from:p.colon]
	v := p.value
	switch v.kind {
	case nothing:
		w.line(indent, key+w.properties(v)+w.restOf(max(v.to, p.colon), len(w.text)))
	case mapping, list:
		comment, lead := w.opening(p)
		w.line(indent, key+comment)
		w.collection(v, indent+2, lead, p.tail, shapes)
	default:
		w.scalar(p, key, indent, shapes)
	}
}

// opening is what stands between a colon or dash and the first part of a block:
// what stays on the line, and the lines after it.
func (w *writer) opening(p *piece) (comment string, lead []remark) {
	v := p.value
	first := v.parts[0].from
	from := p.colon
	if v.at > v.from {
		comment = w.restOf(p.colon, v.from)
		lead = w.between(p.colon, v.from)
		from = v.at
	}
	comment += w.restOf(from, first)
	return w.properties(v) + comment, append(lead, w.between(from, first)...)
}

// properties are an anchor and a tag, each with a blank before it.
func (w *writer) properties(v *node) string {
	if v.at <= v.from {
		return ""
	}
	return " " + strings.Join(strings.Fields(w.text[v.from:v.at]), " ")
}

// element writes what stands behind a dash.
func (w *writer) element(p *piece, indent int, shapes []syntax.Shape) {
	v := p.value
	switch v.kind {
	case nothing:
		text := strings.TrimPrefix(w.properties(v), " ") + w.restOf(max(v.to, p.colon), len(w.text))
		w.line(indent+2, strings.TrimPrefix(text, " "))
	case mapping, list:
		comment, lead := w.opening(p)
		if v.at > v.from {
			w.line(indent+2, strings.TrimPrefix(comment, " "))
		} else if comment != "" {
			w.remarks([]remark{{text: strings.TrimSpace(comment)}}, indent+2, true)
		}
		w.collection(v, indent+2, trimmed(lead), p.tail, shapes)
	default:
		w.remarks(w.above(p), indent+2, true)
		w.value(p, "", indent, shapes)
	}
}

// above are the comments between a colon or dash and a value.
func (w *writer) above(p *piece) []remark {
	var remarks []remark
	if rest := w.restOf(p.colon, p.value.from); rest != "" {
		remarks = []remark{{text: strings.TrimSpace(rest)}}
	}
	return append(remarks, trimmed(w.between(p.colon, p.value.from))...)
}

// scalar writes a key and a value that is no block.
func (w *writer) scalar(p *piece, key string, indent int, shapes []syntax.Shape) {
	v := p.value
	if !strings.Contains(w.text[p.colon:v.from], "\n") {
		w.value(p, w.text[p.from:v.from], indent, shapes)
		return
	}
	w.line(indent, key+w.restOf(p.colon, v.from))
	w.remarks(trimmed(w.between(p.colon, v.from)), indent+2, true)
	w.value(p, "", indent, shapes)
}

// value writes a value that is no block, with key before it on its line, or
// else on a line of its own.
func (w *writer) value(p *piece, key string, indent int, shapes []syntax.Shape) {
	v := p.value
	at, old := indent, w.columnOf(p.from) // what the value's further lines are in relation to
	first, least := indent, indent+2
	switch {
	case key != "":
	case p.key == nil:
		first += 2 // the dash stands there
	default:
		at, old, first = indent+2, w.columnOf(v.from), indent+2
	}
	if v.kind == literal {
		w.block(v, key, first, indent)
		return
	}
	text := w.text[v.from:v.to]
	if v.kind == inline {
		text, least = w.inline(v, shapes), at
	}
	w.line(first, key+shifted(text, at-old, least)+w.restOf(v.to, len(w.text)))
}

// shifted moves the lines of a value after its first.
func shifted(text string, by, least int) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines[1:] {
		if body := strings.TrimLeft(line, " "); body != "" {
			lines[i+1] = blanks(max(len(line)-len(body)+by, least)) + body
		} else {
			lines[i+1] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// block writes a block scalar. A number in its header counts from the block
// around it.
func (w *writer) block(v *node, key string, first, indent int) {
	head := w.endOfLine(v.at)
	header := w.text[v.from:head]
	mark, _, _ := strings.Cut(w.text[v.at:head], " ")
	inner := indent + 2
	if explicit := strings.Trim(mark, "|>+-"); explicit != "" {
		inner = indent + int(explicit[0]-'0')
	}
	w.line(first, key+strings.TrimRight(header, " \t"))
	if v.to > head {
		for _, line := range strings.Split(w.text[head+1:v.to], "\n") {
			if len(line) > v.indent {
				w.out.WriteString(blanks(inner) + line[v.indent:])
			}
			w.out.WriteByte('\n')
		}
	}
	w.keeps = strings.Contains(mark, "+")
}

// inline gives the text of a value in brackets, the keys of the language's
// mappings in order. One with comments between its keys stays as it is.
func (w *writer) inline(n *node, shapes []syntax.Shape) string {
	if n.kind != inline {
		return w.text[n.from:n.to]
	}
	table, values := keys(shapes)
	texts := make([]string, len(n.parts))
	at, plain := n.at, true
	for i, p := range n.parts {
		inner := items(shapes)
		if p.key != nil {
			inner = below(table, values, p.name)
		}
		between := w.text[min(at, p.from):p.from]
		plain = plain && p.key != nil && !strings.ContainsAny(between, "#?")
		texts[i] = w.text[p.from:p.value.from] + w.inline(p.value, inner)
		at = max(p.colon, p.value.to)
	}
	places := make([]int, len(texts))
	for i := range places {
		places[i] = i
	}
	if plain && table != nil && w.sorted && !strings.Contains(w.text[min(at, n.to):n.to], "#") {
		places = order(n, table)
	}
	var b strings.Builder
	at = n.from
	for i, p := range n.parts {
		b.WriteString(w.text[at:p.from])
		b.WriteString(texts[places[i]])
		at = p.value.to
	}
	b.WriteString(w.text[at:n.to])
	return b.String()
}
