package datapoints

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	bg   = context.Background()
	mine = Lease{Run: "r1", Owner: "me", Epoch: 1}
)

// sealedRun gives a memory store with one sealed run, and the store below.
func sealedRun(t *testing.T, key KeyWrapper) (Store, *Memory) {
	t.Helper()
	var m Memory
	s := Seal(&m, key)
	must(t, s.Create(bg, Run{ID: "r1", Inputs: Text(canary), Lease: mine}))
	v := Text(canary).Mark(Sensitive, "label-"+canary)
	must(t, s.Commit(bg, mine, Record{Path: "a", Row: Row{N: 1, Hidden: v}, Attempts: []Attempt{{N: 1, Message: v}},
		Points: []Point{{Slot: Slot{"", "x"}, Step: "a", Attempt: 1, Value: v}, {Slot: Slot{"", "y"}, Step: "a", Attempt: 1, Value: Text("other")}},
		End:    &Run{State: Running, Outputs: v, Failure: v}}))
	return s, &m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func everything(s Store) error {
	_, err := s.Load(bg, "r1")
	_, err2 := s.Read(bg, "r1", Query{Rows: true, Attempts: true, History: true})
	_, err3 := s.List(bg, Filter{})
	return errors.Join(err, err2, err3)
}

func TestNothingOfAValueIsInTheStoreBelowASealedOne(t *testing.T) {
	_, m := sealedRun(t, NewMasterKey())
	r := m.runs["r1"]
	values := []Value{r.run.Inputs, r.run.Outputs, r.run.Failure, r.order[0].hidden, r.row("a").attempts[0].Message, r.points[0].Value}
	for _, v := range values {
		text := v.RevealText()
		b, err := base64.RawStdEncoding.DecodeString(text)
		if err != nil || v.Class() != Plain || strings.Contains(string(b), canary) || b[0] != 1 || b[1] != 4 {
			t.Errorf("kept as %s, %x, %v", text, b, err)
		}
	}
	if !strings.HasPrefix(string(r.run.Key), "\x01\x10") {
		t.Errorf("the run's key is kept as %x", r.run.Key)
	}
}

func TestAnotherMasterKeyDoesNotFit(t *testing.T) {
	_, m := sealedRun(t, NewMasterKey())
	other := Seal(m, NewMasterKey())
	for name, err := range map[string]error{
		"everything": everything(other),
		"Commit":     other.Commit(bg, mine, Record{Path: "b"}),
	} {
		if !errors.Is(err, ErrKey) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	list, err := other.List(bg, Filter{})
	if len(list) != 1 || list[0].ID != "r1" || !list[0].Inputs.IsZero() || !errors.Is(err, ErrKey) {
		t.Errorf("List: %+v, %v", list, err)
	}
	must(t, other.Delete(bg, "r1"))
}

func TestTheSameMasterKeyOpensInAnotherProcess(t *testing.T) {
	key := NewMasterKey()
	_, m := sealedRun(t, key)
	again, err := ParseMasterKey(key.Encode())
	must(t, err)
	s := Seal(m, again)
	must(t, everything(s))
	c, err := s.Read(bg, "r1", Query{Slots: []Slot{{"", "x"}}})
	must(t, err)
	if v := c.Points[0].Value; v.RevealText() != canary || v.Class() != Sensitive || v.Label() != "label-"+canary {
		t.Errorf("%s %s", v.Class(), v.Label())
	}
}

func TestEveryChangedBitIsFound(t *testing.T) {
	key := NewMasterKey()
	_, m := sealedRun(t, key)
	fresh := func() error { return everything(Seal(m, key)) }
	must(t, fresh())
	r := m.runs["r1"]
	for name, v := range map[string]*Value{
		"inputs": &r.run.Inputs, "outputs": &r.run.Outputs, "failure": &r.run.Failure,
		"hidden": &r.order[0].hidden, "message": &r.row("a").attempts[0].Message, "point": &r.points[0].Value,
	} {
		was := *v
		text := was.Reveal()
		for i := range len(text) {
			for _, c := range []byte{text[i] ^ 1, text[i] ^ 2, '"', '\\', 0} {
				if c == text[i] {
					continue
				}
				*v = JSON(text[:i] + string(rune(c)) + text[i+1:])
				if err := fresh(); !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), canary) {
					t.Fatalf("%s: at %d %q instead of %q: %v", name, i, c, text[i], err)
				}
			}
		}
		for _, cut := range []int{1, 2, 3, len(text) / 2, len(text) - 1} {
			*v = JSON(text[:cut])
			if err := fresh(); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%s: cut at %d: %v", name, cut, err)
			}
		}
		*v = was
	}
	for i := range r.run.Key {
		r.run.Key[i] ^= 0x10
		if err := fresh(); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrKey) {
			t.Fatalf("the key changed at %d: %v", i, err)
		}
		r.run.Key[i] ^= 0x10
	}
	must(t, fresh())
}

