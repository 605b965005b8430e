package flow

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/check"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// A Kit is what flows may use.
type Kit struct {
	Actions Actions
}

// Compile reads a flow and everything it names and makes a plan of it. fsys is
// the project root: no file outside is read. If the flow is not valid the error
// is a diag.List of all its problems in source order. A plan may have warnings.
func Compile(fsys fs.FS, file string, kit Kit) (*Plan, error) {
	text, err := readFile(fsys, file)
	if err != nil {
		return nil, diag.List{{Span: diag.Span{File: file}, Code: diag.UnreadableFile, Message: "the file cannot be read: " + err.Error()}}
	}
	tree, problems := syntax.Parse(file, text)
	if tree == nil {
		return nil, problems.Sort()
	}
	compiled, more := check.Flow(tree, checkKit(kit), func(name string) ([]byte, error) {
		return readFile(fsys, path.Join(path.Dir(file), name))
	})
	problems = append(problems, more...).Sort()
	if problems.HasErrors() {
		return nil, problems
	}
	compiled.Warnings = problems
	compiled.Files = withFlow(compiled.Files, file, text)
	for _, n := range compiled.Nodes {
		if n.Kind == plan.Loop {
			n.Steps[0].Bare = false // an iteration has a record, which says that it is over
		}
	}
	if f := compiled.Root.Finally; f != nil {
		f.Bare = false // it has a time of its own
		if f.Work.Timeout == 0 {
			f.Work.Timeout = finallyTime
		}
	}
	p := &Plan{compiled: compiled, actions: kit.Actions}
	p.index()
	return p, nil
}

// finallyTime is how long the steps of finally may take.
const finallyTime = 5 * time.Minute

// withFlow puts the flow itself before the files that it names.
func withFlow(files []plan.File, name string, text []byte) []plan.File {
	if len(files) > 0 && files[0].Name == name {
		return files
	}
	return append([]plan.File{{Name: name, Data: text}}, files...)
}

// maxFile is the limit of a flow and of the files that it names.
const maxFile = 1 << 20

// readFile reads a file for a flow; the error is for its author.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fmt.Errorf("%s lies outside the project root", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder", name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read", name)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return data, nil
}

// recordedFiles are the files of a recorded run, to compile its plan from.
func recordedFiles(files []datapoints.File) fs.FS {
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

// Stat implements fs.File; readFile does without.
func (recordedFile) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Close implements fs.File.
func (recordedFile) Close() error { return nil }

// checkKit tells the checker what the actions are.
func checkKit(kit Kit) check.Kit {
	k := check.Kit{Actions: make(map[string]check.Action, len(kit.Actions))}
	for name, a := range kit.Actions {
		s := a.Spec()
		action := check.Action{Doc: s.Doc, Fields: checkFields(s.Fields), Web: s.Web, GraphQL: s.GraphQL}
		if s.Check != nil {
			action.Check = func(with check.Static) check.Verdict {
				v := s.Check(with)
				complaints := make([]check.Complaint, len(v.Complaints))
				for i, c := range v.Complaints {
					complaints[i] = check.Complaint(c)
				}
				return check.Verdict{Title: v.Title, Repeatable: v.Repeatable, Complaints: complaints}
			}
		}
		k.Actions[name] = action
	}
	return k
}

func checkFields(fields []Field) []check.Field {
	out := make([]check.Field, len(fields))
	for i, f := range fields {
		out[i] = check.Field{Name: f.Name, Doc: f.Doc, Type: check.FieldType(f.Type), Required: f.Required, Constant: f.Constant,
			OneOf: f.OneOf, Group: f.Group, Fields: checkFields(f.Fields), Default: f.Default, Own: f.Own, PerTry: f.PerTry,
			Destination: f.Destination, Allows: f.Allows}
	}
	return out
}
