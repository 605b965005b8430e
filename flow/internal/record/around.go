package record

import (
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// ByPath gives rows by their paths.
func ByPath(entries []datapoints.Entry) map[string]*datapoints.Row {
	rows := make(map[string]*datapoints.Row, len(entries))
	for i := range entries {
		rows[entries[i].Path] = &entries[i].Row
	}
	return rows
}

// Taken says whether a clause of catch took the failure that a path recorded.
func Taken(rows map[string]*datapoints.Row, path string) bool {
	for at := path; ; {
		if r := rows[at]; r != nil && r.Caught.Status == datapoints.Done && r.Caught.Next >= 0 && r.Origin == path {
			return true
		}
		i := strings.LastIndexAny(at, ".[#")
		if i < 0 {
			return false
		}
		at = at[:i]
	}
}

// Left says whether a step around a path has ended without it: then nothing at
// the path goes on. What runs after a step, such as its finally, is not left.
func Left(rows map[string]*datapoints.Row, path string) bool {
	for at := path; at != ""; {
		i := max(strings.LastIndexAny(at, ".[#"), 0)
		part := strings.TrimPrefix(at[i:], ".")
		after := part == "else" || part == "catch" || part == "finally"
		at = at[:i]
		if r := rows[at]; r != nil && Final(r) && !after {
			return true
		}
	}
	return false
}
