package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow"
)

// opened begins a step and leaves the context as it was: branches run side by side.
func (s *stage) opened(path string) func(flow.End) {
	outer := s.ctx
	end := s.begin(flow.StepSpan, flow.Span{Path: path})
	s.ctx = outer
	return end
}

func TestBranchesStandBelowTheirStepAndTheStoppedOnesSaySo(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, plannedRows(flow.Outline{Steps: everything().Steps[1:2]}, false)...)
	s.begin(flow.RunSpan, flow.Span{})
	all := s.opened("all")
	s.opened("all.sets.one")(flow.End{Outcome: "skipped", Why: "inputs.a is false"})
	job, list := s.opened("all.jobs.job"), s.opened("all.pages.list")
	for i := range 3 {
		try := s.begin(flow.AttemptSpan, flow.Span{Path: "all.jobs.job", Attempt: 1, Limit: 3})
		try(flow.End{Outcome: "done", Status: 202, Again: s.clock.Add(5 * time.Second), Asked: i == 2})
		s.begin(flow.AttemptSpan, flow.Span{Path: "all.pages.list", Attempt: 1})(flow.End{Outcome: "done", Status: 200})
	}
	compare(t, s.pass(2*time.Second), `
follow-up                                                     run 01a1fe72-9f81
  ◐ all           3 branches                     2.0s
  –   sets.one    skipped: inputs.a is false
  ↻   jobs.job    202, asks again in 3s (poll 4, the server said so)
  ◐   pages.list  GET  /orders                   2.0s  page 4
`)
	list(flow.End{Outcome: "failed", Status: 500, Took: 2 * time.Second, Error: &flow.Error{Kind: flow.KindHTTP, Status: 500}})
	all(flow.End{Outcome: "failed", Took: 2100 * time.Millisecond, Error: &flow.Error{Kind: flow.KindHTTP, Status: 500}})
	job(flow.End{Outcome: "stopped"})
	s.close()
	compare(t, s.screen.text(), `
follow-up                                                     run 01a1fe72-9f81
  ✗ all           3 branches               500   2.1s
  –   sets.one    skipped: inputs.a is false
  –   jobs.job    stopped
  ✗   pages.list  GET  /orders, 3 pages    500   2.0s
`)
}

func TestABlockOfWhichNothingIsToldIsWhatIsInIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "in"}, row{path: "in.one", title: "set a"}, row{path: "in.each", loop: true}, row{path: "out"}, row{path: "out.two", title: "set b"})
	s.begin(flow.RunSpan, flow.Span{})
	one := s.opened("in.one")
	if text := s.pass(time.Second); !strings.Contains(text, "◐ in ") || !strings.Contains(text, "· out") {
		t.Errorf("while the first goes on:\n%s", text)
	}
	one(flow.End{Outcome: "skipped", Why: "data.a is false"})
	each := s.begin(flow.StepSpan, flow.Span{Path: "in.each", Count: 3})
	s.begin(flow.IterationSpan, flow.Span{Path: "in.each[0]"})
	s.opened("in.each[0].send")
	if text := s.pass(0); !strings.Contains(text, "◐   each    0 of 3") || !strings.HasSuffix(strings.Split(text, "\n")[3], "  send") {
		t.Errorf("in the loop:\n%s", text)
	}
	each(flow.End{Outcome: "done", Took: time.Second})
	s.opened("in.one.else.other")(flow.End{Outcome: "done", Took: time.Millisecond})
	s.opened("out.two")(flow.End{Outcome: "failed", Took: time.Second, Error: &flow.Error{Kind: flow.KindData}})
	s.pass(time.Second)
	var signs []string
	for _, line := range strings.Split(strings.TrimRight(s.screen.text(), "\n"), "\n")[1:] {
		signs = append(signs, strings.Join(strings.Fields(line)[:2], " "))
	}
	if got := strings.Join(signs, ", "); got != "✓ in, – one, ✓ else.ot…, ✓ each, ✗ out, ✗ two" {
		t.Errorf("at the end: %s\n%s", got, s.screen.text())
	}
}

