package value

// The kinds of Error, as the flow language names them.
const (
	KindExpression = "expression"
	KindData       = "data"
)

// An Error is why an expression or a template has no value. Its texts name
// parts of the author's text, never a value.
type Error struct {
	Kind     string // KindExpression or KindData
	Message  string
	From, To int // in the text that was compiled; both 0: all of it
	Hints    []string
	Err      error // of Env.Value, or nil
}

func (e *Error) Error() string { return e.Message }

// Unwrap is the Env's error, if that is the cause.
func (e *Error) Unwrap() error { return e.Err }
