package flow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

func ExampleEval() {
	data := map[string]json.RawMessage{"orders": json.RawMessage(`[{"id": "a", "price": 12.50}]`)}
	for _, source := range []string{"len(data.orders) > 0", "data.orders[0].price", "Order ${{ data.orders[0].id }}"} {
		v, err := flow.Eval(source, flow.Known{Data: data})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v.Reveal())
	}
	// Output:
	// true
	// 12.50
	// "Order a"
}

func ExamplePath() {
	p, err := flow.CompilePath("name.0.txt")
	if err != nil {
		log.Fatal(err)
	}
	patient := `{"name": [{"text": "Zoë Sample"}]}`
	if _, there := p.Find(patient); !there {
		fmt.Println("did you mean", p.Nearest(patient, 1))
	}
	// Output:
	// did you mean [name.0.text]
}

func TestWhatACheckWouldFindHasItsPlaceInTheSource(t *testing.T) {
	t.Parallel()
	tests := []struct {
		source       string
		code         diag.Code
		line, column int
	}{
		{"len(data.oders)", diag.UnknownName, 1, 10},
		{"1 +\n data.oders", diag.UnknownName, 2, 7},
		{"1 +", diag.BadExpression, 1, 0},
		{"response.status == 200", diag.NotHere, 1, 1},
		{"run.id", diag.NotHere, 1, 1},
	}
	for _, test := range tests {
		_, err := flow.Eval(test.source, flow.Known{Data: map[string]json.RawMessage{"orders": json.RawMessage("[]")}})
		var list diag.List
		if !errors.As(err, &list) {
			t.Errorf("%q: %v", test.source, err)
			continue
		}
		d := list[0]
		if d.Code != test.code || d.Line != test.line || test.column > 0 && d.Column != test.column {
			t.Errorf("%q: %s at %d:%d", test.source, d.Code, d.Line, d.Column)
		}
		if d.Text != strings.Split(test.source, "\n")[d.Line-1] {
			t.Errorf("%q: the excerpt is %q", test.source, d.Text)
		}
	}
}

func TestWhatFailsWhileComputingIsAnErrorOfItsKind(t *testing.T) {
	t.Parallel()
	_, err := flow.Eval("data.a + 1", flow.Known{Data: map[string]json.RawMessage{"a": json.RawMessage("9223372036854775807")}})
	var e *flow.Error
	if !errors.As(err, &e) || e.Kind != flow.KindExpression {
		t.Errorf("%v", err)
	}
	if _, err := flow.Eval("data.a", flow.Known{Data: map[string]json.RawMessage{"a": json.RawMessage("{")}}); err == nil || !strings.Contains(err.Error(), "data.a") {
		t.Errorf("what is no JSON: %v", err)
	}
}

func TestAnAnswersBodyIsReadOnlyIfItIsGiven(t *testing.T) {
	t.Parallel()
	v, err := flow.Eval("response.body.big", flow.Known{Body: json.RawMessage(`{"big": 123456789012345678901234567890}`)})
	if err != nil || v.Reveal() != "123456789012345678901234567890" {
		t.Errorf("%v, %v", v, err)
	}
}

func TestAPathThatGjsonWouldMisreadIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"$.name", "name[0]", ""} {
		_, err := flow.CompilePath(text)
		var list diag.List
		if !errors.As(err, &list) || list[0].Code != diag.BadPath {
			t.Errorf("%q: %v", text, err)
		}
	}
}
