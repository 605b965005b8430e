package main

import (
	"fmt"
	"slices"
	"strings"
)

// A change is a line that goes ('-'), comes ('+') or stays (' ').
type change struct {
	sign byte
	text string
}

// unified gives the lines in which two texts differ, with three lines around
// them, as diff -u writes them.
func unified(name, before, after string) []string {
	changes := differences(nil, linesOf(before), linesOf(after))
	const around = 3
	out := []string{"--- " + name, "+++ " + name}
	for i := 0; i < len(changes); {
		first := slices.IndexFunc(changes[i:], func(c change) bool { return c.sign != ' ' })
		if first < 0 {
			break
		}
		start := max(i, i+first-around)
		end, last := i+first, i+first
		for ; end < len(changes) && end-last <= 2*around; end++ {
			if changes[end].sign != ' ' {
				last = end
			}
		}
		end = min(last+around+1, len(changes))
		out = append(out, fmt.Sprintf("@@ -%s +%s @@", extent(changes, start, end, '+'), extent(changes, start, end, '-')))
		for _, c := range changes[start:end] {
			out = append(out, string(c.sign)+c.text)
		}
		i = end
	}
	return out
}

// extent is the first line and the number of lines of a part in the text that
// has no lines with the sign.
func extent(changes []change, start, end int, without byte) string {
	before, inside := 0, 0
	for i, c := range changes[:end] {
		switch {
		case c.sign == without:
		case i < start:
			before++
		default:
			inside++
		}
	}
	if inside > 0 {
		before++
	}
	return fmt.Sprintf("%d,%d", before, inside)
}

func linesOf(text string) []string {
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
}

// differences appends the changes from a to b: what is the same at both ends stays,
// and between them the lines that stand once in both and in the same order.
func differences(changes []change, a, b []string) []change {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		changes = append(changes, change{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	same := 0
	for same < len(a) && same < len(b) && a[len(a)-1-same] == b[len(b)-1-same] {
		same++
	}
	tail := a[len(a)-same:]
	a, b = a[:len(a)-same], b[:len(b)-same]
	fromA, fromB := 0, 0
	for _, pair := range anchors(a, b) {
		changes = differences(changes, a[fromA:pair[0]], b[fromB:pair[1]])
		changes = append(changes, change{' ', a[pair[0]]})
		fromA, fromB = pair[0]+1, pair[1]+1
	}
	if fromA+fromB > 0 {
		changes = differences(changes, a[fromA:], b[fromB:])
	} else {
		for _, line := range a {
			changes = append(changes, change{'-', line})
		}
		for _, line := range b {
			changes = append(changes, change{'+', line})
		}
	}
	for _, line := range tail {
		changes = append(changes, change{' ', line})
	}
	return changes
}

// anchors are the places of lines that stand once in a and once in b: as many
// as have the same order in both.
func anchors(a, b []string) [][2]int {
	count := map[string]int{}
	for _, line := range a {
		count[line]++
	}
	inB := map[string]int{}
	for i, line := range b {
		if _, twice := inB[line]; twice {
			i = -1
		}
		inB[line] = i
	}
	var pairs [][2]int
	var tops []int // of each length the sequence's last pair with the smallest place in b
	var before []int
	for i, line := range a {
		at, there := inB[line]
		if !there || at < 0 || count[line] != 1 {
			continue
		}
		pairs = append(pairs, [2]int{i, at})
		k, _ := slices.BinarySearchFunc(tops, at, func(top, at int) int { return pairs[top][1] - at })
		previous := -1
		if k > 0 {
			previous = tops[k-1]
		}
		before = append(before, previous)
		if k == len(tops) {
			tops = append(tops, len(pairs)-1)
		} else {
			tops[k] = len(pairs) - 1
		}
	}
	if len(tops) == 0 {
		return nil
	}
	sequence := make([][2]int, len(tops))
	for i, at := len(tops)-1, tops[len(tops)-1]; i >= 0; i, at = i-1, before[at] {
		sequence[i] = pairs[at]
	}
	return sequence
}
