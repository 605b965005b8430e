package expression

import (
	"fmt"

	"github.com/expr-lang/expr/ast"

	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A predicate is a function that goes through a list.
type predicate struct {
	optional bool // the predicate may be left away
	extra    bool // a third argument is allowed
	boolean  bool // the predicate must be true or false
}

// predicates are the functions with a predicate.
var predicates = map[string]predicate{
	"all": {boolean: true}, "none": {boolean: true}, "any": {boolean: true}, "one": {boolean: true},
	"filter": {boolean: true}, "find": {boolean: true}, "findLast": {boolean: true}, "findIndex": {boolean: true}, "findLastIndex": {boolean: true},
	"count": {boolean: true, optional: true}, "sum": {optional: true}, "map": {}, "groupBy": {},
	"sortBy": {extra: true}, "reduce": {extra: true},
}

// each is a call of a function with a predicate.
type each struct {
	meta
	name              string
	list, body, extra node
}

// predicate builds a call of a function with a predicate.
func (c *compiler) predicate(name string, p predicate, args []ast.Node, whole meta) node {
	e := &each{meta: whole, name: name}
	least, most := 2, 2
	if p.optional {
		least = 1
	}
	if p.extra {
		most = 3
	}
	if !c.counted(name, len(args), least, most, whole) {
		return &constant{meta: whole}
	}
	e.list = c.build(args[0], false)
	about := e.list.about()
	e.from, e.taint = min(e.from, about.from), about.taint
	c.argument(name, e.list, value.Lists)
	if len(args) > 1 {
		body := args[1]
		if inner, ok := body.(*ast.PredicateNode); ok {
			body = inner.Node
		}
		c.items = append(c.items, meta{typ: about.typ.Item(), taint: about.taint})
		e.body = c.build(body, false)
		c.items = c.items[:len(c.items)-1]
		switch {
		case p.boolean:
			c.boolean(e.body)
		case name == "sum":
			c.argument(name, e.body, value.Numbers)
		}
		if !p.boolean {
			e.taint = e.taint.and(e.body.about().taint)
		}
	}
	if len(args) > 2 {
		e.extra = c.build(args[2], false)
		e.taint = e.taint.and(e.extra.about().taint)
	}
	e.typ = e.result(about.typ)
	if k := e.typ.Kind; k == Boolean || name == "count" {
		e.taint = taint{}
	}
	return e
}

// result is the type of the call.
func (e *each) result(list Type) Type {
	var body Type
	if e.body != nil {
		body = e.body.about().typ
	}
	switch e.name {
	case "all", "none", "any", "one":
		return Type{Kind: Boolean}
	case "filter", "sortBy":
		return Type{Kind: List, Items: list.Items}
	case "map":
		return value.ListOf(body)
	case "find", "findLast":
		return list.Item()
	case "findIndex", "findLastIndex", "count":
		return Type{Kind: Integer}
	case "groupBy":
		return Type{Kind: Object}
	case "sum":
		if e.body == nil {
			body = list.Item()
		}
		if body.Kind == Any {
			return Type{Kind: Number}
		}
		return body
	}
	if e.extra != nil {
		return body.Join(e.extra.about().typ)
	}
	return Type{}
}

func (e *each) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(e, err)
	}
	v, err := e.list.eval(m)
	if err != nil {
		return nil, err
	}
	list, ok, bad := value.AsList(v)
	if !ok || bad != nil {
		return nil, m.misfit(e.name, e.list, v, value.Lists)
	}
	m.scopes = append(m.scopes, scope{})
	found, err := e.through(m, list)
	m.scopes = m.scopes[:len(m.scopes)-1]
	if err != nil {
		return nil, m.at(e, err)
	}
	return found, nil
}

func (e *each) through(m *machine, list []any) (any, *Error) {
	switch e.name {
	case "all", "none", "any", "one", "filter", "count":
		return e.choose(m, list)
	case "find", "findIndex", "findLast", "findLastIndex":
		return e.search(m, list)
	case "map":
		return e.mapped(m, list)
	case "sum":
		return e.sum(m, list)
	case "groupBy":
		return e.grouped(m, list)
	case "sortBy":
		return e.sorted(m, list)
	}
	return e.reduced(m, list)
}

