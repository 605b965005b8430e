package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow"
)

// A screen is as much of a terminal as the progress needs: lines, moving up,
// clearing to the end. It checks that no line is wider than the terminal.
type screen struct {
	mu    sync.Mutex
	lines []string
	at    int
	width int
	wide  string
}

var control = regexp.MustCompile(`\x1b\[(\d*)([A-Za-z])`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := strings.ReplaceAll(string(p), "\r", "")
	for text != "" {
		if m := control.FindStringSubmatch(text); m != nil && strings.HasPrefix(text, m[0]) {
			n, _ := strconv.Atoi(m[1])
			switch m[2] {
			case "A":
				s.at = max(0, s.at-n)
			case "J":
				s.lines = s.lines[:min(s.at, len(s.lines))]
			}
			text = text[len(m[0]):]
			continue
		}
		end := strings.IndexAny(text, "\n\x1b")
		if end < 0 {
			end = len(text)
		}
		for len(s.lines) <= s.at {
			s.lines = append(s.lines, "")
		}
		s.lines[s.at] += text[:end]
		if columns(s.lines[s.at]) >= s.width {
			s.wide = s.lines[s.at]
		}
		if text = text[end:]; strings.HasPrefix(text, "\n") {
			s.at++
			text = text[1:]
		}
	}
	return len(p), nil
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n") + "\n"
}

// A stage is a progress on a screen with a clock of its own.
type stage struct {
	*progress
	screen *screen
	clock  time.Time
	ctx    context.Context
}

func newStage(t *testing.T, width, height int, planned ...row) *stage {
	t.Helper()
	s := &stage{screen: &screen{width: width}, clock: time.Unix(1_800_000_000, 0), ctx: context.Background()}
	k := look{utf8: true, live: true, width: func() int { return width }, height: func() int { return height }}
	widest := widestOf(planned)
	widest.title, widest.name = 23, max(widest.name, 8)
	s.progress = newProgress(s.screen, k, widest, planned)
	s.now = func() time.Time { return s.clock }
	t.Cleanup(func() {
		s.close()
		if s.screen.wide != "" {
			t.Errorf("a line is wider than %d columns: %s", width, s.screen.wide)
		}
	})
	return s
}

// pass lets time go by and draws.
func (s *stage) pass(d time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
	s.draw()
	return s.screen.text()
}

func (s *stage) begin(kind flow.SpanKind, span flow.Span) func(flow.End) {
	span.Kind, span.Run, span.Flow, span.Time = kind, "01a1fe72-9f81-7000-8000-000000000000", "follow-up", s.clock
	ctx, end := s.Begin(s.ctx, span)
	outer := s.ctx
	s.ctx = ctx
	return func(e flow.End) { s.ctx = outer; end(e) }
}

func compare(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheTerminalShowsWhatRunsAndKeepsWhatIsOver(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "token", title: "POST /oauth/token"}, row{path: "orders", title: "POST /graphql"},
		row{path: "notify", title: "POST /notifications", loop: true}, row{path: "escalate", title: "POST /escalations"})
	s.begin(flow.RunSpan, flow.Span{})
	token := s.begin(flow.StepSpan, flow.Span{Path: "token", Title: "POST /oauth/token"})
	try := s.begin(flow.AttemptSpan, flow.Span{Path: "token", Attempt: 1, Limit: 3})
	compare(t, s.pass(400*time.Millisecond), `
follow-up                                                     run 01a1fe72-9f81
  ◐ token     POST /oauth/token              0.4s
  · orders
  · notify
  · escalate
`)
	try(flow.End{Outcome: "done", Status: 200, Request: &flow.Request{Method: "POST", URL: "http://127.0.0.1:9/oauth/token"}})
	token(flow.End{Outcome: "done", Status: 200, Took: 48 * time.Millisecond, Saved: []flow.Saved{{Name: "access_token", Items: -1}}})

	orders := s.begin(flow.StepSpan, flow.Span{Path: "orders", Title: "POST /graphql"})
	try = s.begin(flow.AttemptSpan, flow.Span{Path: "orders", Attempt: 1, Limit: 3})
	try(flow.End{Outcome: "failed", Status: 503, Error: &flow.Error{Kind: flow.KindHTTP, Status: 503}, Again: s.clock.Add(2 * time.Second), Asked: true,
		Request: &flow.Request{Method: "POST", URL: "http://127.0.0.1:9/graphql"}})
	compare(t, s.pass(0), `
follow-up                                                     run 01a1fe72-9f81
  ✓ token     POST /oauth/token        200   48ms  → access_token
  ↻ orders    503, again in 2s (attempt 2 of 3, the server said so)
  · notify
  · escalate
`)
	orders(flow.End{Outcome: "done", Status: 200, Took: 2100 * time.Millisecond, Saved: []flow.Saved{{Name: "orders", Items: 3}, {Name: "urgent_ids", Items: 1}}})

	notify := s.begin(flow.StepSpan, flow.Span{Path: "notify", Title: "POST /notifications", Count: 3})
	for i := range 2 {
		item := s.begin(flow.IterationSpan, flow.Span{Path: fmt.Sprintf("notify[%d]", i)})
		try := s.begin(flow.AttemptSpan, flow.Span{Path: fmt.Sprintf("notify[%d]", i), Attempt: 1, Limit: 3})
		try(flow.End{Outcome: "done", Status: 201, Request: &flow.Request{Method: "POST", URL: "http://other.test/notifications?q=a b"}})
		item(flow.End{Outcome: "done"})
	}
	compare(t, s.pass(450*time.Millisecond), `
follow-up                                                     run 01a1fe72-9f81
  ✓ token     POST /oauth/token        200   48ms  → access_token
  ✓ orders    POST /graphql            200   2.1s  → orders (3), urgent_ids (1)
  ◐ notify    2 of 3  ━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌    0.4s
  · escalate
`)
	notify(flow.End{Outcome: "failed", Status: 500, Took: time.Second, Error: &flow.Error{Kind: flow.KindHTTP, Status: 500}})
	s.close()
	compare(t, s.screen.text(), `
follow-up                                                     run 01a1fe72-9f81
  ✓ token     POST /oauth/token        200   48ms  → access_token
  ✓ orders    POST /graphql            200   2.1s  → orders (3), urgent_ids (1)
  ✗ notify    3 × POST /notifications  500   1.0s
`)
	if s.counts() != 4 {
		t.Errorf("%d calls were counted, not 4", s.counts())
	}
}

