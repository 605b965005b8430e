package storetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// everywhere commits v to every place that holds a Value and gives what comes
// back from each.
func (b *bench) everywhere(v datapoints.Value) map[string]datapoints.Value {
	b.t.Helper()
	b.n++
	l := datapoints.Lease{Run: id(b.n), Owner: "me", Epoch: 1}
	b.must(b.Create(ctx, datapoints.Run{ID: l.Run, Inputs: v, Lease: l}))
	p := datapoints.Point{Slot: datapoints.Slot{Scope: "s", Name: "n"}, Step: "s", Value: v}
	b.commit(l, datapoints.Record{Path: "s", Row: datapoints.Row{Hidden: v}, Attempts: []datapoints.Attempt{{N: 1, Message: v}}, Points: []datapoints.Point{p},
		End: &datapoints.Run{State: datapoints.Running, Outputs: v, Failure: v}})
	r, c := b.load(l.Run), b.all(l.Run)
	slot := b.read(l.Run, datapoints.Query{Slots: []datapoints.Slot{p.Slot}})
	list, err := b.List(ctx, datapoints.Filter{Prefix: l.Run})
	b.must(err)
	if len(list) != 1 || len(c.Rows) != 1 || len(c.Points) != 1 || len(slot.Points) != 1 || len(c.Attempts["s"]) != 1 {
		b.t.Fatalf("%d runs, contents %+v, by slot %+v", len(list), c, slot)
	}
	return map[string]datapoints.Value{
		"Inputs": r.Inputs, "Outputs": r.Outputs, "Failure": r.Failure, "Hidden": c.Rows[0].Row.Hidden, "Message": c.Attempts["s"][0].Message,
		"history": c.Points[0].Value, "slot": slot.Points[0].Value, "listed Inputs": list[0].Inputs, "listed Outputs": list[0].Outputs,
	}
}

func exactValues(t *testing.T, b *bench) {
	for _, v := range []datapoints.Value{
		{}, datapoints.JSON("null"), datapoints.JSON("13.0"), datapoints.JSON("-0"), datapoints.JSON("1e400"),
		datapoints.JSON("300000000000000000000000000001"), datapoints.JSON(` { "b" : 1.50 , "a":[ 2 ] , "b":null } `),
		datapoints.Text(""), datapoints.Text("null"), datapoints.Text("!"), datapoints.Text("\x00\x01\x1f\x7f"), datapoints.Text("é ẞ 𝄞 \u2028 \ufeff \ufffd"),
		datapoints.Text(`quote " backslash \ percent % dollar $1 question ?`), datapoints.JSON(`"\u0000\ud834\udd1e"`),
		datapoints.Text("pii").Mark(datapoints.PII, "name"), datapoints.Text("secret").Mark(datapoints.Sensitive, "token"),
		datapoints.JSON("null").Mark(datapoints.Sensitive, ""), datapoints.JSON("1").Mark(datapoints.PII, "odd \"label\"\n12 é:"),
	} {
		for place, got := range b.everywhere(v) {
			b.same(place, got, v)
		}
	}
}

func largeValues(t *testing.T, b *bench) {
	for _, size := range []int{1 << 12, 1 << 16, 4 << 20} {
		text := strings.Repeat("0123456789abcdé\n", size/17)
		v := datapoints.Text(text).Mark(datapoints.PII, "big")
		for place, got := range b.everywhere(v) {
			if !got.Equal(v) {
				t.Errorf("%d bytes in %s come back as %d", len(v.Reveal()), place, len(got.Reveal()))
			}
		}
	}
	data := []byte(strings.Repeat("\x00\xff file", 200_000))
	b.must(b.Create(ctx, datapoints.Run{ID: id(900), Files: []datapoints.File{{Name: "größer.yaml", Data: data}}}))
	if f := b.load(id(900)).Files; len(f) != 1 || f[0].Name != "größer.yaml" || string(f[0].Data) != string(data) {
		t.Errorf("a large file comes back as %d files", len(f))
	}
}

func maskedValues(t *testing.T, b *bench) {
	const secret = "canary-8d1f"
	for place, v := range b.everywhere(datapoints.Text(secret).Mark(datapoints.Sensitive, "token")) {
		j, err := json.Marshal(v)
		b.must(err)
		for _, shown := range []string{fmt.Sprintf("%v %+v %#v %s %q", v, v, v, v, v), string(j), fmt.Sprintf("%+v", struct{ v datapoints.Value }{v})} {
			if strings.Contains(shown, secret) {
				t.Errorf("%s shows the secret: %s", place, shown)
			}
		}
		if v.RevealText() != secret {
			t.Errorf("%s holds %d characters of something else", place, len(v.RevealText()))
		}
	}
}

func exactTimes(t *testing.T, b *bench) {
	l := b.create()
	for i, at := range []time.Time{
		{}, noon, noon.UTC(), time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, -1), time.Now(),
		time.Date(1700, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(2260, 12, 31, 23, 59, 59, 999999999, time.UTC),
	} {
		path := fmt.Sprint(i)
		b.commit(l, datapoints.Record{Path: path, At: at, Row: datapoints.Row{Started: at, Deadline: at, Last: datapoints.Outcome{Until: at}},
			Attempts: []datapoints.Attempt{{N: 1, Started: at, Took: time.Duration(i) * time.Nanosecond}}, Points: []datapoints.Point{{Slot: datapoints.Slot{Name: path}, At: at}}})
		c := b.all(l.Run)
		row, a := c.Rows[i], c.Attempts[path][0]
		for name, got := range map[string]time.Time{"At": row.At, "Started": row.Row.Started, "Deadline": row.Row.Deadline, "Until": row.Row.Last.Until, "attempt": a.Started, "point": c.Points[i].At} {
			if !got.Equal(at) || got.IsZero() != at.IsZero() {
				t.Errorf("%s: %s has become %s", name, at, got)
			}
		}
		if a.Took != time.Duration(i) {
			t.Errorf("Took %s", a.Took)
		}
	}
}
