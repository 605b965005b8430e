package main

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// A progress shows one run on stderr. On a terminal it redraws what is going
// on; elsewhere each step prints one line when it ends.
type progress struct {
	out     io.Writer
	look    look
	verbose bool
	now     func() time.Time

	mu     sync.Mutex
	flow   string
	run    string
	rows   []*row // in source order
	byPath map[string]*row
	widest layout
	calls  int  // requests that were sent
	begun  bool // the header is written
	over   bool // nothing more is written
	origin string
	board  board
}

// A row is one line: a step, or a loop with all of its iterations.
type row struct {
	path    string
	title   string // "POST /oauth/token"
	state   rowState
	begun   time.Time
	took    time.Duration
	status  int
	saved   []flow.Saved
	loop    bool
	count   int // of a loop: items, those done, and of them those that failed
	done    int
	failed  int
	why     string // skipped: the condition; failed: the kind
	again   time.Time
	attempt int
	limit   int
	asked   bool
}

type rowState uint8

const (
	rowPending rowState = iota
	rowRunning
	rowRetrying
	rowDone
	rowBefore // done before this process resumed the run
	rowSkipped
	rowFailed
	rowCaught
	rowUnknown
	rowStopped
)

func (s rowState) over() bool { return s >= rowDone }

// newProgress begins with the steps that are known before anything runs.
func newProgress(out io.Writer, l look, widest layout, planned []row) *progress {
	p := &progress{out: out, look: l, widest: widest, now: time.Now, byPath: map[string]*row{}}
	for _, r := range planned {
		p.rows = append(p.rows, &r)
		p.byPath[r.path] = &r
	}
	return p
}

// inside is the path of the step that a span is within, for the context.
type insideKey struct{}

// Begin implements flow.Observer.
func (p *progress) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch s.Kind {
	case flow.RunSpan:
		p.start(s)
		return ctx, p.locked(func(flow.End) {})
	case flow.AttemptSpan:
		r := p.byPath[loopOf(s.Path)]
		if r == nil {
			return ctx, p.locked(func(e flow.End) {
				p.sent(e)
				p.exchange(e)
			})
		}
		if !r.loop {
			r.state, r.attempt, r.limit = rowRunning, s.Attempt, s.Limit
		}
		p.changed()
		return ctx, p.locked(func(e flow.End) { p.attemptEnded(r, e) })
	}
	outer, _ := ctx.Value(insideKey{}).(string)
	ctx = context.WithValue(ctx, insideKey{}, s.Path)
	loop := loopOf(s.Path)
	if loop == s.Path {
		r := p.step(s)
		p.changed()
		return ctx, p.locked(func(e flow.End) { p.stepEnded(r, e) })
	}
	r := p.byPath[loop]
	if r == nil || s.Path == outer || !isIteration(s.Path, loop) {
		return ctx, func(flow.End) {}
	}
	return ctx, p.locked(func(e flow.End) { p.iterationEnded(r, e) })
}

// locked holds the lock while an end is taken in.
func (p *progress) locked(f func(flow.End)) func(flow.End) {
	return func(e flow.End) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f(e)
		p.changed()
	}
}

func (p *progress) start(s flow.Span) {
	if p.begun {
		return
	}
	p.begun, p.flow, p.run = true, s.Flow, s.Run
	p.header()
}

// step finds or makes the line of a step that begins.
func (p *progress) step(s flow.Span) *row {
	r := p.byPath[s.Path]
	if r == nil {
		r = &row{path: s.Path}
		p.insert(r)
	}
	r.state, r.begun = rowRunning, s.Time
	if r.begun.IsZero() {
		r.begun = p.now()
	}
	if r.title == "" {
		r.title = clean(s.Title)
	}
	if s.Count > 0 || s.Skip > 0 {
		r.loop, r.count, r.done = true, s.Count, s.Skip
	}
	return r
}

// insert puts a line that was not planned behind what its step began with.
func (p *progress) insert(r *row) {
	p.byPath[r.path] = r
	parent := r.path
	at := -1
	for at < 0 {
		dot := strings.LastIndexByte(parent, '.')
		if dot < 0 {
			break
		}
		parent = parent[:dot]
		for i, other := range p.rows {
			if other.path == parent || strings.HasPrefix(other.path, parent+".") {
				at = i + 1
			}
		}
	}
	if at < 0 {
		for at = len(p.rows); at > 0 && p.rows[at-1].state == rowPending; at-- {
		}
	}
	p.rows = append(p.rows, nil)
	copy(p.rows[at+1:], p.rows[at:])
	p.rows[at] = r
	p.board.inserted(at)
}

func (p *progress) stepEnded(r *row, e flow.End) {
	r.took, r.saved = e.Took, e.Saved
	if r.took == 0 {
		r.took = p.now().Sub(r.begun)
	}
	if e.Status != 0 {
		r.status = e.Status
	}
	switch e.Outcome {
	case "done":
		r.state = rowDone
	case "skipped":
		r.state, r.why = rowSkipped, clean(e.Why)
	case "caught":
		r.state = rowCaught
	case "unknown":
		r.state = rowUnknown
	case "stopped":
		r.state = rowStopped
	default:
		r.state = rowFailed
	}
	if e.Error != nil {
		r.why = string(e.Error.Kind)
		if e.Error.Status != 0 {
			r.status = e.Error.Status
		}
	}
	p.print(r)
}

func (p *progress) attemptEnded(r *row, e flow.End) {
	p.sent(e)
	p.exchange(e)
	if e.Request != nil {
		if title := p.shown(e.Request); !r.loop || r.title == "" {
			r.title = title // of a loop each has its own
		}
	}
	if e.Status != 0 {
		r.status = e.Status
	}
	if e.Again.IsZero() || r.loop {
		return
	}
	r.state, r.again, r.asked, r.why = rowRetrying, e.Again, e.Asked, ""
	if e.Error != nil {
		r.why = string(e.Error.Kind)
		if e.Error.Status != 0 {
			r.status = e.Error.Status
		}
	}
	p.print(r)
}

func (p *progress) iterationEnded(r *row, e flow.End) {
	r.done++
	if e.Outcome == "failed" || e.Outcome == "unknown" {
		r.failed++
	}
}

func (p *progress) sent(e flow.End) {
	if e.Request != nil {
		p.calls++
	}
}

// shown is a request in a few words: the path alone as long as everything
// goes to one place.
func (p *progress) shown(r *flow.Request) string {
	url := r.URL
	if i := strings.Index(url, "://"); i >= 0 {
		end := len(url)
		if j := strings.IndexAny(url[i+3:], "/?"); j >= 0 {
			end = i + 3 + j
		}
		origin := url[:end]
		if p.origin == "" {
			p.origin = origin
		}
		if url = url[i+3:]; origin == p.origin {
			url = r.URL[end:]
		}
	}
	if url == "" {
		url = "/"
	}
	return clean(r.Method + " " + url)
}

// loopOf is the path of the outermost loop that a path lies in, or the path
// itself. The clauses of catch have brackets, too, but are no iterations.
func loopOf(path string) string {
	from := 0
	for {
		i := strings.IndexByte(path[from:], '[')
		if i < 0 {
			return path
		}
		i += from
		segment := path[strings.LastIndexByte(path[:i], '.')+1 : i]
		if segment != "catch" {
			return path[:i]
		}
		from = i + 1
	}
}

// isIteration says whether a path is an iteration of a loop and not a step in one.
func isIteration(path, loop string) bool {
	rest := path[len(loop):]
	return strings.IndexByte(rest, ']') == len(rest)-1
}

// counts are how far the run has come, for its last line.
func (p *progress) counts() (calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}
