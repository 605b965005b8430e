package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// shown are the lines of the tree of recorded paths, in few words.
func shown(o flow.Outline, paths ...string) string {
	w := &showWriter{look: plainLook(100), titles: map[string]flow.OutlineStep{}}
	eachStep(o, func(s flow.OutlineStep, _ int) { w.titles[s.Path] = s })
	for i, path := range paths {
		path, failed := strings.CutSuffix(path, "!")
		s := recorded(path, i, i+1)
		if failed {
			s.Outcome = "failed"
		}
		w.steps = append(w.steps, s)
	}
	lines, left := w.tree()
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(w.label(l, 40) + "\n")
	}
	if left > 0 {
		fmt.Fprintf(&b, "%d left\n", left)
	}
	return b.String()
}

func TestRecordedStepsStandInTheOrderOfTheFileWheneverTheyRan(t *testing.T) {
	t.Parallel()
	got := shown(everything(), "lookup!", "finally.bye", "lookup.catch[0].create", "fetch.else.skip", "each[0]#1.pause", "all", "all.pages.list", "all.sets.one", "all.jobs.job",
		"fetch", "each", "fetch.read", "each[0].finally.unlock", "each[0]#0.answer", "each[0]#19.pause", "each[10]", "each[2]", "each[0]")
	compare(t, got, `
lookup
  catch[0].create
all
  sets.one
  jobs.job
  pages.list
each
  [0]
    #0.answer
    #1.pause
    #19.pause
    finally.unlock
  [2]
  [10]
fetch
  read
  else.skip
finally.bye
`)
}

func TestOfManyIterationsAndRoundsOnlySomeGetALine(t *testing.T) {
	t.Parallel()
	o := flow.Outline{Steps: []flow.OutlineStep{
		{Number: 1, ID: "each", Path: "each", Kind: "block", Steps: []flow.OutlineStep{{Number: 2, Path: "each[i].send"}}},
		{Number: 3, ID: "until", Path: "until", Kind: "block", Steps: []flow.OutlineStep{{Number: 4, Path: "until#n.get"}}}}}
	paths := []string{"until", "each"}
	for i := range 100 {
		fail := map[bool]string{true: "!"}[i == 70]
		paths = append(paths, fmt.Sprintf("each[%d]%s", 99-i, fail), fmt.Sprintf("each[%d].send%s", 99-i, fail), fmt.Sprintf("until#%d.get", i))
	}
	text := shown(o, paths...)
	if !strings.HasPrefix(text, "each\n  [0]\n    send\n  [1]\n") || !strings.Contains(text, "  [19]\n    send\n  [29]\n    send\nuntil\n  #80.get\n  #81.get\n") {
		t.Error(text)
	}
	if !strings.HasSuffix(text, "  #99.get\n159 left\n") {
		t.Error(text)
	}
}

func TestInputsAreShownInTheOrderOfTheFileAndMasked(t *testing.T) {
	t.Parallel()
	o := flow.Outline{Inputs: []flow.OutlineInput{{Name: "z", Class: "plain"}, {Name: "pin", Class: "sensitive"}, {Name: "patient", Class: "pii"}, {Name: "unset", Class: "plain"}, {Name: "a", Class: "plain"}}}
	r := datapoints.Run{Inputs: datapoints.JSON(`{"a":13.0,"patient":"Zoë","pin":"1234","z":[1]}`)}
	if got, want := string(shownInputs(r, o, false)), `{"z":[1],"pin":"[secret pin]","patient":"[pii patient]","a":13.0}`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	got := shownInputs(r, o, true)
	if want := `{"z":[1],"pin":"1234","patient":"Zoë","a":13.0}`; string(got) != want || !json.Valid(got) {
		t.Errorf("%s, not %s", got, want)
	}
	if got := shownInputs(datapoints.Run{}, o, true); got != nil {
		t.Errorf("inputs that were not recorded are %s", got)
	}
}
