// Command oauth runs an authorization server made of github.com/go-oauth2/oauth2 on a free loopback port: it writes its
// URL to stdout as one line and ends when stdin is closed.
//
//	POST /oauth/token   client credentials, password and refresh token; the client by Basic or in the form body
//	GET  /check         with "Authorization: Bearer TOKEN": 200 and what the token stands for, else 401
//
// The client and the user are given by flags or by the environment variables OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET,
// OAUTH_USERNAME and OAUTH_PASSWORD; a flag wins. -basic says how a Basic header is read: raw, as most servers read it,
// or form, as RFC 6749 §2.3.1 has it.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/stepwell/stepwell/testdata/servers/internal/loopback"
)

func main() {
	var c config
	flag.StringVar(&c.clientID, "client-id", env("OAUTH_CLIENT_ID", "clinic"), "the client's id")
	flag.StringVar(&c.clientSecret, "client-secret", env("OAUTH_CLIENT_SECRET", `p@ss:w/rd&=+% ~*'()`), "the client's secret")
	flag.StringVar(&c.username, "username", env("OAUTH_USERNAME", "ward"), "the user's name")
	flag.StringVar(&c.password, "password", env("OAUTH_PASSWORD", `pass word+%41`), "the user's password")
	flag.StringVar(&c.basic, "basic", "raw", "how a Basic header is read: raw or form")
	flag.DurationVar(&c.lifetime, "lifetime", time.Hour, "how long an access token is accepted")
	flag.Parse()

	handler, err := newHandler(c)
	if err == nil {
		err = loopback.Serve(handler, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "oauth:", err)
		os.Exit(1)
	}
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
