package flow_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func TestWhatIsSavedOfAnAnswer(t *testing.T) {
	t.Parallel()
	full := func() flow.Result {
		return status(200, `{"name":"Ann","n":13.0,"big":123456789012345678901234567890,"none":null,"list":[{"id":1},{"id":2}],"a.b":7}`,
			"X-Total", "00123", "Set-Cookie", `session="s-1"; Path=/`, "Set-Cookie", "theme=dark", "Link", `<?page=2>; rel="next last", </all>; rel=up`)
	}
	tests := []struct {
		name, save, around, want string
		answer                   flow.Result
	}{
		{"a path", "x: name", "", `"Ann"`, full()},
		{"digits", "x: n", "", `13.0`, full()},
		{"a large number", "x: big", "", `123456789012345678901234567890`, full()},
		{"a list of members", "x: 'list.#.id'", "", `[1,2]`, full()},
		{"an escaped dot", `x: 'a\.b'`, "", `7`, full()},
		{"a header, without regard to case", "x: { header: x-total }", "", `"00123"`, full()},
		{"a header as a number", "x: { header: X-Total, type: integer }", "", "123", full()},
		{"a header that is no number", "x: { header: Link, type: integer }", "", "failed data", full()},
		{"a header converted to the declared type", "x: { header: X-N }", "data: { x: integer }\n", `5`, status(200, "", "X-N", "5")},
		{"several values of a header", "x: { header: X-A }", "", `"1, 2"`, status(200, "", "X-A", "1", "X-A", "2")},
		{"a cookie", "x: { cookie: theme }", "", `"dark"`, full()},
		{"a quoted cookie", "x: { cookie: session }", "", `"s-1"`, full()},
		{"the first group of a regular expression", `x: { regex: 'order (\d+)' }`, "", `"42"`, status(200, "your order 42 is here")},
		{"a whole match", `x: { regex: '\d+', type: integer }`, "", `42`, status(200, "your order 42 is here")},
		{"the text", "x: { body: text }", "", `"a\"b"`, status(200, `a"b`)},
		{"the bytes", "x: { body: base64 }", "", `"/wA="`, status(200, "\xff\x00")},
		{"an expression", "x: { expression: response.body.n + 1 }", "", `14`, full()},
		{"a template", "x: ${{ response.status }}", "", `200`, full()},
		{"a link", "x: ${{ response.links.next }}", "", `"https://api.example.test/x?page=2"`, full()},
		{"a second relation", "x: ${{ response.links.last + response.links.up }}", "", `"https://api.example.test/x?page=2https://api.example.test/all"`, full()},
		{"JSON lines", "x: '..#.a'", "", `[1,2]`, status(200, "{\"a\":1}\n{\"a\":2}\n")},
		{"JSON lines that are none", "x: '..#.a'", "", `failed extract`, status(200, "{\"a\":1}\nno\n")},
		{"nothing there", "x: missing", "", "failed extract", full()},
		{"null counts as nothing", "x: none", "", "failed extract", full()},
		{"a default", "x: { path: missing, default: 3 }", "", `3`, full()},
		{"a default for null", "x: { path: none, default: 3 }", "", `3`, full()},
		{"optional leaves it", "x: { path: missing, optional: true }", "", "unset", full()},
		{"optional null leaves it", "x: { path: none, optional: true }", "", "unset", full()},
		{"optional leaves what was declared", "x: { path: missing, optional: true }", "data: { x: { type: integer, default: 9 } }\n", "9", full()},
		{"an absent header", "x: { header: X-None, optional: true }", "", "unset", full()},
		{"an absent cookie", "x: { cookie: none, default: d }", "", `"d"`, full()},
		{"an expression that is null", "x: ${{ response.body.none }}", "", "failed extract", full()},
		{"a value that does not fit", "x: name", "data: { x: { type: integer } }\n", "failed data", full()},
		{"a value that does not match", "x: name", "data: { x: { type: string, pattern: '[0-9]+' } }\n", "failed data", full()},
		{"a byte order mark", "x: name", "", `"Ann"`, status(200, "\ufeff{\"name\":\"Ann\"}")},
		{"a byte order mark, by an expression", "x: ${{ response.body.name }}", "", `"Ann"`, status(200, "\ufeff{\"name\":\"Ann\"}")},
		{"a byte order mark and nothing", "x: { path: name, optional: true }", "", "unset", status(200, "\ufeff")},
		{"not UTF-8", "x: name", "", "failed extract", status(200, "{\"name\":\"Zo\xeb\"}", "Content-Type", "application/json; charset=ISO-8859-1")},
		{"not UTF-8, by an expression", "x: ${{ response.body.name }}", "", "failed expression", status(200, "{\"name\":\"Zo\xeb\"}")},
		{"not UTF-8 of a listed status", "x: { path: name, optional: true }", "", "unset", status(404, "{\"name\":\"Zo\xeb\"}")},
		{"an empty body", "x: name", "", "failed extract", status(204, "")},
		{"an empty body and optional", "x: { path: name, optional: true }", "", "unset", status(204, "")},
		{"not JSON", "x: name", "", "failed extract", status(200, "<html>")},
		{"not JSON and optional", "x: { path: name, optional: true }", "", "failed extract", status(200, "<html>")},
		{"not JSON of a listed status", "x: { path: name, optional: true }", "", "unset", status(404, "<html>")},
		{"not JSON lines of a listed status", "x: { path: '..#.a', optional: true }", "", "unset", status(404, "<html>")},
		{"JSON of a listed status", "x: name", "", `"Bob"`, status(404, `{"name":"Bob"}`)},
		{"a listed status without it", "x: name", "", "failed extract", status(404, "")},
		{"only of some statuses", "x: { path: name, status: 2xx }", "", "unset", status(404, `{"name":"Bob"}`)},
		{"only of this one", "x: { path: name, status: 404 }", "", `"Bob"`, status(404, `{"name":"Bob"}`)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{answer: func(hit) (flow.Result, error) { return tt.answer, nil }}
			p := compileWeb(t, w, tt.around+"steps:\n  - id: a\n    action: web\n    expect: { status: [2xx, 404] }\n    save:\n      "+tt.save+"\noutputs: { x: \"${{ data.x ?? 'unset' }}\" }\n")
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			got := end(run, err)
			got = strings.TrimSuffix(strings.TrimPrefix(got, `succeeded {"x":`), "}")
			if got = strings.TrimSuffix(got, " at a"); got != tt.want && got != `"`+tt.want+`"` {
				t.Errorf("have %s, want %s; %v", got, tt.want, err)
			}
		})
	}
}

