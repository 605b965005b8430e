package expression_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

type compileTemplate func(text string, s expression.Scope) (*expression.Template, []expression.Problem)

// rendered compiles and renders; the result is JSON, or the kind and the message of the error.
func rendered(t *testing.T, compile compileTemplate, text string, p *place) string {
	t.Helper()
	tpl, problems := compile(text, p)
	if len(problems) > 0 {
		return "problem: " + problems[0].Message
	}
	v, err := tpl.Render(p)
	if direct, alike := tpl.JSON(p); err == nil {
		if json, _ := v.JSON(); direct != json {
			t.Errorf("%s\n as JSON at once %s\n rendered before %s", text, direct, json)
		}
	} else if alike == nil || alike.Error() != err.Error() {
		t.Errorf("%s\n as JSON at once it fails with %v\n rendered before with %v", text, alike, err)
	}
	var failed *expression.Error
	switch {
	case errors.As(err, &failed):
		return failed.Kind + ": " + failed.Message
	case err != nil:
		return err.Error()
	}
	json, err := v.JSON()
	if err != nil {
		return "error: " + err.Error()
	}
	return json
}

func TestTemplatesRenderOnce(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{``, `""`},
		{`plain`, `"plain"`},
		{`Hello {{name}} } }} {`, `"Hello {{name}} } }} {"`},
		{`${{ data.price }}`, `13.0`},
		{"  ${{ data.orders }}\n", `[{"id":1,"urgent":true,"price":13.0,"owner":{"email":"a@b.c"}},{"id":2,"urgent":false,"price":1.5}]`},
		{`it is ${{ data.price }}, ${{ data.flag }}, ${{ data.big }}`, `"it is 13.0, true, 123456789012345678901234567890"`},
		{`${{ data.price * 1 }}!`, `"13!"`},
		{`${{ 1e21 }}!`, `"1000000000000000000000!"`},
		{`${{ 0.1 + 0.2 }}!`, `"0.30000000000000004!"`},
		{`${{ now() }}!`, `"2026-11-21T10:00:00.005Z!"`},
		{`${{ request.time }}!`, `"2026-01-02T03:04:05Z!"`},
		{`a ${{ "}}" }} b ${{ {a: {b: 1}}.a.b }}`, `"a }} b 1"`},
		{"a ${{ '}}' + `}}` }}", `"a }}}}"`},
		{`${{ "${{ data.name }}" }}`, `"${{ data.name }}"`},
		{`x ${{ "${{" }} y`, `"x ${{ y"`},
		{`${{data.name}}${{data.name}}`, `"ZoëZoë"`},
		{`x ${{ data.nothing }}`, "expression: `data.nothing` is null"},
		{`x ${{ data.any.b }}`, "expression: `data.any.b` is an object, which has no form as text"},
		{`${{ data.nothing }}`, `null`},
		{`#${{ index + 1 }}`, `"#2"`},
		{"multi\nline ${{\n data.name\n}}", `"multi\nline Zoë"`},
		{`it's ${{ data.name }}, it's`, `"it's Zoë, it's"`},
	}
	for _, test := range tests {
		if got := rendered(t, expression.CompileTemplate, test.text, clinic()); got != test.want {
			t.Errorf("%s\n got  %s\n want %s", test.text, got, test.want)
		}
	}
}

func TestAValueIsNeverEvaluatedAgain(t *testing.T) {
	t.Parallel()
	p := clinic()
	p.values["data.name"] = expression.FromText("${{ secrets.pin }}")
	if got := rendered(t, expression.CompileTemplate, `x ${{ data.name }}`, p); got != `"x ${{ secrets.pin }}"` {
		t.Errorf("got %s", got)
	}
}

func TestTemplatesKnowWhatTheyRead(t *testing.T) {
	t.Parallel()
	tpl, _ := expression.CompileTemplate(`Bearer ${{ data.access_token }} ${{ request.method }} ${{ order.id }} ${{ uuid() }}`, clinic())
	if !tpl.Sensitive() || !tpl.Foreign() || tpl.PII() || !tpl.UsesClock() || !tpl.Reads("request") || !tpl.Reads("data") || !tpl.Reads("") || tpl.Reads("response") {
		t.Error("what the template reads is not known")
	}
	if n := len(tpl.Refs()); n != 3 {
		t.Errorf("it has %d references, want 3", n)
	}
	if text, ok := tpl.Constant(); ok {
		t.Errorf("it is constant: %q", text)
	}
	if tpl.Program() != nil {
		t.Error("it is one expression")
	}
}

