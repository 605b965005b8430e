package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/datapoints"
)

const keysHelp = `Everything that a run records is sealed with a key of its own, and that is wrapped
by one key, which is given by --key-file, --key-command, --key-keyring, by the
variables STEPWELL_KEY_FILE, STEPWELL_KEY, STEPWELL_KEY_COMMAND, STEPWELL_KEY_KEYRING,
or is a file in your configuration folder.`

func (c *Command) keysVerb() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: "Make, list, rotate and verify the keys that seal runs", Long: keysHelp, Args: verbs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	verb := func(use, short, long string, do func(context.Context, storeFlags, bool) error) {
		var f storeFlags
		var asJSON bool
		v := &cobra.Command{Use: use, Short: short, Long: long, Args: arguments(0, 0, "no arguments"),
			RunE: func(cmd *cobra.Command, _ []string) error { return do(cmd.Context(), f, asJSON) }}
		addStoreFlags(v, &f)
		v.Flags().BoolVar(&asJSON, "json", false, "print JSON")
		cmd.AddCommand(v)
	}
	verb("init", "Make a key", keysInitHelp, c.keysInit)
	verb("list", "Show which keys seal how much, and which one is in use", keysListHelp, c.keysList)
	verb("rotate", "Seal everything with the key that is in use", keysRotateHelp, c.keysRotate)
	verb("verify", "Open everything that is sealed, and say what does not open", keysVerifyHelp, c.keysVerify)
	return cmd
}

const keysInitHelp = `Makes a key where the options or variables say: in a file, which nobody else may
read, or in the system's keyring. A key that is there is not replaced. The key is
not printed.`

// keysInit makes a key where a key is read from.
func (c *Command) keysInit(ctx context.Context, f storeFlags, asJSON bool) error {
	s, err := c.keySource(f.key)
	if err != nil {
		return err
	}
	made := false
	switch {
	case s.file != "":
		made, err = c.makeKey(s.file)
	case s.service != "":
		made, err = c.makeEntry(s)
	default:
		return wrong("a key cannot be made in "+c.place(s), "make one with --key-file FILE or --key-keyring SERVICE/USER")
	}
	if err != nil {
		return err
	}
	if !made {
		return wrong("there is a key already: "+c.place(s), "to take another one: stepwell keys init with another place, then stepwell keys rotate")
	}
	key, err := c.readKey(ctx, s)
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(map[string]string{"key": key.ID(), "place": c.place(s)}, false)
	}
	fmt.Fprintf(c.Stderr, "made key %s: %s. Without it what it seals cannot be read: keep a copy\n", key.ID(), c.place(s))
	return nil
}

const keysListHelp = `Shows for each key how many runs and tokens it seals. No key is needed for that.`

// A keyUse is a key as keys list shows it.
type keyUse struct {
	Key    string `json:"key"` // its id; "": what is not sealed
	Runs   int    `json:"runs"`
	Tokens int    `json:"tokens"`
	InUse  bool   `json:"in_use"`
	Old    bool   `json:"old"`   // given as an older key
	Given  bool   `json:"given"` // what it seals can be opened
}

