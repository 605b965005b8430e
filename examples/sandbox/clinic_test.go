package sandbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestAPatientIsShownWithNamePracticesAndETag(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	got := c.get("/patients/" + knownPatient)
	c.status(got, 200)
	if got.body["active"] != true || got.text("id") != knownPatient {
		t.Errorf("patient is %s", got.raw)
	}
	name := got.body["name"].([]any)[0].(map[string]any)["text"]
	if name != "Zoë Sample" {
		t.Errorf("name is %v", name)
	}
	active := 0
	for _, item := range got.body["generalPractitioner"].([]any) {
		if practice := item.(map[string]any); practice["active"] == true {
			active++
			if practice["id"] != c.server.Inputs()["practice_id"] {
				t.Errorf("practice is %v", practice)
			}
		}
	}
	if active != 1 {
		t.Errorf("%d active practices", active)
	}
	tag := got.header.Get("ETag")
	if again := c.get("/patients/"+knownPatient, "If-None-Match", tag); again.status != 304 || again.raw != "" || again.header.Get("ETag") != tag {
		t.Errorf("not modified: %d %q", again.status, again.raw)
	}
	for path, want := range map[string]int{"/patients/1": 400, "/patients/94347659x9": 400, "/patients/1111111111": 404, "/orders/ord-9": 404} {
		if got := c.get(path); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	for path, want := range map[string]string{
		"/patients":                                        "9434765919 9434765870 9000000009",
		"/patients?name=zo%C3%AB":                          "9434765919",
		"/patients?active=false":                           "9000000009",
		"/orders?patient=" + knownPatient:                  "ord-1001 ord-1002 ord-1003",
		"/orders?patient=" + knownPatient + "&urgent=true": "ord-1002",
		"/orders?patient=9434765870":                       "",
		"/orders?urgent=true":                              "ord-1002",
		"/appointments":                                    "",
	} {
		got := c.get(path)
		c.status(got, 200)
		if ids := idsOf(got); ids != want {
			t.Errorf("%s: %q, want %q", path, ids, want)
		}
		if got.body["next"] != nil || got.header.Get("Link") != "" {
			t.Errorf("%s has a next page: %s", path, got.raw)
		}
	}

	var pages []string
	path := "/orders?limit=2&patient=" + knownPatient
	for range 3 {
		got := c.get(path)
		c.status(got, 200)
		pages = append(pages, idsOf(got))
		if got.body["total"] != 3.0 {
			t.Errorf("total is %v", got.body["total"])
		}
		next, ok := got.body["next"].(string)
		if !ok {
			break
		}
		if link := got.header.Get("Link"); link != "<"+next+`>; rel="next"` {
			t.Errorf("Link is %q", link)
		}
		path = next
	}
	if got := strings.Join(pages, " | "); got != "ord-1001 ord-1002 | ord-1003" {
		t.Errorf("pages are %s", got)
	}

	for path, field := range map[string]string{
		"/orders?patient=1":         "patient",
		"/orders?urgent=yes":        "urgent",
		"/orders?limit=0":           "limit",
		"/orders?limit=x":           "limit",
		"/orders?cursor=!":          "cursor",
		"/orders?page=2":            "page",
		"/orders?limit=1&limit=2":   "limit",
		"/patients?active=1&sort=x": "active sort",
		"/appointments?patient=a":   "patient",
	} {
		if got := c.get(path); got.status != 400 || got.fieldsWrong() != field {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
}

func idsOf(r reply) string {
	var ids []string
	for _, item := range r.body["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return strings.Join(ids, " ")
}

func TestBodiesAreCheckedFieldByField(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	const good = `{"to":"lab@clinic.example","order":"ord-1001","number":1,"text":"hello"}`
	for _, call := range []struct {
		name, path, body string
		status           int
		fields           string
	}{
		{"no object", "/notifications", `[]`, 400, ""},
		{"null", "/notifications", `null`, 400, ""},
		{"broken", "/notifications", `{"to":`, 400, ""},
		{"more after it", "/notifications", good + `{}`, 400, ""},
		{"nothing", "/notifications", `{}`, 422, "to order number text"},
		{"number as text", "/notifications", strings.Replace(good, ":1,", `:"1",`, 1), 422, "number"},
		{"number with a fraction", "/notifications", strings.Replace(good, ":1,", ":1.5,", 1), 422, "number"},
		{"number below one", "/notifications", strings.Replace(good, ":1,", ":0,", 1), 422, "number"},
		{"no address", "/notifications", strings.Replace(good, "lab@clinic.example", "lab", 1), 422, "to"},
		{"address is a number", "/notifications", strings.Replace(good, `"lab@clinic.example"`, "7", 1), 422, "to"},
		{"empty text", "/notifications", strings.Replace(good, "hello", " ", 1), 422, "text"},
		{"unknown order", "/notifications", strings.Replace(good, "ord-1001", "ord-9", 1), 422, "order"},
		{"unknown field", "/notifications", strings.Replace(good, `"to"`, `"cc":1,"to"`, 1), 422, "cc"},
		{"no orders", "/escalations", `{"orders":[],"priority":3}`, 422, "orders"},
		{"orders as text", "/escalations", `{"orders":"[\"ord-1002\"]","priority":3}`, 422, "orders"},
		{"one unknown order", "/escalations", `{"orders":["ord-1002","ord-9",5],"priority":3}`, 422, "orders[2] orders[1]"},
		{"priority too low", "/escalations", `{"orders":["ord-1002"],"priority":6}`, 422, "priority"},
		{"no priority", "/escalations", `{"orders":["ord-1002"]}`, 422, "priority"},
		{"order of nobody", "/orders", `{"patient":"1111111111","code":"x","urgent":"yes"}`, 422, "urgent patient"},
		{"a time that is none", "/appointments", `{"patient":"9434765919","start":"tomorrow","minutes":1,"reason":"x"}`, 422, "start minutes"},
	} {
		t.Run(call.name, func(t *testing.T) {
			got := c.json("POST", call.path, call.body, "Idempotency-Key", call.name)
			if got.status != call.status || got.fieldsWrong() != call.fields {
				t.Errorf("%d %s", got.status, got.raw)
			}
			if got.header.Get("Content-Type") != "application/problem+json" || got.text("detail") == "" {
				t.Errorf("no problem: %s", got.raw)
			}
		})
	}
	if got := c.do("POST", "/notifications", good, "Content-Type", "text/plain", "Idempotency-Key", "k"); got.status != 415 {
		t.Errorf("text/plain: %d %s", got.status, got.raw)
	}
	if len(c.server.Notifications())+len(c.server.Escalations())+len(c.server.Appointments()) != 0 {
		t.Error("something was recorded")
	}
}

func TestANotificationIsSentOncePerKey(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	const body = `{"to":"lab@clinic.example","order":"ord-1001","number":1,"text":"hello"}`
	if got := c.json("POST", "/notifications", body); got.status != 400 || got.fieldsWrong() != "Idempotency-Key" {
		t.Fatalf("without a key: %d %s", got.status, got.raw)
	}
	refused := c.json("POST", "/notifications", `{}`, "Idempotency-Key", "a")
	c.status(refused, 422)

	replies := make([]reply, 8)
	var all sync.WaitGroup
	for i := range replies {
		all.Go(func() { replies[i] = c.json("POST", "/notifications", body, "Idempotency-Key", "a") })
	}
	all.Wait()
	for _, got := range replies {
		if got.status != 201 || got.raw != replies[0].raw || got.header.Get("Location") != "/notifications/ntf-1001" {
			t.Errorf("%d %s", got.status, got.raw)
		}
	}
	other := c.json("POST", "/notifications", strings.Replace(body, "hello", "bye", 1), "Idempotency-Key", "a")
	if other.status != 422 || other.fieldsWrong() != "Idempotency-Key" {
		t.Errorf("another body: %d %s", other.status, other.raw)
	}
	if sent := c.server.Notifications(); len(sent) != 1 || sent[0].Text != "hello" || sent[0].ID != "ntf-1001" {
		t.Fatalf("sent: %+v", sent)
	}
	again := c.json("POST", "/notifications", body, "Idempotency-Key", "b")
	if again.status != 201 || again.text("id") != "ntf-1001-2" {
		t.Errorf("another key: %d %s", again.status, again.raw)
	}
}

func TestAnEscalationWithoutAKeyIsRecordedEachTime(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	const body = `{"orders":["ord-1002"],"priority":3}`
	for n := 1; n <= 2; n++ {
		got := c.json("POST", "/escalations", body)
		if got.status != 201 || got.text("id") != fmt.Sprintf("esc-%d", n) {
			t.Errorf("%d %s", got.status, got.raw)
		}
	}
	for range 2 {
		if got := c.json("POST", "/escalations", body, "Idempotency-Key", "k"); got.text("id") != "esc-3" {
			t.Errorf("%d %s", got.status, got.raw)
		}
	}
	if got := c.server.Escalations(); len(got) != 3 || got[0].Priority != 3 || got[0].Orders[0] != "ord-1002" {
		t.Errorf("recorded: %+v", got)
	}
}

func TestANewOrderIsFoundByRESTAndGraphQL(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	made := c.json("POST", "/orders", `{"patient":"9434765870","code":"ECG","urgent":true}`)
	c.status(made, 201)
	shown := c.get(made.header.Get("Location"))
	c.status(shown, 200)
	if shown.raw != made.raw {
		t.Errorf("made %s, shown %s", made.raw, shown.raw)
	}
	got := c.json("POST", "/graphql", `{"query":"{orders(patient:9434765870){id urgent}}"}`)
	if !strings.Contains(got.raw, made.text("id")) {
		t.Errorf("orders are %s", got.raw)
	}
}

func TestAnAppointmentIsReplacedOnlyByWhoKnowsItsVersion(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	body := func(start string) string {
		return fmt.Sprintf(`{"patient":%q,"start":%q,"reason":"Wound check"}`, knownPatient, start)
	}
	made := c.json("POST", "/appointments", body("2026-11-21T09:30:00+01:00"))
	c.status(made, 201)
	place, first := made.header.Get("Location"), made.header.Get("ETag")
	if made.text("start") != "2026-11-21T09:30:00+01:00" || made.body["minutes"] != 20.0 || place != "/appointments/apt-1" {
		t.Errorf("made %s at %s", made.raw, place)
	}
	taken := c.json("POST", "/appointments", body("2026-11-21T08:30:00Z"))
	if taken.status != 409 || taken.fieldsWrong() != "start" {
		t.Errorf("the same time: %d %s", taken.status, taken.raw)
	}

	later := body("2026-11-21T10:30:00Z")
	for _, put := range []struct {
		match  string
		status int
	}{{"", 428}, {`"9"`, 412}, {first, 200}, {first, 412}, {"*", 200}} {
		var headers []string
		if put.match != "" {
			headers = []string{"If-Match", put.match}
		}
		if got := c.json("PUT", place, later, headers...); got.status != put.status {
			t.Errorf("If-Match %s: %d %s", put.match, got.status, got.raw)
		}
	}
	shown := c.get(place)
	if shown.text("start") != "2026-11-21T10:30:00Z" || shown.header.Get("ETag") != `"3"` {
		t.Errorf("shown %s, %s", shown.raw, shown.header.Get("ETag"))
	}
	c.status(c.json("PUT", place, `{}`, "If-Match", "*"), 422)
	c.status(c.json("PUT", "/appointments/apt-7", later, "If-Match", "*"), 404)
	if got := c.server.Appointments(); len(got) != 1 || got[0].Reason != "Wound check" {
		t.Errorf("appointments are %+v", got)
	}

	c.status(c.do("DELETE", place, "", "If-Match", first), 412)
	c.status(c.do("DELETE", place, ""), 204)
	c.status(c.do("DELETE", place, ""), 404)
	c.status(c.get(place), 404)
	again := c.json("POST", "/appointments", later)
	if again.text("id") != "apt-2" {
		t.Errorf("an id was used again: %s", again.raw)
	}
}
