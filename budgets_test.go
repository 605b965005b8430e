package stepwell_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a file, a function, an interface and a package may hold. Tests do not count.
const (
	maxFileLines    = 400
	maxFuncLines    = 60
	maxMethods      = 5
	maxStoreMethods = 8 // datapoints.Store
	maxFields       = 8 // exported ones of a struct that configures something
	maxPackageFiles = 15
)

// TestNothingOutgrowsItsBudget reads the source; generated files there are none.
func TestNothingOutgrowsItsBudget(t *testing.T) {
	t.Parallel()
	packages := map[string][]sourceFile{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parseSource(path, string(text))
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		packages[dir] = append(packages[dir], f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 5 {
		t.Fatalf("found only %d packages", len(packages))
	}
	for dir, files := range packages {
		for _, b := range overBudget(dir, files) {
			t.Error(b)
		}
	}
}

// A sourceFile is a parsed file that is no test.
type sourceFile struct {
	path  string
	lines int
	set   *token.FileSet
	tree  *ast.File
}

func parseSource(path, text string) (sourceFile, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return sourceFile{path: path, lines: strings.Count(text, "\n"), set: set, tree: tree}, err
}

func (f sourceFile) line(p token.Pos) int { return f.set.Position(p).Line }

func (f sourceFile) at(p token.Pos) string { return fmt.Sprintf("%s:%d", f.path, f.line(p)) }

// overBudget lists what is too large, has a name that says nothing, or keeps
// state in the package dir.
func overBudget(dir string, files []sourceFile) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if len(files) > maxPackageFiles && dir != "cmd/stepwell" {
		add("%s has %d files, at most %d may be", dir, len(files), maxPackageFiles)
	}
	for _, f := range files {
		name := f.tree.Name.Name
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "model", "models", "manager", "managers", "base", "misc"}, name) {
			add("%s: the package name %s says nothing", f.path, name)
		}
		if f.lines > maxFileLines {
			add("%s has %d lines, at most %d may be", f.path, f.lines, maxFileLines)
		}
		for _, d := range f.tree.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if n := f.line(d.End()) - f.line(d.Pos()) + 1; n > maxFuncLines {
					add("%s: %s has %d lines, at most %d may be", f.at(d.Pos()), d.Name.Name, n, maxFuncLines)
				}
				if d.Recv == nil && d.Name.Name == "init" {
					add("%s: init hides what a program does at its start", f.at(d.Pos()))
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					found = append(found, overBudgetSpec(dir, f, files, s)...)
				}
			}
		}
		if library(dir) {
			found = append(found, worldly(f)...)
		}
	}
	return found
}

func library(dir string) bool {
	return !strings.HasPrefix(dir, "cmd/") && !strings.HasPrefix(dir, "examples/")
}

// overBudgetSpec does the same for one type or variable.
func overBudgetSpec(dir string, f sourceFile, files []sourceFile, s ast.Spec) []string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		switch t := s.Type.(type) {
		case *ast.InterfaceType:
			may := maxMethods
			if dir == "datapoints" && s.Name.Name == "Store" {
				may = maxStoreMethods
			}
			if n := t.Methods.NumFields(); n > may {
				return []string{fmt.Sprintf("%s: interface %s has %d methods, at most %d may be", f.at(s.Pos()), s.Name, n, may)}
			}
		case *ast.StructType:
			if n := exported(t); n > maxFields && configures(s.Name.Name) {
				return []string{fmt.Sprintf("%s: %s has %d fields, at most %d may be", f.at(s.Pos()), s.Name, n, maxFields)}
			}
		}
	case *ast.ValueSpec:
		if isVar(f, s) {
			return mutable(f, files, s)
		}
	}
	return nil
}

// configures tells structs that an embedder fills in by name.
func configures(name string) bool {
	return slices.Contains([]string{"Options", "Config", "Settings", "Kit", "Executor", "Client", "Redactor"}, name)
}

func exported(t *ast.StructType) (n int) {
	for _, field := range t.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() {
				n++
			}
		}
	}
	return n
}

func isVar(f sourceFile, s *ast.ValueSpec) bool {
	for _, d := range f.tree.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR && slices.Contains(g.Specs, ast.Spec(s)) {
			return true
		}
	}
	return false
}

// mutable says which of a package's variables can change. Sentinel errors,
// compiled patterns, embedded files and tables that nobody assigns to cannot.
func mutable(f sourceFile, files []sourceFile, s *ast.ValueSpec) []string {
	var found []string
	for i, name := range s.Names {
		why := ""
		switch {
		case name.Name == "_":
		case len(s.Values) == 0 && !embedded(f, s):
			why = "begins empty, so somebody must fill it"
		case len(s.Values) > i && shared(s.Values[i]):
			why = "holds a lock, a channel, a pool or a pointer"
		case slices.ContainsFunc(files, func(other sourceFile) bool { return assigned(other, name.Name) }):
			why = "is assigned to"
		}
		if why != "" {
			found = append(found, fmt.Sprintf("%s: the package variable %s %s", f.at(name.Pos()), name.Name, why))
		}
	}
	return found
}

