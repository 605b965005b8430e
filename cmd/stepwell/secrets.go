package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/stepwell/stepwell/flow"
)

// Limits on where secrets come from.
const (
	maxSecretFile  = 1 << 20
	commandTimeout = 5 * time.Second
)

// secret reads a secret from its source. What is not there reads as "". No
// error holds the secret or a part of it. dir is the project's folder.
func (c *Command) secret(ctx context.Context, s flow.SecretSource, dir string) (string, error) {
	switch {
	case s.Env != "":
		return c.env(s.Env), nil
	case s.File != "":
		return secretFile(filepath.FromSlash(s.Path()), dir)
	case len(s.Command) > 0:
		return secretCommand(ctx, s.Command, filepath.Join(dir, filepath.FromSlash(s.Folder)))
	case s.Keyring[0] != "":
		return secretKeyring(s.Keyring[0], s.Keyring[1])
	}
	return "", nil
}

// missing says in its own words that there is no secret; an optional one reads
// as null then.
type missing string

func (m missing) Error() string { return string(m) }

// Is makes it a flow.ErrNoSecret.
func (missing) Is(target error) bool { return target == flow.ErrNoSecret }

func secretFile(name, dir string) (string, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", missing("there is no such file")
	case err != nil:
		return "", fmt.Errorf("it cannot be read: %s", reason(err))
	case info.Size() > maxSecretFile:
		return "", errors.New("it is larger than 1 MiB")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("it cannot be read: %s", reason(err))
	}
	return cutNewline(string(text)), nil
}

// cutNewline removes one line break at the end, which editors put there.
func cutNewline(s string) string {
	s, cut := strings.CutSuffix(s, "\n")
	if cut {
		s = strings.TrimSuffix(s, "\r")
	}
	return s
}

func secretCommand(ctx context.Context, args []string, dir string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out // what it says on stderr may hold the secret: it is dropped
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return "", fmt.Errorf("it did not end within %s", commandTimeout)
	case errors.As(err, &exit):
		return "", fmt.Errorf("it ended with exit code %d", exit.ExitCode())
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("it was not found")
	case err != nil:
		return "", fmt.Errorf("it could not be run: %s", reason(err))
	}
	return cutNewline(out.String()), nil
}

func secretKeyring(service, user string) (string, error) {
	value, err := keyring.Get(service, user)
	if err != nil {
		return "", keyringTrouble(err)
	}
	return value, nil
}

// noKeyring begins what is said where the system has none.
const noKeyring = "there is no keyring here"

// keyringTrouble says why the keyring gave nothing. That there is no entry, or
// no keyring at all, is a secret that is missing; one that is locked or that
// refuses is an error.
func keyringTrouble(err error) error {
	var network *net.OpError
	var exit *exec.ExitError
	text := err.Error()
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return missing("the keyring has no such entry")
	case errors.Is(err, keyring.ErrUnsupportedPlatform):
		return missing("this system has no keyring")
	case errors.Is(err, exec.ErrNotFound), errors.As(err, &network), errors.As(err, &exit), // the session bus could not be found or started
		strings.HasPrefix(text, "dbus: couldn't determine address"),
		strings.Contains(text, "org.freedesktop.secrets was not provided"):
		return missing(noKeyring + ": no service for it runs in this session")
	}
	return fmt.Errorf("the keyring cannot be read: %w", err)
}

// sourceOf says where a secret comes from, in few words.
func sourceOf(s flow.SecretSource) string {
	switch {
	case s.Env != "":
		return "$" + s.Env
	case s.File != "":
		return "file " + s.Path()
	case len(s.Command) > 0:
		return "command " + strings.Join(s.Command, " ")
	case s.Keyring[0] != "":
		return "keyring " + s.Keyring[0] + "/" + s.Keyring[1]
	}
	return "no source"
}
