package syntax

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// notAPart reports a name that paths have another meaning for.
func (r *reader) notAPart(id ID, what string) {
	if id.Name == "else" || id.Name == "catch" || id.Name == "finally" {
		r.report(id.Span, diag.BadName, "", "%s cannot be called %q: paths use the word for parts of a step", what, id.Name)
	}
}

// branches reads what `parallel` does at the same time.
func (r *reader) branches(p Pair) []*Branch {
	n := p.Value
	switch {
	case n.Kind == List:
		r.report(n.Span, diag.WrongShape, "write `parallel: { NAME: […], OTHER: […] }`: a name for each branch", "`parallel` is a mapping of branches, not a list")
		return nil
	case n.Kind == Mapping && len(n.Pairs) == 0:
		r.report(n.Span, diag.WrongShape, "write `parallel: { NAME: […], OTHER: […] }`", "`parallel` has no branch")
		return nil
	}
	var all []*Branch
	for _, pair := range r.names(p) {
		b := &Branch{ID: ID{Name: pair.Key, Span: pair.KeySpan}}
		r.notAPart(b.ID, "a branch")
		b.Steps = r.list(pair)
		all = append(all, b)
	}
	return all
}

// clauses reads what is done when a step has failed.
func (r *reader) clauses(p Pair) []*Clause {
	n := p.Value
	switch {
	case n.Kind == Mapping:
		r.report(n.Span, diag.WrongShape, "write `catch: [ { when: …, steps: […] } ]`", "`catch` is a list of clauses, not a mapping")
		return nil
	case n.Kind != List:
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "write `catch: [ { when: …, steps: […] } ]`; `on_error: continue` goes on without doing anything", "`catch` is a list of clauses, not %s", describe(n))
		return nil
	case len(n.Items) == 0:
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "write `on_error: continue` to go on without doing anything", "`catch` has no clause")
		return nil
	}
	var all []*Clause
	for _, item := range n.Items {
		if item.Kind == Mapping && stepLike(item) {
			r.report(item.Span, diag.WrongShape, "write `- steps: [ … ]`, and `when` before it for some failures only", "`catch` is a list of clauses, and this is a step")
			continue
		}
		f, ok := r.open(item, &clauseKeys, "a clause of `catch`")
		if !ok {
			continue
		}
		f.require("the clause")
		c := &Clause{Span: item.Span}
		if when, has := f.get("when"); has {
			if c.When = r.expression(when); c.When == nil {
				c.When = &Node{Kind: String, Text: "false", Span: when.Value.Span} // wrong, and reported: it takes nothing
			}
		}
		if c.When == nil && f.guessed("when") {
			c.When = &Node{Kind: String, Text: "false", Span: item.Span}
		}
		if steps, has := f.get("steps"); has {
			c.Steps = r.list(steps)
		} else if c.When == nil && !f.guessed("steps") {
			f.missing("steps", "the clause", "what is done then; `on_error: continue` goes on without doing anything")
			c.When = &Node{Kind: String, Text: "false", Span: item.Span}
		}
		all = append(all, c)
	}
	return all
}

// stepLike says whether a mapping is a step where a clause should be.
func stepLike(n *Node) bool {
	f := fields{node: n}
	return hasKey(&f, "id") && !hasKey(&f, "when")
}

// retry reads a number, false, or a mapping of a step with a verb.
func (r *reader) retry(p Pair, v Verb) *Retry {
	n := p.Value
	t := &Retry{Span: p.KeySpan}
	switch n.Kind {
	case Mapping:
		return r.retryMapping(p, t, v)
	case Number:
		f := &fields{r: r, node: &Node{Kind: Mapping, Pairs: []Pair{p}, Span: n.Span}, table: &retryKeys}
		v := f.integer(p.Key, 1, maxAttempts)
		if v == nil {
			return nil
		}
		t.Plain, t.Attempts = true, *v
		return t
	case Boolean:
		if n.Text == "false" {
			t.Off = true
			return t
		}
		hint := "write the number of attempts"
		if v == Action {
			hint += ", or leave it out for 3"
		}
		r.report(n.Span, diag.WrongValue, hint, "`retry: true` says nothing")
		return nil
	}
	if r.constant(p.Key, n) {
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, "", "`retry` takes a number, false, or a mapping, not %s", describe(n))
	}
	return nil
}

