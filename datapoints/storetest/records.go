package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

func roundTripOfARecord(t *testing.T, b *bench) {
	l := b.create()
	var c datapoints.Record
	fill(&c)
	c.Bare, c.Undo, c.Slots = false, "", nil
	for i := range c.Points {
		c.Points[i].Undone = true // says nothing
	}
	negative := datapoints.Row{Last: datapoints.Outcome{Status: datapoints.Left, Next: -1}, N: -1}
	b.commit(l, c, datapoints.Record{Path: "zero"}, datapoints.Record{Path: "negative", Row: negative})
	got := b.all(l.Run)
	b.same("rows", got.Rows, []datapoints.Entry{{Path: c.Path, At: c.At, Row: c.Row}, {Path: "zero"}, {Path: "negative", Row: negative}})
	b.same("attempts", got.Attempts[c.Path], c.Attempts)
	for i := range c.Points {
		c.Points[i].Undone = false
	}
	b.same("points", got.Points, c.Points)
	b.same("rows alone", b.read(l.Run, datapoints.Query{Rows: true}), datapoints.Contents{Rows: got.Rows})
	b.same("history alone", b.read(l.Run, datapoints.Query{History: true}), datapoints.Contents{Points: got.Points})
	b.same("nothing", b.read(l.Run, datapoints.Query{}), datapoints.Contents{})
}

func eachFieldAlone(t *testing.T, b *bench) {
	l := b.create()
	var want []datapoints.Entry
	typ := reflect.TypeFor[datapoints.Row]()
	for i := range typ.NumField() {
		var full, one datapoints.Row
		fill(&full)
		reflect.ValueOf(&one).Elem().Field(i).Set(reflect.ValueOf(full).Field(i))
		want = append(want, datapoints.Entry{Path: typ.Field(i).Name, Row: one})
		b.commit(l, datapoints.Record{Path: typ.Field(i).Name, Row: one})
	}
	b.same("rows", b.all(l.Run).Rows, want)
}

func rowsAreReplaced(t *testing.T, b *bench) {
	l := b.create()
	row := func(n int) datapoints.Row {
		return datapoints.Row{N: n, Last: datapoints.Outcome{Status: datapoints.Again}, Hidden: datapoints.JSON(fmt.Sprint(n))}
	}
	b.commit(l, datapoints.Record{Path: "b", Row: row(1)}, datapoints.Record{Path: "a", Row: row(2)}, datapoints.Record{Path: "b", Row: row(3)})
	b.commit(l, datapoints.Record{Path: "c", Row: row(4)}, datapoints.Record{Path: "a", Row: datapoints.Row{}, At: noon}, datapoints.Record{Path: "", Row: row(5)})
	b.same("rows", b.all(l.Run).Rows, []datapoints.Entry{{Path: "b", Row: row(3)}, {Path: "a", At: noon}, {Path: "c", Row: row(4)}, {Path: "", Row: row(5)}})
}

func attemptsByNumber(t *testing.T, b *bench) {
	l := b.create()
	a := func(n int, kind string) datapoints.Attempt {
		return datapoints.Attempt{N: n, Started: noon.Add(-time.Duration(n)), Kind: kind, Message: datapoints.Text(kind)}
	}
	b.commit(l, datapoints.Record{Path: "s", Attempts: []datapoints.Attempt{a(1, "http"), a(2, "network")}},
		datapoints.Record{Path: "t", Attempts: []datapoints.Attempt{a(1, "other")}})
	b.commit(l, datapoints.Record{Path: "s", Attempts: []datapoints.Attempt{a(10, ""), a(3, "sent")}})
	b.commit(l, datapoints.Record{Path: "s", Attempts: []datapoints.Attempt{a(3, "timeout")}}, datapoints.Record{Path: "s"})
	got := b.all(l.Run).Attempts
	b.same("attempts of s", got["s"], []datapoints.Attempt{a(1, "http"), a(2, "network"), a(3, "timeout"), a(10, "")})
	b.same("attempts of t", got["t"], []datapoints.Attempt{a(1, "other")})
	if len(got) != 2 {
		t.Errorf("attempts of %d paths", len(got))
	}
}

