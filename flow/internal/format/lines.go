package format

import "strings"

// restOf is the comment on the rest of a line, with the blanks before it.
func (r *reader) restOf(at, before int) string {
	end := r.endOfLine(min(at, len(r.text)))
	if end >= before && before < len(r.text) {
		return ""
	}
	return strings.TrimRight(r.text[min(at, end):end], " \t")
}

// between are the lines after the one that holds a byte, -1 for all, up to the
// line that holds another.
func (r *reader) between(from, to int) []remark {
	var remarks []remark
	last := len(r.lines)
	if to < len(r.text) {
		last = r.lineOf(to)
	}
	n := 0
	if from >= 0 {
		n = r.lineOf(from) + 1
	}
	for ; n < last; n++ {
		if r.lines[n] == len(r.text) {
			break
		}
		remarks = append(remarks, r.remark(r.text[r.lines[n]:r.endOfLine(r.lines[n])]))
	}
	return remarks
}

func (r *reader) remark(line string) remark {
	text := strings.TrimLeft(line, " \t")
	return remark{strings.TrimRight(text, " \t"), len(line) - len(text)}
}

// line writes a line. Dashes that wait are written before it.
func (w *writer) line(indent int, text string) {
	line := blanks(indent-2*w.dashes) + strings.Repeat("- ", w.dashes) + text
	w.out.WriteString(strings.TrimRight(line, " \t"))
	w.out.WriteByte('\n')
	w.dashes, w.keeps = 0, false
}

// blank writes an empty line, unless it would become a part of the text before.
func (w *writer) blank() {
	if !w.keeps && w.out.Len() > 0 && !strings.HasSuffix(w.out.String(), "\n\n") {
		w.out.WriteByte('\n')
	}
}

// remarks writes comments with at most one empty line between them, which come
// before dashes that wait. With first none comes before them.
func (w *writer) remarks(remarks []remark, indent int, first bool) {
	remarks = trimmedEnd(remarks)
	for _, r := range remarks {
		switch {
		case r.text != "":
			w.out.WriteString(blanks(indent-2*w.dashes) + r.text + "\n")
			w.keeps, first = false, false
		case !first:
			w.blank()
		}
	}
}

func trimmedEnd(remarks []remark) []remark {
	for len(remarks) > 0 && remarks[len(remarks)-1].text == "" {
		remarks = remarks[:len(remarks)-1]
	}
	return remarks
}

func blanks(n int) string { return strings.Repeat(" ", max(n, 0)) }
