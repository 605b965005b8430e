package flow

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/answer"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/record"
)

// An Observer is told what a run does: progress, logs, metrics and traces are
// observers. Begin is called when something begins and gives the function to
// call when it ends, and the context under which what is inside it runs.
// Both may be called from many goroutines. All texts are redacted before.
//
// A step that a resumed run finds ended is not begun again; a block or a loop
// that it finds open is, with its Skip. An observer that panics is told nothing
// more of that run; the run goes on.
type Observer interface {
	Begin(ctx context.Context, s Span) (context.Context, func(End))
}

// A SpanKind says what begins.
type SpanKind uint8

// A run holds steps; a step holds steps (blocks, iterations) or attempts.
const (
	RunSpan SpanKind = iota + 1
	StepSpan
	IterationSpan // one item of a loop, when its body is not a leaf of its own
	AttemptSpan
	WaitSpan  // a step waits: for a time, a message, or its next round; inside the step
	LoginSpan // a try of a call of a credential of type steps; inside the attempt that needs the token
)

// A Span is what begins.
type Span struct {
	Kind    SpanKind
	Run     string
	Flow    string // the flow's name
	Path    string // of the step; "" of the run
	ID      string // of the step
	Title   string // "POST /oauth/token" as far as it is known before rendering
	Count   int    // loop: its items
	Skip    int    // loop: leading items that were finished before a resume
	Attempt int    // of an attempt, from 1
	Limit   int    // of an attempt: how many there may be
	Poll    int    // of an attempt of a poll: how often it was asked before, and answered
	Page    int    // of an attempt at a page: how many pages came before
	Time    time.Time
	Until   time.Time // of a wait: when it ends; zero: when a message comes
	// Credential is that of a LoginSpan, whose Path is that of the credential's own step.
	Credential string
}

// An End is how it ended.
type End struct {
	Outcome string        // of a step: done, skipped, failed, caught, unknown, stopped, waiting (the run paused); of a run its state
	Status  int           // of the last answer, or 0
	Error   *Error        // redacted; nil if it did not fail
	Saved   []Saved       // what it saved
	Again   time.Time     // attempt: when the next begins; zero: there is none
	Asked   bool          // attempt: the server asked for that time (Retry-After)
	Anew    string        // attempt: "token" or "proof" was refused, and the next one, which is no retry, has another; else ""
	Why     string        // skipped: the condition
	Request *Request      // attempt: what was sent, redacted; nil if nothing was
	Answer  *Result       // attempt: what came back, redacted; Body only if the observer is Verbose
	Took    time.Duration // in this process
}

// Saved is a data point that a step saved.
type Saved struct {
	Name  string
	Items int // of a list; -1 of anything else
}

// Verbose is implemented by observers that want headers and bodies.
type Verbose interface{ Verbose() bool }

// careful passes on to an observer until that panics.
type careful struct {
	Observer
	gone atomic.Bool
}

func (c *careful) survive() {
	if recover() != nil {
		c.gone.Store(true)
	}
}

// Begin implements Observer.
func (c *careful) Begin(ctx context.Context, s Span) (inner context.Context, end func(End)) {
	inner, end = ctx, func(End) {}
	if c.gone.Load() {
		return inner, end
	}
	defer c.survive()
	seen, told := c.Observer.Begin(ctx, s)
	if seen == nil || told == nil {
		return inner, end
	}
	return seen, func(e End) {
		if !c.gone.Load() {
			defer c.survive()
			told(e)
		}
	}
}

// logins tell an observer of the calls with which a credential's steps get a token.
type logins struct {
	Observer
	w          *work
	credential string
}

// Verbose implements Verbose.
func (l *logins) Verbose() bool {
	v, ok := l.Observer.(Verbose)
	return ok && v.Verbose()
}

// Begin implements Observer.
func (l *logins) Begin(ctx context.Context, s Span) (context.Context, func(End)) {
	if s.Kind != AttemptSpan {
		return ctx, func(End) {}
	}
	s.Kind, s.Credential, s.Run, s.Flow = LoginSpan, l.credential, l.w.run.ID, l.w.run.Flow
	inner, end := l.Observer.Begin(ctx, s)
	return inner, func(e End) {
		if e.Answer != nil && e.Answer.Status < 400 {
			e.Answer.Headers, e.Answer.Body = answer.Login(e.Answer.Headers, e.Answer.Body)
		}
		end(e)
	}
}

// spans are what an observer was told has begun and not yet ended.
type spans struct {
	observer Observer
	verbose  bool
	root     context.Context

	mu   sync.Mutex
	open map[string]*openSpan
}

type openSpan struct {
	ctx  context.Context
	span Span
	end  func(End)
	held *End // of a failure that a clause may yet take
	late bool // it began before the run was resumed
	wait func(End)
}

func (s *spans) watched() bool { return s.observer != nil }

// begin tells of a step, once. A loop is told when its items are known.
func (s *spans) begin(w *work, n *plan.Node, path string) {
	if s.observer == nil || n.ID == "" && !strings.HasSuffix(path, "]") || strings.HasSuffix(path, "catch[0]") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[path] != nil {
		return
	}
	span := Span{Kind: StepSpan, Run: w.run.ID, Flow: w.run.Flow, Path: path, ID: n.ID, Title: n.Work.Title, Time: time.Now()}
	if n.ID == "" {
		span.Kind = IterationSpan
	}
	o := &openSpan{span: span, ctx: s.parent(path)}
	s.around(path).resume() // of a block: its next round has begun
	if n.Kind != plan.Loop {
		o.ctx, o.end = s.observer.Begin(o.ctx, span)
	}
	s.open[path] = o
}

