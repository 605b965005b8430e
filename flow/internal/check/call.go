package check

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression"
	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/schema"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// The retry of a call of which the author says nothing.
const (
	defaultAttempts = 3
	defaultInitial  = 200 * time.Millisecond
	defaultFactor   = 2
	defaultMax      = 20 * time.Second
)

// call checks an action with its fields, expectations, saves and retries.
func (c *checker) call(s *syntax.Step, node *plan.Node) {
	call := &plan.CallSpec{Action: s.Action.Name}
	node.Work.Call, node.Work.Title = call, s.Action.Name
	spec, known := c.kit.Actions[s.Action.Name]
	var args arguments
	var verdict Verdict
	switch {
	case known:
		before := len(c.problems)
		args = c.arguments(s, &spec)
		c.fields(s, &spec, args, call)
		if spec.Check != nil {
			verdict = spec.Check(static{args, c})
		}
		c.complaints(s, args, verdict, before)
		if verdict.Title != "" {
			node.Work.Title = verdict.Title
		}
	case s.Action.Name != "":
		c.unknownAction(s)
		fallthrough
	default: // of an action that nobody knows anything may be true
		spec.Web, spec.GraphQL = true, true
		c.looseFields(s)
	}
	repeatable := !known || verdict.Repeatable || idempotent(args)
	if call.Repeatable != nil {
		repeatable = *call.Repeatable
	}
	c.at.response, c.at.graphql = true, known && spec.GraphQL
	call.Retry = c.retries(s, &spec, repeatable)
	call.Expect = c.expect(s, &spec)
	if verdict.NoBody {
		c.noBody(s)
	}
	call.Poll, call.Pages = c.poll(s.Poll), c.pages(s, &spec, args)
	if call.Poll != nil && idempotent(args) {
		c.sameKey(args)
	}
	c.saves(s, &spec, call)
	c.at.response, c.at.graphql = false, false
}

// complaints puts what an action's Check found at its places.
func (c *checker) complaints(s *syntax.Step, args arguments, v Verdict, before int) {
	if s.With != nil && s.With.Kind != syntax.Mapping { // that was reported
		return
	}
	for _, p := range v.Complaints {
		c.complaint(whereWith(s), args, p, before)
	}
}

func (c *checker) unknownAction(s *syntax.Step) {
	hint := oneOf(s.Action.Name, slices.Sorted(maps.Keys(c.kit.Actions)), "the actions are ")
	if method := strings.ToUpper(s.Action.Name); slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"}, method) {
		hint = fmt.Sprintf("write `action: http` and `with: { method: %s, … }`", method)
	} else if method == "REST" || method == "HTTPS" || method == "REQUEST" {
		hint = "write `action: http`"
	}
	c.errorAt(s.Action.Span, diag.UnknownAction, hint, "there is no action %q", s.Action.Name)
}

// oneOf says of a name that is not among names which was meant, or which there are.
func oneOf(name string, names []string, lead string) string {
	if near := expression.Suggest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(names) == 0 {
		return ""
	}
	return lead + strings.Join(names, ", ")
}

// looseFields checks the expressions in the fields of an unknown action.
func (c *checker) looseFields(s *syntax.Step) {
	if s.With == nil {
		return
	}
	c.at.request = true
	r := rendering{checker: c}
	r.json(s.With)
	c.at.request = false
}

// idempotent says whether the step gives an idempotency key.
func idempotent(args arguments) bool {
	a := args.of("idempotency_key")
	return a != nil && a.node != nil && !(a.node.Kind == syntax.Boolean && a.node.Text == "false")
}

// retries merges the step's retry with the defaults' and the language's.
func (c *checker) retries(s *syntax.Step, spec *Action, repeatable bool) plan.Retry {
	r := plan.Retry{Attempts: defaultAttempts, Default: true, Initial: defaultInitial, Factor: defaultFactor, Max: defaultMax}
	if d := c.file.HTTPRetry; d != nil && spec.Web {
		c.overRetry(&r, d, true)
		if !repeatable { // the defaults' further reasons are for calls that may be repeated
			r.On, r.When, r.Default = nil, nil, true
		}
	}
	if s.Retry == nil {
		return r
	}
	c.overRetry(&r, s.Retry, true)
	if (len(s.Retry.On) > 0 || s.Retry.When != nil) && !repeatable && !s.Retry.Off {
		key := "on"
		if len(s.Retry.On) == 0 {
			key = "when"
		}
		c.errorAt(s.Retry.Span, diag.RetryNotSafe,
			"write `idempotency_key: true` if the server knows such keys, or `repeatable: true` if doing it twice is harmless",
			"`retry.%s` would send a call again that may have been processed", key)
	}
	return r
}

