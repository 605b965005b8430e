package actions

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/document"
	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

type graphqlAction struct{ client *Client }

// Spec describes the action; it is the reference of its fields.
func (a graphqlAction) Spec() flow.Spec { return graphqlSpec() }

// Plan builds the POST of a document and its variables (GraphQL over HTTP).
func (a graphqlAction) Plan(in flow.Input) (flow.Call, error) {
	r := a.client.request()
	if err := r.planGraphQL(in); err != nil {
		return flow.Call{}, err
	}
	return r.call(), nil
}

func (r *request) planGraphQL(in flow.Input) error {
	if err := r.take(in.Args); err != nil {
		return err
	}
	r.graphql = true
	text, where, err := r.readDocument(in)
	if err != nil {
		return err
	}
	d, problem := document.Parse(text)
	if problem != nil {
		line, column := problem.Line(text)
		return dataError("%s:%d:%d: %s", where, line, column, problem.Message)
	}
	chosen, ok := d.Choose(r.operation)
	switch {
	case !ok && r.operation == "":
		return dataError("the document has several operations, and `operation_name` does not say which")
	case !ok:
		err := dataError("the document has no operation %q", r.operation)
		err.Hints = []string{operationNames(d)}
		return err
	case chosen.Kind == "subscription":
		return dataError("%s", noSubscription)
	case r.variables != "" && r.variables[0] != '{':
		return dataError("`variables` must be a mapping")
	}
	r.bodyKind, r.content = "json", r.envelope(text)
	if err := r.build(in); err != nil {
		return err
	}
	if r.repeatable == nil {
		r.repeat = r.idempotent || chosen.Kind == "query"
	}
	return nil
}

const noSubscription = "a subscription has many answers, and a graphql step takes one"

// readDocument gives the document and what to call its place.
func (r *request) readDocument(in flow.Input) (text, where string, err error) {
	switch {
	case r.query != "" && r.documentFile != "":
		return "", "", dataError("`query` and `query_file` are both given")
	case r.query != "":
		text, err = scalar("query", r.query)
		r.query = ""
		return text, "query", err
	case r.documentFile != "":
		content, err := open(in.File, "query_file", r.documentFile)
		return string(content), r.documentFile, err
	}
	return "", "", dataError("there is neither `query` nor `query_file`")
}

// envelope is the body: variables as they were rendered, digits and order kept.
func (r *request) envelope(text string) string {
	b := make([]byte, 0, len(text)+len(r.variables)+len(r.operation)+64)
	b = append(b, `{"query":`...)
	b = ordered.AppendQuoted(b, text)
	if r.variables != "" {
		b = append(b, `,"variables":`...)
		b = append(b, r.variables...)
	}
	if r.operation != "" {
		b = append(b, `,"operationName":`...)
		b = ordered.AppendQuoted(b, r.operation)
	}
	return string(append(b, '}'))
}

// maxErrors is how many errors of an answer are told.
const maxErrors = 20

// A responseError is one of `errors` (GraphQL §7.1.2).
type responseError struct{ message, path, code string }

func (e responseError) String() string {
	text := e.message
	if e.path != "" {
		text += " (at " + e.path + ")"
	}
	if e.code != "" {
		text += " [" + e.code + "]"
	}
	return text
}

// readErrors gives what stands in `errors`; nil if that is not there, null or empty.
func readErrors(body string) []responseError {
	var list []responseError
	r := ordered.Read(body)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if key != "errors" || value[0] != '[' {
			continue
		}
		items := ordered.Read(value)
		for _, item, ok := items.Next(); ok; _, item, ok = items.Next() {
			list = append(list, readError(item))
		}
	}
	return list
}

