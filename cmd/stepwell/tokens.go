package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/stepwell/stepwell/actions/oauth2"
)

// keepTokens lets credentials keep their tokens beside the runs, and waits for
// those that are under way when the command ends.
func (s *session) keepTokens() (done func()) {
	t := s.c.tokens
	t.Secret = s.redactor.Add
	t.Warn = func(text string) { s.c.note("warning", "%s", s.redactor.Text(text)) }
	if s.keep.plain != nil {
		t.Cache, t.Locks = s.keep.keys.SealTokens(s.keep.plain), tokenLocks(s.keep.file+".tokens")
	}
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), tokenPatience)
		defer cancel()
		if t.Close(ctx) != nil {
			s.c.note("warning", "a token was still being fetched when the command ended: a refresh token may be lost")
		}
	}
}

// watchTokens has do told of each token request, masked by the redactor of the session too.
func (s *session) watchTokens(do func(context.Context, oauth2.Exchange)) {
	s.c.tokens.Watch = func(ctx context.Context, x oauth2.Exchange) {
		r := s.redactor
		x.Failure, x.Request.URL, x.Request.Body = r.Text(x.Failure), r.Text(x.Request.URL), []byte(r.Text(string(x.Request.Body)))
		for i := range x.Request.Headers {
			x.Request.Headers[i][1] = r.Text(x.Request.Headers[i][1])
		}
		for _, values := range x.Answer.Headers {
			for i := range values {
				values[i] = r.Text(values[i])
			}
		}
		x.Answer.Body = []byte(r.Text(string(x.Answer.Body)))
		do(ctx, x)
	}
}

// tokenPatience is how long a command stays for a token that is under way.
const tokenPatience = time.Minute

// tokenLocks are files in a folder, each locked while its token is fetched. They
// stay: who removed one could take it from another who waits for it.
type tokenLocks string

// Lock implements oauth2.Locks.
func (l tokenLocks) Lock(ctx context.Context, key string) (unlock func(), err error) {
	if err := os.MkdirAll(string(l), 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(string(l), key+".lock"), flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}
