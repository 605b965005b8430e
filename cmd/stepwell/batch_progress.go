package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// A batchProgress shows many runs on stderr: on a terminal one counter with a
// bar, and a line for each run that did not succeed; elsewhere a line for each run.
type batchProgress struct {
	out   io.Writer
	look  look
	flow  string
	batch string
	total int
	now   func() time.Time

	mu        sync.Mutex
	over      int
	succeeded int
	paused    int
	began     time.Time
	at        time.Time
	drawn     bool
	note      string
	rate      int // steps that ended, for the look of things going on
	closed    bool
}

func newBatchProgress(out io.Writer, l look, name, batch string, total int) *batchProgress {
	return &batchProgress{out: out, look: l, flow: name, batch: batch, total: total, now: time.Now}
}

// Begin implements flow.Observer.
func (p *batchProgress) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	if s.Kind != flow.StepSpan {
		return ctx, func(flow.End) {}
	}
	return ctx, func(flow.End) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rate++
		p.changed()
	}
}

func (p *batchProgress) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began = p.now()
	k := p.look
	right := p.batch
	name := k.cut(clean(p.flow), max(8, k.width()-columns(right)-3))
	fmt.Fprintf(p.out, "%s%s%s\n", k.paint(bold, name), blanks(max(2, min(k.width()-1, 79)-columns(name)-columns(right))), k.paint(dim, right))
	p.changed()
}

// ended takes in how a run of the batch ended.
func (p *batchProgress) ended(i int, r *result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over++
	k := p.look
	if r.err == nil {
		p.succeeded++
		if k.live {
			p.changed()
			return
		}
	}
	sign, colour, say := "✓", green, ""
	switch {
	case r.err == nil:
	case r.err.Kind == flow.KindPaused:
		p.paused++
		sign, colour, say = "⏸", yellow, pausedAt(r.err)
	case r.err.Kind == flow.KindInterrupted:
		sign, colour, say = "⏸", yellow, "interrupted"
	default:
		sign, colour = "✗", red
		say = string(r.err.Kind) + ": " + clean(r.err.Message)
		if r.err.Step != "" {
			say = string(r.err.Kind) + " at " + r.err.Step + ": " + clean(r.err.Message)
		}
	}
	p.erase()
	lead := fmt.Sprintf("row %-5d %s  %s", i+1, r.run.ID, padLeft(short(r.took), 7))
	if say != "" {
		lead += "  " + k.cut(say, max(8, k.width()-columns(lead)-7))
	}
	fmt.Fprintf(p.out, "  %s %s\n", k.paint(colour, k.sign(sign)), lead)
	p.draw()
}

// pausedAt says where a run has paused, and for what it waits.
func pausedAt(e *flow.Error) string {
	say := "paused at " + e.Step
	for i, fact := range e.Facts {
		if i == 0 {
			say += ":"
		}
		say += " " + fact.Name + " " + clean(fact.Text)
	}
	return say
}

func (p *batchProgress) notice(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.note = text
	if !p.look.live {
		fmt.Fprintln(p.out, "  "+text)
		return
	}
	p.erase()
	p.draw()
}

// changed redraws, at most ten times a second.
func (p *batchProgress) changed() {
	if p.look.live && p.now().Sub(p.at) >= redraw {
		p.erase()
		p.draw()
	}
}

func (p *batchProgress) erase() {
	if p.drawn {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *batchProgress) draw() {
	if !p.look.live || p.closed {
		return
	}
	p.at = p.now()
	k := p.look
	text := fmt.Sprintf("  %s %d of %d runs", k.sign("◐"), p.over, p.total)
	tail := padLeft(tenths(p.now().Sub(p.began)), 8)
	if failed := p.over - p.succeeded - p.paused; failed > 0 {
		tail += fmt.Sprintf("  %d did not succeed", failed)
	}
	if p.paused > 0 {
		tail += fmt.Sprintf("  %d paused", p.paused)
	}
	if p.note != "" {
		tail += "  " + p.note
	}
	room := k.width() - 2 - columns(text) - 2
	tail = k.cut(tail, room)
	width := min(24, room-columns(tail)-2)
	bar := ""
	if width >= 6 {
		full := width * p.over / max(1, p.total)
		on, off := "━", "╌"
		if !k.utf8 {
			on, off = "=", "-"
		}
		bar = "  " + k.paint(green, strings.Repeat(on, full)) + k.paint(dim, strings.Repeat(off, width-full))
	}
	fmt.Fprint(p.out, text+bar+tail)
	p.drawn = true
}

// aside lets something else be printed: stdout may be the same terminal.
func (p *batchProgress) aside(print func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	err := print()
	p.draw()
	return err
}

func (p *batchProgress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.closed = true
}
