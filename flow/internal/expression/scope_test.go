package expression_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// place is a Scope and an Env: what names mean, and what their values are.
type place struct {
	names  map[string]expression.Name // "data.x", ".item"
	values map[string]expression.Value
	closed []string // roots that have no meaning here
	uuids  int
}

func (p *place) Root(root string) (string, bool) {
	return "it exists elsewhere", !slices.Contains(p.closed, root)
}

func (p *place) Name(root, name string) (expression.Name, bool) {
	n, ok := p.names[root+"."+name]
	return n, ok
}

func (p *place) Names(root string) (names []string) {
	for key := range p.names {
		if r, name, _ := strings.Cut(key, "."); r == root {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (p *place) Value(r *expression.Ref) (expression.Value, error) {
	key := r.Root + "." + r.Name
	if r.Name != "" && r.Member != "" {
		key += "."
	}
	v, ok := p.values[key+r.Member]
	if n := p.names[r.Root+"."+r.Name]; !ok && n.State == expression.Set {
		return v, fmt.Errorf("the test has no value for %s", key+r.Member)
	}
	return v, nil
}

func (p *place) Now() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 5_000_000, time.UTC) }

func (p *place) UUID() string {
	p.uuids++
	return fmt.Sprintf("uuid-%d", p.uuids)
}

func kind(k expression.Kind) expression.Name {
	return expression.Name{Type: expression.Type{Kind: k}}
}

// clinic is the place of most tests.
func clinic() *place {
	text := expression.Type{Kind: expression.String}
	foreign := func(n expression.Name) expression.Name { n.Foreign = true; return n }
	p := &place{
		names: map[string]expression.Name{
			"inputs.base":       kind(expression.String),
			"inputs.nhs":        kind(expression.String),
			"inputs.notify":     kind(expression.Boolean),
			"inputs.since":      kind(expression.DateTime),
			"inputs.count":      kind(expression.Integer),
			"secrets.pin":       kind(expression.String),
			"data.access_token": {Type: text, Sensitive: true, Foreign: true},
			"data.name":         {Type: text, PII: true, Foreign: true},
			"data.any":          foreign(kind(expression.Any)),
			"data.nothing":      foreign(kind(expression.Any)),
			"data.big":          foreign(kind(expression.Integer)),
			"data.price":        foreign(kind(expression.Number)),
			"data.orders":       foreign(expression.Name{Type: expression.Type{Kind: expression.List}}),
			"data.names":        foreign(expression.Name{Type: expression.Type{Kind: expression.List, Items: &text}}),
			"data.scores":       foreign(expression.Name{Type: expression.Type{Kind: expression.List, Items: &expression.Type{Kind: expression.Integer}}}),
			"data.patient":      foreign(kind(expression.Object)),
			"data.flag":         foreign(kind(expression.Boolean)),
			"data.maybe":        {Type: text, State: expression.Maybe, Foreign: true, Ref: "maybe"},
			"data.perhaps":      {State: expression.Maybe, Foreign: true, Ref: "perhaps"},
			"data.maybe_flag":   {Type: expression.Type{Kind: expression.Boolean}, State: expression.Maybe, Ref: "maybe_flag"},
			"data.later":        {State: expression.Unset, Note: "is saved by step `place` on line 60, which runs later"},
			"steps.place":       {Type: expression.Type{Kind: expression.Object}},
			"steps.loop":        {Type: expression.Type{Kind: expression.List}},
			"run.status":        kind(expression.String),
			".order":            {Foreign: true},
			".index":            kind(expression.Integer),
		},
		values: map[string]expression.Value{
			"response.status":    expression.Of(200),
			"response.body":      expression.FromJSON(`{"active":true,"n":null,"items":[{"id":1,"x":"a"},{"id":2,"x":"b"}],"a b":{"c.d":7}}`),
			"response.headers":   expression.Of(map[string]any{"etag": `"1"`, "content-type": "text/plain"}),
			"response.text":      expression.FromText("hello"),
			"response.duration":  expression.Of(1.5),
			"response.links":     expression.Of(map[string]any{"next": "https://api.example.test/p2"}),
			"request.time":       expression.Of(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)),
			"request.body":       expression.Of([]byte{0xff, 0x00}),
			"run.id":             expression.FromText("r1"),
			"run.started_at":     expression.FromText("2026-11-21T10:00:00Z"),
			"steps.place.status": expression.Of(201),
			"steps.loop.count":   expression.Of(3),
		},
	}
	for name, json := range map[string]string{
		"inputs.base": `"https://api.example.test"`, "inputs.nhs": `"94 76/719915"`, "inputs.notify": `true`,
		"inputs.since": `"2026-11-21T10:00:00+01:00"`, "inputs.count": `3`, "secrets.pin": `"s3cret"`,
		"data.access_token": `"tok"`, "data.name": `"Zoë"`, "data.any": `{"b":{"c":[10,20]},"token":"t"}`, "data.nothing": `null`,
		"data.big": `123456789012345678901234567890`, "data.price": `13.0`,
		"data.orders": `[{"id":1,"urgent":true,"price":13.0,"owner":{"email":"a@b.c"}},{"id":2,"urgent":false,"price":1.5}]`,
		"data.names":  `["Ann","Bob",null]`, "data.scores": `[3,1,2]`, "data.patient": `{"z":1,"a":{"b":2.50},"id":99999999999999999999}`,
		"data.flag": `true`, ".order": `{"id":7,"owner":{"email":"o@x.y"}}`, ".index": `1`,
	} {
		p.values[name] = expression.FromJSON(json)
	}
	return p
}

// evaluate compiles and evaluates; the result is JSON, or "error: " and the message.
func evaluate(t *testing.T, source string, p *place) string {
	t.Helper()
	program, problems := expression.Compile(source, p)
	if len(problems) > 0 {
		return "problem: " + problems[0].Message
	}
	v, err := program.Eval(p)
	if err != nil {
		return "error: " + err.Error()
	}
	json, err := v.JSON()
	if err != nil {
		return "error: " + err.Error()
	}
	return json
}
