package value

import "strings"

// A Kinds is a set of kinds.
type Kinds uint32

// Has says whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// What functions take.
const (
	Texts    Kinds = 1<<String | 1<<Date | 1<<DateTime | 1<<Telephone
	rawBytes Kinds = Texts | 1<<Bytes
	integer  Kinds = 1 << Integer
	Numbers  Kinds = 1<<Integer | 1<<Number
	Lists    Kinds = 1 << List
	Objects  Kinds = 1 << Object
	anything Kinds = 1<<(Zone+1) - 1
)

// String names the set, for messages.
func (s Kinds) String() string {
	switch s {
	case Texts:
		return "text"
	case rawBytes:
		return "text or bytes"
	case Numbers:
		return "a number"
	case anything:
		return "a value"
	}
	var names []string
	for k := String; k <= Zone; k++ {
		if s.Has(k) && !(k != String && Texts.Has(k) && s.Has(String)) {
			names = append(names, k.Phrase())
		}
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// A Function can be called in expressions. Functions are shared and never
// change.
type Function struct {
	Least, Most int     // arguments; Most -1: any number
	Takes       []Kinds // of each argument; the last also of all after it
	Gives       Type
	Infer       func(args []Type) Type // instead of Gives
	Clean       bool                   // nothing of the arguments reaches the result: a length, a comparison
	Do          func(m *Budget, args []any) (any, *Error)
}

// Take is what the i-th argument may be.
func (f *Function) Take(i int) Kinds { return f.Takes[min(i, len(f.Takes)-1)] }

// Lookup finds a function by its name; nil if there is none.
func Lookup(name string) *Function {
	for _, table := range []map[string]*Function{textFunctions, listFunctions, valueFunctions} {
		if f := table[name]; f != nil {
			return f
		}
	}
	return nil
}

// Functions lists the names of all functions, in no order.
func Functions() (names []string) {
	for _, table := range []map[string]*Function{textFunctions, listFunctions, valueFunctions} {
		for name := range table {
			names = append(names, name)
		}
	}
	return names
}

// Fit makes a value of a kind that is in the set fit for computing: where
// integers are wanted they must be within 64 bits.
func Fit(v any, takes Kinds) (any, *Error) {
	n, ok := v.(number)
	if !ok || takes.Has(Number) {
		return v, nil
	}
	i, _, isInt, err := Numeric(n)
	if err != nil || !isInt {
		return v, err
	}
	return i, nil
}
