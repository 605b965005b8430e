package format

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// TestFlowsWithLinesPutInAnywhereKeepTheirMeaning puts comments, empty lines and
// blanks into the project's flows, where the flow stays valid.
func TestFlowsWithLinesPutInAnywhereKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	var texts []string
	for _, file := range flows(t) {
		text := read(t, file)
		if _, problems := syntax.Parse(file, []byte(text)); !problems.HasErrors() && len(text) < 8000 {
			texts = append(texts, strings.ReplaceAll(text, "\r\n", "\n"))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom(texts).Draw(t, "flow")
		lines := strings.Split(text, "\n")
		for range rapid.IntRange(1, 12).Draw(t, "changes") {
			at := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
			indent := strings.Repeat(" ", rapid.IntRange(0, 10).Draw(t, "indent"))
			changed := append([]string{}, lines...)
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0:
				changed = append(append(append([]string{}, lines[:at]...), ""), lines[at:]...)
			case 1, 2:
				changed = append(append(append([]string{}, lines[:at]...), indent+"# c"), lines[at:]...)
			case 3:
				changed[at] += indent + " # at the end"
			case 4:
				for i, line := range changed {
					changed[i] = strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))) + line
				}
			}
			if _, problems := syntax.Parse("", []byte(strings.Join(changed, "\n"))); !problems.HasErrors() {
				lines = changed
			}
		}
		keepsItsMeaning(t, strings.Join(lines, "\n"))
	})
}

// keepsItsMeaning is formatted for rapid.
func keepsItsMeaning(t *rapid.T, text string) {
	first, problems := Text("flow.yaml", []byte(text))
	if problems != nil {
		t.Fatalf("refused: %v\n%s", problems, text)
	}
	second, problems := Text("flow.yaml", first)
	if problems != nil || string(first) != string(second) {
		t.Fatalf("formatting again changes it: %v\n%s\n--- first\n%s\n--- second\n%s", problems, text, first, second)
	}
}

// TestGeneratedFlowsKeepTheirMeaning writes flows in every style that YAML has.
func TestGeneratedFlowsKeepTheirMeaning(t *testing.T) {
	t.Parallel()
	all, valid := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all++
		g := &generator{t: t}
		text := g.file()
		if _, problems := syntax.Parse("flow.yaml", []byte(text)); problems.HasErrors() {
			t.Skip()
		}
		valid++
		keepsItsMeaning(t, text)
	})
	if valid < all/5 {
		t.Errorf("only %d of %d flows were valid", valid, all)
	}
}

// A generator writes a flow with its keys in any order.
type generator struct {
	t     *rapid.T
	out   strings.Builder
	steps int
}

func (g *generator) pick(n int) int { return rapid.IntRange(0, n-1).Draw(g.t, "n") }

func (g *generator) file() string {
	entries := []func(string){
		func(in string) { g.write(in + "stepwell: 1\n") },
		func(in string) { g.write(in + "name: generated\n") },
		func(in string) { g.steplist(in, "steps", 2) },
		func(in string) {
			g.write(in + "inputs:" + []string{" { a: {default: 1, type: integer}, b: string }\n", "\n" + in + "   a: string\n" + in + "   # b\n"}[g.pick(2)])
		},
		func(in string) { g.value(in, "x-data", 2) },
		func(in string) { g.write(in + "outputs: { z: 1,\n   a: 2 } # outputs\n") },
	}
	if g.pick(2) == 0 {
		g.write("# head\n\n")
	}
	g.mapping(strings.Repeat(" ", g.pick(2)*g.pick(3)), "", entries)
	return g.out.String()
}

func (g *generator) write(text string) { g.out.WriteString(text) }

