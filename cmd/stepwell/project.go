package main

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// A project is the folder within which files may be read.
type project struct {
	dir  string
	root *os.Root
}

// close gives the folder back.
func (p *project) close() { _ = p.root.Close() }

// files are what lies in the project; links that lead out are refused.
func (p *project) files() fs.FS { return p.root.FS() }

// projectOf finds the project of a folder: the nearest parent with a
// stepwell.yaml, else the folder itself.
func projectOf(dir string) (*project, error) {
	top := dir
	for at := dir; ; at = filepath.Dir(at) {
		text, err := os.ReadFile(filepath.Join(at, flow.ProjectFile))
		if err == nil {
			if list := flow.CheckProject(filepath.Join(at, flow.ProjectFile), text); list.HasErrors() {
				return nil, list
			}
			top = at
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, wrong(filepath.Join(at, flow.ProjectFile) + " cannot be read: " + reason(err))
		}
		if filepath.Dir(at) == at {
			break
		}
	}
	root, err := os.OpenRoot(top)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrong("there is no folder " + top)
	}
	if err != nil {
		return nil, wrong("the folder " + top + " cannot be read: " + reason(err))
	}
	return &project{top, root}, nil
}

// isProject says whether dir is the project of the current folder: then nobody
// has to name it.
func (c *Command) isProject(dir string) bool {
	p, err := projectOf(c.Dir)
	if err != nil {
		return false
	}
	p.close()
	return p.dir == dir
}

// load compiles the flow in a file. The error is a diag.List with the files
// named as the user reads them.
func (c *Command) load(file string) (*flow.Plan, *project, error) {
	full := c.path(file)
	p, err := projectOf(filepath.Dir(full))
	var list diag.List
	if errors.As(err, &list) {
		return nil, nil, c.renamed(list, "")
	}
	if err != nil {
		return nil, nil, err
	}
	name, err := filepath.Rel(p.dir, full)
	if err != nil {
		p.close()
		return nil, nil, wrong(file + " cannot be found: " + reason(err))
	}
	plan, err := flow.Compile(p.files(), filepath.ToSlash(name), c.kit())
	if err != nil {
		p.close()
		if errors.As(err, &list) {
			return nil, nil, c.renamed(list, p.dir)
		}
		return nil, nil, err
	}
	return plan, p, nil
}

// kit is what flows may use.
func (c *Command) kit() flow.Kit {
	client := &actions.Client{Proxy: http.ProxyFromEnvironment, Agent: "stepwell/" + version()}
	if c.tokens == nil {
		c.tokens = &oauth2.Client{Agent: client.Agent}
	}
	return flow.Kit{Actions: client.Actions(), Credentials: credentials.Of(client, c.tokens)}
}

// renamed gives problems with the paths of files as seen from the current folder.
func (c *Command) renamed(list diag.List, dir string) diag.List {
	shown := make(diag.List, len(list))
	for i, d := range list {
		d.File = c.shownIn(dir, d.File)
		shown[i] = d
	}
	return shown
}

// shownIn is the path of a project's file as seen from the current folder.
func (c *Command) shownIn(dir, file string) string {
	if file == "" {
		return file
	}
	if filepath.IsAbs(file) {
		return filepath.ToSlash(c.shown(file))
	}
	return filepath.ToSlash(c.shown(filepath.Join(dir, filepath.FromSlash(file))))
}

// reason is an error of the file system in words, without the path.
func reason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.Is(err, syscall.ENOTDIR):
		return "a part of its path is a file, not a folder"
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	text := err.Error()
	if strings.Contains(text, "is a directory") {
		return "it is a folder"
	}
	return text
}
