package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/zalando/go-keyring"

	"github.com/stepwell/stepwell/datapoints"
)

// keyFlags are the options that say where the key is that seals values, and
// one that it took the place of.
type keyFlags struct {
	file, command, keyring string
	old                    string // a file
}

// A keySource is a place from which a key is read.
type keySource struct {
	from    string // what names it: --key-file, STEPWELL_KEY, … ; "": the user's own file
	file    string
	text    string
	command []string
	service string // of the keyring, with user
	user    string
}

// keySource finds the place of the key, in the order --key-file, --key-command,
// --key-keyring, the variables of the same names, the user's own key file.
func (c *Command) keySource(f keyFlags) (keySource, error) {
	given := 0
	for _, flag := range []string{f.file, f.command, f.keyring} {
		if flag != "" {
			given++
		}
	}
	if given > 1 {
		return keySource{}, wrong("there is more than one key: give one of --key-file, --key-command and --key-keyring")
	}
	s, err := c.namedSource("--key", f.file, "", f.command, f.keyring)
	if err != nil || s.from != "" {
		return s, err
	}
	s, err = c.variableSource("STEPWELL_KEY")
	if err != nil || s.from != "" {
		return s, err
	}
	dir, err := c.home("XDG_CONFIG_HOME", ".config")
	return keySource{file: filepath.Join(dir, "key")}, err
}

// oldSource finds the place of a key that was used before; there may be none.
func (c *Command) oldSource(f keyFlags) (keySource, error) {
	s, err := c.namedSource("--old-key", f.old, "", "", "")
	if err != nil || s.from != "" {
		return s, err
	}
	return c.variableSource("STEPWELL_OLD_KEY")
}

func (c *Command) variableSource(name string) (keySource, error) {
	return c.namedSource(name, c.env(name+"_FILE"), c.env(name), c.env(name+"_COMMAND"), c.env(name+"_KEYRING"))
}

// namedSource is the first of the four that is there; name is that of the
// option or the variable.
func (c *Command) namedSource(name, file, text, command, entry string) (keySource, error) {
	kind := func(kind string) string {
		if strings.HasPrefix(name, "--") {
			return name + "-" + kind
		}
		return name + "_" + strings.ToUpper(kind)
	}
	switch {
	case file != "":
		return keySource{from: kind("file"), file: c.path(file)}, nil
	case text != "":
		return keySource{from: name, text: text}, nil
	case command != "":
		words, err := commandWords(command)
		if err != nil {
			return keySource{}, wrong(kind("command")+": "+err.Error(), `write the program and its arguments with blanks between them, or as a JSON list: ["pass", "show", "stepwell key"]`)
		}
		return keySource{from: kind("command"), command: words}, nil
	case entry != "":
		service, user, ok := strings.Cut(entry, "/")
		if !ok || service == "" || user == "" {
			return keySource{}, wrong(fmt.Sprintf("%s: %q is no entry of a keyring", kind("keyring"), clean(entry)), "write SERVICE/USER, for example stepwell/key")
		}
		return keySource{from: kind("keyring"), service: service, user: user}, nil
	}
	return keySource{}, nil
}

// commandWords takes a command line apart. There is no shell: quotes and
// variables mean nothing; a JSON list has arguments with blanks.
func commandWords(text string) ([]string, error) {
	words := strings.Fields(text)
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		words = nil
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			return nil, errors.New("it is not a JSON list of texts")
		}
	}
	if len(words) == 0 || words[0] == "" {
		return nil, errors.New("it names no program")
	}
	return words, nil
}

// place says where a key is, for people.
func (c *Command) place(s keySource) string {
	switch {
	case s.file != "":
		return "the key file " + c.shown(s.file)
	case len(s.command) > 0:
		return s.from + " " + clean(s.command[0])
	case s.service != "":
		return "the keyring's entry " + clean(s.service+"/"+s.user)
	}
	return s.from
}

// key reads the key that seals values. The user's own file is made if make says
// so and it is not there.
func (c *Command) key(ctx context.Context, f keyFlags, make bool) (datapoints.MasterKey, error) {
	s, err := c.keySource(f)
	if err != nil {
		return datapoints.MasterKey{}, err
	}
	if s.from == "" {
		if _, err := os.Stat(s.file); errors.Is(err, fs.ErrNotExist) {
			if !make {
				return datapoints.MasterKey{}, &stop{exitStore, "the key that seals the runs is not there: " + s.file, []string{"give it with --key-file, --key-command, --key-keyring or STEPWELL_KEY"}}
			}
			made, err := c.makeKey(s.file)
			if err != nil {
				return datapoints.MasterKey{}, err
			}
			if made {
				c.note("note", "made a key to seal what runs record: %s. Without it they cannot be read: keep a copy", s.file)
			}
		}
	}
	return c.readKey(ctx, s)
}

