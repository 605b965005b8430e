package stepwell_test

import (
	"context"
	"os"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

// Both ways through examples/approval.yaml that take no three days: somebody
// approves, somebody refuses.
func TestTheExampleOfAnApprovalWaitsForTheDecision(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"approved": true, "by": "Dr Sample"}`: `{"order":"ord-3004","approved":true,"by":"Dr Sample"}`,
		`{"approved": false}`:                   `{"order":"ord-3004","approved":false,"by":"somebody"}`,
	} {
		s, err := sandbox.Start(sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		client := &actions.Client{}
		p, err := flow.Compile(os.DirFS("examples"), "approval.yaml", flow.Kit{Actions: client.Actions()})
		if err != nil {
			t.Fatal(err)
		}
		x := &flow.Executor{Owner: flow.Process{Stays: true}, PublicURL: s.URL(),
			Secrets: func(_ context.Context, src flow.SecretSource) (string, error) { return s.Secrets()[src.Name], nil }}
		in := flow.Inputs{}
		for _, input := range p.Inputs() {
			in[input.Name] = s.Inputs()[input.Name]
		}
		runs, err := x.Create(t.Context(), p, "", in)
		if err != nil {
			t.Fatal(err)
		}
		// One that comes before the step is kept.
		if _, err := x.Signal(t.Context(), p, runs[0].ID, "decision", body); err != nil {
			t.Fatal(err)
		}
		run, err := x.Start(t.Context(), p, runs[0].ID)
		if err != nil || run.State != datapoints.Succeeded || run.Outputs.Reveal() != want {
			t.Errorf("%s %s %v, want %s", run.State, run.Outputs.Reveal(), err, want)
		}
		if n := len(s.Escalations()); n != 0 {
			t.Errorf("%d escalations", n)
		}
	}
}
