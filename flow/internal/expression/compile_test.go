package expression_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// must compiles an expression that has no problems.
func must(t *testing.T, source string) *expression.Program {
	t.Helper()
	p, problems := expression.Compile(source, clinic())
	if len(problems) > 0 {
		t.Fatalf("%s: %+v", source, problems)
	}
	return p
}

func TestTaintReachesTheResult(t *testing.T) {
	t.Parallel()
	tests := []struct{ source, want string }{
		{`data.access_token`, "sensitive foreign"},
		{`secrets.pin`, "sensitive"},
		{`"Bearer " + data.access_token`, "sensitive foreign"},
		{`{a: [secrets.pin]}`, "sensitive"},
		{`secrets.pin ?? "x"`, "sensitive"},
		{`inputs.notify ? secrets.pin : "x"`, "sensitive"},
		{`need(secrets.pin)`, "sensitive"},
		{`hex(sha256(secrets.pin))`, "sensitive"},
		{`split(secrets.pin, "")[0]`, "sensitive"},
		{`map([secrets.pin], #)`, "sensitive"},
		{`filter([secrets.pin], true)`, "sensitive"},
		{`secrets.pin == "x"`, ""},
		{`secrets.pin contains "x" and len(secrets.pin) > 3`, ""},
		{`len(secrets.pin)`, ""},
		{`any([secrets.pin], # == "x")`, ""},
		{`count([secrets.pin], # == "x")`, ""},
		{`type(data.name)`, ""},
		{`data.name`, "pii foreign"},
		{`upper(data.name)`, "pii foreign"},
		{`data.any.token`, "sensitive foreign"},
		{`data.any["api-key"]`, "sensitive foreign"},
		{`data.any.next_token`, "foreign"},
		{`data.any.token.x.y`, "sensitive foreign"},
		{`map(data.orders, .password)`, "sensitive foreign"},
		{`get(data.any, "secret")`, "sensitive foreign"},
		{`path(data.any, "b.client_secret")`, "sensitive foreign"},
		{`response.body.access_token`, "sensitive foreign"},
		{`response.headers["Set-Cookie"]`, "sensitive foreign"},
		{`response.status`, "foreign"},
		{`order.id`, "foreign"},
		{`inputs.base`, ""},
		{`run.id`, ""},
		{`now()`, ""},
		{`date(data.name).Before(now())`, ""},
	}
	for _, test := range tests {
		p := must(t, test.source)
		var got []string
		for _, b := range []struct {
			is   bool
			name string
		}{{p.Sensitive(), "sensitive"}, {p.PII(), "pii"}, {p.Foreign(), "foreign"}} {
			if b.is {
				got = append(got, b.name)
			}
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s is %q, want %q", test.source, s, test.want)
		}
	}
}

func TestTypesAreInferred(t *testing.T) {
	t.Parallel()
	tests := []struct{ source, want string }{
		{`1`, "integer"}, {`1 + 2`, "integer"}, {`1 + 2.5`, "number"}, {`1 / 2`, "number"}, {`data.price`, "number"},
		{`data.name`, "string"}, {`data.name + "x"`, "string"}, {`data.any + "x"`, "string"}, {`data.any + 1`, "any"},
		{`data.name ?? "x"`, "string"}, {`data.nothing ?? 1`, "any"}, {`inputs.notify ? 1 : 2`, "integer"}, {`inputs.notify ? 1 : "x"`, "any"},
		{`inputs.notify ? 1 : nil`, "integer"}, {`nil`, "null"}, {`data.orders`, "list"}, {`data.names`, "list of string"},
		{`data.names[0]`, "string"}, {`filter(data.names, true)`, "list of string"}, {`map(data.scores, # * 2)`, "list of integer"},
		{`[1, 2.5]`, "list of number"}, {`["a", nil]`, "list of string"}, {`[1, "a"]`, "list"}, {`{}`, "object"}, {`data.patient.x`, "any"},
		{`data.names[0:1]`, "list of string"}, {`now()`, "time"}, {`now() - now()`, "duration"}, {`sha256("x")`, "bytes"},
		{`split("a", "b")`, "list of string"}, {`sum(data.scores)`, "integer"}, {`data.scores | first()`, "integer"},
		{`response.body.x`, "any"}, {`response.status`, "integer"}, {`response.headers.etag`, "any"}, {`steps.loop.failures`, "list of object"},
		{`not inputs.notify`, "boolean"}, {`need(data.maybe)`, "string"}, {`uuid()`, "string"}, {`now().Weekday()`, "integer"}, {`1..3`, "list of integer"},
	}
	for _, test := range tests {
		if got := must(t, test.source).Type().String(); got != test.want {
			t.Errorf("%s is %s, want %s", test.source, got, test.want)
		}
	}
}

