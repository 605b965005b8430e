package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
)

// A keptToken is a token as token list --json prints it: all that people may know of it.
type keptToken struct {
	ID          string     `json:"id"`
	Credential  string     `json:"credential"`
	Flow        string     `json:"flow"` // of the run that obtained it; "" if that is gone, or there was none
	RunID       string     `json:"run_id"`
	Client      string     `json:"client"`
	Grant       string     `json:"grant"`
	Place       string     `json:"place"` // its token URL, issuer or FHIR base
	Type        string     `json:"type"`
	Scopes      []string   `json:"scopes"`
	State       string     `json:"state"` // good, due, expired, rejected, empty or sealed
	Obtained    *time.Time `json:"obtained"`
	Renew       *time.Time `json:"renew"` // from then on
	Until       *time.Time `json:"until"` // is it used
	Expires     *time.Time `json:"expires"`
	Generation  int64      `json:"generation"`
	Refreshable bool       `json:"refreshable"` // there is a refresh token
	Why         string     `json:"why"`         // it is rejected, or cannot be renewed
	Fingerprint string     `json:"fingerprint"`
}

// stateOf says what a token is good for.
func stateOf(k oauth2.Kept, now time.Time) string {
	switch {
	case k.Unreadable:
		return "sealed" // with another key, or damaged
	case k.Rejected:
		return "rejected"
	case k.Fingerprint == "":
		return "empty" // what was there is used up
	case !now.Before(k.Until):
		return "expired"
	case !now.Before(k.Soft):
		return "due"
	}
	return "good"
}

// useless says whether no run could use the token or renew it.
func (k *keptToken) useless() bool {
	return !k.Refreshable && (k.State == "expired" || k.State == "rejected" || k.State == "empty")
}

// openTokens opens the store and lists what is kept. Nothing is a nil keeping.
func (c *Command) openTokens(ctx context.Context, f storeFlags, p purpose) (*keeping, []keptToken, error) {
	k, err := c.open(ctx, f, p)
	if errors.Is(err, errNoRuns) {
		return nil, []keptToken{}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	client := &oauth2.Client{Cache: k.keys.SealTokens(k.plain)}
	found, err := client.Kept(ctx)
	if err != nil && !errors.Is(err, datapoints.ErrKey) && !errors.Is(err, datapoints.ErrCorrupt) {
		k.close()
		return nil, nil, c.storeTrouble(k.file, err)
	}
	if p == toRead && slices.ContainsFunc(found, func(t oauth2.Kept) bool { return t.Unreadable }) {
		c.note("warning", "not every token can be opened: stepwell keys list shows which keys are needed")
	}
	list := make([]keptToken, len(found))
	flows := map[string]string{"": ""}
	for i, t := range found {
		if _, asked := flows[t.Run]; !asked {
			if runs, _ := k.plain.List(ctx, datapoints.Filter{Prefix: t.Run, Limit: 1}); len(runs) == 1 {
				flows[t.Run] = runs[0].Flow
			}
		}
		list[i] = keptToken{ID: t.ID, Credential: t.Name, Flow: flows[t.Run], RunID: t.Run, Client: t.Client, Grant: t.Grant, Place: t.Place,
			Type: t.Type, Scopes: scopesOf(t.Scope), State: stateOf(t, time.Now()), Obtained: moment(t.Obtained), Renew: moment(t.Soft),
			Until: moment(t.Until), Expires: moment(t.Expires), Generation: t.Generation, Refreshable: t.Refreshable, Why: t.Why, Fingerprint: t.Fingerprint}
	}
	slices.SortStableFunc(list, func(a, b keptToken) int {
		return cmp.Or(strings.Compare(a.Credential, b.Credential), timeOf(b.Obtained).Compare(timeOf(a.Obtained)))
	})
	return k, list, nil
}

const tokenListHelp = `Lists the tokens that are kept in the store, without a token in it. A token that is due
is renewed when a run needs it next; one that is expired or rejected is replaced.`

func (c *Command) tokenListVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List kept tokens", Long: tokenListHelp, Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listTokens(cmd.Context(), f, asJSON) },
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *Command) listTokens(ctx context.Context, f storeFlags, asJSON bool) error {
	k, list, err := c.openTokens(ctx, f, toRead)
	if err != nil {
		return err
	}
	if k != nil {
		defer k.close()
	}
	if asJSON {
		return c.printJSON(list, false)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.Stderr, "no token is kept")
		return nil
	}
	l := c.outLook()
	t := table{head: []string{"TOKEN", "CREDENTIAL", "FLOW", "CLIENT", "SCOPES", "STATE", "EXPIRES", "OBTAINED", ""},
		most: map[int]int{1: 20, 2: 24, 3: 24, 4: 28, 8: 50}, keep: []int{0, 5}, tint: tokenTint}
	ids := shortTokens(list)
	now := time.Now()
	for i, k := range list {
		remark := k.Why
		if remark == "" && k.Refreshable {
			remark = "has a refresh token"
		}
		t.rows = append(t.rows, []string{ids[i], clean(k.Credential), clean(k.Flow), clean(k.Client), clean(strings.Join(k.Scopes, " ")), k.State,
			until(timeOf(k.Expires), now), until(timeOf(k.Obtained), now), clean(remark)})
	}
	_, err = fmt.Fprint(c.Stdout, l.write(t))
	return err
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// shortTokens are the shortest beginnings of ids that tell all of them apart.
func shortTokens(list []keptToken) []string {
	ids := make([]string, len(list))
	size := 8
	for seen := map[string]bool{}; len(seen) < len(list) && size <= 40; size += 4 {
		clear(seen)
		for i, k := range list {
			ids[i] = k.ID[:min(size, len(k.ID))]
			seen[ids[i]] = true
		}
	}
	return ids
}

