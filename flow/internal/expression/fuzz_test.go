package expression_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

var seeds = []string{
	``, `data.name`, `${{ data.name }}`, `Bearer ${{ data.access_token }}`, `${{ {a: {b: "}}"}} }}`, `x ${{ '}}' + "é" }} y`, `{{ data.x }}`, `${{`, `}}`, "`a``b`",
	`data.orders[0].owner?.email ?? "none"`, `filter(data.orders, .urgent && .price > 1) | map(.id)`, `data.maybe != nil ? data.maybe : "x"`, `reduce(1..10, #acc + #, 0)`,
	`response.body.items.#(id==2).x`, `$.a[0]`, `..#.x`, `a\.b|@values|#`, `https://${{ data.name }}.x/${{ raw("y") }}?q=${{ index }}#${{ order.id }}`, `${{ inputs.base }}/a/${{ data.price }}`,
	`date("2026-11-21T10:00:00+01:00").Add(duration("3d")).Format("Monday")`, `toJSON(fromJSON("[1e400]"))`, `if data.flag { 1 } else { nil }`, `not (data.flag) and data.any?.b[index] in [1, 2.5]`,
	`"a" matches "(b|c)*"`, `get(data.any, -1)`, `{("a" + "b"): 1}.ab`, `1 // x`, `$response.body#/a`, `steps.place.outputs.x`, `bitshl(1, 70)`, `data.big == 1 || data.big > 1.5`,
}

func FuzzExpression(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) { compileAll(t, text) })
}

// A template without expressions of ours gives itself; one with gives what is
// around them as it is.
func FuzzTemplate(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		compileAll(t, text)
		tpl, problems := expression.CompileTemplate(text, clinic())
		if !strings.Contains(text, "${{") && len(problems) == 0 {
			if s, ok := tpl.Constant(); !ok || s != text {
				t.Errorf("%q gives %q", text, s)
			}
		}
		if tpl != nil && len(problems) == 0 && !tpl.UsesClock() {
			givesOneJSON(t, tpl, clinic())
		}
		around, problems := expression.CompileTemplate("a"+`${{ "<" }}`+"b"+`${{ ">" }}`, clinic())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if v, err := around.Render(clinic()); err != nil {
			t.Error(err)
		} else if s, _ := v.Text(); s != "a<b>" {
			t.Errorf("got %q", s)
		}
	})
}

