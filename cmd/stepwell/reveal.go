package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A reveal is what is recorded when sensitive values of a run are shown. Who
// asked cannot be known: whoever has the key may read the store by other means.
type reveal struct {
	At    time.Time `json:"at"`
	With  string    `json:"with"`  // the verb
	Names []string  `json:"names"` // of the data points; "inputs" and "outputs" of a run's
}

// revealPrefix begins the names of the notes that hold reveals.
const revealPrefix = "!reveal "

// recordReveal records in a run that values are about to be shown. If that
// cannot be recorded they must not be shown.
func (c *Command) recordReveal(ctx context.Context, k *keeping, run, verb string, names ...string) error {
	if len(names) == 0 {
		return nil
	}
	r := reveal{At: millis(time.Now()), With: verb, Names: names}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	note := datapoints.Message{Name: revealPrefix + r.At.Format(time.RFC3339Nano) + " " + rand.Text()[:8], At: r.At, Body: datapoints.JSON(string(body))}
	if err := k.Commit(ctx, datapoints.Lease{Run: run}, datapoints.Record{Bare: true, Message: &note}); err != nil {
		return c.storeTrouble(k.file, err)
	}
	return nil
}

// reveals are those that are recorded in a run, the oldest first.
func (c *Command) reveals(ctx context.Context, k *keeping, run string) ([]reveal, error) {
	got, err := k.Read(ctx, run, datapoints.Query{Mail: true})
	if err != nil {
		return nil, c.storeTrouble(k.file, err)
	}
	list := []reveal{}
	for _, m := range got.Mail {
		if !strings.HasPrefix(m.Name, revealPrefix) {
			continue
		}
		opened, err := k.Read(ctx, run, datapoints.Query{Mail: true, Open: m.Name})
		if err != nil {
			return nil, c.storeTrouble(k.file, err)
		}
		r := reveal{At: millis(m.At)}
		if i := slices.IndexFunc(opened.Mail, func(o datapoints.Message) bool { return o.Name == m.Name }); i >= 0 {
			_ = json.Unmarshal([]byte(opened.Mail[i].Body.Reveal()), &r) // then only the time is known
		}
		list = append(list, r)
	}
	return list, nil
}

// hiddenNames are the data points of a list of which something is shown only on
// demand.
func (p *points) hiddenNames(list []datapoints.Point) (names []string) {
	for _, v := range list {
		if name := pathOf(v); p.shown(v.Value, false) != p.shown(v.Value, true) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// revealedByShow names what runs show shows only on demand.
func revealedByShow(r datapoints.Run, o flow.Outline, p *points, asJSON bool) (names []string) {
	if string(shownInputs(r, o, false)) != string(shownInputs(r, o, true)) {
		names = append(names, "inputs")
	}
	if !asJSON {
		return append(names, p.hiddenNames(p.current())...)
	}
	masked, _ := shownOutputs(r, o, p.redactor, false)
	whole, _ := shownOutputs(r, o, p.redactor, true)
	if !sameJSON(masked, whole) {
		names = append(names, "outputs")
	}
	return names
}

// sameJSON compares without white space and order.
func sameJSON(a, b json.RawMessage) bool {
	var x, y any
	return len(a) == 0 && len(b) == 0 || json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// revealedLine says for people when values were revealed.
func revealedLine(r reveal) string {
	return "revealed " + clock(r.At) + " by " + clean(r.With) + ": " + clean(strings.Join(r.Names, ", "))
}