// overRetry puts what an author wrote over what holds without it. What is
// tried again may have an answer.
func (c *checker) overRetry(r *plan.Retry, from *syntax.Retry, answer bool) {
	r.Given = !from.Off
	if from.Off {
		r.Attempts = 1
		return
	}
	if from.Attempts > 0 {
		r.Attempts = from.Attempts
	} else if r.Attempts == 1 { // the defaults switch it off, the step on again
		r.Attempts = defaultAttempts
	}
	if len(from.On) > 0 {
		r.On = from.On
	}
	if from.Only {
		r.Default = false
	}
	if from.When != nil {
		response, step := c.at.response, c.at.failure
		c.at.response, c.at.failure = answer, true
		r.When = c.condition(from.When)
		c.at.response, c.at.failure = response, step
	}
	if from.Initial != nil {
		r.Initial = from.Initial.D
	}
	if from.Factor != nil {
		r.Factor = *from.Factor
	}
	if from.Max != nil {
		r.Max = from.Max.D
	}
	if r.Initial > r.Max {
		r.Initial = r.Max
	}
}

// expect compiles what the answer must be.
func (c *checker) expect(s *syntax.Step, spec *Action) plan.Expect {
	var e plan.Expect
	x := s.Expect
	if x == nil {
		return e
	}
	if len(x.Status) > 0 && !spec.Web {
		c.errorAt(x.StatusSpan, diag.KeyNotAllowed, "", "`expect.status` has no meaning for %s: its answers have no status", answerer(s))
	}
	if x.AllowErrors && !spec.GraphQL {
		c.errorAt(x.ErrorsSpan, diag.KeyNotAllowed, "", "`expect.errors` is for graphql steps, not for %s", answerer(s))
	}
	e.AllowErrors = x.AllowErrors
	e.Status = ranges(x.Status)
	for _, t := range x.That {
		if p := c.condition(t.That); p != nil {
			e.That = append(e.That, plan.That{Program: p, Source: p.Source(), Message: c.text(t.Message), Span: t.That.Span})
		}
	}
	if x.Schema != nil {
		e.Schema = c.schema(x.Schema)
	}
	return e
}

func ranges(status []syntax.StatusRange) []plan.StatusRange {
	if len(status) == 0 {
		return nil
	}
	out := make([]plan.StatusRange, len(status))
	for i, r := range status {
		out[i] = plan.StatusRange(r)
	}
	return out
}

// schema compiles a JSON Schema that stands in the flow, or in a file that it
// names; nil after a complaint.
func (c *checker) schema(n *syntax.Node) plan.Schema {
	switch n.Kind {
	case syntax.Mapping:
		text, ok := c.constant(n)
		if !ok {
			return nil
		}
		compiled, problems := schema.Compile([]byte(text))
		for _, problem := range problems {
			at := pointed(n, problem.Pointer)
			c.errorAt(at.Span, diag.BadSchema, problem.Hint, "the schema is not valid: %s", problem.Message)
		}
		if len(problems) > 0 {
			return nil
		}
		return compiled
	case syntax.String:
		if _, ok := c.constant(n); ok {
			return c.schemaFile(n)
		}
	default:
		c.errorAt(n.Span, diag.WrongShape, "", "`schema` must be a JSON Schema or the name of a file with one, not a %s", shape(n))
	}
	return nil
}

func (c *checker) schemaFile(n *syntax.Node) plan.Schema {
	at := path.Join(path.Dir(n.Span.File), n.Text)
	if s, ok := c.schemas[at]; ok {
		return s
	}
	c.schemas[at] = nil
	text, ok := c.readFile(n)
	if !ok {
		return nil
	}
	compiled, problems := schema.Compile(text)
	for _, problem := range problems {
		c.errorAt(n.Span, diag.BadSchema, problem.Hint, "the schema in %s is not valid: %s", n.Text, problem.Message)
	}
	if len(problems) > 0 {
		return nil
	}
	c.schemas[at] = compiled
	return compiled
}

