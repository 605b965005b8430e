package expression

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// A machine evaluates one program once.
type machine struct {
	value.Budget
	env    Env
	source string
	off    int
	scopes []scope            // of the predicates around
	known  map[*reference]any // in predicates: what references gave before
}

// A scope is what #, #index and #acc are in a predicate.
type scope struct {
	item, acc any
	index     int
}

// at places an error that has no place yet.
func (m *machine) at(n node, err *Error) *Error {
	if err.From == 0 && err.To == 0 {
		err.From, err.To = n.about().from, n.about().to
	}
	return err
}

func (m *machine) slice(from, to int) string { return cut(m.source, from-m.off, to-m.off) }

// name is a node's source, for messages.
func (m *machine) name(n node) string {
	if s := m.slice(n.about().from, n.about().to); s != "" {
		return s
	}
	return "#"
}

// isNull is the error of a null where a value is needed.
func (m *machine) isNull(n node, why string) *Error {
	name := m.name(n)
	hint := fmt.Sprintf("write need(%s), or `%s ?? other`", name, name)
	if _, item := n.(*pointer); item {
		hint = "compact(…) leaves the nulls of a list away"
	}
	return m.at(n, value.Failure(fmt.Sprintf("`%s` is null: %s", name, why), hint))
}

type constant struct {
	meta
	v any
}

func (k *constant) eval(*machine) (any, *Error) { return k.v, nil }

// binary is an operator that needs both its sides.
type binary struct {
	meta
	op          string
	left, right node
	re          *regexp.Regexp // of matches with a constant
}

// logical is && and ||.
type logical struct {
	meta
	op          string
	left, right node
}

func (l *logical) eval(m *machine) (any, *Error) {
	left, err := m.boolean(l.left)
	if err != nil || left == (l.op == "||") {
		return left, err
	}
	return m.boolean(l.right)
}

// boolean evaluates what must be true or false.
func (m *machine) boolean(n node) (bool, *Error) {
	v, err := n.eval(m)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		name := m.name(n)
		return false, m.at(n, value.Failure(fmt.Sprintf("`%s` is %s, not true or false", name, value.KindOf(v).Phrase()), conditionHints(name, value.KindOf(v))...))
	}
	return b, nil
}

type unary struct {
	meta
	op string
	of node
}

func (u *unary) eval(m *machine) (any, *Error) {
	if u.op == "not" {
		b, err := m.boolean(u.of)
		return !b, err
	}
	v, err := u.of.eval(m)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, m.isNull(u.of, fmt.Sprintf("`%s` needs a number", u.op))
	}
	var zero any = 0
	if d, ok := v.(time.Duration); ok {
		zero, v = time.Duration(0), d
	}
	if u.op == "+" {
		if _, _, _, bad := value.Numeric(v); bad != nil && zero == any(0) {
			return nil, m.at(u, value.Failure(fmt.Sprintf("`+` is for numbers, not for %s", value.KindOf(v).Phrase())))
		}
		return v, nil
	}
	if d, ok := v.(time.Duration); ok {
		return -d, nil
	}
	v, err = value.Arithmetic("-", 0, v)
	if err != nil {
		return nil, m.at(u, err)
	}
	return v, nil
}

// coalesce is ??.
type coalesce struct {
	meta
	left, right node
}

func (k *coalesce) eval(m *machine) (any, *Error) {
	v, err := k.left.eval(m)
	if err != nil || v != nil {
		return v, err
	}
	return k.right.eval(m)
}

// conditional is a ? b : c, a ?: c, and if a {b} else {c}.
type conditional struct {
	meta
	cond, yes, no node
}

func (k *conditional) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(k, err)
	}
	b, err := m.boolean(k.cond)
	if err != nil {
		return nil, err
	}
	if b {
		return k.yes.eval(m)
	}
	return k.no.eval(m)
}

// lookup takes a member or an item of a computed value, or a computed one.
type lookup struct {
	meta
	of   node
	step step
	key  node // nil: the step says it
	fold bool // names without regard to case
}

// gone is what a chain with ?. gives from the first null on.
type gone struct{}

