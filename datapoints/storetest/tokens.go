package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stepwell/stepwell/datapoints"
)

// RunTokens tests a TokenCache. Each part calls open for an empty one; what
// needs closing is given to t.Cleanup there.
func RunTokens(t *testing.T, open func(t *testing.T) datapoints.TokenCache) {
	for _, part := range []struct {
		name string
		test func(*testing.T, datapoints.TokenCache)
	}{
		{"a token comes back as it was put", roundTripOfAToken},
		{"a token is replaced by its next generation alone", tokenGenerations},
		{"one of many replacements wins", tokenRace},
		{"tokens are listed by key", tokensAreListed},
		{"a deleted token begins anew", tokenIsDeleted},
		{"the cache shares no memory with its callers", noSharedToken},
		{"a context that is done", doneTokenContext},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, open(t))
		})
	}
}

func fullToken(key string, generation int64) datapoints.TokenEntry {
	return datapoints.TokenEntry{Key: key, Generation: generation, Name: "ehr", Run: id(1), Rejected: true,
		Obtained: noon, Soft: noon.Add(time.Minute), Until: noon.Add(2 * time.Minute), Expires: noon.Add(3 * time.Minute),
		Secret: datapoints.JSON(`{"access_token":"ä\u0000 1.50"}`).Mark(datapoints.Sensitive, "token")}
}

func putToken(t *testing.T, c datapoints.TokenCache, e datapoints.TokenEntry) {
	t.Helper()
	if err := c.PutToken(ctx, e); err != nil {
		t.Fatal(err)
	}
}

func sameToken(t *testing.T, c datapoints.TokenCache, want datapoints.TokenEntry) {
	t.Helper()
	got, err := c.Token(ctx, want.Key)
	if err != nil {
		t.Fatal(err)
	}
	got.Wrapped = nil
	if g, w := describe(got), describe(want); g != w {
		t.Errorf("got %s\nwant %s", g, w)
	}
}

func roundTripOfAToken(t *testing.T, c datapoints.TokenCache) {
	putToken(t, c, fullToken("a", 1))
	sameToken(t, c, fullToken("a", 1))
	bare := datapoints.TokenEntry{Key: "b", Generation: 1, Secret: datapoints.JSON(`{}`)}
	putToken(t, c, bare)
	sameToken(t, c, bare)
	if _, err := c.Token(ctx, "c"); !errors.Is(err, datapoints.ErrNoToken) {
		t.Errorf("a token that is not there: %v", err)
	}
}

func tokenGenerations(t *testing.T, c datapoints.TokenCache) {
	refused := func(e datapoints.TokenEntry) {
		t.Helper()
		if err := c.PutToken(ctx, e); !errors.Is(err, datapoints.ErrTokenChanged) {
			t.Errorf("generation %d was put: %v", e.Generation, err)
		}
	}
	refused(fullToken("a", 2))
	putToken(t, c, fullToken("a", 1))
	refused(fullToken("a", 1))
	refused(fullToken("a", 3))
	second := fullToken("a", 2)
	second.Rejected, second.Secret = false, datapoints.JSON(`"2"`).Mark(datapoints.Sensitive, "token")
	putToken(t, c, second)
	sameToken(t, c, second)
	refused(fullToken("a", 2))
}

func tokenRace(t *testing.T, c datapoints.TokenCache) {
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			e := fullToken("a", 1)
			e.Name = fmt.Sprint(i)
			switch err := c.PutToken(ctx, e); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, datapoints.ErrTokenChanged):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d put the first generation", won.Load())
	}
}

func tokensAreListed(t *testing.T, c datapoints.TokenCache) {
	for _, key := range []string{"b", "a", "c"} {
		putToken(t, c, fullToken(key, 1))
	}
	list, err := c.Tokens(ctx)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	for i, key := range []string{"a", "b", "c"} {
		list[i].Wrapped = nil
		if g, w := describe(list[i]), describe(fullToken(key, 1)); g != w {
			t.Errorf("got %s\nwant %s", g, w)
		}
	}
}

func tokenIsDeleted(t *testing.T, c datapoints.TokenCache) {
	putToken(t, c, fullToken("a", 1))
	putToken(t, c, fullToken("b", 1))
	for range 2 {
		if err := c.DeleteToken(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Token(ctx, "a"); !errors.Is(err, datapoints.ErrNoToken) {
		t.Errorf("a deleted token: %v", err)
	}
	sameToken(t, c, fullToken("b", 1))
	putToken(t, c, fullToken("a", 1))
}

func noSharedToken(t *testing.T, c datapoints.TokenCache) {
	e := fullToken("a", 1)
	e.Wrapped = []byte("key")
	putToken(t, c, e)
	first, err := c.Token(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	clear(e.Wrapped)
	clear(first.Wrapped)
	sameToken(t, c, fullToken("a", 1))
	second, _ := c.Token(ctx, "a")
	for _, b := range second.Wrapped {
		if b == 0 {
			t.Fatal("the caller's bytes are the cache's")
		}
	}
}

func doneTokenContext(t *testing.T, c datapoints.TokenCache) {
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.PutToken(done, fullToken("a", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if _, err := c.Token(done, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Tokens(done); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
	if err := c.DeleteToken(done, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("delete: %v", err)
	}
	if _, err := c.Token(ctx, "a"); !errors.Is(err, datapoints.ErrNoToken) {
		t.Errorf("written: %v", err)
	}
}
