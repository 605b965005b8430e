package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/stepwell/stepwell/datapoints"
)

// halves keeps one half of each run's key in a file beside the database. After
// the first 32 bytes, which say what it is, there are 32 for each run; zeros are
// a half that was destroyed. It only ever grows. A mark is the number of a place,
// and 4 bytes by which a half that is another's is known.
type halves struct{ database string }

var _ datapoints.Halves = halves{}

const halfSize = 32

var halvesHead = []byte("stepwell: halves of keys, 32 b.\n")

func (h halves) file() string { return h.database + ".keys" }

// Keep adds halves at the end. Processes do that one after another.
func (h halves) Keep(ctx context.Context, list ...[]byte) (marks [][]byte, err error) {
	if len(list) == 0 {
		return nil, ctx.Err()
	}
	owners := h.database + ".owners"
	if err := os.MkdirAll(owners, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(owners, "keys"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 2*time.Millisecond); err != nil {
		return nil, err
	}
	defer func() { _ = lock.Unlock() }()
	f, err := os.OpenFile(h.file(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var text []byte
	place := (size + halfSize - 1) / halfSize // a part at the end is of a process that died
	if size == 0 {
		text, place = append(text, halvesHead...), 1
		defer func() { err = errors.Join(err, syncFolder(filepath.Dir(h.file()))) }()
	}
	at := (place * halfSize) - int64(len(text))
	for i, half := range list {
		text = append(text, half...)
		marks = append(marks, markOf(place+int64(i), half))
	}
	_, err = f.WriteAt(text, at)
	return marks, errors.Join(err, f.Sync())
}

// syncFolder makes a new file's name durable, where a folder can be synced.
func syncFolder(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_ = f.Sync()
	return f.Close()
}

func markOf(place int64, half []byte) []byte {
	sum := sha256.Sum256(half)
	return append(binary.BigEndian.AppendUint64(nil, uint64(place)), sum[:4]...)
}

// Half gives the half at a mark.
func (h halves) Half(ctx context.Context, mark []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := os.Open(h.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: one half of it is in %s, which is not there: put it back beside the database", datapoints.ErrCorrupt, filepath.Base(h.file()))
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return h.at(f, mark)
}

func (h halves) at(f *os.File, mark []byte) ([]byte, error) {
	if len(mark) != 12 {
		return nil, datapoints.ErrCorrupt
	}
	half := make([]byte, halfSize)
	place := int64(binary.BigEndian.Uint64(mark) & (1<<40 - 1))
	_, err := f.ReadAt(half, place*halfSize)
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case err == nil && bytes.Equal(half, make([]byte, halfSize)):
		return nil, datapoints.ErrDestroyed
	case err != nil || !bytes.Equal(mark, markOf(place, half)):
		return nil, fmt.Errorf("%w: %s is not the one that belongs to this database", datapoints.ErrCorrupt, filepath.Base(h.file()))
	}
	return half, nil
}

// Destroy writes zeros over halves.
func (h halves) Destroy(ctx context.Context, marks ...[]byte) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.OpenFile(h.file(), os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	written := false
	defer func() {
		if written {
			err = errors.Join(err, f.Sync())
		}
		err = errors.Join(err, f.Close())
	}()
	for _, mark := range marks {
		_, err := h.at(f, mark)
		if errors.Is(err, datapoints.ErrDestroyed) || errors.Is(err, datapoints.ErrCorrupt) {
			continue
		}
		if err != nil {
			return err
		}
		place := int64(binary.BigEndian.Uint64(mark))
		if _, err := f.WriteAt(make([]byte, halfSize), place*halfSize); err != nil {
			return err
		}
		written = true
	}
	return nil
}
