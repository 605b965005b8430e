package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// A shelf is an action, fetch, whose requests have an address, a query and a
// body, and which answers with a page of what it was asked for.
type shelf struct {
	answer func(q asking) (flow.Result, error)
	orders []asking
}

// An asking is one request as a shelf got it.
type asking struct {
	URL   string                     `json:"url"`
	Query map[string]json.RawMessage `json:"query,omitempty"`
	JSON  json.RawMessage            `json:"json,omitempty"`
	Key   string                     `json:"-"`
	Page  int                        `json:"-"`
	Nth   int                        `json:"-"`
	token bool
}

func (o asking) String() string {
	text, _ := json.Marshal(o)
	return string(text)
}

func (s *shelf) Spec() flow.Spec {
	return flow.Spec{Doc: "Fetches a page.", Web: true, Fields: []flow.Field{
		{Name: "url", Type: flow.URLField, Required: true, Destination: true}, {Name: "query", Type: flow.PairsField},
		{Name: "json", Type: flow.JSONField, Group: "body"}, {Name: "form", Type: flow.PairsField, Group: "body"},
		{Name: "token", Type: flow.TextField},
	}, Check: func(flow.Static) flow.Verdict { return flow.Verdict{Repeatable: true} }}
}

func (s *shelf) Plan(in flow.Input) (flow.Call, error) {
	o := asking{Page: in.Page, Nth: len(s.orders) + 1}
	for _, a := range in.Args {
		switch a.Name {
		case "url":
			o.URL = a.Value.RevealText()
		case "query":
			_ = json.Unmarshal([]byte(a.Value.Reveal()), &o.Query)
		case "json":
			o.JSON = json.RawMessage(a.Value.Reveal())
		case "token":
			o.token = true
		}
	}
	origin, err := flow.Origin(o.URL)
	return flow.Call{Repeatable: true, Origin: origin, Fingerprint: o.String, Do: func(context.Context) (flow.Result, error) {
		s.orders = append(s.orders, o)
		r, err := s.answer(o)
		r.URL = o.URL
		return r, err
	}}, err
}

func (s *shelf) asked() (all []string) {
	for _, o := range s.orders {
		all = append(all, o.String())
	}
	return all
}

func compileShelf(t *testing.T, s *shelf, steps string) *flow.Plan {
	t.Helper()
	text := "stepwell: 1\nname: test\n" + steps
	if strings.Contains(steps, "secrets.s") {
		text += "secrets: { s: { env: S } }\n"
	}
	p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte(text)}}, "test.yaml", flow.Kit{Actions: flow.Actions{"fetch": s}})
	if err != nil {
		t.Fatalf("the flow does not check:\n%v\n%s", err, text)
	}
	return p
}

const list = "https://api.example.test/list"

