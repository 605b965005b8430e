// Package storetest is the contract of datapoints.Store as a test that any
// Store can run. Only tests import it.
package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// Run tests a Store. Each part calls open for an empty one; what needs closing
// is given to t.Cleanup there.
func Run(t *testing.T, open func(t *testing.T) datapoints.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, *bench)
	}{
		{"a run comes back as it was created", roundTripOfARun},
		{"runs are created all or none", createAllOrNone},
		{"the store shares no memory with its callers", noSharedMemory},
		{"what is not there", whatIsNotThere},
		{"list gives the newest first without files", listOrder},
		{"list filters", listFilters},
		{"list gives pages", listPages},
		{"delete removes everything of one run", deleteOneRun},
		{"a thousand runs are created at once", manyRuns},
		{"claims", claims},
		{"one of many claims wins", claimRace},
		{"only the holder of the lease writes", onlyTheHolderWrites},
		{"the end of a run", endOfARun},
		{"a record comes back as it was committed", roundTripOfARecord},
		{"each field of a row alone", eachFieldAlone},
		{"a row is replaced and keeps its place", rowsAreReplaced},
		{"attempts are kept by number", attemptsByNumber},
		{"a commit of thousands of records", largeCommit},
		{"the newest version of a point counts", newestPointCounts},
		{"points are asked for by slot", pointsBySlot},
		{"the first message of a name stays", firstMessageStays},
		{"a message is left while another owns the run", messageBesideTheOwner},
		{"no message for a run that is over", noMessageForWhatIsOver},
		{"one of many messages is the first", messageRace},
		{"a note is left for every run", noteIsLeft},
		{"keys of runs are replaced", replacedKeys},
		{"undo", undo},
		{"undo knows where a name ends", undoKnowsNames},
		{"values come back exactly", exactValues},
		{"large values", largeValues},
		{"what comes back is masked", maskedValues},
		{"times come back as the same instants", exactTimes},
		{"concurrent commits", concurrentCommits},
		{"a lost lease fails nobody else", lostLeaseAmongOthers},
		{"a context that is done", doneContext},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, &bench{t: t, Store: open(t)})
		})
	}
}

// A bench is a Store with methods that end the test on an error.
type bench struct {
	datapoints.Store
	t *testing.T
	n int
}

var (
	ctx = context.Background()
	// A time with nanoseconds, far from midnight and not in UTC.
	noon = time.Date(2026, 11, 21, 12, 1, 2, 123456789, time.FixedZone("", 7200))
)

// id gives ids that sort by number.
func id(n int) string { return fmt.Sprintf("0197c000-0000-7000-8000-%012d", n) }

// create makes a run with an id of its own that "me" works on.
func (b *bench) create() datapoints.Lease {
	b.t.Helper()
	b.n++
	l := datapoints.Lease{Run: id(b.n), Owner: "me", Epoch: 1, Until: noon.Add(time.Minute)}
	b.must(b.Create(ctx, datapoints.Run{ID: l.Run, Flow: "f", State: datapoints.Running, Lease: l}))
	return l
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) commit(l datapoints.Lease, records ...datapoints.Record) {
	b.t.Helper()
	b.must(b.Commit(ctx, l, records...))
}

func (b *bench) load(run string) datapoints.Run {
	b.t.Helper()
	r, err := b.Load(ctx, run)
	b.must(err)
	return r
}

func (b *bench) read(run string, q datapoints.Query) datapoints.Contents {
	b.t.Helper()
	c, err := b.Read(ctx, run, q)
	b.must(err)
	return c
}

func (b *bench) all(run string) datapoints.Contents {
	b.t.Helper()
	return b.read(run, datapoints.Query{Rows: true, Attempts: true, History: true})
}

// same compares two values of the contract's types.
func (b *bench) same(what string, got, want any) {
	b.t.Helper()
	if g, w := describe(got), describe(want); g != w {
		b.t.Errorf("%s\n got %s\nwant %s", what, short(g), short(w))
	}
}

func short(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "…"
	}
	return s
}

// describe writes everything that counts of x: instants, not zones; the text,
// class and label of a Value; an empty list as none.
func describe(x any) string {
	var b strings.Builder
	write(&b, reflect.ValueOf(x))
	return b.String()
}

func write(b *strings.Builder, v reflect.Value) {
	if v.IsValid() && v.CanInterface() {
		switch x := v.Interface().(type) {
		case datapoints.Value:
			fmt.Fprintf(b, "%s %q %s", x.Class(), x.Label(), x.Reveal())
			return
		case time.Time:
			b.WriteString(x.UTC().Format(time.RFC3339Nano))
			return
		case []byte:
			fmt.Fprintf(b, "%x", x)
			return
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		b.WriteString("{")
		for i := range v.NumField() {
			f := v.Field(i)
			list := f.Kind() == reflect.Slice || f.Kind() == reflect.Map
			if !f.IsZero() && (!list || f.Len() > 0) {
				b.WriteString(v.Type().Field(i).Name + ":")
				write(b, f)
				b.WriteString(" ")
			}
		}
		b.WriteString("}")
	case reflect.Slice:
		b.WriteString("[")
		for i := range v.Len() {
			write(b, v.Index(i))
			b.WriteString(", ")
		}
		b.WriteString("]")
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			b.WriteString(k.String() + "=")
			write(b, v.MapIndex(k))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			write(b, v.Elem())
		}
	default:
		fmt.Fprintf(b, "%#v", v)
	}
}

// fill sets every field of a struct to something, so that a field which a
// store forgets is found, also one that is added later.
func fill(x any) {
	n := 0
	fillValue(reflect.ValueOf(x).Elem(), &n)
}

func fillValue(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case datapoints.Value:
		v.Set(reflect.ValueOf(datapoints.Text(fmt.Sprint("value ", *n)).Mark(datapoints.Class(*n%3), "l")))
		return
	case time.Time:
		v.Set(reflect.ValueOf(noon.Add(time.Duration(*n) * time.Nanosecond)))
		return
	case []byte:
		v.Set(reflect.ValueOf([]byte{0, byte(*n), 255}))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillValue(v.Index(i), n)
		}
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint8:
		v.SetUint(uint64(*n%7 + 1))
	case reflect.Pointer: // Record.End: has its own test
	default:
		panic("storetest: fill does not know " + v.Type().String())
	}
}
