package servers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stepwell/stepwell/actions/oauth2"
)

// obey reads words: all callers of the crowd do the same at once, and what they get is printed when the last has it.
//
//	token   ask for the token
//	reject  say that the last token was refused, and ask again
//	late    the same of the first token, which has a successor by then
func (u tokenUser) obey(in io.Reader) error {
	client, closing, err := shared(u.Dir)
	if err != nil {
		return err
	}
	s, err := client.Source(context.Background(), u.Cred)
	if err != nil {
		return err
	}
	var first, last oauth2.Token
	words := bufio.NewScanner(in)
	for words.Scan() {
		tokens := make([]oauth2.Token, u.Crowd)
		failed := make([]error, u.Crowd)
		var callers sync.WaitGroup
		for i := range u.Crowd {
			callers.Go(func() {
				switch words.Text() {
				case "reject":
					s.Reject(context.Background(), last, "401")
				case "late":
					s.Reject(context.Background(), first, "401")
				}
				tokens[i], failed[i] = s.Token(context.Background())
			})
		}
		callers.Wait()
		for i, token := range tokens {
			if failed[i] != nil {
				return failed[i]
			}
			if token.Fingerprint() != tokens[0].Fingerprint() {
				return fmt.Errorf("callers of one process have %s and %s", tokens[0].Fingerprint(), token.Fingerprint())
			}
		}
		if last = tokens[0]; first.Type == "" {
			first = last
		}
		fmt.Println("token " + last.Fingerprint())
	}
	return closing()
}

// TestEightProcessesOfSixteenCallersSendOneRequest counts at the server what a crowd asks for.
func TestEightProcessesOfSixteenCallersSendOneRequest(t *testing.T) {
	t.Parallel()
	a := newOIDC(t, newKeys(t), 3600)
	u := tokenUser{Dir: t.TempDir(), Cred: a.credential(), Crowd: 16}
	u.Cred.Name = "ehr"
	seen := make(chan string)
	const processes = 8
	var words []io.Writer
	for range processes {
		_, in := u.told(t, seen)
		words = append(words, in)
	}
	first := ""
	for _, step := range []struct {
		name, word string
		requests   float64 // until then
		same       bool    // as the first token
	}{
		{"cold", "token", 1, true},
		{"warm", "token", 1, true},
		{"all report it as refused", "reject", 2, false},
		{"late reports of the old one", "late", 2, false},
	} {
		for _, in := range words {
			if _, err := fmt.Fprintln(in, step.word); err != nil {
				t.Fatal(err)
			}
		}
		have := map[string]bool{}
		for range processes {
			line := <-seen
			if !strings.HasPrefix(line, "token ") {
				t.Fatalf("%s: %s", step.name, line)
			}
			have[line] = true
		}
		if first == "" {
			for first = range have {
			}
		}
		if len(have) != 1 || have[first] != step.same {
			t.Errorf("%s: %d tokens, first among them %v", step.name, len(have), have[first])
		}
		if n := countsOf(t, a)["client_credentials ok"]; n != step.requests {
			t.Errorf("%s: %v requests, not %v", step.name, n, step.requests)
		}
	}
}
