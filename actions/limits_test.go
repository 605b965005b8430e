package actions_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stepwell/stepwell/flow"
)

func TestAnAnswerMayHave10MiBIfNothingIsSaid(t *testing.T) {
	t.Parallel()
	const limit = 10 << 20
	for n, fits := range map[int]bool{limit - 1: true, limit: true, limit + 1: false} {
		body := strings.Repeat("x", n)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(body))
		}))
		defer s.Close()
		r, err := planned(t, client(t, nil), "http", flow.Input{Args: fields("url", text(s.URL))}).Do(t.Context())
		var e *flow.Error
		if fits && (err != nil || len(r.Body) != n) || !fits && (!errors.As(err, &e) || e.Kind != flow.KindLimit) {
			t.Errorf("%d bytes: %d came, %v", n, len(r.Body), err)
		}
	}
}

func TestMaxResponseMayBe256MiB(t *testing.T) {
	t.Parallel()
	const limit = 256 << 20
	c := client(t, nil)
	for n, fits := range map[int]bool{limit - 1: true, limit: true, limit + 1: false} {
		size := strconv.Itoa(n)
		if _, said := checked("http", with{"url", "https://h.test", "max_response", size}); (len(said) == 0) != fits {
			t.Errorf("%d bytes, checked: %q", n, said)
		}
		_, err := c.Actions()["http"].Plan(flow.Input{Args: fields("url", `"http://h"`, "max_response", size)})
		var e *flow.Error
		if fits && err != nil || !fits && (!errors.As(err, &e) || e.Kind != flow.KindLimit) {
			t.Errorf("%d bytes, planned: %v", n, err)
		}
	}
}
