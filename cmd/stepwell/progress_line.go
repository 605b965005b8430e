package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// A layout is how wide the columns of a run's lines are. Where lines are
// redrawn they are a tree; else each says the whole path.
type layout struct{ width, id, name, title int }

// Columns that never change: the sign with its blanks; status and time with theirs.
const (
	signColumns   = 4
	answerColumns = 2 + 3 + 7
)

// deepest is how many levels of the tree are told apart.
const deepest = 6

// widestOf is how wide the columns want to be: from what was planned, so that
// every line of a run has the same columns.
func widestOf(rows []row) layout {
	l := layout{id: 8, name: 8}
	known := newProgress(nil, look{}, layout{}, rows)
	for _, r := range known.rows {
		l.id = max(l.id, columns(r.path), columns(r.at))
		l.name = max(l.name, 2*min(r.depth, deepest)+columns(r.name))
		l.title = max(l.title, columns(requestText(r.title)))
		if r.loop { // "12 × " comes before it
			l.title = max(l.title, columns(r.title)+5)
		}
	}
	return l
}

// layoutOf fits the columns to the terminal.
func (p *progress) layoutOf() layout {
	l := layout{width: p.look.width() - 1, id: p.widest.id, title: p.widest.title}
	if p.look.live {
		l.id = p.widest.name
	}
	l.id = min(l.id, max(8, l.width/3)) + 1
	room := l.width - signColumns - l.id - 1 - answerColumns
	l.title = max(8, min(max(l.title, l.width/4), 44, room-min(room/3, 26)))
	return l
}

// label is what a row is called.
func (p *progress) label(r *row, width int) string {
	if !p.look.live {
		return p.look.cutMiddle(r.at, width)
	}
	indent := min(2*min(r.depth, deepest), max(0, width-min(columns(r.name), 8)))
	return blanks(indent) + p.look.cutMiddle(r.name, width-indent)
}

// line is a row's line, without a line break, never wider than the layout.
func (p *progress) line(r *row, l layout) string {
	k := p.look
	id := func(colour string) string {
		return k.paint(colour, pad(p.label(r, l.id-1), l.id)) + " "
	}
	room := l.width - signColumns - l.id - 1
	lead := func(sign, colour string) string {
		return "  " + k.paint(colour, k.sign(sign)) + " "
	}
	switch r.state {
	case rowPending:
		return strings.TrimRight(lead("·", dim)+id(dim), " ")
	case rowRunning:
		if r.loop {
			return lead("◐", yellow) + id(cyan) + p.counter(r, l)
		}
		return strings.TrimRight(lead("◐", yellow)+id(cyan)+p.running(r, l), " ")
	case rowRetrying, rowPolling:
		return lead("↻", yellow) + id(cyan) + k.paint(yellow, k.cut(p.retrying(r), room))
	case rowWaiting, rowPaused:
		return lead("⏸", yellow) + id(cyan) + k.paint(yellow, k.cut(p.waiting(r), room))
	case rowBefore:
		return lead("✓", dim) + id(dim) + k.paint(dim, "done before")
	case rowSkipped:
		return lead("–", yellow) + id(dim) + k.paint(dim, k.cut(skipped(r.why), room))
	case rowStopped:
		how := "stopped"
		if r.loop {
			how = fmt.Sprintf("%d of %d, stopped", r.done, r.count)
		}
		return lead("–", yellow) + id(dim) + k.paint(dim, how)
	case rowFailed:
		return strings.TrimRight(lead("✗", red)+id(red)+p.answer(r, l, ""), " ")
	case rowUnknown:
		return lead("?", red) + id(red) + p.answer(r, l, "not known whether it was processed")
	case rowCaught:
		return lead("–", yellow) + id(cyan) + p.answer(r, l, "failed ("+r.why+"), went on")
	}
	return strings.TrimRight(lead("✓", green)+id(cyan)+p.answer(r, l, ""), " ")
}

func skipped(why string) string {
	if why == "" {
		return "skipped"
	}
	return "skipped: " + why
}

// answer is title, status, time, and what was saved or what to say instead.
func (p *progress) answer(r *row, l layout, say string) string {
	k := p.look
	title := requestText(r.title)
	if r.loop {
		by := " × "
		if !k.utf8 {
			by = " x "
		}
		if title = strconv.Itoa(r.count) + by + r.title; r.title == "" {
			title = count(r.count, "item")
		}
		if r.failed > 0 {
			title += fmt.Sprintf(", %d failed", r.failed)
		}
	}
	switch {
	case r.round > 0:
		title = strings.TrimPrefix(title+", "+count(r.round+1, "round"), ", ")
	case r.turns > 1 && r.paged:
		title += ", " + count(r.turns, "page")
	case r.turns > 1:
		title += ", " + count(r.turns, "poll")
	}
	status := ""
	if r.status != 0 {
		status = strconv.Itoa(r.status)
	}
	text := pad(k.cutMiddle(title, l.title), l.title) + "  " + pad(status, 3) + padLeft(short(r.took), 7)
	room := l.width - signColumns - l.id - 1 - columns(text) - 2
	switch {
	case room < 6:
	case say != "":
		if head, tail, ok := strings.Cut(say, ", "); ok && columns(say) > room && columns(head) > room {
			say = tail // "went on": what it failed with stands below
		}
		text += "  " + k.paint(yellow, k.cut(say, room))
	case len(r.saved) > 0:
		text += "  " + k.paint(dim, k.saved(r.saved, room))
	}
	return text
}

