package value

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// NullItem is the error of a null in a computation over a list.
func NullItem(name string, i int) *Error {
	return Failure(fmt.Sprintf("%s(): item %d is null", name, i), "compact(…) leaves the nulls of a list away")
}

// Sort sorts a list by keys, keeping the order of equal ones.
func (m *Budget) Sort(name string, list, keys []any, direction any) (any, *Error) {
	if direction != any("asc") && direction != any("desc") {
		return nil, Failure(`the order of a sort is "asc" or "desc"`)
	}
	if err := m.List(len(list)); err != nil {
		return nil, err
	}
	places := make([]int, len(list))
	for i := range places {
		places[i] = i
		if keys[i] == nil {
			return nil, NullItem(name, i)
		}
	}
	var failed *Error
	slices.SortStableFunc(places, func(a, b int) int {
		if failed == nil {
			failed = m.Tick(1)
		}
		if failed != nil {
			return 0
		}
		c, err := m.Compare(keys[a], keys[b])
		if failed = err; direction == any("desc") {
			return -c
		}
		return c
	})
	if failed != nil {
		return nil, failed
	}
	sorted := make([]any, len(list))
	for i, p := range places {
		sorted[i] = list[p]
	}
	return sorted, nil
}

var anyList = Type{Kind: List}

// same is the type of a list made of the first argument's items.
func same(args []Type) Type { return Type{Kind: List, Items: args[0].Items} }

func itemOf(args []Type) Type { return args[0].Item() }

// overList makes a function of a list of one that gets the items.
func overList(do func(m *Budget, list []any, more []any) (any, *Error)) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (any, *Error) {
		list, _, err := AsList(a[0])
		if err != nil {
			return nil, Failure("the list is not valid JSON")
		}
		return do(m, list, a[1:])
	}
}

func overObject(do func(names []string, object map[string]any) any) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (any, *Error) {
		object, _, err := AsObject(a[0])
		if err != nil {
			return nil, Failure("the object is not valid JSON")
		}
		if err := m.List(4 * len(object)); err != nil {
			return nil, err
		}
		return do(slices.Sorted(maps.Keys(object)), object), nil
	}
}

// listFunctions are the functions of lists and objects. What depends on the
// order of members is sorted by name.
var listFunctions = map[string]*Function{
	"first": {1, 1, []Kinds{Lists}, Type{}, itemOf, false, overList(func(m *Budget, list, _ []any) (any, *Error) {
		if len(list) == 0 {
			return nil, nil
		}
		return list[0], nil
	})},
	"last": {1, 1, []Kinds{Lists}, Type{}, itemOf, false, overList(func(m *Budget, list, _ []any) (any, *Error) {
		if len(list) == 0 {
			return nil, nil
		}
		return list[len(list)-1], nil
	})},
	"take": {2, 2, []Kinds{Lists, integer}, Type{}, same, false, overList(func(m *Budget, list, more []any) (any, *Error) {
		n := min(more[0].(int), len(list))
		if n < 0 {
			return nil, Failure("a list has no less than 0 items")
		}
		return list[:n:n], nil
	})},
	"reverse": {1, 1, []Kinds{Lists}, Type{}, same, false, overList(func(m *Budget, list, _ []any) (any, *Error) {
		reversed := slices.Clone(list)
		slices.Reverse(reversed)
		return reversed, m.List(len(list))
	})},
	"compact": {1, 1, []Kinds{Lists}, Type{}, same, false, overList(func(m *Budget, list, _ []any) (any, *Error) {
		kept := make([]any, 0, len(list))
		for _, v := range list {
			if v != nil {
				kept = append(kept, v)
			}
		}
		return kept, m.List(len(list))
	})},
	"uniq":    {1, 1, []Kinds{Lists}, Type{}, same, false, overList(uniq)},
	"concat":  {1, -1, []Kinds{Lists}, anyList, nil, false, concat},
	"flatten": {1, 1, []Kinds{Lists}, anyList, nil, false, overList(func(m *Budget, list, _ []any) (any, *Error) { return m.flatten(nil, list, 0) })},
	"sort": {1, 2, []Kinds{Lists, Texts}, Type{}, same, false, overList(func(m *Budget, list, more []any) (any, *Error) {
		if len(more) == 0 {
			more = []any{"asc"}
		}
		return m.Sort("sort", list, list, more[0])
	})},
	"join": {1, 2, []Kinds{Lists, Texts}, text, nil, false, overList(joinTexts)},
	"keys": {1, 1, []Kinds{Objects}, ListOf(text), nil, false, overObject(func(names []string, _ map[string]any) any { return adopt(names) })},
	"values": {1, 1, []Kinds{Objects}, anyList, nil, false, overObject(func(names []string, object map[string]any) any {
		list := make([]any, len(names))
		for i, name := range names {
			list[i] = object[name]
		}
		return list
	})},
	"toPairs": {1, 1, []Kinds{Objects}, anyList, nil, false, overObject(func(names []string, object map[string]any) any {
		list := make([]any, len(names))
		for i, name := range names {
			list[i] = []any{name, object[name]}
		}
		return list
	})},
	"fromPairs": {1, 1, []Kinds{Lists}, Type{Kind: Object}, nil, false, overList(fromPairs)},
}

