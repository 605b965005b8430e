package diag

import "strings"

// Either joins alternatives for people: "a, b or c".
func Either(parts []string) string {
	last := len(parts) - 1
	if last <= 0 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:last], ", ") + " or " + parts[last]
}
