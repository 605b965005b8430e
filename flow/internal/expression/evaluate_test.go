package expression_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

func TestExpressionsGiveWhatTheLanguageSays(t *testing.T) {
	t.Parallel()
	tests := []struct{ source, want string }{
		{`1 + 2`, `3`},
		{`data.big`, `123456789012345678901234567890`},
		{`data.price`, `13.0`},
		{`data.patient`, `{"z":1,"a":{"b":2.50},"id":99999999999999999999}`},
		{`data.patient.a.b`, `2.50`},
		{`data.patient["id"]`, `99999999999999999999`},
		{`data.orders[0].owner.email`, `"a@b.c"`},
		{`data.orders[-1].id`, `2`},
		{`len(data.orders)`, `2`},
		{`filter(data.orders, .urgent)`, `[{"id":1,"urgent":true,"price":13.0,"owner":{"email":"a@b.c"}}]`},
		{`map(data.orders, .price)`, `[13.0,1.5]`},
		{`sum(map(data.orders, .price))`, `14.5`},
		{`data.price + 1`, `14`},
		{`data.big == data.big`, `true`},
		{`data.big + 1`, "error: an integer beyond 64 bits can be passed on and compared, not computed with"},
		{`data.any.b.c[1]`, `20`},
		{`data.any["b"]["c"][0] + index`, `11`},
		{`data.nothing ?? "x"`, `"x"`},
		{`data.any.zip`, `null`},
		{`data.any.zip.zap`, "error: `data.any.zip` is null, so it has no `zap`"},
		{`data.any.zip?.zap.zup`, `null`},
		{`data.any[data.name]`, `null`},
		{`response.headers["ETag"]`, `"\"1\""`},
		{`response.headers[lower("ETAG")]`, `"\"1\""`},
		{`response.headers["X-None"]`, `null`},
		{`response.duration > duration("1s")`, `true`},
		{`run.started_at.Year()`, `2026`},
		{`now()`, `"2026-11-21T10:00:00.005Z"`},
		{`date(inputs.since)`, `"2026-11-21T10:00:00+01:00"`},
		{`date(inputs.since).Add(duration("3d"))`, `"2026-11-24T10:00:00+01:00"`},
		{`string(date("2026-11-21"))`, `"2026-11-21T00:00:00Z"`},
		{`toJSON({b: 1, a: [data.price]})`, `"{\"a\":[13.0],\"b\":1}"`},
		{`fromJSON("{\"x\": 1e3}").x`, `1e3`},
		{`hex(sha256("abc"))`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`base64(hmacSHA256("key", "body"))`, `"UVquEztDXUAAlWcx9orlz164XU8NxqVG0r/NNZXsGuE="`},
		{`keys({b: 1, a: 2})`, `["a","b"]`},
		{`toPairs({b: 1, a: 2})`, `[["a",2],["b",1]]`},
		{`compact(data.names)`, `["Ann","Bob"]`},
		{`join(data.names, ", ")`, "error: join(): item 2 is null"},
		{`path(data.any, "b.c.1")`, `20`},
		{`path(data.any, "b.d")`, `null`},
		{`path(response.body, "items.#(id==2).x")`, `"b"`},
		{`need(data.maybe)`, "error: there is no `data.maybe`, and need() asks for it"},
		{`data.any.zip && true`, "error: `data.any.zip` is null, not true or false"},
		{`reduce(data.scores, #acc + #, 0)`, `6`},
		{`sortBy(data.orders, .id, "desc") | map(.id)`, `[2,1]`},
		{`data.names[0:2]`, `["Ann","Bob"]`},
		{`"héllo"[1:3]`, `"él"`},
		{`data.name[2]`, `"ë"`},
		{`1 / 0`, "error: division by zero"},
		{`9223372036854775807 + 1`, "error: the result does not fit into 64 bits"},
		{`2 ** 3`, `8`},
		{`1e300 * 1e300`, "error: the result is not a finite number"},
		{`"${{" + "x"`, `"${{x"`},
		{`uuid() + uuid()`, `"uuid-1uuid-2"`},
		{`order.owner.email`, `"o@x.y"`},
		{`if inputs.notify { "a" } else { "b" }`, `"a"`},
		{`inputs.notify ? data.price : 0`, `13.0`},
		{`{"a": 1}.a`, `1`},
		{`data.scores | sort() | first()`, `1`},
		{`1..3`, `[1,2,3]`},
		{`groupBy(data.orders, .urgent)`, `{"false":[{"id":2,"urgent":false,"price":1.5}],"true":[{"id":1,"urgent":true,"price":13.0,"owner":{"email":"a@b.c"}}]}`},
		{`type(nil)`, `"nil"`},
		{`unbase64("aGk") + "!"`, `"hi!"`},
		{`urlEncode("a b/c")`, `"a%20b%2Fc"`},
		{`get(data.any, "zip")`, `null`},
		{`get(data.orders, 5)`, `null`},
		{`data.orders[5]`, "error: `data.orders` has no item 5, it has 2"},
		{`request.body`, "error: a value is bytes, which have no form as JSON"},
		{`base64(request.body)`, `"/wA="`},
		{`response.duration`, "error: a value is a duration, which has no form as JSON"},
		{`steps.place.status == 201`, `true`},
		{`steps.loop.count`, `3`},
		{`jwtClaims("e30.eyJzdWIiOjEyMzQ1Njc4OTAxMjM0NTY3ODkwfQ.x").sub`, `12345678901234567890`},
	}
	for _, test := range tests {
		if got := evaluate(t, test.source, clinic()); got != test.want {
			t.Errorf("%s\n got  %s\n want %s", test.source, got, test.want)
		}
	}
}

func TestErrorsNameThePartAndItsPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, message, hint string }{
		{"日本 ${{ data.any.zip.«zap» }}", "`data.any.zip` is null, so it has no `zap`", "?.zap"},
		{"日本 ${{ «data.nothing» + 1 }}x", "`data.nothing` is null: `+` needs a value", "need(data.nothing)"},
		{"x ${{ upper(«data.nothing») }}", "`data.nothing` is null: upper() takes text", "need(data.nothing)"},
		{"x ${{ upper(«data.any») }}", "`data.any` is an object, but upper() takes text", ""},
		{"x ${{ «data.nothing» }}", "`data.nothing` is null", "need(…)"},
		{"x ${{ need(«data.nothing») }}", "there is no `data.nothing`, and need() asks for it", ""},
		{"x ${{ «data.any.b + 1» }}", "`+` does not fit between an object and an integer", ""},
		{"x ${{ «sum([1, nil])» }}", "sum(): item 1 is null", "compact("},
		{"x ${{ max(«data.any.list») }}", "`data.any.list` is null", "need("},
		{"x ${{ toJSON(map([nil], «.x»)) }}", "`#` is null, so it has no `x`", "compact("},
		{"x ${{ toJSON(map([nil], «#» + 1)) }}", "`#` is null: `+` needs a value", "compact("},
		{"x ${{ 1 + («int(\"x\")» * 2) }}", "int(): the text is not an integer of 64 bits", ""},
		{"x ${{ «(1 + 2) / 0» }}", "division by zero", ""},
		{"x ${{ filter(data.orders, «.id»)[0] }}", "`.id` is an integer for item 0, not true or false", "`.id != 0`"},
	}
	for _, test := range tests {
		text, from, to := marked(test.text)
		tpl, problems := expression.CompileTemplate(text, clinic())
		if len(problems) > 0 {
			t.Errorf("%s: %+v", text, problems)
			continue
		}
		_, err := tpl.Render(clinic())
		var failed *expression.Error
		if !errors.As(err, &failed) {
			t.Errorf("%s: no error", text)
			continue
		}
		if !strings.Contains(failed.Message, test.message) || !strings.Contains(strings.Join(failed.Hints, " "), test.hint) {
			t.Errorf("%s\n got  %s %v\n want %s", text, failed.Message, failed.Hints, test.message)
		}
		if failed.From != from || failed.To != to {
			t.Errorf("%s: the error stands at %d to %d, want %d to %d", text, failed.From, failed.To, from, to)
		}
	}
}

func TestAnErrorOfTheEnvIsHandedOn(t *testing.T) {
	t.Parallel()
	p := clinic()
	delete(p.values, "data.any")
	program, problems := expression.Compile(`1 + data.any.b`, p)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	_, err := program.Eval(p)
	var failed *expression.Error
	if !errors.As(err, &failed) || failed.Err == nil || failed.Message != "the test has no value for data.any" || failed.From != 4 {
		t.Errorf("got %+v", failed)
	}
}

func TestProgramsAreSharedBetweenGoroutines(t *testing.T) {
	t.Parallel()
	shared := clinic()
	program, problems := expression.Compile(`len(filter(data.orders, .urgent)) + data.any.b.c[1] + sum(map(data.orders, .id))`, shared)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			p := &place{names: shared.names, values: shared.values}
			for range 100 {
				if v, err := program.Eval(p); err != nil || v.Unwrap() != 24 {
					t.Errorf("got %v, %v", v, err)
				}
			}
		})
	}
	group.Wait()
}