func TestConditionsNarrowWhatIsSet(t *testing.T) {
	t.Parallel()
	fine := []string{
		`data.maybe ?? "x"`, `data.maybe ?? data.maybe ?? "x"`, `data.maybe == nil`, `nil != data.maybe`, `need(data.maybe)`,
		`data.maybe != nil && data.maybe == "x"`, `data.maybe == nil || data.maybe == "x"`,
		`data.maybe != nil ? data.maybe : "x"`, `data.maybe == nil ? "x" : data.maybe`,
		`not (data.maybe == nil) && data.maybe == "x"`, `!(data.maybe == nil || data.name == "x") && data.maybe == "x"`,
		`data.maybe != nil && data.perhaps != nil && data.maybe == data.perhaps`,
		`(data.maybe != nil and inputs.notify) ? data.maybe : "x"`,
		`data.perhaps?.x ?? 1`, `data.perhaps?.x.y[0] ?? 1`, `data.perhaps?.x != nil && data.perhaps.x == 1`,
		`data.maybe_flag ?? false`, `(data.maybe_flag ?? false) && data.maybe_flag`,
		`if data.maybe != nil { data.maybe } else { "x" }`, `(inputs.notify ? data.maybe : nil) ?? "x"`,
		`data.maybe != nil && any(data.names, # == data.maybe)`,
	}
	for _, source := range fine {
		must(t, source)
	}
	tests := []struct{ source, whenTrue, whenFalse string }{
		{`data.maybe != nil`, "[maybe]", "[]"},
		{`data.maybe == nil`, "[]", "[maybe]"},
		{`not (data.maybe == nil)`, "[maybe]", "[]"},
		{`data.maybe != nil && data.perhaps != nil`, "[maybe perhaps]", "[]"},
		{`data.maybe == nil || data.perhaps == nil`, "[]", "[maybe perhaps]"},
		{`data.maybe != nil || data.maybe != nil`, "[maybe]", "[]"},
		{`data.maybe != nil || inputs.notify`, "[]", "[]"},
		{`data.perhaps?.x != nil`, "[perhaps]", "[]"},
		{`data.maybe_flag ?? false`, "[maybe_flag]", "[]"},
		{`data.maybe_flag ?? true`, "[]", "[maybe_flag]"},
		{`inputs.notify ? data.maybe != nil : false`, "[]", "[]"},
		{`data.maybe != nil ? data.perhaps != nil : data.perhaps != nil`, "[perhaps]", "[]"},
	}
	for _, test := range tests {
		p := must(t, test.source)
		if got := fmt.Sprint(p.WhenTrue()); got != test.whenTrue {
			t.Errorf("%s true sets %s, want %s", test.source, got, test.whenTrue)
		}
		if got := fmt.Sprint(p.WhenFalse()); got != test.whenFalse {
			t.Errorf("%s false sets %s, want %s", test.source, got, test.whenFalse)
		}
	}
	for source, want := range map[string]bool{`data.maybe == nil`: true, `nil == data.maybe`: true, `${{ (data.maybe == nil) }}`: true, `data.maybe != nil`: false,
		`data.perhaps?.x == nil`: false, `data.maybe == nil && true`: false} {
		if handle, ok := must(t, source).OnlyUnset(); ok != want || ok && handle != "maybe" {
			t.Errorf("%s: only unset is %v %v, want %v", source, handle, ok, want)
		}
	}
}

func TestReferencesHaveTheirPlaces(t *testing.T) {
	t.Parallel()
	p := must(t, `"日本" + data.name + response.body["a b"].x + string(steps.place.status)`)
	want := `{data name "" 7 16} {response "" body 19 41} {steps place status 51 69}`
	var got []string
	for _, r := range p.Refs() {
		member := r.Member
		if member == "" {
			member = `""`
		}
		name := r.Name
		if name == "" {
			name = `""`
		}
		got = append(got, fmt.Sprintf("{%s %s %s %d %d}", r.Root, name, member, r.From, r.To))
	}
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestPartsShowWhatWasCompared(t *testing.T) {
	t.Parallel()
	tests := []struct{ source, want string }{
		{`response.body.active == false`, "response.body.active=true"},
		{`response.status == 201 && len(response.body.items) > 5`, "response.status=200 len(response.body.items)=2"},
		{`response.body.n`, "response.body.n=null"},
		{`all(response.body.items, .id > 1)`, `response.body.items=[{"id":1,"x":"a"},{"id":2,"x":"b"}]`},
		{`data.access_token == "x"`, "data.access_token=[secret data.access_token]"},
		{`data.name == "x"`, "data.name=[pii data.name]"},
		{`response.body.zip.zap == 1`, "response.body.zip.zap=(`response.body.zip` is null, so it has no `zap`)"},
		{`response.duration < duration("1s")`, `response.duration=1.5s duration("1s")=1s`},
		{`(response.status + 1) * 2 == 4`, "(response.status + 1) * 2=402"},
	}
	for _, test := range tests {
		var got []string
		for _, part := range must(t, test.source).Parts(clinic()) {
			got = append(got, part.Source+"="+part.Value)
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s\n got  %s\n want %s", test.source, s, test.want)
		}
	}
}

func TestPlainReferencesAreKnown(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]bool{` data.any.b["c"][0] `: true, `data.any?.b`: true, `data.any?.[0]`: true, `order.id`: true, `data.orders[-1].id`: true,
		`data.any[index]`: false, `(data.name)`: true, `data.name ?? "x"`: false} {
		if p := must(t, source); p.Plain() != want {
			t.Errorf("%s: plain is %v, want %v", source, p.Plain(), want)
		}
	}
}

func TestConditionsAreTrueOrFalse(t *testing.T) {
	t.Parallel()
	tests := []struct{ source, want string }{
		{`data.flag`, "true"},
		{`data.nothing`, "the condition `data.nothing` is null, not true or false"},
		{`data.any`, "the condition `data.any` is an object, not true or false"},
		{`data.any.zip && true`, "`data.any.zip` is null, not true or false"},
		{`true && data.any.zip`, "`data.any.zip` is null, not true or false"},
		{`not data.any.zip`, "`data.any.zip` is null, not true or false"},
		{`data.any.zip ?? false`, "false"},
		{`data.any.zip ? true : false`, "`data.any.zip` is null, not true or false"},
	}
	for _, test := range tests {
		p, problems := expression.CompileCondition(test.source, clinic())
		if len(problems) > 0 {
			t.Errorf("%s: %+v", test.source, problems)
			continue
		}
		got := ""
		if v, err := p.Eval(clinic()); err != nil {
			got = err.Error()
		} else {
			got, _ = v.JSON()
		}
		if got != test.want {
			t.Errorf("%s\n got  %s\n want %s", test.source, got, test.want)
		}
	}
}