func (p *progress) running(r *row, l layout) string {
	took := p.now().Sub(r.begun)
	text := pad(p.look.cutMiddle(requestText(r.title), l.title), l.title)
	if took < 100*time.Millisecond {
		return text
	}
	text += "     " + padLeft(tenths(took), 7)
	switch {
	case r.attempt > 1:
		text += fmt.Sprintf("  attempt %d of %d", r.attempt, r.limit)
	case r.round > 0:
		text += fmt.Sprintf("  round %d", r.round+1)
	case r.turns > 0 && r.paged:
		text += fmt.Sprintf("  page %d", r.turns+1)
	}
	return p.look.cut(text, l.width-signColumns-l.id-1)
}

// counter is a loop on its way: how many, a bar, the time.
func (p *progress) counter(r *row, l layout) string {
	k := p.look
	text := fmt.Sprintf("%d of %d", r.done, r.count)
	tail := padLeft(tenths(p.now().Sub(r.begun)), 8)
	if r.failed > 0 {
		tail += fmt.Sprintf("  %d failed", r.failed)
	}
	_, inner, below := strings.Cut(r.inner, "].")
	if until := r.soonest(); !until.IsZero() {
		tail += fmt.Sprintf("  %s waits %s", k.cutMiddle(inner, 16), timeLeft(until.Sub(p.now())))
	} else if below && r.failed == 0 {
		tail += "  " + k.cutMiddle(inner, 16)
	}
	room := l.width - signColumns - l.id - 1 - columns(text) - 2 - columns(tail)
	width := min(24, room)
	if width < 6 {
		return text + tail
	}
	full := 0
	if r.count > 0 {
		full = width * min(r.done, r.count) / r.count
	}
	on, off := "━", "╌"
	if !k.utf8 {
		on, off = "=", "-"
	}
	return text + "  " + k.paint(green, strings.Repeat(on, full)) + k.paint(dim, strings.Repeat(off, width-full)) + tail
}

// retrying says why and when: "503, again in 2s (attempt 2 of 3, the server said so)".
// A poll says "202, not yet, again in 5s".
func (p *progress) retrying(r *row) string {
	what := r.why
	if r.status != 0 {
		what = strconv.Itoa(r.status)
	}
	if r.anew != "" {
		return what + ", once more with another " + r.anew
	}
	in := soon(r.again.Sub(p.now()))
	text := fmt.Sprintf("%s, again in %s (attempt %d of %d", what, in, r.attempt+1, r.limit)
	if r.state == rowPolling {
		text = strings.TrimPrefix(fmt.Sprintf("%s, asks again in %s (poll %d", what, in, r.turns+1), ", ")
	}
	if r.asked {
		text += ", the server said so"
	}
	return text + ")"
}

// soon is a time that is left: "2s", "0.3s", "12ms". What is due by now has
// the shortest, for it was not at once.
func soon(d time.Duration) string {
	if d < 50*time.Millisecond {
		return short(max(d, time.Millisecond))
	}
	return strings.Replace(tenths(d.Round(100*time.Millisecond)), ".0s", "s", 1)
}

// saved lists names as far as there is room: "→ access_token, orders (3), 2 more".
func (k look) saved(saved []flow.Saved, room int) string {
	text := k.sign("→") + " "
	for i, s := range saved {
		name := s.Name
		if s.Items >= 0 {
			name += fmt.Sprintf(" (%d)", s.Items)
		}
		if i > 0 {
			name = ", " + name
		}
		more := ""
		if left := len(saved) - i - 1; left > 0 {
			more = fmt.Sprintf(", %d more", left)
		}
		if columns(text+name+more) > room && i > 0 {
			more = fmt.Sprintf(", %d more", len(saved)-i)
			if room < columns(more)+8 {
				return k.cut(text, room)
			}
			return k.cut(text, room-columns(more)) + more
		}
		text += name
	}
	return k.cut(text, room)
}

// requestText aligns paths behind short and long methods.
func requestText(title string) string {
	method, rest, ok := strings.Cut(title, " ")
	if !ok || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return title
	}
	return pad(method, 4) + " " + rest
}

// tenths is a duration that grows while somebody looks at it.
func tenths(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatFloat(max(0, d).Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	}
	return short(d)
}

// short is a duration in few characters.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 50*time.Microsecond:
		return "0ms"
	case d < time.Millisecond:
		return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', 1, 64) + "ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// shortID is the beginning of a run's id, as lists show it. Commands take it
// wherever it is unambiguous.
func shortID(id string) string {
	if len(id) > 13 {
		return id[:13]
	}
	return id
}