func TestARoundBeginsTheLinesOfItsBlockAnew(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "update"}, row{path: "update.get", title: "GET /x"}, row{path: "update.put", title: "PUT /x"})
	s.begin(flow.RunSpan, flow.Span{})
	update := s.begin(flow.StepSpan, flow.Span{Path: "update"})
	s.opened("update#0.get")(flow.End{Outcome: "done", Status: 200, Took: time.Millisecond})
	s.opened("update#0.put")(flow.End{Outcome: "failed", Status: 412, Took: time.Millisecond, Error: &flow.Error{Kind: flow.KindHTTP, Status: 412}})
	wait := s.begin(flow.WaitSpan, flow.Span{Path: "update", Until: s.clock.Add(90 * time.Second)})
	if text := s.pass(0); !strings.Contains(text, "⏸ update    round 2 until ") || !strings.Contains(text, "(1m 30s)") {
		t.Errorf("between two rounds:\n%s", text)
	}
	wait(flow.End{Outcome: "done"})
	s.opened("update#1.get")
	compare(t, s.pass(500*time.Millisecond), `
follow-up                                                     run 01a1fe72-9f81
  ◐ update                                   0.5s  round 2
  ◐   get     GET  /x                        0.5s
  ·   put
`)
	update(flow.End{Outcome: "done", Took: 92 * time.Second})
	s.close()
	if text := s.screen.text(); !strings.Contains(text, "✓ update    2 rounds") {
		t.Errorf("at the end:\n%s", text)
	}
}

func TestARoundThatWentWellTakesTheStatusOfTheOneThatFailedAway(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "update", holds: true}, row{path: "update.put", title: "PUT /x"})
	s.begin(flow.RunSpan, flow.Span{})
	update := s.opened("update")
	s.opened("update#0.put")(flow.End{Outcome: "failed", Status: 503, Took: time.Millisecond, Error: &flow.Error{Kind: flow.KindHTTP, Status: 503}})
	s.begin(flow.AttemptSpan, flow.Span{Path: "update", Attempt: 1, Limit: 3})(flow.End{Outcome: "failed", Again: s.clock.Add(time.Second), Error: &flow.Error{Kind: flow.KindHTTP, Status: 503}})
	if text := s.pass(0); !strings.Contains(text, "↻ update    503, again in 1s (attempt 2 of 3)") {
		t.Errorf("between two rounds:\n%s", text)
	}
	s.opened("update#1.put")(flow.End{Outcome: "done", Status: 200, Took: time.Millisecond})
	update(flow.End{Outcome: "done", Took: time.Second})
	s.close()
	if text := s.screen.text(); strings.Contains(text, "503") || !strings.Contains(text, "✓ update    2 rounds") {
		t.Errorf("at the end:\n%s", text)
	}
}

func TestThePollWhoseAnswerWasTheLastOneCounts(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "job", title: "GET /job"})
	s.begin(flow.RunSpan, flow.Span{})
	job := s.opened("job")
	for poll := range 3 {
		s.begin(flow.AttemptSpan, flow.Span{Path: "job", Attempt: 1, Limit: 3, Poll: poll})(flow.End{Outcome: "done", Status: 200, Again: s.clock.Add(time.Second)})
	}
	late := &flow.Error{Kind: flow.KindTimeout, Status: 200}
	s.begin(flow.AttemptSpan, flow.Span{Path: "job", Attempt: 1, Limit: 3, Poll: 3})(flow.End{Outcome: "failed", Status: 200, Error: late})
	job(flow.End{Outcome: "failed", Status: 200, Took: 2 * time.Second, Error: late})
	s.close()
	if text := s.screen.text(); !strings.Contains(text, "GET  /job, 4 polls") {
		t.Errorf("after four answers:\n%s", text)
	}
}

func TestTheTimeLeftBeginsWithTheWholeWait(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		3*time.Second - time.Millisecond: "3s", time.Hour - 5*time.Millisecond: "1h", 72*time.Hour - time.Microsecond: "3d",
		time.Millisecond: "1s", 0: "0s", -time.Second: "0s", 90 * time.Second: "1m 30s", 8*24*time.Hour + 3*time.Hour: "8d 3h",
	} {
		if got := timeLeft(d); got != want {
			t.Errorf("of %v it says %q, want %q", d, got, want)
		}
	}
}

func TestAClauseStandsBeforeWhatFollowsInAnyCase(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "update"}, row{path: "update.put", title: "PUT /x"}, row{path: "update.finally.tidy", title: "GET /tidy"}, row{path: "next"})
	s.begin(flow.RunSpan, flow.Span{})
	update := s.opened("update")
	s.opened("update.put")(flow.End{Outcome: "failed", Status: 412, Took: time.Millisecond, Error: &flow.Error{Kind: flow.KindHTTP, Status: 412}})
	wait := s.begin(flow.WaitSpan, flow.Span{Path: "update", Until: s.clock.Add(1300 * time.Millisecond)})
	if text := s.pass(0); !strings.Contains(text, "⏸ update          round 2 in 1.3s") {
		t.Error(text)
	}
	wait(flow.End{Outcome: "done"})
	update(flow.End{Outcome: "caught", Status: 412, Took: time.Second, Error: &flow.Error{Kind: flow.KindHTTP, Status: 412}})
	s.opened("update.catch[0].mend")
	compare(t, s.pass(0), `
follow-up                                                     run 01a1fe72-9f81
  – update                                   412   1.0s  failed (http), went on
  ✗   put           PUT  /x                  412    1ms
  ◐   catc…0].mend
  ·   finally.tidy
  · next
`)
}

