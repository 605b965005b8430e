package flow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/actions/oauth2"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

// A carrier takes requests out of a bubble, where no socket may be, and notes them.
type carrier struct {
	mu      sync.Mutex
	in      chan *http.Request
	out     chan carried
	noted   []string
	tokens  []string
	address string
	early   int // answers that an export is not ready
}

type carried struct {
	answer *http.Response
	body   []byte
	err    error
}

// carry begins to carry, outside of all bubbles, until the test ends.
func carry(t *testing.T, address string) *carrier {
	c := &carrier{in: make(chan *http.Request), out: make(chan carried), address: address}
	done := make(chan struct{})
	go func() {
		defer close(done)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		for r := range c.in {
			answer, err := client.Do(r)
			if err != nil {
				c.out <- carried{err: err}
				continue
			}
			body, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			c.out <- carried{answer, body, err}
		}
	}()
	t.Cleanup(func() { close(c.in); <-done })
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	out, err := http.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body)) // without a context, whose channels are the bubble's
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && !slices.Contains(c.tokens, token) {
		c.tokens = append(c.tokens, token)
	}
	var head bytes.Buffer
	if err := out.Header.Write(&head); err != nil {
		return nil, err
	}
	c.noted = append(c.noted, fmt.Sprintf("%s %s\n%s\n%s", r.Method, r.URL, head.String(), body))
	if r.URL.Path == "/export" { // how long it takes there is a matter of real time: here it is asked for thrice
		out.URL.RawQuery += "&seconds=0"
	}
	if strings.HasPrefix(r.URL.Path, "/export/") && c.early < 2 {
		c.early++
		return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{"Retry-After": {"7"}}, Body: http.NoBody, Request: r}, nil
	}
	c.in <- out
	came := <-c.out
	if came.err != nil {
		return nil, came.err
	}
	came.answer.Body, came.answer.Request = io.NopCloser(bytes.NewReader(came.body)), r
	return came.answer, nil
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// ofEachTry is what of a credential differs from server to server, or from try to try.
var ofEachTry = regexp.MustCompile(`(X-Session: |X-Api-Key: |client_assertion=)[^\s&]+`)

var callbackToken = regexp.MustCompile(`/decision/[0-9a-f]{32}`)

// plain takes out of a text what differs from run to run: ids, tokens, the address.
func (c *carrier) plain(text string) string {
	text = strings.ReplaceAll(uuid.ReplaceAllString(text, "UUID"), c.address, "http://sandbox")
	text = callbackToken.ReplaceAllString(text, "/decision/TOKEN")
	text = ofEachTry.ReplaceAllString(text, "${1}TOKEN")
	for _, token := range c.tokens {
		quoted, err := json.Marshal(token)
		if err == nil {
			text = strings.ReplaceAll(text, strings.Trim(string(quoted), `"`), "TOKEN")
		}
		text = strings.ReplaceAll(text, token, "TOKEN")
	}
	return text
}

