package format

import (
	"slices"

	"github.com/stepwell/stepwell/flow/internal/syntax"
)

// order gives the places of a mapping's parts in the order of its table: `<<`
// first or behind `id`, what the table does not have last. A part that sets an
// anchor comes before the first that uses it.
func order(n *node, table *syntax.Table) []int {
	ranks := make([]int, len(n.parts))
	sorted := make([]int, len(n.parts))
	for i, p := range n.parts {
		sorted[i] = i
		ranks[i] = rank(p.name, table)
	}
	byRank := func(a, b int) int { return ranks[a] - ranks[b] }
	slices.SortStableFunc(sorted, byRank)
	placed := make([]bool, len(n.parts))
	result := make([]int, 0, len(n.parts))
	var put func(i int)
	put = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		for _, j := range sorted {
			if j < i && (sets(n.parts[j], n.parts[i].value.aliases) || sets(n.parts[j], n.parts[i].key.aliases)) {
				put(j)
			}
		}
		result = append(result, i)
	}
	for _, i := range sorted {
		put(i)
	}
	return result
}

// rank is where a key belongs.
func rank(name string, table *syntax.Table) int {
	for i, k := range table.Keys {
		if k.Name == name {
			return 2 * i
		}
	}
	if name != "<<" {
		return 2 * len(table.Keys)
	}
	if table.Keys[0].Name == "id" {
		return 1
	}
	return -1
}

// sets says whether a part sets one of the anchors.
func sets(p part, names map[string]bool) bool {
	for name := range names {
		if p.value.anchors[name] || p.key != nil && p.key.anchors[name] {
			return true
		}
	}
	return false
}