func TestWhatCannotBeSavedSaysWhatIsThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, save, message, hint string }{
		{`{"ann":1}`, "name", `the answer has no "name"`, "optional"},
		{`null`, "id", `the answer has no "id": its body is null`, "optional"},
		{`[]`, "0.id", `the answer has no "0.id": its body is an empty list`, "optional"},
		{`{}`, "id", `the answer has no "id": its body is an empty object`, "optional"},
		{`{"a":{"b":null}}`, "a.b.c", `the answer has no "a.b.c": "a.b" is null`, "optional"},
		{`{"a":[]}`, "a.0.id", `the answer has no "a.0.id": "a" is an empty list`, "optional"},
		{`[{"id":1}]`, "1.id", `the answer has no "1.id": its body is a list of 1, counted from 0`, "optional"},
		{`{"a":"x"}`, "a.b", `the answer has no "a.b": "a" is neither an object nor a list`, "optional"},
		{`id=7`, "id", `the answer's body is not JSON: it is text that begins with "id=7"`, "`body: text` saves"},
		{`<?xml version="1.0"?><id/>`, "id", `the answer's body is not JSON: it is XML that begins with "<?xml version=\"1.0\"?><id/>"`, "`body: text` saves"},
		{`<html>`, "id", `the answer's body is not JSON: it is an HTML page that begins with "<html>"`, "Accept: application/json"},
		{"{\"n\":\"Zo\xeb\"}", "n", "the answer's body is not JSON: it is not UTF-8", "body: base64"},
		{`{}`, "{ cookie: SID }", "the answer sets no cookie SID", "optional"},
		{`{"a":`, "id", `the answer's body is not JSON: it begins like JSON, but it is not valid JSON: unexpected end of JSON input (line 1, column 5)`, ""},
	} {
		w := &web{answer: func(hit) (flow.Result, error) { return status(200, c.body), nil }}
		_, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, "steps:\n  - { id: a, action: web, save: { x: "+c.save+" } }\n"), nil)
		e := failureOf(t, err)
		if e.Message != c.message || !strings.Contains(strings.Join(e.Hints, "\n"), c.hint) || c.hint == "" && len(e.Hints) > 0 {
			t.Errorf("%s of %s: %q, hints %q; want %q, %q", c.save, c.body, e.Message, e.Hints, c.message, c.hint)
		}
	}
}

func TestACookieThatIsNotThereNamesThoseThatAre(t *testing.T) {
	t.Parallel()
	w := &web{answer: func(hit) (flow.Result, error) {
		return status(200, "", "Set-Cookie", "sid=0123456789; Path=/", "Set-Cookie", "lang=de"), nil
	}}
	_, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, w, "steps:\n  - { id: a, action: web, save: { x: { cookie: SID } } }\n"), nil)
	if e := failureOf(t, err); e.Facts[0] != (flow.Fact{Name: "cookies", Text: "sid, lang"}) {
		t.Errorf("%v", e.Facts)
	}
}

