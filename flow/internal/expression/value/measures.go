package value

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// valueFunctions are the functions of numbers, times, and values of any kind.
var valueFunctions = map[string]*Function{
	"len": {1, 1, []Kinds{Texts | Lists | Objects | 1<<Bytes}, Type{Kind: Integer}, nil, true, length},
	"type": {1, 1, []Kinds{anything}, text, nil, true, func(m *Budget, a []any) (any, *Error) {
		return map[Kind]string{Null: "nil", Boolean: "bool", Integer: "int", Number: "float", String: "string", List: "array",
			Object: "map", Bytes: "array", Time: "time.Time", Duration: "time.Duration", Zone: "time.Location"}[KindOf(a[0])], nil
	}},
	"string": {1, 1, []Kinds{anything}, text, nil, false, toText},
	"int":    {1, 1, []Kinds{Numbers | Texts}, Type{Kind: Integer}, nil, false, toInt},
	"float":  {1, 1, []Kinds{Numbers | Texts}, Type{Kind: Number}, nil, false, toFloat},
	"toJSON": {1, 1, []Kinds{anything}, text, nil, false, func(m *Budget, a []any) (any, *Error) {
		b, err := appendJSON(nil, a[0], true, 0)
		if err != nil {
			return nil, Failure(err.Error())
		}
		return string(b), m.Grow(len(b))
	}},
	"fromJSON": {1, 1, []Kinds{Texts}, Type{}, nil, false, func(m *Budget, a []any) (any, *Error) {
		s := a[0].(string)
		if err := m.Grow(len(s)); err != nil {
			return nil, err
		}
		if err := CheckJSON([]byte(s)); err != nil {
			return nil, Failure("the text cannot be read: " + err.Error())
		}
		return Scan(s), nil
	}},
	"abs": {1, 1, []Kinds{Numbers}, Type{}, numberOf, false, func(m *Budget, a []any) (any, *Error) {
		c, err := compareNumbers(a[0], 0)
		if err != nil || c >= 0 {
			return a[0], err
		}
		return Arithmetic("-", 0, a[0])
	}},
	"ceil":     {1, 1, []Kinds{Numbers}, Type{Kind: Number}, nil, false, rounded(math.Ceil)},
	"floor":    {1, 1, []Kinds{Numbers}, Type{Kind: Number}, nil, false, rounded(math.Floor)},
	"round":    {1, 1, []Kinds{Numbers}, Type{Kind: Number}, nil, false, rounded(math.Round)},
	"max":      {1, -1, []Kinds{Numbers | Lists}, Type{Kind: Number}, nil, false, extreme("max", 1)},
	"min":      {1, -1, []Kinds{Numbers | Lists}, Type{Kind: Number}, nil, false, extreme("min", -1)},
	"mean":     {1, -1, []Kinds{Numbers | Lists}, Type{Kind: Number}, nil, false, mean},
	"median":   {1, -1, []Kinds{Numbers | Lists}, Type{Kind: Number}, nil, false, median},
	"bitand":   bits(func(x, y int) int { return x & y }),
	"bitor":    bits(func(x, y int) int { return x | y }),
	"bitxor":   bits(func(x, y int) int { return x ^ y }),
	"bitnand":  bits(func(x, y int) int { return x &^ y }),
	"bitshl":   bits(func(x, y int) int { return x << max(y, 0) }),
	"bitshr":   bits(func(x, y int) int { return x >> max(y, 0) }),
	"bitushr":  bits(func(x, y int) int { return int(uint(x) >> max(y, 0)) }),
	"bitnot":   {1, 1, []Kinds{integer}, Type{Kind: Integer}, nil, false, func(m *Budget, a []any) (any, *Error) { return ^a[0].(int), nil }},
	"date":     {1, 3, []Kinds{Texts | 1<<Time, Texts}, Type{Kind: Time}, nil, false, toTime},
	"duration": {1, 1, []Kinds{Texts | 1<<Duration}, Type{Kind: Duration}, nil, false, toDuration},
	"timezone": {1, 1, []Kinds{Texts}, Type{Kind: Zone}, nil, false, func(m *Budget, a []any) (any, *Error) {
		z, err := time.LoadLocation(a[0].(string))
		if err != nil {
			return nil, Failure("there is no such time zone")
		}
		return z, nil
	}},
}

