package main

import (
	"slices"

	"github.com/stepwell/stepwell/flow"
)

// A part is a piece of a picture. Control comes in at its top and goes out at
// its bottom, both on its spine, a vertical line; so parts are put together
// without looking into them, and no line ever crosses another. A flow has no
// goto, so this is all the layout that it needs.
type part struct {
	left, right int // how far it reaches to both sides of the spine
	height      int
	ends        bool // control does not come out of it
	always      bool // what leads into it is dashed, and there in any case: finally
	draw        func(d *drawing, x, y int)
}

// Distances between parts, in pixels.
const (
	gap     = 26 // between a part and the next: room for an arrow
	aside   = 28 // between a part and what stands beside it
	padding = 12
	heading = 22 // the height of a frame's first line
	lineGap = 18 // from one line of text to the next
)

// flowPart is a whole flow: where it begins, its steps in as many columns as
// make a page of it, and where it ends.
func flowPart(o flow.Outline) part {
	parts := []part{pill(o.Name)}
	for _, s := range o.Steps {
		parts = append(parts, stepPart(s))
	}
	if len(o.Finally) > 0 {
		parts = append(parts, lastly(o.Finally))
	}
	all := columnsOf(append(parts, pill("end")))
	draw := all.draw
	all.draw = func(d *drawing, x, y int) {
		d.last = len(o.Finally) > 0 // in whichever column it is
		draw(d, x, y)
	}
	return all
}

// tallest is how high one column of a picture gets.
const tallest = 1500

// columnsOf puts parts below each other, in columns of about the same height.
func columnsOf(parts []part) part {
	all := stack(parts)
	n := (all.height + tallest - 1) / tallest
	if n <= 1 {
		return all
	}
	var columns []part
	var now []part
	height, most := 0, all.height/n
	for _, p := range parts {
		if len(now) > 0 && height+gap+p.height > most+most/8 && len(columns) < n {
			columns, now, height = append(columns, stack(now)), nil, 0
		}
		now = append(now, p)
		height += gap + p.height
	}
	columns = append(columns, stack(now))
	return beside(columns)
}

// beside puts columns next to each other, each going on in the next.
func beside(columns []part) part {
	const between = 2 * aside
	all := part{left: columns[0].left, ends: columns[len(columns)-1].ends}
	at := make([]int, len(columns)) // of the spines
	right := 0
	for i, c := range columns {
		if i > 0 {
			at[i] = right + between + c.left
		}
		right = at[i] + c.right
		all.height = max(all.height, c.height+2*gap)
	}
	all.right = right
	all.draw = func(d *drawing, x, y int) {
		for i, c := range columns {
			c.draw(d, x+at[i], y+gap)
			if i == len(columns)-1 || c.ends {
				continue
			}
			middle := x + at[i] + c.right + between/2
			bottom := y + gap + c.height
			d.path("edge", true, spot{x + at[i], bottom}, spot{x + at[i], bottom + gap/2}, spot{middle, bottom + gap/2},
				spot{middle, y + gap/4}, spot{x + at[i+1], y + gap/4}, spot{x + at[i+1], y + gap})
		}
	}
	return all
}

// stack puts parts below each other on one spine, with arrows between them.
func stack(parts []part) part {
	all := part{}
	for i, p := range parts {
		all.left, all.right = max(all.left, p.left), max(all.right, p.right)
		all.height += p.height
		if i > 0 {
			all.height += gap
		}
		all.ends = p.ends
	}
	last := slices.ContainsFunc(parts, func(p part) bool { return p.always })
	all.draw = func(d *drawing, x, y int) {
		defer func(before bool) { d.last = before }(d.last)
		d.last = d.last || last
		for i, p := range parts {
			if i > 0 {
				switch {
				case p.always:
					d.path("dashed", true, spot{x, y}, spot{x, y + gap})
				case !parts[i-1].ends:
					d.path("edge", true, spot{x, y}, spot{x, y + gap})
				}
				y += gap
			}
			p.draw(d, x, y)
			y += p.height
		}
	}
	return all
}

func stepsPart(steps []flow.OutlineStep) part {
	parts := make([]part, len(steps))
	for i, s := range steps {
		parts[i] = stepPart(s)
	}
	return stack(parts)
}

// stepPart is a step with everything around it: catch, then finally, all
// behind its condition.
func stepPart(s flow.OutlineStep) part {
	p := verbPart(s)
	if len(s.Catch) > 0 {
		p = caughtPart(p, s.Catch)
	}
	if len(s.Finally) > 0 {
		ends := p.ends
		p = stack([]part{p, lastly(s.Finally)})
		p.ends = ends
	}
	if s.If != "" {
		p = choice(s, p)
	}
	return p
}

// lastly is what follows in any case.
func lastly(steps []flow.OutlineStep) part {
	p := framed("clause", []string{"finally"}, stepsPart(steps), false)
	p.always = true
	return p
}

