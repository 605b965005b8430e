package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

const fmtHelp = `Brings flow files into one form: keys in the order of the language, two blanks of
indentation, at most one empty line. Comments, quotes, block scalars, and what
the flow means stay as they are. A file that is not valid is left alone.

In a folder, all flows in it and below are formatted: files called *.yaml with a
key stepwell; what begins with a dot is left out. - reads stdin and writes stdout.`

// A fmtJob is what fmt does with each file.
type fmtJob struct {
	check, diff, asJSON bool
	results             []fmtResult
	code                int
}

// A fmtResult is a file as --json prints it.
type fmtResult struct {
	File        string    `json:"file"`
	Changed     bool      `json:"changed"` // or would be, with --check
	Error       string    `json:"error,omitempty"`
	Diagnostics diag.List `json:"diagnostics,omitempty"`
}

func (c *Command) fmtVerb() *cobra.Command {
	var job fmtJob
	cmd := &cobra.Command{
		Use: "fmt FILE...", Short: "Bring flows into one form", Long: fmtHelp,
		Args: arguments(1, -1, "one FILE or folder or more, or - for stdin"),
		RunE: func(_ *cobra.Command, names []string) error { return c.format(names, &job) },
	}
	cmd.Flags().BoolVar(&job.check, "check", false, "write nothing, list the files that would change, and exit with 1 if there are any")
	cmd.Flags().BoolVar(&job.diff, "diff", false, "write nothing and show what would change")
	cmd.Flags().BoolVar(&job.asJSON, "json", false, "print a list of the files as JSON")
	return cmd
}

func (c *Command) format(names []string, job *fmtJob) error {
	if slices.Contains(names, "-") && len(names) > 1 {
		return wrong("fmt takes files or -, not both")
	}
	if names[0] == "-" {
		if job.asJSON && !job.check {
			return wrong("fmt - writes the flow to stdout, so --json goes with --check only")
		}
		c.formatStdin(job)
	} else {
		files, err := c.flowFiles(names, isFlow)
		if err != nil {
			return err
		}
		for _, file := range files {
			c.formatFile(file, job)
		}
	}
	if job.asJSON {
		if err := c.printJSON(job.results, false); err != nil {
			return err
		}
	}
	return said(job.code)
}

// flowFiles lists the files that are meant, each once: those that are named, and
// of a folder all *.yaml that count. What is not there is left to who reads it.
func (c *Command) flowFiles(names []string, counts func(path string) bool) ([]string, error) {
	files := []string{}
	add := func(path string) {
		if !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	for _, name := range names {
		path := c.path(name)
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			add(path)
			continue
		}
		err := filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return wrong(fmt.Sprintf("%s cannot be read: %s", c.shown(at), reason(err)))
			case at != path && strings.HasPrefix(d.Name(), ".") && d.IsDir():
				return filepath.SkipDir
			case d.Type().IsRegular() && filepath.Ext(at) == ".yaml" && !strings.HasPrefix(d.Name(), ".") && counts(at):
				add(at)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 { // a check of the wrong folder must not pass
		return nil, wrong("there are no flows in "+strings.Join(names, ", "), "flows of a folder are files called *.yaml with a key stepwell")
	}
	return files, nil
}

var flowKey = regexp.MustCompile(`(?m)^[{\s]*["']?stepwell["']?\s*:`)

// isFlow says whether a file of a folder is meant as a flow: it names the
// language, and does not only mark the project's folder.
func isFlow(path string) bool {
	text, err := os.ReadFile(path)
	return err == nil && filepath.Base(path) != flow.ProjectFile && flowKey.Match(text)
}

// mostFlow is more than a flow may have, so that one that is too long is said to be.
const mostFlow = 2 << 20

func (c *Command) formatStdin(job *fmtJob) {
	text, err := io.ReadAll(io.LimitReader(c.Stdin, mostFlow))
	if err != nil {
		c.notFormatted("<stdin>", reason(err), job)
		return
	}
	formatted, changed := c.formatted("<stdin>", text, job)
	switch {
	case formatted == nil || job.check:
	case job.diff:
		c.printDiff("<stdin>", text, formatted, changed)
	default:
		if _, err := c.Stdout.Write(formatted); err != nil {
			c.notFormatted("<stdin>", reason(err), job)
		}
	}
}

// formatted formats a text and notes what comes of it; nil if it is refused.
func (c *Command) formatted(name string, text []byte, job *fmtJob) (formatted []byte, changed bool) {
	formatted, err := flow.Format(name, text)
	var list diag.List
	if errors.As(err, &list) {
		job.results = append(job.results, fmtResult{File: name, Diagnostics: list})
		job.code = gravest(job.code, exitFlow)
		if !job.asJSON {
			c.printList(list)
		}
		return nil, false
	}
	changed = !bytes.Equal(formatted, text)
	job.results = append(job.results, fmtResult{File: name, Changed: changed})
	if changed && job.check {
		job.code = gravest(job.code, exitUsage)
		if !job.asJSON && !job.diff {
			fmt.Fprintln(c.Stdout, clean(name))
		}
	}
	return formatted, changed
}

// notFormatted says why a file could not be read or written.
func (c *Command) notFormatted(name, why string, job *fmtJob) {
	job.results = append(job.results, fmtResult{File: name, Error: why})
	job.code = gravest(job.code, exitUsage)
	if !job.asJSON {
		c.complain(name + ": " + why)
	}
}

func (c *Command) formatFile(path string, job *fmtJob) {
	name := filepath.ToSlash(c.shown(path))
	text, info, err := readFlow(path)
	if err != nil {
		c.notFormatted(name, "it cannot be read: "+reason(err), job)
		return
	}
	formatted, changed := c.formatted(name, text, job)
	switch {
	case job.diff && !job.asJSON:
		c.printDiff(name, text, formatted, changed)
	case !changed || job.check || job.diff:
	default:
		if err := replaceFile(path, info.Mode().Perm(), formatted); err != nil {
			job.results = job.results[:len(job.results)-1]
			c.notFormatted(name, "it cannot be written: "+reason(err), job)
		} else if !job.asJSON {
			l := c.errLook()
			fmt.Fprintf(c.Stderr, "%s %s\n", l.paint(green, l.sign("✓")), clean(name))
		}
	}
}

// readFlow reads a regular file.
func readFlow(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, mostFlow))
	return text, info, err
}

// replaceFile writes a file so that whoever reads it sees the old text or the
// new one. A link stays a link.
func replaceFile(path string, mode fs.FileMode, text []byte) error {
	if mode&0o200 == 0 {
		return errors.New("it may only be read")
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// printDiff shows the lines that change, with three around them.
func (c *Command) printDiff(name string, before, after []byte, changed bool) {
	if !changed {
		return
	}
	l := c.outLook()
	for _, line := range unified(name, string(before), string(after)) {
		colour := ""
		switch line[0] {
		case '-':
			colour = red
		case '+':
			colour = green
		case '@':
			colour = cyan
		}
		fmt.Fprintln(c.Stdout, l.paint(colour, clean(line)))
	}
}
