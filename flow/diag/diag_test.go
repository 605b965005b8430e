package diag

import (
	"strings"
	"testing"
)

func TestSortPutsProblemsInSourceOrderAndDropsRepetitions(t *testing.T) {
	t.Parallel()
	at := func(file string, line, column int, message string) Diagnostic {
		return Diagnostic{Span: Span{File: file, Line: line, Column: column}, Code: UnknownKey, Message: message}
	}
	list := List{at("b", 2, 1, "x"), at("a", 9, 1, "x"), at("b", 1, 5, "x"), at("b", 1, 5, "x"), at("b", 1, 5, "y"), at("b", 0, 0, "z")}.Sort()
	var got []string
	for _, d := range list {
		got = append(got, d.String()+d.Message)
	}
	if want := "bz b:1:5x b:1:5y b:2:1x a:9:1x"; strings.Join(got, " ") != want {
		t.Errorf("got %s, want %s", strings.Join(got, " "), want)
	}
}

func TestOnlyErrorsStopAFlow(t *testing.T) {
	t.Parallel()
	if (List{{Severity: Warning}, {Severity: Note}}).HasErrors() {
		t.Error("a warning stops a flow")
	}
	if !(List{{Severity: Warning}, {}}).HasErrors() {
		t.Error("an error does not stop a flow")
	}
}
