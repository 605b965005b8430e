package syntax

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseDurationReadsJoinedUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"200ms": 200 * time.Millisecond, "15s": 15 * time.Second, "1h30m": 90 * time.Minute, "3d": 72 * time.Hour,
		"1.5s": 1500 * time.Millisecond, "0s": 0, "1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond,
		"0.0001ms": 100 * time.Nanosecond, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "5", "s", "-5s", "+5s", "5 s", "5s ", "5 minutes", "5us", "5min", "1.s", ".5s", "1..5s", "1e3s", "0x1s",
		"106752d", "99999999999999999999s", strings.Repeat("9", 100_000) + "s", "5S", "1h30", "٣s",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%.20q: got %s", text, got)
		}
	}
}

func TestParseSizeReadsBothFamiliesOfUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "10MiB": 10 << 20, "10 MiB": 10 << 20, "1.5KiB": 1536, "2KB": 2000, "3MB": 3e6, "1GB": 1e9, "1GiB": 1 << 30, "7B": 7,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5", "10mib", "10M", "1e3", "9999999999GiB", "1.", "1_000"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

func TestOnlyJSONScalarsHaveATypeWithoutQuotes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Kind{
		"true": Boolean, "false": Boolean, "null": Null, "~": Null, "": Null,
		"0": Number, "-0": Number, "12": Number, "1.50": Number, "1e3": Number, "-1.5E-7": Number, "123456789012345678901234567890": Number,
		"00123": String, "0x1F": String, "1_000": String, "2026-11-21": String, "yes": String, "no": String, "on": String, ".nan": String, ".inf": String,
		"True": String, "NULL": String, "+1": String, "1.": String, ".5": String, "1e": String, "--1": String, "0o7": String, "12:30": String, "1,000": String, "1 2": String,
	} {
		if got := valueOf(t, "v: "+text+"\n").Kind; got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
		if text == "" || text == "~" {
			continue
		}
		for _, quote := range []string{`"`, "'"} {
			if got := valueOf(t, "v: "+quote+text+quote+"\n").Kind; got != String {
				t.Errorf("%s%s%s: got %d", quote, text, quote, got)
			}
		}
	}
}

func TestNamesAreSmallAndShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxName)
	for name, want := range map[string]bool{
		"a": true, "a1_b": true, long: true, long + "a": false, "": false, "1a": false, "_a": false, "A": false, "a-b": false, "é": false, "a b": false, "x-a": false,
	} {
		if got := validName(name, false); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
	if !validName("a-b", true) || validName("-b", true) {
		t.Error("a dash may stand inside a flow's name only")
	}
	for name, want := range map[string]string{"patientId": "patient_id", "Order-No": "order_no", "2nd": "", "a.b": "a_b", "É": "", "__": "", "HTTPStatus": "httpstatus"} {
		if got := nameFrom(name, false); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestNearestNeedsANearName(t *testing.T) {
	t.Parallel()
	names := []string{"for_each", "finally", "retry", "if", "save"}
	for name, want := range map[string]string{
		"for_eahc": "for_each", "foreach": "for_each", "retyr": "retry", "fi": "if", "sav": "save", "url": "", "xyz": "", "": "", "finaly": "finally",
	} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestWhatAKeyTakesIsTakenApart(t *testing.T) {
	t.Parallel()
	step := Shape{Word: "step", Table: &stepKeys}
	for takes, want := range map[string][]Shape{
		"text":               {{Word: "text"}},
		"steps":              {{Word: "steps", Items: []Shape{step}}},
		"mapping of steps":   {{Word: "mapping of steps", Values: []Shape{{Word: "steps", Items: []Shape{step}}}}},
		"mapping of input":   {{Word: "mapping of input", Values: []Shape{{Word: "input", Table: &inputKeys}}}},
		"list of files":      {{Word: "list of files", Items: []Shape{{Word: "file"}}}},
		"list of that":       {{Word: "list of that", Items: []Shape{{Word: "that", Table: &thatKeys}}}},
		"duration or retry":  {{Word: "duration"}, {Word: "retry", Table: &retryKeys}},
		"mapping of values":  {{Word: "mapping of values", Values: []Shape{{Word: "values"}}}},
		"stop or continue":   {{Word: "stop"}, {Word: "continue"}},
		"name of a variable": {{Word: "name of a variable"}},
	} {
		if got := Shapes(takes); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, not %+v", takes, got, want)
		}
	}
}