func uniq(m *Budget, list, _ []any) (any, *Error) {
	kept := []any{}
next:
	for _, v := range list {
		for _, k := range kept {
			if same, err := m.Equal(v, k, 0); err != nil {
				return nil, err
			} else if same {
				continue next
			}
		}
		kept = append(kept, v)
	}
	return kept, m.List(len(kept))
}

func concat(m *Budget, a []any) (any, *Error) {
	all := []any{}
	for _, v := range a {
		list, _, err := AsList(v)
		if err != nil {
			return nil, Failure("a list is not valid JSON")
		}
		if err := m.List(len(list)); err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func (m *Budget) flatten(all, list []any, depth int) ([]any, *Error) {
	if depth > MaxDepth {
		return nil, Failure(fmt.Sprintf("the list is nested deeper than %d levels", MaxDepth))
	}
	if err := m.List(1 + len(list)); err != nil {
		return nil, err
	}
	if all == nil {
		all = []any{}
	}
	for _, v := range list {
		inner, ok, bad := AsList(v)
		if bad != nil {
			return nil, Failure("a list is not valid JSON")
		}
		if !ok {
			all = append(all, v)
			continue
		}
		var err *Error
		if all, err = m.flatten(all, inner, depth+1); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// joinTexts joins the items as they are in mixed text.
func joinTexts(m *Budget, list, more []any) (any, *Error) {
	glue := ""
	if len(more) > 0 {
		glue = more[0].(string)
	}
	var b strings.Builder
	for i, v := range list {
		if v == nil {
			return nil, NullItem("join", i)
		}
		s, err := TextOf(v)
		if err != nil {
			return nil, Failure(fmt.Sprintf("item %d %s", i, err.Message), err.Hints...)
		}
		if i > 0 {
			s = glue + s
		}
		if err := m.Grow(len(s) + 1); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func fromPairs(m *Budget, list, _ []any) (any, *Error) {
	if err := m.List(2 * len(list)); err != nil {
		return nil, err
	}
	object := make(map[string]any, len(list))
	for i, v := range list {
		pair, ok, bad := AsList(v)
		if !ok || bad != nil || len(pair) != 2 {
			return nil, Failure(fmt.Sprintf("item %d is no pair: a list of a name and a value", i))
		}
		name, err := TextOf(pair[0])
		if err != nil {
			return nil, Failure(fmt.Sprintf("the name of pair %d %s", i, err.Message))
		}
		object[name] = pair[1]
	}
	return object, nil
}
