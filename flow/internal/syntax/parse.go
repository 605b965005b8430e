package syntax

import (
	"fmt"
	"strings"

	"github.com/stepwell/stepwell/flow/diag"
)

// The limits of a file. See also maxSteps and maxLoops.
const (
	maxBytes    = 1 << 20
	maxDepth    = 64      // lists and mappings in each other, the file's own mapping being the first
	maxNodes    = 50_000  // values as they are written; keys do not count
	maxKeys     = 1_000   // in one mapping, merged ones included
	maxAliases  = 100     // uses of an anchor
	maxExpanded = 100_000 // values with every alias written out
)

// Parse reads a flow file. The tree is never nil and as complete as the text
// allows; problems are all that could be found, in source order. A tree with
// errors is good for finding more of them, not for running.
//
// file is the name that problems show; nothing is read from the disk. Parse
// never panics and takes time in proportion to the text. It may be called
// from many goroutines.
func Parse(file string, text []byte) (*Flow, diag.List) {
	f := &Flow{File: file, Span: diag.Span{File: file}}
	if len(text) > maxBytes {
		return f, diag.List{{
			Span: f.Span, Code: diag.OverLimit,
			Message: fmt.Sprintf("the file has %d bytes; a flow may have %d (1 MiB)", len(text), maxBytes),
			Hint:    "keep data in files of their own, or split the flow",
		}}
	}
	src, problems := newSource(file, text)
	if problems != nil {
		return f, problems
	}
	f.Span = src.firstLine()
	root, problems := decode(src)
	if root == nil {
		return f, problems.Sort()
	}
	r := reader{src: src, flow: f, problems: problems, ids: map[string]diag.Span{}}
	r.file(root)
	return f, r.result()
}

// firstLine is the first line that says something.
func (s *source) firstLine() diag.Span {
	for n, at := range s.lines {
		line := strings.TrimSpace(s.lineText(n))
		if line != "" && line[0] != '#' && line != "---" {
			from := at + strings.Index(s.text[at:], line)
			return s.span(from, from+len(line))
		}
	}
	return diag.Span{File: s.file}
}
