package servers_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

// userVariable tells the test binary to be a process that uses a token until its stdin ends.
const userVariable = "STEPWELL_TEST_TOKEN_USER"

// A tokenUser is what such a process is told.
type tokenUser struct {
	Dir    string
	Cred   oauth2.Credential
	Reject bool // reject each token, so that the next call renews it
	Crowd  int  // so many callers do what stdin says, in place of asking all the time
}

type fileLocks string

func (dir fileLocks) Lock(ctx context.Context, key string) (func(), error) {
	l := flock.New(filepath.Join(string(dir), key+".lock"))
	if _, err := l.TryLockContext(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

// shared gives a client over a store that other processes have too, and what closes both.
func shared(dir string) (*oauth2.Client, func() error, error) {
	path := filepath.Join(dir, "runs.db")
	if err := sqlstore.PrepareSQLite(path); err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite())
	if err != nil {
		return nil, nil, err
	}
	key, err := datapoints.ParseMasterKey("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	if err != nil {
		return nil, nil, err
	}
	c := &oauth2.Client{Cache: datapoints.SealTokens(store, key), Locks: fileLocks(dir), Warn: func(text string) { fmt.Println("warning: " + text) }}
	return c, func() error {
		if err := c.Close(context.Background()); err != nil {
			return err
		}
		if err := store.Close(); err != nil {
			return err
		}
		return db.Close()
	}, nil
}

// use asks for the token all the time and prints the fingerprint of each new one.
func (u tokenUser) use(over <-chan struct{}) error {
	client, closing, err := shared(u.Dir)
	if err != nil {
		return err
	}
	s, err := client.Source(context.Background(), u.Cred)
	if err != nil {
		return err
	}
	now := time.NewTicker(5 * time.Millisecond)
	defer now.Stop()
	last := ""
	for {
		select {
		case <-over:
			return closing()
		case <-now.C:
		}
		token, err := s.Token(context.Background())
		if err != nil {
			return err
		}
		if f := token.Fingerprint(); f != last {
			last = f
			fmt.Println("token " + f)
		}
		if u.Reject {
			s.Reject(context.Background(), token, "401")
		}
	}
}

// beTokenUser is the life of such a process.
func beTokenUser(told string) int {
	var u tokenUser
	if err := json.Unmarshal([]byte(told), &u); err != nil {
		fmt.Println(err)
		return 1
	}
	if u.Crowd > 0 {
		if err := u.obey(os.Stdin); err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	}
	over := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	if err := u.use(over); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// TestFourProcessesOutliveEveryExpiry lets tokens of a second expire, on servers that withdraw a whole family when an old
// refresh token comes again. Each expiry is one refresh, and the login is never lost.
func TestFourProcessesOutliveEveryExpiry(t *testing.T) {
	t.Parallel()
	expiries := number(t, "EXPIRIES", 12)
	a := newOIDC(t, newKeys(t), 1)
	u := tokenUser{Dir: t.TempDir(), Cred: a.renewable()}
	u.Cred.Name = "ehr"
	const soonest = 375 * time.Millisecond // of a second half is margin; the rest is used up to 75% at least
	began := time.Now()
	login(t, u, a)

	seen := make(chan string)
	const processes = 4
	for range processes {
		u.process(t, seen)
	}
	fingerprints := map[string]bool{}
	for ended := 0; len(fingerprints) <= expiries && ended < processes; {
		line := <-seen
		f, is := strings.CutPrefix(line, "token ")
		switch {
		case is:
			fingerprints[f] = true
		case line == "":
			ended++
		default:
			t.Errorf("after %d expiries: %s", len(fingerprints), line)
		}
	}
	counts := countsOf(t, a)
	most := int(time.Since(began)/soonest) + 1
	t.Logf("%d tokens were seen; the server counts %v; there was time for %d renewals", len(fingerprints), counts, most)
	if n, _ := counts["refresh_token ok"].(float64); int(n) < expiries || int(n) > most {
		t.Errorf("%v refreshes for %d expiries", n, expiries)
	}
	nothingRefused(t, counts)
	client, closing, err := shared(u.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closing() }()
	s, err := client.Source(t.Context(), u.Cred)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context()); err != nil {
		t.Errorf("the login is lost: %v", err)
	}
}

// nothingRefused checks that a server has refused and revoked nothing.
func nothingRefused(t *testing.T, counts map[string]any) {
	t.Helper()
	for name, n := range counts {
		if !strings.HasSuffix(name, " ok") && n != 0.0 {
			t.Errorf("%s: %v", name, n)
		}
	}
}

// TestAProcessThatIsKilledRevokesNoFamily kills a process that renews all the time, at any point. What it was about to be
// given is lost at worst, and then a person logs in again; the server never sees an old refresh token.
func TestAProcessThatIsKilledRevokesNoFamily(t *testing.T) {
	t.Parallel()
	kills := number(t, "KILLS", 12)
	a := newOIDC(t, newKeys(t), 1)
	u := tokenUser{Dir: t.TempDir(), Cred: a.renewable(), Reject: true}
	u.Cred.Name = "ehr"
	login(t, u, a)
	logins := 1
	for range kills {
		seen := make(chan string)
		child := u.process(t, seen)
		line := <-seen
		if strings.Contains(line, "a person has to log in again") || strings.Contains(line, "what it gave is lost") {
			login(t, u, a)
			logins++
			continue
		}
		if !strings.HasPrefix(line, "token ") {
			t.Fatalf("after %d logins: %s", logins, line)
		}
		for range rand.IntN(4) {
			if line := <-seen; !strings.HasPrefix(line, "token ") {
				t.Fatalf("after %d logins: %s", logins, line)
			}
		}
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond) // that is when it dies
		_ = child.Process.Kill()
	}
	counts := countsOf(t, a)
	t.Logf("%d kills, %d logins; the server counts %v", kills, logins, counts)
	nothingRefused(t, counts)
	if counts["refresh_token ok"] == nil {
		t.Error("nothing was renewed")
	}
}

// number is how often something is done: so many times, or as a variable says.
func number(t *testing.T, variable string, usual int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// login gets the first token, as the person.
func login(t *testing.T, u tokenUser, a authorizer) {
	t.Helper()
	client, closing, err := shared(u.Dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Source(t.Context(), u.Cred)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := obtain(t, s, a.refreshed); err != nil {
		t.Fatal(err)
	}
	if err := closing(); err != nil {
		t.Fatal(err)
	}
}

// process starts a process that uses the token. Its lines go to seen, "" at its end. The test's end ends it, if it was not killed.
func (u tokenUser) process(t *testing.T, seen chan<- string) *exec.Cmd {
	t.Helper()
	child, _ := u.told(t, seen)
	return child
}

// told is process, with what it is told by.
func (u tokenUser) told(t *testing.T, seen chan<- string) (*exec.Cmd, io.Writer) {
	t.Helper()
	told, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), userVariable+"="+string(told))
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(stdout)
		for more := true; more; {
			more = lines.Scan()
			select {
			case seen <- lines.Text():
			case <-stop:
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		_ = stdin.Close()
		<-read
		if err := child.Wait(); err != nil && child.ProcessState.Exited() && !u.Reject {
			t.Errorf("a process ended badly: %v", err)
		}
	})
	return child, stdin
}

// countsOf asks oidc.mjs which grants succeeded and failed.
func countsOf(t *testing.T, a authorizer) map[string]any {
	t.Helper()
	status, counts := get(t, a.url+"/counts", "")
	if status != 200 {
		t.Fatalf("the counts: %d", status)
	}
	return counts
}
