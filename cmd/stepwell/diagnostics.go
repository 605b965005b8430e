package main

import (
	"fmt"

	"github.com/stepwell/stepwell/flow/diag"
)

// printList shows problems with their place in the file, on stderr.
func (c *Command) printList(list diag.List) {
	l := c.errLook()
	fmt.Fprint(c.Stderr, list.Text(diag.Style{Colour: l.colour, ASCII: !l.utf8, Width: l.width()}))
}

// printWarnings shows what does not stop a flow.
func (c *Command) printWarnings(list diag.List, dir string) {
	var warnings diag.List
	for _, d := range c.renamed(list, dir) {
		if d.Severity == diag.Warning {
			warnings = append(warnings, d)
		}
	}
	if len(warnings) > 0 {
		c.printList(warnings)
	}
}

// help writes what to do on a line of its own.
func (c *Command) help(text string) { fmt.Fprintf(c.Stderr, "  %s\n", clean(text)) }
