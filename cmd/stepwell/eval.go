package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

const evalHelp = `Computes an expression of the flow language, or a text with ${{ }} in it, and
prints the result as JSON.

  data.NAME       from --data, a JSON object
  inputs.NAME     from -i name=value; a value that is JSON is taken as that
  response.body   from --body, or from stdin if the expression reads it

  stepwell eval 'len(data.orders) > 0' --data data.json
  stepwell eval 'Hello ${{ inputs.name }}' -i name=Ada
  curl -s https://api.example.test/patients/1 | stepwell eval 'response.body.active == true'`

type evalFlags struct {
	inputs     []string
	data, body string
	raw        bool
}

func (c *Command) evalVerb() *cobra.Command {
	var o evalFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "eval EXPRESSION", Short: "Compute an expression over JSON", Long: evalHelp,
		Args: arguments(1, 1, "one EXPRESSION, in quotes"),
		RunE: func(_ *cobra.Command, args []string) error { return c.eval(args[0], o) },
	}
	cmd.Flags().StringArrayVarP(&o.inputs, "input", "i", nil, "an input, as `name=value`; may be repeated")
	cmd.Flags().StringVar(&o.data, "data", "", "a JSON `file` with data points; - is stdin")
	cmd.Flags().StringVar(&o.body, "body", "", "a JSON `file` with response.body; - is stdin")
	cmd.Flags().BoolVarP(&o.raw, "raw", "r", false, "print text without quotes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, which is the default")
	return cmd
}

func (c *Command) eval(source string, o evalFlags) error {
	known := flow.Known{Inputs: map[string]json.RawMessage{}}
	for _, pair := range o.inputs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return wrong(fmt.Sprintf("-i %s: write -i name=value", beginning(pair)))
		}
		raw := json.RawMessage(value)
		if flow.CheckJSON(raw) != nil {
			raw = json.RawMessage(datapoints.Text(value).Reveal())
		}
		known.Inputs[name] = raw
	}
	switch {
	case o.data == "-" && o.body == "-":
		return wrong("stdin can be --data or --body, not both")
	case o.body == "" && o.data != "-" && strings.Contains(source, "response"):
		o.body = "-"
	case o.data == "" && o.body != "-" && strings.Contains(source, "data."):
		o.data = "-"
	}
	if o.data != "" {
		text, err := c.readJSON(o.data)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &known.Data); err != nil {
			return wrong(named(o.data)+" does not hold data points: "+jsonReason(text, err).Error(), `it must be a JSON object such as {"orders": []}`)
		}
	}
	if o.body != "" {
		text, err := c.readJSON(o.body)
		if err != nil {
			return err
		}
		known.Body = text
	}
	v, err := flow.Eval(source, known)
	if err != nil {
		return c.expressionTrouble(err)
	}
	return c.printValue(v.Reveal(), o.raw)
}

// printValue prints a JSON value; raw prints text without quotes.
func (c *Command) printValue(text string, raw bool) error {
	if v := datapoints.JSON(text); raw && v.IsText() {
		_, err := fmt.Fprintln(c.Stdout, v.RevealText())
		return err
	}
	return c.printOutputs(json.RawMessage(text), false)
}

// expressionTrouble shows what is wrong with an expression or a path.
func (c *Command) expressionTrouble(err error) error {
	var list diag.List
	if errors.As(err, &list) {
		c.printList(list)
		return said(exitFlow)
	}
	return err
}

// readJSON reads a file or stdin that must be JSON.
func (c *Command) readJSON(name string) ([]byte, error) {
	text, err := c.read(name)
	if err != nil {
		return nil, err
	}
	if err := flow.CheckJSON(text); err != nil {
		return nil, wrong(named(name) + ": " + err.Error())
	}
	return text, nil
}

// named is a file's name in a message.
func named(file string) string {
	if file == "-" {
		return "stdin"
	}
	return file
}
