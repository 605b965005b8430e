package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// shownOutputs are a run's outputs as they may be shown, and how many of them
// are masked. Order and digits stay as they are.
func shownOutputs(r datapoints.Run, o flow.Outline, red *datapoints.Redactor, reveal bool) (json.RawMessage, int) {
	text := r.Outputs.Reveal()
	if text == "" {
		return nil, 0
	}
	if reveal {
		return json.RawMessage(text), 0
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return json.RawMessage(`{}`), 0
	}
	masked := 0
	var b strings.Builder
	b.WriteByte('{')
	for _, out := range o.Outputs {
		raw, ok := members[out.Name]
		if !ok {
			continue
		}
		shown := datapoints.MaskMembers(red.JSON(string(raw)))
		if out.Class == datapoints.Sensitive.String() && string(raw) != "null" {
			shown = datapoints.Text("[secret " + out.Name + "]").Reveal()
		}
		if shown != string(raw) {
			masked++
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(datapoints.Text(out.Name).Reveal() + ":" + shown)
	}
	b.WriteByte('}')
	return json.RawMessage(b.String()), masked
}

// printOutputs writes outputs as JSON, on one line or indented.
func (c *Command) printOutputs(outputs json.RawMessage, compact bool) error {
	var b bytes.Buffer
	if compact || len(outputs) == 0 {
		if len(outputs) == 0 {
			outputs = json.RawMessage("null")
		}
		if err := json.Compact(&b, outputs); err != nil {
			return err
		}
	} else if err := json.Indent(&b, outputs, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := c.Stdout.Write(b.Bytes())
	return err
}

// sayMasked tells on stderr how many outputs are not shown.
func (c *Command) sayMasked(n int) {
	switch {
	case n == 1:
		c.note("note", "1 output is masked: --reveal shows it")
	case n > 1:
		c.note("note", "%d outputs are masked: --reveal shows them", n)
	}
}

// A savedFiles makes the files of save_to below one folder.
type savedFiles struct {
	dir  string
	mu   sync.Mutex
	made map[string]bool
}

// create makes a file that gets its name when it is complete.
func (s *savedFiles) create(name string) (flow.Sink, error) {
	clean := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if !fs.ValidPath(clean) || clean == "." {
		return nil, fmt.Errorf("save_to: %q does not lie below the output folder", name)
	}
	s.mu.Lock()
	twice := s.made[clean]
	if s.made == nil {
		s.made = map[string]bool{}
	}
	s.made[clean] = true
	s.mu.Unlock()
	if twice {
		return nil, fmt.Errorf("save_to: %q was written by this run already", name)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("save_to: the folder %s cannot be made: %s", s.dir, reason(err))
	}
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return nil, fmt.Errorf("save_to: the folder %s cannot be opened: %s", s.dir, reason(err))
	}
	if err := root.MkdirAll(path.Dir(clean), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("save_to: a folder for %q cannot be made: %s", name, reason(err)), root.Close())
	}
	part := path.Join(path.Dir(clean), "."+path.Base(clean)+".part")
	f, err := root.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("save_to: %q cannot be written: %s", name, reason(err)), root.Close())
	}
	return &savedFile{s, root, f, part, clean}, nil
}

// A savedFile is one file of save_to on its way.
type savedFile struct {
	of         *savedFiles
	root       *os.Root
	file       *os.File
	part, name string
}

func (f *savedFile) Write(p []byte) (int, error) { return f.file.Write(p) }

// Keep gives the file its name.
func (f *savedFile) Keep() error {
	err := errors.Join(f.file.Sync(), f.file.Close())
	if err == nil {
		err = f.root.Rename(f.part, f.name)
	}
	return errors.Join(err, f.root.Close())
}

// Drop removes what was written.
func (f *savedFile) Drop() error {
	f.of.mu.Lock()
	delete(f.of.made, f.name)
	f.of.mu.Unlock()
	return errors.Join(f.file.Close(), f.root.Remove(f.part), f.root.Close())
}

// An overlay reads a file from the first folder that has it.
type overlay []fs.FS

// Open implements fs.FS.
func (o overlay) Open(name string) (fs.File, error) {
	for _, folder := range o {
		f, err := folder.Open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// folder is a folder that may not be there.
type folder string

// Open implements fs.FS; links that lead out are refused.
func (d folder) Open(name string) (fs.File, error) {
	root, err := os.OpenRoot(filepath.Clean(string(d)))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	defer func() { _ = root.Close() }()
	// before it is opened: opening a pipe waits for somebody who writes
	if info, err := root.Stat(name); err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("it is a pipe or a device, not a file")}
	}
	return root.FS().Open(name)
}
