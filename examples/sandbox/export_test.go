package sandbox_test

import (
	"strings"
	"testing"
	"time"
)

func TestAnExportIsAskedForWorkedOnAndFetched(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	kickOff := c.get("/export?_type=Patient,Order&seconds=0", "Prefer", "respond-async")
	c.status(kickOff, 202)
	place := strings.TrimPrefix(kickOff.header.Get("Content-Location"), c.server.URL())
	if place != "/export/exp-1" || kickOff.raw != "" {
		t.Fatalf("202 with %q and %q", place, kickOff.raw)
	}
	manifest := c.get(place)
	c.status(manifest, 200)
	if manifest.body["requiresAccessToken"] != true {
		t.Errorf("the manifest is %s", manifest.raw)
	}
	lines := map[string]int{"Patient": 3, "Order": 4}
	for _, item := range manifest.body["output"].([]any) {
		file := item.(map[string]any)
		got := c.get(strings.TrimPrefix(file["url"].(string), c.server.URL()))
		c.status(got, 200)
		name := file["type"].(string)
		if n := strings.Count(got.raw, "\n"); n != lines[name] || file["count"] != float64(n) || got.header.Get("Content-Type") != "application/fhir+ndjson" {
			t.Errorf("%s has %d lines: %s", name, n, got.raw)
		}
		delete(lines, name)
	}
	if len(lines) > 0 {
		t.Errorf("missing: %v", lines)
	}
	c.status(c.do("DELETE", place, ""), 202)
	c.status(c.get(place), 404)
	c.status(c.get(place+"/Patient.ndjson"), 404)
}

func TestAnExportThatIsNotReadySaysWhenToComeBack(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	began := time.Now()
	kickOff := c.get("/export?seconds=30", "Prefer", "respond-async")
	got := c.get(strings.TrimPrefix(kickOff.header.Get("Content-Location"), c.server.URL()))
	c.status(got, 202)
	if time.Since(began) < 20*time.Second && got.header.Get("Retry-After") != "30" || !strings.HasSuffix(got.header.Get("X-Progress"), "% done") {
		t.Errorf("%v", got.header)
	}
	c.status(c.get("/export/exp-1/Patient.ndjson"), 404)
}

func TestAnExportIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	c := signedIn(t)
	for path, want := range map[string]string{"/export": "respond-async", "/export?_type=Dog": "Patient, Order or both", "/export?seconds=99": "seconds", "/export/exp-9": "there is no export"} {
		got := c.get(path)
		if got.status < 400 || !strings.Contains(got.raw, want) {
			t.Errorf("%s: %d %s", path, got.status, got.raw)
		}
	}
	if got := start(t).get("/export", "Prefer", "respond-async"); got.status != 401 {
		t.Errorf("without a token: %d", got.status)
	}
}
