package main

import (
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"

	"github.com/stepwell/stepwell/flow"
)

// The keyring's mock is one for the whole process: these tests are not parallel.

func TestAKeyIsMadeInTheKeyringAndReadFromThere(t *testing.T) {
	keyring.MockInit()
	dir := t.TempDir()
	c, _, stderr := at(dir, map[string]string{"XDG_CONFIG_HOME": dir, "XDG_STATE_HOME": dir}, "keys", "init", "--key-keyring", "stepwell/key")
	if code := c.Main(t.Context()); code != exitOK || !strings.Contains(stderr.String(), "the keyring's entry stepwell/key") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	stored, err := keyring.Get("stepwell", "key")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stderr.String(), stored) {
		t.Error("the key was printed")
	}
	c, _, _ = at(dir, map[string]string{"STEPWELL_KEY_KEYRING": "stepwell/key"})
	k, err := c.key(t.Context(), keyFlags{}, true)
	if err != nil || k.Encode() != stored {
		t.Errorf("%v, %v", k, err)
	}
	c, _, stderr = at(dir, nil, "keys", "init", "--key-keyring", "stepwell/key")
	if code := c.Main(t.Context()); code != exitUsage || !strings.Contains(stderr.String(), "there is a key already") {
		t.Errorf("again: exit %d: %s", code, stderr)
	}
	c, _, _ = at(dir, nil)
	if _, err := c.key(t.Context(), keyFlags{keyring: "stepwell/other"}, true); codeOf(err) != exitUsage || !strings.Contains(err.Error(), "no such entry") {
		t.Errorf("no entry: %v", err)
	}
	if err := keyring.Set("stepwell", "bad", "hunter2hunter2"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.key(t.Context(), keyFlags{keyring: "stepwell/bad"}, true); codeOf(err) != exitUsage || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("no key: %v", err)
	}
}

func TestAnOptionalSecretIsNullWhereThereIsNoKeyring(t *testing.T) {
	defer keyring.MockInit()
	c, _, _ := at(t.TempDir(), nil)
	source := flow.SecretSource{Keyring: [2]string{"ehr", "me"}}
	for name, test := range map[string]struct {
		err     error
		missing bool
	}{
		"no entry":              {keyring.ErrNotFound, true},
		"no keyring at all":     {keyring.ErrUnsupportedPlatform, true},
		"no session bus":        {&exec.Error{Name: "dbus-launch", Err: exec.ErrNotFound}, true},
		"no bus without X":      {&exec.ExitError{}, true},
		"a bus that is gone":    {&net.OpError{Op: "dial", Net: "unix", Err: errors.New("connect: no such file or directory")}, true},
		"a bus without a name":  {errors.New("dbus: couldn't determine address of session bus"), true},
		"a bus without secrets": {errors.New("The name org.freedesktop.secrets was not provided by any .service files"), true},
		"a locked keyring":      {errors.New("failed to unlock correct collection '/org/freedesktop/secrets/collection/login'"), false},
	} {
		keyring.MockInitWithError(test.err)
		value, err := c.secret(t.Context(), source, "")
		if value != "" || err == nil || errors.Is(err, flow.ErrNoSecret) != test.missing {
			t.Errorf("%s: %q, %v", name, value, err)
		}
		if _, err := c.key(t.Context(), keyFlags{keyring: "stepwell/key"}, true); codeOf(err) != exitUsage {
			t.Errorf("%s: the key: %v", name, err)
		}
		made, err := c.makeEntry(keySource{from: "--key-keyring", service: "stepwell", user: "key"})
		if made || err == nil {
			t.Errorf("%s: a key was made: %v, %v", name, made, err)
		}
	}
}
