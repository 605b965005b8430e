package flow_test

import (
	"context"
	"errors"
	"fmt"
	"testing/fstest"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// greet is an action of one's own: the fields of its input are the keys of `with`.
func greet() flow.Action {
	type greeting struct {
		Name string `flow:"name,required" doc:"whom to greet"`
	}
	return flow.Func("Greets somebody.", func(_ context.Context, g greeting) (flow.Result, error) {
		return flow.JSON(map[string]string{"text": "Hello, " + g.Name + "!"})
	})
}

// plan compiles a flow that is a text in the program.
func plan(text string, actions flow.Actions) *flow.Plan {
	p, err := flow.Compile(fstest.MapFS{"greet.yaml": {Data: []byte(text)}}, "greet.yaml", flow.Kit{Actions: actions})
	if err != nil {
		panic(err)
	}
	return p
}

const greeting = `stepwell: 1
name: greet
inputs: { name: string }
steps:
  - { id: hello, action: greet, with: { name: "${{ inputs.name }}" }, save: { text: text } }
outputs: { text: "${{ data.text }}" }
`

func ExampleExecutor_Run() {
	p := plan(greeting, flow.Actions{"greet": greet()})
	run, err := new(flow.Executor).Run(context.Background(), p, flow.Inputs{"name": "Ann"})
	fmt.Println(run.State, run.Outputs, err)
	// Output: succeeded {"text":"Hello, Ann!"} <nil>
}

func ExampleFunc() {
	a := greet()
	for _, f := range a.Spec().Fields {
		fmt.Println(f.Name, f.Required, f.Doc)
	}
	// Output: name true whom to greet
}

// A run that failed is resumed: what is done is not done again.
func ExampleExecutor_Resume() {
	healthy := false
	book := flow.Func("Books a bed.", func(context.Context, struct{}) (flow.Result, error) {
		if !healthy {
			return flow.Result{}, errors.New("no bed is free")
		}
		return flow.JSON(map[string]int{"bed": 12})
	})
	p := plan(`stepwell: 1
name: admit
steps:
  - { id: hello, action: greet, with: { name: Ann }, save: { text: text } }
  - { id: book, action: book, save: { bed: bed } }
outputs: { bed: "${{ data.bed }}" }
`, flow.Actions{"greet": greet(), "book": book})
	x := &flow.Executor{Store: &datapoints.Memory{}}
	run, err := x.Run(context.Background(), p, nil)
	fmt.Println(run.State, "at", run.At+":", err)
	healthy = true
	run, err = x.Resume(context.Background(), p, run.ID, nil)
	fmt.Println(run.State, run.Outputs, err)
	// Output:
	// failed at book: step book: no bed is free
	// succeeded {"bed":12} <nil>
}

// A printer prints steps as they end.
type printer struct{}

func (printer) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	return ctx, func(e flow.End) {
		if s.Kind == flow.StepSpan {
			fmt.Println(s.Path, e.Outcome)
		}
	}
}

func ExampleObserver() {
	p := plan(`stepwell: 1
name: greet
steps:
  - { id: both, for_each: { in: "['Ann', 'Bob']" }, action: greet, with: { name: "${{ item }}" } }
  - { id: never, if: 1 == 2, set: { x: 1 } }
`, flow.Actions{"greet": greet()})
	if _, err := (&flow.Executor{Observer: printer{}}).Run(context.Background(), p, nil); err != nil {
		fmt.Println(err)
	}
	// Output:
	// both done
	// never skipped
}

// A store of one's own is any datapoints.Store; this one counts what is written.
type counting struct {
	datapoints.Store
	records int
}

func (c *counting) Commit(ctx context.Context, l datapoints.Lease, records ...datapoints.Record) error {
	c.records += len(records)
	return c.Store.Commit(ctx, l, records...)
}

func ExampleExecutor_store() {
	s := &counting{Store: &datapoints.Memory{}}
	run, err := (&flow.Executor{Store: s}).Run(context.Background(), plan(greeting, flow.Actions{"greet": greet()}), flow.Inputs{"name": "Ann"})
	if err != nil {
		fmt.Println(err)
	}
	steps, err := flow.History(context.Background(), s, run.ID)
	for _, step := range steps {
		fmt.Println(step.Path, step.Outcome)
	}
	fmt.Println(s.records > 0, err)
	// Output:
	// hello done
	// true <nil>
}
