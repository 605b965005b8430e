package diag

import (
	"strings"
	"unicode"
)

// tabStop is how far apart tabs stand in an excerpt.
const tabStop = 4

// A view is a line as it is shown, and where the caret goes.
type view struct {
	text   string
	before int // columns before the caret
	width  int // columns of the caret, at least 1
}

// A cell is a character as it is shown.
type cell struct {
	text  string
	width int
}

// look lays out a line of a file: tabs as blanks, control characters visible,
// and cut around the characters [from, to) to the room there is (0: any).
func look(line string, from, to, room int, ascii bool) view {
	var cells []cell
	column := 0
	for _, r := range line {
		c := cell{text: visible(string(r))}
		if r == '\t' {
			c.text = strings.Repeat(" ", tabStop-column%tabStop)
		}
		c.width = columns(c.text)
		column += c.width
		cells = append(cells, c)
	}
	from = min(max(from, 0), len(cells))
	to = min(max(to, from), len(cells))
	dots := "…"
	if ascii {
		dots = "..."
	}
	first, last := window(cells, from, to, room, columns(dots))
	v := view{}
	var b strings.Builder
	if first > 0 {
		b.WriteString(dots)
		v.before = columns(dots)
	}
	for i := first; i < last; i++ {
		b.WriteString(cells[i].text)
		switch {
		case i < from:
			v.before += cells[i].width
		case i < to:
			v.width += cells[i].width
		}
	}
	if last < len(cells) {
		b.WriteString(dots)
	}
	v.text, v.width = b.String(), max(v.width, 1)
	return v
}

// window chooses the cells [first, last) to show: all if there is room, else
// from the line's start if the marked ones [from, to) are in it, else around
// where they begin.
func window(cells []cell, from, to, room, dots int) (first, last int) {
	total := 0
	for _, c := range cells {
		total += c.width
	}
	if room <= 0 || total <= room {
		return 0, len(cells)
	}
	end := 0
	for _, c := range cells[:to] {
		end += c.width
	}
	if end+dots <= room {
		return 0, fill(cells, 0, room-dots)
	}
	marked := 0
	for _, c := range cells[from:to] {
		marked += c.width
	}
	before := max(room-2*dots-marked, room/4) // columns before the caret
	before = min(before, room/2)
	first = from
	for width := 0; first > 0 && width+cells[first-1].width <= before; first-- {
		width += cells[first-1].width
	}
	if first > 0 {
		room -= dots
	}
	last = fill(cells, first, room)
	if last < len(cells) {
		last = fill(cells, first, room-dots)
	}
	return first, last
}

// fill is the end of the cells from first that fit into the room.
func fill(cells []cell, first, room int) int {
	for first < len(cells) && cells[first].width <= room {
		room -= cells[first].width
		first++
	}
	return first
}

// split cuts text after so many columns, at least one character.
func split(text string, room int) (head, rest string) {
	for i, r := range text {
		w := runeWidth(r)
		if room < w && i > 0 {
			return text[:i], text[i:]
		}
		room -= w
	}
	return text, ""
}

// columns is how wide a text is on a terminal.
func columns(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is 0 for what is drawn over the character before, 2 for wide
// characters (Unicode Standard Annex 11), else 1.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wide are the blocks of characters that take two columns.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x23e9, 0x23ec, 1}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1},
		{0x2648, 0x2653, 1}, {0x26aa, 0x26ab, 1}, {0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1}, {0x2705, 0x2705, 1},
		{0x270a, 0x270b, 1}, {0x2728, 0x2728, 1}, {0x274c, 0x274c, 1}, {0x2753, 0x2755, 1}, {0x2795, 0x2797, 1},
		{0x2e80, 0x303e, 1}, {0x3041, 0x33ff, 1}, {0x3400, 0x4dbf, 1}, {0x4e00, 0x9fff, 1}, {0xa000, 0xa4cf, 1},
		{0xa960, 0xa97f, 1}, {0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe30, 0xfe6f, 1}, {0xff01, 0xff60, 1}, {0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18cff, 1}, {0x1aff0, 0x1b2fb, 1}, {0x1f18e, 0x1f19a, 1}, {0x1f200, 0x1f320, 1}, {0x1f32d, 0x1f64f, 1},
		{0x1f680, 0x1f6ff, 1}, {0x1f7e0, 0x1f7eb, 1}, {0x1f90c, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}

// visible shows control characters instead of sending them to the terminal:
// what an author or a server wrote must not drive it. Line ends and tabs stay.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029:
			return '\ufffd'
		}
		return r
	}, text)
}
