package actions

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stepwell/stepwell/actions/internal/ordered"
	"github.com/stepwell/stepwell/datapoints"
	"github.com/stepwell/stepwell/flow"
)

// Limits of the language (§14).
const (
	attemptTimeout  = 60 * time.Second
	maxResponse     = 10 << 20
	maxResponseMost = 256 << 20
	maxURL          = 8 << 10
)

// settings are the rendered fields of one call; JSON texts as they came.
type settings struct {
	verb, base, place    string // method, base_url, url
	query, lines         string // objects: query, headers
	bodyKind, content    string // json, form, multipart, text, file, and what it holds
	contentType          string
	basic, bearer        string
	key                  string // idempotency_key
	repeatable           *bool
	redirects            redirects
	limit                int64
	timeout              time.Duration
	allowed              string // a list
	tls, proxy           string
	saveTo               string
	documentFile         string // graphql
	variables, operation string
	sensitive            bool // something that is sent is
	sensitiveHead        bool // in headers, basic, bearer
	sensitiveBody        bool
	sensitiveURL         bool
	graphql              bool
	hasBearer            bool
	lateHeaders          bool
}

// dataError refuses a call before anything is sent.
func dataError(format string, a ...any) *flow.Error {
	return &flow.Error{Kind: flow.KindData, Message: fmt.Sprintf(format, a...)}
}

// take reads the rendered fields. Null stands for what is not given, except
// where a value was clearly meant to be there.
func (s *settings) take(args []flow.Arg) error {
	s.limit, s.timeout = maxResponse, attemptTimeout
	for i := range args {
		a := &args[i]
		raw := a.Value.Reveal()
		if a.Value.Class() == datapoints.Sensitive {
			s.mark(a.Name)
		}
		if a.Name == "headers" && a.Late {
			s.lateHeaders = true
			continue
		}
		if raw == "" || raw == "null" && a.Name != "json" && a.Name != "bearer" {
			continue
		}
		if err := s.set(a.Name, raw); err != nil {
			return err
		}
	}
	return nil
}

// mark notes which part of the request is sensitive.
func (s *settings) mark(field string) {
	switch field {
	case "headers", "basic", "bearer", "idempotency_key":
		s.sensitiveHead = true
	case "json", "form", "multipart", "text", "file", "variables", "operation_name":
		s.sensitiveBody = true
	case "query":
		s.sensitiveURL, s.sensitiveBody = true, true // graphql's query is a part of the body
	case "url", "base_url", "method":
		s.sensitiveURL = true
	default:
		return // tls, proxy, save_to, timeout: nothing that the server sees
	}
	s.sensitive = true
}

func (s *settings) set(name, raw string) (err error) {
	switch name {
	case "method":
		s.verb, err = scalar(name, raw)
	case "url":
		s.place, err = scalar(name, raw)
	case "base_url":
		s.base, err = scalar(name, raw)
	case "query":
		s.query = raw
	case "headers":
		s.lines = raw
	case "json", "form", "multipart", "text", "file":
		if s.bodyKind != "" {
			return dataError("a request has one body, and here are `%s` and `%s`", s.bodyKind, name)
		}
		s.bodyKind, s.content = name, raw
	case "content_type":
		s.contentType, err = scalar(name, raw)
	case "basic":
		s.basic = raw
	case "bearer":
		s.hasBearer = true
		s.bearer, err = scalar(name, raw)
	case "idempotency_key":
		s.key = raw
	case "repeatable":
		value := raw == "true"
		s.repeatable = &value
	case "variables":
		s.variables = raw
	case "query_file":
		s.documentFile, err = scalar(name, raw)
	case "operation_name":
		s.operation, err = scalar(name, raw)
	default:
		err = s.setTransfer(name, raw)
	}
	return err
}

