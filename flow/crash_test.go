package flow_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A writer makes up flows. Calls that fail and branches at the same time do
// not go into one flow: which siblings still run when one fails is a race.
type writer struct {
	t    *rapid.T
	b    strings.Builder
	n    int
	calm bool // nothing fails, loops may be concurrent
}

func (w *writer) flow() string {
	w.b.WriteString("steps:\n")
	w.steps(1, 0, false)
	if rapid.Bool().Draw(w.t, "finally") {
		w.b.WriteString("finally:\n")
		w.call(1, "")
	}
	return w.b.String()
}

func (w *writer) steps(indent, depth int, looped bool) {
	for range rapid.IntRange(1, 3).Draw(w.t, "steps") {
		w.step(indent, depth, looped)
	}
}

func (w *writer) step(indent, depth int, looped bool) {
	if depth >= 2 || rapid.IntRange(0, 2).Draw(w.t, "deep") == 0 {
		w.call(indent, w.around(indent))
		return
	}
	id := w.id()
	pad := strings.Repeat("  ", indent)
	fmt.Fprintf(&w.b, "%s- id: %s\n%s", pad, id, w.around(indent))
	if rapid.Bool().Draw(w.t, "loop") {
		atOnce := 1
		if w.calm {
			atOnce = rapid.IntRange(1, 3).Draw(w.t, "concurrency")
		}
		goOn := ""
		if rapid.Bool().Draw(w.t, "goes on") {
			goOn = ", on_error: continue"
		}
		fmt.Fprintf(&w.b, "%s  for_each: { in: '1..%d', concurrency: %d%s }\n", pad, rapid.IntRange(1, 4).Draw(w.t, "items"), atOnce, goOn)
	}
	fmt.Fprintf(&w.b, "%s  steps:\n", pad)
	w.steps(indent+2, depth+1, looped)
}

// around is what may stand on any step.
func (w *writer) around(indent int) string {
	pad := strings.Repeat("  ", indent+1)
	text := ""
	switch rapid.IntRange(0, 5).Draw(w.t, "around") {
	case 0:
		text = pad + "if: 1 == 2\n"
	case 1:
		text = pad + "if: run.id != \"\"\n"
	case 2:
		text = pad + "on_error: continue\n"
	}
	return text
}

func (w *writer) call(indent int, around string) {
	pad, id := strings.Repeat("  ", indent), w.id()
	safe := rapid.Bool().Draw(w.t, "safe")
	fmt.Fprintf(&w.b, "%s- id: %s\n%s%s  action: call\n%s  with: { safe: %v, say: %s-said }\n", pad, id, around, pad, pad, safe, id)
	fmt.Fprintf(&w.b, "%s  retry: { attempts: 3, backoff: { initial: 1ms } }\n", pad)
	fmt.Fprintf(&w.b, "%s  save: { p_%s: say }\n", pad, id)
}

func (w *writer) id() string {
	w.n++
	return fmt.Sprintf("s%d", w.n)
}

// replies answers a call by its path alone, but for 429, which comes once.
func replies(w *world, calm bool) func(string, int) error {
	return func(path string, _ int) error {
		h := fnv.New32a()
		h.Write([]byte(path))
		switch h.Sum32() % 12 {
		case 0:
			if !calm {
				return refused(404)
			}
		case 1:
			if w.sent(path) == 1 {
				return refused(429)
			}
		}
		return nil
	}
}

type ending struct {
	State  datapoints.State
	At     string
	Values map[string]string
}

func TestACrashAnywhereChangesNothingAndSendsNothingTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		author := &writer{t: rt, calm: rapid.Bool().Draw(rt, "calm")}
		text := author.flow()
		quiet := &world{}
		quiet.script = replies(quiet, author.calm)
		p := compile(t, quiet, text)
		immortal := &mortal{Store: &datapoints.Memory{}, lives: -1}
		run, _ := (&flow.Executor{Store: immortal}).Run(t.Context(), p, nil)
		want := ending{run.State, run.At, values(t, immortal, run.ID)}

		w := &world{}
		w.script = replies(w, author.calm)
		p = compile(t, w, text)
		store := &mortal{Store: &datapoints.Memory{}, lives: rapid.IntRange(0, 12).Draw(rt, "crash")}
		run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
		for again := 0; again < 2 && err != nil && flowKind(err) == flow.KindStore; again++ {
			store.mu.Lock()
			store.lives = rapid.IntRange(0, 12).Draw(rt, "next crash")
			if again == 1 {
				store.lives = -1
			}
			store.mu.Unlock()
			run, err = successor(store).Resume(t.Context(), p, idOf(rt, store), nil)
		}
		for path, n := range w.sends {
			if most := allowed(w, path); n > most && !safe(text, path) {
				rt.Fatalf("%s was sent %d times\n%s", path, n, text)
			}
		}
		if run.State == datapoints.Unknown {
			return // the crash left a call in doubt, which is what must be said
		}
		if diff := cmp.Diff(want, ending{run.State, run.At, values(t, store, run.ID)}); diff != "" {
			rt.Fatalf("%s\n%v\n%s", diff, err, text)
		}
	})
}

// allowed is how often a call that is not repeatable may be sent: again after a 429.
func allowed(w *world, path string) int {
	h := fnv.New32a()
	h.Write([]byte(path))
	if h.Sum32()%12 == 1 {
		return 2
	}
	return 1
}

// safe says whether the flow's text makes the last step of a path repeatable.
func safe(text, path string) bool {
	id := path[strings.LastIndexByte(path, '.')+1:]
	id, _, _ = strings.Cut(id, "[")
	_, after, _ := strings.Cut(text, "id: "+id+"\n")
	_, with, _ := strings.Cut(after, "safe: ")
	return strings.HasPrefix(with, "true")
}

func flowKind(err error) flow.Kind {
	var e *flow.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func idOf(t *rapid.T, s datapoints.Store) string {
	runs, err := s.List(t.Context(), datapoints.Filter{})
	if err != nil || len(runs) != 1 {
		t.Fatal(err, len(runs))
	}
	return runs[0].ID
}
