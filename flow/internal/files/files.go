// Package files reads the files that flows name.
package files

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/check"
)

// Most is the limit of a flow and of the files that it names.
const Most = 1 << 20

// Read reads a file of at most limit bytes. The error is for the flow's author.
func Read(fsys fs.FS, name string, limit int64) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%s lies outside the project root", name)
	}
	// before it is opened: opening a pipe waits for somebody who writes
	if info, err := fs.Stat(fsys, name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", name)
	} else if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a pipe or a device, not a file", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		if strings.Contains(err.Error(), "escapes from parent") { // os.Root has no error to compare with
			err = check.ErrOutside
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read", name)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return data, nil
}

// Digest is a fingerprint of files: their names, their bytes and their order.
func Digest(list []datapoints.File) string {
	sum := sha256.New()
	for _, f := range list {
		fmt.Fprintf(sum, "%d %s %d ", len(f.Name), f.Name, len(f.Data))
		sum.Write(f.Data)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Recorded are the files of a recorded run, to compile its plan from.
func Recorded(files []datapoints.File) fs.FS {
	m := recorded{}
	for _, f := range files {
		m[f.Name] = f.Data
	}
	return m
}

// recorded is the part of fs.FS that compiling needs.
type recorded map[string][]byte

// Open implements fs.FS.
func (r recorded) Open(name string) (fs.File, error) {
	data, ok := r[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("it is not among the files recorded with the run")}
	}
	return recordedFile{bytes.NewReader(data)}, nil
}

type recordedFile struct{ *bytes.Reader }

// Stat implements fs.File; Read does without.
func (recordedFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Close implements fs.File.
func (recordedFile) Close() error { return nil }