func (l *lookup) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(l, err)
	}
	v, err := l.of.eval(m)
	if err != nil {
		return nil, err
	}
	if _, ended := v.(gone); ended || v == nil && l.step.optional {
		return gone{}, nil
	}
	s := l.step
	if l.key != nil {
		if s, err = l.computed(m); err != nil {
			return nil, err
		}
	}
	found, err := s.take(m, v)
	if err != nil {
		err.Message = fmt.Sprintf("`%s` %s", m.name(l.of), err.Message)
		if _, item := l.of.(*pointer); item && v == nil {
			err.Hints = append(err.Hints, "compact(…) leaves the nulls of a list away")
		}
		return nil, m.at(l, err)
	}
	return found, nil
}

// computed evaluates the key.
func (l *lookup) computed(m *machine) (step, *Error) {
	s := l.step
	key, err := l.key.eval(m)
	if err != nil {
		return s, err
	}
	switch k := key.(type) {
	case string:
		s.name = k
		if l.fold {
			s.name = strings.ToLower(k)
		}
	case int:
		s.index, s.byIndex = k, true
	case nil:
		return s, m.isNull(l.key, "a member has a name, an item a number")
	default:
		return s, m.at(l.key, value.Failure(fmt.Sprintf("`%s` is %s: a member has a name, an item a number", m.name(l.key), value.KindOf(key).Phrase())))
	}
	return s, nil
}

// shortcut ends a chain with ?.
type shortcut struct {
	meta
	of node
}

func (s *shortcut) eval(m *machine) (any, *Error) {
	v, err := s.of.eval(m)
	if _, ended := v.(gone); ended {
		return nil, err
	}
	return v, err
}

// slice is a[first:last] of text or a list.
type slice struct {
	meta
	of, first, last node
}

func (s *slice) eval(m *machine) (any, *Error) {
	v, err := s.of.eval(m)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, m.isNull(s.of, "it has no parts")
	}
	n, ok, err := m.Length(v)
	if err != nil {
		return nil, m.at(s, err)
	}
	if !ok {
		return nil, m.at(s, value.Failure(fmt.Sprintf("`%s` is %s, only text and lists have parts", m.name(s.of), value.KindOf(v).Phrase())))
	}
	first, err := m.bound(s.first, 0, n)
	if err != nil {
		return nil, err
	}
	last, err := m.bound(s.last, n, n)
	if err != nil {
		return nil, err
	}
	return value.Slice(v, min(first, last), last), nil
}

// bound evaluates an end of a slice and puts it between 0 and n.
func (m *machine) bound(n node, missing, length int) (int, *Error) {
	if n == nil {
		return missing, nil
	}
	v, err := n.eval(m)
	if err != nil {
		return 0, err
	}
	i, ok := v.(int)
	if !ok {
		return 0, m.at(n, value.Failure(fmt.Sprintf("`%s` is %s, a place in a list is an integer", m.name(n), value.KindOf(v).Phrase())))
	}
	if i < 0 {
		i += length
	}
	return min(max(i, 0), length), nil
}

// array is [a, b].
type array struct {
	meta
	items []node
}

func (a *array) eval(m *machine) (any, *Error) {
	if err := m.List(len(a.items)); err != nil {
		return nil, m.at(a, err)
	}
	list := make([]any, len(a.items))
	for i, n := range a.items {
		v, err := n.eval(m)
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return list, nil
}

// object is {a: b}.
type object struct {
	meta
	keys, values []node
}

func (o *object) eval(m *machine) (any, *Error) {
	if err := m.List(2 * len(o.keys)); err != nil {
		return nil, m.at(o, err)
	}
	members := make(map[string]any, len(o.keys))
	for i, n := range o.keys {
		k, err := n.eval(m)
		if err != nil {
			return nil, err
		}
		name, ok := k.(string)
		if !ok {
			if i, isInt := k.(int); isInt {
				name, ok = strconv.Itoa(i), true
			}
		}
		if !ok {
			return nil, m.at(n, value.Failure(fmt.Sprintf("`%s` is %s, a member's name is text", m.name(n), value.KindOf(k).Phrase())))
		}
		if members[name], err = o.values[i].eval(m); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// pointer is #, #index and #acc.
type pointer struct {
	meta
	name string
}

func (p *pointer) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(p, err)
	}
	s := m.scopes[len(m.scopes)-1]
	switch p.name {
	case "index":
		return s.index, nil
	case "acc":
		return s.acc, nil
	}
	return s.item, nil
}
