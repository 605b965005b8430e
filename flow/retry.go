package flow

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// maxRetryAfter is the longest wait that a server may ask for.
const maxRetryAfter = 300 * time.Second

// again says whether and when a failed attempt is repeated.
func (c *calling) again(e *Error) (until time.Time, asked, ok bool) {
	rt := &c.spec.Retry
	if c.r.Tries+1 >= rt.Attempts || e.Kind == KindUnknown || c.call.Do == nil && rt.When == nil {
		return time.Time{}, false, false
	}
	if c.call.Do != nil && !c.call.Repeatable && !certain(e) {
		return time.Time{}, false, false
	}
	if !c.reason(e) {
		return time.Time{}, false, false
	}
	wait := backoff(rt, c.r.Tries)
	if c.asked || e.After > 0 {
		wait, asked = e.After, true
	}
	if asked && wait > maxRetryAfter {
		e.Hints = append(e.Hints, fmt.Sprintf("the server asks to wait %s; a run waits at most %s: resume it then", wait.Round(time.Second), maxRetryAfter))
		return time.Time{}, false, false
	}
	until = time.Now().Add(wait)
	if late(c.deadline, until) {
		e.Hints = append(e.Hints, "it was not tried again: the step's time would be over before")
		return time.Time{}, false, false
	}
	return until, asked, true
}

// certain says that a call was not processed: nothing was sent, or the server said so.
func certain(e *Error) bool {
	return e.Refused || !e.Sent && (e.Kind == KindNetwork || e.Kind == KindTimeout)
}

// reason says whether the author, or the language, lists this failure.
func (c *calling) reason(e *Error) bool {
	rt := &c.spec.Retry
	if rt.Default && byDefault(e) {
		return true
	}
	for _, on := range rt.On {
		if on == string(e.Kind) && (e.Kind == KindNetwork || e.Kind == KindTimeout) {
			return true
		}
		if e.Status != 0 && (on == strconv.Itoa(e.Status) || on == strconv.Itoa(e.Status/100)+"xx") {
			return true
		}
	}
	if rt.When == nil {
		return false
	}
	c.env.fault = c.w.fault(e, c.t.Path, c.n.Span)
	ok, err := c.w.holds(rt.When, c.env)
	if err != nil {
		e.Hints = append(e.Hints, "retry.when could not be evaluated and counted as false: "+err.Error())
	}
	return ok && err == nil
}

func byDefault(e *Error) bool {
	switch e.Status {
	case 0:
		return e.Kind == KindNetwork || e.Kind == KindTimeout
	case 408, 425, 429, 502, 503, 504:
		return true
	}
	return e.Kind == KindNetwork || e.Kind == KindTimeout
}

// backoff is full jitter: anything up to initial × factor^tries, at most max.
func backoff(rt *plan.Retry, tries int) time.Duration {
	limit := float64(rt.Initial)
	for range tries {
		limit = min(limit*rt.Factor, float64(rt.Max))
	}
	limit = min(limit, float64(rt.Max))
	return time.Duration(rand.Float64() * limit)
}
