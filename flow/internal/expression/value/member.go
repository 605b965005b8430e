package value

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// Convert makes times and durations of what an Env may give for them: RFC 3339
// text, and seconds.
func Convert(v any, want Kind) (any, *Error) {
	switch text, isText := v.(string); {
	case want == Time && isText:
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
func (m *Budget) Member(v any, name string) (any, *Error) {
	switch t := v.(type) {
	case map[string]any:
		return t[name], nil
	case *document:
		if t.raw[0] == '{' {
			found, looked := t.member(name)
			return found, m.Read(looked)
		}
		return nil, Failure(fmt.Sprintf("is a list, which has no `%s`", name), "take an item first: [0], or map(…, ."+name+") for all")
	case nil:
		return nil, Failure(fmt.Sprintf("is null, so it has no `%s`", name), "write ?."+name+" if there may be none")
	}
	return nil, Failure(fmt.Sprintf("is %s, which has no `%s`", KindOf(v).Phrase(), name))
}

// Item looks up an item of a list, or a character of a text; negative numbers
// count from the end. Errors begin with a verb.
func (m *Budget) Item(v any, i int) (any, *Error) {
	switch t := v.(type) {
	case nil:
		return nil, Failure("is null, so it has no items", fmt.Sprintf("write ?.[%d] if there may be none", i))
	case string:
		return m.character(t, i)
	}
	list, ok, err := AsList(v)
	switch {
	case err != nil:
		return nil, Failure("is not valid JSON")
	case !ok:
		return nil, Failure(fmt.Sprintf("is %s, which has no items", KindOf(v).Phrase()))
	}
	if at, ok := within(i, len(list)); ok {
		return list[at], nil
	}
	return nil, Failure(fmt.Sprintf("has no item %d, it has %d", i, len(list)), fmt.Sprintf("get(…, %d) is null if there is none", i))
}

func (m *Budget) character(s string, i int) (any, *Error) {
	if err := m.Read(len(s)); err != nil {
		return nil, err
	}
	n := utf8.RuneCountInString(s)
	at, ok := within(i, n)
	if !ok {
		return nil, Failure(fmt.Sprintf("has no character %d, it has %d", i, n))
	}
	return characterRange(s, at, at+1), nil
}

// Slice is the part of a text or a list between two places, which lie within
// Length.
func Slice(v any, first, last int) any {
	if s, ok := v.(string); ok {
		return characterRange(s, first, last)
	}
	list, _, _ := AsList(v)
	return list[first:last:last]
}

// Length is how many characters a text has, or items a list; ok is false for
// everything else.
func (m *Budget) Length(v any) (n int, ok bool, _ *Error) {
	if s, isText := v.(string); isText {
		return utf8.RuneCountInString(s), true, m.Read(2 * len(s))
	}
	list, ok, err := AsList(v)
	if err != nil {
		return 0, ok, Failure("a list is not valid JSON")
	}
	return len(list), ok, nil
}

func characterRange(s string, first, last int) string {
	from, to, n := len(s), len(s), 0
	for i := range s {
		if n == first {
			from = i
		}
		if n == last {
			to = i
			break
		}
		n++
	}
	return s[from:max(from, to)]
}

// within turns a negative index into one from the end.
func within(i, n int) (int, bool) {
	if i < 0 {
		i += n
	}
	return i, i >= 0 && i < n
}
