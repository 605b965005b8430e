package stepwell_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

var update = flag.Bool("update", false, "rewrite generated documentation")

// A block is a fenced piece of a document.
type block struct {
	file string
	line int // of its first line
	lang string
	text string
}

func (b block) at() string { return fmt.Sprintf("%s:%d", b.file, b.line) }

// documents are the blocks of everything that users read, in order.
func documents(t *testing.T) []block {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, name := range append([]string{"README.md", "CONTRIBUTING.md"}, files...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, blocks(name, string(text))...)
	}
	return all
}

func blocks(file, text string) []block {
	var all []block
	var open *block
	for i, line := range strings.SplitAfter(text, "\n") {
		lang, fence := strings.CutPrefix(strings.TrimRight(line, "\n"), "```")
		switch {
		case !fence && open != nil:
			open.text += line
		case fence && open != nil:
			all = append(all, *open)
			open = nil
		case fence:
			open = &block{file: file, line: i + 2, lang: lang}
		}
	}
	return all
}

func TestEveryFlowInTheDocumentationIsValid(t *testing.T) {
	t.Parallel()
	n := 0
	for _, b := range documents(t) {
		if b.file == "docs/diagnostics.md" || !strings.HasPrefix(b.lang, "yaml") || !strings.HasPrefix(b.text, "stepwell: 1") {
			continue // what diagnostics shows is wrong on purpose
		}
		n++
		root := fstest.MapFS{"flow.yaml": {Data: []byte(b.text)}}
		plan, err := flow.Compile(root, "flow.yaml", flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()})
		if err != nil {
			t.Errorf("%s:\n%v", b.at(), err)
		} else if w := plan.Warnings(); len(w) > 0 {
			t.Errorf("%s:\n%v", b.at(), w)
		}
	}
	if n < 2 {
		t.Errorf("found only %d whole flows", n)
	}
}

