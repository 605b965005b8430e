package record

import (
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

func TestWhatWasStoppedInAStepThatEndedIsLeft(t *testing.T) {
	t.Parallel()
	broke := &datapoints.Row{Last: datapoints.Outcome{Status: datapoints.Broke, Kind: "failed"}}
	skipped := &datapoints.Row{Last: datapoints.Outcome{Status: datapoints.Skipped}}
	open := &datapoints.Row{Enter: datapoints.Outcome{Status: datapoints.Open}}
	rows := map[string]*datapoints.Row{"": broke, "p": broke, "p.one.w": open, "if": skipped, "l": open, "l[0]": broke, "r": broke}
	for path, left := range map[string]bool{
		"p.one.w": true, "p.one.block.finally.w": true, "l[0].w": true, "r#0.w": true, "r#0.finally.w": true, "w": true,
		"p.finally.w": false, "p.catch[0].w": false, "if.else.w": false, "l[1].w": false, "l.finally.w": false, "finally.w": false,
	} {
		rows := rows
		if !left { // what follows a step is left with what is around that
			rows = map[string]*datapoints.Row{"p": broke, "if": skipped, "l": open, "l[0]": broke, "r": broke}
		}
		if got := Left(rows, path); got != left {
			t.Errorf("%s is left: %t, want %t", path, got, left)
		}
	}
	if Left(rows, "finally.w") {
		t.Error("what runs after a run that failed is left")
	}
}
