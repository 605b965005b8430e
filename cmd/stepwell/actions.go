package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const actionsHelp = `Lists what a flow may be made of: the actions of steps and the types of credentials.
With a NAME it shows every field of what is called so.`

func (c *Command) actionsVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "actions [NAME]", Short: "List the actions of steps and the types of credentials, or the fields of one", Long: actionsHelp,
		Args: arguments(0, 1, "the NAME of an action or a type of credential, or nothing"),
		RunE: func(_ *cobra.Command, args []string) error { return c.showVocabulary(args, asJSON) },
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return vocabularyOf(c.kit()).names(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A vocabulary is what flows may be made of, as --json prints it.
type vocabulary struct {
	Actions     []actionDoc     `json:"actions"`
	Credentials []credentialDoc `json:"credentials"`
}

// An actionDoc is an action.
type actionDoc struct {
	Name   string     `json:"name"`
	Doc    string     `json:"doc"`
	Body   string     `json:"body,omitempty"`
	Fields []fieldDoc `json:"fields"`
}

// A credentialDoc is a type of credential.
type credentialDoc struct {
	Name   string     `json:"name"`
	Doc    string     `json:"doc"`
	Fields []fieldDoc `json:"fields"`

	fields []flow.Field
}

// A fieldDoc is what a field takes.
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

func vocabularyOf(kit flow.Kit) vocabulary {
	v := vocabulary{[]actionDoc{}, []credentialDoc{}}
	for _, name := range slices.Sorted(maps.Keys(kit.Actions)) {
		s := kit.Actions[name].Spec()
		v.Actions = append(v.Actions, actionDoc{name, s.Doc, s.Body, fieldsOf(s.Fields)})
	}
	for _, name := range slices.Sorted(maps.Keys(kit.Credentials)) {
		s := kit.Credentials[name].Spec()
		fields := slices.Concat(s.Fields, flow.CredentialKeys(name, s))
		v.Credentials = append(v.Credentials, credentialDoc{name, s.Doc, fieldsOf(fields), fields})
	}
	return v
}

// called is what has a name: an action, a type of credential, or both.
func (v vocabulary) called(name string) vocabulary {
	return vocabulary{
		slices.DeleteFunc(v.Actions, func(d actionDoc) bool { return d.Name != name }),
		slices.DeleteFunc(v.Credentials, func(d credentialDoc) bool { return d.Name != name }),
	}
}

func (v vocabulary) names() []string {
	var names []string
	for _, d := range v.Actions {
		names = append(names, d.Name)
	}
	for _, d := range v.Credentials {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
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

func (c *Command) showVocabulary(args []string, asJSON bool) error {
	all := vocabularyOf(c.kit())
	shown := all
	if len(args) > 0 {
		names := all.names()
		if shown = all.called(args[0]); len(shown.Actions)+len(shown.Credentials) == 0 {
			return wrong(fmt.Sprintf("there is no action and no type of credential %q", clean(args[0])), "there are: "+strings.Join(names, ", "))
		}
	}
	if asJSON {
		return c.printJSON(shown, false)
	}
	text := c.outLook().list(shown)
	if len(args) > 0 {
		text = c.outLook().inFull(shown, c.kit())
	}
	_, err := fmt.Fprint(c.Stdout, text)
	return err
}

// list is a table of each.
func (l look) list(v vocabulary) string {
	actions := table{head: []string{"ACTION", ""}, tint: nameTint}
	for _, d := range v.Actions {
		actions.rows = append(actions.rows, []string{d.Name, firstSentence(d.Doc)})
	}
	kinds := table{head: []string{"CREDENTIAL", ""}, tint: nameTint}
	for _, d := range v.Credentials {
		kinds.rows = append(kinds.rows, []string{d.Name, firstSentence(d.Doc)})
	}
	return l.write(actions) + "\n" + l.write(kinds)
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

// inFull is everything that is known of each.
func (l look) inFull(v vocabulary, kit flow.Kit) string {
	var parts []string
	add := func(title, doc, body, where string, fields []flow.Field) {
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n%s\n", l.paint(bold, title), wrapped(doc, min(l.width()-1, 100), 0))
		if body != "" {
			fmt.Fprintf(&b, "%s\n", wrapped("response.body: "+body, min(l.width()-1, 100), 0))
		}
		b.WriteString("\n" + l.paint(dim, where) + "\n")
		l.fields(&b, fields, 2)
		parts = append(parts, b.String())
	}
	for _, d := range v.Actions {
		add("action: "+d.Name, d.Doc, d.Body, "with:", kit.Actions[d.Name].Spec().Fields)
	}
	for _, d := range v.Credentials {
		add("credential of type: "+d.Name, d.Doc, "", "credentials: { NAME: { type: "+d.Name+", … } }", d.fields)
	}
	return strings.Join(parts, "\n")
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
		fmt.Fprintf(b, "%s%s  %s\n", blanks(margin), l.paint(cyan, pad(f.Name, wide)), l.paint(dim, wrapped(kind, min(l.width()-1, 100), indent)))
		if f.Doc != "" {
			fmt.Fprintf(b, "%s%s\n", blanks(indent), wrapped(f.Doc, min(l.width()-1, 100), indent))
		}
		if f.Type == flow.ObjectField {
			l.fields(b, f.Fields, indent)
		}
	}
}