// TestEveryProgramInTheDocumentationBuilds lays the programs over the module
// as packages that are not there, so that they see exactly what users see.
func TestEveryProgramInTheDocumentationBuilds(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]string{}
	args := []string{"build", "-overlay", filepath.Join(t.TempDir(), "overlay.json")}
	for i, b := range documents(t) {
		if b.lang != "go" || !strings.HasPrefix(b.text, "package main") {
			continue
		}
		source := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(source, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("docs/snippet%d", i)
		overlay[filepath.Join(root, name, "main.go")] = source
		args = append(args, "./"+name)
		t.Logf("%s is %s", name, b.at())
	}
	if len(overlay) == 0 {
		t.Fatal("there are no programs in the documentation")
	}
	text, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(args[2], text, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTheREADMEShowsTheEmbeddingExample: the README has the part of
// examples/embed between its imports and its end, so that it is run by a test.
func TestTheREADMEShowsTheEmbeddingExample(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("examples/embed/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range documents(t) {
		if b.file == "README.md" && b.lang == "go" && !strings.Contains(string(program), b.text) {
			t.Errorf("%s is not in examples/embed/main.go", b.at())
		}
	}
}

// TestEveryCommandInTheDocumentationPrintsWhatItSays runs the blocks of the
// language "console", those of one document one after the other: lines that
// begin with "$ " are commands for sh, what follows one is what it prints,
// stdout and stderr, and at its end "(exit N)" if its exit code is not 0. The
// current folder has the examples, and the document's blocks that have
// a file's name.
func TestEveryCommandInTheDocumentationPrintsWhatItSays(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("there is no sh")
	}
	shown := map[string][]block{}
	for _, b := range documents(t) {
		if b.lang == "console" {
			shown[b.file] = append(shown[b.file], b)
		}
	}
	if len(shown) == 0 {
		t.Fatal("there are no commands in the documentation")
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./cmd/stepwell").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for document, blocks := range shown {
		t.Run(document, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			settle(t, filepath.Join(home, "work"), document)
			env := slices.DeleteFunc(os.Environ(), func(v string) bool {
				return strings.HasPrefix(v, "STEPWELL_") || strings.HasPrefix(v, "EHR_") || strings.HasPrefix(v, "XDG_")
			})
			env = append(env, "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "HOME="+home, "NO_COLOR=1", "LC_ALL=C.UTF-8")
			for _, b := range blocks {
				for _, piece := range strings.Split("\n"+b.text, "\n$ ")[1:] {
					command, want, _ := strings.Cut(piece, "\n")
					got := printed(t, command, env, home)
					if diff := cmp.Diff(steady(strings.TrimSpace(want)), steady(got)); diff != "" {
						t.Errorf("%s: $ %s (-documentation +printed)\n%s", b.at(), command, diff)
					}
				}
			}
		})
	}
}

// settle fills the folder that a document's commands run in.
func settle(t *testing.T, dir, document string) {
	t.Helper()
	files := map[string]string{}
	examples, err := filepath.Glob("examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := filepath.Glob("examples/lib/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	examples = append(examples, lib...)
	for _, name := range examples {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	for _, b := range documents(t) {
		if _, name, ok := strings.Cut(b.lang, " "); ok && b.file == document {
			files[name] = b.text
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// printed is what a command prints. The first words "go run ./cmd/stepwell"
// mean the program that was built; paths below home are shown with ~.
func printed(t *testing.T, command string, env []string, home string) string {
	t.Helper()
	c := exec.Command("sh", "-c", strings.Replace(command, "go run ./cmd/stepwell", "stepwell", 1))
	c.Env, c.Dir = env, filepath.Join(home, "work")
	out, err := c.CombinedOutput()
	text := strings.TrimSpace(strings.ReplaceAll(string(out), home, "~"))
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return text + fmt.Sprintf("\n(exit %d)", exit.ExitCode())
	} else if err != nil {
		t.Fatal(err)
	}
	return text
}

// changing is what differs from run to run, and what it stands as.
var changing = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "ID"},
	{regexp.MustCompile(`\b0[0-9a-f]{7}-[0-9a-f]{4}\b`), "SHORT"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "KEY"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
	{regexp.MustCompile(`\d+(\.\d+)?(ms|µs|s)\b`), "TIME"},
	{regexp.MustCompile(`"(ntf|esc)-[0-9a-z]+"`), `"$1"`},
	{regexp.MustCompile(` +`), " "},
}

// steady gives text with everything that differs from run to run replaced.
func steady(text string) []string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.as)
	}
	return strings.Split(text, "\n")
}

func TestTheBlocksOfADocumentAreFound(t *testing.T) {
	t.Parallel()
	got := blocks("x.md", "a\n```yaml\nb: 1\n\n```\nc\n```go\nd\n```\n")
	want := []block{{"x.md", 3, "yaml", "b: 1\n\n"}, {"x.md", 8, "go", "d\n"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A chapter is a part of docs/diagnostics.md: names that have a page each.
type chapter struct {
	title string
	names []string
}

// chapters are the typed constants of a file, cut where a comment stands above one.
func chapters(t *testing.T, file, typ, first string) []chapter {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	all := []chapter{{title: first}}
	for _, d := range tree.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			s := spec.(*ast.ValueSpec)
			if !isIdent(s.Type, typ) {
				continue
			}
			if s.Doc != nil {
				all = append(all, chapter{title: strings.TrimSuffix(strings.TrimSpace(s.Doc.Text()), ".")})
			}
			name, err := strconv.Unquote(s.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			last := &all[len(all)-1]
			last.names = append(last.names, name)
		}
	}
	return slices.DeleteFunc(all, func(c chapter) bool { return len(c.names) == 0 })
}

const diagnosticsIntro = `# What Stepwell says

<!-- made from flow/diag/pages by "make golden"; write there -->

Every problem of a file has a code, and every failure of a step or a run has a kind. A code never changes its meaning.
` + "`stepwell explain CODE`" + ` prints the same pages.

`

// TestEveryCodeAndKindIsInTheDocumentation: docs/diagnostics.md is made of the
// pages of flow/diag; -update writes it.
func TestEveryCodeAndKindIsInTheDocumentation(t *testing.T) {
	t.Parallel()
	all := chapters(t, "flow/diag/codes.go", "Code", "Files")
	all = append(all, chapters(t, "flow/failure.go", "Kind", "Kinds of failure")...)
	var list, text strings.Builder
	seen := map[string]bool{}
	for _, c := range all {
		fmt.Fprintf(&list, "- %s:", c.title)
		fmt.Fprintf(&text, "\n## %s\n", c.title)
		for _, name := range c.names {
			seen[name] = true
			fmt.Fprintf(&list, " [%s](#%s)", name, name)
			page, ok := diag.Page(name)
			if !ok {
				t.Errorf("%s has no page in flow/diag/pages", name)
			}
			_, body, _ := strings.Cut(page, "\n")
			fmt.Fprintf(&text, "\n### %s\n\n%s\n", name, strings.TrimSpace(body))
		}
		list.WriteByte('\n')
	}
	for _, name := range diag.Pages() {
		if !seen[name] {
			t.Errorf("the page %s is of no code and no kind", name)
		}
	}
	want := diagnosticsIntro + list.String() + text.String()
	if *update {
		if err := os.WriteFile("docs/diagnostics.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("docs/diagnostics.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("make golden brings docs/diagnostics.md up to date (-made +there)\n%s", diff)
	}
}

// TestEveryFunctionInTheDocumentationIsThere calls each by its name alone: the
// complaint must be about the call, not the name.
func TestEveryFunctionInTheDocumentationIsThere(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Functions\n")
	section, _, _ = strings.Cut(section, "\n\nTwo commands")
	arguments, n := regexp.MustCompile(`\(.*\)`), 0
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile(`(?:^| )[a-z][A-Za-z0-9]*`).FindAllString(arguments.ReplaceAllString(quoted[1], ""), -1) {
			n++
			_, err := flow.Eval(strings.TrimSpace(name)+"()", flow.Known{})
			var problems diag.List
			if errors.As(err, &problems) && problems[0].Code == diag.UnknownFunction {
				t.Errorf("there is no function %s", name)
			}
		}
	}
	if n < 50 {
		t.Errorf("found only %d functions", n)
	}
}

// TestEveryLinkInTheDocumentationLeadsSomewhere looks at links to files and to
// headings.
func TestEveryLinkInTheDocumentationLeadsSomewhere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, heading, _ := strings.Cut(link[1], "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			content, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if heading != "" && !slices.Contains(anchors(string(content)), heading) {
				t.Errorf("%s: %s has no heading #%s", name, target, heading)
			}
		}
	}
}

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// anchors are the names that a document's headings are linked by.
func anchors(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			title = strings.ToLower(strings.TrimSpace(title))
			title = regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(title, "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}

func TestDocsListEachExampleWhichSaysWhatItShows(t *testing.T) {
	t.Parallel()
	var files []string
	for _, pattern := range []string{"examples/*.yaml", "examples/lib/*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	readme, list := read("README.md"), read("examples/README.md")
	sentence := regexp.MustCompile(`^# [A-Z][^.\n]{15,}(\n# [^.\n]*)*\.`)
	for _, file := range files {
		file = filepath.ToSlash(file)
		if !strings.Contains(readme, "]("+file+")") {
			t.Errorf("README.md does not list %s", file)
		}
		if !strings.Contains(list, "]("+strings.TrimPrefix(file, "examples/")+")") {
			t.Errorf("examples/README.md does not list %s", file)
		}
		if !sentence.MatchString(read(file)) {
			t.Errorf("%s does not begin with a sentence that says what it shows", file)
		}
	}
}
