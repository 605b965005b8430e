package expression

import "strings"

// Suggest gives the candidate that was probably meant by a name, or "". Names
// that differ only in case, `_` and `-` come first, so that patientId finds
// patient_id.
func Suggest(name string, candidates []string) string {
	best, distance := "", len([]rune(name))/3+1
	bare := strings.NewReplacer("_", "", "-", "")
	folded := strings.ToLower(bare.Replace(name))
	for _, c := range candidates {
		if c == "" || c == name {
			continue
		}
		if strings.ToLower(bare.Replace(c)) == folded {
			return c
		}
		if d := edits(strings.ToLower(name), strings.ToLower(c), distance); d < distance || d == distance && best == "" && d < len(name) {
			best, distance = c, d
		}
	}
	return best
}

// edits counts the insertions, deletions, changes and swaps of neighbours
// between two names, up to most+1.
func edits(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > most || len(y)-len(x) > most || len(x) > 64 || len(y) > 64 {
		return most + 1
	}
	var before [66]int
	row, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		copy(before[:], last)
		row, last = last, row
	}
	return last[len(y)]
}
