package oauth2_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stepwell/stepwell/actions/oauth2"
)

// TestEveryLifetimeIsUnderstood reads expires_in as servers write it.
func TestEveryLifetimeIsUnderstood(t *testing.T) {
	t.Parallel()
	const unknown = 7 * time.Minute // default_lifetime here
	const ten = 10 * 365 * 24 * time.Hour
	for raw, lifetime := range map[string]time.Duration{
		`3600`: time.Hour, `"3600"`: time.Hour, `" 3600 "`: time.Hour, `3600.0`: time.Hour, `3599.5`: time.Hour - time.Second/2,
		`"3599.50"`: time.Hour - time.Second/2, `3.6e3`: time.Hour, `36E2`: time.Hour, `"3.6e+3"`: time.Hour, `1`: time.Second,
		`0.5`: time.Second / 2, `86400`: 24 * time.Hour, `315360000`: ten, `315360001`: ten, `999999999`: ten, `1e300`: ten, `"1e400"`: ten, `1e400`: ten,
		`99999999999999999999`: ten,
		`null`:                 unknown, `""`: unknown, `" "`: unknown, `0`: unknown, `0.0`: unknown, `-0`: unknown, `-1`: unknown, `-3600`: unknown, `"-1"`: unknown,
		`-1e400`: unknown, `"never"`: unknown, `"1h"`: unknown, `"0x10"`: unknown, `"1_000"`: unknown, `"NaN"`: unknown, `"Infinity"`: ten, `"-inf"`: unknown,
		`true`: unknown, `false`: unknown, `{}`: unknown, `[3600]`: unknown, `{"seconds":3600}`: unknown,
		// The bubble's clock begins on 2000-01-01; a number from 1e9 on is a point in time.
		`"2000-01-01T02:00:00Z"`: 2 * time.Hour, `"1999-12-31T23:00:00Z"`: unknown, `1000000000`: time.Unix(1e9, 0).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)),
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cred := basic()
				cred.DefaultLifetime = unknown
				begun := time.Now()
				token, err := source(t, &oauth2.Client{Carrier: serving(ok(`{"access_token":"abc","expires_in":` + raw + `}`))}, cred).Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want(t, "lifetime", token.Expires.Sub(begun), lifetime)
			})
		})
	}
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			token, err := source(t, &oauth2.Client{Carrier: serving(ok(`{"access_token":"abc"}`))}, basic()).Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want(t, "lifetime", token.Expires.Sub(begun), 5*time.Minute)
		})
	})
}

// TestBothSidesOfEveryMargin uses a token in the last nanosecond that it may be
// used in, and one later. In the background nothing is renewed: the server fails.
func TestBothSidesOfEveryMargin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ lifetime, attempt, early, margin time.Duration }{
		{time.Hour, 0, 0, time.Minute},                                     // the attempt's default, a minute
		{time.Hour, 10 * time.Second, 0, time.Minute},                      // a tenth, at most a minute
		{10 * time.Minute, 10 * time.Second, 0, time.Minute},               // a tenth is exactly that
		{599 * time.Second, 10 * time.Second, 0, 59900 * time.Millisecond}, // a little less
		{5 * time.Minute, 10 * time.Second, 0, 30 * time.Second},           // a tenth
		{5 * time.Minute, 45 * time.Second, 0, 45 * time.Second},           // the attempt is longer
		{5 * time.Minute, 0, 0, time.Minute},
		{50 * time.Second, time.Second, 0, 5 * time.Second},                // a tenth is exactly the least
		{40 * time.Second, time.Second, 0, 5 * time.Second},                // the least
		{8 * time.Second, time.Second, 0, 4 * time.Second},                 // half of it
		{10 * time.Second, time.Second, 0, 5 * time.Second},                // half and least are the same
		{90 * time.Second, 0, 0, 45 * time.Second},                         // half is less than an attempt
		{time.Second, 0, 0, time.Second / 2},                               // half of little
		{time.Hour, 0, 5 * time.Minute, 5 * time.Minute},                   // as asked
		{time.Hour, 0, 10 * time.Second, 10 * time.Second},                 // as asked, also if that is little
		{time.Hour, 0, 2 * time.Hour, 30 * time.Minute},                    // never more than half
		{24 * time.Hour, 3 * time.Minute, 0, 3 * time.Minute},              // a long attempt
		{24 * time.Hour, 59 * time.Second, 0, time.Minute},                 // the most beats the attempt
		{24 * time.Hour, 61 * time.Second, 0, 61 * time.Second},            // the attempt beats the most
		{2 * time.Minute, 0, time.Minute, time.Minute},                     // half, as asked
		{2 * time.Minute, 0, 61 * time.Second, time.Minute},                // half
		{121 * time.Second, 0, 61 * time.Second, 60500 * time.Millisecond}, // half
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cred := basic()
				cred.Timeout, cred.RefreshEarly = c.attempt, c.early
				s := serving(ok(fmt.Sprintf(`{"access_token":"first","expires_in":%v}`, c.lifetime.Seconds())), bad(400, `{"error":"temporarily_unavailable"}`))
				src := source(t, &oauth2.Client{Carrier: s}, cred)
				want(t, "token", got(t, src), "first")
				time.Sleep(c.lifetime - c.margin - 1)
				want(t, "token in time", got(t, src), "first")
				synctest.Wait()
				time.Sleep(time.Nanosecond)
				failed(t, src)
			})
		})
	}
}