func tokenTint(column int, cell string) string {
	if column == 5 {
		return tokenStateTint(cell)
	}
	return map[int]string{0: cyan, 4: dim, 6: dim, 7: dim, 8: dim}[column]
}

func tokenStateTint(state string) string {
	switch state {
	case "good":
		return green
	case "rejected", "sealed":
		return red
	}
	return yellow
}

func (c *Command) tokenShowVerb() *cobra.Command {
	var f storeFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show all that is known of a kept token", Args: arguments(1, 1, "the ID of a token, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error { return c.showToken(cmd.Context(), args[0], f, asJSON) },
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *Command) showToken(ctx context.Context, id string, f storeFlags, asJSON bool) error {
	k, list, err := c.openTokens(ctx, f, toRead)
	if err != nil {
		return err
	}
	if k != nil {
		defer k.close()
	}
	t, err := oneToken(list, id)
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(t, false)
	}
	_, err = fmt.Fprint(c.Stdout, c.outLook().keptToken(t))
	return err
}

// keptToken writes a kept token for people.
func (l look) keptToken(t keptToken) string {
	now := time.Now()
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return clock(*t) + ", " + until(*t, now)
	}
	var f facts
	f.add("token", t.ID)
	f.add("why", t.Why)
	f.add("flow", t.Flow)
	f.add("run", t.RunID)
	f.add("client", t.Client)
	f.add("grant", t.Grant)
	f.add("place", t.Place)
	f.add("type", t.Type)
	f.add("scope", strings.Join(t.Scopes, " "))
	f.add("obtained", at(t.Obtained))
	f.add("renewed from", at(t.Renew))
	f.add("used until", at(t.Until))
	f.add("expires", at(t.Expires))
	f.add("generation", fmt.Sprint(t.Generation))
	if t.Refreshable {
		f.add("refresh token", "there is one")
	}
	f.add("fingerprint", t.Fingerprint)
	return l.paint(bold, clean(t.Credential)) + "  " + l.paint(tokenStateTint(t.State), t.State) + "\n" + l.facts(f)
}

// oneToken is the token that an id, or the beginning of one, names.
func oneToken(list []keptToken, id string) (keptToken, error) {
	var found []keptToken
	for _, t := range list {
		if id != "" && strings.HasPrefix(t.ID, strings.ToLower(id)) {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return keptToken{}, wrong(fmt.Sprintf("there is no token %q", clean(id)), "see: stepwell token list")
	case 1:
		return found[0], nil
	}
	help := []string{"it may be any of:"}
	for _, t := range found {
		help = append(help, "  "+t.ID+"  "+clean(t.Credential))
	}
	return keptToken{}, wrong(fmt.Sprintf("more than one token begins with %q", clean(id)), help...)
}

const tokenPurgeHelp = `Removes kept tokens, and overwrites what the store's files held of them. The next run
that needs one fetches another. --expired removes those that no run could use or renew
any more. A server is not told: what was granted stays valid until it ends.`

func (c *Command) tokenPurgeVerb() *cobra.Command {
	var f storeFlags
	var all, expired, asJSON bool
	cmd := &cobra.Command{
		Use: "purge ID… | --all | --expired", Short: "Remove kept tokens", Long: tokenPurgeHelp, Args: arguments(0, -1, "tokens"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ways := 0
			for _, asked := range []bool{len(args) > 0, all, expired} {
				if asked {
					ways++
				}
			}
			if ways != 1 {
				return wrong("token purge wants the IDs of tokens, --all or --expired: one of them", "see: stepwell token list")
			}
			return c.purgeTokens(cmd.Context(), f, args, all, asJSON)
		},
	}
	addStoreFlags(cmd, &f)
	cmd.Flags().BoolVar(&all, "all", false, "remove every token")
	cmd.Flags().BoolVar(&expired, "expired", false, "remove those that no run could use or renew any more")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// purgeTokens removes those with the ids, or all, or those that are of no use.
func (c *Command) purgeTokens(ctx context.Context, f storeFlags, ids []string, all, asJSON bool) error {
	expired := !all && len(ids) == 0
	need := toRemove // no key is needed
	if expired {
		need = toRead // whether there is a refresh token is sealed
	}
	k, list, err := c.openTokens(ctx, f, need)
	if err != nil {
		return err
	}
	if k != nil {
		defer k.close()
	}
	var gone []keptToken
	for _, t := range list {
		if all || expired && t.useless() {
			gone = append(gone, t)
		}
	}
	for _, id := range ids {
		t, err := oneToken(list, id)
		if err != nil {
			return err
		}
		gone = append(gone, t)
	}
	removed := []string{}
	for _, t := range gone {
		if err := k.plain.DeleteToken(ctx, t.ID); err != nil {
			return c.storeTrouble(k.file, err)
		}
		removed = append(removed, t.ID)
		if !asJSON {
			fmt.Fprintf(c.Stderr, "removed %s  %s\n", t.ID, clean(t.Credential))
		}
	}
	if len(removed) > 0 {
		if err := c.scrub(ctx, k); err != nil {
			return err
		}
	}
	if asJSON {
		return c.printJSON(map[string]any{"removed": removed}, false)
	}
	fmt.Fprintf(c.Stderr, "removed %s\n", count(len(removed), "token"))
	return nil
}