// mapping writes entries in any order, the first behind dash.
func (g *generator) mapping(in, dash string, entries []func(string)) {
	for i, at := range rapid.Permutation(indexes(len(entries))).Draw(g.t, "order") {
		if i == 0 && dash != "" {
			g.write(dash)
			before := g.out.Len()
			entries[at](in)
			rest := g.out.String()[before:]
			head := g.out.String()[:before]
			g.out.Reset()
			g.write(head + strings.TrimPrefix(rest, in))
			continue
		}
		if i > 0 {
			g.noise(in)
		}
		entries[at](in)
	}
}

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func (g *generator) noise(in string) {
	switch g.pick(8) {
	case 0:
		g.write("\n")
	case 1:
		g.write(in + "# before\n")
	case 2:
		g.write("\n\n" + in + "# apart\n\n")
	case 3:
		g.write(in + "    # further in\n")
	}
}

func (g *generator) steplist(in, key string, depth int) {
	g.write(in + key + ":" + []string{"", " # " + key}[g.pick(2)] + "\n")
	in += strings.Repeat(" ", g.pick(4))
	for range g.pick(3) + 1 {
		g.steps++
		id := fmt.Sprintf("s%d", g.steps)
		wide := g.pick(3) + 1
		inner := in + strings.Repeat(" ", wide+1)
		entries := []func(string){
			func(in string) { g.write(in + "id: " + id + "\n") },
			func(in string) { g.write(in + "if: inputs.a != 'x'   # when\n") },
		}
		if depth > 0 && g.pick(3) == 0 {
			entries = append(entries, func(in string) { g.steplist(in, "steps", depth-1) })
		} else {
			entries = append(entries, func(in string) { g.write(in + "action: http\n") },
				func(in string) {
					g.write(in + "with:\n" + in + " url: http://x.test\n")
					g.value(in+" ", "json", 2)
				},
				func(in string) { g.write(in + "expect: {that: [ a ],status: 200}\n") },
				func(in string) { g.write(in + "retry: { backoff: {max: 2s, initial: 1s}, attempts: 3 }\n") })
		}
		g.mapping(inner, in+"-"+strings.Repeat(" ", wide), entries)
	}
}

// value writes a key and any value.
func (g *generator) value(in, key string, depth int) {
	g.write(in + key + ":")
	if depth > 0 {
		switch g.pick(4) {
		case 0:
			g.write("\n")
			for i := range g.pick(3) + 1 {
				g.noise(in + "  ")
				g.value(in+"  ", fmt.Sprintf("k%d", 9-i), depth-1)
			}
			return
		case 1:
			g.write("\n")
			for range g.pick(3) + 1 {
				g.write(in + "- ")
				g.value("", "k", 0)
			}
			return
		}
	}
	deep := in + strings.Repeat(" ", g.pick(3)+1)
	g.write([]string{
		" 00123\n", " 13.0 # digits\n", ` "yes"` + "\n", " 'it''s'\n", " # nothing\n", "\n", " null\n", " ${{ inputs.a }}\n", " ~\n",
		" [ 1,\n" + deep + "2 ]\n", " { b: [], a: {} }\n", " \"a\n" + deep + "# b\\\n" + deep + " c\"\n", " plain\n" + deep + "more\n",
		" |\n" + deep + "text\n" + deep + "  # text\n", " >-\n" + deep + "folded\n\n" + deep + "text\n", " |+\n" + deep + "kept\n\n", " &a" + fmt.Sprint(g.out.Len()) + " x\n",
		" !!str 5\n", "\n" + deep + "on its own line\n", " |2-\n" + in + "    three\n" + in + "  two\n", " # c\n" + deep + "'below'\n",
	}[g.pick(21)])
}

func FuzzAnyTextIsRefusedOrKeepsItsMeaning(f *testing.F) {
	for _, file := range flows(f) {
		f.Add(read(f, file))
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, problems := Text("flow.yaml", []byte(text))
		if problems != nil {
			return
		}
		if second, problems := Text("flow.yaml", first); problems != nil || string(first) != string(second) {
			t.Fatalf("formatting again changes it: %v\n%q\n%q", problems, first, second)
		}
	})
}
