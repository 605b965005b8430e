package expression

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"github.com/stepwell/stepwell/flow/diag"
	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

// binary builds an operator with two sides.
func (c *compiler) binary(n *ast.BinaryNode, safe bool) node {
	switch n.Operator {
	case "&&", "and", "||", "or":
		return c.logical(n)
	case "??":
		l := &coalesce{left: c.build(n.Left, true)}
		l.right = c.build(n.Right, safe)
		l.meta = c.both(l.left, l.right)
		l.typ, l.taint = l.left.about().typ.Join(l.right.about().typ), l.left.about().taint.and(l.right.about().taint)
		return l
	}
	b := &binary{op: n.Operator}
	_, leftNil := n.Left.(*ast.NilNode)
	_, rightNil := n.Right.(*ast.NilNode)
	equality := n.Operator == "==" || n.Operator == "!="
	known := len(c.problems)
	b.left, b.right = c.build(n.Left, equality && rightNil), c.build(n.Right, equality && leftNil)
	b.meta = c.both(b.left, b.right)
	if b.op == "^" {
		b.op = "**"
	}
	if b.op == "matches" {
		b.re = c.pattern(b.right)
	}
	var fits bool
	if b.typ, fits = operatorType(b.op, b.left.about().typ, b.right.about().typ); !c.notOfOne(b, known, fits) && !fits {
		c.operatorProblem(b, n.Operator)
	}
	c.neverSaid(b)
	if b.typ.Kind != Boolean {
		b.taint = b.left.about().taint.and(b.right.about().taint)
	}
	return b
}

// notOfOne reports `not a contains b`, where `not` belongs to a alone. It stands
// for what was found since the first of known problems.
func (c *compiler) notOfOne(b *binary, known int, fits bool) bool {
	u, ok := b.left.(*unary)
	if !ok || u.op != "not" || c.slice(b.from, b.from+1) == "(" {
		return false
	}
	if k := u.of.about().typ.Kind; k == Boolean || k == Any && fits {
		return false
	}
	c.problems = slices.DeleteFunc(c.problems, func(p Problem) bool {
		known--
		return known < 0 && p.Code == diag.NotACondition && p.From == u.of.about().from
	})
	c.mismatch(b.meta, fmt.Sprintf("write not (%s)", c.slice(u.of.about().from, b.to)), "`not` belongs to `%s` alone here", c.slice(u.of.about().from, u.of.about().to))
	return true
}

// both is the meta of a node with two ends.
func (c *compiler) both(left, right node) meta {
	return c.span(min(left.about().from, right.about().from), max(left.about().to, right.about().to))
}

func (c *compiler) logical(n *ast.BinaryNode) node {
	l := &logical{op: "&&"}
	if n.Operator == "||" || n.Operator == "or" {
		l.op = "||"
	}
	l.left = c.build(n.Left, false)
	l.right = c.given(setIf(l.left, l.op == "&&"), n.Right, false)
	l.meta = c.both(l.left, l.right)
	l.typ, l.taint = Type{Kind: Boolean}, l.left.about().taint.and(l.right.about().taint)
	if left, right := l.left.about().typ.Kind, l.right.about().typ.Kind; l.op == "||" && left != Boolean && right != Boolean && right != Any {
		c.report(Problem{From: l.from, To: l.to, Code: diag.NotACondition, Message: fmt.Sprintf("`%s` is for conditions; `??` gives another value where there is none", n.Operator),
			Hint: fmt.Sprintf("write `%s ?? %s`", c.slice(l.left.about().from, l.left.about().to), c.slice(l.right.about().from, l.right.about().to))})
		return l
	}
	c.boolean(l.left)
	c.boolean(l.right)
	return l
}

