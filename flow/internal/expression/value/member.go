package value

import (
	"fmt"
	"time"
)

// Convert makes times and durations of what an Env may give for them: RFC 3339
// text, and seconds.
func Convert(v any, want Kind) (any, *Error) {
	switch text, IsText := v.(string); {
	case want == Time && IsText:
		return parseTime(text)
	case want == Duration && v != nil:
		if _, f, _, err := Numeric(v); err == nil {
			return time.Duration(f * float64(time.Second)), nil
		}
	}
	return v, nil
}

// Member looks up a member of an object; one that is not there is null. Errors
// begin with a verb: the caller puts the name of the value before it.
func Member(v any, name string) (any, *Error) {
	switch t := v.(type) {
	case map[string]any:
		return t[name], nil
	case *document:
		if t.raw[0] == '{' {
			return t.member(name), nil
		}
		return nil, Failure(fmt.Sprintf("is a list, which has no `%s`", name), "take an item first: [0], or map(…, ."+name+") for all")
	case nil:
		return nil, Failure(fmt.Sprintf("is null, so it has no `%s`", name), "write ?."+name+" if there may be none")
	}
	return nil, Failure(fmt.Sprintf("is %s, which has no `%s`", KindOf(v).Phrase(), name))
}

// Item looks up an item of a list, or a character of a text; negative numbers
// count from the end. Errors begin with a verb.
func Item(v any, i int) (any, *Error) {
	list, ok, err := AsList(v)
	if err != nil {
		return nil, Failure("is not valid JSON")
	}
	if text, IsText := v.(string); IsText {
		runes := []rune(text)
		if at, ok := within(i, len(runes)); ok {
			return string(runes[at]), nil
		}
		return nil, Failure(fmt.Sprintf("has no character %d, it has %d", i, len(runes)))
	}
	if !ok {
		if v == nil {
			return nil, Failure("is null, so it has no items", "write ?.["+fmt.Sprint(i)+"] if there may be none")
		}
		return nil, Failure(fmt.Sprintf("is %s, which has no items", KindOf(v).Phrase()))
	}
	if at, ok := within(i, len(list)); ok {
		return list[at], nil
	}
	return nil, Failure(fmt.Sprintf("has no item %d, it has %d", i, len(list)), fmt.Sprintf("get(…, %d) is null if there is none", i))
}

// within turns a negative index into one from the end.
func within(i, n int) (int, bool) {
	if i < 0 {
		i += n
	}
	return i, i >= 0 && i < n
}
