package value_test

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

func TestJSONIsPassedOnAsItCame(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`null`, `true`, `13.0`, `1e3`, `-0`, `123456789012345678901234567890`, `9223372036854775807`, `"x"`, `[1, 2.50]`, `{"z":1,"a":{"y":13.0}}`, `1E+400`, `0.10`} {
		got, err := value.FromJSON(" " + s + "\n").JSON()
		if err != nil || got != s {
			t.Errorf("%s becomes %s, %v", s, got, err)
		}
	}
}

func TestComputedValuesAreCompactSortedJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    any
		want string
	}{
		{map[string]any{"b": []any{1, 2.5, nil, true}, "a": "x<é>\u2028\"\\\n\x01"}, "{\"a\":\"x<é>\u2028\\\"\\\\\\n\\u0001\",\"b\":[1,2.5,null,true]}"},
		{"a\xffb", `"a` + "\uFFFD" + `b"`},
		{1e21, `1000000000000000000000`},
		{1e-7, `0.0000001`},
		{math.Copysign(0, -1), `0`},
		{time.Date(2026, 11, 21, 10, 0, 0, 0, time.FixedZone("", 3600)), `"2026-11-21T10:00:00+01:00"`},
		{time.Date(2026, 11, 21, 10, 0, 0, 120_000_000, time.UTC), `"2026-11-21T10:00:00.120Z"`},
		{time.Date(2026, 11, 21, 10, 0, 0, 999, time.UTC), `"2026-11-21T10:00:00Z"`},
		{[]string{"a"}, `["a"]`},
		{[]value.Value{value.FromJSON(`13.0`), value.FromJSON(`{"b": 1}`)}, `[13.0,{"b": 1}]`},
		{int64(7), `7`},
		{struct{}{}, `null`},
	}
	for _, test := range tests {
		got, err := value.Of(test.v).JSON()
		if err != nil || got != test.want {
			t.Errorf("%v becomes %s, want %s, %v", test.v, got, test.want, err)
		}
		if !json.Valid([]byte(got)) {
			t.Errorf("%s is no JSON", got)
		}
	}
	for _, v := range []any{[]byte("x"), time.Second, []any{time.Second}, time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if got, err := value.Of(v).JSON(); err == nil {
			t.Errorf("%v becomes %s", v, got)
		}
	}
}

func TestTextHasARuleForEachKind(t *testing.T) {
	t.Parallel()
	tests := []struct {
		v    value.Value
		want string // or the error
	}{
		{value.FromText("x"), "x"},
		{value.FromJSON(`"\u00e9\ud83d\ude00\ud800"`), "é😀\uFFFD"},
		{value.FromJSON(`13.0`), "13.0"},
		{value.Of(13.0), "13"},
		{value.Of(-5), "-5"},
		{value.Of(true), "true"},
		{value.Of(nil), "is null"},
		{value.FromJSON(`[1]`), "is a list, which has no form as text"},
		{value.FromJSON(`{}`), "is an object, which has no form as text"},
		{value.Of(time.Second), "is a duration, which has no form as text"},
		{value.Of([]byte("x")), "is bytes, which have no form as text"},
	}
	for _, test := range tests {
		got, err := test.v.Text()
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%v: got %q, want %q", test.v, got, test.want)
		}
	}
}

func TestKindsOfValues(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]value.Kind{`1`: value.Integer, `-0`: value.Integer, `1.0`: value.Number, `1e3`: value.Number, `99999999999999999999`: value.Integer, `"x"`: value.String, `null`: value.Null,
		`true`: value.Boolean, `[]`: value.List, `{}`: value.Object} {
		if got := value.FromJSON(s).Kind(); got != want {
			t.Errorf("%s is %s, want %s", s, got, want)
		}
	}
	if b, ok := value.FromJSON(`false`).Bool(); b || !ok {
		t.Error("false is no boolean")
	}
	if _, ok := value.Of(nil).Bool(); ok {
		t.Error("null is a boolean")
	}
	if !(value.Value{}).IsNull() {
		t.Error("the zero value is not null")
	}
}

func TestTypesAcceptWhatMayFit(t *testing.T) {
	t.Parallel()
	typ := func(s string) value.Type {
		name, items, _ := strings.Cut(s, " of ")
		for k := value.Any; k <= value.Bytes; k++ {
			if k.String() == name {
				t := value.Type{Kind: k}
				if items != "" {
					of, _ := value.ParseType(items, "")
					t.Items = &of
				}
				return t
			}
		}
		t.Fatalf("no type %s", s)
		return value.Type{}
	}
	tests := []struct {
		want, given string
		ok          bool
	}{
		{"any", "null", true}, {"string", "any", true}, {"string", "string", true}, {"string", "integer", false}, {"number", "integer", true}, {"integer", "number", false},
		{"date", "string", true}, {"string", "date", true}, {"string", "time", true}, {"datetime", "time", true}, {"date", "time", false}, {"date", "datetime", false}, {"telephone", "string", true},
		{"telephone", "date", false}, {"time", "datetime", true}, {"string", "null", false}, {"list", "list of string", true}, {"list of string", "list of integer", false},
		{"list of number", "list of integer", true}, {"list of string", "list", true}, {"object", "list", false}, {"string", "duration", false}, {"string", "bytes", false}, {"boolean", "boolean", true},
	}
	for _, test := range tests {
		if got := typ(test.want).Accepts(typ(test.given)); got != test.ok {
			t.Errorf("%s accepts %s: %v", test.want, test.given, got)
		}
	}
}

func TestParseTypeReadsDeclarations(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]string{{"string", ""}: "string", {"list", "integer"}: "list of integer", {"list", ""}: "list", {"datetime", ""}: "datetime", {"any", ""}: "any",
		{"time", ""}: "", {"text", ""}: "", {"object", "string"}: "", {"list", "text"}: "", {"", ""}: ""} {
		got, ok := value.ParseType(in[0], in[1])
		if s := got.String(); ok != (want != "") || ok && s != want {
			t.Errorf("%v is %s, %v; want %s", in, s, ok, want)
		}
	}
}

func TestCheckJSONSaysWhereTextStopsBeingJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{\"a\":1}":            "",
		"":                     "it is empty",
		" \n":                  "it is empty",
		"{\"é\":1,\n \"b\":x}": "it is not valid JSON: invalid character 'x' looking for beginning of value (line 2, column 6)",
		"<html>":               "it is not valid JSON: invalid character '<' looking for beginning of value (line 1, column 1)",
		"[1":                   "it is not valid JSON: unexpected end of JSON input (line 1, column 2)",
		"{} {}":                "it is not valid JSON: invalid character '{' after top-level value (line 1, column 4)",
	} {
		err := value.CheckJSON([]byte(text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestOfEqualKeysTheFirstCounts(t *testing.T) {
	t.Parallel()
	v := value.FromJSON(`{"a":1,"a":2}`)
	var b value.Budget
	for range 3 { // by looking for it, and by reading everything
		if got, err := b.Member(v.Unwrap(), "a"); err != nil || got != 1 {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

func TestValuesAreSharedBetweenGoroutines(t *testing.T) {
	t.Parallel()
	v := value.FromJSON(`{"a":[{"b":1},{"b":2}],"c":3}`)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			var b value.Budget
			for range 100 {
				list, _ := b.Member(v.Unwrap(), "a")
				items, ok := value.Wrap(list).Items()
				if !ok || len(items) != 2 {
					t.Error("the list is lost")
				}
				if same, err := b.Equal(list, list, 0); !same || err != nil {
					t.Error("the list is not equal to itself")
				}
			}
		})
	}
	group.Wait()
}