// A door is an action that goes somewhere.
type door struct{}

func (door) Spec() flow.Spec {
	return flow.Spec{Doc: "Goes there.", Fields: []flow.Field{{Name: "url", Type: flow.URLField, Destination: true}}}
}

func (door) Plan(flow.Input) (flow.Call, error) { return flow.Call{}, nil }

func TestAnAddressThatIsNoneIsShown(t *testing.T) {
	t.Parallel()
	const text = "stepwell: 1\nname: a\ninputs: { base: { type: string, sensitive: %v } }\nsteps:\n  - { id: a, action: door, with: { url: \"${{ inputs.base }}/x\" } }\n"
	for _, c := range []struct{ base, facts, hint string }{
		{"localhost:8080", "[{url localhost:8080/x}]", "https://"},
		{"ftp://x", "[{url ftp://x/x}]", ""},
	} {
		for _, sensitive := range []bool{false, true} {
			files := fstest.MapFS{"a.yaml": {Data: fmt.Appendf(nil, text, sensitive)}}
			p, err := flow.Compile(files, "a.yaml", flow.Kit{Actions: flow.Actions{"door": door{}}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"base": c.base})
			e := failureOf(t, err)
			switch hints := strings.Join(e.Hints, " "); {
			case sensitive && (len(e.Facts) > 0 || strings.Contains(e.Error(), c.base)):
				t.Errorf("%s: %v %v, and the input is sensitive", c.base, e, e.Facts)
			case !sensitive && (fmt.Sprint(e.Facts) != c.facts || !strings.Contains(hints, c.hint) || c.hint == "" && hints != ""):
				t.Errorf("%s: %v %v %q", c.base, e, e.Facts, hints)
			}
		}
	}
}

