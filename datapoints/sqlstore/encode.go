package sqlstore

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// nanos gives a time as nanoseconds since 1970, 0 for the zero time. 1970
// itself and what is out of range become the nearest number that is left.
func nanos(t time.Time) int64 {
	switch year := t.Year(); {
	case t.IsZero():
		return 0
	case year < 1678:
		return math.MinInt64 + 1
	case year > 2261:
		return math.MaxInt64
	}
	if n := t.UnixNano(); n != 0 {
		return n
	}
	return math.MinInt64
}

func instant(n int64) time.Time {
	switch n {
	case 0:
		return time.Time{}
	case math.MinInt64:
		n = 0
	}
	return time.Unix(0, n).UTC()
}

// encodeValue gives a plain value's JSON text. A marked one begins with "!",
// which no JSON text does: "!", class (a digit), length of the label, ":", the
// label, the JSON text.
func encodeValue(v datapoints.Value) string {
	if v.Class() == datapoints.Plain {
		return v.Reveal()
	}
	label := v.Label()
	return "!" + strconv.Itoa(int(v.Class())) + strconv.Itoa(len(label)) + ":" + label + v.Reveal()
}

func decodeValue(s string) (datapoints.Value, error) {
	marked, ok := strings.CutPrefix(s, "!")
	if !ok {
		return datapoints.JSON(s), nil
	}
	head, rest, ok := strings.Cut(marked, ":")
	if !ok || len(head) < 2 {
		return datapoints.Value{}, datapoints.ErrCorrupt
	}
	n, err := strconv.Atoi(head[1:])
	if err != nil || n < 0 || n > len(rest) {
		return datapoints.Value{}, datapoints.ErrCorrupt
	}
	return datapoints.JSON(rest[n:]).Mark(datapoints.Class(head[0]-'0'), rest[:n]), nil
}

// control is a Row without Hidden, as JSON with what is not zero.
type control struct {
	Enter    outcome `json:"enter,omitzero"`
	Last     outcome `json:"last,omitzero"`
	Caught   outcome `json:"caught,omitzero"`
	N        int     `json:"n,omitzero"`
	Intent   int     `json:"intent,omitzero"`
	Safe     bool    `json:"safe,omitzero"`
	Base     int     `json:"base,omitzero"`
	Tries    int     `json:"tries,omitzero"`
	Polls    int     `json:"polls,omitzero"`
	Pages    int     `json:"pages,omitzero"`
	Waited   bool    `json:"waited,omitzero"`
	Deadline int64   `json:"deadline,omitzero"`
	Origin   string  `json:"origin,omitzero"`
	Status   int     `json:"status,omitzero"`
	Started  int64   `json:"started,omitzero"`
	Ended    int64   `json:"ended,omitzero"`
	Assumed  string  `json:"assumed,omitzero"`
}

type outcome struct {
	Status   datapoints.OutcomeStatus `json:"s"`
	Next     int                      `json:"next,omitzero"`
	Count    int                      `json:"count,omitzero"`
	Until    int64                    `json:"until,omitzero"`
	Deadline int64                    `json:"deadline,omitzero"`
	Kind     string                   `json:"kind,omitzero"`
}

func encodeOutcome(o datapoints.Outcome) outcome {
	return outcome{o.Status, o.Next, o.Count, nanos(o.Until), nanos(o.Deadline), o.Kind}
}

func (o outcome) decode() datapoints.Outcome {
	return datapoints.Outcome{Status: o.Status, Next: o.Next, Count: o.Count, Until: instant(o.Until), Deadline: instant(o.Deadline), Kind: o.Kind}
}

func encodeRow(r *datapoints.Row) (string, error) {
	b, err := json.Marshal(control{
		Enter: encodeOutcome(r.Enter), Last: encodeOutcome(r.Last), Caught: encodeOutcome(r.Caught),
		N: r.N, Intent: r.Intent, Safe: r.IntentSafe, Base: r.Base, Tries: r.Tries, Polls: r.Polls, Pages: r.Pages,
		Waited: r.Waited, Deadline: nanos(r.Deadline), Origin: r.Origin, Status: r.Status,
		Started: nanos(r.Started), Ended: nanos(r.Ended), Assumed: r.Assumed,
	})
	return string(b), err
}

func decodeRow(text, hidden string) (datapoints.Row, error) {
	var c control
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return datapoints.Row{}, datapoints.ErrCorrupt
	}
	v, err := decodeValue(hidden)
	return datapoints.Row{
		Enter: c.Enter.decode(), Last: c.Last.decode(), Caught: c.Caught.decode(),
		N: c.N, Intent: c.Intent, IntentSafe: c.Safe, Base: c.Base, Tries: c.Tries, Polls: c.Polls, Pages: c.Pages,
		Waited: c.Waited, Deadline: instant(c.Deadline), Origin: c.Origin, Status: c.Status,
		Started: instant(c.Started), Ended: instant(c.Ended), Assumed: c.Assumed, Hidden: v,
	}, err
}