func TestHowTheNextPageIsAskedFor(t *testing.T) {
	t.Parallel()
	// Three pages; what leads to the next one differs.
	pages := func(next func(i int) string) func(o asking) (flow.Result, error) {
		return func(o asking) (flow.Result, error) {
			return ok(fmt.Sprintf(`{"items":[%d],"page":%d,"next":%s}`, o.Nth, o.Nth, next(o.Nth))), nil
		}
	}
	until3 := func(f string) func(int) string {
		return func(i int) string {
			if i >= 3 {
				return "null"
			}
			return strings.ReplaceAll(f, "%d", strconv.Itoa(i+1))
		}
	}
	tests := []struct {
		name, with, pages string
		answer            func(o asking) (flow.Result, error)
		want              []string
	}{
		{"an address, which has its own query", "url: " + list + ", query: { size: 2 }", "next: response.body.next", pages(until3(`"https://api.example.test/list?page=%d"`)),
			[]string{`{"url":"` + list + `","query":{"size":"2"}}`, `{"url":"` + list + `?page=2"}`, `{"url":"` + list + `?page=3"}`}},
		{"an address without a host", "url: " + list, "next: response.body.next", pages(until3(`"/other/%d"`)),
			[]string{`{"url":"` + list + `"}`, `{"url":"https://api.example.test/other/2"}`, `{"url":"https://api.example.test/other/3"}`}},
		{"only a query", "url: " + list, "next: response.body.next", pages(until3(`"?after=%d"`)),
			[]string{`{"url":"` + list + `"}`, `{"url":"` + list + `?after=2"}`, `{"url":"` + list + `?after=3"}`}},
		{"a cursor, over the query", "url: " + list + ", query: { size: 2, after: none }", "next: response.body.next, with: { query: { after: '${{ next }}' } }", pages(until3(`"c%d"`)),
			[]string{`{"url":"` + list + `","query":{"after":"none","size":"2"}}`, `{"url":"` + list + `","query":{"after":"c2","size":"2"}}`, `{"url":"` + list + `","query":{"after":"c3","size":"2"}}`}},
		{"a number, as long as there are more", "url: " + list, "while: response.body.next != nil, with: { query: { page: '${{ page + 2 }}' } }", pages(until3(`%d`)),
			[]string{`{"url":"` + list + `"}`, `{"url":"` + list + `","query":{"page":2}}`, `{"url":"` + list + `","query":{"page":3}}`}},
		{"while ends before next does", "url: " + list, "while: page < 1, next: response.body.next", pages(until3(`"?after=%d"`)),
			[]string{`{"url":"` + list + `"}`, `{"url":"` + list + `?after=2"}`}},
		{"null takes away", "url: " + list + ", query: { a: 1, b: 2 }", "next: response.body.next, with: { query: { a: null, n: '${{ next }}' } }", pages(until3(`%d`)),
			[]string{`{"url":"` + list + `","query":{"a":"1","b":"2"}}`, `{"url":"` + list + `","query":{"b":"2","n":2}}`, `{"url":"` + list + `","query":{"b":"2","n":3}}`}},
		{"inside json null is a value", "url: " + list + ", json: { find: { name: x, old: true }, from: 0 }", "next: response.body.next, with: { json: { find: { old: null }, from: '${{ next }}' } }", pages(until3(`%d`)),
			[]string{`{"url":"` + list + `","json":{"find":{"name":"x","old":true},"from":0}}`, `{"url":"` + list + `","json":{"find":{"name":"x","old":null},"from":2}}`, `{"url":"` + list + `","json":{"find":{"name":"x","old":null},"from":3}}`}},
		{"a body that only the first page has", "url: " + list + ", json: { find: x }", "next: response.body.next, with: { url: '${{ next }}', json: null }", pages(until3(`"https://api.example.test/%d"`)),
			[]string{`{"url":"` + list + `","json":{"find":"x"}}`, `{"url":"https://api.example.test/2"}`, `{"url":"https://api.example.test/3"}`}},
		{"an empty text leads nowhere", "url: " + list, "next: response.body.next", pages(func(int) string { return `""` }), []string{`{"url":"` + list + `"}`}},
		{"a member that is not there leads nowhere", "url: " + list, "next: 'response.body.more?.next'", pages(func(int) string { return `1` }), []string{`{"url":"` + list + `"}`}},
		{"a link in a header", "url: " + list, "next: response.links.next", func(o asking) (flow.Result, error) {
			r := ok(fmt.Sprintf(`{"items":[%d]}`, o.Nth))
			if o.Nth < 3 {
				r.Headers["Link"] = []string{fmt.Sprintf(`<?p=%d>; rel="next", </first>; rel=first`, o.Nth+1)}
			}
			return r, nil
		}, []string{`{"url":"` + list + `"}`, `{"url":"` + list + `?p=2"}`, `{"url":"` + list + `?p=3"}`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{answer: tt.answer}
			p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { "+tt.with+" }, pages: { "+tt.pages+" }, save: { items: items } }\noutputs: { items: '${{ data.items }}' }\n")
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.asked()); diff != "" {
				t.Error(diff)
			}
			if want := `{"items":` + strings.ReplaceAll(fmt.Sprint([]int{1, 2, 3}[:len(tt.want)]), " ", ",") + `}`; run.Outputs.Reveal() != want {
				t.Errorf("have %s, want %s", run.Outputs.Reveal(), want)
			}
			for i, o := range s.orders {
				if o.Page != i {
					t.Errorf("page %d was planned as %d", i, o.Page)
				}
			}
		})
	}
}

