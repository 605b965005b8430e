package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
)

// replacedKeys tests a Rekeyer; other stores have nothing to test.
func replacedKeys(t *testing.T, b *bench) {
	s, ok := b.Store.(datapoints.Rekeyer)
	if !ok {
		t.Skip("the store is no Rekeyer")
	}
	key := func(n int, text string) datapoints.Run {
		return datapoints.Run{ID: id(n), Key: []byte(text), Inputs: datapoints.Text("in"), Lease: datapoints.Lease{Owner: "me", Epoch: 3}}
	}
	b.must(b.Create(ctx, key(1, "one"), key(2, "two"), key(3, "three"), datapoints.Run{ID: id(4)}))
	change := func(n int, old, new string) datapoints.KeyChange {
		return datapoints.KeyChange{Run: id(n), Old: []byte(old), New: []byte(new)}
	}
	changes := []datapoints.KeyChange{change(1, "one", "ONE"), change(2, "other", "TWO"), change(3, "three", "THREE"), change(4, "", "FOUR"), change(9, "", "NINE")}
	n, err := s.Rekey(ctx, changes...)
	b.must(err)
	if n != 3 {
		t.Errorf("%d keys were replaced, not 3", n)
	}
	clear(changes[0].New)
	for n, want := range map[int]string{1: "ONE", 2: "two", 3: "THREE", 4: "FOUR"} {
		r := b.load(id(n))
		if string(r.Key) != want {
			t.Errorf("run %d has the key %q, not %q", n, r.Key, want)
		}
		if n < 4 && (r.Lease.Owner != "me" || r.Lease.Epoch != 3 || r.Inputs.RevealText() != "in") {
			t.Errorf("run %d has changed: %+v", n, r)
		}
	}
	if n, err := s.Rekey(ctx); n != 0 || err != nil {
		t.Errorf("no changes: %d, %v", n, err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Rekey(done, change(1, "ONE", "x")); !errors.Is(err, context.Canceled) || string(b.load(id(1)).Key) != "ONE" {
		t.Errorf("with a context that is done: %v", err)
	}
}

// RunHalves tests a datapoints.Halves. Each part calls open for an empty one;
// reopen gives what another process would open in the same place.
func RunHalves(t *testing.T, open func(t *testing.T) (h datapoints.Halves, reopen func() datapoints.Halves)) {
	for name, test := range map[string]func(*testing.T, datapoints.Halves, func() datapoints.Halves){
		"halves come back": halvesComeBack, "a destroyed half is gone": halfIsDestroyed, "many keep at once": halvesRace, "a context that is done": halvesDone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, reopen := open(t)
			test(t, h, reopen)
		})
	}
}

func half(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n>>8) + 1}, 16) }

func keep(t *testing.T, h datapoints.Halves, from, to int) (marks [][]byte) {
	t.Helper()
	var list [][]byte
	for n := from; n < to; n++ {
		list = append(list, half(n))
	}
	marks, err := h.Keep(ctx, list...)
	if err != nil || len(marks) != len(list) {
		t.Fatalf("%d marks, %v", len(marks), err)
	}
	for _, m := range marks {
		if len(m) == 0 || len(m) > 255 {
			t.Errorf("a mark of %d bytes", len(m))
		}
	}
	return marks
}

func sameHalves(t *testing.T, h datapoints.Halves, from int, marks [][]byte) {
	t.Helper()
	for i, m := range marks {
		got, err := h.Half(ctx, m)
		if err != nil || !bytes.Equal(got, half(from+i)) {
			t.Fatalf("half %d is %x (%v)", from+i, got, err)
		}
	}
}

func halvesComeBack(t *testing.T, h datapoints.Halves, reopen func() datapoints.Halves) {
	first := keep(t, h, 0, 1)
	second := keep(t, h, 1, 300)
	sameHalves(t, h, 0, first)
	sameHalves(t, h, 1, second)
	sameHalves(t, reopen(), 0, append(first, second...))
	for _, mark := range [][]byte{nil, {1}, bytes.Repeat([]byte{255}, 12), append(bytes.Clone(first[0]), 0)} {
		if got, err := h.Half(ctx, mark); !errors.Is(err, datapoints.ErrCorrupt) {
			t.Errorf("of the mark %x: %x, %v", mark, got, err)
		}
	}
}

func halfIsDestroyed(t *testing.T, h datapoints.Halves, reopen func() datapoints.Halves) {
	marks := keep(t, h, 0, 5)
	for range 2 {
		if err := h.Destroy(ctx, marks[1], marks[3]); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Destroy(ctx, bytes.Repeat([]byte{255}, 12)); err != nil {
		t.Errorf("destroying what is not there: %v", err)
	}
	for _, h := range []datapoints.Halves{h, reopen()} {
		for _, i := range []int{1, 3} {
			if got, err := h.Half(ctx, marks[i]); !errors.Is(err, datapoints.ErrDestroyed) {
				t.Errorf("a destroyed half: %x, %v", got, err)
			}
		}
		for _, i := range []int{0, 2, 4} {
			sameHalves(t, h, i, marks[i:i+1])
		}
	}
	sameHalves(t, h, 7, keep(t, h, 7, 9))
}

func halvesRace(t *testing.T, h datapoints.Halves, reopen func() datapoints.Halves) {
	var all sync.WaitGroup
	marks := make([][][]byte, 16)
	for i := range marks {
		all.Go(func() {
			h := h
			if i%2 == 1 {
				h = reopen()
			}
			for n := range 5 {
				got, err := h.Keep(ctx, half(10*i+n))
				if err != nil {
					t.Error(err)
					return
				}
				marks[i] = append(marks[i], got...)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for i := range marks {
		sameHalves(t, h, 10*i, marks[i])
		for _, m := range marks[i] {
			if seen[string(m)] {
				t.Errorf("the mark %x was given twice", m)
			}
			seen[string(m)] = true
		}
	}
}

func halvesDone(t *testing.T, h datapoints.Halves, _ func() datapoints.Halves) {
	marks := keep(t, h, 0, 1)
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err := h.Keep(done, half(1))
	_, err2 := h.Half(done, marks[0])
	err3 := h.Destroy(done, marks[0])
	for i, err := range []error{err, err2, err3} {
		if !errors.Is(err, context.Canceled) {
			t.Error(fmt.Sprint("method ", i), err)
		}
	}
	sameHalves(t, h, 0, marks)
}
