package main

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow"
)

// A drawing is an SVG that grows. All places are whole numbers, so that the
// same flow gives the same bytes everywhere.
type drawing struct {
	b    strings.Builder
	last bool // a finally follows: what ends before it leads there
}

func (d *drawing) line(format string, args ...any) {
	fmt.Fprintf(&d.b, format+"\n", args...)
}

// out draws the way out of a part: dashed if control does not come out of it
// and a finally follows, none if none does.
func (d *drawing) out(ends bool, spots ...spot) {
	switch {
	case !ends:
		d.path("edge", false, spots...)
	case d.last:
		d.path("dashed", false, spots...)
	}
}

func (d *drawing) rect(class string, x, y, w, h, radius int) {
	d.line(`<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="%d"/>`, class, x, y, w, h, radius)
}

func (d *drawing) text(class string, x, y int, s string) {
	d.line(`<text class="%s" x="%d" y="%d">%s</text>`, class, x, y, xmlText(s))
}

// A spot is a place in a drawing.
type spot struct{ x, y int }

// path draws a line with round corners through spots; consecutive ones are
// above or beside each other. class "edge" or "dashed"; arrow puts a tip at its end.
func (d *drawing) path(class string, arrow bool, spots ...spot) {
	const radius = 8
	var p strings.Builder
	fmt.Fprintf(&p, "M%d %d", spots[0].x, spots[0].y)
	for i := 1; i < len(spots)-1; i++ {
		a, b, c := spots[i-1], spots[i], spots[i+1]
		r := min(radius, distance(a, b)/2, distance(b, c)/2)
		from, to := towards(b, a, r), towards(b, c, r)
		fmt.Fprintf(&p, "L%d %dQ%d %d %d %d", from.x, from.y, b.x, b.y, to.x, to.y)
	}
	last := spots[len(spots)-1]
	fmt.Fprintf(&p, "L%d %d", last.x, last.y)
	tip := ""
	if arrow {
		tip = ` marker-end="url(#tip)"`
	}
	d.line(`<path class="%s" d="%s"%s/>`, class, p.String(), tip)
}

func distance(a, b spot) int { return max(a.x-b.x, b.x-a.x) + max(a.y-b.y, b.y-a.y) }

// towards is so far from a on the way to b.
func towards(a, b spot, by int) spot {
	switch {
	case b.x > a.x:
		return spot{a.x + by, a.y}
	case b.x < a.x:
		return spot{a.x - by, a.y}
	case b.y > a.y:
		return spot{a.x, a.y + by}
	}
	return spot{a.x, a.y - by}
}

// xmlText is character data: what XML 1.0 does not allow is made visible first.
func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(clean(s))
}

// What the letters of a picture are, and how wide at the most. Whoever looks at
// it has other fonts: widths are those of the widest that are common, so that
// no text leaves its box.
const (
	sans = `system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif`
	mono = `ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace`
)

// codeWidth is the width of a text in mono, 12 pixels high.
func codeWidth(s string) int { return (columns(s)*73 + 9) / 10 }

// nameWidth is the width of a text in bold sans, 13 pixels high.
func nameWidth(s string) int { return wordWidth(s) * 143 / 130 }

// wordWidth is the width of a text in sans, 12 or 13 pixels high.
func wordWidth(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case r > 0x2E7F:
			n += 14 * runeColumns(r) / 2 * 10
		case strings.ContainsRune("mwMW@%—", r):
			n += 130
		case strings.ContainsRune("iljtfrI.,:;'|!()[] /", r):
			n += 54
		case r >= 'A' && r <= 'Z':
			n += 98
		default:
			n += 84
		}
	}
	return (n + 9) / 10
}

const pictureStyle = `text{font-family:` + sans + `;font-size:12px;fill:#57606a}
.code{font-family:` + mono + `;font-size:12px;fill:#1f2328}
.name{font-size:13px;font-weight:600;fill:#1f2328}
.tag{font-size:11px;fill:#6e7781}
.part{font-size:12px;font-weight:600;fill:#57606a}
.card{fill:#ffffff}
.box{fill:#f6f8fa;stroke:#d0d7de}
.under{fill:#eaeef2;stroke:#d0d7de}
.frame{fill:none;stroke:#afb8c1}
.branch{fill:none;stroke:#d0d7de}
.clause{fill:none;stroke:#afb8c1;stroke-dasharray:5 4}
.if{fill:#fff8c5;stroke:#d4a72c}
.ends{fill:#ddf4ff;stroke:#54aeff}
.call{fill:#1a7f37}.set{fill:#8c959f}.wait{fill:#bf8700}.fail{fill:#cf222e}
.edge,.dashed{fill:none;stroke:#6e7781;stroke-width:1.5}
.dashed{stroke-dasharray:4 3}
.tip{fill:#6e7781}
@media (prefers-color-scheme:dark){text{fill:#9198a1}.code,.name{fill:#f0f6fc}.tag,.part{fill:#9198a1}.card{fill:#0d1117}
.box{fill:#161b22;stroke:#3d444d}.under{fill:#21262d;stroke:#3d444d}.frame,.clause{stroke:#656c76}.branch{stroke:#3d444d}
.if{fill:#2b2411;stroke:#9e6a03}.ends{fill:#0c2d6b;stroke:#388bfd}.call{fill:#3fb950}.set{fill:#656c76}.wait{fill:#d29922}.fail{fill:#f85149}
.edge,.dashed{stroke:#9198a1}.tip{fill:#9198a1}}`

// margin is what is free around a picture.
const margin = 24

// picture draws a flow as an SVG on a card of its own, readable on light and
// dark pages.
func picture(o flow.Outline) string {
	all := flowPart(o)
	width, height := all.left+all.right+2*margin, all.height+2*margin
	d := &drawing{}
	d.line(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%[3]s">`, width, height, xmlText("The flow "+o.Name))
	d.line("<title>%s</title>", xmlText(o.Name))
	if o.Description != "" {
		d.line("<desc>%s</desc>", xmlText(o.Description))
	}
	d.line("<style>%s</style>", pictureStyle)
	d.line(`<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0L8 4L0 8Z"/></marker></defs>`)
	d.rect("card", 0, 0, width, height, 12)
	all.draw(d, margin+all.left, margin)
	d.line("</svg>")
	return d.b.String()
}
