package sqlstore_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

func benchLease(b *testing.B, s datapoints.Store, run string) datapoints.Lease {
	b.Helper()
	l := datapoints.Lease{Run: run, Owner: "me", Epoch: 1}
	must(b, s.Create(context.Background(), datapoints.Run{ID: run, Lease: l}))
	return l
}

func BenchmarkCommitOneRecord(b *testing.B) {
	s := open(b)
	l := benchLease(b, s, "r")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		must(b, s.Commit(context.Background(), l, record(i)))
	}
}

// A thousand records in one call; the time is that of one record.
func BenchmarkCommitAThousandRecords(b *testing.B) {
	s := open(b)
	l := benchLease(b, s, "r")
	records := make([]datapoints.Record, 1000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for i := range records {
			records[i] = record(n)
			n++
		}
		must(b, s.Commit(context.Background(), l, records...))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/record")
}

// A thousand callers with a run and a record each; the time is that of one.
func BenchmarkCommitFromAThousandCallers(b *testing.B) {
	s := open(b)
	leases := make([]datapoints.Lease, 1000)
	for i := range leases {
		leases[i] = benchLease(b, s, fmt.Sprint("r", i))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		var g sync.WaitGroup
		for _, l := range leases {
			g.Go(func() { must(b, s.Commit(context.Background(), l, record(n))) })
		}
		g.Wait()
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*len(leases)), "ns/record")
}

func BenchmarkReadOneSlot(b *testing.B) {
	s := open(b)
	l := benchLease(b, s, "r")
	must(b, s.Commit(context.Background(), l, record(0)))
	q := datapoints.Query{Slots: []datapoints.Slot{record(0).Points[0].Slot}}
	b.ReportAllocs()
	for b.Loop() {
		c, err := s.Read(context.Background(), "r", q)
		must(b, err)
		if len(c.Points) != 1 {
			b.Fatal("no point")
		}
	}
}
