package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestARowIsToldAsASingleRunIs(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]*flow.Error{
		"⏸ row 1     r-1      2ms  interrupted":                    {Kind: flow.KindInterrupted, Message: "the run was interrupted"},
		"⏸ row 1     r-1      2ms  paused at ask: waits for x":     {Kind: flow.KindPaused, Step: "ask", Facts: []flow.Fact{{Name: "waits for", Text: "x"}}},
		"✗ row 1     r-1      2ms  http at get: it answered 500":   {Kind: flow.KindHTTP, Step: "get", Message: "it answered 500"},
		"✗ row 1     r-1      2ms  store: the key does not fit it": {Kind: flow.KindStore, Message: "the key does not fit it"},
	} {
		var out bytes.Buffer
		p := newBatchProgress(&out, plainLook(100), "beds", "batch-1", 2)
		p.ended(0, &result{run: datapoints.Run{ID: "r-1"}, err: err, took: 2 * time.Millisecond})
		if got := strings.TrimSpace(out.String()); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
