package syntax

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// unknown reports a key that the table does not have, with what was probably
// meant: another tool's word, another spelling, another place, a near name.
func (f *fields) unknown(p Pair) {
	if answer, known := foreignKeys[f.table.Name][p.Key]; known {
		f.guess = append(f.guess, answer.ours)
		f.r.report(p.KeySpan, diag.ForeignSpelling, answer.hint, "%q is another tool's key", p.Key)
		return
	}
	if name := nameFrom(p.Key, false); name != p.Key && f.table.Key(name) != nil {
		f.guess = append(f.guess, name)
		f.r.report(p.KeySpan, diag.ForeignSpelling, fmt.Sprintf("write `%s`", name), "%q: keys are in small letters with _ between words", p.Key)
		return
	}
	names := make([]string, 0, len(f.table.Keys))
	for _, key := range f.table.Keys {
		names = append(names, key.Name)
	}
	d := f.r.report(p.KeySpan, diag.UnknownKey, "", "%s has no key %q", article(f.table.Name), p.Key)
	if near := nearest(p.Key, names); near != "" {
		f.guess = append(f.guess, near)
		d.Hint = fmt.Sprintf("did you mean %q?", near)
		return
	}
	if where := f.elsewhere(p.Key); where != "" {
		d.Hint = where
		return
	}
	d.Notes = []string{"its keys are " + strings.Join(names, ", ")}
}

// elsewhere says where a key belongs that stands at the wrong place.
func (f *fields) elsewhere(key string) string {
	if f.table == &stepKeys && slices.Contains([]string{"url", "method", "headers", "query", "json", "form", "text", "body", "multipart", "basic", "bearer", "variables", "auth"}, key) {
		return fmt.Sprintf("%q belongs into `with`", key)
	}
	for _, t := range []*Table{&stepKeys, &forEachKeys, &expectKeys, &retryKeys, &pollKeys, &pagesKeys, &fileKeys} {
		if t != f.table && t.Key(key) != nil && key != "steps" {
			return fmt.Sprintf("%q belongs to %s", key, article(t.Name))
		}
	}
	return ""
}

// maxName is the longest name, in characters.
const maxName = 64

// validName says whether the name may be given to something.
func validName(name string, dash bool) bool {
	if name == "" || len(name) > maxName || name[0] < 'a' || name[0] > 'z' {
		return false
	}
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || dash && c == '-') {
			return false
		}
	}
	return true
}