func TestAWaitSaysUntilWhenAndHowLongThatIs(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "reminder", title: "wait 8d"}, row{path: "answer", title: "callback lab"})
	s.clock = time.Date(2026, 11, 22, 5, 30, 0, 0, time.Local)
	s.begin(flow.RunSpan, flow.Span{})
	s.opened("reminder")
	wait := s.begin(flow.WaitSpan, flow.Span{Path: "reminder", Until: time.Date(2026, 11, 30, 9, 0, 0, 0, time.Local)})
	s.opened("answer")
	s.begin(flow.WaitSpan, flow.Span{Path: "answer"})
	compare(t, s.pass(0), `
follow-up                                                     run 01a1fe72-9f81
  ⏸ reminder  until Mon 30 Nov 09:00 (8d 3h)
  ⏸ answer    waits for a message
`)
	wait(flow.End{Outcome: "done"})
	if text := s.pass(0); !strings.Contains(text, "◐ reminder") {
		t.Errorf("after the wait:\n%s", text)
	}
}

func TestAPausedRunLeavesItsWaitsStanding(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "both", title: "2 branches"}, row{path: "both.a.reminder", title: "wait 8d"}, row{path: "both.b.each", loop: true})
	s.clock = time.Date(2026, 11, 22, 5, 30, 0, 0, time.Local)
	s.begin(flow.RunSpan, flow.Span{})
	both, reminder := s.opened("both"), s.opened("both.a.reminder")
	wait := s.begin(flow.WaitSpan, flow.Span{Path: "both.a.reminder", Until: s.clock.Add(50 * time.Hour)})
	each := s.begin(flow.StepSpan, flow.Span{Path: "both.b.each", Count: 3})
	s.begin(flow.IterationSpan, flow.Span{Path: "both.b.each[0]"})(flow.End{Outcome: "done"})
	wait(flow.End{Outcome: "waiting"})
	for _, end := range []func(flow.End){each, reminder, both} {
		end(flow.End{Outcome: "waiting"})
	}
	s.close()
	compare(t, s.screen.text(), `
follow-up                                                     run 01a1fe72-9f81
  ⏸ both          waits
  ⏸   a.reminder  until Tue 24 Nov 07:30 (2d 2h)
  ⏸   b.each      1 of 3, waits
`)
}

func TestAnASCIITerminalHasASignAndAWordForEverything(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "reminder", title: "wait 8d"}, row{path: "job", title: "GET /job"})
	s.look.utf8 = false
	s.begin(flow.RunSpan, flow.Span{})
	s.opened("reminder")
	s.begin(flow.WaitSpan, flow.Span{Path: "reminder", Until: s.clock.Add(time.Minute)})
	s.opened("job")
	s.begin(flow.AttemptSpan, flow.Span{Path: "job", Attempt: 1})(flow.End{Outcome: "done", Status: 202, Again: s.clock.Add(time.Second)})
	text := s.pass(0)
	if !strings.Contains(text, "= reminder  until ") || !strings.Contains(text, "~ job       202, asks again in 1s (poll 2)") {
		t.Error(text)
	}
	for _, r := range text {
		if r > 0x7e {
			t.Errorf("%q is no ASCII", r)
		}
	}
}

func TestWhatGoesOnIsShownHoweverManyBranchesThereAre(t *testing.T) {
	t.Parallel()
	planned := []row{{path: "all", title: "60 branches"}}
	for i := range 60 {
		for _, step := range []string{"first", "second", "third"} {
			planned = append(planned, row{path: fmt.Sprintf("all.branch_%d.%s", i, step), title: "GET /x"})
		}
	}
	s := newStage(t, 80, 16, planned...)
	s.begin(flow.RunSpan, flow.Span{})
	s.opened("all")
	var running []func(flow.End)
	for i := range 60 {
		end := s.opened(fmt.Sprintf("all.branch_%d.first", i))
		if i < 50 {
			end(flow.End{Outcome: "done", Took: time.Millisecond})
			continue
		}
		running = append(running, end)
	}
	text := s.pass(time.Second)
	if n := strings.Count(text, "\n"); n > 16 {
		t.Errorf("%d lines on a terminal of 16:\n%s", n, text)
	}
	if n := strings.Count(text, "◐   branch_5"); n != len(running) {
		t.Errorf("%d of %d running steps are shown:\n%s", n, len(running), text)
	}
	if !strings.Contains(text, "    50 done, 118 more steps") {
		t.Errorf("the rest is not counted:\n%s", text)
	}
}