func TestWhatSetDoes(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, flow, want string }{
		{"all see what was there before", "  - { id: a, set: { x: 1, y: 2 } }\n  - { id: b, set: { x: '${{ data.y }}', y: '${{ data.x }}' } }\noutputs: { xy: '${{ [data.x, data.y] }}' }\n", `succeeded {"xy":[2,1]}`},
		{"null unsets", "  - { id: a, set: { x: 1 } }\n  - { id: b, if: data.x == 1, set: { x: null } }\noutputs: { x: \"${{ data.x ?? 'unset' }}\" }\n", `succeeded {"x":"unset"}`},
		{"an expression that is null fails", "  - { id: a, set: { y: { n: null } } }\n  - { id: b, set: { x: '${{ data.y.n }}' } }\n", `failed data at b`},
		{"need fails with the name", "  - { id: a, if: 1 == 2, set: { x: 1 } }\n  - { id: b, set: { y: '${{ need(data.x) }}' } }\n", `failed data at b`},
		{"uuid and now are the same in the whole step only if they are asked once", "  - { id: a, set: { same: '${{ now() == now() }}', other: '${{ uuid() != uuid() }}' } }\noutputs: { s: '${{ data.same }}', o: '${{ data.other }}' }\n", `succeeded {"s":true,"o":true}`},
		{"fail", "  - { id: a, set: { x: 7 } }\n  - { id: b, fail: 'no ${{ data.x }}' }\n", `failed failed at b`},
		{"an output that cannot be computed", "  - { id: a, set: { x: '${{ [1] }}', i: 4 } }\noutputs: { x: '${{ data.x[data.i] + 1 }}' }\n", `failed expression`},
		{"a condition that cannot be computed", "  - { id: a, set: { x: '${{ [1] }}', i: 4 } }\n  - { id: b, if: 'data.x[data.i] + 1 == 2', set: { y: 1 } }\n", `failed expression at b`},
		{"a null condition", "  - { id: a, set: { x: { n: null } } }\n  - { id: b, if: data.x.n, set: { y: 1 } }\n", `failed expression at b`},
		{"a loop over no list", "  - { id: a, set: { x: { n: 5 } } }\n  - { id: b, for_each: { in: data.x.n }, set: { y: 1 } }\n", `failed expression at b`},
		{"a loop's condition that cannot be computed, handled", "  - { id: a, set: { x: { n: null } } }\n  - { id: b, if: data.x.n, on_error: continue, for_each: { in: '[1]' }, set: { y: 1 } }\noutputs: { b: '${{ steps.b.outcome }} ${{ steps.b.count }}' }\n", `succeeded {"b":"caught 0"}`},
		{"a loop's list that is none, handled", "  - { id: a, set: { x: { n: null } } }\n  - { id: b, on_error: continue, for_each: { in: data.x.n }, set: { y: 1 } }\noutputs: { b: '${{ steps.b.outcome }}' }\n", `succeeded {"b":"caught"}`},
		{"nested loops with variables of the same name", "  - id: o\n    for_each: { in: '[[1, 2], [3]]' }\n    steps:\n      - { id: i, for_each: { in: item }, set: { v: '${{ item * 10 + index }}' } }\noutputs: { v: '${{ data.v }}' }\n", `succeeded {"v":[[10,21],[30]]}`},
		{"an iteration sees its own values only", "  - id: o\n    for_each: { in: '1..3' }\n    steps:\n      - { id: s, if: item == 2, set: { v: '${{ item }}' } }\n      - { id: r, set: { w: \"${{ data.v ?? 'none' }} ${{ steps.s.outcome }}\" } }\noutputs: { v: '${{ data.v }}', w: '${{ data.w }}' }\n", `succeeded {"v":[null,2,null],"w":["none skipped","2 done","none skipped"]}`},
		{"steps of a path that was not taken are skipped", "  - id: a\n    if: 1 == 2\n    steps:\n      - { id: b, set: { x: 1 } }\noutputs: { b: '${{ steps.b.outcome }} ${{ steps.b.duration.Seconds() }} ${{ steps.b.attempts }}' }\n", `succeeded {"b":"skipped 0 0"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			run, err := (&flow.Executor{}).Run(t.Context(), compileWeb(t, &web{}, "steps:\n"+tt.flow), nil)
			if got := end(run, err); got != tt.want {
				t.Errorf("have %s, want %s; %v", got, tt.want, err)
			}
		})
	}
}

func TestAListHasTheDeclaredDefaultWhereAnIterationSavedNothing(t *testing.T) {
	t.Parallel()
	p := compileWeb(t, &web{}, `
data: { v: { type: integer, default: 7 } }
steps:
  - id: o
    for_each: { in: "1..3" }
    steps:
      - { id: s, if: item > 1, set: { v: "${{ item }}" } }
      - { id: u, if: item == 3, set: { v: null } }
outputs: { v: "${{ data.v }}" }
`)
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if got := end(run, err); got != `succeeded {"v":[7,2,7]}` {
		t.Error(got, err)
	}
}

func TestAStepsStatusIsThatOfItsLastAnswer(t *testing.T) {
	t.Parallel()
	w := &web{answer: func(h hit) (flow.Result, error) {
		return status([]int{503, 502, 404}[h.Nth-1], ""), nil
	}}
	p := compileWeb(t, w, "steps:\n  - { id: a, action: web, on_error: continue, with: { safe: true }, retry: { attempts: 3, backoff: { initial: 1ms } } }\noutputs: { s: '${{ steps.a.status }} ${{ steps.a.attempts }} ${{ steps.a.ok }}' }\n")
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if got := end(run, err); got != `succeeded {"s":"404 3 false"}` {
		t.Error(got, err)
	}
}

func TestWhenARetryIsAskedForItSeesErrorAndResponse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, retry string
		answer      flow.Result
		err         error
		calls       int
		hint        string
	}{
		{"a reason of its own", `{ attempts: 3, when: 'error.status == 409 && response.body.busy', backoff: { initial: 1ms } }`, status(409, `{"busy":true}`), nil, 3, ""},
		{"that does not hold", `{ attempts: 3, when: 'response.body.busy', backoff: { initial: 1ms } }`, status(409, `{"busy":false}`), nil, 1, ""},
		{"the body of the error", `{ attempts: 3, when: 'error.body.busy', backoff: { initial: 1ms } }`, status(409, `{"busy":true}`), nil, 3, ""},
		{"without an answer", `{ attempts: 3, when: 'error.kind == "action" && response.status == 0 && response.body == nil', backoff: { initial: 1ms } }`, flow.Result{}, errors.New("no"), 3, ""},
		{"that cannot be computed", `{ attempts: 3, when: 'response.body.busy.x == 1', backoff: { initial: 1ms } }`, status(409, `{"busy":null}`), nil, 1, "retry.when"},
		{"more statuses", `{ attempts: 3, on: [409, 5xx], backoff: { initial: 1ms } }`, status(500, ``), nil, 3, ""},
		{"only those", `{ attempts: 3, on: [409], only: true, backoff: { initial: 1ms } }`, status(503, ``), nil, 1, ""},
		{"none", `false`, status(503, ``), nil, 1, ""},
		{"a number", `5`, status(429, ``, "Retry-After", "0"), nil, 5, ""},
		{"an expectation, for a reason", `{ attempts: 3, when: 'error.kind == "expect"', backoff: { initial: 1ms } }`, status(200, `{"done":false}`), nil, 3, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{answer: func(hit) (flow.Result, error) { return tt.answer, tt.err }}
			p := compileWeb(t, w, "steps:\n  - id: a\n    action: web\n    with: { safe: true }\n    expect: { that: [ 'response.body == nil || response.body.done != false' ] }\n    retry: "+tt.retry+"\n")
			_, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if n := w.counts()["a"]; n != tt.calls {
				t.Errorf("asked %d times, want %d; %v", n, tt.calls, err)
			}
			if e := failureOf(t, err); tt.hint != "" && !strings.Contains(strings.Join(e.Hints, " "), tt.hint) {
				t.Errorf("hints %q", e.Hints)
			}
		})
	}
}

func TestWhateverElseFailedAnUnknownCallIsWhatTheRunSays(t *testing.T) {
	t.Parallel()
	both := make(chan struct{})
	var arrived sync.WaitGroup
	arrived.Add(2)
	go func() { arrived.Wait(); close(both) }()
	w := &web{answer: func(h hit) (flow.Result, error) {
		if !strings.HasPrefix(h.Path, "each") {
			return ok(`{}`), nil
		}
		arrived.Done()
		<-both
		if h.Path == "each[1]" {
			return flow.Result{}, lost()
		}
		return status(404, ""), nil
	}}
	p := compileWeb(t, w, "steps:\n  - { id: each, for_each: { in: '1..2', concurrency: 2 }, action: web }\nfinally:\n  - { id: tell, action: web, with: { say: '${{ run.status }} ${{ need(run.error?.kind) }}' } }\n")
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	if got := end(run, err); got != "unknown unknown at each[1]" {
		t.Error(got, err)
	}
	if said := w.hits[len(w.hits)-1].Say; said != `"unknown unknown"` {
		t.Errorf("finally was told %s", said)
	}
}

func TestACallInDoubtOfAStoppedBranchMakesTheRunUnknown(t *testing.T) {
	t.Parallel()
	s := &mortal{Store: &datapoints.Memory{}, lives: -1}
	sent, failed := make(chan struct{}), make(chan struct{})
	w := &web{}
	w.answer = func(h hit) (flow.Result, error) {
		switch {
		case h.Path == "each[0].a" && h.Nth == 1:
			close(sent)
			<-failed // the machine dies while this is in flight
		case h.Path == "each[1].a":
			<-sent
			s.mu.Lock()
			s.lives = 1 // the failure is written, nothing after it
			s.mu.Unlock()
			go func() { close(failed) }()
			return status(404, ""), nil
		}
		return ok(`{}`), nil
	}
	p := compileWeb(t, w, "steps:\n  - id: each\n    for_each: { in: '1..2', concurrency: 2 }\n    steps:\n      - { id: a, action: web }\n")
	for range 20 {
		w.hits, sent, failed, s.lives = nil, make(chan struct{}), make(chan struct{}), -1
		run, _ := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		s.revive()
		got, err := s.Read(t.Context(), run.ID, datapoints.Query{Rows: true})
		if err != nil {
			t.Fatal(err)
		}
		doubt := false
		for _, e := range got.Rows {
			doubt = doubt || e.Path == "each[0].a" && e.Row.Last.Status == 0
		}
		if !doubt {
			continue // the answer was written first, or the failure was not
		}
		run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != "unknown unknown at each[0].a" {
			t.Fatal(got, err)
		}
		if e := failureOf(t, err); !strings.Contains(strings.Join(e.Hints, ""), "--assume each[0].a=") {
			t.Errorf("nobody says what to do: %q", e.Hints)
		}
		run, err = successor(s).Resume(t.Context(), p, run.ID, nil)
		if e := failureOf(t, err); e.Kind != flow.KindUnknown || w.counts()["each[0].a"] != 1 {
			t.Errorf("%s, sent %v", end(run, err), w.counts())
		}
		return
	}
	t.Skip("the machine never died between the two")
}

func TestAnActionCannotSayThingsOfTheRun(t *testing.T) {
	t.Parallel()
	for _, kind := range []flow.Kind{"", flow.KindStore, flow.KindInterrupted, flow.KindPaused, flow.KindInput, flow.KindSecret, flow.KindFlow} {
		w := &web{answer: func(hit) (flow.Result, error) {
			return flow.Result{}, &flow.Error{Kind: kind, Message: "no"}
		}}
		s := &datapoints.Memory{}
		p := compileWeb(t, w, "steps:\n  - id: b\n    if: run.id != ''\n    steps:\n      - { id: a, action: web }\n")
		run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
		if got := end(run, err); got != "failed action at b.a" {
			t.Errorf("%q: %s", kind, got)
		}
		w.answer = nil
		if run, err = successor(s).Resume(t.Context(), p, run.ID, nil); err != nil || run.State != datapoints.Succeeded || w.counts()["b.a"] != 2 {
			t.Errorf("%q: resumed %s, %v", kind, end(run, err), err)
		}
	}
}

// A clumsy action panics where it is told to.
type clumsy struct {
	webAction
	where string
}

func (c clumsy) Plan(in flow.Input) (flow.Call, error) {
	if c.where == "Plan" {
		panic("clumsy")
	}
	call, err := c.webAction.Plan(in)
	switch c.where {
	case "Shown":
		call.Shown = func() flow.Request { panic("clumsy") }
	case "Refused":
		call.Refused = func(flow.Result) (flow.Kind, []string) { panic("clumsy") }
	case "Do":
		call.Do = func(context.Context) (flow.Result, error) { panic("clumsy") }
	case "Release":
		call.Release = func() { panic("clumsy") }
	}
	return call, err
}

func TestAPanicOfAnActionFailsItsStepAndNeverRepeatsACall(t *testing.T) {
	t.Parallel()
	for where, want := range map[string][2]string{
		"Plan": {"failed internal at a", "failed internal at a"}, "Do": {"failed internal at a", "unknown unknown at a"},
		"Shown": {"failed internal at a", "unknown unknown at a"}, "Refused": {"failed internal at a", "unknown unknown at a"},
		"Release": {"succeeded {}", "succeeded {}"}, // what became of the call is recorded by then
	} {
		for i, safe := range []string{"true", "false"} {
			w := &web{answer: func(hit) (flow.Result, error) { return status(404, ""), nil }}
			text := "stepwell: 1\nname: t\nsteps:\n  - { id: a, action: web, with: { safe: " + safe + " }, on_error: continue }\n"
			p, err := flow.Compile(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml", flow.Kit{Actions: flow.Actions{"web": clumsy{webAction{w}, where}}})
			if err != nil {
				t.Fatal(err)
			}
			run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
			if got := end(run, err); got != want[i] {
				t.Errorf("%s, safe %s: %s, want %s; %v", where, safe, got, want[i], err)
			}
		}
	}
}

// A watcher panics at the n-th thing that it is told.
type watcher struct {
	mu    sync.Mutex
	n, at int
}

func (w *watcher) tell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n++; w.n >= w.at {
		panic("the observer panicked")
	}
}

func (w *watcher) Begin(ctx context.Context, _ flow.Span) (context.Context, func(flow.End)) {
	w.tell()
	return ctx, func(flow.End) { w.tell() }
}

func TestAPanicOfAnObserverChangesNothing(t *testing.T) {
	t.Parallel()
	for at := 1; at < 30; at++ {
		w := &web{answer: func(h hit) (flow.Result, error) {
			if h.Nth == 1 {
				return status(429, "", "Retry-After", "0"), nil
			}
			return ok(`{"n":1}`), nil
		}}
		p := compileWeb(t, w, "steps:\n  - { id: each, for_each: { in: '1..2', concurrency: 2 }, action: web, save: { n: n } }\n  - { id: b, if: 1 == 2, set: { x: 1 } }\n  - { id: c, on_error: continue, fail: no }\noutputs: { n: '${{ data.n }}' }\n")
		watch := &watcher{at: at}
		run, err := (&flow.Executor{Observer: watch}).Run(t.Context(), p, nil)
		if got := end(run, err); got != `succeeded {"n":[1,1]}` {
			t.Fatalf("panic %d: %s, %v", at, got, err)
		}
		if watch.n > at+1 {
			t.Errorf("panic %d: it was told %d things", at, watch.n)
		}
	}
}

func TestARunThatIsOverCannotBeStartedAgain(t *testing.T) {
	t.Parallel()
	w := &web{}
	x := &flow.Executor{}
	p := compileWeb(t, w, "steps:\n  - { id: a, action: web }\n")
	run, err := x.Run(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := x.Start(t.Context(), p, run.ID); !errors.Is(err, flow.ErrNotResumable) || again.State != datapoints.Succeeded || w.counts()["a"] != 1 {
		t.Errorf("%s, %v", end(again, err), err)
	}
}

func TestARunThatIsInterruptedBeforeItBeginsSaysSo(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &web{}
	_, err := (&flow.Executor{}).Run(ctx, compileWeb(t, w, "steps:\n  - { id: a, action: web }\n"), nil)
	if e := failureOf(t, err); e.Kind != flow.KindInterrupted || len(w.hits) != 0 {
		t.Error(err, len(w.hits))
	}
}

func TestAStoreThatLastsWithoutAKeyRefusesWhatIsSensitive(t *testing.T) {
	t.Parallel()
	plain := func() *lasting { return &lasting{Store: &datapoints.Memory{}} }
	tests := []struct {
		name, flow string
		in         flow.Inputs
		answer     flow.Result
		refused    bool
	}{
		{"nothing", "steps:\n  - { id: a, action: web, save: { n: n } }\n", nil, ok(`{"n":1}`), false},
		{"a declared one", "data: { n: { type: integer, sensitive: true } }\nsteps:\n  - { id: a, action: web, save: { n: n } }\n", nil, ok(`{"n":1}`), true},
		{"personal data", "data: { n: { type: integer, pii: true } }\nsteps:\n  - { id: a, action: web, save: { n: n } }\n", nil, ok(`{"n":1}`), true},
		{"a member of a saved value", "steps:\n  - { id: a, action: web, save: { n: n } }\n", nil, ok(`{"n":{"deep":[{"password":"hunter2-hunter2"}]}}`), true},
		{"a member of an input", "inputs: { o: object }\nsteps:\n  - { id: a, action: web, with: { say: '${{ inputs.o }}' } }\n", flow.Inputs{"o": map[string]any{"api_key": "k-12345678"}}, ok(`{}`), true},
		{"an input that is none", "inputs: { o: object }\nsteps:\n  - { id: a, action: web, with: { say: '${{ inputs.o }}' } }\n", flow.Inputs{"o": map[string]any{"id": 1}}, ok(`{}`), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := plain()
			w := &web{answer: func(hit) (flow.Result, error) { return tt.answer, nil }}
			_, err := (&flow.Executor{Store: s}).Run(t.Context(), compileWeb(t, w, tt.flow), tt.in)
			if refused := err != nil && failureOf(t, err).Kind == flow.KindStore; refused != tt.refused || err != nil && !tt.refused {
				t.Errorf("refused %v, want %v: %v", refused, tt.refused, err)
			}
		})
	}
}

func TestAStoreThatLastsWithoutAKeyKeepsNoSecretOfAFailedAnswer(t *testing.T) {
	t.Parallel()
	s := &lasting{Store: &datapoints.Memory{}}
	w := &web{answer: func(hit) (flow.Result, error) { return status(400, `{"hint":"h","access_token":"tok-123456789"}`), nil }}
	run, _ := (&flow.Executor{Store: s}).Run(t.Context(), compileWeb(t, w, "steps:\n  - { id: a, action: web }\n"), nil)
	got, err := s.Read(t.Context(), run.ID, datapoints.Query{Rows: true})
	if err != nil || len(got.Rows) == 0 {
		t.Fatal(err)
	}
	for _, e := range got.Rows {
		if strings.Contains(e.Row.Hidden.Reveal(), "tok-123456789") {
			t.Errorf("%s keeps the token", e.Path)
		}
	}
}

// lasting says that it outlives the process.
type lasting struct{ datapoints.Store }

func (lasting) Traits() datapoints.Traits { return datapoints.Traits{Lasts: true} }

func TestAResumedRunStillMasksWhatItSavedBefore(t *testing.T) {
	t.Parallel()
	const token = "tok-with-many-characters-1"
	healed := false
	w := &web{answer: func(h hit) (flow.Result, error) {
		switch {
		case h.Path == "login":
			return ok(`{"access_token":"` + token + `","list":[{"password":"p-with-many-characters-2"}]}`), nil
		case !healed:
			return flow.Result{}, &flow.Error{Kind: flow.KindNetwork, Message: "nothing was sent"}
		case strings.HasPrefix(h.Path, "each"):
			return flow.Result{}, &flow.Error{Kind: flow.KindAction, Message: "the server does not like p-with-many-characters-2"}
		}
		return flow.Result{}, &flow.Error{Kind: flow.KindAction, Message: "the server does not like " + token}
	}}
	p := compileWeb(t, w, "steps:\n  - { id: login, action: web, save: { access_token: access_token, list: list } }\n  - { id: use, action: web, on_error: continue, with: { headers: { Authorization: 'Bearer ${{ data.access_token }}' } }, retry: false }\n  - { id: each, for_each: { in: data.list }, action: web, retry: false, with: { say: '${{ item.password }}' } }\n")
	s := &mortal{Store: &datapoints.Memory{}, lives: -1}
	run, err := (&flow.Executor{Store: s}).Run(t.Context(), p, nil)
	if end(run, err) != "failed network at each[0]" {
		t.Fatal(end(run, err))
	}
	healed = true
	_, err = successor(s).Resume(t.Context(), p, run.ID, nil)
	if e := failureOf(t, err); strings.Contains(e.Message, "p-with-many") || !strings.Contains(e.Message, "[secret password]") {
		t.Error(e.Message)
	}
}

func TestInputsAreConvertedAndAllThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	p := compileWeb(t, &web{}, `
inputs:
  id: { type: string, pattern: "[0-9]{3}", pii: true }
  n: { type: integer, min: 1, default: 4 }
  f: number
  o: { type: object, default: { a: "<&>" } }
  secret: { type: string, min_length: 5, sensitive: true }
steps:
  - { id: a, set: { x: 1 } }
outputs: { all: "${{ inputs.id }} ${{ inputs.n }} ${{ inputs.f }} ${{ toJSON(inputs.o) }}" }
`)
	run, err := (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"id": "001", "f": "1.50", "n": 7, "o": map[string]any{"k": "<b>"}, "secret": "abcdef"})
	if got := end(run, err); got != `succeeded {"all":"001 7 1.50 {\"k\":\"<b>\"}"}` {
		t.Error(got, err)
	}
	_, err = (&flow.Executor{}).Run(t.Context(), p, flow.Inputs{"id": "A-patient", "n": "0", "f": "x", "secret": "hush", "idd": 1})
	e := failureOf(t, err)
	var names []string
	for _, f := range e.Facts {
		names = append(names, f.Name)
		if strings.Contains(f.Text, "A-patient") || strings.Contains(f.Text, "hush") {
			t.Errorf("%s tells its value: %s", f.Name, f.Text)
		}
	}
	if diff := cmp.Diff([]string{"id", "n", "f", "secret", "idd"}, names); diff != "" || e.Kind != flow.KindInput {
		t.Error(diff, e.Kind)
	}
}

func TestAStepReadsFilesWithinItsProjectOnly(t *testing.T) {
	t.Parallel()
	read := flow.Kit{Actions: flow.Actions{"read": reader{}}}
	for name, want := range map[string]string{"a.txt": "succeeded {}", "none.txt": "failed data at a", "../a.txt": "failed data at a", "/etc/passwd": "failed data at a"} {
		p, err := flow.Compile(fstest.MapFS{"t.yaml": {Data: []byte("stepwell: 1\nname: t\nsteps:\n  - { id: a, action: read, with: { file: " + name + " } }\n")}}, "t.yaml", read)
		if err != nil {
			t.Fatal(err)
		}
		run, err := (&flow.Executor{Files: fs.FS(fstest.MapFS{"a.txt": {Data: []byte("a")}})}).Run(t.Context(), p, nil)
		if got := end(run, err); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// reader reads a file while it is planned.
type reader struct{}

func (reader) Spec() flow.Spec {
	return flow.Spec{Doc: "Reads a file.", Fields: []flow.Field{{Name: "file", Type: flow.TextField, Required: true}}}
}

func (reader) Plan(in flow.Input) (flow.Call, error) {
	data, err := in.File(in.Args[0].Value.RevealText())
	return flow.Call{Repeatable: true, Do: func(context.Context) (flow.Result, error) { return flow.Result{Body: data}, nil }}, err
}

func TestWhatBasicMakesOfAPairIsMasked(t *testing.T) {
	t.Parallel()
	const password = "s3cr3t-of-the-clinic"
	redactor := &datapoints.Redactor{}
	w := &world{}
	p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte(`stepwell: 1
name: pair
secrets: { password: { env: X } }
steps:
  - { id: a, action: call, with: { basic: { username: clinic, password: "${{ secrets.password }}" } } }
`)}}, "test.yaml", flow.Kit{Actions: flow.Actions{"call": basicAction{worldAction{w}}}})
	if err != nil {
		t.Fatal(err)
	}
	x := &flow.Executor{Redactor: redactor, Secrets: func(context.Context, flow.SecretSource) (string, error) { return password, nil }}
	if _, err := x.Run(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	header := base64.StdEncoding.EncodeToString([]byte("clinic:" + password))
	if got := redactor.Text("Basic " + header); strings.Contains(got, header[:8]) {
		t.Errorf("shown as %s", got)
	}
}

// basicAction is the world's action with a field for Basic.
type basicAction struct{ worldAction }

func (b basicAction) Spec() flow.Spec {
	s := b.worldAction.Spec()
	s.Fields = append(s.Fields, flow.Field{Name: "basic", Type: flow.JSONField})
	return s
}

// TestARunsSecretsEndWithIt: an Executor without a Redactor may run for years.
func TestARunsSecretsEndWithIt(t *testing.T) {
	t.Parallel()
	x := &flow.Executor{}
	ask := func(steps string) string {
		p, err := flow.Compile(fstest.MapFS{"test.yaml": {Data: []byte("stepwell: 1\nname: test\nsteps:\n" + steps)}}, "test.yaml", flow.Kit{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = x.Run(t.Context(), p, nil); err == nil {
			t.Fatal("the run succeeded")
		}
		return err.Error()
	}
	const says = `  - { id: b, fail: "it was hunter22hunter22" }`
	if got := ask("  - { id: a, set: { my_token: hunter22hunter22 } }\n" + says); !strings.Contains(got, "it was [secret my_token]") {
		t.Error(got)
	}
	if got := ask(says); !strings.Contains(got, "it was hunter22hunter22") {
		t.Error(got)
	}
}
