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
	p := &points{redactor: &datapoints.Redactor{}}
	for _, v := range got.Points {
		if strings.HasPrefix(v.Name, "#") { // the executor's own
			continue
		}
		p.all = append(p.all, v)
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

// versions are all versions of a name, those in loops, pages and sub-flows with
// it. A name with the place where it lives is meant alone: "notify[2].id",
// "token/id", "list#0.items"; a "/" may stand before the name in any of them.
func (p *points) versions(name string) []datapoints.Point {
	for _, is := range []func(datapoints.Point) bool{
		func(v datapoints.Point) bool { return pathOf(v) == name },
		func(v datapoints.Point) bool { return strings.TrimSuffix(v.Scope, "/")+"/"+v.Name == name },
		func(v datapoints.Point) bool { return v.Name == name },
	} {
		if list := p.those(is); len(list) > 0 {
			if list[0].Scope == "" { // its own: with the versions in loops and sub-flows
				return p.those(func(v datapoints.Point) bool { return v.Name == name })
			}
			return list
		}
	}
	return nil
}

func (p *points) those(is func(datapoints.Point) bool) (list []datapoints.Point) {
	for _, v := range p.all {
		if is(v) {
			list = append(list, v)
		}
	}
	return list
}

// paths are what each data point may be asked for with: the run's own by name,
// then those in loops, pages and sub-flows with their place.
func (p *points) paths() (own, inside []string) {
	seen := map[string]bool{}
	for _, v := range p.all {
		path := pathOf(v)
		switch {
		case seen[path]:
			continue
		case v.Scope == "":
			own = append(own, path)
		default:
			inside = append(inside, path)
		}
		seen[path] = true
	}
	return own, inside
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
