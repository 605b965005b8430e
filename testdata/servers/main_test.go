package servers_test

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if told := os.Getenv(userVariable); told != "" {
		os.Exit(beTokenUser(told))
	}
	dir, err := os.MkdirTemp("", "stepwell-servers")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
