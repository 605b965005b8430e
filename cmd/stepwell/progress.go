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
	path    string // without rounds
	at      string // the path as it is recorded
	name    string // the path below the row that it is in
	depth   int    // in how many other rows it is
	holds   bool   // other rows are in it
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
	inner   string // of a loop: the step that was begun last
	round   int    // of a block: in which it is, from 0
	turns   int    // answers to polls or pages
	paged   bool
	why     string // skipped: the condition; failed: the kind
	again   time.Time
	until   time.Time            // of a wait
	waiting map[string]time.Time // of a loop: which of its steps wait, until when
	attempt int
	limit   int
	asked   bool
	anew    string // what the next attempt has another of
	bare    bool   // a block that nothing is told of: it is what is in it
}

type rowState uint8

const (
	rowPending rowState = iota
	rowRunning
	rowRetrying
	rowPolling // an answer came, and it asks again
	rowWaiting
	rowDone
	rowBefore // done before this process resumed the run
	rowPaused // of a run that waits no longer in this process
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
		p.place(&r)
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
		r := p.byPath[loopOf(keyOf(s.Path))]
		if r == nil {
			return ctx, p.locked(func(e flow.End) {
				p.sent(e)
				p.exchange(e)
			})
		}
		if !r.loop {
			r.state, r.attempt, r.limit = rowRunning, s.Attempt, s.Limit
			r.turns = max(r.turns, s.Poll+s.Page) // also those before this process
		}
		p.changed()
		return ctx, p.locked(func(e flow.End) { p.attemptEnded(r, e) })
	case flow.WaitSpan:
		return ctx, p.waits(s)
	case flow.LoginSpan:
		return ctx, func(e flow.End) { p.tokenAsked(ctx, loginExchange(s, e)) }
	}
	outer, _ := ctx.Value(insideKey{}).(string)
	ctx = context.WithValue(ctx, insideKey{}, s.Path)
	key := keyOf(s.Path)
	loop := loopOf(key)
	if loop == key {
		r := p.step(s)
		p.changed()
		return ctx, p.locked(func(e flow.End) { p.stepEnded(r, e) })
	}
	r := p.byPath[loop]
	if r == nil || s.Path == outer {
		return ctx, func(flow.End) {}
	}
	if !isIteration(key, loop) {
		r.inner = key[len(loop):]
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
	key := keyOf(s.Path)
	r := p.byPath[key]
	if r == nil {
		r = &row{path: key}
		p.insert(r)
	}
	r.at, r.state, r.begun = s.Path, rowRunning, s.Time
	r.saved, r.turns, r.again = nil, 0, time.Time{}
	if r.begun.IsZero() {
		r.begun = p.now()
	}
	if r.title == "" {
		r.title = clean(s.Title)
	}
	if s.Count > 0 || s.Skip > 0 {
		r.loop, r.count, r.done = true, s.Count, s.Skip
	}
	p.begunIn(r)
	for _, n := range roundsOf(s.Path) {
		if block := p.byPath[n.path]; block != nil && n.round != block.round {
			p.nextRound(block, n.round)
		}
	}
	return r
}

// nextRound lets the lines of a block begin anew.
func (p *progress) nextRound(block *row, round int) {
	block.round = round
	for _, r := range p.rows {
		if strings.HasPrefix(r.path, block.path+".") && r.state.over() {
			r.state = rowPending
		}
	}
}

// place says where in the tree a row stands.
func (p *progress) place(r *row) {
	p.byPath[r.path] = r
	r.name = r.path
	if r.at == "" {
		r.at = r.path
	}
	for parent := r.path; ; {
		dot := strings.LastIndexByte(parent, '.')
		if dot < 0 {
			return
		}
		parent = parent[:dot]
		if around := p.byPath[parent]; around != nil {
			around.holds = around.holds || !around.aside(r)
			r.depth, r.name = around.depth+1, r.path[len(parent)+1:]
			return
		}
	}
}

// aside says whether a row below another is its else, a clause or its finally,
// and not what it does.
func (r *row) aside(below *row) bool {
	part, _, _ := strings.Cut(below.path[len(r.path)+1:], ".")
	return part == "else" || part == "finally" || strings.HasPrefix(part, "catch[")
}

// insert puts a line that was not planned behind what its step began with.
func (p *progress) insert(r *row) {
	p.place(r)
	parent := r.path
	at := -1
	for at < 0 {
		dot := strings.LastIndexByte(parent, '.')
		if dot < 0 {
			break
		}
		parent = parent[:dot]
		for i, other := range p.rows {
			last := parent + ".finally." // stays the last
			if other.path == parent || strings.HasPrefix(other.path, parent+".") && (!strings.HasPrefix(other.path, last) || strings.HasPrefix(r.path, last)) {
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
	if e.Status != 0 || r.holds && e.Outcome == "done" { // a block has no answer: that of a failed round is over
		r.status = e.Status
	}
	switch e.Outcome {
	case "waiting": // the run has paused; a log has said so
		r.state = rowPaused
		return
	case "done":
		r.state = rowDone
	case "skipped":
		r.state, r.why = rowSkipped, clean(e.Why)
	case "caught":
		r.state = rowCaught
	case "unknown":
		r.state = rowUnknown
	case "stopped":
		if r.state == rowStopped { // a sibling's failure has done it, and a log has said so
			return
		}
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
	if r.holds {
		p.stopBelow(r)
	}
	p.print(r)
	p.endedIn(r)
}

// stopBelow ends the lines of what a sibling's failure has stopped.
func (p *progress) stopBelow(around *row) {
	for _, r := range p.rows {
		if strings.HasPrefix(r.path, around.path+".") && !r.state.over() && r.state != rowPending && !around.aside(r) {
			r.state = rowStopped
			p.print(r)
		}
	}
}

func (p *progress) attemptEnded(r *row, e flow.End) {
	p.sent(e)
	p.exchange(e)
	if e.Request != nil {
		if title := p.shown(e.Request); !r.loop && !(r.paged && r.turns > 0) || r.title == "" && r.inner == "" {
			r.title = title // of a loop each has its own, of pages the first tells most
		}
	}
	if e.Status != 0 {
		r.status = e.Status
	}
	if r.loop {
		return
	}
	if e.Outcome == "done" || r.turns > 0 && e.Status != 0 && e.Again.IsZero() { // the last answer to a poll may be what fails it
		r.turns++
	}
	if e.Again.IsZero() {
		return
	}
	r.state, r.again, r.asked, r.anew, r.why = rowRetrying, e.Again, e.Asked, e.Anew, ""
	if e.Outcome == "done" {
		if r.state = rowPolling; r.turns&(r.turns-1) == 0 { // the first, second, fourth, eighth: a log need not hold all
			p.print(r)
		}
		return
	}
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

// counts are how far the run has come, for its last line.
func (p *progress) counts() (calls int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}