func (r *reader) retryMapping(p Pair, t *Retry, v Verb) *Retry {
	f, _ := r.open(p.Value, &retryKeys, "`retry`")
	if v := f.integer("attempts", 1, maxAttempts); v != nil {
		t.Attempts = *v
	}
	t.On = f.reasons(v)
	t.Only = f.isTrue("only")
	if only, has := f.get("only"); has && t.Only && !hasKey(f, "on") {
		r.report(only.KeySpan, diag.MissingKey, "list the reasons in `on`", "`only` without `on` leaves no reason to try again")
	}
	when, has := f.get("when")
	if has {
		t.When = r.expression(when)
	}
	if _, on := f.get("on"); !has && !on && (v == Block || v == SubFlow) {
		r.report(p.KeySpan, diag.MissingKey, "say after which failures, in `on` or `when`, or write `retry: 5` for any", "a %s is not tried again by itself", rounded(v))
	}
	b, has := f.get("backoff")
	if !has {
		return t
	}
	if g, ok := r.open(b.Value, &backoffKeys, "`backoff`"); ok {
		t.Initial, t.Max = g.duration("initial"), g.duration("max")
		t.Factor = g.factor()
		if t.Initial != nil && t.Max != nil && t.Initial.D > t.Max.D {
			g.reversed("initial", "max")
		}
	}
	return t
}

// poll reads until when a step is repeated. A poll without a condition that
// can be read is nil, so that nobody takes it for one that never ends.
func (r *reader) poll(p Pair) *Poll {
	f := r.repeating(p, &pollKeys, "until", "CONDITION", "`until`")
	if f == nil {
		return nil
	}
	f.require("`poll`")
	t := &Poll{Span: p.KeySpan, Every: f.duration("every"), Timeout: f.duration("timeout")}
	if b, has := f.get("backoff"); has {
		if g, ok := r.open(b.Value, &pollBackoffKeys, "`backoff`"); ok {
			t.Factor, t.Max = g.factor(), g.duration("max")
			if t.Every != nil && t.Max != nil && t.Every.D > t.Max.D {
				r.report(t.Max.Span, diag.WrongValue, "", "the longest wait is shorter than `every`")
			}
		}
	}
	until, has := f.get("until")
	if !has {
		return nil
	}
	if t.Until = r.expression(until); t.Until == nil {
		return nil
	}
	return t
}

// repeating opens the mapping of poll or pages, nil if it is none: then what
// stands there is taken for its key first.
func (r *reader) repeating(p Pair, t *Table, first, what, keys string) *fields {
	if n := p.Value; n.Kind != Mapping {
		if n.Kind == String && n.Text != "" {
			what = quoted(n.Text)
		}
		hint := fmt.Sprintf("write `%s: { %s: %s }`", t.Name, first, what)
		r.report(orKey(n.Span, p.KeySpan), diag.WrongShape, hint, "`%s` is a mapping with %s, not %s", t.Name, keys, describe(n))
		return nil
	}
	f, _ := r.open(p.Value, t, "`"+t.Name+"`")
	f.node.Span = orKey(f.node.Span, p.KeySpan)
	return f
}

// pages reads how the next page is asked for.
func (r *reader) pages(p Pair, s *Step) *Pages {
	f := r.repeating(p, &pagesKeys, "next", "EXPRESSION", "`next` or `while`")
	if f == nil {
		return nil
	}
	t := &Pages{Span: p.KeySpan}
	if next, has := f.get("next"); has {
		t.Next = r.expression(next)
	}
	if while, has := f.get("while"); has {
		t.While = r.expression(while)
	}
	if with, has := f.get("with"); has {
		if t.With = r.with(with, s); t.With == nil || t.With.Kind == Mapping && len(t.With.Pairs) == 0 {
			r.report(orKey(with.Value.Span, with.KeySpan), diag.WrongShape, "say what is other than in the page before", "`pages.with` has no field")
			t.With = nil
		}
	}
	if v := f.integer("max", 1, maxPages); v != nil {
		t.Max = *v
	}
	switch ends := hasKey(f, "next") || hasKey(f, "while") || f.guessed("next") || f.guessed("while"); {
	case !ends:
		r.report(f.node.Span, diag.MissingKey, "`next`: what leads to the next page, null or empty after the last", "`pages` has neither \"next\" nor \"while\": it would never end")
	case !hasKey(f, "next") && !hasKey(f, "with") && !f.guessed("next") && !f.guessed("with"):
		r.report(f.node.Span, diag.MissingKey, "`with`: what is other than in the page before, such as `query: { page: \"${{ page + 2 }}\" }`", "`pages` has neither \"next\" nor \"with\": nothing says how the next page is asked for")
	}
	return t
}

