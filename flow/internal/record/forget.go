package record

import (
	"strconv"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// What is recorded inside an iteration is not asked for again once the
// iteration has ended well: of a loop of 100,000 items the rows of those under
// way are in memory, and one bit for each that is over. The store has them all.

// iteration takes the path of an iteration apart; ok is false for other paths,
// clauses of catch too.
func iteration(path string) (loop string, i int, ok bool) {
	open := strings.LastIndexByte(path, '[')
	if open < 0 || path[len(path)-1] != ']' || strings.HasSuffix(path[:open], ".catch") {
		return "", 0, false
	}
	i, err := strconv.Atoi(path[open+1 : len(path)-1])
	return path[:open], i, err == nil
}

// around is the innermost iteration that a path lies in, itself not counted, or "".
func around(path string) string {
	end := strings.LastIndexByte(path, '.')
	if end < 0 {
		return ""
	}
	return path[:strings.LastIndexByte(path[:end], ']')+1]
}

// enter notes a new path with the iteration around it. An iteration itself is
// found by its loop.
func (s *State) enter(path string) {
	if _, _, ok := iteration(path); ok {
		return
	}
	if in := around(path); in != "" {
		set(&s.inside, in, append(s.inside[in], path))
	}
}

// forget lets the rows of an iteration go that has ended well, unless there is
// a call in it of which it is not known whether it was processed.
func (s *State) forget(path string) {
	loop, i, ok := iteration(path)
	if !ok || s.has(s.unknown, path) || s.has(s.doubts, path) {
		return
	}
	s.drop(path)
	bits := s.over[loop]
	for len(bits) <= i/64 {
		bits = append(bits, 0)
	}
	bits[i/64] |= 1 << (i % 64)
	set(&s.over, loop, bits)
}

func (s *State) has(paths map[string]bool, below string) bool {
	for path := range paths {
		if datapoints.Below(path, below) {
			return true
		}
	}
	return false
}

// drop removes an iteration with what is inside, other loops too.
func (s *State) drop(path string) {
	for _, p := range s.inside[path] {
		if r := s.rows[p]; r != nil {
			for i := range r.Enter.Count {
				s.drop(p + "[" + strconv.Itoa(i) + "]")
			}
		}
		delete(s.over, p)
		delete(s.rows, p)
	}
	delete(s.inside, path)
	delete(s.rows, path)
}

// row is what is recorded at a path, or nil. Of an iteration that was let go
// only that it ended well.
func (s *State) row(path string) *datapoints.Row {
	if r := s.rows[path]; r != nil || len(s.over) == 0 {
		return r
	}
	loop, i, ok := iteration(path)
	if bits := s.over[loop]; ok && i/64 < len(bits) && bits[i/64]&(1<<(i%64)) != 0 {
		return &datapoints.Row{Enter: datapoints.Outcome{Status: datapoints.Open}, Last: datapoints.Outcome{Status: datapoints.Done}}
	}
	return nil
}
