package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/file"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// foreignFunctions are functions of other languages, and what to write instead.
var foreignFunctions = map[string]string{
	"always":      "put the step under `finally`: it runs whatever happens",
	"success":     "steps run only if everything before them was done: leave it away",
	"failure":     "put the step under `finally`, with `if: run.status == \"failed\"`",
	"cancelled":   "put the step under `finally`",
	"format":      "write text with ${{ }} in it, or join texts with +",
	"default":     "write … ?? other",
	"length":      "write len(…)",
	"size":        "write len(…)",
	"count":       "write len(…)",
	"includes":    "write … contains … for text, … in … for lists",
	"exists":      "write … != nil",
	"isEmpty":     "write len(…) == 0",
	"empty":       "write len(…) == 0",
	"exactly":     "write ==",
	"toString":    "write string(…)",
	"parseInt":    "write int(…)",
	"toUpperCase": "write upper(…)",
	"toLowerCase": "write lower(…)",
	"strip":       "write trim(…)",
	"isset":       "write … != nil",
	"substring":   "write …[0:3]",
	"slice":       "write …[0:3]",
	"push":        "write concat(…, [x])",
	"indexof":     "write indexOf(…)",
	"uuidv4":      "write uuid()",
	"guid":        "write uuid()",
	"coalesce":    "write a ?? b",
	"if":          "write condition ? a : b",

	"some": "write any(…)", "every": "write all(…)", "countBy": "write count(…)", "each": "write map(…)",
	"env": "declare an input with `env: NAME`, and write inputs.…", "getenv": "declare an input with `env: NAME`, and write inputs.…",
	"today": "write now()", "time": "write now()", "timestamp": "write now()", "hmac": "write hmacSHA256(key, …)",
	"base64encode": "write base64(…)", "base64decode": "write unbase64(…)", "encodeURIComponent": "write urlEncode(…)",
	"jsonencode": "write toJSON(…)", "jsondecode": "write fromJSON(…)",
	"match": "write … matches \"pattern\"", "regex": "write … matches \"pattern\"",
}

// foreignNames are names of other languages, and what to write instead.
var foreignNames = map[string]string{
	"null":      "write nil",
	"undefined": "write nil",
	"None":      "write nil",
	"True":      "write true",
	"False":     "write false",
	"NULL":      "write nil",
	"TRUE":      "write true",
	"FALSE":     "write false",
	"env":       "declare an input with `env: NAME`, or a secret, and write inputs.… or secrets.…",
	"vars":      "write data.… for what steps saved, inputs.… for what the caller gives",
	"current":   "write response.… for the answer of this step: response.status, response.body",
	"previous":  "save what you need, and write data.…",
	"res":       "write response.…",
	"req":       "write request.…",
	"github":    "write run.… or inputs.…",
	"needs":     "save what you need, and write data.…",
	"outputs":   "write data.…: what a step saves is a data point",
	"body":      "write response.body",
	"status":    "write response.status",
	"headers":   "write response.headers",
	"JSON":      "write toJSON(…) or fromJSON(…)",
	"this":      "in a predicate `#` is the item", "credentials": "write `auth: NAME` to send a token, or save one with the action oauth2",
}

// foreignRoot answers roots of other tools with our spelling.
func (c *compiler) foreignRoot(root step, steps []step) bool {
	path := ""
	for _, s := range steps {
		if s.byIndex {
			path += fmt.Sprintf("[%d]", s.index)
		} else {
			path += "." + s.name
		}
	}
	p := Problem{From: root.from, To: root.to, Code: diag.ForeignSpelling}
	if n := len(steps); n > 0 {
		p.To = steps[n-1].to
	}
	switch name := root.name; {
	case name == "steps" && len(steps) > 1 && (steps[1].name == "outputs" || steps[1].name == "output"):
		p.Message = fmt.Sprintf("`%s` is not how data points are read", c.slice(p.From, p.To))
		p.Hint = "what a step saves is a data point: write data.NAME"
		if len(steps) > 2 && steps[2].name != "" {
			p.Hint = "write data." + c.ourName(steps[2].name)
		}
	case name == "current" && len(steps) > 1 && steps[0].name == "res":
		p.Message, p.Hint = fmt.Sprintf("`%s` is runn's spelling", c.slice(p.From, p.To)), "write response"+strings.TrimPrefix(path, ".res")
	default:
		hint, ok := foreignNames[name]
		if _, ours := c.scope.Name("", name); !ok || ours {
			return false
		}
		p.To = root.to
		p.Message, p.Hint = fmt.Sprintf("there is nothing called %q", name), hint
	}
	c.report(p)
	return true
}

