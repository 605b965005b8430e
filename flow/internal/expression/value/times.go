package value

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parseTime reads RFC 3339 and keeps the offset.
func parseTime(s string) (any, *Error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return nil, Failure("is not an RFC 3339 time")
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

// toTime is date(text), date(text, layout) and date(text, layout, zone).
func toTime(m *Budget, a []any) (any, *Error) {
	if t, ok := a[0].(time.Time); ok {
		return t, nil
	}
	s := a[0].(string)
	if len(s) > 200 {
		return nil, Failure("the text is not a date")
	}
	if len(a) > 1 {
		return withLayout(s, a[1:])
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime, time.RFC1123, time.RFC1123Z, time.RFC822, time.RFC850, time.TimeOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return keepOffset(t), nil
		}
	}
	return nil, Failure("the text is not a date", "dates look like 2026-11-21 or 2026-11-21T10:00:00+01:00; date(text, layout) reads others")
}

func withLayout(s string, more []any) (any, *Error) {
	Zone := time.UTC
	if len(more) > 1 {
		var err error
		if Zone, err = time.LoadLocation(more[1].(string)); err != nil {
			return nil, Failure("there is no such time zone")
		}
	}
	t, err := time.ParseInLocation(more[0].(string), s, Zone)
	if err != nil {
		return nil, Failure("the text does not have the form of the layout", "a layout is the time 2006-01-02T15:04:05Z07:00 written in that form")
	}
	if len(more) > 1 {
		return t, nil
	}
	return keepOffset(t), nil
}

// toDuration reads durations as flows write them: 1h30m, 3d, 200ms.
func toDuration(m *Budget, a []any) (any, *Error) {
	if d, ok := a[0].(time.Duration); ok {
		return d, nil
	}
	s := a[0].(string)
	days, rest, ok := strings.Cut(s, "d")
	if n, err := strconv.Atoi(days); ok && err == nil && n > -100_000 && n < 100_000 {
		var more time.Duration
		if rest != "" {
			var err error
			if more, err = time.ParseDuration(rest); err != nil || rest[0] == '-' || rest[0] == '+' {
				return nil, Failure("the text is not a duration", "durations look like 15s, 1h30m, 3d")
			}
		}
		if strings.HasPrefix(days, "-") {
			more = -more
		}
		return time.Duration(n)*24*time.Hour + more, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, Failure("the text is not a duration", "durations look like 15s, 1h30m, 3d")
	}
	return d, nil
}

// A Method is what a method of a time or a duration takes and gives.
type Method struct {
	Takes []Kinds
	Gives Type
	Do    func(v any, a []any) any
}

// LookupMethod finds a method of Time or Duration; ok is false if there is none.
func LookupMethod(k Kind, name string) (m Method, ok bool) {
	switch k {
	case Time:
		m, ok = timeMethods[name]
	case Duration:
		m, ok = durationMethods[name]
	}
	return m, ok
}

// Methods lists the names of the methods of Time or Duration, sorted.
func Methods(k Kind) []string {
	if k == Time {
		return slices.Sorted(maps.Keys(timeMethods))
	}
	return slices.Sorted(maps.Keys(durationMethods))
}

var whole, fraction = Type{Kind: Integer}, Type{Kind: Number}

func ofTime(gives Type, do func(t time.Time) any) Method {
	return Method{nil, gives, func(v any, _ []any) any { return do(v.(time.Time)) }}
}

func ofDuration(gives Type, do func(d time.Duration) any) Method {
	return Method{nil, gives, func(v any, _ []any) any { return do(v.(time.Duration)) }}
}