// readFile reads a file that the flow names.
func (c *checker) readFile(n *syntax.Node) ([]byte, bool) {
	_, text, ok := c.open(syntax.ID{Name: n.Text, Span: n.Span})
	return text, ok
}

// pointed goes down a tree by a JSON pointer (RFC 6901), as far as it leads.
func pointed(n *syntax.Node, pointer string) *syntax.Node {
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		var next *syntax.Node
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(n.Items) {
			next = n.Items[i]
		} else {
			next = member(n, token, false)
		}
		if next == nil {
			break
		}
		n = next
	}
	return n
}

// answerer is what gives the step its answer, in words.
func answerer(s *syntax.Step) string {
	if s.Verb == syntax.Callback {
		return "a callback"
	}
	return fmt.Sprintf("the action %q", s.Action.Name)
}

// callback checks a step that waits for a message. The message is its answer.
func (c *checker) callback(s *syntax.Step, node *plan.Node) {
	name := s.Callback.Name
	node.Work.Message, node.Work.Title = &plan.MessageSpec{}, "callback "+name
	if v, declared := c.messages[name]; declared {
		node.Work.Message.Name = v.ref.Call.Name
	} else if name != "" {
		hint := fmt.Sprintf("declare it at the top of the file: `callbacks: { %s: {} }`", name)
		if near := expression.Suggest(name, c.Names("callbacks")); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		c.errorAt(s.Callback.Span, diag.UnknownName, hint, "no callback is called %q", name)
	}
	call := &plan.CallSpec{}
	c.at.response = true
	call.Expect = c.expect(s, &Action{})
	c.saves(s, &Action{}, call)
	c.at.response = false
	node.Work.Message.Expect, node.Work.Message.Save = call.Expect, call.Save
}

// callbacks reads the messages that others may send. Those of a sub-flow are
// the run's under the names of the steps that lead to it: "order.result".
func (c *checker) callbacks() {
	c.messages = make(map[string]*variable, len(c.file.Callbacks))
	lead := ""
	for o := c; o.outer != nil; o = o.outer {
		lead = o.caller.Name + "." + lead
	}
	for _, m := range c.file.Callbacks {
		p := &plan.Message{Name: lead + m.Name, Description: m.Description, Span: m.Span}
		if m.Schema != nil {
			p.Schema = c.schema(m.Schema)
		}
		c.messages[m.Name] = &variable{ref: plan.Ref{Call: p}}
		c.received = append(c.received, p)
	}
	around := ""
	if c.outer != nil {
		around = c.outer.around[c.caller]
	}
	c.around = map[*syntax.Step]string{}
	c.callbacksOnce(c.file.Steps, around)
	c.callbacksOnce(c.file.Finally, around)
}

// callbacksOnce reports steps that would wait for the same message again and
// again: a run gets one. around says in what they lie, "" in nothing like that.
func (c *checker) callbacksOnce(steps []*syntax.Step, around string) {
	for _, s := range steps {
		inner := around
		switch {
		case s.ForEach != nil:
			inner = fmt.Sprintf("the loop %q", s.Name)
		case s.Poll != nil || s.Retry != nil && !s.Retry.Off && s.Verb != syntax.Action:
			inner = fmt.Sprintf("the rounds of step %q", s.Name)
		}
		if s.Verb == syntax.Callback && inner != "" {
			c.errorAt(s.VerbSpan, diag.NotHere, "wait for it once, before or after that, or in a run of its own",
				"a callback cannot be waited for in %s: a run gets one message of each", inner)
		}
		if s.Verb == syntax.SubFlow && inner != "" {
			c.around[s] = inner
		}
		c.callbacksOnce(s.Steps, inner)
		for _, b := range s.Branches {
			c.callbacksOnce(b.Steps, inner)
		}
		for _, clause := range s.Catch {
			c.callbacksOnce(clause.Steps, around)
		}
		c.callbacksOnce(s.Finally, inner)
		c.callbacksOnce(s.Else, around)
	}
}