func TestAValueThatWasMovedCannotBeOpened(t *testing.T) {
	key := NewMasterKey()
	v := Text(canary)
	for name, move := range map[string]func(r *memoryRun){
		"to another name":    func(r *memoryRun) { r.points[0].Name = "z" },
		"to another scope":   func(r *memoryRun) { r.points[0].Scope = "z" },
		"to another step":    func(r *memoryRun) { r.points[0].Step = "z" },
		"to another attempt": func(r *memoryRun) { r.points[0].Attempt = 2 },
		"points exchanged": func(r *memoryRun) {
			r.points[0].Value, r.points[1].Value = r.points[1].Value, r.points[0].Value
		},
		"row of another path":   func(r *memoryRun) { r.order[0].path = "z" },
		"row of another number": func(r *memoryRun) { r.order[0].n = 2 },
		"attempt's number":      func(r *memoryRun) { r.row("a").attempts[0].N = 2 },
		"attempt's path":        func(r *memoryRun) { r.order = append(r.order, &memoryRow{path: "z", attempts: r.row("a").attempts}) },
		"row into point":        func(r *memoryRun) { r.points[0].Value = r.order[0].hidden },
		"outputs into inputs":   func(r *memoryRun) { r.run.Inputs = r.run.Outputs },
		"outputs into failure":  func(r *memoryRun) { r.run.Failure = r.run.Outputs },
		"not sealed":            func(r *memoryRun) { r.run.Outputs = v },
		"another run":           func(r *memoryRun) { r.run.ID = "r2" },
	} {
		_, m := sealedRun(t, key)
		move(m.runs["r1"])
		if err := everything(Seal(m, key)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, place := range [][2][]string{{{"ab", "c"}, {"a", "bc"}}, {{"a", ""}, {"a"}}, {{"", "a"}, {"a", ""}}} {
		if string(associated(place[0])) == string(associated(place[1])) {
			t.Errorf("%q and %q are the same place", place[0], place[1])
		}
	}
}

func TestASealedMessageThatWasMovedCannotBeOpened(t *testing.T) {
	key := NewMasterKey()
	leave := func(s Store, run, name string) {
		t.Helper()
		m := Message{Name: name, At: time.Unix(1, 0), Body: Text(canary).Mark(Sensitive, name)}
		must(t, s.Commit(bg, Lease{Run: run}, Record{Bare: true, Message: &m}))
	}
	for name, move := range map[string]func(r, other *memoryRun){
		"to another name":     func(r, _ *memoryRun) { r.mail[0].Name, r.mail[1].Name = "later", "decision" },
		"between two names":   func(r, _ *memoryRun) { r.mail[0].Body, r.mail[1].Body = r.mail[1].Body, r.mail[0].Body },
		"from another run":    func(r, other *memoryRun) { r.mail[0].Body = other.mail[0].Body },
		"from a data point":   func(r, _ *memoryRun) { r.mail[0].Body = r.points[0].Value },
		"not sealed":          func(r, _ *memoryRun) { r.mail[0].Body = Text(canary) },
		"without its content": func(r, _ *memoryRun) { r.mail[0].Body = Text("") },
	} {
		s, m := sealedRun(t, key)
		must(t, s.Create(bg, Run{ID: "r2"}))
		leave(s, "r1", "decision")
		leave(s, "r1", "later")
		leave(s, "r2", "decision")
		open := Query{Mail: true, Open: "decision"}
		if c, err := s.Read(bg, "r1", open); err != nil || c.Mail[0].Body.RevealText() != canary {
			t.Fatal(c.Mail, err)
		}
		if text := m.runs["r1"].mail[0].Body.Reveal(); strings.Contains(text, canary) {
			t.Errorf("kept as %s", text)
		}
		move(m.runs["r1"], m.runs["r2"])
		if c, err := Seal(m, key).Read(bg, "r1", open); !errors.Is(err, ErrCorrupt) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v, %v", name, c.Mail, err)
		}
	}
}

func TestRunsThatWereStartedWithoutAKeyStayReadable(t *testing.T) {
	var m Memory
	must(t, m.Create(bg, Run{ID: "r1", Inputs: Text("plain"), Lease: mine}))
	must(t, m.Commit(bg, mine, Record{Path: "a", Row: Row{Hidden: Text("h")}}))
	s := Seal(&m, NewMasterKey())
	must(t, everything(s))
	r, err := s.Load(bg, "r1")
	if err != nil || r.Inputs.RevealText() != "plain" {
		t.Errorf("%v, %v", r.Inputs, err)
	}
	must(t, s.Commit(bg, mine, Record{Path: "b", Row: Row{Hidden: Text("h")}}))
	v := Text(canary).Mark(Sensitive, "x")
	for name, c := range map[string]Record{
		"hidden": {Row: Row{Hidden: v}}, "point": {Points: []Point{{Value: v}}}, "attempt": {Attempts: []Attempt{{Message: v}}},
		"outputs": {End: &Run{Outputs: v}}, "failure": {End: &Run{Failure: v}}, "personal": {Points: []Point{{Value: Text("x").Mark(PII, "x")}}},
	} {
		if err := s.Commit(bg, mine, c); err == nil {
			t.Errorf("%s: something sensitive was recorded", name)
		}
	}
	c, err := s.Read(bg, "r1", Query{Rows: true})
	if err != nil || len(c.Rows) != 2 || c.Rows[1].Row.Hidden.RevealText() != "h" {
		t.Errorf("%v, %v", c, err)
	}
}

func TestUnwrappedKeysAreBounded(t *testing.T) {
	s := Seal(new(Memory), NewMasterKey()).(*sealed)
	lease := func(i int) Lease { return Lease{Run: fmt.Sprint("r", i), Owner: "me", Epoch: 1} }
	for i := range 3 * maxRunKeys {
		must(t, s.Create(bg, Run{ID: fmt.Sprint("r", i), Lease: lease(i)}))
		if i%2 == 0 {
			must(t, s.Commit(bg, lease(i), Record{Bare: true, End: &Run{State: Succeeded}}))
		}
	}
	if len(s.keys) > maxRunKeys || len(s.recent) > 2*maxRunKeys {
		t.Errorf("%d keys, %d recent", len(s.keys), len(s.recent))
	}
	for i := 1; i < 3*maxRunKeys; i += 2 {
		must(t, s.Commit(bg, lease(i), Record{Path: "a", Row: Row{Hidden: Text("x")}}))
	}
	if len(s.keys) > maxRunKeys || len(s.recent) > 2*maxRunKeys {
		t.Errorf("%d keys, %d recent", len(s.keys), len(s.recent))
	}
}

func TestAMasterKeyIsReadInEveryCommonForm(t *testing.T) {
	key := NewMasterKey()
	raw, err := base64.StdEncoding.DecodeString(key.Encode())
	must(t, err)
	for _, text := range []string{
		key.Encode(), key.Encode() + "\n", " \t" + key.Encode() + "\r\n", hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
		base64.RawStdEncoding.EncodeToString(raw), base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	} {
		k, err := ParseMasterKey(text)
		if err != nil || k.Encode() != key.Encode() || k.ID() != key.ID() {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{"", " \n", "secret-passphrase", strings.Repeat("z", 64), key.Encode()[:40], key.Encode() + "AAAA", hex.EncodeToString(raw[:31])} {
		_, err := ParseMasterKey(text)
		if err == nil || (len(text) > 3 && strings.Contains(err.Error(), strings.TrimSpace(text))) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAMasterKeyIsNotShown(t *testing.T) {
	key := NewMasterKey()
	raw, _ := base64.StdEncoding.DecodeString(key.Encode())
	type holder struct{ k MasterKey }
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %d %p %e") {
		for _, x := range []any{key, &key, holder{key}, &holder{key}, []MasterKey{key}, Seal(new(Memory), key)} {
			shown := fmt.Sprintf(verb, x)
			for _, form := range []string{key.Encode(), hex.EncodeToString(raw), strings.Trim(fmt.Sprint(raw), "[]"), string(raw)} {
				if strings.Contains(shown, form) {
					t.Errorf("%s of %T shows the key", verb, x)
				}
			}
		}
	}
	if (MasterKey{}).Encode() != "" {
		t.Error("there is a key in the zero MasterKey")
	}
	if err := Seal(new(Memory), MasterKey{}).Create(bg, Run{ID: "r1"}); err == nil {
		t.Error("the zero MasterKey was used")
	}
}

func TestAFailingKeyServiceFailsCreate(t *testing.T) {
	broken := errors.New("the service does not answer")
	s := Seal(new(Memory), brokenWrapper{broken})
	if err := s.Create(bg, Run{ID: "r1"}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if list, err := s.List(bg, Filter{}); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

type brokenWrapper struct{ err error }

func (b brokenWrapper) ID() string                                     { return "broken" }
func (b brokenWrapper) Wrap(context.Context, []byte) ([]byte, error)   { return nil, b.err }
func (b brokenWrapper) Unwrap(context.Context, []byte) ([]byte, error) { return nil, b.err }

func benchmarkCommit(b *testing.B, s Store) {
	var l Lease
	at := time.Now()
	var paths []string
	for i := range 2000 {
		paths = append(paths, fmt.Sprintf("block%d.step%d", i/100, i))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(paths) == 0 {
			l = Lease{Run: fmt.Sprint("r", i), Owner: "me", Epoch: 1}
			if err := s.Create(bg, Run{ID: l.Run, Lease: l}); err != nil {
				b.Fatal(err)
			}
		}
		path := paths[i%len(paths)]
		err := s.Commit(bg, l, Record{Path: path, At: at, Row: Row{N: 1, Status: 200, Last: Outcome{Status: Done}, Started: at, Ended: at},
			Points: []Point{{Slot: Slot{Name: path}, Type: "string", Step: path, Attempt: 1, Source: "path id", At: at, Value: JSON(`"0123456789"`)}}})
		if err != nil {
			b.Fatal(err)
		}
		if i%len(paths) == len(paths)-1 {
			_ = s.Delete(bg, l.Run)
		}
	}
}

func BenchmarkCommitToMemory(b *testing.B) { benchmarkCommit(b, new(Memory)) }
func BenchmarkCommitToSealedMemory(b *testing.B) {
	benchmarkCommit(b, Seal(new(Memory), NewMasterKey()))
}