// setTransfer takes the fields that say how a call travels.
func (s *settings) setTransfer(name, raw string) (err error) {
	switch name {
	case "follow_redirects":
		s.redirects, err = parseRedirects(raw)
	case "max_response":
		var ok bool
		if s.limit, ok = parseSize(raw); !ok || s.limit <= 0 {
			return dataError("`max_response` is not a size such as 10MiB: %s", raw)
		}
		if s.limit > maxResponseMost {
			return &flow.Error{Kind: flow.KindLimit, Message: "`max_response` may be 256MiB at most"}
		}
	case "timeout":
		var ok bool
		if s.timeout, ok = parseDuration(ordered.Text(raw)); !ok || s.timeout <= 0 {
			return dataError("`timeout` is not a duration such as 15s: %s", raw)
		}
	case "allow_secrets_to":
		s.allowed = raw
	case "tls":
		s.tls = raw
	case "proxy":
		s.proxy, err = scalar(name, raw)
	case "save_to":
		s.saveTo, err = scalar(name, raw)
	}
	return err
}

// scalar gives the text of a field that must be one.
func scalar(field, raw string) (string, error) {
	text, ok := ordered.Scalar(raw)
	if !ok {
		return "", notText("`"+field+"`", raw)
	}
	return text, nil
}

// notText says what stands where text belongs.
func notText(what, raw string) *flow.Error {
	kind := "an object"
	switch {
	case raw == "" || raw[0] == 'n':
		kind = "null"
	case raw[0] == '[':
		kind = "a list"
	}
	err := dataError("%s is %s where text belongs", what, kind)
	if kind == "null" {
		err.Hints = []string{"need(…) around the data point says which one is not there, `??` gives another value"}
	} else {
		err.Hints = []string{"toJSON(…) makes text of it"}
	}
	return err
}

// parseDuration reads a number and ms, s, m, h or d, also several of them
// joined: 1h30m.
func parseDuration(text string) (time.Duration, bool) {
	units := []struct {
		name string
		size time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}
	if text == "" {
		return 0, false
	}
	total := 0.0
next:
	for text != "" {
		n := 0
		for n < len(text) && (text[n] >= '0' && text[n] <= '9' || text[n] == '.') {
			n++
		}
		number, err := strconv.ParseFloat(text[:n], 64)
		if err != nil {
			return 0, false
		}
		for _, u := range units {
			rest, ok := strings.CutPrefix(text[n:], u.name)
			if ok && (rest == "" || rest[0] >= '0' && rest[0] <= '9') {
				total += number * float64(u.size)
				text = rest
				continue next
			}
		}
		return 0, false
	}
	if total > math.MaxInt64/2 {
		return 0, false
	}
	return time.Duration(total), true
}

// parseSize reads a JSON number of bytes, or text such as 10MiB.
func parseSize(raw string) (int64, bool) {
	text := strings.TrimSpace(ordered.Text(raw))
	factor := int64(1)
	for _, u := range []struct {
		name string
		size int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"KB", 1000}, {"MB", 1000_000}, {"GB", 1000_000_000}} {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			text, factor = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n*float64(factor) > 1<<60 {
		return 0, false
	}
	return int64(n * float64(factor)), true
}

// redirects says which redirects are followed.
type redirects struct {
	most       int
	sameOrigin bool
}

// sameOriginMost is how many redirects `same_origin` follows.
const sameOriginMost = 10

// manyRedirects is the greatest number that follow_redirects may be.
const manyRedirects = 50

var errRedirects = errors.New("`follow_redirects` is false, same_origin, or how many: a number from 0 to 50")

func parseRedirects(raw string) (redirects, error) {
	switch text := ordered.Text(raw); text {
	case "false":
		return redirects{}, nil
	case "same_origin":
		return redirects{most: sameOriginMost, sameOrigin: true}, nil
	default:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > manyRedirects {
			return redirects{}, dataError("%s", errRedirects.Error())
		}
		return redirects{most: n}, nil
	}
}