// Two validators are at work: what one takes the other must take.
func FuzzValidJSON(f *testing.F) {
	for _, s := range []string{answer, `-`, `01`, `1.`, `1e`, `"\x"`, "\"\x01\"", `[1,]`, `{"a":1,}`, `nul`, " {} ", "\ufeff{}", `"\ud800"`,
		`{} {}`, "\"\xff\"", `1e+`, `-0`, `.5`, `"\u12"`, `["\\"]`, `["\"["]`, `"`, `"\`, strings.Repeat("[", 201)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		ours, theirs := expression.CheckJSON(text), value.CheckJSON(text)
		if (ours == nil) != (theirs == nil) || ours != nil && ours.Error() != theirs.Error() {
			t.Fatalf("%q: %v, and %v", text, ours, theirs)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, answer)
	}
	f.Add(`a.#(b.#(c=="x"))#.d`, `{"a":[{"b":[{"c":"x"}],"d":1}]}`)
	f.Add(`a*b?c`, `{"axbxc":1}`)
	f.Add(`#.#.#`, `[[[1]]]`)
	f.Add(`a`, `{"a":1,"a":2}`)
	f.Fuzz(func(t *testing.T, text, body string) {
		path, problems := expression.CompilePath(text)
		if path == nil {
			if len(problems) != 1 || problems[0].Message == "" {
				t.Fatalf("%q: %+v", text, problems)
			}
			return
		}
		if path.Check([]byte(body)) != nil {
			path.Get(body) // must not crash
			return
		}
		raw, ok := path.Get(body)
		if ok && expression.CheckJSON([]byte(raw)) != nil && !path.Lines() {
			t.Errorf("%q of %q gives %q, which is no JSON", text, body, raw)
		}
		if !utf8.ValidString(body) {
			return // names are shown as UTF-8
		}
		for _, near := range path.Nearest(body, 3) {
			p, problems := expression.CompilePath(near)
			if len(problems) > 0 {
				t.Errorf("%q of %q: the suggestion %q is no path: %+v", text, body, near, problems)
			} else if _, ok := p.Get(body); !ok {
				t.Errorf("%q of %q: the suggestion %q is not there", text, body, near)
			}
		}
	})
}

// Whatever a value is, it stays in its place of the URL.
func FuzzURL(f *testing.F) {
	for _, s := range append(seeds, "..", ".", "/", "//x", "a/../b", "?", "#", "%2e%2e", "@", "\r\n", "\\", "é", "a b", "x:y@z", "evil.test/") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := clinic()
		p.values["data.name"] = expression.FromText(s)
		tpl, problems := expression.CompileURL(`https://api.test/a/${{ data.name }}/b?q=${{ data.name }}&r=1#${{ data.name }}`, p)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if v, err := tpl.Render(p); err == nil {
			text, _ := v.Text()
			u, err := url.Parse(text)
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			segments := strings.Split(u.EscapedPath(), "/")
			inside, _ := url.PathUnescape(segments[2])
			if u.Host != "api.test" || u.User != nil || len(segments) != 4 || segments[3] != "b" || inside != s || u.Query().Get("q") != s || u.Query().Get("r") != "1" || u.Fragment != s {
				t.Errorf("%q makes %q", s, text)
			}
		}
		host, problems := expression.CompileURL(`https://${{ data.name }}.api.test/x`, p)
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if v, err := host.Render(p); err == nil {
			text, _ := v.Text()
			u, err := url.Parse(text)
			if err != nil || u.Host != s+".api.test" || u.Path != "/x" {
				t.Errorf("%q makes %q: %v", s, text, err)
			}
		}
		tpl, _ = expression.CompileURL(s, p)
		if tpl != nil {
			givesOneJSON(t, tpl, p)
		}
	})
}

// givesOneJSON wants the JSON of a template to be that of what it renders.
func givesOneJSON(t *testing.T, tpl *expression.Template, p *place) {
	t.Helper()
	var want string
	v, wrong := tpl.Render(p)
	if wrong == nil {
		want, wrong = v.JSON()
	}
	got, err := tpl.JSON(p)
	if got != want || (err == nil) != (wrong == nil) || err != nil && err.Error() != wrong.Error() {
		t.Errorf("%q as JSON at once: %s, %v; rendered before: %s, %v", tpl.Source(), got, err, want, wrong)
	}
}

// What is read from JSON and passed on is the same JSON; what is computed is JSON.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,1e400,-0,"é\ud800\u0041",null,true,{}]}`, `"\"`, `[1,]`, `{"a":1,"a":2}`, ` [ 1 ] `, `99999999999999999999`, answer} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		valid := expression.CheckJSON([]byte(s)) == nil
		if valid && !json.Valid([]byte(s)) {
			t.Errorf("%q is no JSON", s)
		}
		v := expression.FromJSON(s)
		out, err := v.JSON()
		v.Text()
		v.Items()
		p := clinic()
		p.values["data.any"] = v
		for _, source := range []string{`[data.any]`, `toJSON(data.any)`, `data.any == data.any`, `[data.any, data.any] | uniq()`, `data.any?.a`, `keys(data.any)`, `len(data.any)`, `data.any[0]`, `type(data.any)`, `data.any + 1`} {
			program, problems := expression.Compile(source, p)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			got, err := program.Eval(p)
			if err != nil || !valid {
				continue
			}
			text, err := got.JSON()
			if err == nil && !json.Valid([]byte(text)) {
				t.Errorf("%s of %q gives %q", source, s, text)
			}
			if source == `data.any == data.any` && text != "true" {
				t.Errorf("%q is not equal to itself", s)
			}
		}
		if valid && (err != nil || !json.Valid([]byte(out))) {
			t.Errorf("%q gives %q, %v", s, out, err)
		}
	})
}
