package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

func (c *Command) actionsVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "actions [NAME]", Short: "List the actions of steps, or the fields of one",
		Args: arguments(0, 1, "the NAME of an action, or nothing"),
		RunE: func(_ *cobra.Command, args []string) error {
			all := c.kit().Actions
			if len(args) == 0 {
				return c.listActions(all, asJSON)
			}
			a, ok := all[args[0]]
			if !ok {
				return wrong(fmt.Sprintf("there is no action %q", clean(args[0])), "there are: "+strings.Join(slices.Sorted(maps.Keys(all)), ", "))
			}
			if asJSON {
				return c.printJSON(actionOf(args[0], a.Spec()), false)
			}
			return c.showAction(args[0], a.Spec())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// An actionDoc is an action as --json prints it.
type actionDoc struct {
	Name   string     `json:"name"`
	Doc    string     `json:"doc"`
	Body   string     `json:"body,omitempty"`
	Fields []fieldDoc `json:"fields"`
}

type fieldDoc struct {
	Name     string     `json:"name,omitempty"`
	Type     string     `json:"type"`
	Doc      string     `json:"doc,omitempty"`
	Default  string     `json:"default,omitempty"`
	Required bool       `json:"required,omitempty"`
	Constant bool       `json:"constant,omitempty"`
	OneOf    []string   `json:"one_of,omitempty"`
	Group    string     `json:"group,omitempty"`
	Fields   []fieldDoc `json:"fields,omitempty"`
}

func actionOf(name string, s flow.Spec) actionDoc {
	return actionDoc{name, s.Doc, s.Body, fieldsOf(s.Fields)}
}

func fieldsOf(fields []flow.Field) []fieldDoc {
	docs := make([]fieldDoc, len(fields))
	for i, f := range fields {
		docs[i] = fieldDoc{f.Name, typeOf(f), f.Doc, f.Default, f.Required, f.Constant, f.OneOf, f.Group, nil}
		if len(f.Fields) > 0 {
			docs[i].Fields = fieldsOf(f.Fields)
		}
	}
	return docs
}

// typeOf says in few words what a field takes.
func typeOf(f flow.Field) string {
	switch f.Type {
	case flow.IntegerField:
		return "integer"
	case flow.NumberField:
		return "number"
	case flow.BooleanField:
		return "boolean"
	case flow.DurationField:
		return "duration"
	case flow.SizeField:
		return "size"
	case flow.URLField:
		return "URL"
	case flow.PathField:
		return "file"
	case flow.PairsField:
		return "mapping of texts"
	case flow.JSONField:
		return "any value"
	case flow.ObjectField:
		return "mapping"
	case flow.MapField:
		return "mapping"
	case flow.ListField:
		return "list"
	case flow.ChoiceField:
		var shapes []string
		for _, s := range f.Fields {
			if name := typeOf(s); !slices.Contains(shapes, name) {
				shapes = append(shapes, name)
			}
		}
		return strings.Join(shapes, " or ")
	}
	return "text"
}

func (c *Command) listActions(all flow.Actions, asJSON bool) error {
	names := slices.Sorted(maps.Keys(all))
	if asJSON {
		docs := []actionDoc{}
		for _, name := range names {
			docs = append(docs, actionOf(name, all[name].Spec()))
		}
		return c.printJSON(docs, false)
	}
	l := c.outLook()
	t := table{head: []string{"ACTION", ""}, tint: nameTint}
	for _, name := range names {
		t.rows = append(t.rows, []string{name, firstSentence(all[name].Spec().Doc)})
	}
	_, err := fmt.Fprint(c.Stdout, l.write(t))
	return err
}

// nameTint colours the first column.
func nameTint(column int, _ string) string {
	if column == 0 {
		return cyan
	}
	return ""
}

func firstSentence(doc string) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if i := strings.Index(doc, ". "); i >= 0 {
		return doc[:i+1]
	}
	return doc
}

func (c *Command) showAction(name string, s flow.Spec) error {
	l := c.outLook()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", l.paint(bold, "action: "+name), wrapped(s.Doc, min(l.width()-1, 100), 0))
	if s.Body != "" {
		fmt.Fprintf(&b, "%s\n", wrapped("response.body: "+s.Body, min(l.width()-1, 100), 0))
	}
	b.WriteString("\n" + l.paint(dim, "with:") + "\n")
	l.fields(&b, s.Fields, 2)
	_, err := fmt.Fprint(c.Stdout, b.String())
	return err
}

func (l look) fields(b *strings.Builder, fields []flow.Field, margin int) {
	wide := 0
	for _, f := range fields {
		wide = max(wide, columns(f.Name))
	}
	for _, f := range fields {
		kind := typeOf(f)
		if f.Required {
			kind += ", required"
		}
		if len(f.OneOf) > 0 {
			kind += ": " + strings.Join(f.OneOf, " | ")
		}
		if f.Default != "" {
			kind += ", default " + f.Default
		}
		if f.Constant {
			kind += ", no ${{ }}"
		}
		indent := margin + wide + 2
		fmt.Fprintf(b, "%s%s  %s\n", blanks(margin), l.paint(cyan, pad(f.Name, wide)), l.paint(dim, l.cut(kind, max(20, l.width()-1-indent))))
		if f.Doc != "" {
			fmt.Fprintf(b, "%s%s\n", blanks(indent), wrapped(f.Doc, min(l.width()-1, 100), indent))
		}
		if f.Type == flow.ObjectField {
			l.fields(b, f.Fields, indent)
		}
	}
}
