package datapoints_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/storetest"
)

func TestTokensInMemoryKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunTokens(t, func(*testing.T) datapoints.TokenCache { return new(datapoints.MemoryTokens) })
}

func TestSealedTokensKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunTokens(t, func(*testing.T) datapoints.TokenCache {
		return datapoints.SealTokens(new(datapoints.MemoryTokens), datapoints.NewMasterKey())
	})
}

func TestASealedTokenCannotBeReadMovedOrOpenedWithAnotherKey(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	below := new(datapoints.MemoryTokens)
	sealed := datapoints.SealTokens(below, datapoints.NewMasterKey())
	e := datapoints.TokenEntry{Key: "a", Generation: 1, Name: "ehr", Secret: datapoints.JSON(`"canary-token"`).Mark(datapoints.Sensitive, "token")}
	if err := sealed.PutToken(ctx, e); err != nil {
		t.Fatal(err)
	}
	kept, err := below.Token(ctx, "a")
	if err != nil || strings.Contains(kept.Secret.Reveal()+fmt.Sprint(kept), "canary") {
		t.Fatalf("the token is kept in the clear: %v", err)
	}
	moved := kept
	moved.Key = "b"
	if err := below.PutToken(ctx, moved); err != nil {
		t.Fatal(err)
	}
	if got, err := sealed.Token(ctx, "b"); !errors.Is(err, datapoints.ErrCorrupt) || got.Generation != 1 || !got.Secret.IsZero() {
		t.Errorf("a moved token was opened: %v, generation %d", err, got.Generation)
	}
	if list, err := sealed.Tokens(ctx); !errors.Is(err, datapoints.ErrCorrupt) || len(list) != 2 || list[0].Secret.Reveal() != `"canary-token"` {
		t.Errorf("%d tokens, %v", len(list), err)
	}
	if _, err := datapoints.SealTokens(below, datapoints.NewMasterKey()).Token(ctx, "a"); !errors.Is(err, datapoints.ErrKey) {
		t.Errorf("another key: %v", err)
	}
	plain := datapoints.TokenEntry{Key: "c", Generation: 1, Secret: datapoints.JSON(`"x"`)}
	if err := below.PutToken(ctx, plain); err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.Token(ctx, "c"); !errors.Is(err, datapoints.ErrCorrupt) {
		t.Errorf("an unsealed token: %v", err)
	}
}
