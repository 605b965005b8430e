package datapoints

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
)

const canary = "canary-53cr3t"

func TestASensitiveValueIsNotShownInAnyWay(t *testing.T) {
	v := Text(canary).Mark(Sensitive, "token")
	type exported struct {
		V    Value
		P    *Value
		List []Value
		Map  map[string]Value
	}
	type unexported struct {
		v    Value
		list []Value
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	logger.Info("x", "v", v, "s", exported{V: v}, "u", unexported{v: v})
	logger = slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "v", v, "s", exported{V: v, P: &v}, "u", unexported{v: v})
	shown := []string{log.String(), v.String(), v.GoString(), v.Shown(), fmt.Sprint(v), fmt.Errorf("x: %v", v).Error()}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %T %p %t %c %U %e %20.3s %-20v %#x %+q") {
		for _, x := range []any{v, &v, []Value{v}, map[string]Value{"a": v}, exported{v, &v, []Value{v}, map[string]Value{"a": v}},
			unexported{v, []Value{v}}, &unexported{v, []Value{v}}, Point{Value: v}, []Point{{Value: v}}, Record{Points: []Point{{Value: v}}}} {
			shown = append(shown, fmt.Sprintf(verb, x))
		}
	}
	for _, x := range []any{v, exported{V: v, P: &v, List: []Value{v}}, Run{Inputs: v}, map[string]any{"v": v}} {
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(b))
	}
	for _, s := range shown {
		for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("%d", []byte(canary))} {
			if strings.Contains(s, form) {
				t.Errorf("shown: %s", s)
			}
		}
	}
	if got := fmt.Sprintf("%v|%q|%22s|%-16s|", v, v, v, v); got != `[secret token]|"[secret token]"|        [secret token]|[secret token]  |` {
		t.Errorf("got %s", got)
	}
	if v.Reveal() != `"`+canary+`"` || v.RevealText() != canary {
		t.Errorf("revealed as %s", v.Reveal())
	}
}

func TestWhatIsShownOfAValue(t *testing.T) {
	for _, c := range []struct {
		v                     Value
		text, marshals, shows string
	}{
		{Value{}, "", "null", "null"},
		{JSON("null"), "null", "null", "null"},
		{Text("a <b>"), "a <b>", `"a \u003cb\u003e"`, `"a <b>"`},
		{JSON(`13.0`), "13.0", "13.0", "13.0"},
		{JSON(`"x"`).Mark(Plain, "x"), "x", `"x"`, `"x"`},
		{Text("Jo").Mark(PII, "name"), "[pii name]", `"[pii name]"`, `"Jo"`},
		{Text("Jo").Mark(PII, ""), "[pii]", `"[pii]"`, `"Jo"`},
		{JSON(`{"b":1.0,"token":"t","a":2}`), `{"b":1.0,"token":"[secret token]","a":2}`,
			`{"b":1.0,"token":"[secret token]","a":2}`, `{"b":1.0,"token":"[secret token]","a":2}`},
		{JSON(`{"token":"t"}`).Mark(PII, "x"), "[pii x]", `"[pii x]"`, `{"token":"[secret token]"}`},
		{JSON(`{}`).Mark(Sensitive, "x"), "[secret x]", `"[secret x]"`, `"[secret x]"`},
	} {
		b, err := json.Marshal(c.v)
		if c.v.String() != c.text || string(b) != c.marshals || err != nil || c.v.Shown() != c.shows {
			t.Errorf("%s: %s, %s, %s, %v", c.v.Reveal(), c.v, b, c.v.Shown(), err)
		}
	}
}

func TestMarkRaisesAndNeverLowersTheClass(t *testing.T) {
	v := Text("x").Mark(PII, "a")
	if w := v.Mark(Sensitive, "b"); w.Class() != Sensitive || w.Label() != "b" {
		t.Errorf("%v %s", w.Class(), w.Label())
	}
	if w := v.Mark(Sensitive, "b").Mark(PII, "c"); w.Class() != Sensitive || w.Label() != "b" {
		t.Errorf("%v %s", w.Class(), w.Label())
	}
	if w := v.Mark(Plain, "c"); !w.Equal(v) {
		t.Errorf("%v", w)
	}
	if w := v.Mark(PII, "c"); w.Label() != "c" {
		t.Errorf("%s", w.Label())
	}
	if w := v.Mark(Sensitive, ""); w.Label() != "a" {
		t.Errorf("%s", w.Label())
	}
	if w := (Value{}).Mark(Sensitive, "c"); !w.IsZero() || !w.IsNull() {
		t.Errorf("%v", w)
	}
}

func TestOfKeepsDigitsAndDoesNotEscapeHTML(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{nil, "null"}, {"<&>\u2028é\n", "\"<&>\\u2028é\\n\""}, {"\xff", `"\ufffd"`}, {true, "true"}, {-7, "-7"}, {int64(math.MaxInt64), "9223372036854775807"},
		{json.Number("13.0"), "13.0"}, {json.RawMessage(`{"b":1.0,"a":"<"}`), `{"b":1.0,"a":"<"}`},
		{map[string]any{"a": []int{1}, "<": "&"}, `{"<":"&","a":[1]}`}, {Text("x"), `"x"`},
	} {
		v, err := Of(c.in)
		if err != nil || v.Reveal() != c.want {
			t.Errorf("%v: %s, %v", c.in, v.Reveal(), err)
		}
	}
	for _, bad := range []any{math.NaN(), func() {}, json.RawMessage("{")} {
		if _, err := Of(bad); err == nil {
			t.Errorf("%T: no error", bad)
		}
	}
	s := Text("x").Mark(Sensitive, "s")
	if v, _ := Of(s); !v.Equal(s) {
		t.Error("a value was not passed through")
	}
}

