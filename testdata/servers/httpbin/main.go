// Command httpbin runs github.com/mccutchen/go-httpbin on a free loopback port: it writes its URL to stdout as one line
// and ends when stdin is closed.
package main

import (
	"fmt"
	"os"

	"github.com/mccutchen/go-httpbin/v2/httpbin"

	"github.com/stepwell/stepwell/testdata/servers/internal/loopback"
)

func main() {
	if err := loopback.Serve(httpbin.New(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "httpbin:", err)
		os.Exit(1)
	}
}
