package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
)

const completionHelp = `Prints a script that completes verbs, options and runs in a shell.

  bash        source <(stepwell completion bash)
  zsh         stepwell completion zsh > "${fpath[1]}/_stepwell"
  fish        stepwell completion fish > ~/.config/fish/completions/stepwell.fish
  powershell  stepwell completion powershell | Out-String | Invoke-Expression`

func (c *Command) completionVerb() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use: "completion SHELL", Short: "Print a completion script for a shell", Long: completionHelp,
		Args: arguments(1, 1, "one of bash, zsh, fish, powershell"), ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(c.Stdout)
			case "fish":
				return root.GenFishCompletion(c.Stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(c.Stdout)
			}
			return wrong("there is no completion for "+clean(args[0]), "it is there for bash, zsh, fish and powershell")
		},
	}
}

// completeRuns gives the ids of recent runs that begin with what is typed.
func (c *Command) completeRuns(f *storeFlags) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		quiet := *c
		quiet.Stderr = io.Discard
		k, err := quiet.open(cmd.Context(), *f, toList)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer k.close()
		runs, _ := k.List(cmd.Context(), datapoints.Filter{Prefix: typed, Limit: 20})
		var ids []string
		for _, r := range runs {
			ids = append(ids, r.ID+"\t"+r.Flow+", "+string(k.state(r)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

// completePoints gives runs, and behind one the names of its data points.
func (c *Command) completePoints(f *storeFlags) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) != 1 {
			return c.completeRuns(f)(cmd, args, typed)
		}
		quiet := *c
		quiet.Stderr = io.Discard
		k, err := quiet.open(cmd.Context(), *f, toRead)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer k.close()
		r, err := quiet.find(cmd.Context(), k, args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		p, err := quiet.points(cmd.Context(), k, r.ID)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		own, inside := p.paths()
		var names []string
		for _, path := range append(own, inside...) {
			if strings.HasPrefix(path, typed) {
				names = append(names, path)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
