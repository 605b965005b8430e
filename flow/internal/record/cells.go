package record

import (
	"slices"

	"github.com/stepwell/stepwell/datapoints"
)

// cells are data points by slot. Most runs have so few that looking through
// them costs less than a map does.
type cells struct {
	few  []cell
	many map[datapoints.Slot]*Cell // nil: all are in few
}

type cell struct {
	slot datapoints.Slot
	*Cell
}

// fewCells is how many are looked through.
const fewCells = 8

func (c *cells) find(slot datapoints.Slot) int {
	return slices.IndexFunc(c.few, func(e cell) bool { return e.slot == slot })
}

// get gives the cell of a slot, which is nil for one of which it is known that
// there is none.
func (c *cells) get(slot datapoints.Slot) (of *Cell, known bool) {
	if c.many != nil {
		of, known = c.many[slot]
		return of, known
	}
	if i := c.find(slot); i >= 0 {
		return c.few[i].Cell, true
	}
	return nil, false
}

func (c *cells) set(slot datapoints.Slot, of *Cell) {
	if c.many == nil {
		if i := c.find(slot); i >= 0 {
			c.few[i].Cell = of
			return
		}
		if len(c.few) < fewCells {
			c.few = append(c.few, cell{slot, of})
			return
		}
		c.many = make(map[datapoints.Slot]*Cell, 2*fewCells)
		for _, e := range c.few {
			c.many[e.slot] = e.Cell
		}
		c.few = nil
	}
	c.many[slot] = of
}

// forget makes nothing known of a slot.
func (c *cells) forget(slot datapoints.Slot) {
	c.few = slices.DeleteFunc(c.few, func(e cell) bool { return e.slot == slot })
	delete(c.many, slot)
}