// ourName is the data point that was probably meant by another tool's name.
func (c *compiler) ourName(name string) string {
	names := c.scope.Names("data")
	if slices.Contains(names, name) {
		return name
	}
	if near := Suggest(name, names); near != "" {
		return near
	}
	return name
}

// foreignSource answers what expr's lexer would stumble over.
func (c *compiler) foreignSource() bool {
	at := outsideQuotes(c.source, "$")
	if at < 0 {
		return false
	}
	spelled := regexp.MustCompile(`^\$(response|request|inputs|steps|outputs|statusCode|url|method)?[\w.#/\[\]-]*`).FindString(c.source[at:])
	p := Problem{From: c.off + utf8.RuneCountInString(c.source[:at]), Code: diag.ForeignSpelling}
	p.To = p.From + utf8.RuneCountInString(spelled)
	p.Message = fmt.Sprintf("`%s` is Arazzo's spelling", spelled)
	switch body, pointer, isPointer := strings.Cut(spelled[1:], "#/"); {
	case isPointer:
		p.Hint = "write " + body + "." + strings.ReplaceAll(pointer, "/", ".")
	case spelled == "$env" || strings.HasPrefix(spelled, "$env.") || strings.HasPrefix(spelled, "$env["):
		p.Message, p.Hint = "there is no `$env`", "name what you need: inputs.NAME, data.NAME"
	case spelled == "$statusCode":
		p.Hint = "write response.status"
	case strings.HasPrefix(spelled, "$response.header."):
		p.Hint = "write response.headers." + strings.TrimPrefix(spelled, "$response.header.")
	case spelled == "$url" || spelled == "$method":
		p.Hint = "write request." + spelled[1:]
	case spelled == "$" || strings.HasPrefix(spelled, "$.") || strings.HasPrefix(spelled, "$["):
		p.Message = "`$` is JSONPath"
		p.Hint = "write response.body" + strings.TrimPrefix(spelled, "$") + " for the answer of this step"
	case strings.HasPrefix(spelled, "$steps."):
		p.Hint = "what a step saves is a data point: write data.NAME"
	default:
		p.Hint = "write " + spelled[1:]
	}
	c.report(p)
	return true
}

// pipedName is a function without brackets at the end of a pipe.
var pipedName = regexp.MustCompile(`\|\s*([A-Za-z]\w*)\s*$`)

// syntaxProblem says in our words what expr's parser could not read.
func (c *compiler) syntaxProblem(err *file.Error) {
	p := Problem{From: c.off + err.From, To: c.off + max(err.To, err.From+1), Code: diag.BadExpression, Message: err.Message}
	end := c.off + utf8.RuneCountInString(c.source)
	p.From, p.To = min(p.From, end), min(p.To, end)
	token := strings.TrimSpace(c.slice(p.From, p.To))
	switch m := err.Message; {
	case strings.Contains(m, "exceeds maximum allowed nodes"):
		p = Problem{From: c.off, To: end, Code: diag.OverLimit, Message: fmt.Sprintf("the expression has more than %d parts", MaxNodes), Hint: "compute parts of it in a `set` step"}
	case strings.Contains(m, "EOF") || strings.HasPrefix(m, "unexpected end"):
		p.Message = "the expression ends in the middle"
		if piped := pipedName.FindStringSubmatch(c.source); piped != nil {
			p.Hint = fmt.Sprintf("a function needs brackets, also behind |: write %s()", piped[1])
		}
	case strings.Contains(m, "cannot be mixed"):
		p.Message, p.Hint = fmt.Sprintf("`??` next to `%s` needs brackets", token), "write (a ?? b) around it"
	case c.itemBehindDot(&p):
	case strings.HasPrefix(m, "unexpected token"):
		if c.strayPredicate(token, err.From) {
			return
		}
		p.Message = fmt.Sprintf("`%s` cannot stand here", token)
		p.Hint = c.tokenHint(token, err.From)
	case strings.HasPrefix(m, "invalid integer literal"), strings.HasPrefix(m, "invalid hex"), strings.Contains(m, "too large"):
		c.wholeNumber(&p)
		p.Message, p.Hint = "an integer in an expression must fit into 64 bits", "compare a longer one as text: string(…) == \"…\""
	case strings.HasPrefix(m, "invalid float literal"):
		c.wholeNumber(&p)
		p.Message = "the number is too large"
	case strings.HasPrefix(m, "unrecognized character"):
		p.Message = fmt.Sprintf("`%s` means nothing in an expression", token)
	case strings.HasPrefix(m, "bad number"):
		p.Message = "this is no number"
	case strings.HasPrefix(m, "invalid char escape"):
		p.Message = "this escape in a text means nothing"
	case strings.HasPrefix(m, "expected name"):
		p.Message = "a name belongs behind the dot"
		p.From, p.To = p.From-1, p.To-1 // it says where the next one begins
		switch c.slice(p.From, p.To) {
		case "*", "#":
			p.Hint = "for all items of a list write map(list, .name), or path(list, \"#.name\")"
		case "[":
			p.Hint = "write the bracket without the dot"
		}
	case strings.HasPrefix(m, "expected at least"):
		p.Message = "the function needs a list and a predicate"
	case strings.HasPrefix(m, "wrap predicate"), strings.HasPrefix(m, "a map key"):
		p.Message = "a key of `{ }` is a name, a text, or an expression in brackets"
	}
	c.report(p)
}

