package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/examples/sandbox"
)

const sandboxHelp = `Keeps a server up on this machine to try flows against: a token endpoint, a small
clinic with a REST and a GraphQL API, and answers that fail on request. It prints
its address and credentials as lines for a shell, and ends with Ctrl-C.

  stepwell sandbox > sandbox.env &      then: . ./sandbox.env; stepwell run examples/roundtrip.yaml`

func (c *Command) sandboxVerb() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "sandbox", Short: "Keep a server up to try flows against", Long: sandboxHelp, Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.keepSandbox(cmd.Context(), addr, asJSON) },
	}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "the loopback `address` to listen on; port 0 is a free one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the settings as JSON")
	return cmd
}

func (c *Command) keepSandbox(ctx context.Context, addr string, asJSON bool) error {
	s, err := sandbox.Start(sandbox.Options{Addr: addr})
	if err != nil {
		return wrong(err.Error())
	}
	defer func() { _ = s.Close() }()
	if asJSON {
		settings := map[string]string{}
		for _, v := range s.Settings() {
			settings[v.Name] = v.Value
		}
		err = c.printJSON(settings, false)
	} else {
		for _, v := range s.Settings() {
			if v.Env != "" {
				fmt.Fprintf(c.Stdout, "export %s=%s\n", v.Env, quoted(v.Value))
			}
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Stderr, "the sandbox is at %s; Ctrl-C ends it\n", s.URL())
	<-ctx.Done()
	return nil
}
