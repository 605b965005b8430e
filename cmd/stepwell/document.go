package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
	"github.com/stepwell/stepwell/flow/diag"
)

// A document is what --json prints of a run. Members are only ever added.
type document struct {
	RunID   *string         `json:"run_id"` // null: refused before there was a run
	Flow    string          `json:"flow"`
	Status  string          `json:"status"`
	Outputs json.RawMessage `json:"outputs"`
	Error   *documentError  `json:"error"`
	Steps   []documentStep  `json:"steps"`
	Inputs  json.RawMessage `json:"inputs,omitempty"`  // of runs show
	Reveals []reveal        `json:"reveals,omitempty"` // of runs show: when sensitive values were shown
}

type documentError struct {
	Kind        string    `json:"kind"`
	Step        string    `json:"step"`
	Message     string    `json:"message"`
	Hints       []string  `json:"hints"`
	File        string    `json:"file"`
	Line        int       `json:"line"`
	Column      int       `json:"column"`
	Diagnostics diag.List `json:"diagnostics,omitempty"`
}

type documentStep struct {
	Path       string  `json:"path"`
	Outcome    string  `json:"outcome"`
	Attempts   int     `json:"attempts"`
	DurationMS float64 `json:"duration_ms"`
	Error      *string `json:"error"`

	Started *time.Time    `json:"started,omitempty"` // of runs show, with what is below
	Ended   *time.Time    `json:"ended,omitempty"`
	Count   int           `json:"count,omitempty"` // of a loop: its items
	Assumed string        `json:"assumed,omitempty"`
	Tries   []documentTry `json:"tries,omitempty"`
}

// A documentTry is one attempt of a call.
type documentTry struct {
	Attempt int       `json:"attempt"`
	Started time.Time `json:"started"`
	TookMS  float64   `json:"took_ms"`
	Sent    bool      `json:"sent"`
	Status  int       `json:"status,omitempty"`
	Kind    string    `json:"kind,omitempty"` // why it failed
	Message string    `json:"message,omitempty"`
}

// refusal is the document of what was refused before there was a run.
func refusal(name string, e *flow.Error, list diag.List) document {
	doc := document{Flow: name, Status: string(datapoints.Failed), Outputs: json.RawMessage("null"), Steps: []documentStep{}}
	doc.Error = errorOf(e)
	doc.Error.Diagnostics = list
	for _, f := range e.Facts {
		doc.Error.Diagnostics = append(doc.Error.Diagnostics, diag.Diagnostic{Code: diag.Code(e.Kind), Message: f.Name + " " + f.Text})
	}
	if len(doc.Error.Diagnostics) == 0 {
		doc.Error.Diagnostics = diag.List{{Code: diag.Code(e.Kind), Message: e.Message, Span: e.Place}}
	}
	if len(list) > 0 && doc.Error.Line == 0 {
		doc.Error.File, doc.Error.Line, doc.Error.Column = list[0].File, list[0].Line, list[0].Column
	}
	return doc
}

func errorOf(e *flow.Error) *documentError {
	hints := e.Hints
	if hints == nil {
		hints = []string{}
	}
	return &documentError{Kind: string(e.Kind), Step: e.Step, Message: e.Message, Hints: hints,
		File: e.Place.File, Line: e.Place.Line, Column: e.Place.Column}
}

// documentOf is the document of a run, with outputs as they may be shown.
func documentOf(r datapoints.Run, outputs json.RawMessage, e *flow.Error, steps []flow.StepRecord) document {
	doc := document{RunID: &r.ID, Flow: r.Flow, Status: string(r.State), Outputs: json.RawMessage("null"), Steps: []documentStep{}}
	if r.State == datapoints.Succeeded && outputs != nil {
		doc.Outputs = outputs
	}
	if e != nil {
		doc.Error = errorOf(e)
	}
	for _, s := range steps {
		step := documentStep{Path: s.Path, Outcome: s.Outcome, Attempts: len(s.Attempts)}
		if !s.Ended.IsZero() {
			step.DurationMS = float64(s.Ended.Sub(s.Started).Microseconds()) / 1000
		}
		if s.Error != nil {
			step.Error = &s.Error.Message
		}
		doc.Steps = append(doc.Steps, step)
	}
	return doc
}

// inFull adds to a document what is recorded of inputs and attempts.
func (d *document) inFull(inputs json.RawMessage, steps []flow.StepRecord, r *datapoints.Redactor) {
	d.Inputs = inputs
	for i, s := range steps {
		step := &d.Steps[i]
		step.Count, step.Assumed = s.Count, s.Assumed
		step.Started, step.Ended = moment(s.Started), moment(s.Ended)
		for _, a := range s.Attempts {
			step.Tries = append(step.Tries, documentTry{Attempt: a.N, Started: millis(a.Started), TookMS: float64(a.Took.Microseconds()) / 1000,
				Sent: a.Sent, Status: a.Status, Kind: a.Kind, Message: r.Text(a.Message.RevealText())})
		}
	}
}

// printJSON writes a value as one JSON document; compact puts it on one line.
func (c *Command) printJSON(v any, compact bool) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if !compact {
		e.SetIndent("", "  ")
	}
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("the JSON cannot be written: %w", err)
	}
	_, err := c.Stdout.Write(b.Bytes())
	return err
}
