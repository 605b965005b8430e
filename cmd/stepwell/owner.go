package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/gofrs/flock"
)

// An owner is this process in the leases of one store: it holds a lock as long
// as it lives. So another process knows at once that it was killed.
type owner struct {
	name string
	dir  string
	lock *flock.Flock
}

// newOwner takes a lock in a folder beside the database.
func newOwner(database string) (*owner, error) {
	o := &owner{dir: database + ".owners"}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	o.name = fmt.Sprintf("%s-%d-%s", notInName.ReplaceAllString(host, "-"), os.Getpid(), rand.Text()[:8])
	o.lock = flock.New(o.file(o.name), flock.SetPermissions(0o600))
	locked, err := o.lock.TryLock()
	if err == nil && !locked {
		err = fmt.Errorf("the lock %s is taken", o.file(o.name))
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

var (
	notInName = regexp.MustCompile(`[^A-Za-z0-9.-]`)
	isName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)
)

func (o *owner) file(name string) string { return filepath.Join(o.dir, name+".lock") }

// close gives the lock back.
func (o *owner) close() {
	_ = os.Remove(o.file(o.name)) // first, so that nobody locks a file that nobody names any more
	_ = o.lock.Unlock()
}

// dead says whether the process of that name is gone: nobody holds its lock.
func (o *owner) dead(name string) bool { return name != o.name && deadOwner(o.dir, name) }

func deadOwner(dir, name string) bool {
	if !isName.MatchString(name) {
		return false
	}
	file := filepath.Join(dir, name+".lock")
	if _, err := os.Lstat(file); os.IsNotExist(err) {
		return true // it ended in good order, but without giving its lease back
	}
	lock := flock.New(file, flock.SetFlag(os.O_RDWR), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil || !locked {
		return false
	}
	_ = os.Remove(file)
	_ = lock.Unlock()
	return true
}