func TestAFilledTemplateRefusesEmptyExpressions(t *testing.T) {
	t.Parallel()
	p := clinic()
	p.values["data.access_token"] = expression.FromText("")
	tpl, _ := expression.CompileTemplate(`Bearer ${{ data.access_token }}`, p)
	_, err := tpl.Filled().Render(p)
	var failed *expression.Error
	if !errors.As(err, &failed) || failed.Kind != expression.KindData || failed.Message != "`data.access_token` is empty" || failed.From != 11 || failed.To != 28 {
		t.Errorf("got %+v", failed)
	}
	whole, _ := expression.CompileTemplate(`${{ data.access_token }}`, p)
	if _, err := whole.Filled().Render(p); err == nil {
		t.Error("a whole expression may be empty")
	}
}

func TestABaseGivesUpItsSlash(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`${{ "https://x.test/v1//" }}/token`:         "https://x.test/v1/token",
		`${{ inputs.base }}/token`:                   "https://api.example.test/token",
		`${{ "https://x.test/" }}token`:              "https://x.test/token",
		`${{ "https://x.test/" }}`:                   "https://x.test/",
		`https://x.test/${{ "a/" }}/${{ "b/" }}/end`: "https://x.test/a//b//end",
	} {
		tpl, problems := expression.CompileTemplate(text, clinic())
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		v, err := tpl.OfBase().Render(clinic())
		if got, _ := v.Text(); err != nil || got != want {
			t.Errorf("%s: have %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestURLsAreEscapedForEachPlace(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{`/patients/${{ inputs.nhs }}`, `"/patients/94%2076%2F719915"`},
		{`/patients/${{ inputs.nhs }}/x?q=${{ inputs.nhs }}&r=${{ data.name }}#${{ data.name }}`, `"/patients/94%2076%2F719915/x?q=94%2076%2F719915&r=Zo%C3%AB#Zo%C3%AB"`},
		{`${{ inputs.base }}/oauth/token`, `"https://api.example.test/oauth/token"`},
		{`${{ inputs.base }}`, `"https://api.example.test"`},
		{`${{ "https://x.test/v1//" }}/oauth/${{ "a" }}`, `"https://x.test/v1/oauth/a"`},
		{`${{ raw("https://x.test/") }}/oauth`, `"https://x.test//oauth"`},
		{`${{ "https://x.test/" }}oauth`, `"https://x.test/oauth"`},
		{`${{ "https://x.test/?next=/" }}/oauth`, `"https://x.test/?next=//oauth"`},
		{`${{ "https://" }}/oauth`, `"https:///oauth"`},
		{`${{ "/" }}/oauth`, `"//oauth"`},
		{`https://${{ data.patient.z }}.example.test:${{ inputs.count }}/`, `"https://1.example.test:3/"`},
		{`https://${{ data.name }}.example.test/`, "data: `data.name` holds a character that a host cannot: only letters, digits, `-` and `.` may stand there"},
		{`https://${{ "a/b" }}`, "data: `\"a/b\"` holds a character that a host cannot: only letters, digits, `-` and `.` may stand there"},
		{`https://${{ "a@b" }}/`, "data: `\"a@b\"` holds a character that a host cannot: only letters, digits, `-` and `.` may stand there"},
		{`https://${{ "" }}.x/`, "data: `\"\"` is empty, so the URL's host would be another one"},
		{`/a/${{ "" }}/b`, "data: `\"\"` is empty, so the URL would be another one"},
		{`/a/${{ ".." }}/b`, "data: `\"..\"` is `..`, which means another folder in a URL"},
		{`/a/.${{ "." }}/b`, "data: `\".\"` is `.`, which means another folder in a URL"},
		{`/a/${{ "x" }}.${{ "y" }}/b`, `"/a/x.y/b"`},
		{`/a/${{ raw("b/c?d=e") }}`, `"/a/b/c?d=e"`},
		{`/a/.${{ raw(".") }}${{ "x" }}`, `"/a/..x"`},
		{`/a?x=${{ "" }}&y=${{ "a&b=c+d e" }}`, `"/a?x=&y=a%26b%3Dc%2Bd%20e"`},
		{`/a/${{ "a\r\nb" }}`, `"/a/a%0D%0Ab"`},
		{`/a/${{ raw("a\r\nb") }}`, "data: `raw(\"a\\r\\nb\")` holds a blank or a control character, which a URL cannot"},
		{`/a/${{ data.nothing }}`, "data: `data.nothing` is null"},
		{`/a/${{ data.orders[0] }}`, "data: `data.orders[0]` is an object, which has no form as text"},
		{`${{ inputs.base }}${{ raw("/x/y") }}`, `"https://api.example.test/x/y"`},
		{`https://x/${{ data.price }}/${{ data.flag }}`, `"https://x/13.0/true"`},
		{`${{ data.nothing ?? "" }}/x`, "data: `data.nothing ?? \"\"` is empty, so the URL has no beginning"},
		{`${{ "https" }}://${{ "h.x" }}/${{ "a b" }}`, `"https://h.x/a%20b"`},
	}
	for _, test := range tests {
		if got := rendered(t, expression.CompileURL, test.text, clinic()); got != test.want {
			t.Errorf("%s\n got  %s\n want %s", test.text, got, test.want)
		}
	}
}

func TestURLsKnowWhatDecidesTheirOrigin(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{`/x/${{ data.name }}`, "relative"},
		{`https://x/${{ data.name }}`, ""},
		{`${{ inputs.base }}/x/${{ data.name }}`, ""},
		{`${{ response.links.next }}`, "foreign"},
		{`${{ data.any.url }}/x`, "foreign"},
		{`https://${{ data.name }}.x/`, "foreign"},
		{`${{ inputs.base }}${{ raw(data.name) }}`, "foreign"},
		{`https://api.x${{ raw(data.name) }}`, "foreign"},
		{`https://api.x/${{ raw(data.name) }}`, ""},
		{`${{ inputs.base }}?q=${{ raw(data.name) }}`, ""},
		{`${{ secrets.pin }}/x`, "sensitive"},
	}
	for _, test := range tests {
		tpl, problems := expression.CompileURL(test.text, clinic())
		if len(problems) > 0 {
			t.Errorf("%s: %+v", test.text, problems)
			continue
		}
		var got []string
		if tpl.Relative() {
			got = append(got, "relative")
		}
		if tpl.OriginForeign() {
			got = append(got, "foreign")
		}
		if tpl.OriginSensitive() {
			got = append(got, "sensitive")
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%s is %q, want %q", test.text, s, test.want)
		}
	}
}

