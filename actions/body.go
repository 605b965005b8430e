package actions

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"

	"github.com/stepwell/stepwell/actions/internal/ordered"
)

// makeBody gives the bytes of the body and the content type that goes with
// them. The same fields always give the same bytes.
func (s *settings) makeBody(file func(string) ([]byte, error)) (body []byte, contentType string, err error) {
	switch s.bodyKind {
	case "json":
		return []byte(s.content), "application/json", nil
	case "form":
		body, err = appendPairs(make([]byte, 0, len(s.content)+len(s.content)/4), "form", s.content, 0, "+")
		return body, "application/x-www-form-urlencoded", err
	case "text":
		text, err := scalar("text", s.content)
		return []byte(text), "text/plain; charset=utf-8", err
	case "file":
		name, err := scalar("file", s.content)
		if err != nil {
			return nil, "", err
		}
		body, err = open(file, "file", name)
		return body, "application/octet-stream", err
	case "multipart":
		return s.makeMultipart(file)
	}
	return nil, "", nil
}

// open reads a file that a field names.
func open(file func(string) ([]byte, error), field, name string) ([]byte, error) {
	if file == nil {
		return nil, dataError("`%s`: this program gives flows no files", field)
	}
	content, err := file(name)
	if err != nil {
		e := dataError("`%s`: %s", field, err.Error())
		e.Err = err
		return nil, e
	}
	return content, nil
}

// A part is one part of a multipart body.
type part struct {
	head    []byte
	content []byte
}

// makeMultipart writes the parts in the order written (RFC 7578). The boundary
// comes from the parts, so that a repeated request has the same bytes.
func (s *settings) makeMultipart(file func(string) ([]byte, error)) ([]byte, string, error) {
	var parts []part
	err := pairs("multipart", s.content, func(name, value string) error {
		if value == "null" {
			return nil
		}
		p, err := makePart(name, value, file)
		parts = append(parts, p)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	boundary := s.boundary(parts)
	var b bytes.Buffer
	for _, p := range parts {
		b.WriteString("--" + boundary + "\r\n")
		b.Write(p.head)
		b.WriteString("\r\n")
		b.Write(p.content)
		b.WriteString("\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.Bytes(), "multipart/form-data; boundary=" + boundary, nil
}

// boundary makes one that occurs in no part.
func (s *settings) boundary(parts []part) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p.head)
		h.Write(p.content)
	}
	for {
		b := "stepwell-" + hex.EncodeToString(h.Sum(nil)[:16])
		inside := false
		for _, p := range parts {
			inside = inside || bytes.Contains(p.content, []byte(b))
		}
		if !inside {
			return b
		}
		h.Write([]byte{0})
	}
}

// escapeName is how names stand in Content-Disposition (WHATWG HTML,
// multipart/form-data).
var escapeName = strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")

func makePart(name, value string, file func(string) ([]byte, error)) (part, error) {
	var p part
	var filename, contentType, source string
	named := false
	if value[0] != '{' {
		text, ok := ordered.Scalar(value)
		if !ok {
			return p, notText("`multipart."+name+"`", value)
		}
		p.content = []byte(text)
	} else {
		r := ordered.Read(value)
		for key, v, ok := r.Next(); ok; key, v, ok = r.Next() {
			var err error
			switch field := "multipart." + name + "." + key; {
			case v == "null" && key != "json":
			case key == "filename":
				filename, err = scalar(field, v)
				named = true
			case key == "content_type":
				contentType, err = scalar(field, v)
			case source != "":
				return p, dataError("`multipart.%s` has `%s` and `%s`, and a part has one content", name, source, key)
			default:
				source = key
				err = p.fill(field, key, v, file)
				if key == "file" && !named {
					filename = path.Base(ordered.Text(v))
				}
			}
			if err != nil {
				return p, err
			}
		}
	}
	if strings.ContainsAny(contentType, "\r\n\x00") {
		return p, dataError("`multipart.%s.content_type` holds a line break", name)
	}
	if contentType == "" {
		contentType = map[string]string{"json": "application/json", "file": "application/octet-stream", "base64": "application/octet-stream"}[source]
	}
	p.head = append(p.head, `Content-Disposition: form-data; name="`+escapeName.Replace(name)+`"`...)
	if filename != "" {
		p.head = append(p.head, `; filename="`+escapeName.Replace(filename)+`"`...)
	}
	p.head = append(p.head, "\r\n"...)
	if contentType != "" {
		p.head = append(p.head, "Content-Type: "+contentType+"\r\n"...)
	}
	return p, nil
}

// fill takes the content of a part from where it says.
func (p *part) fill(field, kind, value string, file func(string) ([]byte, error)) error {
	if kind == "json" {
		p.content = []byte(value)
		return nil
	}
	text, err := scalar(field, value)
	if err != nil {
		return err
	}
	switch kind {
	case "text":
		p.content = []byte(text)
	case "base64":
		p.content, err = base64.StdEncoding.DecodeString(text)
		if err != nil {
			p.content, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		}
		if err != nil {
			return dataError("`%s` is not base64", field)
		}
	case "file":
		p.content, err = open(file, field, text)
	}
	return err
}

// withBoundary adds the boundary to an author's own multipart content type.
func withBoundary(own, made string) string {
	_, boundary, ok := strings.Cut(made, "boundary=")
	if !ok || len(own) < len("multipart/") || !strings.EqualFold(own[:len("multipart/")], "multipart/") || strings.Contains(strings.ToLower(own), "boundary=") {
		return own
	}
	return own + "; boundary=" + boundary
}

// member gives the text of a top-level member of a form or a JSON body; ok is
// false where there is none or it is no scalar.
func (s *settings) member(name string) (string, bool) {
	if s.bodyKind != "form" && s.bodyKind != "json" || s.content[0] != '{' {
		return "", false
	}
	r := ordered.Read(s.content)
	for key, value, ok := r.Next(); ok; key, value, ok = r.Next() {
		if key == name {
			return ordered.Scalar(value)
		}
	}
	return "", false
}