func TestWhatIsSavedOfPages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, save string
		bodies     []string
		want       string
	}{
		{"lists are joined", "x: x", []string{`{"x":[1,2]}`, `{"x":[]}`, `{"x":[ 3 ]}`}, `succeeded {"x":[1,2,3]}`},
		{"empty ones too", "x: x", []string{`{"x":[]}`, `{"x":[]}`, `{"x":[]}`}, `succeeded {"x":[]}`},
		{"digits stay", "x: x", []string{`{"x":[1.50]}`, `{"x":[123456789012345678901234567890]}`, `{}`}, `succeeded {"x":[1.50,123456789012345678901234567890]}`},
		{"of anything else the last counts", "x: x", []string{`{"x":1}`, `{"x":2}`, `{"x":3}`}, `succeeded {"x":3}`},
		{"that has it", "x: x", []string{`{"x":1}`, `{"x":2}`, `{"x":null}`}, `succeeded {"x":2}`},
		{"the first may be the only one", "x: x", []string{`{"x":"a"}`, `{}`, `{}`}, `succeeded {"x":"a"}`},
		{"a default if none has it", "x: { path: x, default: 7 }", []string{`{}`, `{}`, `{"x":null}`}, `succeeded {"x":7}`},
		{"not if one has", "x: { path: x, default: 7 }", []string{`{}`, `{"x":1}`, `{}`}, `succeeded {"x":1}`},
		{"optional if none has it", "x: { path: x, optional: true }", []string{`{}`, `{}`, `{}`}, `succeeded {"x":"none"}`},
		{"needed", "x: x", []string{`{}`, `{}`, `{"y":1}`}, `failed extract at a`},
		{"lists and others", "x: x", []string{`{"x":[1]}`, `{"x":2}`, `{"x":[3]}`}, `failed data at a`},
		{"expressions see one page", "x: '${{ map(response.body.x, # * 2) }}'", []string{`{"x":[1]}`, `{"x":[2]}`, `{"x":[3]}`}, `succeeded {"x":[2,4,6]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(tt.bodies[o.Page]), nil }}
			p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < 2, with: { query: { page: '${{ page }}' } } }, save: { "+tt.save+" } }\noutputs: { x: '${{ data.x ?? \"none\" }}' }\n")
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if got := end(run, err); got != tt.want {
				t.Errorf("have %s, want %s: %v", got, tt.want, err)
			}
		})
	}
}

func TestWhatIsExpectedIsOfEachPageAndWhatIsDeclaredOfTheWhole(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, data, want string }{
		{"all is well", `{"x":[%d]}`, "{ type: list, items: integer }", `succeeded {"x":[1,2,3]}`},
		{"a page that is not as expected", `{"x":[%d],"broken":true}`, "{ type: list }", "failed expect at a"},
		{"a type", `{"x":["%d"]}`, "{ type: list, items: integer }", "failed data at a"},
	}
	for _, tt := range tests {
		s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(fmt.Sprintf(tt.body, o.Nth)), nil }}
		p := compileShelf(t, s, "data: { x: "+tt.data+" }\nsteps:\n  - { id: a, action: fetch, with: { url: "+list+
			" }, pages: { while: page < 2, with: { query: { page: '${{ page }}' } } }, save: { x: x }, expect: { that: 'response.body.broken == nil' } }\noutputs: { x: '${{ data.x }}' }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != tt.want {
			t.Errorf("%s: %s, want %s: %v", tt.name, got, tt.want, err)
		}
	}
}

func TestPagesThatWouldBeCutFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, pages string
		asked       int
		want        string
	}{
		{"more than a hundred", "while: true, with: { query: { page: '${{ page }}' } }", 100, "there are more than 100 pages"},
		{"more than max", "max: 3, while: true, with: { query: { page: '${{ page }}' } }", 3, "there are more than 3 pages"},
		{"as many as max", "max: 3, while: page < 2, with: { query: { page: '${{ page }}' } }", 3, ""},
		{"one more than max", "max: 3, while: page < 3, with: { query: { page: '${{ page }}' } }", 3, "there are more than 3 pages"},
		{"the same cursor again", "next: '\"abc\"', with: { query: { after: '${{ next }}' } }", 2, "page 3 would be asked for with the very request of an earlier page"},
		{"a link to the page itself", "next: response.url", 1, "page 2 would be asked for with the very request of an earlier page"},
		{"a circle", "next: '\"?p=\" + string(page % 3)'", 4, "page 5 would be asked for with the very request of an earlier page"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(`{}`), nil }}
			p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { "+tt.pages+" }, retry: { when: 'true' } }\n")
			_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if len(s.orders) != tt.asked {
				t.Errorf("asked for %d pages, want %d: %v", len(s.orders), tt.asked, err)
			}
			if tt.want == "" && err == nil {
				return
			}
			if e := failureOf(t, err); e.Kind != flow.KindLimit || !strings.Contains(e.Message, tt.want) {
				t.Errorf("%s: %v", e.Kind, e)
			}
		})
	}
}

func TestAJoinedListHasALimit(t *testing.T) {
	t.Parallel()
	page := `{"x":["` + strings.Repeat("x", 1<<20-4) + `"]}` // 1 MiB
	run := func(pages int, body string) error {
		s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(body), nil }}
		p := compileShelf(t, s, fmt.Sprintf("steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < %d, with: { query: { page: '${{ page }}' } } }, save: { x: x } }\n", pages-1))
		_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		return err
	}
	if err := run(31, page); err != nil {
		t.Errorf("31 MiB: %v", err)
	}
	if e := failureOf(t, run(33, page)); e.Kind != flow.KindLimit || e.Message != "the list x is larger than 32 MiB" {
		t.Errorf("33 MiB: %v", e)
	}
	if e := failureOf(t, run(2, `{"x":["`+strings.Repeat("x", 1<<20)+`"]}`)); e.Kind != flow.KindLimit || !strings.Contains(e.Message, "on one page") {
		t.Errorf("a page of more than 1 MiB: %v", e)
	}
}

func TestEachPageHasAttemptsAndATimeOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := map[int]int{}
		s := &shelf{answer: func(o asking) (flow.Result, error) {
			if failed[o.Page]++; failed[o.Page] < 3 {
				return status(503, "", "Retry-After", "290"), nil
			}
			return ok(`{"x":[1]}`), nil
		}}
		p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < 4, with: { query: { page: '${{ page }}', id: '${{ uuid() }}' } } }, save: { x: x } }\noutputs: { x: '${{ data.x }}', n: '${{ steps.a.attempts }}' }\n")
		run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
		if got := end(run, err); got != `succeeded {"x":[1,1,1,1,1],"n":15}` {
			t.Error(got, err)
		}
		for i := 0; i < len(s.orders); i += 3 {
			if s.orders[i].String() != s.orders[i+2].String() {
				t.Errorf("a page's attempts differ: %s, %s", s.orders[i], s.orders[i+2])
			}
		}
	})
}

func TestAFailedRunGoesOnAtThePageThatFailed(t *testing.T) {
	t.Parallel()
	broken := true
	s := &shelf{answer: func(o asking) (flow.Result, error) {
		if o.Page == 2 && broken {
			return status(500, ""), nil
		}
		return ok(fmt.Sprintf(`{"x":[%d],"next":"c%d"}`, o.Page, o.Page)), nil
	}}
	p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < 3, next: response.body.next, with: { query: { after: '${{ next }}' } } }, save: { x: x } }\noutputs: { x: '${{ data.x }}' }\n")
	store := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil)
	if got := end(run, err); got != "failed http at a" {
		t.Fatal(got, err)
	}
	broken = false
	s.orders = nil
	run, err = successor(store).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != `succeeded {"x":[0,1,2,3]}` {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{`{"url":"` + list + `","query":{"after":"c1"}}`, `{"url":"` + list + `","query":{"after":"c2"}}`}, s.asked()); diff != "" {
		t.Error(diff)
	}
}

func TestPagesThatDieAnywhereGoOnWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	for lives := range 12 {
		s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(fmt.Sprintf(`{"x":[%d]}`, o.Page)), nil }}
		p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < 4, with: { query: { page: '${{ page }}' } } }, save: { x: x } }\noutputs: { x: '${{ data.x }}' }\n")
		store := &mortal{Store: &datapoints.Memory{}, lives: lives}
		runs, err := (&flow.Executor{Store: store}).Create(t.Context(), p, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = (&flow.Executor{Store: store}).Start(t.Context(), p, runs[0].ID)
		store.revive()
		if run, err := store.Load(t.Context(), runs[0].ID); err != nil || run.State == datapoints.Succeeded {
			continue
		}
		run, err := successor(store).Resume(t.Context(), p, runs[0].ID, nil)
		if got := end(run, err); got != `succeeded {"x":[0,1,2,3,4]}` {
			t.Errorf("after %d commits: %s, %v", lives, got, err)
		}
	}
}

func TestPagesOfAnotherOriginGetNoSecret(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, with, pages, want string }{
		{"the origin of the step", "token: '${{ secrets.s }}'", `next: '"/2"'`, "succeeded {}"},
		{"another one", "token: '${{ secrets.s }}'", `next: '"https://other.example.test/2"'`, "failed data at a"},
		{"another one that is allowed nothing", "token: '${{ secrets.s }}'", `next: '"https://other.example.test/2"', with: { url: '${{ next }}' }`, "failed data at a"},
		{"without the secret", "token: '${{ secrets.s }}'", `next: '"https://other.example.test/2"', with: { url: '${{ next }}', token: null }`, "succeeded {}"},
		{"one that the file names", "token: '${{ secrets.s }}'", `next: '"2"', with: { url: 'https://other.example.test/${{ next }}' }`, "succeeded {}"},
		{"a secret of later pages only", "query: { a: b }", `next: '"https://other.example.test/2"', with: { url: '${{ next }}', token: '${{ secrets.s }}' }`, "failed data at a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(`{}`), nil }}
			p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+", "+tt.with+" }, pages: { while: page < 1, "+tt.pages+" } }\n")
			x := &flow.Executor{Secrets: func(context.Context, flow.SecretSource) (string, error) { return "very-secret-token", nil }}
			run, err := x.Run(t.Context(), p, nil)
			if got := end(run, err); got != tt.want {
				t.Errorf("%s, want %s: %v", got, tt.want, err)
			}
			for _, o := range s.orders[1:] {
				if o.token && strings.Contains(o.URL, "other") && tt.name != "one that the file names" {
					t.Errorf("the secret went to %s", o.URL)
				}
			}
		})
	}
}

func TestAnInterruptedRunGoesOnAtTheNextPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s := &shelf{}
		s.answer = func(o asking) (flow.Result, error) {
			if o.Page == 1 {
				cancel()
			}
			return ok(fmt.Sprintf(`{"x":[%d]}`, o.Page)), nil
		}
		p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { while: page < 3, with: { query: { page: '${{ page }}', at: '${{ now() }}' } } }, save: { x: x } }\noutputs: { x: '${{ data.x }}' }\n")
		store := &datapoints.Memory{}
		run, err := (&flow.Executor{Store: store}).Run(ctx, p, nil)
		if run.State != datapoints.Interrupted {
			t.Fatal(end(run, err))
		}
		time.Sleep(time.Hour)
		run, err = successor(store).Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != `succeeded {"x":[0,1,2,3]}` || len(s.orders) != 4 {
			t.Error(got, err, s.asked())
		}
	})
}

// A scale is a store that weighs what is written to it.
type scale struct {
	datapoints.Store
	bytes int
}

func (s *scale) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	for _, r := range records {
		s.bytes += len(r.Path) + len(r.Row.Hidden.Reveal())
		for _, p := range r.Points {
			s.bytes += len(p.Scope) + len(p.Name) + len(p.Value.Reveal())
		}
	}
	return s.Store.Commit(ctx, l, records...)
}

func TestWhatIsWrittenOfPagesGrowsWithTheirNumberAlone(t *testing.T) {
	t.Parallel()
	written := func(pages int) int {
		s := &shelf{answer: func(o asking) (flow.Result, error) { return ok(`{"x":[1]}`), nil }}
		p := compileShelf(t, s, fmt.Sprintf("steps:\n  - { id: a, action: fetch, with: { url: %s }, pages: { max: %d, while: page < %d, with: { query: { page: '${{ page }}' } } }, save: { x: x } }\n", list, pages, pages-1))
		store := &scale{Store: &datapoints.Memory{}}
		if run, err := (&flow.Executor{Store: store}).Run(t.Context(), p, nil); err != nil || len(s.orders) != pages {
			t.Fatal(end(run, err), len(s.orders))
		}
		return store.bytes
	}
	few, many := written(200), written(1600)
	if each := (many - few) / 1400; each > 200 || many > 9*few {
		t.Errorf("200 pages write %d bytes, 1600 write %d: %d for each more", few, many, each)
	}
}

func TestAResumedRunKnowsWhatEarlierPagesWereAskedWith(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &shelf{}
	s.answer = func(o asking) (flow.Result, error) {
		if o.Page == 3 {
			cancel()
		}
		return ok(`{}`), nil
	}
	p := compileShelf(t, s, "steps:\n  - { id: a, action: fetch, with: { url: "+list+" }, pages: { next: '\"?p=\" + string(page % 5)' } }\n")
	store := &datapoints.Memory{}
	run, err := (&flow.Executor{Store: store}).Run(ctx, p, nil)
	if run.State != datapoints.Interrupted {
		t.Fatal(end(run, err))
	}
	run, err = successor(store).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != "failed limit at a" || len(s.orders) != 6 || !strings.Contains(err.Error(), "page 7 would be asked for") {
		t.Error(got, err, s.asked())
	}
	run, err = successor(store).Resume(t.Context(), p, run.ID, nil)
	if got := end(run, err); got != "failed limit at a" || !strings.Contains(err.Error(), "page 7 would be asked for") {
		t.Error("resumed after the failure:", got, err, s.asked())
	}
}
