// Package stepwell_test holds the project to its own rules: which package may
// import which, how large things may grow, and that the documentation is true.
package stepwell_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/stepwell/stepwell"

// A node is a package as `go list` knows it, without its tests.
type node struct {
	ImportPath string
	Imports    []string // itself
	Deps       []string // and through others
	Standard   bool
}

// A graph is packages by import path.
type graph map[string]node

// floors says what each package may import by itself beyond the standard
// library: exact import paths, or everything below one that ends in "/...".
// A package that is not here has no floor yet: give it one, and a reason in
// docs/design.md.
var floors = map[string][]string{
	"flow/diag":  {},
	"datapoints": {},

	"flow/internal/expression/value": {},
	"flow/internal/expression": {"datapoints", "flow/diag", "flow/internal/expression/value",
		"github.com/expr-lang/expr/...", "github.com/tidwall/gjson"},
	"flow/internal/syntax":   {"datapoints", "flow/diag", "gopkg.in/yaml.v3"},
	"flow/internal/editor":   {"flow/internal/check", "flow/internal/syntax"},
	"flow/internal/format":   {"flow/diag", "flow/internal/syntax", "gopkg.in/yaml.v3"},
	"flow/internal/plan":     {"flow/diag", "flow/internal/expression/..."},
	"flow/internal/check":    {"datapoints", "flow/diag", "flow/internal/expression/...", "flow/internal/plan", "flow/internal/schema", "flow/internal/syntax", "flow/internal/trust"},
	"flow/internal/schema":   {"flow/diag", "flow/internal/expression", "github.com/santhosh-tekuri/jsonschema/v6/..."},
	"flow/internal/answer":   {"datapoints", "flow/diag", "flow/internal/expression/...", "flow/internal/plan"},
	"flow/internal/trust":    {},
	"flow/walk":              {"datapoints", "flow/internal/plan"},
	"flow/internal/survey":   {"flow/internal/plan"},
	"flow/internal/bind":     {"flow/internal/check", "flow/internal/syntax"},
	"flow/internal/files":    {"datapoints", "flow/internal/check"},
	"flow/outline":           {"datapoints", "flow/internal/expression", "flow/internal/plan", "flow/internal/survey"},
	"flow/internal/evaluate": {"flow/diag", "flow/internal/expression/...", "flow/internal/record"},
	"flow/internal/record":   {"datapoints", "flow/internal/expression/...", "flow/internal/plan"},
	"flow/internal/given":    {"datapoints", "flow/internal/answer", "flow/internal/expression", "flow/internal/plan", "github.com/tidwall/gjson"},
	"flow/internal/inbox":    {"datapoints", "flow/internal/answer", "flow/internal/expression/...", "flow/internal/plan", "flow/internal/record", "flow/internal/syntax", "flow/walk"},

	"flow": {"datapoints", "flow/diag", "flow/internal/...", "flow/outline", "flow/walk"},

	"actions":                    {"datapoints", "flow", "flow/diag", "actions/internal/..."},
	"actions/oauth2":             {"datapoints", "flow", "actions/internal/challenge", "actions/internal/ordered", "github.com/go-jose/go-jose/v4", "golang.org/x/sync/singleflight"},
	"actions/credentials":        {"actions", "actions/oauth2", "actions/internal/ordered", "datapoints", "flow", "flow/diag"},
	"actions/internal/challenge": {"actions/internal/ordered"},
	"actions/internal/document":  {},
	"actions/internal/ordered":   {},
	"datapoints/sqlstore":        {"datapoints"},
	"datapoints/storetest":       {"datapoints"},

	"examples/sandbox": {},
	"examples/embed":   {"actions", "datapoints", "examples/sandbox", "flow"},
	"cmd/stepwell": {"actions", "actions/credentials", "actions/oauth2", "datapoints", "datapoints/sqlstore", "examples/sandbox", "flow", "flow/diag",
		"github.com/gofrs/flock", "github.com/spf13/cobra", "github.com/zalando/go-keyring", "golang.org/x/term",
		"gopkg.in/yaml.v3", "modernc.org/sqlite"},
}

// A never is a dependency that must not come about, not even through others.
type never struct{ from, to, why string }

var nevers = []never{
	{"datapoints", module + "/...", "values and their store know nothing of flows"},
	{"flow/diag", module + "/...", "positions and diagnostics are below everything"},
	{"flow", "actions/...", "control flow is language, actions are the world"},
	{"flow", "net/http", "what flows do in the world is in actions"},
	{"flow", "database/sql", "an embedder chooses the store"},
	{"flow/internal/expression", "gopkg.in/yaml.v3", "expressions are text with a place, wherever it came from"},
	{"actions", "datapoints/sqlstore", "an action does one attempt and keeps nothing"},
	{"actions", "database/sql", "an action does one attempt and keeps nothing"},
	{"actions/oauth2", "datapoints/sqlstore", "a token client is given the place where tokens are kept"},
	{"actions/oauth2", "database/sql", "a token client is given the place where tokens are kept"},
	{"datapoints/sqlstore", "flow/...", "a store keeps what it is given"},
	{"datapoints/sqlstore", "modernc.org/...", "the driver is the caller's choice"},
	{"examples/sandbox", module + "/...", "the sandbox must not share our mistakes"},
}