// nameFrom makes a valid name of one that is not, or "".
func nameFrom(name string, dash bool) string {
	var b strings.Builder
	var before rune
	for _, c := range name {
		switch {
		case c >= 'A' && c <= 'Z':
			if before >= 'a' && before <= 'z' || before >= '0' && before <= '9' {
				b.WriteByte('_')
			}
			b.WriteRune(c + 'a' - 'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || dash && c == '-':
			b.WriteRune(c)
		case c == '-' || c == ' ' || c == '.':
			b.WriteByte('_')
		}
		before = c
	}
	made := strings.Trim(strings.TrimLeft(b.String(), "_-"), "_-")
	if len(made) > maxName {
		made = made[:maxName]
	}
	if !validName(made, dash) {
		return ""
	}
	return made
}

// article is how a message names a table.
func article(table string) string {
	switch table {
	case "flow":
		return "a flow"
	case "input", "included file":
		return "an " + table
	case "data":
		return "a data point"
	case "clause":
		return "a clause of `catch`"
	case "keyring", "for_each", "expect", "retry", "backoff", "poll", "poll.backoff", "pages", "save", "that", "defaults":
		return "`" + table + "`"
	}
	return "a " + table
}

// didYouMean is a hint with the nearest name, or nothing.
func didYouMean(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// nearest is the name that differs least, if it differs little; "" if none does.
func nearest(name string, names []string) string {
	best, least := "", max(1, min(len(name)/3, 3))+1
	for _, candidate := range names {
		if d := distance(strings.ToLower(name), candidate, least); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the characters to change, add, remove or swap with their
// neighbour; it gives up at a limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := 1
			if a[i-1] == b[j-1] {
				same = 0
			}
			row[j] = min(last[j-1]+same, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// A foreign word of another tool, and what is written here.
type foreign struct {
	ours string // the key that is meant, so that it is not reported as missing too
	hint string
}

// foreignKeys are the other tools' keys by table: GitHub Actions, runn, hurl,
// Arazzo, Ansible, Argo. Read only.
var foreignKeys = map[string]map[string]foreign{
	"flow": {
		"jobs":               {"steps", "write the steps under `steps`"},
		"workflows":          {"steps", "a file holds one flow: write its steps under `steps`"},
		"tasks":              {"steps", "write `steps`"},
		"on":                 {"", "who starts a flow does not stand in it"},
		"version":            {"stepwell", "write `stepwell: 1`"},
		"arazzo":             {"stepwell", "write `stepwell: 1`"},
		"desc":               {"", "write `description` and `name`"},
		"info":               {"name", "write `name` and `description` at the top"},
		"title":              {"name", "write `name`"},
		"runners":            {"", "write `defaults: { http: { base_url: … } }`"},
		"sourceDescriptions": {"", "write `defaults: { http: { base_url: … } }`"},
		"vars":               {"", "write `inputs`, with a `default`"},
		"variables":          {"", "write `inputs`, with a `default`"},
		"params":             {"", "write `inputs`"},
		"parameters":         {"", "write `inputs`"},
		"env":                {"", "write `inputs: { NAME: { env: VARIABLE } }`"},
		"onError":            {"", "write `finally`, or `on_error: continue` at a step"},
	},
	"step": {
		"run":               {"action", "write `action: http` and `with`; a flow starts no programs"},
		"uses":              {"action", "write `action: NAME` and `with`"},
		"name":              {"id", "write `id`, and `description` for words"},
		"stepId":            {"id", "write `id`"},
		"desc":              {"", "write `description`"},
		"needs":             {"", "steps run in the order written"},
		"depends_on":        {"", "steps run in the order written"},
		"dependsOn":         {"", "steps run in the order written"},
		"env":               {"", "declare `inputs: { NAME: { env: VARIABLE } }` and use inputs.NAME"},
		"shell":             {"", "a flow starts no programs"},
		"retries":           {"", "write `retry`"},
		"continue-on-error": {"", "write `on_error: continue`"},
		"timeout-minutes":   {"", "write `timeout`, with a unit: 10m"},
		"strategy":          {"", "write `for_each`"},
		"matrix":            {"", "write `for_each`"},
		"loop":              {"", "write `for_each: { in: LIST }`"},
		"with_items":        {"", "write `for_each: { in: LIST }`"},
		"foreach":           {"", "write `for_each: { in: LIST }`"},
		"when":              {"", "write `if`"},
		"condition":         {"", "write `if`"},
		"unless":            {"", "write `if: not (…)`"},
		"register":          {"", "write `save: { NAME: path }`"},
		"capture":           {"", "write `save: { NAME: path }`"},
		"captures":          {"", "write `save: { NAME: path }`"},
		"extract":           {"", "write `save: { NAME: path }`"},
		"outputs":           {"", "write `save: { NAME: path }`"},
		"bind":              {"set", "write `set: { NAME: value }`"},
		"dump":              {"", "write `outputs` at the end of the file"},
		"test":              {"", "write `expect: { that: [ … ] }`"},
		"asserts":           {"", "write `expect: { that: [ … ] }`"},
		"assert":            {"", "write `expect: { that: [ … ] }`"},
		"validate":          {"", "write `expect: { that: [ … ] }`"},
		"successCriteria":   {"", "write `expect: { that: [ … ] }`"},
		"onFailure":         {"", "write `retry`, `catch` or `on_error: continue`"},
		"rescue":            {"", "write `catch: [ { steps: […] } ]`"},
		"always":            {"", "write `finally`"},
		"ensure":            {"", "write `finally`"},
		"branches":          {"parallel", "write `parallel: { NAME: […] }`"},
		"until":             {"", "write `poll: { until: CONDITION }`"},
		"onSuccess":         {"", "the next step runs by itself; write `if` at it"},
		"then":              {"steps", "write `steps`: a block, which `if` decides about"},
		"do":                {"steps", "write `steps`: a block"},
		"goto":              {"", "there is no goto: write `if` and `else`"},
		"req":               {"action", "write `action: http` and `with`"},
		"request":           {"action", "write `action: http` and `with`"},
		"http":              {"action", "write `action: http` and `with`"},
		"graphql":           {"action", "write `action: graphql` and `with`"},
		"operationId":       {"action", "write `action: http` and `with: { method: …, url: … }`"},
		"operationPath":     {"action", "write `action: http` and `with: { method: …, url: … }`"},
		"workflowId":        {"flow", "write `flow: FILE` and `with`"},
		"parameters":        {"", "write `with`"},
		"requestBody":       {"", "write `with: { json: … }`"},
	},
	"for_each": {
		"items": {"in", "write `in`"}, "list": {"in", "write `in`"}, "item": {"as", "write `as`"}, "var": {"as", "write `as`"},
		"parallel": {"", "write `concurrency: 4`"}, "max_parallel": {"", "write `concurrency`"}, "max-parallel": {"", "write `concurrency`"},
	},
	"expect": {
		"code": {"", "write `status`"}, "statusCode": {"", "write `status`"}, "status_code": {"", "write `status`"},
		"body": {"", "write `that: [ response.body.NAME == … ]`"}, "headers": {"", "write `that: [ response.headers.NAME == … ]`"},
	},
	"save": {
		"jsonpath": {"path", "write `path`, with a gjson path: name.0.text"}, "json": {"path", "write `path`"}, "from": {"path", "write `path`"},
		"required": {"", "a value is required unless `optional: true` says otherwise"}, "expr": {"expression", "write `expression`"}, "value": {"expression", "write `expression`"},
	},
	"retry": {
		"count": {"", "write `attempts`"}, "max": {"", "write `attempts`"}, "times": {"", "write `attempts`"}, "retries": {"", "write `attempts`"}, "max_attempts": {"", "write `attempts`"}, "maxAttempts": {"", "write `attempts`"},
		"delay": {"", "write `backoff: { initial: 1s }`"}, "interval": {"", "write `backoff: { initial: 1s, factor: 1 }`"}, "until": {"", "write `when`, with the condition to go on"}, "if": {"", "write `when`"},
	},
	"pages": {
		"limit": {"", "write `max`"}, "until": {"while", "write `while`, with the condition that there are more"}, "cursor": {"next", "write `next`"},
	},
	"clause": {
		"if": {"when", "write `when`"}, "on": {"when", "write `when`, such as error.status == 404"}, "error": {"when", "write `when`, such as error.status == 404"},
		"do": {"steps", "write `steps`"}, "then": {"steps", "write `steps`"}, "kind": {"when", "write `when: error.kind == \"http\"`"}, "status": {"when", "write `when: error.status == 404`"},
	},
	"poll": {
		"interval": {"", "write `every`"}, "delay": {"", "write `every`"}, "seconds": {"", "write `every`, with a unit: 5s"},
		"while": {"until", "write `until`, with the condition that ends it"}, "when": {"until", "write `until`"}, "if": {"until", "write `until`"}, "condition": {"until", "write `until`"},
		"attempts": {"", "write `timeout`: a poll ends at a time"}, "max": {"", "write `timeout`, or `backoff: { max: 1m }`"}, "factor": {"", "write `backoff: { factor: 2 }`"},
	},
	"wait": {
		"for": {"until", "write the duration by itself: `wait: 30s`"}, "duration": {"until", "write it by itself: `wait: 30s`"}, "seconds": {"until", "write `wait: 30s`"},
	},
	"input": {
		"enum": {"", "write `one_of`"}, "minimum": {"", "write `min`"}, "maximum": {"", "write `max`"}, "regex": {"", "write `pattern`"}, "optional": {"", "write `required: false`"},
		"secret": {"", "declare it under `secrets`, or write `sensitive: true`"}, "format": {"", "write `type: date`, `datetime` or `telephone`, or a `pattern`"},
	},
	"data": {
		"enum": {"", "write `one_of`"}, "minimum": {"", "write `min`"}, "maximum": {"", "write `max`"}, "regex": {"", "write `pattern`"},
		"required": {"", "a data point is set by a step; write `default` for a value before"},
	},
	"secret": {
		"value":    {"env", "a secret's value does not stand in a file: write `env: VARIABLE` or `file: PATH`"},
		"default":  {"", "a secret has no default: write `optional: true`"},
		"required": {"", "write `optional: true` where it may be missing"},
		"path":     {"file", "write `file`"}, "from_env": {"env", "write `env`"}, "cmd": {"command", "write `command: [prog, arg]`"},
	},
}

// asNames is how a mapping is written of what was given as a list, or by itself.
func asNames(p Pair) string {
	n := p.Value
	if n.Kind == List && len(n.Items) > 0 {
		n = n.Items[0]
	}
	if n.Kind != String || !validName(nameFrom(n.Text, false), false) {
		return ""
	}
	name, value := nameFrom(n.Text, false), n.Text
	if value[0] < 'a' || value[0] > 'z' {
		value = quoted(value)
	}
	switch p.Key {
	case "inputs":
		return fmt.Sprintf("write `%s: string`, without a dash", name)
	case "secrets":
		return fmt.Sprintf("write `%s: { env: %s }`, without a dash", name, strings.ToUpper(name))
	case "outputs":
		return fmt.Sprintf("write `%s: \"${{ data.%s }}\"`", name, name)
	case "save":
		return fmt.Sprintf("write `save: { %s: %s }`: the data point's name, and the path to it", name, value)
	}
	return ""
}
