package flow_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// around calls f with one less than a limit, the limit, and one more, and says
// what came of each.
func around(t *testing.T, limit int, f func(n int) (datapoints.Run, error)) {
	t.Helper()
	for n := limit - 1; n <= limit+1; n++ {
		run, err := f(n)
		if over := err != nil; over != (n > limit) || over && failureOf(t, err).Kind != flow.KindLimit {
			t.Errorf("%d of %d: %s, %v", n, limit, end(run, err), err)
		}
	}
}

func TestACapturedValueHasAtMostOneMebibyte(t *testing.T) {
	t.Parallel()
	around(t, 1<<20, func(n int) (datapoints.Run, error) {
		w := &web{answer: func(hit) (flow.Result, error) { return ok(`{"v":"` + strings.Repeat("x", n-2) + `"}`), nil }}
		return (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, "steps:\n  - { id: a, action: web, save: { v: v } }\n"), nil)
	})
}

func TestALoopGoesOverAtMostAsManyItemsAsItsMax(t *testing.T) {
	t.Parallel()
	for limit, max := range map[int]string{1000: "", 5: ", max: 5"} {
		p := compileWeb(t, &web{}, "inputs: { n: list }\nsteps:\n  - { id: a, for_each: { in: inputs.n"+max+" }, set: { v: 1 } }\n")
		around(t, limit, func(n int) (datapoints.Run, error) {
			return (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"n": make([]int, n)})
		})
	}
}

func TestALoopsListHasAtMost32Mebibytes(t *testing.T) {
	t.Parallel()
	// [e,e,…,e] of 64 elements: two brackets and 63 commas.
	const limit, count = 32 << 20, 64
	p := compileWeb(t, &web{}, "inputs: { long: string, rest: string }\nsteps:\n  - id: a\n    for_each: { in: '1..64' }\n    steps:\n      - { id: s, if: item < 64, set: { v: '${{ inputs.long }}' }, else: [ { id: l, set: { v: '${{ inputs.rest }}' } } ] }\n")
	around(t, limit, func(n int) (datapoints.Run, error) {
		long := (limit - count - 1) / count
		rest := n - (count + 1) - long*(count-1)
		return (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"long": strings.Repeat("x", long-2), "rest": strings.Repeat("x", rest-2)})
	})
}

func TestARunSavesAtMost256Mebibytes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a gigabyte")
	}
	t.Parallel()
	// 255 MiB in whole values, each named anew, and one that fills up.
	w := &web{answer: func(h hit) (flow.Result, error) { return flow.Result{}, nil }}
	p := compileWeb(t, w, "inputs: { mib: string, rest: string }\nsteps:\n  - { id: a, for_each: { in: '1..255' }, steps: [ { id: s, set: { v: '${{ inputs.mib }}' } }, { id: u, set: { v: 1 } } ] }\n  - { id: b, set: { w: '${{ inputs.rest }}' } }\n")
	const one = 1 << 20
	mib := strings.Repeat("x", one-2)
	// Each of 255 iterations saves 1 MiB and a byte; the list is 255 ones with commas.
	used := 255*(one+1) + 2*255 + 1
	around(t, 256*one, func(n int) (datapoints.Run, error) {
		return (&flow.Executor{Store: forgetful{&datapoints.Memory{}}}).Run(t.Context(), p, flow.Inputs{"mib": mib, "rest": strings.Repeat("x", n-used-2)})
	})
}

// forgetful keeps no data points: a run reads back none that it saved itself.
type forgetful struct{ datapoints.Store }

func (f forgetful) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	lean := make([]datapoints.Record, len(records))
	for i, r := range records {
		r.Points = nil
		lean[i] = r
	}
	return f.Store.Commit(ctx, l, lean...)
}

func TestARunDoesAtMostAHundredThousandSteps(t *testing.T) {
	if testing.Short() {
		t.Skip("does 300,000 steps")
	}
	t.Parallel()
	p := compileWeb(t, &web{}, "inputs: { outer: integer, more: integer }\nsteps:\n  - id: a\n    for_each: { in: 1..inputs.outer }\n    steps:\n      - { id: b, for_each: { in: '1..1000' }, set: { v: 1 } }\n  - { id: c, for_each: { in: 1..inputs.more, max: 2000 }, set: { w: 1 } }\n")
	around(t, 100_000, func(n int) (datapoints.Run, error) {
		return (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"outer": 99, "more": n - 99_000})
	})
}

func TestAFileThatIsSentHasAtMost256Mebibytes(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a quarter of a gigabyte")
	}
	t.Parallel()
	p, err := flow.Compile(fstest.MapFS{"t.yaml": {Data: []byte("stepwell: 1\nname: t\nsteps:\n  - { id: a, action: read, with: { file: a } }\n")}}, "t.yaml", flow.Kit{Actions: flow.Actions{"read": reader{}}})
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 256<<20+1)
	for n := len(data) - 1; n <= len(data); n++ {
		run, err := (&flow.Executor{Files: fstest.MapFS{"a": {Data: data[:n]}}}).Run(t.Context(), p, nil)
		if (err != nil) != (n > 256<<20) {
			t.Errorf("%s bytes: %s, %v", strconv.Itoa(n), end(run, err), err)
		}
	}
}
