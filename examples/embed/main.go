// Command embed runs a flow from Go, against the sandbox.
package main

import (
	"context"
	"embed"
	"fmt"
	"log"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

//go:embed patient.yaml
var files embed.FS

func main() {
	clinic, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer clinic.Close()
	if err := run(context.Background(), clinic.URL(), clinic.Secrets()); err != nil {
		log.Print(err)
	}
}

// run is all that a program needs: compile once, then run as often as it likes.
func run(ctx context.Context, url string, known map[string]string) error {
	plan, err := flow.Compile(files, "patient.yaml", flow.Kit{Actions: actions.Builtin()})
	if err != nil {
		return err // every problem of the file, with line and column
	}
	executor := flow.Executor{Secrets: func(_ context.Context, s flow.SecretSource) (string, error) {
		return known[s.Name], nil
	}}
	result, err := executor.Run(ctx, plan, flow.Inputs{
		"base_url": url, "client_id": known["client_id"], "patient_id": "9434765919",
	})
	if err != nil {
		return err // the step, what was sent, what came back; secrets masked
	}
	fmt.Println(result.State, result.Outputs)
	return nil
}
