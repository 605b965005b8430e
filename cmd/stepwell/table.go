package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A table is rows of cells for people. The last column takes what is left.
type table struct {
	head []string
	rows [][]string
	most map[int]int // columns that are never wider; what is longer is cut in the middle
	keep []int       // columns that are never cut
	tint func(column int, cell string) string
}

// write gives the table's lines, none wider than the terminal.
func (l look) write(t table) string {
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for i, cell := range row {
			w := columns(cell)
			if most := t.most[i]; most > 0 {
				w = min(w, most)
			}
			widths[i] = max(widths[i], w)
		}
	}
	l.fit(widths, t.keep)
	var b strings.Builder
	for n, row := range all {
		line := ""
		for i, cell := range row {
			cell = l.cutMiddle(cell, widths[i])
			shown := cell
			switch {
			case n == 0:
				shown = l.paint(dim, cell)
			case t.tint != nil:
				shown = l.paint(t.tint(i, cell), cell)
			}
			if i < len(row)-1 {
				shown += blanks(widths[i] - columns(cell) + 2)
			}
			line += shown
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// fit makes the widest columns narrower until all fit.
func (l look) fit(widths, keep []int) {
	for {
		total, widest := -2, -1
		for i, w := range widths {
			total += w + 2
			if !slices.Contains(keep, i) && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if total < l.width() || widest < 0 || widths[widest] <= 6 {
			return
		}
		widths[widest]--
	}
}

// ago is a time as seen from now: "2 minutes ago", on a narrow terminal "2m ago".
func (l look) ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case l.width() < 100 && d >= 10*time.Second && d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case l.width() < 100 && d >= time.Minute && d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case l.width() < 100 && d >= time.Hour && d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	case t.IsZero():
		return "not yet"
	case d < 0:
		return t.Local().Format("2006-01-02 15:04")
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d seconds ago", int(d.Seconds()))
	case d < time.Hour:
		return count(int(d.Minutes()), "minute") + " ago"
	case d < 24*time.Hour:
		return count(int(d.Hours()), "hour") + " ago"
	case d < 14*24*time.Hour:
		return count(int(d.Hours()/24), "day") + " ago"
	}
	return t.Local().Format("2006-01-02")
}

// wrapped breaks a text into lines of at most width columns, all but the first
// indented. A word that is wider is broken, too.
func wrapped(text string, width, indent int) string {
	var b strings.Builder
	at := indent
	for i, word := range strings.Fields(text) {
		n := columns(word)
		switch {
		case i == 0:
		case at+1+n > width:
			b.WriteString("\n" + blanks(indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		for n > width-indent && width-indent > 8 {
			head, rest := split(word, width-at)
			b.WriteString(head + "\n" + blanks(indent))
			word, at = rest, indent
			n = columns(word)
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}
