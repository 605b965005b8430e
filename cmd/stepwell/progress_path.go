package main

import (
	"strconv"
	"strings"
)

// loopOf is the path of the outermost loop that a path lies in, or the path
// itself. The clauses of catch have brackets, too, but are no iterations.
func loopOf(path string) string {
	from := 0
	for {
		i := strings.IndexByte(path[from:], '[')
		if i < 0 {
			return path
		}
		i += from
		segment := path[strings.LastIndexByte(path[:i], '.')+1 : i]
		if segment != "catch" {
			return path[:i]
		}
		from = i + 1
	}
}

// isIteration says whether a path is an iteration of a loop and not a step in one.
func isIteration(path, loop string) bool {
	rest := path[len(loop):]
	return strings.IndexByte(rest, ']') == len(rest)-1
}

// A roundOf is a block and the round of it that a path lies in, from 0.
type roundOf struct {
	path  string
	round int
}

// roundsOf are the rounds that a path lies in, outside of loops: "update#2.get"
// is in the third of update.
func roundsOf(path string) []roundOf {
	var list []roundOf
	path = loopOf(path)
	for i := 0; i < len(path); i++ {
		if path[i] != '#' {
			continue
		}
		end := i + 1
		for end < len(path) && path[end] >= '0' && path[end] <= '9' {
			end++
		}
		n, _ := strconv.Atoi(path[i+1 : end])
		list = append(list, roundOf{keyOf(path[:i]), n})
	}
	return list
}

// keyOf is a path without its rounds: what stands for it in all of them.
func keyOf(path string) string {
	if strings.IndexByte(path, '#') < 0 {
		return path
	}
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '#' {
			b.WriteByte(path[i])
			continue
		}
		for i+1 < len(path) && path[i+1] >= '0' && path[i+1] <= '9' {
			i++
		}
	}
	return b.String()
}
