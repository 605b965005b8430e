package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow"
)

func TestRowsAreReadFromCSVAndJSON(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []flow.Inputs
	}{
		{"CSV", "id,note\n1,\"a, b\"\n2,\n", []flow.Inputs{{"id": "1", "note": "a, b"}, {"id": "2"}}},
		{"CSV with CRLF and blanks in the header", "id , note\r\n00123,x\r\n", []flow.Inputs{{"id": "00123", "note": "x"}}},
		{"semicolons", "id;note\n00123;\"a;b, c\"\n", []flow.Inputs{{"id": "00123", "note": "a;b, c"}}},
		{"tabs", "\nid\tnote\r\n1\ta;b\r\n", []flow.Inputs{{"id": "1", "note": "a;b"}}},
		{"semicolons in cells", "id,note\n1,a;b\n", []flow.Inputs{{"id": "1", "note": "a;b"}}},
		{"one column", "id\n1;2\n", []flow.Inputs{{"id": "1;2"}}},
		{"a quoted line break in CSV", "id,note\n1,\"a\nb\"\n", []flow.Inputs{{"id": "1", "note": "a\nb"}}},
		{"JSON lines keep digits", "{\"n\": 1.50, \"s\": \"1.50\"}\n\n{\"n\": null}\n",
			[]flow.Inputs{{"n": json.RawMessage("1.50"), "s": "1.50"}, {"n": json.RawMessage("null")}}},
		{"a JSON list", ` [ {"l": [1, 2]}, {} ]`, []flow.Inputs{{"l": json.RawMessage("[1, 2]")}, {}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := parseRows([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRowsThatCannotBeReadSayWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                        "empty",
		" \n":                     "empty",
		"a,b\n1\n":                "line 2 does not have as many cells",
		"a,a\n1,2\n":              `the column "a" is there twice`,
		"a,\n1,2\n":               "column 2 of the header has no name",
		"a\n\"x\n":                "line 2",
		"{\"a\": 1}\n{\"a\": }\n": "line 2",
		"[1]":                     "element 1: it is a JSON number, not an object",
		"[{}, null]":              "element 2: null is no object",
		"[{}":                     "not valid JSON",
		"a;b\n1,2\n":              "line 2 does not have as many cells",
		"\xff,b\n1,2\n":           "not UTF-8: a spreadsheet saves",
	} {
		_, _, err := parseRows([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, which does not say %q", text, err, want)
		}
	}
}
