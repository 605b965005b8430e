package expression_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

const answer = `{
  "name": [{"text": "Zoë", "family": "X"}],
  "generalPractitioner": [{"id": "p1", "active": false}, {"id": "p2", "active": true}],
  "orders": [{"id": 1, "urgent": true, "total": 13.0}, {"id": 123456789012345678901234567890, "urgent": false}],
  "a.b": {"c d": 1}, "null": null, "empty": [], "deep": {"er": {"access_token": "t"}}, "x*y": 2, "#h": 3, "@t": 4
}`

func TestPathsFindValuesWithTheirDigits(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, want string }{
		{`name.0.text`, `"Zoë"`},
		{`generalPractitioner.#(active==true).id`, `"p2"`},
		{`generalPractitioner.#(active==true)#.id`, `["p2"]`},
		{`orders.#(urgent==true)#.id`, `[1]`},
		{`orders.#(total>=13).total`, `13.0`},
		{`orders.1.id`, `123456789012345678901234567890`},
		{`orders.#.id`, `[1,123456789012345678901234567890]`},
		{`orders.#`, `2`},
		{`orders.#(id==1)`, `{"id": 1, "urgent": true, "total": 13.0}`},
		{`orders.#(total)#|#`, `1`},
		{`a\.b.c d`, `1`},
		{`null`, `null`},
		{`empty`, `[]`},
		{`empty.#.x`, `[]`},
		{`nothing`, ``},
		{`name.5`, ``},
		{`d*p.e?.access_token`, `"t"`},
		{`deep.@keys`, `["er"]`},
		{`deep|@values|0|access_token`, `"t"`},
		{`x\*y`, `2`},
		{`\#h`, `3`},
		{`\@t`, `4`},
		{`generalPractitioner.#(id%"p*")#.id`, `["p1","p2"]`},
		{`generalPractitioner.#(id!="p1").id`, `"p2"`},
		{`generalPractitioner.#(active==~false).id`, `"p1"`},
		{`name.#(text=="Zoë").family`, `"X"`},
		{`@this.name.0.family`, `"X"`},
	}
	for _, test := range tests {
		path, problems := expression.CompilePath(test.path)
		if len(problems) > 0 {
			t.Errorf("%s: %+v", test.path, problems)
			continue
		}
		if err := path.Check([]byte(answer)); err != nil {
			t.Fatal(err)
		}
		raw, ok := path.Get(answer)
		if raw != test.want || ok != (test.want != "") {
			t.Errorf("%s\n got  %s\n want %s", test.path, raw, test.want)
		}
	}
}

func TestPathsReadJSONLines(t *testing.T) {
	t.Parallel()
	lines := "{\"x\":1}\n{\"x\":2}\n\n{\"x\":3.0}\n"
	path, problems := expression.CompilePath(`..#.x`)
	if len(problems) > 0 || !path.Lines() {
		t.Fatalf("%+v", problems)
	}
	if err := path.Check([]byte(lines)); err != nil {
		t.Error(err)
	}
	if raw, ok := path.Get(lines); raw != `[1,2,3.0]` || !ok {
		t.Errorf("got %s", raw)
	}
	if err := path.Check([]byte("{}\n{")); err == nil || !strings.HasPrefix(err.Error(), "line 2: ") {
		t.Errorf("got %v", err)
	}
}

func TestPathsKnowTheirLastName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{`access_token`: "access_token", `a.b.token`: "token", `tokens.0`: "tokens", `a.#(x==1)#.secret`: "secret", `a.token|@this`: "token",
		`a.token.#`: "token", `#`: "", `a.x\.y`: "x.y", `..#.token`: "token"} {
		p, problems := expression.CompilePath(path)
		if len(problems) > 0 {
			t.Errorf("%s: %+v", path, problems)
		} else if got := p.Last(); got != want {
			t.Errorf("%s ends in %q, want %q", path, got, want)
		}
	}
}

func TestPathsSayWhatWasProbablyMeant(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, want string }{
		{`nam.0.text`, `[name]`},
		{`generalpractitioner.0.id`, `[generalPractitioner]`},
		{`a.b`, `[a\.b]`},
		{`access_token`, `[deep.er.access_token]`},
		{`orders.0.urgnt`, `[orders.0.urgent]`},
		{`orders.#.totl`, `[orders.#.total]`},
		{`orders.totl`, `[orders.#.total]`},
		{`accessToken`, `[deep.er.access_token]`},
		{`a.b.c d`, `[a\.b]`},
		{`generalPractitioner.#(active==true).idd`, `[generalPractitioner.#(active==true).id]`},
		{`deep.weather`, `[deep.er]`},
		{`name.7`, `[]`},
		{`name.0.text`, `[]`},
	}
	for _, test := range tests {
		p, problems := expression.CompilePath(test.path)
		if len(problems) > 0 {
			t.Errorf("%s: %+v", test.path, problems)
			continue
		}
		if got := fmt.Sprint(p.Nearest(answer, 2)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.path, got, test.want)
		}
	}
}

func TestSuggestFindsWhatWasMeant(t *testing.T) {
	t.Parallel()
	names := []string{"access_token", "order_id", "patient_id", "priority", "x"}
	for name, want := range map[string]string{"acces_token": "access_token", "accessToken": "access_token", "AccessToken": "access_token", "order-id": "order_id",
		"patientid": "patient_id", "paitent_id": "patient_id", "priorty": "priority", "weather": "", "y": "", "": "", "access_token": ""} {
		if got := expression.Suggest(name, names); got != want {
			t.Errorf("for %q: %q, want %q", name, got, want)
		}
	}
}