// timeMethods are the methods of times.
var timeMethods = map[string]Method{
	"Unix":       ofTime(whole, func(t time.Time) any { return int(t.Unix()) }),
	"UnixMilli":  ofTime(whole, func(t time.Time) any { return int(t.UnixMilli()) }),
	"UnixMicro":  ofTime(whole, func(t time.Time) any { return int(t.UnixMicro()) }),
	"UnixNano":   ofTime(whole, func(t time.Time) any { return int(t.UnixNano()) }),
	"Year":       ofTime(whole, func(t time.Time) any { return t.Year() }),
	"Month":      ofTime(whole, func(t time.Time) any { return int(t.Month()) }),
	"Day":        ofTime(whole, func(t time.Time) any { return t.Day() }),
	"Hour":       ofTime(whole, func(t time.Time) any { return t.Hour() }),
	"Minute":     ofTime(whole, func(t time.Time) any { return t.Minute() }),
	"Second":     ofTime(whole, func(t time.Time) any { return t.Second() }),
	"Nanosecond": ofTime(whole, func(t time.Time) any { return t.Nanosecond() }),
	"Weekday":    ofTime(whole, func(t time.Time) any { return int(t.Weekday()) }),
	"YearDay":    ofTime(whole, func(t time.Time) any { return t.YearDay() }),
	"IsZero":     ofTime(Type{Kind: Boolean}, func(t time.Time) any { return t.IsZero() }),
	"UTC":        ofTime(Type{Kind: Time}, func(t time.Time) any { return t.UTC() }),
	"String":     ofTime(text, func(t time.Time) any { s, _ := formatTime(t); return s }),
	"Format":     {[]Kinds{Texts}, text, func(v any, a []any) any { return v.(time.Time).Format(a[0].(string)) }},
	"Add":        {[]Kinds{1 << Duration}, Type{Kind: Time}, func(v any, a []any) any { return v.(time.Time).Add(a[0].(time.Duration)) }},
	"Sub":        {[]Kinds{1 << Time}, Type{Kind: Duration}, func(v any, a []any) any { return v.(time.Time).Sub(a[0].(time.Time)) }},
	"Before":     {[]Kinds{1 << Time}, Type{Kind: Boolean}, func(v any, a []any) any { return v.(time.Time).Before(a[0].(time.Time)) }},
	"After":      {[]Kinds{1 << Time}, Type{Kind: Boolean}, func(v any, a []any) any { return v.(time.Time).After(a[0].(time.Time)) }},
	"Equal":      {[]Kinds{1 << Time}, Type{Kind: Boolean}, func(v any, a []any) any { return v.(time.Time).Equal(a[0].(time.Time)) }},
	"In":         {[]Kinds{1 << Zone}, Type{Kind: Time}, func(v any, a []any) any { return v.(time.Time).In(a[0].(*time.Location)) }},
	"AddDate": {[]Kinds{integer, integer, integer}, Type{Kind: Time}, func(v any, a []any) any {
		return v.(time.Time).AddDate(a[0].(int), a[1].(int), a[2].(int))
	}},
	"Truncate": {[]Kinds{1 << Duration}, Type{Kind: Time}, func(v any, a []any) any { return v.(time.Time).Truncate(a[0].(time.Duration)) }},
	"Round":    {[]Kinds{1 << Duration}, Type{Kind: Time}, func(v any, a []any) any { return v.(time.Time).Round(a[0].(time.Duration)) }},
}

// durationMethods are the methods of durations.
var durationMethods = map[string]Method{
	"Hours":        ofDuration(fraction, func(d time.Duration) any { return d.Hours() }),
	"Minutes":      ofDuration(fraction, func(d time.Duration) any { return d.Minutes() }),
	"Seconds":      ofDuration(fraction, func(d time.Duration) any { return d.Seconds() }),
	"Milliseconds": ofDuration(whole, func(d time.Duration) any { return int(d.Milliseconds()) }),
	"Microseconds": ofDuration(whole, func(d time.Duration) any { return int(d.Microseconds()) }),
	"Nanoseconds":  ofDuration(whole, func(d time.Duration) any { return int(d.Nanoseconds()) }),
	"String":       ofDuration(text, func(d time.Duration) any { return d.String() }),
	"Abs":          ofDuration(Type{Kind: Duration}, func(d time.Duration) any { return d.Abs() }),
	"Truncate":     {[]Kinds{1 << Duration}, Type{Kind: Duration}, func(v any, a []any) any { return v.(time.Duration).Truncate(a[0].(time.Duration)) }},
	"Round":        {[]Kinds{1 << Duration}, Type{Kind: Duration}, func(v any, a []any) any { return v.(time.Duration).Round(a[0].(time.Duration)) }},
}
