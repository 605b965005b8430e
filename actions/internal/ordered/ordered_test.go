package ordered

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func read(text string) (list [][2]string, err error) {
	r := Read(text)
	for k, v, ok := r.Next(); ok; k, v, ok = r.Next() {
		list = append(list, [2]string{k, v})
	}
	return list, r.Err()
}

func TestMembersComeInTheirOrderWithTheirDigits(t *testing.T) {
	for text, want := range map[string][][2]string{
		` { "b" : 13.0 , "a":[1, {"x":"]}"}],"\u00e9\"":"\\" , "n":null,"e":{}} `: {{"b", "13.0"}, {"a", `[1, {"x":"]}"}]`}, {"é\"", `"\\"`}, {"n", "null"}, {"e", "{}"}},
		`[1,"a",[],{"b":2}]`: {{"", "1"}, {"", `"a"`}, {"", "[]"}, {"", `{"b":2}`}},
		`{}`:                 nil,
		` [ ] `:              nil,
		`"text"`:             nil,
		`12`:                 nil,
	} {
		got, err := read(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestWhatIsNoJSONIsAnError(t *testing.T) {
	for _, text := range []string{"", "  ", "{", "[", `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{"a" 1}`, `[1 2]`, `[1,`, `{"a":[1}`, `{"a":"x}`, `{}x`, `[1]]`, `{,}`, "{\"a\":\x00}"} {
		if list, err := read(text); err == nil {
			t.Errorf("%q: no error, %v", text, list)
		}
	}
}

func TestDepthCostsNothing(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 5_000_000) + strings.Repeat("]", 5_000_000) + `}`
	if list, err := read(deep); err != nil || len(list) != 1 {
		t.Errorf("%d members: %v", len(list), err)
	}
}

func TestTextIsQuotedAsJSONQuotesIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		quoted := string(AppendQuoted(nil, s))
		var back string
		if err := json.Unmarshal([]byte(quoted), &back); err != nil || back != s || Text(quoted) != s {
			t.Fatalf("%q became %s and %q: %v", s, quoted, back, err)
		}
	})
	if got := string(AppendQuoted(nil, "a\xffb")); got != `"a`+"\uFFFD"+`b"` {
		t.Errorf("got %s", got)
	}
}

func TestScalarsHaveAText(t *testing.T) {
	for value, want := range map[string]string{`"a\n"`: "a\n", "13.0": "13.0", "1e3": "1000", "-2.5E-3": "-0.0025", "true": "true", "123456789012345678901234567890": "123456789012345678901234567890"} {
		if got, ok := Scalar(value); !ok || got != want {
			t.Errorf("%s: %q %v", value, got, ok)
		}
	}
	for _, value := range []string{"", "null", "{}", "[]"} {
		if _, ok := Scalar(value); ok {
			t.Errorf("%q has a text", value)
		}
	}
}

func FuzzReadAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `[1,[2]]`, `{"a":{"b":"\u0041"}}`, `{"a"`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := read(text)
		var want []json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return // what is deeper is not checked, so nothing follows from an error of the whole
		}
		if err != nil || len(list) != len(want) {
			t.Fatalf("%q: %v, %d items, want %d", text, err, len(list), len(want))
		}
		for i := range want {
			if list[i][1] != string(want[i]) {
				t.Fatalf("%q: item %d is %s, want %s", text, i, list[i][1], want[i])
			}
		}
	})
}