func verbPart(s flow.OutlineStep) part {
	c := captionOf(s)
	again := s.Loop != nil || s.Poll != nil || s.Retry != nil
	switch {
	case len(s.Branches) > 0:
		return framedStep(c, branches(s.Branches), again)
	case len(s.Steps) > 0:
		return framedStep(c, stepsPart(s.Steps), again)
	}
	return box(c, again || s.Pages != nil)
}

// branches puts the branches of a parallel step into rows.
func branches(list []flow.OutlineBranch) part {
	const widest = 1000
	type cell struct {
		part
		x, y int
	}
	var cells []cell
	x, y, row, width := 0, 0, 0, 0
	for _, b := range list {
		p := framed("branch", []string{b.Name}, stepsPart(b.Steps), false)
		if x > 0 && x+p.left+p.right > widest {
			x, y, row = 0, y+row+padding, 0
		}
		cells = append(cells, cell{p, x + p.left, y})
		x += p.left + p.right + padding
		row, width = max(row, p.height), max(width, x-padding)
	}
	return part{left: width / 2, right: width - width/2, height: y + row, draw: func(d *drawing, x, y int) {
		for _, c := range cells {
			c.draw(d, x-width/2+c.x, y+c.y)
		}
	}}
}

// choice puts a condition above a part, and the other way beside it.
func choice(s flow.OutlineStep, yes part) part {
	head := condition(s.If)
	no := part{draw: func(*drawing, int, int) {}}
	if len(s.Else) > 0 {
		no = stepsPart(s.Else)
	}
	side := max(yes.right, head.right) + aside // where the other way begins
	inner := max(yes.height, no.height)
	all := part{left: max(yes.left, head.left), height: head.height + gap + inner + gap/2, ends: yes.ends && no.ends && len(s.Else) > 0}
	spine := side + no.left
	all.right = spine + no.right + 2
	all.draw = func(d *drawing, x, y int) {
		head.draw(d, x, y)
		middle, top := y+head.height/2, y+head.height+gap
		bottom := y + all.height
		d.path("edge", true, spot{x, y + head.height}, spot{x, top})
		d.text("tag", x+7, top-9, "yes")
		yes.draw(d, x, top)
		d.out(yes.ends, spot{x, top + yes.height}, spot{x, bottom})
		d.text("tag", x+head.right+7, middle-6, "no")
		if len(s.Else) == 0 {
			d.path("edge", false, spot{x + head.right, middle}, spot{x + spine, middle}, spot{x + spine, bottom}, spot{x, bottom})
			return
		}
		d.path("edge", true, spot{x + head.right, middle}, spot{x + spine, middle}, spot{x + spine, top})
		no.draw(d, x+spine, top)
		d.out(no.ends, spot{x + spine, top + no.height}, spot{x + spine, bottom}, spot{x, bottom})
	}
	return all
}

// caughtPart puts the clauses of catch beside a part, below each other; what
// goes on after them comes back below it.
func caughtPart(p part, clauses []flow.OutlineClause) part {
	var list []part
	reach, height, back := 0, 0, false // whether a clause goes on below p
	for i, c := range clauses {
		q := clausePart(c)
		list = append(list, q)
		reach = max(reach, q.left+q.right)
		height += q.height
		if i > 0 {
			height += padding
		}
		back = back || !q.ends
	}
	trunk := p.right + aside/2
	all := part{left: p.left, right: p.right + aside + reach + 2 + aside/2, height: max(p.height, height) + gap/2, ends: p.ends && !back}
	all.draw = func(d *drawing, x, y int) {
		p.draw(d, x, y)
		bottom, at := y+all.height, y
		for _, q := range list {
			in := at + min(q.height/2, heading)
			if at == y {
				in = y + min(q.height/2, p.height/2, heading)
				d.path("dashed", true, spot{x + p.right, in}, spot{x + p.right + aside, in})
			} else {
				d.path("dashed", true, spot{x + trunk, y + min(list[0].height/2, p.height/2, heading)}, spot{x + trunk, in}, spot{x + p.right + aside, in})
			}
			q.draw(d, x+p.right+aside+q.left, at)
			out, far := x+p.right+aside+q.left+q.right, x+all.right-2
			d.out(q.ends, spot{out, in}, spot{far, in}, spot{far, bottom}, spot{x, bottom})
			at += q.height + padding
		}
		if !p.ends {
			d.path("edge", false, spot{x, y + p.height}, spot{x, bottom})
		}
	}
	return all
}

func clausePart(c flow.OutlineClause) part {
	name := pictureLook.broken(clauseName(c), 3)
	if len(c.Steps) == 0 {
		return note(append(name, "goes on"))
	}
	in := stepsPart(c.Steps)
	p := framed("clause", name, in, false)
	p.ends = !goesOnAfter(c.Steps)
	return p
}
