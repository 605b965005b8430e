// Package loopback runs a handler for a test: on a free loopback port, until the test lets go.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Serve serves a handler on a free port of 127.0.0.1, writes the URL as one line to out, and returns when in is at its
// end, which it is when the test closes its side or dies. The error says why nothing could be served.
func Serve(handler http.Handler, in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen on a loopback port: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()

	if _, err := fmt.Fprintf(out, "http://%s\n", listener.Addr()); err != nil {
		_ = server.Close()
		<-served
		return fmt.Errorf("write the URL: %w", err)
	}
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, in) // however it ends, the test is gone
		close(over)
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-over:
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // somebody still waits for a slow answer
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