// operatorType is the type that an operator gives, and whether its sides can fit.
func operatorType(op string, l, r Type) (Type, bool) {
	unknown := l.Kind == Any || r.Kind == Any
	numbers := (l.IsNumber() || l.Kind == Any) && (r.IsNumber() || r.Kind == Any)
	texts := (l.IsString() || l.Kind == Any) && (r.IsString() || r.Kind == Any)
	boolean := Type{Kind: Boolean}
	switch op {
	case "==", "!=":
		return boolean, unknown || comparable(l, r)
	case "<", ">", "<=", ">=":
		timed := func(k Kind) bool { return (l.Kind == k || l.Kind == Any) && (r.Kind == k || r.Kind == Any) }
		return boolean, numbers || texts || timed(Time) || timed(Duration)
	case "contains", "startsWith", "endsWith":
		return boolean, texts
	case "matches":
		return boolean, (l.IsString() || l.Kind == Any || l.Kind == Bytes) && (r.IsString() || r.Kind == Any)
	case "in":
		switch r.Kind {
		case List:
			return boolean, unknown || comparable(l, r.Item())
		case Object:
			return boolean, l.IsString() || l.Kind == Any
		}
		return boolean, r.Kind == Any
	case "..":
		integer := func(t Type) bool { return t.Kind == Integer || t.Kind == Any }
		return Type{Kind: List, Items: &Type{Kind: Integer}}, integer(l) && integer(r)
	case "%":
		integer := func(t Type) bool { return t.Kind == Integer || t.Kind == Any }
		return Type{Kind: Integer}, integer(l) && integer(r)
	case "/", "**":
		return Type{Kind: Number}, numbers
	}
	return sumType(op, l, r)
}

// sumType is the type of + - *.
func sumType(op string, l, r Type) (Type, bool) {
	switch {
	case l.IsNumber() && r.IsNumber():
		return l.Join(r), true
	case op == "+" && l.IsString() && r.IsString():
		return Type{Kind: String}, true
	case op == "+" && (l.Kind == Time && r.Kind == Duration || l.Kind == Duration && r.Kind == Time),
		op == "-" && l.Kind == Time && r.Kind == Duration:
		return Type{Kind: Time}, true
	case op == "-" && l.Kind == Time && r.Kind == Time,
		op != "*" && l.Kind == Duration && r.Kind == Duration,
		op == "*" && (l.Kind == Duration && r.IsNumber() || l.IsNumber() && r.Kind == Duration):
		return Type{Kind: Duration}, true
	case l.Kind != Any && r.Kind != Any:
		return Type{}, false
	}
	known := l
	if l.Kind == Any {
		known = r
	}
	fits := known.Kind == Any || known.IsNumber() || known.Kind == Duration || op != "*" && known.Kind == Time || op == "+" && known.IsString()
	if op == "+" && known.IsString() {
		return Type{Kind: String}, true
	}
	return Type{}, fits
}

// comparable says whether values of two types can ever be equal.
func comparable(l, r Type) bool {
	return l.Kind == Any || r.Kind == Any || l.Kind == Null || r.Kind == Null || l.Kind == r.Kind ||
		l.IsNumber() && r.IsNumber() || l.IsString() && r.IsString()
}

func isTime(t Type) bool { return t.Kind == Time || t.Kind == Duration }

