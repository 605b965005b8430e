package value

import "testing"

func TestAnEvaluationMayDoAMillionOperationsAndNoMore(t *testing.T) {
	t.Parallel()
	for n, fits := range map[int]bool{MaxOperations - 1: true, MaxOperations: true, MaxOperations + 1: false} {
		var one, many Budget
		atOnce := one.Tick(n)
		var last *Error
		for range n {
			last = many.Tick(1)
		}
		if (atOnce == nil) != fits || (last == nil) != fits {
			t.Errorf("%d operations: %v at once, %v one by one", n, atOnce, last)
		}
	}
}

func TestAnEvaluationMayMakeSoManyBytesAndNoMore(t *testing.T) {
	t.Parallel()
	for n, fits := range map[int]bool{MaxBytes - 1: true, MaxBytes: true, MaxBytes + 1: false} {
		var m Budget
		if err := m.Grow(n); (err == nil) != fits {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
