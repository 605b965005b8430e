package sandbox

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// listPatients is GET /patients.
func (s *Server) listPatients(r *http.Request) answer {
	q := &query{values: r.URL.Query()}
	name, active := strings.ToLower(q.text("name")), q.flag("active")
	return list(r, q, s.clinic.patients, func(p patient) bool {
		return strings.Contains(strings.ToLower(p.Name[0].Text), name) && (active == nil || p.Active == *active)
	})
}

// showPatient is GET /patients/{id}.
func (s *Server) showPatient(r *http.Request) answer {
	id := r.PathValue("id")
	if !isPatientID(id) {
		return problemAnswer(http.StatusBadRequest, "id must be ten digits", fieldProblem{"id", "must be ten digits"})
	}
	p, ok := s.clinic.patient(id)
	if !ok {
		return problemAnswer(http.StatusNotFound, "there is no patient "+id)
	}
	const tag = `W/"3"`
	header := map[string]string{"ETag": tag}
	if r.Header.Get("If-None-Match") == tag {
		return answer{status: http.StatusNotModified, header: header}
	}
	return answer{status: http.StatusOK, header: header, body: p}
}

// listOrders is GET /orders.
func (s *Server) listOrders(r *http.Request) answer {
	q := &query{values: r.URL.Query()}
	id, urgent := q.text("patient"), q.flag("urgent")
	if id != "" && !isPatientID(id) {
		q.wrong("patient", "must be ten digits")
	}
	return list(r, q, s.clinic.orders, func(o order) bool {
		return (id == "" || o.Patient == id) && (urgent == nil || o.Urgent == *urgent)
	})
}

// showOrder is GET /orders/{id}.
func (s *Server) showOrder(r *http.Request) answer {
	o, ok := s.clinic.order(r.PathValue("id"))
	if !ok {
		return problemAnswer(http.StatusNotFound, "there is no order "+r.PathValue("id"))
	}
	return answer{status: http.StatusOK, body: o}
}

// locked answers with the clinic locked, and writes the answer when it no longer is.
func (s *Server) locked(do func(*http.Request) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.clinic.mu.Lock()
		a := do(r)
		s.clinic.mu.Unlock()
		a.write(w)
	}
}

// onceByKey is once for what must have an Idempotency-Key.
func (s *Server) onceByKey(do func(*http.Request) answer) http.HandlerFunc {
	next := s.once(do)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") == "" {
			const words = "must be there: without it a message that is sent again is sent twice"
			writeProblem(w, http.StatusBadRequest, "Idempotency-Key "+words, fieldProblem{"Idempotency-Key", words})
			return
		}
		next(w, r)
	}
}

// once carries a request out, and gives the first answer again to one that repeats an Idempotency-Key. An answer that
// is no success is not kept: the client may correct its request. The clinic is locked while do runs.
func (s *Server) once(do func(*http.Request) answer) http.HandlerFunc {
	always := s.locked(do)
	return func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		if key == "" {
			always(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			writeProblem(w, http.StatusBadRequest, "the body could not be read")
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.clinic.doOnce(r.URL.Path+" "+key, string(body), func() answer { return do(r) }).write(w)
	}
}

func (c *clinic) doOnce(key, body string, do func() answer) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if first, ok := c.done[key]; ok {
		if c.bodies[key] != body {
			const words = "was used before with another body"
			return problemAnswer(http.StatusUnprocessableEntity, "Idempotency-Key "+words,
				fieldProblem{"Idempotency-Key", words})
		}
		return first
	}
	a := do()
	if a.status < 300 {
		c.done[key], c.bodies[key] = a, body
	}
	return a
}

// createOrder is POST /orders.
func (s *Server) createOrder(r *http.Request) answer {
	f, refused := readFields(r)
	if refused != nil {
		return *refused
	}
	o := order{Patient: f.text("patient"), Code: f.text("code"), Urgent: f.boolean("urgent")}
	s.clinic.checkPatient(f, o.Patient)
	if notify, there := f.take("notify"); there { // nobody here decides, so nothing is sent there
		if text, _ := notify.(string); !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://") {
			f.wrong("notify", "must be a URL")
		}
	}
	if refused := f.refuse(); refused != nil {
		return *refused
	}
	o.ID = "ord-" + strconv.Itoa(3000+len(s.clinic.orders))
	o.Owner = &owner{"Reception", "reception@clinic.example"}
	s.clinic.orders = append(s.clinic.orders, o)
	return created("/orders/"+o.ID, o)
}

// createNotification is POST /notifications. The id comes from the order, so that it does not depend on which of
// several requests was first.
func (s *Server) createNotification(r *http.Request) answer {
	f, refused := readFields(r)
	if refused != nil {
		return *refused
	}
	n := Notification{To: f.text("to"), Order: f.text("order"), Number: f.integer("number", 1, 1_000_000, 0), Text: f.text("text")}
	if name, domain, ok := strings.Cut(n.To, "@"); n.To != "" && (!ok || name == "" || domain == "" || strings.ContainsAny(n.To, " ,;")) {
		f.wrong("to", "must be one e-mail address")
	}
	s.clinic.checkOrder(f, "order", n.Order)
	if refused := f.refuse(); refused != nil {
		return *refused
	}
	n.ID = "ntf-" + strings.TrimPrefix(n.Order, "ord-")
	before := 0
	for _, other := range s.clinic.notifications {
		if other.Order == n.Order {
			before++
		}
	}
	if before > 0 {
		n.ID += "-" + strconv.Itoa(before+1)
	}
	s.clinic.notifications = append(s.clinic.notifications, n)
	return created("/notifications/"+n.ID, n)
}

// createEscalation is POST /escalations.
func (s *Server) createEscalation(r *http.Request) answer {
	f, refused := readFields(r)
	if refused != nil {
		return *refused
	}
	e := Escalation{Orders: f.texts("orders"), Priority: f.integer("priority", 1, 5, 0)}
	for i, id := range e.Orders {
		s.clinic.checkOrder(f, "orders["+strconv.Itoa(i)+"]", id)
	}
	if refused := f.refuse(); refused != nil {
		return *refused
	}
	e.ID = "esc-" + strconv.Itoa(len(s.clinic.escalations)+1)
	s.clinic.escalations = append(s.clinic.escalations, e)
	return created("/escalations/"+e.ID, e)
}

func (c *clinic) checkPatient(f *fields, id string) {
	if _, ok := c.patient(id); id != "" && !ok {
		f.wrong("patient", "is not known: there is no patient %q", id)
	}
}

func (c *clinic) checkOrder(f *fields, field, id string) {
	if _, ok := c.order(id); id != "" && !ok {
		f.wrong(field, "is not known: there is no order %q", id)
	}
}

func created(location string, body any) answer {
	return answer{status: http.StatusCreated, header: map[string]string{"Location": location}, body: body}
}
