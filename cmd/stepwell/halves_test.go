package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/storetest"
)

func TestHalvesInAFileKeepTheContract(t *testing.T) {
	t.Parallel()
	storetest.RunHalves(t, func(t *testing.T) (datapoints.Halves, func() datapoints.Halves) {
		h := halves{filepath.Join(t.TempDir(), "runs.db")}
		return h, func() datapoints.Halves { return h }
	})
}

func TestADestroyedHalfIsInNoFileAndOthersMayNotReadIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := halves{filepath.Join(dir, "runs.db")}
	marks, err := h.Keep(t.Context(), []byte(strings.Repeat("canary-1", 4)), []byte(strings.Repeat("canary-2", 4)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(h.file())
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := h.Destroy(t.Context(), marks[0]); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(h.file())
	if strings.Contains(string(text), "canary-1") || !strings.Contains(string(text), "canary-2") {
		t.Errorf("%q", text)
	}
}

func TestWhatADyingProcessLeftAtTheEndIsSteppedOver(t *testing.T) {
	t.Parallel()
	h := halves{filepath.Join(t.TempDir(), "runs.db")}
	first, err := h.Keep(t.Context(), []byte(strings.Repeat("a", 32)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(h.file(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString("torn")
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	second, err := h.Keep(t.Context(), []byte(strings.Repeat("b", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for i, mark := range append(first, second...) {
		if got, err := h.Half(t.Context(), mark); err != nil || string(got) != strings.Repeat(string(rune('a'+i)), 32) {
			t.Errorf("%q, %v", got, err)
		}
	}
}

func TestTheFileOfHalvesMustBeTheDatabasesOwn(t *testing.T) {
	t.Parallel()
	h := halves{filepath.Join(t.TempDir(), "runs.db")}
	marks, err := h.Keep(t.Context(), []byte(strings.Repeat("a", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(h.file()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Half(t.Context(), marks[0]); !errors.Is(err, datapoints.ErrCorrupt) || !strings.Contains(err.Error(), "runs.db.keys, which is not there") {
		t.Errorf("without the file: %v", err)
	}
	if err := h.Destroy(t.Context(), marks[0]); err != nil {
		t.Errorf("without the file: %v", err)
	}
	other, err := h.Keep(t.Context(), []byte(strings.Repeat("b", 32)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Half(t.Context(), marks[0]); !errors.Is(err, datapoints.ErrCorrupt) || !strings.Contains(err.Error(), "not the one that belongs") {
		t.Errorf("another's half: %v", err)
	}
	if err := h.Destroy(t.Context(), marks[0]); err != nil {
		t.Error(err)
	}
	if _, err := h.Half(t.Context(), other[0]); err != nil {
		t.Errorf("another's half was destroyed: %v", err)
	}
}