// operatorProblem reports sides that cannot fit.
func (c *compiler) operatorProblem(b *binary, written string) {
	l, r := b.left.about().typ, b.right.about().typ
	hint := ""
	switch {
	case (b.op == "+" || b.op == "-") && isTime(l) && r.IsString():
		hint = "write duration(\"1h\") for an hour, date(…) for text that is a time"
	case isTime(l) && r.IsString() || l.IsString() && isTime(r):
		hint = "write date(…) to compute with text that is a time"
	case b.op == "+" && l.Kind == List && !r.IsString():
		hint = "write concat(list, [item])"
	case b.op == "+" && (l.IsString() && (r.Kind == List || r.Kind == Object) || (l.Kind == List || l.Kind == Object) && r.IsString()):
		hint = "write join(…, \", \") or toJSON(…) to make text of it"
	case l.IsString() && r.Kind == Boolean || l.Kind == Boolean && r.IsString():
		if _, literal := b.right.(*constant); literal && r.Kind == Boolean {
			hint = "write it in quotes: \"" + c.slice(b.right.about().from, b.right.about().to) + "\""
		} else if literal {
			hint = "write true or false without quotes"
		}
	case b.op == "+" && (l.IsString() || r.IsString()):
		hint = "write string(…) to join a number to text"
	case b.op != "in" && (l.IsNumber() && r.IsString() || l.IsString() && r.IsNumber()):
		hint = "write int(…) or float(…) to make a number of text"
	case b.op == "in" && r.IsString():
		hint = "write … contains … to look into text"
	case l.Kind == Duration && r.IsNumber() || l.IsNumber() && r.Kind == Duration:
		hint = "write .Seconds() of the duration, or duration(\"5s\") for the number"
	case l.Kind == Null || r.Kind == Null:
		hint = "null can only be compared with == and !="
	}
	switch b.op {
	case "==", "!=":
		c.mismatch(b.meta, hint, "%s is never equal to %s", l.Kind.Phrase(), r.Kind.Phrase())
	default:
		c.mismatch(b.meta, hint, "`%s` does not fit between %s and %s", written, l.Kind.Phrase(), r.Kind.Phrase())
	}
}

func (b *binary) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(b, err)
	}
	l, err := b.left.eval(m)
	if err != nil {
		return nil, err
	}
	r, err := b.right.eval(m)
	if err != nil {
		return nil, err
	}
	v, err := b.apply(m, l, r)
	if err != nil {
		return nil, m.at(b, err)
	}
	return v, nil
}

func (b *binary) apply(m *machine, l, r any) (any, *Error) {
	switch b.op {
	case "==":
		return m.Equal(l, r, 0)
	case "!=":
		same, err := m.Equal(l, r, 0)
		return !same, err
	}
	for i, v := range []any{l, r} {
		if v == nil {
			side := []node{b.left, b.right}[i]
			return nil, m.isNull(side, fmt.Sprintf("`%s` needs a value", b.op))
		}
	}
	switch b.op {
	case "in":
		return m.In(l, r)
	case "..":
		return m.Range(l, r)
	case "matches", "contains", "startsWith", "endsWith":
		return b.search(m, l, r)
	case "<", ">", "<=", ">=":
		c, err := m.Compare(l, r)
		if err != nil {
			return nil, err
		}
		return map[string]bool{"<": c < 0, ">": c > 0, "<=": c <= 0, ">=": c >= 0}[b.op], nil
	}
	return b.compute(m, l, r)
}

// compute is + - * / % ** of numbers, times, durations, and + of texts.
func (b *binary) compute(m *machine, l, r any) (any, *Error) {
	lk, rk := value.KindOf(l), value.KindOf(r)
	isNumber := func(k Kind) bool { return k == Integer || k == Number }
	switch {
	case isNumber(lk) && isNumber(rk):
		return value.Arithmetic(b.op, l, r)
	case b.op == "+" && lk == String && rk == String:
		return m.Concat(l.(string), r.(string))
	case lk == Time || lk == Duration || rk == Time || rk == Duration:
		if v, ok, err := value.Clockwork(b.op, l, r); ok || err != nil {
			return v, err
		}
	}
	return nil, value.Failure(fmt.Sprintf("`%s` does not fit between %s and %s", b.op, lk.Phrase(), rk.Phrase()))
}