func TestStepsInBlocksAndOnOtherSidesStandWhereTheyBelong(t *testing.T) {
	t.Parallel()
	s := newStage(t, 100, 24, row{path: "check_first", title: "GET /a"}, row{path: "in"}, row{path: "in.one", title: "set a"}, row{path: "last", title: "set b"})
	s.begin(flow.RunSpan, flow.Span{})
	s.begin(flow.StepSpan, flow.Span{Path: "check_first", Title: "GET /a"})(flow.End{Outcome: "skipped", Why: "data.a is false"})
	s.begin(flow.StepSpan, flow.Span{Path: "check_first.else.other", Title: "set c"})(flow.End{Outcome: "done", Took: time.Millisecond})
	block := s.begin(flow.StepSpan, flow.Span{Path: "in"})
	s.begin(flow.StepSpan, flow.Span{Path: "in.one", Title: "set a"})(flow.End{Outcome: "done", Took: time.Millisecond})
	block(flow.End{Outcome: "done", Took: 2 * time.Millisecond})
	s.pass(time.Second)
	want := []string{"  – check_first", "  ✓   els…other", "  ✓ in ", "  ✓   one ", "  · last"}
	for i, line := range strings.Split(strings.TrimRight(s.screen.text(), "\n"), "\n")[1:] {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("line %d is %q, not %q", i, line, want[i])
		}
	}
}

func TestMoreStepsThanLinesAreCounted(t *testing.T) {
	t.Parallel()
	var planned []row
	for i := range 100 {
		planned = append(planned, row{path: fmt.Sprintf("step_%d", i), title: "set x"})
	}
	s := newStage(t, 80, 12, planned...)
	s.begin(flow.RunSpan, flow.Span{})
	text := s.pass(0)
	if n := strings.Count(text, "\n"); n > 12 {
		t.Errorf("%d lines on a terminal of 12", n)
	}
	if !strings.Contains(text, "91 more steps") {
		t.Errorf("the rest is not counted:\n%s", text)
	}
	for i := range 100 {
		s.begin(flow.StepSpan, flow.Span{Path: fmt.Sprintf("step_%d", i), Title: "set x"})(flow.End{Outcome: "done", Took: time.Millisecond})
	}
	s.close()
	if n := strings.Count(s.screen.text(), "✓ step_"); n != 100 {
		t.Errorf("%d of 100 steps are shown in the end", n)
	}
}

func TestARunThatStopsLeavesNothingWaiting(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "one", title: "GET /a"}, row{path: "all", loop: true}, row{path: "three"})
	s.begin(flow.RunSpan, flow.Span{})
	s.begin(flow.StepSpan, flow.Span{Path: "one", Title: "GET /a"})
	s.begin(flow.StepSpan, flow.Span{Path: "all", Count: 9, Skip: 4})
	s.notice("stopping")
	if text := s.pass(time.Second); !strings.Contains(text, "stopping") || !strings.Contains(text, "4 of 9") {
		t.Errorf("while it stops:\n%s", text)
	}
	s.close()
	compare(t, s.screen.text(), `
follow-up                                                     run 01a1fe72-9f81
  – one       stopped
  – all       4 of 9, stopped
`)
	s.notice("too late")
	if strings.Contains(s.screen.text(), "too late") {
		t.Error("something is written after the end")
	}
}