// tokenHint says what was probably meant by a token that cannot stand somewhere.
func (c *compiler) tokenHint(token string, at int) string {
	before := strings.TrimSpace(cut(c.source, 0, at))
	switch {
	case token == "=" && strings.HasPrefix(cut(c.source, at, at+2), "=>"):
		return "in a predicate `#` is the item: filter(list, #.price > 10)"
	case token == "=" && (strings.HasSuffix(before, "==") || strings.HasSuffix(before, "!=")):
		return "equality is == and !="
	case token == "=":
		return "equality is =="
	case token == "contains" || token == "startsWith" || token == "endsWith" || token == "matches":
		return fmt.Sprintf("it stands between two texts: a %s b", token)
	case token == "&" || token == "|":
		return "write && or ||"
	case token == "let":
		return "name what you need in a `set` step"
	case token == "<>", token == ">" && strings.HasSuffix(before, "<"):
		return "write !="
	case token == "*" && strings.HasSuffix(before, "["):
		return "for all items of a list write map(list, .name), or path(list, \"#.name\")"
	case token == "AND" || token == "OR":
		return "write " + strings.ToLower(token)
	case strings.HasSuffix(" "+before, " NOT"):
		return "write not"
	case token == "is":
		return "write == or != nil"
	}
	if word(token, 0) == len(token) && word(before+"x", len(strings.TrimRight(before, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789.]"))) > 0 {
		return "an operator is missing before it, or it stands in quotes"
	}
	return ""
}

// unknownFunction reports a function that does not exist.
func (c *compiler) unknownFunction(name string, from, to int) {
	p := Problem{From: from, To: to, Code: diag.UnknownFunction, Message: fmt.Sprintf("there is no function %s()", name)}
	if hint, ok := foreignFunctions[name]; ok {
		p.Code, p.Hint = diag.ForeignSpelling, hint
	} else if near := Suggest(name, functionNames()); near != "" {
		p.Hint = fmt.Sprintf("did you mean %s()?", near)
	}
	c.report(p)
}

// wholeRoot reports a root without a name behind it.
func (c *compiler) wholeRoot(root step) {
	p := Problem{From: root.from, To: root.to, Code: diag.WholeRoot, Message: fmt.Sprintf("`%s` cannot be used as a whole", root.name)}
	p.Hint = fmt.Sprintf("name what you need: `%s.NAME`", root.name)
	if !named(root.name) {
		p.Hint = "write " + memberList(root.name, root.name, true)
	}
	c.report(p)
}

// unknownName reports a name that a root does not have.
func (c *compiler) unknownName(root string, at step) {
	what := map[string]string{"inputs": "input", "secrets": "secret", "data": "data point", "steps": "step", "callbacks": "callback"}[root]
	p := Problem{From: at.from, To: at.to, Code: diag.UnknownName, Message: fmt.Sprintf("no %s is called %q", what, at.name)}
	if near := Suggest(at.name, c.scope.Names(root)); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		for _, other := range []string{"data", "inputs", "secrets"} {
			if _, ok := c.scope.Name(other, at.name); ok && other != root {
				p.Hint = fmt.Sprintf("did you mean %s.%s?", other, at.name)
				break
			}
		}
	}
	c.report(p)
}