// search is matches, contains, startsWith and endsWith.
func (b *binary) search(m *machine, l, r any) (any, *Error) {
	text, isText := l.(string)
	bytes, isBytes := l.([]byte)
	what, ok := r.(string)
	if b.op == "matches" && isBytes {
		text, isText = string(bytes), true
	}
	if !isText || !ok {
		return nil, value.Failure(fmt.Sprintf("`%s` is for text, not for %s and %s", b.op, value.KindOf(l).Phrase(), value.KindOf(r).Phrase()))
	}
	if err := m.Read(len(text) + len(what)); err != nil {
		return nil, err
	}
	switch b.op {
	case "contains":
		return strings.Contains(text, what), nil
	case "startsWith":
		return strings.HasPrefix(text, what), nil
	case "endsWith":
		return strings.HasSuffix(text, what), nil
	}
	if err := m.Read(8 * len(text)); err != nil { // patterns are slower
		return nil, err
	}
	re := b.re
	if re == nil {
		if len(what) > MaxSource {
			return nil, value.Failure(fmt.Sprintf("the regular expression is longer than %d bytes", MaxSource))
		}
		if err := m.Tick(1 + len(what)); err != nil {
			return nil, err
		}
		var bad error
		if re, bad = regexp.Compile(what); bad != nil {
			return nil, value.Failure("the regular expression cannot be read: " + patternError(bad))
		}
	}
	return re.MatchString(text), nil
}

func patternError(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

// method is x.Name(…) of a time or a duration.
type method struct {
	meta
	of       node
	name     string
	args     []node
	optional bool
}

// method builds a call of a method.
func (c *compiler) method(callee *ast.MemberNode, args []ast.Node, safe bool) node {
	s, ok := c.stepOf(callee)
	of := c.build(unchained(callee.Node), safe && callee.Optional)
	about := of.about()
	k := &method{meta: meta{from: about.from, to: c.after(s.to), taint: about.taint}, of: of, name: s.name, optional: callee.Optional}
	for _, a := range args {
		built := c.build(a, false)
		k.args = append(k.args, built)
		k.taint = k.taint.and(built.about().taint)
	}
	m, found := value.LookupMethod(about.typ.Kind, s.name)
	if about.typ.Kind == Any && ok {
		if m, found = value.LookupMethod(Time, s.name); !found {
			m, found = value.LookupMethod(Duration, s.name)
		}
	}
	if !ok || !found {
		if r, unknown := of.(*reference); unknown && r.ref.Root == "" && r.ref.Name == "" {
			return k // which is reported
		}
		c.noMethod(s, about, len(args) > 0)
		return k
	}
	k.typ = m.Gives
	if k.typ.Kind == Boolean {
		k.taint = taint{}
	}
	if about.typ.Kind != Any && c.counted(s.name, len(args), len(m.Takes), len(m.Takes), k.meta) {
		for i, a := range k.args {
			c.argument(s.name, a, m.Takes[i])
		}
	}
	return k
}

func (k *method) eval(m *machine) (any, *Error) {
	if err := m.Tick(1); err != nil {
		return nil, m.at(k, err)
	}
	v, err := k.of.eval(m)
	if err != nil {
		return nil, err
	}
	if _, ended := v.(gone); ended || v == nil && k.optional {
		return gone{}, nil
	}
	found, ok := value.LookupMethod(value.KindOf(v), k.name)
	switch {
	case v == nil:
		return nil, m.isNull(k.of, fmt.Sprintf("it has no %s()", k.name))
	case !ok:
		return nil, m.at(k, value.Failure(fmt.Sprintf("`%s` is %s, which has no %s()", m.name(k.of), value.KindOf(v).Phrase(), k.name), "write date(…) for text that is a time"))
	case len(k.args) != len(found.Takes):
		return nil, m.at(k, value.Failure(fmt.Sprintf("%s() takes %d arguments, not %d", k.name, len(found.Takes), len(k.args))))
	}
	args, err := m.arguments(k.name, k.args, func(i int) value.Kinds { return found.Takes[i] })
	if err != nil {
		return nil, err
	}
	if k.name == "Format" {
		if err := m.Grow(2 * len(args[0].(string))); err != nil {
			return nil, m.at(k, err)
		}
	}
	return found.Do(v, args), nil
}
