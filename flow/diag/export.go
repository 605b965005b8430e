package diag

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// record is a diagnostic for programs.
type record struct {
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	EndColumn int      `json:"end_column"`
	Severity  string   `json:"severity"`
	Code      Code     `json:"code"`
	Message   string   `json:"message"`
	Hint      string   `json:"hint"`
	Notes     []string `json:"notes,omitempty"`
}

// MarshalJSON gives file, line, column, end_column, severity, code, message,
// hint and, if there are any, notes. Line, column and end_column are 0 where
// the problem is the file's as a whole.
func (d Diagnostic) MarshalJSON() ([]byte, error) {
	return encode(record{
		File: d.File, Line: d.Line, Column: d.Column, EndColumn: d.EndColumn, Severity: d.Severity.String(),
		Code: d.Code, Message: d.Message, Hint: d.Hint, Notes: d.Notes,
	}, "")
}

// MarshalJSON gives a list, also of no problems.
func (l List) MarshalJSON() ([]byte, error) {
	if l == nil {
		l = List{}
	}
	return encode([]Diagnostic(l), "")
}

// JSON writes the problems as an indented JSON list with a line end.
func (l List) JSON() string {
	text, err := encode(l, "  ")
	if err != nil { // a list of texts and numbers always encodes
		return "[]\n"
	}
	return string(text) + "\n"
}

func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// GitHub writes the problems as workflow commands, a line each, that GitHub
// Actions shows beside the code.
func (l List) GitHub() string {
	var b strings.Builder
	for _, d := range l {
		command := [...]string{"error", "warning", "notice"}[d.Severity]
		fmt.Fprintf(&b, "::%s file=%s", command, property(d.File))
		if d.Line > 0 {
			fmt.Fprintf(&b, ",line=%d,col=%d,endColumn=%d", d.Line, d.Column, d.EndColumn)
		}
		message := d.Message
		if d.Hint != "" {
			message += "\n" + d.Hint
		}
		for _, note := range d.Notes {
			message += "\n" + note
		}
		fmt.Fprintf(&b, ",title=%s::%s\n", property(string(d.Code)), data(message))
	}
	return b.String()
}

// data escapes the text of a workflow command.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// property escapes the value of a workflow command's property.
func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}