func readError(item string) responseError {
	e := responseError{message: "an error without a message"}
	r := ordered.Read(item)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		switch key {
		case "message":
			e.message = quoted(ordered.Text(value))
		case "path":
			var parts []string
			p := ordered.Read(value)
			for _, part, ok := p.Next(); ok; _, part, ok = p.Next() {
				parts = append(parts, ordered.Text(part))
			}
			e.path = quoted(strings.Join(parts, "."))
		case "extensions":
			x := ordered.Read(value)
			for key, value, ok := x.Next(); ok; key, value, ok = x.Next() {
				if text, scalar := ordered.Scalar(value); key == "code" && scalar {
					e.code = quoted(text)
				}
			}
		}
	}
	return e
}

// doGraphQL sends the request and looks into an answer of the expected status.
func (r *request) doGraphQL(ctx context.Context) (flow.Result, error) {
	answer, err := r.do(ctx)
	if err != nil || answer.File != "" || !r.listed(answer.Status) {
		return answer, err
	}
	if fail := r.judge(answer); fail != nil {
		return answer, fail
	}
	return answer, nil
}

// judge makes a failure of an answer with errors, or of one that is no
// GraphQL response.
func (r *request) judge(answer flow.Result) *flow.Error {
	text := string(answer.Body)
	reader := ordered.Read(text)
	first, _, _ := reader.Next()
	for _, _, ok := reader.Next(); ok; _, _, ok = reader.Next() {
	}
	fail := &flow.Error{Kind: flow.KindGraphQL, Status: answer.Status, Body: answer.Body[:min(len(answer.Body), 64<<10)]}
	if reader.Err() != nil || first == "" {
		fail.Message = "the answer is not a GraphQL response, which is a JSON object"
		switch {
		case len(answer.Body) == 0:
			fail.Message += ": it is empty"
		case reader.Err() == nil && strings.HasPrefix(strings.TrimSpace(text), "{"):
			fail.Message += ": it has neither `data` nor `errors`"
		case isHTML(answer):
			fail.Message += ": it is an HTML page"
			fail.Hints = []string{"compare `url` with the address of the GraphQL endpoint"}
		}
		return fail
	}
	errs := readErrors(text)
	if len(errs) == 0 || r.allowErrors {
		return nil
	}
	fail.Message = "the server answered with an error: " + errs[0].String()
	if len(errs) > 1 {
		fail.Message = fmt.Sprintf("the server answered with %d errors", len(errs))
		for _, e := range errs[:min(len(errs), maxErrors)] {
			fail.Facts = append(fail.Facts, flow.Fact{Name: "error", Text: e.String()})
		}
	}
	if slices.ContainsFunc(errs, func(e responseError) bool { return unauthenticated(e.code) }) {
		n := refusal{request: r.asSent(), answer: answer, header: answer.Headers}
		n.hint("the code says that the server does not know who asks: the token is missing, expired or wrong")
		n.credentials()
		n.clock()
		fail.Hints = n.hints
	}
	return fail
}

// unauthenticated knows the codes that stand for 401.
func unauthenticated(code string) bool {
	switch strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(code)) {
	case "unauthenticated", "unauthorized", "401", "invalidjwt", "invalidtoken", "tokenexpired", "jwtexpired", "authenticationerror", "authnotauthenticated":
		return true
	}
	return false
}

// checkGraphQL checks the document before anything runs.
func checkGraphQL(with flow.Static) flow.Verdict {
	c := &checker{with: with, keys: with.Keys()}
	title := c.travel()
	repeatable := c.document()
	if text, constant, there := with.Text("repeatable"); there && constant {
		repeatable = text == "true"
	} else if c.idempotent() {
		repeatable = true
	}
	return flow.Verdict{Title: "POST " + title, Repeatable: repeatable, NoBody: c.has("save_to"), Complaints: c.found}
}

// files is a Static that can read the files that a flow names.
type files interface {
	File(name string) ([]byte, error)
}

