package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stepwell/stepwell/datapoints"
)

// key finds the key that seals values, in the order --key-file,
// STEPWELL_KEY_FILE, STEPWELL_KEY, the user's own key file. The last is made
// if make says so and it is not there.
func (c *Command) key(file string, make bool) (datapoints.MasterKey, error) {
	if file == "" {
		file = c.env("STEPWELL_KEY_FILE")
	}
	if file != "" {
		return c.keyFile(c.path(file))
	}
	if text := c.env("STEPWELL_KEY"); text != "" {
		return parseKey(text, "STEPWELL_KEY")
	}
	dir, err := c.home("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return datapoints.MasterKey{}, err
	}
	file = filepath.Join(dir, "key")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if !make {
			return datapoints.MasterKey{}, &stop{exitStore, "the key that seals the runs is not there: " + file, []string{"give it with --key-file, STEPWELL_KEY_FILE or STEPWELL_KEY"}}
		}
		if err := c.makeKey(file); err != nil {
			return datapoints.MasterKey{}, err
		}
	}
	return c.keyFile(file)
}

// home is the program's folder of one sort: below an XDG variable, or its
// default below the user's home.
func (c *Command) home(variable, below string) (string, error) {
	if dir := c.env(variable); filepath.IsAbs(dir) { // XDG: relative ones are to be ignored
		return filepath.Join(dir, "stepwell"), nil
	}
	home := c.env("HOME")
	if home == "" {
		home = c.env("USERPROFILE")
	}
	if home == "" {
		return "", wrong("there is no home folder to keep runs in: neither HOME nor "+variable+" is set", "give --store URL, or --store memory to keep nothing")
	}
	return filepath.Join(home, filepath.FromSlash(below), "stepwell"), nil
}

func (c *Command) keyFile(file string) (datapoints.MasterKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return datapoints.MasterKey{}, wrong("the key file "+c.shown(file)+" cannot be read: "+reason(err), "make one with: head -c 32 /dev/urandom | base64 > FILE")
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		c.note("warning", "others on this machine may read the key file %s: chmod 600 %[1]s", c.shown(file))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return datapoints.MasterKey{}, wrong("the key file " + c.shown(file) + " cannot be read: " + reason(err))
	}
	return parseKey(string(text), "the key file "+c.shown(file))
}

func parseKey(text, from string) (datapoints.MasterKey, error) {
	key, err := datapoints.ParseMasterKey(text)
	if err != nil {
		return key, wrong(from+": "+err.Error(), "make one with: head -c 32 /dev/urandom | base64")
	}
	return key, nil
}

// makeKey writes a new key whole or not at all; when two processes do it at
// the same time, both use the first one's.
func (c *Command) makeKey(file string) error {
	fail := func(err error) error {
		return wrong("the key file "+file+" cannot be made: "+reason(err), "give a key with --key-file or STEPWELL_KEY, or keep nothing with --store memory")
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	part, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(part.Name()) }()
	_, err = fmt.Fprintln(part, datapoints.NewMasterKey().Encode())
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return fail(err)
	}
	err = os.Link(part.Name(), file)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fail(err)
	}
	c.note("note", "made a key to seal what runs record: %s. Without it they cannot be read: keep a copy", file)
	return nil
}