func largeCommit(t *testing.T, b *bench) {
	l := b.create()
	const n = 3000
	records := make([]datapoints.Record, n)
	for i := range records {
		records[i] = datapoints.Record{Path: fmt.Sprintf("loop[%d].send", i), At: noon, Row: datapoints.Row{N: i},
			Points: []datapoints.Point{{Slot: datapoints.Slot{Scope: fmt.Sprintf("loop[%d]", i), Name: "x"}, Step: "s", Value: datapoints.JSON(fmt.Sprint(i))}}}
	}
	if err := b.Commit(ctx, datapoints.Lease{Run: l.Run, Owner: "me", Epoch: 9}, records...); !errors.Is(err, datapoints.ErrLeaseLost) {
		t.Errorf("%v, want ErrLeaseLost", err)
	}
	if c := b.all(l.Run); len(c.Rows)+len(c.Points) > 0 {
		t.Errorf("%d rows and %d points were written", len(c.Rows), len(c.Points))
	}
	b.commit(l, records...)
	c := b.all(l.Run)
	if len(c.Rows) != n || len(c.Points) != n {
		t.Fatalf("%d rows and %d points", len(c.Rows), len(c.Points))
	}
	for i := range n {
		if c.Rows[i].Path != records[i].Path || c.Rows[i].Row.N != i || c.Points[i].Value.Reveal() != fmt.Sprint(i) {
			t.Fatalf("at %d there are %+v and %+v", i, c.Rows[i], c.Points[i])
		}
	}
}

func concurrentCommits(t *testing.T, b *bench) {
	const runs, writers, each = 4, 4, 25
	var leases []datapoints.Lease
	for range runs {
		leases = append(leases, b.create())
	}
	var g sync.WaitGroup
	for _, l := range leases {
		for w := range writers {
			g.Go(func() {
				for i := range each {
					path := fmt.Sprintf("w%d[%d]", w, i)
					if err := b.Commit(ctx, l, datapoints.Record{Path: path, Row: datapoints.Row{N: i}},
						datapoints.Record{Path: path + ".x", Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "last"}, Step: path, Attempt: i, Value: datapoints.JSON(fmt.Sprint(i))}}}); err != nil {
						t.Error(err)
						return
					}
					// What is committed is seen at once.
					c, err := b.Read(ctx, l.Run, datapoints.Query{Slots: []datapoints.Slot{{Name: "last"}}})
					if err != nil || len(c.Points) != 1 {
						t.Errorf("after %s: %d points, %v", path, len(c.Points), err)
						return
					}
				}
			})
		}
	}
	g.Wait()
	for _, l := range leases {
		c := b.all(l.Run)
		if len(c.Rows) != 2*writers*each || len(c.Points) != writers*each {
			t.Fatalf("%d rows and %d points", len(c.Rows), len(c.Points))
		}
		next := map[string]int{}
		for i := 0; i < len(c.Rows); i += 2 {
			path := c.Rows[i].Path
			if c.Rows[i+1].Path != path+".x" {
				t.Fatalf("between the records of one commit there is another: %s, %s", path, c.Rows[i+1].Path)
			}
			if w := path[:2]; path != fmt.Sprintf("%s[%d]", w, next[w]) {
				t.Fatalf("%s comes before %d of the same writer", path, next[w])
			}
			next[path[:2]]++
		}
	}
}

func lostLeaseAmongOthers(t *testing.T, b *bench) {
	var g sync.WaitGroup
	for i := range 40 {
		l := b.create()
		lost := i%3 == 0
		if lost {
			l.Epoch = 7
		}
		g.Go(func() {
			err := b.Commit(ctx, l, datapoints.Record{Path: "a"}, datapoints.Record{Path: "b"})
			if lost != errors.Is(err, datapoints.ErrLeaseLost) || (!lost && err != nil) {
				t.Errorf("lost %v: %v", lost, err)
			}
			c, err := b.Read(ctx, l.Run, datapoints.Query{Rows: true})
			if err != nil || len(c.Rows) != map[bool]int{false: 2}[lost] {
				t.Errorf("lost %v: %d rows, %v", lost, len(c.Rows), err)
			}
		})
	}
	g.Wait()
}

func doneContext(t *testing.T, b *bench) {
	l := b.create()
	b.commit(l, datapoints.Record{Path: "a"})
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, claim := b.Claim(done, datapoints.Lease{Run: l.Run, Owner: "other", Until: noon.AddDate(1, 0, 0)}, noon.AddDate(1, 0, 0), nil)
	_, load := b.Load(done, l.Run)
	_, read := b.Read(done, l.Run, datapoints.Query{Rows: true})
	_, list := b.List(done, datapoints.Filter{})
	for name, err := range map[string]error{
		"Create": b.Create(done, datapoints.Run{ID: id(99)}),
		"Claim":  claim, "Load": load, "Read": read, "List": list,
		"Commit": b.Commit(done, l, datapoints.Record{Path: "b"}),
		"Delete": b.Delete(done, l.Run),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	b.same("runs", b.ids(datapoints.Filter{}), []string{l.Run})
	b.same("the lease", b.load(l.Run).Lease, l)
	if rows := b.all(l.Run).Rows; len(rows) != 1 {
		t.Errorf("%d rows", len(rows))
	}
}
