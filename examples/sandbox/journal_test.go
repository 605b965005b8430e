package sandbox

import (
	"net/http/httptest"
	"strconv"
	"testing"
)

func TestTheJournalForgetsTheOldestButCountsAll(t *testing.T) {
	t.Parallel()
	j := newJournal()
	const n = maxRequests + maxRequests/2 + 1
	first := j.begin(httptest.NewRequest("GET", "/x", nil), nil)
	for i := range n {
		number := j.begin(httptest.NewRequest("GET", "/x?n="+strconv.Itoa(i), nil), nil)
		j.end(number, 200)
	}
	j.end(first, 500) // it is forgotten: nothing may happen
	all := j.all()
	if len(all) > maxRequests || len(all) < maxRequests/2 {
		t.Fatalf("%d requests are kept", len(all))
	}
	for i, r := range all {
		if want := "n=" + strconv.Itoa(n-len(all)+i); r.Query != want || r.Status != 200 {
			t.Fatalf("request %d is %s with status %d, want %s", i, r.Query, r.Status, want)
		}
	}
	if got := j.count("GET", "/x"); got != n+1 {
		t.Errorf("%d are counted, want %d", got, n+1)
	}
}