func (c *Command) keysList(ctx context.Context, f storeFlags, asJSON bool) error {
	k, err := c.open(ctx, f, toList)
	if err != nil && !errors.Is(err, errNoRuns) {
		return err
	}
	var keys datapoints.Keys
	if keys, err = c.sealingKeys(ctx, f.key, false); err != nil {
		var none *stop
		if k == nil && errors.As(err, &none) && none.code == exitStore {
			c.note("note", "there is no key yet: the first run makes one, or stepwell keys init")
		} else {
			c.note("warning", "%v", err)
		}
		keys = datapoints.Keys{}
	}
	uses := map[string]*keyUse{}
	if k != nil {
		defer k.close()
		if err := k.countKeys(ctx, uses); err != nil {
			return c.storeTrouble(k.file, err)
		}
	}
	if keys.Master != nil {
		u := useOf(uses, keys.Master.ID())
		u.InUse, u.Given = true, true
	}
	for _, old := range keys.Older {
		u := useOf(uses, old.ID())
		u.Old, u.Given = !u.InUse, true
	}
	list := slices.SortedFunc(maps.Values(uses), func(a, b *keyUse) int {
		if a.InUse != b.InUse {
			if a.InUse {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Key, b.Key)
	})
	if asJSON {
		return c.printJSON(map[string]any{"keys": append([]*keyUse{}, list...)}, false)
	}
	t := table{head: []string{"KEY", "RUNS", "TOKENS", ""}, keep: []int{0, 1, 2}}
	for _, u := range list {
		name, remark := u.Key, "not given"
		switch {
		case u.Key == "":
			name, remark = "none", "not sealed"
		case u.InUse:
			remark = "in use"
		case u.Old:
			remark = "older"
		}
		t.rows = append(t.rows, []string{name, thousands(u.Runs), thousands(u.Tokens), remark})
	}
	_, err = fmt.Fprint(c.Stdout, c.outLook().write(t))
	return err
}

func useOf(uses map[string]*keyUse, id string) *keyUse {
	if uses[id] == nil {
		uses[id] = &keyUse{Key: id}
	}
	return uses[id]
}

// countKeys counts what each key seals.
func (k *keeping) countKeys(ctx context.Context, uses map[string]*keyUse) error {
	err := k.eachRun(ctx, func(r datapoints.Run) error {
		id, err := datapoints.KeyID(r.Key)
		if err == nil {
			useOf(uses, id).Runs++
		}
		return nil // keys verify says what is damaged
	})
	if err != nil {
		return err
	}
	tokens, err := k.plain.Tokens(ctx)
	for _, e := range tokens {
		if id, err := datapoints.KeyID(e.Wrapped); err == nil && !e.IsNote() {
			useOf(uses, id).Tokens++
		}
	}
	if errors.Is(err, datapoints.ErrCorrupt) {
		return nil
	}
	return err
}

// eachRun gives every run as it is kept, some at a time.
func (k *keeping) eachRun(ctx context.Context, f func(datapoints.Run) error) error {
	filter := datapoints.Filter{Limit: 200}
	for {
		list, err := k.plain.List(ctx, filter)
		if err != nil {
			return err
		}
		for _, r := range list {
			if err := f(r); err != nil {
				return err
			}
		}
		if len(list) < filter.Limit {
			return nil
		}
		filter.Before = list[len(list)-1].ID
	}
}

const keysRotateHelp = `Wraps the keys of all runs and tokens with the key that is in use. What was sealed with
another one is opened with the key from before: --old-key-file, or the variables
STEPWELL_OLD_KEY_FILE, STEPWELL_OLD_KEY, STEPWELL_OLD_KEY_COMMAND, STEPWELL_OLD_KEY_KEYRING.
It may be stopped and begun again at any time, and runs may go on meanwhile.

  stepwell keys init --key-file new.key
  stepwell keys rotate --key-file new.key --old-key-file old.key`

// rotated is what keys rotate --json prints.
type rotated struct {
	Key     string   `json:"key"`
	Runs    int      `json:"runs"` // that were wrapped anew
	Tokens  int      `json:"tokens"`
	Failed  []string `json:"failed"`
	Already int      `json:"already"` // runs and tokens that had the key before
}

func (c *Command) keysRotate(ctx context.Context, f storeFlags, asJSON bool) error {
	k, err := c.open(ctx, f, toRead)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	runs, err := datapoints.Rewrap(ctx, k.plain, k.keys)
	if err != nil {
		return c.rotateTrouble(k, runs.Done, err)
	}
	tokens, err := datapoints.RewrapTokens(ctx, k.plain, k.keys)
	if err != nil {
		return c.rotateTrouble(k, runs.Done, err)
	}
	if err := c.scrub(ctx, k); err != nil {
		return err
	}
	r := rotated{Key: k.keys.Master.ID(), Runs: runs.Done, Tokens: tokens.Done, Failed: []string{}, Already: runs.Before + tokens.Before}
	needed := false
	for _, err := range append(runs.Failed, tokens.Failed...) {
		r.Failed = append(r.Failed, err.Error())
		needed = needed || errors.Is(err, datapoints.ErrKey)
	}
	if asJSON {
		if err := c.printJSON(r, false); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(c.Stderr, "key %s now seals %s and %s more; %s had it before\n", r.Key, count(r.Runs, "run"), count(r.Tokens, "token"), thousands(r.Already))
	}
	return c.sayClosed(r.Failed, needed, asJSON)
}

func (c *Command) rotateTrouble(k *keeping, done int, err error) error {
	s := &stop{}
	if errors.As(c.storeTrouble(k.file, err), &s) {
		s.help = append([]string{count(done, "run") + " were done and stay so: stepwell keys rotate goes on"}, s.help...)
	}
	return s
}

// sayClosed says what could not be opened.
func (c *Command) sayClosed(failed []string, keyNeeded, quiet bool) error {
	if len(failed) == 0 {
		return nil
	}
	if !quiet {
		lines := make([]string, len(failed))
		for i, text := range failed {
			lines[i] = "  " + text
		}
		c.sayFirst(lines)
	}
	help := []string{}
	if keyNeeded {
		help = append(help, "give the key that they were sealed with: --old-key-file FILE or STEPWELL_OLD_KEY", "stepwell keys list shows which keys are needed")
	}
	return &stop{exitStore, count(len(failed), "thing") + " cannot be opened", help}
}

const keysVerifyHelp = `Opens every value of every run, and every token, and says what does not open. Nothing
is changed.`

// verified is what keys verify --json prints.
type verified struct {
	Runs     int      `json:"runs"`
	Tokens   int      `json:"tokens"`
	Unsealed int      `json:"unsealed"` // of the runs: those without a key
	Failed   []string `json:"failed"`
}

func (c *Command) keysVerify(ctx context.Context, f storeFlags, asJSON bool) error {
	k, err := c.open(ctx, f, toRead)
	if err != nil {
		return noStore(err)
	}
	defer k.close()
	v := verified{Failed: []string{}}
	needed := false
	fail := func(err error) {
		if err != nil {
			v.Failed = append(v.Failed, err.Error())
			needed = needed || errors.Is(err, datapoints.ErrKey)
		}
	}
	err = k.eachRun(ctx, func(r datapoints.Run) error {
		v.Runs++
		if len(r.Key) == 0 {
			v.Unsealed++
		}
		for _, err := range k.openAll(ctx, r.ID) {
			fail(err)
		}
		return ctx.Err()
	})
	if err != nil {
		return c.storeTrouble(k.file, err)
	}
	tokens, err := k.plain.Tokens(ctx)
	if err != nil && !errors.Is(err, datapoints.ErrCorrupt) {
		return c.storeTrouble(k.file, err)
	}
	cache := k.keys.SealTokens(k.plain)
	for _, e := range tokens {
		if !e.IsNote() {
			v.Tokens++
		}
		_, err := cache.Token(ctx, e.Key)
		fail(err)
	}
	if asJSON {
		if err := c.printJSON(v, false); err != nil {
			return err
		}
	} else if len(v.Failed) == 0 {
		fmt.Fprintf(c.Stderr, "%s and %s open\n", count(v.Runs, "run"), count(v.Tokens, "token"))
	}
	return c.sayClosed(v.Failed, needed, asJSON)
}

// openAll reads everything of a run and gives what did not open. Without its key
// nothing of it does, which is said once.
func (k *keeping) openAll(ctx context.Context, run string) (failed []error) {
	defer func() { // a half that is not there is met by everything
		failed = slices.CompactFunc(failed, func(a, b error) bool { return a.Error() == b.Error() })
	}()
	if _, err := k.Load(ctx, run); err != nil {
		failed = append(failed, err)
		if errors.Is(err, datapoints.ErrKey) || errors.Is(err, datapoints.ErrDestroyed) {
			return failed
		}
	}
	got, err := k.Read(ctx, run, datapoints.Query{Mail: true})
	queries := []datapoints.Query{{Rows: true}, {Attempts: true}, {History: true}}
	if err != nil {
		failed = append(failed, err)
	}
	for _, m := range got.Mail {
		queries = append(queries, datapoints.Query{Mail: true, Open: m.Name})
	}
	for _, q := range queries {
		if _, err := k.Read(ctx, run, q); err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}
