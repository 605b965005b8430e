package expression_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// bounded fails if f takes long or makes much.
func bounded(t *testing.T, name string, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	if took > 200*time.Millisecond {
		t.Logf("%s: %v", name, took)
	}
	runtime.ReadMemStats(&after)
	if took > 10*time.Second {
		t.Errorf("%s takes %v", name, took)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<30 {
		t.Errorf("%s allocates %d MiB", name, made>>20)
	}
}

func TestNoExpressionRunsForEverOrExhaustsTheMemory(t *testing.T) {
	if raced {
		t.Skip("it is about time, and nothing here runs at the same time")
	}
	attacks := []string{
		`repeat("x", 1000000000)`,
		`repeat(repeat(repeat("x", 10000), 10000), 10000)`,
		`1..1000000000`,
		`1..9223372036854775807`,
		`-9223372036854775807..9223372036854775807`,
		`map(1..1000000, map(1..1000000, #))`,
		`reduce(1..100, #acc + #acc, "ab")`,
		`reduce(1..100, [#acc, #acc], 1)`,
		`toJSON(reduce(1..100, [#acc, #acc], 1))`,
		`reduce(1..100, [#acc, #acc], 1) == reduce(1..100, [#acc, #acc], 1)`,
		`flatten(reduce(1..60, [#acc, #acc], 1))`,
		`flatten(reduce(1..100000, [#acc], 1))`,
		`toJSON(reduce(1..100000, [#acc], 1))`,
		`max(reduce(1..100000, [#acc], 1))`,
		`reduce(1..100000, concat(#acc, #acc), [1])`,
		`reduce(1..1000, replace(#acc, "a", "aa"), "a")`,
		`reduce(1..1000, join(split(#acc, ""), #acc), "ab")`,
		`uniq(1..1000000)`,
		`sort(map(1..900000, -#))`,
		`all(1..1000000, repeat("a", 100) matches "(a*)*b")`,
		`all(1..1000, all(1..1000, all(1..1000, true)))`,
		`all(1..900000, response.text contains "zzz")`,
		`all(1..900000, upper(response.text) == "")`,
		`all(1..900000, response.text == response.text + "")`,
		`"a" matches "(((((a{1,30}){1,30}){1,30}){1,30}){1,30}"`,
		`"a" matches repeat("(a{0,20}){0,20}", 300)`,
		`reduce(1..1000, base64(#acc), "a")`,
		`reduce(1..1000, toJSON(#acc), "\\")`,
		`reduce(1..1000, urlEncode(#acc), "%")`,
		`reduce(1..100000, hmacSHA256(response.text, response.text), "x")`,
		`split(response.text, "")`,
		`map(1..100000, split(response.text, ""))`,
		`map(1..100000, response.text[1:])`,
		`jwtClaims(repeat(".", 60000000))`,
		`fromJSON(repeat("[", 50000000))`,
		`fromJSON(repeat("[", 150) + repeat("]", 150))`,
		`date(repeat("1", 1000000))`,
		`now().Format(repeat("Monday", 10000000))`,
		`all(1..900000, now().Format(repeat("Monday", 1000)) == "")`,
		`int(repeat("9", 1000000))`,
		`float(repeat("9", 60000000))`,
		`duration(repeat("1h", 10000000))`,
		`timezone(repeat("../", 1000) + "etc/passwd")`,
		`2 ** 2 ** 2 ** 2 ** 2 ** 2`,
		`now().AddDate(9223372036854775807, 0, 0)`,
		`bitshl(1, 9223372036854775807)`,
		`abs(-9223372036854775807 - 1)`,
		`-(-9223372036854775807 - 1)`,
		`(-9223372036854775807 - 1) % -1`,
		`"x"[9223372036854775807]`,
		`"abc"[-9223372036854775807:9223372036854775807]`,
		`[1][-9223372036854775807]`,
		`take([1], -1)`,
		`get("x", 5)`,
		`groupBy(1..1000000, repeat("x", 1000) + string(#))`,
		`path(response.body, "items.#.@reverse.#(x%\"*a*b\")#")`,
		`type(response.body)`,
	}
	p := clinic()
	p.values["response.text"] = expression.FromText(strings.Repeat("héllo wörld ", 1<<16))
	for _, source := range attacks {
		t.Log(source)
		bounded(t, source, func() {
			program, problems := expression.Compile(source, p)
			if len(problems) > 0 {
				return
			}
			v, err := program.Eval(p)
			v.JSON()
			v.Text()
			if err != nil && strings.HasSuffix(err.Error(), "` cannot be evaluated") {
				t.Errorf("%s panics", source)
			}
			program.Parts(p)
		})
	}
}

func TestNoSourceCrashesTheCompiler(t *testing.T) {
	t.Parallel()
	sources := []string{
		strings.Repeat("(", 4000), strings.Repeat("[", 4000), strings.Repeat("{", 4000), strings.Repeat("not ", 1000) + "true", strings.Repeat("-", 4000) + "1",
		strings.Repeat("1+", 2000) + "1", strings.Repeat("a.", 2000) + "a", strings.Repeat("true?", 800) + "1", strings.Repeat("len(", 1000), "\"" + strings.Repeat("\\", 4000),
		strings.Repeat("if true {", 400), "`" + strings.Repeat("``", 2000), strings.Repeat("x", 5000), "#", "#acc", ".x", "map([1], {", "map([1], #foo)", "let", "let x = 1",
		"1..2..3", "a?.[", "a?.(", "::len(1)", "|", "a|b", "a | len", "map()", "reduce([1])", "b'\\xff'", "b\"x\" == 1", "0x", "1e999", "99999999999999999999", "$env", "$env[\"data\"]", "$",
		"data?.name", "data?.[\"name\"]", "data[\"na\" + \"me\"]", "data.name.x", "not in", "1 not in [1]", "{(1): 2}", "{1: 2}.x", "now().UTC", "now.UTC()", "len.x", "nil.x", "nil()", "data.name()",
		"(data.name)()", "[].x", "{}.x()", "data.orders?.[0]?.id?.x()", "map(data.orders, map(.x, #.y))", "\xff\xfe", "data.\u00e9", "\u202e", "a\x00b",
	}
	for _, source := range sources {
		for _, text := range []string{source, "${{ " + source + " }}", "/x/${{ " + source + " }}/y"} {
			compileAll(t, text)
		}
	}
}

// compileAll gives a text to everything that compiles or evaluates. Positions
// must lie in the text.
func compileAll(t *testing.T, text string) {
	t.Helper()
	p := clinic()
	length := len([]rune(text))
	check := func(what string, problems []expression.Problem) {
		for _, q := range problems {
			if q.From < 0 || q.To < q.From || q.To > length || q.Message == "" || q.Code == "" {
				t.Errorf("%s of %q: a problem at %d to %d of %d: %+v", what, text, q.From, q.To, length, q)
			}
		}
	}
	failed := func(what string, err error) {
		if err != nil && strings.HasSuffix(err.Error(), "` cannot be evaluated") {
			t.Errorf("%s of %q panics", what, text)
		}
		if e, ok := err.(*expression.Error); ok && (e.From < 0 || e.To < e.From || e.To > length || e.Message == "") {
			t.Errorf("%s of %q: an error at %d to %d of %d: %+v", what, text, e.From, e.To, length, e)
		}
	}
	for _, compile := range []func(string, expression.Scope) (*expression.Program, []expression.Problem){expression.Compile, expression.CompileCondition} {
		program, problems := compile(text, p)
		check("compiling", problems)
		if program != nil {
			v, err := program.Eval(p)
			failed("evaluating", err)
			v.JSON()
			v.Text()
			for _, part := range program.Parts(p) {
				if part.Value == "(cannot be evaluated)" {
					t.Errorf("the part %q of %q panics", part.Source, text)
				}
			}
			program.WhenTrue()
			program.OnlyUnset()
		}
	}
	for _, compile := range []compileTemplate{expression.CompileTemplate, expression.CompileURL} {
		tpl, problems := compile(text, p)
		check("the template", problems)
		if tpl != nil {
			_, err := tpl.Render(p)
			failed("rendering", err)
			tpl.Filled().Render(p)
		}
	}
	path, problems := expression.CompilePath(text)
	check("the path", problems)
	if path != nil {
		raw, ok := path.Get(answer)
		if ok && !path.Lines() && expression.CheckJSON([]byte(raw)) != nil {
			t.Errorf("the path %q gives %q, which is no JSON", text, raw)
		}
		path.Nearest(answer, 3)
		path.Last()
	}
}

func TestNoJSONOverflowsTheStack(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("[", 5_000_000), strings.Repeat(`{"a":`, 2_000_000), strings.Repeat("[", 201) + strings.Repeat("]", 201)} {
		var limit *expression.LimitError
		if err := expression.CheckJSON([]byte(s)); !asLimit(err, &limit) {
			t.Errorf("%s…: got %v", s[:10], err)
		}
		// Unchecked text must not crash either.
		v := expression.FromJSON(s)
		v.Items()
		v.JSON()
		v.Text()
	}
	for n, want := range map[int]bool{199: true, 200: true, 201: false} {
		s := strings.Repeat("[", n) + strings.Repeat("]", n)
		if err := expression.CheckJSON([]byte(s)); (err == nil) != want {
			t.Errorf("%d levels: %v", n, err)
		}
	}
}

