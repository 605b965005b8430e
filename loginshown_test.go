package stepwell_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stepwell/stepwell/actions"
	"github.com/stepwell/stepwell/actions/credentials"
	"github.com/stepwell/stepwell/flow"
)

// A logbook takes down what it is told of logins, and of whatever holds a secret.
type logbook struct {
	mu     sync.Mutex
	logins []string
	leaks  []string
}

func (*logbook) Verbose() bool { return true }

func (l *logbook) Begin(ctx context.Context, s flow.Span) (context.Context, func(flow.End)) {
	outer, _ := ctx.Value(l).(string)
	if s.Kind == flow.StepSpan {
		ctx = context.WithValue(ctx, l, s.Path)
	}
	return ctx, func(e flow.End) {
		text := fmt.Sprintf("%+v %+v %+v", e.Error, e.Request, e.Answer)
		if e.Request != nil {
			text += string(e.Request.Body)
		}
		if e.Answer != nil {
			text += string(e.Answer.Body)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if strings.Contains(text, "canary") {
			l.leaks = append(l.leaks, text)
		}
		if s.Kind == flow.LoginSpan {
			_, path, _ := strings.Cut(strings.TrimPrefix(e.Request.URL, "http://"), "/")
			l.logins = append(l.logins, fmt.Sprintf("%s: %s of %s, %s, attempt %d, /%s %d %s", outer, s.Path, s.Credential, s.Flow, s.Attempt, path, e.Status, e.Outcome))
		}
	}
}

// TestTheStepsOfACredentialAreShownWithoutWhatTheTokenIsMadeOf: no name tells that
// it is a secret, and some of it is saved before there is a token.
func TestTheStepsOfACredentialAreShownWithoutWhatTheTokenIsMadeOf(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/first":
			fmt.Fprint(w, `{"one":"canary-first-half","seen":"nothing to hide"}`)
		case r.URL.Path == "/second" && asked.Add(1) == 1:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/second":
			fmt.Fprint(w, `{"two":"canary-second-half"}`)
		default:
			fmt.Fprint(w, `{}`)
		}
	}))
	t.Cleanup(s.Close)
	const text = `stepwell: 1
name: shown
inputs: { url: string }
secrets: { word: { env: WORD } }
credentials:
  legacy:
    type: steps
    token: ${{ data.both }}
    send: { header: X-Ticket }
    steps:
      - { id: first, action: http, with: { url: /first, query: { word: "${{ secrets.word }}" } }, save: { one: one, seen: seen } }
      - { id: second, action: http, with: { url: /second, query: { one: "${{ data.one }}" } }, save: { two: two } }
      - { id: join, set: { both: "${{ data.one }}/${{ data.two }}" } }
defaults: { http: { base_url: "${{ inputs.url }}" } }
steps:
  - { id: a, action: http, with: { url: /a, auth: legacy } }
  - { id: b, action: http, with: { url: /b, auth: legacy } }
`
	kit := flow.Kit{Actions: actions.Builtin(), Credentials: credentials.Builtin()}
	p, err := flow.Compile(fstest.MapFS{"main.yaml": {Data: []byte(text)}}, "main.yaml", kit)
	if err != nil {
		t.Fatal(err)
	}
	book := &logbook{}
	x := &flow.Executor{Observer: book, Secrets: func(context.Context, flow.SecretSource) (string, error) { return "canary-word", nil }}
	if _, err := x.Run(t.Context(), p, flow.Inputs{"url": s.URL}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a: first of legacy, shown, attempt 1, /first?word=[secret word] 200 done",
		"a: second of legacy, shown, attempt 1, /second?one=[secret one] 503 failed",
		"a: second of legacy, shown, attempt 2, /second?one=[secret one] 200 done",
	}
	if !slices.Equal(book.logins, want) {
		t.Errorf("told of logins\n%s\nwant\n%s", strings.Join(book.logins, "\n"), strings.Join(want, "\n"))
	}
	for _, leak := range book.leaks {
		t.Errorf("told a secret: %s", leak)
	}
}
