package plan

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/stepwell/stepwell/flow/internal/expression"
)

// Lists says whether a failure is among those that the author, or the
// language, lists. Status is that of the answer, or 0.
func (r *Retry) Lists(kind string, status int) bool {
	if r.Default && (kind == "network" || kind == "timeout" || byDefault(status)) {
		return true
	}
	for _, on := range r.On {
		if on == kind || status != 0 && (on == strconv.Itoa(status) || on == strconv.Itoa(status/100)+"xx") {
			return true
		}
	}
	return false
}

func byDefault(status int) bool {
	switch status {
	case 408, 425, 429, 502, 503, 504:
		return true
	}
	return false
}

// Wait is full jitter: anything up to initial × factor^tries, at most max.
func (r *Retry) Wait(tries int) time.Duration {
	limit := float64(r.Initial)
	for range tries {
		limit = min(limit*r.Factor, float64(r.Max))
	}
	limit = min(limit, float64(r.Max))
	return time.Duration(rand.Float64() * limit)
}

// Wait is how long to wait after so many polls or rounds: every × factor^n, at most max.
func (p *Poll) Wait(done int) time.Duration {
	wait := float64(p.Every)
	for range done {
		if wait = min(wait*p.Factor, float64(p.Max)); wait == float64(p.Max) {
			break
		}
	}
	return time.Duration(wait)
}

// A WaitSpec is how long a step waits: For, or what Text gives, or to the time
// that Until gives.
type WaitSpec struct {
	For   time.Duration        // what Text says if it is constant, else 0
	Text  *expression.Template // a duration as text; nil: Until
	Until *expression.Template // a time, or text that is one
	Long  bool                 // may be longer than Patience: the run may pause
}

// Patience is how long a run stays for what is due next; for longer it pauses.
const Patience = time.Minute

// Round is the path of a node's round. Rounds are numbered from 1, as attempts
// are, and their paths from 0.
func Round(path string, n int) string { return path + "#" + strconv.Itoa(n-1) }

// Join is the path of a part.
func Join(path, id string) string {
	if path == "" {
		return id
	}
	return path + "." + id
}
