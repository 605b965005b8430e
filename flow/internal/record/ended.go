package record

import (
	"strconv"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow/internal/plan"
)

// Ended counts the steps below root that need no more doing: those that ended
// well, that were passed over, and that lie in a part of the flow not taken.
// Of a loop that goes on its first item counts.
func (s *State) Ended(root *plan.Node) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended(root, "")
}

func (s *State) ended(n *plan.Node, path string) int {
	var r datapoints.Row
	if row := s.row(path); row != nil {
		r = *row
	}
	over := 0
	body := Body(n, path, &r)
	open := n.Bare || r.Enter.Status == datapoints.Open
	caught := r.Caught.Status == datapoints.Done && r.Caught.Next >= 0
	switch {
	case n.Finally == nil:
	case caught && (!open || n.Kind == plan.Flow), r.Enter.Status == datapoints.Skipped:
		over = size(n.Finally) // nothing was entered that it would run after, or its own failure was caught
	case open:
		over = s.ended(n.Finally, Finally(n, path, &r))
	}
	switch {
	case r.Enter.Status == datapoints.Skipped || r.Last.Status == datapoints.Skipped:
		over += itself(n) + every(n.Steps) + every(n.Catch)
		if n.Else != nil {
			over += s.ended(n.Else, plan.Join(path, "else"))
		}
	case caught:
		over += itself(n) + every(n.Steps) + size(n.Else)
		for i, c := range n.Catch {
			if i == r.Caught.Next {
				over += s.ended(c, plan.Join(path, "catch["+strconv.Itoa(i)+"]"))
			} else {
				over += size(c)
			}
		}
	case r.Last.Status == datapoints.Done:
		over += itself(n) + every(n.Steps) + size(n.Else) + every(n.Catch)
	case n.Kind == plan.Loop:
		over += s.ended(n.Steps[0], path+"[0]")
	default:
		parts := 0
		for _, c := range n.Steps {
			parts += s.ended(c, plan.Join(body, c.ID))
		}
		if over += parts; n.Bare && parts == every(n.Steps) { // it has no record of its own
			over += itself(n)
		}
	}
	return over
}

// size is how many steps a part of the plan has.
func size(n *plan.Node) int {
	if n == nil {
		return 0
	}
	return itself(n) + every(n.Steps) + size(n.Else) + every(n.Catch) + size(n.Finally)
}

func every(nodes []*plan.Node) int {
	total := 0
	for _, n := range nodes {
		total += size(n)
	}
	return total
}

// itself is 1 if a node is a step, 0 if it is a part of one.
func itself(n *plan.Node) int {
	if n.ID == "" || n.Branch {
		return 0
	}
	return 1
}

// Over says whether the steps in a part of the plan need no more doing.
func (s *State) Over(n *plan.Node, path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	over := 0
	for _, c := range n.Steps {
		over += s.ended(c, plan.Join(path, c.ID))
	}
	return over == every(n.Steps)
}
