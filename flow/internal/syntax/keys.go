package syntax

import (
	"slices"
	"strings"
)

// Verbs is a set of verbs.
type Verbs uint16

// of makes a set.
func of(verbs ...Verb) Verbs {
	var s Verbs
	for _, v := range verbs {
		s |= 1 << v
	}
	return s
}

// Has says whether the verb is in the set; the empty set has all.
func (s Verbs) Has(v Verb) bool { return s == 0 || s&(1<<v) != 0 }

// A Key is a key that the language defines at a place, and what it means: what
// the reader goes by, and an editor's schema can be made of.
type Key struct {
	Name     string
	Takes    string // what stands there: "text", "duration", …, or the name of a Table
	Doc      string // one line
	Required bool
	Verb     Verb   // of a step's key that is a verb
	On       Verbs  // of a step's key: the verbs beside which it may stand; 0: all
	One      bool   // of the table's keys that have it exactly one stands
	Needs    string // the key without which it may not stand
	Not      string // the key beside which it may not stand
	Least    int    // of a number; with Most 0 there is no upper bound
	Most     int
}

// A Table is the keys of one sort of mapping.
type Table struct {
	Name string
	Keys []Key
}

// Key finds a key by its name, or nil.
func (t *Table) Key(name string) *Key {
	for i := range t.Keys {
		if t.Keys[i].Name == name {
			return &t.Keys[i]
		}
	}
	return nil
}

// TypeNames are the types of inputs and data points.
func TypeNames() []string { return slices.Clone(typeNames) }

// Reserved are the words that a loop variable cannot be called.
func Reserved() []string { return slices.Clone(reserved) }

// Tables lists all tables, the file's own first.
func Tables() []*Table {
	return []*Table{
		&fileKeys, &includedKeys, &inputKeys, &secretKeys, &keyringKeys, &dataKeys, &defaultsKeys, &stepKeys,
		&forEachKeys, &expectKeys, &thatKeys, &saveKeys, &retryKeys, &backoffKeys, &pollKeys, &pollBackoffKeys, &pagesKeys, &clauseKeys,
		&callbackKeys, &waitKeys, &credentialKeys, &sendKeys, &rejectKeys,
	}
}

// A Shape is one of the shapes that a value may have, as far as the tables say
// it: with a Table a mapping with its keys, with Items a list, with Values a
// mapping with names of the author's. Otherwise it is what Word says: "text",
// "duration", …
type Shape struct {
	Word   string
	Table  *Table
	Items  []Shape
	Values []Shape
}

// Shapes takes apart what a Key's Takes says: "list of files", "mapping of
// steps", "duration or wait".
func Shapes(takes string) []Shape {
	var all []Shape
	for _, word := range strings.Split(takes, " or ") {
		all = append(all, shape(word))
	}
	return all
}

func shape(word string) Shape {
	if of, ok := strings.CutPrefix(word, "mapping of "); ok {
		return Shape{Word: word, Values: Shapes(of)}
	}
	of, list := strings.CutPrefix(word, "list of ")
	if list || word == "steps" {
		if list && tableOf(of) == nil {
			of = strings.TrimSuffix(of, "s")
		} else if !list {
			of = "step"
		}
		return Shape{Word: word, Items: Shapes(of)}
	}
	return Shape{Word: word, Table: tableOf(word)}
}

