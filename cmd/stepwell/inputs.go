package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/stepwell/stepwell/examples/sandbox"
	"github.com/stepwell/stepwell/flow"
)

// maxInputFile is how much of --inputs, --each, or JSON on stdin is read.
const maxInputFile = 256 << 20

// given are a run's inputs from the command line: -i wins over --inputs.
func (c *Command) given(pairs []string, file string) (flow.Inputs, error) {
	in := flow.Inputs{}
	if file != "" {
		text, err := c.read(file)
		if err != nil {
			return nil, err
		}
		members, err := objectOf(text)
		if err != nil {
			return nil, wrong(file+" does not hold inputs: "+err.Error(), `it must be a JSON object such as {"patient_id": "9434765919"}`)
		}
		maps.Copy(in, members)
	}
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, wrong(fmt.Sprintf("-i %s: write -i name=value", beginning(pair)))
		}
		in[name] = value
	}
	return in, nil
}

// beginning is the name that an option begins with. The rest may be a secret.
func beginning(option string) string {
	name := option[:len(option)-len(strings.TrimLeft(option, "abcdefghijklmnopqrstuvwxyz0123456789_.[]"))]
	if name != option {
		name += "…"
	}
	return name
}

// fill adds what nobody has given: from the sandbox, if there is one, else
// from the variables that the flow names. An empty variable counts as not set.
func (c *Command) fill(in flow.Inputs, p *flow.Plan, s *sandbox.Server) flow.Inputs {
	in = maps.Clone(in)
	for _, spec := range p.Inputs() {
		if _, there := in[spec.Name]; there {
			continue
		}
		if value, ok := setting(s, spec.Name, spec.Env); ok {
			in[spec.Name] = value
			continue
		}
		if spec.Env == "" {
			continue
		}
		if value := c.env(spec.Env); value != "" {
			in[spec.Name] = value
		}
	}
	return in
}

// setting is what the sandbox has for a flow's name, or for the variable that
// the flow would take it from.
func setting(s *sandbox.Server, name, env string) (string, bool) {
	if s == nil {
		return "", false
	}
	for _, known := range s.Settings() {
		if known.Name == name {
			return known.Value, true
		}
	}
	for _, known := range s.Settings() {
		if env != "" && known.Env == env {
			return known.Value, true
		}
	}
	return "", false
}

// objectOf takes a JSON object apart: strings are text from outside, everything
// else keeps its JSON.
func objectOf(text []byte) (map[string]any, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, jsonReason(text, err)
	}
	if members == nil {
		return nil, errors.New("null is no object")
	}
	object := make(map[string]any, len(members))
	for name, raw := range members {
		object[name] = raw
		var s string
		if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
			object[name] = s
		}
	}
	return object, nil
}

// jsonReason says where a JSON text is wrong.
func jsonReason(text []byte, err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return errors.New("it is empty")
	case errors.As(err, &syntax):
		head := text[:min(int(syntax.Offset), len(text))]
		return fmt.Errorf("it is not valid JSON at line %d: %s", 1+bytes.Count(head, []byte("\n")), strings.TrimPrefix(syntax.Error(), "json: "))
	case errors.As(err, &shape):
		return fmt.Errorf("it is a JSON %s, not an object", shape.Value)
	}
	return errors.New("it is not valid JSON")
}

// read reads a file, or stdin for "-".
func (c *Command) read(name string) ([]byte, error) {
	var from io.Reader = c.Stdin
	if name != "-" {
		file := c.path(name)
		info, err := os.Stat(file)
		if err == nil && info.IsDir() {
			return nil, wrong(name + " cannot be read: it is a folder")
		}
		if err != nil {
			return nil, wrong(name + " cannot be read: " + reason(err))
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, wrong(name + " cannot be read: " + reason(err))
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxInputFile+1))
	switch {
	case err != nil:
		return nil, wrong(name + " cannot be read: " + reason(err))
	case len(text) > maxInputFile:
		return nil, wrong(name + " is larger than 256 MiB")
	}
	return bytes.TrimPrefix(text, []byte("\ufeff")), nil
}
