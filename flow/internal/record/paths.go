package record

import (
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Instance names the scope's instance that a path lies in: of the run "", of an
// iteration the loop's path with its index, of a sub-flow its step's path with
// a "/", since a step in a loop may be both.
func Instance(sc *plan.Scope, path string) string {
	path = WithoutRound(Within(sc.Node, path))
	if sc.Node.Kind == plan.Flow && path != "" {
		path += "/"
	}
	return path
}

// Within is the path of the node's instance that a path lies in: its first
// segments, with iteration and round.
func Within(n *plan.Node, path string) string {
	depth := n.Depth
	if depth == 0 {
		return ""
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if depth--; depth == 0 {
			return path[:i]
		}
	}
	return path
}

// WithoutRound is the path of a step without the round that it ends with.
func WithoutRound(path string) string {
	if i := strings.LastIndexAny(path, ".#"); i >= 0 && path[i] == '#' {
		return path[:i]
	}
	return path
}

// Iteration is the index of the innermost loop of an instance's path: 3 of "a.notify[3]".
func Iteration(path string) int {
	open := strings.LastIndexByte(path, '[')
	i, _ := strconv.Atoi(path[open+1 : len(path)-1])
	return i
}
