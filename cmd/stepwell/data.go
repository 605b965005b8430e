package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

const dataHelp = `Shows the data points of a run. With a NAME it prints the bare value: text
without quotes, everything else as JSON. -v adds every value that the name had, with the step,
attempt, source and time, and when sensitive values were revealed. --reveal shows those,
and is recorded in the run: when, and which names. Of what is saved inside of a loop, a sub-flow
or a page NAME tells the place, too: notify[2].notification_id, token/expires, orders#0.items`

func (c *Command) dataVerb() *cobra.Command {
	var f storeFlags
	var o dataFlags
	cmd := &cobra.Command{
		Use: "data RUN [NAME]", Short: "Show the data points of a run", Long: dataHelp,
		Args: arguments(1, 2, "the id of a run, and the name of a data point if you want just that"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 2 {
				name = args[1]
			}
			return c.data(cmd.Context(), f, o, args[0], name)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&o.reveal, "reveal", false, "show sensitive values, which is recorded in the run")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show the history")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	cmd.ValidArgsFunction = c.completePoints(&f)
	return cmd
}

type dataFlags struct{ reveal, verbose, json bool }

func (c *Command) data(ctx context.Context, f storeFlags, o dataFlags, id, name string) error {
	k, err := c.open(ctx, f, toRead)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	r, err := c.find(ctx, k, id)
	if err != nil {
		return err
	}
	p, err := c.points(ctx, k, r.ID)
	if err != nil {
		return err
	}
	list := p.current()
	switch {
	case name != "":
		if list, err = c.named(p, o, r, name); err != nil {
			return err
		}
	case o.verbose:
		list = p.all
	}
	if o.reveal {
		if err := c.recordReveal(ctx, k, r.ID, "data", p.hiddenNames(list)...); err != nil {
			return err
		}
	}
	if name != "" && !o.verbose {
		return c.dataPoint(p, o, list[0])
	}
	if o.json {
		return c.dataJSON(p, list, o)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Stderr, "the run has no data points")
		return nil
	}
	fmt.Fprint(c.Stdout, c.pointTable(p, list, o))
	c.sayHidden(list, o.reveal)
	if !o.verbose {
		return nil
	}
	revealed, err := c.reveals(ctx, k, r.ID)
	for _, v := range revealed {
		fmt.Fprintln(c.Stdout, revealedLine(v))
	}
	return err
}

// named are the versions of a data point with the history, without it the one
// that counts.
func (c *Command) named(p *points, o dataFlags, r datapoints.Run, name string) ([]datapoints.Point, error) {
	list := p.versions(name)
	if len(list) == 0 {
		return nil, noPoint(p, r, name)
	}
	if o.verbose {
		return list, nil
	}
	counts := list[0]
	for _, v := range list {
		if !v.Undone && (v.Scope == "" || counts.Scope != "") {
			counts = v
		}
	}
	return []datapoints.Point{counts}, nil
}

// noPoint says that a run has no data point of a name, and which are like it:
// of the same name elsewhere, or else in the same place.
func noPoint(p *points, r datapoints.Run, name string) error {
	own, inside := p.paths()
	all := append(own, inside...)
	those := func(is func(path string) bool) (list []string) {
		for _, path := range all {
			if is(path) {
				list = append(list, path)
			}
		}
		return list
	}
	last, place := name, name // which may be that of a step
	if i := strings.LastIndexAny(name, "/."); i >= 0 {
		last, place = name[i+1:], name[:i]
	}
	like := those(func(path string) bool { return path[strings.LastIndexAny(path, "/.")+1:] == last })
	near := flow.Nearest(name, all)
	if len(like) == 0 && near == "" {
		like = those(func(path string) bool {
			rest, ok := strings.CutPrefix(path, place)
			return ok && strings.IndexAny(rest, "/.#[") == 0
		})
	}
	if len(like) == 1 {
		near = like[0]
	}
	var help []string
	switch {
	case len(like) > 1:
		help = append(help, "there is "+someOf(like))
	case near != "":
		help = append(help, fmt.Sprintf("did you mean %q?", near))
	case len(own) > 0:
		help = append(help, "it has "+someOf(own))
	}
	see := "see: stepwell data " + r.ID
	if len(inside) > 0 {
		see += " -v"
	}
	return wrong(fmt.Sprintf("run %s has no data point %q", shortID(r.ID), clean(name)), append(help, see)...)
}

// someOf lists the first of many names.
func someOf(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// dataPoint prints the value of one data point.
func (c *Command) dataPoint(p *points, o dataFlags, counts datapoints.Point) error {
	c.sayHidden([]datapoints.Point{counts}, o.reveal)
	if o.json {
		return c.printOutputs(json.RawMessage(p.shown(counts.Value, o.reveal)), false)
	}
	_, err := fmt.Fprintln(c.Stdout, p.bare(counts.Value, o.reveal))
	return err
}

// sayHidden tells that values are masked.
func (c *Command) sayHidden(list []datapoints.Point, reveal bool) {
	hidden := 0
	for _, v := range list {
		if v.Value.Class() == datapoints.Sensitive && !reveal {
			hidden++
		}
	}
	switch {
	case hidden == 1:
		c.note("note", "1 value is masked: --reveal shows it")
	case hidden > 1:
		c.note("note", "%d values are masked: --reveal shows them", hidden)
	}
}

func (c *Command) pointTable(p *points, list []datapoints.Point, o dataFlags) string {
	l := c.outLook()
	t := table{head: []string{"DATA POINT", "VALUE", "TYPE", "STEP", "SOURCE", "AT"},
		most: map[int]int{0: 24, 1: max(20, l.width()*2/5), 3: 24, 4: 32},
		tint: func(i int, _ string) string { return map[int]string{0: cyan, 2: dim, 3: dim, 4: dim, 5: dim}[i] }}
	for _, v := range list {
		step := v.Step
		if o.verbose && v.Attempt > 1 {
			step += fmt.Sprintf(", attempt %d", v.Attempt)
		}
		value := l.cut(p.brief(v.Value, o.reveal), t.most[1])
		if v.Undone {
			value += " (taken back)"
		}
		t.rows = append(t.rows, []string{pathOf(v), value, v.Type, step, clean(v.Source), v.At.Local().Format("15:04:05.000")})
	}
	return l.write(t)
}

// dataJSON prints data points as JSON: an object of values, or the history.
func (c *Command) dataJSON(p *points, list []datapoints.Point, o dataFlags) error {
	if !o.verbose {
		var b []byte
		b = append(b, '{')
		for i, v := range list {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, datapoints.Text(v.Name).Reveal()+":"+p.shown(v.Value, o.reveal)...)
		}
		c.sayHidden(list, o.reveal)
		return c.printOutputs(append(b, '}'), false)
	}
	type version struct {
		Name    string          `json:"name"`
		Scope   string          `json:"scope,omitempty"`
		Value   json.RawMessage `json:"value"`
		Type    string          `json:"type"`
		Class   string          `json:"class"`
		Step    string          `json:"step"`
		Attempt int             `json:"attempt"`
		Source  string          `json:"source"`
		At      time.Time       `json:"at"`
		Undone  bool            `json:"undone"`
	}
	versions := make([]version, len(list))
	for i, v := range list {
		versions[i] = version{v.Name, v.Scope, json.RawMessage(p.shown(v.Value, o.reveal)), v.Type, v.Value.Class().String(),
			v.Step, v.Attempt, v.Source, millis(v.At), v.Undone}
	}
	return c.printJSON(versions, false)
}
