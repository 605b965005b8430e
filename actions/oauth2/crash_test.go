package oauth2_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite"

	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/datapoints/sqlstore"
)

// childVariable tells the test binary to be a process that renews until it is killed.
const childVariable = "STEPWELL_TEST_TOKENS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Println(renewing(dir, os.Getenv(childVariable+"_URL")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type fileLocks string

func (dir fileLocks) Lock(ctx context.Context, key string) (func(), error) {
	l := flock.New(filepath.Join(string(dir), key+".lock"))
	if _, err := l.TryLockContext(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	return func() { _ = l.Unlock() }, nil
}

// stored gives a client over the database in a folder.
func stored(dir string) (*oauth2.Client, error) {
	path := filepath.Join(dir, "runs.db")
	if err := sqlstore.PrepareSQLite(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(context.Background(), db, sqlstore.SQLite())
	if err != nil {
		return nil, err
	}
	key, err := datapoints.ParseMasterKey("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	return &oauth2.Client{Cache: datapoints.SealTokens(store, key), Locks: fileLocks(dir), Warn: func(text string) { fmt.Println("warning: " + text) }}, err
}

func crashing(at string) oauth2.Credential {
	return oauth2.Credential{Name: "ehr", TokenURL: at, ClientID: "client", ClientSecret: "secret", Grant: "password", Username: "user", Password: "password"}
}

// renewing rejects every token that it gets, so that it renews all the time.
func renewing(dir, at string) error {
	c, err := stored(dir)
	if err != nil {
		return err
	}
	s, err := c.Source(context.Background(), crashing(at))
	if err != nil {
		return err
	}
	for {
		t, err := s.Token(context.Background())
		if err != nil {
			return err
		}
		fmt.Println("token")
		s.Reject(context.Background(), t, "401")
	}
}

// A family is a server that rotates refresh tokens and notes when one comes twice.
type family struct {
	mu        sync.Mutex
	n         int
	good      map[string]bool
	twice     []string
	passwords int
	refreshed int
}

func (f *family) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // an answer takes its time, so that kills fall into it
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.PostForm.Get("grant_type") == "refresh_token" {
		given := r.PostForm.Get("refresh_token")
		if !f.good[given] {
			f.twice = append(f.twice, given)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		delete(f.good, given)
		f.refreshed++
	} else {
		f.passwords++
	}
	f.n++
	next := fmt.Sprint("r", f.n)
	f.good[next] = true
	_, _ = fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":3600,"refresh_token":"%s"}`, f.n, next)
}

// TestAProcessThatIsKilledLosesAtMostOneAnswer kills a process that renews, at
// any point. The next one gets a token, no refresh token is ever sent twice, and
// a password is sent only after a kill.
func TestAProcessThatIsKilledLosesAtMostOneAnswer(t *testing.T) {
	t.Parallel()
	kills := 200
	if testing.Short() {
		kills = 12
	}
	f := &family{good: map[string]bool{}}
	server := httptest.NewServer(f)
	defer server.Close()
	dir := t.TempDir()
	for n := range kills {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childVariable+"="+dir, childVariable+"_URL="+server.URL)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "token" {
			_ = child.Process.Kill()
			t.Fatalf("after %d kills: %s", n, lines.Text())
		}
		time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
		_ = child.Process.Kill()
		for lines.Scan() {
			if lines.Text() != "token" {
				t.Errorf("after %d kills: %s", n, lines.Text())
			}
		}
		_ = child.Wait() // killed
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.twice) > 0 {
		t.Errorf("sent twice: %v", f.twice)
	}
	if f.passwords > kills || f.refreshed == 0 {
		t.Errorf("%d passwords and %d refresh tokens were sent over %d kills", f.passwords, f.refreshed, kills)
	}
	t.Logf("%d passwords, %d refresh tokens, %d kills", f.passwords, f.refreshed, kills)
}
