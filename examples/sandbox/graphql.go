package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// graphqlRequest is the body of a request (GraphQL over HTTP).
type graphqlRequest struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`
	Extensions    map[string]any `json:"extensions"`
}

type graphqlError struct {
	Message    string            `json:"message"`
	Locations  []location        `json:"locations,omitempty"`
	Path       []any             `json:"path,omitempty"`
	Extensions map[string]string `json:"extensions"`
}

type location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// graphqlAnswer is a response: data is left out if the document was refused.
type graphqlAnswer struct {
	Errors []*graphqlError `json:"errors,omitempty"`
	Data   *object         `json:"data,omitempty"`
}

// object keeps its members in the order in which they were asked for.
type object struct {
	names  []string
	values []any
}

func (o *object) set(name string, value any) {
	o.names, o.values = append(o.names, name), append(o.values, value)
}

// MarshalJSON writes the members in their order.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, name := range o.names {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, err
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func graphqlFailure(code string, at location, format string, args ...any) *graphqlError {
	e := &graphqlError{Message: fmt.Sprintf(format, args...), Extensions: map[string]string{"code": code}}
	if at.Line > 0 {
		e.Locations = []location{at}
	}
	return e
}

// graphql is POST /graphql. What cannot be read as a request is answered with 400, everything else with 200.
func (s *Server) graphql(w http.ResponseWriter, r *http.Request) {
	request, refused := readGraphQL(r)
	if refused != nil {
		refused.write(w)
		return
	}
	e := &execution{server: s, authorization: r.Header.Values("Authorization")}
	answered := graphqlAnswer{}
	operation, failure := parseGraphQL(request.Query, request.OperationName)
	if failure == nil {
		e.variables, failure = operation.bind(request.Variables)
	}
	if failure == nil {
		failure = e.check(operation.selection, rootOf(operation.kind), nil)
	}
	if failure != nil {
		answered.Errors = []*graphqlError{failure}
	} else {
		answered.Data = e.run(operation)
		answered.Errors = e.errors
	}
	answer{status: http.StatusOK, body: answered}.write(w)
}

func readGraphQL(r *http.Request) (graphqlRequest, *answer) {
	var request graphqlRequest
	if kind, given := mediaType(r); kind != "application/json" {
		a := problemAnswer(http.StatusUnsupportedMediaType, "the body must be application/json, this one is "+given)
		return request, &a
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		a := problemAnswer(http.StatusBadRequest, "the body could not be read")
		return request, &a
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&request); err != nil {
		a := problemAnswer(http.StatusBadRequest,
			"the body must be a JSON object with query, and if needed variables and operationName")
		return request, &a
	}
	if strings.TrimSpace(request.Query) == "" {
		a := problemAnswer(http.StatusBadRequest, "query is missing", fieldProblem{"query", "is missing"})
		return request, &a
	}
	return request, nil
}

// bind checks the variables that were sent against those that the operation declares.
func (o *operation) bind(sent map[string]any) (map[string]any, *graphqlError) {
	bound := make(map[string]any)
	for _, v := range o.variables {
		value, ok := sent[v.name]
		if !ok && v.hasDefault {
			value, ok = v.defaultValue, true
		}
		if value == nil && strings.HasSuffix(v.kind, "!") {
			return nil, graphqlFailure("BAD_USER_INPUT", v.at, "variable $%s of type %s needs a value", v.name, v.kind)
		}
		if !ok {
			continue
		}
		coerced, ok := coerce(v.kind, value)
		if !ok {
			return nil, graphqlFailure("BAD_USER_INPUT", v.at, "variable $%s must be %s, this is %s", v.name, v.kind, kindOf(value))
		}
		bound[v.name] = coerced
	}
	return bound, nil
}

// coerce makes a value of a scalar type; an ID may be sent as a whole number.
func coerce(kind string, value any) (any, bool) {
	if value == nil {
		return nil, !strings.HasSuffix(kind, "!")
	}
	switch strings.TrimSuffix(kind, "!") {
	case "ID":
		if number, ok := value.(json.Number); ok {
			return number.String(), !strings.ContainsAny(number.String(), ".eE")
		}
		text, ok := value.(string)
		return text, ok
	case "String":
		text, ok := value.(string)
		return text, ok
	case "Boolean":
		b, ok := value.(bool)
		return b, ok
	}
	return nil, false
}