func TestALifeIsCountedFromTheBeginningOfItsRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""))
		s.delay = 20 * time.Second
		begun := time.Now()
		got, err := source(t, &oauth2.Client{Carrier: s}, basic()).Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "lifetime", got.Expires.Sub(begun), time.Hour)
	})
}

// TestATokenIsRenewedInTheBackground: not before three quarters of the time that
// it may be used, always after nine tenths; by one request, while all others
// have the old one.
func TestATokenIsRenewedInTheBackground(t *testing.T) {
	t.Parallel()
	const usable = time.Hour - time.Minute
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			s := serving(token("first", ""), token("second", ""))
			src := source(t, &oauth2.Client{Carrier: s}, basic())
			got(t, src)
			time.Sleep(usable*3/4 - 1)
			want(t, "token", got(t, src), "first")
			synctest.Wait()
			want(t, "requests before the soft time", s.count(), 1)
			time.Sleep(usable*15/100 + 1)
			s.delay = 10 * time.Second
			for range 10 {
				want(t, "token while it is renewed", got(t, src), "first")
			}
			time.Sleep(10*time.Second - 1)
			want(t, "token while it is renewed", got(t, src), "first")
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			want(t, "token", got(t, src), "second")
			want(t, "requests", s.count(), 2)
		})
	}
}

func TestSoftTimesAreSpread(t *testing.T) {
	t.Parallel()
	renewed := map[int]bool{}
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			s := serving(token("first", ""), token("second", ""))
			src := source(t, &oauth2.Client{Carrier: s}, basic())
			begun := time.Now()
			for s.count() < 2 {
				got(t, src)
				synctest.Wait()
				time.Sleep(time.Minute)
			}
			renewed[int(time.Since(begun).Minutes())] = true
		})
	}
	if len(renewed) < 4 {
		t.Errorf("40 tokens were renewed in the minutes %v", renewed)
	}
}

func TestAFailedRenewalLeavesTheOldTokenAndCalm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""), bad(400, `{"error":"invalid_client"}`), bad(400, `{"error":"invalid_client"}`), token("second", ""))
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		got(t, src)
		time.Sleep(54 * time.Minute)
		begun := time.Now()
		for time.Since(begun) < 30*time.Second {
			want(t, "token", got(t, src), "first")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		want(t, "requests within 30s", s.count(), 2)
		got(t, src)
		synctest.Wait()
		want(t, "requests after 30s", s.count(), 3)
		time.Sleep(30 * time.Second)
		got(t, src)
		synctest.Wait()
		want(t, "token", got(t, src), "second")
	})
}

func TestTheServersClockIsKnownFromItsDate(t *testing.T) {
	t.Parallel()
	for ahead, noticed := range map[time.Duration]string{
		0: "", 9 * time.Second: "", -9 * time.Second: "", 15 * time.Second: "ahead of", -15 * time.Second: "behind", time.Hour: "ahead of", -24 * time.Hour: "behind",
	} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				date := time.Now().Add(ahead).UTC().Format(http.TimeFormat)
				e := failed(t, source(t, &oauth2.Client{Carrier: serving(bad(401, `{"error":"invalid_client"}`, "Date", date))}, basic()))
				says(t, e, noticed != "", "the server's clock is")
				says(t, e, noticed != "", noticed+" this machine's")
			})
		})
	}
}

func TestThereIsCalmAlsoAfterAServerThatCannotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serving(token("first", ""), bad(503, ""))
		src := source(t, &oauth2.Client{Carrier: s}, basic())
		got(t, src)
		time.Sleep(54 * time.Minute)
		for begun := time.Now(); time.Since(begun) < 29*time.Second; time.Sleep(time.Second) {
			want(t, "token", got(t, src), "first")
		}
		synctest.Wait()
		want(t, "requests within 30s", s.count(), 4)
	})
}
