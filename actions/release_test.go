package actions_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/flow"
)

// TestACallThatIsReleasedTooEarlyOrTwiceHarmsNoOther: who wraps an action may leave
// a call under way, or keep it.
func TestACallThatIsReleasedTooEarlyOrTwiceHarmsNoOther(t *testing.T) {
	t.Parallel()
	came, goOn := make(chan string), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			came <- string(body)
			<-goOn
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	c := client(t, new(actions.Client))
	plan := func(path, body string) flow.Call {
		return planned(t, c, "http", flow.Input{Args: fields("method", `"POST"`, "url", text(s.URL+path), "text", text(body))})
	}
	slow := plan("/slow", "first")
	answer := make(chan flow.Result)
	go func() {
		r, err := slow.Do(context.Background())
		if err != nil {
			t.Error(err)
		}
		answer <- r
	}()
	if got := <-came; got != "first" {
		t.Fatalf("sent %q", got)
	}
	slow.Release() // while it is under way
	other := plan("/", "second")
	if got := string(done(t, other).Body); got != "second" {
		t.Errorf("another call got %q", got)
	}
	close(goOn)
	if r := <-answer; string(r.Body) != "first" || r.URL != s.URL+"/slow" {
		t.Errorf("the call under way got %q of %s", r.Body, r.URL)
	}
	other.Release()
	var calls []flow.Call
	for range 4 {
		other.Release() // again
		calls = append(calls, plan("/", "third"), plan("/", "fourth"))
	}
	for i, call := range calls {
		if want := []string{"third", "fourth"}[i%2]; string(done(t, call).Body) != want || string(call.Shown().Body) != want {
			t.Errorf("call %d sends %q, want %q", i, call.Shown().Body, want)
		}
	}
	if r, err := other.Do(t.Context()); err == nil {
		t.Errorf("a call that was released sent %q", r.Body)
	}
}