func TestAnExpressionInAPathIsOneSegment(t *testing.T) {
	t.Parallel()
	ofPath := func(text string, s expression.Scope) (*expression.Template, []expression.Problem) {
		tpl, problems := expression.CompileTemplate(text, s)
		if tpl != nil {
			tpl = tpl.OfPath()
		}
		return tpl, problems
	}
	tests := []struct{ text, want string }{
		{`reports/all.pdf`, `"reports/all.pdf"`},
		{`reports/${{ "a b.ü" }}.pdf`, `"reports/a b.ü.pdf"`},
		{`${{ 7 }}`, `"7"`},
		{`${{ "..." }}`, `"..."`},
		{`reports/${{ "a/b" }}.pdf`, "data: `\"a/b\"` holds a character that would lead to another folder: an expression is one segment of the path"},
		{`${{ "a/b" }}`, "data: `\"a/b\"` holds a character that would lead to another folder: an expression is one segment of the path"},
		{`reports/${{ "\\" }}`, "data: `\"\\\\\"` holds a character that would lead to another folder: an expression is one segment of the path"},
		{`reports/${{ "" }}.pdf`, "data: `\"\"` is empty, so the path would be another one"},
		{`reports/${{ ".." }}/x`, "data: `\"..\"` is `..`, which means another folder in a path"},
	}
	for _, c := range tests {
		if got := rendered(t, ofPath, c.text, clinic()); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestATemplateThatRefersToNothingIsFolded(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, json, problem string }{
		{"${{ 1 + 1 }}", "2", ""},
		{"${{ 'a' }} and ${{ 2 > 1 }}", `"a and true"`, ""},
		{"${{ '${{' }}", `"${{"`, ""},
		{"${{ [1, 2] | map(# + 1) }}", "[2,3]", ""},
		{"text", "", ""},
		{"${{ data.price }}", "", ""},
		{"${{ now().Unix() }}", "", ""},
		{"${{ uuid() }}", "", ""},
		{"${{ sum(1..2000) }}", "", ""},        // too much to do on the side
		{"${{ repeat('a', 100000) }}", "", ""}, // too large
		{"${{ sum(1..2000) / 0 }}", "", ""},    // it fails, but that was not found out
		{"a ${{ 1 / 0 }}", "", "this always fails: division by zero"},
		{"a ${{ get({}, 'a') }}", "", "this always fails: `get({}, 'a')` is null"},
	}
	for _, tt := range tests {
		tpl, problems := expression.CompileTemplate(tt.text, clinic())
		if tpl == nil {
			t.Fatalf("%s: %v", tt.text, problems)
		}
		v, ok, problem := tpl.Fold()
		got := ""
		if ok {
			got, _ = v.JSON()
		}
		said := ""
		if problem != nil {
			said = problem.Message
		}
		if got != tt.json || said != tt.problem {
			t.Errorf("%s: %s %q, want %s %q", tt.text, got, said, tt.json, tt.problem)
		}
	}
}
