// Package document reads executable GraphQL documents as far as a client needs
// it: which operations there are, which variables each declares and uses, and
// where the text breaks the grammar (GraphQL, October 2021, §2).
package document

import (
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// A Problem is a place in a document's text and what is wrong there. From and
// To count characters, not bytes.
type Problem struct {
	From, To int
	Message  string
	Name     string   // that is not known
	Known    []string // names that are
}

// Line gives the line and column of the problem, both from 1.
func (p Problem) Line(text string) (line, column int) {
	line, column = 1, 1
	for i, r := range []rune(text) {
		if i == p.From {
			break
		}
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

// A Document is what a text holds. It is immutable.
type Document struct {
	Operations []*Operation
	source     string
	fragments  map[string]*body
}

// An Operation is one query, mutation or subscription.
type Operation struct {
	Kind      string // query, mutation, subscription
	Name      string // "" if it has none
	Variables []Variable
	body
	from, to int
}

// A Variable is one that an operation declares.
type Variable struct {
	Name     string
	Type     string // as written
	Needed   bool   // not null and without a default
	from, to int
}

// body is what an operation or a fragment refers to.
type body struct {
	uses    []use // variables
	spreads []use // fragments
}

type use struct {
	name     string
	from, to int
}

// Parse reads a text. A text that breaks the grammar gives no document.
func Parse(source string) (*Document, *Problem) {
	p := parser{scanner: scanner{source: source}}
	d := p.document()
	if p.problem != nil {
		return nil, d.characters(p.problem)
	}
	return d, nil
}

// characters turns a problem's bytes into characters.
func (d *Document) characters(p *Problem) *Problem {
	from := min(p.From, len(d.source))
	to := max(from, min(p.To, len(d.source)))
	p.From = utf8.RuneCountInString(d.source[:from])
	p.To = p.From + utf8.RuneCountInString(d.source[from:to])
	return p
}

func (d *Document) at(from, to int, format string, a ...any) Problem {
	return *d.characters(&Problem{From: from, To: to, Message: fmt.Sprintf(format, a...)})
}

// Choose gives the operation that a request with this operation name carries
// out (§6.1): the only one if there is no name, else the one of that name.
func (d *Document) Choose(operation string) (*Operation, bool) {
	if operation == "" {
		if len(d.Operations) != 1 {
			return nil, false
		}
		return d.Operations[0], true
	}
	i := slices.IndexFunc(d.Operations, func(o *Operation) bool { return o.Name == operation })
	if i < 0 {
		return nil, false
	}
	return d.Operations[i], true
}

// Names are the names of the operations, in the order of the text.
func (d *Document) Names() []string {
	var names []string
	for _, o := range d.Operations {
		if o.Name != "" {
			names = append(names, o.Name)
		}
	}
	return names
}

// Problems finds what a server would refuse whatever its schema is: names used
// twice, an operation without a name beside others, fragments that are not
// there, variables that are used and not declared.
func (d *Document) Problems() []Problem {
	var list []Problem
	seen := map[string]bool{}
	for _, o := range d.Operations {
		if o.Name == "" && len(d.Operations) > 1 {
			list = append(list, d.at(o.from, o.to, "an operation without a name must be the only one"))
		}
		if o.Name != "" && seen[o.Name] {
			list = append(list, d.at(o.from, o.to, "two operations are called %q", o.Name))
		}
		seen[o.Name] = true
		for i, v := range o.Variables {
			if slices.ContainsFunc(o.Variables[:i], func(w Variable) bool { return w.Name == v.Name }) {
				list = append(list, d.at(v.from, v.to, "$%s is declared twice", v.Name))
			}
		}
		d.each(&o.body, func(u use, spread bool) {
			switch {
			case spread && d.fragments[u.name] == nil:
				p := d.at(u.from, u.to, "there is no fragment %q in this document", u.name)
				p.Name, p.Known = u.name, slices.Sorted(maps.Keys(d.fragments))
				list = append(list, p)
			case !spread && !slices.Contains(o.declared(), u.name):
				p := d.at(u.from, u.to, "$%s is not declared: %s", u.name, o.declare(u.name))
				p.Name, p.Known = "$"+u.name, o.signed()
				list = append(list, p)
			}
		})
	}
	slices.SortStableFunc(list, func(a, b Problem) int { return a.From - b.From })
	return slices.CompactFunc(list, func(a, b Problem) bool { return a.From == b.From && a.Message == b.Message })
}

// declared are the names of the operation's variables.
func (o *Operation) declared() []string {
	names := make([]string, len(o.Variables))
	for i, v := range o.Variables {
		names[i] = v.Name
	}
	return names
}

// signed are the declared names with their $.
func (o *Operation) signed() []string {
	names := o.declared()
	for i := range names {
		names[i] = "$" + names[i]
	}
	return names
}

// declare shows how a variable is declared in this operation.
func (o *Operation) declare(variable string) string {
	title := o.Kind
	if o.Name != "" {
		title += " " + o.Name
	} else {
		title += " Name"
	}
	return fmt.Sprintf("%s($%s: TYPE)", title, variable)
}

// Missing finds declared variables that must have a value and are not among
// given, and Unused those that nothing refers to (servers refuse both).
func (d *Document) Missing(o *Operation, given func(name string) bool) []Problem {
	var list []Problem
	for _, v := range o.Variables {
		if v.Needed && !given(v.Name) {
			list = append(list, d.at(v.from, v.to, "`variables` has no %s, and $%s: %s must have a value", v.Name, v.Name, v.Type))
		}
	}
	return list
}

// Unused finds declared variables that the operation does not use.
func (d *Document) Unused(o *Operation) []Problem {
	used := map[string]bool{}
	d.each(&o.body, func(u use, spread bool) {
		if !spread {
			used[u.name] = true
		}
	})
	var list []Problem
	for _, v := range o.Variables {
		if !used[v.Name] {
			list = append(list, d.at(v.from, v.to, "$%s is declared and not used", v.Name))
		}
	}
	return list
}

// Place is where an operation begins.
func (d *Document) Place(o *Operation) Problem { return d.at(o.from, o.to, "") }

// each calls f for everything that a body refers to, through its fragments.
func (d *Document) each(b *body, f func(u use, spread bool)) {
	seen := map[string]bool{}
	todo := []*body{b}
	for len(todo) > 0 {
		b := todo[0]
		todo = todo[1:]
		for _, u := range b.uses {
			f(u, false)
		}
		for _, u := range b.spreads {
			f(u, true)
			if g := d.fragments[u.name]; g != nil && !seen[u.name] {
				seen[u.name] = true
				todo = append(todo, g)
			}
		}
	}
}
