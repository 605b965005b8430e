package stepwell_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"
	"gopkg.in/yaml.v3"
	_ "modernc.org/sqlite"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
	"github.com/stepwell/stepwell/flow"
)

// Every benchmark here is a pair: Stepwell, and beside it the program that one
// would write by hand for the same calls. Both run in turns within each
// iteration; `×hand` is the ratio of their times.

// pair times two functions in turns and reports the ratio.
func pair(b *testing.B, ours, hand func()) {
	b.Helper()
	ours()
	hand()
	var a, z time.Duration
	b.ReportAllocs()
	for b.Loop() {
		t := time.Now()
		ours()
		a += time.Since(t)
		b.StopTimer()
		t = time.Now()
		hand()
		z += time.Since(t)
		b.StartTimer()
	}
	b.ReportMetric(float64(a)/float64(z), "×hand")
}

// echo answers each call with the same body.
func echo(b *testing.B, body []byte) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	}))
	b.Cleanup(s.Close)
	return s
}

func plan(b *testing.B, text string) *flow.Plan {
	b.Helper()
	p, err := flow.Compile(fstest.MapFS{"bench.yaml": {Data: []byte(text)}}, "bench.yaml", flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// chain is a flow of n calls, each with the data point of the one before.
func chain(n int) string {
	var b strings.Builder
	b.WriteString("stepwell: 1\nname: chain\ninputs: { url: string }\ndefaults: { http: { base_url: \"${{ inputs.url }}\" } }\nsteps:\n")
	b.WriteString("  - { id: s0, action: http, with: { url: /first }, save: { ref0: id } }\n")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, `  - id: s%d
    action: http
    with:
      url: /next/${{ data.ref%d }}
      headers: { Authorization: "Bearer ${{ data.ref%d }}" }
    save: { ref%d: id }
`, i, i-1, i-1, i)
	}
	return b.String()
}

// byHand is what chain does, written in Go.
func byHand(b *testing.B, client *http.Client, url string, n int) {
	id := ""
	for i := range n {
		path := "/first"
		if i > 0 {
			path = "/next/" + id
		}
		req, err := http.NewRequest(http.MethodGet, url+path, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Accept", "application/json") // the calls are the same, header by header
		if i > 0 {
			req.Header.Set("Authorization", "Bearer "+id)
		}
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != 200 {
			b.Fatal(err, res.Status)
		}
		id = gjson.GetBytes(body, "id").String()
	}
}

// handClient has a timeout, as a program for more than one day has, and as
// each of Stepwell's attempts has.
func handClient() *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
}

// sqlite opens a store on disk, sealed.
func sqlite(b *testing.B) datapoints.Store {
	b.Helper()
	path := filepath.Join(b.TempDir(), "runs.db")
	if err := sqlstore.PrepareSQLite(path); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		b.Fatal(err)
	}
	s, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(); _ = db.Close() })
	return datapoints.Seal(s, datapoints.NewMasterKey())
}

