package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

func claims(t *testing.T, b *bench) {
	b.must(b.Create(ctx, datapoints.Run{ID: id(1), State: datapoints.Paused}))
	claim := func(owner string, now time.Time, dead func(string) bool) (datapoints.Lease, error) {
		return b.Claim(ctx, datapoints.Lease{Run: id(1), Owner: owner, Until: now.Add(time.Minute)}, now, dead)
	}
	first, err := claim("a", noon, nil)
	b.must(err)
	b.same("the first claim", first, datapoints.Lease{Run: id(1), Owner: "a", Epoch: first.Epoch, Until: noon.Add(time.Minute)})
	if first.Epoch < 1 {
		t.Errorf("epoch %d", first.Epoch)
	}

	_, err = claim("b", noon.Add(59*time.Second), func(owner string) bool { return owner != "a" })
	var claimed *datapoints.ClaimedError
	if !errors.As(err, &claimed) {
		t.Fatalf("a claim of a run that is being worked on: %v", err)
	}
	b.same("who works on it", claimed.Lease, first)

	renewed, err := claim("a", noon.Add(30*time.Second), nil)
	b.must(err)
	b.same("renewed", renewed, datapoints.Lease{Run: id(1), Owner: "a", Epoch: first.Epoch, Until: noon.Add(90 * time.Second)})
	late, err := claim("a", noon.Add(time.Hour), nil)
	b.must(err)
	b.same("renewed when its time is over", late.Epoch, first.Epoch)

	second, err := claim("b", noon.Add(2*time.Hour), nil)
	b.must(err)
	third, err := claim("c", noon.Add(2*time.Hour), func(owner string) bool { return owner == "b" })
	b.must(err)
	again, err := claim("a", noon.Add(3*time.Hour), nil)
	b.must(err)
	if first.Epoch >= second.Epoch || second.Epoch >= third.Epoch || third.Epoch >= again.Epoch {
		t.Errorf("epochs %d %d %d %d", first.Epoch, second.Epoch, third.Epoch, again.Epoch)
	}
	r := b.load(id(1))
	b.same("the recorded lease", r.Lease, again)
	if r.State != datapoints.Paused {
		t.Errorf("the state has become %s", r.State)
	}
	if _, err := claim("", noon.Add(9*time.Hour), nil); err == nil {
		t.Error("nobody has claimed the run")
	}
}

func claimRace(t *testing.T, b *bench) {
	b.must(b.Create(ctx, datapoints.Run{ID: id(1)}))
	var won, lost atomic.Int32
	var g sync.WaitGroup
	for i := range 16 {
		g.Go(func() {
			_, err := b.Claim(ctx, datapoints.Lease{Run: id(1), Owner: fmt.Sprint(i), Until: noon.Add(time.Minute)}, noon, nil)
			var claimed *datapoints.ClaimedError
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &claimed):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	g.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Errorf("%d claims won, %d lost", won.Load(), lost.Load())
	}
}

func onlyTheHolderWrites(t *testing.T, b *bench) {
	write := func(l datapoints.Lease, path string) error {
		return b.Commit(ctx, l, datapoints.Record{Path: path, Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "p"}, Step: path, Value: datapoints.Text(path)}}},
			datapoints.Record{Bare: true, End: &datapoints.Run{State: datapoints.Running, Kind: path}})
	}
	refused := func(what string, l datapoints.Lease) {
		t.Helper()
		if err := write(l, "refused"); !errors.Is(err, datapoints.ErrLeaseLost) {
			t.Errorf("%s: %v, want ErrLeaseLost", what, err)
		}
		if err := b.Commit(ctx, l); !errors.Is(err, datapoints.ErrLeaseLost) {
			t.Errorf("%s, without records: %v, want ErrLeaseLost", what, err)
		}
	}
	b.must(b.Create(ctx, datapoints.Run{ID: id(1)}))
	refused("nobody has claimed the run", datapoints.Lease{Run: id(1), Owner: "a"})
	first, err := b.Claim(ctx, datapoints.Lease{Run: id(1), Owner: "a", Until: noon}, noon, nil)
	b.must(err)
	b.must(write(first, "one"))
	b.must(b.Commit(ctx, first))
	refused("an epoch to come", datapoints.Lease{Run: id(1), Owner: "a", Epoch: first.Epoch + 1})
	// Its time is over, but nobody else has claimed the run.
	b.must(write(first, "two"))
	second, err := b.Claim(ctx, datapoints.Lease{Run: id(1), Owner: "b", Until: noon.Add(time.Minute)}, noon, nil)
	b.must(err)
	refused("another has claimed the run", first)
	b.must(write(second, "three"))
	b.commit(second, datapoints.Record{Bare: true, End: &datapoints.Run{State: datapoints.Paused, Kind: "paused"}})
	refused("the lease has ended", second)
	third, err := b.Claim(ctx, datapoints.Lease{Run: id(1), Owner: "b", Until: noon.Add(time.Minute)}, noon, nil)
	b.must(err)
	if third.Epoch <= second.Epoch {
		t.Errorf("epoch %d after %d", third.Epoch, second.Epoch)
	}
	refused("before the lease ended", second)
	b.must(write(third, "four"))

	c := b.all(id(1))
	var paths []string
	for i, r := range c.Rows {
		paths = append(paths, r.Path, c.Points[i].Step)
	}
	b.same("recorded", paths, []string{"one", "one", "two", "two", "three", "three", "four", "four"})
	if got := b.load(id(1)).Kind; got != "four" {
		t.Errorf("Kind %s", got)
	}
}

func endOfARun(t *testing.T, b *bench) {
	r := filled(1)
	b.must(b.Create(ctx, r))
	end := datapoints.Run{ID: "not looked at", Flow: "nor this", State: datapoints.Running, Kind: "k", At: "a.b", Done: 7, Started: noon.Add(1), Ended: noon.Add(2),
		Wake: noon.Add(3), Outputs: datapoints.JSON(`{"a":1.0}`), Failure: datapoints.Text("failure").Mark(datapoints.Sensitive, "x")}
	want := r
	check := func(what string, e datapoints.Run) {
		t.Helper()
		want.State, want.Kind, want.At, want.Done = e.State, e.Kind, e.At, e.Done
		want.Started, want.Ended, want.Wake, want.Outputs, want.Failure = e.Started, e.Ended, e.Wake, e.Outputs, e.Failure
		got := b.load(r.ID)
		got.Key = nil
		b.same(what, got, want)
	}
	b.commit(r.Lease, datapoints.Record{Bare: true, Path: "no row", End: &end})
	check("while it is running", end)
	if rows := b.all(r.ID).Rows; len(rows) != 0 {
		t.Errorf("a bare record made a row: %+v", rows)
	}
	last := datapoints.Run{State: datapoints.Succeeded, Ended: noon.Add(9)}
	b.commit(r.Lease, datapoints.Record{Bare: true, End: &end}, datapoints.Record{Path: "", At: noon, Row: datapoints.Row{N: 1}, End: &last})
	if got := b.load(r.ID).Lease; got.Owner != "" || !got.Until.IsZero() {
		t.Errorf("the lease has not ended: %+v", got)
	}
	want.Lease = datapoints.Lease{Run: r.ID, Epoch: r.Lease.Epoch}
	check("at its end", last)
	b.same("the root's row", b.all(r.ID).Rows, []datapoints.Entry{{Path: "", At: noon, Row: datapoints.Row{N: 1}}})
}
