package sqlstore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/storetest"
)

func TestTokensInSQLiteKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunTokens(t, func(t *testing.T) datapoints.TokenCache { return open(t) })
}

func TestSealedTokensInSQLiteKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunTokens(t, func(t *testing.T) datapoints.TokenCache {
		return datapoints.SealTokens(open(t), datapoints.NewMasterKey())
	})
}

func TestATokenIsSeenByAnotherProcessAndGoneFromTheDiskWhenDeleted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state", "runs.db")
	one, _, err := openFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := openFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	e := datapoints.TokenEntry{Key: "a", Generation: 1, Secret: datapoints.Text("canary-token").Mark(datapoints.Sensitive, "token")}
	if err := one.PutToken(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got, err := other.Token(t.Context(), "a")
	if err != nil || got.Secret.RevealText() != "canary-token" || got.Secret.Class() != datapoints.Sensitive {
		t.Errorf("got %v, %v", got, err)
	}
	if err := other.PutToken(t.Context(), e); !errors.Is(err, datapoints.ErrTokenChanged) {
		t.Errorf("the same generation again: %v", err)
	}
	if err := other.DeleteToken(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(path + "*")
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil || bytes.Contains(text, []byte("canary")) {
			t.Errorf("%s holds the deleted token, %v", filepath.Base(name), err)
		}
	}
}

func TestADamagedTokenComesWithItsGeneration(t *testing.T) {
	t.Parallel()
	s, db, err := openFile(t, filepath.Join(t.TempDir(), "state", "runs.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b"} {
		if err := s.PutToken(t.Context(), datapoints.TokenEntry{Key: key, Generation: 1, Secret: datapoints.Text("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE stepwell_tokens SET secret = '!1' WHERE name = 'a'"); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Token(t.Context(), "a"); !errors.Is(err, datapoints.ErrCorrupt) || e.Generation != 1 {
		t.Errorf("generation %d, %v", e.Generation, err)
	}
	if list, err := s.Tokens(t.Context()); !errors.Is(err, datapoints.ErrCorrupt) || len(list) != 2 || list[1].Secret.RevealText() != "x" {
		t.Errorf("%d tokens, %v", len(list), err)
	}
}
