package oauth2

import (
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions/internal/ordered"
)

const (
	minMargin   = 5 * time.Second
	maxMargin   = time.Minute
	maxLifetime = 10 * 365 * 24 * time.Hour
	minEpoch    = 1e9 // a number from here on is a point in time: 2001
	maxEpoch    = 1e11
	softFrom    = 0.75
	softTo      = 0.90
)

// A life is when a token may be used.
type life struct{ obtained, soft, until, expires time.Time }

// lifeOf plans a token's life from the time its request began. It is not used
// in the margin before its end: as long as an attempt may take, at least a tenth
// of the lifetime within 5s and 60s, at most half of it; early is another length
// for it. draw, from 0 to 1, spreads the times at which many renew.
func lifeOf(begun time.Time, lifetime, attempt, early time.Duration, draw float64) life {
	margin := max(min(max(lifetime/10, minMargin), maxMargin), attempt)
	if early > 0 {
		margin = early
	}
	margin = min(margin, lifetime/2)
	usable := lifetime - margin
	soft := time.Duration(float64(usable) * (softFrom + draw*(softTo-softFrom)))
	return life{obtained: begun, soft: begun.Add(soft), until: begun.Add(usable), expires: begun.Add(lifetime)}
}

// lifetime reads expires_in as servers write it: a number or a text with one,
// also with a fraction or an exponent. A number that can only be a point in
// time, or a text that is one (RFC 3339), is taken as that. It is false for
// everything that says nothing: null, 0, less, and what cannot be read.
func lifetime(raw string, now time.Time) (time.Duration, bool) {
	text, ok := ordered.Scalar(raw)
	if !ok {
		return 0, false
	}
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return positive(at.Sub(now))
	}
	seconds, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && !isRange(err), seconds != seconds, strings.ContainsAny(text, "xXpP_"):
		return 0, false
	case seconds >= minEpoch && seconds < maxEpoch:
		return positive(time.Unix(int64(seconds), 0).Sub(now))
	case seconds >= maxLifetime.Seconds():
		return maxLifetime, true
	}
	return positive(time.Duration(seconds * float64(time.Second)))
}

func positive(d time.Duration) (time.Duration, bool) { return min(d, maxLifetime), d > 0 }
