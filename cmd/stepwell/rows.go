package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stepwell/stepwell/flow"
)

// rows reads the file of --each: CSV with a header, JSON lines, or a JSON
// list. Each row is one run's inputs, to which common adds what -i and
// --inputs gave; a name in both is an error.
func (c *Command) rows(file string, common flow.Inputs) ([]flow.Inputs, error) {
	text, err := c.read(file)
	if err != nil {
		return nil, err
	}
	rows, names, err := parseRows(text)
	if err != nil {
		return nil, wrong(file+": "+err.Error(), "--each takes CSV with a header, JSON lines, or a JSON list of objects")
	}
	if len(rows) == 0 {
		return nil, wrong(file + " has no rows")
	}
	for _, name := range names {
		if _, there := common[name]; there {
			return nil, wrong(fmt.Sprintf("%q is a column of %s and is also given by -i or --inputs: leave one of them out", name, file))
		}
	}
	for i, row := range rows {
		rows[i] = maps.Clone(common)
		maps.Copy(rows[i], row)
	}
	return rows, nil
}

// parseRows gives the rows and the names of all columns.
func parseRows(text []byte) (rows []flow.Inputs, names []string, err error) {
	if !utf8.Valid(text) {
		return nil, nil, errors.New("it is not UTF-8: a spreadsheet saves that as \"CSV UTF-8\"")
	}
	trimmed := bytes.TrimSpace(text)
	switch {
	case len(trimmed) == 0:
		return nil, nil, errors.New("it is empty")
	case trimmed[0] == '[':
		rows, err = listRows(trimmed)
	case trimmed[0] == '{':
		rows, err = lineRows(text)
	default:
		return csvRows(text)
	}
	all := flow.Inputs{}
	for _, row := range rows {
		maps.Copy(all, row)
	}
	return rows, slices.Sorted(maps.Keys(all)), err
}

func listRows(text []byte) ([]flow.Inputs, error) {
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, jsonReason(text, err)
	}
	rows := make([]flow.Inputs, len(items))
	for i, item := range items {
		object, err := objectOf(item)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i+1, err)
		}
		rows[i] = object
	}
	return rows, nil
}

func lineRows(text []byte) ([]flow.Inputs, error) {
	var rows []flow.Inputs
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		object, err := objectOf(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		rows = append(rows, object)
	}
	return rows, nil
}

// csvRows takes an empty cell for an input that is not given.
func csvRows(text []byte) (rows []flow.Inputs, header []string, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = separator(text)
	header, err = r.Read()
	if err != nil {
		return nil, nil, csvReason(err)
	}
	for i, name := range header {
		header[i] = strings.TrimSpace(name)
		switch {
		case header[i] == "":
			return nil, nil, fmt.Errorf("column %d of the header has no name", i+1)
		case slices.Contains(header[:i], header[i]):
			return nil, nil, fmt.Errorf("the column %q is there twice", header[i])
		}
	}
	for {
		cells, err := r.Read()
		if err == io.EOF {
			return rows, header, nil
		}
		if err != nil {
			return nil, nil, csvReason(err)
		}
		row := flow.Inputs{}
		for i, cell := range cells {
			if cell != "" {
				row[header[i]] = cell
			}
		}
		rows = append(rows, row)
	}
}

// separator is what separates the cells: commas, or the semicolons or tabs of a
// header that has no comma, as spreadsheets write them in many countries. No
// input's name holds one of them.
func separator(text []byte) rune {
	header, _, _ := bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte("\n"))
	for _, c := range ",;\t" {
		if bytes.ContainsRune(header, c) {
			return c
		}
	}
	return ','
}

func csvReason(err error) error {
	var p *csv.ParseError
	switch {
	case errors.As(err, &p) && errors.Is(p.Err, csv.ErrFieldCount):
		return fmt.Errorf("line %d does not have as many cells as the header", p.Line)
	case errors.As(err, &p):
		return fmt.Errorf("line %d, column %d: %w", p.Line, p.Column, p.Err)
	}
	return err
}
