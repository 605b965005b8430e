package inbox

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// nth is the name in the store of the n-th message of a callback, from 1.
func nth(name string, n int) string {
	if n == 1 {
		return name
	}
	return name + "#" + strconv.Itoa(n)
}

// count is how many messages of a callback are among a run's.
func count(mail []datapoints.Message, name string) (n int) {
	for ; has(mail, nth(name, n+1)); n++ {
	}
	return n
}

func has(mail []datapoints.Message, name string) bool {
	return slices.ContainsFunc(mail, func(m datapoints.Message) bool { return m.Name == name })
}

// Newest gives the message of a callback that counts, and how many there are of
// it: 0 if none has come yet. The error is the store's.
func Newest(ctx context.Context, s datapoints.Store, run, name string) (m datapoints.Message, n int, err error) {
	got, err := s.Read(ctx, run, datapoints.Query{Mail: true, Open: name})
	if n = count(got.Mail, name); n > 1 {
		got, err = s.Read(ctx, run, datapoints.Query{Mail: true, Open: nth(name, n)})
	}
	if err != nil {
		return m, 0, err
	}
	for _, one := range got.Mail {
		if n > 0 && one.Name == nth(name, n) {
			m = one
		}
	}
	return m, n, nil
}

// Over says of a run how it ended.
func Over(r datapoints.Run) string {
	word := "has"
	switch r.State {
	case "":
		return "the run is over"
	case datapoints.Cancelled:
		word = "was"
	}
	return "the run is over: it " + word + " " + string(r.State) + " (" + r.Ended.UTC().Truncate(time.Second).Format(time.RFC3339) + ")"
}

// Instead gives the name under which a message takes the place of those that
// have come, if the run has failed at a step because the last of them was not
// what that expects: the step has recorded how many there were, which heard
// takes out of its row. Otherwise the error is datapoints.ErrDelivered, or the
// store's. The step is nil if the run did not fail at one.
func Instead(ctx context.Context, s datapoints.Store, step *plan.Node, run datapoints.Run, name string, heard func(datapoints.Row) int) (string, error) {
	if run.State != datapoints.Failed || step == nil || step.Kind != plan.Callback || step.Work.Message.Name != name {
		return "", datapoints.ErrDelivered
	}
	got, err := s.Read(ctx, run.ID, datapoints.Query{Rows: true, Mail: true})
	if err != nil {
		return "", err
	}
	n := count(got.Mail, name)
	for _, e := range got.Rows {
		if e.Path == run.At && heard(e.Row) == n {
			return nth(name, n+1), nil
		}
	}
	return "", datapoints.ErrDelivered
}