// document checks the text that is sent, and says whether it only asks.
func (c *checker) document() (query bool) {
	path := []string{"query"}
	text, constant, there := c.with.Text("query")
	if !there {
		path = []string{"query_file"}
		name, fixed, given := c.with.Text("query_file")
		if !given {
			c.complain(diag.MissingKey, []string{"query"}, "there is neither `query` nor `query_file`", "`query` holds the GraphQL document")
			return false
		}
		f, can := c.with.(files)
		if !fixed || !can {
			return false
		}
		content, err := f.File(name)
		if err != nil {
			c.complain(diag.UnreadableFile, path, err.Error(), "")
			return false
		}
		text, constant = string(content), true
	}
	if !constant {
		return false // the field is constant: the checker says so
	}
	d, problem := document.Parse(text)
	if problem != nil {
		c.place(path, text, *problem, diag.Error)
		return false
	}
	for _, p := range d.Problems() {
		c.place(path, text, p, diag.Error)
	}
	return c.operation(path, text, d)
}

// place complains about a place in the document, by its line where that is in a file.
func (c *checker) place(path []string, text string, p document.Problem, severity diag.Severity) {
	complaint := flow.Complaint{Path: path, From: p.From, To: max(p.To, p.From+1), Severity: severity, Code: diag.BadGraphQL, Message: p.Message}
	if near := flow.Nearest(p.Name, p.Known); p.Name != "" && near != "" {
		complaint.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	if path[0] == "query_file" {
		line, column := p.Line(text)
		complaint.From, complaint.To = 0, 0
		complaint.Message = fmt.Sprintf("line %d, column %d: %s", line, column, p.Message)
	}
	c.found = append(c.found, complaint)
}

// operationNames says which operations a document has.
func operationNames(d *document.Document) string {
	if names := d.Names(); len(names) > 0 {
		return "it has " + strings.Join(names, ", ")
	}
	return "its operation has no name: leave `operation_name` away"
}

// operation checks what the chosen operation wants against what it is given.
func (c *checker) operation(path []string, text string, d *document.Document) (query bool) {
	name, fixed, given := c.with.Text("operation_name")
	if given && !fixed {
		return !slices.ContainsFunc(d.Operations, func(o *document.Operation) bool { return o.Kind != "query" })
	}
	o, ok := d.Choose(name)
	switch {
	case !ok && !given:
		c.complain(diag.BadGraphQL, path, "the document has several operations: "+strings.Join(d.Names(), ", "), "`operation_name` says which one to carry out")
		return false
	case !ok:
		hint := operationNames(d)
		if near := flow.Nearest(name, d.Names()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.complain(diag.BadGraphQL, []string{"operation_name"}, fmt.Sprintf("the document has no operation %q", name), hint)
		return false
	case o.Kind == "subscription":
		p := d.Place(o)
		p.Message = noSubscription
		c.place(path, text, p, diag.Error)
		return false
	}
	for _, p := range d.Unused(o) {
		c.place(path, text, p, diag.Warning)
	}
	c.variables(path, text, d, o)
	return o.Kind == "query"
}

// variables compares what is declared with what is given.
func (c *checker) variables(path []string, text string, d *document.Document, o *document.Operation) {
	if _, _, scalar := c.with.Text("variables"); scalar {
		return // an expression: not known before the run
	}
	given := c.with.Keys("variables")
	for _, p := range d.Missing(o, func(name string) bool { return slices.Contains(given, name) }) {
		c.place(path, text, p, diag.Error)
	}
	for _, name := range given {
		if slices.ContainsFunc(o.Variables, func(v document.Variable) bool { return v.Name == name }) {
			continue
		}
		hint := fmt.Sprintf("declare it: %s(… $%s: TYPE)", strings.TrimSpace(o.Kind+" "+o.Name), name)
		if len(o.Variables) == 1 {
			hint = "it declares $" + o.Variables[0].Name
		}
		c.complainKey(diag.BadGraphQL, []string{"variables", name}, "the document declares no variable $"+name, hint)
	}
}
