package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/flow"
)

// A Command is one call of stepwell with everything that it touches, so that
// it can be called in a test as well as from a shell.
type Command struct {
	Args    []string // without the program's name
	Env     func(name string) (value string, there bool)
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Dir     string           // the current folder
	Signals <-chan os.Signal // nil: none come

	tokens *oauth2.Client // of the credentials of flows

	abrupt *atomic.Pointer[func()] // says what is left behind when a second signal ends everything at once
}

// Main does what the arguments say and returns the exit code. The first signal
// ends what is going on in good order, a second one ends it at once.
func (c *Command) Main(ctx context.Context) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.abrupt = new(atomic.Pointer[func()])
	done := make(chan int, 1)
	go func() { done <- c.do(ctx) }()
	first := 0
	for {
		select {
		case code := <-done:
			if first != 0 && (code == exitInterrupted || code == exitUsage) {
				return first
			}
			return code
		case s := <-c.Signals:
			code := codeOfSignal(s)
			if first != 0 {
				if say := c.abrupt.Load(); say != nil {
					(*say)()
				}
				return code
			}
			first = code
			cancel()
		}
	}
}

// do parses the arguments, does the verb, and says what went wrong.
func (c *Command) do(ctx context.Context) (code int) {
	root := c.root()
	root.SetArgs(c.Args)
	root.SetIn(c.Stdin)
	root.SetOut(c.Stdout)
	root.SetErr(c.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		c.report(err)
	}
	return codeOf(err)
}

// report writes what a verb has not said itself.
func (c *Command) report(err error) {
	var s *stop
	if errors.As(err, &s) {
		if s.text == "" {
			return
		}
		c.complain(s.text, s.help...)
		return
	}
	var f *flow.Error
	if errors.As(err, &f) {
		c.complain(f.Message, f.Hints...)
		return
	}
	c.complain(err.Error())
}

// complain writes an error that is about no place in a file.
func (c *Command) complain(text string, help ...string) {
	l := c.errLook()
	fmt.Fprintf(c.Stderr, "%s %s\n", l.paint(red+";"+bold, "error:"), clean(text))
	for _, h := range help {
		fmt.Fprintf(c.Stderr, "  %s\n", clean(h))
	}
}

// note writes something that the user should know and that stops nothing.
func (c *Command) note(word, format string, args ...any) {
	l := c.errLook()
	fmt.Fprintf(c.Stderr, "%s %s\n", l.paint(yellow, word+":"), clean(fmt.Sprintf(format, args...)))
}

func (c *Command) errLook() look { return lookOf(c.Stderr, c.Env) }
func (c *Command) outLook() look { return lookOf(c.Stdout, c.Env) }

// env is a variable's value, "" if it is not set.
func (c *Command) env(name string) string {
	v, _ := c.Env(name)
	return v
}

// path makes a path that the user gave absolute.
func (c *Command) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(c.Dir, name)
}

// shown is a path as the user wants to read it: relative where that is shorter.
func (c *Command) shown(name string) string {
	rel, err := filepath.Rel(c.Dir, name)
	if err != nil || strings.HasPrefix(rel, ".."+string(filepath.Separator)+"..") {
		return name
	}
	return rel
}

const rootHelp = `Stepwell makes the calls that a flow file describes, in order, and keeps named
data points from the answers for the calls that follow.

  stepwell run --sandbox examples/discharge-follow-up.yaml    try it, nothing needs setting up
  stepwell validate flow.yaml                                 check a flow, send nothing
  stepwell plan flow.yaml                                     what it would send, and what feeds what
  stepwell run flow.yaml -i patient_id=9434765919             run it`

const rootExits = `
Exit codes:
  0 succeeded    1 command line      2 flow file not valid   3 a step failed   4 expectation
  5 input        6 authentication    7 store or key          8 internal        9 paused
  10 unknown     11 cancelled        130 SIGINT              143 SIGTERM
`

// root is the tree of verbs.
func (c *Command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "stepwell",
		Short:         "Runs flows of API calls and keeps their data points",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          verbs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		help := []string{"see: " + cmd.CommandPath() + " --help"}
		if strings.HasPrefix(err.Error(), "unknown flag") && cmd.Flags().Lookup("input") != nil {
			help = append(help, "inputs of the flow are given as -i name=value")
		}
		return wrong(err.Error(), help...)
	})
	root.AddCommand(c.runVerb(), c.resumeVerb(), c.signalVerb(), c.cancelVerb(), c.validateVerb(), c.planVerb(), c.graphVerb(), c.runsVerb(), c.dataVerb(), c.keysVerb(), c.tokenVerb(),
		c.evalVerb(), c.pathVerb(), c.actionsVerb(), c.envVerb(), c.explainVerb(), c.sandboxVerb(),
		c.fmtVerb(), c.schemaVerb(), c.completionVerb(), c.versionVerb())
	root.SetUsageTemplate(root.UsageTemplate() + "{{if not .HasParent}}" + rootExits + "{{end}}")
	return root
}

// arguments takes n to most arguments and says in words what is missing.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrong(fmt.Sprintf("%s wants %s", cmd.CommandPath(), what), "usage: "+cmd.UseLine())
		case most >= 0 && len(args) > most:
			help := "usage: " + cmd.UseLine()
			if name, _, is := strings.Cut(args[most], "="); is && cmd.Flags().Lookup("input") != nil {
				help = "an input is given as -i " + clean(name) + "=…"
			}
			return wrong(fmt.Sprintf("%s takes %s; what is %q?", cmd.CommandPath(), what, args[most]), help)
		}
		return nil
	}
}

// verbs refuses what is no verb, and names the one that was meant.
func verbs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, v := range cmd.Commands() {
		if v.IsAvailableCommand() {
			names = append(names, v.Name())
		}
	}
	help := []string{"see: " + cmd.CommandPath() + " --help"}
	if near := flow.Nearest(args[0], names); near != "" {
		help = append([]string{fmt.Sprintf("did you mean %q?", near)}, help...)
	}
	return wrong(fmt.Sprintf("there is no verb %q", clean(args[0])), help...)
}