func TestDeepTreesFitOnNarrowTerminals(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 80, 120} {
		path, planned := "", []row(nil)
		for i := range 12 {
			path = strings.TrimPrefix(path+fmt.Sprintf(".a_block_called_%d", i), ".")
			planned = append(planned, row{path: path})
		}
		planned = append(planned, row{path: path + ".leaf", title: "GET /a/long/path/to/something"})
		s := newStage(t, width, 24, planned...)
		s.begin(flow.RunSpan, flow.Span{})
		for _, r := range planned {
			s.begin(flow.StepSpan, flow.Span{Path: r.path})
		}
		if text := s.pass(time.Second); !strings.Contains(text, "leaf") {
			t.Errorf("at %d columns the step is not named:\n%s", width, text)
		}
		s.close()
	}
}

func TestALogSaysOfPollsOnlyTheFirstSecondFourth(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	planned := []row{{path: "in"}, {path: "in.job", title: "GET /job"}}
	p := newProgress(&out, plainLook(80), widestOf(planned), planned)
	ctx, _ := p.Begin(context.Background(), flow.Span{Kind: flow.RunSpan, Run: "r", Flow: "f"})
	_, block := p.Begin(ctx, flow.Span{Kind: flow.StepSpan, Path: "in"})
	_, job := p.Begin(ctx, flow.Span{Kind: flow.StepSpan, Path: "in.job", Title: "GET /job"})
	for range 20 {
		_, try := p.Begin(ctx, flow.Span{Kind: flow.AttemptSpan, Path: "in.job", Attempt: 1})
		try(flow.End{Outcome: "done", Status: 202, Again: p.now().Add(time.Hour)})
	}
	job(flow.End{Outcome: "done", Status: 200, Took: time.Second})
	block(flow.End{Outcome: "done", Took: time.Second})
	p.close()
	if n := strings.Count(out.String(), "asks again"); n != 5 {
		t.Errorf("%d lines for 20 polls", n)
	}
	if !strings.HasSuffix(out.String(), "  ✓ in.job    GET  /job, 20 polls  200   1.0s\n") {
		t.Errorf("the end is:\n%s", out.String())
	}
}

func TestPathsAreReadThroughRounds(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"a": "a", "a#2.get": "a.get", "a#12.b#0.c": "a.b.c", "a#1.each[3].x#2.y": "a.each[3].x.y"} {
		if got := keyOf(path); got != want {
			t.Errorf("the key of %s is %s, not %s", path, got, want)
		}
	}
	if got := fmt.Sprint(roundsOf("a#12.b#3.c")); got != "[{a 12} {a.b 3}]" {
		t.Errorf("the rounds are %s", got)
	}
	if got := roundsOf("each[1].a#2.b"); got != nil {
		t.Errorf("rounds in a loop have no line: %v", got)
	}
}

func TestALoopWhoseStepsWaitSaysHowLongStill(t *testing.T) {
	t.Parallel()
	s := newStage(t, 80, 24, row{path: "each", loop: true})
	s.clock = time.Date(2026, 11, 22, 5, 30, 0, 0, time.Local)
	s.begin(flow.RunSpan, flow.Span{})
	each := s.begin(flow.StepSpan, flow.Span{Path: "each", Count: 3})
	var waits []func(flow.End)
	for i, left := range []time.Duration{90 * time.Second, 45 * time.Second} {
		path := fmt.Sprintf("each[%d].pause", i)
		s.begin(flow.IterationSpan, flow.Span{Path: fmt.Sprintf("each[%d]", i)})
		s.begin(flow.StepSpan, flow.Span{Path: path})
		waits = append(waits, s.begin(flow.WaitSpan, flow.Span{Path: path, Until: s.clock.Add(left)}))
	}
	if text := s.pass(0); !strings.Contains(text, "◐ each      0 of 3 ") || !strings.Contains(text, "  pause waits 45s") {
		t.Errorf("while both wait:\n%s", text)
	}
	if text := s.pass(30 * time.Second); !strings.Contains(text, "  pause waits 15s") {
		t.Errorf("later:\n%s", text)
	}
	waits[1](flow.End{Outcome: "done"})
	if text := s.pass(15 * time.Second); !strings.Contains(text, "  pause waits 45s") {
		t.Errorf("when one goes on:\n%s", text)
	}
	waits[0](flow.End{Outcome: "waiting"})
	each(flow.End{Outcome: "waiting"})
	s.close()
	if text := s.screen.text(); !strings.Contains(text, "⏸ each      0 of 3, waits until 05:31:30 (45s)") {
		t.Errorf("when the run has paused:\n%s", text)
	}
}
