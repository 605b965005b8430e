package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

// filled is a run with something in every field that a caller may set.
func filled(n int) datapoints.Run {
	var r datapoints.Run
	fill(&r)
	r.ID = id(n)
	r.Key = nil
	r.Lease = datapoints.Lease{Run: r.ID, Owner: "me", Epoch: 3, Until: noon}
	return r
}

func roundTripOfARun(t *testing.T, b *bench) {
	r := filled(1)
	zero := datapoints.Run{ID: id(2)}
	b.must(b.Create(ctx, r, zero))
	got := b.load(r.ID)
	got.Key = nil // of Sealed
	b.same("Load", got, r)
	got = b.load(zero.ID)
	got.Key = nil
	b.same("Load of a run with nothing but an id", got, zero)
	r.Files = nil
	list, err := b.List(ctx, datapoints.Filter{})
	b.must(err)
	for i := range list {
		list[i].Key = nil
	}
	b.same("List", list, []datapoints.Run{zero, r})
}

func createAllOrNone(t *testing.T, b *bench) {
	b.must(b.Create(ctx, datapoints.Run{ID: id(2), Flow: "first"}))
	for name, runs := range map[string][]datapoints.Run{
		"one is there":    {{ID: id(1)}, {ID: id(2), Flow: "second"}, {ID: id(3)}},
		"one comes twice": {{ID: id(1)}, {ID: id(3)}, {ID: id(1)}},
	} {
		if err := b.Create(ctx, runs...); !errors.Is(err, datapoints.ErrExists) {
			t.Errorf("%s: %v, want ErrExists", name, err)
		}
	}
	if err := b.Create(ctx, datapoints.Run{ID: id(1)}, datapoints.Run{}); err == nil {
		t.Error("a run without an id was created")
	}
	b.must(b.Create(ctx))
	list, err := b.List(ctx, datapoints.Filter{})
	b.must(err)
	if len(list) != 1 || list[0].Flow != "first" {
		t.Errorf("there are %d runs, want the first alone: %v", len(list), list)
	}
}

func noSharedMemory(t *testing.T, b *bench) {
	file := []byte("stepwell: 1")
	l := datapoints.Lease{Run: id(1), Owner: "me", Epoch: 1}
	b.must(b.Create(ctx, datapoints.Run{ID: id(1), Files: []datapoints.File{{Name: "a", Data: file}}, Lease: l}))
	file[0] = 'X'
	points := []datapoints.Point{{Slot: datapoints.Slot{Name: "a"}, Step: "s", Value: datapoints.Text("as committed")}}
	attempts := []datapoints.Attempt{{N: 1, Kind: "http"}}
	b.commit(l, datapoints.Record{Path: "s", Points: points, Attempts: attempts})
	points[0].Value = datapoints.Text("changed")
	attempts[0].Kind = "changed"
	for range 2 {
		r := b.load(id(1))
		if got := string(r.Files[0].Data); got != "stepwell: 1" {
			t.Errorf("the file has become %q", got)
		}
		r.Files[0].Data[0] = 'Y'
		r.Files[0].Name = "changed"
		c := b.all(id(1))
		if got := c.Points[0].Value.RevealText() + c.Attempts["s"][0].Kind; got != "as committedhttp" {
			t.Errorf("point and attempt have become %q", got)
		}
		c.Points[0].Value = datapoints.Text("changed")
		c.Attempts["s"][0].Kind = "changed"
		c.Rows[0].Path = "changed"
	}
}

