package main

// centred is a part of a size with its spine in the middle.
func centred(width, height int, draw func(d *drawing, x, y int)) part {
	return part{left: width / 2, right: width - width/2, height: height, draw: draw}
}

// pill is where a flow begins or ends.
func pill(name string) part {
	width := nameWidth(name) + 36
	return centred(width, 32, func(d *drawing, x, y int) {
		d.line(`<g data-box="">`)
		d.rect("ends", x-width/2, y, width, 32, 16)
		d.line(`<text class="name" text-anchor="middle" x="%d" y="%d">%s</text>`, x, y+21, xmlText(name))
		d.line("</g>")
	})
}

// box is a step without steps of its own. One that is done more than once has
// others behind it.
func box(c caption, many bool) part {
	width := nameWidth(c.name) + wordWidth(c.tag) + 20
	for _, line := range c.what {
		width = max(width, codeWidth(line))
	}
	for _, line := range c.how {
		width = max(width, wordWidth(line))
	}
	width = max(150, width+2*padding+6)
	height := 2*padding + 8 + lineGap*(len(c.what)+len(c.how))
	behind := 0
	if many {
		behind = 5
	}
	p := centred(width, height+behind, func(d *drawing, x, y int) {
		left := x - width/2
		d.line(`<g data-box="">`)
		if many {
			d.rect("under", left+behind, y+behind, width, height, 6)
		}
		d.rect("box", left, y, width, height, 6)
		d.rect(accent(c.kind), left, y+6, 4, height-12, 2)
		d.text("name", left+padding+4, y+21, c.name)
		d.line(`<text class="tag" text-anchor="end" x="%d" y="%d">%s</text>`, left+width-padding, y+21, xmlText(c.tag))
		at := y + 21
		for _, line := range c.what {
			at += lineGap
			d.text("code", left+padding+4, at, line)
		}
		for _, line := range c.how {
			at += lineGap
			d.text("how", left+padding+4, at, line)
		}
		d.line("</g>")
	})
	p.right += behind
	p.ends = c.kind == "fail"
	return p
}

// accent is the class of a kind's colour.
func accent(kind string) string {
	switch kind {
	case "set", "fail", "wait":
		return kind
	case "callback":
		return "wait"
	case "block", "parallel", "flow":
		return "set"
	}
	return "call"
}

// condition is the shape of an `if`.
func condition(text string) part {
	lines := pictureLook.broken(text, 3)
	width := 0
	for _, line := range lines {
		width = max(width, codeWidth(line))
	}
	const slant = 14
	width += 2*slant + 10
	height := 16 + lineGap*len(lines)
	return centred(width, height, func(d *drawing, x, y int) {
		left, right, middle := x-width/2, x-width/2+width, y+height/2
		d.line(`<g data-box="">`)
		d.line(`<path class="if" d="M%d %dL%d %dL%d %dL%d %dL%d %dL%d %dZ"/>`, left, middle, left+slant, y, right-slant, y, right, middle, right-slant, y+height, left+slant, y+height)
		for i, line := range lines {
			d.line(`<text class="code" text-anchor="middle" x="%d" y="%d">%s</text>`, x, y+21+lineGap*i, xmlText(line))
		}
		d.line("</g>")
	})
}

// note is a few words in a dashed box.
func note(lines []string) part {
	width := 0
	for _, line := range lines {
		width = max(width, wordWidth(line))
	}
	width += 2 * padding
	height := 14 + lineGap*len(lines)
	return centred(width, height, func(d *drawing, x, y int) {
		d.line(`<g data-box="">`)
		d.rect("clause", x-width/2, y, width, height, 6)
		for i, line := range lines {
			d.text("how", x-width/2+padding, y+20+lineGap*i, line)
		}
		d.line("</g>")
	})
}

// framedStep is a step with steps of its own.
func framedStep(c caption, in part, again bool) part {
	lines := []string{c.name}
	if c.kind != "block" {
		lines[0] += " · " + c.tag
	}
	p := framed("frame", append(append(lines, c.what...), c.how...), in, again)
	return p
}

// framed puts a frame with a heading around a part; again draws the way back
// from its bottom to its top.
func framed(class string, head []string, in part, again bool) part {
	width := nameWidth(head[0])
	for _, line := range head[1:] {
		width = max(width, wordWidth(line), codeWidth(line))
	}
	way := 0
	if again {
		way = aside
	}
	left := max(in.left+way, 0) + padding
	right := max(in.right+padding, width+2*padding-left)
	top := padding/2 + lineGap*len(head) + padding
	height := top + in.height + padding
	if again {
		height += padding
	}
	return part{left: left, right: right, height: height, draw: func(d *drawing, x, y int) {
		d.line(`<g data-box="">`)
		d.rect(class, x-left, y, left+right, height, 8)
		for i, line := range head {
			class := "how"
			if i == 0 {
				class = "part"
			}
			d.text(class, x-left+padding, y+19+lineGap*i, line)
		}
		d.line("</g>")
		last := d.last
		d.last = false // from inside of a frame no way leads to what is behind it
		in.draw(d, x, y+top)
		d.last = last
		if again {
			side, bottom := x-left+padding+6, y+top+in.height
			d.path("dashed", true, spot{x, bottom}, spot{x, bottom + padding}, spot{side, bottom + padding}, spot{side, y + top - padding/2}, spot{x, y + top - padding/2}, spot{x, y + top})
		}
	}}
}
