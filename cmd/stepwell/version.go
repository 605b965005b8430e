package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the module's version, as the Go command wrote it into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "development"
	}
	return info.Main.Version
}

func (c *Command) versionVerb() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: arguments(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			system := runtime.GOOS + "/" + runtime.GOARCH
			if asJSON {
				return c.printJSON(map[string]any{"version": version(), "language": 1, "go": runtime.Version(), "system": system}, false)
			}
			_, err := fmt.Fprintf(c.Stdout, "stepwell %s, flow language 1, %s, %s\n", version(), runtime.Version(), system)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
