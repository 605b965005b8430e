package expression_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
)

// marked takes the marks «» off a text and gives where they stood, in characters.
func marked(s string) (text string, from, to int) {
	before, rest, _ := strings.Cut(s, "«")
	inside, after, _ := strings.Cut(rest, "»")
	from = utf8.RuneCountInString(before)
	return before + inside + after, from, from + utf8.RuneCountInString(inside)
}

type compiler func(text string, s expression.Scope) []expression.Problem

func bare(text string, s expression.Scope) []expression.Problem {
	_, problems := expression.Compile(text, s)
	return problems
}

func condition(text string, s expression.Scope) []expression.Problem {
	_, problems := expression.CompileCondition(text, s)
	return problems
}

func template(text string, s expression.Scope) []expression.Problem {
	_, problems := expression.CompileTemplate(text, s)
	return problems
}

func address(text string, s expression.Scope) []expression.Problem {
	_, problems := expression.CompileURL(text, s)
	return problems
}

func gpath(text string, _ expression.Scope) []expression.Problem {
	_, problems := expression.CompilePath(text)
	return problems
}

func TestProblemsSayWhatIsWrongWhereAndWhatToDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		compile compiler
		text    string // «» marks the place
		code    diag.Code
		message string // a part of it
		hint    string // a part of it
	}{
		// Names.
		{bare, `data.«acces_token»`, diag.UnknownName, `no data point is called "acces_token"`, `did you mean "access_token"?`},
		{template, `Zoë 日本 ${{ data.«acces_token» }}`, diag.UnknownName, `"acces_token"`, `"access_token"`},
		{bare, `"é日" + data.«acces_token»`, diag.UnknownName, `"acces_token"`, `"access_token"`},
		{bare, `data«["acces_token"]»`, diag.UnknownName, `"acces_token"`, `"access_token"`},
		{bare, `data.«accessToken»`, diag.UnknownName, `"accessToken"`, `did you mean "access_token"?`},
		{bare, `inputs.«name»`, diag.UnknownName, `no input is called "name"`, `did you mean data.name?`},
		{bare, `«access_token»`, diag.UnknownName, `nothing called "access_token"`, `did you mean data.access_token?`},
		{bare, `«respons».body`, diag.UnknownName, `nothing called "respons"`, `did you mean "response"?`},
		{bare, `response.«satus»`, diag.UnknownName, `no member "satus"`, `did you mean "status"?`},
		{bare, `response.«patient»`, diag.UnknownName, `no member "patient"`, `response.body.patient`},
		{bare, `steps.place.«count»`, diag.NotHere, `only with for_each`, ``},
		{bare, `run.«error».kind`, diag.NotHere, "no `run.error` here", "`finally`"},
		{bare, `data.«later»`, diag.UsedBeforeSaved, "`later` is saved by step `place` on line 60, which runs later", ``},
		{bare, `«data»`, diag.WholeRoot, "`data` cannot be used as a whole", "`data.NAME`"},
		{bare, `toJSON(«data»)`, diag.WholeRoot, "whole", ``},
		{bare, `«data»[inputs.nhs]`, diag.WholeRoot, "whole", ``},
		{bare, `keys(«inputs»)`, diag.WholeRoot, "whole", ``},
		{bare, `«response»`, diag.WholeRoot, "whole", "`response.status`"},
		{bare, `«steps.place»`, diag.WholeRoot, "whole", "`steps.place.outcome`"},
		{bare, `«len»`, diag.UnknownName, "nothing called", "it is a function: write len(…)"},
		// Unset names.
		{bare, `«data.maybe»`, diag.MayBeUnset, "`data.maybe` may be unset here", "write need(data.maybe)"},
		{bare, `upper(«data.maybe») ?? "x"`, diag.MayBeUnset, "may be unset", "need("},
		{bare, `«data.maybe» == "x"`, diag.MayBeUnset, "may be unset", "need("},
		{bare, `«data.perhaps».x ?? 1`, diag.MayBeUnset, "may be unset", "data.perhaps?.x"},
		{bare, `data.maybe != nil || «data.maybe» == "x"`, diag.MayBeUnset, "", ""},
		{bare, `data.maybe == nil ? «data.maybe» : "x"`, diag.MayBeUnset, "", ""},
		// Types.
		{bare, `upper(«1»)`, diag.TypeMismatch, "upper() takes text, this is an integer", "string(…)"},
		{bare, `«data.name + 1»`, diag.TypeMismatch, "`+` does not fit between text and an integer", "string(…)"},
		{bare, `(«data.name == 1»)`, diag.TypeMismatch, "text is never equal to an integer", ""},
		{bare, `data.name.«size»`, diag.TypeMismatch, "", ""},
		{bare, `«now() - now() < 5»`, diag.TypeMismatch, "`<` does not fit between a duration and an integer", ".Seconds()"},
		{bare, `«inputs.since < now()»`, diag.TypeMismatch, "`<` does not fit", "date(…)"},
		{bare, `data.orders.«id»`, diag.TypeMismatch, "a list, whose items have numbers", "map(data.orders, .id)"},
		{bare, `data.names.«length»`, diag.ForeignSpelling, "", "len(data.names)"},
		{bare, `data.name.«trim»()`, diag.UnknownFunction, "no method trim()", "write trim(data.name)"},
		{bare, `inputs.since.«Year»()`, diag.UnknownFunction, "", "date(inputs.since).Year()"},
		{bare, `«len(1, 2)»`, diag.TypeMismatch, "len() takes one argument, not 2", ""},
		{bare, `filter(data.scores, «#»)`, diag.NotACondition, "must be true or false", "`# != 0`"},
		{bare, `data.name matches «"("»`, diag.BadPattern, "regular expression", ""},
		{bare, `get(data.any, «data.name»)`, diag.ConstantRequired, "literal", ""},
		{bare, `path(data.any, "a.«$.b»")`, "", "", ""},
		// Conditions.
		{condition, `«not data.name contains "x"»`, diag.TypeMismatch, "`not` belongs to `data.name` alone", `write not (data.name contains "x")`},
		{condition, `«!data.any == "x"»`, diag.TypeMismatch, "`not` belongs to `data.any` alone", `write not (data.any == "x")`},
		{bare, `«data.name || "x"»`, diag.NotACondition, "`||` is for conditions", "write `data.name ?? \"x\"`"},
		{bare, `«data.name» ?: "x"`, diag.NotACondition, "`?:` is for conditions", "write ??"},
		{bare, `«data.name == true»`, diag.TypeMismatch, "never equal", `"true"`},
		{bare, `«data.flag == "true"»`, diag.TypeMismatch, "never equal", "without quotes"},
		{bare, `«data.names + ["x"]»`, diag.TypeMismatch, "", "concat("},
		{bare, `«"x" + data.names»`, diag.TypeMismatch, "", "join("},
		{bare, `«now() + "1h"»`, diag.TypeMismatch, "", `duration("1h")`},
		{bare, `now().Add(«"1h"»)`, diag.TypeMismatch, "", `duration("1h")`},
		// What expr's parser stumbles over later than it is wrong.
		{bare, `«filtr»(data.orders, .id == 1)`, diag.UnknownFunction, "no function filtr()", "filter()"},
		{bare, `map(data.orders, «filtr»(data.names, # != ""))`, diag.UnknownFunction, "no function filtr()", "filter()"},
		{bare, `«some»(data.orders, # == 1)`, diag.ForeignSpelling, "no function some()", "any("},
		{bare, `data.orders.«filter»(.id == 1)`, diag.UnknownFunction, "functions stand in front", "filter(list, …)"},
		{bare, `map(data.orders, x «=»> x.id)`, diag.BadExpression, "", "`#` is the item"},
		{bare, `"é.0" + data.orders«.0».id`, diag.BadExpression, "an item of a list stands in brackets", "write orders[0]"},
		{bare, `data.names«.0»`, diag.BadExpression, "brackets", "write names[0]"},
		{bare, `data.orders[0]«.1»`, diag.BadExpression, "brackets", "write [1]"},
		{bare, `data.orders.«#».id`, diag.BadExpression, "a name belongs behind the dot", "map(list, .name)"},
		{bare, `data.orders[«*»].id`, diag.BadExpression, "", "map(list, .name)"},
		{bare, `1 + «9223372036854775808»`, diag.BadExpression, "64 bits", "as text"},
		{bare, `«1.5e400» + 1`, diag.BadExpression, "the number is too large", ""},
		{bare, `data.name <«>» "x"`, diag.BadExpression, "", "!="},
		{bare, `data.flag «AND» data.flag`, diag.BadExpression, "", "write and"},
		{bare, `NOT «data».flag`, diag.BadExpression, "", "write not"},
		{bare, `data.name.«contains»("x")`, diag.UnknownFunction, "", "write data.name contains …"},
		{bare, `«item».id`, diag.UnknownName, "", "for_each"},
		{condition, `«data.names»`, diag.NotACondition, "a condition must be true or false, `data.names` is a list", "`len(data.names) > 0`"},
		{condition, `${{ «data.name» }}`, diag.NotACondition, "is text", "`data.name != \"\"`"},
		{condition, `data.flag && «data.name»`, diag.NotACondition, "must be true or false", ""},
		{condition, `not «inputs.count»`, diag.NotACondition, "", "`inputs.count != 0`"},
		// Syntax.
		{bare, `1 «+»`, diag.BadExpression, "ends in the middle", ""},
		{bare, `data.name «=» "x"`, diag.BadExpression, "`=` cannot stand here", "equality is =="},
		{bare, `data.name ==«=» "x"`, diag.BadExpression, "`=`", "equality is =="},
		{bare, `1 «//» x`, diag.BadExpression, "comments", ""},
		{bare, `1 «/*» x */`, diag.BadExpression, "comments", ""},
		{bare, `let x = 1«;» x`, diag.BadExpression, "`;`", "`set`"},
		{bare, `«"»abc`, diag.BadExpression, "quote", ""},
		{bare, `«»`, diag.BadExpression, "missing", ""},
		{bare, `a ${{ b }}`, diag.BadExpression, "may not stand inside", ""},
		{bare, `«contains»(data.name, "x")`, diag.BadExpression, "cannot stand here", "a contains b"},
		{bare, `«lenn»(data.name)`, diag.UnknownFunction, "no function lenn()", "did you mean len()?"},
		{bare, `«raw(data.name)»`, "", "", ""},
		{template, `x «${{» data.name`, diag.UnclosedBraces, "no `}}`", ""},
		{template, `x «${{» "data.name }}`, diag.UnclosedBraces, "the quote \" is not closed", ""},
		{template, `x «${{ }}»`, diag.BadExpression, "missing", ""},
		// Text.
		{template, `x ${{ «data.orders» }}`, diag.TextOfObject, "`data.orders` is a list", "toJSON(…)"},
		{template, `x ${{ «data.patient» }}`, diag.TextOfObject, "is an object", "toJSON(…)"},
		{template, `x ${{ «nil» }}`, diag.TextOfObject, "is null", "need(…)"},
		{template, `x ${{ «response.duration» }}`, diag.TextOfObject, "is a duration", ".Seconds()"},
		{template, `x ${{ «sha256("x")» }}`, diag.TextOfObject, "is bytes", "hex(…)"},
		// Other tools' spellings.
		{condition, `«always»()`, diag.ForeignSpelling, "no function always()", "`finally`"},
		{bare, `«env».HOME`, diag.ForeignSpelling, "", "declare an input"},
		{bare, `«steps.login.outputs.accessToken»`, diag.ForeignSpelling, "", "write data.access_token"},
		{bare, `«current.res.body.id»`, diag.ForeignSpelling, "runn", "write response.body.id"},
		{bare, `«$response.body#/id/x»`, diag.ForeignSpelling, "Arazzo", "write response.body.id.x"},
		{bare, `1 + «$.a.b»`, diag.ForeignSpelling, "JSONPath", "write response.body.a.b"},
		{bare, `data.name == «null»`, diag.ForeignSpelling, "", "write nil"},
		{template, `a «{{ data.x }}» b`, diag.ForeignSpelling, "is text", "write ${{ data.x }}"},
		{template, `«{{inputs.x}}»`, diag.ForeignSpelling, "is text", "write ${{inputs.x}}"},
		{bare, `«{{» data.name }}`, diag.ForeignSpelling, "`{{ }}`", ""},
		// URLs.
		{address, `«api.example.test/x»`, diag.BadURL, "begins with https://", ""},
		{address, `«ftp»://x/y`, diag.BadURL, "scheme", "https://"},
		{address, `${{ inputs.base }}${{ «data.name» }}`, diag.BadURL, "cannot be told", "put a `/`"},
		{address, `https://u:p«@»x/`, diag.BadURL, "user name", "basic"},
		{address, `${{ «data.orders» }}`, diag.TextOfObject, "is a list", ""},
		{address, `https://x/${{ «data.orders» }}`, diag.TextOfObject, "is a list", ""},
		// Paths.
		{gpath, `«$.name.first»`, diag.BadPath, "JSONPath", "write name.first"},
		{gpath, `«$»`, diag.BadPath, "JSONPath", "@this"},
		{gpath, `«name[0].x»`, diag.BadPath, "brackets", "write name.0.x"},
		{gpath, `«$['a'][0].b[*].c»`, diag.BadPath, "JSONPath", "write a.0.b.#.c"},
		{gpath, `«[0].id»`, diag.BadPath, "brackets are JSONPath", "write 0.id"},
		{gpath, `«[*]»`, diag.BadPath, "brackets are JSONPath", "write #"},
		{gpath, `«["a"].b»`, diag.BadPath, "brackets are JSONPath", "write a.b"},
		{gpath, `«[»"a","b"]`, diag.BadPath, "does not build new ones", "expression:"},
		{gpath, `«#/a/b»`, diag.BadPath, "pointer", "write a.b"},
		{gpath, `«/a/b»`, diag.BadPath, "pointer", "write a.b"},
		{gpath, `a«..»b`, diag.BadPath, "", ""},
		{gpath, `a«.»`, diag.BadPath, "ends in the middle", ""},
		{gpath, `«.»a`, diag.BadPath, "begin with a dot", "write a"},
		{gpath, `a.«@pretty»`, diag.BadPath, "no modifier `@pretty`", ""},
		{gpath, `a.@flatten«:{"deep":true}»`, diag.BadPath, "no arguments", ""},
		{gpath, `«!»"x"`, diag.BadPath, "does not hold", ""},
		{gpath, `«{»a,b}`, diag.BadPath, "build", ""},
		{gpath, `a.«[»b,c]`, diag.BadPath, "build", ""},
		{gpath, `日本.#(a==«'x'»)`, diag.BadPath, "double quotes", ""},
		{gpath, `a.«#(b==1»`, diag.BadPath, "not closed", ""},
		{gpath, `a.#(b==«1 && c==2»)`, diag.BadPath, "one thing", "filter(…)"},
		{gpath, `a.#(b==«null»)`, diag.BadPath, "null", "~null"},
		{gpath, `a.#(b.«@ugly»==1)`, diag.BadPath, "modifier", ""},
		{gpath, `«»`, diag.BadPath, "missing", ""},
	}
	for _, test := range tests {
		text, from, to := marked(test.text)
		problems := test.compile(text, clinic())
		if test.code == "" {
			continue // printed by TestProblemsAreFew
		}
		if len(problems) == 0 {
			t.Errorf("%s: no problem", text)
			continue
		}
		p := problems[0]
		if len(problems) > 1 {
			t.Errorf("%s: more than one problem: %+v", text, problems)
		}
		if p.Code != test.code || !strings.Contains(p.Message, test.message) || !strings.Contains(p.Hint, test.hint) {
			t.Errorf("%s\n got  %s: %s (%s)\n want %s: %s (%s)", text, p.Code, p.Message, p.Hint, test.code, test.message, test.hint)
		}
		if strings.Contains(test.text, "«") && (p.From != from || p.To != to) {
			t.Errorf("%s: stands at %d to %d, want %d to %d", text, p.From, p.To, from, to)
		}
	}
}