// count tells of a loop, with its items.
func (s *spans) count(w *work, path string, count, skip int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[path]; o != nil && o.end == nil {
		o.span.Count, o.span.Skip = count, skip
		o.ctx, o.end = s.observer.Begin(o.ctx, o.span)
	}
}

// again tells of a block or a loop that a resumed run goes on with.
func (s *spans) again(w *work, n *plan.Node, path string, open Outcome) {
	if s.observer == nil {
		return
	}
	s.begin(w, n, path)
	if n.Kind == plan.Loop {
		s.count(w, path, open.Count, open.Next)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[path]; o != nil {
		o.late = true
	}
}

// waits tells that a step waits, if that is what a task has answered. What
// goes on with calls is told with their attempts.
func (s *spans) waits(w *work, n *plan.Node, t Task, out Outcome) {
	if s.observer == nil || n.Kind == plan.Call || out.Status != datapoints.Awaits &&
		(out.Status != datapoints.Again || !out.Until.After(time.Now())) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[t.Path]; o != nil && o.end != nil && o.wait == nil {
		_, o.wait = s.observer.Begin(o.ctx, Span{Kind: WaitSpan, Run: w.run.ID, Flow: w.run.Flow, Path: t.Path, ID: n.ID, Title: n.Work.Title,
			Time: time.Now(), Until: out.Until})
	}
}

// goesOn tells that a step does not wait any more.
func (s *spans) goesOn(path string) {
	if s.observer == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[path].resume()
}

// parent is the context of the nearest open step around a path.
func (s *spans) parent(path string) context.Context {
	if o := s.around(path); o != nil {
		return o.ctx
	}
	return s.root
}

// around is the nearest open step around a path, or nil.
func (s *spans) around(path string) *openSpan {
	for {
		i := strings.LastIndexAny(path, ".[#")
		if i < 0 {
			return nil
		}
		path = path[:i]
		if o := s.open[path]; o != nil {
			return o
		}
	}
}

// resume tells that a step does not wait any more.
func (o *openSpan) resume() {
	if o != nil && o.wait != nil {
		o.wait(End{Outcome: "done"})
		o.wait = nil
	}
}

// ended tells that a step is over. A failure that a clause of catch may take
// is told when that is decided.
func (s *spans) ended(n *plan.Node, path string, e End) {
	if e.Error == nil || len(n.Catch) == 0 {
		s.end(path, e)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.open[path]; o != nil {
		o.held = &e
	}
}

// decided tells of a failure that was held back.
func (s *spans) decided(path string, taken bool) {
	s.mu.Lock()
	o := s.open[path]
	s.mu.Unlock()
	if o == nil || o.held == nil {
		return
	}
	if taken {
		o.held.Outcome = "caught"
	}
	s.end(path, *o.held)
}

func (s *spans) end(path string, e End) {
	if s.observer == nil {
		return
	}
	if e.Error != nil { // it has stopped what was still open in it
		s.close(path, "stopped")
	}
	s.mu.Lock()
	o := s.open[path]
	delete(s.open, path)
	s.mu.Unlock()
	if o == nil {
		return
	}
	if o.wait != nil {
		o.wait(End{Outcome: e.Outcome})
	}
	if o.end == nil { // a loop that ended before its items were known
		_, o.end = s.observer.Begin(o.ctx, o.span)
	}
	if o.held != nil {
		held := *o.held
		if e.Outcome == "caught" {
			held.Outcome = e.Outcome
		}
		e = held
	}
	if o.late {
		e.Took = time.Since(o.span.Time)
	}
	o.end(e)
}

// close ends what is still open below a path, the inner before the outer.
func (s *spans) close(below, outcome string) {
	s.mu.Lock()
	var open []string
	for path := range s.open {
		if path != below && datapoints.Below(path, below) {
			open = append(open, path)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(open, func(a, b string) int { return strings.Compare(a+"\xff", b+"\xff") })
	for _, path := range open {
		s.end(path, End{Outcome: outcome})
	}
}

// attempt tells of one try of a call.
func (s *spans) attempt(ctx context.Context, w *work, span Span) (context.Context, func(End)) {
	if s.observer == nil {
		return ctx, func(End) {}
	}
	s.mu.Lock()
	around := s.root
	if o := s.open[span.Path]; o != nil {
		around = o.ctx
	}
	s.mu.Unlock()
	span.Kind, span.Run, span.Flow, span.Time = AttemptSpan, w.run.ID, w.run.Flow, time.Now()
	seen, end := s.observer.Begin(around, span)
	return record.Under{Context: ctx, Values: seen}, end
}

// told is a failure that people may see, with the answer's body.
func (w *work) told(f *fault) *Error {
	e := f.error()
	e.Body = []byte(w.redact(f.Body))
	return e
}

// shown is a request that people may see.
func (w *work) shown(r Request) Request {
	r.URL = w.redact(r.URL)
	headers := make([][2]string, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = [2]string{h[0], w.redact(h[1])}
	}
	r.Headers = headers
	if !w.spans.verbose {
		r.Body = nil
	}
	r.Body = []byte(w.redact(string(r.Body)))
	return r
}

// shownAnswer is an answer that people may see.
func (w *work) shownAnswer(r Result) *Result {
	shown := Result{Status: r.Status, URL: w.redact(r.URL), File: r.File, Took: r.Took, Notes: r.Notes, Headers: answer.Headers(r.Headers, w.redact)}
	if w.spans.verbose {
		shown.Body = []byte(w.redact(string(r.Body)))
	}
	return &shown
}

func saved(points []datapoints.Point) []Saved {
	list := make([]Saved, len(points))
	for i := range points {
		list[i] = Saved{points[i].Name, record.Len(points[i].Value.Reveal())}
	}
	return list
}
