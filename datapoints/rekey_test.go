package datapoints_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/storetest"
)

// memoryHalves keeps halves as long as the test lives.
type memoryHalves struct {
	mu   sync.Mutex
	list [][]byte
}

func (h *memoryHalves) Keep(ctx context.Context, list ...[]byte) (marks [][]byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, half := range list {
		h.list = append(h.list, bytes.Clone(half))
		marks = append(marks, []byte(fmt.Sprintf("%04d", len(h.list)-1)))
	}
	return marks, nil
}

// place is where the half of a mark is, -1 if there is none.
func (h *memoryHalves) place(mark []byte) int {
	n, err := strconv.Atoi(string(mark))
	if err != nil || len(mark) != 4 || n >= len(h.list) {
		return -1
	}
	return n
}

func (h *memoryHalves) Half(ctx context.Context, mark []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.place(mark)
	if n < 0 {
		return nil, datapoints.ErrCorrupt
	}
	if h.list[n] == nil {
		return nil, datapoints.ErrDestroyed
	}
	return bytes.Clone(h.list[n]), nil
}

func (h *memoryHalves) Destroy(ctx context.Context, marks ...[]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, mark := range marks {
		if n := h.place(mark); n >= 0 {
			h.list[n] = nil
		}
	}
	return nil
}

func TestHalvesInMemoryKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunHalves(t, func(*testing.T) (datapoints.Halves, func() datapoints.Halves) {
		h := new(memoryHalves)
		return h, func() datapoints.Halves { return h }
	})
}

func TestAStoreWithHalvesApartKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) datapoints.Store {
		return datapoints.Keys{Master: datapoints.NewMasterKey(), Halves: new(memoryHalves)}.Seal(new(datapoints.Memory))
	})
}

var (
	background = context.Background()
	noonish    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
)