// rounded is how messages name a verb whose repetitions are rounds.
func rounded(v Verb) string {
	if v == SubFlow {
		return "flow"
	}
	return "block"
}

// RoundKinds are the kinds of failure after which a block or a flow can be
// tried again, if the author says so.
func RoundKinds() []string {
	return []string{"http", "network", "timeout", "extract", "graphql", "data", "expression", "limit", "failed", "action", "expect", "auth"}
}

// reasons reads retry.on. What fails inside a block may be of any kind.
func (f *fields) reasons(v Verb) []string {
	p, has := f.get("on")
	if !has {
		return nil
	}
	var all []string
	kinds, also := []string{"network", "timeout"}, "network or timeout"
	if v == Block || v == SubFlow {
		kinds, also = RoundKinds(), "or a kind such as expect"
	}
	for _, item := range each(p) {
		n := item.Value
		word := strings.ToLower(n.Text)
		_, isStatus := status(word)
		switch {
		case (n.Kind == Number || n.Kind == String) && (isStatus || slices.Contains(kinds, word)):
			all = append(all, word)
		case f.r.constant("on", n):
			f.r.report(orKey(n.Span, p.KeySpan), diag.WrongValue, didYouMean(n.Text, kinds),
				"a reason is a status, a class like 5xx, %s, not %s", also, describe(n))
		}
	}
	if p.Value.Kind == List && len(p.Value.Items) == 0 {
		f.r.report(p.Value.Span, diag.WrongValue, "remove it, or list the reasons", "\"on\" lists no reason")
	}
	return all
}

// factor reads what each wait is multiplied by.
func (f *fields) factor() *float64 {
	p, has := f.get("factor")
	if !has || !f.r.constant("factor", p.Value) {
		return nil
	}
	v, err := strconv.ParseFloat(p.Value.Text, 64)
	if p.Value.Kind != Number || err != nil || v < 1 || v > 100 || math.IsNaN(v) {
		f.r.report(orKey(p.Value.Span, p.KeySpan), diag.WrongValue, "", "\"factor\" takes a number from 1 to 100, not %s", describe(p.Value))
		return nil
	}
	return &v
}

// endedByQuote finds a quoted text that ends inside of an expression, since that
// has the same quotes: where what was meant stands, and how to write it.
func endedByQuote(line string, value int) (from, to int, hint string) {
	for i := value; i < len(line); i++ {
		if line[i] != '"' && line[i] != '\'' || i > 0 && !strings.ContainsRune(" [{,", rune(line[i-1])) {
			continue
		}
		n := stringLength(line[i:])
		if n < 0 {
			continue
		}
		at := strings.Index(line[i:i+n], "${{")
		if at < 0 {
			i += n - 1
			continue
		}
		end, closed := scanExpression(line[i+at+3:], "}}")
		stop := i + at + 3 + end
		last := -1
		if closed && stop > i+n {
			last = strings.IndexByte(line[stop:], line[i])
		}
		if last < 0 {
			i += n - 1
			continue
		}
		to, inner := stop+last+1, line[i+1:stop+last]
		for _, other := range []string{"'", "\"", "`"} {
			if other != line[i:i+1] && !strings.Contains(inner, other) {
				return i, to, "write " + line[i:i+1] + strings.ReplaceAll(inner, line[i:i+1], other) + line[i:i+1]
			}
		}
		return i, to, "write the expression's texts in other quotes than those around it: ' \" or `"
	}
	return 0, 0, ""
}
