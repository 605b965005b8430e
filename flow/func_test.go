package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/flow"
)

type address struct {
	Street string
	ZIP    string `flow:"zip,required" doc:"postal code"`
}

type everything struct {
	Patient  string        `flow:"patient,required" doc:"NHS number"`
	Within   time.Duration `doc:"how soon"`
	ClientID string
	Count    int8
	Ratio    float64
	Urgent   bool
	Notes    []string
	Tags     map[string]int
	Home     address
	Raw      json.RawMessage
	At       time.Time
	Any      any
	Hidden   string `flow:"-"`
}

func kitOf(do func(context.Context, everything) (flow.Result, error)) flow.Kit {
	return flow.Kit{Actions: flow.Actions{"visit": flow.Func("Plans a visit.", do)}}
}

func TestTheFieldsOfAStructAreTheKeysOfWith(t *testing.T) {
	t.Parallel()
	type field struct {
		Name, Doc string
		Type      flow.FieldType
		Required  bool
	}
	var got []field
	for _, f := range kitOf(nil).Actions["visit"].Spec().Fields {
		got = append(got, field{f.Name, f.Doc, f.Type, f.Required})
	}
	want := []field{
		{"patient", "NHS number", flow.TextField, true}, {"within", "how soon", flow.DurationField, false},
		{"client_id", "", flow.TextField, false}, {"count", "", flow.IntegerField, false}, {"ratio", "", flow.NumberField, false},
		{"urgent", "", flow.BooleanField, false}, {"notes", "", flow.JSONField, false}, {"tags", "", flow.JSONField, false},
		{"home", "", flow.ObjectField, false}, {"raw", "", flow.JSONField, false}, {"at", "", flow.JSONField, false}, {"any", "", flow.JSONField, false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// visit runs one step of the action and gives what it was called with.
func visit(t *testing.T, with string, do func(context.Context, everything) (flow.Result, error)) (string, error) {
	t.Helper()
	text := "stepwell: 1\nname: t\ninputs: { n: { type: integer, default: 7 } }\nsteps:\n  - id: a\n    action: visit\n    with:\n" + with + "\n    save: { say: say }\noutputs: { said: '${{ data.say }}' }\n"
	p, err := flow.Compile(fstest.MapFS{"t.yaml": {Data: []byte(text)}}, "t.yaml", kitOf(do))
	if err != nil {
		return "", err
	}
	run, err := (&flow.Executor{}).Run(t.Context(), p, nil)
	return end(run, err), err
}

func TestAFunctionIsCalledWithWhatTheStepSays(t *testing.T) {
	t.Parallel()
	var got everything
	end, err := visit(t, `
      patient: 00123
      within: 1h30m
      client_id: ${{ inputs.n }}
      count: ${{ inputs.n }}
      ratio: 1.5
      urgent: true
      notes: [a, "b"]
      tags: { x: 1 }
      home: { street: Main St, zip: "${{ inputs.n }}" }
      raw: { b: 1.0, a: 2 }
      at: 2026-11-21T09:00:00Z
      any: [1, null]`, func(_ context.Context, in everything) (flow.Result, error) {
		got = in
		return flow.JSON(map[string]any{"say": "hello <you>"})
	})
	if err != nil || end != `succeeded {"said":"hello <you>"}` {
		t.Fatal(end, err)
	}
	want := everything{Patient: "00123", Within: 90 * time.Minute, ClientID: "7", Count: 7, Ratio: 1.5, Urgent: true, Notes: []string{"a", "b"},
		Tags: map[string]int{"x": 1}, Home: address{"Main St", "7"}, Raw: json.RawMessage(`{"b":1.0,"a":2}`),
		At: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Any: []any{1.0, nil}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWhatDoesNotFitAFieldIsSaidInTheWordsOfTheFlow(t *testing.T) {
	t.Parallel()
	tests := []struct{ with, say string }{
		{"      within: 5m", "patient"},
		{"      { patient: a, notes: 5 }", "notes must be a list"},
		{"      { patient: a, count: 1000 }", "count must be an integer"},
		{"      { patient: a, at: yesterday }", "at must be"},
		{"      { patient: a, within: soon }", "within"},
		{"      { patient: a, patiemt: b }", "patiemt"},
		{"      { patient: a, home: { street: x } }", "zip"},
		{"      { patient: a, hidden: x }", "hidden"},
	}
	for _, tt := range tests {
		_, err := visit(t, tt.with, func(context.Context, everything) (flow.Result, error) { return flow.JSON(nil) })
		if err == nil || !strings.Contains(err.Error(), tt.say) || strings.Contains(err.Error(), "json:") || strings.Contains(err.Error(), "int8") {
			t.Errorf("%s: %v", tt.with, err)
		}
	}
}

func TestWhatAFunctionReturnsDecidesTheStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, want string
		err        error
	}{
		{"a plain error", "failed action at a", errors.New("no bed is free")},
		{"an error of a kind", "failed data at a", &flow.Error{Kind: flow.KindData, Message: "no such patient"}},
		{"one that was sent", "unknown unknown at a", &flow.Error{Kind: flow.KindNetwork, Message: "the line broke", Sent: true}},
	}
	for _, tt := range tests {
		got, err := visit(t, "      patient: a", func(context.Context, everything) (flow.Result, error) { return flow.Result{}, tt.err })
		if got != tt.want || !strings.Contains(err.Error(), tt.err.Error()) {
			t.Errorf("%s: %s, %v", tt.name, got, err)
		}
	}
}

func TestAnActionMustTakeAStruct(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "struct") {
			t.Errorf("have %v", p)
		}
	}()
	flow.Func("Takes text.", func(context.Context, string) (flow.Result, error) { return flow.Result{}, nil })
}
