package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

const slowFlow = `stepwell: 1
name: slow
inputs: { base_url: string, ms: integer }
steps:
  - id: wait
    action: http
    with: { url: "${{ inputs.base_url }}/slow?ms=${{ inputs.ms }}" }
  - id: after
    set: { x: 1 }
`

// slow starts a run whose first call takes so long, and returns when that has arrived.
func slow(t *testing.T, ms string) (signals chan os.Signal, done chan int, stderr func() string) {
	t.Helper()
	server, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "slow.yaml"), []byte(slowFlow), 0o600); err != nil {
		t.Fatal(err)
	}
	signals, done = make(chan os.Signal), make(chan int, 1)
	c, _, _ := at(dir, map[string]string{"LC_ALL": "C.UTF-8"}, "run", "slow.yaml", "-i", "base_url="+server.URL(), "-i", "ms="+ms, "--store", "memory")
	out := &heard{} // a run that was left behind may write when its server closes
	c.Signals, c.Stderr = signals, out
	go func() { done <- c.Main(context.Background()) }()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := server.Wait(ctx, "GET", "/slow", 1); err != nil {
		t.Fatal(err)
	}
	return signals, done, out.String
}

func TestASignalEndsTheRunInGoodOrderWithItsExitCode(t *testing.T) {
	t.Parallel()
	for signal, want := range map[os.Signal]int{os.Interrupt: exitInterrupted, syscall.SIGTERM: exitTerminated} {
		signals, done, stderr := slow(t, "300")
		signals <- signal
		if got := <-done; got != want {
			t.Errorf("%v: exit code %d, not %d", signal, got, want)
		}
		for _, say := range []string{"✓ wait", "stopping: calls in flight may end", "interrupted · 1 of 2 steps"} {
			if !strings.Contains(stderr(), say) {
				t.Errorf("%v: %q is not in\n%s", signal, say, stderr())
			}
		}
	}
}

func TestASecondSignalEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	signals, done, stderr := slow(t, "60000")
	signals <- os.Interrupt
	signals <- syscall.SIGTERM
	select {
	case got := <-done:
		if got != exitTerminated {
			t.Errorf("exit code %d, not %d", got, exitTerminated)
		}
		if say := "✗ stopped at once · calls in flight may have been processed\n"; !strings.HasSuffix(stderr(), say) {
			t.Errorf("%q is not the end of\n%s", say, stderr())
		}
	case <-time.After(5 * time.Second):
		t.Error("it goes on")
	}
}

func TestEveryVerbHasHelpWithItsUsage(t *testing.T) {
	t.Parallel()
	root := new(Command).root()
	for _, v := range root.Commands() {
		c, stdout, _ := at(t.TempDir(), nil, v.Name(), "--help")
		if code := c.Main(context.Background()); code != exitOK || !strings.Contains(stdout.String(), "stepwell "+v.Name()) {
			t.Errorf("%s --help: %d\n%s", v.Name(), code, stdout)
		}
	}
}

func TestARunOfAThousandItemsIsOneLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "stepwell: 1\nname: many\nsteps:\n  - id: all\n    for_each: { in: \"1..1000\", as: n }\n    set: { double: \"${{ n * 2 }}\" }\noutputs: { last: \"${{ data.double[999] }}\" }\n"
	if err := os.WriteFile(filepath.Join(dir, "many.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, stdout, stderr := at(dir, map[string]string{"LC_ALL": "C.UTF-8"}, "run", "many.yaml", "--store", "memory")
	if code := c.Main(context.Background()); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if stdout.String() != "{\n  \"last\": 2000\n}\n" {
		t.Errorf("printed %s", stdout)
	}
	if n := strings.Count(stderr.String(), "\n"); n != 4 {
		t.Errorf("%d lines:\n%s", n, stderr)
	}
}
