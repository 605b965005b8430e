package actions_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// A maze has two servers that redirect as the path says and note what they saw.
type maze struct {
	here, there *httptest.Server
	mu          sync.Mutex
	seen        []string
}

func newMaze(t *testing.T) *maze {
	m := new(maze)
	handler := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			line := fmt.Sprintf("%s %s %s", name, r.Method, r.URL.Path)
			for _, h := range []string{"Authorization", "X-Api-Key", "X-Plain", "Cookie", "Idempotency-Key", "Content-Type"} {
				if v := r.Header.Get(h); v != "" {
					line += " " + h + "=" + v
				}
			}
			if len(body) > 0 {
				line += " " + string(body)
			}
			m.mu.Lock()
			m.seen = append(m.seen, line)
			m.mu.Unlock()
			status, to := 0, ""
			_, _ = fmt.Sscanf(r.URL.Path, "/%d/%s", &status, &to)
			switch to {
			case "":
				_, _ = io.WriteString(w, "end")
				return
			case "there":
				w.Header().Set("Location", m.there.URL+"/")
			case "here":
				w.Header().Set("Location", "/")
			case "again":
				w.Header().Set("Location", r.URL.Path)
			case "mail":
				w.Header().Set("Location", "mailto:a@b.test")
			case "user":
				w.Header().Set("Location", strings.Replace(m.here.URL, "http://", "http://u:p@", 1)+"/")
			}
			w.WriteHeader(status)
		})
	}
	m.here = httptest.NewServer(handler("here"))
	m.there = httptest.NewServer(handler("there"))
	t.Cleanup(m.here.Close)
	t.Cleanup(m.there.Close)
	return m
}

func TestRedirectsAreFollowedAsAskedFor(t *testing.T) {
	t.Parallel()
	const head = `{"Authorization":"Bearer t","X-Api-Key":"k","X-Plain":"p","Cookie":"c=1"}`
	all := " Authorization=Bearer t X-Api-Key=k X-Plain=p Cookie=c=1"
	for _, c := range []struct {
		name   string
		path   string
		args   []string
		status int
		want   []string
	}{
		{"not by default", "/302/here", nil, 302, []string{"here GET /302/here" + all}},
		{"false", "/302/here", []string{"follow_redirects", `false`}, 302, []string{"here GET /302/here" + all}},
		{"zero", "/302/here", []string{"follow_redirects", `0`}, 302, []string{"here GET /302/here" + all}},
		{"same origin", "/302/here", []string{"follow_redirects", `"same_origin"`}, 200, []string{"here GET /302/here" + all, "here GET /" + all}},
		{"same origin does not leave", "/302/there", []string{"follow_redirects", `"same_origin"`}, 302, []string{"here GET /302/there" + all}},
		{"to another origin without credentials", "/301/there", []string{"follow_redirects", `1`}, 200, []string{"here GET /301/there" + all, "there GET / X-Plain=p"}},
		{"POST and 303", "/303/here", []string{"follow_redirects", `1`, "json", `1`}, 200, []string{"here POST /303/here" + all + " Content-Type=application/json 1", "here GET /" + all}},
		{"POST and 301", "/301/here", []string{"follow_redirects", `1`, "json", `1`}, 200, []string{"here POST /301/here" + all + " Content-Type=application/json 1", "here GET /" + all}},
		{"PUT and 302", "/302/here", []string{"follow_redirects", `1`, "json", `1`, "method", `"PUT"`}, 200, []string{"here PUT /302/here" + all + " Content-Type=application/json 1", "here PUT /" + all + " Content-Type=application/json 1"}},
		{"DELETE and 303", "/303/here", []string{"follow_redirects", `1`, "method", `"DELETE"`}, 200, []string{"here DELETE /303/here" + all, "here GET /" + all}},
		{"POST and 307", "/307/here", []string{"follow_redirects", `1`, "json", `1`}, 200, []string{"here POST /307/here" + all + " Content-Type=application/json 1", "here POST /" + all + " Content-Type=application/json 1"}},
		{"POST and 308 to another origin", "/308/there", []string{"follow_redirects", `1`, "json", `1`, "idempotency_key", `"i"`}, 200,
			[]string{"here POST /308/there" + all + " Idempotency-Key=i Content-Type=application/json 1", "there POST / X-Plain=p Content-Type=application/json 1"}},
		{"a loop", "/302/again", []string{"follow_redirects", `2`}, 302, []string{"here GET /302/again" + all, "here GET /302/again" + all, "here GET /302/again" + all}},
		{"no place", "/302/nowhere", []string{"follow_redirects", `2`}, 302, []string{"here GET /302/nowhere" + all}},
		{"no http", "/302/mail", []string{"follow_redirects", `2`}, 302, []string{"here GET /302/mail" + all}},
		{"user information is dropped", "/302/user", []string{"follow_redirects", `1`}, 200, []string{"here GET /302/user" + all, "here GET /" + all}},
		{"304 is no redirect", "/304/here", []string{"follow_redirects", `1`}, 304, []string{"here GET /304/here" + all}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMaze(t)
			args := append(fields("url", text(m.here.URL+c.path), "headers", head), fields(c.args...)...)
			r := done(t, planned(t, client(t, nil), "http", flow.Input{Args: args}))
			if r.Status != c.status {
				t.Errorf("status %d, want %d (%v)", r.Status, c.status, r.Notes)
			}
			if diff := cmp.Diff(c.want, m.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAListedRedirectIsTheAnswer(t *testing.T) {
	t.Parallel()
	m := newMaze(t)
	in := flow.Input{Args: fields("url", text(m.here.URL+"/302/here"), "follow_redirects", `5`), Status: []flow.StatusRange{{From: 302, To: 302}}}
	if r := done(t, planned(t, client(t, nil), "http", in)); r.Status != 302 {
		t.Errorf("status %d", r.Status)
	}
}

func TestSensitiveHeadersStayAtHome(t *testing.T) {
	t.Parallel()
	m := newMaze(t)
	in := flow.Input{Args: append(fields("url", text(m.here.URL+"/302/there"), "follow_redirects", `5`),
		flow.Arg{Name: "headers", Value: datapoints.JSON(`{"X-Plain":"secret"}`).Mark(datapoints.Sensitive, "x")})}
	r := done(t, planned(t, client(t, nil), "http", in))
	want := []string{"here GET /302/there X-Plain=secret", "there GET /"}
	if diff := cmp.Diff(want, m.seen); diff != "" {
		t.Error(diff)
	}
	if r.URL != m.there.URL+"/" || len(r.Notes) != 1 || r.Notes[0] != "followed 1 redirect" {
		t.Errorf("url %s, notes %v", r.URL, r.Notes)
	}
}

func TestASensitiveBodyIsNotSentOn(t *testing.T) {
	t.Parallel()
	m := newMaze(t)
	in := flow.Input{Args: append(fields("url", text(m.here.URL+"/307/there"), "follow_redirects", `5`),
		flow.Arg{Name: "form", Value: datapoints.JSON(`{"password":"canary"}`).Mark(datapoints.Sensitive, "x")})}
	e := failure(t, t.Context(), planned(t, client(t, nil), "http", in))
	if e.Kind != flow.KindData || e.Status != 307 || len(m.seen) != 1 || strings.Contains(e.Message, "canary") {
		t.Errorf("got %s, status %d, seen %v: %s", e.Kind, e.Status, m.seen, e.Message)
	}
}