// staged walks an example once, with a sandbox of its own, stopped after so many events.
func staged(t *testing.T, name string, most int) (course, *durable) {
	t.Helper()
	server, err := sandbox.Start(sandbox.Options{ClientID: "clinic", ClientSecret: "a secret of the clinic", Username: "u", Password: "a password of the clinic"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	given := map[string]string{}
	for _, setting := range server.Settings() {
		given[setting.Name] = setting.Value
	}
	c := carry(t, server.URL())
	var got course
	var d *durable
	wrong := inBubble(t, func(t *testing.T) string {
		client := &actions.Client{Transport: c}
		p, err := flow.Compile(os.DirFS(filepath.Join("..", "examples")), name, flow.Kit{Actions: client.Actions(), Credentials: credentials.Of(client, new(oauth2.Client))})
		if err != nil {
			return err.Error()
		}
		in := flow.Inputs{}
		for _, i := range p.Inputs() {
			if v, ok := given[i.Name]; ok {
				in[i.Name] = v
			}
		}
		secrets := func(_ context.Context, s flow.SecretSource) (string, error) { return given[s.Name], nil }
		if got, d, err = replayedExample(t, p, in, secrets, most); err != nil {
			return err.Error()
		}
		return ""
	})
	if wrong != "" {
		t.Fatalf("stopped after %d events: %s", most, wrong)
	}
	for _, r := range c.noted {
		got.Asked = append(got.Asked, asked{Say: c.plain(r)})
	}
	got.End = c.plain(got.End)
	for name, v := range got.Values {
		if strings.HasSuffix(name, "|access_token") {
			v = "TOKEN"
		}
		got.Values[name] = c.plain(v)
	}
	return got, d
}

// replayedExample walks on the durable engine, and once more after a stop.
func replayedExample(t *testing.T, p *flow.Plan, in flow.Inputs, secrets func(context.Context, flow.SecretSource) (string, error), most int) (course, *durable, error) {
	store := &datapoints.Memory{}
	const public = "https://flows.example.test"
	x := &flow.Executor{Store: store, Owner: flow.Process{Stays: true}, PublicURL: public}
	runs, err := x.Create(t.Context(), p, "", in)
	if err == nil && p.Name() == "approval" { // a message that comes before its step is kept
		_, err = x.Signal(t.Context(), p, runs[0].ID, "decision", `{"approved": true}`)
	}
	if err != nil {
		return course{}, nil, err
	}
	var history []json.RawMessage
	how := flow.First
	for _, stop := range []int{most, -1} {
		x = successor(store)
		x.Secrets, x.PublicURL = secrets, public
		k, err := flow.Employ(t.Context(), x, p, runs[0].ID, how)
		if err != nil {
			return course{}, nil, err
		}
		d := &durable{worker: k, history: history, most: stop}
		run, err := d.walk(t.Context())
		if errors.Is(err, errMachine) {
			history, how = d.history, flow.GoOn
			continue
		}
		var failed *flow.Error
		if err != nil && !errors.As(err, &failed) {
			return course{}, d, err
		}
		return course{End: end(run, err), Values: values(t, store, run.ID), Steps: rows(t, store, run.ID)}, d, nil
	}
	return course{}, nil, errors.New("the last machine stopped, too")
}

func TestEachExampleThatIsStoppedAnywhereIsAsIfItWereNotStopped(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "stepwell.yaml" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, d := staged(t, name, -1)
			if len(want.Asked) == 0 {
				t.Fatal("nothing was sent")
			}
			for n := 0; n < len(d.history); n += stride() {
				got, _ := staged(t, name, n)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("stopped after %d of %d events:\n%s", n, len(d.history), diff)
				}
			}
		})
	}
}

func TestTheExampleOfAnApprovalReportsThatNobodyAnswered(t *testing.T) {
	t.Parallel()
	server, err := sandbox.Start(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	c := carry(t, server.URL())
	synctest.Test(t, func(t *testing.T) {
		p, err := flow.Compile(os.DirFS(filepath.Join("..", "examples")), "approval.yaml", flow.Kit{Actions: (&actions.Client{Transport: c}).Actions()})
		if err != nil {
			t.Fatal(err)
		}
		in := flow.Inputs{}
		for _, i := range p.Inputs() {
			in[i.Name] = server.Inputs()[i.Name]
		}
		secrets := func(_ context.Context, s flow.SecretSource) (string, error) { return server.Secrets()[s.Name], nil }
		store := immortal()
		x := &flow.Executor{Store: store, PublicURL: "https://flows.example.test", Secrets: secrets}
		run, err := x.Run(t.Context(), p, in)
		if run.State != datapoints.Paused || run.At != "answer" || len(server.Escalations()) != 0 {
			t.Fatal(end(run, err), server.Escalations())
		}
		time.Sleep(time.Until(run.Wake))
		x = successor(store)
		x.Secrets, x.PublicURL = secrets, "https://flows.example.test"
		run, err = x.Resume(t.Context(), p, run.ID, nil)
		if got := end(run, err); got != `succeeded {"order":"ord-3004","approved":false,"by":"nobody"}` {
			t.Errorf("%s, %v", got, err)
		}
		if steps := rows(t, store, run.ID); steps["answer"] != "caught timeout" || steps["nobody"] != "done" {
			t.Errorf("steps: %v", steps)
		}
	})
	if got := server.Escalations(); len(got) != 1 {
		t.Errorf("escalations: %v", got)
	}
}
