package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

func (c *Command) explainVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "explain [CODE]", Short: "Explain the code of a problem or the kind of a failure",
		Long: "Explains the word in brackets behind `error`: the code of a problem in a file, or\nthe kind of a failure. Without one it lists them all.",
		Args: arguments(0, 1, "one CODE"), ValidArgs: diag.Pages(),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listPages(asJSON)
			}
			return c.explain(args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *Command) explain(code string, asJSON bool) error {
	if _, inside, ok := strings.Cut(code, "["); ok { // error[unknown-name]: as it was copied
		code = inside
	}
	code = strings.TrimRight(code, "]:")
	page, ok := diag.Page(code)
	if !ok {
		help := []string{"see all: stepwell explain"}
		if near := flow.Nearest(code, diag.Pages()); near != "" {
			help = append([]string{fmt.Sprintf("did you mean %q?", near)}, help...)
		}
		return wrong(fmt.Sprintf("there is no code %q", clean(code)), help...)
	}
	if asJSON {
		return c.printJSON(map[string]string{"code": code, "page": page}, false)
	}
	_, err := fmt.Fprint(c.Stdout, c.outLook().markdown(page))
	return err
}

func (c *Command) listPages(asJSON bool) error {
	l := c.outLook()
	t := table{head: []string{"CODE", ""}, tint: nameTint}
	all := map[string]string{}
	for _, name := range diag.Pages() {
		page, _ := diag.Page(name)
		_, text, _ := strings.Cut(page, "\n\n")
		text, _, _ = strings.Cut(text, "\n\n")
		all[name] = firstSentence(text)
		t.rows = append(t.rows, []string{name, l.cut(all[name], max(20, l.width()-28))})
	}
	if asJSON {
		return c.printJSON(all, false)
	}
	_, err := fmt.Fprint(c.Stdout, l.write(t))
	return err
}

// markdown gives a page its colours on a terminal; elsewhere it stays as it is.
func (l look) markdown(page string) string {
	if !l.colour {
		return page
	}
	var b strings.Builder
	code := false
	for line := range strings.Lines(page) {
		line = strings.TrimRight(line, "\n")
		title, isTitle := strings.CutPrefix(line, "# ")
		switch {
		case strings.HasPrefix(line, "```"):
			code = !code
			continue
		case code:
			b.WriteString("  " + l.paint(cyan, line))
		case isTitle:
			b.WriteString(l.paint(bold, title))
		default:
			b.WriteString(line)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
