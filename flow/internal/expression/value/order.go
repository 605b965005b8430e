package value

import (
	"fmt"
	"strings"
	"time"
)

// Concat joins two texts.
func (m *Budget) Concat(l, r string) (any, *Error) {
	if err := m.Grow(len(l) + len(r)); err != nil {
		return nil, err
	}
	return l + r, nil
}

// Clockwork computes + - * with times and durations; ok is false for what it
// is not about.
func Clockwork(op string, l, r any) (any, bool, *Error) {
	if _, ok := l.(time.Duration); ok && op != "-" {
		if _, other := r.(time.Duration); !other {
			l, r = r, l
		}
	}
	switch x := l.(type) {
	case time.Time:
		switch y := r.(type) {
		case time.Duration:
			if op == "+" {
				return x.Add(y), true, nil
			}
			return x.Add(-y), op == "-", nil
		case time.Time:
			return x.Sub(y), op == "-", nil
		}
	case time.Duration:
		if y, ok := r.(time.Duration); ok && (op == "+" || op == "-") {
			v, err := integers(op, int(x), int(y))
			if err != nil {
				return nil, true, err
			}
			return time.Duration(v.(int)), true, nil
		}
	}
	if d, ok := r.(time.Duration); ok && op == "*" {
		if i, isInt := l.(int); isInt {
			v, err := integers("*", i, int(d))
			if err != nil {
				return nil, true, err
			}
			return time.Duration(v.(int)), true, nil
		}
		if _, f, _, err := Numeric(l); err == nil {
			product := f * float64(d)
			if product >= 1<<63 || product < -1<<63 {
				return nil, true, Failure(overflow)
			}
			return time.Duration(product), true, nil
		}
	}
	return nil, false, nil
}

// In says whether a list holds a value, or an object a member.
func (m *Budget) In(v, of any) (any, *Error) {
	if list, ok, err := AsList(of); ok && err == nil {
		for _, item := range list {
			if same, err := m.Equal(item, v, 0); same || err != nil {
				return same, err
			}
		}
		return false, nil
	}
	object, ok, err := AsObject(of)
	if !ok || err != nil {
		return nil, Failure(fmt.Sprintf("`in` looks into lists and objects, not into %s", KindOf(of).Phrase()))
	}
	name, IsText := v.(string)
	if !IsText {
		return nil, Failure(fmt.Sprintf("an object's members have names, this is %s", KindOf(v).Phrase()))
	}
	_, there := object[name]
	return there, nil
}

// Range is the list of integers from l to r.
func (m *Budget) Range(l, r any) (any, *Error) {
	from, okFrom := l.(int)
	to, okTo := r.(int)
	if !okFrom || !okTo {
		return nil, Failure(fmt.Sprintf("`..` is for integers, not for %s and %s", KindOf(l).Phrase(), KindOf(r).Phrase()))
	}
	if from > to {
		return []any{}, nil
	}
	if to-from < 0 || to-from > MaxOperations {
		return nil, Failure(fmt.Sprintf("`..` makes lists of up to %d integers", MaxOperations))
	}
	if err := m.List(to - from + 1); err != nil {
		return nil, err
	}
	list := make([]any, 0, to-from+1)
	for i := range to - from + 1 {
		list = append(list, from+i)
	}
	return list, nil
}

// Compare orders two numbers, texts, times or durations.
func (m *Budget) Compare(l, r any) (int, *Error) {
	switch x := l.(type) {
	case string:
		if y, ok := r.(string); ok {
			return strings.Compare(x, y), m.Read(min(len(x), len(y)))
		}
	case time.Time:
		if y, ok := r.(time.Time); ok {
			return x.Compare(y), nil
		}
	case time.Duration:
		if y, ok := r.(time.Duration); ok {
			return order(x, y), nil
		}
	case int, float64, number:
		switch r.(type) {
		case int, float64, number:
			return compareNumbers(l, r)
		}
	}
	return 0, Failure(fmt.Sprintf("%s and %s have no order", KindOf(l).Phrase(), KindOf(r).Phrase()))
}

// Equal compares two values, lists and objects too. Depth is 0.
func (m *Budget) Equal(l, r any, depth int) (bool, *Error) {
	if err := m.Tick(1); err != nil {
		return false, err
	}
	if depth > MaxDepth {
		return false, Failure("the values are nested too deep to be compared")
	}
	switch x := l.(type) {
	case nil:
		return r == nil, nil
	case bool:
		y, ok := r.(bool)
		return ok && x == y, nil
	case []byte:
		y, ok := r.([]byte)
		return ok && string(x) == string(y), m.Read(len(x))
	case *time.Location:
		y, ok := r.(*time.Location)
		return ok && x.String() == y.String(), nil
	}
	if k, other := KindOf(l), KindOf(r); k == List && other == List || k == Object && other == Object {
		return m.equalParts(l, r, depth)
	} else if k == List || k == Object || other == List || other == Object {
		return false, nil
	}
	switch r.(type) {
	case nil, bool, []byte, *time.Location:
		return false, nil
	}
	if (KindOf(l) == String) != (KindOf(r) == String) || isClock(l) != isClock(r) || KindOf(l) != KindOf(r) && isClock(l) {
		return false, nil
	}
	c, err := m.Compare(l, r)
	return c == 0, err
}

func isClock(v any) bool {
	k := KindOf(v)
	return k == Time || k == Duration
}

func (m *Budget) equalParts(l, r any, depth int) (bool, *Error) {
	if x, ok, err := AsList(l); ok {
		y, _, err2 := AsList(r)
		if err != nil || err2 != nil {
			return false, Failure("a value is not valid JSON")
		}
		if len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if same, err := m.Equal(x[i], y[i], depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	x, _, err := AsObject(l)
	y, _, err2 := AsObject(r)
	if err != nil || err2 != nil {
		return false, Failure("a value is not valid JSON")
	}
	if len(x) != len(y) {
		return false, nil
	}
	for key, v := range x {
		w, there := y[key]
		if !there {
			return false, nil
		}
		if same, err := m.Equal(v, w, depth+1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}
