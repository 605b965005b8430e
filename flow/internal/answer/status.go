package answer

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// RetryAfter reads the header of that name: seconds or a date (RFC 9110 §10.2.3).
func (a *Answer) RetryAfter() (wait time.Duration, there bool) {
	for _, v := range a.Headers["Retry-After"] {
		v = strings.TrimSpace(v)
		if v != "" && strings.Trim(v, "0123456789") == "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n > int64(math.MaxInt64/time.Second) {
				return math.MaxInt64, true // a number that large is for ever
			}
			return time.Duration(n) * time.Second, true
		}
		for _, layout := range []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 MST", "Mon Jan _2 15:04:05 2006"} {
			if t, err := time.Parse(layout, v); err == nil {
				return max(time.Until(t), 0), true
			}
		}
	}
	return 0, false
}

// StatusIn says whether a status is one of those that are listed; without a
// list, 2xx.
func StatusIn(ranges []plan.StatusRange, status int) bool {
	for _, r := range ranges {
		if status >= r.From && status <= r.To {
			return true
		}
	}
	return len(ranges) == 0 && status/100 == 2
}

// StatusText is a status with its usual words (RFC 9110 §15).
func StatusText(status int) string {
	words := map[int]string{200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found", 303: "See Other",
		304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
		404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 412: "Precondition Failed",
		413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content", 425: "Too Early", 428: "Precondition Required",
		429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}[status]
	if words == "" {
		return strconv.Itoa(status)
	}
	return strconv.Itoa(status) + " " + words
}

// HeaderName is a header's name as people write it.
func HeaderName(name string) string {
	if name == "Www-Authenticate" {
		return "WWW-Authenticate"
	}
	return name
}

// Describe is an answer in a few words: "202 Accepted, application/json, 40 bytes".
func (a *Answer) Describe() string {
	text := strconv.Itoa(len(a.Body)) + " bytes"
	if t := a.Headers["Content-Type"]; len(t) > 0 {
		text = t[0] + ", " + text
	}
	if a.Status == 0 {
		return text
	}
	return StatusText(a.Status) + ", " + text
}