// at evaluates the predicate for the i-th item, or gives the item without one.
func (e *each) at(m *machine, list []any, i int) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, err
	}
	s := &m.scopes[len(m.scopes)-1]
	s.item, s.index = list[i], i
	if e.body == nil {
		return list[i], nil
	}
	return e.body.eval(m)
}

// holds evaluates a predicate that must be true or false.
func (e *each) holds(m *machine, list []any, i int) (bool, *Error) {
	v, err := e.at(m, list, i)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		of := e.body
		if of == nil {
			of = e.list
		}
		name := m.name(of)
		return false, m.at(of, value.Failure(fmt.Sprintf("`%s` is %s for item %d, not true or false", name, value.KindOf(v).Phrase(), i), conditionHints(name, value.KindOf(v))...))
	}
	return b, nil
}

func (e *each) choose(m *machine, list []any) (any, *Error) {
	var chosen []any
	n := 0
	for i := range list {
		yes, err := e.holds(m, list, i)
		if err != nil {
			return nil, err
		}
		if yes {
			n++
			if e.name == "filter" {
				chosen = append(chosen, list[i])
			}
		}
		switch {
		case e.name == "all" && !yes:
			return false, nil
		case yes && e.name == "any":
			return true, nil
		case yes && e.name == "none":
			return false, nil
		}
	}
	switch e.name {
	case "filter":
		if chosen == nil {
			chosen = []any{}
		}
		return chosen, m.List(len(chosen))
	case "count":
		return n, nil
	case "one":
		return n == 1, nil
	}
	return e.name != "any", nil
}

func (e *each) search(m *machine, list []any) (any, *Error) {
	for n := range list {
		i := n
		if e.name == "findLast" || e.name == "findLastIndex" {
			i = len(list) - 1 - n
		}
		yes, err := e.holds(m, list, i)
		if err != nil {
			return nil, err
		}
		if !yes {
			continue
		}
		if e.name == "find" || e.name == "findLast" {
			return list[i], nil
		}
		return i, nil
	}
	return nil, nil
}

func (e *each) mapped(m *machine, list []any) (any, *Error) {
	if err := m.List(len(list)); err != nil {
		return nil, err
	}
	mapped := make([]any, len(list))
	for i := range list {
		v, err := e.at(m, list, i)
		if err != nil {
			return nil, err
		}
		mapped[i] = v
	}
	return mapped, nil
}

func (e *each) sum(m *machine, list []any) (any, *Error) {
	var total any = 0
	for i := range list {
		v, err := e.at(m, list, i)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return nil, value.NullItem("sum", i)
		}
		if total, err = value.Arithmetic("+", total, v); err != nil {
			return nil, err
		}
	}
	return total, nil
}

func (e *each) grouped(m *machine, list []any) (any, *Error) {
	groups := map[string]any{}
	for i := range list {
		v, err := e.at(m, list, i)
		if err != nil {
			return nil, err
		}
		key, err := value.TextOf(v)
		if err != nil {
			return nil, value.Failure(fmt.Sprintf("the name of a group is text, for item %d it %s", i, err.Message))
		}
		group, _ := groups[key].([]any)
		groups[key] = append(group, list[i])
	}
	return groups, m.List(len(list))
}

func (e *each) sorted(m *machine, list []any) (any, *Error) {
	keys := make([]any, len(list))
	for i := range list {
		v, err := e.at(m, list, i)
		if err != nil {
			return nil, err
		}
		keys[i] = v
	}
	var desc any = "asc"
	if e.extra != nil {
		var err *Error
		if desc, err = e.extra.eval(m); err != nil {
			return nil, err
		}
	}
	return m.Sort(e.name, list, keys, desc)
}

func (e *each) reduced(m *machine, list []any) (any, *Error) {
	var acc any
	start := 0
	if e.extra != nil {
		var err *Error
		if acc, err = e.extra.eval(m); err != nil {
			return nil, err
		}
	} else {
		if len(list) == 0 {
			return nil, value.Failure("reduce(): the list is empty and there is no first value", "give one as the third argument")
		}
		acc, start = list[0], 1
	}
	for i := start; i < len(list); i++ {
		m.scopes[len(m.scopes)-1].acc = acc
		v, err := e.at(m, list, i)
		if err != nil {
			return nil, err
		}
		acc = v
	}
	return acc, nil
}
