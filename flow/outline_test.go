package flow_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// described is an outline's steps in few words: number, path, what feeds it.
func described(steps []flow.OutlineStep) []string {
	var lines []string
	for _, s := range steps {
		line := fmt.Sprintf("%d %s %s", s.Number, s.Path, s.Kind)
		if s.Loop != nil {
			for _, r := range s.Loop.Reads {
				line += fmt.Sprintf(" for_each<-%s%v", r.Name, r.Steps)
			}
		}
		for _, f := range s.Fields {
			for _, r := range f.Reads {
				line += fmt.Sprintf(" %s<-%s%v", f.Name, r.Name, r.Steps)
			}
		}
		for _, v := range s.Saves {
			line += " ->" + v.Name + "=" + v.From + map[bool]string{true: "[]"}[v.List]
		}
		lines = append(lines, line)
		lines = append(lines, described(s.Steps)...)
		lines = append(lines, described(s.Else)...)
	}
	return lines
}

func TestAnOutlineSaysWhatFeedsWhat(t *testing.T) {
	t.Parallel()
	p := compile(t, &world{}, `
data: { level: { type: integer, default: 3 } }
steps:
  - { id: first, action: call, with: { say: [1, 2] }, save: { items: say } }
  - id: again
    if: len(data.items) > 5
    set: { items: "${{ data.items }}" }
  - id: each
    for_each: { in: data.items, as: n, max: 7 }
    steps:
      - { id: one, action: call, with: { say: { n: "${{ n }}", level: "${{ data.level }}", all: "${{ data.items }}" } }, save: { got: say } }
      - { id: two, set: { twice: "${{ data.got }}" } }
  - id: stop
    if: len(data.items) == 0
    fail: none of ${{ len(data.items) }}
    else:
      - { id: go, action: call, with: { say: "${{ data.got }}" } }
finally:
  - { id: bye, action: call }
outputs: { all: "${{ data.twice }}" }
`)
	o := p.Outline()
	want := []string{
		"1 first call ->items=say",
		"2 again set items<-items[1] ->items={items}",
		"3 each block for_each<-items[1 2]",
		"4 each[i].one call say.level<-level[] say.all<-items[1 2] ->got=say",
		"5 each[i].two set twice<-got[4] ->twice={got}",
		"6 stop fail fail<-items[1 2]",
		"7 stop.else.go call say<-got[3]",
		"8 finally.bye call",
	}
	got := append(described(o.Steps), described(o.Finally)...)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if o.Calls != (flow.Range{Least: 2, Most: 1 + 7 + 1 + 1}) {
		t.Errorf("%+v calls", o.Calls)
	}
	if r := o.Outputs[0].Reads; len(r) != 1 || r[0].From[0] != "each" {
		t.Errorf("the output is made from %+v", r)
	}
}

func TestAnOutlineShowsNoSecret(t *testing.T) {
	t.Parallel()
	p := compile(t, &world{}, `
inputs: { key: { type: string, sensitive: true, default: hunter22hunter22 } }
secrets: { api: { env: API } }
steps:
  - id: one
    action: call
    with: { say: { password: hunter22hunter22, note: "${{ inputs.key }}", deep: { list: [ { client_secret: hunter22hunter22 } ] }, api: "${{ secrets.api }}" } }
  - { id: two, set: { session_token: hunter22hunter22 } }
outputs: { token: hunter22hunter22 }
`)
	text, err := json.Marshal(p.Outline())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter22") {
		t.Errorf("a secret is in %s", text)
	}
	for _, want := range []string{"{key}", "{api}", "[secret password]", "[secret client_secret]"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

func TestHistoryTellsHowEachStepEnded(t *testing.T) {
	t.Parallel()
	w := &world{script: func(path string, _ int) error {
		if path == "third" {
			return refused(500)
		}
		return nil
	}}
	p := compile(t, w, `
steps:
  - { id: first, for_each: { in: "[1, 2]", as: n }, action: call, with: { say: "${{ n }}" } }
  - { id: second, if: 1 == 2, set: { x: 1 } }
  - id: block
    steps: [ { id: inner, set: { y: 1 } } ]
  - { id: third, action: call }
  - { id: fourth, set: { z: 1 } }
`)
	x := &flow.Executor{Store: &datapoints.Memory{}}
	run, err := x.Run(t.Context(), p, nil)
	if err == nil {
		t.Fatal("the run did not fail")
	}
	steps, err := flow.History(t.Context(), x.Store, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range steps {
		line := s.Path + " " + s.Outcome
		if s.Error != nil {
			line += " " + string(s.Error.Kind)
		}
		got = append(got, fmt.Sprintf("%s %d", line, len(s.Attempts)))
	}
	want := "first done 0, first[0] done 1, first[1] done 1, second skipped 0, block.inner done 0, third failed http 1"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if f := flow.FailureOf(run); f == nil || f.Kind != flow.KindHTTP || f.Step != "third" || f.Status != 500 {
		t.Errorf("the run failed with %+v", f)
	}
}
