package check

import (
	"time"

	"github.com/stepwell/stepwell/flow/internal/plan"
	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// The poll of which the author says no more than `until`. A pause that grows
// stays at a minute, so that only who writes a longer one lets the run pause.
const (
	defaultEvery       = 5 * time.Second
	defaultPollTimeout = 10 * time.Minute
	defaultPollFactor  = 2
	defaultPollMax     = time.Minute
)

// poll compiles what a step is repeated for, with the names that are known
// at the present place; nil if there is none or its condition is wrong. What
// else `until` may read, such as `response`, is up to the caller.
func (c *checker) poll(from *syntax.Poll) *plan.Poll {
	if from == nil {
		return nil
	}
	p := &plan.Poll{Until: c.condition(from.Until), Every: defaultEvery, Timeout: defaultPollTimeout, Factor: 1}
	if p.Until == nil {
		return nil
	}
	if from.Every != nil {
		p.Every = from.Every.D
	}
	if from.Timeout != nil {
		p.Timeout = from.Timeout.D
	}
	p.Max = max(p.Every, defaultPollMax)
	switch {
	case from.Factor != nil:
		p.Factor = *from.Factor
	case from.Max != nil:
		p.Factor = defaultPollFactor
	}
	if from.Max != nil {
		p.Max = from.Max.D
	}
	p.Every = min(p.Every, p.Max)
	return p
}
