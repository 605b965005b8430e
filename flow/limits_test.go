package flow_test

import (
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
	t.Parallel()
	p := compileWeb(t, &web{}, "steps:\n  - { id: a, set: { v: 1234 } }\n  - { id: b, set: { v: 5 } }\n")
	around(t, 256<<20, func(n int) (datapoints.Run, error) {
		return datapoints.Run{}, flow.Laden(t.Context(), &flow.Executor{}, p, 0, n-5)
	})
}

func TestARunDoesAtMostAHundredThousandSteps(t *testing.T) {
	t.Parallel()
	// The loop and the block are no steps that are done, what is skipped is.
	p := compileWeb(t, &web{}, "steps:\n  - id: a\n    if: run.id != ''\n    steps:\n      - { id: b, for_each: { in: '1..3' }, set: { v: 1 } }\n  - { id: c, if: 1 == 2, set: { w: 1 } }\n")
	around(t, 100_000, func(n int) (datapoints.Run, error) {
		return datapoints.Run{}, flow.Laden(t.Context(), &flow.Executor{}, p, n-4, 0)
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