func whatIsNotThere(t *testing.T, b *bench) {
	l := datapoints.Lease{Run: id(9), Owner: "me", Epoch: 1}
	if _, err := b.Load(ctx, id(9)); !errors.Is(err, datapoints.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
	if err := b.Commit(ctx, l, datapoints.Record{Path: "a"}); !errors.Is(err, datapoints.ErrNotFound) {
		t.Errorf("Commit: %v", err)
	}
	if _, err := b.Claim(ctx, l, noon, nil); !errors.Is(err, datapoints.ErrNotFound) {
		t.Errorf("Claim: %v", err)
	}
	b.same("Read", b.read(id(9), datapoints.Query{Rows: true, History: true, Slots: []datapoints.Slot{{Name: "a"}}}), datapoints.Contents{})
	b.must(b.Delete(ctx, id(9)))
	list, err := b.List(ctx, datapoints.Filter{})
	b.must(err)
	if len(list) != 0 {
		t.Errorf("List: %v", list)
	}
	l = b.create()
	c := b.all(l.Run)
	if len(c.Rows)+len(c.Points)+len(c.Attempts) != 0 || c.Attempts == nil {
		t.Errorf("a new run has %+v", c)
	}
}

func (b *bench) ids(f datapoints.Filter) (ids []string) {
	b.t.Helper()
	list, err := b.List(ctx, f)
	b.must(err)
	for _, r := range list {
		if len(r.Files) > 0 {
			b.t.Errorf("List gives files of %s", r.ID)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func listOrder(t *testing.T, b *bench) {
	for _, n := range []int{3, 1, 5, 2, 4} {
		b.must(b.Create(ctx, datapoints.Run{ID: id(n), Files: []datapoints.File{{Name: "a", Data: []byte("x")}}}))
	}
	b.same("List", b.ids(datapoints.Filter{}), []string{id(5), id(4), id(3), id(2), id(1)})
}

func listFilters(t *testing.T, b *bench) {
	run := func(id, flow, batch string, s datapoints.State) datapoints.Run {
		return datapoints.Run{ID: id, Flow: flow, Batch: batch, State: s}
	}
	b.must(b.Create(ctx, run("a1", "f", "x", datapoints.Running), run("a2", "g", "x", datapoints.Failed),
		run("a%", "f", "", datapoints.Failed), run("A3", "f", "y", datapoints.Failed), run("a1é", "f", "x", datapoints.Paused)))
	for _, c := range []struct {
		f    datapoints.Filter
		want []string
	}{
		{datapoints.Filter{Flow: "f"}, []string{"a1é", "a1", "a%", "A3"}},
		{datapoints.Filter{Batch: "x"}, []string{"a2", "a1é", "a1"}},
		{datapoints.Filter{State: datapoints.Failed}, []string{"a2", "a%", "A3"}},
		{datapoints.Filter{Prefix: "a"}, []string{"a2", "a1é", "a1", "a%"}},
		{datapoints.Filter{Prefix: "a1"}, []string{"a1é", "a1"}},
		{datapoints.Filter{Prefix: "a%"}, []string{"a%"}},
		{datapoints.Filter{Prefix: "a_"}, nil},
		{datapoints.Filter{Before: "a2"}, []string{"a1é", "a1", "a%", "A3"}},
		{datapoints.Filter{Limit: 2}, []string{"a2", "a1é"}},
		{datapoints.Filter{Flow: "f", Batch: "x", State: datapoints.Running, Prefix: "a1", Before: "a2", Limit: 5}, []string{"a1"}},
		{datapoints.Filter{Flow: "none"}, nil},
	} {
		b.same(fmt.Sprintf("%+v", c.f), b.ids(c.f), c.want)
	}
}

func listPages(t *testing.T, b *bench) {
	var runs []datapoints.Run
	for n := range 25 {
		runs = append(runs, datapoints.Run{ID: id(n), Batch: fmt.Sprint(n % 2), Row: n})
	}
	b.must(b.Create(ctx, runs...))
	f := datapoints.Filter{Batch: "0", Limit: 4}
	want := 24
	for {
		list, err := b.List(ctx, f)
		b.must(err)
		for _, r := range list {
			if r.ID != id(want) || r.Row != want {
				t.Fatalf("got %s, row %d, want %s", r.ID, r.Row, id(want))
			}
			want -= 2
		}
		if len(list) < f.Limit {
			break
		}
		f.Before = list[len(list)-1].ID
	}
	if want != -2 {
		t.Errorf("the pages end before %s", id(want))
	}
}

func deleteOneRun(t *testing.T, b *bench) {
	files := []datapoints.File{{Name: "a", Data: []byte("same in both")}, {Name: "b", Data: nil}}
	record := datapoints.Record{Path: "s", Attempts: []datapoints.Attempt{{N: 1}},
		Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "p"}, Step: "s", Value: datapoints.Text("v")}}}
	var before [3]datapoints.Contents
	for n := range 3 {
		l := datapoints.Lease{Run: id(n), Owner: "me", Epoch: 1}
		b.must(b.Create(ctx, datapoints.Run{ID: l.Run, Files: files, Lease: l}))
		b.commit(l, record)
		before[n] = b.all(l.Run)
	}
	b.must(b.Delete(ctx, id(1)))
	b.must(b.Delete(ctx, id(1)))
	if _, err := b.Load(ctx, id(1)); !errors.Is(err, datapoints.ErrNotFound) {
		t.Errorf("Load: %v", err)
	}
	b.same("Read after Delete", b.all(id(1)), datapoints.Contents{})
	for _, n := range []int{0, 2} {
		b.same("another run", b.all(id(n)), before[n])
		b.same("another run's files", b.load(id(n)).Files, files)
	}
	b.must(b.Create(ctx, datapoints.Run{ID: id(1)}))
	b.same("Read after Create", b.all(id(1)), datapoints.Contents{})
}

func manyRuns(t *testing.T, b *bench) {
	runs := make([]datapoints.Run, 1000)
	flow := []byte("the same file in each")
	for n := range runs {
		runs[n] = datapoints.Run{ID: id(n), Batch: "b", Row: n, Inputs: datapoints.Text(fmt.Sprint(n)), Files: []datapoints.File{{Name: "f", Data: flow}}}
	}
	b.must(b.Create(ctx, runs...))
	list, err := b.List(ctx, datapoints.Filter{Batch: "b"})
	b.must(err)
	if len(list) != len(runs) {
		t.Fatalf("%d runs", len(list))
	}
	for i, r := range list {
		if want := 999 - i; r.Row != want || r.Inputs.RevealText() != fmt.Sprint(want) {
			t.Fatalf("at %d: row %d, inputs %s", i, r.Row, r.Inputs)
		}
	}
	if got := b.load(id(500)); string(got.Files[0].Data) != string(flow) {
		t.Errorf("file %q", got.Files)
	}
}
