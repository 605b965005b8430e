package main

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stepwell/stepwell/examples/sandbox"
)

// Commands that begin at the same time, each with a token client of its own: the
// lock beside the store lets one of them fetch the token.
func TestCommandsThatBeginTogetherFetchOneToken(t *testing.T) {
	t.Parallel()
	server, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	home := t.TempDir()
	env := map[string]string{"LC_ALL": "C.UTF-8", "XDG_CONFIG_HOME": home}
	for _, s := range server.Settings() {
		if s.Env != "" {
			env[s.Env] = s.Value
		}
	}
	dir, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			c, _, out := at(dir, env, "run", "managed-token.yaml", "-i", "patient_id=9434765919", "--store", filepath.Join(home, "runs.db"))
			if code := c.Main(context.Background()); code != exitOK {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
	all.Wait()
	if n := server.Count("POST", "/oauth/token"); n != 1 {
		t.Errorf("%d token requests", n)
	}
}

func TestWhoeverWaitsForATokensLockMayLeave(t *testing.T) {
	t.Parallel()
	locks := tokenLocks(filepath.Join(t.TempDir(), "tokens"))
	unlock, err := locks.Lock(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := locks.Lock(ctx, "key"); err == nil {
		t.Error("two have one lock")
	}
	unlock()
	again, err := locks.Lock(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	again()
}
