package record

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

// TestAFewCellsAreKeptAsAMapKeepsThem with what is not there among them.
func TestAFewCellsAreKeptAsAMapKeepsThem(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var c cells
		want := map[datapoints.Slot]*Cell{}
		for range 60 {
			slot := datapoints.Slot{Name: strconv.Itoa(r.IntN(1 + int(seed)%14))}
			switch r.IntN(4) {
			case 0:
				c.forget(slot)
				delete(want, slot)
			case 1:
				c.set(slot, nil)
				want[slot] = nil
			default:
				of := &Cell{}
				c.set(slot, of)
				want[slot] = of
			}
			for name := range 15 {
				slot := datapoints.Slot{Name: strconv.Itoa(name)}
				of, known := c.get(slot)
				if there, ok := want[slot]; of != there || known != ok {
					t.Fatalf("seed %d, %s: %p, %t; want %p, %t", seed, slot.Name, of, known, there, ok)
				}
			}
		}
	}
}
