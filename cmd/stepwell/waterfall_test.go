package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func atMS(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) }

func recorded(path string, from, to int, attempts ...[2]int) flow.StepRecord {
	s := flow.StepRecord{Path: path, Outcome: "done", Started: atMS(from), Ended: atMS(to)}
	for i, a := range attempts {
		try := datapoints.Attempt{N: i + 1, Started: atMS(a[0]), Took: time.Duration(a[1]-a[0]) * time.Millisecond}
		if i < len(attempts)-1 {
			try.Kind = "http"
		}
		s.Attempts = append(s.Attempts, try)
	}
	return s
}

func bars(k look, width int, steps ...flow.StepRecord) []string {
	x := newAxis(steps, width)
	lines := make([]string, len(steps))
	for i, s := range steps {
		lines[i] = k.bar(x, s)
	}
	return lines
}

func TestBarsShowWhenAStepRanToAnEighthOfAColumn(t *testing.T) {
	t.Parallel()
	got := bars(plainLook(80), 10, recorded("a", 0, 500, [2]int{0, 500}), recorded("b", 500, 1000, [2]int{500, 525}, [2]int{800, 1000}),
		recorded("c", 1000, 1000, [2]int{1000, 1000}))
	want := []string{"█████     ", "     ▎··██", "         █"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("bar %d is %q, not %q", i, got[i], want[i])
		}
	}
	ascii := plainLook(80)
	ascii.utf8 = false
	if got := bars(ascii, 10, recorded("a", 0, 500, [2]int{0, 100}, [2]int{400, 500})); got[0] != "##......##" {
		t.Errorf("in ASCII it is %q", got[0])
	}
}

func TestTheNightBeforeAResumeTakesLittleRoom(t *testing.T) {
	t.Parallel()
	night := 10 * 3600 * 1000
	got := bars(plainLook(80), 40, recorded("a", 0, 1000, [2]int{0, 1000}), recorded("b", 1000, night+1000, [2]int{1000, 1500}, [2]int{night, night + 1000}))
	if n := strings.Count(got[0], "█"); n < 12 {
		t.Errorf("one second of two and a half has %d of 40 columns: %q", n, got[0])
	}
	if n := strings.Count(got[1], "·"); n < 1 || n > 8 {
		t.Errorf("the night has %d columns: %q", n, got[1])
	}
}

func TestEveryBarIsAsWideAsTheAxis(t *testing.T) {
	t.Parallel()
	for width := 1; width < 60; width += 7 {
		steps := []flow.StepRecord{recorded("a", 0, 1), recorded("b", 1, 100, [2]int{1, 1}, [2]int{1, 2}, [2]int{2, 3}, [2]int{3, 100}), recorded("c", 100, 100), {Path: "d", Outcome: "stopped", Started: atMS(50)}}
		for i, bar := range bars(plainLook(80), width, steps...) {
			if columns(bar) != width {
				t.Errorf("bar %d has %d columns, not %d: %q", i, columns(bar), width, bar)
			}
		}
	}
}