func numberOf(args []Type) Type {
	if args[0].Kind == Integer {
		return args[0]
	}
	return Type{Kind: Number}
}

// length counts characters, items, members or bytes.
func length(m *Budget, a []any) (any, *Error) {
	switch v := a[0].(type) {
	case string:
		return utf8.RuneCountInString(v), m.Read(len(v))
	case []byte:
		return len(v), nil
	}
	list, isList, err := AsList(a[0])
	object, _, err2 := AsObject(a[0])
	if err != nil || err2 != nil {
		return nil, Failure("the value is not valid JSON")
	}
	if isList {
		return len(list), nil
	}
	return len(object), nil
}

// toText is string(): text as in mixed text, and of durations too.
func toText(m *Budget, a []any) (any, *Error) {
	if d, ok := a[0].(time.Duration); ok {
		return d.String(), nil
	}
	s, err := TextOf(a[0])
	if err != nil {
		err.Message = "the value " + err.Message
		return nil, err
	}
	return s, nil
}

func toInt(m *Budget, a []any) (any, *Error) {
	switch v := a[0].(type) {
	case int:
		return v, nil
	case string:
		if i, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64); err == nil {
			return int(i), nil
		}
		return nil, Failure("the text is not an integer of 64 bits")
	}
	_, f, _, err := Numeric(a[0])
	if err != nil {
		return nil, err
	}
	if f >= 1<<63 || f < -1<<63 {
		return nil, Failure(overflow)
	}
	return int(f), nil
}

func toFloat(m *Budget, a []any) (any, *Error) {
	if s, ok := a[0].(string); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil {
			return nil, Failure("the text is not a number")
		}
		return finite(f)
	}
	_, f, _, err := Numeric(a[0])
	return f, err
}

func rounded(by func(float64) float64) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (any, *Error) {
		_, f, _, err := Numeric(a[0])
		return by(f), err
	}
}

// spread calls found with every number among the arguments and in their lists.
func (m *Budget) spread(name string, args []any, depth int, found func(v any) *Error) *Error {
	if depth > MaxDepth {
		return Failure(fmt.Sprintf("the list is nested deeper than %d levels", MaxDepth))
	}
	for i, v := range args {
		if err := m.Tick(1); err != nil {
			return err
		}
		list, ok, bad := AsList(v)
		var err *Error
		switch {
		case bad != nil:
			return Failure("a list is not valid JSON")
		case ok:
			err = m.spread(name, list, depth+1, found)
		case v == nil:
			return NullItem(name, i)
		default:
			err = found(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// extreme is max and min; without numbers they give null.
func extreme(name string, sign int) func(*Budget, []any) (any, *Error) {
	return func(m *Budget, a []any) (best any, _ *Error) {
		err := m.spread(name, a, 0, func(v any) *Error {
			if k := KindOf(v); k != Integer && k != Number {
				return Failure(fmt.Sprintf("%s() is of numbers, not of %s", name, k.Phrase()))
			}
			if best == nil {
				best = v
				return nil
			}
			c, err := compareNumbers(v, best)
			if c*sign > 0 {
				best = v
			}
			return err
		})
		return best, err
	}
}

func (m *Budget) floats(name string, args []any) (all []float64, _ *Error) {
	err := m.spread(name, args, 0, func(v any) *Error {
		_, f, _, err := Numeric(v)
		all = append(all, f)
		return err
	})
	return all, err
}

func mean(m *Budget, a []any) (any, *Error) {
	all, err := m.floats("mean", a)
	if err != nil || len(all) == 0 {
		return 0.0, err
	}
	sum := 0.0
	for _, f := range all {
		sum += f
	}
	return finite(sum / float64(len(all)))
}

func median(m *Budget, a []any) (any, *Error) {
	all, err := m.floats("median", a)
	if err != nil || len(all) == 0 {
		return 0.0, err
	}
	sort.Float64s(all)
	half := len(all) / 2
	if len(all)%2 == 1 {
		return all[half], nil
	}
	return finite((all[half-1] + all[half]) / 2)
}

func bits(of func(x, y int) int) *Function {
	return &Function{2, 2, []Kinds{integer}, Type{Kind: Integer}, nil, false, func(m *Budget, a []any) (any, *Error) {
		x, ok1 := a[0].(int)
		y, ok2 := a[1].(int)
		if !ok1 || !ok2 {
			return nil, Failure(beyond)
		}
		return of(x, y), nil
	}}
}
