package expression_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// A writer writes random expressions.
type writer struct {
	r     *rand.Rand
	depth int // of predicates
}

func (w *writer) pick(of ...string) string { return of[w.r.IntN(len(of))] }

func (w *writer) expression(size int) string {
	if size <= 0 {
		leaves := []string{`0`, `1`, `-3`, `2.5`, `9223372036854775807`, `""`, `"ab"`, `"2026-11-21"`, `"1h"`, `"[1]"`, `true`, `false`, `nil`, `[]`, `{}`, `b"x"`,
			`data.name`, `data.any`, `data.nothing`, `data.big`, `data.price`, `data.orders`, `data.names`, `data.scores`, `data.patient`, `data.flag`, `inputs.since`, `inputs.count`,
			`response.body`, `response.headers`, `response.status`, `response.duration`, `request.time`, `request.body`, `order`, `index`, `now()`, `uuid()`}
		if w.depth > 0 {
			leaves = append(leaves, `#`, `#index`, `#`)
		}
		return w.pick(leaves...)
	}
	sub := func() string { return w.expression(w.r.IntN(size)) }
	switch w.r.IntN(9) {
	case 0, 1:
		op := w.pick(`+`, `-`, `*`, `/`, `%`, `**`, `==`, `!=`, `<`, `>=`, `and`, `||`, `in`, `not in`, `contains`, `startsWith`, `matches`, `..`, `??`)
		return "(" + sub() + ") " + op + " (" + sub() + ")"
	case 2:
		return w.pick(`not `, `-`, `+`) + "(" + sub() + ")"
	case 3:
		return "(" + sub() + ") ? (" + sub() + ") : (" + sub() + ")"
	case 4:
		return "(" + sub() + ")" + w.pick(`.id`, `?.id`, `[0]`, `[-1]`, `?.[1]`, `["a"]`, `[1:]`, `[:2]`, `.Year()`, `.Unix()`, `.Hours()`, `?.b.c`, "["+sub()+"]")
	case 5:
		w.depth++
		body := w.expression(w.r.IntN(size))
		w.depth--
		name := w.pick(`all`, `none`, `any`, `one`, `filter`, `map`, `find`, `findIndex`, `findLast`, `findLastIndex`, `count`, `sum`, `groupBy`, `sortBy`)
		return fmt.Sprintf("%s(%s, {%s})", name, sub(), body)
	case 6:
		return "[" + sub() + ", " + sub() + "]"
	case 7:
		return "{a: " + sub() + ", (string(" + sub() + ")): " + sub() + "}"
	}
	names := strings.Fields("trim upper lower split replace repeat join indexOf hasPrefix toBase64 hex base64url urlEncode unbase64 sha256 hmacSHA256 jwtClaims len type string int float toJSON fromJSON " +
		"abs ceil floor round max min mean median bitand bitnot date duration timezone first last take reverse compact uniq concat flatten sort keys values toPairs fromPairs need")
	args := []string{sub(), sub(), sub(), sub()}[:w.r.IntN(4)]
	return w.pick(names...) + "(" + strings.Join(args, ", ") + ")"
}

// The type that the checker infers is the type of the value, and nothing panics.
func TestRandomExpressionsHaveTheTypeThatTheCheckerSays(t *testing.T) {
	t.Parallel()
	seed := uint64(rand.Uint32())
	w := &writer{r: rand.New(rand.NewPCG(seed, 1))}
	p := clinic()
	compiled, evaluated := 0, 0
	for range 60_000 {
		source := w.expression(1 + w.r.IntN(4))
		program, problems := expression.Compile(source, p)
		if len(problems) > 0 {
			continue
		}
		compiled++
		v, err := program.Eval(p)
		if err != nil {
			if strings.HasSuffix(err.Error(), "` cannot be evaluated") {
				t.Fatalf("%s panics (seed %d)", source, seed)
			}
			continue
		}
		evaluated++
		if !program.Type().Accepts(expression.Type{Kind: v.Kind()}) && !v.IsNull() {
			t.Fatalf("%s is said to be %s and is %s (seed %d)", source, program.Type(), v.Kind(), seed)
		}
		if items, ok := v.Items(); ok && program.Type().Items != nil {
			for _, item := range items {
				if !program.Type().Items.Accepts(expression.Type{Kind: item.Kind()}) && !item.IsNull() {
					t.Fatalf("%s is said to be %s and holds %s (seed %d)", source, program.Type(), item.Kind(), seed)
				}
			}
		}
		if text, err := v.JSON(); err == nil && expression.CheckJSON([]byte(text)) != nil {
			t.Fatalf("%s gives %q, which is no JSON (seed %d)", source, text, seed)
		}
	}
	if compiled < 3000 || evaluated < 1000 {
		t.Errorf("only %d compiled, %d evaluated", compiled, evaluated)
	}
}
