package storetest

import (
	"fmt"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

func point(scope, name, step string, attempt int, json string) datapoints.Point {
	return datapoints.Point{Slot: datapoints.Slot{Scope: scope, Name: name}, Step: step, Attempt: attempt, Value: datapoints.JSON(json)}
}

// values gives what counts of some names of the run's own scope, "-" for none.
func (b *bench) values(run string, names ...string) (values []string) {
	b.t.Helper()
	for _, n := range names {
		c := b.read(run, datapoints.Query{Slots: []datapoints.Slot{{Name: n}}})
		switch {
		case len(c.Points) == 0:
			values = append(values, "-")
		case len(c.Points) > 1 || c.Points[0].Undone || c.Points[0].Name != n:
			b.t.Errorf("%s: %+v", n, c.Points)
		default:
			values = append(values, c.Points[0].Value.Reveal())
		}
	}
	return values
}

func newestPointCounts(t *testing.T, b *bench) {
	l := b.create()
	history := []datapoints.Point{
		point("", "a", "one", 1, "1"), point("", "b", "one", 1, "null"), point("", "a", "two", 1, "2"),
		point("", "c", "two", 1, "3"), point("", "c", "three", 1, "null"), point("", "a", "one", 2, "4"),
	}
	b.commit(l, datapoints.Record{Path: "one", Points: history[:2]}, datapoints.Record{Path: "two", Points: history[2:4]})
	b.same("after two records", b.values(l.Run, "a", "b", "c", "d"), []string{"2", "null", "3", "-"})
	b.commit(l, datapoints.Record{Path: "three", Points: history[4:5]})
	b.commit(l, datapoints.Record{Path: "one", Points: history[5:]})
	b.same("after four records", b.values(l.Run, "a", "b", "c", "d"), []string{"4", "null", "null", "-"})
	b.same("history", b.all(l.Run).Points, history)
}

func pointsBySlot(t *testing.T, b *bench) {
	l := b.create()
	b.commit(l, datapoints.Record{Path: "s", Points: []datapoints.Point{
		point("", "a", "s", 1, "1"), point("s[0]", "a", "s", 1, "2"), point("s[1]", "a", "s", 1, "3"), point("s[0]", "b", "s", 1, "4"), point("s[0]", "a", "s", 2, "5"),
	}})
	slot := func(scope, name string) datapoints.Slot { return datapoints.Slot{Scope: scope, Name: name} }
	c := b.read(l.Run, datapoints.Query{Slots: []datapoints.Slot{slot("s[1]", "a"), slot("", "b"), slot("s[0]", "a"), slot("", "a"), slot("s[1]", "a"), slot("s", "a")}})
	b.same("by slot", c.Points, []datapoints.Point{point("s[1]", "a", "s", 1, "3"), point("s[0]", "a", "s", 2, "5"), point("", "a", "s", 1, "1"), point("s[1]", "a", "s", 1, "3")})

	var slots []datapoints.Slot
	var points []datapoints.Point
	for i := range 2500 {
		p := point(fmt.Sprintf("t[%d]", i), "x", "t", 1, fmt.Sprint(i))
		points, slots = append(points, p), append(slots, p.Slot)
	}
	b.commit(l, datapoints.Record{Path: "t", Points: points})
	b.same("many slots", b.read(l.Run, datapoints.Query{Slots: slots}).Points, points)
}

func undo(t *testing.T, b *bench) {
	l := b.create()
	slots := func(names ...string) (s []datapoints.Slot) {
		for _, n := range names {
			s = append(s, datapoints.Slot{Name: n})
		}
		return s
	}
	b.commit(l, datapoints.Record{Path: "before", Points: []datapoints.Point{point("", "a", "before", 1, "1"), point("", "b", "before", 1, "2")}})
	b.commit(l,
		datapoints.Record{Path: "up#0.x", Points: []datapoints.Point{point("", "a", "up#0.x", 1, "3"), point("", "c", "up#0.x", 1, "4"), point("up#0", "a", "up#0.x", 1, "5")}},
		datapoints.Record{Path: "up#0.y", Points: []datapoints.Point{point("", "a", "up#0.y", 1, "null"), point("", "b", "up#0.y", 1, "6")}})
	b.same("before undo", b.values(l.Run, "a", "b", "c"), []string{"null", "6", "4"})

	b.commit(l, datapoints.Record{Path: "up", Undo: "up#0"})
	b.same("undo of no slot", b.values(l.Run, "a", "b", "c"), []string{"null", "6", "4"})

	b.commit(l, datapoints.Record{Path: "up", Undo: "up#0", Slots: slots("a", "c", "none"), Points: []datapoints.Point{point("", "c", "up#0.z", 1, "7")}})
	b.same("undo of a and c", b.values(l.Run, "a", "b", "c"), []string{"1", "6", "7"})
	b.same("another scope", b.read(l.Run, datapoints.Query{Slots: []datapoints.Slot{{Scope: "up#0", Name: "a"}}}).Points, []datapoints.Point{point("up#0", "a", "up#0.x", 1, "5")})

	b.commit(l, datapoints.Record{Path: "up#1.x", Points: []datapoints.Point{point("", "a", "up#1.x", 1, "8")}})
	b.same("the next round", b.values(l.Run, "a", "b", "c"), []string{"8", "6", "7"})
	b.commit(l, datapoints.Record{Path: "up", Undo: "up#1", Slots: slots("a", "b", "c")})
	b.same("the next round undone", b.values(l.Run, "a", "b", "c"), []string{"1", "6", "7"})
	b.commit(l, datapoints.Record{Path: "x", Undo: "", Slots: slots("b")})
	b.same("everything of b undone", b.values(l.Run, "a", "b", "c"), []string{"1", "-", "7"})

	undone := ""
	for _, p := range b.all(l.Run).Points {
		undone += fmt.Sprintf("%s=%s %v, ", p.Name, p.Value.Reveal(), p.Undone)
	}
	b.same("history", undone, "a=1 false, b=2 true, a=3 true, c=4 true, a=5 false, a=null true, b=6 true, c=7 false, a=8 true, ")
}

func undoKnowsNames(t *testing.T, b *bench) {
	for _, c := range []struct {
		undo, step string
		undone     bool
	}{
		{"up#2", "up#2", true}, {"up#2", "up#2.get", true}, {"up#2", "up#2.get[3].x#1", true}, {"up#2", "up#20.get", false}, {"up#2", "up#2x", false},
		{"up#2", "up", false}, {"up#2", "down.up#2.get", false}, {"up", "up#2.get", true}, {"up", "up[0]", true}, {"up", "upper.x", false}, {"u_", "up.x", false},
		{"u%", "up.x", false}, {"a[1]", "a[1].b", true}, {"a[1]", "a[10].b", false}, {"é", "é.x", true}, {"é", "éa.x", false}, {"", "x", true}, {"UP", "up.x", false},
	} {
		l := b.create()
		b.commit(l, datapoints.Record{Path: "s", Points: []datapoints.Point{point("", "a", c.step, 1, "1")}},
			datapoints.Record{Path: "t", Undo: c.undo, Slots: []datapoints.Slot{{Name: "a"}}})
		if got := b.all(l.Run).Points[0].Undone; got != c.undone {
			t.Errorf("undo %q of what %q saved: %v", c.undo, c.step, got)
		}
	}
}
