package value_test

import (
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow/internal/expression/value"
)

func TestIntegersAreComparedExactly(t *testing.T) {
	t.Parallel()
	numbers := []string{`0`, `-0`, `1`, `-1`, `1.0`, `0.5`, `-0.5`, `1e3`, `1000`, `9007199254740993`, `9007199254740992.0`, `9223372036854775807`, `9223372036854775808`, `-9223372036854775808`, `-9223372036854775809`,
		`123456789012345678901234567890`, `123456789012345678901234567891`, `-123456789012345678901234567890`, `1e30`, `9223372036854775807.5`}
	var b value.Budget
	for _, x := range numbers {
		for _, y := range numbers {
			want := rational(x).Cmp(rational(y))
			got, err := b.Compare(value.Scan(x), value.Scan(y))
			if err != nil || got != want {
				t.Errorf("%s against %s: %d, want %d, %v", x, y, got, want, err)
			}
			if same, err := b.Equal(value.Scan(x), value.Scan(y), 0); same != (want == 0) || err != nil {
				t.Errorf("%s equal to %s: %v, %v", x, y, same, err)
			}
		}
	}
}

// rational is the number as it is computed with: an exact integer, or a float64.
func rational(s string) *big.Rat {
	r, _ := new(big.Rat).SetString(s)
	if !r.IsInt() || strings.ContainsAny(s, ".eE") {
		f, _ := r.Float64()
		r.SetFloat64(f)
	}
	return r
}

func TestIntegersNeverOverflowSilently(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	edges := []int64{0, 1, -1, 2, -2, 1<<31 - 1, 1 << 31, 1 << 32, 3037000500, 1<<62 - 1, 1 << 62, 1<<63 - 1, -1 << 63, -1<<63 + 1}
	pick := func() int64 {
		if r.IntN(2) == 0 {
			return edges[r.IntN(len(edges))]
		}
		return int64(r.Uint64()) >> r.IntN(63)
	}
	for range 200_000 {
		x, y := pick(), pick()
		a, b := big.NewInt(x), big.NewInt(y)
		for op, exact := range map[string]*big.Int{"+": new(big.Int).Add(a, b), "-": new(big.Int).Sub(a, b), "*": new(big.Int).Mul(a, b)} {
			got, err := value.Arithmetic(op, int(x), int(y))
			if exact.IsInt64() != (err == nil) || err == nil && got != int(exact.Int64()) {
				t.Fatalf("%d %s %d: %v, %v, want %v", x, op, y, got, err, exact)
			}
		}
		if y != 0 {
			if got, err := value.Arithmetic("%", int(x), int(y)); err != nil || got != int(new(big.Int).Rem(a, b).Int64()) {
				t.Fatalf("%d %% %d: %v, %v", x, y, got, err)
			}
		}
	}
}
