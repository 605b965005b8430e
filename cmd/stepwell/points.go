package main

import (
	"context"
	"slices"
	"strings"

	"github.com/stepwell/stepwell/datapoints"
)

// points are the data points of a run with their history.
type points struct {
	all      []datapoints.Point // in the order in which they were saved
	redactor *datapoints.Redactor
}

// points reads the data points of a run.
func (c *Command) points(ctx context.Context, k *keeping, run string) (*points, error) {
	got, err := k.Read(ctx, run, datapoints.Query{History: true})
	if err != nil {
		return nil, c.storeTrouble(k.file, err)
	}
	p := &points{all: got.Points, redactor: &datapoints.Redactor{}}
	for _, v := range p.all {
		p.redactor.AddValue(v.Value)
	}
	return p, nil
}

// current are the versions that count, of the run itself, in the order in
// which their names were first saved.
func (p *points) current() []datapoints.Point {
	newest := map[string]datapoints.Point{}
	var names []string
	for _, v := range p.all {
		if v.Scope != "" || v.Undone {
			continue
		}
		if !slices.Contains(names, v.Name) {
			names = append(names, v.Name)
		}
		newest[v.Name] = v
	}
	var list []datapoints.Point
	for _, name := range names {
		if v := newest[name]; !v.Value.IsNull() {
			list = append(list, v)
		}
	}
	return list
}

// pathOf is a data point's name with where it lives: "notify[2].id" in an
// iteration, "token/id" in a sub-flow.
func pathOf(v datapoints.Point) string {
	if v.Scope == "" || strings.HasSuffix(v.Scope, "/") {
		return v.Scope + v.Name
	}
	return v.Scope + "." + v.Name
}

// versions are all versions of a name, those in loops and sub-flows with it. A
// name with a scope, "notify[2].id" or "token/id", is meant alone.
func (p *points) versions(name string) []datapoints.Point {
	scope, last := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		scope, last = name[:i+1], name[i+1:]
	}
	if i := strings.LastIndexByte(name, ']'); i >= 0 && strings.HasPrefix(name[i:], "].") {
		scope, last = name[:i+1], name[i+2:]
	}
	var list []datapoints.Point
	for _, v := range p.all {
		if v.Name == last && (scope == "" || v.Scope == scope) {
			list = append(list, v)
		}
	}
	return list
}

// shown is a value's JSON as it may be shown.
func (p *points) shown(v datapoints.Value, reveal bool) string {
	switch {
	case v.IsNull():
		return "null"
	case reveal:
		return v.Reveal()
	case v.Class() == datapoints.Sensitive:
		return datapoints.Text("[secret " + v.Label() + "]").Reveal()
	}
	return datapoints.MaskMembers(p.redactor.JSON(v.Reveal()))
}

// brief is a value in a table.
func (p *points) brief(v datapoints.Value, reveal bool) string {
	if v.Class() == datapoints.Sensitive && !reveal && !v.IsNull() {
		return "[secret " + v.Label() + "]"
	}
	return clean(p.shown(v, reveal))
}

// bare is a value for a pipe: of text its content.
func (p *points) bare(v datapoints.Value, reveal bool) string {
	return datapoints.JSON(p.shown(v, reveal)).RevealText()
}