func TestLinesFitHoweverNarrowTheTerminalIs(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 60, 80, 120, 200} {
		s := newStage(t, width, 24, row{path: "a_step_with_a_name_of_quite_some_length", title: "GET /x"}, row{path: "b"})
		s.begin(flow.RunSpan, flow.Span{})
		step := s.begin(flow.StepSpan, flow.Span{Path: "a_step_with_a_name_of_quite_some_length", Title: "GET /x"})
		try := s.begin(flow.AttemptSpan, flow.Span{Path: "a_step_with_a_name_of_quite_some_length", Attempt: 2, Limit: 5})
		s.pass(90 * time.Minute)
		try(flow.End{Outcome: "failed", Again: s.clock.Add(time.Minute), Error: &flow.Error{Kind: flow.KindNetwork},
			Request: &flow.Request{Method: "DELETE", URL: "https://api.example.test/" + strings.Repeat("long/", 60) + "?a=病院"}})
		s.pass(time.Second)
		step(flow.End{Outcome: "caught", Status: 503, Took: 100 * time.Hour, Error: &flow.Error{Kind: flow.KindHTTP, Status: 503}})
		loop := s.begin(flow.StepSpan, flow.Span{Path: "b", Title: "GET /b", Count: 1000})
		s.pass(time.Second)
		loop(flow.End{Outcome: "done", Status: 200, Saved: []flow.Saved{{Name: strings.Repeat("n", 64), Items: 1000}, {Name: strings.Repeat("m", 64), Items: -1}}})
		s.close()
	}
}

func TestManyBranchesMayReportAtTheSameTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := newProgress(&out, plainLook(80), layout{id: 8, title: 30}, []row{{path: "all", loop: true}})
	ctx, end := p.Begin(context.Background(), flow.Span{Kind: flow.RunSpan, Run: "r", Flow: "f"})
	ctx, loop := p.Begin(ctx, flow.Span{Kind: flow.StepSpan, Path: "all", Title: "GET /x", Count: 100})
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			path := fmt.Sprintf("all[%d]", i)
			ctx, item := p.Begin(ctx, flow.Span{Kind: flow.IterationSpan, Path: path})
			_, try := p.Begin(ctx, flow.Span{Kind: flow.AttemptSpan, Path: path, Attempt: 1})
			try(flow.End{Outcome: "done", Status: 200, Request: &flow.Request{Method: "GET", URL: "http://h/x"}})
			item(flow.End{Outcome: map[bool]string{true: "failed", false: "done"}[i%10 == 0]})
		})
	}
	all.Wait()
	loop(flow.End{Outcome: "done", Took: time.Second})
	end(flow.End{})
	p.close()
	if want := "100 × GET /x, 10 failed"; !strings.Contains(out.String(), want) || p.counts() != 100 {
		t.Errorf("%d calls, and no %q in\n%s", p.counts(), want, out.String())
	}
}

func TestLoopsAreToldFromClausesByTheirPath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"a": "a", "a.b": "a.b", "a[3]": "a", "a[3].b": "a", "a[3].b[4].c": "a", "x.a[3]": "x.a",
		"a.catch[0].b": "a.catch[0].b", "a.catch[0].b[1]": "a.catch[0].b", "finally.a[2]": "finally.a",
	} {
		if got := loopOf(path); got != want {
			t.Errorf("the loop of %s is %s, not %s", path, got, want)
		}
	}
	for path, want := range map[string]string{"a": "a", "a[12].b[3]": "a[i].b[i]", "a.catch[0].b[7]": "a.catch[0].b[i]"} {
		if got := pattern(path); got != want {
			t.Errorf("the pattern of %s is %s, not %s", path, got, want)
		}
	}
}

func TestDurationsAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0ms", 20 * time.Microsecond: "0ms", 300 * time.Microsecond: "0.3ms", 48 * time.Millisecond: "48ms", 1450 * time.Millisecond: "1.4s",
		59990 * time.Millisecond: "59.9s", 61 * time.Second: "1m01s", 8*24*time.Hour + 3*time.Hour: "8d3h", 90 * time.Minute: "1h30m", -time.Second: "0s",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %s, not %s", d, got, want)
		}
	}
}

func TestWhatIsDueByNowIsNotInNoTime(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{-time.Second: "1ms", 0: "1ms", 40 * time.Microsecond: "1ms", 12 * time.Millisecond: "12ms", 250 * time.Millisecond: "0.3s", 2 * time.Second: "2s"} {
		if got := soon(d); got != want {
			t.Errorf("%s is in %s, want %s", d, got, want)
		}
	}
}