// sealingKeys are all keys that are given: the one in use and an older one.
func (c *Command) sealingKeys(ctx context.Context, f keyFlags, make bool) (datapoints.Keys, error) {
	key, err := c.key(ctx, f, make)
	if err != nil {
		return datapoints.Keys{}, err
	}
	keys := datapoints.Keys{Master: key}
	old, err := c.oldKey(ctx, f)
	if err != nil {
		return datapoints.Keys{}, err
	}
	if old != nil {
		keys.Older = []datapoints.KeyWrapper{*old}
	}
	return keys, nil
}

func (c *Command) oldKey(ctx context.Context, f keyFlags) (*datapoints.MasterKey, error) {
	s, err := c.oldSource(f)
	if err != nil || s.from == "" {
		return nil, err
	}
	key, err := c.readKey(ctx, s)
	return &key, err
}

// readKey reads a key. What the user names and is no key is a mistake in the
// configuration; that the user's own file is of no use is the store's.
func (c *Command) readKey(ctx context.Context, s keySource) (datapoints.MasterKey, error) {
	text, err := s.text, error(nil)
	switch {
	case s.file != "":
		text, err = c.keyFile(s)
	case len(s.command) > 0:
		if text, err = secretCommand(ctx, s.command, c.Dir); err != nil {
			err = wrong(c.place(s)+": "+err.Error(), "it is run without a shell, and prints the key")
		}
	case s.service != "":
		if text, err = secretKeyring(s.service, s.user); err != nil {
			help := "make a key there with: stepwell keys init --key-keyring " + clean(s.service+"/"+s.user)
			if strings.HasPrefix(err.Error(), noKeyring) {
				help = "keep the key in a file: --key-file FILE"
			}
			err = wrong(c.place(s)+": "+err.Error(), help)
		}
	}
	if err != nil {
		return datapoints.MasterKey{}, err
	}
	key, err := datapoints.ParseMasterKey(text)
	if err != nil {
		help := "stepwell keys init makes one"
		if s.file != "" {
			help = "put the copy of the key back: stepwell keys init replaces no file, and another key opens no run"
		}
		return key, &stop{s.code(), c.place(s) + ": " + err.Error(), []string{help}}
	}
	return key, nil
}

func (s keySource) code() int {
	if s.from == "" {
		return exitStore
	}
	return exitUsage
}

func (c *Command) keyFile(s keySource) (string, error) {
	file := c.shown(s.file)
	info, err := os.Stat(s.file)
	if err != nil {
		return "", &stop{s.code(), "the key file " + file + " cannot be read: " + reason(err), []string{"make one with: stepwell keys init --key-file " + file}}
	}
	if runtime.GOOS != "windows" && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", &stop{s.code(), fmt.Sprintf("others on this machine may read the key file %s (mode %04o)", file, info.Mode().Perm()), []string{"chmod 600 " + file, "if somebody may have read it: make another key, and stepwell keys rotate"}}
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return "", &stop{s.code(), "the key file " + file + " cannot be read: " + reason(err), nil}
	}
	return string(text), nil
}

// makeKey writes a new key whole or not at all; when two processes do it at
// the same time, both use the first one's, and one of them made it.
func (c *Command) makeKey(file string) (made bool, err error) {
	fail := func(err error) error {
		return wrong("the key file "+file+" cannot be made: "+reason(err), "give a key with --key-file or STEPWELL_KEY, or keep nothing with --store memory")
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fail(err)
	}
	part, err := os.CreateTemp(dir, ".key-*") // 0600
	if err != nil {
		return false, fail(err)
	}
	defer func() { _ = os.Remove(part.Name()) }()
	_, err = fmt.Fprintln(part, datapoints.NewMasterKey().Encode())
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return false, fail(err)
	}
	err = os.Link(part.Name(), file)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fail(err)
	}
	return true, nil
}

// makeEntry puts a new key into the keyring, if there is none.
func (c *Command) makeEntry(s keySource) (made bool, err error) {
	_, err = keyring.Get(s.service, s.user)
	if err == nil {
		return false, nil
	}
	if errors.Is(err, keyring.ErrNotFound) {
		err = keyring.Set(s.service, s.user, datapoints.NewMasterKey().Encode())
	}
	if err != nil {
		return false, wrong(c.place(s)+" cannot be made: "+keyringTrouble(err).Error(), "keep the key in a file: --key-file FILE")
	}
	return true, nil
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
