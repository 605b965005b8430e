package main

import (
	"fmt"
	"strings"
	"time"
)

// A board is what stands on the terminal and may be redrawn. Rows that are
// over and have only such rows above them are written for good.
type board struct {
	fixed int   // rows written for good
	drawn []int // columns of the lines below them, as they stand there
	at    time.Time
	note  string // stands below the lines
	stop  chan struct{}
	ended chan struct{}
}

// redraw is the least time between two drawings: at most 10 a second.
const redraw = 100 * time.Millisecond

func (b *board) inserted(at int) {
	if at < b.fixed {
		b.fixed++ // its line comes too late to stand in its place
	}
}

// header begins a run's lines. It is called with mu held.
func (p *progress) header() {
	k := p.look
	right := "run " + shortID(p.run)
	name := k.cut(clean(p.flow), max(8, k.width()-columns(right)-3))
	gap := max(2, min(k.width()-1, 79)-columns(name)-columns(right))
	fmt.Fprintf(p.out, "%s%s%s\n", k.paint(bold, name), blanks(gap), k.paint(dim, right))
	if k.live {
		p.board.stop, p.board.ended = make(chan struct{}), make(chan struct{})
		go p.tick(p.board.stop, p.board.ended)
		return
	}
	for _, r := range p.rows {
		if r.state == rowBefore {
			p.print(r)
		}
	}
}

// tick redraws while the run goes on, for the times that pass.
func (p *progress) tick(stop, ended chan struct{}) {
	defer close(ended)
	t := time.NewTicker(redraw)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		}
	}
}

// changed redraws soon, unless that was just done: then the ticker does.
func (p *progress) changed() {
	if p.look.live && p.begun && p.now().Sub(p.board.at) >= redraw {
		p.draw()
	}
}

// print writes a line where nothing is redrawn.
func (p *progress) print(r *row) {
	if p.look.live || !p.begun || r.container() {
		return
	}
	fmt.Fprintln(p.out, p.line(r, p.layoutOf()))
}

// container says whether a row only stands for steps that have their own lines:
// where lines are not redrawn it would come after them, and say nothing more.
func (r *row) container() bool {
	return (r.holds || r.title == "") && !r.loop && (r.state == rowDone || r.state == rowRunning || r.state == rowBefore)
}

// close draws for the last time and leaves the lines as they are.
func (p *progress) close() {
	p.mu.Lock()
	p.over = true
	stop := p.board.stop
	p.board.stop = nil
	p.mu.Unlock()
	if stop == nil {
		return
	}
	close(stop)
	<-p.board.ended
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := p.rows[:0:0]
	for _, r := range p.rows[p.board.fixed:] {
		if r.state != rowPending {
			kept = append(kept, r)
		}
	}
	p.board.note = ""
	p.rows = append(p.rows[:p.board.fixed:p.board.fixed], kept...)
	for _, r := range kept {
		if !r.state.over() {
			r.state = rowStopped
		}
	}
	p.draw()
}

// draw writes the lines anew. It is called with mu held.
func (p *progress) draw() {
	b := &p.board
	b.at = p.now()
	l := p.layoutOf()
	var out strings.Builder
	if up := b.height(p.look.width()); up > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r\x1b[J", up)
	}
	b.drawn = b.drawn[:0]
	for ; b.fixed < len(p.rows) && p.rows[b.fixed].state.over(); b.fixed++ {
		out.WriteString(p.line(p.rows[b.fixed], l) + "\n")
	}
	for _, line := range p.open(l) {
		out.WriteString(line + "\n")
		b.drawn = append(b.drawn, columns(line))
	}
	fmt.Fprint(p.out, out.String())
}

// height is how many lines of the terminal the drawn ones take: more than were
// written if the terminal was made narrower since.
func (b *board) height(width int) int {
	n := 0
	for _, c := range b.drawn {
		n += max(1, (c+width-1)/width)
	}
	return n
}

// open are the lines that may still change, as many as fit: first what goes
// on, with what it is in, then what failed, what comes next, and what is done.
func (p *progress) open(l layout) []string {
	room := max(3, p.look.height()-3)
	rows := p.rows[p.board.fixed:]
	shown := make([]bool, len(rows))
	left := len(rows)
	for _, urgent := range []func(*row) bool{
		func(r *row) bool { return !r.state.over() && r.state != rowPending },
		func(r *row) bool { return r.state >= rowFailed },
		func(r *row) bool { return r.state == rowPending },
		func(*row) bool { return true },
	} {
		for i, r := range rows {
			if room > 0 && !shown[i] && urgent(r) {
				shown[i] = true
				room--
				left--
			}
		}
	}
	var lines []string
	hidden := map[bool]int{}
	for i, r := range rows {
		if shown[i] {
			lines = append(lines, p.line(r, l))
			continue
		}
		hidden[r.state.over()]++
	}
	if left > 0 {
		var more []string
		if n := hidden[true]; n > 0 {
			more = append(more, fmt.Sprintf("%d done", n))
		}
		if n := hidden[false]; n > 0 {
			more = append(more, count(n, "more step"))
		}
		lines = append(lines, p.look.paint(dim, "    "+strings.Join(more, ", ")))
	}
	if p.board.note != "" {
		lines = append(lines, p.look.paint(yellow, "  "+p.look.cut(p.board.note, l.width-2)))
	}
	return lines
}

// notice writes a line about the run as a whole.
func (p *progress) notice(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.board.note = text
	if !p.look.live {
		fmt.Fprintln(p.out, "  "+text)
		return
	}
	p.changed()
}
