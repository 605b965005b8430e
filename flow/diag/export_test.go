package diag

import (
	"encoding/json"
	"testing"
)

func sample() List {
	return List{
		{
			Span: Span{File: "a,b:c/100%.yaml", Line: 3, Column: 7, EndColumn: 9, Text: "x"},
			Code: UnknownKey, Message: "50% of <this>,\r\nthat: x", Hint: "h", Notes: []string{"n"},
		},
		{Span: Span{File: "f"}, Severity: Note, Code: EmptyFile, Message: "m"},
		{Span: Span{File: "f", Line: 1, Column: 1, EndColumn: 2}, Severity: Warning, Code: ShortSecret, Message: "m"},
	}
}

func TestGitHubCommandsEscapeWhatWouldEndThem(t *testing.T) {
	t.Parallel()
	want := "::error file=a%2Cb%3Ac/100%25.yaml,line=3,col=7,endColumn=9,title=unknown-key::50%25 of <this>,%0D%0Athat: x%0Ah%0An\n" +
		"::notice file=f,title=empty-file::m\n" +
		"::warning file=f,line=1,col=1,endColumn=2,title=short-secret::m\n"
	if got := sample().GitHub(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestJSONIsAListForPrograms(t *testing.T) {
	t.Parallel()
	want := `[
  {
    "file": "a,b:c/100%.yaml",
    "line": 3,
    "column": 7,
    "end_column": 9,
    "severity": "error",
    "code": "unknown-key",
    "message": "50% of <this>,\r\nthat: x",
    "hint": "h",
    "notes": [
      "n"
    ]
  },
  {
    "file": "f",
    "line": 0,
    "column": 0,
    "end_column": 0,
    "severity": "note",
    "code": "empty-file",
    "message": "m",
    "hint": ""
  }
]
`
	if got := sample()[:2].JSON(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := (List)(nil).JSON(); got != "[]\n" {
		t.Errorf("no problems: %q", got)
	}
	inside, err := json.Marshal(map[string]any{"diagnostics": List(nil)})
	if err != nil || string(inside) != `{"diagnostics":[]}` {
		t.Errorf("inside of a document: %s, %v", inside, err)
	}
}
