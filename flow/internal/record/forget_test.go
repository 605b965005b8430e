package record

import (
	"slices"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

var (
	done    = datapoints.Row{N: 1, Status: 200, Last: datapoints.Outcome{Status: datapoints.Done}}
	unknown = datapoints.Row{N: 1, Last: datapoints.Outcome{Status: datapoints.Broke, Kind: plan.Unknown}}
)

func open(count int) datapoints.Row {
	return datapoints.Row{Enter: datapoints.Outcome{Status: datapoints.Open, Count: count}}
}

func left(count int) datapoints.Row {
	r := open(count)
	r.Last.Status = datapoints.Done
	return r
}

type put struct {
	path string
	row  datapoints.Row
}

func TestAnIterationThatEndedWellIsLetGo(t *testing.T) {
	t.Parallel()
	broke := datapoints.Row{Last: datapoints.Outcome{Status: datapoints.Broke, Kind: "http"}}
	doubt := unknown
	doubt.Origin = "a[0].b"
	for name, c := range map[string]struct {
		puts []put
		kept []string // paths of rows in memory after
		over []string // paths that are still known to have ended well
	}{
		"of one call":                   {[]put{{"a", open(2)}, {"a[0]", done}}, []string{"a"}, []string{"a[0]"}},
		"of a block":                    {[]put{{"a", open(2)}, {"a[0]", open(0)}, {"a[0].b", done}, {"a[0].c.d", done}, {"a[0]", left(0)}}, []string{"a"}, []string{"a[0]"}},
		"that goes on":                  {[]put{{"a", open(2)}, {"a[0]", open(0)}, {"a[0].b", done}}, []string{"a", "a[0]", "a[0].b"}, []string{"a[0].b"}},
		"that failed":                   {[]put{{"a", open(2)}, {"a[1]", broke}}, []string{"a", "a[1]"}, nil},
		"beside one that goes on":       {[]put{{"a", open(80)}, {"a[70]", done}, {"a[7]", open(0)}, {"a[7].b", done}}, []string{"a", "a[7]", "a[7].b"}, []string{"a[70]", "a[7].b"}},
		"with a call that is not known": {[]put{{"a", open(1)}, {"a[0]", open(0)}, {"a[0].b", doubt}, {"a[0]", left(0)}}, []string{"a", "a[0]", "a[0].b"}, []string{"a[0]"}},
		"with a loop and its failures": {[]put{{"a", open(1)}, {"a[0]", open(0)}, {"a[0].b", open(2)}, {"a[0].b[0]", done}, {"a[0].b[1]", broke}, {"a[0].b", left(2)}, {"a[0]", left(0)}},
			[]string{"a"}, []string{"a[0]"}},
		"but not a clause of catch": {[]put{{"x.catch[0]", left(0)}}, []string{"x.catch[0]"}, []string{"x.catch[0]"}},
		"in a round":                {[]put{{"x#1.a", open(1)}, {"x#1.a[0]", done}}, []string{"x#1.a"}, []string{"x#1.a[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewState(&datapoints.Memory{}, "run", 1)
			for _, p := range c.puts {
				s.Put(&datapoints.Record{Path: p.path, Row: p.row})
			}
			var kept []string
			for path := range s.rows {
				kept = append(kept, path)
			}
			slices.Sort(kept)
			if !slices.Equal(kept, c.kept) {
				t.Errorf("kept %q, want %q", kept, c.kept)
			}
			for _, path := range c.over {
				if r := s.Row(path); r.Last.Status != datapoints.Done {
					t.Errorf("%s is not known to be over: %+v", path, r.Last)
				}
			}
			if r := s.Row("a[1]"); r.Last.Status == datapoints.Done {
				t.Error("an iteration that was not recorded counts as over")
			}
		})
	}
}
