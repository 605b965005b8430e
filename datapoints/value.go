// Package datapoints holds what a run keeps: typed values that know whether
// they may be shown, their history, and the stores that keep them.
package datapoints

// A Class says where a value may be shown.
type Class uint8

// A Sensitive value is shown nowhere and stored only encrypted; a PII value is
// shown in outputs and to who asks for it, not in progress, diagnostics and logs.
const (
	Plain Class = iota
	PII
	Sensitive
)

// A Value is a JSON text with the digits and the order of keys it came with.
// However it is printed, logged or marshalled, a sensitive one shows as
// "[secret NAME]" and a personal one as "[pii NAME]": Reveal is the one way in.
// The zero Value holds nothing (Reveal gives ""). Values are immutable.
type Value struct {
	text  string
	label string
	class Class
}
