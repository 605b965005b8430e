package sandbox

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Notification is a message that was sent.
type Notification struct {
	ID     string `json:"id"`
	To     string `json:"to"`
	Order  string `json:"order"`
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Escalation is a report of orders that cannot wait. Priority 1 is the highest.
type Escalation struct {
	ID       string   `json:"id"`
	Orders   []string `json:"orders"`
	Priority int      `json:"priority"`
}

// Appointment is a visit. Start keeps the offset with which it was sent.
type Appointment struct {
	ID      string    `json:"id"`
	Patient string    `json:"patient"`
	Start   time.Time `json:"start"`
	Minutes int       `json:"minutes"`
	Reason  string    `json:"reason"`
	version int
}

type patient struct {
	ID                  string      `json:"id"`
	ResourceType        string      `json:"resourceType"`
	Active              bool        `json:"active"`
	Name                []humanName `json:"name"`
	BirthDate           string      `json:"birthDate"`
	GeneralPractitioner []practice  `json:"generalPractitioner"`
}

type humanName struct {
	Use    string   `json:"use"`
	Text   string   `json:"text"`
	Family string   `json:"family"`
	Given  []string `json:"given"`
}

type practice struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Active bool   `json:"active"`
}

type order struct {
	ID      string `json:"id"`
	Patient string `json:"patient"`
	Code    string `json:"code"`
	Urgent  bool   `json:"urgent"`
	Owner   *owner `json:"owner"` // nil: withheld
}

type owner struct {
	Name  string `json:"name"`
	Email string `json:"email"`
}

// clinic is everything that the APIs show and change.
type clinic struct {
	mu            sync.Mutex
	patients      []patient
	orders        []order
	notifications []Notification
	escalations   []Escalation
	appointments  []Appointment
	appointed     int                // how many there ever were: the last one's number
	exports       map[string]*export // by id; nil: it was deleted
	done          map[string]answer  // by path and idempotency key
	bodies        map[string]string  // what each of them was asked
}

func newClinic() *clinic {
	ward := &owner{"Ward 4", "ward4@clinic.example"}
	lab := &owner{"Laboratory", "lab@clinic.example"}
	named := func(given, family string) []humanName {
		return []humanName{{"official", given + " " + family, family, []string{given}}}
	}
	old := practice{"gp-102", "Old Mill Practice", false}
	return &clinic{
		patients: []patient{
			{"9434765919", "Patient", true, named("Zoë", "Sample"), "1980-02-29",
				[]practice{old, {"gp-417", "Riverside Practice", true}}},
			{"9434765870", "Patient", true, named("Kim", "Sample"), "1999-12-31", []practice{old}},
			{"9000000009", "Patient", false, named("Lee", "Sample"), "1950-07-01", []practice{}},
		},
		orders: []order{
			{"ord-1001", "9434765919", "Full blood count", false, lab},
			{"ord-1002", "9434765919", "Serum potassium", true, lab},
			{"ord-1003", "9434765919", "Wound check", false, ward},
			{"ord-2001", "9000000009", "Chest X-ray", false, nil},
		},
		exports: make(map[string]*export),
		done:    make(map[string]answer),
		bodies:  make(map[string]string),
	}
}

// Notifications returns what was sent so far, each message once, in the order of arrival.
func (s *Server) Notifications() []Notification {
	s.clinic.mu.Lock()
	defer s.clinic.mu.Unlock()
	return slices.Clone(s.clinic.notifications)
}

// Escalations returns what was reported so far, in the order of arrival.
func (s *Server) Escalations() []Escalation {
	s.clinic.mu.Lock()
	defer s.clinic.mu.Unlock()
	return slices.Clone(s.clinic.escalations)
}

// Appointments returns the appointments there are, in the order in which they were made.
func (s *Server) Appointments() []Appointment {
	s.clinic.mu.Lock()
	defer s.clinic.mu.Unlock()
	return slices.Clone(s.clinic.appointments)
}

func (c *clinic) patient(id string) (patient, bool) {
	i := slices.IndexFunc(c.patients, func(p patient) bool { return p.ID == id })
	if i < 0 {
		return patient{}, false
	}
	return c.patients[i], true
}

func (c *clinic) order(id string) (order, bool) {
	i := slices.IndexFunc(c.orders, func(o order) bool { return o.ID == id })
	if i < 0 {
		return order{}, false
	}
	return c.orders[i], true
}

// isPatientID says whether a text has the form of a patient's number.
func isPatientID(text string) bool {
	return len(text) == 10 && strings.Trim(text, "0123456789") == ""
}

// query takes the parameters of a list apart and gathers what is wrong with them.
type query struct {
	values   url.Values
	known    []string
	problems []fieldProblem
}

func (q *query) wrong(field, message string) {
	q.problems = append(q.problems, fieldProblem{field, message})
}

func (q *query) text(name string) string {
	q.known = append(q.known, name)
	if len(q.values[name]) > 1 {
		q.wrong(name, "is there more than once")
	}
	return q.values.Get(name)
}

// flag is true, false or, left out, nil.
func (q *query) flag(name string) *bool {
	text := q.text(name)
	if text == "" {
		return nil
	}
	if text != "true" && text != "false" {
		q.wrong(name, "must be true or false")
	}
	yes := text == "true"
	return &yes
}

func (q *query) integer(name string, low, high, otherwise int) int {
	text := q.text(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		q.wrong(name, "must be a whole number from "+strconv.Itoa(low)+" to "+strconv.Itoa(high))
	}
	return n
}

// cursor is where a page begins.
func (q *query) cursor() int {
	text := q.text("cursor")
	if text == "" {
		return 0
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	n, errNumber := strconv.Atoi(string(decoded))
	if err != nil || errNumber != nil || n < 0 {
		q.wrong("cursor", "must be one that an earlier answer gave")
	}
	return n
}

// refuse is the answer to everything that was found wrong, or nil. Call it after the last parameter.
func (q *query) refuse() *answer {
	q.known = append(q.known, "sandbox_fail")
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			q.wrong(name, "is not a parameter of this list; it takes "+strings.Join(q.known[:len(q.known)-1], ", "))
		}
	}
	if len(q.problems) == 0 {
		return nil
	}
	a := problemAnswer(http.StatusBadRequest, q.problems[0].Field+" "+q.problems[0].Message, q.problems...)
	return &a
}

// page is one page of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Total int     `json:"total"`
	Next  *string `json:"next"` // where the next page is; null on the last

	Cursor *string `json:"cursor"` // of the next page; null on the last
}

// list answers one page of those items that are wanted. Its limit and cursor are read after the caller's parameters.
func list[T any](r *http.Request, q *query, items []T, wanted func(T) bool) answer {
	limit, from := q.integer("limit", 1, 100, 50), q.cursor()
	if refused := q.refuse(); refused != nil {
		return *refused
	}
	chosen := []T{}
	for _, item := range items {
		if wanted(item) {
			chosen = append(chosen, item)
		}
	}
	from = min(from, len(chosen))
	to := min(from+limit, len(chosen))
	answered := page[T]{Items: chosen[from:to], Total: len(chosen)}
	a := answer{status: http.StatusOK, header: map[string]string{}}
	if to < len(chosen) {
		values, cursor := r.URL.Query(), base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to)))
		values.Set("cursor", cursor)
		answered.Cursor = &cursor
		next := r.URL.Path + "?" + values.Encode()
		answered.Next = &next
		a.header["Link"] = "<" + next + `>; rel="next"`
	}
	a.body = answered
	return a
}