func mustRun(b *testing.B, x *flow.Executor, p *flow.Plan, in flow.Inputs) {
	if _, err := x.Run(context.Background(), p, in); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLoadAndCheckOf1000Steps(b *testing.B) {
	text := []byte(chain(1000))
	fsys := fstest.MapFS{"bench.yaml": {Data: text}}
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
	pair(b, func() {
		if _, err := flow.Compile(fsys, "bench.yaml", kit); err != nil {
			b.Fatal(err)
		}
	}, func() {
		var n yaml.Node
		if err := yaml.Unmarshal(text, &n); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkRunOf200Steps(b *testing.B) {
	s := echo(b, []byte(`{"id":"r-1234567"}`))
	p, in, client := plan(b, chain(200)), flow.Inputs{"url": s.URL}, handClient()
	for name, store := range map[string]func() datapoints.Store{"memory": func() datapoints.Store { return nil }, "sqlite": func() datapoints.Store { return sqlite(b) }} {
		b.Run(name, func(b *testing.B) {
			x := &flow.Executor{Store: store()}
			pair(b, func() { mustRun(b, x, p, in) }, func() { byHand(b, client, s.URL, 200) })
		})
	}
}

func BenchmarkLoopOf1000Items(b *testing.B) {
	s := echo(b, []byte(`{"id":"n-1"}`))
	p := plan(b, `stepwell: 1
name: loop
inputs: { url: string }
steps:
  - id: each
    for_each: { in: "1..1000", concurrency: 4 }
    action: http
    with: { method: POST, url: "${{ inputs.url }}/notify", idempotency_key: true, json: { n: "${{ item }}" } }
    save: { ids: id }
`)
	client := handClient()
	hand := func() {
		var wg sync.WaitGroup
		work := make(chan int)
		ids := make([]string, 1000)
		for range 4 {
			wg.Go(func() {
				for i := range work {
					res, err := client.Post(s.URL+"/notify", "application/json", strings.NewReader(fmt.Sprintf(`{"n":%d}`, i+1)))
					if err != nil {
						panic(err)
					}
					body, _ := io.ReadAll(res.Body)
					_ = res.Body.Close()
					ids[i] = gjson.GetBytes(body, "id").String()
				}
			})
		}
		for i := range ids {
			work <- i
		}
		close(work)
		wg.Wait()
	}
	for name, store := range map[string]func() datapoints.Store{"memory": func() datapoints.Store { return nil }, "sqlite": func() datapoints.Store { return sqlite(b) }} {
		b.Run(name, func(b *testing.B) {
			x := &flow.Executor{Store: store()}
			pair(b, func() { mustRun(b, x, p, flow.Inputs{"url": s.URL}) }, hand)
		})
	}
}

func Benchmark1000Runs(b *testing.B) {
	s := echo(b, []byte(`{"id":"r-1234567"}`))
	p, in, client := plan(b, chain(2)), flow.Inputs{"url": s.URL}, handClient()
	for _, atOnce := range []int{1, 32} {
		for name, store := range map[string]func() datapoints.Store{"memory": func() datapoints.Store { return nil }, "sqlite": func() datapoints.Store { return sqlite(b) }} {
			b.Run(fmt.Sprintf("%s/%d at once", name, atOnce), func(b *testing.B) {
				kept := store()
				pair(b, func() {
					x := &flow.Executor{Store: kept} // without a store: a new memory for each thousand
					together(1000, atOnce, func() { mustRun(b, x, p, in) })
				},
					func() { together(1000, atOnce, func() { byHand(b, client, s.URL, 2) }) })
			})
		}
	}
}

// together does f n times, at most atOnce at a time.
func together(n, atOnce int, f func()) {
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range atOnce {
		wg.Go(func() {
			for range work {
				f()
			}
		})
	}
	for range n {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
}

// BenchmarkParallelOf10Calls is beside what one would write with an errgroup:
// over a server that answers at once, where all that counts is what a call
// costs, and over one that takes 5 ms.
func BenchmarkParallelOf10Calls(b *testing.B) {
	for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
		b.Run(takes.String(), func(b *testing.B) { parallelOf10Calls(b, takes) })
	}
}

func parallelOf10Calls(b *testing.B, takes time.Duration) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(takes)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"r-1234567"}`)
	}))
	b.Cleanup(s.Close)
	var text strings.Builder
	text.WriteString("stepwell: 1\nname: branches\ninputs: { url: string }\nsteps:\n  - id: all\n    parallel:\n")
	for i := range 10 {
		fmt.Fprintf(&text, "      b%d: [ { id: c%[1]d, action: http, with: { url: \"${{ inputs.url }}/c/%[1]d\" }, save: { ref%[1]d: id } } ]\n", i)
	}
	p, in, client, x := plan(b, text.String()), flow.Inputs{"url": s.URL}, handClient(), &flow.Executor{}
	pair(b, func() { mustRun(b, x, p, in) }, func() {
		var all errgroup.Group
		ids := make([]string, 10)
		for i := range ids {
			all.Go(func() error {
				res, err := client.Get(fmt.Sprintf("%s/c/%d", s.URL, i))
				if err != nil {
					return err
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				ids[i] = gjson.GetBytes(body, "id").String()
				return err
			})
		}
		if err := all.Wait(); err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkExtraction(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20, 10<<20 - 1<<12} {
		row := `{"id":"abcdefgh","name":"Some Name","active":true,"n":12345},`
		body := []byte(`{"rows":[` + strings.Repeat(row, size/len(row)) + `{"id":"last"}],"id":"x-1"}`)
		b.Run(fmt.Sprintf("%d KiB", size>>10), func(b *testing.B) {
			s := echo(b, body)
			client := handClient()
			p := plan(b, `stepwell: 1
name: extract
inputs: { url: string }
steps:
  - { id: a, action: http, with: { url: "${{ inputs.url }}/rows" }, save: { last: "rows.#(id==\"last\").id", id: id } }
`)
			x := &flow.Executor{}
			pair(b, func() { mustRun(b, x, p, flow.Inputs{"url": s.URL}) }, func() {
				res, err := client.Get(s.URL + "/rows")
				if err != nil {
					b.Fatal(err)
				}
				var buf bytes.Buffer
				_, _ = buf.ReadFrom(res.Body)
				_ = res.Body.Close()
				got := buf.Bytes()
				if !gjson.ValidBytes(got) || gjson.GetBytes(got, `rows.#(id=="last").id`).String() != "last" || gjson.GetBytes(got, "id").String() != "x-1" {
					b.Fatal("not found")
				}
			})
		})
	}
}

