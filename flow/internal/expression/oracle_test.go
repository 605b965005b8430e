package expression_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/expr-lang/expr"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// The language is expr's: where it does not say otherwise, expr's own machine
// gives the same.
func TestExprGivesTheSame(t *testing.T) {
	t.Parallel()
	env := map[string]any{
		"orders": []any{map[string]any{"id": 1, "price": 2.5, "tags": []any{"a", "b"}, "name": "Ann"}, map[string]any{"id": 2, "price": 7.25, "tags": []any{}, "name": "Bob"}},
		"n":      3, "f": 2.5, "s": "Hello World", "yes": true, "no": false, "list": []any{3, 1, 2}, "object": map[string]any{"a": 1, "b": map[string]any{"c": "x"}}, "none": nil,
	}
	p := &place{names: map[string]expression.Name{}, values: map[string]expression.Value{}}
	for name, v := range env {
		p.names["."+name] = expression.Name{}
		p.values["."+name] = expression.Of(v)
	}
	sources := []string{
		`1 + 2 * 3 - 4`, `(1 + 2) * 3`, `7 / 2`, `7 % 3`, `-7 % 3`, `2 ** 10`, `2 ^ 3 ^ 2`, `-2 ** 2`, `n + f`, `n * f - 1`, `1.5e3`, `0x1F`, `1_000`, `+n`, `-f`, `--n`,
		`n == 3`, `n == 3.0`, `n != f`, `1 < 2`, `1 < n < 5`, `"a" < "b"`, `n >= 3 && f <= 2.5`, `yes and not no`, `yes or no`, `!yes || no`, `not yes ? 1 : 2`, `yes ?: no`,
		`none ?? 1`, `none ?? none ?? "x"`, `object.b.c`, `object["a"]`, `object?.b?.c`, `none?.x.y`, `object.zip`, `orders[0].name`, `orders[-1].id`, `list[0:2]`, `list[1:]`, `list[:-1]`, `s[0:5]`,
		`"x" in ["x", "y"]`, `4 not in list`, `"a" in object`, `s contains "World"`, `s startsWith "Hello"`, `s endsWith "x"`, `s matches "W.rld"`, `not (s matches "^x")`, `"a" + "b"`, `"é" + 'ü'`, "`raw\\n`",
		`[1, "a", nil, [2]]`, `{a: 1, "b": [2], (s): 3}`, `1..4`, `if yes {1} else {2}`, `if no {1} else if yes {2} else {3}`, `yes ? n : s`,
		`len(list)`, `len(s)`, `len(object)`, `trim("  a ")`, `trim("xax", "x")`, `trimPrefix("abc", "ab")`, `trimSuffix("abc", "bc")`, `upper(s)`, `lower(s)`, `split("a,b,c", ",")`, `split("a,b,c", ",", 2)`,
		`splitAfter("a,b", ",")`, `replace("aXbX", "X", "-")`, `replace("aXbX", "X", "-", 1)`, `repeat("ab", 3)`, `join(["a", "b"], "-")`, `join(["a", "b"])`, `indexOf(s, "World")`, `lastIndexOf(s, "o")`, `indexOf(s, "zz")`, `hasPrefix(s, "He")`, `hasSuffix(s, "ld")`,
		`max(1, 5, 3)`, `min(list)`, `max([1, 2.5])`, `mean(list)`, `median([1, 2, 3, 4])`, `abs(-5)`, `abs(-2.5)`, `ceil(1.2)`, `floor(1.8)`, `round(1.5)`, `int("42")`, `int(2.9)`, `float("1.5")`, `float(2)`, `string(1)`, `string("x")`, `string(true)`,
		`type(1)`, `type(1.5)`, `type("x")`, `type([])`, `type({})`, `type(nil)`, `type(true)`, `type(now())`, `type(duration("1s"))`,
		`toBase64("héllo")`, `fromBase64("aMOpbGxv")`, `fromJSON("{\"a\": [1.5, true, null]}")`, `first(list)`, `last(list)`, `first([])`, `take(list, 2)`, `take(list, 9)`, `get(list, 7)`, `get(object, "a")`, `get(object, "zip")`,
		`keys(fromPairs([["a", 1]]))`, `reverse(list)`, `uniq([1, 1, "a", "a", 1.0])`, `concat(list, [9])`, `flatten([1, [2, [3]]])`, `sort(list)`, `sort(list, "desc")`, `sort(["b", "a"])`,
		`bitand(6, 3)`, `bitor(6, 3)`, `bitxor(6, 3)`, `bitnand(6, 3)`, `bitshl(1, 4)`, `bitshr(-8, 1)`, `bitushr(8, 1)`, `bitnot(5)`,
		`all(list, # > 0)`, `none(list, # > 5)`, `any(list, # == 2)`, `one(list, # == 2)`, `filter(list, # > 1)`, `map(orders, .name)`, `map(list, # * 2)`, `map(list, #index)`, `count(list, # > 1)`, `count([true, false])`, `find(list, # < 3)`, `find(list, # > 9)`,
		`findIndex(list, # == 2)`, `findIndex(list, # == 9)`, `findLast(list, # < 3)`, `findLastIndex(list, # > 9)`, `sum(list)`, `sum(orders, .price)`, `sum([])`, `groupBy(["a", "b", "a"], #)["a"]`, `sortBy(orders, .price, "desc")`, `sortBy(orders, .name)`, `reduce(list, #acc + #, 10)`, `reduce(list, #acc * #)`,
		`orders | filter(.id > 1) | map(.name) | first()`, `filter(orders, {.price > 3})`, `filter(orders, len(.tags) > 0 and any(.tags, # == "a"))`, `map(orders, map(.tags, # + "!"))`, `map(filter(orders, .id == 1), [.id, upper(.name)])`,
		`date("2026-11-21").Year()`, `date("2026-11-21T10:00:00Z").Unix()`, `date("2026-11-21") < date("2026-11-22")`, `(date("2026-11-22") - date("2026-11-21")).Hours()`, `duration("1h30m").Minutes()`, `date("2026-11-21").Add(duration("36h")).Day()`, `date("21/11/2026", "02/01/2006").Month() in [11] or true`,
		`list == [3, 1, 2]`, `object == {a: 1, b: {c: "x"}}`, `nil == none`, `object != nil`, `"1" == string(1)`, `::len(list)`, `list | len()`, `b"abc" == b"abc"`,
	}
	for _, source := range sources {
		want, err := expr.Eval(source, env)
		if err != nil {
			t.Errorf("%s: expr says %v", source, err)
			continue
		}
		got := evaluate(t, source, p)
		b, err := json.Marshal(want)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		var x, y any
		if json.Unmarshal([]byte(got), &x) != nil || json.Unmarshal(b, &y) != nil || !reflect.DeepEqual(x, y) {
			t.Errorf("%s\n got  %s\n expr %s", source, got, b)
		}
	}
}
