package stepwell_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
)

// TestTheSchemaForEditorsIsTheOneThatIsMade: editors fetch docs/flow.schema.json;
// -update writes it.
func TestTheSchemaForEditorsIsTheOneThatIsMade(t *testing.T) {
	t.Parallel()
	want, err := flow.Schema(flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()})
	if err != nil {
		t.Fatal(err)
	}
	const file = "docs/flow.schema.json"
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("make golden brings %s up to date (-made +there)\n%s", file, diff)
	}
}