func BenchmarkRendering(b *testing.B) {
	kit := flow.Kit{Actions: flow.Actions{"swallow": flow.Func("Takes anything.", func(context.Context, struct {
		JSON any `flow:"json"`
	}) (flow.Result, error) {
		return flow.JSON(nil)
	})}}
	text := `stepwell: 1
name: render
inputs: { who: string, n: integer }
steps:
  - id: each
    for_each: { in: "1..1000" }
    action: swallow
    with:
      json:
        to: ${{ inputs.who }}
        number: ${{ index + 1 }}
        text: ${{ inputs.who }} has ${{ inputs.n }} open orders
        fixed: { a: 1, b: [true, null, "x"] }
`
	p, err := flow.Compile(fstest.MapFS{"bench.yaml": {Data: []byte(text)}}, "bench.yaml", kit)
	if err != nil {
		b.Fatal(err)
	}
	x := &flow.Executor{}
	pair(b, func() { mustRun(b, x, p, flow.Inputs{"who": "Ann", "n": 3}) }, func() {
		for i := range 1000 {
			_ = fmt.Sprintf(`{"to":%q,"number":%d,"text":"%s has %d open orders","fixed":{"a":1,"b":[true,null,"x"]}}`, "Ann", i+1, "Ann", 3)
		}
	})
}

// BenchmarkAStepOfALongFlow says how what a step costs grows with the flow:
// the ratio of 2,000 steps to 200, for the time, from runs in turns.
func BenchmarkAStepOfALongFlow(b *testing.B) {
	s := echo(b, []byte(`{"id":"r-1234567"}`))
	short, long, in := plan(b, chain(200)), plan(b, chain(2000)), flow.Inputs{"url": s.URL}
	x := &flow.Executor{}
	pair(b, func() { mustRun(b, x, long, in) }, func() {
		for range 10 {
			mustRun(b, x, short, in)
		}
	})
	perLong := testing.AllocsPerRun(1, func() { mustRun(b, x, long, in) }) / 2000
	perShort := testing.AllocsPerRun(1, func() { mustRun(b, x, short, in) }) / 200
	b.ReportMetric(perLong/perShort, "×allocs")
}
