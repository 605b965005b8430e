package sandbox_test

import (
	"strings"
	"testing"
)

// statuses are the answers to the same request sent n times; 0 is a connection that broke.
func (c *tester) statuses(n int, path string, headers ...string) []int {
	c.Helper()
	var all []int
	for range n {
		got, err := c.send("GET", path, "", headers...)
		if err != nil {
			got.status = 0
		}
		all = append(all, got.status)
	}
	return all
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestFailAnswersWithTheStatusThatWasAskedFor(t *testing.T) {
	t.Parallel()
	c := start(t)
	for path, want := range map[string][]int{
		"/fail/401":                       {401, 401, 401},
		"/fail/500":                       {500, 500, 500},
		"/fail/500?times=2&key=2":         {500, 500, 200},
		"/fail/429":                       {429, 200, 200},
		"/fail/429?key=other":             {429, 200, 200},
		"/fail/429?key=2&times=2":         {429, 429, 200},
		"/fail/503?times=0":               {503, 503, 503},
		"/fail/close?times=1":             {0, 200, 200},
		"/fail/lost?times=1":              {0, 200, 200},
		"/fail/truncate?times=1":          {0, 200, 200},
		"/fail/299":                       {400, 400, 400},
		"/fail/teapot":                    {400, 400, 400},
		"/fail/500?times=-1":              {400, 400, 400},
		"/orders?sandbox_fail=502":        {502, 502, 502},
		"/orders?sandbox_fail=429":        {429, 401, 401},
		"/patients?sandbox_fail=nonsense": {400, 400, 400},
	} {
		if got := c.statuses(3, path); !equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestFailuresCarryTheHeadersThatRealOnesDo(t *testing.T) {
	t.Parallel()
	c := start(t)
	for path, want := range map[string]string{
		"/fail/429":                   "1",
		"/fail/503?retry_after=7":     "7",
		"/fail/503?retry_after=&key=": "",
		"/fail/500":                   "",
	} {
		if got := c.get(path).header.Get("Retry-After"); got != want {
			t.Errorf("%s: Retry-After is %q, want %q", path, got, want)
		}
		c = start(t)
	}
	if got := c.get("/fail/401").header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
		t.Errorf("WWW-Authenticate is %q", got)
	}
	got := c.get("/fail/html")
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") || !strings.Contains(got.raw, "<h1>") {
		t.Errorf("html: %d %q", got.status, got.raw)
	}
	cut, err := c.send("GET", "/fail/truncate", "")
	if err == nil || cut.status != 200 || cut.raw == "" {
		t.Errorf("truncate: %d %q %v", cut.status, cut.raw, err)
	}
}

func TestAnyRequestFailsByHeader(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	if got := c.statuses(3, "/patients", "Sandbox-Fail", "503?times=2&retry_after=0"); !equal(got, []int{503, 503, 200}) {
		t.Errorf("statuses are %v", got)
	}
	if got := c.statuses(2, "/orders", "Sandbox-Fail", "503"); !equal(got, []int{503, 200}) {
		t.Errorf("another path counts on its own: %v", got)
	}
	if got := c.statuses(1, "/orders", "Sandbox-Fail", "503?times=%zz"); !equal(got, []int{400}) {
		t.Errorf("statuses are %v", got)
	}
}

func TestAProgramMakesThePathsFailThatItNames(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	fail := func(method, path, how string) {
		t.Helper()
		if err := c.server.Fail(method, path, how); err != nil {
			t.Fatal(err)
		}
	}
	fail("GET", "/patients", "500?times=2")
	if got := c.statuses(3, "/patients"); !equal(got, []int{500, 500, 200}) {
		t.Errorf("500 twice: %v", got)
	}
	fail("", "/patients", "429")
	if got := c.statuses(2, "/patients"); !equal(got, []int{429, 200}) {
		t.Errorf("429: %v", got)
	}
	fail("GET", "/patients", "close")
	if got := c.statuses(2, "/patients"); !equal(got, []int{0, 0}) {
		t.Errorf("close: %v", got)
	}
	fail("GET", "/patients", "")
	if got := c.statuses(1, "/patients"); !equal(got, []int{200}) {
		t.Errorf("after the end: %v", got)
	}
	fail("POST", "/orders", "500")
	if got := c.statuses(1, "/orders"); !equal(got, []int{200}) {
		t.Errorf("another method: %v", got)
	}
	if err := c.server.Fail("GET", "/patients", "often"); err == nil || !strings.Contains(err.Error(), "often") {
		t.Errorf("error is %v", err)
	}
}

func TestALostAnswerWasCarriedOut(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	if err := c.server.Fail("POST", "/notifications", "lost?times=1"); err != nil {
		t.Fatal(err)
	}
	const body = `{"to":"lab@clinic.example","order":"ord-1001","number":1,"text":"hello"}`
	headers := []string{"Content-Type", "application/json", "Idempotency-Key", "k"}
	if _, err := c.send("POST", "/notifications", body, headers...); err == nil {
		t.Fatal("the answer was not lost")
	}
	if n := len(c.server.Notifications()); n != 1 {
		t.Fatalf("%d notifications", n)
	}
	if last, _ := c.server.Last("POST", "/notifications"); last.Status != 0 {
		t.Errorf("status is %d", last.Status)
	}
	c.status(c.do("POST", "/notifications", body, headers...), 201)
	if n := len(c.server.Notifications()); n != 1 {
		t.Errorf("%d notifications after the repetition", n)
	}
}

func TestSlowAnswersAfterItsTime(t *testing.T) {
	t.Parallel()
	c := start(t)
	if got := c.get("/slow?ms=1"); got.status != 200 || got.body["ms"] != 1.0 {
		t.Errorf("%d %s", got.status, got.raw)
	}
	for _, query := range []string{"", "?ms=x", "?ms=-1", "?ms=60001"} {
		if got := c.get("/slow" + query); got.status != 400 || got.fieldsWrong() != "ms" {
			t.Errorf("%s: %d %s", query, got.status, got.raw)
		}
	}
}
