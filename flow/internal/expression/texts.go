package expression

import "time"

// parseTime reads RFC 3339 and keeps the offset.
func parseTime(s string) (any, *Error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, failure("is not an RFC 3339 time")
	}
	return keepOffset(t), nil
}

// keepOffset makes the offset that was read the time's zone, whatever zone the
// machine is in.
func keepOffset(t time.Time) time.Time {
	_, offset := t.Zone()
	if offset == 0 {
		return t.UTC()
	}
	return t.In(time.FixedZone("", offset))
}
