package main

import (
	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/flow"
)

const schemaHelp = `Prints a JSON Schema (draft 2020-12) of flow files. With it editors complete,
explain and check the keys of flows and the fields of each action:

  stepwell schema > flow.schema.json

and, at the top of a flow, for editors with yaml-language-server:

  # yaml-language-server: $schema=flow.schema.json`

func (c *Command) schemaVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "schema", Short: "Print a JSON Schema of flows, for editors", Long: schemaHelp,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			text, err := flow.Schema(c.kit())
			if err != nil {
				return err
			}
			_, err = c.Stdout.Write(text)
			return err
		},
	}
	cmd.Flags().Bool("json", true, "a schema is JSON in any case")
	return cmd
}