func asLimit(err error, to **expression.LimitError) bool {
	l, ok := err.(*expression.LimitError)
	*to = l
	return ok
}

func TestTheLimitsOfExpressionsAreExact(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		source func(n int) string
		limit  int
		want   string
	}{
		{"bytes", func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }, expression.MaxSource, "the expression is longer than 4096 bytes"},
		{"nodes", func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat("1,", n-1), ",") + "]" }, expression.MaxNodes, "the expression has more than 500 parts"},
	}
	for _, test := range tests {
		for _, n := range []int{test.limit - 1, test.limit, test.limit + 1} {
			_, problems := expression.Compile(test.source(n), clinic())
			got := ""
			if len(problems) > 0 {
				got = problems[0].Message
			}
			if want := map[bool]string{true: test.want}[n > test.limit]; got != want {
				t.Errorf("%d %s: got %q, want %q", n, test.name, got, want)
			}
		}
	}
	// count() of n items does 1 operation, one for the call of `..`, n for making the list, and 1 for each item.
	for n, want := range map[int]bool{400_000: true, 600_000: false} {
		p, problems := expression.Compile(fmt.Sprintf("count(1..%d, true)", n), clinic())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if _, err := p.Eval(clinic()); (err == nil) != want {
			t.Errorf("%d items: %v", n, err)
		}
	}
}