func tableOf(name string) *Table {
	for _, t := range Tables() {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// The tables are read only.
var (
	fileKeys = Table{"flow", []Key{
		{Name: "stepwell", Takes: "1", Required: true, Doc: "the version of the language"},
		{Name: "name", Takes: "flow name", Required: true, Doc: "what the flow is called, in small letters"},
		{Name: "description", Takes: "text", Doc: "what the flow does, for people"},
		{Name: "include", Takes: "list of files", Doc: "adds the declarations of other files"},
		{Name: "inputs", Takes: "mapping of input", Doc: "what a caller gives"},
		{Name: "secrets", Takes: "mapping of secret", Doc: "where secret values come from"},
		{Name: "data", Takes: "mapping of data", Doc: "types and descriptions of data points"},
		{Name: "credentials", Takes: "mapping of credential", Doc: "who asks: tokens that are fetched, kept and renewed, and other ways to say it"},
		{Name: "callbacks", Takes: "mapping of callback", Doc: "declares messages that others send to a run"},
		{Name: "defaults", Takes: "defaults", Doc: "settings of every http and graphql step"},
		{Name: "steps", Takes: "steps", Required: true, Doc: "what is done, in this order"},
		{Name: "finally", Takes: "steps", Doc: "steps that run after the others, also after a failure"},
		{Name: "outputs", Takes: "values", Doc: "what a successful run returns"},
	}}

	// What an included file may hold is described as it is of a flow.
	includedKeys = Table{"included file", pick(fileKeys.Keys, "stepwell", "include", "inputs", "secrets", "data", "credentials", "callbacks", "defaults")}

	projectKeys = Table{"project", []Key{
		{Name: "stepwell", Takes: "1", Required: true, Doc: "the version of the language"},
	}}

	ruleKeys = []Key{
		{Name: "type", Takes: "type", Doc: "string integer number boolean date datetime telephone object list any"},
		{Name: "items", Takes: "type", Doc: "of a list: the type of its elements"},
		{Name: "one_of", Takes: "list of constants", Doc: "the values that are allowed"},
		{Name: "pattern", Takes: "pattern", Doc: "a regular expression (RE2) for the whole value"},
		{Name: "min", Takes: "number or date", Doc: "the smallest value allowed"},
		{Name: "max", Takes: "number or date", Doc: "the largest value allowed"},
		{Name: "default", Takes: "constant", Doc: "the value if there is no other"},
		{Name: "sensitive", Takes: "boolean", Doc: "whether it is masked wherever it is shown; without it the name decides"},
		{Name: "pii", Takes: "boolean", Doc: "about a person: masked in progress, diagnostics and logs"},
	}

	describing = Key{Name: "description", Takes: "text", Doc: "what it is, for people"}

	inputKeys = Table{"input", with(ruleKeys,
		Key{Name: "required", Takes: "boolean", Doc: "whether a caller must give it; true without `default`"},
		Key{Name: "min_length", Takes: "integer", Doc: "the fewest characters or elements"},
		Key{Name: "max_length", Takes: "integer", Doc: "the most characters or elements"},
		Key{Name: "env", Takes: "name of a variable", Doc: "the environment variable that gives it"},
		describing,
	)}

	dataKeys = Table{"data", with(ruleKeys,
		Key{Name: "category", Takes: "text", Doc: "a heading for people"},
		Key{Name: "unit", Takes: "text", Doc: "what a number counts"},
		describing,
	)}

	secretKeys = Table{"secret", []Key{
		{Name: "env", Takes: "name of a variable", One: true, Doc: "the environment variable that holds it"},
		{Name: "file", Takes: "file", One: true, Doc: "the file that holds it; one line end at its end is cut"},
		{Name: "command", Takes: "list of texts", One: true, Doc: "the program, with its arguments, that prints it"},
		{Name: "keyring", Takes: "keyring", One: true, Doc: "the entry of the system's keyring that holds it"},
		{Name: "optional", Takes: "boolean", Doc: "a run may start without it; it is null then"},
		{Name: "description", Takes: "text", Doc: "what it is, for people"},
	}}

	keyringKeys = Table{"keyring", []Key{
		{Name: "service", Takes: "text", Required: true, Doc: "the entry's service"},
		{Name: "user", Takes: "text", Required: true, Doc: "the entry's user"},
	}}

	defaultsKeys = Table{"defaults", []Key{
		{Name: "http", Takes: "fields", Doc: "fields of `with`, and `retry`, for every http and graphql step"},
	}}

	stepKeys = Table{"step", []Key{
		{Name: "id", Takes: "id", Required: true, Doc: "the step's name, once in the file"},
		{Name: "description", Takes: "text", Doc: "what the step does, for people"},
		{Name: "if", Takes: "expression", Doc: "the step runs only if this is true"},
		{Name: "for_each", Takes: "for_each", On: of(Action, Set, Block, SubFlow, Parallel), Doc: "runs the step once for each item of a list"},

		{Name: "action", Takes: "name of an action", Verb: Action, Doc: "does one thing in the world"},
		{Name: "set", Takes: "mapping of value", Verb: Set, Doc: "saves data points"},
		{Name: "fail", Takes: "text with expressions", Verb: Fail, Doc: "ends the run as failed, with these words"},
		{Name: "steps", Takes: "steps", Verb: Block, Doc: "steps that share what stands at this one"},
		{Name: "parallel", Takes: "mapping of steps", Verb: Parallel, Doc: "runs branches at the same time"},
		{Name: "flow", Takes: "file", Verb: SubFlow, Doc: "runs another flow as a step"},
		{Name: "wait", Takes: "duration or wait", Verb: Wait, Doc: "pauses the run"},
		{Name: "callback", Takes: "name", Verb: Callback, Doc: "waits for a message"},
		{Name: "concurrency", Takes: "integer", On: of(Parallel), Least: 1, Most: maxConcurrency, Doc: "how many branches run at the same time; all of them without it"},

		{Name: "with", Takes: "fields", On: of(Action, SubFlow), Doc: "the action's fields, or the inputs of the other flow"},
		{Name: "poll", Takes: "poll", Not: "pages", On: of(Action, SubFlow, Block), Doc: "repeats the step until a condition holds"},
		{Name: "pages", Takes: "pages", On: of(Action), Doc: "fetches the pages of a long answer one after the other; not beside `poll`"},
		{Name: "expect", Takes: "expect", On: of(Action, SubFlow, Callback), Doc: "what the answer must be"},
		{Name: "save", Takes: "mapping of save", On: of(Action, SubFlow, Callback), Doc: "the data points to keep of the answer"},
		{Name: "retry", Takes: "retry", On: of(Action, SubFlow, Block), Doc: "how often a failing call is tried again, and when"},
		{Name: "timeout", Takes: "duration", Doc: "the longest time for the whole step"},
		{Name: "else", Takes: "steps", Needs: "if", Doc: "steps that run if `if` is false"},
		{Name: "catch", Takes: "list of clauses", Doc: "runs steps when the step has failed, and goes on"},
		{Name: "on_error", Takes: "continue", Doc: "the run goes on if the step fails"},
		{Name: "finally", Takes: "steps", On: of(Block), Doc: "steps that run after a block's, also after a failure"},
	}}

	callbackKeys = Table{"callback", []Key{
		{Name: "description", Takes: "text", Doc: "who sends it and what it says, for people"},
		{Name: "schema", Takes: "schema", Doc: "a JSON Schema for the message: a file, or written here"},
	}}

	// What a credential takes beside the keys that all have is its kind's to say.
	credentialKeys = Table{"credential", slices.Concat([]Key{
		{Name: "type", Takes: "text", Required: true, Doc: "the kind of credential: oauth2, basic, bearer, api_key, steps, or one of the program's own"},
	}, ofKind("token_url", "issuer", "smart", "grant", "client_id", "client_secret", "client_auth", "basic_encoding", "request_encoding",
		"scopes", "params", "audience", "resource", "assertion", "username", "password", "refresh_token", "subject_token", "subject_token_type",
		"actor_token", "actor_token_type", "requested_token_type", "authorization_url", "authorization_params", "redirect_uri", "device_url",
		"value"), []Key{
		{Name: "token", Takes: "value", Doc: "of type steps: the token that they end in, such as ${{ data.session }}"},
	}, ofKind("refresh_early", "default_lifetime", "dpop", "tls", "proxy", "timeout", "endpoint_origins"), []Key{
		{Name: "data", Takes: "mapping of data", Doc: "of type steps: types and descriptions of the data points that its steps save"},
		{Name: "steps", Takes: "steps", Doc: "of type steps: what is done to get the token"},
		{Name: "expires_in", Takes: "value", Doc: "of type steps: how long the token is good, a duration or an expression that gives seconds"},
		{Name: "send", Takes: "send", Doc: "where the token stands in a request: one of header, cookie and query; without it where the type of credential puts it"},
		{Name: "reject_on", Takes: "reject_on", Doc: "which answers say that the token is not accepted, beside 401"},
		{Name: "origins", Takes: "list of origins", Doc: "where it may go, and nowhere else: URLs, which stand for their origins"},
		{Name: "cache", Takes: "value", Doc: "of the kind's own"},
	})}

	sendKeys = Table{"send", []Key{
		{Name: "header", Takes: "text", One: true, Doc: "the header that carries it"},
		{Name: "cookie", Takes: "text", One: true, Doc: "the cookie that carries it"},
		{Name: "query", Takes: "text", One: true, Doc: "the query parameter that carries it"},
		{Name: "value", Takes: "text with expressions", Needs: "header", Doc: "what the header says, over `token`; the token alone without it"},
	}}

	rejectKeys = Table{"reject_on", []Key{
		{Name: "status", Takes: "status", Doc: "further statuses"},
		{Name: "when", Takes: "expression", Doc: "a condition on the answer"},
	}}

	waitKeys = Table{"wait", []Key{
		{Name: "until", Takes: "time", Required: true, Doc: "the time at which the run goes on"},
	}}

	forEachKeys = Table{"for_each", []Key{
		{Name: "in", Takes: "expression", Required: true, Doc: "the list"},
		{Name: "as", Takes: "loop variable", Doc: "what an item is called; `item` without it"},
		{Name: "index_as", Takes: "loop variable", Doc: "what its place, from 0, is called; `index` without it"},
		{Name: "concurrency", Takes: "integer", Least: 1, Most: maxConcurrency, Doc: "how many items at the same time; 1 without it"},
		{Name: "max", Takes: "integer", Least: 1, Most: maxItems, Doc: "more items are an error; 1000 without it"},
		{Name: "on_error", Takes: "stop or continue", Doc: "whether a failed item stops the others"},
	}}

	expectKeys = Table{"expect", []Key{
		{Name: "status", Takes: "status", Doc: "200, 2xx, or a list: the statuses that are not a failure"},
		{Name: "that", Takes: "list of that", Doc: "conditions on the answer"},
		{Name: "schema", Takes: "schema", Doc: "a JSON Schema for the body: a file, or written here"},
		{Name: "errors", Takes: "allow", Doc: "of graphql: an answer with errors is not a failure"},
	}}

	thatKeys = Table{"that", []Key{
		{Name: "that", Takes: "expression", Required: true, Doc: "must be true"},
		{Name: "message", Takes: "text with expressions", Doc: "what to say if it is not"},
	}}

	saveKeys = Table{"save", []Key{
		{Name: "path", Takes: "path", One: true, Doc: "a gjson path into the body"},
		{Name: "header", Takes: "text", One: true, Doc: "a header's name"},
		{Name: "cookie", Takes: "text", One: true, Doc: "a cookie's name"},
		{Name: "expression", Takes: "expression", One: true, Doc: "computed from the answer"},
		{Name: "regex", Takes: "pattern", One: true, Doc: "the first group of a regular expression (RE2) on the text"},
		{Name: "body", Takes: "base64 or text", One: true, Doc: "the whole body"},
		{Name: "default", Takes: "constant but null", Doc: "the value if the answer has none"},
		{Name: "optional", Takes: "boolean", Doc: "the answer may have none"},
		{Name: "sensitive", Takes: "boolean", Doc: "whether it is masked wherever it is shown"},
		{Name: "type", Takes: "type", Doc: "the type that the value must have"},
		{Name: "status", Takes: "status", Doc: "saves from answers with such a status only"},
	}}

	retryKeys = Table{"retry", []Key{
		{Name: "attempts", Takes: "integer", Least: 1, Most: maxAttempts, Doc: "how often in all; 3 without it"},
		{Name: "on", Takes: "list of reasons", Doc: "further reasons: 409, 5xx, network, timeout"},
		{Name: "only", Takes: "boolean", Doc: "`on` takes the place of the usual reasons"},
		{Name: "when", Takes: "expression", Doc: "a further reason, over `error` and `response`"},
		{Name: "backoff", Takes: "backoff", Doc: "how long to wait between attempts"},
	}}

	backoffKeys = Table{"backoff", []Key{
		{Name: "initial", Takes: "duration", Doc: "the first wait; 200ms without it"},
		{Name: "factor", Takes: "number", Least: 1, Most: 100, Doc: "what each wait is multiplied by; 2 without it"},
		{Name: "max", Takes: "duration", Doc: "the longest wait; 20s without it"},
	}}

	clauseKeys = Table{"clause", []Key{
		{Name: "when", Takes: "expression", Doc: "which failures it takes, over `error`; all but unknown ones without it"},
		{Name: "steps", Takes: "steps", Doc: "what is done then; without it the run only goes on"},
	}}

	pollKeys = Table{"poll", []Key{
		{Name: "until", Takes: "expression", Required: true, Doc: "the condition that ends it"},
		{Name: "every", Takes: "duration", Doc: "how long to wait before it is done again; 5s without it"},
		{Name: "timeout", Takes: "duration", Doc: "when to give up; 10m without it"},
		{Name: "backoff", Takes: "poll.backoff", Doc: "makes each wait longer than the one before"},
	}}

	pollBackoffKeys = Table{"poll.backoff", []Key{
		{Name: "factor", Takes: "number", Least: 1, Most: 100, Doc: "what each wait is multiplied by; 2 without it"},
		{Name: "max", Takes: "duration", Doc: "the longest wait; 1m, or `every` if that is longer, without it"},
	}}

	pagesKeys = Table{"pages", []Key{
		{Name: "next", Takes: "expression", Doc: "what leads to the next page; null or empty after the last"},
		{Name: "while", Takes: "expression", Doc: "there is a next page only if this is true"},
		{Name: "with", Takes: "fields", Doc: "the fields of the next request that are other than the step's; without it `next` is its URL"},
		{Name: "max", Takes: "integer", Least: 1, Most: maxPages, Doc: "more pages are an error; 100 without it"},
	}}
)

func with(keys []Key, more ...Key) []Key { return append(append([]Key{}, keys...), more...) }

// ofKind are keys that a credential's kind describes. They stand in a table for
// their order.
func ofKind(names ...string) []Key {
	keys := make([]Key, len(names))
	for i, name := range names {
		keys[i] = Key{Name: name, Takes: "value", Doc: "of the kind's own"}
	}
	return keys
}

// pick are the keys with these names; none of them is required.
func pick(keys []Key, names ...string) []Key {
	var picked []Key
	for _, k := range keys {
		if slices.Contains(names, k.Name) {
			k.Required = false
			picked = append(picked, k)
		}
	}
	return picked
}