// embedded says whether a variable is filled in by //go:embed.
func embedded(f sourceFile, s *ast.ValueSpec) bool {
	for _, d := range f.tree.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || !slices.Contains(g.Specs, ast.Spec(s)) {
			continue
		}
		for _, doc := range []*ast.CommentGroup{g.Doc, s.Doc} {
			if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") }) {
				return true
			}
		}
	}
	return false
}

func shared(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.UnaryExpr:
		lit, _ := v.X.(*ast.CompositeLit)
		if lit == nil {
			return v.Op == token.AND
		}
		sel, ok := lit.Type.(*ast.SelectorExpr)
		return !ok || !isIdent(sel.X, "unicode") // a *unicode.RangeTable is a table
	case *ast.CompositeLit:
		sel, ok := v.Type.(*ast.SelectorExpr)
		return ok && isIdent(sel.X, "sync", "atomic")
	case *ast.CallExpr:
		return isIdent(v.Fun, "new", "make")
	}
	return false
}

func isIdent(e ast.Expr, names ...string) bool {
	id, ok := e.(*ast.Ident)
	return ok && slices.Contains(names, id.Name)
}

// assigned says whether a file changes the package variable name: assigns to
// it or to a part of it, or deletes from it. A function that declares the name
// itself means its own.
func assigned(f sourceFile, name string) bool {
	found := false
	for _, d := range f.tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || declares(fn, name) {
			continue
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				found = found || slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return root(e) == name })
			case *ast.IncDecStmt:
				found = found || root(n.X) == name
			case *ast.CallExpr:
				found = found || isIdent(n.Fun, "delete", "clear") && root(n.Args[0]) == name
			}
			return true
		})
	}
	return found
}

// root is the name that an assignable expression begins with.
func root(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	}
	return ""
}

func declares(fn *ast.FuncDecl, name string) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			found = found || slices.ContainsFunc(n.Names, func(id *ast.Ident) bool { return id.Name == name })
		case *ast.AssignStmt:
			found = found || n.Tok == token.DEFINE && slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return isIdent(e, name) })
		case *ast.RangeStmt:
			found = found || n.Tok == token.DEFINE && (n.Key != nil && isIdent(n.Key, name) || n.Value != nil && isIdent(n.Value, name))
		case *ast.ValueSpec:
			found = found || slices.ContainsFunc(n.Names, func(id *ast.Ident) bool { return id.Name == name })
		}
		return true
	})
	return found
}

// worldly lists where a library prints, logs, exits or reads the environment.
func worldly(f sourceFile) []string {
	var found []string
	ast.Inspect(f.tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		call := pkg.Name + "." + sel.Sel.Name
		switch call {
		case "os.Exit", "os.Getenv", "os.LookupEnv", "os.Environ", "os.Stdout", "os.Stderr", "os.Stdin", "os.Args",
			"fmt.Print", "fmt.Println", "fmt.Printf", "log.Print", "log.Println", "log.Printf", "log.Fatal", "log.Fatalf",
			"slog.Info", "slog.Warn", "slog.Error", "slog.Debug":
			found = append(found, fmt.Sprintf("%s: a library does not use %s; that is the command's", f.at(sel.Pos()), call))
		}
		return true
	})
	return found
}

func TestWhatIsOverBudgetIsFound(t *testing.T) {
	t.Parallel()
	text := `package helpers

import ("embed"; "errors"; "os"; "sync")

//go:embed all
var files embed.FS

var ErrOne = errors.New("one")
var table = map[string]int{"a": 1}
var counts = map[string]int{}
var once = sync.Once{}
var empty string

type Wide interface { A(); B(); C(); D(); E(); F() }

type Options struct { A, B, C, D, E, F, G, H, I int }

func init() { counts["a"]++ }

func local(table map[string]int) { table["a"] = 2 }

func where() string { return os.Getenv("HOME") }

func long() {` + strings.Repeat("\n", 60) + `}
`
	f, err := parseSource("x.go", text)
	if err != nil {
		t.Fatal(err)
	}
	f.lines = 401
	want := []string{
		"flow/x has 16 files, at most 15 may be",
		"x.go: the package name helpers says nothing",
		"x.go has 401 lines, at most 400 may be",
		"x.go:10: the package variable counts is assigned to",
		"x.go:11: the package variable once holds a lock, a channel, a pool or a pointer",
		"x.go:12: the package variable empty begins empty, so somebody must fill it",
		"x.go:14: interface Wide has 6 methods, at most 5 may be",
		"x.go:16: Options has 9 fields, at most 8 may be",
		"x.go:18: init hides what a program does at its start",
		"x.go:24: long has 61 lines, at most 60 may be",
		"x.go:22: a library does not use os.Getenv; that is the command's",
	}
	empty, err := parseSource("empty.go", "package x\n")
	if err != nil {
		t.Fatal(err)
	}
	files := append([]sourceFile{f}, slices.Repeat([]sourceFile{empty}, 15)...)
	if diff := cmp.Diff(want, overBudget("flow/x", files)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
