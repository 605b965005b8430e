package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// printSummary is the last line of a run: how it ended, how far it came, how
// long it took, and how to go on.
func (s *session) printSummary(r *result) {
	c := s.c
	l := c.errLook()
	run := r.run
	done := fmt.Sprintf("%d of %s", run.Done, count(run.Steps, "step"))
	dot := " " + l.text("·") + " "
	tail := dot + short(r.took)
	switch {
	case r.err == nil:
		calls := ""
		if r.calls > 0 {
			calls = ", " + count(r.calls, "call")
		}
		fmt.Fprintf(c.Stderr, "\n%s %s\n", l.paint(green, l.sign("✓")+" succeeded"), strings.TrimPrefix(dot, " ")+count(run.Steps, "step")+calls+tail)
		return
	case run.ID == "" || run.State == "":
		return
	}
	word, colour, sign := string(run.State), red, "✗"
	switch run.State {
	case datapoints.Interrupted, datapoints.Paused, datapoints.Running:
		word, colour, sign = string(datapoints.Interrupted), yellow, "⏸"
		if run.State == datapoints.Paused {
			word = "paused"
		}
	case datapoints.Unknown:
		word, sign = "unknown", "?"
	case datapoints.Cancelled:
		colour, sign = yellow, "–"
	}
	at := ""
	if run.At != "" {
		at = " at " + run.At
	}
	fmt.Fprintf(c.Stderr, "\n%s%s%s%s%s\n", l.paint(colour, l.sign(sign)+" "+word), l.paint(bold, at), dot, done, tail)
	if run.State == datapoints.Paused {
		s.printWaits(r)
	}
	if run.State == datapoints.Cancelled {
		return
	}
	switch {
	case s.sandbox != nil && run.State == datapoints.Paused:
		fmt.Fprintln(c.Stderr, "  the sandbox ends with this process, so this run cannot go on:\n  start `stepwell sandbox` beside it, and run the flow with its addresses")
	case s.keep.file != "" && s.sandbox == nil:
		fmt.Fprintf(c.Stderr, "  go on with: %s\n", l.paint(bold, s.resumeCommand(run)))
	}
}

// printWaits says for what a paused run waits, and how to deliver it.
func (s *session) printWaits(r *result) {
	l := s.c.errLook()
	for _, f := range r.err.Facts {
		fmt.Fprintf(s.c.Stderr, "  %s %s\n", f.Name, l.paint(bold, clean(f.Text)))
	}
	if s.keep.file != "" && s.sandbox == nil {
		for _, h := range r.err.Hints {
			fmt.Fprintf(s.c.Stderr, "  %s\n", clean(h))
		}
	}
}

// resumeCommand is what to type to go on with a run or a batch.
func (s *session) resumeCommand(run datapoints.Run) string {
	text := "stepwell resume " + run.ID
	f := s.flags
	if f.store != "" {
		text += " --store " + quoted(f.store)
	}
	for _, key := range []struct{ flag, value string }{
		{"--key-file", f.key.file}, {"--key-keyring", f.key.keyring}, {"--key-command", f.key.command}, {"--old-key-file", f.key.old},
	} {
		switch {
		case key.value == "":
		case key.flag == "--key-command": // its arguments may be nobody's business
			text += " --key-command …"
		default:
			text += " " + key.flag + " " + quoted(key.value)
		}
	}
	if s.readsFiles() && !s.c.isProject(s.dir) {
		text += " --files " + quoted(s.c.shown(s.dir))
	}
	if run.State == datapoints.Unknown {
		instead := "   (or =not-sent)"
		for _, path := range s.undecided(run) {
			text += " --assume " + quoted(path+"=sent")
			for _, value := range s.plan.Needed(path) {
				text += " -d " + quoted(path+":"+value.Name+"=VALUE")
				instead = "   (or =not-sent, without -d)"
			}
		}
		text += instead
	}
	return text
}

// undecided are the calls of an unknown run on which a resume wants a decision.
func (s *session) undecided(run datapoints.Run) []string {
	steps, err := flow.History(context.Background(), s.keep, run.ID)
	if err != nil {
		return []string{run.At}
	}
	var paths []string
	for _, step := range steps {
		if step.InDoubt {
			paths = append(paths, step.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// readsFiles says whether the flow's steps or secrets read files when it runs.
func (s *session) readsFiles() bool {
	for _, secret := range s.plan.Secrets() {
		if secret.File != "" && !filepath.IsAbs(secret.File) || len(secret.Command) > 0 {
			return true
		}
	}
	found := false
	eachStep(s.outline, func(step flow.OutlineStep, _ int) {
		for _, f := range step.Fields {
			name, rest, _ := strings.Cut(f.Name, ".")
			found = found || name == "file" || name == "multipart" || name == "tls" && rest != "server_name"
		}
	})
	return found
}

// quoted is a word for a POSIX shell.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@") == "" && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// count is a number with its word in the right form.
func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%s %ss", thousands(n), word)
}

// thousands writes 1003 as 1,003.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// printFailure shows why a run failed: the step in the author's file, what was
// sent, what came back, and what to do.
func (c *Command) printFailure(e *flow.Error) {
	fmt.Fprintln(c.Stderr)
	c.printFrame(e)
}

// printFrame is printFailure where nothing stands above it.
func (c *Command) printFrame(e *flow.Error) {
	d := diag.Diagnostic{Span: e.Place, Code: diag.Code(e.Kind), Message: clean(e.Message), Notes: c.errLook().notes(e)}
	c.printList(diag.List{d})
}

// notes are the facts and hints of a failure, aligned and broken into lines
// that fit.
func (l look) notes(e *flow.Error) []string {
	facts := e.Facts
	for i, h := range e.Hints {
		name := ""
		if i == 0 {
			name = "help"
		}
		facts = append(facts[:len(facts):len(facts)], flow.Fact{Name: name, Text: h})
	}
	width := 10
	for _, f := range facts {
		width = max(width, columns(f.Name))
	}
	width = min(width, l.width()/3)
	room := max(20, l.width()-1-5-width-1)
	var lines []string
	for _, f := range facts {
		text := clean(f.Text)
		if f.Name == "sent" && l.live {
			text = l.cutMiddle(text, room)
		}
		text = strings.ReplaceAll(wrapped(text, room, 0), "\n", "\n"+blanks(width+1))
		if f.Name == "" && len(lines) > 0 {
			lines[len(lines)-1] += "\n" + blanks(width+1) + text
			continue
		}
		lines = append(lines, pad(l.cutMiddle(clean(f.Name), width), width)+" "+text)
	}
	return lines
}

// problems says how many there are.
func problems(list diag.List) string {
	n := 0
	files := map[string]bool{}
	for _, d := range list {
		if d.Severity == diag.Error {
			n++
		}
		files[d.File] = true
	}
	return count(n, "problem") + " in " + count(len(files), "file")
}
