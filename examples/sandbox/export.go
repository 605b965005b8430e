package sandbox

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An export is a bulk export as FHIR servers do it: asked for, worked on, and fetched as files.
type export struct {
	types []string
	begun time.Time
	ready time.Time
}

// exportTypes is what can be exported, and what of it there is.
var exportTypes = []string{"Patient", "Order"}

// startExport is GET /export. The answer says where to ask how far it has come.
func (s *Server) startExport(r *http.Request) answer {
	q := &query{values: r.URL.Query()}
	types, took := exportTypes, q.integer("seconds", 0, 60, 1)
	if list := q.text("_type"); list != "" {
		types = strings.Split(list, ",")
	}
	for _, name := range types {
		if !slices.Contains(exportTypes, name) {
			q.wrong("_type", "must be Patient, Order or both with a comma")
		}
	}
	if refused := q.refuse(); refused != nil {
		return *refused
	}
	if prefer := r.Header.Get("Prefer"); prefer != "respond-async" {
		const words = `must be "respond-async": an export is never answered at once`
		return problemAnswer(http.StatusBadRequest, "Prefer "+words, fieldProblem{"Prefer", words})
	}
	id := "exp-" + strconv.Itoa(len(s.clinic.exports)+1)
	now := time.Now()
	s.clinic.exports[id] = &export{types: types, begun: now, ready: now.Add(time.Duration(took) * time.Second)}
	return answer{status: http.StatusAccepted, header: map[string]string{"Content-Location": s.url + "/export/" + id}}
}

// A manifest lists an export's files.
type manifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	Output              []manifestFile `json:"output"`
	Error               []manifestFile `json:"error"`
}

type manifestFile struct {
	Type  string `json:"type"`
	URL   string `json:"url"`
	Count int    `json:"count"`
}

// showExport is GET /export/{id}: 202 while there is work to do, then the manifest.
func (s *Server) showExport(r *http.Request) answer {
	e, id := s.clinic.exports[r.PathValue("id")], r.PathValue("id")
	if e == nil {
		return problemAnswer(http.StatusNotFound, "there is no export "+id)
	}
	if left := time.Until(e.ready); left > 0 {
		done := 100 * time.Since(e.begun) / e.ready.Sub(e.begun)
		return answer{status: http.StatusAccepted, header: map[string]string{
			"Retry-After": strconv.Itoa(int(math.Ceil(left.Seconds()))), "X-Progress": strconv.Itoa(int(done)) + "% done"}}
	}
	m := manifest{TransactionTime: e.begun.UTC().Format(time.RFC3339), Request: s.url + "/export", RequiresAccessToken: true, Output: []manifestFile{}, Error: []manifestFile{}}
	for _, name := range e.types {
		m.Output = append(m.Output, manifestFile{name, s.url + "/export/" + id + "/" + name + ".ndjson", len(s.clinic.exported(name))})
	}
	return answer{status: http.StatusOK, body: m}
}

// exported is what there is of a type.
func (c *clinic) exported(name string) (rows []any) {
	switch name {
	case "Patient":
		for _, p := range c.patients {
			rows = append(rows, p)
		}
	case "Order":
		for _, o := range c.orders {
			rows = append(rows, o)
		}
	}
	return rows
}

// downloadExport is GET /export/{id}/{file}: a JSON text a line.
func (s *Server) downloadExport(w http.ResponseWriter, r *http.Request) {
	name, isFile := strings.CutSuffix(r.PathValue("file"), ".ndjson")
	s.clinic.mu.Lock()
	defer s.clinic.mu.Unlock()
	e := s.clinic.exports[r.PathValue("id")]
	if e == nil || !isFile || !slices.Contains(e.types, name) || time.Now().Before(e.ready) {
		writeProblem(w, http.StatusNotFound, "there is no such file")
		return
	}
	w.Header().Set("Content-Type", "application/fhir+ndjson")
	for _, row := range s.clinic.exported(name) {
		if text, err := json.Marshal(row); err == nil {
			_, _ = w.Write(append(text, '\n')) // a client that left needs no answer
		}
	}
}

// deleteExport is DELETE /export/{id}: it ends the work or removes the files.
func (s *Server) deleteExport(r *http.Request) answer {
	id := r.PathValue("id")
	if s.clinic.exports[id] == nil {
		return problemAnswer(http.StatusNotFound, "there is no export "+id)
	}
	s.clinic.exports[id] = nil
	return answer{status: http.StatusAccepted}
}
