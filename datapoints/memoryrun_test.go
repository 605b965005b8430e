package datapoints

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"
)

// TestAFewRowsAndPointsAreKeptAsManyAre does the same to a run whose rows and points
// are looked through until they are more than a few, and to one with maps from the start.
func TestAFewRowsAndPointsAreKeptAsManyAre(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 0))
		steps, at := 1+r.IntN(20), time.Unix(1e9, 0)
		small := &memoryRun{run: Run{ID: "r", Steps: r.IntN(4)}}
		large := &memoryRun{rows: map[string]*memoryRow{}, newest: map[Slot]*memoryPoint{}}
		slot := func() Slot { return Slot{Scope: []string{"", "b[0]"}[r.IntN(2)], Name: strconv.Itoa(r.IntN(steps))} }
		for n := range 40 {
			rec := Record{Path: "b[0]." + strconv.Itoa(r.IntN(steps)), At: at.Add(time.Duration(n)), Row: Row{N: n}}
			switch r.IntN(6) {
			case 0:
				rec.Row.Deadline, rec.Row.Caught = at, Outcome{Status: Done}
			case 1:
				rec.Attempts = []Attempt{{N: r.IntN(3), Status: n}}
			case 2:
				rec.Undo, rec.Slots = "b", []Slot{slot(), slot()}
			default:
				for range r.IntN(4) {
					rec.Points = append(rec.Points, Point{Slot: slot(), Step: rec.Path, Attempt: n})
				}
			}
			small.add(&rec)
			large.add(&rec)
			q := Query{Rows: true, Attempts: true, History: r.IntN(2) == 0, Slots: []Slot{slot(), slot()}}
			if got, want := small.read(q), large.read(q); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d, after %d records: %+v, want %+v", seed, n+1, got, want)
			}
		}
	}
}