// unknownMember reports a member that run, response, … or a step does not have.
func (c *compiler) unknownMember(root, name string, at step, loopOnly bool) {
	what := root
	if name != "" {
		what += "." + name
	}
	p := Problem{From: at.from, To: at.to, Code: diag.UnknownName, Message: fmt.Sprintf("`%s` has no member %q", what, at.name), Hint: "it has " + memberList("", root, c.isLoop(name))}
	var names []string
	for _, m := range members(root) {
		names = append(names, m.name)
	}
	near := Suggest(at.name, names)
	switch {
	case loopOnly:
		p.Code, p.Message, p.Hint = diag.NotHere, fmt.Sprintf("`%s` has a member %q only with for_each", what, at.name), ""
	case near != "":
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	case root == "steps" && slices.Contains(c.scope.Names("data"), at.name):
		p.Hint = "what a step saves is a data point: write data." + at.name
	case root == "response" || root == "error":
		p.Hint = fmt.Sprintf("what the server sent is in %s.body: write %s.body.%s", root, root, at.name)
	}
	c.report(p)
}

// isLoop says whether a step is known to have for_each.
func (c *compiler) isLoop(step string) bool {
	n, ok := c.scope.Name("steps", step)
	return ok && n.Type.Kind == List
}

// memberList names a root's members for a hint; of a step that is no loop
// without those of loops.
func memberList(before, root string, loop bool) string {
	var names []string
	for i, m := range members(root) {
		if root == "steps" && i >= loopMembers && !loop {
			break
		}
		name := m.name
		if before != "" {
			name = before + "." + name
		}
		names = append(names, "`"+name+"`")
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// unknownRoot reports a name that is no root and no loop variable.
func (c *compiler) unknownRoot(root step, steps []step) {
	p := Problem{From: root.from, To: root.to, Code: diag.UnknownName, Message: fmt.Sprintf("there is nothing called %q", root.name)}
	near := Suggest(root.name, append(c.scope.Names(""), roots[:]...))
	dashed := regexp.MustCompile(`([\w.]+)\.(\w+-[\w-]+)$`).FindStringSubmatch(c.slice(c.off, root.to)) // x.A-B is x.A less B
	switch {
	case dashed != nil:
		p.Hint = fmt.Sprintf("a name with - in it stands in brackets: write %s[%q]", dashed[1], dashed[2])
	case root.name == "item" || root.name == "index":
		p.Hint = "it exists in a step with for_each; with `as` the item has the name that is given there"
	case root.name == "page" || root.name == "next":
		p.Hint = "in `pages` there are `page`, how many there were before, and in its `with` also `next`, what `pages.next` gave"
	case root.name == "round":
		p.Hint = "the steps of a block with `retry` or `poll` have `round`, how many there were before; round(x) is a function"
	case len(steps) == 0 && slices.Contains(functionNames(), root.name):
		p.Hint = fmt.Sprintf("it is a function: write %s(…)", root.name)
	case near != "":
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	default:
		for _, r := range []string{"data", "inputs", "secrets", "steps"} {
			if _, ok := c.scope.Name(r, root.name); ok && p.Hint == "" {
				p.Hint = fmt.Sprintf("did you mean %s.%s?", r, root.name)
			}
		}
	}
	c.report(p)
}

// noMethod reports a method that does not exist.
func (c *compiler) noMethod(s step, of *meta, args bool) {
	what := c.slice(of.from, of.to)
	p := Problem{From: s.from, To: s.to, Code: diag.UnknownFunction, Message: fmt.Sprintf("`%s` is %s, which has no method %s()", what, of.typ.Kind.Phrase(), s.name)}
	near := Suggest(s.name, functionNames())
	more := ""
	if args {
		more = ", …"
	}
	switch {
	case reserved(s.name):
		p.Hint = fmt.Sprintf("write %s %s …", what, s.name)
	case of.typ.IsString() && slices.Contains(value.Methods(Time), s.name):
		p.Hint = fmt.Sprintf("write date(%s).%s()", what, s.name)
	case of.typ.Kind == Time || of.typ.Kind == Duration:
		if near := Suggest(s.name, value.Methods(of.typ.Kind)); near != "" {
			p.Hint = fmt.Sprintf("did you mean .%s()?", near)
		}
	case slices.Contains(functionNames(), s.name):
		p.Hint = fmt.Sprintf("functions stand in front: write %s(%s%s)", s.name, what, more)
	case foreignFunctions[s.name] != "":
		p.Hint = foreignFunctions[s.name]
	case near != "":
		p.Hint = fmt.Sprintf("write %s(%s%s)", near, what, more)
	}
	c.report(p)
}