func TestNamesThatAreSensitive(t *testing.T) {
	for _, name := range strings.Fields(`token access_token accessToken ACCESS-TOKEN refresh_token id_token idToken myToken bearer_token
		_token_ x-csrf-token client_secret clientSecret secret my_secret password db_password PassWord api_key x-api-key apiKey X-API-KEY
		Authorization Proxy-Authorization cookie Set-Cookie session_cookie client_assertion assertion prior_authorization toKen nexttoken_secret`) {
		if !SensitiveName(name) {
			t.Errorf("%s is not sensitive", name)
		}
	}
	for _, name := range append(strings.Fields(`next_token nextToken NEXT-TOKEN page_token nextPageToken next_page_token sync_token continuation_token
		continuationToken token_url tokens secrets secretary password_reset api_key_id key client_id cookies name x toke nen t _ -- authorized`), "") {
		if SensitiveName(name) {
			t.Errorf("%s is sensitive", name)
		}
	}
	if n := testing.AllocsPerRun(100, func() { SensitiveName("some_long_name_that_is_no_secret_at_all") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMembersWithASensitiveNameAreMasked(t *testing.T) {
	for _, c := range []struct {
		in, want string
		secrets  []string
	}{
		{`{"a":1}`, `{"a":1}`, nil},
		{`"token"`, `"token"`, nil},
		{`["token","x"]`, `["token","x"]`, nil},
		{`{"x":"token" , "y":1}`, `{"x":"token" , "y":1}`, nil},
		{`{"token":null,"secret":true,"password":false}`, `{"token":null,"secret":true,"password":false}`, nil},
		{`{"token":""}`, `{"token":"[secret token]"}`, nil},
		{` { "b" : 1.50, "access_token" : "a\"b\\" , "a" : 30000000000000000000000000000001 } `,
			` { "b" : 1.50, "access_token" : "[secret access_token]" , "a" : 30000000000000000000000000000001 } `,
			[]string{`access_token=a"b\`}},
		{`[{"pin":1,"password":-12.50e3},[{"x":{"apiKey":"k"}}]]`, `[{"pin":1,"password":"[secret password]"},[{"x":{"apiKey":"[secret apiKey]"}}]]`,
			[]string{"password=-12.50e3", "apiKey=k"}},
		{`{"cookie":{"token":"t","n":[1,"two",null,{"x":"y"}]},"z":0}`, `{"cookie":"[secret cookie]","z":0}`,
			[]string{"cookie=t", "cookie=1", "cookie=two", "cookie=y"}},
		{`{"t\u006fken":"\u0061b"}`, `{"t\u006fken":"[secret token]"}`, []string{"token=ab"}},
		{`{"<b>token":"x"}`, `{"<b>token":"[secret <b>token]"}`, []string{"<b>token=x"}},
		{`{"token":{"a":"}"},"x":"]"}`, `{"token":"[secret token]","x":"]"}`, []string{"token=}"}},
		{`{"token":`, `{"token":`, nil},
		{`{"token":"half`, `{"token":"[secret token]"`, nil},
		{`{"token":{"a":[1`, `{"token":"[secret token]"`, []string{"token=1"}},
		{``, ``, nil}, {`"`, `"`, nil}, {`"\`, `"\`, nil}, {`]}`, `]}`, nil},
	} {
		if got := MaskMembers(c.in); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
		if HasSensitiveMember(c.in) != (c.in != c.want) {
			t.Errorf("%s: HasSensitiveMember is wrong", c.in)
		}
		var secrets []string
		for name, s := range SensitiveMembers(c.in) {
			secrets = append(secrets, name+"="+s)
		}
		if !slices.Equal(secrets, c.secrets) {
			t.Errorf("%s: secrets %q, want %q", c.in, secrets, c.secrets)
		}
	}
}

func FuzzMaskMembers(f *testing.F) {
	f.Add(`{"a":[{"token":"x","b":1.0}],"password":{"c":"d"}}`)
	f.Add(`{"token":"half`)
	f.Fuzz(func(t *testing.T, text string) {
		masked := MaskMembers(text)
		for range SensitiveMembers(text) {
		}
		for range Leaves(text) {
		}
		if !json.Valid([]byte(text)) {
			return
		}
		if !json.Valid([]byte(masked)) {
			t.Fatalf("%q became %q", text, masked)
		}
		if again := MaskMembers(masked); again != masked {
			t.Fatalf("%q became %q and then %q", text, masked, again)
		}
		var v any
		d := json.NewDecoder(strings.NewReader(masked))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		findUnmasked(t, v)
	})
}

func findUnmasked(t *testing.T, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			findUnmasked(t, e)
		}
	case map[string]any:
		for name, e := range v {
			s, _ := e.(string)
			_, isBool := e.(bool)
			if SensitiveName(name) && e != nil && !isBool && !strings.HasPrefix(s, "[secret ") {
				t.Fatalf("member %q shows %v", name, e)
			}
			findUnmasked(t, e)
		}
	}
}

func TestValuesAreMadeWithoutAllocationWhereThatIsPossible(t *testing.T) {
	var sink Value
	if n := testing.AllocsPerRun(100, func() { sink = JSON(`{"a":1}`) }); n > 0 {
		t.Errorf("JSON: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { sink = Text("some text") }); n > 1 {
		t.Errorf("Text: %v allocations", n)
	}
	v := Text("abc é")
	if n := testing.AllocsPerRun(100, func() { _ = v.RevealText() }); n > 0 {
		t.Errorf("RevealText: %v allocations", n)
	}
	_ = sink
}
