package value

import "fmt"

// Limits of one evaluation.
const (
	MaxOperations = 1_000_000
	MaxBytes      = 64 << 20 // of the texts and lists made while computing

	bytesPerOperation = 512 // of reading
)

// A Budget counts what one evaluation does and makes, so that it ends and does
// not exhaust the memory. The zero value is full. It is not for concurrent use.
type Budget struct{ ops, bytes int }

// Little is a budget that is almost used up: for what is evaluated on the side.
func Little() Budget { return Budget{ops: MaxOperations - 1000, bytes: MaxBytes - 16<<10} }

// Spent says whether an evaluation ended because its budget did.
func (m *Budget) Spent() bool { return m.ops > MaxOperations || m.bytes > MaxBytes }

// Tick counts n operations.
func (m *Budget) Tick(n int) *Error {
	if m.ops += n; m.ops > MaxOperations {
		return Failure(fmt.Sprintf("the expression needs more than %d operations", MaxOperations))
	}
	return nil
}

// Read counts the reading of n bytes.
func (m *Budget) Read(n int) *Error { return m.Tick(n / bytesPerOperation) }

// Grow counts n bytes that are made.
func (m *Budget) Grow(n int) *Error {
	if m.bytes += n; m.bytes > MaxBytes || n < 0 {
		return Failure(fmt.Sprintf("the expression makes more than %d MiB", MaxBytes>>20))
	}
	return m.Read(n)
}

// List counts a list of n items that is made.
func (m *Budget) List(n int) *Error {
	if err := m.Tick(n); err != nil {
		return err
	}
	return m.Grow(16 * n)
}
