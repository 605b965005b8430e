package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const pathHelp = `Prints what a gjson path finds in a JSON file or on stdin, as save would keep it.
If nothing is there it names the nearest paths that the JSON has.

  curl -s https://api.example.test/patients/1 | stepwell path name.0.text`

func (c *Command) pathVerb() *cobra.Command {
	var raw, asJSON bool
	cmd := &cobra.Command{
		Use: "path PATH [FILE]", Short: "Try a gjson path on JSON", Long: pathHelp,
		Args: arguments(1, 2, "a PATH, and a FILE if the JSON is not on stdin"),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "-"
			if len(args) == 2 {
				file = args[1]
			}
			return c.findPath(args[0], file, raw)
		},
	}
	cmd.Flags().BoolVarP(&raw, "raw", "r", false, "print text without quotes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, which is the default")
	return cmd
}

func (c *Command) findPath(text, file string, raw bool) error {
	p, err := flow.CompilePath(text)
	if err != nil {
		return c.expressionTrouble(err)
	}
	body, err := c.readJSON(file)
	if err != nil {
		return err
	}
	value, there := p.Find(string(body))
	if there {
		return c.printValue(value, raw)
	}
	s := &stop{code: exitStep, text: fmt.Sprintf("%s has no %q", named(file), clean(text))}
	if nearest := p.Nearest(string(body), 5); len(nearest) > 0 {
		s.help = []string{"nearest: " + strings.Join(nearest, ", ")}
	}
	return s
}
