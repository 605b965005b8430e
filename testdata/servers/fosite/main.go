// Command fosite runs an authorization server made of github.com/ory/fosite on a free loopback port: it writes its URL to
// stdout as one line and ends when stdin is closed.
//
//	POST /token        client_credentials, password, refresh_token, authorization_code with PKCE, jwt_bearer
//	GET  /authorize    says yes for its only user at once
//	POST /introspect   what a token is, for a client named by Basic
//	POST /revoke
//
// There is a client for each manner of client authentication, named after it: client_secret_basic and client_secret_post
// with the secret of -client-secret, RS384 and ES384 with an assertion of one of the keys of -jwks, and none. jwt_bearer
// takes assertions that the keys' clients have signed about the user.
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
	flag.StringVar(&c.clientSecret, "client-secret", `p@ss:w/rd&=+% ~*'()`, "the clients' secret")
	flag.StringVar(&c.jwks, "jwks", `{"keys":[]}`, "the public keys of the clients RS384 and ES384: a JWK set")
	flag.DurationVar(&c.lifetime, "lifetime", time.Hour, "how long an access token is accepted")
	flag.Parse()

	handler, err := newHandler(c)
	if err == nil {
		err = loopback.Serve(handler, os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fosite:", err)
		os.Exit(1)
	}
}
