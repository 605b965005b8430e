package sandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

func (a Appointment) tag() string { return `"` + strconv.Itoa(a.version) + `"` }

// show is an answer that holds the appointment.
func (a Appointment) show(status int) answer {
	return answer{status: status, header: map[string]string{"ETag": a.tag()}, body: a}
}

// listAppointments is GET /appointments.
func (s *Server) listAppointments(r *http.Request) answer {
	q := &query{values: r.URL.Query()}
	id := q.text("patient")
	if id != "" && !isPatientID(id) {
		q.wrong("patient", "must be ten digits")
	}
	return list(r, q, s.clinic.appointments, func(a Appointment) bool { return id == "" || a.Patient == id })
}

// showAppointment is GET /appointments/{id}.
func (s *Server) showAppointment(r *http.Request) answer {
	place, missing := s.clinic.appointment(r.PathValue("id"))
	if place < 0 {
		return missing
	}
	return s.clinic.appointments[place].show(http.StatusOK)
}

// appointment returns the place of an appointment, or -1 and what to answer.
func (c *clinic) appointment(id string) (int, answer) {
	place := slices.IndexFunc(c.appointments, func(a Appointment) bool { return a.ID == id })
	if place < 0 {
		return place, problemAnswer(http.StatusNotFound, "there is no appointment "+id)
	}
	return place, answer{}
}

// createAppointment is POST /appointments.
func (s *Server) createAppointment(r *http.Request) answer {
	a, refused := s.clinic.readAppointment(r, "")
	if refused != nil {
		return *refused
	}
	s.clinic.appointed++
	a.ID, a.version = "apt-"+strconv.Itoa(s.clinic.appointed), 1
	s.clinic.appointments = append(s.clinic.appointments, a)
	made := a.show(http.StatusCreated)
	made.header["Location"] = "/appointments/" + a.ID
	return made
}

// readAppointment reads a body; id is that of the appointment which it replaces.
func (c *clinic) readAppointment(r *http.Request, id string) (Appointment, *answer) {
	f, refused := readFields(r)
	if refused != nil {
		return Appointment{}, refused
	}
	a := Appointment{
		Patient: f.text("patient"), Start: f.time("start"),
		Minutes: f.integer("minutes", 5, 480, 20), Reason: f.text("reason"),
	}
	c.checkPatient(f, a.Patient)
	if refused := f.refuse(); refused != nil {
		return a, refused
	}
	for _, other := range c.appointments {
		if other.ID != id && other.Patient == a.Patient && other.Start.Equal(a.Start) {
			conflict := problemAnswer(http.StatusConflict,
				fmt.Sprintf("the patient has an appointment at that time: %s", other.ID),
				fieldProblem{"start", "is taken by " + other.ID})
			return a, &conflict
		}
	}
	return a, nil
}

// replaceAppointment is PUT /appointments/{id}. It wants to know which version it replaces.
func (s *Server) replaceAppointment(r *http.Request) answer {
	place, missing := s.clinic.appointment(r.PathValue("id"))
	if place < 0 {
		return missing
	}
	old := s.clinic.appointments[place]
	const words = "must hold the ETag of the version that is replaced"
	switch match := r.Header.Get("If-Match"); {
	case match == "":
		return problemAnswer(http.StatusPreconditionRequired, "If-Match "+words, fieldProblem{"If-Match", words})
	case match != old.tag() && match != "*":
		return problemAnswer(http.StatusPreconditionFailed, "the appointment was changed by someone else; its ETag is "+old.tag())
	}
	a, refused := s.clinic.readAppointment(r, old.ID)
	if refused != nil {
		return *refused
	}
	a.ID, a.version = old.ID, old.version+1
	s.clinic.appointments[place] = a
	return a.show(http.StatusOK)
}

// deleteAppointment is DELETE /appointments/{id}.
func (s *Server) deleteAppointment(r *http.Request) answer {
	place, missing := s.clinic.appointment(r.PathValue("id"))
	if place < 0 {
		return missing
	}
	old := s.clinic.appointments[place]
	if match := r.Header.Get("If-Match"); match != "" && match != "*" && match != old.tag() {
		return problemAnswer(http.StatusPreconditionFailed, "the appointment was changed by someone else; its ETag is "+old.tag())
	}
	s.clinic.appointments = slices.Delete(s.clinic.appointments, place, place+1)
	return answer{status: http.StatusNoContent}
}