// sealedRuns makes n runs with a value each.
func sealedRuns(t *testing.T, s datapoints.Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		l := datapoints.Lease{Run: fmt.Sprintf("r%04d", n), Owner: "me", Epoch: 1}
		err := s.Create(background, datapoints.Run{ID: l.Run, Inputs: datapoints.Text(l.Run).Mark(datapoints.Sensitive, "in"), Lease: l})
		if err == nil {
			err = s.Commit(background, l, datapoints.Record{Path: "a", Points: []datapoints.Point{{Slot: datapoints.Slot{Name: "x"}, Step: "a", Value: datapoints.Text(l.Run)}}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// allOpen says whether n runs open, as a process that begins now would see it.
func allOpen(s datapoints.Store, n int) error {
	list, err := s.List(background, datapoints.Filter{})
	if err != nil || len(list) != n {
		return fmt.Errorf("%d runs: %w", len(list), err)
	}
	for _, r := range list {
		c, err := s.Read(background, r.ID, datapoints.Query{Slots: []datapoints.Slot{{Name: "x"}}})
		if err != nil {
			return err
		}
		if r.Inputs.RevealText() != r.ID || c.Points[0].Value.RevealText() != r.ID {
			return errors.New(r.ID + " holds something else")
		}
	}
	return nil
}

// mortal is a store that dies after some batches.
type mortal struct {
	datapoints.Rekeyer
	lives int
}

var errKilled = errors.New("killed")

func (m *mortal) Rekey(ctx context.Context, c ...datapoints.KeyChange) (int, error) {
	if m.lives--; m.lives < 0 {
		return 0, errKilled
	}
	return m.Rekeyer.Rekey(ctx, c...)
}

func TestARotationThatIsKilledGoesOnAndOldAndNewAreReadMeanwhile(t *testing.T) {
	t.Parallel()
	const runs = 450 // several batches
	for _, halves := range []datapoints.Halves{nil, new(memoryHalves)} {
		below := new(datapoints.Memory)
		before, after := datapoints.NewMasterKey(), datapoints.NewMasterKey()
		sealedRuns(t, datapoints.Keys{Master: before, Halves: halves}.Seal(below), 0, runs)
		both := datapoints.Keys{Master: after, Older: []datapoints.KeyWrapper{datapoints.NewMasterKey(), before}, Halves: halves}
		for kill := range 4 {
			r, err := datapoints.Rewrap(background, &mortal{below, 1}, both)
			if !errors.Is(err, errKilled) || r.Done != 100 || r.Before != min(r.Before, 100*kill) {
				t.Fatalf("%+v, %v", r, err)
			}
			if err := allOpen(both.Seal(below), runs); err != nil {
				t.Fatalf("after %d batches: %v", kill+1, err)
			}
			if err := allOpen(datapoints.Keys{Master: after, Halves: halves}.Seal(below), runs); !errors.Is(err, datapoints.ErrKey) {
				t.Fatalf("without the key from before: %v", err)
			}
		}
		r, err := datapoints.Rewrap(background, below, both)
		if err != nil || r.Done != 50 || r.Before != 400 || len(r.Failed) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		if err := allOpen(datapoints.Keys{Master: after, Halves: halves}.Seal(below), runs); err != nil {
			t.Error(err)
		}
		if err := allOpen(datapoints.Keys{Master: before, Halves: halves}.Seal(below), runs); !errors.Is(err, datapoints.ErrKey) {
			t.Errorf("the key from before: %v", err)
		}
	}
}

// busy is a store in which others go on while keys are replaced.
type busy struct {
	datapoints.Rekeyer
	meanwhile []func()
}

func (b *busy) Rekey(ctx context.Context, c ...datapoints.KeyChange) (int, error) {
	if len(b.meanwhile) > 0 {
		b.meanwhile[0]()
		b.meanwhile = b.meanwhile[1:]
	}
	return b.Rekeyer.Rekey(ctx, c...)
}

func TestRunsThatComeAndGoWhileKeysAreReplaced(t *testing.T) {
	t.Parallel()
	below := new(datapoints.Memory)
	before, after := datapoints.NewMasterKey(), datapoints.NewMasterKey()
	old := datapoints.Seal(below, before)
	sealedRuns(t, old, 0, 120)
	both := datapoints.Keys{Master: after, Older: []datapoints.KeyWrapper{before}}
	s := &busy{below, []func(){
		func() { sealedRuns(t, old, 120, 130) },
		func() {
			if err := old.Delete(background, "r0001"); err != nil {
				t.Error(err)
			}
			sealedRuns(t, both.Seal(below), 130, 135)
		},
	}}
	r, err := datapoints.Rewrap(background, s, both)
	if err != nil || r.Done != 129 || r.Before != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if err := allOpen(datapoints.Seal(below, after), 134); err != nil {
		t.Error(err)
	}
	// The process that was there before goes on with its runs.
	l := datapoints.Lease{Run: "r0125", Owner: "me", Epoch: 1}
	if err := old.Commit(background, l, datapoints.Record{Path: "b", At: noonish, Row: datapoints.Row{Hidden: datapoints.Text("h")}, End: &datapoints.Run{State: datapoints.Succeeded}}); err != nil {
		t.Error(err)
	}
	if run, err := old.Load(background, "r0125"); err != nil || run.Inputs.RevealText() != "r0125" {
		t.Errorf("%v, %v", run.Inputs, err)
	}
}

// forgetful is a key that does not undo what it does.
type forgetful struct{ datapoints.MasterKey }

func (f forgetful) Unwrap(ctx context.Context, w []byte) ([]byte, error) {
	key, err := f.MasterKey.Unwrap(ctx, w)
	if err == nil {
		key[0]++
	}
	return key, err
}

func TestWhatCannotBeRewrappedStaysAsItIs(t *testing.T) {
	t.Parallel()
	below := new(datapoints.Memory)
	before := datapoints.NewMasterKey()
	sealedRuns(t, datapoints.Seal(below, before), 0, 3)
	if err := below.Create(background, datapoints.Run{ID: "r9998"}, datapoints.Run{ID: "r9999", Key: []byte{9}}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keys   datapoints.Keys
		failed int
		is     error
	}{
		"the key from before is not given": {datapoints.Keys{Master: datapoints.NewMasterKey()}, 4, datapoints.ErrKey},
		"the new key forgets":              {datapoints.Keys{Master: forgetful{datapoints.NewMasterKey()}, Older: []datapoints.KeyWrapper{before}}, 4, nil},
	} {
		r, err := datapoints.Rewrap(background, below, c.keys)
		if err != nil || r.Done != 0 || r.Unsealed != 1 || len(r.Failed) != c.failed {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if c.is != nil && !slices.ContainsFunc(r.Failed, func(err error) bool { return errors.Is(err, c.is) }) {
			t.Errorf("%s: %v", name, r.Failed)
		}
		if !slices.ContainsFunc(r.Failed, func(err error) bool {
			return errors.Is(err, datapoints.ErrCorrupt) && strings.Contains(err.Error(), "r9999")
		}) {
			t.Errorf("%s: the damaged key is not told: %v", name, r.Failed)
		}
	}
	for _, run := range []string{"r0000", "r0001", "r0002"} {
		if _, err := datapoints.Seal(below, before).Load(background, run); err != nil {
			t.Error(err)
		}
	}
}

func TestTokensAreSealedAnewWithTheNewKey(t *testing.T) {
	t.Parallel()
	below := new(datapoints.MemoryTokens)
	before, after := datapoints.NewMasterKey(), datapoints.NewMasterKey()
	old := datapoints.SealTokens(below, before)
	entry := func(key string) datapoints.TokenEntry {
		return datapoints.TokenEntry{Key: key, Generation: 1, Name: "ehr", Rejected: true, Expires: noonish, Secret: datapoints.Text("t-"+key).Mark(datapoints.Sensitive, "token")}
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := old.PutToken(background, entry(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.PutToken(background, datapoints.TokenEntry{Key: "#note", Generation: 1, Secret: datapoints.Text("t-#note")}); err != nil {
		t.Fatal(err)
	}
	both := datapoints.Keys{Master: after, Older: []datapoints.KeyWrapper{before}}
	r, err := datapoints.RewrapTokens(background, &slowTokens{below, func() {
		e := entry("b") // somebody is faster
		e.Generation, e.Secret = 2, datapoints.Text("newer")
		if err := old.PutToken(background, e); err != nil {
			t.Error(err)
		}
	}}, both)
	if err != nil || r.Done != 3 || len(r.Failed) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	sealed := datapoints.SealTokens(below, after)
	for key, want := range map[string]string{"a": "t-a", "b": "newer", "c": "t-c"} {
		e, err := sealed.Token(background, key)
		if err != nil || e.Secret.RevealText() != want || !e.Expires.Equal(noonish) || !e.Rejected || e.Name != "ehr" {
			t.Errorf("%s: %+v, %v", key, e, err)
		}
	}
	if e, err := sealed.Token(background, "#note"); err != nil || e.Secret.RevealText() != "t-#note" {
		t.Errorf("the note, which is no token, was left behind: %v", err)
	}
	if r, err := datapoints.RewrapTokens(background, below, both); err != nil || r.Done != 0 || r.Before != 3 {
		t.Errorf("again: %+v, %v", r, err)
	}
	if r, err := datapoints.RewrapTokens(background, below, datapoints.Keys{Master: datapoints.NewMasterKey()}); err != nil || len(r.Failed) != 4 || !errors.Is(r.Failed[0], datapoints.ErrKey) {
		t.Errorf("without the key: %+v, %v", r, err)
	}
}

// slowTokens lets somebody be faster once.
type slowTokens struct {
	*datapoints.MemoryTokens
	once func()
}

func (s *slowTokens) PutToken(ctx context.Context, e datapoints.TokenEntry) error {
	if e.Key == "b" && s.once != nil {
		s.once()
		s.once = nil
	}
	return s.MemoryTokens.PutToken(ctx, e)
}

func TestARemovedRunIsNotOpenedFromAnOlderCopy(t *testing.T) {
	t.Parallel()
	below, halves := new(datapoints.Memory), new(memoryHalves)
	keys := datapoints.Keys{Master: datapoints.NewMasterKey(), Halves: halves}
	sealedRuns(t, keys.Seal(below), 0, 2)
	copied, err := below.Load(background, "r0000")
	if err != nil {
		t.Fatal(err)
	}
	if err := (datapoints.Keys{Halves: halves}).Seal(below).Delete(background, "r0000"); err != nil {
		t.Fatal(err)
	}
	older := new(datapoints.Memory)
	if err := older.Create(background, copied); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Seal(older).Load(background, "r0000"); !errors.Is(err, datapoints.ErrDestroyed) {
		t.Errorf("the copy opens: %v", err)
	}
	if err := allOpen(keys.Seal(below), 1); err != nil {
		t.Errorf("the other run: %v", err)
	}
	if _, err := datapoints.Seal(below, keys.Master).Load(background, "r0001"); !errors.Is(err, datapoints.ErrKey) {
		t.Errorf("without the halves: %v", err)
	}
	if _, err := (datapoints.Keys{}).Seal(below).Load(background, "r0001"); !errors.Is(err, datapoints.ErrKey) {
		t.Errorf("without any key: %v", err)
	}
	if err := (datapoints.Keys{}).Seal(below).Create(background, datapoints.Run{ID: "new"}); err == nil {
		t.Error("a run was made without a key")
	}
}

func TestTheKeyOfARunIsNamedWithoutOpeningIt(t *testing.T) {
	t.Parallel()
	for _, halves := range []datapoints.Halves{nil, new(memoryHalves)} {
		below, key := new(datapoints.Memory), datapoints.NewMasterKey()
		sealedRuns(t, datapoints.Keys{Master: key, Halves: halves}.Seal(below), 0, 1)
		run, err := below.Load(background, "r0000")
		if err != nil {
			t.Fatal(err)
		}
		if id, err := datapoints.KeyID(run.Key); err != nil || id != key.ID() {
			t.Errorf("%q, %v", id, err)
		}
		for n := range len(run.Key) {
			if id, err := datapoints.KeyID(run.Key[:n]); n > 0 && err != nil && !errors.Is(err, datapoints.ErrCorrupt) {
				t.Errorf("%d bytes: %q, %v", n, id, err)
			}
		}
	}
	if id, err := datapoints.KeyID(nil); id != "" || err != nil {
		t.Errorf("no key: %q, %v", id, err)
	}
}