// breaches lists what in g breaks a floor, in the order of import paths.
func breaches(g graph) []string {
	var found []string
	for path, p := range g {
		name, ours := strings.CutPrefix(path, module+"/")
		if !ours {
			continue
		}
		may, ok := floors[name]
		if !ok {
			found = append(found, name+" has no floor in project_test.go")
			continue
		}
		for _, imported := range p.Imports {
			if !g[imported].Standard && imported != "C" && !slices.ContainsFunc(may, matches(imported)) {
				found = append(found, fmt.Sprintf("%s must not import %s", name, short(imported)))
			}
		}
		for _, n := range nevers {
			if n.from != name {
				continue
			}
			for _, dep := range p.Deps {
				if matches(dep)(n.to) {
					found = append(found, fmt.Sprintf("%s must not depend on %s: %s", name, short(dep), n.why))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// matches says whether a pattern of floors or nevers means an import path.
func matches(path string) func(pattern string) bool {
	return func(pattern string) bool {
		first, _, _ := strings.Cut(pattern, "/")
		if slices.Contains([]string{"flow", "actions", "datapoints", "examples", "cmd"}, first) {
			pattern = module + "/" + pattern
		}
		if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
			return path == tree || strings.HasPrefix(path, tree+"/")
		}
		return path == pattern
	}
}

func short(path string) string { return strings.TrimPrefix(path, module+"/") }

func TestEveryPackageStaysOnItsFloor(t *testing.T) {
	t.Parallel()
	g := list(t, "./...")
	for _, b := range breaches(g) {
		t.Error(b)
	}
	for name := range floors {
		if _, ok := g[module+"/"+name]; !ok {
			t.Errorf("%s has a floor, but there is no such package", name)
		}
	}
}

func TestAForbiddenImportIsFound(t *testing.T) {
	t.Parallel()
	g := graph{"net/http": {ImportPath: "net/http", Standard: true}, "fmt": {ImportPath: "fmt", Standard: true},
		"database/sql": {ImportPath: "database/sql", Standard: true}}
	add := func(name string, imports ...string) { // imports stand before what imports them
		p := node{ImportPath: module + "/" + name, Imports: imports}
		for _, i := range imports {
			p.Deps = append(append(p.Deps, i), g[i].Deps...)
		}
		g[p.ImportPath] = p
	}
	ours := func(name string) string { return module + "/" + name }
	add("flow/diag", "fmt", ours("datapoints"))
	add("datapoints", "fmt", "golang.org/x/crypto/hkdf")
	add("flow/internal/plan", "net/http")
	add("flow/internal/expression", ours("flow/diag"), "gopkg.in/yaml.v3", "github.com/expr-lang/expr/vm")
	add("flow", ours("flow/internal/plan"), ours("actions"))
	add("actions", ours("flow"), "gopkg.in/yaml.v3", "database/sql")
	add("datapoints/sqlstore", ours("datapoints"), "modernc.org/sqlite/lib")
	add("datapoints/storetest", ours("datapoints"))
	add("cmd/stepwell", ours("datapoints/storetest"))
	add("flow/helpers", "fmt")
	want := []string{
		"actions must not depend on database/sql: an action does one attempt and keeps nothing",
		"actions must not import gopkg.in/yaml.v3",
		"cmd/stepwell must not import datapoints/storetest",
		"datapoints must not import golang.org/x/crypto/hkdf",
		"datapoints/sqlstore must not depend on modernc.org/sqlite/lib: the driver is the caller's choice",
		"datapoints/sqlstore must not import modernc.org/sqlite/lib",
		"flow must not depend on actions: control flow is language, actions are the world",
		"flow must not depend on net/http: what flows do in the world is in actions",
		"flow must not import actions",
		"flow/diag must not depend on datapoints: positions and diagnostics are below everything",
		"flow/diag must not import datapoints",
		"flow/helpers has no floor in project_test.go",
		"flow/internal/expression must not depend on gopkg.in/yaml.v3: expressions are text with a place, wherever it came from",
		"flow/internal/expression must not import gopkg.in/yaml.v3",
	}
	if diff := cmp.Diff(want, breaches(g)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAnEmbedderLinksLittle names every module that a program gets with the
// language and the built-in actions.
func TestAnEmbedderLinksLittle(t *testing.T) {
	t.Parallel()
	may := []string{
		"github.com/expr-lang/expr/...", "github.com/santhosh-tekuri/jsonschema/v6/...",
		"github.com/tidwall/gjson", "github.com/tidwall/match", "github.com/tidwall/pretty",
		"golang.org/x/text/...", "gopkg.in/yaml.v3", module + "/...",
	}
	for path, p := range list(t, "./flow", "./actions") {
		if !p.Standard && !slices.ContainsFunc(may, matches(path)) {
			t.Errorf("flow and actions link %s", path)
		}
		if path == "database/sql" {
			t.Error("flow and actions link database/sql")
		}
	}
}

// list is the graph of the packages that patterns name and of all they need.
func list(t *testing.T, patterns ...string) graph {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-deps", "-json=ImportPath,Imports,Deps,Standard"}, patterns...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	g := graph{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p node
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = p
	}
	delete(g, module) // holds nothing but tests
	return g
}
