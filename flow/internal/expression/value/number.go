package value

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// A number is a JSON number whose digits must be kept because an int cannot
// give them back: 13.0, 1e3, -0, integers beyond 64 bits.
type number string

// scanNumber reads a JSON number: an int if that loses nothing. What is no
// number is null.
func scanNumber(raw string) any {
	digits := strings.TrimPrefix(raw, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' {
		return nil
	}
	if len(digits) < 20 && raw != "-0" && number(raw).isInteger() {
		if i, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return int(i)
		}
	}
	return number(raw)
}

func (n number) isInteger() bool { return !strings.ContainsAny(string(n), ".eE") }

const beyond = "an integer beyond 64 bits can be passed on and compared, not computed with"

// Numeric is a number to compute with: an int, or else a float64.
func Numeric(v any) (i int, f float64, isInt bool, err *Error) {
	switch v := v.(type) {
	case int:
		return v, float64(v), true, nil
	case float64:
		return 0, v, false, nil
	case number:
		if v == "-0" {
			return 0, 0, true, nil
		}
		if v.isInteger() {
			return 0, 0, false, Failure(beyond)
		}
		f, parse := strconv.ParseFloat(string(v), 64)
		if parse != nil {
			return 0, 0, false, Failure("a number is too large to compute with")
		}
		return 0, f, false, nil
	}
	return 0, 0, false, Failure(KindOf(v).Phrase() + " is not a number")
}

// formatFloat is the shortest text without an exponent that gives f again.
func formatFloat(f float64) string {
	if f == 0 {
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// finite refuses NaN and the infinities.
func finite(f float64) (any, *Error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, Failure("the result is not a finite number")
	}
	return f, nil
}

const overflow = "the result does not fit into 64 bits"

// Arithmetic computes + - * / % ** of two numbers. Integers stay integers in
// + - * %, and do not overflow silently.
func Arithmetic(op string, a, b any) (any, *Error) {
	x, f, xInt, err := Numeric(a)
	if err != nil {
		return nil, err
	}
	y, g, yInt, err := Numeric(b)
	if err != nil {
		return nil, err
	}
	switch {
	case (op == "/" || op == "%") && g == 0:
		return nil, Failure("division by zero")
	case op == "/":
		return finite(f / g)
	case op == "**":
		return finite(math.Pow(f, g))
	case op == "%" && !(xInt && yInt):
		return nil, Failure("% is for integers")
	case xInt && yInt:
		return integers(op, x, y)
	}
	switch op {
	case "+":
		return finite(f + g)
	case "-":
		return finite(f - g)
	}
	return finite(f * g)
}

func integers(op string, x, y int) (any, *Error) {
	r, ok := 0, true
	switch op {
	case "+":
		r = x + y
		ok = (r > x) == (y > 0)
	case "-":
		r = x - y
		ok = (r < x) == (y > 0)
	case "*":
		r = x * y
		ok = x == 0 || (r/x == y && !(x == -1 && y == math.MinInt))
	case "%":
		if y != -1 {
			r = x % y
		}
	}
	if !ok {
		return nil, Failure(overflow)
	}
	return r, nil
}

// compareNumbers gives -1, 0, 1. Integers are compared exactly, however long.
func compareNumbers(a, b any) (int, *Error) {
	m, aBig := a.(number)
	n, bBig := b.(number)
	aBig, bBig = aBig && m.isInteger(), bBig && n.isInteger()
	switch {
	case aBig && bBig:
		return compareDigits(string(m), string(n)), nil
	case aBig:
		return bigAgainst(m, b)
	case bBig:
		c, err := bigAgainst(n, a)
		return -c, err
	}
	x, f, xInt, err := Numeric(a)
	if err != nil {
		return 0, err
	}
	y, g, yInt, err := Numeric(b)
	switch {
	case err != nil:
		return 0, err
	case xInt && yInt:
		return order(x, y), nil
	case xInt:
		return -floatAgainst(g, x), nil
	case yInt:
		return floatAgainst(f, y), nil
	}
	return order(f, g), nil
}

// bigAgainst compares an integer beyond 64 bits (or -0) with another number.
func bigAgainst(m number, other any) (int, *Error) {
	if i, ok := other.(int); ok {
		return compareDigits(string(m), strconv.Itoa(i)), nil
	}
	_, f, _, err := Numeric(other)
	if err != nil {
		return 0, err
	}
	g, _ := strconv.ParseFloat(string(m), 64) // ±Inf is right here
	return order(g, f), nil
}

// floatAgainst compares a float with an int without rounding the int.
func floatAgainst(f float64, i int) int {
	switch {
	case f >= 1<<63:
		return 1
	case f < -1<<63:
		return -1
	}
	if c := order(int(f), i); c != 0 {
		return c
	}
	return order(f, math.Trunc(f))
}

// compareDigits compares two integers written in decimal.
func compareDigits(a, b string) int {
	x, aNegative := strings.CutPrefix(a, "-")
	y, bNegative := strings.CutPrefix(b, "-")
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	aNegative, bNegative = aNegative && x != "", bNegative && y != ""
	if aNegative != bNegative {
		if aNegative {
			return -1
		}
		return 1
	}
	c := order(len(x), len(y))
	if c == 0 {
		c = strings.Compare(x, y)
	}
	if aNegative {
		return -c
	}
	return c
}

func order[T int | float64 | time.Duration](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
