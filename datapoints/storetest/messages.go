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

// leave leaves a message as somebody who does not own the run.
func (b *bench) leave(run, name, body string) error {
	m := datapoints.Message{Name: name, At: noon}
	if body != "" {
		m.Body = datapoints.JSON(body).Mark(datapoints.Sensitive, name)
	}
	return b.Commit(ctx, datapoints.Lease{Run: run}, datapoints.Record{Bare: true, Message: &m})
}

func (b *bench) wants(what string, err, want error) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func firstMessageStays(t *testing.T, b *bench) {
	b.must(b.Create(ctx, datapoints.Run{ID: id(1)}, datapoints.Run{ID: id(2)}))
	b.must(b.leave(id(1), "second", `{"n":1.0}`))
	b.must(b.leave(id(1), "first", "null"))
	b.must(b.leave(id(1), "", ""))
	b.wants("another one", b.leave(id(1), "second", `{"n":2}`), datapoints.ErrDelivered)
	b.wants("a second wish", b.leave(id(1), "", ""), datapoints.ErrDelivered)
	b.wants("a run that is not there", b.leave(id(3), "first", "1"), datapoints.ErrNotFound)
	b.must(b.leave(id(2), "second", "2"))

	mail := func(names ...string) (list []datapoints.Message) {
		for _, name := range names {
			list = append(list, datapoints.Message{Name: name, At: noon})
		}
		return list
	}
	b.same("all in their order, closed", b.read(id(1), datapoints.Query{Mail: true}).Mail, mail("second", "first", ""))
	opened := mail("second", "first", "")
	opened[0].Body = datapoints.JSON(`{"n":1.0}`).Mark(datapoints.Sensitive, "second")
	b.same("one is opened", b.read(id(1), datapoints.Query{Mail: true, Open: "second"}).Mail, opened)
	b.same("one that has not come", b.read(id(1), datapoints.Query{Mail: true, Open: "third"}).Mail, mail("second", "first", ""))
	b.same("of a run that is not there", b.read(id(3), datapoints.Query{Mail: true, Open: "first"}).Mail, []datapoints.Message(nil))
	b.same("nobody asked", b.all(id(1)).Mail, []datapoints.Message(nil))
	b.must(b.Delete(ctx, id(1)))
	b.must(b.Create(ctx, datapoints.Run{ID: id(1)}))
	b.same("of a run that was deleted", b.read(id(1), datapoints.Query{Mail: true}).Mail, []datapoints.Message(nil))
	b.same("of another run", b.read(id(2), datapoints.Query{Mail: true}).Mail, mail("second"))
}

func messageBesideTheOwner(t *testing.T, b *bench) {
	l := b.create()
	b.commit(l, datapoints.Record{Path: "a"})
	b.must(b.leave(l.Run, "result", "1"))
	b.commit(l, datapoints.Record{Path: "b"})
	m := datapoints.Message{Name: "other", At: noon}
	if err := b.Commit(ctx, l, datapoints.Record{Path: "c"}, datapoints.Record{Bare: true, Message: &m}); err == nil {
		t.Error("a message was committed with something else")
	}
	c := b.read(l.Run, datapoints.Query{Rows: true, Mail: true})
	if len(c.Rows) != 2 || len(c.Mail) != 1 {
		t.Errorf("%d rows and %d messages, want 2 and 1", len(c.Rows), len(c.Mail))
	}
}

func noMessageForWhatIsOver(t *testing.T, b *bench) {
	for state, want := range map[datapoints.State]error{
		datapoints.Running: nil, datapoints.Paused: nil, datapoints.Interrupted: nil, datapoints.Failed: nil, datapoints.Unknown: nil,
		datapoints.Succeeded: datapoints.ErrOver, datapoints.Cancelled: datapoints.ErrOver,
	} {
		l := b.create()
		b.commit(l, datapoints.Record{Bare: true, End: &datapoints.Run{State: state}})
		b.wants(string(state), b.leave(l.Run, "result", "1"), want)
		b.wants(string(state)+", the wish to cancel", b.leave(l.Run, "", ""), want)
	}
}

func messageRace(t *testing.T, b *bench) {
	l := b.create()
	var first, later atomic.Int32
	var g sync.WaitGroup
	for i := range 16 {
		g.Go(func() {
			m := datapoints.Message{Name: "result", At: noon.Add(time.Duration(i)), Body: datapoints.JSON(fmt.Sprint(i))}
			switch err := b.Commit(ctx, datapoints.Lease{Run: l.Run}, datapoints.Record{Bare: true, Message: &m}); {
			case err == nil:
				first.Add(1)
			case errors.Is(err, datapoints.ErrDelivered):
				later.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	g.Wait()
	if first.Load() != 1 || later.Load() != 15 {
		t.Errorf("%d messages were the first, %d came later", first.Load(), later.Load())
	}
}

// A note is for people: it is left for runs that are over, too, and any number
// may be.
func noteIsLeft(t *testing.T, b *bench) {
	l := b.create()
	note := func(name string) datapoints.Record {
		return datapoints.Record{Message: &datapoints.Message{Name: name, At: noon, Body: datapoints.Text("seen")}}
	}
	b.commit(l, datapoints.Record{Bare: true, End: &datapoints.Run{State: datapoints.Succeeded}})
	for _, name := range []string{"!one", "!two"} {
		b.must(b.Commit(ctx, datapoints.Lease{Run: l.Run}, note(name)))
	}
	if err := b.Commit(ctx, datapoints.Lease{Run: l.Run}, note("!one")); !errors.Is(err, datapoints.ErrDelivered) {
		t.Errorf("the same note again: %v", err)
	}
	if err := b.Commit(ctx, datapoints.Lease{Run: l.Run}, note("callback")); !errors.Is(err, datapoints.ErrOver) {
		t.Errorf("a message for a run that is over: %v", err)
	}
	c := b.read(l.Run, datapoints.Query{Mail: true, Open: "!two"})
	if len(c.Mail) != 2 || !c.Mail[0].IsNote() || !c.Mail[0].Body.IsZero() || c.Mail[1].Body.RevealText() != "seen" {
		t.Errorf("%+v", c.Mail)
	}
}
